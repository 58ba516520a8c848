//! What is known of processes and threads (`bsd/kern/proc_info.c`, `bsd/kern/kern_sysctl.c`, `osfmk/kern/bsd_kern.c`).

use super::signal::{mask_to_darwin, to_darwin};
use super::stat::device;
use crate::linux::proc::{Stat, Status};
use xnu_abi::darwin::kinfo::{EPROC_CTTY, EPROC_SLEADER, KinfoProc, ProcessFlags, ProcessState};
use xnu_abi::darwin::proc_info::{
    ProcBsdinfo, ProcBsdshortinfo, ProcFlags, ProcTaskinfo, ProcThreadinfo, ProcUniqidentifierinfo,
};
use xnu_abi::darwin::resource::RusageInfoV6;
use xnu_abi::darwin::signal::Signal;
use xnu_abi::darwin::time::Timeval;
use xnu_abi::darwin::wait::WCOREFLAG;
use zerocopy::FromZeros;

/// `NODEV`.
const NODEV: u32 = u32::MAX;
/// Nanoseconds and microseconds of a hundredth of a second, in which Linux counts here.
const TICK_NS: u64 = 10_000_000;
const TICK_US: u64 = 10_000;
const TICKS_OF_A_SECOND: u64 = 100;
/// Bytes of a page of Linux's on every machine that this runs on.
const PAGE_BYTES: u64 = 4096;
const KIB: u64 = 1024;
/// `PF_…` (`include/linux/sched.h`).
const PF_EXITING: u32 = 0x4;
const PF_FORKNOEXEC: u32 = 0x40;
const PF_KTHREAD: u32 = 0x20_0000;
/// `POLICY_TIMESHARE`, `BASEPRI_DEFAULT` and `MAXPRI_USER` (`osfmk/mach/policy.h`, `osfmk/kern/sched.h`).
const POLICY_TIMESHARE: i32 = 1;
const BASE_PRIORITY: i32 = 31;
const PRIORITY_MAX: i32 = 63;

/// What the kernel itself is to a program: `kernel_task`, number 0, which Linux does not list.
pub fn kernel_task() -> (Stat, Status) {
    let comm = *b"kernel_task\0\0\0\0\0";
    let stat = Stat { comm, state: b'R', flags: PF_KTHREAD, threads: 1, ..Stat::default() };
    (stat, Status::default())
}

/// `p_stat`: XNU does not tell whether a process sleeps.
pub fn state(stat: &Stat) -> ProcessState {
    match stat.state {
        b'T' | b't' => ProcessState::SSTOP,
        b'Z' | b'X' | b'x' => ProcessState::SZOMB,
        _ => ProcessState::SRUN,
    }
}

/// The status that `wait` would tell.
pub fn exit_status(stat: &Stat) -> i32 {
    const CORE: i32 = 0x80;
    const EXIT: i32 = 0xff00;
    match stat.exit_code & 0x7f {
        0 => stat.exit_code & EXIT,
        signal => {
            let signal = to_darwin(signal).unwrap_or(Signal::SIGKILL).number();
            if stat.exit_code & CORE != 0 { signal | WCOREFLAG as i32 } else { signal }
        }
    }
}

/// When it started: seconds and microseconds.
pub fn started(stat: &Stat, boot: &Timeval) -> Timeval {
    const MICROSECONDS: u64 = 1_000_000;
    let ticks = stat.start.checked_rem(TICKS_OF_A_SECOND).unwrap_or(0);
    let microseconds = ticks.wrapping_mul(TICK_US).wrapping_add(boot.tv_usec as u64);
    let seconds = (stat.start / TICKS_OF_A_SECOND).wrapping_add(microseconds / MICROSECONDS);
    Timeval {
        tv_sec: boot.tv_sec.wrapping_add(seconds as i64),
        tv_usec: (microseconds % MICROSECONDS) as i32,
        _pad: 0,
    }
}

/// The number of the controlling terminal, which Linux packs in its own way (`new_encode_dev`).
pub fn terminal(stat: &Stat) -> u32 {
    match stat.tty {
        0 => NODEV,
        tty => device(tty >> 8 & 0xfff, tty & 0xff | tty >> 12 & 0xf_ff00) as u32,
    }
}

/// Flags that both forms tell.
fn short_flags(stat: &Stat, status: &Status) -> ProcFlags {
    let mut flags = ProcFlags::PROC_FLAG_LP64;
    flags.set(ProcFlags::PROC_FLAG_SYSTEM, stat.flags & PF_KTHREAD != 0);
    flags.set(ProcFlags::PROC_FLAG_TRACED, status.tracer != 0);
    flags.set(ProcFlags::PROC_FLAG_INEXIT, stat.flags & PF_EXITING != 0);
    flags.set(ProcFlags::PROC_FLAG_CONTROLT, stat.tty != 0);
    flags.set(ProcFlags::PROC_FLAG_EXEC, stat.flags & (PF_FORKNOEXEC | PF_KTHREAD) == 0);
    flags
}

