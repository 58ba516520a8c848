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
    xnu!(k, madvise(at, PAGE, MADV_ZERO) => EINVAL);
    for advice in [12, -1, i32::MAX, i32::MIN] {
        xnu!(k, madvise(at, PAGE, advice) => EINVAL);
    }
    xnu!(k, madvise(FREE, PAGE, MADV_WILLNEED) => EINVAL);
}

#[test]
fn pages_that_are_not_needed_keep_their_contents() {
    let k = machine();
    let at = k.alloc(PAGE as usize);
    k.poke(at, b"kept");
    xnu!(k, madvise(at, PAGE, MADV_DONTNEED) => 0);
    assert_eq!(k.peek(at, 4), b"kept");
}
