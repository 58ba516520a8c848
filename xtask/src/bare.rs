//! `cargo xtask bare`: core, abi and backend-linux need neither std nor an allocator.
//!
//! No bare target has to be installed for that: tests/bare is a program of these crates that links against nothing,
//! and is run. Then the same program is built with what must not be there, which has to fail for that very reason.

use crate::{Result, workspace};
use clap::Args;
use object::read::elf::ElfFile64;
use object::{Object, ObjectSection, ObjectSymbol};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Options of `cargo xtask bare`.
#[derive(Args)]
pub(crate) struct Options {
    /// Fail if the program can reach a panic; without it they are only counted
    #[arg(long)]
    no_panic: bool,
}

/// Features of tests/bare that must not build, and the words of the compiler that say why.
const MUST_FAIL: [(&str, &str); 2] =
    [("alloc", "no global memory allocator found"), ("std", "found duplicate lang item `panic_impl`")];

/// Links with nothing but what the crates bring; the addresses are fixed, as nothing would relocate them.
const LINK: [&str; 10] = [
    "-C",
    "relocation-model=static",
    "-C",
    "link-arg=-nostartfiles",
    "-C",
    "link-arg=-nostdlib",
    "-C",
    "link-arg=-static",
    "-C",
    "link-arg=-Wl,--gc-sections",
];

/// Builds and runs the program, and shows that the proof can fail.
///
/// # Errors
/// Something below the program needs std or an allocator, the program fails, or a forbidden feature builds.
pub(crate) fn run(options: &Options) -> Result<()> {
    let built = build(None)?;
    if !built.status.success() {
        return Err(
            format!("the bare program does not build:\n{}", String::from_utf8_lossy(&built.stderr)).into()
        );
    }
    let status = Command::new(program()).status()?;
    if !status.success() {
        return Err(format!("the bare program was to exit with 0: {status}").into());
    }
    println!("linked against nothing; getpid through the table agrees with Linux");
    let panics = panics()?;
    for probe in PROBES {
        let before = bytes_before_syscall(probe)?;
        println!("{probe}: {before} bytes of code before the one syscall instruction");
        if before > SETUP_BYTES {
            return Err(format!("{probe}: the wrapper of the call does not compile away").into());
        }
    }

    for (feature, reason) in MUST_FAIL {
        let output = build(Some(feature))?;
        let errors = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            return Err(format!("the bare program builds with {feature}: it proves nothing").into());
        }
        if !errors.contains(reason) {
            return Err(format!("with {feature} the build fails, but not for {reason:?}:\n{errors}").into());
        }
        println!("with {feature}: {reason}");
    }

    let built = build(Some("panic"))?;
    if !built.status.success() || self::panics()?.is_empty() {
        return Err("a panic that is there is not found: the count of panics proves nothing".into());
    }
    println!("functions of core::panicking that are reachable: {}", panics.len());
    for panic in &panics {
        println!("  {panic}");
    }
    if options.no_panic && !panics.is_empty() {
        return Err("the bare program can panic".into());
    }
    Ok(())
}

/// Functions of tests/bare that are a typed wrapper of a Linux call and nothing else.
const PROBES: [&str; 3] = ["probe_getpid", "probe_read", "probe_readlinkat"];

/// What it takes to load the number and to widen or move a few arguments.
const SETUP_BYTES: usize = 16;

/// How long the code of a function is up to its only `syscall`.
fn bytes_before_syscall(function: &str) -> Result<usize> {
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    let bytes = fs::read(program())?;
    let file: ElfFile64<'_> = ElfFile64::parse(bytes.as_slice())?;
    let symbol = file.symbols().find(|symbol| symbol.name() == Ok(function));
    let symbol = symbol.ok_or_else(|| format!("the bare program has no {function}"))?;
    let text = file.section_by_name(".text").ok_or("the bare program has no text")?;
    let start =
        symbol.address().checked_sub(text.address()).ok_or("the function is not in the text")? as usize;
    let code = text.data()?.get(start..start + symbol.size() as usize).ok_or("the function is cut off")?;
    let calls: Vec<usize> =
        code.windows(2).enumerate().filter(|(_, at)| *at == SYSCALL).map(|(at, _)| at).collect();
    match calls.as_slice() {
        [only] => Ok(*only),
        other => Err(format!("{function} has {} syscall instructions, not one", other.len()).into()),
    }
}

fn target() -> PathBuf {
    workspace::target().join("bare")
}

fn program() -> PathBuf {
    target().join(workspace::TARGET).join("release/xnu-bare")
}

fn build(feature: Option<&str>) -> Result<Output> {
    let mut cargo = workspace::cargo();
    cargo.args(["rustc", "--quiet", "--release", "--locked", "--target", workspace::TARGET]);
    cargo.arg("--manifest-path").arg(workspace::root().join("tests/bare/Cargo.toml"));
    cargo.arg("--target-dir").arg(target());
    cargo.args(feature.map(|feature| format!("--features={feature}")));
    Ok(cargo.arg("--").args(LINK).output()?)
}

/// The symbols of the program that lead to a panic; the linker has dropped what cannot be reached.
fn panics() -> Result<Vec<String>> {
    let bytes = fs::read(program())?;
    let file: ElfFile64<'_> = ElfFile64::parse(bytes.as_slice())?;
    let names: Vec<&str> = file.symbols().filter_map(|symbol| symbol.name().ok()).collect();
    if names.len() < 10 {
        return Err("the bare program has no symbols to look at".into());
    }
    let is_panic = |name: &&&str| name.contains("panicking") || name.contains("rust_begin_unwind");
    Ok(names.iter().filter(is_panic).map(ToString::to_string).collect())
}
