//! # Safety
//! The blocks fork a runner and its guest, send them signals and wait for them, and make calls of the C library's with
//! arguments of their prototypes.
#![allow(unsafe_code)]

use super::super::{Error, Format, Options, Output, Recorder, Trace};
use super::json;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use xnu_backend_linux::Linux;
use xnu_core::table::Class;
use xnu_core::{Call, Reply};

/// A file of this test's own.
fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("xnurun-trace-{}-{name}", std::process::id()))
}

fn text(path: &Path) -> Options {
    Options { format: Format::Text, output: Output::File(path.to_owned()), summary: false }
}

/// Runs something in a child; a panic there is status 101.
fn fork(child: impl FnOnce()) -> i32 {
    // SAFETY: see the module. The child has one thread.
    match unsafe { libc::fork() } {
        0 => {
            let status = if catch_unwind(AssertUnwindSafe(child)).is_ok() { 0 } else { 101 };
            // SAFETY: see the module.
            unsafe { libc::_exit(status) }
        }
        pid => pid,
    }
}

/// Starts a runner whose guest does this.
fn start(options: &Options, guest: impl FnOnce(&Recorder)) -> i32 {
    fork(|| guest(&Trace::new(options).expect("a trace").fork().expect("a process")))
}

fn wait_for(pid: i32, flags: i32) -> i32 {
    let mut status = 0;
    // SAFETY: see the module.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, flags) }, pid);
    status
}

fn wait(pid: i32) -> i32 {
    wait_for(pid, 0)
}

fn kill(pid: i32, signal: i32) {
    // SAFETY: see the module.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

fn own_pid() -> i32 {
    std::process::id() as i32
}

fn getpid(recorder: &Recorder) {
    let (linux, call) = (Linux::new(), Call { class: Class::Bsd, number: 20, words: [0; 8] });
    let entered = recorder.enter(&linux, &call);
    recorder.leave(&linux, &call, entered, &Reply::Value(1, 0));
}

/// Sleeps until a signal ends the guest: the test's, or the alarm where the test has failed.
fn sleep_for_ever() {
    // SAFETY: see the module.
    unsafe { libc::alarm(30) };
    loop {
        std::thread::park();
    }
}

#[test]
fn the_tracer_exits_as_the_guest_does() {
    let path = file("exit");
    for expected in [0, 3, 127, 255] {
        let runner = start(&text(&path), |recorder| {
            getpid(recorder);
            // SAFETY: see the module.
            unsafe { libc::_exit(expected) }
        });
        let status = wait(runner);
        assert!(libc::WIFEXITED(status));
        assert_eq!(libc::WEXITSTATUS(status), expected);
        let trace = fs::read_to_string(&path).expect("a trace");
        assert_eq!(trace, format!("getpid() = 1\n+++ exited with {expected} +++\n"));
    }
    fs::remove_file(path).expect("the file is there");
}

#[test]
fn the_tracer_dies_as_the_guest_does() {
    let path = file("die");
    let signals = [
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGKILL, "SIGKILL"),
        (libc::SIGSYS, "SIGSYS"),
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGPIPE, "SIGPIPE"),
        (libc::SIGINT, "SIGINT"),
        (libc::SIGRTMIN(), "Linux signal 34"),
    ];
    for (signal, name) in signals {
        let runner = start(&text(&path), |recorder| {
            getpid(recorder);
            // SAFETY: see the module.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
            kill(own_pid(), signal);
            sleep_for_ever();
        });
        let status = wait(runner);
        assert!(libc::WIFSIGNALED(status) && !libc::WCOREDUMP(status), "{name}: {status:#x}");
        assert_eq!(libc::WTERMSIG(status), signal);
        let trace = fs::read_to_string(&path).expect("a trace");
        assert_eq!(trace, format!("getpid() = 1\n+++ killed by {name} +++\n"));
    }
    fs::remove_file(path).expect("the file is there");
}

#[test]
fn signals_sent_to_the_tracer_reach_the_guest() {
    let path = file("forward");
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGINT, libc::SIGCONT] {
        let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let runner = start(&text(&path), |_| {
            // SAFETY: see the module; the set is filled by the call.
            unsafe {
                let mut set = std::mem::zeroed();
                libc::sigemptyset(&mut set);
                libc::sigaddset(&mut set, signal);
                libc::pthread_sigmask(libc::SIG_BLOCK, &set, null_mut());
                (&theirs).write_all(b"x").expect("the test reads");
                let mut came = 0;
                libc::sigwait(&set, &mut came);
                libc::_exit(came);
            }
        });
        ours.read_exact(&mut [0]).expect("the guest writes");
        kill(runner, signal);
        let status = wait(runner);
        assert!(libc::WIFEXITED(status), "{status:#x}");
        assert_eq!(libc::WEXITSTATUS(status), signal);
    }
    fs::remove_file(path).expect("the file is there");
}

