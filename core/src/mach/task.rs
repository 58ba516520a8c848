//! The ports that a thread starts with (`osfmk/kern/ipc_tt.c`).

use crate::kernel::Kernel;
use crate::lkm::{Lkm, TrapArg};
use crate::process::Context;
use crate::table::SysResult;
use xnu_abi::lkm::Trap;

/// XNU answers `MACH_PORT_NULL` where no port can be had; so do we where nothing serves the trap.
const MACH_PORT_NULL: u32 = 0;

fn port<K, L: Lkm>(cx: &Context<'_, K, L>, trap: Trap) -> SysResult<u32> {
    Ok(cx.lkm().call(trap, TrapArg::None).map_or(MACH_PORT_NULL, |name| name as u32))
}

/// `task_self_trap`: a send right to the caller's task.
pub fn task_self<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    port(cx, Trap::TaskSelfTrap)
}

/// `thread_self_trap`: a send right to the calling thread.
pub fn thread_self<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    port(cx, Trap::ThreadSelfTrap)
}

/// `host_self_trap`: a send right to the host.
pub fn host_self<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    port(cx, Trap::HostSelfTrap)
}

/// `mach_reply_port`: a new receive right.
pub fn reply_port<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    port(cx, Trap::MachReplyPort)
}
