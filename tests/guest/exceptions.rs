//! Exceptions, broken guards and registers, as far as a task of one thread sees them: nobody answers but the kernel.
#![no_std]
#![no_main]
mod support;
use support::{Args, bsd, ensure, exit, mach, nr, println};

support::unixthread!(main);

const MOD_REFS: u64 = 19;
const INSERT_RIGHT: u64 = 21;
const REPLY_PORT: u64 = 26;
const THREAD_SELF: u64 = 27;
const TASK_SELF: u64 = 28;
const MSG: u64 = 31;
const PORT_GUARD: u64 = 41;

const FORK: u64 = 2;
const WAIT4: u64 = 7;
const SELECT: u64 = 93;
const WNOHANG: u64 = 1;

const SIGKILL: u64 = 9;
const SIGSEGV: u64 = 11;
const SIGTERM: u64 = 15;

const SEND: u64 = 1;
const RECEIVE: u64 = 2;
const MAKE_SEND: u64 = 20;
const COPY_SEND: u32 = 19;
const MAKE_SEND_ONCE: u32 = 21;
const COMPLEX: u32 = 0x8000_0000;

const THREAD_STATE64: u32 = 4;
const FLOAT_STATE64: u32 = 5;
/// Words of the two, and where rsp, rip and `xmm15` are among them.
const THREAD_WORDS: u32 = 42;
const FLOAT_WORDS: u32 = 131;
const RSP: usize = 14;
const RIP: usize = 32;
const XMM15: usize = (168 + 15 * 16) / 4;

/// Sends a message to the kernel and gets its answer.
fn ask(bits: u32, to: u64, id: u32, body: &[u32]) -> [u32; 256] {
    let reply = mach(REPLY_PORT, []);
    let mut room = [0u32; 256];
    let words = 6 + body.len();
    let bits = bits | COPY_SEND | MAKE_SEND_ONCE << 8;
    room[..6].copy_from_slice(&[bits, 4 * words as u32, to as u32, reply as u32, 0, id]);
    room[6..words].copy_from_slice(body);
    let size = size_of_val(&room) as u64;
    let answer = mach(MSG, [room.as_mut_ptr() as u64, SEND | RECEIVE, 4 * words as u64, size, reply, 0]);
    ensure!(1, answer == 0, "routine {id} is {answer:#x}");
    room
}

/// A port with a send right that is asked about faults of memory.
fn handler() -> u64 {
    let (task, port) = (mach(TASK_SELF, []), mach(REPLY_PORT, []));
    let inserted = mach(INSERT_RIGHT, [task, port, port, MAKE_SEND]);
    let answer = ask(COMPLEX, task, 3413, &[1, port as u32, 0, COPY_SEND << 16, 0, 1, 1 << 1, 1, 0]);
    ensure!(2, inserted == 0 && answer[8] == 0, "no handler: {inserted} {:x?}", &answer[..9]);
    port
}

fn fault() -> ! {
    // SAFETY: nothing is there, and the process ends of that.
    unsafe { (16 as *mut u8).write_volatile(1) };
    exit(77)
}

/// Runs a child, and says what ended it: the status as `wait4` tells it. A signal is sent after a while, if any.
fn child(kills: Option<u64>, work: impl FnOnce()) -> u64 {
    let (pid, second) = bsd(FORK, []).unwrap_or((0, 7));
    ensure!(3, second < 2, "no fork");
    if second == 1 {
        work();
        exit(77);
    }
    let mut status = 0u32;
    if let Some(signal) = kills {
        let nap = [0u64, 50_000];
        let _ = bsd(SELECT, [0, 0, 0, 0, nap.as_ptr() as u64]);
        let early = bsd(WAIT4, [pid, &raw mut status as u64, WNOHANG, 0]);
        ensure!(4, early.is_ok_and(|(none, _)| none == 0), "the child did not wait: {early:?} {status:#x}");
        let _ = bsd(nr::KILL, [pid, signal]);
    }
    let waited = bsd(WAIT4, [pid, &raw mut status as u64, 0, 0]);
    ensure!(5, waited.is_ok(), "no child: {waited:?}");
    u64::from(status)
}

