//! Receiving: from a message with rights to a program's bytes (`osfmk/ipc/ipc_kmsg.c`, the copyout half, and
//! `osfmk/ipc/mach_msg.c`).
//!
//! Room for memory is made in the receiver first, without the lock; then, under it, rights get names; then everything is
//! written. So a right that cannot be given is never lost between.

use crate::copy::GUARD_UNGUARDED_ON_SEND;
use crate::descriptor;
use crate::engine::Engine;
use crate::host::{Caller, Host};
use crate::kmsg::{Descriptor, Kmsg, KmsgId};
use crate::message::Incoming;
use crate::port::{PortId, PortRef};
use crate::queue::{Receiving, Reception, Source};
use crate::send::Outgoing;
use crate::slab::Id;
use crate::state::State;
use crate::task::Outcome;
use crate::write::Arrived;
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::{KernReturn, MachMsgReturn, MachMsgReturnBits};
use xnu_abi::darwin::mach_message::{
    MACH_MSG_GUARDED_PORT_DESCRIPTOR, MACH_MSG_OOL_PORTS_DESCRIPTOR, MACH_MSG_VIRTUAL_COPY,
    MACH_MSGH_BITS_COMPLEX, MachMsgHeader, MsgOption, MsgType,
};
use zerocopy::IntoBytes;

/// Trouble with names or memory, which `MACH_RCV_BODY_ERROR` goes with.
const IPC_SPACE: i32 = MachMsgReturnBits::MACH_MSG_IPC_SPACE.bits() as i32;
const IPC_KERNEL: i32 = MachMsgReturnBits::MACH_MSG_IPC_KERNEL.bits() as i32;
const VM_KERNEL: i32 = MachMsgReturnBits::MACH_MSG_VM_KERNEL.bits() as i32;
const VM_SPACE: i32 = MachMsgReturnBits::MACH_MSG_VM_SPACE.bits() as i32;

/// What the body of a message needs in the receiver's memory.
enum Place<R> {
    None,
    /// Memory of the message, so many bytes.
    Region(R, u64),
    /// An array of names, which will be written there.
    Names(u64),
}

/// Room made in the receiver's memory, address and size, or why there is none.
type Room = Result<(u64, u64), i32>;

/// A message that left the queue for good, or what is left of one whose header found no names.
struct Arrival {
    result: Result<Arrived, (MachMsgReturn, (MachMsgHeader, bool))>,
    /// What the trailer tells of.
    of: Kmsg,
    context: u64,
}

/// What a receiver got. It is looked at once, where it is: a box would cost an allocation for each message.
#[allow(clippy::large_enum_variant)]
enum Got<R> {
    /// The thread is gone.
    Nothing,
    TooLarge(Reception),
    /// A message that needs this room first.
    Needs(Reception, Vec<Place<R>>),
    /// A message that needs none.
    Arrival(Reception, Arrival),
}

/// The `msgh_bits` of three dispositions.
fn bits(remote: MsgType, local: MsgType, voucher: MsgType, complex: bool) -> u32 {
    let complex = if complex { MACH_MSGH_BITS_COMPLEX } else { 0 };
    remote.number() | local.number() << 8 | voucher.number() << 16 | complex
}

impl<R> State<R> {
    /// A right of the body gets a name; a dead one is the dead name (`ipc_kmsg_copyout_port`).
    fn body_name(
        &mut self,
        right: PortRef,
        kind: MsgType,
        guard: Option<(&mut crate::copy::MessageGuard, u64)>,
        errors: &mut i32,
    ) -> u32 {
        let PortRef::Port(port) = right else { return right.name() };
        match self.copy_out(self.caller.task, port, kind, guard) {
            Ok(name) => name,
            Err(KernReturn::KERN_INVALID_CAPABILITY) => u32::MAX,
            Err(error) => {
                *errors |= if error == KernReturn::KERN_RESOURCE_SHORTAGE { IPC_KERNEL } else { IPC_SPACE };
                0
            }
        }
    }

