//! Addresses of sockets, in and out.

use super::answer::ToBsd;
use super::unix;
use crate::convert::socket::{
    SOCKADDR_IN, SOCKADDR_IN6, domain_to_darwin, linux_family, put_darwin_family, put_linux_family,
};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{Fd, SysResult};
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::socket::SocketDomain;
use xnu_abi::linux as abi;
use xnu_abi::linux::socket::{self as l, ADDRESS_MAX};

/// `SOCK_MAXADDRLEN`.
const LONGEST: u32 = 255;

/// What an address is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// A name to make.
    Bind,
    /// A peer; a datagram socket may be given none.
    Connect,
    /// Where a message goes.
    Send,
}

/// An address as Linux takes it. Keeps open what it names.
pub(super) struct Address<'a, 'b, K: Kernel> {
    kernel: &'a K,
    bytes: &'b [u8],
    opened: Option<LinuxFd>,
    is_local: bool,
}

impl<'a, 'b, K: Kernel> Address<'a, 'b, K> {
    /// Reads an address of the guest's (`getsockaddr`, `getsockaddr_s`).
    pub(super) fn read<L>(
        cx: &Context<'a, K, L>,
        file: LinuxFd,
        name: UserAddr,
        length: u32,
        purpose: Purpose,
        bytes: &'b mut [u8; ADDRESS_MAX],
    ) -> SysResult<Address<'a, 'b, K>> {
        match Self::read_unchecked(cx, name, length, purpose, file, bytes) {
            // The descriptor is looked up first.
            Err(error) => Err(super::kind(cx.kernel(), file).err().unwrap_or(error)),
            good => good,
        }
    }

    fn read_unchecked<L>(
        cx: &Context<'a, K, L>,
        name: UserAddr,
        length: u32,
        purpose: Purpose,
        file: LinuxFd,
        bytes: &'b mut [u8; ADDRESS_MAX],
    ) -> SysResult<Address<'a, 'b, K>> {
        let kernel = cx.kernel();
        if length > LONGEST {
            return Err(Errno::ENAMETOOLONG);
        }
        if length < 2 || name.is_null() && length as usize <= ADDRESS_MAX {
            return Err(Errno::EINVAL);
        }
        let [_, family] = UserPtr::<[u8; 2]>::new(name).read(kernel)?;
        let mut family = SocketDomain::new(family.into());
        if family == SocketDomain::AF_UNSPEC {
            family = instead_of_none(kernel, file, length, purpose)?;
        }
        if family == SocketDomain::AF_UNIX {
            if super::domain(kernel, file)? != l::AF_UNIX {
                return Err(Errno::EAFNOSUPPORT);
            }
            let (length, opened) = unix::read(cx, file, name, length, purpose, bytes)?;
            let bytes = bytes.get(..length).unwrap_or_default();
            return Ok(Address { kernel, bytes, opened, is_local: true });
        }
        // Longer ones than Linux has are of no family that it has: the rest is not looked at.
        let taken = (length as usize).min(ADDRESS_MAX);
        let bytes = bytes.get_mut(..taken).unwrap_or_default();
        kernel.copy_in(name, bytes)?;
        let (linux_family, wanted) = match family {
            SocketDomain::AF_INET => (l::AF_INET, SOCKADDR_IN),
            SocketDomain::AF_INET6 => (l::AF_INET6, SOCKADDR_IN6),
            SocketDomain::AF_UNSPEC => (l::AF_UNSPEC, taken),
            _ => return Err(Errno::EAFNOSUPPORT),
        };
        // No stream leads to a group (`tcp_usr_bind`, `tcp_usr_connect_common`).
        if purpose != Purpose::Send
            && is_group(bytes, linux_family, purpose)
            && super::kind(kernel, file)? == l::SOCK_STREAM
        {
            return Err(Errno::EAFNOSUPPORT);
        }
        if taken != wanted {
            return Err(Errno::EINVAL);
        }
        if purpose != Purpose::Bind && family != SocketDomain::AF_UNSPEC && !super::has_port(bytes) {
            let is_raw = super::kind(kernel, file)? == l::SOCK_RAW;
            if !is_raw {
                return Err(Errno::EADDRNOTAVAIL);
            }
        }
        put_linux_family(bytes, linux_family);
        Ok(Address { kernel, bytes, opened: None, is_local: false })
    }

    /// As Linux takes it.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// Whether this is the name of a local socket.
    pub(super) fn is_local(&self) -> bool {
        self.is_local
    }

