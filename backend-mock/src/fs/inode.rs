//! Inodes: what a file is, whatever its names.

use crate::pipe::Pipe;
use crate::time::Timestamp;
use linux_raw_sys::general::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK};
use std::collections::{BTreeMap, BTreeSet};
use xnu_abi::linux::Errno;

/// Inode number.
pub(crate) type Ino = u64;

/// The first inode number of `/proc/self/fd/N`: made when looked up, never freed.
pub(crate) const MAGIC_INO: Ino = 0xffff_0000_0000;

/// `st_dev` of the root filesystem, of `/dev`, of `/proc` and of anonymous pipes.
pub(crate) const ROOT_DEV: u64 = 0x801;
pub(crate) const DEVTMPFS_DEV: u64 = 0x6;
pub(crate) const PROC_DEV: u64 = 0x16;
pub(crate) const PIPEFS_DEV: u64 = 0xe;

/// Largest file: ext4's with 4 KiB blocks.
pub(crate) const MAX_FILE_LEN: u64 = (1 << 44) - 4096;

/// A file of any type.
#[derive(Clone, Debug)]
pub(crate) struct Inode {
    /// Permission bits with set-id and sticky, without the type.
    pub(crate) perm: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) nlink: u32,
    pub(crate) dev: u64,
    pub(crate) atime: Timestamp,
    pub(crate) mtime: Timestamp,
    pub(crate) ctime: Timestamp,
    pub(crate) btime: Timestamp,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// `FS_IMMUTABLE_FL`, `FS_APPEND_FL` and `FS_NODUMP_FL`; `statx` has the same numbers for them.
    pub(crate) attributes: u32,
    pub(crate) locks: Vec<crate::lock::Lock>,
    pub(crate) body: Body,
}

/// What the inode holds.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    File(Content),
    Directory(Directory),
    Symlink(Vec<u8>),
    Fifo(Pipe),
    Socket,
    Device(Device),
    /// `/proc/self/fd`, listed from the descriptor table.
    ProcFd,
    /// A link that is followed to an object, not to a path.
    Magic(Magic),
}

/// Where a magic link leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Magic {
    Fd(i32),
    Cwd,
    Root,
}

/// Character and block devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Device {
    Null,
    Zero,
    Full,
    Random,
    Tty,
    /// A node that no driver serves.
    Other {
        block: bool,
        rdev: u64,
    },
}

impl Device {
    /// The driver behind a number (`Documentation/admin-guide/devices.txt`).
    pub(crate) fn from_number(block: bool, rdev: u64) -> Device {
        match (block, rdev) {
            (false, 0x103) => Device::Null,
            (false, 0x105) => Device::Zero,
            (false, 0x107) => Device::Full,
            (false, 0x108 | 0x109) => Device::Random,
            (false, 0x500) => Device::Tty,
            _ => Device::Other { block, rdev },
        }
    }

    fn number(self) -> u64 {
        match self {
            Device::Null => 0x103,
            Device::Zero => 0x105,
            Device::Full => 0x107,
            Device::Random => 0x109,
            Device::Tty => 0x500,
            Device::Other { rdev, .. } => rdev,
        }
    }
}

impl Inode {
    /// The type bits of `st_mode`.
    pub(crate) fn kind(&self) -> u32 {
        match &self.body {
            Body::File(_) => S_IFREG,
            Body::Directory(_) | Body::ProcFd => S_IFDIR,
            Body::Symlink(_) | Body::Magic(_) => S_IFLNK,
            Body::Fifo(_) => S_IFIFO,
            Body::Socket => S_IFSOCK,
            Body::Device(Device::Other { block: true, .. }) => S_IFBLK,
            Body::Device(_) => S_IFCHR,
        }
    }

    /// `st_mode`.
    pub(crate) fn mode(&self) -> u32 {
        self.kind() | self.perm
    }

