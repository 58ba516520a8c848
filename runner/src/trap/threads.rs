//! Threads of the guest after the first.
//!
//! Their areas come from a pool: a range of addresses that is set aside when the second thread begins, and kept from the
//! guest like everything of the runner's. At its start is a word for each area, which Linux sets to the number of the
//! thread that has the area and to 0 when that is gone (`CLONE_CHILD_CLEARTID`): from then on nothing runs in the area,
//! and the next thread may have it. An area is used again as it is, so threads that come and go take no more memory.
//!
//! A thread begins with all signals blocked but those of the runner's own faults, on the call stack of its area. It makes
//! itself ready to be trapped, asks for the name of its port, and tells who made it how that went. Then it is as any thread
//! that is about to go back to the guest.
//!
//! The first thread of a process does not end before the others: `/proc/self` is its. It waits for them to end the process.
//!
//! # Safety
//! The pool is mapped once and never unmapped. A word of it is taken by an exchange before its area is touched, and
//! given back by Linux or by who took it. What a new thread is told is on the call stack of its maker, who waits there
//! until the thread has read it.
#![allow(unsafe_code)]

use super::area::{AREA, GuestThread, current_thread, protect_gaps};
use super::entry::{arm, clone_thread, enter};
use super::{Guest, GuestProcess};
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use xnu_abi::linux::{Errno, Sysno};
use xnu_abi::lkm::Trap;
use xnu_core::linux::futex::{ANYBODY, Futex};
use xnu_core::linux::process::{exit_group, getpid, gettid, set_gs_base};
use xnu_core::linux::signal::{block, kill, set_mask, suspend};
use xnu_core::signal::{KEPT, ThreadSignals};
use xnu_core::threads::NewThread;
use xnu_core::{Arg, Kernel, Lkm, TrapArg, UserAddr, convert};

/// As many threads as XNU lets a task have. Fewer where the process may not have so many addresses.
const THREADS: usize = 4096;
const THREADS_LEAST: usize = 16;

/// A word of an area that is about to be used.
const TAKEN: u32 = u32::MAX;

/// What a process knows of its threads.
#[derive(Debug)]
pub(super) struct Threads {
    /// Those that did not end.
    alive: AtomicU32,
    /// Where the pool is, and how many areas it has; 0 before there was a second thread.
    pool: AtomicUsize,
    areas: AtomicUsize,
}

impl Threads {
    /// Of a process with one thread.
    pub(super) const fn new() -> Threads {
        Threads { alive: AtomicU32::new(1), pool: AtomicUsize::new(0), areas: AtomicUsize::new(0) }
    }

    /// The words of the areas, and whether each was ever used.
    fn words(&self) -> (&'static [AtomicU32], &'static [AtomicU32]) {
        const { assert!(THREADS * size_of::<AtomicU32>() * 2 <= AREA) };
        let (pool, areas) = (self.pool.load(Ordering::Acquire), self.areas.load(Ordering::Acquire));
        if pool == 0 {
            return (&[], &[]);
        }
        // SAFETY: the pool begins with these, zeroed at first, and is never unmapped.
        unsafe {
            let words = pool as *const AtomicU32;
            (std::slice::from_raw_parts(words, areas), std::slice::from_raw_parts(words.add(THREADS), areas))
        }
    }

    /// Sets the pool aside. Called before there is a second thread.
    fn make_pool(&self, process: &GuestProcess) -> Result<(), Errno> {
        let mut threads = THREADS;
        loop {
            // One for the words, and one more: the start is moved to a multiple of an area's size.
            let size = (threads + 2) * AREA;
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            // SAFETY: a new mapping wherever there is room.
            let at = unsafe {
                let arguments = [0, size, protection as usize, flags as usize, usize::MAX, 0];
                let [a, b, c, d, e, f] = arguments;
                sc::platform::syscall6(libc::SYS_mmap as usize, a, b, c, d, e, f)
            };
            if (at as isize) >= 0 {
                let range = at as u64..(at + size) as u64;
                process.reserved.add(range).map_err(|_| Errno::ENOMEM)?;
                self.areas.store(threads, Ordering::Release);
                self.pool.store(at.next_multiple_of(AREA), Ordering::Release);
                return Ok(());
            }
            threads /= 4;
            if threads < THREADS_LEAST {
                return Err(Errno::ENOMEM);
            }
        }
    }