/// `PROC_PIDTBSDINFO`. `more` are flags that Linux does not know of.
pub fn bsdinfo(stat: &Stat, status: &Status, boot: &Timeval, more: ProcFlags) -> ProcBsdinfo {
    let mut info = ProcBsdinfo::new_zeroed();
    let mut flags = short_flags(stat, status) | more;
    flags.set(ProcFlags::PROC_FLAG_SLEADER, stat.session == stat.pid && stat.pid != 0);
    flags.set(ProcFlags::PROC_FLAG_CTTY, stat.tty != 0);
    info.pbi_flags = flags.bits();
    info.pbi_status = state(stat).number().into();
    info.pbi_xstatus = exit_status(stat) as u32;
    info.pbi_pid = stat.pid as u32;
    info.pbi_ppid = stat.ppid as u32;
    [info.pbi_ruid, info.pbi_uid, info.pbi_svuid, _] = status.uid;
    [info.pbi_rgid, info.pbi_gid, info.pbi_svgid, _] = status.gid;
    info.pbi_comm = stat.comm;
    for (to, from) in info.pbi_name.iter_mut().zip(stat.name()) {
        *to = *from;
    }
    info.pbi_nfiles = status.fd_size;
    info.pbi_pgid = stat.pgrp as u32;
    info.e_tdev = terminal(stat);
    info.e_tpgid = if stat.tty != 0 { stat.tpgid.max(0) as u32 } else { 0 };
    info.pbi_nice = stat.nice;
    let start = started(stat, boot);
    (info.pbi_start_tvsec, info.pbi_start_tvusec) = (start.tv_sec as u64, start.tv_usec as u64);
    info
}

/// `PROC_PIDT_SHORTBSDINFO`.
pub fn short_bsdinfo(stat: &Stat, status: &Status, more: ProcFlags) -> ProcBsdshortinfo {
    let mut info = ProcBsdshortinfo::new_zeroed();
    info.pbsi_pid = stat.pid as u32;
    info.pbsi_ppid = stat.ppid as u32;
    info.pbsi_pgid = stat.pgrp as u32;
    info.pbsi_status = state(stat).number().into();
    info.pbsi_comm = stat.comm;
    info.pbsi_flags = (short_flags(stat, status) | more).bits();
    [info.pbsi_ruid, info.pbsi_uid, info.pbsi_svuid, _] = status.uid;
    [info.pbsi_rgid, info.pbsi_gid, info.pbsi_svgid, _] = status.gid;
    info
}

/// `PROC_PIDTASKINFO`. What Linux does not count is 0: messages, calls, copies on writing.
pub fn taskinfo(stat: &Stat, status: &Status) -> ProcTaskinfo {
    let mut info = ProcTaskinfo::new_zeroed();
    let small = |count: u64| i32::try_from(count).unwrap_or(i32::MAX);
    info.pti_virtual_size = stat.vsize;
    info.pti_resident_size = stat.rss.saturating_mul(PAGE_BYTES);
    info.pti_total_user = stat.utime.saturating_mul(TICK_NS);
    info.pti_total_system = stat.stime.saturating_mul(TICK_NS);
    (info.pti_threads_user, info.pti_threads_system) = (info.pti_total_user, info.pti_total_system);
    info.pti_policy = POLICY_TIMESHARE;
    info.pti_faults = small(stat.minflt.saturating_add(stat.majflt));
    info.pti_pageins = small(stat.majflt);
    info.pti_csw = small(status.switches);
    info.pti_threadnum = stat.threads as i32;
    info.pti_numrunning = i32::from(stat.state == b'R');
    info.pti_priority = priority(stat);
    info
}

fn priority(stat: &Stat) -> i32 {
    BASE_PRIORITY.wrapping_sub(stat.nice.clamp(-20, 20))
}

/// `PROC_PIDTHREADINFO`, but for the name.
pub fn threadinfo(stat: &Stat) -> ProcThreadinfo {
    const RUNNING: i32 = 1;
    const STOPPED: i32 = 2;
    const WAITING: i32 = 3;
    const UNINTERRUPTIBLE: i32 = 4;
    const HALTED: i32 = 5;
    let mut info = ProcThreadinfo::new_zeroed();
    info.pth_user_time = stat.utime.saturating_mul(TICK_NS);
    info.pth_system_time = stat.stime.saturating_mul(TICK_NS);
    info.pth_policy = POLICY_TIMESHARE;
    info.pth_run_state = match stat.state {
        b'R' => RUNNING,
        b'T' | b't' => STOPPED,
        b'D' => UNINTERRUPTIBLE,
        b'Z' | b'X' | b'x' => HALTED,
        _ => WAITING,
    };
    (info.pth_curpri, info.pth_priority) = (priority(stat), priority(stat));
    info.pth_maxpriority = PRIORITY_MAX;
    info
}

