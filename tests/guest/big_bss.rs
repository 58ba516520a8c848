//! 256 MiB of zero-fill: the first and the last page must be there, zero, and writable.
#![no_std]
#![no_main]
mod support;
use support::{Args, PAGE, ensure, println};

support::unixthread!(main);

const SIZE: usize = 256 << 20;
static mut ZEROS: [u8; SIZE] = [0; SIZE];

fn main(_: &Args) -> i32 {
    let zeros = (&raw mut ZEROS).cast::<u8>();
    let page = PAGE as usize;
    for (code, start) in [(1, 0), (2, SIZE - page)] {
        for offset in start..start + page {
            // SAFETY: inside ZEROS, which nothing else uses.
            let was = unsafe { zeros.add(offset).replace(0xa5) };
            ensure!(code, was == 0, "byte {offset:#x} was {was:#x}");
        }
    }
    // SAFETY: as above.
    let edges = unsafe { (zeros.read_volatile(), zeros.add(SIZE - 1).read_volatile()) };
    ensure!(3, edges == (0xa5, 0xa5), "the pages did not keep what was written");
    println!("big_bss {SIZE} bytes at {zeros:p}");
    0
}
