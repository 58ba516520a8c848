//! The commands of this project: `cargo xtask help`.

mod bare;
mod bench;
mod capi;
mod coverage;
mod demo;
mod engine;
mod fuzz;
mod guests;
mod linked;
mod real;
mod setup;
mod starts;
mod test;
mod unicode;
mod vchroot;
mod workspace;

use clap::{Parser, Subcommand};
use std::error::Error;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The commands of this project")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Link a program of core, abi and backend-linux without std and alloc, and run it
    Bare(bare::Options),
    /// Measure what the design promises, as ratios
    Bench(bench::Options),
    /// Build the static library that dyld and libsystem_kernel link
    Capi(capi::Options),
    /// Count how much of XNU is served, from the tables
    Coverage(coverage::Options),
    /// Run macOS builds of other people's programs beside their Linux builds
    Demo(demo::Options),
    /// Compare a million operations on ports with a model, and try the engine with threads and schedules at length
    Engine(engine::Options),
    /// Build a fuzz target with the stable toolchain and run it
    Fuzz(fuzz::Options),
    /// Build the programs of tests/guest as Mach-O files; prints the directory they are in
    Guests(guests::Options),
    /// Build the images of tests/linked with the static library in them; prints the directory they are in
    Linked(linked::Options),
    /// Fetch the programs of the demonstration; prints the directory they are in
    Real(real::Options),
    /// Start a guest many times and count the failures
    Starts(starts::Options),
    /// Run everything that must pass
    Test(test::Options),
    /// Compare the core's tables of Unicode with their source, or write them
    Unicode(unicode::Options),
    /// Compare a million paths below a prefix with Linux's own, and open a million while they change
    Vchroot(vchroot::Options),
}

/// The runner's, so that what is measured has it: the C library's until it takes over.
#[global_allocator]
static ALLOCATOR: xnurun::heap::Allocator = xnurun::heap::Allocator;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Bare(options) => bare::run(&options),
        Command::Bench(options) => return bench::run(options),
        Command::Capi(options) => capi::run(&options),
        Command::Coverage(options) => coverage::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::Engine(options) => engine::run(&options),
        Command::Fuzz(options) => fuzz::run(&options).map_err(Into::into),
        Command::Guests(options) => guests::run(&options),
        Command::Linked(options) => linked::run(&options),
        Command::Real(options) => real::run(&options),
        Command::Starts(options) => starts::run(&options),
        Command::Test(options) => match test::run(&options) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        Command::Unicode(options) => unicode::run(&options),
        Command::Vchroot(options) => vchroot::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
