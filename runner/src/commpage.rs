//! The page at 0x7fffffe00000 from which programs read what the machine is and what time it is, without a call
//! (`osfmk/i386/commpage/commpage.c`, `osfmk/i386/cpu_capabilities.h`).
//!
//! [`Host`] is what the machine is, [`Clock`] how the time follows from the time stamp counter; [`build`] joins them
//! and has no inputs but these. While the guest runs, [`refresh`] keeps the time. Files: `host`, `clock`, `keeper`;
//! `machine` asks the processor and Linux.
//!
//! # What stays zero, and why
//! * `newtimeofday_data` until the first gettimeofday, which makes the call because of it.
//! * `approx_time`, marked as not supported: XNU refreshes it on each context switch. Readers fall back on
//!   mach_absolute_time.
//! * `kdebug_enable`, `atm_diagnostic_config`, `dtrace_dof_enabled`: off, so nobody makes those calls.
//! * `dyld_flags`, `memory_pressure`: nothing to say. `cpu_to_cluster`: one cluster, number 0.
//! * `asb_target_*`: XNU's bounty targets.

mod clock;
mod host;
mod keeper;
mod machine;
#[cfg(test)]
mod tests;

pub use clock::{Clock, Sample};
pub use host::{Host, Processors};
pub use keeper::{keep, refresh};

use crate::macho::PAGE_SIZE;
use xnu_abi::darwin::commpage::{
    _COMM_PAGE_THIS_VERSION, Commpage, CpuCapabilities, SIGNATURE, kNumCPUsShift,
};
use zerocopy::FromZeros;

/// The page. Its bytes are `zerocopy::IntoBytes::as_bytes`, all 4096 of them.
pub fn build(clock: &Clock, host: &Host) -> Commpage {
    let mut page = Commpage::new_zeroed();
    let capabilities = capabilities(clock, host);
    page.signature = SIGNATURE;
    page.cpu_capabilities64 = capabilities;
    page.version = _COMM_PAGE_THIS_VERSION;
    page.cpu_capabilities = capabilities as u32;
    page.cache_linesize = host.cache_line_bytes;
    page.active_cpus = host.processors.active;
    page.physical_cpus = host.processors.physical;
    page.logical_cpus = host.processors.configured;
    page.cpu_clusters = 1;
    page.memory_size = host.memory_bytes;
    page.cpufamily = host.cpufamily;
    page.kernel_page_shift = PAGE_SIZE.trailing_zeros() as u8;
    page.user_page_shift_64 = PAGE_SIZE.trailing_zeros() as u8;
    page.nt_tsc_base = clock.tsc_base;
    page.nt_scale = clock.scale;
    page.nt_shift = clock.shift;
    page.nt_ns_base = clock.ns_base;
    page.nt_generation = clock.generation.get();
    page.cont_timebase = host.asleep_ns;
    page.boottime_usec = host.boot_time_us;
    page
}

/// The processor's bits, and those that follow from the rest (`commpage_init_cpu_capabilities`).
fn capabilities(clock: &Clock, host: &Host) -> u64 {
    let mut bits = host.capabilities | CpuCapabilities::k64Bit | CpuCapabilities::kFastThreadLocalStorage;
    bits |= match host.cache_line_bytes {
        128 => CpuCapabilities::kCache128,
        64 => CpuCapabilities::kCache64,
        32 => CpuCapabilities::kCache32,
        _ => CpuCapabilities::empty(),
    };
    bits.set(CpuCapabilities::kUP, host.processors.configured == 1);
    bits.set(CpuCapabilities::kSlow, clock.shift != 0);
    bits.bits() | u64::from(host.processors.configured) << kNumCPUsShift
}
