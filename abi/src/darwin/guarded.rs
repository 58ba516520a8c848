//! Guards of descriptors (`bsd/sys/guarded.h`).

use crate::table::tables;

tables! {
    /// What a guard forbids to those who do not name it.
    flags GuardFlags: u32 = "guarded" {
        GUARD_CLOSE = 1,
        GUARD_DUP = 2,
        GUARD_SOCKET_IPC = 4,
        GUARD_FILEPORT = 8,
        GUARD_WRITE = 0x10,
    }

    /// What kind of thing an `EXC_GUARD` is about: a descriptor.
    constants GUARD_TYPES: u32 = "guarded" {
        GUARD_TYPE_FD = 2,
    }
}
