//! `chown` and its kin.

use crate::support::*;
use xnu_backend_mock::Credentials;

const KEEP: i32 = -1;

#[test]
fn the_superuser_gives_files_away() {
    let k = machine();
    k.set_credentials(Credentials::user(0, 0));
    xnu!(k, chown("/tmp/own", 5, 6) => 0);
    assert_eq!(mode_and_owner(&k, "/tmp/own"), (0o644, 5, 6));
    xnu!(k, chown("/tmp/link", dirty(7), KEEP) => 0);
    assert_eq!(mode_and_owner(&k, "/tmp/own"), (0o644, 7, 6));
    xnu!(k, lchown("/tmp/link", 8, 9) => 0);
    assert_eq!(mode_and_owner(&k, "/tmp/own"), (0o644, 7, 6));
    assert_eq!(mode_and_owner(&k, "/tmp/link"), (0o777, 8, 9));
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, fchown(3, KEEP, 11) => 0);
    assert_eq!(mode_and_owner(&k, "/tmp/own"), (0o644, 7, 11));
    xnu!(k, open("/tmp", O_RDONLY) => 4);
    xnu!(k, fchownat(4, "link", 1, 2, AT_SYMLINK_NOFOLLOW) => 0);
    assert_eq!(mode_and_owner(&k, "/tmp/link"), (0o777, 1, 2));
    // In a sticky directory nobody else's link is followed.
    xnu!(k, fchownat(4, "link", 3, 4, 0) => EACCES);
    xnu!(k, fchownat(4, "own", 3, 4, 0) => 0);
    assert_eq!(mode_and_owner(&k, "/tmp/own"), (0o644, 3, 4));
    xnu!(k, open("/tmp/link", O_SYMLINK) => 5);
    xnu!(k, fchown(5, 21, 22) => 0);
    assert_eq!(mode_and_owner(&k, "/tmp/link"), (0o777, 21, 22));
}

#[test]
fn others_may_only_change_nothing() {
    let k = machine();
    xnu!(k, chown("/tmp/own", 0, KEEP) => EPERM);
    xnu!(k, chown("/tmp/own", 1000, 1000) => 0);
    xnu!(k, chown("/tmp/own", KEEP, 7) => EPERM);
    xnu!(k, chown("/tmp/theirs", 1000, KEEP) => EPERM);
    xnu!(k, chown("/tmp/theirs", 0, KEEP) => 0);
    xnu!(k, chown("/tmp/theirs", KEEP, KEEP) => 0);
    xnu!(k, chown("/tmp/none", KEEP, KEEP) => ENOENT);
    k.set_mode("/tmp/theirs", 0o4700);
    xnu!(k, chown("/tmp/theirs", 0, KEEP) => EPERM);
    let mut member = Credentials::user(1000, 1000);
    member.groups = vec![7];
    k.set_credentials(member);
    xnu!(k, chown("/tmp/own", KEEP, 7) => 0);
    assert_eq!(mode_and_owner(&k, "/tmp/own"), (0o644, 1000, 7));
}

#[test]
fn set_id_bits_go_with_the_owner() {
    let k = machine();
    k.set_credentials(Credentials::user(0, 0));
    for path in ["/tmp/own", "/tmp/dir"] {
        k.set_mode(path, 0o6644);
        xnu!(k, chown(path, KEEP, KEEP) => 0);
        assert_eq!(mode_and_owner(&k, path).0, 0o6644);
        xnu!(k, chown(path, 5, KEEP) => 0);
        assert_eq!(mode_and_owner(&k, path), (0o644, 5, 1000), "{path}");
    }
}

#[test]
fn chown_fails_as_the_look_up_does() {
    let k = machine();
    xnu!(k, fchownat(AT_FDCWD, "/tmp/own", 1, 1, AT_SYMLINK_NOFOLLOW_ANY) => EINVAL);
    xnu!(k, fchownat(9, "own", 1000, 1000, 0) => EBADF);
    xnu!(k, fchown(9, 1000, 1000) => EBADF);
    xnu!(k, pipe() => (3, 4));
    xnu!(k, fchown(4, 1000, 1000) => EINVAL);
    path_limits(&k, "chown", &[0, 1000, 1000], 0);
    path_limits(&k, "lchown", &[0, 1000, 1000], 0);
    path_limits(&k, "fchownat", &[AT_FDCWD as u64, 0, 1000, 1000, 0], 1);
    faults(&k, "chown", &[0, 1000, 1000], 0, 2, IN);
}
