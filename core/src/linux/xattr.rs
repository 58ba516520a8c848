//! Extended attributes.

use super::{LinuxFd, LinuxResult, call, unit};
use crate::kernel::{Arg, Kernel};
use xnu_abi::linux::Sysno;

/// Where an attribute is.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// Of an open file, which must be open for more than its name.
    File(LinuxFd),
    /// Of what a path leads to; it ends with a NUL.
    Path(&'a [u8]),
    /// The same, but a link at the end is not followed.
    Link(&'a [u8]),
}

/// Makes the call of three that fits the place.
macro_rules! at {
    ($kernel:expr, $place:expr, $file:ident $path:ident $link:ident $(, $argument:expr)* $(,)?) => {
        match $place {
            Place::File(file) => call!($kernel, $file, file.arg() $(, $argument)*),
            Place::Path(path) => call!($kernel, $path, Arg::In(path) $(, $argument)*),
            Place::Link(path) => call!($kernel, $link, Arg::In(path) $(, $argument)*),
        }
    };
}

/// `man 2 getxattr`: the length, and the value where there is room for any of it. `name` ends with a NUL.
pub fn get<K: Kernel>(
    kernel: &K,
    place: Place<'_>,
    name: &[u8],
    value: Arg<'_>,
    size: usize,
) -> LinuxResult<usize> {
    at!(kernel, place, Fgetxattr Getxattr Lgetxattr, Arg::In(name), value, Arg::Val(size))
}

/// `man 2 setxattr`. `name` ends with a NUL.
pub fn set<K: Kernel>(
    kernel: &K,
    place: Place<'_>,
    name: &[u8],
    value: Arg<'_>,
    size: usize,
    flags: u32,
) -> LinuxResult<()> {
    let flags = Arg::Val(flags as usize);
    unit(at!(kernel, place, Fsetxattr Setxattr Lsetxattr, Arg::In(name), value, Arg::Val(size), flags))
}

/// `man 2 removexattr`. `name` ends with a NUL.
pub fn remove<K: Kernel>(kernel: &K, place: Place<'_>, name: &[u8]) -> LinuxResult<()> {
    unit(at!(kernel, place, Fremovexattr Removexattr Lremovexattr, Arg::In(name)))
}

/// `man 2 listxattr`: the names, each with a NUL, or only their length.
pub fn list<K: Kernel>(kernel: &K, place: Place<'_>, names: Arg<'_>, size: usize) -> LinuxResult<usize> {
    at!(kernel, place, Flistxattr Listxattr Llistxattr, names, Arg::Val(size))
}
