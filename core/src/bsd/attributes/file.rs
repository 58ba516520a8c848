//! Attributes of a file (`bsd/vfs/vfs_attrlist.c`, `attr_pack_common`, `attr_pack_dir`, `attr_pack_file`,
//! `attr_pack_common_extended`).

use super::pack::{HOST_PATH, Memory, Packer, Text};
use super::request::{Group, Request};
use crate::bsd::flags::shown;
use crate::bsd::object::Object;
use crate::bsd::xattr::{finder_info, resource_fork_length};
use crate::convert::errno::ToBsd;
use crate::convert::stat::device;
use crate::convert::statfs::fsid;
use crate::kernel::Kernel;
use crate::linux::directory::Entry;
use crate::linux::path::getdents64;
use crate::linux::{self, LinuxFd};
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use crate::vchroot;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::attr::{
    CommonAttributes as C, DirectoryAttributes as D, ExtendedAttributes as X, FileAttributes as F,
};
use xnu_abi::darwin::exec::PATH_MAX;
use xnu_abi::darwin::stat::{FileType, Mode, Stat64};
use xnu_abi::darwin::time::Timespec;
use xnu_abi::linux::{Statx, flags};
use zerocopy::IntoBytes;

/// `VT_OTHER` (`bsd/sys/vnode.h`): a file system that has no tag of its own.
const VT_OTHER: u32 = 24;

/// A directory that something is mounted on, or the root of what is (`bsd/sys/attr.h`).
const DIR_MNTSTATUS_MNTPOINT: u32 = 1;

/// `kTextEncodingMacUnicode`.
pub(super) const UNICODE: u32 = 0x7e;

/// Names and paths of an object.
#[derive(Clone, Copy, Default)]
struct Names {
    name: Option<Text>,
    path: Option<Text>,
    parent: u64,
}

/// Begins the reply for an open object and writes it as far as it goes. `entry` is its name in the directory that is being
/// listed, where it is one of several.
pub(super) fn pack<'m, 'k, K: Kernel>(
    memory: &'m Memory<'k, K>,
    file: LinuxFd,
    request: &Request,
    entry: Option<(&[u8], u64)>,
) -> SysResult<Packer<'m, 'k, K>> {
    let names = names(memory, file, request, entry)?;
    pack_known(memory, file, request, &names)
}

/// The reply about an object whose names are known. Apart, so that finding them does not pay for its stack.
#[inline(never)]
fn pack_known<'m, 'k, K: Kernel>(
    memory: &'m Memory<'k, K>,
    file: LinuxFd,
    request: &Request,
    names: &Names,
) -> SysResult<Packer<'m, 'k, K>> {
    let kernel = memory.kernel;
    let stat = &linux::metadata::fstatx(kernel, file).to_bsd()?;
    let kind = Mode::from_bits_retain(stat.stx_mode).file_type();
    let fixed = request.size_for_object(kind == FileType::S_IFDIR)?;
    let wanted =
        |group, attribute: u32, text: Option<Text>| if request.wants(group, attribute) { text } else { None };
    let texts = [
        wanted(Group::Common, C::ATTR_CMN_NAME.bits(), names.name),
        wanted(Group::Common, C::ATTR_CMN_FULLPATH.bits(), names.path),
        wanted(Group::Extended, X::ATTR_CMNEXT_RELPATH.bits(), names.path),
        wanted(Group::Extended, X::ATTR_CMNEXT_NOFIRMLINKPATH.bits(), names.path),
    ];
    let mut packer = Packer::new(memory, request, fixed, &texts)?;
    let shown = shown(kernel, &Object::open(file), stat);
    let object = Known { kernel, file, stat, shown, kind, names };
    object.common(&mut packer, request)?;
    match kind {
        FileType::S_IFDIR => object.directory(&mut packer, request)?,
        _ => object.file(&mut packer, request)?,
    }
    object.extended(&mut packer, request)?;
    Ok(packer)
}

