//! Signals as XNU delivers them: entry through the trampoline, frames, masks, flags, sigreturn.
//!
//! The kernel enters `trampoline` with rdi = handler, esi = style, edx = signal, rcx = siginfo, r8 = ucontext,
//! r9 = token (bsd/dev/i386/unix_signal.c, sendsig); it calls the handler and then sigreturn(ucontext, style, token).
//!
//! The argument says how often SIGSEGV is caught.
#![no_std]
#![no_main]
mod support;
use core::arch::{global_asm, naked_asm};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use support::{
    Args, EINTR, EINVAL, ENOMEM, PAGE, PROT_NONE, PROT_RW, SysResult, bsd, ensure, map_pages, nr, println,
    protect,
};

support::unixthread!(main);

const SIGKILL: u64 = 9;
const SIGBUS: u64 = 10;
const SIGSEGV: u64 = 11;
const SIGALRM: u64 = 14;
const SIGUSR1: u64 = 30;
const SIGUSR2: u64 = 31;
const SA_ONSTACK: i32 = 1;
const SA_RESTART: i32 = 2;
const SA_RESETHAND: i32 = 4;
const SA_NODEFER: i32 = 0x10;
const SA_SIGINFO: i32 = 0x40;
const SEGV_MAPERR: u64 = 1;
/// Styles of entry: a plain handler, one that takes siginfo.
const UC_TRAD: u64 = 1;
const UC_FLAVOR: u64 = 30;
const SIG_BLOCK: u64 = 1;
const SIG_UNBLOCK: u64 = 2;
const SIG_SETMASK: u64 = 3;
const SIGPROCMASK: u64 = 48;
const SIGPENDING: u64 = 52;
const SIGALTSTACK: u64 = 53;
const SETITIMER: u64 = 83;
/// What the fault handler puts in rax, to see that sigreturn loads registers from the frame.
const RESUMED: u64 = 0x7e57_0000_0042;

/// What sigaction(46) reads.
#[repr(C)]
struct Action {
    handler: Handler,
    trampoline: unsafe extern "C" fn(),
    mask: u32,
    flags: i32,
}

/// What sigaction(46) writes back; there is no trampoline in it.
#[repr(C)]
#[derive(Default, Debug)]
struct OldAction {
    handler: u64,
    mask: u32,
    flags: i32,
}

#[repr(C)]
#[derive(Default, Debug)]
struct AltStack {
    sp: u64,
    size: u64,
    flags: i32,
}

#[repr(C)]
struct SigInfo {
    signo: i32,
    errno: i32,
    code: i32,
    pid: i32,
    uid: u32,
    status: i32,
    addr: u64,
}

#[repr(C)]
struct Context {
    on_stack: i32,
    mask: u32,
    stack: AltStack,
    link: u64,
    mcontext_size: u64,
    mcontext: *mut u64,
}

type Handler = extern "C" fn(u64, &SigInfo, &mut Context);

/// Words of mcontext64: the exception state is 0–1, the thread state begins at 2.
const FAULT_ADDR: usize = 1;
const RAX: usize = 2;
const RIP: usize = 18;

// What the trampoline and the handlers saw last.
static ENTRY_RSP: AtomicU64 = AtomicU64::new(0);
static STYLE: AtomicU64 = AtomicU64::new(0);
static RESUME: AtomicU64 = AtomicU64::new(0);
static COUNT: AtomicU64 = AtomicU64::new(0);
static SIGNO: AtomicU64 = AtomicU64::new(0);
static CODE: AtomicU64 = AtomicU64::new(0);
static ADDR: AtomicU64 = AtomicU64::new(0);
static SENDER: AtomicU64 = AtomicU64::new(0);
static MASK: AtomicU64 = AtomicU64::new(0);
static CONTEXT: AtomicU64 = AtomicU64::new(0);
static STACK_FLAGS: AtomicU64 = AtomicU64::new(0);
static DEPTH: AtomicU64 = AtomicU64::new(0);
static DEEPEST: AtomicU64 = AtomicU64::new(0);
static WAKE_FD: AtomicU64 = AtomicU64::new(0);

