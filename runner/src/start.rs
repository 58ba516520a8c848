//! From a command line to a running guest.

use crate::cli::{Cli, LkmChoice, TraceOptions};
use crate::commpage::{self, Clock, Host, Sample};
use crate::exec::{self, HandedOver, OWN_VARIABLES};
use crate::linked;
use crate::load::{self, Bytes, FixedPage, Loaded};
use crate::macho::{self, Kind, Program};
use crate::prefix::Prefix;
use crate::sandbox;
use crate::stack::{self, FileId, HandOver, RANDOM_BYTES, Stack, Start};
use crate::trace::{self, Format, Options, Output, Recorder, Trace};
use crate::trap::{Guest, choose_ports};
use std::convert::Infallible;
use std::env;
use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::ptr;
use xnu_abi::darwin::commpage::{
    _COMM_PAGE64_AREA_LENGTH as COMMPAGE_LENGTH, _COMM_PAGE64_BASE_ADDRESS as COMMPAGE,
};
use xnu_core::registers::{RFLAGS_FIXED, RFLAGS_USER, Registers};
use zerocopy::IntoBytes;

/// Why the guest did not start: a line for standard error, and the exit status that a shell would give.
#[derive(Debug)]
pub struct Failure {
    line: String,
    status: u8,
}

/// There is no such program.
const NOT_FOUND: u8 = 127;
/// The program cannot be run.
const CANNOT_RUN: u8 = 126;
/// The runner cannot work here, or was not told what to do.
pub const CANNOT_WORK: u8 = 125;

impl Failure {
    fn new(status: u8, what: impl fmt::Display) -> Failure {
        let mut line = String::new();
        for character in what.to_string().chars() {
            // Names of files may hold line ends and what terminals obey.
            if character.is_control() {
                line.extend(character.escape_default());
            } else {
                line.push(character);
            }
        }
        Failure { line, status }
    }

