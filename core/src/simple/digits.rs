//! Numbers as digits, into a place of the right length.

/// How a number is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Radix {
    Octal,
    Decimal,
    /// `0-9a-f`.
    HexLower,
    /// `0-9A-F`.
    HexUpper,
}

/// `00` to `99`.
static DECIMAL_PAIRS: [[u8; 2]; 100] = pairs(b"0123456789");
/// `00` to `ff`.
static HEX_LOWER_PAIRS: [[u8; 2]; 256] = pairs(b"0123456789abcdef");
/// `00` to `FF`.
static HEX_UPPER_PAIRS: [[u8; 2]; 256] = pairs(b"0123456789ABCDEF");

/// Every pair of two of these digits, in order. Runs in the compiler only.
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
const fn pairs<const RADIX: usize, const COUNT: usize>(digits: &[u8; RADIX]) -> [[u8; 2]; COUNT] {
    let mut table = [[0; 2]; COUNT];
    let mut n = 0;
    while n < COUNT {
        table[n] = [digits[n / RADIX], digits[n % RADIX]];
        n += 1;
    }
    table
}

/// The smallest number of each count of decimal digits, from two on.
static POWERS_OF_TEN: [u64; 20] = {
    let mut table = [0; 20];
    let mut power = 1_u64;
    let mut n = 1;
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
    while n < 20 {
        power *= 10;
        table[n] = power;
        n += 1;
    }
    table
};

/// For each position of the highest bit, what makes the sum with a number of that size have the number of its decimal
/// digits in the upper half (after Lemire, "Computing the number of digits of an integer even faster").
static DIGITS_BY_BIT: [u64; 32] = {
    let mut table = [0; 32];
    let mut bit = 0;
    // The count of digits of the smallest number of this size, and the first number that has one more.
    let mut digits = 1_u64;
    let mut power = 10_u64;
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
    while bit < 32 {
        let smallest = 1_u64 << bit;
        if smallest >= power {
            digits += 1;
            power *= 10;
        }
        let crosses = power < smallest << 1;
        table[bit] = if crosses { ((digits + 1) << 32) - power } else { digits << 32 };
        bit += 1;
    }
    table
};

/// How many decimal digits `value` needs; 0 needs one.
#[inline(always)]
fn decimal_len_u32(value: u32) -> usize {
    let row = DIGITS_BY_BIT.get((value | 1).ilog2() as usize).copied().unwrap_or_default();
    (row.wrapping_add(u64::from(value)) >> 32) as usize
}

impl Radix {
    /// How many digits `value` needs; 0 needs one.
    #[inline(always)]
    pub(super) fn len(self, value: u64) -> usize {
        let bits = u64::BITS.wrapping_sub((value | 1).leading_zeros());
        match self {
            Radix::HexLower | Radix::HexUpper => bits.div_ceil(4) as usize,
            Radix::Octal => bits.div_ceil(3) as usize,
            Radix::Decimal => match u32::try_from(value) {
                Ok(value) => decimal_len_u32(value),
                Err(_) => {
                    // 1233/4096 is a little over log10(2): the guess is right or one too low, for all of 64 bits.
                    let guess = (bits.wrapping_mul(1233) >> 12) as usize;
                    let next = POWERS_OF_TEN.get(guess).copied().unwrap_or(u64::MAX);
                    guess.wrapping_add(usize::from(value >= next))
                }
            },
        }
    }

    /// Sets all of `out`: the digits of `value` at its end and zeros before them. Digits that do not fit are lost.
    #[inline(always)]
    pub(super) fn write(self, out: &mut [u8], value: u64) {
        match self {
            Radix::Decimal => write_decimal(out, value),
            Radix::HexLower => write_hex(out, value, &HEX_LOWER_PAIRS),
            Radix::HexUpper => write_hex(out, value, &HEX_UPPER_PAIRS),
            Radix::Octal => write_octal(out, value),
        }
    }
}

#[inline(always)]
fn write_decimal(out: &mut [u8], value: u64) {
    // Half as wide, a division by a constant is one multiplication and a shift.
    match u32::try_from(value) {
        Ok(value) => write_decimal_u32(out, value),
        Err(_) => write_decimal_u64(out, value),
    }
}

#[inline(always)]
fn write_decimal_u32(out: &mut [u8], mut value: u32) {
    let (first, rest) = out.as_rchunks_mut::<2>();
    for pair in rest.iter_mut().rev() {
        // The remainder is below 100.
        *pair = DECIMAL_PAIRS.get((value % 100) as usize).copied().unwrap_or_default();
        value /= 100;
    }
    if let Some(digit) = first.first_mut() {
        *digit = b'0'.wrapping_add((value % 10) as u8);
    }
}

#[inline(never)]
fn write_decimal_u64(out: &mut [u8], mut value: u64) {
    let (first, rest) = out.as_rchunks_mut::<2>();
    for pair in rest.iter_mut().rev() {
        // The remainder is below 100.
        *pair = DECIMAL_PAIRS.get((value % 100) as usize).copied().unwrap_or_default();
        value /= 100;
    }
    if let Some(digit) = first.first_mut() {
        *digit = b'0'.wrapping_add((value % 10) as u8);
    }
}

#[inline(always)]
fn write_hex(out: &mut [u8], mut value: u64, pairs: &[[u8; 2]; 256]) {
    let (first, rest) = out.as_rchunks_mut::<2>();
    for pair in rest.iter_mut().rev() {
        *pair = pairs.get((value & 0xff) as usize).copied().unwrap_or_default();
        value >>= 8;
    }
    if let Some(digit) = first.first_mut() {
        let [_, low] = pairs.get((value & 0xf) as usize).copied().unwrap_or_default();
        *digit = low;
    }
}

fn write_octal(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0'.wrapping_add((value & 7) as u8);
        value >>= 3;
    }
}
