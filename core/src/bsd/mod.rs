//! BSD system calls: the table, and a file of handlers per family.

pub mod descriptor;
pub mod directory;
pub mod fcntl;
mod filesec;
pub mod identity;
pub mod link;
pub mod memory;
pub mod metadata;
pub mod name;
pub mod open;
pub mod process;
pub mod rename;
mod rights;
pub mod signal;
pub mod special;
mod table;
pub mod time;
pub mod transfer;

pub use table::{ROWS, dispatch, row};
