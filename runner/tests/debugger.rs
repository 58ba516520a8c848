//! A thread that debugs another one: it is asked about a fault, looks at the registers, changes them, and sends the thread
//! on, all by the traps that programs make.
//!
//! # Safety
//! A handler that does nothing is installed for a signal that nobody else uses, and a pipe of the test's own is read.
#![allow(unsafe_code)]

use std::sync::mpsc;
use std::thread;
use xnu_abi::darwin::signal::Signal;
use xnu_abi::lkm::Trap;
use xnu_abi::lkm::args::{MachMsgOverwriteArgs, MachPortInsertRightArgs};
use xnu_backend_linux::{Embedded, Surroundings};
use xnu_core::signal::Info;
use xnu_core::{Lkm, Thread, TrapArg};
use zerocopy::{FromBytes, IntoBytes};

#[derive(Clone, Copy)]
struct Process;

impl Surroundings for Process {
    fn interruption(&self) -> Option<i32> {
        Some(libc::SIGUSR1)
    }
}

static PORTS: Embedded<Process> = Embedded::new(Process);

const SEND: u32 = 1;
const RECEIVE: u32 = 2;
const MOVE_ONCE: u32 = 18;
const COPY_SEND: u32 = 19;
const MAKE_SEND: u32 = 20;
const MAKE_SEND_ONCE: u32 = 21;
const COMPLEX: u32 = 0x8000_0000;

const BAD_ACCESS: u32 = 1 << 1;
const DEFAULT: u32 = 1;
const CODES: u32 = 0x8000_0000;
const STATE64: u32 = 4;
const KERN_FAILURE: u32 = 5;

/// Where rip is in the words of the general registers.
const RIP: usize = 32;

fn name(trap: Trap) -> u32 {
    PORTS.call_raw(trap, TrapArg::None).expect("a name") as u32
}

fn call(trap: Trap, mut args: impl IntoBytes + FromBytes) -> isize {
    PORTS.call_raw(trap, TrapArg::Struct(args.as_mut_bytes())).expect("a trap that is served")
}

fn message(room: &mut [u32; 256], options: u32, send: usize, from: u32) -> isize {
    let args = MachMsgOverwriteArgs {
        msg: room.as_mut_ptr() as u64,
        option: options,
        send_size: send as u32 * 4,
        recv_size: 1024,
        rcv_name: from,
        timeout: 0,
        notify: 0,
        rcv_msg: 0,
        rcv_limit: 0,
    };
    let result = call(Trap::MachMsgOverwriteTrap, args);
    std::hint::black_box(room);
    result
}

/// A request to the kernel, and its reply.
fn ask(to: u32, id: u32, complex: u32, body: &[u32]) -> [u32; 256] {
    let reply = name(Trap::MachReplyPort);
    let mut room = [0; 256];
    let size = 6 + body.len();
    let bits = COPY_SEND | MAKE_SEND_ONCE << 8 | complex;
    room[..6].copy_from_slice(&[bits, size as u32 * 4, to, reply, 0, id]);
    room[6..size].copy_from_slice(body);
    assert_eq!(message(&mut room, SEND | RECEIVE, size, reply), 0);
    room
}

/// Asks to be asked about faults of memory.
fn handle(port: u32) {
    let body = [1, port, 0, COPY_SEND << 16, 0, 1, BAD_ACCESS, DEFAULT | CODES, 0];
    let reply = ask(name(Trap::TaskSelfTrap), 3413, COMPLEX, &body);
    assert_eq!(reply[8], 0, "{reply:?}");
}

fn port() -> u32 {
    let (task, port) = (name(Trap::TaskSelfTrap), name(Trap::MachReplyPort));
    let args = MachPortInsertRightArgs {
        task_right_name: task,
        port_name: port,
        right_name: port,
        right_type: MAKE_SEND as i32,
    };
    assert_eq!(call(Trap::KernelrpcMachPortInsertRightTrap, args), 0);
    port
}

fn fault(address: u64) -> Info {
    Info { code: 1, address, fault: (14, 6, address), ..Info::bare(Signal::SIGSEGV) }
}

