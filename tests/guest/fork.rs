//! Forks: both sides make calls of their own, and a child is asked for again by a child.
//!
//! Each process writes a line about itself to a pipe that the first one reads, so that the lines come in order.
#![no_std]
#![no_main]
mod support;
use support::{Args, bsd, ensure, exit, nr, println};

support::unixthread!(main);

const FORK: u64 = 2;
const SIGPROCMASK: u64 = 48;
const SIGPENDING: u64 = 52;
const SIGUSR1: u64 = 30;
const SIG_BLOCK: u64 = 1;

fn main(_: &Args) -> i32 {
    let (read, write) = bsd(nr::PIPE, []).unwrap_or((u64::MAX, u64::MAX));
    let (own, _) = bsd(nr::GETPID, []).unwrap_or((0, 0));

    // A signal that waits is the parent's alone.
    let blocked = 1u32 << (SIGUSR1 - 1);
    let _ = bsd(SIGPROCMASK, [SIG_BLOCK, &raw const blocked as u64, 0]);
    let _ = bsd(nr::KILL, [own, SIGUSR1, 1]);

    let (first, second) = bsd(FORK, []).unwrap_or((0, 7));
    if second == 1 {
        child(first, own, write, 1);
    }
    ensure!(1, second == 0, "the second word is {second}");
    ensure!(2, first != own && first != 0, "the child of {own} is {first}");
    ensure!(3, pending() == blocked, "{:#x} waits in the parent", pending());
    ensure!(4, receive(read) == [1, first, own], "the child says something else");
    let [depth, grandchild, parent] = receive(read);
    ensure!(5, (depth, parent) == (2, first), "the child's child says something else");
    ensure!(6, grandchild != first, "both have the number {first}");
    println!("both sides agree");
    0
}

fn child(first: u64, parent: u64, write: u64, depth: u64) -> ! {
    let (own, _) = bsd(nr::GETPID, []).unwrap_or((0, 0));
    let (real_parent, _) = bsd(nr::GETPPID, []).unwrap_or((0, 0));
    ensure!(10, first == own, "the child {own} is told {first}");
    ensure!(11, real_parent == parent, "the parent is {real_parent}, not {parent}");
    ensure!(12, pending() == 0, "{:#x} waits in the child", pending());
    let report = [depth, own, parent];
    let _ = bsd(nr::WRITE, [write, report.as_ptr() as u64, size_of_val(&report) as u64]);
    if depth == 1 {
        // The child asks who its parent is, so that must be there until the child has ended: the pipe says when.
        let (wait, held) = bsd(nr::PIPE, []).unwrap_or((u64::MAX, u64::MAX));
        let (first, second) = bsd(FORK, []).unwrap_or((0, 7));
        if second == 1 {
            child(first, own, write, 2);
        }
        let _ = bsd(nr::CLOSE, [held]);
        let mut byte = 0u8;
        let _ = bsd(nr::READ, [wait, &raw mut byte as u64, 1]);
    }
    exit(0)
}

fn pending() -> u32 {
    let mut set = 0u32;
    let _ = bsd(SIGPENDING, [&raw mut set as u64]);
    set
}

fn receive(read: u64) -> [u64; 3] {
    let mut report = [0u64; 3];
    let _ = bsd(nr::READ, [read, report.as_mut_ptr() as u64, size_of_val(&report) as u64]);
    report
}
