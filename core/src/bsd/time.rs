//! Clocks.

use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserPtr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::time::{Itimer, Itimerval, Timeval, Timezone};
use xnu_abi::linux::{LinuxItimerval, LinuxTimeval};
use zerocopy::FromZeros;

/// Nanoseconds of a second.
const NANOSECONDS: u64 = 1_000_000_000;

/// `man 2 gettimeofday`, in the three-argument form of the system call (`bsd/kern/kern_time.c`): the third is the
/// `mach_absolute_time` of the same moment, in nanoseconds. The kernel's time zone is always UTC.
pub fn gettimeofday<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    time: UserPtr<Timeval>,
    zone: UserPtr<Timezone>,
    absolute: UserPtr<u64>,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let wall = linux::time::clock_gettime(kernel, linux::time::CLOCK_REALTIME).to_bsd()?;
    let since_boot = linux::time::clock_gettime(kernel, linux::time::CLOCK_MONOTONIC).to_bsd()?;
    if !time.is_null() {
        let mut value = Timeval::new_zeroed();
        value.tv_sec = wall.tv_sec;
        value.tv_usec = (wall.tv_nsec / 1000) as i32;
        time.write(kernel, &value)?;
    }
    if !zone.is_null() {
        zone.write(kernel, &Timezone::new_zeroed())?;
    }
    if !absolute.is_null() {
        let seconds = (since_boot.tv_sec as u64).wrapping_mul(NANOSECONDS);
        absolute.write(kernel, &seconds.wrapping_add(since_boot.tv_nsec as u64))?;
    }
    Ok(())
}

/// `man 2 getitimer`. Linux counts the three timers as Darwin does.
pub fn getitimer<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    which: Itimer,
    value: UserPtr<Itimerval>,
) -> SysResult<()> {
    let left = linux::time::getitimer(cx.kernel(), which.number()).to_bsd()?;
    value.write(cx.kernel(), &itimerval_to_darwin(&left))?;
    Ok(())
}

/// `man 2 setitimer` (`bsd/kern/kern_time.c`): a null value changes nothing; the old one is written before the new
/// one is set.
pub fn setitimer<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    which: Itimer,
    value: UserPtr<Itimerval>,
    old: UserPtr<Itimerval>,
) -> SysResult<()> {
    if which.name().is_none() {
        return Err(Errno::EINVAL);
    }
    let wanted = if value.is_null() { None } else { Some(value.read(cx.kernel())?) };
    if !old.is_null() {
        getitimer(cx, which, old)?;
    }
    let Some(wanted) = wanted else { return Ok(()) };
    let wanted = LinuxItimerval {
        it_interval: timeval_to_linux(&wanted.it_interval)?,
        it_value: timeval_to_linux(&wanted.it_value)?,
    };
    linux::time::setitimer(cx.kernel(), which.number(), &wanted).to_bsd()
}

/// The longest time that a timer takes, in seconds (`itimerfix`).
const ITIMER_MAX: i64 = 100_000_000;

fn timeval_to_linux(from: &Timeval) -> SysResult<LinuxTimeval> {
    let fits = (0..=ITIMER_MAX).contains(&from.tv_sec) && (0..1_000_000).contains(&from.tv_usec);
    if !fits {
        return Err(Errno::EINVAL);
    }
    Ok(LinuxTimeval { tv_sec: from.tv_sec, tv_usec: i64::from(from.tv_usec) })
}

fn itimerval_to_darwin(from: &LinuxItimerval) -> Itimerval {
    let mut to = Itimerval::new_zeroed();
    (to.it_interval.tv_sec, to.it_interval.tv_usec) =
        (from.it_interval.tv_sec, from.it_interval.tv_usec as i32);
    (to.it_value.tv_sec, to.it_value.tv_usec) = (from.it_value.tv_sec, from.it_value.tv_usec as i32);
    to
}