    /// Takes an area that nobody has: its word, and where it is.
    fn take(&self) -> Result<(&'static AtomicU32, *mut GuestThread), Errno> {
        let (words, used) = self.words();
        let free = |word: &AtomicU32| {
            word.load(Ordering::Relaxed) == 0
                && word.compare_exchange(0, TAKEN, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        let index = words.iter().position(free).ok_or(Errno::EAGAIN)?;
        let (word, used) = (&words[index], &used[index]);
        let area = self.pool.load(Ordering::Acquire) + (index + 1) * AREA;
        if used.load(Ordering::Relaxed) == 0 {
            if protect_gaps(area).is_err() {
                word.store(0, Ordering::Release);
                return Err(Errno::ENOMEM);
            }
            used.store(1, Ordering::Relaxed);
        }
        Ok((word, area as *mut GuestThread))
    }

    /// In the child of a fork: the calling thread is the only one.
    pub(super) fn forked(&self, own: &GuestThread) {
        if self.pool.load(Ordering::Acquire) == 0 {
            return;
        }
        self.alive.store(1, Ordering::Release);
        let own = ptr::from_ref(own) as usize;
        let first = self.pool.load(Ordering::Acquire) + AREA;
        for (word, area) in self.words().0.iter().zip((first..).step_by(AREA)) {
            // What was not used is not to be touched: it would be a page of the child's own.
            if area != own && word.load(Ordering::Relaxed) != 0 {
                word.store(0, Ordering::Release);
            }
        }
    }
}

/// What a new thread is told, and tells.
pub(super) struct Birth<'a> {
    new: &'a NewThread,
    kind: Kind,
    result: AtomicU32,
    /// Who it is to the engine, for a bare one.
    known_as: AtomicU64,
}

/// Who has a thread begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// A C library, which alone ends it.
    Pthread,
    /// Somebody who has the task's port.
    Bare,
}

/// [`Birth::result`] before there is one, and a good one. Others are errors.
const UNBORN: u32 = u32::MAX;
const BORN: u32 = 0;

/// Everything but what the runner needs itself.
fn all_but_kept() -> u64 {
    convert::signal::mask_to_linux(!KEPT) | u64::MAX << 31
}

/// The mask that the guest wants, as Linux is to have it.
fn own_mask(signals: &ThreadSignals) -> u64 {
    convert::signal::mask_to_linux(signals.mask & !KEPT)
}

/// Begins a thread of the calling guest thread's process.
pub(super) fn begin(new: &NewThread) -> Result<(), Errno> {
    begin_as(new, Kind::Pthread).map(|_| ())
}

/// The same for a thread that no C library knows of; who it is to the engine.
///
/// # Errors
/// `EAGAIN`, `ENOMEM`: there are as many as there can be.
pub fn begin_bare(new: &NewThread) -> Result<u64, Errno> {
    begin_as(new, Kind::Bare)
}

fn begin_as(new: &NewThread, kind: Kind) -> Result<u64, Errno> {
    let creator = current_thread().ok_or(Errno::ENOSYS)?;
    let guest = creator.guest;
    let (threads, kernel) = (&guest.threads, &guest.process.kernel);
    if threads.pool.load(Ordering::Acquire) == 0 {
        threads.make_pool(guest.process)?;
    }
    let (word, area) = threads.take()?;
    // SAFETY: the area is nobody else's, is mapped and large enough, and stays.
    let thread = unsafe {
        area.write(creator.like(new));
        &mut *area
    };
    let birth = Birth { new, kind, result: AtomicU32::new(UNBORN), known_as: AtomicU64::new(0) };
    // The thread begins with this mask: no signal may find it half made. It also ends a watch of the maker's.
    let mask = block(kernel, all_but_kept())?;
    threads.alive.fetch_add(1, Ordering::AcqRel);
    let result = match clone_thread(thread, word.as_ptr(), (&raw const birth) as u64) {
        Ok(()) => born(&birth),
        Err(error) => {
            word.store(0, Ordering::Release);
            threads.alive.fetch_sub(1, Ordering::AcqRel);
            Err(error)
        }
    };
    let _ = set_mask(kernel, mask);
    result.map(|()| birth.known_as.load(Ordering::Acquire))
}

/// Waits until a thread has what it needs, or has found that it cannot have it.
fn born(birth: &Birth<'_>) -> Result<(), Errno> {
    let kernel = xnu_backend_linux::Linux::new();
    loop {
        match birth.result.load(Ordering::Acquire) {
            UNBORN => {}
            BORN => return Ok(()),
            error => return Err(Errno::new(error as u16).unwrap_or(Errno::EIO)),
        }
        // A signal cannot end this: all are blocked.
        let _ = result_word(birth).wait(&kernel, UNBORN, None, ANYBODY);
    }
}

