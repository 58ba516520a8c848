//! Mach messages of guests: numbers of traps, ports, and messages as words.
#![allow(dead_code)]

use crate::support::{bsd, ensure, mach, nr};

pub const VM_DEALLOCATE: u64 = 12;
pub const PORT_ALLOCATE: u64 = 16;
pub const MOD_REFS: u64 = 19;
pub const MOVE_MEMBER: u64 = 20;
pub const INSERT_RIGHT: u64 = 21;
pub const INSERT_MEMBER: u64 = 22;
pub const EXTRACT_MEMBER: u64 = 23;
pub const REPLY_PORT: u64 = 26;
pub const TASK_SELF: u64 = 28;
pub const MSG: u64 = 31;
pub const PORT_TYPE: u64 = 76;

pub const SEND: u64 = 1;
pub const RECEIVE: u64 = 2;
pub const RECEIVE_LARGE: u64 = 4;
pub const RECEIVE_TIMEOUT: u64 = 0x100;
pub const TIMED_OUT: u64 = 0x1000_4003;
pub const TOO_LARGE: u64 = 0x1000_4004;
pub const INVALID_DEST: u64 = 0x1000_0003;
pub const KERN_INVALID_NAME: u64 = 15;

pub const RIGHT_RECEIVE: u64 = 1;
pub const RIGHT_PORT_SET: u64 = 3;
pub const MINUS_ONE: u64 = u64::MAX;

pub const MOVE_SEND_ONCE: u32 = 18;
pub const COPY_SEND: u32 = 19;
pub const MAKE_SEND: u32 = 20;
pub const MAKE_SEND_ONCE: u32 = 21;
pub const COMPLEX: u32 = 0x8000_0000;

/// The words of a received message: its header, its body, its trailer.
pub type Message = [u32; 32];

pub fn task() -> u64 {
    mach(TASK_SELF, [])
}

/// A receive right with a send right.
pub fn port() -> u64 {
    let port = mach(REPLY_PORT, []);
    let inserted = mach(INSERT_RIGHT, [task(), port, port, u64::from(MAKE_SEND)]);
    ensure!(100, port != 0 && inserted == 0, "a port: {port:#x}, a send right: {inserted}");
    port
}

pub fn set() -> u64 {
    let mut set = 0u32;
    let made = mach(PORT_ALLOCATE, [task(), RIGHT_PORT_SET, &raw mut set as u64]);
    ensure!(101, made == 0, "a set: {made}");
    u64::from(set)
}

/// Lets go of a receive right.
pub fn drop_receive(port: u64) {
    let dropped = mach(MOD_REFS, [task(), port, RIGHT_RECEIVE, MINUS_ONE]);
    ensure!(102, dropped == 0, "a receive right went: {dropped}");
}

/// The rights of a name, 0 for none.
pub fn kinds(name: u64) -> u32 {
    let mut kinds = 0u32;
    match mach(PORT_TYPE, [task(), name, &raw mut kinds as u64]) {
        0 => kinds,
        _ => 0,
    }
}

pub fn send(message: &[u32]) -> u64 {
    mach(MSG, [message.as_ptr() as u64, SEND, size_of_val(message) as u64, 0, 0, 0])
}

/// Receives at most `room` bytes; waits for ever without a time.
pub fn receive_with(from: u64, options: u64, room: u64, timeout_ms: Option<u64>) -> Result<Message, u64> {
    let mut message = [0; 32];
    let options = RECEIVE | options | timeout_ms.map_or(0, |_| RECEIVE_TIMEOUT);
    let wait = timeout_ms.unwrap_or(0);
    match mach(MSG, [message.as_mut_ptr() as u64, options, 0, room, from, wait]) {
        0 => Ok(message),
        error => Err(error),
    }
}

pub fn receive(from: u64, timeout_ms: Option<u64>) -> Result<Message, u64> {
    receive_with(from, 0, size_of::<Message>() as u64, timeout_ms)
}

pub fn header(to: u64, id: u32) -> [u32; 6] {
    [COPY_SEND, 24, to as u32, 0, 0, id]
}

/// Absolute time: what `gettimeofday` tells as its third word.
pub fn now() -> u64 {
    let (mut time, mut absolute) = ([0u64; 2], 0u64);
    let _ = bsd(nr::GETTIMEOFDAY, [time.as_mut_ptr() as u64, 0, &raw mut absolute as u64]);
    absolute
}

/// Numbers by xorshift.
pub struct Numbers(pub u32);

impl Numbers {
    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}