    /// Whether what a local name leads to is a socket; true of other addresses.
    pub(super) fn is_socket(&self) -> bool {
        self.opened.is_none_or(|file| unix::is_socket(self.kernel, file))
    }
}

impl<K: Kernel> Drop for Address<'_, '_, K> {
    fn drop(&mut self) {
        if let Some(file) = self.opened {
            // Ours alone, and only a name: closing it cannot fail in a way that matters.
            let _ = linux::descriptor::close(self.kernel, file);
        }
    }
}

/// Whether an internet address is that of a group or of everybody; one of the older internet's in the newer's form
/// too.
fn is_group(address: &[u8], family: i32, purpose: Purpose) -> bool {
    let older = |host: [u8; 4]| host == [255; 4] || matches!(host, [224..=239, ..]);
    let host = |from: usize| address.get(from..).and_then(|host| host.first_chunk::<4>()).copied();
    match family {
        l::AF_INET => host(4).is_some_and(older),
        l::AF_INET6 => {
            let is_older = match (host(8), host(12), host(16)) {
                (Some([0, 0, 0, 0]), Some([0, 0, 0, 0]), Some([0, 0, 0xff, 0xff])) => true,
                (Some([0, 0, 0, 0]), Some([0, 0, 0, 0]), Some([0, 0, 0, 0])) => purpose == Purpose::Bind,
                _ => false,
            };
            host(8).is_some_and(|[first, ..]| first == 0xff) || is_older && host(20).is_some_and(older)
        }
        _ => false,
    }
}

/// The family of an address that has none.
#[cold]
fn instead_of_none<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    length: u32,
    purpose: Purpose,
) -> SysResult<SocketDomain> {
    let domain = super::domain(kernel, file)?;
    let dissolves = purpose == Purpose::Connect && super::kind(kernel, file)? == l::SOCK_DGRAM;
    Ok(match domain {
        l::AF_UNIX => SocketDomain::AF_UNIX,
        l::AF_INET if !dissolves && length as usize == SOCKADDR_IN => SocketDomain::AF_INET,
        _ if dissolves => SocketDomain::AF_UNSPEC,
        _ => return Err(Errno::EAFNOSUPPORT),
    })
}

/// `man 2 getsockname`.
pub fn getsockname<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    s: Fd,
    name: UserAddr,
    length: UserPtr<u32>,
) -> SysResult<()> {
    let mut bytes = [0; ADDRESS_MAX];
    let filled = linux::socket::getsockname(cx.kernel(), s.to_linux()?, &mut bytes).to_bsd()?;
    let room = length.read(cx.kernel())?;
    let told = tell(cx, &bytes, filled, name, room)?;
    Ok(length.write(cx.kernel(), &told)?)
}

/// `man 2 getpeername`. What is shut in both directions, as by a peer that is gone, has no peer to tell.
pub fn getpeername<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    s: Fd,
    name: UserAddr,
    length: UserPtr<u32>,
) -> SysResult<()> {
    let mut bytes = [0; ADDRESS_MAX];
    let file = s.to_linux()?;
    let filled = match linux::socket::getpeername(cx.kernel(), file, &mut bytes) {
        Ok(_) | Err(abi::Errno::ENOTCONN) if super::Shut::of(cx.kernel(), file)?.both => {
            return Err(Errno::EINVAL);
        }
        answer => answer.to_bsd()?,
    };
    let room = length.read(cx.kernel())?;
    let told = tell(cx, &bytes, filled, name, room)?;
    Ok(length.write(cx.kernel(), &told)?)
}

/// Writes an address that Linux told, as far as there is room: its whole length.
#[inline(never)]
pub(super) fn tell<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    bytes: &[u8; ADDRESS_MAX],
    filled: usize,
    to: UserAddr,
    room: u32,
) -> SysResult<u32> {
    let kernel = cx.kernel();
    let known = bytes.get(..filled).unwrap_or_default();
    match linux_family(known) {
        None => Ok(0),
        Some(l::AF_UNIX) => unix::tell(cx, known, to, room),
        Some(family) => {
            let mut address = *bytes;
            let domain = domain_to_darwin(family).ok_or(Errno::EAFNOSUPPORT)?;
            put_darwin_family(&mut address, filled, domain);
            let shown = address.get(..filled.min(room as usize)).unwrap_or_default();
            kernel.copy_out(to, shown)?;
            Ok(filled as u32)
        }
    }
}
