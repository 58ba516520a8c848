//! Calls that move bytes: `read` and `write` in all forms, `lseek`, `getdents64`, `ioctl`.

use crate::address_space::AddressSpace;
use crate::args::Args;
use crate::fs::inode::{Body, Device, Ino, MAGIC_INO, MAX_FILE_LEN};
use crate::state::{Answer, State};
use linux_raw_sys::general::{
    DT_DIR, DT_LNK, FASYNC, O_ACCMODE, O_APPEND, O_NONBLOCK, O_RDONLY, O_WRONLY, RLIMIT_FSIZE, SEEK_CUR,
    SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET, SIGPIPE, SIGXFSZ,
};
use linux_raw_sys::ioctl::{FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX, FIONREAD};
use xnu_abi::linux::Errno;
use xnu_abi::linux::flags::{RWF_NOAPPEND, RWF_NOSIGNAL};

/// Most bytes that one call moves (`MAX_RW_COUNT`).
const MAX_COUNT: u64 = 0x7fff_f000;
/// Most elements of an I/O vector.
const IOV_MAX: u64 = 1024;

/// `include/uapi/linux/fs.h`
const FICLONE: u32 = 0x4004_9409;
const FS_IOC_FIEMAP: u32 = 0xc020_660b;
const FS_IOC_GETFLAGS: u32 = 0x8008_6601;
const FS_IOC_SETFLAGS: u32 = 0x4008_6602;

/// Where the bytes of a transfer lie.
enum Buffer {
    /// Argument 1 of the call.
    Argument,
    /// Guest ranges, of an I/O vector.
    Vector(Vec<(u64, usize)>),
}

impl State {
    /// Reads bytes for a write, up to a fault.
    fn gather(&self, a: &Args<'_, '_>, buffer: &Buffer, len: usize) -> Vec<u8> {
        let ranges = match buffer {
            Buffer::Argument => return a.read_some(&self.memory, 1, len),
            Buffer::Vector(ranges) => ranges,
        };
        let mut bytes = Vec::new();
        for &(address, range_len) in ranges {
            let want = range_len.min(len - bytes.len());
            let part = self.memory.read_some(address, want);
            bytes.extend(&part);
            if part.len() < want {
                break;
            }
        }
        bytes
    }

    /// Writes the bytes that were read, up to a fault; answers how many.
    fn scatter(&mut self, a: &mut Args<'_, '_>, buffer: &Buffer, bytes: &[u8]) -> usize {
        let ranges = match buffer {
            Buffer::Argument => return a.write_some(&mut self.memory, 1, 0, bytes),
            Buffer::Vector(ranges) => ranges,
        };
        let mut done = 0;
        for &(address, len) in ranges {
            let part = &bytes[done..bytes.len().min(done + len)];
            let copied = self.memory.write_some(address, part);
            done += copied;
            if copied < part.len() {
                break;
            }
        }
        done
    }

    /// Checks an I/O vector and answers its ranges and their sum.
    fn vector(&self, a: &Args<'_, '_>) -> Result<(Buffer, usize), Errno> {
        let count = a.num(2);
        if count > IOV_MAX {
            return Err(Errno::EINVAL);
        }
        let bytes = a.read(&self.memory, 1, count as usize * 16)?;
        let mut ranges = Vec::new();
        let mut room = MAX_COUNT;
        for pair in bytes.chunks_exact(16) {
            let address = crate::layout::get(pair, 0, 8);
            let len = crate::layout::get(pair, 8, 8);
            if len > i64::MAX as u64 {
                return Err(Errno::EINVAL);
            }
            if !AddressSpace::in_range(address, len) {
                return Err(Errno::EFAULT);
            }
            let len = len.min(room);
            room -= len;
            ranges.push((address, len as usize));
        }
        Ok((Buffer::Vector(ranges), (MAX_COUNT - room) as usize))
    }

    /// Checks argument 1 and 2 of a plain read or write and answers the count.
    fn plain_count(a: &Args<'_, '_>) -> Result<usize, Errno> {
        let count = a.num(2);
        if count > i64::MAX as u64 {
            return Err(Errno::EINVAL);
        }
        if !a.in_user_range(1, count) {
            return Err(Errno::EFAULT);
        }
        Ok(count.min(MAX_COUNT) as usize)
    }

