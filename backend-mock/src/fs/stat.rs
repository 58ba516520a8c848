//! Calls that describe files and filesystems.

use super::attributes::SETTABLE;
use super::inode::{Body, Ino, PIPEFS_DEV, PROC_DEV, ROOT_INO};
use super::{READ, WRITE};
use crate::args::Args;
use crate::layout::layout;
use crate::state::{Answer, State};
use linux_raw_sys::general::{
    AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_NO_AUTOMOUNT, AT_STATX_SYNC_TYPE, AT_SYMLINK_NOFOLLOW,
    EXT4_SUPER_MAGIC, PIPEFS_MAGIC, PROC_SUPER_MAGIC, STATX_BASIC_STATS, STATX_BTIME, STATX_MNT_ID, stat,
    statfs, statx,
};
use xnu_abi::linux::{Errno, Sysno, flags};

const STATX_RESERVED: u32 = linux_raw_sys::general::STATX__RESERVED;

fn major(dev: u64) -> u64 {
    dev >> 8 & 0xfff
}

fn minor(dev: u64) -> u64 {
    dev & 0xff | dev >> 12 & 0xfff00
}

impl State {
    /// `nlink` as `stat` shows it: an anonymous pipe has no name and yet one link.
    fn shown_nlink(&self, ino: Ino) -> u32 {
        let inode = self.inodes.get(ino);
        if inode.dev == PIPEFS_DEV { 1 } else { inode.nlink }
    }

    fn stat_bytes(&self, ino: Ino) -> Vec<u8> {
        let inode = self.inodes.get(ino);
        layout!(stat {
            st_dev = inode.dev,
            st_ino = ino,
            st_nlink = self.shown_nlink(ino),
            st_mode = inode.mode(),
            st_uid = inode.uid,
            st_gid = inode.gid,
            st_rdev = inode.rdev(),
            st_size = inode.size(),
            st_blksize = 4096u32,
            st_blocks = inode.blocks(),
            st_atime = inode.atime.sec,
            st_atime_nsec = inode.atime.nsec,
            st_mtime = inode.mtime.sec,
            st_mtime_nsec = inode.mtime.nsec,
            st_ctime = inode.ctime.sec,
            st_ctime_nsec = inode.ctime.nsec,
        })
    }

    fn statx_bytes(&self, ino: Ino) -> Vec<u8> {
        let inode = self.inodes.get(ino);
        let root = if ino == ROOT_INO { flags::STATX_ATTR_MOUNT_ROOT } else { 0 };
        layout!(statx {
            stx_attributes = inode.attributes | root,
            stx_attributes_mask = SETTABLE | flags::STATX_ATTR_MOUNT_ROOT,
            stx_mask = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID,
            stx_blksize = 4096u32,
            stx_nlink = self.shown_nlink(ino),
            stx_uid = inode.uid,
            stx_gid = inode.gid,
            stx_mode = inode.mode(),
            stx_ino = ino,
            stx_size = inode.size(),
            stx_blocks = inode.blocks(),
            stx_atime.tv_sec = inode.atime.sec,
            stx_atime.tv_nsec = inode.atime.nsec,
            stx_btime.tv_sec = inode.btime.sec,
            stx_btime.tv_nsec = inode.btime.nsec,
            stx_ctime.tv_sec = inode.ctime.sec,
            stx_ctime.tv_nsec = inode.ctime.nsec,
            stx_mtime.tv_sec = inode.mtime.sec,
            stx_mtime.tv_nsec = inode.mtime.nsec,
            stx_rdev_major = major(inode.rdev()),
            stx_rdev_minor = minor(inode.rdev()),
            stx_dev_major = major(inode.dev),
            stx_dev_minor = minor(inode.dev),
            stx_mnt_id = inode.dev,
        })
    }

    pub(crate) fn fstat(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.descriptors.file_any(a.int(0))?.ino;
        let bytes = self.stat_bytes(ino);
        a.write(&mut self.memory, 1, &bytes)?;
        Ok(0)
    }

    pub(crate) fn newfstatat(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let flags = a.uint(3);
        if flags & !(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE) != 0 {
            return Err(Errno::EINVAL);
        }
        let ino = self.stat_lookup(a, flags)?;
        let bytes = self.stat_bytes(ino);
        a.write(&mut self.memory, 2, &bytes)?;
        Ok(0)
    }

