//! Reading and writing where memory, files and flags end.

use crate::support::*;
use xnu_abi::linux::{Errno, Sysno};
use xnu_backend_mock::{Fault, Mock, Plan};
use xnu_core::UserAddr;

#[test]
fn memory_that_ends_inside_the_buffer_is_efault() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    let short = k.alloc_guarded(3);
    xnu!(k, read(3, short, 5) => EFAULT);
    assert_eq!(k.peek(short, 3), b"hel", "as far as it goes");
    xnu!(k, pread(3, short, 4, 0) => EFAULT);
    xnu!(k, pwrite(3, short, 5, 0) => EFAULT);
    xnu!(k, readv(3, bytes([short.get(), 2, short.get(), 4]), 2) => 2);
    xnu!(k, preadv(3, bytes([short.get(), 1, short.get(), 4]), 2, 0) => EFAULT);
    xnu!(k, pwritev(3, bytes([short.get(), 1, short.get(), 4]), 2, 0) => EFAULT);
    // A piece that is nowhere, behind one that is there.
    xnu!(k, preadv(3, bytes([short.get(), 2, 0x10, 2]), 2, 0) => EFAULT);
    xnu!(k, pwritev(3, bytes([short.get(), 2, NULL, 0, 0x10, 2]), 3, 0) => EFAULT);
}

#[test]
fn a_file_that_ends_where_memory_does_is_no_fault() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    let room = k.alloc_guarded(5);
    xnu!(k, read(3, room, 100) => 5);
    xnu!(k, pread(3, room, 100, 0) => 5);
    xnu!(k, pread(3, k.alloc_guarded(2), 100, 3) => 2);
    xnu!(k, preadv(3, bytes([room.get(), 5, 0x10, 2]), 2, 0) => 5);
    xnu!(k, preadv(3, bytes([room.get(), 4, 0x10, 2]), 2, 0) => EFAULT);
    xnu!(k, pread(3, room, 100, 5) => 0);
}

#[test]
fn a_page_that_may_only_be_read_cannot_be_read_into() {
    let k = machine();
    k.add_file("/tmp/big", &[7; 8192]);
    xnu!(k, open("/tmp/big", O_RDONLY) => 3);
    let two_pages = k.alloc(8192);
    let second = UserAddr::new(two_pages.get() + 4096);
    xnu!(k, pread(3, two_pages, 8192, 0) => 8192);
    k.protect(second, 4096, 1);
    xnu!(k, pread(3, two_pages, 8192, 0) => EFAULT);
    xnu!(k, pread(3, two_pages, 4096, 0) => 4096);
    // To write from, it will do.
    xnu!(k, open("/dev/null", O_WRONLY) => 4);
    xnu!(k, write(4, two_pages, 8192) => 8192);
}

#[test]
fn a_pipe_that_had_no_more_is_no_fault() {
    let k = machine();
    xnu!(k, pipe() => (3, 4));
    xnu!(k, write(4, b"12345", 5) => 5);
    let room = k.alloc_guarded(3);
    xnu!(k, read(3, room, 5) => EFAULT);
    xnu!(k, read(3, room, 1) => 1);
    // Both end at once: the pipe is empty, so nothing was missed.
    xnu!(k, write(4, b"67", 2) => 2);
    xnu!(k, read(3, room, 5) => 3);
    let short = k.place(b"abc");
    xnu!(k, write(4, short, 5) => EFAULT);
}

#[test]
fn devices_without_an_end_always_have_more() {
    let k = machine();
    xnu!(k, open("/dev/zero", O_RDONLY) => 3);
    xnu!(k, read(3, k.alloc_guarded(10), 20) => EFAULT);
    xnu!(k, read(3, k.alloc_guarded(20), 20) => 20);
}

#[test]
fn a_write_that_faults_leaves_the_position() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, lseek(3, 1, SEEK_SET) => 1);
    let short = k.place(b"XY");
    xnu!(k, write(3, short, 5) => EFAULT);
    xnu!(k, lseek(3, 0, SEEK_CUR) => 1);
    xnu!(k, writev(3, bytes([short.get(), 1, 0x10, 4]), 2) => EFAULT);
    xnu!(k, lseek(3, 0, SEEK_CUR) => 1);
}

#[test]
fn a_full_count_costs_one_call() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    let room = k.alloc(8);
    for (name, arguments) in [
        ("read", vec![3, room.get(), 3]),
        ("write", vec![3, room.get(), 3]),
        ("pread", vec![3, room.get(), 5, 0]),
        ("pwrite", vec![3, room.get(), 5, 0]),
        // Short, but nowhere near the end of a page.
        ("pread", vec![3, room.get(), 8, 3]),
    ] {
        k.clear_calls();
        let reply = k.by_name(name, &arguments);
        assert_eq!(k.calls().len(), 1, "{name}: {reply:?} {:?}", k.transcript());
    }
}

