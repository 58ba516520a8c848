//! The two roads to an object below the prefix: `openat2`, and the component walk where that cannot go.

use super::fold;
use super::handle::Handle;
use super::host_path;
use super::prefix::{Covered, Identity, Lookup};
use super::source::{NAME_MAX, Name};
use super::walk::{LONGEST_SYSTEM_ROOT, Last, Links, SYSTEM_ROOT, Walk};
use crate::kernel::Kernel;
use crate::linux::descriptor::OpenHow;
use crate::linux::{self, LinuxFd, LinuxResult};
use xnu_abi::linux::{Errno, flags};

/// How often `openat2` is asked again when another process renames directories meanwhile, and the walk when it
/// finds a link where there was none.
const TRIES: usize = 8;

/// The one call has no answer. What Linux says of `..` above the start of a relative path, and of links of `/proc`.
const WALK: Errno = Errno::EXDEV;

/// What an open may have with `O_PATH`; `openat2` refuses the rest.
const WITH_O_PATH: u32 = flags::O_PATH | flags::O_DIRECTORY | flags::O_NOFOLLOW | flags::O_CLOEXEC;

/// How to open an object.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Linux's `O_…`. `O_NOFOLLOW` is set where the last link is not to be followed.
    pub flags: u32,
    /// Permissions of a file that is made.
    pub mode: u32,
    /// No link at all on the way.
    pub refuses_links: bool,
    /// Nothing but what is below the directory that a relative path starts from; else `EXDEV`.
    pub stays_beneath: bool,
}

impl Opening {
    /// Names an object and no more. The guest's programs do not inherit it.
    pub fn path(links: Links) -> Opening {
        let nofollow = if links == Links::Follow { 0 } else { flags::O_NOFOLLOW };
        Opening {
            flags: flags::O_PATH | flags::O_CLOEXEC | nofollow,
            mode: 0,
            refuses_links: links == Links::Refuse,
            stays_beneath: false,
        }
    }

    /// Names a directory as a place to look in.
    pub(crate) fn directory(refuses_links: bool) -> Opening {
        let flags = flags::O_PATH | flags::O_DIRECTORY | flags::O_CLOEXEC;
        Opening { flags, mode: 0, refuses_links, stays_beneath: false }
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag == flag
    }

    /// Whether Linux refuses it for a directory anyway.
    fn writes(&self) -> bool {
        self.flags & (flags::O_ACCMODE | flags::O_TRUNC) != 0
    }

    /// Whether a link at the end is followed.
    fn follows(&self) -> bool {
        !self.has(flags::O_NOFOLLOW) && !self.has(flags::O_CREAT | flags::O_EXCL)
    }

    pub(super) fn how(&self, resolve: u32) -> OpenHow {
        let flags = if self.has(flags::O_PATH) { self.flags & WITH_O_PATH } else { self.flags };
        // Unlike openat, openat2 refuses a mode where nothing is created.
        let mode = if flags & flags::O_CREAT != 0 { self.mode } else { 0 };
        let resolve = if self.refuses_links { resolve | flags::RESOLVE_NO_SYMLINKS } else { resolve };
        OpenHow { flags: u64::from(flags), mode: u64::from(mode), resolve: u64::from(resolve) }
    }
}

impl<'a, K: Kernel> Lookup<'a, K> {
    /// Whether a component has this name, by the rules of the prefix.
    pub(crate) fn is_name(&self, component: &[u8], name: &[u8]) -> bool {
        component == name || self.is_case_insensitive() && fold::same(component, name)
    }

    /// Whether a component of the path may be the way out. `path` may have a terminator.
    pub(super) fn mentions_exit(&self, path: &[u8]) -> bool {
        if !self.has_exit() {
            return false;
        }
        path.split(|byte| matches!(byte, b'/' | 0)).any(|component| {
            (SYSTEM_ROOT.len()..=LONGEST_SYSTEM_ROOT).contains(&component.len())
                && self.is_name(component, SYSTEM_ROOT)
        })
    }

