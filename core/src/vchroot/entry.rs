//! A directory and a name in it, apart from the path that led there: for calls that take two paths.
//!
//! A call may run on a stack of 4 KiB in all, and resolving a path takes most of that. So first each path's directory is
//! opened ([`Parent`]), and after that the names are read, which are short ([`Entry`]).

use super::guest_path::GuestPath;
use super::handle::Handle;
use super::prefix::{Identity, Lookup};
use super::resolve::Target;
use super::source::{NAME_MAX, Name};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::process::Process;
use crate::table::{DirFd, SysResult, UserPath};
use crate::user::UserAddr;
use xnu_abi::linux::{Statx, flags};

/// The directory that a path's last component is in. Closes what was opened for it.
pub struct Parent<'a, K: Kernel> {
    kernel: &'a K,
    lookup: Option<Lookup<'a, K>>,
    directory: Handle<'a, K>,
    /// Where the last component is in the guest's memory; `None` where the path is that of a root.
    leaf: Option<UserAddr>,
}

impl<'a, K: Kernel> Parent<'a, K> {
    /// Copies a path in and opens its directory.
    ///
    /// # Errors
    /// `EFAULT`, `ENAMETOOLONG`; those of the way to the directory, with `refuses_links` `ELOOP` for a link on it.
    #[inline(never)]
    pub fn open<L>(
        process: &'a Process<K, L>,
        directory: DirFd,
        path: UserPath,
        refuses_links: bool,
    ) -> SysResult<Parent<'a, K>> {
        let kernel = &process.kernel;
        let mut room = GuestPath::new();
        let mut target = Target::read(process, directory, path, &mut room)?;
        let ((file, is_owned), from) = target.parent(refuses_links).to_bsd()?;
        let directory = match is_owned {
            true => Handle::owned(kernel, file),
            false => Handle::borrowed(kernel, file),
        };
        let leaf = match from {
            Some(from) => Some(path.0.checked_add(from as u64)?),
            None => None,
        };
        Ok(Parent { kernel, lookup: process.lookup(), directory, leaf })
    }
}

/// A name in a directory. Filled where it stands: it is too large to be moved.
pub struct Entry<'p, 'a, K: Kernel> {
    parent: &'p Parent<'a, K>,
    name: Name,
    has_slash: bool,
}

impl<'p, 'a, K: Kernel> Entry<'p, 'a, K> {
    /// Without a name yet.
    pub fn new(parent: &'p Parent<'a, K>) -> Entry<'p, 'a, K> {
        Entry { parent, name: Name::new(), has_slash: false }
    }

    /// Reads the name. It is one component, whatever another thread of the guest's has made of the path meanwhile.
    ///
    /// # Errors
    /// `EFAULT`.
    #[inline(never)]
    pub fn read(&mut self) -> SysResult<()> {
        /// No copy reaches into a page that the name does not.
        const PAGE: u64 = 4096;
        let Some(leaf) = self.parent.leaf else {
            self.name.set(b"/");
            return Ok(());
        };
        let mut bytes = [0; NAME_MAX + 1];
        let mut length = 0usize;
        while let Some(free) = bytes.get_mut(length..).filter(|free| !free.is_empty()) {
            let at = leaf.checked_add(length as u64)?;
            let to_page_end = PAGE.wrapping_sub(at.get() % PAGE) as usize;
            let piece = free.len().min(to_page_end);
            let Some(piece) = free.get_mut(..piece) else { break };
            self.parent.kernel.copy_in(at, piece)?;
            if let Some(end) = piece.iter().position(|byte| matches!(byte, 0 | b'/')) {
                self.has_slash = piece.get(end) == Some(&b'/');
                length = length.wrapping_add(end);
                break;
            }
            length = length.wrapping_add(piece.len());
        }
        // One that is too long is so for Linux, too.
        self.name.set(bytes.get(..length).unwrap_or_default());
        Ok(())
    }

    /// Takes the spelling that the directory has of the name, where the prefix says that another is the same.
    ///
    /// # Errors
    /// Linux's.
    pub fn respell(&mut self) -> LinuxResult<()> {
        self.respell_if(|_| Ok(true))
    }

    /// The same, but where that is the name of `other`: one that only changes its spelling takes the new one.
    ///
    /// # Errors
    /// Linux's.
    pub fn respell_unless(&mut self, other: &Entry<'_, '_, K>) -> LinuxResult<()> {
        let directory = self.directory();
        self.respell_if(|name| {
            Ok(other.name() != name || !is_same(other.parent.kernel, directory, other.directory())?)
        })
    }

    #[inline(never)]
    fn respell_if(&mut self, wanted: impl Fn(&[u8]) -> LinuxResult<bool>) -> LinuxResult<()> {
        let Some(lookup) = self.parent.lookup.filter(Lookup::is_case_insensitive) else { return Ok(()) };
        if matches!(self.name(), b"" | b"." | b".." | b"/") || self.name().len() > NAME_MAX {
            return Ok(());
        }
        let mut spelled = Name::new();
        spelled.set(self.name());
        if lookup.respell(self.directory(), &mut spelled)? && wanted(spelled.bytes())? {
            self.name.set(spelled.bytes());
        }
        Ok(())
    }

    /// The directory.
    pub fn directory(&self) -> LinuxFd {
        self.parent.directory.file()
    }

    /// The name with a NUL at its end, without slashes; `/` where there was nothing else.
    pub fn path(&self) -> &[u8] {
        self.name.with_nul()
    }

    /// The name, without slashes; `/` where there was nothing else.
    pub fn name(&self) -> &[u8] {
        self.name.bytes()
    }

    /// Whether slashes came after the name, which then must be that of a directory.
    pub fn has_slash(&self) -> bool {
        self.has_slash
    }

    /// The type and the permissions (`stx_mode`) of what has the name; a link is not followed.
    ///
    /// # Errors
    /// Linux's.
    #[inline(never)]
    pub fn mode(&self) -> LinuxResult<u32> {
        self.statx().map(|stat| stat.stx_mode.into())
    }

    /// What is known of what has the name; a link is not followed.
    ///
    /// # Errors
    /// Linux's.
    #[inline(never)]
    pub fn statx(&self) -> LinuxResult<Statx> {
        linux::metadata::statx(self.parent.kernel, self.directory(), self.path(), flags::AT_SYMLINK_NOFOLLOW)
    }
}

/// Whether two descriptors are of the same directory.
#[inline(never)]
fn is_same<K: Kernel>(kernel: &K, one: LinuxFd, other: LinuxFd) -> LinuxResult<bool> {
    let identity = |directory| match directory {
        LinuxFd::CWD => Identity::at(kernel, LinuxFd::CWD, b".\0"),
        file => Identity::of(kernel, file),
    };
    Ok(identity(one)?.is_same_inode(&identity(other)?))
}
