//! `cargo xtask test`: everything that must pass, in a fixed order, here and in continuous integration.

use crate::{Cli, Result, setup, workspace};
use clap::{Args, CommandFactory};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{fmt, thread};

/// Options of `cargo xtask test`.
#[derive(Args)]
pub(crate) struct Options {
    /// Leave out fuzzing, measuring and the demonstration
    #[arg(long)]
    fast: bool,
}

/// A step: the commands that repeat it alone are the ones that are run.
struct Step {
    title: &'static str,
    commands: &'static [&'static str],
    /// Left out by `--fast`.
    slow: bool,
}

const STEPS: &[Step] = &[
    Step {
        title: "formatting",
        commands: &[
            "cargo fmt --all --check",
            "cargo fmt --check --manifest-path fuzz/Cargo.toml",
            "cargo fmt --check --manifest-path tests/bare/Cargo.toml",
        ],
        slow: false,
    },
    Step {
        title: "lints",
        commands: &["cargo clippy --locked --workspace --all-targets -- -D warnings"],
        slow: false,
    },
    Step {
        title: "documentation",
        commands: &[
            "RUSTDOCFLAGS=-Dwarnings cargo doc --locked --workspace --no-deps --document-private-items",
        ],
        slow: false,
    },
    Step { title: "C interface", commands: &["cargo xtask capi --check"], slow: false },
    Step { title: "tests", commands: &["cargo test --locked --workspace --no-fail-fast"], slow: false },
    Step { title: "neither std nor alloc", commands: &["cargo xtask bare --no-panic"], slow: false },
    Step { title: "coverage page", commands: &["cargo xtask coverage --check-page"], slow: false },
    Step {
        title: "fuzzing",
        commands: &[
            "cargo xtask fuzz macho --runs 1000000",
            "cargo xtask fuzz calls --runs 20000",
            "cargo xtask fuzz vchroot_round_trip --runs 100000",
            "cargo xtask fuzz trap_numbers --runs 50000",
            "cargo xtask fuzz mach_msg --runs 50000",
            "cargo xtask fuzz mig --runs 50000",
        ],
        slow: true,
    },
    Step { title: "measurements", commands: &["cargo xtask bench --check"], slow: true },
    Step { title: "demonstration", commands: &["cargo xtask demo"], slow: true },
];

/// Runs every step, and says on the last line how many passed and failed.
///
/// # Errors
/// The machine lacks something.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    setup::everything()?;
    let mut failed = Vec::new();
    let mut passed = 0;
    for (index, step) in STEPS.iter().enumerate() {
        println!("\n== {}/{} {}", index + 1, STEPS.len(), step.title);
        if options.fast && step.slow {
            println!("-- left out by --fast");
            continue;
        }
        // A task may come in with another change than its step.
        let missing = step.commands.iter().copied().find_map(missing_task);
        if let Some(task) = missing {
            println!("-- left out: there is no cargo xtask {task}");
            continue;
        }

        let started = Instant::now();
        let failure = step.commands.iter().find_map(|command| fails(command));
        let time = seconds(started.elapsed());
        match failure {
            None => {
                println!("-- passed in {time}");
                passed += 1;
            }
            Some(failure) => {
                println!("-- FAILED in {time}: {failure}");
                failed.push((step.title, failure));
            }
        }
    }

    println!();
    for (title, failure) in &failed {
        println!("{title}: {failure}");
        failure.reasons.iter().for_each(|line| println!("    {line}"));
    }
    println!("{passed} passed, {} failed", failed.len());
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A command that failed.
#[derive(PartialEq, Eq, Debug)]
struct Failure {
    /// How it ended, and how to repeat it.
    summary: String,
    /// What it printed of the reasons: they may stand thousands of lines above the end.
    reasons: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)
    }
}

/// Why a command fails, and how to repeat it; `None` if it succeeds.
fn fails(line: &str) -> Option<Failure> {
    println!("$ {line}");
    let mut reasons = Vec::new();
    let how = match watched(command(line), &mut reasons) {
        Ok(status) if status.success() => return None,
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    Some(Failure { summary: format!("{how}; repeat it with: {line}"), reasons })
}

/// Runs a command and keeps the lines that say why it fails; on a terminal they are there to scroll back to.
fn watched(mut command: Command, reasons: &mut Vec<String>) -> io::Result<ExitStatus> {
    if io::stdout().is_terminal() {
        return command.status();
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        let stderr = scope.spawn(|| stderr.map(|from| pass_on(from, io::stderr())));
        reasons.extend(stdout.map(|from| pass_on(from, io::stdout())).unwrap_or_default());
        reasons.extend(stderr.join().ok().flatten().unwrap_or_default());
    });
    child.wait()
}

