//! XNU's interface: Darwin names for Darwin things.

mod errno;

pub use errno::Errno;
