//! The calls on names of rights (`osfmk/ipc/mach_port.c`, `osfmk/ipc/mach_kernelrpc.c`).
//!
//! Each takes the task whose names are meant. Results are those of XNU for an ordinary program, neither hardened nor
//! launchd.

use crate::copy::{is_disposition, kind_of};
use crate::guard::GuardReason;
use crate::notification::Notice;
use crate::port::{Port, PortId, PortRef, Request};
use crate::right::{DEAD_NAME, PORT_RIGHTS, PORT_SET, RECEIVE, SEND, SEND_ONCE, SEND_RIGHTS};
use crate::slab::Id;
use crate::state::State;
use crate::task::TaskId;
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::{KernReturn, MigReturn};
use xnu_abi::darwin::mach_message::MsgType;
use xnu_abi::darwin::mach_port::{
    MACH_PORT_QLIMIT_MAX, MachPortOptions, NotifyId, PortGuardFlags, PortOptions, PortRight, PortType,
};

/// Whether a name could name something.
pub(crate) fn is_valid(name: u32) -> bool {
    name != 0 && name != u32::MAX
}

/// Options of which a port may have one at most.
const OWNERS: PortOptions = PortOptions::MPO_SERVICE_PORT
    .union(PortOptions::MPO_CONNECTION_PORT)
    .union(PortOptions::MPO_TG_BLOCK_TRACKING);
const REPLIES: PortOptions = PortOptions::MPO_REPLY_PORT
    .union(PortOptions::MPO_ENFORCE_REPLY_PORT_SEMANTICS)
    .union(PortOptions::MPO_EXCEPTION_PORT)
    .union(PortOptions::MPO_PROVISIONAL_REPLY_PORT);
const DONORS: PortOptions = PortOptions::MPO_IMPORTANCE_RECEIVER
    .union(PortOptions::MPO_DENAP_RECEIVER)
    .union(PortOptions::MPO_TEMPOWNER);

impl<R> State<R> {
    pub(crate) fn mach_port_allocate(
        &mut self,
        task: TaskId,
        right: PortRight,
        name: Option<u32>,
    ) -> Result<u32, KernReturn> {
        if name.is_some_and(|name| !is_valid(name)) {
            return Err(KernReturn::KERN_INVALID_VALUE);
        }
        match (right, name) {
            (PortRight::MACH_PORT_RIGHT_RECEIVE, None) => Ok(self.port_new(task, false)?.1),
            (PortRight::MACH_PORT_RIGHT_RECEIVE, Some(name)) => {
                self.port_new_named(task, name)?;
                Ok(name)
            }
            (PortRight::MACH_PORT_RIGHT_PORT_SET, name) => self.set_new(task, name),
            (PortRight::MACH_PORT_RIGHT_DEAD_NAME, _) => {
                self.space(task).hold()?;
                self.space(task).claim(DEAD_NAME, 1, 0)
            }
            _ => Err(KernReturn::KERN_INVALID_VALUE),
        }
    }

