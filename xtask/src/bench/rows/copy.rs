//! Copies from guest memory against memcpy. No address is bad here, so no handler is needed.
//!
//! # Safety
//! The other side copies between two places of the same length.
#![allow(unsafe_code)]

use super::{Row, Side};
use std::hint::black_box;
use xnu_backend_linux::Linux;
use xnu_core::{Kernel, UserAddr};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "copy-in-16",
        what: "copy_in of 16 bytes",
        against: "memcpy",
        goal: 1.3,
        sides: || Ok(copy_in(16)),
    },
    Row {
        name: "copy-in-144",
        what: "copy_in of 144 bytes (a struct stat)",
        against: "memcpy",
        goal: 3.0,
        sides: || Ok(copy_in(144)),
    },
    Row {
        name: "copy-in-4096",
        what: "copy_in of 4 KiB",
        against: "memcpy",
        goal: 1.1,
        sides: || Ok(copy_in(4096)),
    },
];

/// Both sides copy between the same two places: how fast a long copy is depends on how they lie to each other.
#[repr(align(4096))]
struct Place {
    to: [u8; 4096],
    _gap: [u8; 1024],
    from: [u8; 4096],
}

fn copy_in(length: usize) -> (Side, Side) {
    let place = Box::leak(Box::new(Place { to: [0; _], _gap: [0; _], from: [7; _] }));
    let (to, from) = (place.to.as_mut_ptr(), place.from.as_ptr());
    let linux = Linux::new();
    linux.handle_faults();
    let ours = move || {
        // SAFETY: the place lives as long as the process, and only this thread uses it.
        let to = unsafe { std::slice::from_raw_parts_mut(black_box(to), black_box(length)) };
        linux.copy_in(UserAddr::new(black_box(from) as u64), to)
    };
    let theirs = move || {
        // SAFETY: two places of at least that length that do not overlap.
        unsafe { libc::memcpy(black_box(to).cast(), black_box(from).cast(), black_box(length)) }
    };
    (Side::call(ours), Side::call(theirs))
}
