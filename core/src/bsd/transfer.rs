//! Reading and writing (`bsd/kern/sys_generic.c`, `fp_readv`, `fp_writev`; `bsd/vfs/vfs_vnops.c`, `vn_read`, `vn_write`).
//!
//! Linux answers a short count where memory ends inside the buffer, XNU `EFAULT`: a short count is looked at once more
//! (`ended`). Differs from XNU then: how much was read or written by that time, and where a position stands after a
//! read, follows Linux, which stops at the byte, where XNU stops at the page; and what a write made longer stays so.
//!
//! A call moves at most 2 GiB less a page: Linux stops there, XNU one byte below 2 GiB.

mod ended;

use super::guarded;
use crate::convert::errno::{ToBsd, errno};
use crate::kernel::{Arg, Kernel};
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::process::Context;
use crate::table::{Fd, SysResult, UserBuf, UserOut};
use crate::user::{UserAddr, UserPtr};
use core::sync::atomic::Ordering;
pub(super) use ended::is_writable;
use ended::{Buffer, Direction, Short};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::stat::{FileType, Mode};
use xnu_abi::darwin::uio::Iovec;
use xnu_abi::linux::{self as abi, flags};
use zerocopy::IntoBytes;

/// As many bytes as one call moves: more is `EINVAL` on XNU, where Linux would move less.
const LENGTH_MAX: usize = i32::MAX as usize;

/// As many pieces as one call takes, on both systems.
const IOV_MAX: u32 = 1024;

pub(super) fn check_length(length: usize) -> SysResult<()> {
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
    let file = fd.to_linux()?;
    let done = linux::descriptor::read(cx.kernel(), file, buf.0, length).to_bsd()?;
    let short = Short { file, direction: Direction::Read, done, offset: None };
    short.check(cx.kernel(), Buffer::Plain(buf.0, length))
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
    guarded::allow_writing(cx, fd)?;
    write_anyway(cx, fd, buf, length)
}

/// Writes whatever a guard says.
#[inline(always)]
pub(super) fn write_anyway<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    buf: UserBuf,
    length: usize,
) -> SysResult<usize> {
    let file = fd.to_linux()?;
    let done = if raises_no_signal(cx, file)? {
        let piece = [buf.0.get(), length as u64];
        quietly(cx.kernel(), file, || Arg::In(piece.as_bytes()), 1)
    } else {
        linux::descriptor::write(cx.kernel(), file, buf.0, length)
    };
    let short = Short { file, direction: Direction::Write, done: done.to_bsd()?, offset: None };
    short.check(cx.kernel(), Buffer::Plain(buf.0, length))
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
    let file = fd.to_linux()?;
    let offset = checked_offset(cx.kernel(), file, offset)?;
    let answer = linux::descriptor::pread(cx.kernel(), file, buf.0, length, offset);
    let place = Place { file, direction: Direction::Read, offset, length };
    place.finish(cx.kernel(), answer, Buffer::Plain(buf.0, length))
}

/// `man 2 pwrite`. `O_APPEND` has no effect here, where on Linux it has.
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
    guarded::allow_writing(cx, fd)?;
    pwrite_anyway(cx, fd, buf, length, offset)
}

/// Writes whatever a guard says.
pub(super) fn pwrite_anyway<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    buf: UserBuf,
    length: usize,
    offset: i64,
) -> SysResult<usize> {
    let file = fd.to_linux()?;
    let offset = checked_offset(cx.kernel(), file, offset)?;
    let piece = [buf.0.get(), length as u64];
    let answer = write_at(cx.kernel(), file, || Arg::In(piece.as_bytes()), 1, offset)?;
    let place = Place { file, direction: Direction::Write, offset, length };
    place.finish(cx.kernel(), answer, Buffer::Plain(buf.0, length))
}

/// `man 2 readv`.
pub fn readv<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    iov: UserPtr<Iovec>,
    count: u32,
) -> SysResult<usize> {
    let total = check_vector(cx, fd, iov, count)?;
    let file = fd.to_linux()?;
    let done = linux::descriptor::readv(cx.kernel(), file, iov.address(), count as usize).to_bsd()?;
    let short = Short { file, direction: Direction::Read, done, offset: None };
    short.check(cx.kernel(), Buffer::Pieces(iov, count, total))
}

/// `man 2 writev`.
pub fn writev<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    iov: UserPtr<Iovec>,
    count: u32,
) -> SysResult<usize> {
    writev_if(cx, fd, iov, count, |cx| guarded::allow_writing(cx, fd))
}

