//! A Mach trap and a machine-dependent call of each handler that works.

use crate::mach::{MAKE_SEND, MAKE_SEND_ONCE, PORT_SET, message, semaphore};
use crate::support::*;
use xnu_backend_mock::Mock;

/// Name and arguments of each; made by as many Linux calls as it can.
pub(crate) fn good_traps(k: &Machine<Mock>) -> Vec<(&'static str, Vec<u64>)> {
    let room = |len: usize| k.alloc_guarded(len).get();
    let place = |bytes: &[u8]| k.place(bytes).get();
    let port = || value(xnu!(k, mach_reply_port()));
    let task = value(xnu!(k, task_self_trap()));
    let (receive, member, page) = (port(), port(), k.alloc(0x1000).get());
    xnu!(k, _kernelrpc_mach_port_insert_right_trap(task, receive, receive, MAKE_SEND) => 0);
    let timer = value(xnu!(k, mk_timer_create_trap()));
    let name = k.alloc(4);
    xnu!(k, _kernelrpc_mach_port_allocate_trap(task, PORT_SET, name) => 0);
    let set = number(k, name, 0, 4);
    xnu!(k, _kernelrpc_mach_port_insert_member_trap(task, member, set) => 0);
    let semaphore = semaphore(k);
    let thread = value(xnu!(k, thread_self_trap()));
    vec![
        ("__semwait_signal", vec![semaphore, 0, 1, 1, 0, 1]),
        ("__semwait_signal", vec![semaphore, semaphore, 1, 0, 0, 1]),
        ("__pthread_kill", vec![thread, 0]),
        ("mach_timebase_info_trap", vec![room(8)]),
        ("task_self_trap", vec![]),
        ("thread_self_trap", vec![]),
        ("host_self_trap", vec![]),
        ("mach_reply_port", vec![]),
        ("_kernelrpc_mach_vm_allocate_trap", vec![task, room(8), 0x3000, 1]),
        ("_kernelrpc_mach_vm_map_trap", vec![task, room(8), 0x3000, 0xffff, 1, 3]),
        ("_kernelrpc_mach_vm_deallocate_trap", vec![task, page, 0x1000]),
        ("_kernelrpc_mach_vm_protect_trap", vec![task, page, 0x1000, 0, 1]),
        ("_kernelrpc_mach_vm_protect_trap", vec![task, page, 0x1000, 1, 1]),
        ("_kernelrpc_mach_vm_purgable_control_trap", vec![task, page, 1, room(4)]),
        ("task_dyld_process_info_notify_get_trap", vec![room(4), place(&[4, 0, 0, 0])]),
        ("_kernelrpc_mach_port_allocate_trap", vec![task, 1, room(4)]),
        ("_kernelrpc_mach_port_deallocate_trap", vec![task, task]),
        ("_kernelrpc_mach_port_mod_refs_trap", vec![task, port(), 1, -1i64 as u64]),
        ("_kernelrpc_mach_port_move_member_trap", vec![task, port(), set]),
        ("_kernelrpc_mach_port_insert_member_trap", vec![task, port(), set]),
        ("_kernelrpc_mach_port_extract_member_trap", vec![task, member, set]),
        ("_kernelrpc_mach_port_insert_right_trap", vec![task, receive, receive, MAKE_SEND]),
        ("_kernelrpc_mach_port_construct_trap", vec![task, place(&[0; 24]), 0, room(4)]),
        ("_kernelrpc_mach_port_destruct_trap", vec![task, port(), 0, 0]),
        ("_kernelrpc_mach_port_get_attributes_trap", {
            let status = 2;
            vec![task, receive, status, room(40), place(&[10, 0, 0, 0])]
        }),
        ("_kernelrpc_mach_port_guard_trap", vec![task, port(), 7, 0]),
        ("_kernelrpc_mach_port_unguard_trap", {
            let guarded = port();
            xnu!(k, _kernelrpc_mach_port_guard_trap(task, guarded, 7u64, 0) => 0);
            vec![task, guarded, 7]
        }),
        ("_kernelrpc_mach_port_type_trap", vec![task, receive, room(4)]),
        (
            "_kernelrpc_mach_port_request_notification_trap",
            vec![task, task, 72, 0, port(), MAKE_SEND_ONCE, room(4)],
        ),
        ("thread_get_special_reply_port", vec![]),
        ("mach_msg_trap", vec![place(&message(receive as u32)), 1, 24, 0, 0, 0, 0]),
        ("mach_msg_overwrite_trap", vec![place(&message(receive as u32)), 1, 24, 0, 0, 0, 0, 0]),
        ("mach_msg2_trap", {
            let options = 1 | 1 << 33;
            vec![place(&message(receive as u32)), options, 0x14 | 24 << 32, receive, 0, 0, 0, 0]
        }),
        ("semaphore_signal_trap", vec![semaphore]),
        ("semaphore_signal_all_trap", vec![semaphore]),
        ("semaphore_signal_thread_trap", vec![semaphore, 0]),
        ("semaphore_wait_trap", vec![semaphore]),
        ("semaphore_wait_signal_trap", vec![semaphore, semaphore]),
        ("semaphore_timedwait_trap", vec![semaphore, 1, 0]),
        ("semaphore_timedwait_signal_trap", vec![semaphore, semaphore, 1, 0]),
        ("mach_generate_activity_id", vec![task, 1, room(8)]),
        ("task_name_for_pid", vec![task, 1000, room(4)]),
        ("task_for_pid", vec![task, 1000, room(4)]),
        ("pid_for_task", vec![task, room(4)]),
        ("debug_control_port_for_pid", vec![task, 1000, room(4)]),
        ("macx_swapon", vec![0, 0, 0, 0]),
        ("macx_swapoff", vec![0, 0]),
        ("macx_triggers", vec![0, 0, 0x10, 0]),
        ("macx_backing_store_suspend", vec![0]),
        ("macx_backing_store_recovery", vec![0]),
        ("pfz_exit", vec![]),
        ("swtch_pri", vec![0]),
        ("swtch", vec![]),
        ("thread_switch", vec![0, 2, 1]),
        ("clock_sleep_trap", vec![0, 1, 0, 1, room(8)]),
        ("host_create_mach_voucher_trap", vec![value(xnu!(k, host_self_trap())), 0, 0, room(4)]),
        ("mach_voucher_extract_attr_recipe_trap", vec![0, 0, 0, place(&[0; 4])]),
        ("_exclaves_ctl_trap", vec![0; 8]),
        ("mach_wait_until_trap", vec![0]),
        ("mk_timer_create_trap", vec![]),
        ("mk_timer_destroy_trap", vec![value(xnu!(k, mk_timer_create_trap()))]),
        ("mk_timer_arm_trap", vec![timer, 1 << 40]),
        ("mk_timer_arm_leeway_trap", vec![timer, 0, 1 << 40, 1000]),
        ("mk_timer_cancel_trap", vec![timer, room(8)]),
        ("iokit_user_client_trap", vec![0; 8]),
        ("thread_fast_set_cthread_self64", vec![0x1000]),
        ("i386_set_ldt64", vec![3, 0, 2]),
        ("i386_get_ldt64", vec![0, k.alloc(64).get(), 8]),
        ("hv_task_trap", vec![0, 0]),
        ("hv_thread_trap", vec![0, 0]),
    ]
}