    /// Opens what a path leads to. `path` ends with its terminator; `directory` is where it starts if it is relative.
    /// What is in `path` changes meanwhile, and is the same afterwards, but perhaps for the spelling of its last name.
    ///
    /// # Errors
    /// Linux's for the same path in a process whose root is the prefix.
    pub(crate) fn open(
        &self,
        directory: LinuxFd,
        path: &mut [u8],
        opening: &Opening,
    ) -> LinuxResult<LinuxFd> {
        if opening.stays_beneath {
            return self.openat2(directory, path, opening);
        }
        if !self.may_use_openat2() || self.mentions_exit(path) {
            return self.walk_open(directory, path, opening);
        }
        match opening.has(flags::O_CREAT) {
            true if self.is_case_insensitive() => self.create_folded(directory, path, opening),
            true if !matches!(self.covered(), Covered::Sealed | Covered::Marker) => {
                self.create_beside_exit(directory, path, opening)
            }
            _ => self.open_existing(directory, path, opening),
        }
    }

    /// What most paths take: one call, whose answer is the answer. `None` where it may be another, but `ENOENT` may yet be
    /// there in another spelling.
    #[inline(always)]
    pub(super) fn open_at_once(
        &self,
        directory: LinuxFd,
        path: &[u8],
        opening: &Opening,
    ) -> Option<LinuxResult<LinuxFd>> {
        if opening.stays_beneath || !self.is_plain(path, opening.has(flags::O_CREAT)) {
            return None;
        }
        match self.ask(directory, path, opening) {
            Err(WALK | Errno::EAGAIN | Errno::ENOSYS | Errno::EPERM) => None,
            Err(Errno::ELOOP) if self.has_exit() => None,
            answer => Some(answer),
        }
    }

    /// Whether one call can answer for a path: names need not be compared, and no link can lead to the exit unseen.
    #[inline(always)]
    fn is_plain(&self, path: &[u8], creates: bool) -> bool {
        let sees_exit = match self.covered() {
            Covered::Sealed => true,
            Covered::Marker => !self.mentions_exit(path),
            _ => false,
        };
        sees_exit && self.may_use_openat2() && !(creates && self.is_case_insensitive())
    }

    /// Opens what is there, and makes a file only where names are not folded and no link leads to an exit.
    fn open_existing(&self, directory: LinuxFd, path: &mut [u8], opening: &Opening) -> LinuxResult<LinuxFd> {
        match self.directly(directory, path, opening) {
            Err(WALK) => self.walk_open(directory, path, opening),
            Err(Errno::ENOENT) if self.is_case_insensitive() => self.open_folded(directory, path, opening),
            Err(Errno::ENOENT) if !opening.refuses_links && self.hides_exit() => {
                // Without a link on the way it is as missing as it looks.
                match self.openat2(directory, path, &Opening::path(Links::Refuse)) {
                    Err(Errno::ENOENT) => return Err(Errno::ENOENT),
                    Ok(found) => drop(Handle::owned(self.kernel, found)),
                    Err(_) => {}
                }
                self.walk_open(directory, path, opening)
            }
            other => other,
        }
    }

    /// Whether a path that comes by the exit looks to Linux like one that is missing.
    fn hides_exit(&self) -> bool {
        matches!(self.covered(), Covered::Nothing | Covered::Empty)
    }

