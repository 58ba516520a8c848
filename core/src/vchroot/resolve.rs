//! What handlers work with: a path of the guest's, and what it leads to in Linux's terms.

use super::guest_path::GuestPath;
use super::handle::Handle;
use super::prefix::Lookup;
use super::roads::Opening;
use super::source::Name;
use super::walk::{Last, Links, Walk};
use crate::kernel::Kernel;
use crate::linux::descriptor::OpenHow;
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::process::Process;
use crate::table::{DirFd, SysResult, UserPath};
use xnu_abi::linux::{Errno, Statx, flags};

/// A path of the guest's, copied out of its memory, and where it starts from.
///
/// Each method looks the path up once and acts on what it found, or hands that out: nothing is looked up by its name
/// twice.
pub struct Target<'a, K: Kernel> {
    kernel: &'a K,
    lookup: Option<Lookup<'a, K>>,
    directory: LinuxFd,
    path: GuestPath,
}

/// What a call does with a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// Removes, renames or changes what is there.
    Existing,
    /// Makes something of this name.
    New,
}

/// What a path leads to: a directory and a name in it, or an open object, ready for an `…at` call.
///
/// Closes what was opened for it.
pub struct Resolved<'t, 'a, K: Kernel> {
    lookup: Option<Lookup<'a, K>>,
    directory: Handle<'a, K>,
    path: &'t mut GuestPath,
    from: usize,
    flags: u32,
    respells: bool,
}

impl<'a, K: Kernel> Target<'a, K> {
    /// Copies a path in.
    ///
    /// # Errors
    /// `EFAULT`, `ENAMETOOLONG`.
    pub fn read<L>(process: &'a Process<K, L>, directory: DirFd, path: UserPath) -> SysResult<Target<'a, K>> {
        let kernel = &process.kernel;
        Ok(Target {
            kernel,
            lookup: Lookup::new(kernel, &process.vchroot),
            directory: directory.to_linux(),
            path: GuestPath::read(kernel, path)?,
        })
    }

    /// Opens what the path leads to.
    ///
    /// # Errors
    /// Linux's; `EXDEV` for what is not beneath where it must be.
    pub fn open(&mut self, opening: &Opening) -> LinuxResult<LinuxFd> {
        match self.lookup {
            Some(lookup) => lookup.open(self.directory, self.path.with_nul_mut(), opening),
            None => self.open_unprefixed(opening),
        }
    }

    fn open_unprefixed(&self, opening: &Opening) -> LinuxResult<LinuxFd> {
        let Opening { flags, mode, refuses_links, stays_beneath } = *opening;
        let path = self.path.with_nul_from(0);
        let mut resolve = 0;
        if refuses_links {
            resolve |= flags::RESOLVE_NO_SYMLINKS;
        }
        if stays_beneath {
            resolve |= flags::RESOLVE_BENEATH;
        }
        if resolve == 0 {
            return linux::descriptor::openat(self.kernel, self.directory, path, flags, mode);
        }
        let how: OpenHow = opening.how(resolve);
        linux::descriptor::openat2(self.kernel, self.directory, path, &how)
    }

    /// What is known of the object that the path leads to.
    ///
    /// # Errors
    /// Linux's.
    pub fn statx(&mut self, links: Links) -> LinuxResult<Statx> {
        if let Some(found) = self.statx_one_name(links) {
            return found;
        }
        let kernel = self.kernel;
        let object = self.object(links)?;
        linux::metadata::statx(kernel, object.directory(), object.path(), object.flags())
    }

    /// One name in a known directory cannot lead elsewhere, unless it is a link.
    fn statx_one_name(&self, links: Links) -> Option<LinuxResult<Statx>> {
        let lookup = self.lookup?;
        let path = self.path.bytes();
        let (directory, from) = if path.starts_with(b"/") { (lookup.root, 1) } else { (self.directory, 0) };
        let name = path.get(from..)?;
        let is_name = !name.is_empty() && !name.contains(&b'/') && name != b"." && name != b"..";
        if !is_name || lookup.mentions_exit(name) {
            return None;
        }
        let nofollow = flags::AT_SYMLINK_NOFOLLOW;
        let found = linux::metadata::statx(self.kernel, directory, self.path.with_nul_from(from), nofollow);
        match found {
            Ok(stat) if links == Links::Follow && is_link(&stat) => None,
            Err(Errno::ENOENT) if lookup.is_case_insensitive() => None,
            other => Some(other),
        }
    }

    /// Resolves the path to an object for a call that takes a directory, a name and `AT_…` flags: with
    /// [`Resolved::flags`] the call acts on that object.
    ///
    /// # Errors
    /// Linux's. What is missing may be found to be so by the call itself.
    pub fn object(&mut self, links: Links) -> LinuxResult<Resolved<'_, 'a, K>> {
        let (handle, flags) = match self.lookup {
            None if links != Links::Refuse => {
                let stays = if links == Links::Follow { 0 } else { flags::AT_SYMLINK_NOFOLLOW };
                (Handle::borrowed(self.kernel, self.directory), stays)
            }
            _ => {
                let found = self.open(&Opening::path(links))?;
                self.path.replace(b"", false);
                (Handle::owned(self.kernel, found), flags::AT_EMPTY_PATH)
            }
        };
        let lookup = self.lookup;
        Ok(Resolved { lookup, directory: handle, path: &mut self.path, from: 0, flags, respells: false })
    }

    /// Resolves the path to a directory and a name in it, for a call that makes, removes or changes that name.
    ///
    /// # Errors
    /// Linux's.
    pub fn name(&mut self, usage: Use) -> LinuxResult<Resolved<'_, 'a, K>> {
        let (kernel, directory) = (self.kernel, self.directory);
        let Some(lookup) = self.lookup else {
            let directory = Handle::borrowed(kernel, directory);
            return Ok(Resolved {
                lookup: None,
                directory,
                path: &mut self.path,
                from: 0,
                flags: 0,
                respells: false,
            });
        };
        let Some(mut from) = self.path.last_component() else {
            if self.path.bytes().is_empty() {
                return Err(Errno::ENOENT);
            }
            // Nothing but slashes: no call makes, removes or renames a root, and which does not matter.
            return Ok(self.whole(Handle::borrowed(kernel, directory)));
        };
        let leaf = self.path.bytes().get(from..).unwrap_or_default();
        let parent = if lookup.mentions_exit(leaf) {
            let path = self.path.bytes();
            let end = Walk::new(lookup, directory, path, false).run(path, Last::Name)?;
            from = 0;
            // The exit is a root, too.
            let (name, slash) = match &end.name {
                Some(name) => (name.bytes(), end.must_be_directory),
                None => (&b"/"[..], false),
            };
            self.path.replace(name, slash);
            end.directory
        } else {
            lookup.open_parent(directory, self.path.with_nul_mut(), from, false)?
        };
        let mut resolved = Resolved {
            lookup: Some(lookup),
            directory: parent,
            path: &mut self.path,
            from,
            flags: 0,
            respells: usage == Use::Existing && lookup.is_case_insensitive(),
        };
        if usage == Use::New && lookup.is_case_insensitive() {
            resolved.respell()?;
        }
        Ok(resolved)
    }

    fn whole(&mut self, directory: Handle<'a, K>) -> Resolved<'_, 'a, K> {
        let lookup = self.lookup;
        Resolved { lookup, directory, path: &mut self.path, from: 0, flags: 0, respells: false }
    }
}

fn is_link(stat: &Statx) -> bool {
    u32::from(stat.stx_mode) & flags::S_IFMT == flags::S_IFLNK
}

impl<K: Kernel> Resolved<'_, '_, K> {
    /// The directory, or the object itself.
    pub fn directory(&self) -> LinuxFd {
        self.directory.file()
    }

