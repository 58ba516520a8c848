//! `mach_msg2`: a header in registers, and vectors.

mod common;

use common::World;
use common::message::{self, Message, RECEIVE_NOW, SEND, port_descriptor};
use common::message::{Setting, setting};
use xnu_abi::darwin::kern_return::MachMsgReturn as Mach;
use xnu_abi::darwin::mach_message::{MsgOption, MsgType as Type};
use xnu_lkm::{Caller, MachMsg2};

const SUCCESS: Mach = Mach::MACH_MSG_SUCCESS;
const COPY: Type = Type::MACH_MSG_TYPE_COPY_SEND;
const MAKE: Type = Type::MACH_MSG_TYPE_MAKE_SEND;
const ONCE: Type = Type::MACH_MSG_TYPE_MAKE_SEND_ONCE;

fn msg2(world: &World, by: Caller, message: &Message, options: MsgOption, receive: u32) -> (Mach, u64) {
    let address = world.alloc(by, 4096);
    let bytes = message.bytes();
    world.write(by, address, &bytes);
    let call = MachMsg2 {
        address,
        options: options.bits(),
        bits_and_send_size: u64::from(message.bits) | (bytes.len() as u64) << 32,
        remote_and_local: u64::from(message.remote) | u64::from(message.local) << 32,
        voucher_and_id: u64::from(message.voucher) | u64::from(message.id as u32) << 32,
        descriptors_and_receive_name: message.descriptors.len() as u64 | u64::from(receive) << 32,
        receive_size_and_priority: 4096,
        timeout_ms: 0,
    };
    (world.mach_msg2(by, &call), address)
}

#[test]
fn msg2_takes_its_header_from_the_call() {
    let Setting { world, a, port, .. } = setting();
    let mine = world.receive_right(a);
    let message = Message::to(port, COPY, 99).with(port_descriptor(mine, MAKE)).data(b"more");
    let options = SEND | message::RECEIVE | MsgOption::MACH64_SEND_MQ_CALL;
    let (result, address) = msg2(&world, a, &message, options, port);
    assert_eq!(result, SUCCESS);
    assert_eq!(world.read(a, address + 20, 4), 99_u32.to_le_bytes());
    assert_eq!(world.read(a, address + 28, 4), mine.to_le_bytes());
}

#[test]
fn msg2_wants_to_know_what_it_sends_to() {
    let Setting { world, a, port, .. } = setting();
    let reply = world.mach_reply_port(a);
    let to_port = Message::to(port, COPY, 1);
    let to_task = Message::to(world.task_self(a), COPY, 1).reply(reply, ONCE);
    let queue = SEND | MsgOption::MACH64_SEND_MQ_CALL;
    let object = SEND | message::RECEIVE | MsgOption::MACH64_SEND_KOBJECT_CALL;
    let bad = Mach::MACH_SEND_INVALID_OPTIONS;
    assert_eq!(msg2(&world, a, &to_port, SEND, 0).0, bad);
    assert_eq!(msg2(&world, a, &to_port, queue | object, 0).0, bad);
    assert_eq!(msg2(&world, a, &to_port, object | MsgOption::MACH64_MSG_VECTOR, 0).0, bad);
    assert!(world.take_guard_exception(a).unwrap().fatal);
    assert_eq!(msg2(&world, a, &to_port, object, port).0, bad);
    assert_eq!(msg2(&world, a, &to_task, queue, reply).0, bad);
    assert_eq!(msg2(&world, a, &to_task, SEND | MsgOption::MACH64_SEND_KOBJECT_CALL, reply).0, bad);
    assert_eq!(msg2(&world, a, &to_task, object, reply).0, SUCCESS);
    assert_eq!(msg2(&world, a, &to_port, SEND | MsgOption::MACH64_SEND_ANY, 0).0, SUCCESS);
    let many = (0..4).fold(to_task, |message, _| message.with(port_descriptor(0, COPY)));
    assert_eq!(msg2(&world, a, &many, object, reply).0, Mach::MACH_SEND_TOO_LARGE);
    let mut plain = to_port.clone();
    plain.descriptors.push(vec![0; 12]);
    assert_eq!(msg2(&world, a, &plain, queue, 0).0, Mach::MACH_SEND_TOO_LARGE, "it is not complex");
}

