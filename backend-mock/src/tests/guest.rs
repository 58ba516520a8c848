//! Guest memory: faults at every edge, vectors, the memory map.

use super::{AT_FDCWD, linux};
use crate::Mock;
use linux_raw_sys::general::*;
use xnu_abi::linux::Errno;
use xnu_core::{Arg, Kernel, UserAddr};

const PAGE: usize = 4096;

/// An I/O vector in guest memory.
fn vector(mock: &Mock, parts: &[(UserAddr, usize)]) -> UserAddr {
    let words = parts.iter().flat_map(|(address, len)| [address.get(), *len as u64]);
    mock.place(&words.flat_map(u64::to_le_bytes).collect::<Vec<_>>())
}

#[test]
fn a_read_stops_at_the_fault_and_says_how_far_it_came() {
    let mock = Mock::new(1);
    mock.add_file("/tmp/a", b"0123456789");
    linux!(mock, Openat(AT_FDCWD, c"/tmp/a", O_RDONLY, 0) => 3);
    let buffer = mock.alloc_guarded(4);
    linux!(mock, Read(3, buffer, 10) => 4);
    assert_eq!(mock.peek(buffer, 4), b"0123");
    let behind = buffer.checked_add(4).unwrap();
    linux!(mock, Read(3, behind, 4) => Errno::EFAULT);
    linux!(mock, Lseek(3, 0, SEEK_CUR) => 4);
    // At the end of the file nothing is copied, so nothing faults.
    linux!(mock, Lseek(3, 0, SEEK_END) => 10);
    linux!(mock, Read(3, UserAddr::NULL, 4) => 0);
    linux!(mock, Read(3, UserAddr::new(1 << 60), 4) => Errno::EFAULT);
}

#[test]
fn a_write_takes_the_bytes_before_the_fault() {
    let mock = Mock::new(1);
    linux!(mock, Openat(AT_FDCWD, c"a", O_CREAT | O_RDWR, 0o600) => 3);
    let buffer = mock.place(b"abc");
    linux!(mock, Write(3, buffer, 10) => 3);
    linux!(mock, Write(3, UserAddr::NULL, 1) => Errno::EFAULT);
    assert_eq!(mock.contents("a").unwrap(), b"abc");
}

#[test]
fn a_path_may_end_directly_before_a_fault() {
    let mock = Mock::new(1);
    let path = mock.place_str("/tmp");
    linux!(mock, Chdir(path) => 0);
    let unterminated = mock.place(b"/tmp");
    linux!(mock, Chdir(unterminated) => Errno::EFAULT);
    linux!(mock, Chdir(UserAddr::NULL) => Errno::EFAULT);
    let long = mock.place_str(vec![b'/'; 4096]);
    linux!(mock, Chdir(long) => Errno::ENAMETOOLONG);
}

#[test]
fn vectors_are_filled_in_order_up_to_a_fault() {
    let mock = Mock::new(1);
    mock.add_file("/tmp/a", b"0123456789");
    linux!(mock, Openat(AT_FDCWD, c"/tmp/a", O_RDONLY, 0) => 3);
    let (first, second) = (mock.alloc_guarded(3), mock.alloc_guarded(4));
    let parts = vector(&mock, &[(first, 3), (UserAddr::NULL, 0), (second, 9), (first, 3)]);
    linux!(mock, Readv(3, parts, 4) => 7);
    assert_eq!((mock.peek(first, 3), mock.peek(second, 4)), (b"012".to_vec(), b"3456".to_vec()));
    linux!(mock, Readv(3, parts, 1025) => Errno::EINVAL);
    linux!(mock, Readv(3, parts, 5) => Errno::EFAULT);
    let parts = vector(&mock, &[(second, 2), (first, 3)]);
    linux!(mock, Writev(1, parts, 2) => 5);
    assert_eq!(mock.tty_output(), b"34012");
    linux!(mock, Preadv(3, parts, 2, 8, 0) => 2);
    assert_eq!(mock.peek(second, 2), b"89");
}

#[test]
fn the_core_copies_with_the_same_faults() {
    let mock = Mock::new(1);
    let at = mock.place(b"abcd");
    let mut buffer = [0; 5];
    assert!(mock.copy_in(at, &mut buffer[..4]).is_ok());
    assert!(mock.copy_in(at, &mut buffer).is_err());
    assert_eq!(&buffer, b"abcd\0", "what lies before the fault was copied");
    mock.protect(at, 4, PROT_READ);
    assert!(mock.copy_out(at, b"x").is_err());
    assert_eq!(mock.peek(at, 4), b"abcd");
}

#[test]
fn a_result_that_cannot_be_stored_is_efault() {
    let mock = Mock::new(1);
    let read_only = mock.alloc(PAGE);
    mock.protect(read_only, PAGE, PROT_READ);
    linux!(mock, Fstat(0, read_only) => Errno::EFAULT);
    linux!(mock, Pipe2(read_only, 0) => Errno::EFAULT);
    assert_eq!(mock.descriptors(), [0, 1, 2], "no descriptor leaks");
    linux!(mock, ClockGettime(0, UserAddr::new(u64::MAX - 3)) => Errno::EFAULT);
}

