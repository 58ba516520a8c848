//! Every Mach trap has an argument that it refuses, and says so as XNU does.

use crate::support::*;
use xnu_core::Reply;
use xnu_core::table::{Class, Grade};

/// The name of the caller's task, and memory to write to: filled in before the call.
const OWN: u64 = 0xffff_0000_0000_0001;
const OUT: u64 = 0xffff_0000_0000_0002;
/// A name of nothing, and an address of nothing.
const BAD: u64 = 0x9999_9903;
const WILD: u64 = 8;

const SEND_OPTION: u64 = 1;
const RECEIVE_OPTION: u64 = 2;

/// What each trap is called with, and what it answers.
const CALLS: &[(&str, &[u64], u32)] = &[
    ("_kernelrpc_mach_vm_allocate_trap", &[BAD, OUT, 4096, 1], ELSEWHERE),
    ("_kernelrpc_mach_vm_allocate_trap", &[OWN, WILD, 4096, 1], KERN_MEMORY_ERROR),
    ("_kernelrpc_mach_vm_purgable_control_trap", &[BAD, OUT, 0, OUT], ELSEWHERE),
    ("_kernelrpc_mach_vm_purgable_control_trap", &[OWN, OUT, 99, OUT], KERN_INVALID_ARGUMENT),
    ("_kernelrpc_mach_vm_deallocate_trap", &[BAD, OUT, 4096], ELSEWHERE),
    ("_kernelrpc_mach_vm_deallocate_trap", &[OWN, OUT, u64::MAX], KERN_INVALID_ARGUMENT),
    ("task_dyld_process_info_notify_get_trap", &[OUT, WILD], KERN_MEMORY_ERROR),
    ("_kernelrpc_mach_vm_protect_trap", &[BAD, OUT, 4096, 0, 1], ELSEWHERE),
    ("_kernelrpc_mach_vm_protect_trap", &[OWN, 0x1000_0000_0000, 4096, 0, 1], KERN_INVALID_ADDRESS),
    ("_kernelrpc_mach_vm_map_trap", &[BAD, OUT, 4096, 0, 1, 3], ELSEWHERE),
    ("_kernelrpc_mach_vm_map_trap", &[OWN, OUT, 0, 0, 1, 3], KERN_INVALID_ARGUMENT),
    ("_kernelrpc_mach_port_allocate_trap", &[BAD, 1, OUT], ELSEWHERE),
    ("_kernelrpc_mach_port_allocate_trap", &[OWN, 99, OUT], KERN_INVALID_VALUE),
    ("_kernelrpc_mach_port_allocate_trap", &[OWN, 1, WILD], KERN_MEMORY_ERROR),
    ("_kernelrpc_mach_port_deallocate_trap", &[BAD, BAD], ELSEWHERE),
    ("_kernelrpc_mach_port_deallocate_trap", &[OWN, BAD], KERN_INVALID_NAME),
    ("_kernelrpc_mach_port_mod_refs_trap", &[OWN, BAD, 1, u64::MAX], KERN_INVALID_NAME),
    ("_kernelrpc_mach_port_move_member_trap", &[OWN, BAD, BAD], KERN_INVALID_NAME),
    ("_kernelrpc_mach_port_insert_right_trap", &[OWN, BAD, BAD, 20], KERN_INVALID_NAME),
    ("_kernelrpc_mach_port_insert_member_trap", &[OWN, BAD, BAD], KERN_INVALID_NAME),
    ("_kernelrpc_mach_port_extract_member_trap", &[OWN, BAD, BAD], KERN_INVALID_NAME),
    ("_kernelrpc_mach_port_construct_trap", &[OWN, WILD, 0, OUT], KERN_MEMORY_ERROR),
    ("_kernelrpc_mach_port_destruct_trap", &[OWN, BAD, 0, 0], KERN_INVALID_NAME),
    ("mach_msg_trap", &[WILD, SEND_OPTION, 24, 0, 0, 0, 0], 0x1000_0002),
    ("mach_msg_trap", &[OUT, RECEIVE_OPTION, 0, 64, BAD, 0, 0], 0x1000_4002),
    ("mach_msg_overwrite_trap", &[WILD, SEND_OPTION, 24, 0, 0, 0, 0, 0], 0x1000_0002),
    ("mach_msg_overwrite_trap", &[OUT, RECEIVE_OPTION, 0, 64, BAD, 0, 0, 0], 0x1000_4002),
    ("semaphore_signal_trap", &[BAD], KERN_INVALID_NAME),
    ("semaphore_signal_all_trap", &[BAD], KERN_INVALID_NAME),
    ("semaphore_signal_thread_trap", &[BAD, 0], KERN_INVALID_NAME),
    ("semaphore_wait_trap", &[BAD], KERN_INVALID_NAME),
    ("semaphore_wait_signal_trap", &[BAD, BAD], KERN_INVALID_NAME),
    ("semaphore_timedwait_trap", &[BAD, 0, 0], KERN_INVALID_NAME),
    ("semaphore_timedwait_trap", &[BAD, 0, u64::MAX], KERN_INVALID_VALUE),
    ("semaphore_timedwait_signal_trap", &[BAD, BAD, 0, 0], KERN_INVALID_NAME),
    ("_kernelrpc_mach_port_get_attributes_trap", &[OWN, BAD, 1, OUT, OUT], KERN_FAILURE),
    ("_kernelrpc_mach_port_get_attributes_trap", &[OWN, BAD, 1, OUT, WILD], KERN_MEMORY_ERROR),
    ("_kernelrpc_mach_port_guard_trap", &[OWN, BAD, 1, 0], KERN_INVALID_NAME),
    ("_kernelrpc_mach_port_unguard_trap", &[OWN, BAD, 1], KERN_INVALID_NAME),
    ("mach_generate_activity_id", &[OWN, 0, OUT], KERN_INVALID_ARGUMENT),
    ("task_name_for_pid", &[BAD, 1, OUT], KERN_FAILURE),
    ("task_for_pid", &[BAD, 1, OUT], KERN_FAILURE),
    ("pid_for_task", &[BAD, OUT], KERN_FAILURE),
    ("mach_msg2_trap", &[WILD, SEND_OPTION, 24 << 32 | 19, BAD, 0, 0, 0, 0], 0x1000_0013),
    ("mach_msg2_trap", &[OUT, RECEIVE_OPTION, 0, 0, 0, BAD << 32, 64, 0], 0x1000_4002),
    ("macx_swapon", &[WILD, 0, 0, 0], ENOTSUP),
    ("macx_swapoff", &[WILD, 0], ENOTSUP),
    ("macx_triggers", &[0, 0, 0, BAD], ENOTSUP),
    ("macx_backing_store_suspend", &[7], ENOTSUP),
    ("macx_backing_store_recovery", &[u64::MAX], ENOTSUP),
    ("thread_switch", &[0, 99, 0], KERN_INVALID_ARGUMENT),
    ("clock_sleep_trap", &[BAD, 0, 0, 0, OUT], KERN_INVALID_ARGUMENT),
    ("clock_sleep_trap", &[0, 9, 0, 0, OUT], KERN_INVALID_VALUE),
    ("host_create_mach_voucher_trap", &[BAD, WILD, 16, OUT], ELSEWHERE),
    ("mach_voucher_extract_attr_recipe_trap", &[BAD, 0, OUT, OUT], ELSEWHERE),
    ("_kernelrpc_mach_port_type_trap", &[OWN, BAD, OUT], KERN_INVALID_NAME),
    (
        "_kernelrpc_mach_port_request_notification_trap",
        &[OWN, BAD, 72, 0, BAD, 21, OUT, 0],
        KERN_INVALID_NAME,
    ),
    ("_kernelrpc_mach_port_request_notification_trap", &[OWN, OWN, 72, 0, 0, 21, OUT, 0], ELSEWHERE),
    ("_exclaves_ctl_trap", &[BAD, 0, 0, 0, 0, 0, 0, 0], KERN_NOT_SUPPORTED),
    ("mk_timer_destroy_trap", &[BAD], KERN_INVALID_NAME),
    ("mk_timer_arm_trap", &[BAD, 1], KERN_INVALID_NAME),
    ("mk_timer_cancel_trap", &[BAD, OUT], KERN_INVALID_NAME),
    ("mk_timer_arm_leeway_trap", &[BAD, 0, 1, 0], KERN_INVALID_NAME),
    ("debug_control_port_for_pid", &[BAD, 1, OUT], KERN_FAILURE),
    ("iokit_user_client_trap", &[BAD, 0, 0, 0, 0, 0, 0, 0], 0xe000_02c2),
];

