//! Every handler with each of its Linux calls and copies failing in turn.

use crate::good_calls::{good_calls, prepared, run};
use crate::support::*;
use std::collections::BTreeSet;
use xnu_abi::darwin;
use xnu_abi::linux::{Errno, Sysno};
use xnu_backend_mock::Plan;
use xnu_core::table::Grade;
use xnu_core::{Reply, dispatch};

/// The error that a failed call answers; calls that go on regardless are listed with the reason.
fn check(name: &str, reply: Reply, expected: darwin::Errno) {
    match name {
        // What Linux does not do nobody is told, as on XNU, or there is no error to tell.
        "mach_timebase_info_trap"
        | "swtch"
        | "swtch_pri"
        | "thread_switch"
        | "task_name_for_pid"
        | "task_for_pid"
        | "debug_control_port_for_pid"
        | "pid_for_task"
        | "clock_sleep_trap"
            if matches!(reply, Reply::Value(0, 0)) => {}
        // A Mach call's error is a number like any other.
        _ if xnu_core::mach::rows().any(|row| row.name == name) => {
            assert!(matches!(reply, Reply::Value(1.., 0)), "{name}: {reply:?}");
        }
        // Nothing is left that could be told.
        "exit" => assert_eq!(reply, Reply::Unchanged),
        // Nobody is left who could be told.
        "bsdthread_terminate" => assert_eq!(reply, Reply::Unchanged),
        // What is told of the registration must have somewhere to go.
        "bsdthread_register" if reply == Reply::Error(EINVAL) => assert_eq!(expected, EFAULT),
        // Nobody has registered.
        "bsdthread_create" => assert_eq!(reply, Reply::Error(EINVAL)),
        // A word that is another by then, or a thing that is no word.
        "ulock_wait" | "ulock_wait2" if reply == Reply::Value(0, 0) => assert_eq!(expected, EAGAIN),
        // Linux refuses no action that we set; and a mask or a number that cannot be told is lost, as on XNU.
        "posix_spawn" | "sigaction" | "sigprocmask" | "__pthread_sigmask" | "sigpending"
            if matches!(reply, Reply::Value(0, _)) => {}
        // That this was the end is told where it is known.
        "getdirentries64" if matches!(reply, Reply::Value(1.., 0)) => {}
        // How much was sent is told to nobody where that cannot be written.
        "sendfile" if expected == EFAULT => assert_eq!(reply, Reply::Error(darwin::Errno::ENOTSOCK)),
        // A name that cannot be read is a wrong one.
        "shm_unlink" if expected == EFAULT => assert_eq!(reply, Reply::Error(EINVAL)),
        // It goes on waiting, and on the mock nothing comes.
        "__sigwait" if expected == EINTR => assert_eq!(reply, Reply::Error(EAGAIN)),
        // What cannot be zeroed is what may not be written.
        "madvise" if expected == EFAULT => assert_eq!(reply, Reply::Error(EPERM)),
        // A kernel without the call has an older way to the same end.
        "fchmod" | "fchmodat" | "fchmod_extended" if reply == Reply::Value(0, 0) => {
            assert_eq!(expected, ENOSYS, "{name}");
        }
        // A machine whose name cannot be read is one without a name.
        "gethostuuid" if expected != EFAULT => assert_eq!(reply, Reply::Error(EAGAIN)),
        // A length that cannot be read is an endless one, and written in the end.
        "sysctl" | "sysctlbyname" if reply == Reply::Value(0, 0) => assert_eq!(expected, EFAULT),
        // And for arguments too long; those of a process that it took off its stack are not its pointers.
        "sysctl" if matches!(reply, Reply::Error(EINVAL | darwin::Errno::EIO)) => {
            assert_eq!(expected, EFAULT)
        }
        // That there is no port need not be told.
        "task_inspect_for_pid" | "task_read_for_pid" if reply == Reply::Error(EPERM) => {}
        // What the superuser alone may do, and the list that nobody can have.
        "vfs_purge" if reply == Reply::Error(EPERM) => {}
        // More connections wait than the listener takes.
        "connect" if expected == EAGAIN && reply == Reply::Error(ECONNREFUSED) => {}
        // That a name cannot be written does not matter where its length can.
        "accept" | "recvfrom" if expected == EFAULT && matches!(reply, Reply::Value(..)) => {}
        // The connection is there, or will be.
        "connectx" if expected == EAGAIN && reply == Reply::Error(EINPROGRESS) => {}
        // What refuses everybody.
        "socket_delegate" if reply == Reply::Error(EACCES) => {}
        "necp_open" | "tracker_action" => assert_eq!(reply, Reply::Error(EPERM)),
        "necp_session_open" => assert_eq!(reply, Reply::Error(EACCES)),
        // The entry tells the error.
        "getattrlistbulk" if reply == Reply::Value(1, 0) => {}
        "chmod_extended" if reply == Reply::Error(ENOTSUP) => {}
        _ => assert_eq!(reply, Reply::Error(expected), "{name}"),
    }
}

