//! Signals (`bsd/kern/kern_sig.c`).

use crate::convert::errno::ToBsd;
use crate::convert::signal::{bit, mask_to_darwin, mask_to_linux, to_linux};
use crate::kernel::Kernel;
use crate::linux;
use crate::lkm::{Lkm, TrapArg};
use crate::process::Context;
use crate::signal::{self, Action, CANNOT_MASK, KEPT, SS_DISABLE};
use crate::table::{SysResult, Unchanged};
use crate::user::UserPtr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::signal::{
    InfoStyle, SA_USERSPACE_MASK, Sigaction, SigactionFlags, SigactionIn, Sigaltstack, Signal,
    SigprocmaskHow, Ucontext64,
};
use xnu_abi::linux::{SignalStack, flags};
use xnu_abi::lkm::Trap;
use xnu_abi::lkm::args::PthreadKillArgs;
use zerocopy::IntoBytes;

/// `man 2 sigaction`. The old action is written before the new one is set, so a bad address leaves it unset.
///
/// Differs from XNU where nobody has said how the guest is entered ([`signal::Actions::set_host`]): a handler is
/// `ENOTSUP` then, since it would never run.
pub fn sigaction<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    signal: Signal,
    new: UserPtr<SigactionIn>,
    old: UserPtr<Sigaction>,
) -> SysResult<()> {
    if to_linux(signal).is_none() || signal == Signal::SIGKILL || signal == Signal::SIGSTOP {
        return Err(Errno::EINVAL);
    }
    let wanted = if new.is_null() { None } else { Some(new.read(cx.kernel())?) };
    if !old.is_null() {
        let action = cx.process.actions.get(signal);
        let answer = Sigaction {
            sigaction_u: action.handler,
            sa_mask: action.mask,
            sa_flags: reported(signal, &action),
        };
        old.write(cx.kernel(), &answer)?;
    }
    if let Some(wanted) = wanted {
        cx.process.actions.choose_validation(wanted.sa_flags as u32 & SA_VALIDATE_SIGRETURN != 0);
        let action = Action {
            handler: wanted.sigaction_u,
            trampoline: wanted.sa_tramp,
            mask: wanted.sa_mask & !CANNOT_MASK,
            flags: wanted.sa_flags as u32 & SA_USERSPACE_MASK,
        };
        if action.is_caught() && cx.process.actions.host() == (0, 0) && cx.thread.is_none() {
            return Err(Errno::ENOTSUP);
        }
        let before = cx.process.actions.get(signal);
        if before.forgets(signal) && !action.forgets(signal) {
            forget_blocked(cx, signal)?;
        }
        cx.process.actions.set(signal, action);
        signal::install(cx.kernel(), &cx.process.actions, signal);
    }
    Ok(())
}

/// A signal that was ignored until now: what came while it was blocked has been kept by Linux, and must not come any more.
#[inline(never)]
fn forget_blocked<K: Kernel, L>(cx: &mut Context<'_, K, L>, signal: Signal) -> SysResult<()> {
    if mask(cx)? & bit(signal) != 0 {
        // Mostly there is none.
        let _ = linux::signal::take(cx.kernel(), mask_to_linux(bit(signal)));
        if let Some(thread) = &mut cx.thread {
            thread.signals.forget_some(bit(signal));
        }
    }
    Ok(())
}

/// `SA_VALIDATE_SIGRETURN_FROM_SIGTRAMP`, which the C library's `sigaction` adds.
const SA_VALIDATE_SIGRETURN: u32 = 0x400;

/// The flags that `sigaction` tells of: all but `SA_RESETHAND`, and those of children only for `SIGCHLD`.
fn reported(signal: Signal, action: &Action) -> i32 {
    let mut told = SigactionFlags::SA_ONSTACK
        | SigactionFlags::SA_RESTART
        | SigactionFlags::SA_SIGINFO
        | SigactionFlags::SA_NODEFER;
    if signal == Signal::SIGCHLD {
        told |= SigactionFlags::SA_NOCLDSTOP | SigactionFlags::SA_NOCLDWAIT;
    }
    (action.flags & told.bits()) as i32
}

/// `man 2 sigprocmask`. As on XNU, the old mask is written last and a bad address for it is not an error.
pub fn sigprocmask<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    how: SigprocmaskHow,
    new: UserPtr<u32>,
    old: UserPtr<u32>,
) -> SysResult<()> {
    let before = mask(cx)?;
    if !new.is_null() {
        let given = new.read(cx.kernel())?;
        let mask = match how {
            SigprocmaskHow::SIG_BLOCK => before | given,
            SigprocmaskHow::SIG_UNBLOCK => before & !given,
            SigprocmaskHow::SIG_SETMASK => given,
            _ => return Err(Errno::EINVAL),
        };
        set_mask(cx, mask & !CANNOT_MASK)?;
    }
    if !old.is_null() {
        let _ = old.write(cx.kernel(), &before);
    }
    Ok(())
}

