//! Messages: every option, every return code, and what arrives.

mod common;

use common::message::{self, Message, RECEIVE_NOW, ROOM, SEND, SEND_NOW, port_descriptor};
use common::message::{Setting, setting};
use common::{DEAD_NAME, RECEIVE, SEND_ONCE};
use xnu_abi::darwin::kern_return::MachMsgReturn as Mach;
use xnu_abi::darwin::mach_message::{MsgOption, MsgType as Type};
use xnu_abi::darwin::mach_port::{PortFlavor, PortRight as Right};
use xnu_lkm::{GuardReason, MachMsg};

const SUCCESS: Mach = Mach::MACH_MSG_SUCCESS;
const COPY: Type = Type::MACH_MSG_TYPE_COPY_SEND;
const MOVE: Type = Type::MACH_MSG_TYPE_MOVE_SEND;
const MAKE: Type = Type::MACH_MSG_TYPE_MAKE_SEND;
const ONCE: Type = Type::MACH_MSG_TYPE_MAKE_SEND_ONCE;
const MOVE_RECEIVE: Type = Type::MACH_MSG_TYPE_MOVE_RECEIVE;

#[test]
fn a_message_arrives_as_it_was_sent() {
    let Setting { world, a, b, port, there } = setting();
    let message = Message::to(there, COPY, 1234).data(b"hello, world");
    assert_eq!(world.send(b, &message), SUCCESS);
    let got = world.receive(a, port).unwrap();
    assert_eq!((got.id(), got.data(), got.local(), got.remote()), (1234, &b"hello, world"[..], port, 0));
    assert_eq!(got.bits(), Type::MACH_MSG_TYPE_PORT_SEND.number() << 8);
    assert_eq!(got.trailer().bytes[..8], [0, 0, 0, 0, 8, 0, 0, 0]);
    assert_eq!(world.usage().messages, 0);
}

#[test]
fn trailers_say_as_much_as_is_asked() {
    let Setting { world, a, b, port, there } = setting();
    world.mach_port_set_context(a, a.task, port, 0x1122_3344_5566_7788).unwrap();
    world.mach_port_set_seqno(a, a.task, port, 100).unwrap();
    for (elements, size) in [(0, 8), (1, 12), (2, 20), (3, 52), (4, 60), (7, 68), (8, 68)] {
        world.send(b, &Message::to(there, COPY, 1));
        let options = RECEIVE_NOW | MsgOption::from_bits_retain(elements << 24);
        let (result, got) = world.receive_with(a, port, options, 24 + size, 0);
        assert_eq!(result, SUCCESS);
        let trailer = got.trailer();
        assert_eq!((trailer.word(0), trailer.word(4)), (0, size));
        if elements >= 2 {
            assert_eq!((trailer.word(12), trailer.word(16)), (501, 20));
        }
        if elements >= 3 {
            // Auditor, effective and real ids, pid, session, version of the pid.
            let words: Vec<u32> = (0..7).map(|n| trailer.word(20 + 4 * n)).collect();
            assert_eq!(words, [u32::MAX, 501, 20, 501, 20, 11, 0]);
        }
        if elements >= 4 {
            assert_eq!(trailer.double(52), 0x1122_3344_5566_7788);
        }
        let short = RECEIVE_NOW | MsgOption::from_bits_retain(elements << 24);
        world.send(b, &Message::to(there, COPY, 1));
        assert_eq!(world.receive_with(a, port, short, 24 + size - 1, 0).0, Mach::MACH_RCV_TOO_LARGE);
    }
}

#[test]
fn the_answer_comes_by_the_right_that_was_sent() {
    let Setting { world, a, b, port, there } = setting();
    let reply = world.mach_reply_port(b);
    assert_eq!(world.send(b, &Message::to(there, COPY, 10).reply(reply, ONCE)), SUCCESS);
    let got = world.receive(a, port).unwrap();
    assert_eq!(got.bits(), 0x1112, "remote send-once, local send");
    assert_eq!(world.kinds(a, got.remote()), Some(SEND_ONCE));
    assert_eq!(world.send(a, &Message::to(got.remote(), Type::MACH_MSG_TYPE_MOVE_SEND_ONCE, 110)), SUCCESS);
    assert_eq!(world.kinds(a, got.remote()), None);
    let answer = world.receive(b, reply).unwrap();
    assert_eq!((answer.id(), answer.local(), answer.bits()), (110, reply, 0x1200));
}