/// Finds out names as far as they are wanted.
fn names<K: Kernel>(
    memory: &Memory<'_, K>,
    file: LinuxFd,
    request: &Request,
    entry: Option<(&[u8], u64)>,
) -> SysResult<Names> {
    let wants_parent = request.wants(Group::Common, (C::ATTR_CMN_PAROBJID | C::ATTR_CMN_PARENTID).bits());
    let paths = X::ATTR_CMNEXT_RELPATH | X::ATTR_CMNEXT_NOFIRMLINKPATH;
    let wants_path = request.wants(Group::Common, C::ATTR_CMN_FULLPATH.bits())
        || request.wants(Group::Extended, paths.bits());
    let wants_name = request.wants(Group::Common, C::ATTR_CMN_NAME.bits());
    let mut names = Names::default();
    if wants_path {
        names.path = Some(path(memory, file)?);
    }
    match entry {
        Some((name, parent)) => {
            names.name = Some(memory.keep_name(name)?);
            names.parent = parent;
        }
        None if wants_name || wants_parent => name_and_parent(memory, file, wants_parent, &mut names)?,
        None => {}
    }
    Ok(names)
}

/// The path of an open object as the guest calls it: `ENOENT` for what has none.
#[inline(never)]
fn path<K: Kernel>(memory: &Memory<'_, K>, file: LinuxFd) -> SysResult<Text> {
    // What has no link has no path, but the one that Linux remembers.
    if links_and_inode(memory.kernel, file)?.0 == 0 {
        return Err(Errno::ENOENT);
    }
    let mut path = [0; PATH_MAX];
    let length = match vchroot::fdpath(memory.kernel, memory.lookup, file.0, &mut path).to_bsd() {
        Err(Errno::ENAMETOOLONG) => return Err(Errno::ENOSPC),
        length => length?,
    };
    let at = memory.guest_path()?;
    memory.kernel.copy_out(at, path.get(..=length).unwrap_or_default())?;
    Ok(Text { at, length })
}

/// The name of an open object, by its path on the host, and the directory it is in. What has no link has no name.
#[inline(never)]
fn name_and_parent<K: Kernel>(
    memory: &Memory<'_, K>,
    file: LinuxFd,
    wants_parent: bool,
    names: &mut Names,
) -> SysResult<()> {
    let kernel = memory.kernel;
    let at = memory.host_path()?;
    let (links, inode) = links_and_inode(kernel, file)?;
    if links == 0 {
        names.name = Some(Text { at, length: 0 });
        return Ok(());
    }
    // The root is its own name, and its own parent.
    if memory.lookup.is_some_and(|lookup| lookup.is_root(file)) {
        names.name = Some(memory.keep_name(b"/")?);
        names.parent = inode;
        return Ok(());
    }
    let link = linux::name::proc_path(file);
    let length = linux::name::readlinkat(kernel, LinuxFd::CWD, &link, at, HOST_PATH).to_bsd()?;
    // A target as long as the memory may have been cut off.
    if length >= HOST_PATH {
        return Err(Errno::ENOSPC);
    }
    kernel.copy_out(at.checked_add(length as u64)?, &[0])?;
    let slash = last_slash(kernel, at, length)?;
    let start = if length == 1 { 0 } else { slash.wrapping_add(1) };
    names.name = Some(Text { at: at.checked_add(start as u64)?, length: length.saturating_sub(start) });
    if wants_parent {
        names.parent = parent(kernel, at, slash.max(1))?;
    }
    Ok(())
}

/// How many links an open object has, and its number. Apart, since much is told and little kept.
#[inline(never)]
fn links_and_inode<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<(u32, u64)> {
    let stat = linux::metadata::fstatx(kernel, file).to_bsd()?;
    Ok((stat.stx_nlink, stat.stx_ino))
}

/// Where the last slash of a path is.
fn last_slash<K: Kernel>(kernel: &K, path: UserAddr, length: usize) -> SysResult<usize> {
    let mut found = 0;
    let mut piece = [0; 128];
    let mut done: usize = 0;
    while done < length {
        let count = length.wrapping_sub(done).min(piece.len());
        let bytes = piece.get_mut(..count).unwrap_or_default();
        kernel.copy_in(path.checked_add(done as u64)?, bytes)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'/') {
            found = done.wrapping_add(at);
        }
        done = done.wrapping_add(count);
    }
    Ok(found)
}

/// The inode number of the directory that a path in mapped memory ends in, after `length` bytes.
fn parent<K: Kernel>(kernel: &K, path: UserAddr, length: usize) -> SysResult<u64> {
    let end = UserPtr::<u8>::new(path.checked_add(length as u64)?);
    let byte = end.read(kernel)?;
    end.write(kernel, &0)?;
    let stat = linux::metadata::statx_mapped(kernel, path).to_bsd();
    end.write(kernel, &byte)?;
    Ok(stat?.stx_ino)
}

