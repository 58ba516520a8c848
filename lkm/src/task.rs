//! Tasks and threads, and how processes become tasks.
//!
//! A process opens the device and is a task. Whoever opens inherits: a process that opens again (it became another
//! program) from its own task, a new one from its parent's. A process that comes through a descriptor which another one
//! opened was forked off; it gets a task of its own at its first call. The last close of a descriptor ends its tasks: of
//! a process that has a newer task by then, it was an exec, otherwise an exit.

use crate::engine::Engine;
use crate::exception::{Action, EXCEPTIONS};
use crate::guard::GuardException;
use crate::host::{Caller, Host};
use crate::port::{Object, PortId};
use crate::port_set::SetId;
use crate::queue::Reception;
use crate::raise::Exchange;
use crate::semaphore::{Semaphore, SemaphoreId};
use crate::slab::{Id, Links, List, Node};
use crate::space::{ENTRIES_MAX, Space};
use crate::state::State;
use crate::stop::Summons;
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

/// The special ports that a child has too (`ipc_task_init`): bootstrap and access.
const INHERITED_PORTS: [usize; 2] = [3, 8];

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

/// Who a process is to those who get its messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Who logged in, `u32::MAX` for nobody in particular.
    pub auditor: u32,
    /// The session of the audit.
    pub session: u32,
    /// The user it acts as.
    pub uid: u32,
    /// The group it acts as.
    pub gid: u32,
    /// The user who started it.
    pub real_uid: u32,
    /// The group of who started it.
    pub real_gid: u32,
}

impl Identity {
    /// One in the default session who is what it acts as.
    pub const fn plain(uid: u32, gid: u32) -> Identity {
        Identity { auditor: u32::MAX, session: 0, uid, gid, real_uid: uid, real_gid: gid }
    }
}

/// An open descriptor of the device.
pub struct Open {
    owner: TaskId,
}

