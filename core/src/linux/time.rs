//! Clocks.

use super::{LinuxResult, call, unit, value};
use crate::kernel::{Arg, Kernel};
use xnu_abi::linux::{LinuxItimerval, Sysno, Timespec};
use zerocopy::{FromZeros, IntoBytes};

/// Wall-clock time.
pub const CLOCK_REALTIME: i32 = 0;
/// Time since boot that does not count sleep.
pub const CLOCK_MONOTONIC: i32 = 1;

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
