//! Threads that no C library knows of, begun and ended by messages to the kernel, whatever they do meanwhile; and what is
//! seen of a thread that waits, and of one whose wait is aborted.
//!
//! Without an argument everything that ends well; `first` and `last` are ends of the first thread and of the last one.
#![no_std]
#![no_main]
mod messages;
mod pthread;
mod support;
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use messages::{
    COMPLEX, COPY_SEND, INVALID_DEST, MAKE_SEND_ONCE, REPLY_PORT, drop_receive, header, kinds, port, receive, send, task,
};
use pthread::{SIGNAL, THREAD_SELF, WAIT, destroy, join, port_of, register, semaphore, spawn};
use support::{Args, EINTR, PAGE, bsd, ensure, exit, mach, map_pages, nr, println};

support::unixthread!(main);

const MSG: u64 = 31;
const SEND: u64 = 1;
const RECEIVE: u64 = 2;
const DEALLOCATE: u64 = 18;
const WAIT_UNTIL: u64 = 90;
const SELECT: u64 = 93;
const GETRUSAGE: u64 = 117;
const POLL: u64 = 230;
const FAR: u64 = 1 << 62;

const TASK_THREADS: u32 = 3402;
const CREATE: u32 = 3411;
const CREATE_RUNNING: u32 = 3412;
const TERMINATE: u32 = 3600;
const GET_STATE: u32 = 3603;
const SET_STATE: u32 = 3604;
const SUSPEND: u32 = 3605;
const RESUME: u32 = 3606;
const ABORT: u32 = 3607;
const ABORT_SAFELY: u32 = 3608;
const THREAD_INFO: u32 = 3612;
const ADOPT_HANDLER: u32 = 3631;

const KERN_INVALID_ARGUMENT: u32 = 4;
const KERN_ABORTED: u64 = 14;
const KERN_NOT_SUPPORTED: u32 = 46;
const KERN_DENIED: u32 = 53;
const SEND_INTERRUPTED: u64 = 0x1000_0007;
const RECEIVE_INTERRUPTED: u64 = 0x1000_4005;
const DEAD_NAME: u32 = 1 << 20;

const STATE64: u32 = 4;
const DEBUG_STATE64: u32 = 11;
const WORDS: u32 = 42;
/// Where registers are among the words of their state.
const RAX: usize = 0;
const RDI: usize = 8;
const RSI: usize = 10;
const RSP: usize = 14;
const RIP: usize = 32;

const ENDS: u64 = 1000;
const STACK: u64 = 4;

type Room = [u32; 256];
type State = [u32; 42];

/// A request to the kernel, and its answer.
fn ask(to: u64, id: u32, complex: u32, body: &[u32]) -> Room {
    let reply = mach(REPLY_PORT, []);
    let mut room = [0u32; 256];
    let words = 6 + body.len();
    let bits = complex | COPY_SEND | MAKE_SEND_ONCE << 8;
    room[..6].copy_from_slice(&[bits, 4 * words as u32, to as u32, reply as u32, 0, id]);
    room[6..words].copy_from_slice(body);
    let size = size_of_val(&room) as u64;
    let answer = mach(MSG, [room.as_mut_ptr() as u64, SEND | RECEIVE, 4 * words as u64, size, reply, 0]);
    ensure!(1, answer == 0, "routine {id} is {answer:#x}");
    drop_receive(reply);
    room
}

/// A request without arguments that answers nothing but a result.
fn act(to: u64, id: u32) -> u32 {
    ask(to, id, 0, &[])[8]
}

fn wide(words: &[u32]) -> u64 {
    u64::from(words[0]) | u64::from(words[1]) << 32
}

fn put(state: &mut State, which: usize, value: u64) {
    state[which] = value as u32;
    state[which + 1] = (value >> 32) as u32;
}

fn registers(thread: u64) -> State {
    let got = ask(thread, GET_STATE, 0, &[0, 1, STATE64, WORDS]);
    ensure!(2, got[8] == 0, "no registers: {}", got[8]);
    let mut state = [0; 42];
    state.copy_from_slice(&got[10..52]);
    state
}