#[test]
fn anonymous_memory_is_zeroed_and_goes_away() {
    let mock = Mock::new(1);
    let flags = MAP_PRIVATE | MAP_ANONYMOUS;
    let map = |len: usize| linux!(mock, Mmap(0, len, PROT_READ | PROT_WRITE, flags, -1, 0)).unwrap();
    let at = map(2 * PAGE + 1);
    let address = UserAddr::new(at as u64);
    assert!(mock.is_mapped(address, 3 * PAGE));
    mock.poke(address, b"x");
    linux!(mock, Madvise(at, PAGE, MADV_DONTNEED) => 0);
    assert_eq!(mock.peek(address, 1), [0]);
    linux!(mock, Mprotect(at, PAGE, PROT_READ) => 0);
    assert!(mock.copy_out(address, b"x").is_err());
    linux!(mock, Munmap(at + PAGE, PAGE) => 0);
    linux!(mock, Mprotect(at, 3 * PAGE, PROT_READ) => Errno::ENOMEM);
    linux!(mock, Munmap(at + 1, PAGE) => Errno::EINVAL);
    linux!(mock, Munmap(at, 0) => Errno::EINVAL);
    linux!(mock, Mmap(at, PAGE, PROT_READ, flags | MAP_FIXED_NOREPLACE, -1, 0) => Errno::EEXIST);
    linux!(mock, Mmap(at, PAGE, PROT_READ, flags | MAP_FIXED, -1, 0) => at);
    linux!(mock, Mmap(0, 0, PROT_READ, flags, -1, 0) => Errno::EINVAL);
    linux!(mock, Mmap(0, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0) => Errno::EINVAL);
    linux!(mock, Mmap(0x1000, PAGE, PROT_READ, flags | MAP_FIXED, -1, 0) => Errno::EPERM);
}

#[test]
fn a_mapped_file_is_a_copy_and_ends_with_the_file() {
    let mock = Mock::new(1);
    mock.add_file("/tmp/a", &[b'x'; PAGE + 10]);
    linux!(mock, Openat(AT_FDCWD, c"/tmp/a", O_RDONLY, 0) => 3);
    let at = linux!(mock, Mmap(0, 3 * PAGE, PROT_READ, MAP_PRIVATE, 3, 0)).unwrap();
    let mut buffer = [0; 2];
    assert!(mock.copy_in(UserAddr::new((at + PAGE + 9) as u64), &mut buffer).is_ok());
    assert_eq!(&buffer, b"x\0");
    assert!(mock.copy_in(UserAddr::new((at + 2 * PAGE) as u64), &mut buffer).is_err());
    linux!(mock, Mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 3, 0) => Errno::EACCES);
    linux!(mock, Mmap(0, PAGE, PROT_READ, MAP_PRIVATE, 9, 0) => Errno::EBADF);
    linux!(mock, Mmap(0, PAGE, PROT_READ, MAP_PRIVATE, 3, 1) => Errno::EINVAL);
    linux!(mock, Openat(AT_FDCWD, c"/tmp", O_RDONLY, 0) => 4);
    linux!(mock, Mmap(0, PAGE, PROT_READ, MAP_PRIVATE, 4, 0) => Errno::ENODEV);
}

#[test]
fn remapping_moves_the_contents() {
    let mock = Mock::new(1);
    let old = mock.alloc(PAGE).get() as usize;
    mock.poke(UserAddr::new(old as u64), b"moved");
    linux!(mock, Mremap(old, PAGE, 2 * PAGE, 0, 0) => old);
    let blocker = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    linux!(mock, Mmap(old + 2 * PAGE, PAGE, PROT_READ, blocker, -1, 0) => old + 2 * PAGE);
    linux!(mock, Mremap(old, 2 * PAGE, 3 * PAGE, 0, 0) => Errno::ENOMEM);
    let new = linux!(mock, Mremap(old, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE, 0)).unwrap();
    assert_ne!(new, old);
    assert_eq!(mock.peek(UserAddr::new(new as u64), 5), b"moved");
    assert!(!mock.is_mapped(UserAddr::new(old as u64), PAGE));
    linux!(mock, Mremap(old, PAGE, PAGE, 0, 0) => Errno::EFAULT);
}

#[test]
fn guest_paths_are_readable_in_the_log() {
    let mock = Mock::new(1);
    let path = mock.place_str("/tmp/a");
    linux!(mock, Openat(AT_FDCWD, path, O_RDONLY, 0) => Errno::ENOENT);
    linux!(mock, Write(1, &b"hi\n"[..], 3) => 3);
    linux!(mock, Fcntl(-1, 3, 0) => Errno::EBADF);
    let expected = [
        "openat(AT_FDCWD, \"/tmp/a\", 0, 0) = -1 ENOENT",
        "write(1, \"hi\\n\", 3) = 3",
        "fcntl(-1, 3, 0) = -1 EBADF",
    ];
    assert_eq!(mock.transcript(), expected);
    mock.clear_calls();
    assert_eq!(mock.call(xnu_abi::linux::Sysno::Bpf, &mut [Arg::Val(1)]), Err(Errno::ENOSYS));
    assert_eq!(mock.unserved(), [xnu_abi::linux::Sysno::Bpf]);
    assert_eq!(mock.calls().len(), 1);
}
