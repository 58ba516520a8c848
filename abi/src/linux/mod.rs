//! Linux's interface, where `linux-raw-sys` lacks it or a name is better than a number.

mod errno;
mod sysno;

pub use errno::Errno;
pub use sysno::Sysno;
