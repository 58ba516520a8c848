//! The room that a file takes and where it lies (`bsd/kern/kern_descrip.c`, `sys_fcntl_nocancel`; what the file system
//! says, as Apple's HFS does: `core/hfs_readwrite.c`, `hfs_vnop_allocate`, `hfs_vnop_ioctl`, `hfs_vnop_blockmap`).

use super::file::{access, block_size, vnode};
use crate::convert::errno::{ToBsd, errno};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::{AllocatePosition, Fpunchhole, Fstore, Log2phys};
use xnu_abi::darwin::stat::FileType;
use xnu_abi::linux::{self as abi, Statx, flags};
use zerocopy::{FromZeros, IntoBytes};

/// A file system without the feature.
fn no_support(error: abi::Errno) -> Errno {
    match error {
        abi::Errno::EOPNOTSUPP | abi::Errno::ENODEV | abi::Errno::ESPIPE | abi::Errno::ENOTTY => {
            Errno::ENOTSUP
        }
        other => errno(other),
    }
}

/// `F_PREALLOCATE`. The room lies behind what the file has already; its length stays as it is.
///
/// Differs from XNU: room is never promised to be contiguous (`F_ALLOCATECONTIG`), stays when the file is closed
/// (`F_ALLOCATEPERSIST` or not), and is there in full or not at all (`F_ALLOCATEALL` or not).
pub(super) fn preallocate<K: Kernel>(kernel: &K, file: LinuxFd, address: UserAddr) -> SysResult<i32> {
    let (kind, stat) = vnode(kernel, file)?;
    if !access(kernel, file)?.writes {
        return Err(Errno::EBADF);
    }
    let pointer = UserPtr::<Fstore>::new(address);
    let mut request = pointer.read(kernel)?;
    let from_end = match AllocatePosition::new(request.fst_posmode) {
        AllocatePosition::F_PEOFPOSMODE if request.fst_offset == 0 => true,
        AllocatePosition::F_VOLPOSMODE if request.fst_offset > 0 => false,
        _ => return Err(Errno::EINVAL),
    };
    let allocated = allocate(kernel, file, kind, &stat, request.fst_length, from_end);
    request.fst_bytesalloc = allocated.unwrap_or(0);
    // Written whatever came of it.
    let written = pointer.write(kernel, &request);
    allocated?;
    written?;
    Ok(0)
}

/// Sets room aside and answers how much.
fn allocate<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    kind: FileType,
    stat: &Statx,
    length: i64,
    from_end: bool,
) -> SysResult<i64> {
    match kind {
        FileType::S_IFREG => {}
        FileType::S_IFDIR | FileType::S_IFLNK => return Err(Errno::EISDIR),
        _ => return Err(Errno::ENOTSUP),
    }
    if length < 0 {
        return Err(Errno::EINVAL);
    }
    let block = block_size(stat);
    let length = (length as u64).checked_next_multiple_of(block).ok_or(Errno::EINVAL)?;
    let used = stat.stx_blocks.saturating_mul(512).max(stat.stx_size);
    let end = used.checked_next_multiple_of(block).ok_or(Errno::EFBIG)?;
    let more = match from_end {
        true => length,
        // With a place on the volume, the length is that of the file in all.
        false => length.checked_sub(end).ok_or(Errno::EINVAL)?,
    };
    if more == 0 {
        return Ok(0);
    }
    let (start, more) = (i64::try_from(end), i64::try_from(more));
    let (Ok(start), Ok(more)) = (start, more) else { return Err(Errno::EFBIG) };
    linux::descriptor::fallocate(kernel, file, flags::FALLOC_FL_KEEP_SIZE, start, more)
        .map_err(no_support)?;
    Ok(more)
}

/// `F_PUNCHHOLE`: whole blocks of the file system (`man 2 fcntl`).
pub(super) fn punch_hole<K: Kernel>(kernel: &K, file: LinuxFd, address: UserAddr) -> SysResult<i32> {
    let (_, stat) = vnode(kernel, file)?;
    if !access(kernel, file)?.writes {
        return Err(Errno::EPERM);
    }
    let hole = UserPtr::<Fpunchhole>::new(address).read(kernel)?;
    let block = block_size(&stat);
    let aligned = |number: i64| number >= 0 && (number as u64).is_multiple_of(block);
    if !aligned(hole.fp_offset) || !aligned(hole.fp_length) {
        return Err(Errno::EINVAL);
    }
    let mode = flags::FALLOC_FL_PUNCH_HOLE | flags::FALLOC_FL_KEEP_SIZE;
    linux::descriptor::fallocate(kernel, file, mode, hole.fp_offset, hole.fp_length).map_err(no_support)?;
    Ok(0)
}

