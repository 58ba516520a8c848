//! Extended attributes (`bsd/sys/xattr.h`, `man 2 getxattr`).

use crate::table::tables;

tables! {
    /// Options of the calls.
    flags XattrOptions: u32 = "xattr" {
        XATTR_NOFOLLOW = 1,
        XATTR_CREATE = 2,
        XATTR_REPLACE = 4,
        XATTR_NOSECURITY = 8,
        XATTR_NODEFAULT = 0x10,
        XATTR_SHOWCOMPRESSION = 0x20,
    }

    /// Bytes of a name, without its terminator.
    constants XATTR_LIMITS: usize = "xattr" {
        XATTR_MAXNAMELEN = 0x7f,
    }
}

impl XattrOptions {
    /// No link at all on the way. Not in every header.
    pub const XATTR_NOFOLLOW_ANY: XattrOptions = XattrOptions::from_bits_retain(0x40);
}

/// Finder information: 32 bytes, absent where all are 0.
pub const XATTR_FINDERINFO_NAME: &[u8] = b"com.apple.FinderInfo";
/// The resource fork of a file: the only attribute that is read and written from a position on.
pub const XATTR_RESOURCEFORK_NAME: &[u8] = b"com.apple.ResourceFork";
