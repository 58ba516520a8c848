//! Calls about the room that a file takes: `fallocate`, `posix_fadvise`, `sync_file_range`, `FS_IOC_FIEMAP`.

use crate::args::Args;
use crate::fs::inode::{Body, Content, MAX_FILE_LEN};
use crate::layout::{field, layout};
use crate::state::{Answer, State};
use linux_raw_sys::general::{FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, POSIX_FADV_NOREUSE};
use xnu_abi::linux::Errno;

/// As much as the virtual disk has left for one request.
const DISK_ROOM: u64 = 1 << 24;
/// Where block 0 of every file lies on the virtual disk.
const DISK_START: u64 = 1 << 30;

/// `struct fiemap` and one `struct fiemap_extent`, from `include/uapi/linux/fiemap.h`.
#[allow(dead_code, reason = "fields are used by name")]
#[repr(C)]
struct Fiemap {
    fm_start: u64,
    fm_length: u64,
    fm_flags: u32,
    fm_mapped_extents: u32,
    fm_extent_count: u32,
    fm_reserved: u32,
    fe_logical: u64,
    fe_physical: u64,
    fe_length: u64,
    fe_reserved64: [u64; 2],
    fe_flags: u32,
    fe_reserved: [u32; 3],
}

impl State {
    fn content(&mut self, fd: i32) -> Result<&mut Content, Errno> {
        let ino = self.descriptors.file(fd)?.ino;
        match &mut self.inodes.get_mut(ino).body {
            Body::File(content) => Ok(content),
            Body::Fifo(_) => Err(Errno::ESPIPE),
            Body::Directory(_) => Err(Errno::EISDIR),
            _ => Err(Errno::ENODEV),
        }
    }

    pub(crate) fn fallocate(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (fd, mode, offset, length) = (a.int(0), a.uint(1), a.offset(2), a.offset(3));
        self.descriptors.file(fd)?;
        if offset < 0 || length <= 0 {
            return Err(Errno::EINVAL);
        }
        let holes = mode & FALLOC_FL_PUNCH_HOLE != 0;
        let keeps = mode & FALLOC_FL_KEEP_SIZE != 0;
        if mode & !(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE) != 0 || holes && !keeps {
            return Err(Errno::EOPNOTSUPP);
        }
        if !self.descriptors.file(fd)?.writable {
            return Err(Errno::EBADF);
        }
        let content = self.content(fd)?;
        let end = (offset as u64).checked_add(length as u64).filter(|end| *end <= MAX_FILE_LEN);
        let range = offset as u64..end.ok_or(Errno::EFBIG)?;
        if holes {
            content.punch(range);
        } else if length as u64 > DISK_ROOM {
            return Err(Errno::ENOSPC);
        } else {
            content.allocate(range, keeps);
        }
        let ino = self.descriptors.file(fd)?.ino;
        self.kill_set_ids(ino);
        self.touch(ino);
        Ok(0)
    }

    pub(crate) fn fadvise64(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.descriptors.file(a.int(0))?.ino;
        if matches!(self.inodes.get(ino).body, Body::Fifo(_)) {
            return Err(Errno::ESPIPE);
        }
        if a.offset(2) < 0 || a.uint(3) > POSIX_FADV_NOREUSE { Err(Errno::EINVAL) } else { Ok(0) }
    }

    pub(crate) fn sync_file_range(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.descriptors.file(a.int(0))?.ino;
        if a.uint(3) & !7 != 0 || a.offset(1) < 0 || a.offset(2) < 0 {
            return Err(Errno::EINVAL);
        }
        match self.inodes.get(ino).body {
            Body::File(_) | Body::Directory(_) | Body::Symlink(_) => Ok(0),
            _ => Err(Errno::ESPIPE),
        }
    }

    /// `FS_IOC_FIEMAP` for one extent.
    pub(crate) fn fiemap(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let mut bytes = a.read(&self.memory, 2, size_of::<Fiemap>())?;
        let start = field!(bytes, Fiemap, fm_start);
        let end = start.saturating_add(field!(bytes, Fiemap, fm_length));
        let content = self.content(a.int(0)).map_err(|_| Errno::EOPNOTSUPP)?;
        if end == start {
            return Err(Errno::EINVAL);
        }
        bytes = match content.next_data(start).filter(|data| *data < end) {
            Some(data) => {
                let first = data & !4095;
                let last = content.next_hole(data).next_multiple_of(4096);
                layout!(Fiemap {
                    fm_start = start,
                    fm_length = end - start,
                    fm_mapped_extents = 1u32,
                    fm_extent_count = 1u32,
                    fe_logical = first,
                    fe_physical = DISK_START + first,
                    fe_length = last - first,
                })
            }
            None => bytes,
        };
        a.write(&mut self.memory, 2, &bytes)?;
        Ok(0)
    }
}
