//! Waiting at a word of one's own: what locks of the C library, of Rust's and of others are made of
//! (`bsd/kern/sys_ulock.c`).
//!
//! Linux waits at words of 32 bits. Of a word of 64 it sees the lower half: a change of the other half alone is seen a
//! moment later.

use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::linux::futex::{ANYBODY, Futex};
use crate::lkm::{Lkm, TrapArg};
use crate::process::Context;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use core::sync::atomic::{AtomicU32, Ordering};
use xnu_abi::darwin::Errno;
use xnu_abi::linux::{self as abi, Timespec};
use xnu_abi::lkm::Trap;

/// Operations and flags (`bsd/sys/ulock.h`).
mod op {
    pub(super) const COMPARE_AND_WAIT: u32 = 1;
    pub(super) const UNFAIR_LOCK: u32 = 2;
    pub(super) const COMPARE_AND_WAIT_SHARED: u32 = 3;
    pub(super) const COMPARE_AND_WAIT64: u32 = 5;
    pub(super) const COMPARE_AND_WAIT64_SHARED: u32 = 6;
    pub(super) const OPCODE: u32 = 0xff;
    pub(super) const WAKE_ALL: u32 = 0x100;
    pub(super) const WAKE_THREAD: u32 = 0x200;
    pub(super) const WAKE_ALLOW_NON_OWNER: u32 = 0x400;
    pub(super) const NO_ERRNO: u32 = 0x0100_0000;
    pub(super) const DEADLINE: u32 = 0x0200_0000;
    pub(super) const WAIT_FLAGS: u32 = NO_ERRNO | DEADLINE | 0x7_0000;
    pub(super) const WAKE_FLAGS: u32 = NO_ERRNO | WAKE_ALL | WAKE_THREAD | WAKE_ALLOW_NON_OWNER;
}

const SECOND_NS: u64 = 1_000_000_000;

/// How long a change of an upper half alone, which Linux does not compare, may go unseen at first; then as long again as was
/// waited already.
const LOOK_NS: u64 = 10_000_000;

/// How many wait at words of the process, by the words' places. A word shares its count with others, so the number is
/// too high at times; never too low.
#[derive(Debug)]
pub struct Waiters([AtomicU32; PLACES]);

/// How many counts there are: a power of two.
const PLACES: usize = 64;

impl Waiters {
    /// Nobody waits.
    pub(crate) const fn new() -> Waiters {
        Waiters([const { AtomicU32::new(0) }; PLACES])
    }

    fn at(&self, word: UserAddr) -> Option<&AtomicU32> {
        // By lines of the processor's cache, and pages.
        let place = word.get() >> 6 ^ word.get() >> 12;
        self.0.get(place as usize & PLACES.wrapping_sub(1))
    }

    fn enter(&self, word: UserAddr) {
        if let Some(count) = self.at(word) {
            count.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// How many are left.
    fn leave(&self, word: UserAddr) -> i32 {
        self.at(word).map_or(0, |count| count.fetch_sub(1, Ordering::AcqRel).wrapping_sub(1)) as i32
    }

    fn is_empty(&self, word: UserAddr) -> bool {
        self.at(word).is_none_or(|count| count.load(Ordering::Acquire) == 0)
    }
}

/// What an operation is about.
struct Kind {
    /// The word is a lock's, and says who holds it.
    is_owned: bool,
    is_shared: bool,
    is_wide: bool,
}

impl Kind {
    fn of(operation: u32) -> SysResult<Kind> {
        let (is_owned, is_shared, is_wide) = match operation & op::OPCODE {
            op::COMPARE_AND_WAIT => (false, false, false),
            op::UNFAIR_LOCK => (true, false, false),
            op::COMPARE_AND_WAIT_SHARED => (false, true, false),
            op::COMPARE_AND_WAIT64 => (false, false, true),
            op::COMPARE_AND_WAIT64_SHARED => (false, true, true),
            _ => return Err(Errno::EINVAL),
        };
        Ok(Kind { is_owned, is_shared, is_wide })
    }
}

/// An error is a negative answer where that is wanted.
fn munge(operation: u32, answer: SysResult<i32>) -> SysResult<i32> {
    match answer {
        Err(error) if operation & op::NO_ERRNO != 0 => Ok(i32::from(error.number()).wrapping_neg()),
        answer => answer,
    }
}

/// `ulock_wait`: waits while the word has this value, for so many microseconds at most; 0 is for ever. Answers how many
/// others still wait.
pub fn ulock_wait<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    operation: u32,
    word: UserAddr,
    value: u64,
    timeout_us: u32,
) -> SysResult<i32> {
    ulock_wait2(cx, operation, word, value, u64::from(timeout_us).wrapping_mul(1000), 0)
}

/// `ulock_wait2`: the same for nanoseconds, or until a time (`ULF_DEADLINE`).
pub fn ulock_wait2<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    operation: u32,
    word: UserAddr,
    value: u64,
    timeout_ns: u64,
    _value2: u64,
) -> SysResult<i32> {
    let answer = (|| {
        if operation & !(op::OPCODE | op::WAIT_FLAGS) != 0 {
            return Err(Errno::EINVAL);
        }
        let kind = Kind::of(operation)?;
        let size = if kind.is_wide { 8 } else { 4 };
        if word.is_null() || !word.get().is_multiple_of(size) {
            return Err(Errno::EINVAL);
        }
        let until_ns = match timeout_ns {
            0 => None,
            until if operation & op::DEADLINE != 0 => Some(until),
            timeout => Some(now_ns(cx.kernel())?.saturating_add(timeout)),
        };
        let waiters = &cx.process.waiters;
        waiters.enter(word);
        let waited = wait(cx, &kind, word, value, until_ns);
        let left = waiters.leave(word);
        waited.map(|()| left)
    })();
    munge(operation, answer)
}

