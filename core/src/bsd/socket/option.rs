//! Socket options (`man 2 getsockopt`; `bsd/kern/uipc_socket.c`, `sosetoptlock`, `sogetoptlock`).

use super::answer::{ToBsd, errno};
use super::domain;
use crate::convert::socket::{Rule, VALUE_MAX, option_value_to_darwin, option_value_to_linux, rule};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{Fd, SysResult};
use crate::user::{UserAddr, UserPtr};
use core::sync::atomic::Ordering;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::inet::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP};
use xnu_abi::darwin::socket::{
    LOCAL_PEERCRED, LOCAL_PEEREPID, LOCAL_PEEREUUID, LOCAL_PEERPID, LOCAL_PEERTOKEN, LOCAL_PEERUUID,
    SocketOption, Xucred,
};
use xnu_abi::linux as abi;
use xnu_abi::linux::socket::{self as l, Ucred};
use zerocopy::{FromZeros, IntoBytes};

/// `man 2 setsockopt`.
pub fn setsockopt<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    s: Fd,
    level: i32,
    name: i32,
    value: UserAddr,
    length: u32,
) -> SysResult<()> {
    if value.is_null() && length != 0 {
        return Err(Errno::EFAULT);
    }
    let (kernel, file) = (cx.kernel(), s.to_linux()?);
    let domain = domain(kernel, file)?;
    if level == SocketOption::SOL_SOCKET.number() && name == SocketOption::SO_NOSIGPIPE.number() {
        if length < 4 {
            return Err(Errno::EINVAL);
        }
        let on = UserPtr::<i32>::new(value).read(kernel)? != 0;
        return crate::bsd::fcntl::set_no_sigpipe(cx, file, on).map(|_| ());
    }
    let rule = known(domain, level, name)?;
    let (least, most) = rule.form.size();
    let length = length as usize;
    if length < least {
        return Err(Errno::EINVAL);
    }
    let mut bytes = [0; VALUE_MAX];
    let bytes = bytes.get_mut(..length.min(most)).unwrap_or_default();
    kernel.copy_in(value, bytes)?;
    option_value_to_linux(rule.form, bytes)?;
    linux::socket::setsockopt(kernel, file, rule.level, rule.name, bytes)
        .map_err(|error| refused(level, error))
}

/// What Linux has of an option, if the socket has options of that level at all.
fn known(domain: i32, level: i32, name: i32) -> SysResult<Rule> {
    if level != SocketOption::SOL_SOCKET.number() {
        match (domain, level) {
            (l::AF_UNIX, _) => return Err(Errno::EOPNOTSUPP),
            (_, IPPROTO_TCP | IPPROTO_UDP) | (l::AF_INET, IPPROTO_IP) | (l::AF_INET6, IPPROTO_IPV6) => {}
            _ => return Err(Errno::EINVAL),
        }
    }
    rule(level, name).ok_or(Errno::ENOPROTOOPT)
}

/// An option of a protocol that the socket does not speak goes to the one below, which does not know the level.
fn refused(level: i32, error: abi::Errno) -> Errno {
    match error {
        abi::Errno::ENOPROTOOPT | abi::Errno::EOPNOTSUPP if matches!(level, IPPROTO_TCP | IPPROTO_UDP) => {
            Errno::EINVAL
        }
        other => errno(other),
    }
}

/// `man 2 getsockopt`.
pub fn getsockopt<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    s: Fd,
    level: i32,
    name: i32,
    value: UserAddr,
    length: UserPtr<u32>,
) -> SysResult<()> {
    let (kernel, file) = (cx.kernel(), s.to_linux()?);
    let domain = domain(kernel, file)?;
    let room = if value.is_null() { 0 } else { length.read(kernel)? };
    let mut bytes = [0; size_of::<Xucred>()];
    let known = get(cx, file, domain, (level, name), &mut bytes)?;
    let shown = bytes.get(..known.min(room as usize)).unwrap_or_default();
    if !value.is_null() {
        kernel.copy_out(value, shown)?;
    }
    Ok(length.write(kernel, &(shown.len() as u32))?)
}

