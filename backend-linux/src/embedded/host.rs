//! The world of an engine that is in the process of its only task.
//!
//! # Safety
//! A thread's registers are reached by a pointer that the thread itself lends for a call, and used in that call alone.
//!
//! `mmap` and `munmap` are made for memory that the engine gets from Linux and gives to the guest, or that the guest names
//! as its own; what is kept from the guest is left out.
#![allow(unsafe_code)]

use super::Surroundings;
use super::lock::{FutexLock, wait_until, wake};
use super::usage;
use crate::{Linux, user};
use alloc::vec::Vec;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::linux::{Errno, Timespec, flags};
use xnu_core::linux::{self, LinuxFd};
use xnu_core::registers::{RFLAGS_FIXED, RFLAGS_USER, Registers};
use xnu_core::signal::{vectors_from_state, vectors_to_state};
use xnu_core::threads::NewThread;
use xnu_core::{Kernel, Thread, UserAddr};
use xnu_lkm::{Caller, Fault, Host, Machine, TaskId, TaskUsage, ThreadId, ThreadState, Times, Wake};

const PAGE: u64 = 4096;
const SECOND_NS: u64 = 1_000_000_000;

/// Threads with a word of their own to wait at. As many as XNU lets a task have; further ones look every millisecond.
const THREADS: usize = 4096;
const LOOK_NS: u64 = 1_000_000;

/// What an embedder keeps for a thread: who it is to the engine.
#[derive(Debug, Default)]
pub struct ThreadSlot {
    task: AtomicU64,
    thread: AtomicU64,
    /// Its registers, while a call lends them.
    lent: AtomicPtr<Thread>,
}

impl ThreadSlot {
    /// Of a thread that the engine does not know yet.
    pub const fn new() -> ThreadSlot {
        ThreadSlot {
            task: AtomicU64::new(0),
            thread: AtomicU64::new(0),
            lent: AtomicPtr::new(ptr::null_mut()),
        }
    }

    #[inline]
    pub(super) fn caller(&self) -> Option<Caller> {
        let task = TaskId::from_bits(self.task.load(Ordering::Relaxed));
        let thread = ThreadId::from_bits(self.thread.load(Ordering::Relaxed));
        (!thread.is_none()).then_some(Caller { task, thread })
    }

    pub(super) fn set(&self, caller: Caller) {
        self.task.store(caller.task.to_bits(), Ordering::Relaxed);
        self.thread.store(caller.thread.to_bits(), Ordering::Relaxed);
    }

    /// Lends a thread's registers to what runs in `work`.
    #[inline]
    pub(super) fn lend<R>(&self, thread: &mut Thread, work: impl FnOnce() -> R) -> R {
        self.lent.store(thread, Ordering::Relaxed);
        let result = work();
        self.lent.store(ptr::null_mut(), Ordering::Relaxed);
        result
    }

    pub(super) fn clear(&self) {
        self.thread.store(0, Ordering::Relaxed);
    }
}

const IDLE: u32 = 0;
const WOKEN: u32 = 1;
const WAITS: u32 = 2;

/// Where a thread waits, and its number.
#[derive(Default)]
struct Bed {
    word: AtomicU32,
    tid: AtomicI32,
}

pub(super) struct LinuxHost<S> {
    linux: Linux,
    surroundings: S,
    beds: Vec<Bed>,
}

impl<S: Surroundings> LinuxHost<S> {
    /// `None` where there is no memory.
    pub(super) fn new(linux: Linux, surroundings: S) -> Option<LinuxHost<S>> {
        let mut beds = Vec::new();
        beds.try_reserve_exact(THREADS).ok()?;
        beds.resize_with(THREADS, Bed::default);
        Some(LinuxHost { linux, surroundings, beds })
    }

    fn bed(&self, thread: ThreadId) -> Option<&Bed> {
        self.beds.get(thread.to_bits() as u32 as usize)
    }

    /// Notes a new thread's number.
    pub(super) fn note(&self, thread: ThreadId, tid: i32) {
        if let Some(bed) = self.bed(thread) {
            bed.tid.store(tid, Ordering::Relaxed);
            bed.word.store(IDLE, Ordering::Relaxed);
        }
    }

    /// The registers that the calling thread has lent, if it is this one.
    fn lent(&self, thread: ThreadId) -> Option<NonNull<Thread>> {
        let slot = self.surroundings.slot()?;
        let is_own = slot.caller().is_some_and(|caller| caller.thread == thread);
        NonNull::new(slot.lent.load(Ordering::Relaxed)).filter(|_| is_own)
    }

    fn map(&self, address: u64, size: u64, how: u32) -> Result<u64, Fault> {
        let protection = flags::PROT_READ | flags::PROT_WRITE;
        let how = how | flags::MAP_PRIVATE | flags::MAP_ANONYMOUS | flags::MAP_NORESERVE;
        let size = usize::try_from(size).map_err(|_| Fault)?;
        let (address, none) = (UserAddr::new(address), LinuxFd(-1));
        linux::memory::mmap(&self.linux, address, size, protection, how, none, 0)
            .map(UserAddr::get)
            .map_err(|_| Fault)
    }
}

