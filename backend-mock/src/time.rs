//! The virtual clock: every call takes a fixed step, sleeping takes what was asked for, nothing else moves it.

use crate::args::Args;
use crate::layout::{field, layout};
use crate::state::{Answer, State};
use linux_raw_sys::general::{SIGALRM, SIGPROF, SIGVTALRM, itimerval, timespec, timeval};
use xnu_abi::linux::{Errno, Sysno};

const NS_PER_SEC: u64 = 1_000_000_000;
/// 2020-01-01T00:00:00Z: what the realtime clock shows when the virtual machine starts.
const BOOT_REALTIME_SEC: u64 = 1_577_836_800;
/// `TIMER_ABSTIME`
const ABSOLUTE: u32 = 1;
/// `CLOCK_REALTIME` and its kin among the clock ids.
const REALTIME_CLOCKS: [i32; 4] = [0, 5, 8, 11];
/// The highest id that names a clock of the system.
const LAST_CLOCK: i32 = 11;

/// Seconds and nanoseconds since the epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Timestamp {
    pub(crate) sec: i64,
    pub(crate) nsec: u32,
}

/// Virtual time.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// Since boot.
    pub(crate) now_ns: u64,
    /// What each call adds.
    pub(crate) step_ns: u64,
    /// `ITIMER_REAL`, `ITIMER_VIRTUAL` and `ITIMER_PROF`.
    timers: [Timer; 3],
}

/// An interval timer. All time is taken to be the process's own, so the three run alike.
#[derive(Clone, Copy, Debug, Default)]
struct Timer {
    interval_ns: u64,
    /// When it strikes next; `None` when it does not run.
    due_ns: Option<u64>,
}

/// What the timers send.
const TIMER_SIGNALS: [u32; 3] = [SIGALRM, SIGVTALRM, SIGPROF];

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock { now_ns: NS_PER_SEC, step_ns: 1_000, timers: [Timer::default(); 3] }
    }

    /// The realtime clock.
    pub(crate) fn now(&self) -> Timestamp {
        let sec = (BOOT_REALTIME_SEC + self.now_ns / NS_PER_SEC) as i64;
        Timestamp { sec, nsec: (self.now_ns % NS_PER_SEC) as u32 }
    }

    pub(crate) fn advance(&mut self, ns: u64) {
        self.now_ns = self.now_ns.saturating_add(ns);
    }

    fn read_ns(&self, id: i32) -> u64 {
        if REALTIME_CLOCKS.contains(&id) {
            (BOOT_REALTIME_SEC * NS_PER_SEC).saturating_add(self.now_ns)
        } else {
            self.now_ns
        }
    }
}

fn timespec_bytes(ns: u64) -> Vec<u8> {
    layout!(timespec { tv_sec = ns / NS_PER_SEC, tv_nsec = ns % NS_PER_SEC })
}

/// A `struct timespec` as nanoseconds; `EINVAL` when it is negative or not normalised.
pub(crate) fn timespec_ns(bytes: &[u8]) -> Result<u64, Errno> {
    let (sec, nsec) = (field!(bytes, timespec, tv_sec), field!(bytes, timespec, tv_nsec));
    if sec > i64::MAX as u64 || nsec >= NS_PER_SEC {
        return Err(Errno::EINVAL);
    }
    Ok(sec.saturating_mul(NS_PER_SEC).saturating_add(nsec))
}

/// Whether an id names a clock: a system clock, or a CPU clock of a process or thread (negative ids).
fn check_clock(id: i32) -> Result<(), Errno> {
    let is_system = (0..=LAST_CLOCK).contains(&id) && id != 10;
    let is_cpu = id < 0 && id & 3 != 3;
    if is_system || is_cpu { Ok(()) } else { Err(Errno::EINVAL) }
}

fn which_timer(which: i32) -> Result<usize, Errno> {
    usize::try_from(which).ok().filter(|&which| which < TIMER_SIGNALS.len()).ok_or(Errno::EINVAL)
}

impl State {
    /// Reads a timeout argument; null is none.
    pub(crate) fn timeout_ns(&self, a: &Args<'_, '_>, i: usize) -> Result<Option<u64>, Errno> {
        if a.is_null(i) {
            return Ok(None);
        }
        timespec_ns(&a.read(&self.memory, i, size_of::<timespec>())?).map(Some)
    }

    pub(crate) fn clock_gettime(&mut self, a: &mut Args<'_, '_>) -> Answer {
        check_clock(a.int(0))?;
        let bytes = timespec_bytes(self.clock.read_ns(a.int(0)));
        a.write(&mut self.memory, 1, &bytes)?;
        Ok(0)
    }

    /// The wall clock is not kept apart from the other: who may set it is checked, and it stays as it is.
    pub(crate) fn clock_settime(&mut self, a: &mut Args<'_, '_>) -> Answer {
        if a.int(0) != 0 {
            return Err(Errno::EINVAL);
        }
        timespec_ns(&a.read(&self.memory, 1, size_of::<timespec>())?)?;
        if self.capable() { Ok(0) } else { Err(Errno::EPERM) }
    }

