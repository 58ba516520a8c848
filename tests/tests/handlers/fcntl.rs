//! `fcntl`.

use crate::support::*;
use xnu_abi::darwin::fcntl::FcntlCommand;
use xnu_core::{Reply, UserAddr};

/// A `struct flock`: start, length, process, type and origin.
fn lock(start: i64, length: i64, kind: i16, whence: i16) -> Vec<u8> {
    bytes([start as u64, length as u64, (kind as u16 as u64) << 32 | (whence as u16 as u64) << 48])
}

const F_RDLCK: i16 = 1;
const F_UNLCK: i16 = 2;
const F_WRLCK: i16 = 3;

#[test]
fn copies_start_at_the_number_asked_for() {
    let k = machine();
    xnu!(k, fcntl(0, F_DUPFD, 10) => 10);
    xnu!(k, fcntl(0, F_DUPFD, 10) => 11);
    xnu!(k, fcntl(0, F_DUPFD_CLOEXEC, 0) => 3);
    xnu!(k, fcntl(3, F_GETFD, 0) => 1);
    xnu!(k, fcntl(10, F_GETFD, 0) => 0);
    for least in [-1, 1024, i32::MAX, i32::MIN] {
        xnu!(k, fcntl(0, F_DUPFD, least) => EINVAL);
        xnu!(k, fcntl(0, F_DUPFD_CLOEXEC, least) => EINVAL);
    }
    xnu!(k, fcntl(0, F_DUPFD, dirty(20)) => 20);
    xnu!(k, fcntl(0, F_DUPFD, 1023) => 1023);
    xnu!(k, fcntl(0, F_DUPFD, 1023) => EMFILE);
}

#[test]
fn bad_descriptors_are_found_before_anything_else() {
    let k = machine();
    for fd in [-1, 99, i32::MAX, i32::MIN] {
        for command in 0..130 {
            for argument in [0, -1, i64::MIN] {
                let reply = k.by_name("fcntl", &[fd as u64, command, argument as u64]);
                assert_eq!(reply, Reply::Error(EBADF), "fcntl({fd}, {command}, {argument})");
            }
        }
        xnu!(k, fcntl(fd, F_SETLK, lock(0, 0, 77, 0)) => EBADF);
    }
}

#[test]
fn commands_that_xnu_has_and_we_do_not_are_enotsup() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, fcntl(3, F_NOCACHE, 1) => ENOTSUP);
    for command in 0..200 {
        let reply = k.by_name("fcntl", &[3, command, 0]);
        if FcntlCommand::new(command as i32).name().is_none() {
            assert_eq!(reply, Reply::Error(EINVAL), "{command}");
        }
    }
    for command in [-1, i32::MAX, i32::MIN, 1030] {
        xnu!(k, fcntl(3, command, 0) => EINVAL);
    }
}

#[test]
fn of_the_descriptor_flags_only_close_on_exec_is_kept() {
    let k = machine();
    xnu!(k, fcntl(0, F_SETFD, -1) => 0);
    xnu!(k, fcntl(0, F_GETFD, 0) => 1);
    xnu!(k, fcntl(0, F_SETFD, 2) => 0);
    xnu!(k, fcntl(0, F_GETFD, 0) => 0);
    xnu!(k, fcntl(dirty(0), dirty(2), dirty(1)) => 0);
    xnu!(k, fcntl(0, F_GETFD, 0) => 1);
}

#[test]
fn status_flags_change_and_the_access_mode_does_not() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_WRONLY) => 3);
    xnu!(k, fcntl(3, F_SETFL, O_NONBLOCK | O_APPEND | O_RDWR | O_CREAT | O_TRUNC) => 0);
    xnu!(k, fcntl(3, F_GETFL, 0) => (O_WRONLY | O_NONBLOCK | O_APPEND).bits() as i32);
    xnu!(k, fcntl(3, F_SETFL, 0) => 0);
    xnu!(k, fcntl(3, F_GETFL, 0) => 1);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"hello");
}

#[test]
fn locks_of_others_are_in_the_way() {
    let k = machine();
    k.hold_lock("/tmp/own", 77, true, 10, 20);
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, fcntl(3, F_SETLK, lock(0, 10, F_WRLCK, 0)) => 0);
    xnu!(k, fcntl(3, F_SETLK, lock(0, 11, F_WRLCK, 0)) => EAGAIN);
    xnu!(k, fcntl(3, F_SETLK, lock(0, 0, F_RDLCK, 0)) => EAGAIN);
    let asked = k.place(&lock(15, 100, F_RDLCK, 0));
    xnu!(k, fcntl(3, F_GETLK, asked) => 0);
    let field = |offset, size| number(&k, asked, offset, size);
    assert_eq!((field(0, 8), field(8, 8), field(16, 4)), (10, 10, 77));
    assert_eq!((field(20, 2), field(22, 2)), (F_WRLCK as u64, 0));
    let asked = k.place(&lock(20, 100, F_RDLCK, 0));
    xnu!(k, fcntl(3, F_GETLK, asked) => 0);
    assert_eq!(k.peek(asked, 24), lock(20, 100, F_UNLCK, 0), "nothing but the type changes");
    xnu!(k, fcntl(3, F_SETLK, lock(0, 0, F_UNLCK, 0)) => 0);
}

