//! A directory and a name in it, apart from the path that led there: for calls that take two paths.

use super::guest_path::GuestPath;
use super::handle::Handle;
use super::prefix::Identity;
use super::resolve::{Resolved, Target};
use super::source::Name;
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::process::Process;
use crate::table::{DirFd, SysResult, UserPath};
use xnu_abi::linux::{Statx, flags};

/// Where a path leads, its last component not followed. It takes no room for the path, so that there is room for
/// another: a call may run on a stack of 4 KiB in all.
///
/// Closes what was opened for it.
pub struct Entry<'a, K: Kernel> {
    kernel: &'a K,
    directory: Handle<'a, K>,
    name: Name,
    has_slash: bool,
}

impl<'a, K: Kernel> Entry<'a, K> {
    /// Nothing yet. Filled where it stands: it is too large to be moved.
    pub fn new<L>(process: &'a Process<K, L>) -> Entry<'a, K> {
        let kernel = &process.kernel;
        Entry {
            kernel,
            directory: Handle::borrowed(kernel, LinuxFd::CWD),
            name: Name::new(),
            has_slash: false,
        }
    }

    /// Copies a path in and resolves it. The name is spelled as the directory has it, where the prefix says that
    /// another spelling is the same.
    ///
    /// # Errors
    /// `EFAULT`, `ENAMETOOLONG`; those of the way to the directory, with `refuses_links` `ELOOP` for a link on it.
    #[inline(never)]
    pub fn read<L>(
        &mut self,
        process: &Process<K, L>,
        directory: DirFd,
        path: UserPath,
        refuses_links: bool,
    ) -> SysResult<()> {
        let mut room = GuestPath::new();
        let mut target = Target::read(process, directory, path, &mut room)?;
        let found = target.spelled_name(refuses_links).to_bsd()?;
        let (file, is_owned, has_slash) = found.into_parts(&mut self.name);
        self.directory = match is_owned {
            true => Handle::owned(self.kernel, file),
            false => Handle::borrowed(self.kernel, file),
        };
        self.has_slash = has_slash;
        Ok(())
    }

    /// The directory.
    pub fn directory(&self) -> LinuxFd {
        self.directory.file()
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
        linux::metadata::statx(self.kernel, self.directory(), self.path(), flags::AT_SYMLINK_NOFOLLOW)
    }

    /// Whether this is the name in a directory.
    #[inline(never)]
    pub(super) fn is(&self, directory: LinuxFd, name: &[u8]) -> LinuxResult<bool> {
        if self.name() != name {
            return Ok(false);
        }
        let there = Identity::of(self.kernel, directory)?;
        let here = match self.directory() {
            LinuxFd::CWD => Identity::at(self.kernel, LinuxFd::CWD, b".\0")?,
            file => Identity::of(self.kernel, file)?,
        };
        Ok(here.is_same_inode(&there))
    }
}

impl<K: Kernel> Resolved<'_, '_, K> {
    /// Lets go of the directory, and copies the name without its slashes: whether the directory is to be closed, and
    /// whether there were slashes.
    fn into_parts(self, name: &mut Name) -> (LinuxFd, bool, bool) {
        let leaf = self.leaf();
        let length = leaf.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last.wrapping_add(1));
        let bare = leaf.get(..length).unwrap_or_default();
        match (bare, leaf) {
            (b"", [b'/', ..]) => name.set(b"/"),
            _ => name.set(bare),
        }
        let has_slash = length > 0 && length < leaf.len();
        let (file, is_owned) = self.into_directory();
        (file, is_owned, has_slash)
    }
}
