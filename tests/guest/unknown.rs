//! Numbers that no kernel serves: prints what comes back, survives all of them.
#![no_std]
#![no_main]
mod support;
use support::{Args, ENOSYS, MACH, UNIX, bsd, call, ensure, nr, println};

support::unixthread!(main);

const SIGSYS: u64 = 12;
const SIG_IGN: u64 = 1;

fn main(_: &Args) -> i32 {
    // XNU sends SIGSYS along with ENOSYS. struct __sigaction: handler, trampoline, mask and flags.
    let ignore = [SIG_IGN, 0, 0];
    match bsd(nr::SIGACTION, [SIGSYS, ignore.as_ptr() as u64, 0]) {
        Ok(_) => println!("SIGSYS ignored"),
        Err(errno) => println!("sigaction: errno {errno}"),
    }

    for (name, number) in [("BSD 9999", 9999), ("BSD 63", 63), ("BSD 0xffffff", 0xff_ffff)] {
        let result = call(UNIX | number, [0; 6]);
        println!("{name}: {result:x?}");
        ensure!(1, result == Err(ENOSYS), "{name} is not ENOSYS");
    }
    // Number 0 takes the number from the first argument.
    let indirect = bsd(0, [nr::GETPID, 0]);
    println!("BSD 0 of getpid: {:x?}", indirect.map(|_| ()));
    ensure!(2, indirect == bsd(nr::GETPID, []), "BSD 0 is not the call of its first argument");
    let indirect = bsd(0, [9999, 0]);
    println!("BSD 0 of 9999: {indirect:x?}");
    ensure!(3, indirect == Err(ENOSYS), "BSD 0 of 9999 is not ENOSYS");

    for (name, number) in [
        ("BSD 557", UNIX | 557),
        ("class 0, number 20", 20),
        ("class 5, number 20", 0x0500_0014),
        ("class 7, number 20", 0x0700_0014),
        ("class 255, number 20", 0xff00_0014),
        ("Mach 200", MACH | 200),
        ("Mach 2", MACH | 2),
        ("Mach 0xffffff", MACH | 0xff_ffff),
        ("machdep 200", support::MACHDEP | 200),
    ] {
        println!("{name}: {:x?}", call(number, [0; 6]));
    }
    // Only eax counts: the upper half of rax is ignored.
    let wide = call(0xdead_beef_0000_0000 | UNIX | nr::GETPID, []);
    ensure!(4, wide == bsd(nr::GETPID, []), "the upper half of rax counts: {wide:x?}");
    println!("still here");
    0
}
