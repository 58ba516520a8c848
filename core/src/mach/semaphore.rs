//! Semaphores (`osfmk/kern/sync_sema.c`).

use super::{serve, wait_at};
use crate::kernel::Kernel;
use crate::lkm::Lkm;
use crate::process::Context;
use crate::table::SysResult;
use xnu_abi::lkm::Trap;
use xnu_abi::lkm::args::{
    SemaphoreSignalAllArgs, SemaphoreSignalArgs, SemaphoreTimedwaitArgs, SemaphoreTimedwaitSignalArgs,
    SemaphoreWaitArgs, SemaphoreWaitSignalArgs,
};
use xnu_abi::lkm::own_args::SemaphoreSignalThreadArgs;

/// `semaphore_signal`: one thread goes on, or the next one to wait will not wait.
pub fn signal<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>, signal: u32) -> SysResult<i32> {
    serve(cx.lkm(), Trap::SemaphoreSignalTrap, SemaphoreSignalArgs { signal })
}

/// `semaphore_signal_all`: all that wait go on.
pub fn signal_all<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>, signal: u32) -> SysResult<i32> {
    serve(cx.lkm(), Trap::SemaphoreSignalAllTrap, SemaphoreSignalAllArgs { signal })
}

/// `semaphore_signal_thread`: this thread goes on if it waits, or, for 0, whichever does.
pub fn signal_thread<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    signal: u32,
    thread: u32,
) -> SysResult<i32> {
    serve(cx.lkm(), Trap::SemaphoreSignalThreadTrap, SemaphoreSignalThreadArgs { signal, thread })
}

/// `semaphore_wait`.
pub fn wait<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>, wait: u32) -> SysResult<i32> {
    wait_at(cx, Trap::SemaphoreWaitTrap, SemaphoreWaitArgs { signal: wait })
}

/// `semaphore_wait_signal`: waits at one and signals another in the same step.
pub fn wait_signal<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>, wait: u32, signal: u32) -> SysResult<i32> {
    wait_at(cx, Trap::SemaphoreWaitSignalTrap, SemaphoreWaitSignalArgs { wait, signal })
}

/// `semaphore_timedwait`: waits so long at most.
pub fn timed_wait<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    wait: u32,
    sec: u32,
    nsec: i32,
) -> SysResult<i32> {
    let args = SemaphoreTimedwaitArgs { wait, sec, nsec: nsec as u32 };
    wait_at(cx, Trap::SemaphoreTimedwaitTrap, args)
}

/// `semaphore_timedwait_signal`.
pub fn timed_wait_signal<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    wait: u32,
    signal: u32,
    sec: u32,
    nsec: i32,
) -> SysResult<i32> {
    let args = SemaphoreTimedwaitSignalArgs { wait, signal, sec, nsec: nsec as u32 };
    wait_at(cx, Trap::SemaphoreTimedwaitSignalTrap, args)
}
