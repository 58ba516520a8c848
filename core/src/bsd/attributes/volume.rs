//! Attributes of a volume (`bsd/vfs/vfs_attrlist.c`, `getvolattrlist`): of the file system that an object is on.

use super::file::UNICODE;
use super::pack::{Memory, Packer, Text};
use super::request::{Group, Request};
use crate::bsd::mounts::{Mounts, Name, PATH, TYPE};
use crate::bsd::statfs::{Volume, length, volume};
use crate::convert::errno::ToBsd;
use crate::convert::stat::statx_to_stat64;
use crate::convert::statfs::file_system_type;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::table::SysResult;
use crate::user::UserAddr;
use xnu_abi::darwin::attr::{
    AttributeOptions, AttributeSet, CommonAttributes as C, DirectoryAttributes as D, FileAttributes as F,
    VOL_CAP_FMT_2TB_FILESIZE, VOL_CAP_FMT_64BIT_OBJECT_IDS, VOL_CAP_FMT_CASE_PRESERVING,
    VOL_CAP_FMT_CASE_SENSITIVE, VOL_CAP_FMT_FAST_STATFS, VOL_CAP_FMT_HARDLINKS,
    VOL_CAP_FMT_NO_IMMUTABLE_FILES, VOL_CAP_FMT_NO_PERMISSIONS, VOL_CAP_FMT_SPARSE_FILES,
    VOL_CAP_FMT_SYMBOLICLINKS, VOL_CAP_INT_ADVLOCK, VOL_CAP_INT_ATTRLIST, VOL_CAP_INT_EXTENDED_ATTR,
    VOL_CAP_INT_EXTENDED_SECURITY, VOL_CAP_INT_FLOCK, VOL_CAP_INT_RENAME_EXCL, VOL_CAP_INT_RENAME_SWAP,
    VOL_CAP_INT_USERACCESS, VolAttributes, VolCapabilities, VolumeAttributes as V,
};
use xnu_abi::darwin::mount::MountFlags;
use xnu_abi::linux::flags;
use zerocopy::IntoBytes;

/// `BD`: a volume whose format has no signature.
const SIGNATURE: u32 = 0x4244;

const FORMAT: u32 = VOL_CAP_FMT_SYMBOLICLINKS
    | VOL_CAP_FMT_HARDLINKS
    | VOL_CAP_FMT_SPARSE_FILES
    | VOL_CAP_FMT_CASE_SENSITIVE
    | VOL_CAP_FMT_CASE_PRESERVING
    | VOL_CAP_FMT_FAST_STATFS
    | VOL_CAP_FMT_2TB_FILESIZE
    | VOL_CAP_FMT_64BIT_OBJECT_IDS;

const INTERFACES: u32 = VOL_CAP_INT_ATTRLIST
    | VOL_CAP_INT_ADVLOCK
    | VOL_CAP_INT_FLOCK
    | VOL_CAP_INT_USERACCESS
    | VOL_CAP_INT_EXTENDED_ATTR
    | VOL_CAP_INT_RENAME_SWAP
    | VOL_CAP_INT_RENAME_EXCL;

/// What Linux's file systems can do, as far as that is the same for all.
const CAPABILITIES: VolCapabilities = VolCapabilities {
    capabilities: [FORMAT, INTERFACES, 0, 0],
    valid: [
        FORMAT | VOL_CAP_FMT_NO_IMMUTABLE_FILES | VOL_CAP_FMT_NO_PERMISSIONS,
        INTERFACES | VOL_CAP_INT_EXTENDED_SECURITY,
        0,
        0,
    ],
};

