//! Threads that are stopped, interrupted or ended by somebody who has their port, or stopped for as long as their registers
//! are looked at (`osfmk/kern/thread_act.c`).
//!
//! A thread stops where it leaves the engine, or when the host makes it leave what it does. From then on the engine keeps
//! its registers, as it does at exceptions, and who has its port may look at them and change them. It ends there too.

use crate::engine::Engine;
use crate::host::{Caller, Host};
use crate::state::State;
use crate::task::{Outcome, Thread, ThreadId, Waiting};
use crate::thread_state::ThreadState;
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::KernReturn;

/// How long somebody looks whether a thread has stopped or is gone, at first often, then less. One that does not leave Linux
/// for so long has no registers to look at.
const LIMIT_NS: u64 = 2_000_000_000;
const LOOKS_OFTEN: u32 = 100;
const LOOK_NS: u64 = 50_000;
const LOOK_LATER_NS: u64 = 1_000_000;
/// After so many looks it is interrupted again: it may have begun another wait just then.
const LOOKS_UNHEARD: u32 = 20;

/// What somebody wants of a thread that may be anywhere: it finds out before its program goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Summons {
    /// It is to end.
    pub(crate) end: bool,
    /// It was suspended, which may have ended a wait in a call of the host's.
    pub(crate) stop: bool,
    /// What it waited for was to end.
    pub(crate) abort: bool,
}

impl Summons {
    pub(crate) const NONE: Summons = Summons { end: false, stop: false, abort: false };
}

/// What is wanted of the caller ([`Engine::look`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stop {
    /// It is to end, without another instruction of its program.
    pub ends: bool,
    /// It is to call [`Engine::park`].
    pub is_suspended: bool,
    /// What interrupted it was a suspension, which its program is not to notice.
    pub goes_unnoticed: bool,
}

/// What happened to the caller while it was suspended ([`Engine::park`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Parked {
    /// Somebody changed its registers.
    pub changed: bool,
    /// The call that it was in ends as if interrupted. It may still be suspended.
    pub aborted: bool,
}

impl Thread {
    fn is_summoned(&self) -> bool {
        self.suspends > 0 || self.summons != Summons::NONE
    }
}

impl<R> State<R> {
    /// Changes what is wanted of a thread, and counts those of which anything is.
    pub(crate) fn summon<T>(&mut self, thread: ThreadId, change: impl FnOnce(&mut Thread) -> T) -> Option<T> {
        let of = self.threads.get_mut(thread)?;
        let before = of.is_summoned();
        let result = change(of);
        match (before, of.is_summoned()) {
            (false, true) => self.summoned = self.summoned.saturating_add(1),
            (true, false) => self.summoned = self.summoned.saturating_sub(1),
            _ => {}
        }
        Some(result)
    }

    /// Ends what a thread waits for; the wait for who handles its exception, and what it does while it is suspended, only
    /// where that is wanted.
    fn abort(&mut self, thread: ThreadId, exceptions: bool, suspended: bool) {
        let Some(of) = self.threads.get(thread) else { return };
        let waits = match of.waiting {
            Waiting::No | Waiting::Done(_) | Waiting::Handler => false,
            Waiting::Suspended => suspended,
            _ => true,
        };
        if exceptions && self.exception_abort(thread) {
            return;
        }
        if waits {
            self.wait_leave(thread);
            self.wake(thread, Outcome::Interrupted);
        }
    }
}

impl<H: Host> Engine<H> {
    /// What is wanted of the caller, who is about to run its program. It knows from here on.
    pub fn look(&self, caller: Caller) -> Stop {
        self.enter(caller, |state| {
            let look = |of: &mut Thread| {
                let Summons { end, stop, abort } = of.summons;
                of.summons = Summons { end, ..Summons::NONE };
                Stop { ends: end, is_suspended: of.suspends > 0, goes_unnoticed: stop && !abort }
            };
            state.summon(caller.thread, look).unwrap_or_default()
        })
    }

    fn is_suspended(&self, caller: Caller) -> bool {
        self.enter(caller, |state| state.threads.get(caller.thread).is_some_and(|thread| thread.suspends > 0))
    }

