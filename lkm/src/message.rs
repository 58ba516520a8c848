//! `mach_msg` and its kin: what the words of a call mean (`osfmk/ipc/mach_msg.c`, `osfmk/ipc/ipc_policy.c`).
//!
//! Differs from XNU: the older calls are served whatever system a program was built for; XNU of macOS 15 refuses them to
//! programs built for macOS 13 and later.

use crate::engine::Engine;
use crate::guard::GuardReason;
use crate::host::{Caller, Host};
use crate::send::Outgoing;
use xnu_abi::darwin::kern_return::MachMsgReturn;
use xnu_abi::darwin::mach_message::{MachMsgHeader, MachMsgVector, MsgOption};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// Bytes of a message without its trailer at most (`IPC_KMSG_MAX_BODY_SPACE`).
pub(crate) const BODY_MAX: u32 = 64 * 1024 * 1024 / 4 * 3 - 68;

/// Bytes of the second vector at most.
const AUX_MAX: u32 = 1024;
const AUX_HEADER: u32 = 8;

/// Vectors of a message at most: the message and the second one.
const VECTORS_MAX: u32 = 2;

/// Options that say what kind of port is meant; a call of `mach_msg2` that sends names one (`MACH64_MSG_OPTION_CFI_MASK`).
const KINDS: MsgOption = MsgOption::MACH64_SEND_KOBJECT_CALL
    .union(MsgOption::MACH64_SEND_MQ_CALL)
    .union(MsgOption::MACH64_SEND_ANY)
    .union(MsgOption::MACH64_SEND_DK_CALL);

/// Options that programs may use; others are dropped (`MACH64_MSG_OPTION_USER`).
const USER: u64 = MsgOption::MACH64_SEND_MSG.bits()
    | MsgOption::MACH64_SEND_TIMEOUT.bits()
    | MsgOption::MACH64_SEND_OVERRIDE.bits()
    | MsgOption::MACH64_SEND_NOTIFY.bits()
    | MsgOption::MACH64_SEND_FILTER_NONFATAL.bits()
    | MsgOption::MACH64_SEND_TRAILER.bits()
    | MsgOption::MACH64_SEND_NOIMPORTANCE.bits()
    | MsgOption::MACH64_SEND_SYNC_OVERRIDE.bits()
    | MsgOption::MACH64_SEND_PROPAGATE_QOS.bits()
    | MsgOption::MACH64_SEND_SYNC_BOOTSTRAP_CHECKIN.bits()
    | MsgOption::MACH64_RCV_MSG.bits()
    | MsgOption::MACH64_RCV_TIMEOUT.bits()
    | MsgOption::MACH64_RCV_LARGE.bits()
    | MsgOption::MACH64_RCV_LARGE_IDENTITY.bits()
    | MsgOption::MACH64_RCV_VOUCHER.bits()
    | MsgOption::MACH64_RCV_GUARDED_DESC.bits()
    | MsgOption::MACH64_RCV_SYNC_WAIT.bits()
    | MsgOption::MACH64_RCV_SYNC_PEEK.bits()
    | MsgOption::MACH64_MSG_STRICT_REPLY.bits()
    | MsgOption::MACH64_MSG_VECTOR.bits()
    | KINDS.bits()
    | TRAILER;

/// Where the options say which trailer is wanted.
const TRAILER: u64 = 0x0f00_0000;

/// The arguments of `mach_msg_overwrite`; `mach_msg` has a `receive_address` of 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MachMsg {
    /// The message to send, and where to receive unless `receive_address` says otherwise.
    pub address: u64,
    /// What to do.
    pub options: u32,
    /// Bytes to send.
    pub send_size: u32,
    /// Room for what is received, with its trailer.
    pub receive_size: u32,
    /// The port or set to receive from.
    pub receive_name: u32,
    /// Milliseconds, for sending and for receiving, where the options ask for it.
    pub timeout_ms: u32,
    /// The priority of the message; with `MACH_RCV_SYNC_WAIT` the port that will answer.
    pub priority: u32,
    /// Where to receive; 0 for `address`.
    pub receive_address: u64,
}

/// The arguments of `mach_msg2`, as the trap takes them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MachMsg2 {
    /// The message, or with `MACH64_MSG_VECTOR` an array of vectors.
    pub address: u64,
    /// What to do.
    pub options: u64,
    /// The header's bits, and above them the bytes (or vectors) to send.
    pub bits_and_send_size: u64,
    /// The destination and, above it, the port for the answer.
    pub remote_and_local: u64,
    /// The voucher and, above it, the id.
    pub voucher_and_id: u64,
    /// The count of descriptors and, above it, the port or set to receive from.
    pub descriptors_and_receive_name: u64,
    /// The room (or vectors) for what is received and, above it, the priority.
    pub receive_size_and_priority: u64,
    /// Milliseconds.
    pub timeout_ms: u32,
}

