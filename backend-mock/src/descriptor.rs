//! The descriptor table, open file descriptions, and the calls that work on them.

use crate::args::Args;
use crate::fs::inode::{Body, Ino, PIPEFS_DEV};
use crate::lock::Owner;
use crate::pipe::Pipe;
use crate::state::{Answer, State};
use linux_raw_sys::general::{
    F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_GETLK, F_GETOWN, F_GETOWN_EX, F_GETPIPE_SZ, F_GETSIG,
    F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_OWNER_PGRP, F_OWNER_PID, F_OWNER_TID, F_SETFD, F_SETFL,
    F_SETLK, F_SETLKW, F_SETOWN, F_SETOWN_EX, F_SETPIPE_SZ, F_SETSIG, FASYNC, O_APPEND, O_CLOEXEC, O_DIRECT,
    O_EXCL, O_NOATIME, O_NONBLOCK, O_PATH, O_WRONLY,
};
use std::collections::BTreeMap;
use xnu_abi::linux::Errno;

/// Flags that `F_SETFL` may change.
const SETTABLE_FLAGS: u32 = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | FASYNC;
/// `include/uapi/linux/close_range.h`
const CLOSE_RANGE_UNSHARE: u32 = 2;
const CLOSE_RANGE_CLOEXEC: u32 = 4;
/// `/proc/sys/fs/pipe-max-size`.
const PIPE_MAX_SIZE: u32 = 1 << 20;

/// The name by which a file was opened; follows renames.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Dentry {
    pub(crate) parent: Ino,
    pub(crate) name: Vec<u8>,
    pub(crate) deleted: bool,
}

impl Dentry {
    pub(crate) fn new(parent: Ino, name: &[u8]) -> Dentry {
        Dentry { parent, name: name.to_vec(), deleted: false }
    }
}

/// An open file description: what `dup` shares.
#[derive(Clone, Debug)]
pub(crate) struct OpenFile {
    pub(crate) ino: Ino,
    pub(crate) dentry: Dentry,
    /// As `F_GETFL` shows them.
    pub(crate) flags: u32,
    /// Offset, or position in a directory.
    pub(crate) pos: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// Made by `O_TMPFILE`: may be given a first name by `linkat`.
    pub(crate) linkable: bool,
    /// A fifo opened for reading before any writer came: `poll` does not call that hung up until one came and went.
    pub(crate) awaits_writer: Option<u64>,
    /// Who is told of input.
    pub(crate) owner: FileOwner,
}

/// Who is told of input, and by which signal (0: `SIGIO`).
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct FileOwner {
    kind: u32,
    id: i32,
    signal: i32,
}

impl OpenFile {
    pub(crate) fn has(&self, flag: u32) -> bool {
        self.flags & flag == flag
    }
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    file: u32,
    cloexec: bool,
}

/// The descriptor table and the descriptions behind it.
#[derive(Clone, Default, Debug)]
pub(crate) struct Descriptors {
    table: BTreeMap<i32, Slot>,
    files: BTreeMap<u32, OpenFile>,
    next_file: u32,
}

impl Descriptors {
    /// The lowest free number from `min` on, below `limit`.
    pub(crate) fn lowest(&self, min: i32, limit: u64) -> Result<i32, Errno> {
        let mut fd = min;
        for &used in self.table.range(min..).map(|(used, _)| used) {
            if used != fd {
                break;
            }
            fd += 1;
        }
        if (fd as u64) < limit { Ok(fd) } else { Err(Errno::EMFILE) }
    }

    /// Puts a new description behind a free number.
    pub(crate) fn install(&mut self, fd: i32, file: OpenFile, cloexec: bool) {
        let id = self.next_file;
        self.next_file += 1;
        self.files.insert(id, file);
        self.table.insert(fd, Slot { file: id, cloexec });
    }

    fn slot(&self, fd: i32) -> Result<Slot, Errno> {
        self.table.get(&fd).copied().ok_or(Errno::EBADF)
    }

