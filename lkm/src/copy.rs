//! Rights on their way out of a space and into one (`ipc_right_copyin`, `ipc_right_copyout`, `ipc_object_copyin`,
//! `ipc_object_copyout`).

use crate::guard::GuardReason;
use crate::port::{Port, PortId, PortRef, Receiver};
use crate::right::{DEAD_NAME, EX_RECEIVE, PORT_RIGHTS, RECEIVE, SEND, SEND_ONCE, SEND_RIGHTS};
use crate::slab::Id;
use crate::space::{Entry, UREFS_MAX};
use crate::state::State;
use crate::task::TaskId;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach_message::MsgType;
use xnu_abi::darwin::mach_port::PortType;

/// What may happen to a right that is taken, beside the usual.
#[derive(Clone, Copy, Default)]
pub(crate) struct Taking {
    /// A dead name is taken as a dead right.
    pub(crate) dead_ok: bool,
    /// A send-once right for a dead port is taken as it is.
    pub(crate) dead_send_once_ok: bool,
    /// One more send right is made, for another field of the message.
    pub(crate) extra: Extra,
}

/// A second right of the same name, in one step with the first.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Extra {
    /// None.
    #[default]
    None,
    /// It is copied.
    Copy,
    /// It costs a user reference too.
    Move,
}

/// The guard that a message's descriptor names, checked when the right is taken and set when it arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct MessageGuard {
    pub(crate) context: u64,
    pub(crate) flags: u16,
}

/// `MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE`.
pub(crate) const GUARD_IMMOVABLE: u16 = 1;
/// `MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND`.
pub(crate) const GUARD_UNGUARDED_ON_SEND: u16 = 2;

/// A right taken, and whom to tell that its name is gone.
pub(crate) struct Taken {
    pub(crate) right: PortRef,
    pub(crate) deleted: PortId,
}

/// The kind of right that a disposition makes (`ipc_object_copyin_type`).
pub(crate) fn kind_of(disposition: MsgType) -> MsgType {
    match disposition {
        MsgType::MACH_MSG_TYPE_MOVE_RECEIVE => MsgType::MACH_MSG_TYPE_PORT_RECEIVE,
        MsgType::MACH_MSG_TYPE_MOVE_SEND_ONCE | MsgType::MACH_MSG_TYPE_MAKE_SEND_ONCE => {
            MsgType::MACH_MSG_TYPE_PORT_SEND_ONCE
        }
        MsgType::MACH_MSG_TYPE_MOVE_SEND
        | MsgType::MACH_MSG_TYPE_COPY_SEND
        | MsgType::MACH_MSG_TYPE_MAKE_SEND => MsgType::MACH_MSG_TYPE_PORT_SEND,
        _ => MsgType::MACH_MSG_TYPE_PORT_NONE,
    }
}

/// Whether it names a right in a space (`MACH_MSG_TYPE_PORT_ANY`).
pub(crate) fn is_disposition(disposition: MsgType) -> bool {
    let first = MsgType::MACH_MSG_TYPE_MOVE_RECEIVE.number();
    let last = MsgType::MACH_MSG_TYPE_MAKE_SEND_ONCE.number();
    (first..=last).contains(&disposition.number())
}

impl<R> State<R> {
    /// Takes a right of a name and tells who waited for the name's end (`ipc_object_copyin`).
    pub(crate) fn copy_in(
        &mut self,
        task: TaskId,
        name: u32,
        disposition: MsgType,
        guard: Option<&mut MessageGuard>,
    ) -> Result<PortRef, KernReturn> {
        let entry = self.lookup(task, name)?;
        let taking = Taking { dead_ok: true, ..Taking::default() };
        let taken = self.right_copy_in(task, name, entry, disposition, taking, guard)?;
        self.tell_deleted(taken.deleted, name);
        Ok(taken.right)
    }

