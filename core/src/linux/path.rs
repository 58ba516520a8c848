//! What resolving a path needs: who an object is, where it is, what a directory holds.

use super::{LinuxFd, LinuxResult, call, unit};
use crate::kernel::{Arg, Kernel};
use crate::user::UserAddr;
use xnu_abi::linux::{Statx, Sysno, flags};
use zerocopy::{FromZeros, IntoBytes};

/// `man 2 statx` with a mask of the caller's. `path` ends with a NUL.
pub fn statx_some<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    path: &[u8],
    flags: u32,
    mask: u32,
) -> LinuxResult<Statx> {
    let mut answer = Statx::new_zeroed();
    unit(call!(
        kernel,
        Statx,
        directory.arg(),
        Arg::In(path),
        Arg::Val(flags as usize),
        Arg::Val(mask as usize),
        Arg::Out(answer.as_mut_bytes())
    ))?;
    Ok(answer)
}

/// The same, of a path that is named by its address.
pub fn statx_at<K: Kernel>(kernel: &K, path: UserAddr, flags: u32, mask: u32) -> LinuxResult<Statx> {
    let mut answer = Statx::new_zeroed();
    unit(call!(
        kernel,
        Statx,
        LinuxFd::CWD.arg(),
        Arg::User(path),
        Arg::Val(flags as usize),
        Arg::Val(mask as usize),
        Arg::Out(answer.as_mut_bytes())
    ))?;
    Ok(answer)
}

/// `man 2 readlinkat` into memory that is named by its address. `path` ends with a NUL.
pub fn readlinkat_at<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    path: &[u8],
    buf: UserAddr,
    length: usize,
) -> LinuxResult<usize> {
    call!(kernel, Readlinkat, directory.arg(), Arg::In(path), Arg::User(buf), Arg::Val(length))
}

/// `man 2 getdents64`: as many whole entries as fit; 0 at the end.
pub fn getdents64<K: Kernel>(kernel: &K, directory: LinuxFd, buf: &mut [u8]) -> LinuxResult<usize> {
    let length = Arg::Val(buf.len());
    call!(kernel, Getdents64, directory.arg(), Arg::Out(buf), length)
}

/// Private memory that is empty until touched, where Linux likes.
pub fn map_scratch<K: Kernel>(kernel: &K, length: usize) -> LinuxResult<UserAddr> {
    super::memory::mmap(
        kernel,
        UserAddr::NULL,
        length,
        flags::PROT_READ | flags::PROT_WRITE,
        flags::MAP_PRIVATE | flags::MAP_ANONYMOUS | flags::MAP_NORESERVE,
        LinuxFd(-1),
        0,
    )
}
