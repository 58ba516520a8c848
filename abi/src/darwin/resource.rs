//! Limits, usage and priorities (`bsd/sys/resource.h`, `man 2 getrlimit`, `man 2 getrusage`, `man 2 getpriority`,
//! `man 3 getiopolicy_np`).

use super::time::Timeval;
use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// What `getrlimit` and `setrlimit` limit.
    numbers RlimitResource: i32 = "rlimit" {
        RLIMIT_CPU = 0,
        RLIMIT_FSIZE = 1,
        RLIMIT_DATA = 2,
        RLIMIT_STACK = 3,
        RLIMIT_CORE = 4,
        RLIMIT_AS = 5,
        RLIMIT_RSS = 5,
        RLIMIT_MEMLOCK = 6,
        RLIMIT_NPROC = 7,
        RLIMIT_NOFILE = 8,
    }

    /// A bit that the C library adds to a resource for POSIX's meaning, and the count of resources.
    constants RLIMIT_NUMBERS: i32 = "rlimit" {
        RLIM_NLIMITS = 9,
        _RLIMIT_POSIX_FLAG = 0x1000,
    }

    /// No limit.
    constants RLIM_VALUES: u64 = "rlimit" {
        RLIM_INFINITY = 0x7fff_ffff_ffff_ffff,
    }

    /// Flavors of `proc_rlimit_control`.
    numbers RlimitControl: i32 = "rlimit" {
        RLIMIT_WAKEUPS_MONITOR = 1,
        RLIMIT_CPU_USAGE_MONITOR = 2,
        RLIMIT_THREAD_CPULIMITS = 3,
        RLIMIT_FOOTPRINT_INTERVAL = 4,
    }

    /// Whose usage `getrusage` tells.
    numbers RusageWho: i32 = "rusage" {
        RUSAGE_SELF = 0,
        RUSAGE_CHILDREN = -1,
    }

    /// Flavors of `proc_pid_rusage`.
    numbers RusageInfo: i32 = "rusage" {
        RUSAGE_INFO_V0 = 0,
        RUSAGE_INFO_V1 = 1,
        RUSAGE_INFO_V2 = 2,
        RUSAGE_INFO_V3 = 3,
        RUSAGE_INFO_V4 = 4,
        RUSAGE_INFO_V5 = 5,
        RUSAGE_INFO_V6 = 6,
        RUSAGE_INFO_CURRENT = 6,
    }

    /// Whose priority, or which, `getpriority` and `setpriority` deal with.
    numbers PriorityWhich: i32 = "priority" {
        PRIO_PROCESS = 0,
        PRIO_PGRP = 1,
        PRIO_USER = 2,
        PRIO_DARWIN_THREAD = 3,
        PRIO_DARWIN_PROCESS = 4,
        PRIO_DARWIN_GPU = 5,
        PRIO_DARWIN_ROLE = 6,
    }

    /// Priorities: the bounds, and those of `PRIO_DARWIN_THREAD` and `PRIO_DARWIN_PROCESS`.
    constants PRIORITIES: i32 = "priority" {
        PRIO_MIN = -0x14,
        PRIO_MAX = 0x14,
        PRIO_DARWIN_BG = 0x1000,
        PRIO_DARWIN_NONUI = 0x1001,
    }

    /// What `iopolicysys` does.
    numbers IoPolicyCommand: i32 = "iopolicy" {
        IOPOL_CMD_GET = 1,
        IOPOL_CMD_SET = 2,
    }

    /// What an I/O policy is about.
    numbers IoPolicyType: i32 = "iopolicy" {
        IOPOL_TYPE_DISK = 0,
        IOPOL_TYPE_VFS_ATIME_UPDATES = 2,
        IOPOL_TYPE_VFS_MATERIALIZE_DATALESS_FILES = 3,
        IOPOL_TYPE_VFS_STATFS_NO_DATA_VOLUME = 4,
        IOPOL_TYPE_VFS_TRIGGER_RESOLVE = 5,
        IOPOL_TYPE_VFS_IGNORE_CONTENT_PROTECTION = 6,
        IOPOL_TYPE_VFS_IGNORE_PERMISSIONS = 7,
        IOPOL_TYPE_VFS_SKIP_MTIME_UPDATE = 8,
        IOPOL_TYPE_VFS_ALLOW_LOW_SPACE_WRITES = 9,
        IOPOL_TYPE_VFS_DISALLOW_RW_FOR_O_EVTONLY = 10,
        IOPOL_TYPE_VFS_HFS_CASE_SENSITIVITY = 1,
        IOPOL_TYPE_VFS_ALTLINK = 11,
        IOPOL_TYPE_VFS_NOCACHE_WRITE_FS_BLKSIZE = 12,
        IOPOL_TYPE_VFS_SUPPORT_LONG_PATHS = 13,
    }

    /// Whom an I/O policy concerns.
    numbers IoPolicyScope: i32 = "iopolicy" {
        IOPOL_SCOPE_PROCESS = 0,
        IOPOL_SCOPE_THREAD = 1,
        IOPOL_SCOPE_DARWIN_BG = 2,
    }

    /// Policies of `IOPOL_TYPE_DISK`.
    numbers IoPolicy: i32 = "iopolicy" {
        IOPOL_DEFAULT = 0,
        IOPOL_IMPORTANT = 1,
        IOPOL_PASSIVE = 2,
        IOPOL_THROTTLE = 3,
        IOPOL_UTILITY = 4,
        IOPOL_STANDARD = 5,
        IOPOL_APPLICATION = 5,
        IOPOL_NORMAL = 1,
    }

    /// Policies of the other types.
    constants IO_POLICY_VALUES: i32 = "iopolicy" {
        IOPOL_ATIME_UPDATES_DEFAULT = 0,
        IOPOL_ATIME_UPDATES_OFF = 1,
        IOPOL_MATERIALIZE_DATALESS_FILES_DEFAULT = 0,
        IOPOL_MATERIALIZE_DATALESS_FILES_OFF = 1,
        IOPOL_MATERIALIZE_DATALESS_FILES_ON = 2,
        IOPOL_VFS_STATFS_NO_DATA_VOLUME_DEFAULT = 0,
        IOPOL_VFS_STATFS_FORCE_NO_DATA_VOLUME = 1,
        IOPOL_VFS_TRIGGER_RESOLVE_DEFAULT = 0,
        IOPOL_VFS_TRIGGER_RESOLVE_OFF = 1,
        IOPOL_VFS_CONTENT_PROTECTION_DEFAULT = 0,
        IOPOL_VFS_CONTENT_PROTECTION_IGNORE = 1,
        IOPOL_VFS_IGNORE_PERMISSIONS_OFF = 0,
        IOPOL_VFS_IGNORE_PERMISSIONS_ON = 1,
        IOPOL_VFS_SKIP_MTIME_UPDATE_OFF = 0,
        IOPOL_VFS_SKIP_MTIME_UPDATE_ON = 1,
        IOPOL_VFS_SKIP_MTIME_UPDATE_IGNORE = 2,
        IOPOL_VFS_ALLOW_LOW_SPACE_WRITES_OFF = 0,
        IOPOL_VFS_ALLOW_LOW_SPACE_WRITES_ON = 1,
        IOPOL_VFS_DISALLOW_RW_FOR_O_EVTONLY_DEFAULT = 0,
        IOPOL_VFS_DISALLOW_RW_FOR_O_EVTONLY_ON = 1,
        IOPOL_VFS_NOCACHE_WRITE_FS_BLKSIZE_DEFAULT = 0,
        IOPOL_VFS_NOCACHE_WRITE_FS_BLKSIZE_ON = 1,
        IOPOL_VFS_HFS_CASE_SENSITIVITY_DEFAULT = 0,
        IOPOL_VFS_HFS_CASE_SENSITIVITY_FORCE_CASE_SENSITIVE = 1,
        IOPOL_VFS_ALTLINK_DISABLED = 0,
        IOPOL_VFS_ALTLINK_ENABLED = 1,
        IOPOL_VFS_SUPPORT_LONG_PATHS_DEFAULT = 0,
        IOPOL_VFS_SUPPORT_LONG_PATHS_ON = 1,
    }
}

