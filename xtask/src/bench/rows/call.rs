//! A call through table, decoding and errno, as a wrapper of libsystem_kernel makes it, against the bare Linux call.
//!
//! # Safety
//! The bare calls are `getpid`, `fstat` and transfers from and to memory that lives as long as the process. A wrapper is called
//! as C would call it.
#![allow(unsafe_code)]

use super::{Row, Side};
use std::arch::naked_asm;
use std::fs::File;
use std::hint::black_box;
use std::os::fd::AsRawFd;
use xnu_abi::linux::Sysno;
use xnu_backend_linux::{Linux, PortNames};
use xnu_core::{Context, Process, Thread, bsd};

/// What a linked call may cost over Linux's own. The table itself costs next to nothing (the rows above); what is left is
/// that Linux leaves the processor's memory of return addresses useless, so that each of the two or three functions which
/// the call goes back through is a mispredicted return.
const LINKED: f64 = 1.2;

/// What a linked call may cost that gives the caller a structure. Nobody catches faults for a linked image, so Linux is asked to
/// copy it, which is the dearest part by far; the trapped form copies by itself.
const COPIED: f64 = 5.5;

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "table-getpid",
        what: "getpid through the table",
        against: "the raw Linux call, as a function",
        goal: 1.05,
        sides: || Ok(getpid()),
    },
    Row {
        name: "table-read",
        what: "read of 1 byte through the table",
        against: "the raw Linux call, as a function",
        goal: 1.05,
        sides: || read(Ours::Table),
    },
    Row {
        name: "linked-getpid",
        what: "getpid of a wrapper that calls __darling_bsd_syscall",
        against: "the raw Linux call, as a function",
        goal: LINKED,
        sides: || Ok(linked_getpid()),
    },
    Row {
        name: "linked-read",
        what: "read of 1 byte, the same way",
        against: "the raw Linux call, as a function",
        goal: LINKED,
        sides: || read(Ours::Wrapper),
    },
    Row {
        name: "linked-read-64k",
        what: "read of 64 KiB, the same way",
        against: "the raw Linux call, as a function",
        goal: 1.05,
        sides: || transfer(Transfer::Read, LARGE),
    },
    Row {
        name: "linked-write",
        what: "write of 1 byte, the same way",
        against: "the raw Linux call, as a function",
        goal: LINKED,
        sides: || transfer(Transfer::Write, 1),
    },
    Row {
        name: "linked-write-64k",
        what: "write of 64 KiB to a file, the same way",
        against: "the raw Linux call, as a function",
        goal: 1.15,
        sides: || transfer(Transfer::Write, LARGE),
    },
    Row {
        name: "linked-fstat",
        what: "fstat64 of a file, the same way",
        against: "fstat, the raw Linux call, as a function",
        goal: COPIED,
        sides: fstat,
    },
    Row {
        name: "linked-errno",
        what: "errno_linux_to_bsd",
        against: "a function that looks into a table, unchecked",
        goal: 1.5,
        sides: || Ok(errno()),
    },
];

const GETPID: u32 = 20;
const READ: u32 = 3;
const PREAD: u32 = 153;
const PWRITE: u32 = 154;
const WRITE: u32 = 4;
const FSTAT64: u32 = 339;

/// A large transfer.
const LARGE: usize = 64 * 1024;

/// The bare call as a C program makes it: a function with the instruction and nothing else.
#[inline(never)]
extern "C" fn raw(number: usize, a: usize, b: usize, c: usize) -> usize {
    // SAFETY: `getpid`, or a `read` or `fstat` into memory that is long enough and lives as long as the process.
    unsafe { sc::platform::syscall3(number, a, b, c) }
}

fn process() -> (&'static Process<Linux, PortNames>, &'static mut Thread) {
    let process = Box::leak(Box::new(Process::new(Linux::new(), PortNames::new())));
    (process, Box::leak(Box::default()))
}

fn getpid() -> (Side, Side) {
    let (process, thread) = process();
    let ours = move || {
        let mut cx = Context { process, thread: Some(thread) };
        bsd::dispatch(&mut cx, black_box(GETPID), &black_box([0; 8]))
    };
    (Side::call(ours), Side::call(|| raw(black_box(Sysno::Getpid.number()), 0, 0, 0)))
}

/// What makes the call for us.
#[derive(Clone, Copy)]
enum Ours {
    Table,
    Wrapper,
}

fn read(ours: Ours) -> Result<(Side, Side), String> {
    let zero = File::open("/dev/zero").map_err(|error| format!("/dev/zero: {error}"))?;
    let fd = zero.as_raw_fd();
    // Both sides use it as long as the process lives.
    std::mem::forget(zero);
    let byte: *mut u8 = Box::leak(Box::new(0));
    let address = byte as u64;
    let (process, thread) = process();
    let table = move || {
        let mut cx = Context { process, thread: Some(thread) };
        bsd::dispatch(&mut cx, black_box(READ), &black_box([fd as u64, address, 1, 0, 0, 0, 0, 0]))
    };
    // SAFETY: one byte, which lives as long as the process.
    let wrapper = move || unsafe { wrapper_read(black_box(fd), black_box(byte), black_box(1)) };
    let theirs = move || raw(black_box(Sysno::Read.number()), black_box(fd) as usize, address as usize, 1);
    let ours = match ours {
        Ours::Table => Side::call(table),
        Ours::Wrapper => Side::call(wrapper),
    };
    Ok((ours, Side::call(theirs)))
}

unsafe extern "C" {
    /// `xnu_capi`'s, for assembly: it has a convention of its own.
    fn __darling_bsd_syscall();
}

