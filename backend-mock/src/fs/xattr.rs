//! Extended attributes: a map per inode, with Linux's rules for names and namespaces (`man 7 xattr`). Names are checked
//! before descriptors, as since Linux 6.13.

use super::S_ISVTX;
use super::inode::{Ino, PIPEFS_DEV};
use crate::args::Args;
use crate::state::{Answer, State};
use linux_raw_sys::general::{AT_FDCWD, XATTR_CREATE, XATTR_REPLACE, XATTR_SIZE_MAX};
use xnu_abi::linux::{Errno, Sysno};

const XATTR_NAME_MAX: usize = 255;

impl State {
    /// The file that the call is about: by path, by link or by descriptor.
    fn xattr_target(&mut self, a: &Args<'_, '_>) -> Result<Ino, Errno> {
        let follow = match a.nr() {
            Sysno::Fgetxattr | Sysno::Fsetxattr | Sysno::Flistxattr | Sysno::Fremovexattr => {
                return Ok(self.descriptors.file(a.int(0))?.ino);
            }
            Sysno::Lgetxattr | Sysno::Lsetxattr | Sysno::Llistxattr | Sysno::Lremovexattr => false,
            _ => true,
        };
        let path = a.path(&self.memory, 0)?;
        Ok(self.lookup(AT_FDCWD, &path, follow, false)?.ino)
    }

    fn xattr_name(&self, a: &Args<'_, '_>) -> Result<Vec<u8>, Errno> {
        match a.string(&self.memory, 1, XATTR_NAME_MAX + 1)? {
            Some(name) if !name.is_empty() => Ok(name),
            _ => Err(Errno::ERANGE),
        }
    }

    /// What namespace and file type allow, before any attribute is looked up.
    fn xattr_permission(&self, ino: Ino, name: &[u8], write: bool) -> Result<(), Errno> {
        let denied = if write { Errno::EPERM } else { Errno::ENODATA };
        if write && self.is_frozen(ino) {
            return Err(Errno::EPERM);
        }
        let inode = self.inodes.get(ino);
        let suffix = if let Some(suffix) = name.strip_prefix(b"user.") {
            if !inode.is_file() && !inode.is_dir() {
                return Err(denied);
            }
            let sticky = inode.is_dir() && inode.perm & S_ISVTX != 0;
            if write && sticky && !self.owns(ino) {
                return Err(Errno::EPERM);
            }
            if write {
                self.may_write(ino)?
            } else {
                self.may_read(ino)?
            }
            suffix
        } else if let Some(suffix) = name.strip_prefix(b"trusted.") {
            if !self.capable() {
                return Err(denied);
            }
            suffix
        } else if let Some(suffix) = name.strip_prefix(b"security.") {
            if write && !self.capable() {
                return Err(Errno::EPERM);
            }
            suffix
        } else {
            // Names that no filesystem knows are still subject to the permission bits, but for `system.`.
            if !name.starts_with(b"system.") {
                if write { self.may_write(ino)? } else { self.may_read(ino)? }
            }
            return Err(Errno::EOPNOTSUPP);
        };
        if inode.dev == PIPEFS_DEV {
            return Err(Errno::EOPNOTSUPP);
        }
        if suffix.is_empty() { Err(Errno::EINVAL) } else { Ok(()) }
    }

    pub(crate) fn getxattr(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let name = self.xattr_name(a)?;
        let ino = self.xattr_target(a)?;
        self.xattr_permission(ino, &name, false)?;
        let value = self.inodes.get(ino).xattrs.get(&name).ok_or(Errno::ENODATA)?.clone();
        self.give(a, 2, 3, &value)
    }

    /// Copies a value out; size 0 asks for its length.
    fn give(&mut self, a: &mut Args<'_, '_>, buffer: usize, size: usize, value: &[u8]) -> Answer {
        match a.num(size) as usize {
            0 => Ok(value.len()),
            room if room < value.len() => Err(Errno::ERANGE),
            _ => {
                a.write(&mut self.memory, buffer, value)?;
                Ok(value.len())
            }
        }
    }

    pub(crate) fn setxattr(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (size, flags) = (a.num(3) as usize, a.uint(4));
        if flags & !(XATTR_CREATE | XATTR_REPLACE) != 0 {
            return Err(Errno::EINVAL);
        }
        let name = self.xattr_name(a)?;
        if size > XATTR_SIZE_MAX as usize {
            return Err(Errno::E2BIG);
        }
        let value = a.read(&self.memory, 2, size)?;
        let ino = self.xattr_target(a)?;
        self.xattr_permission(ino, &name, true)?;
        let exists = self.inodes.get(ino).xattrs.contains_key(&name);
        if flags & XATTR_REPLACE != 0 && !exists {
            return Err(Errno::ENODATA);
        }
        if flags & XATTR_CREATE != 0 && exists {
            return Err(Errno::EEXIST);
        }
        self.inodes.get_mut(ino).xattrs.insert(name, value);
        self.touch_ctime(ino);
        Ok(0)
    }

    pub(crate) fn listxattr(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.xattr_target(a)?;
        let trusted = self.capable();
        let mut list = Vec::new();
        for name in self.inodes.get(ino).xattrs.keys() {
            if trusted || !name.starts_with(b"trusted.") {
                list.extend(name);
                list.push(0);
            }
        }
        self.give(a, 1, 2, &list)
    }

    pub(crate) fn removexattr(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let name = self.xattr_name(a)?;
        let ino = self.xattr_target(a)?;
        self.xattr_permission(ino, &name, true)?;
        self.inodes.get_mut(ino).xattrs.remove(&name).ok_or(Errno::ENODATA)?;
        self.touch_ctime(ino);
        Ok(0)
    }
}
