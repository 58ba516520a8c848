//! What XNU keeps of a process's standing and Linux does not: policies, the login name, whether rights changed.

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64};

/// Types of I/O policies (`bsd/sys/resource.h`, `IOPOL_TYPE_DISK` and on).
pub const IO_POLICY_TYPES: usize = 14;

/// Room for a login name with its NUL (`MAXLOGNAME`, `bsd/sys/param.h`).
pub const LOGIN_BYTES: usize = 255;

/// Room for the name of a thread with its NUL (`MAXTHREADNAMESIZE`).
pub const THREAD_NAME_BYTES: usize = 64;

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
    /// How often they changed, for who keeps copies of them.
    pub id_changes: AtomicU32,
    /// Faults that were told of by `os_fault_with_payload`.
    pub user_faults: AtomicU32,
    /// The name that somebody logged in by.
    pub login: [AtomicU8; LOGIN_BYTES],
    /// The name of the first thread, whose name to Linux is that of the process.
    pub thread_name: [AtomicU8; THREAD_NAME_BYTES],
    /// What is to become of it when resources are short (`p_pcaction`).
    pub starvation_control: AtomicU32,
    /// Whether it is tracked, clean or dirty (`p_memstat_dirty`).
    pub dirty: AtomicU32,
    /// The word that it keeps in the kernel (`p_user_data`).
    pub user_word: AtomicU64,
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
            id_changes: AtomicU32::new(0),
            user_faults: AtomicU32::new(0),
            login: [const { AtomicU8::new(0) }; LOGIN_BYTES],
            thread_name: [const { AtomicU8::new(0) }; THREAD_NAME_BYTES],
            starvation_control: AtomicU32::new(0),
            dirty: AtomicU32::new(0),
            user_word: AtomicU64::new(0),
        }
    }
}

impl Default for Standing {
    fn default() -> Standing {
        Standing::new()
    }
}
