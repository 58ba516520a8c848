//! Times.

use xnu_abi::darwin::time::Timeval;
use xnu_abi::linux::Timespec;

const NS_PER_SECOND: i64 = 1_000_000_000;
const NS_PER_MICROSECOND: i64 = 1000;

/// Microseconds beyond a second are carried over: XNU takes any number of them, Linux does not.
pub fn timeval_to_timespec(from: &Timeval) -> Timespec {
    normal(from.tv_sec, i64::from(from.tv_usec).wrapping_mul(NS_PER_MICROSECOND))
}

/// Nanoseconds, carried over likewise. Seconds that do not fit stop at the last that does.
pub fn normal(seconds: i64, nanoseconds: i64) -> Timespec {
    let carried = seconds.saturating_add(nanoseconds.div_euclid(NS_PER_SECOND));
    Timespec { tv_sec: carried, tv_nsec: nanoseconds.rem_euclid(NS_PER_SECOND) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(tv_sec: i64, tv_usec: i32) -> (i64, i64) {
        let time = timeval_to_timespec(&Timeval { tv_sec, tv_usec, _pad: 0 });
        (time.tv_sec, time.tv_nsec)
    }

    #[test]
    fn microseconds_are_carried_into_seconds() {
        assert_eq!(converted(5, 7), (5, 7000));
        assert_eq!(converted(5, 2_000_001), (7, 1000));
        assert_eq!(converted(5, -1), (4, 999_999_000));
        assert_eq!(converted(i64::MAX, i32::MAX), (i64::MAX, 483_647_000));
        assert_eq!(converted(i64::MIN, -1), (i64::MIN, 999_999_000));
    }
}
