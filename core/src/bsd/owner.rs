//! Owners: `chown` and its kin.

use super::mode;
use super::object::{Object, at_path, links};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::vchroot::Links;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::AtFlags;
use xnu_abi::darwin::stat::Mode;
use xnu_abi::linux::Errno as LinuxErrno;

/// In place of an owner or a group: it stays as it is.
pub(super) const KEEP: u32 = u32::MAX;

/// `man 2 chown`.
pub fn chown<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath, uid: u32, gid: u32) -> SysResult<()> {
    at_path(cx, DirFd::CWD, path, Links::Follow, |kernel, object| set(kernel, object, uid, gid))
}

/// `man 2 lchown`.
pub fn lchown<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath, uid: u32, gid: u32) -> SysResult<()> {
    at_path(cx, DirFd::CWD, path, Links::Stay, |kernel, object| set(kernel, object, uid, gid))
}

/// `man 2 fchownat` (`bsd/vfs/vfs_syscalls.c`, `fchownat`).
pub fn fchownat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    uid: u32,
    gid: u32,
    flags: AtFlags,
) -> SysResult<()> {
    if !AtFlags::AT_SYMLINK_NOFOLLOW.contains(flags) {
        return Err(Errno::EINVAL);
    }
    at_path(cx, directory, path, links(flags), |kernel, object| set(kernel, object, uid, gid))
}

/// `man 2 fchown`.
pub fn fchown<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd, uid: u32, gid: u32) -> SysResult<()> {
    let object = Object::vnode(cx.kernel(), fd)?;
    set(cx.kernel(), &object, uid, gid)
}

/// Sets owner and group (`bsd/vfs/vfs_syscalls.c`, `vn_chown_internal`; `bsd/vfs/vfs_subr.c`, `vnode_authattr`). The
/// set-id bits go, of directories as well, and even where the superuser does it.
#[inline(never)]
pub(super) fn set<K: Kernel>(kernel: &K, object: &Object<'_>, uid: u32, gid: u32) -> SysResult<()> {
    const SET_ID: u16 = Mode::S_ISUID.bits() | Mode::S_ISGID.bits();
    if (uid, gid) == (KEEP, KEEP) {
        return object.statx(kernel).map(|_| ()).to_bsd();
    }
    let answer = linux::metadata::fchownat(kernel, object.directory, object.path, uid, gid, object.flags);
    let refused = answer == Err(LinuxErrno::EPERM);
    if !refused {
        answer.to_bsd()?;
    }
    let stat = object.statx(kernel).to_bsd()?;
    let set_id = stat.stx_mode & SET_ID != 0;
    if refused {
        // Whoever changes nothing needs no right to it.
        let same = [stat.stx_uid, KEEP].contains(&uid) && [stat.stx_gid, KEEP].contains(&gid);
        return if same && !set_id { Ok(()) } else { Err(Errno::EPERM) };
    }
    match set_id {
        true => mode::change(kernel, object, stat.stx_mode & 0o7777 & !SET_ID).to_bsd(),
        false => Ok(()),
    }
}
