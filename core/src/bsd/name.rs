//! Directory entries.

use super::rights::{self, Asker, EXTENDED};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserOut, UserPath};
use crate::vchroot::{GuestPath, Links, Opening, Special, Target, Use};
use xnu_abi::darwin::Errno;
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
    let kernel = cx.kernel();
    let as_whom = if flags.contains(AtFlags::AT_EACCESS) { at::AT_EACCESS } else { 0 };
    let links = if flags.contains(AtFlags::AT_SYMLINK_NOFOLLOW_ANY) {
        Links::Refuse
    } else if flags.contains(AtFlags::AT_SYMLINK_NOFOLLOW) {
        Links::Stay
    } else {
        Links::Follow
    };
    let mut room = GuestPath::new();
    let mut target = Target::read(cx.process, directory, path, &mut room)?;
    let basic = (mode & BASIC).bits() as i32;
    if !mode.intersects(EXTENDED) {
        let at = target.object(links).to_bsd()?;
        let how = as_whom | at.flags();
        let answer = linux::name::faccessat(kernel, at.directory(), at.path(), basic, how).to_bsd();
        return refused_to_superuser(kernel, answer, mode, flags);
    }
    if links != Links::Refuse {
        // The look-up is the asker's, and so are its errors.
        let at = target.object(links).to_bsd()?;
        let how = as_whom | at.flags();
        linux::name::faccessat(kernel, at.directory(), at.path(), 0, how).to_bsd()?;
    }
    let file = target.open(&Opening::path(links)).to_bsd()?;
    let answer =
        user(kernel, flags).and_then(|uid| rights::check(kernel, file, mode, Asker { uid, flags: as_whom }));
    // Ours alone, and only a name: closing it cannot fail in a way that matters.
    let _ = linux::descriptor::close(kernel, file);
    refused_to_superuser(kernel, answer, mode, flags)
}

/// Checks rights to what is open for its name.
#[inline(never)]
pub(super) fn check_open<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    mode: AccessFlags,
    flags: AtFlags,
) -> SysResult<()> {
    let as_whom = if flags.contains(AtFlags::AT_EACCESS) { at::AT_EACCESS } else { 0 };
    let answer = match mode.intersects(EXTENDED) {
        true => user(kernel, flags)
            .and_then(|uid| rights::check(kernel, file, mode, Asker { uid, flags: as_whom })),
        false => {
            let basic = (mode & BASIC).bits() as i32;
            linux::name::faccessat(kernel, file, b"\0", basic, as_whom | at::AT_EMPTY_PATH).to_bsd()
        }
    };
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
    let mut room = GuestPath::new();
    let mut target = Target::read(cx.process, directory, path, &mut room)?;
    let refuses_links = flags.contains(AtFlags::AT_SYMLINK_NOFOLLOW_ANY);
    let removed = match target.name(Use::Existing, refuses_links) {
        // A path that names nothing (`bsd/vfs/vfs_lookup.c`, `lookup_handle_emptyname`).
        Ok(at) if at.special() == Some(Special::Root) => return Err(Errno::EISDIR),
        Ok(mut at) => at.act(|directory, name| linux::name::unlinkat(kernel, directory, name, linux_flags)),
        Err(error) => Err(error),
    };
    match removed.to_bsd() {
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
    let mut room = GuestPath::new();
    let mut target = Target::read(cx.process, directory, path, &mut room)?;
    let at = target.object(Links::Stay).to_bsd()?;
    // Linux refuses a size of 0 before it looks; the look-up's own errors come first on XNU.
    let read = if size == 0 {
        let mut byte = [0];
        linux::name::readlinkat_own(kernel, at.directory(), at.path(), &mut byte).map(|_| 0)
    } else {
        linux::name::readlinkat(kernel, at.directory(), at.path(), buf.0, size)
    };
    match read.to_bsd() {
        // What Linux says of an open object that is no link.
        Err(Errno::ENOENT) if at.is_open() => Err(Errno::EINVAL),
        other => other,
    }
}

/// `readlink` of a link that is open (`bsd/vfs/vfs_syscalls.c`, `freadlink`), as `O_SYMLINK` opens it. What is no link is
/// `EINVAL`, whatever it is.
pub fn freadlink<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    buf: UserOut,
    size: usize,
) -> SysResult<usize> {
    let (kernel, file) = (cx.kernel(), fd.to_linux()?);
    // Linux refuses a size of 0 before it looks, and a size that is too large is found out late on XNU.
    let read = if size == 0 || size > i32::MAX as usize {
        let mut byte = [0];
        linux::name::readlinkat_own(kernel, file, b"\0", &mut byte).map(|_| 0)
    } else {
        linux::name::readlinkat(kernel, file, b"\0", buf.0, size)
    };
    match read.to_bsd() {
        Ok(_) if size > i32::MAX as usize => Err(Errno::EINVAL),
        // What Linux says of an open object that is no link.
        Err(Errno::ENOENT) => Err(Errno::EINVAL),
        other => other,
    }
}
