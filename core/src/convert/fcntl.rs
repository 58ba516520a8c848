//! Flags of open files and record locks.

use xnu_abi::darwin::fcntl::{self, AccessMode, LockType, OpenFlags};
use xnu_abi::darwin::unistd::Whence;
use xnu_abi::linux::{self, flags};

const SAME_MEANING: &[(OpenFlags, u32)] = &[
    (OpenFlags::O_NONBLOCK, flags::O_NONBLOCK),
    (OpenFlags::O_APPEND, flags::O_APPEND),
    (OpenFlags::O_CREAT, flags::O_CREAT),
    (OpenFlags::O_TRUNC, flags::O_TRUNC),
    (OpenFlags::O_EXCL, flags::O_EXCL),
    (OpenFlags::O_NOFOLLOW, flags::O_NOFOLLOW),
    (OpenFlags::O_DIRECTORY, flags::O_DIRECTORY),
    (OpenFlags::O_CLOEXEC, flags::O_CLOEXEC),
    (OpenFlags::O_SYNC, flags::O_SYNC),
    (OpenFlags::O_DSYNC, flags::O_DSYNC),
    (OpenFlags::O_NOCTTY, flags::O_NOCTTY),
];

/// Linux's flags for an `open`. `O_SHLOCK`, `O_EXLOCK`, `O_ASYNC` and the ways of resolving are the handler's.
pub fn open_flags_to_linux(from: OpenFlags) -> u32 {
    let mut to = match from.access_mode() {
        AccessMode::O_WRONLY => flags::O_WRONLY,
        AccessMode::O_RDWR => flags::O_RDWR,
        _ => 0,
    };
    for (darwin, linux) in SAME_MEANING {
        if from.contains(*darwin) {
            to |= linux;
        }
    }
    if !from.contains(OpenFlags::O_CREAT) {
        to &= !flags::O_EXCL;
    }
    to
}

/// The status flags that `F_SETFL` can change.
pub fn status_flags_to_linux(from: OpenFlags) -> u32 {
    let mut to = open_flags_to_linux(from) & (flags::O_NONBLOCK | flags::O_APPEND);
    if from.contains(OpenFlags::O_ASYNC) {
        to |= flags::FASYNC;
    }
    to
}

/// The flags that `F_GETFL` reports: access mode and status.
pub fn status_flags_to_darwin(from: u32) -> OpenFlags {
    let mode = match from & flags::O_ACCMODE {
        flags::O_WRONLY => AccessMode::O_WRONLY,
        flags::O_RDWR => AccessMode::O_RDWR,
        _ => AccessMode::O_RDONLY,
    };
    let mut to = OpenFlags::empty().with_access_mode(mode);
    to.set(OpenFlags::O_NONBLOCK, from & flags::O_NONBLOCK != 0);
    to.set(OpenFlags::O_APPEND, from & flags::O_APPEND != 0);
    to.set(OpenFlags::O_ASYNC, from & flags::FASYNC != 0);
    to.set(OpenFlags::O_SYNC, from & flags::O_SYNC == flags::O_SYNC);
    to.set(OpenFlags::O_DSYNC, from & flags::O_SYNC == flags::O_DSYNC);
    to
}

/// Linux's number of a seek's origin: the last two are swapped.
pub fn whence_to_linux(from: Whence) -> Option<i32> {
    match from {
        Whence::SEEK_SET => Some(0),
        Whence::SEEK_CUR => Some(1),
        Whence::SEEK_END => Some(2),
        Whence::SEEK_DATA => Some(3),
        Whence::SEEK_HOLE => Some(4),
        _ => None,
    }
}

const F_RDLCK: i16 = 0;
const F_WRLCK: i16 = 1;
const F_UNLCK: i16 = 2;

/// A record lock for Linux; `None` for a type that does not exist.
pub fn flock_to_linux(from: &fcntl::Flock) -> Option<linux::Flock> {
    let l_type = match LockType::new(from.l_type) {
        LockType::F_RDLCK => F_RDLCK,
        LockType::F_WRLCK => F_WRLCK,
        LockType::F_UNLCK => F_UNLCK,
        _ => return None,
    };
    Some(linux::Flock {
        l_type,
        l_whence: from.l_whence,
        padding: 0,
        l_start: from.l_start,
        l_len: from.l_len,
        l_pid: 0,
        tail: 0,
    })
}

/// A record lock for the guest.
pub fn flock_to_darwin(from: &linux::Flock) -> fcntl::Flock {
    let l_type = match from.l_type {
        F_RDLCK => LockType::F_RDLCK,
        F_WRLCK => LockType::F_WRLCK,
        _ => LockType::F_UNLCK,
    };
    fcntl::Flock {
        l_start: from.l_start,
        l_len: from.l_len,
        l_pid: from.l_pid,
        l_type: l_type.number(),
        l_whence: from.l_whence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_flags_come_back() {
        let all = OpenFlags::O_NONBLOCK | OpenFlags::O_APPEND | OpenFlags::O_ASYNC;
        for bits in 0..=0x7f {
            let flags = OpenFlags::from_bits_retain(bits) & all;
            assert_eq!(status_flags_to_darwin(status_flags_to_linux(flags)), flags);
        }
    }

    #[test]
    fn exclusive_alone_means_nothing() {
        assert_eq!(open_flags_to_linux(OpenFlags::O_EXCL), 0);
        let both = OpenFlags::O_EXCL | OpenFlags::O_CREAT;
        assert_eq!(open_flags_to_linux(both), flags::O_EXCL | flags::O_CREAT);
    }

    #[test]
    fn sync_is_not_dsync() {
        assert_eq!(status_flags_to_darwin(flags::O_SYNC), OpenFlags::O_SYNC);
        assert_eq!(status_flags_to_darwin(flags::O_DSYNC), OpenFlags::O_DSYNC);
    }

    #[test]
    fn locks_come_back() {
        for l_type in 1..=3 {
            let lock = fcntl::Flock { l_start: 5, l_len: 7, l_pid: 0, l_type, l_whence: 1 };
            assert_eq!(flock_to_linux(&lock).map(|lock| flock_to_darwin(&lock).l_type), Some(l_type));
        }
        let lock = fcntl::Flock { l_start: 0, l_len: 0, l_pid: 0, l_type: 4, l_whence: 0 };
        assert!(flock_to_linux(&lock).is_none());
    }
}
