//! Mach traps.

use crate::support::*;
use xnu_abi::lkm::Trap;
use xnu_backend_linux::PortNames;
use xnu_backend_mock::{Mock, MockLkm, Module, Other, TrapAnswer};
use xnu_core::Lkm;
use zerocopy::IntoBytes;

pub(crate) const MAKE_SEND: u64 = 20;
pub(crate) const MAKE_SEND_ONCE: u64 = 21;
pub(crate) const PORT_SET: u32 = 3;

/// A message without a body to a port that the task has the receive right of.
pub(crate) fn message(to: u32) -> Vec<u8> {
    [MAKE_SEND as u32, 24, to, 0, 0, 77].iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A semaphore of the task's own that was signalled a few times.
pub(crate) fn semaphore(k: &Machine<Mock>) -> u64 {
    let (engine, caller) = k.process.lkm.engine();
    u64::from(engine.semaphore_create(caller, caller.task, 0, 3).expect("a semaphore"))
}

#[test]
fn ports_of_the_thread_are_the_modules() {
    let k = Machine::new(Mock::new(1), Module::new());
    xnu!(k, task_self_trap() => 0x103);
    xnu!(k, thread_self_trap() => 0x203);
    xnu!(k, host_self_trap() => 0x303);
    xnu!(k, mach_reply_port() => 0x403);
    xnu!(k, mach_reply_port() => 0x503);
    let traps: Vec<Trap> = k.process.lkm.calls().into_iter().map(|call| call.trap).collect();
    use Trap::{HostSelfTrap, MachReplyPort, TaskSelfTrap, ThreadSelfTrap};
    assert_eq!(traps, [TaskSelfTrap, ThreadSelfTrap, HostSelfTrap, MachReplyPort, MachReplyPort]);
    assert!(k.calls().is_empty(), "Linux is not asked");
}

#[test]
fn a_trap_that_fails_is_no_port() {
    let mut lkm = MockLkm::new();
    lkm.expect_trap().times(4).returning(|_, _| Err(xnu_abi::linux::Errno::ENOSYS));
    let k = Machine::new(Mock::new(1), lkm);
    xnu!(k, task_self_trap() => 0);
    xnu!(k, thread_self_trap() => 0);
    xnu!(k, host_self_trap() => 0);
    xnu!(k, mach_reply_port() => 0);
}

#[test]
fn a_port_name_is_32_bits_and_not_signed() {
    let mut lkm = MockLkm::new();
    lkm.expect_trap().returning(|_, _| Ok(TrapAnswer::from(i32::MIN as isize)));
    let k = Machine::new(Mock::new(1), lkm);
    xnu!(k, task_self_trap() => 0x8000_0000u64);
}

#[test]
fn without_a_module_names_are_still_different() {
    let k = Machine::new(Mock::new(1), PortNames::new());
    let names = [
        xnu!(k, task_self_trap()),
        xnu!(k, thread_self_trap()),
        xnu!(k, host_self_trap()),
        xnu!(k, mach_reply_port()),
    ]
    .map(value);
    for (i, name) in names.iter().enumerate() {
        assert_ne!(*name, 0);
        assert!(!names[..i].contains(name), "{names:x?}");
    }
    xnu!(k, task_self_trap() => names[0]);
    assert_ne!(value(xnu!(k, mach_reply_port())), names[3]);
}

#[test]
fn absolute_time_counts_nanoseconds() {
    let k = machine();
    let info = k.alloc_guarded(8);
    xnu!(k, mach_timebase_info_trap(info) => 0);
    assert_eq!(k.peek(info, 8), [1, 0, 0, 0, 1, 0, 0, 0]);
    // The copy's result is dropped.
    for at in NOWHERE {
        xnu!(k, mach_timebase_info_trap(at) => 0);
    }
    xnu!(k, mach_timebase_info_trap(k.alloc_guarded(7)) => 0);
}

/// The task's own name, and another port of its own with a send right.
fn own_and_port(k: &Machine<Mock>) -> (u64, u64) {
    let task = value(xnu!(k, task_self_trap()));
    let port = value(xnu!(k, mach_reply_port()));
    xnu!(k, _kernelrpc_mach_port_insert_right_trap(task, port, port, MAKE_SEND) => 0);
    (task, port)
}

fn word(k: &Machine<Mock>, at: xnu_core::UserAddr) -> u64 {
    number(k, at, 0, 4)
}

const KERN_INVALID_ADDRESS: i32 = 1;
const KERN_NO_SPACE: i32 = 3;
const KERN_INVALID_ARGUMENT: i32 = 4;
const KERN_FAILURE: i32 = 5;
const KERN_MEMORY_ERROR: i32 = 10;
const KERN_ABORTED: i32 = 14;
const KERN_INVALID_NAME: i32 = 15;
const KERN_INVALID_RIGHT: i32 = 17;
const KERN_INVALID_VALUE: i32 = 18;
const KERN_NOT_SUPPORTED: i32 = 46;
const KERN_NOT_WAITING: i32 = 48;
const KERN_OPERATION_TIMED_OUT: i32 = 49;
const MIG_ARRAY_TOO_LARGE: i32 = -307;
/// What a trap answers of a task that is not the caller's: `MACH_SEND_INVALID_DEST`.
const ELSEWHERE: i32 = 0x1000_0003;
const MACH_SEND_INVALID_DATA: i32 = 0x1000_0002;
const MACH_SEND_INVALID_OPTIONS: i32 = 0x1000_0013;
const MACH_RCV_INVALID_NAME: i32 = 0x1000_4002;
const MACH_RCV_TIMED_OUT: i32 = 0x1000_4003;
const MACH_RCV_INTERRUPTED: i32 = 0x1000_4005;
const MACH_RCV_INVALID_DATA: i32 = 0x1000_4008;
const SEND: i32 = 1;
const RECEIVE: i32 = 2;
const RECEIVE_TIMEOUT: i32 = 0x100;

#[test]
fn a_right_is_made_counted_and_gone() {
    let k = machine();
    let (task, port) = own_and_port(&k);
    let kinds = k.alloc_guarded(4);
    xnu!(k, _kernelrpc_mach_port_type_trap(task, port, kinds) => 0);
    assert_eq!(word(&k, kinds), 0x3_0000, "send and receive");
    xnu!(k, _kernelrpc_mach_port_mod_refs_trap(task, port, 0, 2) => 0);
    for _ in 0..3 {
        xnu!(k, _kernelrpc_mach_port_deallocate_trap(task, port) => 0);
    }
    xnu!(k, _kernelrpc_mach_port_deallocate_trap(task, port) => KERN_INVALID_RIGHT);
    xnu!(k, _kernelrpc_mach_port_destruct_trap(task, port, 0, 0) => 0);
    xnu!(k, _kernelrpc_mach_port_type_trap(task, port, kinds) => KERN_INVALID_NAME);
    assert!(k.calls().is_empty(), "Linux is not asked");
}

#[test]
fn ports_are_constructed_guarded_and_described() {
    let k = machine();
    let task = value(xnu!(k, task_self_trap()));
    let name = k.alloc_guarded(4);
    // MPO_CONTEXT_AS_GUARD and MPO_INSERT_SEND_RIGHT.
    let options = bytes([0x11, 0, 0]);
    xnu!(k, _kernelrpc_mach_port_construct_trap(task, options, 0x77u64, name) => 0);
    let port = word(&k, name);
    xnu!(k, _kernelrpc_mach_port_guard_trap(task, port, 1u64, 0) => KERN_INVALID_ARGUMENT);
    xnu!(k, _kernelrpc_mach_port_unguard_trap(task, port, 0x77u64) => 0);
    xnu!(k, _kernelrpc_mach_port_guard_trap(task, port, 1u64, 0) => 0);
    xnu!(k, _kernelrpc_mach_port_unguard_trap(task, port, 1u64) => 0);
    let (info, count) = (k.alloc_guarded(4), k.place(&[17, 0, 0, 0]));
    // MACH_PORT_LIMITS_INFO
    xnu!(k, _kernelrpc_mach_port_get_attributes_trap(task, port, 1, info, count) => 0);
    assert_eq!((word(&k, info), word(&k, count)), (5, 1));
    xnu!(k, _kernelrpc_mach_port_get_attributes_trap(task, port, 99, info, count) => KERN_INVALID_ARGUMENT);
}

#[test]
fn every_call_on_names_is_about_the_callers_own() {
    let k = machine();
    let (_, port) = own_and_port(&k);
    let (set, out) = (port, k.alloc(8));
    let host = value(xnu!(k, host_self_trap()));
    for other in [0, host, port, 0xdead_0003] {
        xnu!(k, _kernelrpc_mach_port_allocate_trap(other, 1, out) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_port_deallocate_trap(other, port) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_port_mod_refs_trap(other, port, 0, 1) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_port_move_member_trap(other, port, set) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_port_insert_right_trap(other, port, port, MAKE_SEND) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_port_insert_member_trap(other, port, set) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_port_extract_member_trap(other, port, set) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_port_construct_trap(other, out, 0, out) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_port_destruct_trap(other, port, 0, 0) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_port_get_attributes_trap(other, port, 1, out, out) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_port_guard_trap(other, port, 1u64, 0) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_port_unguard_trap(other, port, 1u64) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_port_type_trap(other, port, out) => ELSEWHERE);
        let once = MAKE_SEND_ONCE;
        xnu!(k, _kernelrpc_mach_port_request_notification_trap(other, port, 72, 0, port, once, out) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_vm_allocate_trap(other, out, 0x1000u64, 1) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_vm_deallocate_trap(other, out, 0x1000u64) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_vm_protect_trap(other, out, 0x1000u64, 0, 1) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_vm_map_trap(other, out, 0x1000u64, 0u64, 1, 3) => ELSEWHERE);
        xnu!(k, _kernelrpc_mach_vm_purgable_control_trap(other, out, 1, out) => ELSEWHERE);
    }
    assert!(k.is_mapped(out, 8));
}

#[test]
fn what_cannot_be_read_or_written_is_a_memory_error() {
    let k = machine();
    let (task, port) = own_and_port(&k);
    let read_only = k.place(&[9; 24]);
    k.protect(read_only, 24, 1);
    let (out, good) = (k.alloc_guarded(8), k.place(&[0; 24]));
    let short = k.alloc_guarded(3).get();
    for bad in NOWHERE.into_iter().chain([read_only.get(), short]) {
        xnu!(k, _kernelrpc_mach_port_allocate_trap(task, 1, bad) => KERN_MEMORY_ERROR);
        xnu!(k, _kernelrpc_mach_port_construct_trap(task, good, 0, bad) => KERN_MEMORY_ERROR);
        xnu!(k, _kernelrpc_mach_port_type_trap(task, port, bad) => KERN_MEMORY_ERROR);
        let once = MAKE_SEND_ONCE;
        xnu!(k, _kernelrpc_mach_port_request_notification_trap(task, task, 72, 0, port, once, bad)
            => KERN_MEMORY_ERROR);
        xnu!(k, _kernelrpc_mach_vm_allocate_trap(task, bad, 0x1000u64, 1) => KERN_MEMORY_ERROR);
        xnu!(k, _kernelrpc_mach_vm_map_trap(task, bad, 0x1000u64, 0, 1, 3) => KERN_MEMORY_ERROR);
        xnu!(k, _kernelrpc_mach_vm_purgable_control_trap(task, out, 1, bad) => KERN_MEMORY_ERROR);
        xnu!(k, _kernelrpc_mach_port_get_attributes_trap(task, port, 1, bad, k.place(&[9, 0, 0, 0]))
            => KERN_MEMORY_ERROR);
        if bad != read_only.get() {
            xnu!(k, _kernelrpc_mach_port_construct_trap(task, bad, 0, out) => KERN_MEMORY_ERROR);
            xnu!(k, _kernelrpc_mach_port_get_attributes_trap(task, port, 1, out, bad) => KERN_MEMORY_ERROR);
            xnu!(k, mach_msg_trap(bad, SEND, 24, 0, 0, 0, 0) => MACH_SEND_INVALID_DATA);
            xnu!(k, mach_voucher_extract_attr_recipe_trap(0, 0, out, bad) => KERN_MEMORY_ERROR);
        }
    }
}

#[test]
fn a_message_to_oneself_comes_back() {
    let k = machine();
    let (_, port) = own_and_port(&k);
    let mut bytes = message(port as u32);
    bytes.extend(b"body1234");
    let at = k.place(&bytes);
    xnu!(k, mach_msg_trap(at, SEND, 32, 0, 0, 0, 0) => 0);
    let room = k.alloc(40);
    xnu!(k, mach_msg_trap(room, RECEIVE, 0, 40, port, 0, 0) => 0);
    // Size, the port as the local one, id, body, and the least of trailers.
    assert_eq!((number(&k, room, 4, 4), number(&k, room, 12, 4), number(&k, room, 20, 4)), (32, port, 77));
    assert_eq!(k.peek(room, 32)[24..], *b"body1234");
    assert_eq!(number(&k, room, 32, 8), 8 << 32);

    // Both at once, to another place.
    let at = k.place(&bytes);
    let other = k.alloc(40);
    xnu!(k, mach_msg_overwrite_trap(at, SEND | RECEIVE, 32, 40, port, 0, 0, other) => 0);
    assert_eq!(k.peek(other, 32)[24..], *b"body1234");
    assert_eq!(k.peek(at, 32), bytes);
    assert!(k.calls().is_empty(), "Linux is not asked");
}

#[test]
fn mach_msg2_takes_its_header_from_registers() {
    const MQ_CALL: u64 = 1 << 34;
    let k = machine();
    let (_, port) = own_and_port(&k);
    let at = k.place(&[b"in memory this is rubbish".as_slice(), &[7; 39]].concat());
    let bits = MAKE_SEND | 32 << 32;
    let both = 3 | MQ_CALL;
    xnu!(k, mach_msg2_trap(at, both, bits, port, 88u64 << 32, port << 32, 64u64, 0) => 0);
    assert_eq!((number(&k, at, 4, 4), number(&k, at, 20, 4)), (32, 88));
    // The kind of the destination must be said.
    xnu!(k, mach_msg2_trap(at, 1u64, bits, port, 0, 0, 0, 0) => MACH_SEND_INVALID_OPTIONS);
    xnu!(k, mach_msg2_trap(at, 2u64 | 0x100, 0, 0, 0, port << 32, 64u64, 5) => MACH_RCV_TIMED_OUT);
}

#[test]
fn receiving_waits_as_long_as_it_is_told_to() {
    let k = machine();
    let (_, port) = own_and_port(&k);
    let room = k.alloc(64);
    let before = k.now_ns();
    xnu!(k, mach_msg_trap(room, RECEIVE | RECEIVE_TIMEOUT, 0, 64, port, 250, 0) => MACH_RCV_TIMED_OUT);
    assert_eq!(k.now_ns() - before, 250_000_000);
    xnu!(k, mach_msg_trap(room, RECEIVE | RECEIVE_TIMEOUT, 0, 64, port, 0, 0) => MACH_RCV_TIMED_OUT);
    // Nobody will send: the mock interrupts.
    xnu!(k, mach_msg_trap(room, RECEIVE, 0, 64, port, 0, 0) => MACH_RCV_INTERRUPTED);
    xnu!(k, mach_msg_trap(room, RECEIVE, 0, 64, 0xdead_0003u32, 0, 0) => MACH_RCV_INVALID_NAME);
    // Another thread sends meanwhile.
    let other = k.process.lkm.thread(7);
    let at = k.place(&message(port as u32));
    k.process.lkm.schedule(move || {
        let mut args = xnu_abi::lkm::args::MachMsgOverwriteArgs {
            msg: at.get(),
            option: 1,
            send_size: 24,
            recv_size: 0,
            rcv_name: 0,
            timeout: 0,
            notify: 0,
            rcv_msg: 0,
            rcv_limit: 0,
        };
        let args = xnu_core::TrapArg::Struct(args.as_mut_bytes());
        assert_eq!(other.call_raw(Trap::MachMsgOverwriteTrap, args), Ok(0));
        Other::Ran
    });
    xnu!(k, mach_msg_trap(room, RECEIVE, 0, 64, port, 0, 0) => 0);
    // The message came, and cannot be written.
    xnu!(k, mach_msg_trap(at, SEND, 24, 0, 0, 0, 0) => 0);
    xnu!(k, mach_msg_trap(0x1000u64, RECEIVE, 0, 64, port, 0, 0) => MACH_RCV_INVALID_DATA);
}

#[test]
fn a_set_receives_for_its_members_and_names_them() {
    let k = machine();
    let (task, port) = own_and_port(&k);
    let name = k.alloc(4);
    xnu!(k, _kernelrpc_mach_port_allocate_trap(task, PORT_SET, name) => 0);
    let set = word(&k, name);
    xnu!(k, _kernelrpc_mach_port_insert_member_trap(task, port, set) => 0);
    xnu!(k, _kernelrpc_mach_port_extract_member_trap(task, port, set) => 0);
    xnu!(k, _kernelrpc_mach_port_move_member_trap(task, port, set) => 0);
    xnu!(k, mach_msg_trap(message(port as u32), SEND, 24, 0, 0, 0, 0) => 0);
    let room = k.alloc(64);
    xnu!(k, mach_msg_trap(room, RECEIVE, 0, 64, set, 0, 0) => 0);
    assert_eq!(number(&k, room, 12, 4), port);
}

#[test]
fn a_dead_name_is_told_of() {
    let k = machine();
    let (task, port) = own_and_port(&k);
    let (notify, previous) = (value(xnu!(k, mach_reply_port())), k.alloc_guarded(4));
    let once = MAKE_SEND_ONCE;
    xnu!(k, _kernelrpc_mach_port_request_notification_trap(task, port, 72, 0, notify, once, previous) => 0);
    assert_eq!(word(&k, previous), 0);
    xnu!(k, _kernelrpc_mach_port_mod_refs_trap(task, port, 1, -1) => 0);
    let room = k.alloc(64);
    xnu!(k, mach_msg_trap(room, RECEIVE | RECEIVE_TIMEOUT, 0, 64, notify, 0, 0) => 0);
    assert_eq!((number(&k, room, 20, 4), number(&k, room, 32, 4)), (72, port));
    // Taking a request back is for a message to the task.
    xnu!(k, _kernelrpc_mach_port_request_notification_trap(task, port, 72, 0, 0, once, previous) => ELSEWHERE);
}

#[test]
fn semaphores_count_wait_and_time_out() {
    let k = machine();
    let semaphore = semaphore(&k);
    for _ in 0..3 {
        xnu!(k, semaphore_wait_trap(semaphore) => 0);
    }
    let before = k.now_ns();
    xnu!(k, semaphore_timedwait_trap(semaphore, 2, 5) => KERN_OPERATION_TIMED_OUT);
    assert_eq!(k.now_ns() - before, 2_000_000_005);
    xnu!(k, semaphore_timedwait_trap(semaphore, 0, 1_000_000_000) => KERN_INVALID_VALUE);
    xnu!(k, semaphore_wait_trap(semaphore) => KERN_ABORTED);
    xnu!(k, semaphore_signal_trap(semaphore) => 0);
    xnu!(k, semaphore_wait_signal_trap(semaphore, semaphore) => 0);
    xnu!(k, semaphore_timedwait_signal_trap(semaphore, semaphore, 0, 0) => 0);
    xnu!(k, semaphore_wait_trap(semaphore) => 0);
    xnu!(k, semaphore_signal_thread_trap(semaphore, 0) => KERN_NOT_WAITING);
    xnu!(k, semaphore_signal_thread_trap(semaphore, 0xdead_0003u32) => KERN_INVALID_ARGUMENT);
    xnu!(k, semaphore_signal_all_trap(semaphore) => 0);
    for bad in [0, 0xdead_0003u32] {
        xnu!(k, semaphore_signal_trap(bad) => KERN_INVALID_NAME);
        xnu!(k, semaphore_wait_trap(bad) => KERN_INVALID_NAME);
    }
}

#[test]
fn a_timer_sends_a_message_when_it_is_due() {
    let k = machine();
    let timer = value(xnu!(k, mk_timer_create_trap()));
    let (room, left) = (k.alloc(128), k.alloc_guarded(8));
    let due = k.now_ns() + 3_000_000_000;
    xnu!(k, mk_timer_arm_leeway_trap(timer, 0, due, 1000u64) => 0);
    xnu!(k, mk_timer_cancel_trap(timer, left) => 0);
    assert_eq!(number(&k, left, 0, 8), due);
    xnu!(k, mk_timer_arm_trap(timer, due) => 0);
    let timed = RECEIVE | RECEIVE_TIMEOUT;
    xnu!(k, mach_msg_trap(room, timed, 0, 128, timer, 1000, 0) => MACH_RCV_TIMED_OUT);
    xnu!(k, mach_msg_trap(room, timed, 0, 128, timer, 60_000, 0) => 0);
    assert_eq!(k.now_ns(), due);
    xnu!(k, mk_timer_cancel_trap(timer, 0) => 0);
    xnu!(k, mk_timer_cancel_trap(timer, 0x1000u64) => KERN_FAILURE);
    xnu!(k, mk_timer_destroy_trap(timer) => 0);
    for call in [xnu!(k, mk_timer_destroy_trap(timer)), xnu!(k, mk_timer_arm_trap(timer, due))] {
        assert_eq!(value(call), KERN_INVALID_NAME as u64);
    }
    let port = value(xnu!(k, mach_reply_port()));
    xnu!(k, mk_timer_arm_trap(port, due) => KERN_INVALID_ARGUMENT);
}

#[test]
fn memory_comes_where_it_is_wanted() {
    const ANYWHERE: i32 = 1;
    const OVERWRITE: i32 = 0x4000;
    let k = machine();
    let task = value(xnu!(k, task_self_trap()));
    let at = k.place(&bytes([0x1234]));
    xnu!(k, _kernelrpc_mach_vm_allocate_trap(task, at, 0x1001u64, ANYWHERE) => 0);
    let first = number(&k, at, 0, 8);
    assert!(k.is_mapped(xnu_core::UserAddr::new(first), 0x2000));
    // The same place is taken, unless what is there may go.
    let fixed = k.place(&bytes([first + 5]));
    xnu!(k, _kernelrpc_mach_vm_allocate_trap(task, fixed, 8u64, 0) => KERN_NO_SPACE);
    xnu!(k, _kernelrpc_mach_vm_allocate_trap(task, fixed, 8u64, OVERWRITE) => 0);
    assert_eq!(number(&k, fixed, 0, 8), first);
    xnu!(k, _kernelrpc_mach_vm_allocate_trap(task, fixed, 0u64, ANYWHERE) => 0);
    assert_eq!(number(&k, fixed, 0, 8), 0);
    // Aligned as the mask says.
    xnu!(k, _kernelrpc_mach_vm_map_trap(task, at, 0x3000u64, 0xf_ffffu64, ANYWHERE, 1) => 0);
    let aligned = number(&k, at, 0, 8);
    assert_eq!(aligned & 0xf_ffff, 0);
    xnu!(k, _kernelrpc_mach_vm_protect_trap(task, aligned + 7, 1u64, 0, 3) => 0);
    k.poke(xnu_core::UserAddr::new(aligned), b"x");
    xnu!(k, _kernelrpc_mach_vm_protect_trap(task, aligned, 0x3000u64, 1, 1) => 0);
    xnu!(k, _kernelrpc_mach_vm_protect_trap(task, aligned, 0x8000_0000u64, 0, 1) => KERN_INVALID_ADDRESS);
    xnu!(k, _kernelrpc_mach_vm_protect_trap(task, aligned, 0u64, 0, 99) => 0);
    xnu!(k, _kernelrpc_mach_vm_protect_trap(task, aligned, 1u64, 0, 0x80) => KERN_INVALID_ARGUMENT);
    xnu!(k, _kernelrpc_mach_vm_protect_trap(task, aligned, u64::MAX, 0, 1) => KERN_INVALID_ARGUMENT);
    let state = k.place(&[1, 0, 0, 0]);
    xnu!(k, _kernelrpc_mach_vm_purgable_control_trap(task, aligned, 0, state) => 0);
    assert_eq!(word(&k, state), 0);
    xnu!(k, _kernelrpc_mach_vm_purgable_control_trap(task, 0x10_0000u64, 1, state) => KERN_INVALID_ADDRESS);
    xnu!(k, _kernelrpc_mach_vm_purgable_control_trap(task, aligned, 3, state) => KERN_INVALID_ARGUMENT);
    xnu!(k, _kernelrpc_mach_vm_deallocate_trap(task, aligned, 0x3000u64) => 0);
    assert!(!k.is_mapped(xnu_core::UserAddr::new(aligned), 1));
    xnu!(k, _kernelrpc_mach_vm_deallocate_trap(task, aligned, 0x3000u64) => 0);
    xnu!(k, _kernelrpc_mach_vm_deallocate_trap(task, aligned, 0u64) => 0);
    xnu!(k, _kernelrpc_mach_vm_deallocate_trap(task, 0x1000u64, u64::MAX) => KERN_INVALID_ARGUMENT);
    for flags in [2 | 0x100, 0x20, 0x10_0000] {
        xnu!(k, _kernelrpc_mach_vm_allocate_trap(task, at, 8u64, flags) => KERN_INVALID_ARGUMENT);
    }
    xnu!(k, _kernelrpc_mach_vm_map_trap(task, at, 0u64, 0u64, ANYWHERE, 3) => KERN_INVALID_ARGUMENT);
    xnu!(k, _kernelrpc_mach_vm_map_trap(task, at, 1u64, 0u64, ANYWHERE, 0x80) => KERN_INVALID_ARGUMENT);
    xnu!(k, _kernelrpc_mach_vm_map_trap(task, at, 1u64 << 50, 0u64, ANYWHERE, 3) => KERN_NO_SPACE);
    let kernels = k.place(&bytes([0xffff_8000_0000_0000]));
    xnu!(k, _kernelrpc_mach_vm_allocate_trap(task, kernels, 8u64, 0) => KERN_INVALID_ADDRESS);
}

#[test]
fn the_runners_memory_is_neither_given_nor_taken() {
    let k = machine();
    let task = value(xnu!(k, task_self_trap()));
    let runner = k.alloc(0x1000);
    assert_eq!(k.process.reserved.add(runner.get()..runner.get() + 0x1000), Ok(()));
    let at = k.place(&bytes([runner.get()]));
    xnu!(k, _kernelrpc_mach_vm_allocate_trap(task, at, 8u64, 0x4000) => KERN_NO_SPACE);
    xnu!(k, _kernelrpc_mach_vm_protect_trap(task, runner, 8u64, 0, 0) => KERN_INVALID_ADDRESS);
    xnu!(k, _kernelrpc_mach_vm_deallocate_trap(task, runner, 0x1000u64) => 0);
    k.poke(runner, b"x");
}

#[test]
fn tasks_are_found_by_their_processes() {
    let k = machine();
    let task = value(xnu!(k, task_self_trap()));
    let out = k.alloc_guarded(4);
    xnu!(k, task_for_pid(task, 1000, out) => 0);
    assert_eq!(word(&k, out), task);
    xnu!(k, pid_for_task(task, out) => 0);
    assert_eq!(word(&k, out), 1000);
    xnu!(k, task_name_for_pid(task, 1000, out) => 0);
    let name = word(&k, out);
    assert!(name != 0 && name != task);
    xnu!(k, pid_for_task(name, out) => 0);
    assert_eq!(word(&k, out), 1000);
    for (target, pid) in [(task, 1), (task, 0), (0, 1000), (name, 1000)] {
        k.poke(out, &[9; 4]);
        xnu!(k, task_for_pid(target, pid, out) => KERN_FAILURE);
        assert_eq!(word(&k, out), 0, "{target:#x} {pid}");
    }
    k.poke(out, &[9; 4]);
    xnu!(k, task_name_for_pid(task, 1, out) => KERN_FAILURE);
    assert_eq!(word(&k, out), 0);
    xnu!(k, pid_for_task(0, out) => KERN_FAILURE);
    assert_eq!(word(&k, out), 0xffff_ffff);
    xnu!(k, debug_control_port_for_pid(task, 999, out) => KERN_FAILURE);
    xnu!(k, debug_control_port_for_pid(task, 0, out) => KERN_FAILURE);
    xnu!(k, debug_control_port_for_pid(0, 1000, out) => KERN_FAILURE);
    k.poke(out, &[0xff; 4]);
    xnu!(k, debug_control_port_for_pid(task, 1000, out) => 0);
    assert_eq!(word(&k, out), 0, "none was set");
    xnu!(k, debug_control_port_for_pid(task, 1000, 0) => 0);
    // Whether the answer can be written is not looked at.
    for bad in NOWHERE {
        xnu!(k, task_for_pid(task, 1000, bad) => 0);
        xnu!(k, task_name_for_pid(task, 1000, bad) => 0);
        xnu!(k, pid_for_task(task, bad) => 0);
        xnu!(k, task_for_pid(task, 1, bad) => KERN_FAILURE);
    }
}

#[test]
fn waiting_for_the_clock_takes_as_long_as_it_should() {
    let k = machine();
    k.set_step_ns(0);
    let before = k.now_ns();
    xnu!(k, mach_wait_until_trap(before + 5_000_000_000) => 0);
    assert_eq!(k.now_ns() - before, 5_000_000_000);
    xnu!(k, mach_wait_until_trap(before) => 0);
    // SWITCH_OPTION_WAIT is in milliseconds, SWITCH_OPTION_DISPATCH_CONTENTION in microseconds.
    for (option, ns) in [(0, 0), (1, 0), (2, 7_000_000), (3, 7_000), (4, 0), (5, 7_000_000)] {
        let before = k.now_ns();
        xnu!(k, thread_switch(0, option, 7) => 0);
        assert_eq!(k.now_ns() - before, ns, "{option}");
    }
    xnu!(k, thread_switch(0, 6, 7) => KERN_INVALID_ARGUMENT);
    xnu!(k, swtch() => 0);
    xnu!(k, swtch_pri(3) => 0);
    let (before, wakes) = (k.now_ns(), k.alloc_guarded(8));
    xnu!(k, clock_sleep_trap(0, 1, 1, 500, wakes) => 0);
    assert_eq!(k.now_ns() - before, 1_000_000_500);
    let woken = number(&k, wakes, 0, 4) * 1_000_000_000 + number(&k, wakes, 4, 4);
    assert_eq!(woken, before + 1_000_000_500);
    xnu!(k, clock_sleep_trap(0, 0, 0, 1, wakes) => KERN_INVALID_VALUE);
    xnu!(k, clock_sleep_trap(0, 7, 0, 1, wakes) => KERN_INVALID_VALUE);
    xnu!(k, clock_sleep_trap(0, 1, 0, -1, wakes) => KERN_INVALID_VALUE);
    xnu!(k, clock_sleep_trap(0xdead_0003u32, 1, 0, 1, wakes) => KERN_INVALID_ARGUMENT);
    xnu!(k, clock_sleep_trap(0, 1, 0, 1, 0x1000u64) => 0);
}

#[test]
fn vouchers_are_made_by_recipes() {
    let k = machine();
    let host = value(xnu!(k, host_self_trap()));
    let name = k.alloc(4);
    xnu!(k, host_create_mach_voucher_trap(0, 0, 0, name) => ELSEWHERE);
    xnu!(k, host_create_mach_voucher_trap(host, 0, -1, name) => KERN_INVALID_ARGUMENT);
    xnu!(k, host_create_mach_voucher_trap(host, 0, 5121, name) => MIG_ARRAY_TOO_LARGE);
    xnu!(k, host_create_mach_voucher_trap(host, 0, 16, name) => KERN_MEMORY_ERROR);
    xnu!(k, host_create_mach_voucher_trap(host, 0, 0, name) => 0);
    assert_eq!(word(&k, name), 0);
    // The program's own bytes.
    let recipe: Vec<u8> = [7u32, 211, 0, 4, 0x6174_6164].iter().flat_map(|word| word.to_le_bytes()).collect();
    xnu!(k, host_create_mach_voucher_trap(host, k.place(&recipe), 20, 0) => KERN_MEMORY_ERROR);
    xnu!(k, host_create_mach_voucher_trap(host, k.place(&recipe), 19, name) => KERN_INVALID_ARGUMENT);
    xnu!(k, host_create_mach_voucher_trap(host, k.place(&recipe), 20, name) => 0);
    let voucher = word(&k, name);
    assert_ne!(voucher, 0);

    let (told, size) = (k.alloc(32), k.place(&5121u32.to_le_bytes()));
    xnu!(k, mach_voucher_extract_attr_recipe_trap(voucher, 7, told, size) => MIG_ARRAY_TOO_LARGE);
    let size = k.place(&32u32.to_le_bytes());
    xnu!(k, mach_voucher_extract_attr_recipe_trap(0, 7, told, size) => ELSEWHERE);
    xnu!(k, mach_voucher_extract_attr_recipe_trap(voucher, 7, 0, size) => KERN_MEMORY_ERROR);
    xnu!(k, mach_voucher_extract_attr_recipe_trap(voucher, 7, told, size) => 0);
    assert_eq!((word(&k, size), k.peek(told, 20)), (20, recipe));
    xnu!(k, mach_voucher_extract_attr_recipe_trap(voucher, 8, told, size) => 0);
    assert_eq!(word(&k, size), 0);
}

#[test]
fn what_is_not_there_says_so_as_xnu_does() {
    let k = machine();
    let task = value(xnu!(k, task_self_trap()));
    const ENOTSUP: i32 = 45;
    xnu!(k, macx_swapon(0, 0, 0, 0) => ENOTSUP);
    xnu!(k, macx_swapoff(0, 0) => ENOTSUP);
    xnu!(k, macx_backing_store_suspend(1) => ENOTSUP);
    xnu!(k, macx_backing_store_recovery(1) => ENOTSUP);
    xnu!(k, macx_triggers(0, 0, 1, 0) => ENOTSUP);
    xnu!(k, macx_triggers(0, 0, 0x20, 0) => 1);
    xnu!(k, pfz_exit() => 0);
    xnu!(k, _exclaves_ctl_trap(0, 0, 0, 0, 0, 0, 0, 0) => KERN_NOT_SUPPORTED);
    xnu!(k, iokit_user_client_trap(0, 0, 0, 0, 0, 0, 0, 0) => 0xe000_02c2u32 as i32);
    let (names, count) = (k.alloc(16), k.place(&[4, 0, 0, 0]));
    xnu!(k, task_dyld_process_info_notify_get_trap(names, count) => 0);
    assert_eq!(word(&k, count), 0);
    xnu!(k, task_dyld_process_info_notify_get_trap(names, count) => KERN_NO_SPACE);
    xnu!(k, task_dyld_process_info_notify_get_trap(0, count) => KERN_INVALID_ARGUMENT);
    xnu!(k, task_dyld_process_info_notify_get_trap(names, 0) => KERN_INVALID_ARGUMENT);
    xnu!(k, task_dyld_process_info_notify_get_trap(names, 0x1000u64) => KERN_MEMORY_ERROR);
    let id = k.alloc_guarded(8);
    xnu!(k, mach_generate_activity_id(task, 16, id) => 0);
    let first = number(&k, id, 0, 8);
    assert!(first != 0 && first.is_multiple_of(16) && first >> 56 == 0);
    xnu!(k, mach_generate_activity_id(task, 0, id) => KERN_INVALID_ARGUMENT);
    xnu!(k, mach_generate_activity_id(task, 17, id) => KERN_INVALID_ARGUMENT);
    xnu!(k, mach_generate_activity_id(task, 1, 0x1000u64) => 14);
}

#[test]
fn without_a_server_of_ports_the_calls_say_so() {
    let k = Machine::new(Mock::new(1), PortNames::new());
    let (task, out) = (value(xnu!(k, task_self_trap())), k.place(&bytes([0])));
    xnu!(k, _kernelrpc_mach_port_allocate_trap(task, 1, out) => KERN_NOT_SUPPORTED);
    xnu!(k, semaphore_wait_trap(1) => KERN_NOT_SUPPORTED);
    xnu!(k, mach_msg_trap(out, SEND, 24, 0, 0, 0, 0) => ELSEWHERE);
    xnu!(k, mach_msg_trap(out, RECEIVE, 0, 24, 1, 0, 0) => MACH_RCV_INVALID_NAME);
    xnu!(k, mk_timer_create_trap() => 0);
    xnu!(k, clock_sleep_trap(0, 1, 0, 1, out) => KERN_FAILURE);
    // Memory is Linux's all the same.
    xnu!(k, _kernelrpc_mach_vm_allocate_trap(task, out, 1u64, 1) => 0);
    xnu!(k, _kernelrpc_mach_vm_allocate_trap(task + 1, out, 1u64, 1) => ELSEWHERE);
}

#[test]
fn numbers_without_a_trap_are_invalid() {
    use xnu_core::table::Class;
    let k = machine();
    for number in (0..10).chain([17, 30, 54, 63, 71, 127, 128, 600, 0x00ff_ffff, u32::MAX]) {
        assert_eq!(k.call(Class::Mach, number, &[u64::MAX; 8]), xnu_core::Reply::Invalid, "{number}");
    }
    assert!(k.calls().is_empty());
}
