//! The C functions with variable arguments, which Rust cannot define: each makes a `va_list` of its arguments, as a C
//! compiler would, and calls the form that takes one.
//!
//! # Safety
//! A function of these has the C convention, puts what it needs on its own stack, and hands on its caller's promise.
//! Floating-point registers are not saved, since a format may skip such an argument but never reads it.

use crate::simple::{
    __simple_vfprintf, __simple_vkprintf, __simple_vprintf, __simple_vsnprintf, __simple_vsprintf,
};
use core::arch::naked_asm;
use core::ffi::c_char;

/// `name(fixed…, ...)` by way of `target(fixed…, va_list)`, where `list` is the register behind the fixed arguments, which
/// take `used` bytes of saved registers.
macro_rules! variadic {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $return:ty =>
        $target:ident, $count:literal, $x86_64:literal, $aarch64:literal;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// As for C's function of this kind. It takes variable arguments, which this signature cannot say.
            #[unsafe(no_mangle)]
            #[unsafe(naked)]
            pub unsafe extern "C" fn $name($($argument: $type),*) -> $return {
                body!($target, $count, $x86_64, $aarch64)
            }
        )*
    };
}

// 6 general registers at rsp, then the list's offsets, stack pointer and register pointer.
#[cfg(target_arch = "x86_64")]
macro_rules! body {
    ($target:ident, $count:literal, $list:literal, $ignored:literal) => {
        naked_asm!(
            ".cfi_startproc",
            "sub rsp, 88",
            ".cfi_adjust_cfa_offset 88",
            "mov [rsp], rdi",
            "mov [rsp + 8], rsi",
            "mov [rsp + 16], rdx",
            "mov [rsp + 24], rcx",
            "mov [rsp + 32], r8",
            "mov [rsp + 40], r9",
            "mov dword ptr [rsp + 48], {used}",
            "mov dword ptr [rsp + 52], 48",
            "lea rax, [rsp + 96]",
            "mov [rsp + 56], rax",
            "mov [rsp + 64], rsp",
            concat!("lea ", $list, ", [rsp + 48]"),
            "call {target}",
            "add rsp, 88",
            ".cfi_adjust_cfa_offset -88",
            "ret",
            ".cfi_endproc",
            used = const $count * 8,
            target = sym $target,
        )
    };
}

// 8 general registers at sp, then the list: stack, gr_top, vr_top, gr_offs, vr_offs.
#[cfg(all(target_arch = "aarch64", not(target_vendor = "apple")))]
macro_rules! body {
    ($target:ident, $count:literal, $ignored:literal, $list:literal) => {
        naked_asm!(
            ".cfi_startproc",
            "sub sp, sp, #112",
            ".cfi_def_cfa_offset 112",
            "str x30, [sp, #96]",
            ".cfi_offset w30, -16",
            "stp x0, x1, [sp]",
            "stp x2, x3, [sp, #16]",
            "stp x4, x5, [sp, #32]",
            "stp x6, x7, [sp, #48]",
            "add x9, sp, #112",
            "str x9, [sp, #64]",
            "add x9, sp, #64",
            "str x9, [sp, #72]",
            "str x9, [sp, #80]",
            "mov w9, #{general}",
            "mov w10, #-128",
            "stp w9, w10, [sp, #88]",
            concat!("add ", $list, ", sp, #64"),
            "bl {target}",
            "ldr x30, [sp, #96]",
            "add sp, sp, #112",
            "ret",
            ".cfi_endproc",
            general = const $count * 8 - 64,
            target = sym $target,
        )
    };
}

// The variable arguments are on the stack already: their address is the list.
#[cfg(all(target_arch = "aarch64", target_vendor = "apple"))]
macro_rules! body {
    ($target:ident, $count:literal, $ignored:literal, $list:literal) => {
        naked_asm!(concat!("mov ", $list, ", sp"), "b {target}", target = sym $target)
    };
}

variadic! {
    /// `man 3 printf` to standard output, by raw writes.
    __simple_printf(format: *const c_char) -> () => __simple_vprintf, 1, "rsi", "x1";
    /// Formats into the log of the Linux kernel.
    __simple_kprintf(format: *const c_char) -> () => __simple_vkprintf, 1, "rsi", "x1";
    /// `man 3 dprintf`, by raw writes.
    __simple_fprintf(fd: i32, format: *const c_char) -> () => __simple_vfprintf, 2, "rdx", "x2";
    /// `man 3 sprintf`, without floating point.
    __simple_sprintf(buffer: *mut c_char, format: *const c_char) -> i32 => __simple_vsprintf, 2, "rdx", "x2";
    /// `man 3 snprintf`, without floating point.
    __simple_snprintf(buffer: *mut c_char, max_length: usize, format: *const c_char) -> i32 =>
        __simple_vsnprintf, 3, "rcx", "x3";
}
