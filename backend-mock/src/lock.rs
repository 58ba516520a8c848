//! File locks: POSIX record locks, open-file-description locks and `flock`, kept per inode.

use crate::args::Args;
use crate::fs::inode::Ino;
use crate::layout::{field, layout};
use crate::state::{Answer, State};
use linux_raw_sys::general::{
    F_GETLK, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_RDLCK, F_UNLCK, F_WRLCK, LOCK_EX, LOCK_NB, LOCK_SH,
    LOCK_UN, SEEK_CUR, SEEK_END, SEEK_SET, flock,
};
use xnu_abi::linux::Errno;

/// Who holds a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// A process: this one or one that a test invented.
    Process(i32),
    /// An open file description.
    File(u32),
    /// An open file description, by `flock`: another world.
    Flock(u32),
}

/// One lock on the bytes `start..end`.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    pub(crate) owner: Owner,
    pub(crate) write: bool,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// The end of a range that was given with length 0.
const TO_EOF: u64 = i64::MAX as u64 + 1;

impl Lock {
    fn conflicts(&self, other: &Lock) -> bool {
        let same_world = matches!(self.owner, Owner::Flock(_)) == matches!(other.owner, Owner::Flock(_));
        same_world && self.owner != other.owner && (self.write || other.write) && self.overlaps(other)
    }

    fn is_same_owners(&self, other: &Lock) -> bool {
        self.owner == other.owner && self.overlaps(other)
    }

    fn overlaps(&self, other: &Lock) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// Takes the range of `hole` out of its owner's locks.
fn carve(locks: &mut Vec<Lock>, hole: &Lock) {
    let before = std::mem::take(locks);
    for lock in before {
        if !lock.is_same_owners(hole) {
            locks.push(lock);
            continue;
        }
        if lock.start < hole.start {
            locks.push(Lock { end: hole.start, ..lock.clone() });
        }
        if hole.end < lock.end {
            locks.push(Lock { start: hole.end, ..lock });
        }
    }
}

/// Adds a lock; those of the same owner and kind that it touches become one with it. Like Linux, keeps an owner's locks
/// together from index `group` on, by their start: that decides which one `F_GETLK` tells of.
fn merge(locks: &mut Vec<Lock>, mut new: Lock, group: usize) {
    locks.retain(|lock| {
        let alike = lock.owner == new.owner && lock.write == new.write;
        let joins = alike && lock.start <= new.end && new.start <= lock.end;
        if joins {
            (new.start, new.end) = (new.start.min(lock.start), new.end.max(lock.end));
        }
        !joins
    });
    let before = |lock: &&Lock| lock.owner == new.owner && lock.start < new.start;
    let at = group + locks.iter().skip(group).take_while(before).count();
    locks.insert(at, new);
}

impl State {
    /// `F_GETLK`, `F_SETLK`, `F_SETLKW` and their open-file-description forms. Waiting is `EAGAIN`.
    pub(crate) fn record_lock(&mut self, a: &mut Args<'_, '_>, fd: i32, command: u32) -> Answer {
        let bytes = a.read(&self.memory, 2, size_of::<flock>())?;
        let (file_id, file) = self.descriptors.file_with_id(fd)?;
        let (ino, pos, readable, writable) = (file.ino, file.pos, file.readable, file.writable);
        let of_file = matches!(command, F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW);
        if of_file && field!(bytes, flock, l_pid) != 0 {
            return Err(Errno::EINVAL);
        }
        let kind = field!(bytes, flock, l_type) as u32;
        let get = matches!(command, F_GETLK | F_OFD_GETLK);
        if kind > F_UNLCK || get && kind == F_UNLCK && !of_file {
            return Err(Errno::EINVAL);
        }
        let base = match field!(bytes, flock, l_whence) as u32 {
            SEEK_SET => 0,
            SEEK_CUR => pos as i64,
            SEEK_END => self.inodes.get(ino).size() as i64,
            _ => return Err(Errno::EINVAL),
        };
        let start = base.checked_add(field!(bytes, flock, l_start) as i64).ok_or(Errno::EOVERFLOW)?;
        let len = field!(bytes, flock, l_len) as i64;
        let (start, end) = range(start, len)?;
        let owner = if of_file { Owner::File(file_id) } else { Owner::Process(self.process.pid) };
        let lock = Lock { owner, write: kind == F_WRLCK, start, end };
        if get {
            return self.report_lock(a, ino, &lock, kind == F_UNLCK, bytes);
        }
        if kind == F_RDLCK && !readable || kind == F_WRLCK && !writable {
            return Err(Errno::EBADF);
        }
        let locks = &mut self.inodes.get_mut(ino).locks;
        if kind != F_UNLCK && locks.iter().any(|held| held.conflicts(&lock)) {
            return Err(Errno::EAGAIN);
        }
        let group = locks.iter().position(|held| held.owner == lock.owner).unwrap_or(locks.len());
        carve(locks, &lock);
        if kind != F_UNLCK {
            merge(locks, lock, group);
        }
        Ok(0)
    }

    /// Answers the first lock in the way, or with `own` the first that the caller holds itself.
    fn report_lock(
        &mut self,
        a: &mut Args<'_, '_>,
        ino: Ino,
        lock: &Lock,
        own: bool,
        mut given: Vec<u8>,
    ) -> Answer {
        let mut locks = self.inodes.get(ino).locks.iter();
        let held = locks.find(|held| if own { held.is_same_owners(lock) } else { held.conflicts(lock) });
        let bytes = match held {
            Some(held) => layout!(flock {
                l_type = if held.write { F_WRLCK } else { F_RDLCK },
                l_whence = SEEK_SET,
                l_start = held.start,
                l_len = if held.end == TO_EOF { 0 } else { held.end - held.start },
                l_pid = match held.owner {
                    Owner::Process(pid) => pid,
                    _ => -1,
                },
            }),
            None => {
                given[..2].copy_from_slice(&(F_UNLCK as u16).to_le_bytes());
                given
            }
        };
        a.write(&mut self.memory, 2, &bytes)?;
        Ok(0)
    }

    pub(crate) fn flock(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let operation = a.uint(1);
        let kind = operation & !LOCK_NB;
        if !matches!(kind, LOCK_SH | LOCK_EX | LOCK_UN) {
            return Err(Errno::EINVAL);
        }
        let (file_id, file) = self.descriptors.file_with_id(a.int(0))?;
        if kind != LOCK_UN && !file.readable && !file.writable {
            return Err(Errno::EBADF);
        }
        let lock = Lock { owner: Owner::Flock(file_id), write: kind == LOCK_EX, start: 0, end: TO_EOF };
        let locks = &mut self.inodes.get_mut(file.ino).locks;
        // Converting a lock drops the old one first, and does not get it back.
        carve(locks, &lock);
        if kind == LOCK_UN {
            return Ok(0);
        }
        if locks.iter().any(|held| held.conflicts(&lock)) {
            return Err(Errno::EAGAIN);
        }
        locks.push(lock);
        Ok(0)
    }
}

/// `man 2 fcntl`: a negative length means the bytes before, 0 means to the end.
fn range(start: i64, len: i64) -> Result<(u64, u64), Errno> {
    let (start, end) = match len {
        0 => (start, None),
        1.. => (start, Some(start.checked_add(len - 1).ok_or(Errno::EOVERFLOW)?)),
        _ => (start.checked_add(len).ok_or(Errno::EINVAL)?, Some(start - 1)),
    };
    let first = u64::try_from(start).map_err(|_| Errno::EINVAL)?;
    Ok((first, end.map_or(TO_EOF, |last| last as u64 + 1)))
}