/// Writes where nothing forbids it, which is asked once the vector is known to be good.
pub(super) fn writev_if<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    iov: UserPtr<Iovec>,
    count: u32,
    allowed: impl FnOnce(&Context<'_, K, L>) -> SysResult<()>,
) -> SysResult<usize> {
    let total = check_vector(cx, fd, iov, count)?;
    allowed(cx)?;
    let file = fd.to_linux()?;
    let done = if raises_no_signal(cx, file)? {
        quietly(cx.kernel(), file, || Arg::User(iov.address()), count as usize)
    } else {
        linux::descriptor::writev(cx.kernel(), file, iov.address(), count as usize)
    };
    let short = Short { file, direction: Direction::Write, done: done.to_bsd()?, offset: None };
    short.check(cx.kernel(), Buffer::Pieces(iov, count, total))
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
    let length = check_vector(cx, fd, iov, count)?;
    let file = fd.to_linux()?;
    let offset = checked_offset(cx.kernel(), file, offset)?;
    let answer = linux::descriptor::preadv(cx.kernel(), file, iov.address(), count as usize, offset);
    let place = Place { file, direction: Direction::Read, offset, length };
    place.finish(cx.kernel(), answer, Buffer::Pieces(iov, count, length))
}

/// `man 2 pwritev`. As with [`pwrite`], `O_APPEND` has no effect.
pub fn pwritev<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    iov: UserPtr<Iovec>,
    count: i32,
    offset: i64,
) -> SysResult<usize> {
    let count = count as u32;
    let length = check_vector(cx, fd, iov, count)?;
    guarded::allow_writing(cx, fd)?;
    let file = fd.to_linux()?;
    let offset = checked_offset(cx.kernel(), file, offset)?;
    let answer = write_at(cx.kernel(), file, || Arg::User(iov.address()), count as usize, offset)?;
    let place = Place { file, direction: Direction::Write, offset, length };
    place.finish(cx.kernel(), answer, Buffer::Pieces(iov, count, length))
}

/// The vector's layout is Linux's, so Linux reads it; what XNU refuses and Linux does not is refused here: no piece at
/// all, and, once the descriptor is known to be open, lengths that add up to more than `INT_MAX`
/// (`bsd/kern/sys_generic.c`, `readv_uio`; `bsd/vfs/vfs_vnops.c`, `vn_read`). Answers their sum.
fn check_vector<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    fd: Fd,
    iov: UserPtr<Iovec>,
    count: u32,
) -> SysResult<usize> {
    if count == 0 || count > IOV_MAX {
        return Err(Errno::EINVAL);
    }
    let mut total = Some(0u64);
    for index in 0..u64::from(count) {
        let piece = iov.element(index)?.read(cx.kernel())?;
        let sum = total.and_then(|total| total.checked_add(piece.iov_len));
        total = sum.filter(|sum| *sum <= LENGTH_MAX as u64);
    }
    match total {
        Some(total) => Ok(total as usize),
        None => {
            linux::descriptor::fcntl(cx.kernel(), fd.to_linux()?, flags::F_GETFD, 0).to_bsd()?;
            Err(Errno::EINVAL)
        }
    }
}

