//! Vouchers: recipes, what is told of values, lifetime, and messages that carry them.

mod common;

use common::World;
use common::message::{Message, RECEIVE_NOW, ROOM, SEND_NOW};
use xnu_abi::darwin::kern_return::{KernReturn as Kern, MachMsgReturn as Mach};
use xnu_abi::darwin::mach_message::{MsgOption, MsgType};
use xnu_abi::darwin::mach_port::{PortRight, PortType};
use xnu_lkm::{Caller, Usage};

const COPY: u32 = 1;
const REMOVE: u32 = 2;
const REDEEM: u32 = 10;
const STORE: u32 = 211;
const BANK_CREATE: u32 = 610;
const PRIORITY_CREATE: u32 = 710;
const IMPORTANCE_SELF: u32 = 200;
const ALL: u32 = u32::MAX;
const NO_OBJECT: i32 = Mach::MACH_SEND_INVALID_DEST.number();

fn recipe(key: u32, command: u32, previous: u32, content: &[u8]) -> Vec<u8> {
    let words = [key, command, previous, content.len() as u32];
    words.iter().flat_map(|word| word.to_le_bytes()).chain(content.iter().copied()).collect()
}

struct Place {
    world: World,
    a: Caller,
    host: u32,
    room: u64,
}

fn place() -> Place {
    let world = World::new();
    let a = world.task(10);
    let host = world.host_self(a);
    let room = world.alloc(a, 8192);
    Place { world, a, host, room }
}

impl Place {
    fn create(&self, recipes: &[u8]) -> Result<u32, Kern> {
        self.world.write(self.a, self.room, recipes);
        let name = self.room + 8188;
        self.world.write(self.a, name, &[0xff; 4]);
        let recipes = (self.room, recipes.len() as i32);
        self.world.host_create_mach_voucher(self.a, self.host, recipes, name)?;
        Ok(u32::from_le_bytes(self.world.read(self.a, name, 4).try_into().unwrap()))
    }

    fn extract(&self, by: Caller, voucher: u32, key: u32, room: u32) -> Result<Vec<u8>, Kern> {
        let at = self.world.alloc(by, 8192);
        let size = at + 8188;
        self.world.write(by, size, &room.to_le_bytes());
        self.world.mach_voucher_extract_attr_recipe(by, voucher, key, (at, size))?;
        let size = u32::from_le_bytes(self.world.read(by, size, 4).try_into().unwrap());
        Ok(self.world.read(by, at, size as usize))
    }

    fn drop(&self, name: u32) {
        self.world.mach_port_deallocate(self.a, self.a.task, name).unwrap();
    }
}

#[test]
fn no_recipe_is_no_voucher() {
    let of = place();
    assert_eq!(of.create(&[]), Ok(0));
    let result = |host, recipes, voucher| of.world.host_create_mach_voucher(of.a, host, recipes, voucher);
    let code = |host, recipes, voucher| result(host, recipes, voucher).unwrap_err().number();
    assert_eq!(code(0, (of.room, 0), of.room), NO_OBJECT);
    assert_eq!(code(of.world.task_self(of.a), (of.room, 0), of.room), NO_OBJECT);
    assert_eq!(result(of.host, (of.room, -1), of.room), Err(Kern::KERN_INVALID_ARGUMENT));
    assert_eq!(code(of.host, (of.room, 5121), of.room), -307);
    assert_eq!(result(of.host, (8, 16), of.room), Err(Kern::KERN_MEMORY_ERROR));
    assert_eq!(result(of.host, (8, 0), 8), Err(Kern::KERN_MEMORY_ERROR));
}

