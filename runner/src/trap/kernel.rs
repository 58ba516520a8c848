//! Linux as the core sees it in a guest's process: with threads.

use super::threads;
use xnu_abi::linux::{Errno, Sysno};
use xnu_backend_linux::Linux;
use xnu_core::threads::NewThread;
use xnu_core::{Arg, Fault, Kernel, UserAddr};

/// [`Linux`], and threads of the guest.
///
/// # Safety
/// The trait's method hands the caller's promise on unchanged.
#[derive(Debug, Default)]
pub struct Trapped(Linux);

impl Trapped {
    /// As [`Linux::new`].
    pub const fn new() -> Trapped {
        Trapped(Linux::new())
    }

    /// As [`Linux::handle_faults`].
    pub fn handle_faults(&self) {
        self.0.handle_faults();
    }
}

#[allow(unsafe_code)]
impl Kernel for Trapped {
    #[inline(always)]
    unsafe fn syscall(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
        // SAFETY: the caller's promise.
        unsafe { self.0.syscall(nr, args) }
    }

    #[inline(always)]
    fn copy_in(&self, from: UserAddr, to: &mut [u8]) -> Result<(), Fault> {
        self.0.copy_in(from, to)
    }

    #[inline(always)]
    fn copy_out(&self, to: UserAddr, from: &[u8]) -> Result<(), Fault> {
        self.0.copy_out(to, from)
    }

    #[cold]
    fn begin_thread(&self, new: &NewThread) -> Result<(), Errno> {
        threads::begin(new)
    }
}
