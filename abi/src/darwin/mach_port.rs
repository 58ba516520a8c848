//! Port names, rights and what is said about them (`osfmk/mach/port.h`, `osfmk/mach/notify.h`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// A kind of right that a name can stand for.
    numbers PortRight: u32 = "mach-right" {
        MACH_PORT_RIGHT_SEND = 0,
        MACH_PORT_RIGHT_RECEIVE = 1,
        MACH_PORT_RIGHT_SEND_ONCE = 2,
        MACH_PORT_RIGHT_PORT_SET = 3,
        MACH_PORT_RIGHT_DEAD_NAME = 4,
        MACH_PORT_RIGHT_LABELH = 5,
        MACH_PORT_RIGHT_NUMBER = 6,
    }

    /// What a name stands for: one bit per [`PortRight`], and what was requested for it.
    flags PortType: u32 = "mach-port-type" {
        MACH_PORT_TYPE_SEND = 0x0001_0000,
        MACH_PORT_TYPE_RECEIVE = 0x0002_0000,
        MACH_PORT_TYPE_SEND_ONCE = 0x0004_0000,
        MACH_PORT_TYPE_PORT_SET = 0x0008_0000,
        MACH_PORT_TYPE_DEAD_NAME = 0x0010_0000,
        MACH_PORT_TYPE_DNREQUEST = 0x8000_0000,
        MACH_PORT_TYPE_SPREQUEST = 0x4000_0000,
        MACH_PORT_TYPE_SPREQUEST_DELAYED = 0x2000_0000,
        MACH_PORT_TYPE_LABELH = 0x0020_0000,
    }

    /// Values of [`PortType`] that are not single bits.
    constants PORT_TYPES: u32 = "mach-port-type" {
        MACH_PORT_TYPE_NONE = 0,
        MACH_PORT_TYPE_SEND_RECEIVE = 0x0003_0000,
        MACH_PORT_TYPE_SEND_RIGHTS = 0x0005_0000,
        MACH_PORT_TYPE_PORT_RIGHTS = 0x0007_0000,
        MACH_PORT_TYPE_PORT_OR_DEAD = 0x0017_0000,
        MACH_PORT_TYPE_ALL_RIGHTS = 0x001f_0000,
    }

    /// What `mach_port_get_attributes` and `mach_port_set_attributes` are about.
    numbers PortFlavor: i32 = "mach-port-misc" {
        MACH_PORT_LIMITS_INFO = 1,
        MACH_PORT_RECEIVE_STATUS = 2,
        MACH_PORT_DNREQUESTS_SIZE = 3,
        MACH_PORT_TEMPOWNER = 4,
        MACH_PORT_IMPORTANCE_RECEIVER = 5,
        MACH_PORT_DENAP_RECEIVER = 6,
        MACH_PORT_INFO_EXT = 7,
        MACH_PORT_GUARD_INFO = 8,
        MACH_PORT_SERVICE_THROTTLED = 9,
    }

    /// Words that the flavours take, and limits of queues.
    constants PORT_COUNTS: u32 = "mach-port-misc" {
        MACH_PORT_SRIGHTS_NONE = 0,
        MACH_PORT_SRIGHTS_PRESENT = 1,
        MACH_PORT_QLIMIT_ZERO = 0,
        MACH_PORT_QLIMIT_BASIC = 5,
        MACH_PORT_QLIMIT_SMALL = 0x10,
        MACH_PORT_QLIMIT_LARGE = 0x400,
        MACH_PORT_QLIMIT_KERNEL = 0xfffe,
        MACH_PORT_QLIMIT_MIN = 0,
        MACH_PORT_QLIMIT_DEFAULT = 5,
        MACH_PORT_QLIMIT_MAX = 0x400,
        MACH_PORT_LIMITS_INFO_COUNT = 1,
        MACH_PORT_RECEIVE_STATUS_COUNT = 0xa,
        MACH_PORT_DNREQUESTS_SIZE_COUNT = 1,
        MACH_PORT_INFO_EXT_COUNT = 0x11,
        MACH_PORT_GUARD_INFO_COUNT = 2,
        MACH_PORT_SERVICE_THROTTLED_COUNT = 1,
    }

    /// `mps_flags` of [`MachPortStatus`].
    flags PortStatusFlags: u32 = "mach-port-misc" {
        MACH_PORT_STATUS_FLAG_TEMPOWNER = 1,
        MACH_PORT_STATUS_FLAG_GUARDED = 2,
        MACH_PORT_STATUS_FLAG_STRICT_GUARD = 4,
        MACH_PORT_STATUS_FLAG_IMP_DONATION = 8,
        MACH_PORT_STATUS_FLAG_REVIVE = 0x10,
        MACH_PORT_STATUS_FLAG_TASKPTR = 0x20,
        MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE = 0x40,
        MACH_PORT_STATUS_FLAG_NO_GRANT = 0x80,
    }

    /// `flags` of [`MachPortOptions`].
    flags PortOptions: u32 = "mach-port-misc" {
        MPO_CONTEXT_AS_GUARD = 1,
        MPO_QLIMIT = 2,
        MPO_TEMPOWNER = 4,
        MPO_IMPORTANCE_RECEIVER = 8,
        MPO_INSERT_SEND_RIGHT = 0x10,
        MPO_STRICT = 0x20,
        MPO_DENAP_RECEIVER = 0x40,
        MPO_IMMOVABLE_RECEIVE = 0x80,
        MPO_FILTER_MSG = 0x100,
        MPO_TG_BLOCK_TRACKING = 0x200,
        MPO_SERVICE_PORT = 0x400,
        MPO_CONNECTION_PORT = 0x800,
        MPO_REPLY_PORT = 0x1000,
        MPO_ENFORCE_REPLY_PORT_SEMANTICS = 0x2000,
        MPO_PROVISIONAL_REPLY_PORT = 0x4000,
        MPO_EXCEPTION_PORT = 0x8000,
    }

    /// How `mach_port_guard_with_flags` guards.
    flags PortGuardFlags: u64 = "mach-port-misc" {
        MPG_STRICT = 1,
        MPG_IMMOVABLE_RECEIVE = 2,
    }

    /// The number of a notification, which is the id of its message.
    numbers NotifyId: i32 = "mach-notify" {
        MACH_NOTIFY_FIRST = 0x40,
        MACH_NOTIFY_PORT_DELETED = 0x41,
        MACH_NOTIFY_SEND_POSSIBLE = 0x42,
        MACH_NOTIFY_PORT_DESTROYED = 0x45,
        MACH_NOTIFY_NO_SENDERS = 0x46,
        MACH_NOTIFY_SEND_ONCE = 0x47,
        MACH_NOTIFY_DEAD_NAME = 0x48,
        MACH_NOTIFY_LAST = 0x4d,
    }
}

layouts! {
    /// What is known of a port by its receiver.
    #[repr(C)]
    struct MachPortStatus = "mach_port_status", 40 bytes, align 4 {
        0 mps_pset: u32,
        4 mps_seqno: u32,
        8 mps_mscount: u32,
        12 mps_qlimit: u32,
        16 mps_msgcount: u32,
        20 mps_sorights: u32,
        24 mps_srights: i32,
        28 mps_pdrequest: i32,
        32 mps_nsrequest: i32,
        36 mps_flags: PortStatusFlags,
    }

    /// The same and the count of boosts.
    #[repr(C)]
    struct MachPortInfoExt = "mach_port_info_ext", 68 bytes, align 4 {
        0 mpie_status: MachPortStatus,
        40 mpie_boost_cnt: u32,
        44 reserved: [u32; 6],
    }

    /// What `mach_port_construct` makes. The last two words depend on the flags: a port's name or an address.
    #[repr(C)]
    struct MachPortOptions = "mach_port_options up to reserved", 8 bytes, align 4 {
        0 flags: PortOptions,
        4 mpl: u32,
    }
}