/// `VFS_DFLT_ATTR_…` without what belongs to access control lists.
const ATTRIBUTES: VolAttributes = VolAttributes {
    validattr: AttributeSet {
        commonattr: C::ATTR_CMN_NAME.bits()
            | C::ATTR_CMN_DEVID.bits()
            | C::ATTR_CMN_FSID.bits()
            | C::ATTR_CMN_OBJTYPE.bits()
            | C::ATTR_CMN_OBJTAG.bits()
            | C::ATTR_CMN_OBJID.bits()
            | C::ATTR_CMN_PAROBJID.bits()
            | C::ATTR_CMN_SCRIPT.bits()
            | C::ATTR_CMN_CRTIME.bits()
            | C::ATTR_CMN_MODTIME.bits()
            | C::ATTR_CMN_CHGTIME.bits()
            | C::ATTR_CMN_ACCTIME.bits()
            | C::ATTR_CMN_FNDRINFO.bits()
            | C::ATTR_CMN_OWNERID.bits()
            | C::ATTR_CMN_GRPID.bits()
            | C::ATTR_CMN_ACCESSMASK.bits()
            | C::ATTR_CMN_FLAGS.bits()
            | C::ATTR_CMN_USERACCESS.bits()
            | C::ATTR_CMN_FILEID.bits()
            | C::ATTR_CMN_PARENTID.bits()
            | C::ATTR_CMN_RETURNED_ATTRS.bits(),
        volattr: V::ATTR_VOL_FSTYPE.bits()
            | V::ATTR_VOL_FSTYPENAME.bits()
            | V::ATTR_VOL_SIGNATURE.bits()
            | V::ATTR_VOL_SIZE.bits()
            | V::ATTR_VOL_SPACEFREE.bits()
            | V::ATTR_VOL_SPACEAVAIL.bits()
            | V::ATTR_VOL_MINALLOCATION.bits()
            | V::ATTR_VOL_ALLOCATIONCLUMP.bits()
            | V::ATTR_VOL_IOBLOCKSIZE.bits()
            | V::ATTR_VOL_MOUNTPOINT.bits()
            | V::ATTR_VOL_MOUNTFLAGS.bits()
            | V::ATTR_VOL_MOUNTEDDEVICE.bits()
            | V::ATTR_VOL_CAPABILITIES.bits()
            | V::ATTR_VOL_ATTRIBUTES.bits()
            | V::ATTR_VOL_ENCODINGSUSED.bits()
            | V::ATTR_VOL_MOUNTEXTFLAGS.bits(),
        dirattr: D::ATTR_DIR_LINKCOUNT.bits()
            | D::ATTR_DIR_ENTRYCOUNT.bits()
            | D::ATTR_DIR_MOUNTSTATUS.bits(),
        fileattr: F::ATTR_FILE_LINKCOUNT.bits()
            | F::ATTR_FILE_TOTALSIZE.bits()
            | F::ATTR_FILE_ALLOCSIZE.bits()
            | F::ATTR_FILE_IOBLOCKSIZE.bits()
            | F::ATTR_FILE_DEVTYPE.bits()
            | F::ATTR_FILE_DATALENGTH.bits()
            | F::ATTR_FILE_DATAALLOCSIZE.bits()
            | F::ATTR_FILE_RSRCLENGTH.bits()
            | F::ATTR_FILE_RSRCALLOCSIZE.bits(),
        forkattr: 0,
    },
    nativeattr: AttributeSet { commonattr: 0, volattr: 0, dirattr: 0, fileattr: 0, forkattr: 0 },
};

