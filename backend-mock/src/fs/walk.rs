//! Path resolution, by the rules of `man 7 path_resolution` and of `fs/namei.c`.

use super::inode::{Body, Ino, MAGIC_INO, Magic};
use crate::descriptor::Dentry;
use crate::state::State;
use linux_raw_sys::general::{
    AT_FDCWD, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV,
};
use xnu_abi::linux::Errno;

/// Links that one resolution may follow.
const MAX_LINKS: u32 = 40;
/// Longest component.
const NAME_MAX: usize = 255;

/// The last component of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Last {
    /// There is none: the path was all slashes.
    Root,
    Dot,
    DotDot,
    Normal(Vec<u8>),
}

/// A path but for its last component.
#[derive(Clone, Debug)]
pub(crate) struct Parent {
    pub(crate) dir: Ino,
    pub(crate) last: Last,
    /// Slashes followed, so the whole must be a directory.
    pub(crate) slash: bool,
}

/// The object that a path names.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) ino: Ino,
    /// The name by which it was found; of no meaning for directories, which have only one.
    pub(crate) dentry: Dentry,
}

/// A resolution under way.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    root: Ino,
    at: Ino,
    rest: Vec<u8>,
    links: u32,
    resolve: u32,
    /// Linux looks the root up when it first needs it, and until then `RESOLVE_NO_XDEV` takes it for another mount.
    root_known: bool,
    /// The last component was a magic link, which may lead to anything.
    jumped: Option<Found>,
}

