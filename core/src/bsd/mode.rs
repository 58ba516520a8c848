//! Permissions: `chmod` and its kin, `umask`.

use super::filesec::{self, Wanted};
use super::object::{Object, at_path, effective_user, links};
use super::owner;
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::user::UserAddr;
use crate::vchroot::Links;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::AtFlags;
use xnu_abi::darwin::stat::Mode;
use xnu_abi::linux::Errno as LinuxErrno;
use xnu_abi::linux::Statx;

/// `ALLPERMS` (`bsd/sys/stat.h`): what a call sets of a mode.
const ALLPERMS: u16 = 0o7777;

/// `man 2 chmod`.
pub fn chmod<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath, mode: Mode) -> SysResult<()> {
    fchmodat(cx, DirFd::CWD, path, mode, AtFlags::empty())
}

/// `man 2 fchmodat` (`bsd/vfs/vfs_syscalls.c`, `chmodat`, `chmod_vnode`).
pub fn fchmodat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    mode: Mode,
    flags: AtFlags,
) -> SysResult<()> {
    if !(AtFlags::AT_SYMLINK_NOFOLLOW | AtFlags::AT_SYMLINK_NOFOLLOW_ANY).contains(flags) {
        return Err(Errno::EINVAL);
    }
    at_path(cx, directory, path, links(flags), |kernel, object| set(kernel, object, mode.bits()))
}

/// `man 2 fchmod`.
pub fn fchmod<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd, mode: Mode) -> SysResult<()> {
    let object = Object::vnode(cx.kernel(), fd)?;
    set(cx.kernel(), &object, mode.bits())
}

/// `chmod_extended`: owner, group, mode and access control list at once (`bsd/vfs/vfs_syscalls.c`,
/// `chmod_extended_init`), each but for the values that stand for "as it is".
pub fn chmod_extended<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    uid: u32,
    gid: u32,
    mode: i32,
    xsecurity: UserAddr,
) -> SysResult<()> {
    let wanted = filesec::read(cx.kernel(), xsecurity)?;
    at_path(cx, DirFd::CWD, path, Links::Follow, |kernel, object| {
        set_extended(kernel, object, uid, gid, mode, wanted)
    })
}

/// `fchmod_extended`: the same of an open file.
pub fn fchmod_extended<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    uid: u32,
    gid: u32,
    mode: i32,
    xsecurity: UserAddr,
) -> SysResult<()> {
    let wanted = filesec::read(cx.kernel(), xsecurity)?;
    let object = Object::vnode(cx.kernel(), fd)?;
    set_extended(cx.kernel(), &object, uid, gid, mode, wanted)
}

/// `man 2 umask`.
///
/// Differs from XNU: Linux keeps no set-id and no sticky bit in the mask.
pub fn umask<K: Kernel, L>(cx: &mut Context<'_, K, L>, mask: Mode) -> SysResult<u32> {
    linux::metadata::umask(cx.kernel(), u32::from(mask.bits() & ALLPERMS)).to_bsd()
}

/// `umask_extended`: the list is not looked at, by XNU neither (`bsd/vfs/vfs_syscalls.c`, `umask_extended`).
pub fn umask_extended<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    mask: Mode,
    _xsecurity: UserAddr,
) -> SysResult<u32> {
    umask(cx, mask)
}

/// Sets the mode (`bsd/vfs/vfs_subr.c`, `vnode_authattr`): `EPERM` for all but the owner and the superuser, and for the
/// owner where the file is of a group that is not his and is to have the set-gid bit, which Linux would leave out.
#[inline(never)]
pub(super) fn set<K: Kernel>(kernel: &K, object: &Object<'_>, mode: u16) -> SysResult<()> {
    let mode = mode & ALLPERMS;
    if mode & Mode::S_ISGID.bits() != 0 && effective_user(kernel)? != 0 {
        let stat = object.statx(kernel).to_bsd()?;
        if has_mode(&stat, mode) {
            return Ok(());
        }
        if !is_member(kernel, stat.stx_gid)? {
            return Err(Errno::EPERM);
        }
    }
    match change(kernel, object, mode) {
        // Whoever changes nothing needs no right to it.
        Err(LinuxErrno::EPERM) if has_mode(&object.statx(kernel).to_bsd()?, mode) => Ok(()),
        other => other.to_bsd(),
    }
}

fn has_mode(stat: &Statx, mode: u16) -> bool {
    stat.stx_mode & ALLPERMS == mode
}

/// Makes Linux's call.
pub(super) fn change<K: Kernel>(kernel: &K, object: &Object<'_>, mode: u16) -> LinuxResult<()> {
    let mode = u32::from(mode);
    match linux::metadata::fchmodat(kernel, object.directory, object.path, mode, object.flags) {
        // Before Linux 6.6 the call has no flags.
        Err(LinuxErrno::ENOSYS) if object.flags != 0 => object.with_file(kernel, |file| {
            let path = linux::name::proc_path(file);
            linux::metadata::fchmodat(kernel, LinuxFd::CWD, &path, mode, 0)
        }),
        other => other,
    }
}

/// Whether the process is of a group. More groups than have room here count as if this were one of them: then Linux
/// decides.
#[inline(never)]
fn is_member<K: Kernel>(kernel: &K, group: u32) -> SysResult<bool> {
    if linux::process::getegid(kernel).to_bsd()? as u32 == group {
        return Ok(true);
    }
    let mut groups = [0u32; 128];
    match linux::process::getgroups(kernel, &mut groups) {
        Ok(count) => Ok(groups.iter().take(count).any(|of| *of == group)),
        Err(LinuxErrno::EINVAL) => Ok(true),
        Err(error) => Err(error).to_bsd(),
    }
}

/// `KAUTH_UID_NONE` and `KAUTH_GID_NONE`.
const NONE: u32 = !100;

#[inline(never)]
fn set_extended<K: Kernel>(
    kernel: &K,
    object: &Object<'_>,
    uid: u32,
    gid: u32,
    mode: i32,
    wanted: Wanted,
) -> SysResult<()> {
    if wanted == Wanted::Change {
        let (stat, user) = (object.statx(kernel).to_bsd()?, effective_user(kernel)?);
        return Err(if user == 0 || user == stat.stx_uid { Errno::ENOTSUP } else { Errno::EPERM });
    }
    let id = |id: u32| if id == NONE { owner::KEEP } else { id };
    owner::set(kernel, object, id(uid), id(gid))?;
    // After the owner, whose change takes set-id bits away.
    match mode {
        -1 => Ok(()),
        mode => set(kernel, object, mode as u16),
    }
}