fn with_state(thread: u64, id: u32, state: &State) -> Room {
    let mut body = [0; 46];
    body[..4].copy_from_slice(&[0, 1, STATE64, WORDS]);
    body[4..].copy_from_slice(state);
    ask(thread, id, 0, &body)
}

fn nap(microseconds: u64) {
    let time = [0, microseconds];
    let _ = bsd(SELECT, [0, 0, 0, 0, time.as_ptr() as u64]);
}

type Work = extern "C" fn(u64) -> !;

/// The registers of a thread that begins with a function, on the one stack: there is one such thread at a time.
fn beginning(work: Work, arg: u64) -> State {
    static PAGES: AtomicU64 = AtomicU64::new(0);
    if PAGES.load(SeqCst) == 0 {
        PAGES.store(map_pages(STACK, 3), SeqCst);
    }
    let mut state = [0; 42];
    put(&mut state, RDI, arg);
    put(&mut state, RSP, PAGES.load(SeqCst) + STACK * PAGE - 8);
    put(&mut state, RIP, work as usize as u64);
    state
}

/// The port of a new thread.
fn made(answer: &Room) -> u64 {
    ensure!(3, answer[0] & COMPLEX != 0, "no thread: {}", answer[8]);
    u64::from(answer[7])
}

fn begin(work: Work, arg: u64) -> u64 {
    READY.store(0, SeqCst);
    ANSWER.store(0, SeqCst);
    made(&with_state(task(), CREATE_RUNNING, &beginning(work, arg)))
}

fn await_word(word: &AtomicU64, what: &str) {
    let mut tries = 0;
    while word.load(SeqCst) == 0 {
        tries += 1;
        ensure!(4, tries < 50_000, "{what} does not come");
        nap(100);
    }
}

fn release(name: u64) {
    let released = mach(DEALLOCATE, [task(), name]);
    ensure!(5, released == 0, "{name:#x} stays: {released}");
}

/// A thread is gone, and so are the names that were had of it.
fn forget(thread: u64) {
    ensure!(6, kinds(thread) == DEAD_NAME, "its port is {:#x}", kinds(thread));
    let sent = send(&header(thread, 1));
    ensure!(7, sent == INVALID_DEST, "sent to a thread that is gone: {sent:#x}");
    release(thread);
}

fn forget_later(thread: u64) {
    let mut tries = 0;
    while kinds(thread) != DEAD_NAME {
        tries += 1;
        ensure!(8, tries < 5000, "it does not end");
        nap(1000);
    }
    forget(thread);
}

static READY: AtomicU64 = AtomicU64::new(0);
/// What a wait answered, and one more.
static ANSWER: AtomicU64 = AtomicU64::new(0);
static TURNS: AtomicU64 = AtomicU64::new(0);

/// Ends the calling thread.
fn end() -> ! {
    let own = mach(THREAD_SELF, []);
    let ended = act(own, TERMINATE);
    exit(70 + ended as i32)
}

extern "C" fn spins(_: u64) -> ! {
    READY.store(1, SeqCst);
    loop {
        TURNS.fetch_add(1, SeqCst);
    }
}

extern "C" fn ends(_: u64) -> ! {
    READY.store(1, SeqCst);
    end()
}

/// Nothing is there, or no instruction; who handles that never answers.
extern "C" fn faults(which: u64) -> ! {
    READY.store(1, SeqCst);
    // SAFETY: it is meant to fault.
    unsafe {
        match which {
            0 => (16 as *mut u8).write_volatile(1),
            1 => asm!("ud2"),
            2 => asm!("div ecx", in("ecx") 0, inlateout("eax") 1 => _, inlateout("edx") 0 => _),
            _ => asm!("int3"),
        }
    }
    exit(60)
}

/// What it is asked about: `EXC_BAD_ACCESS`, `EXC_BAD_INSTRUCTION`, `EXC_ARITHMETIC`, `EXC_BREAKPOINT`.
const FAULTS: [u32; 4] = [1, 2, 3, 6];

/// Ways to wait.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Wait {
    Receive,
    Send,
    Semaphore,
    Read,
    Poll,
    Sleep,
}

