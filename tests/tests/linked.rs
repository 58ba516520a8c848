//! Mach-O images that have the emulation linked in (tests/linked): a dynamic linker, a library and a program.
//!
//! The images check themselves: a line for each thing that is as it should be, an exit code for the first that is not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use xnu_tests::guests::{Finished, runner, xtask};

/// What the images say, with what they see of ports: xnurun serves them, the loader for arm64 does not.
fn lines(ports: &str) -> String {
    format!(
        "\
dyld: slide is a number of pages
dyld: files: as they should be
dyld: a child: as it should be
dyld: traps: as they should be, device -1
dyld: ports: {ports}
dyld: the library has adopted the state
program: argc 2, first 7, apple strings
"
    )
}

/// The images for one processor, built if need be.
fn images(architecture: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| PathBuf::from(xtask(&["linked"]).trim_end())).join(architecture)
}

fn finished(command: &mut Command, folder: &Path) -> Finished {
    let output = command.current_dir(folder).env_clear().output().expect("the loader starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn as_it_should_be(ports: &str) -> Finished {
    Finished { code: Some(7), stdout: lines(ports), stderr: String::new() }
}

#[test]
fn linked_images_run_by_their_own_linux_calls() {
    let folder = images("x86_64");
    let mut command = Command::new(runner());
    let finished = finished(command.args(["--dyld", "dyld", "program", "7"]), &folder);
    assert_eq!(finished, as_it_should_be("there and back"));
}

#[test]
fn linked_images_run_on_arm64() {
    let folder = images("arm64");
    let mut command = Command::new("/usr/bin/qemu-aarch64");
    let finished = finished(command.args(["./load", "dyld", "program", "7"]), &folder);
    assert_eq!(finished, as_it_should_be("none"));
}

#[test]
fn tracing_linked_images_is_refused_in_a_line() {
    let folder = images("x86_64");
    for option in ["--trace", "--trace-json", "-c"] {
        let mut command = Command::new(runner());
        let finished = finished(command.args([option, "--dyld", "dyld", "program", "7"]), &folder);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(125), ""), "{option}");
        assert!(finished.stderr.contains("makes Linux calls itself"), "{finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    }
}
