//! Everything the engine knows, behind its one lock.

use crate::Id;
use crate::guard::{GuardException, GuardReason};
use crate::host::{Caller, Wake};
use crate::kmsg::Kmsg;
use crate::port::{Port, PortId};
use crate::port_set::{Link, PortSet};
use crate::semaphore::Semaphore;
use crate::slab::{List, Slab};
use crate::space::Space;
use crate::task::{Open, Outcome, Task, TaskId, Thread, ThreadId, Waiting};
use crate::timer::{Timer, TimerId};
use crate::voucher::Voucher;
use alloc::vec::Vec;

/// How much the engine holds; equal figures before and after say that nothing was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Tasks.
    pub tasks: usize,
    /// Threads.
    pub threads: usize,
    /// Ports, dead ones with rights left among them.
    pub ports: usize,
    /// Port sets.
    pub sets: usize,
    /// Memberships of ports in sets.
    pub members: usize,
    /// Messages in queues and on their way.
    pub messages: usize,
    /// Regions of memory in messages.
    pub regions: usize,
    /// Semaphores.
    pub semaphores: usize,
    /// Timers.
    pub timers: usize,
    /// Vouchers.
    pub vouchers: usize,
    /// Names in all spaces.
    pub names: usize,
    /// Bytes of the stores of all these objects and of the tables of names; not what hangs on them (the contents of
    /// messages, requests).
    pub bytes: usize,
}

/// The state; `R` is the host's memory on its way.
pub(crate) struct State<R> {
    pub(crate) opens: Slab<Open>,
    pub(crate) tasks: Slab<Task>,
    pub(crate) threads: Slab<Thread>,
    pub(crate) ports: Slab<Port>,
    pub(crate) sets: Slab<PortSet>,
    pub(crate) links: Slab<Link>,
    pub(crate) kmsgs: Slab<Kmsg>,
    pub(crate) regions: Slab<Option<R>>,
    pub(crate) semaphores: Slab<Semaphore>,
    pub(crate) timers: Slab<Timer>,
    pub(crate) vouchers: Slab<Voucher>,
    /// Messages to be destroyed: one may hold the receive right of a port full of others, so this is no recursion.
    pub(crate) reap: List<Kmsg>,
    pub(crate) host_port: PortId,
    pub(crate) clock_ports: [PortId; 2],
    /// Ports that died so far.
    pub(crate) deaths: u64,
    /// Tasks that were made so far, for the versions of pids.
    pub(crate) births: u32,
    /// The timer that is due first.
    pub(crate) first_timer: TimerId,
    /// On whose behalf the lock is held.
    pub(crate) caller: Caller,
    /// Threads to wake once the lock is free.
    wakes: Vec<ThreadId>,
    /// Guard exceptions since the lock was taken, of threads that had none.
    pub(crate) guards_noted: u32,
    /// Some task was replaced or ended.
    pub(crate) stale: bool,
    /// Threads that are to look in before their programs go on.
    pub(crate) summoned: usize,
    no_space: Space,
}

impl<R> State<R> {
    pub(crate) const fn new() -> State<R> {
        State {
            opens: Slab::new(Open::nobody()),
            tasks: Slab::new(Task::nobody()),
            threads: Slab::new(Thread::nobody()),
            ports: Slab::new(Port::nobody()),
            sets: Slab::new(PortSet::new()),
            links: Slab::new(Link::new(Id::NONE, Id::NONE)),
            kmsgs: Slab::new(Kmsg::nobody()),
            regions: Slab::new(None),
            semaphores: Slab::new(Semaphore::nobody()),
            timers: Slab::new(Timer::nobody()),
            vouchers: Slab::new(Voucher::nobody()),
            reap: List::new(),
            host_port: Id::NONE,
            clock_ports: [Id::NONE; 2],
            deaths: 0,
            births: 0,
            first_timer: Id::NONE,
            caller: Caller::ENGINE,
            wakes: Vec::new(),
            guards_noted: 0,
            stale: false,
            summoned: 0,
            no_space: Space::dead(),
        }
    }

    /// The names of a task; a dead table for a task that is gone.
    pub(crate) fn space(&mut self, task: TaskId) -> &mut Space {
        match self.tasks.get_mut(task) {
            Some(task) => &mut task.space,
            None => &mut self.no_space,
        }
    }

    /// Notes that the caller broke a port's guard or used a name wrongly (`mach_port_guard_exception`).
    pub(crate) fn guard_exception(&mut self, name: u32, payload: u64, reason: GuardReason) {
        let exception = GuardException::new(name, payload, reason);
        let Some(thread) = self.threads.get_mut(self.caller.thread) else { return };
        match thread.guard {
            // One that kills is not replaced, another one only by one that kills.
            Some(old) if old.fatal || !exception.fatal => {}
            old => {
                self.guards_noted += u32::from(old.is_none());
                thread.guard = Some(exception);
            }
        }
    }

