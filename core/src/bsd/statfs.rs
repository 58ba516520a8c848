//! File systems: `statfs` and its kin, in today's layout and in the old one.
//!
//! Below a prefix the file system that the prefix is on is the root; others are where the guest finds them, and those
//! outside of a sealed prefix are not listed.
//!
//! Differs from XNU: `f_fstypename` and what is mounted are Linux's, and the owner of a mount is not known (0).

use super::mounts::{Mount, Mounts, Name, mount_and_device};
use super::object::{Object, at_opened};
use super::scratch::copy;
use crate::convert::errno::ToBsd;
use crate::convert::statfs::{file_system_type, fsid, mount_flags};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::{Context, Process};
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::user::{UserAddr, UserPtr};
use crate::vchroot::Links;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::mount::{Fsid, MountFlags, Statfs, Statfs64};
use xnu_abi::linux::Statfs as LinuxStatfs;
use zerocopy::{Immutable, IntoBytes};

/// A layout in which a program can ask for what is known of a file system.
pub trait Form: Sized {
    /// Bytes that `statfs` and `fstatfs` write. The old ones leave out what is reserved at the end.
    const WRITTEN: usize;
    /// Where the names are, and how long they may be: type, mount point, source.
    const NAMES: [(usize, usize); 3];

    /// Writes the fields before the names.
    fn write_numbers<K: Kernel>(kernel: &K, to: UserAddr, volume: &Volume) -> SysResult<()>;
}

/// What is known of a file system, but for its names.
#[derive(Clone, Copy)]
pub struct Volume {
    statfs: LinuxStatfs,
    fsid: Fsid,
    flags: MountFlags,
}

impl Volume {
    /// What Linux knows.
    pub(super) fn statfs(&self) -> &LinuxStatfs {
        &self.statfs
    }

    /// Its identity.
    pub(super) fn fsid(&self) -> Fsid {
        self.fsid
    }

    /// How it is mounted.
    pub(super) fn flags(&self) -> MountFlags {
        self.flags
    }

    fn new(statfs: LinuxStatfs, device: i32, is_root: bool) -> Volume {
        let mut flags = mount_flags(&statfs);
        flags.set(MountFlags::MNT_ROOTFS, is_root);
        Volume { statfs, fsid: fsid(device, &statfs), flags }
    }
}

/// The beginning of [`Statfs64`].
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
struct Numbers64 {
    f_bsize: u32,
    f_iosize: i32,
    counts: [u64; 5],
    f_fsid: [i32; 2],
    f_owner: u32,
    f_type: u32,
    f_flags: u32,
    f_fssubtype: u32,
}

impl Form for Statfs64 {
    const WRITTEN: usize = size_of::<Statfs64>();
    const NAMES: [(usize, usize); 3] = [(72, 16), (88, 1024), (1112, 1024)];

    fn write_numbers<K: Kernel>(kernel: &K, to: UserAddr, volume: &Volume) -> SysResult<()> {
        let from = &volume.statfs;
        let numbers = Numbers64 {
            f_bsize: u32::try_from(from.f_frsize).unwrap_or(u32::MAX),
            f_iosize: i32::try_from(from.f_bsize).unwrap_or(i32::MAX),
            counts: [from.f_blocks, from.f_bfree, from.f_bavail, from.f_files, from.f_ffree],
            f_fsid: volume.fsid.val,
            f_owner: 0,
            f_type: file_system_type(from),
            f_flags: volume.flags.bits(),
            f_fssubtype: 0,
        };
        kernel.copy_out(to, numbers.as_bytes())?;
        Ok(())
    }
}

/// The beginning of [`Statfs`].
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
struct Numbers {
    unused: u64,
    f_bsize: i64,
    f_iosize: i64,
    counts: [u64; 5],
    f_fsid: [i32; 2],
    f_owner: u32,
    f_reserved1: i16,
    f_type: i16,
    f_flags: i64,
    f_reserved2: [i64; 2],
}

impl Form for Statfs {
    const WRITTEN: usize = 303;
    const NAMES: [(usize, usize); 3] = [(104, 15), (119, 90), (209, 90)];

    fn write_numbers<K: Kernel>(kernel: &K, to: UserAddr, volume: &Volume) -> SysResult<()> {
        let from = &volume.statfs;
        let numbers = Numbers {
            unused: 0,
            f_bsize: from.f_frsize,
            f_iosize: from.f_bsize,
            counts: [from.f_blocks, from.f_bfree, from.f_bavail, from.f_files, from.f_ffree],
            f_fsid: volume.fsid.val,
            f_owner: 0,
            f_reserved1: 0,
            f_type: file_system_type(from) as i16,
            f_flags: i64::from(volume.flags.bits()),
            f_reserved2: [0; 2],
        };
        kernel.copy_out(to, numbers.as_bytes())?;
        Ok(())
    }
}

/// `man 2 statfs`.
pub fn statfs<K: Kernel, L, T: Form>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    buf: UserPtr<T>,
) -> SysResult<()> {
    at_opened(cx, DirFd::CWD, path, Links::Follow, |_, file| tell(cx.process, file, buf))
}