/// Writes the reply for the volume that an open object is on.
#[inline(never)]
pub(super) fn tell<K: Kernel>(
    memory: &Memory<'_, K>,
    file: LinuxFd,
    request: &Request,
    to: UserAddr,
    room: usize,
) -> SysResult<()> {
    let kernel = memory.kernel;
    let fixed = request.size_for_volume()?;
    let mut mounts = Mounts::open(kernel, memory.lookup)?;
    let volume = volume(kernel, &mut mounts, file)?;
    let text = |name: Name, most: usize| -> SysResult<Text> {
        let at = mounts.name(name)?;
        Ok(Text { at, length: length(kernel, at, most)? })
    };
    let point = text(Name::Point, PATH)?;
    let source = text(Name::Source, PATH)?;
    let type_name = text(Name::Type, TYPE)?;
    let name = last_component(kernel, point)?;
    // What is told of a volume's directory is told of its root, where that has a name.
    let is_root = volume.flags().contains(MountFlags::MNT_ROOTFS);
    let directory = match memory.lookup {
        Some(lookup) if is_root => Directory::Open(lookup.root),
        _ if point.length == 0 => Directory::Open(file),
        _ => Directory::At(mounts.host_point()?),
    };
    pack(memory, request, &volume, &Names { name, point, source, type_name }, directory, fixed)
        .and_then(|packer| finish(packer, request, to, room))
}

/// The names of a volume.
struct Names {
    name: Text,
    point: Text,
    source: Text,
    type_name: Text,
}

