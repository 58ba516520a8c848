//! The runner in bad company: files that are no programs, narrow limits, odd states at the start, storms of signals.
//!
//! Whatever comes in, the runner either runs the guest or says in one line why not, and never ends by a signal of
//! its own making.

mod confine;
mod descriptors;
mod programs;
mod signals;
mod starts;

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use xnu_tests::guests::runner;

/// No run here takes longer than a few seconds; this is for a loaded machine.
const LIMIT: Duration = Duration::from_secs(60);

/// How a run ended.
#[derive(Debug)]
struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn code(&self) -> Option<i32> {
        self.status.code()
    }

    fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Ended with 0 and without a complaint.
    #[track_caller]
    fn succeeded(&self) {
        assert_eq!(self.code(), Some(0), "{self:#?}");
        assert!(!self.stdout.contains("wrong:") && self.stderr.is_empty(), "{self:#?}");
    }

    /// One line that begins with `xnurun: ` and then this, nothing else, and one of these exit codes.
    #[track_caller]
    fn refused(&self, beginning: &str, codes: &[i32]) {
        assert!(
            self.code().is_some_and(|code| codes.contains(&code)),
            "{beginning} not one of {codes:?}: {self:#?}"
        );
        assert!(self.stdout.is_empty(), "{self:#?}");
        assert!(self.stderr.starts_with(&format!("xnurun: {beginning}")), "not about {beginning}: {self:#?}");
        assert!(self.stderr.ends_with('\n') && self.stderr.lines().count() == 1, "not one line: {self:#?}");
        let text = self.stderr.trim_end();
        assert!(text.chars().all(|c| !c.is_control()), "control characters: {self:#?}");
        assert!(text.len() > beginning.len() + "xnurun: ".len() + 8, "says nothing: {self:#?}");
    }
}

/// The runner with these words, an empty environment, nothing on descriptor 0, and pipes on 1 and 2.
fn xnurun<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(runner());
    command.args(words).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits for the end; what takes too long is killed, which the status shows.
fn wait(child: Child) -> Ended {
    let pid = child.id();
    let (done, watch) = mpsc::channel::<()>();
    let watcher = thread::spawn(move || {
        if watch.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            confine::kill(pid, libc::SIGKILL);
        }
    });
    let output = child.wait_with_output().expect("the child is ours");
    drop(done);
    watcher.join().expect("the watcher ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs a prepared command to its end.
fn end(command: &mut Command) -> Ended {
    wait(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

/// Runs the runner on a file.
fn run_file(path: &Path) -> Ended {
    end(&mut xnurun([path]))
}
