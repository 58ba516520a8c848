//! Lists the directory argv[1] by getdirentries64 with a buffer of argv[2] bytes: of the argv[3] files `s0`, `s1`, … in it
//! each must come once. Others may come and go.
#![no_std]
#![no_main]
mod support;
use support::{Args, bsd, ensure, map_pages, nr, number, println};

support::unixthread!(main);

const GETDIRENTRIES64: u64 = 344;
const O_DIRECTORY: u64 = 0x10_0000;

fn main(args: &Args) -> i32 {
    let path = args.argv.into_iter().nth(1).expect("a directory");
    let (size, count) = (args.number(2, 4096), args.number(3, 0));
    let (fd, _) = match bsd(nr::OPEN, [path as u64, O_DIRECTORY, 0]) {
        Ok(opened) => opened,
        Err(errno) => support::wrong(1, format_args!("open: errno {errno}")),
    };
    let buffer = map_pages(size.div_ceil(support::PAGE), support::PROT_RW);
    let seen = map_pages(count.div_ceil(support::PAGE).max(1), support::PROT_RW);
    // SAFETY: both were just mapped, as long as this says, and nobody else knows them.
    let (bytes, seen) = unsafe {
        let bytes = core::slice::from_raw_parts(buffer as *const u8, size as usize);
        (bytes, core::slice::from_raw_parts_mut(seen as *mut u8, count as usize))
    };
    let (mut calls, mut position) = (0u64, 0u64);
    loop {
        let listed = bsd(GETDIRENTRIES64, [fd, buffer, size, &raw mut position as u64]);
        let (length, _) = match listed {
            Ok(listed) => listed,
            Err(errno) => support::wrong(2, format_args!("getdirentries64: errno {errno}")),
        };
        calls += 1;
        if length == 0 {
            break;
        }
        let mut rest = &bytes[..length as usize];
        while !rest.is_empty() {
            let word = |at: usize| usize::from(u16::from_le_bytes([rest[at], rest[at + 1]]));
            let (record, name) = (word(16), word(18));
            ensure!(3, record % 8 == 0 && record >= 21 + name + 1, "an entry of {record} bytes for {name}");
            let name = core::str::from_utf8(&rest[21..21 + name]).unwrap_or("?");
            if let Some(index) = name.strip_prefix('s').and_then(number) {
                ensure!(4, index < count, "the file {name}, which nobody made");
                seen[index as usize] = seen[index as usize].saturating_add(1);
            }
            rest = &rest[record..];
        }
        let flags = u32::from_le_bytes([
            bytes[size as usize - 4],
            bytes[size as usize - 3],
            bytes[size as usize - 2],
            bytes[size as usize - 1],
        ]);
        ensure!(5, flags <= 1, "flags {flags:#x}");
        if flags == 1 {
            break;
        }
    }
    let missing = seen.iter().filter(|times| **times == 0).count();
    let double = seen.iter().filter(|times| **times > 1).count();
    ensure!(6, missing + double == 0, "{missing} missing, {double} more than once");
    ensure!(7, calls >= count * 32 / size, "only {calls} calls");
    println!("{count} files in {calls} calls");
    0
}
