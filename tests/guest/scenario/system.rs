//! What scenarios ask of a system, in names of their own.

use core::fmt;

/// An error, by its name in `errno.h`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Error(pub(crate) &'static str);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

pub(crate) type Outcome<T> = Result<T, Error>;

/// A signal: its place in [`NAMES`]; 0 is none, 32 is no signal on either system.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signal(pub(crate) u8);

const NAMES: [&str; 33] = [
    "none", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "EMT", "FPE", "KILL", "BUS", "SEGV", "SYS", "PIPE",
    "ALRM", "TERM", "URG", "STOP", "TSTP", "CONT", "CHLD", "TTIN", "TTOU", "IO", "XCPU", "XFSZ", "VTALRM",
    "PROF", "WINCH", "INFO", "USR1", "USR2", "beyond",
];

impl Signal {
    pub(crate) const NONE: Signal = Signal(0);
    pub(crate) const HUP: Signal = Signal(1);
    pub(crate) const INT: Signal = Signal(2);
    pub(crate) const QUIT: Signal = Signal(3);
    pub(crate) const ABRT: Signal = Signal(6);
    pub(crate) const EMT: Signal = Signal(7);
    pub(crate) const KILL: Signal = Signal(9);
    pub(crate) const BUS: Signal = Signal(10);
    pub(crate) const SEGV: Signal = Signal(11);
    pub(crate) const PIPE: Signal = Signal(13);
    pub(crate) const ALRM: Signal = Signal(14);
    pub(crate) const TERM: Signal = Signal(15);
    pub(crate) const STOP: Signal = Signal(17);
    pub(crate) const CONT: Signal = Signal(19);
    pub(crate) const CHLD: Signal = Signal(20);
    pub(crate) const VTALRM: Signal = Signal(26);
    pub(crate) const PROF: Signal = Signal(27);
    pub(crate) const WINCH: Signal = Signal(28);
    pub(crate) const INFO: Signal = Signal(29);
    pub(crate) const USR1: Signal = Signal(30);
    pub(crate) const USR2: Signal = Signal(31);
    pub(crate) const BEYOND: Signal = Signal(32);

    /// All 31.
    pub(crate) fn all() -> impl Iterator<Item = Signal> {
        (1..32).map(Signal)
    }

    /// Its bit in a [`SignalSet`].
    pub(crate) const fn bit(self) -> u32 {
        1 << (self.0 - 1)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.get(usize::from(self.0)).unwrap_or(&"unknown"))
    }
}

/// A set of signals, told by their names.
#[derive(Clone, Copy)]
pub(crate) struct SignalSet(pub(crate) u32);

impl fmt::Display for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        let members = Signal::all().filter(|signal| self.0 & signal.bit() != 0);
        for (index, signal) in members.enumerate() {
            write!(f, "{}{signal}", if index == 0 { "" } else { " " })?;
        }
        f.write_str("}")
    }
}

/// What becomes of a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Disposition {
    Default,
    Ignore,
    /// By [`super::signals::caught`].
    Catch,
}

pub(crate) const ON_STACK: u32 = 1;
pub(crate) const RESTART: u32 = 2;
pub(crate) const RESET: u32 = 4;
pub(crate) const NO_CHILD_STOP: u32 = 8;
pub(crate) const NO_DEFER: u32 = 0x10;
pub(crate) const NO_CHILD_WAIT: u32 = 0x20;

/// `struct sigaction`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) disposition: Disposition,
    pub(crate) mask: u32,
    pub(crate) flags: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Block,
    Unblock,
    Set,
}

/// `stack_t`: its length is 0 where it is disabled.
#[derive(Clone, Copy)]
pub(crate) struct Stack {
    pub(crate) start: usize,
    pub(crate) length: usize,
    /// The thread runs there.
    pub(crate) in_use: bool,
}

/// What became of a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Exited(i32),
    Killed(Signal),
    /// With a core file, or what stands for one.
    Dumped(Signal),
    Stopped(Signal),
    Continued,
    Unknown(i32),
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Exited(code) => write!(f, "exited {code}"),
            Change::Killed(signal) => write!(f, "killed {signal}"),
            Change::Dumped(signal) => write!(f, "dumped {signal}"),
            Change::Stopped(signal) => write!(f, "stopped {signal}"),
            Change::Continued => write!(f, "continued"),
            Change::Unknown(status) => write!(f, "unknown {status:#x}"),
        }
    }
}

/// Options of waits: bits of Darwin's numbers.
pub(crate) struct Wait;

impl Wait {
    pub(crate) const NO_HANG: u32 = 1;
    pub(crate) const UNTRACED: u32 = 2;
    pub(crate) const EXITED: u32 = 4;
    pub(crate) const STOPPED: u32 = 8;
    pub(crate) const CONTINUED: u32 = 0x10;
    pub(crate) const NO_WAIT: u32 = 0x20;
}

