//! Closes every descriptor from 0 to 1023, makes argv[1] more calls, and ends with code 7.
#![no_std]
#![no_main]
mod support;
use support::{Args, bsd, nr};

support::unixthread!(main);

fn main(args: &Args) -> i32 {
    for fd in 0..1024 {
        let _ = bsd(nr::CLOSE, [fd]);
    }
    for _ in 0..args.number(1, 0) {
        let _ = bsd(nr::GETPPID, []);
    }
    7
}
