//! Runs its arguments as a program in a child and says what became of it: `exec PROGRAM [ARGUMENT…]`; `exec spawn PROGRAM
//! [ARGUMENT…]` asks `posix_spawn` for it, `exec suspended PROGRAM [ARGUMENT…]` for one that is stopped until it is told to go on.
//!
//! Alone it executes itself in its own place, and looks at what has stayed and what has not.
#![no_std]
#![no_main]
mod support;
use support::{Args, bsd, decimal, ensure, exit, nr, println, text};

support::unixthread!(main);

const FORK: u64 = 2;
const OPEN: u64 = 5;
const WAIT4: u64 = 7;
const EXECVE: u64 = 59;
const SIGPROCMASK: u64 = 48;
const SIGPENDING: u64 = 52;
const FCNTL: u64 = 92;
const POSIX_SPAWN: u64 = 244;
const O_CLOEXEC: u64 = 0x100_0000;
const F_GETFD: u64 = 1;
const SIGHUP: u64 = 1;
const SIGSEGV: u64 = 11;
const SIGUSR1: u64 = 30;
const SIGUSR2: u64 = 31;
const SIG_IGN: u64 = 1;
const SIG_SETMASK: u64 = 3;

const SIGCONT: u64 = 19;
const WNOHANG: u64 = 1;
const WUNTRACED: u64 = 2;
const START_SUSPENDED: u16 = 0x80;

/// The attributes of posix_spawn, of which these are the flags.
#[repr(C)]
struct Attributes {
    flags: u16,
    rest: [u16; 95],
}

fn bit(signal: u64) -> u32 {
    1 << (signal - 1)
}

fn main(args: &Args) -> i32 {
    match args.arg(1) {
        None => execute_self(args),
        Some("check") => check(args),
        Some(_) => run(args),
    }
}

/// The address of argv[index].
fn at(args: &Args, index: usize) -> u64 {
    args.argv.0.wrapping_add(index) as u64
}

fn pointer(args: &Args, index: usize) -> u64 {
    let mut argv = args.argv;
    argv.nth(index).map_or(0, |string| string as u64)
}

fn run(args: &Args) -> i32 {
    let suspended = args.arg(1) == Some("suspended");
    let spawns = suspended || args.arg(1) == Some("spawn");
    let first = if spawns { 2 } else { 1 };
    let (path, argv, envp) = (pointer(args, first), at(args, first), args.envp.0 as u64);
    let child = if spawns {
        let mut pid = 0u32;
        let attributes = Attributes { flags: START_SUSPENDED, rest: [0; 95] };
        let description = [size_of::<Attributes>() as u64, &raw const attributes as u64];
        let mut words = [0u64; 18];
        words[..2].copy_from_slice(&description);
        let described = if suspended { words.as_ptr() as u64 } else { 0 };
        match bsd(POSIX_SPAWN, [&raw mut pid as u64, path, described, argv, envp]) {
            Ok(_) => u64::from(pid),
            Err(errno) => {
                println!("errno {errno}");
                return 0;
            }
        }
    } else {
        let (child, second) = bsd(FORK, []).unwrap_or((0, 7));
        if second == 1 {
            let error = bsd(EXECVE, [path, argv, envp]).err().unwrap_or(0);
            println!("errno {error}");
            exit(0);
        }
        child
    };
    let mut status = 0u32;
    if suspended {
        let stopped = bsd(WAIT4, [child, &raw mut status as u64, WUNTRACED, 0]);
        ensure!(30, stopped == Ok((child, 0)) && status == 0x117f, "not stopped: {stopped:x?} {status:#x}");
        let nothing = bsd(WAIT4, [child, &raw mut status as u64, WNOHANG, 0]);
        ensure!(31, nothing.map(|(pid, _)| pid) == Ok(0), "it does not wait: {nothing:x?}");
        println!("stopped");
        let _ = bsd(nr::KILL, [child, SIGCONT, 1]);
    }
    let waited = bsd(WAIT4, [child, &raw mut status as u64, 0, 0]);
    ensure!(1, waited.map(|(pid, _)| pid) == Ok(child), "wait4 of {child}: {waited:x?}");
    println!("status {status:#x}");
    0
}

