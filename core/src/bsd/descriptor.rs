//! Open files: closing, seeking, copying descriptors, flushing (`bsd/kern/kern_descrip.c`, `bsd/vfs/vfs_syscalls.c`).

use crate::convert::errno::ToBsd;
use crate::convert::fcntl::whence_to_linux;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{Fd, SysResult};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::unistd::Whence;
use xnu_abi::linux::flags;

/// Linux's `SEEK_CUR`.
const SEEK_CUR: i32 = 1;

/// `man 2 close`.
pub fn close<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd) -> SysResult<()> {
    cx.process.descriptors.forget(fd.0);
    linux::descriptor::close(cx.kernel(), fd.to_linux()?).to_bsd()
}

/// `man 2 lseek`.
pub fn lseek<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    offset: i64,
    whence: Whence,
) -> SysResult<i64> {
    let fd = fd.to_linux()?;
    match whence_to_linux(whence) {
        Some(whence) => linux::descriptor::lseek(cx.kernel(), fd, offset, whence).to_bsd(),
        // The descriptor is looked up before the origin.
        None => match linux::descriptor::lseek(cx.kernel(), fd, 0, SEEK_CUR).to_bsd() {
            Ok(_) => Err(Errno::EINVAL),
            Err(error) => Err(error),
        },
    }
}

/// `man 2 dup`.
pub fn dup<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd) -> SysResult<Fd> {
    let copy = linux::descriptor::dup(cx.kernel(), fd.to_linux()?).to_bsd()?;
    cx.process.descriptors.copied(fd.0, copy.0);
    Ok(Fd(copy.0))
}

/// `man 2 dup2`. Onto itself, an open descriptor is left as it is, with its close-on-exec flag.
pub fn dup2<K: Kernel, L>(cx: &mut Context<'_, K, L>, from: Fd, to: Fd) -> SysResult<Fd> {
    let (source, target) = (from.to_linux()?, to.to_linux()?);
    if source == target {
        linux::descriptor::fcntl(cx.kernel(), source, flags::F_GETFD, 0).to_bsd()?;
    } else {
        linux::descriptor::dup3(cx.kernel(), source, target, 0).to_bsd()?;
        cx.process.descriptors.forget(to.0);
        cx.process.descriptors.copied(from.0, to.0);
    }
    Ok(to)
}

/// `man 2 pipe`. The two ends come back in the two return words.
pub fn pipe<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<(i32, i32)> {
    let (LinuxFd(read), LinuxFd(write)) = linux::descriptor::pipe2(cx.kernel(), 0).to_bsd()?;
    Ok((read, write))
}

/// `man 2 fsync`. XNU refuses what has no storage with `ENOTSUP`, Linux with `EINVAL`.
pub fn fsync<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd) -> SysResult<()> {
    no_storage(linux::descriptor::fsync(cx.kernel(), fd.to_linux()?).to_bsd())
}

/// `man 2 fdatasync`.
pub fn fdatasync<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd) -> SysResult<()> {
    no_storage(linux::descriptor::fdatasync(cx.kernel(), fd.to_linux()?).to_bsd())
}

fn no_storage(result: SysResult<()>) -> SysResult<()> {
    match result {
        Err(Errno::EINVAL) => Err(Errno::ENOTSUP),
        other => other,
    }
}
