//! Directory entries: access, unlink, readlink.

use crate::support::*;
use xnu_backend_mock::Credentials;

#[test]
fn access_asks_for_rights() {
    let k = machine();
    xnu!(k, access("/tmp/own", F_OK) => 0);
    xnu!(k, access("/tmp/own", R_OK | W_OK) => 0);
    xnu!(k, access("/tmp/own", X_OK) => EACCES);
    xnu!(k, access("/tmp/theirs", F_OK) => 0);
    xnu!(k, access("/tmp/theirs", R_OK) => EACCES);
    xnu!(k, access("/tmp/dir", X_OK) => 0);
    xnu!(k, access("/tmp/dangling", F_OK) => ENOENT);
    path_limits(&k, "access", &[0, 0], 0);
    path_limits(&k, "faccessat", &[AT_FDCWD as u64, 0, 0, 0], 1);
    faults(&k, "access", &[0, 0], 0, 2, IN);
    faults(&k, "faccessat", &[AT_FDCWD as u64, 0, 0, 0], 1, 2, IN);
}

#[test]
fn access_knows_the_extended_rights_that_are_the_basic_ones() {
    let k = machine();
    xnu!(k, access("/tmp/own", _READ_OK | _WRITE_OK | _APPEND_OK) => 0);
    xnu!(k, access("/tmp/own", _EXECUTE_OK) => EACCES);
    xnu!(k, access("/tmp/theirs", _APPEND_OK) => EACCES);
    xnu!(k, access("/tmp/theirs", _REXT_OK) => EACCES);
    xnu!(k, access("/tmp/theirs", _WEXT_OK) => EACCES);
    // Beside an extended right, a basic one is not looked at.
    xnu!(k, access("/tmp/theirs", _RATTR_OK | R_OK) => 0);
    // Bits that mean nothing are ignored.
    xnu!(k, access("/tmp/own", 0xffc0_01f8u32) => 0);
    xnu!(k, access("/tmp/own", dirty(4)) => 0);
    xnu!(k, access("/tmp/none", _READ_OK) => ENOENT);
    xnu!(k, access("/tmp/dangling", _RATTR_OK) => ENOENT);
    xnu!(k, faccessat(AT_FDCWD, "/tmp/dangling", _RATTR_OK, AT_SYMLINK_NOFOLLOW) => 0);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn rights_beyond_the_permissions_are_the_owners() {
    let k = machine();
    for right in [_RATTR_OK, _RPERM_OK] {
        xnu!(k, access("/tmp/own", right) => 0);
        xnu!(k, access("/tmp/theirs", right) => 0);
    }
    for right in [_WATTR_OK, _WPERM_OK] {
        xnu!(k, access("/tmp/own", right) => 0);
        xnu!(k, access("/tmp/theirs", right) => EACCES);
    }
    // The owner changes attributes even of what may not be written; others with the permission to write.
    k.set_mode("/tmp/own", 0o400);
    xnu!(k, access("/tmp/own", _WATTR_OK) => 0);
    xnu!(k, access("/tmp/own", _WATTR_OK | _WEXT_OK) => EACCES);
    k.set_mode("/tmp/theirs", 0o602);
    xnu!(k, access("/tmp/theirs", _WATTR_OK) => 0);
    xnu!(k, access("/tmp/theirs", _WPERM_OK) => EACCES);
    // Nobody gives a file away but the superuser.
    xnu!(k, access("/tmp/own", _CHOWN_OK) => EACCES);
    xnu!(k, access("/tmp/own", _CHOWN_OK | _WPERM_OK) => EACCES);
}

#[test]
fn what_may_be_deleted_is_for_its_directory_to_say() {
    let k = machine();
    // /tmp is sticky: each deletes their own.
    xnu!(k, access("/tmp/own", _DELETE_OK) => 0);
    xnu!(k, access("/tmp/theirs", _DELETE_OK) => EACCES);
    xnu!(k, access("/etc", _DELETE_OK) => EACCES);
    // Of a link that is followed, it is the directory of the file.
    k.add_dir("/home/locked");
    k.add_file("/home/locked/file", b"");
    k.set_owner("/home/locked/file", 1000, 1000);
    k.add_symlink("/tmp/dir/out", "/home/locked/file");
    xnu!(k, access("/tmp/dir/out", _DELETE_OK) => EACCES);
    xnu!(k, faccessat(AT_FDCWD, "/tmp/dir/out", _DELETE_OK, AT_SYMLINK_NOFOLLOW) => 0);
    xnu!(k, faccessat(AT_FDCWD, "/tmp/dir/out", _DELETE_OK, AT_SYMLINK_NOFOLLOW_ANY) => 0);
    xnu!(k, access("/tmp/dir", _RMFILE_OK) => 0);
    xnu!(k, access("/home/locked", _RMFILE_OK) => EACCES);
}

#[test]
fn the_superuser_lacks_only_what_nobody_may_execute() {
    let k = machine();
    k.set_credentials(Credentials::root());
    for right in [_CHOWN_OK, _WPERM_OK, _DELETE_OK, _WRITE_OK, _REXT_OK] {
        xnu!(k, access("/tmp/own", right) => 0);
    }
    xnu!(k, access("/tmp/own", _EXECUTE_OK) => EPERM);
    xnu!(k, access("/tmp/own", X_OK) => EPERM);
    xnu!(k, access("/tmp/dir", _EXECUTE_OK) => 0);
    xnu!(k, open("/tmp/own", O_EXEC) => EPERM);
    // Asked as the real user, who is another, and as the effective one.
    k.set_credentials(Credentials { uid: 1000, ..Credentials::root() });
    xnu!(k, faccessat(AT_FDCWD, "/tmp/theirs", _CHOWN_OK, 0) => EACCES);
    xnu!(k, faccessat(AT_FDCWD, "/tmp/theirs", _CHOWN_OK, AT_EACCESS) => 0);
    xnu!(k, faccessat(AT_FDCWD, "/tmp/own", X_OK, 0) => EACCES);
    xnu!(k, faccessat(AT_FDCWD, "/tmp/own", X_OK, AT_EACCESS) => EPERM);
}

#[test]
fn faccessat_takes_three_flags() {
    let k = machine();
    k.set_credentials(Credentials { euid: 0, ..Credentials::user(1000, 1000) });
    xnu!(k, faccessat(AT_FDCWD, "/tmp/theirs", R_OK, 0) => EACCES);
    xnu!(k, faccessat(AT_FDCWD, "/tmp/theirs", R_OK, AT_EACCESS) => 0);
    xnu!(k, faccessat(AT_FDCWD, "/tmp/dangling", F_OK, AT_SYMLINK_NOFOLLOW) => 0);
    xnu!(k, faccessat(AT_FDCWD, "/tmp/dangling", F_OK, AT_SYMLINK_NOFOLLOW_ANY) => 0);
    xnu!(k, faccessat(AT_FDCWD, "/tmp/dangling", F_OK, 0) => ENOENT);
    xnu!(k, faccessat(AT_FDCWD, "/tmp/dirlink/file", F_OK, AT_SYMLINK_NOFOLLOW) => 0);
    xnu!(k, faccessat(AT_FDCWD, "/tmp/dirlink/file", F_OK, AT_SYMLINK_NOFOLLOW_ANY) => ELOOP);
    for flags in [AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_REALDEV, AT_FDONLY] {
        xnu!(k, faccessat(AT_FDCWD, "/tmp/own", F_OK, flags) => EINVAL);
    }
    for bit in [0, 1, 2, 3, 14, 30, 31] {
        xnu!(k, faccessat(AT_FDCWD, NULL, F_OK, 1u32 << bit) => EINVAL);
    }
    xnu!(k, open("/tmp/dir", O_RDONLY) => 3);
    xnu!(k, faccessat(3, "file", R_OK, 0) => 0);
    xnu!(k, faccessat(9, "file", R_OK, 0) => EBADF);
    xnu!(k, faccessat(9, "/tmp/own", R_OK, 0) => 0);
}

#[test]
fn unlink_removes_files_and_links_but_no_directories() {
    let k = machine();
    xnu!(k, unlink("/tmp/own") => 0);
    xnu!(k, unlink("/tmp/own") => ENOENT);
    xnu!(k, unlink("/tmp/dir") => EPERM);
    xnu!(k, unlink("/tmp/dir/file/x") => ENOTDIR);
    k.add_file("/etc/passwd", b"");
    xnu!(k, unlink("/etc/passwd") => EACCES);
    // Sticky: neither the file nor the directory is ours.
    xnu!(k, unlink("/tmp/theirs") => EPERM);
    assert!(k.exists("/tmp/theirs") && k.exists("/tmp/dir"));
    let k = machine();
    path_limits(&k, "unlink", &[0], 0);
    path_limits(&k, "unlinkat", &[AT_FDCWD as u64, 0, 0], 1);
    faults(&k, "unlink", &[0], 0, 2, IN);
    faults(&k, "unlinkat", &[AT_FDCWD as u64, 0, 0], 1, 2, IN);
}

#[test]
fn unlinkat_removes_directories_when_asked() {
    let k = machine();
    xnu!(k, open("/tmp/dir", O_RDONLY) => 3);
    xnu!(k, unlinkat(AT_FDCWD, "/tmp/dir", AT_REMOVEDIR) => ENOTEMPTY);
    xnu!(k, unlinkat(3, "file", AT_REMOVEDIR) => ENOTDIR);
    xnu!(k, unlinkat(3, "file", AT_SYMLINK_NOFOLLOW_ANY) => 0);
    xnu!(k, unlinkat(3, "file", 0) => ENOENT);
    k.set_owner("/tmp/dir", 1000, 1000);
    xnu!(k, unlinkat(dirty(-2), "/tmp/dir", AT_REMOVEDIR_DATALESS) => 0);
    assert!(!k.exists("/tmp/dir"));
    for bad in [-1, -100, 9] {
        xnu!(k, unlinkat(bad, "x", 0) => EBADF);
    }
    for flags in [AT_EACCESS, AT_SYMLINK_NOFOLLOW, AT_SYMLINK_FOLLOW, AT_REALDEV, AT_FDONLY] {
        xnu!(k, unlinkat(AT_FDCWD, "/tmp/own", flags) => EINVAL);
    }
    xnu!(k, unlinkat(AT_FDCWD, NULL, 1u32 << 31) => EINVAL);
    assert!(k.exists("/tmp/own"));
}

#[test]
fn an_open_file_outlives_its_name() {
    let k = machine();
    let buf = k.alloc(8);
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, unlink("/tmp/own") => 0);
    xnu!(k, read(3, buf, 8) => 5);
}

