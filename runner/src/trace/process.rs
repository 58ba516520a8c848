//! The two processes: forking, and what the tracer does for the guest until it ends.
//!
//! # Safety
//! Every block makes one call of the C library's with arguments of its prototype: structures are local, filled by
//! `zeroed` (all fields are integers or null) or by the call itself. [`fork`] is called while the process has one
//! thread, so the child may use everything.
#![allow(unsafe_code)]

use std::io;
use std::mem::zeroed;
use std::os::fd::RawFd;
use std::ptr;

/// Which of the two processes this is.
pub(super) enum Side {
    /// The child.
    Guest,
    /// The parent, with the child's id.
    Tracer(i32),
}

/// How the guest ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// It exited with this status.
    Exited(i32),
    /// This signal of Linux's killed it.
    Killed(i32),
}

/// Forks. The child has the signal mask and actions of before, and dies with the calling thread. The parent has all
/// signals blocked, for [`attend`].
pub(super) fn fork() -> io::Result<Side> {
    // SAFETY: see the module.
    unsafe {
        let tracer = libc::getpid();
        let mut all: libc::sigset_t = zeroed();
        let mut mask: libc::sigset_t = zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, &mut mask);
        // Where SIGCHLD was ignored, there would be no status to wait for.
        let mut default: libc::sigaction = zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        let mut action: libc::sigaction = zeroed();
        libc::sigaction(libc::SIGCHLD, &default, &mut action);
        let child = libc::fork();
        if child > 0 {
            return Ok(Side::Tracer(child));
        }
        let error = io::Error::last_os_error();
        if child == 0 {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            if libc::getppid() != tracer {
                libc::_exit(FAILED);
            }
        }
        libc::sigaction(libc::SIGCHLD, &action, ptr::null_mut());
        libc::pthread_sigmask(libc::SIG_SETMASK, &mask, ptr::null_mut());
        if child == 0 { Ok(Side::Guest) } else { Err(error) }
    }
}

/// The status of a runner that could not do its work.
const FAILED: i32 = 126;

/// Ends the guest, and the tracer with a status that says the runner failed.
pub(super) fn give_up(guest: i32) -> ! {
    // SAFETY: see the module.
    unsafe {
        libc::kill(guest, libc::SIGKILL);
        libc::_exit(FAILED)
    }
}

/// Lets go of every descriptor but standard error and `kept`: a pipe that the tracer held open would not end when the
/// guest closes it.
pub(super) fn release_descriptors(kept: Option<RawFd>) {
    let mut first = 3;
    // SAFETY: see the module. The tracer uses none of the descriptors that it closes.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        for standard in [libc::STDIN_FILENO, libc::STDOUT_FILENO] {
            if null < 0 || libc::dup2(null, standard) < 0 {
                libc::close(standard);
            }
        }
        if let Some(kept) = kept.filter(|kept| *kept >= first) {
            if kept > first {
                libc::syscall(libc::SYS_close_range, first, kept - 1, 0);
            }
            first = kept + 1;
        }
        libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0);
    }
}

/// Waits for the guest's end. Until then passes on the signals that other processes send to the tracer; what the
/// terminal sends, the guest gets too. Stops itself when the terminal has stopped the guest, for the shell to see.
pub(super) fn attend(guest: i32) -> End {
    // SAFETY: see the module. `guest` is a child that nobody else waits for, so its id stays its own.
    unsafe {
        let mut all: libc::sigset_t = zeroed();
        libc::sigfillset(&mut all);
        loop {
            if let Some(end) = reap(guest) {
                return end;
            }
            let mut info: libc::siginfo_t = zeroed();
            let signal = libc::sigwaitinfo(&all, &mut info);
            let is_from_a_process = info.si_code <= 0;
            if signal > 0 && signal != libc::SIGCHLD && is_from_a_process {
                libc::kill(guest, signal);
            }
        }
    }
}

/// Collects what has happened to the guest; its end, if that was all.
fn reap(guest: i32) -> Option<End> {
    loop {
        let mut status = 0;
        // SAFETY: see the module.
        match unsafe { libc::waitpid(guest, &mut status, libc::WNOHANG | libc::WUNTRACED) } {
            0 => return None,
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            // Cannot be: there is such a child until it was waited for.
            -1 => return Some(End::Exited(FAILED)),
            _ if libc::WIFSTOPPED(status) => {
                if matches!(libc::WSTOPSIG(status), libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU) {
                    // SAFETY: see the module.
                    unsafe { libc::kill(libc::getpid(), libc::SIGSTOP) };
                }
            }
            _ if libc::WIFSIGNALED(status) => return Some(End::Killed(libc::WTERMSIG(status))),
            _ => return Some(End::Exited(libc::WEXITSTATUS(status))),
        }
    }
}

/// Ends the tracer as the guest ended. A signal's core dump is the guest's alone.
pub(super) fn end_as(end: End) -> ! {
    let status = match end {
        End::Exited(status) => status,
        End::Killed(signal) => {
            // SAFETY: see the module.
            unsafe {
                // A limit of 0 does not keep the core from a program that collects cores, this does.
                libc::prctl(libc::PR_SET_DUMPABLE, 0);
                let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                libc::setrlimit(libc::RLIMIT_CORE, &none);
                libc::signal(signal, libc::SIG_DFL);
                let mut only: libc::sigset_t = zeroed();
                libc::sigemptyset(&mut only);
                libc::sigaddset(&mut only, signal);
                libc::raise(signal);
                libc::pthread_sigmask(libc::SIG_UNBLOCK, &only, ptr::null_mut());
            }
            // Only a signal that does not kill by default gets here, and the guest was killed by it.
            128 + signal
        }
    };
    // SAFETY: see the module.
    unsafe { libc::_exit(status) }
}
