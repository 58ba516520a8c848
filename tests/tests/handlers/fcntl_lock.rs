//! Record locks of `fcntl`.

use crate::support::*;

/// A `struct flock`: start, length, process, type and origin.
fn lock(start: i64, length: i64, kind: i16, whence: i16) -> Vec<u8> {
    bytes([start as u64, length as u64, (kind as u16 as u64) << 32 | (whence as u16 as u64) << 48])
}

const F_RDLCK: i16 = 1;
const F_UNLCK: i16 = 2;
const F_WRLCK: i16 = 3;

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
fn locks_are_for_files_only() {
    let k = machine();
    xnu!(k, pipe() => (3, 4));
    xnu!(k, open("/tmp/fifo", O_RDWR) => 5);
    xnu!(k, open("/dev/null", O_RDWR) => 6);
    xnu!(k, open("/tmp/dir", O_RDONLY) => 7);
    for command in [F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_GETLKPID] {
        xnu!(k, fcntl(3, command, 0) => EBADF);
        xnu!(k, fcntl(5, command, lock(0, 0, F_RDLCK, 0)) => ENOTSUP);
        xnu!(k, fcntl(6, command, lock(0, 0, F_RDLCK, 0)) => ENOTSUP);
        xnu!(k, fcntl(7, command, lock(0, 0, F_RDLCK, 0)) => 0);
    }
    xnu!(k, fcntl(7, F_SETLK, lock(0, 0, F_WRLCK, 0)) => EBADF);
}

#[test]
fn ranges_beyond_the_largest_offset_are_eoverflow() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, lseek(3, 10, SEEK_SET) => 10);
    let (cur, set) = (1, 0);
    for command in [F_GETLK, F_SETLK] {
        xnu!(k, fcntl(3, command, lock(i64::MAX, 2, F_WRLCK, set)) => EOVERFLOW);
        xnu!(k, fcntl(3, command, lock(i64::MAX, 1, F_WRLCK, set)) => 0);
        xnu!(k, fcntl(3, command, lock(i64::MAX, 0, F_WRLCK, cur)) => EOVERFLOW);
        xnu!(k, fcntl(3, command, lock(i64::MAX - 10, 2, F_WRLCK, cur)) => EOVERFLOW);
        xnu!(k, fcntl(3, command, lock(-11, 0, F_WRLCK, cur)) => EINVAL);
        xnu!(k, fcntl(3, command, lock(0, -11, F_WRLCK, cur)) => EINVAL);
        xnu!(k, fcntl(3, command, lock(5, -6, F_WRLCK, set)) => EINVAL);
        xnu!(k, fcntl(3, command, lock(-1, 0, F_WRLCK, set)) => EINVAL);
        xnu!(k, fcntl(3, command, lock(i64::MIN, 0, F_WRLCK, 2)) => EINVAL);
    }
    // The range comes before the kind of lock, and that before how the file was opened.
    xnu!(k, fcntl(3, F_SETLK, lock(-1, 0, 77, set)) => EINVAL);
    xnu!(k, open("/tmp/own", O_RDONLY) => 4);
    xnu!(k, fcntl(4, F_SETLK, lock(0, 0, F_WRLCK, 9)) => EBADF);
}

#[test]
fn an_answer_counts_from_the_start_of_the_file() {
    let k = machine();
    k.hold_lock("/tmp/own", 77, true, 10, 20);
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, lseek(3, 4, SEEK_SET) => 4);
    let asked = k.place(&lock(1, 2, F_RDLCK, 1));
    xnu!(k, fcntl(3, F_GETLK, asked) => 0);
    assert_eq!(k.peek(asked, 24), lock(5, 2, F_UNLCK, 1));
    // Asking for nothing asks for writers.
    let asked = k.place(&lock(8, 4, F_UNLCK, 1));
    xnu!(k, fcntl(3, F_GETLK, asked) => 0);
    assert_eq!(number(&k, asked, 0, 8), 10);
    assert_eq!(number(&k, asked, 20, 2), F_WRLCK as u64);
}

#[test]
fn the_locks_of_one_process_can_be_asked_for() {
    let k = machine();
    for (pid, start) in [(77, 10), (78, 20), (79, 30)] {
        k.hold_lock("/tmp/own", pid, true, start, start + 10);
    }
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    let of = |pid: i32| {
        let mut bytes = lock(0, 0, F_RDLCK, 0);
        bytes[16..20].copy_from_slice(&pid.to_le_bytes());
        let asked = k.place(&bytes);
        xnu!(k, fcntl(3, F_GETLKPID, asked) => 0);
        (number(&k, asked, 0, 8), number(&k, asked, 20, 2) as i16)
    };
    assert_eq!(of(79), (30, F_WRLCK));
    assert_eq!(of(77), (10, F_WRLCK));
    assert_eq!(of(-1), (10, F_WRLCK));
    assert_eq!(of(5), (0, F_UNLCK));
}

#[test]
fn a_lock_that_does_not_come_in_time_is_etimedout() {
    let k = machine();
    k.hold_lock("/tmp/own", 77, true, 10, 20);
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    let within = |start, seconds: u64, ns: u64| {
        let mut bytes = lock(start, 5, F_WRLCK, 0);
        bytes.extend(crate::support::bytes([seconds, ns]));
        bytes
    };
    for command in [F_SETLKWTIMEOUT, F_OFD_SETLKWTIMEOUT] {
        xnu!(k, fcntl(3, command, within(0, 1, 0)) => 0);
        xnu!(k, fcntl(3, F_SETLK, lock(0, 0, F_UNLCK, 0)) => 0);
        xnu!(k, fcntl(3, F_OFD_SETLK, lock(0, 0, F_UNLCK, 0)) => 0);
        let before = k.now_ns();
        xnu!(k, fcntl(3, command, within(12, 1, 500)) => ETIMEDOUT);
        let waited = k.now_ns() - before;
        assert!((1_000_000_500..1_001_000_000).contains(&waited), "{waited}");
        // No time at all is no timeout; the mock says EAGAIN where Linux would wait for ever.
        xnu!(k, fcntl(3, command, within(12, 0, 0)) => EAGAIN);
        faults(&k, "fcntl", &[3, command.number() as u64, 0], 2, 40, IN);
    }
}