/// `F_TRIM_ACTIVE_FILE`: for the superuser, on file systems that can; Linux's trim a whole volume.
pub(super) fn trim<K: Kernel>(kernel: &K, file: LinuxFd, address: UserAddr) -> SysResult<i32> {
    /// `struct ftrimactivefile`: offset and length.
    type Range = [i64; 2];
    linux::metadata::fstatx(kernel, file).to_bsd()?;
    check_superuser(kernel)?;
    vnode(kernel, file)?;
    if !access(kernel, file)?.writes {
        return Err(Errno::EPERM);
    }
    UserPtr::<Range>::new(address).read(kernel)?;
    Err(Errno::ENOTTY)
}

fn check_superuser<K: Kernel>(kernel: &K) -> SysResult<()> {
    if linux::process::geteuid(kernel).to_bsd()? == 0 { Ok(()) } else { Err(Errno::EACCES) }
}

/// `F_SETSIZE`: the superuser's `ftruncate`. As on XNU of today, what is added reads as zeros.
pub(super) fn set_size<K: Kernel>(kernel: &K, file: LinuxFd, address: UserAddr) -> SysResult<i32> {
    let (_, stat) = vnode(kernel, file)?;
    if !access(kernel, file)?.writes {
        return Err(Errno::EBADF);
    }
    let length = UserPtr::<i64>::new(address).read(kernel)?;
    if stat.stx_attributes & u64::from(flags::STATX_ATTR_APPEND) != 0 {
        return Err(Errno::EPERM);
    }
    check_superuser(kernel)?;
    linux::descriptor::ftruncate(kernel, file, length).to_bsd()?;
    Ok(0)
}

/// `F_RDADVISE`: reads ahead in a regular file.
pub(super) fn read_ahead<K: Kernel>(kernel: &K, file: LinuxFd, address: UserAddr) -> SysResult<i32> {
    let (kind, stat) = vnode(kernel, file)?;
    // The kernel's structure ends with the count, the C library's with padding.
    let [low, high, count] = UserPtr::<[u32; 3]>::new(address).read(kernel)?;
    let offset = i64::from(high as i32) << 32 | i64::from(low);
    let count = count as i32;
    if offset < 0 || count < 0 || kind != FileType::S_IFREG {
        return Err(Errno::EINVAL);
    }
    if offset as u64 >= stat.stx_size {
        return Err(Errno::EFBIG);
    }
    advise(kernel, file, offset, i64::from(count), flags::POSIX_FADV_WILLNEED);
    Ok(0)
}

/// `struct fspecread`, of `F_SPECULATIVE_READ`.
#[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
#[repr(C)]
struct Fspecread {
    fsr_flags: u32,
    reserved: u32,
    fsr_offset: i64,
    fsr_length: i64,
}

/// `F_SPECULATIVE_READ`: reads ahead by whole pages.
pub(super) fn speculative_read<K: Kernel>(kernel: &K, file: LinuxFd, address: UserAddr) -> SysResult<i32> {
    const PAGE: i64 = 4096;
    vnode(kernel, file)?;
    let range = UserPtr::<Fspecread>::new(address).read(kernel)?;
    if range.fsr_offset < 0 || range.fsr_length < 0 {
        return Err(Errno::EINVAL);
    }
    let into_page = range.fsr_offset % PAGE;
    let start = range.fsr_offset.wrapping_sub(into_page);
    let length = range.fsr_length.checked_add(into_page).ok_or(Errno::EOVERFLOW)?;
    start.checked_add(length).ok_or(Errno::EOVERFLOW)?;
    advise(kernel, file, start, length, flags::POSIX_FADV_WILLNEED);
    Ok(0)
}

