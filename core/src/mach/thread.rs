//! Threads and giving way (`osfmk/kern/syscall_subr.c`, `osfmk/kern/ipc_tt.c`).

use super::{kern, name};
use crate::kernel::Kernel;
use crate::linux;
use crate::lkm::Lkm;
use crate::process::Context;
use crate::table::SysResult;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::linux::Timespec;
use xnu_abi::lkm::Trap;

/// `thread_self_trap`: a send right to the calling thread.
pub fn thread_self<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    Ok(name(cx.lkm(), Trap::ThreadSelfTrap))
}

/// `pfz_exit`: the way out of code that must not be preempted; nothing waits for it.
pub fn pfz_exit<K, L>(_: &mut Context<'_, K, L>) -> SysResult<i32> {
    kern(KernReturn::KERN_SUCCESS)
}

/// `swtch`: lets others run. Answers whether more of them want to: Linux does not say, so no.
pub fn swtch<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<i32> {
    linux::process::sched_yield(cx.kernel());
    Ok(0)
}

/// `swtch_pri`: the same; XNU does not look at the priority either.
pub fn swtch_pri<K: Kernel, L>(cx: &mut Context<'_, K, L>, _: i32) -> SysResult<i32> {
    swtch(cx)
}

const SWITCH_OPTION_NONE: i32 = 0;
const SWITCH_OPTION_DEPRESS: i32 = 1;
const SWITCH_OPTION_WAIT: i32 = 2;
const SWITCH_OPTION_DISPATCH_CONTENTION: i32 = 3;
const SWITCH_OPTION_OSLOCK_DEPRESS: i32 = 4;
const SWITCH_OPTION_OSLOCK_WAIT: i32 = 5;

/// `thread_switch`: lets others run, or waits for so many milliseconds (microseconds, where dispatch says that it
/// contends). An interruption ends the wait and is not told. The thread that is named is a wish, which a name of no
/// thread is too.
pub fn switch<K: Kernel, L>(cx: &mut Context<'_, K, L>, _: u32, option: i32, time: u32) -> SysResult<i32> {
    let unit_ns: u64 = match option {
        SWITCH_OPTION_NONE | SWITCH_OPTION_DEPRESS | SWITCH_OPTION_OSLOCK_DEPRESS => {
            linux::process::sched_yield(cx.kernel());
            return kern(KernReturn::KERN_SUCCESS);
        }
        SWITCH_OPTION_WAIT | SWITCH_OPTION_OSLOCK_WAIT => 1_000_000,
        SWITCH_OPTION_DISPATCH_CONTENTION => 1_000,
        _ => return kern(KernReturn::KERN_INVALID_ARGUMENT),
    };
    const SECOND_NS: u64 = 1_000_000_000;
    let ns = u64::from(time).saturating_mul(unit_ns);
    let duration = Timespec { tv_sec: (ns / SECOND_NS) as i64, tv_nsec: (ns % SECOND_NS) as i64 };
    let _ = linux::time::nanosleep(cx.kernel(), &duration);
    kern(KernReturn::KERN_SUCCESS)
}