global_asm!(
    "trampoline:",
    "mov [rip + {rsp}], rsp",
    "mov [rip + {style}], rsi",
    "push r8",
    "push r9",
    "push rsi",
    "mov rax, rdi",
    "mov edi, edx",
    "mov rsi, rcx",
    "mov rdx, r8",
    "call rax",
    "pop rsi",
    "pop rdx",
    "pop rdi",
    "mov eax, 0x20000b8",
    "syscall",
    "ud2",
    rsp = sym ENTRY_RSP,
    style = sym STYLE,
);

unsafe extern "C" {
    fn trampoline();
}

/// Reads the byte at `address`. 0 when that works, else the rax that the handler chose; all ones when a
/// register that the handler did not choose is lost on the way back.
#[unsafe(naked)]
extern "C" fn touch(_address: u64) -> u64 {
    naked_asm!(
        "push rbx",
        "push r15",
        "lea rax, [rip + 2f]",
        "mov [rip + {resume}], rax",
        "mov rbx, 0x1122334455667788",
        "mov r15, rsp",
        "movq xmm9, rbx",
        "mov [rsp - 128], rbx",
        "xor eax, eax",
        "mov al, [rdi]",
        "xor eax, eax",
        "2:",
        "cmp r15, rsp",
        "jne 3f",
        "cmp [rsp - 128], rbx",
        "jne 3f",
        "movq rcx, xmm9",
        "cmp rcx, rbx",
        "je 4f",
        "3:",
        "mov rax, -1",
        "4:",
        "pop r15",
        "pop rbx",
        "ret",
        resume = sym RESUME,
    )
}

fn record(signo: u64, info: &SigInfo, context: &Context) {
    COUNT.store(COUNT.load(Relaxed) + 1, Relaxed);
    SIGNO.store(signo | (info.signo as u64) << 32, Relaxed);
    CODE.store(info.code as u64, Relaxed);
    ADDR.store(info.addr, Relaxed);
    SENDER.store(info.pid as u64, Relaxed);
    CONTEXT.store(core::ptr::from_ref(context) as u64, Relaxed);
    MASK.store(u64::from(current_mask()), Relaxed);
}

/// Goes on at RESUME with RESUMED in rax.
extern "C" fn on_fault(signo: u64, info: &SigInfo, context: &mut Context) {
    record(signo, info, context);
    // SAFETY: the kernel's frame; a machine context has 89 words. Lost xmm registers must come back.
    unsafe {
        core::arch::asm!("pxor xmm9, xmm9", out("xmm9") _);
        let words = context.mcontext;
        ensure!(10, words.add(FAULT_ADDR).read() == info.addr, "the fault address differs from si_addr");
        words.add(RAX).write(RESUMED);
        words.add(RIP).write(RESUME.load(Relaxed));
    }
}

extern "C" fn on_signal(signo: u64, info: &SigInfo, context: &mut Context) {
    record(signo, info, context);
}

/// Sends itself the signal once more, to see whether it nests.
extern "C" fn on_signal_again(signo: u64, info: &SigInfo, context: &mut Context) {
    record(signo, info, context);
    let depth = DEPTH.load(Relaxed) + 1;
    DEPTH.store(depth, Relaxed);
    DEEPEST.store(DEEPEST.load(Relaxed).max(depth), Relaxed);
    if COUNT.load(Relaxed) == 1 {
        send(signo);
    }
    DEPTH.store(depth - 1, Relaxed);
}

extern "C" fn on_alt_stack(signo: u64, info: &SigInfo, context: &mut Context) {
    record(signo, info, context);
    let mut stack = AltStack::default();
    let _ = bsd(SIGALTSTACK, [0, &raw mut stack as u64]);
    STACK_FLAGS.store(stack.flags as u64, Relaxed);
}

/// Gives the interrupted read something to return.
extern "C" fn on_alarm(signo: u64, info: &SigInfo, context: &mut Context) {
    record(signo, info, context);
    let fd = WAKE_FD.load(Relaxed);
    if fd != 0 {
        let _ = bsd(nr::WRITE, [fd, b"!".as_ptr() as u64, 1]);
    }
}

