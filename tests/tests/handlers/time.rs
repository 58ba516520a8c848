//! Clocks and timers.

use crate::support::*;

#[test]
fn one_call_tells_the_day_the_zone_and_the_absolute_time() {
    let k = machine();
    let (day, zone, absolute) = (k.alloc_guarded(16), k.alloc_guarded(8), k.alloc_guarded(8));
    k.poke(day, &[0xff; 16]);
    k.poke(zone, &[0xff; 8]);
    xnu!(k, gettimeofday(day, zone, absolute) => 0);
    assert!(number(&k, day, 0, 8) >= 1_577_836_800);
    assert!(number(&k, day, 8, 4) < 1_000_000);
    assert_eq!(number(&k, day, 12, 4), 0, "padding");
    assert_eq!(k.peek(zone, 8), [0; 8]);
    assert!(number(&k, absolute, 0, 8).abs_diff(k.now_ns()) < 10_000);
    xnu!(k, gettimeofday(NULL, NULL, NULL) => 0);
    faults(&k, "gettimeofday", &[0, 0, 0], 0, 16, OUT_OR_NULL);
    faults(&k, "gettimeofday", &[0, 0, 0], 1, 8, OUT_OR_NULL);
    faults(&k, "gettimeofday", &[0, 0, 0], 2, 8, OUT_OR_NULL);
}

/// A `struct itimerval` of microseconds: interval, value.
fn timer(interval_us: u64, value_us: u64) -> Vec<u8> {
    bytes([interval_us / 1_000_000, interval_us % 1_000_000, value_us / 1_000_000, value_us % 1_000_000])
}

#[test]
fn a_timer_counts_down_and_strikes() {
    let k = machine();
    let old = k.alloc_guarded(32);
    xnu!(k, setitimer(ITIMER_REAL, timer(2_000_000, 5_000_000), old) => 0);
    assert_eq!(k.peek(old, 32), [0; 32]);
    k.advance_ns(3_000_000_000);
    xnu!(k, getitimer(ITIMER_REAL, old) => 0);
    assert_eq!((number(&k, old, 0, 8), number(&k, old, 16, 8)), (2, 1));
    assert_eq!(number(&k, old, 8, 8), 0);
    assert!(number(&k, old, 24, 4) > 900_000 && number(&k, old, 28, 4) == 0);
    // A null value changes nothing.
    xnu!(k, setitimer(ITIMER_REAL, NULL, old) => 0);
    xnu!(k, setitimer(ITIMER_REAL, NULL, NULL) => 0);
    k.advance_ns(3_000_000_000);
    xnu!(k, getpid() => 1000);
    assert_eq!(k.signals()[0].number, 14);
    xnu!(k, setitimer(ITIMER_REAL, timer(0, 0), NULL) => 0);
    xnu!(k, getitimer(ITIMER_REAL, old) => 0);
    assert_eq!(k.peek(old, 32), [0; 32]);
    xnu!(k, setitimer(ITIMER_VIRTUAL, timer(0, 1), NULL) => 0);
    xnu!(k, setitimer(ITIMER_PROF, timer(0, 1), NULL) => 0);
    xnu!(k, getpid() => 1000);
    let sent: Vec<i32> = k.signals().iter().map(|signal| signal.number).collect();
    assert_eq!(sent, [14, 26, 27]);
}

