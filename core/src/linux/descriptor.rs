//! Open files.

use super::{LinuxFd, LinuxResult, call, fd, int, unit, value};
use crate::kernel::{Arg, Kernel};
use crate::user::UserAddr;
use xnu_abi::linux::Sysno;

/// `man 2 read`, into guest memory.
#[inline(always)]
pub fn read<K: Kernel>(kernel: &K, file: LinuxFd, buf: UserAddr, count: usize) -> LinuxResult<usize> {
    call!(kernel, Read, file.arg(), Arg::User(buf), Arg::Val(count))
}

/// `man 2 write`, from guest memory.
#[inline(always)]
pub fn write<K: Kernel>(kernel: &K, file: LinuxFd, buf: UserAddr, count: usize) -> LinuxResult<usize> {
    call!(kernel, Write, file.arg(), Arg::User(buf), Arg::Val(count))
}

/// `man 2 read`, into our own memory.
pub fn read_own<K: Kernel + ?Sized>(kernel: &K, file: LinuxFd, buf: &mut [u8]) -> LinuxResult<usize> {
    let count = buf.len();
    call!(kernel, Read, file.arg(), Arg::Out(buf), Arg::Val(count)).map(|read| read.min(count))
}

/// `man 2 write`, from our own memory.
pub fn write_own<K: Kernel + ?Sized>(kernel: &K, file: LinuxFd, buf: &[u8]) -> LinuxResult<usize> {
    call!(kernel, Write, file.arg(), Arg::In(buf), Arg::Val(buf.len()))
}

/// `man 2 pread`, into guest memory.
pub fn pread<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    buf: UserAddr,
    count: usize,
    offset: i64,
) -> LinuxResult<usize> {
    call!(kernel, Pread64, file.arg(), Arg::User(buf), Arg::Val(count), Arg::Val(offset as usize))
}

/// `man 2 readv`; the vector is the guest's own, whose layout is Linux's.
pub fn readv<K: Kernel>(kernel: &K, file: LinuxFd, iov: UserAddr, count: usize) -> LinuxResult<usize> {
    call!(kernel, Readv, file.arg(), Arg::User(iov), Arg::Val(count))
}

/// `man 2 writev`; the vector is the guest's own, whose layout is Linux's.
pub fn writev<K: Kernel>(kernel: &K, file: LinuxFd, iov: UserAddr, count: usize) -> LinuxResult<usize> {
    call!(kernel, Writev, file.arg(), Arg::User(iov), Arg::Val(count))
}

/// `man 2 preadv`. The second half of the offset is for 32-bit processes.
pub fn preadv<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    iov: UserAddr,
    count: usize,
    offset: i64,
) -> LinuxResult<usize> {
    call!(kernel, Preadv, file.arg(), Arg::User(iov), Arg::Val(count), Arg::Val(offset as usize), Arg::Val(0))
}

/// `man 2 pwritev2`. `pieces` is the vector, our own or the guest's; an offset of -1 is the file's position. The second
/// half of the offset is for 32-bit processes.
pub fn pwritev2<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    pieces: Arg<'_>,
    count: usize,
    offset: i64,
    flags: u32,
) -> LinuxResult<usize> {
    call!(
        kernel,
        Pwritev2,
        file.arg(),
        pieces,
        Arg::Val(count),
        Arg::Val(offset as usize),
        Arg::Val(0),
        Arg::Val(flags as usize)
    )
}

/// `man 2 openat`. `path` ends with a NUL.
#[inline(always)]
pub fn openat<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    path: &[u8],
    flags: u32,
    mode: u32,
) -> LinuxResult<LinuxFd> {
    fd(call!(
        kernel,
        Openat,
        directory.arg(),
        Arg::In(path),
        Arg::Val(flags as usize),
        Arg::Val(mode as usize)
    ))
}

/// `man 2 close`.
#[inline(always)]
pub fn close<K: Kernel>(kernel: &K, file: LinuxFd) -> LinuxResult<()> {
    unit(call!(kernel, Close, file.arg()))
}

/// `man 2 lseek`.
pub fn lseek<K: Kernel>(kernel: &K, file: LinuxFd, offset: i64, whence: i32) -> LinuxResult<i64> {
    call!(kernel, Lseek, file.arg(), Arg::Val(offset as usize), value(whence)).map(|position| position as i64)
}

/// `man 2 dup`.
pub fn dup<K: Kernel>(kernel: &K, file: LinuxFd) -> LinuxResult<LinuxFd> {
    fd(call!(kernel, Dup, file.arg()))
}

