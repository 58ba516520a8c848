//! Random formats and arguments.

use crate::{GUARD, Page, c_snprintf, glibc_snprintf};
use std::ffi::{CStr, CString};
use xnu_core::simple::{Value, Values, snprintf};

/// A C string's address as an argument.
fn address(string: &CStr) -> u64 {
    string.as_ptr().expose_provenance() as u64
}

/// Marsaglia's xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 33) % limit
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A number of any magnitude, with the edges of the types more often than chance has them.
    fn word(&mut self) -> u64 {
        const EDGES: [u64; 5] = [0, 1 << 7, 1 << 15, 1 << 31, 1 << 63];
        let value = match self.below(4) {
            0 => self.pick(&EDGES).wrapping_add(self.below(3)).wrapping_sub(1),
            _ => self.next() >> self.below(64),
        };
        if self.one_in(4) { value.wrapping_neg() } else { value }
    }
}

/// Bytes before and behind each buffer that must keep [`crate::GUARD`].
const GUARDED: usize = 16;

/// A format and its arguments, for us and for glibc, which differ where macOS and glibc do.
#[derive(Default)]
struct Case {
    ours: Vec<u8>,
    glibc: Vec<u8>,
    our_words: Vec<u64>,
    glibc_words: [u64; 16],
    /// For each word, the string that it is the address of.
    texts: Vec<Option<usize>>,
}

impl Case {
    fn clear(&mut self) {
        self.ours.clear();
        self.glibc.clear();
        self.our_words.clear();
        self.texts.clear();
    }

    fn text(&mut self, bytes: &[u8]) {
        self.ours.extend_from_slice(bytes);
        self.glibc.extend_from_slice(bytes);
    }

    fn argument(&mut self, ours: u64, glibc: u64, text: Option<usize>) {
        self.glibc_words[self.our_words.len()] = glibc;
        self.our_words.push(ours);
        self.texts.push(text);
    }

    /// Appends a width or precision; answers what it comes to.
    fn size(&mut self, random: &mut Random) -> i32 {
        let largest = if random.one_in(50) { 300 } else { 24 };
        let size = random.below(largest) as i32;
        if random.one_in(3) {
            let size = if random.one_in(4) { -size } else { size };
            self.text(b"*");
            // An int fills the lower half of its slot only.
            let word = u64::from(size as u32) | random.next() << 32;
            self.argument(word, word, None);
            size
        } else {
            self.text(size.to_string().trim_start_matches('0').as_bytes());
            size
        }
    }

    fn conversion(&mut self, random: &mut Random, strings: &[&CStr]) {
        let conversion = random.pick(b"ddiuoxXcsspp%");
        self.text(b"%");
        if conversion == b'%' {
            return self.text(b"%");
        }
        let number = b"diuoxX".contains(&conversion);
        if random.one_in(3) {
            // The other flags mean nothing to the other conversions, in C.
            let flags: &[u8] = if number { b"-+ #0'" } else { b"-" };
            for _ in 0..=random.below(3) {
                self.text(&[random.pick(flags)]);
            }
        }
        if random.one_in(3) {
            self.size(random);
        }
        let mut precision = None;
        if conversion != b'c' && conversion != b'p' && random.one_in(3) {
            self.text(b".");
            precision = Some(if random.one_in(4) { 0 } else { self.size(random) }).filter(|&size| size >= 0);
        }
        if number {
            let lengths: [&[u8]; 11] = [b"", b"", b"", b"hh", b"h", b"l", b"ll", b"q", b"j", b"z", b"t"];
            self.text(random.pick(&lengths));
        }
        self.ours.push(conversion);
        self.glibc.push(conversion);
        match conversion {
            b's' if random.one_in(16) => {
                // glibc prints all of "(null)" or nothing; macOS cuts it.
                let null = if precision.is_some() { address(c"(null)") } else { 0 };
                self.argument(0, null, None);
            }
            b's' => {
                let index = random.below(strings.len() as u64) as usize;
                let string = address(strings[index]);
                self.argument(string, string, Some(index));
            }
            b'p' if random.one_in(8) => {
                // glibc prints "(nil)".
                *self.glibc.last_mut().unwrap() = b's';
                self.argument(0, address(c"0x0"), None);
            }
            _ => {
                let word = random.word();
                let word = if conversion == b'p' { word.max(1) } else { word };
                self.argument(word, word, None);
            }
        }
    }

    fn fill(&mut self, random: &mut Random, strings: &[&CStr]) {
        self.clear();
        // Five conversions of three arguments each are within glibc's 16.
        for _ in 0..=random.below(5) {
            for _ in 0..random.pick(&[0, 0, 1, 2, 5, 11]) {
                self.text(&[random.pick(b"abcz 0159.,:*-+\x80\xff")]);
            }
            self.conversion(random, strings);
        }
        if random.one_in(2) {
            self.text(b" end");
        }
        self.ours.push(0);
        self.glibc.push(0);
    }
}

