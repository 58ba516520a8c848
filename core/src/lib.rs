//! XNU system calls: the tables, dispatch, translation and every handler, above two traits.
//!
//! [`Kernel`] is Linux, [`Lkm`] is what stands behind `/dev/mach`. The same code runs inside dyld, in the runner's
//! process and against a mock, so it allocates nothing, never panics, keeps no thread-locals and takes no lock
//! that a signal handler or a forked child could meet held.
#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

pub mod kernel;
pub mod lkm;
pub mod simple;
pub mod user;

pub use kernel::{Arg, Fault, Kernel};
pub use lkm::{Lkm, TrapArg};
pub use user::{UserAddr, UserPtr};
