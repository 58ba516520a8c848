//! Any bytes, read as calls of a guest's on the mock: no panic, no leak, no reach into the runner's memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xnu_tests::calls;

fuzz_target!(|bytes: &[u8]| {
    calls::run(&mut bytes.iter().copied(), usize::MAX);
});
