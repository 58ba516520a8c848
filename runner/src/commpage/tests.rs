//! The page as its readers see it, and the clock against Linux's.

use super::host::{family, newest_family};
use super::*;
use std::num::NonZeroU32;
use std::time::Duration;
use xnu_abi::darwin::commpage::_COMM_PAGE64_AREA_LENGTH;
use zerocopy::IntoBytes;

const MS: u64 = 1_000_000;

fn host() -> Host {
    Host {
        processors: Processors { configured: 8, active: 3, physical: 4 },
        memory_bytes: 0x1_2345_6000,
        cache_line_bytes: 64,
        capabilities: CpuCapabilities::kHasSSE2 | CpuCapabilities::kHasAVX512F,
        cpufamily: family::HASWELL,
        boot_time_us: 1_700_000_000_000_001,
        asleep_ns: 77,
    }
}

/// A counter of `hz` which ran for 1 s and shows `hz` at 5 s.
fn clock_of(hz: u64) -> Clock {
    let first = Sample { tsc: 0, monotonic_ns: 4_000 * MS };
    Clock::between(first, Sample { tsc: hz, monotonic_ns: 5_000 * MS }).expect("a second tells the rate")
}

fn number(page: &Commpage, offset: usize, bytes: usize) -> u64 {
    let field = &page.as_bytes()[offset..offset + bytes];
    field.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

#[test]
fn fields_are_where_programs_read_them() {
    let page = build(&clock_of(2_000_000_000), &host());
    assert_eq!(page.as_bytes().len() as u64, _COMM_PAGE64_AREA_LENGTH);
    assert_eq!(&page.as_bytes()[..16], b"commpage 64-bit\0");
    let capabilities = 0x40_0008_02a4;
    for (offset, bytes, value) in [
        (0x10, 8, capabilities),
        (0x1e, 2, 14),
        (0x20, 4, capabilities & 0xffff_ffff),
        (0x22, 1, 8),
        (0x24, 2, 0),
        (0x26, 2, 64),
        (0x34, 1, 3),
        (0x35, 1, 4),
        (0x36, 1, 8),
        (0x37, 1, 1),
        (0x38, 8, 0x1_2345_6000),
        (0x40, 4, 0x10b2_82dc),
        (0x44, 4, 0),
        (0x4c, 1, 0),
        (0x4d, 1, 12),
        (0x4e, 1, 12),
        (0x50, 8, 2_000_000_000),
        (0x58, 4, 0x8000_0000),
        (0x5c, 4, 0),
        (0x60, 8, 5_000 * MS),
        (0x68, 4, 1),
        (0x88, 1, 0),
        (0xc0, 8, 77),
        (0xc8, 8, 1_700_000_000_000_001),
        (0xd0, 8, 0),
        (0x100, 8, 0),
    ] {
        assert_eq!(number(&page, offset, bytes), value, "offset {offset:#x}");
    }
}

#[test]
fn capabilities_follow_counts_line_and_clock() {
    let mut host = host();
    host.processors = Processors { configured: 1, active: 1, physical: 1 };
    host.cache_line_bytes = 128;
    let bits = build(&clock_of(2_000_000_000), &host).cpu_capabilities64;
    let flags = CpuCapabilities::from_bits_retain(bits);
    assert!(flags.contains(CpuCapabilities::kUP | CpuCapabilities::kCache128 | CpuCapabilities::k64Bit));
    assert!(!flags.intersects(CpuCapabilities::kCache64 | CpuCapabilities::kSlow));
    assert!(!flags.contains(CpuCapabilities::kIsTranslated));
    assert_eq!(bits >> kNumCPUsShift & 0xff, 1);
    let slow = build(&clock_of(24_000_000), &host).cpu_capabilities64;
    assert!(CpuCapabilities::from_bits_retain(slow).contains(CpuCapabilities::kSlow));
}

#[test]
fn this_machine_is_described() {
    let host = Host::detect();
    let Processors { configured, active, physical } = host.processors;
    assert!(active >= 1 && configured >= active && (1..=configured).contains(&physical), "{host:?}");
    assert!(host.memory_bytes >= 1 << 20 && host.memory_bytes.is_multiple_of(PAGE_SIZE), "{host:?}");
    assert!(host.cache_line_bytes.is_power_of_two() && host.cache_line_bytes >= 16, "{host:?}");
    assert!(host.capabilities.contains(CpuCapabilities::kHasSSE2), "{host:?}");
    let now_us = machine::clock_ns(libc::CLOCK_REALTIME) / 1000;
    let up_us = machine::clock_ns(libc::CLOCK_BOOTTIME) / 1000;
    assert!((host.boot_time_us + up_us).abs_diff(now_us) < 1_000_000, "{host:?}");
}

#[test]
fn family_ends_before_the_first_missing_step() {
    let upto = |steps: usize| newest_family(std::array::from_fn(|step| step < steps));
    assert_eq!(upto(0), family::UNKNOWN);
    assert_eq!(upto(1), family::PENRYN);
    assert_eq!(upto(6), family::HASWELL);
    assert_eq!(upto(7), family::BROADWELL);
    // Newer instructions do not make up for older ones.
    assert_eq!(newest_family([true, true, true, false, true, true, true]), family::WESTMERE);
}

#[test]
fn clock_agrees_with_linux() {
    let clock = Clock::calibrate(Sample::now());
    let read = || {
        let sample = Sample::now();
        (clock.read(sample.tsc), sample.monotonic_ns)
    };
    let (first, first_linux) = read();
    assert!(first.abs_diff(first_linux) < MS, "{first} is not {first_linux}");
    std::thread::sleep(Duration::from_millis(50));
    let (last, last_linux) = read();
    assert!(last > first, "went back from {first} to {last}");
    let (elapsed, elapsed_linux) = (last - first, last_linux - first_linux);
    assert!(elapsed.abs_diff(elapsed_linux) < elapsed_linux / 100, "{elapsed} is not {elapsed_linux}");
}

#[test]
fn clock_never_goes_back() {
    let clock = Clock::calibrate(Sample::now());
    let mut before = 0;
    for _ in 0..100_000 {
        let now = clock.read(machine::tsc());
        assert!(now >= before, "from {before} to {now}");
        before = now;
    }
}

#[test]
fn rates_have_xnu_shifts() {
    // SLOW_TSC_THRESHOLD is 1000067800 Hz: at it and below, ticks are doubled until they are faster.
    for (hz, shift) in [(4_000_000_000, 0), (1_000_067_801, 0), (1_000_067_800, 1), (24_000_000, 6)] {
        let clock = clock_of(hz);
        assert_eq!(clock.shift, shift, "{hz} Hz");
        let later = clock.read(hz * 11) - clock.ns_base;
        assert!(later.abs_diff(10_000 * MS) < 100, "10 s of {hz} Hz are {later} ns");
    }
}

#[test]
fn impossible_samples_give_no_clock() {
    let at = |tsc, monotonic_ns| Sample { tsc, monotonic_ns };
    assert_eq!(Clock::between(at(0, 0), at(1000, 99_999)), None, "too close");
    assert_eq!(Clock::between(at(0, MS), at(1000, 0)), None, "Linux's clock went back");
    assert_eq!(Clock::between(at(9, 0), at(0, MS)), None, "the counter went back");
    assert_eq!(Clock::between(at(9, 0), at(9, MS)), None, "the counter stands still");
}

#[test]
fn refining_sets_a_clock_that_is_behind() {
    let clock = clock_of(2_000_000_000);
    let first = Sample { tsc: clock.tsc_base, monotonic_ns: clock.ns_base };
    // The counter turns out to run at 1.9 GHz: the clock shows 0.95 s for a second.
    let last = Sample { tsc: first.tsc + 1_900_000_000, monotonic_ns: first.monotonic_ns + 1_000 * MS };
    let better = clock.refine(first, last).expect("a second tells the rate");
    assert_eq!(better.read(last.tsc), last.monotonic_ns);
    let later = better.read(last.tsc + 1_900_000_000) - last.monotonic_ns;
    assert!(later.abs_diff(1_000 * MS) < 10, "{later}");
    assert_eq!(better.generation.get(), 2);
}

#[test]
fn refining_slows_a_clock_that_is_ahead() {
    let clock = clock_of(2_000_000_000);
    let first = Sample { tsc: clock.tsc_base, monotonic_ns: clock.ns_base };
    // The counter turns out to run at 2.1 GHz: the clock shows 1.05 s for a second.
    let last = Sample { tsc: first.tsc + 2_100_000_000, monotonic_ns: first.monotonic_ns + 1_000 * MS };
    let slower = clock.refine(first, last).expect("a second tells the rate");
    assert_eq!(slower.read(last.tsc), clock.read(last.tsc), "no step");
    // After another second it has met CLOCK_MONOTONIC.
    let met = slower.read(last.tsc + 2_100_000_000) - first.monotonic_ns;
    assert!(met.abs_diff(2_000 * MS) < 10, "{met}");
    // However far ahead, it does not stop.
    let far = Clock { ns_base: clock.ns_base + 60_000 * MS, ..clock };
    let slowest = far.refine(first, last).expect("a second tells the rate");
    assert_eq!(slowest.read(last.tsc), far.read(last.tsc));
    let moved = slowest.read(last.tsc + 2_100_000_000) - slowest.ns_base;
    assert!(moved.abs_diff(500 * MS) < 10, "{moved}");
}

#[test]
fn generations_skip_zero() {
    let clock = Clock { generation: NonZeroU32::MAX, ..clock_of(2_000_000_000) };
    let first = Sample { tsc: 0, monotonic_ns: 0 };
    let next = clock.refine(first, Sample { tsc: 2_000_000_000, monotonic_ns: 1_000 * MS });
    assert_eq!(next.map(|clock| clock.generation), Some(NonZeroU32::MIN));
}
