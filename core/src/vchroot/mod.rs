//! Guest paths, and the only way from one to Linux.
//!
//! The guest's root is a directory of the host's, the prefix. What a path leads to is what it would lead to in a
//! process whose root that directory really is, and two roads go there:
//!
//! * `openat2`: one call, whatever the depth. With `RESOLVE_IN_ROOT`, or `RESOLVE_BENEATH` for a relative path; without
//!   bounds, which is cheaper, where no `..` and no link is on the way. A link that comes as a surprise is one call more;
//! * the component walk (`walk`), for what the kernel does not do for us: names in another case, the way out by
//!   `/Volumes/SystemRoot`, links of `/proc`, `..` above where a relative path starts, kernels and filters without
//!   `openat2`.
//!
//! A handler takes a [`Target`] and gets a [`Resolved`]: a directory and a name, or an open object. So no guest path
//! reaches Linux as a string. This is a convenience and no wall: a guest that makes Linux calls of its own sees the host.

mod entry;
mod expand;
mod fold;
mod guest_path;
mod handle;
mod host_path;
mod index;
mod prefix;
mod resolve;
mod roads;
mod scratch;
mod source;
mod unicode;
mod walk;

pub use entry::{Entry, Parent};
pub use expand::{expand, fdpath, unexpand};
pub use guest_path::GuestPath;
pub use prefix::{Lookup, Options, Vchroot};
pub use resolve::{Resolved, Special, Target, Use};
pub use roads::Opening;
pub use walk::Links;

use crate::linux::LinuxFd;
use crate::table::{DirFd, Fd, SysResult};
use xnu_abi::darwin::Errno;

impl Fd {
    /// Linux's number of a descriptor. Negative ones are bad here: Linux gives some of them a meaning.
    #[inline(always)]
    pub fn to_linux(self) -> SysResult<LinuxFd> {
        if self.0 < 0 { Err(Errno::EBADF) } else { Ok(LinuxFd(self.0)) }
    }
}

impl DirFd {
    /// Linux's number for the directory.
    pub fn to_linux(self) -> LinuxFd {
        match self {
            DirFd::CWD => LinuxFd::CWD,
            // Linux's own AT_FDCWD is an ordinary bad descriptor to a macOS program.
            DirFd(fd) if fd == LinuxFd::CWD.0 => LinuxFd(-1),
            DirFd(fd) => LinuxFd(fd),
        }
    }
}
