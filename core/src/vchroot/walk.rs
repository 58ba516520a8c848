//! The component walk: a path resolved name by name, for what `openat2` cannot do.
//!
//! It goes down by `openat` of one name that is no link, so nothing that another process swaps meanwhile can lead
//! it elsewhere. It goes up by `..` only where it is not at the root, and if it did, looks at the end whether it is still
//! below the root (as `fs/namei.c` does, `complete_walk`). Links are followed by reading them.

use super::handle::Handle;
use super::prefix::{Identity, Lookup};
use super::source::{Component, Name, Source};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd, LinuxResult};
use xnu_abi::linux::{Errno, flags};

/// What is done with links.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Links {
    /// It is followed.
    Follow,
    /// It is the object itself, unless a slash comes after it.
    Stay,
    /// It is the object itself, and one before the end is `ELOOP`.
    Refuse,
}

/// How a walk treats its last component.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Last {
    /// It names an object; a link is followed, or is the object.
    Object { follow: bool },
    /// The same, or a file to make there.
    File { follow: bool },
    /// It is a name to make, remove or change: not looked at.
    Name,
}

/// Where a walk ends: at a directory, where the path ended in `.`, `..` or nothing, or at a name in it.
pub(crate) struct End<'a, K: Kernel> {
    pub(crate) directory: Handle<'a, K>,
    /// Whether there is a name. What it names may be missing; it is no link, unless links are not to be followed.
    pub(crate) has_name: bool,
    /// Slashes came after the name.
    pub(crate) must_be_directory: bool,
    /// The name is a link of `/proc` that leads to an object and not to a path: Linux must follow it.
    pub(crate) is_magic: bool,
}

const ENTER: u32 = flags::O_PATH | flags::O_DIRECTORY | flags::O_NOFOLLOW | flags::O_CLOEXEC;

/// The names on the way out.
const VOLUMES: &[u8] = b"Volumes";
pub(crate) const SYSTEM_ROOT: &[u8] = b"SystemRoot";

/// As long as the latter can be in other letters that are the same.
pub(crate) const LONGEST_SYSTEM_ROOT: usize = 3 * SYSTEM_ROOT.len();

/// Where a walk is.
enum Place<'a, K: Kernel> {
    Directory(Handle<'a, K>),
    /// `/Volumes`, which the prefix does not have: it holds the exit and nothing else.
    Volumes,
}

/// A walk under way.
pub(crate) struct Walk<'a, K: Kernel> {
    lookup: Lookup<'a, K>,
    place: Place<'a, K>,
    /// Where a relative path began; `None` once the walk was at a root.
    start: Option<LinuxFd>,
    /// How many directories below the start it is.
    level: i32,
    /// Whether it was above the start.
    was_above: bool,
    /// Whether it went up by `..` since it was last at a root.
    climbed: bool,
    links: usize,
    refuses_links: bool,
}

