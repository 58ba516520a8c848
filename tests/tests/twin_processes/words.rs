//! What the scenarios say, in Linux's numbers.
//!
//! # Safety
//! Sets of signals are C structures of which zeros are a value; libc is given those of the frame.
#![allow(unsafe_code)]

use crate::scenario;
use crate::scenario::system::{Change, Error, Outcome, Priority, Resource, Signal, Timer, Wait};
use libc::c_int;
use std::io;
use std::mem::zeroed;

const ERRORS: [(c_int, &str); 24] = [
    (libc::EPERM, "EPERM"),
    (libc::ENOENT, "ENOENT"),
    (libc::ESRCH, "ESRCH"),
    (libc::EINTR, "EINTR"),
    (libc::EIO, "EIO"),
    (libc::E2BIG, "E2BIG"),
    (libc::ENOEXEC, "ENOEXEC"),
    (libc::EBADF, "EBADF"),
    (libc::ECHILD, "ECHILD"),
    (libc::EDEADLK, "EDEADLK"),
    (libc::ENOMEM, "ENOMEM"),
    (libc::EACCES, "EACCES"),
    (libc::EFAULT, "EFAULT"),
    (libc::EBUSY, "EBUSY"),
    (libc::EEXIST, "EEXIST"),
    (libc::ENOTDIR, "ENOTDIR"),
    (libc::EISDIR, "EISDIR"),
    (libc::EINVAL, "EINVAL"),
    (libc::ENFILE, "ENFILE"),
    (libc::EMFILE, "EMFILE"),
    (libc::EPIPE, "EPIPE"),
    (libc::EAGAIN, "EAGAIN"),
    (libc::ENOTSUP, "ENOTSUP"),
    (libc::ENOSYS, "ENOSYS"),
];

pub(crate) fn error(number: c_int) -> Error {
    Error(ERRORS.iter().find(|(known, _)| *known == number).map_or("E?", |(_, name)| name))
}

