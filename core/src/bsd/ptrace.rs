//! Debugging of other processes (`bsd/kern/mach_process.c`).

use super::object::effective_user;
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserAddr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::ptrace::PtraceRequest;

/// `man 2 ptrace`. No process is ever traced: what needs one that is answers as XNU does for those that are not.
///
/// Differs from XNU: `PT_DENY_ATTACH` keeps off nobody but other guests; nothing can be attached to (`ENOTSUP`), and
/// nobody asks to be traced (`ENOTSUP`).
pub fn ptrace<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    request: PtraceRequest,
    process: i32,
    _address: UserAddr,
    _data: i32,
) -> SysResult<()> {
    /// Neither the kernel nor launchd.
    const FIRST: i32 = 2;
    let kernel = cx.kernel();
    match request {
        PtraceRequest::PT_DENY_ATTACH => return Ok(()),
        PtraceRequest::PT_FORCEQUOTA => {
            return if effective_user(kernel)? == 0 { Ok(()) } else { Err(Errno::EPERM) };
        }
        PtraceRequest::PT_TRACE_ME => return Err(Errno::ENOTSUP),
        PtraceRequest::PT_SIGEXC => return Err(Errno::EINVAL),
        _ => {}
    }
    if process < FIRST {
        return Err(Errno::EPERM);
    }
    match linux::signal::kill(kernel, process, 0).to_bsd() {
        Ok(()) | Err(Errno::EPERM) => {}
        Err(error) => return Err(error),
    }
    match request {
        PtraceRequest::PT_ATTACH | PtraceRequest::PT_ATTACHEXC => Err(Errno::ENOTSUP),
        _ => Err(Errno::EPERM),
    }
}