const WAITS: [Wait; 6] = [Wait::Receive, Wait::Send, Wait::Semaphore, Wait::Read, Wait::Poll, Wait::Sleep];

/// What is waited at.
struct Places {
    port: u64,
    full: u64,
    semaphore: u64,
    pipe: (u64, u64),
}

static PORT: AtomicU64 = AtomicU64::new(0);
static FULL: AtomicU64 = AtomicU64::new(0);
static SEMAPHORE: AtomicU64 = AtomicU64::new(0);
static PIPE: AtomicU64 = AtomicU64::new(0);

fn places() -> Places {
    let pipe = bsd(nr::PIPE, []);
    ensure!(9, pipe.is_ok(), "no pipe");
    let places = Places { port: port(), full: port(), semaphore: semaphore(0), pipe: pipe.unwrap_or((0, 0)) };
    fill(places.full);
    PORT.store(places.port, SeqCst);
    FULL.store(places.full, SeqCst);
    SEMAPHORE.store(places.semaphore, SeqCst);
    PIPE.store(places.pipe.0, SeqCst);
    places
}

/// As many messages as a port takes.
fn fill(port: u64) {
    for _ in 0..5 {
        let sent = send(&header(port, 1));
        ensure!(10, sent == 0, "not filled: {sent:#x}");
    }
}

impl Places {
    /// What was waited for happens.
    fn satisfy(&self, wait: Wait) {
        match wait {
            Wait::Receive => ensure!(11, send(&header(self.port, 1)) == 0, "not sent"),
            Wait::Send => ensure!(12, receive(self.full, Some(1000)).is_ok(), "not received"),
            Wait::Semaphore => ensure!(13, mach(SIGNAL, [self.semaphore]) == 0, "not signalled"),
            Wait::Read | Wait::Poll => {
                let byte = 7u8;
                let written = bsd(nr::WRITE, [self.pipe.1, &raw const byte as u64, 1]);
                ensure!(14, written.is_ok(), "not written: {written:?}");
            }
            Wait::Sleep => {}
        }
    }

    /// Takes back what [`Places::satisfy`] left.
    fn settle(&self, wait: Wait) {
        if wait == Wait::Poll {
            let mut byte = 0u8;
            let read = bsd(nr::READ, [self.pipe.0, &raw mut byte as u64, 1]);
            ensure!(15, read == Ok((1, 0)), "nothing left: {read:?}");
        }
    }

    fn gone(self) {
        drop_receive(self.port);
        drop_receive(self.full);
        destroy(self.semaphore);
        for fd in [self.pipe.0, self.pipe.1] {
            let closed = bsd(nr::CLOSE, [fd]);
            ensure!(16, closed.is_ok(), "not closed: {closed:?}");
        }
        for port in [self.port, self.full] {
            release(port);
        }
    }
}

extern "C" fn waits(which: u64) -> ! {
    let mut room = [0u32; 32];
    let mut byte = 0u8;
    let mut polled = [PIPE.load(SeqCst) | 1 << 32];
    READY.store(1, SeqCst);
    let bsd_answer = |answer: support::SysResult| match answer {
        Ok((value, _)) => value << 32,
        Err(errno) => errno,
    };
    let answer = match WAITS[which as usize] {
        Wait::Receive => mach(MSG, [room.as_mut_ptr() as u64, RECEIVE, 0, 128, PORT.load(SeqCst), 0]),
        Wait::Send => send(&header(FULL.load(SeqCst), 1)),
        Wait::Semaphore => mach(WAIT, [SEMAPHORE.load(SeqCst)]),
        Wait::Read => bsd_answer(bsd(nr::READ, [PIPE.load(SeqCst), &raw mut byte as u64, 1])),
        Wait::Poll => bsd_answer(bsd(POLL, [polled.as_mut_ptr() as u64, 1, u64::MAX])),
        Wait::Sleep => mach(WAIT_UNTIL, [FAR]),
    };
    ANSWER.store(answer + 1, SeqCst);
    end()
}

fn main(args: &Args) -> i32 {
    match args.arg(1) {
        Some("first") => first(),
        Some("last") => last(),
        _ => all(),
    }
}

