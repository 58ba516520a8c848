//! Mach traps on the engine in the process, as a guest's calls reach it once they are caught: through the table of Mach
//! traps and [`Embedded`]. Semaphores and messages of one thread against a Linux call; between threads against a futex.
//!
//! Threads that take turns do so on one processor, on both sides: waking another one costs many times what is compared.
//!
//! # Safety
//! Calls of Linux with words and masks that live as long as the process. The messages of traps are in memory that the
//! calling thread keeps for its life.
#![allow(unsafe_code)]

use super::{Row, Side};
use std::hint::black_box;
use std::mem;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;
use xnu_abi::darwin::mach_message::{MachMsgHeader, MsgOption, MsgType};
use xnu_abi::darwin::mach_port::PortRight;
use xnu_abi::linux::Sysno;
use xnu_backend_linux::{Embedded, Linux, Surroundings, ThreadSlot};
use xnu_core::{Context, Process, Reply, Thread, mach};
use xnurun::heap;

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "ports-semaphore",
        what: "semaphore_signal and semaphore_wait, uncontended",
        against: "the raw Linux call getppid",
        goal: 1.0,
        sides: semaphore,
    },
    Row {
        name: "ports-message",
        what: "mach_msg of 24 bytes to oneself, sent and received",
        against: "the raw Linux call getppid",
        goal: 4.0,
        sides: message,
    },
    Row {
        name: "ports-round-trip",
        what: "mach_msg to another thread and its answer",
        against: "a futex there and back",
        goal: 1.5,
        sides: round_trip,
    },
];

/// The numbers of traps.
const PORT_ALLOCATE: u32 = 16;
const REPLY_PORT: u32 = 26;
const TASK_SELF: u32 = 28;
const MACH_MSG: u32 = 31;
const SEMAPHORE_SIGNAL: u32 = 33;
const SEMAPHORE_WAIT: u32 = 36;

/// `semaphore_create` of `osfmk/mach/task.defs`.
const SEMAPHORE_CREATE: i32 = 3418;

#[derive(Clone, Copy, Debug)]
struct Bench;

impl Surroundings for Bench {
    fn slot(&self) -> Option<&ThreadSlot> {
        thread_local!(static SLOT: &'static ThreadSlot = Box::leak(Box::default()));
        Some(SLOT.with(|slot| *slot))
    }
}

static PROCESS: Process<Linux, Embedded<Bench>> = Process::new(Linux::new(), Embedded::new(Bench));

/// A thread that makes traps.
struct Caller {
    thread: Thread,
    /// As a guest's message buffer: a header and the trailer that comes with every message, or more.
    message: [u32; 32],
}

const HEADER: u64 = size_of::<MachMsgHeader>() as u64;

impl Caller {
    fn new() -> Caller {
        static HEAP: Once = Once::new();
        HEAP.call_once(|| {
            // Without the range the C library's allocator stays, which is the faster one.
            if heap::reserve().is_ok() {
                heap::take_over();
            }
        });
        PROCESS.kernel.handle_faults();
        PROCESS.lkm.handle_faults();
        Caller { thread: Thread::default(), message: [0; 32] }
    }

    #[inline]
    fn trap(&mut self, number: u32, words: [u64; 8]) -> Result<u32, String> {
        let mut cx = Context { process: &PROCESS, thread: Some(&mut self.thread) };
        match mach::dispatch(&mut cx, black_box(number), &black_box(words)) {
            Reply::Value(value, _) => Ok(value as u32),
            other => Err(format!("trap {number}: {other:?}")),
        }
    }

    /// A trap whose value is a `kern_return_t`.
    #[inline]
    fn done(&mut self, number: u32, words: [u64; 8]) -> Result<(), String> {
        match self.trap(number, words)? {
            0 => Ok(()),
            error => Err(format!("trap {number}: {error:#x}")),
        }
    }

    /// A new receive right.
    fn port(&mut self) -> Result<u32, String> {
        let mut name = 0_u32;
        let task = self.trap(TASK_SELF, [0; 8])?;
        let right = u64::from(PortRight::MACH_PORT_RIGHT_RECEIVE.number());
        let address = &raw mut name as u64;
        self.done(PORT_ALLOCATE, [u64::from(task), right, address, 0, 0, 0, 0, 0])?;
        Ok(black_box(name))
    }

    /// Writes the header that is sent next.
    #[inline]
    fn header(&mut self, disposition: MsgType, to: u32, reply: u32) {
        let reply_bits = if reply == 0 { 0 } else { MsgType::MACH_MSG_TYPE_MAKE_SEND_ONCE.number() << 8 };
        self.message[..6].copy_from_slice(&[disposition.number() | reply_bits, 24, to, reply, 0, 1]);
    }

    /// Sends what is in the buffer, of so many bytes, and receives into it from a port.
    #[inline]
    fn send_and_receive(&mut self, bytes: u64, from: u32) -> Result<(), String> {
        let options = (MsgOption::MACH64_SEND_MSG | MsgOption::MACH64_RCV_MSG).bits();
        let room = size_of_val(&self.message) as u64;
        let address = self.message.as_mut_ptr() as u64;
        self.done(MACH_MSG, [address, options, bytes, room, u64::from(from), 0, 0, 0])
    }

    #[inline]
    fn receive(&mut self, from: u32) -> Result<(), String> {
        let options = MsgOption::MACH64_RCV_MSG.bits();
        let room = size_of_val(&self.message) as u64;
        let address = self.message.as_mut_ptr() as u64;
        self.done(MACH_MSG, [address, options, 0, room, u64::from(from), 0, 0, 0])
    }

