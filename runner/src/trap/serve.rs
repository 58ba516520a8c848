//! What runs between the guest's call and its return, on the thread's call stack.
//!
//! # Safety
//! The two functions are called by the assembly of [`super::entry`] with the address of the calling thread's own
//! [`GuestThread`]. Handlers of the thread that run meanwhile touch only its inbox.
#![allow(unsafe_code)]

use super::area::GuestThread;
use super::entry::arm;
use super::handler::unwatch;
use super::kernel::Trapped;
use super::threads;
use crate::commpage;
use crate::ports::Ports;
use crate::trace::Recorder;
use std::sync::atomic::Ordering;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::signal::{SigactionFlags, Signal};
use xnu_abi::linux::KernelSigaction;
use xnu_backend_linux::Course;
use xnu_core::dispatch::{self, Call};
use xnu_core::registers::Registers;
use xnu_core::signal::{Info, KEPT, Next, deliver_next, force, install};
use xnu_core::table::Class;
use xnu_core::{Context, Reply, bsd, convert, linux};

/// The trap flag: loading it must be the last thing that happens.
const TRAP_FLAG: u64 = 0x100;

/// Serves the call in the thread's registers.
#[unsafe(link_section = ".text.xnu_trap")]
pub(super) unsafe extern "sysv64" fn serve(thread: *mut GuestThread) {
    // SAFETY: see the module.
    let thread = unsafe { &mut *thread };
    let guest = thread.guest;
    let process = &guest.process;
    thread.all_registers = u8::from(thread.thread.registers.rflags & TRAP_FLAG != 0);
    let (class, reply) = match Call::decode(&thread.thread.registers, &process.kernel) {
        Ok(call) => {
            let bsd = call.class == Class::Bsd;
            let forks = bsd && call.number == FORK;
            let executes = bsd && matches!(call.number, EXECVE | MAC_EXECVE | POSIX_SPAWN);
            if forks || executes {
                hold_signals(thread);
            }
            let mut cx = Context { process, thread: Some(&mut thread.thread) };
            let reply = match &guest.recorder {
                None => call.dispatch(&mut cx),
                Some(recorder) => recorded(recorder, &call, &mut cx),
            };
            if forks || executes {
                forked(thread, reply);
            }
            if bsd && call.number == GETTIMEOFDAY {
                // Made because the page had no time to tell.
                commpage::refresh(&process.kernel);
            }
            if reply == Reply::Error(Errno::EINTR) || is_aborted_sleep(&call, reply) {
                thread.interrupted = Some((thread.thread.registers, is_restartable(&call)));
            }
            if reply == Reply::Unchanged && bsd && call.number == BSDTHREAD_TERMINATE {
                threads::end(thread);
            }
            (Some(call.class), reply)
        }
        Err(undecodable) => {
            let reply = undecodable.reply();
            if let Some(recorder) = &guest.recorder {
                not_decoded(recorder, thread, &reply);
            }
            (undecodable.class(), reply)
        }
    };
    if reply == Reply::Unchanged {
        thread.all_registers = 1;
    }
    if dispatch::reply(class, reply, &mut thread.thread.registers) {
        thread.thread.signals.note(Info::bare(Signal::SIGSYS));
    }
}

/// Serves the call and tells about it. Apart, for recording takes much of the stack.
#[inline(never)]
fn recorded(recorder: &Recorder, call: &Call, cx: &mut Context<'_, Trapped, Ports>) -> Reply {
    let kernel = cx.kernel();
    let entered = recorder.enter(kernel, call);
    let reply = dispatched(call, cx);
    recorder.leave(kernel, call, entered, &reply);
    reply
}

/// The same as in [`serve`], but that there nothing is between the call and its handler.
#[inline(never)]
fn dispatched(call: &Call, cx: &mut Context<'_, Trapped, Ports>) -> Reply {
    call.dispatch(cx)
}

#[inline(never)]
fn not_decoded(recorder: &Recorder, thread: &GuestThread, reply: &Reply) {
    recorder.undecodable(&thread.guest.process.kernel, thread.thread.registers.rax, reply);
}

/// Delivers what is ready before the guest goes on.
#[unsafe(link_section = ".text.xnu_trap")]
pub(super) unsafe extern "sysv64" fn leave(thread: *mut GuestThread) {
    // SAFETY: see the module.
    let thread = unsafe { &mut *thread };
    let process = &thread.guest.process;
    if let Some(info) = thread.fault.take()
        && !process.lkm.handles(&mut thread.thread, &info)
        && let Next::Default(signal) = force(&mut thread.thread, &process.actions, info)
    {
        tell(thread, &info);
        default(thread, signal);
    }
    loop {
        thread.collect();
        if !thread.thread.signals.is_deliverable() {
            if come_back_to_mask(thread) {
                continue;
            }
            if process.lkm.has_suspended() && stop(thread) {
                continue;
            }
            thread.interrupted = None;
            unwatch(thread);
            return;
        }
        thread.all_registers = 1;
        restart(thread);
        if let Some(info) = thread.thread.signals.next_ready() {
            tell(thread, &info);
        }
        match deliver_next(process, &mut thread.thread) {
            // Nothing is deliverable any more; the rest is as without.
            Next::Go => {}
            Next::Entered => {
                let mask = thread.thread.signals.mask & !KEPT;
                // The mask is the one that the core computed: Linux has nothing to refuse.
                let _ = linux::signal::set_mask(&process.kernel, convert::signal::mask_to_linux(mask));
            }
            Next::Default(signal) => default(thread, signal),
        }
    }
}