#[test]
fn a_recipe_must_be_whole_and_known() {
    let of = place();
    let before = of.world.usage();
    let port = of.world.send_receive(of.a);
    let with_port = of.world.usage();
    let refused = |recipes: &[u8]| of.create(recipes).unwrap_err();
    let whole = recipe(7, STORE, 0, b"12345678");
    for cut in 1..whole.len() {
        assert_eq!(refused(&whole[..cut]), Kern::KERN_INVALID_ARGUMENT, "{cut}");
    }
    for key in [0, 1, 5, 6, 9, 1000] {
        assert_eq!(refused(&recipe(key, STORE, 0, b"x")), Kern::KERN_INVALID_ARGUMENT, "key {key}");
    }
    assert_eq!(refused(&recipe(ALL, REDEEM, 0, &[])), Kern::KERN_INVALID_ARGUMENT);
    assert_eq!(refused(&recipe(7, COPY, 0, b"x")), Kern::KERN_INVALID_ARGUMENT);
    assert_eq!(refused(&recipe(9, REMOVE, 0, &[])), Kern::KERN_INVALID_ARGUMENT);
    assert_eq!(refused(&recipe(7, 3, 0, &[0; 8])), Kern::KERN_INVALID_CAPABILITY);
    assert_eq!(refused(&recipe(2, IMPORTANCE_SELF, 0, b"x")), Kern::KERN_INVALID_ARGUMENT);
    assert_eq!(refused(&recipe(4, PRIORITY_CREATE, 0, b"x")), Kern::KERN_INVALID_ARGUMENT);
    assert_eq!(refused(&recipe(4, REDEEM, 0, &[])), Kern::KERN_INVALID_ARGUMENT);
    for previous in [port, of.host, 0x9003, u32::MAX] {
        assert_eq!(refused(&recipe(7, COPY, previous, &[])), Kern::KERN_INVALID_CAPABILITY, "{previous:#x}");
    }
    assert_eq!(Usage { bytes: 0, ..of.world.usage() }, Usage { bytes: 0, ..with_port });
    assert_ne!(before, with_port);
}

#[test]
fn equal_vouchers_are_one_and_go_with_the_last_right() {
    let of = place();
    let before = of.world.usage();
    let first = of.create(&recipe(7, STORE, 0, b"one")).unwrap();
    assert_eq!(of.world.usage().vouchers, 1);
    assert_eq!(of.world.kinds(of.a, first), Some(PortType::MACH_PORT_TYPE_SEND));
    assert_eq!(of.create(&recipe(7, STORE, 0, b"one")), Ok(first));
    let other = of.create(&recipe(8, STORE, 0, b"one")).unwrap();
    assert_ne!(other, first);
    let both = [recipe(ALL, COPY, first, &[]), recipe(8, COPY, other, &[])].concat();
    let both = of.create(&both).unwrap();
    let expected = [recipe(7, STORE, 0, b"one"), recipe(8, STORE, 0, b"one")];
    assert_eq!(of.extract(of.a, both, 7, 100), Ok(expected[0].clone()));
    assert_eq!(of.extract(of.a, both, 8, 100), Ok(expected[1].clone()));
    let less = [recipe(ALL, COPY, both, &[]), recipe(ALL, REMOVE, other, &[])].concat();
    assert_eq!(of.create(&less), Ok(first), "what differs stays");
    let redeemed = recipe(7, REDEEM, both, &[]);
    assert_eq!(of.create(&redeemed), Ok(first));
    for (name, left) in [(first, 3), (first, 3), (other, 2), (both, 1), (first, 1), (first, 0)] {
        of.drop(name);
        assert_eq!(of.world.usage().vouchers, left);
    }
    assert_eq!(Usage { bytes: 0, ..of.world.usage() }, Usage { bytes: 0, ..before });
}

