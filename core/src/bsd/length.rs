//! Lengths: `truncate` and `ftruncate`.

use super::object::{Object, at_path};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::vchroot::Links;
use xnu_abi::darwin::Errno;
use xnu_abi::linux::Errno as LinuxErrno;
use xnu_abi::linux::flags;

/// `man 2 truncate`: a length that no file can have is refused before the file is looked for
/// (`bsd/vfs/vfs_syscalls.c`, `truncate_validate_common`).
pub fn truncate<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath, length: i64) -> SysResult<()> {
    if length < 0 {
        return Err(Errno::EINVAL);
    }
    at_path(cx, DirFd::CWD, path, Links::Follow, |kernel, object| set(kernel, object, length))
}

#[inline(never)]
fn set<K: Kernel>(kernel: &K, object: &Object<'_>, length: i64) -> SysResult<()> {
    object.with_path(kernel, |path, _| linux::metadata::truncate(kernel, path, length)).to_bsd()
}

/// `man 2 ftruncate`: `EINVAL` for what is not open for writing, or no file.
pub fn ftruncate<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd, length: i64) -> SysResult<()> {
    if length < 0 {
        return Err(Errno::EINVAL);
    }
    let file = fd.to_linux()?;
    let kernel = cx.kernel();
    match linux::descriptor::ftruncate(kernel, file, length) {
        // A file that was opened only to name it is open all the same.
        Err(LinuxErrno::EBADF) => {
            linux::descriptor::fcntl(kernel, file, flags::F_GETFD, 0).to_bsd()?;
            Err(Errno::EINVAL)
        }
        other => other.to_bsd(),
    }
}
