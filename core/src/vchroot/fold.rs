//! Names compared as a macOS volume compares them: whatever their case and Unicode normal form.
//!
//! Names are bytes. What is not UTF-8 stands for itself, byte by byte.

use super::unicode::{FOLDS, MARKS, PAIRS, WIDE_PAIRS};

/// Whether two names are the same name.
#[inline(never)]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.is_ascii() && b.is_ascii() { a.eq_ignore_ascii_case(b) } else { Folded::new(a).eq(Folded::new(b)) }
}

/// A number that is the same for the same names.
#[inline(never)]
pub(crate) fn hash(name: &[u8]) -> u64 {
    let mut hash = 0u64;
    let mut add = |code: u32| {
        hash = (hash.rotate_left(5) ^ u64::from(code)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    };
    if name.is_ascii() {
        name.iter().for_each(|byte| add(byte.to_ascii_lowercase().into()));
    } else {
        Folded::new(name).for_each(add);
    }
    hash ^ hash >> 32
}

/// As many marks behind one letter as are put into order; more stay as they are written.
const MARKS_MAX: usize = 5;

/// The characters of a name: decomposed, with marks in their canonical order, then folded. Above Unicode stand the bytes
/// that are no characters.
struct Folded<'a> {
    rest: &'a [u8],
    /// Characters that were read but not handed out; those from `at` up to `length`.
    ready: [Ready; READY],
    at: usize,
    length: usize,
}

/// A letter and its marks, and what the last character brought with it.
const READY: usize = MARKS_MAX + 2 + PARTS_MAX;

/// As many characters as one is made of.
const PARTS_MAX: usize = 4;

/// Added to a byte that is no character.
const NO_CHARACTER: u32 = 0x11_0000;

/// A character, with its combining class in the highest byte.
#[derive(Clone, Copy)]
struct Ready(u32);

impl Ready {
    fn new(code: u32) -> Ready {
        Ready(code | u32::from(class(code)) << 24)
    }

    fn code(self) -> u32 {
        self.0 & 0x00ff_ffff
    }

    fn class(self) -> u8 {
        (self.0 >> 24) as u8
    }
}

impl<'a> Folded<'a> {
    fn new(name: &'a [u8]) -> Folded<'a> {
        Folded { rest: name, ready: [Ready(0); READY], at: 0, length: 0 }
    }

    fn push(&mut self, code: u32) {
        if let Some(free) = self.ready.get_mut(self.length) {
            *free = Ready::new(code);
            self.length = self.length.wrapping_add(1);
        }
    }

    /// Takes a character from the name and puts what it is made of behind what is ready; `false` at the end.
    fn read(&mut self) -> bool {
        let Some((code, length)) = decode(self.rest) else { return false };
        self.rest = self.rest.get(length..).unwrap_or_default();
        let mut parts = [0; PARTS_MAX];
        let count = decompose(code, &mut parts);
        for part in parts.iter().take(count) {
            self.push(*part);
        }
        true
    }

    /// Makes a letter and all of its marks ready.
    fn fill(&mut self) {
        // The letter that ended the last run begins this one.
        let (at, length) = (self.at.min(self.length), self.length);
        (self.at, self.length) = (0, length.wrapping_sub(at));
        for to in 0..self.length {
            if let Some(character) = self.ready.get(at.wrapping_add(to)).copied()
                && let Some(place) = self.ready.get_mut(to)
            {
                *place = character;
            }
        }
        while self.run() == self.length && self.length < MARKS_MAX {
            if !self.read() {
                break;
            }
        }
        let run = self.run();
        // By insertion: few marks, and equal classes keep their order.
        for end in 1..run {
            for place in (1..=end).rev() {
                let (Some(&before), Some(&here)) =
                    (self.ready.get(place.wrapping_sub(1)), self.ready.get(place))
                else {
                    break;
                };
                if here.class() == 0 || before.class() <= here.class() {
                    break;
                }
                self.ready.swap(place.wrapping_sub(1), place);
            }
        }
        self.at = 0;
    }

    /// How many of the characters that are ready belong together: one, and the marks behind it.
    fn run(&self) -> usize {
        let ready = self.ready.get(..self.length).unwrap_or_default();
        let marks = ready.iter().skip(1).take_while(|mark| mark.class() != 0).count();
        marks.wrapping_add(1).min(self.length)
    }
}

impl Iterator for Folded<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        // Within a run everything but the first is a mark.
        let inside = self.at > 0
            && self.at < self.length
            && self.ready.get(self.at).is_some_and(|mark| mark.class() != 0);
        if !inside {
            self.fill();
        }
        let code = self.ready.get(..self.length)?.get(self.at)?.code();
        self.at = self.at.wrapping_add(1);
        Some(fold(code))
    }
}

/// The first character of a name and its length in bytes.
fn decode(name: &[u8]) -> Option<(u32, usize)> {
    let first = *name.first()?;
    if first.is_ascii() {
        return Some((first.into(), 1));
    }
    let length = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Some((NO_CHARACTER | u32::from(first), 1)),
    };
    let character = name
        .get(..length)
        .and_then(|bytes| core::str::from_utf8(bytes).ok())
        .and_then(|text| text.chars().next());
    match character {
        Some(character) => Some((character.into(), length)),
        None => Some((NO_CHARACTER | u32::from(first), 1)),
    }
}

