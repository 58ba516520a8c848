//! File systems (`bsd/sys/mount.h`, `man 2 statfs`, `man 2 getfsstat`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// `f_flags` of a file system, and the flags of `mount` and `unmount`.
    flags MountFlags: u32 = "mount" {
        MNT_RDONLY = 1,
        MNT_SYNCHRONOUS = 2,
        MNT_NOEXEC = 4,
        MNT_NOSUID = 8,
        MNT_NODEV = 0x10,
        MNT_UNION = 0x20,
        MNT_ASYNC = 0x40,
        MNT_CPROTECT = 0x80,
        MNT_EXPORTED = 0x100,
        MNT_REMOVABLE = 0x200,
        MNT_QUARANTINE = 0x400,
        MNT_LOCAL = 0x1000,
        MNT_QUOTA = 0x2000,
        MNT_ROOTFS = 0x4000,
        MNT_DOVOLFS = 0x8000,
        MNT_DONTBROWSE = 0x0010_0000,
        MNT_IGNORE_OWNERSHIP = 0x0020_0000,
        MNT_AUTOMOUNTED = 0x0040_0000,
        MNT_JOURNALED = 0x0080_0000,
        MNT_NOUSERXATTR = 0x0100_0000,
        MNT_DEFWRITE = 0x0200_0000,
        MNT_MULTILABEL = 0x0400_0000,
        MNT_NOFOLLOW = 0x0800_0000,
        MNT_NOATIME = 0x1000_0000,
        MNT_SNAPSHOT = 0x4000_0000,
        MNT_STRICTATIME = 0x8000_0000,
        MNT_UNKNOWNPERMISSIONS = 0x0020_0000,
        MNT_UPDATE = 0x0001_0000,
        MNT_NOBLOCK = 0x0002_0000,
        MNT_RELOAD = 0x0004_0000,
        MNT_FORCE = 0x0008_0000,
    }

    /// Masks over [`MountFlags`]: what `statfs` shows, and what is a command and not a property.
    constants MOUNT_FLAG_MASKS: u32 = "mount" {
        MNT_VISFLAGMASK = 0xdff0_f7ff,
        MNT_CMDFLAGS = 0x000f_0000,
    }

    /// `f_flags_ext` of a file system.
    flags MountExtFlags: u32 = "mount" {
        MNT_EXT_ROOT_DATA_VOL = 1,
        MNT_EXT_FSKIT = 2,
    }

    /// Whether `getfsstat` may answer with what it remembers.
    numbers GetfsstatMode: i32 = "getfsstat" {
        MNT_WAIT = 1,
        MNT_NOWAIT = 2,
        MNT_DWAIT = 4,
    }
}

layouts! {
    /// The identity of a file system.
    #[repr(C)]
    #[derive(Default)]
    struct Fsid = "fsid", 8 bytes, align 4 {
        0 val: [i32; 2],
    }

    /// What `statfs64`, `fstatfs64` and `getfsstat64` write: `struct statfs` of today.
    #[repr(C)]
    struct Statfs64 = "statfs64", 2168 bytes, align 8 {
           0 f_bsize: u32,
           4 f_iosize: i32,
           8 f_blocks: u64,
          16 f_bfree: u64,
          24 f_bavail: u64,
          32 f_files: u64,
          40 f_ffree: u64,
          48 f_fsid: Fsid,
          56 f_owner: u32,
          60 f_type: u32,
          64 f_flags: u32,
          68 f_fssubtype: u32,
          72 f_fstypename: [u8; 16],
          88 f_mntonname: [u8; 1024],
        1112 f_mntfromname: [u8; 1024],
        2136 f_flags_ext: u32,
        2140 f_reserved: [u32; 7],
    }

    /// What `statfs`, `fstatfs` and `getfsstat` write, x86-64 only.
    #[repr(C)]
    struct Statfs = "statfs", 336 bytes, align 8 {
          0 f_otype: i16,
          2 f_oflags: i16,
          4 _pad: u32,
          8 f_bsize: i64,
         16 f_iosize: i64,
         24 f_blocks: i64,
         32 f_bfree: i64,
         40 f_bavail: i64,
         48 f_files: i64,
         56 f_ffree: i64,
         64 f_fsid: Fsid,
         72 f_owner: u32,
         76 f_reserved1: i16,
         78 f_type: i16,
         80 f_flags: i64,
         88 f_reserved2: [i64; 2],
        104 f_fstypename: [u8; 15],
        119 f_mntonname: [u8; 90],
        209 f_mntfromname: [u8; 90],
        299 f_reserved3: u8,
        300 _pad1: u32,
        304 f_reserved4: [i64; 4],
    }
}
