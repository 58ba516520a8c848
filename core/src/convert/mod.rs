//! Conversions between the two systems: pure functions, each tested alone.

pub mod dirent;
pub mod errno;
pub mod fcntl;
pub mod ioctl;
pub mod memory;
pub mod poll;
pub mod process;
pub mod resource;
pub mod signal;
pub mod socket;
pub mod stat;
pub mod statfs;
pub mod termios;
pub mod time;
pub mod vnode;
pub mod wait;
