//! What directories hold, by folded name, so that a name that is missing from one is missed quickly.
//!
//! One for the whole program and not for a process of it: it says what is true of a file system, whoever asks, and is
//! too large to be moved about. Nothing depends on it but time. It is shared by all threads and by signal handlers, takes
//! no lock that anybody waits for, and every reader finds out if what it read was being replaced meanwhile.

use super::prefix::Lookup;
use super::source::{NAME_MAX, Name};
use super::{fold, handle::Handle};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd, LinuxResult};
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering, fence};
use xnu_abi::linux::{Errno, Statx, flags};

/// Names that are remembered in all, by 32 bits of their hash.
const WORDS: usize = 1 << 16;
/// Directories that are remembered at once.
const DIRECTORIES: usize = 256;
/// Spellings that are remembered.
const SPELLINGS: usize = 128;

static INDEX: Index = Index::new();

struct Index {
    /// Who is reading a directory into `words`: a process, or 0. After a fork that can be one that is not there.
    scanner: AtomicI32,
    /// How many words were ever written; they go round.
    end: AtomicU64,
    words: [AtomicU32; WORDS],
    directories: [Directory; DIRECTORIES],
    spellings: [Spelling; SPELLINGS],
}

/// The names of one directory: sorted words.
struct Directory {
    /// Odd while it is written.
    version: AtomicU32,
    count: AtomicU32,
    stamp: AtomicU64,
    start: AtomicU64,
}

/// A name as one directory spells it.
struct Spelling {
    /// Odd while it is written.
    version: AtomicU32,
    length: AtomicU32,
    stamp: AtomicU64,
    hash: AtomicU64,
    name: [AtomicU64; SPELLING_WORDS],
}

const SPELLING_WORDS: usize = (NAME_MAX + 1) / 8;

impl Index {
    const fn new() -> Index {
        Index {
            scanner: AtomicI32::new(0),
            end: AtomicU64::new(0),
            words: [const { AtomicU32::new(0) }; WORDS],
            directories: [const {
                Directory {
                    version: AtomicU32::new(0),
                    count: AtomicU32::new(0),
                    stamp: AtomicU64::new(0),
                    start: AtomicU64::new(0),
                }
            }; DIRECTORIES],
            spellings: [const {
                Spelling {
                    version: AtomicU32::new(0),
                    length: AtomicU32::new(0),
                    stamp: AtomicU64::new(0),
                    hash: AtomicU64::new(0),
                    name: [const { AtomicU64::new(0) }; SPELLING_WORDS],
                }
            }; SPELLINGS],
        }
    }

    fn word(&self, at: u64) -> Option<&AtomicU32> {
        self.words.get(at as usize % WORDS)
    }

    fn directory(&self, stamp: u64) -> Option<&Directory> {
        self.directories.get(stamp as usize % DIRECTORIES)
    }

    /// Whether a directory holds a name; `None` where that is not known.
    fn holds(&self, stamp: u64, hash: u64) -> Option<bool> {
        let directory = self.directory(stamp)?;
        let version = directory.version.load(Ordering::Acquire);
        if version % 2 != 0 || directory.stamp.load(Ordering::Relaxed) != stamp {
            return None;
        }
        let start = directory.start.load(Ordering::Relaxed);
        let (mut low, mut high) = (0, u64::from(directory.count.load(Ordering::Relaxed)));
        let wanted = hash as u32;
        let mut found = false;
        while low < high && !found {
            let middle = low.midpoint(high);
            let word = self.word(start.wrapping_add(middle))?.load(Ordering::Relaxed);
            found = word == wanted;
            if word < wanted {
                low = middle.wrapping_add(1);
            } else {
                high = middle;
            }
        }
        fence(Ordering::Acquire);
        let kept = self.end.load(Ordering::Relaxed).wrapping_sub(start) <= WORDS as u64;
        (kept && directory.version.load(Ordering::Relaxed) == version).then_some(found)
    }

