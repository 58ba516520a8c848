//! A file, line by line.

use crate::kernel::Kernel;
use crate::linux::{LinuxFd, LinuxResult, descriptor};

/// The longest line that is told whole.
const LENGTH: usize = 512;

/// The lines of a file, without their ends. Of a longer line the start is told. Closes the file when dropped.
pub struct Lines<'a, K: Kernel> {
    kernel: &'a K,
    file: LinuxFd,
    buf: [u8; LENGTH],
    start: usize,
    filled: usize,
    /// What follows belongs to a line whose start was told.
    is_skipping: bool,
}

impl<K: Kernel> Drop for Lines<'_, K> {
    fn drop(&mut self) {
        // Ours alone, and only read.
        let _ = descriptor::close(self.kernel, self.file);
    }
}

impl<'a, K: Kernel> Lines<'a, K> {
    pub(super) fn new(kernel: &'a K, file: LinuxFd) -> Lines<'a, K> {
        Lines { kernel, file, buf: [0; LENGTH], start: 0, filled: 0, is_skipping: false }
    }

    /// The next line.
    ///
    /// # Errors
    /// Those of reading: `ESRCH` where the process is gone.
    #[allow(clippy::should_implement_trait, reason = "a line lives in the buffer")]
    pub fn next(&mut self) -> LinuxResult<Option<&[u8]>> {
        let (from, to) = loop {
            let rest = self.buf.get(self.start..self.filled).unwrap_or_default();
            if let Some(length) = rest.iter().position(|byte| *byte == b'\n') {
                let from = self.start;
                let to = from.wrapping_add(length);
                self.start = to.wrapping_add(1);
                if core::mem::replace(&mut self.is_skipping, false) {
                    continue;
                }
                break (from, to);
            }
            if self.is_skipping {
                self.start = self.filled;
            }
            self.move_up();
            if self.filled == LENGTH {
                self.is_skipping = true;
                self.start = LENGTH;
                break (0, LENGTH);
            }
            let room = self.buf.get_mut(self.filled..).unwrap_or_default();
            let count = descriptor::read_own(self.kernel, self.file, room)?;
            if count == 0 {
                if self.filled == 0 {
                    return Ok(None);
                }
                self.start = self.filled;
                break (0, self.filled);
            }
            self.filled = self.filled.wrapping_add(count);
        };
        Ok(Some(self.buf.get(from..to).unwrap_or_default()))
    }

    /// Makes room behind what is left.
    fn move_up(&mut self) {
        let count = self.filled.saturating_sub(self.start);
        for at in 0..count {
            let byte = self.buf.get(self.start.wrapping_add(at)).copied().unwrap_or(0);
            if let Some(place) = self.buf.get_mut(at) {
                *place = byte;
            }
        }
        (self.start, self.filled) = (0, count);
    }
}