    fn about(path: &Path, status: u8, what: impl fmt::Display) -> Failure {
        Failure::new(status, format_args!("{}: {what}", path.display()))
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        self.status
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

/// Counts the starts that were given up because of the address layout; not passed on to the guest.
const ATTEMPT: &str = "XNURUN_ATTEMPT";

/// As often as a start is tried anew. The commpage's place is taken about once in a hundred thousand times.
const ATTEMPTS: u32 = 16;

/// Starts the guest. Comes back only with a failure.
///
/// # Errors
/// The program is not there, cannot be run, or the runner cannot work here.
pub fn run(cli: Cli) -> Result<Infallible, Failure> {
    let attempt = env::var(ATTEMPT).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    forget_attempt();
    let prepared = Prepared::new(&cli, Sample::now(), None)?;
    let recorder = recorder(&cli.trace)?;
    finish(prepared, recorder, attempt)
}

/// Starts the guest that another guest executed. Comes back only with a failure.
///
/// # Errors
/// As for [`run`].
pub fn go_on(handed_over: HandedOver) -> Result<Infallible, Failure> {
    let attempt = env::var(ATTEMPT).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    forget_attempt();
    let cli = handed_over.cli(env::args_os().collect());
    finish(Prepared::new(&cli, Sample::now(), Some(handed_over))?, None, attempt)
}

/// What was handed over by the guest that executed this runner, if one did.
pub fn handed_over() -> Option<HandedOver> {
    HandedOver::find(&environment())
}

fn finish(prepared: Prepared, recorder: Option<Recorder>, attempt: u32) -> Result<Infallible, Failure> {
    match prepared.start(recorder) {
        Err(Stopped::Layout(_)) if attempt < ATTEMPTS => Err(again(attempt + 1)),
        Err(Stopped::Layout(line)) => Err(Failure::new(CANNOT_WORK, line)),
        Err(Stopped::Failed(failure)) => Err(failure),
        Ok(never) => match never {},
    }
}

#[allow(unsafe_code)]
fn forget_attempt() {
    // SAFETY: the only thread, before anything else reads the environment.
    unsafe { env::remove_var(ATTEMPT) };
}

/// Executes the runner once more, for another address layout. Comes back only where that fails.
///
/// Not by way of [`std::process::Command`], which would unblock all signals and no longer ignore `SIGPIPE`.
#[allow(unsafe_code)]
fn again(attempt: u32) -> Failure {
    let arguments: Vec<CString> =
        env::args_os().filter_map(|word| CString::new(word.into_vec()).ok()).collect();
    let mut environment: Vec<CString> =
        environment().into_iter().filter_map(|variable| CString::new(variable).ok()).collect();
    environment.extend(CString::new(format!("{ATTEMPT}={attempt}")));
    let pointers = |words: &[CString]| -> Vec<*const c_char> {
        words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect()
    };
    let (argv, envp) = (pointers(&arguments), pointers(&environment));
    // SAFETY: both vectors end in a null pointer, and the strings live until the call is over.
    unsafe { libc::execve(c"/proc/self/exe".as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    let error = io::Error::last_os_error();
    Failure::new(CANNOT_WORK, format_args!("cannot start again for another address layout: {error}"))
}

fn recorder(options: &TraceOptions) -> Result<Option<Recorder>, Failure> {
    let (format, file) = match (&options.trace, &options.trace_json) {
        (Some(file), _) => (Format::Text, file.clone()),
        (None, Some(file)) => (Format::Json, file.clone()),
        (None, None) if options.summary => (Format::None, None),
        (None, None) => return Ok(None),
    };
    let output = file.map_or(Output::Stderr, Output::File);
    let cannot = |error: trace::Error| Failure::new(CANNOT_WORK, error);
    let trace = Trace::new(&Options { format, output, summary: options.summary }).map_err(cannot)?;
    trace.fork().map(Some).map_err(cannot)
}

/// A program and its dynamic linker, read and found to be good.
struct Prepared {
    path: PathBuf,
    file: File,
    program: Program,
    dyld: Option<(PathBuf, File, Program)>,
    arguments: Vec<OsString>,
    prefix: Option<Prefix>,
    /// What to confine the program to.
    sandbox: Option<PathBuf>,
    /// How programs that the guest executes are to be started.
    cli: Cli,
    handed_over: Option<HandedOver>,
    /// The clocks when the runner started: the older, the better its rate is known.
    started: Sample,
}

/// Why a start stopped half way.
enum Stopped {
    /// Something of the runner's own is where the guest must be.
    Layout(String),
    Failed(Failure),
}

impl Prepared {
    fn new(cli: &Cli, started: Sample, handed_over: Option<HandedOver>) -> Result<Prepared, Failure> {
        let name = cli.program.first().map(OsString::as_os_str).unwrap_or_default();
        let prefix = Prefix::open(cli).map_err(|error| {
            Failure::about(&cli.prefix, CANNOT_WORK, format_args!("--prefix: cannot be opened: {error}"))
        })?;
        if cli.sandbox && prefix.is_none() {
            return Err(Failure::new(CANNOT_WORK, "--sandbox: what to? Name a directory with --prefix DIR"));
        }
        let (path, file) = match &handed_over {
            None => open(name, prefix.as_ref())?,
            Some(handed) => {
                let file = handed.file().map_err(|error| Failure::about(&handed.path, CANNOT_RUN, error))?;
                (handed.path.clone(), file)
            }
        };
        let program = read(&path, &file, Kind::Program)?;
        let dyld = match &program.dylinker {
            None => None,
            Some(name) => dynamic_linker(cli, prefix.as_ref(), &path, &program, OsStr::from_bytes(name))?,
        };
        let arguments = cli.program.clone();
        let sandbox = cli.sandbox.then(|| cli.prefix.clone());
        let cli = cli.clone();
        let prepared =
            Prepared { path, file, program, dyld, arguments, prefix, sandbox, cli, handed_over, started };
        if prepared.is_linked() && prepared.cli.trace.is_wanted() {
            let what = "makes Linux calls itself, which are not traced here: use strace, or leave out --trace and -c";
            return Err(Failure::about(&prepared.path, CANNOT_WORK, what));
        }
        Ok(prepared)
    }

    /// Maps everything and goes. The files are closed before: the guest gets no descriptor of the runner's.
    fn start(self, recorder: Option<Recorder>) -> Result<Infallible, Stopped> {
        let cannot_work = |error: io::Error| {
            let what = format_args!("cannot prepare a thread for the guest: {error}");
            Stopped::Failed(Failure::new(CANNOT_WORK, what))
        };
        if self.is_linked() {
            return self.start_linked();
        }
        let signals = self.handed_over.as_ref().map(|handed| (handed.mask, handed.ignored));
        choose_ports(&self.cli.lkm).map_err(|error| {
            let device = match &self.cli.lkm {
                LkmChoice::Device(path) => path.to_string_lossy(),
                _ => "/dev/mach".into(),
            };
            let what = format_args!("--lkm={device}: {error}");
            Stopped::Failed(Failure::new(CANNOT_WORK, what))
        })?;
        let thread = Guest::attach(recorder, signals).map_err(cannot_work)?;
        exec::announce(thread.guest.process, &self.cli);
        if let Some(prefix) = &self.prefix {
            prefix.apply(thread.guest.process).map_err(cannot_work)?;
        }

        let (loaded, dyld, fixed) = self.map()?;
        let (registers, strings) = self.registers(&loaded, dyld.as_ref(), None)?;
        thread.guest.process.program.set(loaded.entry, strings, self.arguments.len() as u64);
        self.confine()?;
        self.fill_commpage(fixed)?;
        thread
            .keep(COMMPAGE..COMMPAGE + COMMPAGE_LENGTH)
            .map_err(|_| Stopped::Failed(Failure::new(CANNOT_WORK, "too many mappings to protect")))?;
        self.let_go();
        thread.start(registers).map_err(|refused| Stopped::Failed(Failure::new(CANNOT_WORK, refused)))
    }

    /// Puts up the wall, and says what is not behind it.
    fn confine(&self) -> Result<(), Stopped> {
        let Some(prefix) = &self.sandbox else { return Ok(()) };
        let open = sandbox::confine(prefix)
            .map_err(|error| Stopped::Failed(Failure::about(prefix, CANNOT_WORK, error)))?;
        if !open.is_empty() {
            eprintln!("xnurun: --sandbox: this kernel does not forbid {}", open.join(", "));
        }
        Ok(())
    }

    /// Whether what is entered has the emulation linked in.
    fn is_linked(&self) -> bool {
        self.dyld.as_ref().map_or(&self.program, |(_, _, dyld)| dyld).linked
    }

    /// The same for an image that makes Linux calls itself: nothing is trapped.
    fn start_linked(self) -> Result<Infallible, Stopped> {
        let (loaded, dyld, fixed) = self.map()?;
        let ports = linked::hand_over().map_err(|error| {
            Stopped::Failed(Failure::new(CANNOT_WORK, format_args!("no memory: {error}")))
        })?;
        let (registers, _) = self.registers(&loaded, dyld.as_ref(), Some(ports))?;
        self.confine()?;
        self.fill_commpage(fixed)?;
        self.let_go();
        linked::start(&registers)
    }

    /// The last thing before the start: the process gets its program's name, and keeps no descriptor of the runner's.
    fn let_go(self) {
        exec::name_process(&self.path);
        if let Some(handed) = &self.handed_over {
            handed.close();
        }
    }

    fn load(&self, path: &Path, file: &File, program: &Program) -> Result<Loaded, Stopped> {
        load::load(file, program).map_err(|error| stopped(path, error))
    }

    /// Maps the program, its dynamic linker and the place of the commpage.
    fn map(&self) -> Result<(Loaded, Option<Loaded>, FixedPage), Stopped> {
        let loaded = self.load(&self.path, &self.file, &self.program)?;
        let dyld = match &self.dyld {
            None => None,
            Some((path, file, program)) => Some(self.load(path, file, program)?),
        };
        let fixed = FixedPage::map(COMMPAGE).map_err(|error| stopped(&self.path, error))?;
        Ok((loaded, dyld, fixed))
    }

    /// The last thing before the start, since the rate of the clock is the better known the longer ago the first look
    /// was.
    fn fill_commpage(&self, fixed: FixedPage) -> Result<(), Stopped> {
        let clock = Clock::calibrate(self.started);
        let page = commpage::build(&clock, &Host::detect());
        commpage::keep(self.started, clock);
        fixed.fill(page.as_bytes()).map_err(|error| stopped(&self.path, error))
    }

    /// Builds the stack, and says where the guest begins and where on the stack its strings are.
    fn registers(
        &self,
        loaded: &Loaded,
        dyld: Option<&Loaded>,
        lkm: Option<HandOver>,
    ) -> Result<(Registers, Range<u64>), Stopped> {
        let failed = |what: &dyn fmt::Display| Stopped::Failed(Failure::about(&self.path, CANNOT_RUN, what));
        let (top, stack) = match self.program.custom_stack() {
            Some(top) => {
                let top = (top & !0xfff).wrapping_add(loaded.slide);
                (top, Stack { size: 0, allocation: 0, allocation_size: 0 })
            }
            None => {
                let size = self.program.stack_size.unwrap_or_else(default_stack_size);
                let size = size.next_multiple_of(0x1000);
                let range = load::stack(size, self.program.allow_stack_execution)
                    .map_err(|error| failed(&format_args!("no memory for the stack: {error}")))?;
                let allocation = range.start - 0x1000;
                (range.end, Stack { size, allocation, allocation_size: range.end - allocation })
            }
        };
        let handed_prefix = match (&self.prefix, lkm) {
            (Some(prefix), Some(_)) => Some(prefix.hand_over().map_err(|error| failed(&error))?),
            _ => None,
        };
        let random = random().map_err(|error| failed(&format_args!("no random bytes: {error}")))?;
        let arguments: Vec<&[u8]> = self.arguments.iter().map(|argument| argument.as_bytes()).collect();
        let environment = environment();
        let own = if self.handed_over.is_some() { OWN_VARIABLES } else { 0 };
        let start = Start {
            arguments: &arguments,
            environment: environment.get(own..).unwrap_or_default(),
            executable_path: self.path.as_os_str().as_bytes(),
            mach_header: dyld.and(loaded.header),
            pfz: None,
            nano_zone: false,
            stack,
            executable_file: file_id(&self.file),
            dyld_file: self.dyld.as_ref().and_then(|(_, file, _)| file_id(file)),
            signature: None,
            thread_port: None,
            prefix: handed_prefix,
            lkm,
            random: &random,
        };
        let image = stack::build(&start, top).map_err(|error| failed(&error))?;
        fill(image.rsp, &image.bytes);

        let (entry, first) = match (dyld, &self.dyld) {
            (Some(dyld), Some((_, _, program))) => (dyld.entry, &program.entry),
            _ => (loaded.entry, &self.program.entry),
        };
        Ok((Registers { rip: entry, rsp: image.rsp, ..initial(first) }, image.strings..top))
    }
}

#[allow(unsafe_code)]
fn fill(address: u64, bytes: &[u8]) {
    // SAFETY: the stack was mapped for this, or the program's own segment is its stack, and nothing runs there yet.
    unsafe { load::fill(address, bytes) };
}

fn stopped(path: &Path, error: load::Error) -> Stopped {
    match error {
        load::Error::Taken(_) => Stopped::Layout(format!("{}: {error}", path.display())),
        load::Error::Refused(..) => Stopped::Failed(Failure::about(path, CANNOT_RUN, error)),
    }
}

/// The registers of `LC_UNIXTHREAD`, without those that a program may not set.
fn initial(entry: &macho::Entry) -> Registers {
    let from = match entry {
        macho::Entry::Thread(registers) => *registers,
        macho::Entry::Main { .. } => Registers::default(),
    };
    Registers { rflags: from.rflags & RFLAGS_USER | RFLAGS_FIXED, cs: 0, fs: 0, gs: 0, ..from }
}

/// Opens for reading, without waiting where it is a FIFO.
fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// Opens a file of the program's: below the prefix, if there is one.
fn open_below(path: &Path, prefix: Option<&Prefix>) -> io::Result<File> {
    match prefix {
        None => open_file(path),
        Some(prefix) => open_file(&prefix.host_path(path)?),
    }
}

/// Opens a program. A name without a slash is looked for where it stands, then along `PATH`.
fn open(name: &OsStr, prefix: Option<&Prefix>) -> Result<(PathBuf, File), Failure> {
    let here = PathBuf::from(name);
    let error = match open_below(&here, prefix) {
        Ok(file) => return Ok((here, file)),
        Err(error) => error,
    };
    if error.kind() != io::ErrorKind::NotFound {
        return Err(Failure::about(&here, CANNOT_RUN, format_args!("cannot be read: {error}")));
    }
    let executable = |file: &PathBuf| {
        let host = prefix.map_or_else(|| Ok(file.clone()), |prefix| prefix.host_path(file));
        host.and_then(|host| host.metadata())
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    let path = env::var_os("PATH").filter(|_| !name.is_empty() && !name.as_bytes().contains(&b'/'));
    let found =
        path.and_then(|path| env::split_paths(&path).map(|folder| folder.join(name)).find(executable));
    match found {
        None if prefix.is_some() => Err(Failure::about(&here, NOT_FOUND, "no such file below the prefix")),
        None => Err(Failure::about(&here, NOT_FOUND, "no such file")),
        Some(found) => match open_below(&found, prefix) {
            Ok(file) => Ok((found, file)),
            Err(error) => Err(Failure::about(&found, CANNOT_RUN, format_args!("cannot be read: {error}"))),
        },
    }
}

fn read(path: &Path, file: &File, kind: Kind) -> Result<Program, Failure> {
    let cannot_read =
        |error: io::Error| Failure::about(path, CANNOT_RUN, format_args!("cannot be read: {error}"));
    if !file.metadata().map_err(cannot_read)?.is_file() {
        return Err(Failure::about(path, CANNOT_RUN, "is no regular file"));
    }
    let bytes = Bytes::map(file).map_err(cannot_read)?;
    macho::parse(&bytes, kind).map_err(|error| Failure::about(path, error.exit_status(), &error))
}

/// Finds the program's dynamic linker. One that names a linker but needs no library starts at its own entry where
/// there is none: what Go's linker made until 1.10.
fn dynamic_linker(
    cli: &Cli,
    prefix: Option<&Prefix>,
    program_path: &Path,
    program: &Program,
    name: &OsStr,
) -> Result<Option<(PathBuf, File, Program)>, Failure> {
    // One that is named on the command line is the host's.
    let (path, prefix) = match &cli.dyld {
        Some(path) => (path.clone(), None),
        None => (PathBuf::from(name), prefix),
    };
    let opened = open_below(&path, prefix);
    if cli.dyld.is_none() && opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        let alone = matches!(program.entry, macho::Entry::Thread(_)) && !program.needs_libraries;
        if alone {
            return Ok(None);
        }
        let what = format_args!(
            "needs the dynamic linker {}, which is not there: name one with --dyld FILE",
            path.display()
        );
        return Err(Failure::about(program_path, CANNOT_RUN, what));
    }
    let file =
        opened.map_err(|error| Failure::about(&path, CANNOT_RUN, format_args!("cannot be read: {error}")))?;
    let linker = read(&path, &file, Kind::Dylinker)?;
    Ok(Some((path, file, linker)))
}

/// XNU's largest stack for the main thread (`bsd/sys/vmparam.h`, `MAXSSIZ`), and its usual one.
const STACK_MAX: u64 = 64 << 20;
const STACK_USUAL: u64 = 8 << 20;

/// The soft limit, as far as XNU would give it.
fn default_stack_size() -> u64 {
    soft_stack_limit().map_or(STACK_USUAL, |limit| limit.clamp(0x1_0000, STACK_MAX))
}

#[allow(unsafe_code)]
fn soft_stack_limit() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: Linux writes the structure that is given.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit) };
    (result == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

#[allow(unsafe_code)]
fn random() -> io::Result<[u8; RANDOM_BYTES]> {
    let mut bytes = [0u8; RANDOM_BYTES];
    // SAFETY: Linux fills the array that is given.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if usize::try_from(got) == Ok(bytes.len()) { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}

/// The environment as the runner got it, but for its own variable.
#[allow(unsafe_code)]
fn environment() -> Vec<&'static [u8]> {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    let mut strings = Vec::with_capacity(64);
    // SAFETY: the C library's list of C strings, ended by a null pointer; nothing changes it any more.
    unsafe {
        let mut next = environ;
        while !next.is_null() && !(*next).is_null() {
            strings.push(CStr::from_ptr(*next).to_bytes());
            next = next.add(1);
        }
    }
    strings
}

fn file_id(file: &File) -> Option<FileId> {
    let metadata = file.metadata().ok()?;
    Some(FileId { fsid: metadata.dev(), fileid: metadata.ino() })
}
