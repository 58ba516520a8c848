//! A lock whose waiters sleep at a futex. It is held for moments, never while anything waits, and no handler takes it.
//!
//! # Safety
//! The two blocks make `futex` with the address of a word that lives as long as the call. Access to the value is the
//! holder's alone.

use crate::Linux;
use core::cell::UnsafeCell;
use core::hint;
use core::sync::atomic::{AtomicU32, Ordering};
use xnu_abi::linux::{Errno, Sysno, Timespec};
use xnu_core::{Arg, Kernel};
use xnu_lkm::Lock;
use zerocopy::IntoBytes;

const FREE: u32 = 0;
const HELD: u32 = 1;
const WAITED_FOR: u32 = 2;

/// Looks at a held lock before sleeping: who holds it is about to be done.
const SPINS: usize = 100;

const FUTEX_WAIT: usize = 0;
const FUTEX_WAKE: usize = 1;
const FUTEX_WAIT_BITSET: usize = 9;
const FUTEX_PRIVATE_FLAG: usize = 128;
const EVERY_BIT: usize = 0xffff_ffff;

/// Waits while the word is `expected`, until a time of the monotonic clock if there is one.
///
/// # Errors
/// `EAGAIN` where the word is another, `EINTR`, `ETIMEDOUT`.
pub(super) fn wait_until(
    kernel: &Linux,
    word: &AtomicU32,
    expected: u32,
    until: Option<&Timespec>,
) -> Result<(), Errno> {
    let until = until.map_or(Arg::Val(0), |until| Arg::In(until.as_bytes()));
    let (address, call) = (word.as_ptr() as usize, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG);
    let expected = Arg::Val(expected as usize);
    let mut args = [Arg::Val(address), Arg::Val(call), expected, until, Arg::Val(0), Arg::Val(EVERY_BIT)];
    // SAFETY: the word is alive, and Linux only reads it.
    unsafe { kernel.syscall(Sysno::Futex, &mut args) }.map(|_| ())
}

/// The same without an end, by the call that a signal is not to end (see the handler of whoever has one).
fn wait(kernel: &Linux, word: &AtomicU32, expected: u32) {
    let (address, call) = (word.as_ptr() as usize, FUTEX_WAIT | FUTEX_PRIVATE_FLAG);
    let mut args = [Arg::Val(address), Arg::Val(call), Arg::Val(expected as usize), Arg::Val(0)];
    // SAFETY: as above.
    let _ = unsafe { kernel.syscall(Sysno::Futex, &mut args) };
}

/// Wakes one that waits.
pub(super) fn wake(kernel: &Linux, word: &AtomicU32) {
    let (address, call) = (word.as_ptr() as usize, FUTEX_WAKE | FUTEX_PRIVATE_FLAG);
    // SAFETY: Linux does not touch the word.
    let _ = unsafe { kernel.syscall(Sysno::Futex, &mut [Arg::Val(address), Arg::Val(call), Arg::Val(1)]) };
}

/// A lock around nothing in particular.
#[derive(Debug)]
pub struct RawLock(AtomicU32);

impl Default for RawLock {
    fn default() -> RawLock {
        RawLock::new()
    }
}

impl RawLock {
    /// A free lock.
    pub const fn new() -> RawLock {
        RawLock(AtomicU32::new(FREE))
    }

    /// Runs `work` with the lock held.
    #[inline]
    pub fn with<R>(&self, work: impl FnOnce() -> R) -> R {
        self.take();
        let result = work();
        self.give_back();
        result
    }

    #[inline]
    fn take(&self) {
        if self.0.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.wait();
        }
    }

    #[inline]
    fn give_back(&self) {
        if self.0.swap(FREE, Ordering::Release) == WAITED_FOR {
            wake(&Linux::new(), &self.0);
        }
    }

    #[cold]
    fn wait(&self) {
        for _ in 0..SPINS {
            if self.0.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                return;
            }
            hint::spin_loop();
        }
        while self.0.swap(WAITED_FOR, Ordering::Acquire) != FREE {
            wait(&Linux::new(), &self.0, WAITED_FOR);
        }
    }

    /// Whether nobody holds it at present.
    pub fn is_free(&self) -> bool {
        self.0.load(Ordering::Acquire) == FREE
    }

    /// In a forked child: whoever held it is not there.
    pub fn forget(&self) {
        self.0.store(FREE, Ordering::Release);
    }
}

/// A lock around a value.
pub(super) struct FutexLock<T> {
    raw: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: the value goes from one holder to the next, and only one has it at a time.
unsafe impl<T: Send> Sync for FutexLock<T> {}

impl<T> Lock<T> for FutexLock<T> {
    fn new(value: T) -> FutexLock<T> {
        FutexLock::free(value)
    }

    #[inline]
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the lock is held, and nobody asks for it twice.
        self.raw.with(|| work(unsafe { &mut *self.value.get() }))
    }

    fn freeze(&self) {
        self.raw.take();
    }

    fn thaw(&self) {
        self.raw.give_back();
    }
}

impl<T> FutexLock<T> {
    /// A free lock, in a constant.
    pub(super) const fn free(value: T) -> FutexLock<T> {
        FutexLock { raw: RawLock::new(), value: UnsafeCell::new(value) }
    }

    /// As [`RawLock::forget`].
    pub(super) fn forget(&self) {
        if !self.raw.is_free() {
            self.raw.forget();
        }
    }
}
