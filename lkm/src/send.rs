//! Sending: from a program's bytes to a message with rights (`osfmk/ipc/ipc_kmsg.c`, the copyin half).
//!
//! The program's memory is read first, without the lock: the message, the memory and the arrays of names that it points
//! to. Then, under the lock, names become rights in the order of the message. A mistake on the way destroys the rights
//! that were taken, as in XNU; what cannot be queued goes back to the sender (pseudo-receive).

use crate::body::{Captured, given};
use crate::copy::{Extra, Taken, Taking, kind_of};
use crate::descriptor::{self, UserDescriptor};
use crate::engine::Engine;
use crate::guard::GuardReason;
use crate::host::{Caller, Host};
use crate::kmsg::{BODY_SIZE, HEADER_SIZE, Kmsg, KmsgId};
use crate::mach_port::is_valid;
use crate::message::check_size;
use crate::port::{Object, PortId, PortRef, Receiver};
use crate::queue::Sending;
use crate::right::{DEAD_NAME, PORT_RIGHTS, PORT_SET, RECEIVE, SEND, SEND_ONCE, SEND_RIGHTS};
use crate::slab::Id;
use crate::state::State;
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::MachMsgReturn;
use xnu_abi::darwin::mach_message::{
    MACH_MSGH_BITS_COMPLEX, MACH_MSGH_BITS_USER, MachMsgHeader, MsgOption, MsgType,
};

/// Descriptors of a message to an object of the kernel's at most (`IPC_KOBJECT_DESC_MAX`).
const OBJECT_DESCRIPTORS_MAX: u32 = 3;

/// A message that a program wants to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing {
    pub(crate) header: MachMsgHeader,
    /// How many descriptors it says to have.
    pub(crate) descriptors: u32,
    pub(crate) address: u64,
    pub(crate) size: u32,
    pub(crate) aux_address: u64,
    pub(crate) aux_size: u32,
    pub(crate) options: MsgOption,
    pub(crate) timeout_ms: u32,
    /// The newer call, which says what kind of port it sends to.
    pub(crate) msg2: bool,
}

impl Outgoing {
    pub(crate) fn is_complex(&self) -> bool {
        self.header.msgh_bits & MACH_MSGH_BITS_COMPLEX != 0
    }
}

/// The names and dispositions of a header.
struct Names {
    dest: u32,
    dest_disposition: MsgType,
    reply: u32,
    reply_disposition: MsgType,
    voucher: u32,
    voucher_disposition: MsgType,
}

fn field(bits: u32, shift: u32) -> MsgType {
    MsgType::new((bits >> shift) & 0x1f)
}

/// Whether a disposition makes a right to send with (`MACH_MSG_TYPE_PORT_ANY_SEND`).
fn sends(disposition: MsgType) -> bool {
    let first = MsgType::MACH_MSG_TYPE_MOVE_SEND.number();
    let last = MsgType::MACH_MSG_TYPE_MAKE_SEND_ONCE.number();
    (first..=last).contains(&disposition.number())
}

