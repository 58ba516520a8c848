//! Memory for link targets and for paths that are longer than what stands on the stack.
//!
//! A call may run on a stack of 4 KiB in all, and a link's target alone can be as long as that. So where a resolution
//! meets one it maps a few pages for its own duration. They are reached as the guest's memory is: by copies.

use super::prefix::Identity;
use crate::kernel::{Fault, Kernel};
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::user::UserAddr;
use xnu_abi::linux::Errno;

/// Links that one resolution follows (`fs/namei.c`, `MAXSYMLINKS`).
pub(crate) const LINKS_MAX: usize = 40;

/// Room for one link's target or for one path.
pub(crate) const PAGE_BYTES: usize = 4096;

/// One page for each link that can be followed, and one for a path.
const BYTES: usize = LINKS_MAX.saturating_add(1).saturating_mul(PAGE_BYTES);

/// The page that no link uses.
pub(crate) const PATH_PAGE: usize = LINKS_MAX;

/// Pages of zeros, unmapped when dropped. Only those that are touched cost anything.
pub(crate) struct Scratch<'a, K: Kernel> {
    kernel: &'a K,
    base: UserAddr,
}

impl<'a, K: Kernel> Scratch<'a, K> {
    /// Maps the pages.
    pub(crate) fn new(kernel: &'a K) -> LinuxResult<Scratch<'a, K>> {
        Ok(Scratch { kernel, base: linux::path::map_scratch(kernel, BYTES)? })
    }

    fn address(&self, page: usize, offset: usize) -> LinuxResult<UserAddr> {
        let distance = page.wrapping_mul(PAGE_BYTES).wrapping_add(offset);
        self.base.checked_add(distance as u64).map_err(fault)
    }

    /// Reads a link's target into a page: its length, which is below [`PAGE_BYTES`]. `name` ends with a NUL.
    pub(crate) fn read_link(&self, page: usize, directory: LinuxFd, name: &[u8]) -> LinuxResult<usize> {
        let at = self.address(page, 0)?;
        let length = linux::path::readlinkat_at(self.kernel, directory, name, at, PAGE_BYTES)?;
        if length < PAGE_BYTES { Ok(length) } else { Err(Errno::ENAMETOOLONG) }
    }

    /// Who is at the path in a page, links at its end not followed.
    pub(crate) fn identify(&self, page: usize) -> LinuxResult<Identity> {
        Identity::at_address(self.kernel, self.address(page, 0)?)
    }

    /// Copies bytes to a page.
    pub(crate) fn write(&self, page: usize, offset: usize, from: &[u8]) -> LinuxResult<()> {
        self.kernel.copy_out(self.address(page, offset)?, from).map_err(fault)
    }

    /// Copies bytes of a page.
    pub(crate) fn read(&self, page: usize, offset: usize, to: &mut [u8]) -> LinuxResult<()> {
        self.kernel.copy_in(self.address(page, offset)?, to).map_err(fault)
    }
}

/// A guest that unmaps what is not its own gets what it would get for its own bad pointer.
fn fault(_: Fault) -> Errno {
    Errno::EFAULT
}

impl<K: Kernel> Drop for Scratch<'_, K> {
    fn drop(&mut self) {
        // Ours alone: unmapping it cannot fail in a way that matters.
        let _ = linux::memory::munmap(self.kernel, self.base, BYTES);
    }
}
