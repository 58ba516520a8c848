//! `open` with an owner, an access control list, or a class of data protection (`bsd/vfs/vfs_syscalls.c`).

use super::openat;
use crate::bsd::filesec::{self, Wanted};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::user::UserAddr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::{AccessMode, OpenFlags, ProtectedOpenFlags};
use xnu_abi::darwin::stat::Mode;
use xnu_abi::linux::flags;

/// `KAUTH_UID_NONE` and `KAUTH_GID_NONE`: the owner is whoever it would be.
const NOBODY: u32 = u32::MAX - 100;

/// `open_extended`: the owner and the list are those of a file that this call makes; one that is there keeps its own.
/// No file system here has lists, so none is made with one (`bsd/vfs/vfs_subr.c`, `vnode_authattr_new_internal`).
pub fn open_extended<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    flags: OpenFlags,
    uid: u32,
    gid: u32,
    mode: Mode,
    xsecurity: UserAddr,
) -> SysResult<Fd> {
    // Where `chmod_extended` says by 1 that a list is to go, this is an address like others.
    if xsecurity.get() == 1 {
        return Err(Errno::EFAULT);
    }
    let list = filesec::read(cx.kernel(), xsecurity)?;
    let owned = uid != NOBODY || gid != NOBODY;
    if !flags.contains(OpenFlags::O_CREAT) || !owned && list == Wanted::Nothing {
        return openat(cx, DirFd::CWD, path, flags, mode);
    }
    if !flags.contains(OpenFlags::O_EXCL) {
        match openat(cx, DirFd::CWD, path, flags.difference(OpenFlags::O_CREAT), mode) {
            Err(Errno::ENOENT) => {}
            other => return other,
        }
    }
    if list == Wanted::Change {
        return Err(Errno::EINVAL);
    }
    check_owner(cx.kernel(), uid)?;
    let made = openat(cx, DirFd::CWD, path, flags | OpenFlags::O_EXCL, mode);
    match made {
        // Somebody else made it in between.
        Err(Errno::EEXIST) if !flags.contains(OpenFlags::O_EXCL) => openat(cx, DirFd::CWD, path, flags, mode),
        Err(error) => Err(error),
        Ok(fd) => give(cx, fd, uid, gid),
    }
}

/// Only the superuser makes files of somebody else's.
fn check_owner<K: Kernel>(kernel: &K, uid: u32) -> SysResult<()> {
    let own = linux::process::geteuid(kernel).to_bsd()? as u32;
    if uid == NOBODY || uid == own || own == 0 { Ok(()) } else { Err(Errno::EPERM) }
}

/// Makes a new file somebody's. A group that the caller is no member of is `EPERM`; the file stays, empty, where XNU
/// would not have made it.
fn give<K: Kernel, L>(cx: &Context<'_, K, L>, fd: Fd, uid: u32, gid: u32) -> SysResult<Fd> {
    let kernel = cx.kernel();
    let id = |id: u32| if id == NOBODY { u32::MAX } else { id };
    let file = LinuxFd(fd.0);
    let given = linux::descriptor::fchown(kernel, file, id(uid), id(gid)).to_bsd();
    if let Err(error) = given {
        cx.process.descriptors.forget(fd.0);
        // Nothing was written that closing could lose.
        let _ = linux::descriptor::close(kernel, file);
        return Err(error);
    }
    Ok(fd)
}

/// `open_dprotected_np`. No file system here protects data: a new file has no class, and what is stored is what is
/// read.
pub fn open_dprotected_np<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    flags: OpenFlags,
    _class: i32,
    protection: u32,
    mode: Mode,
) -> SysResult<Fd> {
    let protection = ProtectedOpenFlags::from_bits_retain(protection);
    if protection.contains(ProtectedOpenFlags::O_DP_AUTHENTICATE) {
        return Err(Errno::EINVAL);
    }
    check_raw(flags, protection, READS)?;
    openat(cx, DirFd::CWD, path, flags, mode)
}

/// `openat_dprotected_np`. The file that is to vouch for another must be open; that it does is nothing that a file
/// system here could tell.
#[expect(clippy::too_many_arguments, reason = "the call's own")]
pub fn openat_dprotected_np<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    flags: OpenFlags,
    _class: i32,
    protection: u32,
    mode: Mode,
    voucher: i32,
) -> SysResult<Fd> {
    const NO_VOUCHER: i32 = -1;
    let protection = ProtectedOpenFlags::from_bits_retain(protection);
    let authenticates = protection.contains(ProtectedOpenFlags::O_DP_AUTHENTICATE);
    if authenticates && flags.contains(OpenFlags::O_CREAT) {
        return Err(Errno::EINVAL);
    }
    check_raw(flags, protection, READS | ProtectedOpenFlags::O_DP_AUTHENTICATE)?;
    if voucher != NO_VOUCHER {
        linux::descriptor::fcntl(cx.kernel(), Fd(voucher).to_linux()?, flags::F_GETFD, 0).to_bsd()?;
    }
    openat(cx, directory, path, flags, mode)
}

/// Flags that ask for what is stored, encrypted or not.
pub(in crate::bsd) const READS: ProtectedOpenFlags =
    ProtectedOpenFlags::O_DP_GETRAWENCRYPTED.union(ProtectedOpenFlags::O_DP_GETRAWUNENCRYPTED);

/// What is opened raw, or with another file that vouches for it, is not written.
pub(in crate::bsd) fn check_raw(
    flags: OpenFlags,
    protection: ProtectedOpenFlags,
    only_reads: ProtectedOpenFlags,
) -> SysResult<()> {
    let writes = flags.access_mode() != AccessMode::O_RDONLY;
    if protection.intersects(only_reads) && writes { Err(Errno::EINVAL) } else { Ok(()) }
}
