//! Socket options: Linux's numbers and forms.

use xnu_abi::darwin::Errno;
use xnu_abi::darwin::inet as d;
use xnu_abi::darwin::socket::SocketOption as S;
use xnu_abi::linux::socket as l;

/// What an option's value looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// On or off; when it is on, XNU tells this number.
    Switch(i32),
    /// An `int`, the same on both systems.
    Int,
    /// An `int` that XNU only tells.
    Told,
    /// A buffer's size, which Linux doubles.
    Size,
    /// `struct linger`, in ticks of a hundredth of a second or in seconds.
    Linger {
        /// Whether the time is in ticks.
        is_ticks: bool,
    },
    /// `struct timeval`, whose microseconds Darwin has in 32 bits.
    Time,
    /// An error number, which is only told.
    Error,
    /// Seconds that Linux has as milliseconds.
    Seconds,
    /// Linux has a way of finding the path's MTU here.
    DontFragment,
    /// Bytes, the same on both systems: at least, and at most.
    Bytes(usize, usize),
    /// `struct ip_mreq_source`, whose last two fields are swapped.
    Source,
}

/// Where an option is on Linux.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Linux's level.
    pub level: i32,
    /// Linux's number at that level.
    pub name: i32,
    /// The form of its value.
    pub form: Form,
}

/// Bytes of the longest value.
pub const VALUE_MAX: usize = 44;

impl Form {
    /// Bytes that a value must have at least, and that are looked at.
    pub fn size(self) -> (usize, usize) {
        match self {
            Form::Linger { .. } => (8, 8),
            Form::Time => (16, 16),
            Form::Bytes(least, most) => (least, most),
            Form::Source => (12, 12),
            _ => (4, 4),
        }
    }
}

/// The option of Linux that does what one of Darwin's does.
pub fn rule(level: i32, name: i32) -> Option<Rule> {
    let (level, name, form) = match level {
        _ if level == S::SOL_SOCKET.number() => socket_rule(S::new(name))?,
        d::IPPROTO_IP => ip_rule(name)?,
        d::IPPROTO_IPV6 => ipv6_rule(name)?,
        d::IPPROTO_TCP => tcp_rule(name)?,
        d::IPPROTO_UDP if name == d::UDP_NOCKSUM => (l::SOL_SOCKET, l::SO_NO_CHECK, Form::Int),
        _ => return None,
    };
    Some(Rule { level, name, form })
}

fn socket_rule(name: S) -> Option<(i32, i32, Form)> {
    let switch = Form::Switch(name.number());
    let (number, form) = match name {
        S::SO_DEBUG => (l::SO_DEBUG, switch),
        S::SO_REUSEADDR => (l::SO_REUSEADDR, switch),
        S::SO_KEEPALIVE => (l::SO_KEEPALIVE, switch),
        S::SO_DONTROUTE => (l::SO_DONTROUTE, switch),
        S::SO_BROADCAST => (l::SO_BROADCAST, switch),
        S::SO_OOBINLINE => (l::SO_OOBINLINE, switch),
        S::SO_REUSEPORT => (l::SO_REUSEPORT, switch),
        S::SO_TIMESTAMP => (l::SO_TIMESTAMP, switch),
        S::SO_LINGER => (l::SO_LINGER, Form::Linger { is_ticks: true }),
        S::SO_LINGER_SEC => (l::SO_LINGER, Form::Linger { is_ticks: false }),
        S::SO_SNDBUF => (l::SO_SNDBUF, Form::Size),
        S::SO_RCVBUF => (l::SO_RCVBUF, Form::Size),
        S::SO_SNDLOWAT => (l::SO_SNDLOWAT, Form::Int),
        S::SO_RCVLOWAT => (l::SO_RCVLOWAT, Form::Int),
        S::SO_SNDTIMEO => (l::SO_SNDTIMEO, Form::Time),
        S::SO_RCVTIMEO => (l::SO_RCVTIMEO, Form::Time),
        S::SO_ERROR => (l::SO_ERROR, Form::Error),
        S::SO_TYPE => (l::SO_TYPE, Form::Told),
        _ => return None,
    };
    Some((l::SOL_SOCKET, number, form))
}