    /// Says that the words from `start` on are all the names of a directory.
    fn keep(&self, stamp: u64, start: u64, count: u32) {
        self.sort(start, count.into());
        let Some(directory) = self.directory(stamp) else { return };
        let Some(version) = begin(&directory.version) else { return };
        directory.stamp.store(stamp, Ordering::Relaxed);
        directory.start.store(start, Ordering::Relaxed);
        directory.count.store(count, Ordering::Relaxed);
        directory.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// Heap sort: in place, and with no worst case.
    fn sort(&self, start: u64, count: u64) {
        let get = |at: u64| self.word(start.wrapping_add(at)).map_or(0, |word| word.load(Ordering::Relaxed));
        let set = |at: u64, value: u32| {
            if let Some(word) = self.word(start.wrapping_add(at)) {
                word.store(value, Ordering::Relaxed);
            }
        };
        let sift = |from: u64, end: u64, value: u32| {
            let mut hole = from;
            loop {
                let mut child = hole.wrapping_mul(2).wrapping_add(1);
                if child >= end {
                    break;
                }
                let right = child.wrapping_add(1);
                if right < end && get(right) > get(child) {
                    child = right;
                }
                if get(child) <= value {
                    break;
                }
                set(hole, get(child));
                hole = child;
            }
            set(hole, value);
        };
        for from in (0..count / 2).rev() {
            sift(from, count, get(from));
        }
        for end in (1..count).rev() {
            let last = get(end);
            set(end, get(0));
            sift(0, end, last);
        }
    }

    fn slot(&self, stamp: u64, hash: u64) -> Option<&Spelling> {
        self.spellings.get((stamp ^ hash) as usize % SPELLINGS)
    }

    /// Replaces a name by how the directory spells it, if that is known.
    #[inline(never)]
    fn spell(&self, stamp: u64, hash: u64, name: &mut Name) -> bool {
        let Some(slot) = self.slot(stamp, hash) else { return false };
        let version = slot.version.load(Ordering::Acquire);
        let known = version % 2 == 0
            && slot.stamp.load(Ordering::Relaxed) == stamp
            && slot.hash.load(Ordering::Relaxed) == hash;
        if !known {
            return false;
        }
        let mut bytes = [0; NAME_MAX + 1];
        for (to, from) in bytes.chunks_exact_mut(8).zip(&slot.name) {
            to.copy_from_slice(&from.load(Ordering::Relaxed).to_ne_bytes());
        }
        let length = slot.length.load(Ordering::Relaxed) as usize;
        fence(Ordering::Acquire);
        let spelled = bytes.get(..length).unwrap_or_default();
        if slot.version.load(Ordering::Relaxed) != version || !fold::same(spelled, name.bytes()) {
            return false;
        }
        name.set(spelled);
        true
    }

    fn keep_spelling(&self, stamp: u64, hash: u64, name: &[u8]) {
        let Some(slot) = self.slot(stamp, hash) else { return };
        let Some(version) = begin(&slot.version) else { return };
        slot.stamp.store(stamp, Ordering::Relaxed);
        slot.hash.store(hash, Ordering::Relaxed);
        slot.length.store(name.len() as u32, Ordering::Relaxed);
        for (to, from) in slot.name.iter().zip(name.chunks(8)) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(from) {
                *to = *from;
            }
            to.store(u64::from_ne_bytes(word), Ordering::Relaxed);
        }
        slot.version.store(version.wrapping_add(2), Ordering::Release);
    }
}

/// Makes a version odd, unless somebody is writing there.
fn begin(version: &AtomicU32) -> Option<u32> {
    let before = version.load(Ordering::Relaxed);
    let free = before.is_multiple_of(2)
        && version
            .compare_exchange(before, before.wrapping_add(1), Ordering::Acquire, Ordering::Relaxed)
            .is_ok();
    fence(Ordering::Release);
    free.then_some(before)
}

/// The names of a directory on their way into the index. Ends with itself.
struct Recording<'a, K: Kernel> {
    kernel: &'a K,
    start: u64,
    count: u64,
    reserved: u64,
}

impl<'a, K: Kernel> Recording<'a, K> {
    /// `None` where another one is under way.
    fn begin(kernel: &'a K) -> Option<Recording<'a, K>> {
        let process = linux::process::getpid(kernel).ok()?;
        let before = INDEX.scanner.load(Ordering::Relaxed);
        // Another process's: left over from before a fork.
        if before == process
            || INDEX.scanner.compare_exchange(before, process, Ordering::Acquire, Ordering::Relaxed).is_err()
        {
            return None;
        }
        let start = INDEX.end.load(Ordering::Relaxed);
        Some(Recording { kernel, start, count: 0, reserved: 0 })
    }

    fn add(&mut self, hash: u64) {
        const STEP: u64 = 64;
        if self.count >= WORDS as u64 {
            return;
        }
        if self.count >= self.reserved {
            self.reserved = self.reserved.saturating_add(STEP);
            // First it is said that what was there is gone, then it goes.
            INDEX.end.store(self.start.wrapping_add(self.reserved), Ordering::Relaxed);
            fence(Ordering::Release);
        }
        if let Some(word) = INDEX.word(self.start.wrapping_add(self.count)) {
            word.store(hash as u32, Ordering::Relaxed);
        }
        self.count = self.count.saturating_add(1);
    }

    /// The directory was read to its end, and can be known by this stamp.
    fn keep(self, stamp: u64) {
        if self.reserved < WORDS as u64 {
            INDEX.keep(stamp, self.start, self.count as u32);
        }
    }
}

impl<K: Kernel> Drop for Recording<'_, K> {
    fn drop(&mut self) {
        let process = linux::process::getpid(self.kernel).unwrap_or(0);
        let _ = INDEX.scanner.compare_exchange(process, 0, Ordering::Release, Ordering::Relaxed);
    }
}