#[test]
fn the_guest_has_no_descriptor_of_the_trace() {
    let path = file("descriptors");
    let before = 3..200;
    let runner = start(&text(&path), |_| {
        let name = path.file_name().expect("a name");
        for fd in before {
            if let Ok(target) = fs::read_link(format!("/proc/self/fd/{fd}")) {
                assert_ne!(target.file_name(), Some(name), "descriptor {fd}");
            }
        }
    });
    assert_eq!(wait(runner), 0);
    fs::remove_file(path).expect("the file is there");
}

#[test]
fn the_tracer_holds_no_pipe_of_the_guest_open() {
    let path = file("pipes");
    let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    ours.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("a timeout");
    let mut theirs = Some(theirs);
    let runner = start(&text(&path), |_| {
        drop(theirs.take());
        sleep_for_ever();
    });
    drop(theirs);
    assert_eq!(ours.read(&mut [0]).expect("the end of the stream"), 0);
    kill(runner, libc::SIGTERM);
    assert_eq!(libc::WTERMSIG(wait(runner)), libc::SIGTERM);
    fs::remove_file(path).expect("the file is there");
}

#[test]
fn the_guest_has_the_mask_and_actions_of_before() {
    let path = file("mask");
    let runner = fork(|| {
        // SAFETY: see the module; the set is filled by the call.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGUSR2);
            libc::pthread_sigmask(libc::SIG_SETMASK, &set, null_mut());
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            let _recorder = Trace::new(&text(&path)).expect("a trace").fork().expect("a process");
            let mut now = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_BLOCK, null(), &mut now);
            for signal in 1..32 {
                assert_eq!(libc::sigismember(&now, signal) == 1, signal == libc::SIGUSR2, "{signal}");
            }
            assert_eq!(libc::signal(libc::SIGCHLD, libc::SIG_DFL), libc::SIG_IGN);
            libc::_exit(9)
        }
    });
    assert_eq!(libc::WEXITSTATUS(wait(runner)), 9);
    fs::remove_file(path).expect("the file is there");
}

#[test]
fn the_guest_dies_with_the_tracer() {
    let path = file("killed");
    let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let runner = start(&text(&path), |_| {
        (&theirs).write_all(b"x").expect("the test reads");
        sleep_for_ever();
    });
    drop(theirs);
    ours.read_exact(&mut [0]).expect("the guest writes");
    kill(runner, libc::SIGKILL);
    assert_eq!(libc::WTERMSIG(wait(runner)), libc::SIGKILL);
    ours.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("a timeout");
    assert_eq!(ours.read(&mut [0]).expect("the guest's end closes its socket"), 0);
    fs::remove_file(path).expect("the file is there");
}

#[test]
fn a_guest_stopped_by_the_terminal_stops_the_tracer() {
    let path = file("stop");
    let runner = start(&text(&path), |_| {
        // A group of its own in the same session, as a shell makes it: in an orphaned one SIGTSTP does nothing.
        // SAFETY: see the module.
        unsafe { libc::setpgid(0, 0) };
        kill(own_pid(), libc::SIGTSTP);
        // SAFETY: see the module.
        unsafe { libc::_exit(5) }
    });
    let stopped = wait_for(runner, libc::WUNTRACED);
    assert!(libc::WIFSTOPPED(stopped), "{stopped:#x}");
    kill(runner, libc::SIGCONT);
    assert_eq!(libc::WEXITSTATUS(wait(runner)), 5);
    fs::remove_file(path).expect("the file is there");
}

