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
        /// Codes have 64 bits.
        MACH_EXCEPTION_CODES = 0x8000_0000,
        /// Bits that are no behaviour.
        MACH_EXCEPTION_MASK = 0xe000_0000,
        EXC_MASK_CRASH = 0x400,
        EXC_MASK_CORPSE_NOTIFY = 0x2000,
        EXC_MASK_ALL = 0x1bfe,
    }
}
