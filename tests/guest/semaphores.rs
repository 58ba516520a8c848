//! Semaphores: made by a message to the task, used by traps.
#![no_std]
#![no_main]
mod messages;
mod support;
use messages::{
    COMPLEX, COPY_SEND, KERN_INVALID_NAME, MAKE_SEND_ONCE, REPLY_PORT, kinds, now, receive, send, task,
};
use support::{Args, ensure, mach, println};

support::unixthread!(main);

const SIGNAL: u64 = 33;
const SIGNAL_ALL: u64 = 34;
const SIGNAL_THREAD: u64 = 35;
const WAIT: u64 = 36;
const WAIT_SIGNAL: u64 = 37;
const TIMEDWAIT: u64 = 38;
const TIMEDWAIT_SIGNAL: u64 = 39;
const THREAD_SELF: u64 = 27;

const KERN_INVALID_ARGUMENT: u64 = 4;
const KERN_INVALID_RIGHT: u64 = 17;
const KERN_INVALID_VALUE: u64 = 18;
const KERN_INVALID_CAPABILITY: u64 = 20;
const KERN_TERMINATED: u64 = 37;
const KERN_NOT_WAITING: u64 = 48;
const KERN_TIMED_OUT: u64 = 49;

const MILLISECOND: u64 = 1_000_000;

/// `semaphore_create`: the name, or what it answers instead.
fn create(policy: u32, value: u32) -> Result<u64, u32> {
    let reply = mach(REPLY_PORT, []) as u32;
    let bits = COPY_SEND | MAKE_SEND_ONCE << 8;
    // The description of integers, a policy, a value.
    let sent = send(&[bits, 0, task() as u32, reply, 0, 3418, 0, 1, policy, value]);
    ensure!(1, sent == 0, "asked: {sent:#x}");
    let answer = receive(u64::from(reply), Some(1000)).unwrap_or([0; 32]);
    ensure!(2, answer[5] == 3518, "the answer is {answer:x?}");
    messages::drop_receive(u64::from(reply));
    if answer[0] & COMPLEX == 0 { Err(answer[8]) } else { Ok(u64::from(answer[7])) }
}

fn made(value: u32) -> u64 {
    let semaphore = create(0, value).unwrap_or(0);
    ensure!(3, kinds(semaphore) == 0x1_0000, "a semaphore is {semaphore:#x}, of {:#x}", kinds(semaphore));
    semaphore
}

/// `semaphore_destroy`.
fn destroy(semaphore: u64) {
    let reply = mach(REPLY_PORT, []) as u32;
    let bits = COMPLEX | COPY_SEND | MAKE_SEND_ONCE << 8;
    let port = [semaphore as u32, 0, COPY_SEND << 16];
    let sent = send(&[bits, 0, task() as u32, reply, 0, 3419, 1, port[0], port[1], port[2]]);
    let answer = receive(u64::from(reply), Some(1000)).unwrap_or([7; 32]);
    ensure!(4, sent == 0 && answer[5] == 3519 && answer[8] == 0, "destroyed: {sent:#x}, {answer:x?}");
    messages::drop_receive(u64::from(reply));
}

fn main(_: &Args) -> i32 {
    counts();
    times();
    two();
    bad();
    println!("semaphores count");
    0
}

fn counts() {
    let semaphore = made(2);
    ensure!(10, mach(WAIT, [semaphore]) == 0 && mach(WAIT, [semaphore]) == 0, "two may pass");
    let third = mach(TIMEDWAIT, [semaphore, 0, 0]);
    ensure!(11, third == KERN_TIMED_OUT, "the third: {third}");
    for _ in 0..1000 {
        ensure!(12, mach(SIGNAL, [semaphore]) == 0, "not signalled");
    }
    for n in 0..1000 {
        ensure!(13, mach(WAIT, [semaphore]) == 0, "waiter {n} does not pass");
    }
    // Nobody waits: all and one thread are nobody, and nothing is kept for later.
    ensure!(14, mach(SIGNAL_ALL, [semaphore]) == 0, "nobody is signalled");
    let (any, own) =
        (mach(SIGNAL_THREAD, [semaphore, 0]), mach(SIGNAL_THREAD, [semaphore, mach(THREAD_SELF, [])]));
    ensure!(15, (any, own) == (KERN_NOT_WAITING, KERN_NOT_WAITING), "nobody waits: {any} {own}");
    ensure!(16, mach(TIMEDWAIT, [semaphore, 0, 0]) == KERN_TIMED_OUT, "something was kept");
    destroy(semaphore);
    let gone = (mach(SIGNAL, [semaphore]), mach(WAIT, [semaphore]));
    ensure!(17, gone == (KERN_TERMINATED, KERN_TERMINATED), "a destroyed one: {gone:?}");
}

fn times() {
    let semaphore = made(0);
    let start = now();
    let waited = mach(TIMEDWAIT, [semaphore, 0, 20 * MILLISECOND]);
    ensure!(20, waited == KERN_TIMED_OUT, "waited: {waited}");
    ensure!(21, now() - start >= 20 * MILLISECOND, "only {} ns", now() - start);
    ensure!(22, mach(SIGNAL, [semaphore]) == 0, "not signalled");
    let start = now();
    ensure!(23, mach(TIMEDWAIT, [semaphore, 10, 0]) == 0, "it does not pass");
    ensure!(24, now() - start < 5000 * MILLISECOND, "it waited");
    for nanoseconds in [1_000_000_000, u64::MAX] {
        let bad = mach(TIMEDWAIT, [semaphore, 0, nanoseconds]);
        ensure!(25, bad == KERN_INVALID_VALUE, "{nanoseconds} is no time: {bad}");
    }
}

fn two() {
    let (first, second) = (made(1), made(0));
    ensure!(30, mach(WAIT_SIGNAL, [first, second]) == 0, "it does not pass");
    ensure!(31, mach(TIMEDWAIT, [second, 0, 0]) == 0, "the other was not signalled");
    let late = mach(TIMEDWAIT_SIGNAL, [first, second, 0, MILLISECOND]);
    ensure!(32, late == KERN_TIMED_OUT, "it passes: {late}");
    ensure!(33, mach(TIMEDWAIT, [second, 0, 0]) == 0, "it was signalled all the same");
    // One waits for itself.
    ensure!(34, mach(WAIT_SIGNAL, [first, first]) == 0, "itself");
}

fn bad() {
    for (policy, value) in [(8, 0), (0, u32::MAX), (u32::MAX, 1)] {
        let answer = create(policy, value);
        ensure!(40, answer == Err(KERN_INVALID_ARGUMENT as u32), "{policy} {value}: {answer:x?}");
    }
    let (port, receive) = (messages::port(), mach(REPLY_PORT, []));
    let cases = [
        (0, KERN_INVALID_NAME),
        (0xffff_ffff, KERN_INVALID_NAME),
        (0x9999_9903, KERN_INVALID_NAME),
        (receive, KERN_INVALID_RIGHT),
        (port, KERN_INVALID_CAPABILITY),
    ];
    for (name, error) in cases {
        let answers = [mach(SIGNAL, [name]), mach(SIGNAL_ALL, [name]), mach(WAIT, [name])];
        ensure!(41, answers == [error; 3], "{name:#x}: {answers:?}, not {error}");
    }
}
