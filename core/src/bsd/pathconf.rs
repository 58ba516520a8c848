//! Limits of files: `pathconf` and `fpathconf` (`bsd/vfs/vfs_vnops.c`, `vn_pathconf`, and what Apple's HFS answers).

use super::fcntl::file::{Kind, kind};
use super::object::{Object, at_path};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::vchroot::Links;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::stat::{FileType, Mode};
use xnu_abi::darwin::unistd::PathconfName as Pc;
use xnu_abi::linux::Statx;

/// `LINK_MAX`, `PIPE_BUF`, `MAX_CANON` and `MAX_INPUT` (`bsd/sys/syslimits.h`).
const LINK_MAX: i32 = 32767;
const PIPE_BUF: i32 = 512;
const MAX_LINE: i32 = 1024;
/// Of POSIX's edition of 2001.
const POSIX: i32 = 200_112;
/// `_POSIX_VDISABLE`.
const VDISABLE: i32 = 0xff;

/// `man 2 pathconf`.
pub fn pathconf<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath, name: Pc) -> SysResult<i32> {
    at_path(cx, DirFd::CWD, path, Links::Follow, |kernel, object| limit_of(kernel, object, name))
}

#[inline(never)]
fn limit_of<K: Kernel>(kernel: &K, object: &Object<'_>, name: Pc) -> SysResult<i32> {
    let stat = object.statx(kernel).to_bsd()?;
    limit(Mode::from_bits_retain(stat.stx_mode).file_type(), &stat, name)
}

/// `man 2 fpathconf` (`bsd/kern/kern_descrip.c`, `sys_fpathconf`): pipes and sockets know one limit.
pub fn fpathconf<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd, name: Pc) -> SysResult<i32> {
    match kind(cx.kernel(), fd.to_linux()?)? {
        (Kind::Vnode(kind), stat) => limit(kind, &stat, name),
        (Kind::Pipe | Kind::Socket, _) if name == Pc::_PC_PIPE_BUF => Ok(PIPE_BUF),
        _ => Err(Errno::EINVAL),
    }
}

fn limit(kind: FileType, stat: &Statx, name: Pc) -> SysResult<i32> {
    Ok(match name {
        Pc::_PC_EXTENDED_SECURITY_NP | Pc::_PC_AUTH_OPAQUE_NP | Pc::_PC_PRIO_IO | Pc::_PC_SYNC_IO => 0,
        Pc::_PC_2_SYMLINKS | Pc::_PC_ALLOC_SIZE_MIN | Pc::_PC_ASYNC_IO => 1,
        Pc::_PC_REC_INCR_XFER_SIZE | Pc::_PC_REC_MIN_XFER_SIZE | Pc::_PC_REC_XFER_ALIGN => 4096,
        Pc::_PC_REC_MAX_XFER_SIZE => 65536,
        Pc::_PC_SYMLINK_MAX => 255,
        // Bits of 65536, the size of Linux's largest.
        Pc::_PC_XATTR_SIZE_BITS => 17,
        other => return limit_of_kind(kind, stat, other),
    })
}

/// What the file system is asked: devices and fifos answer for themselves (`bsd/miscfs/specfs/spec_vnops.c`,
/// `spec_pathconf`; `bsd/miscfs/fifofs/fifo_vnops.c`, `fifo_pathconf`).
fn limit_of_kind(kind: FileType, stat: &Statx, name: Pc) -> SysResult<i32> {
    let is_device = matches!(kind, FileType::S_IFCHR | FileType::S_IFBLK);
    let is_special = is_device || kind == FileType::S_IFIFO;
    match name {
        Pc::_PC_LINK_MAX => Ok(LINK_MAX),
        Pc::_PC_PIPE_BUF => Ok(PIPE_BUF),
        Pc::_PC_CHOWN_RESTRICTED => Ok(POSIX),
        Pc::_PC_MAX_CANON | Pc::_PC_MAX_INPUT if is_device => Ok(MAX_LINE),
        Pc::_PC_VDISABLE if is_device => Ok(VDISABLE),
        _ if is_special => Err(Errno::EINVAL),
        Pc::_PC_NAME_MAX | Pc::_PC_NAME_CHARS_MAX => Ok(255),
        Pc::_PC_PATH_MAX => Ok(1024),
        Pc::_PC_NO_TRUNC => Ok(POSIX),
        Pc::_PC_CASE_SENSITIVE | Pc::_PC_CASE_PRESERVING => Ok(1),
        Pc::_PC_FILESIZEBITS => Ok(64),
        Pc::_PC_MIN_HOLE_SIZE => Ok(i32::try_from(stat.stx_blksize).unwrap_or(i32::MAX)),
        _ => Err(Errno::EINVAL),
    }
}
