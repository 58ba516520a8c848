//! What messages carry beside their bytes: ports, memory, arrays of ports, guarded ports.

mod common;

use common::message::{
    Message, RECEIVE_NOW, ROOM, SEND_NOW, guarded_descriptor, memory_descriptor, port_descriptor,
    ports_descriptor,
};
use common::message::{Setting, setting};
use common::{DEAD_NAME, RECEIVE, SEND_ONCE, World};
use xnu_abi::darwin::kern_return::MachMsgReturn as Mach;
use xnu_abi::darwin::mach_message::{MsgOption, MsgType as Type};
use xnu_abi::darwin::mach_port::PortRight as Right;
use xnu_lkm::{Caller, GuardReason, MachMsg};

const SUCCESS: Mach = Mach::MACH_MSG_SUCCESS;
const COPY: Type = Type::MACH_MSG_TYPE_COPY_SEND;
const MOVE: Type = Type::MACH_MSG_TYPE_MOVE_SEND;
const MAKE: Type = Type::MACH_MSG_TYPE_MAKE_SEND;
const ONCE: Type = Type::MACH_MSG_TYPE_MAKE_SEND_ONCE;
const MOVE_RECEIVE: Type = Type::MACH_MSG_TYPE_MOVE_RECEIVE;

#[test]
fn ports_travel_in_bodies() {
    let Setting { world, a, b, port, there } = setting();
    let mine = world.receive_right(b);
    let dead = world.mach_port_allocate(b, b.task, Right::MACH_PORT_RIGHT_DEAD_NAME, None).unwrap();
    let message = Message::to(there, COPY, 5)
        .with(port_descriptor(mine, MAKE))
        .with(port_descriptor(mine, ONCE))
        .with(port_descriptor(mine, MOVE_RECEIVE))
        .with(port_descriptor(0, COPY))
        .with(port_descriptor(u32::MAX, COPY))
        .with(port_descriptor(dead, COPY))
        .data(b"tail");
    assert_eq!(world.send(b, &message), SUCCESS);
    assert_eq!(world.kinds(b, mine), None);
    let got = world.receive(a, port).unwrap();
    assert_eq!((got.word(24), got.size()), (6, 28 + 6 * 12 + 4));
    let names: Vec<u32> = (0..6).map(|n| got.word(28 + 12 * n)).collect();
    assert_eq!(names[0], names[2]);
    assert_eq!(world.kinds(a, names[0]), Some(common::SEND | RECEIVE));
    assert_eq!(world.kinds(a, names[1]), Some(SEND_ONCE));
    assert_eq!(names[3..], [0, u32::MAX, u32::MAX]);
    let kinds: Vec<u8> = (0..6).map(|n| got.bytes[28 + 12 * n + 10]).collect();
    assert_eq!(kinds, [17, 18, 16, 17, 17, 17]);
    assert_eq!(&got.bytes[100..104], b"tail");
}

#[test]
fn a_wrong_right_in_the_body_destroys_what_was_taken() {
    let Setting { world, b, there, .. } = setting();
    let mine = world.receive_right(b);
    let message = Message::to(there, MOVE, 5)
        .with(port_descriptor(mine, MOVE_RECEIVE))
        .with(port_descriptor(0x90003, COPY));
    assert_eq!(world.send(b, &message), Mach::MACH_SEND_INVALID_RIGHT);
    assert_eq!((world.kinds(b, mine), world.kinds(b, there)), (None, None));
    let other = world.receive_right(b);
    let there = world.send_receive(b);
    let message = Message::to(there, COPY, 5).with(port_descriptor(other, COPY));
    assert_eq!(world.send(b, &message), Mach::MACH_SEND_INVALID_RIGHT);
    assert_eq!(world.guard_reason(b), Some(GuardReason::SendInvalidRight as u32));
    assert_eq!(world.usage().messages, 0);
}

#[test]
fn memory_travels_by_copy() {
    let Setting { world, a, b, port, there } = setting();
    for (copy, deallocate) in [(0, false), (1, false), (0, true), (1, true)] {
        let address = world.alloc(b, 10_000);
        world.write(b, address + 100, b"out of line");
        let ranges = world.memory(b, |memory| memory.ranges());
        let message =
            Message::to(there, COPY, 5).with(memory_descriptor(address + 100, 9000, copy, deallocate));
        assert_eq!(world.send(b, &message), SUCCESS);
        let left = ranges - usize::from(deallocate);
        assert_eq!(world.memory(b, |memory| memory.ranges()), left);
        let got = world.receive(a, port).unwrap();
        let (there, size) = (got.double(28), got.word(40));
        assert_eq!((size, got.bytes[36..40].to_vec()), (9000, vec![copy, copy, 0, 1]));
        assert_eq!(world.read(a, there, 11), b"out of line");
    }
    assert_eq!((world.usage().regions, world.engine.host().regions.get()), (0, 0));
}

