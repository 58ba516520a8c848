//! Sockets: domains, flags of messages, addresses, options, control messages.

mod control;
mod option;

pub use control::{control_to_darwin, control_to_linux};
pub use option::{Form, Rule, VALUE_MAX, option_value_to_darwin, option_value_to_linux, rule};

use xnu_abi::darwin::Errno;
use xnu_abi::darwin::inet;
use xnu_abi::darwin::socket::{MessageFlags, SocketDomain, SocketType};
use xnu_abi::linux::socket as linux;

/// Linux's number of a domain; `None` for those that it has not, or that are another thing there.
pub fn domain_to_linux(from: SocketDomain) -> Option<i32> {
    match from {
        SocketDomain::AF_UNIX => Some(linux::AF_UNIX),
        SocketDomain::AF_INET => Some(linux::AF_INET),
        SocketDomain::AF_INET6 => Some(linux::AF_INET6),
        _ => None,
    }
}

/// Darwin's number of a domain.
pub fn domain_to_darwin(from: i32) -> Option<SocketDomain> {
    match from {
        linux::AF_UNIX => Some(SocketDomain::AF_UNIX),
        linux::AF_INET => Some(SocketDomain::AF_INET),
        linux::AF_INET6 => Some(SocketDomain::AF_INET6),
        _ => None,
    }
}

/// Protocols that XNU has in both internet domains, whatever the type.
const INTERNET_PROTOCOLS: [i32; 9] = [
    inet::IPPROTO_ICMP,
    inet::IPPROTO_IGMP,
    inet::IPPROTO_IPV4,
    inet::IPPROTO_TCP,
    inet::IPPROTO_UDP,
    inet::IPPROTO_IPV6,
    inet::IPPROTO_ESP,
    inet::IPPROTO_ICMPV6,
    inet::IPPROTO_RAW,
];

/// Linux's domain and type of a socket (`bsd/kern/uipc_socket.c`, `socreate_internal`). The type has no flags in it.
///
/// # Errors
/// `EAFNOSUPPORT`, `EPROTONOSUPPORT`, `EPROTOTYPE`.
pub fn kind_to_linux(domain: SocketDomain, kind: SocketType, protocol: i32) -> Result<(i32, i32), Errno> {
    let family = domain_to_linux(domain).ok_or(Errno::EAFNOSUPPORT)?;
    if domain == SocketDomain::AF_UNIX {
        return match (kind, protocol) {
            (SocketType::SOCK_STREAM, 0) => Ok((family, linux::SOCK_STREAM)),
            (SocketType::SOCK_DGRAM, 0) => Ok((family, linux::SOCK_DGRAM)),
            _ => Err(Errno::EPROTONOSUPPORT),
        };
    }
    let echo = if domain == SocketDomain::AF_INET { inet::IPPROTO_ICMP } else { inet::IPPROTO_ICMPV6 };
    match (kind, protocol) {
        (SocketType::SOCK_STREAM, 0 | inet::IPPROTO_TCP) => Ok((family, linux::SOCK_STREAM)),
        (SocketType::SOCK_DGRAM, 0 | inet::IPPROTO_UDP) => Ok((family, linux::SOCK_DGRAM)),
        (SocketType::SOCK_DGRAM, protocol) if protocol == echo => Ok((family, linux::SOCK_DGRAM)),
        (SocketType::SOCK_RAW, _) => Ok((family, linux::SOCK_RAW)),
        (_, protocol) if INTERNET_PROTOCOLS.contains(&protocol) => Err(Errno::EPROTOTYPE),
        _ => Err(Errno::EPROTONOSUPPORT),
    }
}

/// `MSG_NBIO`, meant for the kernel alone and heeded from anybody.
const MSG_NBIO: MessageFlags = MessageFlags::from_bits_retain(0x2_0000);

const MESSAGE_FLAGS: &[(MessageFlags, i32)] = &[
    (MessageFlags::MSG_OOB, linux::MSG_OOB),
    (MessageFlags::MSG_PEEK, linux::MSG_PEEK),
    (MessageFlags::MSG_DONTROUTE, linux::MSG_DONTROUTE),
    (MessageFlags::MSG_EOR, linux::MSG_EOR),
    (MessageFlags::MSG_WAITALL, linux::MSG_WAITALL),
    (MessageFlags::MSG_WAITSTREAM, linux::MSG_WAITALL),
    (MessageFlags::MSG_DONTWAIT, linux::MSG_DONTWAIT),
    (MSG_NBIO, linux::MSG_DONTWAIT),
    (MessageFlags::MSG_HOLD, linux::MSG_MORE),
];

