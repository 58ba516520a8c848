//! `open` and `fcntl` (`bsd/sys/fcntl.h`, `man 2 open`, `man 2 fcntl`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// Flags of `open`, without the access mode in their two lowest bits: that is a number, not two flags, and
    /// [`OpenFlags::access_mode`] reads it.
    flags OpenFlags: u32 = "open" {
        O_NONBLOCK = 4,
        O_APPEND = 8,
        O_SHLOCK = 0x10,
        O_EXLOCK = 0x20,
        O_ASYNC = 0x40,
        O_SYNC = 0x80,
        O_FSYNC = 0x80,
        O_NOFOLLOW = 0x100,
        O_CREAT = 0x200,
        O_TRUNC = 0x400,
        O_EXCL = 0x800,
        O_RESOLVE_BENEATH = 0x1000,
        O_EVTONLY = 0x8000,
        O_NOCTTY = 0x0002_0000,
        O_SEARCH = 0x4010_0000,
        O_DIRECTORY = 0x0010_0000,
        O_SYMLINK = 0x0020_0000,
        O_DSYNC = 0x0040_0000,
        O_CLOEXEC = 0x0100_0000,
        O_NOFOLLOW_ANY = 0x2000_0000,
        O_EXEC = 0x4000_0000,
        O_NDELAY = 4,
    }

    /// What a descriptor may be used for: the two lowest bits of the flags of `open`. Number 3 has no name.
    numbers AccessMode: u32 = "open" {
        O_RDONLY = 0,
        O_WRONLY = 1,
        O_RDWR = 2,
    }

    /// The mask of the access mode, and how the kernel keeps it: one more than the number in the flags.
    constants ACCESS_MODE_BITS: u32 = "open" {
        O_ACCMODE = 3,
        FREAD = 1,
        FWRITE = 2,
    }

    /// Flags of `open` that the kernel keeps for itself.
    constants KERNEL_OPEN_FLAGS: u32 = "open" {
        O_POPUP = 0x8000_0000,
        O_ALERT = 0x2000_0000,
    }

    /// `dpflags` of `open_dprotected_np`.
    flags ProtectedOpenFlags: u32 = "open" {
        O_DP_GETRAWENCRYPTED = 1,
        O_DP_GETRAWUNENCRYPTED = 2,
        O_DP_AUTHENTICATE = 4,
    }

    /// Flags of the `…at` calls.
    flags AtFlags: u32 = "at" {
        AT_EACCESS = 0x10,
        AT_SYMLINK_NOFOLLOW = 0x20,
        AT_SYMLINK_FOLLOW = 0x40,
        AT_REMOVEDIR = 0x80,
        AT_REMOVEDIR_DATALESS = 0x100,
        AT_REALDEV = 0x200,
        AT_FDONLY = 0x400,
        AT_SYMLINK_NOFOLLOW_ANY = 0x800,
        AT_SYSTEM_DISCARDED = 0x1000,
    }

    /// In place of a directory's descriptor: the working directory.
    constants AT_DESCRIPTORS: i32 = "at" {
        AT_FDCWD = -2,
    }

    /// Commands of `fcntl`.
    numbers FcntlCommand: i32 = "fcntl" {
        F_DUPFD = 0,
        F_GETFD = 1,
        F_SETFD = 2,
        F_GETFL = 3,
        F_SETFL = 4,
        F_GETOWN = 5,
        F_SETOWN = 6,
        F_GETLK = 7,
        F_SETLK = 8,
        F_SETLKW = 9,
        F_SETLKWTIMEOUT = 10,
        F_FLUSH_DATA = 40,
        F_CHKCLEAN = 41,
        F_PREALLOCATE = 42,
        F_SETSIZE = 43,
        F_RDADVISE = 44,
        F_RDAHEAD = 45,
        F_NOCACHE = 48,
        F_LOG2PHYS = 49,
        F_GETPATH = 50,
        F_FULLFSYNC = 51,
        F_PATHPKG_CHECK = 52,
        F_FREEZE_FS = 53,
        F_THAW_FS = 54,
        F_GLOBAL_NOCACHE = 55,
        F_OPENFROM = 56,
        F_UNLINKFROM = 57,
        F_CHECK_OPENEVT = 58,
        F_ADDSIGS = 59,
        F_MARKDEPENDENCY = 60,
        F_ADDFILESIGS = 61,
        F_NODIRECT = 62,
        F_GETPROTECTIONCLASS = 63,
        F_SETPROTECTIONCLASS = 64,
        F_LOG2PHYS_EXT = 65,
        F_GETLKPID = 66,
        F_SETSTATICCONTENT = 68,
        F_MOVEDATAEXTENTS = 69,
        F_SETBACKINGSTORE = 70,
        F_GETPATH_MTMINFO = 71,
        F_GETCODEDIR = 72,
        F_SETNOSIGPIPE = 73,
        F_GETNOSIGPIPE = 74,
        F_TRANSCODEKEY = 75,
        F_SINGLE_WRITER = 76,
        F_GETPROTECTIONLEVEL = 77,
        F_FINDSIGS = 78,
        F_GETDEFAULTPROTLEVEL = 79,
        F_MAKECOMPRESSED = 80,
        F_SET_GREEDY_MODE = 81,
        F_SETIOTYPE = 82,
        F_ADDFILESIGS_FOR_DYLD_SIM = 83,
        F_RECYCLE = 84,
        F_BARRIERFSYNC = 85,
        F_OFD_SETLK = 90,
        F_OFD_SETLKW = 91,
        F_OFD_GETLK = 92,
        F_OFD_SETLKWTIMEOUT = 93,
        F_OFD_GETLKPID = 94,
        F_SETCONFINED = 95,
        F_GETCONFINED = 96,
        F_ADDFILESIGS_RETURN = 97,
        F_CHECK_LV = 98,
        F_PUNCHHOLE = 99,
        F_TRIM_ACTIVE_FILE = 100,
        F_SPECULATIVE_READ = 101,
        F_GETPATH_NOFIRMLINK = 102,
        F_ADDFILESIGS_INFO = 103,
        F_ADDFILESUPPL = 104,
        F_GETSIGSINFO = 105,
        F_SETLEASE = 106,
        F_GETLEASE = 107,
        F_ASSERT_BG_ACCESS = 108,
        F_RELEASE_BG_ACCESS = 109,
        F_TRANSFEREXTENTS = 110,
        F_ATTRIBUTION_TAG = 111,
        F_NOCACHE_EXT = 112,
        F_ADDSIGS_MAIN_BINARY = 113,
        F_DUPFD_CLOEXEC = 67,
    }

    /// Arguments of `F_SETIOTYPE` and `F_ATTRIBUTION_TAG`.
    constants FCNTL_ARGUMENTS: u32 = "fcntl" {
        F_IOTYPE_ISOCHRONOUS = 1,
        F_DELETE_TAG = 2,
        F_QUERY_TAG = 4,
    }

    /// What `F_GETFD` and `F_SETFD` deal in.
    flags FdFlags: u32 = "fcntl-lock" {
        FD_CLOEXEC = 1,
    }

    /// `l_type` of a [`Flock`].
    numbers LockType: i16 = "fcntl-lock" {
        F_RDLCK = 1,
        F_UNLCK = 2,
        F_WRLCK = 3,
    }

    /// `fst_flags` of an [`Fstore`].
    flags AllocateFlags: u32 = "fcntl-lock" {
        F_ALLOCATECONTIG = 2,
        F_ALLOCATEALL = 4,
        F_ALLOCATEPERSIST = 8,
    }

    /// `fst_posmode` of an [`Fstore`]: what its offset counts from.
    numbers AllocatePosition: i32 = "fcntl-lock" {
        F_PEOFPOSMODE = 3,
        F_VOLPOSMODE = 4,
    }

    /// The operation of `flock` (`man 2 flock`).
    flags FlockOperation: u32 = "fcntl-lock" {
        LOCK_SH = 1,
        LOCK_EX = 2,
        LOCK_NB = 4,
        LOCK_UN = 8,
    }
}

