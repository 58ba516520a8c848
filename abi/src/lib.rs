//! Numbers, flags and layouts: XNU's in [`darwin`], Linux's in [`linux`], Darling's kernel module's in [`lkm`].
//!
//! No logic and no input or output. Every XNU value is checked by `tests/tests/reference.rs` against tables
//! computed from Apple's headers (xnu-11417.101.15); layouts assert their own size and offsets.
#![no_std]

pub mod darwin;
pub mod errno;
pub mod layout;
pub mod linux;
pub mod lkm;
pub mod table;
pub mod vchroot;