const STAMP_MASK: u32 = flags::STATX_TYPE
    | flags::STATX_INO
    | flags::STATX_MTIME
    | flags::STATX_CTIME
    | flags::STATX_SIZE
    | flags::STATX_MNT_ID;

/// What is known of a directory at one time.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Known {
    /// A number that changes whenever the directory does, and that no other directory has.
    stamp: u64,
    changed_s: i64,
    changed_ns: u32,
}

impl Known {
    fn new(instance: u32, stat: &Statx) -> Known {
        let device = u64::from(stat.stx_dev_major) << 32 | u64::from(stat.stx_dev_minor);
        let parts = [
            u64::from(instance),
            device,
            stat.stx_ino,
            stat.stx_mtime.tv_sec as u64,
            stat.stx_mtime.tv_nsec.into(),
            stat.stx_ctime.tv_sec as u64,
            stat.stx_ctime.tv_nsec.into(),
            stat.stx_size,
        ];
        let mut stamp = 0u64;
        for part in parts {
            stamp = (stamp.rotate_left(23) ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            stamp ^= stamp >> 29;
        }
        let (changed_s, changed_ns) = (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec)
            .max((stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec));
        // 0 stands for an empty place.
        Known { stamp: stamp.max(1), changed_s, changed_ns }
    }
}

/// File systems of this machine whose directories' times change with what is in them: ext, xfs, btrfs, tmpfs, ramfs,
/// f2fs, overlayfs, zfs, bcachefs, squashfs, erofs (`include/uapi/linux/magic.h`).
const TELLS_TIME: [i64; 11] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x8584_58f6,
    0xf2f5_2010,
    0x794c_7630,
    0x2fc1_2fc1,
    0xca45_1a4e,
    0x7371_7368,
    0xe0f5_e1e2,
];

