//! The simple printf against the C library's, both as C calls them: pointers, and every argument a word.
//!
//! # Safety
//! Every format, buffer size and argument here is a constant that fits the others.
#![allow(unsafe_code)]

use super::{Row, Side};
use std::ffi::{CStr, c_char};
use std::hint::black_box;
use xnu_core::simple::cstr::{self, CBuffer, Words};
use xnu_core::simple::{INT_MAX, format};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "printf-mixed",
        what: "simple snprintf \"%s: %d %x %p\"",
        against: "glibc snprintf",
        goal: 0.45,
        sides: || Ok(mixed(Ours::Words)),
    },
    Row {
        name: "printf-decimal",
        what: "simple snprintf, 16 of %d",
        against: "glibc snprintf",
        goal: 0.45,
        sides: || Ok(decimal(Ours::Words)),
    },
    Row {
        name: "printf-string-256",
        what: "simple snprintf %s, 256 bytes",
        against: "glibc snprintf",
        goal: 1.0,
        sides: || Ok(string(256, Ours::Words)),
    },
    Row {
        name: "printf-string-4096",
        what: "simple snprintf %s, 4 KiB",
        against: "glibc snprintf",
        goal: 1.0,
        sides: || Ok(string(4096, Ours::Words)),
    },
    Row {
        name: "linked-printf-mixed",
        what: "__simple_snprintf \"%s: %d %x %p\"",
        against: "glibc snprintf",
        goal: 0.45,
        sides: || Ok(mixed(Ours::Symbol)),
    },
    Row {
        name: "linked-printf-decimal",
        what: "__simple_snprintf, 16 of %d",
        against: "glibc snprintf",
        goal: 0.45,
        sides: || Ok(decimal(Ours::Symbol)),
    },
    Row {
        name: "linked-printf-string-256",
        what: "__simple_snprintf %s, 256 bytes",
        against: "glibc snprintf",
        goal: 1.0,
        sides: || Ok(string(256, Ours::Symbol)),
    },
    Row {
        name: "linked-printf-string-4096",
        what: "__simple_snprintf %s, 4 KiB",
        against: "glibc snprintf",
        goal: 1.0,
        sides: || Ok(string(4096, Ours::Symbol)),
    },
];

/// Which of ours is measured.
#[derive(Clone, Copy)]
enum Ours {
    /// The formatter, over arguments that are words already.
    Words,
    /// The C symbol, with variable arguments.
    Symbol,
}

unsafe extern "C" {
    /// `xnu_capi`'s, whose variable arguments Rust cannot declare there.
    fn __simple_snprintf(out: *mut c_char, size: usize, format: *const c_char, ...) -> i32;
}

/// What the C symbol does with its arguments.
///
/// # Safety
/// As for C's `snprintf`.
#[inline(never)]
unsafe fn simple_snprintf(out: *mut u8, size: usize, text: *const c_char, words: &[u64]) -> i32 {
    // SAFETY: the caller's promise, handed on.
    let (mut buffer, text, mut args) =
        unsafe { (CBuffer::new(out, size), cstr::bytes(text.cast()), Words::new(words)) };
    let result = format(&mut buffer, text, &mut args);
    buffer.terminate();
    match result {
        Ok(len @ 0..=INT_MAX) => len as i32,
        _ => -1,
    }
}

/// Where both sides write, and where a long string stands behind it.
///
/// One place for both: how fast a long copy is depends on how its two ends lie to each other. 1 KiB past a multiple of the
/// page is no lucky and no unlucky distance.
#[repr(align(4096))]
struct Place {
    out: [u8; OUT_BYTES],
    _gap: [u8; 1024],
    string: [u8; 4096 + 1],
}

const OUT_BYTES: usize = 8192;

/// Both sides of one print; the words are told apart for C's variable arguments.
macro_rules! sides {
    ($ours:expr, $place:expr, $format:expr, $($word:expr),+) => {{
        let format: &'static CStr = $format;
        let out: *mut u8 = $place.out.as_mut_ptr();
        let words = move || {
            let words = black_box([$($word as u64),+]);
            // SAFETY: only this thread writes to the place; the format fits the words and the text the place.
            unsafe { simple_snprintf(black_box(out), black_box(OUT_BYTES), black_box(format.as_ptr()), &words) }
        };
        let symbol = move || {
            // SAFETY: as above.
            unsafe {
                __simple_snprintf(
                    black_box(out.cast()), black_box(OUT_BYTES), black_box(format.as_ptr()), $(black_box($word as u64)),+
                )
            }
        };
        (
            match $ours {
                Ours::Words => Side::call(words),
                Ours::Symbol => Side::call(symbol),
            },
            Side::call(move || {
                // SAFETY: as above.
                unsafe {
                    libc::snprintf(
                        black_box(out.cast()), black_box(OUT_BYTES), black_box(format.as_ptr()), $(black_box($word as u64)),+
                    )
                }
            }),
        )
    }};
}

/// A place with a string of `len` bytes. It lives as long as the process, since both sides hold its address.
fn place(len: usize) -> &'static mut Place {
    let place = Box::leak(Box::new(Place { out: [0; _], _gap: [0; _], string: [0; _] }));
    place.string[..len].fill(b'x');
    place
}

fn mixed(ours: Ours) -> (Side, Side) {
    let name = c"libsystem_kernel".as_ptr();
    sides!(
        ours,
        place(0),
        c"%s: %d %x %p",
        name.expose_provenance(),
        1234567_i32,
        0xdead_beef_u32,
        0x7fff_5fbf_f8a0_u64
    )
}

fn decimal(ours: Ours) -> (Side, Side) {
    sides!(
        ours,
        place(0),
        c"%d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d",
        0_i32,
        -1_i32,
        7_i32,
        42_i32,
        100_i32,
        -999_i32,
        1024_i32,
        65536_i32,
        123_456_i32,
        -7_654_321_i32,
        99_999_999_i32,
        i32::MAX,
        i32::MIN,
        31_i32,
        5_000_i32,
        2_000_000_000_i32
    )
}

fn string(len: usize, ours: Ours) -> (Side, Side) {
    let place = place(len);
    let string = place.string.as_ptr().expose_provenance();
    sides!(ours, place, c"%s", string)
}
