//! Typed wrappers of Linux calls, written once: the only callers of
//! [`Kernel::syscall`](crate::Kernel::syscall).
//!
//! # Safety
//! Each block makes the call that its function is named after, with the argument kinds of the call's prototype in
//! the Linux manual page of that name. Lengths are taken from the slices themselves. Guest addresses go as
//! [`Arg::User`]: Linux checks them and answers `EFAULT`.
#![allow(unsafe_code)]

pub mod child;
pub mod credentials;
pub mod descriptor;
pub mod directory;
pub mod files;
pub mod futex;
pub mod memory;
pub mod metadata;
pub mod name;
pub mod path;
pub mod proc;
pub mod process;
pub mod program;
pub mod segments;
pub mod signal;
pub mod socket;
pub mod time;
pub mod trace;
pub mod wait;
pub mod xattr;

use crate::kernel::Arg;
use xnu_abi::linux::Errno;

/// A Linux descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinuxFd(pub i32);

impl LinuxFd {
    /// The working directory, where a call takes a directory.
    pub const CWD: LinuxFd = LinuxFd(-100);

    fn arg(self) -> Arg<'static> {
        Arg::Val(self.0 as isize as usize)
    }
}

/// The result of a Linux call.
pub type LinuxResult<T> = Result<T, Errno>;

/// Makes a call, given its name and its arguments as [`Arg`]s.
macro_rules! call {
    ($kernel:expr, $name:ident $(, $argument:expr)* $(,)?) => {{
        // SAFETY: the arguments are those of the prototype of the call that this function is named after.
        unsafe { $kernel.syscall(Sysno::$name, &mut [$($argument),*]) }
    }};
}
use call;

fn value(number: i32) -> Arg<'static> {
    Arg::Val(number as isize as usize)
}

fn unit(result: LinuxResult<usize>) -> LinuxResult<()> {
    result.map(|_| ())
}

fn int(result: LinuxResult<usize>) -> LinuxResult<i32> {
    result.map(|value| value as i32)
}

fn fd(result: LinuxResult<usize>) -> LinuxResult<LinuxFd> {
    result.map(|value| LinuxFd(value as i32))
}