/// What is known of an object before anything is asked for.
struct Known<'a, K> {
    kernel: &'a K,
    file: LinuxFd,
    stat: &'a Statx,
    shown: Stat64,
    kind: FileType,
    names: &'a Names,
}

/// `enum vtype` (`bsd/sys/vnode.h`).
fn object_type(kind: FileType) -> u32 {
    match kind {
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

impl<K: Kernel> Known<'_, K> {
    /// What the caller may do: `R_OK`, `W_OK`, `X_OK`.
    fn access(&self) -> u32 {
        let at = flags::AT_EMPTY_PATH | flags::AT_EACCESS;
        [1u32, 2, 4]
            .into_iter()
            .filter(|right| linux::name::faccessat(self.kernel, self.file, b"\0", *right as i32, at).is_ok())
            .fold(0, |rights, right| rights | right)
    }

    fn common(&self, to: &mut Packer<'_, '_, K>, request: &Request) -> SysResult<()> {
        const G: Group = Group::Common;
        let (stat, shown) = (self.stat, &self.shown);
        let wants = |attribute: C| request.wants(G, attribute.bits());
        let time = |time: &Timespec| *time;
        let inode = stat.stx_ino.to_ne_bytes();
        if request.packs_invalid() {
            to.put(G, C::ATTR_CMN_ERROR.bits(), &[0; 4])?;
        }
        to.put_text(G, C::ATTR_CMN_NAME.bits(), self.names.name)?;
        to.put(G, C::ATTR_CMN_DEVID.bits(), shown.st_dev.as_bytes())?;
        if wants(C::ATTR_CMN_FSID) {
            to.put(G, C::ATTR_CMN_FSID.bits(), &self.file_system()?)?;
        }
        to.put(G, C::ATTR_CMN_OBJTYPE.bits(), &object_type(self.kind).to_ne_bytes())?;
        to.put(G, C::ATTR_CMN_OBJTAG.bits(), &VT_OTHER.to_ne_bytes())?;
        to.put(G, C::ATTR_CMN_OBJID.bits(), &inode)?;
        to.put(G, C::ATTR_CMN_OBJPERMANENTID.bits(), &inode)?;
        to.put(G, C::ATTR_CMN_PAROBJID.bits(), &self.names.parent.to_ne_bytes())?;
        match request.returns_set() {
            true => to.put_unknown(G, C::ATTR_CMN_SCRIPT.bits(), &UNICODE.to_ne_bytes())?,
            false => to.put(G, C::ATTR_CMN_SCRIPT.bits(), &UNICODE.to_ne_bytes())?,
        }
        to.put(G, C::ATTR_CMN_CRTIME.bits(), time(&shown.st_birthtimespec).as_bytes())?;
        to.put(G, C::ATTR_CMN_MODTIME.bits(), time(&shown.st_mtimespec).as_bytes())?;
        to.put(G, C::ATTR_CMN_CHGTIME.bits(), time(&shown.st_ctimespec).as_bytes())?;
        to.put(G, C::ATTR_CMN_ACCTIME.bits(), time(&shown.st_atimespec).as_bytes())?;
        // Never.
        to.put(G, C::ATTR_CMN_BKUPTIME.bits(), &[0; 16])?;
        if wants(C::ATTR_CMN_FNDRINFO) {
            let info = finder_info(self.kernel, &Object::open(self.file)).to_bsd()?;
            match info {
                None if !request.packs_invalid() => {}
                info => to.put(G, C::ATTR_CMN_FNDRINFO.bits(), &info.unwrap_or([0; 32]))?,
            }
        }
        to.put(G, C::ATTR_CMN_OWNERID.bits(), shown.st_uid.as_bytes())?;
        to.put(G, C::ATTR_CMN_GRPID.bits(), shown.st_gid.as_bytes())?;
        to.put(G, C::ATTR_CMN_ACCESSMASK.bits(), &u32::from(shown.st_mode).to_ne_bytes())?;
        to.put(G, C::ATTR_CMN_FLAGS.bits(), shown.st_flags.as_bytes())?;
        to.put_unknown(G, C::ATTR_CMN_GEN_COUNT.bits(), &[0; 4])?;
        to.put_unknown(G, C::ATTR_CMN_DOCUMENT_ID.bits(), &[0; 4])?;
        if wants(C::ATTR_CMN_USERACCESS) {
            to.put(G, C::ATTR_CMN_USERACCESS.bits(), &self.access().to_ne_bytes())?;
        }
        if wants(C::ATTR_CMN_EXTENDED_SECURITY) && request.packs_invalid() {
            to.write_reference(0)?;
        }
        to.put_unknown(G, C::ATTR_CMN_UUID.bits(), &[0; 16])?;
        to.put_unknown(G, C::ATTR_CMN_GRPUUID.bits(), &[0; 16])?;
        to.put(G, C::ATTR_CMN_FILEID.bits(), &inode)?;
        to.put(G, C::ATTR_CMN_PARENTID.bits(), &self.names.parent.to_ne_bytes())?;
        to.put_text(G, C::ATTR_CMN_FULLPATH.bits(), self.names.path)?;
        to.put_unknown(G, C::ATTR_CMN_ADDEDTIME.bits(), &[0; 16])?;
        to.put_unknown(G, C::ATTR_CMN_DATA_PROTECT_FLAGS.bits(), &[0; 4])
    }

    fn directory(&self, to: &mut Packer<'_, '_, K>, request: &Request) -> SysResult<()> {
        const G: Group = Group::Directory;
        let mount_point = self.stat.stx_attributes & u64::from(flags::STATX_ATTR_MOUNT_ROOT) != 0;
        let status = if mount_point { DIR_MNTSTATUS_MNTPOINT } else { 0 };
        // Directories have one name.
        to.put(G, D::ATTR_DIR_LINKCOUNT.bits(), &1u32.to_ne_bytes())?;
        if request.wants(G, D::ATTR_DIR_ENTRYCOUNT.bits()) {
            to.put(G, D::ATTR_DIR_ENTRYCOUNT.bits(), &self.entries()?.to_ne_bytes())?;
        }
        to.put(G, D::ATTR_DIR_MOUNTSTATUS.bits(), &status.to_ne_bytes())?;
        to.put(G, D::ATTR_DIR_ALLOCSIZE.bits(), &self.allocated().to_ne_bytes())?;
        to.put(G, D::ATTR_DIR_IOBLOCKSIZE.bits(), self.shown.st_blksize.as_bytes())?;
        to.put(G, D::ATTR_DIR_DATALENGTH.bits(), self.shown.st_size.as_bytes())
    }

    fn allocated(&self) -> u64 {
        self.stat.stx_blocks.wrapping_mul(512)
    }

    fn file_system(&self) -> SysResult<[u8; 8]> {
        let statfs = linux::metadata::fstatfs(self.kernel, self.file).to_bsd()?;
        let on = device(self.stat.stx_dev_major, self.stat.stx_dev_minor);
        let mut bytes = [0; 8];
        let id = fsid(on, &statfs);
        for (to, from) in bytes.iter_mut().zip(id.as_bytes()) {
            *to = *from;
        }
        Ok(bytes)
    }

    /// How many entries a directory has, for those who may list it.
    fn entries(&self) -> SysResult<u32> {
        let how = flags::O_DIRECTORY | flags::O_CLOEXEC;
        let list = linux::descriptor::openat(self.kernel, self.file, b".\0", how, 0).to_bsd()?;
        let count = count_entries(self.kernel, list);
        // Ours alone, and only read.
        let _ = linux::descriptor::close(self.kernel, list);
        count
    }

    fn file(&self, to: &mut Packer<'_, '_, K>, request: &Request) -> SysResult<()> {
        const G: Group = Group::File;
        let of_fork = F::ATTR_FILE_TOTALSIZE
            | F::ATTR_FILE_ALLOCSIZE
            | F::ATTR_FILE_RSRCLENGTH
            | F::ATTR_FILE_RSRCALLOCSIZE;
        let is_file = self.kind == FileType::S_IFREG;
        let fork = match is_file && request.wants(G, of_fork.bits()) {
            true => resource_fork_length(self.kernel, &Object::open(self.file)).to_bsd()? as u64,
            false => 0,
        };
        let block = u64::from(self.stat.stx_blksize).max(1);
        let fork_allocated = fork.div_ceil(block).wrapping_mul(block);
        let size = self.stat.stx_size;
        let is_device = matches!(self.kind, FileType::S_IFCHR | FileType::S_IFBLK);
        let device = if is_device { self.shown.st_rdev } else { 0 };
        to.put(G, F::ATTR_FILE_LINKCOUNT.bits(), &self.stat.stx_nlink.to_ne_bytes())?;
        to.put(G, F::ATTR_FILE_TOTALSIZE.bits(), &size.wrapping_add(fork).to_ne_bytes())?;
        let allocated = self.allocated().wrapping_add(fork_allocated);
        to.put(G, F::ATTR_FILE_ALLOCSIZE.bits(), &allocated.to_ne_bytes())?;
        to.put(G, F::ATTR_FILE_IOBLOCKSIZE.bits(), self.shown.st_blksize.as_bytes())?;
        if request.packs_invalid() {
            to.put(G, F::ATTR_FILE_CLUMPSIZE.bits(), &[0; 4])?;
        }
        to.put(G, F::ATTR_FILE_DEVTYPE.bits(), device.as_bytes())?;
        to.put(G, F::ATTR_FILE_DATALENGTH.bits(), &size.to_ne_bytes())?;
        to.put(G, F::ATTR_FILE_DATAALLOCSIZE.bits(), &self.allocated().to_ne_bytes())?;
        to.put(G, F::ATTR_FILE_RSRCLENGTH.bits(), &fork.to_ne_bytes())?;
        to.put(G, F::ATTR_FILE_RSRCALLOCSIZE.bits(), &fork_allocated.to_ne_bytes())
    }

    fn extended(&self, to: &mut Packer<'_, '_, K>, request: &Request) -> SysResult<()> {
        const G: Group = Group::Extended;
        if !request.has(xnu_abi::darwin::attr::AttributeOptions::FSOPT_ATTR_CMN_EXTENDED) {
            return Ok(());
        }
        to.put_text(G, X::ATTR_CMNEXT_RELPATH.bits(), self.names.path)?;
        to.put_unknown(G, X::ATTR_CMNEXT_PRIVATESIZE.bits(), &[0; 8])?;
        to.put(G, X::ATTR_CMNEXT_LINKID.bits(), &self.stat.stx_ino.to_ne_bytes())?;
        to.put_text(G, X::ATTR_CMNEXT_NOFIRMLINKPATH.bits(), self.names.path)?;
        to.put(G, X::ATTR_CMNEXT_REALDEVID.bits(), self.shown.st_dev.as_bytes())?;
        if request.wants(G, X::ATTR_CMNEXT_REALFSID.bits()) {
            to.put(G, X::ATTR_CMNEXT_REALFSID.bits(), &self.file_system()?)?;
        }
        for unknown in [
            X::ATTR_CMNEXT_CLONEID,
            X::ATTR_CMNEXT_EXT_FLAGS,
            X::ATTR_CMNEXT_RECURSIVE_GENCOUNT,
            X::ATTR_CMNEXT_ATTRIBUTION_TAG,
        ] {
            to.put_unknown(G, unknown.bits(), &[0; 8])?;
        }
        to.put_unknown(G, X::ATTR_CMNEXT_CLONE_REFCNT.bits(), &[0; 4])
    }
}

fn count_entries<K: Kernel>(kernel: &K, list: LinuxFd) -> SysResult<u32> {
    let mut count: u32 = 0;
    let mut entries = [0; 512];
    loop {
        let length = getdents64(kernel, list, &mut entries).to_bsd()?;
        let mut rest = entries.get(..length).unwrap_or_default();
        if rest.is_empty() {
            return Ok(count);
        }
        while let Some(entry) = Entry::first(rest) {
            count = count.wrapping_add(u32::from(!entry.is_dots()));
            rest = rest.get(entry.length..).unwrap_or_default();
        }
    }
}

/// The reply for an entry that cannot be told of: its name and the error (`get_error_attributes`).
pub(super) fn pack_failure<'m, 'k, K: Kernel>(
    memory: &'m Memory<'k, K>,
    request: &Request,
    name: &[u8],
    error: Errno,
) -> SysResult<Packer<'m, 'k, K>> {
    let request = request.of_failed_entry();
    let fixed = request.size_for_object(false)?;
    let name = Some(memory.keep_name(name)?);
    let mut packer = Packer::new(memory, &request, fixed, &[name])?;
    let error = u32::from(error.number());
    packer.put(Group::Common, C::ATTR_CMN_ERROR.bits(), &error.to_ne_bytes())?;
    packer.put_text(Group::Common, C::ATTR_CMN_NAME.bits(), name)?;
    Ok(packer)
}