    /// Suspends the caller once more: [`Engine::park`] holds it until somebody resumes it as often.
    pub fn suspend_caller(&self, caller: Caller) {
        // A thread that is gone need not stop.
        let _ = self.suspend(caller, caller.thread);
    }

    /// The caller is a C library's, which alone ends it.
    pub fn mark_pthread(&self, caller: Caller) {
        self.enter(caller, |state| {
            if let Some(thread) = state.threads.get_mut(caller.thread) {
                thread.is_pthread = true;
            }
        });
    }

    /// Blocks the caller as long as it is suspended and neither aborted nor ended. Traps end so.
    pub fn park(&self, caller: Caller) -> Parked {
        let mut parked = Parked::default();
        if !self.is_suspended(caller) {
            return parked;
        }
        let kept = self.keep(caller);
        loop {
            let stays = self.enter(caller, |state| match state.threads.get_mut(caller.thread) {
                Some(thread) if thread.suspends > 0 && !thread.summons.end => {
                    parked.aborted = thread.summons.abort;
                    if !parked.aborted {
                        thread.waiting = Waiting::Suspended;
                    }
                    !parked.aborted
                }
                _ => false,
            });
            if !stays {
                break;
            }
            self.block(caller, None);
        }
        if kept {
            parked.changed = self.take_back(caller);
        }
        parked
    }

    /// A wait of the caller's was looked into, and goes on: if the caller is suspended, its registers can be looked at
    /// meanwhile. Whether they are kept.
    #[cold]
    pub(crate) fn keep_if_suspended(&self, caller: Caller) -> bool {
        self.is_suspended(caller) && self.keep(caller)
    }

    /// Keeps the caller's registers, if the host has them and they are not kept yet.
    fn keep(&self, caller: Caller) -> bool {
        let mut registers = Vec::new();
        if registers.try_reserve_exact(1).is_err() {
            return false;
        }
        registers.push(ThreadState::default());
        let known =
            registers.first_mut().is_some_and(|registers| self.host.registers(caller.thread, registers));
        known
            && self.enter(caller, |state| {
                state.threads.get_mut(caller.thread).is_some_and(|thread| thread.exchange.keep(registers))
            })
    }

    /// Gives the caller back what [`Engine::keep`] kept; whether somebody had changed it.
    pub(crate) fn take_back(&self, caller: Caller) -> bool {
        let kept = self.enter(caller, |state| state.threads.get_mut(caller.thread)?.exchange.take_back());
        match kept.as_ref().map(|(registers, changed)| (registers.first(), changed)) {
            Some((Some(registers), true)) => self.host.set_registers(caller.thread, registers),
            _ => false,
        }
    }

    /// Suspends a thread once more, and tells the host.
    pub(crate) fn suspend(&self, caller: Caller, thread: ThreadId) -> Result<(), KernReturn> {
        let stops = thread != caller.thread && self.host.stops(thread);
        let suspended = self.enter(caller, |state| {
            state.summon(thread, |of| {
                of.suspends = of.suspends.checked_add(1).ok_or(KernReturn::KERN_FAILURE)?;
                of.summons.stop |= stops;
                Ok(())
            })
        });
        suspended.unwrap_or(Err(KernReturn::KERN_TERMINATED))?;
        if thread != caller.thread {
            self.host.interrupt(thread);
        }
        Ok(())
    }

    /// The same, and waits until another thread runs its program no further (`thread_wait`), or Linux does not let it go.
    pub(crate) fn suspend_and_wait(&self, caller: Caller, thread: ThreadId) -> Result<(), KernReturn> {
        self.suspend(caller, thread)?;
        if thread != caller.thread && self.host.stops(thread) {
            self.await_it(caller, thread, || {
                let stopped = |of: &Thread| of.suspends == 0 || of.exchange.registers().is_some();
                self.enter(caller, |state| state.threads.get(thread).is_none_or(stopped)).then_some(())
            });
        }
        Ok(())
    }

