//! Machine-dependent calls: a table for each processor that XNU runs on. Calls are decoded by the table of the processor
//! that this is built for.

pub mod arm64;
pub mod i386;
pub mod processor;
pub mod segments;
pub mod x86_64;

use crate::table::{Reply, Return};

#[cfg(target_arch = "aarch64")]
pub use arm64::{dispatch, parameter_count, row, rows};
#[cfg(not(target_arch = "aarch64"))]
pub use x86_64::{dispatch, parameter_count, row, rows};

/// The result of a call that fails as BSD's do (`osfmk/i386/bsd_i386.c`, `machdep_syscall64`, `bsd_style`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BsdStyle(pub u32);

impl Return for BsdStyle {
    fn words(self) -> Option<(u64, u64)> {
        Some((self.0.into(), 0))
    }

    fn reply(self) -> Reply {
        Reply::Flagged(self.0.into())
    }
}
