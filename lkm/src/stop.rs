//! Threads that are stopped: suspended by somebody who has their port, or for as long as their registers are looked at.
//!
//! A thread stops where it leaves the engine, or when the host makes it leave what it does. From then on the engine keeps
//! its registers, as it does at exceptions, and who has its port may look at them and change them.

use crate::engine::Engine;
use crate::host::{Caller, Host};
use crate::task::{self, ThreadId, Waiting};
use crate::thread_state::ThreadState;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use xnu_abi::darwin::kern_return::KernReturn;

/// How often, and how long at a time, somebody looks whether a thread has stopped. One that does not leave Linux for so
/// long has no registers to look at.
const LOOKS: usize = 500;
const LOOK_NS: u64 = 100_000;

impl<H: Host> Engine<H> {
    /// Whether any thread was ever suspended: then each calls [`Engine::park`] before it runs its program again.
    #[inline]
    pub fn has_suspended(&self) -> bool {
        self.suspended.load(Ordering::Relaxed)
    }

    /// Whether the caller is suspended.
    pub fn is_suspended(&self, caller: Caller) -> bool {
        self.enter(caller, |state| state.threads.get(caller.thread).is_some_and(|thread| thread.suspends > 0))
    }

    /// Suspends the caller once more: [`Engine::park`] holds it until somebody resumes it as often.
    pub fn suspend_caller(&self, caller: Caller) {
        // A thread that is gone need not stop.
        let _ = self.suspend(caller, caller.thread);
    }

    /// Blocks the caller as long as it is suspended. Traps end so.
    pub fn park(&self, caller: Caller) {
        if !self.is_suspended(caller) {
            return;
        }
        let kept = self.keep(caller);
        loop {
            let stays = self.enter(caller, |state| match state.threads.get_mut(caller.thread) {
                Some(thread) if thread.suspends > 0 => {
                    thread.waiting = Waiting::Suspended;
                    true
                }
                _ => false,
            });
            if !stays {
                break;
            }
            self.block(caller, None);
        }
        if kept {
            self.take_back(caller);
        }
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

    /// Gives the caller back what [`Engine::keep`] kept.
    pub(crate) fn take_back(&self, caller: Caller) {
        let kept = self.enter(caller, |state| state.threads.get_mut(caller.thread)?.exchange.take_back());
        if let Some((registers, true)) = kept
            && let Some(registers) = registers.first()
        {
            self.host.set_registers(caller.thread, registers);
        }
    }

    /// Suspends a thread once more, and tells the host.
    pub(crate) fn suspend(&self, caller: Caller, thread: ThreadId) -> Result<(), KernReturn> {
        self.enter(caller, |state| {
            let of = state.threads.get_mut(thread).ok_or(KernReturn::KERN_TERMINATED)?;
            of.suspends = of.suspends.checked_add(1).ok_or(KernReturn::KERN_FAILURE)?;
            Ok(())
        })?;
        self.suspended.store(true, Ordering::Relaxed);
        if thread != caller.thread {
            self.host.interrupt(thread);
        }
        Ok(())
    }

    /// Takes one suspension of a thread back.
    pub(crate) fn resume(&self, caller: Caller, thread: ThreadId) -> Result<(), KernReturn> {
        self.enter(caller, |state| {
            let of = state.threads.get_mut(thread).ok_or(KernReturn::KERN_TERMINATED)?;
            of.suspends = of.suspends.checked_sub(1).ok_or(KernReturn::KERN_FAILURE)?;
            if of.suspends == 0 && of.waiting == Waiting::Suspended {
                state.wake(thread, task::Outcome::Awakened);
            }
            Ok(())
        })
    }

    /// Looks at the registers of another thread, or changes them, while it is stopped: it is, or is made to.
    pub(crate) fn with_stopped<T>(
        &self,
        caller: Caller,
        thread: ThreadId,
        mut work: impl FnMut(&mut task::Thread) -> Option<T>,
    ) -> Result<T, KernReturn> {
        let mut look = || {
            self.enter(caller, |state| {
                let of = state.threads.get_mut(thread).ok_or(KernReturn::KERN_TERMINATED)?;
                Ok(work(of))
            })
        };
        if let Some(done) = look()? {
            return Ok(done);
        }
        if thread == caller.thread || !self.host.stops(thread) {
            return Err(KernReturn::KERN_FAILURE);
        }
        self.suspend(caller, thread)?;
        let mut result = Err(KernReturn::KERN_FAILURE);
        for _ in 0..LOOKS {
            match look() {
                Ok(None) => {}
                Ok(Some(done)) => {
                    result = Ok(done);
                    break;
                }
                Err(error) => return Err(error),
            }
            self.sleep_until(caller, self.host.now().saturating_add(LOOK_NS));
        }
        // It may be gone by now.
        let _ = self.resume(caller, thread);
        result
    }
}
