//! Making and removing directories (`bsd/vfs/vfs_syscalls.c`).

use super::filesec::{self, Wanted};
use super::link::{refusal, taken};
use super::name::unlinkat;
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::{DirFd, SysResult, UserPath};
use crate::user::UserAddr;
use crate::vchroot::{GuestPath, Target, Use};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::AtFlags;
use xnu_abi::darwin::stat::Mode;

/// `man 2 mkdir`.
pub fn mkdir<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath, mode: Mode) -> SysResult<()> {
    make(cx, DirFd::CWD, path, mode, Wanted::Nothing)
}

/// `man 2 mkdirat`.
pub fn mkdirat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    mode: Mode,
) -> SysResult<()> {
    make(cx, directory, path, mode, Wanted::Nothing)
}

/// `mkdir` with an access control list; the owner and the group are not looked at (`mkdir_extended`).
pub fn mkdir_extended<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    _uid: u32,
    _gid: u32,
    mode: Mode,
    xsecurity: UserAddr,
) -> SysResult<()> {
    let wanted = filesec::read(cx.kernel(), xsecurity)?;
    make(cx, DirFd::CWD, path, mode, wanted)
}

/// `mkdir1at`: of the mode, only the access permissions are taken.
fn make<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    mode: Mode,
    list: Wanted,
) -> SysResult<()> {
    if list == Wanted::Change {
        return Err(refusal(cx, directory, path, true, Errno::ENOTSUP));
    }
    match make_plain(cx, directory, path, u32::from(mode.bits() & 0o777)) {
        Err(Errno::EEXIST) => Err(taken(cx, directory, path)),
        other => other,
    }
}

#[inline(never)]
fn make_plain<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    mode: u32,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let mut room = GuestPath::new();
    let mut target = Target::read(cx.process, directory, path, &mut room)?;
    let mut at = target.name(Use::New, false).to_bsd()?;
    at.act(|directory, name| linux::name::mkdirat(kernel, directory, name, mode)).to_bsd()
}

/// `man 2 rmdir`.
pub fn rmdir<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath) -> SysResult<()> {
    match unlinkat(cx, DirFd::CWD, path, AtFlags::AT_REMOVEDIR) {
        // POSIX allows both, and some of Linux's file systems say the other.
        Err(Errno::EEXIST) => Err(Errno::ENOTEMPTY),
        other => other,
    }
}