    pub(crate) fn read(&mut self, a: &mut Args<'_, '_>) -> Answer {
        self.readable(a.int(0))?;
        let len = State::plain_count(a)?;
        self.read_into(a, &Buffer::Argument, len, None)
    }

    pub(crate) fn pread64(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let pos = self.position(a, 3)?;
        self.readable(a.int(0))?;
        let len = State::plain_count(a)?;
        self.read_into(a, &Buffer::Argument, len, Some(pos))
    }

    pub(crate) fn readv(&mut self, a: &mut Args<'_, '_>) -> Answer {
        self.readable(a.int(0))?;
        let (buffer, len) = self.vector(a)?;
        self.read_into(a, &buffer, len, None)
    }

    pub(crate) fn preadv(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let pos = self.position(a, 3)?;
        self.readable(a.int(0))?;
        let (buffer, len) = self.vector(a)?;
        self.read_into(a, &buffer, len, Some(pos))
    }

    pub(crate) fn write(&mut self, a: &mut Args<'_, '_>) -> Answer {
        self.writable(a.int(0))?;
        let len = State::plain_count(a)?;
        self.write_from(a, &Buffer::Argument, len, None, 0)
    }

    pub(crate) fn pwrite64(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let pos = self.position(a, 3)?;
        self.writable(a.int(0))?;
        let len = State::plain_count(a)?;
        self.write_from(a, &Buffer::Argument, len, Some(pos), 0)
    }

    pub(crate) fn writev(&mut self, a: &mut Args<'_, '_>) -> Answer {
        self.writable(a.int(0))?;
        let (buffer, len) = self.vector(a)?;
        self.write_from(a, &buffer, len, None, 0)
    }

    pub(crate) fn pwritev(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let pos = self.position(a, 3)?;
        self.writable(a.int(0))?;
        let (buffer, len) = self.vector(a)?;
        self.write_from(a, &buffer, len, Some(pos), 0)
    }

    pub(crate) fn pwritev2(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let flags = a.uint(5);
        let pos = if a.offset(3) == -1 { None } else { Some(self.position(a, 3)?) };
        self.writable(a.int(0))?;
        let (buffer, len) = self.vector(a)?;
        if flags & !(RWF_NOAPPEND | RWF_NOSIGNAL) != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        self.write_from(a, &buffer, len, pos, flags)
    }

    fn readable(&self, fd: i32) -> Result<(), Errno> {
        if self.descriptors.file(fd)?.readable { Ok(()) } else { Err(Errno::EBADF) }
    }

    fn writable(&self, fd: i32) -> Result<(), Errno> {
        if self.descriptors.file(fd)?.writable { Ok(()) } else { Err(Errno::EBADF) }
    }

    /// The explicit offset of a `p` call: checked before the descriptor, which must be seekable.
    fn position(&self, a: &Args<'_, '_>, i: usize) -> Result<u64, Errno> {
        let pos = u64::try_from(a.offset(i)).map_err(|_| Errno::EINVAL)?;
        let ino = self.descriptors.file(a.int(0))?.ino;
        if self.is_stream(ino) { Err(Errno::ESPIPE) } else { Ok(pos) }
    }

    /// Whether a file has no positions.
    fn is_stream(&self, ino: Ino) -> bool {
        matches!(self.inodes.get(ino).body, Body::Fifo(_) | Body::Socket | Body::Device(Device::Tty))
    }

