//! One request: where the old value goes, how much of it has, and where a new one is (`struct sysctl_req`).

use crate::kernel::Kernel;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;

/// A request of a guest's.
pub(super) struct Request<'a, K> {
    kernel: &'a K,
    old: UserAddr,
    length: UserPtr<u64>,
    room: u64,
    new: UserAddr,
    new_length: usize,
    written: u64,
}

impl<'a, K: Kernel> Request<'a, K> {
    /// A length that cannot be read is as good as endless here, and `EFAULT` in the end.
    pub(super) fn new(
        kernel: &'a K,
        old: UserAddr,
        length: UserPtr<u64>,
        new: UserAddr,
        new_length: usize,
    ) -> Request<'a, K> {
        let room = if length.is_null() { 0 } else { length.read(kernel).unwrap_or(u64::MAX) };
        Request { kernel, old, length, room, new, new_length, written: 0 }
    }

    pub(super) fn kernel(&self) -> &'a K {
        self.kernel
    }

    pub(super) fn is_write(&self) -> bool {
        !self.new.is_null()
    }

    pub(super) fn new_value(&self) -> (UserAddr, usize) {
        (self.new, self.new_length)
    }

    pub(super) fn has_written(&self) -> bool {
        self.written > 0
    }

    /// How much room there is for the old value; `None` where only its length is wanted. For handlers that write on
    /// their own and say afterwards how much it was.
    pub(super) fn room_for_old(&self) -> Option<u64> {
        (!self.old.is_null()).then_some(self.room)
    }

    /// Where a part of the old value goes.
    pub(super) fn old_at(&self, offset: u64) -> SysResult<UserAddr> {
        Ok(self.old.checked_add(offset)?)
    }

    /// Writes a part of the old value, for which there must be room.
    pub(super) fn put_at(&self, offset: u64, bytes: &[u8]) -> SysResult<()> {
        Ok(self.kernel.copy_out(self.old_at(offset)?, bytes)?)
    }

    /// Says how long the old value is.
    pub(super) fn count(&mut self, bytes: u64) {
        self.written = bytes;
    }

    /// There was not room for all: then nothing counts as written.
    pub(super) fn short(&mut self) -> Errno {
        self.written = 0;
        Errno::ENOMEM
    }

    /// Writes a piece of the old value, or counts it where only the length is wanted. A piece that does not fit as a
    /// whole is not written, and `ENOMEM`.
    pub(super) fn out(&mut self, bytes: &[u8]) -> SysResult<()> {
        self.reserve(bytes.len())?;
        self.put(bytes)
    }

    /// Writes text with its NUL, as one piece.
    pub(super) fn text(&mut self, text: &[u8]) -> SysResult<()> {
        self.reserve(text.len().wrapping_add(1))?;
        self.put(text)?;
        self.put(&[0])
    }

    /// Writes text as [`Request::text`], but as much of it as there is room for.
    pub(super) fn cut_text(&mut self, text: &[u8]) -> SysResult<()> {
        let needed = (text.len() as u64).wrapping_add(1);
        if self.old.is_null() || self.room == 0 || self.room >= needed {
            return self.text(text);
        }
        self.text(text.get(..self.room.wrapping_sub(1) as usize).unwrap_or(text))
    }

    /// Writes a number of a size in bytes; in 4 where only 4 are offered, `ERANGE` where it does not fit them.
    pub(super) fn number(&mut self, number: i64, size: usize) -> SysResult<()> {
        const INT: usize = size_of::<i32>();
        if !self.old.is_null() && (size == INT || self.room == INT as u64) {
            let small = i32::try_from(number).map_err(|_| Errno::ERANGE)?;
            return self.out(&small.to_ne_bytes());
        }
        self.out(number.to_ne_bytes().get(..size).unwrap_or_default())
    }

    /// Writes the digits of a number.
    pub(super) fn decimal(&mut self, number: i32) -> SysResult<()> {
        const DIGITS: usize = 10;
        let mut digits = [0u8; DIGITS];
        let mut left = number.unsigned_abs();
        let mut count: usize = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0'.wrapping_add((left % 10) as u8);
            left /= 10;
            count = count.wrapping_add(1);
            if left == 0 {
                break;
            }
        }
        if number < 0 {
            self.out(b"-")?;
        }
        self.out(digits.get(DIGITS.wrapping_sub(count)..).unwrap_or_default())
    }

    fn reserve(&self, bytes: usize) -> SysResult<()> {
        let fits = self.old.is_null() || self.room.saturating_sub(self.written) >= bytes as u64;
        if fits { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    fn put(&mut self, bytes: &[u8]) -> SysResult<()> {
        if !self.old.is_null() {
            self.kernel.copy_out(self.old.checked_add(self.written)?, bytes)?;
        }
        self.written = self.written.wrapping_add(bytes.len() as u64);
        Ok(())
    }

    /// Tells how long the old value is, or how much of it was written before it did not fit.
    pub(super) fn finish(self, told: SysResult<()>) -> SysResult<()> {
        match told {
            Ok(()) | Err(Errno::ENOMEM) if !self.length.is_null() => {
                self.length.write(self.kernel, &self.written)?;
                told
            }
            told => told,
        }
    }
}
