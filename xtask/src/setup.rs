//! What the commands need of the machine: looked for, installed if this is Debian and we are root, otherwise named.

use crate::{Result, capi};
use std::env;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Something to be there, and the Debian packages that bring it.
struct Need {
    what: &'static str,
    packages: &'static [&'static str],
    /// Whether it is there.
    probe: fn() -> bool,
    /// Another way to get it, where there is one.
    otherwise: Option<&'static str>,
}

const fn need(what: &'static str, packages: &'static [&'static str], probe: fn() -> bool) -> Need {
    Need { what, packages, probe, otherwise: None }
}

// A C compiler and the C library are there: this command was linked with them.
const CPP_COMPILER: Need =
    need("a C++ compiler, for libFuzzer", &["g++"], || succeeds(&["g++", "--version"]));
const PIP: Need = need("pip, to fetch the programs of the demonstration", &["python3-pip"], || {
    succeeds(&["python3", "-c", "import pip, zipfile"])
});
const TARGETS: Need = Need {
    otherwise: Some(capi::RUSTUP),
    ..need("Rust for Mach-O and arm64", capi::DEBIAN_PACKAGES, capi::has_toolchains)
};
const MACHO_LINKER: Need = need("a linker for Mach-O", &["lld"], || capi::macho_linker().is_some());
const MACHO_COMPILER: Need =
    need("a C compiler for Mach-O", &["clang"], || succeeds(&["clang", "--version"]));
const ARM64_COMPILER: Need =
    need("a C compiler for arm64", &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"], || {
        succeeds(&["aarch64-linux-gnu-gcc", "-E", "-x", "c", "-include", "stdio.h", "/dev/null"])
    });
const ARM64_EMULATOR: Need =
    need("an emulator of arm64", &["qemu-user"], || succeeds(&["qemu-aarch64", "--version"]));
const VALGRIND: Need = need("valgrind", &["valgrind"], || succeeds(&["valgrind", "--version"]));

/// What is needed to build and test everything.
///
/// # Errors
/// Something is missing and cannot be installed; the message says what to do.
pub(crate) fn everything() -> Result<()> {
    packages(&[
        CPP_COMPILER,
        PIP,
        TARGETS,
        MACHO_LINKER,
        MACHO_COMPILER,
        ARM64_COMPILER,
        ARM64_EMULATOR,
        VALGRIND,
    ])?;
    components()
}

/// What is needed to build Mach-O images with the library in them, and the loader of those for arm64.
///
/// # Errors
/// As of [`everything`].
pub(crate) fn linking() -> Result<()> {
    packages(&[TARGETS, MACHO_LINKER, MACHO_COMPILER, ARM64_COMPILER])
}

/// What is needed to build the C interface for every target, and to check it.
///
/// # Errors
/// As of [`everything`].
pub(crate) fn c_interface() -> Result<()> {
    packages(&[CPP_COMPILER, TARGETS, MACHO_LINKER, ARM64_COMPILER, ARM64_EMULATOR])
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
    let missing: Vec<&Need> = needs.iter().filter(|need| !(need.probe)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    let whats: Vec<&str> = missing.iter().map(|need| need.what).collect();
    let install = format!("apt-get install -y --no-install-recommends {}", names.join(" "));
    let others: String =
        missing.iter().filter_map(|need| need.otherwise).map(|other| format!("; or {other}")).collect();
    let refusal = |why: &str| format!("missing: {}. {why}; as root: {install}{others}", whats.join("; "));
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
    match missing.iter().find(|need| !(need.probe)()) {
        None => Ok(()),
        Some(need) => {
            let packages = need.packages.join(" ");
            Err(format!("installed: {packages}; but {} is still missing", need.what).into())
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
