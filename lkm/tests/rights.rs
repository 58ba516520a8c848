//! Names and rights: what the calls of `mach_port` answer, and what they leave behind.

mod common;

use common::{DEAD_NAME, DNREQUEST, PORT_SET, RECEIVE, SEND, SEND_ONCE, World};
use xnu_abi::darwin::kern_return::KernReturn as Kern;
use xnu_abi::darwin::mach_message::MsgType as Type;
use xnu_abi::darwin::mach_port::PortRight as Right;
use xnu_lkm::{Caller, GuardReason, UREFS_MAX};

const DEAD: u32 = u32::MAX;

fn one() -> (World, Caller) {
    let world = World::new();
    let task = world.task(10);
    (world, task)
}

fn two() -> (World, Caller, Caller) {
    let world = World::new();
    let (a, b) = (world.task(10), world.task(11));
    (world, a, b)
}

impl World {
    fn mod_refs(&self, of: Caller, name: u32, right: Right, delta: i32) -> Result<(), Kern> {
        self.mach_port_mod_refs(of, of.task, name, right, delta)
    }

    fn insert(&self, of: Caller, name: u32, poly: u32, disposition: Type) -> Result<(), Kern> {
        self.mach_port_insert_right(of, of.task, name, poly, disposition)
    }

    fn allocate(&self, of: Caller, right: Right, name: Option<u32>) -> Result<u32, Kern> {
        self.mach_port_allocate(of, of.task, right, name)
    }

    fn destroy(&self, of: Caller, name: u32) -> Result<(), Kern> {
        self.mach_port_destroy(of, of.task, name)
    }

    fn dealloc(&self, of: Caller, name: u32) -> Result<(), Kern> {
        self.mach_port_deallocate(of, of.task, name)
    }
}

#[test]
fn allocate_makes_each_kind_of_right() {
    let (world, task) = one();
    let port = world.allocate(task, Right::MACH_PORT_RIGHT_RECEIVE, None).unwrap();
    let set = world.allocate(task, Right::MACH_PORT_RIGHT_PORT_SET, None).unwrap();
    let dead = world.allocate(task, Right::MACH_PORT_RIGHT_DEAD_NAME, None).unwrap();
    assert_eq!(world.kinds(task, port), Some(RECEIVE));
    assert_eq!(world.kinds(task, set), Some(PORT_SET));
    assert_eq!(world.kinds(task, dead), Some(DEAD_NAME));
    assert_eq!(world.refs(task, dead, Right::MACH_PORT_RIGHT_DEAD_NAME), 1);
    for right in [Right::MACH_PORT_RIGHT_SEND, Right::MACH_PORT_RIGHT_SEND_ONCE, Right::new(77)] {
        assert_eq!(world.allocate(task, right, None), Err(Kern::KERN_INVALID_VALUE));
    }
}

#[test]
fn allocate_under_a_chosen_name() {
    let (world, task) = one();
    let receive = Right::MACH_PORT_RIGHT_RECEIVE;
    assert_eq!(world.allocate(task, receive, Some(0x5003)), Ok(0x5003));
    assert_eq!(world.allocate(task, receive, Some(0x5003)), Err(Kern::KERN_NAME_EXISTS));
    assert_eq!(world.allocate(task, receive, Some(0x5007)), Err(Kern::KERN_FAILURE));
    assert_eq!(world.allocate(task, receive, Some(0)), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.allocate(task, receive, Some(DEAD)), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.allocate(task, receive, Some(0x5001)), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.allocate(task, receive, Some(0xfff0_0003)), Err(Kern::KERN_NO_SPACE));
    assert_eq!(world.allocate(task, Right::MACH_PORT_RIGHT_PORT_SET, Some(0x5103)), Ok(0x5103));
}

#[test]
fn names_are_gone_after_destroy_and_differ_when_used_again() {
    let (world, task) = one();
    let first = world.receive_right(task);
    assert_eq!(world.destroy(task, first), Ok(()));
    assert_eq!(world.kinds(task, first), None);
    let second = world.receive_right(task);
    assert_eq!(first >> 8, second >> 8);
    assert_ne!(first, second);
    assert_eq!(world.destroy(task, first), Err(Kern::KERN_INVALID_NAME));
    assert_eq!(world.guard_reason(task), Some(GuardReason::InvalidName as u32));
}

