//! Forks while other threads are in the engine of Mach ports and in its memory: no child waits for a lock that nobody
//! gives back, or finds anything half done.
//!
//! # Safety
//! A child makes traps and ends, on the stack of the thread that forked. What the test itself allocated is gone there, and
//! is not touched. Structures of traps are lent for the call.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use xnu_abi::lkm::Trap;
use xnu_abi::lkm::args::{MachMsgOverwriteArgs, MachPortDestroyArgs, MachPortInsertRightArgs};
use xnu_backend_linux::{Embedded, Surroundings};
use xnu_core::{Lkm, TrapArg};
use xnurun::heap;
use zerocopy::{FromBytes, IntoBytes};

#[global_allocator]
static ALLOCATOR: heap::Allocator = heap::Allocator;

#[derive(Clone, Copy)]
struct Process;

impl Surroundings for Process {
    fn forget_memory(&self) {
        heap::forget();
    }
}

static PORTS: Embedded<Process> = Embedded::new(Process);
static STOP: AtomicBool = AtomicBool::new(false);
static ROUNDS: AtomicU64 = AtomicU64::new(0);

fn name(trap: Trap) -> Option<u32> {
    PORTS.call_raw(trap, TrapArg::None).ok().map(|name| name as u32).filter(|name| *name != 0)
}

fn call(trap: Trap, mut args: impl IntoBytes + FromBytes) -> Option<()> {
    (PORTS.call_raw(trap, TrapArg::Struct(args.as_mut_bytes())) == Ok(0)).then_some(())
}

/// A message with memory to a port of one's own and back, and the end of the port with another one in its queue.
fn round() -> Option<()> {
    const MAKE_SEND: u32 = 20;
    const COMPLEX: u32 = 0x8000_0000;
    const OUT_OF_LINE: u32 = 1 << 8 | 1 << 24;
    let (task, port) = (name(Trap::TaskSelfTrap)?, name(Trap::MachReplyPort)?);
    let (task_right_name, right_type) = (task, MAKE_SEND as i32);
    let right = MachPortInsertRightArgs { task_right_name, port_name: port, right_name: port, right_type };
    call(Trap::KernelrpcMachPortInsertRightTrap, right)?;
    let at = (&raw const PORTS) as u64;
    let message =
        [MAKE_SEND | COMPLEX, 44, port, 0, 0, 5, 1, at as u32, (at >> 32) as u32, OUT_OF_LINE, 16_u32];
    let mut room = [0_u32; 32];
    let send = MachMsgOverwriteArgs {
        msg: message.as_ptr() as u64,
        option: 1,
        send_size: 44,
        recv_size: 0,
        rcv_name: 0,
        timeout: 0,
        notify: 0,
        rcv_msg: 0,
        rcv_limit: 0,
    };
    let receive = MachMsgOverwriteArgs {
        msg: room.as_mut_ptr() as u64,
        option: 2,
        send_size: 0,
        recv_size: 128,
        rcv_name: port,
        timeout: 0,
        notify: 0,
        rcv_msg: 0,
        rcv_limit: 0,
    };
    call(Trap::MachMsgOverwriteTrap, send)?;
    call(Trap::MachMsgOverwriteTrap, receive)?;
    let room = std::hint::black_box(room);
    let back = u64::from(room[7]) | u64::from(room[8]) << 32;
    // SAFETY: the page came with the message, and is ours.
    let gone = unsafe { libc::munmap(back as *mut libc::c_void, 4096) };
    call(Trap::MachMsgOverwriteTrap, send)?;
    let end = MachPortDestroyArgs { task_right_name, port_right_name: port };
    (gone == 0).then_some(())?;
    call(Trap::KernelrpcMachPortDestroy, end)
}

/// The status of a child, which is not waited for longer than that.
fn status(child: i32) -> Option<i32> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        let mut status = 0;
        // SAFETY: Linux writes the status.
        if unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } == child {
            return Some(status);
        }
        thread::sleep(Duration::from_micros(100));
    }
    // SAFETY: the child is ours and was not waited for.
    unsafe { libc::kill(child, libc::SIGKILL) };
    None
}

#[test]
fn children_of_a_busy_process_have_working_engines() {
    let children = std::env::var("FORKS").map_or(300, |count| count.parse().expect("a number"));
    heap::reserve().expect("addresses");
    heap::take_over();
    let threads: Vec<_> = (0..3)
        .map(|_| {
            thread::spawn(|| {
                while !STOP.load(Ordering::Relaxed) {
                    assert_eq!(round(), Some(()));
                    ROUNDS.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut ends = [0; 3];
    for number in 0..children {
        // With the warning and without, as a child comes about that is about to execute a program.
        let warned = number % 4 != 3;
        if warned {
            PORTS.before_fork();
        }
        // SAFETY: see the module.
        let child = unsafe { libc::syscall(libc::SYS_fork) } as i32;
        if child == 0 {
            PORTS.forked();
            let works = (0..3).all(|_| round().is_some()) && PORTS.usage().is_some_and(|all| all.tasks == 1);
            // SAFETY: ends the process.
            unsafe { libc::syscall(libc::SYS_exit_group, i32::from(!works)) };
        }
        if warned {
            PORTS.after_fork();
        }
        assert!(child > 0);
        let end = status(child).map_or(2, |status| usize::from(status != 0));
        ends[end] += 1;
    }
    STOP.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().expect("a thread that worked");
    }
    println!("{} rounds beside {children} children", ROUNDS.load(Ordering::Relaxed));
    assert_eq!(ends, [children, 0, 0], "that worked, that did not, that hung");
    assert!(ROUNDS.load(Ordering::Relaxed) > 0);
}