impl State {
    /// Starts a resolution. The path is not empty.
    pub(crate) fn walk(&self, dfd: i32, path: &[u8], resolve: u32) -> Result<Walk, Errno> {
        let scoped = resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT) != 0;
        let absolute = path.starts_with(b"/");
        let mut walk = Walk {
            root: self.process.root,
            at: self.process.root,
            rest: path.to_vec(),
            links: 0,
            resolve,
            root_known: absolute || scoped,
            jumped: None,
        };
        if absolute && resolve & RESOLVE_IN_ROOT == 0 {
            if resolve & RESOLVE_BENEATH != 0 {
                return Err(Errno::EXDEV);
            }
            return Ok(walk);
        }
        walk.at = if dfd == AT_FDCWD {
            self.process.cwd
        } else {
            let ino = self.descriptors.file_any(dfd)?.ino;
            if !self.inodes.get(ino).is_dir() {
                return Err(Errno::ENOTDIR);
            }
            ino
        };
        if scoped {
            walk.root = walk.at;
        }
        Ok(walk)
    }

    /// Resolves all but the last component.
    pub(crate) fn walk_parent(&mut self, walk: &mut Walk) -> Result<Parent, Errno> {
        loop {
            let start = walk.rest.iter().position(|&byte| byte != b'/').unwrap_or(walk.rest.len());
            walk.rest.drain(..start);
            if walk.rest.is_empty() {
                return Ok(Parent { dir: walk.at, last: Last::Root, slash: false });
            }
            self.may(walk.at, super::EXEC)?;
            let end = walk.rest.iter().position(|&byte| byte == b'/').unwrap_or(walk.rest.len());
            let name = walk.rest[..end].to_vec();
            let slash = end < walk.rest.len();
            let tail_at = walk.rest[end..].iter().position(|&byte| byte != b'/').map(|n| end + n);
            let last = match name.as_slice() {
                b"." => Last::Dot,
                b".." => Last::DotDot,
                _ => Last::Normal(name),
            };
            let Some(tail_at) = tail_at else {
                return Ok(Parent { dir: walk.at, last, slash });
            };
            walk.rest.drain(..tail_at);
            match last {
                Last::Root | Last::Dot => {}
                Last::DotDot => walk.at = self.parent_of(walk, walk.at)?,
                Last::Normal(name) => {
                    let child = self.child(walk.at, &name)?.ok_or(Errno::ENOENT)?;
                    if self.inodes.get(child).is_link() {
                        self.follow(walk, child, true)?;
                        if let Some(found) = walk.jumped.take() {
                            walk.at = found.ino;
                        }
                    } else {
                        self.cross(walk, walk.at, child)?;
                        walk.at = child;
                    }
                    if !self.inodes.get(walk.at).is_dir() {
                        return Err(Errno::ENOTDIR);
                    }
                }
            }
        }
    }

    /// Resolves all of the path, following the last component if `follow` or if slashes ask for a directory.
    pub(crate) fn walk_all(&mut self, walk: &mut Walk, follow: bool) -> Result<Found, Errno> {
        loop {
            let parent = self.walk_parent(walk)?;
            if let Some(found) = self.walk_last(walk, &parent, follow)? {
                if parent.slash && !self.inodes.get(found.ino).is_dir() {
                    return Err(Errno::ENOTDIR);
                }
                return Ok(found);
            }
        }
    }

    /// Resolves the last component; `None` when it was a link whose target is now to be walked.
    pub(crate) fn walk_last(
        &mut self,
        walk: &mut Walk,
        parent: &Parent,
        follow: bool,
    ) -> Result<Option<Found>, Errno> {
        let dentry = Dentry::default();
        match &parent.last {
            Last::Root | Last::Dot => Ok(Some(Found { ino: parent.dir, dentry })),
            Last::DotDot => Ok(Some(Found { ino: self.parent_of(walk, parent.dir)?, dentry })),
            Last::Normal(name) => {
                let ino = self.child(parent.dir, name)?.ok_or(Errno::ENOENT)?;
                if self.inodes.get(ino).is_link() && (follow || parent.slash) {
                    if walk.links < MAX_LINKS {
                        self.may_follow(parent.dir, ino)?;
                    }
                    walk.at = parent.dir;
                    walk.rest = Vec::new();
                    self.follow(walk, ino, parent.slash)?;
                    return Ok(walk.jumped.take());
                }
                self.cross(walk, parent.dir, ino)?;
                Ok(Some(Found { ino, dentry: Dentry::new(parent.dir, name) }))
            }
        }
    }

    /// Puts the target of a link in front of what is left of the path.
    fn follow(&mut self, walk: &mut Walk, link: Ino, slash: bool) -> Result<(), Errno> {
        if walk.links >= MAX_LINKS || walk.resolve & RESOLVE_NO_SYMLINKS != 0 {
            return Err(Errno::ELOOP);
        }
        walk.links += 1;
        let mut rest = match &self.inodes.get(link).body {
            Body::Symlink(target) => target.clone(),
            Body::Magic(magic) => {
                if walk.resolve & RESOLVE_NO_MAGICLINKS != 0 {
                    return Err(Errno::ELOOP);
                }
                if walk.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT) != 0 {
                    return Err(Errno::EXDEV);
                }
                let found = self.magic_target(*magic)?;
                self.cross(walk, link, found.ino)?;
                walk.jumped = Some(found);
                return Ok(());
            }
            _ => return Err(Errno::EINVAL),
        };
        if rest.starts_with(b"/") {
            if walk.resolve & RESOLVE_BENEATH != 0 {
                return Err(Errno::EXDEV);
            }
            if walk.resolve & RESOLVE_NO_XDEV != 0 && !walk.root_known {
                return Err(Errno::EXDEV);
            }
            self.cross(walk, walk.at, walk.root)?;
            (walk.at, walk.root_known) = (walk.root, true);
        }
        if slash {
            rest.push(b'/');
        }
        rest.append(&mut walk.rest);
        walk.rest = rest;
        Ok(())
    }

    /// What a magic link stands for.
    pub(crate) fn magic_target(&self, magic: Magic) -> Result<Found, Errno> {
        let ino = match magic {
            Magic::Cwd => self.process.cwd,
            Magic::Root => self.process.root,
            Magic::Fd(fd) => {
                let file = self.descriptors.file_any(fd).map_err(|_| Errno::ENOENT)?;
                return Ok(Found { ino: file.ino, dentry: file.dentry.clone() });
            }
        };
        Ok(Found { ino, dentry: Dentry::default() })
    }

    fn cross(&self, walk: &Walk, from: Ino, to: Ino) -> Result<(), Errno> {
        let same = self.inodes.get(from).dev == self.inodes.get(to).dev;
        if same || walk.resolve & RESOLVE_NO_XDEV == 0 { Ok(()) } else { Err(Errno::EXDEV) }
    }

    fn parent_of(&self, walk: &mut Walk, dir: Ino) -> Result<Ino, Errno> {
        walk.root_known = true;
        if dir == walk.root {
            return if walk.resolve & RESOLVE_BENEATH != 0 { Err(Errno::EXDEV) } else { Ok(dir) };
        }
        let parent = match self.inodes.get(dir).directory() {
            Some(directory) => directory.parent,
            // The only directory without names of its own lies in /proc/PID.
            None => self.process.proc_dir,
        };
        self.cross(walk, dir, parent)?;
        Ok(parent)
    }

    /// Looks a name up in a directory that may be searched.
    pub(crate) fn child(&mut self, dir: Ino, name: &[u8]) -> Result<Option<Ino>, Errno> {
        if matches!(self.inodes.get(dir).body, Body::ProcFd) {
            return Ok(self.proc_fd(name));
        }
        let directory = self.inodes.dir(dir)?;
        if directory.dead {
            return Err(Errno::ENOENT);
        }
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        Ok(directory.get(name))
    }

    /// The link in `/proc/self/fd` of an open descriptor.
    fn proc_fd(&mut self, name: &[u8]) -> Option<Ino> {
        let text = std::str::from_utf8(name).ok()?;
        let fd: i32 = text.parse().ok().filter(|fd: &i32| fd.to_string() == text)?;
        self.descriptors.file_any(fd).ok()?;
        let ino = MAGIC_INO + fd as u64;
        if !self.inodes.exists(ino) {
            let owner = (self.process.credentials.euid, self.process.credentials.egid);
            let now = self.clock.now();
            self.inodes.make_magic(ino, Magic::Fd(fd), owner, now);
        }
        Some(ino)
    }

    /// Resolves a path as most calls do. `empty` says whether `AT_EMPTY_PATH` was given.
    pub(crate) fn lookup(
        &mut self,
        dfd: i32,
        path: &[u8],
        follow: bool,
        empty: bool,
    ) -> Result<Found, Errno> {
        if path.is_empty() {
            return if empty { self.lookup_fd(dfd) } else { Err(Errno::ENOENT) };
        }
        let mut walk = self.walk(dfd, path, 0)?;
        self.walk_all(&mut walk, follow)
    }

    /// The object of a descriptor, or the working directory.
    pub(crate) fn lookup_fd(&self, dfd: i32) -> Result<Found, Errno> {
        if dfd == AT_FDCWD {
            return Ok(Found { ino: self.process.cwd, dentry: Dentry::default() });
        }
        let file = self.descriptors.file_any(dfd)?;
        Ok(Found { ino: file.ino, dentry: file.dentry.clone() })
    }

    /// The path of an object as `/proc/self/fd` and `getcwd` show it, below the process's root.
    pub(crate) fn path_of(&self, ino: Ino, dentry: &Dentry) -> Vec<u8> {
        let inode = self.inodes.get(ino);
        if let Body::Fifo(_) = inode.body
            && dentry.name.is_empty()
        {
            return format!("pipe:[{ino}]").into_bytes();
        }
        let mut deleted = dentry.deleted;
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let mut at = ino;
        if !inode.is_dir() {
            parts.push(dentry.name.clone());
            at = dentry.parent;
        }
        while at != self.process.root && at != super::inode::ROOT_INO {
            let inode = self.inodes.get(at);
            let (parent, dead, own) = match inode.directory() {
                Some(directory) => (directory.parent, directory.dead, None),
                None => (self.process.proc_dir, false, Some(b"fd".to_vec())),
            };
            deleted |= dead;
            let name = own.or_else(|| self.inodes.dir(parent).ok()?.name_of(at).map(<[u8]>::to_vec));
            parts.push(name.or_else(|| self.removed_names.get(&at).cloned()).unwrap_or_default());
            at = parent;
        }
        let mut path = Vec::new();
        for part in parts.iter().rev() {
            path.push(b'/');
            path.extend(part);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        if deleted {
            path.extend(b" (deleted)");
        }
        path
    }
}
