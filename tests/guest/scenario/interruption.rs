//! Calls that sleep, and signals that come meanwhile: `EINTR`, or what they were to answer.

use super::signals::{self, KILLS, WAKES};
use super::system::{Action, Disposition, How, RESTART, Signal, SignalSet, System, Wait, Which};
use super::{await_end, child, pipe, scenario, tell, word};
use core::sync::atomic::Ordering::Relaxed;

/// Between two signals.
const INTERVAL_US: u64 = 5_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    Read,
    Write,
    Wait4,
    Waitid,
}

pub(crate) fn all<S: System>() {
    for signal in [Signal::USR1, Signal::ALRM, Signal::EMT, Signal::INFO, Signal::TERM, Signal::WINCH] {
        for call in [Call::Read, Call::Write, Call::Wait4, Call::Waitid] {
            for restarts in [false, true] {
                let name = if restarts { "restarted" } else { "interrupted" };
                scenario::<S>(format_args!("{call:?} {signal} {name}"), || {
                    interrupt::<S>(call, signal, restarts)
                });
            }
            for disposition in [Disposition::Ignore, Disposition::Default] {
                if disposition == Disposition::Ignore || signal == Signal::WINCH {
                    scenario::<S>(format_args!("{call:?} {signal} {disposition:?}"), || {
                        ignore::<S>(call, signal, disposition);
                    });
                }
            }
        }
        scenario::<S>(format_args!("suspended by {signal}"), || suspend::<S>(signal, false));
        scenario::<S>(format_args!("suspended with {signal} pending"), || suspend::<S>(signal, true));
    }
}

/// A child that sends the signal again and again: only one of them must find the caller asleep.
fn sender<S: System>(signal: Signal) -> i32 {
    let parent = S::getpid();
    child::<S>(|| {
        for _ in 0..1000 {
            S::nap(INTERVAL_US);
            let _ = S::kill(parent, signal);
        }
    })
}

fn stop_sender<S: System>(sender: i32) {
    let _ = S::kill(sender, Signal::KILL);
    while S::wait4(sender, 0).is_err_and(|error| error.0 == "EINTR") {}
}

/// With `SA_RESTART` the handler makes in its second run that the call can end.
fn interrupt<S: System>(call: Call, signal: Signal, restarts: bool) {
    let (read, write) = pipe::<S>();
    let flags = if restarts { RESTART } else { 0 };
    let waiter =
        matches!(call, Call::Wait4 | Call::Waitid).then(|| child::<S>(|| await_end::<S>((read, write))));
    let full = [0u8; 4096];
    if call == Call::Write {
        // A process that reads once the handler has run twice: it is killed, and a full pipe ends in EPIPE.
        let _ =
            S::sigaction(Signal::PIPE, Some(Action { disposition: Disposition::Ignore, mask: 0, flags: 0 }));
        for _ in 0..16 {
            let _ = S::write(write, &full);
        }
    }
    let reader = (call == Call::Write).then(|| {
        child::<S>(|| {
            let _ = S::close(write);
            S::nap(60_000_000);
        })
    });
    if call == Call::Write {
        let _ = S::close(read);
    }
    if restarts {
        match (call, waiter.or(reader)) {
            (_, Some(process)) => KILLS.store(process, Relaxed),
            _ => WAKES.store(write, Relaxed),
        }
    }
    let _ = S::sigaction(signal, Some(Action { disposition: Disposition::Catch, mask: 0, flags }));
    let sender = sender::<S>(signal);
    match call {
        Call::Read => {
            let told = S::read(read, &mut [0; 8]);
            tell!(S, "{told:?}");
        }
        Call::Write => {
            let told = S::write(write, &full);
            tell!(S, "{told:?}");
        }
        Call::Wait4 | Call::Waitid => {
            let process = waiter.unwrap_or(0);
            let told = match call {
                Call::Wait4 => S::wait4(process, 0),
                _ => S::waitid(Which::Process(process), Wait::EXITED),
            };
            match told {
                Ok(Some((told, change))) => tell!(S, "{} {change}", told == process),
                other => tell!(S, "{}", word(other)),
            }
        }
    }
    tell!(S, "ran {}", signals::count() > 0);
    stop_sender::<S>(sender);
}

/// A signal that is ignored interrupts nothing.
fn ignore<S: System>(call: Call, signal: Signal, disposition: Disposition) {
    if call == Call::Write {
        return;
    }
    let (read, write) = pipe::<S>();
    let _ = S::sigaction(signal, Some(Action { disposition, mask: 0, flags: 0 }));
    let parent = S::getpid();
    let sender = child::<S>(|| {
        let _ = S::close(read);
        for _ in 0..3 {
            S::nap(INTERVAL_US);
            let _ = S::kill(parent, signal);
        }
        let _ = S::write(write, b"!");
    });
    match call {
        Call::Read | Call::Write => tell!(S, "{:?}", S::read(read, &mut [0; 8])),
        Call::Wait4 => tell!(S, "{}", word(S::wait4(sender, 0))),
        Call::Waitid => tell!(S, "{}", word(S::waitid(Which::Process(sender), Wait::EXITED))),
    }
}

fn suspend<S: System>(signal: Signal, pending: bool) {
    let _ = S::sigaction(signal, Some(Action { disposition: Disposition::Catch, mask: 0, flags: RESTART }));
    let _ = S::sigprocmask(How::Set, signal.bit() | Signal::HUP.bit());
    if pending {
        let _ = S::kill(S::getpid(), signal);
    }
    let _ = S::kill(S::getpid(), Signal::HUP);
    let sender = (!pending).then(|| sender::<S>(signal));
    let told = S::sigsuspend(!signal.bit() & !Signal::ALRM.bit());
    tell!(S, "{told} ran {}", signals::count());
    if let Some(sender) = sender {
        stop_sender::<S>(sender);
    }
    tell!(S, "mask {}", SignalSet(S::sigprocmask(How::Block, 0).unwrap_or(0)));
    // HUP still waits: the mask of the wait held it, and the old one does again.
    let waiting = S::sigpending() & Signal::HUP.bit();
    tell!(S, "pending {}", SignalSet(waiting));
}