#[test]
fn an_offset_counts_even_where_writes_append() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR | O_APPEND) => 3);
    xnu!(k, pwrite(3, b"J", 1, 0) => 1);
    xnu!(k, pwritev(3, bytes([k.place(b"y").get(), 1]), 1, 4) => 1);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"Jelly");
    xnu!(k, write(3, b"!", 1) => 1);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"Jelly!");
}

#[test]
fn an_offset_counts_where_linux_cannot_be_told_so() {
    let k = failing(Plan::nth(Sysno::Pwritev2, 1, Errno::EOPNOTSUPP));
    xnu!(k, open("/tmp/own", O_RDWR | O_APPEND) => 3);
    xnu!(k, pwrite(3, b"J", 1, 0) => 1);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"Jello");
    assert_eq!(k.descriptors(), [0, 1, 2, 3]);
    let k = failing(Plan::nth(Sysno::Pwritev2, 1, Errno::EOPNOTSUPP));
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, pwritev(3, bytes([k.place(b"J").get(), 1]), 1, 0) => 1);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"Jello");
}

#[test]
fn a_quiet_pipe_breaks_without_a_signal() {
    let broken = |k: &Machine<Fault<Mock>>| {
        xnu!(k, pipe() => (3, 4));
        xnu!(k, close(3) => 0);
        xnu!(k, fcntl(4, F_SETNOSIGPIPE, 1) => 0);
    };
    // With a kernel of today, and with one that cannot be told.
    for plan in [Plan::none(), Plan::nth(Sysno::Pwritev2, 1, Errno::EOPNOTSUPP)] {
        let k = failing(plan);
        broken(&k);
        xnu!(k, write(4, b"x", 1) => EPIPE);
        xnu!(k, writev(4, bytes([k.place(b"x").get(), 1]), 1) => EPIPE);
        assert_eq!(
            (k.killed(), k.signals().iter().filter(|sent| sent.disposition != PENDING).count()),
            (None, 0)
        );
        // Only this one: others break as ever.
        xnu!(k, pipe() => (3, 5));
        xnu!(k, write(5, b"xyz", 3) => 3);
        xnu!(k, close(3) => 0);
        xnu!(k, write(5, b"x", 1) => EPIPE);
        assert_eq!(k.killed(), Some(13));
    }
    let k = failing(Plan::none());
    broken(&k);
    xnu!(k, fcntl(4, F_SETNOSIGPIPE, 0) => 0);
    xnu!(k, write(4, b"x", 1) => EPIPE);
    assert_eq!(k.killed(), Some(13));
}

const PENDING: xnu_backend_mock::Disposition = xnu_backend_mock::Disposition::Pending;

#[test]
fn terminals_have_no_offsets_and_other_devices_any() {
    let k = machine();
    let room = k.alloc(8);
    xnu!(k, pread(0, room, 4, 0) => ENXIO);
    xnu!(k, pwrite(1, room, 4, 0) => ENXIO);
    xnu!(k, pread(0, room, 4, -5) => ENXIO);
    xnu!(k, preadv(0, bytes([room.get(), 4]), 1, 0) => ENXIO);
    xnu!(k, open("/dev/zero", O_RDWR) => 3);
    xnu!(k, pread(3, room, 4, i64::MIN) => 4);
    xnu!(k, pwrite(3, room, 4, -2) => 4);
    xnu!(k, pipe() => (4, 5));
    xnu!(k, pread(4, room, 4, 0) => ESPIPE);
    xnu!(k, pwrite(5, room, 4, -5) => ESPIPE);
}

#[test]
fn behind_the_largest_offset_there_is_nothing() {
    let k = machine();
    let room = k.alloc(8);
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, pread(3, room, 8, i64::MAX) => 0);
    xnu!(k, pread(3, room, 8, i64::MAX - 4) => 0);
    xnu!(k, preadv(3, bytes([room.get(), 8]), 1, i64::MAX) => 0);
    xnu!(k, pwrite(3, room, 8, i64::MAX) => EFBIG);
    xnu!(k, pwrite(3, room, 8, i64::MAX - 4) => EFBIG);
    xnu!(k, pread(3, room, 8, -5) => EINVAL);
    xnu!(k, pwrite(3, room, 8, -1) => EINVAL);
}