fn ip_rule(name: i32) -> Option<(i32, i32, Form)> {
    let address = Form::Bytes(4, 12);
    let byte_or_int = Form::Bytes(1, 4);
    let (number, form) = match name {
        d::IP_OPTIONS => (l::IP_OPTIONS, Form::Bytes(0, 40)),
        d::IP_HDRINCL => (l::IP_HDRINCL, Form::Int),
        d::IP_TOS => (l::IP_TOS, Form::Int),
        d::IP_TTL => (l::IP_TTL, Form::Int),
        d::IP_RECVOPTS => (l::IP_RECVOPTS, Form::Int),
        d::IP_RECVRETOPTS => (l::IP_RETOPTS, Form::Int),
        d::IP_RECVDSTADDR => (l::IP_RECVORIGDSTADDR, Form::Int),
        d::IP_RECVTTL => (l::IP_RECVTTL, Form::Int),
        d::IP_RECVTOS => (l::IP_RECVTOS, Form::Int),
        d::IP_PKTINFO => (l::IP_PKTINFO, Form::Int),
        d::IP_MULTICAST_IF => (l::IP_MULTICAST_IF, address),
        d::IP_MULTICAST_TTL => (l::IP_MULTICAST_TTL, byte_or_int),
        d::IP_MULTICAST_LOOP => (l::IP_MULTICAST_LOOP, byte_or_int),
        d::IP_ADD_MEMBERSHIP => (l::IP_ADD_MEMBERSHIP, Form::Bytes(8, 12)),
        d::IP_DROP_MEMBERSHIP => (l::IP_DROP_MEMBERSHIP, Form::Bytes(8, 12)),
        d::IP_ADD_SOURCE_MEMBERSHIP => (l::IP_ADD_SOURCE_MEMBERSHIP, Form::Source),
        d::IP_DROP_SOURCE_MEMBERSHIP => (l::IP_DROP_SOURCE_MEMBERSHIP, Form::Source),
        d::IP_BLOCK_SOURCE => (l::IP_BLOCK_SOURCE, Form::Source),
        d::IP_UNBLOCK_SOURCE => (l::IP_UNBLOCK_SOURCE, Form::Source),
        d::IP_DONTFRAG => (l::IP_MTU_DISCOVER, Form::DontFragment),
        d::IP_BOUND_IF => return Some((l::SOL_SOCKET, l::SO_BINDTOIFINDEX, Form::Int)),
        _ => return None,
    };
    Some((d::IPPROTO_IP, number, form))
}

fn ipv6_rule(name: i32) -> Option<(i32, i32, Form)> {
    let (number, form) = match name {
        d::IPV6_UNICAST_HOPS => (l::IPV6_UNICAST_HOPS, Form::Int),
        d::IPV6_MULTICAST_IF => (l::IPV6_MULTICAST_IF, Form::Int),
        d::IPV6_MULTICAST_HOPS => (l::IPV6_MULTICAST_HOPS, Form::Int),
        d::IPV6_MULTICAST_LOOP => (l::IPV6_MULTICAST_LOOP, Form::Int),
        d::IPV6_JOIN_GROUP => (l::IPV6_ADD_MEMBERSHIP, Form::Bytes(20, 20)),
        d::IPV6_LEAVE_GROUP => (l::IPV6_DROP_MEMBERSHIP, Form::Bytes(20, 20)),
        d::IPV6_CHECKSUM => (l::IPV6_CHECKSUM, Form::Int),
        d::IPV6_V6ONLY => (l::IPV6_V6ONLY, Form::Int),
        d::IPV6_RECVTCLASS => (l::IPV6_RECVTCLASS, Form::Int),
        d::IPV6_TCLASS => (l::IPV6_TCLASS, Form::Int),
        d::IPV6_RECVPKTINFO => (l::IPV6_RECVPKTINFO, Form::Int),
        d::IPV6_RECVHOPLIMIT => (l::IPV6_RECVHOPLIMIT, Form::Int),
        d::IPV6_2292PKTINFO => (l::IPV6_2292PKTINFO, Form::Int),
        d::IPV6_2292HOPLIMIT => (l::IPV6_2292HOPLIMIT, Form::Int),
        d::IPV6_PKTINFO => (l::IPV6_PKTINFO, Form::Bytes(20, 20)),
        d::IPV6_DONTFRAG => (l::IPV6_DONTFRAG, Form::Int),
        d::IPV6_BOUND_IF => return Some((l::SOL_SOCKET, l::SO_BINDTOIFINDEX, Form::Int)),
        _ => return None,
    };
    Some((d::IPPROTO_IPV6, number, form))
}

