//! Machine-dependent calls of x86-64 (`osfmk/i386/machdep_call.c`, `machdep_call_table64`, of xnu-11417.101.15).

use super::{BsdStyle, processor, segments};
use crate::table::calls;
use crate::user::{UserAddr, UserPtr};

calls! {
    Machdep, crate::Reply::Invalid;

    0 processor hv_task_trap(index: u64, arg: u64) -> i32 => faithful(processor::hv_task_trap),
    1 processor hv_thread_trap(index: u64, arg: u64) -> i32 => faithful(processor::hv_thread_trap),
    2 removed kern_invalid() -> () => invalid(),
    3 processor thread_fast_set_cthread_self64(base: UserAddr) -> i32 => faithful(processor::set_cthread_self),
    4 removed kern_invalid() -> () => invalid(),
    5 processor i386_set_ldt64(start_sel: u64, descs: UserPtr<u64>, num_sels: u64) -> BsdStyle => partial(segments::set, "conforming code is EINVAL; one that fails half-way leaves what was set before"),
    6 processor i386_get_ldt64(start_sel: u64, descs: UserPtr<u64>, num_sels: u64) -> BsdStyle => partial(segments::get, "the system's three descriptors are zeros; those that were set are marked as accessed"),
}
