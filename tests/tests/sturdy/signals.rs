//! How runs end, and signals that come often, at bad moments, or before the start.

use crate::{Ended, confine, end, wait, xnurun};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::process::Command;
use std::time::{Duration, Instant};
use xnu_tests::guests::guest;

fn guest_with(name: &str, args: &[&str]) -> Command {
    let words = [guest(name).into_os_string()].into_iter().chain(args.iter().map(OsString::from));
    let mut command = xnurun(words);
    // Nobody wants the cores of programs that are meant to crash.
    confine::limit(&mut command, libc::RLIMIT_CORE, 0);
    command
}

fn run(name: &str, args: &[&str]) -> Ended {
    end(&mut guest_with(name, args))
}

#[test]
fn every_exit_code_is_the_guests() {
    for code in 0..=255 {
        let ended = run("ends", &["exit", &code.to_string()]);
        assert_eq!((ended.code(), ended.stderr.as_str()), (Some(code), ""), "{ended:#?}");
    }
    for (given, code) in [(256, 0), (257, 1), (0x1234, 0x34)] {
        assert_eq!(run("ends", &["exit", &given.to_string()]).code(), Some(code));
    }
}

#[test]
fn a_signal_that_ends_the_guest_ends_the_runner() {
    // Darwin's number, Linux's.
    let signals = [
        (1, libc::SIGHUP),
        (2, libc::SIGINT),
        (3, libc::SIGQUIT),
        (4, libc::SIGILL),
        (5, libc::SIGTRAP),
        (6, libc::SIGABRT),
        (8, libc::SIGFPE),
        (9, libc::SIGKILL),
        (10, libc::SIGBUS),
        (11, libc::SIGSEGV),
        (12, libc::SIGSYS),
        (13, libc::SIGPIPE),
        (14, libc::SIGALRM),
        (15, libc::SIGTERM),
        (24, libc::SIGXCPU),
        (30, libc::SIGUSR1),
        (31, libc::SIGUSR2),
    ];
    for (darwin, linux) in signals {
        let ended = run("ends", &["kill", &darwin.to_string()]);
        assert_eq!((ended.signal(), ended.stdout.as_str()), (Some(linux), ""), "{darwin}: {ended:#?}");
        assert_eq!(ended.stderr, "", "{darwin}: {ended:#?}");
    }
    // SIGURG, SIGCHLD, SIGIO, SIGWINCH and SIGINFO do nothing by default, nor does SIGCONT to what runs.
    for darwin in [16, 19, 20, 23, 28, 29] {
        let ended = run("ends", &["kill", &darwin.to_string()]);
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(98), "still here\n"), "{darwin}: {ended:#?}");
    }
}

#[test]
fn a_fault_ends_the_runner_by_its_signal() {
    let faults = [
        ("hole", libc::SIGSEGV),
        ("forbidden", libc::SIGBUS),
        ("ud2", libc::SIGILL),
        ("divide", libc::SIGFPE),
        ("int3", libc::SIGTRAP),
    ];
    for (fault, signal) in faults {
        let ended = run("ends", &[fault]);
        assert_eq!((ended.signal(), ended.stderr.as_str()), (Some(signal), ""), "{fault}: {ended:#?}");
    }
}

#[test]
fn sigterm_to_the_runner_ends_the_guest() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGKILL] {
        let mut child = guest_with("ends", &["waits"]).spawn().expect("the runner");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout.by_ref()).read_line(&mut line).expect("the guest's output");
        assert_eq!(line, "waits\n");
        confine::kill(child.id(), signal);
        let ended = wait(child);
        assert_eq!((ended.signal(), ended.stderr.as_str()), (Some(signal), ""), "{ended:#?}");
    }
}

/// `exec` hands down the mask and the ignored signals. Those that the runner itself needs are among them.
#[test]
fn mask_and_ignored_signals_are_inherited() {
    let ignored = &[libc::SIGPIPE, libc::SIGCHLD, libc::SIGSEGV, libc::SIGINT];
    let blocked = &[libc::SIGUSR1, libc::SIGTERM, libc::SIGSEGV, libc::SIGBUS, libc::SIGSYS];
    let darwin = |numbers: &[u32]| numbers.iter().fold(0u32, |mask, number| mask | 1 << (number - 1));
    let ended = {
        let mut command = guest_with("inherited", &["raise"]);
        confine::signals(&mut command, ignored, blocked);
        end(&mut command)
    };
    ended.succeeded();
    let lines: Vec<_> = ended.stdout.lines().collect();
    let mask = format!("mask {:#x}", darwin(&[30, 15, 11, 10, 12]));
    let ignored = format!("ignored {:#x}", darwin(&[13, 20, 11, 2]));
    assert_eq!(lines, [&mask, &ignored, "raised"], "{ended:#?}");

    let mut command = guest_with("inherited", &["raise"]);
    confine::signals(&mut command, &[], &[]);
    let ended = end(&mut command);
    assert_eq!(ended.stdout, "mask 0x0\nignored 0x0\nraised\n", "{ended:#?}");
}

#[test]
fn a_hundred_thousand_faults_are_caught() {
    // About three seconds by itself; the limit is for a machine that does much else.
    let started = Instant::now();
    let ended = run("signals", &["100000"]);
    let time = started.elapsed();
    ended.succeeded();
    assert!(ended.stdout.starts_with("SIGSEGV 100000\n"), "{ended:#?}");
    assert!(time < Duration::from_secs(20), "100,000 faults took {time:?}");
}

#[test]
fn storm_of_timer_signals_loses_nothing() {
    let ended = run("storm", &["2000", "100"]);
    ended.succeeded();
    let words: Vec<_> = ended.stdout.split_whitespace().collect();
    let handled: u32 = words.get(3).and_then(|word| word.parse().ok()).unwrap_or(0);
    assert!(handled >= 1000, "{ended:#?}");
    assert!(ended.stdout.ends_with("wakeups ok\nfiles ok\n"), "{ended:#?}");
}

/// Half of the time in handlers. Much shorter intervals leave no time for anything else, on any system.
#[test]
fn denser_storm_loses_nothing() {
    for interval in ["60", "83"] {
        let ended = run("storm", &["500", interval]);
        ended.succeeded();
        assert!(ended.stdout.ends_with("wakeups ok\nfiles ok\n"), "{ended:#?}");
    }
}
