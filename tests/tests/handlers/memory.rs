//! Virtual memory.

use crate::support::*;
use xnu_abi::darwin::mman::{MapFlags, Prot};
use xnu_core::UserAddr;

const ANON: MapFlags = MAP_ANON;
const RW: Prot = PROT_READ.union(PROT_WRITE);
/// An address that the mock gives to nobody.
const FREE: u64 = 0x1000_0000;

#[test]
fn anonymous_memory_is_zero_and_ones_own() {
    let k = machine();
    let at = value(xnu!(k, mmap(NULL, 5000, RW, ANON | MAP_PRIVATE, -1, 0)));
    assert_eq!(at % PAGE, 0);
    assert!(k.is_mapped(UserAddr::new(at), 8192));
    assert_eq!(k.peek(UserAddr::new(at), 8192), [0; 8192]);
    xnu!(k, mprotect(at, 4096, PROT_READ) => 0);
    xnu!(k, munmap(at, 1) => 0);
    assert!(!k.is_mapped(UserAddr::new(at), 1) && k.is_mapped(UserAddr::new(at + PAGE), 1));
    xnu!(k, munmap(at, 8192) => 0);
    assert!(!k.is_mapped(UserAddr::new(at + PAGE), 1));
    xnu!(k, munmap(at, 8192) => 0);
}

#[test]
fn a_fixed_mapping_replaces_what_was_there() {
    let k = machine();
    let flags = ANON | MAP_PRIVATE | MAP_FIXED;
    xnu!(k, mmap(FREE, 2 * PAGE, RW, flags, -1, 0) => FREE);
    k.poke(UserAddr::new(FREE), b"old");
    xnu!(k, mmap(FREE, PAGE, RW, flags, -1, 0) => FREE);
    assert_eq!(k.peek(UserAddr::new(FREE), 3), [0; 3]);
    xnu!(k, mmap(FREE + 1, PAGE, RW, flags, -1, 0) => EINVAL);
    xnu!(k, mmap(u64::MAX - PAGE + 1, PAGE, RW, flags, -1, 0) => EINVAL);
    xnu!(k, mmap(FREE, u64::MAX, RW, flags, -1, 0) => EINVAL);
    xnu!(k, mmap(0x7fff_ffff_f000u64, PAGE, RW, flags, -1, 0) => ENOMEM);
    xnu!(k, mmap(NULL, 1u64 << 48, RW, ANON | MAP_PRIVATE, -1, 0) => ENOMEM);
}

#[test]
fn files_are_mapped_from_their_page() {
    let k = machine();
    k.add_file("/tmp/big", &[b'a'; 4096].iter().chain(&[b'b'; 4096]).copied().collect::<Vec<_>>());
    k.set_owner("/tmp/big", 1000, 1000);
    xnu!(k, open("/tmp/big", O_RDONLY) => 3);
    let at = value(xnu!(k, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 3, PAGE)));
    assert_eq!(k.peek(UserAddr::new(at), 2), b"bb");
    // Inside a page: the address of that byte, unless the C library's flag is there.
    let at = value(xnu!(k, mmap(NULL, 10, PROT_READ, MAP_PRIVATE, 3, 4090)));
    assert_eq!(at % PAGE, 4090);
    assert_eq!(k.peek(UserAddr::new(at), 10), b"aaaaaabbbb");
    xnu!(k, mmap(NULL, 10, PROT_READ, MAP_PRIVATE | MAP_UNIX03, 3, 4090) => EINVAL);
    xnu!(k, mmap(FREE + 5, 10, PROT_READ, MAP_PRIVATE | MAP_FIXED, 3, 5) => FREE + 5);
    xnu!(k, mmap(FREE + 6, 10, PROT_READ, MAP_PRIVATE | MAP_FIXED, 3, 5) => EINVAL);
    xnu!(k, mmap(4, 10, PROT_READ, MAP_PRIVATE | MAP_FIXED, 3, 5) => EINVAL);
    xnu!(k, mmap(NULL, PAGE, RW, MAP_SHARED, 3, 0) => EACCES);
    xnu!(k, open("/tmp/big", O_WRONLY) => 4);
    xnu!(k, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 4, 0) => EACCES);
}

