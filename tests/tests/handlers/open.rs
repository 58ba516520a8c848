//! `open` and `openat`.

use crate::support::*;
use xnu_abi::linux::{Errno, Sysno};
use xnu_backend_mock::{Credentials, Plan};

#[test]
fn access_modes_are_what_the_descriptor_says() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, open("/tmp/own", O_WRONLY) => 4);
    xnu!(k, open("/tmp/own", O_RDWR) => 5);
    xnu!(k, fcntl(3, F_GETFL, 0) => 0);
    xnu!(k, fcntl(4, F_GETFL, 0) => 1);
    xnu!(k, fcntl(5, F_GETFL, 0) => 2);
    xnu!(k, open("/tmp/own", 3) => EINVAL);
    xnu!(k, open("", 3) => EINVAL);
}

#[test]
fn creation_takes_the_permissions_and_the_umask_and_no_more() {
    let k = machine();
    let buf = k.alloc(144);
    xnu!(k, open("/tmp/new", O_RDWR | O_CREAT, 0o7777) => 3);
    xnu!(k, fstat64(3, buf) => 0);
    assert_eq!(number(&k, buf, 4, 2), 0o100755);
    // The mode is 16 bits of the register.
    xnu!(k, open("/tmp/newer", O_RDWR | O_CREAT, 0xffff_ffff_ffff_0000u64 | 0o600) => 4);
    xnu!(k, fstat64(4, buf) => 0);
    assert_eq!(number(&k, buf, 4, 2), 0o100600);
    xnu!(k, open("/tmp/new", O_RDWR | O_CREAT | O_EXCL, 0o600) => EEXIST);
    xnu!(k, open("/tmp/dangling", O_RDWR | O_CREAT | O_EXCL, 0o600) => EEXIST);
    xnu!(k, open("/tmp/none", O_RDWR | O_EXCL, 0o600) => ENOENT);
    xnu!(k, open("/tmp/own", O_RDWR | O_EXCL, 0o600) => 5);
}

#[test]
fn truncation_empties_the_file() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_WRONLY | O_TRUNC) => 3);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"");
}

#[test]
fn errors_of_the_look_up_come_through() {
    let k = machine();
    xnu!(k, open("/tmp/none", O_RDONLY) => ENOENT);
    xnu!(k, open("/tmp/theirs", O_RDONLY) => EACCES);
    xnu!(k, open("/tmp/own/x", O_RDONLY) => ENOTDIR);
    xnu!(k, open("/tmp/loop", O_RDONLY) => ELOOP);
    xnu!(k, open("/tmp/dangling", O_RDONLY) => ENOENT);
    xnu!(k, open("/tmp/dir", O_WRONLY) => EISDIR);
    xnu!(k, open("/tmp/dir", O_RDWR | O_CREAT, 0o600) => EISDIR);
    xnu!(k, open("/etc/new", O_RDWR | O_CREAT, 0o600) => EACCES);
    xnu!(k, open("/tmp/own", O_RDONLY | O_DIRECTORY) => ENOTDIR);
    k.set_credentials(Credentials::root());
    xnu!(k, open("/tmp/theirs", O_RDONLY) => 3);
    path_limits(&k, "open", &[0, 0, 0], 0);
    path_limits(&k, "openat", &[AT_FDCWD as u64, 0, 0, 0], 1);
}

#[test]
fn paths_that_cannot_be_read_are_efault() {
    let k = machine();
    faults(&k, "open", &[0, 0, 0], 0, 2, IN);
    faults(&k, "openat", &[AT_FDCWD as u64, 0, 0, 0], 1, 2, IN);
    // The directory is not looked at before the path is copied.
    faults(&k, "openat", &[99, 0, 0, 0], 1, 2, IN);
}

#[test]
fn a_path_may_end_with_its_page() {
    let k = machine();
    for length in [255, 256, 257, 1023] {
        let path = format!("{}tmp/own", "/".repeat(length - 7));
        let fd = value(xnu!(k, open(path.as_str(), O_RDONLY)));
        xnu!(k, close(fd) => 0);
    }
    // The terminator is the first byte of the next page.
    let two = k.alloc(2 * PAGE as usize);
    let at = xnu_core::UserAddr::new(two.get() + PAGE - 8);
    k.poke(at, b"/tmp/own\0");
    xnu!(k, open(at, O_RDONLY) => 3);
}

