//! Sockets (`bsd/kern/uipc_syscalls.c`, `bsd/kern/uipc_socket.c`).
//!
//! Linux never raises `SIGPIPE` here: it raises it in other cases than XNU, so the handlers do.

mod address;
mod answer;
mod connection;
mod control;
mod message;
mod message_x;
mod option;
mod policy;
mod unix;

pub use address::{getpeername, getsockname};
pub use connection::{connectx, disconnectx};
pub use message::{recvfrom, recvmsg, sendmsg, sendto};
pub use message_x::{recvmsg_x, sendmsg_x};
pub use option::{getsockopt, setsockopt};
pub use policy::{
    necp_client_action, necp_open, necp_session_action, necp_session_open, net_qos_guideline,
    netagent_trigger, peeloff, skywalk, skywalk_channel, skywalk_get, skywalk_names, skywalk_set,
    socket_delegate, tracker_action,
};

use crate::convert::socket::{kind_to_linux, linux_family, port};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{Fd, SysResult};
use crate::user::{UserAddr, UserPtr};
use address::{Address, Purpose};
use answer::{ToBsd, errno};
use core::sync::atomic::Ordering;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::inet::{IPPROTO_TCP, IPPROTO_UDP};
use xnu_abi::darwin::socket::{SHUT_RD, SHUT_RDWR, SHUT_WR, SocketDomain, SocketType};
use xnu_abi::linux::socket::{self as l, ADDRESS_MAX};
use xnu_abi::linux::{self as abi, flags};

/// `man 2 socket`. Not on Linux: `AF_SYSTEM`, `AF_ROUTE`, `AF_NDRV`, `AF_MULTIPATH`, `AF_VSOCK` as Darwin has it.
pub fn socket<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    domain: SocketDomain,
    kind: SocketType,
    protocol: i32,
) -> SysResult<Fd> {
    let (family, linux_kind) = kind_to_linux(domain, kind, protocol)?;
    let file =
        linux::socket::socket(cx.kernel(), family, linux_kind, linux_protocol(kind, protocol)).to_bsd()?;
    Ok(Fd(file.0))
}

/// A raw socket of protocol 0 is one of any protocol, which Linux has by another number.
fn linux_protocol(kind: SocketType, protocol: i32) -> i32 {
    const IPPROTO_RAW: i32 = 255;
    match (kind, protocol) {
        (SocketType::SOCK_RAW, 0) => IPPROTO_RAW,
        (SocketType::SOCK_STREAM, IPPROTO_TCP) | (SocketType::SOCK_DGRAM, IPPROTO_UDP) => 0,
        _ => protocol,
    }
}

/// `man 2 socketpair`.
pub fn socketpair<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    domain: SocketDomain,
    kind: SocketType,
    protocol: i32,
    to: UserPtr<[i32; 2]>,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let (family, linux_kind) = kind_to_linux(domain, kind, protocol)?;
    let (first, second) = linux::socket::socketpair(kernel, family, linux_kind, protocol).to_bsd()?;
    let told = to.write(kernel, &[first.0, second.0]);
    if told.is_err() {
        // Nobody knows them: closing cannot fail in a way that matters.
        let _ = linux::descriptor::close(kernel, first);
        let _ = linux::descriptor::close(kernel, second);
    }
    Ok(told?)
}

/// `man 2 bind`.
///
/// Differs from XNU: a link that leads nowhere is in use, where XNU makes the socket at its target.
pub fn bind<K: Kernel, L>(cx: &mut Context<'_, K, L>, s: Fd, name: UserAddr, length: u32) -> SysResult<()> {
    let file = s.to_linux()?;
    if name.is_null() {
        kind(cx.kernel(), file)?;
        return Err(Errno::EDESTADDRREQ);
    }
    bind_to(cx, file, name, length)
}

fn bind_to<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    file: LinuxFd,
    name: UserAddr,
    length: u32,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let mut bytes = [0; ADDRESS_MAX];
    let address = Address::read(cx, file, name, length, Purpose::Bind, &mut bytes)?;
    match linux::socket::bind(kernel, file, address.bytes()) {
        Err(abi::Errno::EINVAL) if !address.is_local() => {
            if domain(kernel, file)? == l::AF_UNIX {
                Err(Errno::EAFNOSUPPORT)
            } else {
                Err(Errno::EINVAL)
            }
        }
        Err(error) if address.is_local() => Err(unix::not_bound(kernel, file, errno(error))),
        other => other.to_bsd(),
    }
}

