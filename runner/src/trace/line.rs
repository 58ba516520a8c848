//! A record under construction: text in a buffer of fixed size, so that it can be made on a small stack.

use std::fmt::{self, Write};

/// The longest record. Two paths of 1,023 bytes that are nothing but escapes fit.
pub(super) const LINE_BYTES: usize = 8192;

/// What every record keeps free for what follows its arguments.
const TAIL_BYTES: usize = 768;

/// What an argument leaves to each of those after it: its name and a number.
const ARGUMENT_BYTES: usize = 80;

/// Text that never grows beyond its buffer: what does not fit is dropped from the first character on that does not.
pub(super) struct Line {
    bytes: [u8; LINE_BYTES],
    length: usize,
}

impl Line {
    /// An empty line.
    pub(super) const fn new() -> Line {
        Line { bytes: [0; LINE_BYTES], length: 0 }
    }

    /// The text.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    /// Appends text while the whole is not longer than `end`. False where it would be.
    fn append(&mut self, text: &str, end: usize) -> bool {
        let length = self.length.saturating_add(text.len());
        match self.bytes.get_mut(self.length..length) {
            Some(place) if length <= end => {
                place.copy_from_slice(text.as_bytes());
                self.length = length;
                true
            }
            _ => false,
        }
    }

    /// A writer for an argument with `after` more behind it.
    pub(super) fn argument(&mut self, after: usize) -> Cut<'_> {
        let kept = TAIL_BYTES.saturating_add(after.saturating_mul(ARGUMENT_BYTES));
        Cut { end: LINE_BYTES.saturating_sub(kept), line: self, escapes: false, is_cut: false }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.append(text, LINE_BYTES) { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Writes into a [`Line`] up to a limit, escaped for a JSON string if wanted.
pub(super) struct Cut<'a> {
    line: &'a mut Line,
    end: usize,
    escapes: bool,
    is_cut: bool,
}

impl Cut<'_> {
    /// Escapes what is written for the inside of a JSON string.
    pub(super) fn escaped(self) -> Self {
        Cut { escapes: true, ..self }
    }

    /// Ends the argument: marks it where something was left out.
    pub(super) fn finish(self) -> fmt::Result {
        if self.is_cut { self.line.write_str("...") } else { Ok(()) }
    }
}

impl Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let mut utf8 = [0; 4];
            let mut hex = *b"\\u0000";
            let piece = match character {
                '"' if self.escapes => "\\\"",
                '\\' if self.escapes => "\\\\",
                '\0'..='\x1f' if self.escapes => {
                    let digits = [character as u8 >> 4, character as u8 & 15];
                    for (place, digit) in hex.iter_mut().skip(4).zip(digits) {
                        *place = char::from_digit(u32::from(digit), 16).map_or(b'0', |digit| digit as u8);
                    }
                    str::from_utf8(&hex).unwrap_or("")
                }
                _ => character.encode_utf8(&mut utf8),
            };
            if self.is_cut || !self.line.append(piece, self.end) {
                self.is_cut = true;
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}
