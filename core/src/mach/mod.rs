//! Mach traps.

mod table;
pub mod task;
pub mod timer;

pub use table::{ROWS, dispatch, row};
