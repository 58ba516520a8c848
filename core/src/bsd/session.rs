//! Process groups and sessions, and whether a process exists.

use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::linux::child::{Which, waitid};
use crate::process::Context;
use crate::table::SysResult;
use xnu_abi::darwin::Errno;
use xnu_abi::linux::{self as abi, flags};

/// `man 2 getpgrp`.
pub fn getpgrp<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<i32> {
    linux::process::getpgid(cx.kernel(), 0).to_bsd()
}

/// `man 2 getpgid`; both systems answer for processes of other sessions too.
pub fn getpgid<K: Kernel, L>(cx: &mut Context<'_, K, L>, process: i32) -> SysResult<i32> {
    let group = linux::process::getpgid(cx.kernel(), process).to_bsd()?;
    is_alive(cx.kernel(), process).map(|()| group)
}

/// `man 2 getsid`.
pub fn getsid<K: Kernel, L>(cx: &mut Context<'_, K, L>, process: i32) -> SysResult<i32> {
    let session = linux::process::getsid(cx.kernel(), process).to_bsd()?;
    is_alive(cx.kernel(), process).map(|()| session)
}

/// `man 2 setsid`.
pub fn setsid<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<i32> {
    linux::process::setsid(cx.kernel()).to_bsd()
}

/// `man 2 setpgid`. A group below zero is looked at last, not first as on Linux (`bsd/kern/kern_prot.c`, `setpgid`).
pub fn setpgid<K: Kernel, L>(cx: &mut Context<'_, K, L>, process: i32, group: i32) -> SysResult<()> {
    /// A group that cannot exist: Linux's numbers end below 2^22.
    const NO_GROUP: i32 = i32::MAX;
    let kernel = cx.kernel();
    is_alive(kernel, process)?;
    if group >= 0 {
        return linux::process::setpgid(kernel, process, group).to_bsd();
    }
    let told = linux::process::setpgid(kernel, process, NO_GROUP).to_bsd();
    if told != Err(Errno::EPERM) {
        return told;
    }
    let session = linux::process::getsid(kernel, process).to_bsd()?;
    let own = linux::process::getsid(kernel, 0).to_bsd()?;
    let target = if process == 0 { linux::process::getpid(kernel).to_bsd()? } else { process };
    let was_refused = session != own || session == target;
    Err(if was_refused { Errno::EPERM } else { Errno::EINVAL })
}

/// A process that has ended is found no more (`bsd/kern/kern_proc.c`, `proc_find`), where Linux knows it until it is waited
/// for. Only the caller's own children can be asked after.
pub(super) fn is_alive<K: Kernel>(kernel: &K, process: i32) -> SysResult<()> {
    let look = flags::WEXITED | flags::WNOHANG | flags::WNOWAIT;
    match process {
        ..=0 => Ok(()),
        _ => match waitid(kernel, Which::Process(process), look, None) {
            Ok(Some(_)) => Err(Errno::ESRCH),
            Ok(None) | Err(abi::Errno::ECHILD) => Ok(()),
            Err(error) => Err(error).to_bsd(),
        },
    }
}

/// Whether a process exists and the caller may act on it: `ESRCH`, `EPERM`. What XNU compares in several calls is the
/// users of the caller with the effective user of the other; Linux compares them for `kill`.
pub(super) fn within_reach<K: Kernel>(kernel: &K, process: i32) -> SysResult<()> {
    // The kernel's own process is the superuser's.
    if process == 0 {
        return if super::object::effective_user(kernel)? == 0 { Ok(()) } else { Err(Errno::EPERM) };
    }
    if process < 0 {
        return Err(Errno::ESRCH);
    }
    linux::signal::kill(kernel, process, 0).to_bsd()
}

/// Whether there is such a process: `ESRCH`.
pub(super) fn exists<K: Kernel>(kernel: &K, process: i32) -> SysResult<()> {
    match within_reach(kernel, process) {
        Err(Errno::EPERM) => Ok(()),
        other => other,
    }
}

/// Whether this is the calling process.
pub(super) fn is_self<K: Kernel>(kernel: &K, process: i32) -> SysResult<bool> {
    Ok(linux::process::getpid(kernel).to_bsd()? == process)
}
