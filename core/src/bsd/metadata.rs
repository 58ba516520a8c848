//! What is known of a file.

use crate::convert::errno::ToBsd;
use crate::convert::stat::{pipe_to_stat64, socket_to_stat64, statx_to_stat64};
use crate::kernel::Kernel;
use crate::linux::metadata::PIPEFS;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::user::UserPtr;
use crate::vchroot::{GuestPath, Links, Target};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::AtFlags;
use xnu_abi::darwin::stat::{FileType, Mode, Stat64};
use xnu_abi::linux::flags as at;
use zerocopy::IntoBytes;

/// `man 2 stat`, with 64-bit inode numbers.
pub fn stat64<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    buf: UserPtr<Stat64>,
) -> SysResult<()> {
    stat_path(cx, DirFd::CWD, path, buf, Links::Follow)
}

/// `man 2 lstat`, with 64-bit inode numbers.
pub fn lstat64<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    buf: UserPtr<Stat64>,
) -> SysResult<()> {
    stat_path(cx, DirFd::CWD, path, buf, Links::Stay)
}

/// `man 2 fstat`, with 64-bit inode numbers.
///
/// Differs from XNU: the inode number of an internet socket is not 0, and a direction that was shut down keeps its
/// permissions.
pub fn fstat64<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd, buf: UserPtr<Stat64>) -> SysResult<()> {
    let kernel = cx.kernel();
    let file = fd.to_linux()?;
    let stat = linux::metadata::fstatx(kernel, file).to_bsd()?;
    let answer = match Mode::from_bits_retain(stat.stx_mode).file_type() {
        FileType::S_IFIFO if linux::metadata::file_system(kernel, file).to_bsd()? == PIPEFS => {
            pipe_to_stat64(&stat, waiting(kernel, file))
        }
        FileType::S_IFSOCK => socket_to_stat64(&stat, waiting(kernel, file)),
        _ => statx_to_stat64(&stat),
    };
    buf.write(kernel, &answer)?;
    Ok(())
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

/// `man 2 fstatat`, with 64-bit inode numbers (`bsd/vfs/vfs_syscalls.c`, `fstatat_internal`).
pub fn fstatat64<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    buf: UserPtr<Stat64>,
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
        return fstat64(cx, Fd(directory.0), buf);
    }
    let links = if flags.contains(AtFlags::AT_SYMLINK_NOFOLLOW_ANY) {
        Links::Refuse
    } else if flags.contains(AtFlags::AT_SYMLINK_NOFOLLOW) {
        Links::Stay
    } else {
        Links::Follow
    };
    stat_path(cx, directory, path, buf, links)
}

fn stat_path<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    buf: UserPtr<Stat64>,
    links: Links,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let mut room = GuestPath::new();
    let mut target = Target::read(cx.process, directory, path, &mut room)?;
    if links == Links::Follow
        && let Some((directory, name)) = target.one_name()
        && tell(kernel, (directory, name, at::AT_SYMLINK_NOFOLLOW), false, buf)?
    {
        return Ok(());
    }
    let object = target.object(links).to_bsd()?;
    tell(kernel, (object.directory(), object.path(), object.flags()), true, buf).map(|_| ())
}

/// Writes what is known of a file; whether it did, since a link may not be wanted. Apart, so that the look-up does not pay
/// for its stack.
#[inline(never)]
fn tell<K: Kernel>(
    kernel: &K,
    (directory, name, flags): (LinuxFd, &[u8], u32),
    takes_links: bool,
    buf: UserPtr<Stat64>,
) -> SysResult<bool> {
    let stat = linux::metadata::statx(kernel, directory, name, flags).to_bsd()?;
    let is_link = Mode::from_bits_retain(stat.stx_mode).file_type() == FileType::S_IFLNK;
    if is_link && !takes_links {
        return Ok(false);
    }
    buf.write(kernel, &statx_to_stat64(&stat))?;
    Ok(true)
}
