//! `connectx` and `disconnectx` (`man 2 connectx`; `soconnectxlocked`, `sodisconnectx`).

use super::answer::ToBsd;
use super::{bind_to, connect_to, domain, kind, message};
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::{Fd, SysResult};
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::socket::{
    MessageFlags, Msghdr, SAE_ASSOCID_ALL, SAE_ASSOCID_ANY, SHUT_RDWR, SaEndpoints,
};
use xnu_abi::darwin::uio::Iovec;
use xnu_abi::linux as abi;
use xnu_abi::linux::socket::{self as l, ADDRESS_MAX};
use zerocopy::IntoBytes;

/// `man 2 connectx`: binds, connects, and sends what there is to send.
#[allow(clippy::too_many_arguments, reason = "the call's own")]
pub fn connectx<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    s: Fd,
    endpoints: UserPtr<SaEndpoints>,
    _association: u32,
    _flags: u32,
    iov: UserPtr<Iovec>,
    iov_count: u32,
    length: UserPtr<u64>,
    connection: UserPtr<u32>,
) -> SysResult<()> {
    let (kernel, file) = (cx.kernel(), s.to_linux()?);
    let family = domain(kernel, file)?;
    if endpoints.is_null() {
        return Err(Errno::EINVAL);
    }
    let ends = endpoints.read(kernel)?;
    if ends.sae_dstaddr == 0 {
        return Err(Errno::EINVAL);
    }
    if !iov.is_null() && (iov_count == 0 || iov_count > 1024 || length.is_null()) {
        return Err(Errno::EINVAL);
    }
    if family == l::AF_UNIX {
        return Err(Errno::EOPNOTSUPP);
    }
    if ends.sae_srcif != 0 {
        let interface = ends.sae_srcif;
        linux::socket::setsockopt(kernel, file, l::SOL_SOCKET, l::SO_BINDTOIFINDEX, interface.as_bytes())
            .to_bsd()?;
    }
    if ends.sae_srcaddr != 0 {
        bind_to(cx, file, UserAddr::new(ends.sae_srcaddr), ends.sae_srcaddrlen)?;
    }
    let mut sent = 0;
    let mut answer = connect_to(cx, file, UserAddr::new(ends.sae_dstaddr), ends.sae_dstaddrlen);
    if answer.is_ok() && !iov.is_null() {
        let header = Msghdr {
            msg_name: 0,
            msg_namelen: 0,
            _pad0: 0,
            msg_iov: iov.address().get(),
            msg_iovlen: iov_count as i32,
            _pad1: 0,
            msg_control: 0,
            msg_controllen: 0,
            msg_flags: 0,
        };
        match message::send(cx, s, &header, MessageFlags::MSG_NOSIGNAL) {
            Ok(count) => sent = count,
            Err(Errno::EAGAIN) if kind(kernel, file)? == l::SOCK_STREAM => answer = Err(Errno::EINPROGRESS),
            // It is connected, and that is what counts.
            Err(Errno::EAGAIN) => {}
            Err(error) => answer = Err(error),
        }
    }
    // That these cannot be written matters where nothing else went wrong.
    if !length.is_null() {
        let told = length.write(kernel, &(sent as u64));
        answer = answer.and(told.map_err(Errno::from));
    }
    if !connection.is_null() {
        // There is only one, or none.
        let told = connection.write(kernel, &u32::from(answer.is_ok()));
        answer = answer.and(told.map_err(Errno::from));
    }
    answer
}

/// `man 2 disconnectx`: a stream is closed in order, a datagram socket forgets its peer.
pub fn disconnectx<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    s: Fd,
    association: u32,
    _connection: u32,
) -> SysResult<()> {
    let (kernel, file) = (cx.kernel(), s.to_linux()?);
    if domain(kernel, file)? == l::AF_UNIX {
        return Err(Errno::EOPNOTSUPP);
    }
    if !matches!(association, SAE_ASSOCID_ANY | SAE_ASSOCID_ALL) {
        return Err(Errno::EINVAL);
    }
    if kind(kernel, file)? == l::SOCK_STREAM {
        return match linux::socket::shutdown(kernel, file, SHUT_RDWR as i32) {
            Err(abi::Errno::ENOTCONN) => Ok(()),
            other => other.to_bsd(),
        };
    }
    linux::socket::getpeername(kernel, file, &mut [0; ADDRESS_MAX]).to_bsd()?;
    linux::socket::connect(kernel, file, &[0; 16]).to_bsd()
}
