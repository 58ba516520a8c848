//! Pipes and fifos. They never block: what would wait answers `EAGAIN`.

use std::collections::VecDeque;

/// The default capacity, 16 pages.
const CAPACITY: usize = 65536;
/// Writes up to this size are never split (`PIPE_BUF`).
const PIPE_BUF: usize = 4096;

/// The buffer between two ends.
#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    bytes: VecDeque<u8>,
    pub(crate) capacity: usize,
    /// How often it was opened for writing.
    pub(crate) writer_opens: u64,
}

impl Pipe {
    pub(crate) fn new() -> Pipe {
        Pipe { bytes: VecDeque::new(), capacity: CAPACITY, writer_opens: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn peek(&self, len: usize) -> Vec<u8> {
        self.bytes.iter().take(len).copied().collect()
    }

    pub(crate) fn consume(&mut self, len: usize) {
        self.bytes.drain(..len);
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// How much of a write of `len` bytes fits now; 0 for "none of it".
    pub(crate) fn room_for(&self, len: usize) -> usize {
        let room = self.capacity - self.bytes.len().min(self.capacity);
        if len <= PIPE_BUF && room < len { 0 } else { room.min(len) }
    }

    /// Whether `poll` says writable: a whole page must fit.
    pub(crate) fn is_writable(&self) -> bool {
        self.capacity >= self.bytes.len() + PIPE_BUF
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }
}
