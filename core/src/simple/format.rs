//! The formatter.

use super::args::Args;
use super::digits::Radix;
use super::sink::{Sink, copy};

/// The longest text, C's `INT_MAX`: the result is an `int`.
pub const INT_MAX: usize = i32::MAX as usize;

/// Why a formatted print failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error<E> {
    /// The text, a width or a precision is over [`INT_MAX`]: C's `EOVERFLOW`.
    Overflow,
    /// The sink gave up.
    Sink(E),
}

/// Flags and lengths of a conversion, as bits.
mod bits {
    /// `-`
    pub(super) const LEFT: u32 = 1 << 0;
    /// `+`
    pub(super) const PLUS: u32 = 1 << 1;
    /// space
    pub(super) const SPACE: u32 = 1 << 2;
    /// `#`
    pub(super) const ALTERNATE: u32 = 1 << 3;
    /// `0`
    pub(super) const ZERO: u32 = 1 << 4;
    /// `hh`
    pub(super) const CHAR: u32 = 1 << 5;
    /// `h`
    pub(super) const SHORT: u32 = 1 << 6;
    /// `l`, `ll`, `q`, `j`, `z`, `t`: all 64 bits
    pub(super) const LONG: u32 = 1 << 7;
    /// `L`
    pub(super) const LONG_DOUBLE: u32 = 1 << 8;
}

/// What stands between `%` and the conversion.
#[derive(Clone, Copy)]
struct Spec {
    bits: u32,
    width: usize,
    precision: Option<usize>,
}

impl Spec {
    #[inline(always)]
    fn has(&self, bit: u32) -> bool {
        self.bits & bit != 0
    }

    /// The argument of a signed conversion, cut to its length and extended again.
    #[inline(always)]
    fn signed(&self, word: u64) -> i64 {
        if self.has(bits::LONG) {
            word as i64
        } else if self.has(bits::SHORT) {
            word as i16 as i64
        } else if self.has(bits::CHAR) {
            word as i8 as i64
        } else {
            word as i32 as i64
        }
    }

    /// The same for an unsigned conversion.
    #[inline(always)]
    fn unsigned(&self, word: u64) -> u64 {
        if self.has(bits::LONG) {
            word
        } else if self.has(bits::SHORT) {
            word as u16 as u64
        } else if self.has(bits::CHAR) {
            word as u8 as u64
        } else {
            word as u32 as u64
        }
    }
}

/// Formats as C's `printf` does; [the module](super) says what is accepted.
///
/// All of `format` is the format: a shim ends it at its NUL. Returns the length of the whole text.
#[inline]
pub fn format<S: Sink, A: Args>(sink: &mut S, format: &[u8], args: &mut A) -> Result<usize, Error<S::Error>> {
    let mut out = Output { sink, total: 0 };
    let mut rest = format;
    loop {
        let (text, tail) = split_at_percent(rest);
        if !text.is_empty() {
            out.text(text)?;
        }
        let Some((_, after)) = tail.split_first() else { return Ok(out.total) };
        // Most conversions are one letter. They get code without flags to carry and test.
        let Some((byte, tail)) = after.split_first() else { return Ok(out.total) };
        rest = tail;
        match byte {
            b'd' | b'i' => out.decimal(args.word() as i32)?,
            b's' => match args.text(usize::MAX) {
                Some(text) => out.text(text)?,
                None => out.text(NULL)?,
            },
            b'x' => out.plain(Radix::HexLower, b"", u64::from(args.word() as u32))?,
            b'u' => out.plain(Radix::Decimal, b"", u64::from(args.word() as u32))?,
            b'p' => out.plain(Radix::HexLower, b"0x", args.word())?,
            b'c' => out.text(&[args.word() as u8])?,
            _ => rest = out.conversion(after, args)?,
        }
    }
}

/// What a null `%s` prints.
const NULL: &[u8] = b"(null)";

