//! `open` with an owner, a list, or data protection.

use crate::support::*;
use xnu_abi::darwin::Errno;
use xnu_backend_mock::Credentials;
use xnu_core::Reply;

const NOBODY: u32 = u32::MAX - 100;
const O_DP_RAW: [u32; 3] = [1, 2, 3];

fn filesec(magic: u32, entries: u32, room: usize) -> Vec<u8> {
    let mut bytes = vec![0; 44 + 24 * room];
    bytes[..4].copy_from_slice(&magic.to_le_bytes());
    bytes[36..40].copy_from_slice(&entries.to_le_bytes());
    bytes
}

const MAGIC: u32 = 0x012c_c16d;

#[test]
fn without_an_owner_it_is_open() {
    let k = machine();
    xnu!(k, open_extended("/tmp/own", O_RDONLY, NOBODY, NOBODY, 0, NULL) => 3);
    xnu!(k, open_extended("/tmp/new", O_WRONLY | O_CREAT, NOBODY, NOBODY, 0o6640, NULL) => 4);
    let stat = k.alloc(144);
    xnu!(k, fstat64(4, stat) => 0);
    assert_eq!(number(&k, stat, 4, 2), 0o100640);
    xnu!(k, open_extended("/tmp/new", O_WRONLY | O_CREAT | O_EXCL, NOBODY, NOBODY, 0o640, NULL) => Errno::EEXIST);
    xnu!(k, open_extended("/tmp/theirs", O_RDONLY, 1000, 1000, 0, NULL) => EACCES);
    path_limits(&k, "open_extended", &[0, 0, 1, 1, 0, 0], 0);
}

#[test]
fn a_new_file_gets_its_owner_and_an_old_one_keeps_its_own() {
    let k = machine();
    xnu!(k, open_extended("/tmp/new", O_RDWR | O_CREAT, 0, NOBODY, 0o600, NULL) => EPERM);
    assert!(!k.exists("/tmp/new"));
    xnu!(k, open_extended("/tmp/new", O_RDWR | O_CREAT, 1000, 7, 0o600, NULL) => EPERM);
    assert_eq!(k.descriptors(), [0, 1, 2]);
    k.set_credentials(Credentials::root());
    xnu!(k, open_extended("/tmp/made", O_RDWR | O_CREAT, 5, 7, 0o600, NULL) => 3);
    let stat = k.alloc(144);
    xnu!(k, fstat64(3, stat) => 0);
    assert_eq!((number(&k, stat, 16, 4), number(&k, stat, 20, 4)), (5, 7));
    xnu!(k, open_extended("/tmp/made", O_RDWR | O_CREAT, 9, 9, 0o600, NULL) => 4);
    xnu!(k, fstat64(4, stat) => 0);
    assert_eq!((number(&k, stat, 16, 4), number(&k, stat, 20, 4)), (5, 7));
    xnu!(k, open_extended("/tmp/made", O_RDWR | O_CREAT | O_EXCL, 9, 9, 0o600, NULL) => Errno::EEXIST);
}

#[test]
fn no_file_is_made_with_a_list() {
    let k = machine();
    for entries in [0, 1, 128, u32::MAX] {
        let room = if entries == u32::MAX { 0 } else { entries as usize };
        let list = filesec(MAGIC, entries, room);
        xnu!(k, open_extended("/tmp/new", O_RDWR | O_CREAT, NOBODY, NOBODY, 0o600, list.clone()) => EINVAL);
        let fd = value(xnu!(k, open_extended("/tmp/own", O_RDWR | O_CREAT, NOBODY, NOBODY, 0o600, list)));
        assert_eq!(xnu!(k, close(fd)), Reply::Value(0, 0));
    }
    assert!(!k.exists("/tmp/new"));
    for wrong in [filesec(1, 0, 0), filesec(MAGIC, 129, 129)] {
        xnu!(k, open_extended("/tmp/own", O_RDONLY, NOBODY, NOBODY, 0, wrong) => EINVAL);
    }
    let none = u64::from(NOBODY);
    faults(&k, "open_extended", &[k.place_str("/tmp/own").get(), 0, none, none, 0, 0], 5, 44, IN_OR_NULL);
    xnu!(k, open_extended("/tmp/own", O_RDONLY, NOBODY, NOBODY, 0, 1) => EFAULT);
    // A list that ends before its last entry does.
    let short = k.alloc_guarded(44 + 24 + 23);
    k.poke(short, &filesec(MAGIC, 2, 2)[..44 + 24 + 23]);
    xnu!(k, open_extended("/tmp/own", O_RDONLY, NOBODY, NOBODY, 0, short) => EFAULT);
}

#[test]
fn what_is_opened_raw_is_not_written() {
    let k = machine();
    for raw in O_DP_RAW {
        xnu!(k, open_dprotected_np("/tmp/own", O_WRONLY, 4, raw, 0) => EINVAL);
        xnu!(k, open_dprotected_np("/tmp/own", O_RDWR, 4, raw, 0) => EINVAL);
        xnu!(k, openat_dprotected_np(AT_FDCWD, "/tmp/own", O_RDWR, 4, raw, 0, -1) => EINVAL);
        let fd = value(xnu!(k, open_dprotected_np("/tmp/own", O_RDONLY, 4, raw, 0)));
        xnu!(k, close(fd) => 0);
    }
    xnu!(k, open_dprotected_np("/tmp/own", O_RDONLY, 4, 4, 0) => EINVAL);
    xnu!(k, openat_dprotected_np(AT_FDCWD, "/tmp/own", O_WRONLY, 4, 4, 0, -1) => EINVAL);
    xnu!(k, openat_dprotected_np(AT_FDCWD, "/tmp/own", O_RDONLY | O_CREAT, 4, 4, 0, -1) => EINVAL);
    xnu!(k, openat_dprotected_np(AT_FDCWD, "/tmp/own", O_RDONLY, 4, 4, 0, 9) => EBADF);
    xnu!(k, openat_dprotected_np(AT_FDCWD, "/tmp/own", O_RDONLY, 4, 4, 0, 0) => 3);
    xnu!(k, open_dprotected_np("/tmp/new", O_RDWR | O_CREAT, 3, 0, 0o600) => 4);
    path_limits(&k, "open_dprotected_np", &[0, 0, 0, 0, 0], 0);
    path_limits(&k, "openat_dprotected_np", &[AT_FDCWD as u64, 0, 0, 0, 0, 0, u64::MAX], 1);
}