fn all() -> i32 {
    register();
    refusals();
    suspended_ones();
    aborts();
    let reads = registers_while_waiting();
    let ends = terminations();
    println!("{ends} threads ended, {reads} waits looked at");
    0
}

/// What is no thread is not ended, and what a C library made is ended by that alone.
fn refusals() {
    ensure!(20, act(task(), TERMINATE) == KERN_INVALID_ARGUMENT, "a task ended as a thread");
    let thread = spawn(|_| ensure!(21, mach(WAIT, [SEMAPHORE.load(SeqCst)]) == 0, "ended early"), {
        SEMAPHORE.store(semaphore(0), SeqCst);
        0
    });
    let answer = act(port_of(thread), TERMINATE);
    ensure!(22, answer == KERN_DENIED, "a pthread was ended: {answer}");
    mach(SIGNAL, [SEMAPHORE.load(SeqCst)]);
    join(thread);
    destroy(SEMAPHORE.load(SeqCst));
    let mut bad = beginning(ends, 0);
    put(&mut bad, RIP, u64::MAX);
    let answer = with_state(task(), CREATE_RUNNING, &bad)[8];
    ensure!(23, answer == KERN_INVALID_ARGUMENT, "begun nowhere: {answer}");
    let own = mach(THREAD_SELF, []);
    let adopt = [1, 0, 0, COPY_SEND << 16, 0, 1, 2, 1, 0];
    let answer = ask(own, ADOPT_HANDLER, COMPLEX, &adopt)[8];
    ensure!(24, answer == KERN_DENIED, "a handler is adopted: {answer}");
    let mut watch = [0u32; 20];
    watch[..4].copy_from_slice(&[0, 1, DEBUG_STATE64, 16]);
    let answer = ask(own, SET_STATE, 0, &watch)[8];
    ensure!(25, answer == 0, "no watchpoint is none: {answer}");
    // The first register, and its bit in the control register.
    (watch[4], watch[4 + 14]) = (0x1000, 1);
    let answer = ask(own, SET_STATE, 0, &watch)[8];
    ensure!(26, answer == KERN_NOT_SUPPORTED, "a watchpoint is set: {answer}");
    release(own);
}

/// A thread that was begun stopped has its registers from others, and may be ended before it ran.
fn suspended_ones() {
    let thread = made(&ask(task(), CREATE, 0, &[]));
    ensure!(30, registers(thread)[RIP] == 0, "it is somewhere");
    READY.store(0, SeqCst);
    let set = with_state(thread, SET_STATE, &beginning(ends, 0))[8];
    ensure!(31, set == 0, "not set: {set}");
    nap(1000);
    ensure!(32, READY.load(SeqCst) == 0, "it runs");
    ensure!(33, act(thread, RESUME) == 0, "not resumed");
    await_word(&READY, "a thread");
    forget_later(thread);
    let thread = made(&ask(task(), CREATE, 0, &[]));
    ensure!(34, act(thread, TERMINATE) == 0, "not ended");
    forget(thread);
}

fn aborts() {
    let places = places();
    for id in [ABORT, ABORT_SAFELY] {
        for (which, wait) in WAITS.into_iter().enumerate() {
            for stopped in [false, true] {
                let thread = begin(waits, which as u64);
                await_word(&READY, "a thread");
                settle(thread);
                if stopped {
                    ensure!(40, act(thread, SUSPEND) == 0, "{wait:?}: not suspended");
                }
                ensure!(41, act(thread, id) == 0, "{wait:?}: not aborted");
                if stopped {
                    nap(300);
                    ensure!(42, ANSWER.load(SeqCst) == 0, "{wait:?}: it goes on");
                    ensure!(43, act(thread, RESUME) == 0, "{wait:?}: not resumed");
                }
                let mut tries = 0;
                while ANSWER.load(SeqCst) == 0 {
                    nap(2000);
                    tries += 1;
                    ensure!(45, tries < 1000, "{wait:?}: it goes on waiting");
                    // It may have been on its way back to its wait. Nobody is told of the result.
                    send(&header(thread, id));
                }
                let answer = ANSWER.load(SeqCst) - 1;
                let wanted = match wait {
                    Wait::Receive => RECEIVE_INTERRUPTED,
                    Wait::Send => SEND_INTERRUPTED,
                    Wait::Read | Wait::Poll => EINTR,
                    Wait::Semaphore | Wait::Sleep => KERN_ABORTED,
                };
                ensure!(44, answer == wanted, "{wait:?}, aborted by {id}, is {answer:#x} ({stopped})");
                forget_later(thread);
            }
        }
    }
    places.gone();
}