    fn read_into(&mut self, a: &mut Args<'_, '_>, buffer: &Buffer, len: usize, at: Option<u64>) -> Answer {
        let file = self.descriptors.file(a.int(0))?;
        let (ino, nonblock) = (file.ino, file.has(O_NONBLOCK));
        let pos = at.unwrap_or(file.pos);
        let inode = self.inodes.get(ino);
        check_end(pos, len)?;
        if inode.is_dir() {
            return Err(Errno::EISDIR);
        }
        if len == 0 {
            return Ok(0);
        }
        let bytes = match &inode.body {
            Body::File(content) => content.read(pos, len),
            Body::Fifo(pipe) => {
                let bytes = pipe.peek(len);
                if bytes.is_empty() && self.descriptors.has_writer(ino) {
                    return Err(Errno::EAGAIN);
                }
                bytes
            }
            Body::Device(Device::Null) => Vec::new(),
            Body::Device(Device::Zero | Device::Full) => vec![0; len],
            Body::Device(Device::Random) => self.random.bytes(len),
            Body::Device(Device::Tty) => {
                let bytes = self.tty_line(len);
                if bytes.is_empty() && nonblock {
                    return Err(Errno::EAGAIN);
                }
                bytes
            }
            Body::Socket => {
                let bytes = self.read_socket(ino, len)?;
                let done = self.scatter(a, buffer, &bytes);
                return if done < bytes.len() { Err(Errno::EFAULT) } else { Ok(done) };
            }
            _ => return Err(Errno::EINVAL),
        };
        let done = self.scatter(a, buffer, &bytes);
        if done == 0 && !bytes.is_empty() {
            return Err(Errno::EFAULT);
        }
        match &mut self.inodes.get_mut(ino).body {
            Body::Fifo(pipe) => pipe.consume(done),
            Body::Device(Device::Tty) => drop(self.tty_input.drain(..done)),
            _ if at.is_none() => self.descriptors.file_mut(a.int(0))?.pos = pos + done as u64,
            _ => {}
        }
        self.touch_atime(ino);
        Ok(done)
    }

    /// Input up to the end of a line; with none left, the end of the file.
    fn tty_line(&self, len: usize) -> Vec<u8> {
        let end =
            self.tty_input.iter().position(|&byte| byte == b'\n').map_or(self.tty_input.len(), |at| at + 1);
        self.tty_input.iter().take(end.min(len)).copied().collect()
    }

