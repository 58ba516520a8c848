//! Starts: many of them, under narrow limits, in odd states and in confinement.

use crate::confine::{self, Filtered};
use crate::{Ended, end, xnurun};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;
use xnu_tests::guests::{Scratch, guest, runner};

fn hello() -> Command {
    xnurun([guest("hello").as_os_str(), OsStr::new("42")])
}

#[track_caller]
fn says_hello(ended: &Ended) {
    let got = (ended.code(), ended.stdout.as_str(), ended.stderr.as_str());
    assert_eq!(got, (Some(42), "hello from XNU\n", ""), "{ended:#?}");
}

/// `$STURDY_STARTS` asks for another number, and `cargo xtask starts` measures.
#[test]
fn starts_in_a_row_all_succeed() {
    const STARTS: u32 = 200;
    let count =
        env::var("STURDY_STARTS").map_or(STARTS, |text| text.parse().expect("STURDY_STARTS: a number"));
    for name in ["start", "hello_pie", "text_low", "text_high"] {
        for start in 0..count / 4 {
            let ended = end(&mut xnurun([guest(name)]));
            assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "start {start} of {name}");
        }
    }
}

#[test]
fn stack_limits_do_not_matter() {
    for soft in [libc::RLIM_INFINITY, 1 << 30, 8 << 20, 1 << 20, 128 << 10] {
        let mut command = hello();
        confine::limit(&mut command, libc::RLIMIT_STACK, soft);
        says_hello(&end(&mut command));
    }
}

#[test]
fn fixed_addresses_do_not_matter() {
    for soft in [libc::RLIM_INFINITY, 8 << 20, 128 << 10] {
        let mut command = hello();
        confine::fixed_addresses(&mut command);
        confine::limit(&mut command, libc::RLIMIT_STACK, soft);
        says_hello(&end(&mut command));
    }
}

#[test]
fn closed_descriptors_stay_closed() {
    let mut command = xnurun([guest("ends").as_os_str(), OsStr::new("exit"), OsStr::new("42")]);
    confine::no_descriptors(&mut command);
    let ended = end(&mut command);
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(42), ""), "{ended:#?}");
    // A guest that writes finds descriptor 1 closed and says so by code 92.
    let mut command = hello();
    confine::no_descriptors(&mut command);
    assert_eq!(end(&mut command).code(), Some(92));
}

#[test]
fn few_descriptors_are_enough() {
    for soft in [16, 5] {
        let mut command = hello();
        confine::limit(&mut command, libc::RLIMIT_NOFILE, soft);
        says_hello(&end(&mut command));
    }
    let mut command = hello();
    confine::limit(&mut command, libc::RLIMIT_NOFILE, 3);
    end(&mut command).refused("", &[126]);
}

#[test]
fn little_address_space_is_enough_or_said_to_be_missing() {
    let mut command = hello();
    confine::limit(&mut command, libc::RLIMIT_AS, 64 << 20);
    says_hello(&end(&mut command));
    for soft in [6 << 20, 8 << 20, 12 << 20, 16 << 20] {
        let mut command = hello();
        confine::limit(&mut command, libc::RLIMIT_AS, soft);
        let ended = end(&mut command);
        // Linux itself may find no room for the runner, whose image takes most of it: it kills what it has begun to load.
        if ended.code() != Some(42) && ended.signal() != Some(libc::SIGKILL) {
            ended.refused("", &[125, 126]);
        }
    }
    let big = guest("big_bss");
    let mut command = xnurun([&big]);
    confine::limit(&mut command, libc::RLIMIT_AS, 64 << 20);
    end(&mut command).refused(&format!("{}: ", big.display()), &[126]);
}

/// Many arguments and variables, of which Linux takes 128 KiB each at most.
fn filled(mut command: Command, arguments_kib: usize, environment_kib: usize) -> Command {
    let kib_64 = OsString::from("x".repeat((64 << 10) - 16));
    command.args((0..arguments_kib / 64).map(|_| &kib_64));
    for number in 0..environment_kib / 64 {
        command.env(format!("V{number:04}"), &kib_64);
    }
    command
}

#[test]
fn arguments_and_environment_of_a_mebibyte_each() {
    for (arguments, environment) in [(512, 256), (960, 0), (0, 960), (1024, 1024), (4096, 1024)] {
        for fixed in [false, true] {
            let mut command = filled(hello(), arguments, environment);
            confine::limit(&mut command, libc::RLIMIT_STACK, 64 << 20);
            if fixed {
                confine::fixed_addresses(&mut command);
            }
            let ended = end(&mut command);
            if arguments + environment < 1024 {
                says_hello(&ended);
            } else if ended.code() != Some(42) {
                ended.refused("", &[125, 126]);
            }
        }
    }
}

#[test]
fn works_without_privileges_in_a_container() {
    if !confine::namespaces_work() {
        // Nothing to see where Linux has no namespaces for users without privileges.
        return;
    }
    // The workspace may lie where nobody else may look.
    let scratch = Scratch::new().expect("a scratch directory");
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).expect("our directory");
    let copy = |from: PathBuf, name: &str| {
        let to = scratch.path().join(name);
        fs::copy(from, &to).expect("a copy");
        to
    };
    let xnurun = copy(runner().to_path_buf(), "xnurun");
    for name in ["hello", "signals", "registers", "mmap"] {
        let mut command = Command::new(&xnurun);
        let guest = copy(guest(name), name);
        command.arg(guest).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        confine::container(&mut command);
        end(&mut command).succeeded();
    }
}

