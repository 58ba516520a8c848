//! Tracing of children, as much as it takes to stop one between `execve` and its first instruction.

use super::{LinuxResult, call, unit, value};
use crate::kernel::{Arg, Kernel};
use xnu_abi::linux::Sysno;

const PTRACE_TRACEME: i32 = 0;
const PTRACE_CONT: i32 = 7;
const PTRACE_DETACH: i32 = 17;
const PTRACE_SETOPTIONS: i32 = 0x4200;
const PTRACE_O_TRACEEXEC: i32 = 1 << 4;

/// The status of a child that stopped because it executes a program: `SIGTRAP` and the event above it.
pub const EXECUTED: i32 = 5 | 4 << 8;

fn ptrace<K: Kernel>(kernel: &K, request: i32, child: i32, data: i32) -> LinuxResult<()> {
    unit(call!(kernel, Ptrace, value(request), value(child), Arg::Val(0), value(data)))
}

/// `PTRACE_TRACEME`: the parent is told of signals before they are delivered.
pub fn invite<K: Kernel>(kernel: &K) -> LinuxResult<()> {
    ptrace(kernel, PTRACE_TRACEME, 0, 0)
}

/// `PTRACE_O_TRACEEXEC`: the stopped child will stop once it has executed a program, with [`EXECUTED`].
pub fn stop_at_exec<K: Kernel>(kernel: &K, child: i32) -> LinuxResult<()> {
    ptrace(kernel, PTRACE_SETOPTIONS, child, PTRACE_O_TRACEEXEC)
}

/// `PTRACE_CONT`: the stopped child goes on, with a signal or, for 0, without.
pub fn go_on<K: Kernel>(kernel: &K, child: i32, signal: i32) -> LinuxResult<()> {
    ptrace(kernel, PTRACE_CONT, child, signal)
}

/// `PTRACE_DETACH`: the stopped child goes on and is no longer traced.
pub fn let_go<K: Kernel>(kernel: &K, child: i32) -> LinuxResult<()> {
    ptrace(kernel, PTRACE_DETACH, child, 0)
}
