//! Lines from a descriptor.

use super::fd;
use super::sink::copy;
use crate::kernel::Kernel;
use xnu_abi::linux::Errno;

/// What [`LineReader::read_line`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line<'o> {
    /// The text without its newline. Any byte but a newline may be in it, NUL included.
    pub text: &'o [u8],
    /// Whether a newline ended it. If not, the line is longer than the output and goes on in the next call, or the
    /// file ended or failed behind the text.
    pub complete: bool,
}

/// Reads a descriptor line by line with a buffer of the caller's: `__simple_readline`.
///
/// Between two calls the bytes that have been read ahead are the first [`LineReader::used`] of the buffer, and there is
/// no other state: a C structure of a buffer and a count can keep it.
#[derive(Debug)]
pub struct LineReader<'b> {
    buffer: &'b mut [u8],
    used: usize,
}

impl<'b> LineReader<'b> {
    /// Starts with nothing read.
    pub fn new(buffer: &'b mut [u8]) -> LineReader<'b> {
        LineReader { buffer, used: 0 }
    }

    /// Goes on where another reader stopped, whose buffer and [`LineReader::used`] these are.
    pub fn resume(buffer: &'b mut [u8], used: usize) -> LineReader<'b> {
        let used = used.min(buffer.len());
        LineReader { buffer, used }
    }

    /// How many bytes at the front of the buffer are read and not yet delivered.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Reads the next line of `fd` into `out`; `None` at the end of the file. An empty line is an empty text.
    ///
    /// A line longer than `out` comes in pieces. Whether the line ends behind a full `out` is read ahead, so a piece
    /// that is not complete has more text behind it.
    ///
    /// # Errors
    /// Those of `read` (`man 2 read`) but EINTR, which is repeated. Text before the error comes first, as an
    /// incomplete line. EINVAL if `out` or the buffer has no byte.
    pub fn read_line<'o, K: Kernel + ?Sized>(
        &mut self,
        kernel: &K,
        fd: i32,
        out: &'o mut [u8],
    ) -> Result<Option<Line<'o>>, Errno> {
        if out.is_empty() || self.buffer.is_empty() {
            return Err(Errno::EINVAL);
        }
        let mut len: usize = 0;
        let complete = loop {
            let ahead = self.buffer.get(..self.used).unwrap_or_default();
            let room = out.get_mut(len..).unwrap_or_default();
            let line_end = ahead.iter().position(|&byte| byte == b'\n');
            let piece = line_end.unwrap_or(ahead.len()).min(room.len());
            copy(room, ahead.get(..piece).unwrap_or_default());
            len = len.saturating_add(piece);
            if line_end == Some(piece) {
                self.drop_front(piece.saturating_add(1));
                break true;
            }
            self.drop_front(piece);
            if self.used > 0 {
                break false;
            }
            match fd::read(kernel, fd, self.buffer) {
                Ok(0) if len == 0 => return Ok(None),
                Ok(0) => break false,
                Ok(count) => self.used = count,
                Err(error) if len == 0 => return Err(error),
                Err(_) => break false,
            }
        };
        let out: &'o [u8] = out;
        Ok(Some(Line { text: out.get(..len).unwrap_or_default(), complete }))
    }

    /// Forgets `count` bytes that have been delivered and moves the rest to the front.
    fn drop_front(&mut self, count: usize) {
        let count = count.min(self.used);
        if count < self.used {
            self.buffer.copy_within(count..self.used, 0);
        }
        self.used = self.used.saturating_sub(count);
    }
}
