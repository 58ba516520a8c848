//! `cargo xtask vchroot`: the long runs of the tests of paths below a prefix.

use crate::{Result, workspace};
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many random calls are compared with a process that is really rooted in the prefix
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    cases: u64,
    /// How many paths are opened while another process swaps their components for links to outside
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    opens: u64,
    /// Where the random trees start; another one each time if it is not given
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
}

/// Runs both, says how long each took, and with which seed it can be repeated.
///
/// # Errors
/// The tests cannot be built, or one of them failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let seed = match options.seed {
        Some(seed) => seed,
        None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() * 1_000_000,
    };
    let mut build = tests();
    if !build.arg("--no-run").status()?.success() {
        return Err("the tests of paths do not build".into());
    }
    println!(
        "{} random calls from seed {seed}, against a process that is rooted in the prefix",
        options.cases
    );
    let cases = options.cases.to_string();
    pass("on_linux::random", &[("VCHROOT_CASES", &cases), ("VCHROOT_SEED", &seed.to_string())])?;
    println!("{} opens in each of three races with another process", options.opens);
    pass("race::", &[("VCHROOT_RACES", &options.opens.to_string())])
}

fn tests() -> Command {
    let mut command = workspace::cargo();
    command.args(["test", "--quiet", "--release", "--package", "xnu-tests", "--test", "vchroot"]);
    command
}

fn pass(test: &str, environment: &[(&str, &str)]) -> Result<()> {
    let started = Instant::now();
    let mut command = tests();
    command.envs(environment.iter().copied()).args([test, "--", "--nocapture", "--test-threads=1"]);
    if !command.status()?.success() {
        return Err(format!("the test {test} failed").into());
    }
    println!("passed in {} s", started.elapsed().as_secs());
    Ok(())
}