    /// Room for the wake of one more thread.
    pub(crate) fn reserve_wakes(&mut self) -> bool {
        let threads = self.threads.len() + 1;
        self.wakes.try_reserve(threads.saturating_sub(self.wakes.len())).is_ok()
    }

    pub(crate) fn take_wake(&mut self) -> Option<ThreadId> {
        let thread = self.wakes.pop()?;
        if let Some(of) = self.threads.get_mut(thread) {
            of.wake_due = false;
        }
        Some(thread)
    }

    /// Has a thread look at its wait again.
    pub(crate) fn poke(&mut self, thread: ThreadId) {
        let of = self.threads.at_mut(thread);
        if !core::mem::replace(&mut of.wake_due, true) && self.wakes.len() < self.wakes.capacity() {
            self.wakes.push(thread);
        }
    }

    /// Ends the wait of a thread that stands in no list any more.
    pub(crate) fn wake(&mut self, thread: ThreadId, outcome: Outcome) {
        self.threads.at_mut(thread).waiting = Waiting::Done(outcome);
        self.poke(thread);
    }

    pub(crate) fn wake_all(&mut self, mut list: List<Thread>, outcome: Outcome) {
        while let Some(thread) = list.pop_front(&mut self.threads) {
            self.wake(thread, outcome);
        }
    }

    /// Until when the caller sleeps in the wait that it has just registered, for a timer's sake; `None` where it had better
    /// look at once whether it waits at all.
    pub(crate) fn sleeps_until(&self) -> Option<Option<u64>> {
        let ends = self.threads.get(self.caller.thread).is_none_or(|thread| thread.summons.end);
        (!ends).then(|| self.timers_next())
    }

    /// How the caller's wait has ended, if it has: it was woken so, and may be late.
    pub(crate) fn wait_end(&mut self, woken: Wake, is_late: impl FnOnce() -> bool) -> Option<Outcome> {
        let caller = self.caller.thread;
        let Some(thread) = self.threads.get_mut(caller) else { return Some(Outcome::Interrupted) };
        if let Waiting::Done(outcome) = thread.waiting {
            thread.waiting = Waiting::No;
            return Some(outcome);
        }
        let outcome = match woken {
            _ if thread.summons.end => Outcome::Interrupted,
            Wake::Interrupted => Outcome::Interrupted,
            _ if is_late() => Outcome::TimedOut,
            _ => return None,
        };
        self.wait_leave(caller);
        Some(outcome)
    }

    /// Takes a thread out of where it waits.
    pub(crate) fn wait_leave(&mut self, thread: ThreadId) {
        let waiting = core::mem::replace(&mut self.threads.at_mut(thread).waiting, Waiting::No);
        match waiting {
            Waiting::Receive(port) => self.ports.at_mut(port).receivers.remove(&mut self.threads, thread),
            Waiting::ReceiveSet(set) => self.sets.at_mut(set).receivers.remove(&mut self.threads, thread),
            Waiting::Send(port) => self.ports.at_mut(port).senders.remove(&mut self.threads, thread),
            Waiting::Semaphore(semaphore) => {
                self.semaphores.at_mut(semaphore).waiters.remove(&mut self.threads, thread);
                self.semaphore_free_if_done(semaphore);
            }
            Waiting::Child => self.child_wait_leave(thread),
            Waiting::No | Waiting::Sleep | Waiting::Handler | Waiting::Suspended | Waiting::Done(_) => {}
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        let mut usage = Usage {
            tasks: self.tasks.len(),
            threads: self.threads.len(),
            ports: self.ports.len(),
            sets: self.sets.len(),
            members: self.links.len(),
            messages: self.kmsgs.len(),
            regions: self.regions.len(),
            semaphores: self.semaphores.len(),
            timers: self.timers.len(),
            vouchers: self.vouchers.len(),
            names: 0,
            bytes: 0,
        };
        usage.bytes = self.opens.bytes()
            + self.tasks.bytes()
            + self.threads.bytes()
            + self.ports.bytes()
            + self.sets.bytes()
            + self.links.bytes()
            + self.kmsgs.bytes()
            + self.regions.bytes()
            + self.semaphores.bytes()
            + self.timers.bytes()
            + self.vouchers.bytes();
        let mut at = Id::NONE;
        while let Some(id) = self.tasks.next_after(at) {
            let space = &self.tasks.at(id).space;
            usage.names += space.used() as usize;
            usage.bytes += space.bytes();
            at = id;
        }
        usage
    }
}
