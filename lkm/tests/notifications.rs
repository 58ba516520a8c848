//! Notifications: who is told of a death, when, and with which words.

mod common;

use common::message::Message;
use common::{DEAD_NAME, DNREQUEST, RECEIVE, SEND, World};
use xnu_abi::darwin::kern_return::KernReturn as Kern;
use xnu_abi::darwin::kern_return::MachMsgReturn;
use xnu_abi::darwin::mach_message::MsgType as Type;
use xnu_abi::darwin::mach_port::{NotifyId, PortRight as Right};
use xnu_lkm::Caller;

const ONCE: Type = Type::MACH_MSG_TYPE_MAKE_SEND_ONCE;
const PORT_DELETED: NotifyId = NotifyId::MACH_NOTIFY_PORT_DELETED;
const SEND_POSSIBLE: NotifyId = NotifyId::MACH_NOTIFY_SEND_POSSIBLE;
const PORT_DESTROYED: NotifyId = NotifyId::MACH_NOTIFY_PORT_DESTROYED;
const NO_SENDERS: NotifyId = NotifyId::MACH_NOTIFY_NO_SENDERS;
const SEND_ONCE: NotifyId = NotifyId::MACH_NOTIFY_SEND_ONCE;
const DEAD: NotifyId = NotifyId::MACH_NOTIFY_DEAD_NAME;

/// Two tasks, a port of the first, a send right of the second's for it, and a port of the second's for notifications.
struct Setting {
    world: World,
    a: Caller,
    b: Caller,
    port: u32,
    there: u32,
    notify: u32,
}

fn setting() -> Setting {
    let world = World::new();
    let (a, b) = (world.task(10), world.task(11));
    let port = world.receive_right(a);
    let there = world.give(a, port, Type::MACH_MSG_TYPE_MAKE_SEND, b);
    let notify = world.receive_right(b);
    Setting { world, a, b, port, there, notify }
}

impl World {
    fn request(&self, of: Caller, name: u32, id: NotifyId, sync: u32, notify: u32) -> Result<u32, Kern> {
        self.mach_port_request_notification(of, of.task, name, id, sync, notify, ONCE)
    }

    /// The id and the word of the next notification.
    fn told(&self, of: Caller, name: u32) -> Option<(NotifyId, u32)> {
        let message = self.receive(of, name).ok()?;
        assert_eq!(message.bits(), Type::MACH_MSG_TYPE_MOVE_SEND_ONCE.number() << 8);
        let word = if message.size() >= 36 {
            assert_eq!(message.bytes[24..32], [0, 0, 0, 0, 1, 0, 0, 0]);
            message.word(32)
        } else {
            0
        };
        Some((NotifyId::new(message.id()), word))
    }
}

#[test]
fn a_dead_name_is_told_of_once() {
    let Setting { world, a, b, port, there, notify } = setting();
    assert_eq!(world.request(b, there, DEAD, 0, notify), Ok(0));
    assert_eq!(world.kinds(b, there), Some(SEND | DNREQUEST));
    world.mach_port_destroy(a, a.task, port).unwrap();
    assert_eq!(world.told(b, notify), Some((DEAD, there)));
    assert_eq!(world.told(b, notify), None);
    // The notification brought a reference of its own.
    assert_eq!(world.refs(b, there, Right::MACH_PORT_RIGHT_DEAD_NAME), 2);
}

#[test]
fn a_request_can_be_replaced_and_taken_back() {
    let Setting { world, a, b, port, there, notify } = setting();
    let other = world.receive_right(b);
    world.request(b, there, DEAD, 0, notify).unwrap();
    let previous = world.request(b, there, DEAD, 0, other).unwrap();
    assert_eq!(world.kinds(b, previous), Some(common::SEND_ONCE));
    let previous = world.request(b, there, DEAD, 0, 0).unwrap();
    assert_ne!(previous, 0);
    assert_eq!(world.request(b, there, DEAD, 0, 0), Ok(0));
    world.mach_port_destroy(a, a.task, port).unwrap();
    assert_eq!(world.told(b, notify), None);
    assert_eq!(world.told(b, other), None);
}

#[test]
fn giving_a_name_up_tells_that_it_is_deleted() {
    let Setting { world, b, there, notify, .. } = setting();
    world.request(b, there, DEAD, 0, notify).unwrap();
    world.mach_port_deallocate(b, b.task, there).unwrap();
    assert_eq!(world.told(b, notify), Some((PORT_DELETED, there)));
}

