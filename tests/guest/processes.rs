//! Prints what it is told of itself: arguments, program, working directory, descriptors; then of a child that waits, and of
//! its parent.
#![no_std]
#![no_main]
mod support;
use support::{Args, bsd, ensure, exit, map_pages, nr, println, text};

support::unixthread!(main);

const FORK: u64 = 2;
const WAIT4: u64 = 7;
const SYSCTL: u64 = 202;
const PROC_INFO: u64 = 336;
const LISTPIDS: u64 = 1;
const PIDINFO: u64 = 2;
const PIDFDINFO: u64 = 3;

/// A C string in memory that is this program's.
fn string(at: u64) -> &'static str {
    text(at as *const u8)
}

fn number(at: u64) -> u64 {
    // SAFETY: the pages were mapped and are never unmapped.
    unsafe { (at as *const u32).read_unaligned() }.into()
}

fn info(pid: u64, flavor: u64, buffer: u64, size: u64) -> Result<u64, u64> {
    bsd(PROC_INFO, [PIDINFO, pid, flavor, 0, buffer, size]).map(|(told, _)| told)
}

/// Arguments of a process by `kern.procargs2`.
fn arguments(pid: u64, buffer: u64) {
    let name = [1u32, 49, pid as u32];
    let mut length = 0x4000u64;
    let told = bsd(SYSCTL, [name.as_ptr() as u64, 3, buffer, &raw mut length as u64, 0, 0]);
    if told.is_err() {
        println!("arguments {told:?}");
        return;
    }
    let count = number(buffer);
    println!("argc {count}");
    let mut at = buffer + 4;
    println!("path {}", string(at));
    at += string(at).len() as u64;
    let end = buffer + length;
    // SAFETY: within what was written.
    while at < end && unsafe { *(at as *const u8) } == 0 {
        at += 1;
    }
    let mut index = 0;
    while at < end && index < count + 1 {
        println!("{} {}", if index < count { "argument" } else { "variable" }, string(at));
        at += string(at).len() as u64 + 1;
        index += 1;
    }
}

fn main(_args: &Args) -> i32 {
    let buffer = map_pages(8, support::PROT_RW);
    let (own, _) = bsd(nr::GETPID, []).unwrap_or((0, 0));
    arguments(own, buffer);
    println!("program {:?} {}", info(own, 11, buffer, 4096), string(buffer));
    println!("directory {:?} {}", info(own, 9, buffer, 2352), string(buffer + 152));
    ensure!(1, info(own, 3, buffer, 136) == Ok(136) && number(buffer + 12) == own, "of another process");
    println!("name {}", string(buffer + 48));

    let list = buffer + 0x4000;
    let told = info(own, 1, list, 0x1000).unwrap_or(0);
    for at in (list..list + told).step_by(8) {
        let (fd, kind) = (number(at), number(at + 4));
        let path = bsd(PROC_INFO, [PIDFDINFO, own, 2, fd, buffer, 1200]);
        match path {
            Ok(_) => println!("descriptor {fd} kind {kind} path {}", string(buffer + 24 + 152)),
            Err(errno) => println!("descriptor {fd} kind {kind} errno {errno}"),
        }
    }

    let mut ends = [0u64; 2];
    let piped = bsd(nr::PIPE, []);
    if let Ok((read, write)) = piped {
        ends = [read, write];
    }
    let (child, is_child) = bsd(FORK, []).unwrap_or((0, 7));
    if is_child == 1 {
        let mut byte = 0u8;
        let _ = bsd(nr::CLOSE, [ends[1]]);
        let _ = bsd(nr::READ, [ends[0], &raw mut byte as u64, 1]);
        exit(5);
    }
    let told = bsd(PROC_INFO, [LISTPIDS, 6, own, 0, list, 0x1000]).map_or(0, |(told, _)| told);
    ensure!(2, told == 4 && number(list) == child, "{told} bytes of children");
    println!("child {:?} {}", info(child, 11, buffer, 4096).is_ok(), string(buffer));
    ensure!(3, info(child, 13, buffer, 64) == Ok(64) && number(buffer + 4) == own, "of another parent");
    arguments(child, buffer);
    let _ = bsd(nr::CLOSE, [ends[1]]);
    // One that has ended is told of where that is asked for.
    let mut status = 0u32;
    while info(child, 3, buffer, 136).is_ok() {}
    let ended = bsd(PROC_INFO, [PIDINFO, child, 3, 1, buffer, 136]);
    println!("ended {} {:#x}", ended.is_ok(), number(buffer + 8));
    let waited = bsd(WAIT4, [child, &raw mut status as u64, 0, 0]);
    println!("status {} {status:#x}", waited.is_ok());
    println!("gone {:?}", info(child, 3, buffer, 136));
    0
}