#[test]
fn existing_directories_open_for_reading_even_with_o_creat() {
    let k = machine();
    xnu!(k, open("/tmp/dir", O_RDONLY | O_CREAT, 0o600) => 3);
    xnu!(k, open("/tmp/dir", O_RDONLY | O_CREAT | O_EXCL, 0o600) => EEXIST);
    xnu!(k, open("/tmp/dir", O_RDONLY | O_CREAT | O_TRUNC, 0o600) => EISDIR);
    xnu!(k, open("/tmp/dir", O_RDONLY | O_CREAT | O_DIRECTORY, 0o600) => EINVAL);
    xnu!(k, open("/tmp/dir", O_RDONLY | O_DIRECTORY) => 4);
}

#[test]
fn links_are_followed_unless_told_otherwise() {
    let k = machine();
    let buf = k.alloc(144);
    xnu!(k, open("/tmp/link", O_RDONLY) => 3);
    xnu!(k, open("/tmp/link", O_RDONLY | O_NOFOLLOW) => ELOOP);
    xnu!(k, open("/tmp/link", O_RDONLY | O_NOFOLLOW_ANY) => ELOOP);
    xnu!(k, open("/tmp/dirlink/file", O_RDONLY | O_NOFOLLOW) => 4);
    xnu!(k, open("/tmp/dirlink/file", O_RDONLY | O_NOFOLLOW_ANY) => ELOOP);
    xnu!(k, open("/tmp/link", O_RDONLY | O_NOFOLLOW | O_NOFOLLOW_ANY) => EINVAL);
    xnu!(k, open("/tmp/link", O_RDONLY | O_SYMLINK) => 5);
    xnu!(k, fstat64(5, buf) => 0);
    assert_eq!(number(&k, buf, 4, 2) & 0o170000, 0o120000);
    xnu!(k, open("/tmp/own", O_RDWR | O_SYMLINK) => 6);
    xnu!(k, fstat64(6, buf) => 0);
    assert_eq!(number(&k, buf, 4, 2) & 0o170000, 0o100000);
}

#[test]
fn a_path_may_be_kept_beneath_its_directory() {
    let k = machine();
    xnu!(k, open("/tmp/dir", O_RDONLY) => 3);
    xnu!(k, openat(3, "file", O_RDONLY | O_RESOLVE_BENEATH) => 4);
    xnu!(k, openat(3, "../own", O_RDONLY | O_RESOLVE_BENEATH) => EACCES);
    xnu!(k, openat(3, "/tmp/own", O_RDONLY | O_RESOLVE_BENEATH) => EACCES);
    xnu!(k, openat(3, "../own", O_RDONLY) => 5);
    xnu!(k, openat(3, "made", O_RDWR | O_CREAT | O_RESOLVE_BENEATH, 0o7777) => 6);
}

#[test]
fn relative_paths_start_at_the_directory() {
    let k = machine();
    k.add_file("/home/user/here", b"");
    xnu!(k, openat(AT_FDCWD, "here", O_RDONLY) => 3);
    xnu!(k, openat(dirty(-2), "here", O_RDONLY) => 4);
    xnu!(k, open("/tmp/dir", O_RDONLY) => 5);
    xnu!(k, openat(5, "file", O_RDONLY) => 6);
    xnu!(k, openat(6, "file", O_RDONLY) => ENOTDIR);
    for bad in [-1, -3, -100, 99, i32::MAX, i32::MIN] {
        xnu!(k, openat(bad, "here", O_RDONLY) => EBADF);
    }
    // An absolute path has no use for the directory.
    xnu!(k, openat(99, "/tmp/own", O_RDONLY) => 7);
    xnu!(k, openat(-100, "/tmp/own", O_RDONLY) => 8);
}

#[test]
fn flags_without_a_meaning_are_ignored() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR | O_NOCTTY | O_EVTONLY) => 3);
    // 0x2000, 0x4000 and 0x10000 are the kernel's own or unused.
    xnu!(k, open("/tmp/own", 0x0001_6000 | 2) => 4);
    xnu!(k, fcntl(4, F_GETFL, 0) => 2);
    xnu!(k, open("/tmp/own", dirty(0)) => 5);
}

