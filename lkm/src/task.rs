//! Tasks and threads, and how processes become tasks.
//!
//! A process opens the device and is a task. Whoever opens inherits: a process that opens again (it became another
//! program) from its own task, a new one from its parent's. A process that comes through a descriptor which another one
//! opened was forked off; it gets a task of its own at its first call. The last close of a descriptor ends its tasks: of
//! a process that has a newer task by then, it was an exec, otherwise an exit.

use crate::engine::Engine;
use crate::guard::GuardException;
use crate::host::{Caller, Host};
use crate::port::{Object, PortId};
use crate::port_set::SetId;
use crate::queue::Reception;
use crate::semaphore::{Semaphore, SemaphoreId};
use crate::slab::{Id, Links, List, Node};
use crate::space::{ENTRIES_MAX, Space};
use crate::state::State;
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::lkm::args::UidgidArgs;

/// The number of a task.
pub type TaskId = Id<Task>;

/// The number of a thread.
pub type ThreadId = Id<Thread>;

/// The number of an open descriptor of the device.
pub type OpenId = Id<Open>;

/// Special ports of a task (`TASK_KERNEL_PORT` … of `osfmk/mach/task_special_ports.h`).
pub(crate) const SPECIAL_PORTS: usize = 11;

/// The auditor of nobody in particular.
const NO_AUDIT_USER: u32 = u32::MAX;

/// What the host knows of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// The user it acts as.
    pub uid: u32,
    /// The group it acts as.
    pub gid: u32,
}

/// An open descriptor of the device.
pub struct Open {
    owner: TaskId,
}

impl Open {
    pub(crate) const fn nobody() -> Open {
        Open { owner: Id::NONE }
    }
}

/// How a task ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The process became another program.
    Exec,
    /// The process is gone.
    Exit,
}

/// A task.
pub struct Task {
    pub(crate) process: Process,
    open: OpenId,
    /// How many tasks there were before: the version of the pid.
    birth: u32,
    pub(crate) space: Space,
    pub(crate) threads: List<Thread, 1>,
    pub(crate) semaphores: List<Semaphore, 1>,
    pub(crate) self_port: PortId,
    pub(crate) name_port: PortId,
    /// Send rights.
    pub(crate) special: [PortId; SPECIAL_PORTS],
    /// Send rights that `mach_ports_register` left for whoever looks.
    pub(crate) registered: [PortId; 3],
    /// User and group as programs see them.
    pub(crate) ids: UidgidArgs,
    /// The pid of who traces it; 0 for nobody.
    pub(crate) tracer: i32,
    /// The address and size of dyld's list of images.
    pub(crate) dyld_info: (u64, u32),
    /// The program that it becomes next is to start suspended.
    pub(crate) stop_after_exec: bool,
    /// It is such a program, and did not ask yet.
    pub(crate) started_suspended: bool,
    /// Its process has a newer task.
    pub(crate) replaced: bool,
    /// Children that became tasks before anybody waited for them.
    pub(crate) children: u32,
    pub(crate) child_waiters: List<Thread>,
}

impl Task {
    pub(crate) const fn nobody() -> Task {
        Task {
            process: Process { pid: 0, parent: 0, uid: 0, gid: 0 },
            open: Id::NONE,
            birth: 0,
            space: Space::dead(),
            threads: List::new(),
            semaphores: List::new(),
            self_port: Id::NONE,
            name_port: Id::NONE,
            special: [Id::NONE; SPECIAL_PORTS],
            registered: [Id::NONE; 3],
            ids: UidgidArgs { uid: 0, gid: 0 },
            tracer: 0,
            dyld_info: (0, 0),
            stop_after_exec: false,
            started_suspended: false,
            replaced: false,
            children: 0,
            child_waiters: List::new(),
        }
    }

    /// `security_token_t`: the effective user and group.
    pub(crate) fn security_token(&self) -> [u32; 2] {
        [self.process.uid, self.process.gid]
    }

