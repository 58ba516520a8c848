//! The file tree: inodes, path resolution, permissions, and the calls that work on names.

mod attributes;
pub(crate) mod inode;
mod open;
mod stat;
mod tree;
mod walk;
mod xattr;

use crate::state::State;
use inode::{Body, Ino};
use xnu_abi::linux::Errno;

/// What is asked of a file's permission bits.
pub(crate) const EXEC: u32 = 1;
pub(crate) const WRITE: u32 = 2;
pub(crate) const READ: u32 = 4;

pub(crate) const S_ISUID: u32 = 0o4000;
pub(crate) const S_ISGID: u32 = 0o2000;
pub(crate) const S_ISVTX: u32 = 0o1000;
const S_IXGRP: u32 = 0o010;

/// The switches `fs.protected_*` (`Documentation/admin-guide/sysctl/fs.rst`); the default is what systemd sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Protections {
    /// Links only to files that are the caller's own or that it could write.
    pub hardlinks: bool,
    /// In sticky world-writable directories, no following of links that neither caller nor directory owner owns.
    pub symlinks: bool,
    /// There, no `O_CREAT` open of such fifos; 2: in group-writable sticky directories too.
    pub fifos: u8,
    /// The same for regular files.
    pub regular: u8,
}

impl Default for Protections {
    fn default() -> Protections {
        Protections { hardlinks: true, symlinks: true, fifos: 1, regular: 2 }
    }
}

impl State {
    /// Whether a link at the end of a path may be followed.
    fn may_follow(&self, dir: Ino, link: Ino) -> Result<(), Errno> {
        let (dir, link) = (self.inodes.get(dir), self.inodes.get(link));
        let shared = dir.perm & (S_ISVTX | 0o002) == S_ISVTX | 0o002;
        let foreign = link.uid != self.process.credentials.euid && link.uid != dir.uid;
        if self.protections.symlinks && shared && foreign { Err(Errno::EACCES) } else { Ok(()) }
    }

    /// Whether an existing file may be opened with `O_CREAT`, as far as its directory is sticky.
    fn may_open_in_sticky(&self, dir: Ino, ino: Ino) -> Result<(), Errno> {
        let (dir, inode) = (self.inodes.get(dir), self.inodes.get(ino));
        let level = match inode.body {
            Body::File(_) => self.protections.regular,
            Body::Fifo(_) => self.protections.fifos,
            // Other types have no switch of their own: protected where everyone may write.
            _ => 1,
        };
        let foreign = inode.uid != self.process.credentials.euid && inode.uid != dir.uid;
        let shared = dir.perm & 0o002 != 0 && level >= 1 || dir.perm & 0o020 != 0 && level >= 2;
        if dir.perm & S_ISVTX != 0 && foreign && shared { Err(Errno::EACCES) } else { Ok(()) }
    }

    /// Whether the process may do as it likes (`CAP_DAC_OVERRIDE`, `CAP_FOWNER`, …, all with uid 0).
    pub(crate) fn capable(&self) -> bool {
        self.process.credentials.euid == 0
    }

    /// Checks permission bits with the effective ids.
    pub(crate) fn may(&self, ino: Ino, want: u32) -> Result<(), Errno> {
        let (uid, gid) = (self.process.credentials.euid, self.process.credentials.egid);
        self.may_as(ino, want, uid, gid)
    }

