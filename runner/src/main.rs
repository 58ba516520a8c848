//! The command `xnurun`.
//!
//! # Safety
//! `main` is C's, called once by the C library's start-up code. The standard library's own start-up is left out: it
//! would ignore `SIGPIPE`, which the guest would inherit, and install a handler for stack overflow, and cost a
//! quarter of the time to the guest's first instruction. Nothing here needs it.
#![no_main]
#![allow(unsafe_code)]

use clap::{CommandFactory, Parser};
use std::ffi::{OsString, c_char, c_int};
use std::io;
use xnurun::cli::Cli;
use xnurun::{heap, skeleton, start};

#[global_allocator]
static ALLOCATOR: heap::Allocator = heap::Allocator;

#[unsafe(no_mangle)]
extern "C" fn main(_: c_int, _: *const *const c_char) -> c_int {
    if let Some(handed_over) = start::handed_over() {
        return match start::go_on(handed_over) {
            Ok(never) => match never {},
            Err(failure) => {
                eprintln!("xnurun: {failure}");
                c_int::from(failure.status())
            }
        };
    }
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // The parser of options costs a tenth of a millisecond: where there are none, it is not asked.
    let cli = Cli::without_options(&arguments).map_or_else(|| Cli::try_parse_from(arguments), Ok);
    let cli = match cli {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { c_int::from(start::CANNOT_WORK) } else { 0 };
        }
    };
    if let Some(shell) = cli.completions {
        clap_complete::generate(shell, &mut Cli::command(), "xnurun", &mut io::stdout());
        return 0;
    }
    if cli.man {
        return c_int::from(clap_mangen::Man::new(Cli::command()).render(&mut io::stdout()).is_err());
    }
    if let Some(prefix) = &cli.init_prefix {
        return match skeleton::make(prefix) {
            Ok(made) => {
                println!("{}: {made} things made, the rest was there", prefix.display());
                0
            }
            Err(error) => {
                eprintln!("xnurun: --init-prefix: {error}");
                c_int::from(start::CANNOT_WORK)
            }
        };
    }
    match start::run(cli) {
        Ok(never) => match never {},
        Err(failure) => {
            eprintln!("xnurun: {failure}");
            c_int::from(failure.status())
        }
    }
}
