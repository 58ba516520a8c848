//! Directory entries.

use super::rights::{self, Asker, EXTENDED};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, descriptor::OpenHow};
use crate::process::Context;
use crate::table::{DirFd, SysResult, UserOut, UserPath};
use crate::vchroot::Resolved;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::exec::PATH_MAX;
use xnu_abi::darwin::fcntl::AtFlags;
use xnu_abi::darwin::unistd::AccessFlags;
use xnu_abi::linux::flags as at;

/// `man 2 access`.
pub fn access<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath, mode: AccessFlags) -> SysResult<()> {
    faccessat(cx, DirFd::CWD, path, mode, AtFlags::empty())
}

/// `man 2 faccessat` (`bsd/vfs/vfs_syscalls.c`, `faccessat_internal`, `access1`).
///
/// Differs from XNU: a file that can only be appended to counts as one that can be written (`W_OK`).
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
    let mut linux_flags = 0;
    if flags.contains(AtFlags::AT_EACCESS) {
        linux_flags |= at::AT_EACCESS;
    }
    let kernel = cx.kernel();
    let as_whom = linux_flags;
    if flags.contains(AtFlags::AT_SYMLINK_NOFOLLOW) {
        linux_flags |= at::AT_SYMLINK_NOFOLLOW;
    }
    let at = Resolved::new(kernel, directory, path)?;
    let any = flags.contains(AtFlags::AT_SYMLINK_NOFOLLOW_ANY);
    if !any && !mode.intersects(EXTENDED) {
        let basic = (mode & BASIC).bits() as i32;
        let answer = linux::name::faccessat(kernel, at.directory, at.path(), basic, linux_flags).to_bsd();
        return refused_to_superuser(kernel, answer, mode, flags);
    }
    let file = if any {
        at.open_without_links(kernel)?
    } else {
        // The look-up is the asker's, and so are its errors.
        linux::name::faccessat(kernel, at.directory, at.path(), 0, linux_flags).to_bsd()?;
        let follows = !flags.contains(AtFlags::AT_SYMLINK_NOFOLLOW);
        let path_only = at::O_PATH | at::O_CLOEXEC | if follows { 0 } else { at::O_NOFOLLOW };
        linux::descriptor::openat(kernel, at.directory, at.path(), path_only, 0).to_bsd()?
    };
    let answer = if mode.intersects(EXTENDED) {
        user(kernel, flags).and_then(|uid| rights::check(kernel, file, mode, Asker { uid, flags: as_whom }))
    } else {
        let basic = (mode & BASIC).bits() as i32;
        linux::name::faccessat(kernel, file, b"\0", basic, linux_flags | at::AT_EMPTY_PATH).to_bsd()
    };
    // Ours alone, and only a name: closing it cannot fail in a way that matters.
    let _ = linux::descriptor::close(kernel, file);
    refused_to_superuser(kernel, answer, mode, flags)
}

/// The rights that Linux knows; bits that mean nothing are ignored, as XNU does.
const BASIC: AccessFlags = AccessFlags::R_OK.union(AccessFlags::W_OK).union(AccessFlags::X_OK);

/// The real user, or with `AT_EACCESS` the effective one.
fn user<K: Kernel>(kernel: &K, flags: AtFlags) -> SysResult<u32> {
    let user = match flags.contains(AtFlags::AT_EACCESS) {
        true => linux::process::geteuid(kernel),
        false => linux::process::getuid(kernel),
    };
    Ok(user.to_bsd()? as u32)
}

/// The only right that the superuser can lack is to execute what nobody may: `EPERM`, where Linux says `EACCES`.
fn refused_to_superuser<K: Kernel>(
    kernel: &K,
    answer: SysResult<()>,
    mode: AccessFlags,
    flags: AtFlags,
) -> SysResult<()> {
    match answer {
        Err(Errno::EACCES) if mode.contains(AccessFlags::X_OK) && user(kernel, flags)? == 0 => {
            Err(Errno::EPERM)
        }
        other => other,
    }
}

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
    let removed = match flags.contains(AtFlags::AT_SYMLINK_NOFOLLOW_ANY) {
        true => unlink_without_links(kernel, &at, linux_flags),
        false => linux::name::unlinkat(kernel, at.directory, at.path(), linux_flags).to_bsd(),
    };
    match removed {
        Err(Errno::EISDIR) => Err(Errno::EPERM),
        other => other,
    }
}

/// Removes what a path names with no link on the way: the last component is not followed anyway, and what is before it
/// is opened as such. Apart, so that others do not pay for its stack.
#[inline(never)]
fn unlink_without_links<K: Kernel>(kernel: &K, at: &Resolved, linux_flags: u32) -> SysResult<()> {
    let path = at.path();
    let slashes_end = path.iter().rposition(|byte| !matches!(byte, 0 | b'/')).unwrap_or(0);
    let before_leaf = path.get(..slashes_end).unwrap_or_default();
    let Some(slash) = before_leaf.iter().rposition(|byte| *byte == b'/') else {
        return linux::name::unlinkat(kernel, at.directory, path, linux_flags).to_bsd();
    };
    let leaf_start = slash.wrapping_add(1);
    let mut parent = [0; PATH_MAX];
    for (to, from) in parent.iter_mut().zip(path.get(..leaf_start).unwrap_or_default()) {
        *to = *from;
    }
    let how = OpenHow {
        flags: u64::from(at::O_PATH | at::O_DIRECTORY | at::O_CLOEXEC),
        mode: 0,
        resolve: u64::from(at::RESOLVE_NO_SYMLINKS),
    };
    let parent = linux::descriptor::openat2(kernel, at.directory, &parent, &how).to_bsd()?;
    let leaf = path.get(leaf_start..).unwrap_or(b"\0");
    let removed = linux::name::unlinkat(kernel, parent, leaf, linux_flags).to_bsd();
    // Ours alone, and only a name: closing it cannot fail in a way that matters.
    let _ = linux::descriptor::close(kernel, parent);
    removed
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
