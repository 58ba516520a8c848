//! Semaphores (`osfmk/kern/sync_sema.c`).
//!
//! A semaphore lives as long as a send right for its port, or a thread that waits. Once its task destroyed it or is
//! gone, it answers `KERN_TERMINATED`.

use crate::engine::Engine;
use crate::host::{Caller, Host};
use crate::port::{Object, PortId};
use crate::right::SEND;
use crate::slab::{Id, Links, List, Node};
use crate::state::State;
use crate::task::{Outcome, TaskId, Thread, ThreadId, Waiting};
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach_message::MsgType;

/// The number of a semaphore.
pub(crate) type SemaphoreId = Id<Semaphore>;

const NANOSECONDS: u64 = 1_000_000_000;

/// Policies that a program may ask for (`osfmk/mach/sync_policy.h`): by turn, the last first, and one without effect.
const POLICY_MASK: i32 = POLICY_LIFO | 4;
const POLICY_LIFO: i32 = 2;

/// A semaphore.
pub(crate) struct Semaphore {
    /// Its task, until it destroys it.
    owner: TaskId,
    port: PortId,
    count: u32,
    /// Who came last goes on first.
    last_first: bool,
    /// No right for it is left.
    orphan: bool,
    pub(crate) waiters: List<Thread>,
    of_task: Links<Semaphore>,
}

impl Semaphore {
    pub(crate) const fn nobody() -> Semaphore {
        Semaphore {
            owner: Id::NONE,
            port: Id::NONE,
            count: 0,
            last_first: false,
            orphan: false,
            waiters: List::new(),
            of_task: Links::new(),
        }
    }
}

impl Node<1> for Semaphore {
    fn links(&mut self) -> &mut Links<Semaphore> {
        &mut self.of_task
    }
}

/// How a signal treats those who wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Signal {
    /// One goes on; without one, the next to wait will not.
    One,
    /// All that wait go on.
    All,
    /// One goes on, this one if it is given; without one nothing happens.
    Thread(Option<ThreadId>),
}

/// How a wait begins.
enum Wait {
    Done(Result<(), KernReturn>),
    Blocked,
}

impl<R> State<R> {
    /// A new semaphore: a send right for its port.
    pub(crate) fn semaphore_new(
        &mut self,
        task: TaskId,
        policy: i32,
        value: i32,
    ) -> Result<PortId, KernReturn> {
        let count = u32::try_from(value).map_err(|_| KernReturn::KERN_INVALID_ARGUMENT)?;
        if policy & !POLICY_MASK != 0 {
            return Err(KernReturn::KERN_INVALID_ARGUMENT);
        }
        if self.tasks.get(task).is_none() {
            return Err(KernReturn::KERN_INVALID_TASK);
        }
        let semaphore = self
            .semaphores
            .insert(Semaphore {
                owner: task,
                count,
                last_first: policy & POLICY_LIFO != 0,
                ..Semaphore::nobody()
            })
            .map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
        self.tasks.at_mut(task).semaphores.push_back(&mut self.semaphores, semaphore);
        match self.object_port(Object::Semaphore(semaphore)) {
            Ok(port) => {
                self.semaphores.at_mut(semaphore).port = port;
                self.make_send(port);
                Ok(port)
            }
            Err(error) => {
                self.semaphore_disown(semaphore);
                self.semaphores.remove(semaphore);
                Err(error)
            }
        }
    }

    fn semaphore_create(&mut self, task: TaskId, policy: i32, value: i32) -> Result<u32, KernReturn> {
        let port = self.semaphore_new(task, policy, value)?;
        self.copy_out(self.caller.task, port, MsgType::MACH_MSG_TYPE_PORT_SEND, None)
    }

    /// Its task destroys a semaphore; another task's is left.
    pub(crate) fn semaphore_destroy(&mut self, task: TaskId, semaphore: SemaphoreId) {
        if self.semaphores.get(semaphore).is_some_and(|of| of.owner == task) {
            self.semaphore_disown(semaphore);
        }
    }

    /// Takes a semaphore from its task: who waits hears of it.
    fn semaphore_disown(&mut self, semaphore: SemaphoreId) {
        let of = self.semaphores.at_mut(semaphore);
        let owner = core::mem::replace(&mut of.owner, Id::NONE);
        of.count = 0;
        let waiters = core::mem::replace(&mut of.waiters, List::new());
        self.wake_all(waiters, Outcome::Restart);
        if let Some(task) = self.tasks.get_mut(owner) {
            task.semaphores.remove(&mut self.semaphores, semaphore);
        }
    }

