//! Other people's programs, each built for macOS and for Linux from one source (`cargo xtask real`).

use crate::guests::{LIMIT_S, cargo, runner};
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The file called `name` in the directory of the real programs, fetched if need be.
pub fn program(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY
        .get_or_init(|| {
            let output = cargo(&["xtask", "real"]);
            PathBuf::from(output.lines().last().expect("the directory on the last line"))
        })
        .join(name)
}

/// How a run ended.
#[derive(PartialEq, Eq)]
pub struct Ended {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// What was written to descriptor 1.
    pub stdout: Vec<u8>,
    /// What was written to descriptor 2.
    pub stderr: Vec<u8>,
}

impl std::fmt::Debug for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, stdout, stderr } = self;
        write!(f, "exit code {code:?}\n--- stdout\n{}--- stderr\n{}", lossy(stdout), lossy(stderr))
    }
}

fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The macOS build of `name` under the runner, in `directory`, with `stdin` in a pipe.
pub fn under_runner<S: AsRef<OsStr>>(name: &str, args: &[S], directory: &Path, stdin: &[u8]) -> Ended {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", &LIMIT_S.to_string()])
        .arg(runner())
        .arg(program(name).with_extension("macho"));
    run(command, args, directory, stdin)
}

/// The Linux build of `name`, told that its name is that of the macOS build, as it says its name in messages.
pub fn natively<S: AsRef<OsStr>>(name: &str, args: &[S], directory: &Path, stdin: &[u8]) -> Ended {
    let mut command = Command::new(program(name).with_extension("elf"));
    command.arg0(program(name).with_extension("macho"));
    run(command, args, directory, stdin)
}

fn run<S: AsRef<OsStr>>(mut command: Command, args: &[S], directory: &Path, stdin: &[u8]) -> Ended {
    command.args(args).current_dir(directory).env_clear().env("PATH", "/usr/bin:/bin");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut pipe = child.stdin.take().expect("a pipe");
    std::thread::scope(|scope| {
        // A program that does not read to the end closes the pipe: not our failure.
        scope.spawn(move || pipe.write_all(stdin).ok());
        let output = child.wait_with_output().expect("the child is ours");
        Ended { code: output.status.code(), stdout: output.stdout, stderr: output.stderr }
    })
}
