//! A call through table, decoding and errno, as a wrapper of libsystem_kernel makes it, against the bare Linux call.
//!
//! # Safety
//! The bare calls are `getpid` and a `read` of one byte into a local.
#![allow(unsafe_code)]

use super::{Row, Side};
use std::fs::File;
use std::hint::black_box;
use std::os::fd::AsRawFd;
use xnu_abi::linux::Sysno;
use xnu_backend_linux::{Linux, PortNames};
use xnu_core::{Context, Process, Thread, bsd};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "linked-getpid",
        what: "getpid through the table",
        against: "the raw Linux call, as a function",
        goal: 1.05,
        sides: || Ok(getpid()),
    },
    Row {
        name: "linked-read",
        what: "read of 1 byte through the table",
        against: "the raw Linux call, as a function",
        goal: 1.05,
        sides: read,
    },
];

const GETPID: u32 = 20;
const READ: u32 = 3;

/// The bare call as a C program makes it: a function with the instruction and nothing else.
#[inline(never)]
extern "C" fn raw(number: usize, a: usize, b: usize, c: usize) -> usize {
    // SAFETY: `getpid`, or a `read` of one byte into memory that lives as long as the process.
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

fn read() -> Result<(Side, Side), String> {
    let zero = File::open("/dev/zero").map_err(|error| format!("/dev/zero: {error}"))?;
    let fd = zero.as_raw_fd();
    // Both sides use it as long as the process lives.
    std::mem::forget(zero);
    let byte: *mut u8 = Box::leak(Box::new(0));
    let address = byte as u64;
    let (process, thread) = process();
    let ours = move || {
        let mut cx = Context { process, thread: Some(thread) };
        bsd::dispatch(&mut cx, black_box(READ), &black_box([fd as u64, address, 1, 0, 0, 0, 0, 0]))
    };
    let theirs = move || raw(black_box(Sysno::Read.number()), black_box(fd) as usize, address as usize, 1);
    Ok((Side::call(ours), Side::call(theirs)))
}
