//! The simple printf against glibc's, and what C leaves open against macOS's.
//!
//! # Safety
//! Unsafe code here calls glibc's `snprintf` and the pointer half of the simple printf. Formats and arguments are made
//! together by [`Case`], and buffers are as large as is said.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ffi::CStr;
use std::fmt::Debug;
use xnu_abi::linux::{Errno, Sysno};
use xnu_abi::lkm::Trap;
use xnu_core::simple::cstr::{self, CBuffer, Words};
use xnu_core::simple::{
    Error, KPRINTF_BYTES, Line, LineReader, Value, Values, atoi, atoi16, format, fprintf, kprintf, printf,
    snprintf,
};
use xnu_core::{Arg, Fault, Kernel, Lkm, TrapArg, UserAddr};

/// A C string's address as an argument.
fn address(string: &CStr) -> u64 {
    string.as_ptr().expose_provenance() as u64
}

/// What `__simple_snprintf` does: C's arguments, C's result.
///
/// # Safety
/// As for C's `snprintf`.
unsafe fn c_snprintf(out: *mut u8, size: usize, text: &CStr, words: &[u64]) -> i64 {
    // SAFETY: the caller's promise.
    let (mut buffer, mut args) = unsafe { (CBuffer::new(out, size), Words::new(words)) };
    let result = format(&mut buffer, text.to_bytes(), &mut args);
    buffer.terminate();
    result.map_or(-1, |len| len as i64)
}

