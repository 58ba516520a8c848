//! The mock and the middleware as [`Kernel`]s.
//!
//! # Safety
//! The trait's method is unsafe because Linux follows the pointers it is given. The mock follows none; the middleware
//! hands the caller's promise on, with the same memory in the same places. `Fault` only ever shortens a length.
#![allow(unsafe_code)]

use crate::fault::Fault;
use crate::mock::Mock;
use crate::record::Record;
use xnu_abi::linux::{Errno, Sysno};
use xnu_core::threads::NewThread;
use xnu_core::{Arg, Kernel, UserAddr};

impl Kernel for Mock {
    unsafe fn syscall(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
        self.call(nr, args)
    }

    fn copy_in(&self, from: UserAddr, to: &mut [u8]) -> Result<(), xnu_core::Fault> {
        self.read_guest(from, to)
    }

    fn copy_out(&self, to: UserAddr, from: &[u8]) -> Result<(), xnu_core::Fault> {
        self.write_guest(to, from)
    }

    fn begin_thread(&self, new: &NewThread) -> Result<(), Errno> {
        Mock::begin_thread(self, new)
    }
}

impl<K: Kernel> Kernel for Fault<K> {
    unsafe fn syscall(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
        let verdict = self.before_call(nr, args);
        if verdict.is_ok() || nr == Sysno::Close {
            // SAFETY: the caller's promise; a shortened length still fits the memory lent.
            let answer = unsafe { self.inner().syscall(nr, args) };
            return verdict.and(answer);
        }
        verdict.map(|()| 0)
    }

    fn copy_in(&self, from: UserAddr, to: &mut [u8]) -> Result<(), xnu_core::Fault> {
        self.before_copy()?;
        self.inner().copy_in(from, to)
    }

    fn copy_out(&self, to: UserAddr, from: &[u8]) -> Result<(), xnu_core::Fault> {
        self.before_copy()?;
        self.inner().copy_out(to, from)
    }

    fn begin_thread(&self, new: &NewThread) -> Result<(), Errno> {
        self.inner().begin_thread(new)
    }
}

impl<K: Kernel> Kernel for Record<K> {
    unsafe fn syscall(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
        let given = self.given(args);
        // SAFETY: the caller's promise, handed on unchanged.
        let result = unsafe { self.inner().syscall(nr, args) };
        self.add_call(nr, given, args, result);
        result
    }

    fn copy_in(&self, from: UserAddr, to: &mut [u8]) -> Result<(), xnu_core::Fault> {
        let result = self.inner().copy_in(from, to);
        self.add_copy_in(from, to, result);
        result
    }

    fn copy_out(&self, to: UserAddr, from: &[u8]) -> Result<(), xnu_core::Fault> {
        let result = self.inner().copy_out(to, from);
        self.add_copy_out(to, from, result);
        result
    }

    fn begin_thread(&self, new: &NewThread) -> Result<(), Errno> {
        self.inner().begin_thread(new)
    }
}

impl Kernel for crate::record::Replay {
    unsafe fn syscall(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
        self.answer_call(nr, args)
    }

    fn copy_in(&self, from: UserAddr, to: &mut [u8]) -> Result<(), xnu_core::Fault> {
        self.answer_copy_in(from, to)
    }

    fn copy_out(&self, to: UserAddr, from: &[u8]) -> Result<(), xnu_core::Fault> {
        self.answer_copy_out(to, from)
    }
}

impl Kernel for crate::expectations::MockKernel {
    unsafe fn syscall(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
        self.answer(nr, args)
    }

    fn copy_in(&self, from: UserAddr, to: &mut [u8]) -> Result<(), xnu_core::Fault> {
        let bytes = self.read_guest(from, to.len())?;
        let room = to.get_mut(..bytes.len()).ok_or(xnu_core::Fault)?;
        room.copy_from_slice(&bytes);
        if bytes.len() == to.len() { Ok(()) } else { Err(xnu_core::Fault) }
    }

    fn copy_out(&self, to: UserAddr, from: &[u8]) -> Result<(), xnu_core::Fault> {
        self.write_guest(to, from.to_vec())
    }
}

/// Makes a call on any kernel of this crate, for its tests.
#[cfg(test)]
pub(crate) fn make(kernel: &impl Kernel, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
    // SAFETY: the mock behind every kernel in these tests follows no pointer.
    unsafe { kernel.syscall(nr, args) }
}
