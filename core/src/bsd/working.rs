//! The working directory and the root (`bsd/vfs/vfs_syscalls.c`).
//!
//! A thread's own working directory is Linux's: the thread leaves what it shares with the others (`man 2 unshare`,
//! `CLONE_FS`), which it cannot come back to.

use super::fcntl::file::{Kind, kind};
use super::link::open_named;
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::vchroot::Links;
use xnu_abi::darwin::Errno;
use xnu_abi::linux::flags;

/// `man 2 chdir`.
pub fn chdir<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath) -> SysResult<()> {
    let kernel = cx.kernel();
    let directory = open_named(cx, DirFd::CWD, path, Links::Follow)?;
    let entered = linux::name::fchdir(kernel, directory).to_bsd();
    // Ours alone, and only a name: closing it cannot fail in a way that matters.
    let _ = linux::descriptor::close(kernel, directory);
    entered
}

/// `man 2 fchdir`. What is in no file system is `EINVAL` (`file_vnode`).
pub fn fchdir<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd) -> SysResult<()> {
    let (kernel, file) = (cx.kernel(), fd.to_linux()?);
    match linux::name::fchdir(kernel, file).to_bsd() {
        Err(Errno::ENOTDIR) => match kind(kernel, file)? {
            (Kind::Vnode(_), _) => Err(Errno::ENOTDIR),
            _ => Err(Errno::EINVAL),
        },
        other => other,
    }
}

/// `man 3 pthread_chdir_np`, for the calling thread alone.
pub fn pthread_chdir<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath) -> SysResult<()> {
    let kernel = cx.kernel();
    let directory = open_named(cx, DirFd::CWD, path, Links::Follow)?;
    let entered = enter_alone(kernel, directory);
    // Ours alone, and only a name: closing it cannot fail in a way that matters.
    let _ = linux::descriptor::close(kernel, directory);
    entered
}

/// `man 3 pthread_fchdir_np`; -1 goes back to the working directory of the process, where that is known.
pub fn pthread_fchdir<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: i32) -> SysResult<()> {
    if fd == -1 {
        return go_back(cx.kernel());
    }
    if cx.process.vchroot.keeps(fd) {
        return Err(Errno::EBADF);
    }
    let (kernel, file) = (cx.kernel(), Fd(fd).to_linux()?);
    match kind(kernel, file)? {
        (Kind::Vnode(_), _) => enter_alone(kernel, file),
        _ => Err(Errno::EINVAL),
    }
}

/// Enters a directory that the other threads do not enter. Nothing is given up for one that cannot be entered.
fn enter_alone<K: Kernel>(kernel: &K, directory: LinuxFd) -> SysResult<()> {
    const X_OK: i32 = 1;
    let stat = linux::metadata::fstatx(kernel, directory).to_bsd()?;
    if u32::from(stat.stx_mode) & flags::S_IFMT != flags::S_IFDIR {
        return Err(Errno::ENOTDIR);
    }
    let effective = flags::AT_EMPTY_PATH | flags::AT_EACCESS;
    linux::name::faccessat(kernel, directory, b"\0", X_OK, effective).to_bsd()?;
    linux::process::unshare(kernel, flags::CLONE_FS).to_bsd()?;
    linux::name::fchdir(kernel, directory).to_bsd()
}

/// Enters the working directory of the process, which is that of its first thread. `EBADF` for a thread without a
/// directory of its own, and for the first thread, which has no other to go back to.
fn go_back<K: Kernel>(kernel: &K) -> SysResult<()> {
    const KCMP_FS: i32 = 3;
    let process = linux::process::getpid(kernel).to_bsd()?;
    let thread = linux::process::gettid(kernel).to_bsd()?;
    if process == thread || linux::process::kcmp(kernel, process, thread, KCMP_FS) == Ok(0) {
        return Err(Errno::EBADF);
    }
    let wanted = flags::O_PATH | flags::O_DIRECTORY | flags::O_CLOEXEC;
    let directory =
        linux::descriptor::openat(kernel, LinuxFd::CWD, b"/proc/self/cwd\0", wanted, 0).to_bsd()?;
    let entered = linux::name::fchdir(kernel, directory).to_bsd();
    let _ = linux::descriptor::close(kernel, directory);
    entered
}

/// `man 2 chroot`: for the superuser, whose prefix is set before the program runs.
pub fn chroot<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath) -> SysResult<()> {
    let kernel = cx.kernel();
    if linux::process::geteuid(kernel).to_bsd()? != 0 {
        return Err(Errno::EPERM);
    }
    let directory = open_named(cx, DirFd::CWD, path, Links::Follow)?;
    let stat = linux::metadata::fstatx(kernel, directory).to_bsd();
    let _ = linux::descriptor::close(kernel, directory);
    match u32::from(stat?.stx_mode) & flags::S_IFMT {
        flags::S_IFDIR => Err(Errno::EPERM),
        _ => Err(Errno::ENOTDIR),
    }
}
