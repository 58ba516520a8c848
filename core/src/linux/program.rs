//! Executing programs.

use super::{LinuxFd, LinuxResult, call, int, unit, value};
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

/// `man 2 fork`, but that the caller sleeps until the child has executed a program or ended (`CLONE_VFORK`); memory is
/// not shared. 0 in the child.
pub fn fork_until_exec<K: Kernel>(kernel: &K) -> LinuxResult<i32> {
    const SIGCHLD: usize = 17;
    const CLONE_VFORK: usize = 0x4000;
    let none = || Arg::Val(0);
    int(call!(kernel, Clone, Arg::Val(SIGCHLD | CLONE_VFORK), none(), none(), none(), none()))
}

/// `man 2 close_range` of all descriptors, when a program is executed.
pub fn close_all_on_exec<K: Kernel>(kernel: &K) -> LinuxResult<()> {
    const CLOSE_RANGE_CLOEXEC: usize = 4;
    let last = Arg::Val(u32::MAX as usize);
    unit(call!(kernel, CloseRange, Arg::Val(0), last, Arg::Val(CLOSE_RANGE_CLOEXEC)))
}

/// `man 2 setpgid`.
pub fn setpgid<K: Kernel>(kernel: &K, process: i32, group: i32) -> LinuxResult<()> {
    unit(call!(kernel, Setpgid, value(process), value(group)))
}

/// `man 2 setsid`.
pub fn setsid<K: Kernel>(kernel: &K) -> LinuxResult<i32> {
    int(call!(kernel, Setsid))
}

/// `man 2 fchdir`.
pub fn fchdir<K: Kernel>(kernel: &K, directory: LinuxFd) -> LinuxResult<()> {
    unit(call!(kernel, Fchdir, directory.arg()))
}

/// `man 2 setresuid` and `man 2 setresgid`: the effective ids alone.
pub fn set_effective_ids<K: Kernel>(kernel: &K, user: i32, group: i32) -> LinuxResult<()> {
    let same = || value(-1);
    unit(call!(kernel, Setresgid, same(), value(group), same()))?;
    unit(call!(kernel, Setresuid, same(), value(user), same()))
}