/// Begins the reply and writes it. Apart, so that the look for the names does not pay for its stack.
#[inline(never)]
fn pack<'m, 'k, K: Kernel>(
    memory: &'m Memory<'k, K>,
    request: &Request,
    volume: &Volume,
    names: &Names,
    directory: Directory,
    fixed: usize,
) -> SysResult<Packer<'m, 'k, K>> {
    const C_: Group = Group::Common;
    const V_: Group = Group::Volume;
    let kernel = memory.kernel;
    let Names { name, point, source, type_name } = *names;
    let root = match directory {
        Directory::Open(file) => linux::metadata::fstatx(kernel, file),
        Directory::At(path) => linux::metadata::statx_mapped(kernel, path),
    };
    let root = statx_to_stat64(&root.to_bsd()?);
    let wanted = |group, attribute: u32, text: Text| request.wants(group, attribute).then_some(text);
    let texts = [
        wanted(C_, C::ATTR_CMN_NAME.bits(), name),
        wanted(V_, V::ATTR_VOL_MOUNTPOINT.bits(), point),
        wanted(V_, V::ATTR_VOL_NAME.bits(), name),
        wanted(V_, V::ATTR_VOL_MOUNTEDDEVICE.bits(), source),
        wanted(V_, V::ATTR_VOL_FSTYPENAME.bits(), type_name),
    ];
    let mut packer = Packer::new(memory, request, fixed, &texts)?;
    let to_pack = &mut packer;
    let id = volume.fsid();
    to_pack.put(C_, C::ATTR_CMN_ERROR.bits(), &[0; 4])?;
    to_pack.put_text(C_, C::ATTR_CMN_NAME.bits(), Some(name))?;
    to_pack.put(C_, C::ATTR_CMN_DEVID.bits(), root.st_dev.as_bytes())?;
    to_pack.put(C_, C::ATTR_CMN_FSID.bits(), id.as_bytes())?;
    to_pack.put_unknown(C_, C::ATTR_CMN_OBJTYPE.bits(), &[0; 4])?;
    to_pack.put(C_, C::ATTR_CMN_OBJTAG.bits(), &24u32.to_ne_bytes())?;
    for unknown in [C::ATTR_CMN_OBJID, C::ATTR_CMN_OBJPERMANENTID, C::ATTR_CMN_PAROBJID] {
        to_pack.put_unknown(C_, unknown.bits(), &[0; 8])?;
    }
    if request.packs_invalid() {
        to_pack.put(C_, C::ATTR_CMN_SCRIPT.bits(), &UNICODE.to_ne_bytes())?;
    }
    to_pack.put(C_, C::ATTR_CMN_CRTIME.bits(), root.st_birthtimespec.as_bytes())?;
    to_pack.put(C_, C::ATTR_CMN_MODTIME.bits(), root.st_mtimespec.as_bytes())?;
    to_pack.put_unknown(C_, C::ATTR_CMN_CHGTIME.bits(), root.st_mtimespec.as_bytes())?;
    to_pack.put(C_, C::ATTR_CMN_ACCTIME.bits(), root.st_atimespec.as_bytes())?;
    to_pack.put(C_, C::ATTR_CMN_BKUPTIME.bits(), &[0; 16])?;
    to_pack.put_unknown(C_, C::ATTR_CMN_FNDRINFO.bits(), &[0; 32])?;
    to_pack.put(C_, C::ATTR_CMN_OWNERID.bits(), root.st_uid.as_bytes())?;
    to_pack.put(C_, C::ATTR_CMN_GRPID.bits(), root.st_gid.as_bytes())?;
    to_pack.put(C_, C::ATTR_CMN_ACCESSMASK.bits(), &u32::from(root.st_mode & 0o7777).to_ne_bytes())?;
    to_pack.put(C_, C::ATTR_CMN_FLAGS.bits(), root.st_flags.as_bytes())?;
    if request.wants(C_, C::ATTR_CMN_USERACCESS.bits()) {
        let rights = access(kernel, directory);
        to_pack.put(C_, C::ATTR_CMN_USERACCESS.bits(), &rights.to_ne_bytes())?;
    }
    if request.has(AttributeOptions::FSOPT_PACK_INVAL_ATTRS) {
        if request.wants(C_, C::ATTR_CMN_EXTENDED_SECURITY.bits()) {
            to_pack.write_reference(0)?;
        }
        to_pack.put_unknown(C_, C::ATTR_CMN_UUID.bits(), &[0; 16])?;
        to_pack.put_unknown(C_, C::ATTR_CMN_GRPUUID.bits(), &[0; 16])?;
        to_pack.put_unknown(C_, C::ATTR_CMN_FILEID.bits(), &[0; 8])?;
        to_pack.put_unknown(C_, C::ATTR_CMN_PARENTID.bits(), &[0; 8])?;
    }
    let statfs = volume.statfs();
    let block = statfs.f_frsize as u64;
    let bytes = |blocks: u64| block.wrapping_mul(blocks).to_ne_bytes();
    let objects = |count: u64| u32::try_from(count).unwrap_or(u32::MAX).to_ne_bytes();
    to_pack.put(V_, V::ATTR_VOL_FSTYPE.bits(), &file_system_type(statfs).to_ne_bytes())?;
    to_pack.put(V_, V::ATTR_VOL_SIGNATURE.bits(), &SIGNATURE.to_ne_bytes())?;
    to_pack.put(V_, V::ATTR_VOL_SIZE.bits(), &bytes(statfs.f_blocks))?;
    to_pack.put(V_, V::ATTR_VOL_SPACEFREE.bits(), &bytes(statfs.f_bfree))?;
    to_pack.put(V_, V::ATTR_VOL_SPACEAVAIL.bits(), &bytes(statfs.f_bavail))?;
    let used = statfs.f_blocks.saturating_sub(statfs.f_bfree);
    to_pack.put(V_, V::ATTR_VOL_SPACEUSED.bits(), &bytes(used))?;
    to_pack.put(V_, V::ATTR_VOL_MINALLOCATION.bits(), &bytes(1))?;
    to_pack.put(V_, V::ATTR_VOL_ALLOCATIONCLUMP.bits(), &bytes(1))?;
    let io = u32::try_from(statfs.f_bsize).unwrap_or(u32::MAX);
    to_pack.put(V_, V::ATTR_VOL_IOBLOCKSIZE.bits(), &io.to_ne_bytes())?;
    let in_use = statfs.f_files.saturating_sub(statfs.f_ffree);
    to_pack.put(V_, V::ATTR_VOL_OBJCOUNT.bits(), &objects(in_use))?;
    to_pack.put_unknown(V_, V::ATTR_VOL_FILECOUNT.bits(), &[0; 4])?;
    to_pack.put_unknown(V_, V::ATTR_VOL_DIRCOUNT.bits(), &[0; 4])?;
    to_pack.put(V_, V::ATTR_VOL_MAXOBJCOUNT.bits(), &objects(statfs.f_files))?;
    to_pack.put_text(V_, V::ATTR_VOL_MOUNTPOINT.bits(), Some(point))?;
    to_pack.put_text(V_, V::ATTR_VOL_NAME.bits(), Some(name))?;
    to_pack.put(V_, V::ATTR_VOL_MOUNTFLAGS.bits(), &volume.flags().bits().to_ne_bytes())?;
    to_pack.put_text(V_, V::ATTR_VOL_MOUNTEDDEVICE.bits(), Some(source))?;
    to_pack.put_unknown(V_, V::ATTR_VOL_ENCODINGSUSED.bits(), &[0xff; 8])?;
    to_pack.put(V_, V::ATTR_VOL_CAPABILITIES.bits(), CAPABILITIES.as_bytes())?;
    to_pack.put_unknown(V_, V::ATTR_VOL_UUID.bits(), &[0; 16])?;
    to_pack.put(V_, V::ATTR_VOL_MOUNTEXTFLAGS.bits(), &[0; 4])?;
    to_pack.put_unknown(V_, V::ATTR_VOL_QUOTA_SIZE.bits(), &[0; 8])?;
    to_pack.put_unknown(V_, V::ATTR_VOL_RESERVED_SIZE.bits(), &[0; 8])?;
    to_pack.put(V_, V::ATTR_VOL_ATTRIBUTES.bits(), ATTRIBUTES.as_bytes())?;
    to_pack.put_text(V_, V::ATTR_VOL_FSTYPENAME.bits(), Some(type_name))?;
    to_pack.put(V_, V::ATTR_VOL_FSSUBTYPE.bits(), &[0; 4])?;
    to_pack.put(V_, V::ATTR_VOL_OWNER.bits(), &[0; 4])?;
    Ok(packer)
}

