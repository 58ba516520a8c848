//! How processes become tasks, and what is left when they go.

mod common;

use common::message::{self, Message, ROOM};
use common::{DEAD_NAME, SEND, World};
use xnu_abi::darwin::kern_return::{KernReturn as Kern, MachMsgReturn};
use xnu_abi::darwin::mach_message::MsgType as Type;
use xnu_lkm::{End, Process, Usage};

fn process(pid: i32, parent: i32) -> Process {
    Process { pid, parent, uid: 501, gid: 20 }
}

#[test]
fn an_open_makes_a_task_and_each_thread_is_known_again() {
    let world = World::new();
    let open = world.open(process(5, 1)).unwrap();
    let first = world.caller(open, process(5, 1), 50).unwrap();
    let second = world.caller(open, process(5, 1), 51).unwrap();
    assert_eq!(first.task, second.task);
    assert_ne!(first.thread, second.thread);
    assert_eq!(world.caller(open, process(5, 1), 50), Ok(first));
    assert_eq!(world.task_of_pid(5), Some(first.task));
    assert_eq!(world.process_of(first.task), Some(process(5, 1)));
    assert_eq!(world.task_of_pid(6), None);
}

#[test]
fn a_call_by_another_process_is_a_fork() {
    let world = World::new();
    let open = world.open(process(5, 1)).unwrap();
    let parent = world.caller(open, process(5, 1), 5).unwrap();
    let port = world.receive_right(parent);
    let child = world.caller(open, process(6, 5), 6).unwrap();
    assert_ne!(child.task, parent.task);
    assert_eq!(world.kinds(child, port), None, "names are not inherited");
    world.exit(open, 6);
    assert_eq!(world.task_of_pid(6), None);
    assert_eq!(world.task_of_pid(5), Some(parent.task));
    assert_eq!(world.release(open), [(5, End::Exit)]);
}

#[test]
fn a_close_after_a_new_open_is_an_exec() {
    let world = World::new();
    let old = world.open(process(5, 1)).unwrap();
    let before = world.caller(old, process(5, 1), 5).unwrap();
    let new = world.open(process(5, 1)).unwrap();
    let after = world.caller(new, process(5, 1), 5).unwrap();
    assert_ne!(before.task, after.task);
    assert_eq!(world.release(old), [(5, End::Exec)]);
    assert_eq!(world.task_of_pid(5), Some(after.task));
    assert_eq!(world.release(new), [(5, End::Exit)]);
    assert_eq!(world.caller(new, process(5, 1), 5), Err(Kern::KERN_INVALID_TASK));
    assert_eq!(Usage { bytes: 0, ..world.usage() }, Usage::default());
}

#[test]
fn the_parts_of_a_forked_descriptor_end_together() {
    let world = World::new();
    let open = world.open(process(5, 1)).unwrap();
    world.caller(open, process(5, 1), 5).unwrap();
    world.caller(open, process(6, 5), 6).unwrap();
    let own = world.open(process(6, 5)).unwrap();
    let mut ends = world.release(open);
    ends.sort_by_key(|(pid, _)| *pid);
    assert_eq!(ends, [(5, End::Exit), (6, End::Exec)]);
    assert_eq!(world.release(own), [(6, End::Exit)]);
}

#[test]
fn each_version_of_a_pid_is_told_apart() {
    let world = World::new();
    let server = world.task(1);
    let port = world.send_receive(server);
    let mut versions = Vec::new();
    for _ in 0..2 {
        let open = world.open(process(7, 0)).unwrap();
        let client = world.caller(open, process(7, 0), 7).unwrap();
        let there = world.give(server, port, Type::MACH_MSG_TYPE_COPY_SEND, client);
        world.send(client, &Message::to(there, Type::MACH_MSG_TYPE_COPY_SEND, 1));
        let options =
            message::RECEIVE_NOW | xnu_abi::darwin::mach_message::MsgOption::from_bits_retain(3 << 24);
        let (_, got) = world.receive_with(server, port, options, ROOM, 0);
        assert_eq!(got.trailer().word(40), 7);
        versions.push(got.trailer().word(48));
        world.release(open);
    }
    assert_ne!(versions[0], versions[1]);
}

