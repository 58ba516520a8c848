//! Control messages: Darwin's have a header of 12 bytes and are aligned to 4, Linux's 16 and 8.

use xnu_abi::darwin::Errno;
use xnu_abi::darwin::inet as d;
use xnu_abi::darwin::socket::{SCM_RIGHTS, SCM_TIMESTAMP, SocketOption};
use xnu_abi::linux::socket as l;

/// Bytes of Darwin's and of Linux's header.
const DARWIN_HEADER: usize = 12;
const LINUX_HEADER: usize = 16;

const SOL_SOCKET: i32 = SocketOption::SOL_SOCKET.number();
/// `IPV6_PKTINFO`, `IPV6_HOPLIMIT` and `IPV6_TCLASS` are told by other numbers than they are asked for.
const IP_ORIGDSTADDR: i32 = l::IP_RECVORIGDSTADDR;

/// One message: level, type, data, and the rest behind it.
type Message<'a> = (i32, i32, &'a [u8], &'a [u8]);

fn number(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))
}

/// The first message of a list of Darwin's.
fn split_darwin(list: &[u8]) -> Option<Message<'_>> {
    let length = number(list, 0)? as u32 as usize;
    let data = list.get(DARWIN_HEADER..length)?;
    let rest = list.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((number(list, 4)?, number(list, 8)?, data, rest))
}

/// The first message of a list of Linux's.
fn split_linux(list: &[u8]) -> Option<Message<'_>> {
    let length = usize::try_from(u64::from_ne_bytes(*list.first_chunk()?)).ok()?;
    let data = list.get(LINUX_HEADER..length)?;
    let rest = list.get(length.checked_next_multiple_of(8)?..).unwrap_or_default();
    Some((number(list, 8)?, number(list, 12)?, data, rest))
}

/// Writes bytes at a place, and answers where they end; `None` where there is no room.
fn put(to: &mut [u8], at: usize, bytes: &[u8]) -> Option<usize> {
    let end = at.checked_add(bytes.len())?;
    to.get_mut(at..end)?.copy_from_slice(bytes);
    Some(end)
}

/// Control messages that the guest sends, for Linux: their length there. The list ends where it is none, and what XNU
/// looks for nothing in is left out (`udp_check_pktinfo`, `so_tos_from_control`, `ip6_setpktopts`).
///
/// # Errors
/// `ENOPROTOOPT` for options of the newer internet that there are not, `EACCES` for those that are the superuser's and
/// that Linux has not in this form, `EINVAL` for what has no room in `to`.
pub fn control_to_linux(from: &[u8], is_ipv6: bool, to: &mut [u8]) -> Result<usize, Errno> {
    let (mut rest, mut end) = (from, 0usize);
    while let Some((level, kind, data, behind)) = split_darwin(rest) {
        rest = behind;
        let (level, kind) = match (level, kind) {
            (SOL_SOCKET, SCM_RIGHTS) => (l::SOL_SOCKET, l::SCM_RIGHTS),
            (d::IPPROTO_IP, d::IP_PKTINFO) => (level, l::IP_PKTINFO),
            (d::IPPROTO_IP, d::IP_TOS) => (level, l::IP_TOS),
            (d::IPPROTO_IPV6, d::IPV6_PKTINFO | d::IPV6_2292PKTINFO) => (level, l::IPV6_PKTINFO),
            (d::IPPROTO_IPV6, d::IPV6_HOPLIMIT | d::IPV6_2292HOPLIMIT) => (level, l::IPV6_HOPLIMIT),
            (d::IPPROTO_IPV6, d::IPV6_TCLASS) => (level, l::IPV6_TCLASS),
            (d::IPPROTO_IPV6, d::IPV6_DONTFRAG) => (level, l::IPV6_DONTFRAG),
            (d::IPPROTO_IPV6, _) if is_ipv6 => match kind {
                // How small packets are, and which of the own addresses they come from, is for Linux to say.
                d::IPV6_USE_MIN_MTU | d::IPV6_PREFER_TEMPADDR => continue,
                d::IPV6_NEXTHOP | d::IPV6_HOPOPTS | d::IPV6_DSTOPTS | d::IPV6_RTHDRDSTOPTS => {
                    return Err(Errno::EACCES);
                }
                d::IPV6_2292NEXTHOP | d::IPV6_2292HOPOPTS | d::IPV6_2292DSTOPTS => return Err(Errno::EACCES),
                // Routes through others are refused everywhere today.
                d::IPV6_RTHDR | d::IPV6_2292RTHDR => return Err(Errno::EINVAL),
                _ => return Err(Errno::ENOPROTOOPT),
            },
            _ => continue,
        };
        end = put_message(to, end, (level, kind, data)).ok_or(Errno::EINVAL)?;
    }
    Ok(end)
}

