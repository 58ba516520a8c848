//! What the trace says, how the ring behaves and how the two processes end.

mod fork;
mod json;
mod records;
mod ring;
mod stack;

use super::shared::{Channel, Reader, Taken};
use std::sync::atomic::{AtomicU64, Ordering};
use xnu_abi::linux::{Errno, Sysno};
use xnu_core::{Arg, Fault, Kernel, UserAddr};

/// A Linux with a clock that advances by a microsecond at each look, one process, and a piece of memory.
struct Flat {
    pid: i32,
    clock_ns: AtomicU64,
    base: u64,
    memory: Vec<u8>,
}

impl Flat {
    const BASE: u64 = 0x1_0000;

    /// Memory ends with a page, as everywhere.
    fn new(contents: &[u8]) -> Flat {
        let mut memory = contents.to_vec();
        memory.resize(contents.len().next_multiple_of(4096), 0);
        Flat { pid: 100, clock_ns: AtomicU64::new(5_000_000_000), base: Flat::BASE, memory }
    }
}

#[allow(unsafe_code)]
impl Kernel for Flat {
    unsafe fn syscall(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
        match (nr, args) {
            (Sysno::Getpid | Sysno::Gettid, []) => Ok(self.pid as usize),
            (Sysno::ClockGettime, [_, Arg::Out(time)]) => {
                let now_ns = self.clock_ns.fetch_add(1000, Ordering::Relaxed);
                time[..8].copy_from_slice(&(now_ns / 1_000_000_000).to_ne_bytes());
                time[8..].copy_from_slice(&(now_ns % 1_000_000_000).to_ne_bytes());
                Ok(0)
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    fn copy_in(&self, from: UserAddr, to: &mut [u8]) -> Result<(), Fault> {
        let start = from.get().checked_sub(self.base).ok_or(Fault)? as usize;
        let end = start.checked_add(to.len()).ok_or(Fault)?;
        to.copy_from_slice(self.memory.get(start..end).ok_or(Fault)?);
        Ok(())
    }

    fn copy_out(&self, _: UserAddr, _: &[u8]) -> Result<(), Fault> {
        Err(Fault)
    }
}

/// Everything that is in the ring.
fn taken(reader: &mut Reader) -> String {
    match reader.take() {
        Taken::Nothing => String::new(),
        Taken::Records(bytes) => String::from_utf8(bytes.to_vec()).expect("records are text"),
        Taken::Damage => panic!("nobody scribbled"),
    }
}

fn channel(capacity: usize) -> Channel {
    Channel::with_capacity(capacity).expect("memory can be shared")
}

/// Random numbers, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
