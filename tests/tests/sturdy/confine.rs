//! States that a process can be started in: limits, dispositions, filters, namespaces.
//!
//! # Safety
//! Every function but [`kill`] gives the command a step that runs between fork and exec. Such a step makes only system
//! calls (async-signal-safe), and allocates nothing.
#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

/// Sends a signal to a process that this test started.
pub(crate) fn kill(pid: u32, signal: i32) {
    // SAFETY: touches no memory.
    unsafe { libc::kill(pid as libc::pid_t, signal) };
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn before_exec(command: &mut Command, step: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: see the module.
    unsafe { command.pre_exec(step) };
}

/// The soft limit of a resource (`RLIMIT_…`), as far as the hard one lets it.
pub(crate) fn limit(command: &mut Command, resource: u32, soft: u64) {
    before_exec(command, move || {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: Linux reads and writes the structure that is given.
        unsafe {
            check(libc::getrlimit(resource, &raw mut limit))?;
            limit.rlim_cur = soft.min(limit.rlim_max);
            check(libc::setrlimit(resource, &raw const limit))
        }
    });
}

/// No address randomisation.
pub(crate) fn fixed_addresses(command: &mut Command) {
    // SAFETY: touches no memory.
    before_exec(command, || unsafe { check(libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong)) });
}

/// Neither of the descriptors 0 to 2 open.
pub(crate) fn no_descriptors(command: &mut Command) {
    before_exec(command, || {
        // SAFETY: the child's own descriptors, which nothing uses until exec.
        unsafe { (0..3).try_for_each(|fd| check(libc::close(fd))) }
    });
}

/// Linux signals that are ignored and that are blocked at the start.
pub(crate) fn signals(command: &mut Command, ignored: &'static [i32], blocked: &'static [i32]) {
    before_exec(command, move || {
        for signal in ignored {
            // SAFETY: no handler to get wrong.
            if unsafe { libc::signal(*signal, libc::SIG_IGN) } == libc::SIG_ERR {
                return Err(io::Error::last_os_error());
            }
        }
        // SAFETY: the set is the child's own; empty sets are valid from zeros on.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in blocked {
                libc::sigaddset(&raw mut set, *signal);
            }
            check(libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut()))
        }
    });
}

/// A user without privileges in namespaces of its own, as in a container. Gives up without an error where Linux does
/// not let this test have them; [`namespaces_work`] says so beforehand.
pub(crate) fn container(command: &mut Command) {
    before_exec(command, || {
        const NOBODY: libc::uid_t = 65534;
        let none = ptr::null::<libc::gid_t>();
        // SAFETY: touch no memory but the strings of the program's own.
        unsafe {
            if libc::geteuid() == 0 {
                check(libc::setgroups(0, none))?;
                check(libc::setresgid(NOBODY, NOBODY, NOBODY))?;
                check(libc::setresuid(NOBODY, NOBODY, NOBODY))?;
            }
            check(libc::unshare(
                libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWNET,
            ))?;
            drop_capabilities()?;
            check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        }
    });
}

/// All of them, the bounding set too: nothing comes back by exec.
///
/// # Safety
/// None beyond the module's.
unsafe fn drop_capabilities() -> io::Result<()> {
    const LAST: libc::c_int = 40;
    /// `_LINUX_CAPABILITY_VERSION_3`.
    const VERSION: u32 = 0x2008_0522;
    // SAFETY: the structures are those of `man 2 capset`: a header, two sets of three words.
    unsafe {
        for capability in 0..=LAST {
            // An older kernel knows fewer.
            libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0);
        }
        let (header, sets) = ([VERSION, 0], [0u32; 6]);
        check(libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) as libc::c_int)
    }
}

/// A user without privileges.
pub(crate) fn nobody(command: &mut Command) {
    before_exec(command, || {
        // SAFETY: touch no memory.
        unsafe {
            check(libc::setgroups(0, ptr::null()))?;
            check(libc::setresgid(65534, 65534, 65534))?;
            check(libc::setresuid(65534, 65534, 65534))
        }
    });
}

/// Whether the tests are run by root.
pub(crate) fn is_root() -> bool {
    // SAFETY: touches no memory.
    unsafe { libc::geteuid() == 0 }
}

/// Whether a program of the system's starts in [`container`].
pub(crate) fn namespaces_work() -> bool {
    let mut command = Command::new("/bin/true");
    container(&mut command);
    command.status().is_ok_and(|status| status.success())
}

/// What a filter looks at: the number of a call, and its first argument where that matters.
#[derive(Clone, Copy)]
pub(crate) struct Filtered {
    pub(crate) call: libc::c_long,
    pub(crate) first: Option<u32>,
}

/// A seccomp filter that answers these calls with an errno and lets everything else through.
pub(crate) fn filter(command: &mut Command, filtered: &[Filtered], errno: i32) {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    /// Offsets in `struct seccomp_data`.
    const NUMBER: u32 = 0;
    const FIRST: u32 = 16;
    let step = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let refuse = libc::SECCOMP_RET_ERRNO | errno as u32;
    let mut program = Vec::new();
    for Filtered { call, first } in filtered {
        program.push(step(LOAD, NUMBER, 0, 0));
        match first {
            None => program.push(step(EQUAL, *call as u32, 0, 1)),
            Some(first) => {
                program.push(step(EQUAL, *call as u32, 0, 3));
                program.push(step(LOAD, FIRST, 0, 0));
                program.push(step(EQUAL, *first, 0, 1));
            }
        }
        program.push(step(RETURN, refuse, 0, 0));
    }
    program.push(step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0));
    before_exec(command, move || {
        let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
        // SAFETY: Linux reads the program, which the closure owns.
        unsafe {
            check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
            check(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program))
        }
    });
}

/// A pipe for files that never end.
pub(crate) fn make_fifo(path: &std::ffi::CStr) -> io::Result<()> {
    // SAFETY: the string is valid.
    check(unsafe { libc::mkfifo(path.as_ptr(), 0o644) })
}
