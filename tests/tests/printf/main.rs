//! The simple printf: against glibc's with random formats ([`random`]), against macOS's where C leaves the behaviour
//! open ([`transcripts`]), and into descriptors and the kernel log ([`descriptors`]).
//!
//! # Safety
//! Unsafe code in these files calls glibc's `snprintf` and the pointer half of the simple printf. Formats and
//! arguments are made together, and buffers are as large as is said.
#![allow(unsafe_code)]

mod descriptors;
mod random;
mod transcripts;

use std::ffi::CStr;
use xnu_core::simple::cstr::{CBuffer, Words};
use xnu_core::simple::format;

/// What a byte has that must not be written.
pub(crate) const GUARD: u8 = 0xa5;

/// What `__simple_snprintf` does: C's arguments, C's result.
///
/// # Safety
/// As for C's `snprintf`.
pub(crate) unsafe fn c_snprintf(out: *mut u8, size: usize, text: &CStr, words: &[u64]) -> i64 {
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
pub(crate) unsafe fn glibc_snprintf(out: *mut u8, size: usize, text: &CStr, words: &[u64; 16]) -> i64 {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *words;
    // SAFETY: the caller's promise.
    let result = unsafe {
        libc::snprintf(out.cast(), size, text.as_ptr(), a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
    };
    i64::from(result)
}

/// A page that can be written, and behind it one that cannot even be read.
pub(crate) struct Page(*mut u8);

impl Page {
    pub(crate) const BYTES: usize = 4096;

    pub(crate) fn new() -> Page {
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
    pub(crate) fn tail(&mut self, bytes: &[u8]) -> &mut [u8] {
        // SAFETY: inside our own page, which is lent with it.
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
