//! Virtual memory of the guest.

use super::{LinuxFd, LinuxResult, call, unit};
use crate::kernel::{Arg, Kernel};
use crate::user::UserAddr;
use xnu_abi::linux::Sysno;

/// `man 2 mmap`. The caller keeps the runner's own memory out of the range.
pub fn mmap<K: Kernel>(
    kernel: &K,
    address: UserAddr,
    length: usize,
    protection: u32,
    flags: u32,
    file: LinuxFd,
    offset: i64,
) -> LinuxResult<UserAddr> {
    call!(
        kernel,
        Mmap,
        Arg::Val(address.get() as usize),
        Arg::Val(length),
        Arg::Val(protection as usize),
        Arg::Val(flags as usize),
        file.arg(),
        Arg::Val(offset as usize)
    )
    .map(|address| UserAddr::new(address as u64))
}

/// `man 2 munmap`. The caller keeps the runner's own memory out of the range.
pub fn munmap<K: Kernel>(kernel: &K, address: UserAddr, length: usize) -> LinuxResult<()> {
    unit(call!(kernel, Munmap, Arg::Val(address.get() as usize), Arg::Val(length)))
}

/// `man 2 mprotect`. The caller keeps the runner's own memory out of the range.
pub fn mprotect<K: Kernel>(kernel: &K, address: UserAddr, length: usize, protection: u32) -> LinuxResult<()> {
    let protection = Arg::Val(protection as usize);
    unit(call!(kernel, Mprotect, Arg::Val(address.get() as usize), Arg::Val(length), protection))
}

/// `man 2 madvise`. The caller keeps the runner's own memory out of the range.
pub fn madvise<K: Kernel>(kernel: &K, address: UserAddr, length: usize, advice: i32) -> LinuxResult<()> {
    let advice = super::value(advice);
    unit(call!(kernel, Madvise, Arg::Val(address.get() as usize), Arg::Val(length), advice))
}

/// `man 2 msync` with `MS_ASYNC`, which does nothing but look whether all of the range is mapped (`ENOMEM`).
pub fn check_mapped<K: Kernel>(kernel: &K, address: UserAddr, length: usize) -> LinuxResult<()> {
    const MS_ASYNC: usize = 1;
    let flags = Arg::Val(MS_ASYNC);
    unit(call!(kernel, Msync, Arg::Val(address.get() as usize), Arg::Val(length), flags))
}
