//! Linux's own calls, and the process that makes them.
//!
//! # Safety
//! libc is given buffers of this file that outlive the call and are as long as it is told. After the fork the child of this
//! process, which may have had other threads, calls what is safe in a signal handler; and `malloc`, for `posix_spawn`'s lists
//! alone, whose locks glibc's `fork` takes care of.
#![allow(unsafe_code)]

use crate::scenario;
use crate::scenario::signals::caught;
use crate::scenario::system::{
    Action, Attributes, Change, Disposition, Error, FileAction, How, Limit, Outcome, Priority, Resource,
    SetId, Signal, Stack, System, Timer, UNLIMITED, Wait, Which,
};
use crate::words::*;
use libc::{c_int, c_long, c_void};
use std::ffi::CStr;
use std::io::{self, Read};
use std::mem::zeroed;
use std::os::fd::AsRawFd;
use std::ptr::{null, null_mut};

/// Runs a family in a child that begins as a program does, and answers what it printed.
pub(crate) fn transcript(family: &str) -> io::Result<String> {
    let (mut reader, writer) = io::pipe()?;
    // SAFETY: see the head of this file.
    let child = unsafe { libc::fork() };
    if child == 0 {
        begin(writer.as_raw_fd());
        let known = scenario::run::<Linux>(family);
        // SAFETY: it ends this process alone.
        unsafe { libc::_exit(i32::from(!known)) };
    }
    drop(writer);
    let mut text = String::new();
    let outcome = reader.read_to_string(&mut text);
    let mut status = 0;
    // SAFETY: the status is this frame's.
    let ended = unsafe { libc::waitpid(child, &mut status, 0) };
    outcome?;
    assert!(ended == child && status == 0, "{family}: the native side ended with status {status:#x}");
    Ok(text)
}

/// What the test process has changed for itself: signals, its alternate stack, descriptors.
fn begin(output: c_int) {
    // SAFETY: see the head of this file.
    unsafe {
        for signal in 1..32 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, null_mut());
        let disabled = libc::stack_t { ss_sp: null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        libc::sigaltstack(&disabled, null_mut());
        let nothing = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY);
        libc::dup2(nothing, 0);
        libc::dup2(output, 1);
        libc::dup2(output, 2);
        libc::close_range(3, u32::MAX, 0);
    }
}

/// Linux, by its C library.
pub(crate) struct Linux;

extern "C" fn handler(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel's structure lives as long as the handler; for a signal of the kernel's own the field is 0.
    let sender = unsafe { (*info).si_pid() };
    // SAFETY: the C library's word is this thread's.
    let before = unsafe { *libc::__errno_location() };
    caught::<Linux>(from_linux(signal), sender);
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = before };
}

/// A call by its number: the C library's functions change all threads of a process.
fn id_call(call: c_long, first: i32, second: i32) -> Outcome<()> {
    // SAFETY: numbers alone.
    done(unsafe { libc::syscall(call, first, second) } as c_int)
}

/// `posix_spawn`'s two descriptions.
struct Spawn {
    actions: libc::posix_spawn_file_actions_t,
    attributes: libc::posix_spawnattr_t,
}

impl Spawn {
    fn new(actions: &[FileAction], attributes: &Attributes) -> Result<Spawn, c_int> {
        // SAFETY: both are made by the C library before it is asked to change them.
        unsafe {
            let mut spawn: Spawn = zeroed();
            libc::posix_spawn_file_actions_init(&mut spawn.actions);
            libc::posix_spawnattr_init(&mut spawn.attributes);
            for action in actions {
                let list = &mut spawn.actions;
                let added = match *action {
                    FileAction::Open(descriptor, path) => libc::posix_spawn_file_actions_addopen(
                        list,
                        descriptor,
                        path.as_ptr(),
                        libc::O_RDONLY,
                        0,
                    ),
                    FileAction::Dup2(from, to) => libc::posix_spawn_file_actions_adddup2(list, from, to),
                    FileAction::Close(descriptor) => {
                        libc::posix_spawn_file_actions_addclose(list, descriptor)
                    }
                };
                if added != 0 {
                    return Err(added);
                }
            }
            let mut flags = 0;
            if let Some(group) = attributes.group {
                flags |= libc::POSIX_SPAWN_SETPGROUP;
                libc::posix_spawnattr_setpgroup(&mut spawn.attributes, group);
            }
            if let Some(mask) = attributes.mask {
                flags |= libc::POSIX_SPAWN_SETSIGMASK;
                libc::posix_spawnattr_setsigmask(&mut spawn.attributes, &set_to_linux(mask));
            }
            if let Some(default) = attributes.default {
                flags |= libc::POSIX_SPAWN_SETSIGDEF;
                libc::posix_spawnattr_setsigdefault(&mut spawn.attributes, &set_to_linux(default));
            }
            if attributes.session {
                flags |= c_int::from(libc::POSIX_SPAWN_SETSID);
            }
            libc::posix_spawnattr_setflags(&mut spawn.attributes, flags as libc::c_short);
            Ok(spawn)
        }
    }
}