#[test]
fn no_senders_is_told_with_the_count_of_makes() {
    let Setting { world, a, b, port, there, .. } = setting();
    let notify = world.receive_right(a);
    assert_eq!(world.request(a, port, NO_SENDERS, 0, notify), Ok(0));
    assert_eq!(world.told(a, notify), None);
    world.mach_port_deallocate(b, b.task, there).unwrap();
    assert_eq!(world.told(a, notify), Some((NO_SENDERS, 1)));
    // It is for once.
    let there = world.give(a, port, Type::MACH_MSG_TYPE_MAKE_SEND, b);
    world.mach_port_deallocate(b, b.task, there).unwrap();
    assert_eq!(world.told(a, notify), None);
}

#[test]
fn no_senders_is_told_at_once_unless_more_were_made() {
    let world = World::new();
    let task = world.task(10);
    let (port, notify) = (world.receive_right(task), world.receive_right(task));
    assert_eq!(world.request(task, port, NO_SENDERS, 1, notify), Ok(0));
    assert_eq!(world.told(task, notify), None, "no right was made yet");
    let previous = world.request(task, port, NO_SENDERS, 0, notify).unwrap();
    assert_ne!(previous, 0);
    assert_eq!(world.told(task, notify), Some((NO_SENDERS, 0)));
}

#[test]
fn a_death_answers_a_no_senders_request_by_send_once() {
    let Setting { world, a, b, port, there, notify } = setting();
    let right = world.give(b, notify, ONCE, a);
    let moved = Type::MACH_MSG_TYPE_MOVE_SEND_ONCE;
    world.mach_port_request_notification(a, a.task, port, NO_SENDERS, 0, right, moved).unwrap();
    world.mach_port_destroy(a, a.task, port).unwrap();
    assert_eq!(world.told(b, notify), Some((SEND_ONCE, 0)));
    assert_eq!(world.kinds(b, there), Some(DEAD_NAME));
}

#[test]
fn a_destroyed_port_goes_to_who_asked_for_it() {
    let Setting { world, a, b, port, there, notify } = setting();
    let right = world.give(b, notify, ONCE, a);
    let moved = Type::MACH_MSG_TYPE_MOVE_SEND_ONCE;
    let ask = |right| world.mach_port_request_notification(a, a.task, port, PORT_DESTROYED, 0, right, moved);
    assert_eq!(ask(right), Ok(0));
    assert_eq!(world.request(a, port, PORT_DESTROYED, 0, port), Err(Kern::KERN_FAILURE));
    let message = Message::to(there, Type::MACH_MSG_TYPE_COPY_SEND, 77);
    assert_eq!(world.send(b, &message), MachMsgReturn::MACH_MSG_SUCCESS);
    world.mach_port_destroy(a, a.task, port).unwrap();
    assert_eq!(world.kinds(a, port), None);
    let told = world.receive(b, notify).unwrap();
    assert_eq!((told.id(), told.size(), told.word(24)), (PORT_DESTROYED.number(), 40, 1));
    assert_eq!(told.word(28), there, "the receive right joins the send right");
    assert_eq!(world.kinds(b, there), Some(SEND | RECEIVE));
    // What was in the queue is still there: of the refused right, and the message.
    assert_eq!(world.drain(b, there), [SEND_ONCE.number(), 77]);
}

#[test]
fn a_task_that_dies_hands_over_its_port_too() {
    let Setting { world, b, notify, .. } = setting();
    let process = xnu_lkm::Process { pid: 30, ..Default::default() };
    let open = world.open(process).unwrap();
    let c = world.caller(open, process, 1).unwrap();
    let port = world.receive_right(c);
    let right = world.give(b, notify, ONCE, c);
    let moved = Type::MACH_MSG_TYPE_MOVE_SEND_ONCE;
    world.mach_port_request_notification(c, c.task, port, PORT_DESTROYED, 0, right, moved).unwrap();
    world.release(open);
    let told = world.receive(b, notify).unwrap();
    assert_eq!(told.id(), PORT_DESTROYED.number());
    assert_eq!(world.kinds(b, told.word(28)), Some(RECEIVE));
}

#[test]
fn an_unused_send_once_right_is_told_to_its_receiver() {
    let Setting { world, a, b, port, .. } = setting();
    let once = world.give(a, port, ONCE, b);
    world.mach_port_deallocate(b, b.task, once).unwrap();
    let told = world.receive(a, port).unwrap();
    assert_eq!((told.id(), told.size()), (SEND_ONCE.number(), 24));
}