/// `man 2 dup3`.
pub fn dup3<K: Kernel>(kernel: &K, from: LinuxFd, to: LinuxFd, flags: u32) -> LinuxResult<LinuxFd> {
    fd(call!(kernel, Dup3, from.arg(), to.arg(), Arg::Val(flags as usize)))
}

/// `man 2 pipe2`.
pub fn pipe2<K: Kernel>(kernel: &K, flags: u32) -> LinuxResult<(LinuxFd, LinuxFd)> {
    let mut ends = [0u8; 8];
    call!(kernel, Pipe2, Arg::Out(&mut ends), Arg::Val(flags as usize))?;
    let [a, b, c, d, e, f, g, h] = ends;
    Ok((LinuxFd(i32::from_ne_bytes([a, b, c, d])), LinuxFd(i32::from_ne_bytes([e, f, g, h]))))
}

/// `man 2 fcntl` with a number or nothing as argument.
pub fn fcntl<K: Kernel>(kernel: &K, file: LinuxFd, command: u32, argument: i64) -> LinuxResult<i32> {
    int(call!(kernel, Fcntl, file.arg(), Arg::Val(command as usize), Arg::Val(argument as usize)))
}

/// `man 2 fcntl` with a structure that Linux reads and writes.
pub fn fcntl_struct<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    command: u32,
    argument: &mut [u8],
) -> LinuxResult<i32> {
    int(call!(kernel, Fcntl, file.arg(), Arg::Val(command as usize), Arg::Out(argument)))
}

/// `man 2 ioctl` with a structure that Linux reads and writes.
pub fn ioctl<K: Kernel>(kernel: &K, file: LinuxFd, request: u32, argument: &mut [u8]) -> LinuxResult<i32> {
    int(call!(kernel, Ioctl, file.arg(), Arg::Val(request as usize), Arg::Out(argument)))
}

/// `man 2 ioctl` with a plain value, or nothing, as argument.
pub fn ioctl_value<K: Kernel>(kernel: &K, file: LinuxFd, request: u32, value: usize) -> LinuxResult<()> {
    unit(call!(kernel, Ioctl, file.arg(), Arg::Val(request as usize), Arg::Val(value)))
}

/// `man 2 fsync`.
pub fn fsync<K: Kernel>(kernel: &K, file: LinuxFd) -> LinuxResult<()> {
    unit(call!(kernel, Fsync, file.arg()))
}

/// `man 2 fdatasync`.
pub fn fdatasync<K: Kernel>(kernel: &K, file: LinuxFd) -> LinuxResult<()> {
    unit(call!(kernel, Fdatasync, file.arg()))
}

/// `man 2 sync_file_range` of the whole file.
pub fn sync_file_range<K: Kernel>(kernel: &K, file: LinuxFd, flags: u32) -> LinuxResult<()> {
    unit(call!(kernel, SyncFileRange, file.arg(), Arg::Val(0), Arg::Val(0), Arg::Val(flags as usize)))
}

/// `man 2 ftruncate`.
pub fn ftruncate<K: Kernel>(kernel: &K, file: LinuxFd, length: i64) -> LinuxResult<()> {
    unit(call!(kernel, Ftruncate, file.arg(), Arg::Val(length as usize)))
}

/// `man 2 pread`, into our own memory.
pub fn pread_own<K: Kernel>(kernel: &K, file: LinuxFd, buf: &mut [u8], offset: i64) -> LinuxResult<usize> {
    let count = buf.len();
    call!(kernel, Pread64, file.arg(), Arg::Out(buf), Arg::Val(count), Arg::Val(offset as usize))
        .map(|read| read.min(count))
}

/// `man 2 fallocate`.
pub fn fallocate<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    mode: u32,
    offset: i64,
    length: i64,
) -> LinuxResult<()> {
    unit(call!(
        kernel,
        Fallocate,
        file.arg(),
        Arg::Val(mode as usize),
        Arg::Val(offset as usize),
        Arg::Val(length as usize)
    ))
}

/// `man 2 posix_fadvise`.
pub fn fadvise<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    offset: i64,
    length: i64,
    advice: u32,
) -> LinuxResult<()> {
    unit(call!(
        kernel,
        Fadvise64,
        file.arg(),
        Arg::Val(offset as usize),
        Arg::Val(length as usize),
        Arg::Val(advice as usize)
    ))
}

/// `struct open_how`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, zerocopy::IntoBytes, zerocopy::Immutable)]
#[repr(C)]
pub struct OpenHow {
    /// `O_…`.
    pub flags: u64,
    /// Permissions of a file that is created; else 0.
    pub mode: u64,
    /// `RESOLVE_…`.
    pub resolve: u64,
}