    /// `d_type`.
    pub(crate) fn dirent_type(&self) -> u8 {
        ((self.mode() & S_IFMT) >> 12) as u8
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.kind() == S_IFDIR
    }

    pub(crate) fn is_file(&self) -> bool {
        self.kind() == S_IFREG
    }

    pub(crate) fn is_link(&self) -> bool {
        self.kind() == S_IFLNK
    }

    /// `st_rdev`.
    pub(crate) fn rdev(&self) -> u64 {
        match self.body {
            Body::Device(device) => device.number(),
            _ => 0,
        }
    }

    /// `st_size`.
    pub(crate) fn size(&self) -> u64 {
        match &self.body {
            Body::File(content) => content.len,
            Body::Directory(directory) if directory.dead => 0,
            Body::Directory(_) => 4096,
            Body::Symlink(target) => target.len() as u64,
            Body::Magic(_) => 64,
            _ => 0,
        }
    }

    /// `st_blocks`, in units of 512 bytes.
    pub(crate) fn blocks(&self) -> u64 {
        match &self.body {
            Body::File(content) => (content.blocks.len() + content.reserved.len()) as u64 * 8,
            Body::Directory(_) => 8,
            _ => 0,
        }
    }

    pub(crate) fn file(&mut self) -> Option<&mut Content> {
        match &mut self.body {
            Body::File(content) => Some(content),
            _ => None,
        }
    }

    pub(crate) fn directory(&self) -> Option<&Directory> {
        match &self.body {
            Body::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    pub(crate) fn pipe(&mut self) -> Option<&mut Pipe> {
        match &mut self.body {
            Body::Fifo(pipe) => Some(pipe),
            _ => None,
        }
    }
}

const BLOCK: u64 = 4096;

/// A regular file's bytes; blocks that were never written read as zeros and take no room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) len: u64,
    blocks: BTreeMap<u64, Box<[u8]>>,
    /// Blocks that have room and were never written: holes, but not free.
    reserved: BTreeSet<u64>,
}

impl Content {
    pub(crate) fn read(&self, at: u64, len: usize) -> Vec<u8> {
        let len = len.min(self.len.saturating_sub(at).min(usize::MAX as u64) as usize);
        let mut bytes = vec![0; len];
        let mut done = 0;
        while done < len {
            let (block, offset) = ((at + done as u64) / BLOCK, ((at + done as u64) % BLOCK) as usize);
            let n = (BLOCK as usize - offset).min(len - done);
            if let Some(data) = self.blocks.get(&block) {
                bytes[done..done + n].copy_from_slice(&data[offset..offset + n]);
            }
            done += n;
        }
        bytes
    }

