//! Calls on a 2 KiB stack with an unmapped page right under it, as old Go programs make them.
//!
//! Nothing but the eight bytes under rsp, which a rewritten call site pushes, may be written on that stack;
//! the last calls leave no more room than these.
#![no_std]
#![no_main]
mod support;
use core::arch::naked_asm;
use support::{Args, EBADF, EFAULT, PAGE, PROT_NONE, PROT_RW, UNIX, ensure, map_pages, nr, protect};

support::unixthread!(main);

const STACK: u64 = 2048;
const PATTERN: u8 = 0xc3;

/// One call with rsp = `stack`. Returns rax; -rax when carry is set.
#[unsafe(naked)]
unsafe extern "C" fn call_on(_stack: u64, _number: u64, _args: *const [u64; 6]) -> i64 {
    naked_asm!(
        "push rbx",
        "mov rbx, rsp",
        "mov rsp, rdi",
        "mov rax, rsi",
        "mov r11, rdx",
        "mov rdi, [r11]",
        "mov rsi, [r11 + 8]",
        "mov rdx, [r11 + 16]",
        "mov r10, [r11 + 24]",
        "mov r8, [r11 + 32]",
        "mov r9, [r11 + 40]",
        "syscall",
        "mov rsp, rbx",
        "jnc 2f",
        "neg rax",
        "2:",
        "pop rbx",
        "ret",
    )
}

/// Name, number, arguments, and whether a result is right.
type Call = (&'static str, u64, [u64; 6], fn(i64) -> bool);

fn main(_: &Args) -> i32 {
    let guard = map_pages(2, PROT_RW);
    let bottom = guard + PAGE;
    protect(guard, 1, PROT_NONE);

    let mut buffer = [0u8; 256];
    let out = buffer.as_mut_ptr() as u64;
    let path = c"/".as_ptr() as u64;
    let message = b"written on a small stack\n";
    let ok = |result: i64| result >= 0;
    let calls: [Call; 8] = [
        ("getppid", nr::GETPPID, [0; 6], |r| r > 0),
        ("close", nr::CLOSE, [u64::MAX, 0, 0, 0, 0, 0], |r| r == -(EBADF as i64)),
        ("gettimeofday", nr::GETTIMEOFDAY, [out, 0, 0, 0, 0, 0], ok),
        ("stat64", 338, [path, out, 0, 0, 0, 0], ok),
        ("stat64 of a bad path", 338, [1, out, 0, 0, 0, 0], |r| r == -(EFAULT as i64)),
        ("access", 33, [path, 0, 0, 0, 0, 0], ok),
        ("sigprocmask", 48, [1, 0, out, 0, 0, 0], ok),
        ("write", nr::WRITE, [1, message.as_ptr() as u64, message.len() as u64, 0, 0, 0], |r| r == 25),
    ];

    for (room, rounds) in [(STACK, 3), (64, 2), (8, 2)] {
        for round in 0..rounds {
            for (code, (name, number, args, right)) in (1..).zip(&calls) {
                // SAFETY: the page belongs to this program; the callee switches to it and back.
                let result = unsafe {
                    (bottom as *mut u8).write_bytes(PATTERN, room as usize);
                    call_on(bottom + room, UNIX | number, args)
                };
                ensure!(code, right(result), "{name} with {room} bytes of stack: {result}, visit {round}");
                for offset in 0..room.saturating_sub(8) {
                    // SAFETY: inside the page.
                    let byte = unsafe { ((bottom + offset) as *const u8).read_volatile() };
                    let below = room - offset;
                    ensure!(20 + code, byte == PATTERN, "{name} wrote {below} bytes below rsp");
                }
            }
        }
    }
    0
}