/// For whom `waitid` waits.
#[derive(Clone, Copy)]
pub(crate) enum Which {
    All,
    Process(i32),
    Group(i32),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resource {
    Cpu,
    FileSize,
    Data,
    Stack,
    Core,
    AddressSpace,
    LockedMemory,
    Processes,
    Descriptors,
}

pub(crate) const UNLIMITED: u64 = u64::MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) soft: u64,
    pub(crate) hard: u64,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (prefix, value) in [("", self.soft), (" ", self.hard)] {
            match value {
                UNLIMITED => write!(f, "{prefix}unlimited")?,
                value => write!(f, "{prefix}{value}")?,
            }
        }
        Ok(())
    }
}

/// Whose priority.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Priority {
    Process,
    Group,
    User,
}

/// A call that changes users or groups; -1 leaves one as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SetId {
    Uid(i32),
    Euid(i32),
    Reuid(i32, i32),
    Gid(i32),
    Egid(i32),
    Regid(i32, i32),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timer {
    Real,
    Virtual,
    Profiling,
}

/// One thing that `posix_spawn` does with descriptors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileAction {
    /// Opens a file for reading.
    Open(i32, &'static core::ffi::CStr),
    Dup2(i32, i32),
    Close(i32),
}

/// What a spawned process is to be.
#[derive(Clone, Copy, Default)]
pub(crate) struct Attributes {
    pub(crate) group: Option<i32>,
    pub(crate) mask: Option<u32>,
    pub(crate) default: Option<u32>,
    pub(crate) session: bool,
}

/// The calls. Each does what the manual page of its name says.
pub(crate) trait System {
    fn exit(code: i32) -> !;
    fn fork() -> Outcome<i32>;
    /// Returns only if it fails.
    fn execve(path: &core::ffi::CStr, argv: &[*const u8], envp: &[*const u8]) -> Error;
    fn spawn(
        path: &core::ffi::CStr,
        actions: &[FileAction],
        attributes: &Attributes,
        argv: &[*const u8],
        envp: &[*const u8],
    ) -> Outcome<i32>;
    fn getpid() -> i32;
    fn getppid() -> i32;

    fn read(descriptor: i32, buffer: &mut [u8]) -> Outcome<usize>;
    fn write(descriptor: i32, bytes: &[u8]) -> Outcome<usize>;
    fn open(path: &core::ffi::CStr) -> Outcome<i32>;
    fn close(descriptor: i32) -> Outcome<()>;
    fn dup2(from: i32, to: i32) -> Outcome<i32>;
    fn pipe() -> Outcome<(i32, i32)>;

    fn wait4(process: i32, options: u32) -> Outcome<Option<(i32, Change)>>;
    fn waitid(which: Which, options: u32) -> Outcome<Option<(i32, Change)>>;

    fn kill(process: i32, signal: Signal) -> Outcome<()>;
    fn sigaction(signal: Signal, new: Option<Action>) -> Outcome<Action>;
    fn sigprocmask(how: How, mask: u32) -> Outcome<u32>;
    fn sigpending() -> u32;
    fn sigsuspend(mask: u32) -> Error;
    fn sigaltstack(new: Option<Stack>) -> Outcome<Stack>;

    fn getpgid(process: i32) -> Outcome<i32>;
    fn setpgid(process: i32, group: i32) -> Outcome<()>;
    fn getsid(process: i32) -> Outcome<i32>;
    fn setsid() -> Outcome<i32>;

    fn getrlimit(resource: Resource) -> Outcome<Limit>;
    fn setrlimit(resource: Resource, limit: Limit) -> Outcome<()>;
    fn getpriority(which: Priority, who: i32) -> Outcome<i32>;
    fn setpriority(which: Priority, who: i32, priority: i32) -> Outcome<()>;

    fn getuid() -> u32;
    fn geteuid() -> u32;
    fn set_id(change: SetId) -> Outcome<()>;
    fn getgroups(size: i32, groups: &mut [u32; 32]) -> Outcome<usize>;
    fn setgroups(count: i32, groups: &[u32; 32]) -> Outcome<()>;

    /// Sets a timer and tells the one before, both interval and first expiry in microseconds.
    fn setitimer(which: Timer, interval_us: u64, first_us: u64) -> Outcome<(u64, u64)>;
    /// The same with seconds and microseconds as they are.
    fn setitimer_raw(which: Timer, interval: (i64, i32), first: (i64, i32)) -> Outcome<()>;
    fn getitimer(which: Timer) -> Outcome<(u64, u64)>;
    /// Microseconds of the day's clock.
    fn now_us() -> u64;
    /// Sleeps; a signal may end that early.
    fn nap(duration_us: u64);
}
