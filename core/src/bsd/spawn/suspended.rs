//! Children that are stopped before their first instruction (`POSIX_SPAWN_START_SUSPENDED`), until a `SIGCONT`.
//!
//! The parent traces the child as far as its `execve`, and lets go of it with a `SIGSTOP` on its way. When the call
//! returns the child is stopped: whatever the parent does next finds it so.
//!
//! Differs from XNU: a wait with `WUNTRACED` tells of signal 17, not 0, and the parent gets a `SIGCHLD` for it.

use crate::convert::errno::ToBsd;
use crate::convert::signal::to_linux;
use crate::kernel::Kernel;
use crate::linux::child::{Which, waitid};
use crate::linux::{process, signal, trace};
use crate::table::SysResult;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::signal::Signal;
use xnu_abi::linux::flags;

/// Linux's `SIGSTOP`.
fn stop() -> i32 {
    to_linux(Signal::SIGSTOP).unwrap_or(0)
}

/// In the child, before anything else: waits for the parent to look on.
pub(super) fn invite<K: Kernel>(kernel: &K) -> SysResult<()> {
    trace::invite(kernel).to_bsd()?;
    signal::kill(kernel, process::getpid(kernel).to_bsd()?, stop()).to_bsd()
}

/// In the parent: comes back when the child has executed its program and is stopped, or has ended.
pub(super) fn accompany<K: Kernel>(kernel: &K, child: i32) -> SysResult<()> {
    const CLD_STOPPED: i32 = 5;
    const CLD_TRAPPED: i32 = 4;
    let stopped = flags::WEXITED | flags::WSTOPPED;
    let mut signal = 0;
    let mut invited = false;
    loop {
        let options = stopped | flags::WNOWAIT;
        let change = waitid(kernel, Which::Process(child), options, None).to_bsd()?.ok_or(Errno::ECHILD)?;
        if !matches!(change.code, CLD_STOPPED | CLD_TRAPPED) {
            return Ok(());
        }
        // Seen: from here on it is a stop of the past.
        waitid(kernel, Which::Process(child), flags::WSTOPPED, None).to_bsd()?;
        if change.status == trace::EXECUTED {
            break;
        }
        if invited {
            // A signal that came on the way there.
            signal = change.status;
        } else {
            trace::stop_at_exec(kernel, child).to_bsd()?;
            invited = true;
        }
        trace::go_on(kernel, child, signal).to_bsd()?;
    }
    signal::kill(kernel, child, stop()).to_bsd()?;
    trace::let_go(kernel, child).to_bsd()?;
    waitid(kernel, Which::Process(child), stopped | flags::WNOWAIT, None).to_bsd()?;
    Ok(())
}