/// The text before the first `%`, and the rest from it on.
#[inline(always)]
fn split_at_percent(format: &[u8]) -> (&[u8], &[u8]) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut rest = format;
    let mut at: usize = 0;
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        // The lowest byte that differs from `%` by nothing gets its high bit set; wrong marks are only above it.
        let differs = u64::from_le_bytes(*word) ^ (ONES.wrapping_mul(b'%' as u64));
        let found = differs.wrapping_sub(ONES) & !differs & HIGHS;
        if found != 0 {
            at = at.wrapping_add((found.trailing_zeros() / 8) as usize);
            return format.split_at_checked(at).unwrap_or((format, &[]));
        }
        at = at.wrapping_add(8);
        rest = tail;
    }
    for &byte in rest {
        if byte == b'%' {
            break;
        }
        at = at.wrapping_add(1);
    }
    format.split_at_checked(at).unwrap_or((format, &[]))
}

/// A sink and the length of what went there.
struct Output<'s, S> {
    sink: &'s mut S,
    /// At most [`INT_MAX`].
    total: usize,
}

impl<S: Sink> Output<'_, S> {
    /// Counts `len` more bytes, before they are written.
    #[inline(always)]
    fn count(&mut self, len: usize) -> Result<(), Error<S::Error>> {
        // No length comes near the top of `usize`: slices end at half of it, widths at INT_MAX.
        let total = self.total.wrapping_add(len);
        if total > INT_MAX {
            return Err(Error::Overflow);
        }
        self.total = total;
        Ok(())
    }

    #[inline(always)]
    fn text(&mut self, bytes: &[u8]) -> Result<(), Error<S::Error>> {
        self.count(bytes.len())?;
        self.sink.write(bytes).map_err(Error::Sink)
    }

    /// Does the conversion whose `%` is just before `after`; returns what follows it.
    #[inline(never)]
    fn conversion<'f, A: Args>(
        &mut self,
        after: &'f [u8],
        args: &mut A,
    ) -> Result<&'f [u8], Error<S::Error>> {
        let mut spec = Spec { bits: 0, width: 0, precision: None };
        let mut rest = after;
        loop {
            let Some((&byte, tail)) = rest.split_first() else { return Ok(rest) };
            rest = tail;
            match byte {
                b'd' | b'i' => self.signed(spec, args.word())?,
                b'u' => self.unsigned(Radix::Decimal, spec, args.word())?,
                b'x' => self.unsigned(Radix::HexLower, spec, args.word())?,
                b'X' => self.unsigned(Radix::HexUpper, spec, args.word())?,
                b'o' => self.unsigned(Radix::Octal, spec, args.word())?,
                b'D' | b'U' | b'O' => {
                    spec.bits |= bits::LONG;
                    match byte {
                        b'D' => self.signed(spec, args.word())?,
                        b'U' => self.unsigned(Radix::Decimal, spec, args.word())?,
                        _ => self.unsigned(Radix::Octal, spec, args.word())?,
                    }
                }
                b'p' => self.shaped(Radix::HexLower, spec, b"0x", args.word())?,
                b's' if !spec.has(bits::LONG) => {
                    let limit = spec.precision.unwrap_or(usize::MAX);
                    match args.text(limit) {
                        Some(text) => self.padded(spec, text)?,
                        None => self.padded(spec, NULL.get(..limit).unwrap_or(NULL))?,
                    }
                }
                b'c' if !spec.has(bits::LONG) => self.padded(spec, &[args.word() as u8])?,
                b's' | b'c' | b'S' | b'C' => {
                    args.word();
                    self.verbatim(after, rest)?;
                }
                b'a' | b'A' | b'e' | b'E' | b'f' | b'F' | b'g' | b'G' => {
                    args.skip_float(spec.has(bits::LONG_DOUBLE));
                    self.verbatim(after, rest)?;
                }
                b'n' => {
                    args.word();
                }
                _ => match modifier(&mut spec, byte, rest, args) {
                    Some(tail) => {
                        rest = tail.map_err(|TooLong| Error::Overflow)?;
                        continue;
                    }
                    None => self.padded(spec, &[byte])?,
                },
            }
            return Ok(rest);
        }
    }

    fn signed(&mut self, spec: Spec, word: u64) -> Result<(), Error<S::Error>> {
        let value = spec.signed(word);
        let sign: &[u8] = if value < 0 {
            b"-"
        } else if spec.has(bits::PLUS) {
            b"+"
        } else if spec.has(bits::SPACE) {
            b" "
        } else {
            b""
        };
        self.shaped(Radix::Decimal, spec, sign, value.unsigned_abs())
    }

    fn unsigned(&mut self, radix: Radix, spec: Spec, word: u64) -> Result<(), Error<S::Error>> {
        let value = spec.unsigned(word);
        let prefix: &[u8] = match radix {
            Radix::HexLower if value != 0 && spec.has(bits::ALTERNATE) => b"0x",
            Radix::HexUpper if value != 0 && spec.has(bits::ALTERNATE) => b"0X",
            _ => b"",
        };
        self.shaped(radix, spec, prefix, value)
    }

    /// `%d` without anything.
    #[inline(always)]
    fn decimal(&mut self, value: i32) -> Result<(), Error<S::Error>> {
        let sign: &[u8] = if value < 0 { b"-" } else { b"" };
        self.plain(Radix::Decimal, sign, u64::from(value.unsigned_abs()))
    }

    /// All digits of a number behind a short sign or prefix.
    #[inline(always)]
    fn plain(&mut self, radix: Radix, prefix: &[u8], value: u64) -> Result<(), Error<S::Error>> {
        let digits = radix.len(value);
        let len = digits.wrapping_add(prefix.len());
        self.count(len)?;
        match self.sink.window(len) {
            Some(window) => {
                if let Some((front, back)) = window.split_at_mut_checked(prefix.len()) {
                    copy(front, prefix);
                    radix.write(back, value);
                }
                Ok(())
            }
            None => self.pieces(radix, prefix, value, digits),
        }
    }

    /// A prefix and the lowest `digits` digits of a number, through memory of our own.
    #[inline(never)]
    fn pieces(
        &mut self,
        radix: Radix,
        prefix: &[u8],
        value: u64,
        digits: usize,
    ) -> Result<(), Error<S::Error>> {
        // 64 bits are 22 octal digits.
        let mut scratch = [0; 22];
        let scratch = scratch.get_mut(..digits).unwrap_or_default();
        radix.write(scratch, value);
        self.sink.write(prefix).map_err(Error::Sink)?;
        self.sink.write(scratch).map_err(Error::Sink)
    }

    /// An integer with flags, a width or a precision.
    #[inline(never)]
    fn shaped(&mut self, radix: Radix, spec: Spec, prefix: &[u8], value: u64) -> Result<(), Error<S::Error>> {
        // An explicit precision of 0 prints no digit for 0.
        let digits = if value == 0 && spec.precision == Some(0) { 0 } else { radix.len(value) };
        let mut zeros = match spec.precision {
            Some(precision) => precision.saturating_sub(digits),
            None if spec.has(bits::ZERO) && !spec.has(bits::LEFT) => {
                spec.width.saturating_sub(digits).saturating_sub(prefix.len())
            }
            None => 0,
        };
        // `%#o` raises the precision until the first digit is 0.
        let starts_with_zero = zeros > 0 || (value == 0 && digits > 0);
        if radix == Radix::Octal && spec.has(bits::ALTERNATE) && !starts_with_zero {
            zeros = 1;
        }
        let body = prefix.len().saturating_add(zeros).saturating_add(digits);
        let pad = spec.width.saturating_sub(body);
        self.count(body.saturating_add(pad))?;

        let (before, after) = if spec.has(bits::LEFT) { (0, pad) } else { (pad, 0) };
        self.sink.fill(b' ', before).map_err(Error::Sink)?;
        self.sink.write(prefix).map_err(Error::Sink)?;
        self.sink.fill(b'0', zeros).map_err(Error::Sink)?;
        match self.sink.window(digits) {
            Some(window) => radix.write(window, value),
            None => self.pieces(radix, b"", value, digits)?,
        }
        self.sink.fill(b' ', after).map_err(Error::Sink)
    }

    /// Text in a field.
    #[inline(always)]
    fn padded(&mut self, spec: Spec, text: &[u8]) -> Result<(), Error<S::Error>> {
        let pad = spec.width.saturating_sub(text.len());
        if pad == 0 {
            return self.text(text);
        }
        self.count(text.len().saturating_add(pad))?;
        if spec.has(bits::LEFT) {
            self.sink.write(text).map_err(Error::Sink)?;
            self.sink.fill(b' ', pad).map_err(Error::Sink)
        } else {
            let byte = if spec.has(bits::ZERO) { b'0' } else { b' ' };
            self.sink.fill(byte, pad).map_err(Error::Sink)?;
            self.sink.write(text).map_err(Error::Sink)
        }
    }

    /// A conversion that is known but not done: `%` and what lies between `after` and `rest`, its own tail.
    #[cold]
    fn verbatim(&mut self, after: &[u8], rest: &[u8]) -> Result<(), Error<S::Error>> {
        self.text(b"%")?;
        let len = after.len().saturating_sub(rest.len());
        self.text(after.get(..len).unwrap_or(after))
    }
}

