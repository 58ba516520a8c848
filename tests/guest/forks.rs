//! Families of processes: a tree of 1,110 children in three generations, all reaped; a chain of programs that execute
//! each other in one process; timers that ring in a process and not in its children.
#![no_std]
#![no_main]
mod support;
use support::{Args, EINTR, bsd, decimal, ensure, exit, nr, println, text};

support::unixthread!(main);

const FORK: u64 = 2;
const WAIT4: u64 = 7;
const SIGPROCMASK: u64 = 48;
const EXECVE: u64 = 59;
const SETITIMER: u64 = 83;
const GETITIMER: u64 = 86;
const FCNTL: u64 = 92;
const SIGPENDING: u64 = 52;
const SIGSUSPEND: u64 = 111;
const SIGALRM: u64 = 14;
const F_GETFD: u64 = 1;
const SIG_BLOCK: u64 = 1;
const WNOHANG: u64 = 1;
const ECHILD: u64 = 10;

const GENERATIONS: u64 = 3;
const CHILDREN: u64 = 10;
/// How often the program executes itself.
const LINKS: u64 = 100;

fn main(args: &Args) -> i32 {
    match args.arg(1) {
        None => {
            let before = descriptors();
            let grown = tree(0);
            ensure!(1, grown == 1110, "{grown} descendants");
            no_children();
            ensure!(2, descriptors() == before, "other descriptors are open");
            println!("{grown} descendants reaped");
            timers();
            println!("timers ring");
            chain(args, LINKS)
        }
        Some("0") => {
            let own = bsd(nr::GETPID, []).map_or(0, |(own, _)| own);
            ensure!(3, args.number(2, 0) == own, "another process");
            ensure!(4, args.number(3, 99) == descriptors(), "other descriptors are open");
            println!("{LINKS} programs, one process");
            0
        }
        Some(_) => chain(args, args.number(1, 1)),
    }
}

/// How many of the first descriptors are open.
fn descriptors() -> u64 {
    (0..64).filter(|fd| bsd(FCNTL, [*fd, F_GETFD]).is_ok()).count() as u64
}

fn no_children() {
    let mut status = 0u32;
    let waited = bsd(WAIT4, [u64::MAX, &raw mut status as u64, WNOHANG, 0]);
    ensure!(5, waited == Err(ECHILD), "a child is left: {waited:x?}");
}

/// The descendants of this process, in a generation. A child that has had all of its own ends with how many those were,
/// by their generation.
fn tree(generation: u64) -> u64 {
    if generation == GENERATIONS {
        return 0;
    }
    let mut pids = [0; CHILDREN as usize];
    for pid in &mut pids {
        match bsd(FORK, []) {
            Ok((_, 1)) => {
                let own = tree(generation + 1);
                no_children();
                exit(own as i32);
            }
            Ok((child, _)) => *pid = child,
            Err(errno) => ensure!(10, false, "fork: errno {errno}"),
        }
    }
    // The oldest last: the others wait as zombies.
    let mut grown = 0;
    for pid in pids.iter().rev() {
        let mut status = 0u32;
        let waited = bsd(WAIT4, [*pid, &raw mut status as u64, 0, 0]);
        ensure!(11, waited == Ok((*pid, 0)), "wait4 of {pid}: {waited:x?}");
        ensure!(12, status & 0xff == 0, "a child ended with {status:#x}");
        grown += 1 + u64::from(status >> 8);
    }
    grown
}

#[repr(C)]
struct Action {
    handler: u64,
    trampoline: u64,
    mask: u32,
    flags: u32,
}

/// Counts rings of an interval timer, which a child does not have.
fn timers() {
    let blocked = 1u32 << (SIGALRM - 1);
    let _ = bsd(SIGPROCMASK, [SIG_BLOCK, &raw const blocked as u64, 0]);
    let every = [0u64, 2000, 0, 2000];
    let set = bsd(SETITIMER, [0, every.as_ptr() as u64, 0]);
    ensure!(20, set.is_ok(), "setitimer: {set:x?}");
    if let Ok((_, 1)) = bsd(FORK, []) {
        let mut left = [1u64; 4];
        let got = bsd(GETITIMER, [0, left.as_mut_ptr() as u64]);
        ensure!(21, got.is_ok() && left == [0; 4], "a child has a timer: {left:?}");
        exit(0);
    }
    for _ in 0..20 {
        wait_for(blocked);
    }
    let stop = [0u64; 4];
    let mut left = [0u64; 4];
    let set = bsd(SETITIMER, [0, stop.as_ptr() as u64, left.as_mut_ptr() as u64]);
    ensure!(22, set.is_ok() && left[..2] == [0, 2000], "the timer was {left:?}");
    let mut status = 0u32;
    let child = loop {
        match bsd(WAIT4, [u64::MAX, &raw mut status as u64, 0, 0]) {
            Err(EINTR) => {}
            other => break other,
        }
    };
    ensure!(23, child.is_ok() && status == 0, "the child: {child:x?} {status:#x}");
}

/// Waits until a blocked signal is pending, and takes it by a handler.
fn wait_for(signal: u32) {
    let action = Action {
        handler: caught as *const () as u64,
        trampoline: trampoline as *const () as u64,
        mask: 0,
        flags: 0,
    };
    let set = bsd(nr::SIGACTION, [SIGALRM, &raw const action as u64, 0]);
    ensure!(24, set.is_ok(), "sigaction: {set:x?}");
    let nothing = 0u64;
    let woken = bsd(SIGSUSPEND, [nothing]);
    ensure!(25, woken == Err(EINTR), "sigsuspend: {woken:x?}");
    let mut pending = signal;
    let _ = bsd(SIGPENDING, [&raw mut pending as u64]);
    ensure!(26, pending & !signal == 0, "{pending:#x} are pending");
}

core::arch::global_asm!(
    "trampoline:",
    "mov rdi, r8",
    "mov rdx, r9",
    "mov eax, 0x20000b8",
    "syscall",
    "ud2",
    "caught:",
    "ret",
);

unsafe extern "C" {
    fn trampoline();
    fn caught();
}

/// Executes this program with one link less to go.
fn chain(args: &Args, left: u64) -> i32 {
    let mut digits = [[0u8; 24]; 3];
    let [a, b, c] = &mut digits;
    let own = bsd(nr::GETPID, []).map_or(0, |(own, _)| own);
    let first = args.arg(1).is_none();
    let (pid, open) = if first { (own, descriptors()) } else { (args.number(2, 0), args.number(3, 0)) };
    let mut strings = args.argv;
    let path = strings.next().map_or(0, |string| string as u64);
    let argv = [path, decimal(left - 1, a), decimal(pid, b), decimal(open, c), 0];
    let failed = bsd(EXECVE, [path, argv.as_ptr() as u64, args.envp.0 as u64]);
    let name = args.arg(0).map_or("nothing", |_| text(path as *const u8));
    println!("execve of {name}: {failed:x?}");
    30
}
