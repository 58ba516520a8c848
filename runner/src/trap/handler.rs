//! The runner's signal handler: it decides where a thread goes on, and does nothing else.
//!
//! From a call of the guest's it goes on to serve the call at once, without the way back through Linux: the frame has
//! everything, and returning would only load all registers to save them again.
//!
//! A signal that finds the core running must also end a Linux call that is just about to block. So the handler leaves
//! the thread *watched*: Linux lets almost none of the runner's own calls through either. The next one comes back
//! here as `SIGSYS`; one that may wait is answered `EINTR`, any other is made in its place and the watch goes on.
//!
//! # Safety
//! Linux calls the handler on the signal stack of the thread's area, with all signals blocked, and hands it a
//! `siginfo_t` and a `ucontext_t` that are the handler's to change until it returns.
#![allow(unsafe_code)]

use super::GuestProcess;
use super::area::{GuestThread, thread_at};
use super::entry::{Resume, arm, restorer, serve_call, watched_text, way_out};
use super::siginfo::Cause;
use libc::{
    REG_CR2, REG_EFL, REG_ERR, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RAX,
    REG_RBP, REG_RBX, REG_RCX, REG_RDI, REG_RDX, REG_RIP, REG_RSI, REG_RSP, REG_TRAPNO, siginfo_t,
    ucontext_t,
};
use std::arch::asm;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::Ordering;
use xnu_abi::darwin::signal::Signal;
use xnu_abi::linux::{Errno, KernelSigaction};
use xnu_backend_linux::recover;
use xnu_core::convert::signal::{bit, mask_to_darwin, mask_to_linux, to_linux};
use xnu_core::linux::signal::{rt_sigaction, set_mask};
use xnu_core::registers::Registers;
use xnu_core::signal::{self, Action, CANNOT_MASK, DEFAULTS_DIFFER, KEPT, SIG_IGN};

/// `SYS_USER_DISPATCH`: a `SIGSYS` that Syscall User Dispatch made.
const SYS_USER_DISPATCH: i32 = 2;

/// A signal of the runner's own: it ends a wait of a thread, or sends it through the way out.
pub const INTERRUPTION: i32 = 63;

/// The flags that the core's code must not inherit: trap, direction, alignment check.
const UNWANTED_FLAGS: i64 = 0x100 | 0x400 | 0x4_0000;

/// Takes over what the runner was started with, as `exec` does on both systems: the mask and the ignored signals
/// (`bsd/kern/kern_sig.c`, `execsigs`). Before [`install`].
pub(super) fn inherit(thread: &mut GuestThread, told: Option<(u32, u32)>) -> io::Result<()> {
    let process = &thread.guest.process;
    for number in (1..32).map(Signal::new) {
        let Some(linux) = to_linux(number) else { continue };
        let ignored = match told {
            Some((_, ignored)) => ignored & bit(number) != 0,
            None => is_ignored(linux),
        };
        if ignored {
            process.actions.set(number, Action { handler: SIG_IGN, ..Action::default() });
        }
    }
    for signal in DEFAULTS_DIFFER {
        signal::install(&process.kernel, &process.actions, signal);
    }

    let mut mask = 0u64;
    // SAFETY: sets nothing; Linux writes the eight bytes of its own signal set.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            ptr::null::<u64>(),
            &raw mut mask,
            size_of::<u64>(),
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let mask = told.map_or_else(|| mask_to_darwin(mask), |(mask, _)| mask) & !CANNOT_MASK;
    set_mask(&process.kernel, mask_to_linux(mask & !KEPT)).map_err(error)?;
    thread.thread.signals.mask = mask;
    Ok(())
}

fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: sets nothing; where it answers 0, Linux has filled in the structure.
    unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

fn error(error: Errno) -> io::Error {
    io::Error::from_raw_os_error(i32::from(error.number()))
}

/// Tells the core of the handler, and Linux of it for the signals that the runner must always get.
///
/// `SIGSYS` blocks nothing: its handler does not return where the guest made a call, so there would be nothing to
/// unblock again.
pub(super) fn install(process: &GuestProcess) -> io::Result<()> {
    let handler = on_signal as *const () as u64;
    process.actions.set_host(handler, restorer());
    let always = SA_SIGINFO | SA_ONSTACK | SA_RESTORER;
    for (number, flags, mask) in [
        (libc::SIGSYS, always | SA_NODEFER, 0),
        (libc::SIGSEGV, always, u64::MAX),
        (libc::SIGBUS, always, u64::MAX),
        (INTERRUPTION, always, u64::MAX),
    ] {
        let action = KernelSigaction { handler, flags, restorer: restorer(), mask };
        rt_sigaction(&process.kernel, number, &action).map_err(error)?;
    }
    Ok(())
}

