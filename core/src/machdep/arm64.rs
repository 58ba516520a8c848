//! Machine-dependent calls of arm64, where the number is in `w3` (`osfmk/arm64/machine_routines.c`, `platform_syscall`,
//! of xnu-11417.101.15), and the two clocks that are read before the table of Mach traps is asked ([`clock`]).

use super::processor;
use crate::table::{Unchanged, calls};
use crate::user::UserAddr;

calls! {
    Machdep, crate::Reply::Invalid;

    0 processor icache_flush() -> Unchanged => faithful(processor::nothing),
    1 processor dcache_flush() -> Unchanged => faithful(processor::nothing),
    2 processor thread_set_cthread_self(base: UserAddr) -> Unchanged => enosys("no choice: XNU keeps it in TPIDRRO_EL0, which Linux lets nobody write"),
    3 processor thread_get_cthread_self() -> UserAddr => enosys("no choice: XNU keeps it in TPIDRRO_EL0, which Linux lets nobody write"),
}

/// Traps that are read from the clock: `x16` is minus the number (`osfmk/arm64/sleh.c`, `handle_svc`).
pub mod clock {
    use crate::mach::timer;
    use crate::table::calls;

    calls! {
        Mach, crate::Reply::Invalid;

        3 timer mach_absolute_time() -> u64 => faithful(timer::absolute_time),
        4 timer mach_continuous_time() -> u64 => faithful(timer::continuous_time),
    }
}
