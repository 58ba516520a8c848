//! Descriptors as programs write them: ports and memory that a message carries (`osfmk/mach/message.h`, layouts of 64-bit
//! programs).

use crate::copy::{GUARD_IMMOVABLE, GUARD_UNGUARDED_ON_SEND, MessageGuard};
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::{MachMsgReturn, MachMsgReturnBits};
use xnu_abi::darwin::mach_message::{
    MACH_MSG_GUARDED_PORT_DESCRIPTOR, MACH_MSG_OOL_DESCRIPTOR, MACH_MSG_OOL_PORTS_DESCRIPTOR,
    MACH_MSG_OOL_VOLATILE_DESCRIPTOR, MACH_MSG_PHYSICAL_COPY, MACH_MSG_PORT_DESCRIPTOR,
    MACH_MSG_VIRTUAL_COPY, MsgOption, MsgType,
};

/// Rights that one message carries at most (`IPC_KMSG_MAX_OOL_PORT_COUNT`).
const PORTS_MAX: u64 = 16_383;

/// Bytes of memory that are copied rather than mapped at most: seven eighths of XNU's 8 MiB.
const PHYSICAL_MAX: u64 = 7 * 1024 * 1024;

/// Copies up to this size take nothing of that room.
const PHYSICAL_SMALL: u32 = 32 * 1024;

const PAGE: u64 = 4096;

/// The shortest descriptor, and the longer ones.
const SHORT: usize = 12;
const LONG: usize = 16;

/// A descriptor as it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UserDescriptor {
    Port { name: u32, disposition: MsgType },
    Memory { address: u64, size: u32, copy: u8, deallocate: bool, volatile: bool },
    Ports { address: u64, count: u32, disposition: MsgType, deallocate: bool },
    Guarded { name: u32, disposition: MsgType, guard: MessageGuard },
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let part = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    part.map_or(0, |part| u32::from_le_bytes(*part))
}

