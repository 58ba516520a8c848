//! Tells the crate which compiler builds it: two copies share state only if one compiler laid it out.

use std::env;
use std::process::Command;

fn main() {
    let rustc = env::var_os("RUSTC").expect("cargo sets RUSTC");
    let output = Command::new(rustc).arg("-vV").output().expect("the compiler tells its version");
    let text = String::from_utf8(output.stdout).expect("the version is text");
    println!("cargo::rustc-env=XNU_COMPILER={}", text.lines().collect::<Vec<_>>().join(" "));
    println!("cargo::rerun-if-changed=build.rs");
}
