//! `cargo xtask linked`: builds tests/linked as the images that the static library is for: a dynamic linker, a library such
//! as libsystem_kernel, and a program, for x86-64 and arm64. No macOS tool takes part: clang compiles, LLVM's linker
//! links, and [`dylinker`] makes the dynamic linker of a dylib.
mod dylinker;

use crate::capi::{Target, Variant};
use crate::{Result, capi, setup, workspace};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(clap::Args)]
pub(crate) struct Options {}

/// The processors, as Mach-O names them, and the targets of their archives.
const ARCHITECTURES: [(&str, Target); 2] = [("x86_64", Target::X86_64MachO), ("arm64", Target::Aarch64MachO)];

/// Builds what is older than its sources, and prints the directory that holds a directory for each processor.
///
/// # Errors
/// A tool is missing, or something does not build.
pub(crate) fn run(_: &Options) -> Result<()> {
    println!("{}", build()?.display());
    Ok(())
}

fn build() -> Result<PathBuf> {
    setup::linking()?;
    let output = workspace::target().join("linked");
    fs::create_dir_all(&output)?;
    // Test programs that run at once all ask for the images.
    let lock = File::create(output.join("lock"))?;
    lock.lock()?;
    for (architecture, target) in ARCHITECTURES {
        let folder = output.join(architecture);
        fs::create_dir_all(&folder)?;
        let images = Images { architecture, folder };
        images.build(target).map_err(|error| format!("{architecture}: {error}"))?;
    }
    Ok(output)
}

/// The images for one processor.
struct Images {
    architecture: &'static str,
    folder: PathBuf,
}

const SOURCES: [&str; 6] = ["dyld.c", "image.c", "kernel.c", "memory.c", "program.c", "wrappers.S"];
const LIBRARY: &str = "libsystem_kernel.dylib";

impl Images {
    fn build(&self, target: Target) -> Result<()> {
        for source in SOURCES {
            self.compile(source)?;
        }
        let dyld = capi::library(target, Variant::Dyld)?;
        let kernel = capi::library(target, Variant::LibsystemKernel)?;
        self.link(
            LIBRARY,
            &["kernel.o", "wrappers.o", "memory.o"],
            Some(&kernel),
            &[
                "-dylib",
                "-install_name",
                "libsystem_kernel.dylib",
                "-exported_symbol",
                "_libsystem_kernel_init",
            ],
        )?;
        self.link(
            "dyld.dylib",
            &["dyld.o", "image.o", "wrappers.o", "memory.o"],
            Some(&dyld),
            &["-dylib", "-headerpad", "0x400", "-exported_symbol", "_start"],
        )?;
        let linker = dylinker::from_dylib(&fs::read(self.folder.join("dyld.dylib"))?, "_start")?;
        write(&self.folder.join("dyld"), &linker)?;
        self.link("program", &["program.o", LIBRARY], None, &["-e", "_main"])?;
        match self.architecture {
            // xnurun is the loader.
            "x86_64" => Ok(()),
            _ => self.loader("aarch64-linux-gnu-gcc"),
        }
    }

    /// The Linux program that loads the images where xnurun cannot.
    fn loader(&self, compiler: &str) -> Result<()> {
        let source = workspace::root().join("tests/linked/load.c");
        let options = ["-static", "-O1", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o"];
        succeed(Command::new(compiler).args(options).arg(self.folder.join("load")).arg(source))
    }

    fn compile(&self, source: &str) -> Result<()> {
        let sources = workspace::root().join("tests/linked");
        let output = self.folder.join(source).with_extension("o");
        let mut clang = Command::new("clang");
        clang.arg(format!("--target={}-apple-macosx11", self.architecture));
        clang.args([
            "-std=c11",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-ffreestanding",
            "-fno-stack-protector",
        ]);
        // Not one of ours has the C library's own prototype, on purpose.
        clang.arg("-Wno-incompatible-library-redeclaration");
        clang.arg("-I").arg(workspace::root().join("include"));
        succeed(clang.arg("-c").arg(sources.join(source)).arg("-o").arg(output))
    }

    fn link(&self, name: &str, inputs: &[&str], archive: Option<&Path>, options: &[&str]) -> Result<()> {
        let mut linker = Command::new(capi::macho_linker().ok_or("there is no linker for Mach-O")?);
        linker.current_dir(&self.folder);
        linker.args([
            "-arch",
            self.architecture,
            "-platform_version",
            "macos",
            "11.0",
            "11.0",
            "-dead_strip",
        ]);
        succeed(linker.args(options).arg("-o").arg(name).args(inputs).args(archive))
    }
}

fn succeed(command: &mut Command) -> Result<()> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// Renamed into place: an image that is running is never written to.
fn write(path: &Path, image: &[u8]) -> Result<()> {
    let fresh = path.with_extension("fresh");
    fs::write(&fresh, image)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755))?;
    Ok(fs::rename(fresh, path)?)
}
