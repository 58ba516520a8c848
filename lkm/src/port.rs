//! Ports: their state, their counts of rights, the requests made at them, and their death (`osfmk/ipc/ipc_port.c`).
//!
//! A port is freed when it is dead and no right for it is left anywhere: in a space, in a message, or kept by the
//! engine. Each such right counts once, whatever its user references.

use crate::kmsg::Kmsg;
use crate::notification::Notice;
use crate::port_set::Link;
use crate::semaphore::SemaphoreId;
use crate::slab::{Id, List};
use crate::space::Entry;
use crate::state::State;
use crate::task::{Outcome, TaskId, Thread, ThreadId};
use crate::timer::TimerId;
use crate::voucher::VoucherId;
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach_message::MsgType;
use xnu_abi::darwin::mach_port::{MACH_PORT_QLIMIT_DEFAULT, MACH_PORT_QLIMIT_KERNEL, PortType};

/// The number of a port.
pub(crate) type PortId = Id<Port>;

/// Requests at a port at most (`CONFIG_IPC_TABLE_REQUEST_SIZE_MAX`).
const REQUESTS_MAX: usize = 131_072;

/// Who has the receive right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Receiver {
    /// A task, under this name.
    Task(TaskId, u32),
    /// The engine: the port stands for an object.
    Engine,
    /// A message on its way to this port.
    Transit(PortId),
    /// Nobody yet: it was taken from a task and will be in a message.
    Limbo,
}

/// What a port of the engine stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Object {
    /// Nothing: a plain port.
    None,
    /// A task, by its control port.
    Task(TaskId),
    /// A task, by name only.
    TaskName(TaskId),
    /// A thread.
    Thread(ThreadId),
    /// The host.
    Host,
    /// A clock, by its number.
    Clock(u32),
    /// A voucher.
    Voucher(VoucherId),
    /// A semaphore.
    Semaphore(SemaphoreId),
    /// A timer, whose receive right a task has.
    Timer(TimerId),
    /// Who a task is, and no power over it.
    TaskToken(TaskId),
    /// What a thread waits for of who handles its exception.
    Handler(ThreadId),
}

/// A right in a message, or its absence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PortRef {
    /// `MACH_PORT_NULL`.
    Null,
    /// `MACH_PORT_DEAD`.
    Dead,
    /// A right for a port.
    Port(PortId),
}

impl PortRef {
    /// What a name that names no port stands for.
    pub(crate) fn of_no_port(name: u32) -> PortRef {
        if name == 0 { PortRef::Null } else { PortRef::Dead }
    }

    /// The name that names no port.
    pub(crate) fn name(self) -> u32 {
        if self == PortRef::Dead { u32::MAX } else { 0 }
    }

    pub(crate) fn port(self) -> Option<PortId> {
        if let PortRef::Port(port) = self { Some(port) } else { None }
    }
}

/// A wish to hear of a port's death, or that it can be sent to again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// The name in the asker's space; 0 for a free place.
    pub(crate) name: u32,
    /// A send-once right for the notification; none once it is sent.
    pub(crate) notify: PortId,
    /// Send-possible, not only dead-name.
    pub(crate) send_possible: bool,
    /// A send-possible notification is due as soon as there is room.
    pub(crate) armed: bool,
}

/// A port.
pub(crate) struct Port {
    pub(crate) active: bool,
    pub(crate) receiver: Receiver,
    pub(crate) object: Object,
    pub(crate) srights: u32,
    pub(crate) sorights: u32,
    pub(crate) mscount: u32,
    pub(crate) seqno: u32,
    pub(crate) qlimit: u32,
    /// Messages in the queue and places promised to woken senders.
    pub(crate) msgcount: u32,
    pub(crate) messages: List<Kmsg>,
    pub(crate) receivers: List<Thread>,
    pub(crate) senders: List<Thread>,
    pub(crate) sets: List<Link, 0>,
    pub(crate) requests: Vec<Request>,
    /// Some request is armed.
    pub(crate) send_possible: bool,
    pub(crate) no_senders: PortId,
    pub(crate) port_destroyed: PortId,
    pub(crate) context: u64,
    pub(crate) guarded: bool,
    pub(crate) strict_guard: bool,
    pub(crate) immovable_receive: bool,
    pub(crate) special_reply: bool,
    pub(crate) temporary_owner: bool,
    pub(crate) importance: bool,
    /// When it died, as a count of deaths.
    pub(crate) death: u64,
}