#[test]
fn readlink_gives_the_target_without_a_terminator() {
    let k = machine();
    let buf = k.alloc_guarded(3);
    xnu!(k, readlink("/tmp/link", buf, 3) => 3);
    assert_eq!(k.peek(buf, 3), b"own");
    xnu!(k, readlink("/tmp/link", buf, 2) => 2);
    xnu!(k, readlink("/tmp/link", buf, i32::MAX) => 3);
    xnu!(k, readlink("/tmp/link", NULL, 0) => 0);
    xnu!(k, readlink("/tmp/own", buf, 3) => EINVAL);
    xnu!(k, readlink("/tmp/own", buf, 0) => EINVAL);
    xnu!(k, readlink("/tmp/none", buf, 0) => ENOENT);
    xnu!(k, readlink("/tmp/dir", buf, 3) => EINVAL);
    for size in [-1, i32::MIN] {
        xnu!(k, readlink("/tmp/link", buf, size) => EINVAL);
        xnu!(k, readlink(NULL, NULL, size) => EINVAL);
    }
    path_limits(&k, "readlink", &[0, buf.get(), 3], 0);
    faults(&k, "readlink", &[0, buf.get(), 3], 0, 2, IN);
    let link = k.place_str("/tmp/link").get();
    faults(&k, "readlink", &[link, 0, 3], 1, 3, OUT);
}

