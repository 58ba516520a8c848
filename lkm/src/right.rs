//! Rights under their names: counted, changed and given up (`osfmk/ipc/ipc_right.c`, `osfmk/ipc/ipc_object.c`).
//!
//! A name whose port died turns into a dead name when somebody looks at it ([`State::right_check`]).

use crate::guard::GuardReason;
use crate::notification::Notice;
use crate::port::{Port, PortId};
use crate::port_set::SetId;
use crate::slab::Id;
use crate::space::{Entry, UREFS_MAX};
use crate::state::State;
use crate::task::TaskId;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach_port::{PortRight, PortType};

pub(crate) const SEND: PortType = PortType::MACH_PORT_TYPE_SEND;
pub(crate) const RECEIVE: PortType = PortType::MACH_PORT_TYPE_RECEIVE;
pub(crate) const SEND_ONCE: PortType = PortType::MACH_PORT_TYPE_SEND_ONCE;
pub(crate) const PORT_SET: PortType = PortType::MACH_PORT_TYPE_PORT_SET;
pub(crate) const DEAD_NAME: PortType = PortType::MACH_PORT_TYPE_DEAD_NAME;
pub(crate) const EX_RECEIVE: PortType = PortType::MACH_PORT_TYPE_LABELH;
pub(crate) const SEND_RIGHTS: PortType = SEND.union(SEND_ONCE);
pub(crate) const PORT_RIGHTS: PortType = SEND_RIGHTS.union(RECEIVE);

impl<R> State<R> {
    /// The entry of a name.
    ///
    /// # Errors
    /// `KERN_INVALID_TASK`, `KERN_INVALID_NAME`.
    pub(crate) fn lookup(&mut self, task: TaskId, name: u32) -> Result<Entry, KernReturn> {
        let space = self.space(task);
        if !space.is_active() {
            return Err(KernReturn::KERN_INVALID_TASK);
        }
        space.entry(name).ok_or(KernReturn::KERN_INVALID_NAME)
    }

    /// The same; a name of nothing raises a guard exception.
    pub(crate) fn lookup_or_guard(&mut self, task: TaskId, name: u32) -> Result<Entry, KernReturn> {
        let found = self.lookup(task, name);
        if found.is_err() {
            self.guard_exception(name, 0, GuardReason::InvalidName);
        }
        found
    }

    /// The port of a name, if it has this right (`ipc_object_translate`).
    ///
    /// # Errors
    /// `KERN_INVALID_TASK`, `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`.
    pub(crate) fn port_right(
        &mut self,
        task: TaskId,
        name: u32,
        kind: PortType,
    ) -> Result<PortId, KernReturn> {
        let entry = self.lookup(task, name)?;
        // A dead name has no object to look at.
        if !entry.has_object() {
            return Err(KernReturn::KERN_INVALID_NAME);
        }
        if entry.has(kind) { Ok(entry.port()) } else { Err(KernReturn::KERN_INVALID_RIGHT) }
    }

    pub(crate) fn receive_right(&mut self, task: TaskId, name: u32) -> Result<PortId, KernReturn> {
        self.port_right(task, name, RECEIVE)
    }

