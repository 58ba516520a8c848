//! What BSD and machine code need of Mach (`osfmk/mach/port.h`, `osfmk/mach/vm_prot.h`,
//! `osfmk/mach/vm_statistics.h`, `osfmk/mach/mach_time.h`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// Port names that name no port.
    constants PORT_NAMES: u32 = "mach-port-misc" {
        MACH_PORT_NULL = 0,
        MACH_PORT_DEAD = 0xffff_ffff,
    }

    /// Access to pages, and wishes beside it.
    flags VmProt: u32 = "vm-prot" {
        VM_PROT_READ = 1,
        VM_PROT_WRITE = 2,
        VM_PROT_EXECUTE = 4,
        VM_PROT_NO_CHANGE = 0x0100_0000,
        VM_PROT_COPY = 0x10,
        VM_PROT_WANTS_COPY = 0x10,
        VM_PROT_TRUSTED = 0x20,
        VM_PROT_IS_MASK = 0x40,
        VM_PROT_STRIP_READ = 0x80,
        VM_PROT_COPY_FAIL_IF_EXECUTABLE = 0x100,
        VM_PROT_TPRO = 0x200,
        VM_PROT_UEXEC = 8,
    }

    /// Values of [`VmProt`] with a name of their own. On x86-64 code for user mode may have a bit of its own.
    constants VM_PROTECTIONS: u32 = "vm-prot" {
        VM_PROT_NONE = 0,
        VM_PROT_DEFAULT = 3,
        VM_PROT_ALL = 7,
        VM_PROT_RORW_TP = 4,
        VM_PROT_NO_CHANGE_LEGACY = 8,
        VM_PROT_EXECUTE_ONLY = 0x84,
        VM_PROT_ALLEXEC = 0xc,
    }

    /// Flags of `vm_allocate`, `vm_map` and `vm_remap`. The upper byte is a tag, three bits are a page size.
    flags VmFlags: u32 = "vm-flags" {
        VM_FLAGS_ANYWHERE = 1,
        VM_FLAGS_PURGABLE = 2,
        VM_FLAGS_4GB_CHUNK = 4,
        VM_FLAGS_RANDOM_ADDR = 8,
        VM_FLAGS_NO_CACHE = 0x10,
        VM_FLAGS_RESILIENT_CODESIGN = 0x20,
        VM_FLAGS_RESILIENT_MEDIA = 0x40,
        VM_FLAGS_PERMANENT = 0x80,
        VM_FLAGS_TPRO = 0x1000,
        VM_FLAGS_OVERWRITE = 0x4000,
        VM_FLAGS_RETURN_DATA_ADDR = 0x0010_0000,
        VM_FLAGS_RETURN_4K_DATA_ADDR = 0x0080_0000,
        VM_FLAGS_HW = 0x1000,
    }

    /// Masks and values of [`VmFlags`] that are not single bits.
    constants VM_FLAG_VALUES: u32 = "vm-flags" {
        VM_FLAGS_FIXED = 0,
        VM_FLAGS_SUPERPAGE_MASK = 0x0007_0000,
        VM_FLAGS_ALIAS_MASK = 0xff00_0000,
        VM_FLAGS_USER_ALLOCATE = 0xff07_509f,
        VM_FLAGS_USER_MAP = 0xff97_509f,
        VM_FLAGS_USER_REMAP = 0x0010_4069,
        VM_FLAGS_SUPERPAGE_SHIFT = 0x10,
        VM_FLAGS_SUPERPAGE_NONE = 0,
        VM_FLAGS_SUPERPAGE_SIZE_ANY = 0x0001_0000,
        VM_FLAGS_SUPERPAGE_SIZE_2MB = 0x0002_0000,
    }
}

layouts! {
    /// What `mach_timebase_info` writes: a tick of `mach_absolute_time` is `numer / denom` nanoseconds.
    #[repr(C)]
    struct MachTimebaseInfo = "mach_timebase_info", 8 bytes, align 4 {
        0 numer: u32,
        4 denom: u32,
    }
}