#[test]
fn task_and_thread_ports_die_with_what_they_stand_for() {
    let world = World::new();
    let watcher = world.task(1);
    let open = world.open(process(8, 0)).unwrap();
    let caller = world.caller(open, process(8, 0), 8).unwrap();
    let (own, thread) = (world.task_self(caller), world.thread_self(caller));
    assert_eq!(world.task_self(caller), own);
    assert_eq!(world.refs(caller, own, xnu_abi::darwin::mach_port::PortRight::MACH_PORT_RIGHT_SEND), 2);
    let own = world.give(caller, own, Type::MACH_MSG_TYPE_COPY_SEND, watcher);
    let thread = world.give(caller, thread, Type::MACH_MSG_TYPE_COPY_SEND, watcher);
    world.thread_exit(caller);
    assert_eq!((world.kinds(watcher, own), world.kinds(watcher, thread)), (Some(SEND), Some(DEAD_NAME)));
    world.release(open);
    assert_eq!(world.kinds(watcher, own), Some(DEAD_NAME));
}

#[test]
fn a_thread_that_ends_while_it_waits_leaves_no_trace() {
    let world = World::new();
    let task = world.task(1);
    let other = world.thread(task, 2);
    let port = world.send_receive(task);
    world.step(move |world| world.thread_exit(task));
    assert_eq!(
        world.receive_with(task, port, message::RECEIVE, ROOM, 0).0,
        MachMsgReturn::MACH_RCV_INTERRUPTED
    );
    world.send(other, &Message::to(port, Type::MACH_MSG_TYPE_COPY_SEND, 3));
    assert_eq!(world.drain(other, port), [3]);
    // One that had its message already takes that with it.
    let third = world.thread(task, 3);
    world.step(move |world| {
        world.send(other, &Message::to(port, Type::MACH_MSG_TYPE_COPY_SEND, 4));
        world.thread_exit(third);
    });
    assert_eq!(
        world.receive_with(third, port, message::RECEIVE, ROOM, 0).0,
        MachMsgReturn::MACH_RCV_INTERRUPTED
    );
    assert_eq!(world.usage().messages, 0);
    // So does one that waited for room and had it promised.
    let fourth = world.thread(task, 4);
    let message = Message::to(port, Type::MACH_MSG_TYPE_COPY_SEND, 5);
    for _ in 0..5 {
        world.send(other, &message);
    }
    world.step(move |world| {
        world.receive(other, port).unwrap();
        world.thread_exit(fourth);
    });
    assert_eq!(world.send_with(fourth, &message, message::SEND, 0).0, MachMsgReturn::MACH_SEND_INTERRUPTED);
    assert_eq!(world.send(other, &message), MachMsgReturn::MACH_MSG_SUCCESS, "the place is free again");
    assert_eq!(world.send(other, &message), MachMsgReturn::MACH_SEND_TIMED_OUT);
}

#[test]
fn a_million_ports_come_and_go_without_a_trace() {
    const TASKS: usize = 4;
    const PORTS: usize = 250_000;
    let world = World::new();
    let server = world.task(1);
    let sink = world.send_receive(server);
    let spare = world.receive_right(server);
    world.mach_port_destroy(server, server.task, spare).unwrap();
    let start = world.usage();
    let (mut most, mut ports) = (start.bytes, 0);
    let opens: Vec<_> = (0..TASKS as i32).map(|n| world.open(process(100 + n, 0)).unwrap()).collect();
    for (n, open) in opens.iter().enumerate() {
        let task = world.caller(*open, process(100 + n as i32, 0), 1).unwrap();
        let own = world.give(server, sink, Type::MACH_MSG_TYPE_COPY_SEND, task);
        let mut made = Vec::with_capacity(PORTS);
        for index in 0..PORTS {
            let name = world.receive_right(task);
            made.push(name);
            if index % 1000 == 0 {
                world.send(
                    task,
                    &Message::to(name, Type::MACH_MSG_TYPE_MAKE_SEND, 1)
                        .reply(own, Type::MACH_MSG_TYPE_COPY_SEND),
                );
            }
        }
        most = most.max(world.usage().bytes);
        ports = world.usage().ports;
        for name in made.into_iter().take(PORTS / 2) {
            world.mach_port_destroy(task, task.task, name).unwrap();
        }
    }
    println!("{} bytes a port", (most - start.bytes) / ports);
    for open in opens {
        world.release(open);
    }
    let end = world.usage();
    assert_eq!(Usage { bytes: 0, ..end }, Usage { bytes: 0, ..start });
    // Of each kind of object a chunk is kept.
    assert!(end.bytes < start.bytes + 64 * 1024, "{} bytes of {}", end.bytes, start.bytes);
}