#[repr(C)]
#[derive(Default)]
struct Action {
    handler: u64,
    trampoline: u64,
    mask: u32,
    flags: u32,
}

fn execute_self(args: &Args) -> i32 {
    let own = pointer(args, 0);
    let kept = bsd(OPEN, [own, 0]).map_or(u64::MAX, |(fd, _)| fd);
    let closed = bsd(OPEN, [own, O_CLOEXEC]).map_or(u64::MAX, |(fd, _)| fd);
    for (signal, handler) in [(SIGUSR1, SIG_IGN), (SIGSEGV, SIG_IGN), (SIGHUP, main as *const () as u64)] {
        let action = Action { handler, trampoline: handler, ..Action::default() };
        let set = bsd(nr::SIGACTION, [signal, &raw const action as u64, 0]);
        ensure!(2, set.is_ok(), "sigaction of {signal}: {set:x?}");
    }
    let mask = bit(SIGUSR2) | bit(SIGSEGV);
    let _ = bsd(SIGPROCMASK, [SIG_SETMASK, &raw const mask as u64, 0]);
    let (pid, _) = bsd(nr::GETPID, []).unwrap_or((0, 0));
    let _ = bsd(nr::KILL, [pid, SIGUSR2, 1]);
    let mut digits = [[0u8; 24]; 3];
    let [a, b, c] = &mut digits;
    let argv = [
        c"renamed".as_ptr() as u64,
        c"check".as_ptr() as u64,
        decimal(kept, a),
        decimal(closed, b),
        decimal(pid, c),
        own,
        0,
    ];
    let envp = [c"ONE=1".as_ptr() as u64, c"XNURUN_EXEC=mine".as_ptr() as u64, 0];
    let failed = bsd(EXECVE, [own, argv.as_ptr() as u64, envp.as_ptr() as u64]);
    println!("execve: {failed:x?}");
    3
}

fn check(args: &Args) -> i32 {
    ensure!(10, args.arg(0) == Some("renamed"), "argv[0] is {:?}", args.arg(0));
    let fd = |index| args.number(index, u64::MAX);
    let state = |fd| bsd(FCNTL, [fd, F_GETFD]).map(|(flags, _)| flags);
    ensure!(11, state(fd(2)) == Ok(0), "the open one: {:x?}", state(fd(2)));
    ensure!(12, state(fd(3)) == Err(9), "the closed one: {:x?}", state(fd(3)));
    let fresh = bsd(OPEN, [pointer(args, 5), 0]).map(|(fd, _)| fd);
    ensure!(13, fresh == Ok(fd(3)), "the next is {fresh:x?}, not {}", fd(3));
    let (pid, _) = bsd(nr::GETPID, []).unwrap_or((0, 0));
    ensure!(14, pid == args.number(4, 0), "another process");
    let handler = |signal: u64| {
        let mut old = [0u64; 2];
        let _ = bsd(nr::SIGACTION, [signal, 0, old.as_mut_ptr() as u64]);
        old[0]
    };
    ensure!(15, handler(SIGUSR1) == SIG_IGN && handler(SIGSEGV) == SIG_IGN, "no more ignored");
    ensure!(16, handler(SIGHUP) == 0, "still caught");
    ensure!(17, handler(23) == 0 && handler(29) == 0, "ignored for the runner's sake");
    let (mut mask, mut pending) = (0u32, 0u32);
    let _ = bsd(SIGPROCMASK, [SIG_SETMASK, 0, &raw mut mask as u64]);
    let _ = bsd(SIGPENDING, [&raw mut pending as u64]);
    ensure!(18, mask == bit(SIGUSR2) | bit(SIGSEGV), "the mask is {mask:#x}");
    ensure!(19, pending == bit(SIGUSR2), "pending are {pending:#x}");
    let mut environment = args.envp;
    let two = [environment.next().map(text), environment.next().map(text), environment.next().map(text)];
    ensure!(20, two == [Some("ONE=1"), Some("XNURUN_EXEC=mine"), None], "the environment begins {two:?}");
    let mut apple = args.apple;
    let path = apple.next().map(text).and_then(|string| string.strip_prefix("executable_path="));
    ensure!(21, path == args.arg(5), "executable_path is {path:?}");
    println!("all as it should be");
    0
}
