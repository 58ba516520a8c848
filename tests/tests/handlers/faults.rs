//! Every handler with each of its Linux calls and copies failing in turn.

use crate::support::*;
use std::collections::BTreeSet;
use xnu_abi::darwin;
use xnu_abi::linux::Errno;
use xnu_backend_mock::{Fault, Mock, Plan};
use xnu_core::table::Grade;
use xnu_core::{Reply, bsd, mach, machdep};

const SYNC_VOLUME: u64 = 0x8004_4101;

/// A `struct kauth_filesec` with a list of so many entries.
fn filesec(entries: u32) -> Vec<u8> {
    let mut bytes = vec![0; 44 + 24 * entries as usize];
    bytes[..4].copy_from_slice(&0x012c_c16du32.to_le_bytes());
    bytes[36..40].copy_from_slice(&entries.to_le_bytes());
    bytes
}

type Failing = Machine<Fault<Mock>>;

/// A call of each handler that works and comes by as many Linux calls as it can: name and arguments. Descriptor 3 is
/// `/tmp/own`, 4 and 5 are a pipe with bytes in it, 8 is `/tmp/own` again, guarded by 9 against everything.
fn good_calls(k: &Mock) -> Vec<(&'static str, Vec<u64>)> {
    let text = |text: &str| k.place_str(text).get();
    let room = |len: usize| k.alloc_guarded(len).get();
    let place = |bytes: &[u8]| k.place(bytes).get();
    let cwd = AT_FDCWD as u64;
    let (buf, own) = (room(5), text("/tmp/own"));
    let iov = place(&bytes([buf, 5]));
    let lock = || place(&bytes([0, 0, 3 << 32]));
    let open_flags = |flags: darwin::fcntl::OpenFlags| u64::from(flags.bits());
    let command = |command: darwin::fcntl::FcntlCommand| command.number() as u64;
    let dirlink = text("/tmp/link");
    vec![
        ("read", vec![3, buf, 5]),
        ("write", vec![3, buf, 5]),
        ("pread", vec![3, buf, 5, 0]),
        ("pread", vec![3, buf, 5, -7i64 as u64]),
        ("pwrite", vec![3, buf, 5, 0]),
        ("readv", vec![3, iov, 1]),
        ("writev", vec![3, iov, 1]),
        ("preadv", vec![3, iov, 1, 0]),
        ("pwritev", vec![3, iov, 1, 0]),
        ("close", vec![3]),
        ("lseek", vec![3, 0, 0]),
        ("lseek", vec![3, 0, 77]),
        ("dup", vec![3]),
        ("dup2", vec![3, 9]),
        ("dup2", vec![3, 3]),
        ("pipe", vec![]),
        ("fsync", vec![3]),
        ("fdatasync", vec![3]),
        ("open", vec![own, open_flags(O_RDWR | O_EXLOCK | O_ASYNC), 0]),
        ("open", vec![dirlink, open_flags(O_SYMLINK), 0]),
        ("open", vec![text("/tmp/dir"), open_flags(O_CREAT), 0]),
        (
            "openat",
            vec![cwd, text("/tmp/x"), open_flags(O_RDWR | O_CREAT | O_RESOLVE_BENEATH | O_SHLOCK), 0o600],
        ),
        ("openat", vec![cwd, own, open_flags(O_NOFOLLOW_ANY), 0]),
        ("access", vec![own, 4]),
        ("faccessat", vec![cwd, own, 4, 0x10]),
        ("unlink", vec![own]),
        ("unlinkat", vec![cwd, own, 0]),
        ("readlink", vec![dirlink, buf, 5]),
        ("readlinkat", vec![cwd, dirlink, buf, 0]),
        ("stat64", vec![own, room(144)]),
        ("lstat64", vec![own, room(144)]),
        ("fstat64", vec![3, room(144)]),
        ("fstatat64", vec![cwd, own, room(144), 0x20]),
        ("mmap", vec![0, 4096, 3, 2, 3, 0]),
        ("munmap", vec![k.alloc(4096).get(), 4096]),
        ("mprotect", vec![k.alloc(4096).get(), 4096, 1]),
        ("madvise", vec![k.alloc(4096).get(), 4096, 0]),
        ("fork", vec![]),
        ("madvise", vec![k.alloc(4096).get(), 4096, 11]),
        ("madvise", vec![k.alloc(4096).get(), 4096, 4]),
        ("mmap", vec![0, 8192, 1, 0x4002, 3, 0]),
        ("getpid", vec![]),
        ("getppid", vec![]),
        ("exit", vec![0]),
        ("getrlimit", vec![8, room(16)]),
        ("setrlimit", vec![8, place(&bytes([64, 64]))]),
        ("getuid", vec![]),
        ("geteuid", vec![]),
        ("getgid", vec![]),
        ("getegid", vec![]),
        ("issetugid", vec![]),
        ("getentropy", vec![buf, 5]),
        ("gettimeofday", vec![room(16), room(8), room(8)]),
        ("getitimer", vec![0, room(32)]),
        ("setitimer", vec![0, place(&[0; 32]), room(32)]),
        ("sigaction", vec![30, place(&action(0x1234, 0, 0)), room(16)]),
        ("sigprocmask", vec![1, place(&[1, 0, 0, 0]), room(4)]),
        ("__pthread_sigmask", vec![1, place(&[1, 0, 0, 0]), room(4)]),
        ("sigpending", vec![room(4)]),
        ("sigaltstack", vec![place(&bytes([0x7000, 8192, 0])), room(24)]),
        ("kill", vec![1000, 0, 0]),
        ("sigreturn", {
            let frame = own_frame(k);
            vec![frame, 1, frame]
        }),
        ("select", vec![6, place(&[0x38, 0, 0, 0]), place(&[0x28, 0, 0, 0]), 0, place(&[0; 16])]),
        ("select", vec![64, place(&bytes([0x38])), 0, 0, 0]),
        ("pselect", vec![6, place(&[0x38, 0, 0, 0]), 0, 0, place(&[0; 16]), place(&[0xff; 4])]),
        ("poll", vec![place(&bytes([4 | 1 << 32, 5 | 4 << 32, 3 | 0x201 << 32])), 3, 1]),
        ("guarded_open_np", vec![own, place(&bytes([7])), 3, 0x0100_0000, 0]),
        ("guarded_open_dprotected_np", vec![own, place(&bytes([7])), 3, 0x0100_0000, 4, 1, 0]),
        ("guarded_close_np", vec![8, place(&bytes([9]))]),
        ("change_fdguard_np", vec![3, 0, 0, place(&bytes([7])), 0x1f, place(&[3, 0, 0, 0])]),
        ("change_fdguard_np", vec![8, place(&bytes([9])), 0x1f, 0, 0, place(&[3, 0, 0, 0])]),
        ("change_fdguard_np", vec![8, place(&bytes([9])), 0x1f, place(&bytes([7])), 2, 0]),
        ("guarded_write_np", vec![8, place(&bytes([9])), buf, 5]),
        ("guarded_pwrite_np", vec![8, place(&bytes([9])), buf, 5, 0]),
        ("guarded_writev_np", vec![8, place(&bytes([9])), iov, 1]),
        ("write", vec![8, buf, 5]),
        ("close", vec![8]),
        ("fcntl", vec![8, command(F_SETFD), 0]),
        ("ioctl", vec![3, 0x2000_6601, 0]),
        ("ioctl", vec![4, 0x8004_667e, place(&[0; 4])]),
        ("ioctl", vec![4, 0x8004_667d, place(&[1, 0, 0, 0])]),
        ("ioctl", vec![3, 0x4004_667f, room(4)]),
        ("ioctl", vec![4, 0x4004_667f, room(4)]),
        ("ioctl", vec![4, 0x8004_7476, place(&[0; 4])]),
        ("ioctl", vec![0, 0x4048_7413, room(72)]),
        ("ioctl", vec![0, 0x8048_7414, place(&[0; 72])]),
        ("ioctl", vec![0, 0x8008_7467, place(&[0; 8])]),
        ("ioctl", vec![0, 0x8004_7410, place(&[0; 4])]),
        ("ioctl", vec![0, 0x2000_7471, 0]),
        ("sync", vec![]),
        ("getdtablesize", vec![]),
        ("flock", vec![3, 2]),
        ("getfh", vec![own, room(4)]),
        ("fhopen", vec![0, 0]),
        ("fsctl", vec![own, SYNC_VOLUME, place(&[0; 4]), 0]),
        ("ffsctl", vec![3, SYNC_VOLUME, place(&[0; 4]), 0]),
        ("open_extended", vec![text("/tmp/x"), 0x201, 1000, 1000, 0o600, 0]),
        ("open_extended", vec![own, 0x200, 1000, 1000, 0o600, place(&filesec(1))]),
        ("open_dprotected_np", vec![own, 0, 4, 1, 0]),
        ("openat_dprotected_np", vec![cwd, own, 0, 4, 4, 0, 3]),
        ("sendfile", vec![3, 4, 0, room(8), 0, 0]),
        ("fcntl", vec![3, command(F_DUPFD), 7]),
        ("fcntl", vec![3, command(F_SETFL), 4]),
        ("fcntl", vec![3, command(F_GETFL), 0]),
        ("fcntl", vec![3, command(F_GETLK), lock()]),
        ("fcntl", vec![3, command(F_SETLKW), lock()]),
        ("fcntl", vec![3, command(F_FULLFSYNC), 0]),
        ("fcntl", vec![3, command(F_GETPATH), room(1024)]),
        ("fcntl", vec![3, command(F_GETOWN), 0]),
        ("fcntl", vec![4, command(F_GETOWN), 0]),
        ("fcntl", vec![4, command(F_SETOWN), 1000]),
        ("fcntl", vec![0, command(F_SETOWN), 1000]),
        ("fcntl", vec![4, command(F_SETNOSIGPIPE), 1]),
        ("fcntl", vec![4, command(F_GETNOSIGPIPE), 0]),
        ("fcntl", vec![3, command(F_PREALLOCATE), place(&bytes([3 << 32, 0, 4096, 0]))]),
        ("fcntl", vec![3, command(F_PUNCHHOLE), place(&bytes([0, 0, 4096]))]),
        ("fcntl", vec![3, command(F_LOG2PHYS), room(20)]),
        ("fcntl", vec![3, command(F_PATHPKG_CHECK), own]),
        ("fcntl", vec![3, command(F_CHECK_LV), place(&[0; 24])]),
        ("mach_timebase_info_trap", vec![room(8)]),
        ("task_self_trap", vec![]),
        ("thread_self_trap", vec![]),
        ("host_self_trap", vec![]),
        ("mach_reply_port", vec![]),
        ("thread_fast_set_cthread_self64", vec![0x1000]),
        ("hv_task_trap", vec![0, 0]),
        ("hv_thread_trap", vec![0, 0]),
    ]
}

