//! Exceptions: who is asked, what they are told, and what becomes of their answers.

mod common;

use common::message::{Message, Received, port_descriptor};
use common::{SEND, World};
use std::cell::RefCell;
use std::rc::Rc;
use xnu_abi::darwin::exception::{ExceptionType as Kind, MACH_EXCEPTION_CODES};
use xnu_abi::darwin::kern_return::{KernReturn as Kern, MigReturn};
use xnu_abi::darwin::mach_message::MsgType as Type;
use xnu_lkm::{Caller, ThreadState};

const NDR: [u8; 8] = [0, 0, 0, 0, 1, 0, 0, 0];
const COPY: Type = Type::MACH_MSG_TYPE_COPY_SEND;

const DEFAULT: u32 = 1;
const STATE: u32 = 2;
const STATE_IDENTITY: u32 = 3;
const IDENTITY_PROTECTED: u32 = 4;
const STATE_IDENTITY_PROTECTED: u32 = 5;
const WIDE: u32 = MACH_EXCEPTION_CODES;

const STATE64: u32 = 4;
const WORDS: usize = 42;
const BAD_ACCESS: u32 = 1 << 1;
const CODE: [u64; 2] = [1, 0x1234_5678_9abc];

const TASK_SET: i32 = 3413;
const TASK_GET: i32 = 3414;
const TASK_SWAP: i32 = 3415;
const THREAD_GET_STATE: i32 = 3603;
const THREAD_SET_STATE: i32 = 3604;
const THREAD_SET: i32 = 3613;
const THREAD_GET: i32 = 3614;
const TASK_GET_INFO: i32 = 3460;
const THREAD_GET_INFO: i32 = 3630;

/// A task that faults, a task that debugs it, and the debugger's port and names.
struct Setting {
    world: World,
    a: Caller,
    debugger: Caller,
    /// Where the debugger is asked, and the task's name for it.
    port: u32,
    there: u32,
}

fn setting() -> Setting {
    let world = World::new();
    let (a, debugger) = (world.task(10), world.task(11));
    let port = world.send_receive(debugger);
    let there = world.give(debugger, port, COPY, a);
    Setting { world, a, debugger, port, there }
}

fn bytes(words: &[u32]) -> Vec<u8> {
    NDR.into_iter().chain(words.iter().flat_map(|word| word.to_le_bytes())).collect()
}

impl Setting {
    /// A request to the kernel, and its reply.
    fn ask(&self, by: Caller, message: Message) -> Received {
        let reply = self.world.receive_right(by);
        let message = message.reply(reply, Type::MACH_MSG_TYPE_MAKE_SEND_ONCE);
        assert_eq!(self.world.send(by, &message).number(), 0);
        let received = self.world.receive(by, reply).expect("a reply");
        self.world.mach_port_destroy(by, by.task, reply).unwrap();
        received
    }

    fn set(&self, id: i32, port: u32, mask: u32, behavior: u32, flavor: u32) -> Received {
        let (task, thread) = (self.world.task_self(self.a), self.world.thread_self(self.a));
        let to = if id < 3600 { task } else { thread };
        let words = bytes(&[mask, behavior, flavor]);
        let message = Message::to(to, COPY, id).with(port_descriptor(port, COPY)).data(&words);
        self.ask(self.a, message)
    }

    fn task_handler(&self, behavior: u32, flavor: u32) {
        assert_eq!(self.set(TASK_SET, self.there, BAD_ACCESS, behavior, flavor).word(32), 0);
    }

    /// Raises an exception that the debugger deals with when it comes to it.
    fn raise(&self, state: &mut ThreadState, debugger: impl FnOnce(&World) + 'static) -> bool {
        self.world.step(debugger);
        self.world.raise_exception(self.a, Kind::EXC_BAD_ACCESS, CODE, state)
    }

    /// The question that the debugger gets when it answers with this result, and whether that was enough.
    fn asked(&self, state: &mut ThreadState, result: u32, words: Vec<u32>) -> (Received, bool) {
        let (debugger, port) = (self.debugger, self.port);
        let got = Rc::new(RefCell::new(None));
        let kept = got.clone();
        let handled = self.raise(state, move |world| {
            let question = world.receive(debugger, port).expect("a question");
            answer(world, debugger, &question, result, &words);
            *kept.borrow_mut() = Some(question);
        });
        (got.take().expect("a question"), handled)
    }
}