#[test]
fn only_regular_files_can_be_mapped() {
    let k = machine();
    xnu!(k, open("/tmp/dir", O_RDONLY) => 3);
    xnu!(k, pipe() => (4, 5));
    xnu!(k, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 3, 0) => EINVAL);
    xnu!(k, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 4, 0) => EINVAL);
    xnu!(k, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 0, 0) => ENODEV);
    for fd in [-1, 99, i32::MIN] {
        xnu!(k, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0) => EBADF);
    }
    xnu!(k, mmap(NULL, PAGE, RW, ANON | MAP_PRIVATE, 3, 0) => EINVAL);
    // A tag for accounting stands where the descriptor would.
    let tag = 0x3500_0000;
    assert_ne!(value(xnu!(k, mmap(NULL, PAGE, RW, ANON | MAP_PRIVATE, tag, 0))), 0);
    assert_ne!(value(xnu!(k, mmap(NULL, PAGE, RW, ANON | MAP_PRIVATE, dirty(-1), 0))), 0);
}

#[test]
fn nothing_can_be_mapped_unless_it_is_forbidden() {
    let k = machine();
    xnu!(k, mmap(NULL, 0, RW, ANON | MAP_PRIVATE, -1, 0) => 0);
    xnu!(k, mmap(NULL, 0, RW, ANON | MAP_PRIVATE | MAP_UNIX03, -1, 0) => EINVAL);
    xnu!(k, mmap(NULL, PAGE, RW, ANON | MAP_UNIX03, -1, 0) => EINVAL);
    assert_ne!(value(xnu!(k, mmap(NULL, PAGE, RW, ANON, -1, 0))), 0, "private is the default");
}

#[test]
fn mapping_flags_that_exclude_each_other() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    for bit in [16, 20, 21, 25, 31] {
        xnu!(k, mmap(NULL, PAGE, RW, 1u32 << bit | 0x1002, -1, 0) => EINVAL);
    }
    let private = ANON | MAP_PRIVATE;
    assert_ne!(value(xnu!(k, mmap(NULL, PAGE, RW, private | MAP_JIT, -1, 0))), 0);
    for other in [MAP_FIXED, MAP_SHARED, MAP_TPRO, MAP_RESILIENT_CODESIGN, MAP_RESILIENT_MEDIA] {
        xnu!(k, mmap(FREE, PAGE, RW, private | MAP_JIT | other, -1, 0) => EINVAL);
    }
    xnu!(k, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_JIT, 3, 0) => EINVAL);
    xnu!(k, mmap(NULL, PAGE, RW, private | MAP_RESILIENT_CODESIGN, -1, 0) => EINVAL);
    xnu!(k, mmap(NULL, PAGE, PROT_EXEC, MAP_PRIVATE | MAP_RESILIENT_CODESIGN, 3, 0) => EPERM);
    xnu!(k, mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED | MAP_RESILIENT_CODESIGN, 3, 0) => EPERM);
    xnu!(k, mmap(NULL, PAGE, PROT_READ, private | MAP_TPRO, -1, 0) => EPERM);
    xnu!(k, mmap(NULL, PAGE, RW | PROT_EXEC, private | MAP_TPRO, -1, 0) => EPERM);
    assert_ne!(
        value(xnu!(k, mmap(NULL, PAGE, RW, private | MAP_TPRO | MAP_NORESERVE | MAP_32BIT, -1, 0))),
        0
    );
}

#[test]
fn the_runners_memory_is_nobodys() {
    let k = machine();
    let at = k.alloc(3 * PAGE as usize).get();
    k.poke(UserAddr::new(at + PAGE), b"runner");
    k.process.reserved.add(at + PAGE..at + 2 * PAGE).expect("room");
    xnu!(k, mmap(at, 3 * PAGE, RW, ANON | MAP_PRIVATE | MAP_FIXED, -1, 0) => ENOMEM);
    xnu!(k, mprotect(at, 3 * PAGE, PROT_READ) => ENOMEM);
    xnu!(k, mprotect(at + PAGE, 1, 0) => ENOMEM);
    xnu!(k, madvise(at, 3 * PAGE, MADV_FREE) => EINVAL);
    xnu!(k, munmap(at, 3 * PAGE) => 0);
    assert!(!k.is_mapped(UserAddr::new(at), 1) && !k.is_mapped(UserAddr::new(at + 2 * PAGE), 1));
    assert_eq!(k.peek(UserAddr::new(at + PAGE), 6), b"runner");
    xnu!(k, mmap(at, PAGE, RW, ANON | MAP_PRIVATE | MAP_FIXED, -1, 0) => at);
    xnu!(k, munmap(at + PAGE, PAGE) => 0);
    assert_eq!(k.peek(UserAddr::new(at + PAGE), 6), b"runner");
}

