//! Builds the library with a toolchain that has `core` for the target, or its source.

use crate::{Result, workspace};
use clap::ValueEnum;
use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the library is built for. Whatever the object format, it runs on Linux.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Target {
    #[value(name = "x86_64-unknown-linux-gnu")]
    X86_64Elf,
    #[value(name = "x86_64-apple-darwin")]
    X86_64MachO,
    #[value(name = "aarch64-apple-darwin")]
    Aarch64MachO,
    #[value(name = "aarch64-unknown-linux-gnu")]
    Aarch64Elf,
}

impl Target {
    /// The compiler's name of it.
    pub(crate) fn triple(self) -> &'static str {
        match self {
            Target::X86_64Elf => "x86_64-unknown-linux-gnu",
            Target::X86_64MachO => "x86_64-apple-darwin",
            Target::Aarch64MachO => "aarch64-apple-darwin",
            Target::Aarch64Elf => "aarch64-unknown-linux-gnu",
        }
    }

    /// The Mach-O linker's name of the processor.
    pub(crate) fn macho_arch(self) -> &'static str {
        match self {
            Target::X86_64Elf | Target::X86_64MachO => "x86_64",
            Target::Aarch64MachO | Target::Aarch64Elf => "arm64",
        }
    }

    /// The target of the same processor whose object files are ELF's.
    pub(crate) fn elf(self) -> Target {
        match self {
            Target::X86_64Elf | Target::X86_64MachO => Target::X86_64Elf,
            Target::Aarch64MachO | Target::Aarch64Elf => Target::Aarch64Elf,
        }
    }

    pub(crate) fn is_elf(self) -> bool {
        matches!(self, Target::X86_64Elf | Target::Aarch64Elf)
    }
}

/// Which of the two copies in a process it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Variant {
    #[value(name = "dyld")]
    Dyld,
    #[value(name = "libsystem_kernel")]
    LibsystemKernel,
}

impl Variant {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Variant::Dyld => "dyld",
            Variant::LibsystemKernel => "libsystem_kernel",
        }
    }

    fn features(self) -> &'static str {
        match self {
            Variant::Dyld => "archive,dyld",
            Variant::LibsystemKernel => "archive",
        }
    }
}

/// The crate of the library, which its own object files are named after.
pub(crate) const CRATE: &str = "xnu_capi";

/// A compiler for a target.
enum Toolchain {
    /// The project's own has the target installed.
    Own,
    /// Debian's has the source of `core` for any target.
    Debian,
}

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

impl Toolchain {
    fn find(target: Target) -> Option<Toolchain> {
        if own_libraries(target).is_some_and(|folder| has_core(&folder)) {
            return Some(Toolchain::Own);
        }
        let sysroot = print(&DEBIAN_RUSTC.into(), &["--print", "sysroot"])?;
        let source = Path::new(&sysroot).join("lib/rustlib/src/rust/library/core/Cargo.toml");
        (source.is_file() && Path::new(DEBIAN_CARGO).is_file()).then_some(Toolchain::Debian)
    }

    /// cargo, and what it is told besides what is built.
    fn cargo(&self) -> Command {
        match self {
            // Frame sizes are an unstable option, harmless to what is built; only our last crate may use it.
            Toolchain::Own => {
                let mut cargo = workspace::cargo();
                cargo.env("RUSTC_BOOTSTRAP", CRATE);
                cargo
            }
            Toolchain::Debian => {
                let mut cargo = Command::new(DEBIAN_CARGO);
                cargo.current_dir(workspace::root()).env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                // Of the cargo that runs this program; another cargo finds its own.
                for variable in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER"] {
                    cargo.env_remove(variable);
                }
                cargo
            }
        }
    }

    fn arguments(&self) -> &'static [&'static str] {
        match self {
            Toolchain::Own => &[],
            Toolchain::Debian => &["-Zbuild-std=core,compiler_builtins"],
        }
    }
}