fn install(signo: u64, handler: Handler, mask: u32, flags: i32) {
    let action = Action { handler, trampoline, mask, flags };
    let result = bsd(nr::SIGACTION, [signo, &raw const action as u64, 0]);
    ensure!(11, result.is_ok(), "sigaction of {signo}: {result:x?}");
    COUNT.store(0, Relaxed);
}

fn installed(signo: u64) -> OldAction {
    let mut old = OldAction::default();
    let result = bsd(nr::SIGACTION, [signo, 0, &raw mut old as u64]);
    ensure!(12, result.is_ok(), "sigaction of {signo}: {result:x?}");
    old
}

fn change_mask(how: u64, mask: u32) -> SysResult {
    bsd(SIGPROCMASK, [how, &raw const mask as u64, 0])
}

fn current_mask() -> u32 {
    let mut mask = 0u32;
    let _ = bsd(SIGPROCMASK, [0, 0, &raw mut mask as u64]);
    mask
}

fn pending() -> u32 {
    let mut set = 0u32;
    let _ = bsd(SIGPENDING, [&raw mut set as u64]);
    set
}

fn send(signo: u64) {
    let pid = bsd(nr::GETPID, []).map_or(0, |(pid, _)| pid);
    let result = bsd(nr::KILL, [pid, signo, 1]);
    ensure!(13, result.is_ok(), "kill: {result:x?}");
}

const fn bit(signo: u64) -> u32 {
    1 << (signo - 1)
}

fn seen(code: i32, want: u64, what: &str) {
    let count = COUNT.load(Relaxed);
    ensure!(code, count == want, "{what}: the handler ran {count} times, not {want}");
}

fn faults(count: u64) {
    install(SIGSEGV, on_fault, 0, SA_SIGINFO);
    let hole = map_pages(3, PROT_RW);
    ensure!(20, bsd(nr::MUNMAP, [hole + PAGE, PAGE]).is_ok(), "munmap");
    for i in 0..count {
        // By turns in __PAGEZERO and in a hole between mappings.
        let address = if i % 2 == 0 { 8 + i % PAGE } else { hole + PAGE + i % PAGE };
        let result = touch(address);
        ensure!(21, result == RESUMED, "touch of {address:#x} returned {result:#x}");
        seen(22, i + 1, "SIGSEGV");
        ensure!(23, SIGNO.load(Relaxed) == SIGSEGV << 32 | SIGSEGV, "signal {:#x}", SIGNO.load(Relaxed));
        let addr = ADDR.load(Relaxed);
        ensure!(24, addr == address, "si_addr is {addr:#x}, not {address:#x}");
        let code = CODE.load(Relaxed);
        ensure!(25, code == SEGV_MAPERR, "si_code of an unmapped address is {code}");
        ensure!(26, STYLE.load(Relaxed) == UC_FLAVOR, "style {}", STYLE.load(Relaxed));
        let rsp = ENTRY_RSP.load(Relaxed);
        ensure!(27, rsp % 16 == 8, "the trampoline is entered with rsp {rsp:#x}");
        ensure!(
            28,
            MASK.load(Relaxed) as u32 == bit(SIGSEGV),
            "mask {:#x} in the handler",
            MASK.load(Relaxed)
        );
        ensure!(29, current_mask() == 0, "mask {:#x} after the handler", current_mask());
    }
    println!("SIGSEGV {count}");

    // A page that is there but forbidden: SIGBUS on XNU (bsd/uxkern/ux_exception.c).
    install(SIGBUS, on_fault, 0, SA_SIGINFO);
    protect(hole, 1, PROT_NONE);
    ensure!(30, touch(hole + 5) == RESUMED, "touch of a PROT_NONE page");
    seen(31, 1, "SIGBUS");
    ensure!(32, ADDR.load(Relaxed) == hole + 5, "si_addr is {:#x}", ADDR.load(Relaxed));
    protect(hole, 1, PROT_RW);
    ensure!(33, touch(hole + 5) == 0, "touch of a readable page");
    println!("SIGBUS 1");
}