#[test]
fn null_and_dead_names_are_answered_by_the_rules() {
    let (world, task) = one();
    let send = Right::MACH_PORT_RIGHT_SEND;
    let receive = Right::MACH_PORT_RIGHT_RECEIVE;
    for name in [0, DEAD] {
        assert_eq!(world.destroy(task, name), Ok(()));
        assert_eq!(world.dealloc(task, name), Ok(()));
        assert_eq!(world.mod_refs(task, name, send, -1), Ok(()));
        assert_eq!(world.mod_refs(task, name, receive, -1), Err(Kern::KERN_INVALID_NAME));
        assert_eq!(world.refs(task, name, send), 1);
        assert_eq!(world.mach_port_get_refs(task, task.task, name, receive), Err(Kern::KERN_INVALID_NAME));
        assert_eq!(world.mach_port_destruct(task, task.task, name, 0, 0), Err(Kern::KERN_INVALID_NAME));
    }
    assert_eq!(world.mach_port_type(task, task.task, 0), Err(Kern::KERN_INVALID_NAME));
    assert_eq!(world.mach_port_type(task, task.task, DEAD), Ok(DEAD_NAME));
}

#[test]
fn send_rights_of_one_port_share_a_name_and_count() {
    let (world, a, b) = two();
    let port = world.receive_right(a);
    let first = world.give(a, port, Type::MACH_MSG_TYPE_MAKE_SEND, b);
    let second = world.give(a, port, Type::MACH_MSG_TYPE_MAKE_SEND, b);
    assert_eq!(first, second);
    assert_eq!(world.refs(b, first, Right::MACH_PORT_RIGHT_SEND), 2);
    assert_eq!(world.dealloc(b, first), Ok(()));
    assert_eq!(world.refs(b, first, Right::MACH_PORT_RIGHT_SEND), 1);
    assert_eq!(world.dealloc(b, first), Ok(()));
    assert_eq!(world.kinds(b, first), None);
}

#[test]
fn send_once_rights_never_share_a_name() {
    let (world, a, b) = two();
    let port = world.receive_right(a);
    let once = Type::MACH_MSG_TYPE_MAKE_SEND_ONCE;
    let first = world.give(a, port, once, b);
    let second = world.give(a, port, once, b);
    assert_ne!(first, second);
    assert_eq!(world.kinds(b, first), Some(SEND_ONCE));
    assert_eq!(world.refs(b, first, Right::MACH_PORT_RIGHT_SEND_ONCE), 1);
    assert_eq!(world.mod_refs(b, first, Right::MACH_PORT_RIGHT_SEND_ONCE, 1), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.mod_refs(b, first, Right::MACH_PORT_RIGHT_SEND_ONCE, 0), Ok(()));
    assert_eq!(world.mod_refs(b, first, Right::MACH_PORT_RIGHT_SEND_ONCE, -1), Ok(()));
    assert_eq!(world.kinds(b, first), None);
}

#[test]
fn send_and_receive_of_one_port_have_one_name() {
    let (world, a, b) = two();
    let port = world.receive_right(a);
    let there = world.give(a, port, Type::MACH_MSG_TYPE_MAKE_SEND, b);
    assert_eq!(world.give(b, there, Type::MACH_MSG_TYPE_COPY_SEND, a), port);
    assert_eq!(world.kinds(a, port), Some(SEND | RECEIVE));
    // The receive right follows the send right that is there.
    assert_eq!(world.give(a, port, Type::MACH_MSG_TYPE_MOVE_RECEIVE, b), there);
    assert_eq!(world.kinds(b, there), Some(SEND | RECEIVE));
    assert_eq!(world.kinds(a, port), Some(SEND));
}

