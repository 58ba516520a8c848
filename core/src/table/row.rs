//! What a table knows of a call.

use super::argument::{Fd, Rendering};
use crate::user::UserAddr;
use core::fmt::{self, Write};
use xnu_abi::darwin::Errno;

/// Which table a call is in: bits 24..31 of `eax` on x86-64 (`osfmk/mach/i386/syscall_sw.h`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Class {
    /// Mach traps.
    Mach,
    /// BSD system calls.
    Bsd,
    /// Machine-dependent calls.
    Machdep,
}

impl Class {
    /// The number that stands in `eax` for this class.
    pub const fn number(self) -> u32 {
        match self {
            Class::Mach => 1,
            Class::Bsd => 2,
            Class::Machdep => 3,
        }
    }

    /// The class with this number. Classes 4 (diagnostics) and 5 (IPC) are refused by a released XNU.
    pub const fn new(number: u32) -> Option<Class> {
        match number {
            1 => Some(Class::Mach),
            2 => Some(Class::Bsd),
            3 => Some(Class::Machdep),
            _ => None,
        }
    }

    /// The name used in traces and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Mach => "mach",
            Class::Bsd => "bsd",
            Class::Machdep => "machdep",
        }
    }
}

/// How far a call is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grade {
    /// As the manual page and XNU's source say.
    Faithful,
    /// Faithful as well: XNU gives an ordinary process this one error, and the text says where.
    Refused(&'static str),
    /// Served, but for what the text says.
    Partial(&'static str),
    /// Answers success and does nothing; the text says why that is safe.
    Fake(&'static str),
    /// Answers `ENOSYS`; the text says whose choice that is.
    Enosys(&'static str),
    /// An empty row of XNU's: `ENOSYS` and `SIGSYS`.
    Nosys(&'static str),
    /// An empty row of the Mach or machine-dependent table.
    Invalid,
    /// XNU serves it; we do not yet. Answers as if the call did not exist.
    Todo,
}

impl Grade {
    /// One word, for reports and traces.
    pub const fn name(self) -> &'static str {
        match self {
            Grade::Faithful | Grade::Refused(_) => "faithful",
            Grade::Partial(_) => "partial",
            Grade::Fake(_) => "fake",
            Grade::Enosys(_) => "enosys",
            Grade::Nosys(_) => "nosys",
            Grade::Invalid => "invalid",
            Grade::Todo => "todo",
        }
    }

    /// What is missing, or why; empty where there is nothing to say.
    pub const fn note(self) -> &'static str {
        match self {
            Grade::Refused(note)
            | Grade::Partial(note)
            | Grade::Fake(note)
            | Grade::Enosys(note)
            | Grade::Nosys(note) => note,
            Grade::Faithful | Grade::Invalid | Grade::Todo => "",
        }
    }
}

macro_rules! families {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The room that a call belongs to: the file that serves it has the same name.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[allow(non_camel_case_types)]
        pub enum Family {
            $($(#[$doc])* $name,)*
        }

        impl Family {
            /// Every family.
            pub const ALL: &'static [Family] = &[$(Family::$name),*];

            /// The name, as in the tables.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Family::$name => stringify!($name),)*
                }
            }
        }
    };
}

families! {
    /// Open files: read, write, open, fcntl, ioctl, select, …
    descriptor,
    /// Directory entries: link, rename, mkdir, readlink, chdir, getdirentries, …
    name,
    /// What is known of a file: stat, chmod, xattr, getattrlist, statfs, …
    metadata,
    /// Mounts, quotas, snapshots.
    mount,
    /// Processes: fork, exec, wait, limits, priorities, proc_info, …
    process,
    /// Signals.
    signal,
    /// Virtual memory, shared memory, the shared region.
    memory,
    /// Clocks and timers.
    time,
    /// Users, groups, sessions' names, randomness.
    identity,
    /// Auditing.
    audit,
    /// sysctl and other views of the kernel.
    system,
    /// Code signing, mandatory access control, System Integrity Protection.
    security,
    /// Sockets and everything built on them.
    network,
    /// Threads, locks, work queues.
    thread,
    /// kqueues, event links, file ports.
    event,
    /// System V and POSIX inter-process communication.
    ipc,
    /// Asynchronous input and output.
    aio,
    /// kdebug, logs, snapshots of stacks.
    trace,
    /// Mach ports and rights.
    port,
    /// Mach messages.
    message,
    /// Mach semaphores.
    semaphore,
    /// Mach virtual memory.
    vm,
    /// Mach tasks.
    task,
    /// The host port and what belongs to it.
    host,
    /// Vouchers.
    voucher,
    /// Mach clocks and timers.
    timer,
    /// IOKit and exclaves.
    device,
    /// Descriptors and registers of the processor.
    processor,
    /// Numbers that XNU no longer serves, or never did.
    removed,
}

/// A parameter of a call.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// The name, as in XNU's prototype.
    pub name: &'static str,
    /// Writes the argument as a person would read it.
    pub render: fn(&Rendering<'_>, &mut dyn Write) -> fmt::Result,
}

/// The parameters of a call, in order.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    count: usize,
    each: fn(&mut dyn FnMut(Parameter)),
}

