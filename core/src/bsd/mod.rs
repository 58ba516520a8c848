//! BSD system calls: the table, and a file of handlers per family.

pub mod attributes;
pub mod audit;
pub mod credentials;
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
pub mod policy;
pub mod priority;
pub mod process;
mod rights;
mod scratch;
pub mod security;
pub mod session;
pub mod signal;
pub mod statfs;
pub mod sysctl;
mod table;
pub mod time;
pub mod times;
pub mod trace;
pub mod transfer;
pub mod usage;
pub mod xattr;

pub use table::{ROWS, dispatch, row};