fn kills() {
    let pid = bsd(nr::GETPID, []).map_or(0, |(pid, _)| pid);
    install(SIGUSR1, on_signal, bit(SIGUSR2), SA_SIGINFO);
    for i in 1..=3 {
        send(SIGUSR1);
        seen(40, i, "kill of oneself");
    }
    ensure!(41, SIGNO.load(Relaxed) == SIGUSR1 << 32 | SIGUSR1, "signal {:#x}", SIGNO.load(Relaxed));
    ensure!(42, SENDER.load(Relaxed) == pid, "si_pid is {}, not {pid}", SENDER.load(Relaxed));
    let mask = MASK.load(Relaxed) as u32;
    ensure!(43, mask == bit(SIGUSR1) | bit(SIGUSR2), "mask {mask:#x} in the handler");
    ensure!(44, current_mask() == 0, "mask {:#x} after the handler", current_mask());
    let old = installed(SIGUSR1);
    let handler = on_signal as *const () as u64;
    ensure!(45, old.handler == handler && old.mask == bit(SIGUSR2), "sigaction gives back {old:x?}");
    ensure!(46, old.flags == SA_SIGINFO, "flags {:#x}", old.flags);

    // Without SA_SIGINFO the style differs.
    install(SIGUSR1, on_signal, 0, 0);
    send(SIGUSR1);
    seen(47, 1, "kill without SA_SIGINFO");
    ensure!(48, STYLE.load(Relaxed) == UC_TRAD, "style {}", STYLE.load(Relaxed));
    println!("kill ok");
}

fn masks() {
    install(SIGUSR1, on_signal, 0, SA_SIGINFO);
    ensure!(50, change_mask(SIG_BLOCK, bit(SIGUSR1)).is_ok(), "SIG_BLOCK");
    send(SIGUSR1);
    send(SIGUSR1);
    seen(51, 0, "a blocked signal");
    ensure!(52, pending() & bit(SIGUSR1) != 0, "sigpending is {:#x}", pending());
    ensure!(53, change_mask(SIG_UNBLOCK, bit(SIGUSR1)).is_ok(), "SIG_UNBLOCK");
    seen(54, 1, "two pending signals of one number");
    ensure!(55, pending() == 0, "sigpending is {:#x} afterwards", pending());
    // SIGKILL and SIGSTOP (17) cannot be blocked: dropped without an error.
    ensure!(56, change_mask(SIG_SETMASK, u32::MAX).is_ok(), "SIG_SETMASK");
    ensure!(57, current_mask() == !(bit(SIGKILL) | bit(17)), "mask {:#x}", current_mask());
    ensure!(58, change_mask(SIG_SETMASK, 0).is_ok(), "SIG_SETMASK");
    ensure!(59, change_mask(9, 0) == Err(EINVAL), "sigprocmask of an unknown operation");
    println!("masks ok");
}

