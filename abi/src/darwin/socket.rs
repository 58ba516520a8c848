//! Sockets: domains, types, options, flags of messages, addresses (`bsd/sys/socket.h`, `bsd/sys/un.h`, `man 2 socket`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// Families of protocols and of their addresses.
    numbers SocketDomain: i32 = "socket-domain" {
        AF_UNSPEC = 0,
        AF_UNIX = 1,
        AF_LOCAL = 1,
        AF_INET = 2,
        AF_IMPLINK = 3,
        AF_PUP = 4,
        AF_CHAOS = 5,
        AF_NS = 6,
        AF_ISO = 7,
        AF_OSI = 7,
        AF_ECMA = 8,
        AF_DATAKIT = 9,
        AF_CCITT = 10,
        AF_SNA = 11,
        AF_DECnet = 12,
        AF_DLI = 13,
        AF_LAT = 14,
        AF_HYLINK = 15,
        AF_APPLETALK = 0x10,
        AF_ROUTE = 0x11,
        AF_LINK = 0x12,
        AF_COIP = 0x14,
        AF_CNT = 0x15,
        AF_IPX = 0x17,
        AF_SIP = 0x18,
        AF_NDRV = 0x1b,
        AF_ISDN = 0x1c,
        AF_E164 = 0x1c,
        AF_INET6 = 0x1e,
        AF_NATM = 0x1f,
        AF_SYSTEM = 0x20,
        AF_NETBIOS = 0x21,
        AF_PPP = 0x22,
        AF_IEEE80211 = 0x25,
        AF_UTUN = 0x26,
        AF_VSOCK = 0x28,
        AF_MAX = 0x29,
        AF_AFP = 0x24,
        AF_MULTIPATH = 0x27,
    }

    /// What kind of communication it is.
    numbers SocketType: i32 = "socket-type" {
        SOCK_STREAM = 1,
        SOCK_DGRAM = 2,
        SOCK_RAW = 3,
        SOCK_RDM = 4,
        SOCK_SEQPACKET = 5,
    }

    /// Options of the level `SOL_SOCKET`, and numbers that some of them take.
    numbers SocketOption: i32 = "socket-option" {
        SO_DEBUG = 1,
        SO_ACCEPTCONN = 2,
        SO_REUSEADDR = 4,
        SO_KEEPALIVE = 8,
        SO_DONTROUTE = 0x10,
        SO_BROADCAST = 0x20,
        SO_USELOOPBACK = 0x40,
        SO_LINGER = 0x80,
        SO_LINGER_SEC = 0x1080,
        SO_OOBINLINE = 0x100,
        SO_REUSEPORT = 0x200,
        SO_TIMESTAMP = 0x400,
        SO_TIMESTAMP_MONOTONIC = 0x800,
        SO_DONTTRUNC = 0x2000,
        SO_WANTMORE = 0x4000,
        SO_WANTOOBFLAG = 0x8000,
        SO_SNDBUF = 0x1001,
        SO_RCVBUF = 0x1002,
        SO_SNDLOWAT = 0x1003,
        SO_RCVLOWAT = 0x1004,
        SO_SNDTIMEO = 0x1005,
        SO_RCVTIMEO = 0x1006,
        SO_ERROR = 0x1007,
        SO_TYPE = 0x1008,
        SO_LABEL = 0x1010,
        SO_PEERLABEL = 0x1011,
        SO_NREAD = 0x1020,
        SO_NKE = 0x1021,
        SO_NOSIGPIPE = 0x1022,
        SO_NOADDRERR = 0x1023,
        SO_NWRITE = 0x1024,
        SO_REUSESHAREUID = 0x1025,
        SO_NOTIFYCONFLICT = 0x1026,
        SO_UPCALLCLOSEWAIT = 0x1027,
        SO_RANDOMPORT = 0x1082,
        SO_NP_EXTENSIONS = 0x1083,
        SO_NUMRCVPKT = 0x1112,
        SO_NET_SERVICE_TYPE = 0x1116,
        SO_NETSVC_MARKING_LEVEL = 0x1119,
        SO_RESOLVER_SIGNATURE = 0x1131,
        SO_BINDTODEVICE = 0x1134,
        SOL_SOCKET = 0xffff,
        SOMAXCONN = 0x80,
        SO_NOWAKEFROMSLEEP = 0x0001_0000,
        SO_NOAPNFALLBK = 0x0002_0000,
        SO_TIMESTAMP_CONTINUOUS = 0x0004_0000,
        SO_RESTRICTIONS = 0x1081,
        SO_RESTRICT_DENY_IN = 1,
        SO_RESTRICT_DENY_OUT = 2,
        SO_RESTRICT_DENY_CELLULAR = 4,
        SO_RESTRICT_DENY_EXPENSIVE = 8,
        SO_RESTRICT_DENY_CONSTRAINED = 0x10,
        SO_EXECPATH = 0x1085,
        SO_TRAFFIC_CLASS = 0x1086,
        SO_TC_BK_SYS = 0x64,
        SO_TC_BK = 0xc8,
        SO_TC_BE = 0,
        SO_TC_RD = 0x12c,
        SO_TC_OAM = 0x190,
        SO_TC_AV = 0x1f4,
        SO_TC_RV = 0x258,
        SO_TC_VI = 0x2bc,
        SO_TC_VO = 0x320,
        SO_TC_CTL = 0x384,
        SO_TC_MAX = 10,
        SO_RECV_TRAFFIC_CLASS = 0x1087,
        SO_TRAFFIC_CLASS_DBG = 0x1088,
        SO_OPTION_UNUSED_0 = 0x1089,
        SO_PRIVILEGED_TRAFFIC_CLASS = 0x1090,
        SO_DEFUNCTIT = 0x1091,
        SO_DEFUNCTOK = 0x1100,
        SO_ISDEFUNCT = 0x1101,
        SO_OPPORTUNISTIC = 0x1102,
        SO_FLUSH = 0x1103,
        SO_TC_ALL = -1,
        SO_RECV_ANYIF = 0x1104,
        SO_TRAFFIC_MGT_BACKGROUND = 0x1105,
        SO_FLOW_DIVERT_TOKEN = 0x1106,
        SO_DELEGATED = 0x1107,
        SO_DELEGATED_UUID = 0x1108,
        SO_NECP_ATTRIBUTES = 0x1109,
        SO_CFIL_SOCK_ID = 0x1110,
        SO_NECP_CLIENTUUID = 0x1111,
        SO_AWDL_UNRESTRICTED = 0x1113,
        SO_EXTENDED_BK_IDLE = 0x1114,
        SO_MARK_CELLFALLBACK = 0x1115,
        SO_QOSMARKING_POLICY_OVERRIDE = 0x1117,
        SO_INTCOPROC_ALLOW = 0x1118,
        SO_NECP_LISTENUUID = 0x1120,
        SO_MPKL_SEND_INFO = 0x1122,
        SO_STATISTICS_EVENT = 0x1123,
        SO_WANT_KEV_SOCKET_CLOSED = 0x1124,
        SO_MARK_KNOWN_TRACKER = 0x1125,
        SO_MARK_KNOWN_TRACKER_NON_APP_INITIATED = 0x1126,
        SO_MARK_WAKE_PKT = 0x1127,
        SO_RECV_WAKE_PKT = 0x1128,
        SO_MARK_APPROVED_APP_DOMAIN = 0x1129,
        SO_FALLBACK_MODE = 0x1130,
        SO_MARK_CELLFALLBACK_UUID = 0x1132,
        SO_APPLICATION_ID = 0x1133,
        SO_MARK_DOMAIN_INFO_SILENT = 0x1135,
        SO_TC_NET_SERVICE_OFFSET = 0x2710,
        SO_TC_NETSVC_SIG = 0x2712,
        SO_STATISTICS_EVENT_ENTER_CELLFALLBACK = 1,
        SO_STATISTICS_EVENT_EXIT_CELLFALLBACK = 2,
        SO_STATISTICS_EVENT_RESERVED_1 = 4,
        SO_STATISTICS_EVENT_RESERVED_2 = 8,
    }

    /// Flags of messages: of a call, and told of a message that was received.
    flags MessageFlags: u32 = "socket-msg" {
        MSG_OOB = 1,
        MSG_PEEK = 2,
        MSG_DONTROUTE = 4,
        MSG_EOR = 8,
        MSG_TRUNC = 0x10,
        MSG_CTRUNC = 0x20,
        MSG_WAITALL = 0x40,
        MSG_DONTWAIT = 0x80,
        MSG_EOF = 0x100,
        MSG_WAITSTREAM = 0x200,
        MSG_FLUSH = 0x400,
        MSG_HOLD = 0x800,
        MSG_SEND = 0x1000,
        MSG_HAVEMORE = 0x2000,
        MSG_RCVMORE = 0x4000,
        MSG_NEEDSA = 0x0001_0000,
        MSG_NOSIGNAL = 0x0008_0000,
    }

    /// Types of control messages of the level `SOL_SOCKET`.
    constants CONTROL_TYPES: i32 = "socket-cmsg" {
        SCM_RIGHTS = 1,
        SCM_TIMESTAMP = 2,
        SCM_CREDS = 3,
        SCM_TIMESTAMP_MONOTONIC = 4,
        SCM_TIMESTAMP_CONTINUOUS = 7,
        SCM_MPKL_SEND_INFO = 8,
        SCM_MPKL_RECV_INFO = 9,
    }

    /// Directions of `shutdown`; what `connectx` and `disconnectx` take.
    constants CONNECTION_NUMBERS: u32 = "socket-misc" {
        SHUT_RD = 0,
        SHUT_WR = 1,
        SHUT_RDWR = 2,
        CONNECT_RESUME_ON_READ_WRITE = 1,
        CONNECT_DATA_IDEMPOTENT = 2,
        SAE_ASSOCID_ANY = 0,
        SAE_ASSOCID_ALL = 0xffff_ffff,
        SAE_CONNID_ANY = 0,
        SAE_CONNID_ALL = 0xffff_ffff,
    }

    /// Options of local sockets, at the level `SOL_LOCAL`.
    constants LOCAL_OPTIONS: i32 = "socket-local" {
        SOL_LOCAL = 0,
        LOCAL_PEERCRED = 1,
        LOCAL_PEERPID = 2,
        LOCAL_PEEREPID = 3,
        LOCAL_PEERUUID = 4,
        LOCAL_PEEREUUID = 5,
        LOCAL_PEERTOKEN = 6,
    }
}