#[test]
fn unmapping_wants_a_page_and_a_length() {
    let k = machine();
    xnu!(k, munmap(FREE + 1, PAGE) => EINVAL);
    xnu!(k, munmap(FREE, 0) => EINVAL);
    xnu!(k, munmap(FREE, u64::MAX) => EINVAL);
    xnu!(k, munmap(u64::MAX - PAGE + 1, PAGE) => EINVAL);
    xnu!(k, munmap(NULL, PAGE) => 0);
}

#[test]
fn protection_is_changed_page_by_page() {
    let k = machine();
    let at = k.alloc(2 * PAGE as usize).get();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, mprotect(at, 1, PROT_READ) => 0);
    xnu!(k, read(3, at, 5) => EFAULT);
    xnu!(k, read(3, at + PAGE, 5) => 5);
    xnu!(k, mprotect(at, PAGE, PROT_WRITE) => 0);
    xnu!(k, pwrite(3, at, 1, 0) => 1);
    xnu!(k, mprotect(at, 3 * PAGE, PROT_READ) => ENOMEM);
    xnu!(k, mprotect(at + 1, PAGE, PROT_READ) => EINVAL);
    xnu!(k, mprotect(at, 0, PROT_READ) => 0);
    xnu!(k, mprotect(at, u64::MAX, PROT_READ) => ENOMEM);
    xnu!(k, mprotect(FREE, PAGE, PROT_READ) => ENOMEM);
    // Bits that are no protection are dropped.
    xnu!(k, mprotect(at, PAGE, 0xdead_beef_0000_0ff3u64) => 0);
    xnu!(k, pread(3, at, 1, 0) => 1);
}

#[test]
fn advice_is_taken_where_the_memory_is_there() {
    let k = machine();
    let at = k.alloc(2 * PAGE as usize).get();
    for advice in [
        MADV_NORMAL,
        MADV_RANDOM,
        MADV_SEQUENTIAL,
        MADV_WILLNEED,
        MADV_DONTNEED,
        MADV_FREE,
        MADV_ZERO_WIRED_PAGES,
        MADV_FREE_REUSABLE,
        MADV_FREE_REUSE,
        MADV_CAN_REUSE,
    ] {
        xnu!(k, madvise(at, 2 * PAGE, advice) => 0);
        xnu!(k, madvise(at + 100, 1, advice) => 0);
        xnu!(k, madvise(at, u64::MAX, advice) => EINVAL);
    }
    xnu!(k, madvise(at, PAGE, MADV_PAGEOUT) => ENOTSUP);
    for advice in [12, -1, i32::MAX, i32::MIN] {
        xnu!(k, madvise(at, PAGE, advice) => EINVAL);
    }
    // A hole, whatever the advice.
    for advice in [MADV_WILLNEED, MADV_DONTNEED, MADV_FREE, MADV_FREE_REUSE, MADV_CAN_REUSE, MADV_ZERO] {
        xnu!(k, madvise(FREE, PAGE, advice) => EINVAL);
        xnu!(k, madvise(at, 3 * PAGE, advice) => EINVAL);
        xnu!(k, madvise(FREE, 0, advice) => 0);
    }
}

#[test]
fn zeros_are_written_over_whole_pages() {
    let k = machine();
    let at = k.alloc(3 * PAGE as usize);
    k.poke(at, &[7; 3 * PAGE as usize]);
    xnu!(k, madvise(at.get() + PAGE + 5, 1, MADV_ZERO) => 0);
    let bytes = k.peek(at, 3 * PAGE as usize);
    assert!(bytes[4096..8192].iter().all(|byte| *byte == 0));
    assert!(bytes[..4096].iter().chain(&bytes[8192..]).all(|byte| *byte == 7));
    // Also of a file that is mapped, whose own bytes stay.
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    let mapped = value(xnu!(k, mmap(NULL, PAGE, RW, MAP_PRIVATE, 3, 0)));
    xnu!(k, madvise(mapped, PAGE, MADV_ZERO) => 0);
    assert_eq!(k.peek(UserAddr::new(mapped), 5), [0; 5]);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"hello");
    k.protect(at, PAGE as usize, 1);
    xnu!(k, madvise(at, PAGE, MADV_ZERO) => EPERM);
}

