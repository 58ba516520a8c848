//! What is known of a file.

use super::{LinuxFd, LinuxResult, call, unit, value};
use crate::kernel::{Arg, Kernel};
use crate::user::UserAddr;
use xnu_abi::linux::{STATX_BASIC_STATS, STATX_BTIME, STATX_MNT_ID, Statfs, Statx, Sysno, Timespec, flags};
use zerocopy::{FromZeros, IntoBytes};

/// `man 2 statx`. `path` ends with a NUL; the basic fields and the birth time are asked for.
#[inline(always)]
pub fn statx<K: Kernel>(kernel: &K, directory: LinuxFd, path: &[u8], flags: u32) -> LinuxResult<Statx> {
    statx_with(kernel, directory, path, flags, STATX_BASIC_STATS | STATX_BTIME)
}

#[inline(always)]
fn statx_with<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    path: &[u8],
    flags: u32,
    mask: u32,
) -> LinuxResult<Statx> {
    let mut answer = Statx::new_zeroed();
    unit(call!(
        kernel,
        Statx,
        directory.arg(),
        Arg::In(path),
        Arg::Val(flags as usize),
        Arg::Val(mask as usize),
        Arg::Out(answer.as_mut_bytes())
    ))?;
    Ok(answer)
}

/// `man 2 statx` of a path in mapped memory of our own, a link at its end not followed.
pub fn statx_mapped<K: Kernel>(kernel: &K, path: UserAddr) -> LinuxResult<Statx> {
    super::path::statx_at(kernel, path, flags::AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME)
}

/// `man 2 statx` of an open file, and the number of its mount.
pub fn fstatx_mount<K: Kernel>(kernel: &K, file: LinuxFd) -> LinuxResult<Statx> {
    statx_with(kernel, file, b"\0", flags::AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID)
}

/// `man 2 statx` of an open file.
#[inline(always)]
pub fn fstatx<K: Kernel>(kernel: &K, file: LinuxFd) -> LinuxResult<Statx> {
    statx(kernel, file, b"\0", flags::AT_EMPTY_PATH)
}

/// `PIPEFS_MAGIC`: the file system of pipes without a name.
pub const PIPEFS: i64 = 0x5049_5045;

/// `man 2 fstatfs`.
pub fn fstatfs<K: Kernel>(kernel: &K, file: LinuxFd) -> LinuxResult<Statfs> {
    let mut answer = Statfs::new_zeroed();
    unit(call!(kernel, Fstatfs, file.arg(), Arg::Out(answer.as_mut_bytes())))?;
    Ok(answer)
}

/// `man 2 statfs` of a path in mapped memory of our own.
pub fn statfs_mapped<K: Kernel>(kernel: &K, path: UserAddr) -> LinuxResult<Statfs> {
    let mut answer = Statfs::new_zeroed();
    unit(call!(kernel, Statfs, Arg::User(path), Arg::Out(answer.as_mut_bytes())))?;
    Ok(answer)
}

/// The kind of file system that an open file is on: `f_type` of `man 2 fstatfs`.
pub fn file_system<K: Kernel>(kernel: &K, file: LinuxFd) -> LinuxResult<i64> {
    mount(kernel, file).map(|(kind, _)| kind)
}

/// The kind of file system that an open file is on, and the flags of its mount: `f_type` and `f_flags` of
/// `man 2 fstatfs`.
pub fn mount<K: Kernel>(kernel: &K, file: LinuxFd) -> LinuxResult<(i64, i64)> {
    fstatfs(kernel, file).map(|answer| (answer.f_type, answer.f_flags))
}

/// `man 2 fchmodat2`. `path` ends with a NUL. Without flags the older call is made, which every kernel has.
pub fn fchmodat<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    path: &[u8],
    mode: u32,
    flags: u32,
) -> LinuxResult<()> {
    let mode = Arg::Val(mode as usize);
    if flags == 0 {
        return unit(call!(kernel, Fchmodat, directory.arg(), Arg::In(path), mode));
    }
    unit(call!(kernel, Fchmodat2, directory.arg(), Arg::In(path), mode, Arg::Val(flags as usize)))
}

/// `man 2 fchownat`. `path` ends with a NUL.
pub fn fchownat<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    path: &[u8],
    uid: u32,
    gid: u32,
    flags: u32,
) -> LinuxResult<()> {
    let (uid, gid) = (value(uid as i32), value(gid as i32));
    unit(call!(kernel, Fchownat, directory.arg(), Arg::In(path), uid, gid, Arg::Val(flags as usize)))
}

/// `man 2 utimensat`: access and modification time, or now. `path` ends with a NUL.
pub fn utimensat<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    path: &[u8],
    times: Option<&[Timespec; 2]>,
    flags: u32,
) -> LinuxResult<()> {
    let times = times.map_or(Arg::Val(0), |times| Arg::In(times.as_bytes()));
    unit(call!(kernel, Utimensat, directory.arg(), Arg::In(path), times, Arg::Val(flags as usize)))
}

/// `man 2 truncate`. `path` ends with a NUL.
pub fn truncate<K: Kernel>(kernel: &K, path: &[u8], length: i64) -> LinuxResult<()> {
    unit(call!(kernel, Truncate, Arg::In(path), Arg::Val(length as usize)))
}

/// `man 2 umask`: the mask before.
pub fn umask<K: Kernel>(kernel: &K, mask: u32) -> LinuxResult<u32> {
    call!(kernel, Umask, Arg::Val(mask as usize)).map(|before| before as u32)
}
