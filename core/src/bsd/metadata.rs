//! What is known of a file: `stat` and its kin, each in today's form, in the old one with inode numbers of 32 bits, and
//! with an access control list, of which there is none.

use super::fcntl::file::{Kind, kind_of};
use super::filesec;
use super::flags::shown;
use super::object::{Object, effective_user, links};
use crate::convert::errno::ToBsd;
use crate::convert::stat::{pipe_to_stat64, socket_to_stat64, stat64_to_stat};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::user::{UserAddr, UserPtr};
use crate::vchroot::{GuestPath, Links, Target};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::AtFlags;
use xnu_abi::darwin::stat::{FileType, Mode, Stat, Stat64};
use xnu_abi::linux::flags as at;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A layout in which a program can ask for what is known of a file.
pub trait Form: FromBytes + IntoBytes + Immutable {
    /// From today's layout.
    fn from_stat64(stat: &Stat64) -> Self;
}

impl Form for Stat64 {
    fn from_stat64(stat: &Stat64) -> Stat64 {
        *stat
    }
}

impl Form for Stat {
    fn from_stat64(stat: &Stat64) -> Stat {
        stat64_to_stat(stat)
    }
}

/// `man 2 stat`.
pub fn stat<K: Kernel, L, T: Form>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    buf: UserPtr<T>,
) -> SysResult<()> {
    stat_path(cx, DirFd::CWD, path, buf, Links::Follow)
}

/// `man 2 lstat`.
pub fn lstat<K: Kernel, L, T: Form>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    buf: UserPtr<T>,
) -> SysResult<()> {
    stat_path(cx, DirFd::CWD, path, buf, Links::Stay)
}

/// `man 2 fstat`.
///
/// Differs from XNU: the inode number of an internet socket is not 0, and a direction that was shut down keeps its
/// permissions.
pub fn fstat<K: Kernel, L, T: Form>(cx: &mut Context<'_, K, L>, fd: Fd, buf: UserPtr<T>) -> SysResult<()> {
    let kernel = cx.kernel();
    let file = fd.to_linux()?;
    let stat = linux::metadata::fstatx(kernel, file).to_bsd()?;
    let answer = match kind_of(kernel, file, &stat)? {
        Kind::Pipe => pipe_to_stat64(&stat, waiting(kernel, file)),
        Kind::Socket => socket_to_stat64(&stat, waiting(kernel, file)),
        _ => shown(kernel, &Object::open(file), &stat),
    };
    write(kernel, buf, &answer)
}

/// The bytes that can be read at once; 0 where that cannot be told.
fn waiting<K: Kernel>(kernel: &K, file: LinuxFd) -> i32 {
    const FIONREAD: u32 = 0x541b;
    let mut bytes = 0i32;
    match linux::descriptor::ioctl(kernel, file, FIONREAD, bytes.as_mut_bytes()) {
        Ok(_) => bytes,
        Err(_) => 0,
    }
}

/// `man 2 fstatat` (`bsd/vfs/vfs_syscalls.c`, `fstatat_internal`). `AT_FDONLY` is for what has a vnode.
pub fn fstatat<K: Kernel, L, T: Form>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    buf: UserPtr<T>,
    flags: AtFlags,
) -> SysResult<()> {
    let known = AtFlags::AT_SYMLINK_NOFOLLOW
        | AtFlags::AT_REALDEV
        | AtFlags::AT_FDONLY
        | AtFlags::AT_SYMLINK_NOFOLLOW_ANY;
    if !known.contains(flags) {
        return Err(Errno::EINVAL);
    }
    if flags.contains(AtFlags::AT_FDONLY) {
        return stat_open(cx.kernel(), Fd(directory.0), buf);
    }
    stat_path(cx, directory, path, buf, links(flags))
}

/// `AT_FDONLY`. Apart, since much is told and little kept.
#[inline(never)]
fn stat_open<K: Kernel, T: Form>(kernel: &K, fd: Fd, buf: UserPtr<T>) -> SysResult<()> {
    let found = Object::descriptor(kernel, fd);
    let (object, stat) =
        found.map_err(|error| if error == Errno::EINVAL { Errno::ENOTSUP } else { error })?;
    write(kernel, buf, &shown(kernel, &object, &stat))
}

/// `stat_extended` and `stat64_extended`.
pub fn stat_extended<K: Kernel, L, T: Form>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    buf: UserPtr<T>,
    xsecurity: UserAddr,
    size: UserPtr<u64>,
) -> SysResult<()> {
    stat(cx, path, buf)?;
    filesec::tell_none(cx.kernel(), xsecurity, size)
}

/// `lstat_extended` and `lstat64_extended`.
pub fn lstat_extended<K: Kernel, L, T: Form>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    buf: UserPtr<T>,
    xsecurity: UserAddr,
    size: UserPtr<u64>,
) -> SysResult<()> {
    lstat(cx, path, buf)?;
    filesec::tell_none(cx.kernel(), xsecurity, size)
}

/// `fstat_extended` and `fstat64_extended`.
pub fn fstat_extended<K: Kernel, L, T: Form>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    buf: UserPtr<T>,
    xsecurity: UserAddr,
    size: UserPtr<u64>,
) -> SysResult<()> {
    fstat(cx, fd, buf)?;
    filesec::tell_none(cx.kernel(), xsecurity, size)
}

fn stat_path<K: Kernel, L, T: Form>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    buf: UserPtr<T>,
    links: Links,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let mut room = GuestPath::new();
    let mut target = Target::read(cx.process, directory, path, &mut room)?;
    if links == Links::Follow
        && let Some((directory, path)) = target.one_name()
        && tell(kernel, &Object { directory, path, flags: at::AT_SYMLINK_NOFOLLOW }, false, buf)?
    {
        return Ok(());
    }
    let found = target.object(links).to_bsd()?;
    let object = Object { directory: found.directory(), path: found.path(), flags: found.flags() };
    tell(kernel, &object, true, buf).map(|_| ())
}

/// Writes what is known of a file; whether it did, since a link may not be wanted. Apart, so that the look-up does not pay
/// for its stack.
#[inline(never)]
fn tell<K: Kernel, T: Form>(
    kernel: &K,
    object: &Object<'_>,
    takes_links: bool,
    buf: UserPtr<T>,
) -> SysResult<bool> {
    let stat = object.statx(kernel).to_bsd()?;
    let is_link = Mode::from_bits_retain(stat.stx_mode).file_type() == FileType::S_IFLNK;
    if is_link && !takes_links {
        return Ok(false);
    }
    write(kernel, buf, &shown(kernel, object, &stat))?;
    Ok(true)
}

fn write<K: Kernel, T: Form>(kernel: &K, buf: UserPtr<T>, stat: &Stat64) -> SysResult<()> {
    buf.write(kernel, &T::from_stat64(stat))?;
    Ok(())
}

/// `vfs_purge`: empties the caches of all file systems, for the superuser (`bsd/vfs/vfs_subr.c`, `vfs_purge`).
pub fn vfs_purge<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<()> {
    if effective_user(cx.kernel())? == 0 { Ok(()) } else { Err(Errno::EPERM) }
}
