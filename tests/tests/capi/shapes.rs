//! Lists of arguments for varargs.c.

use std::fmt::Write;

const COUNT: usize = 200;
/// Six or eight registers for integers and eight for floating point, and as much again on the stack.
const LENGTH_MAX: usize = 20;

/// Integers, pointers and strings; with them, what a format may have but the library does not print; mostly that.
const LETTERS: [&[u8]; 3] = [b"iilsp", b"iillsspnddLw", b"dddddLLils"];

/// On the stack a `long double` is aligned; integers behind it tell.
const FIXED: [&str; 3] = ["dddddddddLiiiiiiiil", "ddddddddiiiiiiiLlLis", "LLLLLLLLliiiiiiddLsl"];

/// One line each, `SHAPE(number, "kinds", a[0].kind, …)`, of every length.
pub(crate) fn shapes() -> String {
    let mut state: u64 = 0x5eed_5a9e;
    let mut below = |limit: usize| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    };
    let random = (0..COUNT).map(|number| {
        let letters = LETTERS[number % LETTERS.len()];
        let length = number / LETTERS.len() % (LENGTH_MAX + 1);
        (0..length).map(|_| char::from(letters[below(letters.len())])).collect()
    });
    let mut text = String::new();
    for (number, kinds) in FIXED.map(String::from).into_iter().chain(random).enumerate() {
        let arguments: String = (kinds.chars().enumerate())
            .map(|(at, kind)| format!(", a[{at}].{}", if kind == 'n' { 'p' } else { kind }))
            .collect();
        writeln!(text, "SHAPE({number}, \"{kinds}\"{arguments})").expect("a String takes everything");
    }
    text
}
