//! Small arguments of file calls (`bsd/sys/unistd.h`, `bsd/sys/stdio.h`, `man 2 lseek`, `man 2 access`,
//! `man 2 pathconf`, `man 2 renameatx_np`).

use crate::table::tables;

tables! {
    /// What the offset of `lseek` counts from, or what it looks for.
    numbers Whence: i32 = "seek" {
        SEEK_SET = 0,
        SEEK_CUR = 1,
        SEEK_END = 2,
        SEEK_HOLE = 3,
        SEEK_DATA = 4,
    }

    /// What `access` asks for; those from `_READ_OK` on are of `accessx_np` alone.
    flags AccessFlags: u32 = "access" {
        X_OK = 1,
        W_OK = 2,
        R_OK = 4,
        _READ_OK = 0x200,
        _WRITE_OK = 0x400,
        _EXECUTE_OK = 0x800,
        _DELETE_OK = 0x1000,
        _APPEND_OK = 0x2000,
        _RMFILE_OK = 0x4000,
        _RATTR_OK = 0x8000,
        _WATTR_OK = 0x0001_0000,
        _REXT_OK = 0x0002_0000,
        _WEXT_OK = 0x0004_0000,
        _RPERM_OK = 0x0008_0000,
        _WPERM_OK = 0x0010_0000,
        _CHOWN_OK = 0x0020_0000,
    }

    /// To `access`: is the file there at all? No bit of [`AccessFlags`].
    constants ACCESS_EXISTENCE: u32 = "access" {
        F_OK = 0,
    }

    /// What `pathconf` and `fpathconf` tell.
    numbers PathconfName: i32 = "pathconf" {
        _PC_LINK_MAX = 1,
        _PC_MAX_CANON = 2,
        _PC_MAX_INPUT = 3,
        _PC_NAME_MAX = 4,
        _PC_PATH_MAX = 5,
        _PC_PIPE_BUF = 6,
        _PC_CHOWN_RESTRICTED = 7,
        _PC_NO_TRUNC = 8,
        _PC_VDISABLE = 9,
        _PC_NAME_CHARS_MAX = 10,
        _PC_CASE_SENSITIVE = 11,
        _PC_CASE_PRESERVING = 12,
        _PC_EXTENDED_SECURITY_NP = 13,
        _PC_AUTH_OPAQUE_NP = 14,
        _PC_2_SYMLINKS = 15,
        _PC_ALLOC_SIZE_MIN = 16,
        _PC_ASYNC_IO = 17,
        _PC_FILESIZEBITS = 18,
        _PC_PRIO_IO = 19,
        _PC_REC_INCR_XFER_SIZE = 20,
        _PC_REC_MAX_XFER_SIZE = 21,
        _PC_REC_MIN_XFER_SIZE = 22,
        _PC_REC_XFER_ALIGN = 23,
        _PC_SYMLINK_MAX = 24,
        _PC_SYNC_IO = 25,
        _PC_XATTR_SIZE_BITS = 26,
        _PC_MIN_HOLE_SIZE = 27,
    }

    /// Flags of `renameatx_np`.
    flags RenameFlags: u32 = "renameatx" {
        RENAME_SECLUDE = 1,
        RENAME_SWAP = 2,
        RENAME_EXCL = 4,
        RENAME_RESERVED1 = 8,
        RENAME_NOFOLLOW_ANY = 0x10,
    }
}
