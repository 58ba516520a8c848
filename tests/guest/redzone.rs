//! The 128 bytes below rsp belong to the program: a system call must not touch them.
//!
//! Three forms of call site, each more than once, since a runner may rewrite a site on its first visit: the
//! number loaded right before `syscall`, loaded earlier, and inside a leaf function as a C library has it.
#![no_std]
#![no_main]
mod support;
use core::arch::global_asm;
use support::{Args, ensure, println};

support::unixthread!(main);

static mut KEPT: [u64; 16] = [0; 16];

// Each fills [rsp - 8] … [rsp - 128] with rdi + 1 … rdi + 16, calls, and copies them to KEPT.
// Returns rax of the call.
global_asm!(
    ".macro fill",
    ".irp i, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16",
    "lea rax, [rdi + \\i]",
    "mov [rsp - 8 * \\i], rax",
    ".endr",
    ".endm",
    ".macro keep",
    "lea rdx, [rip + {kept}]",
    ".irp i, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16",
    "mov rcx, [rsp - 8 * \\i]",
    "mov [rdx + 8 * \\i - 8], rcx",
    ".endr",
    ".endm",
    "number_adjacent:",
    "fill",
    "mov eax, 0x2000027",
    "syscall",
    "keep",
    "ret",
    "number_earlier:",
    "fill",
    "mov eax, 0x2000027",
    "mov r8, rdi",
    "lea r9, [rdi + 1]",
    "syscall",
    "keep",
    "ret",
    // close(-1): the error path.
    "failing:",
    "fill",
    "mov rsi, rdi",
    "mov edi, -1",
    "mov eax, 0x2000006",
    "mov r10, rcx",
    "syscall",
    "mov rdi, rsi",
    "keep",
    "ret",
    kept = sym KEPT,
);

unsafe extern "C" {
    fn number_adjacent(seed: u64) -> u64;
    fn number_earlier(seed: u64) -> u64;
    fn failing(seed: u64) -> u64;
}

type Site = unsafe extern "C" fn(u64) -> u64;

fn main(_: &Args) -> i32 {
    let sites: [(&str, Site); 3] =
        [("number adjacent", number_adjacent), ("number earlier", number_earlier), ("failing", failing)];
    for round in 1..=4u64 {
        for (code, (name, site)) in (1..).zip(sites) {
            let seed = round * 0x1111_0000_0000 + code as u64 * 0x1000;
            // SAFETY: the sites write to their own red zone and to KEPT, which nobody else uses.
            let kept = unsafe {
                site(seed);
                (&raw const KEPT).read()
            };
            for (i, word) in kept.iter().enumerate() {
                let want = seed + i as u64 + 1;
                let below = 8 * (i + 1);
                ensure!(
                    code,
                    *word == want,
                    "{name}, visit {round}: [rsp - {below}] is {word:#x}, not {want:#x}"
                );
            }
        }
    }
    println!("red zone kept");
    0
}
