//! The commands of this project: `cargo xtask help`.

mod fuzz;

use clap::Parser;
use std::process::ExitCode;

/// The commands of this project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Build a fuzz target with the stable toolchain and run it
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Fuzz(options) => fuzz::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
