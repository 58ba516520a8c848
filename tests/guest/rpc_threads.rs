//! Threads that talk by messages: a server and a client with memory both ways, a server at a set with many clients, and two
//! threads that wake each other in turns.
#![no_std]
#![no_main]
mod messages;
mod pthread;
mod support;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use messages::{
    COMPLEX, COPY_SEND, INSERT_MEMBER, MAKE_SEND_ONCE, MOVE_SEND_ONCE, Numbers, VM_DEALLOCATE, drop_receive,
    kinds, port, receive, send, set, task,
};
use pthread::{SIGNAL, WAIT, WAIT_SIGNAL, destroy, join, register, semaphore, spawn};
use support::{Args, PAGE, ensure, mach, map_pages, println};

support::unixthread!(main);

/// A descriptor's copied memory, which stays with its sender; the same, which goes.
const VIRTUAL_COPY: u32 = 1 << 8 | 1 << 24;
const GIVEN: u32 = VIRTUAL_COPY | 1;
const LAST: u32 = 99;
const CLIENTS: usize = 4;
const EACH: u32 = 500;
const TURNS: u32 = 10_000;

fn main(args: &Args) -> i32 {
    register();
    let rounds = args.number(1, 10_000);
    let sum = with_memory(rounds);
    at_a_set();
    turns();
    println!("{rounds} rounds, checksum {sum:#x}");
    0
}

fn byte(at: u64) -> u8 {
    // SAFETY: memory of the callers' own, or what came with a message.
    unsafe { (at as *const u8).read() }
}

fn put(at: u64, byte: u8) {
    // SAFETY: as above.
    unsafe { (at as *mut u8).write(byte) };
}

fn join_words(words: &[u32]) -> u64 {
    u64::from(words[0]) | u64::from(words[1]) << 32
}

/// FNV's sum of some memory.
fn sum(at: u64, size: u64) -> u32 {
    (0..size).fold(0x811c_9dc5, |sum: u32, i| (sum ^ u32::from(byte(at + i))).wrapping_mul(0x0100_0193))
}

/// A message with memory: header, count, memory, a word.
fn message(header: [u32; 6], at: u64, size: u64, how: u32, word: u32) -> [u32; 12] {
    let [bits, _, remote, local, voucher, id] = header;
    [bits | COMPLEX, 48, remote, local, voucher, id, 1, at as u32, (at >> 32) as u32, how, size as u32, word]
}

static SERVER: AtomicU64 = AtomicU64::new(0);

/// Memory goes to a server, which answers with its sum and the same bytes from the end to the start.
fn with_memory(rounds: u64) -> u32 {
    let server = port();
    SERVER.store(server, SeqCst);
    let serves = spawn(serve, rounds);
    let client = spawn(ask, rounds);
    join(client);
    join(serves);
    drop_receive(server);
    SUM.load(SeqCst) as u32
}

static SUM: AtomicU64 = AtomicU64::new(0);

fn ask(rounds: u64) {
    const ROOM: u64 = 3;
    let (server, reply, mine) = (SERVER.load(SeqCst), port(), map_pages(ROOM, 3));
    let mut numbers = Numbers(2463534242);
    let mut all = 0u32;
    for round in 0..rounds as u32 {
        let size = u64::from(numbers.next()) % ((ROOM - 1) * PAGE) + 1;
        let at = mine + u64::from(numbers.next()) % PAGE;
        // A page's worth of changes is enough.
        for i in 0..size.min(64) {
            put(at + i, (i as u32 ^ round) as u8);
        }
        let wanted = sum(at, size);
        let bits = COPY_SEND | MAKE_SEND_ONCE << 8;
        let header = [bits, 0, server as u32, reply as u32, 0, 1000];
        let sent = send(&message(header, at, size, VIRTUAL_COPY, round));
        ensure!(1, sent == 0, "round {round}: asked {sent:#x}");
        let answer = receive(reply, Some(10_000)).unwrap_or([0; 32]);
        ensure!(2, answer[5] == 1100 && answer[11] == wanted, "round {round}: {:x?}, not {wanted:#x}", &answer[..12]);
        let there = join_words(&answer[7..]);
        ensure!(3, u64::from(answer[10]) == size, "round {round}: {} bytes of {size}", answer[10]);
        for i in [0, size / 2, size - 1] {
            let (got, gave) = (byte(there + i), byte(at + size - 1 - i));
            ensure!(4, got == gave, "round {round}: byte {i} of {size} is {got:#x}, not {gave:#x}");
        }
        ensure!(5, mach(VM_DEALLOCATE, [task(), there, size]) == 0, "it cannot be let go");
        all = all.rotate_left(1) ^ wanted;
    }
    drop_receive(reply);
    SUM.store(all.into(), SeqCst);
}