/// Memory on its way: pages of the process that nobody knows of.
pub(super) struct Region {
    address: u64,
    size: u64,
}

impl Drop for Region {
    fn drop(&mut self) {
        let _ = linux::memory::munmap(&Linux::new(), UserAddr::new(self.address), self.size as usize);
    }
}

/// What a clock says.
fn nanoseconds(linux: &Linux, clock: i32) -> u64 {
    let Ok(now) = linux::time::clock_gettime(linux, clock) else { return 0 };
    (now.tv_sec as u64).saturating_mul(SECOND_NS).saturating_add(now.tv_nsec as u64)
}

/// The registers of a thread in a state. What the processor said of a fault is not known here.
pub(super) fn read_registers(thread: &Thread, into: &mut ThreadState) {
    into.general = thread.registers;
    vectors_to_state(&thread.vectors, &mut into.vectors);
    into.wide = has_avx_512();
}

/// The other way. Segments are not for programs to choose.
pub(super) fn write_registers(thread: &mut Thread, from: &ThreadState) {
    let Registers { cs, fs, gs, .. } = thread.registers;
    let rflags = from.general.rflags & RFLAGS_USER | RFLAGS_FIXED;
    thread.registers = Registers { rflags, cs, fs, gs, ..from.general };
    vectors_from_state(&mut thread.vectors, &from.vectors);
}

/// Whether the processor has AVX-512, and Linux saves it.
fn has_avx_512() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        const XSAVE_IN_USE: u32 = 1 << 27;
        const COMPONENTS: u32 = 0b1110_0000;
        if core::arch::x86_64::__cpuid(1).ecx & XSAVE_IN_USE == 0 {
            return false;
        }
        let enabled: u32;
        // SAFETY: there where the system uses XSAVE; reads a register that all may read.
        unsafe {
            core::arch::asm!("xgetbv", in("ecx") 0, out("eax") enabled, out("edx") _, options(nomem, nostack));
        };
        enabled & COMPONENTS == COMPONENTS
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

impl<S: Surroundings> Host for LinuxHost<S> {
    type Lock<T> = FutexLock<T>;
    type Region = Region;

    fn now(&self) -> u64 {
        nanoseconds(&self.linux, linux::time::CLOCK_MONOTONIC)
    }

    fn random(&self) -> u64 {
        linux::process::random_word(&self.linux).unwrap_or_else(|_| self.now())
    }

    fn block(&self, thread: ThreadId, deadline: Option<u64>) -> Wake {
        let Some(bed) = self.bed(thread) else {
            let nap = Timespec { tv_sec: 0, tv_nsec: LOOK_NS as i64 };
            return match linux::time::nanosleep(&self.linux, &nap) {
                Err(Errno::EINTR) => Wake::Interrupted,
                _ => Wake::Woken,
            };
        };
        let (sleep, relaxed) = (Ordering::AcqRel, Ordering::Acquire);
        if bed.word.compare_exchange(IDLE, WAITS, sleep, relaxed).is_err() {
            bed.word.store(IDLE, Ordering::Release);
            return Wake::Woken;
        }
        let until = deadline.map(|deadline| Timespec {
            tv_sec: deadline.wrapping_div(SECOND_NS) as i64,
            tv_nsec: deadline.wrapping_rem(SECOND_NS) as i64,
        });
        let waited = wait_until(&self.linux, &bed.word, WAITS, until.as_ref());
        let woken = bed.word.swap(IDLE, Ordering::AcqRel) == WOKEN;
        match waited {
            _ if woken => Wake::Woken,
            Err(Errno::EINTR) if self.surroundings.is_signalled() => Wake::Interrupted,
            Err(Errno::ETIMEDOUT) => Wake::TimedOut,
            _ => Wake::Woken,
        }
    }

    fn wake(&self, thread: ThreadId) {
        if let Some(bed) = self.bed(thread)
            && bed.word.swap(WOKEN, Ordering::AcqRel) == WAITS
        {
            wake(&self.linux, &bed.word);
        }
    }

    fn give_way(&self, _: ThreadId) {
        linux::process::sched_yield(&self.linux);
    }

    fn copy_in(&self, _: TaskId, from: u64, to: &mut [u8]) -> Result<(), Fault> {
        self.linux.copy_in(UserAddr::new(from), to).map_err(|_| Fault)
    }

    fn copy_out(&self, _: TaskId, to: u64, from: &[u8]) -> Result<(), Fault> {
        self.linux.copy_out(UserAddr::new(to), from).map_err(|_| Fault)
    }

    fn capture(&self, _: TaskId, address: u64, size: u64) -> Result<Region, Fault> {
        let region = Region { address: self.map(0, size, 0)?, size };
        user::copy(&self.linux, UserAddr::new(region.address), UserAddr::new(address), size)
            .map_err(|_| Fault)?;
        Ok(region)
    }

