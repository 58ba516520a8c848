//! File attributes (`bsd/sys/stat.h`, `man 2 stat`, `man 2 chflags`).

use super::time::Timespec;
use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// What a file is, in the upper bits of its mode.
    numbers FileType: u16 = "stat-mode" {
        S_IFIFO = 0x1000,
        S_IFCHR = 0x2000,
        S_IFDIR = 0x4000,
        S_IFBLK = 0x6000,
        S_IFREG = 0x8000,
        S_IFLNK = 0xa000,
        S_IFSOCK = 0xc000,
        S_IFWHT = 0xe000,
    }

    /// Who may do what with a file, in the lower bits of its mode.
    flags Mode: u16 = "stat-mode" {
        S_ISUID = 0x800,
        S_ISGID = 0x400,
        S_ISVTX = 0x200,
        S_IRWXU = 0x1c0,
        S_IRWXG = 0x38,
        S_IRWXO = 7,
    }

    /// The mask of the file type in a mode.
    constants MODE_MASKS: u16 = "stat-mode" {
        S_IFMT = 0xf000,
    }

    /// `st_flags`, and what `chflags` sets. `UF_` belong to the owner, `SF_` to the superuser.
    flags FileFlags: u32 = "chflags" {
        UF_NODUMP = 1,
        UF_IMMUTABLE = 2,
        UF_APPEND = 4,
        UF_OPAQUE = 8,
        UF_COMPRESSED = 0x20,
        UF_TRACKED = 0x40,
        UF_DATAVAULT = 0x80,
        UF_HIDDEN = 0x8000,
        SF_ARCHIVED = 0x0001_0000,
        SF_IMMUTABLE = 0x0002_0000,
        SF_APPEND = 0x0004_0000,
        SF_RESTRICTED = 0x0008_0000,
        SF_NOUNLINK = 0x0010_0000,
        SF_FIRMLINK = 0x0080_0000,
        SF_DATALESS = 0x4000_0000,
    }

    /// Masks over [`FileFlags`].
    constants FILE_FLAG_MASKS: u32 = "chflags" {
        UF_SETTABLE = 0xffff,
        SF_SUPPORTED = 0x009f_0000,
        SF_SETTABLE = 0x3fff_0000,
        SF_SYNTHETIC = 0xc000_0000,
        UF_SF_PROTECTED = 0x20,
    }
}

impl Mode {
    /// The file type in the upper bits.
    #[inline(always)]
    pub const fn file_type(self) -> FileType {
        FileType::new(self.bits() & S_IFMT)
    }
}

layouts! {
    /// What `stat64`, `fstat64`, `lstat64` and `fstatat64` write: `struct stat` of today.
    #[repr(C)]
    struct Stat64 = "stat64", 144 bytes, align 8 {
          0 st_dev: i32,
          4 st_mode: u16,
          6 st_nlink: u16,
          8 st_ino: u64,
         16 st_uid: u32,
         20 st_gid: u32,
         24 st_rdev: i32,
         28 _pad: u32,
         32 st_atimespec: Timespec,
         48 st_mtimespec: Timespec,
         64 st_ctimespec: Timespec,
         80 st_birthtimespec: Timespec,
         96 st_size: i64,
        104 st_blocks: i64,
        112 st_blksize: i32,
        116 st_flags: u32,
        120 st_gen: u32,
        124 st_lspare: i32,
        128 st_qspare: [i64; 2],
    }

    /// What `stat`, `fstat` and `lstat` write: inodes of 32 bits, x86-64 only.
    #[repr(C)]
    struct Stat = "stat", 120 bytes, align 8 {
          0 st_dev: i32,
          4 st_ino: u32,
          8 st_mode: u16,
         10 st_nlink: u16,
         12 st_uid: u32,
         16 st_gid: u32,
         20 st_rdev: i32,
         24 st_atimespec: Timespec,
         40 st_mtimespec: Timespec,
         56 st_ctimespec: Timespec,
         72 st_size: i64,
         80 st_blocks: i64,
         88 st_blksize: i32,
         92 st_flags: u32,
         96 st_gen: u32,
        100 st_lspare: i32,
        104 st_qspare: [i64; 2],
    }
}
