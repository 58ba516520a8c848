//! Timers by port: they ring in the order of their times, at them and not before, and not at all once cancelled.
#![no_std]
#![no_main]
mod messages;
mod support;
use messages::{INSERT_MEMBER, TIMED_OUT, kinds, now, receive, set, task};
use support::{Args, ensure, mach, println};

support::unixthread!(main);

const CREATE: u64 = 91;
const DESTROY: u64 = 92;
const ARM: u64 = 93;
const CANCEL: u64 = 94;
const MILLISECOND: u64 = 1_000_000;
const TIMERS: usize = 8;

fn timer() -> u64 {
    let timer = mach(CREATE, []);
    ensure!(1, timer != 0 && kinds(timer) == 0x2_0000, "a timer is {timer:#x}, of {:#x}", kinds(timer));
    timer
}

fn main(_: &Args) -> i32 {
    in_order();
    alone();
    println!("timers ring");
    0
}

fn in_order() {
    let set = set();
    let timers = [(); TIMERS].map(|()| timer());
    let start = now();
    // Armed in another order than they are due in.
    let due = |which: usize| start + (10 + (which as u64 * 5 % TIMERS as u64) * 10) * MILLISECOND;
    for (which, timer) in timers.iter().enumerate() {
        let joined = mach(INSERT_MEMBER, [task(), *timer, set]);
        let armed = mach(ARM, [*timer, due(which)]);
        ensure!(10, (joined, armed) == (0, 0), "timer {which}: {joined} {armed}");
    }
    let mut last = 0;
    for _ in 0..TIMERS {
        let rang = receive(set, Some(60_000)).unwrap_or([0; 32]);
        let which = timers.iter().position(|timer| *timer == u64::from(rang[3]));
        let which = which.unwrap_or(TIMERS);
        ensure!(11, which < TIMERS, "nobody's timer rang: {rang:x?}");
        let time = now();
        ensure!(12, time >= due(which), "timer {which} rang {} early", due(which) - time);
        ensure!(13, due(which) > last, "timer {which} rang after a later one");
        last = due(which);
    }
    let more = receive(set, Some(1)).err();
    ensure!(14, more == Some(TIMED_OUT), "one rang twice: {more:x?}");
    for timer in timers {
        let gone = mach(DESTROY, [timer]);
        ensure!(15, gone == 0 && kinds(timer) == 0, "a timer goes: {gone}");
    }
}

fn alone() {
    let timer = timer();
    // One that is late rings at once, and once.
    ensure!(20, mach(ARM, [timer, 1]) == 0, "it cannot be armed");
    ensure!(21, receive(timer, Some(1000)).is_ok(), "it does not ring");
    ensure!(22, receive(timer, Some(2)).err() == Some(TIMED_OUT), "it rings twice");
    // Armed again, the first time is forgotten.
    let (soon, later) = (now() + 5 * MILLISECOND, now() + 40 * MILLISECOND);
    ensure!(23, mach(ARM, [timer, soon]) == 0 && mach(ARM, [timer, later]) == 0, "it cannot be armed again");
    ensure!(24, receive(timer, Some(1000)).is_ok() && now() >= later, "it rang at the first time");
    // A cancelled one says when it was due, and is silent.
    let due = now() + 10 * MILLISECOND;
    let mut was = 0u64;
    let cancelled = (mach(ARM, [timer, due]), mach(CANCEL, [timer, &raw mut was as u64]));
    ensure!(25, cancelled == (0, 0) && was == due, "cancelled {cancelled:?}, due at {was}, not {due}");
    ensure!(26, receive(timer, Some(20)).err() == Some(TIMED_OUT), "it rings though cancelled");
    let nothing = (mach(CANCEL, [timer, &raw mut was as u64]), was);
    ensure!(27, nothing == (0, 0), "cancelling nothing: {nothing:?}");
    // No timers.
    let port = messages::port();
    for bad in [0, port, 0x9999_9903] {
        let answers = (mach(ARM, [bad, due]), mach(CANCEL, [bad, 0]), mach(DESTROY, [bad]));
        ensure!(28, answers.0 != 0 && answers.1 != 0 && answers.2 != 0, "{bad:#x} is no timer: {answers:?}");
    }
    ensure!(29, mach(ARM, [timer, due]) == 0 && mach(DESTROY, [timer]) == 0, "an armed one goes");
    ensure!(30, mach(ARM, [timer, due]) != 0, "it is still there");
}