impl Open {
    /// The task of who opened it.
    pub(crate) fn owner(&self) -> TaskId {
        self.owner
    }

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
    identity: Identity,
    open: OpenId,
    /// How many tasks there were before: the version of the pid.
    birth: u32,
    pub(crate) space: Space,
    pub(crate) threads: List<Thread, 1>,
    pub(crate) semaphores: List<Semaphore, 1>,
    pub(crate) self_port: PortId,
    pub(crate) name_port: PortId,
    /// Stands for who it is, once that was asked for.
    pub(crate) token_port: PortId,
    /// Send rights.
    pub(crate) special: [PortId; SPECIAL_PORTS],
    /// Send rights that `mach_ports_register` left for whoever looks.
    pub(crate) registered: [PortId; 3],
    /// Who is asked about exceptions, by their numbers; send rights.
    pub(crate) exceptions: [Action; EXCEPTIONS],
    /// User and group as programs see them.
    pub(crate) ids: UidgidArgs,
    /// The pid of who traces it; 0 for nobody.
    pub(crate) tracer: i32,
    /// The address and size of dyld's list of images.
    pub(crate) dyld_info: (u64, u32),
    /// Handles that its first thread has from the parent's thread.
    pub(crate) first_handles: (u64, u64),
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
            identity: Identity::plain(0, 0),
            open: Id::NONE,
            birth: 0,
            space: Space::dead(),
            threads: List::new(),
            semaphores: List::new(),
            self_port: Id::NONE,
            name_port: Id::NONE,
            token_port: Id::NONE,
            special: [Id::NONE; SPECIAL_PORTS],
            registered: [Id::NONE; 3],
            exceptions: [Action::NONE; EXCEPTIONS],
            ids: UidgidArgs { uid: 0, gid: 0 },
            tracer: 0,
            dyld_info: (0, 0),
            first_handles: (0, 0),
            stop_after_exec: false,
            started_suspended: false,
            replaced: false,
            children: 0,
            child_waiters: List::new(),
        }
    }

    /// `security_token_t`: the effective user and group.
    pub(crate) fn security_token(&self) -> [u32; 2] {
        [self.identity.uid, self.identity.gid]
    }

    /// `audit_token_t`.
    pub(crate) fn audit_token(&self) -> [u32; 8] {
        let Identity { auditor, session, uid, gid, real_uid, real_gid } = self.identity;
        [auditor, uid, gid, real_uid, real_gid, self.process.pid as u32, session, self.birth]
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
    /// For who handles its exception.
    Handler,
    /// To be resumed.
    Suspended,
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
    /// Who is asked about its exceptions before its task's handlers, if anybody ever wanted to be.
    pub(crate) exceptions: Option<[Action; EXCEPTIONS]>,
    pub(crate) exchange: Exchange,
    /// How often it was suspended and not resumed.
    pub(crate) suspends: u32,
    pub(crate) summons: Summons,
    /// A C library made it, and alone ends it (`THREAD_TAG_PTHREAD`).
    pub(crate) is_pthread: bool,
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
            exceptions: None,
            exchange: Exchange::NONE,
            suspends: 0,
            summons: Summons::NONE,
            is_pthread: false,
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
        let identity = Identity::plain(process.uid, process.gid);
        let task = Task { process, identity, open, birth, space, ..Task::nobody() };
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
        let mut special = [Id::NONE; SPECIAL_PORTS];
        let mut registered = [Id::NONE; 3];
        let mut exceptions = [Action::NONE; EXCEPTIONS];
        if let Some(from) = self.tasks.get(from) {
            for at in INHERITED_PORTS {
                if let (Some(place), Some(port)) = (special.get_mut(at), from.special.get(at)) {
                    *place = *port;
                }
            }
            registered = from.registered;
            exceptions = from.exceptions;
        }
        let handlers = exceptions.iter().map(|action| action.port);
        for port in special.into_iter().chain(registered).chain(handlers) {
            if !port.is_none() {
                self.copy_send(port);
            }
        }
        let task = self.tasks.at_mut(id);
        task.self_port = self_port;
        task.name_port = name_port;
        task.special = special;
        task.registered = registered;
        task.exceptions = exceptions;
        self.inherit(id, from);
        Ok(id)
    }

    /// A task gets what its parent or the program before it had.
    fn inherit(&mut self, task: TaskId, from: TaskId) {
        let Some(Task { process: before, ids, tracer, stop_after_exec, dyld_info, .. }) =
            self.tasks.get(from)
        else {
            return;
        };
        let (before, ids, tracer, stop) = (*before, *ids, *tracer, *stop_after_exec);
        let dyld_info = *dyld_info;
        let of = self.tasks.at_mut(task);
        of.ids = ids;
        of.tracer = tracer;
        if before.pid != of.process.pid {
            // It has the same memory, so the same images.
            of.dyld_info = dyld_info;
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
        let handles = core::mem::take(&mut self.tasks.at_mut(task).first_handles);
        let thread = self
            .threads
            .insert(Thread { task, tid, handles, ..Thread::nobody() })
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
        self.summon(thread, |of| (of.suspends, of.summons) = (0, Summons::NONE));
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
        self.exchange_end(thread);
        let handlers = self.threads.at_mut(thread).exceptions.take();
        for action in handlers.into_iter().flatten().filter(|action| !action.port.is_none()) {
            self.release_send(action.port);
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
        let Some(Task { self_port, name_port, token_port, special, registered, exceptions, .. }) =
            self.tasks.remove(task)
        else {
            return;
        };
        let handlers = exceptions.into_iter().map(|action| action.port);
        for port in special.into_iter().chain(registered).chain(handlers) {
            if !port.is_none() {
                self.release_send(port);
            }
        }
        self.port_destroy(self_port);
        self.port_destroy(name_port);
        if !token_port.is_none() {
            self.port_destroy(token_port);
        }
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
                Some(task) => {
                    let of = state.tasks.at_mut(task);
                    if (of.process.uid, of.process.gid) != (process.uid, process.gid) {
                        of.process = process;
                        (of.identity.uid, of.identity.gid) = (process.uid, process.gid);
                    }
                    task
                }
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

    /// A process changed who it is: its messages say so from here on.
    pub fn set_identity(&self, task: TaskId, identity: Identity) {
        self.enter(Caller::ENGINE, |state| {
            if let Some(of) = state.tasks.get_mut(task) {
                of.identity = identity;
                (of.process.uid, of.process.gid) = (identity.uid, identity.gid);
            }
        });
    }

    /// The process of a task.
    pub fn process_of(&self, task: TaskId) -> Option<Process> {
        self.enter(Caller::ENGINE, |state| state.tasks.get(task).map(|task| task.process))
    }
}
