//! How a system call is told apart on x86-64 (`osfmk/mach/i386/syscall_sw.h`).

use crate::table::tables;

tables! {
    /// The class of a call, in bits 24 to 31 of `eax`.
    numbers SyscallClass: u32 = "class" {
        SYSCALL_CLASS_NONE = 0,
        SYSCALL_CLASS_MACH = 1,
        SYSCALL_CLASS_UNIX = 2,
        SYSCALL_CLASS_MDEP = 3,
        SYSCALL_CLASS_DIAG = 4,
        SYSCALL_CLASS_IPC = 5,
    }

    /// Where class and number are in `eax`; the upper half of `rax` does not count.
    constants SYSCALL_ENCODING: u32 = "encoding" {
        SYSCALL_CLASS_SHIFT = 24,
        SYSCALL_CLASS_MASK = 0xff00_0000,
        SYSCALL_NUMBER_MASK = 0x00ff_ffff,
    }
}
