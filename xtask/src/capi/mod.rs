//! `cargo xtask capi`: the static library of `capi`, for every object format and processor that it is made for.

mod archive;
mod build;
mod macho;

use crate::Result;
use archive::Archive;
pub(crate) use build::{DEBIAN_PACKAGES, RUSTUP, Target, Variant, build as library, has_toolchains};
pub(crate) use macho::linker as macho_linker;

use clap::Args;
use std::path::{Path, PathBuf};

/// Options of `cargo xtask capi`.
#[derive(Args)]
pub(crate) struct Options {
    /// Build for these targets only
    #[arg(long = "target", value_enum)]
    targets: Vec<Target>,
    /// Build these variants only
    #[arg(long = "variant", value_enum)]
    variants: Vec<Variant>,
}

/// Builds what is older than its sources; prints each library and the size of its code.
///
/// # Errors
/// A toolchain is missing, or something does not build.
pub(crate) fn run(options: &Options) -> Result<()> {
    for &variant in chosen(&options.variants) {
        for &target in chosen(&options.targets) {
            let path = build::build(target, variant)?;
            let archive = Archive::read(&path, build::CRATE)?;
            println!("{}: {} bytes of text", shown(&path).display(), archive.text_bytes()?);
        }
    }
    Ok(())
}

/// All of them if none is named.
fn chosen<T: clap::ValueEnum>(named: &[T]) -> &[T] {
    if named.is_empty() { T::value_variants() } else { named }
}

/// A path as a reader in the project's directory would write it.
fn shown(path: &Path) -> PathBuf {
    path.strip_prefix(crate::workspace::root()).unwrap_or(path).to_path_buf()
}