impl Names {
    /// Checks what a header says, whatever its names stand for (`ipc_kmsg_copyin_header_validate`).
    fn of(header: &MachMsgHeader) -> Result<Names, MachMsgReturn> {
        let bits = header.msgh_bits;
        if bits & !MACH_MSGH_BITS_USER != 0 {
            return Err(MachMsgReturn::MACH_SEND_INVALID_HEADER);
        }
        let mut names = Names {
            dest: header.msgh_remote_port,
            dest_disposition: field(bits, 0),
            reply: header.msgh_local_port,
            reply_disposition: field(bits, 8),
            voucher: 0,
            voucher_disposition: field(bits, 16),
        };
        let none = MsgType::MACH_MSG_TYPE_PORT_NONE;
        let reply_is_none = names.reply_disposition == none;
        if if reply_is_none { names.reply != 0 } else { !sends(names.reply_disposition) } {
            return Err(MachMsgReturn::MACH_SEND_INVALID_HEADER);
        }
        match names.voucher_disposition {
            MsgType::MACH_MSG_TYPE_PORT_NONE => {}
            MsgType::MACH_MSG_TYPE_MOVE_SEND | MsgType::MACH_MSG_TYPE_COPY_SEND
                if header.msgh_voucher_port != u32::MAX =>
            {
                names.voucher = header.msgh_voucher_port;
            }
            _ => return Err(MachMsgReturn::MACH_SEND_INVALID_VOUCHER),
        }
        if !sends(names.dest_disposition) {
            return Err(MachMsgReturn::MACH_SEND_INVALID_HEADER);
        }
        let once = MsgType::MACH_MSG_TYPE_MOVE_SEND_ONCE;
        let pairs = matches!(
            names.dest_disposition,
            MsgType::MACH_MSG_TYPE_MOVE_SEND | MsgType::MACH_MSG_TYPE_COPY_SEND
        );
        let same_as_reply = names.dest == names.reply;
        if !is_valid(names.dest)
            || names.dest == names.voucher && !pairs
            || same_as_reply && (names.dest_disposition == once || names.reply_disposition == once)
        {
            return Err(MachMsgReturn::MACH_SEND_INVALID_DEST);
        }
        if is_valid(names.reply) && names.reply == names.voucher {
            return Err(MachMsgReturn::MACH_SEND_INVALID_REPLY);
        }
        Ok(names)
    }

    /// How the destination is taken: where the same name is for the answer too, both in one step
    /// (`ipc_kmsg_copyin_dest_disposition`).
    fn dest_taking(&self) -> (MsgType, Extra) {
        let makes = |disposition| {
            matches!(disposition, MsgType::MACH_MSG_TYPE_MAKE_SEND | MsgType::MACH_MSG_TYPE_MAKE_SEND_ONCE)
        };
        let (first, second) = (self.dest_disposition, self.reply_disposition);
        if self.dest != self.reply || makes(first) || makes(second) {
            return (first, Extra::None);
        }
        match (first, second) {
            (MsgType::MACH_MSG_TYPE_MOVE_SEND, MsgType::MACH_MSG_TYPE_MOVE_SEND) => (first, Extra::Move),
            (MsgType::MACH_MSG_TYPE_COPY_SEND, MsgType::MACH_MSG_TYPE_COPY_SEND) => (first, Extra::Copy),
            _ => (MsgType::MACH_MSG_TYPE_MOVE_SEND, Extra::Copy),
        }
    }
}

/// A header with rights.
struct Header {
    dest: PortId,
    dest_kind: MsgType,
    reply: PortRef,
    reply_kind: MsgType,
    voucher: PortId,
    /// The destination has room, and a send-possible notification was wanted if not: this message is let in.
    always: bool,
}

impl<R> State<R> {
    /// Takes the rights of a header (`ipc_kmsg_copyin_header`).
    fn header_copy_in(&mut self, outgoing: &Outgoing) -> Result<Header, MachMsgReturn> {
        let names = Names::of(&outgoing.header);
        let taken = names.as_ref().map_err(|error| *error).and_then(|names| self.header_rights(names));
        match taken {
            Ok(header) => {
                let always = self.notify_if_full(outgoing, header.dest, header.dest_kind);
                Ok(Header { always, ..header })
            }
            Err(error) => {
                let header = &outgoing.header;
                match error {
                    MachMsgReturn::MACH_SEND_INVALID_VOUCHER => {
                        let name = names.map_or(0, |names| names.voucher);
                        self.guard_exception(name, 0, GuardReason::SendInvalidVoucher);
                    }
                    MachMsgReturn::MACH_SEND_INVALID_REPLY => {
                        self.guard_exception(header.msgh_local_port, 0, GuardReason::SendInvalidReply);
                    }
                    _ => {}
                }
                Err(error)
            }
        }
    }

