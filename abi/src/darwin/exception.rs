//! Exceptions (`osfmk/mach/exception_types.h`, `osfmk/mach/i386/exception.h`).

use crate::table::tables;

tables! {
    /// Kinds of exceptions.
    numbers ExceptionType: u32 = "exception" {
        /// Memory could not be reached.
        EXC_BAD_ACCESS = 1,
        EXC_BAD_INSTRUCTION = 2,
        EXC_ARITHMETIC = 3,
        EXC_EMULATION = 4,
        /// Made by software.
        EXC_SOFTWARE = 5,
        /// A breakpoint, or one step.
        EXC_BREAKPOINT = 6,
        EXC_SYSCALL = 7,
        EXC_MACH_SYSCALL = 8,
        EXC_RPC_ALERT = 9,
        /// The process is about to end of a signal.
        EXC_CRASH = 10,
        EXC_RESOURCE = 11,
        /// A guard was broken.
        EXC_GUARD = 12,
        EXC_CORPSE_NOTIFY = 13,
    }

    /// How a handler is asked.
    numbers ExceptionBehavior: u32 = "exception" {
        /// It gets the ports of thread and task.
        EXCEPTION_DEFAULT = 1,
        /// It gets registers, and may change them.
        EXCEPTION_STATE = 2,
        /// Both.
        EXCEPTION_STATE_IDENTITY = 3,
        /// It gets a token of the task.
        EXCEPTION_IDENTITY_PROTECTED = 4,
        /// A token and registers.
        EXCEPTION_STATE_IDENTITY_PROTECTED = 5,
    }

    /// Bits of masks and behaviours.
    constants EXCEPTION_BITS: u32 = "exception" {
        /// A handler would rather have a backtrace.
        MACH_EXCEPTION_BACKTRACE_PREFERRED = 0x2000_0000,
        /// A handler wants to hear of errors on the way to it.
        MACH_EXCEPTION_ERRORS = 0x4000_0000,
        /// Codes have 64 bits.
        MACH_EXCEPTION_CODES = 0x8000_0000,
        /// Bits that are no behaviour.
        MACH_EXCEPTION_MASK = 0xe000_0000,
        EXC_MASK_BAD_ACCESS = 0x2,
        EXC_MASK_BAD_INSTRUCTION = 0x4,
        EXC_MASK_ARITHMETIC = 0x8,
        EXC_MASK_EMULATION = 0x10,
        EXC_MASK_SOFTWARE = 0x20,
        EXC_MASK_BREAKPOINT = 0x40,
        EXC_MASK_SYSCALL = 0x80,
        EXC_MASK_MACH_SYSCALL = 0x100,
        EXC_MASK_RPC_ALERT = 0x200,
        EXC_MASK_CRASH = 0x400,
        EXC_MASK_RESOURCE = 0x800,
        EXC_MASK_GUARD = 0x1000,
        EXC_MASK_CORPSE_NOTIFY = 0x2000,
        EXC_MASK_ALL = 0x1bfe,
        /// The code of [`ExceptionType::EXC_SOFTWARE`] where it stands for a signal.
        EXC_SOFT_SIGNAL = 0x1_0003,
        /// Codes of the policies for access, the first and the last.
        EXC_MACF_MIN = 0x2_0000,
        EXC_MACF_MAX = 0x2_ffff,
    }
}
