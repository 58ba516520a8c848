//! Policies, personas, coalitions and other means of the system's own daemons, as an ordinary process meets them.

use super::credentials::superuser;
use super::session::{exists, is_self, within_reach};
use crate::kernel::Kernel;
use crate::process::Context;
use crate::table::{SysResult, UserPath};
use crate::user::{UserAddr, UserPtr};
use core::sync::atomic::Ordering::Relaxed;
use xnu_abi::darwin::Errno;

/// `setprivexec`: what it was last given (`bsd/kern/kern_prot.c`). It is about ports that Mach gives to nobody here.
pub fn setprivexec<K: Kernel, L>(cx: &mut Context<'_, K, L>, flag: i32) -> SysResult<i32> {
    Ok(i32::from(cx.process.standing.private_exec.swap(flag != 0, Relaxed)))
}

/// `process_policy` (`bsd/kern/process_policy.c`), whose policies nothing here acts on.
#[allow(clippy::too_many_arguments, reason = "they are XNU's")]
pub fn process_policy<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    scope: i32,
    action: i32,
    policy: i32,
    subtype: i32,
    attributes: UserAddr,
    process: i32,
    _thread: u64,
) -> SysResult<()> {
    const SCOPE_PROCESS: i32 = 1;
    const SCOPE_THREAD: i32 = 2;
    const BACKGROUND: i32 = 1;
    const HARDWARE_ACCESS: i32 = 2;
    const RESOURCE_STARVATION: i32 = 3;
    const RESOURCE_USAGE: i32 = 4;
    const APPTYPE: i32 = 6;
    if scope != SCOPE_PROCESS && scope != SCOPE_THREAD {
        return Err(Errno::EINVAL);
    }
    let kernel = cx.kernel();
    let own = process == 0 || is_self(kernel, process)?;
    if !own {
        exists(kernel, process)?;
        if policy != RESOURCE_STARVATION && policy != APPTYPE {
            superuser(kernel)?;
        }
    }
    match policy {
        BACKGROUND | HARDWARE_ACCESS => Err(Errno::ENOTSUP),
        RESOURCE_USAGE => processor_usage(kernel, action, subtype, attributes, own),
        APPTYPE => importance(scope, action, subtype, own),
        // Starvation has nothing to restore; boosts are for processes that receive importance, which none does.
        _ => Err(Errno::EINVAL),
    }
}

/// `handle_cpuuse`: no process has a limit on its use of processors, and none gets one.
fn processor_usage<K: Kernel>(
    kernel: &K,
    action: i32,
    subtype: i32,
    attributes: UserAddr,
    own: bool,
) -> SysResult<()> {
    const CPU: i32 = 3;
    const APPLY: i32 = 1;
    const RESTORE: i32 = 2;
    const SET: i32 = 10;
    const GET: i32 = 11;
    /// `proc_policy_cpuusage_attr_t`.
    const ATTRIBUTE_BYTES: usize = 24;
    match (subtype, action) {
        (CPU, APPLY | RESTORE) if !own => Err(Errno::EPERM),
        (CPU, GET) => Ok(kernel.copy_out(attributes, &[0; ATTRIBUTE_BYTES])?),
        (CPU, APPLY | SET) => {
            kernel.copy_in(attributes, &mut [0; ATTRIBUTE_BYTES])?;
            Err(Errno::ENOTSUP)
        }
        (CPU, RESTORE) => Ok(()),
        (CPU, _) => Err(Errno::EINVAL),
        (0..=6, _) => Err(Errno::ENOTSUP),
        _ => Err(Errno::EINVAL),
    }
}

/// `handle_apptype`: what is left of the old interface to importance.
fn importance(scope: i32, action: i32, subtype: i32, own: bool) -> SysResult<()> {
    const SCOPE_PROCESS: i32 = 1;
    const ENABLE: i32 = 5;
    const DONATES: i32 = 6;
    const HOLDS: i32 = 7;
    const DROPS: i32 = 8;
    match subtype {
        _ if scope != SCOPE_PROCESS || action != ENABLE || !own => Err(Errno::EINVAL),
        // There is nobody that it could be donated to.
        DONATES => Ok(()),
        HOLDS | DROPS => Err(Errno::ENOTSUP),
        _ => Err(Errno::EINVAL),
    }
}