    /// `audit_token_t`.
    pub(crate) fn audit_token(&self) -> [u32; 8] {
        let Process { pid, uid, gid, .. } = self.process;
        [NO_AUDIT_USER, uid, gid, uid, gid, pid as u32, 0, self.birth]
    }
}

/// Why a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// What was waited for happened.
    Awakened,
    /// What was waited at is gone.
    Restart,
    TimedOut,
    Interrupted,
}

/// Where a thread waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waiting {
    No,
    Receive(PortId),
    ReceiveSet(SetId),
    /// For room at a port.
    Send(PortId),
    Semaphore(SemaphoreId),
    Sleep,
    /// For a process that was forked off.
    Child,
    /// Not any more: it stands in no list.
    Done(Outcome),
}

/// The cancellation of a thread (`man 3 pthread_cancel`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cancel {
    /// Somebody asked for it.
    pub(crate) pending: bool,
    /// The thread does not want it now.
    pub(crate) disabled: bool,
}

/// A thread.
pub struct Thread {
    pub(crate) task: TaskId,
    /// The host's number of it.
    pub(crate) tid: u64,
    pub(crate) waiting: Waiting,
    pub(crate) reception: Reception,
    /// The port at which a place is promised for its message.
    pub(crate) slot: PortId,
    pub(crate) self_port: PortId,
    /// The port that [`Engine::thread_get_special_reply_port`] made last, while it has its receive right.
    pub(crate) special_reply: PortId,
    pub(crate) guard: Option<GuardException>,
    /// The addresses of its `pthread_t` and of its dispatch queue.
    pub(crate) handles: (u64, u64),
    pub(crate) cancel: Cancel,
    pub(crate) wake_due: bool,
    queue: Links<Thread>,
    siblings: Links<Thread>,
}

impl Thread {
    pub(crate) const fn nobody() -> Thread {
        Thread {
            task: Id::NONE,
            tid: 0,
            waiting: Waiting::No,
            reception: Reception::NONE,
            slot: Id::NONE,
            self_port: Id::NONE,
            special_reply: Id::NONE,
            guard: None,
            handles: (0, 0),
            cancel: Cancel { pending: false, disabled: false },
            wake_due: false,
            queue: Links::new(),
            siblings: Links::new(),
        }
    }
}

impl Thread {
    /// The next thread of its task.
    pub(crate) fn next_of_task(&self) -> ThreadId {
        self.siblings.next()
    }
}

impl Node<0> for Thread {
    fn links(&mut self) -> &mut Links<Thread> {
        &mut self.queue
    }
}

impl Node<1> for Thread {
    fn links(&mut self) -> &mut Links<Thread> {
        &mut self.siblings
    }
}

impl<R> State<R> {
    /// The youngest task of a process.
    pub(crate) fn task_of_pid(&self, pid: i32) -> Option<TaskId> {
        let mut found: Option<(u32, TaskId)> = None;
        let mut at = Id::NONE;
        while let Some(id) = self.tasks.next_after(at) {
            let task = self.tasks.at(id);
            if task.process.pid == pid && found.is_none_or(|(birth, _)| task.birth > birth) {
                found = Some((task.birth, id));
            }
            at = id;
        }
        found.map(|(_, id)| id)
    }

    fn task_of_open(&self, open: OpenId, pid: i32) -> Option<TaskId> {
        let mut at = Id::NONE;
        while let Some(id) = self.tasks.next_after(at) {
            let task = self.tasks.at(id);
            if task.open == open && (pid == 0 || task.process.pid == pid) {
                return Some(id);
            }
            at = id;
        }
        None
    }