#[test]
fn times_out_of_bounds_are_einval() {
    let k = machine();
    let out_of_bounds = [
        [0, 1_000_000, 0, 0],
        [0, 0, 0, 1_000_000],
        [0, 0, 100_000_001, 0],
        [100_000_001, 0, 0, 0],
        [u64::MAX, 0, 0, 0],
        [0, 0, i64::MIN as u64, 0],
        [0, 0, i64::MAX as u64, 0],
        [0, 0, 0, u64::from(u32::MAX)],
        [0, i32::MIN as u32 as u64, 1, 0],
    ];
    let old = k.alloc(32);
    for value in out_of_bounds {
        k.poke(old, &[9; 32]);
        xnu!(k, setitimer(ITIMER_REAL, bytes(value), old) => EINVAL);
        assert_eq!(k.peek(old, 32), [0; 32], "the old value is written first");
    }
    xnu!(k, setitimer(ITIMER_REAL, bytes([100_000_000, 999_999, 100_000_000, 999_999]), NULL) => 0);
    // The upper half of the word with the microseconds is padding.
    xnu!(k, setitimer(ITIMER_REAL, bytes([0, 0xdead_0000_0000, 1, 0xdead_0000_0000]), NULL) => 0);
    for which in [3, -1, i32::MAX, i32::MIN] {
        xnu!(k, setitimer(which, NULL, NULL) => EINVAL);
        xnu!(k, getitimer(which, NULL) => EINVAL);
    }
    xnu!(k, getitimer(dirty(0), old) => 0);
}

#[test]
fn timers_that_cannot_be_copied_are_efault_and_not_set() {
    let k = machine();
    let good = k.place(&timer(0, 5_000_000)).get();
    faults(&k, "getitimer", &[0, 0], 1, 32, OUT);
    faults(&k, "setitimer", &[0, 0, 0], 1, 32, IN_OR_NULL);
    faults(&k, "setitimer", &[0, good, 0], 2, 32, OUT_OR_NULL);
    let now = k.alloc(32);
    xnu!(k, getitimer(ITIMER_REAL, now) => 0);
    assert_eq!(k.peek(now, 32), [0; 32]);
}

#[test]
fn the_clock_is_the_superusers_to_set() {
    let k = machine();
    let (time, old) = (k.place(&bytes([5, 0])), k.alloc_guarded(16));
    xnu!(k, settimeofday(NULL, NULL) => EPERM);
    xnu!(k, adjtime(time, old) => EPERM);
    k.set_credentials(xnu_backend_mock::Credentials::root());
    xnu!(k, settimeofday(time, k.place(&[0; 8])) => 0);
    xnu!(k, settimeofday(NULL, NULL) => 0);
    for bad in [[u64::MAX, 0], [0, 0xffff_ffff]] {
        xnu!(k, settimeofday(bytes(bad), NULL) => EPERM);
    }
    xnu!(k, adjtime(time, old) => 0);
    xnu!(k, adjtime(time, NULL) => 0);
    xnu!(k, adjtime(NULL, NULL) => EFAULT);
    faults(&k, "settimeofday", &[0, 0], 0, 16, Pointer { nullable: true, ..IN });
    faults(&k, "settimeofday", &[0, 0], 1, 8, Pointer { nullable: true, ..IN });
    faults(&k, "adjtime", &[time.get(), 0], 1, 16, Pointer { nullable: true, ..OUT });
}

#[test]
fn a_clock_that_nobody_keeps_right_says_so() {
    const EIO: xnu_abi::darwin::Errno = xnu_abi::darwin::Errno::EIO;
    let k = machine();
    let (state, time) = (k.place(&[0; 136]), k.alloc_guarded(48));
    xnu!(k, ntp_adjtime(state) => 5);
    assert_eq!((number(&k, state, 24, 8), number(&k, state, 40, 4)), (16_000_000, 0x40));
    // The state is told in place of an error, after the time.
    xnu!(k, ntp_gettime(time) => EIO);
    assert_eq!((number(&k, time, 0, 8), number(&k, time, 40, 4)), (1_577_836_801, 5));
    k.poke(state, &[1]);
    xnu!(k, ntp_adjtime(state) => EPERM);
    k.poke(state, &[0]);
    faults(&k, "ntp_adjtime", &[0], 0, 136, IN);
    faults(&k, "ntp_gettime", &[0], 0, 48, OUT);
}

#[test]
fn a_chip_beside_the_processor_has_no_time() {
    let k = machine();
    xnu!(k, __mach_bridge_remote_time(1) => 0);
    assert!(matches!(
        k.by_name("__mach_bridge_remote_time", &[0]),
        xnu_core::Reply::Value(1_000_000_000.., 0)
    ));
}
