//! The door to what stands behind `/dev/mach`.

use crate::convert::errno::ToBsd;
use crate::process::Thread;
use crate::table::SysResult;
use crate::user::UserAddr;
use xnu_abi::linux::Errno;
use xnu_abi::lkm::Trap;

/// The argument of an LKM trap.
#[derive(Debug)]
pub enum TrapArg<'a> {
    /// The trap takes none.
    None,
    /// A plain value.
    Value(usize),
    /// The trap's packed structure, in and out, in the core's own memory.
    Struct(&'a mut [u8]),
    /// The same, in guest memory.
    User(UserAddr),
}

/// Mach ports, semaphores and task tracking, by Darling's trap numbers and packed structures.
///
/// # For handler authors
/// A positive result is a `kern_return_t` or a port name, as the trap defines; an `Err` is the transport's (bad
/// address, unknown trap, no such device).
///
/// # For backend authors
/// Answer `ENOSYS` for traps that are not served. The real module is one implementation; the embedded engine and
/// the mock are others, and all must agree.
pub trait Lkm {
    /// Calls one trap; an error is Linux's.
    fn call_raw(&self, trap: Trap, arg: TrapArg<'_>) -> Result<isize, Errno>;

    /// Calls one trap; an error is Darwin's.
    fn call(&self, trap: Trap, arg: TrapArg<'_>) -> SysResult<isize> {
        self.call_raw(trap, arg).to_bsd()
    }

    /// As [`Lkm::call_raw`], for a trap by which a program may ask about the registers of the calling thread, and change
    /// them.
    fn call_lending(&self, trap: Trap, arg: TrapArg<'_>, _: Option<&mut Thread>) -> Result<isize, Errno> {
        self.call_raw(trap, arg)
    }

    /// Said before a `fork`, so that the child finds nothing half done. Nobody else's call is served until
    /// [`Lkm::after_fork`].
    fn before_fork(&self) {}

    /// Said in the parent after a `fork`, also where that failed.
    fn after_fork(&self) {}

    /// Said once in each child of a `fork`, before anything else: what belongs to the parent's task is not ours.
    /// Without [`Lkm::before_fork`], nothing of it is inherited.
    fn forked(&self) {}
}

impl<T: Lkm + ?Sized> Lkm for &T {
    fn call_raw(&self, trap: Trap, arg: TrapArg<'_>) -> Result<isize, Errno> {
        (**self).call_raw(trap, arg)
    }

    fn call_lending(
        &self,
        trap: Trap,
        arg: TrapArg<'_>,
        thread: Option<&mut Thread>,
    ) -> Result<isize, Errno> {
        (**self).call_lending(trap, arg, thread)
    }

    fn before_fork(&self) {
        (**self).before_fork();
    }

    fn after_fork(&self) {
        (**self).after_fork();
    }

    fn forked(&self) {
        (**self).forked();
    }
}