#[test]
fn user_references_stop_at_their_maximum() {
    let (world, task) = one();
    let port = world.send_receive(task);
    let send = Right::MACH_PORT_RIGHT_SEND;
    assert_eq!(world.mod_refs(task, port, send, UREFS_MAX as i32 - 2), Ok(()));
    assert_eq!(world.refs(task, port, send), UREFS_MAX - 1);
    assert_eq!(world.insert(task, port, port, Type::MACH_MSG_TYPE_COPY_SEND), Ok(()));
    assert_eq!(world.insert(task, port, port, Type::MACH_MSG_TYPE_COPY_SEND), Ok(()));
    assert_eq!(world.refs(task, port, send), UREFS_MAX);
    // So many are never fewer, but all can be given up.
    assert_eq!(world.mod_refs(task, port, send, -5), Ok(()));
    assert_eq!(world.dealloc(task, port), Ok(()));
    assert_eq!(world.refs(task, port, send), UREFS_MAX);
    let over = UREFS_MAX as i32 + 1;
    assert_eq!(world.mod_refs(task, port, send, over), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.mod_refs(task, port, send, -over), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.mod_refs(task, port, send, i32::MIN), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.mod_refs(task, port, send, -(UREFS_MAX as i32)), Ok(()));
    assert_eq!(world.kinds(task, port), Some(RECEIVE));
}