/// Waits while the thread is suspended, or ends it; whether something else may be ready by now. A call that ended for a
/// suspension alone is made anew.
#[cold]
#[inline(never)]
fn stop(thread: &mut GuestThread) -> bool {
    let at_call = thread.interrupted.map(|(at_call, _)| at_call);
    let course = thread.guest.process.lkm.stop(&mut thread.thread, at_call);
    match course {
        Course::On => return false,
        Course::Changed => {}
        Course::Again => {
            let registers = &mut thread.thread.registers;
            registers.rip = registers.rip.wrapping_sub(SYSCALL_BYTES);
        }
        Course::Ends => threads::end_here(thread),
    }
    thread.interrupted = None;
    thread.all_registers = 1;
    true
}

/// The length of the instruction.
const SYSCALL_BYTES: u64 = 2;

/// After a wait under another mask that no handler ended: the thread's own holds again, here and in Linux.
fn come_back_to_mask(thread: &mut GuestThread) -> bool {
    let restored = thread.thread.signals.restore_mask();
    if restored {
        let mask = thread.thread.signals.mask & !KEPT;
        let _ = linux::signal::set_mask(&thread.guest.process.kernel, convert::signal::mask_to_linux(mask));
    }
    restored
}

const FORK: u32 = 2;
const GETTIMEOFDAY: u32 = 116;
const EXECVE: u32 = 59;
const MAC_EXECVE: u32 = 380;
const POSIX_SPAWN: u32 = 244;
const BSDTHREAD_TERMINATE: u32 = 361;

/// Before a fork, or before another program takes over: a signal that came is the parent's, one that comes waits and is whose it was sent to.
fn hold_signals(thread: &mut GuestThread) {
    // Linux has nothing to refuse.
    let _ = linux::signal::set_mask(&thread.guest.process.kernel, u64::MAX);
    thread.collect();
}

/// After a fork, on both sides, or where nothing took over. The child has no signals yet (`bsd/kern/kern_fork.c`), and Linux does not give it
/// the parent's dispatch of system calls.
fn forked(thread: &mut GuestThread, reply: Reply) {
    let kernel = &thread.guest.process.kernel;
    if matches!(reply, Reply::Value(_, 1)) {
        thread.guest.threads.forked(thread);
        thread.thread.signals.forget();
        thread.watched.store(false, Ordering::Relaxed);
        if arm(&thread.guest.text).is_err() {
            // It was let through in the parent.
            linux::process::exit_group(kernel, CANNOT_GO_ON);
        }
    }
    let mask = thread.thread.signals.mask & !KEPT;
    let _ = linux::signal::set_mask(kernel, convert::signal::mask_to_linux(mask));
}

/// The exit status of a child that could not be made a guest's.
const CANNOT_GO_ON: i32 = 126;

/// Whether a call is `mach_wait_until`, and an interruption ended it: it waits for the same time when it is made anew.
fn is_aborted_sleep(call: &Call, reply: Reply) -> bool {
    const WAIT_UNTIL: u32 = 90;
    const KERN_ABORTED: u64 = 14;
    call.class == Class::Mach && call.number == WAIT_UNTIL && matches!(reply, Reply::Value(KERN_ABORTED, _))
}

/// Whether XNU makes the call anew after a handler with `SA_RESTART`.
fn is_restartable(call: &Call) -> bool {
    call.class == Class::Bsd && bsd::signal::is_restartable(call.number)
}

/// Points an interrupted call back at its instruction, if the signal that comes first wants that.
fn restart(thread: &mut GuestThread) {
    let Some((at_call, true)) = thread.interrupted.take() else { return };
    let actions = &thread.guest.process.actions;
    let restarts = thread.thread.signals.next_ready().is_some_and(|info| {
        let action = actions.get(info.signal);
        !action.is_caught() || action.has(SigactionFlags::SA_RESTART)
    });
    if restarts {
        thread.thread.registers = Registers { rip: at_call.rip - SYSCALL_BYTES, ..at_call };
    }
}

#[inline(never)]
fn tell(thread: &GuestThread, info: &Info) {
    if let Some(recorder) = &thread.guest.recorder {
        recorder.signal(&thread.guest.process.kernel, info);
    }
}

/// Lets Linux do to the process what the signal does by default. Comes back where that is to stop, and to go on later.
fn default(thread: &GuestThread, signal: Signal) {
    const SIG_DFL: u64 = 0;
    let process = &thread.guest.process;
    let kernel = &process.kernel;
    let Some(number) = convert::signal::to_linux(signal) else { return };
    let action = KernelSigaction { handler: SIG_DFL, flags: 0, restorer: 0, mask: 0 };
    // None of these can fail: the numbers are good and the thread is its own.
    let _ = linux::signal::rt_sigaction(kernel, number, &action);
    let _ = linux::signal::set_mask(kernel, 0);
    let pid = linux::process::getpid(kernel).unwrap_or(0);
    let tid = linux::process::gettid(kernel).unwrap_or(0);
    let _ = linux::signal::tgkill(kernel, pid, tid, number);
    install(kernel, &process.actions, signal);
    let mask = thread.thread.signals.mask & !KEPT;
    let _ = linux::signal::set_mask(kernel, convert::signal::mask_to_linux(mask));
    if !matches!(signal, Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU | Signal::SIGSTOP) {
        linux::process::exit_group(kernel, 128 + number);
    }
}
