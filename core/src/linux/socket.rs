//! Sockets.

use super::{LinuxFd, LinuxResult, call, fd, unit, value};
use crate::kernel::{Arg, Kernel};
use crate::user::UserAddr;
use xnu_abi::linux::Sysno;
use xnu_abi::linux::socket::LinuxMsghdr;
use zerocopy::{FromBytes, IntoBytes};

/// `man 2 socket`.
pub fn socket<K: Kernel>(kernel: &K, domain: i32, kind: i32, protocol: i32) -> LinuxResult<LinuxFd> {
    fd(call!(kernel, Socket, value(domain), value(kind), value(protocol)))
}

/// `man 2 socketpair`.
pub fn socketpair<K: Kernel>(
    kernel: &K,
    domain: i32,
    kind: i32,
    protocol: i32,
) -> LinuxResult<(LinuxFd, LinuxFd)> {
    let mut ends = [0i32; 2];
    call!(kernel, Socketpair, value(domain), value(kind), value(protocol), Arg::Out(ends.as_mut_bytes()))?;
    let [first, second] = ends;
    Ok((LinuxFd(first), LinuxFd(second)))
}

/// `man 2 bind`.
pub fn bind<K: Kernel>(kernel: &K, file: LinuxFd, address: &[u8]) -> LinuxResult<()> {
    unit(call!(kernel, Bind, file.arg(), Arg::In(address), Arg::Val(address.len())))
}

/// `man 2 connect`.
pub fn connect<K: Kernel>(kernel: &K, file: LinuxFd, address: &[u8]) -> LinuxResult<()> {
    unit(call!(kernel, Connect, file.arg(), Arg::In(address), Arg::Val(address.len())))
}

/// `man 2 listen`.
pub fn listen<K: Kernel>(kernel: &K, file: LinuxFd, backlog: i32) -> LinuxResult<()> {
    unit(call!(kernel, Listen, file.arg(), value(backlog)))
}

/// `man 2 shutdown`.
pub fn shutdown<K: Kernel>(kernel: &K, file: LinuxFd, how: i32) -> LinuxResult<()> {
    unit(call!(kernel, Shutdown, file.arg(), value(how)))
}

/// How much of a buffer is filled.
fn filled(length: u32, address: &[u8]) -> usize {
    (length as usize).min(address.len())
}

/// `man 2 accept4`: the new descriptor, and how many bytes the peer's address has.
pub fn accept4<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    address: &mut [u8],
    flags: i32,
) -> LinuxResult<(LinuxFd, usize)> {
    let mut length = address.len() as u32;
    let room = Arg::Out(length.as_mut_bytes());
    let new = fd(call!(kernel, Accept4, file.arg(), Arg::Out(address), room, value(flags)))?;
    Ok((new, filled(length, address)))
}

/// `man 2 getsockname`: how many bytes the address has.
pub fn getsockname<K: Kernel>(kernel: &K, file: LinuxFd, address: &mut [u8]) -> LinuxResult<usize> {
    let mut length = address.len() as u32;
    call!(kernel, Getsockname, file.arg(), Arg::Out(address), Arg::Out(length.as_mut_bytes()))?;
    Ok(filled(length, address))
}

/// `man 2 getpeername`: how many bytes the address has.
pub fn getpeername<K: Kernel>(kernel: &K, file: LinuxFd, address: &mut [u8]) -> LinuxResult<usize> {
    let mut length = address.len() as u32;
    call!(kernel, Getpeername, file.arg(), Arg::Out(address), Arg::Out(length.as_mut_bytes()))?;
    Ok(filled(length, address))
}

/// `man 2 sendto`, from guest memory; no address where `to` is empty.
pub fn sendto<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    (buf, length): (UserAddr, usize),
    flags: i32,
    to: &[u8],
) -> LinuxResult<usize> {
    let address = if to.is_empty() { Arg::Val(0) } else { Arg::In(to) };
    let (buf, length) = (Arg::User(buf), Arg::Val(length));
    call!(kernel, Sendto, file.arg(), buf, length, value(flags), address, Arg::Val(to.len()))
}

/// `man 2 recvfrom`, into guest memory: bytes received, and bytes of the address. An empty `from` is not filled.
pub fn recvfrom<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    (buf, length): (UserAddr, usize),
    flags: i32,
    from: &mut [u8],
) -> LinuxResult<(usize, usize)> {
    let (buf, length) = (Arg::User(buf), Arg::Val(length));
    if from.is_empty() {
        let none = Arg::Val(0);
        return call!(kernel, Recvfrom, file.arg(), buf, length, value(flags), none, Arg::Val(0))
            .map(|received| (received, 0));
    }
    let mut room = from.len() as u32;
    let place = Arg::Out(room.as_mut_bytes());
    let received = call!(kernel, Recvfrom, file.arg(), buf, length, value(flags), Arg::Out(from), place)?;
    Ok((received, filled(room, from)))
}