fn answer(world: &World, by: Caller, question: &Received, result: u32, more: &[u32]) {
    let words: Vec<_> = [result].iter().chain(more).copied().collect();
    let move_once = Type::MACH_MSG_TYPE_MOVE_SEND_ONCE;
    let message = Message::to(question.remote(), move_once, question.id() + 100).data(&bytes(&words));
    assert_eq!(world.send(by, &message).number(), 0);
}

fn registers(rip: u64) -> ThreadState {
    let mut state = ThreadState::default();
    (state.general.rip, state.general.rsp, state.general.rax) = (rip, 0x7000_0000, 7);
    state
}

/// The state as an answer: flavour, count and words.
fn as_answer(state: &ThreadState) -> Vec<u32> {
    let words = zerocopy::IntoBytes::as_bytes(&state.general).chunks(4);
    let words = words.map(|word| u32::from_le_bytes(word.try_into().unwrap()));
    [STATE64, WORDS as u32].into_iter().chain(words).collect()
}

#[test]
fn nobody_is_asked_where_nobody_wants_to_be() {
    let setting = setting();
    assert!(!setting.world.has_exception_ports());
    let mut state = registers(1);
    assert!(!setting.world.raise_exception(setting.a, Kind::EXC_BAD_ACCESS, CODE, &mut state));
    setting.task_handler(DEFAULT, 0);
    assert!(setting.world.has_exception_ports());
    assert!(!setting.world.raise_exception(setting.a, Kind::EXC_ARITHMETIC, CODE, &mut state));
}

#[test]
fn a_handler_gets_ports_and_codes_of_either_width() {
    let setting = setting();
    let world = &setting.world;
    for (behavior, id, size) in [(DEFAULT, 2401, 76), (DEFAULT | WIDE, 2405, 84)] {
        setting.task_handler(behavior, 0);
        let (question, handled) = setting.asked(&mut registers(1), 0, vec![]);
        assert!(handled);
        assert_eq!((question.id(), question.size(), question.word(24)), (id, size, 2));
        let (thread, task) = (question.word(28), question.word(40));
        assert_eq!((world.kinds(setting.debugger, task), question.word(60)), (Some(SEND), 1));
        assert_eq!((world.kinds(setting.debugger, thread), question.word(64)), (Some(SEND), 2));
        let codes = match behavior {
            DEFAULT => [question.word(68).into(), question.word(72).into()],
            _ => [question.double(68), question.double(76)],
        };
        assert_eq!(codes, if behavior == DEFAULT { CODE.map(|code| code & 0xffff_ffff) } else { CODE });
    }
    assert_eq!(world.usage().messages, 0);
}

#[test]
fn a_handler_may_send_the_thread_elsewhere() {
    let setting = setting();
    for (behavior, id, at) in [
        (STATE, 2402, 24),
        (STATE | WIDE, 2406, 24),
        (STATE_IDENTITY, 2403, 52),
        (STATE_IDENTITY | WIDE, 2407, 52),
        (STATE_IDENTITY_PROTECTED | WIDE, 2410, 40 + 8),
    ] {
        setting.task_handler(behavior, STATE64);
        let mut state = registers(0x1000);
        let (question, handled) = setting.asked(&mut state, 0, as_answer(&registers(0x2000)));
        assert!(handled, "{behavior:#x}");
        assert_eq!(question.id(), id);
        let codes = if behavior & WIDE != 0 { 16 } else { 8 };
        let after = at + 8 + 8 + codes;
        assert_eq!(
            (question.word(after), question.word(after + 4)),
            (STATE64, WORDS as u32),
            "{behavior:#x}"
        );
        assert_eq!(question.double(after + 8 + 128), 0x1000, "rip is told");
        assert_eq!((state.general.rip, state.general.rflags), (0x2000, 0x200));
    }
}

#[test]
fn a_token_is_told_with_the_threads_number() {
    let setting = setting();
    setting.task_handler(IDENTITY_PROTECTED | WIDE, 0);
    let (question, handled) = setting.asked(&mut registers(1), 0, vec![]);
    assert!(handled);
    assert_eq!((question.id(), question.word(24), question.double(48)), (2408, 1, 10));
    assert_eq!((question.word(56), question.word(60), question.double(72)), (1, 2, CODE[1]));
    assert_eq!(setting.world.kinds(setting.debugger, question.word(28)), Some(SEND));
}

