//! The machine as the commpage describes it.

use super::machine;
use xnu_abi::darwin::commpage::CpuCapabilities;

/// Counts of processors, each from 1 to 255, which is all that the page has room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Processors {
    /// Logical processors (hw.logicalcpu_max).
    pub configured: u8,
    /// Logical processors that run (hw.activecpu).
    pub active: u8,
    /// Cores (hw.physicalcpu_max).
    pub physical: u8,
}

/// What the page says beside the time. Plain data, so that tests can make up machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Host {
    /// How many processors.
    pub processors: Processors,
    /// Memory in bytes (hw.memsize).
    pub memory_bytes: u64,
    /// Bytes of a cache line.
    pub cache_line_bytes: u16,
    /// The instructions that programs may use. What follows from other fields is added by `build`.
    pub capabilities: CpuCapabilities,
    /// The processor's family (hw.cpufamily), 0 if unknown.
    pub cpufamily: u32,
    /// When the machine was started, in µs since 1970.
    pub boot_time_us: u64,
    /// Time spent in suspend since then, in ns: mach_continuous_time less mach_absolute_time.
    pub asleep_ns: u64,
}

impl Host {
    /// The machine that this runs on. On a virtual machine most of the time goes to CPUID (1 µs a leaf).
    pub fn detect() -> Host {
        let monotonic_ns = machine::clock_ns(libc::CLOCK_MONOTONIC);
        let boottime_ns = machine::clock_ns(libc::CLOCK_BOOTTIME);
        let realtime_ns = machine::clock_ns(libc::CLOCK_REALTIME);
        // CLFLUSH's line size, in units of 8 bytes; every x86-64 has it.
        let line = machine::cpuid(1, 0)[1] >> 8 & 0xff;
        Host {
            processors: Processors::detect(),
            memory_bytes: machine::memory_bytes(),
            cache_line_bytes: (line * 8) as u16,
            capabilities: capabilities(),
            cpufamily: cpufamily(),
            boot_time_us: realtime_ns.saturating_sub(boottime_ns) / 1000,
            asleep_ns: asleep(boottime_ns.saturating_sub(monotonic_ns)),
        }
    }
}

/// The two clocks are read one after the other: less than this apart means that there was no suspend.
const SUSPEND_MIN_NS: u64 = 1_000_000;

fn asleep(ns: u64) -> u64 {
    if ns < SUSPEND_MIN_NS { 0 } else { ns }
}

impl Processors {
    /// The guest's machine has those processors that this process may use: programs size their thread pools by it.
    fn detect() -> Processors {
        let usable = machine::affinity_count().unwrap_or(1);
        // Logical processors of one core, from the first level of the topology if that is the level of threads.
        // Processors without the leaf (AMD before 2017) look as if each thread were a core.
        let [_, threads, level, _] = machine::cpuid(0xb, 0);
        let threads = if level >> 8 & 0xff == 1 { (threads & 0xffff).max(1) } else { 1 };
        let byte = |count: u32| count.clamp(1, 0xff) as u8;
        Processors { configured: byte(usable), active: byte(usable), physical: byte(usable / threads) }
    }
}