#[test]
fn each_disposition_of_the_destination_is_taken_by_its_rules() {
    let Setting { world, a, b, port, there } = setting();
    assert_eq!(world.send(b, &Message::to(there, MOVE, 1)), SUCCESS);
    assert_eq!(world.kinds(b, there), None);
    assert_eq!(world.send(a, &Message::to(port, MAKE, 2)), SUCCESS);
    assert_eq!(world.send(a, &Message::to(port, ONCE, 3)), SUCCESS);
    assert_eq!(world.drain(a, port), [1, 2, 3]);
    let plain = world.receive_right(a);
    assert_eq!(world.send(a, &Message::to(plain, COPY, 1)), Mach::MACH_SEND_INVALID_DEST);
    assert_eq!(world.send(a, &Message::to(plain, MOVE, 1)), Mach::MACH_SEND_INVALID_DEST);
    assert_eq!(
        world.send(a, &Message::to(plain, Type::MACH_MSG_TYPE_MOVE_SEND_ONCE, 1)),
        Mach::MACH_SEND_INVALID_DEST
    );
}

#[test]
fn headers_are_checked() {
    let Setting { world, a, port, .. } = setting();
    let bits = |bits| Message { bits, remote: port, ..Message::default() };
    for bad in [0x0020, 0x2000, 0x2000_0013, 0x4000_0013] {
        assert_eq!(world.send(a, &bits(bad)), Mach::MACH_SEND_INVALID_HEADER, "{bad:#x}");
    }
    for bad in [0, MOVE_RECEIVE.number(), 0x16, 0x1f] {
        assert_eq!(world.send(a, &bits(bad)), Mach::MACH_SEND_INVALID_HEADER, "{bad:#x}");
    }
    let reply = |kind: u32, local| Message {
        bits: COPY.number() | kind << 8,
        remote: port,
        local,
        ..Message::default()
    };
    assert_eq!(world.send(a, &reply(0, 5)), Mach::MACH_SEND_INVALID_HEADER);
    assert_eq!(world.send(a, &reply(MOVE_RECEIVE.number(), port)), Mach::MACH_SEND_INVALID_HEADER);
    assert_eq!(world.send(a, &Message::to(0, COPY, 0)), Mach::MACH_SEND_INVALID_DEST);
    assert_eq!(world.send(a, &Message::to(u32::MAX, COPY, 0)), Mach::MACH_SEND_INVALID_DEST);
    assert_eq!(world.send(a, &Message::to(0x90003, COPY, 0)), Mach::MACH_SEND_INVALID_DEST);
    let set = world.set(a);
    assert_eq!(world.send(a, &Message::to(set, COPY, 0)), Mach::MACH_SEND_INVALID_DEST);
}

#[test]
fn bad_replies_are_refused_and_leave_a_guard_exception() {
    let Setting { world, a, port, .. } = setting();
    let set = world.set(a);
    for (name, kind) in [(0x90003, COPY), (set, COPY), (port, Type::MACH_MSG_TYPE_MOVE_SEND_ONCE)] {
        let expected = match name == port {
            true => Mach::MACH_SEND_INVALID_DEST,
            false => Mach::MACH_SEND_INVALID_REPLY,
        };
        assert_eq!(world.send(a, &Message::to(port, COPY, 0).reply(name, kind)), expected);
    }
    assert_eq!(world.guard_reason(a), Some(GuardReason::SendInvalidReply as u32));
    let plain = world.receive_right(a);
    assert_eq!(world.send(a, &Message::to(port, COPY, 0).reply(plain, COPY)), Mach::MACH_SEND_INVALID_REPLY);
    assert_eq!(
        world.send(a, &Message::to(port, COPY, 0).reply(plain, Type::MACH_MSG_TYPE_MOVE_SEND_ONCE)),
        Mach::MACH_SEND_INVALID_REPLY
    );
}

