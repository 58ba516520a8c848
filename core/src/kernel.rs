//! The door to Linux.

use crate::threads::NewThread;
use crate::user::UserAddr;
use xnu_abi::linux::{Errno, Sysno};

/// A user address could not be read or written to the end: `EFAULT`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault;

/// One argument of a Linux call.
///
/// Memory of the core's own is lent as a slice; memory of the guest's is named by its address. So a mock can tell
/// them apart and never follows a wild pointer.
#[derive(Debug)]
pub enum Arg<'a> {
    /// A number: descriptor, flag, length, address that Linux does not follow.
    Val(usize),
    /// Bytes that Linux reads.
    In(&'a [u8]),
    /// Bytes that Linux writes.
    Out(&'a mut [u8]),
    /// Guest memory that Linux reads or writes itself, and answers `EFAULT` for.
    User(UserAddr),
}

/// Linux, as the handlers see it.
///
/// # For handler authors
/// Use the typed wrappers in [`crate::linux`]; they are the only callers of [`Kernel::syscall`]. Nothing here
/// retries: `EINTR` is the handler's to translate.
///
/// # For backend authors
/// `syscall`, `copy_in` and `copy_out` must be safe to call in a signal handler and in a forked child: no
/// allocation, no lock, no thread-local. They never panic.
#[allow(unsafe_code)]
pub trait Kernel {
    /// Makes one Linux call and decodes its result: `-4095..=-1` is an error, anything else a value.
    ///
    /// # Safety
    /// `args` must match the call's prototype: every pointer is an `In`, `Out` or `User` of the length that the
    /// other arguments say. Calls that change the process itself (`munmap`, `rt_sigaction`, …) must leave intact
    /// what the core stands on.
    unsafe fn syscall(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno>;

    /// Copies from guest memory until `to` is full.
    ///
    /// On a fault the bytes before it may have been copied.
    fn copy_in(&self, from: UserAddr, to: &mut [u8]) -> Result<(), Fault>;

    /// Copies to guest memory until `from` is used up.
    ///
    /// On a fault the bytes before it may have been written.
    fn copy_out(&self, to: UserAddr, from: &[u8]) -> Result<(), Fault>;

    /// Begins a thread of the guest that shares everything with the caller. Comes back when the thread has all that it
    /// needs: its port's name is written where that is wanted.
    ///
    /// # Errors
    /// `EAGAIN` or `ENOMEM`: there can be no more. `EMFILE`: there is no name for its port. `EFAULT`: the name cannot be
    /// written. `ENOSYS` where threads are not the core's to begin.
    fn begin_thread(&self, new: &NewThread) -> Result<(), Errno> {
        let _ = new;
        Err(Errno::ENOSYS)
    }
}

impl<T: Kernel + ?Sized> Kernel for &T {
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn syscall(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
        // SAFETY: the caller's promise, handed on unchanged.
        unsafe { (**self).syscall(nr, args) }
    }

    #[inline(always)]
    fn copy_in(&self, from: UserAddr, to: &mut [u8]) -> Result<(), Fault> {
        (**self).copy_in(from, to)
    }

    #[inline(always)]
    fn copy_out(&self, to: UserAddr, from: &[u8]) -> Result<(), Fault> {
        (**self).copy_out(to, from)
    }

    fn begin_thread(&self, new: &NewThread) -> Result<(), Errno> {
        (**self).begin_thread(new)
    }
}

impl From<Fault> for xnu_abi::darwin::Errno {
    #[inline(always)]
    fn from(_: Fault) -> xnu_abi::darwin::Errno {
        xnu_abi::darwin::Errno::EFAULT
    }
}
