//! Directory entries.

use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::{DirFd, SysResult, UserOut, UserPath};
use crate::vchroot::Resolved;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::AtFlags;
use xnu_abi::darwin::unistd::AccessFlags;
use xnu_abi::linux::flags as at;

/// `man 2 access`.
pub fn access<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath, mode: AccessFlags) -> SysResult<()> {
    faccessat(cx, DirFd::CWD, path, mode, AtFlags::empty())
}

/// `man 2 faccessat` (`bsd/vfs/vfs_syscalls.c`, `faccessat`, `access1`).
pub fn faccessat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    mode: AccessFlags,
    flags: AtFlags,
) -> SysResult<()> {
    let known = AtFlags::AT_EACCESS | AtFlags::AT_SYMLINK_NOFOLLOW | AtFlags::AT_SYMLINK_NOFOLLOW_ANY;
    if !known.contains(flags) {
        return Err(Errno::EINVAL);
    }
    let mode = basic_mode(mode)?;
    let mut linux_flags = 0;
    if flags.contains(AtFlags::AT_EACCESS) {
        linux_flags |= at::AT_EACCESS;
    }
    if flags.contains(AtFlags::AT_SYMLINK_NOFOLLOW) {
        linux_flags |= at::AT_SYMLINK_NOFOLLOW;
    }
    let kernel = cx.kernel();
    let mode = mode.bits() as i32;
    let at = Resolved::new(kernel, directory, path)?;
    if flags.contains(AtFlags::AT_SYMLINK_NOFOLLOW_ANY) {
        let file = at.open_without_links(kernel)?;
        let answer =
            linux::name::faccessat(kernel, file, b"\0", mode, linux_flags | at::AT_EMPTY_PATH).to_bsd();
        // Ours alone, and only a name: closing it cannot fail in a way that matters.
        let _ = linux::descriptor::close(kernel, file);
        return answer;
    }
    linux::name::faccessat(kernel, at.directory, at.path(), mode, linux_flags).to_bsd()
}

/// The extended bits that mean the same as one of Linux's three.
const FOLDED: [(AccessFlags, AccessFlags); 4] = [
    (AccessFlags::_READ_OK, AccessFlags::R_OK),
    (AccessFlags::_WRITE_OK, AccessFlags::W_OK),
    (AccessFlags::_APPEND_OK, AccessFlags::W_OK),
    (AccessFlags::_EXECUTE_OK, AccessFlags::X_OK),
];

/// Linux's three bits. A right of its own (delete, change owner, …) has no equal: `EINVAL`. Bits that mean nothing are
/// ignored, as XNU does.
fn basic_mode(mode: AccessFlags) -> SysResult<AccessFlags> {
    let mut basic = mode & (AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK);
    let mut extended = mode & AccessFlags::from_bits_retain(EXTENDED);
    for (right, same) in FOLDED {
        if extended.contains(right) {
            basic |= same;
            extended = extended.difference(right);
        }
    }
    if extended.is_empty() { Ok(basic) } else { Err(Errno::EINVAL) }
}

/// `_READ_OK` to `_CHOWN_OK` (`bsd/sys/unistd.h`).
const EXTENDED: u32 = 0x003f_fe00;

/// `man 2 unlink`.
pub fn unlink<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath) -> SysResult<()> {
    unlinkat(cx, DirFd::CWD, path, AtFlags::empty())
}

/// `man 2 unlinkat` (`bsd/vfs/vfs_syscalls.c`, `unlinkat`). A directory is `EPERM` without `AT_REMOVEDIR`, where Linux
/// says `EISDIR`.
pub fn unlinkat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    flags: AtFlags,
) -> SysResult<()> {
    let removes = AtFlags::AT_REMOVEDIR | AtFlags::AT_REMOVEDIR_DATALESS;
    let known = removes | AtFlags::AT_SYMLINK_NOFOLLOW_ANY | AtFlags::AT_SYSTEM_DISCARDED;
    if !known.contains(flags) {
        return Err(Errno::EINVAL);
    }
    let linux_flags = if flags.intersects(removes) { at::AT_REMOVEDIR } else { 0 };
    let kernel = cx.kernel();
    let at = Resolved::new(kernel, directory, path)?;
    match linux::name::unlinkat(kernel, at.directory, at.path(), linux_flags).to_bsd() {
        Err(Errno::EISDIR) => Err(Errno::EPERM),
        other => other,
    }
}

/// `man 2 readlink`.
pub fn readlink<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    buf: UserOut,
    size: i32,
) -> SysResult<usize> {
    readlinkat(cx, DirFd::CWD, path, buf, size as usize)
}

/// `man 2 readlinkat` (`bsd/vfs/vfs_syscalls.c`, `readlinkat_internal`): a size above `INT_MAX` is `EINVAL`, one of 0
/// reads nothing.
pub fn readlinkat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    buf: UserOut,
    size: usize,
) -> SysResult<usize> {
    if size > i32::MAX as usize {
        return Err(Errno::EINVAL);
    }
    let kernel = cx.kernel();
    let at = Resolved::new(kernel, directory, path)?;
    // Linux refuses a size of 0 before it looks; the look-up's own errors come first on XNU.
    if size == 0 {
        let mut byte = [0];
        linux::name::readlinkat_own(kernel, at.directory, at.path(), &mut byte).to_bsd()?;
        return Ok(0);
    }
    linux::name::readlinkat(kernel, at.directory, at.path(), buf.0, size).to_bsd()
}
