//! Edge cases: format and arguments, and the text that comes out.

use crate::{GUARD, Page, c_snprintf, glibc_snprintf};
use xnu_core::simple::cstr::{self, CBuffer};
use xnu_core::simple::{self, Error, Value, Values, snprintf};

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
fn every_count_of_digits_is_right_at_its_edges() {
    let powers = (0..20).map(|n| 10_u64.pow(n)).chain((0..64).map(|n| 1 << n));
    for value in powers.flat_map(|power| [power - 1, power, power.saturating_add(1)]).chain([u64::MAX]) {
        assert_eq!(text("%lu", &[value.into()]), format!("{value}"));
        assert_eq!(text("%ld", &[value.into()]), format!("{}", value as i64));
        assert_eq!(
            text("%d %u", &[value.into(), value.into()]),
            format!("{} {}", value as i32, value as u32)
        );
        assert_eq!(text("%p %x", &[value.into(), value.into()]), format!("{value:#x} {:x}", value as u32));
        assert_eq!(text("%lX %lo", &[value.into(), value.into()]), format!("{value:X} {value:o}"));
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
    let mut page = Page::new();
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
    // glibc says the same, but fills gigabytes to find out; it is asked where it answers at once.
    for (format, expected) in [
        (c"%2147483647d", 0x7fff_ffff),
        (c"%2147483647dx", -1),
        (c"x%2147483647d", -1),
        (c"%1073741824d%1073741823d", 0x7fff_ffff),
        (c"%1073741824d%1073741824d", -1),
        (c"%.2147483647d", 0x7fff_ffff),
        (c"%+.2147483647d", -1),
    ] {
        let ours = snprintf(&mut [], format.to_bytes(), Values(&[1.into(), 1.into()]));
        assert_eq!(ours.map_or(-1, |len| len as i64), expected, "{format:?}");
    }
    for format in
        [c"%2147483648d", c"%.2147483648d", c"%99999999999999999999999999d", c"%.99999999999999999999999999d"]
    {
        // SAFETY: size 0 writes nothing; the only argument is an int.
        let glibc = unsafe { glibc_snprintf(std::ptr::null_mut(), 0, format, &[1; 16]) };
        let ours = snprintf(&mut [], format.to_bytes(), Values(&[1.into()]));
        assert_eq!((ours, glibc), (Err(Error::Overflow), -1), "{format:?}");
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
    simple::format(&mut buffer, b"%s %5d %x", &mut Values(&["abc".into(), 12.into(), 0xff.into()])).unwrap();
    buffer.terminate();
    assert_eq!(&out[..13], b"abc    12 ff\0");
    assert!(out[13..].iter().all(|&byte| byte == GUARD));
}

#[test]
fn strings_at_the_end_of_memory_are_not_read_past_their_end() {
    let mut page = Page::new();
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
        let lengths = unsafe { (cstr::strlen(tail.as_ptr()), cstr::bytes(tail.as_ptr()).len()) };
        assert_eq!(lengths, (len - 1, len - 1));
    }
}
