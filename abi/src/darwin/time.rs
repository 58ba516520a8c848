//! Time (`bsd/sys/time.h`, `bsd/sys/_types/_timespec.h`, `man 2 gettimeofday`, `man 2 setitimer`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// Clocks. The kernel does not know them: Libc turns them into `gettimeofday`, `mach_absolute_time` and others.
    numbers ClockId: i32 = "clock-id" {
        SYSTEM_CLOCK = 0,
        CALENDAR_CLOCK = 1,
        CLOCK_REALTIME = 0,
        CLOCK_MONOTONIC = 6,
        CLOCK_MONOTONIC_RAW = 4,
        CLOCK_MONOTONIC_RAW_APPROX = 5,
        CLOCK_UPTIME_RAW = 8,
        CLOCK_UPTIME_RAW_APPROX = 9,
        CLOCK_PROCESS_CPUTIME_ID = 12,
        CLOCK_THREAD_CPUTIME_ID = 16,
    }

    /// The timers of `setitimer`.
    numbers Itimer: i32 = "itimer" {
        ITIMER_REAL = 0,
        ITIMER_VIRTUAL = 1,
        ITIMER_PROF = 2,
    }

    /// In `tv_nsec` of `setattrlist`-based `utimensat`: now, and leave alone.
    constants UTIMENS: i64 = "utimens" {
        UTIME_NOW = -1,
        UTIME_OMIT = -2,
    }
}

layouts! {
    /// Seconds and nanoseconds.
    #[repr(C)]
    #[derive(Default)]
    struct Timespec = "timespec", 16 bytes, align 8 {
        0 tv_sec: i64,
        8 tv_nsec: i64,
    }

    /// Seconds and microseconds.
    #[repr(C)]
    #[derive(Default)]
    struct Timeval = "timeval", 16 bytes, align 8 {
         0 tv_sec: i64,
         8 tv_usec: i32,
        12 _pad: u32,
    }

    /// A timer's period and the time that is left of it.
    #[repr(C)]
    #[derive(Default)]
    struct Itimerval = "itimerval", 32 bytes, align 8 {
         0 it_interval: Timeval,
        16 it_value: Timeval,
    }

    /// The second argument of `gettimeofday`.
    #[repr(C)]
    #[derive(Default)]
    struct Timezone = "timezone", 8 bytes, align 4 {
        0 tz_minuteswest: i32,
        4 tz_dsttime: i32,
    }

    /// What `ntp_adjtime` reads and writes.
    #[repr(C)]
    struct Timex = "timex", 136 bytes, align 8 {
          0 modes: u32,
          4 _pad0: u32,
          8 offset: i64,
         16 freq: i64,
         24 maxerror: i64,
         32 esterror: i64,
         40 status: i32,
         44 _pad1: u32,
         48 constant: i64,
         56 precision: i64,
         64 tolerance: i64,
         72 ppsfreq: i64,
         80 jitter: i64,
         88 shift: i32,
         92 _pad2: u32,
         96 stabil: i64,
        104 jitcnt: i64,
        112 calcnt: i64,
        120 errcnt: i64,
        128 stbcnt: i64,
    }

    /// What `ntp_gettime` writes.
    #[repr(C)]
    struct Ntptimeval = "ntptimeval", 48 bytes, align 8 {
         0 time: Timespec,
        16 maxerror: i64,
        24 esterror: i64,
        32 tai: i64,
        40 time_state: i32,
        44 _pad: u32,
    }
}
