//! Wrappers made by the macros of `include/xnu_emu_asm.h`: `capi/tests/wrappers.S`, assembled for every target. Where the
//! object files are ELF's they are linked with the library, and a C program calls them.

use super::build::{Target, own_rustc};
use crate::{Result, workspace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is wrong with the wrappers, linked with an ELF library.
///
/// # Errors
/// A compiler or the program cannot be run.
pub(crate) fn run(library: &Path, target: Target) -> Result<Vec<String>> {
    let (compiler, emulator) = match target.elf() {
        Target::Aarch64Elf => ("aarch64-linux-gnu-gcc", Some("qemu-aarch64")),
        _ => ("cc", None),
    };
    let program = library.with_file_name("wrappers");
    let mut link = Command::new(compiler);
    link.args(["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", "-static"]);
    link.arg("-I").arg(include()).args([source("wrappers.c"), source("wrappers.S")]);
    if let Err(error) = succeed(link.arg(library).arg("-o").arg(&program)) {
        return Ok(vec![error]);
    }
    let mut call = Command::new(emulator.map_or(program.as_path(), Path::new));
    if emulator.is_some() {
        call.arg(&program);
    }
    Ok(succeed(&mut call).err().into_iter().collect())
}

/// Assembles the wrappers for Mach-O; answers the object file.
///
/// # Errors
/// They cannot be assembled.
pub(crate) fn assemble(folder: &Path, target: Target) -> Result<PathBuf> {
    let processor = match target.elf() {
        Target::Aarch64Elf => "-D__arm64__",
        _ => "-D__x86_64__",
    };
    let text = folder.join("wrappers.s");
    let mut preprocess = Command::new("cc");
    preprocess.args(["-E", "-P", "-undef", "-x", "assembler-with-cpp", "-D__APPLE__", processor]);
    preprocess.arg("-I").arg(include()).arg(source("wrappers.S")).arg("-o").arg(&text);
    succeed(&mut preprocess)?;

    // Rust's compiler is the assembler for Mach-O that is there anyway. No `core` is needed for that.
    let (rust, object) = (folder.join("wrappers.rs"), folder.join("wrappers.o"));
    let syntax = if processor == "-D__x86_64__" { "att_syntax, raw" } else { "raw" };
    fs::write(&rust, ASSEMBLER.replace("SYNTAX", syntax))?;
    let mut assemble = Command::new(own_rustc());
    assemble.env("RUSTC_BOOTSTRAP", "1").args(["--edition", "2024", "--crate-type", "lib", "--emit", "obj"]);
    assemble.args(["--target", target.triple(), "-o"]).args([&object, &rust]);
    succeed(&mut assemble)?;
    Ok(object)
}

const ASSEMBLER: &str = r#"
#![feature(no_core, rustc_attrs)]
#![no_core]
#![allow(internal_features)]
#[rustc_builtin_macro]
macro_rules! global_asm { () => {}; }
#[rustc_builtin_macro]
macro_rules! include_str { () => {}; }
global_asm!(include_str!("wrappers.s"), options(SYNTAX));
"#;

fn include() -> PathBuf {
    workspace::root().join("include")
}

fn source(name: &str) -> PathBuf {
    workspace::root().join("capi/tests").join(name)
}

/// Runs a command; what it prints is the error if it fails.
fn succeed(command: &mut Command) -> std::result::Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let texts = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    Err(format!("{command:?}: {}\n{}", output.status, texts.concat()))
}
