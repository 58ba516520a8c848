//! What the child of a fork has of its parent, where the child has an engine of its own (`osfmk/kern/ipc_tt.c`,
//! `ipc_task_init`; `osfmk/kern/task.c`, `task_create_internal`).
//!
//! XNU gives a child send rights for the parent's bootstrap port, its registered ports and its exception ports. A port
//! that a process receives from cannot be reached from another engine, so the child has none there. What the engine
//! itself stands behind is the same in both.

use crate::engine::Engine;
use crate::exception::{Action, EXCEPTIONS};
use crate::host::{Caller, Host};
use crate::port::{Object, PortId};
use crate::slab::Id;
use crate::state::State;
use crate::task::{OpenId, SPECIAL_PORTS, ThreadId};
use core::sync::atomic::Ordering;
use xnu_abi::lkm::args::UidgidArgs;

/// An object that every engine has.
type Common = Option<Object>;

/// What a child has of its parent.
#[derive(Clone, Copy, Debug)]
pub struct Legacy {
    special: [Common; SPECIAL_PORTS],
    registered: [Common; 3],
    exceptions: [(Common, u32, u32); EXCEPTIONS],
    ids: UidgidArgs,
    tracer: i32,
    dyld_info: (u64, u32),
    handles: (u64, u64),
}

impl<R> State<R> {
    fn common(&self, port: PortId) -> Common {
        let of = self.ports.get(port)?;
        matches!(of.object, Object::Host | Object::Clock(_)).then_some(of.object)
    }

    /// A send right for an object that every engine has.
    fn send_right(&mut self, object: Common) -> PortId {
        let port = match object {
            Some(Object::Host) => self.host_port(),
            Some(Object::Clock(clock)) => self.clock_port(clock).unwrap_or(Id::NONE),
            _ => Id::NONE,
        };
        if !port.is_none() {
            self.make_send(port);
        }
        port
    }

    fn legacy(&self, open: OpenId, thread: ThreadId) -> Option<Legacy> {
        let task = self.tasks.get(self.opens.get(open)?.owner())?;
        Some(Legacy {
            special: task.special.map(|port| self.common(port)),
            registered: task.registered.map(|port| self.common(port)),
            exceptions: task
                .exceptions
                .map(|action| (self.common(action.port), action.behavior, action.flavor)),
            ids: task.ids,
            tracer: task.tracer,
            dyld_info: task.dyld_info,
            handles: self.threads.get(thread).map_or((0, 0), |thread| thread.handles),
        })
    }

    fn inherit_legacy(&mut self, open: OpenId, legacy: &Legacy) {
        let Some(owner) = self.opens.get(open).map(|open| open.owner()) else { return };
        let special = legacy.special.map(|object| self.send_right(object));
        let registered = legacy.registered.map(|object| self.send_right(object));
        let exceptions = legacy.exceptions.map(|(object, behavior, flavor)| {
            let port = self.send_right(object);
            if port.is_none() { Action::NONE } else { Action { port, behavior, flavor } }
        });
        let Some(task) = self.tasks.get_mut(owner) else { return };
        task.special = special;
        task.registered = registered;
        task.exceptions = exceptions;
        task.ids = legacy.ids;
        task.tracer = legacy.tracer;
        task.dyld_info = legacy.dyld_info;
        task.first_handles = legacy.handles;
    }
}

impl<H: Host> Engine<H> {
    /// In the child of a fork, of the engine that it leaves behind: what it has of the parent, whose thread forked.
    /// Memory on its way in messages goes back to the host; nothing else is freed.
    pub fn legacy(&self, open: OpenId, thread: ThreadId) -> Option<Legacy> {
        self.enter(Caller::ENGINE, |state| {
            let mut at = Id::NONE;
            while let Some(region) = state.regions.next_after(at) {
                drop(state.regions.get_mut(region).and_then(Option::take));
                at = region;
            }
            state.legacy(open, thread)
        })
    }

    /// Gives the task of a descriptor what a child has of its parent. Before its first thread calls.
    pub fn inherit(&self, open: OpenId, legacy: &Legacy) {
        self.enter(Caller::ENGINE, |state| state.inherit_legacy(open, legacy));
        if legacy.exceptions.iter().any(|(object, ..)| object.is_some()) {
            self.exceptions.store(true, Ordering::Relaxed);
        }
    }
}
