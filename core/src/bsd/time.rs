//! Clocks.

use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserPtr;
use xnu_abi::darwin::time::{Timeval, Timezone};
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
