//! Messages as programs write and read them.

#![allow(dead_code, unreachable_pub)]

use super::World;
use xnu_abi::darwin::kern_return::MachMsgReturn;
use xnu_abi::darwin::mach_message::{MACH_MSGH_BITS_COMPLEX, MsgOption, MsgType};
use xnu_lkm::{Caller, MachMsg};

/// A message to be sent.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub bits: u32,
    pub remote: u32,
    pub local: u32,
    pub voucher: u32,
    pub id: i32,
    pub descriptors: Vec<Vec<u8>>,
    pub data: Vec<u8>,
}

impl Message {
    pub fn to(remote: u32, disposition: MsgType, id: i32) -> Message {
        Message { bits: disposition.number(), remote, id, ..Message::default() }
    }

    pub fn reply(mut self, local: u32, disposition: MsgType) -> Message {
        self.bits |= disposition.number() << 8;
        self.local = local;
        self
    }

    pub fn data(mut self, data: &[u8]) -> Message {
        self.data = data.to_vec();
        self
    }

    pub fn with(mut self, descriptor: Vec<u8>) -> Message {
        self.bits |= MACH_MSGH_BITS_COMPLEX;
        self.descriptors.push(descriptor);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [self.bits, 0, self.remote, self.local, self.voucher, self.id as u32] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        if self.bits & MACH_MSGH_BITS_COMPLEX != 0 {
            bytes.extend_from_slice(&(self.descriptors.len() as u32).to_le_bytes());
        }
        self.descriptors.iter().for_each(|descriptor| bytes.extend_from_slice(descriptor));
        bytes.extend_from_slice(&self.data);
        bytes
    }
}

pub fn port_descriptor(name: u32, disposition: MsgType) -> Vec<u8> {
    let mut bytes = name.to_le_bytes().to_vec();
    bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, disposition.number() as u8, 0]);
    bytes
}

pub fn memory_descriptor(address: u64, size: u32, copy: u8, deallocate: bool) -> Vec<u8> {
    let mut bytes = address.to_le_bytes().to_vec();
    bytes.extend_from_slice(&[u8::from(deallocate), copy, 0, 1]);
    bytes.extend_from_slice(&size.to_le_bytes());
    bytes
}

pub fn ports_descriptor(address: u64, count: u32, disposition: MsgType, deallocate: bool) -> Vec<u8> {
    let mut bytes = address.to_le_bytes().to_vec();
    bytes.extend_from_slice(&[u8::from(deallocate), 0, disposition.number() as u8, 2]);
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes
}

pub fn guarded_descriptor(name: u32, context: u64, flags: u16) -> Vec<u8> {
    let mut bytes = context.to_le_bytes().to_vec();
    let [low, high] = flags.to_le_bytes();
    bytes.extend_from_slice(&[low, high, MsgType::MACH_MSG_TYPE_MOVE_RECEIVE.number() as u8, 4]);
    bytes.extend_from_slice(&name.to_le_bytes());
    bytes
}

/// A message as it was received.
#[derive(Clone, Debug)]
pub struct Received {
    pub bytes: Vec<u8>,
}

impl Received {
    pub fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().unwrap())
    }

    pub fn double(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().unwrap())
    }

    pub fn bits(&self) -> u32 {
        self.word(0)
    }

    pub fn size(&self) -> usize {
        self.word(4) as usize
    }

    pub fn remote(&self) -> u32 {
        self.word(8)
    }

    pub fn local(&self) -> u32 {
        self.word(12)
    }

    pub fn id(&self) -> i32 {
        self.word(20) as i32
    }

    pub fn data(&self) -> &[u8] {
        &self.bytes[24..self.size()]
    }

    /// The trailer, from its type on.
    pub fn trailer(&self) -> Received {
        Received { bytes: self.bytes[self.size()..].to_vec() }
    }
}

pub const SEND: MsgOption = MsgOption::MACH64_SEND_MSG;
pub const RECEIVE: MsgOption = MsgOption::MACH64_RCV_MSG;
pub const SEND_NOW: MsgOption = SEND.union(MsgOption::MACH64_SEND_TIMEOUT);
pub const RECEIVE_NOW: MsgOption = RECEIVE.union(MsgOption::MACH64_RCV_TIMEOUT);

/// Room for what is received.
pub const ROOM: u32 = 4096;

impl World {
    pub fn send_with(
        &self,
        by: Caller,
        message: &Message,
        options: MsgOption,
        timeout_ms: u32,
    ) -> (MachMsgReturn, Received) {
        let bytes = message.bytes();
        let address = self.alloc(by, bytes.len() as u64);
        let result = self.send_at(by, address, &bytes, options, timeout_ms);
        let back = Received { bytes: self.read(by, address, bytes.len()) };
        self.memory(by, |memory| memory.deallocate(address));
        (result, back)
    }

    /// Sends the bytes of a message from an address.
    pub fn send_at(
        &self,
        by: Caller,
        address: u64,
        bytes: &[u8],
        options: MsgOption,
        timeout_ms: u32,
    ) -> MachMsgReturn {
        self.write(by, address, bytes);
        let call = MachMsg {
            address,
            options: options.bits() as u32,
            send_size: bytes.len() as u32,
            timeout_ms,
            ..MachMsg::default()
        };
        self.mach_msg(by, &call)
    }

    /// Sends, without waiting for room.
    pub fn send(&self, by: Caller, message: &Message) -> MachMsgReturn {
        self.send_with(by, message, SEND_NOW, 0).0
    }

    pub fn receive_with(
        &self,
        by: Caller,
        name: u32,
        options: MsgOption,
        size: u32,
        timeout_ms: u32,
    ) -> (MachMsgReturn, Received) {
        let address = self.alloc(by, u64::from(ROOM));
        let result = self.receive_at(by, address, name, options, size, timeout_ms);
        let received = Received { bytes: self.read(by, address, ROOM as usize) };
        self.memory(by, |memory| memory.deallocate(address));
        (result, received)
    }

    /// Receives to an address.
    pub fn receive_at(
        &self,
        by: Caller,
        address: u64,
        name: u32,
        options: MsgOption,
        size: u32,
        timeout_ms: u32,
    ) -> MachMsgReturn {
        let call = MachMsg {
            address,
            options: options.bits() as u32,
            receive_size: size,
            receive_name: name,
            timeout_ms,
            ..MachMsg::default()
        };
        self.mach_msg(by, &call)
    }

    /// Receives, without waiting.
    pub fn receive(&self, by: Caller, name: u32) -> Result<Received, MachMsgReturn> {
        let (result, received) = self.receive_with(by, name, RECEIVE_NOW, ROOM, 0);
        if result == MachMsgReturn::MACH_MSG_SUCCESS { Ok(received) } else { Err(result) }
    }

    /// The ids of all messages that are there.
    pub fn drain(&self, by: Caller, name: u32) -> Vec<i32> {
        std::iter::from_fn(|| self.receive(by, name).ok()).map(|received| received.id()).collect()
    }
}

/// A task with a port of its own that it can send to, and another task that can send there too.
pub struct Setting {
    pub world: World,
    pub a: Caller,
    pub b: Caller,
    pub port: u32,
    pub there: u32,
}

pub fn setting() -> Setting {
    let world = World::new();
    let (a, b) = (world.task(10), world.task(11));
    let port = world.send_receive(a);
    let there = world.give(a, port, MsgType::MACH_MSG_TYPE_COPY_SEND, b);
    Setting { world, a, b, port, there }
}