impl Parameters {
    /// `each` hands out `count` parameters.
    pub(crate) const fn new(count: usize, each: fn(&mut dyn FnMut(Parameter))) -> Parameters {
        Parameters { count, each }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether the call takes none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The one at `index`.
    pub fn get(&self, index: usize) -> Option<Parameter> {
        let (mut at, mut found) = (0_usize, None);
        (self.each)(&mut |parameter| {
            if at == index {
                found = Some(parameter);
            }
            at = at.wrapping_add(1);
        });
        found
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Parameter> {
        let parameters = *self;
        (0..self.count).filter_map(move |index| parameters.get(index))
    }
}

/// A line of a table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The table.
    pub class: Class,
    /// The number.
    pub number: u32,
    /// The number of the `_nocancel` twin, which does the same.
    pub twin: Option<u32>,
    /// XNU's name of the call.
    pub name: &'static str,
    /// The room it belongs to.
    pub family: Family,
    /// The parameters.
    pub parameters: Parameters,
    /// Writes a successful result, given the first return word.
    pub render_return: fn(u64, &mut dyn Write) -> fmt::Result,
    /// How far it is served.
    pub grade: Grade,
}

/// The result of a call that leaves the return registers alone: one that does not return, or sets them all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unchanged;

/// What a handler may return: the type says how it fills the two return words
/// (`bsd/dev/i386/systemcalls.c`, `unix_syscall64`).
pub trait Return: Sized {
    /// The two words; `None` leaves the registers alone.
    fn words(self) -> Option<(u64, u64)>;

    /// The reply of success.
    #[inline(always)]
    fn reply(self) -> Reply {
        match self.words() {
            Some((first, second)) => Reply::Value(first, second),
            None => Reply::Unchanged,
        }
    }

    /// Writes the first word for a trace.
    fn render(word: u64, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{}", word as i64)
    }
}

impl Return for Unchanged {
    fn words(self) -> Option<(u64, u64)> {
        None
    }

    fn render(_: u64, out: &mut dyn Write) -> fmt::Result {
        out.write_char('?')
    }
}

impl Return for () {
    fn words(self) -> Option<(u64, u64)> {
        Some((0, 0))
    }
}

impl Return for i32 {
    fn words(self) -> Option<(u64, u64)> {
        Some((self as i64 as u64, 0))
    }
}

/// Two `int` results, as of `pipe`.
impl Return for (i32, i32) {
    fn words(self) -> Option<(u64, u64)> {
        Some((self.0 as i64 as u64, self.1 as i64 as u64))
    }
}

impl Return for Fd {
    fn words(self) -> Option<(u64, u64)> {
        Some((self.0 as i64 as u64, 0))
    }
}

impl Return for u32 {
    fn words(self) -> Option<(u64, u64)> {
        Some((u64::from(self), 0))
    }
}

impl Return for u64 {
    fn words(self) -> Option<(u64, u64)> {
        Some((self, 0))
    }
}

impl Return for i64 {
    fn words(self) -> Option<(u64, u64)> {
        Some((self as u64, 0))
    }
}

impl Return for usize {
    fn words(self) -> Option<(u64, u64)> {
        Some((self as u64, 0))
    }
}

impl Return for UserAddr {
    fn words(self) -> Option<(u64, u64)> {
        Some((self.get(), 0))
    }

    fn render(word: u64, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{word:#x}")
    }
}

/// A handler's answer.
pub type SysResult<T> = Result<T, Errno>;

/// What goes back to the guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// The call did its work: the two return words.
    Value(u64, u64),
    /// A machine-dependent call that fails as BSD's do did its work: the one return word; no carry.
    Flagged(u64),
    /// The call failed.
    Error(Errno),
    /// The return registers stay, or the handler has set them.
    Unchanged,
    /// No such call. BSD: `ENOSYS` and `SIGSYS`; Mach: `KERN_INVALID_ARGUMENT` and `EXC_SYSCALL`, which is `SIGSYS`
    /// too; machine-dependent: `KERN_INVALID_ARGUMENT`.
    Invalid,
}

impl Reply {
    /// Encodes a handler's answer.
    #[inline(always)]
    pub fn new<T: Return>(answer: SysResult<T>) -> Reply {
        match answer {
            Ok(value) => value.reply(),
            Err(errno) => Reply::Error(errno),
        }
    }
}
