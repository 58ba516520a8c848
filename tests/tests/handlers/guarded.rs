//! Guarded descriptors.

use crate::support::*;
use xnu_backend_mock::Mock;
use xnu_core::Reply;

const CLOSE: u32 = 1;
const DUP: u32 = 2;
const WRITE: u32 = 0x10;
const ALL: u32 = 0x1f;
const FD_CLOEXEC: i32 = 1;
const FD_CLOFORK: i32 = 2;

fn id(id: u64) -> Vec<u8> {
    bytes([id])
}

/// A machine with `/tmp/own` open as 3 and guarded by 7.
fn guarded(flags: u32) -> Machine<Mock> {
    let k = machine();
    xnu!(k, guarded_open_np("/tmp/own", id(7), flags, O_RDWR | O_CLOEXEC, 0) => 3);
    k
}

/// That a call is `EPERM` and ends the process.
#[track_caller]
fn fatal(k: &Machine<Mock>, reply: Reply) {
    assert_eq!(reply, Reply::Error(EPERM));
    let sent = k.signals();
    assert_eq!(sent.last().map(|signal| signal.number), Some(9));
}

#[test]
fn a_guard_must_forbid_copies_and_ask_for_close_on_exec() {
    let k = machine();
    for flags in [0, CLOSE, WRITE, ALL & !DUP, 0x20, DUP | 0x20, u32::MAX] {
        xnu!(k, guarded_open_np("/tmp/own", id(7), flags, O_CLOEXEC, 0) => EINVAL);
        xnu!(k, guarded_open_dprotected_np("/tmp/own", id(7), flags, O_CLOEXEC, 0, 0, 0) => EINVAL);
    }
    xnu!(k, guarded_open_np("/tmp/own", id(7), DUP, O_RDWR, 0) => EINVAL);
    xnu!(k, guarded_open_np("/tmp/own", id(0), DUP, O_CLOEXEC, 0) => EINVAL);
    xnu!(k, guarded_open_dprotected_np("/tmp/own", id(7), DUP, O_CLOEXEC | O_RDWR, 4, 1, 0) => EINVAL);
    xnu!(k, guarded_open_np("/tmp/nofile", id(7), DUP, O_CLOEXEC, 0) => ENOENT);
    xnu!(k, guarded_open_np("/tmp/own", NULL, DUP, O_RDWR, 0) => EINVAL);
    let own = k.place_str("/tmp/own").get();
    let cloexec = u64::from(O_CLOEXEC.bits());
    faults(&k, "guarded_open_np", &[own, 0, 2, cloexec, 0], 1, 8, IN);
    faults(&k, "guarded_open_dprotected_np", &[own, 0, 2, cloexec, 0, 0, 0], 1, 8, IN);
    path_limits(&k, "guarded_open_np", &[0, k.place(&id(7)).get(), 2, cloexec, 0], 0);
    assert_eq!(k.descriptors(), [0, 1, 2]);
    xnu!(k, guarded_open_np("/tmp/new", id(7), ALL, O_RDWR | O_CREAT | O_CLOEXEC, 0o600) => 3);
    xnu!(k, guarded_open_dprotected_np("/tmp/own", id(u64::MAX), DUP, O_CLOEXEC, 4, 3, 0) => 4);
    for fd in [3, 4] {
        xnu!(k, fcntl(fd, F_GETFD, 0) => 1);
        assert!(k.process.descriptors.close_on_fork.contains(fd));
    }
}

#[test]
fn what_a_guard_forbids_ends_the_process() {
    let buf = bytes([1]);
    for (flags, name, words) in [
        (CLOSE | DUP, "close", vec![3]),
        (CLOSE | DUP, "dup2", vec![1, 3]),
        (DUP, "dup", vec![3]),
        (DUP, "dup2", vec![3, 9]),
        (DUP, "dup2", vec![3, 3]),
        (DUP, "fcntl", vec![3, 0, 0]),
        (DUP, "fcntl", vec![3, 67, 0]),
        (DUP, "fcntl", vec![3, 2, 0]),
    ] {
        let k = guarded(flags);
        fatal(&k, k.by_name(name, &words));
        assert_eq!(k.descriptors(), [0, 1, 2, 3], "{name}");
    }
    let k = guarded(DUP | WRITE);
    let at = k.place(&buf).get();
    let iov = k.place(&bytes([at, 8])).get();
    for (name, words) in [
        ("write", vec![3, at, 8]),
        ("pwrite", vec![3, at, 8, 0]),
        ("writev", vec![3, iov, 1]),
        ("pwritev", vec![3, iov, 1, 0]),
    ] {
        fatal(&k, k.by_name(name, &words));
    }
    assert_eq!(k.contents("/tmp/own").unwrap(), b"hello");
    assert_eq!(k.signals().len(), 4);
}