    pub(crate) fn mach_port_construct(
        &mut self,
        task: TaskId,
        options: MachPortOptions,
        service: u32,
        context: u64,
    ) -> Result<u32, KernReturn> {
        let flags = options.flags;
        let several = |of: PortOptions| flags.intersection(of).bits().count_ones() > 1;
        if several(OWNERS) || several(REPLIES) {
            return Err(KernReturn::KERN_INVALID_ARGUMENT);
        }
        if !self.space(task).is_active() {
            return Err(KernReturn::KERN_INVALID_TASK);
        }
        // Both are for launchd and the window server alone.
        if flags.intersects(PortOptions::MPO_TG_BLOCK_TRACKING | PortOptions::MPO_SERVICE_PORT) {
            return Err(KernReturn::KERN_DENIED);
        }
        if flags.contains(PortOptions::MPO_CONNECTION_PORT) {
            // No port is a service's.
            if service == 0 {
                return Err(KernReturn::KERN_INVALID_ARGUMENT);
            }
            if service == u32::MAX {
                return Err(KernReturn::KERN_INVALID_NAME);
            }
            self.port_right(task, service, SEND)?;
            return Err(KernReturn::KERN_INVALID_CAPABILITY);
        }
        if flags.contains(PortOptions::MPO_QLIMIT) && options.mpl > MACH_PORT_QLIMIT_MAX {
            return Err(KernReturn::KERN_INVALID_VALUE);
        }
        let (port, name) = self.port_new(task, flags.contains(PortOptions::MPO_INSERT_SEND_RIGHT))?;
        let of = self.ports.at_mut(port);
        if flags.contains(PortOptions::MPO_QLIMIT) {
            of.qlimit = options.mpl;
        }
        of.importance = flags.intersects(DONORS);
        of.temporary_owner = flags.contains(PortOptions::MPO_TEMPOWNER);
        of.immovable_receive = flags.contains(PortOptions::MPO_EXCEPTION_PORT);
        if !flags.contains(PortOptions::MPO_CONTEXT_AS_GUARD) {
            of.context = context;
            return Ok(name);
        }
        let mut guard = PortGuardFlags::empty();
        guard.set(PortGuardFlags::MPG_STRICT, flags.contains(PortOptions::MPO_STRICT));
        let immovable = flags.contains(PortOptions::MPO_IMMOVABLE_RECEIVE);
        guard.set(PortGuardFlags::MPG_IMMOVABLE_RECEIVE, immovable);
        self.guard_port(name, port, context, guard)?;
        Ok(name)
    }

    pub(crate) fn mach_port_destroy(&mut self, task: TaskId, name: u32) -> Result<(), KernReturn> {
        if !is_valid(name) {
            return Ok(());
        }
        self.lookup_or_guard(task, name)?;
        self.right_destroy_name(task, name, Some(0))
    }

    pub(crate) fn mach_port_destruct(
        &mut self,
        task: TaskId,
        name: u32,
        srdelta: i32,
        guard: u64,
    ) -> Result<(), KernReturn> {
        if !is_valid(name) {
            return Err(KernReturn::KERN_INVALID_NAME);
        }
        self.right_destruct(task, name, srdelta, guard)
    }

    pub(crate) fn mach_port_deallocate(&mut self, task: TaskId, name: u32) -> Result<(), KernReturn> {
        if !is_valid(name) {
            return Ok(());
        }
        self.lookup_or_guard(task, name)?;
        self.right_dealloc(task, name)
    }

    pub(crate) fn mach_port_get_refs(
        &mut self,
        task: TaskId,
        name: u32,
        right: PortRight,
    ) -> Result<u32, KernReturn> {
        let right = checked(right)?;
        if !is_valid(name) {
            return if right.intersects(SEND_RIGHTS) { Ok(1) } else { Err(KernReturn::KERN_INVALID_NAME) };
        }
        let (kinds, urefs) = self.right_info(task, name)?;
        Ok(match () {
            () if !kinds.contains(right) => 0,
            () if right.intersects(SEND | DEAD_NAME) => urefs,
            () => 1,
        })
    }

    pub(crate) fn mach_port_mod_refs(
        &mut self,
        task: TaskId,
        name: u32,
        right: PortRight,
        delta: i32,
    ) -> Result<(), KernReturn> {
        let kind = checked(right)?;
        if !is_valid(name) {
            return if kind.intersects(SEND_RIGHTS) { Ok(()) } else { Err(KernReturn::KERN_INVALID_NAME) };
        }
        self.lookup_or_guard(task, name)?;
        self.right_delta(task, name, right, delta)
    }

    pub(crate) fn mach_port_type(&mut self, task: TaskId, name: u32) -> Result<PortType, KernReturn> {
        match name {
            0 => Err(KernReturn::KERN_INVALID_NAME),
            u32::MAX => Ok(DEAD_NAME),
            _ => {
                let hidden = PortType::MACH_PORT_TYPE_SPREQUEST | PortType::MACH_PORT_TYPE_SPREQUEST_DELAYED;
                Ok(self.right_info(task, name)?.0.difference(hidden))
            }
        }
    }