    /// The road of one call: the answer, or [`WALK`] where it has none. A path without links that does not name the exit
    /// does not come by there; one with links may.
    fn directly(&self, directory: LinuxFd, path: &[u8], opening: &Opening) -> LinuxResult<LinuxFd> {
        let covered = if opening.refuses_links { Covered::Sealed } else { self.covered() };
        let first = Opening { refuses_links: opening.refuses_links || covered == Covered::Full, ..*opening };
        match (self.openat2(directory, path, &first), covered) {
            (Err(Errno::ELOOP), Covered::Full | Covered::Marker) => Err(WALK),
            (Ok(found), Covered::Empty) if !opening.writes() => {
                let found = Handle::owned(self.kernel, found);
                if Identity::of(self.kernel, found.file())? == self.covered_identity() {
                    return Err(WALK);
                }
                Ok(found.keep())
            }
            // Directories that are being renamed.
            (Err(Errno::EAGAIN), _) => Err(WALK),
            (Err(error @ (Errno::ENOSYS | Errno::EPERM)), _) if self.openat2_is_gone(error) => Err(WALK),
            (answer, _) => answer,
        }
    }

    fn openat2(&self, directory: LinuxFd, path: &[u8], opening: &Opening) -> LinuxResult<LinuxFd> {
        if opening.stays_beneath && path.starts_with(b"/") {
            return Err(Errno::EXDEV);
        }
        let mut answer = Err(Errno::EAGAIN);
        for _ in 0..TRIES {
            answer = self.ask(directory, path, opening);
            if answer != Err(Errno::EAGAIN) {
                break;
            }
        }
        answer
    }

    /// One answer of Linux's. Where neither `..` nor a link is on the way, no bounds are needed, and looking up without
    /// them is cheaper; where there was a link lately, they are asked for at once.
    #[inline(always)]
    fn ask(&self, directory: LinuxFd, path: &[u8], opening: &Opening) -> LinuxResult<LinuxFd> {
        let (start, resolve) = match path.first() {
            Some(b'/') => (self.root, flags::RESOLVE_IN_ROOT),
            _ => (directory, flags::RESOLVE_BENEATH),
        };
        if let Some(path) = downward(path).filter(|_| !self.state.expects_links()) {
            let without_links = Opening { refuses_links: true, ..*opening };
            match linux::descriptor::openat2(self.kernel, start, path, &without_links.how(0)) {
                Err(Errno::ELOOP) if !opening.refuses_links => self.state.saw_link(),
                answer => return answer,
            }
        }
        linux::descriptor::openat2(self.kernel, start, path, &opening.how(resolve))
    }

    /// Opens or makes a file where a link on the way may lead to the exit: in one call without links, in a parent that
    /// is known otherwise.
    #[inline(never)]
    fn create_beside_exit(
        &self,
        directory: LinuxFd,
        path: &mut [u8],
        opening: &Opening,
    ) -> LinuxResult<LinuxFd> {
        match self.directly(directory, path, &Opening { refuses_links: true, ..*opening }) {
            Err(WALK) => return self.walk_open(directory, path, opening),
            Err(Errno::ELOOP) if !opening.refuses_links => {}
            other => return other,
        }
        let Some(leaf) = plain_leaf(path) else { return self.walk_open(directory, path, opening) };
        let Ok(parent) = self.find_parent(directory, path, leaf, opening) else {
            return self.walk_open(directory, path, opening);
        };
        let name = path.get(leaf..).unwrap_or(b"\0");
        self.create_in(&parent, name, opening)
    }

    /// Opens or makes a file where another spelling of its name is the same file.
    #[inline(never)]
    fn create_folded(&self, directory: LinuxFd, path: &mut [u8], opening: &Opening) -> LinuxResult<LinuxFd> {
        let exclusive = opening.has(flags::O_EXCL);
        if path.ends_with(b"/\0") {
            return self.walk_open(directory, path, opening);
        }
        if !exclusive {
            let existing = Opening { flags: opening.flags & !flags::O_CREAT, ..*opening };
            match self.directly(directory, path, &existing) {
                Err(Errno::ENOENT) => {}
                Ok(found) if !existing.writes() => return self.unless_directory(found),
                Ok(found) => return Ok(found),
                // Linux may say something else where a file is to be made: of a slash at the end of a link, say.
                Err(_) => return self.walk_open(directory, path, opening),
            }
        }
        let Some(leaf) = plain_leaf(path) else { return self.walk_open(directory, path, opening) };
        let Ok(parent) = self.find_parent(directory, path, leaf, opening) else {
            return self.walk_open(directory, path, opening);
        };
        let leaf = path.get_mut(leaf..).unwrap_or_default();
        match self.respell_leaf(&parent, leaf)? {
            true if exclusive => Err(Errno::EEXIST),
            true => self.walk_open(parent.file(), leaf, opening),
            false => self.create_in(&parent, leaf, opening),
        }
    }