/// Deals with one fault: rip goes on by 2, and `xmm0` is filled; answers what was told of the fault.
fn debug(port: u32, result: u32) -> (u64, u64) {
    let mut room = [0; 256];
    assert_eq!(message(&mut room, RECEIVE, 0, port), 0);
    assert_eq!(room[5], 2405);
    let (thread, address) = (room[7], u64::from(room[19]) | u64::from(room[20]) << 32);
    let question = room[2];

    let mut registers = ask(thread, 3603, 0, &[0, 1, STATE64, 42]);
    assert_eq!(registers[8..10], [0, 42]);
    let rip = u64::from(registers[10 + RIP]) | u64::from(registers[11 + RIP]) << 32;
    registers[10 + RIP] += 2;
    let changed: Vec<u32> = [0, 1, STATE64, 42].iter().chain(&registers[10..52]).copied().collect();
    assert_eq!(ask(thread, 3604, 0, &changed)[8], 0);

    // The 131 words of x87 and SSE; the registers of SSE begin 168 bytes on.
    let float = ask(thread, 3603, 0, &[0, 1, 5, 131]);
    assert_eq!(float[8..10], [0, 131]);
    let mut changed: Vec<u32> = [0, 1, 5, 131].iter().chain(&float[10..141]).copied().collect();
    changed[4 + 42..4 + 46].fill(0x0101_0101);
    assert_eq!(ask(thread, 3604, 0, &changed)[8], 0);

    let exception = ask(thread, 3603, 0, &[0, 1, 6, 4]);
    assert_eq!(exception[10] & 0xffff, 14);
    assert_eq!(u64::from(exception[12]) | u64::from(exception[13]) << 32, address);

    let mut answer = [0; 256];
    answer[..9].copy_from_slice(&[MOVE_ONCE, 36, question, 0, 0, 2505, 0, 1, result]);
    assert_eq!(message(&mut answer, SEND, 9, 0), 0);
    (rip, address)
}

#[test]
fn a_debugger_sends_a_thread_on_or_leaves_it_to_its_signal() {
    let mut thread = Thread::default();
    thread.registers.rip = 0x1000;
    thread.registers.rflags = 0x202;
    assert!(!PORTS.has_exception_ports() && !PORTS.raise(&mut thread, &fault(0x10)));

    let (tell, told) = mpsc::channel();
    let debugger = thread::spawn(move || {
        let port = port();
        handle(port);
        tell.send(()).expect("somebody listens");
        let mut seen: Vec<_> = (0..100).map(|_| debug(port, 0)).collect();
        seen.push(debug(port, KERN_FAILURE));
        seen
    });
    told.recv().expect("a debugger");
    assert!(PORTS.has_exception_ports());
    for at in 0..100 {
        assert!(PORTS.raise(&mut thread, &fault(0x10_0000_0000 + at)));
    }
    assert_eq!((thread.registers.rip, thread.registers.rflags), (0x1000 + 200, 0x202));
    assert_eq!(thread.vectors.0[160..176], [1; 16], "xmm0");
    assert!(!PORTS.raise(&mut thread, &fault(0x77)), "that is for the signal");
    let seen = debugger.join().expect("a debugger that came to its end");
    assert_eq!(seen[..2], [(0x1000, 0x10_0000_0000), (0x1002, 0x10_0000_0001)]);
    assert_eq!(seen[100], (0x1000 + 200, 0x77));
    // Nobody is asked about other faults.
    let other = Info { fault: (6, 0, 0), ..Info::bare(Signal::SIGILL) };
    assert!(!PORTS.raise(&mut thread, &other));
}

extern "C" fn nothing(_: i32) {}

#[test]
fn an_abort_ends_waits_in_linux_and_in_the_engine() {
    // SAFETY: see the module.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(i32) as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()), 0);
    }
    let (tell, told) = mpsc::channel();
    let waiter = thread::spawn(move || {
        tell.send(name(Trap::ThreadSelfTrap)).expect("somebody listens");
        let mut ends = [0; 2];
        // SAFETY: two numbers are written, then a byte would be.
        let read = unsafe {
            assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
            libc::read(ends[0], [0u8; 1].as_mut_ptr().cast(), 1)
        };
        let error = std::io::Error::last_os_error().raw_os_error();
        let received = message(&mut [0; 256], RECEIVE, 0, name(Trap::MachReplyPort));
        (read, error, received)
    });
    let thread = told.recv().expect("a thread");
    // The waits begin at some time: what comes too early ends nothing.
    while !waiter.is_finished() {
        assert_eq!(ask(thread, 3607, 0, &[])[8], 0);
        thread::sleep(std::time::Duration::from_millis(5));
    }
    const MACH_RCV_INTERRUPTED: isize = 0x1000_4005;
    assert_eq!(waiter.join().expect("a thread"), (-1, Some(libc::EINTR), MACH_RCV_INTERRUPTED));
}

#[test]
fn a_suspended_thread_comes_back_when_it_is_resumed() {
    let (tell, told) = mpsc::channel();
    let sleeper = thread::spawn(move || {
        let own = name(Trap::ThreadSelfTrap);
        tell.send(own).expect("somebody listens");
        // Comes back when somebody resumes it.
        let reply = ask(own, 3605, 0, &[]);
        tell.send(0).expect("somebody listens");
        reply[8]
    });
    let thread = told.recv().expect("a thread");
    const KERN_FAILURE: u32 = 5;
    while ask(thread, 3606, 0, &[])[8] == KERN_FAILURE {
        assert!(told.try_recv().is_err());
        thread::yield_now();
    }
    assert_eq!(told.recv(), Ok(0));
    assert_eq!(sleeper.join().expect("a thread"), 0);
}
