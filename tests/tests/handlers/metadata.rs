//! `stat` and its kin.

use crate::support::*;
use xnu_abi::darwin::Errno;
use xnu_core::Reply;

#[test]
fn stat_tells_what_is_known_of_a_file() {
    let k = machine();
    let buf = k.alloc_guarded(144);
    xnu!(k, stat64("/tmp/own", buf) => 0);
    let field = |offset, size| number(&k, buf, offset, size);
    assert_eq!((field(4, 2), field(6, 2)), (0o100644, 1), "mode, links");
    assert_eq!((field(16, 4), field(20, 4)), (1000, 1000), "owner, group");
    assert_eq!((field(96, 8), field(116, 4), field(120, 4)), (5, 0, 0), "size, flags, generation");
    assert!(field(8, 8) != 0 && field(32, 8) >= 1_577_836_800, "inode, time");
    let whole = k.peek(buf, 144);
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, fstat64(3, buf) => 0);
    assert_eq!(k.peek(buf, 144), whole);
    xnu!(k, fstatat64(AT_FDCWD, "/tmp/own", buf, 0) => 0);
    assert_eq!(k.peek(buf, 144), whole);
    assert_eq!(number(&k, buf, 124, 4) + number(&k, buf, 128, 8) + number(&k, buf, 136, 8), 0, "spare");
}

#[test]
fn lstat_looks_at_the_link() {
    let k = machine();
    let buf = k.alloc(144);
    let kind = |name: &str, words: &[u64]| {
        assert_eq!(k.by_name(name, words), Reply::Value(0, 0));
        number(&k, buf, 4, 2) & 0o170000
    };
    let link = k.place_str("/tmp/link").get();
    let cwd = AT_FDCWD as u64;
    assert_eq!(kind("stat64", &[link, buf.get()]), 0o100000);
    assert_eq!(kind("lstat64", &[link, buf.get()]), 0o120000);
    assert_eq!(kind("fstatat64", &[cwd, link, buf.get(), 0]), 0o100000);
    assert_eq!(kind("fstatat64", &[cwd, link, buf.get(), AT_SYMLINK_NOFOLLOW.bits().into()]), 0o120000);
    assert_eq!(kind("fstatat64", &[cwd, link, buf.get(), AT_SYMLINK_NOFOLLOW_ANY.bits().into()]), 0o120000);
    let through = k.place_str("/tmp/dirlink/file").get();
    let any = AT_SYMLINK_NOFOLLOW_ANY.bits().into();
    assert_eq!(kind("fstatat64", &[cwd, through, buf.get(), 0]), 0o100000);
    let looped = k.by_name("fstatat64", &[cwd, through, buf.get(), any]);
    assert_eq!(looped, Reply::Error(Errno::ELOOP));
    let fifo = k.place_str("/tmp/fifo").get();
    assert_eq!(kind("stat64", &[fifo, buf.get()]), 0o010000);
    assert_eq!(kind("fstat64", &[0, buf.get()]), 0o020000);
}

#[test]
fn stat_fails_as_the_look_up_does() {
    let k = machine();
    let buf = k.alloc(144).get();
    xnu!(k, stat64("/tmp/none", buf) => ENOENT);
    xnu!(k, stat64("/tmp/loop", buf) => ELOOP);
    xnu!(k, lstat64("/tmp/loop", buf) => 0);
    xnu!(k, stat64("/tmp/dangling", buf) => ENOENT);
    xnu!(k, stat64("/tmp/theirs", buf) => 0);
    path_limits(&k, "stat64", &[0, buf], 0);
    path_limits(&k, "lstat64", &[0, buf], 0);
    path_limits(&k, "fstatat64", &[AT_FDCWD as u64, 0, buf, 0], 1);
    xnu!(k, fstat64(-1, buf) => EBADF);
    xnu!(k, fstat64(9, buf) => EBADF);
    xnu!(k, fstatat64(9, "file", buf, 0) => EBADF);
    xnu!(k, fstatat64(-100, "file", buf, 0) => EBADF);
}

#[test]
fn stat_writes_all_or_says_so() {
    let k = machine();
    let path = k.place_str("/tmp/own").get();
    let buf = k.alloc(144).get();
    for name in ["stat64", "lstat64"] {
        faults(&k, name, &[0, buf], 0, 2, IN);
        faults(&k, name, &[path, 0], 1, 144, OUT);
    }
    faults(&k, "fstat64", &[0, 0], 1, 144, OUT);
    faults(&k, "fstatat64", &[AT_FDCWD as u64, 0, buf, 0], 1, 2, IN);
    faults(&k, "fstatat64", &[AT_FDCWD as u64, path, 0, 0], 2, 144, OUT);
    // The file is looked for before the buffer is.
    xnu!(k, stat64("/tmp/none", NULL) => ENOENT);
    xnu!(k, fstat64(9, NULL) => EBADF);
}

#[test]
fn fstatat_takes_four_flags() {
    let k = machine();
    let buf = k.alloc(144);
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, fstatat64(3, NULL, buf, AT_FDONLY) => 0);
    assert_eq!(number(&k, buf, 96, 8), 5);
    xnu!(k, fstatat64(9, NULL, buf, AT_FDONLY) => EBADF);
    xnu!(k, fstatat64(AT_FDCWD, NULL, buf, AT_FDONLY) => EBADF);
    xnu!(k, fstatat64(AT_FDCWD, "/tmp/own", buf, AT_REALDEV) => 0);
    for flags in [AT_EACCESS, AT_SYMLINK_FOLLOW, AT_REMOVEDIR, AT_REMOVEDIR_DATALESS, AT_SYSTEM_DISCARDED] {
        xnu!(k, fstatat64(9, NULL, NULL, flags) => EINVAL);
    }
    xnu!(k, fstatat64(AT_FDCWD, "/tmp/own", buf, 1u32 << 31) => EINVAL);
    xnu!(k, fstatat64(dirty(-2), "/tmp/own", buf, dirty(0)) => 0);
}

#[test]
fn a_pipe_is_as_long_as_what_waits_in_it() {
    let k = machine();
    let buf = k.alloc(144);
    let field = |offset, size| number(&k, buf, offset, size);
    xnu!(k, pipe() => (3, 4));
    xnu!(k, write(4, b"12345", 5) => 5);
    xnu!(k, fstat64(3, buf) => 0);
    assert_eq!((field(0, 4), field(4, 2), field(6, 2)), (0, 0o010660, 0), "device, mode, links");
    assert_eq!((field(96, 8), field(104, 8), field(112, 4)), (5, 1, 16384), "size, blocks, block size");
    // A fifo with a name is a file like others.
    xnu!(k, open("/tmp/fifo", O_RDWR) => 5);
    xnu!(k, fstat64(5, buf) => 0);
    assert_eq!((field(4, 2), field(6, 2), field(96, 8)), (0o010644, 1, 0));
}