#[test]
fn refused_user_dispatch_is_said_in_a_line() {
    const PR_SET_SYSCALL_USER_DISPATCH: u32 = 59;
    let dispatch = Filtered { call: libc::SYS_prctl, first: Some(PR_SET_SYSCALL_USER_DISPATCH) };
    let old = "Linux 5.11 or later";
    let forbidden = "allow prctl 59";
    for (errno, says) in
        [(libc::EPERM, forbidden), (libc::EACCES, forbidden), (libc::ENOSYS, old), (libc::EINVAL, old)]
    {
        let mut command = hello();
        confine::filter(&mut command, &[dispatch], errno);
        let ended = end(&mut command);
        ended.refused("cannot catch system calls", &[125]);
        assert!(ended.stderr.contains(says), "{ended:#?}");
    }
}

/// Calls that old kernels and strict containers do not have: none is needed to start, or a line says which.
#[test]
fn missing_linux_calls_do_not_matter() {
    let calls = [
        libc::SYS_statx,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_openat2,
        libc::SYS_rseq,
        libc::SYS_set_robust_list,
        libc::SYS_membarrier,
        libc::SYS_sched_getaffinity,
        libc::SYS_sysinfo,
        libc::SYS_prlimit64,
        libc::SYS_readlink,
        libc::SYS_readlinkat,
        libc::SYS_poll,
    ];
    for call in calls {
        for errno in [libc::ENOSYS, libc::EPERM] {
            let mut command = hello();
            confine::filter(&mut command, &[Filtered { call, first: None }], errno);
            let ended = end(&mut command);
            assert_eq!(ended.code(), Some(42), "call {call}, errno {errno}: {ended:#?}");
            says_hello(&ended);
        }
    }
    let mut command = hello();
    let all = calls.map(|call| Filtered { call, first: None });
    confine::filter(&mut command, &all, libc::ENOSYS);
    says_hello(&end(&mut command));
}

/// What cannot be done without is missed in one line.
#[test]
fn needed_linux_calls_are_missed_in_a_line() {
    for call in [libc::SYS_getrandom, libc::SYS_sigaltstack, libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask]
    {
        let mut command = hello();
        confine::filter(&mut command, &[Filtered { call, first: None }], libc::EPERM);
        let ended = end(&mut command);
        ended.refused("", &[125, 126]);
        let says = ["cannot prepare a thread", "no random bytes"];
        assert!(says.iter().any(|words| ended.stderr.contains(words)), "{ended:#?}");
    }
}

/// Where the runner is a container's first process, Linux ignores the signals that end others by default. The guest
/// ends all the same, with the exit code that a shell would tell of the signal.
#[test]
fn works_as_the_first_process_of_a_container() {
    let unshare = |program: &OsStr, args: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--pid", "--fork"]).arg(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    if !unshare(OsStr::new("true"), &[]).status().is_ok_and(|status| status.success()) {
        // No unshare(1), or no namespaces for users without privileges.
        return;
    }
    let guest = |name: &str| guest(name).into_os_string().into_string().expect("a path in UTF-8");
    let (ends, storm) = (guest("ends"), guest("storm"));
    let run = |args: &[&str]| end(&mut unshare(runner().as_os_str(), args));
    assert_eq!(run(&[&ends, "exit", "42"]).code(), Some(42));
    run(&[&storm, "100", "100"]).succeeded();
    let ended = run(&[&ends, "hole"]);
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(128 + libc::SIGSEGV), ""), "{ended:#?}");
}

/// A start is given up for another address layout and tried anew, 16 times at most. Without randomisation a stack of
/// four mebibytes reaches over the commpage's place every time.
#[test]
fn taken_addresses_are_tried_again_and_then_given_up() {
    let ended = [None, Some("16")].map(|attempt| {
        let mut command = filled(xnurun([guest("start")]), 2048, 2048);
        command.envs(attempt.map(|attempt| ("XNURUN_ATTEMPT", attempt)));
        confine::limit(&mut command, libc::RLIMIT_STACK, 64 << 20);
        confine::fixed_addresses(&mut command);
        let started = Instant::now();
        let ended = end(&mut command);
        ended.refused("", &[125]);
        assert!(ended.stderr.contains("commpage") && ended.stderr.contains("taken"), "{ended:#?}");
        started.elapsed()
    });
    let [retried, last] = ended;
    assert!(retried > last * 4, "16 more attempts took {retried:?}, the last one alone {last:?}");
}

#[test]
fn the_count_of_attempts_does_not_reach_the_guest() {
    for attempt in ["0", "15", "16", "17", "4294967295", "-1", "nonsense", ""] {
        let mut command = xnurun([guest("inherited")]);
        command.env("XNURUN_ATTEMPT", attempt).env("OTHER", "kept");
        let ended = end(&mut command);
        ended.succeeded();
        assert!(ended.stdout.ends_with("\nenv OTHER=kept\n"), "{ended:#?}");
        assert!(!ended.stdout.contains("XNURUN_ATTEMPT"), "{ended:#?}");
    }
}