fn now_ns<K: Kernel>(kernel: &K) -> SysResult<u64> {
    let now = linux::time::clock_gettime(kernel, linux::time::CLOCK_MONOTONIC).to_bsd()?;
    Ok((now.tv_sec as u64).wrapping_mul(SECOND_NS).wrapping_add(now.tv_nsec as u64))
}

fn wait<K: Kernel, L: Lkm>(
    cx: &Context<'_, K, L>,
    kind: &Kind,
    word: UserAddr,
    value: u64,
    until_ns: Option<u64>,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let futex = Futex { word, is_shared: kind.is_shared };
    let own = linux::process::gettid(kernel).to_bsd()?;
    let mut patience_ns = kind.is_wide.then_some(LOOK_NS);
    loop {
        if read(kernel, kind, word)? != value {
            return Ok(());
        }
        if kind.is_owned {
            check_owner(cx, value as u32, own)?;
        }
        let look_ns = match patience_ns {
            Some(patience_ns) => now_ns(kernel)?.checked_add(patience_ns),
            None => None,
        };
        patience_ns = patience_ns.and_then(|patience_ns| patience_ns.checked_mul(2));
        let next_ns = [until_ns, look_ns].into_iter().flatten().min();
        let next = next_ns.map(|at| Timespec {
            tv_sec: at.wrapping_div(SECOND_NS) as i64,
            tv_nsec: at.wrapping_rem(SECOND_NS) as i64,
        });
        return match futex.wait(kernel, value as u32, next.as_ref(), mark(own)) {
            Ok(()) | Err(abi::Errno::EAGAIN) => Ok(()),
            Err(abi::Errno::ETIMEDOUT) if next_ns != until_ns => continue,
            Err(error) => Err(error).to_bsd(),
        };
    }
}

/// What the word is.
fn read<K: Kernel>(kernel: &K, kind: &Kind, word: UserAddr) -> SysResult<u64> {
    Ok(match kind.is_wide {
        true => UserPtr::<u64>::new(word).read(kernel)?,
        false => UserPtr::<u32>::new(word).read(kernel)?.into(),
    })
}

/// The mark of a thread among those that wait.
fn mark(tid: i32) -> u32 {
    1u32.wrapping_shl(tid as u32)
}

/// A lock's word is the name of its holder's port, whose two lowest bits may be other than those of a name.
fn check_owner<K, L: Lkm>(cx: &Context<'_, K, L>, value: u32, own: i32) -> SysResult<()> {
    const MACH_PORT_DEAD: u32 = u32::MAX;
    let name = value | 3;
    match thread(cx, name) {
        Some(owner) if owner != own => Ok(()),
        _ if name == MACH_PORT_DEAD => Ok(()),
        _ => Err(Errno::EOWNERDEAD),
    }
}

/// The thread that a name stands for.
fn thread<K, L: Lkm>(cx: &Context<'_, K, L>, name: u32) -> Option<i32> {
    let tid = cx.lkm().call_raw(Trap::TidForThread, TrapArg::Value(name as i32 as usize)).ok()?;
    Some(tid as i32).filter(|tid| *tid > 0)
}

/// `ulock_wake`: wakes one, all, or a certain one of those that wait at a word; `ENOENT` where nobody does.
pub fn ulock_wake<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    operation: u32,
    word: UserAddr,
    wake_value: u64,
) -> SysResult<i32> {
    munge(operation, wake(cx, operation, word, wake_value).map(|()| 0))
}

fn wake<K: Kernel, L: Lkm>(
    cx: &Context<'_, K, L>,
    operation: u32,
    word: UserAddr,
    wake_value: u64,
) -> SysResult<()> {
    let kind = Kind::of(operation)?;
    let has = |flag: u32| operation & flag != 0;
    if has(!(op::OPCODE | op::WAKE_FLAGS))
        || has(op::WAKE_THREAD) && (has(op::WAKE_ALL) || kind.is_owned)
        || has(op::WAKE_ALLOW_NON_OWNER) && !kind.is_owned
        || word.is_null()
    {
        return Err(Errno::EINVAL);
    }
    let kernel = cx.kernel();
    let futex = Futex { word, is_shared: kind.is_shared };
    const ALL: u32 = i32::MAX as u32;
    let (count, marks) = if has(op::WAKE_THREAD) {
        let own = linux::process::gettid(kernel).to_bsd()?;
        let wanted = thread(cx, wake_value as u32).filter(|tid| *tid != own).ok_or(Errno::ESRCH)?;
        // Others have this mark too. They find that they were woken for nothing.
        (ALL, mark(wanted))
    } else {
        (if has(op::WAKE_ALL) { ALL } else { 1 }, ANYBODY)
    };
    match futex.wake(kernel, count, marks) {
        Ok(1..) => Ok(()),
        Ok(_) if has(op::WAKE_THREAD) && !cx.process.waiters.is_empty(word) => Err(Errno::EALREADY),
        // Nobody can wait at what is no word.
        Ok(_) | Err(abi::Errno::EINVAL) => Err(Errno::ENOENT),
        Err(abi::Errno::EFAULT) => Err(Errno::EINVAL),
        Err(error) => Err(error).to_bsd(),
    }
}
