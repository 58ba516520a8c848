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

/// The most memory that a program ever has resident, in KiB, as Linux shows it while it runs: the last look counts.
/// The program reads its input from a pipe that stays open until it has been looked at with all of it read.
fn peak_kib(mut command: Command, input: &[u8]) -> u64 {
    command.stdin(Stdio::piped()).stdout(Stdio::null()).env_clear();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(input).expect("the program reads all its input");
    let status = format!("/proc/{}/status", child.id());
    let look = || std::fs::read_to_string(&status).expect("the program runs");
    // Once it has read everything it sleeps, and goes on sleeping.
    let mut sleeps = 0;
    while sleeps < 3 {
        std::thread::sleep(std::time::Duration::from_millis(10));
        sleeps = if look().contains("State:\tS") { sleeps + 1 } else { 0 };
    }
    let text = look();
    drop(pipe);
    assert!(child.wait().expect("the child is ours").success(), "{command:?}");
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells the peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Peak memory of the macOS build of `name` under the runner, and of the Linux build, in KiB.
pub fn peaks_kib(name: &str, input: &[u8]) -> (u64, u64) {
    let mut ours = Command::new(runner());
    ours.arg(program(name).with_extension("macho"));
    (peak_kib(ours, input), peak_kib(Command::new(program(name).with_extension("elf")), input))
}