    /// The description, `O_PATH` ones too.
    pub(crate) fn file_any(&self, fd: i32) -> Result<&OpenFile, Errno> {
        let slot = self.slot(fd)?;
        self.files.get(&slot.file).ok_or(Errno::EBADF)
    }

    /// The description, unless it is an `O_PATH` one.
    pub(crate) fn file(&self, fd: i32) -> Result<&OpenFile, Errno> {
        self.file_any(fd).and_then(|file| if file.has(O_PATH) { Err(Errno::EBADF) } else { Ok(file) })
    }

    /// The same, with the description's identity.
    pub(crate) fn file_with_id(&self, fd: i32) -> Result<(u32, &OpenFile), Errno> {
        Ok((self.slot(fd)?.file, self.file(fd)?))
    }

    pub(crate) fn file_mut(&mut self, fd: i32) -> Result<&mut OpenFile, Errno> {
        let slot = self.slot(fd)?;
        self.files.get_mut(&slot.file).ok_or(Errno::EBADF)
    }

    /// Open numbers, ascending.
    pub(crate) fn numbers(&self) -> Vec<i32> {
        self.table.keys().copied().collect()
    }

    /// Those that a program gets that is executed.
    pub(crate) fn kept_on_exec(&self) -> Vec<i32> {
        self.table.iter().filter(|(_, slot)| !slot.cloexec).map(|(fd, _)| *fd).collect()
    }

    pub(crate) fn refers_to(&self, ino: Ino) -> bool {
        self.files.values().any(|file| file.ino == ino || file.dentry.parent == ino)
    }

    pub(crate) fn is_linkable(&self, ino: Ino) -> bool {
        self.files.values().any(|file| file.ino == ino && file.linkable)
    }

    pub(crate) fn has_reader(&self, ino: Ino) -> bool {
        self.files.values().any(|file| file.ino == ino && file.readable)
    }

    pub(crate) fn has_writer(&self, ino: Ino) -> bool {
        self.files.values().any(|file| file.ino == ino && file.writable)
    }

    /// A name was removed: descriptions opened by it show that.
    pub(crate) fn mark_deleted(&mut self, parent: Ino, name: &[u8], ino: Ino) {
        for file in self.files.values_mut() {
            if file.ino == ino && file.dentry.parent == parent && file.dentry.name == name {
                file.dentry.deleted = true;
            }
        }
    }

    /// A name was moved: descriptions opened by it follow.
    pub(crate) fn renamed(&mut self, from: (Ino, &[u8]), to: (Ino, &[u8]), ino: Ino) {
        for file in self.files.values_mut() {
            let dentry = &file.dentry;
            if file.ino == ino && !dentry.deleted && (dentry.parent, dentry.name.as_slice()) == from {
                file.dentry = Dentry::new(to.0, to.1);
            }
        }
    }
}

impl State {
    /// Closes a number that is open.
    pub(crate) fn close_fd(&mut self, fd: i32) -> Result<(), Errno> {
        let slot = self.descriptors.slot(fd)?;
        self.descriptors.table.remove(&fd);
        let Some(file) = self.descriptors.files.get(&slot.file) else { return Err(Errno::EBADF) };
        let (ino, parent, is_path) = (file.ino, file.dentry.parent, file.has(O_PATH));
        let pid = self.process.pid;
        let last = !self.descriptors.table.values().any(|other| other.file == slot.file);
        // Closing any descriptor of a file drops all of the process's record locks on it.
        self.inodes.get_mut(ino).locks.retain(|lock| match lock.owner {
            Owner::Process(owner) => owner != pid || is_path,
            Owner::File(id) | Owner::Flock(id) => !(last && id == slot.file),
        });
        if last {
            self.descriptors.files.remove(&slot.file);
            if !self.descriptors.has_reader(ino)
                && !self.descriptors.has_writer(ino)
                && let Some(pipe) = self.inodes.get_mut(ino).pipe()
            {
                pipe.clear();
            }
            self.close_socket(ino);
            self.release(ino);
            self.release(parent);
        }
        Ok(())
    }

    pub(crate) fn close(&mut self, a: &mut Args<'_, '_>) -> Answer {
        self.close_fd(a.int(0)).map(|()| 0)
    }

