//! Lists of arguments for varargs.c.

use std::fmt::Write;

const COUNT: usize = 120;
const LENGTH_MAX: usize = 14;

/// Integers, pointers and strings; and with them what a format may have but the library does not print.
const PLAIN: &[u8] = b"iilsp";
const MIXED: &[u8] = b"iillsspnddddLLw";

/// One line each, `SHAPE(number, "kinds", a[0].kind, …)`: every length, half of them with floating point, which goes
/// through other registers and takes other room on the stack.
pub(crate) fn shapes() -> String {
    let mut state: u64 = 0x5eed_5a9e;
    let mut below = |limit: usize| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    };
    let mut text = String::new();
    for number in 0..COUNT {
        let letters = if number % 2 == 0 { PLAIN } else { MIXED };
        let kinds: String =
            (0..number % (LENGTH_MAX + 1)).map(|_| char::from(letters[below(letters.len())])).collect();
        let arguments: String = (kinds.chars().enumerate())
            .map(|(at, kind)| format!(", a[{at}].{}", if kind == 'n' { 'p' } else { kind }))
            .collect();
        writeln!(text, "SHAPE({number}, \"{kinds}\"{arguments})").expect("a String takes everything");
    }
    text
}