/// `man 2 connect`.
pub fn connect<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    s: Fd,
    name: UserAddr,
    length: u32,
) -> SysResult<()> {
    connect_to(cx, s.to_linux()?, name, length)
}

fn connect_to<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    file: LinuxFd,
    name: UserAddr,
    length: u32,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let mut bytes = [0; ADDRESS_MAX];
    let address = Address::read(cx, file, name, length, Purpose::Connect, &mut bytes)?;
    match linux::socket::connect(kernel, file, address.bytes()) {
        Ok(()) if linux_family(address.bytes()) == Some(l::AF_UNSPEC) => Err(Errno::EAFNOSUPPORT),
        Ok(()) => Ok(()),
        Err(error) => Err(refused_connection(kernel, file, &address, error)),
    }
}

/// XNU's error where a connection is refused.
#[cold]
fn refused_connection<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    address: &Address<'_, '_, K>,
    error: abi::Errno,
) -> Errno {
    let is_listening = || linux::socket::option(kernel, file, l::SO_ACCEPTCONN) == Ok(1);
    match error {
        abi::Errno::EISCONN | abi::Errno::EINVAL if is_listening() => Errno::EOPNOTSUPP,
        abi::Errno::EINVAL if !address.is_local() && domain(kernel, file) == Ok(l::AF_UNIX) => {
            Errno::EAFNOSUPPORT
        }
        abi::Errno::ECONNREFUSED | abi::Errno::EACCES if !address.is_socket() => Errno::ENOTSOCK,
        // More connections wait already than the listener takes.
        abi::Errno::EAGAIN if address.is_local() => Errno::ECONNREFUSED,
        other => errno(other),
    }
}

/// `man 2 listen`; 0 and less stand for the most.
pub fn listen<K: Kernel, L>(cx: &mut Context<'_, K, L>, s: Fd, backlog: i32) -> SysResult<()> {
    /// `SOMAXCONN`, which `kern.ipc.somaxconn` is set to.
    const MOST: i32 = 128;
    let backlog = if (1..=MOST).contains(&backlog) { backlog } else { MOST };
    linux::socket::listen(cx.kernel(), s.to_linux()?, backlog).to_bsd()
}

/// `man 2 accept`. The new descriptor has the listener's `O_NONBLOCK`, `O_ASYNC` and `SO_NOSIGPIPE`.
///
/// Differs from XNU: where the length cannot be written, the connection is closed, where XNU leaves it open without
/// telling its number.
pub fn accept<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    s: Fd,
    name: UserAddr,
    length: UserPtr<u32>,
) -> SysResult<Fd> {
    let kernel = cx.kernel();
    let room = if name.is_null() { 0 } else { length.read(kernel)? };
    let file = s.to_linux()?;
    let status = linux::descriptor::fcntl(kernel, file, flags::F_GETFL, 0).to_bsd()? as u32;
    let inherited = if status & flags::O_NONBLOCK != 0 { l::SOCK_NONBLOCK } else { 0 };
    let mut bytes = [0; ADDRESS_MAX];
    let (new, peer) = match linux::socket::accept4(kernel, file, &mut bytes, inherited) {
        Ok(accepted) => accepted,
        Err(abi::Errno::EINVAL) if linux::socket::option(kernel, file, l::SO_ACCEPTCONN) == Ok(1) => {
            return Err(Errno::ECONNABORTED);
        }
        Err(error) => return Err(errno(error)),
    };
    let finished = inherit(cx, file, new, status).and_then(|()| {
        if name.is_null() {
            return Ok(());
        }
        let told = address::tell(cx, &bytes, peer, name, room);
        // That the name cannot be written does not matter if its length can.
        Ok(length.write(kernel, &told.unwrap_or(room))?)
    });
    match finished {
        Ok(()) => Ok(Fd(new.0)),
        Err(error) => {
            // Nobody knows it: closing cannot fail in a way that matters.
            let _ = linux::descriptor::close(kernel, new);
            Err(error)
        }
    }
}

