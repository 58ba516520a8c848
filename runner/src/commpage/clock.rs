//! mach_absolute_time from the time stamp counter: nanoseconds of Linux's CLOCK_MONOTONIC, so that calls which
//! return or take absolute times agree with it.
//!
//! # How good it is
//! No free source of the counter's frequency is exact: CPUID often has none on virtual machines, and Linux steers
//! CLOCK_MONOTONIC by NTP anyway. So the rate comes from two readings of both clocks. Each is good to a few
//! nanoseconds: 100 µs apart they gave the rate to 1e-4 at worst (5e-6 in the median), 1 ms apart to 1e-5. An error
//! of 1e-4 is 0.36 s in an hour, too much for deadlines that Linux waits for: [`Clock::refine`] corrects the clock
//! as time goes by.
//!
//! The counter must be constant and the same on all processors, as Linux requires before it uses it itself (clock
//! source `tsc` or `kvm-clock`). Where it is not, programs that read it see what it does: XNU has no other source.

use super::machine;
use std::num::NonZeroU32;

/// XNU's `SLOW_TSC_THRESHOLD` (`osfmk/i386/tsc.h`): the scale would not fit for counters up to this, in Hz.
const SLOW_HZ: u64 = 1_000_067_800;

pub(super) const NS_PER_SECOND: u64 = 1_000_000_000;

/// What two readings must lie apart for the rate between them to be good to 1e-4.
const BASELINE_NS: u64 = 100_000;

/// How often a reading is tried; the quickest counts. An interrupt between the clocks spoils a try.
const TRIES: usize = 8;

/// Both clocks at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// The time stamp counter.
    pub tsc: u64,
    /// CLOCK_MONOTONIC, in ns.
    pub monotonic_ns: u64,
}

impl Sample {
    /// Reads both clocks, in less than 1 µs where Linux reads the counter without a system call.
    pub fn now() -> Sample {
        let (tsc, monotonic_ns) = reading(libc::CLOCK_MONOTONIC);
        Sample { tsc, monotonic_ns }
    }
}

/// The time stamp counter and one of Linux's clocks at one moment.
pub(super) fn reading(clock: libc::clockid_t) -> (u64, u64) {
    let mut best = (u64::MAX, (0, 0));
    for _ in 0..TRIES {
        let before = machine::tsc();
        let clock_ns = machine::clock_ns(clock);
        let took = machine::tsc().wrapping_sub(before);
        if took < best.0 {
            best = (took, (before.wrapping_add(took / 2), clock_ns));
        }
    }
    best.1
}

/// The time block of the commpage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// The counter at `ns_base`.
    pub tsc_base: u64,
    /// Absolute time at `tsc_base`, in ns.
    pub ns_base: u64,
    /// Nanoseconds per 2^32 shifted ticks.
    pub scale: u32,
    /// Left shift of the ticks before scaling; 0 unless the counter is slow.
    pub shift: u32,
    /// Counts updates; readers wait while the page says 0.
    pub generation: NonZeroU32,
}

impl Clock {
    /// The clock of this machine. `first` is a sample from the start of the runner: all that the runner did since
    /// then is time in which nothing need be waited for. Otherwise spins until 100 µs lie between it and now.
    pub fn calibrate(first: Sample) -> Clock {
        loop {
            let last = Sample::now();
            if let Some(clock) = Clock::between(first, last) {
                return clock;
            }
            std::hint::spin_loop();
        }
    }

    /// The clock that agrees with CLOCK_MONOTONIC at `last` and runs at its rate since `first`; None if they are too
    /// close to tell the rate.
    pub fn between(first: Sample, last: Sample) -> Option<Clock> {
        let elapsed_ns = last.monotonic_ns.checked_sub(first.monotonic_ns)?;
        if elapsed_ns < BASELINE_NS {
            return None;
        }
        let (scale, shift) = rate(elapsed_ns, last.tsc.checked_sub(first.tsc)?)?;
        let (tsc_base, ns_base) = (last.tsc, last.monotonic_ns);
        Some(Clock { tsc_base, ns_base, scale, shift, generation: NonZeroU32::MIN })
    }

    /// Absolute time in ns when the counter shows `tsc`, by the readers' arithmetic
    /// (`libsyscall/wrappers/mach_absolute_time.s`).
    pub fn read(&self, tsc: u64) -> u64 {
        let ticks = tsc.wrapping_sub(self.tsc_base) << (self.shift & 0x1f);
        let ns = (u128::from(ticks) * u128::from(self.scale)) >> 32;
        (ns as u64).wrapping_add(self.ns_base)
    }

    /// This clock corrected at `last`, with the rate since `first`, an earlier sample as old as possible. Never
    /// steps back: a clock that is behind is set, one that is ahead runs slower until as much time again has
    /// passed. None if the samples are too close.
    ///
    /// To be published soon, for readers still follow the old clock.
    pub fn refine(&self, first: Sample, last: Sample) -> Option<Clock> {
        let exact = Clock::between(first, last)?;
        let ns_base = self.read(last.tsc).max(last.monotonic_ns);
        let elapsed_ns = last.monotonic_ns - first.monotonic_ns;
        // Not slower than half: a program that measures intervals must not see time stand still.
        let ahead_ns = (ns_base - last.monotonic_ns).min(elapsed_ns / 2);
        let slowed = u128::from(exact.scale) * u128::from(elapsed_ns - ahead_ns) / u128::from(elapsed_ns);
        let generation = NonZeroU32::new(self.generation.get().wrapping_add(1)).unwrap_or(NonZeroU32::MIN);
        Some(Clock { ns_base, scale: slowed as u32, generation, ..exact })
    }
}

/// Scale and shift for so many ticks in so many ns (`osfmk/i386/rtclock.c`, `rtc_set_timescale`); None if no 31 bits
/// of shift make the counter fast enough.
fn rate(elapsed_ns: u64, ticks: u64) -> Option<(u32, u32)> {
    let slow = |shift: u32| {
        (u128::from(ticks) << shift) * u128::from(NS_PER_SECOND)
            <= u128::from(SLOW_HZ) * u128::from(elapsed_ns)
    };
    let shift = (0..32).find(|&shift| !slow(shift))?;
    let scale = (u128::from(elapsed_ns) << 32) / (u128::from(ticks) << shift);
    Some((u32::try_from(scale).ok().filter(|&scale| scale != 0)?, shift))
}
