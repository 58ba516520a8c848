//! Machine-dependent calls of i386 (`osfmk/i386/machdep_call.c`, `machdep_call_table`, of xnu-11417.101.15).
//!
//! macOS 10.15 has ended 32-bit programs and the runner starts none; what needs no 32-bit registers is served.

use super::{BsdStyle, segments};
use crate::table::calls;
use crate::user::UserPtr;

calls! {
    Machdep, crate::Reply::Invalid;

    0 removed kern_invalid() -> () => invalid(),
    1 removed kern_invalid() -> () => invalid(),
    2 removed kern_invalid() -> () => invalid(),
    3 processor thread_fast_set_cthread_self(base: u32) -> i32 => enosys("our choice: the 32-bit gs is the Linux C library's, and Linux gives a thread's base another selector"),
    4 processor thread_set_user_ldt(address: u32, size: u32, flags: u32) -> i32 => enosys("our choice: XNU's descriptor is the thread's own, Linux's table is the process's"),
    5 processor i386_set_ldt(start_sel: u32, descs: UserPtr<u64>, num_sels: u32) -> BsdStyle => partial(segments::set, "conforming code is EINVAL; one that fails half-way leaves what was set before"),
    6 processor i386_get_ldt(start_sel: u32, descs: UserPtr<u64>, num_sels: u32) -> BsdStyle => partial(segments::get, "the system's three descriptors are zeros; those that were set are marked as accessed"),
}
