//! Attributes, contexts, guards and sets of ports.

mod common;

use common::message::Message;
use common::{RECEIVE, SEND, World};
use xnu_abi::darwin::kern_return::{KernReturn as Kern, MachMsgReturn};
use xnu_abi::darwin::mach_message::MsgType as Type;
use xnu_abi::darwin::mach_port::{
    MachPortOptions, PortFlavor as Flavor, PortGuardFlags as Guard, PortOptions as Mpo, PortRight as Right,
};
use xnu_lkm::{Caller, GuardReason as Reason};

fn one() -> (World, Caller) {
    let world = World::new();
    let task = world.task(10);
    (world, task)
}

impl World {
    fn get(&self, of: Caller, name: u32, flavor: Flavor, count: u32) -> Result<Vec<u32>, Kern> {
        self.mach_port_get_attributes(of, of.task, name, flavor, count)
    }

    fn put(&self, of: Caller, name: u32, flavor: Flavor, info: &[u32]) -> Result<(), Kern> {
        self.mach_port_set_attributes(of, of.task, name, flavor, info)
    }

    fn construct(&self, of: Caller, flags: Mpo, qlimit: u32, context: u64) -> Result<u32, Kern> {
        self.mach_port_construct(of, of.task, MachPortOptions { flags, mpl: qlimit }, 0, context)
    }
}

