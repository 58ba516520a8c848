//! What processes set of themselves, and how others are ended.

use super::{Request, Subject, thread};
use crate::bsd::object::effective_user;
use crate::bsd::session::within_reach;
use crate::convert::errno::ToBsd;
use crate::convert::signal::to_linux;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Process;
use crate::table::SysResult;
use crate::user::UserPtr;
use core::sync::atomic::Ordering::Relaxed;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::proc_info::{
    self as abi, DirtyControl, DynKqueueInfo, OriginatorInfo, PROC_DIRTY_ALLOW_IDLE_EXIT, PROC_DIRTY_DEFER,
    PROC_DIRTY_DEFER_ALWAYS, PROC_DIRTY_IS_DIRTY, PROC_DIRTY_LAUNCH_IN_PROGRESS, PROC_DIRTY_TRACK, SelfSet,
    UdataInfo,
};
use xnu_abi::darwin::security::AuditToken;
use xnu_abi::darwin::signal::Signal;

fn own_number<K: Kernel>(kernel: &K) -> SysResult<i32> {
    linux::process::getpid(kernel).to_bsd()
}

/// `proc_kernmsgbuf`: the superuser's; there is no log of this kernel's, so that one is empty.
pub(super) fn messages<K: Kernel>(kernel: &K) -> SysResult<i32> {
    if effective_user(kernel)? == 0 { Ok(0) } else { Err(Errno::EPERM) }
}

/// `proc_setcontrol`.
#[inline(never)]
pub(super) fn set<K: Kernel, L>(process: &Process<K, L>, request: &Request) -> SysResult<i32> {
    /// `P_PCMAX`.
    const CONTROL_MAX: u32 = 3;
    const NAME_MAX: usize = 63;
    let kernel = &process.kernel;
    if request.process != own_number(kernel)? {
        return Err(Errno::EINVAL);
    }
    match SelfSet::new(request.flavor) {
        SelfSet::PROC_SELFSET_PCONTROL => {
            let control = request.argument as u32;
            if control > CONTROL_MAX {
                return Err(Errno::EINVAL);
            }
            process.standing.starvation_control.store(control, Relaxed);
            Ok(0)
        }
        SelfSet::PROC_SELFSET_THREADNAME => {
            let mut name = [0; NAME_MAX + 1];
            let length = request.size as usize;
            if length > NAME_MAX {
                return Err(Errno::ENAMETOOLONG);
            }
            kernel.copy_in(request.buffer, name.get_mut(..length).unwrap_or_default())?;
            thread::name(process, &name).map(|()| 0)
        }
        SelfSet::PROC_SELFSET_VMRSRCOWNER => match effective_user(kernel)? {
            0 => Ok(0),
            _ => Err(Errno::EPERM),
        },
        _ => Err(Errno::ENOTSUP),
    }
}

/// `proc_terminate`: nobody asked to be killed at once, so the signal is `SIGTERM`, which is told.
pub(super) fn terminate<K: Kernel>(kernel: &K, process: i32) -> SysResult<i32> {
    if process <= 0 {
        return Err(Errno::EINVAL);
    }
    within_reach(kernel, process)?;
    if process == own_number(kernel)? {
        return Err(Errno::EPERM);
    }
    send(kernel, process, Signal::SIGTERM)?;
    Ok(Signal::SIGTERM.number())
}

fn send<K: Kernel>(kernel: &K, process: i32, signal: Signal) -> SysResult<()> {
    // One that Linux does not have reaches nobody.
    to_linux(signal).map_or(Ok(()), |number| linux::signal::kill(kernel, process, number).to_bsd())
}

/// `proc_terminate_all_rsr`: no process is one of those.
pub(super) fn terminate_all(request: &Request) -> SysResult<i32> {
    let signal = request.argument as i32;
    match Signal::new(signal) {
        Signal::SIGKILL | Signal::SIGTERM => Ok(signal),
        _ => Err(Errno::EINVAL),
    }
}

/// The process of an audit token. Only its number in it is looked at.
fn by_token<K: Kernel>(kernel: &K, request: &Request) -> SysResult<i32> {
    if request.buffer.is_null() || request.size as usize != size_of::<AuditToken>() {
        return Err(Errno::EINVAL);
    }
    let [_, _, _, _, _, number, ..] = UserPtr::<AuditToken>::new(request.buffer).read(kernel)?.val;
    Ok(number as i32)
}

/// `proc_signal_with_audittoken`.
pub(super) fn signal_by_token<K: Kernel>(kernel: &K, request: &Request) -> SysResult<i32> {
    const SIGNALS: u32 = 32;
    let process = by_token(kernel, request)?;
    if request.flavor == 0 || request.flavor >= SIGNALS {
        return Err(Errno::EINVAL);
    }
    if process <= 0 {
        return Err(Errno::ESRCH);
    }
    within_reach(kernel, process)?;
    send(kernel, process, Signal::new(request.flavor as i32)).map(|()| 0)
}