    /// Checks permission bits with the given ids and the process's groups.
    pub(crate) fn may_as(&self, ino: Ino, want: u32, uid: u32, gid: u32) -> Result<(), Errno> {
        let inode = self.inodes.get(ino);
        let bits = if inode.uid == uid {
            inode.perm >> 6
        } else if inode.gid == gid || self.process.credentials.groups.contains(&inode.gid) {
            inode.perm >> 3
        } else {
            inode.perm
        };
        if bits & want == want {
            return Ok(());
        }
        // Root may not execute what nobody may.
        let root_may = inode.is_dir() || want & EXEC == 0 || inode.perm & 0o111 != 0;
        if uid == 0 && root_may { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// Whether the process owns the file or may act as if.
    pub(crate) fn owns(&self, ino: Ino) -> bool {
        self.capable() || self.inodes.get(ino).uid == self.process.credentials.euid
    }

    /// Whether the process belongs to a group.
    pub(crate) fn in_group(&self, gid: u32) -> bool {
        let credentials = &self.process.credentials;
        credentials.egid == gid || credentials.groups.contains(&gid)
    }

    /// Marks contents as changed now.
    pub(crate) fn touch(&mut self, ino: Ino) {
        let now = self.clock.now();
        let inode = self.inodes.get_mut(ino);
        (inode.mtime, inode.ctime) = (now, now);
    }

    /// Marks the inode itself as changed now.
    pub(crate) fn touch_ctime(&mut self, ino: Ino) {
        self.inodes.get_mut(ino).ctime = self.clock.now();
    }

    /// Marks as read now, as `relatime` does.
    pub(crate) fn touch_atime(&mut self, ino: Ino) {
        let now = self.clock.now();
        let inode = self.inodes.get_mut(ino);
        if inode.atime <= inode.mtime || inode.atime <= inode.ctime || now.sec - inode.atime.sec >= 86_400 {
            inode.atime = now;
        }
    }

    /// Makes an inode in a directory, with owner and group as Linux chooses them. `perm` has the umask applied.
    pub(crate) fn make_in(&mut self, dir: Ino, body: Body, mut perm: u32) -> Ino {
        let is_dir = matches!(body, Body::Directory(_));
        let is_link = matches!(body, Body::Symlink(_));
        let parent = self.inodes.get(dir);
        let (dev, mut gid) = (parent.dev, self.process.credentials.egid);
        if parent.perm & S_ISGID != 0 {
            gid = parent.gid;
            if is_dir {
                perm |= S_ISGID;
            } else if perm & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP
                && !self.in_group(gid)
                && !self.capable()
            {
                perm &= !S_ISGID;
            }
        }
        if is_link {
            perm = 0o777;
        }
        let now = self.clock.now();
        self.inodes.make(body, perm, self.process.credentials.euid, gid, dev, now)
    }

    /// Gives an inode a name.
    pub(crate) fn attach(&mut self, dir: Ino, name: &[u8], ino: Ino) -> Result<(), Errno> {
        self.inodes.dir_mut(dir)?.insert(name, ino);
        if self.inodes.get(ino).is_dir() {
            self.inodes.get_mut(dir).nlink += 1;
        } else {
            self.inodes.get_mut(ino).nlink += 1;
        }
        self.touch(dir);
        Ok(())
    }

    /// Takes a name away from a file that is not a directory.
    pub(crate) fn detach(&mut self, dir: Ino, name: &[u8]) -> Result<(), Errno> {
        let Some(ino) = self.inodes.dir_mut(dir)?.remove(name) else { return Err(Errno::ENOENT) };
        self.descriptors.mark_deleted(dir, name, ino);
        self.inodes.get_mut(ino).nlink -= 1;
        self.touch_ctime(ino);
        self.touch(dir);
        self.release(ino);
        Ok(())
    }

    /// Takes away an empty directory.
    pub(crate) fn detach_dir(&mut self, dir: Ino, name: &[u8]) -> Result<(), Errno> {
        let Some(ino) = self.inodes.dir_mut(dir)?.remove(name) else { return Err(Errno::ENOENT) };
        self.inodes.dir_mut(ino)?.dead = true;
        self.inodes.get_mut(ino).nlink = 0;
        self.inodes.get_mut(dir).nlink -= 1;
        self.removed_names.insert(ino, name.to_vec());
        self.touch_ctime(ino);
        self.touch(dir);
        self.release(ino);
        Ok(())
    }

    /// Frees an inode that has no name and that nothing refers to.
    pub(crate) fn release(&mut self, ino: Ino) {
        if !self.inodes.exists(ino) {
            return;
        }
        let inode = self.inodes.get(ino);
        let in_use = inode.nlink > 0
            || self.descriptors.refers_to(ino)
            || self.process.cwd == ino
            || self.process.root == ino
            || self.inodes.iter().any(|(child, other)| {
                child != ino && other.directory().is_some_and(|directory| directory.parent == ino)
            });
        if in_use {
            return;
        }
        let parent = inode.directory().map(|directory| directory.parent);
        self.inodes.remove(ino);
        self.removed_names.remove(&ino);
        if let Some(parent) = parent {
            self.release(parent);
        }
    }
}
