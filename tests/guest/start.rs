//! Exits at once: what is left is the cost of starting a program.
#![no_std]
#![no_main]
mod support;

support::unixthread!(main);

fn main(_: &support::Args) -> i32 {
    0
}
