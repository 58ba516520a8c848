//! Clocks.

use super::{LinuxResult, call, unit, value};
use crate::kernel::{Arg, Kernel};
use xnu_abi::linux::{LinuxItimerval, LinuxTimex, Sysno, Timespec};
use zerocopy::{FromZeros, IntoBytes};

/// Wall-clock time.
pub const CLOCK_REALTIME: i32 = 0;
/// Time since boot that does not count sleep.
pub const CLOCK_MONOTONIC: i32 = 1;
/// Time since boot that counts sleep.
pub const CLOCK_BOOTTIME: i32 = 7;
/// Time that the calling thread ran.
pub const CLOCK_THREAD_CPUTIME_ID: i32 = 3;

/// `man 2 clock_gettime`.
pub fn clock_gettime<K: Kernel>(kernel: &K, clock: i32) -> LinuxResult<Timespec> {
    let mut time = Timespec::new_zeroed();
    unit(call!(kernel, ClockGettime, value(clock), Arg::Out(time.as_mut_bytes())))?;
    Ok(time)
}

/// `man 2 getitimer`.
pub fn getitimer<K: Kernel>(kernel: &K, which: i32) -> LinuxResult<LinuxItimerval> {
    let mut left = LinuxItimerval::new_zeroed();
    unit(call!(kernel, Getitimer, value(which), Arg::Out(left.as_mut_bytes())))?;
    Ok(left)
}

/// `man 2 setitimer`.
pub fn setitimer<K: Kernel>(kernel: &K, which: i32, new: &LinuxItimerval) -> LinuxResult<()> {
    unit(call!(kernel, Setitimer, value(which), Arg::In(new.as_bytes()), Arg::Val(0)))
}

/// `man 2 nanosleep`; what is left after an interruption is not told.
pub fn nanosleep<K: Kernel>(kernel: &K, duration: &Timespec) -> LinuxResult<()> {
    unit(call!(kernel, Nanosleep, Arg::In(duration.as_bytes()), Arg::Val(0)))
}

/// `man 2 clock_nanosleep` until a time of [`CLOCK_MONOTONIC`].
pub fn sleep_until<K: Kernel>(kernel: &K, until: &Timespec) -> LinuxResult<()> {
    const TIMER_ABSTIME: i32 = 1;
    let until = Arg::In(until.as_bytes());
    unit(call!(kernel, ClockNanosleep, value(CLOCK_MONOTONIC), value(TIMER_ABSTIME), until, Arg::Val(0)))
}

/// `man 2 clock_settime` of the wall clock.
pub fn set_wall_clock<K: Kernel>(kernel: &K, time: &Timespec) -> LinuxResult<()> {
    unit(call!(kernel, ClockSettime, value(CLOCK_REALTIME), Arg::In(time.as_bytes())))
}

/// `man 2 adjtimex`: the state of the clock, after changing what `modes` says.
pub fn adjtimex<K: Kernel>(kernel: &K, state: &mut LinuxTimex) -> LinuxResult<i32> {
    super::int(call!(kernel, Adjtimex, Arg::Out(state.as_mut_bytes())))
}
