//! C strings and C buffers: what a shim needs to lend raw pointers to the safe code beside this file.
//!
//! # Safety
//! The C caller guarantees what C's own functions ask of it: a string is readable up to its NUL (or up to the
//! precision), a buffer is writable up to its size (or as far as the text reaches), and neither changes under the
//! call. Each function names the part that it relies on.
#![allow(unsafe_code)]

use super::args::Args;
use super::nul;
use super::sink::{Sink, copy};
use core::convert::Infallible;
use core::ptr::NonNull;

/// The length of a C string.
///
/// # Safety
/// `string` points to bytes that end with a NUL.
#[inline]
pub unsafe fn strlen(string: *const u8) -> usize {
    // SAFETY: the caller's promise; without a limit the NUL ends the scan.
    unsafe { strnlen(string, usize::MAX) }
}

/// The length of a C string, or `limit` if there is no NUL in so many bytes.
///
/// # Safety
/// `string` points to bytes that end with a NUL or are at least `limit` many.
#[inline]
pub unsafe fn strnlen(string: *const u8, limit: usize) -> usize {
    if limit == 0 {
        return 0;
    }
    // SAFETY: at least one byte is there, and the rest is the caller's promise.
    unsafe { nul::find(string, limit) }
}

/// The bytes of a C string, without its NUL.
///
/// # Safety
/// As for [`strlen`]; the string neither moves nor changes while the result lives.
#[inline]
pub unsafe fn bytes<'a>(string: *const u8) -> &'a [u8] {
    // SAFETY: so many bytes are readable, as the scan has just read them.
    unsafe { core::slice::from_raw_parts(string, strlen(string)) }
}

/// Text into C memory: a buffer of `size` bytes, or one that the caller says is large enough.
#[derive(Debug)]
pub struct CBuffer {
    next: NonNull<u8>,
    /// Bytes left, including the place of the NUL; 0 only if the buffer has no byte at all.
    room: usize,
}

impl CBuffer {
    /// Starts at the front of a buffer, as `snprintf` does. A null pointer or a `size` of 0 is no buffer: the text is
    /// only counted.
    ///
    /// # Safety
    /// `size` bytes from `out` on, or as many as the text and its NUL have, are writable and nobody else's until the
    /// value is gone, and no argument of the print points there.
    #[inline(always)]
    pub unsafe fn new(out: *mut u8, size: usize) -> CBuffer {
        match NonNull::new(out) {
            Some(next) => CBuffer { next, room: size },
            None => CBuffer { next: NonNull::dangling(), room: 0 },
        }
    }

    /// Starts at the front of a buffer whose size is not known, as `sprintf` does.
    ///
    /// # Safety
    /// As for [`CBuffer::new`], with room for all of the text and its NUL.
    #[inline(always)]
    pub unsafe fn unbounded(out: *mut u8) -> CBuffer {
        // SAFETY: the caller's promise.
        unsafe { CBuffer::new(out, usize::MAX) }
    }

    /// Ends the text with a NUL, if the buffer has any byte at all.
    #[inline(always)]
    pub fn terminate(self) {
        if self.room > 0 {
            // SAFETY: `window` keeps one byte of the buffer for this.
            unsafe { self.next.write(0) }
        }
    }

    /// The next bytes, `len` of them or as many as fit.
    #[cold]
    fn take(&mut self, len: usize) -> &mut [u8] {
        self.window(len.min(self.room.saturating_sub(1))).unwrap_or_default()
    }
}

impl Sink for CBuffer {
    type Error = Infallible;

    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        match self.window(bytes.len()) {
            Some(window) => copy(window, bytes),
            None => copy(self.take(bytes.len()), bytes),
        }
        Ok(())
    }

    #[inline(always)]
    fn fill(&mut self, byte: u8, count: usize) -> Result<(), Infallible> {
        match self.window(count) {
            Some(window) => window.fill(byte),
            None => self.take(count).fill(byte),
        }
        Ok(())
    }

    #[inline(always)]
    fn window(&mut self, len: usize) -> Option<&mut [u8]> {
        if len >= self.room {
            return None;
        }
        let window = self.next;
        self.room = self.room.wrapping_sub(len);
        // SAFETY: `len` bytes and one more are inside the buffer that `new` was promised; each byte is lent once.
        unsafe {
            self.next = window.add(len);
            Some(core::slice::from_raw_parts_mut(window.as_ptr(), len))
        }
    }
}

/// Arguments as C passes them, one 64-bit slot each: integers, and addresses of C strings.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    words: &'a [u64],
}

impl<'a> Words<'a> {
    /// Takes the slots in order; what is missing at the end reads as 0.
    ///
    /// # Safety
    /// Every slot that the format takes for a string is 0 or the address of one that [`strnlen`] may scan with the
    /// conversion's precision as limit, and that does not change during the print.
    #[inline(always)]
    pub unsafe fn new(words: &'a [u64]) -> Words<'a> {
        Words { words }
    }
}

impl Args for Words<'_> {
    #[inline(always)]
    fn word(&mut self) -> u64 {
        let Some((first, rest)) = self.words.split_first() else { return 0 };
        self.words = rest;
        *first
    }

    #[inline(always)]
    fn text(&mut self, limit: usize) -> Option<&[u8]> {
        let string = core::ptr::with_exposed_provenance::<u8>(self.word() as usize);
        if string.is_null() {
            return None;
        }
        // SAFETY: promised to `new`.
        unsafe { Some(core::slice::from_raw_parts(string, strnlen(string, limit))) }
    }

    #[inline(always)]
    fn skip_float(&mut self, long: bool) {
        self.word();
        if long {
            self.word();
        }
    }
}