/// What the processor has and Linux has enabled (`commpage_init_cpu_capabilities`).
///
/// Differs from XNU: no HLE, which microcode updates have taken from all processors that had it.
fn capabilities() -> CpuCapabilities {
    use CpuCapabilities as Cap;
    use std::arch::is_x86_feature_detected as has;
    let mut bits = Cap::kHasMMX | Cap::kHasSSE | Cap::kHasSSE2;
    // XNU counts up one scale: each level says that all below it are there.
    let vectors = [
        (Cap::kHasSSE3, has!("sse3")),
        (Cap::kHasSupplementalSSE3, has!("ssse3")),
        (Cap::kHasSSE4_1, has!("sse4.1")),
        (Cap::kHasSSE4_2, has!("sse4.2")),
        (Cap::kHasAVX1_0, has!("avx")),
    ];
    vectors.iter().take_while(|(_, present)| *present).for_each(|(bit, _)| bits |= *bit);
    let single = [
        (Cap::kHasAES, has!("aes")),
        (Cap::kHasF16C, has!("f16c")),
        (Cap::kHasRDRAND, has!("rdrand")),
        (Cap::kHasFMA, has!("fma")),
        (Cap::kHasBMI1, has!("bmi1")),
        (Cap::kHasBMI2, has!("bmi2")),
        (Cap::kHasRTM, has!("rtm")),
        (Cap::kHasAVX2_0, has!("avx2")),
        (Cap::kHasRDSEED, has!("rdseed")),
        (Cap::kHasADX, has!("adx")),
        (Cap::kHasENFSTRG, has!("ermsb")),
    ];
    single.iter().for_each(|(bit, present)| bits.set(*bit, *present));
    if has!("avx512f") {
        let wide = [
            (Cap::kHasAVX512F, true),
            (Cap::kHasAVX512CD, has!("avx512cd")),
            (Cap::kHasAVX512DQ, has!("avx512dq")),
            (Cap::kHasAVX512BW, has!("avx512bw")),
            (Cap::kHasAVX512VL, has!("avx512vl")),
            (Cap::kHasAVX512IFMA, has!("avx512ifma")),
            (Cap::kHasAVX512VBMI, has!("avx512vbmi")),
            (Cap::kHasVAES, has!("vaes")),
            (Cap::kHasVPCLMULQDQ, has!("vpclmulqdq")),
            (Cap::kHasAVX512VNNI, has!("avx512vnni")),
            (Cap::kHasAVX512BITALG, has!("avx512bitalg")),
            (Cap::kHasAVX512VPOPCNTDQ, has!("avx512vpopcntdq")),
        ];
        wide.iter().for_each(|(bit, present)| bits.set(*bit, *present));
    }
    bits
}

/// `CPUFAMILY_INTEL_*` of `osfmk/mach/machine.h`, as far as [`cpufamily`] tells them apart.
pub(super) mod family {
    pub(in super::super) const UNKNOWN: u32 = 0;
    pub(in super::super) const PENRYN: u32 = 0x78ea_4fbc;
    pub(in super::super) const NEHALEM: u32 = 0x6b5a_4cd2;
    pub(in super::super) const WESTMERE: u32 = 0x573b_5eec;
    pub(in super::super) const SANDYBRIDGE: u32 = 0x5490_b78c;
    pub(in super::super) const IVYBRIDGE: u32 = 0x1f65_e835;
    pub(in super::super) const HASWELL: u32 = 0x10b2_82dc;
    pub(in super::super) const BROADWELL: u32 = 0x582e_d09c;
}

/// The newest family whose instructions the processor has, each family having those before it.
///
/// Differs from XNU, which knows its machines' model numbers and does not boot elsewhere. Programs choose code by the
/// family, so one that promises too much would crash them. The ladder ends at Broadwell: what came later (MPX, SGX,
/// AVX-512) is often missing on newer processors and on other makers'.
fn cpufamily() -> u32 {
    use std::arch::is_x86_feature_detected as has;
    let haswell = has!("avx2") && has!("bmi1") && has!("bmi2") && has!("fma") && has!("lzcnt");
    newest_family([
        has!("ssse3") && has!("sse4.1") && has!("cmpxchg16b"),
        has!("sse4.2") && has!("popcnt"),
        has!("aes") && has!("pclmulqdq"),
        has!("avx") && has!("xsave"),
        has!("f16c") && has!("rdrand") && has!("ermsb"),
        haswell && has!("movbe"),
        has!("adx") && has!("rdseed"),
    ])
}

/// The family before the first step that is missing.
pub(super) fn newest_family(steps: [bool; 7]) -> u32 {
    let families = [
        family::PENRYN,
        family::NEHALEM,
        family::WESTMERE,
        family::SANDYBRIDGE,
        family::IVYBRIDGE,
        family::HASWELL,
        family::BROADWELL,
    ];
    let present = families.into_iter().zip(steps).take_while(|(_, present)| *present);
    present.last().map_or(family::UNKNOWN, |(family, _)| family)
}
