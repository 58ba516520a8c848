//! Timer signals at every possible moment: before, in and after calls, and between them. No register may be lost,
//! no handler skipped, no call's result changed.
//!
//! The arguments are the duration in milliseconds and the timers' interval in microseconds.
#![no_std]
#![no_main]
mod probe;
mod support;
use core::arch::{global_asm, naked_asm};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use probe::{Kind, check, use_vector_level};
use support::{Args, EBADF, EINTR, MACH, MACHDEP, UNIX, bsd, ensure, nr, println};

support::unixthread!(main);

const SIGALRM: u64 = 14;
const SIGVTALRM: u64 = 26;
const SIGPROF: u64 = 27;
const SIGUSR1: u64 = 30;
const SA_RESTART: i32 = 2;
const SA_SIGINFO: i32 = 0x40;
const SIG_BLOCK: u64 = 1;
const SIG_SETMASK: u64 = 3;
const SIGPROCMASK: u64 = 48;
const SETITIMER: u64 = 83;
const ITIMER_REAL: u64 = 0;
const FCNTL: u64 = 92;
const F_GETFD: u64 = 1;

/// What sigaction(46) reads.
#[repr(C)]
struct Action {
    handler: extern "C" fn(u64),
    trampoline: unsafe extern "C" fn(),
    mask: u32,
    flags: i32,
}

static HANDLED: AtomicU64 = AtomicU64::new(0);
static SENT: AtomicU64 = AtomicU64::new(0);
static WAKE_FD: AtomicU64 = AtomicU64::new(0);

// Destroys every register that sigreturn must bring back, then leaves by it.
global_asm!(
    "trampoline:",
    "push r8",
    "push r9",
    "push rsi",
    "mov rax, rdi",
    "mov edi, edx",
    "call rax",
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "pcmpeqd xmm\\i, xmm\\i",
    ".endr",
    "fninit",
    ".irp r, rbx,rcx,rbp,r8,r9,r10,r11,r12,r13,r14,r15",
    "mov \\r, -1",
    ".endr",
    "pop rsi",
    "pop rdx",
    "pop rdi",
    "mov eax, 0x20000b8",
    "syscall",
    "ud2",
);

unsafe extern "C" {
    fn trampoline();
}

extern "C" fn on_timer(_: u64) {
    HANDLED.store(HANDLED.load(Relaxed) + 1, Relaxed);
    let parent = bsd(nr::GETPPID, []);
    ensure!(50, parent.is_ok(), "getppid in the handler: {parent:x?}");
    let fd = WAKE_FD.load(Relaxed);
    if fd != 0 {
        let written = bsd(nr::WRITE, [fd, b"!".as_ptr() as u64, 1]);
        ensure!(
            51,
            written == Ok((1, written.map_or(0, |words| words.1))),
            "write in the handler: {written:x?}"
        );
    }
}

extern "C" fn on_sent(_: u64) {
    SENT.store(SENT.load(Relaxed) + 1, Relaxed);
}

fn install(signo: u64, handler: extern "C" fn(u64), flags: i32) {
    let action = Action { handler, trampoline, mask: 0, flags: flags | SA_SIGINFO };
    let result = bsd(nr::SIGACTION, [signo, &raw const action as u64, 0]);
    ensure!(52, result.is_ok(), "sigaction of {signo}: {result:x?}");
}

fn set_timer(which: u64, interval_us: u64, first_us: u64) {
    let timer = [0, interval_us, 0, first_us];
    let result = bsd(SETITIMER, [which, timer.as_ptr() as u64, 0]);
    ensure!(53, result.is_ok(), "setitimer {which}: {result:x?}");
}

fn now_us() -> u64 {
    let mut time = [0u64; 2];
    let result = bsd(nr::GETTIMEOFDAY, [time.as_mut_ptr() as u64, 0, 0]);
    ensure!(54, result.is_ok(), "gettimeofday: {result:x?}");
    time[0] * 1_000_000 + (time[1] & 0xffff_ffff)
}

/// Counts down with patterns in registers and in the red zone, without a call. 0, or what was lost.
#[unsafe(naked)]
extern "C" fn compute(_turns: u64) -> u64 {
    naked_asm!(
        "push rbx",
        "push r12",
        "mov rbx, 0x1122334455667788",
        "mov r12, rsp",
        "mov r11, rbx",
        "mov rcx, rbx",
        "movq xmm7, rbx",
        "mov [rsp - 128], rbx",
        "mov [rsp - 8], rbx",
        "stc",
        "2:",
        // Neither touches carry.
        "dec rdi",
        "jnz 2b",
        "mov eax, 1",
        "jnc 3f",
        "mov eax, 2",
        "cmp r11, rbx",
        "jne 3f",
        "cmp rcx, rbx",
        "jne 3f",
        "mov eax, 3",
        "cmp r12, rsp",
        "jne 3f",
        "mov eax, 4",
        "cmp [rsp - 128], rbx",
        "jne 3f",
        "cmp [rsp - 8], rbx",
        "jne 3f",
        "mov eax, 5",
        "movq rcx, xmm7",
        "cmp rcx, rbx",
        "jne 3f",
        "xor eax, eax",
        "3:",
        "mov rsp, r12",
        "pop r12",
        "pop rbx",
        "ret",
    )
}

