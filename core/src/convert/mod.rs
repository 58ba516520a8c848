//! Conversions between the two systems: pure functions, each tested alone.

pub mod errno;
pub mod fcntl;
pub mod memory;
pub mod resource;
pub mod signal;
pub mod socket;
pub mod stat;
pub mod statfs;
pub mod time;
