//! Reading, writing, seeking, copying descriptors.

use crate::support::*;
use xnu_backend_mock::Disposition;
use xnu_core::table::Class;
use xnu_core::{Reply, UserAddr};

#[test]
fn what_is_written_is_read_back() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    let buf = k.alloc_guarded(5);
    xnu!(k, read(3, buf, 5) => 5);
    assert_eq!(k.peek(buf, 5), b"hello");
    xnu!(k, read(3, buf, 5) => 0);
    xnu!(k, write(3, b" world", 6) => 6);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"hello world");
    xnu!(k, pread(3, buf, 5, 6) => 5);
    assert_eq!(k.peek(buf, 5), b"world");
    xnu!(k, pwrite(3, b"W", 1, 6) => 1);
    xnu!(k, lseek(3, 0, SEEK_CUR) => 11);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"hello World");
    xnu!(k, close(3) => 0);
    xnu!(k, close(3) => EBADF);
}

#[test]
fn a_twin_that_is_no_cancellation_point_does_the_same() {
    let k = machine();
    let path = k.place_str("/tmp/own").get();
    let buf = k.alloc(8);
    assert_eq!(k.call(Class::Bsd, 398, &[path, 0, 0]), Reply::Value(3, 0));
    assert_eq!(k.call(Class::Bsd, 396, &[3, buf.get(), 8]), Reply::Value(5, 0));
    assert_eq!(k.call(Class::Bsd, 414, &[3, buf.get(), 8, 4]), Reply::Value(1, 0));
    assert_eq!(k.call(Class::Bsd, 399, &[3]), Reply::Value(0, 0));
    assert_eq!(k.call(Class::Bsd, 399, &[3]), Reply::Error(EBADF));
}

#[test]
fn lengths_above_int_max_are_refused_before_the_descriptor_is_looked_at() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    let buf = k.alloc(16);
    for length in [INT_MAX + 1, u64::from(u32::MAX), i64::MAX as u64, u64::MAX] {
        for fd in [3, 99] {
            xnu!(k, read(fd, buf, length) => EINVAL);
            xnu!(k, write(fd, buf, length) => EINVAL);
            xnu!(k, pread(fd, buf, length, 0) => EINVAL);
            xnu!(k, pwrite(fd, buf, length, 0) => EINVAL);
        }
    }
    xnu!(k, read(99, buf, INT_MAX) => EBADF);
    xnu!(k, read(3, buf, INT_MAX) => 5);
    for length in [0, 1] {
        xnu!(k, read(99, buf, length) => EBADF);
        xnu!(k, write(99, buf, length) => EBADF);
    }
    xnu!(k, read(3, buf, 0) => 0);
    xnu!(k, write(3, buf, 0) => 0);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"hello");
}

#[test]
fn a_descriptor_serves_only_what_it_was_opened_for() {
    let k = machine();
    let buf = k.alloc(8);
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, open("/tmp/own", O_WRONLY) => 4);
    xnu!(k, open("/tmp/dir", O_RDONLY) => 5);
    let iov = k.place(&bytes([buf.get(), 8]));
    xnu!(k, write(3, buf, 1) => EBADF);
    xnu!(k, pwrite(3, buf, 1, 0) => EBADF);
    xnu!(k, writev(3, iov, 1) => EBADF);
    xnu!(k, pwritev(3, iov, 1, 0) => EBADF);
    xnu!(k, read(4, buf, 1) => EBADF);
    xnu!(k, pread(4, buf, 1, 0) => EBADF);
    xnu!(k, readv(4, iov, 1) => EBADF);
    xnu!(k, preadv(4, iov, 1, 0) => EBADF);
    xnu!(k, read(5, buf, 1) => EISDIR);
    xnu!(k, pread(5, buf, 1, 0) => EISDIR);
    xnu!(k, readv(5, iov, 1) => EISDIR);
}

