//! The exception that XNU raises where Linux sends a signal (`osfmk/i386/trap.c`, `user_trap`).

use super::Info;
use crate::registers::VectorState;
use xnu_abi::darwin::exception::ExceptionType;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::signal::Signal;

/// Numbers of the processor's exceptions (`osfmk/i386/trap.h`).
const T_DIVIDE_ERROR: u16 = 0;
const T_DEBUG: u16 = 1;
const T_INT3: u16 = 3;
const T_OVERFLOW: u16 = 4;
const T_OUT_OF_BOUNDS: u16 = 5;
const T_INVALID_OPCODE: u16 = 6;
const T_INVALID_TSS: u16 = 10;
const T_SEGMENT_NOT_PRESENT: u16 = 11;
const T_STACK_FAULT: u16 = 12;
const T_GENERAL_PROTECTION: u16 = 13;
const T_PAGE_FAULT: u16 = 14;
const T_FLOATING_POINT_ERROR: u16 = 16;
const T_SSE_FLOAT_ERROR: u16 = 19;

/// Codes of exceptions (`osfmk/mach/i386/exception.h`).
const EXC_I386_DIV: u64 = 1;
const EXC_I386_INTO: u64 = 2;
const EXC_I386_EXTERR: u64 = 5;
const EXC_I386_BOUND: u64 = 7;
const EXC_I386_SSEEXTERR: u64 = 8;
const EXC_I386_INVOP: u64 = 1;
const EXC_I386_SGL: u64 = 1;
const EXC_I386_BPT: u64 = 2;

/// Where the status word of x87 and the status of SSE lie among the vector registers.
const FSW: usize = 2;
const MXCSR: usize = 24;

/// The kind and the codes of a fault of the guest's own; `None` for what XNU knows no exception for.
pub fn exception(info: &Info, vectors: &VectorState) -> Option<(ExceptionType, [u64; 2])> {
    let (trap, error, address) = info.fault;
    // Of the error only these bits are looked at.
    let error = u64::from(error & 0xffff);
    let word = |at: usize| vectors.0.get(at..).and_then(|rest| rest.first_chunk::<4>());
    let word = |at: usize| u64::from(word(at).map_or(0, |bytes| u32::from_le_bytes(*bytes)));
    Some(match trap {
        T_DIVIDE_ERROR => (ExceptionType::EXC_ARITHMETIC, [EXC_I386_DIV, 0]),
        T_DEBUG => (ExceptionType::EXC_BREAKPOINT, [EXC_I386_SGL, 0]),
        T_INT3 => (ExceptionType::EXC_BREAKPOINT, [EXC_I386_BPT, 0]),
        T_OVERFLOW => (ExceptionType::EXC_ARITHMETIC, [EXC_I386_INTO, 0]),
        T_OUT_OF_BOUNDS => (ExceptionType::EXC_SOFTWARE, [EXC_I386_BOUND, 0]),
        T_INVALID_OPCODE => (ExceptionType::EXC_BAD_INSTRUCTION, [EXC_I386_INVOP, 0]),
        // The codes are the numbers of the traps.
        T_INVALID_TSS | T_SEGMENT_NOT_PRESENT | T_STACK_FAULT => {
            (ExceptionType::EXC_BAD_INSTRUCTION, [u64::from(trap), error])
        }
        T_GENERAL_PROTECTION => (ExceptionType::EXC_BAD_ACCESS, [u64::from(trap), error]),
        T_PAGE_FAULT => {
            let hole = info.signal == Signal::SIGSEGV;
            let code =
                if hole { KernReturn::KERN_INVALID_ADDRESS } else { KernReturn::KERN_PROTECTION_FAILURE };
            (ExceptionType::EXC_BAD_ACCESS, [u64::from(code.number().unsigned_abs()), address])
        }
        T_FLOATING_POINT_ERROR => (ExceptionType::EXC_ARITHMETIC, [EXC_I386_EXTERR, word(FSW) & 0xffff]),
        T_SSE_FLOAT_ERROR => (ExceptionType::EXC_ARITHMETIC, [EXC_I386_SSEEXTERR, word(MXCSR)]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(signal: Signal, fault: (u16, u32, u64)) -> Option<(ExceptionType, [u64; 2])> {
        exception(&Info { fault, ..Info::bare(signal) }, &VectorState::default())
    }

    #[test]
    fn a_page_that_is_not_there_is_told_from_one_that_forbids_it() {
        let bad_access = ExceptionType::EXC_BAD_ACCESS;
        assert_eq!(raised(Signal::SIGSEGV, (14, 6, 0x10)), Some((bad_access, [1, 0x10])));
        assert_eq!(raised(Signal::SIGBUS, (14, 7, 0x10)), Some((bad_access, [2, 0x10])));
        assert_eq!(raised(Signal::SIGSEGV, (13, 0x1_0008, 0)), Some((bad_access, [13, 8])));
    }

    #[test]
    fn instructions_and_arithmetic_have_codes_of_their_own() {
        assert_eq!(raised(Signal::SIGTRAP, (3, 0, 0)), Some((ExceptionType::EXC_BREAKPOINT, [2, 0])));
        assert_eq!(raised(Signal::SIGTRAP, (1, 0, 0)), Some((ExceptionType::EXC_BREAKPOINT, [1, 0])));
        assert_eq!(raised(Signal::SIGILL, (6, 0, 0)), Some((ExceptionType::EXC_BAD_INSTRUCTION, [1, 0])));
        assert_eq!(raised(Signal::SIGFPE, (0, 0, 0)), Some((ExceptionType::EXC_ARITHMETIC, [1, 0])));
        assert_eq!(raised(Signal::SIGBUS, (17, 0, 0)), None);
    }
}
