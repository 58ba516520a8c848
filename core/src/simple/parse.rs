//! Numbers from text.

/// Reads decimal digits at the front of `text`: `__simple_atoi`.
///
/// Returns the number and how many bytes it took; no digit is `(0, 0)`. Neither spaces nor a sign are skipped. A number
/// over [`u64::MAX`] is taken to its last digit and answers [`u64::MAX`], as `strtoull` does.
pub fn atoi(text: &[u8]) -> (u64, usize) {
    leading_number(text, 10)
}

/// Reads hexadecimal digits of either case, without `0x`: `__simple_atoi16`. Otherwise as [`atoi`].
pub fn atoi16(text: &[u8]) -> (u64, usize) {
    leading_number(text, 16)
}

fn leading_number(text: &[u8], radix: u32) -> (u64, usize) {
    let mut value: u64 = 0;
    let mut len: usize = 0;
    for &byte in text {
        let Some(digit) = (byte as char).to_digit(radix) else { break };
        value = value
            .checked_mul(u64::from(radix))
            .and_then(|shifted| shifted.checked_add(u64::from(digit)))
            .unwrap_or(u64::MAX);
        len = len.wrapping_add(1);
    }
    (value, len)
}
