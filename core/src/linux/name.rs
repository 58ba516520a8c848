//! Directory entries.

use super::{LinuxFd, LinuxResult, call, unit, value};
use crate::kernel::{Arg, Kernel};
use crate::user::UserAddr;
use xnu_abi::linux::Sysno;

/// `man 2 faccessat2`. `path` ends with a NUL. Without flags the older call is made, which every kernel has.
pub fn faccessat<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    path: &[u8],
    mode: i32,
    flags: u32,
) -> LinuxResult<()> {
    if flags == 0 {
        return unit(call!(kernel, Faccessat, directory.arg(), Arg::In(path), value(mode)));
    }
    let flags = Arg::Val(flags as usize);
    unit(call!(kernel, Faccessat2, directory.arg(), Arg::In(path), value(mode), flags))
}

/// `man 2 readlinkat`, into guest memory. `path` ends with a NUL.
pub fn readlinkat<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    path: &[u8],
    buf: UserAddr,
    length: usize,
) -> LinuxResult<usize> {
    call!(kernel, Readlinkat, directory.arg(), Arg::In(path), Arg::User(buf), Arg::Val(length))
}

/// `man 2 readlinkat`, into our own memory. `path` ends with a NUL.
pub fn readlinkat_own<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    path: &[u8],
    buf: &mut [u8],
) -> LinuxResult<usize> {
    let length = Arg::Val(buf.len());
    call!(kernel, Readlinkat, directory.arg(), Arg::In(path), Arg::Out(buf), length)
}

/// `man 2 unlinkat`. `path` ends with a NUL.
pub fn unlinkat<K: Kernel>(kernel: &K, directory: LinuxFd, path: &[u8], flags: u32) -> LinuxResult<()> {
    unit(call!(kernel, Unlinkat, directory.arg(), Arg::In(path), Arg::Val(flags as usize)))
}
