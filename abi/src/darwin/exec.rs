//! Starting a program (`bsd/sys/syslimits.h`, `bsd/sys/param.h`, `bsd/kern/kern_exec.c`).

use crate::table::tables;

tables! {
    /// Limits: bytes of arguments, paths, names and the like, and counts.
    constants LIMITS: usize = "limits" {
        ARG_MAX = 0x0010_0000,
        CHILD_MAX = 0x10a,
        LINK_MAX = 0x7fff,
        MAX_CANON = 0x400,
        MAX_INPUT = 0x400,
        NAME_MAX = 0xff,
        NGROUPS_MAX = 0x10,
        OPEN_MAX = 0x2800,
        PATH_MAX = 0x400,
        PIPE_BUF = 0x200,
        MAXPATHLEN = 0x400,
        MAXCOMLEN = 0x10,
        MAXLOGNAME = 0xff,
        MAXHOSTNAMELEN = 0x100,
        MAXSYMLINKS = 0x20,
        XATTR_MAXNAMELEN = 0x7f,
    }

    /// How many random words `stack_guard=`, `malloc_entropy=` and `ptr_munge=` carry, and how many numbers
    /// `main_stack=`, each as `0x…` and separated by commas.
    constants APPLE_VALUE_COUNTS: usize = "bsd/kern/kern_exec.c" {
        GUARD_VALUES = 1,
        ENTROPY_VALUES = 2,
        PTR_MUNGE_VALUES = 1,
        MAIN_STACK_VALUES = 4,
    }
}

/// The strings after the environment, which say to dyld and libSystem what they need to know first. A key ends with
/// the equals sign; the path of the program comes first.
pub mod apple {
    /// The path that was executed, as it was given.
    pub const EXECUTABLE_KEY: &str = "executable_path=";
    /// Where the page of routines that must not be preempted is.
    pub const PFZ_KEY: &str = "pfz=";
    /// The stack protector's random word; its second byte is zero.
    pub const GUARD_KEY: &str = "stack_guard=";
    /// Random words for the allocator.
    pub const ENTROPY_KEY: &str = "malloc_entropy=";
    /// A random word that pointers of libpthread are mixed with.
    pub const PTR_MUNGE_KEY: &str = "ptr_munge=";
    /// The main thread's stack: its top, its size, and the allocation around it.
    pub const MAIN_STACK_KEY: &str = "main_stack=";
    /// File system and file number of the program.
    pub const FSID_KEY: &str = "executable_file=";
    /// File system and file number of the dynamic linker.
    pub const DYLD_FSID_KEY: &str = "dyld_file=";
    /// The program's code directory hash, in hexadecimal.
    pub const CDHASH_KEY: &str = "executable_cdhash=";
    /// A hash of the boot session and the program, in hexadecimal.
    pub const APP_BOOT_SESSION_KEY: &str = "executable_boothash=";
    /// Flags for the dynamic linker.
    pub const DYLD_FLAGS_KEY: &str = "dyld_flags=";
    /// The root of another system's libraries.
    pub const SUBSYSTEM_ROOT_PATH_KEY: &str = "subsystem_root_path=";
    /// The ABI of arm64e code.
    pub const DYLD_ARM64E_ABI_KEY: &str = "arm64e_abi=";
    /// The main thread's port name.
    pub const MAIN_TH_PORT_KEY: &str = "th_port=";
    /// Not a key but the whole string: the small-object allocator is on.
    pub const NANO_ENGAGE: &str = "MallocNanoZone=1";
}
