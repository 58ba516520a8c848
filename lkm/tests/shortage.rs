//! Memory that is short: each allocation that the engine makes in a call fails in turn, alone and with all that follow.
//! The answer says so, nothing is lost that the caller had, and nothing stays when the tasks are gone.
//!
//! # Safety
//! The allocator hands everything to the system's, or answers with no memory, as it may.
#![allow(unsafe_code)]

mod common;

use common::message::{
    Message, RECEIVE_NOW, ROOM, SEND_NOW, guarded_descriptor, memory_descriptor, port_descriptor,
    ports_descriptor,
};
use common::{World, in_host};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use xnu_abi::darwin::kern_return::{KernReturn as Kern, MachMsgReturn as Mach, MachMsgReturnBits as Bits};
use xnu_abi::darwin::mach_message::{MsgOption, MsgType as Type};
use xnu_abi::darwin::mach_port::{NotifyId, PortGuardFlags, PortRight as Right, PortType};
use xnu_lkm::{Caller, OpenId, Process, Usage};

const COPY: Type = Type::MACH_MSG_TYPE_COPY_SEND;
const MAKE: Type = Type::MACH_MSG_TYPE_MAKE_SEND;
const ONCE: Type = Type::MACH_MSG_TYPE_MAKE_SEND_ONCE;
const MOVE_RECEIVE: Type = Type::MACH_MSG_TYPE_MOVE_RECEIVE;

/// How many allocations succeed before one fails.
#[derive(Clone, Copy)]
struct Shortage {
    left: u32,
    /// All fail from there on.
    lasts: bool,
    happened: bool,
}

const IPC_KERNEL: i32 = Bits::MACH_MSG_IPC_KERNEL.bits() as i32;
const VM_KERNEL: i32 = Bits::MACH_MSG_VM_KERNEL.bits() as i32;
const BODY: i32 = Mach::MACH_RCV_BODY_ERROR.number();
const HEADER: i32 = Mach::MACH_RCV_HEADER_ERROR.number() | Bits::MACH_MSG_IPC_SPACE.bits() as i32;

thread_local! {
    static SHORTAGE: Cell<Option<Shortage>> = const { Cell::new(None) };
}

struct Short;

fn fails() -> bool {
    let Some(mut now) = SHORTAGE.get().filter(|_| !in_host()) else { return false };
    let fails = now.left == 0 && (now.lasts || !now.happened);
    now.left = now.left.saturating_sub(1);
    now.happened |= fails;
    SHORTAGE.set(Some(now));
    fails
}

// SAFETY: every block is the system's.
unsafe impl GlobalAlloc for Short {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if fails() {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Short = Short;

/// Two tasks, and what a call is about.
struct Case {
    world: World,
    opens: RefCell<Vec<OpenId>>,
    a: Caller,
    b: Caller,
    /// A port of the first task, and the second one's send right.
    port: u32,
    there: u32,
    /// Where the call reads and writes, and what.
    address: u64,
    bytes: Vec<u8>,
    name: u32,
}

/// Kinds and references of the names of both tasks.
type Seen = (Vec<Vec<(u32, PortType, u32)>>, Usage);

impl Case {
    fn new() -> Case {
        let world = World::new();
        let [(first, a), (second, b)] = [world.opened(10), world.opened(11)];
        // The host's port stays when all are gone.
        let host = world.host_self(a);
        world.mach_port_deallocate(a, a.task, host).unwrap();
        let port = world.send_receive(a);
        let there = world.give(a, port, COPY, b);
        let mut opens = Vec::with_capacity(8);
        opens.extend([first, second]);
        let opens = RefCell::new(opens);
        Case { world, opens, a, b, port, there, address: 0, bytes: Vec::new(), name: 0 }
    }

    fn names(&self, by: Caller) -> Vec<(u32, PortType, u32)> {
        let listed = self.world.mach_port_names(by, by.task).unwrap();
        let refs = |name| self.world.refs(by, name, Right::MACH_PORT_RIGHT_SEND);
        listed.into_iter().map(|(name, kinds)| (name, kinds, refs(name))).collect()
    }

    fn see(&self) -> Seen {
        (vec![self.names(self.a), self.names(self.b)], Usage { bytes: 0, ..self.world.usage() })
    }

    /// All tasks end: no port, message or memory is left.
    fn end(self) {
        self.opens.take().into_iter().for_each(|open| drop(self.world.release(open)));
        let usage = Usage { bytes: 0, ..self.world.usage() };
        assert_eq!(usage, Usage { ports: 1, ..Usage::default() });
        assert_eq!(self.world.engine.host().regions.get(), 0);
    }

    /// Gives a task so many names that one more needs a larger table.
    fn full(self, by: Caller) -> Case {
        while self.names(by).len() % 64 != 63 {
            let dead = Right::MACH_PORT_RIGHT_DEAD_NAME;
            self.world.mach_port_allocate(by, by.task, dead, None).unwrap();
        }
        self
    }

