//! A path as the guest wrote it.

use crate::kernel::Kernel;
use crate::table::{SysResult, UserPath};
use crate::user::UserAddr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::exec::PATH_MAX;

/// Bytes of a path with its terminator.
pub(super) const CAPACITY: usize = PATH_MAX;

/// A copy never runs across more than one page boundary that the string does not reach.
const PAGE: u64 = 4096;

/// Most paths are shorter than this, so one copy gets them.
const PIECE: usize = 256;

/// A path as the guest wrote it, copied out of its memory once. Filled where it stands: it is too large to be moved.
pub struct GuestPath<const ROOM: usize = CAPACITY> {
    bytes: [u8; ROOM],
    length: usize,
}

impl Default for GuestPath {
    fn default() -> Self {
        Self::new()
    }
}

impl GuestPath {
    /// Room for a path.
    #[inline(always)]
    pub const fn new() -> GuestPath {
        GuestPath::with_room()
    }
}

impl<const ROOM: usize> GuestPath<ROOM> {
    /// Room for a shorter path, and for the longest name that may take its place.
    #[inline(always)]
    pub const fn with_room() -> GuestPath<ROOM> {
        GuestPath { bytes: [0; ROOM], length: 0 }
    }

    /// Copies a path in: `EFAULT` where it is not readable up to its terminator, `ENAMETOOLONG` where it has none
    /// within `PATH_MAX` bytes (`bsd/vfs/vfs_lookup.c`, `namei`).
    pub fn read<K: Kernel>(&mut self, kernel: &K, path: UserPath) -> SysResult<()> {
        self.length = 0;
        while self.length < ROOM {
            let at = path.0.checked_add(self.length as u64)?;
            let to_page_end = PAGE.wrapping_sub(at.get() % PAGE) as usize;
            let free = self.bytes.get_mut(self.length..).unwrap_or_default();
            let piece = free.len().min(to_page_end).min(PIECE);
            let Some(piece) = free.get_mut(..piece) else { break };
            kernel.copy_in(at, piece)?;
            if let Some(end) = piece.iter().position(|byte| *byte == 0) {
                self.length = self.length.wrapping_add(end);
                return Ok(());
            }
            self.length = self.length.wrapping_add(piece.len());
        }
        Err(Errno::ENAMETOOLONG)
    }

    /// Copies a path in whose length is known, and which ends before a terminator if it has one: `EFAULT`,
    /// `ENAMETOOLONG`.
    pub fn read_name<K: Kernel>(&mut self, kernel: &K, from: UserAddr, length: usize) -> SysResult<()> {
        self.length = 0;
        let room = self.bytes.get_mut(..length).filter(|_| length < ROOM).ok_or(Errno::ENAMETOOLONG)?;
        kernel.copy_in(from, room)?;
        self.length = room.iter().position(|byte| *byte == 0).unwrap_or(length);
        if let Some(end) = self.bytes.get_mut(self.length) {
            *end = 0;
        }
        Ok(())
    }

    /// Whether this is a path of one name, in the working directory.
    pub fn is_one_name(&self) -> bool {
        !self.bytes().is_empty() && !self.bytes().contains(&b'/')
    }

    /// How many bytes the path has without its terminator.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Without its terminator.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// The bytes from `from` on, with their terminator.
    pub(super) fn with_nul_from(&self, from: usize) -> &[u8] {
        self.bytes.get(from..=self.length).unwrap_or(b"\0")
    }

    /// Where the last component begins, slashes behind it included; `None` for a path of nothing but slashes.
    pub(super) fn last_component(&self) -> Option<usize> {
        let path = self.bytes();
        let end = path.iter().rposition(|byte| *byte != b'/')?;
        let before = path.get(..end).unwrap_or_default();
        Some(before.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash.wrapping_add(1)))
    }

    /// The bytes with their terminator.
    pub(super) fn with_nul_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..=self.length).unwrap_or_default()
    }

    /// Runs something on the path up to `end`, behind which there is a terminator meanwhile.
    pub(super) fn cut_at<T>(&mut self, end: usize, run: impl FnOnce(&[u8]) -> T) -> T {
        let cut = self.bytes.get_mut(end).map(|byte| core::mem::replace(byte, 0));
        let result = run(self.bytes.get(..=end).unwrap_or(b"\0"));
        if let (Some(cut), Some(byte)) = (cut, self.bytes.get_mut(end)) {
            *byte = cut;
        }
        result
    }

    /// Replaces the path by a name, and slashes behind it if there were any.
    pub(super) fn replace(&mut self, name: &[u8], with_slash: bool) {
        self.length = 0;
        let slash: &[u8] = if with_slash { b"/" } else { b"" };
        for (to, from) in self.bytes.iter_mut().zip(name.iter().chain(slash).take(ROOM.saturating_sub(1))) {
            *to = *from;
            self.length = self.length.wrapping_add(1);
        }
        if let Some(end) = self.bytes.get_mut(self.length) {
            *end = 0;
        }
    }
}
