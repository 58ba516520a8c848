//! Questions to the processor and to Linux: the counter, CPUID, clocks, affinity, memory.
//!
//! # Safety
//! The only file of the commpage with unsafe code. Every call writes at most into a local of the size that it is
//! given, and nothing here takes a pointer from outside.
#![allow(unsafe_code)]

use std::arch::x86_64::{__cpuid_count, _mm_lfence, _rdtsc};
use std::mem::MaybeUninit;

/// The time stamp counter, neither earlier nor later than its neighbours in the program.
pub(super) fn tsc() -> u64 {
    // SAFETY: both instructions exist on every x86-64; Linux lets user mode read the counter unless this process
    // asked otherwise (prctl PR_SET_TSC).
    unsafe {
        _mm_lfence();
        let tsc = _rdtsc();
        _mm_lfence();
        tsc
    }
}

/// A clock of `man 2 clock_gettime`, in ns; 0 if Linux does not have it.
pub(super) fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec.
    unsafe { libc::clock_gettime(clock, &mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// EAX, EBX, ECX and EDX of a CPUID leaf; zeros beyond the last leaf. A virtual machine pays about 1 µs.
pub(super) fn cpuid(leaf: u32, subleaf: u32) -> [u32; 4] {
    // CPUID and its leaf 1 exist on every x86-64. Beyond the last leaf, Intel answers with some other leaf.
    if leaf > 1 && __cpuid_count(0, 0).eax < leaf {
        return [0; 4];
    }
    let answer = __cpuid_count(leaf, subleaf);
    [answer.eax, answer.ebx, answer.ecx, answer.edx]
}

/// How many processors this process may run on; None if Linux does not say.
pub(super) fn affinity_count() -> Option<u32> {
    // 8192 processors, as many as Linux can be built for.
    let mut mask = [0u64; 128];
    // SAFETY: writes at most the given size.
    let result = unsafe { libc::sched_getaffinity(0, size_of_val(&mask), mask.as_mut_ptr().cast()) };
    let count = mask.iter().map(|word| word.count_ones()).sum();
    (result == 0 && count > 0).then_some(count)
}

/// Memory that Linux manages, in bytes (`man 2 sysinfo`).
pub(super) fn memory_bytes() -> u64 {
    let mut info = MaybeUninit::<libc::sysinfo>::zeroed();
    // SAFETY: writes one `struct sysinfo`, for which all zeros are a value as well.
    let info = unsafe {
        libc::sysinfo(info.as_mut_ptr());
        info.assume_init()
    };
    info.totalram.saturating_mul(u64::from(info.mem_unit))
}
