//! Linux calls.
//!
//! # Safety
//! The one block issues a system call with words made from [`Arg`]s: slices give their own pointers, guest addresses
//! go to Linux unfollowed. What the call does to the process is the caller's promise (see [`Kernel::syscall`]).
#![allow(unsafe_code)]

use crate::instruction::{syscall0, syscall1, syscall2, syscall3, syscall4, syscall5, syscall6};
use crate::user;
use core::sync::atomic::{AtomicBool, Ordering};
use xnu_abi::linux::{Errno, Sysno};
use xnu_core::{Arg, Fault, Kernel, UserAddr};

/// The Linux that this process runs on.
#[derive(Debug, Default)]
pub struct Linux {
    faults_are_handled: AtomicBool,
    /// `process_vm_readv` and its twin are not there or forbidden: learnt at the first try.
    pub(crate) copies_by_pipe: AtomicBool,
}

impl Linux {
    /// Copies go through `process_vm_readv` until [`Linux::handle_faults`] is called.
    pub const fn new() -> Linux {
        Linux { faults_are_handled: AtomicBool::new(false), copies_by_pipe: AtomicBool::new(false) }
    }

    /// The same Linux once more, as much as is known of it.
    #[cfg(feature = "embedded")]
    pub(crate) fn like(&self) -> Linux {
        let copies_by_pipe = self.copies_by_pipe.load(Ordering::Relaxed);
        Linux {
            faults_are_handled: AtomicBool::new(self.handles_faults()),
            copies_by_pipe: AtomicBool::new(copies_by_pipe),
        }
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn handles_faults(&self) -> bool {
        self.faults_are_handled.load(Ordering::Relaxed)
    }

    /// Says that from now on the handler of `SIGSEGV` and `SIGBUS` asks [`crate::recover`] first, on every thread.
    pub fn handle_faults(&self) {
        self.faults_are_handled.store(true, Ordering::Release);
    }
}

/// Results from here up are errors.
const FIRST_ERROR: usize = -4095isize as usize;

#[inline(always)]
fn word(argument: &mut Arg<'_>) -> usize {
    match argument {
        Arg::Val(value) => *value,
        Arg::In(bytes) => bytes.as_ptr() as usize,
        Arg::Out(bytes) => bytes.as_mut_ptr() as usize,
        Arg::User(address) => address.get() as usize,
    }
}

impl Kernel for Linux {
    #[inline(always)]
    unsafe fn syscall(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
        let nr = nr.number();
        // SAFETY: the caller's promise: these are the arguments of call `nr`, and what it does is wanted.
        let result = unsafe {
            match args {
                [] => syscall0(nr),
                [a] => syscall1(nr, word(a)),
                [a, b] => syscall2(nr, word(a), word(b)),
                [a, b, c] => syscall3(nr, word(a), word(b), word(c)),
                [a, b, c, d] => syscall4(nr, word(a), word(b), word(c), word(d)),
                [a, b, c, d, e] => syscall5(nr, word(a), word(b), word(c), word(d), word(e)),
                [a, b, c, d, e, f, ..] => syscall6(nr, word(a), word(b), word(c), word(d), word(e), word(f)),
            }
        };
        if result < FIRST_ERROR {
            return Ok(result);
        }
        // A number without a name is EIO, as in the table of errors.
        Err(Errno::new(result.wrapping_neg() as u16).unwrap_or(Errno::EIO))
    }

    #[inline]
    fn copy_in(&self, from: UserAddr, to: &mut [u8]) -> Result<(), Fault> {
        if self.faults_are_handled.load(Ordering::Relaxed) {
            user::copy_in(from, to)
        } else {
            user::copy_in_by_kernel(self, from, to)
        }
    }

    #[inline]
    fn copy_out(&self, to: UserAddr, from: &[u8]) -> Result<(), Fault> {
        if self.faults_are_handled.load(Ordering::Relaxed) {
            user::copy_out(to, from)
        } else {
            user::copy_out_by_kernel(self, to, from)
        }
    }
}