    /// Writes; the range must end at or below [`MAX_FILE_LEN`].
    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let (block, offset) = ((at + done as u64) / BLOCK, ((at + done as u64) % BLOCK) as usize);
            let n = (BLOCK as usize - offset).min(bytes.len() - done);
            self.reserved.remove(&block);
            let data = self.blocks.entry(block).or_insert_with(|| vec![0; BLOCK as usize].into());
            data[offset..offset + n].copy_from_slice(&bytes[done..done + n]);
            done += n;
        }
        if !bytes.is_empty() {
            self.len = self.len.max(at + bytes.len() as u64);
        }
    }

    /// Cuts or extends with zeros.
    pub(crate) fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.blocks.retain(|&block, _| block * BLOCK < len);
            self.reserved.retain(|&block| block * BLOCK < len);
            if let Some(data) = self.blocks.get_mut(&(len / BLOCK)) {
                data[(len % BLOCK) as usize..].fill(0);
            }
        }
        self.len = len;
    }

    /// Gives a range room, and unless `keep`, the file the length to hold it.
    pub(crate) fn allocate(&mut self, range: std::ops::Range<u64>, keep: bool) {
        for block in range.start / BLOCK..range.end.div_ceil(BLOCK) {
            if !self.blocks.contains_key(&block) {
                self.reserved.insert(block);
            }
        }
        if !keep {
            self.len = self.len.max(range.end);
        }
    }

    /// Takes the room of whole blocks away and zeroes the rest of a range.
    pub(crate) fn punch(&mut self, range: std::ops::Range<u64>) {
        self.blocks.retain(|block, data| {
            let start = block * BLOCK;
            let from = range.start.clamp(start, start + BLOCK) - start;
            let to = range.end.clamp(start, start + BLOCK) - start;
            if from < to {
                data[from as usize..to as usize].fill(0);
            }
            to.saturating_sub(from) < BLOCK
        });
        self.reserved.retain(|block| block * BLOCK < range.start || (block + 1) * BLOCK > range.end);
    }

    /// The first offset at or behind `at` that holds data (`SEEK_DATA`).
    pub(crate) fn next_data(&self, at: u64) -> Option<u64> {
        let block = self.blocks.range(at / BLOCK..).next().map(|(&block, _)| block * BLOCK)?;
        Some(block.max(at)).filter(|&found| found < self.len)
    }

    /// The first offset at or behind `at` in a hole; the end of the file is one (`SEEK_HOLE`).
    pub(crate) fn next_hole(&self, at: u64) -> u64 {
        let mut block = at / BLOCK;
        while self.blocks.contains_key(&block) {
            block += 1;
        }
        (block * BLOCK).max(at).min(self.len)
    }
}

/// Names, in the order in which they were made. A position is the cookie of the entry before it, so that removing
/// entries while listing skips nothing.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    pub(crate) parent: Ino,
    /// Removed: nothing can be found or made in it.
    pub(crate) dead: bool,
    entries: BTreeMap<Vec<u8>, (u64, Ino)>,
    order: BTreeMap<u64, Vec<u8>>,
    next_cookie: u64,
}

impl Directory {
    pub(crate) fn new(parent: Ino) -> Directory {
        // 1 and 2 are the positions behind `.` and `..`.
        Directory { parent, dead: false, entries: BTreeMap::new(), order: BTreeMap::new(), next_cookie: 3 }
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<Ino> {
        self.entries.get(name).map(|&(_, ino)| ino)
    }

    pub(crate) fn insert(&mut self, name: &[u8], ino: Ino) {
        self.remove(name);
        self.entries.insert(name.to_vec(), (self.next_cookie, ino));
        self.order.insert(self.next_cookie, name.to_vec());
        self.next_cookie += 1;
    }

    /// Points an existing name at another inode.
    pub(crate) fn replace(&mut self, name: &[u8], ino: Ino) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.1 = ino;
        }
    }

    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<Ino> {
        let (cookie, ino) = self.entries.remove(name)?;
        self.order.remove(&cookie);
        Some(ino)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A name of this inode here.
    pub(crate) fn name_of(&self, ino: Ino) -> Option<&[u8]> {
        self.order.values().find(|name| self.get(name) == Some(ino)).map(Vec::as_slice)
    }

    /// Entries behind a position, as (position behind it, name, inode).
    pub(crate) fn after(&self, cookie: u64) -> impl Iterator<Item = (u64, &[u8], Ino)> {
        self.order.range(cookie + 1..).filter_map(|(&at, name)| Some((at, name.as_slice(), self.get(name)?)))
    }
}

/// All inodes.
#[derive(Clone, Debug)]
pub(crate) struct Inodes {
    map: BTreeMap<Ino, Inode>,
    next: Ino,
}

/// The inode of `/`.
pub(crate) const ROOT_INO: Ino = 2;

impl Inodes {
    /// Holds `/`, owned by root.
    pub(crate) fn new(now: Timestamp) -> Inodes {
        let mut inodes = Inodes { map: BTreeMap::new(), next: ROOT_INO };
        inodes.make(Body::Directory(Directory::new(ROOT_INO)), 0o755, 0, 0, ROOT_DEV, now);
        inodes
    }

