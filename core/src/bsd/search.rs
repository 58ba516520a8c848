//! Files by their numbers and by what they are (`bsd/vfs/vfs_syscalls.c`): Linux finds them by name alone.

use super::link::open_named;
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::{DirFd, SysResult, UserPath};
use crate::user::{UserAddr, UserPtr};
use crate::vchroot::Links;
use xnu_abi::darwin::Errno;

/// `man 2 fsgetpath`.
pub fn fsgetpath<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    buf: UserAddr,
    bufsize: usize,
    fsid: UserPtr<[i32; 2]>,
    objid: u64,
) -> SysResult<usize> {
    fsgetpath_ext(cx, buf, bufsize, fsid, objid, 0)
}

/// `fsgetpath` with options (`fsgetpath_extended`). Every volume is one that is not there.
pub fn fsgetpath_ext<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    _buf: UserAddr,
    bufsize: usize,
    fsid: UserPtr<[i32; 2]>,
    _objid: u64,
    options: u32,
) -> SysResult<usize> {
    /// `FSOPT_NOFIRMLINKPATH` and `FSOPT_ISREALFSID`.
    const KNOWN: u32 = 0x80 | 0x200;
    const MAXLONGPATHLEN: usize = 8192;
    if options & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    fsid.read(cx.kernel())?;
    if bufsize == 0 || bufsize > MAXLONGPATHLEN {
        return Err(Errno::EINVAL);
    }
    Err(Errno::ENOTSUP)
}

/// `struct user64_fssearchblock` (`bsd/sys/attr.h`) in words: the attributes to return, buffer, its size, how many, how
/// long (two), the parameters and their sizes (four), the attributes to search (three).
type SearchBlock = [u64; 13];

/// `man 2 searchfs`: what it asks for is read, in XNU's order; then it is `ENOTSUP`, as on a volume without a catalog.
pub fn searchfs<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    searchblock: UserPtr<SearchBlock>,
    _nummatches: UserAddr,
    _scriptcode: u32,
    options: u32,
    state: UserAddr,
) -> SysResult<()> {
    const SEARCHFS_MAX_SEARCHPARMS: u64 = 4096;
    /// `sizeof(struct searchstate)`.
    const STATE: u64 = 564;
    /// `sizeof(struct attrlist)`.
    const LIST: u64 = 24;
    /// `SRCHFS_…` beyond the last is not looked at here.
    const FSOPT_NOFOLLOW: u32 = 1;
    let kernel = cx.kernel();
    let block = searchblock.read(kernel)?;
    let [returned, _, _, _, _, _, first, first_size, second, second_size, ..] = block;
    if first_size > SEARCHFS_MAX_SEARCHPARMS || second_size > SEARCHFS_MAX_SEARCHPARMS {
        return Err(Errno::EINVAL);
    }
    check_readable(kernel, UserAddr::new(first), first_size)?;
    check_readable(kernel, UserAddr::new(second), second_size)?;
    check_readable(kernel, UserAddr::new(returned), LIST)?;
    check_readable(kernel, state, STATE)?;
    let links = if options & FSOPT_NOFOLLOW == 0 { Links::Follow } else { Links::Stay };
    let found = open_named(cx, DirFd::CWD, path, links)?;
    // Ours alone, and only a name: closing it cannot fail in a way that matters.
    let _ = linux::descriptor::close(kernel, found);
    Err(Errno::ENOTSUP)
}

/// `EFAULT` unless all of it can be read.
#[inline(never)]
pub(super) fn check_readable<K: Kernel>(kernel: &K, from: UserAddr, length: u64) -> SysResult<()> {
    const PIECE: u64 = 256;
    let mut piece = [0; PIECE as usize];
    let mut done = 0u64;
    while done < length {
        let count = length.wrapping_sub(done).min(PIECE);
        kernel.copy_in(from.checked_add(done)?, piece.get_mut(..count as usize).unwrap_or_default())?;
        done = done.wrapping_add(count);
    }
    Ok(())
}

/// `man 2 revoke`: for devices of the caller's own. That Linux takes none away from who has it open is `ENOTSUP`.
pub fn revoke<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath) -> SysResult<()> {
    use xnu_abi::linux::flags;
    let kernel = cx.kernel();
    let device = open_named(cx, DirFd::CWD, path, Links::Follow)?;
    let stat = linux::metadata::fstatx(kernel, device).to_bsd();
    let _ = linux::descriptor::close(kernel, device);
    let stat = stat?;
    if !matches!(u32::from(stat.stx_mode) & flags::S_IFMT, flags::S_IFCHR | flags::S_IFBLK) {
        return Err(Errno::ENOTSUP);
    }
    let user = linux::process::geteuid(kernel).to_bsd()? as u32;
    if user != stat.stx_uid && user != 0 {
        return Err(Errno::EPERM);
    }
    Err(Errno::ENOTSUP)
}
