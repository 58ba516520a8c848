//! The names of a system (`bsd/sys/utsname.h`, `man 3 uname`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// Bytes of each name, the zero byte at its end among them.
    constants NAME_LENGTHS: usize = "bsd/sys/utsname.h" {
        _SYS_NAMELEN = 256,
    }
}

layouts! {
    /// What `uname` writes. There is no such call in XNU: the C library asks `sysctl`.
    #[repr(C)]
    struct Utsname = "utsname", 1280 bytes, align 1 {
           0 sysname: [u8; 256],
         256 nodename: [u8; 256],
         512 release: [u8; 256],
         768 version: [u8; 256],
        1024 machine: [u8; 256],
    }
}
