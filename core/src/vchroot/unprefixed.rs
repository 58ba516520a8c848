//! Paths of a process without a prefix, for handlers that know no [`super::Target`] yet.

use super::GuestPath;
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::LinuxFd;
use crate::linux::descriptor::{OpenHow, openat2};
use crate::table::{DirFd, SysResult, UserPath};
use xnu_abi::linux::flags;

/// What a path leads to, in Linux's terms: a directory and a path from there, ready for an `…at` call.
pub struct Resolved {
    /// The directory; ignored by Linux where the path is absolute.
    pub directory: LinuxFd,
    path: GuestPath,
}

impl Resolved {
    /// Resolves a guest path for a handler.
    pub fn new<K: Kernel>(kernel: &K, directory: DirFd, path: UserPath) -> SysResult<Resolved> {
        Ok(Resolved { directory: directory.to_linux(), path: GuestPath::read(kernel, path)? })
    }

    /// Names the object by a descriptor, with no link on the way (`AT_SYMLINK_NOFOLLOW_ANY`): one before the end is
    /// `ELOOP`, one at the end is the object itself. The caller closes the descriptor.
    pub fn open_without_links<K: Kernel>(&self, kernel: &K) -> SysResult<LinuxFd> {
        let flags = flags::O_PATH | flags::O_NOFOLLOW | flags::O_CLOEXEC;
        let how =
            OpenHow { flags: u64::from(flags), mode: 0, resolve: u64::from(flags::RESOLVE_NO_SYMLINKS) };
        openat2(kernel, self.directory, self.path(), &how).to_bsd()
    }

    /// The path from the directory, with a NUL at its end.
    pub fn path(&self) -> &[u8] {
        self.path.with_nul_from(0)
    }
}
