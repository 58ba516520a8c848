//! Random paths on the mock, where every state can be had without privileges.

use crate::number;
use xnu_core::vchroot::Options;
use xnu_tests::paths::Random;
use xnu_tests::paths::on_mock::compare;

const SEALED: Options = Options { case_insensitive: false, root_exit: false };
const WITH_EXIT: Options = Options { root_exit: true, ..SEALED };
const FOLDED: Options = Options { case_insensitive: true, ..SEALED };
const BOTH: Options = Options { case_insensitive: true, root_exit: true };

fn run(options: Options, has_openat2: bool) {
    let (trees, first) = (number("VCHROOT_TREES", 60), number("VCHROOT_SEED", 1));
    for seed in first..first + trees {
        println!("VCHROOT_SEED={seed}");
        compare(&mut Random(seed), options, has_openat2, 100);
    }
}

#[test]
fn random_paths_are_those_of_a_root_by_openat2() {
    run(SEALED, true);
    run(WITH_EXIT, true);
}

#[test]
fn random_paths_are_those_of_a_root_by_the_walk() {
    run(SEALED, false);
    run(WITH_EXIT, false);
}

#[test]
fn random_paths_that_exist_as_spelled_are_those_of_a_root_where_case_does_not_matter() {
    for options in [FOLDED, BOTH] {
        run(options, true);
        run(options, false);
    }
}
