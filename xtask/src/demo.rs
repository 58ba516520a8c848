//! `cargo xtask demo`: macOS builds of other people's programs on this machine, beside the Linux builds.

use crate::real::{self, PACKAGES};
use crate::{Result, workspace};
use clap::Args;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Options of `cargo xtask demo`.
#[derive(Args)]
pub(crate) struct Options {
    /// Print the calls of every run, not only of the last
    #[arg(long)]
    calls: bool,
}

/// The runs: program, and its arguments, from the project's directory. `{target}` is the directory of what is built.
const RUNS: &[(&str, &str)] = &[
    ("file", "--version"),
    ("file", "README.md Cargo.lock tests/data {target}/real/ent.elf {target}/guests/hello no-such-file"),
    ("file", "--brief --mime LICENSE-MIT"),
    ("ent", "LICENSE-MIT"),
    ("ent", "-t {target}/real/ent.elf"),
];

/// Fetches the programs, builds the runner, and runs both builds of each program on the same files.
///
/// # Errors
/// Something cannot be fetched, built or started, or the two builds differ in output or exit status.
pub(crate) fn run(options: &Options) -> Result<()> {
    let real = real::fetch()?;
    crate::guests::build(&["hello"])?;
    let runner = workspace::runner()?;
    let target = relative(&workspace::target()).display().to_string();

    for package in &PACKAGES {
        println!("# {}: {} {} from PyPI, built for macOS", package.program, package.name, package.version);
    }
    let mut differences = 0;
    for (index, (program, arguments)) in RUNS.iter().enumerate() {
        let guest = relative(&real.join(program).with_extension("macho")).to_path_buf();
        let arguments = arguments.replace("{target}", &target);
        let words = || arguments.split(' ');
        println!("\n$ xnurun {} {arguments}", guest.display());
        let ours = output(Command::new(&runner).arg(&guest).args(words()))?;
        print!("{}{}", String::from_utf8_lossy(&ours.stdout), String::from_utf8_lossy(&ours.stderr));

        // Both are told the same name for themselves, so that their messages can be compared.
        let native = real.join(program).with_extension("elf");
        let theirs = output(Command::new(native).arg0(&guest).args(words()))?;
        match difference(&ours, &theirs) {
            None => println!("# same output and end as of the Linux build: {}", theirs.status),
            Some(what) => {
                println!("# DIFFERS from the Linux build: {what}");
                differences += 1;
            }
        }
        if options.calls || index + 1 == RUNS.len() {
            println!("\n$ xnurun -c {} {arguments} >/dev/null", guest.display());
            let counted = output(Command::new(&runner).arg("-c").arg(&guest).args(words()))?;
            print!("{}", String::from_utf8_lossy(&counted.stderr));
            if counted.status != theirs.status {
                println!("# DIFFERS from the Linux build: it ends with {}", theirs.status);
                differences += 1;
            }
        }
    }
    println!();
    match differences {
        0 => {
            println!("# all {} runs are the same as of the Linux builds", RUNS.len());
            Ok(())
        }
        _ => Err(format!("{differences} runs differ from the Linux builds").into()),
    }
}

/// A path as it is typed in the project's directory.
fn relative(path: &Path) -> &Path {
    path.strip_prefix(workspace::root()).unwrap_or(path)
}

fn output(command: &mut Command) -> Result<Output> {
    let output = command.current_dir(workspace::root()).stdin(Stdio::null()).output();
    output.map_err(|error| format!("{}: {error}", command.get_program().display()).into())
}

/// What differs between two runs, if anything does.
fn difference(ours: &Output, theirs: &Output) -> Option<String> {
    let mut differences = Vec::new();
    if ours.status != theirs.status {
        differences.push(format!("it ends with {}, not {}", theirs.status, ours.status));
    }
    for (name, ours, theirs) in
        [("output", &ours.stdout, &theirs.stdout), ("messages", &ours.stderr, &theirs.stderr)]
    {
        if ours != theirs {
            differences.push(format!("its {name} would be\n{}", String::from_utf8_lossy(theirs)));
        }
    }
    (!differences.is_empty()).then(|| differences.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str) -> Output {
        output(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn every_difference_is_seen() {
        let same = || run("echo out; echo err >&2; exit 3");
        assert_eq!(difference(&same(), &same()), None);
        for other in [
            "echo out; echo err >&2; exit 4",
            "echo out; echo err >&2; kill -9 $$",
            "echo ouT; echo err >&2; exit 3",
            "echo out; echo erR >&2; exit 3",
            "echo out; exit 3",
        ] {
            assert!(difference(&same(), &run(other)).is_some(), "{other}");
        }
    }
}