/// Flags of a message to send or to receive. What XNU ignores is left out, so that it means nothing on Linux either.
pub fn message_flags_to_linux(from: MessageFlags) -> i32 {
    let mut to = 0;
    for (darwin, linux) in MESSAGE_FLAGS {
        if from.contains(*darwin) {
            to |= linux;
        }
    }
    to
}

/// What Linux tells of a message that was received.
pub fn message_flags_to_darwin(from: i32) -> MessageFlags {
    let mut to = MessageFlags::empty();
    to.set(MessageFlags::MSG_OOB, from & linux::MSG_OOB != 0);
    to.set(MessageFlags::MSG_EOR, from & linux::MSG_EOR != 0);
    to.set(MessageFlags::MSG_TRUNC, from & linux::MSG_TRUNC != 0);
    to.set(MessageFlags::MSG_CTRUNC, from & linux::MSG_CTRUNC != 0);
    to
}

/// Bytes of `sockaddr_in` and `sockaddr_in6`, the same on both systems.
pub const SOCKADDR_IN: usize = 16;
#[allow(missing_docs)]
pub const SOCKADDR_IN6: usize = 28;

/// Linux's family in place of Darwin's length and family; the rest of an internet address is the same.
pub fn put_linux_family(address: &mut [u8], family: i32) {
    for (to, from) in address.iter_mut().zip((family as u16).to_ne_bytes()) {
        *to = from;
    }
}

/// Linux's family of an address.
pub fn linux_family(address: &[u8]) -> Option<i32> {
    let family = address.first_chunk::<2>()?;
    Some(i32::from(u16::from_ne_bytes(*family)))
}

/// Darwin's length and family in place of Linux's family.
pub fn put_darwin_family(address: &mut [u8], length: usize, family: SocketDomain) {
    for (to, from) in address.iter_mut().zip([length as u8, family.number() as u8]) {
        *to = from;
    }
}

/// The port of an internet address, in either layout.
pub fn port(address: &[u8]) -> u16 {
    match address {
        [_, _, high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_flags_of_the_type_are_no_flags_here() {
        let flagged = SocketType::new(linux::SOCK_STREAM | linux::SOCK_NONBLOCK);
        for domain in [SocketDomain::AF_UNIX, SocketDomain::AF_INET, SocketDomain::AF_INET6] {
            assert_eq!(kind_to_linux(domain, flagged, 0), Err(Errno::EPROTONOSUPPORT));
        }
        assert_eq!(
            kind_to_linux(SocketDomain::new(10), SocketType::SOCK_STREAM, 0),
            Err(Errno::EAFNOSUPPORT)
        );
    }

    #[test]
    fn a_protocol_of_another_type_is_eprototype() {
        let inet = SocketDomain::AF_INET;
        assert_eq!(kind_to_linux(inet, SocketType::SOCK_STREAM, inet::IPPROTO_UDP), Err(Errno::EPROTOTYPE));
        assert_eq!(kind_to_linux(inet, SocketType::SOCK_STREAM, 200), Err(Errno::EPROTONOSUPPORT));
        assert_eq!(kind_to_linux(inet, SocketType::SOCK_DGRAM, inet::IPPROTO_ICMP), Ok((2, 2)));
        assert_eq!(
            kind_to_linux(SocketDomain::AF_UNIX, SocketType::SOCK_SEQPACKET, 0),
            Err(Errno::EPROTONOSUPPORT)
        );
    }

    #[test]
    fn domains_come_back() {
        for number in -1..50 {
            let domain = SocketDomain::new(number);
            if let Some(linux) = domain_to_linux(domain) {
                assert_eq!(domain_to_darwin(linux), Some(domain));
            }
        }
    }

    #[test]
    fn flags_without_a_meaning_are_left_out() {
        let unknown =
            MessageFlags::MSG_NEEDSA | MessageFlags::MSG_EOF | MessageFlags::from_bits_retain(0x4000);
        assert_eq!(message_flags_to_linux(unknown), 0);
        // What Linux calls so is something else here.
        assert_eq!(message_flags_to_linux(MessageFlags::from_bits_retain(0x20)), 0);
        assert_eq!(message_flags_to_darwin(linux::MSG_TRUNC | linux::MSG_CTRUNC).bits(), 0x30);
    }

    #[test]
    fn families_are_a_byte_behind_the_length() {
        let mut address = [16, 2, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let guest = address;
        assert_eq!(port(&address), 80);
        put_linux_family(&mut address, linux::AF_INET);
        assert_eq!(linux_family(&address), Some(linux::AF_INET));
        put_darwin_family(&mut address, 16, SocketDomain::AF_INET);
        assert_eq!(address, guest);
    }
}
