//! Mach traps.

use crate::support::*;
use xnu_abi::lkm::Trap;
use xnu_backend_linux::PortNames;
use xnu_backend_mock::{Mock, MockLkm, TrapAnswer};
use xnu_core::Reply;
use xnu_core::table::Class;

const KERN_INVALID_ARGUMENT: Reply = Reply::Value(4, 0);

#[test]
fn ports_of_the_thread_are_the_modules() {
    let k = machine();
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

#[test]
fn traps_that_are_not_served_are_invalid_arguments() {
    let k = machine();
    for number in (0..140).chain([600, 601, 0x00ff_ffff, u32::MAX]) {
        if !matches!(number, 26..=29 | 89) {
            let reply = k.call(Class::Mach, number, &[u64::MAX; 8]);
            assert!(reply == KERN_INVALID_ARGUMENT || reply == Reply::Invalid, "{number}: {reply:?}");
        }
    }
    assert!(k.calls().is_empty());
}