/// Scattered guest memory: where the vector is, whose layout is Linux's, and how many pieces it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pieces {
    /// The address of the vector.
    pub vector: UserAddr,
    /// Its pieces.
    pub count: usize,
}

/// `man 2 sendmsg`. Address and control messages are our own memory, named in the header by its address; it is lent to
/// Linux by two arguments more, which Linux does not look at.
pub fn sendmsg<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    pieces: Pieces,
    to: &[u8],
    control: &[u8],
    flags: i32,
) -> LinuxResult<usize> {
    let address = |bytes: &[u8]| if bytes.is_empty() { 0 } else { bytes.as_ptr() as u64 };
    let header = LinuxMsghdr {
        msg_name: address(to),
        msg_namelen: to.len() as u32,
        msg_iov: pieces.vector.get(),
        msg_iovlen: pieces.count as u64,
        msg_control: address(control),
        msg_controllen: control.len() as u64,
        ..LinuxMsghdr::default()
    };
    let header = Arg::In(header.as_bytes());
    call!(kernel, Sendmsg, file.arg(), header, value(flags), Arg::In(to), Arg::In(control))
}

/// What came with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// Bytes of data.
    pub data: usize,
    /// Bytes of the sender's address.
    pub from: usize,
    /// Bytes of control messages.
    pub control: usize,
    /// `MSG_…`.
    pub flags: i32,
}

/// `man 2 recvmsg`; our own memory is lent as in [`sendmsg`].
pub fn recvmsg<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    pieces: Pieces,
    from: &mut [u8],
    control: &mut [u8],
    flags: i32,
) -> LinuxResult<Received> {
    let address = |bytes: &mut [u8]| if bytes.is_empty() { 0 } else { bytes.as_mut_ptr() as u64 };
    let (from_room, control_room) = (from.len(), control.len());
    let mut header = LinuxMsghdr {
        msg_name: address(from),
        msg_namelen: from_room as u32,
        msg_iov: pieces.vector.get(),
        msg_iovlen: pieces.count as u64,
        msg_control: address(control),
        msg_controllen: control_room as u64,
        ..LinuxMsghdr::default()
    };
    let place = Arg::Out(header.as_mut_bytes());
    let data = call!(kernel, Recvmsg, file.arg(), place, value(flags), Arg::Out(from), Arg::Out(control))?;
    Ok(Received {
        data,
        from: (header.msg_namelen as usize).min(from_room),
        control: usize::try_from(header.msg_controllen).unwrap_or(control_room).min(control_room),
        flags: header.msg_flags as i32,
    })
}

/// `man 2 setsockopt`.
pub fn setsockopt<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    level: i32,
    name: i32,
    option: &[u8],
) -> LinuxResult<()> {
    let length = Arg::Val(option.len());
    unit(call!(kernel, Setsockopt, file.arg(), value(level), value(name), Arg::In(option), length))
}

/// `man 2 getsockopt`: how many bytes the value has.
pub fn getsockopt<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    level: i32,
    name: i32,
    option: &mut [u8],
) -> LinuxResult<usize> {
    let mut length = option.len() as u32;
    let room = Arg::Out(length.as_mut_bytes());
    call!(kernel, Getsockopt, file.arg(), value(level), value(name), Arg::Out(option), room)?;
    Ok(filled(length, option))
}

/// An option of the level `SOL_SOCKET` that is an `int`.
pub fn option<K: Kernel>(kernel: &K, file: LinuxFd, name: i32) -> LinuxResult<i32> {
    let mut number = 0i32;
    getsockopt(kernel, file, xnu_abi::linux::socket::SOL_SOCKET, name, number.as_mut_bytes())?;
    Ok(number)
}

/// `man 2 poll` of one descriptor without waiting: what holds for it.
pub fn poll_now<K: Kernel>(kernel: &K, file: LinuxFd, events: i32) -> LinuxResult<i32> {
    let mut entry = [0; 8];
    for (to, from) in
        entry.iter_mut().zip(file.0.to_ne_bytes().into_iter().chain((events as i16).to_ne_bytes()))
    {
        *to = from;
    }
    let now = [0; 16];
    let (one, none) = (Arg::Val(1), || Arg::Val(0));
    call!(kernel, Ppoll, Arg::Out(&mut entry), one, Arg::In(&now), none(), none())?;
    let revents = entry.get(6..).and_then(|bytes| u16::read_from_bytes(bytes).ok());
    Ok(i32::from(revents.unwrap_or(0)))
}
