//! What a process or thread used, and how much memory there is.

use crate::convert::errno::ToBsd;
use crate::convert::resource::rusage_to_darwin;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserPtr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::resource::{Rusage, RusageWho};
use xnu_abi::linux::Sysinfo;

/// Nanoseconds of a second.
const NANOSECONDS: u64 = 1_000_000_000;

/// `man 2 getrusage` (`bsd/kern/kern_resource.c`). Linux's numbers for whom are Darwin's, but Linux knows one more.
pub fn getrusage<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    who: RusageWho,
    usage: UserPtr<Rusage>,
) -> SysResult<()> {
    if who.name().is_none() {
        return Err(Errno::EINVAL);
    }
    let used = linux::process::getrusage(cx.kernel(), who.number()).to_bsd()?;
    usage.write(cx.kernel(), &rusage_to_darwin(&used))?;
    Ok(())
}

/// `thread_selfusage`: how long the calling thread ran, in units of `mach_absolute_time`, which are nanoseconds here
/// (`bsd/kern/kern_resource.c`).
pub fn thread_selfusage<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<u64> {
    let ran = linux::time::clock_gettime(cx.kernel(), linux::time::CLOCK_THREAD_CPUTIME_ID).to_bsd()?;
    Ok((ran.tv_sec as u64).wrapping_mul(NANOSECONDS).wrapping_add(ran.tv_nsec as u64))
}

/// `thread_selfid` (`bsd/kern/kern_proc.c`).
pub fn thread_selfid<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<u64> {
    Ok(linux::process::gettid(cx.kernel()).to_bsd()? as u64)
}

/// `memorystatus_get_level`: how much of the memory is free, in percent (`bsd/kern/kern_memorystatus.c`).
pub fn memorystatus_get_level<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    level: UserPtr<u32>,
) -> SysResult<()> {
    let info = linux::process::sysinfo(cx.kernel()).to_bsd()?;
    level.write(cx.kernel(), &free_percent(&info))?;
    Ok(())
}

/// `memorystatus_available_memory`: 0 for a process without a limit, which every ordinary one on a Mac is
/// (`bsd/kern/kern_memorystatus.c`, `memorystatus_available_memory_internal`).
pub fn memorystatus_available_memory<K: Kernel, L>(_cx: &mut Context<'_, K, L>) -> SysResult<u64> {
    Ok(0)
}

/// What is free of the memory, in percent.
pub(super) fn free_percent(info: &Sysinfo) -> u32 {
    let free = info.freeram.saturating_add(info.bufferram);
    free.min(info.totalram).saturating_mul(100).checked_div(info.totalram).unwrap_or(0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromZeros;

    #[test]
    fn free_memory_is_between_nothing_and_all() {
        let percent = |total, free, buffers| {
            let mut info = Sysinfo::new_zeroed();
            (info.totalram, info.freeram, info.bufferram) = (total, free, buffers);
            free_percent(&info)
        };
        assert_eq!(percent(200, 50, 10), 30);
        assert_eq!(percent(0, 5, 0), 0);
        assert_eq!(percent(10, u64::MAX, u64::MAX), 100);
    }
}
