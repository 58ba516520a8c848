//! The command line of `xnurun`.

use clap::{Args, Parser, ValueHint};
use std::ffi::{CString, OsString};
use std::path::PathBuf;
use xnu_core::version::Version;

const EXAMPLES: &str = "\
Examples:
  xnurun ./prog arg                 run a macOS program
  xnurun --trace ./prog             show every system call on standard error
  xnurun --trace=calls.txt ./prog   the same, into a file
  xnurun --trace-json=calls.json ./prog
  xnurun -c ./prog                  count calls, errors and time
  xnurun --init-prefix ~/mac        make a root for macOS programs
  xnurun --prefix ~/mac --sandbox /bin/prog
                                    run a program that sees only that root, and can reach nothing else

Exit status: the program's own. 126 if the file is there but cannot be run, 127 if it is not there, 125 if xnurun \
itself cannot work here. A program that a signal ends makes xnurun end by the same signal.

What is traced is the kernel's side: system calls with XNU's names, numbers and errors. A call that is not served yet \
answers ENOSYS and says so in the trace.";

/// Run a macOS program (Mach-O, x86-64) that makes XNU system calls itself, on Linux, without root.
#[derive(Parser, Clone, Debug)]
#[command(name = "xnurun", version, after_long_help = EXAMPLES, after_help = "'--help' has examples.")]
#[command(override_usage = "xnurun [OPTIONS] PROGRAM [ARGUMENT]...")]
pub struct Cli {
    /// What to write down.
    #[command(flatten)]
    pub trace: TraceOptions,

    /// The directory that is the program's root: PROGRAM and every path are looked up below it
    #[arg(long, value_name = "DIR", default_value = "/", value_hint = ValueHint::DirPath)]
    pub prefix: PathBuf,

    /// Find names below the prefix whatever their case and Unicode normal form, as a macOS volume does
    #[arg(long)]
    pub case_insensitive: bool,

    /// Seal the prefix: /Volumes/SystemRoot does not lead to Linux's root
    #[arg(long)]
    pub no_root_exit: bool,

    /// Let /Volumes/SystemRoot lead to Linux's root (the default)
    #[arg(long, overrides_with = "no_root_exit")]
    pub root_exit: bool,

    /// Confine the program to the prefix with Landlock; implies --no-root-exit
    #[arg(long)]
    pub sandbox: bool,

    /// Make the directories, links and files of a macOS root in DIR where they are missing, and nothing else
    #[arg(long, value_name = "DIR", exclusive = true, value_hint = ValueHint::DirPath)]
    pub init_prefix: Option<PathBuf>,

    /// What serves Mach ports: 'embedded', a device of Darling's kernel module by its path, or 'auto', which is /dev/mach
    /// where it is there and usable, else 'embedded'
    #[arg(long, value_name = "WHO", default_value = "auto", value_parser = LkmChoice::parse)]
    #[arg(value_hint = ValueHint::FilePath)]
    pub lkm: LkmChoice,

    /// The release of macOS that the program is told of, by its own or its kernel's number: 12.7.6, 13.7.8, 14.6.1 or 15.6
    #[arg(long, value_name = "NUMBER", default_value = "14.6.1", value_parser = release)]
    pub darwin_version: u8,

    /// The dynamic linker to use in place of the prefix's /usr/lib/dyld
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub dyld: Option<PathBuf>,

    /// Print the completions of a shell, and nothing else
    #[arg(long, value_name = "SHELL", exclusive = true)]
    pub completions: Option<clap_complete::Shell>,

    /// Print the manual page in roff, and nothing else
    #[arg(long, exclusive = true)]
    pub man: bool,

    /// The program and its arguments
    #[arg(value_name = "PROGRAM", required_unless_present_any = ["completions", "man", "init_prefix"])]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_hint = ValueHint::CommandWithArguments)]
    pub program: Vec<OsString>,
}

/// The index of a release.
fn release(number: &str) -> Result<u8, String> {
    let known = || (0..Version::COUNT).map(|index| Version::at(index).product).collect::<Vec<_>>().join(", ");
    Version::find(number).ok_or_else(|| format!("it is one of {}", known()))
}

