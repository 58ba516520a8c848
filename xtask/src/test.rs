//! `cargo xtask test`: everything that must pass, in a fixed order, here and in continuous integration.

use crate::{Cli, Result, setup, workspace};
use clap::{Args, CommandFactory};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

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
    }
    println!("{passed} passed, {} failed", failed.len());
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Why a command fails, and how to repeat it; `None` if it succeeds.
fn fails(line: &str) -> Option<String> {
    println!("$ {line}");
    let how = match command(line).status() {
        Ok(status) if status.success() => return None,
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    Some(format!("{how}; repeat it with: {line}"))
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
        assert!(failure.ends_with("repeat it with: cargo there-is-no-such-command"), "{failure}");
        assert_eq!(fails("cargo --version"), None);
    }
}
