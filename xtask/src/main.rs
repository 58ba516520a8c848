//! The commands of this project: `cargo xtask help`.

mod bench;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The commands of this project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct CommandLine {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measure what the design promises, as ratios.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    match CommandLine::parse().task {
        Task::Bench(options) => bench::run(options),
    }
}
