//! Random calls in a fixed order: nothing panics, and the invariants of `xnu_tests::calls` hold.

use xnu_tests::calls;

/// Bytes without end from a seed (xorshift64).
fn bytes(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
}

#[test]
fn two_hundred_thousand_random_calls_do_no_harm() {
    let mut done = 0;
    for seed in 1..=1000 {
        done += calls::run(&mut bytes(seed), 200);
    }
    assert_eq!(done, 200_000);
}
