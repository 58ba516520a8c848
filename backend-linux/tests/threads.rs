//! Eight threads that send through the engine in the process, and those that receive: every message arrives once, as it was
//! sent and in its sender's order, and memory does not grow.
//!
//! `ENGINE_MESSAGES` says how many each of the eight sends.
#![cfg(feature = "embedded")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use xnu_abi::lkm::Trap;
use xnu_abi::lkm::args::{
    MachMsgOverwriteArgs, MachPortAllocateArgs, MachPortConstructArgs, MachPortInsertMemberArgs,
    MachPortModRefsArgs,
};
use xnu_backend_linux::{Embedded, Surroundings, ThreadSlot};
use xnu_core::{Lkm, TrapArg};
use zerocopy::{FromBytes, IntoBytes};

#[derive(Clone, Copy)]
struct Threads;

impl Surroundings for Threads {
    fn slot(&self) -> Option<&ThreadSlot> {
        thread_local!(static SLOT: &'static ThreadSlot = Box::leak(Box::default()));
        Some(SLOT.with(|slot| *slot))
    }
}

static ENGINE: Embedded<Threads> = Embedded::new(Threads);

const SENDERS: usize = 8;
const RECEIVERS: usize = 4;
const PORTS: usize = 4;

/// What a message that waits takes of the engine's memory at most; 190 bytes were measured.
const MESSAGE_SIZE_MAX: usize = 256;

/// How long what was sent may take to arrive; a loaded machine is slow.
const PATIENCE: Duration = Duration::from_secs(120);

const SEND: u32 = 1;
const RECEIVE: u32 = 2;
const COPY_SEND: u32 = 19;
const RIGHT_PORT_SET: i32 = 3;

fn call(trap: Trap, mut args: impl IntoBytes + FromBytes) -> isize {
    ENGINE.call_raw(trap, TrapArg::Struct(args.as_mut_bytes())).expect("the trap is served")
}

fn name(trap: Trap) -> u32 {
    ENGINE.call_raw(trap, TrapArg::None).expect("the trap is served") as u32
}

fn message_trap(msg: u64, option: u32, send_size: u32, recv_size: u32, rcv_name: u32) -> isize {
    let (timeout, notify, rcv_msg, rcv_limit) = (0, 0, 0, 0);
    let args = MachMsgOverwriteArgs {
        msg,
        option,
        send_size,
        recv_size,
        rcv_name,
        timeout,
        notify,
        rcv_msg,
        rcv_limit,
    };
    call(Trap::MachMsgOverwriteTrap, args)
}

/// A port with a send right, and a longer queue than others: fewer threads wait for each other.
fn port(task: u32) -> u32 {
    const WITH_QUEUE_LIMIT: u32 = 2;
    const WITH_SEND_RIGHT: u32 = 0x10;
    let (options, mut port) = ([WITH_QUEUE_LIMIT | WITH_SEND_RIGHT, 256, 0, 0, 0, 0], 0_u32);
    let args = MachPortConstructArgs {
        task_right_name: task,
        options: options.as_ptr() as u64,
        context: 0,
        port_right_name_out: &raw mut port as u64,
    };
    assert_eq!(call(Trap::KernelrpcMachPortConstructTrap, args), 0);
    std::hint::black_box(port)
}

fn set(task: u32) -> u32 {
    let mut set = 0_u32;
    let args = MachPortAllocateArgs {
        task_right_name: task,
        right_type: RIGHT_PORT_SET,
        out_right_name: &raw mut set as u64,
    };
    assert_eq!(call(Trap::KernelrpcMachPortAllocate, args), 0);
    std::hint::black_box(set)
}

/// What a message says of itself.
fn checksum(sender: u32, number: u32) -> u64 {
    let mut word = u64::from(sender) << 32 | u64::from(number);
    for factor in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
        word = (word ^ word >> 31).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(factor);
    }
    word ^ word >> 29
}

fn send(to: u32, sender: u32, number: u32) {
    let sum = checksum(sender, number);
    let message =
        [COPY_SEND, 0, to, 0, 0, 0, sender, number, sum as u32, (sum >> 32) as u32, !sender, !number];
    let size = size_of_val(&message) as u32;
    assert_eq!(message_trap(message.as_ptr() as u64, SEND, size, 0, 0), 0);
}

/// One bit for each message.
struct Seen {
    bits: Vec<AtomicU64>,
}