    /// Takes one suspension of a thread back.
    pub(crate) fn resume(&self, caller: Caller, thread: ThreadId) -> Result<(), KernReturn> {
        self.enter(caller, |state| {
            let resumed = state.summon(thread, |of| {
                of.suspends = of.suspends.checked_sub(1).ok_or(KernReturn::KERN_FAILURE)?;
                Ok(of.suspends == 0 && of.waiting == Waiting::Suspended)
            });
            if resumed.unwrap_or(Err(KernReturn::KERN_TERMINATED))? {
                state.wake(thread, Outcome::Awakened);
            }
            Ok(())
        })
    }

    /// Ends what a thread waits for, here or in a call of the host's.
    pub(crate) fn abort(&self, caller: Caller, thread: ThreadId, exceptions: bool) -> Result<(), KernReturn> {
        let stops = thread != caller.thread && self.host.stops(thread);
        self.enter(caller, |state| {
            let summoned = state.summon(thread, |of| of.summons.abort |= stops);
            summoned.ok_or(KernReturn::KERN_TERMINATED)?;
            state.abort(thread, exceptions, stops);
            Ok(())
        })?;
        if thread != caller.thread {
            self.host.interrupt(thread);
        }
        Ok(())
    }

    /// Ends a thread (`thread_terminate_internal`): what it waits for ends, and its program runs no further. It is gone
    /// when this comes back, unless it is the caller, or Linux does not let it go.
    pub(crate) fn terminate(&self, caller: Caller, thread: ThreadId) -> Result<(), KernReturn> {
        self.enter(caller, |state| {
            let ends = state.summon(thread, |of| core::mem::replace(&mut of.summons.end, true));
            if ends != Some(false) {
                return Err(KernReturn::KERN_TERMINATED);
            }
            state.abort(thread, true, true);
            Ok(())
        })?;
        if thread != caller.thread {
            self.host.interrupt(thread);
            if self.host.stops(thread) {
                self.await_it(caller, thread, || (!self.has(caller, thread)).then_some(()));
            }
        }
        Ok(())
    }

    fn has(&self, caller: Caller, thread: ThreadId) -> bool {
        self.enter(caller, |state| state.threads.get(thread).is_some())
    }

    /// Whether the caller is to end.
    pub(crate) fn ends(&self, caller: Caller) -> bool {
        self.enter(caller, |state| state.threads.get(caller.thread).is_none_or(|of| of.summons.end))
    }

    /// Looks again and again until there is something, or a thread does not react, or the caller is to end.
    fn await_it<T>(
        &self,
        caller: Caller,
        thread: ThreadId,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let limit = self.host.now().saturating_add(LIMIT_NS);
        for number in 1..=u32::MAX {
            let found = look();
            let now = self.host.now();
            if found.is_some() || now >= limit || self.has_suspended() && self.ends(caller) {
                return found;
            }
            if number % LOOKS_UNHEARD == 0 {
                self.host.interrupt(thread);
            }
            let wait = if number < LOOKS_OFTEN { LOOK_NS } else { LOOK_LATER_NS };
            if !self.sleep_until(caller, now.saturating_add(wait)) {
                // Of a signal, which waits for the end of this.
                self.host.give_way(caller.thread);
            }
        }
        None
    }

    /// Looks at the registers of another thread, or changes them, while it is stopped: it is, or is made to.
    pub(crate) fn with_stopped<T>(
        &self,
        caller: Caller,
        thread: ThreadId,
        mut work: impl FnMut(&mut Thread) -> Option<T>,
    ) -> Result<T, KernReturn> {
        let mut look = || {
            self.enter(caller, |state| {
                let of = state.threads.get_mut(thread).ok_or(KernReturn::KERN_TERMINATED);
                of.and_then(|of| if of.summons.end { Err(KernReturn::KERN_TERMINATED) } else { Ok(work(of)) })
            })
        };
        if let Some(done) = look()? {
            return Ok(done);
        }
        if thread == caller.thread || !self.host.stops(thread) {
            return Err(KernReturn::KERN_FAILURE);
        }
        self.suspend(caller, thread)?;
        let result = self.await_it(caller, thread, || look().transpose());
        // It may be gone by now.
        let _ = self.resume(caller, thread);
        result.unwrap_or(Err(KernReturn::KERN_FAILURE))
    }
}