    pub(crate) fn statx(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (flags, mask) = (a.uint(2), a.uint(3));
        let known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
        if mask & STATX_RESERVED != 0
            || flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE
            || flags & !known != 0
        {
            return Err(Errno::EINVAL);
        }
        let ino = self.stat_lookup(a, flags)?;
        let bytes = self.statx_bytes(ino);
        a.write(&mut self.memory, 4, &bytes)?;
        Ok(0)
    }

    /// Since Linux 6.11 a null path is as good as an empty one, where an empty one is allowed.
    fn stat_lookup(&mut self, a: &Args<'_, '_>, flags: u32) -> Result<Ino, Errno> {
        let empty = flags & AT_EMPTY_PATH != 0;
        let path = if empty && a.is_null(1) { Vec::new() } else { a.path(&self.memory, 1)? };
        Ok(self.lookup(a.int(0), &path, flags & AT_SYMLINK_NOFOLLOW == 0, empty)?.ino)
    }

    fn statfs_bytes(&self, ino: Ino) -> Vec<u8> {
        let (magic, blocks) = match self.inodes.get(ino).dev {
            PROC_DEV => (PROC_SUPER_MAGIC, 0u64),
            PIPEFS_DEV => (PIPEFS_MAGIC, 0),
            _ => (EXT4_SUPER_MAGIC, 1 << 20),
        };
        layout!(statfs {
            f_type = magic,
            f_bsize = 4096u32,
            f_blocks = blocks,
            f_bfree = blocks / 2,
            f_bavail = blocks / 2,
            f_files = blocks / 4,
            f_ffree = blocks / 8,
            f_namelen = 255u32,
            f_frsize = 4096u32,
            // ST_VALID | ST_RELATIME
            f_flags = 0x1020u32,
        })
    }

    pub(crate) fn statfs(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let path = a.path(&self.memory, 0)?;
        let ino = self.lookup(AT_FDCWD, &path, true, false)?.ino;
        let bytes = self.statfs_bytes(ino);
        a.write(&mut self.memory, 1, &bytes)?;
        Ok(0)
    }

    pub(crate) fn fstatfs(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.descriptors.file_any(a.int(0))?.ino;
        let bytes = self.statfs_bytes(ino);
        a.write(&mut self.memory, 1, &bytes)?;
        Ok(0)
    }

    pub(crate) fn faccessat(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let want = a.uint(2);
        let flags = if a.nr() == Sysno::Faccessat2 { a.uint(3) } else { 0 };
        if want & !7 != 0 || flags & !(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let path = a.path(&self.memory, 1)?;
        // The whole resolution, not only the last check, is done with the real ids.
        let credentials = self.process.credentials.clone();
        if flags & AT_EACCESS == 0 {
            self.process.credentials.euid = credentials.uid;
            self.process.credentials.egid = credentials.gid;
        }
        let answer = self
            .lookup(a.int(0), &path, flags & AT_SYMLINK_NOFOLLOW == 0, flags & AT_EMPTY_PATH != 0)
            .and_then(|found| self.may(found.ino, want));
        self.process.credentials = credentials;
        answer.map(|()| 0)
    }

    pub(crate) fn readlinkat(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let size = a.int(3);
        if size <= 0 {
            return Err(Errno::EINVAL);
        }
        let path = a.path(&self.memory, 1)?;
        let found = self.lookup(a.int(0), &path, false, true)?;
        let target = match &self.inodes.get(found.ino).body {
            Body::Symlink(target) => target.clone(),
            Body::Magic(magic) => {
                let found = self.magic_target(*magic)?;
                self.path_of(found.ino, &found.dentry)
            }
            _ => return Err(if path.is_empty() { Errno::ENOENT } else { Errno::EINVAL }),
        };
        let len = target.len().min(size as usize);
        a.write(&mut self.memory, 2, &target[..len])?;
        self.touch_atime(found.ino);
        Ok(len)
    }

    /// Whether the process may write to the file's contents, by its bits.
    pub(super) fn may_write(&self, ino: Ino) -> Result<(), Errno> {
        self.may(ino, WRITE)
    }

    /// Whether the process may read the file's contents, by its bits.
    pub(super) fn may_read(&self, ino: Ino) -> Result<(), Errno> {
        self.may(ino, READ)
    }
}
