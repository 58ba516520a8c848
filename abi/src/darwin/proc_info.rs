//! What `proc_info` takes and tells of processes (`bsd/sys/proc_info.h`, `bsd/sys/proc_info_private.h`).

use super::mount::Fsid;
use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// What is asked.
    numbers ProcInfoCall: i32 = "proc_info-call" {
        PROC_INFO_CALL_LISTPIDS = 1,
        PROC_INFO_CALL_PIDINFO = 2,
        PROC_INFO_CALL_PIDFDINFO = 3,
        PROC_INFO_CALL_KERNMSGBUF = 4,
        PROC_INFO_CALL_SETCONTROL = 5,
        PROC_INFO_CALL_PIDFILEPORTINFO = 6,
        PROC_INFO_CALL_TERMINATE = 7,
        PROC_INFO_CALL_DIRTYCONTROL = 8,
        PROC_INFO_CALL_PIDRUSAGE = 9,
        PROC_INFO_CALL_PIDORIGINATORINFO = 0xa,
        PROC_INFO_CALL_LISTCOALITIONS = 0xb,
        PROC_INFO_CALL_CANUSEFGHW = 0xc,
        PROC_INFO_CALL_PIDDYNKQUEUEINFO = 0xd,
        PROC_INFO_CALL_UDATA_INFO = 0xe,
        PROC_INFO_CALL_SET_DYLD_IMAGES = 0xf,
        PROC_INFO_CALL_TERMINATE_RSR = 0x10,
        PROC_INFO_CALL_SIGNAL_AUDITTOKEN = 0x11,
        PROC_INFO_CALL_TERMINATE_AUDITTOKEN = 0x12,
        PROC_INFO_CALL_DELEGATE_SIGNAL = 0x13,
        PROC_INFO_CALL_DELEGATE_TERMINATE = 0x14,
    }

    /// Which processes are listed.
    numbers ProcList: u32 = "proc_info-list" {
        PROC_ALL_PIDS = 1,
        PROC_PGRP_ONLY = 2,
        PROC_TTY_ONLY = 3,
        PROC_UID_ONLY = 4,
        PROC_RUID_ONLY = 5,
        PROC_PPID_ONLY = 6,
        PROC_KDBG_ONLY = 7,
    }

    /// What is told of a process.
    numbers PidInfo: u32 = "proc_info-pid" {
        PROC_PIDLISTFDS = 1,
        PROC_PIDTASKALLINFO = 2,
        PROC_PIDTBSDINFO = 3,
        PROC_PIDTASKINFO = 4,
        PROC_PIDTHREADINFO = 5,
        PROC_PIDLISTTHREADS = 6,
        PROC_PIDREGIONINFO = 7,
        PROC_PIDREGIONPATHINFO = 8,
        PROC_PIDVNODEPATHINFO = 9,
        PROC_PIDTHREADPATHINFO = 0xa,
        PROC_PIDPATHINFO = 0xb,
        PROC_PIDWORKQUEUEINFO = 0xc,
        PROC_PIDT_SHORTBSDINFO = 0xd,
        PROC_PIDLISTFILEPORTS = 0xe,
        PROC_PIDTHREADID64INFO = 0xf,
        PROC_PID_RUSAGE = 0x10,
        PROC_PIDUNIQIDENTIFIERINFO = 0x11,
        PROC_PIDT_BSDINFOWITHUNIQID = 0x12,
        PROC_PIDARCHINFO = 0x13,
        PROC_PIDCOALITIONINFO = 0x14,
        PROC_PIDNOTEEXIT = 0x15,
        PROC_PIDREGIONPATHINFO2 = 0x16,
        PROC_PIDREGIONPATHINFO3 = 0x17,
        PROC_PIDEXITREASONINFO = 0x18,
        PROC_PIDEXITREASONBASICINFO = 0x19,
        PROC_PIDLISTUPTRS = 0x1a,
        PROC_PIDLISTDYNKQUEUES = 0x1b,
        PROC_PIDLISTTHREADIDS = 0x1c,
        PROC_PIDVMRTFAULTINFO = 0x1d,
        PROC_PIDPLATFORMINFO = 0x1e,
        PROC_PIDREGIONPATH = 0x1f,
        PROC_PIDIPCTABLEINFO = 0x20,
        PROC_PIDTHREADSCHEDINFO = 0x21,
        PROC_PIDTHREADCOUNTS = 0x22,
    }

    /// What is told of a file port.
    numbers FilePortInfo: u32 = "proc_info-pid" {
        PROC_PIDFILEPORTVNODEPATHINFO = 2,
        PROC_PIDFILEPORTSOCKETINFO = 3,
        PROC_PIDFILEPORTPSHMINFO = 5,
        PROC_PIDFILEPORTPIPEINFO = 6,
    }

    /// What is told of whom a thread works for.
    numbers OriginatorInfo: u32 = "proc_info-pid" {
        PROC_PIDORIGINATOR_UUID = 1,
        PROC_PIDORIGINATOR_BGSTATE = 2,
        PROC_PIDORIGINATOR_PID_UUID = 3,
    }

    /// What is told of a dynamic kqueue.
    numbers DynKqueueInfo: u32 = "proc_info-pid" {
        PROC_PIDDYNKQUEUE_INFO = 0,
        PROC_PIDDYNKQUEUE_EXTINFO = 1,
    }

    /// Kinds of descriptors.
    numbers FdType: u32 = "proc_info-fd" {
        PROX_FDTYPE_ATALK = 0,
        PROX_FDTYPE_VNODE = 1,
        PROX_FDTYPE_SOCKET = 2,
        PROX_FDTYPE_PSHM = 3,
        PROX_FDTYPE_PSEM = 4,
        PROX_FDTYPE_KQUEUE = 5,
        PROX_FDTYPE_PIPE = 6,
        PROX_FDTYPE_FSEVENTS = 7,
        PROX_FDTYPE_NETPOLICY = 9,
        PROX_FDTYPE_CHANNEL = 0xa,
        PROX_FDTYPE_NEXUS = 0xb,
    }

    /// What is told of a descriptor.
    numbers FdInfo: u32 = "proc_info-fd" {
        PROC_PIDFDVNODEINFO = 1,
        PROC_PIDFDVNODEPATHINFO = 2,
        PROC_PIDFDSOCKETINFO = 3,
        PROC_PIDFDPSEMINFO = 4,
        PROC_PIDFDPSHMINFO = 5,
        PROC_PIDFDPIPEINFO = 6,
        PROC_PIDFDKQUEUEINFO = 7,
        PROC_PIDFDATALKINFO = 8,
        PROC_PIDFDCHANNELINFO = 0xa,
        PROC_PIDFDKQUEUE_EXTINFO = 9,
    }

    /// The sizes of what is told.
    constants PROC_INFO_SIZES: u32 = "proc_info-size" {
        PROC_PIDLISTFD_SIZE = 8,
        PROC_PIDTASKALLINFO_SIZE = 0xe8,
        PROC_PIDTBSDINFO_SIZE = 0x88,
        PROC_PIDTASKINFO_SIZE = 0x60,
        PROC_PIDTHREADINFO_SIZE = 0x70,
        PROC_PIDLISTTHREADS_SIZE = 8,
        PROC_PIDREGIONINFO_SIZE = 0x60,
        PROC_PIDREGIONPATHINFO_SIZE = 0x4f8,
        PROC_PIDVNODEPATHINFO_SIZE = 0x930,
        PROC_PIDTHREADPATHINFO_SIZE = 0x508,
        PROC_PIDPATHINFO_SIZE = 0x400,
        PROC_PIDPATHINFO_MAXSIZE = 0x1000,
        PROC_PIDWORKQUEUEINFO_SIZE = 0x10,
        PROC_PIDT_SHORTBSDINFO_SIZE = 0x40,
        PROC_PIDLISTFILEPORTS_SIZE = 8,
        PROC_PIDTHREADID64INFO_SIZE = 0x70,
        PROC_PID_RUSAGE_SIZE = 0,
        PROC_PIDFDVNODEINFO_SIZE = 0xb0,
        PROC_PIDFDVNODEPATHINFO_SIZE = 0x4b0,
        PROC_PIDFDSOCKETINFO_SIZE = 0x318,
        PROC_PIDFDPSEMINFO_SIZE = 0x4a0,
        PROC_PIDFDPSHMINFO_SIZE = 0x4a8,
        PROC_PIDFDPIPEINFO_SIZE = 0xb8,
        PROC_PIDFDKQUEUEINFO_SIZE = 0xa8,
        PROC_PIDFDATALKINFO_SIZE = 0xa0,
        PROC_PIDFDCHANNELINFO_SIZE = 0x38,
        PROC_PIDFILEPORTVNODEPATHINFO_SIZE = 0x4b0,
        PROC_PIDFILEPORTSOCKETINFO_SIZE = 0x318,
        PROC_PIDFILEPORTPSHMINFO_SIZE = 0x4a8,
        PROC_PIDFILEPORTPIPEINFO_SIZE = 0xb8,
        PROC_PIDUNIQIDENTIFIERINFO_SIZE = 0x38,
        PROC_PIDT_BSDINFOWITHUNIQID_SIZE = 0xc0,
        PROC_PIDARCHINFO_SIZE = 8,
        PROC_PIDCOALITIONINFO_SIZE = 0x28,
        PROC_PIDNOTEEXIT_SIZE = 4,
        PROC_PIDREGIONPATHINFO2_SIZE = 0x4f8,
        PROC_PIDREGIONPATHINFO3_SIZE = 0x4f8,
        PROC_PIDEXITREASONINFO_SIZE = 0x20,
        PROC_PIDLISTUPTRS_SIZE = 8,
        PROC_PIDLISTDYNKQUEUES_SIZE = 8,
        PROC_PIDLISTTHREADIDS_SIZE = 8,
        PROC_PIDVMRTFAULTINFO_SIZE = 0x38,
        PROC_PIDPLATFORMINFO_SIZE = 4,
        PROC_PIDREGIONPATH_SIZE = 0x410,
        PROC_PIDIPCTABLEINFO_SIZE = 8,
        PROC_PIDTHREADSCHEDINFO_SIZE = 8,
        PROC_PIDTHREADCOUNTS_SIZE = 8,
        PROC_PIDFDKQUEUE_EXTINFO_SIZE = 0x68,
        PROC_PIDORIGINATOR_UUID_SIZE = 0x10,
        PROC_PIDORIGINATOR_BGSTATE_SIZE = 4,
        PROC_PIDORIGINATOR_PID_UUID_SIZE = 0x30,
        PROC_PIDDYNKQUEUE_INFO_SIZE = 0xd0,
        PROC_PIDDYNKQUEUE_EXTINFO_SIZE = 0x68,
    }

    /// Flags of a process.
    flags ProcFlags: u32 = "proc_info-misc" {
        PROC_FLAG_SYSTEM = 1,
        PROC_FLAG_TRACED = 2,
        PROC_FLAG_INEXIT = 4,
        PROC_FLAG_PPWAIT = 8,
        PROC_FLAG_LP64 = 0x10,
        PROC_FLAG_SLEADER = 0x20,
        PROC_FLAG_CTTY = 0x40,
        PROC_FLAG_CONTROLT = 0x80,
        PROC_FLAG_THCWD = 0x100,
        PROC_FLAG_PC_THROTTLE = 0x200,
        PROC_FLAG_PC_SUSP = 0x400,
        PROC_FLAG_PC_KILL = 0x600,
        PROC_FLAG_PC_MASK = 0x600,
        PROC_FLAG_PA_THROTTLE = 0x800,
        PROC_FLAG_PA_SUSP = 0x1000,
        PROC_FLAG_PSUGID = 0x2000,
        PROC_FLAG_EXEC = 0x4000,
        PROC_FLAG_DARWINBG = 0x8000,
        PROC_FLAG_EXT_DARWINBG = 0x0001_0000,
        PROC_FLAG_IOS_APPLEDAEMON = 0x0002_0000,
        PROC_FLAG_DELAYIDLESLEEP = 0x0004_0000,
        PROC_FLAG_IOS_IMPPROMOTION = 0x0008_0000,
        PROC_FLAG_ADAPTIVE = 0x0010_0000,
        PROC_FLAG_ADAPTIVE_IMPORTANT = 0x0020_0000,
        PROC_FLAG_IMPORTANCE_DONOR = 0x0040_0000,
        PROC_FLAG_SUPPRESSED = 0x0080_0000,
        PROC_FLAG_APPLICATION = 0x0100_0000,
        PROC_FLAG_IOS_APPLICATION = 0x0100_0000,
        PROC_FLAG_ROSETTA = 0x0200_0000,
        PROC_FLAG_SEC_ENABLED = 0x0400_0000,
        PROC_FLAG_SEC_BYPASS_ENABLED = 0x0800_0000,
    }

    /// Flags of a descriptor.
    flags FpFlags: u32 = "proc_info-misc" {
        PROC_FP_SHARED = 1,
        PROC_FP_CLEXEC = 2,
        PROC_FP_GUARDED = 4,
        PROC_FP_CLFORK = 8,
    }

    /// States of a TCP connection.
    numbers TcpState: i32 = "proc_info-misc" {
        TSI_S_CLOSED = 0,
        TSI_S_LISTEN = 1,
        TSI_S_SYN_SENT = 2,
        TSI_S_SYN_RECEIVED = 3,
        TSI_S_ESTABLISHED = 4,
        TSI_S__CLOSE_WAIT = 5,
        TSI_S_FIN_WAIT_1 = 6,
        TSI_S_CLOSING = 7,
        TSI_S_LAST_ACK = 8,
        TSI_S_FIN_WAIT_2 = 9,
        TSI_S_TIME_WAIT = 0xa,
        TSI_S_RESERVED = 0xb,
    }

    /// Which part of a socket's information there is.
    numbers SocketKind: i32 = "proc_info-misc" {
        SOCKINFO_GENERIC = 0,
        SOCKINFO_IN = 1,
        SOCKINFO_TCP = 2,
        SOCKINFO_UN = 3,
        SOCKINFO_NDRV = 4,
        SOCKINFO_KERN_EVENT = 5,
        SOCKINFO_KERN_CTL = 6,
        SOCKINFO_VSOCK = 7,
    }

    /// What a process sets of itself.
    numbers SelfSet: u32 = "proc_info-misc" {
        PROC_SELFSET_PCONTROL = 1,
        PROC_SELFSET_THREADNAME = 2,
        PROC_SELFSET_VMRSRCOWNER = 3,
        PROC_SELFSET_DELAYIDLESLEEP = 4,
    }

    /// What is done about the dirty state of a process.
    numbers DirtyControl: u32 = "proc_info-misc" {
        PROC_DIRTYCONTROL_TRACK = 1,
        PROC_DIRTYCONTROL_SET = 2,
        PROC_DIRTYCONTROL_GET = 3,
        PROC_DIRTYCONTROL_CLEAR = 4,
    }

    /// How a process wants to be tracked, and how it is.
    constants DIRTY_FLAGS: u32 = "proc_info-misc" {
        PROC_DIRTY_TRACK = 1,
        PROC_DIRTY_ALLOW_IDLE_EXIT = 2,
        PROC_DIRTY_DEFER = 4,
        PROC_DIRTY_LAUNCH_IN_PROGRESS = 8,
        PROC_DIRTY_DEFER_ALWAYS = 0x10,
        PROC_DIRTY_TRACKED = 1,
        PROC_DIRTY_ALLOWS_IDLE_EXIT = 2,
        PROC_DIRTY_IS_DIRTY = 4,
        PROC_DIRTY_LAUNCH_IS_IN_PROGRESS = 8,
    }

    /// What is done with the word that a process keeps in the kernel.
    numbers UdataInfo: u32 = "proc_info-misc" {
        PROC_UDATA_INFO_GET = 1,
        PROC_UDATA_INFO_SET = 2,
    }
}