#[test]
fn what_it_does_not_forbid_goes_on() {
    let k = guarded(DUP);
    xnu!(k, write(3, b"x", 1) => 1);
    xnu!(k, fcntl(3, F_SETFD, 1) => 0);
    xnu!(k, fcntl(3, F_GETFD, 0) => 1);
    xnu!(k, dup2(1, 3) => 3);
    // The number is free of it then.
    xnu!(k, dup(3) => 4);
    let k = guarded(DUP);
    xnu!(k, close(3) => 0);
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, dup(3) => 4);
    xnu!(k, guarded_open_np("/tmp/own", id(7), ALL, O_RDONLY | O_CLOEXEC, 0) => 5);
    // Who may not write at all hears of that first.
    xnu!(k, write(5, b"x", 1) => EBADF);
    xnu!(k, dup2(9, 5) => EBADF);
    assert!(k.signals().is_empty());
}

#[test]
fn who_names_the_guard_may_write_and_close() {
    let k = guarded(ALL);
    let at = k.place(b"world").get();
    let iov = bytes([at, 5]);
    for (named, errno) in [(8, EPERM), (0, EPERM)] {
        xnu!(k, guarded_write_np(3, id(named), at, 5) => errno);
        xnu!(k, guarded_pwrite_np(3, id(named), at, 5, 0) => errno);
        xnu!(k, guarded_writev_np(3, id(named), iov.clone(), 1) => errno);
        xnu!(k, guarded_close_np(3, id(named)) => errno);
    }
    for (fd, errno) in [(1, EINVAL), (99, EBADF), (-1, EBADF)] {
        xnu!(k, guarded_write_np(fd, id(7), at, 5) => errno);
        xnu!(k, guarded_pwrite_np(fd, id(7), at, 5, 0) => errno);
        xnu!(k, guarded_writev_np(fd, id(7), iov.clone(), 1) => errno);
        xnu!(k, guarded_close_np(fd, id(7)) => errno);
    }
    assert!(k.signals().is_empty());
    xnu!(k, guarded_write_np(3, id(7), at, INT_MAX + 1) => EINVAL);
    xnu!(k, guarded_writev_np(3, id(7), iov.clone(), 0) => EINVAL);
    xnu!(k, guarded_write_np(3, id(7), at, 5) => 5);
    xnu!(k, guarded_pwrite_np(3, id(7), at, 2, 5) => 2);
    xnu!(k, guarded_writev_np(3, id(7), iov, 1) => 5);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"worldworld");
    xnu!(k, guarded_pwrite_np(3, id(7), at, 2, -1) => EINVAL);
    let known = k.place(&id(7)).get();
    for (name, words) in [
        ("guarded_write_np", vec![3, 0, at, 5]),
        ("guarded_pwrite_np", vec![3, 0, at, 5, 0]),
        ("guarded_writev_np", vec![3, 0, 0, 1]),
        ("guarded_close_np", vec![3, 0]),
    ] {
        faults(&k, name, &words, 1, 8, IN);
    }
    faults(&k, "guarded_write_np", &[3, known, 0, 5], 2, 5, IN);
    faults(&k, "guarded_writev_np", &[3, known, 0, 1], 2, 16, IN);
    xnu!(k, guarded_close_np(3, id(7)) => 0);
    xnu!(k, guarded_close_np(3, id(7)) => EBADF);
    assert!(k.signals().is_empty());
}

