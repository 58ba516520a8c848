//! `cargo xtask starts`: starts a guest many times under address randomisation and says how often that failed.

use crate::{Result, guests, workspace};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many starts
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
}

/// Prints the count, the failures and the median time. The time is from fork to the guest's end.
///
/// # Errors
/// The runner or the guest cannot be built, or a start failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let runner = workspace::runner()?;
    let guest = guests::build(&["start"])?.join("start");
    let mut times = Vec::new();
    let mut failures = 0u32;
    for start in 1..=options.count {
        let started = Instant::now();
        let output = Command::new(&runner).arg(&guest).stdin(Stdio::null()).output()?;
        times.push(started.elapsed());
        if !output.status.success() || !output.stderr.is_empty() {
            failures += 1;
            let said = String::from_utf8_lossy(&output.stderr);
            eprintln!("start {start}: {}: {}", output.status, said.trim_end());
        }
    }
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or(Duration::ZERO);
    println!("{} starts, {failures} failures, median {} µs", options.count, median.as_micros());
    if failures == 0 { Ok(()) } else { Err(format!("{failures} of {} starts failed", options.count).into()) }
}
