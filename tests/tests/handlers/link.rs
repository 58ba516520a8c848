//! Hard and symbolic links, and links that are open.

use crate::support::*;
use xnu_backend_mock::Credentials;

#[test]
fn a_link_is_another_name_of_the_same_file() {
    let k = machine();
    xnu!(k, link("/tmp/own", "/tmp/dir/other") => 0);
    xnu!(k, unlink("/tmp/own") => 0);
    assert_eq!(k.contents("/tmp/dir/other").as_deref(), Some(&b"hello"[..]));
    // The link is followed, unless linkat is not told so.
    xnu!(k, link("/tmp/dangling", "/tmp/x") => ENOENT);
    xnu!(k, link("/tmp/loop", "/tmp/x") => ELOOP);
    xnu!(k, symlink("nowhere", "/tmp/ours") => 0);
    xnu!(k, linkat(AT_FDCWD, "/tmp/ours", AT_FDCWD, "/tmp/x", 0) => 0);
    let buf = k.alloc(16);
    xnu!(k, readlink("/tmp/x", buf, 16) => 7);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn nobody_links_to_a_directory() {
    let k = machine();
    // Before it is looked at where the link would be.
    for to in ["/tmp/x", "/tmp/own", "/none/x", ""] {
        xnu!(k, link("/tmp/dir", to) => EPERM);
        xnu!(k, link("/tmp/none", to) => ENOENT);
    }
    xnu!(k, linkat(AT_FDCWD, "/tmp/dir", AT_FDCWD, NULL, 0) => EPERM);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn a_name_that_is_taken_is_not_taken_again() {
    let k = machine();
    for to in ["/tmp/own", "/tmp/dir", "/tmp/dangling", "/tmp/dir/", "/tmp/dirlink/", ".", "..", "/"] {
        xnu!(k, link("/tmp/own", to) => EEXIST);
        xnu!(k, symlink("own", to) => EEXIST);
    }
    // A slash asks for a directory.
    for call in ["/tmp/own/", "/tmp/link/"] {
        xnu!(k, link("/tmp/own", call) => ENOTDIR);
        xnu!(k, symlink("own", call) => ENOTDIR);
        xnu!(k, mkdir(call, 0o755) => ENOTDIR);
        xnu!(k, mkfifo(call, 0o644) => ENOTDIR);
    }
    xnu!(k, link("/tmp/own", "/tmp/new/") => ENOENT);
    xnu!(k, symlink("own", "/tmp/new/") => ENOENT);
    xnu!(k, mkfifo("/tmp/new/", 0o644) => ENOENT);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn linkat_takes_one_flag_and_two_directories() {
    let k = machine();
    for flags in [AT_EACCESS, AT_SYMLINK_NOFOLLOW, AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW_ANY] {
        xnu!(k, linkat(9, NULL, 9, NULL, flags) => EINVAL);
    }
    xnu!(k, open("/tmp/dir", O_RDONLY) => 3);
    xnu!(k, linkat(3, "file", AT_FDCWD, "/tmp/x", AT_SYMLINK_FOLLOW) => 0);
    xnu!(k, linkat(AT_FDCWD, "/tmp/own", dirty(3), "y", 0) => 0);
    xnu!(k, linkat(9, "file", 3, "z", 0) => EBADF);
    xnu!(k, linkat(3, "file", -100, "z", 0) => EBADF);
    assert!(k.exists("/tmp/x") && k.exists("/tmp/dir/y"));
}

#[test]
fn bad_pointers_and_long_paths_of_links() {
    let k = machine();
    let (own, new) = (k.place_str("/tmp/own").get(), k.place_str("/tmp/new").get());
    path_limits(&k, "link", &[0, new], 0);
    faults(&k, "link", &[0, new], 0, 2, IN);
    faults(&k, "link", &[own, 0], 1, 2, IN);
    faults(&k, "symlink", &[0, new], 0, 2, IN);
    faults(&k, "symlink", &[own, 0], 1, 2, IN);
    let cwd = AT_FDCWD as u64;
    faults(&k, "linkat", &[cwd, 0, cwd, new, 0], 1, 2, IN);
    faults(&k, "linkat", &[cwd, own, cwd, 0, 0], 3, 2, IN);
    faults(&k, "symlinkat", &[own, cwd, 0], 2, 2, IN);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn a_symbolic_link_holds_any_string() {
    let k = machine();
    let buf = k.alloc(2048);
    for (length, answer) in [(1, 0), (1023, 0)] {
        xnu!(k, symlink("x".repeat(length), format!("/tmp/s{length}")) => answer);
        xnu!(k, readlink(format!("/tmp/s{length}"), buf, 2048) => length as u64);
    }
    xnu!(k, symlink("x".repeat(1024), "/tmp/s") => ENAMETOOLONG);
    xnu!(k, symlink("", "/tmp/s") => EINVAL);
    xnu!(k, symlink("", "/tmp/own") => EEXIST);
    xnu!(k, symlink("", "/none/s") => ENOENT);
    xnu!(k, symlink("x", "") => ENOENT);
    xnu!(k, open("/tmp/dir", O_RDONLY) => 3);
    xnu!(k, symlinkat("/there", 3, "s") => 0);
    xnu!(k, symlinkat("/there", 9, "s") => EBADF);
    k.set_mode("/tmp/dir", 0o500);
    xnu!(k, symlinkat("/there", 3, "t") => EACCES);
}

#[test]
fn an_open_link_is_read_by_its_descriptor() {
    let k = machine();
    let buf = k.alloc(16);
    xnu!(k, open("/tmp/link", O_SYMLINK) => 3);
    xnu!(k, freadlink(3, buf, 16) => 3);
    assert_eq!(k.peek(buf, 3), b"own");
    xnu!(k, freadlink(3, buf, 2) => 2);
    xnu!(k, freadlink(3, NULL, 0) => 0);
    xnu!(k, freadlink(3, buf, INT_MAX) => 3);
    xnu!(k, freadlink(3, buf, INT_MAX + 1) => EINVAL);
    xnu!(k, freadlink(3, buf, u64::MAX) => EINVAL);
    xnu!(k, freadlink(9, buf, u64::MAX) => EBADF);
    xnu!(k, freadlink(-100, buf, 16) => EBADF);
    xnu!(k, freadlink(-1, buf, 16) => EBADF);
    faults(&k, "freadlink", &[3, 0, 3], 1, 3, OUT);
    xnu!(k, open("/tmp/own", O_RDONLY) => 4);
    xnu!(k, pipe() => (5, 6));
    for fd in [0, 4, 5] {
        xnu!(k, freadlink(fd, buf, 16) => EINVAL);
    }
}

#[test]
fn fifos_are_for_all_and_devices_for_the_superuser() {
    let k = machine();
    let (fifo, device, file) = (0o010644, 0o020600, 0o100644);
    xnu!(k, mkfifo("/tmp/f1", 0o644) => 0);
    xnu!(k, mknod("/tmp/f2", fifo, 7) => 0);
    xnu!(k, open("/tmp", O_RDONLY) => 3);
    xnu!(k, mkfifoat(3, "f3", 0o600) => 0);
    xnu!(k, mknodat(3, "f4", fifo, 0) => 0);
    xnu!(k, mkfifoat(9, "f5", 0o600) => EBADF);
    xnu!(k, mkfifo("/tmp/f1", 0o644) => EEXIST);
    for mode in [device, file, 0o644, 0o040755, 0o140644] {
        // Not even looked at.
        xnu!(k, mknod(NULL, mode, 0) => EPERM);
    }
    k.set_credentials(Credentials::root());
    xnu!(k, mknod("/tmp/null", device, 0x0100_0003) => 0);
    for mode in [file, 0o644, 0o040755, 0o140644] {
        xnu!(k, mknod("/tmp/x", mode, 0) => EINVAL);
        xnu!(k, mknod("/tmp/own", mode, 0) => EEXIST);
        xnu!(k, mknod("/none/x", mode, 0) => ENOENT);
    }
    let buf = k.alloc_guarded(4);
    xnu!(k, open("/tmp/null", O_RDONLY) => 4);
    xnu!(k, read(4, buf, 4) => 0);
    let words = [0, 0o644, 0];
    path_limits_of_new(&k, "mkfifo", &words[..2], 0);
    faults(&k, "mkfifo", &words[..2], 0, 2, IN);
    faults(&k, "mknod", &[0, 0o010644, 0], 0, 2, IN);
}

#[test]
fn a_fifo_may_be_given_an_owner() {
    let k = machine();
    let none = 0xffff_ff9bu32;
    xnu!(k, mkfifo_extended("/tmp/f1", none, none, 0o644, NULL) => 0);
    xnu!(k, mkfifo_extended("/tmp/f2", 1000, 1000, 0o644, NULL) => 0);
    xnu!(k, mkfifo_extended("/tmp/f3", 0, none, 0o644, NULL) => EPERM);
    assert!(!k.exists("/tmp/f3"));
    xnu!(k, mkfifo_extended("/tmp/f3", none, none, 0o644, 1u64) => ENOTSUP);
    xnu!(k, mkfifo_extended("/tmp/own", none, none, 0o644, 1u64) => EEXIST);
    xnu!(k, mkfifo_extended("/tmp/f3", none, none, 0o644, &[0u8; 44]) => EINVAL);
    assert!(!k.exists("/tmp/f3"));
    let path = k.place_str("/tmp/f3").get();
    let words = [path, none.into(), none.into(), 0o644, 0x1000];
    faults(&k, "mkfifo_extended", &words, 4, 44, IN_OR_NULL);
    faults(&k, "mkdir_extended", &words, 4, 44, IN_OR_NULL);
}
