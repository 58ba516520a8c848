//! Waiting for the clock, and giving way (`osfmk/kern/clock_oldops.c`, `osfmk/kern/clock.c`,
//! `osfmk/kern/syscall_subr.c`).

use crate::engine::Engine;
use crate::host::{Caller, Host};
use crate::port::Object;
use crate::right::SEND;
use crate::state::State;
use crate::task::{Outcome, ThreadId, Waiting};
use xnu_abi::darwin::kern_return::KernReturn;

const NANOSECONDS: u64 = 1_000_000_000;
const TIME_ABSOLUTE: i32 = 0;
const TIME_RELATIVE: i32 = 1;

const SWITCH_OPTION_NONE: i32 = 0;
const SWITCH_OPTION_DEPRESS: i32 = 1;
const SWITCH_OPTION_WAIT: i32 = 2;
const SWITCH_OPTION_DISPATCH_CONTENTION: i32 = 3;
const SWITCH_OPTION_OSLOCK_DEPRESS: i32 = 4;
const SWITCH_OPTION_OSLOCK_WAIT: i32 = 5;

impl<R> State<R> {
    /// The thread of a name of the caller's.
    pub(crate) fn thread_of_name(&mut self, name: u32) -> Option<ThreadId> {
        let port = self.port_right(self.caller.task, name, SEND).ok()?;
        match self.ports.at(port) {
            crate::port::Port { active: true, object: Object::Thread(thread), .. } => Some(*thread),
            _ => None,
        }
    }
}

impl<H: Host> Engine<H> {
    /// Blocks the caller until a time; whether nothing interrupted it.
    pub(crate) fn sleep_until(&self, caller: Caller, deadline: u64) -> bool {
        let alive = self.enter(caller, |state| match state.threads.get_mut(caller.thread) {
            Some(thread) => {
                thread.waiting = Waiting::Sleep;
                true
            }
            None => false,
        });
        alive && self.block(caller, Some(deadline)) != Outcome::Interrupted
    }

    /// `mach_wait_until`.
    ///
    /// # Errors
    /// `KERN_ABORTED` when interrupted.
    pub fn mach_wait_until(&self, caller: Caller, deadline: u64) -> Result<(), KernReturn> {
        if self.sleep_until(caller, deadline) { Ok(()) } else { Err(KernReturn::KERN_ABORTED) }
    }

    /// `clock_sleep_trap` with the system's clock, which name 0 stands for; no other clock has a name here. Answers the
    /// time of the wake, also with `KERN_INVALID_VALUE` and `KERN_ABORTED`, where it is the one that was asked for.
    ///
    /// # Errors
    /// `KERN_INVALID_ARGUMENT` for a name of no clock, `KERN_INVALID_VALUE` for a time that is none or past,
    /// `KERN_ABORTED`. XNU writes the second value with all but the first of them.
    pub fn clock_sleep(
        &self,
        caller: Caller,
        clock: u32,
        kind: i32,
        time: (i32, i32),
    ) -> (Result<(), KernReturn>, Option<(u32, i32)>) {
        if clock != 0 {
            return (Err(KernReturn::KERN_INVALID_ARGUMENT), None);
        }
        let now = self.host.now();
        let given = (time.0 as u32, time.1);
        let nanoseconds = u64::try_from(time.1).ok().filter(|nanoseconds| *nanoseconds < NANOSECONDS);
        let (Some(nanoseconds), TIME_ABSOLUTE | TIME_RELATIVE) = (nanoseconds, kind) else {
            return (Err(KernReturn::KERN_INVALID_VALUE), Some(given));
        };
        let mut deadline = u64::from(given.0) * NANOSECONDS + nanoseconds;
        if kind == TIME_RELATIVE {
            deadline = deadline.saturating_add(now);
        }
        let wakes = ((deadline / NANOSECONDS) as u32, (deadline % NANOSECONDS) as i32);
        if deadline < now {
            return (Err(KernReturn::KERN_INVALID_VALUE), Some(wakes));
        }
        match self.sleep_until(caller, deadline) {
            true => (Ok(()), Some(wakes)),
            false => (Err(KernReturn::KERN_ABORTED), Some(wakes)),
        }
    }

    /// `thread_switch`: gives way to others, or waits for so many milliseconds (microseconds, where dispatch says that it
    /// contends). Which thread to run is the host's affair, whatever thread is named.
    ///
    /// # Errors
    /// `KERN_INVALID_ARGUMENT` for an option that is none.
    pub fn thread_switch(&self, caller: Caller, option: i32, time: u32) -> Result<(), KernReturn> {
        let unit = match option {
            SWITCH_OPTION_NONE | SWITCH_OPTION_DEPRESS | SWITCH_OPTION_OSLOCK_DEPRESS => {
                self.host.give_way(caller.thread);
                return Ok(());
            }
            SWITCH_OPTION_WAIT | SWITCH_OPTION_OSLOCK_WAIT => 1_000_000,
            SWITCH_OPTION_DISPATCH_CONTENTION => 1_000,
            _ => return Err(KernReturn::KERN_INVALID_ARGUMENT),
        };
        let deadline = self.host.now().saturating_add(u64::from(time) * unit);
        self.sleep_until(caller, deadline);
        Ok(())
    }
}
