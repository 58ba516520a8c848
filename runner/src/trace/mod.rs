//! Tracing: what the guest asks of XNU and what it gets, as text, as JSON or as a summary.
//!
//! The guest must not reach any descriptor of the runner's, so tracing takes two processes. [`Trace::fork`] makes the
//! child the guest; the parent keeps standard error or the file and ends as the guest ended. Between them is shared
//! memory: the child renders whole records into a ring, the parent writes them out.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use xnu_core::signal::Info;
use xnu_core::{Call, Kernel, Reply};

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
}

impl Trace {
    /// Maps the shared memory and opens the file.
    pub fn new(options: &Options) -> Result<Trace, Error> {
        let _ = options;
        Err(Error::Memory(io::ErrorKind::Unsupported.into()))
    }

    /// Forks, before the guest starts and while this is the only thread.
    ///
    /// In the child, returns the guest's side: no descriptor of the trace is open there. In the parent it never
    /// returns: the parent writes the trace and ends as the child ends.
    pub fn fork(self) -> Result<Recorder, Error> {
        let _ = self.options;
        Err(Error::Fork(io::ErrorKind::Unsupported.into()))
    }
}

/// What [`Recorder::enter`] knows and [`Recorder::leave`] needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entered {
    start_ns: u64,
    written: bool,
}

/// The guest's side of the trace: `Sync`, for a static of the runner's.
///
/// Every method may run in the guest's process on a small stack: no allocation, lock of the standard library,
/// thread-local or panic. System calls come from the program's own text. No guest lock is ever held: a method returns
/// when the record is in the ring, or the tracer is gone.
#[derive(Debug)]
pub struct Recorder {
    memory: Range<u64>,
}

impl Recorder {
    /// The shared memory in this process, for [`xnu_core::reserved::Reserved`].
    pub fn memory(&self) -> Range<u64> {
        self.memory.clone()
    }

    /// Before the call runs. A call that does not return is written here.
    pub fn enter<K: Kernel>(&self, kernel: &K, call: &Call) -> Entered {
        let _ = (kernel, call);
        Entered { start_ns: 0, written: false }
    }

    /// After the call ran, before the guest goes on.
    ///
    /// Which rows have had their grade noted is kept in the shared memory, so a forked child does not repeat it and no
    /// [`xnu_core::Process`] is needed here.
    pub fn leave<K: Kernel>(&self, kernel: &K, call: &Call, entered: Entered, reply: &Reply) {
        let _ = (kernel, call, entered, reply);
    }

    /// A call that [`Call::decode`] refused; `rax` as the guest gave it, `reply` from
    /// [`xnu_core::dispatch::Undecodable::reply`].
    pub fn undecodable<K: Kernel>(&self, kernel: &K, rax: u64, reply: &Reply) {
        let _ = (kernel, rax, reply);
    }

    /// A signal that is about to be delivered to the guest, or to end it.
    pub fn signal<K: Kernel>(&self, kernel: &K, info: &Info) {
        let _ = (kernel, info);
    }
}
