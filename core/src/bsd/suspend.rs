//! Waiting for signals (`bsd/kern/kern_sig.c`).

use super::signal::{set_mask, suspend_mask};
use crate::convert::errno::ToBsd;
use crate::convert::signal::{mask_to_linux, to_darwin};
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::signal::{CANNOT_MASK, KEPT};
use crate::table::SysResult;
use crate::user::UserPtr;
use xnu_abi::darwin::Errno;
use xnu_abi::linux as abi;

/// `man 2 sigsuspend`: waits under another mask, which holds until a signal was delivered; then always `EINTR`.
pub fn sigsuspend<K: Kernel, L>(cx: &mut Context<'_, K, L>, mask: u32) -> SysResult<()> {
    let mask = mask & !CANNOT_MASK;
    // What came while the thread did not want it, and is noted by the core, interrupts nothing in Linux.
    let noted = cx.thread.as_ref().is_some_and(|thread| thread.signals.pending() & !mask != 0);
    if !noted {
        let linux_mask = mask_to_linux(if cx.thread.is_some() { mask & !KEPT } else { mask });
        match linux::signal::suspend(cx.kernel(), linux_mask) {
            Ok(()) | Err(abi::Errno::EINTR) => {}
            Err(error) => return Err(error).to_bsd(),
        }
    }
    suspend_mask(cx, mask);
    Err(Errno::EINTR)
}

/// `__sigwait` (`man 2 sigwait`): takes one of the signals of a set, whether or not they are blocked and whatever is done
/// with them otherwise. All others wait until it is over.
pub fn sigwait<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    set: UserPtr<u32>,
    signal: UserPtr<i32>,
) -> SysResult<()> {
    if set.is_null() {
        return Err(Errno::EINVAL);
    }
    let wanted = set.read(cx.kernel())? & !CANNOT_MASK;
    if wanted == 0 {
        return Err(Errno::EINVAL);
    }
    let taken = match cx.thread.as_mut().and_then(|thread| thread.signals.take_one_of(wanted)) {
        Some(noted) => noted.signal.number(),
        None => wait(cx, wanted)?,
    };
    if signal.is_null() { Ok(()) } else { Ok(signal.write(cx.kernel(), &taken)?) }
}

fn wait<K: Kernel, L>(cx: &mut Context<'_, K, L>, wanted: u32) -> SysResult<i32> {
    let kernel = cx.kernel();
    let before = linux::signal::block(kernel, mask_to_linux(!CANNOT_MASK & !KEPT)).to_bsd()?;
    let found = loop {
        match linux::signal::wait(kernel, mask_to_linux(wanted)) {
            // What cannot be blocked came, and is noted.
            Err(abi::Errno::EINTR) => {}
            other => break other,
        }
    };
    linux::signal::set_mask(kernel, before).to_bsd()?;
    Ok(to_darwin(found.to_bsd()?).map_or(0, |signal| signal.number()))
}

/// `__disable_threadsignal`: a thread that ends wants no signals any more.
///
/// Differs from XNU: `sigprocmask` lets them in again.
pub fn disable_threadsignal<K: Kernel, L>(cx: &mut Context<'_, K, L>, _value: i32) -> SysResult<()> {
    set_mask(cx, !CANNOT_MASK)
}