    /// A clock that nobody keeps right, 16 s off at most, as Linux's is after its start. A correction is as good as
    /// done at once.
    pub(crate) fn adjtimex(&mut self, a: &mut Args<'_, '_>) -> Answer {
        const TIMEX_BYTES: usize = 208;
        const TIME_ERROR: usize = 5;
        const STA_UNSYNC: u8 = 0x40;
        let mut bytes = a.read(&self.memory, 0, TIMEX_BYTES)?;
        if bytes[..4] != [0; 4] && !self.capable() {
            return Err(Errno::EPERM);
        }
        bytes[8..].fill(0);
        bytes[24..28].copy_from_slice(&16_000_000u32.to_le_bytes());
        bytes[32..36].copy_from_slice(&16_000_000u32.to_le_bytes());
        bytes[40] = STA_UNSYNC;
        bytes[64] = 1;
        a.write(&mut self.memory, 0, &bytes)?;
        Ok(TIME_ERROR)
    }

    pub(crate) fn clock_getres(&mut self, a: &mut Args<'_, '_>) -> Answer {
        check_clock(a.int(0))?;
        // The coarse clocks tick; 250 Hz is the usual choice.
        let ns = if matches!(a.int(0), 5 | 6) { 4_000_000 } else { 1 };
        a.write_unless_null(&mut self.memory, 1, &timespec_bytes(ns))?;
        Ok(0)
    }

    pub(crate) fn gettimeofday(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let now = self.clock.now();
        let bytes = layout!(timeval { tv_sec = now.sec, tv_usec = now.nsec / 1000 });
        a.write_unless_null(&mut self.memory, 0, &bytes)?;
        a.write_unless_null(&mut self.memory, 1, &[0; 8])?;
        Ok(0)
    }

    pub(crate) fn nanosleep(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (clock, flags, request) = match a.nr() {
            Sysno::ClockNanosleep => (a.int(0), a.uint(1), 2),
            _ => (1, 0, 0),
        };
        check_clock(clock)?;
        // A thread cannot wait for its own CPU time, and raw and coarse clocks have no timers.
        if clock == 3 {
            return Err(Errno::EINVAL);
        }
        if matches!(clock, 4..=6) {
            return Err(Errno::EOPNOTSUPP);
        }
        let ns = timespec_ns(&a.read(&self.memory, request, size_of::<timespec>())?)?;
        let ns = if flags & ABSOLUTE != 0 { ns.saturating_sub(self.clock.read_ns(clock)) } else { ns };
        self.clock.advance(ns);
        Ok(0)
    }

    /// Sends the signals of timers that have struck, one for each however late it is.
    pub(crate) fn fire_timers(&mut self) {
        for (which, signal) in TIMER_SIGNALS.into_iter().enumerate() {
            let (now_ns, timer) = (self.clock.now_ns, &mut self.clock.timers[which]);
            let Some(due_ns) = timer.due_ns.filter(|&due_ns| due_ns <= now_ns) else { continue };
            let missed = (now_ns - due_ns).checked_div(timer.interval_ns).map(|missed| missed + 1);
            timer.due_ns = missed.map(|missed| due_ns + missed * timer.interval_ns);
            self.raise(signal);
        }
    }

    fn itimerval_bytes(&self, which: usize) -> Vec<u8> {
        let timer = self.clock.timers[which];
        let (interval_us, left_us) = (
            timer.interval_ns / 1000,
            // A timer that runs never shows 0.
            timer.due_ns.map_or(0, |due_ns| (due_ns.saturating_sub(self.clock.now_ns) / 1000).max(1)),
        );
        layout!(itimerval {
            it_interval.tv_sec = interval_us / 1_000_000,
            it_interval.tv_usec = interval_us % 1_000_000,
            it_value.tv_sec = left_us / 1_000_000,
            it_value.tv_usec = left_us % 1_000_000,
        })
    }

    pub(crate) fn getitimer(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let which = which_timer(a.int(0))?;
        let bytes = self.itimerval_bytes(which);
        a.write(&mut self.memory, 1, &bytes)?;
        Ok(0)
    }

    pub(crate) fn setitimer(&mut self, a: &mut Args<'_, '_>) -> Answer {
        // A null pointer stops the timer, which Linux calls a mistake and serves.
        let size = size_of::<itimerval>();
        let new = if a.is_null(1) { vec![0; size] } else { a.read(&self.memory, 1, size)? };
        let ns = |sec: u64, usec: u64| {
            let fits = sec <= i64::MAX as u64 && usec < 1_000_000;
            fits.then(|| sec.saturating_mul(NS_PER_SEC).saturating_add(usec * 1000)).ok_or(Errno::EINVAL)
        };
        let value_ns = ns(field!(new, itimerval, it_value.tv_sec), field!(new, itimerval, it_value.tv_usec))?;
        let interval_ns =
            ns(field!(new, itimerval, it_interval.tv_sec), field!(new, itimerval, it_interval.tv_usec))?;
        let which = which_timer(a.int(0))?;
        let old = self.itimerval_bytes(which);
        let due_ns = (value_ns != 0).then(|| self.clock.now_ns.saturating_add(value_ns));
        self.clock.timers[which] = Timer { interval_ns, due_ns };
        a.write_unless_null(&mut self.memory, 2, &old)?;
        Ok(0)
    }

    pub(crate) fn times(&mut self, a: &mut Args<'_, '_>) -> Answer {
        // struct tms: four counters of 1/100 s. All CPU time is taken to be user time.
        let ticks = self.clock.now_ns / (NS_PER_SEC / 100);
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&ticks.to_le_bytes());
        a.write_unless_null(&mut self.memory, 0, &bytes)?;
        Ok(ticks as usize)
    }
}
