//! Waiting for children (`bsd/sys/wait.h`, `man 2 wait4`, `man 2 waitid`).

use crate::table::tables;

tables! {
    /// Options of `wait4` and `waitid`.
    flags WaitOptions: u32 = "wait" {
        WNOHANG = 1,
        WUNTRACED = 2,
        WEXITED = 4,
        WSTOPPED = 8,
        WCONTINUED = 0x10,
        WNOWAIT = 0x20,
    }

    /// What the id of `waitid` is.
    numbers IdType: i32 = "wait" {
        P_ALL = 0,
        P_PID = 1,
        P_PGID = 2,
    }

    /// Process ids of `wait4` that are none: any child, any child of the caller's group.
    constants WAIT_PIDS: i32 = "wait" {
        WAIT_ANY = -1,
        WAIT_MYPGRP = 0,
    }

    /// In a status: a core was written.
    constants STATUS_BITS: u32 = "wait" {
        WCOREFLAG = 0x80,
    }

    /// The low seven bits of a status when the process is stopped: the signal is above them. A process that went
    /// on has the status `0x137f`, as if stopped by `SIGCONT`.
    constants STATUS_STOPPED: u32 = "bsd/sys/wait.h" {
        _WSTOPPED = 0x7f,
    }
}