fn serve(rounds: u64) {
    let server = SERVER.load(SeqCst);
    for round in 0..rounds as u32 {
        let request = receive(server, Some(10_000)).unwrap_or([0; 32]);
        ensure!(10, request[5] == 1000 && request[11] == round, "round {round}: {:x?}", &request[..12]);
        let (at, size, once) = (join_words(&request[7..]), u64::from(request[10]), request[2]);
        let told = sum(at, size);
        let (mut first, mut last) = (at, at + size - 1);
        while first < last {
            let (low, high) = (byte(first), byte(last));
            put(first, high);
            put(last, low);
            first += 1;
            last -= 1;
        }
        let sent = send(&message([MOVE_SEND_ONCE, 0, once, 0, 0, 1100], at, size, GIVEN, told));
        ensure!(11, sent == 0, "round {round}: answered {sent:#x}");
        ensure!(12, kinds(once.into()) == 0, "round {round}: the right to answer is still there");
    }
}

static PORTS: [AtomicU64; CLIENTS] = [const { AtomicU64::new(0) }; CLIENTS];

/// Clients that ask at a port each, and one server for all of them.
fn at_a_set() {
    let set = set();
    for place in &PORTS {
        let port = port();
        place.store(port, SeqCst);
        let joined = mach(INSERT_MEMBER, [task(), port, set]);
        ensure!(20, joined == 0, "a port joins: {joined}");
    }
    let server = spawn(serve_all, set);
    let clients: [_; CLIENTS] = core::array::from_fn(|which| spawn(ask_all, which as u64));
    for client in clients {
        join(client);
    }
    join(server);
    for place in &PORTS {
        drop_receive(place.load(SeqCst));
    }
}

fn ask_all(which: u64) {
    let (server, reply) = (PORTS[which as usize].load(SeqCst), port());
    let bits = COPY_SEND | MAKE_SEND_ONCE << 8;
    for round in 0..EACH {
        let asked = send(&[bits, 32, server as u32, reply as u32, 0, 7, round, which as u32]);
        ensure!(21, asked == 0, "client {which}, round {round}: asked {asked:#x}");
        let answer = receive(reply, Some(10_000)).unwrap_or([0; 32]);
        let wanted = round * 16 + which as u32;
        ensure!(22, answer[5] == 8 && answer[6] == wanted, "client {which}, round {round}: {:x?}", &answer[..8]);
    }
    let gone = send(&[COPY_SEND, 24, server as u32, 0, 0, LAST]);
    ensure!(23, gone == 0, "client {which}: {gone:#x}");
    drop_receive(reply);
}

fn serve_all(set: u64) {
    let mut rounds = [0u32; CLIENTS];
    let mut left = CLIENTS;
    while left > 0 {
        let request = receive(set, Some(10_000)).unwrap_or([0; 32]);
        let which = PORTS.iter().position(|port| port.load(SeqCst) == u64::from(request[3]));
        ensure!(24, which.is_some(), "from no port: {:x?}", &request[..8]);
        let which = which.unwrap_or(0);
        if request[5] == LAST {
            ensure!(25, rounds[which] == EACH, "client {which} asked {} times", rounds[which]);
            left -= 1;
            continue;
        }
        let round = request[6];
        ensure!(26, request[7] == which as u32 && round == rounds[which], "{which}: {:x?}", &request[..8]);
        rounds[which] += 1;
        let sent = send(&[MOVE_SEND_ONCE, 28, request[2], 0, 0, 8, round * 16 + which as u32]);
        ensure!(27, sent == 0, "answered {sent:#x}");
    }
}

static PING: AtomicU64 = AtomicU64::new(0);
static PONG: AtomicU64 = AtomicU64::new(0);
static BALL: AtomicU64 = AtomicU64::new(0);

/// Two threads, one of which runs at any time.
fn turns() {
    PING.store(semaphore(0), SeqCst);
    PONG.store(semaphore(0), SeqCst);
    let other = spawn(
        |_| {
            let (ping, pong) = (PING.load(SeqCst), PONG.load(SeqCst));
            for turn in 0..TURNS {
                let waited = mach(WAIT, [ping]);
                let ball = BALL.swap(u64::from(turn) * 2 + 1, SeqCst);
                ensure!(30, waited == 0 && ball == u64::from(turn) * 2, "turn {turn}: {waited}, {ball}");
                ensure!(31, mach(SIGNAL, [pong]) == 0, "turn {turn}: not signalled");
            }
        },
        0,
    );
    let (ping, pong) = (PING.load(SeqCst), PONG.load(SeqCst));
    for turn in 0..TURNS {
        ensure!(32, BALL.load(SeqCst) == u64::from(turn) * 2, "turn {turn}: {}", BALL.load(SeqCst));
        let waited = if turn % 2 == 0 {
            mach(SIGNAL, [ping]) + mach(WAIT, [pong])
        } else {
            mach(WAIT_SIGNAL, [pong, ping])
        };
        let ball = BALL.swap(u64::from(turn) * 2 + 2, SeqCst);
        ensure!(33, waited == 0 && ball == u64::from(turn) * 2 + 1, "turn {turn}: {waited}, {ball}");
    }
    join(other);
    destroy(ping);
    destroy(pong);
}