    /// Takes a right of a name.
    ///
    /// # Errors
    /// `KERN_INVALID_RIGHT`; `KERN_INVALID_CAPABILITY` for one that must stay; `KERN_INVALID_ARGUMENT` for a wrong guard.
    pub(crate) fn right_copy_in(
        &mut self,
        task: TaskId,
        name: u32,
        entry: Entry,
        disposition: MsgType,
        taking: Taking,
        guard: Option<&mut MessageGuard>,
    ) -> Result<Taken, KernReturn> {
        let kept = |port| Taken { right: PortRef::Port(port), deleted: Id::NONE };
        match disposition {
            MsgType::MACH_MSG_TYPE_MAKE_SEND if entry.has(RECEIVE) => {
                self.make_send(entry.port());
                Ok(kept(entry.port()))
            }
            MsgType::MACH_MSG_TYPE_MAKE_SEND_ONCE if entry.has(RECEIVE) => {
                self.make_send_once(entry.port());
                Ok(kept(entry.port()))
            }
            MsgType::MACH_MSG_TYPE_MOVE_RECEIVE if entry.has(RECEIVE) => {
                self.move_receive(task, name, &entry, guard)
            }
            MsgType::MACH_MSG_TYPE_COPY_SEND
            | MsgType::MACH_MSG_TYPE_MOVE_SEND
            | MsgType::MACH_MSG_TYPE_MOVE_SEND_ONCE => {
                let once = disposition == MsgType::MACH_MSG_TYPE_MOVE_SEND_ONCE;
                if !entry.has(SEND_RIGHTS.union(DEAD_NAME)) {
                    return Err(KernReturn::KERN_INVALID_RIGHT);
                }
                let dead = entry.has(DEAD_NAME)
                    || !entry.has(RECEIVE) && self.right_check(task, name, once && taking.dead_send_once_ok);
                if dead {
                    return self.copy_in_dead(task, name, disposition, taking);
                }
                if !entry.has(if once { SEND_ONCE } else { SEND }) {
                    return Err(KernReturn::KERN_INVALID_RIGHT);
                }
                match disposition {
                    MsgType::MACH_MSG_TYPE_COPY_SEND => {
                        self.copy_send(entry.port());
                        if taking.extra != Extra::None {
                            self.copy_send(entry.port());
                        }
                        Ok(kept(entry.port()))
                    }
                    MsgType::MACH_MSG_TYPE_MOVE_SEND => self.move_send(task, name, &entry, taking.extra),
                    _ => {
                        let active = self.ports.at(entry.port()).active;
                        let deleted = if active { self.request_cancel(task, name) } else { Id::NONE };
                        self.space(task).release(name);
                        Ok(Taken { right: PortRef::Port(entry.port()), deleted })
                    }
                }
            }
            _ => Err(KernReturn::KERN_INVALID_RIGHT),
        }
    }