fn finish<K: Kernel>(
    packer: Packer<'_, '_, K>,
    request: &Request,
    to: UserAddr,
    room: usize,
) -> SysResult<()> {
    let needed = packer.needed();
    let told = if request.has(AttributeOptions::FSOPT_REPORT_FULLSIZE) { needed } else { needed.min(room) };
    packer.finish(told, to, room)
}

/// The root directory of a volume.
#[derive(Clone, Copy)]
enum Directory {
    Open(LinuxFd),
    /// A path of the host's in mapped memory.
    At(UserAddr),
}

/// What the caller may do with the volume's root.
fn access<K: Kernel>(kernel: &K, root: Directory) -> u32 {
    let allowed = |right: u32| {
        let answer = match root {
            Directory::Open(file) => {
                let how = flags::AT_EACCESS | flags::AT_EMPTY_PATH;
                linux::name::faccessat(kernel, file, b"\0", right as i32, how)
            }
            Directory::At(path) => {
                linux::name::faccessat_mapped(kernel, path, right as i32, flags::AT_EACCESS)
            }
        };
        answer.is_ok()
    };
    [1u32, 2, 4].into_iter().filter(|right| allowed(*right)).fold(0, |rights, right| rights | right)
}

/// The name of a volume: the last component of where it is, and of the root the root itself.
fn last_component<K: Kernel>(kernel: &K, point: Text) -> SysResult<Text> {
    let mut start = 0;
    let mut piece = [0; 64];
    let mut done: usize = 0;
    while done < point.length {
        let count = point.length.wrapping_sub(done).min(piece.len());
        let bytes = piece.get_mut(..count).unwrap_or_default();
        kernel.copy_in(point.at.checked_add(done as u64)?, bytes)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'/') {
            start = done.wrapping_add(at).wrapping_add(1);
        }
        done = done.wrapping_add(count);
    }
    if start >= point.length {
        return Ok(point);
    }
    let at = point.at.checked_add(start as u64)?;
    Ok(Text { at, length: point.length.saturating_sub(start) })
}
