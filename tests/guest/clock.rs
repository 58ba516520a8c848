//! The commpage's clocks, read as libsystem reads them.
use core::sync::atomic::{Ordering, fence};

pub const BASE: u64 = 0x7fff_ffe0_0000;
const TSC_BASE: u64 = 0x50;
pub const SCALE: u64 = 0x58;
pub const SHIFT: u64 = 0x5c;
const NS_BASE: u64 = 0x60;
pub const GENERATION: u64 = 0x68;
pub const TIMEOFDAY: u64 = 0xd0;

pub fn field<T>(offset: u64) -> T {
    // SAFETY: the offsets above are aligned for their types and inside the page that the kernel maps; the kernel
    // changes it at any time, hence volatile.
    unsafe { ((BASE + offset) as *const T).read_volatile() }
}

/// mach_absolute_time(3) as libsystem computes it, in ns.
pub fn absolute_time_ns() -> u64 {
    for _ in 0..1_000_000 {
        let generation: u32 = field(GENERATION);
        if generation == 0 {
            continue;
        }
        let tsc: u64;
        // SAFETY: rdtsc has no precondition in user mode here.
        unsafe {
            core::arch::asm!("lfence", "rdtsc", "lfence", "shl rdx, 32", "or rax, rdx",
                out("rax") tsc, out("rdx") _, options(nomem, nostack));
        }
        let ticks = tsc.wrapping_sub(field(TSC_BASE)) << (field::<u32>(SHIFT) & 31);
        let scaled = ((u128::from(ticks) * u128::from(field::<u32>(SCALE))) >> 32) as u64;
        let ns = scaled.wrapping_add(field(NS_BASE));
        fence(Ordering::Acquire);
        if field::<u32>(GENERATION) == generation {
            return ns;
        }
    }
    crate::support::wrong(20, format_args!("the time generation never settles"))
}

/// gettimeofday(2) without a call, in us since 1970 (libsyscall/wrappers/__commpage_gettimeofday.c). None where the page
/// has nothing to tell, or something too old.
pub fn day_us() -> Option<u64> {
    let at = |index: u64| field::<u64>(TIMEOFDAY + 8 * index);
    loop {
        let tick = at(0);
        let now = absolute_time_ns();
        let (seconds, fraction, scale, holds) = (at(1), at(2), at(3), at(4));
        fence(Ordering::Acquire);
        if at(0) != tick {
            continue;
        }
        let delta = now.wrapping_sub(tick);
        if tick == 0 || delta >= holds {
            return None;
        }
        let fraction = u128::from(fraction) + u128::from(scale) * u128::from(delta);
        let seconds = seconds + (fraction >> 64) as u64;
        return Some(seconds * 1_000_000 + ((u128::from(fraction as u64) * 1_000_000) >> 64) as u64);
    }
}