#[test]
fn no_number_below_zero_is_a_descriptor() {
    let k = machine();
    let buf = k.alloc(64);
    // Linux gives -100 a meaning, Darwin gives -2 one; neither is a descriptor here.
    for fd in [-1, -2, -100, i32::MIN, i32::MAX, 1024, 99] {
        let iov = k.place(&bytes([buf.get(), 8]));
        xnu!(k, read(fd, buf, 1) => EBADF);
        xnu!(k, write(fd, buf, 1) => EBADF);
        xnu!(k, pread(fd, buf, 1, 0) => EBADF);
        xnu!(k, pwrite(fd, buf, 1, 0) => EBADF);
        xnu!(k, readv(fd, iov, 1) => EBADF);
        xnu!(k, writev(fd, iov, 1) => EBADF);
        xnu!(k, preadv(fd, iov, 1, 0) => EBADF);
        xnu!(k, pwritev(fd, iov, 1, 0) => EBADF);
        xnu!(k, close(fd) => EBADF);
        xnu!(k, lseek(fd, 0, SEEK_SET) => EBADF);
        xnu!(k, dup(fd) => EBADF);
        xnu!(k, dup2(fd, 5) => EBADF);
        if fd != 99 {
            xnu!(k, dup2(1, fd) => EBADF);
        }
        xnu!(k, fsync(fd) => EBADF);
        xnu!(k, fdatasync(fd) => EBADF);
        xnu!(k, fstat64(fd, buf) => EBADF);
    }
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn upper_halves_of_registers_do_not_matter_for_ints() {
    let k = machine();
    let buf = k.alloc(8);
    xnu!(k, open("/tmp/own", dirty(2), dirty(0)) => 3);
    xnu!(k, read(dirty(3), buf, 5) => 5);
    xnu!(k, pread(dirty(3), buf, 5, 0) => 5);
    xnu!(k, lseek(dirty(3), 1, dirty(0)) => 1);
    xnu!(k, readv(dirty(3), bytes([buf.get(), 4]), dirty(1)) => 4);
    xnu!(k, preadv(dirty(3), bytes([buf.get(), 4]), dirty(1), 0) => 4);
    xnu!(k, dup(dirty(3)) => 4);
    xnu!(k, dup2(dirty(3), dirty(9)) => 9);
    xnu!(k, fsync(dirty(3)) => 0);
    xnu!(k, close(dirty(9)) => 0);
    xnu!(k, close(dirty(-1)) => EBADF);
}

#[test]
fn buffers_that_are_nowhere_are_efault() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    faults(&k, "read", &[3, 0, 5], 1, 1, OUT);
    faults(&k, "pread", &[3, 0, 5, 0], 1, 1, OUT);
    faults(&k, "write", &[3, 0, 5], 1, 1, IN);
    faults(&k, "pwrite", &[3, 0, 5, 0], 1, 1, IN);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"hello");
    // Where nothing is moved, nothing is looked at.
    xnu!(k, read(3, NULL, 0) => 0);
    xnu!(k, write(3, NULL, 0) => 0);
    xnu!(k, lseek(3, 0, SEEK_END) => 5);
    xnu!(k, read(3, NULL, 5) => 0);
}

#[test]
fn vectors_gather_and_scatter() {
    let k = machine();
    xnu!(k, open("/tmp/v", O_RDWR | O_CREAT, 0o600) => 3);
    let (a, b) = (k.place(b"one"), k.place(b"three"));
    xnu!(k, writev(3, bytes([a.get(), 3, NULL, 0, b.get(), 5]), 3) => 8);
    assert_eq!(k.contents("/tmp/v").unwrap(), b"onethree");
    xnu!(k, pwritev(3, bytes([b.get(), 5]), 1, 10) => 5);
    assert_eq!(k.contents("/tmp/v").unwrap(), b"onethree\0\0three");
    let (c, d) = (k.alloc_guarded(4), k.alloc_guarded(9));
    xnu!(k, preadv(3, bytes([c.get(), 4, d.get(), 9]), 2, 1) => 13);
    assert_eq!((k.peek(c, 4), k.peek(d, 9)), (b"neth".to_vec(), b"ree\0\0thre".to_vec()));
    xnu!(k, lseek(3, 0, SEEK_SET) => 0);
    xnu!(k, readv(3, bytes([c.get(), 4]), 1) => 4);
    assert_eq!(k.peek(c, 4), b"onet");
    xnu!(k, readv(3, bytes([c.get(), 0]), 1) => 0);
}

#[test]
fn vectors_have_one_to_1024_pieces() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    let buf = k.alloc(8);
    let iov = k.place(&bytes([buf.get(), 0]).repeat(1025));
    for count in [0, -1, 1025, i32::MAX, i32::MIN] {
        xnu!(k, readv(99, iov, count) => EINVAL);
        xnu!(k, writev(99, iov, count) => EINVAL);
        xnu!(k, preadv(99, iov, count, 0) => EINVAL);
        xnu!(k, pwritev(99, iov, count, 0) => EINVAL);
    }
    xnu!(k, readv(3, iov, 1024) => 0);
    xnu!(k, writev(3, iov, 1024) => 0);
    xnu!(k, preadv(3, iov, 1024, 0) => 0);
    xnu!(k, pwritev(3, iov, 1024, 0) => 0);
}