layouts! {
    /// A message of `sendmsg` and `recvmsg`. Linux has the two lengths behind the vector in 64 bits.
    #[repr(C)]
    struct Msghdr = "msghdr", 48 bytes, align 8 {
        0 msg_name: u64,
        8 msg_namelen: u32,
        12 _pad0: u32,
        16 msg_iov: u64,
        24 msg_iovlen: i32,
        28 _pad1: u32,
        32 msg_control: u64,
        40 msg_controllen: u32,
        44 msg_flags: u32,
    }

    /// A message of `sendmsg_x` and `recvmsg_x`.
    #[repr(C)]
    struct MsghdrX = "msghdr_x", 56 bytes, align 8 {
        0 msg_name: u64,
        8 msg_namelen: u32,
        12 _pad0: u32,
        16 msg_iov: u64,
        24 msg_iovlen: i32,
        28 _pad1: u32,
        32 msg_control: u64,
        40 msg_controllen: u32,
        44 msg_flags: u32,
        48 msg_datalen: u64,
    }

    /// Before each control message, which is aligned to 4; Linux's is longer and aligned to 8.
    #[repr(C)]
    struct Cmsghdr = "cmsghdr", 12 bytes, align 4 {
        0 cmsg_len: u32,
        4 cmsg_level: i32,
        8 cmsg_type: i32,
    }

    /// The start of every address: its length and its family, a byte each.
    #[repr(C)]
    struct Sockaddr = "sockaddr", 16 bytes, align 1 {
        0 sa_len: u8,
        1 sa_family: u8,
        2 sa_data: [u8; 14],
    }

    /// The name of a local socket. Without a terminator where it needs all the room, or where its length says so.
    #[repr(C)]
    struct SockaddrUn = "sockaddr_un", 106 bytes, align 1 {
        0 sun_len: u8,
        1 sun_family: u8,
        2 sun_path: [u8; 104],
    }

    /// `SO_LINGER` and `SO_LINGER_SEC`; Linux's is the same.
    #[repr(C)]
    struct Linger = "linger", 8 bytes, align 4 {
        0 l_onoff: i32,
        4 l_linger: i32,
    }

    /// `LOCAL_PEERCRED`.
    #[repr(C)]
    struct Xucred = "xucred", 76 bytes, align 4 {
        0 cr_version: u32,
        4 cr_uid: u32,
        8 cr_ngroups: i16,
        10 _pad0: u16,
        12 cr_groups: [u32; 16],
    }

    /// What `connectx` connects.
    #[repr(C)]
    struct SaEndpoints = "sa_endpoints", 40 bytes, align 8 {
        0 sae_srcif: u32,
        4 _pad0: u32,
        8 sae_srcaddr: u64,
        16 sae_srcaddrlen: u32,
        20 _pad1: u32,
        24 sae_dstaddr: u64,
        32 sae_dstaddrlen: u32,
        36 _pad2: u32,
    }
}
