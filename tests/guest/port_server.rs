//! A server at a set of 16 ports: each port's messages in their order, whichever comes first.
#![no_std]
#![no_main]
mod messages;
mod support;
use messages::{
    EXTRACT_MEMBER, INSERT_MEMBER, MOVE_MEMBER, Numbers, RECEIVE_LARGE, TIMED_OUT, TOO_LARGE, drop_receive,
    header, kinds, port, receive, receive_with, send, set, task,
};
use support::{Args, ensure, mach, println};

support::unixthread!(main);

const PORTS: usize = 16;
/// A queue of XNU's holds so many.
const QUEUE: u32 = 5;
const ROUNDS: u32 = 100;

fn main(_: &Args) -> i32 {
    let set = set();
    let ports = [(); PORTS].map(|()| port());
    for port in ports {
        let joined = mach(INSERT_MEMBER, [task(), port, set]);
        ensure!(1, joined == 0, "a port joins: {joined}");
    }
    let mut numbers = Numbers(88172645);
    let (mut sent, mut got) = ([0u32; PORTS], [0u32; PORTS]);
    for round in 0..ROUNDS {
        for _ in 0..numbers.next() % 40 {
            let which = numbers.next() as usize % PORTS;
            if sent[which] - got[which] < QUEUE {
                let done = send(&header(ports[which], sent[which]));
                ensure!(2, done == 0, "round {round}: port {which} takes no message: {done:#x}");
                sent[which] += 1;
            }
        }
        for _ in 0..numbers.next() % 40 {
            serve(set, &ports, &sent, &mut got);
        }
    }
    while sent != got {
        ensure!(3, serve(set, &ports, &sent, &mut got), "{sent:?} were sent, {got:?} came");
    }
    ensure!(4, !serve(set, &ports, &sent, &mut got), "one too many");
    members(set, &ports);
    for port in ports {
        drop_receive(port);
    }
    let none = receive(set, Some(1)).err();
    ensure!(5, none == Some(TIMED_OUT), "an empty set gives {none:x?}");
    ensure!(6, got.iter().sum::<u32>() > 1000, "only {got:?} came");
    println!("every message served");
    0
}

/// Takes one message; whether there was one.
fn serve(set: u64, ports: &[u64; PORTS], sent: &[u32; PORTS], got: &mut [u32; PORTS]) -> bool {
    match receive(set, Some(0)) {
        Ok(message) => {
            let which = ports.iter().position(|port| *port == u64::from(message[3]));
            ensure!(10, which.is_some(), "from no port: {message:x?}");
            let which = which.unwrap_or(0);
            ensure!(11, message[5] == got[which], "port {which} gave {}, not {}", message[5], got[which]);
            got[which] += 1;
            true
        }
        Err(error) => {
            ensure!(12, error == TIMED_OUT && sent == got, "{error:#x} with {sent:?} sent and {got:?} got");
            false
        }
    }
}

/// Who leaves a set is not heard there; who moves is heard elsewhere; a message too large stays.
fn members(first: u64, ports: &[u64; PORTS]) {
    let second = set();
    let left = mach(EXTRACT_MEMBER, [task(), ports[0], first]);
    let moved = mach(MOVE_MEMBER, [task(), ports[1], second]);
    ensure!(20, (left, moved) == (0, 0), "leaving {left}, moving {moved}");
    for port in &ports[..3] {
        ensure!(21, send(&header(*port, 7)) == 0, "not sent");
    }
    let at = |from: u64| receive(from, Some(0)).map(|message| u64::from(message[3]));
    ensure!(22, at(first) == Ok(ports[2]), "the first set gave another port's");
    ensure!(23, at(first) == Err(TIMED_OUT), "the first set gave more");
    ensure!(24, at(second) == Ok(ports[1]), "the second set gave another port's");
    ensure!(25, at(ports[0]) == Ok(ports[0]), "the port itself gave nothing");
    let large = [19, 0, ports[1] as u32, 0, 0, 8, 1, 2, 3, 4];
    ensure!(26, send(&large) == 0, "not sent");
    let refused = receive_with(second, RECEIVE_LARGE, 40, Some(0)).err();
    ensure!(27, refused == Some(TOO_LARGE), "too large is {refused:x?}");
    let taken = receive_with(second, RECEIVE_LARGE, 48, Some(0)).unwrap_or([0; 32]);
    ensure!(28, taken[5] == 8 && taken[9] == 4, "it came as {taken:x?}");
    let joined = [ports[0], ports[1]].map(|port| mach(MOVE_MEMBER, [task(), port, first]));
    ensure!(29, joined == [0, 0], "coming back: {joined:?}");
    ensure!(30, kinds(second) != 0 && at(second) == Err(TIMED_OUT), "the second set is not empty");
}
