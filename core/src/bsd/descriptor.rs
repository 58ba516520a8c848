//! Open files: reading, writing, seeking, copying descriptors (`bsd/kern/sys_generic.c`, `bsd/kern/kern_descrip.c`).

use crate::convert::errno::ToBsd;
use crate::convert::fcntl::whence_to_linux;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{Fd, SysResult, UserBuf, UserOut};
use crate::user::UserPtr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::uio::Iovec;
use xnu_abi::darwin::unistd::Whence;
use xnu_abi::linux::flags;

/// As many bytes as one call moves: more is `EINVAL` on XNU, where Linux would move less.
const LENGTH_MAX: usize = i32::MAX as usize;

/// As many pieces as one call takes, on both systems.
const IOV_MAX: u32 = 1024;

fn check_length(length: usize) -> SysResult<()> {
    if length > LENGTH_MAX { Err(Errno::EINVAL) } else { Ok(()) }
}

/// `man 2 read`; `read_internal`.
#[inline]
pub fn read<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    buf: UserOut,
    length: usize,
) -> SysResult<usize> {
    check_length(length)?;
    linux::descriptor::read(cx.kernel(), fd.to_linux()?, buf.0, length).to_bsd()
}

/// `man 2 write`; `write_internal`. A broken pipe raises `SIGPIPE`, which Linux does too.
#[inline]
pub fn write<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    buf: UserBuf,
    length: usize,
) -> SysResult<usize> {
    check_length(length)?;
    linux::descriptor::write(cx.kernel(), fd.to_linux()?, buf.0, length).to_bsd()
}

/// `man 2 pread`.
pub fn pread<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    buf: UserOut,
    length: usize,
    offset: i64,
) -> SysResult<usize> {
    check_length(length)?;
    check_offset(cx, fd, offset)?;
    linux::descriptor::pread(cx.kernel(), fd.to_linux()?, buf.0, length, offset).to_bsd()
}

/// `man 2 pwrite`. With `O_APPEND`, Linux ignores the offset and XNU does not: such a file is written without the
/// flag's effect only where the kernel lets us say so, which is not yet.
pub fn pwrite<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    buf: UserBuf,
    length: usize,
    offset: i64,
) -> SysResult<usize> {
    if offset == -1 {
        return Err(Errno::EINVAL);
    }
    check_length(length)?;
    check_offset(cx, fd, offset)?;
    linux::descriptor::pwrite(cx.kernel(), fd.to_linux()?, buf.0, length, offset).to_bsd()
}

/// `man 2 readv`.
pub fn readv<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    iov: UserPtr<Iovec>,
    count: u32,
) -> SysResult<usize> {
    check_vector(cx, fd, iov, count)?;
    linux::descriptor::readv(cx.kernel(), fd.to_linux()?, iov.address(), count as usize).to_bsd()
}

/// `man 2 writev`.
pub fn writev<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    iov: UserPtr<Iovec>,
    count: u32,
) -> SysResult<usize> {
    check_vector(cx, fd, iov, count)?;
    linux::descriptor::writev(cx.kernel(), fd.to_linux()?, iov.address(), count as usize).to_bsd()
}

/// `man 2 preadv`.
pub fn preadv<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    iov: UserPtr<Iovec>,
    count: i32,
    offset: i64,
) -> SysResult<usize> {
    let count = count as u32;
    check_vector(cx, fd, iov, count)?;
    check_offset(cx, fd, offset)?;
    linux::descriptor::preadv(cx.kernel(), fd.to_linux()?, iov.address(), count as usize, offset).to_bsd()
}

/// `man 2 pwritev`.
pub fn pwritev<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    iov: UserPtr<Iovec>,
    count: i32,
    offset: i64,
) -> SysResult<usize> {
    let count = count as u32;
    check_vector(cx, fd, iov, count)?;
    check_offset(cx, fd, offset)?;
    linux::descriptor::pwritev(cx.kernel(), fd.to_linux()?, iov.address(), count as usize, offset).to_bsd()
}

/// Linux looks at a negative offset before it looks for the descriptor, XNU afterwards; an offset of -1 for `pwrite`
/// excepted.
fn check_offset<K: Kernel, L>(cx: &Context<'_, K, L>, fd: Fd, offset: i64) -> SysResult<()> {
    if offset >= 0 {
        return Ok(());
    }
    // Tells what is not open (EBADF) and what has no offsets (ESPIPE).
    linux::descriptor::lseek(cx.kernel(), fd.to_linux()?, 0, SEEK_CUR).to_bsd()?;
    Err(Errno::EINVAL)
}

/// Linux's `SEEK_CUR`.
const SEEK_CUR: i32 = 1;

/// The vector's layout is Linux's, so Linux reads it; what XNU refuses and Linux does not is refused here: no piece at
/// all, and, once the descriptor is known to be open, lengths that add up to more than `INT_MAX`
/// (`bsd/kern/sys_generic.c`, `readv_uio`; `bsd/vfs/vfs_vnops.c`, `vn_read`).
fn check_vector<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    fd: Fd,
    iov: UserPtr<Iovec>,
    count: u32,
) -> SysResult<()> {
    if count == 0 || count > IOV_MAX {
        return Err(Errno::EINVAL);
    }
    let mut total = Some(0u64);
    for index in 0..u64::from(count) {
        let piece = iov.element(index)?.read(cx.kernel())?;
        let sum = total.and_then(|total| total.checked_add(piece.iov_len));
        total = sum.filter(|sum| *sum <= LENGTH_MAX as u64);
    }
    if total.is_none() {
        linux::descriptor::fcntl(cx.kernel(), fd.to_linux()?, flags::F_GETFD, 0).to_bsd()?;
        return Err(Errno::EINVAL);
    }
    Ok(())
}

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
