//! mmap, munmap and mprotect: anonymous, fixed, of a file (argv[1]), in part, of nothing, over the commpage, and
//! over each address in argv[2…], where a fixed mapping must fail or do no harm.
#![no_std]
#![no_main]
mod support;
use support::{
    Args, EINVAL, MAP_ANON, MAP_FIXED, MAP_PRIVATE, MAP_UNIX03, NO_FD, PAGE, PROT_NONE, PROT_READ, PROT_RW,
    SysResult, bsd, ensure, nr, number, println, protect,
};

support::unixthread!(main);

const COMMPAGE: u64 = 0x7fff_ffe0_0000;
const ANON: u64 = MAP_PRIVATE | MAP_ANON;
const LSEEK: u64 = 199;

fn mmap(addr: u64, len: u64, prot: u64, flags: u64, fd: u64) -> SysResult {
    bsd(nr::MMAP, [addr, len, prot, flags, fd, 0])
}

fn mapped(code: i32, result: SysResult) -> u64 {
    match result {
        Ok((addr, second)) => {
            ensure!(code, addr % PAGE == 0 && second == 0, "mmap returned ({addr:#x}, {second:#x})");
            addr
        }
        Err(errno) => support::wrong(code, format_args!("mmap: errno {errno}")),
    }
}

fn bytes<'a>(addr: u64, len: u64) -> &'a mut [u8] {
    // SAFETY: callers pass a mapping of theirs, and hold no other reference to it.
    unsafe { core::slice::from_raw_parts_mut(addr as *mut u8, len as usize) }
}

/// Whether the kernel can read a byte there, asked through a call that takes a path.
fn readable(addr: u64) -> bool {
    bsd(33, [addr, 0]) != Err(support::EFAULT)
}