/// Waits until a thread is in a call, as it shows; its registers.
fn settle(thread: u64) -> State {
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    let mut tries = 0;
    loop {
        let state = registers(thread);
        let rip = wide(&state[RIP..]);
        // SAFETY: where the thread is.
        if unsafe { ((rip - 2) as *const [u8; 2]).read() } == SYSCALL {
            return state;
        }
        tries += 1;
        if tries == 5000 {
            let info = ask(thread, THREAD_INFO, 0, &[0, 1, 3, 10]);
            ensure!(51, false, "it is at {rip:#x}, in no call: {:?}", &info[8..20]);
        }
        nap(1000);
    }
}

/// A thread that waits shows its registers as they are at its call, and does not notice.
fn registers_while_waiting() -> u64 {
    const ROUNDS: u64 = 20;
    let places = places();
    let mut reads = 0;
    for (which, wait) in WAITS.into_iter().enumerate() {
        let thread = begin(waits, which as u64);
        await_word(&READY, "a thread");
        settle(thread);
        for round in 0..ROUNDS {
            // Every other one is stopped by the look alone.
            let stopped = round % 2 == 0;
            if stopped {
                ensure!(50, act(thread, SUSPEND) == 0, "{wait:?}: not suspended");
            }
            let state = settle(thread);
            let first = wide(&state[RDI..]);
            let right = match wait {
                Wait::Semaphore => first == places.semaphore,
                Wait::Read => first == places.pipe.0,
                Wait::Sleep => first == FAR,
                _ => first > PAGE,
            };
            ensure!(52, right, "{wait:?}: rdi is {first:#x}, rsi {:#x}", wide(&state[RSI..]));
            ensure!(53, wide(&state[RAX..]) >> 24 != 0, "{wait:?}: rax is {:#x}", wide(&state[RAX..]));
            if stopped {
                ensure!(54, act(thread, RESUME) == 0, "{wait:?}: not resumed");
            }
            reads += 1;
        }
        for _ in 0..ROUNDS {
            ensure!(55, act(thread, SUSPEND) == 0, "{wait:?}: not suspended");
            ensure!(56, act(thread, RESUME) == 0, "{wait:?}: not resumed");
        }
        nap(1000);
        ensure!(57, ANSWER.load(SeqCst) == 0, "{wait:?}: noticed, {:#x}", ANSWER.load(SeqCst) - 1);
        places.satisfy(wait);
        let mut tries = 0;
        while ANSWER.load(SeqCst) == 0 {
            tries += 1;
            ensure!(58, tries < 5000, "{wait:?} does not end: {:x?}", registers(thread));
            if wait == Wait::Sleep {
                send(&header(thread, ABORT));
            }
            nap(1000);
        }
        let wanted = match wait {
            Wait::Read | Wait::Poll => 1 << 32,
            Wait::Sleep => KERN_ABORTED,
            _ => 0,
        };
        let answer = ANSWER.load(SeqCst) - 1;
        ensure!(59, answer == wanted, "{wait:?} is {answer:#x}");
        places.settle(wait);
        forget_later(thread);
    }
    elsewhere();
    places.gone();
    reads
}

/// A thread that waits is sent elsewhere.
fn elsewhere() {
    let thread = begin(waits, WAITS.iter().position(|wait| *wait == Wait::Read).unwrap_or(0) as u64);
    await_word(&READY, "a thread");
    settle(thread);
    ensure!(65, act(thread, SUSPEND) == 0, "not suspended");
    let set = with_state(thread, SET_STATE, &beginning(ends, 0))[8];
    ensure!(66, set == 0, "not set: {set}");
    ensure!(67, act(thread, RESUME) == 0, "not resumed");
    forget_later(thread);
    ensure!(68, ANSWER.load(SeqCst) == 0, "the call came back");
}