    fn header_rights(&mut self, names: &Names) -> Result<Header, MachMsgReturn> {
        let task = self.caller.task;
        if !self.space(task).is_active() {
            return Err(MachMsgReturn::MACH_SEND_INVALID_DEST);
        }
        if names.voucher != 0 && self.voucher_of(names.voucher).is_none() {
            return Err(MachMsgReturn::MACH_SEND_INVALID_VOUCHER);
        }
        let dest_entry = self.space(task).entry(names.dest).filter(|entry| entry.has(PORT_RIGHTS));
        let dest_entry = dest_entry.ok_or(MachMsgReturn::MACH_SEND_INVALID_DEST)?;
        if is_valid(names.reply) {
            self.check_reply(names.reply, names.reply_disposition)?;
        }
        let (disposition, extra) = names.dest_taking();
        let taking = Taking { dead_send_once_ok: true, extra, ..Taking::default() };
        let dest = self
            .right_copy_in(task, names.dest, dest_entry, disposition, taking, None)
            .map_err(|_| MachMsgReturn::MACH_SEND_INVALID_DEST)?;
        let Some(port) = dest.right.port() else { return Err(MachMsgReturn::MACH_SEND_INVALID_DEST) };
        let reply = if names.reply == names.dest && extra != Extra::None {
            Ok(Taken { right: dest.right, deleted: Id::NONE })
        } else if is_valid(names.reply) {
            let taking = Taking { dead_ok: true, ..Taking::default() };
            match self.lookup(task, names.reply) {
                Ok(entry) => {
                    self.right_copy_in(task, names.reply, entry, names.reply_disposition, taking, None)
                }
                Err(error) => Err(error),
            }
        } else {
            Ok(Taken { right: PortRef::of_no_port(names.reply), deleted: Id::NONE })
        };
        let dest_kind = kind_of(names.dest_disposition);
        match reply {
            Ok(reply) => {
                self.tell_deleted(dest.deleted, names.dest);
                self.tell_deleted(reply.deleted, names.reply);
                let reply_kind = kind_of(names.reply_disposition);
                let header = Header {
                    dest: port,
                    dest_kind,
                    reply: reply.right,
                    reply_kind,
                    voucher: Id::NONE,
                    always: false,
                };
                match self.take_voucher(names.voucher, names.voucher_disposition) {
                    Ok(voucher) => Ok(Header { voucher, ..header }),
                    Err(error) => {
                        self.right_destroy(port, dest_kind);
                        if let PortRef::Port(port) = header.reply {
                            self.right_destroy(port, reply_kind);
                        }
                        Err(error)
                    }
                }
            }
            Err(_) => {
                // The name was good a moment ago: only taking the destination can have changed it.
                self.tell_deleted(dest.deleted, names.dest);
                self.right_destroy(port, dest_kind);
                Err(MachMsgReturn::MACH_SEND_INVALID_REPLY)
            }
        }
    }

    /// Whether a name has the right that the answer is to come with (`ipc_right_copyin_check_reply`).
    fn check_reply(&mut self, name: u32, disposition: MsgType) -> Result<(), MachMsgReturn> {
        let task = self.caller.task;
        let bad = MachMsgReturn::MACH_SEND_INVALID_REPLY;
        let entry = self.space(task).entry(name).filter(|entry| entry.has(PORT_RIGHTS)).ok_or(bad)?;
        debug_assert!(!entry.has(PORT_SET.union(DEAD_NAME)));
        let has = match disposition {
            MsgType::MACH_MSG_TYPE_MAKE_SEND | MsgType::MACH_MSG_TYPE_MAKE_SEND_ONCE => entry.has(RECEIVE),
            // One that died is a dead right.
            _ if entry.has(SEND_RIGHTS) && !self.ports.at(entry.port()).active => true,
            MsgType::MACH_MSG_TYPE_MOVE_SEND_ONCE => entry.has(SEND_ONCE),
            _ => entry.has(SEND),
        };
        if has { Ok(()) } else { Err(bad) }
    }

    /// With `MACH_SEND_NOTIFY`: arms the send-possible request of a full destination, or lets the message in where there
    /// is room.
    fn notify_if_full(&mut self, outgoing: &Outgoing, dest: PortId, kind: MsgType) -> bool {
        let name = outgoing.header.msgh_remote_port;
        let request = self.space(self.caller.task).entry(name).map_or(0, |entry| entry.request());
        let of = self.ports.at_mut(dest);
        let notify = outgoing.options.contains(MsgOption::MACH64_SEND_NOTIFY)
            && kind != MsgType::MACH_MSG_TYPE_PORT_SEND_ONCE
            && of.active
            && of.receiver != Receiver::Engine;
        let Some(place) = request.checked_sub(1).filter(|_| notify) else { return false };
        if !of.is_full() {
            return true;
        }
        if let Some(request) = of.requests.get_mut(place as usize)
            && request.send_possible
        {
            request.armed = true;
            of.send_possible = true;
        }
        false
    }