/// How often a guest gets SIGINT from a terminal's interrupt key, in the foreground or in a group of its own.
fn interrupts_from_the_terminal(path: &Path, is_in_foreground: bool) -> i32 {
    let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let mut terminal = 0;
    // SAFETY: see the module. The child has one thread and a new terminal.
    let runner = match unsafe { libc::forkpty(&mut terminal, null_mut(), null(), null()) } {
        0 => {
            let guest = || {
                let _recorder = Trace::new(&text(path)).expect("a trace").fork().expect("a process");
                // SAFETY: see the module; the set is filled by the call.
                unsafe {
                    if !is_in_foreground {
                        libc::setpgid(0, 0);
                    }
                    let mut set = std::mem::zeroed();
                    libc::sigemptyset(&mut set);
                    libc::sigaddset(&mut set, libc::SIGINT);
                    libc::pthread_sigmask(libc::SIG_BLOCK, &set, null_mut());
                    (&theirs).write_all(b"x").expect("the test reads");
                    let wait = || {
                        let time = libc::timespec { tv_sec: 1, tv_nsec: 0 };
                        libc::sigtimedwait(&set, null_mut(), &time) == libc::SIGINT
                    };
                    libc::_exit(i32::from(wait()) + i32::from(wait()))
                }
            };
            let _ = catch_unwind(guest);
            // SAFETY: see the module.
            unsafe { libc::_exit(101) }
        }
        pid => pid,
    };
    ours.read_exact(&mut [0]).expect("the guest writes");
    // SAFETY: see the module.
    assert_eq!(unsafe { libc::write(terminal, b"\x03".as_ptr().cast(), 1) }, 1);
    let status = wait(runner);
    assert!(libc::WIFEXITED(status), "{status:#x}");
    // SAFETY: see the module.
    unsafe { libc::close(terminal) };
    libc::WEXITSTATUS(status)
}

#[test]
fn a_key_of_the_terminal_is_not_passed_on() {
    let path = file("terminal");
    assert_eq!(interrupts_from_the_terminal(&path, true), 1);
    assert_eq!(interrupts_from_the_terminal(&path, false), 0);
    fs::remove_file(path).expect("the file is there");
}

#[test]
fn forked_children_record_too() {
    let path = file("children");
    let mut options = text(&path);
    options.summary = true;
    let runner = start(&options, |recorder| {
        getpid(recorder);
        let child = fork(|| (0..1000).for_each(|_| getpid(recorder)));
        assert_eq!(wait(child), 0);
        getpid(recorder);
    });
    assert_eq!(wait(runner), 0);
    let trace = fs::read_to_string(&path).expect("a trace");
    let others = trace.lines().filter(|line| line.starts_with("[pid ") && line.ends_with("] getpid() = 1"));
    assert_eq!(others.count(), 1000);
    assert_eq!(trace.lines().filter(|line| *line == "getpid() = 1").count(), 2);
    assert!(trace.lines().any(|line| line.ends_with("     1002           getpid")), "{trace}");
    fs::remove_file(path).expect("the file is there");
}

#[test]
fn a_trace_in_json_is_json_to_the_last_line() {
    let path = file("json");
    let options = Options { format: Format::Json, output: Output::File(path.clone()), summary: true };
    let runner = start(&options, |recorder| (0..5000).for_each(|_| getpid(recorder)));
    assert_eq!(wait(runner), 0);
    let lines = json::lines(&fs::read_to_string(&path).expect("a trace"));
    assert_eq!(lines.len(), 5002);
    assert_eq!((&lines[5000]["event"], &lines[5000]["status"]), (&"exit".into(), &0.into()));
    assert_eq!((&lines[5001]["event"], &lines[5001]["calls"]), (&"summary".into(), &5000.into()));
    fs::remove_file(path).expect("the file is there");
}

#[test]
fn standard_error_is_the_runners_whatever_the_guest_does_to_its_own() {
    use std::os::fd::AsRawFd;
    let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let options = Options { format: Format::Text, output: Output::Stderr, summary: false };
    let runner = fork(|| {
        // SAFETY: see the module.
        assert_eq!(unsafe { libc::dup2(theirs.as_raw_fd(), libc::STDERR_FILENO) }, libc::STDERR_FILENO);
        let recorder = Trace::new(&options).expect("a trace").fork().expect("a process");
        // SAFETY: see the module.
        assert_eq!(unsafe { libc::close(libc::STDERR_FILENO) }, 0);
        getpid(&recorder);
    });
    drop(theirs);
    let mut trace = String::new();
    ours.read_to_string(&mut trace).expect("a trace");
    assert_eq!(trace, "getpid() = 1\n+++ exited with 0 +++\n");
    assert_eq!(wait(runner), 0);
}

#[test]
fn a_full_disk_does_not_hold_up_the_guest() {
    let options = text(Path::new("/dev/full"));
    let runner = start(&options, |recorder| (0..100_000).for_each(|_| getpid(recorder)));
    assert_eq!(wait(runner), 0);
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let path = Path::new("/nonexistent/trace");
    let error = Trace::new(&text(path)).expect_err("there is no such directory");
    assert!(matches!(error, Error::Open { .. }));
    let message = error.to_string();
    assert!(message.starts_with("/nonexistent/trace: ") && !message.contains('\n'), "{message}");
}