#[test]
fn limits_are_five_unless_set() {
    let (world, task) = one();
    let port = world.receive_right(task);
    let limits = Flavor::MACH_PORT_LIMITS_INFO;
    assert_eq!(world.get(task, port, limits, 1), Ok(vec![5]));
    assert_eq!(world.put(task, port, limits, &[1024]), Ok(()));
    assert_eq!(world.put(task, port, limits, &[1025]), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.put(task, port, limits, &[]), Err(Kern::KERN_FAILURE));
    assert_eq!(world.put(task, 0, limits, &[1]), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(world.get(task, port, limits, 0), Err(Kern::KERN_FAILURE));
    assert_eq!(world.get(task, port, limits, 1), Ok(vec![1024]));
    assert_eq!(world.get(task, 0, limits, 1), Ok(vec![]));
    assert_eq!(world.get(task, port, Flavor::new(99), 9), Err(Kern::KERN_INVALID_ARGUMENT));
    assert_eq!(world.put(task, port, Flavor::new(99), &[]), Err(Kern::KERN_INVALID_ARGUMENT));
    let throttled = Flavor::MACH_PORT_SERVICE_THROTTLED;
    assert_eq!(world.get(task, port, throttled, 1), Err(Kern::KERN_INVALID_CAPABILITY));
    assert_eq!(world.put(task, port, throttled, &[1]), Err(Kern::KERN_INVALID_CAPABILITY));
}

#[test]
fn receive_status_says_what_is_known() {
    let (world, task) = one();
    let port = world.send_receive(task);
    let set = world.set(task);
    world.mach_port_insert_member(task, task.task, port, set).unwrap();
    world.send(task, &Message::to(port, Type::MACH_MSG_TYPE_MAKE_SEND_ONCE, 1));
    world.send(task, &Message::to(port, Type::MACH_MSG_TYPE_COPY_SEND, 2));
    world.receive(task, port).unwrap();
    let status = world.get(task, port, Flavor::MACH_PORT_RECEIVE_STATUS, 10).unwrap();
    // In a set, one received, one make, limit 5, one waiting, no send-once, send rights, nothing asked, no flags.
    assert_eq!(status, [1, 1, 1, 5, 1, 0, 1, 0, 0, 0]);
    assert_eq!(world.get(task, port, Flavor::MACH_PORT_RECEIVE_STATUS, 9), Err(Kern::KERN_FAILURE));
    let more = world.get(task, port, Flavor::MACH_PORT_INFO_EXT, 17).unwrap();
    assert_eq!((more.len(), &more[..10]), (17, &status[..]));
    assert_eq!(world.get(task, port, Flavor::MACH_PORT_INFO_EXT, 16), Err(Kern::KERN_FAILURE));
    assert_eq!(world.get(task, set, Flavor::MACH_PORT_RECEIVE_STATUS, 10), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(world.get(task, port, Flavor::MACH_PORT_DNREQUESTS_SIZE, 1), Ok(vec![0]));
}

#[test]
fn importance_and_ownership_are_flags() {
    let (world, task) = one();
    let port = world.receive_right(task);
    assert_eq!(world.put(task, port, Flavor::MACH_PORT_IMPORTANCE_RECEIVER, &[]), Ok(()));
    let flags = |world: &World| world.get(task, port, Flavor::MACH_PORT_RECEIVE_STATUS, 10).unwrap()[9];
    assert_eq!(flags(&world), 0x08);
    assert_eq!(world.put(task, port, Flavor::MACH_PORT_TEMPOWNER, &[]), Ok(()));
    assert_eq!(flags(&world), 0x09);
    let special = world.thread_get_special_reply_port(task);
    assert_eq!(world.put(task, special, Flavor::MACH_PORT_TEMPOWNER, &[]), Err(Kern::KERN_INVALID_ARGUMENT));
}

#[test]
fn construct_makes_what_its_options_say() {
    let (world, task) = one();
    let port = world.construct(task, Mpo::MPO_INSERT_SEND_RIGHT | Mpo::MPO_QLIMIT, 16, 0x55).unwrap();
    assert_eq!(world.kinds(task, port), Some(SEND | RECEIVE));
    assert_eq!(world.get(task, port, Flavor::MACH_PORT_LIMITS_INFO, 1), Ok(vec![16]));
    assert_eq!(world.mach_port_get_context(task, task.task, port), Ok(0x55));
    let guarded = Mpo::MPO_CONTEXT_AS_GUARD | Mpo::MPO_STRICT | Mpo::MPO_IMMOVABLE_RECEIVE;
    let port = world.construct(task, guarded, 0, 0x66).unwrap();
    assert_eq!(world.mach_port_get_context(task, task.task, port), Ok(0), "strict guards are secret");
    assert_eq!(world.get(task, port, Flavor::MACH_PORT_RECEIVE_STATUS, 10).unwrap()[9], 0x46);
    assert_eq!(world.construct(task, Mpo::MPO_QLIMIT, 1025, 0), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.construct(task, Mpo::MPO_SERVICE_PORT, 0, 0), Err(Kern::KERN_DENIED));
    assert_eq!(world.construct(task, Mpo::MPO_CONNECTION_PORT, 0, 0), Err(Kern::KERN_INVALID_ARGUMENT));
    let both = Mpo::MPO_SERVICE_PORT | Mpo::MPO_CONNECTION_PORT;
    assert_eq!(world.construct(task, both, 0, 0), Err(Kern::KERN_INVALID_ARGUMENT));
    let replies = Mpo::MPO_REPLY_PORT | Mpo::MPO_EXCEPTION_PORT;
    assert_eq!(world.construct(task, replies, 0, 0), Err(Kern::KERN_INVALID_ARGUMENT));
    assert!(world.construct(task, Mpo::MPO_REPLY_PORT, 0, 0).is_ok());
}

#[test]
fn a_guard_protects_a_port_from_its_own_task() {
    let (world, task) = one();
    let port = world.receive_right(task);
    assert_eq!(world.mach_port_guard(task, task.task, port, 7, Guard::empty()), Ok(()));
    assert_eq!(
        world.mach_port_guard(task, task.task, port, 8, Guard::empty()),
        Err(Kern::KERN_INVALID_ARGUMENT)
    );
    assert_eq!(world.guard_reason(task), Some(Reason::InvalidArgument as u32));
    assert_eq!(world.mach_port_destroy(task, task.task, port), Err(Kern::KERN_INVALID_RIGHT));
    let exception = world.take_guard_exception(task).unwrap();
    assert_eq!((exception.reason(), exception.name(), exception.subcode), (Reason::Destroy as u32, port, 7));
    assert_eq!(exception.code >> 61, 1, "GUARD_TYPE_MACH_PORT");
    assert!(exception.fatal);
    let receive = Right::MACH_PORT_RIGHT_RECEIVE;
    assert_eq!(world.mach_port_mod_refs(task, task.task, port, receive, -1), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(world.mach_port_destruct(task, task.task, port, 0, 8), Err(Kern::KERN_INVALID_ARGUMENT));
    assert_eq!(world.mach_port_destruct(task, task.task, port, 0, 7), Ok(()));
}

#[test]
fn guards_are_taken_off_and_swapped_with_the_old_one() {
    let (world, task) = one();
    let port = world.receive_right(task);
    let unguard = |guard| world.mach_port_unguard(task, task.task, port, guard);
    let swap = |old, new| world.mach_port_swap_guard(task, task.task, port, old, new);
    assert_eq!(unguard(1), Err(Kern::KERN_INVALID_ARGUMENT));
    assert_eq!(world.guard_reason(task), Some(Reason::Unguarded as u32));
    assert_eq!(swap(1, 2), Err(Kern::KERN_INVALID_ARGUMENT));
    assert_eq!(world.guard_reason(task), Some(Reason::Unguarded as u32));
    world.mach_port_guard(task, task.task, port, 1, Guard::empty()).unwrap();
    assert_eq!(swap(3, 2), Err(Kern::KERN_INVALID_ARGUMENT));
    assert_eq!(world.guard_reason(task), Some(Reason::IncorrectGuard as u32));
    assert_eq!(swap(1, 2), Ok(()));
    assert_eq!(unguard(1), Err(Kern::KERN_INVALID_ARGUMENT));
    assert_eq!(unguard(2), Ok(()));
    world.take_guard_exception(task);
    world.mach_port_guard(task, task.task, port, 5, Guard::MPG_STRICT).unwrap();
    assert_eq!(swap(5, 6), Err(Kern::KERN_INVALID_ARGUMENT));
    assert_eq!(world.guard_reason(task), Some(Reason::SetContext as u32));
    assert_eq!(world.mach_port_set_context(task, task.task, port, 9), Err(Kern::KERN_INVALID_ARGUMENT));
    let assert_guard = |guard: u32| {
        world.mach_port_assert_attributes(task, task.task, port, Flavor::MACH_PORT_GUARD_INFO, &[guard, 0])
    };
    assert_eq!(assert_guard(5), Ok(()));
    assert_eq!(assert_guard(6), Err(Kern::KERN_INVALID_ARGUMENT));
    for name in [0, u32::MAX] {
        assert_eq!(
            world.mach_port_guard(task, task.task, name, 1, Guard::empty()),
            Err(Kern::KERN_INVALID_NAME)
        );
    }
    assert_eq!(world.mach_port_unguard(task, task.task, 0x90003, 1), Err(Kern::KERN_INVALID_NAME));
}

#[test]
fn a_guarded_receive_right_may_be_immovable() {
    let (world, task) = one();
    let other = world.task(11);
    let port = world.receive_right(task);
    world.mach_port_guard(task, task.task, port, 7, Guard::MPG_IMMOVABLE_RECEIVE).unwrap();
    let taken = world.mach_port_extract_right(other, task.task, port, Type::MACH_MSG_TYPE_MOVE_RECEIVE);
    assert_eq!(taken, Err(Kern::KERN_INVALID_CAPABILITY));
}

#[test]
fn sets_take_ports_in_and_let_them_go() {
    let (world, task) = one();
    let (port, set, other) = (world.receive_right(task), world.set(task), world.set(task));
    let insert = |port, set| world.mach_port_insert_member(task, task.task, port, set);
    let extract = |port, set| world.mach_port_extract_member(task, task.task, port, set);
    let status = |set| world.mach_port_get_set_status(task, task.task, set);
    assert_eq!(insert(port, set), Ok(()));
    assert_eq!(insert(port, set), Err(Kern::KERN_ALREADY_IN_SET));
    assert_eq!(insert(port, other), Ok(()), "a port may be in several sets");
    assert_eq!(status(set), Ok(vec![port]));
    assert_eq!(extract(port, set), Ok(()));
    assert_eq!(extract(port, set), Err(Kern::KERN_NOT_IN_SET));
    assert_eq!(status(set), Ok(vec![]));
    assert_eq!(insert(set, port), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(insert(0, set), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(insert(port, u32::MAX), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(insert(0x90003, set), Err(Kern::KERN_INVALID_NAME));
    assert_eq!(status(port), Err(Kern::KERN_INVALID_RIGHT));
    let shift = |port, set| world.mach_port_move_member(task, task.task, port, set);
    assert_eq!(shift(port, set), Ok(()));
    assert_eq!((status(set), status(other)), (Ok(vec![port]), Ok(vec![])));
    assert_eq!(shift(port, set), Ok(()));
    assert_eq!(shift(port, 0), Ok(()));
    assert_eq!(shift(port, 0), Err(Kern::KERN_NOT_IN_SET));
    assert_eq!(shift(port, u32::MAX), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(shift(0, set), Err(Kern::KERN_INVALID_RIGHT));
    insert(port, set).unwrap();
    world.mach_port_destroy(task, task.task, port).unwrap();
    assert_eq!(status(set), Ok(vec![]));
    assert_eq!(world.usage().members, 0);
}

#[test]
fn a_set_that_goes_leaves_its_members() {
    let (world, task) = one();
    let (port, set) = (world.send_receive(task), world.set(task));
    world.mach_port_insert_member(task, task.task, port, set).unwrap();
    world.send(task, &Message::to(port, Type::MACH_MSG_TYPE_COPY_SEND, 3));
    world.mach_port_destroy(task, task.task, set).unwrap();
    assert_eq!(world.receive(task, port).unwrap().id(), 3);
    assert_eq!(world.usage().sets, 0);
}

#[test]
fn members_take_turns() {
    let (world, task) = one();
    let set = world.set(task);
    let ports: Vec<u32> = (0..3).map(|_| world.send_receive(task)).collect();
    for (index, port) in ports.iter().enumerate() {
        world.mach_port_insert_member(task, task.task, *port, set).unwrap();
        for n in 0..3 {
            world.send(task, &Message::to(*port, Type::MACH_MSG_TYPE_COPY_SEND, (index * 10 + n) as i32));
        }
    }
    let received = world.drain(task, set);
    assert_eq!(received, [0, 10, 20, 1, 11, 21, 2, 12, 22]);
}

#[test]
fn a_peek_shows_a_message_and_leaves_it() {
    let (world, task) = one();
    let port = world.send_receive(task);
    let peek = |kind, seqno, room| world.mach_port_peek(task, task.task, port, kind, seqno, room);
    assert_eq!(peek(0, 0, 8), Err(Kern::KERN_FAILURE));
    for id in [1, 2] {
        world.send(task, &Message::to(port, Type::MACH_MSG_TYPE_COPY_SEND, id).data(&[0; 8]));
    }
    assert_eq!(world.receive(task, port).unwrap().id(), 1);
    world.send(task, &Message::to(port, Type::MACH_MSG_TYPE_COPY_SEND, 3));
    let first = peek(3 << 24, 0, 52).unwrap();
    assert_eq!((first.seqno, first.size, first.id, first.trailer_size), (1, 32, 2, 52));
    assert_eq!(first.trailer.msgh_audit.val[5], 10, "the sender's pid");
    assert_eq!(peek(0, 2, 8).unwrap().id, 3);
    assert_eq!(peek(0, 3, 8), Err(Kern::KERN_FAILURE));
    assert_eq!(peek(4 << 24, 0, 100), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(peek(3 << 24, 0, 51), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.mach_port_peek(task, task.task, 0, 0, 0, 8), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(world.mach_port_peek(task, task.task, 0x90003, 0, 0, 8), Err(Kern::KERN_INVALID_NAME));
    assert_eq!(world.drain(task, port), [2, 3]);
}

#[test]
fn numbers_of_messages_and_makes_can_be_set() {
    let (world, task) = one();
    let port = world.send_receive(task);
    assert_eq!(world.mach_port_set_seqno(task, task.task, port, 40), Ok(()));
    assert_eq!(world.mach_port_set_mscount(task, task.task, port, 9), Ok(()));
    let status = world.get(task, port, Flavor::MACH_PORT_RECEIVE_STATUS, 10).unwrap();
    assert_eq!((status[1], status[2]), (40, 9));
    assert_eq!(world.mach_port_set_seqno(task, task.task, 0, 40), Err(Kern::KERN_INVALID_RIGHT));
}

#[test]
fn a_longer_queue_lets_a_waiting_sender_go_on() {
    let (world, task) = one();
    let other = world.thread(task, 2);
    let port = world.send_receive(task);
    world.put(task, port, Flavor::MACH_PORT_LIMITS_INFO, &[0]).unwrap();
    world.step(move |world| world.put(other, port, Flavor::MACH_PORT_LIMITS_INFO, &[1]).unwrap());
    let message = Message::to(port, Type::MACH_MSG_TYPE_COPY_SEND, 8);
    let (sent, _) = world.send_with(task, &message, common::message::SEND, 0);
    assert_eq!(sent, MachMsgReturn::MACH_MSG_SUCCESS);
    assert_eq!(world.drain(task, port), [8]);
}