#[test]
fn a_refusal_goes_to_the_next_and_then_to_nobody() {
    let setting = setting();
    setting.task_handler(DEFAULT, 0);
    let set = setting.set(THREAD_SET, setting.there, BAD_ACCESS, DEFAULT | WIDE, 0);
    assert_eq!(set.word(32), 0);
    let ids = Rc::new(RefCell::new(vec![]));
    let (debugger, port) = (setting.debugger, setting.port);
    let refuse = |ids: Rc<RefCell<Vec<i32>>>| {
        move |world: &World| {
            let question = world.receive(debugger, port).expect("a question");
            ids.borrow_mut().push(question.id());
            answer(world, debugger, &question, Kern::KERN_FAILURE.number() as u32, &[]);
        }
    };
    setting.world.step(refuse(ids.clone()));
    assert!(!setting.raise(&mut registers(1), refuse(ids.clone())));
    // Steps run in their order: the thread's handler was asked first.
    assert_eq!(*ids.borrow(), [2405, 2401]);
}

#[test]
fn a_handler_that_dies_or_answers_badly_handled_nothing() {
    let setting = setting();
    let (debugger, port) = (setting.debugger, setting.port);
    setting.task_handler(STATE, STATE64);
    let mut state = registers(0x1000);
    // The right to answer is thrown away.
    assert!(!setting.raise(&mut state, move |world| {
        let question = world.receive(debugger, port).expect("a question");
        world.mach_port_deallocate(debugger, debugger.task, question.remote()).unwrap();
    }));
    let mut far = registers(0x2000);
    far.general.rip = 1 << 60;
    let short = [STATE64, 41].into_iter().chain([0; 41]).collect();
    let other = [99, 42].into_iter().chain([0; 42]).collect();
    for bad in [as_answer(&far), short, other, vec![], vec![STATE64, 42], vec![STATE64, u32::MAX]] {
        let (_, handled) = setting.asked(&mut state, 0, bad);
        assert!(!handled);
    }
    assert_eq!(state.general.rip, 0x1000);
    // Another number than the answer's.
    assert!(!setting.raise(&mut state, move |world| {
        let question = world.receive(debugger, port).expect("a question");
        let once = Type::MACH_MSG_TYPE_MOVE_SEND_ONCE;
        let message = Message::to(question.remote(), once, question.id()).data(&bytes(&[0]));
        assert_eq!(world.send(debugger, &message).number(), 0);
    }));
    // The port itself goes, with the question in it.
    assert!(!setting.raise(&mut state, move |world| {
        world.mach_port_destroy(debugger, debugger.task, port).unwrap();
    }));
    // And is not asked again.
    assert!(!setting.world.raise_exception(setting.a, Kind::EXC_BAD_ACCESS, CODE, &mut state));
    assert_eq!(setting.world.usage().messages, 0);
    assert_eq!(MigReturn::MIG_SERVER_DIED.number(), -308);
}

#[test]
fn a_debugger_reads_and_changes_the_registers_of_a_stopped_thread() {
    let setting = setting();
    setting.task_handler(DEFAULT, 0);
    let (debugger, port) = (setting.debugger, setting.port);
    let mut state = registers(0x1000);
    let world = setting.world.clone();
    let inner = Setting { world, ..setting };
    let inner = Rc::new(inner);
    let outer = inner.clone();
    let handled = outer.raise(&mut state, move |world| {
        let question = world.receive(debugger, port).expect("a question");
        let thread = question.word(28);
        let get = |flavor: u32, room: u32| {
            let words = bytes(&[flavor, room]);
            inner.ask(debugger, Message::to(thread, COPY, THREAD_GET_STATE).data(&words))
        };
        let set = |words: &[u32]| {
            let words = bytes(words);
            inner.ask(debugger, Message::to(thread, COPY, THREAD_SET_STATE).data(&words)).word(32)
        };
        let got = get(STATE64, 42);
        assert_eq!((got.word(32), got.word(36), got.double(40 + 128)), (0, 42, 0x1000));
        assert_eq!(got.double(40 + 144), 0x2b, "cs");
        assert_eq!(get(STATE64, 41).word(32), Kern::KERN_INVALID_ARGUMENT.number() as u32);
        let unified = get(7, 1296);
        assert_eq!((unified.word(36), unified.word(40), unified.word(44)), (44, 4, 42));
        assert_eq!(unified.double(48 + 128), 0x1000);
        for (flavor, count) in
            [(5, 131), (6, 4), (8, 133), (9, 6), (11, 16), (12, 18), (17, 211), (18, 213), (0, 3)]
        {
            assert_eq!((get(flavor, 1296).word(32), get(flavor, 1296).word(36)), (0, count), "{flavor}");
        }
        for missing in [1, 2, 3, 10, 13, 20, 21, 23, 77] {
            assert_eq!(get(missing, 1296).word(32), Kern::KERN_INVALID_ARGUMENT.number() as u32, "{missing}");
        }
        assert_eq!(set(&as_answer(&registers(0x3000))), 0);
        assert_eq!(set(&[6, 4, 0, 0, 0, 0]), Kern::KERN_INVALID_ARGUMENT.number() as u32);
        answer(world, debugger, &question, Kern::KERN_FAILURE.number() as u32, &[]);
    });
    // Nobody handled it, but the registers are changed.
    assert!(!handled);
    assert_eq!(state.general.rip, 0x3000);
}

