#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

extern crate std;

use super::*;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use std::vec::Vec;
use xnu_abi::lkm::args::{MachMsgOverwriteArgs, MachPortInsertRightArgs};
use zerocopy::IntoBytes;

static LOG: std::sync::Mutex<Vec<std::string::String>> = std::sync::Mutex::new(Vec::new());

#[derive(Clone, Copy)]
struct Plain;

impl Surroundings for Plain {
    fn log(&self, line: &str) {
        LOG.lock().unwrap().push(line.into());
    }
}

const MAKE_SEND: u32 = 20;
const SEND: u32 = 1;
const RECEIVE: u32 = 2;
const RECEIVE_TIMEOUT: u32 = 0x100;
const MACH_RCV_TIMED_OUT: isize = 0x1000_4003;

fn name(ports: &Embedded<Plain>, trap: Trap) -> u32 {
    ports.call_raw(trap, TrapArg::None).unwrap() as u32
}

fn call(ports: &Embedded<Plain>, trap: Trap, mut args: impl IntoBytes + zerocopy::FromBytes) -> isize {
    ports.call_raw(trap, TrapArg::Struct(args.as_mut_bytes())).unwrap()
}

/// A port with a send right under the same name.
fn port(ports: &Embedded<Plain>) -> u32 {
    let (task, port) = (name(ports, Trap::TaskSelfTrap), name(ports, Trap::MachReplyPort));
    let args = MachPortInsertRightArgs {
        task_right_name: task,
        port_name: port,
        right_name: port,
        right_type: MAKE_SEND as i32,
    };
    assert_eq!(call(ports, Trap::KernelrpcMachPortInsertRightTrap, args), 0);
    port
}

fn send(ports: &Embedded<Plain>, to: u32, id: u32) -> isize {
    let message = [MAKE_SEND, 24, to, 0, 0, id];
    let args = MachMsgOverwriteArgs {
        msg: message.as_ptr() as u64,
        option: SEND,
        send_size: 24,
        recv_size: 0,
        rcv_name: 0,
        timeout: 0,
        notify: 0,
        rcv_msg: 0,
        rcv_limit: 0,
    };
    call(ports, Trap::MachMsgOverwriteTrap, args)
}

fn receive(ports: &Embedded<Plain>, from: u32, timeout_ms: Option<u32>) -> Result<u32, isize> {
    let mut room = [0u32; 16];
    let args = MachMsgOverwriteArgs {
        msg: room.as_mut_ptr() as u64,
        option: RECEIVE | timeout_ms.map_or(0, |_| RECEIVE_TIMEOUT),
        send_size: 0,
        recv_size: 64,
        rcv_name: from,
        timeout: timeout_ms.unwrap_or(0),
        notify: 0,
        rcv_msg: 0,
        rcv_limit: 0,
    };
    match call(ports, Trap::MachMsgOverwriteTrap, args) {
        0 => Ok(core::hint::black_box(room)[5]),
        error => Err(error),
    }
}

#[test]
fn nothing_is_made_before_the_first_call() {
    let ports = Embedded::new(Plain);
    assert!(ports.usage().is_none());
    assert_eq!(ports.call_raw(Trap::ForkWaitForChild, TrapArg::None), Ok(0));
    assert!(ports.usage().is_none());
    assert!(name(&ports, Trap::TaskSelfTrap) > 0);
    assert_eq!(ports.usage().map(|usage| usage.tasks), Some(1));
}

#[test]
fn a_receiver_sleeps_until_another_thread_sends() {
    let ports = Arc::new(Embedded::new(Plain));
    let port = port(&ports);
    let receiver = {
        let ports = ports.clone();
        thread::spawn(move || (0..1000).map(|_| receive(&ports, port, None)).collect::<Vec<_>>())
    };
    for id in 0..1000 {
        assert_eq!(send(&ports, port, id), 0);
    }
    assert_eq!(receiver.join().unwrap(), (0..1000).map(Ok).collect::<Vec<_>>());
}

#[test]
fn a_wait_ends_with_its_time() {
    let ports = Embedded::new(Plain);
    let port = port(&ports);
    let start = Instant::now();
    assert_eq!(receive(&ports, port, Some(50)), Err(MACH_RCV_TIMED_OUT));
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[test]
fn a_child_begins_anew() {
    let ports = Embedded::new(Plain);
    for _ in 0..10 {
        name(&ports, Trap::MachReplyPort);
    }
    let before = ports.usage().unwrap().ports;
    // The lock is held by a thread that is not there.
    ports.forked();
    assert!(ports.usage().is_none());
    name(&ports, Trap::TaskSelfTrap);
    assert!(ports.usage().unwrap().ports < before);
}

#[test]
fn a_lock_has_one_holder() {
    let lock = Arc::new(RawLock::new());
    let count = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (lock, count) = (lock.clone(), count.clone());
            thread::spawn(move || {
                for _ in 0..20_000 {
                    lock.with(|| count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(count.load(Ordering::Relaxed), 80_000);
}

#[test]
fn a_line_for_the_log_goes_to_the_surroundings() {
    let ports = Embedded::new(Plain);
    let mut line = xnu_abi::lkm::args::KernelPrintkArgs { buf: [0; 512] };
    line.buf[..5].copy_from_slice(b"hello");
    assert_eq!(ports.call_raw(Trap::KernelPrintk, TrapArg::Struct(line.as_mut_bytes())), Ok(0));
    assert_eq!(*LOG.lock().unwrap(), ["hello"]);
}
