//! What handlers work with: a path of the guest's, and what it leads to in Linux's terms.

use super::guest_path::{CAPACITY, GuestPath};
use super::handle::Handle;
use super::prefix::Lookup;
use super::roads::Opening;
use super::source::Name;
use super::walk::{Last, Links, Walk};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::process::Process;
use crate::table::{DirFd, SysResult, UserPath};
use xnu_abi::linux::{Errno, flags};

/// A path of the guest's and where it starts from.
///
/// Each method looks the path up once and acts on what it found, or hands that out: nothing is looked up by its name
/// twice.
pub struct Target<'a, K: Kernel, const ROOM: usize = CAPACITY> {
    kernel: &'a K,
    lookup: Option<Lookup<'a, K>>,
    directory: LinuxFd,
    path: &'a mut GuestPath<ROOM>,
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
pub struct Resolved<'t, 'a, K: Kernel, const ROOM: usize = CAPACITY> {
    target: &'t mut Target<'a, K, ROOM>,
    directory: LinuxFd,
    is_owned: bool,
    /// Whether another spelling of the name would do.
    respells: bool,
    from: u16,
    flags: u32,
}

impl<'a, K: Kernel, const ROOM: usize> Target<'a, K, ROOM> {
    /// Copies a path in, to `room`.
    ///
    /// # Errors
    /// `EFAULT`, `ENAMETOOLONG`.
    pub fn read<L>(
        process: &'a Process<K, L>,
        directory: DirFd,
        path: UserPath,
        room: &'a mut GuestPath<ROOM>,
    ) -> SysResult<Target<'a, K, ROOM>> {
        let kernel = &process.kernel;
        room.read(kernel, path)?;
        let lookup = Lookup::new(kernel, &process.vchroot);
        Ok(Target { kernel, lookup, directory: directory.to_linux(), path: room })
    }

    /// A path that was copied in already; a relative one starts from the working directory.
    pub fn new<L>(process: &'a Process<K, L>, path: &'a mut GuestPath<ROOM>) -> Target<'a, K, ROOM> {
        let kernel = &process.kernel;
        Target { kernel, lookup: Lookup::new(kernel, &process.vchroot), directory: LinuxFd::CWD, path }
    }

    /// Whether the path ends with a slash, and so must be that of a directory.
    pub fn has_slash(&self) -> bool {
        self.path.bytes().ends_with(b"/")
    }

    /// Opens what the path leads to.
    ///
    /// # Errors
    /// Linux's; `EXDEV` for what is not beneath where it must be.
    #[inline(always)]
    pub fn open(&mut self, opening: &Opening) -> LinuxResult<LinuxFd> {
        let at_once = match self.lookup {
            Some(lookup) => lookup.open_at_once(self.directory, self.path.with_nul_from(0), opening),
            None => Some(self.open_unprefixed(opening)),
        };
        match (at_once, self.lookup) {
            (Some(Err(Errno::ENOENT)), Some(lookup)) if lookup.is_case_insensitive() => {
                lookup.open_folded(self.directory, self.path.with_nul_mut(), opening)
            }
            (None, Some(lookup)) => lookup.open(self.directory, self.path.with_nul_mut(), opening),
            (answer, _) => answer.unwrap_or(Err(Errno::ENOENT)),
        }
    }

    /// The same, for those who open once more: slower, and with less on the stack.
    ///
    /// # Errors
    /// As [`Target::open`].
    #[inline(never)]
    pub fn open_again(&mut self, opening: &Opening) -> LinuxResult<LinuxFd> {
        match self.lookup {
            Some(lookup) => lookup.open(self.directory, self.path.with_nul_mut(), opening),
            None => self.open_unprefixed(opening),
        }
    }

    #[inline(always)]
    fn open_unprefixed(&self, opening: &Opening) -> LinuxResult<LinuxFd> {
        let Opening { flags, mode, refuses_links, stays_beneath } = *opening;
        let path = self.path.with_nul_from(0);
        if !refuses_links && !stays_beneath {
            return linux::descriptor::openat(self.kernel, self.directory, path, flags, mode);
        }
        let beneath = if stays_beneath { flags::RESOLVE_BENEATH } else { 0 };
        linux::descriptor::openat2(self.kernel, self.directory, path, &opening.how(beneath))
    }

    /// The directory and the name of a path of one name, if nothing but a link can lead elsewhere from there: a call that
    /// follows no link and finds none acts on what the path leads to. The name ends with a NUL.
    pub fn one_name(&self) -> Option<(LinuxFd, &[u8])> {
        let lookup = self.lookup?;
        let path = self.path.bytes();
        let (directory, from) = if path.starts_with(b"/") { (lookup.root, 1) } else { (self.directory, 0) };
        let name = path.get(from..)?;
        let is_name = !name.is_empty() && !name.contains(&b'/') && name != b"." && name != b"..";
        let is_exact = !lookup.is_case_insensitive() && !lookup.mentions_exit(name);
        (is_name && is_exact).then(|| (directory, self.path.with_nul_from(from)))
    }

    /// Resolves the path to an object for a call that takes a directory, a name and `AT_…` flags: with
    /// [`Resolved::flags`] the call acts on that object.
    ///
    /// # Errors
    /// Linux's. What is missing may be found to be so by the call itself.
    #[inline(never)]
    pub fn object(&mut self, links: Links) -> LinuxResult<Resolved<'_, 'a, K, ROOM>> {
        let follows = if links == Links::Follow { 0 } else { flags::AT_SYMLINK_NOFOLLOW };
        let in_place = match self.lookup {
            None if links != Links::Refuse => Some((self.directory, 0)),
            Some(_) if links != Links::Follow => {
                let end = self.path.bytes().len();
                self.one_name()
                    .map(|(directory, name)| (directory, end.wrapping_add(1).wrapping_sub(name.len())))
            }
            _ => None,
        };
        if let Some((directory, from)) = in_place {
            let directory = Handle::borrowed(self.kernel, directory);
            return Ok(self.resolved(directory, from, follows));
        }
        let found = self.open(&Opening::path(links))?;
        let object = Handle::owned(self.kernel, found);
        let end = self.path.bytes().len();
        Ok(self.resolved(object, end, flags::AT_EMPTY_PATH))
    }

    /// Resolves the path to a directory and a name in it, for a call that makes, removes or changes that name.
    ///
    /// # Errors
    /// Linux's; `ELOOP` for a link on the way where those are refused. The last component is not followed.
    #[inline(never)]
    pub fn name(&mut self, usage: Use, refuses_links: bool) -> LinuxResult<Resolved<'_, 'a, K, ROOM>> {
        let (kernel, start) = (self.kernel, self.directory);
        let last = self.path.last_component();
        let Some(lookup) = self.lookup else {
            let directory = match last {
                Some(from) if refuses_links && from > 0 => {
                    let directory = self.open_parent_unprefixed(from, true)?;
                    return Ok(self.resolved(directory, from, 0));
                }
                _ => Handle::borrowed(kernel, start),
            };
            return Ok(self.resolved(directory, 0, 0));
        };
        let Some(from) = last else {
            // Nothing, or nothing but slashes: no call makes, removes or renames a root, and which does not matter.
            let directory = Handle::borrowed(kernel, start);
            return Ok(self.resolved(directory, 0, 0));
        };
        let leaf = self.path.bytes().get(from..).unwrap_or_default();
        let mut resolved = if lookup.mentions_exit(leaf) {
            let directory = self.walk_to_name(lookup, refuses_links)?;
            self.resolved(directory, 0, 0)
        } else {
            let parent = lookup.open_parent(start, self.path.with_nul_mut(), from, refuses_links)?;
            self.resolved(parent, from, 0)
        };
        if lookup.is_case_insensitive() {
            match usage {
                Use::Existing => resolved.respells = true,
                Use::New => drop(resolved.respell()?),
            }
        }
        Ok(resolved)
    }

    /// Finds the directory of a name that may be the exit, which is a root: the name `/`. Leaves the name as the path.
    #[inline(never)]
    fn walk_to_name(&mut self, lookup: Lookup<'a, K>, refuses_links: bool) -> LinuxResult<Handle<'a, K>> {
        let mut name = Name::new();
        let path = self.path.bytes();
        let mut walk = Walk::new(lookup, self.directory, path, refuses_links);
        let end = walk.run(path, Last::Name, &mut name)?;
        if end.has_name {
            self.path.replace(name.bytes(), end.must_be_directory);
        } else {
            self.path.replace(b"/", false);
        }
        Ok(end.directory)
    }

    /// Opens the directory of the last component: it, whether it is the caller's to close, and where that component
    /// begins; `None` where the path is that of a root.
    #[inline(always)]
    pub(super) fn parent(&mut self, refuses_links: bool) -> LinuxResult<((LinuxFd, bool), Option<usize>)> {
        let here = (self.directory, false);
        let Some(from) = self.path.last_component() else {
            let is_root = !self.path.bytes().is_empty();
            return Ok((here, (!is_root).then_some(0)));
        };
        let Some(lookup) = self.lookup else {
            let directory = match from {
                0 => here,
                _ => self.open_parent_unprefixed(from, refuses_links)?.into_parts(),
            };
            return Ok((directory, Some(from)));
        };
        if lookup.mentions_exit(self.path.bytes().get(from..).unwrap_or_default()) {
            let directory = self.walk_to_name(lookup, refuses_links)?.into_parts();
            let is_root = self.path.bytes() == b"/";
            return Ok((directory, (!is_root).then_some(from)));
        }
        let parent = lookup.open_parent(self.directory, self.path.with_nul_mut(), from, refuses_links)?;
        Ok((parent.into_parts(), Some(from)))
    }

    /// Opens the directory of the component that begins at `leaf`.
    fn open_parent_unprefixed(&mut self, leaf: usize, refuses_links: bool) -> LinuxResult<Handle<'a, K>> {
        let (kernel, start) = (self.kernel, self.directory);
        let opening = Opening::directory(refuses_links);
        let opened = self.path.cut_at(leaf, |parent| match refuses_links {
            true => linux::descriptor::openat2(kernel, start, parent, &opening.how(0)),
            false => linux::descriptor::openat(kernel, start, parent, opening.flags, 0),
        });
        Ok(Handle::owned(kernel, opened?))
    }

    fn resolved(&mut self, directory: Handle<'a, K>, from: usize, flags: u32) -> Resolved<'_, 'a, K, ROOM> {
        let is_owned = directory.is_owned();
        Resolved {
            target: self,
            directory: directory.keep(),
            is_owned,
            respells: false,
            from: from as u16,
            flags,
        }
    }
}

