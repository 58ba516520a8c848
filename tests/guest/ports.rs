//! Mach ports of one task: messages to itself, memory in them, port sets, timers, notifications, interruptions and forks.
#![no_std]
#![no_main]
mod support;
use core::arch::global_asm;
use support::{Args, PAGE, bsd, ensure, exit, mach, map_pages, nr, println};

support::unixthread!(main);

// The trampoline: straight back, with what sigreturn wants.
global_asm!(
    ".globl trampoline",
    "trampoline:",
    "mov rdi, r8",
    "mov rdx, r9",
    "mov eax, 0x20000b8",
    "syscall",
    "ud2",
);

unsafe extern "C" {
    fn trampoline();
}

const VM_ALLOCATE: u64 = 10;
const VM_DEALLOCATE: u64 = 12;
const VM_PROTECT: u64 = 14;
const PORT_ALLOCATE: u64 = 16;
const MOD_REFS: u64 = 19;
const INSERT_RIGHT: u64 = 21;
const INSERT_MEMBER: u64 = 22;
const REPLY_PORT: u64 = 26;
const TASK_SELF: u64 = 28;
const MSG: u64 = 31;
const PORT_TYPE: u64 = 76;
const REQUEST_NOTIFICATION: u64 = 77;
const WAIT_UNTIL: u64 = 90;
const TIMER_CREATE: u64 = 91;
const TIMER_ARM: u64 = 93;

const FORK: u64 = 2;
const SETITIMER: u64 = 83;
const SIGALRM: u64 = 14;

const SEND: u64 = 1;
const RECEIVE: u64 = 2;
const RECEIVE_TIMEOUT: u64 = 0x100;
const TIMED_OUT: u64 = 0x1000_4003;
const INTERRUPTED: u64 = 0x1000_4005;
const KERN_INVALID_NAME: u64 = 15;
const KERN_ABORTED: u64 = 14;
const MAKE_SEND: u64 = 20;
const MAKE_SEND_ONCE: u64 = 21;
const COMPLEX: u32 = 0x8000_0000;

fn send(message: &[u32]) -> u64 {
    mach(MSG, [message.as_ptr() as u64, SEND, size_of_val(message) as u64, 0, 0, 0])
}

fn receive(from: u64, timeout: Option<u64>) -> Result<[u32; 32], u64> {
    let mut room = [0u32; 32];
    let options = RECEIVE | timeout.map_or(0, |_| RECEIVE_TIMEOUT);
    let wait = timeout.unwrap_or(0);
    match mach(MSG, [room.as_mut_ptr() as u64, options, 0, size_of_val(&room) as u64, from, wait]) {
        0 => Ok(room),
        error => Err(error),
    }
}

/// A receive right with a send right.
fn port(task: u64) -> u64 {
    let port = mach(REPLY_PORT, []);
    ensure!(1, port != 0, "no port");
    let inserted = mach(INSERT_RIGHT, [task, port, port, MAKE_SEND]);
    ensure!(2, inserted == 0, "a send right is {inserted}");
    port
}

fn header(to: u64, id: u32) -> [u32; 6] {
    [MAKE_SEND as u32, 24, to as u32, 0, 0, id]
}

fn main(_: &Args) -> i32 {
    let task = mach(TASK_SELF, []);
    let port = port(task);
    let sent = send(&header(port, 7));
    let got = receive(port, None);
    ensure!(
        3,
        sent == 0 && got.is_ok_and(|got| got[5] == 7 && got[3] == port as u32),
        "sent {sent:#x}, got {got:x?}"
    );
    memory(port);
    set(task, port);
    timer();
    dead_name(task);
    interruption(port);
    addresses(task);
    fork(port);
    println!("ports work");
    0
}

/// Pages travel, and leave where they were.
fn memory(port: u64) {
    let pages = map_pages(3, 3);
    for i in 0..3 * PAGE {
        // SAFETY: the pages are ours.
        unsafe { ((pages + i) as *mut u8).write((i % 251) as u8) };
    }
    let [a, b, c, d, e, f] = header(port, 8);
    // mach_msg_ool_descriptor64_t: address, deallocate | copy << 8 | type << 24, size.
    const DEALLOCATE_OOL: u32 = 1 | 1 << 8 | 1 << 24;
    let address = [pages as u32, (pages >> 32) as u32];
    let message = [a | COMPLEX, b, c, d, e, f, 1, address[0], address[1], DEALLOCATE_OOL, 3 * PAGE as u32];
    let sent = send(&message);
    ensure!(10, sent == 0, "memory is sent: {sent:#x}");
    let got = receive(port, None).unwrap_or([0; 32]);
    let at = u64::from(got[7]) | u64::from(got[8]) << 32;
    ensure!(11, at != 0 && got[10] == 3 * PAGE as u32, "memory comes as {got:x?}");
    for i in 0..3 * PAGE {
        // SAFETY: the pages came with the message.
        let byte = unsafe { ((at + i) as *const u8).read() };
        ensure!(12, byte == (i % 251) as u8, "byte {i} is {byte}");
    }
    let gone = bsd(nr::WRITE, [1, pages, 1]);
    ensure!(13, gone == Err(support::EFAULT), "what was sent is still there: {gone:?}");
}

fn set(task: u64, port: u64) {
    let mut set = 0u32;
    let made = mach(PORT_ALLOCATE, [task, 3, &raw mut set as u64]);
    let joined = mach(INSERT_MEMBER, [task, port, u64::from(set)]);
    ensure!(20, (made, joined) == (0, 0), "a set: {made} {joined}");
    ensure!(21, send(&header(port, 9)) == 0, "not sent");
    let got = receive(u64::from(set), None).unwrap_or([0; 32]);
    ensure!(22, got[5] == 9 && got[3] == port as u32, "the set gave {got:x?}");
    let none = receive(u64::from(set), Some(1)).err();
    ensure!(23, none == Some(TIMED_OUT), "nothing is {none:x?}");
}

