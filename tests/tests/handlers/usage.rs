//! What was used.

use crate::support::*;

#[test]
fn usage_is_that_of_the_process_or_its_children() {
    let k = machine();
    let buf = k.alloc_guarded(144);
    k.advance_ns(3_000_000_000);
    xnu!(k, getrusage(0, buf) => 0);
    assert_eq!((number(&k, buf, 0, 8), number(&k, buf, 32, 8)), (4, 4096 * 1024));
    xnu!(k, getrusage(-1, buf) => 0);
    assert_eq!(number(&k, buf, 0, 8), 0);
    // Linux has a third.
    for whom in [1, 2, -2, i32::MAX] {
        xnu!(k, getrusage(whom, buf) => EINVAL);
        xnu!(k, getrusage(whom, NULL) => EINVAL);
    }
    faults(&k, "getrusage", &[0, 0], 1, 144, OUT);
}

#[test]
fn a_thread_knows_itself_and_how_long_it_ran() {
    let k = machine();
    xnu!(k, thread_selfid() => 1000);
    let ran = |k: &Machine<_>| match k.by_name("thread_selfusage", &[]) {
        xnu_core::Reply::Value(ran, 0) => ran,
        other => panic!("{other:?}"),
    };
    let before = ran(&k);
    k.advance_ns(5_000_000_000);
    assert!((5_000_000_000..6_000_000_000).contains(&(ran(&k) - before)));
}

#[test]
fn free_memory_is_told_in_percent() {
    let k = machine();
    let level = k.alloc_guarded(4);
    xnu!(k, memorystatus_get_level(level) => 0);
    assert_eq!(number(&k, level, 0, 4), 50);
    faults(&k, "memorystatus_get_level", &[0], 0, 4, OUT);
    xnu!(k, memorystatus_available_memory() => 0);
}
