//! What tasks have of those that they come from.

mod common;

use common::World;
use common::message::{self, Message, ROOM, port_descriptor};
use xnu_abi::darwin::mach_message::{MsgOption, MsgType as Type};
use xnu_lkm::{Caller, Identity, Process, ThreadId};

const NDR: [u8; 8] = [0, 0, 0, 0, 1, 0, 0, 0];
const BOOTSTRAP: u32 = 4;
const RESOURCE_NOTIFY: u32 = 11;

fn process(pid: i32, parent: i32) -> Process {
    Process { pid, parent, uid: 501, gid: 20 }
}

fn set_special(world: &World, of: Caller, which: u32, port: u32) {
    let task = world.task_self(of);
    let data = [&NDR[..], &which.to_le_bytes()].concat();
    let message = Message::to(task, Type::MACH_MSG_TYPE_COPY_SEND, 3410)
        .with(port_descriptor(port, Type::MACH_MSG_TYPE_COPY_SEND))
        .data(&data);
    assert_eq!(world.send(of, &message).number(), 0);
}

fn special(world: &World, of: Caller, which: u32) -> u32 {
    let (task, reply) = (world.task_self(of), world.receive_right(of));
    let message = Message::to(task, Type::MACH_MSG_TYPE_COPY_SEND, 3409)
        .reply(reply, Type::MACH_MSG_TYPE_MAKE_SEND_ONCE)
        .data(&[&NDR[..], &which.to_le_bytes()].concat());
    assert_eq!(world.send(of, &message).number(), 0);
    world.receive(of, reply).unwrap().word(28)
}

#[test]
fn a_child_has_the_bootstrap_port_and_no_port_of_notifications() {
    let world = World::new();
    let open = world.open(process(5, 1)).unwrap();
    let parent = world.caller(open, process(5, 1), 5).unwrap();
    let port = world.send_receive(parent);
    set_special(&world, parent, BOOTSTRAP, port);
    set_special(&world, parent, RESOURCE_NOTIFY, port);
    let child = world.caller(open, process(6, 5), 6).unwrap();
    let inherited = special(&world, child, BOOTSTRAP);
    assert_ne!(inherited, 0);
    assert_eq!(special(&world, child, RESOURCE_NOTIFY), 0);
    world.send(child, &Message::to(inherited, Type::MACH_MSG_TYPE_COPY_SEND, 9));
    assert_eq!(world.drain(parent, port), [9]);
}

#[test]
fn another_engine_has_what_it_has_itself() {
    let (world, other) = (World::new(), World::new());
    let open = world.open(process(5, 1)).unwrap();
    let parent = world.caller(open, process(5, 1), 5).unwrap();
    let host = world.host_self(parent);
    set_special(&world, parent, BOOTSTRAP, host);
    world.freeze();
    world.thaw();
    let legacy = world.legacy(open, parent.thread).unwrap();
    let childs = other.open(process(6, 5)).unwrap();
    other.inherit(childs, &legacy);
    let child = other.caller(childs, process(6, 5), 6).unwrap();
    assert_eq!(special(&other, child, BOOTSTRAP), other.host_self(child));
    // A port of a task's own is in its engine alone.
    set_special(&world, parent, BOOTSTRAP, world.send_receive(parent));
    let legacy = world.legacy(open, ThreadId::NONE).unwrap();
    let next = other.open(process(7, 5)).unwrap();
    other.inherit(next, &legacy);
    let child = other.caller(next, process(7, 5), 7).unwrap();
    assert_eq!(special(&other, child, BOOTSTRAP), 0);
}

#[test]
fn memory_on_its_way_goes_back_when_an_engine_is_left_behind() {
    let world = World::new();
    let open = world.open(process(5, 1)).unwrap();
    let task = world.caller(open, process(5, 1), 5).unwrap();
    let port = world.send_receive(task);
    let memory = world.alloc(task, 64);
    let message = Message::to(port, Type::MACH_MSG_TYPE_COPY_SEND, 1)
        .with(message::memory_descriptor(memory, 64, 1, false));
    assert_eq!(world.send(task, &message).number(), 0);
    assert_eq!(world.engine.host().regions.get(), 1);
    world.legacy(open, task.thread);
    assert_eq!(world.engine.host().regions.get(), 0);
}

#[test]
fn messages_say_who_sends_them_now() {
    let world = World::new();
    let task = world.task(5);
    let port = world.send_receive(task);
    let sender = |world: &World| {
        world.send(task, &Message::to(port, Type::MACH_MSG_TYPE_COPY_SEND, 1));
        let options = message::RECEIVE_NOW | MsgOption::from_bits_retain(3 << 24);
        let trailer = world.receive_with(task, port, options, ROOM, 0).1.trailer();
        (12..48).step_by(4).map(|at| trailer.word(at)).collect::<Vec<_>>()
    };
    assert_eq!(sender(&world), [501, 20, u32::MAX, 501, 20, 501, 20, 5, 0]);
    let identity = Identity { auditor: 3, session: 4, real_uid: 7, real_gid: 8, ..Identity::plain(502, 30) };
    world.set_identity(task.task, identity);
    assert_eq!(sender(&world), [502, 30, 3, 502, 30, 7, 8, 5, 4]);
}