/// Advice that Linux does not take (from a device, say) is lost, and nobody is told: it was advice.
pub(super) fn advise<K: Kernel>(kernel: &K, file: LinuxFd, offset: i64, length: i64, advice: u32) {
    // To Linux, a length of 0 means all the rest.
    if length != 0 || offset == 0 {
        let _ = linux::descriptor::fadvise(kernel, file, offset, length, advice);
    }
}

/// `F_FLUSH_DATA`: starts writing what is not yet written, and does not wait. What keeps nothing back has nothing to
/// write.
pub(super) fn flush<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<i32> {
    vnode(kernel, file)?;
    match linux::descriptor::sync_file_range(kernel, file, flags::SYNC_FILE_RANGE_WRITE) {
        Ok(()) | Err(abi::Errno::ESPIPE | abi::Errno::EINVAL | abi::Errno::EBADF) => Ok(0),
        Err(error) => Err(errno(error)),
    }
}

/// `FS_IOC_FIEMAP`.
const FS_IOC_FIEMAP: u32 = 0xc020_660b;
/// `FIEMAP_FLAG_SYNC`: what is not yet written has no place, so it is written first.
const FIEMAP_FLAG_SYNC: u32 = 1;
/// The extent's place is unknown, not chosen yet, not its own, or beside other data (`FIEMAP_EXTENT_…`).
const NO_PLACE: u32 = 0x2 | 0x4 | 0x8 | 0x200;

/// `struct fiemap` with room for one extent.
#[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
#[repr(C)]
struct Fiemap {
    start: u64,
    length: u64,
    flags: u32,
    mapped: u32,
    count: u32,
    reserved: u32,
    logical: u64,
    physical: u64,
    extent_length: u64,
    extent_reserved: [u64; 2],
    extent_flags: u32,
    tail: [u32; 3],
}

/// `F_LOG2PHYS` (the byte at the position) and, with `extended`, `F_LOG2PHYS_EXT` (the bytes that the structure names):
/// where they lie on the device, -1 for a hole.
pub(super) fn place<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    extended: bool,
    address: UserAddr,
) -> SysResult<i32> {
    const SEEK_CUR: i32 = 1;
    linux::metadata::fstatx(kernel, file).to_bsd()?;
    let pointer = UserPtr::<Log2phys>::new(address);
    let asked = if extended { pointer.read(kernel)? } else { Log2phys::new_zeroed() };
    let (kind, stat) = vnode(kernel, file)?;
    if kind != FileType::S_IFREG {
        return Err(Errno::ENOTSUP);
    }
    let (offset, length) = match extended {
        true => (asked.l2p_devoffset, asked.l2p_contigbytes),
        false => (linux::descriptor::lseek(kernel, file, 0, SEEK_CUR).to_bsd()?, 1),
    };
    if length < 0 {
        return Err(Errno::EINVAL);
    }
    let left = stat.stx_size.checked_sub(offset as u64).filter(|left| *left > 0).ok_or(Errno::ERANGE)?;
    let (device, run) = extent(kernel, file, offset as u64, (length as u64).max(1).min(left))?;
    let contiguous = if extended { run.min(length as u64) as i64 } else { 0 };
    let answer = Log2phys { l2p_flags: 0, l2p_contigbytes: contiguous, l2p_devoffset: device };
    pointer.write(kernel, &answer)?;
    Ok(0)
}

/// The place of a byte on the device, or -1, and for how many of the bytes from there on that holds.
fn extent<K: Kernel>(kernel: &K, file: LinuxFd, offset: u64, length: u64) -> SysResult<(i64, u64)> {
    let mut map = Fiemap::new_zeroed();
    (map.start, map.length) = (offset, length);
    (map.flags, map.count) = (FIEMAP_FLAG_SYNC, 1);
    linux::descriptor::ioctl(kernel, file, FS_IOC_FIEMAP, map.as_mut_bytes()).map_err(no_support)?;
    if map.mapped == 0 {
        return Ok((-1, length));
    }
    let Some(into) = offset.checked_sub(map.logical) else {
        return Ok((-1, map.logical.wrapping_sub(offset).min(length)));
    };
    let run = map.extent_length.saturating_sub(into).min(length);
    if map.extent_flags & NO_PLACE != 0 {
        return Ok((-1, run));
    }
    Ok((map.physical.wrapping_add(into) as i64, run))
}
