//! Every return code of `mach_msg` that XNU has: one call that earns it, or why no program gets it.

mod common;

use common::message::{
    self, Message, RECEIVE_NOW, ROOM, Received, SEND, Setting, memory_descriptor, port_descriptor, setting,
};
use xnu_abi::darwin::kern_return::{MachMsgReturn, MachMsgReturnBits};
use xnu_abi::darwin::mach_message::{MsgOption, MsgType as Type};
use xnu_abi::darwin::mach_port::PortRight as Right;
use xnu_lkm::{MachMsg, MachMsg2};

const COPY: Type = Type::MACH_MSG_TYPE_COPY_SEND;
const MAKE_ONCE: Type = Type::MACH_MSG_TYPE_MAKE_SEND_ONCE;

/// How a program comes by a code.
enum How {
    /// By this.
    By(fn(&Setting) -> MachMsgReturn),
    /// Not at all: where XNU's source shows it.
    Never(&'static str),
}

use How::{By, Never};

/// No line of the kernel returns it.
const NOWHERE: How = Never("only osfmk/mach/message.h and the manual page know of it");

fn send(Setting { world, b, .. }: &Setting, message: Message) -> MachMsgReturn {
    world.send(*b, &message)
}

fn receive(Setting { world, a, .. }: &Setting, name: u32, size: u32) -> (MachMsgReturn, Received) {
    world.receive_with(*a, name, RECEIVE_NOW, size, 0)
}

/// Sends an empty message with these options besides those of sending.
fn send_new(of: &Setting, options: MsgOption, vectors: u64, address: u64) -> MachMsgReturn {
    let call = MachMsg2 {
        address,
        options: (SEND | options).bits(),
        bits_and_send_size: u64::from(COPY.number()) | (if vectors > 0 { vectors } else { 24 }) << 32,
        remote_and_local: u64::from(of.there),
        ..MachMsg2::default()
    };
    of.world.mach_msg2(of.b, &call)
}

/// Sends an empty message and a second part of this size.
fn send_aux(of: &Setting, size: u32) -> MachMsgReturn {
    let (vectors, data) = (of.world.alloc(of.b, 48), of.world.alloc(of.b, 2048));
    let mut bytes = Vec::new();
    for size in [24, size] {
        bytes.extend_from_slice(&data.to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
    }
    of.world.write(of.b, vectors, &bytes);
    send_new(of, MsgOption::MACH64_SEND_MQ_CALL | MsgOption::MACH64_MSG_VECTOR, 2, vectors)
}

/// A code without the bits that say what there was no room for; there must be some.
fn without_bits(code: MachMsgReturn, bits: MachMsgReturnBits) -> MachMsgReturn {
    assert_eq!(code.number() & 0x3e00, bits.bits() as i32, "{code:?}");
    MachMsgReturn::new(code.number() & !0x3e00)
}

fn fill_names(of: &Setting) {
    let dead = Right::MACH_PORT_RIGHT_DEAD_NAME;
    while of.world.mach_port_allocate(of.a, of.a.task, dead, None).is_ok() {}
}

const CODES: &[(&str, How)] = &[
    ("MACH_MSG_SUCCESS", By(|of| send(of, Message::to(of.there, COPY, 1)))),
    (
        "MACH_SEND_IN_PROGRESS",
        Never("osfmk/mach/message.h: a state inside the kernel, and not even that any more"),
    ),
    (
        "MACH_SEND_INVALID_DATA",
        By(|of| {
            let options = SEND.bits() as u32;
            of.world.mach_msg(of.b, &MachMsg { address: 0x10, options, send_size: 24, ..MachMsg::default() })
        }),
    ),
    ("MACH_SEND_INVALID_DEST", By(|of| send(of, Message::to(0x90003, COPY, 1)))),
    (
        "MACH_SEND_TIMED_OUT",
        By(|of| {
            (0..5).for_each(|_| _ = send(of, Message::to(of.there, COPY, 1)));
            send(of, Message::to(of.there, COPY, 1))
        }),
    ),
    (
        "MACH_SEND_INVALID_VOUCHER",
        By(|of| {
            let message = Message::to(of.there, COPY, 1);
            let bits = message.bits | COPY.number() << 16;
            send(of, Message { bits, voucher: of.there + 0x100, ..message })
        }),
    ),
    (
        "MACH_SEND_INTERRUPTED",
        By(|of| {
            (0..5).for_each(|_| _ = send(of, Message::to(of.there, COPY, 1)));
            of.world.interrupt();
            of.world.send_with(of.b, &Message::to(of.there, COPY, 1), SEND, 0).0
        }),
    ),
    (
        "MACH_SEND_MSG_TOO_SMALL",
        By(|of| {
            let options = SEND.bits() as u32;
            of.world.mach_msg(of.b, &MachMsg { address: 0x10, options, send_size: 20, ..MachMsg::default() })
        }),
    ),
    ("MACH_SEND_INVALID_REPLY", By(|of| send(of, Message::to(of.there, COPY, 1).reply(0x90003, COPY)))),
    (
        "MACH_SEND_INVALID_RIGHT",
        By(|of| send(of, Message::to(of.there, COPY, 1).with(port_descriptor(0x90003, COPY)))),
    ),
    ("MACH_SEND_INVALID_NOTIFY", NOWHERE),
    (
        "MACH_SEND_INVALID_MEMORY",
        By(|of| send(of, Message::to(of.there, COPY, 1).with(memory_descriptor(0x10, 100, 1, false)))),
    ),
    (
        "MACH_SEND_NO_BUFFER",
        // The kernel's own limit of a queue, which holds senders that the port's own limit does not.
        By(|of| {
            let Setting { world, a, port, .. } = of;
            let message = Message::to(*port, MAKE_ONCE, 1);
            let (address, bytes) = (world.alloc(*a, 24), message.bytes());
            world.write(*a, address, &bytes);
            let options = SEND.bits() as u32;
            let call = MachMsg { address, options, send_size: 24, ..MachMsg::default() };
            (0..=u16::MAX)
                .map(|_| world.mach_msg(*a, &call))
                .find(|result| *result != MachMsgReturn::MACH_MSG_SUCCESS)
                .expect("there is an end")
        }),
    ),
    (
        "MACH_SEND_TOO_LARGE",
        By(|of| {
            let (options, send_size) = (SEND.bits() as u32, 64 << 20);
            of.world.mach_msg(of.b, &MachMsg { address: 0x10, options, send_size, ..MachMsg::default() })
        }),
    ),
    (
        "MACH_SEND_INVALID_TYPE",
        By(|of| send(of, Message::to(of.there, COPY, 1).with(memory_descriptor(0x10, 100, 9, false)))),
    ),
    ("MACH_SEND_INVALID_HEADER", By(|of| send(of, Message::to(of.there, Type::new(0x1f), 1)))),
    ("MACH_SEND_INVALID_TRAILER", NOWHERE),
    (
        "MACH_SEND_INVALID_CONTEXT",
        Never("osfmk/ipc/ipc_kmsg.c, enforce_strict_reply: a boot argument that is off, and wants vouchers"),
    ),
    ("MACH_SEND_INVALID_OPTIONS", By(|of| send_new(of, MsgOption::empty(), 0, of.world.alloc(of.b, 24)))),
    ("MACH_SEND_INVALID_RT_OOL_SIZE", Never("osfmk/ipc/ipc_kmsg.c names it in a comment only")),
    (
        "MACH_SEND_NO_GRANT_DEST",
        Never("osfmk/kern/ipc_kobject.c, IPC_KOBJECT_ALLOC_NO_GRANT: no port is made with it"),
    ),
    (
        "MACH_SEND_MSG_FILTERED",
        Never("osfmk/ipc/ipc_policy.c, MACH64_POLICY_FILTER_MSG: for tasks that a sandbox filters"),
    ),
    ("MACH_SEND_AUX_TOO_SMALL", By(|of| send_aux(of, 7))),
    ("MACH_SEND_AUX_TOO_LARGE", By(|of| send_aux(of, 1028))),
    ("MACH_RCV_IN_PROGRESS", Never("osfmk/ipc/ipc_mqueue.c: the state of a thread that waits")),
    ("MACH_RCV_IN_PROGRESS_TIMED", NOWHERE),
    ("MACH_RCV_INVALID_NAME", By(|of| receive(of, 0x90003, ROOM).0)),
    ("MACH_RCV_TIMED_OUT", By(|of| receive(of, of.port, ROOM).0)),
    (
        "MACH_RCV_TOO_LARGE",
        By(|of| {
            send(of, Message::to(of.there, COPY, 1).data(&[0; 100]));
            receive(of, of.port, 100).0
        }),
    ),
    (
        "MACH_RCV_INTERRUPTED",
        By(|of| {
            of.world.interrupt();
            of.world.receive_with(of.a, of.port, message::RECEIVE, ROOM, 0).0
        }),
    ),
    (
        "MACH_RCV_PORT_CHANGED",
        By(|of| {
            let (a, port) = (of.a, of.port);
            of.world.step(move |world| world.mach_port_destroy(a, a.task, port).unwrap());
            of.world.receive_with(a, port, message::RECEIVE, ROOM, 0).0
        }),
    ),
    (
        "MACH_RCV_INVALID_NOTIFY",
        By(|of| {
            let options = RECEIVE_NOW | MsgOption::MACH64_RCV_SYNC_WAIT;
            let call = MachMsg {
                address: of.world.alloc(of.a, u64::from(ROOM)),
                options: options.bits() as u32,
                receive_size: ROOM,
                receive_name: of.port,
                priority: of.port,
                ..MachMsg::default()
            };
            of.world.mach_msg(of.a, &call)
        }),
    ),
    (
        "MACH_RCV_INVALID_DATA",
        By(|of| {
            send(of, Message::to(of.there, COPY, 1));
            let call = MachMsg {
                address: 0x10,
                options: RECEIVE_NOW.bits() as u32,
                receive_size: ROOM,
                receive_name: of.port,
                ..MachMsg::default()
            };
            of.world.mach_msg(of.a, &call)
        }),
    ),
    (
        "MACH_RCV_PORT_DIED",
        Never(
            "osfmk/ipc/ipc_mqueue.c: who waits hears MACH_RCV_PORT_CHANGED; the kernel's own calls alone know it",
        ),
    ),
    (
        "MACH_RCV_IN_SET",
        Never("osfmk/ipc/ipc_mqueue.c names it in a comment only: a member can be received from"),
    ),
    (
        "MACH_RCV_HEADER_ERROR",
        By(|of| {
            send(of, Message::to(of.there, COPY, 1).reply(of.world.mach_reply_port(of.b), MAKE_ONCE));
            fill_names(of);
            without_bits(receive(of, of.port, ROOM).0, MachMsgReturnBits::MACH_MSG_IPC_SPACE)
        }),
    ),
    (
        "MACH_RCV_BODY_ERROR",
        By(|of| {
            let mine = of.world.send_receive(of.b);
            send(of, Message::to(of.there, COPY, 1).with(port_descriptor(mine, COPY)));
            fill_names(of);
            without_bits(receive(of, of.port, ROOM).0, MachMsgReturnBits::MACH_MSG_IPC_SPACE)
        }),
    ),
    ("MACH_RCV_INVALID_TYPE", NOWHERE),
    ("MACH_RCV_SCATTER_SMALL", Never("osfmk/ipc/ipc_mqueue.c looks for it; nothing sets it")),
    ("MACH_RCV_INVALID_TRAILER", NOWHERE),
    (
        "MACH_RCV_INVALID_REPLY",
        Never("osfmk/ipc/ipc_kmsg.c, enforce_strict_reply: a boot argument that is off, and wants vouchers"),
    ),
    (
        "MACH_RCV_INVALID_ARGUMENTS",
        By(|of| {
            let options = message::RECEIVE | MsgOption::MACH64_MSG_VECTOR;
            of.world.mach_msg2(of.a, &MachMsg2 { options: options.bits(), ..MachMsg2::default() })
        }),
    ),
];

/// The codes of the reference: name and number.
fn reference() -> Vec<(&'static str, i32)> {
    let rows = include_str!("../../tests/data/constants.tsv").lines().filter_map(|line| {
        let mut cells = line.split('\t');
        if cells.next()? != "mach-msg-return" {
            return None;
        }
        let (name, value) = (cells.next()?, cells.next()?);
        let value = i32::from_str_radix(value.strip_prefix("0x")?, 16).ok()?;
        Some((name, value))
    });
    rows.collect()
}

#[test]
fn every_code_is_known_here_once_and_no_other() {
    let mut reference: Vec<&str> = reference().into_iter().map(|(name, _)| name).collect();
    // Bits that go with a code, not codes.
    reference.retain(|name| name.starts_with("MACH_SEND_") || name.starts_with("MACH_RCV_"));
    let mut here: Vec<&str> =
        CODES.iter().map(|(name, _)| *name).filter(|name| *name != "MACH_MSG_SUCCESS").collect();
    reference.sort_unstable();
    here.sort_unstable();
    assert!(reference.len() > 30);
    assert_eq!(here, reference);
}

#[test]
fn every_code_is_earned_or_has_a_reason() {
    for (name, how) in CODES {
        match how {
            By(call) => {
                let of = setting();
                let got = call(&of);
                let number =
                    reference().into_iter().find(|(of, _)| of == name).map_or(0, |(_, number)| number);
                assert_eq!(got.number(), number, "{name}: {:#x}", got.number());
            }
            Never(reason) => assert!(reason.contains("osfmk/"), "{name}: {reason}"),
        }
    }
}