#[test]
fn status_flags_are_kept() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR | O_NONBLOCK | O_APPEND) => 3);
    xnu!(k, fcntl(3, F_GETFL, 0) => (O_RDWR | O_NONBLOCK | O_APPEND).bits() as i32);
    xnu!(k, open("/tmp/own", O_RDWR | O_CLOEXEC | O_SYNC) => 4);
    xnu!(k, fcntl(4, F_GETFD, 0) => 1);
    xnu!(k, fcntl(4, F_GETFL, 0) => (O_RDWR | O_SYNC).bits() as i32);
    xnu!(k, open("/tmp/own", O_RDWR | O_DSYNC) => 5);
    xnu!(k, fcntl(5, F_GETFL, 0) => (O_RDWR | O_DSYNC).bits() as i32);
}

#[test]
fn executing_is_neither_reading_nor_writing() {
    let k = machine();
    let buf = k.alloc(8);
    k.set_mode("/tmp/own", 0o755);
    xnu!(k, open("/tmp/own", O_WRONLY | O_EXEC) => EINVAL);
    xnu!(k, open("/tmp/own", O_RDWR | O_EXEC) => EINVAL);
    xnu!(k, open("/tmp/own", O_RDONLY | O_EXEC) => 3);
    xnu!(k, read(3, buf, 1) => EBADF);
    xnu!(k, write(3, buf, 1) => EBADF);
}

#[test]
fn only_what_may_be_executed_opens_for_that() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_EXEC) => EACCES);
    xnu!(k, open("/tmp/theirs", O_EXEC) => EACCES);
    xnu!(k, open("/tmp/fifo", O_EXEC) => EACCES);
    xnu!(k, open("/dev/null", O_EXEC) => EACCES);
    xnu!(k, open("/tmp/link", O_EXEC | O_SYMLINK) => EACCES);
    xnu!(k, open("/tmp/link", O_EXEC | O_NOFOLLOW) => ELOOP);
    xnu!(k, open("/tmp/none", O_EXEC) => ENOENT);
    // A directory can be opened to be searched, and says so.
    xnu!(k, open("/tmp/dir", O_EXEC) => EISDIR);
    assert_eq!(k.descriptors(), [0, 1, 2]);
    xnu!(k, open("/tmp/dir", O_EXEC | O_DIRECTORY) => 3);
    xnu!(k, openat(3, "file", O_RDONLY) => 4);
    xnu!(k, open("/tmp/own", O_EXEC | O_DIRECTORY) => ENOTDIR);
    k.set_mode("/tmp/dir", 0o600);
    xnu!(k, open("/tmp/dir", O_EXEC | O_DIRECTORY) => EACCES);
    // What was just made is not asked for its rights; what is there is neither made nor emptied in vain.
    xnu!(k, open("/tmp/made", O_EXEC | O_CREAT, 0o600) => 5);
    assert!(k.exists("/tmp/made"));
    xnu!(k, open("/tmp/made", O_EXEC | O_CREAT, 0o600) => EACCES);
    xnu!(k, open("/tmp/made", O_EXEC | O_CREAT | O_EXCL, 0o600) => EEXIST);
    xnu!(k, open("/tmp/own", O_EXEC | O_TRUNC) => EACCES);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"hello");
    k.set_mode("/tmp/own", 0o755);
    xnu!(k, open("/tmp/own", O_EXEC | O_TRUNC) => 6);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"");
    k.set_mode("/tmp/theirs", 0o755);
    xnu!(k, open("/tmp/theirs", O_EXEC | O_TRUNC) => EACCES);
    xnu!(k, open("/tmp/theirs", O_EXEC) => 7);
}

#[test]
fn a_slash_at_the_end_makes_no_file() {
    let k = machine();
    for flags in [O_RDONLY, O_RDWR] {
        xnu!(k, open("/tmp/new/", flags | O_CREAT, 0o600) => ENOENT);
        xnu!(k, open("/tmp/new/", flags | O_CREAT | O_EXCL, 0o600) => ENOENT);
        xnu!(k, open("/tmp/own/", flags | O_CREAT, 0o600) => ENOTDIR);
        xnu!(k, open("/tmp/dir/", flags | O_CREAT | O_EXCL, 0o600) => EEXIST);
    }
    xnu!(k, open("/tmp/dir/", O_RDWR | O_CREAT, 0o600) => EISDIR);
    xnu!(k, open("/tmp/dir/", O_RDONLY | O_CREAT, 0o600) => 3);
}

