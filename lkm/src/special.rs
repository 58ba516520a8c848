//! Ports that a program gets without asking anybody: its own, its thread's, the host's, and reply ports
//! (`osfmk/kern/ipc_tt.c`, `osfmk/kern/ipc_host.c`).
//!
//! Differs from XNU: control ports are neither pinned nor immovable, as they are for programs built for macOS 11 and
//! older.

use crate::engine::Engine;
use crate::host::{Caller, Host};
use crate::port::{Object, PortId};
use crate::slab::Id;
use crate::state::State;
use crate::task::TaskId;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach_message::MsgType;

impl<R> State<R> {
    /// Gives a task a new send right; its name, or a name of no port (`ipc_port_copyout_send`).
    pub(crate) fn give_send(&mut self, task: TaskId, port: PortId) -> u32 {
        if port.is_none() {
            return 0;
        }
        self.make_send(port);
        match self.copy_out(task, port, MsgType::MACH_MSG_TYPE_PORT_SEND, None) {
            Ok(name) => name,
            Err(KernReturn::KERN_INVALID_CAPABILITY) => u32::MAX,
            Err(_) => 0,
        }
    }

    pub(crate) fn host_port(&mut self) -> PortId {
        if self.host_port.is_none() {
            self.host_port = self.object_port(Object::Host).unwrap_or(Id::NONE);
        }
        self.host_port
    }

    /// The port of a clock, by its number.
    pub(crate) fn clock_port(&mut self, clock: u32) -> Result<PortId, KernReturn> {
        let known = self.clock_ports.get(clock as usize).copied().filter(|port| !port.is_none());
        let port = match known {
            Some(port) => port,
            None => self.object_port(Object::Clock(clock))?,
        };
        if let Some(place) = self.clock_ports.get_mut(clock as usize) {
            *place = port;
        }
        Ok(port)
    }
}

impl<H: Host> Engine<H> {
    /// `mach_task_self`: a send right for the caller's task; 0 where there is no room for it.
    pub fn task_self(&self, caller: Caller) -> u32 {
        self.enter(caller, |state| {
            let port = state.tasks.get(caller.task).map_or(Id::NONE, |task| task.self_port);
            state.give_send(caller.task, port)
        })
    }

    /// `mach_thread_self`: a send right for the caller's thread.
    pub fn thread_self(&self, caller: Caller) -> u32 {
        self.enter(caller, |state| {
            let port = state.threads.get(caller.thread).map_or(Id::NONE, |thread| thread.self_port);
            state.give_send(caller.task, port)
        })
    }

    /// `mach_host_self`: a send right for the host.
    pub fn host_self(&self, caller: Caller) -> u32 {
        self.enter(caller, |state| {
            let port = state.host_port();
            state.give_send(caller.task, port)
        })
    }

    /// `mach_reply_port`: a new receive right; 0 where there is no room for it.
    pub fn mach_reply_port(&self, caller: Caller) -> u32 {
        self.enter(caller, |state| state.port_new(caller.task, false).map_or(0, |(_, name)| name))
    }

    /// `thread_get_special_reply_port`: a new receive right with a send right, which cannot be moved. The one that the
    /// thread had before is an ordinary one from then on.
    pub fn thread_get_special_reply_port(&self, caller: Caller) -> u32 {
        self.enter(caller, |state| {
            let Some(thread) = state.threads.get(caller.thread) else { return 0 };
            if let Some(old) = state.ports.get_mut(thread.special_reply) {
                old.special_reply = false;
            }
            let Ok((port, name)) = state.port_new(caller.task, true) else { return 0 };
            state.ports.at_mut(port).special_reply = true;
            state.threads.at_mut(caller.thread).special_reply = port;
            name
        })
    }
}
