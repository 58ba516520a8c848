//! What `kern.proc` tells of a process (`bsd/sys/sysctl.h`, `struct kinfo_proc`; `bsd/sys/proc.h`).

use super::time::Timeval;
use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// `p_flag`, as far as there is a use for it.
    flags ProcessFlags: u32 = "bsd/sys/proc.h" {
        P_CONTROLT = 2,
        P_LP64 = 4,
        P_SUGID = 0x100,
        P_SYSTEM = 0x200,
        P_TRACED = 0x800,
        P_WEXIT = 0x2000,
        P_EXEC = 0x4000,
        P_TRANSLATED = 0x2_0000,
    }

    /// `p_stat`.
    numbers ProcessState: u8 = "bsd/sys/proc.h" {
        SIDL = 1,
        SRUN = 2,
        SSLEEP = 3,
        SSTOP = 4,
        SZOMB = 5,
    }

    /// `e_flag`.
    constants SESSION_FLAGS: i32 = "bsd/sys/sysctl.h" {
        EPROC_CTTY = 1,
        EPROC_SLEADER = 2,
    }
}

layouts! {
    /// The first half of [`KinfoProc`].
    #[repr(C)]
    struct ExternProc = "extern_proc", 296 bytes, align 8 {
        0 p_un: Timeval,
        16 p_vmspace: u64,
        24 p_sigacts: u64,
        32 p_flag: i32,
        36 p_stat: u8,
        37 _pad: [u8; 3],
        40 p_pid: i32,
        44 p_oppid: i32,
        48 p_dupfd: i32,
        52 _pad1: [u8; 4],
        56 user_stack: u64,
        64 exit_thread: u64,
        72 p_debugger: i32,
        76 sigwait: i32,
        80 p_estcpu: u32,
        84 p_cpticks: i32,
        88 p_pctcpu: u32,
        92 _pad2: [u8; 4],
        96 p_wchan: u64,
        104 p_wmesg: u64,
        112 p_swtime: u32,
        116 p_slptime: u32,
        120 p_realtimer: [Timeval; 2],
        152 p_rtime: Timeval,
        168 p_uticks: u64,
        176 p_sticks: u64,
        184 p_iticks: u64,
        192 p_traceflag: i32,
        196 _pad3: [u8; 4],
        200 p_tracep: u64,
        208 p_siglist: i32,
        212 _pad4: [u8; 4],
        216 p_textvp: u64,
        224 p_holdcnt: i32,
        228 p_sigmask: u32,
        232 p_sigignore: u32,
        236 p_sigcatch: u32,
        240 p_priority: u8,
        241 p_usrpri: u8,
        242 p_nice: u8,
        243 p_comm: [u8; 17],
        260 _pad5: [u8; 4],
        264 p_pgrp: u64,
        272 p_addr: u64,
        280 p_xstat: u16,
        282 p_acflag: u16,
        284 _pad6: [u8; 4],
        288 p_ru: u64,
    }

    /// The other identities of a process.
    #[repr(C)]
    struct Pcred = "_pcred", 104 bytes, align 8 {
        0 pc_lock: [u8; 72],
        72 pc_ucred: u64,
        80 p_ruid: u32,
        84 p_svuid: u32,
        88 p_rgid: u32,
        92 p_svgid: u32,
        96 p_refcnt: i32,
        100 _pad: [u8; 4],
    }

    /// The effective identity of a process.
    #[repr(C)]
    struct Ucred = "_ucred", 76 bytes, align 4 {
        0 cr_ref: i32,
        4 cr_uid: u32,
        8 cr_ngroups: i16,
        10 _pad: [u8; 2],
        12 cr_groups: [u32; 16],
    }

    /// The second half of [`KinfoProc`].
    #[repr(C)]
    struct Eproc = "eproc", 352 bytes, align 8 {
        0 e_paddr: u64,
        8 e_sess: u64,
        16 e_pcred: Pcred,
        120 e_ucred: Ucred,
        196 _pad: [u8; 4],
        200 e_vm: [u64; 8],
        264 e_ppid: i32,
        268 e_pgid: i32,
        272 e_jobc: i16,
        274 _pad1: [u8; 2],
        276 e_tdev: i32,
        280 e_tpgid: i32,
        284 _pad2: [u8; 4],
        288 e_tsess: u64,
        296 e_wmesg: [u8; 8],
        304 e_xsize: i32,
        308 e_xrssize: i16,
        310 e_xccount: i16,
        312 e_xswrss: i16,
        314 _pad3: [u8; 2],
        316 e_flag: i32,
        320 e_login: [u8; 12],
        332 e_spare: [i32; 4],
        348 _pad4: [u8; 4],
    }

    /// `kern.proc`.
    #[repr(C)]
    struct KinfoProc = "kinfo_proc", 648 bytes, align 8 {
        0 kp_proc: ExternProc,
        296 kp_eproc: Eproc,
    }
}
