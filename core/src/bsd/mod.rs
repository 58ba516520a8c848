//! BSD system calls: the table, and a file of handlers per family.

pub mod descriptor;
pub mod fcntl;
pub mod file_handle;
mod filesec;
pub mod fsctl;
pub mod guarded;
pub mod identity;
pub mod ioctl;
pub mod memory;
pub mod metadata;
pub mod name;
pub mod open;
mod pages;
pub mod poll;
pub mod process;
mod rights;
pub mod select;
pub mod sendfile;
pub mod signal;
mod table;
pub mod time;
pub mod transfer;

pub use table::{ROWS, dispatch, row};