/// Whether the library can be built for every target.
pub(crate) fn has_toolchains() -> bool {
    Target::value_variants().iter().all(|target| Toolchain::find(*target).is_some())
}

/// Builds the library if it is older than its sources; answers where it is.
///
/// # Errors
/// No toolchain builds for the target, or it fails; the message says what to do.
pub(crate) fn build(target: Target, variant: Variant) -> Result<PathBuf> {
    let toolchain = Toolchain::find(target).ok_or_else(|| missing(target))?;
    let output = workspace::target().join("capi");
    let scratch = output.join("build");
    let output = output.join(variant.name()).join(target.triple()).join("libxnu_emu.a");
    fs::create_dir_all(&scratch)?;
    // Both variants are one file to cargo, until it is put in its place.
    let lock = File::create(scratch.join("lock"))?;
    lock.lock()?;

    let mut cargo = toolchain.cargo();
    cargo.args(["rustc", "--quiet", "--release", "--locked", "--package", "xnu-capi"]);
    // Smaller than with 3: the library comes into every process, and what has to be fast says itself that it is inlined.
    cargo.args(["--config", "profile.release.opt-level=2"]);
    cargo.args(["--crate-type", "staticlib", "--features", variant.features()]);
    cargo.args(["--target", target.triple()]).arg("--target-dir").arg(&scratch);
    cargo.args(toolchain.arguments());
    // Less is inlined than by default: smaller still, and no frame has the room of many.
    cargo.args(["--", "-Cllvm-args=-inline-threshold=125"]);
    if target.is_elf() {
        // A section that no linker loads: how much stack each function takes.
        cargo.arg("-Zemit-stack-sizes");
    }
    let status = cargo.status()?;
    if !status.success() {
        return Err(format!("the library does not build for {}: {cargo:?}: {status}", target.triple()).into());
    }
    put(&scratch.join(target.triple()).join("release/libxnu_capi.a"), &output)?;
    Ok(output)
}

/// Copies a file if it differs, so that what depends on its time is not made again for nothing.
fn put(built: &Path, output: &Path) -> Result<()> {
    let bytes = fs::read(built).map_err(|error| format!("{}: {error}", built.display()))?;
    if fs::read(output).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let folder = output.parent().ok_or("a library has a folder")?;
    fs::create_dir_all(folder)?;
    // Renamed into place: nobody reads half a library.
    let fresh = folder.join("fresh");
    fs::write(&fresh, bytes)?;
    Ok(fs::rename(fresh, output)?)
}

/// What brings a compiler for every target on Debian.
pub(crate) const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "cargo-web", "rust-web-src"];

/// What brings it where rustup is.
pub(crate) const RUSTUP: &str =
    "rustup target add x86_64-apple-darwin aarch64-apple-darwin aarch64-unknown-linux-gnu";

fn missing(target: Target) -> String {
    let packages = DEBIAN_PACKAGES.join(" ");
    format!(
        "no compiler for {}: {RUSTUP}; or on Debian, as root: apt-get install {packages}",
        target.triple()
    )
}

/// The project's own compiler.
pub(crate) fn own_rustc() -> OsString {
    env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// Where the project's own Rust is.
pub(crate) fn sysroot() -> Option<String> {
    print(&own_rustc(), &["--print", "sysroot"])
}

fn own_libraries(target: Target) -> Option<PathBuf> {
    print(&own_rustc(), &["--print", "target-libdir", "--target", target.triple()]).map(PathBuf::from)
}

fn has_core(folder: &Path) -> bool {
    let is_core = |name: OsString| name.to_string_lossy().starts_with("libcore-");
    fs::read_dir(folder)
        .is_ok_and(|mut files| files.any(|file| file.is_ok_and(|file| is_core(file.file_name()))))
}

/// The one line that a program prints, if it succeeds.
fn print(program: &OsString, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(workspace::root()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}