impl Port {
    pub(crate) const fn new(receiver: Receiver, object: Object) -> Port {
        Port {
            active: true,
            receiver,
            object,
            srights: 0,
            sorights: 0,
            mscount: 0,
            seqno: 0,
            qlimit: MACH_PORT_QLIMIT_DEFAULT,
            msgcount: 0,
            messages: List::new(),
            receivers: List::new(),
            senders: List::new(),
            sets: List::new(),
            requests: Vec::new(),
            send_possible: false,
            no_senders: Id::NONE,
            port_destroyed: Id::NONE,
            context: 0,
            guarded: false,
            strict_guard: false,
            immovable_receive: false,
            special_reply: false,
            temporary_owner: false,
            importance: false,
            death: 0,
        }
    }

    /// The port of no number.
    pub(crate) const fn nobody() -> Port {
        let mut port = Port::new(Receiver::Limbo, Object::None);
        port.active = false;
        port
    }

    /// The name under which a task has the receive right.
    pub(crate) fn name_in(&self, task: TaskId) -> Option<u32> {
        match self.receiver {
            Receiver::Task(owner, name) if owner == task && self.active => Some(name),
            _ => None,
        }
    }

    /// Whether it stands for an object and cannot be moved.
    pub(crate) fn is_object(&self) -> bool {
        self.object != Object::None
    }

    pub(crate) fn is_full(&self) -> bool {
        self.msgcount >= self.qlimit
    }

    /// Full even for senders that no limit holds.
    pub(crate) fn is_full_for_all(&self) -> bool {
        self.msgcount >= MACH_PORT_QLIMIT_KERNEL
    }
}