/// Traps that no argument is wrong for.
const NONE: &[(&str, &str)] = &[
    ("mach_reply_port", "takes nothing"),
    ("thread_self_trap", "takes nothing"),
    ("task_self_trap", "takes nothing"),
    ("host_self_trap", "takes nothing"),
    ("thread_get_special_reply_port", "takes nothing"),
    ("mk_timer_create_trap", "takes nothing"),
    ("pfz_exit", "takes nothing"),
    ("swtch", "takes nothing"),
    ("swtch_pri", "any priority is one, and none is looked at (osfmk/kern/syscall_subr.c)"),
    ("mach_timebase_info_trap", "that nothing could be written is not told (osfmk/kern/clock.c)"),
    ("mach_wait_until_trap", "a time that is over is waited for no longer (osfmk/kern/clock.c)"),
];

/// `MACH_SEND_INVALID_DEST`: the task is asked by message then.
const ELSEWHERE: u32 = 0x1000_0003;
const KERN_INVALID_ADDRESS: u32 = 1;
const KERN_INVALID_ARGUMENT: u32 = 4;
const KERN_FAILURE: u32 = 5;
const KERN_MEMORY_ERROR: u32 = 10;
const KERN_INVALID_NAME: u32 = 15;
const KERN_INVALID_VALUE: u32 = 18;
const ENOTSUP: u32 = 45;
const KERN_NOT_SUPPORTED: u32 = 46;

