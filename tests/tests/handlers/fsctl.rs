//! Requests of file systems, file handles, whole-file locks, tables of descriptors, and files sent to sockets.

use crate::support::*;
use xnu_backend_mock::Credentials;
use xnu_core::Reply;

const SYNC_VOLUME: u32 = 0x8004_4101;
const LOCKS: [(i32, i32); 2] = [(1, 5), (2, 6)];

#[test]
fn a_volume_is_synced_by_either_spelling() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    for number in [SYNC_VOLUME, SYNC_VOLUME & 0xffff] {
        xnu!(k, ffsctl(3, number, &[0; 4], 0) => 0);
        xnu!(k, fsctl("/tmp/own", number, &[3, 0, 0, 0], 0) => 0);
    }
    xnu!(k, fsctl("/tmp/nofile", SYNC_VOLUME, &[0; 4], 0) => ENOENT);
    xnu!(k, fsctl("/tmp/dangling", SYNC_VOLUME, &[0; 4], 0) => ENOENT);
    xnu!(k, fsctl("/tmp/dangling", SYNC_VOLUME, &[0; 4], 1) => 0);
    path_limits(&k, "fsctl", &[0, SYNC_VOLUME.into(), k.alloc(4).get(), 0], 0);
    faults(&k, "ffsctl", &[3, SYNC_VOLUME.into(), 0, 0], 2, 4, IN);
    faults(&k, "fsctl", &[k.place_str("/tmp").get(), SYNC_VOLUME.into(), 0, 0], 2, 4, IN);
}

#[test]
fn requests_of_file_systems_are_answered_as_by_one_that_knows_none() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, pipe() => (4, 5));
    let data = k.alloc(4096);
    for (number, answer) in [
        (0x2000_410fu32, Reply::Value(0, 0)),
        (0x8010_4102, Reply::Error(EPERM)),
        (0x8010_410a, Reply::Error(EPERM)),
        (0x8038_4113, Reply::Error(EPERM)),
        (0xc008_4110, Reply::Error(EINVAL)),
        (0x4111, Reply::Error(EINVAL)),
        (99, Reply::Error(EINVAL)),
        (51, Reply::Error(EINVAL)),
        (0x4004_6813, Reply::Error(ENOTTY)),
        (0x1234, Reply::Error(ENOTTY)),
    ] {
        assert_eq!(xnu!(k, ffsctl(3, number, data, 0)), answer, "{number:#x}");
        assert_eq!(xnu!(k, fsctl("/tmp", number, data, 0)), answer, "{number:#x}");
    }
    k.poke(data, &[7; 56]);
    xnu!(k, ffsctl(3, 0x4038_4112, data, 0) => 0);
    assert_eq!(k.peek(data, 56), [0; 56]);
    faults(&k, "ffsctl", &[3, 0x4038_4112, 0, 0], 2, 56, OUT);
    xnu!(k, fsctl("/tmp/own", 0xc004_4115u32, data, 0) => EINVAL);
    xnu!(k, ffsctl(4, SYNC_VOLUME, data, 0) => EINVAL);
    xnu!(k, ffsctl(9, SYNC_VOLUME, data, 0) => EBADF);
    xnu!(k, ffsctl(0, SYNC_VOLUME, data, 0) => ENOTTY);
    k.set_credentials(Credentials::root());
    xnu!(k, ffsctl(3, 0x8010_410au32, data, 0) => ENOTSUP);
}

#[test]
fn file_handles_are_the_superusers_and_nobodys() {
    let k = machine();
    xnu!(k, getfh("/tmp/own", k.alloc(72)) => EPERM);
    xnu!(k, fhopen(k.alloc(72), 1) => EPERM);
    k.set_credentials(Credentials::root());
    xnu!(k, getfh("/tmp/own", k.alloc(72)) => EINVAL);
    xnu!(k, fhopen(k.alloc(72), 1) => EINVAL);
    faults(&k, "getfh", &[0, k.alloc(4).get()], 0, 9, IN);
    faults(&k, "getfh", &[k.place_str("/tmp/own").get(), 0], 1, 4, IN);
}

#[test]
fn whole_files_are_locked_by_open_file() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, open("/tmp/own", O_RDONLY) => 4);
    for (lock, at_once) in LOCKS {
        xnu!(k, flock(3, lock) => 0);
        assert_eq!(
            xnu!(k, flock(4, at_once)),
            if lock == 1 && at_once == 5 { 0.reply() } else { EAGAIN.reply() }
        );
        xnu!(k, flock(4, 6) => EAGAIN);
        xnu!(k, flock(4, 8) => 0);
        xnu!(k, flock(3, 8 | 4 | 2) => 0);
    }
    // An exclusive lock where both are asked for.
    xnu!(k, flock(3, 3) => 0);
    xnu!(k, flock(4, 5) => EAGAIN);
    xnu!(k, flock(3, 0) => EBADF);
    xnu!(k, flock(3, 4) => EBADF);
    xnu!(k, flock(3, 16) => EBADF);
}

#[test]
fn only_files_and_directories_are_locked() {
    let k = machine();
    xnu!(k, open("/tmp/dir", O_RDONLY) => 3);
    xnu!(k, pipe() => (4, 5));
    xnu!(k, flock(3, 2) => 0);
    xnu!(k, flock(4, 2) => ENOTSUP);
    xnu!(k, flock(4, 0) => ENOTSUP);
    xnu!(k, flock(0, 2) => ENOTSUP);
    for fd in [-1, 99, i32::MIN] {
        xnu!(k, flock(fd, 2) => EBADF);
    }
}

#[test]
fn the_table_of_descriptors_is_as_large_as_its_limit() {
    let k = machine();
    for (limit, size) in [(5, 5), (256, 256), (10_240, 10_240), (1 << 20, 10_240), (u64::MAX, 10_240)] {
        k.set_limit(7, limit, u64::MAX);
        xnu!(k, getdtablesize() => size);
    }
    xnu!(k, sync() => 0);
}

#[test]
fn files_are_sent_to_sockets_alone() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, open("/tmp/own", O_WRONLY) => 4);
    xnu!(k, open("/tmp/dir", O_RDONLY) => 5);
    xnu!(k, pipe() => (6, 7));
    let sent = k.place(&bytes([77]));
    for (from, errno) in [(9, EBADF), (4, EBADF), (5, ENOTSUP), (0, ENOTSUP), (6, ENOTSUP)] {
        xnu!(k, sendfile(from, 7, 0, sent, NULL, 0) => errno);
        xnu!(k, sendfile(from, 9, -1, NULL, NULL, 1) => errno);
    }
    xnu!(k, sendfile(3, 9, 0, sent, NULL, 0) => EBADF);
    k.poke(sent, &bytes([77]));
    xnu!(k, sendfile(3, 7, 0, sent, NULL, 0) => ENOTSOCK);
    assert_eq!(number(&k, sent, 0, 8), 0);
    // Where that cannot be told, it is not.
    xnu!(k, sendfile(3, 7, 0, 0x1000u64, NULL, 0) => ENOTSOCK);
}
