//! What kind of open file a descriptor leads to: most commands of `fcntl` want one with a vnode.

use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::metadata::PIPEFS;
use crate::linux::{self, LinuxFd};
use crate::table::SysResult;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::stat::{FileType, Mode};
use xnu_abi::linux::{Statx, flags};

/// What XNU tells apart by `DTYPE_…`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::bsd) enum Kind {
    /// Something in a file system, fifos and devices among them.
    Vnode(FileType),
    /// A pipe without a name.
    Pipe,
    /// A socket.
    Socket,
    /// Anything else: no file.
    Other,
}

/// The kind of an open file, and all that `stat` knows of it. A descriptor that is not open is `EBADF`.
pub(in crate::bsd) fn kind<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<(Kind, Statx)> {
    let stat = linux::metadata::fstatx(kernel, file).to_bsd()?;
    Ok((kind_of(kernel, file, &stat)?, stat))
}

/// The kind of an open file of which `stat` is known.
#[inline(always)]
pub(in crate::bsd) fn kind_of<K: Kernel>(kernel: &K, file: LinuxFd, stat: &Statx) -> SysResult<Kind> {
    Ok(match Mode::from_bits_retain(stat.stx_mode).file_type() {
        FileType::S_IFSOCK => Kind::Socket,
        FileType::S_IFIFO if linux::metadata::file_system(kernel, file).to_bsd()? == PIPEFS => Kind::Pipe,
        // Linux's files without an inode of their own (eventfd, epoll, …) have no type.
        kind if kind.name().is_none() => Kind::Other,
        kind => Kind::Vnode(kind),
    })
}

/// The type of a file that is a vnode, for those that want no more. Apart, since much is told and little kept.
#[inline(never)]
pub(super) fn vnode_type<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<FileType> {
    vnode(kernel, file).map(|(kind, _)| kind)
}

/// An open file with a vnode; others are `EBADF`.
pub(in crate::bsd) fn vnode<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<(FileType, Statx)> {
    match kind(kernel, file)? {
        (Kind::Vnode(kind), stat) => Ok((kind, stat)),
        _ => Err(Errno::EBADF),
    }
}

/// What an open file may be used for (`FREAD`, `FWRITE`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::bsd) struct Access {
    pub(in crate::bsd) reads: bool,
    pub(in crate::bsd) writes: bool,
}

/// How the file was opened.
pub(in crate::bsd) fn access<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<Access> {
    let status = linux::descriptor::fcntl(kernel, file, flags::F_GETFL, 0).to_bsd()? as u32;
    if status & flags::O_PATH != 0 {
        return Ok(Access { reads: false, writes: false });
    }
    let mode = status & flags::O_ACCMODE;
    Ok(Access { reads: mode != flags::O_WRONLY, writes: mode != 0 })
}

/// The file's own size of a block, for rounding.
pub(in crate::bsd) fn block_size(stat: &Statx) -> u64 {
    u64::from(stat.stx_blksize).max(1)
}