/// Copies lines, and answers those that are reasons of a failure.
fn pass_on(from: impl Read, mut to: impl Write) -> Vec<String> {
    let (mut from, mut line, mut reasons) = (BufReader::new(from), Vec::new(), Reasons::default());
    while from.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        // Who reads it may have seen enough; the command is to end by itself all the same.
        let _ = to.write_all(&line);
        reasons.look(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    reasons.lines
}

/// Lines that say why something failed.
#[derive(Default)]
struct Reasons {
    lines: Vec<String>,
    /// How many more lines belong to the last one.
    more: u32,
}

impl Reasons {
    /// As many as a reader looks at.
    const MOST: usize = 60;

    fn look(&mut self, line: &str) {
        let is_test = line.starts_with("test ") && line.ends_with("FAILED");
        let is_alone = is_test || line.contains(" MISSED ");
        let is_start = line.contains("panicked at") || line.starts_with("error");
        self.more = match (is_start, line.is_empty()) {
            (true, _) => 5,
            (false, true) => 0,
            (false, false) => self.more,
        };
        if (is_alone || self.more > 0) && self.lines.len() < Reasons::MOST {
            self.lines.push(line.to_string());
        }
        self.more = self.more.saturating_sub(1);
    }
}

/// The command of a line: variables, cargo, arguments, all without blanks in them.
fn command(line: &str) -> Command {
    let is_variable = |word: &&str| word.contains('=') && !word.starts_with('-');
    let mut command = workspace::cargo();
    command.envs(line.split(' ').take_while(is_variable).filter_map(|word| word.split_once('=')));
    let words = line.split(' ').skip_while(is_variable).skip(1);
    command.args(words);
    command
}

/// The name of the task that a line runs, if it runs one.
fn task(line: &str) -> Option<&str> {
    line.strip_prefix("cargo xtask ")?.split(' ').next()
}

/// The name of the task that a line runs, if this program has none of that name.
fn missing_task(line: &'static str) -> Option<&'static str> {
    task(line).filter(|task| Cli::command().find_subcommand(task).is_none())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_commands() {
        let rustdoc = command("RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps");
        assert_eq!(rustdoc.get_args().collect::<Vec<_>>(), ["doc", "--no-deps"]);
        let variables: Vec<_> = rustdoc.get_envs().collect();
        assert_eq!(variables, [("RUSTDOCFLAGS".as_ref(), Some("-Dwarnings".as_ref()))]);

        let fuzz = command("cargo xtask fuzz macho --runs 1");
        assert_eq!(fuzz.get_args().collect::<Vec<_>>(), ["xtask", "fuzz", "macho", "--runs", "1"]);
    }

    #[test]
    fn tasks_of_the_steps_are_understood() {
        for line in STEPS.iter().flat_map(|step| step.commands) {
            let Some(task) = task(line) else { continue };
            if missing_task(line).is_none() {
                let words = line.split(' ').skip(2);
                let parsed = Cli::command().try_get_matches_from(["cargo xtask"].into_iter().chain(words));
                assert!(parsed.is_ok(), "{task}: {:?}", parsed.err());
            }
        }
    }

    #[test]
    fn failure_names_the_command_that_repeats_it() {
        let failure = fails("cargo there-is-no-such-command").unwrap();
        assert!(failure.summary.ends_with("repeat it with: cargo there-is-no-such-command"), "{failure}");
        if !io::stdout().is_terminal() {
            assert!(failure.reasons.iter().any(|line| line.contains("no such command")), "{failure:?}");
        }
        assert_eq!(fails("cargo --version"), None);
    }

    #[test]
    fn reasons_are_the_lines_of_what_failed() {
        let output = "running 2 tests\ntest good ... ok\ntest bad ... FAILED\n\n---- bad stdout ----\n\n\
                      thread 'bad' panicked at src/lib.rs:1:1:\nassertion failed\n  left: 1\n right: 2\n\nfailures:\n";
        let mut passed_on = Vec::new();
        let reasons = pass_on(output.as_bytes(), &mut passed_on);
        assert_eq!(passed_on, output.as_bytes());
        let expected = [
            "test bad ... FAILED",
            "thread 'bad' panicked at src/lib.rs:1:1:",
            "assertion failed",
            "  left: 1",
            " right: 2",
        ];
        assert_eq!(reasons, expected);
    }
}