#[test]
fn vectors_of_more_than_int_max_are_einval_once_the_descriptor_is_good() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    let buf = k.alloc(8).get();
    for iov in [
        bytes([buf, INT_MAX, buf, 1]),
        bytes([buf, INT_MAX + 1, buf, 0]),
        bytes([buf, u64::MAX, buf, 2]),
        bytes([buf, i64::MAX as u64, buf, 1]),
    ] {
        let iov = k.place(&iov);
        xnu!(k, readv(3, iov, 2) => EINVAL);
        xnu!(k, writev(3, iov, 2) => EINVAL);
        xnu!(k, preadv(3, iov, 2, 0) => EINVAL);
        xnu!(k, pwritev(3, iov, 2, 0) => EINVAL);
        xnu!(k, readv(99, iov, 2) => EBADF);
        xnu!(k, writev(99, iov, 2) => EBADF);
        xnu!(k, preadv(99, iov, 2, 0) => EBADF);
        xnu!(k, pwritev(99, iov, 2, 0) => EBADF);
    }
    xnu!(k, readv(3, bytes([buf, 8, NULL, INT_MAX - 8]), 2) => 5);
}

#[test]
fn vectors_that_cannot_be_read_are_efault() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    for (name, words) in [
        ("readv", &[3, 0, 2][..]),
        ("writev", &[3, 0, 2]),
        ("preadv", &[3, 0, 2, 0]),
        ("pwritev", &[3, 0, 2, 0]),
    ] {
        faults(&k, name, words, 1, 32, IN);
    }
    // The vector is there, what it points to is not.
    let iov = k.place(&bytes([0x1000, 4]));
    xnu!(k, readv(3, iov, 1) => EFAULT);
    xnu!(k, writev(3, iov, 1) => EFAULT);
    xnu!(k, preadv(3, iov, 1, 0) => EFAULT);
    xnu!(k, pwritev(3, iov, 1, 0) => EFAULT);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"hello");
}

#[test]
fn negative_offsets_are_einval_after_the_descriptor() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, pipe() => (4, 5));
    let buf = k.alloc(8);
    let iov = k.place(&bytes([buf.get(), 8]));
    for offset in [-2, -4096, i64::MIN] {
        xnu!(k, pread(3, buf, 1, offset) => EINVAL);
        xnu!(k, pwrite(3, buf, 1, offset) => EINVAL);
        xnu!(k, preadv(3, iov, 1, offset) => EINVAL);
        xnu!(k, pwritev(3, iov, 1, offset) => EINVAL);
        xnu!(k, pread(99, buf, 1, offset) => EBADF);
        xnu!(k, pwrite(99, buf, 1, offset) => EBADF);
        xnu!(k, preadv(99, iov, 1, offset) => EBADF);
        xnu!(k, pwritev(99, iov, 1, offset) => EBADF);
        xnu!(k, pread(4, buf, 1, offset) => ESPIPE);
        xnu!(k, pwrite(5, buf, 1, offset) => ESPIPE);
    }
    // This one offset is looked at first.
    xnu!(k, pwrite(99, buf, 1, -1) => EINVAL);
    xnu!(k, pread(99, buf, 1, -1) => EBADF);
}

#[test]
fn pipes_have_no_offsets() {
    let k = machine();
    xnu!(k, pipe() => (3, 4));
    let buf = k.alloc(8);
    let iov = k.place(&bytes([buf.get(), 8]));
    xnu!(k, pread(3, buf, 1, 0) => ESPIPE);
    xnu!(k, pwrite(4, buf, 1, 0) => ESPIPE);
    xnu!(k, preadv(3, iov, 1, 0) => ESPIPE);
    xnu!(k, pwritev(4, iov, 1, 0) => ESPIPE);
    for whence in [SEEK_SET, SEEK_CUR, SEEK_END, SEEK_HOLE, SEEK_DATA] {
        xnu!(k, lseek(3, 0, whence) => ESPIPE);
    }
    xnu!(k, lseek(4, 0, 9) => ESPIPE);
    // A terminal has none either.
    xnu!(k, lseek(0, 0, SEEK_CUR) => ESPIPE);
}