#[test]
fn vouchers_that_are_none_are_refused() {
    let Setting { world, a, port, .. } = setting();
    let voucher = |kind: u32, voucher| Message {
        bits: COPY.number() | kind << 16,
        remote: port,
        voucher,
        id: 3,
        ..Message::default()
    };
    assert_eq!(world.send(a, &voucher(COPY.number(), u32::MAX)), Mach::MACH_SEND_INVALID_VOUCHER);
    assert_eq!(world.send(a, &voucher(MAKE.number(), 0)), Mach::MACH_SEND_INVALID_VOUCHER);
    assert_eq!(world.send(a, &voucher(COPY.number(), 0x90003)), Mach::MACH_SEND_INVALID_VOUCHER);
    assert_eq!(world.send(a, &voucher(COPY.number(), 0)), SUCCESS, "no voucher is a voucher");
    let got = world.receive(a, port).unwrap();
    assert_eq!((got.bits() >> 16, got.word(16)), (0, 0));
    assert_eq!(world.send(a, &voucher(0, 77)), SUCCESS);
    assert_eq!(world.receive(a, port).unwrap().word(16), 77, "a field that nobody reads is kept");
}

#[test]
fn sizes_are_checked_before_memory() {
    let Setting { world, a, port, .. } = setting();
    let bytes = Message::to(port, COPY, 0).bytes();
    let address = world.alloc(a, 4096);
    world.write(a, address, &bytes);
    let send = |address, send_size| {
        world.mach_msg(a, &MachMsg { address, options: SEND.bits() as u32, send_size, ..MachMsg::default() })
    };
    assert_eq!(send(address, 20), Mach::MACH_SEND_MSG_TOO_SMALL);
    assert_eq!(send(address, 26), Mach::MACH_SEND_MSG_TOO_SMALL);
    assert_eq!(send(address, 0x7fff_fffc), Mach::MACH_SEND_TOO_LARGE);
    assert_eq!(send(0, 24), Mach::MACH_SEND_INVALID_DATA);
    assert_eq!(send(address, 8192), Mach::MACH_SEND_INVALID_DATA, "half of it is not there");
    assert_eq!(send(address, 24), SUCCESS);
    let complex = Message { bits: 0x8000_0000 | COPY.number(), remote: port, ..Message::default() };
    let mut bytes = complex.bytes();
    bytes[24..28].copy_from_slice(&1_u32.to_le_bytes());
    world.write(a, address, &bytes);
    assert_eq!(send(address, 24), Mach::MACH_SEND_MSG_TOO_SMALL);
    assert_eq!(send(address, 28), Mach::MACH_SEND_MSG_TOO_SMALL);
    assert_eq!(send(address, 36), Mach::MACH_SEND_MSG_TOO_SMALL);
}

