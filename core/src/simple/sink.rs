//! Where formatted text goes.

use core::convert::Infallible;

/// Takes formatted text, piece by piece and in order.
///
/// # For implementers
/// `write` is the only required method. A sink into memory should offer [`Sink::window`] too: it saves a copy of
/// every number.
pub trait Sink {
    /// Why a piece could not be taken. The formatter stops at the first error.
    type Error;

    /// Takes all of `bytes`. A sink that has a limit drops what is beyond it and still answers `Ok`.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Takes `byte`, `count` times over.
    fn fill(&mut self, byte: u8, mut count: usize) -> Result<(), Self::Error> {
        let run = [byte; 64];
        while count > 0 {
            let piece = run.get(..count).unwrap_or(&run);
            self.write(piece)?;
            count = count.saturating_sub(piece.len());
        }
        Ok(())
    }

    /// Lends the place of the next `len` bytes, all of which the caller then sets; `None` where they do not fit in
    /// one piece and must be written.
    #[inline(always)]
    fn window(&mut self, len: usize) -> Option<&mut [u8]> {
        let _ = len;
        None
    }
}

/// Text into a slice, as `snprintf` does: what does not fit is dropped, and one byte is kept for the NUL.
#[derive(Debug)]
pub struct Buffer<'a> {
    /// What is left, including the place of the NUL; empty only if the whole buffer was.
    room: &'a mut [u8],
}

impl<'a> Buffer<'a> {
    /// Starts at the front of `out`.
    #[inline(always)]
    pub fn new(out: &'a mut [u8]) -> Buffer<'a> {
        Buffer { room: out }
    }

    /// Ends the text with a NUL, if the buffer has any byte at all.
    #[inline(always)]
    pub fn terminate(self) {
        if let Some(first) = self.room.first_mut() {
            *first = 0;
        }
    }

    /// The next bytes, `len` of them or as many as fit.
    #[inline(always)]
    fn take(&mut self, len: usize) -> &'a mut [u8] {
        let len = len.min(self.room.len().saturating_sub(1));
        match core::mem::take(&mut self.room).split_at_mut_checked(len) {
            Some((taken, rest)) => {
                self.room = rest;
                taken
            }
            // `len` is at most the length.
            None => &mut [],
        }
    }
}

impl Sink for Buffer<'_> {
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
        self.take(count).fill(byte);
        Ok(())
    }

    #[inline(always)]
    fn window(&mut self, len: usize) -> Option<&mut [u8]> {
        if len < self.room.len() { Some(self.take(len)) } else { None }
    }
}

/// Copies as much of the front of `from` as `to` holds. Pieces of a format are mostly shorter than a call of `memcpy`
/// is worth.
#[inline(always)]
pub(super) fn copy(to: &mut [u8], from: &[u8]) {
    let len = to.len().min(from.len());
    let (Some(to), Some(from)) = (to.get_mut(..len), from.get(..len)) else { return };
    match len {
        0 => {}
        1 => both_ends::<1>(to, from),
        2..=4 => both_ends::<2>(to, from),
        5..=8 => both_ends::<4>(to, from),
        9..=16 => both_ends::<8>(to, from),
        17..=32 => both_ends::<16>(to, from),
        _ => to.copy_from_slice(from),
    }
}

/// Copies `N..=2 * N` bytes as a first and a last piece of `N`, which may overlap.
#[inline(always)]
fn both_ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) else { return };
    if let Some(to) = to.first_chunk_mut::<N>() {
        *to = *first;
    }
    if let Some(to) = to.last_chunk_mut::<N>() {
        *to = *last;
    }
}
