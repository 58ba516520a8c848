//! Linux's numbers and structures of sockets (`include/linux/socket.h`, `include/uapi/asm-generic/socket.h`,
//! `include/uapi/linux/in.h`, `in6.h`, `tcp.h`), the same on x86-64 and arm64. Compared with libc's in
//! `tests/tests/reference.rs`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! numbers {
    ($($name:ident = $value:literal,)*) => {
        $(#[allow(missing_docs)] pub const $name: i32 = $value;)*

        /// Every name with its value.
        pub const ALL: &[(&str, i32)] = &[$((stringify!($name), $name),)*];
    };
}

numbers! {
    AF_UNSPEC = 0,
    AF_UNIX = 1,
    AF_INET = 2,
    AF_INET6 = 10,
    SOCK_STREAM = 1,
    SOCK_DGRAM = 2,
    SOCK_RAW = 3,
    SOCK_NONBLOCK = 0o4000,
    SOCK_CLOEXEC = 0o2000000,
    MSG_OOB = 1,
    MSG_PEEK = 2,
    MSG_DONTROUTE = 4,
    MSG_CTRUNC = 8,
    MSG_TRUNC = 0x20,
    MSG_DONTWAIT = 0x40,
    MSG_EOR = 0x80,
    MSG_WAITALL = 0x100,
    MSG_NOSIGNAL = 0x4000,
    MSG_MORE = 0x8000,
    SCM_RIGHTS = 1,
    SOL_SOCKET = 1,
    SO_DEBUG = 1,
    SO_REUSEADDR = 2,
    SO_TYPE = 3,
    SO_ERROR = 4,
    SO_DONTROUTE = 5,
    SO_BROADCAST = 6,
    SO_SNDBUF = 7,
    SO_RCVBUF = 8,
    SO_KEEPALIVE = 9,
    SO_OOBINLINE = 10,
    SO_NO_CHECK = 11,
    SO_LINGER = 13,
    SO_REUSEPORT = 15,
    SO_PEERCRED = 17,
    SO_RCVLOWAT = 18,
    SO_SNDLOWAT = 19,
    SO_RCVTIMEO = 20,
    SO_SNDTIMEO = 21,
    SO_TIMESTAMP = 29,
    SO_ACCEPTCONN = 30,
    SO_DOMAIN = 39,
    SO_BINDTOIFINDEX = 62,
    IP_TOS = 1,
    IP_TTL = 2,
    IP_HDRINCL = 3,
    IP_OPTIONS = 4,
    IP_RECVOPTS = 6,
    IP_RETOPTS = 7,
    IP_PKTINFO = 8,
    IP_MTU_DISCOVER = 10,
    IP_RECVTTL = 12,
    IP_RECVTOS = 13,
    IP_RECVORIGDSTADDR = 20,
    IP_MULTICAST_IF = 32,
    IP_MULTICAST_TTL = 33,
    IP_MULTICAST_LOOP = 34,
    IP_ADD_MEMBERSHIP = 35,
    IP_DROP_MEMBERSHIP = 36,
    IP_UNBLOCK_SOURCE = 37,
    IP_BLOCK_SOURCE = 38,
    IP_ADD_SOURCE_MEMBERSHIP = 39,
    IP_DROP_SOURCE_MEMBERSHIP = 40,
    IPV6_2292PKTINFO = 2,
    IPV6_CHECKSUM = 7,
    IPV6_2292HOPLIMIT = 8,
    IPV6_UNICAST_HOPS = 16,
    IPV6_MULTICAST_IF = 17,
    IPV6_MULTICAST_HOPS = 18,
    IPV6_MULTICAST_LOOP = 19,
    IPV6_ADD_MEMBERSHIP = 20,
    IPV6_DROP_MEMBERSHIP = 21,
    IPV6_V6ONLY = 26,
    IPV6_RECVPKTINFO = 49,
    IPV6_PKTINFO = 50,
    IPV6_RECVHOPLIMIT = 51,
    IPV6_HOPLIMIT = 52,
    IPV6_DONTFRAG = 62,
    IPV6_RECVTCLASS = 66,
    IPV6_TCLASS = 67,
    TCP_NODELAY = 1,
    TCP_MAXSEG = 2,
    TCP_CORK = 3,
    TCP_KEEPIDLE = 4,
    TCP_KEEPINTVL = 5,
    TCP_KEEPCNT = 6,
    TCP_USER_TIMEOUT = 18,
    TCP_FASTOPEN = 23,
    TCP_NOTSENT_LOWAT = 25,
    POLLHUP = 0x10,
    POLLRDHUP = 0x2000,
}

/// `struct msghdr`. Every pointer is an address in the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)]
pub struct LinuxMsghdr {
    pub msg_name: u64,
    pub msg_namelen: u32,
    pub padding: u32,
    pub msg_iov: u64,
    pub msg_iovlen: u64,
    pub msg_control: u64,
    pub msg_controllen: u64,
    pub msg_flags: u32,
    pub tail: u32,
}

const _: () = assert!(size_of::<LinuxMsghdr>() == 56);

/// `struct cmsghdr`; what follows is aligned to 8.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)]
pub struct LinuxCmsghdr {
    pub cmsg_len: u64,
    pub cmsg_level: i32,
    pub cmsg_type: i32,
}

/// `struct ucred`: `SO_PEERCRED`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Ucred {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

/// Bytes of the longest address, `struct sockaddr_storage`.
pub const ADDRESS_MAX: usize = 128;

/// Bytes of a local socket's name, with or without a terminator.
pub const UNIX_PATH_MAX: usize = 108;