#[test]
fn a_full_queue_holds_five_and_lets_send_once_in() {
    let Setting { world, a, b, port, there } = setting();
    let once = world.give(a, port, ONCE, b);
    for id in 0..5 {
        assert_eq!(world.send(b, &Message::to(there, COPY, id)), SUCCESS);
    }
    assert_eq!(world.send(b, &Message::to(there, COPY, 9)), Mach::MACH_SEND_TIMED_OUT);
    assert_eq!(world.send(b, &Message::to(once, Type::MACH_MSG_TYPE_MOVE_SEND_ONCE, 5)), SUCCESS);
    let message = Message::to(there, COPY, 9);
    let before = world.engine.host().clock.get();
    assert_eq!(world.send_with(b, &message, SEND_NOW, 30).0, Mach::MACH_SEND_TIMED_OUT);
    assert_eq!(world.engine.host().clock.get() - before, 30_000_000);
    world.interrupt();
    assert_eq!(world.send_with(b, &message, SEND, 0).0, Mach::MACH_SEND_INTERRUPTED);
    assert_eq!(world.drain(a, port), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_message_that_is_not_sent_comes_back_with_its_rights() {
    let Setting { world, a, b, port, there } = setting();
    for id in 0..5 {
        world.send(b, &Message::to(there, COPY, id));
    }
    let mine = world.receive_right(b);
    let reply = world.mach_reply_port(b);
    let message = Message::to(there, MOVE, 9)
        .reply(reply, ONCE)
        .with(port_descriptor(mine, MOVE_RECEIVE))
        .with(port_descriptor(reply, MAKE))
        .data(b"body");
    let (result, back) = world.send_with(b, &message, SEND_NOW, 0);
    assert_eq!(result, Mach::MACH_SEND_TIMED_OUT);
    // The kinds are those of rights held now, the names may be new.
    assert_eq!(back.bits(), 0x8000_1211);
    assert_eq!(
        back.remote(),
        world
            .mach_port_names(b, b.task)
            .unwrap()
            .iter()
            .find(|(name, kinds)| *name == back.remote() && *kinds == common::SEND)
            .unwrap()
            .0
    );
    assert_eq!(world.kinds(b, back.local()), Some(SEND_ONCE));
    assert_eq!(world.kinds(b, back.word(28)), Some(RECEIVE));
    assert_eq!(world.kinds(b, reply), Some(RECEIVE | common::SEND));
    assert_eq!(&back.bytes[52..56], b"body");
    assert_eq!(world.usage().messages, 5);
    assert_eq!(world.drain(a, port).len(), 5);
}

#[test]
fn a_waiting_sender_goes_on_when_a_message_is_taken() {
    let Setting { world, a, b, port, there } = setting();
    for id in 0..5 {
        world.send(b, &Message::to(there, COPY, id));
    }
    world.step(move |world| assert_eq!(world.receive(a, port).unwrap().id(), 0));
    assert_eq!(world.send_with(b, &Message::to(there, COPY, 5), SEND, 0).0, SUCCESS);
    assert_eq!(world.drain(a, port), [1, 2, 3, 4, 5]);
}

#[test]
fn a_waiting_senders_message_dies_with_the_port() {
    let Setting { world, a, b, port, there } = setting();
    for id in 0..5 {
        world.send(b, &Message::to(there, COPY, id));
    }
    let mine = world.receive_right(b);
    world.step(move |world| world.mach_port_destroy(a, a.task, port).unwrap());
    let message = Message::to(there, COPY, 5).with(port_descriptor(mine, MOVE_RECEIVE));
    assert_eq!(world.send_with(b, &message, SEND, 0).0, SUCCESS, "XNU says so");
    assert_eq!(world.usage().messages, 0);
    assert_eq!(world.kinds(b, there), Some(DEAD_NAME));
}

#[test]
fn sending_to_a_dead_name_is_refused_and_to_a_dying_port_lost() {
    let Setting { world, a, b, port, there } = setting();
    let once = world.give(a, port, ONCE, b);
    world.mach_port_destroy(a, a.task, port).unwrap();
    assert_eq!(world.send(b, &Message::to(there, COPY, 0)), Mach::MACH_SEND_INVALID_DEST);
    assert_eq!(world.send(b, &Message::to(once, Type::MACH_MSG_TYPE_MOVE_SEND_ONCE, 0)), SUCCESS);
    assert_eq!(world.kinds(b, once), None);
}

#[test]
fn a_receiver_gets_what_is_sent_while_it_waits() {
    let Setting { world, a, b, port, there } = setting();
    world.step(move |world| assert_eq!(world.send(b, &Message::to(there, COPY, 42)), SUCCESS));
    let (result, got) = world.receive_with(a, port, message::RECEIVE, ROOM, 0);
    assert_eq!((result, got.id()), (SUCCESS, 42));
    let set = world.set(a);
    world.mach_port_insert_member(a, a.task, port, set).unwrap();
    world.step(move |world| assert_eq!(world.send(b, &Message::to(there, COPY, 43)), SUCCESS));
    let (result, got) = world.receive_with(a, set, message::RECEIVE, ROOM, 0);
    assert_eq!((result, got.id(), got.local()), (SUCCESS, 43, port));
}

#[test]
fn a_receiver_is_told_when_its_source_goes() {
    let Setting { world, a, port, .. } = setting();
    world.step(move |world| world.mach_port_destroy(a, a.task, port).unwrap());
    assert_eq!(world.receive_with(a, port, message::RECEIVE, ROOM, 0).0, Mach::MACH_RCV_PORT_CHANGED);
    let set = world.set(a);
    world.step(move |world| world.mach_port_destroy(a, a.task, set).unwrap());
    assert_eq!(world.receive_with(a, set, message::RECEIVE, ROOM, 0).0, Mach::MACH_RCV_PORT_CHANGED);
    let mine = world.receive_right(a);
    let other = world.task(20);
    world.step(move |world| {
        world.give(a, mine, MOVE_RECEIVE, other);
    });
    assert_eq!(world.receive_with(a, mine, message::RECEIVE, ROOM, 0).0, Mach::MACH_RCV_PORT_CHANGED);
}

#[test]
fn a_port_that_joins_a_set_feeds_who_waits_there() {
    let Setting { world, a, b, port, there } = setting();
    let set = world.set(a);
    world.send(b, &Message::to(there, COPY, 6));
    world.step(move |world| world.mach_port_insert_member(a, a.task, port, set).unwrap());
    let (result, got) = world.receive_with(a, set, message::RECEIVE, ROOM, 0);
    assert_eq!((result, got.id()), (SUCCESS, 6));
    assert_eq!(world.receive(a, set).err(), Some(Mach::MACH_RCV_TIMED_OUT));
}

#[test]
fn receives_time_out_are_interrupted_and_need_a_right() {
    let Setting { world, a, b, port, there } = setting();
    assert_eq!(world.receive(a, port).err(), Some(Mach::MACH_RCV_TIMED_OUT));
    let before = world.engine.host().clock.get();
    assert_eq!(world.receive_with(a, port, RECEIVE_NOW, ROOM, 15).0, Mach::MACH_RCV_TIMED_OUT);
    assert_eq!(world.engine.host().clock.get() - before, 15_000_000);
    world.interrupt();
    assert_eq!(world.receive_with(a, port, message::RECEIVE, ROOM, 0).0, Mach::MACH_RCV_INTERRUPTED);
    for name in [0, u32::MAX, 0x90003] {
        assert_eq!(world.receive(a, name).err(), Some(Mach::MACH_RCV_INVALID_NAME));
    }
    assert_eq!(world.receive(b, there).err(), Some(Mach::MACH_RCV_INVALID_NAME));
    assert_eq!(world.guard_reason(b), Some(GuardReason::ReceiveInvalidName as u32));
    // An interrupted receiver takes nothing with it.
    world.send(b, &Message::to(there, COPY, 1));
    assert_eq!(world.drain(a, port), [1]);
}

#[test]
fn a_woken_receiver_keeps_its_message_when_interrupted_too() {
    let Setting { world, a, b, port, there } = setting();
    world.engine.host().steps.borrow_mut().push_back(Box::new(move |world| {
        assert_eq!(world.send(b, &Message::to(there, COPY, 8)), SUCCESS);
        xnu_lkm::Wake::Interrupted
    }));
    let (result, got) = world.receive_with(a, port, message::RECEIVE, ROOM, 0);
    assert_eq!((result, got.id()), (SUCCESS, 8));
}

#[test]
fn too_large_messages_are_destroyed_or_stay() {
    let Setting { world, a, b, port, there } = setting();
    let large = Message::to(there, COPY, 5).data(&[1; 100]);
    world.send(b, &large);
    let (result, got) = world.receive_with(a, port, RECEIVE_NOW, 64, 0);
    assert_eq!(result, Mach::MACH_RCV_TOO_LARGE);
    assert_eq!((got.size(), got.id(), got.local()), (24, 5, port));
    assert_eq!(world.receive(a, port).err(), Some(Mach::MACH_RCV_TIMED_OUT), "it is gone");
    world.send(b, &large);
    let keep = RECEIVE_NOW | MsgOption::MACH64_RCV_LARGE;
    let (result, got) = world.receive_with(a, port, keep, 64, 0);
    assert_eq!((result, got.word(4), got.word(12)), (Mach::MACH_RCV_TOO_LARGE, 124, 0));
    let identify = keep | MsgOption::MACH64_RCV_LARGE_IDENTITY;
    let (_, got) = world.receive_with(a, port, identify, 64, 0);
    assert_eq!((got.word(4), got.local()), (124, port));
    let (_, got) = world.receive_with(a, port, identify, 7, 0);
    assert_eq!((got.word(4), got.local()), (0, 0), "no room to say so");
    assert_eq!(world.drain(a, port), [5]);
    world.send(b, &large);
    assert_eq!(world.receive_with(a, port, RECEIVE_NOW, 8, 0).0, Mach::MACH_RCV_INVALID_DATA);
}

#[test]
fn a_waiting_receiver_with_too_little_room_leaves_the_message() {
    let Setting { world, a, b, port, there } = setting();
    world.step(move |world| assert_eq!(world.send(b, &Message::to(there, COPY, 5).data(&[1; 100])), SUCCESS));
    let keep = message::RECEIVE | MsgOption::MACH64_RCV_LARGE | MsgOption::MACH64_RCV_LARGE_IDENTITY;
    let (result, got) = world.receive_with(a, port, keep, 64, 0);
    assert_eq!((result, got.word(4), got.local()), (Mach::MACH_RCV_TOO_LARGE, 124, port));
    assert_eq!(world.drain(a, port), [5]);
}

#[test]
fn a_bad_buffer_costs_the_message() {
    let Setting { world, a, b, port, there } = setting();
    world.send(b, &Message::to(there, COPY, 5));
    let call = MachMsg {
        address: 0x10,
        options: RECEIVE_NOW.bits() as u32,
        receive_size: ROOM,
        receive_name: port,
        ..MachMsg::default()
    };
    assert_eq!(world.mach_msg(a, &call), Mach::MACH_RCV_INVALID_DATA);
    assert_eq!(world.usage().messages, 0);
    world.send(b, &Message::to(there, COPY, 6).data(&[0; 200]));
    let keep = MachMsg {
        options: (RECEIVE_NOW | MsgOption::MACH64_RCV_LARGE).bits() as u32,
        receive_size: 64,
        ..call
    };
    assert_eq!(world.mach_msg(a, &keep), Mach::MACH_RCV_INVALID_DATA);
    assert_eq!(world.drain(a, port), [6]);
}

#[test]
fn one_call_sends_and_receives() {
    let Setting { world, a, port, .. } = setting();
    let bytes = Message::to(port, COPY, 7).bytes();
    let address = world.alloc(a, 4096);
    world.write(a, address, &bytes);
    let elsewhere = world.alloc(a, 4096);
    let call = MachMsg {
        address,
        options: (SEND | message::RECEIVE).bits() as u32,
        send_size: 24,
        receive_size: ROOM,
        receive_name: port,
        ..MachMsg::default()
    };
    assert_eq!(world.mach_msg(a, &call), SUCCESS);
    assert_eq!(world.read(a, address + 4, 4), 24_u32.to_le_bytes());
    world.write(a, address, &bytes);
    assert_eq!(world.mach_msg(a, &MachMsg { receive_address: elsewhere, ..call }), SUCCESS);
    assert_eq!(world.read(a, elsewhere + 20, 4), 7_u32.to_le_bytes());
    assert_eq!(world.mach_msg(a, &MachMsg::default()), SUCCESS, "nothing to do");
}

#[test]
fn objects_answer_unknown_messages_as_mig_does() {
    let Setting { world, a, .. } = setting();
    let reply = world.mach_reply_port(a);
    for name in [world.task_self(a), world.thread_self(a), world.host_self(a)] {
        assert_eq!(world.send(a, &Message::to(name, COPY, 424_242).reply(reply, ONCE)), SUCCESS);
        let got = world.receive(a, reply).unwrap();
        assert_eq!((got.id(), got.size(), got.word(32) as i32), (424_342, 36, -303), "MIG_BAD_ID");
        assert_eq!(world.receive(a, reply).err(), Some(Mach::MACH_RCV_TIMED_OUT));
    }
}

#[test]
fn dest_and_reply_of_one_name_take_two_rights() {
    let Setting { world, a, b, port, there } = setting();
    let both = |first: Type, second: Type| Message::to(there, first, 1).reply(there, second);
    assert_eq!(world.send(b, &both(MOVE, MOVE)), Mach::MACH_SEND_INVALID_DEST, "there is one reference");
    world.give(a, port, COPY, b);
    assert_eq!(world.send(b, &both(MOVE, MOVE)), SUCCESS);
    assert_eq!(world.kinds(b, there), None);
    let got = world.receive(a, port).unwrap();
    assert_eq!((got.local(), got.remote(), got.bits()), (port, port, 0x1111));
    let there = world.give(a, port, COPY, b);
    let both = |first: Type, second: Type| Message::to(there, first, 1).reply(there, second);
    assert_eq!(world.send(b, &both(COPY, COPY)), SUCCESS);
    assert_eq!(world.refs(b, there, Right::MACH_PORT_RIGHT_SEND), 1);
    assert_eq!(world.send(b, &both(COPY, MOVE)), SUCCESS);
    assert_eq!(world.kinds(b, there), None);
    assert_eq!(world.drain(a, port).len(), 2);
    let status =
        world.mach_port_get_attributes(a, a.task, port, PortFlavor::MACH_PORT_RECEIVE_STATUS, 10).unwrap();
    assert_eq!((status[4], status[5]), (0, 0));
}

#[test]
fn a_full_space_refuses_names_of_a_body_not_the_message() {
    let Setting { world, a, b, port, there } = setting();
    let mut carried = Vec::new();
    for _ in 0..2 {
        let mine = world.receive_right(b);
        carried.push(world.send(b, &Message::to(there, COPY, 5).with(port_descriptor(mine, MOVE_RECEIVE))));
    }
    assert_eq!(carried, [SUCCESS; 2]);
    let dead = Right::MACH_PORT_RIGHT_DEAD_NAME;
    while world.mach_port_allocate(a, a.task, dead, None).is_ok() {}
    let (result, got) = world.receive_with(a, port, RECEIVE_NOW, ROOM, 0);
    assert_eq!(result.number(), 0x1000_400c | 0x2000, "body error, no room for names");
    assert_eq!((got.id(), got.word(28)), (5, 0));
    let reply = world.mach_reply_port(b);
    world.send(b, &Message::to(there, COPY, 6).reply(reply, ONCE));
    world.receive_with(a, port, RECEIVE_NOW, ROOM, 0);
    let (result, got) = world.receive_with(a, port, RECEIVE_NOW, ROOM, 0);
    assert_eq!(result.number(), 0x1000_400b | 0x2000, "header error, no room for names");
    assert_eq!((got.size(), got.id(), got.remote()), (24, 6, 0));
    // The right of the answer died, which its owner hears.
    assert_eq!(world.receive(b, reply).unwrap().id(), 71);
    assert_eq!(world.mach_reply_port(a), 0);
    assert_eq!(world.task_self(a), 0);
}

#[test]
fn special_reply_ports_stay_with_their_thread() {
    let Setting { world, a, b, there, .. } = setting();
    let first = world.thread_get_special_reply_port(a);
    assert_eq!(world.kinds(a, first), Some(common::SEND | RECEIVE));
    assert!(world.mach_port_extract_right(b, a.task, first, MOVE_RECEIVE).is_err());
    let second = world.thread_get_special_reply_port(a);
    assert_ne!(first, second);
    assert!(world.mach_port_extract_right(b, a.task, first, MOVE_RECEIVE).is_ok());
    let call = |name, sync| {
        let options = RECEIVE_NOW | MsgOption::MACH64_RCV_SYNC_WAIT;
        let address = world.alloc(a, 4096);
        let call = MachMsg {
            address,
            options: options.bits() as u32,
            receive_size: 4096,
            receive_name: name,
            priority: sync,
            ..MachMsg::default()
        };
        world.mach_msg(a, &call)
    };
    let port = world.receive_right(a);
    assert_eq!(call(port, there), Mach::MACH_RCV_INVALID_NOTIFY);
    assert_eq!(call(second, u32::MAX), Mach::MACH_RCV_INVALID_NOTIFY);
    assert_eq!(call(second, there), Mach::MACH_RCV_TIMED_OUT);
}