fn tcp_rule(name: i32) -> Option<(i32, i32, Form)> {
    /// What XNU tells of these two: bits of the connection's flags (`bsd/netinet/tcp_var.h`).
    const TF_NODELAY: i32 = 4;
    const TF_NOPUSH: i32 = 0x1000;
    let (number, form) = match name {
        d::TCP_NODELAY => (l::TCP_NODELAY, Form::Switch(TF_NODELAY)),
        d::TCP_NOPUSH => (l::TCP_CORK, Form::Switch(TF_NOPUSH)),
        d::TCP_MAXSEG => (l::TCP_MAXSEG, Form::Int),
        d::TCP_KEEPALIVE => (l::TCP_KEEPIDLE, Form::Int),
        d::TCP_KEEPINTVL => (l::TCP_KEEPINTVL, Form::Int),
        d::TCP_KEEPCNT => (l::TCP_KEEPCNT, Form::Int),
        d::TCP_RXT_CONNDROPTIME => (l::TCP_USER_TIMEOUT, Form::Seconds),
        d::TCP_FASTOPEN => (l::TCP_FASTOPEN, Form::Int),
        d::TCP_NOTSENT_LOWAT => (l::TCP_NOTSENT_LOWAT, Form::Int),
        _ => return None,
    };
    Some((d::IPPROTO_TCP, number, form))
}

/// Ticks of `SO_LINGER` (`hz`).
const TICKS: i32 = 100;

/// Linux's "never" and "always" for fragments.
const PMTUDISC_DONT: i32 = 0;
const PMTUDISC_DO: i32 = 2;

fn int(value: &[u8]) -> i32 {
    value.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes))
}

fn put(value: &mut [u8], at: usize, bytes: &[u8]) {
    let to = value.get_mut(at..).unwrap_or_default();
    to.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
}

/// Turns a value that the guest sets into Linux's, in place. It has the bytes that [`Form::size`] asks for.
///
/// # Errors
/// What XNU answers for the value: `EINVAL`, `EDOM`.
pub fn option_value_to_linux(form: Form, value: &mut [u8]) -> Result<(), Errno> {
    let number = int(value);
    match form {
        Form::Told | Form::Error => return Err(Errno::ENOPROTOOPT),
        Form::Size if number < 1 => return Err(Errno::EINVAL),
        Form::Switch(_) => put(value, 0, &i32::from(number != 0).to_ne_bytes()),
        Form::Linger { is_ticks: true } => {
            // A time that is not 0 must not become 0, which would break connections off.
            let ticks = value.get(4..).map_or(0, int);
            let seconds = ticks.checked_add(TICKS.wrapping_sub(1)).unwrap_or(ticks) / TICKS;
            put(value, 4, &seconds.to_ne_bytes());
        }
        Form::Time => {
            let seconds = value.first_chunk().map_or(0, |bytes| i64::from_ne_bytes(*bytes));
            let microseconds = value.get(8..).map_or(0, int);
            if seconds < 0 || !(0..1_000_000).contains(&microseconds) {
                return Err(Errno::EDOM);
            }
            put(value, 8, &i64::from(microseconds).to_ne_bytes());
        }
        Form::Seconds => put(value, 0, &number.saturating_mul(1000).to_ne_bytes()),
        Form::DontFragment => {
            let way = if number != 0 { PMTUDISC_DO } else { PMTUDISC_DONT };
            put(value, 0, &way.to_ne_bytes());
        }
        Form::Source => swap(value),
        Form::Size | Form::Linger { .. } | Form::Int | Form::Bytes(..) => {}
    }
    Ok(())
}

/// Turns a value that Linux told into the guest's, in place.
pub fn option_value_to_darwin(form: Form, value: &mut [u8], error: impl Fn(u16) -> u16) {
    let number = int(value);
    match form {
        Form::Switch(on) => put(value, 0, &(if number != 0 { on } else { 0 }).to_ne_bytes()),
        Form::Size => put(value, 0, &(number / 2).to_ne_bytes()),
        Form::Linger { is_ticks: true } => {
            let ticks = value.get(4..).map_or(0, int).saturating_mul(TICKS);
            put(value, 4, &ticks.to_ne_bytes());
        }
        Form::Time => {
            let microseconds = value.get(8..).map_or(0, int);
            put(value, 8, &i64::from(microseconds).to_ne_bytes());
        }
        Form::Error => put(value, 0, &i32::from(error(number as u16)).to_ne_bytes()),
        Form::Seconds => put(value, 0, &(number / 1000).to_ne_bytes()),
        Form::DontFragment => put(value, 0, &i32::from(number == PMTUDISC_DO).to_ne_bytes()),
        Form::Source => swap(value),
        Form::Linger { .. } | Form::Int | Form::Told | Form::Bytes(..) => {}
    }
}