impl Seen {
    fn new(count: u32) -> Seen {
        Seen { bits: (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect() }
    }

    fn note(&self, number: u32) {
        let bit = 1 << (number % 64);
        let before = self.bits[number as usize / 64].fetch_or(bit, Ordering::Relaxed);
        assert_eq!(before & bit, 0, "message {number} came twice");
    }

    fn count(&self) -> u32 {
        self.bits.iter().map(|word| word.load(Ordering::Relaxed).count_ones()).sum()
    }
}

/// Receives until a message says that it is the last.
fn receive_all(set: u32, seen: &[Seen]) -> u64 {
    let mut last = [None; SENDERS];
    let mut got = 0;
    loop {
        let mut message = [0_u32; 16];
        let (address, size) = (message.as_mut_ptr() as u64, size_of_val(&message) as u32);
        assert_eq!(message_trap(address, RECEIVE, 0, size, set), 0);
        let message = std::hint::black_box(message);
        let (sender, number) = (message[6], message[7]);
        let sum = u64::from(message[8]) | u64::from(message[9]) << 32;
        assert_eq!(sum, checksum(sender, number), "{message:x?}");
        assert_eq!((message[1], message[10], message[11]), (48, !sender, !number), "{message:x?}");
        if sender == u32::MAX {
            return got;
        }
        let last = &mut last[sender as usize];
        assert!(last.is_none_or(|last| last < number), "{last:?} before {number} of {sender}");
        *last = Some(number);
        seen[sender as usize].note(number);
        got += 1;
    }
}

/// Kilobytes that the process has in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line for memory");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn every_message_arrives_once_in_order_and_memory_stays() {
    let count: u32 =
        std::env::var("ENGINE_MESSAGES").ok().and_then(|value| value.parse().ok()).unwrap_or(10_000);
    let task = name(Trap::TaskSelfTrap);
    let set = set(task);
    let ports: Vec<u32> = (0..PORTS).map(|_| port(task)).collect();
    for port in &ports {
        let args =
            MachPortInsertMemberArgs { task_right_name: task, port_right_name: *port, pset_right_name: set };
        assert_eq!(call(Trap::KernelrpcMachPortInsertMemberTrap, args), 0);
    }
    let seen: Vec<Seen> = (0..SENDERS).map(|_| Seen::new(count)).collect();
    let start = Instant::now();
    let done = AtomicBool::new(false);
    let sizes = thread::scope(|scope| {
        let receivers: Vec<_> = (0..RECEIVERS).map(|_| scope.spawn(|| receive_all(set, &seen))).collect();
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let to = ports[sender % PORTS];
                scope.spawn(move || (0..count).for_each(|number| send(to, sender as u32, number)))
            })
            .collect();
        // What there is while they are at it: engine and process.
        let watcher = scope.spawn(|| {
            let mut sizes = Vec::new();
            while !done.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
                let usage = ENGINE.usage().expect("an engine");
                sizes.push((usage.bytes, usage.messages, resident()));
            }
            sizes
        });
        senders.into_iter().for_each(|sender| sender.join().expect("a sender"));
        // A set's ports take turns: what says that it is the last would overtake what waits in another.
        let deadline = Instant::now() + PATIENCE;
        while seen.iter().any(|seen| seen.count() < count) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        for _ in 0..RECEIVERS {
            send(ports[0], u32::MAX, 0);
        }
        let got: u64 = receivers.into_iter().map(|receiver| receiver.join().expect("a receiver")).sum();
        done.store(true, Ordering::Relaxed);
        assert_eq!(got, u64::from(count) * SENDERS as u64);
        watcher.join().expect("the watcher")
    });
    for (sender, seen) in seen.iter().enumerate() {
        assert_eq!(seen.count(), count, "messages of {sender}");
    }
    let time = start.elapsed();
    let (messages, seconds) = (u64::from(count) * SENDERS as u64, time.as_secs_f64());
    println!("{messages} messages in {seconds:.1} s, {:.0} a second", messages as f64 / seconds);
    // At the end it is no more than after the first tenth, but for messages that wait: their queues may fill later.
    if sizes.len() > 20 {
        let (early, late) = sizes.split_at(sizes.len() / 10);
        let most = |of: &[(usize, usize, u64)]| {
            of.iter().fold((0, 0, 0), |most, one| (most.0.max(one.0), most.1.max(one.1), most.2.max(one.2)))
        };
        let (early, late) = (most(early), most(late));
        println!("engine, messages, process: at first {early:?}, later {late:?}");
        let pages = seen.iter().map(|seen| seen.bits.len() as u64 * 8 / 1024).sum::<u64>();
        let waiting = late.1.saturating_sub(early.1) * MESSAGE_SIZE_MAX;
        assert!(late.0 <= early.0 + waiting + 64 * 1024, "the engine grew: {early:?} {late:?}");
        assert!(late.2 <= early.2 + pages + 2048, "the process grew: {early:?} {late:?}");
    }
    for port in ports {
        let args =
            MachPortModRefsArgs { task_right_name: task, port_right_name: port, right_type: 1, delta: -1 };
        assert_eq!(call(Trap::KernelrpcMachPortModRefs, args), 0);
    }
    assert_eq!(ENGINE.usage().map(|usage| usage.messages), Some(0));
}
