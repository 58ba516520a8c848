//! BSD system calls: the table, and a file of handlers per family.

pub mod access;
pub mod clone;
pub mod descriptor;
pub mod directory;
pub mod fcntl;
mod filesec;
pub mod identity;
pub mod link;
pub mod listing;
pub mod memory;
pub mod metadata;
pub mod mount;
pub mod name;
pub mod open;
pub mod process;
pub mod rename;
mod rights;
pub mod search;
pub mod signal;
pub mod special;
mod table;
pub mod time;
pub mod transfer;
pub mod working;

pub use table::{ROWS, dispatch, row};
