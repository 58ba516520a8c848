//! `cargo xtask engine`: the long runs of the tests of the engine behind `/dev/mach`.

use crate::{Result, workspace};
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many random operations are compared with the model of the rules of rights
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    steps: u64,
    /// How many chosen schedules of each kind the waits are tried in
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    schedules: u64,
    /// How many ports there are at once
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    ports: u64,
    /// How many messages each of eight threads sends
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    messages: u64,
    /// Where the random operations start; elsewhere each time if it is not given
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
}

/// Runs them one after the other, and says how long each took and with which seed it can be repeated.
///
/// # Errors
/// The tests cannot be built, or one of them failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let seed = match options.seed {
        Some(seed) => seed,
        None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() * 1_000_000,
    };
    let Options { steps, schedules, ports, messages, .. } = options;
    println!("{steps} operations from seed {seed}, against the model");
    pass("xnu-lkm", "model", &[("LKM_MODEL_STEPS", *steps), ("LKM_MODEL_SEED", seed)])?;
    println!("{schedules} schedules of each kind");
    pass("xnu-lkm", "schedules", &[("LKM_SCHEDULES", *schedules)])?;
    println!("{ports} ports at once");
    pass("xnu-lkm", "memory", &[("LKM_PORTS", *ports)])?;
    println!("{messages} messages of each of eight threads");
    pass("xnu-backend-linux", "threads", &[("ENGINE_MESSAGES", *messages)])
}

fn pass(package: &str, test: &str, environment: &[(&str, u64)]) -> Result<()> {
    let tests = || {
        let mut command = workspace::cargo();
        command.args(["test", "--quiet", "--release", "--package", package, "--test", test]);
        if package == "xnu-backend-linux" {
            command.args(["--features", "embedded"]);
        }
        command
    };
    if !succeeds(tests().arg("--no-run"))? {
        return Err(format!("the test {test} does not build").into());
    }
    let started = Instant::now();
    let mut command = tests();
    command.envs(environment.iter().map(|(name, value)| (name, value.to_string())));
    if !succeeds(command.args(["--", "--nocapture", "--test-threads=1"]))? {
        return Err(format!("the test {test} failed").into());
    }
    println!("passed in {} s", started.elapsed().as_secs());
    Ok(())
}

fn succeeds(command: &mut Command) -> Result<bool> {
    Ok(command.status()?.success())
}