fn served() -> impl Iterator<Item = xnu_core::table::Row> {
    xnu_core::mach::rows()
        .filter(|row| matches!(row.grade, Grade::Faithful | Grade::Partial(_) | Grade::Fake(_)))
}

#[test]
fn every_trap_is_called_with_a_bad_argument_or_takes_none() {
    for row in served() {
        let called = CALLS.iter().filter(|(name, ..)| *name == row.name).count();
        let none = NONE.iter().filter(|(name, _)| *name == row.name).count();
        assert!((called > 0) != (none == 1), "{}", row.name);
    }
    for name in CALLS.iter().map(|(name, ..)| name).chain(NONE.iter().map(|(name, _)| name)) {
        assert!(served().any(|row| row.name == *name), "{name} is no trap that is served");
    }
}

#[test]
fn bad_arguments_are_refused_as_xnu_refuses_them() {
    for (name, words, expected) in CALLS {
        let k = machine();
        let own = value(xnu!(k, task_self_trap()));
        let out = k.place(&[0; 4096]);
        let mut all = [0; 8];
        for (to, from) in all.iter_mut().zip(*words) {
            *to = match *from {
                OWN => own,
                OUT => out.get(),
                other => other,
            };
        }
        let number = served().find(|row| row.name == *name).expect("a trap").number;
        let Reply::Value(answer, _) = k.call(Class::Mach, number, &all) else {
            panic!("{name} has no answer")
        };
        assert_eq!(answer as u32, *expected, "{name} {words:x?}");
    }
}
