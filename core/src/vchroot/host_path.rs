//! Paths as Linux has them, and what a guest calls them.
//!
//! Linux knows the path of an open file as the target of a link in `/proc`. The prefix's own path is read in the same
//! way whenever it is needed, since the prefix may have been renamed.

use super::prefix::{Identity, Lookup};
use super::scratch::{PATH_PAGE, Scratch};
use crate::kernel::Kernel;
use crate::linux::name::PROC_PATH;
use crate::linux::{self, LinuxFd, LinuxResult};
use core::sync::atomic::Ordering;
use xnu_abi::linux::Errno;
use xnu_abi::vchroot::EXIT_PATH;

/// The link in `/proc` whose target is the path of an open file, or of the working directory. Ends with a NUL.
pub(crate) fn link(file: LinuxFd) -> [u8; PROC_PATH] {
    if file == LinuxFd::CWD { *b"/proc/self/cwd\0\0\0\0\0\0\0\0\0\0\0" } else { linux::name::proc_path(file) }
}

/// Reads the path of an open file: its length, or that of `out` where it may have been cut off.
///
/// # Errors
/// `EBADF`; `ENOENT` for what has no path: a pipe, a removed file.
pub(crate) fn read<K: Kernel>(kernel: &K, file: LinuxFd, out: &mut [u8]) -> LinuxResult<usize> {
    if file.0 < 0 && file != LinuxFd::CWD {
        return Err(Errno::EBADF);
    }
    let length = match linux::name::readlinkat_own(kernel, LinuxFd::CWD, &link(file), out) {
        // No such link: no such descriptor, or no /proc.
        Err(Errno::ENOENT) => return Err(Identity::of(kernel, file).err().unwrap_or(Errno::ENOENT)),
        other => other?,
    };
    let path = out.get(..length).unwrap_or_default();
    if !path.starts_with(b"/") { Err(Errno::ENOENT) } else { Ok(length) }
}

/// What Linux puts behind the path of a removed file.
const DELETED: &[u8] = b" (deleted)";

/// Reads the whole path of an open file that still has one, and puts a NUL behind it.
///
/// # Errors
/// As [`read`], and `ENAMETOOLONG`.
pub(crate) fn read_whole<K: Kernel>(kernel: &K, file: LinuxFd, out: &mut [u8]) -> LinuxResult<usize> {
    let length = read(kernel, file, out)?;
    *out.get_mut(length).ok_or(Errno::ENAMETOOLONG)? = 0;
    exists(kernel, file, out, length)?;
    Ok(length)
}

/// Tells a removed file from one whose name ends in the same words. A NUL is behind the path.
fn exists<K: Kernel>(kernel: &K, file: LinuxFd, path: &[u8], length: usize) -> LinuxResult<()> {
    if !path.get(..length).unwrap_or_default().ends_with(DELETED) {
        return Ok(());
    }
    let there = path.get(..=length).unwrap_or(b"\0");
    // The words may make the name too long to be looked up, or lead nowhere.
    let there = Identity::at_link(kernel, there).map_err(|_| Errno::ENOENT)?;
    if there == Identity::of(kernel, file)? { Ok(()) } else { Err(Errno::ENOENT) }
}

impl<'a, K: Kernel> Lookup<'a, K> {
    /// Reads the prefix's own path: its length, or that of `out` where it may have been cut off.
    pub(crate) fn own_path(&self, out: &mut [u8]) -> LinuxResult<usize> {
        read(self.kernel, self.root, out)
    }

    /// Whether a host path, which ends with a NUL, leads to an open directory.
    pub(crate) fn leads_to(&self, path: &[u8], directory: LinuxFd) -> LinuxResult<bool> {
        let wanted = Identity::of(self.kernel, directory)?;
        Ok(Identity::at(self.kernel, LinuxFd::CWD, path) == Ok(wanted))
    }