    /// A message with everything that there is.
    fn message(mut self) -> Case {
        let (world, b) = (&self.world, self.b);
        let ports: Vec<u32> = (0..6).map(|_| world.receive_right(b)).collect();
        world.mach_port_guard(b, b.task, ports[3], 7, PortGuardFlags::empty()).unwrap();
        let array = world.alloc(b, 12);
        let names: Vec<u8> = ports[..3].iter().flat_map(|name| name.to_le_bytes()).collect();
        world.write(b, array, &names);
        let memory = world.alloc(b, 5000);
        self.bytes = Message::to(self.there, COPY, 5)
            .reply(ports[5], ONCE)
            .with(ports_descriptor(array, 3, MOVE_RECEIVE, true))
            .with(guarded_descriptor(ports[3], 7, 1))
            .with(memory_descriptor(memory, 5000, 1, true))
            .with(port_descriptor(ports[4], MAKE))
            .data(&[7; 64])
            .bytes();
        self.address = world.alloc(b, self.bytes.len() as u64);
        self
    }

    fn send(&self) -> i32 {
        self.world.send_at(self.b, self.address, &self.bytes, SEND_NOW, 0).number()
    }

    /// The same, sent already.
    fn sent(mut self) -> Case {
        assert_eq!(self.send(), 0);
        self.address = self.world.alloc(self.a, u64::from(ROOM));
        self
    }

