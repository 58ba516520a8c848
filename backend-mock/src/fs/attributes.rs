//! Calls that change owner, mode, times and length.

use super::inode::{Ino, MAX_FILE_LEN, ROOT_DEV};
use super::{S_ISGID, S_ISUID, S_IXGRP};
use crate::args::Args;
use crate::layout::field;
use crate::state::{Answer, State};
use crate::time::Timestamp;
use linux_raw_sys::general::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, timespec};
use xnu_abi::linux::{Errno, Sysno, flags};

const UTIME_NOW: u64 = 0x3fff_ffff;
const UTIME_OMIT: u64 = 0x3fff_fffe;

/// What to do with one of a file's times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NewTime {
    Now,
    Keep,
    At(Timestamp),
}

/// The attributes of `FS_IOC_SETFLAGS` that are kept.
pub(crate) const SETTABLE: u32 = flags::FS_IMMUTABLE_FL | flags::FS_APPEND_FL | flags::FS_NODUMP_FL;

impl State {
    /// Whether something was made immutable or append-only, so that what is known of it cannot change.
    pub(super) fn is_frozen(&self, ino: Ino) -> bool {
        self.inodes.get(ino).attributes & (flags::FS_IMMUTABLE_FL | flags::FS_APPEND_FL) != 0
    }

    /// `FS_IOC_GETFLAGS`.
    pub(crate) fn get_attributes(&self, ino: Ino) -> Result<u32, Errno> {
        let inode = self.inodes.get(ino);
        if !inode.is_file() && !inode.is_dir() || inode.dev != ROOT_DEV {
            return Err(Errno::ENOTTY);
        }
        Ok(inode.attributes)
    }

    /// `FS_IOC_SETFLAGS`.
    pub(crate) fn set_attributes(&mut self, ino: Ino, attributes: u32) -> Answer {
        let before = self.get_attributes(ino)?;
        if !self.owns(ino) {
            return Err(Errno::EACCES);
        }
        if attributes & !SETTABLE != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        if (attributes ^ before) & !flags::FS_NODUMP_FL != 0 && !self.capable() {
            return Err(Errno::EPERM);
        }
        self.inodes.get_mut(ino).attributes = attributes;
        self.touch_ctime(ino);
        Ok(0)
    }

    pub(crate) fn fchmod(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.descriptors.file(a.int(0))?.ino;
        self.set_mode(ino, a.uint(1))
    }

    pub(crate) fn fchmodat(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let flags = if a.nr() == Sysno::Fchmodat2 { a.uint(3) } else { 0 };
        if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let path = a.path(&self.memory, 1)?;
        let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
        let ino = self.lookup(a.int(0), &path, follow, flags & AT_EMPTY_PATH != 0)?.ino;
        self.set_mode(ino, a.uint(2))
    }

