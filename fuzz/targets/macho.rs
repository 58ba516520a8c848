//! Any bytes, read as a program and as a dynamic linker: either a message or a plan that keeps its promises.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xnurun::macho::testing::assert_invariants;
use xnurun::macho::{Cpu, Kind, parse_for};

fuzz_target!(|file: &[u8]| {
    for (kind, cpu) in [(Kind::Program, Cpu::Generic), (Kind::Dylinker, Cpu::Haswell)] {
        match parse_for(file, kind, cpu) {
            Ok(program) => assert_invariants(&program, file.len() as u64, kind),
            Err(error) => assert!(!error.to_string().chars().any(char::is_control), "{error:?}"),
        }
    }
});
