//! BSD system calls: the table, and a file of handlers per family.

pub mod attributes;
pub mod descriptor;
pub mod fcntl;
mod filesec;
pub mod flags;
pub mod identity;
pub mod length;
pub mod memory;
pub mod metadata;
pub mod mode;
mod mounts;
pub mod name;
mod object;
pub mod open;
pub mod owner;
pub mod pathconf;
pub mod process;
mod rights;
mod scratch;
pub mod signal;
pub mod socket;
pub mod statfs;
mod table;
pub mod time;
pub mod times;
pub mod transfer;
pub mod xattr;

pub use table::{ROWS, dispatch, row};