/// A wrapper as the macros of `xnu_emu_asm.h` make it.
macro_rules! wrapper {
    ($name:ident($($argument:ident: $type:ty),*), $number:expr) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name($($argument: $type),*) -> i64 {
            naked_asm!(
                "mov eax, {number}",
                "call {entry}",
                "cmp rax, -4095",
                "jae 2f",
                "ret",
                "2:",
                "mov rax, -1",
                "ret",
                number = const $number,
                entry = sym __darling_bsd_syscall,
            )
        }
    };
}
wrapper!(wrapper_getpid(), GETPID);
wrapper!(wrapper_read(fd: i32, buffer: *mut u8, size: usize), READ);
wrapper!(wrapper_write(fd: i32, buffer: *mut u8, size: usize), WRITE);
wrapper!(wrapper_pread(fd: i32, buffer: *mut u8, size: usize, offset: i64), PREAD);
wrapper!(wrapper_pwrite(fd: i32, buffer: *mut u8, size: usize, offset: i64), PWRITE);
wrapper!(wrapper_fstat64(fd: i32, buffer: *mut u8), FSTAT64);

/// What is done over and over.
#[derive(Clone, Copy)]
enum Transfer {
    Read,
    Write,
}

/// One byte goes to `/dev/null`; 64 KiB are those at the start of a file, in memory.
fn transfer(transfer: Transfer, length: usize) -> Result<(Side, Side), String> {
    let fd = if length == 1 { open("/dev/null")? } else { file()? };
    let buffer: &'static mut [u8] = Box::leak(vec![1; length].into_boxed_slice());
    let buffer = buffer.as_mut_ptr();
    let at_start = length != 1;
    let ours = move || {
        let (fd, buffer, length) = (black_box(fd), black_box(buffer), black_box(length));
        // SAFETY: a buffer of this length, which lives as long as the process.
        unsafe {
            match (transfer, at_start) {
                (Transfer::Read, true) => wrapper_pread(fd, buffer, length, 0),
                (Transfer::Read, false) => wrapper_read(fd, buffer, length),
                (Transfer::Write, true) => wrapper_pwrite(fd, buffer, length, 0),
                (Transfer::Write, false) => wrapper_write(fd, buffer, length),
            }
        }
    };
    let number = match (transfer, at_start) {
        (Transfer::Read, true) => Sysno::Pread64,
        (Transfer::Read, false) => Sysno::Read,
        (Transfer::Write, true) => Sysno::Pwrite64,
        (Transfer::Write, false) => Sysno::Write,
    };
    let theirs = move || {
        raw_at(
            black_box(number.number()),
            black_box(fd) as usize,
            black_box(buffer) as usize,
            black_box(length),
            0,
        )
    };
    Ok((Side::call(ours), Side::call(theirs)))
}

/// The bare call with an offset, which calls without one do not look at.
#[inline(never)]
extern "C" fn raw_at(number: usize, fd: usize, buffer: usize, length: usize, offset: usize) -> usize {
    // SAFETY: a transfer from or to a buffer of this length, which lives as long as the process.
    unsafe { sc::platform::syscall4(number, fd, buffer, length, offset) }
}

fn open(path: &str) -> Result<i32, String> {
    let file =
        File::options().read(true).write(true).open(path).map_err(|error| format!("{path}: {error}"))?;
    let fd = file.as_raw_fd();
    // Both sides use it as long as the process lives.
    std::mem::forget(file);
    Ok(fd)
}

/// A file of 64 KiB without a name.
fn file() -> Result<i32, String> {
    let path = std::env::temp_dir().join(format!("xnu-bench-{}", std::process::id()));
    let text = path.to_string_lossy().into_owned();
    std::fs::write(&path, vec![0; LARGE]).map_err(|error| format!("{text}: {error}"))?;
    let fd = open(&text);
    std::fs::remove_file(&path).map_err(|error| format!("{text}: {error}"))?;
    fd
}

fn fstat() -> Result<(Side, Side), String> {
    let fd = file()?;
    // Either structure is 144 bytes long.
    let buffer: &'static mut [u8; 144] = Box::leak(Box::new([0; 144]));
    let buffer = buffer.as_mut_ptr();
    // SAFETY: room for the structure, which lives as long as the process.
    let ours = move || unsafe { wrapper_fstat64(black_box(fd), black_box(buffer)) };
    let theirs =
        move || raw(black_box(Sysno::Fstat.number()), black_box(fd) as usize, black_box(buffer) as usize, 0);
    Ok((Side::call(ours), Side::call(theirs)))
}

fn linked_getpid() -> (Side, Side) {
    // SAFETY: takes nothing and touches no memory.
    let ours = || unsafe { wrapper_getpid() };
    (Side::call(ours), Side::call(|| raw(black_box(Sysno::Getpid.number()), 0, 0, 0)))
}

/// As a C function would do it that trusts its argument: neither sign nor range.
#[inline(never)]
extern "C" fn look_up(table: &[u8; 4096], error: i32) -> i32 {
    // SAFETY: the argument is 35, always.
    i32::from(unsafe { *table.get_unchecked(error as usize) })
}

fn errno() -> (Side, Side) {
    const EDEADLK: i32 = 35;
    let table: &'static [u8; 4096] = Box::leak(Box::new([11; 4096]));
    // Through pointers: neither is inlined, as a C library's function is not.
    let ours: extern "C" fn(i32) -> i32 = black_box(xnu_capi::errno::errno_linux_to_bsd);
    let theirs: extern "C" fn(&[u8; 4096], i32) -> i32 = black_box(look_up);
    (
        Side::call(move || ours(black_box(EDEADLK))),
        Side::call(move || theirs(black_box(table), black_box(EDEADLK))),
    )
}
