//! `posix_spawn` (`bsd/sys/spawn.h`, `bsd/sys/spawn_internal.h`, `man 2 posix_spawn`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// `psa_flags` of a [`SpawnAttr`].
    flags SpawnFlags: u16 = "posix_spawn" {
        POSIX_SPAWN_RESETIDS = 1,
        POSIX_SPAWN_SETPGROUP = 2,
        POSIX_SPAWN_SETSIGDEF = 4,
        POSIX_SPAWN_SETSIGMASK = 8,
        POSIX_SPAWN_SETEXEC = 0x40,
        POSIX_SPAWN_START_SUSPENDED = 0x80,
        _POSIX_SPAWN_DISABLE_ASLR = 0x100,
        _POSIX_SPAWN_NANO_ALLOCATOR = 0x200,
        POSIX_SPAWN_SETSID = 0x400,
        _POSIX_SPAWN_ALLOW_DATA_EXEC = 0x2000,
        POSIX_SPAWN_CLOEXEC_DEFAULT = 0x4000,
        _POSIX_SPAWN_HIGH_BITS_ASLR = 0x8000,
        _POSIX_SPAWN_RESLIDE = 0x800,
    }

    /// What a file action does.
    numbers FileAction: i32 = "posix_spawn" {
        PSFA_OPEN = 0,
        PSFA_CLOSE = 1,
        PSFA_DUP2 = 2,
        PSFA_INHERIT = 3,
        PSFA_FILEPORT_DUP2 = 4,
        PSFA_CHDIR = 5,
        PSFA_FCHDIR = 6,
    }

    /// All else that attributes and actions are made of.
    constants SPAWN_VALUES: i64 = "posix_spawn" {
        POSIX_SPAWN_PCONTROL_NONE = 0,
        POSIX_SPAWN_PCONTROL_THROTTLE = 1,
        POSIX_SPAWN_PCONTROL_SUSPEND = 2,
        POSIX_SPAWN_PCONTROL_KILL = 3,
        POSIX_SPAWN_PANIC_ON_CRASH = 1,
        POSIX_SPAWN_PANIC_ON_NON_ZERO_EXIT = 2,
        POSIX_SPAWN_PANIC_ON_EXIT = 4,
        POSIX_SPAWN_PANIC_ON_SPAWN_FAIL = 8,
        PSPA_SPECIAL = 0,
        PSPA_EXCEPTION = 1,
        PSPA_AU_SESSION = 2,
        PSPA_IMP_WATCHPORTS = 3,
        PSPA_REGISTERED_PORTS = 4,
        PSPA_PTRAUTH_TASK_PORT = 5,
        POSIX_SPAWN_POSIX_CRED_UID = 0x0001_0000,
        POSIX_SPAWN_POSIX_CRED_GID = 0x0002_0000,
        POSIX_SPAWN_POSIX_CRED_GROUPS = 0x0004_0000,
        POSIX_SPAWN_POSIX_CRED_LOGIN = 0x0008_0000,
        POSIX_SPAWN_PERSONA_FLAGS_NONE = 0,
        POSIX_SPAWN_PERSONA_FLAGS_OVERRIDE = 1,
        POSIX_SPAWN_PERSONA_FLAGS_VERIFY = 2,
        POSIX_SPAWN_PERSONA_ALL_FLAGS = 3,
        POSIX_SPAWN_PERSONA_UID = 0x0001_0000,
        POSIX_SPAWN_PERSONA_GID = 0x0002_0000,
        POSIX_SPAWN_PERSONA_GROUPS = 0x0004_0000,
        POSIX_SPAWN_SECFLAG_EXPLICIT_ENABLE = 1,
        POSIX_SPAWN_SECFLAG_EXPLICIT_DISABLE = 2,
        POSIX_SPAWN_SECFLAG_EXPLICIT_NEVER_CHECK_ENABLE = 4,
        POSIX_SPAWN_SECFLAG_EXPLICIT_NEVER_CHECK_DISABLE = 8,
        POSIX_SPAWN_SECFLAG_EXPLICIT_VM_POLICY_BYPASS = 0x10,
        POSIX_SPAWN_SECFLAG_EXPLICIT_VM_POLICY_ENFORCE = 0x20,
        POSIX_SPAWN_SECFLAG_EXPLICIT_CHECK_BYPASS = 0x40,
        POSIX_SPAWN_SECFLAG_EXPLICIT_CHECK_ENFORCE = 0x80,
        POSIX_SPAWN_SECFLAG_EXPLICIT_DISABLE_INHERIT = 0x100,
        POSIX_SPAWN_SECFLAG_EXPLICIT_ENABLE_INHERIT = 0x200,
        POSIX_SPAWN_JETSAM_SET = 0x8000,
        POSIX_SPAWN_JETSAM_USE_EFFECTIVE_PRIORITY = 1,
        POSIX_SPAWN_JETSAM_HIWATER_BACKGROUND = 2,
        POSIX_SPAWN_JETSAM_MEMLIMIT_FATAL = 4,
        POSIX_SPAWN_JETSAM_MEMLIMIT_ACTIVE_FATAL = 4,
        POSIX_SPAWN_JETSAM_MEMLIMIT_INACTIVE_FATAL = 8,
        POSIX_SPAWN_JETSAM_RELAUNCH_BEHAVIOR_BUCKETS = 3,
        POSIX_SPAWN_JETSAM_RELAUNCH_BEHAVIOR_MASK = 0x30,
        POSIX_SPAWN_JETSAM_RELAUNCH_BEHAVIOR_HIGH = 0x30,
        POSIX_SPAWN_JETSAM_RELAUNCH_BEHAVIOR_MED = 0x20,
        POSIX_SPAWN_JETSAM_RELAUNCH_BEHAVIOR_LOW = 0x10,
        POSIX_SPAWN_PROCESS_TYPE_NORMAL = 0,
        POSIX_SPAWN_PROCESS_TYPE_DEFAULT = 0,
        POSIX_SPAWN_PROC_TYPE_MASK = 0xf00,
        POSIX_SPAWN_PROC_TYPE_APP_DEFAULT = 0x100,
        POSIX_SPAWN_PROC_TYPE_APP_TAL = 0x200,
        POSIX_SPAWN_PROC_TYPE_DAEMON_STANDARD = 0x300,
        POSIX_SPAWN_PROC_TYPE_DAEMON_INTERACTIVE = 0x400,
        POSIX_SPAWN_PROC_TYPE_DAEMON_BACKGROUND = 0x500,
        POSIX_SPAWN_PROC_TYPE_DAEMON_ADAPTIVE = 0x600,
        POSIX_SPAWN_PROC_TYPE_DRIVER = 0x700,
        POSIX_SPAWN_PROC_CLAMP_NONE = 0,
        POSIX_SPAWN_PROC_CLAMP_UTILITY = 1,
        POSIX_SPAWN_PROC_CLAMP_BACKGROUND = 2,
        POSIX_SPAWN_PROC_CLAMP_MAINTENANCE = 3,
        POSIX_SPAWN_PROC_CLAMP_LAST = 4,
        POSIX_SPAWN_DARWIN_ROLE_NONE = 0,
    }
}