impl System for Linux {
    fn exit(code: i32) -> ! {
        // SAFETY: it ends this process alone.
        unsafe { libc::_exit(code) }
    }

    fn fork() -> Outcome<i32> {
        // SAFETY: see the head of this file.
        number(unsafe { libc::fork() })
    }

    fn execve(path: &CStr, argv: &[*const u8], envp: &[*const u8]) -> Error {
        // SAFETY: both vectors end in null and hold strings of the program.
        unsafe { libc::execve(path.as_ptr(), argv.as_ptr().cast(), envp.as_ptr().cast()) };
        last_error()
    }

    fn spawn(
        path: &CStr,
        actions: &[FileAction],
        attributes: &Attributes,
        argv: &[*const u8],
        envp: &[*const u8],
    ) -> Outcome<i32> {
        let spawn = Spawn::new(actions, attributes).map_err(error)?;
        let mut child = 0;
        // SAFETY: as for `execve`.
        let told = unsafe {
            let (argv, envp) = (argv.as_ptr().cast(), envp.as_ptr().cast());
            libc::posix_spawn(&mut child, path.as_ptr(), &spawn.actions, &spawn.attributes, argv, envp)
        };
        if told == 0 { Ok(child) } else { Err(error(told)) }
    }

    fn getpid() -> i32 {
        // SAFETY: no memory.
        unsafe { libc::getpid() }
    }

    fn getppid() -> i32 {
        // SAFETY: no memory.
        unsafe { libc::getppid() }
    }

    fn read(descriptor: i32, buffer: &mut [u8]) -> Outcome<usize> {
        // SAFETY: the buffer is as long as is told.
        length(unsafe { libc::read(descriptor, buffer.as_mut_ptr().cast(), buffer.len()) })
    }

    fn write(descriptor: i32, bytes: &[u8]) -> Outcome<usize> {
        // SAFETY: the buffer is as long as is told.
        length(unsafe { libc::write(descriptor, bytes.as_ptr().cast(), bytes.len()) })
    }

    fn open(path: &CStr) -> Outcome<i32> {
        // SAFETY: the path ends in a zero.
        number(unsafe { libc::open(path.as_ptr(), libc::O_RDONLY) })
    }

    fn close(descriptor: i32) -> Outcome<()> {
        // SAFETY: nothing of Rust's owns descriptors here.
        done(unsafe { libc::close(descriptor) })
    }

    fn dup2(from: i32, to: i32) -> Outcome<i32> {
        // SAFETY: as for `close`.
        number(unsafe { libc::dup2(from, to) })
    }

    fn pipe() -> Outcome<(i32, i32)> {
        let mut ends = [0; 2];
        // SAFETY: room for two numbers.
        number(unsafe { libc::pipe(ends.as_mut_ptr()) }).map(|_| (ends[0], ends[1]))
    }

    fn wait4(process: i32, own: u32) -> Outcome<Option<(i32, Change)>> {
        let mut found = 0;
        // SAFETY: the status is this frame's.
        let told = unsafe { libc::wait4(process, &mut found, options(own), null_mut()) };
        Ok(match number(told)? {
            0 => None,
            process => Some((process, status(found))),
        })
    }

    fn waitid(which: Which, own: u32) -> Outcome<Option<(i32, Change)>> {
        let (kind, id) = match which {
            Which::All => (libc::P_ALL, 0),
            Which::Process(id) => (libc::P_PID, id),
            Which::Group(id) => (libc::P_PGID, id),
        };
        // SAFETY: zeros are a good siginfo; the fields read are those of SIGCHLD.
        let (signal, process, code, value) = unsafe {
            let mut info: libc::siginfo_t = zeroed();
            done(libc::waitid(kind, id as u32, &mut info, options(own)))?;
            (info.si_signo, info.si_pid(), info.si_code, info.si_status())
        };
        if process == 0 && own & Wait::NO_HANG != 0 {
            return Ok(None);
        }
        let change = match code {
            _ if signal != libc::SIGCHLD => Change::Unknown(signal),
            libc::CLD_EXITED => Change::Exited(value),
            libc::CLD_KILLED => Change::Killed(from_linux(value)),
            libc::CLD_DUMPED => Change::Dumped(from_linux(value)),
            libc::CLD_STOPPED => Change::Stopped(from_linux(value)),
            libc::CLD_CONTINUED => Change::Continued,
            code => Change::Unknown(code),
        };
        Ok(Some((process, change)))
    }

