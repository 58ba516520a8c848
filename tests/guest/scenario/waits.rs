//! Waits: each way in which a child changes, asked for in each way.

use super::system::{Change, Outcome, Signal, System, Wait, Which};
use super::{await_end, child, pipe, scenario, settle, tell, word};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Exit(i32),
    Signal(Signal),
    StoppedAndContinued,
}

const ENDS: [End; 12] = [
    End::Exit(0),
    End::Exit(7),
    End::Exit(255),
    End::Exit(256),
    End::Exit(-1),
    End::Signal(Signal::TERM),
    End::Signal(Signal::KILL),
    End::Signal(Signal::SEGV),
    End::Signal(Signal::USR1),
    End::Signal(Signal::EMT),
    End::Signal(Signal::ABRT),
    End::StoppedAndContinued,
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Wait4Process,
    Wait4All,
    Wait4OwnGroup,
    Wait4Group,
    WaitidProcess,
    WaitidAll,
    WaitidGroup,
}

const WAYS: [Way; 7] = [
    Way::Wait4Process,
    Way::Wait4All,
    Way::Wait4OwnGroup,
    Way::Wait4Group,
    Way::WaitidProcess,
    Way::WaitidAll,
    Way::WaitidGroup,
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Plain,
    BeforeTheEnd,
    Untraced,
    LookFirst,
}

const MODES: [Mode; 4] = [Mode::Plain, Mode::BeforeTheEnd, Mode::Untraced, Mode::LookFirst];

pub(crate) fn all<S: System>() {
    for end in ENDS {
        for way in WAYS {
            for mode in MODES {
                scenario::<S>(format_args!("{end:?} {way:?} {mode:?}"), || matrix::<S>(end, way, mode));
            }
        }
    }
    for way in WAYS {
        scenario::<S>(format_args!("nobody {way:?}"), || {
            tell!(S, "{}", word(ask::<S>(way, i32::MAX, 0)));
            tell!(S, "at once {}", word(ask::<S>(way, i32::MAX, Wait::NO_HANG)));
        });
        scenario::<S>(format_args!("two of a kind {way:?}"), || two::<S>(way));
    }
    for options in [0, 0x40, 0x8000_0000, Wait::NO_HANG, Wait::NO_WAIT] {
        scenario::<S>(format_args!("waitid options {options:#x}"), || {
            let process = child::<S>(|| {});
            settle::<S>(process);
            tell!(S, "{}", word(S::waitid(Which::Process(process), options)));
            tell!(S, "then {}", word(S::wait4(process, 0)));
        });
    }
    for options in [0x40, Wait::CONTINUED, Wait::EXITED, Wait::STOPPED, Wait::NO_WAIT] {
        scenario::<S>(format_args!("wait4 options {options:#x}"), || {
            let process = child::<S>(|| {});
            settle::<S>(process);
            tell!(S, "{}", word(S::wait4(process, options)));
            tell!(S, "then {}", word(S::wait4(process, Wait::NO_HANG)));
        });
    }
    for which in [Which::Process(0), Which::Process(-1), Which::Group(0), Which::Group(-1)] {
        let (name, id) = match which {
            Which::All => ("all", 0),
            Which::Process(id) => ("process", id),
            Which::Group(id) => ("group", id),
        };
        scenario::<S>(format_args!("waitid of {name} {id}"), || {
            let process = child::<S>(|| {});
            settle::<S>(process);
            tell!(S, "{}", word(S::waitid(which, Wait::EXITED)));
        });
    }
    scenario::<S>(format_args!("another's child"), || {
        let (read, write) = pipe::<S>();
        let brother = child::<S>(|| await_end::<S>((read, write)));
        let process = child::<S>(|| tell!(S, "{}", word(S::wait4(brother, Wait::NO_HANG))));
        let _ = S::wait4(process, 0);
    });
}

