//! Links a Mach-O library as a dylib, with LLVM's linker.

use super::archive::{Symbols, symbols};
use super::build::Target;
use crate::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// LLVM's linker for Mach-O: Rust's own, or the system's.
pub(crate) fn linker() -> Option<PathBuf> {
    const RUSTS: &str = "lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld/ld64.lld";
    let rusts = super::build::sysroot().map(|sysroot| Path::new(&sysroot).join(RUSTS));
    // Debian's package gives the plain name to no program but this one's.
    let candidates = rusts.into_iter().chain(["ld64.lld", "ld64.lld-14"].map(PathBuf::from));
    candidates.into_iter().find(|linker| {
        Command::new(linker).arg("--version").output().is_ok_and(|output| output.status.success())
    })
}

/// Links all of a library, with `others` that use it, and drops what nothing exported needs. Answers the symbols of the
/// image.
///
/// # Errors
/// There is no linker, or it fails.
pub(crate) fn link(library: &Path, others: &[PathBuf], image: &str, target: Target) -> Result<Symbols> {
    let linker =
        linker().ok_or("no linker for Mach-O: Rust's rust-lld, or on Debian: apt-get install lld")?;
    let image = library.with_file_name(image);
    let mut command = Command::new(linker);
    command.args(["-arch", target.macho_arch(), "-platform_version", "macos", "11.0", "11.0"]);
    // Whoever links the library brings the functions that it wants; this image wants them of others.
    command.args(["-dylib", "-dead_strip", "-undefined", "dynamic_lookup", "-o"]).arg(&image);
    command.args(others).arg("-force_load").arg(library);
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    symbols(&fs::read(image)?)
}