    /// The names of a received header (`ipc_kmsg_copyout_header`).
    fn header_names(&mut self, kmsg: KmsgId, options: MsgOption) -> Result<MachMsgHeader, MachMsgReturn> {
        let task = self.caller.task;
        let of = self.kmsgs.at(kmsg);
        let (dest, dest_kind, reply, reply_kind) = (of.dest, of.dest_kind, of.reply, of.reply_kind);
        let (id, complex, mut voucher_kind) = (of.id, of.complex, of.voucher_kind);
        let (voucher, mut voucher_name) = (of.voucher, of.voucher_name);
        self.send_possible(dest);
        let full = MachMsgReturn::new(MachMsgReturn::MACH_RCV_HEADER_ERROR.number() | IPC_SPACE);
        let wants = options.contains(MsgOption::MACH64_RCV_VOUCHER) && !voucher.is_none();
        let space = self.space(task);
        let held = match (reply.port().is_some(), wants) {
            (false, false) => Ok(()),
            (true, true) => space.hold_two(),
            _ => space.hold(),
        };
        if !space.is_active() || held.is_err() {
            return Err(full);
        }
        let remote = match reply {
            PortRef::Port(port) => {
                self.kmsgs.at_mut(kmsg).reply = PortRef::Null;
                if self.ports.at(port).active {
                    self.copy_out(task, port, reply_kind, None).unwrap_or(u32::MAX)
                } else {
                    self.right_destroy(port, reply_kind);
                    u32::MAX
                }
            }
            none => none.name(),
        };
        if voucher_kind != MsgType::MACH_MSG_TYPE_PORT_NONE {
            voucher_name = 0;
            let voucher = core::mem::replace(&mut self.kmsgs.at_mut(kmsg).voucher, Id::NONE);
            if options.contains(MsgOption::MACH64_RCV_VOUCHER) {
                voucher_kind = MsgType::MACH_MSG_TYPE_MOVE_SEND;
                if !voucher.is_none() {
                    let kind = MsgType::MACH_MSG_TYPE_PORT_SEND;
                    voucher_name = self.copy_out(task, voucher, kind, None).unwrap_or(0);
                }
            } else {
                if !voucher.is_none() {
                    self.release_send(voucher);
                }
                voucher_kind = MsgType::MACH_MSG_TYPE_PORT_NONE;
            }
        }
        self.kmsgs.at_mut(kmsg).dest = Id::NONE;
        let local = self.copy_out_destination(task, dest, dest_kind);
        Ok(MachMsgHeader {
            msgh_bits: bits(reply_kind, dest_kind, voucher_kind, complex),
            msgh_size: 0,
            msgh_remote_port: remote,
            msgh_local_port: local,
            msgh_voucher_port: voucher_name,
            msgh_id: id,
        })
    }

    /// The header of a message that goes back to its sender: every right as it was sent, under names that may be new.
    fn header_back(&mut self, kmsg: KmsgId, errors: &mut i32) -> MachMsgHeader {
        let of = self.kmsgs.at_mut(kmsg);
        let dest = core::mem::replace(&mut of.dest, Id::NONE);
        let reply = core::mem::replace(&mut of.reply, PortRef::Null);
        let (dest_kind, reply_kind, voucher_kind) = (of.dest_kind, of.reply_kind, of.voucher_kind);
        let (id, complex, mut voucher_name) = (of.id, of.complex, of.voucher_name);
        let voucher = core::mem::replace(&mut of.voucher, Id::NONE);
        let remote = self.body_name(PortRef::Port(dest), dest_kind, None, errors);
        let local = self.body_name(reply, reply_kind, None, errors);
        if !voucher.is_none() && voucher_kind == MsgType::MACH_MSG_TYPE_COPY_SEND {
            // The sender has what it was copied from (`ipc_kmsg_copyout_pseudo`).
            self.release_send(voucher);
        } else if !voucher.is_none() {
            let kind = MsgType::MACH_MSG_TYPE_PORT_SEND;
            voucher_name = self.body_name(PortRef::Port(voucher), kind, None, errors);
        }
        MachMsgHeader {
            msgh_bits: bits(dest_kind, reply_kind, voucher_kind, complex),
            msgh_size: 0,
            msgh_remote_port: remote,
            msgh_local_port: local,
            msgh_voucher_port: voucher_name,
            msgh_id: id,
        }
    }