#[test]
fn handlers_are_told_and_swapped_by_kinds() {
    let setting = setting();
    let all = 0x1bfe;
    let task = setting.world.task_self(setting.a);
    let get = |id, to, mask: u32| setting.ask(setting.a, Message::to(to, COPY, id).data(&bytes(&[mask])));
    let thread = setting.world.thread_self(setting.a);
    assert_eq!(get(THREAD_GET, thread, all).word(28 + 32 * 12 + 8), 0, "a thread has none at all");
    assert_eq!(setting.set(TASK_SET, setting.there, 0b110, STATE, STATE64).word(32), 0);
    let told = get(TASK_GET, task, all);
    assert_eq!((told.id(), told.word(24)), (TASK_GET + 100, 32));
    let at = 28 + 32 * 12 + 8;
    assert_eq!([0, 4, 8].map(|more| told.word(at + more)), [2, 0b110, all & !0b110]);
    assert_eq!((told.word(28), told.word(40)), (setting.there, 0));
    assert_eq!([12, 16, 20, 24].map(|more| told.word(at + more)), [STATE, 0, STATE64, 0]);
    let other = setting.world.send_receive(setting.a);
    let before = setting.set(TASK_SWAP, other, 0b100, DEFAULT, 0);
    assert_eq!((before.word(at), before.word(at + 4), before.word(28)), (1, 0b100, setting.there));
    let told = get(TASK_GET, task, 0b110);
    assert_eq!((told.word(at), told.word(28), told.word(40)), (2, setting.there, other));
}

#[test]
fn bad_handlers_are_refused() {
    let setting = setting();
    let set = |mask, behavior, flavor| setting.set(TASK_SET, setting.there, mask, behavior, flavor).word(32);
    let invalid = Kern::KERN_INVALID_ARGUMENT.number() as u32;
    for (mask, behavior, flavor) in [
        (1, DEFAULT, 0),
        (1 << 14, DEFAULT, 0),
        (2, 0, 0),
        (2, 6, 0),
        (2, DEFAULT, 14),
        (2, DEFAULT, 0x8000_0001),
        (2, IDENTITY_PROTECTED, 0),
        (2, DEFAULT | 0x2000_0000, 0),
    ] {
        assert_eq!(set(mask, behavior, flavor), invalid, "{mask:#x} {behavior:#x} {flavor}");
    }
    // Without a port the behaviour is not looked at.
    assert_eq!(setting.set(TASK_SET, 0, 2, 0, 0).word(32), 0);
    assert!(!setting.world.has_exception_ports());
    let immovable = setting.world.thread_get_special_reply_port(setting.a);
    let right = Kern::KERN_INVALID_RIGHT.number() as u32;
    assert_eq!(setting.set(TASK_SET, immovable, 2, DEFAULT, 0).word(32), right);
}

#[test]
fn a_thread_that_ends_while_its_handler_thinks_leaves_no_trace() {
    let setting = setting();
    let (a, debugger, port) = (setting.a, setting.debugger, setting.port);
    setting.task_handler(DEFAULT, 0);
    let other = setting.world.thread(a, 77);
    setting.world.step(move |world| world.thread_exit(other));
    assert!(setting.world.raise_exception(other, Kind::EXC_BAD_ACCESS, CODE, &mut registers(1)));
    let question = setting.world.receive(debugger, port).expect("a question");
    assert_eq!(setting.world.kinds(debugger, question.remote()), Some(common::DEAD_NAME));
    // An interruption does not end the wait.
    setting.world.interrupt();
    let (_, handled) = {
        let got = setting.asked(&mut registers(1), 0, vec![]);
        (got.0.id(), got.1)
    };
    assert!(handled);
}