    fn kill(process: i32, signal: Signal) -> Outcome<()> {
        // SAFETY: no memory.
        done(unsafe { libc::kill(process, to_linux(signal)) })
    }

    fn sigaction(signal: Signal, new: Option<Action>) -> Outcome<Action> {
        // SAFETY: zeros are a good action; the handler takes what SA_SIGINFO promises.
        let old = unsafe {
            let new = new.map(|action| {
                let mut to: libc::sigaction = zeroed();
                to.sa_sigaction = match action.disposition {
                    Disposition::Default => libc::SIG_DFL,
                    Disposition::Ignore => libc::SIG_IGN,
                    Disposition::Catch => handler as *const () as usize,
                };
                to.sa_mask = set_to_linux(action.mask);
                let flags = FLAGS.iter().filter(|(own, _)| action.flags & own != 0);
                to.sa_flags = flags.fold(libc::SA_SIGINFO, |all, (_, flag)| all | flag);
                to
            });
            let mut old: libc::sigaction = zeroed();
            let new_at = new.as_ref().map_or(null(), core::ptr::from_ref);
            done(libc::sigaction(to_linux(signal), new_at, &mut old))?;
            old
        };
        Ok(Action {
            disposition: match old.sa_sigaction {
                libc::SIG_DFL => Disposition::Default,
                libc::SIG_IGN => Disposition::Ignore,
                _ => Disposition::Catch,
            },
            mask: set_from_linux(&old.sa_mask),
            flags: FLAGS
                .iter()
                .filter(|(_, flag)| old.sa_flags & flag != 0)
                .fold(0, |all, (own, _)| all | own),
        })
    }

    fn sigprocmask(how: How, mask: u32) -> Outcome<u32> {
        let how = match how {
            How::Block => libc::SIG_BLOCK,
            How::Unblock => libc::SIG_UNBLOCK,
            How::Set => libc::SIG_SETMASK,
        };
        // SAFETY: zeros are a good set.
        let mut old = unsafe { zeroed() };
        // SAFETY: both sets are this frame's.
        done(unsafe { libc::sigprocmask(how, &set_to_linux(mask), &mut old) })?;
        Ok(set_from_linux(&old))
    }

    fn sigpending() -> u32 {
        // SAFETY: zeros are a good set, and it is this frame's.
        let set = unsafe {
            let mut set = zeroed();
            libc::sigpending(&mut set);
            set
        };
        set_from_linux(&set)
    }

    fn sigsuspend(mask: u32) -> Error {
        // SAFETY: the set is this frame's.
        unsafe { libc::sigsuspend(&set_to_linux(mask)) };
        last_error()
    }

    fn sigaltstack(new: Option<Stack>) -> Outcome<Stack> {
        let new = new.map(|stack| libc::stack_t {
            ss_sp: std::ptr::without_provenance_mut(stack.start),
            ss_flags: if stack.length == 0 { libc::SS_DISABLE } else { 0 },
            ss_size: stack.length,
        });
        let mut old = libc::stack_t { ss_sp: null_mut(), ss_flags: 0, ss_size: 0 };
        // SAFETY: what the scenario names is a stack of its own.
        done(unsafe { libc::sigaltstack(new.as_ref().map_or(null(), core::ptr::from_ref), &mut old) })?;
        let length = if old.ss_flags & libc::SS_DISABLE != 0 { 0 } else { old.ss_size };
        Ok(Stack { start: old.ss_sp.addr(), length, in_use: old.ss_flags & libc::SS_ONSTACK != 0 })
    }

    fn getpgid(process: i32) -> Outcome<i32> {
        // SAFETY: no memory.
        number(unsafe { libc::getpgid(process) })
    }

    fn setpgid(process: i32, group: i32) -> Outcome<()> {
        // SAFETY: no memory.
        done(unsafe { libc::setpgid(process, group) })
    }

    fn getsid(process: i32) -> Outcome<i32> {
        // SAFETY: no memory.
        number(unsafe { libc::getsid(process) })
    }

    fn setsid() -> Outcome<i32> {
        // SAFETY: no memory.
        number(unsafe { libc::setsid() })
    }

