//! Memory for arrays that are too large for a stack of 4 KiB: mapped for the duration of a call, and reached as the
//! guest's is, by copies.

use crate::convert::errno::ToBsd;
use crate::kernel::{Fault, Kernel};
use crate::linux;
use crate::table::SysResult;
use crate::user::UserAddr;

/// Pages of zeros, unmapped when dropped. A guest that unmaps what is not its own gets `EFAULT`, as for its own bad
/// pointers.
pub(super) struct Pages<'a, K: Kernel> {
    kernel: &'a K,
    base: UserAddr,
    length: usize,
}

impl<'a, K: Kernel> Pages<'a, K> {
    /// Maps room for so many bytes. Where there is none, `select` and `poll` say `EAGAIN`.
    pub(super) fn new(kernel: &'a K, length: usize) -> SysResult<Pages<'a, K>> {
        Ok(Pages { kernel, base: linux::path::map_scratch(kernel, length).to_bsd()?, length })
    }

    /// The address so many bytes into the room.
    pub(super) fn at(&self, offset: usize) -> Result<UserAddr, Fault> {
        self.base.checked_add(offset as u64)
    }
}

impl<K: Kernel> Drop for Pages<'_, K> {
    fn drop(&mut self) {
        // Ours alone: unmapping it cannot fail in a way that matters.
        let _ = linux::memory::munmap(self.kernel, self.base, self.length);
    }
}

/// Copies from one place in the guest's memory to another, in pieces.
pub(super) fn copy<K: Kernel>(kernel: &K, from: UserAddr, to: UserAddr, length: usize) -> Result<(), Fault> {
    let mut piece = [0; 256];
    let mut done = 0;
    while done < length {
        let count = piece.len().min(length.saturating_sub(done));
        let Some(bytes) = piece.get_mut(..count) else { break };
        kernel.copy_in(from.checked_add(done as u64)?, bytes)?;
        kernel.copy_out(to.checked_add(done as u64)?, bytes)?;
        done = done.saturating_add(count);
    }
    Ok(())
}
