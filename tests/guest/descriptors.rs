//! Tries to reach descriptors that are not its own: none above 2 may be open, whatever the call.
//!
//! The arguments are the numbers of those that the parent handed down on purpose. Prints the number of each other one
//! that answers. `dup2` onto a free number is allowed, so that is done last, and
//! paths must still work after it: a runner's own descriptor would have been replaced.
#![no_std]
#![no_main]
mod support;
use support::{Args, EBADF, ENOSYS, SysResult, bsd, ensure, nr, number, println, text};

support::unixthread!(main);

const LAST: u64 = 70_000;
const DUP: u64 = 41;
const DUP2: u64 = 90;
const FCNTL: u64 = 92;
const F_GETFD: u64 = 1;
const STAT64: u64 = 338;

/// A call on a descriptor, with the address of a byte.
type Probe = fn(u64, u64) -> SysResult;

fn main(args: &Args) -> i32 {
    let inherited = |fd: u64| args.argv.skip(1).filter_map(|arg| number(text(arg))).any(|given| given == fd);
    let byte = b"x".as_ptr() as u64;
    let probes: [(&str, Probe); 4] = [
        ("fcntl", |fd, _| bsd(FCNTL, [fd, F_GETFD, 0])),
        ("write", |fd, byte| bsd(nr::WRITE, [fd, byte, 0])),
        ("dup", |fd, _| bsd(DUP, [fd])),
        ("close", |fd, _| bsd(nr::CLOSE, [fd])),
    ];
    let mut reachable = 0;
    let mut odd = 0;
    for fd in (3..=LAST).chain([1 << 20, i32::MAX as u64]).filter(|&fd| !inherited(fd)) {
        for (name, probe) in probes {
            match probe(fd, byte) {
                Err(EBADF) => {}
                Ok(_) => {
                    println!("{fd} answers {name}");
                    reachable += 1;
                    break;
                }
                Err(errno) => {
                    if odd < 10 {
                        println!("{fd}: {name} gives errno {errno}");
                    }
                    odd += 1;
                }
            }
        }
    }
    println!("reachable {reachable}");
    ensure!(1, reachable == 0, "{reachable} descriptors of others answer");
    ensure!(2, odd == 0, "{odd} errnos that are not EBADF");

    let mut taken = 0;
    for fd in (3..=LAST).filter(|&fd| !inherited(fd)) {
        match bsd(DUP2, [1, fd]) {
            Ok((new, _)) => {
                ensure!(3, new == fd, "dup2 to {fd} gives {new}");
                ensure!(4, bsd(nr::CLOSE, [fd]).is_ok(), "{fd} does not close after dup2");
                taken += 1;
            }
            Err(EBADF) => {}
            Err(ENOSYS) => support::wrong(5, format_args!("no dup2")),
            Err(errno) => support::wrong(6, format_args!("dup2 to {fd} gives errno {errno}")),
        }
    }
    println!("dup2 onto {taken}");

    let mut status = [0u8; 144];
    let root = c"/".as_ptr() as u64;
    ensure!(7, bsd(STAT64, [root, status.as_mut_ptr() as u64]).is_ok(), "stat64 of / fails afterwards");
    let opened = bsd(nr::OPEN, [root, 0, 0]);
    ensure!(8, opened.is_ok_and(|(fd, _)| fd == 3 || inherited(3)), "open of / gives {opened:x?} afterwards");
    0
}
