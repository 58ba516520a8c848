//! `xnu-core` on Linux by raw system calls.
//!
//! [`Linux`] is the [`Kernel`](xnu_core::Kernel), [`Device`] the [`Lkm`](xnu_core::Lkm) behind `/dev/mach`,
//! [`PortNames`] the one where nothing is. Everything here may run in a signal handler or a forked child.
#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

mod device;
mod instruction;
mod names;
mod raw;
mod user;

pub use device::{Device, DeviceError, device_call};
pub use names::PortNames;
pub use raw::Linux;
pub use user::recover;