/// What a connection has of its listener beyond what `accept4` can give it (`bsd/kern/uipc_socket2.c`, `sonewconn`).
fn inherit<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    listener: LinuxFd,
    new: LinuxFd,
    status: u32,
) -> SysResult<()> {
    let kernel = cx.kernel();
    if status & flags::FASYNC != 0 {
        let status = i64::from(status & (flags::FASYNC | flags::O_NONBLOCK));
        linux::descriptor::fcntl(kernel, new, flags::F_SETFL, status).to_bsd()?;
    }
    if cx.process.descriptors.any_without_sigpipe.load(Ordering::Relaxed)
        && super::fcntl::has_no_sigpipe(kernel, listener)?
    {
        super::fcntl::set_no_sigpipe(cx, new, true)?;
    }
    Ok(())
}

/// `man 2 shutdown`. A direction that is shut already, by whichever side, cannot be shut again; where both are to be
/// shut, writing is not if reading was (`soshutdown`, `soshutdownlock_final`).
pub fn shutdown<K: Kernel, L>(cx: &mut Context<'_, K, L>, s: Fd, how: u32) -> SysResult<()> {
    let (kernel, file) = (cx.kernel(), s.to_linux()?);
    match linux::socket::getpeername(kernel, file, &mut [0; ADDRESS_MAX]) {
        // What still connects may be shut down, which Linux knows best; what listens, and a local socket, may not.
        Err(abi::Errno::ENOTCONN) if how <= SHUT_RDWR => {
            let is_local = domain(kernel, file)? == l::AF_UNIX;
            if is_local || linux::socket::option(kernel, file, l::SO_ACCEPTCONN).to_bsd()? == 1 {
                return Err(Errno::ENOTCONN);
            }
        }
        Ok(_) if how <= SHUT_RDWR => {
            let shut = Shut::of(kernel, file)?;
            if shut.both || shut.reading && how != SHUT_WR {
                return Err(Errno::ENOTCONN);
            }
            if how != SHUT_RD && is_shut_for_writing(kernel, file)? {
                if how == SHUT_RDWR {
                    linux::socket::shutdown(kernel, file, SHUT_RD as i32).to_bsd()?;
                }
                return Err(Errno::ENOTCONN);
            }
        }
        Ok(_) | Err(abi::Errno::ENOTCONN) => {}
        Err(error) => return Err(errno(error)),
    }
    linux::socket::shutdown(kernel, file, how as i32).to_bsd()
}

/// Which directions of a socket are shut, by whichever side (`SS_CANTRCVMORE`, `SS_CANTSENDMORE`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Shut {
    reading: bool,
    both: bool,
}

impl Shut {
    #[inline(never)]
    fn of<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<Shut> {
        let now = linux::socket::poll_now(kernel, file, l::POLLRDHUP).to_bsd()?;
        let reading = now & l::POLLRDHUP != 0;
        // What was never connected has hung up too, and nobody has shut it.
        Ok(Shut { reading, both: reading && now & l::POLLHUP != 0 })
    }
}

/// Whether a stream is shut for writing alone, which nothing tells: but then nothing can be sent, not even no bytes. Of
/// a datagram socket it is not known, which would send them.
fn is_shut_for_writing<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<bool> {
    if kind(kernel, file)? != l::SOCK_STREAM {
        return Ok(false);
    }
    let flags = l::MSG_NOSIGNAL | l::MSG_DONTWAIT;
    match linux::socket::sendto(kernel, file, (UserAddr::NULL, 0), flags, &[]) {
        Err(abi::Errno::EPIPE) => Ok(true),
        other => other.to_bsd().map(|_| false),
    }
}

/// Linux's domain of a socket; `EBADF`, `ENOTSOCK`.
#[inline(never)]
fn domain<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<i32> {
    linux::socket::option(kernel, file, l::SO_DOMAIN).to_bsd()
}

/// A socket's type; `EBADF`, `ENOTSOCK`.
#[inline(never)]
fn kind<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<i32> {
    linux::socket::option(kernel, file, l::SO_TYPE).to_bsd()
}

/// Nothing is sent to port 0, nor connected to it (`bsd/netinet/in_pcb.c`, `in_pcbladdr`).
fn has_port(address: &[u8]) -> bool {
    port(address) != 0
}
