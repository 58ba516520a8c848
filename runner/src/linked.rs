//! Starting an image that has the emulation linked in.
//!
//! Such an image makes Linux calls itself, so nothing is trapped: the runner loads it, says where its LKM is, and goes. The
//! process is the guest's alone from then on, but for the function that serves LKM traps where there is no `/dev/mach`.
//!
//! # Safety
//! That function is called by the image's code as C functions are. It uses no thread data of the C library's, which the
//! guest's threads do not have. The jump leaves the runner's stack for good.
#![allow(unsafe_code)]

use crate::stack::HandOver;
use std::arch::asm;
use std::ffi::c_void;
use xnu_abi::linux::Errno;
use xnu_abi::lkm::Trap;
use xnu_backend_linux::{Device, PortNames};
use xnu_core::registers::Registers;
use xnu_core::{Lkm, TrapArg, UserAddr};

static PORTS: PortNames = PortNames::new();

extern "C" fn serve(trap: u32, argument: *mut c_void) -> isize {
    let argument = TrapArg::User(UserAddr::new(argument as u64));
    let answer = Trap::new(trap).ok_or(Errno::ENOSYS).and_then(|trap| PORTS.call_raw(trap, argument));
    answer.unwrap_or_else(|error| -(error.number() as isize))
}

/// What the image is given: the device where there is one, else the function above.
pub(crate) fn hand_over() -> HandOver {
    match Device::open() {
        Ok(device) => HandOver::Device(device.into_fd()),
        Err(_) => HandOver::Entry(serve as *const () as u64),
    }
}

/// Goes to the image, which gets its stack pointer and zeros, as XNU starts a dynamic linker.
pub(crate) fn start(registers: &Registers) -> ! {
    // SAFETY: the image is loaded and its stack built; nothing of the runner's runs again in this thread but `serve`.
    unsafe {
        asm!(
            "mov rsp, rdi",
            "xor ebx, ebx",
            "xor ecx, ecx",
            "xor edx, edx",
            "xor esi, esi",
            "xor edi, edi",
            "xor ebp, ebp",
            "xor r8d, r8d",
            "xor r9d, r9d",
            "xor r10d, r10d",
            "xor r11d, r11d",
            "xor r12d, r12d",
            "xor r13d, r13d",
            "xor r14d, r14d",
            "xor r15d, r15d",
            "jmp rax",
            in("rax") registers.rip,
            in("rdi") registers.rsp,
            options(noreturn),
        )
    }
}
