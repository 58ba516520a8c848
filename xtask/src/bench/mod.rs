//! `cargo xtask bench`: ratios of what we do over what we are measured against.
//!
//! Both sides of a row run in one process, in turns of a few milliseconds, so that whatever else the machine does
//! meets them alike. Only ratios are shown: they carry over to another machine, times do not.
//!
//! Rows live in [`rows`], one file per subject. [`measure`] runs them, [`report`] prints them.

mod clock;
mod measure;
mod report;
mod rows;

use measure::{Measurement, Row};
use std::io::{IsTerminal, Write, stderr};
use std::process::{Command, ExitCode};

/// How often a row that missed its goal is measured again. The report shows every run.
const RERUNS: usize = 3;

/// Measure what the design promises, as ratios.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The rows to measure, by the start of their name; all if none is given
    #[arg(value_name = "ROW")]
    names: Vec<String>,
    /// Fail if a row misses its goal or cannot be measured
    #[arg(long)]
    check: bool,
    /// Only list the rows
    #[arg(long)]
    list: bool,
}

/// What became of a row.
pub(crate) struct Outcome {
    row: &'static Row,
    /// Every run, in order: more than one if the earlier ones missed the goal.
    runs: Vec<Measurement>,
    /// Linux calls each time, ours and theirs, where they were counted.
    calls: [Option<u64>; 2],
    /// Why there are no more runs, if a side could not be run.
    error: Option<String>,
}

impl Outcome {
    fn met(&self) -> bool {
        self.error.is_none() && self.runs.last().is_some_and(|last| last.median <= self.row.goal)
    }
}

/// Runs the command.
pub(crate) fn run(options: Options) -> ExitCode {
    let all: Vec<&'static Row> = rows::ALL.iter().copied().flatten().collect();
    if let Some(name) = options.names.iter().find(|name| !all.iter().any(|row| row.name.starts_with(*name))) {
        eprintln!("error: no row is called '{name}'; 'cargo xtask bench --list' lists them");
        return ExitCode::from(2);
    }
    let wanted = |row: &&Row| {
        options.names.is_empty() || options.names.iter().any(|name| row.name.starts_with(name.as_str()))
    };
    let chosen: Vec<&'static Row> = all.into_iter().filter(wanted).collect();
    if options.list {
        print!("{}", report::list(&chosen));
        return ExitCode::SUCCESS;
    }
    if cfg!(debug_assertions) {
        return again_with_optimisation();
    }
    let outcomes: Vec<Outcome> = chosen.into_iter().map(measure_row).collect();
    print!("{}", report::table(&outcomes));
    if options.check && !outcomes.iter().all(Outcome::met) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Measures a row, and again if it misses.
fn measure_row(row: &'static Row) -> Outcome {
    let mut outcome = Outcome { row, runs: Vec::new(), calls: [None; 2], error: None };
    for run in 0..=RERUNS {
        progress(row.name, run);
        let sides = (row.sides)().inspect(|(ours, theirs)| outcome.calls = [ours.calls(), theirs.calls()]);
        match sides.and_then(measure::measure) {
            Ok(measurement) => outcome.runs.push(measurement),
            Err(error) => outcome.error = Some(error),
        }
        if outcome.met() || outcome.error.is_some() {
            break;
        }
    }
    if stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
    outcome
}

fn progress(name: &str, run: usize) {
    if stderr().is_terminal() {
        let again = if run > 0 { format!(" (again, {run} of {RERUNS})") } else { String::new() };
        eprint!("\r\x1b[Kmeasuring {name}{again} …");
        let _ = stderr().flush();
    }
}

/// `cargo xtask` builds for quick starts; figures need the code that ships. Runs the same command line again, built
/// so.
fn again_with_optimisation() -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut command = Command::new(cargo);
    // From inside the workspace, for its .cargo/config.toml holds the target and the static libc.
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["run", "--release", "--quiet", "--manifest-path", manifest, "--"]);
    command.args(std::env::args_os().skip(1));
    match command.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: cannot run cargo: {error}");
            ExitCode::FAILURE
        }
    }
}
