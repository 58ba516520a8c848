//! Traps about tasks, threads and processes (`darling/traps.c` and `darling/task_registry.c` of Darling's module).

use super::{Answer, In, InOut, Out};
use crate::engine::Engine;
use crate::host::{Caller, Host};
use crate::port::{Object, PortRef};
use crate::right::SEND;
use crate::slab::Id;
use crate::state::State;
use crate::task::{Cancel, Outcome, Task, TaskId, Waiting};
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach_message::MsgType;
use xnu_abi::linux::Errno;
use xnu_abi::lkm::API_VERSION;
use xnu_abi::lkm::args::{
    KernelPrintkArgs, PidForTaskArgs, PthreadKillArgs, SetDyldInfoArgs, SetThreadHandlesArgs, SetTracerArgs,
    TaskForPidArgs, TaskNameForPidArgs, UidgidArgs,
};
use xnu_abi::lkm::own_args::DebugControlPortForPidArgs;

/// Which special port of a task is its debug control port (`TASK_DEBUG_CONTROL_PORT`).
const DEBUG_CONTROL_PORT: u32 = 10;

/// The highest number of a Linux signal.
const SIGNAL_MAX: i32 = 64;

/// A `kern_return_t` as the answer.
const fn kern(result: KernReturn) -> Answer {
    Ok(result.number() as isize)
}

impl<R> State<R> {
    /// The task of a pid; 0 is the caller's.
    fn task_of_pid_or_own(&self, pid: i32) -> Result<TaskId, Errno> {
        if pid == 0 { Ok(self.caller.task) } else { self.task_of_pid(pid).ok_or(Errno::ESRCH) }
    }

    fn own_task(&mut self) -> Result<&mut Task, Errno> {
        self.tasks.get_mut(self.caller.task).ok_or(Errno::ENXIO)
    }

    /// Notes that the caller waits for a child; whether one was there already.
    fn child_wait(&mut self) -> bool {
        let thread = self.caller.thread;
        let Some(task) = self.tasks.get_mut(self.caller.task) else { return true };
        if let Some(left) = task.children.checked_sub(1) {
            task.children = left;
            return true;
        }
        let Some(waiter) = self.threads.get_mut(thread) else { return true };
        waiter.waiting = Waiting::Child;
        task.child_waiters.push_back(&mut self.threads, thread);
        false
    }
}

pub(super) fn get_api_version<H: Host>(_: &Engine<H>, _: Caller, (): ()) -> Answer {
    Ok(API_VERSION as isize)
}

pub(super) fn pthread_kill<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<PthreadKillArgs>,
) -> Answer {
    let thread = engine.enter(caller, |state| state.thread_of_name(args.thread_port as u32));
    let thread = thread.ok_or(Errno::ESRCH)?;
    let signal = args.sig;
    if !(0..=SIGNAL_MAX).contains(&signal) {
        return Err(Errno::EINVAL);
    }
    if signal != 0 {
        engine.host.signal(thread, signal)?;
    }
    Ok(0)
}

pub(super) fn thread_death_announce<H: Host>(engine: &Engine<H>, caller: Caller, (): ()) -> Answer {
    let known = engine.enter(caller, |state| state.threads.get(caller.thread).is_some());
    if !known {
        return Err(Errno::ESRCH);
    }
    engine.thread_exit(caller);
    Ok(0)
}

pub(super) fn fork_wait_for_child<H: Host>(engine: &Engine<H>, caller: Caller, (): ()) -> Answer {
    if !engine.enter(caller, |state| state.child_wait()) {
        engine.block(caller, None);
    }
    Ok(0)
}

/// Gives the caller a right for a task's port and has its name written.
fn give_task<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    pid: i32,
    by_name: bool,
    write: impl FnOnce(u32) -> Result<(), Errno>,
) -> Answer {
    let name = engine.enter(caller, |state| {
        let task = state.tasks.get(state.task_of_pid(pid)?)?;
        let port = if by_name { task.name_port } else { task.self_port };
        Some(state.give_send(caller.task, port))
    });
    match name {
        None => kern(KernReturn::KERN_FAILURE),
        Some(name) if write(name).is_err() => kern(KernReturn::KERN_INVALID_ADDRESS),
        Some(_) => Ok(0),
    }
}