    /// Whether a directory has a name in some spelling, which is put in its place if it is as long. The name has a
    /// terminator.
    #[inline(never)]
    pub(super) fn respell_leaf(&self, directory: &Handle<'a, K>, leaf: &mut [u8]) -> LinuxResult<bool> {
        let mut name = Name::new();
        name.set(leaf.strip_suffix(b"\0").unwrap_or(leaf));
        let found = self.respell(directory.file(), &mut name)?;
        if found && name.with_nul().len() == leaf.len() {
            leaf.copy_from_slice(name.with_nul());
        }
        Ok(found)
    }

    /// A directory cannot be made by an open, not even where it is there already.
    fn unless_directory(&self, found: LinuxFd) -> LinuxResult<LinuxFd> {
        let found = Handle::owned(self.kernel, found);
        if Identity::of(self.kernel, found.file())?.is_directory {
            return Err(Errno::EISDIR);
        }
        Ok(found.keep())
    }

    /// Opens or makes a file in a directory. `name` is one component with its terminator.
    fn create_in(&self, parent: &Handle<'a, K>, name: &[u8], opening: &Opening) -> LinuxResult<LinuxFd> {
        let wanted = opening.flags | flags::O_NOFOLLOW;
        match linux::descriptor::openat(self.kernel, parent.file(), name, wanted, opening.mode) {
            Err(Errno::ELOOP) if opening.follows() && !opening.refuses_links => {
                self.walk_open(parent.file(), name, opening)
            }
            other => other,
        }
    }

    /// A name that is not there as it is spelled: looks for it below its parent, if that is there.
    #[inline(never)]
    pub(super) fn open_folded(
        &self,
        directory: LinuxFd,
        path: &mut [u8],
        opening: &Opening,
    ) -> LinuxResult<LinuxFd> {
        let Some(leaf) = plain_leaf(path) else { return self.walk_open(directory, path, opening) };
        let Ok(parent) = self.find_parent(directory, path, leaf, opening) else {
            return self.walk_open(directory, path, opening);
        };
        let leaf = path.get_mut(leaf..).unwrap_or_default();
        if !self.respell_leaf(&parent, leaf)? {
            return Err(Errno::ENOENT);
        }
        match self.directly(parent.file(), leaf, opening) {
            // A link that leads elsewhere, or a spelling of another length.
            Err(WALK | Errno::ENOENT) => self.walk_open(parent.file(), leaf, opening),
            other => other,
        }
    }