pub(crate) fn last_error() -> Error {
    error(io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

pub(crate) fn number(result: c_int) -> Outcome<i32> {
    if result < 0 { Err(last_error()) } else { Ok(result) }
}

pub(crate) fn done(result: c_int) -> Outcome<()> {
    number(result).map(|_| ())
}

pub(crate) fn length(result: isize) -> Outcome<usize> {
    usize::try_from(result).map_err(|_| last_error())
}

/// Linux's numbers in the order of Darwin's. Darwin's two that Linux lacks have the twins that Linux does not use itself.
const SIGNALS: [c_int; 33] = [
    0,
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGSTKFLT,
    libc::SIGFPE,
    libc::SIGKILL,
    libc::SIGBUS,
    libc::SIGSEGV,
    libc::SIGSYS,
    libc::SIGPIPE,
    libc::SIGALRM,
    libc::SIGTERM,
    libc::SIGURG,
    libc::SIGSTOP,
    libc::SIGTSTP,
    libc::SIGCONT,
    libc::SIGCHLD,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGIO,
    libc::SIGXCPU,
    libc::SIGXFSZ,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGWINCH,
    libc::SIGPWR,
    libc::SIGUSR1,
    libc::SIGUSR2,
    // One more than there are.
    65,
];

pub(crate) fn to_linux(signal: Signal) -> c_int {
    SIGNALS.get(usize::from(signal.0)).copied().unwrap_or(-1)
}

pub(crate) fn from_linux(number: c_int) -> Signal {
    Signal(SIGNALS.iter().position(|known| *known == number).map_or(u8::MAX, |place| place as u8))
}

pub(crate) fn set_to_linux(set: u32) -> libc::sigset_t {
    // SAFETY: a set is numbers, for which zeros are good, and is changed by the C library.
    unsafe {
        let mut linux: libc::sigset_t = zeroed();
        libc::sigemptyset(&mut linux);
        for signal in Signal::all().filter(|signal| set & signal.bit() != 0) {
            libc::sigaddset(&mut linux, to_linux(signal));
        }
        linux
    }
}

pub(crate) fn set_from_linux(linux: &libc::sigset_t) -> u32 {
    // SAFETY: the set is the caller's.
    let is_member = |signal: &Signal| unsafe { libc::sigismember(linux, to_linux(*signal)) } == 1;
    Signal::all().filter(is_member).fold(0, |set, signal| set | signal.bit())
}

pub(crate) const FLAGS: [(u32, c_int); 6] = [
    (scenario::system::ON_STACK, libc::SA_ONSTACK),
    (scenario::system::RESTART, libc::SA_RESTART),
    (scenario::system::RESET, libc::SA_RESETHAND),
    (scenario::system::NO_CHILD_STOP, libc::SA_NOCLDSTOP),
    (scenario::system::NO_DEFER, libc::SA_NODEFER),
    (scenario::system::NO_CHILD_WAIT, libc::SA_NOCLDWAIT),
];

pub(crate) fn options(own: u32) -> c_int {
    let pairs = [
        (Wait::NO_HANG, libc::WNOHANG),
        (Wait::UNTRACED, libc::WUNTRACED),
        (Wait::EXITED, libc::WEXITED),
        (Wait::STOPPED, libc::WSTOPPED),
        (Wait::CONTINUED, libc::WCONTINUED),
        (Wait::NO_WAIT, libc::WNOWAIT),
    ];
    let known = pairs.iter().fold(0, |all, (own, _)| all | own);
    // What is no option here is none there.
    let unknown = if own & !known != 0 { 0x1000 } else { 0 };
    pairs.iter().filter(|(flag, _)| own & flag != 0).fold(unknown, |all, (_, linux)| all | linux)
}

pub(crate) fn status(status: c_int) -> Change {
    if libc::WIFEXITED(status) {
        Change::Exited(libc::WEXITSTATUS(status))
    } else if libc::WIFCONTINUED(status) {
        Change::Continued
    } else if libc::WIFSTOPPED(status) {
        Change::Stopped(from_linux(libc::WSTOPSIG(status)))
    } else if libc::WIFSIGNALED(status) && libc::WCOREDUMP(status) {
        Change::Dumped(from_linux(libc::WTERMSIG(status)))
    } else if libc::WIFSIGNALED(status) {
        Change::Killed(from_linux(libc::WTERMSIG(status)))
    } else {
        Change::Unknown(status)
    }
}

pub(crate) fn resource(of: Resource) -> libc::__rlimit_resource_t {
    match of {
        Resource::Cpu => libc::RLIMIT_CPU,
        Resource::FileSize => libc::RLIMIT_FSIZE,
        Resource::Data => libc::RLIMIT_DATA,
        Resource::Stack => libc::RLIMIT_STACK,
        Resource::Core => libc::RLIMIT_CORE,
        Resource::AddressSpace => libc::RLIMIT_AS,
        Resource::LockedMemory => libc::RLIMIT_MEMLOCK,
        Resource::Processes => libc::RLIMIT_NPROC,
        Resource::Descriptors => libc::RLIMIT_NOFILE,
    }
}

pub(crate) fn priority(of: Priority) -> libc::__priority_which_t {
    match of {
        Priority::Process => libc::PRIO_PROCESS,
        Priority::Group => libc::PRIO_PGRP,
        Priority::User => libc::PRIO_USER,
    }
}

pub(crate) fn timer(of: Timer) -> c_int {
    match of {
        Timer::Real => libc::ITIMER_REAL,
        Timer::Virtual => libc::ITIMER_VIRTUAL,
        Timer::Profiling => libc::ITIMER_PROF,
    }
}

pub(crate) fn timeval((tv_sec, tv_usec): (i64, i32)) -> libc::timeval {
    libc::timeval { tv_sec, tv_usec: tv_usec.into() }
}

pub(crate) fn split(duration_us: u64) -> (i64, i32) {
    ((duration_us / 1_000_000) as i64, (duration_us % 1_000_000) as i32)
}

pub(crate) fn microseconds(value: &libc::itimerval) -> (u64, u64) {
    let time = |time: &libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    (time(&value.it_interval), time(&value.it_value))
}

pub(crate) fn no_timer() -> libc::itimerval {
    libc::itimerval { it_interval: timeval((0, 0)), it_value: timeval((0, 0)) }
}
