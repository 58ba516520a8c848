//! Any bytes, read as messages of two tasks': no panic, and no port, message or memory left at the end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xnu_tests::engine;

fuzz_target!(|bytes: &[u8]| engine::mach_msg(bytes));