pub(super) fn task_for_pid<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<TaskForPidArgs>,
) -> Answer {
    let to = args.task_port;
    give_task(engine, caller, args.pid as i32, false, |name| engine.give(caller, to, &name))
}

pub(super) fn task_name_for_pid<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    InOut(mut at, args): InOut<'_, TaskNameForPidArgs>,
) -> Answer {
    let offset = core::mem::offset_of!(TaskNameForPidArgs, name_out);
    give_task(engine, caller, args.pid, true, |name| at.put(engine, caller, offset, &name))
}

pub(super) fn debug_control_port_for_pid<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    InOut(mut at, args): InOut<'_, DebugControlPortForPidArgs>,
) -> Answer {
    let name = engine.enter(caller, |state| {
        let task = state.tasks.get(state.task_of_pid(args.pid as i32)?)?;
        let port = task.special.get(DEBUG_CONTROL_PORT as usize - 1).copied()?;
        Some(match state.copy_kept(port) {
            PortRef::Port(port) => {
                let kind = MsgType::MACH_MSG_TYPE_PORT_SEND;
                state.copy_out(caller.task, port, kind, None).unwrap_or(0)
            }
            none => none.name(),
        })
    });
    let Some(name) = name else { return kern(KernReturn::KERN_FAILURE) };
    at.put(engine, caller, core::mem::offset_of!(DebugControlPortForPidArgs, port), &name)?;
    Ok(0)
}

pub(super) fn pid_for_task<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<PidForTaskArgs>,
) -> Answer {
    let pid = engine.enter(caller, |state| {
        let port = state.port_right(caller.task, args.task_port, SEND).ok()?;
        match state.ports.at(port).object {
            Object::Task(task) | Object::TaskName(task) => state.tasks.get(task).map(|task| task.process.pid),
            _ => None,
        }
    });
    let pid = pid.ok_or(Errno::ESRCH)?;
    match engine.give(caller, args.pid, &pid) {
        Ok(()) => Ok(0),
        Err(_) => kern(KernReturn::KERN_INVALID_ADDRESS),
    }
}

pub(super) fn set_dyld_info<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<SetDyldInfoArgs>,
) -> Answer {
    engine.enter(caller, |state| {
        state.own_task()?.dyld_info = (args.all_images_address, args.all_images_length);
        Ok(0)
    })
}

pub(super) fn stop_after_exec<H: Host>(engine: &Engine<H>, caller: Caller, (): ()) -> Answer {
    engine.enter(caller, |state| {
        state.own_task()?.stop_after_exec = true;
        Ok(0)
    })
}

pub(super) fn started_suspended<H: Host>(engine: &Engine<H>, caller: Caller, (): ()) -> Answer {
    engine.enter(caller, |state| {
        Ok(isize::from(core::mem::replace(&mut state.own_task()?.started_suspended, false)))
    })
}

pub(super) fn kernel_printk<H: Host>(
    engine: &Engine<H>,
    _: Caller,
    In(args): In<KernelPrintkArgs>,
) -> Answer {
    let mut line = args.buf;
    // The last byte ends the text, whatever it is.
    let end = line.iter().position(|byte| *byte == 0).unwrap_or(line.len() - 1);
    let text = line.get_mut(..end).unwrap_or_default();
    loop {
        match core::str::from_utf8(text) {
            Ok(text) => {
                engine.host.log(text);
                return Ok(0);
            }
            // What is no text is shown as such.
            Err(error) => match text.get_mut(error.valid_up_to()) {
                Some(byte) => *byte = b'?',
                None => return Ok(0),
            },
        }
    }
}

pub(super) fn get_tracer<H: Host>(engine: &Engine<H>, caller: Caller, pid: i32) -> Answer {
    engine.enter(caller, |state| {
        let task = state.task_of_pid_or_own(pid)?;
        state.tasks.get(task).map(|task| task.tracer as isize).ok_or(Errno::ESRCH)
    })
}

