//! File flags: `chflags` and `fchflags`.
//!
//! Linux has three of them: immutable and append-only, which only the superuser sets, and no-dump. Others are kept in the
//! attribute `user.xnu.flags`, and then the file is marked as no-dump as well: so `stat`, which is told that mark, knows
//! without another call that there is nothing to look for. `UF_IMMUTABLE` and `UF_APPEND` of the superuser's are enforced
//! by Linux; those of anyone else are kept and shown, and nothing more.
//!
//! A file system without such attributes has no flags (`ENOTSUP`), and neither has anything but a file or a directory.

use super::object::{Object, at_opened, effective_user};
use super::xattr::{keep_flags, kept_flags};
use crate::convert::errno::ToBsd;
use crate::convert::stat::statx_to_stat64;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::vchroot::Links;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::stat::{FileFlags, FileType, Mode, SF_SETTABLE, SF_SYNTHETIC, Stat64, UF_SETTABLE};
use xnu_abi::linux::{Errno as LinuxErrno, Statx, flags as linux_flags};
use zerocopy::IntoBytes;

/// `FS_IOC_GETFLAGS` and `FS_IOC_SETFLAGS` (`include/uapi/linux/fs.h`).
const GET: u32 = 0x8008_6601;
const SET: u32 = 0x4008_6602;

/// What Linux's attributes say by themselves.
const OF_LINUX: FileFlags = FileFlags::SF_IMMUTABLE.union(FileFlags::SF_APPEND).union(FileFlags::UF_NODUMP);

/// `man 2 chflags`.
pub fn chflags<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath, flags: FileFlags) -> SysResult<()> {
    at_opened(cx, DirFd::CWD, path, Links::Follow, |kernel, file| {
        set(kernel, &Object::open(file), flags.bits())
    })
}

/// `man 2 fchflags`.
pub fn fchflags<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd, flags: FileFlags) -> SysResult<()> {
    let object = Object::vnode(cx.kernel(), fd)?;
    set(cx.kernel(), &object, flags.bits())
}

/// What `stat` shows of a file, with the flags that are kept in an attribute.
#[inline]
pub(super) fn shown<K: Kernel>(kernel: &K, object: &Object<'_>, stat: &Statx) -> Stat64 {
    let mut shown = statx_to_stat64(stat);
    if stat.stx_attributes & u64::from(linux_flags::STATX_ATTR_NODUMP) != 0 {
        shown.st_flags = with_kept_flags(kernel, object, shown.st_flags);
    }
    shown
}

#[inline(never)]
fn with_kept_flags<K: Kernel>(kernel: &K, object: &Object<'_>, told: u32) -> u32 {
    let Some(kept) = kept_flags(kernel, object) else { return told };
    // Linux's word counts for what it enforces; which of two flags it was is in the attribute.
    let marks = FileFlags::from_bits_retain(told).difference(FileFlags::UF_NODUMP);
    let kept = FileFlags::from_bits_retain(kept);
    let mut flags = kept;
    for (user, system) in PAIRS {
        if marks.contains(*system) && !kept.contains(*user) {
            flags |= *system;
        }
    }
    flags.bits()
}

/// The owner's flag and the superuser's for the same thing.
const PAIRS: &[(FileFlags, FileFlags)] =
    &[(FileFlags::UF_IMMUTABLE, FileFlags::SF_IMMUTABLE), (FileFlags::UF_APPEND, FileFlags::SF_APPEND)];

/// Sets the flags of an open object (`bsd/vfs/vfs_syscalls.c`, `chflags1`; `bsd/vfs/vfs_subr.c`, `vnode_authattr`):
/// `EPERM` for all but the owner and the superuser, and for the owner who changes a flag of the superuser's.
#[inline(never)]
pub(super) fn set<K: Kernel>(kernel: &K, object: &Object<'_>, flags: u32) -> SysResult<()> {
    let stat = object.statx(kernel).to_bsd()?;
    let flags = flags & !SF_SYNTHETIC;
    let change = flags ^ shown(kernel, object, &stat).st_flags & !SF_SYNTHETIC;
    if change == 0 {
        return Ok(());
    }
    let user = effective_user(kernel)?;
    let settable = if user == 0 { UF_SETTABLE | SF_SETTABLE } else { UF_SETTABLE };
    if change & !settable != 0 || user != 0 && user != stat.stx_uid {
        return Err(Errno::EPERM);
    }
    match Mode::from_bits_retain(stat.stx_mode).file_type() {
        FileType::S_IFREG | FileType::S_IFDIR => {}
        _ => return Err(Errno::ENOTSUP),
    }
    object.with_file(kernel, |file| {
        let how = linux_flags::O_NONBLOCK | linux_flags::O_NOCTTY | linux_flags::O_CLOEXEC;
        let path = linux::name::proc_path(file);
        let opened = linux::descriptor::openat(kernel, LinuxFd::CWD, &path, how, 0).to_bsd()?;
        let answer = change_attributes(kernel, opened, flags, user == 0);
        // Ours alone, and nothing was written through it.
        let _ = linux::descriptor::close(kernel, opened);
        answer
    })
}

fn change_attributes<K: Kernel>(kernel: &K, file: LinuxFd, flags: u32, superuser: bool) -> SysResult<()> {
    const ENFORCED: u32 = linux_flags::FS_IMMUTABLE_FL | linux_flags::FS_APPEND_FL;
    let unsupported = |error: LinuxErrno| match error {
        LinuxErrno::ENOTTY | LinuxErrno::EOPNOTSUPP | LinuxErrno::EINVAL => Errno::ENOTSUP,
        other => crate::convert::errno::errno(other),
    };
    let flags = FileFlags::from_bits_retain(flags);
    let before = attributes(kernel, file, GET, 0).map_err(unsupported)?;
    let kept = !OF_LINUX.contains(flags);
    let mut after = before & !(ENFORCED | linux_flags::FS_NODUMP_FL);
    if kept || flags.contains(FileFlags::UF_NODUMP) {
        after |= linux_flags::FS_NODUMP_FL;
    }
    if superuser {
        if flags.intersects(FileFlags::UF_IMMUTABLE | FileFlags::SF_IMMUTABLE) {
            after |= linux_flags::FS_IMMUTABLE_FL;
        }
        if flags.intersects(FileFlags::UF_APPEND | FileFlags::SF_APPEND) {
            after |= linux_flags::FS_APPEND_FL;
        }
    } else {
        after |= before & ENFORCED;
    }
    // Nothing can be kept in a file that cannot be changed.
    let open = before & !ENFORCED;
    if superuser && open != before {
        attributes(kernel, file, SET, open).map_err(unsupported)?;
    }
    let object = Object::open(file);
    keep_flags(kernel, &object, kept.then_some(flags.bits())).map_err(unsupported)?;
    attributes(kernel, file, SET, after).map_err(unsupported)?;
    Ok(())
}

fn attributes<K: Kernel>(kernel: &K, file: LinuxFd, request: u32, value: u32) -> LinuxResult<u32> {
    // The call is declared to take a `long`, and takes an `int`.
    let mut word = [value, 0];
    linux::descriptor::ioctl(kernel, file, request, word.as_mut_bytes())?;
    let [value, _] = word;
    Ok(value)
}