const SA_SIGINFO: u64 = libc::SA_SIGINFO as u64;
const SA_ONSTACK: u64 = libc::SA_ONSTACK as u64;
const SA_NODEFER: u64 = libc::SA_NODEFER as u64;
const SA_RESTORER: u64 = 0x0400_0000;

#[unsafe(link_section = ".text.xnu_trap")]
unsafe extern "C" fn on_signal(number: i32, info: *mut siginfo_t, context: *mut ucontext_t) {
    let here = 0u8;
    // SAFETY: the handler runs on the area's signal stack, and nothing else uses the thread's state meanwhile but the
    // code it interrupted; that is Linux's promise and the module's.
    let (thread, info, context) =
        unsafe { (&mut *thread_at(&raw const here as usize), &*info, &mut *context) };
    let [rip, rsp] = [REG_RIP, REG_RSP].map(|register| context.uc_mcontext.gregs[register as usize] as u64);
    // The core's clock is in Linux's vDSO, which is not in the runner's text; the call stack is the core's alone.
    let in_runner = thread.guest.text.contains(&rip) || thread.call_stack().contains(&rsp);
    if number == libc::SIGSYS && info.si_code == SYS_USER_DISPATCH {
        if in_runner {
            return watched_call(thread, context);
        }
        take_registers(thread, context);
        take_vectors(thread, context);
        serve_call(thread);
    }
    if number == INTERRUPTION {
        return interrupt(thread, context, rip, in_runner);
    }
    let cause = cause(number, info, context);
    if cause.is_fault()
        && let Some(pad) = recover(rip)
    {
        context.uc_mcontext.gregs[REG_RIP as usize] = pad as i64;
        return;
    }
    let Some(darwin) = cause.info() else { return };
    let leaving = way_out().contains(&rip);
    match (cause.is_fault(), in_runner) {
        // Loading the guest's registers failed: what it wanted to continue with cannot be.
        (true, true) if leaving => {
            thread.fault = Some(darwin);
            resume(thread, context, Resume::Leave);
        }
        // A fault of the runner itself: the default action ends the process where it stands.
        (true, true) => {
            // SAFETY: a default disposition has no handler to get wrong.
            unsafe { libc::signal(number, libc::SIG_DFL) };
        }
        (true, false) => {
            thread.fault = Some(darwin);
            take_registers(thread, context);
            resume(thread, context, Resume::Interrupt);
        }
        (false, true) => {
            thread.post(darwin);
            if leaving {
                resume(thread, context, Resume::Leave);
            } else if !lets_signals_in(thread) {
                watch(thread);
            }
        }
        (false, false) => {
            thread.post(darwin);
            take_registers(thread, context);
            resume(thread, context, Resume::Interrupt);
        }
    }
}

/// Another thread of the guest's aborts or suspends this one.
#[cold]
#[inline(never)]
fn interrupt(thread: &mut GuestThread, context: &mut ucontext_t, rip: u64, in_runner: bool) {
    if way_out().contains(&rip) {
        resume(thread, context, Resume::Leave);
    } else if in_runner {
        watch(thread);
    } else {
        take_registers(thread, context);
        resume(thread, context, Resume::Interrupt);
    }
}

/// A call of the runner's own, made while the thread was watched; or the vDSO's where it must ask Linux for the time.
fn watched_call(thread: &mut GuestThread, context: &mut ucontext_t) {
    let registers = &mut context.uc_mcontext.gregs;
    let call = registers[REG_RAX as usize];
    let was_watched = thread.watched.load(Ordering::Relaxed);
    unwatch(thread);
    let argument = |register: i32| registers[register as usize] as usize;
    let arguments = [REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9].map(argument);
    if may_wait(call, &arguments) {
        registers[REG_RAX as usize] = -i64::from(libc::EINTR);
        return;
    }
    if call == libc::SYS_rt_sigprocmask {
        // Made here it would be undone by the return from the handler: back to the instruction.
        const SYSCALL_BYTES: i64 = 2;
        registers[REG_RIP as usize] -= SYSCALL_BYTES;
        return;
    }
    registers[REG_RAX as usize] = linux(call, &arguments);
    if was_watched {
        watch(thread);
    }
}

