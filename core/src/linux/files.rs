//! Files of Linux's own that tell what no call does. Their paths are the host's: no prefix has a say in them.

use super::{LinuxFd, LinuxResult, descriptor};
use crate::kernel::Kernel;
use xnu_abi::linux::flags;

/// Reads the start of a file, as much as there is room for; `path` ends with a NUL.
pub fn read_start<K: Kernel>(kernel: &K, path: &[u8], buf: &mut [u8]) -> LinuxResult<usize> {
    read_from(kernel, path, buf, 0)
}

/// The same, from an offset on.
pub fn read_from<K: Kernel>(kernel: &K, path: &[u8], buf: &mut [u8], offset: i64) -> LinuxResult<usize> {
    let file = open(kernel, path, 0)?;
    let count = descriptor::pread_own(kernel, file, buf, offset);
    let _ = descriptor::close(kernel, file);
    count
}

/// Opens a file of Linux's for reading; `path` ends with a NUL.
pub fn open<K: Kernel>(kernel: &K, path: &[u8], more: u32) -> LinuxResult<LinuxFd> {
    descriptor::openat(kernel, LinuxFd::CWD, path, flags::O_CLOEXEC | more, 0)
}