/// Where a receiver wants a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub(crate) name: u32,
    pub(crate) options: MsgOption,
    pub(crate) address: u64,
    pub(crate) size: u32,
    pub(crate) aux_address: u64,
    pub(crate) aux_size: u32,
    pub(crate) timeout_ms: u32,
    /// The port that will answer, for a special reply port; 0 for none.
    pub(crate) sync: u32,
}

fn low(word: u64) -> u32 {
    word as u32
}

fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

fn joined(halves: [u32; 2]) -> u64 {
    let [low, high] = halves;
    u64::from(low) | u64::from(high) << 32
}

/// Whether a message has a size that any message has.
pub(crate) fn check_size(size: u32) -> Result<(), MachMsgReturn> {
    if size < size_of::<MachMsgHeader>() as u32 || size & 3 != 0 {
        return Err(MachMsgReturn::MACH_SEND_MSG_TOO_SMALL);
    }
    if size > BODY_MAX {
        return Err(MachMsgReturn::MACH_SEND_TOO_LARGE);
    }
    Ok(())
}

impl<H: Host> Engine<H> {
    /// `mach_msg_overwrite`, and `mach_msg`: sends, receives, or both.
    pub fn mach_msg(&self, caller: Caller, call: &MachMsg) -> MachMsgReturn {
        let options = MsgOption::from_bits_retain(u64::from(call.options) & USER);
        let result = self.mach_msg_old(caller, call, options);
        result.err().unwrap_or(MachMsgReturn::MACH_MSG_SUCCESS)
    }

    fn mach_msg_old(&self, caller: Caller, call: &MachMsg, options: MsgOption) -> Result<(), MachMsgReturn> {
        if options.contains(MsgOption::MACH64_SEND_MSG) {
            check_size(call.send_size)?;
            // The count of descriptors is read with the header, where there is room for one.
            let mut start = [0; 28];
            let start_size = if call.send_size < 28 { 24 } else { 28 };
            let part = start.get_mut(..start_size).ok_or(MachMsgReturn::MACH_SEND_INVALID_DATA)?;
            self.host
                .copy_in(caller.task, call.address, part)
                .map_err(|_| MachMsgReturn::MACH_SEND_INVALID_DATA)?;
            let (header, count) =
                MachMsgHeader::read_from_prefix(&start).map_err(|_| MachMsgReturn::MACH_SEND_INVALID_DATA)?;
            let mut outgoing = Outgoing {
                header,
                descriptors: u32::read_from_bytes(count).unwrap_or(0),
                address: call.address,
                size: call.send_size,
                aux_address: 0,
                aux_size: 0,
                options,
                timeout_ms: call.timeout_ms,
                msg2: false,
            };
            if !outgoing.is_complex() {
                outgoing.descriptors = 0;
            } else if call.send_size < 28 {
                return Err(MachMsgReturn::MACH_SEND_MSG_TOO_SMALL);
            }
            self.send(caller, &outgoing)?;
        }
        if !options.contains(MsgOption::MACH64_RCV_MSG) {
            return Ok(());
        }
        let sends = MsgOption::MACH64_SEND_OVERRIDE
            | MsgOption::MACH64_SEND_MSG
            | MsgOption::MACH64_SEND_SYNC_OVERRIDE;
        let sync = options.contains(MsgOption::MACH64_RCV_SYNC_WAIT) && !options.intersects(sends);
        self.receive(
            caller,
            &Incoming {
                name: call.receive_name,
                options,
                address: if call.receive_address == 0 { call.address } else { call.receive_address },
                size: call.receive_size,
                aux_address: 0,
                aux_size: 0,
                timeout_ms: call.timeout_ms,
                sync: if sync { call.priority } else { 0 },
            },
        )
    }

    /// `mach_msg2`: the same with the header in the call, and with vectors where the options say so.
    pub fn mach_msg2(&self, caller: Caller, call: &MachMsg2) -> MachMsgReturn {
        let options = MsgOption::from_bits_retain(call.options & USER);
        let result = self.mach_msg_new(caller, call, options);
        result.err().unwrap_or(MachMsgReturn::MACH_MSG_SUCCESS)
    }