    /// Takes the memory out of a message and says what room its arrays of names need.
    fn body_needs(&mut self, kmsg: KmsgId) -> Vec<Place<R>> {
        let State { kmsgs, regions, .. } = self;
        let Some(of) = kmsgs.get_mut(kmsg) else { return Vec::new() };
        let mut needs = Vec::new();
        if needs.try_reserve_exact(of.descriptors.len()).is_err() {
            return needs;
        }
        needs.extend(of.descriptors.iter_mut().map(|descriptor| match descriptor {
            Descriptor::Memory { region, size, .. } => {
                match regions.remove(Id::from_bits(core::mem::take(region))).flatten() {
                    Some(region) => Place::Region(region, u64::from(*size)),
                    None => Place::None,
                }
            }
            Descriptor::Ports { rights, .. } if !rights.is_empty() => Place::Names(rights.len() as u64 * 4),
            _ => Place::None,
        }));
        needs
    }

    /// What the caller's reception says, up to where the lock must be let go.
    fn reception(&mut self, incoming: &Incoming) -> Got<R> {
        let Some(thread) = self.threads.get_mut(self.caller.thread) else { return Got::Nothing };
        let got = thread.reception;
        thread.reception.kmsg = Id::NONE;
        if got.too_large {
            return Got::TooLarge(got);
        }
        let needs = self.body_needs(got.kmsg);
        if needs.is_empty() {
            let arrival = self.arrival(got.kmsg, &[], incoming);
            return Got::Arrival(got, arrival);
        }
        Got::Needs(got, needs)
    }

    /// Takes a message out of the engine: its rights are names now.
    fn arrival(&mut self, kmsg: KmsgId, places: &[Room], incoming: &Incoming) -> Arrival {
        let dest = self.kmsgs.at(kmsg).dest;
        let context = self.ports.at(dest).context;
        let result = match self.header_names(kmsg, incoming.options) {
            Ok(header) => Ok(self.arrive(kmsg, header, places, incoming, false)),
            Err(error) => Err((error, self.arrive_too_large(kmsg))),
        };
        let of = self.kmsgs.remove(kmsg).unwrap_or(Kmsg::nobody());
        Arrival { result, of, context }
    }

    /// Names for everything in a message, whose bytes are put together; the message is gone then.
    fn arrive(
        &mut self,
        kmsg: KmsgId,
        mut header: MachMsgHeader,
        places: &[Room],
        incoming: &Incoming,
        back: bool,
    ) -> Arrived {
        let mut arrived = Arrived { bytes: Vec::new(), arrays: Vec::new(), aux: None, bare: None, errors: 0 };
        let body_error = if back { 0 } else { MachMsgReturn::MACH_RCV_BODY_ERROR.number() };
        let of = self.kmsgs.at_mut(kmsg);
        let descriptors = core::mem::take(&mut of.descriptors);
        header.msgh_size = of.size() + descriptors.iter().map(Descriptor::size).sum::<u32>();
        let room = header.msgh_size as usize + size_of_val(&[0_u8; 68]);
        let data = core::mem::take(&mut of.data);
        arrived.aux = of.aux.take();
        let complex = of.complex;
        if arrived.bytes.try_reserve_exact(room).is_err()
            || arrived.arrays.try_reserve_exact(descriptors.len()).is_err()
        {
            self.descriptors_destroy(descriptors);
            header.msgh_size = size_of::<MachMsgHeader>() as u32;
            header.msgh_bits &= !MACH_MSGH_BITS_COMPLEX;
            arrived.bare = Some(header);
            arrived.errors = IPC_KERNEL | body_error;
            return arrived;
        }
        arrived.bytes.extend_from_slice(header.as_bytes());
        if complex {
            arrived.bytes.extend_from_slice(&(descriptors.len() as u32).to_le_bytes());
        }
        for (index, descriptor) in descriptors.into_iter().enumerate() {
            let place = places.get(index).copied().unwrap_or(Err(VM_KERNEL)).map(|(address, _)| address);
            self.descriptor_arrive(descriptor, place, incoming, back, &mut arrived);
        }
        arrived.bytes.extend_from_slice(&data);
        // A sender hears of the trouble beside its own error (`ipc_kmsg_copyout_pseudo`).
        if arrived.errors != 0 {
            arrived.errors |= body_error;
        }
        arrived
    }

