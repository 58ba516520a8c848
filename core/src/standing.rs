//! What XNU keeps of a process's standing and Linux does not: policies, the login name, whether rights changed.

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32};

/// Types of I/O policies (`bsd/sys/resource.h`, `IOPOL_TYPE_DISK` and on).
pub const IO_POLICY_TYPES: usize = 14;

/// Room for a login name with its NUL (`MAXLOGNAME`, `bsd/sys/param.h`).
pub const LOGIN_BYTES: usize = 255;

/// The I/O policies of a scope, by their types.
pub type IoPolicies = [AtomicI32; IO_POLICY_TYPES];

/// The standing of a process. All zero is that of a program that was just started.
#[derive(Debug)]
pub struct Standing {
    /// Whether it is in the background, for `PRIO_DARWIN_PROCESS`.
    pub background_process: AtomicBool,
    /// The same for `PRIO_DARWIN_THREAD`.
    pub background_thread: AtomicBool,
    /// I/O policies of the process.
    pub io_process: IoPolicies,
    /// I/O policies of its threads.
    pub io_thread: IoPolicies,
    /// The disk policy of a process in the background.
    pub io_background: AtomicI32,
    /// What `setprivexec` was last given.
    pub private_exec: AtomicBool,
    /// Flags of its signature.
    pub code_signature: AtomicU32,
    /// Whether users or groups changed since the program was started (`P_SUGID`).
    pub changed_ids: AtomicBool,
    /// The name that somebody logged in by.
    pub login: [AtomicU8; LOGIN_BYTES],
}

impl Standing {
    /// That of a program that was just started.
    pub const fn new() -> Standing {
        Standing {
            background_process: AtomicBool::new(false),
            background_thread: AtomicBool::new(false),
            io_process: [const { AtomicI32::new(0) }; IO_POLICY_TYPES],
            io_thread: [const { AtomicI32::new(0) }; IO_POLICY_TYPES],
            io_background: AtomicI32::new(0),
            private_exec: AtomicBool::new(false),
            code_signature: AtomicU32::new(0),
            changed_ids: AtomicBool::new(false),
            login: [const { AtomicU8::new(0) }; LOGIN_BYTES],
        }
    }
}

impl Default for Standing {
    fn default() -> Standing {
        Standing::new()
    }
}
