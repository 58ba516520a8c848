//! Calls on open files through the table, with copies as the runner makes them, against the raw Linux call.
//!
//! # Safety
//! The raw calls are `fstat`, `lseek`, `getdents64` and transfers, on descriptors and memory that live as long as the process.
#![allow(unsafe_code)]

use super::{Row, Side};
use std::fs::{self, File};
use std::hint::black_box;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::path::PathBuf;
use xnu_abi::linux::Sysno;
use xnu_backend_linux::{Linux, PortNames};
use xnu_core::{Context, Process, Reply, Thread, bsd};

const RAW: &str = "the raw Linux call, as a function";

/// Linux's list is what is converted.
const LIST: &str = "getdents64 with the same buffer";

/// XNU tells the position before the list. To ask Linux for it makes ext4 hash a block of names anew, which many short
/// calls pay for many times.
const LITTLE: f64 = 2.2;

pub(super) const ROWS: &[Row] = &[
    Row { name: "write", what: "write of 1 byte", against: RAW, goal: 1.05, sides: || write(1) },
    Row { name: "read-64k", what: "pread of 64 KiB", against: RAW, goal: 1.05, sides: || pread(LARGE) },
    Row { name: "write-64k", what: "write of 64 KiB", against: RAW, goal: 1.05, sides: || write(LARGE) },
    Row { name: "fstat", what: "fstat64 of a file", against: RAW, goal: 1.3, sides: fstat },
    Row {
        name: "list-128k",
        what: "getdirentries64 of 10,000 entries, 128 KiB",
        against: LIST,
        goal: 1.5,
        sides: || list(128 * 1024),
    },
    Row {
        name: "list-32k",
        what: "the same, a buffer of 32 KiB",
        against: LIST,
        goal: 1.5,
        sides: || list(32 * 1024),
    },
    Row {
        name: "list-4k",
        what: "the same, a buffer of 4 KiB",
        against: LIST,
        goal: LITTLE,
        sides: || list(4 * 1024),
    },
];

const WRITE: u32 = 4;
const PREAD: u32 = 153;
const LSEEK: u32 = 199;
const FSTAT64: u32 = 339;
const GETDIRENTRIES64: u32 = 344;

/// A large transfer.
const LARGE: usize = 64 * 1024;

/// A call as the guest makes it.
fn guest() -> impl FnMut(u32, [u64; 4]) -> Reply {
    let linux = Linux::new();
    // No address is bad here, so no handler is needed.
    linux.handle_faults();
    let process: &'static Process<Linux, PortNames> =
        Box::leak(Box::new(Process::new(linux, PortNames::new())));
    let thread: &'static mut Thread = Box::leak(Box::default());
    move |number, [a, b, c, d]| {
        let mut cx = Context { process, thread: Some(thread) };
        bsd::dispatch(&mut cx, black_box(number), &black_box([a, b, c, d, 0, 0, 0, 0]))
    }
}

/// The bare call as a C program makes it: a function with the instruction and nothing else.
#[inline(never)]
extern "C" fn raw(number: usize, a: usize, b: usize, c: usize, d: usize) -> usize {
    // SAFETY: one of the calls above; their memory is long enough and lives as long as the process.
    unsafe { sc::platform::syscall4(number, a, b, c, d) }
}

/// The two sides of a call that takes the same arguments in both systems.
fn same(number: u32, linux: Sysno, words: [u64; 4]) -> (Side, Side) {
    let mut call = guest();
    let ours = move || call(number, black_box(words));
    let theirs = move || {
        let [a, b, c, d] = black_box(words).map(|word| word as usize);
        raw(black_box(linux.number()), a, b, c, d)
    };
    (Side::call(ours), Side::call(theirs))
}

/// Memory that lives as long as the process.
fn memory(length: usize) -> u64 {
    Box::leak(vec![1u8; length].into_boxed_slice()).as_mut_ptr() as u64
}

/// To `/dev/null`, which looks at nothing: what is measured is the call.
fn write(length: usize) -> Result<(Side, Side), String> {
    let fd = open(File::options().write(true), "/dev/null".into())?;
    Ok(same(WRITE, Sysno::Write, [fd, memory(length), length as u64, 0]))
}

fn pread(length: usize) -> Result<(Side, Side), String> {
    let fd = open(File::options().read(true), file(length)?)?;
    Ok(same(PREAD, Sysno::Pread64, [fd, memory(length), length as u64, 0]))
}

/// Either structure is 144 bytes long.
fn fstat() -> Result<(Side, Side), String> {
    let fd = open(File::options().read(true), file(1)?)?;
    Ok(same(FSTAT64, Sysno::Fstat, [fd, memory(144), 0, 0]))
}

fn open(options: &fs::OpenOptions, path: PathBuf) -> Result<u64, String> {
    let file = options.open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(file.into_raw_fd() as u64)
}

/// The runner itself is a file of more than 64 KiB that is there.
fn file(length: usize) -> Result<PathBuf, String> {
    let path = std::env::current_exe().map_err(|error| error.to_string())?;
    let metadata = fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if metadata.len() < length as u64 {
        return Err(format!("{}: is too short to be read", path.display()));
    }
    Ok(path)
}

/// A directory of 10,000 files; goes with its owner.
struct Many(PathBuf);

impl Many {
    fn new() -> Result<Many, String> {
        let path = std::env::temp_dir().join(format!("xnu-bench-many-{}", std::process::id()));
        let many = Many(path);
        let _ = fs::remove_dir_all(&many.0);
        fs::create_dir(&many.0)
            .and_then(|()| (0..10_000).try_for_each(|n| fs::write(many.0.join(format!("entry-{n}.txt")), "")))
            .map_err(|error| format!("{}: {error}", many.0.display()))?;
        Ok(many)
    }
}

impl Drop for Many {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn list(length: usize) -> Result<(Side, Side), String> {
    let many = Many::new()?;
    let directory = || {
        let directory = File::open(&many.0).map_err(|error| format!("{}: {error}", many.0.display()))?;
        let fd = directory.as_raw_fd() as u64;
        std::mem::forget(directory);
        Ok::<u64, String>(fd)
    };
    let (our_fd, their_fd) = (directory()?, directory()?);
    let (buffer, position) = (memory(length), memory(8));
    let mut call = guest();
    let ours = move || {
        let _ = &many;
        call(LSEEK, [our_fd, 0, 0, 0]);
        let listed = |reply| matches!(reply, Reply::Value(length, _) if length > 0);
        while listed(call(GETDIRENTRIES64, [our_fd, buffer, length as u64, position])) {}
    };
    let theirs = move || {
        let fd = their_fd as usize;
        raw(Sysno::Lseek.number(), fd, 0, 0, 0);
        while raw(Sysno::Getdents64.number(), fd, black_box(buffer) as usize, length, 0) > 0 {}
    };
    Ok((Side::call(ours), Side::call(theirs)))
}
