//! The command `xnurun`.

use clap::{CommandFactory, Parser};
use std::io;
use std::process::ExitCode;
use xnurun::cli::Cli;
use xnurun::start;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(shell) = cli.completions {
        clap_complete::generate(shell, &mut Cli::command(), "xnurun", &mut io::stdout());
        return ExitCode::SUCCESS;
    }
    if cli.man {
        return match clap_mangen::Man::new(Cli::command()).render(&mut io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    match start::run(&cli) {
        Ok(never) => match never {},
        Err(failure) => {
            eprintln!("xnurun: {failure}");
            ExitCode::from(failure.status())
        }
    }
}
