//! The three entries that wrappers call in place of `syscall`.
//!
//! `__darling_bsd_syscall`, `__darling_mach_syscall` and `__darling_machdep_syscall` are called by assembly, with the
//! number in eax (x16) and the arguments where a C function has them: six in rdi rsi rdx rcx r8 r9 and two in the
//! wrapper's own frame, above its return address (x86-64), or all in x0..x7 (arm64). BSD answers its two words in
//! rax and rdx (x0 and x1), an error as `-errno` in the first; Mach and machine-dependent calls answer the first alone.
//! As of a C function, callee-saved registers are kept; so is what the wrapper has in its red zone, but for the eight
//! bytes that `call` itself overwrites.
//!
//! Each of the first two begins and ends with a slot that does nothing, to be overwritten by a tracer: with 13 bytes on
//! x86-64 (`movabs r10`, `call r10`), with 16 on arm64 (`ldr x17`, `br x17`, an address). On arm64 a call would lose the
//! wrapper's return address, so the tracer's code jumps back, behind the slot. `__darling_bsd_syscall_entry`, `…_exit`
//! and Mach's hold the addresses of the slots.
//!
//! These names are the assembler's, with no underscore added: C does not call them.
//!
//! # Safety
//! The assembly passes the address of eight words on its own stack; the rest is a C call.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use crate::door::Door;
use crate::state;
use xnu_backend_linux::Linux;
use xnu_core::dispatch::{self, SYS_SYSCALL};
use xnu_core::table::Class;
use xnu_core::{Context, Reply};

/// What an entry returns in two registers.
#[repr(C)]
struct Words {
    first: u64,
    second: u64,
}

type Cx<'a> = Context<'a, Linux, Door>;

/// Serves a call by its own table: nothing of the others is on the stack of an entry.
///
/// What is done between the wrapper and Linux is felt: the arguments stay where the entry has put them, and a value,
/// which most calls answer, is told from the rest by one branch.
#[inline(always)]
fn serve(
    class: Class,
    number: u32,
    words: &[u64; 8],
    table: impl FnOnce(&mut Cx<'_>, u32, &[u64; 8]) -> Reply,
) -> Words {
    let mut cx = Context { process: state::process(), thread: None };
    match (class, table(&mut cx, number, words)) {
        (Class::Bsd, Reply::Value(first, second)) => Words { first, second },
        (_, Reply::Value(first, _)) => Words { first, second: 0 },
        (_, other) => rest(class, other),
    }
}

#[cold]
#[inline(never)]
fn rest(class: Class, reply: Reply) -> Words {
    let (first, second) = dispatch::linked_reply(class, reply);
    Words { first, second }
}

extern "C" fn bsd(number: u32, words: &[u64; 8]) -> Words {
    match dispatch::linked_number(Class::Bsd, number) {
        SYS_SYSCALL => indirect(words),
        number => serve(Class::Bsd, number, words, xnu_core::bsd::dispatch),
    }
}

#[cold]
#[inline(never)]
fn indirect(words: &[u64; 8]) -> Words {
    let call = dispatch::linked_indirect(words);
    let mut cx = Context { process: state::process(), thread: None };
    rest(call.class, call.dispatch(&mut cx))
}

extern "C" fn mach(number: u32, words: &[u64; 8]) -> Words {
    serve(Class::Mach, dispatch::linked_number(Class::Mach, number), words, xnu_core::mach::dispatch)
}

extern "C" fn machdep(number: u32, words: &[u64; 8]) -> Words {
    // As Darling's entry does: whatever is above the low byte is not looked at.
    serve(Class::Machdep, number & 0xff, words, xnu_core::machdep::dispatch)
}

/// Directives as the object format wants them.
#[cfg(target_vendor = "apple")]
macro_rules! object {
    (text) => {
        ".text"
    };
    (data) => {
        ".section __DATA,__data"
    };
    (end) => {
        ".text"
    };
    (local $($name:literal)+) => {
        concat!("L", $($name),+)
    };
    (function $($name:literal)+) => {
        concat!(".globl ", $($name),+)
    };
    (variable $($name:literal)+) => {
        concat!(".globl ", $($name),+)
    };
}
#[cfg(not(target_vendor = "apple"))]
macro_rules! object {
    (text) => {
        ".pushsection .text.darling_syscall,\"ax\",%progbits"
    };
    (data) => {
        ".pushsection .data.rel.ro.darling_syscall,\"aw\",%progbits"
    };
    (end) => {
        ".popsection"
    };
    (local $($name:literal)+) => {
        concat!(".L", $($name),+)
    };
    (function $($name:literal)+) => {
        concat!(".globl ", $($name,)+ "\n.type ", $($name,)+ ",%function")
    };
    (variable $($name:literal)+) => {
        concat!(".globl ", $($name,)+ "\n.type ", $($name,)+ ",%object\n.size ", $($name,)+ ", 8")
    };
}
use object;

/// The slots of an entry and the variables that hold their addresses: `name_entry` and `name_exit`.
macro_rules! slots {
    ($name:literal) => {
        core::arch::global_asm!(
            $crate::entry::object!(data),
            ".p2align 3",
            $crate::entry::object!(variable $name "_entry"),
            concat!($name, "_entry: .quad ", $crate::entry::object!(local $name "_at_entry")),
            $crate::entry::object!(variable $name "_exit"),
            concat!($name, "_exit: .quad ", $crate::entry::object!(local $name "_at_exit")),
            $crate::entry::object!(end),
        );
    };
}
use slots;