impl<'a, K: Kernel> Walk<'a, K> {
    /// A walk from a directory, or from the prefix where `path` is absolute. `directory` is the guest's.
    /// With `refuses_links`, every link that would be followed is `ELOOP`.
    pub(crate) fn new(
        lookup: Lookup<'a, K>,
        directory: LinuxFd,
        path: &[u8],
        refuses_links: bool,
    ) -> Walk<'a, K> {
        let absolute = path.starts_with(b"/");
        let place = if absolute { lookup.root_handle() } else { Handle::borrowed(lookup.kernel, directory) };
        Walk {
            lookup,
            place: Place::Directory(place),
            start: (!absolute).then_some(directory),
            level: 0,
            was_above: false,
            climbed: false,
            links: 0,
            refuses_links,
        }
    }

    /// Resolves a path without terminator. `name` is the name at the end, where there is one.
    ///
    /// # Errors
    /// Linux's for the same path in a process whose root is the prefix. `EACCES` as well where a path from outside
    /// a sealed prefix goes up.
    #[inline(never)]
    pub(crate) fn run(&mut self, path: &[u8], last: Last, name: &mut Name) -> LinuxResult<End<'a, K>> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        let mut source = Source::new(self.lookup.kernel, path);
        let mut must_be_directory = false;
        while let Some(Component { is_last, has_slash }) = source.next(name)? {
            must_be_directory |= is_last && has_slash;
            match (name.bytes(), is_last, last) {
                (_, true, Last::Name) => {
                    if self.leads_out(name)? {
                        self.go_out()?;
                        break;
                    }
                    return self.end(true, must_be_directory, false);
                }
                (b".", ..) => self.search_here()?,
                (b"..", ..) => self.climb()?,
                (_, false, _) => self.enter(&mut source, name)?,
                // Linux does not even look whether it is there.
                (_, true, Last::File { .. }) if must_be_directory => {
                    self.search_here()?;
                    self.confine()?;
                    return Err(Errno::EISDIR);
                }
                (_, true, Last::Object { follow } | Last::File { follow }) => {
                    match self.last(&mut source, name, follow || must_be_directory)? {
                        Ending::Again => {}
                        Ending::Place => break,
                        Ending::Name { is_magic } => {
                            return self.end(true, must_be_directory, is_magic);
                        }
                    }
                }
            }
        }
        self.end(false, must_be_directory, false)
    }

    fn end(&mut self, has_name: bool, must_be_directory: bool, is_magic: bool) -> LinuxResult<End<'a, K>> {
        self.confine()?;
        match core::mem::replace(&mut self.place, Place::Volumes) {
            Place::Directory(directory) => Ok(End { directory, has_name, must_be_directory, is_magic }),
            Place::Volumes => Err(Errno::ENOENT),
        }
    }

    /// The last component, if it names an object.
    #[inline(never)]
    fn last(&mut self, source: &mut Source<'a, '_, K>, name: &mut Name, follow: bool) -> LinuxResult<Ending> {
        if self.leads_out(name)? {
            self.go_out()?;
            return Ok(Ending::Place);
        }
        let Place::Directory(directory) = &self.place else { return Err(Errno::ENOENT) };
        let at = directory.file();
        if !self.finds(at, name)? || !follow {
            return Ok(Ending::Name { is_magic: false });
        }
        // No link, or nothing that is there: whoever uses the name finds out.
        if !self.is_link(at, name)? {
            return Ok(Ending::Name { is_magic: false });
        }
        self.count_link()?;
        if self.is_in_proc(at)? {
            self.may_jump(at, name)?;
            return Ok(Ending::Name { is_magic: true });
        }
        self.may_follow(at, name)?;
        self.follow(source, name)?;
        Ok(Ending::Again)
    }

    /// A component that is not the last: a directory, or a link to one.
    #[inline(never)]
    fn enter(&mut self, source: &mut Source<'a, '_, K>, name: &mut Name) -> LinuxResult<()> {
        if self.leads_out(name)? {
            return self.go_out();
        }
        let kernel = self.lookup.kernel;
        let Place::Directory(directory) = &self.place else { return Err(Errno::ENOENT) };
        let at = directory.file();
        let open = |name: &Name| linux::descriptor::openat(kernel, at, name.with_nul(), ENTER, 0);
        let mut entered = open(name);
        if entered == Err(Errno::ENOENT) {
            if self.respell(at, name)? {
                entered = open(name);
            } else if self.lookup.has_exit()
                && self.lookup.is_name(name.bytes(), VOLUMES)
                && self.is_root(at)?
            {
                self.place = Place::Volumes;
                return Ok(());
            }
        }
        if let Err(Errno::ENOTDIR | Errno::ELOOP) = entered {
            if self.is_link(at, name)? {
                self.count_link()?;
                return if self.is_in_proc(at)? { self.jump(at, name) } else { self.follow(source, name) };
            }
            // It may have been a link until just now.
            entered = open(name);
        }
        self.place = Place::Directory(Handle::owned(kernel, entered?));
        self.level = self.level.wrapping_add(1);
        Ok(())
    }

    /// Whether a name is that of a link. Not so if it is missing.
    fn is_link(&self, directory: LinuxFd, name: &Name) -> LinuxResult<bool> {
        let mut byte = [0];
        match linux::name::readlinkat_own(self.lookup.kernel, directory, name.with_nul(), &mut byte) {
            Ok(_) => Ok(true),
            Err(Errno::EINVAL | Errno::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts a link's target in front of what is left, and goes to where the target starts from.
    fn follow(&mut self, source: &mut Source<'a, '_, K>, name: &Name) -> LinuxResult<()> {
        let Place::Directory(directory) = &self.place else { return Err(Errno::ENOENT) };
        let at = directory.file();
        // Counted already: the first link has the first page.
        let (absolute, to_proc) = source.push_link(self.links.wrapping_sub(1), at, name)?;
        if !absolute {
            return Ok(());
        }
        // Links of the host's to its own /proc stay there: a prefix has no other.
        if to_proc && self.lookup.has_exit() && !self.lookup.is_inside(at)? {
            self.go_out()
        } else {
            self.arrive(self.lookup.root_handle());
            Ok(())
        }
    }

    fn count_link(&mut self) -> LinuxResult<()> {
        if self.refuses_links || self.links >= super::scratch::LINKS_MAX {
            return Err(Errno::ELOOP);
        }
        self.links = self.links.wrapping_add(1);
        Ok(())
    }

    /// At a root there is nothing above.
    fn arrive(&mut self, root: Handle<'a, K>) {
        self.place = Place::Directory(root);
        self.start = None;
        self.level = 0;
        self.was_above = false;
        self.climbed = false;
    }

    /// To Linux's root.
    fn go_out(&mut self) -> LinuxResult<()> {
        let kernel = self.lookup.kernel;
        let root = linux::descriptor::openat(kernel, LinuxFd::CWD, b"/\0", ENTER, 0)?;
        self.arrive(Handle::owned(kernel, root));
        Ok(())
    }

    /// Whether a component is the way out of the prefix.
    fn leads_out(&self, name: &Name) -> LinuxResult<bool> {
        if !self.lookup.has_exit() || !self.lookup.is_name(name.bytes(), SYSTEM_ROOT) {
            return Ok(false);
        }
        match &self.place {
            Place::Directory(directory) => self.is_volumes(directory.file()),
            Place::Volumes => Ok(true),
        }
    }

    #[inline(never)]
    fn is_volumes(&self, directory: LinuxFd) -> LinuxResult<bool> {
        let Some(volumes) = self.volumes()? else { return Ok(false) };
        let kernel = self.lookup.kernel;
        Ok(Identity::of(kernel, volumes.file())? == Identity::of(kernel, directory)?)
    }

    /// The prefix's own `/Volumes`, if it has one of exactly this name that is a directory.
    fn volumes(&self) -> LinuxResult<Option<Handle<'a, K>>> {
        let Lookup { kernel, root, .. } = self.lookup;
        match linux::descriptor::openat(kernel, root, b"Volumes\0", ENTER, 0) {
            Ok(volumes) => Ok(Some(Handle::owned(kernel, volumes))),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn is_root(&self, directory: LinuxFd) -> LinuxResult<bool> {
        Ok(Identity::of(self.lookup.kernel, directory)? == self.lookup.root_identity())
    }

    /// Linux looks whether a directory may be searched, even for a component `.`.
    fn search_here(&self) -> LinuxResult<()> {
        let Place::Directory(directory) = &self.place else { return Ok(()) };
        let kernel = self.lookup.kernel;
        let found = linux::descriptor::openat(kernel, directory.file(), b".\0", ENTER, 0)?;
        drop(Handle::owned(kernel, found));
        Ok(())
    }

    /// A component `..`.
    #[inline(never)]
    fn climb(&mut self) -> LinuxResult<()> {
        let kernel = self.lookup.kernel;
        let Place::Directory(directory) = &self.place else {
            self.arrive(self.lookup.root_handle());
            return Ok(());
        };
        let here = Identity::of(kernel, directory.file())?;
        if here == self.lookup.root_identity() {
            return self.search_here();
        }
        if self.lookup.has_exit() && here == self.lookup.host_identity() {
            self.search_here()?;
            match self.volumes()? {
                Some(volumes) => self.arrive(volumes),
                None => self.place = Place::Volumes,
            }
            return Ok(());
        }
        let parent = linux::descriptor::openat(kernel, directory.file(), b"..\0", ENTER, 0)?;
        self.place = Place::Directory(Handle::owned(kernel, parent));
        self.climbed = true;
        self.level = self.level.wrapping_sub(1);
        self.was_above |= self.level < 0;
        Ok(())
    }

    /// A sealed prefix has no way out: neither by `..` from a directory that was handed in from outside, nor by one
    /// that another process moved out meanwhile.
    #[inline(never)]
    fn confine(&self) -> LinuxResult<()> {
        let Place::Directory(directory) = &self.place else { return Ok(()) };
        if !self.climbed || self.lookup.has_exit() || self.lookup.is_inside(directory.file())? {
            return Ok(());
        }
        match self.start {
            Some(start) if !self.was_above && !self.lookup.is_inside(start)? => Ok(()),
            _ => Err(Errno::EACCES),
        }
    }

    /// Whether a name is there, if that decides anything: spelled as the directory has it, from then on.
    fn finds(&self, directory: LinuxFd, name: &mut Name) -> LinuxResult<bool> {
        if !self.lookup.is_case_insensitive() {
            return Ok(true);
        }
        let mut byte = [0];
        match linux::name::readlinkat_own(self.lookup.kernel, directory, name.with_nul(), &mut byte) {
            Ok(_) | Err(Errno::EINVAL) => Ok(true),
            Err(Errno::ENOENT) => self.respell(directory, name),
            Err(error) => Err(error),
        }
    }

    /// Replaces a name that is not there by one that differs only in case or normal form, if there is one.
    fn respell(&self, directory: LinuxFd, name: &mut Name) -> LinuxResult<bool> {
        if !self.lookup.is_case_insensitive() {
            return Ok(false);
        }
        self.lookup.respell(directory, name)
    }

    /// `/proc` has links that lead to objects and not to paths.
    #[inline(never)]
    fn is_in_proc(&self, directory: LinuxFd) -> LinuxResult<bool> {
        let kernel = self.lookup.kernel;
        // The working directory has no number.
        let opened = if directory == LinuxFd::CWD {
            Handle::owned(kernel, linux::descriptor::openat(kernel, directory, b".\0", ENTER, 0)?)
        } else {
            Handle::borrowed(kernel, directory)
        };
        let (kind, mount) = linux::metadata::mount(kernel, opened.file())?;
        if mount & ST_NOSYMFOLLOW != 0 {
            return Err(Errno::ELOOP);
        }
        Ok(kind == i64::from(flags::PROC_SUPER_MAGIC))
    }

    /// Lets Linux follow a link of `/proc` to a directory.
    #[inline(never)]
    fn jump(&mut self, directory: LinuxFd, name: &Name) -> LinuxResult<()> {
        self.may_jump(directory, name)?;
        let kernel = self.lookup.kernel;
        let follow = ENTER & !flags::O_NOFOLLOW;
        let target = linux::descriptor::openat(kernel, directory, name.with_nul(), follow, 0)?;
        self.arrive(Handle::owned(kernel, target));
        Ok(())
    }

    /// In a sealed prefix a link of `/proc` may lead to what is inside, and to what the guest has open itself.
    #[inline(never)]
    fn may_jump(&self, directory: LinuxFd, name: &Name) -> LinuxResult<()> {
        if self.lookup.has_exit() || self.lookup.is_own_descriptors(directory)? {
            return Ok(());
        }
        let kernel = self.lookup.kernel;
        let follow = flags::O_PATH | flags::O_CLOEXEC;
        let target = linux::descriptor::openat(kernel, directory, name.with_nul(), follow, 0)?;
        let target = Handle::owned(kernel, target);
        if self.lookup.is_inside(target.file())? { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// `fs.protected_symlinks`, which Linux applies to links at the end of a path: in a sticky directory that all may
    /// write to, only one's own links and those of the directory's owner are followed.
    #[inline(never)]
    fn may_follow(&self, directory: LinuxFd, name: &Name) -> LinuxResult<()> {
        const SHARED: u16 = 0o1002;
        let kernel = self.lookup.kernel;
        let mask = flags::STATX_TYPE | flags::STATX_MODE | flags::STATX_UID;
        let parent = linux::path::statx_some(kernel, directory, b"\0", flags::AT_EMPTY_PATH, mask)?;
        if parent.stx_mode & SHARED != SHARED {
            return Ok(());
        }
        let nofollow = flags::AT_SYMLINK_NOFOLLOW;
        let link = linux::path::statx_some(kernel, directory, name.with_nul(), nofollow, mask)?;
        let user = linux::process::geteuid(kernel)? as u32;
        if link.stx_uid == user || link.stx_uid == parent.stx_uid { Ok(()) } else { Err(Errno::EACCES) }
    }
}

/// Of the mount flags: links are not followed here.
const ST_NOSYMFOLLOW: i64 = 0x2000;

/// What came of the last component.
enum Ending {
    /// It was a link: its target comes next.
    Again,
    /// The place is the object.
    Place,
    /// It is a name in the place.
    Name { is_magic: bool },
}
