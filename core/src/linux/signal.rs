//! Signals, by Linux's numbers and masks.

use super::{LinuxResult, call, int, unit, value};
use crate::kernel::{Arg, Kernel};
use xnu_abi::linux::{KernelSigaction, SignalStack, Sysno, Timespec};
use zerocopy::{FromZeros, IntoBytes};

/// The size of the kernel's signal set in bytes.
const SIGSET_SIZE: usize = 8;

/// `man 2 sigaction`, the kernel's own form.
///
/// The action's handler must be the runner's or a default: Linux enters it with its own frame.
pub fn rt_sigaction<K: Kernel>(kernel: &K, signal: i32, action: &KernelSigaction) -> LinuxResult<()> {
    let action = Arg::In(action.as_bytes());
    unit(call!(kernel, RtSigaction, value(signal), action, Arg::Val(0), Arg::Val(SIGSET_SIZE)))
}

/// The same, and the action of before.
pub fn swap_action<K: Kernel>(
    kernel: &K,
    signal: i32,
    action: &KernelSigaction,
) -> LinuxResult<KernelSigaction> {
    let mut old = KernelSigaction::new_zeroed();
    let (new, size) = (Arg::In(action.as_bytes()), Arg::Val(SIGSET_SIZE));
    unit(call!(kernel, RtSigaction, value(signal), new, Arg::Out(old.as_mut_bytes()), size))?;
    Ok(old)
}

/// `SIG_SETMASK`.
const SIG_SETMASK: i32 = 2;

/// `man 2 sigprocmask`: sets the calling thread's mask.
pub fn set_mask<K: Kernel>(kernel: &K, mask: u64) -> LinuxResult<()> {
    let bytes = mask.to_ne_bytes();
    let new = Arg::In(&bytes);
    unit(call!(kernel, RtSigprocmask, value(SIG_SETMASK), new, Arg::Val(0), Arg::Val(SIGSET_SIZE)))
}

/// `man 2 sigprocmask`: the calling thread's mask.
pub fn mask<K: Kernel>(kernel: &K) -> LinuxResult<u64> {
    let mut mask = [0; SIGSET_SIZE];
    let old = Arg::Out(&mut mask);
    unit(call!(kernel, RtSigprocmask, value(SIG_SETMASK), Arg::Val(0), old, Arg::Val(SIGSET_SIZE)))?;
    Ok(u64::from_ne_bytes(mask))
}

/// `man 2 sigaltstack`: the stack that was set before, after setting a new one if there is any.
pub fn sigaltstack<K: Kernel>(kernel: &K, new: Option<&SignalStack>) -> LinuxResult<SignalStack> {
    let mut old = SignalStack::new_zeroed();
    let new = new.map_or(Arg::Val(0), |stack| Arg::In(stack.as_bytes()));
    unit(call!(kernel, Sigaltstack, new, Arg::Out(old.as_mut_bytes())))?;
    Ok(old)
}

/// `SIG_BLOCK`.
const SIG_BLOCK: i32 = 0;

/// `man 2 sigprocmask`: adds signals to the calling thread's mask and answers the old one.
pub fn block<K: Kernel>(kernel: &K, signals: u64) -> LinuxResult<u64> {
    let bytes = signals.to_ne_bytes();
    let mut old = [0; SIGSET_SIZE];
    let (new, size) = (Arg::In(&bytes), Arg::Val(SIGSET_SIZE));
    unit(call!(kernel, RtSigprocmask, value(SIG_BLOCK), new, Arg::Out(&mut old), size))?;
    Ok(u64::from_ne_bytes(old))
}

/// `man 2 sigtimedwait`: takes one of these signals if it waits, and does not wait for it.
pub fn take<K: Kernel>(kernel: &K, signals: u64) -> LinuxResult<i32> {
    let set = signals.to_ne_bytes();
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let (set, size) = (Arg::In(&set), Arg::Val(SIGSET_SIZE));
    int(call!(kernel, RtSigtimedwait, set, Arg::Val(0), Arg::In(now.as_bytes()), size))
}

/// `man 2 sigtimedwait` without a time: waits for one of these signals and takes it.
pub fn wait<K: Kernel>(kernel: &K, signals: u64) -> LinuxResult<i32> {
    let set = signals.to_ne_bytes();
    let (set, size) = (Arg::In(&set), Arg::Val(SIGSET_SIZE));
    int(call!(kernel, RtSigtimedwait, set, Arg::Val(0), Arg::Val(0), size))
}

/// `man 2 sigsuspend`: waits with another mask until a signal was handled, which is always `EINTR`.
pub fn suspend<K: Kernel>(kernel: &K, mask: u64) -> LinuxResult<()> {
    let mask = mask.to_ne_bytes();
    unit(call!(kernel, RtSigsuspend, Arg::In(&mask), Arg::Val(SIGSET_SIZE)))
}

/// `man 2 pause`: waits until a signal was handled, which is always `EINTR`.
pub fn pause<K: Kernel>(kernel: &K) -> LinuxResult<()> {
    unit(call!(kernel, Ppoll, Arg::Val(0), Arg::Val(0), Arg::Val(0), Arg::Val(0), Arg::Val(SIGSET_SIZE)))
}

/// `man 2 sigpending`: what is blocked and waits, for the thread or the process.
pub fn pending<K: Kernel>(kernel: &K) -> LinuxResult<u64> {
    let mut set = [0; SIGSET_SIZE];
    unit(call!(kernel, RtSigpending, Arg::Out(&mut set), Arg::Val(SIGSET_SIZE)))?;
    Ok(u64::from_ne_bytes(set))
}

/// `man 2 kill`.
pub fn kill<K: Kernel>(kernel: &K, process: i32, signal: i32) -> LinuxResult<()> {
    unit(call!(kernel, Kill, value(process), value(signal)))
}

/// `man 2 tgkill`.
pub fn tgkill<K: Kernel>(kernel: &K, process: i32, thread: i32, signal: i32) -> LinuxResult<()> {
    unit(call!(kernel, Tgkill, value(process), value(thread), value(signal)))
}