fn mask<K: Kernel, L>(cx: &Context<'_, K, L>) -> SysResult<u32> {
    match &cx.thread {
        Some(thread) => Ok(thread.signals.mask),
        None => Ok(mask_to_darwin(linux::signal::mask(cx.kernel()).to_bsd()?)),
    }
}

/// Sets the thread's mask, here and in Linux, where the signals that the runner needs stay open.
pub(super) fn set_mask<K: Kernel, L>(cx: &mut Context<'_, K, L>, mask: u32) -> SysResult<()> {
    let kernel = cx.kernel();
    match &mut cx.thread {
        Some(thread) => {
            linux::signal::set_mask(kernel, mask_to_linux(mask & !KEPT)).to_bsd()?;
            thread.signals.mask = mask;
            Ok(())
        }
        None => linux::signal::set_mask(kernel, mask_to_linux(mask)).to_bsd(),
    }
}

/// A wait under another mask was interrupted: that mask holds until a signal was delivered, and the thread's own is what
/// the handler returns to (`bsd/kern/kern_sig.c`, `UT_SAS_OLDMASK`). Where the core is linked in, Linux sees to that.
pub(super) fn suspend_mask<K, L>(cx: &mut Context<'_, K, L>, mask: u32) {
    if let Some(thread) = &mut cx.thread {
        thread.signals.put_away.get_or_insert(thread.signals.mask);
        thread.signals.mask = mask;
    }
}

/// `man 2 sigpending`. As on XNU, a bad address is not an error. Linux keeps what is ignored and blocked, XNU does not.
pub fn sigpending<K: Kernel, L>(cx: &mut Context<'_, K, L>, set: UserPtr<u32>) -> SysResult<()> {
    let waiting = mask_to_darwin(linux::signal::pending(cx.kernel()).to_bsd()?);
    if !set.is_null() {
        let noted = cx.thread.as_ref().map_or(0, |thread| thread.signals.pending());
        let forgotten = |signal: &Signal| cx.process.actions.get(*signal).forgets(*signal);
        let all_forgotten =
            signals_of(waiting | noted).filter(forgotten).fold(0, |all, signal| all | bit(signal));
        let _ = set.write(cx.kernel(), &((waiting | noted) & !all_forgotten));
    }
    Ok(())
}

/// The signals of a set.
fn signals_of(set: u32) -> impl Iterator<Item = Signal> {
    (1..32).map(Signal::new).filter(move |signal| set & bit(*signal) != 0)
}

/// The least size of an alternate stack that `sigaltstack` takes: smaller than what the header names.
const STACK_SIZE_MIN: u64 = 8 * 1024;

/// `man 2 sigaltstack`.
pub fn sigaltstack<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    new: UserPtr<Sigaltstack>,
    old: UserPtr<Sigaltstack>,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let (stack, on_stack) = alternate_stack(cx)?;
    if !old.is_null() {
        let mut answer = stack;
        answer.ss_flags |= i32::from(on_stack);
        old.write(kernel, &answer)?;
    }
    if new.is_null() {
        return Ok(());
    }
    let wanted = new.read(kernel)?;
    if wanted.ss_flags & !SS_DISABLE != 0 {
        return Err(Errno::EINVAL);
    }
    if wanted.ss_flags & SS_DISABLE != 0 {
        if on_stack {
            return Err(Errno::EINVAL);
        }
        return set_alternate_stack(cx, Sigaltstack { ss_flags: SS_DISABLE, ..stack });
    }
    if on_stack {
        return Err(Errno::EPERM);
    }
    if wanted.ss_size < STACK_SIZE_MIN {
        return Err(Errno::ENOMEM);
    }
    set_alternate_stack(cx, Sigaltstack { _pad: 0, ..wanted })
}

/// The alternate stack of the thread, and whether it runs there.
fn alternate_stack<K: Kernel, L>(cx: &Context<'_, K, L>) -> SysResult<(Sigaltstack, bool)> {
    if let Some(thread) = &cx.thread {
        return Ok((thread.signals.stack, thread.signals.on_stack));
    }
    let found = linux::signal::sigaltstack(cx.kernel(), None).to_bsd()?;
    let is_disabled = found.ss_flags & flags::SS_DISABLE != 0;
    let ss_flags = if is_disabled { SS_DISABLE } else { 0 };
    let stack = Sigaltstack { ss_sp: found.ss_sp, ss_size: found.ss_size, ss_flags, _pad: 0 };
    Ok((stack, found.ss_flags & flags::SS_ONSTACK != 0))
}

