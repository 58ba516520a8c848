//! `chmod` and its kin, `umask`.

use crate::support::*;
use xnu_backend_mock::Credentials;

fn mode(k: &Machine<xnu_backend_mock::Mock>, path: &str) -> u64 {
    mode_and_owner(k, path).0
}

#[test]
fn chmod_sets_twelve_bits_and_no_more() {
    let k = machine();
    xnu!(k, chmod("/tmp/own", 0o640) => 0);
    assert_eq!(mode(&k, "/tmp/own"), 0o640);
    xnu!(k, chmod("/tmp/link", dirty(0o170751)) => 0);
    assert_eq!(mode(&k, "/tmp/own"), 0o751);
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, fchmod(3, 0o7123) => 0);
    assert_eq!(mode(&k, "/tmp/own"), 0o7123);
    xnu!(k, fchmodat(AT_FDCWD, "/tmp/dir", 0o700, 0) => 0);
    assert_eq!(mode(&k, "/tmp/dir"), 0o700);
    xnu!(k, open("/tmp/dir", O_RDONLY) => 4);
    xnu!(k, fchmodat(4, "file", 0o111, AT_SYMLINK_NOFOLLOW) => 0);
    assert_eq!(mode(&k, "/tmp/dir/file"), 0o111);
    xnu!(k, fchmodat(4, "file", 0o222, AT_SYMLINK_NOFOLLOW_ANY) => 0);
    assert_eq!(mode(&k, "/tmp/dir/file"), 0o222);
}

#[test]
fn a_link_has_no_mode_of_its_own() {
    let k = machine();
    k.set_credentials(Credentials::user(0, 0));
    xnu!(k, fchmodat(AT_FDCWD, "/tmp/link", 0o600, AT_SYMLINK_NOFOLLOW) => ENOTSUP);
    xnu!(k, fchmodat(AT_FDCWD, "/tmp/dirlink/file", 0o600, AT_SYMLINK_NOFOLLOW_ANY) => ELOOP);
    xnu!(k, open("/tmp/link", O_SYMLINK) => 3);
    xnu!(k, fchmod(3, 0o600) => ENOTSUP);
}

#[test]
fn chmod_is_for_the_owner() {
    let k = machine();
    xnu!(k, chmod("/tmp/theirs", 0o644) => EPERM);
    // Whoever changes nothing needs no right to it.
    xnu!(k, chmod("/tmp/theirs", 0o600) => 0);
    xnu!(k, fchmodat(AT_FDCWD, "/tmp/own", 0o600, AT_EACCESS) => EINVAL);
    xnu!(k, fchmodat(9, "own", 0o600, 0) => EBADF);
    xnu!(k, fchmod(9, 0o600) => EBADF);
    xnu!(k, fchmod(-1, 0o600) => EBADF);
    xnu!(k, pipe() => (3, 4));
    xnu!(k, fchmod(3, 0o600) => EINVAL);
    path_limits(&k, "chmod", &[0, 0o600], 0);
    path_limits(&k, "fchmodat", &[AT_FDCWD as u64, 0, 0o600, 0], 1);
    faults(&k, "chmod", &[0, 0o600], 0, 2, IN);
}

#[test]
fn set_gid_is_for_members_of_the_group() {
    let k = machine();
    k.set_owner("/tmp/own", 1000, 7);
    xnu!(k, chmod("/tmp/own", 0o2755) => EPERM);
    assert_eq!(mode(&k, "/tmp/own"), 0o644);
    let mut member = Credentials::user(1000, 1000);
    member.groups = vec![5, 7];
    k.set_credentials(member);
    xnu!(k, chmod("/tmp/own", 0o2755) => 0);
    assert_eq!(mode(&k, "/tmp/own"), 0o2755);
    k.set_credentials(Credentials::user(1000, 1000));
    // It has it already.
    xnu!(k, chmod("/tmp/own", 0o2755) => 0);
    k.set_owner("/tmp/own", 1000, 1000);
    xnu!(k, chmod("/tmp/own", 0o2700) => 0);
}