    /// Opens the directory that a path's last component, which begins at `leaf`, is in.
    pub(crate) fn open_parent(
        &self,
        directory: LinuxFd,
        path: &mut [u8],
        leaf: usize,
        refuses_links: bool,
    ) -> LinuxResult<Handle<'a, K>> {
        let opening = Opening::directory(refuses_links);
        self.at_parent(directory, path, leaf, |parent| self.open(directory, parent, &opening))
    }

    /// The same, by the road of one call.
    pub(super) fn find_parent(
        &self,
        directory: LinuxFd,
        path: &mut [u8],
        leaf: usize,
        opening: &Opening,
    ) -> LinuxResult<Handle<'a, K>> {
        let opening = Opening::directory(opening.refuses_links);
        self.at_parent(directory, path, leaf, |parent| self.directly(directory, parent, &opening))
    }

    /// Opens the parent of the component that begins at `leaf`, if that takes an open.
    #[inline(always)]
    fn at_parent(
        &self,
        directory: LinuxFd,
        path: &mut [u8],
        leaf: usize,
        open: impl FnOnce(&mut [u8]) -> LinuxResult<LinuxFd>,
    ) -> LinuxResult<Handle<'a, K>> {
        let Some(end) = leaf.checked_sub(1) else { return Ok(Handle::borrowed(self.kernel, directory)) };
        let parent = path.get_mut(..leaf).unwrap_or_default();
        if parent.iter().all(|byte| *byte == b'/') {
            return Ok(self.root_handle());
        }
        // The slash before the component ends the parent meanwhile.
        if let Some(slash) = parent.get_mut(end) {
            *slash = 0;
        }
        let opened = open(parent);
        if let Some(slash) = parent.get_mut(end) {
            *slash = b'/';
        }
        Ok(Handle::owned(self.kernel, opened?))
    }

    /// The road name by name.
    #[inline(never)]
    fn walk_open(&self, directory: LinuxFd, path: &[u8], opening: &Opening) -> LinuxResult<LinuxFd> {
        let path = path.strip_suffix(b"\0").unwrap_or(path);
        let kernel = self.kernel;
        let follow = opening.follows();
        let last = if opening.has(flags::O_CREAT) { Last::File { follow } } else { Last::Object { follow } };
        let mut name = Name::new();
        for _ in 0..TRIES {
            let end = Walk::new(*self, directory, path, opening.refuses_links).run(path, last, &mut name)?;
            if !end.has_name {
                return self.reopen(&end.directory, opening);
            }
            let mut wanted = opening.flags;
            if !end.is_magic {
                wanted |= flags::O_NOFOLLOW;
            }
            if end.must_be_directory {
                wanted |= flags::O_DIRECTORY;
            }
            let directory = end.directory.file();
            match linux::descriptor::openat(kernel, directory, name.with_nul(), wanted, opening.mode) {
                // It has become a link meanwhile.
                Err(Errno::ELOOP) if follow && !opening.refuses_links && !end.is_magic => {}
                other => return other,
            }
        }
        Err(Errno::ELOOP)
    }

    /// Opens a directory that was found.
    #[inline(never)]
    fn reopen(&self, found: &Handle<'a, K>, opening: &Opening) -> LinuxResult<LinuxFd> {
        let (kernel, wanted) = (self.kernel, opening.flags & !flags::O_NOFOLLOW);
        match linux::descriptor::openat(kernel, found.file(), b".\0", wanted, opening.mode) {
            // The name "." needs the right to search, which the path did not need.
            Err(Errno::EACCES) => {
                let link = host_path::link(found.file());
                linux::descriptor::openat(kernel, LinuxFd::CWD, &link, wanted, opening.mode)
            }
            other => other,
        }
    }
}

/// A path relative to where it starts, if it can lead nowhere but down from there when no link is followed.
#[inline(always)]
fn downward(path: &[u8]) -> Option<&[u8]> {
    let from = path.iter().position(|byte| *byte != b'/')?;
    let relative = path.get(from..)?;
    // All pairs, without a way out, since that takes several at a time.
    let climbs = relative.windows(2).fold(false, |found, pair| found | (pair == b".."));
    (!climbs && relative != b"\0").then_some(relative)
}

/// Where the last component of a path begins, if it is an ordinary name with nothing behind it. `path` ends with its
/// terminator.
pub(super) fn plain_leaf(path: &[u8]) -> Option<usize> {
    let bare = path.strip_suffix(b"\0").unwrap_or(path);
    let leaf = bare.rsplit(|byte| *byte == b'/').next()?;
    let is_plain = !leaf.is_empty() && leaf != b"." && leaf != b".." && leaf.len() <= NAME_MAX;
    is_plain.then(|| bare.len().wrapping_sub(leaf.len()))
}