    /// A port to receive from and a set, both of this task (`ipc_object_translate_port_pset`).
    pub(crate) fn port_and_set(
        &mut self,
        task: TaskId,
        name: u32,
        set: u32,
    ) -> Result<(PortId, SetId), KernReturn> {
        let port_entry = self.lookup_or_guard(task, name)?;
        let set_entry = self.lookup_or_guard(task, set)?;
        if !port_entry.has(RECEIVE) {
            if !port_entry.had_receive() {
                self.guard_exception(name, 0, GuardReason::InvalidRight);
            }
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        if !set_entry.has(PORT_SET) {
            self.guard_exception(set, 0, GuardReason::InvalidRight);
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        Ok((port_entry.port(), set_entry.set()))
    }

    /// Whether a send or send-once right turns out dead; it is a dead name from then on (`ipc_right_check`).
    pub(crate) fn right_check(&mut self, task: TaskId, name: u32, dead_send_once_ok: bool) -> bool {
        let Some(entry) = self.space(task).entry(name) else { return false };
        let port = entry.port();
        if self.ports.at(port).active || dead_send_once_ok && entry.request() == 0 && entry.has(SEND_ONCE) {
            return false;
        }
        let told = self.request_of(&entry).is_some();
        let space = self.space(task);
        space.unhash(name);
        space.change(name, |entry| {
            entry.set_kinds(DEAD_NAME);
            entry.set_request(0);
            entry.set_port(Id::NONE);
            if told {
                entry.reference();
            }
        });
        let of = self.ports.at_mut(port);
        if entry.has(SEND) {
            of.srights = of.srights.saturating_sub(1);
        } else {
            of.sorights = of.sorights.saturating_sub(1);
        }
        self.free_if_done(port);
        true
    }

    /// Tells who asked that a name is gone.
    pub(crate) fn tell_deleted(&mut self, notify: PortId, name: u32) {
        if !notify.is_none() {
            self.notify(notify, Notice::PortDeleted(name));
        }
    }

    /// Gives up everything under a name (`ipc_right_destroy`).
    pub(crate) fn right_destroy_name(
        &mut self,
        task: TaskId,
        name: u32,
        guard: Option<u64>,
    ) -> Result<(), KernReturn> {
        let entry = self.lookup(task, name)?;
        if entry.has(DEAD_NAME) {
            self.space(task).release(name);
            return Ok(());
        }
        if entry.has(PORT_SET) {
            self.space(task).release(name);
            self.set_destroy(entry.set());
            return Ok(());
        }
        let port = entry.port();
        let Port { active, guarded, context, .. } = *self.ports.at(port);
        if active && entry.has(RECEIVE) && guarded && guard.is_some_and(|guard| guard != context) {
            self.guard_exception(name, context, GuardReason::Destroy);
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        self.right_end(task, name, &entry);
        Ok(())
    }

    /// Frees a name of a port and gives up its rights.
    fn right_end(&mut self, task: TaskId, name: u32, entry: &Entry) {
        let port = entry.port();
        let active = self.ports.at(port).active;
        let request = if active { self.request_cancel(task, name) } else { Id::NONE };
        self.space(task).release(name);
        if entry.has(RECEIVE) {
            let last = if entry.has(SEND) { self.drop_send(port) } else { None };
            self.port_destroy(port);
            self.tell_no_senders(last);
        } else if entry.has(SEND_ONCE) {
            self.send_once_died(port);
        } else {
            self.release_send(port);
        }
        self.tell_deleted(request, name);
    }

    /// Gives up one user reference (`ipc_right_dealloc`).
    pub(crate) fn right_dealloc(&mut self, task: TaskId, name: u32) -> Result<(), KernReturn> {
        let mut entry = self.lookup(task, name)?;
        if entry.has(PORT_SET) {
            self.space(task).release(name);
            self.set_destroy(entry.set());
            return Ok(());
        }
        if entry.has(SEND_RIGHTS) && !entry.has(RECEIVE) && self.right_check(task, name, false) {
            entry = self.lookup(task, name)?;
        }
        if entry.has(SEND_ONCE) || entry.has(SEND) && !entry.has(RECEIVE) && entry.urefs() == 1 {
            self.right_end(task, name, &entry);
            return Ok(());
        }
        if entry.has(DEAD_NAME) && entry.urefs() == 1 {
            self.space(task).release(name);
            return Ok(());
        }
        if !entry.has(SEND.union(DEAD_NAME)) {
            self.guard_exception(name, 0, GuardReason::InvalidRight);
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        self.drop_urefs(task, name, &entry, 1);
        Ok(())
    }

    /// Gives up user references of a send right beside a receive right, or of a name that keeps some.
    fn drop_urefs(&mut self, task: TaskId, name: u32, entry: &Entry, count: u32) {
        let last = entry.urefs() == count;
        self.space(task).change(name, |entry| {
            if last {
                entry.drop_kinds(SEND);
                entry.set_urefs(0);
            } else {
                entry.release(count);
            }
        });
        if last {
            self.release_send(entry.port());
        }
    }

    /// Changes the user references of a right (`ipc_right_delta`).
    pub(crate) fn right_delta(
        &mut self,
        task: TaskId,
        name: u32,
        right: PortRight,
        delta: i32,
    ) -> Result<(), KernReturn> {
        let entry = self.lookup(task, name)?;
        match right {
            PortRight::MACH_PORT_RIGHT_PORT_SET => {
                if !entry.has(PORT_SET) {
                    self.guard_exception(name, 0, GuardReason::InvalidRight);
                    return Err(KernReturn::KERN_INVALID_RIGHT);
                }
                if self.only_minus_one(name, delta)? {
                    self.space(task).release(name);
                    self.set_destroy(entry.set());
                }
                Ok(())
            }
            PortRight::MACH_PORT_RIGHT_RECEIVE => self.receive_delta(task, name, entry, delta),
            PortRight::MACH_PORT_RIGHT_SEND_ONCE => {
                if !entry.has(SEND_ONCE) {
                    return Err(KernReturn::KERN_INVALID_RIGHT);
                }
                if self.right_check(task, name, false) {
                    self.guard_exception(name, 0, GuardReason::InvalidRight);
                    return Err(KernReturn::KERN_INVALID_RIGHT);
                }
                if self.only_minus_one(name, delta)? {
                    self.right_end(task, name, &entry);
                }
                Ok(())
            }
            PortRight::MACH_PORT_RIGHT_DEAD_NAME => {
                let dead = entry.has(DEAD_NAME)
                    || entry.has(SEND_RIGHTS) && !entry.has(RECEIVE) && self.right_check(task, name, false);
                if !dead {
                    self.guard_exception(name, 0, GuardReason::InvalidRight);
                    return Err(KernReturn::KERN_INVALID_RIGHT);
                }
                let entry = self.lookup(task, name)?;
                match self.urefs_after(name, entry.urefs(), delta)? {
                    0 => self.space(task).release(name),
                    urefs => self.space(task).change(name, |entry| entry.set_urefs(urefs)),
                }
                Ok(())
            }
            PortRight::MACH_PORT_RIGHT_SEND => {
                if !entry.has(SEND) {
                    // Programs did so before it could be done otherwise.
                    let makes = entry.has(RECEIVE) && delta == 1;
                    if !entry.has(DEAD_NAME) && !makes {
                        self.guard_exception(name, 0, GuardReason::InvalidRight);
                    }
                    return Err(KernReturn::KERN_INVALID_RIGHT);
                }
                if !entry.has(RECEIVE) && self.right_check(task, name, false) {
                    return Err(KernReturn::KERN_INVALID_RIGHT);
                }
                match self.urefs_after(name, entry.urefs(), delta)? {
                    0 if entry.has(RECEIVE) => self.drop_urefs(task, name, &entry, entry.urefs()),
                    0 => self.right_end(task, name, &entry),
                    urefs => self.space(task).change(name, |entry| entry.set_urefs(urefs)),
                }
                Ok(())
            }
            _ => Err(KernReturn::KERN_INVALID_RIGHT),
        }
    }

    /// Whether a right that has no count is to be given up.
    fn only_minus_one(&mut self, name: u32, delta: i32) -> Result<bool, KernReturn> {
        match delta {
            0 => Ok(false),
            -1 => Ok(true),
            _ => {
                self.guard_exception(name, 0, GuardReason::InvalidValue);
                Err(KernReturn::KERN_INVALID_VALUE)
            }
        }
    }

    /// The count after a change. As many as can be counted stay so, unless all are given up at once.
    fn urefs_after(&mut self, name: u32, urefs: u32, delta: i32) -> Result<u32, KernReturn> {
        let after = i64::from(urefs) + i64::from(delta);
        if delta.unsigned_abs() > UREFS_MAX || urefs < UREFS_MAX && after < 0 {
            self.guard_exception(name, 0, GuardReason::InvalidValue);
            return Err(KernReturn::KERN_INVALID_VALUE);
        }
        if urefs == UREFS_MAX {
            return Ok(if after == 0 { 0 } else { UREFS_MAX });
        }
        Ok(u32::try_from(after).unwrap_or(0).min(UREFS_MAX))
    }

    fn receive_delta(&mut self, task: TaskId, name: u32, entry: Entry, delta: i32) -> Result<(), KernReturn> {
        if !entry.has(RECEIVE) {
            if !entry.had_receive() {
                self.guard_exception(name, 0, GuardReason::InvalidRight);
            }
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        if !self.only_minus_one(name, delta)? {
            return Ok(());
        }
        let Port { guarded, context, .. } = *self.ports.at(entry.port());
        if guarded {
            self.guard_exception(name, context, GuardReason::Destroy);
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        self.receive_end(task, name, &entry);
        Ok(())
    }

    /// Gives up a receive right; a send right under the same name stays, dead or alive.
    fn receive_end(&mut self, task: TaskId, name: u32, entry: &Entry) {
        let port = entry.port();
        if !entry.has(SEND) {
            let request = self.request_cancel(task, name);
            self.space(task).release(name);
            self.port_destroy(port);
            self.tell_deleted(request, name);
            return;
        }
        if !self.ports.at(port).port_destroyed.is_none() {
            self.space(task).change(name, |entry| {
                entry.drop_kinds(RECEIVE);
                entry.add(EX_RECEIVE);
            });
            self.port_destroy(port);
            return;
        }
        let asked = entry.request() != 0;
        let space = self.space(task);
        space.unhash(name);
        space.change(name, |entry| {
            entry.set_kinds(DEAD_NAME.union(EX_RECEIVE));
            entry.set_request(0);
            entry.set_port(Id::NONE);
            if asked {
                entry.reference();
            }
        });
        // The send right goes without a word: its port dies.
        let of = self.ports.at_mut(port);
        of.srights = of.srights.saturating_sub(1);
        self.port_destroy(port);
    }

    /// Gives up a receive right, some send rights with it, under the port's guard (`ipc_right_destruct`).
    pub(crate) fn right_destruct(
        &mut self,
        task: TaskId,
        name: u32,
        srdelta: i32,
        guard: u64,
    ) -> Result<(), KernReturn> {
        let mut entry = self.lookup_or_guard(task, name)?;
        if !entry.has(RECEIVE) {
            if !entry.had_receive() {
                self.guard_exception(name, 0, GuardReason::InvalidRight);
            }
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        if srdelta != 0 && !entry.has(SEND) {
            self.guard_exception(name, 0, GuardReason::InvalidRight);
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        if srdelta > 0 {
            self.guard_exception(name, 0, GuardReason::InvalidValue);
            return Err(KernReturn::KERN_INVALID_VALUE);
        }
        let Port { guarded, context, .. } = *self.ports.at(entry.port());
        if guarded && guard != context {
            self.guard_exception(name, context, GuardReason::Destroy);
            return Err(KernReturn::KERN_INVALID_ARGUMENT);
        }
        if srdelta != 0 {
            let count = srdelta.unsigned_abs();
            if count > entry.urefs() {
                self.guard_exception(name, 0, GuardReason::InvalidValue);
                return Err(KernReturn::KERN_INVALID_VALUE);
            }
            self.drop_urefs(task, name, &entry, count);
            entry = self.lookup(task, name)?;
        }
        self.receive_end(task, name, &entry);
        Ok(())
    }

    /// What a name stands for, its requests among it, and its user references (`ipc_right_info`).
    pub(crate) fn right_info(&mut self, task: TaskId, name: u32) -> Result<(PortType, u32), KernReturn> {
        let mut entry = self.lookup(task, name)?;
        if entry.has(SEND_RIGHTS) && !entry.has(RECEIVE) && self.right_check(task, name, false) {
            entry = self.lookup(task, name)?;
        }
        Ok((entry.kinds() | self.request_kinds(&entry), entry.urefs()))
    }

    /// Which notifications a name waits for.
    pub(crate) fn request_kinds(&self, entry: &Entry) -> PortType {
        let Some(request) = entry.has(PORT_RIGHTS).then(|| self.request_of(entry)).flatten() else {
            return PortType::empty();
        };
        let mut kinds = PortType::MACH_PORT_TYPE_DNREQUEST;
        if request.send_possible {
            kinds |= PortType::MACH_PORT_TYPE_SPREQUEST;
            if !request.armed {
                kinds |= PortType::MACH_PORT_TYPE_SPREQUEST_DELAYED;
            }
        }
        kinds
    }

    /// Gives up every right of a task that ends (`ipc_space_terminate`).
    pub(crate) fn space_end(&mut self, task: TaskId) {
        let mut space = self.space(task).close();
        let mut from = 1;
        while let Some((name, next)) = space.next_name(from) {
            from = next;
            let Some(entry) = space.entry(name) else { continue };
            space.change(name, |entry| entry.set_request(0));
            if entry.has(DEAD_NAME) {
                continue;
            }
            if entry.has(PORT_SET) {
                self.set_destroy(entry.set());
                continue;
            }
            let port = entry.port();
            let mut request = Id::NONE;
            let of = self.ports.at_mut(port);
            if of.active
                && let Some(place) = entry.request().checked_sub(1)
                && let Some(at) = of.requests.get_mut(place as usize)
            {
                at.name = 0;
                request = core::mem::replace(&mut at.notify, Id::NONE);
            }
            if entry.has(RECEIVE) {
                let last = if entry.has(SEND) { self.drop_send(port) } else { None };
                self.port_destroy(port);
                self.tell_no_senders(last);
            } else if entry.has(SEND_ONCE) {
                self.send_once_died(port);
            } else {
                self.release_send(port);
            }
            self.tell_deleted(request, name);
        }
    }
}