    fn set_mode(&mut self, ino: Ino, mode: u32) -> Answer {
        if !self.owns(ino) || self.is_frozen(ino) {
            return Err(Errno::EPERM);
        }
        if self.inodes.get(ino).is_link() {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut perm = mode & 0o7777;
        if !self.capable() && !self.in_group(self.inodes.get(ino).gid) {
            perm &= !S_ISGID;
        }
        self.inodes.get_mut(ino).perm = perm;
        self.touch_ctime(ino);
        Ok(0)
    }

    pub(crate) fn fchown(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.descriptors.file(a.int(0))?.ino;
        self.set_owner(ino, a.uint(1), a.uint(2))
    }

    pub(crate) fn fchownat(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let flags = a.uint(4);
        if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let path = a.path(&self.memory, 1)?;
        let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
        let ino = self.lookup(a.int(0), &path, follow, flags & AT_EMPTY_PATH != 0)?.ino;
        self.set_owner(ino, a.uint(2), a.uint(3))
    }

    /// `u32::MAX` leaves an id as it is.
    fn set_owner(&mut self, ino: Ino, uid: u32, gid: u32) -> Answer {
        let inode = self.inodes.get(ino);
        let own = inode.uid == self.process.credentials.euid;
        let uid_fine = uid == u32::MAX || own && uid == inode.uid;
        let gid_fine = gid == u32::MAX || own && (gid == inode.gid || self.in_group(gid));
        let allowed = self.capable() || uid_fine && gid_fine;
        if !allowed || self.is_frozen(ino) {
            return Err(Errno::EPERM);
        }
        if !self.inodes.get(ino).is_dir() {
            let keep_sgid = self.capable() || self.in_group(self.inodes.get(ino).gid);
            let perm = &mut self.inodes.get_mut(ino).perm;
            // Without group execute, set-gid once meant mandatory locking and is kept for those who may set it.
            let drop_sgid = *perm & S_IXGRP != 0 || !keep_sgid;
            *perm &= !(S_ISUID | if drop_sgid { S_ISGID } else { 0 });
        }
        let inode = self.inodes.get_mut(ino);
        if uid != u32::MAX {
            inode.uid = uid;
        }
        if gid != u32::MAX {
            inode.gid = gid;
        }
        self.touch_ctime(ino);
        Ok(0)
    }

    /// Takes set-id bits away from a file whose contents change.
    pub(crate) fn kill_set_ids(&mut self, ino: Ino) {
        if self.capable() {
            return;
        }
        let keep_sgid = self.in_group(self.inodes.get(ino).gid);
        let perm = &mut self.inodes.get_mut(ino).perm;
        let drop_sgid = *perm & S_IXGRP != 0 || !keep_sgid;
        *perm &= !(S_ISUID | if drop_sgid { S_ISGID } else { 0 });
    }

    pub(crate) fn utimensat(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let flags = a.uint(3);
        let (atime, mtime) = if a.is_null(2) {
            (Ok(NewTime::Now), Ok(NewTime::Now))
        } else {
            let bytes = a.read(&self.memory, 2, 2 * size_of::<timespec>())?;
            let times = (NewTime::new(&bytes[..16]), NewTime::new(&bytes[16..]));
            // Nothing to do: not even the path is looked at.
            if times == (Ok(NewTime::Keep), Ok(NewTime::Keep)) {
                return Ok(0);
            }
            times
        };
        let by_descriptor = a.is_null(1) && a.int(0) != AT_FDCWD;
        let ino = if by_descriptor {
            if flags != 0 {
                return Err(Errno::EINVAL);
            }
            self.descriptors.file(a.int(0))?.ino
        } else {
            if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
                return Err(Errno::EINVAL);
            }
            let path = a.path(&self.memory, 1)?;
            self.lookup(a.int(0), &path, flags & AT_SYMLINK_NOFOLLOW == 0, flags & AT_EMPTY_PATH != 0)?.ino
        };
        let (atime, mtime) = (atime?, mtime?);
        if !self.owns(ino) {
            // Whoever may write may say "now", and nothing else.
            if (atime, mtime) != (NewTime::Now, NewTime::Now) {
                return Err(Errno::EPERM);
            }
            self.may_write(ino)?;
        }
        let now = self.clock.now();
        let inode = self.inodes.get_mut(ino);
        inode.atime = atime.pick(inode.atime, now);
        inode.mtime = mtime.pick(inode.mtime, now);
        inode.ctime = now;
        Ok(0)
    }

    pub(crate) fn truncate(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let len = u64::try_from(a.offset(1)).map_err(|_| Errno::EINVAL)?;
        let path = a.path(&self.memory, 0)?;
        let ino = self.lookup(AT_FDCWD, &path, true, false)?.ino;
        let inode = self.inodes.get(ino);
        if inode.is_dir() {
            return Err(Errno::EISDIR);
        }
        if !inode.is_file() {
            return Err(Errno::EINVAL);
        }
        self.may_write(ino)?;
        self.set_len(ino, len)
    }

    pub(crate) fn ftruncate(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let len = u64::try_from(a.offset(1)).map_err(|_| Errno::EINVAL)?;
        let file = self.descriptors.file(a.int(0))?;
        let (ino, writable) = (file.ino, file.writable);
        if !self.inodes.get(ino).is_file() || !writable {
            return Err(Errno::EINVAL);
        }
        self.set_len(ino, len)
    }

    fn set_len(&mut self, ino: Ino, len: u64) -> Answer {
        if len > MAX_FILE_LEN || len > self.process.limit(linux_raw_sys::general::RLIMIT_FSIZE).0 {
            return Err(Errno::EFBIG);
        }
        if let Some(content) = self.inodes.get_mut(ino).file() {
            content.set_len(len);
        }
        self.kill_set_ids(ino);
        self.touch(ino);
        Ok(0)
    }
}

impl NewTime {
    fn new(bytes: &[u8]) -> Result<NewTime, Errno> {
        match field!(bytes, timespec, tv_nsec) {
            UTIME_NOW => Ok(NewTime::Now),
            UTIME_OMIT => Ok(NewTime::Keep),
            nsec @ 0..1_000_000_000 => {
                Ok(NewTime::At(Timestamp { sec: field!(bytes, timespec, tv_sec) as i64, nsec: nsec as u32 }))
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn pick(self, before: Timestamp, now: Timestamp) -> Timestamp {
        match self {
            NewTime::Now => now,
            NewTime::Keep => before,
            NewTime::At(at) => at,
        }
    }
}