/// Linux looks at a negative offset before it looks for the descriptor, XNU afterwards. Character devices take it;
/// those that Linux has do not look at it.
fn checked_offset<K: Kernel>(kernel: &K, file: LinuxFd, offset: i64) -> SysResult<i64> {
    const SEEK_CUR: i32 = 1;
    if offset >= 0 {
        return Ok(offset);
    }
    // Tells what is not open (EBADF) and what has no offsets (ESPIPE).
    if let Err(error) = linux::descriptor::lseek(kernel, file, 0, SEEK_CUR) {
        return Err(without_offsets(kernel, file, error));
    }
    match file_type(kernel, file)? {
        FileType::S_IFCHR => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

fn file_type<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<FileType> {
    let stat = linux::metadata::fstatx(kernel, file).to_bsd()?;
    Ok(Mode::from_bits_retain(stat.stx_mode).file_type())
}

/// A terminal has no offsets either, but another error (`valid_for_random_access`).
#[cold]
fn without_offsets<K: Kernel>(kernel: &K, file: LinuxFd, error: abi::Errno) -> Errno {
    if error == abi::Errno::ESPIPE && file_type(kernel, file) == Ok(FileType::S_IFCHR) {
        return Errno::ENXIO;
    }
    errno(error)
}

/// A transfer at an offset.
struct Place {
    file: LinuxFd,
    direction: Direction,
    offset: i64,
    length: usize,
}

impl Place {
    /// Behind the largest offset there is nothing to read and no room to write; Linux refuses to go there.
    #[inline]
    fn finish<K: Kernel>(&self, kernel: &K, answer: LinuxResult<usize>, buffer: Buffer) -> SysResult<usize> {
        let done = match answer {
            Ok(done) => done,
            Err(error @ (abi::Errno::EINVAL | abi::Errno::EOVERFLOW)) => {
                let fits = self.offset.checked_add(self.length as i64).is_some();
                return match self.direction {
                    _ if fits => Err(errno(error)),
                    Direction::Read => Ok(0),
                    Direction::Write => Err(Errno::EFBIG),
                };
            }
            Err(error) => return Err(without_offsets(kernel, self.file, error)),
        };
        let short = Short { file: self.file, direction: self.direction, done, offset: Some(self.offset) };
        short.check(kernel, buffer)
    }
}

/// Writes at an offset whatever `O_APPEND` says. Linux can be told so since 6.9; before, a file that appends is opened
/// once more without the flag.
fn write_at<'a, K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    pieces: impl Fn() -> Arg<'a>,
    count: usize,
    offset: i64,
) -> SysResult<LinuxResult<usize>> {
    match linux::descriptor::pwritev2(kernel, file, pieces(), count, offset, flags::RWF_NOAPPEND) {
        Err(abi::Errno::EOPNOTSUPP) => {}
        answer => return Ok(answer),
    }
    let status = linux::descriptor::fcntl(kernel, file, flags::F_GETFL, 0).to_bsd()? as u32;
    if status & flags::O_APPEND == 0 {
        return Ok(linux::descriptor::pwritev2(kernel, file, pieces(), count, offset, 0));
    }
    let mode = flags::O_WRONLY | flags::O_CLOEXEC | status & flags::O_SYNC;
    let path = linux::name::proc_path(file);
    let again = linux::descriptor::openat(kernel, LinuxFd::CWD, &path, mode, 0).to_bsd()?;
    let answer = linux::descriptor::pwritev2(kernel, again, pieces(), count, offset, 0);
    // Ours alone; an error of the file's last close is not this call's.
    let _ = linux::descriptor::close(kernel, again);
    Ok(answer)
}

/// Whether the open file was told by `F_SETNOSIGPIPE` not to raise `SIGPIPE`. Asked only where one ever was.
#[inline]
fn raises_no_signal<K: Kernel, L>(cx: &Context<'_, K, L>, file: LinuxFd) -> SysResult<bool> {
    if !cx.process.descriptors.any_without_sigpipe.load(Ordering::Relaxed) {
        return Ok(false);
    }
    super::fcntl::has_no_sigpipe(cx.kernel(), file)
}

/// Writes without `SIGPIPE`. Linux can be told so since 6.18; before, the signal is blocked and taken away.
#[cold]
fn quietly<'a, K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    pieces: impl Fn() -> Arg<'a>,
    count: usize,
) -> LinuxResult<usize> {
    const HERE: i64 = -1;
    const SIGPIPE: u64 = 1 << 12;
    match linux::descriptor::pwritev2(kernel, file, pieces(), count, HERE, flags::RWF_NOSIGNAL) {
        Err(abi::Errno::EOPNOTSUPP) => {}
        answer => return answer,
    }
    let before = linux::signal::block(kernel, SIGPIPE)?;
    let waits = linux::signal::pending(kernel).unwrap_or(0) & SIGPIPE != 0;
    let answer = linux::descriptor::pwritev2(kernel, file, pieces(), count, HERE, 0);
    if answer == Err(abi::Errno::EPIPE) && !waits {
        let _ = linux::signal::take(kernel, SIGPIPE);
    }
    linux::signal::set_mask(kernel, before)?;
    answer
}

/// Where the next byte of a buffer lies, for [`ended`].
fn next_byte<K: Kernel>(kernel: &K, buffer: Buffer, done: usize) -> Option<(UserAddr, bool)> {
    match buffer {
        Buffer::Plain(start, length) => {
            let next = start.checked_add(done as u64).ok()?;
            (done < length).then_some((next, false))
        }
        Buffer::Pieces(iov, count, _) => {
            let mut before = done as u64;
            for index in 0..u64::from(count) {
                let piece = iov.element(index).ok()?.read(kernel).ok()?;
                if before < piece.iov_len {
                    let next = UserAddr::new(piece.iov_base).checked_add(before).ok()?;
                    return Some((next, before == 0));
                }
                before = before.saturating_sub(piece.iov_len);
            }
            None
        }
    }
}