fn main(_: &Args) -> i32 {
    registers();
    vectors();

    let died = child(None, || {
        let (task, port) = (mach(TASK_SELF, []), handler());
        let gone = mach(MOD_REFS, [task, port, 1, u64::MAX]);
        ensure!(10, gone == 0, "the port stays: {gone}");
        fault()
    });
    ensure!(11, died & 0x7f == SIGSEGV, "with a handler that is gone the status is {died:#x}");
    let died = child(Some(SIGTERM), || {
        handler();
        fault()
    });
    ensure!(12, died & 0x7f == SIGTERM, "who waits for a handler ends with {died:#x}");
    let died = child(None, || {
        let (task, port) = (mach(TASK_SELF, []), mach(REPLY_PORT, []));
        let guarded = mach(PORT_GUARD, [task, port, 0x1234, 0]);
        ensure!(13, guarded == 0, "no guard: {guarded}");
        mach(MOD_REFS, [task, port, 1, u64::MAX]);
    });
    ensure!(14, died & 0x7f == SIGKILL, "after a broken guard the status is {died:#x}");
    let died = child(Some(SIGKILL), || {
        ask(0, mach(THREAD_SELF, []), 3605, &[]);
    });
    ensure!(15, died & 0x7f == SIGKILL, "suspended, the status is {died:#x}");
    println!("exceptions work");
    0
}

fn registers() {
    let thread = mach(THREAD_SELF, []);
    let got = ask(0, thread, 3603, &[0, 1, THREAD_STATE64, THREAD_WORDS]);
    ensure!(20, got[8] == 0 && got[9] == THREAD_WORDS, "registers are {:x?}", &got[..10]);
    let wide = |at: usize| u64::from(got[10 + at]) | u64::from(got[11 + at]) << 32;
    let (here, stack) = (support::call::<6> as *const () as u64, &raw const got as u64);
    let (rip, rsp) = (wide(RIP), wide(RSP));
    ensure!(21, rip.abs_diff(here) < 0x10_0000, "rip is {rip:#x}, this is {here:#x}");
    ensure!(22, rsp.abs_diff(stack) < 0x1_0000, "rsp is {rsp:#x}, this is {stack:#x}");
}

/// Sets all of `xmm15`, and finds it so right behind the call.
fn vectors() {
    let thread = mach(THREAD_SELF, []);
    let got = ask(0, thread, 3603, &[0, 1, FLOAT_STATE64, FLOAT_WORDS]);
    ensure!(30, got[8] == 0 && got[9] == FLOAT_WORDS, "vectors are {:x?}", &got[..10]);
    let reply = mach(REPLY_PORT, []);
    let mut room = [0u32; 256];
    let words = 10 + FLOAT_WORDS as usize;
    let bits = COPY_SEND | MAKE_SEND_ONCE << 8;
    room[..6].copy_from_slice(&[bits, 4 * words as u32, thread as u32, reply as u32, 0, 3604]);
    room[6..10].copy_from_slice(&[0, 1, FLOAT_STATE64, FLOAT_WORDS]);
    room[10..words].copy_from_slice(&got[10..words]);
    room[10 + XMM15..14 + XMM15].copy_from_slice(&[1, 2, 3, 4]);
    let mut xmm15 = [0u32; 4];
    let answer: u64;
    // SAFETY: the register contract is XNU's; the seventh word is not looked at.
    unsafe {
        core::arch::asm!(
            "syscall", "movups [{out}], xmm15",
            out = in(reg) xmm15.as_mut_ptr(),
            inlateout("rax") support::MACH | MSG => answer, in("rdi") room.as_mut_ptr(),
            in("rsi") SEND | RECEIVE, inlateout("rdx") 4 * words as u64 => _, in("r10") 1024u64,
            in("r8") reply, in("r9") 0u64, lateout("rcx") _, lateout("r11") _, out("xmm15") _,
        );
    }
    ensure!(31, answer == 0 && room[8] == 0, "set: {answer:#x} {:x?}", &room[..10]);
    ensure!(32, xmm15 == [1, 2, 3, 4], "xmm15 is {xmm15:?}");
}
