//! Ends in the way that the arguments say: `exit CODE`, `kill SIGNAL`, or by a fault: `hole`, `forbidden`, `ud2`,
//! `divide`, `int3`. With `waits` it says so and goes on making calls until somebody ends it.
#![no_std]
#![no_main]
mod support;
use core::arch::asm;
use support::{Args, PROT_NONE, bsd, map_pages, nr, println};

support::unixthread!(main);

fn main(args: &Args) -> i32 {
    let number = args.number(2, 0);
    match args.arg(1) {
        Some("exit") => return number as i32,
        Some("kill") => {
            let pid = bsd(nr::GETPID, []).map_or(0, |(pid, _)| pid);
            let _ = bsd(nr::KILL, [pid, number, 1]);
        }
        Some("waits") => {
            println!("waits");
            loop {
                let _ = bsd(nr::GETPPID, []);
            }
        }
        // SAFETY: each faults before it changes anything.
        Some(fault) => unsafe {
            match fault {
                "hole" => asm!("mov al, [8]", out("al") _),
                "forbidden" => asm!("mov al, [{}]", in(reg) map_pages(1, PROT_NONE), out("al") _),
                "ud2" => asm!("ud2"),
                "divide" => asm!("div {}", in(reg) 0u64, inout("rax") 1u64 => _, inout("rdx") 0u64 => _),
                "int3" => asm!("int3"),
                _ => return 99,
            }
        },
        None => return 99,
    }
    println!("still here");
    98
}
