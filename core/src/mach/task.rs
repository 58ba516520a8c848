//! Tasks (`osfmk/kern/ipc_tt.c`, `bsd/kern/kern_proc.c`).

use super::{MACH_PORT_NULL, is_own, kern, make, name, result};
use crate::kernel::Kernel;
use crate::linux;
use crate::lkm::Lkm;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::lkm::Trap;
use xnu_abi::lkm::args::{PidForTaskArgs, TaskForPidArgs, TaskNameForPidArgs};
use xnu_abi::lkm::own_args::DebugControlPortForPidArgs;

/// `task_self_trap`: a send right to the caller's task.
pub fn task_self<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    Ok(name(cx.lkm(), Trap::TaskSelfTrap))
}

/// `task_for_pid`: a send right to the task of a process. Without one the name is `MACH_PORT_NULL`, and whether it can be
/// written is not looked at.
pub fn task_for_pid<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    pid: i32,
    task: UserPtr<u32>,
) -> SysResult<i32> {
    let lkm = cx.lkm();
    // Process 0 is the kernel's, which nobody gets.
    if pid != 0 && is_own(lkm, target) {
        let mut args = TaskForPidArgs { pid: pid as u32, task_port: task.address().get() };
        let answer = make(lkm, Trap::TaskForPidTrap, &mut args).map(KernReturn::new);
        if let Ok(KernReturn::KERN_SUCCESS | KernReturn::KERN_INVALID_ADDRESS) = answer {
            return kern(KernReturn::KERN_SUCCESS);
        }
    }
    no_port(cx, task)
}

/// `task_name_for_pid`: a send right to the port that tells one task from another.
pub fn task_name_for_pid<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    pid: i32,
    task: UserPtr<u32>,
) -> SysResult<i32> {
    let lkm = cx.lkm();
    if is_own(lkm, target) {
        let mut args = TaskNameForPidArgs { task_port: target as i32, pid, name_out: 0 };
        if make(lkm, Trap::TaskNameForPidTrap, &mut args) == Ok(KernReturn::KERN_SUCCESS.number()) {
            let _ = task.write(cx.kernel(), &(args.name_out as u32));
            return kern(KernReturn::KERN_SUCCESS);
        }
    }
    no_port(cx, task)
}

/// `debug_control_port_for_pid`: the port that was set as a process's debug control port, for whoever may have its task
/// (`bsd/kern/kern_proc.c`). Where none was set, that is no port and success.
pub fn debug_control_port_for_pid<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    pid: i32,
    port: UserPtr<u32>,
) -> SysResult<i32> {
    let lkm = cx.lkm();
    if pid != 0 && is_own(lkm, target) {
        let mut args = DebugControlPortForPidArgs { pid: pid as u32, port: 0 };
        if make(lkm, Trap::DebugControlPortForPidTrap, &mut args) == Ok(KernReturn::KERN_SUCCESS.number()) {
            let _ = port.write(cx.kernel(), &{ args.port });
            return kern(KernReturn::KERN_SUCCESS);
        }
    }
    no_port(cx, port)
}

/// No port: its name is written if it can be.
fn no_port<K: Kernel, L>(cx: &Context<'_, K, L>, to: UserPtr<u32>) -> SysResult<i32> {
    let _ = to.write(cx.kernel(), &MACH_PORT_NULL);
    kern(KernReturn::KERN_FAILURE)
}

/// `pid_for_task`: the process of a task, or −1.
pub fn pid_for_task<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    task: u32,
    pid: UserPtr<i32>,
) -> SysResult<i32> {
    let mut args = PidForTaskArgs { task_port: task, pid: pid.address().get() };
    match make(cx.lkm(), Trap::PidForTaskTrap, &mut args).map(KernReturn::new) {
        // Whether the number can be written is not looked at.
        Ok(KernReturn::KERN_SUCCESS | KernReturn::KERN_INVALID_ADDRESS) => kern(KernReturn::KERN_SUCCESS),
        _ => {
            let _ = pid.write(cx.kernel(), &-1);
            kern(KernReturn::KERN_FAILURE)
        }
    }
}

/// `mach_generate_activity_id`: so many numbers that nobody else has, from the one that is written on. An address that
/// cannot be written is BSD's error, as in XNU (`osfmk/ipc/ipc_voucher.c`).
pub fn generate_activity_id<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    _: u32,
    count: i32,
    id: UserPtr<u64>,
) -> SysResult<i32> {
    const COUNT_MAX: i32 = 16;
    // The highest byte is for flags of libtrace's.
    const NUMBER: u64 = 0x00ff_ffff_ffff_fff0;
    if !(1..=COUNT_MAX).contains(&count) {
        return kern(KernReturn::KERN_INVALID_ARGUMENT);
    }
    let Ok(word) = linux::process::random_word(cx.kernel()) else {
        return kern(KernReturn::KERN_FAILURE);
    };
    // Any sixteen numbers from a multiple of that on are nobody else's; 0 is none.
    let first = (word & NUMBER).max(COUNT_MAX as u64);
    match id.write(cx.kernel(), &first) {
        Ok(()) => kern(KernReturn::KERN_SUCCESS),
        Err(_) => Ok(i32::from(Errno::EFAULT.number())),
    }
}

/// `task_dyld_process_info_notify_get`: the ports that are told of dyld's images. There are none.
pub fn dyld_process_info_notify_get<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    names: UserAddr,
    count: UserPtr<u32>,
) -> SysResult<i32> {
    if names.is_null() || count.is_null() {
        return kern(KernReturn::KERN_INVALID_ARGUMENT);
    }
    result((|| {
        let room = count.read(cx.kernel()).map_err(|_| KernReturn::KERN_MEMORY_ERROR)?;
        if room == 0 {
            return Err(KernReturn::KERN_NO_SPACE);
        }
        count.write(cx.kernel(), &0).map_err(|_| KernReturn::KERN_MEMORY_ERROR)
    })())
}
