//! A thread that debugs others of its task: it is asked about their faults and sends them on with other registers, and it
//! stops one that runs, looks where that is, and changes its course.
#![no_std]
#![no_main]
mod messages;
mod pthread;
mod support;
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use messages::{COMPLEX, COPY_SEND, MAKE_SEND_ONCE, MOVE_SEND_ONCE, REPLY_PORT, drop_receive, port, task};
use pthread::{join, port_of, register, spawn};
use support::{Args, bsd, ensure, mach, println};

support::unixthread!(main);

const MSG: u64 = 31;
const SEND: u64 = 1;
const RECEIVE: u64 = 2;
const SELECT: u64 = 93;

const BAD_ACCESS: u32 = 1 << 1;
/// Thread and task by ports, codes of 64 bits.
const DEFAULT: u32 = 1;
const CODES: u32 = 0x8000_0000;
const EXCEPTION: u32 = 2405;

const STATE64: u32 = 4;
const WORDS: u32 = 42;
/// Where registers are among the words of their state.
const RAX: usize = 0;
const R15: usize = 30;
const RIP: usize = 32;

/// The length of the instruction that faults.
const STORE: u64 = 3;
const FAULTS: u64 = 1000;

type Room = [u32; 256];

fn exchange(room: &mut Room, options: u64, send: usize, from: u64) -> u64 {
    let size = size_of_val(room) as u64;
    mach(MSG, [room.as_mut_ptr() as u64, options, 4 * send as u64, size, from, 0])
}

/// A request to the kernel, and its answer.
fn ask(to: u64, id: u32, complex: u32, body: &[u32]) -> Room {
    let reply = mach(REPLY_PORT, []);
    let mut room = [0u32; 256];
    let words = 6 + body.len();
    let bits = complex | COPY_SEND | MAKE_SEND_ONCE << 8;
    room[..6].copy_from_slice(&[bits, 4 * words as u32, to as u32, reply as u32, 0, id]);
    room[6..words].copy_from_slice(body);
    let answer = exchange(&mut room, SEND | RECEIVE, words, reply);
    ensure!(1, answer == 0, "routine {id} is {answer:#x}");
    drop_receive(reply);
    room
}

fn wide(words: &[u32]) -> u64 {
    u64::from(words[0]) | u64::from(words[1]) << 32
}