fn result_word(birth: &Birth<'_>) -> Futex {
    Futex { word: UserAddr::new(birth.result.as_ptr() as u64), is_shared: false }
}

/// Where a new thread begins, on its call stack.
///
/// # Safety
/// `thread` is the thread's own, and `birth` the [`Birth`] that its maker waits at.
pub(super) unsafe extern "sysv64" fn first_steps(
    thread: *mut GuestThread,
    birth: *const Birth<'static>,
) -> ! {
    // SAFETY: the caller's promise.
    let (thread, told) = unsafe { (&mut *thread, &*birth) };
    let kernel = &thread.guest.process.kernel;
    let made = make_ready(thread, told);
    let result = made.map_or_else(|error| u32::from(error.number()), |()| BORN);
    let word = result_word(told);
    told.result.store(result, Ordering::Release);
    // From here on the maker may be gone. Who waits at that address by now is woken for nothing.
    let _ = word.wake(kernel, 1, ANYBODY);
    if result != BORN {
        thread.guest.threads.alive.fetch_sub(1, Ordering::AcqRel);
        leave_for_good(kernel);
    }
    let _ = set_mask(kernel, own_mask(&thread.thread.signals));
    enter(thread)
}

fn make_ready(thread: &mut GuestThread, birth: &Birth<'_>) -> Result<(), Errno> {
    let new = birth.new;
    let Guest { process, text, .. } = thread.guest;
    let kernel = &process.kernel;
    thread.use_signal_stack(kernel)?;
    arm(text).map_err(|_| Errno::ENOMEM)?;
    set_gs_base(kernel, new.gs_base)?;
    if birth.kind == Kind::Bare {
        birth.known_as.store(process.lkm.introduce()?, Ordering::Release);
        process.lkm.suspend_caller();
        return Ok(());
    }
    let name = process.lkm.call_raw(Trap::ThreadSelfTrap, TrapArg::None).unwrap_or(0) as u32;
    if name == 0 || name == u32::MAX {
        return Err(Errno::EMFILE);
    }
    process.lkm.mark_pthread();
    thread.thread.registers.rsi = name.into();
    let made = if new.port_at.is_null() {
        Ok(())
    } else {
        kernel.copy_out(new.port_at, &u64::from(name).to_ne_bytes()).map_err(|_| Errno::EFAULT)
    };
    if made.is_ok() && new.is_suspended {
        process.lkm.suspend_caller();
    }
    if made.is_err() {
        let _ = process.lkm.call_raw(Trap::ThreadDeathAnnounce, TrapArg::None);
    }
    made
}

/// Ends the calling thread from where it stands; the guest keeps what it had.
pub(super) fn end_here(thread: &mut GuestThread) -> ! {
    // Linux has nothing to refuse, and the engine is there.
    let _ = set_mask(&thread.guest.process.kernel, u64::MAX);
    let _ = thread.guest.process.lkm.call_raw(Trap::ThreadDeathAnnounce, TrapArg::None);
    end(thread)
}

/// Ends the calling thread, which has nothing left in the guest. The last one ends the process, with status 0
/// (`osfmk/kern/thread.c`, `thread_terminate_self`).
pub(super) fn end(thread: &mut GuestThread) -> ! {
    let kernel = &thread.guest.process.kernel;
    // Linux has nothing to refuse.
    let _ = set_mask(kernel, u64::MAX);
    thread.collect();
    hand_on(thread);
    if thread.guest.threads.alive.fetch_sub(1, Ordering::AcqRel) == 1 {
        exit_group(kernel, 0);
    }
    if gettid(kernel) == getpid(kernel) {
        loop {
            let _ = suspend(kernel, u64::MAX);
        }
    }
    leave_for_good(kernel)
}

/// Signals that came and were not delivered are for whoever of the process wants them (`uthread_cleanup`).
fn hand_on(thread: &mut GuestThread) {
    let kernel = &thread.guest.process.kernel;
    let Ok(pid) = getpid(kernel) else { return };
    while let Some(info) = thread.thread.signals.take_one_of(!KEPT) {
        if let Some(number) = convert::signal::to_linux(info.signal) {
            let _ = kill(kernel, pid, number);
        }
    }
}

/// The end of a thread of Linux's. It gives the word of its area back.
fn leave_for_good<K: Kernel>(kernel: &K) -> ! {
    loop {
        // SAFETY: ends the thread; nobody has anything on its stack.
        let _ = unsafe { kernel.syscall(Sysno::Exit, &mut [Arg::Val(0)]) };
    }
}