#[test]
fn guards_come_change_and_go() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    let told = k.place(&0i32.to_le_bytes());
    let flags = || number(&k, told, 0, 4) as i32;
    xnu!(k, change_fdguard_np(3, NULL, 0, id(7), CLOSE | DUP, told) => 0);
    assert_eq!(flags(), 0);
    xnu!(k, fcntl(3, F_GETFD, 0) => FD_CLOEXEC);
    assert!(k.process.descriptors.close_on_fork.contains(3));
    // Another one, without closing; close-on-fork goes with the old one unless it is asked for.
    k.poke(told, &FD_CLOFORK.to_le_bytes());
    xnu!(k, change_fdguard_np(3, id(7), CLOSE | DUP, id(8), DUP, told) => 0);
    assert_eq!(flags(), FD_CLOEXEC | FD_CLOFORK);
    assert!(k.process.descriptors.close_on_fork.contains(3));
    xnu!(k, change_fdguard_np(3, id(8), DUP, id(8), CLOSE | DUP, NULL) => 0);
    xnu!(k, change_fdguard_np(3, id(8), CLOSE | DUP, id(9), DUP, NULL) => 0);
    assert!(!k.process.descriptors.close_on_fork.contains(3));
    // None, and the flags as they are wanted.
    k.poke(told, &FD_CLOFORK.to_le_bytes());
    xnu!(k, change_fdguard_np(3, id(9), DUP, NULL, 0, told) => 0);
    assert_eq!(flags(), FD_CLOEXEC);
    xnu!(k, fcntl(3, F_GETFD, 0) => 0);
    assert!(k.process.descriptors.close_on_fork.contains(3));
    xnu!(k, dup(3) => 4);
    xnu!(k, close(3) => 0);
    assert!(k.signals().is_empty());
}

#[test]
fn a_guard_is_changed_by_those_who_name_it_with_its_flags() {
    let k = guarded(CLOSE | DUP);
    xnu!(k, open("/tmp/own", O_RDWR) => 4);
    let both = CLOSE | DUP;
    for (guard, old, new, flags, errno) in [
        (Some(8), both, Some(9), DUP, EPERM),
        (Some(7), DUP, Some(9), DUP, EPERM),
        (Some(0), both, Some(9), DUP, EPERM),
        (None, both, Some(9), DUP, EINVAL),
        (None, 0, Some(9), DUP, EINVAL),
        (Some(7), 0, Some(9), DUP, EINVAL),
        (Some(7), both, Some(0), DUP, EINVAL),
        (Some(7), both, Some(9), CLOSE, EINVAL),
        (Some(7), both, Some(9), DUP | 0x20, EINVAL),
        (Some(7), both, None, DUP, EINVAL),
        (Some(8), both, None, 0, EPERM),
        (Some(7), ALL, None, 0, EPERM),
    ] {
        let place = |guard: Option<u64>| guard.map_or(0, |guard| k.place(&id(guard)).get());
        xnu!(k, change_fdguard_np(3, place(guard), old, place(new), flags, NULL) => errno);
    }
    // What has none.
    xnu!(k, change_fdguard_np(4, id(7), both, id(9), DUP, NULL) => EINVAL);
    xnu!(k, change_fdguard_np(4, NULL, both, id(9), DUP, NULL) => EINVAL);
    xnu!(k, change_fdguard_np(4, NULL, 0, NULL, 0, NULL) => EINVAL);
    xnu!(k, change_fdguard_np(4, NULL, 0, id(0), DUP, NULL) => EINVAL);
    xnu!(k, change_fdguard_np(4, NULL, 0, id(1), CLOSE, NULL) => EINVAL);
    xnu!(k, change_fdguard_np(99, NULL, 0, id(1), DUP, NULL) => EBADF);
    let (known, seven) = (k.place(&id(7)).get(), u64::from(both));
    faults(&k, "change_fdguard_np", &[3, 0, seven, known, seven, 0], 1, 8, IN_OR_NULL);
    faults(&k, "change_fdguard_np", &[3, known, seven, 0, seven, 0], 3, 8, IN_OR_NULL);
    faults(&k, "change_fdguard_np", &[3, known, seven, known, seven, 0], 5, 4, OUT_OR_NULL);
    assert!(k.signals().is_empty());
    fatal(&k, k.by_name("close", &[3]));
}

#[test]
fn the_child_of_a_fork_has_what_may_go_along_guarded_as_well() {
    let k = guarded(CLOSE | DUP);
    xnu!(k, open("/tmp/own", O_RDWR) => 4);
    xnu!(k, change_fdguard_np(4, NULL, 0, id(8), DUP, NULL) => 0);
    k.fork_into_child();
    assert!(matches!(k.by_name("fork", &[]), Reply::Value(_, 1)));
    assert_eq!(k.descriptors(), [0, 1, 2, 4]);
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, close(3) => 0);
    fatal(&k, k.by_name("dup", &[4]));
}