fn double(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// Reads `count` descriptors from the start of `bytes`; answers how many bytes they take (`ipc_kmsg_inflate_descriptors`).
pub(crate) fn parse(
    bytes: &[u8],
    count: u32,
    options: MsgOption,
) -> Result<(Vec<UserDescriptor>, usize), MachMsgReturn> {
    let for_object = options.intersects(MsgOption::MACH64_SEND_KOBJECT_CALL | MsgOption::MACH64_SEND_DK_CALL);
    let mut descriptors = Vec::new();
    descriptors.try_reserve_exact(count as usize).map_err(|_| MachMsgReturn::MACH_SEND_NO_BUFFER)?;
    // Sizes first: a message that is too short for its descriptors has none that are wrong.
    let mut at = 0;
    for _ in 0..count {
        let rest = bytes.get(at..).unwrap_or(&[]);
        if rest.len() < SHORT {
            return Err(MachMsgReturn::MACH_SEND_MSG_TOO_SMALL);
        }
        let size = match u32::from(byte(rest, 11)) {
            MACH_MSG_PORT_DESCRIPTOR => SHORT,
            MACH_MSG_OOL_DESCRIPTOR | MACH_MSG_OOL_PORTS_DESCRIPTOR => LONG,
            MACH_MSG_OOL_VOLATILE_DESCRIPTOR | MACH_MSG_GUARDED_PORT_DESCRIPTOR if !for_object => LONG,
            _ => return Err(MachMsgReturn::MACH_SEND_INVALID_TYPE),
        };
        if rest.len() < size {
            return Err(MachMsgReturn::MACH_SEND_MSG_TOO_SMALL);
        }
        at += size;
    }
    let end = at;
    let mut ports = 0_u64;
    let mut physical = 0_u64;
    at = 0;
    for _ in 0..count {
        let rest = bytes.get(at..).unwrap_or(&[]);
        let descriptor = one(rest)?;
        match descriptor {
            UserDescriptor::Port { .. } => {
                ports += 1;
                at += SHORT;
            }
            UserDescriptor::Guarded { .. } => {
                ports += 1;
                at += LONG;
            }
            UserDescriptor::Ports { count, .. } => {
                ports += u64::from(count);
                at += LONG;
            }
            UserDescriptor::Memory { size, copy, deallocate, .. } => {
                let copied = u32::from(copy) == MACH_MSG_PHYSICAL_COPY && !deallocate;
                if copied && size > PHYSICAL_SMALL {
                    physical += u64::from(size).next_multiple_of(PAGE);
                }
                at += LONG;
            }
        }
        descriptors.push(descriptor);
    }
    if ports > PORTS_MAX {
        return Err(MachMsgReturn::MACH_SEND_TOO_LARGE);
    }
    if physical + ports * 8 > PHYSICAL_MAX {
        return Err(MachMsgReturn::new(MachMsgReturnBits::MACH_MSG_VM_KERNEL.bits() as i32));
    }
    Ok((descriptors, end))
}

fn one(bytes: &[u8]) -> Result<UserDescriptor, MachMsgReturn> {
    let kind = u32::from(byte(bytes, 11));
    Ok(match kind {
        MACH_MSG_PORT_DESCRIPTOR => UserDescriptor::Port {
            name: word(bytes, 0),
            disposition: MsgType::new(u32::from(byte(bytes, 10))),
        },
        MACH_MSG_OOL_DESCRIPTOR | MACH_MSG_OOL_VOLATILE_DESCRIPTOR => {
            let copy = byte(bytes, 9);
            if !matches!(u32::from(copy), MACH_MSG_PHYSICAL_COPY | MACH_MSG_VIRTUAL_COPY) {
                return Err(MachMsgReturn::MACH_SEND_INVALID_TYPE);
            }
            UserDescriptor::Memory {
                address: double(bytes, 0),
                size: word(bytes, 12),
                copy,
                deallocate: byte(bytes, 8) != 0,
                volatile: kind == MACH_MSG_OOL_VOLATILE_DESCRIPTOR,
            }
        }
        MACH_MSG_OOL_PORTS_DESCRIPTOR => UserDescriptor::Ports {
            address: double(bytes, 0),
            count: word(bytes, 12),
            disposition: MsgType::new(u32::from(byte(bytes, 10))),
            deallocate: byte(bytes, 8) != 0,
        },
        _ => {
            let disposition = MsgType::new(u32::from(byte(bytes, 10)));
            let flags = u16::from_le_bytes([byte(bytes, 8), byte(bytes, 9)]);
            let context = double(bytes, 0);
            let known = GUARD_IMMOVABLE | GUARD_UNGUARDED_ON_SEND;
            let bad = disposition != MsgType::MACH_MSG_TYPE_MOVE_RECEIVE
                || flags == 0
                || flags & !known != 0
                || flags & GUARD_UNGUARDED_ON_SEND != 0 && context != 0;
            if bad {
                return Err(MachMsgReturn::MACH_SEND_INVALID_TYPE);
            }
            UserDescriptor::Guarded {
                name: word(bytes, 12),
                disposition,
                guard: MessageGuard { context, flags },
            }
        }
    })
}

/// A port's descriptor as a receiver reads it.
pub(crate) fn port(name: u32, kind: MsgType) -> [u8; SHORT] {
    let [a, b, c, d] = name.to_le_bytes();
    [a, b, c, d, 0, 0, 0, 0, 0, 0, kind.number() as u8, 0]
}

/// Any other descriptor: an address, four bytes, and a size, a count or a name.
pub(crate) fn long(address: u64, bytes: [u8; 4], last: u32) -> [u8; LONG] {
    let mut all = [0; LONG];
    let words = address.to_le_bytes().into_iter().chain(bytes).chain(last.to_le_bytes());
    all.iter_mut().zip(words).for_each(|(to, from)| *to = from);
    all
}