/// The number that no other process has, ever: when it started, and its number.
pub fn unique_id(stat: &Stat) -> u64 {
    /// Linux's numbers are below 2^22.
    const BITS: u32 = 22;
    stat.start.wrapping_shl(BITS) | u64::from(stat.pid as u32)
}

/// What tells it from others that had its number.
pub fn id_version(stat: &Stat) -> i32 {
    (stat.start & 0x7fff_ffff) as i32
}

/// `PROC_PIDUNIQIDENTIFIERINFO`. The program's own identifier is not known.
pub fn unique_identifier(stat: &Stat, parent: Option<&Stat>) -> ProcUniqidentifierinfo {
    let mut info = ProcUniqidentifierinfo::new_zeroed();
    (info.p_uniqueid, info.p_idversion) = (unique_id(stat), id_version(stat));
    if let Some(parent) = parent {
        (info.p_puniqueid, info.p_orig_ppidversion) = (unique_id(parent), id_version(parent));
    }
    info
}

/// `RUSAGE_INFO_V6`, of which the older ones are the beginning. Bytes that were read and written are the caller's to know.
pub fn rusage_info(stat: &Stat, status: &Status, io: (u64, u64)) -> RusageInfoV6 {
    let mut info = RusageInfoV6::new_zeroed();
    let bytes = |kib: u64| kib.saturating_mul(KIB);
    info.ri_user_time = stat.utime.saturating_mul(TICK_NS);
    info.ri_system_time = stat.stime.saturating_mul(TICK_NS);
    info.ri_pageins = stat.majflt;
    info.ri_wired_size = bytes(status.locked);
    info.ri_resident_size = stat.rss.saturating_mul(PAGE_BYTES);
    info.ri_phys_footprint = bytes(status.anonymous.saturating_add(status.swapped));
    info.ri_proc_start_abstime = stat.start.saturating_mul(TICK_NS);
    info.ri_child_user_time = stat.cutime.saturating_mul(TICK_NS);
    info.ri_child_system_time = stat.cstime.saturating_mul(TICK_NS);
    info.ri_child_pageins = stat.cmajflt;
    (info.ri_diskio_bytesread, info.ri_diskio_byteswritten) = io;
    info.ri_cpu_time_qos_default = info.ri_user_time.saturating_add(info.ri_system_time);
    info.ri_logical_writes = io.1;
    info.ri_lifetime_max_phys_footprint = bytes(status.peak).max(info.ri_phys_footprint);
    info.ri_interval_max_phys_footprint = info.ri_lifetime_max_phys_footprint;
    info
}