/// `persona` (`bsd/kern/sys_persona.c`): there is none.
pub fn persona<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    operation: u32,
    _flags: u32,
    info: UserPtr<u32>,
    id: UserPtr<u32>,
    length: UserPtr<u64>,
    path: UserPath,
) -> SysResult<()> {
    const ALLOC: u32 = 1;
    const PALLOC: u32 = 2;
    const DEALLOC: u32 = 3;
    const GET: u32 = 4;
    const INFO: u32 = 5;
    const PIDINFO: u32 = 6;
    const FIND: u32 = 7;
    const GETPATH: u32 = 8;
    const FIND_BY_TYPE: u32 = 9;
    /// `PERSONA_ID_NONE`.
    const NONE: u32 = u32::MAX;
    let kernel = cx.kernel();
    match operation {
        ALLOC | PALLOC | DEALLOC => Err(Errno::EPERM),
        GET => Err(Errno::ESRCH),
        GETPATH if path.0.is_null() => Err(Errno::EINVAL),
        GETPATH | INFO => {
            let wanted = id.read(kernel)?;
            if wanted != 0 && wanted != NONE {
                superuser(kernel)?;
            }
            Err(Errno::ESRCH)
        }
        PIDINFO => {
            let process = id.read(kernel)? as i32;
            if !is_self(kernel, process)? {
                superuser(kernel)?;
            }
            Err(Errno::ESRCH)
        }
        FIND | FIND_BY_TYPE => {
            length.read(kernel)?;
            let found = find_persona(kernel, info);
            // XNU does not look whether this could be told.
            let _ = length.write(kernel, &0);
            found
        }
        _ => Err(Errno::ENOSYS),
    }
}

/// Checks what is looked for (`kpersona_copyin`), and finds nothing.
fn find_persona<K: Kernel>(kernel: &K, info: UserPtr<u32>) -> SysResult<()> {
    let bytes = match info.read(kernel)? {
        1 => 344,
        2 => 348,
        _ => return Err(Errno::EINVAL),
    };
    let mut seen: u64 = 0;
    while seen < bytes {
        kernel.copy_in(info.address().checked_add(seen)?, &mut [0; 4])?;
        seen = seen.wrapping_add(4);
    }
    Err(Errno::ESRCH)
}

/// `coalition_info` (`bsd/kern/sys_coalition.c`): no coalition has a number here.
pub fn coalition_info<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    _flavor: u32,
    id: UserPtr<u64>,
    _buffer: UserAddr,
    _size: UserAddr,
) -> SysResult<()> {
    id.read(cx.kernel())?;
    Err(Errno::ESRCH)
}

/// `memorystatus_control` (`bsd/kern/kern_memorystatus.c`): the superuser's, but for what a Mac cannot do at all.
pub fn memorystatus_control<K: Kernel, L>(
    _cx: &mut Context<'_, K, L>,
    command: u32,
    _process: i32,
    _flags: u32,
    _buffer: UserAddr,
    _size: usize,
) -> SysResult<i32> {
    const SET_PROCESS_IS_FREEZABLE: u32 = 18;
    const GET_PROCESS_IS_FREEZABLE: u32 = 19;
    const GET_PROCESS_IS_FROZEN: u32 = 24;
    match command {
        SET_PROCESS_IS_FREEZABLE | GET_PROCESS_IS_FREEZABLE | GET_PROCESS_IS_FROZEN => Err(Errno::EINVAL),
        _ => Err(Errno::EPERM),
    }
}

