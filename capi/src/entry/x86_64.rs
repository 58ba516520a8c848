//! The entries on x86-64.

use super::{bsd, mach, machdep, object, slots};
use core::arch::global_asm;

/// One entry. The stack is moved below the wrapper's red zone (120 bytes: the return address is its first 8) and
/// aligned; rbp finds the way back, and the two arguments in the wrapper's frame.
macro_rules! entry {
    ($name:literal, $serve:ident, $before:expr, $after:expr) => {
        global_asm!(
            object!(text),
            ".p2align 4",
            object!(function $name),
            concat!($name, ":"),
            ".cfi_startproc",
            $before,
            "lea rsp, [rsp - 120]",
            ".cfi_adjust_cfa_offset 120",
            "push rbp",
            ".cfi_adjust_cfa_offset 8",
            ".cfi_offset rbp, -136",
            "mov rbp, rsp",
            ".cfi_def_cfa_register rbp",
            "and rsp, -16",
            "push qword ptr [rbp + 152]",
            "push qword ptr [rbp + 144]",
            "push r9",
            "push r8",
            "push rcx",
            "push rdx",
            "push rsi",
            "push rdi",
            "mov edi, eax",
            "mov rsi, rsp",
            "call {serve}",
            "mov rsp, rbp",
            ".cfi_def_cfa_register rsp",
            "pop rbp",
            ".cfi_adjust_cfa_offset -8",
            "lea rsp, [rsp + 120]",
            ".cfi_adjust_cfa_offset -120",
            $after,
            "pop rcx",
            "jmp rcx",
            ".cfi_endproc",
            object!(end),
            serve = sym $serve,
        );
    };
}

/// An entry with slots for a tracer.
macro_rules! traced_entry {
    ($name:literal, $serve:ident) => {
        entry!(
            $name,
            $serve,
            concat!(object!(local $name "_at_entry"), ": .space 13, 0x90"),
            concat!(object!(local $name "_at_exit"), ": .space 13, 0x90")
        );
        slots!($name);
    };
}

traced_entry!("__darling_bsd_syscall", bsd);
traced_entry!("__darling_mach_syscall", mach);
entry!("__darling_machdep_syscall", machdep, "", "");
