//! The C interface of paths below a prefix: the structures and numbers of Darling's `vchroot_expand`,
//! `vchroot_unexpand` and `vchroot_fdpath`, which libsystem_kernel and dyld call.

use crate::layout::layouts;

/// Bytes of the path in the argument structures, with its terminator: Linux's `PATH_MAX`.
pub const PATH_BYTES: usize = 4096;

/// Of [`VchrootExpandArgs::flags`]: a link at the end of the path is followed.
pub const VCHROOT_FOLLOW: u32 = 1;

/// The path inside a prefix that leads out to Linux's root.
pub const EXIT_PATH: &str = "/Volumes/SystemRoot";

/// Linux's `AT_FDCWD`, which stands in [`VchrootExpandArgs::dfd`] for the working directory.
pub const WORKING_DIRECTORY: i32 = -100;

layouts! {
    /// Of `vchroot_expand`: in; `path` is replaced in place.
    #[repr(C)]
    struct VchrootExpandArgs = "vchroot_expand_args", 4104 bytes, align 4 {
           0 path: [u8; PATH_BYTES],
        4096 flags: u32,
        4100 dfd: i32,
    }

    /// Of `vchroot_fdpath`: in; the path is written through `path`.
    #[repr(C)]
    struct VchrootFdpathArgs = "vchroot_fdpath_args", 24 bytes, align 8 {
         0 fd: i32,
         4 _pad0: u32,
         8 path: u64,
        16 maxlen: u32,
        20 _pad1: u32,
    }

    /// Of `vchroot_unexpand`: `path` is replaced in place.
    #[repr(C)]
    struct VchrootUnexpandArgs = "vchroot_unexpand_args", 4096 bytes, align 1 {
        0 path: [u8; PATH_BYTES],
    }
}

/// Every layout above.
pub const ALL_LAYOUTS: &[crate::layout::Layout] = LAYOUTS;