    fn descriptor_arrive(
        &mut self,
        descriptor: Descriptor,
        place: Result<u64, i32>,
        incoming: &Incoming,
        back: bool,
        arrived: &mut Arrived,
    ) {
        let errors = &mut arrived.errors;
        if let Err(error) = place {
            *errors |= error;
        }
        match descriptor {
            Descriptor::Port { right, kind } => {
                let name = self.body_name(right, kind, None, errors);
                arrived.bytes.extend_from_slice(&descriptor::port(name, kind));
            }
            Descriptor::Memory { region, size, copy, volatile } => {
                // Still here only where there was no memory to see what it needs.
                self.regions.remove(Id::from_bits(region));
                let deallocate = u8::from(u32::from(copy) == MACH_MSG_VIRTUAL_COPY);
                let middle = [deallocate, copy, 0, Descriptor::memory_kind(volatile)];
                let size = if place.is_ok() { size } else { 0 };
                arrived.bytes.extend_from_slice(&descriptor::long(place.unwrap_or(0), middle, size));
            }
            Descriptor::Ports { rights, kind, .. } => {
                let count = rights.len() as u32;
                let middle = [
                    1,
                    MACH_MSG_VIRTUAL_COPY as u8,
                    kind.number() as u8,
                    MACH_MSG_OOL_PORTS_DESCRIPTOR as u8,
                ];
                arrived.bytes.extend_from_slice(&descriptor::long(place.unwrap_or(0), middle, count));
                let mut names = Vec::new();
                if place.is_err() || names.try_reserve_exact(rights.len() * 4).is_err() {
                    for port in rights.into_iter().filter_map(PortRef::port) {
                        self.right_destroy(port, kind);
                    }
                    *errors |= if place.is_ok() { IPC_KERNEL } else { 0 };
                    return;
                }
                for right in rights {
                    let name = self.body_name(right, kind, None, errors);
                    names.extend_from_slice(&name.to_le_bytes());
                }
                if !names.is_empty() {
                    arrived.arrays.push((place.unwrap_or(0), names));
                }
            }
            Descriptor::Guarded { right, kind, mut guard } => {
                let wanted = back || incoming.options.contains(MsgOption::MACH64_RCV_GUARDED_DESC);
                let name = if wanted {
                    self.body_name(right, kind, Some((&mut guard, incoming.address)), errors)
                } else {
                    // Who does not know of guards must not get a guarded port.
                    if let PortRef::Port(port) = right {
                        self.right_destroy(port, kind);
                    }
                    guard.context = 0;
                    0
                };
                if back
                    && let PortRef::Port(port) = right
                    && let Some(of) = self.ports.get_mut(port)
                    && of.guarded
                {
                    // It may be sent again.
                    of.immovable_receive = false;
                    guard.flags &= !GUARD_UNGUARDED_ON_SEND;
                }
                let [low, high] = guard.flags.to_le_bytes();
                let middle = [low, high, kind.number() as u8, MACH_MSG_GUARDED_PORT_DESCRIPTOR as u8];
                arrived.bytes.extend_from_slice(&descriptor::long(guard.context, middle, name));
            }
        }
    }

