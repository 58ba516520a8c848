//! What the commands need of the machine: looked for, installed if this is Debian and we are root, otherwise named.

use crate::Result;
use std::env;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Something to be there, and the Debian package that brings it.
struct Need {
    what: &'static str,
    package: &'static str,
    /// Succeeds, silently, where it is there.
    probe: &'static [&'static str],
}

// A C compiler and the C library are there: this command was linked with them.
const CPP_COMPILER: Need =
    Need { what: "a C++ compiler, for libFuzzer", package: "g++", probe: &["g++", "--version"] };
const PIP: Need = Need {
    what: "pip, to fetch the programs of the demonstration",
    package: "python3-pip",
    probe: &["python3", "-c", "import pip, zipfile"],
};

/// What is needed to build and test everything.
///
/// # Errors
/// Something is missing and cannot be installed; the message says what to do.
pub(crate) fn everything() -> Result<()> {
    packages(&[CPP_COMPILER, PIP])?;
    components()
}

/// What is needed to fetch packages of the Python index.
///
/// # Errors
/// As of [`everything`].
pub(crate) fn python() -> Result<()> {
    packages(&[PIP])
}

/// What is needed to build a fuzz target.
///
/// # Errors
/// As of [`everything`].
pub(crate) fn fuzzing() -> Result<()> {
    packages(&[CPP_COMPILER])
}

fn succeeds(command: &[&str]) -> bool {
    let [program, arguments @ ..] = command else { return false };
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn packages(needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !succeeds(need.probe)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let whats: Vec<&str> = missing.iter().map(|need| need.what).collect();
    let install = format!("apt-get install -y --no-install-recommends {}", names.join(" "));
    let refusal = |why: &str| format!("missing: {}. {why}; as root: {install}", whats.join("; "));
    if !on_path("apt-get") {
        return Err(refusal("This is no Debian, so install what brings it here. On Debian").into());
    }
    if !is_root() {
        return Err(refusal("Only root can install it").into());
    }

    println!("missing: {}; installing {}", whats.join("; "), names.join(" "));
    let apt = |arguments: &[&str]| {
        let status =
            Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status();
        status.is_ok_and(|status| status.success())
    };
    // Old lists name files that are gone; without a network the packages may be there all the same.
    let updated = apt(&["--quiet", "update"]);
    let mut arguments = vec!["--quiet", "install", "-y", "--no-install-recommends"];
    arguments.extend(&names);
    if !apt(&arguments) {
        let why = if updated { "apt-get could not install it" } else { "apt-get could not fetch its lists" };
        return Err(refusal(why).into());
    }
    match missing.iter().find(|need| !succeeds(need.probe)) {
        None => Ok(()),
        Some(need) => {
            Err(format!("{} is installed, but {} is still missing", need.package, need.what).into())
        }
    }
}

/// The parts of the Rust toolchain that a minimal installation leaves out.
fn components() -> Result<()> {
    for (command, component) in
        [(["cargo", "fmt", "--version"], "rustfmt"), (["cargo", "clippy", "--version"], "clippy")]
    {
        if !succeeds(&command) && !succeeds(&["rustup", "component", "add", component]) {
            return Err(format!("missing: {component}; install it: rustup component add {component}").into());
        }
    }
    Ok(())
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn is_root() -> bool {
    // The owner of our own entry in /proc is our user.
    Path::new("/proc/self").metadata().is_ok_and(|metadata| metadata.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_fail_for_what_is_not_there() {
        assert!(succeeds(&["true"]));
        assert!(!succeeds(&["false"]));
        assert!(!succeeds(&["there-is-no-such-program"]));
        assert!(!succeeds(&["python3", "-c", "import there_is_no_such_module"]));
        assert!(on_path("sh") && !on_path("there-is-no-such-program"));
    }
}