pub(super) fn set_tracer<H: Host>(engine: &Engine<H>, caller: Caller, In(args): In<SetTracerArgs>) -> Answer {
    engine.enter(caller, |state| {
        let task = state.task_of_pid_or_own(args.target)?;
        let task = state.tasks.get_mut(task).ok_or(Errno::ESRCH)?;
        if args.tracer <= 0 {
            task.tracer = 0;
        } else if task.tracer == 0 {
            task.tracer = args.tracer;
        } else {
            return Err(Errno::EPERM);
        }
        Ok(0)
    })
}

pub(super) fn tid_for_thread<H: Host>(engine: &Engine<H>, caller: Caller, name: i32) -> Answer {
    engine.enter(caller, |state| {
        let thread = state.thread_of_name(name as u32);
        Ok(thread
            .and_then(|thread| state.threads.get(thread))
            .map_or(-1, |thread| thread.tid as i32 as isize))
    })
}

pub(super) fn getuidgid<H: Host>(engine: &Engine<H>, caller: Caller, mut to: Out<'_, UidgidArgs>) -> Answer {
    let ids = engine.enter(caller, |state| state.own_task().map(|task| task.ids))?;
    to.write(engine, caller, &ids)
}

pub(super) fn setuidgid<H: Host>(engine: &Engine<H>, caller: Caller, In(args): In<UidgidArgs>) -> Answer {
    engine.enter(caller, |state| {
        let ids = &mut state.own_task()?.ids;
        if args.uid != -1 {
            ids.uid = args.uid;
        }
        if args.gid != -1 {
            ids.gid = args.gid;
        }
        Ok(0)
    })
}

pub(super) fn pthread_markcancel<H: Host>(engine: &Engine<H>, caller: Caller, name: i32) -> Answer {
    let (thread, interrupt) = engine.enter(caller, |state| {
        let thread = state.thread_of_name(name as u32).ok_or(Errno::ESRCH)?;
        let of = state.threads.at_mut(thread);
        of.cancel.pending = true;
        let interrupt = !of.cancel.disabled;
        let waits = !matches!(of.waiting, Waiting::No | Waiting::Done(_));
        if interrupt && waits {
            state.wait_leave(thread);
            state.wake(thread, Outcome::Interrupted);
        }
        Ok((thread, interrupt))
    })?;
    if interrupt {
        engine.host.interrupt(thread);
    }
    Ok(0)
}

pub(super) fn pthread_canceled<H: Host>(engine: &Engine<H>, caller: Caller, what: i32) -> Answer {
    engine.enter(caller, |state| {
        let cancel = &mut state.threads.get_mut(caller.thread).ok_or(Errno::EINVAL)?.cancel;
        match (what, *cancel) {
            (0, Cancel { pending: true, disabled: false }) => {}
            (1, _) => cancel.disabled = false,
            (2, _) => cancel.disabled = true,
            _ => return Err(Errno::EINVAL),
        }
        Ok(0)
    })
}

pub(super) fn task_64bit<H: Host>(engine: &Engine<H>, caller: Caller, pid: i32) -> Answer {
    // Every task of the engine is one of x86-64.
    engine.enter(caller, |state| state.task_of_pid(pid).map(|_| 1).ok_or(Errno::ESRCH))
}

pub(super) fn set_thread_handles<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<SetThreadHandlesArgs>,
) -> Answer {
    engine.enter(caller, |state| {
        let thread = state.threads.get_mut(caller.thread).ok_or(Errno::ENXIO)?;
        thread.handles = (args.pthread_handle, args.dispatch_qaddr);
        Ok(0)
    })
}

impl<R> State<R> {
    /// A process that was forked off is a task now: one who waits for it goes on, or the next to wait will not.
    pub(crate) fn child_arrived(&mut self, parent: TaskId) {
        let Some(task) = self.tasks.get_mut(parent) else { return };
        match task.child_waiters.pop_front(&mut self.threads) {
            Some(thread) => self.wake(thread, Outcome::Awakened),
            None => task.children = task.children.saturating_add(1),
        }
    }

    /// Takes a thread out of those that wait for a child.
    pub(crate) fn child_wait_leave(&mut self, thread: crate::task::ThreadId) {
        let task = self.threads.get(thread).map_or(Id::NONE, |thread| thread.task);
        if let Some(task) = self.tasks.get_mut(task) {
            task.child_waiters.remove(&mut self.threads, thread);
        }
    }
}
