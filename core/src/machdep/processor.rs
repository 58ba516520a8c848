//! Registers and descriptors of the processor.

use crate::kernel::Kernel;
use crate::process::Context;
use crate::table::{SysResult, Unchanged};
use crate::user::UserAddr;
use xnu_abi::darwin::kern_return::KernReturn;

/// The selector that the 32-bit form loads and the 64-bit form still answers (`osfmk/i386/seg.h`, `USER_CTHREAD`).
const USER_CTHREAD: i32 = 0x0f;

/// The first address that is not canonical, and so no address of a user's.
const CANONICAL_END: u64 = 0x0000_8000_0000_0000;

/// `thread_fast_set_cthread_self64`: sets the base of `gs` for the calling thread. An address that is not canonical
/// counts as 0 (`osfmk/i386/machdep_call.c`, `osfmk/i386/bsd_i386_native.c`).
pub fn set_cthread_self<K: Kernel, L>(cx: &mut Context<'_, K, L>, base: UserAddr) -> SysResult<i32> {
    let base = if base.get() < CANONICAL_END { base.get() } else { 0 };
    set_thread_base(cx.kernel(), base)?;
    Ok(USER_CTHREAD)
}

#[cfg(target_arch = "x86_64")]
fn set_thread_base<K: Kernel>(kernel: &K, base: u64) -> SysResult<()> {
    use crate::convert::errno::ToBsd;
    crate::linux::process::set_gs_base(kernel, base).to_bsd()
}

/// XNU keeps it in `TPIDRRO_EL0`, which Linux lets nobody write.
#[cfg(not(target_arch = "x86_64"))]
fn set_thread_base<K: Kernel>(_: &K, _: u64) -> SysResult<()> {
    Err(xnu_abi::darwin::Errno::ENOTSUP)
}

/// A hypervisor's trap: there is none, so XNU's answer without one.
pub fn hv_task_trap<K: Kernel, L>(_: &mut Context<'_, K, L>, _: u64, _: u64) -> SysResult<i32> {
    Ok(KernReturn::KERN_INVALID_ARGUMENT.number())
}

/// A hypervisor's trap: there is none, so XNU's answer without one.
pub fn hv_thread_trap<K: Kernel, L>(_: &mut Context<'_, K, L>, _: u64, _: u64) -> SysResult<i32> {
    Ok(KernReturn::KERN_INVALID_ARGUMENT.number())
}

/// Caches are flushed by instructions: the calls for it are accepted and do nothing (`osfmk/arm64/machine_routines.c`,
/// `platform_syscall`).
pub fn nothing<K: Kernel, L>(_: &mut Context<'_, K, L>) -> SysResult<Unchanged> {
    Ok(Unchanged)
}
