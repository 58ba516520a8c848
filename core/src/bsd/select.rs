//! `select` and `pselect` (`bsd/kern/sys_generic.c`, `select_internal`, `selprocess`).
//!
//! Differs from XNU: sets are looked at up to the number of descriptors that Linux has made room for, where XNU stops at
//! its own; and a regular file, which Apple's file systems call exceptional at all times, never is.

use super::scratch::{Scratch, copy};
use super::signal;
use crate::convert::errno::errno;
use crate::convert::signal::mask_to_linux;
use crate::descriptors::OPEN_MAX;
use crate::kernel::{Arg, Fault, Kernel};
use crate::linux::{self, LinuxResult};
use crate::process::Context;
use crate::signal::{CANNOT_MASK, KEPT};
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::time::{Timespec, Timeval};
use xnu_abi::linux as abi;
use zerocopy::{FromZeros, IntoBytes};

/// Descriptors to read, to write, and with something exceptional.
type Sets = [UserAddr; 3];

/// Bytes of one word of a set: 32 bits, where Linux has 64.
const WORD: usize = 4;

/// The longest set that is copied to the stack.
const SHORT: usize = 64;

/// `man 2 select`. The time is not changed.
pub fn select<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    count: i32,
    reads: UserAddr,
    writes: UserAddr,
    exceptions: UserAddr,
    time: UserPtr<Timeval>,
) -> SysResult<i32> {
    let mut timeout = match time.is_null() {
        true => None,
        false => Some(timeval(&time.read(cx.kernel())?)?),
    };
    check_count(count)?;
    wait(cx, count, [reads, writes, exceptions], timeout.as_mut(), None).map_err(Failure::errno)
}

/// `man 2 pselect`. The mask holds from before the wait until a signal that it lets through is delivered.
pub fn pselect<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    count: i32,
    reads: UserAddr,
    writes: UserAddr,
    exceptions: UserAddr,
    time: UserPtr<Timespec>,
    mask: UserPtr<u32>,
) -> SysResult<i32> {
    let kernel = cx.kernel();
    let mut timeout = match time.is_null() {
        true => None,
        false => Some(timespec(&time.read(kernel)?)?),
    };
    let mask = if mask.is_null() { None } else { Some(mask.read(kernel)? & !CANNOT_MASK) };
    check_count(count)?;
    let sets = [reads, writes, exceptions];
    let Some(mask) = mask else {
        return wait(cx, count, sets, timeout.as_mut(), None).map_err(Failure::errno);
    };
    // What came while the thread did not want it, and is noted by the core, interrupts nothing in Linux.
    let noted = cx.thread.as_ref().is_some_and(|thread| thread.signals.pending() & !mask != 0);
    let mut at_once = abi::Timespec::new_zeroed();
    let time = if noted { Some(&mut at_once) } else { timeout.as_mut() };
    let linux_mask = mask_to_linux(if cx.thread.is_some() { mask & !KEPT } else { mask });
    let answer = match wait(cx, count, sets, time, Some(linux_mask)) {
        Ok(0) if noted && !timeout.is_some_and(|time| time == abi::Timespec::new_zeroed()) => {
            Err(Failure::Linux(abi::Errno::EINTR))
        }
        other => other,
    };
    if matches!(answer, Err(Failure::Linux(abi::Errno::EINTR))) {
        signal::suspend_mask(cx, mask);
    }
    answer.map_err(Failure::errno)
}

