//! Tracing: what the guest asks of XNU and what it gets, as text, as JSON or as a summary.
//!
//! The guest must not reach any descriptor of the runner's, so tracing takes two processes. [`Trace::fork`] makes the
//! child the guest; the parent keeps standard error or the file and ends as the guest ended. Between them is shared
//! memory: the child renders whole records into a ring, the parent writes them out.

mod counters;
mod errno_text;
mod line;
mod outcome;
mod process;
mod record;
mod recorder;
mod shared;
mod summary;
#[cfg(test)]
mod tests;
mod tracer;

pub use recorder::{Entered, Recorder};

use process::Side;
use shared::Channel;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use xnu_backend_linux::Linux;

/// How calls are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// Not at all: a summary alone.
    #[default]
    None,
    /// A line per call, as `strace` writes it.
    Text,
    /// A JSON object per line.
    Json,
}

/// Where the trace and the summary go.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Output {
    /// Standard error as the runner got it.
    #[default]
    Stderr,
    /// A file, which is created or emptied.
    File(PathBuf),
}

/// What to trace.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// How calls are written.
    pub format: Format,
    /// Where to.
    pub output: Output,
    /// Whether a table of counts and times is written at the end.
    pub summary: bool,
}

/// Why there can be no trace. `Display` is one line.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be written.
    Open {
        /// The file.
        path: PathBuf,
        /// Linux's answer.
        source: io::Error,
    },
    /// The shared memory cannot be had.
    Memory(io::Error),
    /// The second process cannot be had.
    Fork(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Open { path, source } => write!(f, "{}: cannot write the trace: {source}", path.display()),
            Error::Memory(source) => write!(f, "cannot share memory for the trace: {source}"),
            Error::Fork(source) => write!(f, "cannot start the traced process: {source}"),
        }
    }
}

impl std::error::Error for Error {}

/// A trace that is ready to start: the memory is mapped and the file is open.
#[derive(Debug)]
pub struct Trace {
    options: Options,
    channel: Channel,
    file: Option<File>,
}

impl Trace {
    /// Maps the shared memory and opens the file.
    pub fn new(options: &Options) -> Result<Trace, Error> {
        let file = match &options.output {
            Output::Stderr => None,
            Output::File(path) => {
                let open = File::create(path);
                Some(open.map_err(|source| Error::Open { path: path.clone(), source })?)
            }
        };
        let channel = Channel::map().map_err(Error::Memory)?;
        Ok(Trace { options: options.clone(), channel, file })
    }

    /// Forks: call it before the guest starts, on the main thread and while that is the only one.
    ///
    /// In the child, returns the guest's side: no descriptor of the trace is open there, and it dies if the parent is
    /// killed. In the parent it never returns: the parent writes the trace and ends as the child ends.
    pub fn fork(self) -> Result<Recorder, Error> {
        let Trace { options, channel, file } = self;
        match process::fork().map_err(Error::Fork)? {
            Side::Tracer(guest) => tracer::run(channel, &options, file, guest),
            Side::Guest => Ok(Recorder::new(&Linux::new(), channel, options.format, options.summary)),
        }
    }
}
