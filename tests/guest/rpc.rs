//! Calls by message, with memory both ways, between two ports of one task: a client that asks and a server that answers.
#![no_std]
#![no_main]
mod messages;
mod support;
use messages::{
    COMPLEX, COPY_SEND, MAKE_SEND_ONCE, MOVE_SEND_ONCE, Message, Numbers, VM_DEALLOCATE, drop_receive,
    header, kinds, port, receive, send, task,
};
use support::{Args, PAGE, ensure, mach, map_pages, println};

support::unixthread!(main);

const ROUNDS: u32 = 200;
const ROOM: u64 = 8;
/// A descriptor's copied memory, which stays with its sender.
const VIRTUAL_COPY: u32 = 1 << 8 | 1 << 24;
/// The same, which goes.
const GIVEN: u32 = VIRTUAL_COPY | 1;
const SEND_TYPE: u32 = 0x1_0000;

fn byte(at: u64) -> u8 {
    // SAFETY: the callers' own memory, or what came with a message.
    unsafe { (at as *const u8).read() }
}

fn put(at: u64, byte: u8) {
    // SAFETY: as above.
    unsafe { (at as *mut u8).write(byte) };
}

fn join(words: &[u32]) -> u64 {
    u64::from(words[0]) | u64::from(words[1]) << 32
}

/// A message with memory and a port: header, count, memory (4 words), port (3 words).
fn with_memory(header: [u32; 6], at: u64, size: u64, how: u32, right: (u32, u32)) -> [u32; 14] {
    let [bits, _, remote, local, voucher, id] = header;
    let address = [at as u32, (at >> 32) as u32];
    let port = [right.0, 0, right.1 << 16];
    [
        bits | COMPLEX,
        56,
        remote,
        local,
        voucher,
        id,
        2,
        address[0],
        address[1],
        how,
        size as u32,
        port[0],
        port[1],
        port[2],
    ]
}

fn main(_: &Args) -> i32 {
    let (server, reply, extra) = (port(), port(), port());
    let mine = map_pages(ROOM, 3);
    let mut numbers = Numbers(2463534242);
    for round in 0..ROUNDS {
        let size = u64::from(numbers.next()) % ((ROOM - 1) * PAGE) + 1;
        let at = mine + u64::from(numbers.next()) % PAGE;
        for i in 0..size {
            put(at + i, (i as u32 ^ round) as u8);
        }
        let [bits, length, remote, _, voucher, id] = header(server, 1000 + round);
        let asked = [bits | MAKE_SEND_ONCE << 8, length, remote, reply as u32, voucher, id];
        let sent = send(&with_memory(asked, at, size, VIRTUAL_COPY, (extra as u32, COPY_SEND)));
        ensure!(1, sent == 0, "round {round}: asked {sent:#x}");
        // What is changed now is not what was sent.
        put(at, !byte(at));
        serve(server, round, size);
        let answer = receive(reply, None).unwrap_or([0; 32]);
        ensure!(2, answer[5] == 1100 + round && answer[6] == 2, "round {round}: the answer is {answer:x?}");
        ensure!(3, answer[3] == reply as u32, "round {round}: it came to {:#x}", answer[3]);
        let (there, answered) = (join(&answer[7..]), u64::from(answer[10]));
        ensure!(4, answered == size, "round {round}: {answered} bytes of {size}");
        for i in 0..size {
            let wanted = !((size - 1 - i) as u32 ^ round) as u8;
            ensure!(
                5,
                byte(there + i) == wanted,
                "round {round}: byte {i} of {size} is {:#x}",
                byte(there + i)
            );
        }
        ensure!(6, mach(VM_DEALLOCATE, [task(), there, size]) == 0, "it cannot be let go");
        let told = receive(extra, Some(1000)).unwrap_or([0; 32]);
        ensure!(7, told[5] == round, "round {round}: the port that was passed got {told:x?}");
    }
    for port in [server, reply, extra] {
        drop_receive(port);
    }
    println!("{ROUNDS} calls answered");
    0
}

/// Answers a request: its memory from the end to the start, every bit the other way.
fn serve(server: u64, round: u32, size: u64) {
    let request: Message = receive(server, None).unwrap_or([0; 32]);
    ensure!(10, request[5] == 1000 + round && request[6] == 2, "round {round}: the request is {request:x?}");
    ensure!(11, request[10] == size as u32, "round {round}: {} bytes of {size}", request[10]);
    let once = u64::from(request[2]);
    ensure!(12, kinds(once) == 0x4_0000, "round {round}: the right to answer is {:#x}", kinds(once));
    let passed = request[11];
    ensure!(13, kinds(u64::from(passed)) & SEND_TYPE != 0, "round {round}: the port is {passed:#x}");
    ensure!(14, send(&header(u64::from(passed), round)) == 0, "round {round}: it cannot be sent to");
    let at = join(&request[7..]);
    let (mut first, mut last) = (at, at + size - 1);
    while first < last {
        let (low, high) = (byte(first), byte(last));
        put(first, !high);
        put(last, !low);
        first += 1;
        last -= 1;
    }
    if first == last {
        put(first, !byte(first));
    }
    let answer = [MOVE_SEND_ONCE, 56, once as u32, 0, 0, request[5] + 100];
    let sent = send(&with_memory(answer, at, size, GIVEN, (0, 0)));
    ensure!(15, sent == 0, "round {round}: answered {sent:#x}");
    ensure!(16, kinds(once) == 0, "round {round}: the right to answer is still there");
}
