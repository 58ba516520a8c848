//! Clocks.

use super::credentials::superuser;
use crate::convert::errno::ToBsd;
use crate::convert::time::timeval_to_timespec;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserPtr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::time::{Itimer, Itimerval, Ntptimeval, Timespec, Timeval, Timex, Timezone};
use xnu_abi::linux::{LinuxItimerval, LinuxTimeval, LinuxTimex};
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

/// `man 2 settimeofday` (`bsd/kern/kern_time.c`): for the superuser. Linux then asks for a capability. The time zone is
/// not kept.
pub fn settimeofday<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    time: UserPtr<Timeval>,
    zone: UserPtr<Timezone>,
) -> SysResult<()> {
    let kernel = cx.kernel();
    superuser(kernel)?;
    let wanted = if time.is_null() { None } else { Some(time.read(kernel)?) };
    if !zone.is_null() {
        zone.read(kernel)?;
    }
    let Some(wanted) = wanted else { return Ok(()) };
    if wanted.tv_sec < 0 || wanted.tv_usec < 0 {
        return Err(Errno::EPERM);
    }
    linux::time::set_wall_clock(kernel, &timeval_to_timespec(&wanted)).to_bsd()
}

/// `man 2 adjtime` (`bsd/kern/kern_ntptime.c`): for the superuser. The correction that was left is written after the new
/// one is under way.
pub fn adjtime<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    delta: UserPtr<Timeval>,
    old: UserPtr<Timeval>,
) -> SysResult<()> {
    /// `ADJ_OFFSET_SINGLESHOT`: as `adjtime`, in microseconds.
    const SINGLE_SHOT: u32 = 0x8001;
    const MICROSECONDS: i64 = 1_000_000;
    let kernel = cx.kernel();
    superuser(kernel)?;
    let wanted = delta.read(kernel)?;
    let mut state = LinuxTimex::new_zeroed();
    state.modes = SINGLE_SHOT;
    state.offset = wanted.tv_sec.saturating_mul(MICROSECONDS).saturating_add(wanted.tv_usec.into());
    linux::time::adjtimex(kernel, &mut state).to_bsd()?;
    if old.is_null() {
        return Ok(());
    }
    let (tv_sec, tv_usec) = (state.offset / MICROSECONDS, (state.offset % MICROSECONDS) as i32);
    Ok(old.write(kernel, &Timeval { tv_sec, tv_usec, _pad: 0 })?)
}

/// `STA_UNSYNC | STA_CLOCKERR`: nobody keeps the clock right.
const WRONG_CLOCK: i32 = 0x40 | 0x1000;
/// `TIME_ERROR`: the state of a clock that nobody keeps right.
const TIME_ERROR: i32 = 5;

/// Linux's account of the clock. Its status bits are those of the network time protocol, as Darwin's are.
fn clock_state<K: Kernel>(kernel: &K) -> SysResult<(LinuxTimex, i32)> {
    let mut state = LinuxTimex::new_zeroed();
    let told = linux::time::adjtimex(kernel, &mut state).to_bsd()?;
    let is_wrong = state.status & WRONG_CLOCK != 0;
    Ok((state, if is_wrong { TIME_ERROR } else { told }))
}

/// `ntp_adjtime` (`bsd/kern/kern_ntptime.c`): the state of the clock. Changing it is for the superuser, to whom it is
/// refused too: the clock is Linux's to steer.
pub fn ntp_adjtime<K: Kernel, L>(cx: &mut Context<'_, K, L>, argument: UserPtr<Timex>) -> SysResult<i32> {
    let kernel = cx.kernel();
    let given = argument.read(kernel)?;
    if given.modes != 0 {
        return Err(Errno::EPERM);
    }
    let (found, told) = clock_state(kernel)?;
    let mut answer = Timex::new_zeroed();
    answer.offset = found.offset;
    answer.freq = found.freq;
    answer.maxerror = found.maxerror;
    answer.esterror = found.esterror;
    answer.status = found.status;
    answer.constant = found.constant;
    answer.precision = found.precision;
    answer.tolerance = found.tolerance;
    argument.write(kernel, &answer)?;
    Ok(told)
}

/// `ntp_gettime` (`bsd/kern/kern_ntptime.c`), which returns the state of the clock where others return an error: of a
/// clock that nobody keeps right, it is the error of that number, `EIO`.
pub fn ntp_gettime<K: Kernel, L>(cx: &mut Context<'_, K, L>, argument: UserPtr<Ntptimeval>) -> SysResult<()> {
    let kernel = cx.kernel();
    let (found, told) = clock_state(kernel)?;
    let now = linux::time::clock_gettime(kernel, linux::time::CLOCK_REALTIME).to_bsd()?;
    let mut answer = Ntptimeval::new_zeroed();
    answer.time = Timespec { tv_sec: now.tv_sec, tv_nsec: now.tv_nsec };
    answer.maxerror = found.maxerror;
    answer.esterror = found.esterror;
    answer.tai = found.tai.into();
    answer.time_state = told;
    argument.write(kernel, &answer)?;
    match told {
        0 => Ok(()),
        told => Err(Errno::new(told as u16).unwrap_or(Errno::EIO)),
    }
}

/// `__mach_bridge_remote_time`: the time of a chip beside the processor, which there is none of: that of the processor
/// where no time is given, else 0 (`osfmk/kern/remote_time.c`, as x86-64 is built).
pub fn mach_bridge_remote_time<K: Kernel, L>(cx: &mut Context<'_, K, L>, local: u64) -> SysResult<u64> {
    if local != 0 {
        return Ok(0);
    }
    crate::mach::timer::absolute_time(cx)
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
