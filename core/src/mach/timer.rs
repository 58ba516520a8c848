//! Clocks and timers.

use crate::kernel::Kernel;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserPtr;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach::MachTimebaseInfo;

/// `mach_timebase_info_trap`: absolute time counts nanoseconds, as on every Intel Mac.
pub fn timebase_info<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    info: UserPtr<MachTimebaseInfo>,
) -> SysResult<i32> {
    // As in XNU the copy's result is dropped (`osfmk/kern/clock.c`).
    let _ = info.write(cx.kernel(), &MachTimebaseInfo { numer: 1, denom: 1 });
    Ok(KernReturn::KERN_SUCCESS.number())
}
