//! Prints the signal mask at the start and which signals are ignored, then each variable of the environment.
//!
//! With the argument `raise` it sends itself each signal that is blocked or ignored: neither may end it.
#![no_std]
#![no_main]
mod support;
use support::{Args, bsd, ensure, nr, println, text};

support::unixthread!(main);

const SIGKILL: u64 = 9;
const SIGSTOP: u64 = 17;
const SIGPROCMASK: u64 = 48;
const SIG_IGN: u64 = 1;

/// What sigaction(46) writes back.
#[repr(C)]
#[derive(Default)]
struct OldAction {
    handler: u64,
    mask: u32,
    flags: i32,
}

fn main(args: &Args) -> i32 {
    let mut mask = 0u32;
    ensure!(1, bsd(SIGPROCMASK, [0, 0, &raw mut mask as u64]).is_ok(), "sigprocmask");
    println!("mask {mask:#x}");
    let mut ignored = 0u32;
    for signo in (1..32).filter(|signo| !matches!(*signo, SIGKILL | SIGSTOP)) {
        let mut old = OldAction::default();
        let result = bsd(nr::SIGACTION, [signo, 0, &raw mut old as u64]);
        ensure!(2, result.is_ok(), "sigaction of {signo}: {result:x?}");
        ensure!(3, old.handler <= SIG_IGN, "{signo} is caught at the start");
        ignored |= u32::from(old.handler == SIG_IGN) << (signo - 1);
    }
    println!("ignored {ignored:#x}");
    if args.arg(1) == Some("raise") {
        let pid = bsd(nr::GETPID, []).map_or(0, |(pid, _)| pid);
        for signo in (1..32).filter(|signo| (mask | ignored) & 1 << (signo - 1) != 0) {
            let result = bsd(nr::KILL, [pid, signo, 1]);
            ensure!(4, result.is_ok(), "kill with {signo}: {result:x?}");
        }
        println!("raised");
    }
    for variable in args.envp {
        println!("env {}", text(variable));
    }
    0
}