    fn task_new(
        &mut self,
        open: OpenId,
        process: Process,
        from: TaskId,
        random: u64,
    ) -> Result<TaskId, KernReturn> {
        let space = Space::new(ENTRIES_MAX, random)?;
        let birth = self.births.wrapping_add(1);
        let task = Task { process, open, birth, space, ..Task::nobody() };
        let id = self.tasks.insert(task).map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
        let self_port = self.object_port(Object::Task(id));
        let name_port = self.object_port(Object::TaskName(id));
        let (Ok(self_port), Ok(name_port)) = (self_port, name_port) else {
            for port in self_port.into_iter().chain(name_port) {
                self.ports.remove(port);
            }
            self.tasks.remove(id);
            return Err(KernReturn::KERN_RESOURCE_SHORTAGE);
        };
        self.births = birth;
        let special = self.tasks.get(from).map_or([Id::NONE; SPECIAL_PORTS], |from| from.special);
        let registered = self.tasks.get(from).map_or([Id::NONE; 3], |from| from.registered);
        for port in special.into_iter().chain(registered) {
            if !port.is_none() {
                self.copy_send(port);
            }
        }
        let task = self.tasks.at_mut(id);
        task.self_port = self_port;
        task.name_port = name_port;
        task.special = special;
        task.registered = registered;
        self.inherit(id, from);
        Ok(id)
    }

    /// A task gets what its parent or the program before it had.
    fn inherit(&mut self, task: TaskId, from: TaskId) {
        let Some(Task { process: before, ids, tracer, stop_after_exec, .. }) = self.tasks.get(from) else {
            return;
        };
        let (before, ids, tracer, stop) = (*before, *ids, *tracer, *stop_after_exec);
        let of = self.tasks.at_mut(task);
        of.ids = ids;
        of.tracer = tracer;
        if before.pid != of.process.pid {
            self.child_arrived(from);
            return;
        }
        of.started_suspended = stop;
        self.tasks.at_mut(from).replaced = true;
        self.stale = true;
    }

    fn thread_of(&mut self, task: TaskId, tid: u64) -> Result<ThreadId, KernReturn> {
        let mut at = self.tasks.get(task).ok_or(KernReturn::KERN_INVALID_TASK)?.threads.first();
        while !at.is_none() {
            let thread = self.threads.at(at);
            if thread.tid == tid {
                return Ok(at);
            }
            at = thread.siblings.next();
        }
        if !self.reserve_wakes() {
            return Err(KernReturn::KERN_RESOURCE_SHORTAGE);
        }
        let thread = self
            .threads
            .insert(Thread { task, tid, ..Thread::nobody() })
            .map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
        match self.object_port(Object::Thread(thread)) {
            Ok(port) => self.threads.at_mut(thread).self_port = port,
            Err(error) => {
                self.threads.remove(thread);
                return Err(error);
            }
        }
        self.tasks.at_mut(task).threads.push_back(&mut self.threads, thread);
        Ok(thread)
    }

    /// Ends a thread: it waits no longer, and its port dies.
    pub(crate) fn thread_end(&mut self, thread: ThreadId) {
        let Some(Thread { self_port, .. }) = self.threads.get(thread) else { return };
        let self_port = *self_port;
        self.wait_leave(thread);
        let of = self.threads.at_mut(thread);
        let slot = core::mem::replace(&mut of.slot, Id::NONE);
        let kmsg = core::mem::replace(&mut of.reception.kmsg, Id::NONE);
        if !slot.is_none() {
            self.slot_release(slot);
        }
        if !kmsg.is_none() {
            self.kmsg_destroy(kmsg);
        }
        // It may be blocked in the host, and shall find itself gone.
        self.poke(thread);
        let task = self.threads.at(thread).task;
        self.tasks.at_mut(task).threads.remove(&mut self.threads, thread);
        self.threads.remove(thread);
        self.port_destroy(self_port);
    }

