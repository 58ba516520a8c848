//! The mock's own tests, as transcripts: a call, an arrow, what Linux answers. What the differential test in
//! `tests/tests/mock_vs_linux.rs` covers is not repeated.

mod descriptors;
mod files;
mod guest;
mod middleware;
mod processes;

use std::ffi::CStr;
use xnu_abi::linux::Errno;
use xnu_core::{Arg, UserAddr};

/// Whatever can be an argument.
trait IntoArg<'a> {
    fn into_arg(self) -> Arg<'a>;
}

impl<'a> IntoArg<'a> for i64 {
    fn into_arg(self) -> Arg<'a> {
        Arg::Val(self as usize)
    }
}

impl<'a> IntoArg<'a> for i32 {
    fn into_arg(self) -> Arg<'a> {
        Arg::Val(self as isize as usize)
    }
}

impl<'a> IntoArg<'a> for u32 {
    fn into_arg(self) -> Arg<'a> {
        Arg::Val(self as usize)
    }
}

impl<'a> IntoArg<'a> for usize {
    fn into_arg(self) -> Arg<'a> {
        Arg::Val(self)
    }
}

impl<'a> IntoArg<'a> for &'a CStr {
    fn into_arg(self) -> Arg<'a> {
        Arg::In(self.to_bytes_with_nul())
    }
}

impl<'a> IntoArg<'a> for &'a [u8] {
    fn into_arg(self) -> Arg<'a> {
        Arg::In(self)
    }
}

impl<'a> IntoArg<'a> for &'a mut [u8] {
    fn into_arg(self) -> Arg<'a> {
        Arg::Out(self)
    }
}

impl<'a> IntoArg<'a> for UserAddr {
    fn into_arg(self) -> Arg<'a> {
        Arg::User(self)
    }
}

/// `linux!(kernel, Close(3) => 0)`, `linux!(kernel, Close(3) => EBADF)`, `let n = linux!(kernel, Getpid())`.
macro_rules! linux {
    ($kernel:expr, $nr:ident($($arg:expr),* $(,)?) => $want:expr) => {{
        let want = crate::tests::IntoAnswer::into_answer($want);
        assert_eq!(linux!($kernel, $nr($($arg),*)), want, stringify!($nr($($arg),*)));
    }};
    ($kernel:expr, $nr:ident($($arg:expr),* $(,)?)) => {
        crate::kernel::make(
            &$kernel,
            xnu_abi::linux::Sysno::$nr,
            &mut [$(crate::tests::IntoArg::into_arg($arg)),*],
        )
    };
}
use linux;

/// A number is success, an `Errno` is not.
trait IntoAnswer {
    fn into_answer(self) -> Result<usize, Errno>;
}

impl IntoAnswer for Errno {
    fn into_answer(self) -> Result<usize, Errno> {
        Err(self)
    }
}

impl IntoAnswer for usize {
    fn into_answer(self) -> Result<usize, Errno> {
        Ok(self)
    }
}

const AT_FDCWD: i32 = linux_raw_sys::general::AT_FDCWD;