/// The same from glibc, which takes of 16 arguments as many as it needs.
///
/// # Safety
/// As for C's `snprintf`.
unsafe fn glibc_snprintf(out: *mut u8, size: usize, text: &CStr, words: &[u64; 16]) -> i64 {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *words;
    // SAFETY: the caller's promise.
    let result = unsafe {
        libc::snprintf(out.cast(), size, text.as_ptr(), a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
    };
    i64::from(result)
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

const GUARD: u8 = 0xa5;
/// Bytes before and behind each buffer that must keep [`GUARD`].
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
    let strings: Vec<std::ffi::CString> = [0, 0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 18, 31, 33, 70, 130, 300]
        .iter()
        .map(|&len| (0..len).map(|at| b' ' + (at % 95) as u8).collect::<Vec<u8>>())
        .map(|text| std::ffi::CString::new(text).unwrap())
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
            let behind = if size > 0 { GUARDED + kept + 1 } else { end };
            let good = result == needed as i64
                && memory[GUARDED..GUARDED + kept] == expected[..kept]
                && (size == 0 || memory[GUARDED + kept] == 0)
                && memory[..GUARDED].iter().chain(&memory[behind..end + GUARDED]).all(|&byte| byte == GUARD);
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

/// Prints into a buffer that is large enough and answers the text.
#[track_caller]
fn text(format: &str, values: &[Value<'_>]) -> String {
    let mut out = [GUARD; 256];
    let len = snprintf(&mut out, format.as_bytes(), Values(values)).unwrap();
    assert_eq!(out[len], 0, "not terminated");
    String::from_utf8(out[..len].to_vec()).unwrap()
}

/// One line of a transcript: format, arguments => text.
macro_rules! prints {
    ($($format:literal $(, $value:expr)* => $text:literal;)*) => {
        $(assert_eq!(text($format, &[$(Value::from($value)),*]), $text, "{:?}", $format);)*
    };
}

const NULL: Value<'static> = Value::Text(None);

#[test]
fn integers_are_cut_to_their_length_and_keep_their_sign() {
    prints! {
        "%hhd %hhd %hhu", 0x17f, 0x80, -1 => "127 -128 255";
        "%hd %hd %hu", 0x1_7fff, 0x8000, -1 => "32767 -32768 65535";
        "%d %i %u", i32::MIN, i32::MAX, -1 => "-2147483648 2147483647 4294967295";
        "%d", 0x1_0000_0000_i64 => "0";
        "%ld %lld %qd", i64::MIN, i64::MAX, -1_i64 => "-9223372036854775808 9223372036854775807 -1";
        "%jd %zd %td", -1_i64, -2_isize, -3_isize => "-1 -2 -3";
        "%lu %lo", u64::MAX, u64::MAX => "18446744073709551615 1777777777777777777777";
        "%D %U %O", -5_i64, u64::MAX, 8 => "-5 18446744073709551615 10";
        "%x %X", 0xdead_beef_u32, 0xdead_beef_u32 => "deadbeef DEADBEEF";
    }
}

#[test]
fn flags_widths_and_precisions_are_those_of_c() {
    prints! {
        "%5d|%s", 42, "next" => "   42|next";
        "%-5d|%05d|%+d|% d", 42, 42, 42, 42 => "42   |00042|+42| 42";
        "%05d|%-05d|%05.3d", -42, -42, -42 => "-0042|-42  | -042";
        "%#x %#X %#o %#x %#o", 255, 255, 8, 0, 0 => "0xff 0XFF 010 0 0";
        "%#08x|%#-8x|%#.3o", 255, 255, 8 => "0x0000ff|0xff    |010";
        "%.0d|%.0x|%#.0o|%+.0d", 0, 0, 0, 0 => "||0|+";
        "%*d|%*d|%.*d|%.*d", 4, 1, -4, 1, 3, 1, -1, 1 => "   1|1   |001|1";
        "%.2s|%5.1s|%-5s|%.0s|%.*s", "abc", "abc", "ab", "abc", -1, "abc" => "ab|    a|ab   ||abc";
        "%3c|%-3c|%c", 'a' as i32, 'b' as i32, 0x141 => "  a|b  |A";
    }
}

#[test]
fn what_c_leaves_open_is_as_on_macos() {
    prints! {
        "%s|%.3s|%8s", NULL, NULL, NULL => "(null)|(nu|  (null)";
        "%p|%6p|%-6p|%p", NULL, NULL, NULL, 0x10_u64 => "0x0|   0x0|0x0   |0x10";
        "%+p % p %8.4p", 1, 1, 0x1f => "0x1 0x1   0x001f";
        "%05s|%05c|%-05s|", "ab", 'c' as i32, "ab" => "000ab|0000c|ab   |";
        "%%|%3%|%-3%|" => "%|  %|%  |";
        "%y|%3y|%d", 7 => "y|  y|7";
        "%5-d|%-5+d|%l5d", 1, 2, 3 => "1    |+2   |    3";
        "%hld %lhhu", 0x1_0000_0001_i64, 0x1ff => "4294967297 511";
        "%Ld", 0x1_0000_0002_i64 => "2";
        "%'d", 1_234_567 => "1234567";
    }
}

#[test]
fn format_that_ends_inside_a_conversion_ends_the_text() {
    prints! {
        "" => "";
        "a%" => "a";
        "a%l" => "a";
        "%d%-+ #0'10.5ll", 1 => "1";
        "%d%*", 1, 2 => "1";
        "%." => "";
    }
    // Nothing behind the end is looked at: the next page cannot be read.
    let page = Page::new();
    for format in ["%", "%l", "%5", "%.", "%*", "%-", "abcdefg%", "%hh", "%l%", "%%", "abcdefgh", "%q"] {
        let at = page.tail(format.as_bytes());
        snprintf(&mut [0; 64], at, Values(&[])).unwrap();
    }
}

#[test]
fn conversions_that_are_not_done_take_their_argument_and_stay_visible() {
    prints! {
        "%f|%.3Lg|%d", 1, 2, 3 => "%f|%.3Lg|3";
        "%ls|%S|%lc|%C|%d", 1, 2, 3, 4, 5 => "%ls|%S|%lc|%C|5";
        "%n%d", 1, 2 => "2";
        "%-5hhn%d", 1, 2 => "2";
    }
}

#[test]
fn store_conversion_stores_nothing() {
    let mut target = 0x55_u64;
    let words = [(&raw mut target).expose_provenance() as u64, 7];
    let mut out = [0; 16];
    // SAFETY: the buffer has 16 bytes.
    assert_eq!(unsafe { c_snprintf(out.as_mut_ptr(), 16, c"ab%n%d", &words) }, 3);
    assert_eq!((target, &out[..4]), (0x55, &b"ab7\0"[..]));
}

#[test]
fn rust_arguments_that_do_not_fit_are_harmless() {
    prints! {
        "%d %s %x %p" => "0 (null) 0 0x0";
        "%s", 0xdead_i64 => "(null)";
    }
    assert!(text("%p", &["text".into()]).starts_with("0x"));
}

#[test]
fn text_over_int_max_is_an_overflow_and_still_terminated() {
    let glibc = |format: &CStr| {
        // SAFETY: size 0 writes nothing; the only argument is an int.
        unsafe { glibc_snprintf(std::ptr::null_mut(), 0, format, &[1; 16]) }
    };
    for format in [
        c"%2147483647d",
        c"%2147483647dx",
        c"x%2147483647d",
        c"%2147483648d",
        c"%.2147483648d",
        c"%1073741824d%1073741823d",
        c"%1073741824d%1073741824d",
        c"%99999999999999999999999999d",
        c"%.99999999999999999999999999d",
    ] {
        let ours = snprintf(&mut [], format.to_bytes(), Values(&[1.into(), 1.into()]));
        assert_eq!(ours.map_or(-1, |len| len as i64), glibc(format), "{format:?}");
    }
    let mut out = [GUARD; 8];
    let values = [i32::MIN.into(), 1.into()];
    assert_eq!(snprintf(&mut out, b"abc%*d", Values(&values)), Err(Error::Overflow));
    assert_eq!(&out[..5], b"abc\0\xa5");
    assert_eq!(snprintf(&mut out[..3], b"abc%2147483648d", Values(&values)), Err(Error::Overflow));
    assert_eq!(&out[..4], b"ab\0\0");
}

#[test]
fn size_zero_does_not_look_at_the_buffer() {
    // SAFETY: of size 0 the pointer is not used.
    assert_eq!(unsafe { c_snprintf(std::ptr::null_mut(), 0, c"%5d!", &[1]) }, 6);
    assert_eq!(snprintf(&mut [], b"%s", Values(&["text".into()])), Ok(4));
}

#[test]
fn unbounded_buffer_gets_the_text_and_nothing_behind_its_nul() {
    let mut out = [GUARD; 64];
    // SAFETY: the text has fewer than 64 bytes.
    let mut buffer = unsafe { CBuffer::unbounded(out.as_mut_ptr()) };
    format(&mut buffer, b"%s %5d %x", &mut Values(&["abc".into(), 12.into(), 0xff.into()])).unwrap();
    buffer.terminate();
    assert_eq!(&out[..13], b"abc    12 ff\0");
    assert!(out[13..].iter().all(|&byte| byte == GUARD));
}

/// A page that can be written, and behind it one that cannot even be read.
struct Page(*mut u8);

impl Page {
    const BYTES: usize = 4096;

    fn new() -> Page {
        let map = |address, protection, flags| {
            // SAFETY: a fresh mapping, or the second half of this one.
            unsafe { libc::mmap(address, Page::BYTES * 2, protection, flags, -1, 0) }
        };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let start = map(std::ptr::null_mut(), libc::PROT_READ | libc::PROT_WRITE, flags);
        assert_ne!(start, libc::MAP_FAILED);
        let start = start.cast::<u8>();
        // SAFETY: our own page.
        assert_eq!(unsafe { libc::mprotect(start.add(Page::BYTES).cast(), Page::BYTES, libc::PROT_NONE) }, 0);
        Page(start)
    }

    /// Puts `bytes` at the very end of the page and lends them.
    fn tail(&self, bytes: &[u8]) -> &mut [u8] {
        // SAFETY: inside our own page; callers use one tail at a time.
        let tail =
            unsafe { std::slice::from_raw_parts_mut(self.0.add(Page::BYTES - bytes.len()), bytes.len()) };
        tail.copy_from_slice(bytes);
        tail
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`.
        unsafe { libc::munmap(self.0.cast(), Page::BYTES * 2) };
    }
}

#[test]
fn strings_at_the_end_of_memory_are_not_read_past_their_end() {
    let page = Page::new();
    let mut out = vec![0; Page::BYTES * 2];
    for len in (1..200).chain([511, 512, 513, 640, 767, 768, 1000, 2048, 4000, Page::BYTES]) {
        let unterminated = vec![b'x'; len];
        let tail = page.tail(&unterminated);
        // SAFETY: a precision of `len` and so many bytes.
        let printed = unsafe {
            let words = [len as u64, tail.as_ptr().expose_provenance() as u64];
            c_snprintf(out.as_mut_ptr(), out.len(), c"%.*s", &words)
        };
        assert_eq!((printed, &out[..len]), (len as i64, &unterminated[..]));
        tail[len - 1] = 0;
        // SAFETY: now terminated.
        assert_eq!(
            unsafe { (cstr::strlen(tail.as_ptr()), cstr::bytes(tail.as_ptr()).len()) },
            (len - 1, len - 1)
        );
    }
}

#[test]
fn numbers_are_read_up_to_the_first_other_byte() {
    assert_eq!(atoi(b"42 rest"), (42, 2));
    assert_eq!(atoi(b"007"), (7, 3));
    for nothing in [&b""[..], b" 1", b"-1", b"+1", b"x", b"\xb1"] {
        assert_eq!(atoi(nothing), (0, 0), "{nothing:?}");
    }
    assert_eq!(atoi16(b"FFff-"), (0xffff, 4));
    assert_eq!(atoi16(b"7fffe0000000 rw"), (0x7fff_e000_0000, 12));
    assert_eq!(atoi16(b"0x10"), (0, 1));
    assert_eq!(atoi16(b"g"), (0, 0));
}

#[test]
fn numbers_too_large_stop_at_the_largest() {
    assert_eq!(atoi(b"18446744073709551615"), (u64::MAX, 20));
    assert_eq!(atoi(b"18446744073709551616,"), (u64::MAX, 20));
    assert_eq!(atoi(b"99999999999999999999999990"), (u64::MAX, 26));
    assert_eq!(atoi16(b"ffffffffffffffff"), (u64::MAX, 16));
    assert_eq!(atoi16(b"10000000000000000"), (u64::MAX, 17));
}

/// A Linux whose `read` and `write` follow a plan, and end the test when it is used up.
struct Plan {
    /// What each call answers: an error, or how many bytes at most it moves.
    answers: RefCell<Vec<Result<usize, Errno>>>,
    fd: usize,
    input: RefCell<Vec<u8>>,
    output: RefCell<Vec<u8>>,
}

impl Plan {
    fn new(fd: usize, input: &[u8], answers: &[Result<usize, Errno>]) -> Plan {
        let answers = answers.iter().rev().copied().collect();
        let input = RefCell::new(input.to_vec());
        Plan { answers: RefCell::new(answers), fd, input, output: RefCell::new(Vec::new()) }
    }

    #[track_caller]
    fn assert_done(&self, output: impl AsRef<[u8]> + Debug) {
        assert_eq!(self.answers.borrow().len(), 0, "calls missing");
        assert_eq!(*self.output.borrow(), output.as_ref());
    }
}

impl Kernel for Plan {
    unsafe fn syscall(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
        let answer = self.answers.borrow_mut().pop().expect("a call more than planned")?;
        match (nr, args) {
            (Sysno::Read, [Arg::Val(fd), Arg::Out(to), Arg::Val(len)])
                if *fd == self.fd && *len == to.len() =>
            {
                let mut input = self.input.borrow_mut();
                let count = answer.min(to.len()).min(input.len());
                to[..count].copy_from_slice(&input[..count]);
                input.drain(..count);
                Ok(count)
            }
            (Sysno::Write, [Arg::Val(fd), Arg::In(from), Arg::Val(len)])
                if *fd == self.fd && *len == from.len() =>
            {
                let count = answer.min(from.len());
                self.output.borrow_mut().extend_from_slice(&from[..count]);
                Ok(count)
            }
            other => panic!("{other:?}"),
        }
    }

    fn copy_in(&self, _: UserAddr, _: &mut [u8]) -> Result<(), Fault> {
        Err(Fault)
    }

    fn copy_out(&self, _: UserAddr, _: &[u8]) -> Result<(), Fault> {
        Err(Fault)
    }
}

const ALL: Result<usize, Errno> = Ok(usize::MAX);

#[test]
fn short_print_is_one_write() {
    let plan = Plan::new(1, b"", &[ALL]);
    assert_eq!(printf(&plan, b"%s: %5d\n", Values(&["name".into(), 7.into()])), Ok(12));
    plan.assert_done("name:     7\n");
}

#[test]
fn write_goes_on_after_a_short_count_and_a_signal() {
    let plan = Plan::new(2, b"", &[Ok(3), Err(Errno::EINTR), Ok(1), ALL]);
    assert_eq!(fprintf(&plan, 2, b"%s", Values(&["abcdefgh".into()])), Ok(8));
    plan.assert_done("abcdefgh");
}

#[test]
fn write_error_ends_the_print() {
    let plan = Plan::new(5, b"", &[Err(Errno::EBADF)]);
    assert_eq!(fprintf(&plan, 5, b"x", Values(&[])), Err(Error::Sink(Errno::EBADF)));
    plan.assert_done("");
    let plan = Plan::new(5, b"", &[Ok(100), Err(Errno::EPIPE)]);
    let long = "x".repeat(2000);
    assert_eq!(
        fprintf(&plan, 5, b"%s tail", Values(&[long.as_str().into()])),
        Err(Error::Sink(Errno::EPIPE))
    );
    plan.assert_done(&long[..100]);
    let plan = Plan::new(5, b"", &[Ok(0)]);
    assert_eq!(fprintf(&plan, 5, b"x", Values(&[])), Err(Error::Sink(Errno::EIO)));
}

#[test]
fn long_print_is_complete_and_in_order() {
    for len in [500, 511, 512, 513, 1024, 1025, 5000] {
        let plan = Plan::new(1, b"", &[ALL; 100]);
        let long = "y".repeat(len);
        let values = [1.into(), long.as_str().into(), 2.into(), 700.into(), 3.into()];
        let result = printf(&plan, b"<%d %s %d>%*d", Values(&values));
        let expected = format!("<1 {long} 2>{:700}", 3);
        assert_eq!(result, Ok(expected.len()));
        assert_eq!(*plan.output.borrow(), expected.as_bytes());
        let writes = 100 - plan.answers.borrow().len();
        assert!(writes <= expected.len() / 256 + 3, "{writes} writes for {} bytes", expected.len());
    }
}

#[test]
fn print_that_overflows_still_delivers_the_fields_before() {
    let plan = Plan::new(1, b"", &[ALL]);
    assert_eq!(printf(&plan, b"ab%2147483648d", Values(&[1.into()])), Err(Error::Overflow));
    plan.assert_done("ab");
}

/// A module that keeps what is printed into its log.
struct Log(RefCell<Vec<Vec<u8>>>, Result<isize, Errno>);

impl Lkm for Log {
    fn call_raw(&self, trap: Trap, arg: TrapArg<'_>) -> Result<isize, Errno> {
        assert_eq!(trap, Trap::KernelPrintk);
        let TrapArg::Struct(bytes) = arg else { panic!("{arg:?}") };
        self.0.borrow_mut().push(bytes.to_vec());
        self.1
    }
}

#[test]
fn kernel_log_gets_one_structure_cut_to_its_size() {
    let log = Log(RefCell::default(), Ok(0));
    assert_eq!(kprintf(&log, b"%s %d", Values(&["panic".into(), 7.into()])), Ok(7));
    let long = "z".repeat(600);
    assert_eq!(kprintf(&log, b"%s", Values(&[long.as_str().into()])), Ok(600));
    let entries = log.0.into_inner();
    assert_eq!(entries.len(), 2);
    assert_eq!((&entries[0][..8], entries[0].len()), (&b"panic 7\0"[..], KPRINTF_BYTES));
    assert!(entries[0][8..].iter().all(|&byte| byte == 0), "stack contents in the log");
    assert_eq!(entries[1], [long[..511].as_bytes(), b"\0"].concat());
}

#[test]
fn kernel_log_error_is_reported() {
    let log = Log(RefCell::default(), Err(Errno::EFAULT));
    assert_eq!(kprintf(&log, b"x", Values(&[])), Err(Error::Sink(Errno::EFAULT)));
}

/// All lines of `input`, read through a buffer and an output of these sizes, each as its text and whether it was
/// complete. The reader is made anew for each line, as a C shim does.
fn lines(input: &[u8], answers: &[Result<usize, Errno>], buffer: usize, out: usize) -> Vec<(String, bool)> {
    let plan = Plan::new(9, input, answers);
    let (mut buffer, mut used) = (vec![0; buffer], 0);
    let mut out = vec![GUARD; out];
    let mut lines = Vec::new();
    loop {
        let mut reader = LineReader::resume(&mut buffer, used);
        let line = reader.read_line(&plan, 9, &mut out).unwrap();
        used = reader.used();
        let Some(Line { text, complete }) = line else { return lines };
        lines.push((String::from_utf8(text.to_vec()).unwrap(), complete));
    }
}

fn whole(texts: &[&str]) -> Vec<(String, bool)> {
    texts.iter().map(|&text| (text.to_owned(), true)).collect()
}

#[test]
fn lines_are_the_same_for_every_size_of_buffer_and_read() {
    for buffer in 1..20 {
        for count in 1..20 {
            let answers = [Ok(count); 60];
            let found = lines(b"one\n\n\nlonger line\nx\n", &answers, buffer, 64);
            assert_eq!(
                found,
                whole(&["one", "", "", "longer line", "x"]),
                "buffer {buffer}, reads of {count}"
            );
        }
    }
}

#[test]
fn last_line_without_newline_is_delivered_as_incomplete() {
    assert_eq!(lines(b"a\nb", &[ALL; 9], 16, 16), [("a".to_owned(), true), ("b".to_owned(), false)]);
    assert_eq!(lines(b"", &[ALL; 9], 16, 16), []);
}

#[test]
fn line_longer_than_the_output_comes_in_pieces() {
    for buffer in 1..12 {
        let found = lines(b"abcdefgh\nabcd\nx\n", &[ALL; 40], buffer, 4);
        let pieces = [("abcd", false), ("efgh", true), ("abcd", true), ("x", true)];
        assert_eq!(found, pieces.map(|(text, complete)| (text.to_owned(), complete)), "buffer {buffer}");
    }
}

#[test]
fn interrupted_read_is_repeated_and_an_error_comes_after_the_text_before_it() {
    let interrupted = [Err(Errno::EINTR), Ok(1), Err(Errno::EINTR), Err(Errno::EINTR), ALL, ALL];
    assert_eq!(lines(b"ab\n", &interrupted, 8, 8), whole(&["ab"]));

    let plan = Plan::new(9, b"abc", &[Ok(2), Err(Errno::EIO), Err(Errno::EIO)]);
    let (mut buffer, mut out) = ([0; 8], [0; 8]);
    let mut reader = LineReader::new(&mut buffer);
    assert_eq!(reader.read_line(&plan, 9, &mut out), Ok(Some(Line { text: b"ab", complete: false })));
    assert_eq!(reader.read_line(&plan, 9, &mut out), Err(Errno::EIO));
    plan.assert_done("");
}

#[test]
fn reader_without_room_is_invalid_and_reads_nothing() {
    let plan = Plan::new(9, b"a\n", &[]);
    assert_eq!(LineReader::new(&mut [0; 8]).read_line(&plan, 9, &mut []), Err(Errno::EINVAL));
    assert_eq!(LineReader::new(&mut []).read_line(&plan, 9, &mut [0; 8]), Err(Errno::EINVAL));
}
