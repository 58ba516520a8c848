//! `open` and its kin (`bsd/vfs/vfs_syscalls.c`, `open1`; `bsd/vfs/vfs_vnops.c`, `vn_open_auth`).

use crate::convert::errno::{ToBsd, errno};
use crate::convert::fcntl::open_flags_to_linux;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd, descriptor::OpenHow};
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::vchroot::Resolved;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::{AccessMode, OpenFlags};
use xnu_abi::darwin::stat::{FileType, Mode};
use xnu_abi::linux::flags;

/// `man 2 open`.
pub fn open<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    flags: OpenFlags,
    mode: Mode,
) -> SysResult<Fd> {
    openat(cx, DirFd::CWD, path, flags, mode)
}

/// `man 2 openat`.
pub fn openat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    flags: OpenFlags,
    mode: Mode,
) -> SysResult<Fd> {
    check(flags)?;
    let kernel = cx.kernel();
    let at = Resolved::new(kernel, directory, path)?;
    // Only the access permissions are taken; set-id and sticky bits are not (`openat_internal`).
    let mode = u32::from(mode.bits() & 0o777);
    let fd = open_resolved(kernel, &at, flags, mode)?;
    match after_open(kernel, fd, flags) {
        Ok(()) => Ok(Fd(fd.0)),
        Err(error) => {
            // Closing what was just opened cannot fail in a way that matters: the caller gets the first error.
            let _ = linux::descriptor::close(kernel, fd);
            Err(error)
        }
    }
}

/// Combinations that are refused before the path is looked at.
fn check(flags: OpenFlags) -> SysResult<()> {
    let mode = flags.access_mode();
    let reads_only = mode == AccessMode::O_RDONLY;
    if mode.name().is_none() || !reads_only && flags.contains(OpenFlags::O_EXEC) {
        return Err(Errno::EINVAL);
    }
    let creates_directory = OpenFlags::O_CREAT | OpenFlags::O_DIRECTORY;
    let both_nofollow = OpenFlags::O_NOFOLLOW | OpenFlags::O_NOFOLLOW_ANY;
    if flags.contains(creates_directory) || flags.contains(both_nofollow) {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

fn open_resolved<K: Kernel>(kernel: &K, at: &Resolved, wanted: OpenFlags, mode: u32) -> SysResult<LinuxFd> {
    let mut linux_flags = open_flags_to_linux(wanted);
    if wanted.contains(OpenFlags::O_SYMLINK) {
        linux_flags |= flags::O_NOFOLLOW;
    }
    if wanted.contains(OpenFlags::O_EXEC) {
        // Neither readable nor writable: Linux's nearest is a descriptor that only names the file.
        linux_flags |= flags::O_PATH;
    }
    match open_at(kernel, at, wanted, linux_flags, mode) {
        // O_SYMLINK opens the link itself, which Linux does only with O_PATH.
        Err(Errno::ELOOP) if wanted.contains(OpenFlags::O_SYMLINK) => {
            let keep = flags::O_CLOEXEC | flags::O_NOFOLLOW;
            open_at(kernel, at, wanted, linux_flags & keep | flags::O_PATH, 0)
        }
        // A directory that exists can be opened for reading even with O_CREAT.
        Err(Errno::EISDIR) if opens_existing_directory(wanted) => {
            open_at(kernel, at, wanted, linux_flags & !flags::O_CREAT, 0)
        }
        Err(Errno::ENXIO) if is_socket(kernel, at) => Err(Errno::EOPNOTSUPP),
        other => other,
    }
}

fn opens_existing_directory(wanted: OpenFlags) -> bool {
    wanted.contains(OpenFlags::O_CREAT)
        && wanted.access_mode() == AccessMode::O_RDONLY
        && !wanted.intersects(OpenFlags::O_EXCL | OpenFlags::O_TRUNC)
}

fn open_at<K: Kernel>(
    kernel: &K,
    at: &Resolved,
    wanted: OpenFlags,
    linux_flags: u32,
    mode: u32,
) -> SysResult<LinuxFd> {
    let mut resolve = 0;
    if wanted.contains(OpenFlags::O_NOFOLLOW_ANY) {
        resolve |= u64::from(flags::RESOLVE_NO_SYMLINKS);
    }
    if wanted.contains(OpenFlags::O_RESOLVE_BENEATH) {
        resolve |= u64::from(flags::RESOLVE_BENEATH);
    }
    if resolve == 0 {
        return linux::descriptor::openat(kernel, at.directory, at.path(), linux_flags, mode).to_bsd();
    }
    // Unlike openat, openat2 refuses a mode where nothing is created.
    let mode = if linux_flags & flags::O_CREAT != 0 { mode } else { 0 };
    let how = OpenHow { flags: u64::from(linux_flags), mode: u64::from(mode), resolve };
    match linux::descriptor::openat2(kernel, at.directory, at.path(), &how) {
        Err(xnu_abi::linux::Errno::EXDEV) => Err(Errno::EACCES),
        Err(error) => Err(errno(error)),
        Ok(fd) => Ok(fd),
    }
}

fn is_socket<K: Kernel>(kernel: &K, at: &Resolved) -> bool {
    linux::metadata::statx(kernel, at.directory, at.path(), 0)
        .is_ok_and(|stat| Mode::from_bits_retain(stat.stx_mode).file_type() == FileType::S_IFSOCK)
}

/// What XNU's `open` does and Linux's leaves to further calls: locks, and signals for input.
fn after_open<K: Kernel>(kernel: &K, fd: LinuxFd, wanted: OpenFlags) -> SysResult<()> {
    if wanted.intersects(OpenFlags::O_SHLOCK | OpenFlags::O_EXLOCK) {
        let exclusive = wanted.contains(OpenFlags::O_EXLOCK);
        let mut operation = if exclusive { flags::LOCK_EX } else { flags::LOCK_SH };
        if wanted.contains(OpenFlags::O_NONBLOCK) {
            operation |= flags::LOCK_NB;
        }
        linux::descriptor::flock(kernel, fd, operation).to_bsd()?;
    }
    if wanted.contains(OpenFlags::O_ASYNC) {
        let status = linux::descriptor::fcntl(kernel, fd, flags::F_GETFL, 0).to_bsd()?;
        let status = i64::from(status) | i64::from(flags::FASYNC);
        linux::descriptor::fcntl(kernel, fd, flags::F_SETFL, status).to_bsd()?;
    }
    Ok(())
}
