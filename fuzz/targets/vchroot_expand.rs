//! The arguments of vchroot_expand: the object at the host path is that of the path in the prefix.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use xnu_tests::paths::fuzzed::Fuzzed;

thread_local! {
    static FUZZED: RefCell<Fuzzed> = RefCell::new(Fuzzed::new());
}

fuzz_target!(|bytes: &[u8]| {
    FUZZED.with_borrow_mut(|fuzzed| fuzzed.expand(bytes));
});