#[test]
fn what_is_told_of_a_value_depends_on_its_key_and_the_room() {
    let of = place();
    let all = [
        recipe(2, IMPORTANCE_SELF, 0, &[]),
        recipe(3, BANK_CREATE, 0, &[]),
        recipe(4, PRIORITY_CREATE, 0, &[1, 2, 0, 0]),
        recipe(7, STORE, 0, b"data"),
    ];
    let voucher = of.create(&all.concat()).unwrap();
    let extract = |key, room| of.extract(of.a, voucher, key, room);
    for key in [0, 1, 5, 8, 9, ALL] {
        assert_eq!(extract(key, 0), Ok(vec![]), "{key}");
    }
    for key in [2, 3, 4, 7] {
        assert_eq!(extract(key, 15), Err(Kern::KERN_NO_SPACE), "{key}");
    }
    assert_eq!(extract(2, 16), Err(Kern::KERN_NO_SPACE));
    assert_eq!(extract(2, 100), Ok(recipe(2, 0, 0, b"Importance for pid 10\0")));
    assert_eq!(extract(2, 20), Ok(recipe(2, 0, 0, b"Imp\0")));
    assert_eq!(extract(3, 16), Ok(recipe(3, 0, 0, &[])));
    assert_eq!(extract(3, 515), Err(Kern::KERN_NO_SPACE));
    assert_eq!(extract(3, 516), Ok(recipe(3, 601, 0, b" Bank Context for a pid 10\n\0")));
    assert_eq!(extract(4, 16), Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(extract(4, 19), Err(Kern::KERN_NO_SPACE));
    assert_eq!(extract(4, 20), Ok(recipe(4, 701, 0, &[1, 2, 0, 0])));
    assert_eq!(extract(7, 16), Ok(recipe(7, STORE, 0, &[])));
    assert_eq!(extract(7, 19), Err(Kern::KERN_NO_SPACE));
    assert_eq!(extract(7, 5121).unwrap_err().number(), -307);
    for name in [0, of.host, 0x9003, u32::MAX] {
        assert_eq!(of.extract(of.a, name, 7, 16).unwrap_err().number(), NO_OBJECT, "{name:#x}");
    }
    let bad = |at| of.world.mach_voucher_extract_attr_recipe(of.a, voucher, 7, at);
    assert_eq!(bad((of.room, 8)), Err(Kern::KERN_MEMORY_ERROR));
    of.world.write(of.a, of.room, &20_u32.to_le_bytes());
    assert_eq!(bad((8, of.room)), Err(Kern::KERN_MEMORY_ERROR));
}

#[test]
fn a_bank_is_its_tasks_and_redeemed_by_that_alone() {
    let of = place();
    let own = of.create(&recipe(3, BANK_CREATE, 0, &[])).unwrap();
    let sent = of.create(&recipe(3, 5, own, &[])).unwrap();
    assert_ne!(own, sent);
    assert_eq!(of.create(&recipe(3, REDEEM, sent, &[])), Ok(own));
    assert_eq!(of.create(&recipe(3, 611, sent, &[])), Err(Kern::KERN_NO_ACCESS));
    let b = of.world.task(11);
    let copy = MsgType::MACH_MSG_TYPE_COPY_SEND;
    let there = Place { a: b, host: of.world.host_self(b), room: of.world.alloc(b, 8192), ..place_of(&of) };
    let theirs = of.world.give(of.a, sent, copy, b);
    assert_eq!(there.create(&recipe(3, REDEEM, theirs, &[])), Err(Kern::KERN_INVALID_CAPABILITY));
    assert_eq!(there.extract(b, theirs, 3, 600), Ok(recipe(3, 601, 0, b" Bank Context for a pid 10\n\0")));
}

fn place_of(of: &Place) -> Place {
    Place { world: of.world.clone(), a: of.a, host: of.host, room: of.room }
}

#[test]
fn a_message_carries_a_voucher_to_who_wants_it() {
    let of = place();
    let (world, a) = (&of.world, of.a);
    let before = world.usage();
    let port = world.send_receive(a);
    let copy = MsgType::MACH_MSG_TYPE_COPY_SEND;
    let voucher = of.create(&recipe(7, STORE, 0, b"carried")).unwrap();
    let with = |kind: MsgType, voucher: u32| {
        let message = Message::to(port, copy, 5);
        Message { bits: message.bits | kind.number() << 16, voucher, ..message }
    };
    assert_eq!(world.send(a, &with(copy, voucher)), Mach::MACH_MSG_SUCCESS);
    let wanting = RECEIVE_NOW | MsgOption::MACH64_RCV_VOUCHER;
    let (result, received) = world.receive_with(a, port, wanting, ROOM, 0);
    assert_eq!((result, received.word(16)), (Mach::MACH_MSG_SUCCESS, voucher));
    assert_eq!(received.bits() >> 16 & 0x1f, MsgType::MACH_MSG_TYPE_MOVE_SEND.number());
    of.drop(voucher);

    assert_eq!(world.send(a, &with(MsgType::MACH_MSG_TYPE_MOVE_SEND, voucher)), Mach::MACH_MSG_SUCCESS);
    assert_eq!(world.kinds(a, voucher), None);
    assert_eq!(world.usage().vouchers, 1, "it is on its way");
    assert_eq!(world.receive(a, port).unwrap().word(16), 0);
    assert_eq!(world.usage().vouchers, 0);

    let voucher = of.create(&recipe(7, STORE, 0, b"lost")).unwrap();
    assert_eq!(world.send(a, &with(MsgType::MACH_MSG_TYPE_MOVE_SEND, voucher)), Mach::MACH_MSG_SUCCESS);
    assert_eq!(world.send(a, &with(copy, port)), Mach::MACH_SEND_INVALID_VOUCHER);
    world.mach_port_destroy(a, a.task, port).unwrap();
    assert_eq!(Usage { bytes: 0, ..world.usage() }, Usage { bytes: 0, ..before });
}

#[test]
fn a_voucher_comes_back_only_if_it_was_moved() {
    let of = place();
    let (world, a) = (&of.world, of.a);
    let port = world.send_receive(a);
    let copy = MsgType::MACH_MSG_TYPE_COPY_SEND;
    (0..5).for_each(|id| assert_eq!(world.send(a, &Message::to(port, copy, id)), Mach::MACH_MSG_SUCCESS));
    let voucher = of.create(&recipe(7, STORE, 0, b"kept")).unwrap();
    for kind in [copy, MsgType::MACH_MSG_TYPE_MOVE_SEND] {
        let message = Message::to(port, copy, 5);
        let message = Message { bits: message.bits | kind.number() << 16, voucher, ..message };
        let (result, back) = world.send_with(a, &message, SEND_NOW, 0);
        assert_eq!((result, back.bits() >> 16), (Mach::MACH_SEND_TIMED_OUT, kind.number()));
        let name = back.word(16);
        assert_eq!(name == voucher, kind == copy, "one that was moved away has a new name");
        assert_eq!(world.refs(a, name, PortRight::MACH_PORT_RIGHT_SEND), 1);
    }
    assert_eq!(world.usage().vouchers, 1);
}

#[test]
fn a_reply_and_a_voucher_need_two_free_names() {
    let of = place();
    let (world, a) = (&of.world, of.a);
    let port = world.send_receive(a);
    let b = world.task(11);
    let (there, reply) = (world.give(a, port, MsgType::MACH_MSG_TYPE_COPY_SEND, b), world.mach_reply_port(b));
    let voucher = of.create(&recipe(7, STORE, 0, b"wide")).unwrap();
    let theirs = world.give(a, voucher, MsgType::MACH_MSG_TYPE_MOVE_SEND, b);
    let kind = MsgType::MACH_MSG_TYPE_MOVE_SEND;
    let message = Message::to(there, kind, 5).reply(reply, MsgType::MACH_MSG_TYPE_MAKE_SEND_ONCE);
    let message = Message { bits: message.bits | kind.number() << 16, voucher: theirs, ..message };
    assert_eq!(world.send(b, &message), Mach::MACH_MSG_SUCCESS);
    let dead = PortRight::MACH_PORT_RIGHT_DEAD_NAME;
    let mut last = 0;
    while let Ok(name) = world.mach_port_allocate(a, a.task, dead, None) {
        last = name;
    }
    world.mach_port_deallocate(a, a.task, last).unwrap();
    let wanting = RECEIVE_NOW | MsgOption::MACH64_RCV_VOUCHER;
    let (result, _) = world.receive_with(a, port, wanting, ROOM, 0);
    assert_eq!(result.number(), 0x1000_400b | 0x2000, "header error, no room for names");
    assert_eq!(world.usage().vouchers, 0);
    assert_eq!(world.receive(b, reply).unwrap().id(), 71, "the right of the answer died");
}