#[test]
fn memory_that_cannot_be_read_or_given_is_refused() {
    let Setting { world, a, b, port, there } = setting();
    let send = |descriptor| world.send(b, &Message::to(there, COPY, 5).with(descriptor));
    assert_eq!(send(memory_descriptor(0x10, 100, 1, false)), Mach::MACH_SEND_INVALID_MEMORY);
    assert_eq!(send(memory_descriptor(0x10, 0, 1, false)), SUCCESS, "nothing can be anywhere");
    assert_eq!(world.receive(a, port).unwrap().double(28), 0);
    assert_eq!(send(memory_descriptor(0x10, 100, 2, false)), Mach::MACH_SEND_INVALID_TYPE);
    let mut unknown = memory_descriptor(0, 0, 1, false);
    unknown[11] = 9;
    assert_eq!(send(unknown), Mach::MACH_SEND_INVALID_TYPE);
    let address = world.alloc(b, 100);
    let huge = send(memory_descriptor(address, 64 << 20, 0, false));
    assert_eq!(huge.number(), 0x400, "MACH_MSG_VM_KERNEL");
    assert_eq!(send(memory_descriptor(address, 100, 1, false)), SUCCESS);
    world.engine.host().refuse_memory.set(true);
    let call = MachMsg {
        address: world.memory(a, |memory| memory.allocate(4096)),
        options: RECEIVE_NOW.bits() as u32,
        receive_size: ROOM,
        receive_name: port,
        ..MachMsg::default()
    };
    assert_eq!(world.mach_msg(a, &call).number(), 0x1000_400c | 0x1000, "body error, no room");
    assert_eq!(world.read(a, call.address + 28, 8), [0; 8]);
    assert_eq!(world.read(a, call.address + 40, 4), [0; 4]);
    assert_eq!(world.engine.host().regions.get(), 0);
}

#[test]
fn arrays_of_ports_travel() {
    let Setting { world, a, b, port, there } = setting();
    let mine = [world.receive_right(b), world.receive_right(b)];
    let address = world.alloc(b, 100);
    let names = [mine[0], 0, mine[1], u32::MAX];
    let bytes: Vec<u8> = names.iter().flat_map(|name| name.to_le_bytes()).collect();
    world.write(b, address, &bytes);
    let ranges = world.memory(b, |memory| memory.ranges());
    let message = Message::to(there, COPY, 5).with(ports_descriptor(address, 4, MAKE, true));
    assert_eq!(world.send(b, &message), SUCCESS);
    assert_eq!(world.memory(b, |memory| memory.ranges()), ranges - 1);
    let got = world.receive(a, port).unwrap();
    assert_eq!((got.bytes[36..40].to_vec(), got.word(40)), (vec![1, 1, 17, 2], 4));
    let there = world.read(a, got.double(28), 16);
    let names: Vec<u32> = there.as_chunks::<4>().0.iter().map(|name| u32::from_le_bytes(*name)).collect();
    assert_eq!((names[1], names[3]), (0, u32::MAX));
    assert_eq!(world.kinds(a, names[0]), Some(common::SEND));
    assert_ne!(names[0], names[2]);
    let send =
        |descriptor| world.send(b, &Message::to(self::there(&world, a, port, b), COPY, 5).with(descriptor));
    assert_eq!(send(ports_descriptor(0x10, 4, MAKE, false)), Mach::MACH_SEND_INVALID_MEMORY);
    assert_eq!(send(ports_descriptor(0x10, 16_384, MAKE, false)), Mach::MACH_SEND_TOO_LARGE);
    assert_eq!(send(ports_descriptor(0, 0, MAKE, false)), SUCCESS);
}

#[test]
fn an_array_is_given_away_once_it_is_read() {
    let Setting { world, b, there, .. } = setting();
    let mine = world.receive_right(b);
    let send = |to, second: u32, short: bool| {
        let page = world.alloc(b, 4096);
        let address = if short { page + 4092 } else { page };
        world.write(b, address, &mine.to_le_bytes());
        if !short {
            world.write(b, address + 4, &second.to_le_bytes());
        }
        let message = Message::to(to, COPY, 5).with(ports_descriptor(address, 2, MAKE, true));
        (world.send(b, &message), world.memory(b, |memory| memory.has(page)))
    };
    assert_eq!(send(there, mine, false), (SUCCESS, false));
    assert_eq!(send(there, 0x90003, false), (Mach::MACH_SEND_INVALID_RIGHT, false));
    assert_eq!(send(there, mine, true), (Mach::MACH_SEND_INVALID_MEMORY, true));
    assert_eq!(send(0x90003, mine, false), (Mach::MACH_SEND_INVALID_DEST, true));
}

