//! Scenarios of processes, made by matrices: what they do is told as a transcript on descriptor 1, in names, so that it can be
//! compared between two systems. The same text is built into the guest `scenario`, which makes XNU's calls, and into the
//! test `twin_processes`, which makes Linux's own.
//!
//! Nothing here allocates or takes a lock: it runs in a forked child of a program with threads.

pub(crate) mod groups;
pub(crate) mod interruption;
pub(crate) mod limits;
pub(crate) mod signals;
pub(crate) mod spawns;
pub(crate) mod system;
pub(crate) mod timers;
pub(crate) mod users;
pub(crate) mod waits;

use core::fmt::{self, Write};
use system::{Action, Change, Disposition, Limit, Resource, Signal, System, Timer, Wait};

/// What a scenario may take, and the whole of a family.
const SCENARIO_LIMIT_US: u64 = 10_000_000;
const FAMILY_LIMIT_US: u64 = 50_000_000;

/// The families, each with what runs its scenarios.
pub(crate) fn families<S: System>() -> [(&'static str, fn()); 8] {
    [
        ("signals", signals::all::<S>),
        ("interruption", interruption::all::<S>),
        ("waits", waits::all::<S>),
        ("groups", groups::all::<S>),
        ("spawns", spawns::all::<S>),
        ("limits", limits::all::<S>),
        ("users", users::all::<S>),
        ("timers", timers::all::<S>),
    ]
}

/// Runs a family in this process; `false` if there is none of that name.
pub(crate) fn run<S: System>(name: &str) -> bool {
    let Some((_, family)) = families::<S>().into_iter().find(|(known, _)| *known == name) else {
        return false;
    };
    // What the process has inherited is nobody's business here, and a core file nobody's wish.
    for descriptor in 3..64 {
        let _ = S::close(descriptor);
    }
    let _ = S::setrlimit(Resource::Core, Limit { soft: 0, hard: system::UNLIMITED });
    let _ = S::setpgid(0, 0);
    let _ = S::setitimer(Timer::Real, 0, FAMILY_LIMIT_US);
    family();
    let _ = S::setitimer(Timer::Real, 0, 0);
    true
}

/// A line of text, without an allocation.
struct Line {
    bytes: [u8; 256],
    used: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (to, from) in self.bytes.iter_mut().skip(self.used).zip(text.bytes()) {
            *to = from;
            self.used += 1;
        }
        Ok(())
    }
}

/// Writes a line in one piece; what is beyond 255 bytes is lost.
pub(crate) fn say<S: System>(text: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 256], used: 0 };
    let _ = line.write_fmt(text);
    line.used = line.used.min(line.bytes.len() - 1);
    let _ = line.write_str("\n");
    let _ = S::write(1, line.bytes.get(..line.used).unwrap_or_default());
}

/// Says one line of a scenario: `tell!(S, "…", …)`.
macro_rules! tell {
    ($system:ty, $($arg:tt)*) => { $crate::scenario::say::<$system>(format_args!($($arg)*)) };
}
pub(crate) use tell;

/// Runs a scenario in a child that leads a group of its own, and tells how that ended. A child that stops is told to go on.
pub(crate) fn scenario<S: System>(name: fmt::Arguments<'_>, body: impl FnOnce()) {
    tell!(S, "## {name}");
    let child = match S::fork() {
        Ok(0) => {
            let _ = S::setpgid(0, 0);
            let _ = S::setitimer(Timer::Real, 0, SCENARIO_LIMIT_US);
            body();
            S::exit(0)
        }
        Ok(child) => child,
        Err(error) => return tell!(S, "fork {error}"),
    };
    loop {
        match S::wait4(child, Wait::UNTRACED) {
            Ok(Some((_, Change::Stopped(signal)))) => {
                tell!(S, "stopped {signal}");
                let _ = S::kill(child, Signal::CONT);
            }
            Ok(Some((_, change))) => {
                if change != Change::Exited(0) {
                    tell!(S, "{change}");
                }
                break;
            }
            other => {
                tell!(S, "wait4 {other:?}");
                break;
            }
        }
    }
    // What it has left behind would hold the pipe open.
    let _ = S::kill(-child, Signal::KILL);
}

/// A child that runs `body`; a system that cannot fork ends the scenario.
pub(crate) fn child<S: System>(body: impl FnOnce()) -> i32 {
    match S::fork() {
        Ok(0) => {
            body();
            S::exit(0)
        }
        Ok(child) => child,
        Err(error) => {
            tell!(S, "fork {error}");
            S::exit(99)
        }
    }
}

/// A pipe, or the end of the scenario.
pub(crate) fn pipe<S: System>() -> (i32, i32) {
    S::pipe().unwrap_or_else(|error| {
        tell!(S, "pipe {error}");
        S::exit(99)
    })
}

/// Sleeps until everybody else has closed the other end of a pipe, or written a byte to it.
pub(crate) fn await_end<S: System>((read, write): (i32, i32)) {
    let _ = S::close(write);
    let _ = S::read(read, &mut [0]);
    let _ = S::close(read);
}

/// Waits until a child has ended or stopped, and leaves that to be told.
pub(crate) fn settle<S: System>(child: i32) {
    let _ = S::waitid(system::Which::Process(child), Wait::EXITED | Wait::STOPPED | Wait::NO_WAIT);
}

/// Sets what becomes of a signal, without flags.
pub(crate) fn set<S: System>(signal: Signal, disposition: Disposition) {
    if let Err(error) = S::sigaction(signal, Some(Action { disposition, mask: 0, flags: 0 })) {
        tell!(S, "sigaction {signal} {error}");
    }
}

/// An outcome as a word: the error's name, or `ok`.
pub(crate) fn word<T>(outcome: system::Outcome<T>) -> &'static str {
    match outcome {
        Ok(_) => "ok",
        Err(error) => error.0,
    }
}

/// Which of the processes that a scenario knows a number means.
pub(crate) fn who(number: i32, known: &[(&'static str, i32)]) -> &'static str {
    known.iter().find(|(_, known)| *known == number).map_or("another", |(name, _)| name)
}