/// What a character is made of in the end: how many characters.
fn decompose(code: u32, parts: &mut [u32; PARTS_MAX]) -> usize {
    const SYLLABLES: core::ops::RangeInclusive<u32> = 0xac00..=0xd7a3;
    let mut count = 0usize;
    let mut put = |part: u32| {
        if let Some(free) = parts.get_mut(count) {
            *free = part;
            count = count.wrapping_add(1);
        }
    };
    if SYLLABLES.contains(&code) {
        let syllable = code.wrapping_sub(0xac00);
        put(0x1100u32.wrapping_add(syllable / 588));
        put(0x1161u32.wrapping_add(syllable % 588 / 28));
        if !syllable.is_multiple_of(28) {
            put(0x11a7u32.wrapping_add(syllable % 28));
        }
        return count;
    }
    // Of a pair only the first is itself made of others.
    let mut tail = [0; PARTS_MAX];
    let mut tails = 0usize;
    let mut head = code;
    while let Some((first, second)) = pair(head) {
        head = first;
        if second != 0
            && let Some(free) = tail.get_mut(tails)
        {
            *free = second;
            tails = tails.wrapping_add(1);
        }
    }
    put(head);
    tail.iter().take(tails).rev().for_each(|part| put(*part));
    count
}

fn pair(code: u32) -> Option<(u32, u32)> {
    // Below are no characters that are made of others.
    if code < 0xc0 {
        return None;
    }
    let narrow = u16::try_from(code).ok().and_then(|code| {
        let at = PAIRS.binary_search_by_key(&code, |(from, ..)| *from).ok()?;
        PAIRS.get(at).map(|(_, first, second)| (u32::from(*first), u32::from(*second)))
    });
    narrow.or_else(|| {
        let at = WIDE_PAIRS.binary_search_by_key(&code, |(from, ..)| *from).ok()?;
        WIDE_PAIRS.get(at).map(|(_, first, second)| (*first, *second))
    })
}

/// The canonical combining class.
fn class(code: u32) -> u8 {
    if code < 0x300 {
        return 0;
    }
    let after = MARKS.partition_point(|(first, ..)| *first <= code);
    match after.checked_sub(1).and_then(|at| MARKS.get(at)) {
        Some((_, last, class)) if code <= *last => *class,
        _ => 0,
    }
}

fn fold(code: u32) -> u32 {
    let after = FOLDS.partition_point(|(first, ..)| *first <= code);
    match after.checked_sub(1).and_then(|at| FOLDS.get(at)) {
        Some((first, last, step, distance)) if code <= *last => {
            let on_step = code.wrapping_sub(*first).checked_rem(u32::from(*step)) == Some(0);
            if on_step { code.wrapping_add_signed(*distance) } else { code }
        }
        _ => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_normalization::char::decompose_canonical;

    #[track_caller]
    fn check(a: &str, b: &str, want: bool) {
        assert_eq!(same(a.as_bytes(), b.as_bytes()), want, "{a} and {b}");
        assert_eq!(hash(a.as_bytes()) == hash(b.as_bytes()), want, "the hashes of {a} and {b}");
    }

    #[test]
    fn case_does_not_matter() {
        check("SystemRoot", "sYSTEMrOOT", true);
        check("É", "é", true);
        check("Σίσυφος", "ΣΊΣΥΦΟΣ", true);
        check("K", "K", true);
        check("a", "b", false);
        check("a", "ab", false);
        check("ı", "i", false);
    }

    #[test]
    fn normal_forms_do_not_matter() {
        check("é", "e\u{301}", true);
        check("É", "e\u{301}", true);
        check("각", "\u{1100}\u{1161}\u{11a8}", true);
        check("가", "\u{1100}\u{1161}", true);
        check("\u{1ea5}", "A\u{302}\u{301}", true);
        check("q\u{307}\u{323}", "q\u{323}\u{307}", true);
        check("q\u{301}\u{300}", "q\u{300}\u{301}", false);
    }

    #[test]
    fn bytes_that_are_no_characters_stand_for_themselves() {
        assert!(same(b"a\xffb", b"A\xffB"));
        assert!(!same(b"a\xff", b"a\xfe"));
        assert!(!same(b"\xc3", "\u{c3}".as_bytes()));
        assert!(same(b"\xe2\x82", b"\xe2\x82"));
        assert!(!same(b"\xed\xa0\x80", b"\xed\xa0\x81"));
    }

    #[test]
    fn every_character_is_taken_apart_and_folded_as_unicode_says() {
        for character in '\0'..=char::MAX {
            let mut bytes = [0; 4];
            let name = character.encode_utf8(&mut bytes).as_bytes();
            let mut ours = Folded::new(name);
            decompose_canonical(character, |part| {
                let mut upper = part.to_uppercase();
                // The dotless i is the one that has an upper case and is not folded.
                let upper = if upper.len() == 1 && part != 'ı' { upper.next() } else { None }.unwrap_or(part);
                let mut lower = upper.to_lowercase();
                let lower = if lower.len() == 1 { lower.next() } else { None }.unwrap_or(upper);
                assert_eq!(ours.next(), Some(u32::from(lower)), "{character:?}");
            });
            assert_eq!(ours.next(), None, "{character:?}");
        }
    }

    #[test]
    fn no_character_is_made_of_more_than_there_is_room_for() {
        for character in '\0'..=char::MAX {
            let mut parts = [0; PARTS_MAX];
            let (code, mut depth) = (u32::from(character), 0);
            let count = decompose(code, &mut parts);
            let mut head = code;
            while let Some((first, _)) = pair(head) {
                (head, depth) = (first, depth + 1);
            }
            assert!(count >= 1 && depth < PARTS_MAX, "{character:?}");
        }
    }

    #[test]
    fn many_marks_lose_none() {
        let name: [u8; 200] = core::array::from_fn(|at| if at % 2 == 0 { 0xcc } else { 0x81 });
        assert_eq!(Folded::new(&name).count(), 100);
        assert!(same(&name, &name));
    }
}
