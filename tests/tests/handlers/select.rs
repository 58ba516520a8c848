//! `select` and `pselect`.

use crate::support::*;
use xnu_abi::linux::Sysno;
use xnu_core::signal::{Info, Next, deliver_next};
use xnu_core::{Reply, UserAddr};

/// A set of 32-bit words.
fn set(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn words(k: &xnu_backend_mock::Mock, at: UserAddr, count: usize) -> Vec<u32> {
    k.peek(at, 4 * count).chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
}

const NOW: [u64; 2] = [0, 0];
const SECOND: u64 = 1_000_000_000;

#[test]
fn what_is_ready_is_told_in_every_set() {
    let k = machine();
    xnu!(k, pipe() => (3, 4));
    xnu!(k, open("/tmp/own", O_RDWR) => 5);
    let all = 1 << 3 | 1 << 4 | 1 << 5;
    let (r, w, e) = (k.alloc_guarded(4), k.alloc_guarded(4), k.alloc_guarded(4));
    for at in [r, w, e] {
        k.poke(at, &set(&[all]));
    }
    xnu!(k, select(6, r, w, e, bytes(NOW)) => 3);
    assert_eq!([r, w, e].map(|at| words(&k, at, 1)[0]), [1 << 5, 1 << 4 | 1 << 5, 0]);
    xnu!(k, write(4, b"x", 1) => 1);
    k.poke(r, &set(&[all]));
    xnu!(k, select(4, r, NULL, NULL, NULL) => 1);
    assert_eq!(words(&k, r, 1), [1 << 3]);
    xnu!(k, close(4) => 0);
    xnu!(k, pselect(4, r, NULL, NULL, NULL, NULL) => 1);
    assert_eq!(words(&k, r, 1), [1 << 3]);
}

#[test]
fn sets_are_words_of_32_bits_and_nothing_behind_them_is_touched() {
    let k = machine();
    k.set_limit(7, 10_240, 10_240);
    for (count, length) in [
        (1, 1),
        (32, 1),
        (33, 2),
        (64, 2),
        (65, 3),
        (480, 15),
        (512, 16),
        (513, 17),
        (1024, 32),
        (1025, 33),
        (10_240, 320),
    ] {
        let at = k.alloc_guarded(4 * length);
        let mut given = vec![0; length];
        given[0] = 1;
        k.poke(at, &set(&given));
        xnu!(k, select(count, NULL, at, NULL, bytes(NOW)) => 1);
        assert_eq!(words(&k, at, length), given, "{count}");
        xnu!(k, select(count, at, NULL, at, bytes(NOW)) => 0);
        assert_eq!(words(&k, at, length), vec![0; length], "{count}");
        // A word less is not enough.
        xnu!(k, select(count, at.get() + 4, NULL, NULL, bytes(NOW)) => EFAULT);
        let words = [u64::try_from(count).unwrap(), 0, 0, 0, k.place(&bytes(NOW)).get()];
        for index in 1..=3 {
            faults(&k, "select", &words, index, 4 * length, OUT_OR_NULL);
        }
    }
    // What is asked for beyond every descriptor is cut off.
    let at = k.alloc_guarded(1280);
    xnu!(k, select(i32::MAX, at, at, at, bytes(NOW)) => 0);
    // Pages of its own are given back.
    let count = |name| k.calls().iter().filter(|call| call.nr == name).count();
    assert_eq!(count(Sysno::Mmap), count(Sysno::Munmap));
}

#[test]
fn times_are_checked_and_left_as_they_are() {
    let k = machine();
    let time = k.alloc_guarded(16);
    for wrong in [[-1i64, 0], [0, -1], [0, 1_000_000], [100_000_001, 0], [i64::MIN, 0]] {
        k.poke(time, &bytes([wrong[0] as u64, u64::from(wrong[1] as u32)]));
        xnu!(k, select(0, NULL, NULL, NULL, time) => EINVAL);
        xnu!(k, select(-1, NULL, NULL, NULL, time) => EINVAL);
    }
    for wrong in [[-1i64, 0], [0, -1], [0, 1_000_000_001], [1 << 31, 0], [0, i64::MIN]] {
        k.poke(time, &bytes([wrong[0] as u64, wrong[1] as u64]));
        xnu!(k, pselect(0, NULL, NULL, NULL, time, NULL) => EINVAL);
    }
    let before = k.now_ns();
    k.poke(time, &bytes([3, 5]));
    xnu!(k, select(0, NULL, NULL, NULL, time) => 0);
    assert_eq!(k.peek(time, 16), bytes([3, 5]));
    assert!((3 * SECOND + 5000..3 * SECOND + 100_000).contains(&(k.now_ns() - before)));
    // The upper half of the microseconds is padding, and a whole second of nanoseconds is allowed.
    k.poke(time, &bytes([0, 0xffff_ffff_0000_0001]));
    xnu!(k, select(0, NULL, NULL, NULL, time) => 0);
    let before = k.now_ns();
    k.poke(time, &bytes([1, SECOND]));
    xnu!(k, pselect(0, NULL, NULL, NULL, time, NULL) => 0);
    assert_eq!(k.peek(time, 16), bytes([1, SECOND]));
    assert!(k.now_ns() - before >= 2 * SECOND);
    faults(&k, "select", &[0, 0, 0, 0, 0], 4, 16, IN_OR_NULL_TIME);
    faults(&k, "pselect", &[0, 0, 0, 0, 0, 0], 4, 16, IN_OR_NULL_TIME);
    faults(&k, "pselect", &[0, 0, 0, 0, k.place(&bytes(NOW)).get(), 0], 5, 4, IN_OR_NULL);
}

/// A null time waits for ever, which the mock ends as by a signal.
const IN_OR_NULL_TIME: Pointer = IN_OR_NULL;

#[test]
fn bad_counts_and_descriptors_change_no_set() {
    let k = machine();
    let at = k.place(&set(&[1 << 9 | 1]));
    for count in [-1, i32::MIN] {
        xnu!(k, select(count, at, at, at, bytes(NOW)) => EINVAL);
        xnu!(k, pselect(count, at, at, at, NULL, NULL) => EINVAL);
    }
    // The time comes first, then the count, then the sets, then what is in them.
    xnu!(k, select(-1, 1, 1, 1, 1) => EFAULT);
    xnu!(k, select(-1, 1, 1, 1, NULL) => EINVAL);
    xnu!(k, pselect(-1, 1, 1, 1, NULL, 1) => EFAULT);
    xnu!(k, select(10, at, 1, NULL, NULL) => EFAULT);
    xnu!(k, select(10, at, NULL, NULL, bytes(NOW)) => EBADF);
    assert_eq!(words(&k, at, 1), [1 << 9 | 1]);
    xnu!(k, select(9, at, NULL, NULL, NULL) => EINTR);
    assert_eq!(words(&k, at, 1), [1 << 9 | 1]);
}

#[test]
fn a_mask_of_its_own_holds_until_a_handler_ran() {
    let k = machine();
    let (usr1, usr2) = (1u32 << 29, 1u32 << 30);
    k.thread.borrow_mut().signals.mask = usr1;
    let mask = k.place(&u32::MAX.to_le_bytes());
    // Without an interruption nothing is left of it.
    xnu!(k, pselect(0, NULL, NULL, NULL, bytes(NOW), mask) => 0);
    assert_eq!((k.thread.borrow().signals.mask, k.thread.borrow().signals.put_away), (usr1, None));
    k.poke(mask, &usr2.to_le_bytes());
    xnu!(k, pselect(0, NULL, NULL, NULL, NULL, mask) => EINTR);
    assert_eq!((k.thread.borrow().signals.mask, k.thread.borrow().signals.put_away), (usr2, Some(usr1)));
    // A handler returns to the thread's own.
    let stack = k.alloc(8192).get() + 8192;
    xnu!(k, sigaction(SIGUSR1, action(0x1234, 0, 0), NULL) => 0);
    k.with(|cx| {
        let process = cx.process;
        let thread = thread(cx);
        thread.registers.rsp = stack;
        thread.signals.note(Info::bare(SIGUSR1));
        assert_eq!(deliver_next(process, thread), Next::Entered);
        assert_eq!((thread.signals.mask, thread.signals.put_away), (usr1 | usr2, None));
        let ucontext = UserAddr::new(thread.registers.r8);
        assert_eq!(number(&process.kernel, ucontext, 4, 4), usr1.into());
    });
}

#[test]
fn a_signal_that_only_the_new_mask_lets_through_interrupts_unless_something_is_ready() {
    let k = machine();
    let usr1 = 1 << 29;
    k.thread.borrow_mut().signals.mask = usr1;
    k.thread.borrow_mut().signals.note(Info::bare(SIGUSR1));
    let mask = k.place(&[0; 4]);
    let at = k.place(&set(&[2]));
    xnu!(k, pselect(2, NULL, at, NULL, bytes([5, 0]), mask) => 1);
    xnu!(k, pselect(0, NULL, NULL, NULL, bytes(NOW), mask) => 0);
    assert_eq!(k.thread.borrow().signals.put_away, None);
    let before = k.now_ns();
    xnu!(k, pselect(0, NULL, NULL, NULL, bytes([5, 0]), mask) => EINTR);
    assert!(k.now_ns() - before < SECOND);
    assert!(k.thread.borrow_mut().signals.restore_mask());
    assert_eq!(k.thread.borrow().signals.mask, usr1);
    assert_eq!(k.by_name("pselect", &[0, 0, 0, 0, k.place(&bytes(NOW)).get(), 0]), Reply::Value(0, 0));
}
