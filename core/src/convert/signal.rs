//! Signal numbers and masks.

use xnu_abi::darwin::signal::Signal;

/// Linux's number for each of Darwin's; 0 is no signal. Darwin's two that Linux lacks get numbers that Linux does not
/// use itself: SIGEMT becomes SIGSTKFLT (both end the process) and SIGINFO becomes SIGPWR.
static TO_LINUX: [u8; 32] = [
    0, 1, 2, 3, 4, 5, 6, 16, 8, 9, 7, 11, 31, 13, 14, 15, 23, 19, 20, 18, 17, 21, 22, 29, 24, 25, 26, 27, 28,
    30, 10, 12,
];

/// Linux's number of a signal, if there is such a signal.
pub fn to_linux(signal: Signal) -> Option<i32> {
    match TO_LINUX.get(usize::try_from(signal.number()).ok()?) {
        Some(0) | None => None,
        Some(number) => Some(i32::from(*number)),
    }
}

/// Darwin's signal for Linux's number. Real-time signals have none.
pub fn to_darwin(number: i32) -> Option<Signal> {
    let found = TO_LINUX.iter().position(|linux| i32::from(*linux) == number && number != 0)?;
    Some(Signal::new(found as i32))
}

/// The bit of a signal in a Darwin mask; 0 for what is no signal.
pub fn bit(signal: Signal) -> u32 {
    match signal.number() {
        number @ 1..=31 => 1 << (number.wrapping_sub(1)),
        _ => 0,
    }
}

/// Linux's mask for Darwin's.
pub fn mask_to_linux(mask: u32) -> u64 {
    let (mut linux, mut left) = (0, mask);
    while left != 0 {
        if let Some(signal) = to_linux(Signal::new(left.trailing_zeros().wrapping_add(1) as i32)) {
            linux |= 1u64 << signal.wrapping_sub(1);
        }
        left &= left.wrapping_sub(1);
    }
    linux
}

/// Darwin's mask for Linux's.
pub fn mask_to_darwin(mask: u64) -> u32 {
    let mut darwin = 0;
    for number in 1..32i32 {
        let signal = Signal::new(number);
        if to_linux(signal).is_some_and(|linux| mask & (1 << linux.wrapping_sub(1)) != 0) {
            darwin |= bit(signal);
        }
    }
    darwin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_comes_back() {
        for number in 1..32 {
            let signal = Signal::new(number);
            assert_eq!(to_linux(signal).and_then(to_darwin), Some(signal));
        }
        assert_eq!(to_darwin(0), None);
        assert_eq!(to_darwin(34), None);
        assert_eq!(to_linux(Signal::new(0)), None);
        assert_eq!(to_linux(Signal::new(32)), None);
        assert_eq!(to_linux(Signal::new(-1)), None);
    }

    #[test]
    fn masks_come_back() {
        for number in 0..31 {
            assert_eq!(mask_to_darwin(mask_to_linux(1 << number)), 1 << number);
        }
        assert_eq!(mask_to_darwin(mask_to_linux(u32::MAX)), u32::MAX >> 1);
    }
}
