//! Messages (`osfmk/mach/message.h`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// What a call of `mach_msg` shall do. The lower half is the older call's word.
    flags MsgOption: u64 = "mach-msg-option64" {
        MACH64_SEND_MSG = 1,
        MACH64_RCV_MSG = 2,
        MACH64_RCV_LARGE = 4,
        MACH64_RCV_LARGE_IDENTITY = 8,
        MACH64_SEND_TIMEOUT = 0x10,
        MACH64_SEND_OVERRIDE = 0x20,
        MACH64_SEND_INTERRUPT = 0x40,
        MACH64_SEND_NOTIFY = 0x80,
        MACH64_SEND_FILTER_NONFATAL = 0x0001_0000,
        MACH64_SEND_TRAILER = 0x0002_0000,
        MACH64_SEND_NOIMPORTANCE = 0x0004_0000,
        MACH64_SEND_NODENAP = 0x0004_0000,
        MACH64_SEND_SYNC_OVERRIDE = 0x0010_0000,
        MACH64_SEND_PROPAGATE_QOS = 0x0020_0000,
        MACH64_SEND_SYNC_BOOTSTRAP_CHECKIN = 0x0080_0000,
        MACH64_RCV_TIMEOUT = 0x100,
        MACH64_RCV_INTERRUPT = 0x400,
        MACH64_RCV_VOUCHER = 0x800,
        MACH64_RCV_GUARDED_DESC = 0x1000,
        MACH64_RCV_SYNC_WAIT = 0x4000,
        MACH64_RCV_SYNC_PEEK = 0x8000,
        MACH64_MSG_STRICT_REPLY = 0x200,
        MACH64_MSG_VECTOR = 0x0000_0001_0000_0000,
        MACH64_SEND_KOBJECT_CALL = 0x0000_0002_0000_0000,
        MACH64_SEND_MQ_CALL = 0x0000_0004_0000_0000,
        MACH64_SEND_ANY = 0x0000_0008_0000_0000,
        MACH64_SEND_DK_CALL = 0x0000_0010_0000_0000,
        MACH64_SEND_USER_CALL = 0x0000_0004_0000_0000,
    }

    /// Values of [`MsgOption`] that are not single bits.
    constants MSG_OPTIONS: u64 = "mach-msg-option64" {
        MACH64_MSG_OPTION_NONE = 0,
    }

    /// What becomes of a right on its way: named by the sender, and by what the receiver gets.
    numbers MsgType: u32 = "mach-msg-type" {
        MACH_MSG_TYPE_MOVE_RECEIVE = 0x10,
        MACH_MSG_TYPE_MOVE_SEND = 0x11,
        MACH_MSG_TYPE_MOVE_SEND_ONCE = 0x12,
        MACH_MSG_TYPE_COPY_SEND = 0x13,
        MACH_MSG_TYPE_MAKE_SEND = 0x14,
        MACH_MSG_TYPE_MAKE_SEND_ONCE = 0x15,
        MACH_MSG_TYPE_COPY_RECEIVE = 0x16,
        MACH_MSG_TYPE_DISPOSE_RECEIVE = 0x18,
        MACH_MSG_TYPE_DISPOSE_SEND = 0x19,
        MACH_MSG_TYPE_DISPOSE_SEND_ONCE = 0x1a,
        MACH_MSG_TYPE_PORT_NONE = 0,
        MACH_MSG_TYPE_PORT_NAME = 0xf,
        MACH_MSG_TYPE_PORT_RECEIVE = 0x10,
        MACH_MSG_TYPE_PORT_SEND = 0x11,
        MACH_MSG_TYPE_PORT_SEND_ONCE = 0x12,
        MACH_MSG_TYPE_LAST = 0x16,
        MACH_MSG_TYPE_POLYMORPHIC = 0xffff_ffff,
    }

    /// `msgh_bits` of [`MachMsgHeader`].
    constants MSG_BITS: u32 = "mach-msg-bits" {
        MACH_MSGH_BITS_ZERO = 0,
        MACH_MSGH_BITS_REMOTE_MASK = 0x1f,
        MACH_MSGH_BITS_LOCAL_MASK = 0x1f00,
        MACH_MSGH_BITS_VOUCHER_MASK = 0x001f_0000,
        MACH_MSGH_BITS_PORTS_MASK = 0x001f_1f1f,
        MACH_MSGH_BITS_COMPLEX = 0x8000_0000,
        MACH_MSGH_BITS_USER = 0x801f_1f1f,
        MACH_MSGH_BITS_RAISEIMP = 0x2000_0000,
        MACH_MSGH_BITS_DENAP = 0x2000_0000,
        MACH_MSGH_BITS_IMPHOLDASRT = 0x1000_0000,
        MACH_MSGH_BITS_DENAPHOLDASRT = 0x1000_0000,
        MACH_MSGH_BITS_CIRCULAR = 0x1000_0000,
        MACH_MSGH_BITS_USED = 0xb01f_1f1f,
    }

    /// Kinds of descriptors, and how memory is copied.
    constants MSG_DESCRIPTORS: u32 = "mach-msg-descriptor" {
        MACH_MSG_PHYSICAL_COPY = 0,
        MACH_MSG_VIRTUAL_COPY = 1,
        MACH_MSG_ALLOCATE = 2,
        MACH_MSG_OVERWRITE = 3,
        MACH_MSG_PORT_DESCRIPTOR = 0,
        MACH_MSG_OOL_DESCRIPTOR = 1,
        MACH_MSG_OOL_PORTS_DESCRIPTOR = 2,
        MACH_MSG_OOL_VOLATILE_DESCRIPTOR = 3,
        MACH_MSG_GUARDED_PORT_DESCRIPTOR = 4,
    }

    /// Which trailer a receiver wants, and sizes of trailers.
    constants TRAILERS: u32 = "mach-trailer" {
        MACH_MSG_TRAILER_FORMAT_0 = 0,
        MACH_MSG_TRAILER_MINIMUM_SIZE = 8,
        MACH_MSG_TRAILER_FORMAT_0_SIZE = 0x14,
        MACH_RCV_TRAILER_NULL = 0,
        MACH_RCV_TRAILER_SEQNO = 1,
        MACH_RCV_TRAILER_SENDER = 2,
        MACH_RCV_TRAILER_AUDIT = 3,
        MACH_RCV_TRAILER_CTX = 4,
        MACH_RCV_TRAILER_AV = 7,
        MACH_RCV_TRAILER_LABELS = 8,
        MACH_RCV_TRAILER_MASK = 0x0f00_0000,
    }
}

