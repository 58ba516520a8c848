//! `kern.proc`: processes, in `struct kinfo_proc` (`bsd/kern/kern_sysctl.c`, `sysctl_prochandle`).

use super::request::Request;
use super::values::boot_time;
use crate::bsd::proc_info::{Listed, Pids, Subject};
use crate::convert::process::kinfo;
use crate::convert::signal::bit;
use crate::kernel::Kernel;
use crate::process::{Context, Process};
use crate::signal::{SIG_DFL, SIG_IGN};
use crate::table::SysResult;
use core::sync::atomic::Ordering::Relaxed;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::kinfo::{KinfoProc, ProcessFlags};
use xnu_abi::darwin::signal::Signal;
use xnu_abi::darwin::sysctl::CtlKernProc;
use xnu_abi::darwin::time::Timeval;
use zerocopy::IntoBytes;

/// Bytes of a process.
const SIZE: u64 = size_of::<KinfoProc>() as u64;

/// Writes the processes that are meant, as many as fit; without a buffer, how much room would do for some more.
#[inline(never)]
pub(super) fn processes<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    what: CtlKernProc,
    rest: &[i32],
    request: &mut Request<'_, K>,
) -> SysResult<()> {
    const SLOP: u64 = 5;
    let number = match rest {
        [number] => *number,
        [] if what == CtlKernProc::KERN_PROC_ALL => 0,
        _ => return Err(Errno::EINVAL),
    };
    let listed = match what {
        CtlKernProc::KERN_PROC_ALL => Listed::All,
        CtlKernProc::KERN_PROC_PID => Listed::Pid(number),
        CtlKernProc::KERN_PROC_PGRP => Listed::Group(number),
        CtlKernProc::KERN_PROC_TTY => Listed::Terminal(number as u32),
        CtlKernProc::KERN_PROC_UID => Listed::User(number as u32),
        CtlKernProc::KERN_PROC_RUID => Listed::RealUser(number as u32),
        _ => return Err(Errno::ENOTSUP),
    };
    let kernel = cx.kernel();
    let Some(room) = request.room_for_old() else {
        // Only by number or group is anything counted apart.
        let counted = match listed {
            Listed::Pid(_) | Listed::Group(_) => listed,
            _ => Listed::All,
        };
        let count = Pids::collect(kernel, counted)?.len() as u64;
        request.count(count.wrapping_add(SLOP).wrapping_mul(SIZE));
        return Ok(());
    };
    // What does not fit is not looked at more closely either.
    let pids = Pids::collect(kernel, listed)?;
    let boot = boot_time(kernel)?;
    let mut written: u64 = 0;
    for at in 0..pids.len() {
        let pid = pids.get(at)?;
        if room.wrapping_sub(written) < SIZE {
            return Err(request.short());
        }
        match write(cx.process, pid, &boot, request, written) {
            Err(Errno::ESRCH | Errno::EPERM) => {}
            other => {
                other?;
                written = written.wrapping_add(SIZE);
            }
        }
    }
    request.count(written);
    Ok(())
}

#[inline(never)]
fn write<K: Kernel, L>(
    process: &Process<K, L>,
    pid: i32,
    boot: &Timeval,
    request: &Request<'_, K>,
    at: u64,
) -> SysResult<()> {
    let mut subject = Subject::new(&process.kernel);
    subject.find(pid, true)?;
    tell(process, &subject, boot, request, at)
}

#[inline(never)]
fn tell<K: Kernel, L>(
    process: &Process<K, L>,
    subject: &Subject<'_, K>,
    boot: &Timeval,
    request: &Request<'_, K>,
    at: u64,
) -> SysResult<()> {
    let mut more = ProcessFlags::empty();
    more.set(ProcessFlags::P_SUGID, subject.is_self && process.standing.changed_ids.load(Relaxed));
    let mut info = kinfo(&subject.stat, &subject.status, boot, more);
    if subject.is_self {
        // Linux knows the core's handlers, not the program's.
        (info.kp_proc.p_sigignore, info.kp_proc.p_sigcatch) = (0, 0);
        for signal in (1..32).map(Signal::new) {
            match process.actions.get(signal).handler {
                SIG_DFL => {}
                SIG_IGN => info.kp_proc.p_sigignore |= bit(signal),
                _ => info.kp_proc.p_sigcatch |= bit(signal),
            }
        }
    }
    request.put_at(at, info.as_bytes())
}