/// A frame that `sigreturn` takes: all zero but for what it must say.
fn own_frame(k: &Mock) -> u64 {
    let registers = k.place(&[0; 1032]).get();
    k.place(&bytes([0, 0, 0, 0, 0, 1032, registers])).get()
}

/// What the good calls work with.
fn prepare(k: &Machine<Mock>) {
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, pipe() => (4, 5));
    xnu!(k, dup2(3, 8) => 8);
    xnu!(k, change_fdguard_np(8, NULL, 0, bytes([9]), 0x1f, NULL) => 0);
    xnu!(k, write(5, b"bytes", 5) => 5);
}

/// Runs a call on a machine that fails as planned; the machine is set up before the plan starts to count.
fn run(index: usize, plan: Plan) -> (Failing, &'static str, BTreeSet<i32>, Reply) {
    let prepared = machine();
    prepare(&prepared);
    let (name, words) = good_calls(&prepared).swap_remove(index);
    let k = Machine::new(Fault::new(prepared.process.kernel, plan), prepared.process.lkm);
    let guard = prepared.process.descriptors.guards.get(8).expect("a guard");
    assert!(k.process.descriptors.guards.set(8, guard));
    let before = k.descriptors().into_iter().collect();
    let reply = k.by_name(name, &words);
    (k, name, before, reply)
}

