//! A whole program of `xnu-core` on Linux with nothing beneath: no C library, no std, no allocator.
//!
//! It links only if no crate below it brings a panic handler (std) or wants a global allocator (alloc). It makes
//! `getpid` and `exit` through XNU's table; the numbers are opaque to the compiler, so every handler is linked.
//!
//! # Safety
//! The entry and the memory functions are assembly: they are what the C library would bring. The rest makes Linux
//! calls with arguments of their prototypes.
#![no_std]
#![no_main]

mod memory;

use core::arch::global_asm;
use core::hint::black_box;
use xnu_abi::linux::Sysno;
use xnu_backend_linux::{Device, Linux, PortNames};
use xnu_core::linux::{LinuxFd, descriptor, name, process};
use xnu_core::registers::Registers;
use xnu_core::{Arg, Call, Context, Kernel, Process, Thread, UserAddr, dispatch};

static PROCESS: Process<Linux, PortNames> = Process::new(Linux::new(), PortNames::new());

const GETPID: u64 = 0x200_0014;
const EXIT: u64 = 0x200_0001;
/// No such call: the reply is an error.
const UNKNOWN: u64 = 0x200_0fff;
const CARRY: u64 = 1;

global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "and rsp, -16",
    "call {main}",
    "ud2",
    main = sym main,
);

/// Typed wrappers by themselves, for a look at what the compiler leaves of them: registers and `syscall`.
mod probes {
    use super::*;

    #[unsafe(no_mangle)]
    extern "C" fn probe_getpid() -> bool {
        process::getpid(&PROCESS.kernel).is_ok()
    }

    #[unsafe(no_mangle)]
    extern "C" fn probe_read(fd: i32, buf: u64, count: usize) -> bool {
        descriptor::read(&PROCESS.kernel, LinuxFd(fd), UserAddr::new(buf), count).is_ok()
    }

    #[unsafe(no_mangle)]
    extern "C" fn probe_readlinkat(fd: i32, path: &[u8; 8], buf: u64, length: usize) -> bool {
        name::readlinkat(&PROCESS.kernel, LinuxFd(fd), path, UserAddr::new(buf), length).is_ok()
    }

    #[used]
    static KEPT: (
        extern "C" fn() -> bool,
        extern "C" fn(i32, u64, usize) -> bool,
        extern "C" fn(i32, &[u8; 8], u64, usize) -> bool,
    ) = (probe_getpid, probe_read, probe_readlinkat);
}

extern "C" fn main() -> ! {
    // To be linked like the rest; whether the device is there does not matter.
    drop(Device::open());
    let mut thread = Thread::default();
    // SAFETY: getpid has no arguments.
    let pid = unsafe { PROCESS.kernel.syscall(Sysno::Getpid, &mut []) }.unwrap_or(0) as u64;
    let (answer, flags) = call(&mut thread, GETPID, 0);
    let (_, unknown_flags) = call(&mut thread, UNKNOWN, 0);
    let agrees = answer == pid && flags & CARRY == 0 && unknown_flags & CARRY != 0;
    #[cfg(feature = "alloc")]
    let agrees = agrees && heap::used();
    #[cfg(feature = "panic")]
    let agrees = agrees && [true; 4][black_box(pid) as usize % 8];
    call(&mut thread, EXIT, u64::from(!agrees));
    stop(2)
}

/// One `syscall` instruction of a guest: rax and the carry flag after it.
fn call(thread: &mut Thread, number: u64, argument: u64) -> (u64, u64) {
    let mut registers =
        Registers { rax: black_box(number), rdi: black_box(argument), ..Registers::default() };
    let (class, reply) = match Call::decode(&registers, &PROCESS.kernel) {
        Ok(call) => {
            (Some(call.class), call.dispatch(&mut Context { process: &PROCESS, thread: Some(thread) }))
        }
        Err(undecodable) => (None, undecodable.reply()),
    };
    dispatch::reply(class, reply, &mut registers);
    (registers.rax, registers.rflags)
}

fn stop(code: usize) -> ! {
    loop {
        // SAFETY: one number.
        let _ = unsafe { PROCESS.kernel.syscall(Sysno::ExitGroup, &mut [Arg::Val(code)]) };
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    stop(101)
}

/// What must not link: there is no allocator to take a `Box` from.
#[cfg(feature = "alloc")]
mod heap {
    extern crate alloc;

    pub(crate) fn used() -> bool {
        *core::hint::black_box(alloc::boxed::Box::new(true))
    }
}

/// What must not build: std brings a panic handler of its own.
#[cfg(feature = "std")]
extern crate std;