/// Compares `count` random prints, at every size of buffer each. Panics with what is needed to see a difference.
fn compare_with_glibc(seed: u64, count: u32) {
    let strings: Vec<CString> = [0, 0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 18, 31, 33, 70, 130, 300]
        .iter()
        .map(|&len| (0..len).map(|at| b' ' + (at % 95) as u8).collect::<Vec<u8>>())
        .map(|text| CString::new(text).unwrap())
        .collect();
    let strings: Vec<&CStr> = strings.iter().map(|string| string.as_c_str()).collect();
    let mut random = Random(seed);
    let mut case = Case::default();
    let mut expected = vec![0_u8; 8192];
    let mut memory = vec![GUARD; 8192];
    for number in 0..count {
        case.fill(&mut random, &strings);
        let ours = CStr::from_bytes_with_nul(&case.ours).unwrap();
        let glibc = CStr::from_bytes_with_nul(&case.glibc).unwrap();
        let values: Vec<Value<'_>> = std::iter::zip(&case.our_words, &case.texts)
            .map(|(&word, text)| match text {
                Some(index) => strings[*index].into(),
                None => Value::Word(word),
            })
            .collect();
        // SAFETY: the case's format fits its arguments.
        let needed =
            unsafe { glibc_snprintf(expected.as_mut_ptr(), expected.len(), glibc, &case.glibc_words) };
        let needed = usize::try_from(needed).unwrap();
        assert!(needed < 4096);
        for size in 0..=needed + 1 {
            let end = GUARDED + size;
            memory[..end + GUARDED].fill(GUARD);
            let out = &mut memory[GUARDED..end];
            let result = if size % 2 == 0 {
                // SAFETY: as above; the buffer has `size` bytes.
                unsafe { c_snprintf(out.as_mut_ptr(), size, ours, &case.our_words) }
            } else {
                snprintf(out, ours.to_bytes(), Values(&values)).map_or(-1, |len| len as i64)
            };
            let kept = needed.min(size.saturating_sub(1));
            let good = result == needed as i64
                && memory[GUARDED..GUARDED + kept] == expected[..kept]
                && (size == 0 || memory[GUARDED + kept] == 0)
                && (size <= needed || memory[GUARDED + kept + 1..end].iter().all(|&byte| byte == GUARD))
                && memory[..GUARDED] == [GUARD; GUARDED]
                && memory[end..end + GUARDED] == [GUARD; GUARDED];
            assert!(
                good,
                "seed {seed:#x}, case {number}, size {size}\nformat  {ours:?}\nwords   {:x?}\nglibc   {needed} {:?}\nours    {result} {:?}",
                case.our_words,
                String::from_utf8_lossy(&expected[..needed]),
                String::from_utf8_lossy(&memory[GUARDED..end]),
            );
        }
    }
}

#[test]
fn million_random_prints_equal_glibc_at_every_size() {
    const SEEDS: [u64; 4] = [0x5eed_0001, 0x5eed_0002, 0x5eed_0003, 0x5eed_0004];
    println!("seeds {SEEDS:#x?}, 250,000 prints each");
    std::thread::scope(|scope| {
        for seed in SEEDS {
            scope.spawn(move || compare_with_glibc(seed, 250_000));
        }
    });
}

#[test]
fn any_format_needs_the_same_length_at_every_size_and_keeps_to_its_buffer() {
    const SEED: u64 = 0xbad_f0421;
    let mut random = Random(SEED);
    let mut page = Page::new();
    for number in 0..50_000 {
        let len = random.below(24) as usize;
        let format: Vec<u8> = (0..len)
            .map(|_| match random.below(4) {
                0 => b'%',
                1 => random.next() as u8,
                _ => random.pick(b"diuoxXcspnDUOSCfgaeL hlqjzt0123456789.*-+ #'$y"),
            })
            .collect();
        let words: Vec<u64> = (0..random.below(8)).map(|_| random.word()).collect();
        let values: Vec<Value<'_>> = words
            .iter()
            .map(|&word| if word % 3 == 0 { Value::from("string") } else { Value::Word(word) })
            .collect();
        let mut whole = [0; 64];
        let needed = snprintf(&mut whole, &format, Values(&values));
        let size = random.below(64) as usize;
        let out = page.tail(&vec![GUARD; size]);
        assert_eq!(
            snprintf(out, &format, Values(&values)),
            needed,
            "seed {SEED:#x}, case {number}, {format:?}"
        );
        // An overflow ends the text early, though not at an earlier byte of what fits.
        if let (Ok(needed), Some(last)) = (needed, size.checked_sub(1)) {
            let kept = needed.min(last);
            assert_eq!((&out[..kept], out[kept]), (&whole[..kept], 0), "case {number}, {format:?}");
        }
    }
}
