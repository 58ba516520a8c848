//! File attributes.

use xnu_abi::darwin::stat::{FileFlags, FileType, Stat, Stat64};
use xnu_abi::darwin::time::Timespec;
use xnu_abi::linux::{STATX_BTIME, Statx, StatxTimestamp};
use zerocopy::FromZeros;

/// Attributes of `statx` that have an equal among Darwin's file flags.
const ATTRIBUTES: &[(u64, FileFlags)] =
    &[(0x10, FileFlags::SF_IMMUTABLE), (0x20, FileFlags::SF_APPEND), (0x40, FileFlags::UF_NODUMP)];

/// `struct stat` of today from what Linux knows (`bsd/vfs/vfs_vnops.c`, `vn_stat_noauth`).
///
/// A file system without birth times tells 0, and so does `st_gen`, as Apple's file systems have none. Of the file flags,
/// those that Linux has are told. Link counts above 65535 are shown as 65535.
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
    if from.stx_mask & STATX_BTIME != 0 {
        to.st_birthtimespec = time(&from.stx_btime);
    }
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

/// A pipe without a name (`bsd/kern/sys_pipe.c`, `pipe_stat`): its size is what waits in it, and it is on no device.
pub fn pipe_to_stat64(from: &Statx, waiting: i32) -> Stat64 {
    /// `PIPE_SIZE` (`bsd/sys/pipe.h`).
    const BLOCK: i64 = 16384;
    let mut to = statx_to_stat64(from);
    to.st_mode = S_IFIFO | 0o660;
    to.st_size = i64::from(waiting);
    to.st_blksize = BLOCK as i32;
    to.st_blocks = (to.st_size as u64).div_ceil(BLOCK as u64) as i64;
    (to.st_dev, to.st_nlink) = (0, 0);
    to.st_birthtimespec = Timespec { tv_sec: 0, tv_nsec: 0 };
    to
}

/// A socket (`bsd/kern/sys_socket.c`, `soo_stat`): its size is what waits in it, it is on no device and has no times.
pub fn socket_to_stat64(from: &Statx, waiting: i32) -> Stat64 {
    let mut to = Stat64::new_zeroed();
    to.st_mode = S_IFSOCK | 0o666;
    to.st_size = i64::from(waiting);
    to.st_blksize = i32::try_from(from.stx_blksize).unwrap_or(i32::MAX);
    (to.st_ino, to.st_uid, to.st_gid) = (from.stx_ino, from.stx_uid, from.stx_gid);
    to
}

/// The old `struct stat`: the lower half of the inode number, and no birth time.
pub fn stat64_to_stat(from: &Stat64) -> Stat {
    Stat {
        st_dev: from.st_dev,
        st_ino: from.st_ino as u32,
        st_mode: from.st_mode,
        st_nlink: from.st_nlink,
        st_uid: from.st_uid,
        st_gid: from.st_gid,
        st_rdev: from.st_rdev,
        st_atimespec: from.st_atimespec,
        st_mtimespec: from.st_mtimespec,
        st_ctimespec: from.st_ctimespec,
        st_size: from.st_size,
        st_blocks: from.st_blocks,
        st_blksize: from.st_blksize,
        st_flags: from.st_flags,
        st_gen: from.st_gen,
        st_lspare: 0,
        st_qspare: [0; 2],
    }
}

const S_IFIFO: u16 = FileType::S_IFIFO.number();
const S_IFSOCK: u16 = FileType::S_IFSOCK.number();

/// `dev_t`: eight bits of major, 24 of minor number (`bsd/sys/types.h`, `makedev`).
pub fn device(major: u32, minor: u32) -> i32 {
    (major << 24 | minor & 0x00ff_ffff) as i32
}

/// The number of a device as Linux's calls take it (`include/linux/kdev_t.h`, `new_encode_dev`), which have 20 bits of
/// minor number.
pub fn device_to_linux(device: i32) -> u32 {
    let (major, minor) = (device as u32 >> 24, device as u32 & 0x00ff_ffff);
    minor & 0xff | major << 8 | (minor & !0xff) << 12
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
    fn birth_time_is_told_where_there_is_one() {
        let mut statx = Statx::new_zeroed();
        (statx.stx_mtime, statx.stx_ctime, statx.stx_btime) = (at(30), at(20), at(10));
        assert_eq!(statx_to_stat64(&statx).st_birthtimespec, Timespec { tv_sec: 0, tv_nsec: 0 });
        statx.stx_mask = STATX_BTIME;
        assert_eq!(statx_to_stat64(&statx).st_birthtimespec.tv_sec, 10);
    }

    #[test]
    fn flags_are_those_that_linux_has() {
        let mut statx = Statx::new_zeroed();
        statx.stx_attributes = 0x10 | 0x20 | 0x40 | 0x4 | 1 << 20;
        let flags = FileFlags::SF_IMMUTABLE | FileFlags::SF_APPEND | FileFlags::UF_NODUMP;
        assert_eq!(statx_to_stat64(&statx).st_flags, flags.bits());
    }

    #[test]
    fn pipes_and_sockets_are_as_long_as_what_waits() {
        let mut statx = Statx::new_zeroed();
        (statx.stx_nlink, statx.stx_dev_minor, statx.stx_uid, statx.stx_mtime) = (1, 14, 501, at(5));
        let pipe = pipe_to_stat64(&statx, 16385);
        assert_eq!((pipe.st_size, pipe.st_blocks, pipe.st_nlink, pipe.st_dev), (16385, 2, 0, 0));
        assert_eq!((pipe.st_mode, pipe.st_uid, pipe.st_mtimespec.tv_sec), (0o010660, 501, 5));
        let socket = socket_to_stat64(&statx, 3);
        assert_eq!((socket.st_mode, socket.st_size, socket.st_mtimespec.tv_sec), (0o140666, 3, 0));
    }

    #[test]
    fn devices_are_told_in_linuxs_bits() {
        for (darwin, linux) in [(0, 0), (0x0100_0003, 0x103), (0x0800_0101, 0x0010_0801), (-1, 0xfff0_ffff)] {
            assert_eq!(device_to_linux(darwin), linux, "{darwin:#x}");
        }
    }

    #[test]
    fn old_layout_has_the_lower_half_of_the_inode_number() {
        let mut stat = Stat64::new_zeroed();
        (stat.st_ino, stat.st_size, stat.st_mode) = (0x1_2345_6789, 7, 0o100644);
        let old = stat64_to_stat(&stat);
        assert_eq!((old.st_ino, old.st_size, old.st_mode), (0x2345_6789, 7, 0o100644));
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
