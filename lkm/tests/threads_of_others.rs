//! Threads that others begin, stop, interrupt and end; and crashes of tasks.

mod common;

use common::message::{Message, RECEIVE, Received};
use common::{DEAD_NAME, World};
use std::cell::Cell;
use std::rc::Rc;
use xnu_abi::darwin::exception::ExceptionType as Kind;
use xnu_abi::darwin::kern_return::{KernReturn as Kern, MachMsgReturn};
use xnu_abi::darwin::mach_message::MsgType as Type;
use xnu_lkm::{Caller, Stop, ThreadState};

const NDR: [u8; 8] = [0, 0, 0, 0, 1, 0, 0, 0];
const COPY: Type = Type::MACH_MSG_TYPE_COPY_SEND;

const TASK_SET: i32 = 3413;
const CREATE: i32 = 3411;
const CREATE_RUNNING: i32 = 3412;
const TERMINATE: i32 = 3600;
const GET_STATE: i32 = 3603;
const SET_STATE: i32 = 3604;
const SUSPEND: i32 = 3605;
const RESUME: i32 = 3606;
const ABORT: i32 = 3607;
const ABORT_SAFELY: i32 = 3608;
const ADOPT_HANDLER: i32 = 3631;

const DEBUG_STATE64: u32 = 11;
const DEBUG_WORDS: u32 = 16;

/// A task with two threads, and the name of the second.
#[derive(Clone)]
struct Setting {
    world: World,
    a: Caller,
    other: Caller,
    thread: u32,
}

fn setting() -> Setting {
    let world = World::new();
    let a = world.task(10);
    let other = world.thread(a, 77);
    let thread = world.thread_self(other);
    Setting { world, a, other, thread }
}

fn words(words: &[u32]) -> Vec<u8> {
    NDR.into_iter().chain(words.iter().flat_map(|word| word.to_le_bytes())).collect()
}

impl Setting {
    fn ask(&self, message: Message) -> Received {
        let reply = self.world.receive_right(self.a);
        let message = message.reply(reply, Type::MACH_MSG_TYPE_MAKE_SEND_ONCE);
        assert_eq!(self.world.send(self.a, &message).number(), 0);
        let received = self.world.receive(self.a, reply).expect("a reply");
        self.world.mach_port_destroy(self.a, self.a.task, reply).unwrap();
        received
    }

    /// The result of a request without arguments.
    fn act(&self, id: i32) -> Kern {
        Kern::new(self.ask(Message::to(self.thread, COPY, id)).word(32) as i32)
    }

    /// While the other thread waits, the first one does something.
    fn meanwhile(&self, work: impl FnOnce(&Setting) + 'static) {
        let setting = self.clone();
        self.world.step(move |_| work(&setting));
    }
}

#[test]
fn a_thread_that_is_ended_waits_no_longer_and_is_told_to_end() {
    let setting = setting();
    let Setting { world, a, other, thread } = setting.clone();
    let before = world.usage();
    let own = world.receive_right(other);
    setting.meanwhile(|of| assert_eq!(of.act(TERMINATE), Kern::KERN_SUCCESS));
    let (result, _) = world.receive_with(other, own, RECEIVE, 256, 0);
    assert_eq!(result, MachMsgReturn::MACH_RCV_INTERRUPTED);
    assert!(world.has_suspended() && world.look(other).ends);
    assert_eq!(*world.engine.host().interrupted.borrow(), [other.thread]);
    assert_eq!(setting.act(TERMINATE), Kern::KERN_TERMINATED, "it ends already");
    assert!(world.mach_wait_until(other, u64::MAX).is_err(), "it waits for nothing more");
    world.mach_port_destroy(a, a.task, own).unwrap();
    world.thread_exit(other);
    assert!(!world.has_suspended());
    assert_eq!(world.kinds(a, thread), Some(DEAD_NAME));
    let sent = world.send(a, &Message::to(thread, COPY, TERMINATE));
    assert_eq!(sent, MachMsgReturn::MACH_SEND_INVALID_DEST);
    assert_eq!(world.usage().threads, before.threads - 1);
}

#[test]
fn a_suspended_thread_ends_without_being_resumed() {
    let setting = setting();
    let Setting { world, other, .. } = setting.clone();
    assert_eq!([setting.act(SUSPEND), setting.act(SUSPEND)], [Kern::KERN_SUCCESS; 2]);
    setting.meanwhile(|of| assert_eq!(of.act(TERMINATE), Kern::KERN_SUCCESS));
    assert!(world.look(other).is_suspended);
    assert!(!world.park(other).changed);
    assert!(world.look(other).ends);
    world.thread_exit(other);
    assert!(!world.has_suspended());
}