    /// Makes an inode; a directory has two links, everything else none until it is given a name.
    pub(crate) fn make(
        &mut self,
        body: Body,
        perm: u32,
        uid: u32,
        gid: u32,
        dev: u64,
        now: Timestamp,
    ) -> Ino {
        let ino = self.next;
        self.next += 1;
        self.put(ino, body, perm, (uid, gid), dev, now);
        ino
    }

    /// Makes the inode of a magic link, whose number says what it is.
    pub(crate) fn make_magic(&mut self, ino: Ino, magic: Magic, owner: (u32, u32), now: Timestamp) {
        self.put(ino, Body::Magic(magic), 0o777, owner, PROC_DEV, now);
        self.get_mut(ino).nlink = 1;
    }

    fn put(&mut self, ino: Ino, body: Body, perm: u32, owner: (u32, u32), dev: u64, now: Timestamp) {
        let nlink = if matches!(body, Body::Directory(_) | Body::ProcFd) { 2 } else { 0 };
        let (uid, gid) = owner;
        let (xattrs, locks) = (BTreeMap::new(), Vec::new());
        let (atime, mtime, ctime, btime) = (now, now, now, now);
        let attributes = 0;
        let inode =
            Inode { perm, uid, gid, nlink, dev, atime, mtime, ctime, btime, xattrs, attributes, locks, body };
        self.map.insert(ino, inode);
    }

    pub(crate) fn get(&self, ino: Ino) -> &Inode {
        self.map.get(&ino).expect("an inode that something refers to exists")
    }

    pub(crate) fn get_mut(&mut self, ino: Ino) -> &mut Inode {
        self.map.get_mut(&ino).expect("an inode that something refers to exists")
    }

    pub(crate) fn exists(&self, ino: Ino) -> bool {
        self.map.contains_key(&ino)
    }

    pub(crate) fn remove(&mut self, ino: Ino) {
        self.map.remove(&ino);
    }

    /// Every inode, for invariants in tests.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Ino, &Inode)> {
        self.map.iter().map(|(&ino, inode)| (ino, inode))
    }

    /// The directory's names.
    pub(crate) fn dir(&self, ino: Ino) -> Result<&Directory, Errno> {
        self.get(ino).directory().ok_or(Errno::ENOTDIR)
    }

    pub(crate) fn dir_mut(&mut self, ino: Ino) -> Result<&mut Directory, Errno> {
        match &mut self.get_mut(ino).body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::EPERM),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_reads_as_zeros_and_takes_no_room() {
        let mut content = Content::default();
        content.write(1 << 40, b"x");
        assert_eq!(content.len, (1 << 40) + 1);
        assert_eq!(content.blocks.len(), 1);
        assert_eq!(content.read((1 << 40) - 2, 10), [0, 0, b'x']);
        assert_eq!(content.next_data(0), Some(1 << 40));
        assert_eq!(content.next_hole(0), 0);
        assert_eq!(content.next_hole(1 << 40), (1 << 40) + 1);
    }

    #[test]
    fn shrinking_then_growing_shows_zeros() {
        let mut content = Content::default();
        content.write(0, &[7; 5000]);
        content.set_len(10);
        content.set_len(5000);
        assert_eq!(content.read(0, 5000)[..10], [7; 10]);
        assert_eq!(content.read(10, 4990), vec![0; 4990]);
    }

    #[test]
    fn removing_entries_while_listing_skips_nothing() {
        let mut directory = Directory::new(ROOT_INO);
        for name in [b"a", b"b", b"c"] {
            directory.insert(name, 9);
        }
        let (first, ..) = directory.after(2).next().unwrap();
        directory.remove(b"a");
        let rest: Vec<_> = directory.after(first).map(|(_, name, _)| name.to_vec()).collect();
        assert_eq!(rest, [b"b", b"c"]);
    }
}