#[test]
fn a_suspended_thread_stops_until_it_is_resumed_as_often() {
    let setting = setting();
    let (world, a) = (&setting.world, setting.a);
    let other = world.thread(a, 77);
    let thread = world.thread_self(other);
    let act = |id: i32| setting.ask(a, Message::to(thread, COPY, id)).word(32);
    let (suspend, resume) = (3605, 3606);
    assert_eq!(act(resume), Kern::KERN_FAILURE.number() as u32);
    assert!(!world.has_suspended());
    assert_eq!([act(suspend), act(suspend)], [0, 0]);
    assert_eq!(*world.engine.host().interrupted.borrow(), [other.thread, other.thread]);
    let inner = Rc::new(Setting { world: world.clone(), ..setting });
    for stopped in [true, false] {
        let setting = inner.clone();
        world.step(move |_| {
            let words = bytes(&[3, 10]);
            let info = setting.ask(a, Message::to(thread, COPY, 3612).data(&words));
            assert_eq!((info.word(40 + 24), info.word(40 + 32)), (2, 1 + u32::from(stopped)));
            assert_eq!(setting.ask(a, Message::to(thread, COPY, resume)).word(32), 0);
        });
    }
    world.park(other);
    world.park(other);
}

#[test]
fn an_abort_ends_waits_for_messages_and_for_handlers() {
    let setting = setting();
    let (a, debugger, port) = (setting.a, setting.debugger, setting.port);
    setting.task_handler(DEFAULT, 0);
    let inner = Rc::new(setting);
    let thread = inner.world.thread_self(a);
    let other = inner.world.thread(a, 77);
    let abort = |inner: Rc<Setting>| {
        move |_: &World| {
            assert_eq!(inner.ask(other, Message::to(thread, COPY, 3607)).word(32), 0);
        }
    };
    inner.world.step(abort(inner.clone()));
    let own = inner.world.receive_right(a);
    let (result, _) = inner.world.receive_with(a, own, common::message::RECEIVE, 256, 0);
    assert_eq!(result, xnu_abi::darwin::kern_return::MachMsgReturn::MACH_RCV_INTERRUPTED);
    assert!(!inner.raise(&mut registers(1), abort(inner.clone())));
    // The question is still there, and its answer leads nowhere.
    let question = inner.world.receive(debugger, port).expect("a question");
    assert_eq!(inner.world.kinds(debugger, question.remote()), Some(common::DEAD_NAME));
}

#[test]
fn a_child_has_its_parents_handlers() {
    let world = World::new();
    let process = |pid, parent| xnu_lkm::Process { pid, parent, uid: 501, gid: 20 };
    let open = world.open(process(5, 1)).unwrap();
    let parent = world.caller(open, process(5, 1), 5).unwrap();
    let port = world.send_receive(parent);
    let setting = Setting { world: world.clone(), a: parent, debugger: parent, port, there: port };
    setting.task_handler(DEFAULT, 0);
    let child = world.caller(open, process(6, 5), 6).unwrap();
    let childs = Setting { a: child, ..setting };
    let (question, handled) = childs.asked(&mut registers(1), 0, vec![]);
    assert!(handled && question.id() == 2401);
    let before = world.usage();
    world.exit(open, 6);
    assert!(world.usage().ports < before.ports);
}

#[test]
fn handlers_are_told_of_without_rights() {
    let of = setting();
    of.task_handler(DEFAULT | WIDE, 0);
    let (task, thread) = (of.world.task_self(of.a), of.world.thread_self(of.a));
    let info = |to, id| of.ask(of.a, Message::to(to, COPY, id).data(&bytes(&[BAD_ACCESS | 1 << 2])));
    let before = of.world.usage();
    let told = info(task, TASK_GET_INFO);
    // The count, masks, pairs of objects, behaviours, flavours.
    assert_eq!((told.word(32), told.word(36)), (0, 2));
    assert_eq!((told.word(40), told.word(44)), (BAD_ACCESS, 1 << 2));
    assert!(told.word(48) != 0 && told.word(52) != 0, "the port and who receives from it");
    assert_eq!((told.word(56), told.word(60)), (0, 0), "nobody is asked of the other kind");
    assert_eq!((told.word(64), told.word(68)), (DEFAULT | WIDE, 0));
    assert_eq!(told.size(), 80);
    assert_eq!(info(task, TASK_GET_INFO).data(), told.data(), "the same port has the same number");
    assert_eq!(of.world.usage(), before);
    let none = info(thread, THREAD_GET_INFO);
    assert_eq!((none.word(32), none.word(36)), (0, 0));
    assert_eq!(info(thread, TASK_GET_INFO).word(32), Kern::KERN_INVALID_ARGUMENT.number() as u32);
    let wrong = Message::to(task, COPY, TASK_GET_INFO).data(&bytes(&[1]));
    assert_eq!(of.ask(of.a, wrong).word(32), Kern::KERN_INVALID_ARGUMENT.number() as u32);
}