impl<K: Kernel> Lookup<'_, K> {
    /// Replaces a name by one that the directory has and that differs only in case or normal form; `false` where there is
    /// none. Of several, the first in the order of bytes.
    ///
    /// # Errors
    /// Linux's, of looking at the directory. One that may be searched but not read has no other names.
    #[inline(never)]
    pub(crate) fn respell(&self, directory: LinuxFd, name: &mut Name) -> LinuxResult<bool> {
        let Known { stamp, .. } = self.known(directory)?;
        let wanted = fold::hash(name.bytes());
        if INDEX.holds(stamp, wanted) == Some(false) {
            return Ok(false);
        }
        if INDEX.spell(stamp, wanted, name) {
            return Ok(true);
        }
        self.scan(directory, name, wanted)
    }

    #[inline(never)]
    fn known(&self, directory: LinuxFd) -> LinuxResult<Known> {
        let mask = flags::AT_EMPTY_PATH;
        let stat = linux::path::statx_some(self.kernel, directory, b"\0", mask, STAMP_MASK)?;
        Ok(Known::new(self.state.instance(), &stat))
    }

    #[inline(never)]
    fn scan(&self, directory: LinuxFd, name: &mut Name, wanted: u64) -> LinuxResult<bool> {
        let kernel = self.kernel;
        let flags = flags::O_DIRECTORY | flags::O_CLOEXEC;
        let listed = match linux::descriptor::openat(kernel, directory, b".\0", flags, 0) {
            Ok(listed) => Handle::owned(kernel, listed),
            Err(Errno::EACCES | Errno::ENOENT) => return Ok(false),
            Err(error) => return Err(error),
        };
        let before = self.known(listed.file())?;
        let mut recording = Recording::begin(kernel);
        let found = self.list(listed.file(), name, wanted, recording.as_mut())?;
        if self.lasts(listed.file(), &before) {
            if let Some(recording) = recording {
                recording.keep(before.stamp);
            }
            if found {
                INDEX.keep_spelling(before.stamp, wanted, name.bytes());
            }
        }
        Ok(found)
    }

    /// Reads a directory to its end, and looks for a name on the way.
    #[inline(never)]
    fn list(
        &self,
        directory: LinuxFd,
        name: &mut Name,
        wanted: u64,
        mut recording: Option<&mut Recording<'_, K>>,
    ) -> LinuxResult<bool> {
        let mut found = false;
        let mut entries = [0; ENTRIES_BYTES];
        loop {
            let length = match linux::path::getdents64(self.kernel, directory, &mut entries) {
                Ok(0) | Err(Errno::ENOENT) => return Ok(found),
                Ok(length) => length,
                Err(error) => return Err(error),
            };
            let mut rest = entries.get(..length).unwrap_or_default();
            while let Some((entry, after)) = next_entry(rest) {
                rest = after;
                let hash = fold::hash(entry);
                if let Some(recording) = &mut recording {
                    recording.add(hash);
                }
                // What was found is the same name as what is looked for.
                if hash == wanted && (!found || entry < name.bytes()) && fold::same(entry, name.bytes()) {
                    found = true;
                    name.set(entry);
                }
            }
        }
    }

    /// Whether what was known of a directory before it was read is sure to change with the directory: it did not change
    /// meanwhile, and the last change is so long ago that the next one will have another time.
    #[inline(never)]
    fn lasts(&self, directory: LinuxFd, before: &Known) -> bool {
        let kernel = self.kernel;
        if self.known(directory) != Ok(*before) {
            return false;
        }
        let Ok(kind) = linux::metadata::file_system(kernel, directory) else { return false };
        let Ok(now) = linux::time::clock_gettime(kernel, linux::time::CLOCK_REALTIME) else { return false };
        // Times are as fine as the clock's ticks, or whole seconds on some file systems.
        let tick_ns = if before.changed_ns.is_multiple_of(1_000_000) { 2_000_000_000 } else { 50_000_000 };
        let changed_ns = nanoseconds(before.changed_s, before.changed_ns.into());
        let age_ns = nanoseconds(now.tv_sec, now.tv_nsec).checked_sub(changed_ns);
        TELLS_TIME.contains(&kind) && age_ns.is_some_and(|age_ns| age_ns > tick_ns)
    }
}

/// Room for directory entries: the longest is shorter, and the stack that this is on is small.
const ENTRIES_BYTES: usize = 288;

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i128 {
    i128::from(seconds).wrapping_mul(1_000_000_000).wrapping_add(nanoseconds.into())
}

/// The name of the first `struct linux_dirent64`, and what comes after it.
pub(super) fn next_entry(entries: &[u8]) -> Option<(&[u8], &[u8])> {
    const LENGTH: core::ops::Range<usize> = 16..18;
    const NAME: usize = 19;
    let length = u16::from_ne_bytes(entries.get(LENGTH)?.try_into().ok()?);
    let (entry, rest) = entries.split_at_checked(length.into())?;
    let name = entry.get(NAME..)?;
    let end = name.iter().position(|byte| *byte == 0)?;
    Some((name.get(..end)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_where_they_were_kept() {
        static TRIED: Index = Index::new();
        let index = &TRIED;
        let words: [u32; 7] = [90, 7, 7, u32::MAX, 0, 51, 12];
        // Over the end of the ring.
        let start = WORDS as u64 * 3 - 4;
        for (at, word) in words.iter().enumerate() {
            assert!(index.word(start + at as u64).is_some_and(|place| {
                place.store(*word, Ordering::Relaxed);
                true
            }));
        }
        index.end.store(start + 7, Ordering::Relaxed);
        index.keep(42, start, 7);
        for word in words {
            assert_eq!(index.holds(42, word.into()), Some(true), "{word}");
        }
        assert_eq!(index.holds(42, 8), Some(false));
        assert_eq!(index.holds(42 + DIRECTORIES as u64, 8), None);
        // Written over by others.
        index.end.store(start + WORDS as u64 + 1, Ordering::Relaxed);
        assert_eq!(index.holds(42, 7), None);
    }

    #[test]
    fn spellings_are_those_of_their_directory() {
        static TRIED: Index = Index::new();
        let index = &TRIED;
        let hash = fold::hash(b"library");
        index.keep_spelling(5, hash, b"Library");
        let mut name = Name::new();
        name.set(b"LIBRARY");
        assert!(!index.spell(6, hash, &mut name));
        assert!(index.spell(5, hash, &mut name));
        assert_eq!(name.bytes(), b"Library");
    }
}
