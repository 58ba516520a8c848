//! The C interface of `xnu-core`: the static library that dyld and libsystem_kernel link.
//!
//! Apple's open-source wrappers call it where they would execute `syscall` ([`entry`]), and everything below the C
//! library prints and parses with it ([`simple`]). It needs no C library itself: only the memory functions that every
//! compiler's code calls (`memcpy` and its like). The prototypes are in `include/xnu_emu.h`, the macros for wrappers in
//! `include/xnu_emu_asm.h`.
//!
//! Two copies of it are in a process, dyld's and libsystem_kernel's; both work on dyld's state ([`state`]).
//!
//! # Safety
//! C calls in here: each exported function says what it relies on, which is what C's own function of that kind would.
#![no_std]
#![allow(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

pub mod door;
pub mod entry;
pub mod errno;
pub mod simple;
pub mod state;
mod va_list;
pub mod variadic;
pub mod vchroot;

pub use va_list::CVaList;

/// Nothing here panics, which the build checks: this is never called. A static library must have it all the same.
#[cfg(feature = "archive")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    simple::abort()
}