    pub(crate) fn semaphores_destroy_all(&mut self, task: TaskId) {
        loop {
            let semaphore = self.tasks.get(task).map_or(Id::NONE, |task| task.semaphores.first());
            if semaphore.is_none() {
                return;
            }
            self.semaphore_disown(semaphore);
        }
    }

    /// No right for a semaphore is left: it goes, once nobody waits.
    pub(crate) fn semaphore_no_senders(&mut self, semaphore: SemaphoreId) {
        let Some(of) = self.semaphores.get_mut(semaphore) else { return };
        of.orphan = true;
        self.semaphore_free_if_done(semaphore);
    }

    pub(crate) fn semaphore_free_if_done(&mut self, semaphore: SemaphoreId) {
        let Some(of) = self.semaphores.get(semaphore) else { return };
        if of.orphan && of.waiters.is_empty() {
            let port = of.port;
            self.semaphore_disown(semaphore);
            self.semaphores.remove(semaphore);
            self.port_destroy(port);
        }
    }

    /// The semaphore of a name (`port_name_to_semaphore`).
    fn semaphore_of(&mut self, name: u32) -> Result<SemaphoreId, KernReturn> {
        if name == 0 || name == u32::MAX {
            return Err(KernReturn::KERN_INVALID_NAME);
        }
        let port = self.port_right(self.caller.task, name, SEND)?;
        match self.ports.at(port).object {
            Object::Semaphore(semaphore) => Ok(semaphore),
            _ => Err(KernReturn::KERN_INVALID_CAPABILITY),
        }
    }

    /// Signals; whether somebody was woken.
    fn semaphore_signal(&mut self, semaphore: SemaphoreId, signal: Signal) -> Result<bool, KernReturn> {
        let of = self.semaphores.at_mut(semaphore);
        if of.owner.is_none() {
            return Err(KernReturn::KERN_TERMINATED);
        }
        let next = if of.last_first { of.waiters.last() } else { of.waiters.first() };
        match signal {
            Signal::All => {
                let waiters = core::mem::replace(&mut of.waiters, List::new());
                self.wake_all(waiters, Outcome::Awakened);
                return Ok(!next.is_none());
            }
            Signal::Thread(Some(thread)) => {
                let waits = self.threads.get(thread).map(|thread| thread.waiting);
                if waits != Some(Waiting::Semaphore(semaphore)) {
                    return Ok(false);
                }
                of.waiters.remove(&mut self.threads, thread);
                self.wake(thread, Outcome::Awakened);
            }
            Signal::One | Signal::Thread(None) if !next.is_none() => {
                of.waiters.remove(&mut self.threads, next);
                self.wake(next, Outcome::Awakened);
            }
            Signal::One => {
                of.count = of.count.saturating_add(1);
                return Ok(false);
            }
            Signal::Thread(None) => return Ok(false),
        }
        self.semaphore_free_if_done(semaphore);
        Ok(true)
    }

    /// Waits, and signals another semaphore in the same step.
    fn semaphore_wait(&mut self, wait: u32, signal: Option<u32>, no_block: bool) -> Wait {
        let signal = match signal.map(|name| self.semaphore_of(name)).transpose() {
            Ok(signal) => signal,
            Err(error) => return Wait::Done(Err(error)),
        };
        let semaphore = match self.semaphore_of(wait) {
            Ok(semaphore) => semaphore,
            Err(error) => return Wait::Done(Err(error)),
        };
        let thread = self.caller.thread;
        let of = self.semaphores.at_mut(semaphore);
        let now = if of.owner.is_none() {
            Err(KernReturn::KERN_TERMINATED)
        } else if of.count > 0 {
            of.count -= 1;
            Ok(())
        } else if no_block {
            Err(KernReturn::KERN_OPERATION_TIMED_OUT)
        } else if let Some(waiter) = self.threads.get_mut(thread) {
            waiter.waiting = Waiting::Semaphore(semaphore);
            of.waiters.push_back(&mut self.threads, thread);
            return match signal.map(|signal| self.semaphore_signal(signal, Signal::One)) {
                Some(Err(error)) => {
                    self.wait_leave(thread);
                    Wait::Done(Err(error))
                }
                _ => Wait::Blocked,
            };
        } else {
            Err(KernReturn::KERN_ABORTED)
        };
        match signal.map(|signal| self.semaphore_signal(signal, Signal::One)) {
            Some(Err(error)) => Wait::Done(Err(error)),
            _ => Wait::Done(now),
        }
    }
}