#[test]
fn a_thread_that_is_ended_while_its_handler_thinks_asks_nobody_else() {
    let setting = setting();
    let Setting { world, other, .. } = setting.clone();
    let debugger = world.task(11);
    let port = world.send_receive(debugger);
    handle(&setting, debugger, port, Kind::EXC_BAD_ACCESS);
    setting.meanwhile(|of| assert_eq!(of.act(TERMINATE), Kern::KERN_SUCCESS));
    assert!(world.raise_exception(other, Kind::EXC_BAD_ACCESS, [1, 16], &mut ThreadState::default()));
    assert!(world.receive(debugger, port).is_ok(), "the one question");
    assert!(world.raise_exception(other, Kind::EXC_BAD_ACCESS, [1, 16], &mut ThreadState::default()));
    assert!(world.receive(debugger, port).is_err(), "and no other");
    world.thread_exit(other);
}

#[test]
fn what_is_no_thread_or_a_c_librarys_is_not_ended() {
    let setting = setting();
    let Setting { world, a, other, .. } = setting.clone();
    let task = world.task_self(a);
    let result = |message| Kern::new(setting.ask(message).word(32) as i32);
    assert_eq!(result(Message::to(task, COPY, TERMINATE)), Kern::KERN_INVALID_ARGUMENT);
    world.mark_pthread(other);
    assert_eq!(setting.act(TERMINATE), Kern::KERN_DENIED);
    assert!(!world.has_suspended() && !world.look(other).ends);
    let adopt = |to| {
        let none = common::message::port_descriptor(0, COPY);
        result(Message::to(to, COPY, ADOPT_HANDLER).with(none).data(&words(&[2, 1, 0])))
    };
    assert_eq!(adopt(setting.thread), Kern::KERN_DENIED, "its task has frozen no handlers");
    assert_eq!(adopt(task), Kern::KERN_INVALID_ARGUMENT);
}

#[test]
fn a_host_that_begins_no_threads_says_so() {
    let setting = setting();
    let task = setting.world.task_self(setting.a);
    let result = |message| Kern::new(setting.ask(message).word(32) as i32);
    assert_eq!(result(Message::to(task, COPY, CREATE)), Kern::KERN_NOT_SUPPORTED);
    assert_eq!(result(Message::to(setting.thread, COPY, CREATE)), Kern::KERN_INVALID_ARGUMENT);
    let mut state = [0; 2 + 42];
    (state[0], state[1]) = (4, 42);
    let running = |state: &[u32]| result(Message::to(task, COPY, CREATE_RUNNING).data(&words(state)));
    assert_eq!(running(&state), Kern::KERN_NOT_SUPPORTED);
    state[0] = 99;
    assert_eq!(running(&state), Kern::KERN_INVALID_ARGUMENT, "no flavour");
    let elsewhere = setting.world.task(12);
    let own = setting.world.task_self(elsewhere);
    let there = setting.world.give(elsewhere, own, COPY, setting.a);
    assert_eq!(result(Message::to(there, COPY, CREATE)), Kern::KERN_NOT_SUPPORTED, "another task's");
}

#[test]
fn nobody_looks_in_once_all_are_resumed() {
    let setting = setting();
    let world = &setting.world;
    assert!(!world.has_suspended());
    assert_eq!([setting.act(SUSPEND), setting.act(SUSPEND)], [Kern::KERN_SUCCESS; 2]);
    let suspended = Stop { is_suspended: true, ..Stop::default() };
    assert_eq!((world.has_suspended(), world.look(setting.other)), (true, suspended));
    assert_eq!(world.look(setting.a), Stop::default());
    assert_eq!((setting.act(RESUME), world.has_suspended()), (Kern::KERN_SUCCESS, true));
    assert_eq!((setting.act(RESUME), world.has_suspended()), (Kern::KERN_SUCCESS, false));
    assert_eq!((setting.act(RESUME), world.has_suspended()), (Kern::KERN_FAILURE, false));
}

#[test]
fn a_safe_abort_leaves_who_waits_for_a_handler() {
    let setting = setting();
    let Setting { world, other, .. } = setting.clone();
    let debugger = world.task(11);
    let port = world.send_receive(debugger);
    handle(&setting, debugger, port, Kind::EXC_BAD_ACCESS);
    let steps = Rc::new(Cell::new(0));
    for id in [ABORT_SAFELY, ABORT] {
        let steps = steps.clone();
        setting.meanwhile(move |of| {
            assert_eq!(of.act(id), Kern::KERN_SUCCESS);
            steps.set(steps.get() + 1);
        });
    }
    assert!(!world.raise_exception(other, Kind::EXC_BAD_ACCESS, [1, 16], &mut ThreadState::default()));
    assert_eq!(steps.get(), 2, "the first one was not enough");
}