    /// Whether an open directory is the prefix or below it.
    pub(crate) fn is_inside(&self, directory: LinuxFd) -> LinuxResult<bool> {
        let mut path = [0; 256];
        let length = read(self.kernel, directory, &mut path)?;
        if self.length_that_led_here(&mut path, length).is_some() {
            return Ok(true);
        }
        self.is_inside_by_comparison(directory)
    }

    #[inline(never)]
    fn is_inside_by_comparison(&self, directory: LinuxFd) -> LinuxResult<bool> {
        // Twice, since the prefix may be renamed between the reading of the two paths.
        for _ in 0..2 {
            let scratch = Scratch::new(self.kernel)?;
            let length = scratch.read_link(PATH_PAGE, LinuxFd::CWD, &link(directory))?;
            let page = |at: usize, to: &mut [u8]| scratch.read(PATH_PAGE, at, to);
            if self.length_by_comparison(&scratch, length, page)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How many bytes of a host path are the prefix's own path, if it leads there. `path` has a NUL behind `length`
    /// bytes.
    pub(crate) fn prefix_length(&self, path: &mut [u8], length: usize) -> LinuxResult<Option<usize>> {
        if let found @ Some(_) = self.length_that_led_here(path, length) {
            return Ok(found);
        }
        let scratch = Scratch::new(self.kernel)?;
        self.length_by_comparison(&scratch, length, |at, to| {
            let from = path.get(at..).and_then(|rest| rest.get(..to.len())).ok_or(Errno::ENAMETOOLONG)?;
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            Ok(())
        })
    }

    /// The quick look: whether the start of the path that is as long as the prefix's path was is the prefix.
    fn length_that_led_here(&self, path: &mut [u8], length: usize) -> Option<usize> {
        let prefix = self.state.path_length.load(Ordering::Relaxed) as usize;
        if prefix == 0 || prefix > length {
            return None;
        }
        let after = path.get_mut(prefix)?;
        let boundary = *after;
        if prefix < length && boundary != b'/' {
            return None;
        }
        *after = 0;
        let found = Identity::at(self.kernel, LinuxFd::CWD, path.get(..=prefix)?);
        *path.get_mut(prefix)? = boundary;
        (found == Ok(self.root_identity())).then_some(prefix)
    }

    /// The careful look: the prefix's path is read and compared. `read` copies bytes of the path in question, which is
    /// `length` bytes long.
    fn length_by_comparison(
        &self,
        scratch: &Scratch<'a, K>,
        length: usize,
        read: impl Fn(usize, &mut [u8]) -> LinuxResult<()>,
    ) -> LinuxResult<Option<usize>> {
        const ROOT_PAGE: usize = 0;
        let prefix = scratch.read_link(ROOT_PAGE, LinuxFd::CWD, &link(self.root))?;
        self.state.path_length.store(prefix as u32, Ordering::Relaxed);
        if length < prefix {
            return Ok(None);
        }
        let mut at = 0;
        while at < prefix {
            let (mut ours, mut theirs) = ([0; 64], [0; 64]);
            let count = prefix.wrapping_sub(at).min(ours.len());
            let (ours, theirs) =
                (ours.get_mut(..count).unwrap_or_default(), theirs.get_mut(..count).unwrap_or_default());
            scratch.read(ROOT_PAGE, at, ours)?;
            read(at, theirs)?;
            if ours != theirs {
                return Ok(None);
            }
            at = at.wrapping_add(count);
        }
        if length == prefix {
            return Ok(Some(prefix));
        }
        let mut boundary = [0];
        read(prefix, &mut boundary)?;
        Ok((boundary == *b"/").then_some(prefix))
    }

    /// Turns a host path into what the guest calls it, in place: its new length. A NUL is behind both.
    ///
    /// # Errors
    /// `ENAMETOOLONG` where `path` has no room for it, `ENOENT` where it is outside of a sealed prefix.
    pub(crate) fn to_guest(self, path: &mut [u8], length: usize) -> LinuxResult<usize> {
        match self.prefix_length(path, length)? {
            Some(prefix) if prefix == length => put(path, b"/"),
            Some(prefix) => {
                let length = length.wrapping_sub(prefix);
                for at in 0..length {
                    move_byte(path, prefix.wrapping_add(at), at);
                }
                *path.get_mut(length).ok_or(Errno::ENAMETOOLONG)? = 0;
                Ok(length)
            }
            None if !self.has_exit() => Err(Errno::ENOENT),
            None => {
                // Linux's root is the exit itself.
                let length = if length == 1 { 0 } else { length };
                let longer = length.wrapping_add(EXIT_PATH.len());
                if longer >= path.len() {
                    return Err(Errno::ENAMETOOLONG);
                }
                for at in (0..length).rev() {
                    move_byte(path, at, at.wrapping_add(EXIT_PATH.len()));
                }
                for (to, from) in path.iter_mut().zip(EXIT_PATH.as_bytes()) {
                    *to = *from;
                }
                *path.get_mut(longer).ok_or(Errno::ENAMETOOLONG)? = 0;
                Ok(longer)
            }
        }
    }

    /// The path of an open file as the guest knows it, with a NUL behind it: its length.
    ///
    /// # Errors
    /// `EBADF`, `ENAMETOOLONG`; `ENOENT` for what has no path: a pipe, a removed file, and what is outside of a sealed
    /// prefix.
    pub fn path_of(&self, file: LinuxFd, out: &mut [u8]) -> LinuxResult<usize> {
        if out.is_empty() {
            return Err(Identity::of(self.kernel, file).err().unwrap_or(Errno::ENAMETOOLONG));
        }
        match read_whole(self.kernel, file, out) {
            Ok(length) => self.to_guest(out, length),
            // What is cut off may still fit without the prefix's own path.
            Err(Errno::ENAMETOOLONG) => self.path_of_long(file, out),
            Err(error) => Err(error),
        }
    }

    fn path_of_long(&self, file: LinuxFd, out: &mut [u8]) -> LinuxResult<usize> {
        let scratch = Scratch::new(self.kernel)?;
        let length = scratch.read_link(PATH_PAGE, LinuxFd::CWD, &link(file))?;
        let page = |at: usize, to: &mut [u8]| scratch.read(PATH_PAGE, at, to);
        let mut end = [0; DELETED.len()];
        if length >= DELETED.len() {
            page(length.wrapping_sub(DELETED.len()), &mut end)?;
        }
        if end == *DELETED && scratch.identify(PATH_PAGE) != Identity::of(self.kernel, file) {
            return Err(Errno::ENOENT);
        }
        let Some(prefix) = self.length_by_comparison(&scratch, length, page)? else {
            return Err(if self.has_exit() { Errno::ENAMETOOLONG } else { Errno::ENOENT });
        };
        if prefix == length {
            return put(out, b"/");
        }
        let rest = length.wrapping_sub(prefix);
        let to = out.get_mut(..=rest).ok_or(Errno::ENAMETOOLONG)?;
        // The page is zero behind the path.
        page(prefix, to)?;
        Ok(rest)
    }

    /// Whether a directory is the list of the process's own descriptors.
    pub(crate) fn is_own_descriptors(&self, directory: LinuxFd) -> LinuxResult<bool> {
        let own = Identity::at(self.kernel, LinuxFd::CWD, b"/proc/self/fd\0");
        let here = Identity::of(self.kernel, directory)?;
        Ok(own.is_ok_and(|own| own.is_same_inode(&here)))
    }
}

/// Copies a byte from one place to another, if there are both.
fn move_byte(path: &mut [u8], from: usize, to: usize) {
    if let Some(byte) = path.get(from).copied()
        && let Some(place) = path.get_mut(to)
    {
        *place = byte;
    }
}

/// Writes a path with its NUL.
fn put(out: &mut [u8], path: &[u8]) -> LinuxResult<usize> {
    let room = out.get_mut(..=path.len()).ok_or(Errno::ENAMETOOLONG)?;
    for (to, from) in room.iter_mut().zip(path.iter().chain(&[0])) {
        *to = *from;
    }
    Ok(path.len())
}