#[test]
fn readlinkat_starts_at_the_directory() {
    let k = machine();
    let buf = k.alloc(64);
    xnu!(k, open("/tmp", O_RDONLY) => 3);
    xnu!(k, readlinkat(3, "link", buf, 64) => 3);
    xnu!(k, readlinkat(dirty(3), "link", buf, 64) => 3);
    xnu!(k, readlinkat(-100, "link", buf, 64) => EBADF);
    xnu!(k, readlinkat(9, "link", buf, 64) => EBADF);
    xnu!(k, readlinkat(3, "link", buf, INT_MAX) => 3);
    xnu!(k, readlinkat(9, NULL, NULL, INT_MAX + 1) => EINVAL);
    xnu!(k, readlinkat(3, "link", buf, u64::MAX) => EINVAL);
    path_limits(&k, "readlinkat", &[AT_FDCWD as u64, 0, buf.get(), 64], 1);
    let link = k.place_str("link").get();
    faults(&k, "readlinkat", &[3, link, 0, 64], 2, 3, OUT);
}

#[test]
fn unlinking_may_go_by_no_link() {
    let k = machine();
    xnu!(k, unlinkat(AT_FDCWD, "/tmp/dirlink/file", AT_SYMLINK_NOFOLLOW_ANY) => ELOOP);
    assert!(k.exists("/tmp/dir/file"));
    xnu!(k, unlinkat(AT_FDCWD, "/tmp/none/file", AT_SYMLINK_NOFOLLOW_ANY) => ENOENT);
    xnu!(k, unlinkat(AT_FDCWD, "/tmp/own/file", AT_SYMLINK_NOFOLLOW_ANY) => ENOTDIR);
    xnu!(k, unlinkat(AT_FDCWD, "/tmp/dir", AT_SYMLINK_NOFOLLOW_ANY) => EPERM);
    // The last component is not followed.
    k.add_symlink("/tmp/dir/last", "file");
    xnu!(k, unlinkat(AT_FDCWD, "/tmp//dir//last", AT_SYMLINK_NOFOLLOW_ANY) => 0);
    assert!(k.exists("/tmp/dir/file"));
    xnu!(k, open("/tmp/dir", O_RDONLY) => 3);
    xnu!(k, unlinkat(3, "file", AT_SYMLINK_NOFOLLOW_ANY) => 0);
    xnu!(k, unlinkat(AT_FDCWD, "/tmp/dir/", AT_REMOVEDIR_DATALESS | AT_SYMLINK_NOFOLLOW_ANY) => 0);
    assert!(!k.exists("/tmp/dir"));
    assert_eq!(k.descriptors(), [0, 1, 2, 3]);
}
