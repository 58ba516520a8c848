//! Where things are.

use crate::Result;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target that .cargo/config.toml names.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The project's directory.
pub(crate) fn root() -> PathBuf {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&manifest).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The directory for everything that is built or fetched.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// cargo, to be run in the project's directory.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// `xnurun` as it is released, built if need be; `$XNURUN` names another.
///
/// # Errors
/// It cannot be built.
pub(crate) fn runner() -> Result<PathBuf> {
    if let Some(runner) = env::var_os("XNURUN") {
        return Ok(runner.into());
    }
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "--package", "xnurun", "--bin", "xnurun"]);
    let status = build.status()?;
    if !status.success() {
        return Err(format!("{build:?}: {status}").into());
    }
    Ok(target().join(TARGET).join("release/xnurun"))
}