/// Threads, and memory in KiB.
fn usage() -> (u32, u64) {
    let threads = ask(task(), TASK_THREADS, 0, &[]);
    let (count, at) = (threads[10], wide(&threads[7..]));
    for which in 0..u64::from(count) {
        // SAFETY: what the kernel gave.
        release(u64::from(unsafe { ((at + 4 * which) as *const u32).read() }));
    }
    mach(messages::VM_DEALLOCATE, [task(), at, 4 * u64::from(count)]);
    let mut used = [0u64; 18];
    let _ = bsd(GETRUSAGE, [0, used.as_mut_ptr() as u64]);
    (count, used[4] / 1024)
}

/// Ends threads in every state that a thread can be in.
fn terminations() -> u64 {
    let places = places();
    let handler = port();
    let kinds_of_faults = FAULTS.iter().fold(0, |mask, kind| mask | 1 << kind);
    let set = [1, handler as u32, 0, COPY_SEND << 16, 0, 1, kinds_of_faults, 0x8000_0001, 0];
    let set = ask(task(), 3413, COMPLEX, &set)[8];
    ensure!(69, set == 0, "no handler: {set}");
    let mut before = usage();
    for round in 0..ENDS {
        if round == ENDS / 4 {
            before = usage();
        }
        let state = (round % 11) as usize;
        let thread = match state {
            0 | 1 => begin(spins, 0),
            2 => begin(ends, 0),
            3 => begin(faults, round % 4),
            4 => made(&ask(task(), CREATE, 0, &[])),
            _ => begin(waits, state as u64 - 5),
        };
        if state != 4 {
            await_word(&READY, "a thread");
        }
        // Now and then it is on its way to where it waits.
        if round % 3 != 0 {
            nap(round % 300);
        }
        match state {
            1 => {
                ensure!(70, act(thread, SUSPEND) == 0, "not suspended");
                let turns = TURNS.load(SeqCst);
                nap(50);
                ensure!(76, TURNS.load(SeqCst) == turns, "it goes on when it is suspended");
            }
            2 => {
                forget_later(thread);
                continue;
            }
            // It waits for an answer that nobody gives.
            3 => {
                let question = receive(handler, Some(5000)).unwrap_or([0; 32]);
                let kind = FAULTS[round as usize % 4];
                ensure!(71, question[5] == 2405 && question[15] == kind, "{:x?}", &question[..20]);
                let named = u64::from(question[7]);
                let ended = act(thread, TERMINATE);
                ensure!(72, ended == 0 && kinds(u64::from(question[2])) == DEAD_NAME, "{ended}, it can be answered");
                for name in [named, u64::from(question[10]), u64::from(question[2])] {
                    release(name);
                }
                forget(thread);
                continue;
            }
            _ => {}
        }
        let ended = act(thread, TERMINATE);
        ensure!(73, ended == 0, "state {state}: {ended}");
        let turns = TURNS.load(SeqCst);
        forget(thread);
        ensure!(74, TURNS.load(SeqCst) == turns && ANSWER.load(SeqCst) == 0, "state {state}: it goes on");
    }
    let after = usage();
    ensure!(75, after.0 == before.0 && after.1 <= before.1 + 256, "{before:?} became {after:?}");
    drop_receive(handler);
    release(handler);
    places.gone();
    ENDS
}

/// The first thread ends, and the process goes on without it.
fn first() -> i32 {
    extern "C" fn other(first: u64) -> ! {
        let mut tries = 0;
        while kinds(first) != DEAD_NAME {
            tries += 1;
            ensure!(80, tries < 5000, "the first thread does not end");
            nap(1000);
        }
        println!("alone");
        exit(7)
    }
    begin(other, mach(THREAD_SELF, []));
    end()
}

/// The last thread ends, and the process with it.
fn last() -> i32 {
    extern "C" fn other(first: u64) -> ! {
        let ended = act(first, TERMINATE);
        ensure!(81, ended == 0, "the first thread is not ended: {ended}");
        println!("the last");
        end()
    }
    begin(other, mach(THREAD_SELF, []));
    loop {
        nap(1_000_000);
    }
}
