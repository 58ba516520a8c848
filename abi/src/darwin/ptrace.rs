//! Debugging (`bsd/sys/ptrace.h`, `man 2 ptrace`).

use crate::table::tables;

tables! {
    /// What `ptrace` is asked for.
    numbers PtraceRequest: i32 = "ptrace" {
        PT_TRACE_ME = 0,
        PT_READ_I = 1,
        PT_READ_D = 2,
        PT_READ_U = 3,
        PT_WRITE_I = 4,
        PT_WRITE_D = 5,
        PT_WRITE_U = 6,
        PT_CONTINUE = 7,
        PT_KILL = 8,
        PT_STEP = 9,
        PT_ATTACH = 10,
        PT_DETACH = 11,
        PT_SIGEXC = 12,
        PT_THUPDATE = 13,
        PT_ATTACHEXC = 14,
        PT_FORCEQUOTA = 30,
        PT_DENY_ATTACH = 31,
        PT_FIRSTMACH = 32,
    }
}
