//! Sending and receiving.

use super::address::{self, Address, Purpose};
use super::answer::{ToBsd, errno};
use super::{control, kind};
use crate::convert::socket::{linux_family, message_flags_to_darwin, message_flags_to_linux};
use crate::kernel::Kernel;
use crate::linux::socket::{Pieces, Received};
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::process::Context;
use crate::table::{Fd, SysResult, UserBuf, UserOut};
use crate::user::{UserAddr, UserPtr};
use core::sync::atomic::Ordering;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::socket::{MessageFlags, Msghdr};
use xnu_abi::darwin::uio::Iovec;
use xnu_abi::linux as abi;
use xnu_abi::linux::socket::{self as l, ADDRESS_MAX};

/// `MSG_SKIPCFIL`, for the kernel alone.
pub(super) const MSG_SKIPCFIL: MessageFlags = MessageFlags::from_bits_retain(0x10_0000);

/// `UIO_MAXIOV`.
pub(super) const IOV_MAX: i32 = 1024;

/// `man 2 sendto`.
///
/// Differs from XNU: `MSG_DONTWAIT` is heeded, where XNU waits for room in the buffer nevertheless (`sosendcheck`).
pub fn sendto<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    s: Fd,
    buf: UserBuf,
    length: usize,
    flags: MessageFlags,
    to: UserAddr,
    to_length: u32,
) -> SysResult<usize> {
    if flags.contains(MSG_SKIPCFIL) {
        return Err(Errno::EPERM);
    }
    if length > i64::MAX as usize {
        return Err(Errno::EINVAL);
    }
    let (kernel, file) = (cx.kernel(), s.to_linux()?);
    let linux_flags = message_flags_to_linux(flags) | l::MSG_NOSIGNAL;
    let answer = if to.is_null() {
        check_sending(kernel, file, length as u64, flags)?;
        linux::socket::sendto(kernel, file, (buf.0, length), linux_flags, &[])
    } else {
        let mut bytes = [0; ADDRESS_MAX];
        let address = Address::read(cx, file, to, to_length, Purpose::Send, &mut bytes)?;
        check_sending(kernel, file, length as u64, flags)?;
        let to = destination(kernel, file, &address)?;
        linux::socket::sendto(kernel, file, (buf.0, length), linux_flags, to)
    };
    sent(cx, file, flags, answer)
}

/// What no socket of its kind sends, whatever state it is in (`sosend`, `uipc_send`).
#[inline(always)]
pub(super) fn check_sending<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    length: u64,
    flags: MessageFlags,
) -> SysResult<()> {
    if length <= i32::MAX as u64 && !flags.intersects(MessageFlags::MSG_OOB | MessageFlags::MSG_EOR) {
        return Ok(());
    }
    check_unusual(kernel, file, length, flags)
}

#[cold]
#[inline(never)]
fn check_unusual<K: Kernel>(kernel: &K, file: LinuxFd, length: u64, flags: MessageFlags) -> SysResult<()> {
    let is_stream = kind(kernel, file)? == l::SOCK_STREAM;
    let is_out_of_band = flags.contains(MessageFlags::MSG_OOB);
    if is_out_of_band && !is_stream {
        return Err(Errno::EOPNOTSUPP);
    }
    if length > i32::MAX as u64 || is_stream && flags.contains(MessageFlags::MSG_EOR) {
        return Err(Errno::EINVAL);
    }
    if is_out_of_band && super::domain(kernel, file)? == l::AF_UNIX {
        linux::socket::getpeername(kernel, file, &mut [0; ADDRESS_MAX]).to_bsd()?;
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(())
}

/// Only the internet's streams have data out of band (`pru_rcvoob`).
#[inline(always)]
fn check_receiving<K: Kernel>(kernel: &K, file: LinuxFd, flags: MessageFlags) -> SysResult<()> {
    if flags.contains(MessageFlags::MSG_OOB) { check_out_of_band(kernel, file) } else { Ok(()) }
}

#[cold]
#[inline(never)]
fn check_out_of_band<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<()> {
    if kind(kernel, file)? != l::SOCK_STREAM || super::domain(kernel, file)? == l::AF_UNIX {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(())
}

/// Where a message goes: nowhere else where there is a connection (`bsd/kern/uipc_usrreq.c`, `uipc_send`;
/// `bsd/netinet/udp_usrreq.c`, `udp_send`).
#[inline(never)]
pub(super) fn destination<'a, K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    address: &'a Address<'_, '_, K>,
) -> SysResult<&'a [u8]> {
    let is_connected = match linux::socket::getpeername(kernel, file, &mut [0; ADDRESS_MAX]) {
        Err(abi::Errno::ENOTCONN) => false,
        other => other.to_bsd()? > 0,
    };
    match kind(kernel, file)? {
        l::SOCK_STREAM if is_connected => Ok(&[]),
        l::SOCK_STREAM => Err(Errno::ENOTCONN),
        _ if is_connected => Err(Errno::EISCONN),
        _ => Ok(address.bytes()),
    }
}

