//! The instruction that enters Linux, with the crate `sc`'s signatures.
//!
//! `sc` chooses numbers and error convention by the object format: compiled for a Mach-O object it would call XNU.
//! Such an object runs on Linux all the same, so there the instruction is this module's.
//!
//! # Safety
//! Each function issues one system call with the words that it is given; the caller guarantees what the call does.
#![cfg_attr(not(target_os = "linux"), allow(unsafe_code))]

#[cfg(target_os = "linux")]
pub(crate) use sc::platform::{syscall0, syscall1, syscall2, syscall3, syscall4, syscall5, syscall6};

#[cfg(not(target_os = "linux"))]
pub(crate) use own::*;

/// Of an object that is none of Linux's: number in rax or x8, arguments in registers, result in rax or x0.
#[cfg(not(target_os = "linux"))]
mod own {
    macro_rules! instruction {
        ($name:ident($($word:ident: $x86_64:tt $aarch64:tt),*)) => {
            #[inline(always)]
            pub(crate) unsafe fn $name(number: usize $(, $word: usize)*) -> usize {
                let result: usize;
                // SAFETY: the caller's promise; Linux changes rax, rcx and r11 and nothing else.
                #[cfg(target_arch = "x86_64")]
                unsafe {
                    core::arch::asm!(
                        "syscall",
                        inlateout("rax") number => result,
                        $(in($x86_64) $word,)*
                        lateout("rcx") _,
                        lateout("r11") _,
                        options(nostack),
                    );
                }
                // SAFETY: the caller's promise; Linux changes x0 and nothing else.
                #[cfg(target_arch = "aarch64")]
                unsafe {
                    core::arch::asm!(
                        "svc #0",
                        in("x8") number,
                        $(in($aarch64) $word,)*
                        lateout("x0") result,
                        options(nostack),
                    );
                }
                result
            }
        };
    }

    instruction!(syscall0());
    instruction!(syscall1(a: "rdi" "x0"));
    instruction!(syscall2(a: "rdi" "x0", b: "rsi" "x1"));
    instruction!(syscall3(a: "rdi" "x0", b: "rsi" "x1", c: "rdx" "x2"));
    instruction!(syscall4(a: "rdi" "x0", b: "rsi" "x1", c: "rdx" "x2", d: "r10" "x3"));
    instruction!(syscall5(a: "rdi" "x0", b: "rsi" "x1", c: "rdx" "x2", d: "r10" "x3", e: "r8" "x4"));
    instruction!(syscall6(a: "rdi" "x0", b: "rsi" "x1", c: "rdx" "x2", d: "r10" "x3", e: "r8" "x4", f: "r9" "x5"));
}
