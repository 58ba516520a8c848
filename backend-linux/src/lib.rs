//! `xnu-core` on Linux by raw system calls.
//!
//! [`Linux`] is the [`Kernel`](xnu_core::Kernel), [`Device`] the [`Lkm`](xnu_core::Lkm) behind `/dev/mach`,
//! [`PortNames`] the one where nothing is, and `Embedded` (with the feature of that name) the one that has the engine
//! with it. Everything here may run in a signal handler or a forked child, but for `Embedded`, which no handler calls.
#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

#[cfg(feature = "embedded")]
extern crate alloc;

mod device;
#[cfg(feature = "embedded")]
mod embedded;
mod instruction;
mod names;
mod raw;
mod user;

pub use device::{Device, DeviceError, device_call};
#[cfg(feature = "embedded")]
pub use embedded::{Course, Embedded, RawLock, Surroundings, ThreadSlot};
pub use names::PortNames;
pub use raw::Linux;
pub use user::recover;
