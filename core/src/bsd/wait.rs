//! Waiting for children (`bsd/kern/kern_exit.c`).
//!
//! A status that cannot be written leaves the child as it was, where Linux would have reaped it: so the child is
//! looked at first and taken when all is told.

use crate::convert::errno::ToBsd;
use crate::convert::resource::rusage_to_darwin;
use crate::convert::signal::{bit, mask_to_darwin, mask_to_linux};
use crate::convert::wait::{is_end, options_to_linux, siginfo, status};
use crate::kernel::Kernel;
use crate::linux;
use crate::linux::child::{Change, Which, waitid as linux_waitid};
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserPtr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::resource::Rusage;
use xnu_abi::darwin::signal::{Siginfo, Signal};
use xnu_abi::darwin::wait::{IdType, WaitOptions};
use xnu_abi::linux::{self as abi, LinuxRusage, flags};
use zerocopy::FromZeros;

/// `man 2 wait4`; `wait4_nocancel`. Options that mean nothing are ignored. What a child used is told at its end only.
pub fn wait4<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    pid: i32,
    status_to: UserPtr<i32>,
    options: WaitOptions,
    rusage_to: UserPtr<Rusage>,
) -> SysResult<i32> {
    let which = match pid {
        i32::MIN => return Err(Errno::EINVAL),
        -1 => Which::All,
        process @ 1.. => Which::Process(process),
        group => Which::Group(group.wrapping_neg()),
    };
    let mut wanted = options & (WaitOptions::WNOHANG | WaitOptions::WCONTINUED) | WaitOptions::WEXITED;
    wanted.set(WaitOptions::WSTOPPED, options.contains(WaitOptions::WUNTRACED));
    let wanted = options_to_linux(wanted);
    let kernel = cx.kernel();
    let tells = !status_to.is_null() || !rusage_to.is_null();
    loop {
        let change = match tells {
            false => linux_waitid(kernel, which, wanted, None).to_bsd()?,
            true => look(kernel, which, wanted, status_to, rusage_to)?,
        };
        let Some(change) = change else { return Ok(0) };
        if tells && !take(kernel, &change)? {
            continue;
        }
        if is_end(&change) {
            forget_sigchld(cx);
        }
        return Ok(change.pid);
    }
}

/// Waits for a change and tells of it, and leaves it to be taken. Apart, since much is told and little kept.
#[inline(never)]
fn look<K: Kernel>(
    kernel: &K,
    which: Which,
    options: u32,
    status_to: UserPtr<i32>,
    rusage_to: UserPtr<Rusage>,
) -> SysResult<Option<Change>> {
    let mut used = LinuxRusage::new_zeroed();
    let options = options | flags::WNOWAIT;
    let Some(change) = linux_waitid(kernel, which, options, Some(&mut used)).to_bsd()? else {
        return Ok(None);
    };
    if !status_to.is_null() {
        status_to.write(kernel, &status(&change))?;
    }
    if !rusage_to.is_null() && is_end(&change) {
        rusage_to.write(kernel, &rusage_to_darwin(&used))?;
    }
    Ok(Some(change))
}

/// Takes a change that was told of; `false` where another thread was faster.
fn take<K: Kernel>(kernel: &K, change: &Change) -> SysResult<bool> {
    let kind = match change {
        end if is_end(end) => WaitOptions::WEXITED,
        went_on if went_on.code == xnu_abi::darwin::signal::CldCode::CLD_CONTINUED.number() => {
            WaitOptions::WCONTINUED
        }
        _ => WaitOptions::WSTOPPED,
    };
    let options = options_to_linux(kind | WaitOptions::WNOHANG);
    match linux_waitid(kernel, Which::Process(change.pid), options, None) {
        Ok(taken) => Ok(taken.is_some()),
        Err(abi::Errno::ECHILD) => Ok(false),
        Err(error) => Err(error).to_bsd(),
    }
}

/// The last child was reaped: a blocked `SIGCHLD` that tells of it is pending no more. Nothing here can go wrong in a
/// way that the caller could be told, who has the child's status.
fn forget_sigchld<K: Kernel, L>(cx: &mut Context<'_, K, L>) {
    let kernel = cx.kernel();
    let told = bit(Signal::SIGCHLD);
    let mask = match &cx.thread {
        Some(thread) => thread.signals.mask,
        None => linux::signal::mask(kernel).map_or(0, mask_to_darwin),
    };
    if mask & told == 0 {
        return;
    }
    let any = flags::WNOHANG | flags::WNOWAIT | flags::WEXITED | flags::WSTOPPED | flags::WCONTINUED;
    if linux_waitid(kernel, Which::All, any, None) == Err(abi::Errno::ECHILD) {
        let _ = linux::signal::take(kernel, mask_to_linux(told));
        if let Some(thread) = &mut cx.thread {
            thread.signals.forget_some(told);
        }
    }
}

/// `man 2 waitid`; `waitid_nocancel`. An id type that means nothing is all children. Where nothing has changed and
/// `WNOHANG` is set, nothing is written.
///
/// Differs from XNU: options that ask for no kind of change wait for ever there, and are `EINVAL` here unless they have
/// `WNOHANG`.
pub fn waitid<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    kind: IdType,
    id: u32,
    info_to: UserPtr<Siginfo>,
    options: WaitOptions,
) -> SysResult<()> {
    let changes = WaitOptions::WEXITED | WaitOptions::WSTOPPED | WaitOptions::WCONTINUED;
    let known = changes | WaitOptions::WNOHANG | WaitOptions::WNOWAIT;
    if options.is_empty() || !known.contains(options) {
        return Err(Errno::EINVAL);
    }
    let which = match (kind, id as i32) {
        (IdType::P_PID | IdType::P_PGID, ..0) => return Err(Errno::EINVAL),
        // Nobody's child has these.
        (IdType::P_PID | IdType::P_PGID, 0) => return Err(Errno::ECHILD),
        (IdType::P_PID, id) => Which::Process(id),
        (IdType::P_PGID, id) => Which::Group(id),
        _ => Which::All,
    };
    let kernel = cx.kernel();
    if !options.intersects(changes) {
        if !options.contains(WaitOptions::WNOHANG) {
            return Err(Errno::EINVAL);
        }
        let any = flags::WNOHANG | flags::WNOWAIT | flags::WEXITED | flags::WSTOPPED | flags::WCONTINUED;
        return linux_waitid(kernel, which, any, None).to_bsd().map(|_| ());
    }
    let wanted = options_to_linux(options) | flags::WNOWAIT;
    loop {
        let Some(change) = linux_waitid(kernel, which, wanted, None).to_bsd()? else { return Ok(()) };
        info_to.write(kernel, &siginfo(&change))?;
        if options.contains(WaitOptions::WNOWAIT) || take(kernel, &change)? {
            return Ok(());
        }
    }
}
