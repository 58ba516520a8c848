//! Timers.

use super::signals;
use super::system::{Action, Disposition, How, RESTART, Signal, SignalSet, System, Timer};
use super::{child, scenario, set, tell, word};
use core::ptr::null;

const TIMERS: [(Timer, Signal); 3] =
    [(Timer::Real, Signal::ALRM), (Timer::Virtual, Signal::VTALRM), (Timer::Profiling, Signal::PROF)];

/// What a timer takes, and how long a scenario waits for it.
const INTERVAL_US: u64 = 10_000;
const PATIENCE_US: u64 = 5_000_000;
/// Linux counts processor time in ticks.
const ROUNDING_US: u64 = 10_000;

pub(crate) fn all<S: System>() {
    for (timer, signal) in TIMERS {
        for (disposition, name) in [
            (Disposition::Catch, "caught"),
            (Disposition::Ignore, "ignored"),
            (Disposition::Default, "default"),
        ] {
            scenario::<S>(format_args!("{timer:?} once {name}"), || once::<S>(timer, signal, disposition));
        }
        scenario::<S>(format_args!("{timer:?} five times"), || five::<S>(timer, signal));
        scenario::<S>(format_args!("{timer:?} blocked"), || blocked::<S>(timer, signal));
        scenario::<S>(format_args!("{timer:?} set anew"), || anew::<S>(timer));
        scenario::<S>(format_args!("{timer:?} not of a child"), || {
            let _ = S::setitimer(timer, 0, PATIENCE_US);
            let process = child::<S>(|| tell!(S, "{:?}", S::getitimer(timer)));
            let _ = S::wait4(process, 0);
            let left = S::getitimer(timer);
            tell!(
                S,
                "left {}",
                left.is_ok_and(|(_, left_us)| left_us > 0 && left_us <= PATIENCE_US + ROUNDING_US)
            );
        });
        scenario::<S>(format_args!("{timer:?} survives execve"), || {
            let _ = S::setitimer(timer, 0, 5 * INTERVAL_US);
            set::<S>(signal, Disposition::Default);
            let [a, b, c] = [c"sh", c"-c", c"while :; do :; done"].map(|text| text.as_ptr().cast());
            tell!(S, "{}", S::execve(c"/bin/sh", &[a, b, c, null()], &[null()]));
        });
        let values = [(0, 1_000_000), (0, -1), (-1, 0), (100_000_000, 0), (0, 999_999)];
        for (seconds, microseconds) in values {
            scenario::<S>(format_args!("{timer:?} of {seconds}s {microseconds}us"), || {
                set::<S>(signal, Disposition::Ignore);
                let value = (seconds, microseconds);
                tell!(S, "first {}", word(S::setitimer_raw(timer, (0, 0), value)));
                tell!(S, "interval {}", word(S::setitimer_raw(timer, value, (50, 0))));
                let _ = S::setitimer(timer, 0, 0);
            });
        }
    }
}

/// Burns time, since two of the timers count nothing else, until `done` or patience ends.
fn burn<S: System>(done: impl Fn() -> bool) {
    let start_us = S::now_us();
    while !done() && S::now_us().wrapping_sub(start_us) < PATIENCE_US {
        for turn in 0..1000 {
            core::hint::black_box(turn);
        }
    }
}

fn once<S: System>(timer: Timer, signal: Signal, disposition: Disposition) {
    let _ = S::sigaction(signal, Some(Action { disposition, mask: 0, flags: RESTART }));
    tell!(S, "{}", word(S::setitimer(timer, 0, INTERVAL_US)));
    burn::<S>(|| S::getitimer(timer).is_ok_and(|(_, left_us)| left_us == 0));
    tell!(S, "ran {}", signals::count());
    tell!(S, "{:?}", S::getitimer(timer));
    burn_for::<S>(3 * INTERVAL_US);
    tell!(S, "later {}", signals::count());
}

fn burn_for<S: System>(duration_us: u64) {
    let start_us = S::now_us();
    burn::<S>(|| S::now_us().wrapping_sub(start_us) >= duration_us);
}

fn five<S: System>(timer: Timer, signal: Signal) {
    let _ = S::sigaction(signal, Some(Action { disposition: Disposition::Catch, mask: 0, flags: RESTART }));
    tell!(S, "{}", word(S::setitimer(timer, INTERVAL_US, INTERVAL_US)));
    burn::<S>(|| signals::count() >= 5);
    let told = S::getitimer(timer);
    tell!(S, "at least five {}", signals::count() >= 5);
    match told {
        Ok((interval_us, left_us)) => tell!(S, "interval {interval_us} left {}", left_us > 0),
        Err(error) => tell!(S, "{error}"),
    }
    let old = S::setitimer(timer, 0, 0);
    tell!(
        S,
        "disarmed {}",
        old.is_ok_and(|(interval_us, left_us)| interval_us == INTERVAL_US && left_us > 0)
    );
    let before = signals::count();
    burn_for::<S>(3 * INTERVAL_US);
    tell!(S, "afterwards {}", signals::count() - before);
    tell!(S, "{:?}", S::getitimer(timer));
}

fn blocked<S: System>(timer: Timer, signal: Signal) {
    set::<S>(signal, Disposition::Catch);
    let _ = S::sigprocmask(How::Block, signal.bit());
    let _ = S::setitimer(timer, INTERVAL_US, INTERVAL_US);
    burn::<S>(|| S::sigpending() != 0);
    burn_for::<S>(3 * INTERVAL_US);
    let _ = S::setitimer(timer, 0, 0);
    tell!(S, "pending {} ran {}", SignalSet(S::sigpending()), signals::count());
    let _ = S::sigprocmask(How::Unblock, signal.bit());
    tell!(S, "pending {} ran {}", SignalSet(S::sigpending()), signals::count());
}

fn anew<S: System>(timer: Timer) {
    let near = |told: Result<(u64, u64), super::system::Error>, interval_us: u64, first_us: u64| {
        told.is_ok_and(|(interval, left)| {
            interval == interval_us && left > first_us / 2 && left <= first_us + ROUNDING_US
        })
    };
    let _ = S::setitimer(timer, 0, 0);
    tell!(S, "none {:?}", S::getitimer(timer));
    tell!(S, "first {:?}", S::setitimer(timer, 2_000_000, 50_000_000));
    tell!(S, "asked {}", near(S::getitimer(timer), 2_000_000, 50_000_000));
    tell!(S, "second {}", near(S::setitimer(timer, 0, 40_000_000), 2_000_000, 50_000_000));
    tell!(S, "third {}", near(S::setitimer(timer, 0, 0), 0, 40_000_000));
    tell!(S, "last {:?}", S::getitimer(timer));
    // An interval without a first time is no timer.
    tell!(S, "interval alone {:?}", S::setitimer(timer, 1_000_000, 0));
    tell!(S, "which is {:?}", S::getitimer(timer).map(|(_, left_us)| left_us));
}