/// Fills in an option's value: its length.
fn get<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    file: LinuxFd,
    domain: i32,
    (level, name): (i32, i32),
    to: &mut [u8; size_of::<Xucred>()],
) -> SysResult<usize> {
    let kernel = cx.kernel();
    let is_socket = level == SocketOption::SOL_SOCKET.number();
    if !is_socket && domain == l::AF_UNIX {
        return local(kernel, file, name, to);
    }
    if is_socket && let Some(number) = of_socket(cx, file, SocketOption::new(name)) {
        return Ok(put(to, &number?.to_ne_bytes()));
    }
    let rule = known(domain, level, name)?;
    let (_, most) = rule.form.size();
    let room = to.get_mut(..most).unwrap_or_default();
    let told = linux::socket::getsockopt(kernel, file, rule.level, rule.name, room);
    let told = told.map_err(|error| refused(level, error))?;
    let error = |number| match abi::Errno::new(number) {
        Some(number) => errno(number).number(),
        None => 0,
    };
    option_value_to_darwin(rule.form, to.get_mut(..told).unwrap_or_default(), error);
    Ok(told)
}

fn put(to: &mut [u8], value: &[u8]) -> usize {
    to.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
    value.len()
}

/// Numbers that Linux tells in other ways than by an option.
fn of_socket<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    file: LinuxFd,
    name: SocketOption,
) -> Option<SysResult<i32>> {
    const FIONREAD: u32 = 0x541b;
    const TIOCOUTQ: u32 = 0x5411;
    let kernel = cx.kernel();
    let request = match name {
        SocketOption::SO_NREAD => FIONREAD,
        SocketOption::SO_NWRITE => TIOCOUTQ,
        SocketOption::SO_ACCEPTCONN => return None,
        SocketOption::SO_NOSIGPIPE => {
            let any = cx.process.descriptors.any_without_sigpipe.load(Ordering::Relaxed);
            return Some(if any {
                crate::bsd::fcntl::has_no_sigpipe(kernel, file).map(i32::from)
            } else {
                Ok(0)
            });
        }
        _ => return None,
    };
    let mut bytes = 0i32;
    Some(match linux::descriptor::ioctl(kernel, file, request, bytes.as_mut_bytes()) {
        Ok(_) => Ok(bytes),
        // What listens has nothing to read.
        Err(abi::Errno::EINVAL) => Ok(0),
        Err(error) => Err(errno(error)),
    })
}

/// Options of local sockets (`bsd/kern/uipc_usrreq.c`, `uipc_ctloutput`). A peer that is
/// gone has credentials, and nothing else. The unique number of a peer's program cannot be told.
fn local<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    name: i32,
    to: &mut [u8; size_of::<Xucred>()],
) -> SysResult<usize> {
    let mut peer = Ucred::new_zeroed();
    linux::socket::getsockopt(kernel, file, l::SOL_SOCKET, l::SO_PEERCRED, peer.as_mut_bytes()).to_bsd()?;
    let is_stream = super::kind(kernel, file)? == l::SOCK_STREAM;
    match name {
        LOCAL_PEERCRED if peer.pid == 0 || !is_stream => {
            Err(if is_stream { Errno::ENOTCONN } else { Errno::EINVAL })
        }
        LOCAL_PEERCRED => {
            let mut credentials = Xucred::new_zeroed();
            (credentials.cr_uid, credentials.cr_ngroups) = (peer.uid, 1);
            if let Some(first) = credentials.cr_groups.first_mut() {
                *first = peer.gid;
            }
            Ok(put(to, credentials.as_bytes()))
        }
        LOCAL_PEERPID | LOCAL_PEEREPID | LOCAL_PEERUUID | LOCAL_PEEREUUID | LOCAL_PEERTOKEN
            if peer.pid == 0 || super::Shut::of(kernel, file)?.both =>
        {
            Err(Errno::ENOTCONN)
        }
        LOCAL_PEERPID | LOCAL_PEEREPID => Ok(put(to, &peer.pid.to_ne_bytes())),
        LOCAL_PEERTOKEN => Ok(put(to, crate::bsd::audit::token(peer.pid, peer.uid, peer.gid).as_bytes())),
        LOCAL_PEERUUID | LOCAL_PEEREUUID => Err(Errno::EINVAL),
        _ => Err(Errno::EOPNOTSUPP),
    }
}