#[test]
fn what_cannot_be_written_is_not_thrown_away() {
    let k = machine();
    let at = k.alloc(PAGE as usize);
    k.poke(at, b"kept");
    k.protect(at, PAGE as usize, 1);
    xnu!(k, madvise(at, PAGE, MADV_FREE) => 0);
    xnu!(k, madvise(at, PAGE, MADV_FREE_REUSABLE) => EPERM);
    xnu!(k, madvise(at, PAGE, MADV_ZERO_WIRED_PAGES) => EPERM);
    assert_eq!(k.peek(at, 4), b"kept");
}

#[test]
fn superpages_are_whole_ones_of_two_megabytes() {
    const MB: u64 = 1 << 20;
    let (any, two) = (0x0001_0000, 0x0002_0000);
    let k = machine();
    let private = ANON | MAP_PRIVATE;
    let at = value(xnu!(k, mmap(NULL, 2 * MB, RW, private, two, 0)));
    assert!(at.is_multiple_of(2 * MB) && k.is_mapped(UserAddr::new(at), 2 * MB as usize));
    assert!(!k.is_mapped(UserAddr::new(at - PAGE), 1) && !k.is_mapped(UserAddr::new(at + 2 * MB), 1));
    let rounded = value(xnu!(k, mmap(NULL, 1, RW, private, any, 0)));
    assert!(rounded.is_multiple_of(2 * MB) && k.is_mapped(UserAddr::new(rounded), 2 * MB as usize));
    xnu!(k, mmap(NULL, MB, RW, private, two, 0) => EINVAL);
    xnu!(k, mmap(NULL, 2 * MB, RW, private, 0x0003_0000, 0) => EINVAL);
    xnu!(k, mmap(8 * MB, 2 * MB, RW, private | MAP_FIXED, two, 0) => 8 * MB);
    xnu!(k, mmap(9 * MB, 2 * MB, RW, private | MAP_FIXED, two, 0) => ENOMEM);
    xnu!(k, mmap(NULL, u64::MAX - PAGE, RW, private, any, 0) => EINVAL);
    // Purgeable, in chunks, with a tag: memory as any other.
    assert_ne!(value(xnu!(k, mmap(NULL, PAGE, RW, private, 0x3500_0006, 0))), 0);
}

#[test]
fn resilient_mappings_read_zeros_behind_the_file() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    let resilient = MAP_PRIVATE | MAP_RESILIENT_MEDIA;
    let at = value(xnu!(k, mmap(NULL, 3 * PAGE, PROT_READ, resilient, 3, 0)));
    let beyond = UserAddr::new(at + PAGE);
    xnu!(k, open("/tmp/out", O_RDWR | O_CREAT, 0o600) => 4);
    xnu!(k, pwrite(4, beyond, 2 * PAGE, 0) => 2 * PAGE);
    assert_eq!(k.peek(UserAddr::new(at), 6), b"hello\0");
    let all_behind = value(xnu!(k, mmap(NULL, PAGE, PROT_READ, resilient, 3, 4 * PAGE)));
    xnu!(k, pwrite(4, all_behind, 16, 0) => 16);
    // A plain mapping has nothing there.
    let plain = value(xnu!(k, mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, 3, 0)));
    xnu!(k, pwrite(4, plain + PAGE, 16, 0) => EFAULT);
}

#[test]
fn offsets_and_lengths_that_wrap_are_einval() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    for offset in [-1, -4096, i64::MIN + i64::MAX] {
        xnu!(k, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 3, offset) => EINVAL);
        xnu!(k, mmap(NULL, PAGE, RW, ANON | MAP_PRIVATE, -1, offset) => EINVAL);
    }
    xnu!(k, mmap(NULL, u64::MAX, RW, ANON | MAP_PRIVATE, -1, 0) => EINVAL);
}

#[test]
fn pages_that_are_not_needed_keep_their_contents() {
    let k = machine();
    let at = k.alloc(PAGE as usize);
    k.poke(at, b"kept");
    xnu!(k, madvise(at, PAGE, MADV_DONTNEED) => 0);
    assert_eq!(k.peek(at, 4), b"kept");
}
