//! Several messages in one call (`bsd/kern/uipc_syscalls.c`, `sendmsg_x`, `recvmsg_x`).

use super::message::{IOV_MAX, MSG_SKIPCFIL, receive, send};
use super::{Shut, answer::ToBsd, kind};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{Fd, SysResult};
use crate::user::UserPtr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::socket::{MessageFlags, Msghdr, MsghdrX};
use xnu_abi::linux as abi;
use xnu_abi::linux::socket::{self as l, ADDRESS_MAX};

/// All flags that these calls take of datagrams: not to wait.
const QUICK: MessageFlags = MessageFlags::MSG_DONTWAIT.union(MessageFlags::from_bits_retain(0x2_0000));

fn plain(message: &MsghdrX) -> Msghdr {
    Msghdr {
        msg_name: message.msg_name,
        msg_namelen: message.msg_namelen,
        _pad0: 0,
        msg_iov: message.msg_iov,
        msg_iovlen: message.msg_iovlen,
        _pad1: 0,
        msg_control: message.msg_control,
        msg_controllen: message.msg_controllen,
        msg_flags: 0,
    }
}

/// `sendmsg_x`: messages one after the other, until one fails. Datagrams of a socket that has a peer go there, whatever
/// address they have (`sendit_x`).
pub fn sendmsg_x<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    s: Fd,
    messages: UserPtr<MsghdrX>,
    count: u32,
    flags: MessageFlags,
) -> SysResult<usize> {
    if flags.contains(MSG_SKIPCFIL) {
        return Err(Errno::EPERM);
    }
    let (kernel, file) = (cx.kernel(), s.to_linux()?);
    let has_peer = kind(kernel, file)? == l::SOCK_DGRAM && has_peer(kernel, file)?;
    if has_peer && !QUICK.contains(flags) {
        return Err(Errno::EINVAL);
    }
    for index in 0..u64::from(count) {
        let mut header = plain(&messages.element(index)?.read(kernel)?);
        if has_peer {
            header.msg_name = 0;
            if header.msg_controllen == 0 {
                header.msg_control = 0;
            }
        }
        match send(cx, s, &header, flags) {
            Ok(_) => {}
            Err(Errno::EINTR | Errno::EAGAIN | Errno::ENOBUFS | Errno::EMSGSIZE) if index > 0 => {
                return Ok(index as usize);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(count as usize)
}

fn has_peer<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<bool> {
    match linux::socket::getpeername(kernel, file, &mut [0; ADDRESS_MAX]) {
        Err(abi::Errno::ENOTCONN) => Ok(false),
        other => other.to_bsd().map(|_| true),
    }
}

/// `recvmsg_x`: as many messages as are there; waits for the first one only, and tells none where none can come any
/// more. Of what did not fit it only tells of control messages.
///
/// Differs from XNU: what a stream has beyond the room of a message comes with the next one, where XNU drops it.
pub fn recvmsg_x<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    s: Fd,
    messages: UserPtr<MsghdrX>,
    count: u32,
    flags: MessageFlags,
) -> SysResult<usize> {
    /// `kern.ipc.maxrecvmsgx`.
    const MOST: u32 = 256;
    let (kernel, file) = (cx.kernel(), s.to_linux()?);
    let is_stream = kind(kernel, file)? == l::SOCK_STREAM;
    if count == 0 || count > IOV_MAX as u32 || !QUICK.contains(flags) {
        return Err(Errno::EINVAL);
    }
    let count = count.min(MOST);
    for index in 0..u64::from(count) {
        let place = messages.element(index)?;
        let mut message = place.read(kernel)?;
        let mut header = plain(&message);
        if header.msg_controllen == 0 {
            header.msg_control = 0;
        }
        let flags = if index == 0 { flags } else { flags | MessageFlags::MSG_DONTWAIT };
        let received = match receive(cx, s, &mut header, flags) {
            Ok(received) => received,
            Err(error @ (Errno::EFAULT | Errno::EINVAL | Errno::EMSGSIZE)) => return Err(error),
            Err(_) if index > 0 => return Ok(index as usize),
            Err(error) => return Err(error),
        };
        if received == 0 && (is_stream || Shut::of(kernel, file)?.reading) {
            return Ok(index as usize);
        }
        message.msg_namelen = header.msg_namelen;
        message.msg_controllen = header.msg_controllen;
        message.msg_flags = header.msg_flags & MessageFlags::MSG_CTRUNC.bits();
        message.msg_datalen = received as u64;
        place.write(kernel, &message)?;
    }
    Ok(count as usize)
}
