//! `utimes` and `futimes`, `truncate` and `ftruncate`, and `stat` in its old layout.

use crate::support::*;
use xnu_backend_mock::{Credentials, Mock};

/// Access and modification time in seconds and nanoseconds.
fn times(k: &Machine<Mock>, path: &str) -> [u64; 4] {
    let buf = k.alloc(144);
    xnu!(k, lstat64(path, buf) => 0);
    [32, 40, 48, 56].map(|at| number(k, buf, at, 8))
}

/// Two of `struct timeval`, with rubbish where nothing is.
fn pair(access: (u64, i32), modification: (u64, i32)) -> Vec<u8> {
    bytes([access.0, dirty(access.1), modification.0, dirty(modification.1)])
}

#[test]
fn utimes_sets_access_and_modification() {
    let k = machine();
    xnu!(k, utimes("/tmp/link", pair((100, 5), (200, 999_999))) => 0);
    assert_eq!(times(&k, "/tmp/own"), [100, 5000, 200, 999_999_000]);
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, futimes(3, pair((7, 0), (8, 1_500_000))) => 0);
    assert_eq!(times(&k, "/tmp/own"), [7, 0, 9, 500_000_000], "microseconds are carried");
    k.set_credentials(Credentials::user(0, 0));
    xnu!(k, open("/tmp/link", O_SYMLINK) => 4);
    xnu!(k, futimes(4, pair((1, 0), (2, 0))) => 0);
    assert_eq!(times(&k, "/tmp/link"), [1, 0, 2, 0]);
    assert_eq!(times(&k, "/tmp/own")[0], 7);
}

#[test]
fn null_is_now_and_takes_the_right_to_write() {
    let k = machine();
    xnu!(k, utimes("/tmp/own", NULL) => 0);
    let [access, _, modification, _] = times(&k, "/tmp/own");
    assert!(access == modification && access >= 1_577_836_800);
    xnu!(k, utimes("/tmp/theirs", NULL) => EACCES);
    xnu!(k, utimes("/tmp/theirs", pair((1, 0), (2, 0))) => EPERM);
    k.set_mode("/tmp/theirs", 0o666);
    xnu!(k, utimes("/tmp/theirs", NULL) => 0);
    xnu!(k, utimes("/tmp/theirs", pair((1, 0), (2, 0))) => EPERM);
}

#[test]
fn utimes_looks_for_the_file_first_and_futimes_last() {
    let k = machine();
    xnu!(k, utimes("/tmp/none", 8) => ENOENT);
    xnu!(k, futimes(9, 8) => EFAULT);
    xnu!(k, futimes(9, NULL) => EBADF);
    xnu!(k, pipe() => (3, 4));
    xnu!(k, futimes(3, NULL) => EINVAL);
    faults(&k, "utimes", &[k.place_str("/tmp/own").get(), 0], 1, 32, IN_OR_NULL);
    faults(&k, "futimes", &[0, 0], 1, 32, IN_OR_NULL);
    path_limits(&k, "utimes", &[0, 0], 0);
}

#[test]
fn truncate_cuts_and_lengthens() {
    let k = machine();
    xnu!(k, truncate("/tmp/link", 3) => 0);
    assert_eq!(k.contents("/tmp/own").as_deref(), Some(&b"hel"[..]));
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, ftruncate(3, 5) => 0);
    assert_eq!(k.contents("/tmp/own").as_deref(), Some(&b"hel\0\0"[..]));
    xnu!(k, truncate("/tmp/none", -1) => EINVAL);
    xnu!(k, ftruncate(9, -1) => EINVAL);
    xnu!(k, ftruncate(9, 1) => EBADF);
    xnu!(k, ftruncate(-1, 1) => EBADF);
    xnu!(k, truncate("/tmp/dir", 1) => EISDIR);
    xnu!(k, truncate("/tmp/fifo", 1) => EINVAL);
    xnu!(k, truncate("/tmp/theirs", 1) => EACCES);
    path_limits(&k, "truncate", &[0, 1], 0);
}

#[test]
fn ftruncate_wants_a_file_open_for_writing() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, ftruncate(3, 1) => EINVAL);
    xnu!(k, open("/tmp/link", O_SYMLINK) => 4);
    xnu!(k, ftruncate(4, 1) => EINVAL);
    xnu!(k, pipe() => (5, 6));
    xnu!(k, ftruncate(6, 1) => EINVAL);
    k.set_limit(1, 100, 100);
    xnu!(k, open("/tmp/own", O_RDWR) => 7);
    xnu!(k, ftruncate(7, 101) => EFBIG);
    assert_eq!(k.contents("/tmp/own").as_deref(), Some(&b"hello"[..]));
}

#[test]
fn the_old_stat_has_the_same_in_another_place() {
    let k = machine();
    let (new, old) = (k.alloc(144), k.alloc_guarded(120));
    xnu!(k, stat64("/tmp/link", new) => 0);
    let (new_fields, old_fields) =
        ([4, 6, 8, 16, 20, 32, 48, 64, 96, 104, 112], [8, 10, 4, 12, 16, 24, 40, 56, 72, 80, 88]);
    let sizes = [2, 2, 4, 4, 4, 8, 8, 8, 8, 8, 4];
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    let path = k.place_str("/tmp/own").get();
    for (name, words) in [
        ("stat", vec![path, old.get()]),
        ("lstat", vec![path, old.get()]),
        ("fstat", vec![3, old.get()]),
        ("fstatat", vec![AT_FDCWD as u64, path, old.get(), 0]),
        ("fstatat", vec![3, 0, old.get(), AT_FDONLY.bits().into()]),
    ] {
        k.poke(old, &[0xff; 120]);
        assert_eq!(k.by_name(name, &words), Answer::reply(0), "{name}");
        for ((at, was), size) in old_fields.into_iter().zip(new_fields).zip(sizes) {
            assert_eq!(number(&k, old, at, size), number(&k, new, was, size), "{name} {at}");
        }
        assert_eq!(k.peek(old, 120)[96..], [0; 24], "{name}");
    }
    xnu!(k, fstatat(AT_FDCWD, "/tmp/own", old, AT_EACCESS) => EINVAL);
    xnu!(k, pipe() => (4, 5));
    xnu!(k, fstat(4, old) => 0);
    xnu!(k, fstatat(4, NULL, old, AT_FDONLY) => ENOTSUP);
    path_limits(&k, "stat", &[0, old.get()], 0);
    path_limits(&k, "lstat", &[0, old.get()], 0);
    faults(&k, "fstat", &[3, 0], 1, 120, OUT);
}
