//! Guest paths, and the only way from one to Linux.
//!
//! The prefix is `/` for now: a guest's root is Linux's. What a handler gets is a [`Resolved`] all the same, so that
//! no guest path reaches Linux as a string.

use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::LinuxFd;
use crate::linux::descriptor::{OpenHow, openat2};
use crate::table::{DirFd, Fd, SysResult, UserPath};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::exec::PATH_MAX;
use xnu_abi::linux::flags;

/// Bytes of a path with its terminator.
const CAPACITY: usize = PATH_MAX;

/// A copy never runs across more than one page boundary that the string does not reach.
const PAGE: u64 = 4096;

/// A path as the guest wrote it, copied out of its memory once.
#[derive(Clone)]
pub struct GuestPath {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl GuestPath {
    /// Copies a path in: `EFAULT` where it is not readable up to its terminator, `ENAMETOOLONG` where it has none
    /// within `PATH_MAX` bytes (`bsd/vfs/vfs_lookup.c`, `namei`).
    pub fn read<K: Kernel>(kernel: &K, path: UserPath) -> SysResult<GuestPath> {
        let mut copied = GuestPath { bytes: [0; CAPACITY], length: 0 };
        while copied.length < CAPACITY {
            let at = path.0.checked_add(copied.length as u64)?;
            let to_page_end = PAGE.wrapping_sub(at.get() % PAGE) as usize;
            let (_, free) = copied.bytes.split_at_mut(copied.length);
            let piece = free.len().min(to_page_end).min(PIECE);
            let Some(piece) = free.get_mut(..piece) else { break };
            kernel.copy_in(at, piece)?;
            if let Some(end) = piece.iter().position(|byte| *byte == 0) {
                copied.length = copied.length.wrapping_add(end);
                return Ok(copied);
            }
            copied.length = copied.length.wrapping_add(piece.len());
        }
        Err(Errno::ENAMETOOLONG)
    }

    /// The bytes with their terminator.
    fn with_nul(&self) -> &[u8] {
        self.bytes.get(..=self.length).unwrap_or(b"\0")
    }
}

/// Most paths are shorter than this, so one copy gets them.
const PIECE: usize = 256;

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
        self.path.with_nul()
    }
}

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
