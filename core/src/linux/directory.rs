//! Directories as lists.

use super::{LinuxFd, LinuxResult, call};
use crate::kernel::{Arg, Kernel};
use crate::user::UserAddr;
use xnu_abi::linux::Sysno;

/// `man 2 getdents64`, into guest memory: bytes of whole entries, 0 at the end.
pub fn getdents64<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    buf: UserAddr,
    length: usize,
) -> LinuxResult<usize> {
    call!(kernel, Getdents64, directory.arg(), Arg::User(buf), Arg::Val(length))
}