#[test]
fn creating_follows_a_link_that_would_be_opened_itself() {
    let k = machine();
    xnu!(k, open("/tmp/link", O_RDWR | O_CREAT | O_SYMLINK, 0o600) => 3);
    let stat = k.alloc(144);
    xnu!(k, fstat64(3, stat) => 0);
    assert_eq!(number(&k, stat, 4, 2) & 0o170000, 0o100000);
    xnu!(k, open("/tmp/link", O_RDONLY | O_SYMLINK | O_NOFOLLOW) => ELOOP);
}

#[test]
fn what_is_closed_on_fork_is_remembered() {
    let k = machine();
    const O_CLOFORK: u32 = 0x0800_0000;
    xnu!(k, open("/tmp/own", O_CLOFORK | 2) => 3);
    xnu!(k, open("/tmp/own", O_RDWR) => 4);
    xnu!(k, open("/tmp/own", O_CLOFORK) => 5);
    assert!(k.process.descriptors.close_on_fork.iter().eq([3, 5]));
    xnu!(k, fcntl(3, F_SETCONFINED, 1) => 0);
    xnu!(k, close(3) => 0);
    xnu!(k, close(5) => 0);
    assert_eq!(k.process.descriptors.close_on_fork.iter().count(), 0);
    // One that cannot be opened, or not be locked, is not kept.
    xnu!(k, open("/tmp/fifo", O_CLOFORK | 2 | 0x20) => ENOTSUP);
    xnu!(k, open("/tmp/none", O_CLOFORK) => ENOENT);
    assert_eq!(k.process.descriptors.close_on_fork.iter().count(), 0);
}

#[test]
fn only_files_and_directories_are_locked_on_opening() {
    let k = machine();
    for path in ["/tmp/fifo", "/dev/null", "/dev/tty"] {
        xnu!(k, open(path, O_RDWR | O_EXLOCK) => ENOTSUP);
    }
    assert_eq!(k.descriptors(), [0, 1, 2]);
    xnu!(k, open("/tmp/dir", O_RDONLY | O_SHLOCK) => 3);
}

#[test]
fn opening_can_lock_and_a_lock_that_is_taken_leaks_nothing() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR | O_EXLOCK) => 3);
    xnu!(k, open("/tmp/own", O_RDWR | O_EXLOCK | O_NONBLOCK) => EAGAIN);
    xnu!(k, open("/tmp/own", O_RDWR | O_SHLOCK | O_NONBLOCK) => EAGAIN);
    assert_eq!(k.descriptors(), [0, 1, 2, 3]);
    xnu!(k, close(3) => 0);
    xnu!(k, open("/tmp/own", O_RDWR | O_SHLOCK | O_NONBLOCK) => 3);
    xnu!(k, open("/tmp/own", O_RDWR | O_SHLOCK | O_NONBLOCK) => 4);
}

#[test]
fn fifos_wait_for_nobody_with_o_nonblock() {
    let k = machine();
    xnu!(k, open("/tmp/fifo", O_WRONLY | O_NONBLOCK) => ENXIO);
    xnu!(k, open("/tmp/fifo", O_RDONLY | O_NONBLOCK) => 3);
    xnu!(k, open("/tmp/fifo", O_WRONLY | O_NONBLOCK) => 4);
    xnu!(k, write(4, b"x", 1) => 1);
}

#[test]
fn the_third_openat_that_fails_with_emfile_is_the_third_open() {
    let k = failing(Plan::nth(Sysno::Openat, 3, Errno::EMFILE));
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, openat(AT_FDCWD, "/tmp/own", O_RDONLY) => 4);
    xnu!(k, open("/tmp/own", O_RDONLY) => EMFILE);
    assert_eq!(k.descriptors(), [0, 1, 2, 3, 4]);
    xnu!(k, open("/tmp/own", O_RDONLY) => 5);
}

#[test]
fn an_interrupted_open_is_eintr() {
    let k = failing(Plan::interrupt(1));
    xnu!(k, open("/tmp/own", O_RDONLY) => EINTR);
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    let k = failing(Plan::nth(Sysno::Flock, 1, Errno::EINTR));
    xnu!(k, open("/tmp/own", O_RDONLY | O_EXLOCK) => EINTR);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}
