//! What a child has of its parent's Mach ports, and what a thousand generations leave behind.
#![no_std]
#![no_main]
mod support;
use support::{Args, PAGE, bsd, ensure, exit, mach, map_pages, nr, println};

support::unixthread!(main);

const REPLY_PORT: u64 = 26;
const TASK_SELF: u64 = 28;
const HOST_SELF: u64 = 29;
const MSG: u64 = 31;
const FORK: u64 = 2;

const SEND: u64 = 1;
const RECEIVE: u64 = 2;
const COPY_SEND: u32 = 19;
const MAKE_SEND: u32 = 20;
const MAKE_SEND_ONCE: u32 = 21;
const COMPLEX: u32 = 0x8000_0000;
const BOOTSTRAP: u32 = 4;
const GENERATIONS: u32 = 1000;

/// Sends a message to the kernel and gets its answer.
fn ask<const N: usize>(mut message: [u32; N], to: u64) -> [u32; 64] {
    let reply = mach(REPLY_PORT, []);
    message[0] |= COPY_SEND | MAKE_SEND_ONCE << 8;
    (message[1], message[2], message[3]) = (size_of_val(&message) as u32, to as u32, reply as u32);
    let mut room = [0u32; 64];
    room[..N].copy_from_slice(&message);
    let (sent, size) = (size_of_val(&message) as u64, size_of_val(&room) as u64);
    let answer = mach(MSG, [room.as_mut_ptr() as u64, SEND | RECEIVE, sent, size, reply, 0]);
    ensure!(1, answer == 0, "routine {} is {answer:#x}", message[5]);
    room
}

fn bootstrap() -> u32 {
    let task = mach(TASK_SELF, []);
    ask([0, 0, 0, 0, 0, 3409, 0, 1, BOOTSTRAP], task)[7]
}

fn set_bootstrap(port: u64, disposition: u32) {
    let task = mach(TASK_SELF, []);
    let message = [COMPLEX, 0, 0, 0, 0, 3410, 1, port as u32, 0, disposition << 16, 0, 1, BOOTSTRAP];
    let answer = ask(message, task);
    ensure!(2, answer[8] == 0, "a bootstrap port is {answer:x?}");
}

/// Pages of addresses and of memory.
fn pages() -> [u64; 2] {
    let task = mach(TASK_SELF, []);
    let answer = ask([0, 0, 0, 0, 0, 3405, 0, 1, 20, 12], task);
    let wide = |at: usize| (u64::from(answer[at]) | u64::from(answer[at + 1]) << 32) / PAGE;
    [wide(10), wide(12)]
}

/// Leaves a message with memory in it in a queue of the task's own.
fn leave_memory() {
    const OUT_OF_LINE: u32 = 1 << 8 | 1 << 24;
    static BYTES: [u8; 8192] = [1; 8192];
    let (port, at) = (mach(REPLY_PORT, []) as u32, BYTES.as_ptr() as u64);
    let bits = MAKE_SEND | COMPLEX;
    let message = [bits, 44, port, 0, 0, 5, 1, at as u32, (at >> 32) as u32, OUT_OF_LINE, 8192];
    let sent = mach(MSG, [message.as_ptr() as u64, SEND, 44, 0, 0, 0]);
    ensure!(3, sent == 0, "memory is {sent:#x}");
}

fn is_child() -> bool {
    match bsd(FORK, []) {
        Ok((_, second)) => second == 1,
        Err(error) => {
            println!("wrong: no fork: {error}");
            exit(4)
        }
    }
}

fn main(_: &Args) -> i32 {
    let (read, write) = bsd(nr::PIPE, []).unwrap_or((u64::MAX, u64::MAX));
    let said = map_pages(1, 3);
    if is_child() {
        let _ = bsd(nr::CLOSE, [read]);
        let host = mach(HOST_SELF, []);
        set_bootstrap(host, COPY_SEND);
        if !is_child() {
            exit(0);
        }
        ensure!(5, bootstrap() == mach(HOST_SELF, []) as u32, "the host is not inherited");
        // Twice, without a call between.
        if !is_child() || !is_child() {
            exit(0);
        }
        ensure!(6, bootstrap() == mach(HOST_SELF, []) as u32, "the host is not inherited twice");
        // A port of the parent's own cannot be reached.
        set_bootstrap(mach(REPLY_PORT, []), MAKE_SEND);
        if !is_child() {
            exit(0);
        }
        let lost = bootstrap();
        ensure!(7, lost == 0, "the port of another process is {lost:#x}");
        leave_memory();
        let first = pages();
        for _ in 0..GENERATIONS {
            leave_memory();
            if !is_child() {
                exit(0);
            }
        }
        leave_memory();
        let last = pages();
        ensure!(8, last[0] <= first[0] + 8 && last[1] <= first[1] + 64, "{first:?} pages became {last:?}");
        let _ = bsd(nr::WRITE, [write, c"y".as_ptr() as u64, 1]);
        exit(0);
    }
    let _ = bsd(nr::CLOSE, [write]);
    let got = bsd(nr::READ, [read, said, 1]);
    ensure!(9, got == Ok((1, 0)), "the heirs did not get through: {got:?}");
    println!("heirs work");
    0
}
