//! Entered by LC_MAIN through /usr/lib/dyld: prints its arguments, returns the number in argv[1].
#![no_std]
#![no_main]
mod support;
use support::{Args, println, text};

support::lc_main!(main);

fn main(args: &Args) -> i32 {
    println!("main: argc {}", args.argc);
    args.argv.enumerate().for_each(|(i, string)| println!("main: argv[{i}] {}", text(string)));
    println!("main: envp {} apple {}", args.envp.count(), args.apple.count());
    args.number(1, 0) as i32
}
