//! Waiting at words.

use crate::support::*;
use xnu_abi::darwin::Errno;
use xnu_core::Reply;

const COMPARE: u32 = 1;
const UNFAIR: u32 = 2;
const COMPARE_SHARED: u32 = 3;
const COMPARE64: u32 = 5;
const COMPARE64_SHARED: u32 = 6;
const WAKE_ALL: u32 = 0x100;
const WAKE_THREAD: u32 = 0x200;
const ALLOW_NON_OWNER: u32 = 0x400;
const NO_ERRNO: u32 = 0x0100_0000;
const DEADLINE: u32 = 0x0200_0000;

#[test]
fn a_word_of_another_value_is_not_waited_at() {
    let k = machine();
    let word = k.place(&[7, 0, 0, 0, 1, 0, 0, 0]);
    for operation in [COMPARE, COMPARE_SHARED, UNFAIR] {
        xnu!(k, ulock_wait(operation, word, 8, 0) => 0);
        // The value has 64 bits, the word has not.
        xnu!(k, ulock_wait(operation, word, 0x1_0000_0007u64, 0) => 0);
    }
    for operation in [COMPARE64, COMPARE64_SHARED] {
        xnu!(k, ulock_wait(operation, word, 7, 0) => 0);
    }
}

#[test]
fn times_are_microseconds_nanoseconds_or_a_moment() {
    let k = machine();
    let word = k.place(&[7, 0, 0, 0, 1, 0, 0, 0]);
    let wide = 0x1_0000_0007u64;
    let takes = |ms: u64, call: &dyn Fn() -> Reply| {
        let before = k.now_ns();
        assert_eq!(call(), Reply::Error(ETIMEDOUT));
        let took = (k.now_ns() - before) / 1_000_000;
        assert!(took.abs_diff(ms) <= 1, "{took} ms, not {ms}");
    };
    takes(5, &|| xnu!(k, ulock_wait(COMPARE, word, 7, 5_000)));
    takes(5, &|| xnu!(k, ulock_wait2(COMPARE, word, 7, 5_000_000, 0)));
    takes(50, &|| xnu!(k, ulock_wait2(COMPARE64, word, wide, 50_000_000, 0)));
    let until = k.now_ns() + 30_000_000;
    takes(30, &|| xnu!(k, ulock_wait2(COMPARE | DEADLINE, word, 7, until, 0)));
    takes(0, &|| xnu!(k, ulock_wait2(COMPARE | DEADLINE, word, 7, 1, 0)));
}

#[test]
fn what_is_no_word_or_no_operation_is_refused() {
    let k = machine();
    let word = k.alloc(16);
    let odd = word.get() + 2;
    for operation in [0, 4, 7, 0xff, COMPARE | WAKE_ALL, COMPARE | 0x1000, COMPARE | 0x8000_0000] {
        xnu!(k, ulock_wait(operation, word, 1, 1) => EINVAL);
    }
    for (operation, at) in [(COMPARE, 0), (COMPARE, odd), (COMPARE64, odd + 2), (UNFAIR, odd)] {
        xnu!(k, ulock_wait(operation, at, 1, 1) => EINVAL);
        xnu!(k, ulock_wait(operation | NO_ERRNO, at, 1, 1) => -i32::from(EINVAL.number()));
    }
    for at in NOWHERE.into_iter().filter(|at| *at != 0 && at % 8 == 0) {
        for operation in [COMPARE, COMPARE64, COMPARE_SHARED, UNFAIR] {
            xnu!(k, ulock_wait(operation, at, 1, 1) => EFAULT);
        }
    }
}

#[test]
fn the_holder_of_a_lock_is_another_thread() {
    let k = machine();
    let own = match k.by_name("thread_self_trap", &[]) {
        Reply::Value(name, 0) => name as u32,
        other => panic!("{other:?}"),
    };
    for value in [own, own & !3, 0x1234_5600, 0] {
        let word = k.place(&value.to_le_bytes());
        xnu!(k, ulock_wait(UNFAIR, word, value, 1000) => Errno::EOWNERDEAD);
        xnu!(k, ulock_wait(UNFAIR | NO_ERRNO, word, value, 1000) => -105);
    }
    let dead = k.place(&[0xff; 4]);
    xnu!(k, ulock_wait(UNFAIR, dead, u32::MAX, 1000) => ETIMEDOUT);
}

#[test]
fn nobody_is_woken_where_nobody_waits() {
    let k = machine();
    let word = k.alloc(8);
    for operation in [COMPARE, COMPARE64, UNFAIR | ALLOW_NON_OWNER, COMPARE_SHARED | WAKE_ALL] {
        xnu!(k, ulock_wake(operation, word, 0) => ENOENT);
        xnu!(k, ulock_wake(operation | NO_ERRNO, word, 0) => -2);
    }
    let wrong = [
        (0, word.get()),
        (4, word.get()),
        (COMPARE | DEADLINE, word.get()),
        (COMPARE | ALLOW_NON_OWNER, word.get()),
        (COMPARE | WAKE_THREAD | WAKE_ALL, word.get()),
        (UNFAIR | WAKE_THREAD, word.get()),
        (COMPARE, 0),
    ];
    for (operation, at) in wrong {
        xnu!(k, ulock_wake(operation, at, 0) => EINVAL);
    }
    for thread in [0u32, 0x1234_5603] {
        xnu!(k, ulock_wake(COMPARE | WAKE_THREAD, word, thread) => ESRCH);
    }
}