/// `proc_terminate_with_audittoken`.
pub(super) fn terminate_by_token<K: Kernel>(kernel: &K, request: &Request) -> SysResult<i32> {
    match by_token(kernel, request)? {
        process @ 1.. => terminate(kernel, process),
        _ => Err(Errno::ESRCH),
    }
}

/// `proc_dirtycontrol` (`bsd/kern/kern_memorystatus.c`). Nobody ends a clean process when memory is short, so what the
/// caller says of itself is kept, and told to itself alone.
#[inline(never)]
pub(super) fn dirty<K: Kernel, L>(process: &Process<K, L>, request: &Request) -> SysResult<i32> {
    let (kernel, wanted) = (&process.kernel, request.argument as u32);
    let control = DirtyControl::new(request.flavor);
    let mut subject = Subject::new(kernel);
    subject.find(request.process, control == DirtyControl::PROC_DIRTYCONTROL_GET)?;
    let kept = &process.standing.dirty;
    let before = if subject.is_self { kept.load(Relaxed) } else { 0 };
    let is_tracked = before & PROC_DIRTY_TRACK != 0;
    let reach = || within_reach(kernel, request.process);
    match control {
        DirtyControl::PROC_DIRTYCONTROL_GET => Ok(if is_tracked { before & TOLD } else { 0 } as i32),
        DirtyControl::PROC_DIRTYCONTROL_TRACK => {
            let is_child = subject.stat.ppid == own_number(kernel)?;
            if !subject.is_self && !is_child && effective_user(kernel)? != 0 {
                return Err(Errno::EPERM);
            }
            check_tracking(wanted)?;
            if !subject.is_self {
                return Err(Errno::ENOTSUP);
            }
            // Being dirty is not asked for in this way: its bit is that of being put off.
            let mut added =
                wanted & (PROC_DIRTY_TRACK | PROC_DIRTY_ALLOW_IDLE_EXIT | PROC_DIRTY_LAUNCH_IN_PROGRESS);
            if wanted & (PROC_DIRTY_DEFER | PROC_DIRTY_DEFER_ALWAYS) != 0 {
                added |= DEFERRED;
            }
            kept.fetch_or(added, Relaxed);
            Ok(0)
        }
        DirtyControl::PROC_DIRTYCONTROL_SET => {
            reach()?;
            match (is_tracked, wanted != 0, before & PROC_DIRTY_IS_DIRTY != 0) {
                (false, ..) => Err(Errno::EINVAL),
                (true, true, false) => {
                    kept.fetch_or(PROC_DIRTY_IS_DIRTY, Relaxed);
                    Ok(0)
                }
                (true, false, true) => {
                    kept.fetch_and(!PROC_DIRTY_IS_DIRTY, Relaxed);
                    Ok(0)
                }
                _ => Err(Errno::EALREADY),
            }
        }
        DirtyControl::PROC_DIRTYCONTROL_CLEAR => {
            reach()?;
            let clearable = PROC_DIRTY_LAUNCH_IN_PROGRESS | PROC_DIRTY_DEFER | PROC_DIRTY_DEFER_ALWAYS;
            if !is_tracked || wanted & clearable == 0 {
                return Err(Errno::EINVAL);
            }
            let mut cleared = wanted & PROC_DIRTY_LAUNCH_IN_PROGRESS;
            if wanted & (PROC_DIRTY_DEFER | PROC_DIRTY_DEFER_ALWAYS) != 0 {
                cleared |= DEFERRED;
            }
            kept.fetch_and(!cleared, Relaxed);
            Ok(0)
        }
        // Nothing is done, successfully.
        _ => Ok(0),
    }
}

/// What is told of what is kept: `PROC_DIRTY_TRACKED`, `…_ALLOWS_IDLE_EXIT`, `…_IS_DIRTY`, `…_LAUNCH_IS_IN_PROGRESS`.
const TOLD: u32 = 15;
/// Kept where nothing else is.
const DEFERRED: u32 = 0x100;

/// `memorystatus_validate_track_flags`.
fn check_tracking(wanted: u32) -> SysResult<()> {
    let has = |flag: u32| wanted & flag != 0;
    let is_deferred = has(PROC_DIRTY_DEFER) || has(PROC_DIRTY_DEFER_ALWAYS);
    let is_wrong = (has(PROC_DIRTY_ALLOW_IDLE_EXIT) || has(PROC_DIRTY_LAUNCH_IN_PROGRESS))
        && !has(PROC_DIRTY_TRACK)
        || has(PROC_DIRTY_DEFER) && has(PROC_DIRTY_DEFER_ALWAYS)
        || is_deferred && !has(PROC_DIRTY_ALLOW_IDLE_EXIT);
    if is_wrong { Err(Errno::EINVAL) } else { Ok(()) }
}