/// `man 2 fstatfs`.
pub fn fstatfs<K: Kernel, L, T: Form>(cx: &mut Context<'_, K, L>, fd: Fd, buf: UserPtr<T>) -> SysResult<()> {
    let object = Object::vnode(cx.kernel(), fd)?;
    tell(cx.process, object.directory, buf)
}

/// What `statfs` knows of the file system that an open object is on. The list of mounts, which must be at its beginning, is
/// at its entry afterwards.
#[inline(never)]
pub(super) fn volume<K: Kernel>(kernel: &K, mounts: &mut Mounts<'_, K>, file: LinuxFd) -> SysResult<Volume> {
    let (id, device) = mount_and_device(kernel, file)?;
    // A mount of another name space has no entry, and no name.
    let mount = mounts.find(id)?;
    let is_root = mount.is_some_and(|mount| mount.is_root);
    numbers(kernel, file, device, is_root)
}

/// Apart, so that the search for the mount needs no stack for it.
#[inline(never)]
fn numbers<K: Kernel>(kernel: &K, file: LinuxFd, device: i32, is_root: bool) -> SysResult<Volume> {
    let statfs = linux::metadata::fstatfs(kernel, file).to_bsd()?;
    Ok(Volume::new(statfs, device, is_root))
}

#[inline(never)]
fn tell<K: Kernel, L, T: Form>(process: &Process<K, L>, file: LinuxFd, buf: UserPtr<T>) -> SysResult<()> {
    let mut mounts = Mounts::open(&process.kernel, process.lookup())?;
    let volume = volume(&process.kernel, &mut mounts, file)?;
    write::<K, T>(&process.kernel, buf.address(), T::WRITTEN, &volume, &mounts)
}

fn write<K: Kernel, T: Form>(
    kernel: &K,
    to: UserAddr,
    size: usize,
    volume: &Volume,
    mounts: &Mounts<'_, K>,
) -> SysResult<()> {
    let zeros = [0; 128];
    let mut done = 0;
    while done < size {
        let count = size.wrapping_sub(done).min(zeros.len());
        kernel.copy_out(to.checked_add(done as u64)?, zeros.get(..count).unwrap_or_default())?;
        done = done.wrapping_add(count);
    }
    T::write_numbers(kernel, to, volume)?;
    for (name, (offset, capacity)) in [Name::Type, Name::Point, Name::Source].into_iter().zip(T::NAMES) {
        let from = mounts.name(name)?;
        let length = length(kernel, from, capacity.saturating_sub(1))?;
        copy(kernel, from, to.checked_add(offset as u64)?, length)?;
    }
    Ok(())
}

/// The length of a string in mapped memory, of which no more than `most` is wanted.
pub(super) fn length<K: Kernel>(kernel: &K, from: UserAddr, most: usize) -> SysResult<usize> {
    let mut piece = [0; 64];
    let mut done: usize = 0;
    while done < most {
        let count = most.wrapping_sub(done).min(piece.len());
        let bytes = piece.get_mut(..count).unwrap_or_default();
        kernel.copy_in(from.checked_add(done as u64)?, bytes)?;
        if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
            return Ok(done.wrapping_add(end));
        }
        done = done.wrapping_add(count);
    }
    Ok(most)
}

/// `man 2 getfsstat`: as many as there is room for, or, without a buffer, their number
/// (`bsd/vfs/vfs_syscalls.c`, `getfsstat_callback`). Nothing is remembered, so that the flags change nothing.
#[inline(never)]
pub fn getfsstat<K: Kernel, L, T: Form>(
    cx: &mut Context<'_, K, L>,
    buf: UserPtr<T>,
    size: i32,
    _flags: i32,
) -> SysResult<i32> {
    let kernel = cx.kernel();
    let room = usize::try_from(size).map_err(|_| Errno::EINVAL)?.checked_div(size_of::<T>()).unwrap_or(0);
    let mut mounts = Mounts::open(kernel, cx.process.lookup())?;
    let mut count: usize = 0;
    while let Some(mount) = mounts.next()? {
        if mount.is_hidden {
            continue;
        }
        if buf.is_null() {
            count = count.wrapping_add(1);
            continue;
        }
        if count == room {
            break;
        }
        // One that cannot be reached is left out.
        let Some(volume) = reach(kernel, &mounts, mount)? else { continue };
        let to = buf.element(count as u64)?;
        write::<K, T>(kernel, to.address(), size_of::<T>(), &volume, &mounts)?;
        count = count.wrapping_add(1);
    }
    Ok(i32::try_from(count).unwrap_or(i32::MAX))
}

fn reach<K: Kernel>(kernel: &K, mounts: &Mounts<'_, K>, mount: Mount) -> SysResult<Option<Volume>> {
    let answer = linux::metadata::statfs_mapped(kernel, mounts.host_point()?);
    Ok(answer.ok().map(|statfs| Volume::new(statfs, mount.device, mount.is_root)))
}