/// What serves Mach ports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LkmChoice {
    /// `/dev/mach` where it is there and usable, else the engine in the process.
    Auto,
    /// The engine in the process.
    Embedded,
    /// A device.
    Device(CString),
}

impl LkmChoice {
    fn parse(text: &str) -> Result<LkmChoice, String> {
        match text {
            "auto" => Ok(LkmChoice::Auto),
            "embedded" => Ok(LkmChoice::Embedded),
            path if path.starts_with('/') => {
                CString::new(path).map(LkmChoice::Device).map_err(|error| error.to_string())
            }
            _ => Err("it is 'auto', 'embedded' or the path of a device, as /dev/mach".to_string()),
        }
    }
}

/// What to write down.
#[derive(Args, Clone, Debug)]
pub struct TraceOptions {
    /// Write a line per system call to standard error, or to FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, conflicts_with = "trace_json")]
    pub trace: Option<Option<PathBuf>>,

    /// Write a JSON object per system call to standard error, or to FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub trace_json: Option<Option<PathBuf>>,

    /// Print a table of calls, errors and time at the end
    #[arg(short = 'c', long = "summary")]
    pub summary: bool,
}

impl TraceOptions {
    /// Whether anything is to be written down.
    pub fn is_wanted(&self) -> bool {
        self.trace.is_some() || self.trace_json.is_some() || self.summary
    }
}

impl Cli {
    /// The command line if it begins with the program: `None` where there is an option or nothing at all.
    pub fn without_options(arguments: &[OsString]) -> Option<Cli> {
        let program = arguments.get(1..)?;
        let first = program.first()?;
        if first.as_encoded_bytes().starts_with(b"-") {
            return None;
        }
        Some(Cli {
            trace: TraceOptions { trace: None, trace_json: None, summary: false },
            prefix: PathBuf::from("/"),
            case_insensitive: false,
            no_root_exit: false,
            root_exit: false,
            sandbox: false,
            init_prefix: None,
            lkm: LkmChoice::Auto,
            darwin_version: 0,
            dyld: None,
            completions: None,
            man: false,
            program: program.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_short_way_says_what_the_parser_says() {
        for line in ["xnurun prog", "xnurun ./prog -c --trace", "xnurun prog -- x"] {
            let short = Cli::without_options(&words(line)).expect("no option before the program");
            let parsed = Cli::parse_from(words(line));
            assert_eq!(format!("{short:?}"), format!("{parsed:?}"), "{line}");
        }
        assert!(Cli::without_options(&words("xnurun --trace prog")).is_none());
        assert!(Cli::without_options(&words("xnurun")).is_none());
    }

    #[test]
    fn releases_are_told_by_number() {
        let told =
            |line| Cli::try_parse_from(words(line)).map(|cli| Version::at(cli.darwin_version).build).ok();
        assert_eq!(told("xnurun prog"), Some("23G93"));
        assert_eq!(told("xnurun --darwin-version=24.6.0 prog"), Some("24G84"));
        assert_eq!(told("xnurun --darwin-version 12.7.6 prog"), Some("21H1320"));
        assert_eq!(told("xnurun --darwin-version=9 prog"), None);
    }

    #[test]
    fn a_traces_file_needs_an_equals_sign() {
        let cli = Cli::parse_from(words("xnurun --trace prog"));
        assert_eq!((cli.trace.trace, cli.program), (Some(None), words("prog")));
        let cli = Cli::parse_from(words("xnurun --trace=out prog"));
        assert_eq!(cli.trace.trace, Some(Some(PathBuf::from("out"))));
    }

    #[test]
    fn ports_are_served_by_one_of_three() {
        let lkm = |line| Cli::try_parse_from(words(line)).map(|cli| cli.lkm).ok();
        assert_eq!(lkm("xnurun prog"), Some(LkmChoice::Auto));
        assert_eq!(lkm("xnurun --lkm=auto prog"), Some(LkmChoice::Auto));
        assert_eq!(lkm("xnurun --lkm embedded prog"), Some(LkmChoice::Embedded));
        assert_eq!(lkm("xnurun --lkm=/dev/mach prog"), Some(LkmChoice::Device(c"/dev/mach".into())));
        assert_eq!(lkm("xnurun --lkm=mach prog"), None);
    }
}
