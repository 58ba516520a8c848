//! Files and mappings as `proc_info` tells them (`bsd/kern/proc_info.c`, `osfmk/vm/bsd_vm.c`).

use crate::linux::proc::{Extent, Mapping};
use xnu_abi::darwin::mount::Fsid;
use xnu_abi::darwin::proc_info::{ProcRegioninfo, VinfoStat, VnodeInfo};
use xnu_abi::darwin::stat::{FileType, Mode, Stat64};
use zerocopy::FromZeros;

/// What `stat` knows, in the form of its own that `proc_info` has (`munge_vinfo_stat`).
pub fn vinfo_stat(from: &Stat64) -> VinfoStat {
    VinfoStat {
        vst_dev: from.st_dev as u32,
        vst_mode: from.st_mode,
        vst_nlink: from.st_nlink,
        vst_ino: from.st_ino,
        vst_uid: from.st_uid,
        vst_gid: from.st_gid,
        vst_atime: from.st_atimespec.tv_sec,
        vst_atimensec: from.st_atimespec.tv_nsec,
        vst_mtime: from.st_mtimespec.tv_sec,
        vst_mtimensec: from.st_mtimespec.tv_nsec,
        vst_ctime: from.st_ctimespec.tv_sec,
        vst_ctimensec: from.st_ctimespec.tv_nsec,
        vst_birthtime: from.st_birthtimespec.tv_sec,
        vst_birthtimensec: from.st_birthtimespec.tv_nsec,
        vst_size: from.st_size,
        vst_blocks: from.st_blocks,
        vst_blksize: from.st_blksize,
        vst_flags: from.st_flags,
        vst_gen: from.st_gen,
        vst_rdev: from.st_rdev as u32,
        vst_qspare: [0; 2],
    }
}

/// A file. Its file system is known by the device, as `stat` tells it.
pub fn vnode_info(from: &Stat64) -> VnodeInfo {
    VnodeInfo {
        vi_stat: vinfo_stat(from),
        vi_type: vnode_type(from.st_mode),
        vi_pad: 0,
        vi_fsid: Fsid { val: [from.st_dev, 0] },
    }
}

/// `enum vtype` (`bsd/sys/vnode.h`).
pub fn vnode_type(mode: u16) -> i32 {
    match Mode::from_bits_retain(mode).file_type() {
        FileType::S_IFREG => 1,
        FileType::S_IFDIR => 2,
        FileType::S_IFBLK => 3,
        FileType::S_IFCHR => 4,
        FileType::S_IFLNK => 5,
        FileType::S_IFSOCK => 6,
        FileType::S_IFIFO => 7,
        _ => 0,
    }
}

/// A mapping. Without an extent, how much of it there is is not told, as for `PROC_PIDREGIONPATHINFO2`.
pub fn region(mapping: &Mapping, extent: Option<&Extent>) -> ProcRegioninfo {
    const PROC_REGION_SHARED: u32 = 2;
    const INHERIT_SHARE: u32 = 0;
    const INHERIT_COPY: u32 = 1;
    const SM_COW: u32 = 1;
    const SM_PRIVATE: u32 = 2;
    const SM_EMPTY: u32 = 3;
    const SM_SHARED: u32 = 4;
    const ALL: u32 = 7;
    let mut info = ProcRegioninfo::new_zeroed();
    info.pri_protection = mapping.protection;
    info.pri_max_protection = ALL;
    info.pri_inheritance = if mapping.is_shared { INHERIT_SHARE } else { INHERIT_COPY };
    info.pri_flags = if mapping.is_shared { PROC_REGION_SHARED } else { 0 };
    info.pri_offset = mapping.offset;
    (info.pri_address, info.pri_size) = (mapping.start, mapping.end.saturating_sub(mapping.start));
    let Some(extent) = extent else { return info };
    let pages = |kib: u64| u32::try_from(kib / 4).unwrap_or(u32::MAX);
    info.pri_user_wired_count = u32::from(extent.locked != 0);
    info.pri_pages_resident = pages(extent.resident);
    info.pri_pages_swapped_out = pages(extent.swapped);
    info.pri_pages_dirtied = pages(extent.dirty);
    info.pri_private_pages_resident = pages(extent.private);
    info.pri_shared_pages_resident = pages(extent.shared);
    info.pri_ref_count = 1;
    info.pri_share_mode = match (mapping.is_shared, mapping.inode) {
        (true, _) => SM_SHARED,
        (false, 0) if extent.resident == 0 && extent.swapped == 0 => SM_EMPTY,
        (false, 0) => SM_PRIVATE,
        (false, _) => SM_COW,
    };
    info.pri_obj_id = mapping.inode as u32;
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_with_its_type_and_file_system() {
        let mut stat = Stat64::new_zeroed();
        (stat.st_dev, stat.st_mode, stat.st_ino, stat.st_size) = (7, 0o040755, 9, 11);
        let info = vnode_info(&stat);
        assert_eq!(
            (info.vi_type, info.vi_fsid.val, info.vi_stat.vst_ino, info.vi_stat.vst_size),
            (2, [7, 0], 9, 11)
        );
        for (mode, kind) in
            [(0o100644, 1), (0o060644, 3), (0o020644, 4), (0o120777, 5), (0o140777, 6), (0o010644, 7), (0, 0)]
        {
            assert_eq!(vnode_type(mode), kind);
        }
    }

    #[test]
    fn regions_are_shared_copied_private_or_empty() {
        let mapping =
            |is_shared, inode| Mapping { start: 0x1000, end: 0x3000, is_shared, inode, ..Mapping::default() };
        let mode = |mapping: Mapping, resident| {
            region(&mapping, Some(&Extent { resident, ..Extent::default() })).pri_share_mode
        };
        assert_eq!(mode(mapping(true, 0), 4), 4);
        assert_eq!(mode(mapping(false, 5), 4), 1);
        assert_eq!((mode(mapping(false, 0), 4), mode(mapping(false, 0), 0)), (2, 3));
        let bare = region(&mapping(false, 0), None);
        assert_eq!(
            (bare.pri_address, bare.pri_size, bare.pri_ref_count, bare.pri_share_mode),
            (0x1000, 0x2000, 0, 0)
        );
    }
}