/// `struct kinfo_proc`. `more` are flags that Linux does not know of.
pub fn kinfo(stat: &Stat, status: &Status, boot: &Timeval, more: ProcessFlags) -> KinfoProc {
    let mut info = KinfoProc::new_zeroed();
    let process = &mut info.kp_proc;
    let mut flags = ProcessFlags::P_LP64 | more;
    flags.set(ProcessFlags::P_CONTROLT, stat.tty != 0);
    flags.set(ProcessFlags::P_SYSTEM, stat.flags & PF_KTHREAD != 0);
    flags.set(ProcessFlags::P_TRACED, status.tracer != 0);
    flags.set(ProcessFlags::P_WEXIT, stat.flags & PF_EXITING != 0);
    flags.set(ProcessFlags::P_EXEC, stat.flags & (PF_FORKNOEXEC | PF_KTHREAD) == 0);
    process.p_un = started(stat, boot);
    process.p_flag = flags.bits() as i32;
    process.p_stat = state(stat).number();
    process.p_pid = stat.pid;
    process.p_sigignore = mask_to_darwin(status.ignored);
    process.p_sigcatch = mask_to_darwin(status.caught);
    process.p_nice = stat.nice as i8 as u8;
    for (to, from) in process.p_comm.iter_mut().zip(stat.name()) {
        *to = *from;
    }
    process.p_xstat = exit_status(stat) as u16;
    let session = &mut info.kp_eproc;
    session.e_pgid = stat.pgrp;
    session.e_ppid = stat.ppid;
    let [real, effective, saved, _] = status.uid;
    (session.e_pcred.p_ruid, session.e_pcred.p_svuid, session.e_ucred.cr_uid) = (real, saved, effective);
    let [real, group, saved, _] = status.gid;
    (session.e_pcred.p_rgid, session.e_pcred.p_svgid) = (real, saved);
    session.e_ucred.cr_ref = 1;
    // The first group is the effective one.
    let others = status.groups.iter().take(status.group_count).copied().filter(|other| *other != group);
    for (to, from) in session.e_ucred.cr_groups.iter_mut().zip(core::iter::once(group).chain(others)) {
        *to = from;
        session.e_ucred.cr_ngroups = session.e_ucred.cr_ngroups.wrapping_add(1);
    }
    session.e_tdev = terminal(stat) as i32;
    if stat.tty != 0 {
        session.e_tpgid = stat.tpgid;
        session.e_flag |= EPROC_CTTY;
    }
    if stat.session == stat.pid && stat.pid != 0 {
        session.e_flag |= EPROC_SLEADER;
    }
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell() -> (Stat, Status) {
        let stat = Stat {
            pid: 42,
            comm: *b"shell\0\0\0\0\0\0\0\0\0\0\0",
            state: b'S',
            ppid: 1,
            pgrp: 42,
            session: 42,
            tty: 0x8803,
            tpgid: 43,
            start: 250,
            nice: 5,
            utime: 3,
            rss: 2,
            ..Stat::default()
        };
        let status = Status {
            uid: [1, 2, 3, 4],
            gid: [5, 6, 7, 8],
            groups: [9; 16],
            group_count: 1,
            ..Status::default()
        };
        (stat, status)
    }

    #[test]
    fn a_process_is_told_in_all_its_forms() {
        let (stat, status) = shell();
        let boot = Timeval { tv_sec: 1000, tv_usec: 600_000, _pad: 0 };
        let info = bsdinfo(&stat, &status, &boot, ProcFlags::PROC_FLAG_PSUGID);
        assert_eq!((info.pbi_start_tvsec, info.pbi_start_tvusec), (1003, 100_000));
        assert_eq!((info.pbi_ruid, info.pbi_uid, info.pbi_svuid), (1, 2, 3));
        assert_eq!((info.pbi_rgid, info.pbi_gid, info.pbi_svgid), (5, 6, 7));
        assert_eq!((info.e_tdev, info.e_tpgid, info.pbi_status, info.pbi_nice), (0x8800_0003, 43, 2, 5));
        assert_eq!(info.pbi_flags, 0x10 | 0x20 | 0x40 | 0x80 | 0x2000 | 0x4000);
        assert_eq!(&info.pbi_name[..6], b"shell\0");
        let short = short_bsdinfo(&stat, &status, ProcFlags::empty());
        assert_eq!((short.pbsi_pid, short.pbsi_flags, short.pbsi_ruid), (42, 0x4090, 1));
        let kinfo = kinfo(&stat, &status, &boot, ProcessFlags::empty());
        assert_eq!((kinfo.kp_proc.p_pid, kinfo.kp_proc.p_flag, kinfo.kp_eproc.e_flag), (42, 0x4006, 3));
        assert_eq!(
            (kinfo.kp_eproc.e_ucred.cr_ngroups, &kinfo.kp_eproc.e_ucred.cr_groups[..2]),
            (2, &[6, 9][..])
        );
        assert_eq!(taskinfo(&stat, &status).pti_resident_size, 8192);
        assert_eq!(taskinfo(&stat, &status).pti_total_user, 30_000_000);
        assert_eq!((threadinfo(&stat).pth_run_state, threadinfo(&stat).pth_priority), (3, 26));
    }

    #[test]
    fn without_a_terminal_there_is_no_device() {
        let (mut stat, status) = shell();
        (stat.tty, stat.tpgid) = (0, -1);
        let info = bsdinfo(&stat, &status, &Timeval::new_zeroed(), ProcFlags::empty());
        assert_eq!((info.e_tdev, info.e_tpgid, info.pbi_flags & 0xc0), (u32::MAX, 0, 0));
        // Minor numbers above 255 are in two parts.
        stat.tty = 0x10_8801;
        assert_eq!(terminal(&stat), 0x8800_0101);
    }

    #[test]
    fn ends_are_told_as_wait_does() {
        let told = |exit_code| exit_status(&Stat { exit_code, ..Stat::default() });
        assert_eq!((told(0x300), told(9), told(0x8b), told(0)), (0x300, 9, 0x8b, 0));
        // Linux's SIGUSR1.
        assert_eq!(told(10), 30);
    }

    #[test]
    fn numbers_that_are_used_again_are_told_apart() {
        let (first, _) = shell();
        let second = Stat { start: 251, ..first };
        assert_ne!(unique_id(&first), unique_id(&second));
        assert_ne!(id_version(&first), id_version(&second));
        let info = unique_identifier(&second, Some(&first));
        assert_eq!((info.p_puniqueid, info.p_orig_ppidversion), (unique_id(&first), 250));
    }
}