fn set_alternate_stack<K: Kernel, L>(cx: &mut Context<'_, K, L>, stack: Sigaltstack) -> SysResult<()> {
    if let Some(thread) = &mut cx.thread {
        thread.signals.stack = stack;
        return Ok(());
    }
    let ss_flags = if stack.ss_flags & SS_DISABLE != 0 { flags::SS_DISABLE } else { 0 };
    let wanted = SignalStack { ss_sp: stack.ss_sp, ss_flags, padding: 0, ss_size: stack.ss_size };
    linux::signal::sigaltstack(cx.kernel(), Some(&wanted)).to_bsd()?;
    Ok(())
}

/// `sigreturn`, which only the trampoline calls: takes back what the frame says.
///
/// The token must be the frame's, unless the program's first `sigaction` said that it would not be
/// (`SA_VALIDATE_SIGRETURN_FROM_SIGTRAMP` left out). With a wrong one the mask and the mark of the alternate stack are
/// taken back all the same, the registers are not, and that is `EINVAL`.
pub fn sigreturn<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    ucontext: UserPtr<Ucontext64>,
    style: InfoStyle,
    token: u64,
) -> SysResult<Unchanged> {
    let kernel = cx.kernel();
    // Linked in, registers are not the core's to load.
    let thread = cx.thread.as_deref_mut().ok_or(Errno::ENOTSUP)?;
    let expected = ucontext.address().get() ^ thread.signals.token;
    let good = token == expected || !cx.process.actions.validates_returns();
    let taken = signal::sigreturn(kernel, thread, ucontext, style, good);
    let mask = thread.signals.mask;
    set_mask(cx, mask)?;
    taken.map(|()| Unchanged)
}

/// `man 2 kill` (`bsd/kern/kern_sig.c`, `kill`, `killpg1`). The third argument asks for POSIX's rules, which the C
/// library always does: everyone (-1) is the caller too, and where nobody may be told that is `EPERM`, not `ESRCH`.
/// Nobody kills process 1.
pub fn kill<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    process: i32,
    signal: Signal,
    posix: i32,
) -> SysResult<()> {
    const INIT: i32 = 1;
    const EVERYONE: i32 = -1;
    let number = match signal.number() {
        0 => 0,
        _ => to_linux(signal).ok_or(Errno::EINVAL)?,
    };
    let kernel = cx.kernel();
    if process == INIT && signal == Signal::SIGKILL {
        return Err(Errno::EPERM);
    }
    let told = linux::signal::kill(kernel, process, number).to_bsd();
    if process > 0 {
        return told;
    }
    if posix == 0 {
        return told.map_err(|error| if error == Errno::EPERM { Errno::ESRCH } else { error });
    }
    if process != EVERYONE {
        return told;
    }
    // Linux leaves the caller out. Whether the others could be told does not matter then.
    let own = linux::process::getpid(kernel).to_bsd()?;
    linux::signal::kill(kernel, own, number).to_bsd()
}

/// `__pthread_kill` (`man 2 pthread_kill`): a signal for the thread that a port stands for. What is no thread's is
/// `ESRCH`, before the signal is looked at.
pub fn pthread_kill<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    thread: u32,
    signal: Signal,
) -> SysResult<()> {
    /// What the other side refuses once it has found the thread.
    const NO_SIGNAL: i32 = -1;
    let number = if signal.number() == 0 { 0 } else { to_linux(signal).unwrap_or(NO_SIGNAL) };
    let mut args = PthreadKillArgs { thread_port: thread as i32, sig: number };
    cx.lkm().call(Trap::PthreadKillTrap, TrapArg::Struct(args.as_mut_bytes())).map(|_| ())
}

/// Whether a call that a signal interrupted is made anew where the handler has `SA_RESTART`: those that sleep on a
/// vnode, a pipe, a terminal, a lock or a child (`ERESTART`). `open` turns it into `EINTR` itself.
pub fn is_restartable(number: u32) -> bool {
    let Some(row) = super::row(number) else { return false };
    matches!(
        row.name,
        "read"
            | "write"
            | "readv"
            | "writev"
            | "pread"
            | "pwrite"
            | "preadv"
            | "pwritev"
            | "fcntl"
            | "flock"
            | "ioctl"
            | "wait4"
            | "waitid"
    )
}