/// Bytes of one file action (`_psfa_action`), and where its parts are: the kind, the descriptor, then by kind flags, mode
/// and path of an open, the new descriptor of a copy, or the path of a directory.
pub mod file_action {
    #![allow(missing_docs)]
    pub const SIZE: u64 = 1040;
    pub const KIND: u64 = 0;
    pub const DESCRIPTOR: u64 = 4;
    pub const OPEN_FLAGS: u64 = 8;
    pub const OPEN_MODE: u64 = 12;
    pub const OPEN_PATH: u64 = 14;
    pub const NEW_DESCRIPTOR: u64 = 8;
    pub const DIRECTORY: u64 = 8;
}

layouts! {
    /// What the third argument of `posix_spawn` points to: sizes and addresses, a size of 0 for what is not there.
    #[repr(C)]
    struct SpawnArgs = "_posix_spawn_args_desc", 144 bytes, align 8 {
          0 attr_size: u64,
          8 attrp: u64,
         16 file_actions_size: u64,
         24 file_actions: u64,
         32 port_actions_size: u64,
         40 port_actions: u64,
         48 mac_extensions_size: u64,
         56 mac_extensions: u64,
         64 coal_info_size: u64,
         72 coal_info: u64,
         80 persona_info_size: u64,
         88 persona_info: u64,
         96 posix_cred_info_size: u64,
        104 posix_cred_info: u64,
        112 subsystem_root_path_size: u64,
        120 subsystem_root_path: u64,
        128 conclave_id_size: u64,
        136 conclave_id: u64,
    }

    /// Attributes, as far as they are numbers: what comes behind is addresses of the C library.
    #[repr(C)]
    struct SpawnAttr = "_posix_spawnattr up to psa_ports", 192 bytes, align 8 {
          0 psa_flags: SpawnFlags,
          2 flags_padding: u16,
          4 psa_sigdefault: u32,
          8 psa_sigmask: u32,
         12 psa_pgroup: i32,
         16 psa_binprefs: [u32; 4],
         32 psa_pcontrol: i32,
         36 psa_apptype: i32,
         40 psa_cpumonitor_percent: u64,
         48 psa_cpumonitor_interval: u64,
         56 psa_reserved: u64,
         64 psa_jetsam_flags: u16,
         66 short_padding: u16,
         68 psa_priority: i32,
         72 psa_memlimit_active: i32,
         76 psa_memlimit_inactive: i32,
         80 psa_qos_clamp: u64,
         88 psa_darwin_role: u32,
         92 psa_thread_limit: i32,
         96 psa_max_addr: u64,
        104 psa_no_smt: u8,
        105 psa_tecs: u8,
        106 _pad0: [u8; 2],
        108 psa_platform: i32,
        112 psa_subcpuprefs: [u32; 4],
        128 psa_options: u32,
        132 psa_port_soft_limit: u32,
        136 psa_port_hard_limit: u32,
        140 psa_filedesc_soft_limit: u32,
        144 psa_filedesc_hard_limit: u32,
        148 psa_crash_behavior: u32,
        152 psa_dataless_iopolicy: i32,
        156 _pad1: [u8; 4],
        160 psa_crash_behavior_deadline: u64,
        168 psa_launch_type: u8,
        169 _pad2: [u8; 1],
        170 psa_sec_flags: u16,
        172 psa_crash_count: u32,
        176 psa_throttle_timeout: u32,
        180 psa_kqworkloop_soft_limit: u32,
        184 psa_kqworkloop_hard_limit: u32,
        188 _pad3: [u8; 4],
    }

    /// Begins the file actions, which follow.
    #[repr(C)]
    struct FileActions = "_posix_spawn_file_actions up to psfa_act_acts", 8 bytes, align 4 {
          0 psfa_act_alloc: i32,
          4 psfa_act_count: i32,
    }
}