    fn write_from(
        &mut self,
        a: &mut Args<'_, '_>,
        buffer: &Buffer,
        len: usize,
        at: Option<u64>,
        flags: u32,
    ) -> Answer {
        let fd = a.int(0);
        let file = self.descriptors.file(fd)?;
        let (ino, append) = (file.ino, file.has(O_APPEND) && flags & RWF_NOAPPEND == 0);
        let pos = at.unwrap_or(file.pos);
        check_end(pos, len)?;
        match &self.inodes.get(ino).body {
            _ if len == 0 => Ok(0),
            Body::File(content) => {
                let pos = if append { content.len } else { pos };
                let done = self.write_file(a, buffer, len, ino, pos)?;
                if at.is_none() {
                    self.descriptors.file_mut(fd)?.pos = pos + done as u64;
                }
                Ok(done)
            }
            Body::Fifo(pipe) => {
                let room = pipe.room_for(len);
                if !self.descriptors.has_reader(ino) {
                    if flags & RWF_NOSIGNAL == 0 {
                        self.raise(SIGPIPE);
                    }
                    return Err(Errno::EPIPE);
                }
                if room == 0 {
                    return Err(Errno::EAGAIN);
                }
                let bytes = self.gather_some(a, buffer, room)?;
                if let Some(pipe) = self.inodes.get_mut(ino).pipe() {
                    pipe.push(&bytes);
                }
                self.touch(ino);
                Ok(bytes.len())
            }
            Body::Device(Device::Null | Device::Zero) => Ok(len),
            Body::Device(Device::Full) => Err(Errno::ENOSPC),
            Body::Device(Device::Random) => Ok(self.gather_some(a, buffer, len)?.len()),
            Body::Device(Device::Tty) => {
                let bytes = self.gather_some(a, buffer, len)?;
                self.tty_output.extend(&bytes);
                Ok(bytes.len())
            }
            Body::Socket => {
                let bytes = self.gather_some(a, buffer, len)?;
                self.write_socket(ino, bytes)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn gather_some(&self, a: &Args<'_, '_>, buffer: &Buffer, len: usize) -> Result<Vec<u8>, Errno> {
        let bytes = self.gather(a, buffer, len);
        if bytes.is_empty() { Err(Errno::EFAULT) } else { Ok(bytes) }
    }

    fn write_file(&mut self, a: &Args<'_, '_>, buffer: &Buffer, len: usize, ino: Ino, pos: u64) -> Answer {
        let limit = self.process.limit(RLIMIT_FSIZE).0;
        if pos >= limit {
            self.raise(SIGXFSZ);
            return Err(Errno::EFBIG);
        }
        let max = limit.min(MAX_FILE_LEN);
        if pos >= max {
            return Err(Errno::EFBIG);
        }
        let bytes = self.gather_some(a, buffer, len.min((max - pos).min(MAX_COUNT) as usize))?;
        self.kill_set_ids(ino);
        if let Some(content) = self.inodes.get_mut(ino).file() {
            content.write(pos, &bytes);
        }
        self.touch(ino);
        Ok(bytes.len())
    }

    pub(crate) fn fsync(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.descriptors.file(a.int(0))?.ino;
        let syncable = match self.inodes.get(ino).body {
            Body::File(_) | Body::Directory(_) => true,
            _ => a.nr() == xnu_abi::linux::Sysno::Syncfs,
        };
        if syncable { Ok(0) } else { Err(Errno::EINVAL) }
    }

    pub(crate) fn lseek(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (fd, offset, whence) = (a.int(0), a.offset(1), a.uint(2));
        let file = self.descriptors.file(fd)?;
        let (ino, pos) = (file.ino, file.pos as i64);
        if whence > SEEK_HOLE {
            return Err(Errno::EINVAL);
        }
        if self.is_stream(ino) {
            return Err(Errno::ESPIPE);
        }
        let inode = self.inodes.get_mut(ino);
        let size = inode.size() as i64;
        let target = match &inode.body {
            // Memory devices ignore it.
            Body::Device(Device::Null | Device::Zero | Device::Full) => {
                self.descriptors.file_mut(fd)?.pos = 0;
                return Ok(0);
            }
            Body::File(content) if matches!(whence, SEEK_DATA | SEEK_HOLE) => {
                if !(0..size).contains(&offset) {
                    return Err(Errno::ENXIO);
                }
                if whence == SEEK_HOLE {
                    content.next_hole(offset as u64) as i64
                } else {
                    content.next_data(offset as u64).ok_or(Errno::ENXIO)? as i64
                }
            }
            _ => match whence {
                SEEK_SET => offset,
                SEEK_CUR => pos.checked_add(offset).ok_or(Errno::EOVERFLOW)?,
                SEEK_END => size.checked_add(offset).ok_or(Errno::EOVERFLOW)?,
                _ => return Err(Errno::EINVAL),
            },
        };
        let max = if inode.is_file() { MAX_FILE_LEN } else { i64::MAX as u64 };
        let target = u64::try_from(target).ok().filter(|&target| target <= max).ok_or(Errno::EINVAL)?;
        self.descriptors.file_mut(fd)?.pos = target;
        Ok(target as usize)
    }

    pub(crate) fn getdents64(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (fd, room) = (a.int(0), a.num(2) as u32 as usize);
        let file = self.descriptors.file(fd)?;
        let (ino, mut pos) = (file.ino, file.pos);
        let mut done = 0;
        for entry in self.list(ino, pos)? {
            let record = dirent(&entry);
            let failure = if done + record.len() > room {
                Errno::EINVAL
            } else if a.write_some(&mut self.memory, 1, done, &record) < record.len() {
                Errno::EFAULT
            } else {
                done += record.len();
                pos = entry.next;
                continue;
            };
            if done == 0 {
                return Err(failure);
            }
            break;
        }
        self.descriptors.file_mut(fd)?.pos = pos;
        self.touch_atime(ino);
        Ok(done)
    }

    /// The entries of a directory behind a position.
    fn list(&self, ino: Ino, pos: u64) -> Result<Vec<Entry>, Errno> {
        let inode = self.inodes.get(ino);
        let parent = match &inode.body {
            Body::Directory(directory) if directory.dead => return Err(Errno::ENOENT),
            Body::Directory(directory) => directory.parent,
            Body::ProcFd => self.process.proc_dir,
            _ => return Err(Errno::ENOTDIR),
        };
        let kind = DT_DIR as u8;
        let mut entries = vec![
            Entry { next: 1, name: b".".to_vec(), ino, kind },
            Entry { next: 2, name: b"..".to_vec(), ino: parent, kind },
        ];
        match &inode.body {
            Body::Directory(directory) => entries.extend(directory.after(2).map(|(next, name, child)| {
                let kind = self.inodes.get(child).dirent_type();
                Entry { next, name: name.to_vec(), ino: child, kind }
            })),
            _ => entries.extend(self.descriptors.numbers().into_iter().map(|fd| {
                let name = fd.to_string().into_bytes();
                Entry { next: fd as u64 + 3, name, ino: MAGIC_INO + fd as u64, kind: DT_LNK as u8 }
            })),
        }
        entries.retain(|entry| entry.next > pos);
        Ok(entries)
    }

    /// `man 2 ioctl_ficlone`: contents alone, nothing else.
    fn clone_range(&mut self, fd: i32, source: i32) -> Answer {
        let (to, from) = (self.descriptors.file(fd)?, self.descriptors.file(source)?);
        let may = to.flags & O_ACCMODE != O_RDONLY && from.flags & O_ACCMODE != O_WRONLY;
        if !may || to.flags & O_APPEND != 0 {
            return Err(Errno::EBADF);
        }
        let (to, from) = (to.ino, from.ino);
        if self.inodes.get(to).dev != self.inodes.get(from).dev {
            return Err(Errno::EXDEV);
        }
        let content = self.inodes.get_mut(from).file().ok_or(Errno::EINVAL)?;
        let bytes = content.read(0, content.len as usize);
        let content = self.inodes.get_mut(to).file().ok_or(Errno::EINVAL)?;
        content.set_len(0);
        content.write(0, &bytes);
        self.touch(to);
        Ok(0)
    }

    pub(crate) fn ioctl(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (fd, request) = (a.int(0), a.uint(1));
        let ino = self.descriptors.file(fd)?.ino;
        let is_tty = matches!(self.inodes.get(ino).body, Body::Device(Device::Tty));
        match request {
            FICLONE => self.clone_range(fd, a.int(2)),
            FIOCLEX | FIONCLEX => self.set_cloexec(fd, request == FIOCLEX),
            FIONBIO => {
                let on = a.read(&self.memory, 2, 4)?.iter().any(|&byte| byte != 0);
                let file = self.descriptors.file_mut(fd)?;
                file.flags = file.flags & !O_NONBLOCK | if on { O_NONBLOCK } else { 0 };
                Ok(0)
            }
            FIONREAD => {
                let left = match &self.inodes.get(ino).body {
                    Body::File(content) => content.len as i64 - self.descriptors.file(fd)?.pos as i64,
                    Body::Fifo(pipe) => pipe.len() as i64,
                    Body::Socket => self.socket_waiting(ino).unwrap_or(0) as i64,
                    Body::Device(Device::Tty) => self.tty_line(usize::MAX).len() as i64,
                    _ => return Err(Errno::ENOTTY),
                };
                a.write(&mut self.memory, 2, &(left as i32).to_le_bytes())?;
                Ok(0)
            }
            FS_IOC_GETFLAGS => {
                let attributes = self.get_attributes(ino)?;
                a.write(&mut self.memory, 2, &attributes.to_le_bytes())?;
                Ok(0)
            }
            FS_IOC_SETFLAGS => {
                let attributes = a.read(&self.memory, 2, 4)?.try_into().map_err(|_| Errno::EFAULT)?;
                self.set_attributes(ino, u32::from_le_bytes(attributes))
            }
            FIOASYNC => {
                let on = a.read(&self.memory, 2, 4)?.iter().any(|&byte| byte != 0);
                let tells = is_tty || matches!(self.inodes.get(ino).body, Body::Fifo(_));
                let file = self.descriptors.file_mut(fd)?;
                if file.has(FASYNC) != on {
                    if !tells {
                        return Err(Errno::ENOTTY);
                    }
                    file.flags ^= FASYNC;
                }
                Ok(0)
            }
            FS_IOC_FIEMAP => self.fiemap(a),
            request if is_tty => self.tty_ioctl(a, request),
            _ => Err(Errno::ENOTTY),
        }
    }
}

/// A transfer must not end behind the last offset (`rw_verify_area`).
fn check_end(pos: u64, len: usize) -> Result<(), Errno> {
    if pos.checked_add(len as u64).is_some_and(|end| end <= i64::MAX as u64) {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// One name in a directory.
struct Entry {
    /// The position behind it.
    next: u64,
    name: Vec<u8>,
    ino: Ino,
    kind: u8,
}

/// One `struct linux_dirent64`.
fn dirent(entry: &Entry) -> Vec<u8> {
    let len = (19 + entry.name.len() + 1).next_multiple_of(8);
    let mut bytes = Vec::with_capacity(len);
    bytes.extend(entry.ino.to_le_bytes());
    bytes.extend(entry.next.to_le_bytes());
    bytes.extend((len as u16).to_le_bytes());
    bytes.push(entry.kind);
    bytes.extend(&entry.name);
    bytes.resize(len, 0);
    bytes
}