impl<H: Host> Engine<H> {
    /// `semaphore_create` for a task: the caller gets a send right.
    ///
    /// # Errors
    /// `KERN_INVALID_ARGUMENT`, `KERN_INVALID_TASK`, and those of a full space.
    pub fn semaphore_create(
        &self,
        caller: Caller,
        task: TaskId,
        policy: i32,
        value: i32,
    ) -> Result<u32, KernReturn> {
        self.enter(caller, |state| state.semaphore_create(task, policy, value))
    }

    /// `semaphore_destroy` by its task; another task's has no effect.
    ///
    /// # Errors
    /// `KERN_INVALID_ARGUMENT` for a name of no semaphore.
    pub fn semaphore_destroy(&self, caller: Caller, task: TaskId, name: u32) -> Result<(), KernReturn> {
        self.enter(caller, |state| {
            let semaphore = state.semaphore_of(name).map_err(|_| KernReturn::KERN_INVALID_ARGUMENT)?;
            state.semaphore_destroy(task, semaphore);
            Ok(())
        })
    }

    fn signal(&self, caller: Caller, name: u32, signal: Signal) -> Result<bool, KernReturn> {
        self.enter(caller, |state| {
            let semaphore = state.semaphore_of(name)?;
            state.semaphore_signal(semaphore, signal)
        })
    }

    /// `semaphore_signal`: one thread goes on, or the next one to wait will not wait.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`, `KERN_INVALID_CAPABILITY`, `KERN_TERMINATED`.
    pub fn semaphore_signal(&self, caller: Caller, name: u32) -> Result<(), KernReturn> {
        self.signal(caller, name, Signal::One).map(|_| ())
    }

    /// `semaphore_signal_all`: all threads that wait go on.
    ///
    /// # Errors
    /// As [`Engine::semaphore_signal`].
    pub fn semaphore_signal_all(&self, caller: Caller, name: u32) -> Result<(), KernReturn> {
        self.signal(caller, name, Signal::All).map(|_| ())
    }

    /// `semaphore_signal_thread`: the thread of this name goes on, or, for 0, any one.
    ///
    /// # Errors
    /// As [`Engine::semaphore_signal`]; `KERN_INVALID_ARGUMENT` for a name of no thread, `KERN_NOT_WAITING`.
    pub fn semaphore_signal_thread(&self, caller: Caller, name: u32, thread: u32) -> Result<(), KernReturn> {
        self.enter(caller, |state| {
            let thread = match thread {
                0 => None,
                _ => Some(state.thread_of_name(thread).ok_or(KernReturn::KERN_INVALID_ARGUMENT)?),
            };
            let semaphore = state.semaphore_of(name)?;
            match state.semaphore_signal(semaphore, Signal::Thread(thread))? {
                true => Ok(()),
                false => Err(KernReturn::KERN_NOT_WAITING),
            }
        })
    }

    /// `semaphore_wait`, `semaphore_wait_signal`, `semaphore_timedwait` and `semaphore_timedwait_signal`: waits at one
    /// semaphore, perhaps for so many seconds and nanoseconds, and signals another one in the same step.
    ///
    /// # Errors
    /// As [`Engine::semaphore_signal`]; `KERN_INVALID_VALUE` for a time that is none, `KERN_OPERATION_TIMED_OUT`,
    /// `KERN_ABORTED` when interrupted.
    pub fn semaphore_wait(
        &self,
        caller: Caller,
        wait: u32,
        signal: Option<u32>,
        time: Option<(u32, i32)>,
    ) -> Result<(), KernReturn> {
        let nanoseconds = match time {
            None => None,
            Some((seconds, nanoseconds)) => {
                let rest = u64::try_from(nanoseconds).map_err(|_| KernReturn::KERN_INVALID_VALUE)?;
                if rest >= NANOSECONDS {
                    return Err(KernReturn::KERN_INVALID_VALUE);
                }
                Some(u64::from(seconds) * NANOSECONDS + rest)
            }
        };
        let deadline = nanoseconds.map(|nanoseconds| self.host.now().saturating_add(nanoseconds));
        match self.enter(caller, |state| state.semaphore_wait(wait, signal, nanoseconds == Some(0))) {
            Wait::Done(result) => result,
            Wait::Blocked => match self.block(caller, deadline) {
                Outcome::Awakened => Ok(()),
                Outcome::Restart => Err(KernReturn::KERN_TERMINATED),
                Outcome::TimedOut => Err(KernReturn::KERN_OPERATION_TIMED_OUT),
                Outcome::Interrupted => Err(KernReturn::KERN_ABORTED),
            },
        }
    }
}