#[test]
fn chmod_extended_leaves_what_it_is_not_told() {
    let k = machine();
    const NONE: u32 = !100;
    xnu!(k, chmod_extended("/tmp/own", NONE, NONE, -1, NULL) => 0);
    assert_eq!(mode_and_owner(&k, "/tmp/own"), (0o644, 1000, 1000));
    xnu!(k, chmod_extended("/tmp/own", 1000, NONE, 0o4711, NULL) => 0);
    assert_eq!(mode_and_owner(&k, "/tmp/own"), (0o4711, 1000, 1000));
    xnu!(k, chmod_extended("/tmp/own", 0, NONE, 0o600, NULL) => EPERM);
    xnu!(k, chmod_extended("/tmp/none", NONE, NONE, -1, NULL) => ENOENT);
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, fchmod_extended(3, NONE, 1000, 0o755, NULL) => 0);
    assert_eq!(mode_and_owner(&k, "/tmp/own"), (0o755, 1000, 1000));
    xnu!(k, fchmod_extended(9, NONE, NONE, -1, NULL) => EBADF);
}

#[test]
fn there_are_no_access_control_lists() {
    let k = machine();
    const NONE: u32 = !100;
    const MAGIC: u32 = 0x012c_c16d;
    let try_list = |path: &str, list: u64| {
        k.by_name("chmod_extended", &[k.place_str(path).get(), NONE.into(), NONE.into(), u64::MAX, list])
    };
    let list = |magic, entries| k.place(&filesec(magic, entries)).get();
    assert_eq!(try_list("/tmp/own", 1), Answer::reply(ENOTSUP));
    assert_eq!(try_list("/tmp/own", list(MAGIC, 2)), Answer::reply(ENOTSUP));
    assert_eq!(try_list("/tmp/own", list(MAGIC, u32::MAX)), Answer::reply(ENOTSUP));
    assert_eq!(try_list("/tmp/own", list(MAGIC + 1, 0)), Answer::reply(EINVAL));
    assert_eq!(try_list("/tmp/own", list(MAGIC, 129)), Answer::reply(EINVAL));
    assert_eq!(try_list("/tmp/own", list(MAGIC, 3)), Answer::reply(EFAULT));
    assert_eq!(try_list("/tmp/own", 2), Answer::reply(EFAULT));
    assert_eq!(try_list("/tmp/theirs", 1), Answer::reply(EPERM));
    assert_eq!(try_list("/tmp/none", 1), Answer::reply(ENOENT));
    assert_eq!(try_list("/tmp/none", 2), Answer::reply(EFAULT));
    let (buf, size) = (k.alloc(144), k.alloc(8));
    k.poke(size, &[7; 8]);
    xnu!(k, stat64_extended("/tmp/own", buf, NULL, size) => 0);
    assert_eq!(number(&k, size, 0, 8), 0x0707_0707_0707_0707, "not asked for");
    for name in ["stat64_extended", "lstat64_extended", "stat_extended", "lstat_extended"] {
        k.poke(size, &[7; 8]);
        let words = [k.place_str("/tmp/own").get(), buf.get(), 1, size.get()];
        assert_eq!(k.by_name(name, &words), Answer::reply(0), "{name}");
        assert_eq!(number(&k, size, 0, 8), 0, "{name}");
        faults(&k, name, &[words[0], words[1], 1, 0], 3, 8, OUT);
    }
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    for name in ["fstat64_extended", "fstat_extended"] {
        k.poke(size, &[7; 8]);
        assert_eq!(k.by_name(name, &[3, buf.get(), 1, size.get()]), Answer::reply(0), "{name}");
        assert_eq!(number(&k, size, 0, 8), 0, "{name}");
    }
}

#[test]
fn umask_answers_the_mask_before() {
    let k = machine();
    let before = k.by_name("umask", &[dirty(0o27)]);
    xnu!(k, umask(0o77) => 0o27);
    xnu!(k, open("/tmp/new", O_WRONLY | O_CREAT, 0o666) => 3);
    assert_eq!(mode(&k, "/tmp/new"), 0o600);
    xnu!(k, umask_extended(0o22, 0x10) => 0o77);
    assert_eq!(k.by_name("umask", &[0]), Answer::reply(0o22));
    assert!(matches!(before, xnu_core::Reply::Value(_, 0)));
}

#[test]
fn purging_is_for_the_superuser() {
    let k = machine();
    xnu!(k, vfs_purge() => EPERM);
    k.set_credentials(Credentials::user(0, 0));
    xnu!(k, vfs_purge() => 0);
}
