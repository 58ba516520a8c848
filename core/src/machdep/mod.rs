//! Machine-dependent calls.

pub mod processor;
mod table;

pub use table::{dispatch, parameter_count, row, rows};
