//! Executing programs.

use super::{LinuxFd, LinuxResult, call, unit};
use crate::kernel::{Arg, Kernel};
use crate::user::UserAddr;
use xnu_abi::linux::{Sysno, flags};

/// `man 2 execve`. Does not return on Linux where it succeeds; a mock notes it and returns.
pub fn execve<K: Kernel>(kernel: &K, path: UserAddr, argv: UserAddr, envp: UserAddr) -> LinuxResult<()> {
    unit(call!(kernel, Execve, Arg::User(path), Arg::User(argv), Arg::User(envp)))
}

/// `man 2 execveat` of an open file. As [`execve`].
pub fn fexecve<K: Kernel>(kernel: &K, file: LinuxFd, argv: UserAddr, envp: UserAddr) -> LinuxResult<()> {
    let how = Arg::Val(flags::AT_EMPTY_PATH as usize);
    unit(call!(kernel, Execveat, file.arg(), Arg::In(b"\0"), Arg::User(argv), Arg::User(envp), how))
}