#[test]
fn mod_refs_checks_what_it_is_asked() {
    let (world, task) = one();
    let port = world.send_receive(task);
    let set = world.set(task);
    let (send, receive) = (Right::MACH_PORT_RIGHT_SEND, Right::MACH_PORT_RIGHT_RECEIVE);
    assert_eq!(world.mod_refs(task, port, Right::new(6), 0), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.mod_refs(task, 0x70003, send, 0), Err(Kern::KERN_INVALID_NAME));
    assert_eq!(world.mod_refs(task, port, Right::MACH_PORT_RIGHT_LABELH, 0), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(world.mod_refs(task, port, send, -2), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.mod_refs(task, port, receive, 1), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.mod_refs(task, port, receive, 0), Ok(()));
    assert_eq!(world.mod_refs(task, set, receive, -1), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(
        world.mod_refs(task, port, Right::MACH_PORT_RIGHT_PORT_SET, -1),
        Err(Kern::KERN_INVALID_RIGHT)
    );
    assert_eq!(world.mod_refs(task, set, Right::MACH_PORT_RIGHT_PORT_SET, -2), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(
        world.mod_refs(task, port, Right::MACH_PORT_RIGHT_DEAD_NAME, 1),
        Err(Kern::KERN_INVALID_RIGHT)
    );
    assert_eq!(world.mod_refs(task, set, Right::MACH_PORT_RIGHT_PORT_SET, -1), Ok(()));
    assert_eq!(world.kinds(task, set), None);
}

#[test]
fn making_a_send_right_by_delta_is_refused_without_a_guard_exception() {
    let (world, task) = one();
    let port = world.receive_right(task);
    world.take_guard_exception(task);
    let send = Right::MACH_PORT_RIGHT_SEND;
    assert_eq!(world.mod_refs(task, port, send, 1), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(world.guard_reason(task), None);
    assert_eq!(world.mod_refs(task, port, send, -1), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(world.guard_reason(task), Some(GuardReason::InvalidRight as u32));
}

#[test]
fn rights_of_a_dead_port_become_dead_names() {
    let (world, a, b) = two();
    let port = world.receive_right(a);
    let send = world.give(a, port, Type::MACH_MSG_TYPE_MAKE_SEND, b);
    assert_eq!(world.give(a, port, Type::MACH_MSG_TYPE_MAKE_SEND, b), send);
    let once = world.give(a, port, Type::MACH_MSG_TYPE_MAKE_SEND_ONCE, b);
    assert_eq!(world.mod_refs(a, port, Right::MACH_PORT_RIGHT_RECEIVE, -1), Ok(()));
    assert_eq!(world.kinds(b, send), Some(DEAD_NAME));
    assert_eq!(world.refs(b, send, Right::MACH_PORT_RIGHT_DEAD_NAME), 2);
    assert_eq!(world.refs(b, once, Right::MACH_PORT_RIGHT_DEAD_NAME), 1);
    assert_eq!(world.mod_refs(b, send, Right::MACH_PORT_RIGHT_SEND, -1), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(world.mod_refs(b, send, Right::MACH_PORT_RIGHT_DEAD_NAME, 3), Ok(()));
    assert_eq!(world.mod_refs(b, send, Right::MACH_PORT_RIGHT_DEAD_NAME, -5), Ok(()));
    assert_eq!(world.kinds(b, send), None);
    assert_eq!(world.dealloc(b, once), Ok(()));
    assert_eq!(world.usage().ports, 6, "the ports of two tasks and two threads, and no other");
}

#[test]
fn giving_up_receive_leaves_the_own_send_right_dead() {
    let (world, task) = one();
    let port = world.send_receive(task);
    assert_eq!(world.mod_refs(task, port, Right::MACH_PORT_RIGHT_RECEIVE, -1), Ok(()));
    assert_eq!(world.kinds(task, port), Some(DEAD_NAME));
    // A second time is a common mistake and no violation.
    assert_eq!(world.mod_refs(task, port, Right::MACH_PORT_RIGHT_RECEIVE, -1), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(world.guard_reason(task), None);
}

#[test]
fn deallocate_needs_a_right_that_counts() {
    let (world, task) = one();
    let port = world.receive_right(task);
    assert_eq!(world.dealloc(task, port), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(world.guard_reason(task), Some(GuardReason::InvalidRight as u32));
    let set = world.set(task);
    assert_eq!(world.dealloc(task, set), Ok(()));
    assert_eq!(world.dealloc(task, set), Err(Kern::KERN_INVALID_NAME));
}

#[test]
fn insert_right_checks_name_and_right() {
    let (world, a, b) = two();
    let port = world.receive_right(a);
    let make = Type::MACH_MSG_TYPE_MAKE_SEND;
    assert_eq!(world.insert(a, 0, port, make), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.insert(a, DEAD, port, make), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.insert(a, port, 0x90003, make), Err(Kern::KERN_INVALID_NAME));
    assert_eq!(world.insert(a, port, port, Type::new(99)), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(world.insert(a, port, port, Type::MACH_MSG_TYPE_COPY_SEND), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(world.insert(a, 0x40_0003, port, make), Err(Kern::KERN_RIGHT_EXISTS));
    let other = world.receive_right(a);
    assert_eq!(world.insert(a, other, port, Type::MACH_MSG_TYPE_MAKE_SEND_ONCE), Err(Kern::KERN_NAME_EXISTS));
    assert_eq!(world.insert(a, 0x40_0003, port, Type::MACH_MSG_TYPE_MAKE_SEND_ONCE), Ok(()));
    assert_eq!(world.kinds(a, 0x40_0003), Some(SEND_ONCE));
    let there = world.give(a, port, make, b);
    assert_eq!(world.destroy(a, port), Ok(()));
    assert_eq!(
        world.insert(b, there, there, Type::MACH_MSG_TYPE_COPY_SEND),
        Err(Kern::KERN_INVALID_CAPABILITY)
    );
    assert_eq!(
        world.insert(b, 0x50_0003, there, Type::MACH_MSG_TYPE_COPY_SEND),
        Err(Kern::KERN_INVALID_CAPABILITY)
    );
}

#[test]
fn extract_right_moves_copies_and_makes() {
    let (world, a, b) = two();
    let port = world.send_receive(a);
    let extract = |name, disposition| world.mach_port_extract_right(b, a.task, name, disposition);
    let (there, kind) = extract(port, Type::MACH_MSG_TYPE_COPY_SEND).unwrap();
    assert_eq!(kind, Type::MACH_MSG_TYPE_PORT_SEND);
    assert_eq!(extract(port, Type::MACH_MSG_TYPE_MOVE_SEND), Ok((there, kind)));
    assert_eq!(world.refs(b, there, Right::MACH_PORT_RIGHT_SEND), 2);
    assert_eq!(world.kinds(a, port), Some(RECEIVE));
    assert_eq!(extract(port, Type::MACH_MSG_TYPE_MOVE_SEND), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(extract(port, Type::MACH_MSG_TYPE_MOVE_SEND_ONCE), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(extract(port, Type::new(3)), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(extract(0, Type::MACH_MSG_TYPE_COPY_SEND), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(extract(0x90003, Type::MACH_MSG_TYPE_COPY_SEND), Err(Kern::KERN_INVALID_NAME));
    let dead = world.allocate(a, Right::MACH_PORT_RIGHT_DEAD_NAME, None).unwrap();
    assert_eq!(extract(dead, Type::MACH_MSG_TYPE_MOVE_SEND), Ok((DEAD, kind)));
    assert_eq!(world.kinds(a, dead), None);
}

#[test]
fn names_lists_everything_with_what_it_stands_for() {
    let (world, a, b) = two();
    let port = world.send_receive(a);
    let set = world.set(a);
    let others = world.receive_right(b);
    let dying = world.give(b, others, Type::MACH_MSG_TYPE_MAKE_SEND, a);
    let once = Type::MACH_MSG_TYPE_MAKE_SEND_ONCE;
    let dead_name = xnu_abi::darwin::mach_port::NotifyId::MACH_NOTIFY_DEAD_NAME;
    world.mach_port_request_notification(a, a.task, dying, dead_name, 0, port, once).unwrap();
    let listed = world.mach_port_names(a, a.task).unwrap();
    assert_eq!(listed, [(port, SEND | RECEIVE), (set, PORT_SET), (dying, SEND | DNREQUEST)]);
    world.destroy(b, others).unwrap();
    let listed = world.mach_port_names(a, a.task).unwrap();
    assert_eq!(listed, [(port, SEND | RECEIVE), (set, PORT_SET), (dying, DEAD_NAME)]);
    assert_eq!(world.refs(a, dying, Right::MACH_PORT_RIGHT_DEAD_NAME), 2, "one more for the notification");
}

#[test]
fn destruct_gives_up_receive_and_some_send_rights() {
    let (world, task) = one();
    let destruct = |name, delta, guard| world.mach_port_destruct(task, task.task, name, delta, guard);
    let port = world.send_receive(task);
    assert_eq!(destruct(port, 1, 0), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(destruct(port, -2, 0), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(destruct(port, i32::MIN, 0), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(destruct(port, -1, 0), Ok(()));
    assert_eq!(world.kinds(task, port), None);
    let port = world.send_receive(task);
    assert_eq!(destruct(port, 0, 0), Ok(()));
    assert_eq!(world.kinds(task, port), Some(DEAD_NAME));
    assert_eq!(destruct(port, 0, 0), Err(Kern::KERN_INVALID_RIGHT));
    let port = world.receive_right(task);
    assert_eq!(destruct(port, -1, 0), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(destruct(0x90003, 0, 0), Err(Kern::KERN_INVALID_NAME));
}

#[test]
fn a_task_that_is_gone_has_no_names() {
    let (world, a, b) = two();
    let port = world.receive_right(a);
    let there = world.give(a, port, Type::MACH_MSG_TYPE_MAKE_SEND, b);
    let open = world.open(xnu_lkm::Process { pid: 20, ..Default::default() }).unwrap();
    let c = world.caller(open, xnu_lkm::Process { pid: 20, ..Default::default() }, 1).unwrap();
    let mine = world.receive_right(c);
    let held = world.give(c, mine, Type::MACH_MSG_TYPE_MAKE_SEND, b);
    world.release(open);
    assert_eq!(world.mach_port_type(a, c.task, mine), Err(Kern::KERN_INVALID_TASK));
    assert_eq!(world.mach_port_names(a, c.task), Err(Kern::KERN_INVALID_TASK));
    assert_eq!(
        world.mach_port_allocate(a, c.task, Right::MACH_PORT_RIGHT_RECEIVE, None),
        Err(Kern::KERN_INVALID_TASK)
    );
    assert_eq!(
        world.mach_port_allocate(a, c.task, Right::MACH_PORT_RIGHT_PORT_SET, None),
        Err(Kern::KERN_INVALID_TASK)
    );
    assert_eq!(
        world.mach_port_allocate(a, c.task, Right::MACH_PORT_RIGHT_DEAD_NAME, None),
        Err(Kern::KERN_INVALID_TASK)
    );
    assert_eq!(world.kinds(b, held), Some(DEAD_NAME));
    assert_eq!(world.kinds(b, there), Some(SEND));
}
