//! `cargo xtask capi`: the static library of `capi`, for every object format and processor that it is made for.
//!
//! [`build`] makes it; the rest says what must be true of it: its [`symbols`], in the library and in what is linked of it
//! ([`macho`]), the [`numbers`] of the Linux calls that it makes, how much [`stack`] it takes;
//! and that the [`header`] and [`wrappers`] fit it.

mod archive;
mod build;
mod code;
mod header;
mod macho;
mod numbers;
mod stack;
mod symbols;
#[cfg(test)]
mod tests;
mod wrappers;

use crate::{Result, setup, workspace};
use archive::Archive;
pub(crate) use build::{DEBIAN_PACKAGES, RUSTUP, Target, Variant, build as library, has_toolchains};
use clap::{Args, ValueEnum};
pub(crate) use macho::linker as macho_linker;
use std::path::PathBuf;
use symbols::List;

/// Options of `cargo xtask capi`.
#[derive(Args)]
pub(crate) struct Options {
    /// Build for these targets only
    #[arg(long = "target", value_enum)]
    targets: Vec<Target>,
    /// Build these variants only
    #[arg(long = "variant", value_enum)]
    variants: Vec<Variant>,
    /// Check what the library must be; fail if it is not
    #[arg(long)]
    check: bool,
    /// Make include/xnu_emu.h anew, and nothing else
    #[arg(long, conflicts_with = "check")]
    write_header: bool,
}

/// The most code that the library may bring into a process.
const MAX_TEXT_BYTES: u64 = 512 << 10;

/// Builds what is older than its sources; prints each library and the size of its code.
///
/// # Errors
/// A toolchain is missing, something does not build, or a check fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.write_header {
        return header::write();
    }
    if options.check {
        setup::c_interface()?;
    }
    let list = List::read()?;
    let mut problems = Vec::new();
    for &variant in chosen(&options.variants) {
        for &target in chosen(&options.targets) {
            let path = build::build(target, variant)?;
            let archive = Archive::read(&path, build::CRATE)?;
            let shown = path.strip_prefix(workspace::root()).unwrap_or(&path).display().to_string();
            println!("{shown}: {} bytes of text", archive.text_bytes()?);
            if options.check {
                let library = Library { path, archive, target, variant };
                let found = library.check(&list)?;
                problems.extend(found.iter().map(|problem| format!("{shown}: {problem}")));
            }
        }
    }
    if options.check {
        problems.extend(header::problems(&list)?);
    }
    for problem in &problems {
        println!("{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        count => Err(format!("{count} problems with the C interface").into()),
    }
}

/// All of them if none is named.
fn chosen<T: ValueEnum>(named: &[T]) -> &[T] {
    if named.is_empty() { T::value_variants() } else { named }
}

/// One library that was built.
struct Library {
    path: PathBuf,
    archive: Archive,
    target: Target,
    variant: Variant,
}

impl Library {
    /// Prints what it is, and answers what is wrong with it.
    fn check(&self, list: &List) -> Result<Vec<String>> {
        let symbols = &self.archive.symbols;
        let undefined: Vec<&str> = symbols.undefined.iter().map(String::as_str).collect();
        println!("  exports {} symbols, wants {}", symbols.exported.len(), undefined.join(" "));
        let mut problems = list.problems(symbols, self.target.is_elf());
        let text_bytes = self.archive.text_bytes()?;
        if text_bytes > MAX_TEXT_BYTES {
            problems.push(format!("{text_bytes} bytes of text are more than {MAX_TEXT_BYTES}"));
        }
        problems.extend(if self.target.is_elf() { self.check_elf(list)? } else { self.check_macho(list)? });
        Ok(problems)
    }

    fn check_elf(&self, list: &List) -> Result<Vec<String>> {
        let graph = stack::Graph::read(&self.archive, list)?;
        let (paths, mut problems) = graph.deepest(list)?;
        println!("  bytes of stack below each function, and its deepest path:");
        paths.iter().for_each(|path| println!("  {path}"));
        let (callers, callees) = graph.pointers();
        println!("  call through a pointer: {}", callers.join(", "));
        println!("  which may lead to what the loader has given, and to: {}", callees.join(", "));
        problems.extend(wrappers::run(&self.path, self.target)?);
        Ok(problems)
    }

    fn check_macho(&self, list: &List) -> Result<Vec<String>> {
        let image = macho::link(&self.path, &[], "linked.dylib", self.target)?;
        println!("  linked as a dylib, exports {} symbols", image.exported.len());
        let linked = list.problems(&image, false).into_iter();
        let mut problems: Vec<String> = linked.map(|problem| format!("linked: {problem}")).collect();

        let folder = self.path.parent().ok_or("a library has a folder")?;
        let wrappers = wrappers::assemble(folder, self.target)?;
        let image = macho::link(&self.path, &[wrappers], "wrappers.dylib", self.target)?;
        // The function that wrappers call on an error is the C library's.
        let unknown =
            image.undefined.iter().filter(|name| name.starts_with("__darling") || name.contains("xnu_emu"));
        problems.extend(unknown.map(|name| format!("wrappers call {name}, which is not there")));

        let elf = build::build(self.target.elf(), self.variant)?;
        let elf = numbers::numbers(&Archive::read(&elf, build::CRATE)?)?;
        let ours = numbers::numbers(&self.archive)?;
        println!("  makes {} different Linux calls, in {} places", ours.known.len(), ours.sites);
        problems.extend(ours.problems(&elf));
        Ok(problems)
    }
}
