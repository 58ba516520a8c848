//! Directory entries (`bsd/sys/dirent.h`, `man 5 dirent`).
//!
//! Entries follow each other at `d_reclen` bytes, a multiple of 4 (of 8 in practice); a name ends with a zero byte
//! that `d_namlen` does not count.

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// `d_type` of an entry.
    numbers DirentType: u8 = "dirent-type" {
        DT_UNKNOWN = 0,
        DT_FIFO = 1,
        DT_CHR = 2,
        DT_DIR = 4,
        DT_BLK = 6,
        DT_REG = 8,
        DT_LNK = 10,
        DT_SOCK = 12,
        DT_WHT = 14,
    }

    /// Bytes of buffer from which `getdirentries64` puts flags into the last four of them.
    constants GETDIRENTRIES64_SIZES: usize = "getdirentries64" {
        GETDIRENTRIES64_EXTENDED_BUFSIZE = 1024,
    }

    /// The flags in the last four bytes of the buffer of `getdirentries64`.
    flags Getdirentries64Flags: u32 = "getdirentries64" {
        GETDIRENTRIES64_EOF = 1,
    }
}

layouts! {
    /// An entry of `getdirentries64` at its longest.
    #[repr(C)]
    struct Dirent64 = "dirent64", 1048 bytes, align 8 {
           0 d_ino: u64,
           8 d_seekoff: u64,
          16 d_reclen: u16,
          18 d_namlen: u16,
          20 d_type: u8,
          21 d_name: [u8; 1024],
        1045 _pad: [u8; 3],
    }

    /// An entry of `getdirentries`, inodes of 32 bits, at its longest.
    #[repr(C)]
    struct Dirent = "dirent", 264 bytes, align 4 {
        0 d_ino: u32,
        4 d_reclen: u16,
        6 d_type: u8,
        7 d_namlen: u8,
        8 d_name: [u8; 256],
    }

    /// The start of a [`Dirent64`], up to its name.
    #[repr(C, packed)]
    struct Dirent64Header = "dirent64 up to d_name", 21 bytes, align 1 {
         0 d_ino: u64,
         8 d_seekoff: u64,
        16 d_reclen: u16,
        18 d_namlen: u16,
        20 d_type: u8,
    }

    /// The start of a [`Dirent`], up to its name.
    #[repr(C)]
    struct DirentHeader = "dirent up to d_name", 8 bytes, align 4 {
        0 d_ino: u32,
        4 d_reclen: u16,
        6 d_type: u8,
        7 d_namlen: u8,
    }
}