    /// The header of a message that was too large: everything else of it is destroyed
    /// (`ipc_kmsg_copyout_dest_to_user`).
    fn arrive_too_large(&mut self, kmsg: KmsgId) -> (MachMsgHeader, bool) {
        let of = self.kmsgs.at_mut(kmsg);
        let dest = core::mem::replace(&mut of.dest, Id::NONE);
        let (dest_kind, reply, reply_kind) = (of.dest_kind, of.reply, of.reply_kind);
        let header = MachMsgHeader {
            msgh_bits: bits(reply_kind, dest_kind, of.voucher_kind, of.complex),
            msgh_size: size_of::<MachMsgHeader>() as u32,
            msgh_remote_port: reply.name(),
            msgh_local_port: 0,
            msgh_voucher_port: of.voucher_name,
            msgh_id: of.id,
        };
        let aux = of.aux.is_some();
        let local = self.copy_out_destination(self.caller.task, dest, dest_kind);
        self.kmsg_destroy(kmsg);
        (MachMsgHeader { msgh_local_port: local, ..header }, aux)
    }
}

impl<H: Host> Engine<H> {
    /// Receives a message for the caller (`mach_msg_trap_receive`).
    pub(crate) fn receive(&self, caller: Caller, incoming: &Incoming) -> Result<(), MachMsgReturn> {
        let reception = Reception {
            options: incoming.options,
            size: incoming.size,
            aux_size: incoming.aux_size,
            ..Reception::NONE
        };
        let begun = self.enter(caller, |state| {
            state.timers_run(|| self.host.now());
            let source = state.source(incoming.name)?;
            if incoming.sync != 0 {
                state.check_sync(source, incoming.sync)?;
            }
            Ok(match state.receive(source, reception, incoming.timeout_ms)? {
                Receiving::Wait => Err(state.sleeps_until()),
                Receiving::Done => Ok(state.reception(incoming)),
            })
        });
        let until = match begun? {
            Ok(got) => return self.received(caller, incoming, got),
            Err(until) => until,
        };
        let limited = incoming.options.contains(MsgOption::MACH64_RCV_TIMEOUT);
        let nanoseconds = u64::from(incoming.timeout_ms) * 1_000_000;
        let deadline = limited.then(|| self.host.now().saturating_add(nanoseconds));
        let waited = self.block_then(caller, deadline, until, |state, outcome| match outcome {
            Outcome::Awakened => Ok(state.reception(incoming)),
            Outcome::Restart => Err(MachMsgReturn::MACH_RCV_PORT_CHANGED),
            Outcome::TimedOut => Err(MachMsgReturn::MACH_RCV_TIMED_OUT),
            Outcome::Interrupted => Err(MachMsgReturn::MACH_RCV_INTERRUPTED),
        });
        self.received(caller, incoming, waited?)
    }

    /// Gives the caller what its reception says (`mach_msg_receive_results`).
    fn received(
        &self,
        caller: Caller,
        incoming: &Incoming,
        got: Got<H::Region>,
    ) -> Result<(), MachMsgReturn> {
        let (got, arrival, places) = match got {
            Got::Nothing => return Err(MachMsgReturn::MACH_RCV_INTERRUPTED),
            Got::TooLarge(got) if got.kmsg.is_none() => {
                return Err(self.tell_too_large(caller, incoming, &got));
            }
            Got::TooLarge(got) => {
                let (header, aux) = self.enter(caller, |state| state.arrive_too_large(got.kmsg));
                let plain = Kmsg::nobody();
                let aux = aux.then_some(&[][..]);
                let written = self.write_bare(caller, incoming, &header, aux, Some((&plain, got.seqno, 0)));
                return Err(written.err().unwrap_or(MachMsgReturn::MACH_RCV_TOO_LARGE));
            }
            Got::Arrival(got, arrival) => (got, arrival, Vec::new()),
            Got::Needs(got, needs) => {
                let places = self.make_room(caller, needs);
                let arrival = self.enter(caller, |state| state.arrival(got.kmsg, &places, incoming));
                (got, arrival, places)
            }
        };
        let Arrival { result, of, context } = arrival;
        match result {
            Ok(arrived) => {
                let errors = arrived.errors;
                for (address, names) in &arrived.arrays {
                    // The array was made a moment ago; where the program took it away, the names stay unread.
                    let _ = self.host.copy_out(caller.task, *address, names);
                }
                if arrived.bare.is_some() {
                    self.give_back(caller, places);
                }
                self.write_arrived(caller, incoming, arrived, Some((&of, got.seqno, context)))?;
                if errors == 0 { Ok(()) } else { Err(MachMsgReturn::new(errors)) }
            }
            Err((error, (header, aux))) => {
                self.give_back(caller, places);
                let aux = aux.then_some(&[][..]);
                self.write_bare(caller, incoming, &header, aux, Some((&of, got.seqno, context)))?;
                Err(error)
            }
        }
    }