/// The general registers of a thread, as the words of a message that would set them.
fn registers(thread: u64) -> Result<[u32; 46], u32> {
    let got = ask(thread, 3603, 0, &[0, 1, STATE64, WORDS]);
    if got[8] != 0 {
        return Err(got[8]);
    }
    let mut words = [0, 1, STATE64, WORDS, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    words[4..].copy_from_slice(&got[10..52]);
    Ok(words)
}

fn register_of(words: &[u32; 46], which: usize) -> u64 {
    wide(&words[4 + which..])
}

fn put(words: &mut [u32; 46], which: usize, value: u64) {
    words[4 + which] = value as u32;
    words[5 + which] = (value >> 32) as u32;
}

fn nap(microseconds: u64) {
    let time = [0, microseconds];
    let _ = bsd(SELECT, [0, 0, 0, 0, time.as_ptr() as u64]);
}

static HANDLER: AtomicU64 = AtomicU64::new(0);

fn main(_: &Args) -> i32 {
    register();
    let handler = port();
    HANDLER.store(handler, SeqCst);
    let body = [1, handler as u32, 0, COPY_SEND << 16, 0, 1, BAD_ACCESS, DEFAULT | CODES, 0];
    let set = ask(task(), 3413, COMPLEX, &body);
    ensure!(2, set[8] == 0, "no handler: {:x?}", &set[..9]);
    let debugger = spawn(debug, FAULTS);
    let debugged = spawn(faults, FAULTS / 2);
    // The first thread faults too.
    faults(FAULTS - FAULTS / 2);
    join(debugged);
    join(debugger);
    stops();
    println!("{FAULTS} faults repaired, a course changed");
    0
}

/// Makes faults; each is to be answered with twice its number in rax.
fn faults(count: u64) {
    for number in 1..=count {
        let answer: u64;
        // SAFETY: nothing is at this address; who handles the fault goes on behind the instruction.
        unsafe {
            asm!("mov byte ptr [rcx], 1", in("rcx") number << 4, inlateout("rax") number => answer, options(nostack));
        }
        ensure!(10, answer == number * 2, "fault {number} was answered by {answer:#x}");
    }
}

/// Answers so many faults.
fn debug(count: u64) {
    let handler = HANDLER.load(SeqCst);
    for round in 0..count {
        let mut room = [0u32; 256];
        let got = exchange(&mut room, RECEIVE, 0, handler);
        ensure!(20, got == 0 && room[5] == EXCEPTION, "round {round}: {got:#x} {:x?}", &room[..22]);
        let (question, thread, address) = (room[2], u64::from(room[7]), wide(&room[19..]));
        let state = registers(thread);
        ensure!(21, state.is_ok(), "round {round}: no registers: {state:x?}");
        let mut state = state.unwrap_or([0; 46]);
        let number = register_of(&state, RAX);
        ensure!(22, address == number << 4, "round {round}: {address:#x} with {number:#x} in rax");
        put(&mut state, RAX, number * 2);
        let rip = register_of(&state, RIP);
        put(&mut state, RIP, rip + STORE);
        let set = ask(thread, 3604, 0, &state);
        ensure!(23, set[8] == 0, "round {round}: not set: {}", set[8]);
        let mut answer = [0u32; 256];
        answer[..9].copy_from_slice(&[MOVE_SEND_ONCE, 36, question, 0, 0, EXCEPTION + 100, 0, 1, 0]);
        let sent = exchange(&mut answer, SEND, 9, 0);
        ensure!(24, sent == 0, "round {round}: answered {sent:#x}");
    }
}

static TURNS: AtomicU64 = AtomicU64::new(0);
static ANSWER: AtomicU64 = AtomicU64::new(0);

/// Runs in a circle until somebody puts something into r15.
fn circles(_: u64) {
    let out: u64;
    // SAFETY: counts in a static, and nothing else.
    unsafe {
        asm!(
            "2:",
            "inc qword ptr [{turns}]",
            "test r15, r15",
            "jz 2b",
            turns = in(reg) &raw const TURNS,
            inlateout("r15") 0u64 => out,
        );
    }
    ANSWER.store(out, SeqCst);
}

/// Stops a thread that makes no call, looks at it twice, and changes a register.
fn stops() {
    let thread = spawn(circles, 0);
    let port = port_of(thread);
    for round in 0..100u64 {
        while TURNS.load(SeqCst) <= round {
            nap(100);
        }
        let suspended = ask(port, 3605, 0, &[])[8];
        ensure!(30, suspended == 0, "suspended: {suspended}");
        let state = registers(port);
        ensure!(31, state.is_ok(), "round {round}: no registers: {state:x?}");
        let mut state = state.unwrap_or([0; 46]);
        let (rip, start) = (register_of(&state, RIP), circles as fn(u64) as u64);
        ensure!(32, (start..start + 256).contains(&rip), "it is at {rip:#x}, not behind {start:#x}");
        ensure!(33, register_of(&state, R15) == 0, "r15 is {:#x}", register_of(&state, R15));
        let turns = TURNS.load(SeqCst);
        nap(500);
        ensure!(34, TURNS.load(SeqCst) == turns, "it goes on");
        if round == 99 {
            put(&mut state, R15, 0x1234_5678_9abc);
            let set = ask(port, 3604, 0, &state)[8];
            ensure!(35, set == 0, "not set: {set}");
        }
        let resumed = ask(port, 3606, 0, &[])[8];
        ensure!(36, resumed == 0, "resumed: {resumed}");
    }
    join(thread);
    ensure!(37, ANSWER.load(SeqCst) == 0x1234_5678_9abc, "r15 was {:#x}", ANSWER.load(SeqCst));
    let mut tries = 0;
    // A moment after it told that it ends.
    while messages::kinds(port) != 0 {
        tries += 1;
        ensure!(38, tries < 1000, "a port without a thread is still there");
        nap(1000);
    }
}