    fn copy_in_dead(
        &mut self,
        task: TaskId,
        name: u32,
        disposition: MsgType,
        taking: Taking,
    ) -> Result<Taken, KernReturn> {
        let entry = self.lookup(task, name)?;
        let moves = if disposition == MsgType::MACH_MSG_TYPE_COPY_SEND {
            0
        } else if taking.extra == Extra::Move {
            2
        } else {
            1
        };
        if !taking.dead_ok || entry.urefs() < moves {
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        if entry.urefs() == moves {
            self.space(task).release(name);
        } else {
            self.space(task).change(name, |entry| entry.release(moves));
        }
        Ok(Taken { right: PortRef::Dead, deleted: Id::NONE })
    }

    fn move_send(
        &mut self,
        task: TaskId,
        name: u32,
        entry: &Entry,
        extra: Extra,
    ) -> Result<Taken, KernReturn> {
        let moves = if extra == Extra::Move { 2 } else { 1 };
        if entry.urefs() < moves {
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        let port = entry.port();
        let mut deleted = Id::NONE;
        if entry.urefs() > moves {
            self.copy_send(port);
            self.space(task).change(name, |entry| entry.release(moves));
        } else if entry.has(RECEIVE) {
            self.space(task).change(name, |entry| {
                entry.drop_kinds(SEND);
                entry.set_urefs(0);
            });
        } else {
            deleted = self.request_cancel(task, name);
            self.space(task).release(name);
        }
        if extra != Extra::None {
            self.copy_send(port);
        }
        Ok(Taken { right: PortRef::Port(port), deleted })
    }

    fn move_receive(
        &mut self,
        task: TaskId,
        name: u32,
        entry: &Entry,
        guard: Option<&mut MessageGuard>,
    ) -> Result<Taken, KernReturn> {
        let port = entry.port();
        let Port { immovable_receive, special_reply, guarded, context, .. } = *self.ports.at(port);
        if self.ports.at(port).is_object() || immovable_receive || special_reply {
            self.guard_exception(name, 0, GuardReason::Immovable);
            return Err(KernReturn::KERN_INVALID_CAPABILITY);
        }
        if let Some(guard) = guard {
            let unguarded = guard.flags & GUARD_UNGUARDED_ON_SEND != 0 && !guarded && guard.context == 0;
            let fits = guarded && context == guard.context;
            if !unguarded && !fits {
                self.guard_exception(name, context, GuardReason::IncorrectGuard);
                return Err(KernReturn::KERN_INVALID_ARGUMENT);
            }
            guard.flags |= GUARD_UNGUARDED_ON_SEND;
        }
        let mut deleted = Id::NONE;
        if entry.has(SEND) {
            self.space(task).change(name, |entry| {
                entry.drop_kinds(RECEIVE);
                entry.add(EX_RECEIVE);
            });
        } else {
            deleted = self.request_cancel(task, name);
            self.space(task).release(name);
        }
        self.receiver_clear(port);
        self.ports.at_mut(port).temporary_owner = true;
        Ok(Taken { right: PortRef::Port(port), deleted })
    }

    /// Gives a right to a task and answers its name; a right that cannot be given is destroyed (`ipc_object_copyout`).
    ///
    /// # Errors
    /// `KERN_INVALID_TASK`, `KERN_NO_SPACE`, `KERN_RESOURCE_SHORTAGE`; `KERN_INVALID_CAPABILITY` for a dead port.
    pub(crate) fn copy_out(
        &mut self,
        task: TaskId,
        port: PortId,
        kind: MsgType,
        guard: Option<(&mut MessageGuard, u64)>,
    ) -> Result<u32, KernReturn> {
        let space = self.space(task);
        let known = if kind == MsgType::MACH_MSG_TYPE_PORT_SEND_ONCE { None } else { space.name_of(port) };
        let held = space.hold();
        let result = match (held, known) {
            (Err(error), _) => Err(error),
            (Ok(()), _) if !self.ports.at(port).active => Err(KernReturn::KERN_INVALID_CAPABILITY),
            (Ok(()), Some(name)) => {
                self.right_copy_out(task, name, port, kind, guard);
                Ok(name)
            }
            (Ok(()), None) => match self.space(task).claim(fresh(kind), fresh_urefs(kind), port.to_bits()) {
                Ok(name) => {
                    self.right_arrived(task, name, port, kind, guard);
                    Ok(name)
                }
                Err(error) => Err(error),
            },
        };
        if result.is_err() {
            self.right_destroy(port, kind);
        }
        result
    }

    /// Gives a right to a task under a name that was chosen (`ipc_object_copyout_name`). A right that cannot be given is
    /// still the caller's.
    ///
    /// # Errors
    /// As [`crate::space::Space::claim_name`]; `KERN_INVALID_CAPABILITY` for a dead port; `KERN_RIGHT_EXISTS` where the
    /// task has the port under another name.
    pub(crate) fn copy_out_name(
        &mut self,
        task: TaskId,
        port: PortId,
        kind: MsgType,
        name: u32,
    ) -> Result<(), KernReturn> {
        let space = self.space(task);
        space.check_name(name)?;
        let in_use = space.entry(name).is_some();
        let known = if kind == MsgType::MACH_MSG_TYPE_PORT_SEND_ONCE { None } else { space.name_of(port) };
        if !self.ports.at(port).active {
            return Err(KernReturn::KERN_INVALID_CAPABILITY);
        }
        match known {
            Some(known) if known != name => Err(KernReturn::KERN_RIGHT_EXISTS),
            Some(_) => {
                self.right_copy_out(task, name, port, kind, None);
                Ok(())
            }
            None if in_use => Err(KernReturn::KERN_NAME_EXISTS),
            None => {
                self.space(task).claim_name(name, fresh(kind), fresh_urefs(kind), port.to_bits())?;
                self.right_arrived(task, name, port, kind, None);
                Ok(())
            }
        }
    }

    /// A right for a port that the task has a name of (`ipc_right_copyout`).
    fn right_copy_out(
        &mut self,
        task: TaskId,
        name: u32,
        port: PortId,
        kind: MsgType,
        guard: Option<(&mut MessageGuard, u64)>,
    ) {
        if kind == MsgType::MACH_MSG_TYPE_PORT_SEND {
            let entry = self.space(task).entry(name);
            if entry.is_some_and(|entry| entry.has(SEND)) {
                // The name has a right that counts already.
                let of = self.ports.at_mut(port);
                of.srights = of.srights.saturating_sub(1);
            }
            self.space(task).change(name, |entry| {
                entry.add(SEND);
                entry.set_urefs((entry.urefs() + 1).min(UREFS_MAX));
            });
        } else {
            self.space(task).change(name, |entry| entry.add(RECEIVE));
            self.right_arrived(task, name, port, kind, guard);
        }
    }

    /// A receive right has a receiver now.
    fn right_arrived(
        &mut self,
        task: TaskId,
        name: u32,
        port: PortId,
        kind: MsgType,
        guard: Option<(&mut MessageGuard, u64)>,
    ) {
        if kind != MsgType::MACH_MSG_TYPE_PORT_RECEIVE {
            return;
        }
        let of = self.ports.at_mut(port);
        of.receiver = Receiver::Task(task, name);
        if let Some((guard, address)) = guard
            && guard.flags & GUARD_IMMOVABLE != 0
        {
            of.guarded = true;
            of.strict_guard = false;
            of.immovable_receive = true;
            // The receiver's guard is where it receives to.
            of.context = address;
            guard.context = address;
            guard.flags &= !GUARD_UNGUARDED_ON_SEND;
        }
    }

    /// The name that the destination of a received message has for its receiver; the right is used up
    /// (`ipc_object_copyout_dest`).
    pub(crate) fn copy_out_destination(&mut self, task: TaskId, port: PortId, kind: MsgType) -> u32 {
        let of = self.ports.at(port);
        if !of.active {
            if kind == MsgType::MACH_MSG_TYPE_PORT_SEND {
                self.release_send(port);
            } else {
                self.release_send_once(port);
            }
            return u32::MAX;
        }
        let name = of.name_in(task);
        match (kind, name) {
            (MsgType::MACH_MSG_TYPE_PORT_SEND, _) => self.release_send(port),
            (_, Some(_)) => self.release_send_once(port),
            (_, None) => self.send_once_died(port),
        }
        name.unwrap_or(0)
    }
}

/// What a name that is new gets with a right of this kind.
fn fresh(kind: MsgType) -> PortType {
    let kinds = match kind {
        MsgType::MACH_MSG_TYPE_PORT_SEND => SEND,
        MsgType::MACH_MSG_TYPE_PORT_SEND_ONCE => SEND_ONCE,
        _ => RECEIVE,
    };
    debug_assert!(PORT_RIGHTS.contains(kinds));
    kinds
}

fn fresh_urefs(kind: MsgType) -> u32 {
    u32::from(kind != MsgType::MACH_MSG_TYPE_PORT_RECEIVE)
}
