//! argv[1] times getppid(2) from one call site, for benchmarks. Prints nothing.
#![no_std]
#![no_main]
mod support;
use support::{Args, UNIX, nr};

support::unixthread!(main);

fn main(args: &Args) -> i32 {
    let count = args.number(1, 1_000_000);
    let mut failures = 0u64;
    for _ in 0..count {
        let carry: u8;
        // SAFETY: getppid takes no argument and touches no memory.
        unsafe {
            core::arch::asm!("syscall", "setc {}", out(reg_byte) carry,
                inlateout("rax") UNIX | nr::GETPPID => _, lateout("rdx") _, lateout("rcx") _, lateout("r11") _);
        }
        failures += u64::from(carry);
    }
    i32::from(failures != 0)
}