/// `work_interval_ctl` (`bsd/kern/sys_work_interval.c`): making one needs an entitlement, and without one there is no
/// port that the other operations take.
pub fn work_interval_ctl<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    operation: u32,
    id: u64,
    argument: UserAddr,
    length: usize,
) -> SysResult<()> {
    const CREATE: u32 = 1;
    const CREATE2: u32 = 4;
    /// `struct work_interval_create_params`.
    const PARAMETER_BYTES: usize = 16;
    match operation {
        CREATE => Err(Errno::ENOTSUP),
        CREATE2 if !argument.is_null() && id == 0 && length >= PARAMETER_BYTES => {
            cx.kernel().copy_in(argument, &mut [0; PARAMETER_BYTES])?;
            Err(Errno::EPERM)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// `sfi_ctl`: forced idleness (`bsd/kern/kern_sfi.c`), which nobody asked for.
pub fn sfi_ctl<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    operation: u32,
    class: u32,
    time: u64,
    out: UserPtr<u64>,
) -> SysResult<()> {
    const SET_WINDOW: u32 = 1;
    const GET_WINDOW: u32 = 2;
    const SET_CLASS: u32 = 3;
    const GET_CLASS: u32 = 4;
    match operation {
        SET_WINDOW if !out.is_null() || class != 0 => Err(Errno::EINVAL),
        SET_CLASS if !out.is_null() => Err(Errno::EINVAL),
        SET_WINDOW | SET_CLASS => Err(Errno::EPERM),
        GET_WINDOW if time != 0 || class != 0 => Err(Errno::EINVAL),
        GET_CLASS if time != 0 => Err(Errno::EINVAL),
        GET_WINDOW | GET_CLASS => Ok(out.write(cx.kernel(), &0)?),
        _ => Err(Errno::ENOTSUP),
    }
}

/// `sfi_pidctl`: whether a process's idleness is managed, which none's is.
pub fn sfi_pidctl<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    operation: u32,
    process: i32,
    wanted: u32,
    out: UserPtr<u32>,
) -> SysResult<()> {
    const SET_FLAGS: u32 = 1;
    const GET_FLAGS: u32 = 2;
    const BOTH: u32 = 3;
    const UNMANAGED: u32 = 2;
    match operation {
        SET_FLAGS if !out.is_null() || wanted & BOTH == 0 || wanted == BOTH => Err(Errno::EINVAL),
        SET_FLAGS => Err(Errno::EPERM),
        GET_FLAGS if wanted != 0 || process == 0 => Err(Errno::EINVAL),
        GET_FLAGS => {
            exists(cx.kernel(), process)?;
            Ok(out.write(cx.kernel(), &UNMANAGED)?)
        }
        _ => Err(Errno::ENOTSUP),
    }
}

/// `telemetry` (`bsd/kern/sys_generic.c`): no sampling, and no voucher has the name that could be set.
pub fn telemetry<K: Kernel, L>(
    _cx: &mut Context<'_, K, L>,
    command: u64,
    _deadline: u64,
    _interval: u64,
    _leeway: u64,
    _arg4: u64,
    _arg5: u64,
) -> SysResult<()> {
    const TIMER_EVENT: u64 = 1;
    Err(if command == TIMER_EVENT { Errno::ENOTSUP } else { Errno::EINVAL })
}

/// `pid_suspend`, `pid_resume` (`bsd/kern/kern_proc.c`): for those with an entitlement.
pub fn pid_suspend<K: Kernel, L>(cx: &mut Context<'_, K, L>, process: i32) -> SysResult<()> {
    if process != 0 {
        exists(cx.kernel(), process)?;
    }
    Err(Errno::EPERM)
}

/// `pid_shutdown_sockets` (`bsd/kern/kern_proc.c`): for those with an entitlement.
pub fn pid_shutdown_sockets<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    process: i32,
    level: i32,
) -> SysResult<()> {
    const LEVELS: [i32; 2] = [1, 2];
    if !LEVELS.contains(&level) {
        return Err(Errno::EINVAL);
    }
    pid_suspend(cx, process)
}

/// `task_inspect_for_pid`, `task_read_for_pid` (`bsd/kern/kern_proc.c`): a port of a task to look into it by. What is
/// written is no port; whether that can be written does not matter.
pub fn task_for_pid<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    _task: u32,
    process: i32,
    port: UserPtr<u32>,
) -> SysResult<()> {
    let _ = port.write(cx.kernel(), &0);
    if process == 0 {
        return Err(Errno::EPERM);
    }
    within_reach(cx.kernel(), process)?;
    Err(Errno::EPERM)
}

/// `struct ledger_info`: a name, the number of the ledger, and how many entries it has.
const LEDGER_INFO_BYTES: usize = 48;

/// `ledger` (`bsd/kern/sys_generic.c`): that of a task has no entries here.
pub fn ledger<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    command: i32,
    first: u64,
    second: UserAddr,
    third: UserAddr,
) -> SysResult<()> {
    const INFO: i32 = 0;
    const ENTRY_INFO: i32 = 1;
    const TEMPLATE_INFO: i32 = 2;
    let kernel = cx.kernel();
    let length = match command {
        INFO => None,
        ENTRY_INFO => Some(third),
        TEMPLATE_INFO => Some(second),
        _ => return Err(Errno::EINVAL),
    };
    let length: Option<UserPtr<i32>> = length.map(UserPtr::new);
    if let Some(length) = length
        && length.read(kernel)? < 0
    {
        return Err(Errno::EINVAL);
    }
    if command != TEMPLATE_INFO {
        exists(kernel, first as i32)?;
    }
    match length {
        Some(length) => length.write(kernel, &0)?,
        None => kernel.copy_out(second, &[0; LEDGER_INFO_BYTES])?,
    }
    Ok(())
}
