//! The entries on arm64.

use super::{bsd, mach, machdep, object, slots};
use core::arch::global_asm;

/// One entry. What is below the wrapper's stack pointer stays (128 bytes, where Apple's convention has a red zone).
macro_rules! entry {
    ($name:literal, $serve:ident, $before:expr, $after:expr) => {
        global_asm!(
            object!(text),
            ".p2align 4",
            object!(function $name),
            concat!($name, ":"),
            ".cfi_startproc",
            $before,
            "sub sp, sp, #208",
            ".cfi_def_cfa_offset 208",
            "stp x29, x30, [sp, #64]",
            ".cfi_offset w29, -144",
            ".cfi_offset w30, -136",
            "add x29, sp, #64",
            "stp x0, x1, [sp]",
            "stp x2, x3, [sp, #16]",
            "stp x4, x5, [sp, #32]",
            "stp x6, x7, [sp, #48]",
            "mov w0, w16",
            "mov x1, sp",
            "bl {serve}",
            "ldp x29, x30, [sp, #64]",
            "add sp, sp, #208",
            ".cfi_def_cfa_offset 0",
            ".cfi_restore w29",
            ".cfi_restore w30",
            $after,
            "ret",
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
            concat!(object!(local $name "_at_entry"), ":\nnop\nnop\nnop\nnop"),
            concat!(object!(local $name "_at_exit"), ":\nnop\nnop\nnop\nnop")
        );
        slots!($name);
    };
}

traced_entry!("__darling_bsd_syscall", bsd);
traced_entry!("__darling_mach_syscall", mach);
entry!("__darling_machdep_syscall", machdep, "", "");