/// Whether the call being served is one that brings signals about or lets them in, and then waits for nothing: the signal
/// is its own, and no watch is needed.
fn lets_signals_in(thread: &GuestThread) -> bool {
    const KILL: u64 = 0x200_0000 + 37;
    const SIGPROCMASK: u64 = 0x200_0000 + 48;
    const SIGRETURN: u64 = 0x200_0000 + 184;
    const PTHREAD_KILL: u64 = 0x200_0000 + 328;
    const PTHREAD_SIGMASK: u64 = 0x200_0000 + 329;
    matches!(thread.thread.registers.rax, KILL | SIGPROCMASK | SIGRETURN | PTHREAD_KILL | PTHREAD_SIGMASK)
}

/// From here on the next Linux call of the core comes to the handler.
fn watch(thread: &mut GuestThread) {
    thread.watched.store(true, Ordering::Relaxed);
    // It was let through when the guest started, so it is now.
    let _ = arm(&watched_text());
}

/// Ends the watch. The signal that began it has been dealt with, or is blocked: the guest's next call is not to end
/// because of it. A signal that comes meanwhile is in the inbox, and only begins a watch that nobody needs.
pub(super) fn unwatch(thread: &GuestThread) {
    if thread.watched.swap(false, Ordering::Relaxed) {
        let _ = arm(&thread.guest.text);
    }
}

/// The very call that the core was making, or a question about it, in the same thread.
fn linux(call: i64, arguments: &[usize; 6]) -> i64 {
    let [a, b, c, d, e, f] = *arguments;
    // SAFETY: the core's own arguments, or buffers of the caller's.
    unsafe { sc::platform::syscall6(call as usize, a, b, c, d, e, f) as i64 }
}

/// Whether a Linux call of the core's may wait for others, and so end with `EINTR`. On files and directories none
/// does, on XNU as on Linux, and programs do not expect it.
fn may_wait(call: i64, arguments: &[usize; 6]) -> bool {
    const OFD_SETLKW: usize = libc::F_OFD_SETLKW as usize;
    const SETLKW: usize = libc::F_SETLKW as usize;
    let [first, second, third, fourth, fifth, _] = *arguments;
    match call {
        libc::SYS_read
        | libc::SYS_write
        | libc::SYS_readv
        | libc::SYS_writev
        | libc::SYS_pread64
        | libc::SYS_pwrite64
        | libc::SYS_preadv
        | libc::SYS_pwritev => is_waited_for(first),
        libc::SYS_openat => names_waited_for(call, arguments, third as u64),
        libc::SYS_openat2 => {
            // SAFETY: the core's own `struct open_how`, which begins with the flags.
            let flags = unsafe { ptr::read_unaligned(third as *const u64) };
            names_waited_for(call, arguments, flags)
        }
        // Without time to wait neither is interrupted.
        libc::SYS_ppoll => has_time(third),
        libc::SYS_pselect6 => has_time(fifth),
        libc::SYS_sendfile => true,
        libc::SYS_ioctl => matches!(second as u64, libc::TCSBRK | libc::TCSETSW2 | libc::TCSETSF2),
        libc::SYS_fcntl => matches!(second, SETLKW | OFD_SETLKW),
        libc::SYS_nanosleep | libc::SYS_clock_nanosleep => true,
        // The other wait is for a lock that is held for moments.
        libc::SYS_futex => second & 0x7f == libc::FUTEX_WAIT_BITSET as usize,
        libc::SYS_flock => second & libc::LOCK_NB as usize == 0,
        libc::SYS_waitid => fourth & libc::WNOHANG as usize == 0,
        _ => false,
    }
}

/// Whether a wait may take longer than none.
fn has_time(timeout: usize) -> bool {
    // SAFETY: null, or the core's own `struct timespec`.
    timeout == 0 || unsafe { ptr::read_unaligned(timeout as *const [u64; 2]) } != [0, 0]
}

/// Whether the file behind a descriptor is one that others fill or empty: no file, directory or disk.
fn is_waited_for(fd: usize) -> bool {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    if linux(libc::SYS_fstat, &[fd, status.as_mut_ptr() as usize, 0, 0, 0, 0]) != 0 {
        return false;
    }
    // SAFETY: Linux has filled it in.
    let mode = unsafe { status.assume_init() }.st_mode;
    !matches!(mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK)
}