#[test]
fn every_handler_that_is_served_is_among_the_good_calls() {
    let k = machine();
    let tried: BTreeSet<&str> = good_calls(&k).into_iter().map(|(name, _)| name).collect();
    let served: BTreeSet<&str> = dispatch::rows()
        .filter(|row| matches!(row.grade, Grade::Faithful | Grade::Partial(_) | Grade::Fake(_)))
        .map(|row| row.name)
        .collect();
    assert_eq!(tried, served);
}

#[test]
fn a_call_that_fails_leaks_nothing_and_its_error_is_darwins() {
    let count = good_calls(&machine()).len();
    // Numbers that differ on the two systems, so that one passed through raw would show.
    for (linux, translated) in
        [(Errno::EDEADLK, darwin::Errno::EDEADLK), (Errno::EAGAIN, EAGAIN), (Errno::ENOSYS, ENOSYS)]
    {
        for index in 0..count {
            let closes = own_closes(index);
            let mut n = 1;
            loop {
                if closes.contains(&n) {
                    n += 1;
                    continue;
                }
                let (k, name, before, reply) = run(index, Plan::nth_of_any(n, linux));
                if k.process.kernel.injected() == 0 {
                    break;
                }
                // What was opened for a name alone is closed and gone, whatever Linux says.
                if name == "close" || k.process.kernel.failed() != Some(Sysno::Close) {
                    check(name, reply, translated);
                }
                let after: BTreeSet<i32> = k.descriptors().into_iter().collect();
                let lost = if name == "close" { vec![3] } else { vec![] };
                let after = after.into_iter().chain(lost).collect::<BTreeSet<_>>();
                assert_eq!(after, before, "{name}: call {n} failed with {linux}");
                n += 1;
                assert!(n < 50, "{name} does not end");
            }
        }
    }
}

/// Which Linux calls of a good call close or unmap what the handler opened or mapped itself: Linux does it whatever it
/// answers, so the answer does not matter.
fn own_closes(index: usize) -> BTreeSet<usize> {
    let (k, name, ..) = run(index, Plan::none());
    let calls = k.calls();
    let closes = calls.iter().zip(1..).filter(|(call, _)| {
        matches!(call.nr, Sysno::Close | Sysno::Munmap) && !matches!(name, "close" | "munmap")
    });
    closes.map(|(_, n)| n).collect()
}

#[test]
fn an_interrupted_call_is_eintr() {
    for index in 0..good_calls(&machine()).len() {
        let (k, name, before, reply) = run(index, Plan::interrupt(1));
        if k.process.kernel.injected() > 0 {
            check(name, reply, EINTR);
            assert_eq!(k.descriptors().into_iter().collect::<BTreeSet<_>>(), before, "{name}");
        }
    }
}

#[test]
fn a_copy_that_fails_is_efault_and_leaks_nothing() {
    for index in 0..good_calls(&machine()).len() {
        for n in 1..80 {
            let (k, name, before, reply) = run(index, Plan::copy_fault(n));
            if k.process.kernel.injected() == 0 {
                break;
            }
            check(name, reply, EFAULT);
            if name == "accept" && matches!(reply, Reply::Value(..)) {
                continue;
            }
            assert_eq!(k.descriptors().into_iter().collect::<BTreeSet<_>>(), before, "{name}: copy {n}");
        }
    }
}

#[test]
fn a_call_that_failed_once_succeeds_when_made_again() {
    for index in 0..good_calls(&machine()).len() {
        let (untouched, name, _, expected) = run(index, Plan::none());
        drop(untouched);
        let (k, _, _, first) = run(index, Plan::nth_of_any(1, Errno::EINTR));
        let retries = !matches!(name, "getentropy" | "exit" | "close") && first == Reply::Error(EINTR);
        if retries {
            let (_, words) = good_calls(&prepared()).swap_remove(index);
            assert_eq!(k.by_name(name, &words), expected, "{name}");
        }
    }
}
