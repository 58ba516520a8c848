//! The commpage at 0x7fffffe00000: identity, counts, page shifts, and the clock that programs read from it.
//!
//! Offsets: osfmk/i386/cpu_capabilities.h of XNU, commpage version 14.
#![no_std]
#![no_main]
mod clock;
mod support;
use clock::{GENERATION, SCALE, SHIFT, TIMEOFDAY, absolute_time_ns, day_us, field};
use support::{Args, bsd, ensure, nr, println};

support::unixthread!(main);

const CAPABILITIES64: u64 = 0x10;
const VERSION: u64 = 0x1e;
const CAPABILITIES: u64 = 0x20;
const NCPUS: u64 = 0x22;
const CACHE_LINE: u64 = 0x26;
const ACTIVE_CPUS: u64 = 0x34;
const PHYSICAL_CPUS: u64 = 0x35;
const LOGICAL_CPUS: u64 = 0x36;
const MEMORY_SIZE: u64 = 0x38;
const CPU_FAMILY: u64 = 0x40;
const KERNEL_PAGE_SHIFT: u64 = 0x4d;
const USER_PAGE_SHIFT: u64 = 0x4e;

const SECOND_NS: u64 = 1_000_000_000;
/// Long enough to see the clock's rate, short enough for a test.
const WAIT_NS: u64 = 20_000_000;

/// gettimeofday(2): ns since 1970, and its third result, mach_absolute_time.
fn kernel_time_ns() -> (u64, u64) {
    let mut timeval = [0u64; 2];
    let mut absolute = 0u64;
    let result = bsd(nr::GETTIMEOFDAY, [timeval.as_mut_ptr() as u64, 0, &raw mut absolute as u64]);
    ensure!(21, result.is_ok(), "gettimeofday: {result:x?}");
    // tv_usec is 32 bits wide; the padding after it is the kernel's business.
    (timeval[0] * SECOND_NS + (timeval[1] & 0xffff_ffff) * 1000, absolute)
}

fn main(_: &Args) -> i32 {
    let signature: [u8; 16] = field(0);
    let name = signature.split(|&b| b == 0).next().unwrap_or_default();
    println!("signature {}", core::str::from_utf8(name).unwrap_or("?"));
    ensure!(1, name == b"commpage 64-bit", "signature {signature:x?}");
    let version: u16 = field(VERSION);
    println!("version {version}");
    ensure!(2, version >= 14, "version {version} has no page shifts");

    let (wide, narrow): (u64, u32) = (field(CAPABILITIES64), field(CAPABILITIES));
    println!("capabilities {wide:#x} {narrow:#x}");
    ensure!(3, wide != 0, "no processor capabilities");
    // ncpus lies inside the 32-bit capabilities of old, in their third byte.
    let ncpus: u8 = field(NCPUS);
    let (active, physical, logical): (u8, u8, u8) =
        (field(ACTIVE_CPUS), field(PHYSICAL_CPUS), field(LOGICAL_CPUS));
    println!("ncpus {ncpus} active {active} physical {physical} logical {logical}");
    ensure!(4, ncpus > 0 && active > 0 && physical > 0 && logical >= physical, "counts of processors");

    let memory: u64 = field(MEMORY_SIZE);
    let line: u16 = field(CACHE_LINE);
    println!("memory {memory} cache line {line} family {:#x}", field::<u32>(CPU_FAMILY));
    ensure!(5, memory >= 1 << 20 && memory.is_multiple_of(4096), "memory size {memory}");
    ensure!(6, line.is_power_of_two() && line >= 16, "cache line {line}");
    let (kernel, user): (u8, u8) = (field(KERNEL_PAGE_SHIFT), field(USER_PAGE_SHIFT));
    println!("page shifts {kernel} {user}");
    ensure!(7, kernel == 12 && user == 12, "page shifts {kernel} {user}");

    let (generation, scale, shift): (u32, u32, u32) = (field(GENERATION), field(SCALE), field(SHIFT));
    println!("time generation {generation} scale {scale:#x} shift {shift}");
    ensure!(8, generation != 0, "time generation 0 makes readers spin for ever");
    ensure!(9, scale != 0, "time scale 0 stops the clock");
    println!("timeofday tick {:#x}", field::<u64>(TIMEOFDAY));

    let first = absolute_time_ns();
    let (day, absolute) = kernel_time_ns();
    let mut elapsed = 0;
    while elapsed < WAIT_NS {
        elapsed = kernel_time_ns().0.saturating_sub(day);
    }
    let moved = absolute_time_ns().wrapping_sub(first);
    // The processor may be taken away between any two readings: the outer interval is the longer one.
    println!("clock moves {}", moved > 0);
    ensure!(10, moved > 0 && moved < u64::MAX / 2, "mach_absolute_time went from {first} by {moved}");
    let near = elapsed - 1_000_000 <= moved && moved <= elapsed + SECOND_NS;
    println!("clock near gettimeofday {near}");
    ensure!(11, near, "mach_absolute_time moved {moved} ns, gettimeofday {elapsed} ns");
    let apart = absolute.abs_diff(first);
    ensure!(
        12,
        apart < SECOND_NS,
        "gettimeofday's mach_absolute_time is {apart} ns away from the commpage's"
    );
    calendar();
    0
}

/// The calendar that the page tells without a call: there after a gettimeofday, between two of them, and gone when it is
/// old.
fn calendar() {
    const STALE_US: u64 = 1_000_000;
    let mut told = 0;
    let mut last = 0;
    let end = kernel_time_ns().0 / 1000 + WAIT_NS / 1000;
    loop {
        let before = kernel_time_ns().0 / 1000;
        let page = day_us();
        let after = kernel_time_ns().0 / 1000;
        if let Some(page) = page {
            told += 1;
            // Each side cuts to microseconds.
            ensure!(30, before - 1 <= page && page <= after + 1, "{page} us, but between {before} and {after}");
            ensure!(31, page + 1 >= last, "{page} us after {last}");
            last = page;
        }
        if after >= end {
            break;
        }
    }
    ensure!(32, told > 0, "the page never tells the calendar");
    let begin = absolute_time_ns();
    while absolute_time_ns() - begin < STALE_US * 1000 {
        if day_us().is_none() {
            println!("calendar told, and not when it is old");
            return;
        }
    }
    support::wrong(33, format_args!("the page tells the calendar after a second"));
}
