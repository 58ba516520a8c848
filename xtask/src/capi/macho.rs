//! Links the Mach-O libraries as a dylib, with LLVM's linker.

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
