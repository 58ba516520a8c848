//! Memory mappings (`bsd/sys/mman.h`, `osfmk/mach/vm_inherit.h`, `man 2 mmap`).

use crate::table::tables;

tables! {
    /// Access to pages.
    flags Prot: u32 = "mmap-prot" {
        PROT_READ = 1,
        PROT_WRITE = 2,
        PROT_EXEC = 4,
    }

    /// Flags of `mmap`.
    flags MapFlags: u32 = "mmap-flags" {
        MAP_SHARED = 1,
        MAP_PRIVATE = 2,
        MAP_COPY = 2,
        MAP_FIXED = 0x10,
        MAP_RENAME = 0x20,
        MAP_NORESERVE = 0x40,
        MAP_RESERVED0080 = 0x80,
        MAP_NOEXTEND = 0x100,
        MAP_HASSEMAPHORE = 0x200,
        MAP_NOCACHE = 0x400,
        MAP_JIT = 0x800,
        MAP_ANON = 0x1000,
        MAP_ANONYMOUS = 0x1000,
        MAP_RESILIENT_CODESIGN = 0x2000,
        MAP_RESILIENT_MEDIA = 0x4000,
        MAP_32BIT = 0x8000,
        MAP_TRANSLATED_ALLOW_EXECUTE = 0x0002_0000,
        MAP_UNIX03 = 0x0004_0000,
        MAP_TPRO = 0x0008_0000,
    }

    /// No access at all: no bit of [`Prot`].
    constants NO_PROT: u32 = "mmap-prot" {
        PROT_NONE = 0,
    }

    /// A mapping of a file: no bit of [`MapFlags`].
    constants NO_MAP_FLAGS: u32 = "mmap-flags" {
        MAP_FILE = 0,
    }

    /// What `mmap` of the C library answers on failure.
    constants MAP_RESULTS: i64 = "mmap-flags" {
        MAP_FAILED = -1,
    }

    /// The advice of `madvise`.
    numbers Advice: i32 = "madvise" {
        MADV_NORMAL = 0,
        MADV_RANDOM = 1,
        MADV_SEQUENTIAL = 2,
        MADV_WILLNEED = 3,
        MADV_DONTNEED = 4,
        MADV_FREE = 5,
        MADV_ZERO_WIRED_PAGES = 6,
        MADV_FREE_REUSABLE = 7,
        MADV_FREE_REUSE = 8,
        MADV_CAN_REUSE = 9,
        MADV_PAGEOUT = 10,
        MADV_ZERO = 11,
        POSIX_MADV_NORMAL = 0,
        POSIX_MADV_RANDOM = 1,
        POSIX_MADV_SEQUENTIAL = 2,
        POSIX_MADV_WILLNEED = 3,
        POSIX_MADV_DONTNEED = 4,
    }

    /// Flags of `msync`.
    flags MsyncFlags: u32 = "msync" {
        MS_ASYNC = 1,
        MS_INVALIDATE = 2,
        MS_SYNC = 0x10,
        MS_KILLPAGES = 4,
        MS_DEACTIVATE = 8,
    }

    /// Flags of `mlockall`.
    flags MlockallFlags: u32 = "mlock" {
        MCL_CURRENT = 1,
        MCL_FUTURE = 2,
    }

    /// What `mincore` writes per page.
    flags Mincore: u8 = "mincore" {
        MINCORE_INCORE = 1,
        MINCORE_REFERENCED = 2,
        MINCORE_MODIFIED = 4,
        MINCORE_REFERENCED_OTHER = 8,
        MINCORE_MODIFIED_OTHER = 0x10,
        MINCORE_PAGED_OUT = 0x20,
        MINCORE_COPIED = 0x40,
        MINCORE_ANONYMOUS = 0x80,
    }

    /// What a child gets of a mapping: the argument of `minherit`.
    numbers Inherit: i32 = "vm-inherit" {
        VM_INHERIT_SHARE = 0,
        VM_INHERIT_COPY = 1,
        VM_INHERIT_NONE = 2,
        VM_INHERIT_DONATE_COPY = 3,
        VM_INHERIT_DEFAULT = 1,
        VM_INHERIT_LAST_VALID = 2,
    }
}