impl<R> State<R> {
    /// A port whose receive right the engine has.
    pub(crate) fn object_port(&mut self, object: Object) -> Result<PortId, KernReturn> {
        let port = Port::new(Receiver::Engine, object);
        self.ports.insert(port).map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)
    }

    /// A port whose receive right a task gets, with its name (`ipc_port_alloc`).
    pub(crate) fn port_new(&mut self, task: TaskId, send_right: bool) -> Result<(PortId, u32), KernReturn> {
        self.space(task).hold()?;
        let port = self
            .ports
            .insert(Port::new(Receiver::Limbo, Object::None))
            .map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
        let mut kinds = PortType::MACH_PORT_TYPE_RECEIVE;
        if send_right {
            kinds |= PortType::MACH_PORT_TYPE_SEND;
        }
        match self.space(task).claim(kinds, u32::from(send_right), port.to_bits()) {
            Ok(name) => {
                self.port_start(port, task, name, send_right);
                Ok((port, name))
            }
            Err(error) => {
                self.ports.remove(port);
                Err(error)
            }
        }
    }

    /// The same under a name that the task chose (`ipc_port_alloc_name`).
    pub(crate) fn port_new_named(&mut self, task: TaskId, name: u32) -> Result<PortId, KernReturn> {
        let port = self
            .ports
            .insert(Port::new(Receiver::Task(task, name), Object::None))
            .map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
        let kinds = PortType::MACH_PORT_TYPE_RECEIVE;
        if let Err(error) = self.space(task).claim_name(name, kinds, 0, port.to_bits()) {
            self.ports.remove(port);
            return Err(error);
        }
        Ok(port)
    }

    fn port_start(&mut self, port: PortId, task: TaskId, name: u32, send_right: bool) {
        let port = self.ports.at_mut(port);
        port.receiver = Receiver::Task(task, name);
        if send_right {
            port.srights = 1;
            port.mscount = 1;
        }
    }

    /// A send right out of nothing, as the receiver may make.
    pub(crate) fn make_send(&mut self, port: PortId) {
        let port = self.ports.at_mut(port);
        port.mscount = port.mscount.wrapping_add(1);
        port.srights += 1;
    }

    pub(crate) fn copy_send(&mut self, port: PortId) {
        self.ports.at_mut(port).srights += 1;
    }

    pub(crate) fn make_send_once(&mut self, port: PortId) {
        self.ports.at_mut(port).sorights += 1;
    }

    /// One send right fewer; the last one is told of (`ipc_port_release_send`).
    pub(crate) fn release_send(&mut self, port: PortId) {
        let last = self.drop_send(port);
        self.tell_no_senders(last);
    }

    /// One send right fewer; who waits for the last one is answered, and told by [`State::tell_no_senders`]
    /// (`ipc_notify_no_senders_prepare`).
    pub(crate) fn drop_send(&mut self, port: PortId) -> Option<(PortId, u32)> {
        let of = self.ports.at_mut(port);
        of.srights = of.srights.saturating_sub(1);
        if of.srights > 0 {
            return None;
        }
        if !of.active {
            self.free_if_done(port);
            return None;
        }
        let notify = core::mem::replace(&mut of.no_senders, Id::NONE);
        let mscount = of.mscount;
        let object = of.object;
        if let Object::Semaphore(semaphore) = object {
            self.semaphore_no_senders(semaphore);
        }
        if let Object::Voucher(voucher) = object {
            self.voucher_no_senders(voucher);
        }
        (!notify.is_none()).then_some((notify, mscount))
    }

    pub(crate) fn tell_no_senders(&mut self, last: Option<(PortId, u32)>) {
        if let Some((notify, mscount)) = last {
            self.notify(notify, Notice::NoSenders(mscount));
        }
    }

    /// One send-once right fewer, without a word (`ipc_port_release_sonce`).
    pub(crate) fn release_send_once(&mut self, port: PortId) {
        let of = self.ports.at_mut(port);
        of.sorights = of.sorights.saturating_sub(1);
        self.free_if_done(port);
    }

    /// A send-once right dies unused: its receiver hears of it (`ipc_notify_send_once_and_unlock`).
    pub(crate) fn send_once_died(&mut self, port: PortId) {
        let of = self.ports.at(port);
        if let (true, Object::Handler(thread)) = (of.active, of.object) {
            self.handler_died(thread, port);
        }
        let of = self.ports.at(port);
        if !of.active || of.receiver == Receiver::Engine || of.is_full_for_all() {
            self.release_send_once(port);
        } else {
            self.notify(port, Notice::SendOnce);
        }
    }

    /// A right that was in a message is destroyed (`ipc_object_destroy`).
    pub(crate) fn right_destroy(&mut self, port: PortId, kind: MsgType) {
        match kind {
            MsgType::MACH_MSG_TYPE_PORT_SEND => self.release_send(port),
            MsgType::MACH_MSG_TYPE_PORT_SEND_ONCE => self.send_once_died(port),
            MsgType::MACH_MSG_TYPE_PORT_RECEIVE => self.port_destroy(port),
            _ => debug_assert!(false, "{kind:?} is no right in a message"),
        }
    }

    pub(crate) fn free_if_done(&mut self, port: PortId) {
        let of = self.ports.at(port);
        if !of.active && of.srights == 0 && of.sorights == 0 {
            self.ports.remove(port);
        }
    }

    /// Notes what a name wants to hear of its port (`ipc_port_request_alloc`). The answer counts from 1.
    pub(crate) fn request_add(&mut self, port: PortId, request: Request) -> Result<u32, KernReturn> {
        let of = self.ports.at_mut(port);
        let place = match of.requests.iter().position(|at| at.name == 0) {
            Some(place) => place,
            None => {
                if of.requests.len() >= REQUESTS_MAX {
                    return Err(KernReturn::KERN_RESOURCE_SHORTAGE);
                }
                of.requests.try_reserve(1).map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
                of.requests.push(request);
                of.requests.len() - 1
            }
        };
        if let Some(at) = of.requests.get_mut(place) {
            *at = request;
        }
        of.send_possible |= request.armed;
        Ok(place as u32 + 1)
    }

    /// What an entry asked of its port.
    pub(crate) fn request_of(&self, entry: &Entry) -> Option<Request> {
        let place = entry.request().checked_sub(1)?;
        let request = self.ports.get(entry.port())?.requests.get(place as usize)?;
        (!request.notify.is_none()).then_some(*request)
    }

    /// Takes the request of an entry back; the send-once right of it is the caller's (`ipc_port_request_cancel`).
    pub(crate) fn request_cancel(&mut self, task: TaskId, name: u32) -> PortId {
        let Some(entry) = self.space(task).entry(name) else { return Id::NONE };
        let Some(place) = entry.request().checked_sub(1) else { return Id::NONE };
        self.space(task).change(name, |entry| entry.set_request(0));
        let of = self.ports.at_mut(entry.port());
        if !of.active {
            return Id::NONE;
        }
        let notify = match of.requests.get_mut(place as usize) {
            Some(request) => {
                request.name = 0;
                core::mem::replace(&mut request.notify, Id::NONE)
            }
            None => Id::NONE,
        };
        while of.requests.last().is_some_and(|last| last.name == 0) {
            of.requests.pop();
        }
        notify
    }

    /// Tells everyone who waits to send that there may be room (`ipc_port_spnotify`).
    pub(crate) fn send_possible(&mut self, port: PortId) {
        let of = self.ports.at_mut(port);
        if !core::mem::replace(&mut of.send_possible, false) || !of.active {
            return;
        }
        let mut place = 0;
        while let Some(request) = self.ports.get_mut(port).and_then(|of| of.requests.get_mut(place)) {
            place += 1;
            if request.name != 0 && request.armed && !request.notify.is_none() {
                let name = request.name;
                let notify = core::mem::replace(&mut request.notify, Id::NONE);
                self.notify(notify, Notice::SendPossible(name));
            }
        }
    }

    /// Ends the receive right of a port: the port dies, or goes to who asked for it (`ipc_port_destroy`).
    pub(crate) fn port_destroy(&mut self, port: PortId) {
        let of = self.ports.at_mut(port);
        debug_assert!(of.active);
        let backup = core::mem::replace(&mut of.port_destroyed, Id::NONE);
        if !backup.is_none() {
            of.temporary_owner = true;
            self.receiver_clear(port);
            self.notify(backup, Notice::PortDestroyed(port));
            return;
        }
        self.receiver_clear(port);
        self.deaths += 1;
        let death = self.deaths;
        let of = self.ports.at_mut(port);
        of.active = false;
        of.death = death;
        of.msgcount = 0;
        of.send_possible = false;
        // Kept until the notifications are sent.
        of.sorights += 1;
        let object = of.object;
        let no_senders = core::mem::replace(&mut of.no_senders, Id::NONE);
        let mut messages = core::mem::replace(&mut of.messages, List::new());
        let senders = core::mem::replace(&mut of.senders, List::new());
        self.wake_all(senders, Outcome::Restart);
        let first = self.reap.is_empty();
        self.reap.append(&mut self.kmsgs, &mut messages);
        if first {
            self.reap_messages();
        }
        if !no_senders.is_none() {
            self.send_once_died(no_senders);
        }
        // They stay: a name that was told of the death gets one more reference when it is next looked at.
        let mut place = 0;
        while let Some(request) = self.ports.at(port).requests.get(place).copied() {
            place += 1;
            if request.name != 0 && !request.notify.is_none() {
                self.notify(request.notify, Notice::DeadName(request.name));
            }
        }
        if let Object::Timer(timer) = object {
            self.timer_drop(timer);
        }
        self.release_send_once(port);
    }

    /// Takes the port from its receiver: out of its sets, its receivers woken (`ipc_port_clear_receiver`).
    pub(crate) fn receiver_clear(&mut self, port: PortId) {
        self.set_leave_all(port, Id::NONE);
        let of = self.ports.at_mut(port);
        of.mscount = 0;
        of.seqno = 0;
        of.context = 0;
        of.guarded = false;
        of.strict_guard = false;
        of.immovable_receive = false;
        of.receiver = Receiver::Limbo;
        let receivers = core::mem::replace(&mut of.receivers, List::new());
        self.wake_all(receivers, Outcome::Restart);
    }

    /// Whether a receive right put into a message to `to` would be reachable only through itself; otherwise it is on its
    /// way there (`ipc_port_check_circularity`).
    pub(crate) fn port_in_transit(&mut self, port: PortId, to: PortId) -> bool {
        let mut at = to;
        loop {
            if at == port {
                return true;
            }
            match self.ports.at(at) {
                Port { active: true, receiver: Receiver::Transit(next), .. } => at = *next,
                _ => break,
            }
        }
        self.ports.at_mut(port).receiver = Receiver::Transit(to);
        false
    }
}
