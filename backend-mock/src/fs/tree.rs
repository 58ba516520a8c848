//! Calls that make, remove and move names.

use super::inode::{Body, Device, Directory, Ino};
use super::walk::{Last, Parent};
use super::{EXEC, READ, S_ISGID, S_ISUID, S_ISVTX, WRITE};
use crate::args::Args;
use crate::pipe::Pipe;
use crate::state::{Answer, State};
use linux_raw_sys::general::{
    AT_EMPTY_PATH, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT,
    S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK,
};
use xnu_abi::linux::{Errno, Sysno};

impl State {
    /// Resolves the directory of a path whose last component is to be made or removed.
    fn parent_at(&mut self, dfd: i32, path: &[u8]) -> Result<Parent, Errno> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        let mut walk = self.walk(dfd, path, 0)?;
        self.walk_parent(&mut walk)
    }

    /// Resolves the place for a new name: it must be free, and a trailing slash is for directories only.
    fn place_for(&mut self, dfd: i32, path: &[u8], is_dir: bool) -> Result<(Ino, Vec<u8>), Errno> {
        let parent = self.parent_at(dfd, path)?;
        let Last::Normal(name) = parent.last else { return Err(Errno::EEXIST) };
        if self.child(parent.dir, &name)?.is_some() {
            return Err(Errno::EEXIST);
        }
        if parent.slash && !is_dir {
            return Err(Errno::ENOENT);
        }
        Ok((parent.dir, name))
    }

    /// Whether a name may be made in a directory.
    pub(super) fn may_create(&self, dir: Ino) -> Result<(), Errno> {
        self.may(dir, WRITE | EXEC)
    }

    /// Whether a name may be taken away: the directory's bits, then the sticky bit, then the type.
    fn may_delete(&self, dir: Ino, victim: Ino, want_dir: bool) -> Result<(), Errno> {
        self.may(dir, WRITE | EXEC)?;
        let parent = self.inodes.get(dir);
        let inode = self.inodes.get(victim);
        let uid = self.process.credentials.euid;
        if parent.perm & S_ISVTX != 0 && inode.uid != uid && parent.uid != uid && !self.capable() {
            return Err(Errno::EPERM);
        }
        match (want_dir, inode.is_dir()) {
            (true, false) => Err(Errno::ENOTDIR),
            (false, true) => Err(Errno::EISDIR),
            (true, true) if victim == self.process.root => Err(Errno::EBUSY),
            _ => Ok(()),
        }
    }

    pub(crate) fn mkdirat(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let path = a.path(&self.memory, 1)?;
        let (dir, name) = self.place_for(a.int(0), &path, true)?;
        self.may_create(dir)?;
        let perm = a.uint(2) & (S_ISVTX | 0o777) & !self.process.umask;
        let ino = self.make_in(dir, Body::Directory(Directory::new(dir)), perm);
        self.attach(dir, &name, ino)?;
        Ok(0)
    }

    pub(crate) fn mknodat(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (mode, rdev) = (a.uint(2), u64::from(a.uint(3)));
        let kind = mode & S_IFMT;
        match kind {
            0 | S_IFREG | S_IFCHR | S_IFBLK | S_IFIFO | S_IFSOCK => {}
            S_IFDIR => return Err(Errno::EPERM),
            _ => return Err(Errno::EINVAL),
        }
        let path = a.path(&self.memory, 1)?;
        let (dir, name) = self.place_for(a.int(0), &path, false)?;
        self.may_create(dir)?;
        let body = match kind {
            S_IFIFO => Body::Fifo(Pipe::new()),
            S_IFSOCK => Body::Socket,
            // 0,0 is a whiteout, which anyone may make.
            S_IFCHR | S_IFBLK if !self.capable() && (kind == S_IFBLK || rdev != 0) => {
                return Err(Errno::EPERM);
            }
            S_IFCHR | S_IFBLK => Body::Device(Device::from_number(kind == S_IFBLK, rdev)),
            _ => Body::File(Default::default()),
        };
        let ino = self.make_in(dir, body, mode & 0o7777 & !self.process.umask);
        self.attach(dir, &name, ino)?;
        Ok(0)
    }

    pub(crate) fn symlinkat(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let target = a.path(&self.memory, 0)?;
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        let path = a.path(&self.memory, 2)?;
        let (dir, name) = self.place_for(a.int(1), &path, false)?;
        self.may_create(dir)?;
        let ino = self.make_in(dir, Body::Symlink(target), 0o777);
        self.attach(dir, &name, ino)?;
        Ok(0)
    }

    pub(crate) fn linkat(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let flags = a.uint(4);
        if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let old = a.path(&self.memory, 1)?;
        let empty = flags & AT_EMPTY_PATH != 0;
        // An empty path needs no privilege since Linux 6.10: the descriptor was opened with the same credentials.
        let found = self.lookup(a.int(0), &old, flags & AT_SYMLINK_FOLLOW != 0, empty)?;
        let new = a.path(&self.memory, 3)?;
        let (dir, name) = self.place_for(a.int(2), &new, false)?;
        let inode = self.inodes.get(found.ino);
        if inode.dev != self.inodes.get(dir).dev {
            return Err(Errno::EXDEV);
        }
        self.may_link(found.ino)?;
        self.may_create(dir)?;
        let inode = self.inodes.get(found.ino);
        if inode.is_dir() {
            return Err(Errno::EPERM);
        }
        if inode.nlink == 0 && !self.descriptors.is_linkable(found.ino) {
            return Err(Errno::ENOENT);
        }
        self.attach(dir, &name, found.ino)?;
        self.touch_ctime(found.ino);
        Ok(0)
    }

    /// `fs.protected_hardlinks`: links only to files that are the caller's own or that it could change anyway.
    fn may_link(&self, ino: Ino) -> Result<(), Errno> {
        if !self.protections.hardlinks || self.owns(ino) {
            return Ok(());
        }
        let inode = self.inodes.get(ino);
        let set_id = inode.perm & S_ISUID != 0 || inode.perm & (S_ISGID | 0o010) == S_ISGID | 0o010;
        let safe = inode.is_file() && !set_id && self.may(ino, READ | WRITE).is_ok();
        if safe { Ok(()) } else { Err(Errno::EPERM) }
    }

    pub(crate) fn unlinkat(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let flags = a.uint(2);
        if flags & !AT_REMOVEDIR != 0 {
            return Err(Errno::EINVAL);
        }
        let path = a.path(&self.memory, 1)?;
        let parent = self.parent_at(a.int(0), &path)?;
        if flags & AT_REMOVEDIR != 0 { self.rmdir(parent) } else { self.unlink(parent) }
    }

    fn unlink(&mut self, parent: Parent) -> Answer {
        let Last::Normal(name) = parent.last else { return Err(Errno::EISDIR) };
        let victim = self.child(parent.dir, &name)?.ok_or(Errno::ENOENT)?;
        if parent.slash {
            let is_dir = self.inodes.get(victim).is_dir();
            return Err(if is_dir { Errno::EISDIR } else { Errno::ENOTDIR });
        }
        self.may_delete(parent.dir, victim, false)?;
        self.detach(parent.dir, &name)?;
        Ok(0)
    }

    fn rmdir(&mut self, parent: Parent) -> Answer {
        let name = match parent.last {
            Last::DotDot => return Err(Errno::ENOTEMPTY),
            Last::Dot => return Err(Errno::EINVAL),
            Last::Root => return Err(Errno::EBUSY),
            Last::Normal(name) => name,
        };
        let victim = self.child(parent.dir, &name)?.ok_or(Errno::ENOENT)?;
        self.may_delete(parent.dir, victim, true)?;
        if !self.inodes.dir(victim)?.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.detach_dir(parent.dir, &name)?;
        Ok(0)
    }

    pub(crate) fn renameat(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let flags = if a.nr() == Sysno::Renameat2 { a.uint(4) } else { 0 };
        let exchange = flags & RENAME_EXCHANGE != 0;
        if flags & !(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT) != 0
            || exchange && flags & (RENAME_NOREPLACE | RENAME_WHITEOUT) != 0
        {
            return Err(Errno::EINVAL);
        }
        let old_path = a.path(&self.memory, 1)?;
        let old = self.parent_at(a.int(0), &old_path)?;
        let new_path = a.path(&self.memory, 3)?;
        let new = self.parent_at(a.int(2), &new_path)?;
        if self.inodes.get(old.dir).dev != self.inodes.get(new.dir).dev {
            return Err(Errno::EXDEV);
        }
        let Last::Normal(old_name) = old.last else { return Err(Errno::EBUSY) };
        let Last::Normal(new_name) = new.last else {
            return Err(if flags & RENAME_NOREPLACE != 0 { Errno::EEXIST } else { Errno::EBUSY });
        };
        let source = self.child(old.dir, &old_name)?.ok_or(Errno::ENOENT)?;
        let target = self.child(new.dir, &new_name)?;
        let source_is_dir = self.inodes.get(source).is_dir();
        if flags & RENAME_NOREPLACE != 0 && target.is_some() {
            return Err(Errno::EEXIST);
        }
        if exchange {
            let target = target.ok_or(Errno::ENOENT)?;
            if new.slash && !self.inodes.get(target).is_dir() {
                return Err(Errno::ENOTDIR);
            }
        }
        if !source_is_dir && (old.slash || !exchange && new.slash) {
            return Err(Errno::ENOTDIR);
        }
        if self.is_within(new.dir, source) {
            return Err(Errno::EINVAL);
        }
        if let Some(target) = target
            && self.is_within(old.dir, target)
        {
            return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
        }
        if target == Some(source) {
            return Ok(0);
        }
        self.may_delete(old.dir, source, source_is_dir)?;
        match target {
            None => self.may_create(new.dir)?,
            Some(target) => {
                let want_dir = if exchange { self.inodes.get(target).is_dir() } else { source_is_dir };
                self.may_delete(new.dir, target, want_dir)?;
            }
        }
        // A directory that moves has its `..` rewritten.
        if old.dir != new.dir {
            if source_is_dir {
                self.may(source, WRITE)?;
            }
            if let Some(target) = target.filter(|&target| exchange && self.inodes.get(target).is_dir()) {
                self.may(target, WRITE)?;
            }
        }
        match target {
            Some(target) if exchange => {
                self.exchange((old.dir, &old_name, source), (new.dir, &new_name, target))?
            }
            _ => {
                self.replace((old.dir, &old_name, source), new.dir, &new_name, target)?;
                if flags & RENAME_WHITEOUT != 0 {
                    let body = Body::Device(Device::Other { block: false, rdev: 0 });
                    let whiteout = self.make_in(old.dir, body, 0);
                    self.attach(old.dir, &old_name, whiteout)?;
                }
            }
        }
        Ok(0)
    }

    /// Whether `dir` is `ancestor` or lies below it.
    fn is_within(&self, mut dir: Ino, ancestor: Ino) -> bool {
        loop {
            if dir == ancestor {
                return true;
            }
            match self.inodes.get(dir).directory() {
                Some(directory) if directory.parent != dir => dir = directory.parent,
                _ => return false,
            }
        }
    }

    /// Moves a name, over what was there.
    fn replace(
        &mut self,
        (old_dir, old_name, source): (Ino, &[u8], Ino),
        new_dir: Ino,
        new_name: &[u8],
        target: Option<Ino>,
    ) -> Result<(), Errno> {
        match target {
            Some(target) if self.inodes.get(target).is_dir() => {
                if !self.inodes.dir(target)?.is_empty() {
                    return Err(Errno::ENOTEMPTY);
                }
                self.detach_dir(new_dir, new_name)?;
            }
            Some(_) => self.detach(new_dir, new_name)?,
            None => {}
        }
        self.inodes.dir_mut(old_dir)?.remove(old_name);
        self.inodes.dir_mut(new_dir)?.insert(new_name, source);
        self.descriptors.renamed((old_dir, old_name), (new_dir, new_name), source);
        self.reparent(source, old_dir, new_dir)?;
        self.touch(old_dir);
        self.touch(new_dir);
        self.touch_ctime(source);
        Ok(())
    }

    fn exchange(&mut self, a: (Ino, &[u8], Ino), b: (Ino, &[u8], Ino)) -> Result<(), Errno> {
        self.inodes.dir_mut(a.0)?.replace(a.1, b.2);
        self.inodes.dir_mut(b.0)?.replace(b.1, a.2);
        self.descriptors.renamed((a.0, a.1), (b.0, b.1), a.2);
        self.descriptors.renamed((b.0, b.1), (a.0, a.1), b.2);
        self.reparent(a.2, a.0, b.0)?;
        self.reparent(b.2, b.0, a.0)?;
        for ino in [a.0, b.0] {
            self.touch(ino);
        }
        for ino in [a.2, b.2] {
            self.touch_ctime(ino);
        }
        Ok(())
    }

    /// Points the `..` of a moved directory at its new parent.
    fn reparent(&mut self, moved: Ino, from: Ino, to: Ino) -> Result<(), Errno> {
        if from != to && self.inodes.get(moved).is_dir() {
            self.inodes.dir_mut(moved)?.parent = to;
            self.inodes.get_mut(from).nlink -= 1;
            self.inodes.get_mut(to).nlink += 1;
        }
        Ok(())
    }

    pub(crate) fn chdir(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let path = a.path(&self.memory, 0)?;
        let ino = self.lookup(linux_raw_sys::general::AT_FDCWD, &path, true, false)?.ino;
        if !self.inodes.get(ino).is_dir() {
            return Err(Errno::ENOTDIR);
        }
        self.enter(ino)
    }

    pub(crate) fn fchdir(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.descriptors.file_any(a.int(0))?.ino;
        if !self.inodes.get(ino).is_dir() {
            return Err(Errno::ENOTDIR);
        }
        self.enter(ino)
    }

    fn enter(&mut self, ino: Ino) -> Answer {
        self.may(ino, EXEC)?;
        let before = std::mem::replace(&mut self.process.cwd, ino);
        self.release(before);
        Ok(0)
    }

    pub(crate) fn getcwd(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let cwd = self.process.cwd;
        if self.inodes.dir(cwd).is_ok_and(|directory| directory.dead) {
            return Err(Errno::ENOENT);
        }
        let mut path = self.path_of(cwd, &Default::default());
        path.push(0);
        if a.num(1) < path.len() as u64 {
            return Err(Errno::ERANGE);
        }
        a.write(&mut self.memory, 0, &path)?;
        Ok(path.len())
    }

    pub(crate) fn umask(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let before = std::mem::replace(&mut self.process.umask, a.uint(0) & 0o777);
        Ok(before as usize)
    }
}