    /// Whether the newer call named the kind of port that it sends to (`ipc_validate_kmsg_dest_from_user`).
    fn check_kind(&self, outgoing: &Outgoing, header: &Header) -> bool {
        let options = outgoing.options;
        if !outgoing.msg2 || options.contains(MsgOption::MACH64_SEND_ANY) {
            return true;
        }
        match self.ports.at(header.dest).object {
            Object::None | Object::Timer(_) | Object::Handler(_) => {
                options.contains(MsgOption::MACH64_SEND_MQ_CALL)
            }
            _ => {
                options.contains(MsgOption::MACH64_SEND_KOBJECT_CALL)
                    && (options.contains(MsgOption::MACH64_RCV_MSG) || header.reply.port().is_none())
            }
        }
    }

    /// Makes a message of what was read. Memory is taken before names are, so that a sender who hears that there is none
    /// has lost nothing (`ipc_kmsg_get_and_inflate_from_user`). What was taken before a mistake is destroyed; the count
    /// tells of how many descriptors the sender's memory was taken (`ipc_kmsg_copyin_from_user`).
    fn kmsg_copy_in(
        &mut self,
        outgoing: &Outgoing,
        descriptors: &[UserDescriptor],
        captured: Vec<Captured<R>>,
        data: Vec<u8>,
        aux: Option<Vec<u8>>,
    ) -> (Result<(KmsgId, bool), MachMsgReturn>, usize) {
        let none = MsgType::MACH_MSG_TYPE_PORT_NONE;
        let mut kmsg = Kmsg::from_engine(outgoing.header.msgh_id, Id::NONE, none);
        (kmsg.data, kmsg.aux) = (data, aux);
        let Ok(id) = self.kmsgs.insert(kmsg) else { return (Err(MachMsgReturn::MACH_SEND_NO_BUFFER), 0) };
        let ready = self.body_prepare(id, descriptors, captured);
        let header = ready.and_then(|bodies| Ok((self.header_copy_in(outgoing)?, bodies)));
        let (header, bodies) = match header {
            Ok(ready) => ready,
            Err(error) => {
                self.kmsg_destroy(id);
                return (Err(error), 0);
            }
        };
        let allowed = self.check_kind(outgoing, &header);
        let sender = self.tasks.get(self.caller.task).map(|task| (task.security_token(), task.audit_token()));
        let kmsg = self.kmsgs.at_mut(id);
        kmsg.dest = header.dest;
        kmsg.dest_kind = header.dest_kind;
        kmsg.reply = header.reply;
        kmsg.reply_kind = header.reply_kind;
        kmsg.voucher = header.voucher;
        kmsg.voucher_kind = field(outgoing.header.msgh_bits, 16);
        kmsg.voucher_name = outgoing.header.msgh_voucher_port;
        kmsg.complex = outgoing.is_complex();
        if let Some((token, audit)) = sender {
            kmsg.sender = token;
            kmsg.audit = audit;
        }
        if !allowed {
            self.guard_exception(0, outgoing.options.bits(), GuardReason::InvalidOptions);
            self.kmsg_destroy(id);
            return (Err(MachMsgReturn::MACH_SEND_INVALID_OPTIONS), 0);
        }
        let (filled, taken) = self.body_copy_in(id, descriptors, bodies);
        match filled {
            Ok(()) => (Ok((id, header.always)), taken),
            Err(error) => {
                self.kmsg_destroy(id);
                (Err(error), taken)
            }
        }
    }
}