/// XNU's answer for a message that was sent, or was not.
#[inline(always)]
fn sent<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    file: LinuxFd,
    flags: MessageFlags,
    answer: LinuxResult<usize>,
) -> SysResult<usize> {
    match answer {
        Ok(sent) => Ok(sent),
        Err(error) => Err(not_sent(cx, file, flags, error)),
    }
}

#[cold]
#[inline(never)]
fn not_sent<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    file: LinuxFd,
    flags: MessageFlags,
    error: abi::Errno,
) -> Errno {
    let kernel = cx.kernel();
    match error {
        abi::Errno::EPIPE => {
            // Linux says so of what was never connected too, which nobody has shut.
            let was_shut = l::POLLRDHUP;
            let is_unconnected =
                linux::socket::getpeername(kernel, file, &mut [0; ADDRESS_MAX]) == Err(abi::Errno::ENOTCONN);
            if is_unconnected
                && linux::socket::poll_now(kernel, file, was_shut).is_ok_and(|now| now & was_shut == 0)
            {
                return Errno::ENOTCONN;
            }
            if let Err(error) = raise(cx, file, flags) {
                return error;
            }
            Errno::EPIPE
        }
        abi::Errno::ENOTCONN if kind(kernel, file) == Ok(l::SOCK_DGRAM) => Errno::EDESTADDRREQ,
        other => errno(other),
    }
}

/// `SIGPIPE`, unless socket or call say otherwise (`sendit`).
fn raise<K: Kernel, L>(cx: &Context<'_, K, L>, file: LinuxFd, flags: MessageFlags) -> SysResult<()> {
    const SIGPIPE: i32 = 13;
    let kernel = cx.kernel();
    if flags.contains(MessageFlags::MSG_NOSIGNAL) {
        return Ok(());
    }
    let any = cx.process.descriptors.any_without_sigpipe.load(Ordering::Relaxed);
    if any && crate::bsd::fcntl::has_no_sigpipe(kernel, file)? {
        return Ok(());
    }
    let (process, thread) = (linux::process::getpid(kernel), linux::process::gettid(kernel));
    linux::signal::tgkill(kernel, process.to_bsd()?, thread.to_bsd()?, SIGPIPE).to_bsd()
}

/// `man 2 recvfrom`.
pub fn recvfrom<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    s: Fd,
    buf: UserOut,
    length: usize,
    flags: MessageFlags,
    from: UserAddr,
    from_length: UserPtr<u32>,
) -> SysResult<usize> {
    let kernel = cx.kernel();
    let room = if from_length.is_null() { 0 } else { from_length.read(kernel)? };
    let file = s.to_linux()?;
    if length > i32::MAX as usize {
        kind(kernel, file)?;
        return Err(Errno::EINVAL);
    }
    check_receiving(kernel, file, flags)?;
    let linux_flags = message_flags_to_linux(flags);
    if from.is_null() {
        let answer = linux::socket::recvfrom(kernel, file, (buf.0, length), linux_flags, &mut []);
        return received(kernel, file, flags, answer).map(|(received, _)| received);
    }
    let mut bytes = [0; ADDRESS_MAX];
    let answer = linux::socket::recvfrom(kernel, file, (buf.0, length), linux_flags, &mut bytes);
    let (received, filled) = received(kernel, file, flags, answer)?;
    let told = sender(cx, file, &bytes, filled, from, room)?;
    if !from_length.is_null() {
        from_length.write(kernel, &told)?;
    }
    Ok(received)
}

/// Tells who sent a message. Datagrams have a sender, which may have no name; streams tell none. That the name cannot
/// be written does not matter (`copyout_sa`).
#[inline(never)]
fn sender<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    file: LinuxFd,
    bytes: &[u8; ADDRESS_MAX],
    filled: usize,
    to: UserAddr,
    room: u32,
) -> SysResult<u32> {
    let family = linux_family(bytes.get(..filled).unwrap_or_default());
    if matches!(family, Some(l::AF_INET | l::AF_INET6)) {
        return Ok(if room == 0 { 0 } else { address::tell(cx, bytes, filled, to, room).unwrap_or(room) });
    }
    if room == 0
        || kind(cx.kernel(), file)? != l::SOCK_DGRAM
        || super::domain(cx.kernel(), file)? != l::AF_UNIX
    {
        return Ok(0);
    }
    if family.is_some() {
        return Ok(address::tell(cx, bytes, filled, to, room).unwrap_or(room));
    }
    let mut none = [0; ADDRESS_MAX];
    crate::convert::socket::put_linux_family(&mut none, l::AF_UNIX);
    Ok(address::tell(cx, &none, 2, to, room).unwrap_or(room))
}

/// XNU's answer for a message that was received, or was not.
#[inline(always)]
fn received<K: Kernel, T>(
    kernel: &K,
    file: LinuxFd,
    flags: MessageFlags,
    answer: LinuxResult<T>,
) -> SysResult<T> {
    match answer {
        Ok(received) => Ok(received),
        // A local stream without a connection.
        Err(abi::Errno::EINVAL) if !flags.contains(MessageFlags::MSG_OOB) && is_unconnected(kernel, file) => {
            Err(Errno::ENOTCONN)
        }
        Err(error) => Err(errno(error)),
    }
}

