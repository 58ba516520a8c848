//! What an attribute call is about: an open file, or what a path leads to.
//!
//! Each call has one body for both, which takes an [`Object`]; so its path-taking form is one call of [`at_path`] or of
//! [`at_opened`].

use super::fcntl::file::{Kind, kind};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::vchroot::{self, GuestPath, Links, Target};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::AtFlags;
use xnu_abi::linux::{Statx, flags};

/// By `AT_SYMLINK_NOFOLLOW` and `AT_SYMLINK_NOFOLLOW_ANY`.
pub(super) fn links(flags: AtFlags) -> Links {
    if flags.contains(AtFlags::AT_SYMLINK_NOFOLLOW_ANY) {
        Links::Refuse
    } else if flags.contains(AtFlags::AT_SYMLINK_NOFOLLOW) {
        Links::Stay
    } else {
        Links::Follow
    }
}

/// A file in Linux's terms, ready for an `…at` call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object<'a> {
    /// The directory, or the file itself.
    pub(super) directory: LinuxFd,
    /// The path from there with a NUL at its end; nothing but the NUL where the file itself is open.
    pub(super) path: &'a [u8],
    /// `AT_…` flags without which a call would act on something else.
    pub(super) flags: u32,
}

impl Object<'static> {
    /// An open file.
    pub(super) fn open(file: LinuxFd) -> Object<'static> {
        Object { directory: file, path: b"\0", flags: flags::AT_EMPTY_PATH }
    }

    /// A descriptor of the guest's that must have a vnode (`bsd/kern/kern_descrip.c`, `file_vnode`), and all that
    /// `stat` knows of it: `EBADF` where it is not open, `EINVAL` for pipes, sockets and what is no file.
    pub(super) fn descriptor<K: Kernel>(kernel: &K, fd: Fd) -> SysResult<(Object<'static>, Statx)> {
        let file = fd.to_linux()?;
        match kind(kernel, file)? {
            (Kind::Vnode(_), stat) => Ok((Object::open(file), stat)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The same without what `stat` knows. Apart, since much is told and little kept.
    #[inline(never)]
    pub(super) fn vnode<K: Kernel>(kernel: &K, fd: Fd) -> SysResult<Object<'static>> {
        Object::descriptor(kernel, fd).map(|(object, _)| object)
    }
}

impl Object<'_> {
    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// What Linux knows of it.
    pub(super) fn statx<K: Kernel>(&self, kernel: &K) -> LinuxResult<Statx> {
        linux::metadata::statx(kernel, self.directory, self.path, self.flags)
    }

    /// Runs a call on it as an open file, which may be no more than a name (`O_PATH`).
    pub(super) fn with_file<K: Kernel, E: From<Opening>, T>(
        &self,
        kernel: &K,
        call: impl FnOnce(LinuxFd) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.has(flags::AT_EMPTY_PATH) {
            return call(self.directory);
        }
        let nofollow = if self.has(flags::AT_SYMLINK_NOFOLLOW) { flags::O_NOFOLLOW } else { 0 };
        let how = flags::O_PATH | flags::O_CLOEXEC | nofollow;
        let file = linux::descriptor::openat(kernel, self.directory, self.path, how, 0).map_err(Opening)?;
        let answer = call(file);
        // Ours alone, and only a name: closing it cannot fail in a way that matters.
        let _ = linux::descriptor::close(kernel, file);
        answer
    }

    /// Runs a call that knows no directories: with a path from the working directory, and whether to follow a link at
    /// its end.
    pub(super) fn with_path<K: Kernel, T>(
        &self,
        kernel: &K,
        call: impl FnOnce(&[u8], bool) -> LinuxResult<T>,
    ) -> LinuxResult<T> {
        let from_here = self.directory == LinuxFd::CWD || self.path.starts_with(b"/");
        if from_here && !self.has(flags::AT_EMPTY_PATH) {
            return call(self.path, !self.has(flags::AT_SYMLINK_NOFOLLOW));
        }
        // Following the link in /proc leads to the very object, even where that is a link itself.
        self.with_file(kernel, |file| call(&linux::name::proc_path(file), true))
    }
}

/// A file could not be opened: what Linux said.
pub(super) struct Opening(xnu_abi::linux::Errno);

impl From<Opening> for xnu_abi::linux::Errno {
    fn from(opening: Opening) -> xnu_abi::linux::Errno {
        opening.0
    }
}

impl From<Opening> for Errno {
    fn from(opening: Opening) -> Errno {
        crate::convert::errno::errno(opening.0)
    }
}

/// Runs the body of a call on what a path leads to. That the path leads nowhere may only be found by the body. Apart, and
/// bodies are too: the path takes room enough on the stack while it is looked up.
#[inline(never)]
pub(super) fn at_path<'a, K: Kernel, L, T>(
    cx: &Context<'a, K, L>,
    directory: DirFd,
    path: UserPath,
    links: Links,
    body: impl FnOnce(&'a K, &Object<'_>) -> SysResult<T>,
) -> SysResult<T> {
    let mut room = GuestPath::new();
    let mut target = Target::read(cx.process, directory, path, &mut room)?;
    let found = target.object(links).to_bsd()?;
    let object = Object { directory: found.directory(), path: found.path(), flags: found.flags() };
    body(cx.kernel(), &object)
}

/// Runs the body of a call on what a path leads to, opened for no more than its name. The path takes no room on the stack
/// meanwhile.
pub(super) fn at_opened<'a, K: Kernel, L, T>(
    cx: &Context<'a, K, L>,
    directory: DirFd,
    path: UserPath,
    links: Links,
    body: impl FnOnce(&'a K, LinuxFd) -> SysResult<T>,
) -> SysResult<T> {
    let kernel = cx.kernel();
    let file = open(cx, directory, path, links)?;
    let answer = body(kernel, file);
    // Ours alone, and only a name: closing it cannot fail in a way that matters.
    let _ = linux::descriptor::close(kernel, file);
    answer
}

#[inline(never)]
fn open<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    links: Links,
) -> SysResult<LinuxFd> {
    let mut room = GuestPath::new();
    Target::read(cx.process, directory, path, &mut room)?.open(&vchroot::Opening::path(links)).to_bsd()
}

/// The effective user.
pub(super) fn effective_user<K: Kernel>(kernel: &K) -> SysResult<u32> {
    Ok(linux::process::geteuid(kernel).to_bsd()? as u32)
}