/// The error that a failed call answers; calls that go on regardless are listed with the reason.
fn check(name: &str, reply: Reply, expected: darwin::Errno) {
    match name {
        // Nothing is left that could be told.
        "exit" => assert_eq!(reply, Reply::Unchanged),
        // Linux refuses no action that we set; and a mask that cannot be told is lost, as on XNU.
        "sigaction" | "sigprocmask" | "__pthread_sigmask" | "sigpending" | "mach_timebase_info_trap"
            if matches!(reply, Reply::Value(0, _)) => {}
        // How much was sent is told to nobody where that cannot be written.
        "sendfile" if expected == EFAULT => assert_eq!(reply, Reply::Error(darwin::Errno::ENOTSOCK)),
        // What cannot be zeroed is what may not be written.
        "madvise" if expected == EFAULT => assert_eq!(reply, Reply::Error(EPERM)),
        _ => assert_eq!(reply, Reply::Error(expected), "{name}"),
    }
}

#[test]
fn every_handler_that_is_served_is_among_the_good_calls() {
    let k = machine();
    let tried: BTreeSet<&str> = good_calls(&k).into_iter().map(|(name, _)| name).collect();
    let served: BTreeSet<&str> = [bsd::ROWS, mach::ROWS, machdep::ROWS]
        .into_iter()
        .flatten()
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
            let mut n = 1;
            loop {
                let (k, name, before, reply) = run(index, Plan::nth_of_any(n, linux));
                if k.process.kernel.injected() == 0 {
                    break;
                }
                check(name, reply, translated);
                let after: BTreeSet<i32> = k.descriptors().into_iter().collect();
                assert_eq!(after, before, "{name}: call {n} failed with {linux}");
                n += 1;
                assert!(n < 50, "{name} does not end");
            }
        }
    }
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
        for n in 1..50 {
            let (k, name, before, reply) = run(index, Plan::copy_fault(n));
            if k.process.kernel.injected() == 0 {
                break;
            }
            check(name, reply, EFAULT);
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
        let retries = !matches!(name, "getentropy" | "exit") && first == Reply::Error(EINTR);
        if retries {
            let (_, words) = {
                let prepared = machine();
                prepare(&prepared);
                good_calls(&prepared).swap_remove(index)
            };
            assert_eq!(k.by_name(name, &words), expected, "{name}");
        }
    }
}
