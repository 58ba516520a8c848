//! Making, removing and entering directories.

use crate::support::*;

#[test]
fn a_directory_is_made_with_its_permissions_alone() {
    let k = machine();
    let stat = k.alloc(144);
    xnu!(k, mkdir("/tmp/new", 0o7777) => 0);
    xnu!(k, stat64("/tmp/new", stat) => 0);
    assert_eq!(number(&k, stat, 4, 2), 0o040755, "the mask is 022");
    xnu!(k, mkdir("/tmp/slashed///", dirty(0o700)) => 0);
    xnu!(k, open("/tmp/new", O_RDONLY) => 3);
    xnu!(k, mkdirat(3, "below", 0o755) => 0);
    xnu!(k, mkdirat(9, "below", 0o755) => EBADF);
    assert!(k.exists("/tmp/new/below") && k.exists("/tmp/slashed"));
    for path in ["/tmp/new", "/tmp/own", "/tmp/dangling", "/tmp/dirlink/", ".", "..", "/", "/tmp/new/."] {
        xnu!(k, mkdir(path, 0o755) => EEXIST);
    }
    xnu!(k, mkdir("/etc/x", 0o755) => EACCES);
    xnu!(k, mkdir("/etc/../tmp", 0o755) => EEXIST);
    xnu!(k, mkdir("/tmp/own/x", 0o755) => ENOTDIR);
    xnu!(k, mkdir("", 0o755) => ENOENT);
    path_limits_of_new(&k, "mkdir", &[0, 0o755], 0);
    faults(&k, "mkdir", &[0, 0o755], 0, 2, IN);
    faults(&k, "mkdirat", &[AT_FDCWD as u64, 0, 0o755], 1, 2, IN);
    assert_eq!(k.descriptors(), [0, 1, 2, 3]);
}

#[test]
fn mkdir_extended_ignores_the_owner_and_refuses_lists() {
    let k = machine();
    let own = k.alloc(144);
    xnu!(k, mkdir_extended("/tmp/new", 0, 0, 0o700, NULL) => 0);
    xnu!(k, stat64("/tmp/new", own) => 0);
    assert_eq!(number(&k, own, 16, 4), 1000);
    xnu!(k, mkdir_extended("/tmp/other", 0, 0, 0o700, 1u64) => ENOTSUP);
    xnu!(k, mkdir_extended("/tmp/new", 0, 0, 0o700, 1u64) => EEXIST);
    xnu!(k, mkdir_extended("/none/new", 0, 0, 0o700, 1u64) => ENOENT);
    assert!(!k.exists("/tmp/other"));
}

#[test]
fn rmdir_removes_what_is_an_empty_directory() {
    let k = machine();
    xnu!(k, mkdir("/tmp/new", 0o755) => 0);
    xnu!(k, rmdir("/tmp/new/") => 0);
    assert!(!k.exists("/tmp/new"));
    xnu!(k, rmdir("/tmp/new") => ENOENT);
    xnu!(k, rmdir("/tmp/dir") => ENOTEMPTY);
    xnu!(k, rmdir("/tmp/own") => ENOTDIR);
    xnu!(k, symlink("dir", "/tmp/dir/link") => 0);
    xnu!(k, rmdir("/tmp/dir/link") => ENOTDIR);
    xnu!(k, rmdir("/tmp/dir/.") => EINVAL);
    xnu!(k, rmdir("/tmp/dir/..") => ENOTEMPTY);
    xnu!(k, rmdir("/") => EISDIR);
    xnu!(k, unlink("/") => EISDIR);
    xnu!(k, unlink("/tmp/dir/..") => EPERM);
    path_limits(&k, "rmdir", &[0], 0);
    faults(&k, "rmdir", &[0], 0, 2, IN);
}
