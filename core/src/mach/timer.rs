//! Clocks and timers (`osfmk/kern/clock.c`, `osfmk/kern/clock_oldops.c`, `osfmk/kern/mk_timer.c`).

use super::{kern, make_lending, name, serve};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::lkm::Lkm;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach::MachTimebaseInfo;
use xnu_abi::linux::{Errno, Timespec};
use xnu_abi::lkm::Trap;
use xnu_abi::lkm::args::{MkTimerArmArgs, MkTimerCancelArgs, MkTimerDestroyArgs};
use xnu_abi::lkm::own_args::ClockSleepArgs;

const SECOND_NS: u64 = 1_000_000_000;

/// `mach_absolute_time` where the kernel is asked for it: nanoseconds since the start that do not count sleep
/// (`osfmk/arm64/sleh.c`, `handle_mach_absolute_time_trap`).
pub fn absolute_time<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<u64> {
    now(cx.kernel(), linux::time::CLOCK_MONOTONIC)
}

/// `mach_continuous_time` where the kernel is asked for it: nanoseconds since the start, sleep counted
/// (`osfmk/arm64/sleh.c`, `handle_mach_continuous_time_trap`).
pub fn continuous_time<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<u64> {
    now(cx.kernel(), linux::time::CLOCK_BOOTTIME)
}

fn now<K: Kernel>(kernel: &K, clock: i32) -> SysResult<u64> {
    let now = linux::time::clock_gettime(kernel, clock).to_bsd()?;
    Ok((now.tv_sec as u64).wrapping_mul(SECOND_NS).wrapping_add(now.tv_nsec as u64))
}

/// `mach_timebase_info_trap`: absolute time counts nanoseconds, as on every Intel Mac.
pub fn timebase_info<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    info: UserPtr<MachTimebaseInfo>,
) -> SysResult<i32> {
    // As in XNU the copy's result is dropped (`osfmk/kern/clock.c`).
    let _ = info.write(cx.kernel(), &MachTimebaseInfo { numer: 1, denom: 1 });
    kern(KernReturn::KERN_SUCCESS)
}

/// `mach_wait_until`: waits until an absolute time; `KERN_ABORTED` when interrupted.
pub fn wait_until<K: Kernel, L>(cx: &mut Context<'_, K, L>, deadline: u64) -> SysResult<i32> {
    let until = Timespec { tv_sec: (deadline / SECOND_NS) as i64, tv_nsec: (deadline % SECOND_NS) as i64 };
    kern(match linux::time::sleep_until(cx.kernel(), &until) {
        Ok(()) => KernReturn::KERN_SUCCESS,
        Err(_) => KernReturn::KERN_ABORTED,
    })
}

/// `clock_sleep`: waits at a clock, 0 for the system's, and tells when that ended. Whether that can be written is not
/// looked at.
pub fn clock_sleep<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    clock: u32,
    kind: i32,
    sec: i32,
    nsec: i32,
    wakeup: UserPtr<[i32; 2]>,
) -> SysResult<i32> {
    let mut args = ClockSleepArgs { clock, kind, sec, nsec };
    let answer = match make_lending(cx, Trap::ClockSleepTrap, &mut args) {
        Ok(value) => KernReturn::new(value),
        Err(Errno::ENOSYS) => KernReturn::KERN_FAILURE,
        Err(_) => KernReturn::KERN_ABORTED,
    };
    if answer != KernReturn::KERN_INVALID_ARGUMENT && answer != KernReturn::KERN_FAILURE {
        let _ = wakeup.write(cx.kernel(), &[args.sec, args.nsec]);
    }
    kern(answer)
}

/// `mk_timer_create`: the receive right of a new timer.
pub fn create<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    Ok(name(cx.lkm(), Trap::MkTimerCreateTrap))
}

/// `mk_timer_destroy`.
pub fn destroy<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>, timer: u32) -> SysResult<i32> {
    serve(cx.lkm(), Trap::MkTimerDestroyTrap, MkTimerDestroyArgs { timer_port: timer })
}

/// `mk_timer_arm`: a message at an absolute time, at once if that is past.
pub fn arm<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>, timer: u32, expire_time: u64) -> SysResult<i32> {
    serve(cx.lkm(), Trap::MkTimerArmTrap, MkTimerArmArgs { timer_port: timer, expire_time })
}

/// `mk_timer_arm_leeway`: the same. A leeway is how late the message may be; it never is.
pub fn arm_leeway<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    timer: u32,
    _: u64,
    expire_time: u64,
    _: u64,
) -> SysResult<i32> {
    arm(cx, timer, expire_time)
}

/// `mk_timer_cancel`: tells when the timer would have gone off, or 0.
pub fn cancel<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>, timer: u32, time: UserAddr) -> SysResult<i32> {
    let args = MkTimerCancelArgs { timer_port: timer, result_time: time.get() };
    serve(cx.lkm(), Trap::MkTimerCancelTrap, args)
}