/// Has another task asked about exceptions of the first one's task.
fn handle(of: &Setting, debugger: Caller, port: u32, kind: Kind) {
    let there = of.world.give(debugger, port, COPY, of.a);
    let task = of.world.task_self(of.a);
    let handler = common::message::port_descriptor(there, COPY);
    let message =
        Message::to(task, COPY, TASK_SET).with(handler).data(&words(&[1 << kind.number(), 0x8000_0001, 0]));
    assert_eq!(of.ask(message).word(32), 0);
}

#[test]
fn a_crash_is_told_with_its_signal_and_its_fault() {
    let setting = setting();
    let Setting { world, a, other, .. } = setting.clone();
    let debugger = world.task(11);
    let port = world.send_receive(debugger);
    handle(&setting, debugger, port, Kind::EXC_CRASH);
    let faults = [
        (11, Some((Kind::EXC_BAD_ACCESS, [1, 0x1234_5678_9abc])), [0xb10_0001, 0x1234_5678_9abc]),
        // More of the first code there is no room for.
        (10, Some((Kind::EXC_BAD_ACCESS, [0x7f12_3456, 0x10])), [0xa12_3456, 0x10]),
        (6, None, [0x600_0000, 0]),
    ];
    for (signal, fault, codes) in faults {
        let stopped = Rc::new(Cell::new(None));
        let told = stopped.clone();
        world.step(move |world| {
            let question = world.receive(debugger, port).expect("a question");
            let wide = |at| u64::from(question.word(at)) | u64::from(question.word(at + 4)) << 32;
            assert_eq!((question.id(), question.word(60)), (2405, Kind::EXC_CRASH.number()));
            assert_eq!([wide(68), wide(76)], codes);
            told.set(Some(world.look(a).is_suspended));
            let once = Type::MACH_MSG_TYPE_MOVE_SEND_ONCE;
            let answer = Message::to(question.remote(), once, 2505).data(&words(&[0]));
            assert_eq!(world.send(debugger, &answer).number(), 0);
        });
        assert!(world.raise_crash(other, signal, fault, &mut ThreadState::default()));
        assert_eq!(stopped.get(), Some(true), "the others are stopped");
    }
}

#[test]
fn a_task_is_not_asked_about_its_own_crash() {
    let setting = setting();
    let Setting { world, a, other, .. } = setting.clone();
    let port = world.send_receive(a);
    let task = world.task_self(a);
    let handler = common::message::port_descriptor(port, COPY);
    let all = 1 << Kind::EXC_CRASH.number() | 1 << Kind::EXC_CORPSE_NOTIFY.number();
    let message = Message::to(task, COPY, TASK_SET).with(handler).data(&words(&[all, 0x8000_0001, 0]));
    assert_eq!(setting.ask(message).word(32), 0);
    assert!(!world.raise_crash(other, 11, None, &mut ThreadState::default()));
    assert!(world.receive(a, port).is_err());
    assert!(!world.look(a).is_suspended);
}

#[test]
fn no_thread_has_watchpoints() {
    let setting = setting();
    let Setting { world, other, .. } = setting.clone();
    let debugger = world.task(11);
    let port = world.send_receive(debugger);
    handle(&setting, debugger, port, Kind::EXC_BAD_ACCESS);
    setting.meanwhile(|of| {
        let get = Message::to(of.thread, COPY, GET_STATE).data(&words(&[DEBUG_STATE64, DEBUG_WORDS]));
        let got = of.ask(get);
        assert_eq!((got.word(32), got.word(36)), (0, DEBUG_WORDS));
        assert!((0..DEBUG_WORDS as usize).all(|at| got.word(40 + 4 * at) == 0));
        let mut state = [0; 2 + DEBUG_WORDS as usize];
        (state[0], state[1]) = (DEBUG_STATE64, DEBUG_WORDS);
        let set = |state: &[u32]| {
            let set = Message::to(of.thread, COPY, SET_STATE).data(&words(state));
            Kern::new(of.ask(set).word(32) as i32)
        };
        assert_eq!(set(&state), Kern::KERN_SUCCESS);
        // An address, and its bit in the control register, which is the eighth.
        (state[2], state[2 + 14]) = (0x1000, 1);
        assert_eq!(set(&state), Kern::KERN_NOT_SUPPORTED);
        (state[2], state[3]) = (0, u32::MAX);
        assert_eq!(set(&state), Kern::KERN_INVALID_ARGUMENT, "no address of a program's");
        state[0] = 10;
        assert_eq!(set(&state), Kern::KERN_INVALID_ARGUMENT, "the state of 32-bit threads");
        assert_eq!(of.act(ABORT), Kern::KERN_SUCCESS);
    });
    assert!(!world.raise_exception(other, Kind::EXC_BAD_ACCESS, [1, 16], &mut ThreadState::default()));
}
