//! Starting an image that has the emulation linked in.
//!
//! Such an image makes Linux calls itself, so nothing is trapped: the runner loads it, says where its LKM is, and goes. The
//! process is the guest's alone from then on, but for the function that serves LKM traps where there is no `/dev/mach`: the
//! engine, whose memory is set aside before the start.
//!
//! # Safety
//! That function is called by the image's code as C functions are. It uses no thread data of the C library's, which the
//! guest's threads do not have. The jump leaves the runner's stack for good.
#![allow(unsafe_code)]

use crate::heap;
use crate::stack::HandOver;
use std::arch::asm;
use std::ffi::c_void;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use xnu_abi::linux::Errno;
use xnu_abi::lkm::Trap;
use xnu_backend_linux::{Device, Embedded, Linux, Surroundings};
use xnu_core::registers::Registers;
use xnu_core::{Lkm, TrapArg, UserAddr, linux};

/// The process around the engine: nothing is known of the image's threads.
#[derive(Clone, Copy, Debug)]
struct Images;

impl Surroundings for Images {
    fn forget_memory(&self) {
        heap::forget();
    }
}

static PORTS: Embedded<Images> = Embedded::new(Images);

/// The process that the engine is of.
static PROCESS: AtomicI32 = AtomicI32::new(0);

extern "C" fn serve(trap: u32, argument: *mut c_void) -> isize {
    // The child of a fork says by this trap that it is one.
    if trap == Trap::GetApiVersion.number()
        && let Ok(process) = linux::process::getpid(&Linux::new())
        && PROCESS.swap(process, Ordering::AcqRel) != process
    {
        PORTS.forked();
    }
    let argument = TrapArg::User(UserAddr::new(argument as u64));
    let answer = Trap::new(trap).ok_or(Errno::ENOSYS).and_then(|trap| PORTS.call_raw(trap, argument));
    answer.unwrap_or_else(|error| -(error.number() as isize))
}

/// What the image is given: the device where there is one, else the function above.
///
/// # Errors
/// There are no addresses for the engine's memory.
pub(crate) fn hand_over() -> io::Result<HandOver> {
    if let Ok(device) = Device::open() {
        return Ok(HandOver::Device(device.into_fd()));
    }
    heap::reserve()?;
    Ok(HandOver::Entry(serve as *const () as u64))
}

/// Goes to the image, which gets its stack pointer and zeros, as XNU starts a dynamic linker.
pub(crate) fn start(registers: &Registers) -> ! {
    PROCESS.store(std::process::id() as i32, Ordering::Release);
    heap::take_over();
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