layouts! {
    /// The start of every message.
    #[repr(C)]
    struct MachMsgHeader = "mach_msg_header_t", 24 bytes, align 4 {
        0 msgh_bits: u32,
        4 msgh_size: u32,
        8 msgh_remote_port: u32,
        12 msgh_local_port: u32,
        16 msgh_voucher_port: u32,
        20 msgh_id: i32,
    }

    /// What an audit session token holds.
    #[repr(C)]
    struct AuditToken = "audit_token_t", 32 bytes, align 4 {
        0 val: [u32; 8],
    }

    /// The longest trailer; shorter ones are its start.
    #[repr(C)]
    struct MachMsgMaxTrailer = "mach_msg_max_trailer_t", 68 bytes, align 4 {
        0 msgh_trailer_type: u32,
        4 msgh_trailer_size: u32,
        8 msgh_seqno: u32,
        12 msgh_sender: [u32; 2],
        20 msgh_audit: AuditToken,
        52 msgh_context: [u32; 2],
        60 msgh_ad: i32,
        64 msgh_labels: u32,
    }

    /// Where `mach_msg2` finds and puts a part of a message.
    #[repr(C)]
    struct MachMsgVector = "mach_msg_vector_t", 24 bytes, align 4 {
        0 msgv_data: [u32; 2],
        8 msgv_rcv_addr: [u32; 2],
        16 msgv_send_size: u32,
        20 msgv_rcv_size: u32,
    }
}