    fn getrlimit(of: Resource) -> Outcome<Limit> {
        let mut found = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the limit is this frame's.
        done(unsafe { libc::getrlimit(resource(of), &mut found) })?;
        let value = |value| if value == libc::RLIM_INFINITY { UNLIMITED } else { value };
        Ok(Limit { soft: value(found.rlim_cur), hard: value(found.rlim_max) })
    }

    fn setrlimit(of: Resource, limit: Limit) -> Outcome<()> {
        let value = |value| if value == UNLIMITED { libc::RLIM_INFINITY } else { value };
        let wanted = libc::rlimit { rlim_cur: value(limit.soft), rlim_max: value(limit.hard) };
        // SAFETY: the limit is this frame's.
        done(unsafe { libc::setrlimit(resource(of), &wanted) })
    }

    fn getpriority(which: Priority, who: i32) -> Outcome<i32> {
        // SAFETY: as in `last_error`; -1 is a priority too.
        unsafe {
            *libc::__errno_location() = 0;
            let found = libc::getpriority(priority(which), who as u32);
            if found == -1 && *libc::__errno_location() != 0 { Err(last_error()) } else { Ok(found) }
        }
    }

    fn setpriority(which: Priority, who: i32, value: i32) -> Outcome<()> {
        // SAFETY: no memory.
        done(unsafe { libc::setpriority(priority(which), who as u32, value) })
    }

    fn getuid() -> u32 {
        // SAFETY: no memory.
        unsafe { libc::getuid() }
    }

    fn geteuid() -> u32 {
        // SAFETY: no memory.
        unsafe { libc::geteuid() }
    }

    fn set_id(change: SetId) -> Outcome<()> {
        match change {
            SetId::Uid(id) => id_call(libc::SYS_setuid, id, 0),
            SetId::Euid(id) => set_three(libc::SYS_setresuid, id),
            SetId::Reuid(real, effective) => id_call(libc::SYS_setreuid, real, effective),
            SetId::Gid(id) => id_call(libc::SYS_setgid, id, 0),
            SetId::Egid(id) => set_three(libc::SYS_setresgid, id),
            SetId::Regid(real, effective) => id_call(libc::SYS_setregid, real, effective),
        }
    }

    fn getgroups(size: i32, groups: &mut [u32; 32]) -> Outcome<usize> {
        // SAFETY: no scenario's size is beyond the room.
        number(unsafe { libc::getgroups(size, groups.as_mut_ptr()) }).map(|count| count as usize)
    }

    fn setgroups(count: i32, groups: &[u32; 32]) -> Outcome<()> {
        // SAFETY: no scenario's count is beyond the room but those that the kernel refuses.
        done(unsafe { libc::syscall(libc::SYS_setgroups, count, groups.as_ptr()) } as c_int)
    }

    fn setitimer(which: Timer, interval_us: u64, first_us: u64) -> Outcome<(u64, u64)> {
        let new =
            libc::itimerval { it_interval: timeval(split(interval_us)), it_value: timeval(split(first_us)) };
        let mut old = no_timer();
        // SAFETY: both values are this frame's.
        done(unsafe { libc::setitimer(timer(which), &new, &mut old) })?;
        Ok(microseconds(&old))
    }

    fn setitimer_raw(which: Timer, interval: (i64, i32), first: (i64, i32)) -> Outcome<()> {
        let new = libc::itimerval { it_interval: timeval(interval), it_value: timeval(first) };
        // SAFETY: the value is this frame's.
        done(unsafe { libc::setitimer(timer(which), &new, null_mut()) })
    }

    fn getitimer(which: Timer) -> Outcome<(u64, u64)> {
        let mut found = no_timer();
        // SAFETY: the value is this frame's.
        done(unsafe { libc::getitimer(timer(which), &mut found) }).map(|()| microseconds(&found))
    }

    fn now_us() -> u64 {
        let mut now = timeval((0, 0));
        // SAFETY: the time is this frame's.
        unsafe { libc::gettimeofday(&mut now, null_mut()) };
        now.tv_sec as u64 * 1_000_000 + now.tv_usec as u64
    }

    fn nap(duration_us: u64) {
        let mut time = timeval(split(duration_us));
        // SAFETY: no descriptors, and a time of this frame.
        unsafe { libc::select(0, null_mut(), null_mut(), null_mut(), &mut time) };
    }
}

/// The effective one of three, as the C library's `seteuid` and `setegid` set it.
fn set_three(call: c_long, effective: i32) -> Outcome<()> {
    // SAFETY: numbers alone.
    done(unsafe { libc::syscall(call, -1, effective, -1) } as c_int)
}