/// One of each kind of call, each result known.
fn round(number: u64, level: u32, pipe: (u64, u64), pid: u64) {
    check("getppid", UNIX | nr::GETPPID, Kind::Success, number, level);
    check("close", UNIX | nr::CLOSE, Kind::Error(EBADF), number, level);
    check("task_self_trap", MACH | 28, Kind::Mach, number, level);
    check("machdep 2", MACHDEP | 2, Kind::Mach, number, level);

    let mut byte = 0u8;
    let written = bsd(nr::WRITE, [pipe.1, b"x".as_ptr() as u64, 1]);
    ensure!(60, written.is_ok_and(|(count, _)| count == 1), "write to a pipe: {written:x?}");
    let read = bsd(nr::READ, [pipe.0, &raw mut byte as u64, 1]);
    ensure!(61, read.is_ok_and(|(count, _)| count == 1) && byte == b'x', "read of a pipe: {read:x?}");

    let sent = SENT.load(Relaxed);
    let result = bsd(nr::KILL, [pid, SIGUSR1, 1]);
    ensure!(62, result.is_ok(), "kill: {result:x?}");
    ensure!(
        63,
        SENT.load(Relaxed) == sent + 1,
        "a signal to oneself ran {} times",
        SENT.load(Relaxed) - sent
    );

    let lost = compute(500);
    ensure!(64, lost == 0, "computing lost kind {lost}");

    if number.is_multiple_of(8) {
        let all = u32::MAX;
        let mut old = 0u32;
        let result = bsd(SIGPROCMASK, [SIG_BLOCK, &raw const all as u64, &raw mut old as u64]);
        ensure!(65, result.is_ok() && old == 0, "sigprocmask: {result:x?}, mask was {old:#x}");
        let before = HANDLED.load(Relaxed);
        for _ in 0..4 {
            check("getppid, blocked", UNIX | nr::GETPPID, Kind::Success, number, level);
        }
        ensure!(66, HANDLED.load(Relaxed) == before, "a handler ran while all signals were blocked");
        let none = 0u32;
        let result = bsd(SIGPROCMASK, [SIG_SETMASK, &raw const none as u64, &raw mut old as u64]);
        ensure!(67, result.is_ok() && old | 0x8001_0100 == u32::MAX, "mask was {old:#x}: {result:x?}");
    }
}

/// One timer a turn, and a read that only its handler can satisfy: a signal that comes just before the read blocks
/// must end it, or the guest sleeps for ever.
fn wakeups(turns: u64, flags: i32, pipe: (u64, u64)) {
    install(SIGALRM, on_timer, flags);
    WAKE_FD.store(pipe.1, Relaxed);
    for turn in 0..turns {
        let before = HANDLED.load(Relaxed);
        set_timer(ITIMER_REAL, 0, 1 + turn % 60);
        let mut byte = 0u8;
        let mut read = bsd(nr::READ, [pipe.0, &raw mut byte as u64, 1]);
        if flags & SA_RESTART == 0 && read == Err(EINTR) {
            ensure!(70, HANDLED.load(Relaxed) == before + 1, "EINTR without a handler");
            read = bsd(nr::READ, [pipe.0, &raw mut byte as u64, 1]);
        }
        ensure!(71, read.is_ok_and(|(count, _)| count == 1), "read in turn {turn}: {read:x?}");
        ensure!(
            72,
            HANDLED.load(Relaxed) == before + 1,
            "turn {turn}: {} handlers",
            HANDLED.load(Relaxed) - before
        );
    }
    WAKE_FD.store(0, Relaxed);
}

/// Calls on files wait for nobody: no signal ends them, whether its handler has `SA_RESTART` or not.
fn files(duration_us: u64, interval_us: u64) {
    install(SIGALRM, on_timer, 0);
    set_timer(ITIMER_REAL, interval_us, interval_us);
    let root = c"/".as_ptr() as u64;
    let file = c"/proc/self/exe".as_ptr() as u64;
    let mut byte = 0u8;
    let start = now_us();
    while now_us().wrapping_sub(start) < duration_us {
        for path in [root, file] {
            let opened = bsd(nr::OPEN, [path, 0, 0]);
            let Ok((fd, _)) = opened else { support::wrong(80, format_args!("open of a file: {opened:x?}")) };
            let flags = bsd(FCNTL, [fd, F_GETFD, 0]);
            ensure!(81, flags.is_ok(), "fcntl: {flags:x?}");
            if path == file {
                let read = bsd(nr::READ, [fd, &raw mut byte as u64, 1]);
                ensure!(
                    82,
                    read.is_ok_and(|(count, _)| count == 1) && byte == 0x7f,
                    "read of a file: {read:x?}"
                );
            }
            let closed = bsd(nr::CLOSE, [fd]);
            ensure!(83, closed.is_ok(), "close: {closed:x?}");
        }
    }
    set_timer(ITIMER_REAL, 0, 0);
}

fn main(args: &Args) -> i32 {
    let duration_us = args.number(1, 2000) * 1000;
    let interval_us = args.number(2, 100);
    let level = use_vector_level();
    let pipe = bsd(nr::PIPE, []);
    let Ok(pipe) = pipe else { support::wrong(55, format_args!("pipe: {pipe:x?}")) };
    let pid = bsd(nr::GETPID, []).map_or(0, |(pid, _)| pid);

    install(SIGUSR1, on_sent, SA_RESTART);
    let timers = [SIGALRM, SIGVTALRM, SIGPROF];
    for (which, signo) in timers.iter().enumerate() {
        install(*signo, on_timer, SA_RESTART);
        set_timer(which as u64, interval_us, interval_us);
    }
    let start = now_us();
    let mut rounds = 0;
    while now_us().wrapping_sub(start) < duration_us {
        round(rounds, level, pipe, pid);
        rounds += 1;
    }
    for which in 0..timers.len() {
        set_timer(which as u64, 0, 0);
    }
    println!("rounds {rounds} handled {}", HANDLED.load(Relaxed));

    wakeups(3000, SA_RESTART, pipe);
    wakeups(3000, 0, pipe);
    println!("wakeups ok");
    files(duration_us / 4, interval_us);
    println!("files ok");
    0
}
