//! Mach traps.

mod table;
pub mod task;
pub mod timer;

pub use table::{dispatch, parameter_count, row, rows};