/// One question.
fn ask<S: System>(way: Way, process: i32, options: u32) -> Outcome<Option<(i32, Change)>> {
    let for_waitid = match options & Wait::UNTRACED {
        0 => options | Wait::EXITED,
        _ => options & !Wait::UNTRACED | Wait::EXITED | Wait::STOPPED,
    };
    match way {
        Way::Wait4Process => S::wait4(process, options),
        Way::Wait4All => S::wait4(-1, options),
        Way::Wait4OwnGroup => S::wait4(0, options),
        Way::Wait4Group => S::wait4(-process, options),
        Way::WaitidProcess => S::waitid(Which::Process(process), for_waitid),
        Way::WaitidAll => S::waitid(Which::All, for_waitid),
        Way::WaitidGroup => S::waitid(Which::Group(process), for_waitid),
    }
}

fn answer<S: System>(what: &str, process: i32, told: Outcome<Option<(i32, Change)>>) {
    match told {
        Ok(Some((told, change))) => tell!(S, "{what}: {change} {}", told == process),
        Ok(None) => tell!(S, "{what}: nothing"),
        Err(error) => tell!(S, "{what}: {error}"),
    }
}

fn matrix<S: System>(end: End, way: Way, mode: Mode) {
    let (read, write) = pipe::<S>();
    let process = child::<S>(|| {
        await_end::<S>((read, write));
        match end {
            End::Exit(code) => S::exit(code),
            End::Signal(signal) => {
                let _ = S::kill(S::getpid(), signal);
            }
            End::StoppedAndContinued => {
                let _ = S::kill(S::getpid(), Signal::STOP);
                S::exit(3);
            }
        }
    });
    let _ = S::close(read);
    if matches!(way, Way::Wait4Group | Way::WaitidGroup) {
        tell!(S, "group {}", word(S::setpgid(process, process)));
    }
    if mode == Mode::BeforeTheEnd {
        answer::<S>("before", process, ask::<S>(way, process, Wait::NO_HANG));
    }
    let _ = S::close(write);
    let options = match mode {
        Mode::Untraced => Wait::UNTRACED,
        _ => 0,
    };
    if end == End::StoppedAndContinued {
        settle::<S>(process);
        answer::<S>("stopped", process, ask::<S>(way, process, options | Wait::NO_HANG));
        answer::<S>("stopped again", process, ask::<S>(way, process, options | Wait::NO_HANG));
        let _ = S::kill(process, Signal::CONT);
    }
    if mode == Mode::LookFirst {
        let waitid = matches!(way, Way::WaitidProcess | Way::WaitidAll | Way::WaitidGroup);
        for what in ["look", "look again"] {
            // wait4 cannot look; waitid can, and its look must not take the child from it.
            let which = if waitid { way } else { Way::WaitidProcess };
            answer::<S>(what, process, ask::<S>(which, process, Wait::NO_WAIT));
        }
    }
    answer::<S>("end", process, ask::<S>(way, process, options));
    answer::<S>("afterwards", process, ask::<S>(way, process, options));
    tell!(S, "kill {}", word(S::kill(process, Signal::NONE)));
}

/// Two children of one group: both are told of, each once.
fn two<S: System>(way: Way) {
    let (read, write) = pipe::<S>();
    let first = child::<S>(|| {
        await_end::<S>((read, write));
        S::exit(1);
    });
    let second = child::<S>(|| {
        await_end::<S>((read, write));
        S::exit(2);
    });
    let (mine, other) = (S::setpgid(first, first), S::setpgid(second, first));
    tell!(S, "groups {} {}", word(mine), word(other));
    let _ = S::close(write);
    settle::<S>(first);
    settle::<S>(second);
    let mut sum = 0;
    for _ in 0..3 {
        match ask::<S>(way, first, Wait::NO_HANG) {
            Ok(Some((_, Change::Exited(code)))) => sum += code,
            Ok(Some((_, change))) => tell!(S, "{change}"),
            Ok(None) => tell!(S, "nothing"),
            Err(error) => tell!(S, "{error}"),
        }
    }
    tell!(S, "sum {sum}");
}