/// `man 2 openat2`. `path` ends with a NUL.
#[inline(always)]
pub fn openat2<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    path: &[u8],
    how: &OpenHow,
) -> LinuxResult<LinuxFd> {
    let how = Arg::In(zerocopy::IntoBytes::as_bytes(how));
    fd(call!(kernel, Openat2, directory.arg(), Arg::In(path), how, Arg::Val(size_of::<OpenHow>())))
}

/// `man 2 flock`.
pub fn flock<K: Kernel>(kernel: &K, file: LinuxFd, operation: u32) -> LinuxResult<()> {
    unit(call!(kernel, Flock, file.arg(), Arg::Val(operation as usize)))
}

/// `man 2 ioctl_ficlone`: the first file becomes a copy of the second that shares its blocks.
pub fn clone_from<K: Kernel>(kernel: &K, file: LinuxFd, source: LinuxFd) -> LinuxResult<()> {
    const FICLONE: usize = 0x4004_9409;
    unit(call!(kernel, Ioctl, file.arg(), Arg::Val(FICLONE), source.arg()))
}

/// `man 2 fchmod`.
pub fn fchmod<K: Kernel>(kernel: &K, file: LinuxFd, mode: u32) -> LinuxResult<()> {
    unit(call!(kernel, Fchmod, file.arg(), Arg::Val(mode as usize)))
}

/// `man 2 utimensat` of an open file: seconds and nanoseconds of access and of modification.
pub fn futimens<K: Kernel>(kernel: &K, file: LinuxFd, times: &[[i64; 2]; 2]) -> LinuxResult<()> {
    let times = Arg::In(zerocopy::IntoBytes::as_bytes(times));
    unit(call!(kernel, Utimensat, file.arg(), Arg::Val(0), times, Arg::Val(0)))
}

/// `man 2 sync`.
pub fn sync<K: Kernel>(kernel: &K) -> LinuxResult<()> {
    unit(call!(kernel, Sync))
}

/// `man 2 fchown`; `u32::MAX` leaves an owner as it is.
pub fn fchown<K: Kernel>(kernel: &K, file: LinuxFd, uid: u32, gid: u32) -> LinuxResult<()> {
    unit(call!(kernel, Fchown, file.arg(), Arg::Val(uid as usize), Arg::Val(gid as usize)))
}

/// `man 2 sendfile`: from an offset, which is moved on.
pub fn sendfile<K: Kernel>(
    kernel: &K,
    to: LinuxFd,
    from: LinuxFd,
    offset: &mut i64,
    count: usize,
) -> LinuxResult<usize> {
    let offset = Arg::Out(zerocopy::IntoBytes::as_mut_bytes(offset));
    call!(kernel, Sendfile, to.arg(), from.arg(), offset, Arg::Val(count))
}

/// `man 2 getsockopt` of a number, at `SOL_SOCKET`.
pub fn socket_option<K: Kernel>(kernel: &K, socket: LinuxFd, option: u32) -> LinuxResult<i32> {
    const SOL_SOCKET: usize = 1;
    let (mut number, mut length) = ([0; 4], 4u32.to_ne_bytes());
    let (level, name) = (Arg::Val(SOL_SOCKET), Arg::Val(option as usize));
    unit(call!(kernel, Getsockopt, socket.arg(), level, name, Arg::Out(&mut number), Arg::Out(&mut length)))?;
    Ok(i32::from_ne_bytes(number))
}

/// `man 2 getpeername`, for whether there is a peer.
pub fn has_peer<K: Kernel>(kernel: &K, socket: LinuxFd) -> LinuxResult<()> {
    let (mut name, mut length) = ([0; 4], 4u32.to_ne_bytes());
    unit(call!(kernel, Getpeername, socket.arg(), Arg::Out(&mut name), Arg::Out(&mut length)))
}

/// `man 2 getsockname`, or `man 2 getpeername`: as much of the address as one of IPv6 takes.
pub fn socket_name<K: Kernel>(kernel: &K, socket: LinuxFd, of_peer: bool) -> LinuxResult<[u8; 28]> {
    let (mut name, mut length) = ([0; 28], 28u32.to_ne_bytes());
    let (address, size) = (Arg::Out(&mut name), Arg::Out(&mut length));
    unit(if of_peer {
        call!(kernel, Getpeername, socket.arg(), address, size)
    } else {
        call!(kernel, Getsockname, socket.arg(), address, size)
    })?;
    Ok(name)
}
