//! Flags and commands of Linux's calls that the core makes (`include/uapi/linux/fcntl.h`, `mman.h`, `signal.h`,
//! `openat2.h`), the same on x86-64 and arm64 but for the last ones. Checked against `linux-raw-sys` by
//! `tests/tests/reference.rs`.

macro_rules! flags {
    ($($name:ident = $value:literal,)*) => {
        $(#[allow(missing_docs)] pub const $name: u32 = $value;)*

        /// Every name with its value.
        pub const ALL: &[(&str, u32)] = &[
            $((stringify!($name), $name),)*
            ("O_DIRECTORY", O_DIRECTORY),
            ("O_NOFOLLOW", O_NOFOLLOW),
            ("O_TMPFILE", O_TMPFILE),
        ];
    };
}

flags! {
    O_WRONLY = 1,
    O_RDWR = 2,
    O_ACCMODE = 3,
    O_CREAT = 0o100,
    O_EXCL = 0o200,
    O_NOCTTY = 0o400,
    O_TRUNC = 0o1000,
    O_APPEND = 0o2000,
    O_NONBLOCK = 0o4000,
    O_DSYNC = 0o10000,
    FASYNC = 0o20000,
    O_CLOEXEC = 0o2000000,
    O_SYNC = 0o4010000,
    O_PATH = 0o10000000,
    RESOLVE_NO_SYMLINKS = 4,
    RESOLVE_BENEATH = 8,
    RESOLVE_IN_ROOT = 16,
    AT_SYMLINK_NOFOLLOW = 0x100,
    AT_EACCESS = 0x200,
    AT_REMOVEDIR = 0x200,
    AT_SYMLINK_FOLLOW = 0x400,
    AT_EMPTY_PATH = 0x1000,
    RENAME_NOREPLACE = 1,
    RENAME_EXCHANGE = 2,
    CLONE_FS = 0x200,
    F_DUPFD = 0,
    F_GETFD = 1,
    F_SETFD = 2,
    F_GETFL = 3,
    F_SETFL = 4,
    F_GETLK = 5,
    F_SETLK = 6,
    F_SETLKW = 7,
    F_SETOWN = 8,
    F_GETOWN = 9,
    F_SETSIG = 10,
    F_GETSIG = 11,
    F_SETOWN_EX = 15,
    F_GETOWN_EX = 16,
    F_OWNER_PID = 1,
    F_OWNER_PGRP = 2,
    F_OFD_GETLK = 36,
    F_OFD_SETLK = 37,
    F_OFD_SETLKW = 38,
    F_DUPFD_CLOEXEC = 1030,
    LOCK_SH = 1,
    LOCK_EX = 2,
    LOCK_NB = 4,
    FALLOC_FL_KEEP_SIZE = 1,
    FALLOC_FL_PUNCH_HOLE = 2,
    SYNC_FILE_RANGE_WRITE = 2,
    MADV_POPULATE_WRITE = 23,
    POSIX_FADV_NORMAL = 0,
    POSIX_FADV_RANDOM = 1,
    POSIX_FADV_WILLNEED = 3,
    STATX_ATTR_IMMUTABLE = 0x10,
    STATX_ATTR_APPEND = 0x20,
    STATX_ATTR_NODUMP = 0x40,
    STATX_ATTR_MOUNT_ROOT = 0x2000,
    FS_IMMUTABLE_FL = 0x10,
    FS_APPEND_FL = 0x20,
    FS_NODUMP_FL = 0x40,
    MAP_SHARED = 1,
    MAP_PRIVATE = 2,
    MAP_FIXED = 0x10,
    MAP_ANONYMOUS = 0x20,
    MAP_NORESERVE = 0x4000,
    MAP_FIXED_NOREPLACE = 0x10_0000,
    PROT_READ = 1,
    PROT_WRITE = 2,
    RLIMIT_NOFILE = 7,
    STATX_TYPE = 1,
    STATX_MODE = 2,
    STATX_UID = 8,
    STATX_INO = 0x100,
    STATX_MTIME = 0x40,
    STATX_CTIME = 0x80,
    STATX_SIZE = 0x200,
    STATX_MNT_ID = 0x1000,
    PROC_SUPER_MAGIC = 0x9fa0,
    S_IFMT = 0o170000,
    S_IFIFO = 0o010000,
    S_IFCHR = 0o020000,
    S_IFDIR = 0o040000,
    S_IFBLK = 0o060000,
    S_IFREG = 0o100000,
    S_IFLNK = 0o120000,
    S_IFSOCK = 0o140000,
    WNOHANG = 1,
    WSTOPPED = 2,
    WEXITED = 4,
    WCONTINUED = 8,
    WNOWAIT = 0x0100_0000,
    SA_NOCLDSTOP = 1,
    SA_NOCLDWAIT = 2,
    SA_SIGINFO = 4,
    SA_RESTORER = 0x0400_0000,
    SA_ONSTACK = 0x0800_0000,
    SS_ONSTACK = 1,
    SS_DISABLE = 2,
}

/// Since Linux 6.9.
pub const RWF_NOAPPEND: u32 = 0x20;
/// Since Linux 6.18.
pub const RWF_NOSIGNAL: u32 = 0x100;

/// x86-64 alone has it; elsewhere it is no flag at all.
pub const MAP_32BIT: u32 = if cfg!(target_arch = "x86_64") { 0x40 } else { 0 };
#[allow(missing_docs)]
pub const O_DIRECTORY: u32 = if cfg!(target_arch = "x86_64") { 0o200000 } else { 0o40000 };
#[allow(missing_docs)]
pub const O_NOFOLLOW: u32 = if cfg!(target_arch = "x86_64") { 0o400000 } else { 0o100000 };
#[allow(missing_docs)]
pub const O_TMPFILE: u32 = 0o20000000 | O_DIRECTORY;