    pub(crate) fn close_range(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (first, last, flags) = (a.uint(0), a.uint(1), a.uint(2));
        if flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 || first > last {
            return Err(Errno::EINVAL);
        }
        for fd in self.descriptors.numbers() {
            if !(first..=last).contains(&(fd as u32)) {
                continue;
            }
            if flags & CLOSE_RANGE_CLOEXEC != 0 {
                if let Some(slot) = self.descriptors.table.get_mut(&fd) {
                    slot.cloexec = true;
                }
            } else {
                self.close_fd(fd)?;
            }
        }
        Ok(0)
    }

    pub(crate) fn dup(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let slot = self.descriptors.slot(a.int(0))?;
        let fd = self.descriptors.lowest(0, self.process.nofile())?;
        self.descriptors.table.insert(fd, Slot { cloexec: false, ..slot });
        Ok(fd as usize)
    }

    pub(crate) fn dup3(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (old, new, flags) = (a.int(0), a.int(1), a.uint(2));
        if flags & !O_CLOEXEC != 0 || old == new {
            return Err(Errno::EINVAL);
        }
        if u64::from(new as u32) >= self.process.nofile() {
            return Err(Errno::EBADF);
        }
        let slot = self.descriptors.slot(old)?;
        if self.descriptors.slot(new).is_ok() {
            self.close_fd(new)?;
        }
        self.descriptors.table.insert(new, Slot { cloexec: flags & O_CLOEXEC != 0, ..slot });
        Ok(new as usize)
    }

    pub(crate) fn pipe2(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let flags = a.uint(1);
        if flags & !(O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_EXCL) != 0 {
            return Err(Errno::EINVAL);
        }
        if flags & O_EXCL != 0 {
            // O_NOTIFICATION_PIPE: not configured.
            return Err(Errno::ENOPKG);
        }
        let limit = self.process.nofile();
        let read_fd = self.descriptors.lowest(0, limit)?;
        let write_fd = self.descriptors.lowest(read_fd + 1, limit)?;
        let numbers: Vec<u8> = [read_fd, write_fd].iter().flat_map(|fd| fd.to_le_bytes()).collect();
        a.write(&mut self.memory, 0, &numbers)?;
        let (uid, gid) = (self.process.credentials.euid, self.process.credentials.egid);
        let ino = self.inodes.make(Body::Fifo(Pipe::new()), 0o600, uid, gid, PIPEFS_DEV, self.clock.now());
        let status = flags & (O_NONBLOCK | O_DIRECT);
        for (fd, readable) in [(read_fd, true), (write_fd, false)] {
            let file = OpenFile {
                ino,
                dentry: Dentry::default(),
                flags: status | if readable { 0 } else { O_WRONLY },
                pos: 0,
                readable,
                writable: !readable,
                linkable: false,
                awaits_writer: None,
                owner: FileOwner::default(),
            };
            self.descriptors.install(fd, file, flags & O_CLOEXEC != 0);
        }
        Ok(0)
    }