#[cold]
fn is_unconnected<K: Kernel>(kernel: &K, file: LinuxFd) -> bool {
    kind(kernel, file) == Ok(l::SOCK_STREAM)
        && linux::socket::getpeername(kernel, file, &mut [0; ADDRESS_MAX]) == Err(abi::Errno::ENOTCONN)
}

/// Checks a message's vector, which Linux reads itself: how many bytes it is for; `None` for more than there can be.
fn pieces<K: Kernel>(kernel: &K, vector: u64, count: i32) -> SysResult<(Pieces, Option<u64>)> {
    if count <= 0 || count > IOV_MAX {
        return Err(Errno::EMSGSIZE);
    }
    let vector = UserPtr::<Iovec>::new(UserAddr::new(vector));
    let mut total = Some(0u64);
    for index in 0..count as u64 {
        let piece = vector.element(index)?.read(kernel)?;
        total =
            total.and_then(|total| total.checked_add(piece.iov_len)).filter(|sum| *sum <= i64::MAX as u64);
    }
    Ok((Pieces { vector: vector.address(), count: count as usize }, total))
}

/// `man 2 sendmsg`. Control messages are lists that XNU takes: one of descriptors for local sockets, and for internet
/// sockets those that Linux has too.
pub fn sendmsg<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    s: Fd,
    message: UserPtr<Msghdr>,
    flags: MessageFlags,
) -> SysResult<usize> {
    if flags.contains(MSG_SKIPCFIL) {
        return Err(Errno::EPERM);
    }
    let header = message.read(cx.kernel())?;
    send(cx, s, &header, flags)
}

#[inline(never)]
pub(super) fn send<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    s: Fd,
    header: &Msghdr,
    flags: MessageFlags,
) -> SysResult<usize> {
    let kernel = cx.kernel();
    let (pieces, total) = pieces(kernel, header.msg_iov, header.msg_iovlen)?;
    let length = total.ok_or(Errno::EINVAL)?;
    let file = s.to_linux()?;
    let linux_flags = message_flags_to_linux(flags) | l::MSG_NOSIGNAL;
    let name = UserAddr::new(header.msg_name);
    let mut bytes = [0; ADDRESS_MAX];
    let address = if name.is_null() {
        None
    } else {
        Some(Address::read(cx, file, name, header.msg_namelen, Purpose::Send, &mut bytes)?)
    };
    let control = (UserAddr::new(header.msg_control), header.msg_controllen);
    let answer = if header.msg_control == 0 {
        check_sending(kernel, file, length, flags)?;
        let to = match &address {
            Some(address) => destination(kernel, file, address)?,
            None => &[],
        };
        linux::socket::sendmsg(kernel, file, pieces, to, &[], linux_flags)
    } else {
        control::send(cx, file, (pieces, length), address.as_ref(), control, flags)?
    };
    sent(cx, file, flags, answer)
}

/// `man 2 recvmsg`.
pub fn recvmsg<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    s: Fd,
    message: UserPtr<Msghdr>,
    flags: MessageFlags,
) -> SysResult<usize> {
    let mut header = message.read(cx.kernel())?;
    let received = receive(cx, s, &mut header, flags)?;
    message.write(cx.kernel(), &header)?;
    Ok(received)
}

#[inline(never)]
pub(super) fn receive<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    s: Fd,
    header: &mut Msghdr,
    flags: MessageFlags,
) -> SysResult<usize> {
    let kernel = cx.kernel();
    let (pieces, total) = pieces(kernel, header.msg_iov, header.msg_iovlen)?;
    let file = s.to_linux()?;
    if total.is_none_or(|total| total > i32::MAX as u64) {
        kind(kernel, file)?;
        return Err(Errno::EINVAL);
    }
    check_receiving(kernel, file, flags)?;
    let linux_flags = message_flags_to_linux(flags);
    let mut bytes = [0; ADDRESS_MAX];
    let from: &mut [u8] = if header.msg_name == 0 { &mut [] } else { &mut bytes };
    let mut told = flags;
    let answer = if header.msg_control == 0 {
        linux::socket::recvmsg(kernel, file, pieces, from, &mut [], linux_flags)
    } else {
        control::receive(cx, file, pieces, from, (header, &mut told), linux_flags)?
    };
    let Received { data, from: filled, flags: linux_told, .. } = received(kernel, file, flags, answer)?;
    // Without room for control messages, XNU does not say that there were some.
    let lost = if header.msg_control == 0 { l::MSG_CTRUNC } else { 0 };
    header.msg_flags = (told | message_flags_to_darwin(linux_told & !lost)).bits();
    if header.msg_name != 0 {
        let name = UserAddr::new(header.msg_name);
        header.msg_namelen = sender(cx, file, &bytes, filled, name, header.msg_namelen)?;
    }
    Ok(data)
}
