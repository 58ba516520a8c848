//! Memory for what is too large for a stack: mapped for one call.

use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::table::SysResult;
use crate::user::UserAddr;
use xnu_abi::linux::flags;

const PROT_READ_WRITE: u32 = 3;

/// Where Linux is asked to map: far from where it would, so that an address that the guest has just unmapped does not
/// become good again. Elsewhere if that is taken.
const FAR: UserAddr = UserAddr::new(0x2a00_0000_0000);

/// Bytes that are copied at once.
const PIECE: usize = 256;

/// Mapped memory, unmapped when it is dropped.
pub(crate) struct Scratch<'a, K: Kernel> {
    kernel: &'a K,
    start: UserAddr,
    length: usize,
}

impl<'a, K: Kernel> Scratch<'a, K> {
    /// Maps memory, all zero.
    pub(crate) fn new(kernel: &'a K, length: usize) -> SysResult<Scratch<'a, K>> {
        let how = flags::MAP_PRIVATE | flags::MAP_ANONYMOUS | flags::MAP_NORESERVE;
        let length = length.max(1);
        let start =
            linux::memory::mmap(kernel, FAR, length, PROT_READ_WRITE, how, LinuxFd(-1), 0).to_bsd()?;
        Ok(Scratch { kernel, start, length })
    }

    /// The address `offset` bytes from its start.
    pub(crate) fn at(&self, offset: usize) -> SysResult<UserAddr> {
        Ok(self.start.checked_add(offset as u64)?)
    }
}

impl<K: Kernel> Drop for Scratch<'_, K> {
    fn drop(&mut self) {
        // Ours alone: that it stays mapped would be all that could go wrong.
        let _ = linux::memory::munmap(self.kernel, self.start, self.length);
    }
}

/// Copies from one place in memory to another that does not overlap it.
pub(crate) fn copy<K: Kernel>(kernel: &K, from: UserAddr, to: UserAddr, length: usize) -> SysResult<()> {
    let mut piece = [0; PIECE];
    let mut done = 0;
    while done < length {
        let count = length.wrapping_sub(done).min(PIECE);
        let bytes = piece.get_mut(..count).unwrap_or_default();
        kernel.copy_in(from.checked_add(done as u64)?, bytes)?;
        kernel.copy_out(to.checked_add(done as u64)?, bytes)?;
        done = done.wrapping_add(count);
    }
    Ok(())
}
