//! Fuzzing with libFuzzer on the stable toolchain.
//!
//! What `cargo fuzz` does, without its nightly compiler: the coverage instrumentation is an LLVM pass that stable
//! rustc can run, only the address sanitizer is not. Safe Rust with checks on finds its bugs as panics anyway.

use clap::Args;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Coverage counters, edges and comparisons for libFuzzer, and as few merged branches as possible.
const RUST_FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "--cfg=fuzzing",
];

/// Options of `cargo xtask fuzz`.
#[derive(Args)]
pub(crate) struct Options {
    /// A file in fuzz/targets, without its extension
    target: String,
    /// Stop after this many executions
    #[arg(long, value_name = "N")]
    runs: Option<u64>,
    /// Stop after this many seconds
    #[arg(long, value_name = "S")]
    seconds: Option<u64>,
    /// More arguments for libFuzzer, or input files to run once
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

/// Builds the target and runs it on its corpus (fuzz/corpus, kept between runs) and its seeds (fuzz/seeds).
///
/// # Errors
/// It cannot be built or started, or it found a failing input, which is then in fuzz/artifacts.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the project's folder is missing")?;
    let fuzz = root.join("fuzz");
    let name = options.target.as_str();
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        || !fuzz.join("targets").join(name).with_extension("rs").is_file()
    {
        return Err(format!("there is no target {name:?}: the targets are {}", targets(&fuzz).join(", ")));
    }

    crate::setup::fuzzing().map_err(|error| error.to_string())?;
    let manifest = fuzz.join("Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = Command::new(cargo)
        .args(["build", "--release", "--target", TARGET, "--bin", name, "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(fuzz.join("target"))
        // Replaces the flags of .cargo/config.toml: libFuzzer needs the dynamic C++ library.
        .env("CARGO_ENCODED_RUSTFLAGS", RUST_FLAGS.join("\x1f"))
        .status();
    match build {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(format!("the build of {name} failed: {status}")),
        Err(error) => return Err(format!("cargo does not start: {error}")),
    }

    let corpus = folder(fuzz.join("corpus").join(name))?;
    let artifacts = folder(fuzz.join("artifacts").join(name))?;
    let mut fuzzer = Command::new(fuzz.join("target").join(TARGET).join("release").join(name));
    fuzzer.arg(format!("-artifact_prefix={}/", artifacts.display())).arg("-print_final_stats=1");
    fuzzer.args(options.runs.map(|runs| format!("-runs={runs}")));
    fuzzer.args(options.seconds.map(|seconds| format!("-max_total_time={seconds}")));
    fuzzer.args(&options.arguments);
    // Given files, libFuzzer runs those and nothing else.
    if !options.arguments.iter().any(|argument| Path::new(argument).is_file()) {
        fuzzer.arg(corpus).arg(fuzz.join("seeds").join(name));
    }
    match fuzzer.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            Err(format!("{name} stopped with {status}: a failing input is in fuzz/artifacts/{name}"))
        }
        Err(error) => Err(format!("{name} does not start: {error}")),
    }
}

fn folder(path: PathBuf) -> Result<PathBuf, String> {
    match fs::create_dir_all(&path) {
        Ok(()) => Ok(path),
        Err(error) => Err(format!("cannot create {}: {error}", path.display())),
    }
}

fn targets(fuzz: &Path) -> Vec<String> {
    let files = fs::read_dir(fuzz.join("targets")).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        files.filter_map(|file| Some(file.path().file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    names
}