layouts! {
    /// A soft and a hard limit.
    #[repr(C)]
    struct Rlimit = "rlimit", 16 bytes, align 8 {
        0 rlim_cur: u64,
        8 rlim_max: u64,
    }

    /// What `getrusage` and `wait4` write. `ru_maxrss` is in bytes, not in KiB as on Linux.
    #[repr(C)]
    struct Rusage = "rusage", 144 bytes, align 8 {
          0 ru_utime: Timeval,
         16 ru_stime: Timeval,
         32 ru_maxrss: i64,
         40 ru_ixrss: i64,
         48 ru_idrss: i64,
         56 ru_isrss: i64,
         64 ru_minflt: i64,
         72 ru_majflt: i64,
         80 ru_nswap: i64,
         88 ru_inblock: i64,
         96 ru_oublock: i64,
        104 ru_msgsnd: i64,
        112 ru_msgrcv: i64,
        120 ru_nsignals: i64,
        128 ru_nvcsw: i64,
        136 ru_nivcsw: i64,
    }

    /// What `proc_pid_rusage` writes for `RUSAGE_INFO_V0`.
    #[repr(C)]
    struct RusageInfoV0 = "rusage_info_v0", 96 bytes, align 8 {
         0 ri_uuid: [u8; 16],
        16 ri_user_time: u64,
        24 ri_system_time: u64,
        32 ri_pkg_idle_wkups: u64,
        40 ri_interrupt_wkups: u64,
        48 ri_pageins: u64,
        56 ri_wired_size: u64,
        64 ri_resident_size: u64,
        72 ri_phys_footprint: u64,
        80 ri_proc_start_abstime: u64,
        88 ri_proc_exit_abstime: u64,
    }

    /// What `proc_pid_rusage` writes for `RUSAGE_INFO_V2`.
    #[repr(C)]
    struct RusageInfoV2 = "rusage_info_v2", 160 bytes, align 8 {
          0 ri_uuid: [u8; 16],
         16 ri_user_time: u64,
         24 ri_system_time: u64,
         32 ri_pkg_idle_wkups: u64,
         40 ri_interrupt_wkups: u64,
         48 ri_pageins: u64,
         56 ri_wired_size: u64,
         64 ri_resident_size: u64,
         72 ri_phys_footprint: u64,
         80 ri_proc_start_abstime: u64,
         88 ri_proc_exit_abstime: u64,
         96 ri_child_user_time: u64,
        104 ri_child_system_time: u64,
        112 ri_child_pkg_idle_wkups: u64,
        120 ri_child_interrupt_wkups: u64,
        128 ri_child_pageins: u64,
        136 ri_child_elapsed_abstime: u64,
        144 ri_diskio_bytesread: u64,
        152 ri_diskio_byteswritten: u64,
    }

    /// What `proc_pid_rusage` writes for `RUSAGE_INFO_V4`.
    #[repr(C)]
    struct RusageInfoV4 = "rusage_info_v4", 296 bytes, align 8 {
          0 ri_uuid: [u8; 16],
         16 ri_user_time: u64,
         24 ri_system_time: u64,
         32 ri_pkg_idle_wkups: u64,
         40 ri_interrupt_wkups: u64,
         48 ri_pageins: u64,
         56 ri_wired_size: u64,
         64 ri_resident_size: u64,
         72 ri_phys_footprint: u64,
         80 ri_proc_start_abstime: u64,
         88 ri_proc_exit_abstime: u64,
         96 ri_child_user_time: u64,
        104 ri_child_system_time: u64,
        112 ri_child_pkg_idle_wkups: u64,
        120 ri_child_interrupt_wkups: u64,
        128 ri_child_pageins: u64,
        136 ri_child_elapsed_abstime: u64,
        144 ri_diskio_bytesread: u64,
        152 ri_diskio_byteswritten: u64,
        160 ri_cpu_time_qos_default: u64,
        168 ri_cpu_time_qos_maintenance: u64,
        176 ri_cpu_time_qos_background: u64,
        184 ri_cpu_time_qos_utility: u64,
        192 ri_cpu_time_qos_legacy: u64,
        200 ri_cpu_time_qos_user_initiated: u64,
        208 ri_cpu_time_qos_user_interactive: u64,
        216 ri_billed_system_time: u64,
        224 ri_serviced_system_time: u64,
        232 ri_logical_writes: u64,
        240 ri_lifetime_max_phys_footprint: u64,
        248 ri_instructions: u64,
        256 ri_cycles: u64,
        264 ri_billed_energy: u64,
        272 ri_serviced_energy: u64,
        280 ri_interval_max_phys_footprint: u64,
        288 ri_runnable_time: u64,
    }

    /// What `proc_pid_rusage` writes for `RUSAGE_INFO_V6`.
    #[repr(C)]
    struct RusageInfoV6 = "rusage_info_v6", 464 bytes, align 8 {
          0 ri_uuid: [u8; 16],
         16 ri_user_time: u64,
         24 ri_system_time: u64,
         32 ri_pkg_idle_wkups: u64,
         40 ri_interrupt_wkups: u64,
         48 ri_pageins: u64,
         56 ri_wired_size: u64,
         64 ri_resident_size: u64,
         72 ri_phys_footprint: u64,
         80 ri_proc_start_abstime: u64,
         88 ri_proc_exit_abstime: u64,
         96 ri_child_user_time: u64,
        104 ri_child_system_time: u64,
        112 ri_child_pkg_idle_wkups: u64,
        120 ri_child_interrupt_wkups: u64,
        128 ri_child_pageins: u64,
        136 ri_child_elapsed_abstime: u64,
        144 ri_diskio_bytesread: u64,
        152 ri_diskio_byteswritten: u64,
        160 ri_cpu_time_qos_default: u64,
        168 ri_cpu_time_qos_maintenance: u64,
        176 ri_cpu_time_qos_background: u64,
        184 ri_cpu_time_qos_utility: u64,
        192 ri_cpu_time_qos_legacy: u64,
        200 ri_cpu_time_qos_user_initiated: u64,
        208 ri_cpu_time_qos_user_interactive: u64,
        216 ri_billed_system_time: u64,
        224 ri_serviced_system_time: u64,
        232 ri_logical_writes: u64,
        240 ri_lifetime_max_phys_footprint: u64,
        248 ri_instructions: u64,
        256 ri_cycles: u64,
        264 ri_billed_energy: u64,
        272 ri_serviced_energy: u64,
        280 ri_interval_max_phys_footprint: u64,
        288 ri_runnable_time: u64,
        296 ri_flags: u64,
        304 ri_user_ptime: u64,
        312 ri_system_ptime: u64,
        320 ri_pinstructions: u64,
        328 ri_pcycles: u64,
        336 ri_energy_nj: u64,
        344 ri_penergy_nj: u64,
        352 ri_secure_time_in_system: u64,
        360 ri_secure_ptime_in_system: u64,
        368 ri_neural_footprint: u64,
        376 ri_lifetime_max_neural_footprint: u64,
        384 ri_interval_max_neural_footprint: u64,
        392 ri_reserved: [u64; 9],
    }
}