/// The same for the name that is about to be opened. Where it leads nowhere there is nothing to wait for.
fn names_waited_for(call: i64, arguments: &[usize; 6], flags: u64) -> bool {
    let kept = (libc::O_NOFOLLOW | libc::O_DIRECTORY) as u64;
    let flags = flags & kept | (libc::O_PATH | libc::O_CLOEXEC) as u64;
    let [at, path, how, size, ..] = *arguments;
    let fd = if call == libc::SYS_openat2 {
        // SAFETY: as for the call itself: flags, mode and resolution of the core's own.
        let [_, _, resolve] = unsafe { ptr::read_unaligned(how as *const [u64; 3]) };
        let how = [flags, 0, resolve];
        linux(call, &[at, path, (&raw const how) as usize, size_of_val(&how).min(size), 0, 0])
    } else {
        linux(call, &[at, path, flags as usize, 0, 0, 0])
    };
    let Ok(fd) = usize::try_from(fd) else { return false };
    let waits = is_waited_for(fd);
    linux(libc::SYS_close, &[fd, 0, 0, 0, 0, 0]);
    waits
}

/// Makes the interrupted thread go on in the core.
fn resume(thread: &mut GuestThread, context: &mut ucontext_t, to: Resume) {
    if to == Resume::Interrupt {
        thread.all_registers = 1;
    }
    let registers = &mut context.uc_mcontext.gregs;
    registers[REG_RIP as usize] = to.address() as i64;
    registers[REG_RDI as usize] = ptr::from_mut(thread) as i64;
    registers[REG_RSP as usize] = thread.call_stack_top() as i64;
    registers[REG_EFL as usize] &= !UNWANTED_FLAGS;
}

/// Copies the guest's registers from the frame to the thread.
#[inline(always)]
fn take_registers(thread: &mut GuestThread, context: &ucontext_t) {
    let from = |register: i32| context.uc_mcontext.gregs[register as usize] as u64;
    thread.thread.registers = Registers {
        rax: from(REG_RAX),
        rbx: from(REG_RBX),
        rcx: from(REG_RCX),
        rdx: from(REG_RDX),
        rdi: from(REG_RDI),
        rsi: from(REG_RSI),
        rbp: from(REG_RBP),
        rsp: from(REG_RSP),
        r8: from(REG_R8),
        r9: from(REG_R9),
        r10: from(REG_R10),
        r11: from(REG_R11),
        r12: from(REG_R12),
        r13: from(REG_R13),
        r14: from(REG_R14),
        r15: from(REG_R15),
        rip: from(REG_RIP),
        rflags: from(REG_EFL),
        cs: 0,
        fs: 0,
        gs: 0,
    };
}

/// Copies the guest's vector registers from the frame to the thread: Linux has saved them there in the standard
/// format, which `xrstor` takes as well.
#[inline(always)]
fn take_vectors(thread: &mut GuestThread, context: &ucontext_t) {
    let length = thread.vector_length();
    let from = context.uc_mcontext.fpregs.cast::<u8>();
    if !from.is_null() {
        // SAFETY: Linux wrote at least that much, as these components are enabled; the thread has room for it.
        unsafe {
            // In place of the C library's copy, whose page a forked child would have to fetch for this alone.
            asm!(
                "rep movsb",
                inout("rcx") length => _,
                inout("rsi") from => _,
                inout("rdi") thread.thread.vectors.0.as_mut_ptr() => _,
                options(nostack, preserves_flags)
            );
        }
    }
}

fn cause(number: i32, info: &siginfo_t, context: &ucontext_t) -> Cause {
    let from = |register: i32| context.uc_mcontext.gregs[register as usize] as u64;
    // SAFETY: these read different views of the same bytes, all of which Linux has set or zeroed.
    let (pid, uid, status, value, address) = unsafe {
        (
            info.si_pid(),
            info.si_uid(),
            info.si_status(),
            info.si_value().sival_ptr as u64,
            info.si_addr() as u64,
        )
    };
    Cause {
        signal: number,
        code: info.si_code,
        pid,
        uid,
        status,
        value,
        address,
        trap: from(REG_TRAPNO) as u16,
        error: from(REG_ERR) as u32,
        fault_address: from(REG_CR2),
    }
}