/// `proc_pidoriginatorinfo`: a thread that has no voucher works for nobody.
pub(super) fn originator<K: Kernel>(kernel: &K, request: &Request) -> SysResult<i32> {
    let size = match OriginatorInfo::new(request.flavor) {
        OriginatorInfo::PROC_PIDORIGINATOR_UUID => abi::PROC_PIDORIGINATOR_UUID_SIZE,
        OriginatorInfo::PROC_PIDORIGINATOR_BGSTATE => abi::PROC_PIDORIGINATOR_BGSTATE_SIZE,
        OriginatorInfo::PROC_PIDORIGINATOR_PID_UUID => abi::PROC_PIDORIGINATOR_PID_UUID_SIZE,
        _ => return Err(Errno::EINVAL),
    };
    if request.size < size {
        return Err(Errno::ENOMEM);
    }
    let _is_self = request.process == 0 || request.process == own_number(kernel)?;
    Err(Errno::EINVAL)
}

/// `proc_listcoalitions`: there is none. The flavor is in the place of the process.
pub(super) fn coalitions(request: &Request) -> SysResult<i32> {
    const ALL: i32 = 1;
    const OF_A_TYPE: i32 = 2;
    match request.process {
        ALL | OF_A_TYPE => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// `proc_can_use_foreground_hw`: who is no application and works for none cannot. The reason is told where there is room.
#[inline(never)]
pub(super) fn foreground_hardware<K: Kernel>(kernel: &K, request: &Request) -> SysResult<i32> {
    const WITHOUT_VOUCHER: u32 = 13;
    const WRONG: u32 = 99;
    let asked = if request.process <= 0 {
        Err(Errno::EINVAL)
    } else {
        let mut subject = Subject::new(kernel);
        match subject.find(request.process, false) {
            Err(error) => Err(error),
            Ok(()) if subject.is_self => Ok(()),
            Ok(()) if effective_user(kernel)? != 0 => Err(Errno::EPERM),
            Ok(()) => Err(Errno::EINVAL),
        }
    };
    let reason = if asked.is_ok() { WITHOUT_VOUCHER } else { WRONG };
    if request.size as usize >= size_of::<u32>() && !request.buffer.is_null() {
        // XNU does not look whether this could be told.
        let _ = UserPtr::new(request.buffer).write(kernel, &reason);
    }
    asked.map(|()| 0)
}

/// `proc_piddynkqueueinfo`: there are no dynamic queues.
#[inline(never)]
pub(super) fn dynamic_kqueue<K: Kernel>(kernel: &K, request: &Request) -> SysResult<i32> {
    /// Bytes of `struct kqueue_info`.
    const INFO: u32 = 144;
    if request.buffer.is_null() {
        return Err(Errno::EFAULT);
    }
    let mut subject = Subject::new(kernel);
    subject.find(request.process, false)?;
    subject.check_same_user()?;
    match DynKqueueInfo::new(request.flavor) {
        DynKqueueInfo::PROC_PIDDYNKQUEUE_INFO if request.size < INFO => Err(Errno::ENOBUFS),
        DynKqueueInfo::PROC_PIDDYNKQUEUE_INFO | DynKqueueInfo::PROC_PIDDYNKQUEUE_EXTINFO => Err(Errno::ESRCH),
        _ => Err(Errno::ENOTSUP),
    }
}

/// `proc_udata_info`: a word that a process keeps in the kernel.
#[inline(never)]
pub(super) fn user_word<K: Kernel, L>(process: &Process<K, L>, request: &Request) -> SysResult<i32> {
    let kernel = &process.kernel;
    if request.process != own_number(kernel)? {
        Subject::new(kernel).find(request.process, false)?;
        return Err(Errno::EACCES);
    }
    if request.size as usize != size_of::<u64>() {
        return Err(Errno::EINVAL);
    }
    let (word, kept) = (UserPtr::<u64>::new(request.buffer), &process.standing.user_word);
    match UdataInfo::new(request.flavor) {
        UdataInfo::PROC_UDATA_INFO_SET => kept.store(word.read(kernel)?, Relaxed),
        UdataInfo::PROC_UDATA_INFO_GET => word.write(kernel, &kept.load(Relaxed))?,
        _ => return Err(Errno::ENOTSUP),
    }
    Ok(0)
}

/// `proc_set_dyld_images`: where the list of images is. Nobody looks at it here.
pub(super) fn dyld_images<K: Kernel>(kernel: &K, request: &Request) -> SysResult<i32> {
    let is_range = request.buffer.checked_add(request.size.into()).is_ok();
    if request.process != own_number(kernel)? || request.buffer.is_null() || !is_range {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}
