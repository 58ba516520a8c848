//! What many ports take, and that it is given back: `LKM_PORTS` says how many there are at once.

mod common;

use common::World;
use common::message::{Message, RECEIVE_NOW, SEND_NOW};
use xnu_abi::darwin::mach_message::MsgType as Type;
use xnu_lkm::{Caller, MachMsg, Usage};

/// A task has this many names at most, with some left for its own.
const OF_A_TASK: usize = 250_000;

/// Sends a message to a port and receives it, in memory that is there already.
fn use_port(world: &World, by: Caller, page: u64, name: u32) {
    world.write(by, page, &Message::to(name, Type::MACH_MSG_TYPE_MAKE_SEND, 5).data(&[7; 100]).bytes());
    let call = MachMsg {
        address: page,
        options: (SEND_NOW | RECEIVE_NOW).bits() as u32,
        send_size: 124,
        receive_size: 256,
        receive_name: name,
        ..MachMsg::default()
    };
    assert_eq!(world.mach_msg(by, &call).number(), 0);
}

#[test]
fn ports_give_their_memory_back() {
    let count: usize = std::env::var("LKM_PORTS").ok().and_then(|value| value.parse().ok()).unwrap_or(50_000);
    let world = World::new();
    // One task that comes and goes leaves the pools that tasks and threads are made from.
    let (open, _) = world.opened(9);
    world.release(open);
    let empty = world.usage();
    let tasks: Vec<_> = (0..count.div_ceil(OF_A_TASK)).map(|n| world.opened(10 + n as i32)).collect();
    let start = world.usage();
    let pages: Vec<u64> = tasks.iter().map(|(_, task)| world.alloc(*task, 4096)).collect();
    let names: Vec<u32> = (0..count).map(|n| world.receive_right(tasks[n / OF_A_TASK].1)).collect();
    let full = world.usage();
    assert_eq!((full.ports - start.ports, full.names - start.names), (count, count));
    for (n, name) in names.iter().enumerate() {
        use_port(&world, tasks[n / OF_A_TASK].1, pages[n / OF_A_TASK], *name);
    }
    let used = world.usage();
    assert_eq!((used.messages, used.ports), (0, full.ports));
    let bytes = (used.bytes - start.bytes) / count;
    println!("{count} ports: {bytes} bytes each, {} in all", used.bytes);
    assert!(bytes < 512, "a port takes {bytes} bytes");
    for (n, name) in names.iter().enumerate() {
        let by = tasks[n / OF_A_TASK].1;
        world.mach_port_destroy(by, by.task, *name).unwrap();
    }
    let after = world.usage();
    assert_eq!(Usage { bytes: 0, ..after }, Usage { bytes: 0, ..start });
    // Tables of names stay as long as the task, as in XNU; names are 24 bytes at most with what finds them.
    assert!(
        after.bytes <= start.bytes + count * 40 + 65_536,
        "{} bytes, {} before",
        after.bytes,
        start.bytes
    );
    println!("{} bytes when they are gone, {} before them", after.bytes, start.bytes);
    for (open, _) in tasks {
        world.release(open);
    }
    let end = world.usage();
    assert_eq!(Usage { bytes: 0, ..end }, Usage { bytes: 0, ..empty });
    println!("{} bytes without the tasks", end.bytes);
    assert!(end.bytes <= empty.bytes + 65_536, "{} bytes, {} before", end.bytes, empty.bytes);
}
