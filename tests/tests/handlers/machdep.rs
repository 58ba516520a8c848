//! Machine-dependent calls.

use crate::support::*;
use xnu_abi::linux::{Errno, Sysno};
use xnu_backend_mock::Plan;
use xnu_core::Reply;
use xnu_core::table::Class;

#[test]
fn the_base_of_gs_is_set_and_answered_with_a_selector() {
    let k = machine();
    xnu!(k, thread_fast_set_cthread_self64(0x7000_1234u64) => 0x0f);
    assert_eq!(k.gs_base(), 0x7000_1234);
    // What is not canonical counts as 0.
    for base in [0x8000_0000_0000, 0xffff_8000_0000_0000, u64::MAX, i64::MIN as u64] {
        xnu!(k, thread_fast_set_cthread_self64(0x7000_0000u64) => 0x0f);
        xnu!(k, thread_fast_set_cthread_self64(base) => 0x0f);
        assert_eq!(k.gs_base(), 0);
    }
}

#[test]
fn an_old_kernel_that_cannot_set_it_fails_the_call() {
    let k = failing(Plan::nth(Sysno::ArchPrctl, 1, Errno::ENOSYS));
    xnu!(k, thread_fast_set_cthread_self64(0x7000u64) => ENOSYS);
}

#[test]
fn there_is_no_hypervisor() {
    let k = machine();
    xnu!(k, hv_task_trap(0, 0) => 4);
    xnu!(k, hv_thread_trap(u64::MAX, u64::MAX) => 4);
    for number in (2..20).chain([u32::MAX, 600]).filter(|number| *number != 3) {
        let reply = k.call(Class::Machdep, number, &[u64::MAX; 8]);
        assert!(matches!(reply, Reply::Value(4, 0) | Reply::Invalid), "{number}: {reply:?}");
    }
}
