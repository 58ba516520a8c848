//! XNU system calls: the tables, dispatch, translation and every handler, above two traits.
//!
//! [`Kernel`] is Linux, [`Lkm`] is what stands behind `/dev/mach`. The same code runs inside dyld, in the runner's
//! process and against a mock, so it allocates nothing, never panics, keeps no thread-locals and takes no lock
//! that a signal handler or a forked child could meet held.
//!
//! A call goes through [`Call::decode`], the table of its class ([`bsd`], [`mach`], [`machdep`]), a handler in the
//! file of its family, and [`dispatch::reply`].
#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

pub mod bsd;
pub mod convert;
pub mod descriptors;
pub mod dispatch;
pub mod kernel;
pub mod linux;
pub mod lkm;
pub mod loader;
pub mod mach;
pub mod machdep;
pub mod process;
pub mod program;
pub mod registers;
pub mod reserved;
pub mod signal;
pub mod simple;
pub mod standing;
pub mod table;
pub mod threads;
pub mod user;
pub mod vchroot;
pub mod version;

pub use dispatch::Call;
pub use kernel::{Arg, Fault, Kernel};
pub use lkm::{Lkm, TrapArg};
pub use process::{Context, Process, Thread};
pub use table::{Reply, SysResult};
pub use user::{UserAddr, UserPtr};