    fn region(&self, bytes: &[u8]) -> Result<Region, Fault> {
        let size = bytes.len() as u64;
        let region = Region { address: self.map(0, size, 0)?, size };
        self.linux.copy_out(UserAddr::new(region.address), bytes).map_err(|_| Fault)?;
        Ok(region)
    }

    fn read_region(&self, region: &Region, to: &mut [u8]) -> Result<(), Fault> {
        if to.len() as u64 > region.size {
            return Err(Fault);
        }
        self.linux.copy_in(UserAddr::new(region.address), to).map_err(|_| Fault)
    }

    fn calendar(&self) -> u64 {
        nanoseconds(&self.linux, linux::time::CLOCK_REALTIME)
    }

    fn machine(&self) -> Machine {
        usage::machine(&self.linux)
    }

    fn task_usage(&self, _: TaskId) -> TaskUsage {
        usage::task(&self.linux)
    }

    /// Only the caller's is known: that of another thread is 0.
    fn thread_times(&self, thread: ThreadId) -> Times {
        let own = linux::process::gettid(&self.linux).unwrap_or(0);
        let is_own = self.bed(thread).is_some_and(|bed| bed.tid.load(Ordering::Relaxed) == own);
        if is_own { usage::thread(&self.linux) } else { Times::default() }
    }

    fn place(&self, _: TaskId, region: Region) -> Result<u64, Fault> {
        Ok(core::mem::ManuallyDrop::new(region).address)
    }

    fn allocate(&self, _: TaskId, size: u64) -> Result<u64, Fault> {
        self.map(0, size, 0)
    }

    fn deallocate(&self, _: TaskId, address: u64, size: u64) {
        let start = address & !PAGE.wrapping_sub(1);
        let end = address.checked_add(size).and_then(|end| end.checked_next_multiple_of(PAGE));
        let Some(end) = end else { return };
        let unmap = |start: u64, end: u64| {
            let size = end.saturating_sub(start) as usize;
            let _ = linux::memory::munmap(&self.linux, UserAddr::new(start), size);
        };
        match self.surroundings.reserved() {
            None => unmap(start, end),
            Some(reserved) => reserved.outside(start..end).for_each(|piece| unmap(piece.start, piece.end)),
        }
    }

    fn allocate_at(&self, _: TaskId, address: u64, size: u64, overwrite: bool) -> Result<(), Fault> {
        let end = address.checked_add(size).ok_or(Fault)?;
        if self.surroundings.reserved().is_some_and(|reserved| reserved.overlaps(&(address..end))) {
            return Err(Fault);
        }
        let how = if overwrite { flags::MAP_FIXED } else { flags::MAP_FIXED_NOREPLACE };
        self.map(address, size, how).map(|_| ())
    }

    fn stops(&self, thread: ThreadId) -> bool {
        let is_known = self.bed(thread).is_some_and(|bed| bed.tid.load(Ordering::Relaxed) != 0);
        is_known && self.surroundings.interruption().is_some()
    }

    fn begin_thread(&self, caller: Caller) -> Result<ThreadId, KernReturn> {
        let Some(own) = self.lent(caller.thread) else { return Err(KernReturn::KERN_NOT_SUPPORTED) };
        // SAFETY: lent by the caller, who waits for this call to end and does not touch it meanwhile.
        let signals = unsafe { &own.as_ref().signals };
        let new = NewThread {
            registers: Registers { rflags: RFLAGS_FIXED, ..Registers::default() },
            gs_base: 0,
            mask: signals.put_away.unwrap_or(signals.mask),
            is_suspended: true,
            port_at: UserAddr::NULL,
        };
        match self.surroundings.begin_thread(&new) {
            Ok(thread) => Ok(ThreadId::from_bits(thread)),
            Err(Errno::ENOSYS) => Err(KernReturn::KERN_NOT_SUPPORTED),
            Err(_) => Err(KernReturn::KERN_RESOURCE_SHORTAGE),
        }
    }

    fn registers(&self, thread: ThreadId, into: &mut ThreadState) -> bool {
        let Some(thread) = self.lent(thread) else { return false };
        // SAFETY: lent by the caller, who waits for this call to end and does not touch it meanwhile.
        read_registers(unsafe { thread.as_ref() }, into);
        true
    }

    fn set_registers(&self, thread: ThreadId, to: &ThreadState) -> bool {
        let Some(mut thread) = self.lent(thread) else { return false };
        // SAFETY: as above.
        write_registers(unsafe { thread.as_mut() }, to);
        true
    }

    fn signal(&self, thread: ThreadId, signal: i32) -> Result<(), Errno> {
        let tid = self.bed(thread).map_or(0, |bed| bed.tid.load(Ordering::Relaxed));
        if tid == 0 {
            return Err(Errno::ESRCH);
        }
        linux::signal::tgkill(&self.linux, linux::process::getpid(&self.linux)?, tid, signal)
    }

    fn interrupt(&self, thread: ThreadId) {
        if let Some(signal) = self.surroundings.interruption() {
            // It may be gone by now.
            let _ = self.signal(thread, signal);
        }
    }

    fn log(&self, line: &str) {
        self.surroundings.log(line);
    }
}