    pub(crate) fn fcntl(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (fd, command) = (a.int(0), a.uint(1));
        let path_only = self.descriptors.file_any(fd)?.has(O_PATH);
        if path_only && !matches!(command, F_DUPFD | F_DUPFD_CLOEXEC | F_GETFD | F_SETFD | F_GETFL) {
            return Err(Errno::EBADF);
        }
        match command {
            F_DUPFD | F_DUPFD_CLOEXEC => {
                let min = a.num(2);
                let limit = self.process.nofile();
                if min >= limit {
                    return Err(Errno::EINVAL);
                }
                let slot = self.descriptors.slot(fd)?;
                let new = self.descriptors.lowest(min as i32, limit)?;
                self.descriptors.table.insert(new, Slot { cloexec: command == F_DUPFD_CLOEXEC, ..slot });
                Ok(new as usize)
            }
            F_GETFD => Ok(usize::from(self.descriptors.slot(fd)?.cloexec)),
            F_SETFD => self.set_cloexec(fd, a.num(2) & 1 != 0),
            F_GETFL => Ok(self.descriptors.file_any(fd)?.flags as usize),
            F_SETFL => self.set_status_flags(fd, a.uint(2)),
            F_GETLK | F_SETLK | F_SETLKW | F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW => {
                self.record_lock(a, fd, command)
            }
            F_GETPIPE_SZ | F_SETPIPE_SZ => self.pipe_size(fd, command, a.uint(2)),
            F_GETOWN | F_SETOWN | F_GETOWN_EX | F_SETOWN_EX | F_GETSIG | F_SETSIG => {
                self.owner(a, fd, command)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// Who is told of input. Exists: the own process and its group.
    fn owner(&mut self, a: &mut Args<'_, '_>, fd: i32, command: u32) -> Answer {
        let (pid, pgid) = (self.process.pid, self.process.pgid);
        let owner = &mut self.descriptors.file_mut(fd)?.owner;
        let (kind, id) = match command {
            F_GETSIG => return Ok(owner.signal as usize),
            F_SETSIG => {
                owner.signal =
                    Some(a.int(2)).filter(|signal| (0..=64).contains(signal)).ok_or(Errno::EINVAL)?;
                return Ok(0);
            }
            F_GETOWN if owner.kind == F_OWNER_PGRP => return Ok(owner.id.wrapping_neg() as isize as usize),
            F_GETOWN => return Ok(owner.id as usize),
            F_GETOWN_EX => {
                let bytes = [owner.kind.to_le_bytes(), owner.id.to_le_bytes()].concat();
                a.write(&mut self.memory, 2, &bytes)?;
                return Ok(0);
            }
            F_SETOWN if a.int(2) < 0 => (F_OWNER_PGRP, a.int(2).checked_neg().ok_or(Errno::EINVAL)?),
            F_SETOWN => (F_OWNER_PID, a.int(2)),
            _ => {
                let bytes = a.read(&self.memory, 2, 8)?;
                (crate::layout::get(&bytes, 0, 4) as u32, crate::layout::get(&bytes, 4, 4) as i32)
            }
        };
        let exists = match kind {
            F_OWNER_TID | F_OWNER_PID => id == pid,
            F_OWNER_PGRP => id == pgid,
            _ => return Err(Errno::EINVAL),
        };
        if id != 0 && !exists {
            return Err(Errno::ESRCH);
        }
        (owner.kind, owner.id) = (kind, id);
        Ok(0)
    }

    /// Sets the flag of a number that is open.
    pub(crate) fn set_cloexec(&mut self, fd: i32, cloexec: bool) -> Answer {
        self.descriptors.table.get_mut(&fd).ok_or(Errno::EBADF)?.cloexec = cloexec;
        Ok(0)
    }

    fn set_status_flags(&mut self, fd: i32, flags: u32) -> Answer {
        let ino = self.descriptors.file(fd)?.ino;
        let owns = self.owns(ino);
        let is_file = self.inodes.get(ino).is_file();
        let file = self.descriptors.file_mut(fd)?;
        if flags & O_NOATIME != 0 && !file.has(O_NOATIME) && !owns {
            return Err(Errno::EPERM);
        }
        if flags & O_DIRECT != 0 && !is_file {
            return Err(Errno::EINVAL);
        }
        file.flags = file.flags & !SETTABLE_FLAGS | flags & SETTABLE_FLAGS;
        Ok(0)
    }

    fn pipe_size(&mut self, fd: i32, command: u32, size: u32) -> Answer {
        let ino = self.descriptors.file(fd)?.ino;
        let capable = self.capable();
        let pipe = self.inodes.get_mut(ino).pipe().ok_or(Errno::EBADF)?;
        if command == F_SETPIPE_SZ {
            if size > 1 << 31 || size == 0 {
                return Err(Errno::EINVAL);
            }
            let capacity = size.max(4096).next_power_of_two();
            if capacity > PIPE_MAX_SIZE && !capable {
                return Err(Errno::EPERM);
            }
            if pipe.len() > capacity as usize {
                return Err(Errno::EBUSY);
            }
            pipe.capacity = capacity as usize;
        }
        Ok(pipe.capacity)
    }
}
