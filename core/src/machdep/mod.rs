//! Machine-dependent calls.

pub mod processor;
pub mod segments;
mod table;

pub use table::{dispatch, parameter_count, row, rows};