    fn mach_msg_new(&self, caller: Caller, call: &MachMsg2, options: MsgOption) -> Result<(), MachMsgReturn> {
        let sends = options.contains(MsgOption::MACH64_SEND_MSG);
        let vector = options.contains(MsgOption::MACH64_MSG_VECTOR);
        let queue = MsgOption::MACH64_SEND_MQ_CALL | MsgOption::MACH64_SEND_ANY;
        let one_kind = options.intersection(KINDS).bits().count_ones() == 1;
        if sends && (!one_kind || vector && !options.intersects(queue)) {
            self.bad_options(caller, options);
            return Err(MachMsgReturn::MACH_SEND_INVALID_OPTIONS);
        }
        let mut vectors = [MachMsgVector::new_zeroed(), MachMsgVector::new_zeroed()];
        let send_count = high(call.bits_and_send_size);
        let receive_count = low(call.receive_size_and_priority);
        if vector {
            let count = send_count.max(receive_count);
            let bad = |for_send| if sends { for_send } else { MachMsgReturn::MACH_RCV_INVALID_ARGUMENTS };
            if count == 0 {
                return Err(bad(MachMsgReturn::MACH_SEND_MSG_TOO_SMALL));
            }
            let part = vectors.get_mut(..count as usize).filter(|_| count <= VECTORS_MAX);
            let part = part.ok_or(bad(MachMsgReturn::MACH_SEND_INVALID_DATA))?;
            self.host
                .copy_in(caller.task, call.address, part.as_mut_bytes())
                .map_err(|_| bad(MachMsgReturn::MACH_SEND_INVALID_DATA))?;
        }
        let [message, aux] = vectors;
        if sends {
            let header = MachMsgHeader {
                msgh_bits: low(call.bits_and_send_size),
                msgh_size: 0,
                msgh_remote_port: low(call.remote_and_local),
                msgh_local_port: high(call.remote_and_local),
                msgh_voucher_port: low(call.voucher_and_id),
                msgh_id: high(call.voucher_and_id) as i32,
            };
            let mut outgoing = Outgoing {
                header,
                descriptors: low(call.descriptors_and_receive_name),
                address: call.address,
                size: send_count,
                aux_address: 0,
                aux_size: 0,
                options,
                timeout_ms: call.timeout_ms,
                msg2: true,
            };
            if vector {
                check_send_vectors(&message, &aux, send_count)?;
                outgoing.address = joined(message.msgv_data);
                outgoing.size = message.msgv_send_size;
                if send_count == VECTORS_MAX && aux.msgv_send_size != 0 {
                    outgoing.aux_address = joined(aux.msgv_data);
                    outgoing.aux_size = aux.msgv_send_size;
                }
            }
            self.send(caller, &outgoing)?;
        }
        if !options.contains(MsgOption::MACH64_RCV_MSG) {
            return Ok(());
        }
        let mut incoming = Incoming {
            name: high(call.descriptors_and_receive_name),
            options,
            address: call.address,
            size: receive_count,
            aux_address: 0,
            aux_size: 0,
            timeout_ms: call.timeout_ms,
            sync: 0,
        };
        if vector {
            if receive_count == 0 {
                return Err(MachMsgReturn::MACH_RCV_INVALID_ARGUMENTS);
            }
            let place = |vector: &MachMsgVector| match joined(vector.msgv_rcv_addr) {
                0 => joined(vector.msgv_data),
                address => address,
            };
            incoming.address = place(&message);
            incoming.size = message.msgv_rcv_size;
            if receive_count == VECTORS_MAX {
                incoming.aux_address = place(&aux);
                incoming.aux_size = aux.msgv_rcv_size;
                if incoming.aux_address == 0 || incoming.aux_size < AUX_HEADER {
                    return Err(MachMsgReturn::MACH_RCV_INVALID_ARGUMENTS);
                }
            }
        }
        if options.contains(MsgOption::MACH64_RCV_SYNC_WAIT) {
            incoming.sync = low(call.remote_and_local);
        }
        self.receive(caller, &incoming)
    }

    pub(crate) fn bad_options(&self, caller: Caller, options: MsgOption) {
        self.enter(caller, |state| state.guard_exception(0, options.bits(), GuardReason::InvalidOptions));
    }
}

/// Whether vectors to send have sizes that they may have (`mach_msg_validate_data_vectors`).
fn check_send_vectors(message: &MachMsgVector, aux: &MachMsgVector, count: u32) -> Result<(), MachMsgReturn> {
    if count == 0 {
        return Err(MachMsgReturn::MACH_SEND_MSG_TOO_SMALL);
    }
    if joined(message.msgv_data) == 0 {
        return Err(MachMsgReturn::MACH_SEND_INVALID_DATA);
    }
    check_size(message.msgv_send_size)?;
    let size = aux.msgv_send_size;
    if count < VECTORS_MAX || size == 0 {
        return Ok(());
    }
    if joined(aux.msgv_data) == 0 {
        return Err(MachMsgReturn::MACH_SEND_INVALID_DATA);
    }
    if size < AUX_HEADER {
        return Err(MachMsgReturn::MACH_SEND_AUX_TOO_SMALL);
    }
    if size > AUX_MAX {
        return Err(MachMsgReturn::MACH_SEND_AUX_TOO_LARGE);
    }
    Ok(())
}