    /// A new semaphore, asked of the task by a message as programs do.
    fn semaphore(&mut self) -> Result<u32, String> {
        let (task, reply) = (self.trap(TASK_SELF, [0; 8])?, self.trap(REPLY_PORT, [0; 8])?);
        self.header(MsgType::MACH_MSG_TYPE_COPY_SEND, task, reply);
        self.message[5] = SEMAPHORE_CREATE as u32;
        // The description of integers (`NDR_record`), a policy and a value.
        self.message[6..10].copy_from_slice(&[0, 1, 0, 0]);
        self.send_and_receive(HEADER + 16, reply)?;
        // One descriptor.
        match self.message[6] {
            1 => Ok(self.message[7]),
            _ => Err(format!("semaphore_create: {:#x}", self.message[8])),
        }
    }
}

fn getppid() -> Side {
    // SAFETY: takes nothing and touches no memory.
    Side::call(|| unsafe { sc::platform::syscall0(black_box(Sysno::Getppid.number())) })
}

/// A side that repeats a trap of this thread.
fn repeated(mut caller: Caller, call: impl Fn(&mut Caller) -> Result<(), String> + 'static) -> Side {
    // Once where an error is still seen: later ones are.
    Side::call(move || call(&mut caller).expect("it worked before"))
}

fn semaphore() -> Result<(Side, Side), String> {
    let mut caller = Caller::new();
    let semaphore = u64::from(caller.semaphore()?);
    let words = [semaphore, 0, 0, 0, 0, 0, 0, 0];
    let call = move |caller: &mut Caller| {
        caller.done(SEMAPHORE_SIGNAL, words)?;
        caller.done(SEMAPHORE_WAIT, words)
    };
    call(&mut caller)?;
    Ok((repeated(caller, call), getppid()))
}

fn message() -> Result<(Side, Side), String> {
    let mut caller = Caller::new();
    let port = caller.port()?;
    let call = move |caller: &mut Caller| {
        caller.header(MsgType::MACH_MSG_TYPE_MAKE_SEND, port, 0);
        caller.send_and_receive(HEADER, port)
    };
    call(&mut caller)?;
    Ok((repeated(caller, call), getppid()))
}

/// Has the calling thread run on these processors only; answers where it could before.
fn run_on(set: &libc::cpu_set_t) -> Result<libc::cpu_set_t, String> {
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: a mask of zeros is one.
    let mut before: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: both masks have this size.
    let failed = unsafe {
        libc::sched_getaffinity(0, size, &raw mut before) != 0 || libc::sched_setaffinity(0, size, set) != 0
    };
    if failed {
        Err(format!("choosing a processor: {}", std::io::Error::last_os_error()))
    } else {
        Ok(before)
    }
}

/// The first processor that this thread may use.
fn one_processor() -> Result<libc::cpu_set_t, String> {
    // SAFETY: a mask of zeros is one.
    let mut all: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: as above; numbers are below the size of a mask.
    unsafe {
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut all) != 0 {
            return Err(format!("which processors there are: {}", std::io::Error::last_os_error()));
        }
        let first = (0..libc::CPU_SETSIZE as usize).find(|&cpu| libc::CPU_ISSET(cpu, &all));
        let mut one: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(first.ok_or("no processor")?, &mut one);
        Ok(one)
    }
}

/// A side that is timed on one processor.
fn on_one(set: libc::cpu_set_t, mut call: impl FnMut() -> Result<(), String> + 'static) -> Side {
    Side::timed(move |count| {
        let before = run_on(&set)?;
        let start = Instant::now();
        let done = (0..count).try_for_each(|_| call());
        let time = start.elapsed();
        run_on(&before)?;
        done.map(|()| time)
    })
}

fn round_trip() -> Result<(Side, Side), String> {
    let one = one_processor()?;
    let mut client = Caller::new();
    let (request, answer) = (client.port()?, client.port()?);
    // Both live until the process ends.
    thread::spawn(move || {
        let mut server = Caller::new();
        run_on(&one)?;
        server.receive(request)?;
        loop {
            // The right for the answer is where the message came from.
            let to = server.message[2];
            server.header(MsgType::MACH_MSG_TYPE_MOVE_SEND_ONCE, to, 0);
            server.send_and_receive(HEADER, request)?;
        }
        #[allow(unreachable_code)]
        Ok::<(), String>(())
    });
    let ours = on_one(one, move || {
        client.header(MsgType::MACH_MSG_TYPE_MAKE_SEND, request, answer);
        client.send_and_receive(HEADER, answer)
    });
    static TURN: AtomicU32 = AtomicU32::new(0);
    static OTHERS: AtomicU64 = AtomicU64::new(0);
    if OTHERS.fetch_add(1, Ordering::Relaxed) == 0 {
        thread::spawn(move || {
            run_on(&one)?;
            loop {
                wait_for(&TURN, 1);
                give(&TURN, 0);
            }
            #[allow(unreachable_code)]
            Ok::<(), String>(())
        });
    }
    let theirs = on_one(one, || {
        give(&TURN, 1);
        wait_for(&TURN, 0);
        Ok(())
    });
    Ok((ours, theirs))
}

/// Gives the word to the other thread.
fn give(word: &AtomicU32, turn: u32) {
    word.store(turn, Ordering::Release);
    futex(word, libc::FUTEX_WAKE, 1);
}

fn wait_for(word: &AtomicU32, turn: u32) {
    while word.load(Ordering::Acquire) != turn {
        futex(word, libc::FUTEX_WAIT, 1 - turn);
    }
}

fn futex(word: &AtomicU32, call: i32, value: u32) {
    let call = (call | libc::FUTEX_PRIVATE_FLAG) as usize;
    // SAFETY: the word is a static, and there is no time.
    unsafe {
        sc::platform::syscall4(Sysno::Futex.number(), word.as_ptr() as usize, call, value as usize, 0);
    }
}
