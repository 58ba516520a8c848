//! Numbers as text, both ways.

/// A number that is all digits; `None` for anything else, and for what does not fit.
pub fn decimal(text: &[u8]) -> Option<u64> {
    number(text, 10)
}

/// The same with a sign.
pub(super) fn signed(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => 0i64.checked_sub_unsigned(decimal(digits)?),
        None => i64::try_from(decimal(text)?).ok(),
    }
}

/// A number in some base, all digits.
pub(super) fn number(text: &[u8], base: u32) -> Option<u64> {
    let mut value: u64 = 0;
    for byte in text {
        let digit = char::from(*byte).to_digit(base)?;
        value = value.checked_mul(base.into())?.checked_add(digit.into())?;
    }
    if text.is_empty() { None } else { Some(value) }
}

const LENGTH: usize = 56;

/// A short path under construction. What does not fit is left out.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    bytes: [u8; LENGTH],
    length: usize,
}

impl Name {
    /// Begins one.
    pub fn new(start: &[u8]) -> Name {
        Name { bytes: [0; LENGTH], length: 0 }.text(start)
    }

    /// Goes on with text.
    pub fn text(mut self, text: &[u8]) -> Name {
        for byte in text {
            // The last byte stays a NUL.
            if self.length < LENGTH.wrapping_sub(1)
                && let Some(place) = self.bytes.get_mut(self.length)
            {
                *place = *byte;
                self.length = self.length.wrapping_add(1);
            }
        }
        self
    }

    /// Goes on with a decimal number.
    pub fn decimal(self, number: u32) -> Name {
        self.digits(number.into(), 10)
    }

    /// Goes on with a hexadecimal number.
    pub fn hexadecimal(self, number: u64) -> Name {
        self.digits(number, 16)
    }

    fn digits(self, number: u64, base: u64) -> Name {
        let mut digits = [0u8; 20];
        let mut left = number;
        let mut count: usize = 0;
        for digit in digits.iter_mut().rev() {
            let value = left.checked_rem(base).unwrap_or(0) as u8;
            *digit =
                if value < 10 { b'0'.wrapping_add(value) } else { b'a'.wrapping_add(value).wrapping_sub(10) };
            left = left.checked_div(base).unwrap_or(0);
            count = count.wrapping_add(1);
            if left == 0 {
                break;
            }
        }
        self.text(digits.get(digits.len().wrapping_sub(count)..).unwrap_or_default())
    }

    /// The path with a NUL at its end.
    pub fn path(&self) -> &[u8] {
        self.bytes.get(..=self.length).unwrap_or(b"\0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_that_fit_are_numbers() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for text in [&b""[..], b"18446744073709551616", b"-1", b"+1", b"1 ", b"0x1", b"\xff"] {
            assert_eq!(decimal(text), None, "{text:?}");
        }
        assert_eq!(signed(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(signed(b"-9223372036854775809"), None);
        assert_eq!(signed(b"7"), Some(7));
        assert_eq!(number(b"7f", 16), Some(0x7f));
    }

    #[test]
    fn paths_end_with_a_nul_however_long() {
        let name = Name::new(b"map_files/").hexadecimal(u64::MAX).text(b"-").hexadecimal(0);
        assert_eq!(name.path(), b"map_files/ffffffffffffffff-0\0");
        assert_eq!(Name::new(b"fd/").decimal(u32::MAX).path(), b"fd/4294967295\0");
        let long = Name::new(&[b'x'; 100]);
        assert_eq!((long.path().len(), long.path().last()), (LENGTH, Some(&0)));
    }
}