/// Writes a message of Linux's behind others, and answers where it ends; `None` where there is no room.
fn put_message(to: &mut [u8], end: usize, (level, kind, data): (i32, i32, &[u8])) -> Option<usize> {
    let start = end.next_multiple_of(8);
    to.get_mut(end..start)?.fill(0);
    let end = put(to, start, &(LINUX_HEADER.checked_add(data.len())? as u64).to_ne_bytes())?;
    let end = put(to, end, &level.to_ne_bytes())?;
    let end = put(to, end, &kind.to_ne_bytes())?;
    put(to, end, data)
}

/// The control messages that Linux told, for the guest: calls `message` with level, type and data of each, in
/// Darwin's form. What Darwin has no counterpart of is left out.
pub fn control_to_darwin(from: &[u8], mut message: impl FnMut(i32, i32, &[u8])) {
    let mut rest = from;
    while let Some((level, kind, data, behind)) = split_linux(rest) {
        rest = behind;
        match (level, kind) {
            (l::SOL_SOCKET, l::SCM_RIGHTS) => message(SOL_SOCKET, SCM_RIGHTS, data),
            (l::SOL_SOCKET, l::SO_TIMESTAMP) => {
                let Some([time @ .., _, _, _, _]) = data.first_chunk::<16>() else { continue };
                let mut timeval = [0; 16];
                timeval.iter_mut().zip(time).for_each(|(to, from)| *to = *from);
                message(SOL_SOCKET, SCM_TIMESTAMP, &timeval);
            }
            (d::IPPROTO_IP, l::IP_PKTINFO) => message(level, d::IP_PKTINFO, data),
            // A whole address, of which Darwin tells the part behind the port.
            (d::IPPROTO_IP, IP_ORIGDSTADDR) => {
                message(level, d::IP_RECVDSTADDR, data.get(4..8).unwrap_or_default());
            }
            // Darwin has a byte here.
            (d::IPPROTO_IP, l::IP_TTL) => message(level, d::IP_RECVTTL, data.get(..1).unwrap_or_default()),
            (d::IPPROTO_IP, l::IP_TOS) => message(level, d::IP_RECVTOS, data.get(..1).unwrap_or_default()),
            (d::IPPROTO_IP, l::IP_RECVOPTS) => message(level, d::IP_RECVOPTS, data),
            (d::IPPROTO_IP, l::IP_RETOPTS) => message(level, d::IP_RECVRETOPTS, data),
            (d::IPPROTO_IPV6, l::IPV6_PKTINFO) => message(level, d::IPV6_PKTINFO, data),
            (d::IPPROTO_IPV6, l::IPV6_HOPLIMIT) => message(level, d::IPV6_HOPLIMIT, data),
            (d::IPPROTO_IPV6, l::IPV6_2292PKTINFO) => message(level, d::IPV6_2292PKTINFO, data),
            (d::IPPROTO_IPV6, l::IPV6_2292HOPLIMIT) => message(level, d::IPV6_2292HOPLIMIT, data),
            (d::IPPROTO_IPV6, l::IPV6_TCLASS) => message(level, d::IPV6_TCLASS, data),
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]
mod tests {
    extern crate alloc;

    use super::*;
    use alloc::vec::Vec;

    fn darwin(messages: &[(i32, i32, &[u8])]) -> Vec<u8> {
        let mut list = Vec::new();
        for (level, kind, data) in messages {
            list.resize(list.len().next_multiple_of(4), 0);
            list.extend((12 + data.len() as u32).to_ne_bytes());
            list.extend(level.to_ne_bytes());
            list.extend(kind.to_ne_bytes());
            list.extend(*data);
        }
        list
    }

    fn back(list: &[u8]) -> Vec<u8> {
        let mut messages: Vec<(i32, i32, Vec<u8>)> = Vec::new();
        control_to_darwin(list, |level, kind, data| messages.push((level, kind, data.to_vec())));
        let messages: Vec<(i32, i32, &[u8])> =
            messages.iter().map(|(level, kind, data)| (*level, *kind, data.as_slice())).collect();
        darwin(&messages)
    }

    #[test]
    fn rights_come_back_in_any_number() {
        for count in [0, 1, 2, 3, 253] {
            let fds: Vec<u8> = (0..count).flat_map(|fd: i32| fd.to_ne_bytes()).collect();
            let list = darwin(&[(0xffff, 1, &fds)]);
            let mut linux = [0xaa; 1032];
            let length = control_to_linux(&list, false, &mut linux).expect("room");
            assert_eq!(length, 16 + fds.len());
            assert_eq!(back(&linux[..length]), list);
        }
    }

    #[test]
    fn several_messages_are_aligned() {
        let list = darwin(&[(41, 46, &[7; 20]), (41, 47, &[1, 0, 0, 0])]);
        let mut linux = [0xaa; 100];
        let length = control_to_linux(&list, true, &mut linux).expect("room");
        assert_eq!(length, 40 + 20);
        assert_eq!(back(&linux[..length]), list);
    }

    #[test]
    fn a_list_ends_where_it_is_none() {
        let mut room = [0; 64];
        let good = darwin(&[(0xffff, 1, &[1, 0, 0, 0])]);
        for cut in 1..good.len() {
            assert_eq!(control_to_linux(&good[..cut], false, &mut room), Ok(0), "{cut}");
        }
        for length in [0u32, 11, 17, u32::MAX, 1 << 31] {
            let mut bad = good.clone();
            bad[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(control_to_linux(&bad, false, &mut room), Ok(0), "{length}");
        }
        assert_eq!(control_to_linux(&good, false, &mut room[..19]), Err(Errno::EINVAL), "no room");
        assert_eq!(control_to_linux(&[], false, &mut room), Ok(0));
    }

    #[test]
    fn what_xnu_does_not_look_for_is_left_out() {
        let mut room = [0; 64];
        let mut send = |level: i32, kind: i32, is_ipv6: bool| {
            control_to_linux(&darwin(&[(level, kind, &[0; 4])]), is_ipv6, &mut room)
        };
        for (level, kind) in [(0xffff, 3), (0, 99), (6, 1), (0, d::IP_TTL)] {
            assert_eq!((send(level, kind, false), send(level, kind, true)), (Ok(0), Ok(0)), "{level} {kind}");
        }
        assert_eq!((send(41, 99, false), send(41, 99, true)), (Ok(0), Err(Errno::ENOPROTOOPT)));
        assert_eq!((send(41, 42, true), send(41, 48, true)), (Ok(0), Err(Errno::EACCES)));
        assert_eq!((send(0, d::IP_TOS, false), send(41, d::IPV6_TCLASS, true)), (Ok(20), Ok(20)));
    }

    #[test]
    fn no_bytes_of_linuxs_are_read_beyond_their_end() {
        for length in [0u64, 15, 17, 1 << 63, u64::MAX, u64::MAX - 6] {
            let mut list = length.to_ne_bytes().to_vec();
            list.extend([1, 0, 0, 0, 1, 0, 0, 0]);
            assert!(back(&list).is_empty(), "{length}");
        }
    }

    #[test]
    fn a_destination_is_told_without_its_port() {
        let mut list = 32u64.to_ne_bytes().to_vec();
        list.extend([0, 0, 0, 0, 20, 0, 0, 0, 2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(back(&list), darwin(&[(0, 7, &[127, 0, 0, 1])]));
    }
}
