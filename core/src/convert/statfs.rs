//! File systems.

use xnu_abi::darwin::mount::{Fsid, MountFlags};
use xnu_abi::linux::Statfs;

/// `ST_…` of Linux (`man 2 statfs`) that have an equal among Darwin's flags.
const FLAGS: &[(i64, MountFlags)] = &[
    (0x1, MountFlags::MNT_RDONLY),
    (0x2, MountFlags::MNT_NOSUID),
    (0x4, MountFlags::MNT_NODEV),
    (0x8, MountFlags::MNT_NOEXEC),
    (0x10, MountFlags::MNT_SYNCHRONOUS),
    (0x400, MountFlags::MNT_NOATIME),
];

/// Magic numbers of file systems whose files are on another machine: NFS, SMB, CIFS, 9P, Ceph, AFS, Coda.
const REMOTE: &[i64] =
    &[0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x00c3_6400, 0x5346_414f, 0x7375_7245];

/// `f_flags` of a file system; whether it is the root is the caller's to know.
pub fn mount_flags(from: &Statfs) -> MountFlags {
    let mut flags = MountFlags::empty();
    for (linux, darwin) in FLAGS {
        if from.f_flags & linux != 0 {
            flags |= *darwin;
        }
    }
    if !REMOTE.contains(&(from.f_type & 0xffff_ffff)) {
        flags |= MountFlags::MNT_LOCAL;
    }
    flags
}

/// `f_type`: XNU numbers file systems as they are registered, so that any number will do; Linux's magic one.
pub fn file_system_type(from: &Statfs) -> u32 {
    from.f_type as u32
}

/// The identity of a file system: the device of its files, as `stat` tells it, and its type.
pub fn fsid(device: i32, from: &Statfs) -> Fsid {
    Fsid { val: [device, file_system_type(from) as i32] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromZeros;

    #[test]
    fn flags_are_translated_one_by_one() {
        let mut statfs = Statfs::new_zeroed();
        statfs.f_type = 0xef53;
        statfs.f_flags = 0x1 | 0x8 | 0x20 | 0x1000;
        assert_eq!(
            mount_flags(&statfs),
            MountFlags::MNT_RDONLY | MountFlags::MNT_NOEXEC | MountFlags::MNT_LOCAL
        );
        (statfs.f_type, statfs.f_flags) = (0x6969, 0);
        assert_eq!(mount_flags(&statfs), MountFlags::empty());
    }

    #[test]
    fn an_identity_begins_with_the_device() {
        let mut statfs = Statfs::new_zeroed();
        statfs.f_type = 0xef53;
        assert_eq!(fsid(7, &statfs).val, [7, 0xef53]);
    }
}