layouts! {
    /// `PROC_PIDTBSDINFO`.
    #[repr(C)]
    struct ProcBsdinfo = "proc_bsdinfo", 136 bytes, align 8 {
        0 pbi_flags: u32,
        4 pbi_status: u32,
        8 pbi_xstatus: u32,
        12 pbi_pid: u32,
        16 pbi_ppid: u32,
        20 pbi_uid: u32,
        24 pbi_gid: u32,
        28 pbi_ruid: u32,
        32 pbi_rgid: u32,
        36 pbi_svuid: u32,
        40 pbi_svgid: u32,
        44 rfu_1: u32,
        48 pbi_comm: [u8; 16],
        64 pbi_name: [u8; 32],
        96 pbi_nfiles: u32,
        100 pbi_pgid: u32,
        104 pbi_pjobc: u32,
        108 e_tdev: u32,
        112 e_tpgid: u32,
        116 pbi_nice: i32,
        120 pbi_start_tvsec: u64,
        128 pbi_start_tvusec: u64,
    }

    /// `PROC_PIDT_SHORTBSDINFO`.
    #[repr(C)]
    struct ProcBsdshortinfo = "proc_bsdshortinfo", 64 bytes, align 4 {
        0 pbsi_pid: u32,
        4 pbsi_ppid: u32,
        8 pbsi_pgid: u32,
        12 pbsi_status: u32,
        16 pbsi_comm: [u8; 16],
        32 pbsi_flags: u32,
        36 pbsi_uid: u32,
        40 pbsi_gid: u32,
        44 pbsi_ruid: u32,
        48 pbsi_rgid: u32,
        52 pbsi_svuid: u32,
        56 pbsi_svgid: u32,
        60 pbsi_rfu: u32,
    }

    /// `PROC_PIDTASKINFO`. Times are those of `mach_absolute_time`.
    #[repr(C)]
    struct ProcTaskinfo = "proc_taskinfo", 96 bytes, align 8 {
        0 pti_virtual_size: u64,
        8 pti_resident_size: u64,
        16 pti_total_user: u64,
        24 pti_total_system: u64,
        32 pti_threads_user: u64,
        40 pti_threads_system: u64,
        48 pti_policy: i32,
        52 pti_faults: i32,
        56 pti_pageins: i32,
        60 pti_cow_faults: i32,
        64 pti_messages_sent: i32,
        68 pti_messages_received: i32,
        72 pti_syscalls_mach: i32,
        76 pti_syscalls_unix: i32,
        80 pti_csw: i32,
        84 pti_threadnum: i32,
        88 pti_numrunning: i32,
        92 pti_priority: i32,
    }

    /// `PROC_PIDTHREADINFO`. Times are nanoseconds.
    #[repr(C)]
    struct ProcThreadinfo = "proc_threadinfo", 112 bytes, align 8 {
        0 pth_user_time: u64,
        8 pth_system_time: u64,
        16 pth_cpu_usage: i32,
        20 pth_policy: i32,
        24 pth_run_state: i32,
        28 pth_flags: i32,
        32 pth_sleep_time: i32,
        36 pth_curpri: i32,
        40 pth_priority: i32,
        44 pth_maxpriority: i32,
        48 pth_name: [u8; 64],
    }

    /// `PROC_PIDREGIONINFO`.
    #[repr(C)]
    struct ProcRegioninfo = "proc_regioninfo", 96 bytes, align 8 {
        0 pri_protection: u32,
        4 pri_max_protection: u32,
        8 pri_inheritance: u32,
        12 pri_flags: u32,
        16 pri_offset: u64,
        24 pri_behavior: u32,
        28 pri_user_wired_count: u32,
        32 pri_user_tag: u32,
        36 pri_pages_resident: u32,
        40 pri_pages_shared_now_private: u32,
        44 pri_pages_swapped_out: u32,
        48 pri_pages_dirtied: u32,
        52 pri_ref_count: u32,
        56 pri_shadow_depth: u32,
        60 pri_share_mode: u32,
        64 pri_private_pages_resident: u32,
        68 pri_shared_pages_resident: u32,
        72 pri_obj_id: u32,
        76 pri_depth: u32,
        80 pri_address: u64,
        88 pri_size: u64,
    }

    /// What `stat` knows of a file.
    #[repr(C)]
    struct VinfoStat = "vinfo_stat", 136 bytes, align 8 {
        0 vst_dev: u32,
        4 vst_mode: u16,
        6 vst_nlink: u16,
        8 vst_ino: u64,
        16 vst_uid: u32,
        20 vst_gid: u32,
        24 vst_atime: i64,
        32 vst_atimensec: i64,
        40 vst_mtime: i64,
        48 vst_mtimensec: i64,
        56 vst_ctime: i64,
        64 vst_ctimensec: i64,
        72 vst_birthtime: i64,
        80 vst_birthtimensec: i64,
        88 vst_size: i64,
        96 vst_blocks: i64,
        104 vst_blksize: i32,
        108 vst_flags: u32,
        112 vst_gen: u32,
        116 vst_rdev: u32,
        120 vst_qspare: [i64; 2],
    }

    /// A file.
    #[repr(C)]
    struct VnodeInfo = "vnode_info", 152 bytes, align 8 {
        0 vi_stat: VinfoStat,
        136 vi_type: i32,
        140 vi_pad: i32,
        144 vi_fsid: Fsid,
    }

    /// A descriptor in a list.
    #[repr(C)]
    struct ProcFdinfo = "proc_fdinfo", 8 bytes, align 4 {
        0 proc_fd: i32,
        4 proc_fdtype: u32,
    }

    /// An open file.
    #[repr(C)]
    struct ProcFileinfo = "proc_fileinfo", 24 bytes, align 8 {
        0 fi_openflags: u32,
        4 fi_status: u32,
        8 fi_offset: i64,
        16 fi_type: i32,
        20 fi_guardflags: u32,
    }

    /// `PROC_PIDFDVNODEINFO`.
    #[repr(C)]
    struct VnodeFdinfo = "vnode_fdinfo", 176 bytes, align 8 {
        0 pfi: ProcFileinfo,
        24 pvi: VnodeInfo,
    }

    /// `PROC_PIDUNIQIDENTIFIERINFO`.
    #[repr(C)]
    struct ProcUniqidentifierinfo = "proc_uniqidentifierinfo", 56 bytes, align 8 {
        0 p_uuid: [u8; 16],
        16 p_uniqueid: u64,
        24 p_puniqueid: u64,
        32 p_idversion: i32,
        36 p_orig_ppidversion: i32,
        40 p_reserve2: u64,
        48 p_reserve3: u64,
    }

    /// `PROC_PIDARCHINFO`.
    #[repr(C)]
    struct ProcArchinfo = "proc_archinfo", 8 bytes, align 4 {
        0 p_cputype: i32,
        4 p_cpusubtype: i32,
    }

    /// A socket; the last field depends on its kind.
    #[repr(C)]
    struct SocketInfo = "socket_info", 768 bytes, align 8 {
        0 soi_stat: VinfoStat,
        136 soi_so: u64,
        144 soi_pcb: u64,
        152 soi_type: i32,
        156 soi_protocol: i32,
        160 soi_family: i32,
        164 soi_options: i16,
        166 soi_linger: i16,
        168 soi_state: i16,
        170 soi_qlen: i16,
        172 soi_incqlen: i16,
        174 soi_qlimit: i16,
        176 soi_timeo: i16,
        178 soi_error: u16,
        180 soi_oobmark: u32,
        184 soi_rcv: [u32; 6],
        208 soi_snd: [u32; 6],
        232 soi_kind: i32,
        236 rfu_1: u32,
        240 soi_proto: [u64; 66],
    }
}
