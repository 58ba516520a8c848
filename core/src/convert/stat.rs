//! File attributes.

use xnu_abi::darwin::stat::{FileFlags, Stat64};
use xnu_abi::darwin::time::Timespec;
use xnu_abi::linux::{STATX_BTIME, Statx, StatxTimestamp};
use zerocopy::FromZeros;

/// Attributes of `statx` that have an equal among Darwin's file flags.
const ATTRIBUTES: &[(u64, FileFlags)] =
    &[(0x10, FileFlags::SF_IMMUTABLE), (0x20, FileFlags::SF_APPEND), (0x40, FileFlags::UF_NODUMP)];

/// `struct stat` of today from what Linux knows.
///
/// A file system without birth times gets the older of the other two that cannot be set forward of it: of mtime and
/// ctime. Link counts above 65535 are shown as 65535.
pub fn statx_to_stat64(from: &Statx) -> Stat64 {
    let mut to = Stat64::new_zeroed();
    to.st_dev = device(from.stx_dev_major, from.stx_dev_minor);
    to.st_mode = from.stx_mode;
    to.st_nlink = u16::try_from(from.stx_nlink).unwrap_or(u16::MAX);
    to.st_ino = from.stx_ino;
    to.st_uid = from.stx_uid;
    to.st_gid = from.stx_gid;
    to.st_rdev = device(from.stx_rdev_major, from.stx_rdev_minor);
    to.st_atimespec = time(&from.stx_atime);
    to.st_mtimespec = time(&from.stx_mtime);
    to.st_ctimespec = time(&from.stx_ctime);
    to.st_birthtimespec = if from.stx_mask & STATX_BTIME != 0 {
        time(&from.stx_btime)
    } else {
        let (m, c) = (&from.stx_mtime, &from.stx_ctime);
        time(if (m.tv_sec, m.tv_nsec) <= (c.tv_sec, c.tv_nsec) { m } else { c })
    };
    to.st_size = from.stx_size as i64;
    to.st_blocks = from.stx_blocks as i64;
    to.st_blksize = i32::try_from(from.stx_blksize).unwrap_or(i32::MAX);
    for (attribute, flag) in ATTRIBUTES {
        if from.stx_attributes & attribute != 0 {
            to.st_flags |= flag.bits();
        }
    }
    to
}

/// `dev_t`: eight bits of major, 24 of minor number (`bsd/sys/types.h`, `makedev`).
pub fn device(major: u32, minor: u32) -> i32 {
    (major << 24 | minor & 0x00ff_ffff) as i32
}

fn time(from: &StatxTimestamp) -> Timespec {
    Timespec { tv_sec: from.tv_sec, tv_nsec: i64::from(from.tv_nsec) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(tv_sec: i64) -> StatxTimestamp {
        StatxTimestamp { tv_sec, tv_nsec: 7, reserved: 0 }
    }

    #[test]
    fn birth_time_is_asked_for_or_guessed() {
        let mut statx = Statx::new_zeroed();
        (statx.stx_mtime, statx.stx_ctime, statx.stx_btime) = (at(30), at(20), at(10));
        assert_eq!(statx_to_stat64(&statx).st_birthtimespec.tv_sec, 20);
        statx.stx_mask = STATX_BTIME;
        assert_eq!(statx_to_stat64(&statx).st_birthtimespec.tv_sec, 10);
    }

    #[test]
    fn numbers_that_do_not_fit_are_cut_visibly() {
        let mut statx = Statx::new_zeroed();
        statx.stx_nlink = 70_000;
        statx.stx_blksize = u32::MAX;
        let stat = statx_to_stat64(&statx);
        assert_eq!((stat.st_nlink, stat.st_blksize), (u16::MAX, i32::MAX));
    }
}