impl<H: Host> Engine<H> {
    /// Sends a message of the caller's (`mach_msg_trap_send`).
    pub(crate) fn send(&self, caller: Caller, outgoing: &Outgoing) -> Result<(), MachMsgReturn> {
        check_size(outgoing.size)?;
        let mut start = HEADER_SIZE;
        if outgoing.is_complex() {
            let room = outgoing.size.checked_sub(HEADER_SIZE + BODY_SIZE);
            let room = room.ok_or(MachMsgReturn::MACH_SEND_MSG_TOO_SMALL)?;
            if outgoing.descriptors > room / 12 {
                return Err(MachMsgReturn::MACH_SEND_MSG_TOO_SMALL);
            }
            start += BODY_SIZE;
        } else if outgoing.descriptors != 0 {
            return Err(MachMsgReturn::MACH_SEND_TOO_LARGE);
        }
        let for_object = outgoing.options.contains(MsgOption::MACH64_SEND_KOBJECT_CALL);
        if for_object && outgoing.descriptors > OBJECT_DESCRIPTORS_MAX {
            return Err(MachMsgReturn::MACH_SEND_TOO_LARGE);
        }
        let size = outgoing.size - start;
        let from = outgoing.address.wrapping_add(u64::from(start));
        let mut data = self.read(caller, from, size as usize, MachMsgReturn::MACH_SEND_INVALID_DATA)?;
        let (descriptors, used) = descriptor::parse(&data, outgoing.descriptors, outgoing.options)?;
        data.drain(..used.min(data.len()));
        let aux = match outgoing.aux_size.checked_sub(8) {
            Some(size) => {
                let from = outgoing.aux_address.wrapping_add(8);
                Some(self.read(caller, from, size as usize, MachMsgReturn::MACH_SEND_INVALID_DATA)?)
            }
            None => None,
        };
        let mut captured = Vec::new();
        captured.try_reserve_exact(descriptors.len()).map_err(|_| MachMsgReturn::MACH_SEND_NO_BUFFER)?;
        captured.extend(descriptors.iter().map(|descriptor| self.capture(caller, descriptor)));
        let gives = descriptors.iter().any(|descriptor| given(descriptor).is_some());
        let (options, timeout_ms) = (outgoing.options, outgoing.timeout_ms);
        let ((made, taken), sent) = self.enter(caller, |state| {
            let made = state.kmsg_copy_in(outgoing, &descriptors, captured, data, aux);
            // What the sender gives away goes before the receiver can see the message.
            let sent = match made.0 {
                Ok((kmsg, always)) if !gives => Some(state.send(kmsg, options, always, timeout_ms)),
                _ => None,
            };
            (made, sent)
        });
        if gives {
            for (address, size) in descriptors.iter().take(taken).filter_map(given) {
                self.host.deallocate(caller.task, address, size);
            }
        }
        let (kmsg, always) = made?;
        let sent = match sent {
            Some(sent) => sent,
            None => self.enter(caller, |state| state.send(kmsg, options, always, timeout_ms)),
        };
        self.finish_send(caller, outgoing, kmsg, sent)
    }

    fn finish_send(
        &self,
        caller: Caller,
        outgoing: &Outgoing,
        kmsg: KmsgId,
        mut sent: Sending,
    ) -> Result<(), MachMsgReturn> {
        loop {
            match sent {
                Sending::Done => return Ok(()),
                Sending::Object => {
                    self.serve_message(caller, kmsg);
                    return Ok(());
                }
                Sending::Refused(error) => {
                    let more = self.receive_back(caller, kmsg, outgoing);
                    return Err(MachMsgReturn::new(error.number() | more));
                }
                Sending::Wait => {
                    let limited = outgoing.options.contains(MsgOption::MACH64_SEND_TIMEOUT);
                    let nanoseconds = u64::from(outgoing.timeout_ms) * 1_000_000;
                    let deadline = limited.then(|| self.host.now().saturating_add(nanoseconds));
                    let outcome = self.block(caller, deadline);
                    sent = self.enter(caller, |state| state.send_waited(kmsg, outcome));
                }
            }
        }
    }

    /// Reads the program's memory.
    pub(crate) fn read(
        &self,
        caller: Caller,
        from: u64,
        size: usize,
        error: MachMsgReturn,
    ) -> Result<Vec<u8>, MachMsgReturn> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(|_| MachMsgReturn::MACH_SEND_NO_BUFFER)?;
        bytes.resize(size, 0);
        if size > 0 {
            self.host.copy_in(caller.task, from, &mut bytes).map_err(|_| error)?;
        }
        Ok(bytes)
    }
}
