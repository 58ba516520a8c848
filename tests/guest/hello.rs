//! Writes one line and exits with the number in argv[1] (0 without one).
#![no_std]
#![no_main]
mod support;
use support::{Args, println};

support::unixthread!(main);

fn main(args: &Args) -> i32 {
    println!("hello from XNU");
    args.number(1, 0) as i32
}