fn flags() {
    install(SIGUSR1, on_signal, 0, SA_SIGINFO | SA_RESETHAND);
    send(SIGUSR1);
    seen(60, 1, "SA_RESETHAND");
    ensure!(61, installed(SIGUSR1).handler == 0, "SA_RESETHAND left {:x?}", installed(SIGUSR1));

    for (flag, deepest) in [(0, 1), (SA_NODEFER, 2)] {
        install(SIGUSR1, on_signal_again, 0, SA_SIGINFO | flag);
        DEEPEST.store(0, Relaxed);
        send(SIGUSR1);
        seen(62, 2, "a signal sent by its handler");
        let depth = DEEPEST.load(Relaxed);
        ensure!(63, depth == deepest, "depth {depth} with flags {flag:#x}");
    }

    let small = AltStack { sp: map_pages(1, PROT_RW), size: PAGE, flags: 0 };
    let result = bsd(SIGALTSTACK, [&raw const small as u64, 0]);
    ensure!(64, result == Err(ENOMEM), "an alternate stack of 4 KiB: {result:x?}");
    let stack = AltStack { sp: map_pages(8, PROT_RW), size: 8 * PAGE, flags: 0 };
    let result = bsd(SIGALTSTACK, [&raw const stack as u64, 0]);
    ensure!(65, result.is_ok(), "sigaltstack: {result:x?}");
    install(SIGUSR1, on_alt_stack, 0, SA_SIGINFO | SA_ONSTACK);
    send(SIGUSR1);
    seen(66, 1, "SA_ONSTACK");
    let inside = |addr: u64| addr >= stack.sp && addr < stack.sp + stack.size;
    ensure!(67, inside(ENTRY_RSP.load(Relaxed)), "SA_ONSTACK: rsp {:#x}", ENTRY_RSP.load(Relaxed));
    ensure!(68, inside(CONTEXT.load(Relaxed)), "SA_ONSTACK: ucontext {:#x}", CONTEXT.load(Relaxed));
    ensure!(69, STACK_FLAGS.load(Relaxed) == 1, "flags {} on the alternate stack", STACK_FLAGS.load(Relaxed));
    let mut now = AltStack::default();
    let result = bsd(SIGALTSTACK, [0, &raw mut now as u64]);
    ensure!(70, result.is_ok() && now.flags == 0, "after the handler: {now:x?}");
    ensure!(71, now.sp == stack.sp && now.size == stack.size, "sigaltstack gives back {now:x?}");

    // The same twice, and a handler without SA_ONSTACK stays where it was.
    send(SIGUSR1);
    ensure!(72, inside(ENTRY_RSP.load(Relaxed)), "SA_ONSTACK again: rsp {:#x}", ENTRY_RSP.load(Relaxed));
    install(SIGUSR1, on_signal, 0, SA_SIGINFO);
    send(SIGUSR1);
    ensure!(73, !inside(ENTRY_RSP.load(Relaxed)), "no SA_ONSTACK: rsp {:#x}", ENTRY_RSP.load(Relaxed));
    println!("flags ok");
}

fn errors() {
    let action = Action { handler: on_signal, trampoline, mask: 0, flags: 0 };
    for signo in [0, SIGKILL, 17, 32, u64::MAX] {
        let result = bsd(nr::SIGACTION, [signo, &raw const action as u64, 0]);
        ensure!(80, result == Err(EINVAL), "sigaction of {signo}: {result:x?}");
    }
    let pid = bsd(nr::GETPID, []).map_or(0, |(pid, _)| pid);
    let result = bsd(nr::KILL, [pid, 32, 1]);
    ensure!(81, result == Err(EINVAL), "kill with signal 32: {result:x?}");
    println!("errors ok");
}

/// A read that an alarm interrupts: EINTR, or with SA_RESTART the byte that the handler wrote.
fn interruption() {
    let Ok((read_fd, write_fd)) = bsd(nr::PIPE, []) else { support::wrong(85, format_args!("pipe")) };
    // struct itimerval: interval and first expiry, both in seconds and microseconds.
    let alarm = [0u64, 0, 0, 20_000];
    let mut byte = 0u8;
    let mut read_with = |flags: i32, wake: u64| {
        install(SIGALRM, on_alarm, 0, SA_SIGINFO | flags);
        WAKE_FD.store(wake, Relaxed);
        let armed = bsd(SETITIMER, [0, alarm.as_ptr() as u64, 0]);
        ensure!(86, armed.is_ok(), "setitimer: {armed:x?}");
        let result = bsd(nr::READ, [read_fd, &raw mut byte as u64, 1]);
        seen(87, 1, "SIGALRM");
        result
    };
    let result = read_with(0, 0);
    ensure!(88, result == Err(EINTR), "an interrupted read: {result:x?}");
    let result = read_with(SA_RESTART, write_fd);
    ensure!(89, result == Ok((1, 0)), "a restarted read: {result:x?}");
    println!("interruption ok");
}

fn main(args: &Args) -> i32 {
    ensure!(9, current_mask() == 0, "mask {:#x} at the start", current_mask());
    faults(args.number(1, 1000));
    kills();
    masks();
    flags();
    errors();
    interruption();
    0
}