#[test]
fn vectors_carry_a_second_part() {
    let Setting { world, a, port, .. } = setting();
    let (body, aux, vectors) = (world.alloc(a, 4096), world.alloc(a, 4096), world.alloc(a, 4096));
    let (body_in, aux_in) = (world.alloc(a, 4096), world.alloc(a, 4096));
    let message = Message::to(port, COPY, 31).data(b"body");
    world.write(a, body, &message.bytes());
    world.write(a, aux + 8, b"auxiliary...");
    let put = |at: u64, data: u64, to: u64, send: u32, receive: u32| {
        let mut bytes = data.to_le_bytes().to_vec();
        bytes.extend_from_slice(&to.to_le_bytes());
        bytes.extend_from_slice(&send.to_le_bytes());
        bytes.extend_from_slice(&receive.to_le_bytes());
        world.write(a, vectors + at, &bytes);
    };
    let queue = SEND | MsgOption::MACH64_SEND_MQ_CALL | MsgOption::MACH64_MSG_VECTOR;
    let call = |options: MsgOption, send: u64, receive: u64| {
        world.mach_msg2(
            a,
            &MachMsg2 {
                address: vectors,
                options: options.bits(),
                bits_and_send_size: u64::from(message.bits) | send << 32,
                remote_and_local: u64::from(port),
                voucher_and_id: 31 << 32,
                descriptors_and_receive_name: u64::from(port) << 32,
                receive_size_and_priority: receive,
                timeout_ms: 0,
            },
        )
    };
    let receive = RECEIVE_NOW | MsgOption::MACH64_MSG_VECTOR;
    put(0, body, body_in, 28, 4096);
    put(24, aux, aux_in, 20, 4096);
    assert_eq!(call(queue | receive, 2, 2), SUCCESS);
    assert_eq!(world.read(a, body_in + 24, 4), b"body");
    assert_eq!(world.read(a, aux_in, 4), 20_u32.to_le_bytes());
    assert_eq!(world.read(a, aux_in + 8, 12), b"auxiliary...");
    // Without a second part there is a note of its absence.
    assert_eq!(call(queue | receive, 1, 2), SUCCESS);
    assert_eq!(world.read(a, aux_in, 8), [0; 8]);
    // Too little room for the second part.
    assert_eq!(call(queue, 2, 0), SUCCESS);
    put(24, aux, aux_in, 20, 12);
    assert_eq!(call(receive | MsgOption::MACH64_RCV_LARGE, 0, 2), Mach::MACH_RCV_TOO_LARGE);
    assert_eq!(world.read(a, aux_in, 4), 20_u32.to_le_bytes());
    assert_eq!(call(receive, 0, 2), Mach::MACH_RCV_TOO_LARGE);
    // Mistakes.
    assert_eq!(call(queue, 0, 0), Mach::MACH_SEND_MSG_TOO_SMALL);
    assert_eq!(call(queue, 3, 0), Mach::MACH_SEND_INVALID_DATA);
    assert_eq!(call(receive, 0, 0), Mach::MACH_RCV_INVALID_ARGUMENTS);
    assert_eq!(call(receive, 0, 3), Mach::MACH_RCV_INVALID_ARGUMENTS);
    put(24, aux, aux_in, 4, 4);
    assert_eq!(call(queue, 2, 0), Mach::MACH_SEND_AUX_TOO_SMALL);
    assert_eq!(call(receive, 0, 2), Mach::MACH_RCV_INVALID_ARGUMENTS);
    put(24, aux, aux_in, 1025, 4096);
    assert_eq!(call(queue, 2, 0), Mach::MACH_SEND_AUX_TOO_LARGE);
    put(24, 0, 0, 20, 4096);
    assert_eq!(call(queue, 2, 0), Mach::MACH_SEND_INVALID_DATA);
    assert_eq!(call(receive, 0, 2), Mach::MACH_RCV_INVALID_ARGUMENTS);
    put(0, 0, 0, 28, 0);
    assert_eq!(call(queue, 1, 0), Mach::MACH_SEND_INVALID_DATA);
    put(0, body, 0, 20, 0);
    assert_eq!(call(queue, 1, 0), Mach::MACH_SEND_MSG_TOO_SMALL);
    put(0, body, 0, !3, 0);
    assert_eq!(call(queue, 1, 0), Mach::MACH_SEND_TOO_LARGE);
}
