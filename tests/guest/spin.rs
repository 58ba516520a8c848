//! Does one thing over and over, for benchmarks: `spin getppid|gettimeofday|signal|fork COUNT`. Prints nothing.
#![no_std]
#![no_main]
mod clock;
mod support;
use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use support::{Args, UNIX, bsd, exit, nr};

support::unixthread!(main);

const FORK: u64 = 2;
const WAIT4: u64 = 7;
const SIGUSR1: u64 = 30;
const SA_SIGINFO: u32 = 0x40;

fn main(args: &Args) -> i32 {
    let count = args.number(2, 1_000_000);
    let done = match args.arg(1) {
        Some("getppid") => times(count, getppid),
        Some("gettimeofday") => times(count, gettimeofday),
        Some("signal") => catch(count),
        Some("fork") => times(count, fork_and_wait),
        _ => return 2,
    };
    i32::from(!done)
}

fn times(count: u64, mut once: impl FnMut() -> bool) -> bool {
    (0..count).fold(true, |good, _| good & once())
}

/// From one call site.
#[inline(always)]
fn getppid() -> bool {
    let carry: u8;
    // SAFETY: getppid takes no argument and touches no memory.
    unsafe {
        asm!("syscall", "setc {}", out(reg_byte) carry,
            inlateout("rax") UNIX | nr::GETPPID => _, lateout("rdx") _, lateout("rcx") _, lateout("r11") _);
    }
    carry == 0
}

/// As the C library does: the page first.
fn gettimeofday() -> bool {
    let mut time = [0u64; 2];
    core::hint::black_box(clock::day_us()).is_some()
        || bsd(nr::GETTIMEOFDAY, [time.as_mut_ptr() as u64, 0, 0]).is_ok()
}

fn fork_and_wait() -> bool {
    match bsd(FORK, []) {
        Ok((_, 1)) => exit(7),
        Ok((child, _)) => {
            let mut status = 0u32;
            bsd(WAIT4, [child, &raw mut status as u64, 0, 0]) == Ok((child, 0)) && status == 0x700
        }
        Err(_) => false,
    }
}

static CAUGHT: AtomicU64 = AtomicU64::new(0);

// Calls the handler, then sigreturn with what the kernel handed over.
global_asm!(
    "trampoline:",
    "push r8",
    "push r9",
    "push rsi",
    "mov edi, edx",
    "call {handler}",
    "pop rsi",
    "pop rdx",
    "pop rdi",
    "mov eax, 0x20000b8",
    "syscall",
    "ud2",
    handler = sym handler,
);

unsafe extern "C" {
    fn trampoline();
}

extern "C" fn handler(_: u64) {
    CAUGHT.fetch_add(1, Relaxed);
}

fn catch(count: u64) -> bool {
    #[repr(C)]
    struct Action {
        handler: u64,
        trampoline: u64,
        mask: u32,
        flags: u32,
    }
    let action = Action {
        handler: handler as *const () as u64,
        trampoline: trampoline as *const () as u64,
        mask: 0,
        flags: SA_SIGINFO,
    };
    let Ok((pid, _)) = bsd(nr::GETPID, []) else { return false };
    bsd(nr::SIGACTION, [SIGUSR1, &raw const action as u64, 0]).is_ok()
        && times(count, || bsd(nr::KILL, [pid, SIGUSR1, 1]).is_ok())
        && CAUGHT.load(Relaxed) == count
}
