//! The engine behind `/dev/mach` inside the process itself: what there is where no module is loaded.
//!
//! It is made at the first call that needs it. Threads that wait do so at a futex; a signal ends the wait. A forked child
//! leaves its parent's engine behind, whatever state that is in, and makes one of its own at its first call: names of
//! ports are not inherited, and a port of another process cannot be reached from here.
//!
//! # Safety
//! The engine is made once, behind a pointer that is set when it is whole, and never freed, so a reference to it is good
//! for ever. In a child the old one is left where it is.
#![allow(unsafe_code)]

mod host;
mod lock;
mod usage;

pub use host::ThreadSlot;
pub use lock::RawLock;

use crate::Linux;
use alloc::vec::Vec;
use core::fmt;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use host::LinuxHost;
use xnu_abi::linux::Errno;
use xnu_abi::lkm::Trap;
use xnu_core::reserved::Reserved;
use xnu_core::{Lkm, TrapArg, linux};
use xnu_lkm::{Caller, Engine, OpenId, Process, TrapArgument, Usage};

/// What the engine needs of whoever has it in the process.
pub trait Surroundings: Copy + 'static {
    /// What is kept for the calling thread; `None` where nothing is, so that Linux is asked for its number each time.
    fn slot(&self) -> Option<&ThreadSlot> {
        None
    }

    /// Memory that calls neither take away nor map over.
    fn reserved(&self) -> Option<&Reserved> {
        None
    }

    /// The child of a fork leaves everything behind that the engine ever allocated.
    fn forget_memory(&self) {}

    /// A line for the log.
    fn log(&self, _: &str) {}
}

/// An engine and its one task.
struct Inner<S: Surroundings> {
    engine: Engine<LinuxHost<S>>,
    open: OpenId,
    process: Process,
}

/// The engine in this process, or the place for it.
pub struct Embedded<S: Surroundings> {
    linux: Linux,
    surroundings: S,
    inner: AtomicPtr<Inner<S>>,
    making: RawLock,
}

impl<S: Surroundings> fmt::Debug for Embedded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S: Surroundings> Embedded<S> {
    /// A place for an engine.
    pub const fn new(surroundings: S) -> Embedded<S> {
        Embedded {
            linux: Linux::new(),
            surroundings,
            inner: AtomicPtr::new(ptr::null_mut()),
            making: RawLock::new(),
        }
    }

    /// As [`Linux::handle_faults`], before the first call.
    pub fn handle_faults(&self) {
        self.linux.handle_faults();
    }

    /// How much the engine holds; nothing before the first call.
    pub fn usage(&self) -> Option<Usage> {
        self.made().map(|inner| inner.engine.usage())
    }

    fn made(&self) -> Option<&Inner<S>> {
        // SAFETY: null, or an engine that is whole and stays (see the module).
        unsafe { self.inner.load(Ordering::Acquire).as_ref() }
    }

    fn inner(&self) -> Result<&Inner<S>, Errno> {
        match self.made() {
            Some(inner) => Ok(inner),
            None => self.make(),
        }
    }

    #[cold]
    #[inline(never)]
    fn make(&self) -> Result<&Inner<S>, Errno> {
        self.making.with(|| {
            if let Some(inner) = self.made() {
                return Ok(inner);
            }
            let process = self.process()?;
            let host = LinuxHost::new(self.linux.like(), self.surroundings).ok_or(Errno::ENOMEM)?;
            let engine = Engine::new(host);
            let open = engine.open(process).map_err(|_| Errno::ENOMEM)?;
            let mut room = Vec::new();
            room.try_reserve_exact(1).map_err(|_| Errno::ENOMEM)?;
            room.push(Inner { engine, open, process });
            let [inner] = room.leak() else { return Err(Errno::ENOMEM) };
            self.inner.store(inner, Ordering::Release);
            Ok(&*inner)
        })
    }

    fn process(&self) -> Result<Process, Errno> {
        let kernel = &self.linux;
        Ok(Process {
            pid: linux::process::getpid(kernel)?,
            parent: linux::process::getppid(kernel)?,
            uid: linux::process::geteuid(kernel)? as u32,
            gid: linux::process::getegid(kernel)? as u32,
        })
    }

    fn caller(&self, inner: &Inner<S>) -> Result<Caller, Errno> {
        let slot = self.surroundings.slot();
        if let Some(caller) = slot.and_then(ThreadSlot::caller) {
            return Ok(caller);
        }
        let tid = linux::process::gettid(&self.linux)?;
        let caller = inner.engine.caller(inner.open, inner.process, tid as u64).map_err(|_| Errno::ENOMEM)?;
        inner.engine.host().note(caller.thread, tid);
        if let Some(slot) = slot {
            slot.set(caller);
        }
        Ok(caller)
    }
}

impl<S: Surroundings> Lkm for Embedded<S> {
    fn call_raw(&self, trap: Trap, arg: TrapArg<'_>) -> Result<isize, Errno> {
        // The child's engine is another one, and there before anybody can ask.
        if trap == Trap::ForkWaitForChild {
            return Ok(0);
        }
        let inner = self.inner()?;
        let caller = self.caller(inner)?;
        let argument = match arg {
            TrapArg::None => TrapArgument::Word(0),
            TrapArg::Value(value) => TrapArgument::Word(value as u64),
            TrapArg::Struct(bytes) => TrapArgument::Struct(bytes),
            TrapArg::User(address) => TrapArgument::Word(address.get()),
        };
        let result = inner.engine.trap_with(caller, Some(trap), argument);
        if trap == Trap::ThreadDeathAnnounce
            && let Some(slot) = self.surroundings.slot()
        {
            slot.clear();
        }
        result
    }

    fn forked(&self) {
        self.making.forget();
        if !self.inner.swap(ptr::null_mut(), Ordering::AcqRel).is_null() {
            self.surroundings.forget_memory();
        }
        if let Some(slot) = self.surroundings.slot() {
            slot.clear();
        }
    }
}

#[cfg(test)]
mod tests;