impl OpenFlags {
    /// The access mode in the two lowest bits.
    #[inline(always)]
    pub const fn access_mode(self) -> AccessMode {
        AccessMode::new(self.bits() & O_ACCMODE)
    }

    /// The same flags with this access mode.
    #[inline(always)]
    pub const fn with_access_mode(self, mode: AccessMode) -> OpenFlags {
        OpenFlags::from_bits_retain(self.bits() & !O_ACCMODE | mode.number() & O_ACCMODE)
    }
}

layouts! {
    /// A record lock, of `F_GETLK` and `F_SETLK`.
    #[repr(C)]
    struct Flock = "flock", 24 bytes, align 8 {
         0 l_start: i64,
         8 l_len: i64,
        16 l_pid: i32,
        20 l_type: i16,
        22 l_whence: i16,
    }

    /// Space to set aside, of `F_PREALLOCATE`.
    #[repr(C)]
    struct Fstore = "fstore", 32 bytes, align 8 {
         0 fst_flags: u32,
         4 fst_posmode: i32,
         8 fst_offset: i64,
        16 fst_length: i64,
        24 fst_bytesalloc: i64,
    }

    /// A range to read ahead, of `F_RDADVISE`.
    #[repr(C)]
    struct Radvisory = "radvisory", 16 bytes, align 8 {
         0 ra_offset: i64,
         8 ra_count: i32,
        12 _pad: u32,
    }

    /// A range to give back, of `F_PUNCHHOLE`.
    #[repr(C)]
    struct Fpunchhole = "fpunchhole", 24 bytes, align 8 {
         0 fp_flags: u32,
         4 reserved: u32,
         8 fp_offset: i64,
        16 fp_length: i64,
    }

    /// Where a byte of a file lies on the device, of `F_LOG2PHYS` and `F_LOG2PHYS_EXT`. The header packs it.
    #[repr(C, packed(4))]
    struct Log2phys = "log2phys", 20 bytes, align 4 {
         0 l2p_flags: u32,
         4 l2p_contigbytes: i64,
        12 l2p_devoffset: i64,
    }

    /// A code signature inside or beside a file, of `F_ADDFILESIGS` and its kin.
    #[repr(C)]
    struct Fsignatures = "fsignatures", 56 bytes, align 8 {
         0 fs_file_start: i64,
         8 fs_blob_start: u64,
        16 fs_blob_size: u64,
        24 fs_fsignatures_size: u64,
        32 fs_cdhash: [u8; 20],
        52 fs_hash_type: i32,
    }

    /// Library validation of a part of a file, of `F_CHECK_LV`.
    #[repr(C)]
    struct Fchecklv = "fchecklv", 24 bytes, align 8 {
         0 lv_file_start: i64,
         8 lv_error_message_size: u64,
        16 lv_error_message: u64,
    }
}