#[test]
fn what_goes_into_a_pipe_comes_out_of_it() {
    let k = machine();
    xnu!(k, pipe() => (3, 4));
    let buf = k.alloc(8);
    xnu!(k, write(3, b"x", 1) => EBADF);
    xnu!(k, read(4, buf, 1) => EBADF);
    xnu!(k, write(4, b"through", 7) => 7);
    xnu!(k, read(3, buf, 8) => 7);
    assert_eq!(k.peek(buf, 7), b"through");
    xnu!(k, read(3, buf, 8) => EAGAIN);
    xnu!(k, close(4) => 0);
    xnu!(k, read(3, buf, 8) => 0);
}

#[test]
fn a_pipe_that_nobody_reads_is_broken() {
    let k = machine();
    xnu!(k, pipe() => (3, 4));
    xnu!(k, close(3) => 0);
    xnu!(k, write(4, b"x", 1) => EPIPE);
    let sent = k.signals();
    assert_eq!((sent.len(), sent[0].number, sent[0].disposition), (1, 13, Disposition::Fatal));
    xnu!(k, sigaction(SIGPIPE, action(1, 0, 0), NULL) => 0);
    xnu!(k, writev(4, bytes([k.place(b"x").get(), 1]), 1) => EPIPE);
    assert_eq!(k.signals()[1].disposition, Disposition::Ignored);
}

#[test]
fn seeking_has_five_origins_of_which_two_are_swapped() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, lseek(3, 2, SEEK_SET) => 2);
    xnu!(k, lseek(3, 2, SEEK_CUR) => 4);
    xnu!(k, lseek(3, -5, SEEK_END) => 0);
    xnu!(k, lseek(3, 100, SEEK_END) => 105);
    assert_eq!((SEEK_HOLE.number(), SEEK_DATA.number()), (3, 4));
    xnu!(k, lseek(3, 1, SEEK_DATA) => 1);
    xnu!(k, lseek(3, 1, SEEK_HOLE) => 5);
    xnu!(k, lseek(3, 5, SEEK_DATA) => ENXIO);
    xnu!(k, lseek(3, 5, SEEK_HOLE) => ENXIO);
    xnu!(k, lseek(3, 0, SEEK_CUR) => 5);
}

#[test]
fn seeks_that_lead_nowhere_change_nothing() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, lseek(3, 3, SEEK_SET) => 3);
    for offset in [-1, i64::MIN] {
        xnu!(k, lseek(3, offset, SEEK_SET) => EINVAL);
    }
    xnu!(k, lseek(3, -4, SEEK_CUR) => EINVAL);
    xnu!(k, lseek(3, -6, SEEK_END) => EINVAL);
    for whence in [5, -1, i32::MAX, i32::MIN] {
        xnu!(k, lseek(3, 0, whence) => EINVAL);
        xnu!(k, lseek(99, 0, whence) => EBADF);
    }
    xnu!(k, lseek(3, 0, SEEK_CUR) => 3);
}

#[test]
fn copies_share_the_offset_and_lose_close_on_exec() {
    let k = machine();
    let buf = k.alloc(8);
    xnu!(k, open("/tmp/own", O_RDONLY | O_CLOEXEC) => 3);
    xnu!(k, dup(3) => 4);
    xnu!(k, read(3, buf, 2) => 2);
    xnu!(k, lseek(4, 0, SEEK_CUR) => 2);
    xnu!(k, fcntl(3, F_GETFD, 0) => 1);
    xnu!(k, fcntl(4, F_GETFD, 0) => 0);
    xnu!(k, dup2(3, 7) => 7);
    xnu!(k, fcntl(7, F_GETFD, 0) => 0);
    xnu!(k, dup2(3, 3) => 3);
    xnu!(k, fcntl(3, F_GETFD, 0) => 1);
    xnu!(k, open("/tmp/dir/file", O_RDONLY) => 5);
    xnu!(k, dup2(5, 7) => 7);
    xnu!(k, pread(7, buf, 6, 0) => 6);
    assert_eq!(k.peek(buf, 6), b"inside");
    assert_eq!(k.descriptors(), [0, 1, 2, 3, 4, 5, 7]);
}