    /// The name with a NUL at its end; nothing but the NUL where the object itself is open.
    pub fn path(&self) -> &[u8] {
        self.path.with_nul_from(self.from)
    }

    /// `AT_…` flags without which a call would act on something else.
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Runs a call on a name: once more, in another spelling, where the prefix allows that and the name is missing.
    ///
    /// # Errors
    /// The call's.
    pub fn act<T>(&mut self, call: impl Fn(LinuxFd, &[u8]) -> LinuxResult<T>) -> LinuxResult<T> {
        match call(self.directory(), self.path()) {
            Err(Errno::ENOENT) if self.respells && self.respell()? => call(self.directory(), self.path()),
            other => other,
        }
    }

    /// Takes the spelling that the directory has, if it has the name in one.
    fn respell(&mut self) -> LinuxResult<bool> {
        let Some(lookup) = self.lookup else { return Ok(false) };
        let leaf = self.path.bytes().get(self.from..).unwrap_or_default();
        let length = leaf.iter().position(|byte| *byte == b'/').unwrap_or(leaf.len());
        let bare = leaf.get(..length).unwrap_or_default();
        if matches!(bare, b"" | b"." | b"..") {
            return Ok(false);
        }
        let mut name = Name::new();
        name.set(bare);
        if name.bytes().len() != length || !lookup.respell(self.directory(), &mut name)? {
            return Ok(false);
        }
        let has_slash = length < leaf.len();
        self.path.replace(name.bytes(), has_slash);
        self.from = 0;
        Ok(true)
    }
}
