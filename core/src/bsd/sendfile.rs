//! `man 2 sendfile` (`bsd/kern/uipc_syscalls.c`).

use super::fcntl::file::{Kind, access, kind};
use super::transfer;
use crate::convert::errno::{ToBsd, errno};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{Fd, SysResult};
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::stat::FileType;
use xnu_abi::darwin::uio::Iovec;

/// `struct sf_hdtr` of a 64-bit process: what is sent before and after.
#[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
#[repr(C)]
struct Around {
    headers: u64,
    hdr_cnt: i32,
    padding: u32,
    trailers: u64,
    trl_cnt: i32,
    tail: u32,
}

/// As many bytes as one Linux call sends.
const PIECE: i64 = 1 << 30;

/// Sends a file from an offset on: as many bytes as `*length` says, 0 for all of it. How many went, headers and trailers
/// among them, is told there whatever happens, and a bad address for it is no error. A connection that was cut raises no
/// `SIGPIPE` here.
pub fn sendfile<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    socket: Fd,
    offset: i64,
    length: UserPtr<i64>,
    around: UserPtr<()>,
    flags: i32,
) -> SysResult<i32> {
    let mut sent = 0;
    let done = check(cx, fd, socket, offset, length, flags)
        .and_then(|(file, to)| send(cx, (file, to), offset, length, around.address(), &mut sent));
    if !length.is_null() {
        let _ = length.write(cx.kernel(), &sent);
    }
    done.map(|()| 0)
}

fn check<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    fd: Fd,
    socket: Fd,
    offset: i64,
    length: UserPtr<i64>,
    flags: i32,
) -> SysResult<(LinuxFd, LinuxFd)> {
    const SO_TYPE: u32 = 3;
    const SOCK_STREAM: i32 = 1;
    let kernel = cx.kernel();
    let (file, to) = (fd.to_linux()?, socket.to_linux()?);
    let Kind::Vnode(kind_of_file) = kind(kernel, file)?.0 else { return Err(Errno::ENOTSUP) };
    if !access(kernel, file)?.reads {
        return Err(Errno::EBADF);
    }
    if kind_of_file != FileType::S_IFREG {
        return Err(Errno::ENOTSUP);
    }
    if kind(kernel, to)?.0 != Kind::Socket {
        return Err(Errno::ENOTSOCK);
    }
    if linux::descriptor::socket_option(kernel, to, SO_TYPE).to_bsd()? != SOCK_STREAM {
        return Err(Errno::EINVAL);
    }
    linux::descriptor::has_peer(kernel, to).to_bsd()?;
    if offset < 0 || length.is_null() || flags != 0 {
        return Err(Errno::EINVAL);
    }
    Ok((file, to))
}

fn send<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    (file, to): (LinuxFd, LinuxFd),
    mut offset: i64,
    length: UserPtr<i64>,
    around: UserAddr,
    sent: &mut i64,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let wanted = length.read(kernel)?;
    let around = if around.is_null() { None } else { Some(UserPtr::<Around>::new(around).read(kernel)?) };
    if let Some(Around { headers, hdr_cnt, .. }) = around {
        add(cx, to, headers, hdr_cnt, sent)?;
    }
    // What is asked for counts the headers.
    while wanted == 0 || *sent < wanted {
        let left = if wanted == 0 { PIECE } else { wanted.saturating_sub(*sent).min(PIECE) };
        match send_piece(kernel, to, file, &mut offset, left as usize)? {
            0 => break,
            count => *sent = sent.saturating_add(count as i64),
        }
    }
    match around {
        Some(Around { trailers, trl_cnt, .. }) => add(cx, to, trailers, trl_cnt, sent),
        None => Ok(()),
    }
}

/// Sends headers or trailers, by `writev`.
fn add<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    to: LinuxFd,
    vector: u64,
    count: i32,
    sent: &mut i64,
) -> SysResult<()> {
    if vector != 0 {
        let vector = UserPtr::<Iovec>::new(UserAddr::new(vector));
        let written = transfer::writev(cx, Fd(to.0), vector, count as u32)?;
        *sent = sent.saturating_add(written as i64);
    }
    Ok(())
}

/// Sends without `SIGPIPE`, which Linux raises: it is blocked, and taken away.
fn send_piece<K: Kernel>(
    kernel: &K,
    to: LinuxFd,
    from: LinuxFd,
    offset: &mut i64,
    count: usize,
) -> SysResult<usize> {
    const SIGPIPE: u64 = 1 << 12;
    let before = linux::signal::block(kernel, SIGPIPE).to_bsd()?;
    let waits = linux::signal::pending(kernel).unwrap_or(0) & SIGPIPE != 0;
    let answer = linux::descriptor::sendfile(kernel, to, from, offset, count);
    if answer == Err(xnu_abi::linux::Errno::EPIPE) && !waits {
        let _ = linux::signal::take(kernel, SIGPIPE);
    }
    linux::signal::set_mask(kernel, before).to_bsd()?;
    answer.map_err(errno)
}
