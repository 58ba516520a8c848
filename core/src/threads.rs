//! How threads of the guest begin.

use crate::registers::Registers;
use crate::user::UserAddr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// What `bsdthread_register` was told, of which a process has one. A forked child has its parent's; another program begins
/// without (`bsd/kern/kern_fork.c`, `forkproc`).
#[derive(Debug)]
pub struct Registration {
    is_made: AtomicBool,
    entry: AtomicU64,
    tsd_offset: AtomicU32,
    port_offset: AtomicU32,
}

impl Registration {
    /// None yet.
    pub(crate) const fn new() -> Registration {
        Registration {
            is_made: AtomicBool::new(false),
            entry: AtomicU64::new(0),
            tsd_offset: AtomicU32::new(0),
            port_offset: AtomicU32::new(0),
        }
    }

    /// Makes it; whether it was not made before.
    pub(crate) fn make(&self, registered: Registered) -> bool {
        if self.is_made.load(Ordering::Acquire) {
            return false;
        }
        self.entry.store(registered.entry, Ordering::Relaxed);
        self.tsd_offset.store(registered.tsd_offset, Ordering::Relaxed);
        self.port_offset.store(registered.port_offset, Ordering::Relaxed);
        !self.is_made.swap(true, Ordering::AcqRel)
    }

    /// What was registered.
    pub(crate) fn get(&self) -> Option<Registered> {
        self.is_made.load(Ordering::Acquire).then(|| Registered {
            entry: self.entry.load(Ordering::Relaxed),
            tsd_offset: self.tsd_offset.load(Ordering::Relaxed),
            port_offset: self.port_offset.load(Ordering::Relaxed),
        })
    }
}

/// Where threads begin, and what is at fixed places from their `pthread_t`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Registered {
    /// Where each thread enters the guest.
    pub(crate) entry: u64,
    /// From the `pthread_t` to what `gs` points to; 0 where the guest sets `gs` itself.
    pub(crate) tsd_offset: u32,
    /// From there to the name of the thread's port; 0 where that is nowhere.
    pub(crate) port_offset: u32,
}

/// A thread that is to begin.
#[derive(Clone, Debug)]
pub struct NewThread {
    /// Its registers, but for rsi: that is the name of its port.
    pub registers: Registers,
    /// The base of `gs`.
    pub gs_base: u64,
    /// Its mask of signals.
    pub mask: u32,
    /// Whether it waits to be resumed before its first instruction.
    pub is_suspended: bool,
    /// Where the name of its port is written, as a word of 64 bits; null for nowhere.
    pub port_at: UserAddr,
}
