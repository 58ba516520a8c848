//! Machine-dependent calls.

pub mod processor;
mod table;

pub use table::{ROWS, dispatch, row};
