//! Process groups and sessions.

use super::system::{Disposition, Signal, System};
use super::{await_end, child, pipe, scenario, set, settle, tell, who, word};

/// What the child of the scenario is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Fresh,
    Executed,
    GroupLeader,
    SessionLeader,
    Ended,
}

const STATES: [State; 5] =
    [State::Fresh, State::Executed, State::GroupLeader, State::SessionLeader, State::Ended];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Process {
    Zero,
    Own,
    Child,
    Parent,
    Nobody,
    Negative,
}

const PROCESSES: [Process; 6] =
    [Process::Zero, Process::Own, Process::Child, Process::Parent, Process::Nobody, Process::Negative];

/// A number that no process has.
const NOBODY: i32 = 0x3fff_fff0;

impl Process {
    fn number<S: System>(self, child: i32) -> i32 {
        match self {
            Process::Zero => 0,
            Process::Own => S::getpid(),
            Process::Child => child,
            Process::Parent => S::getppid(),
            Process::Nobody => NOBODY,
            Process::Negative => -1,
        }
    }
}

pub(crate) fn all<S: System>() {
    for state in STATES {
        for target in PROCESSES {
            for group in PROCESSES {
                scenario::<S>(format_args!("setpgid {state:?} {target:?} {group:?}"), || {
                    with_child::<S>(state, |child| {
                        let (process, group) = (target.number::<S>(child), group.number::<S>(child));
                        tell!(S, "{}", word(S::setpgid(process, group)));
                        tell_groups::<S>(child);
                    });
                });
            }
        }
        for target in PROCESSES {
            scenario::<S>(format_args!("ask {state:?} {target:?}"), || {
                with_child::<S>(state, |child| ask::<S>(target.number::<S>(child), child));
            });
        }
        for signal in [Signal::NONE, Signal::USR1] {
            scenario::<S>(format_args!("kill {state:?} {signal}"), || {
                set::<S>(Signal::USR1, Disposition::Catch);
                with_child::<S>(state, |child| kill::<S>(child, signal));
            });
        }
    }
    scenario::<S>(format_args!("setsid of a leader"), || {
        tell!(S, "{}", word(S::setsid()));
        tell_groups::<S>(0);
    });
    scenario::<S>(format_args!("setsid twice"), || {
        let session = child::<S>(|| {
            let first = S::setsid();
            tell!(S, "{}", first.is_ok_and(|session| session == S::getpid()));
            tell_groups::<S>(0);
            tell!(S, "again {}", word(S::setsid()));
            tell!(S, "setpgid {}", word(S::setpgid(0, 0)));
            let inner = child::<S>(|| {
                tell_groups::<S>(0);
                tell!(S, "setpgid {}", word(S::setpgid(0, 0)));
                tell_groups::<S>(0);
                tell!(S, "back {}", word(S::setpgid(0, S::getppid())));
                tell!(S, "setsid {}", word(S::setsid()));
            });
            let _ = S::wait4(inner, 0);
        });
        let _ = S::wait4(session, 0);
    });
    scenario::<S>(format_args!("join and leave"), || {
        let (read, write) = pipe::<S>();
        let first = child::<S>(|| await_end::<S>((read, write)));
        let second = child::<S>(|| await_end::<S>((read, write)));
        for (process, group) in
            [(first, first), (second, first), (second, second), (first, second), (first, 0)]
        {
            let told = S::setpgid(process, group);
            let known = [("first", first), ("second", second), ("own", S::getpid())];
            let now = [first, second].map(|process| who(S::getpgid(process).unwrap_or(0), &known));
            tell!(S, "{} {} {}", word(told), now[0], now[1]);
        }
        let _ = S::close(write);
    });
}

/// Runs `body` with a child in a state.
fn with_child<S: System>(state: State, body: impl FnOnce(i32)) {
    let (read, write) = pipe::<S>();
    let (ready_read, ready_write) = pipe::<S>();
    let process = child::<S>(|| {
        let _ = S::close(ready_read);
        let _ = S::close(write);
        match state {
            State::Fresh | State::Ended | State::Executed => {}
            State::GroupLeader => _ = S::setpgid(0, 0),
            State::SessionLeader => _ = S::setsid(),
        }
        if state == State::Executed {
            let _ = S::dup2(read, 0);
            let _ = S::dup2(ready_write, 4);
            let arguments =
                [c"sh", c"-c", c"echo >&4; exec 4>&-; read line"].map(|text| text.as_ptr().cast());
            let [a, b, c] = arguments;
            let error = S::execve(c"/bin/sh", &[a, b, c, core::ptr::null()], &[core::ptr::null()]);
            tell!(S, "execve {error}");
        }
        let _ = S::write(ready_write, b"!");
        if state != State::Ended {
            let _ = S::read(read, &mut [0]);
        }
    });
    let _ = S::close(read);
    let _ = S::close(ready_write);
    let _ = S::read(ready_read, &mut [0]);
    if state == State::Ended {
        settle::<S>(process);
    }
    body(process);
    let _ = S::close(write);
    let _ = S::kill(process, Signal::KILL);
    let _ = S::wait4(process, 0);
}

fn tell_groups<S: System>(child: i32) {
    let known = [("own", S::getpid()), ("child", child), ("parent", S::getppid())];
    let group = |process| S::getpgid(process).map_or_else(|error| error.0, |group| who(group, &known));
    let session = |process| S::getsid(process).map_or_else(|error| error.0, |session| who(session, &known));
    tell!(S, "own group {} session {}", group(0), session(0));
    if child != 0 {
        tell!(S, "child's group {} session {}", group(child), session(child));
    }
}

fn ask<S: System>(process: i32, child: i32) {
    let known = [("own", S::getpid()), ("child", child), ("parent", S::getppid())];
    let group = S::getpgid(process).map_or_else(|error| error.0, |group| who(group, &known));
    let session = S::getsid(process).map_or_else(|error| error.0, |session| who(session, &known));
    tell!(S, "group {group} session {session}");
}

fn kill<S: System>(child: i32, signal: Signal) {
    let before = super::signals::count();
    tell!(S, "child {}", word(S::kill(child, signal)));
    tell!(S, "child's group {}", word(S::kill(-child, signal)));
    tell!(S, "own group {}", word(S::kill(0, signal)));
    tell!(S, "own group by number {}", word(S::kill(-S::getpid(), signal)));
    tell!(S, "nobody {}", word(S::kill(NOBODY, signal)));
    tell!(S, "nobody's group {}", word(S::kill(-NOBODY, signal)));
    tell!(S, "beyond {}", word(S::kill(child, Signal::BEYOND)));
    tell!(S, "nobody beyond {}", word(S::kill(NOBODY, Signal::BEYOND)));
    tell!(S, "ran {}", super::signals::count() - before);
}
