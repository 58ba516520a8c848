//! The registers at the entry, and what system calls leave of them.
#![no_std]
#![no_main]
mod probe;
mod support;
use probe::{Kind, NAMES, check, use_vector_level};
use support::{Args, EBADF, EINVAL, MACH, MACHDEP, UNIX, ensure, nr, println};

support::unixthread!(main);

fn main(_: &Args) -> i32 {
    // SAFETY: nothing but the entry code writes the static.
    let entry = unsafe { (&raw const support::ENTRY_REGISTERS).read() };
    for (name, value) in NAMES.iter().zip(entry) {
        ensure!(40, value == 0, "{name} is {value:#x} at the entry");
    }
    let level = use_vector_level();

    // More than one round: a call site may be treated differently once it has been seen.
    for round in 0..4 {
        let parent = check("getppid", UNIX | nr::GETPPID, Kind::Success, round, level);
        ensure!(41, parent != 0, "getppid is 0");
        check("close", UNIX | nr::CLOSE, Kind::Error(EBADF), round, level);
        let task = check("task_self_trap", MACH | 28, Kind::Mach, round, level);
        ensure!(42, task != 0, "task_self_trap is MACH_PORT_NULL");
        // An unused machdep slot: KERN_INVALID_ARGUMENT, carry as it was.
        let unused = check("machdep 2", MACHDEP | 2, Kind::Mach, round, level);
        ensure!(43, unused == 4, "machdep 2 is {unused:#x}");
        // One in BSD's style, with a selector far behind the last.
        check("i386_set_ldt64", MACHDEP | 5, Kind::Error(EINVAL), round, level);
    }
    println!("registers kept, vectors {}", ["xmm", "ymm", "zmm"][level as usize]);
    0
}