#[test]
fn copies_end_at_the_limit_of_descriptors() {
    let k = machine();
    k.set_limit(7, 5, 5);
    xnu!(k, dup(0) => 3);
    xnu!(k, dup(0) => 4);
    xnu!(k, dup(0) => EMFILE);
    xnu!(k, dup2(0, 5) => EBADF);
    xnu!(k, dup2(0, 4) => 4);
    xnu!(k, dup2(9, 9) => EBADF);
    xnu!(k, dup2(9, 4) => EBADF);
    xnu!(k, open("/tmp/own", O_RDONLY) => EMFILE);
    xnu!(k, pipe() => EMFILE);
    xnu!(k, close(4) => 0);
    // One number is free, a pipe needs two.
    xnu!(k, pipe() => EMFILE);
    assert_eq!(k.descriptors(), [0, 1, 2, 3]);
}

#[test]
fn only_storage_can_be_synced() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, pipe() => (4, 5));
    for name in ["fsync", "fdatasync"] {
        assert_eq!(k.by_name(name, &[3]), Reply::Value(0, 0));
        assert_eq!(k.by_name(name, &[4]), Reply::Error(ENOTSUP));
        assert_eq!(k.by_name(name, &[9]), Reply::Error(EBADF));
    }
}

#[test]
fn appending_ignores_the_offset_of_the_descriptor() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_WRONLY | O_APPEND) => 3);
    xnu!(k, lseek(3, 0, SEEK_SET) => 0);
    xnu!(k, write(3, b"!", 1) => 1);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"hello!");
}

#[test]
fn a_full_device_has_no_space() {
    let k = machine();
    xnu!(k, open("/dev/full", O_RDWR) => 3);
    xnu!(k, write(3, b"x", 1) => ENOSPC);
    xnu!(k, writev(3, bytes([k.place(b"x").get(), 1]), 1) => ENOSPC);
}

#[test]
fn the_last_byte_of_memory_is_no_trap() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, read(3, UserAddr::new(u64::MAX), 5) => EFAULT);
    xnu!(k, read(3, UserAddr::new(u64::MAX - 4), INT_MAX) => EFAULT);
    xnu!(k, write(3, UserAddr::new(u64::MAX), INT_MAX) => EFAULT);
    xnu!(k, readv(3, UserAddr::new(u64::MAX - 15), 2) => EFAULT);
    xnu!(k, readv(3, UserAddr::new(u64::MAX - 7), 1) => EFAULT);
}

#[test]
fn a_position_may_be_anything() {
    let k = machine();
    const FAR: i64 = i64::MAX - 10;
    let buf = k.alloc(8);
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, lseek(3, FAR, SEEK_SET) => FAR as u64);
    xnu!(k, lseek(3, 0, SEEK_CUR) => FAR as u64);
    // Nothing is there, and nothing fits.
    xnu!(k, read(3, buf, 8) => 0);
    xnu!(k, write(3, buf, 8) => EFBIG);
    xnu!(k, lseek(3, 10, SEEK_CUR) => i64::MAX as u64);
    xnu!(k, lseek(3, 1, SEEK_CUR) => EOVERFLOW);
    xnu!(k, lseek(3, 1, SEEK_CUR) => EOVERFLOW);
    xnu!(k, lseek(3, i64::MAX, SEEK_END) => EOVERFLOW);
    xnu!(k, lseek(3, i64::MIN, SEEK_CUR) => EINVAL);
    // Copies know, until somebody moves the file.
    xnu!(k, dup(3) => 4);
    xnu!(k, lseek(4, 0, SEEK_CUR) => i64::MAX as u64);
    xnu!(k, lseek(4, 2, SEEK_SET) => 2);
    xnu!(k, lseek(3, 0, SEEK_CUR) => 2);
    xnu!(k, lseek(3, FAR, SEEK_SET) => FAR as u64);
    xnu!(k, lseek(3, -(FAR - 3), SEEK_CUR) => 3);
    xnu!(k, lseek(3, 0, SEEK_CUR) => 3);
    // A number that is used again starts anew.
    xnu!(k, lseek(3, FAR, SEEK_SET) => FAR as u64);
    xnu!(k, close(3) => 0);
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, lseek(3, 0, SEEK_CUR) => 0);
    xnu!(k, lseek(3, FAR - 5, SEEK_END) => FAR as u64);
    xnu!(k, lseek(3, 1, SEEK_END) => 6);
    xnu!(k, lseek(3, 0, SEEK_CUR) => 6);
}