    /// All names and what they stand for. Nothing is changed: a right whose port died is told of as the dead name that
    /// it will be.
    pub(crate) fn mach_port_names(&mut self, task: TaskId) -> Result<Vec<(u32, PortType)>, KernReturn> {
        let space = self.space(task);
        if !space.is_active() {
            return Err(KernReturn::KERN_INVALID_TASK);
        }
        let mut names = Vec::new();
        names.try_reserve(space.used() as usize).map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
        let mut from = 1;
        while let Some((name, next)) = self.space(task).next_name(from) {
            from = next;
            let entry = self.lookup(task, name)?;
            let dead = entry.has(SEND_RIGHTS) && !self.ports.at(entry.port()).active;
            names.push((name, if dead { DEAD_NAME } else { entry.kinds() | self.request_kinds(&entry) }));
        }
        Ok(names)
    }

    pub(crate) fn mach_port_move_member(
        &mut self,
        task: TaskId,
        name: u32,
        after: u32,
    ) -> Result<(), KernReturn> {
        if !is_valid(name) || after == u32::MAX {
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        if after == 0 {
            let port = self.receive_right(task, name)?;
            if self.ports.at(port).sets.is_empty() {
                return Err(KernReturn::KERN_NOT_IN_SET);
            }
            self.set_leave_all(port, Id::NONE);
            return Ok(());
        }
        let (port, set) = self.port_and_set(task, name, after)?;
        match self.set_join(port, set) {
            Ok(()) | Err(KernReturn::KERN_ALREADY_IN_SET) => {}
            Err(error) => return Err(error),
        }
        self.set_leave_all(port, set);
        Ok(())
    }

    pub(crate) fn mach_port_insert_member(
        &mut self,
        task: TaskId,
        name: u32,
        set: u32,
    ) -> Result<(), KernReturn> {
        if !is_valid(name) || !is_valid(set) {
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        let (port, set) = self.port_and_set(task, name, set)?;
        self.set_join(port, set)
    }

    pub(crate) fn mach_port_extract_member(
        &mut self,
        task: TaskId,
        name: u32,
        set: u32,
    ) -> Result<(), KernReturn> {
        if !is_valid(name) || !is_valid(set) {
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        let (port, set) = self.port_and_set(task, name, set)?;
        self.set_leave(port, set)
    }

    /// The names of a set's members, sorted.
    pub(crate) fn mach_port_get_set_status(
        &mut self,
        task: TaskId,
        name: u32,
    ) -> Result<Vec<u32>, KernReturn> {
        if !is_valid(name) {
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        let entry = self.lookup(task, name)?;
        if !entry.has(PORT_SET) {
            let dead = entry.has(DEAD_NAME);
            return Err(if dead { KernReturn::KERN_INVALID_NAME } else { KernReturn::KERN_INVALID_RIGHT });
        }
        let members = &self.sets.at(entry.set()).members;
        let mut names = Vec::new();
        names.try_reserve(members.len() as usize).map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
        let mut at = members.first();
        while !at.is_none() {
            let link = self.links.at(at);
            names.extend(self.ports.at(link.port).name_in(task));
            at = link.next_of_set();
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Takes a right of one name and gives it to another (`_kernelrpc_mach_port_insert_right_trap`).
    pub(crate) fn mach_port_insert_right(
        &mut self,
        task: TaskId,
        name: u32,
        poly: u32,
        disposition: MsgType,
    ) -> Result<(), KernReturn> {
        let adds = matches!(disposition, MsgType::MACH_MSG_TYPE_MAKE_SEND | MsgType::MACH_MSG_TYPE_COPY_SEND);
        if name == poly && adds {
            return self.insert_send(task, name, disposition);
        }
        let right = self.copy_in(task, poly, disposition, None)?;
        let kind = kind_of(disposition);
        let result = self.insert_right(task, name, right, kind);
        if let (Err(_), PortRef::Port(port)) = (result, right) {
            self.right_destroy(port, kind);
        }
        result
    }

    /// Gives a right to a task under a name; a right that is refused is still the caller's (`mach_port_insert_right`).
    pub(crate) fn insert_right(
        &mut self,
        task: TaskId,
        name: u32,
        right: PortRef,
        kind: MsgType,
    ) -> Result<(), KernReturn> {
        if !is_valid(name) || kind == MsgType::MACH_MSG_TYPE_PORT_NONE {
            return Err(KernReturn::KERN_INVALID_VALUE);
        }
        match right {
            PortRef::Port(port) => self.copy_out_name(task, port, kind, name),
            _ => Err(KernReturn::KERN_INVALID_CAPABILITY),
        }
    }

    /// One more send right beside what a name has (`ipc_object_insert_send_right`).
    fn insert_send(&mut self, task: TaskId, name: u32, disposition: MsgType) -> Result<(), KernReturn> {
        let entry = self.lookup(task, name)?;
        if !entry.has_object() {
            return Err(KernReturn::KERN_INVALID_CAPABILITY);
        }
        if !entry.has(PORT_RIGHTS) {
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        let port = entry.port();
        if !self.ports.at(port).active {
            return Err(KernReturn::KERN_INVALID_CAPABILITY);
        }
        let make = disposition == MsgType::MACH_MSG_TYPE_MAKE_SEND;
        if !entry.has(if make { RECEIVE } else { SEND }) {
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        if make {
            let of = self.ports.at_mut(port);
            of.mscount = of.mscount.wrapping_add(1);
            of.srights += u32::from(!entry.has(SEND));
        }
        self.space(task).change(name, |entry| {
            entry.add(SEND);
            entry.reference();
        });
        Ok(())
    }

    /// Takes a right of a task for another one, which gets it under a name of its own.
    pub(crate) fn mach_port_extract_right(
        &mut self,
        task: TaskId,
        name: u32,
        disposition: MsgType,
        to: TaskId,
    ) -> Result<(u32, MsgType), KernReturn> {
        if !is_disposition(disposition) {
            return Err(KernReturn::KERN_INVALID_VALUE);
        }
        if !is_valid(name) {
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        let right = self.copy_in(task, name, disposition, None)?;
        let kind = kind_of(disposition);
        match right {
            PortRef::Port(port) => match self.copy_out(to, port, kind, None) {
                Ok(name) => Ok((name, kind)),
                // It died meanwhile, which a reply tells by the dead name.
                Err(KernReturn::KERN_INVALID_CAPABILITY) => Ok((u32::MAX, kind)),
                Err(error) => Err(error),
            },
            none => Ok((none.name(), kind)),
        }
    }

    /// Asks for a notification with a send-once right, or takes it back with none; the right that was asked with before
    /// is the caller's. A right that is refused is still the caller's.
    pub(crate) fn request_notification(
        &mut self,
        task: TaskId,
        name: u32,
        id: NotifyId,
        sync: u32,
        notify: PortRef,
    ) -> Result<PortId, KernReturn> {
        if notify == PortRef::Dead {
            return Err(KernReturn::KERN_INVALID_CAPABILITY);
        }
        let notify = notify.port().unwrap_or(Id::NONE);
        match id {
            NotifyId::MACH_NOTIFY_PORT_DESTROYED => {
                if sync != 0 {
                    return Err(KernReturn::KERN_INVALID_VALUE);
                }
                if !is_valid(name) {
                    return Err(KernReturn::KERN_INVALID_RIGHT);
                }
                let port = self.receive_right(task, name)?;
                let Port { special_reply, port_destroyed, .. } = *self.ports.at(port);
                if self.ports.at(port).is_object() || special_reply {
                    self.guard_exception(name, 0, GuardReason::InvalidRight);
                    return Err(KernReturn::KERN_INVALID_RIGHT);
                }
                if !port_destroyed.is_none() {
                    self.guard_exception(name, 0, GuardReason::Failure);
                    return Err(KernReturn::KERN_FAILURE);
                }
                self.ports.at_mut(port).port_destroyed = notify;
                Ok(Id::NONE)
            }
            NotifyId::MACH_NOTIFY_NO_SENDERS => {
                if !is_valid(name) {
                    return Err(KernReturn::KERN_INVALID_RIGHT);
                }
                let port = self.receive_right(task, name)?;
                let of = self.ports.at_mut(port);
                let now = of.srights == 0 && sync <= of.mscount && !notify.is_none();
                let mscount = of.mscount;
                let previous = core::mem::replace(&mut of.no_senders, if now { Id::NONE } else { notify });
                if now {
                    self.notify(notify, Notice::NoSenders(mscount));
                }
                Ok(previous)
            }
            NotifyId::MACH_NOTIFY_SEND_POSSIBLE | NotifyId::MACH_NOTIFY_DEAD_NAME => {
                if !is_valid(name) {
                    return Err(KernReturn::KERN_INVALID_ARGUMENT);
                }
                let send_possible = id == NotifyId::MACH_NOTIFY_SEND_POSSIBLE;
                self.request_name(task, name, send_possible, sync != 0, notify)
            }
            _ => Err(KernReturn::KERN_INVALID_VALUE),
        }
    }

    /// Notes or takes back what a name wants to hear (`ipc_right_request_alloc`). An armed wish whose port has room is
    /// fulfilled at once.
    fn request_name(
        &mut self,
        task: TaskId,
        name: u32,
        send_possible: bool,
        armed: bool,
        notify: PortId,
    ) -> Result<PortId, KernReturn> {
        let mut entry = self.lookup(task, name)?;
        if notify.is_none() && entry.request() == 0 {
            return Ok(Id::NONE);
        }
        if entry.has(PORT_RIGHTS) {
            if entry.has(RECEIVE) || !self.right_check(task, name, false) {
                let port = entry.port();
                if notify.is_none() {
                    return Ok(self.request_cancel(task, name));
                }
                let of = self.ports.at(port);
                let full = of.is_full() && of.receiver != crate::port::Receiver::Engine;
                if armed && send_possible && (entry.has(SEND_ONCE) || !full) {
                    let previous = self.request_cancel(task, name);
                    self.notify(notify, Notice::SendPossible(name));
                    return Ok(previous);
                }
                let previous = self.request_cancel(task, name);
                let request = Request { name, notify, send_possible, armed: armed && send_possible };
                match self.request_add(port, request) {
                    Ok(place) => {
                        self.space(task).change(name, |entry| entry.set_request(place));
                        return Ok(previous);
                    }
                    Err(error) => {
                        if !previous.is_none() {
                            self.release_send_once(previous);
                        }
                        return Err(error);
                    }
                }
            }
            entry = self.lookup(task, name)?;
        }
        // Only a wish for send-possible is fulfilled by a name that is dead already.
        if send_possible && !notify.is_none() && entry.has(DEAD_NAME) {
            self.space(task).change(name, |entry| entry.reference());
            self.notify(notify, Notice::DeadName(name));
            return Ok(Id::NONE);
        }
        let known = entry.has(PORT_RIGHTS.union(DEAD_NAME));
        Err(if known { KernReturn::KERN_INVALID_ARGUMENT } else { KernReturn::KERN_INVALID_RIGHT })
    }

    /// The same with names: of the right to notify with, and of the one that was there before.
    pub(crate) fn mach_port_request_notification(
        &mut self,
        task: TaskId,
        name: u32,
        id: NotifyId,
        sync: u32,
        notify: u32,
        disposition: MsgType,
    ) -> Result<u32, KernReturn> {
        let once = matches!(
            disposition,
            MsgType::MACH_MSG_TYPE_MAKE_SEND_ONCE | MsgType::MACH_MSG_TYPE_MOVE_SEND_ONCE
        );
        if !once {
            return Err(KernReturn::new(MigReturn::MIG_TYPE_ERROR.number()));
        }
        let right = if is_valid(notify) {
            self.copy_in(task, notify, disposition, None)?
        } else {
            PortRef::of_no_port(notify)
        };
        match self.request_notification(task, name, id, sync, right) {
            Ok(previous) if previous.is_none() => Ok(0),
            Ok(previous) => {
                let kind = MsgType::MACH_MSG_TYPE_PORT_SEND_ONCE;
                Ok(self.copy_out(task, previous, kind, None).unwrap_or(u32::MAX))
            }
            Err(error) => {
                if let PortRef::Port(port) = right {
                    self.send_once_died(port);
                }
                Err(error)
            }
        }
    }
}

/// A right's bit.
///
/// # Errors
/// `KERN_INVALID_VALUE` for a number that is no right's.
fn checked(right: PortRight) -> Result<PortType, KernReturn> {
    if right.number() >= PortRight::MACH_PORT_RIGHT_NUMBER.number() {
        return Err(KernReturn::KERN_INVALID_VALUE);
    }
    Ok(PortType::from_bits_retain(1 << (right.number() + 16)))
}
