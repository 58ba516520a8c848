//! Any bytes, read as traps of the engine's and Mach traps of a guest's: no panic, and nothing left at the end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xnu_tests::engine;

fuzz_target!(|bytes: &[u8]| engine::trap_numbers(bytes));