#[test]
fn an_array_that_finds_no_room_on_its_way_back_is_told_of_beside_the_error() {
    let Setting { world, b, there, .. } = setting();
    (0..5).for_each(|id| assert_eq!(world.send(b, &Message::to(there, COPY, id)), SUCCESS));
    let mine = world.receive_right(b);
    let address = world.alloc(b, 4);
    world.write(b, address, &mine.to_le_bytes());
    world.engine.host().refuse_memory.set(true);
    let message = Message::to(there, COPY, 5).with(ports_descriptor(address, 1, MOVE_RECEIVE, false));
    let (result, back) = world.send_with(b, &message, SEND_NOW, 0);
    assert_eq!(result.number(), 0x1000_0004 | 0x1000, "timed out, no room in the address space");
    assert_eq!((back.double(28), back.word(40)), (0, 1));
    assert_eq!(world.kinds(b, mine), None, "its rights died");
}

fn there(world: &World, a: Caller, port: u32, b: Caller) -> u32 {
    world.give(a, port, COPY, b)
}

#[test]
fn guarded_receive_rights_arrive_guarded() {
    let Setting { world, a, b, port, there } = setting();
    let mine = world.receive_right(b);
    world.mach_port_guard(b, b.task, mine, 55, xnu_abi::darwin::mach_port::PortGuardFlags::empty()).unwrap();
    let send = |context, flags| {
        world.send(b, &Message::to(there, COPY, 5).with(guarded_descriptor(mine, context, flags)))
    };
    assert_eq!(send(0, 0), Mach::MACH_SEND_INVALID_TYPE);
    assert_eq!(send(1, 2), Mach::MACH_SEND_INVALID_TYPE);
    assert_eq!(send(54, 1), Mach::MACH_SEND_INVALID_RIGHT);
    assert_eq!(world.guard_reason(b), Some(GuardReason::IncorrectGuard as u32));
    assert_eq!(send(55, 1), SUCCESS);
    let wants = RECEIVE_NOW | MsgOption::MACH64_RCV_GUARDED_DESC;
    let (result, got) = world.receive_with(a, port, wants, ROOM, 0);
    assert_eq!(result, SUCCESS);
    let (context, name) = (got.double(28), got.word(40));
    assert_eq!(got.bytes[36..40], [1, 0, 16, 4]);
    assert_eq!(world.mach_port_get_context(a, a.task, name), Ok(context));
    assert!(world.mach_port_destroy(a, a.task, name).is_err());
    let moved = world.mach_port_extract_right(b, a.task, name, MOVE_RECEIVE);
    assert!(moved.is_err(), "it stays where it is");
    // Who does not ask for guards gets no port.
    let other = world.receive_right(b);
    let message = Message::to(there, COPY, 5).with(guarded_descriptor(other, 0, 3));
    assert_eq!(world.send(b, &message), SUCCESS);
    let got = world.receive(a, port).unwrap();
    assert_eq!((got.double(28), got.word(40)), (0, 0));
}

#[test]
fn a_receive_right_sent_to_itself_dies_with_the_message() {
    let Setting { world, a, port, .. } = setting();
    let message = Message::to(port, COPY, 5).with(port_descriptor(port, MOVE_RECEIVE));
    assert_eq!(world.send(a, &message), SUCCESS);
    assert_eq!(world.kinds(a, port), Some(DEAD_NAME));
    // In a ring of two as well.
    let (p, q) = (world.send_receive(a), world.send_receive(a));
    let send =
        |to, carried| world.send(a, &Message::to(to, COPY, 5).with(port_descriptor(carried, MOVE_RECEIVE)));
    assert_eq!(send(p, q), SUCCESS);
    assert_eq!(world.kinds(a, q), Some(common::SEND));
    assert_eq!(send(q, p), SUCCESS);
    assert_eq!((world.kinds(a, p), world.kinds(a, q)), (Some(DEAD_NAME), Some(DEAD_NAME)));
    assert_eq!(world.usage().messages, 0);
}

#[test]
fn messages_follow_their_port() {
    let Setting { world, a, b, port, there } = setting();
    world.send(b, &Message::to(there, COPY, 1));
    let carrier = world.send_receive(b);
    let gift = world.give(b, carrier, COPY, a);
    let message = Message::to(gift, COPY, 2).with(port_descriptor(port, MOVE_RECEIVE));
    assert_eq!(world.send(a, &message), SUCCESS);
    world.send(b, &Message::to(there, COPY, 3));
    assert_eq!(world.receive(b, carrier).unwrap().word(28), there);
    assert_eq!(world.drain(b, there), [1, 3]);
}

#[test]
fn deep_chains_of_ports_in_messages_die_without_recursion() {
    let Setting { world, a, .. } = setting();
    let first = world.send_receive(a);
    let mut last = first;
    for _ in 0..20_000 {
        let next = world.send_receive(a);
        let message = Message::to(next, COPY, 0).with(port_descriptor(last, MOVE_RECEIVE));
        assert_eq!(world.send(a, &message), SUCCESS);
        world.mach_port_deallocate(a, a.task, last).unwrap();
        last = next;
    }
    world.mach_port_destroy(a, a.task, last).unwrap();
    assert_eq!(world.usage().messages, 0);
    assert_eq!(world.usage().ports, 7, "those of the tasks and threads, and one");
}
