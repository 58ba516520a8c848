//! Builds the programs of tests/capi.

use crate::shapes;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{env, fs};
use xnu_tests::guests::xtask;

/// A processor, what compiles for it and what runs it here.
pub(crate) struct Machine {
    triple: &'static str,
    name: &'static str,
    compiler: &'static str,
    objcopy: &'static str,
    link: &'static [&'static str],
    emulator: Option<&'static str>,
    libraries: OnceLock<PathBuf>,
    every_symbol: OnceLock<PathBuf>,
}

pub(crate) static X86_64: Machine = Machine {
    triple: "x86_64-unknown-linux-gnu",
    name: "x86_64",
    compiler: "gcc",
    objcopy: "objcopy",
    // Shared, so that valgrind can put its own malloc in the C library's place.
    link: &[],
    emulator: None,
    libraries: OnceLock::new(),
    every_symbol: OnceLock::new(),
};

pub(crate) static ARM64: Machine = Machine {
    triple: "aarch64-unknown-linux-gnu",
    name: "aarch64",
    compiler: "aarch64-linux-gnu-gcc",
    objcopy: "aarch64-linux-gnu-objcopy",
    link: &["-static"],
    emulator: Some("qemu-aarch64"),
    libraries: OnceLock::new(),
    every_symbol: OnceLock::new(),
};

/// A path in the project.
pub(crate) fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are in a workspace").join(path)
}

/// Fails with a line that names a program if it is not there.
pub(crate) fn tool(name: &str) {
    let status = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "missing: {name}; `cargo xtask test` as root installs it"
    );
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
}

/// Where cargo puts what it builds: test programs are in `<target>/<triple>/<profile>/deps`.
fn target() -> PathBuf {
    let test = env::current_exe().expect("the test program has a path");
    test.ancestors().nth(4).expect("the test program is in a target directory").to_path_buf()
}

impl Machine {
    /// A command that runs a program, for two minutes at most.
    pub(crate) fn run(&self, program: &Path) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "120"]);
        if let Some(emulator) = self.emulator {
            tool(emulator);
            command.arg(emulator);
        }
        command.arg(program);
        command
    }

    /// The library as `variant`, built by [`Machine::libraries`].
    fn library(&self, variant: &str) -> PathBuf {
        target().join("capi").join(variant).join(self.triple).join("libxnu_emu.a")
    }

    /// Builds the library in both variants, and a copy of libsystem_kernel's with `second_` before all names, so that a
    /// program can link both. Answers the directory of that copy and of the programs.
    fn libraries(&self) -> &Path {
        self.libraries.get_or_init(|| {
            for name in [self.compiler, self.objcopy] {
                tool(name);
            }
            xtask(&["capi", "--target", self.triple]);
            let output = target().join("capi/tests").join(self.triple);
            fs::create_dir_all(&output).expect("a directory of the target directory");
            let (prefixed, second) = (output.join("libprefixed.a"), output.join("libsecond.a"));
            let mut objcopy = Command::new(self.objcopy);
            succeeds(
                objcopy.arg("--prefix-symbols=second_").arg(self.library("libsystem_kernel")).arg(&prefixed),
            );
            // But what both take from the C library.
            let mut objcopy = Command::new(self.objcopy);
            for name in ["memcpy", "memmove", "memset", "memcmp", "bcmp", "strlen"] {
                objcopy.arg(format!("--redefine-sym=second_{name}={name}"));
            }
            succeeds(objcopy.arg(&prefixed).arg(&second));
            output
        })
    }

    fn compile(&self, program: &str, sources: &[&str], libraries: &[&Path]) -> PathBuf {
        let output = self.libraries().join(program);
        let mut compiler = Command::new(self.compiler);
        compiler.args(["-std=gnu11", "-O2", "-g", "-fno-builtin", "-U_FORTIFY_SOURCE"]);
        // Formats here are made up as the programs run.
        compiler.args(["-Wall", "-Wextra", "-Werror", "-Wno-format"]);
        compiler.args(self.link);
        compiler.arg("-I").arg(folder("include")).arg("-I").arg(self.libraries());
        compiler.args(sources.iter().map(|source| folder("tests/capi").join(source)));
        succeeds(compiler.args(libraries).arg("-o").arg(&output));
        output
    }
}

/// The program that calls everything but the entries; more than one test runs it.
pub(crate) fn every_symbol(machine: &Machine) -> &Path {
    machine.every_symbol.get_or_init(|| {
        let second = machine.libraries().join("libsecond.a");
        let sources = ["every_symbol.c", "simple.c", "device.c"];
        machine.compile("every_symbol", &sources, &[&machine.library("dyld"), &second])
    })
}

/// The program that prints random arguments.
pub(crate) fn varargs(machine: &Machine) -> PathBuf {
    let shapes = machine.libraries().join("shapes.h");
    fs::write(&shapes, shapes::shapes()).expect("a file of the target directory");
    machine.compile("varargs", &["varargs.c"], &[&machine.library("dyld")])
}

/// The program that calls the entries from assembly.
pub(crate) fn registers(machine: &Machine) -> PathBuf {
    let assembly = format!("call_{}.S", machine.name);
    machine.compile("registers", &["registers.c", &assembly], &[&machine.library("libsystem_kernel")])
}