/// Absolute time from the page that the kernel shares: what `gettimeofday` tells as its third word.
fn now() -> u64 {
    let (mut time, mut absolute) = ([0u64; 2], 0u64);
    let _ = bsd(nr::GETTIMEOFDAY, [time.as_mut_ptr() as u64, 0, &raw mut absolute as u64]);
    absolute
}

fn timer() {
    let timer = mach(TIMER_CREATE, []);
    let due = now() + 30_000_000;
    let armed = mach(TIMER_ARM, [timer, due]);
    ensure!(30, timer != 0 && armed == 0, "a timer: {timer} {armed}");
    let early = receive(timer, Some(1)).err();
    ensure!(31, early == Some(TIMED_OUT), "too early: {early:x?}");
    let rang = receive(timer, Some(60_000));
    ensure!(32, rang.is_ok() && now() >= due, "{rang:x?} at {} for {due}", now());
    let until = now() + 2_000_000;
    let waited = mach(WAIT_UNTIL, [until]);
    ensure!(33, waited == 0 && now() >= until, "waited: {waited}");
}

fn dead_name(task: u64) {
    let (port, notify) = (port(task), mach(REPLY_PORT, []));
    let mut previous = 7u32;
    let out = &raw mut previous as u64;
    // The seventh word is above the stub's return address.
    let asked: u64;
    // SAFETY: the frame that is pushed is popped again, and only read meanwhile.
    unsafe {
        core::arch::asm!(
            "push {out}", "push 0", "syscall", "add rsp, 16", out = in(reg) out,
            inlateout("rax") support::MACH | REQUEST_NOTIFICATION => asked,
            in("rdi") task, in("rsi") port, inlateout("rdx") 72u64 => _,
            in("r10") 0u64, in("r8") notify, in("r9") MAKE_SEND_ONCE, lateout("rcx") _, lateout("r11") _,
        );
    }
    ensure!(40, asked == 0 && previous == 0, "a notification: {asked:#x}, {previous} before");
    let dropped = mach(MOD_REFS, [task, port, 1, u64::MAX]);
    let told = receive(notify, Some(1000));
    ensure!(
        41,
        dropped == 0 && told.is_ok_and(|told| told[5] == 72 && told[8] == port as u32),
        "{dropped} {told:x?}"
    );
}

/// A signal ends a wait, whose caller is told.
fn interruption(port: u64) {
    // Both the handler and what calls it: it only goes back.
    let entry = trampoline as *const () as u64;
    let caught = [entry, entry, 0];
    let set = bsd(nr::SIGACTION, [SIGALRM, caught.as_ptr() as u64, 0]);
    ensure!(50, set.is_ok(), "sigaction: {set:?}");
    let soon = [0u64, 0, 0, 20_000];
    let _ = bsd(SETITIMER, [0, soon.as_ptr() as u64, 0]);
    let ended = receive(port, None).err();
    ensure!(51, ended == Some(INTERRUPTED), "the wait ended with {ended:x?}");
    let _ = bsd(SETITIMER, [0, soon.as_ptr() as u64, 0]);
    let ended = mach(WAIT_UNTIL, [now() + 10_000_000_000]);
    ensure!(52, ended == KERN_ABORTED, "the other wait ended with {ended}");
}

fn addresses(task: u64) {
    let mut at = 0u64;
    let got = mach(VM_ALLOCATE, [task, &raw mut at as u64, 2 * PAGE, 1]);
    ensure!(60, got == 0 && at != 0, "memory: {got} at {at:#x}");
    // SAFETY: it is ours.
    unsafe { (at as *mut u8).write(1) };
    let protected = mach(VM_PROTECT, [task, at, PAGE, 0, 1]);
    let taken = mach(VM_DEALLOCATE, [task, at, 2 * PAGE]);
    ensure!(61, (protected, taken) == (0, 0), "{protected} {taken}");
    let gone = bsd(nr::WRITE, [1, at, 1]);
    ensure!(62, gone == Err(support::EFAULT), "it is still there: {gone:?}");
}

/// Names are not inherited, and those of the child are its own.
fn fork(port: u64) {
    let (read, write) = bsd(nr::PIPE, []).unwrap_or((u64::MAX, u64::MAX));
    let (_, second) = bsd(FORK, []).unwrap_or((0, 7));
    if second == 1 {
        let task = mach(TASK_SELF, []);
        let mut kinds = 0u32;
        let asked = mach(PORT_TYPE, [task, port, &raw mut kinds as u64]);
        ensure!(70, asked == KERN_INVALID_NAME, "the parent's port is {asked:#x}, {kinds:#x}");
        let own = self::port(task);
        let sent = send(&header(own, 10));
        ensure!(
            71,
            sent == 0 && receive(own, None).is_ok_and(|got| got[5] == 10),
            "the child sent: {sent:#x}"
        );
        memory(own);
        let _ = bsd(nr::WRITE, [write, c"y".as_ptr() as u64, 1]);
        exit(0);
    }
    let _ = bsd(nr::CLOSE, [write]);
    let mut said = 0u8;
    let _ = bsd(nr::READ, [read, &raw mut said as u64, 1]);
    ensure!(72, said == b'y', "the child did not get through");
    let sent = send(&header(port, 11));
    ensure!(73, sent == 0 && receive(port, None).is_ok_and(|got| got[5] == 11), "the parent sent: {sent:#x}");
}