#[test]
fn locks_that_make_no_sense_are_einval() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    for kind in [0, 4, -1, i16::MAX] {
        xnu!(k, fcntl(3, F_SETLK, lock(0, 0, kind, 0)) => EINVAL);
        xnu!(k, fcntl(3, F_GETLK, lock(0, 0, kind, 0)) => EINVAL);
    }
    xnu!(k, fcntl(3, F_SETLK, lock(0, 0, F_WRLCK, 7)) => EINVAL);
    xnu!(k, fcntl(3, F_SETLK, lock(-1, 1, F_WRLCK, 0)) => EINVAL);
    xnu!(k, open("/tmp/own", O_RDONLY) => 4);
    xnu!(k, fcntl(4, F_SETLK, lock(0, 0, F_WRLCK, 0)) => EBADF);
    xnu!(k, open("/tmp/own", O_WRONLY) => 5);
    xnu!(k, fcntl(5, F_SETLK, lock(0, 0, F_RDLCK, 0)) => EBADF);
}

#[test]
fn locks_of_descriptions_belong_to_the_open() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, open("/tmp/own", O_RDWR) => 4);
    xnu!(k, fcntl(3, F_OFD_SETLK, lock(0, 5, F_WRLCK, 0)) => 0);
    xnu!(k, fcntl(4, F_OFD_SETLK, lock(0, 5, F_RDLCK, 0)) => EAGAIN);
    let asked = k.place(&lock(0, 0, F_RDLCK, 0));
    xnu!(k, fcntl(4, F_OFD_GETLK, asked) => 0);
    assert_eq!(number(&k, asked, 20, 2), F_WRLCK as u64);
    assert_eq!(number(&k, asked, 16, 4) as i32, -1);
    xnu!(k, fcntl(3, F_OFD_SETLKW, lock(0, 5, F_UNLCK, 0)) => 0);
    xnu!(k, fcntl(4, F_OFD_SETLKW, lock(0, 5, F_RDLCK, 0)) => 0);
}

#[test]
fn locks_that_cannot_be_copied_are_efault() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    for command in [F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW] {
        faults(&k, "fcntl", &[3, command.number() as u64, 0], 2, 24, IN);
    }
    // Readable, but not writable: the answer has nowhere to go.
    let asked = k.alloc(24);
    k.poke(asked, &lock(0, 0, F_RDLCK, 0));
    k.protect(asked, 24, 1);
    xnu!(k, fcntl(3, F_GETLK, asked) => EFAULT);
    xnu!(k, fcntl(3, F_SETLK, asked) => 0);
}

#[test]
fn an_open_file_knows_its_path() {
    let k = machine();
    let buf = k.alloc_guarded(13);
    xnu!(k, open("/tmp/dirlink/file", O_RDONLY) => 3);
    xnu!(k, fcntl(3, F_GETPATH, k.alloc(1024)) => 0);
    let short = k.alloc_guarded(14);
    xnu!(k, fcntl(3, F_GETPATH, short) => 0);
    assert_eq!(k.peek(short, 14), b"/tmp/dir/file\0");
    xnu!(k, fcntl(3, F_GETPATH, buf) => EFAULT);
    faults(&k, "fcntl", &[3, F_GETPATH.number() as u64, 0], 2, 14, OUT);
    xnu!(k, unlink("/tmp/dir/file") => 0);
    xnu!(k, fcntl(3, F_GETPATH, short) => ENOENT);
    xnu!(k, pipe() => (4, 5));
    xnu!(k, fcntl(4, F_GETPATH_NOFIRMLINK, short) => ENOENT);
    xnu!(k, fcntl(0, F_GETPATH, short) => 0);
    assert_eq!(k.peek(short, 9), b"/dev/tty\0");
    xnu!(k, fcntl(0, F_GETPATH, UserAddr::new(u64::MAX)) => EFAULT);
}

#[test]
fn files_can_be_flushed_by_fcntl() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, fcntl(3, F_FULLFSYNC, 0) => 0);
    xnu!(k, fcntl(3, F_BARRIERFSYNC, 0) => 0);
    xnu!(k, pipe() => (4, 5));
    xnu!(k, fcntl(4, F_FULLFSYNC, 0) => ENOTSUP);
}