fn main(args: &Args) -> i32 {
    // Anonymous: zero, writable, apart from other mappings.
    let four = mapped(1, mmap(0, 4 * PAGE, PROT_RW, ANON, NO_FD));
    ensure!(2, bytes(four, 4 * PAGE).iter().all(|&b| b == 0), "anonymous memory is not zero");
    bytes(four, 4 * PAGE).fill(b'a');

    // MAP_FIXED replaces the second page alone.
    let fixed = mapped(3, mmap(four + PAGE, PAGE, PROT_RW, ANON | MAP_FIXED, NO_FD));
    ensure!(4, fixed == four + PAGE, "MAP_FIXED at {:#x} gives {fixed:#x}", four + PAGE);
    ensure!(5, bytes(fixed, PAGE).iter().all(|&b| b == 0), "the replaced page is not zero");
    ensure!(6, bytes(four, 1)[0] == b'a' && bytes(four + 2 * PAGE, 1)[0] == b'a', "the neighbours changed");

    // A partial munmap leaves both sides.
    bytes(fixed, 2)[0] = b'/';
    ensure!(7, readable(fixed), "a mapped page is not readable");
    ensure!(8, bsd(nr::MUNMAP, [fixed, PAGE]).is_ok(), "munmap of one page");
    ensure!(9, !readable(fixed), "the unmapped page is still readable");
    ensure!(10, bytes(four, 1)[0] == b'a' && bytes(four + 2 * PAGE, 1)[0] == b'a', "munmap took a neighbour");

    // mprotect, seen through the kernel: reading from PROT_NONE and writing to PROT_READ fault.
    bytes(four, 2)[1] = 0;
    protect(four, 1, PROT_NONE);
    ensure!(11, !readable(four), "PROT_NONE is readable");
    protect(four, 1, PROT_READ);
    ensure!(12, readable(four), "PROT_READ is not readable");
    let out = bsd(nr::GETTIMEOFDAY, [four, 0, 0]);
    ensure!(13, out == Err(support::EFAULT), "PROT_READ is writable: {out:x?}");
    protect(four, 1, PROT_RW);
    ensure!(14, bsd(nr::GETTIMEOFDAY, [four, 0, 0]).is_ok(), "PROT_READ|PROT_WRITE is not writable");
    let odd = bsd(nr::MPROTECT, [four + 1, PAGE, PROT_READ]);
    ensure!(15, odd == Err(EINVAL), "mprotect of an odd address: {odd:x?}");

    // Nothing: EINVAL. Without MAP_UNIX03, XNU's mmap of length 0 is a success that maps nothing.
    let nothing = mmap(0, 0, PROT_RW, ANON | MAP_UNIX03, NO_FD);
    ensure!(16, nothing == Err(EINVAL), "mmap of length 0: {nothing:x?}");
    let nothing = bsd(nr::MUNMAP, [four, 0]);
    ensure!(17, nothing == Err(EINVAL), "munmap of length 0: {nothing:x?}");
    let odd = bsd(nr::MUNMAP, [four + 1, PAGE]);
    ensure!(18, odd == Err(EINVAL), "munmap of an odd address: {odd:x?}");
    let odd = mmap(four + 1, PAGE, PROT_RW, ANON | MAP_FIXED, NO_FD);
    ensure!(19, odd == Err(EINVAL), "MAP_FIXED at an odd address: {odd:x?}");
    ensure!(20, mmap(0, 1 << 62, PROT_RW, ANON, NO_FD).is_err(), "mmap of 2^62 bytes succeeds");
    ensure!(21, bsd(nr::MUNMAP, [four, 4 * PAGE]).is_ok(), "munmap over a hole");
    println!("anonymous ok");

    if let Some(path) = args.arg(1) {
        file(path.as_ptr());
        println!("file ok");
    }

    let signature = bytes(COMMPAGE, 15);
    println!("commpage {:x?}", mmap(COMMPAGE, PAGE, PROT_RW, ANON | MAP_FIXED, NO_FD));
    ensure!(30, signature == b"commpage 64-bit", "MAP_FIXED replaced the commpage");
    for addr in args.argv.skip(2).filter_map(|arg| number(support::text(arg))) {
        println!("{addr:#x} mmap {:x?}", mmap(addr, PAGE, PROT_RW, ANON | MAP_FIXED, NO_FD));
        println!("{addr:#x} mprotect {:x?}", bsd(nr::MPROTECT, [addr, PAGE, PROT_NONE]));
        println!("{addr:#x} munmap {:x?}", bsd(nr::MUNMAP, [addr, PAGE]));
    }
    println!("still here");
    0
}

/// A private mapping of the file's first page against what pread(2) says is there.
fn file(path: *const u8) {
    let Ok((fd, _)) = bsd(nr::OPEN, [path as u64, 0, 0]) else { support::wrong(22, format_args!("open")) };
    let mut start = [0u8; 64];
    let read = bsd(153, [fd, start.as_mut_ptr() as u64, 64, 0]);
    ensure!(23, read.is_ok_and(|(count, _)| count > 0 && count <= 64), "pread: {read:x?}");
    let count = read.map_or(0, |(count, _)| count as usize);

    let map = mapped(24, mmap(0, PAGE, PROT_READ, MAP_PRIVATE, fd));
    ensure!(25, bytes(map, 64)[..count] == start[..count], "the mapping differs from the file");
    ensure!(26, bsd(nr::CLOSE, [fd]).is_ok(), "close");
    ensure!(27, bytes(map, 64)[..count] == start[..count], "close took the mapping");
    protect(map, 1, PROT_RW);
    bytes(map, 1)[0] ^= 0xff;

    let gone = mmap(0, PAGE, PROT_READ, MAP_PRIVATE, fd);
    ensure!(28, gone == Err(support::EBADF), "mmap of a closed descriptor: {gone:x?}");
    let Ok((fd, _)) = bsd(nr::OPEN, [path as u64, 0, 0]) else { support::wrong(22, format_args!("open")) };
    let mut first = 0u8;
    let _ = bsd(LSEEK, [fd, 0, 0]);
    let read = bsd(nr::READ, [fd, &raw mut first as u64, 1]);
    ensure!(29, read.is_ok() && first == start[0], "a private write reached the file");
}