impl<K: Kernel, const ROOM: usize> Resolved<'_, '_, K, ROOM> {
    /// The directory, or the object itself.
    pub fn directory(&self) -> LinuxFd {
        self.directory
    }

    /// The name with a NUL at its end; nothing but the NUL where the object itself is open.
    pub fn path(&self) -> &[u8] {
        self.target.path.with_nul_from(self.from.into())
    }

    /// `AT_…` flags without which a call would act on something else.
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Whether this is an open object, without a name.
    pub fn is_open(&self) -> bool {
        self.flags & flags::AT_EMPTY_PATH != 0
    }

    /// Runs a call on a name: once more, in another spelling, where the prefix allows that and the name is missing.
    ///
    /// # Errors
    /// The call's.
    #[inline(never)]
    pub fn act<T>(&mut self, call: impl Fn(LinuxFd, &[u8]) -> LinuxResult<T>) -> LinuxResult<T> {
        match call(self.directory(), self.path()) {
            Err(Errno::ENOENT) if self.respells && self.respell()? => call(self.directory(), self.path()),
            other => other,
        }
    }

    /// What the last component is, if it is no ordinary name.
    pub fn special(&self) -> Option<Special> {
        let path = self.target.path.bytes();
        let leaf = match self.target.path.last_component() {
            Some(from) => path.get(from.max(self.from.into())..).unwrap_or_default(),
            None if path.is_empty() => return None,
            None => return Some(Special::Root),
        };
        Special::of(leaf.split(|byte| *byte == b'/').next().unwrap_or_default())
    }

    /// Takes the spelling that the directory has, if it has the name in one.
    #[inline(never)]
    fn respell(&mut self) -> LinuxResult<bool> {
        let Some(lookup) = self.target.lookup else { return Ok(false) };
        let leaf = self.target.path.bytes().get(self.from.into()..).unwrap_or_default();
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
        self.target.path.replace(name.bytes(), has_slash);
        self.from = 0;
        Ok(true)
    }
}

/// A last component that is no ordinary name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Special {
    /// The path is nothing but slashes.
    Root,
    /// `.`
    Dot,
    /// `..`
    DotDot,
}

impl Special {
    /// By its spelling, or `/` for the root.
    pub fn of(name: &[u8]) -> Option<Special> {
        match name {
            b"/" => Some(Special::Root),
            b"." => Some(Special::Dot),
            b".." => Some(Special::DotDot),
            _ => None,
        }
    }
}

impl<K: Kernel, const ROOM: usize> Drop for Resolved<'_, '_, K, ROOM> {
    fn drop(&mut self) {
        if self.is_owned {
            drop(Handle::owned(self.target.kernel, self.directory));
        }
    }
}