#[test]
fn send_possible_is_told_when_the_queue_has_room_again() {
    let Setting { world, a, b, port, there, notify } = setting();
    // Armed while there is room: told at once, and not kept.
    world.request(b, there, SEND_POSSIBLE, 1, notify).unwrap();
    assert_eq!(world.told(b, notify), Some((SEND_POSSIBLE, there)));
    let message = Message::to(there, Type::MACH_MSG_TYPE_COPY_SEND, 5);
    for _ in 0..5 {
        assert_eq!(world.send(b, &message), MachMsgReturn::MACH_MSG_SUCCESS);
    }
    assert_eq!(world.send(b, &message), MachMsgReturn::MACH_SEND_TIMED_OUT);
    world.request(b, there, SEND_POSSIBLE, 1, notify).unwrap();
    assert_eq!(world.told(b, notify), None);
    world.receive(a, port).unwrap();
    assert_eq!(world.told(b, notify), Some((SEND_POSSIBLE, there)));
    assert_eq!(world.told(b, notify), None);
}

#[test]
fn a_send_that_finds_no_room_arms_the_request() {
    use xnu_abi::darwin::mach_message::MsgOption;
    let Setting { world, a, b, port, there, notify } = setting();
    world.request(b, there, SEND_POSSIBLE, 0, notify).unwrap();
    let message = Message::to(there, Type::MACH_MSG_TYPE_COPY_SEND, 5);
    let options = common::message::SEND_NOW | MsgOption::MACH64_SEND_NOTIFY;
    let mut sent = 0;
    while world.send_with(b, &message, options, 0).0 == MachMsgReturn::MACH_MSG_SUCCESS {
        sent += 1;
    }
    assert_eq!(sent, 5);
    assert_eq!(world.told(b, notify), None);
    world.receive(a, port).unwrap();
    assert_eq!(world.told(b, notify), Some((SEND_POSSIBLE, there)));
}

#[test]
fn requests_are_checked() {
    let Setting { world, a, b, port, there, notify } = setting();
    let ask = |name, id, sync| world.request(b, name, id, sync, notify);
    assert_eq!(ask(there, PORT_DESTROYED, 0), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(ask(notify, PORT_DESTROYED, 1), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(ask(0, PORT_DESTROYED, 0), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(ask(0, NO_SENDERS, 0), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(ask(there, NO_SENDERS, 0), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(ask(0, DEAD, 0), Err(Kern::KERN_INVALID_ARGUMENT));
    assert_eq!(ask(0x90003, DEAD, 0), Err(Kern::KERN_INVALID_NAME));
    assert_eq!(ask(there, NotifyId::new(1), 0), Err(Kern::KERN_INVALID_VALUE));
    let set = world.set(b);
    assert_eq!(ask(set, DEAD, 0), Err(Kern::KERN_INVALID_RIGHT));
    world.mach_port_destroy(a, a.task, port).unwrap();
    world.drain(b, notify);
    assert_eq!(ask(there, DEAD, 0), Err(Kern::KERN_INVALID_ARGUMENT));
    // Refused rights die, which their receiver hears; send-possible is told of a death at once.
    world.drain(b, notify);
    assert_eq!(ask(there, SEND_POSSIBLE, 0), Ok(0));
    assert_eq!(world.told(b, notify), Some((DEAD, there)));
    let dead = world.mach_port_request_notification(b, b.task, notify, NO_SENDERS, 0, u32::MAX, ONCE);
    assert_eq!(dead, Err(Kern::KERN_INVALID_CAPABILITY));
    let kind = Type::MACH_MSG_TYPE_MAKE_SEND;
    let wrong = world.mach_port_request_notification(b, b.task, notify, NO_SENDERS, 0, notify, kind);
    assert_eq!(wrong, Err(Kern::new(-300)), "MIG_TYPE_ERROR");
}

#[test]
fn many_requests_on_one_port_are_all_told() {
    let Setting { world, a, b, port, .. } = setting();
    let notify = world.receive_right(b);
    let set_limit = xnu_abi::darwin::mach_port::PortFlavor::MACH_PORT_LIMITS_INFO;
    world.mach_port_set_attributes(b, b.task, notify, set_limit, &[1024]).unwrap();
    let names: Vec<u32> = (0..300).map(|_| world.give(a, port, ONCE, b)).collect();
    for name in &names {
        world.request(b, *name, DEAD, 0, notify).unwrap();
    }
    world.mach_port_destroy(a, a.task, port).unwrap();
    let mut told: Vec<u32> = std::iter::from_fn(|| world.told(b, notify)).map(|(_, name)| name).collect();
    told.sort_unstable();
    let mut names = names;
    names.sort_unstable();
    assert_eq!(told, names);
}