    /// The second task waits for the port's end, the first one for that of its senders.
    fn asked(self) -> Case {
        let (world, a, b) = (&self.world, self.a, self.b);
        for (by, name, id) in [
            (b, self.there, NotifyId::MACH_NOTIFY_DEAD_NAME),
            (a, self.port, NotifyId::MACH_NOTIFY_NO_SENDERS),
        ] {
            let notify = world.receive_right(by);
            world.mach_port_request_notification(by, by.task, name, id, 0, notify, ONCE).unwrap();
        }
        self
    }
}

/// Makes a call with memory that ends ever later, until it is enough.
fn in_turn(prepare: impl Fn() -> Case, call: impl Fn(&Case) -> i32, check: impl Fn(&Case, i32, &Seen)) {
    for lasts in [false, true] {
        for left in 0.. {
            let case = prepare();
            let before = case.see();
            SHORTAGE.set(Some(Shortage { left, lasts, happened: false }));
            let result = call(&case);
            let happened = SHORTAGE.take().unwrap().happened;
            if happened {
                check(&case, result, &before);
            } else {
                assert_eq!(result, 0, "enough memory");
            }
            case.end();
            if !happened {
                assert!(left > 0, "it asks for no memory");
                break;
            }
            assert!(left < 200, "it asks for memory without end");
        }
    }
}

const NO_BUFFER: i32 = Mach::MACH_SEND_NO_BUFFER.number();
const SHORTAGE_ERROR: i32 = Kern::KERN_RESOURCE_SHORTAGE.number();

#[test]
fn a_message_for_which_there_is_no_memory_takes_nothing() {
    let check = |case: &Case, result: i32, before: &Seen| {
        let ranges = case.world.memory(case.b, |memory| memory.ranges());
        match result {
            NO_BUFFER => assert_eq!((&case.see(), ranges), (before, 3)),
            _ => assert_eq!((result, ranges), (0, 1)),
        }
    };
    in_turn(|| Case::new().message(), Case::send, check);
}

#[test]
fn a_message_that_comes_back_says_what_there_was_no_memory_for() {
    let prepare = || {
        let case = Case::new();
        for id in 0..5 {
            case.world.send(case.b, &Message::to(case.there, COPY, id));
        }
        let case = case.message();
        let b = case.b;
        case.full(b)
    };
    let kinds = |names: &[(u32, PortType, u32)]| {
        let mut kinds: Vec<u32> = names.iter().map(|(_, kinds, _)| kinds.bits()).collect();
        kinds.sort_unstable();
        kinds
    };
    in_turn(
        prepare,
        |case| match case.send() {
            // What is not for want of memory is what it is to be.
            result if result == Mach::MACH_SEND_TIMED_OUT.number() => 0,
            result => result,
        },
        |case, result, before| match result {
            NO_BUFFER => assert_eq!(case.see(), *before),
            0 => assert!(kinds(&case.names(case.b)).len() >= before.0[1].len()),
            result => {
                let more = result & !Mach::MACH_SEND_TIMED_OUT.number();
                assert_eq!(more & !(IPC_KERNEL | VM_KERNEL), 0, "{result:#x}");
                assert_eq!(case.world.usage().messages, 5);
            }
        },
    );
}

#[test]
fn a_receiver_is_told_what_there_was_no_memory_for() {
    let prepare = || {
        let case = Case::new().message().sent();
        let a = case.a;
        case.full(a)
    };
    in_turn(
        prepare,
        |case| {
            let options = RECEIVE_NOW | MsgOption::MACH64_RCV_GUARDED_DESC;
            case.world.receive_at(case.a, case.address, case.port, options, ROOM, 0).number()
        },
        |case, result, _| {
            let id = case.world.read(case.a, case.address + 20, 4)[0];
            let known = [0, BODY | IPC_KERNEL, BODY | VM_KERNEL, BODY | IPC_KERNEL | VM_KERNEL, HEADER];
            assert!(known.contains(&result), "{result:#x}");
            assert_eq!(id, 5, "the header arrives");
            if case.world.read(case.a, case.address + 3, 1)[0] & 0x80 == 0 {
                assert_eq!(case.world.memory(case.a, |memory| memory.ranges()), 1, "nothing else does");
            }
            // The right to answer dies with a word.
            assert!(case.world.usage().messages <= usize::from(result == HEADER));
        },
    );
}

#[test]
fn ports_and_tasks_end_without_memory() {
    let destroy = |case: &Case| {
        case.world
            .mach_port_destroy(case.a, case.a.task, case.port)
            .map_or_else(|error| error.number(), |()| 0)
    };
    in_turn(|| Case::new().message().sent().asked(), destroy, |_, result, _| assert_eq!(result, 0));
    for task in 0..2 {
        let release = |case: &Case| {
            let open = case.opens.borrow()[task];
            drop(case.world.release(open));
            0
        };
        in_turn(|| Case::new().message().sent().asked(), release, |_, result, _| assert_eq!(result, 0));
    }
}

/// A call that answers with a name, none for 0.
type Call = fn(&Case) -> Result<u32, Kern>;

#[test]
fn calls_without_memory_change_nothing() {
    const CALLS: &[(&str, Call)] = &[
        ("a receive right", |case| allocate(case, Right::MACH_PORT_RIGHT_RECEIVE)),
        ("a set", |case| allocate(case, Right::MACH_PORT_RIGHT_PORT_SET)),
        ("a dead name", |case| allocate(case, Right::MACH_PORT_RIGHT_DEAD_NAME)),
        ("a reply port", |case| named(case.world.mach_reply_port(case.b))),
        ("a special reply port", |case| named(case.world.thread_get_special_reply_port(case.b))),
        ("a timer", |case| named(case.world.mk_timer_create(case.b))),
        ("a semaphore", |case| case.world.semaphore_create(case.b, case.b.task, 0, 1)),
        ("the task", |case| named(case.world.task_self(case.b))),
        ("another's right", |case| {
            case.world.mach_port_extract_right(case.b, case.a.task, case.port, COPY).map(|(name, _)| name)
        }),
        ("a member", |case| {
            case.world.mach_port_insert_member(case.a, case.a.task, case.port, case.name).map(|()| 1)
        }),
        ("a request", |case| {
            let id = NotifyId::MACH_NOTIFY_DEAD_NAME;
            let (world, a) = (&case.world, case.a);
            world.mach_port_request_notification(a, a.task, case.port, id, 0, case.port, ONCE).map(|_| 1)
        }),
        ("a right by name", |case| {
            let (world, a) = (&case.world, case.a);
            world.mach_port_insert_right(a, a.task, 0x4_0003, case.port, ONCE).map(|()| 1)
        }),
        ("a task", |case| {
            let process = Process { pid: 12, ..Process::default() };
            case.world.open(process).map(|open| {
                case.opens.borrow_mut().push(open);
                1
            })
        }),
        ("a thread", |case| case.world.engine.thread(case.b.task, 99).map(|_| 1)),
    ];
    fn allocate(case: &Case, right: Right) -> Result<u32, Kern> {
        case.world.mach_port_allocate(case.b, case.b.task, right, None)
    }
    fn named(name: u32) -> Result<u32, Kern> {
        if name == 0 { Err(Kern::KERN_RESOURCE_SHORTAGE) } else { Ok(name) }
    }
    for (what, call) in CALLS {
        let prepare = || {
            let mut case = Case::new();
            case.name = case.world.set(case.a);
            // Threads are kept by 64.
            for tid in 0..62 {
                case.world.thread(case.b, 1000 + tid);
            }
            let b = case.b;
            case.full(b)
        };
        in_turn(
            prepare,
            |case| call(case).map_or_else(Kern::number, |_| 0),
            |case, result, before| match result {
                SHORTAGE_ERROR => {
                    let (names, mut usage) = case.see();
                    // A send-once right that was made for it dies with a word.
                    if ["a request", "a right by name"].contains(what) {
                        usage.messages = 0;
                    }
                    assert_eq!((names, usage), *before, "{what}");
                }
                result => assert_eq!(result, 0, "{what}"),
            },
        );
    }
}