/// A width or precision over [`INT_MAX`].
struct TooLong;

/// Takes a flag, width, precision or length that starts with `byte`; `None` if it is none of them.
#[inline(always)]
fn modifier<'f, A: Args>(
    spec: &mut Spec,
    byte: u8,
    rest: &'f [u8],
    args: &mut A,
) -> Option<Result<&'f [u8], TooLong>> {
    match byte {
        b'-' => spec.bits |= bits::LEFT,
        b'+' => spec.bits |= bits::PLUS,
        b' ' => spec.bits |= bits::SPACE,
        b'#' => spec.bits |= bits::ALTERNATE,
        b'0' => spec.bits |= bits::ZERO,
        b'\'' => {}
        b'1'..=b'9' => {
            let (width, rest) = number((byte & 0xf) as usize, rest);
            spec.width = width;
            return Some(if width > INT_MAX { Err(TooLong) } else { Ok(rest) });
        }
        b'*' => {
            let width = args.word() as i32;
            if width < 0 {
                spec.bits |= bits::LEFT;
            }
            spec.width = width.unsigned_abs() as usize;
            if spec.width > INT_MAX {
                return Some(Err(TooLong));
            }
        }
        b'.' => {
            if let Some((b'*', rest)) = rest.split_first() {
                spec.precision = usize::try_from(args.word() as i32).ok();
                return Some(Ok(rest));
            }
            let (precision, rest) = number(0, rest);
            spec.precision = Some(precision);
            return Some(if precision > INT_MAX { Err(TooLong) } else { Ok(rest) });
        }
        b'h' => {
            let short = spec.bits & bits::SHORT;
            spec.bits = (spec.bits & !bits::SHORT) | if short != 0 { bits::CHAR } else { bits::SHORT };
        }
        b'l' | b'q' | b'j' | b'z' | b't' => spec.bits |= bits::LONG,
        b'L' => spec.bits |= bits::LONG_DOUBLE,
        _ => return None,
    }
    Some(Ok(rest))
}

/// The digits at the front of `rest` behind those that make `value`, and what follows them. Stops growing when it is
/// past any use.
#[inline]
fn number(mut value: usize, mut rest: &[u8]) -> (usize, &[u8]) {
    while let Some((&digit @ b'0'..=b'9', tail)) = rest.split_first() {
        value = value.saturating_mul(10).saturating_add((digit & 0xf) as usize);
        rest = tail;
    }
    (value, rest)
}