    /// Ends a task: its threads, its rights, its semaphores and the ports that stand for it.
    pub(crate) fn task_end(&mut self, task: TaskId) {
        self.stale = true;
        loop {
            let Some(of) = self.tasks.get(task) else { return };
            let thread = of.threads.first();
            if thread.is_none() {
                break;
            }
            self.thread_end(thread);
        }
        self.semaphores_destroy_all(task);
        self.space_end(task);
        let Some(Task { self_port, name_port, special, registered, .. }) = self.tasks.remove(task) else {
            return;
        };
        for port in special.into_iter().chain(registered) {
            if !port.is_none() {
                self.release_send(port);
            }
        }
        self.port_destroy(self_port);
        self.port_destroy(name_port);
    }
}

impl<H: Host> Engine<H> {
    /// A process opened the device.
    ///
    /// # Errors
    /// `KERN_RESOURCE_SHORTAGE`.
    pub fn open(&self, process: Process) -> Result<OpenId, KernReturn> {
        let random = self.host.random();
        self.enter(Caller::ENGINE, |state| {
            let from = state.task_of_pid(process.pid).or_else(|| state.task_of_pid(process.parent));
            let open = state.opens.insert(Open::nobody()).map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
            match state.task_new(open, process, from.unwrap_or(Id::NONE), random) {
                Ok(task) => state.opens.at_mut(open).owner = task,
                Err(error) => {
                    state.opens.remove(open);
                    return Err(error);
                }
            }
            Ok(open)
        })
    }

    /// Who calls through an open descriptor: known ones, a process that was forked off, a new thread.
    ///
    /// # Errors
    /// `KERN_INVALID_TASK` for a descriptor that is closed, `KERN_RESOURCE_SHORTAGE`.
    pub fn caller(&self, open: OpenId, process: Process, tid: u64) -> Result<Caller, KernReturn> {
        self.enter(Caller::ENGINE, |state| {
            let owner = state.opens.get(open).ok_or(KernReturn::KERN_INVALID_TASK)?.owner;
            let task = match state.task_of_open(open, process.pid) {
                Some(task) => task,
                None => state.task_new(open, process, owner, self.host.random())?,
            };
            let thread = state.thread_of(task, tid)?;
            Ok(Caller { task, thread })
        })
    }

    /// A thread of a task, known or new.
    ///
    /// # Errors
    /// `KERN_INVALID_TASK`, `KERN_RESOURCE_SHORTAGE`.
    pub fn thread(&self, task: TaskId, tid: u64) -> Result<Caller, KernReturn> {
        self.enter(Caller::ENGINE, |state| state.thread_of(task, tid).map(|thread| Caller { task, thread }))
    }

    /// The last close of a descriptor: its tasks end, each as the answer says.
    pub fn release(&self, open: OpenId) -> Vec<(i32, End)> {
        self.enter(Caller::ENGINE, |state| {
            let mut ends = Vec::new();
            while let Some(task) = state.task_of_open(open, 0) {
                let pid = state.tasks.at(task).process.pid;
                let end = if state.task_of_pid(pid) == Some(task) { End::Exit } else { End::Exec };
                if ends.try_reserve(1).is_ok() {
                    ends.push((pid, end));
                }
                state.task_end(task);
            }
            state.opens.remove(open);
            ends
        })
    }

    /// One process of a descriptor is gone, while others still use it.
    pub fn exit(&self, open: OpenId, pid: i32) {
        self.enter(Caller::ENGINE, |state| {
            if let Some(task) = state.task_of_open(open, pid) {
                state.task_end(task);
            }
        });
    }

    /// A thread is gone.
    pub fn thread_exit(&self, caller: Caller) {
        self.enter(Caller::ENGINE, |state| state.thread_end(caller.thread));
    }

    /// The youngest task of a process.
    pub fn task_of_pid(&self, pid: i32) -> Option<TaskId> {
        self.enter(Caller::ENGINE, |state| state.task_of_pid(pid))
    }

    /// The process of a task.
    pub fn process_of(&self, task: TaskId) -> Option<Process> {
        self.enter(Caller::ENGINE, |state| state.tasks.get(task).map(|task| task.process))
    }
}