    /// Gives room back that nothing came to.
    fn give_back(&self, caller: Caller, places: Vec<Room>) {
        for (address, size) in places.into_iter().flatten().filter(|(_, size)| *size > 0) {
            self.host.deallocate(caller.task, address, size);
        }
    }

    /// Makes room in the caller's memory for what a body brings.
    fn make_room(&self, caller: Caller, needs: Vec<Place<H::Region>>) -> Vec<Room> {
        let mut places = Vec::new();
        // Where even this fails, the bodies arrive without memory, which is what they are told.
        if places.try_reserve_exact(needs.len()).is_err() {
            return places;
        }
        places.extend(needs.into_iter().map(|need| match need {
            Place::None => Ok((0, 0)),
            Place::Region(region, size) => {
                self.host.place(caller.task, region).map(|address| (address, size)).map_err(|_| VM_SPACE)
            }
            Place::Names(size) => {
                self.host.allocate(caller.task, size).map(|address| (address, size)).map_err(|_| VM_SPACE)
            }
        }));
        places
    }

    /// Gives a message that could not be sent back to its sender, where it was; answers trouble with that
    /// (`mach_msg_receive_pseudo`).
    pub(crate) fn receive_back(&self, caller: Caller, kmsg: KmsgId, outgoing: &Outgoing) -> i32 {
        let needs = self.enter(caller, |state| state.body_needs(kmsg));
        let places = self.make_room(caller, needs);
        let incoming = Incoming {
            name: 0,
            options: outgoing.options,
            address: outgoing.address,
            size: outgoing.size,
            aux_address: outgoing.aux_address,
            aux_size: outgoing.aux_size,
            timeout_ms: 0,
            sync: 0,
        };
        let arrived = self.enter(caller, |state| {
            let mut errors = 0;
            let header = state.header_back(kmsg, &mut errors);
            let mut arrived = state.arrive(kmsg, header, &places, &incoming, true);
            arrived.errors |= errors;
            state.kmsgs.remove(kmsg);
            arrived
        });
        for (address, names) in &arrived.arrays {
            let _ = self.host.copy_out(caller.task, *address, names);
        }
        if arrived.bare.is_some() {
            self.give_back(caller, places);
        }
        let errors = arrived.errors;
        // The sender is told why it was not sent, not that it cannot read what came back.
        let _ = self.write_arrived(caller, &incoming, arrived, None);
        errors
    }
}

impl<R> State<R> {
    /// Whether a receive may name who will answer: only at the caller's special reply port
    /// (`mach_msg_rcv_link_special_reply_port`).
    fn check_sync(&self, source: Source, sync: u32) -> Result<(), MachMsgReturn> {
        let special = self.threads.get(self.caller.thread).map_or(Id::NONE, |thread| thread.special_reply);
        let own = |port: PortId| !special.is_none() && port == special;
        match source {
            Source::Port(port) if own(port) && sync != u32::MAX => Ok(()),
            _ => Err(MachMsgReturn::MACH_RCV_INVALID_NOTIFY),
        }
    }
}