/// Swaps the second and the third word.
fn swap(value: &mut [u8]) {
    if let Some([a, b, c, d, e, f, g, h]) =
        value.get(4..12).and_then(|words| words.first_chunk::<8>()).copied()
    {
        put(value, 4, &[e, f, g, h, a, b, c, d]);
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

    fn to_linux(form: Form, value: &[u8]) -> Result<Vec<u8>, Errno> {
        let mut value = value.to_vec();
        option_value_to_linux(form, &mut value).map(|()| value)
    }

    fn to_darwin(form: Form, value: &[u8]) -> Vec<u8> {
        let mut value = value.to_vec();
        option_value_to_darwin(form, &mut value, |number| number.wrapping_add(1));
        value
    }

    #[test]
    fn switches_tell_their_bit() {
        let rule = rule(0xffff, S::SO_KEEPALIVE.number()).expect("an option of Linux's");
        assert_eq!((rule.level, rule.name), (l::SOL_SOCKET, l::SO_KEEPALIVE));
        assert_eq!(to_linux(rule.form, &7i32.to_ne_bytes()), Ok(1i32.to_ne_bytes().to_vec()));
        assert_eq!(to_darwin(rule.form, &1i32.to_ne_bytes()), 8i32.to_ne_bytes());
        assert_eq!(to_darwin(rule.form, &0i32.to_ne_bytes()), 0i32.to_ne_bytes());
    }

    #[test]
    fn times_are_checked_and_come_back() {
        let time = |seconds: i64, microseconds: i32, padding: u32| {
            [&seconds.to_ne_bytes()[..], &microseconds.to_ne_bytes(), &padding.to_ne_bytes()].concat()
        };
        assert_eq!(to_linux(Form::Time, &time(3, 5, u32::MAX)), Ok(time(3, 5, 0)));
        for (seconds, microseconds) in [(-1, 0), (0, -1), (0, 1_000_000)] {
            assert_eq!(to_linux(Form::Time, &time(seconds, microseconds, 0)), Err(Errno::EDOM));
        }
        assert_eq!(to_darwin(Form::Time, &time(3, 5, 0)), time(3, 5, 0));
    }

    #[test]
    fn a_short_linger_is_not_none() {
        let linger = |on: i32, time: i32| [on.to_ne_bytes(), time.to_ne_bytes()].concat();
        let ticks = Form::Linger { is_ticks: true };
        for (guest, linux) in [(0, 0), (1, 1), (100, 1), (101, 2), (i32::MAX, 21_474_836)] {
            assert_eq!(to_linux(ticks, &linger(1, guest)), Ok(linger(1, linux)), "{guest}");
        }
        assert_eq!(to_darwin(ticks, &linger(1, 2)), linger(1, 200));
        let seconds = Form::Linger { is_ticks: false };
        assert_eq!(to_linux(seconds, &linger(1, 7)), Ok(linger(1, 7)));
    }

    #[test]
    fn what_is_only_told_cannot_be_set() {
        for form in [Form::Told, Form::Error] {
            assert_eq!(to_linux(form, &[0; 4]), Err(Errno::ENOPROTOOPT));
        }
        assert_eq!(to_linux(Form::Size, &[0; 4]), Err(Errno::EINVAL));
        assert_eq!(to_darwin(Form::Error, &1i32.to_ne_bytes()), 2i32.to_ne_bytes());
    }

    #[test]
    fn sources_are_swapped() {
        let ours: Vec<u8> = (0..12).collect();
        let theirs = to_linux(Form::Source, &ours).expect("no value is bad");
        assert_eq!(theirs, [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7]);
        assert_eq!(to_darwin(Form::Source, &theirs), ours);
    }

    #[test]
    fn no_value_is_longer_than_there_is_room() {
        for level in [0, 6, 17, 41, 0xffff] {
            for name in 0..0x2000 {
                if let Some(rule) = rule(level, name) {
                    let (least, most) = rule.form.size();
                    assert!(least <= most && most <= VALUE_MAX, "{level} {name}");
                }
            }
        }
    }
}
