//! POSIX shared memory.

use crate::support::*;

const RW_NEW: xnu_abi::darwin::fcntl::OpenFlags = O_RDWR.union(O_CREAT);

#[test]
fn a_name_is_one_word_whatever_is_in_it() {
    let k = machine();
    for name in ["/memory", "memory", "a/b", "..", "\u{e9}", &"n".repeat(31)] {
        xnu!(k, shm_open(name, O_RDWR, 0) => ENOENT);
        xnu!(k, shm_open(name, RW_NEW, 0o640) => 3);
        xnu!(k, fcntl(3, F_GETFD) => 1);
        xnu!(k, shm_open(name, O_RDONLY, 0) => 4);
        xnu!(k, shm_open(name, RW_NEW | O_EXCL, 0o600) => EEXIST);
        xnu!(k, shm_unlink(name) => 0);
        xnu!(k, shm_unlink(name) => ENOENT);
        xnu!(k, close(3) => 0);
        xnu!(k, close(4) => 0);
    }
    xnu!(k, shm_open("", RW_NEW, 0o600) => EINVAL);
    xnu!(k, shm_open(&*"n".repeat(32), RW_NEW, 0o600) => ENAMETOOLONG);
    xnu!(k, shm_unlink("") => EINVAL);
    xnu!(k, shm_unlink(&*"n".repeat(32)) => EINVAL);
    xnu!(k, shm_unlink(NULL) => EINVAL);
    faults(&k, "shm_open", &[0, 2, 0], 0, 2, IN);
}

#[test]
fn the_mode_is_taken_whatever_the_mask() {
    let k = machine();
    xnu!(k, umask(0o777));
    xnu!(k, shm_open("x", RW_NEW, 0o100_666) => 3);
    let path = format!("/dev/shm/xnu-{:02x}", b'x');
    assert_eq!(mode_and_owner(&k, &path), (0o666, 1000, 1000));
}

#[test]
fn what_has_a_length_is_not_truncated() {
    let k = machine();
    xnu!(k, shm_open("x", RW_NEW, 0o600) => 3);
    xnu!(k, shm_open("x", O_RDWR | O_TRUNC, 0) => 4);
    xnu!(k, close(4) => 0);
    xnu!(k, ftruncate(3, 100) => 0);
    xnu!(k, shm_open("x", O_RDWR | O_TRUNC, 0) => EINVAL);
    xnu!(k, shm_open("x", O_RDWR, 0) => 4);
    assert_eq!(k.descriptors(), [0, 1, 2, 3, 4]);
}

#[test]
fn neither_reading_nor_writing_is_no_access() {
    let k = machine();
    xnu!(k, shm_open("x", 3 | 0x200, 0o600) => EINVAL);
}
