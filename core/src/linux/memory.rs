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

/// `man 2 msync`. The caller keeps the runner's own memory out of the range.
pub fn msync<K: Kernel>(kernel: &K, address: UserAddr, length: usize, flags: u32) -> LinuxResult<()> {
    let flags = Arg::Val(flags as usize);
    unit(call!(kernel, Msync, Arg::Val(address.get() as usize), Arg::Val(length), flags))
}

/// The same with `MS_ASYNC`, which does nothing but look whether all of the range is mapped (`ENOMEM`).
pub fn check_mapped<K: Kernel>(kernel: &K, address: UserAddr, length: usize) -> LinuxResult<()> {
    const MS_ASYNC: u32 = 1;
    msync(kernel, address, length, MS_ASYNC)
}

/// `man 2 mincore`: a byte for each page, which `told` has room for.
pub fn mincore<K: Kernel>(kernel: &K, address: UserAddr, length: usize, told: &mut [u8]) -> LinuxResult<()> {
    unit(call!(kernel, Mincore, Arg::Val(address.get() as usize), Arg::Val(length), Arg::Out(told)))
}

/// `man 2 mlock`.
pub fn mlock<K: Kernel>(kernel: &K, address: UserAddr, length: usize) -> LinuxResult<()> {
    unit(call!(kernel, Mlock, Arg::Val(address.get() as usize), Arg::Val(length)))
}

/// `man 2 munlock`.
pub fn munlock<K: Kernel>(kernel: &K, address: UserAddr, length: usize) -> LinuxResult<()> {
    unit(call!(kernel, Munlock, Arg::Val(address.get() as usize), Arg::Val(length)))
}
