//! Prints argc, argv, envp and the apple strings, one to a line.
#![no_std]
#![no_main]
mod support;
use support::{Args, ensure, println, text};

support::unixthread!(main);

fn main(args: &Args) -> i32 {
    println!("argc {}", args.argc);
    args.argv.enumerate().for_each(|(i, string)| println!("argv[{i}] {}", text(string)));
    args.envp.enumerate().for_each(|(i, string)| println!("envp[{i}] {}", text(string)));
    args.apple.enumerate().for_each(|(i, string)| println!("apple[{i}] {}", text(string)));

    ensure!(1, args.argv.count() as u64 == args.argc, "argc does not count argv");
    let mut apple = args.apple;
    let path = apple.next().map(text).unwrap_or("");
    ensure!(2, path.starts_with("executable_path="), "apple[0] is not the path of the program");
    0
}
