//! The arguments of vchroot_unexpand: what has a path in the prefix is found by it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use xnu_tests::paths::fuzzed::Fuzzed;

thread_local! {
    static FUZZED: RefCell<Fuzzed> = RefCell::new(Fuzzed::new());
}

fuzz_target!(|bytes: &[u8]| {
    FUZZED.with_borrow_mut(|fuzzed| fuzzed.unexpand(bytes));
});
