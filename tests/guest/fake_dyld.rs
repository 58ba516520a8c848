//! Stands in for /usr/lib/dyld: finds LC_MAIN in the main image, calls the entry, exits with its result.
#![no_std]
#![no_main]
mod support;
use support::{Args, PAGE, ensure, linked_at, println};

support::dyld!(main);

const MH_MAGIC_64: u32 = 0xfeed_facf;
const MH_EXECUTE: u32 = 2;
const LC_MAIN: u32 = 0x8000_0028;

type Entry = extern "C" fn(u64, *const *const u8, *const *const u8, *const *const u8) -> i32;

fn main(header: *const u8, args: &Args) -> i32 {
    // SAFETY: exec passes the address of the main image's mach_header_64, which is mapped with its commands.
    let (entry, slide) = unsafe {
        let word = |offset| header.add(offset).cast::<u32>().read();
        ensure!(110, word(0) == MH_MAGIC_64, "no Mach-O header at {header:p}");
        ensure!(111, word(12) == MH_EXECUTE, "the image at {header:p} is not a program");
        let mut at = 32;
        let mut entry = None;
        for _ in 0..word(16) {
            if word(at) == LC_MAIN {
                entry = Some(header.add(at + 8).cast::<u64>().read());
            }
            at += word(at + 4) as usize;
        }
        (entry, (header as u64).wrapping_sub(linked_at(header)))
    };
    ensure!(112, slide % PAGE == 0, "slide {slide:#x} is not a number of pages");
    ensure!(113, args.argv.count() as u64 == args.argc, "argc does not count argv");
    let Some(entry) = entry else { support::wrong(114, format_args!("no LC_MAIN")) };
    println!("dyld: main image at {header:p}, slide {slide:#x}, entry at +{entry:#x}");
    // SAFETY: entryoff is an offset in the file, and the segment with the header begins at offset 0.
    let main: Entry = unsafe { core::mem::transmute(header.add(entry as usize)) };
    main(args.argc, args.argv.0, args.envp.0, args.apple.0)
}
