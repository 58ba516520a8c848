//! The C interface, called from C and assembly as dyld and libsystem_kernel do: the programs of tests/capi, linked with
//! the static library and run on x86-64, and on arm64 by emulation.
//!
//! The programs check themselves; `$VARARGS_COUNT` and `$VARARGS_SEED` choose how many random prints there are, and
//! which.

mod programs;
mod shapes;

use programs::{ARM64, Machine, X86_64};
use std::env;
use std::process::Command;

/// Runs a program that ends with `N checks, M wrong`: at least `least` checks, none wrong.
#[track_caller]
fn passes(command: &mut Command, least: u32) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let last = stdout.lines().last().unwrap_or_default();
    let checks = last.strip_suffix(" checks, 0 wrong").and_then(|count| count.parse::<u32>().ok());
    let passed = output.status.success() && checks.is_some_and(|checks| checks >= least);
    assert!(passed, "{command:?}: {}, at least {least} checks expected\n{stdout}{stderr}", output.status);
}

fn every_symbol(machine: &Machine) -> Command {
    let mut command = machine.run(programs::every_symbol(machine));
    command.arg(programs::folder("tests/data/errno_linux_to_darwin.tsv"));
    command
}

fn varargs(machine: &Machine, count: u32) -> Command {
    let mut command = machine.run(&programs::varargs(machine));
    command.arg(env::var("VARARGS_COUNT").unwrap_or_else(|_| count.to_string()));
    command.args(env::var("VARARGS_SEED"));
    command
}

#[test]
fn every_symbol_does_what_its_header_says() {
    passes(&mut every_symbol(&X86_64), 19_000);
}

#[test]
fn every_symbol_does_what_its_header_says_on_arm64() {
    // The emulator knows no seccomp, which the device is made of.
    passes(every_symbol(&ARM64).args(["--without", "device"]), 19_000);
}

/// Of the programs, this one alone is such that a wrong access would be the library's: the others pass bad addresses
/// or look below the stack pointer.
#[test]
fn every_symbol_is_clean_under_valgrind() {
    programs::tool("valgrind");
    let program = every_symbol(&X86_64);
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--error-exitcode=99", "--leak-check=full"]);
    command.arg(format!("--suppressions={}", programs::folder("tests/capi/valgrind.supp").display()));
    // Nor does valgrind know seccomp.
    command.arg(program.get_program()).args(program.get_args()).args(["--without", "device"]);
    passes(&mut command, 19_000);
}

#[test]
fn random_variable_arguments_print_as_glibc_prints_them() {
    passes(&mut varargs(&X86_64, 200_000), 1);
}

#[test]
fn random_variable_arguments_print_as_glibc_prints_them_on_arm64() {
    passes(&mut varargs(&ARM64, 50_000), 1);
}

#[test]
fn entries_keep_registers_and_red_zone() {
    passes(&mut X86_64.run(&programs::registers(&X86_64)), 25_000);
}

#[test]
fn entries_keep_registers_and_stack_on_arm64() {
    passes(&mut ARM64.run(&programs::registers(&ARM64)), 25_000);
}
