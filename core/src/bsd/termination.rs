//! Ends that come with a reason (`bsd/kern/kern_exit.c`, `bsd/kern/kern_sig.c`). The reason is for reports of crashes,
//! which nobody writes here: a reason that cannot be read is no error on XNU either.

use crate::convert::errno::ToBsd;
use crate::convert::signal::to_linux;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserAddr;
use core::sync::atomic::Ordering;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::signal::Signal;

/// `terminate_with_payload`: `SIGKILL` for a process.
#[allow(clippy::too_many_arguments, reason = "as many as the call has")]
pub fn terminate_with_payload<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    process: i32,
    _namespace: u32,
    _code: u64,
    _payload: UserAddr,
    _payload_size: u32,
    _string: UserAddr,
    _flags: u64,
) -> SysResult<()> {
    if process <= 0 {
        return Err(Errno::EINVAL);
    }
    let signal = to_linux(Signal::SIGKILL).ok_or(Errno::EINVAL)?;
    linux::signal::kill(cx.kernel(), process, signal).to_bsd()
}

/// `abort_with_payload`: `SIGABRT` for the calling thread. It comes back where that is caught or ignored.
pub fn abort_with_payload<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    _namespace: u32,
    _code: u64,
    _payload: UserAddr,
    _payload_size: u32,
    _string: UserAddr,
    _flags: u64,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let signal = to_linux(Signal::SIGABRT).ok_or(Errno::EINVAL)?;
    let process = linux::process::getpid(kernel).to_bsd()?;
    let thread = linux::process::gettid(kernel).to_bsd()?;
    linux::signal::tgkill(kernel, process, thread, signal).to_bsd()
}

/// `os_fault_with_payload`: a report of a fault that the program goes on after. Five of a process are taken, then
/// `EQFULL`.
pub fn os_fault_with_payload<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    _namespace: u32,
    _code: u64,
    _payload: UserAddr,
    _payload_size: u32,
    _string: UserAddr,
    _flags: u64,
) -> SysResult<()> {
    /// `OS_REASON_TOTAL_USER_FAULTS_PER_PROC`.
    const MOST: u32 = 5;
    let told = &cx.process.standing.user_faults;
    let more = |count: u32| (count < MOST).then_some(count.wrapping_add(1));
    told.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map(|_| ()).map_err(|_| Errno::EQFULL)
}