fn check_count(count: i32) -> SysResult<()> {
    if count < 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

/// `itimerfix`.
fn timeval(from: &Timeval) -> SysResult<abi::Timespec> {
    const LONGEST: i64 = 100_000_000;
    if !(0..=LONGEST).contains(&from.tv_sec) || !(0..1_000_000).contains(&from.tv_usec) {
        return Err(Errno::EINVAL);
    }
    Ok(abi::Timespec { tv_sec: from.tv_sec, tv_nsec: i64::from(from.tv_usec).wrapping_mul(1000) })
}

/// `timespec_is_valid`: a whole second of nanoseconds is one.
fn timespec(from: &Timespec) -> SysResult<abi::Timespec> {
    const SECOND: i64 = 1_000_000_000;
    if !(0..=i64::from(i32::MAX)).contains(&from.tv_sec) || !(0..=SECOND).contains(&from.tv_nsec) {
        return Err(Errno::EINVAL);
    }
    match from.tv_nsec {
        SECOND => Ok(abi::Timespec { tv_sec: from.tv_sec.wrapping_add(1), tv_nsec: 0 }),
        tv_nsec => Ok(abi::Timespec { tv_sec: from.tv_sec, tv_nsec }),
    }
}

/// Why there is no answer: Linux's `EINTR` is not any other.
#[derive(Clone, Copy)]
enum Failure {
    Linux(abi::Errno),
    Darwin(Errno),
}

impl Failure {
    fn errno(self) -> Errno {
        match self {
            Failure::Linux(error) => errno(error),
            Failure::Darwin(error) => error,
        }
    }
}

impl From<Fault> for Failure {
    fn from(_: Fault) -> Failure {
        Failure::Darwin(Errno::EFAULT)
    }
}

impl From<Errno> for Failure {
    fn from(error: Errno) -> Failure {
        Failure::Darwin(error)
    }
}

/// Waits. Linux's words are twice as long: sets of an even number of words are its own to read and write, others are
/// copied, so that nothing behind them is touched.
fn wait<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    count: i32,
    sets: Sets,
    timeout: Option<&mut abi::Timespec>,
    mask: Option<u64>,
) -> Result<i32, Failure> {
    let kernel = cx.kernel();
    let count = count.min(OPEN_MAX as i32);
    check_kept(cx, count, sets)?;
    let length = (count as usize).div_ceil(8 * WORD).wrapping_mul(WORD);
    if length.is_multiple_of(2 * WORD) {
        let sets = sets.map(Arg::User);
        return linux::wait::pselect6(kernel, count, sets, timeout, mask).map_err(Failure::Linux);
    }
    if length < SHORT {
        return wait_short(kernel, count, length, sets, timeout, mask);
    }
    wait_long(kernel, count, length, sets, timeout, mask)
}

/// The prefix's own descriptor is none of the guest's.
fn check_kept<K: Kernel, L>(cx: &Context<'_, K, L>, count: i32, sets: Sets) -> SysResult<()> {
    let Some(kept) = cx.process.vchroot.kept().filter(|kept| *kept < count) else { return Ok(()) };
    let bit = 1u32.wrapping_shl(kept as u32 % u32::BITS);
    for set in sets.into_iter().filter(|set| !set.is_null()) {
        let word = UserPtr::<u32>::new(set).element(u64::from(kept as u32 / u32::BITS))?;
        if word.read(cx.kernel())? & bit != 0 {
            return Err(Errno::EBADF);
        }
    }
    Ok(())
}

/// With copies on the stack.
#[inline(never)]
fn wait_short<K: Kernel>(
    kernel: &K,
    count: i32,
    length: usize,
    sets: Sets,
    timeout: Option<&mut abi::Timespec>,
    mask: Option<u64>,
) -> Result<i32, Failure> {
    let mut copies = [[0u64; SHORT / 8]; 3];
    for (copy, set) in copies.iter_mut().zip(sets) {
        if let Some(bytes) = copy.as_mut_bytes().get_mut(..length).filter(|_| !set.is_null()) {
            kernel.copy_in(set, bytes)?;
        }
    }
    let [reads, writes, exceptions] = &mut copies;
    let lent = [(reads, 0), (writes, 1), (exceptions, 2)].map(|(copy, index)| {
        let wanted = sets.get(index).is_some_and(|set| !set.is_null());
        if wanted { Arg::Out(copy.as_mut_bytes()) } else { Arg::Val(0) }
    });
    let ready = linux::wait::pselect6(kernel, count, lent, timeout, mask).map_err(Failure::Linux)?;
    let mut written = Ok(());
    for (copy, set) in copies.iter().zip(sets) {
        if let Some(bytes) = copy.as_bytes().get(..length).filter(|_| !set.is_null()) {
            written = written.and(kernel.copy_out(set, bytes));
        }
    }
    written?;
    Ok(ready)
}

/// With copies in pages of their own.
#[cold]
#[inline(never)]
fn wait_long<K: Kernel>(
    kernel: &K,
    count: i32,
    length: usize,
    sets: Sets,
    timeout: Option<&mut abi::Timespec>,
    mask: Option<u64>,
) -> Result<i32, Failure> {
    let room = length.saturating_add(WORD);
    let pages = Scratch::new(kernel, room.saturating_mul(3))?;
    let mut copies = [UserAddr::NULL; 3];
    for (index, (at, set)) in copies.iter_mut().zip(sets).enumerate() {
        if !set.is_null() {
            *at = pages.at(index.saturating_mul(room))?;
            copy(kernel, set, *at, length)?;
        }
    }
    let ready: LinuxResult<i32> = linux::wait::pselect6(kernel, count, copies.map(Arg::User), timeout, mask);
    let ready = ready.map_err(Failure::Linux)?;
    let mut written = Ok(());
    for (at, set) in copies.into_iter().zip(sets) {
        if !set.is_null() {
            written = written.and(copy(kernel, at, set, length));
        }
    }
    written?;
    Ok(ready)
}
