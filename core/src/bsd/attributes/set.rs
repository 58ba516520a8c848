//! `setattrlist` and its kin (`bsd/vfs/vfs_attrlist.c`, `setattrlist_internal`).
//!
//! Times of birth, backup and arrival, the text encoding and data protection are read and ignored, as XNU does where a
//! file system has none of them.

use super::links;
use crate::bsd::object::{Object, at_opened, effective_user};
use crate::bsd::xattr::{FINDER_INFO, store_finder_info};
use crate::bsd::{flags, mode, owner, times};
use crate::convert::errno::ToBsd;
use crate::convert::time::normal;
use crate::kernel::Kernel;
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::attr::{
    ATTR_BIT_MAP_COUNT, ATTR_CMN_SETMASK, ATTR_CMN_VOLSETMASK, ATTR_FILE_SETMASK, ATTR_MAX_BUFFER,
    ATTR_VOL_SETMASK, AttrList, AttrReference, AttributeOptions, CommonAttributes as C,
    VolumeAttributes as V,
};
use xnu_abi::darwin::stat::Mode;
use xnu_abi::darwin::time::Timespec as DarwinTimespec;
use xnu_abi::darwin::xattr::XattrOptions;
use xnu_abi::linux::Timespec;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `man 2 setattrlist`.
pub fn setattrlist<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    list: UserPtr<AttrList>,
    buffer: UserAddr,
    size: usize,
    options: AttributeOptions,
) -> SysResult<()> {
    setattrlistat(cx, DirFd::CWD, path, list, buffer, size, options)
}

/// `man 2 setattrlistat`.
pub fn setattrlistat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    list: UserPtr<AttrList>,
    buffer: UserAddr,
    size: usize,
    options: AttributeOptions,
) -> SysResult<()> {
    at_opened(cx, directory, path, links(options), |kernel, file| {
        set(kernel, &Object::open(file), list, buffer, size, options)
    })
}

/// `man 2 fsetattrlist`.
pub fn fsetattrlist<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    list: UserPtr<AttrList>,
    buffer: UserAddr,
    size: usize,
    options: AttributeOptions,
) -> SysResult<()> {
    let object = Object::vnode(cx.kernel(), fd)?;
    set(cx.kernel(), &object, list, buffer, size, options)
}

/// What is to be set.
#[derive(Clone, Copy, Default)]
struct Wanted {
    modification: Option<Timespec>,
    access: Option<Timespec>,
    finder_info: Option<[u8; FINDER_INFO]>,
    uid: Option<u32>,
    gid: Option<u32>,
    mode: Option<u16>,
    flags: Option<u32>,
    /// Access control lists and the identities of users, which no file system here keeps.
    security: bool,
    volume_name: bool,
}

#[inline(never)]
fn set<K: Kernel>(
    kernel: &K,
    object: &Object<'_>,
    list: UserPtr<AttrList>,
    buffer: UserAddr,
    size: usize,
    options: AttributeOptions,
) -> SysResult<()> {
    let list = list.read(kernel)?;
    check(&list)?;
    let sets_nothing = list.commonattr == 0
        && list.volattr & !V::ATTR_VOL_INFO.bits() == 0
        && (list.dirattr, list.fileattr, list.forkattr) == (0, 0, 0);
    if sets_nothing {
        return Ok(());
    }
    if size > ATTR_MAX_BUFFER as usize {
        return Err(Errno::ENOMEM);
    }
    let mut values = Values { kernel, buffer, size, at: 0 };
    values.check_readable()?;
    let wanted = values.unpack(&list)?;
    if list.fileattr != 0 {
        // The type of a device, which cannot be changed.
        return Err(Errno::EINVAL);
    }
    if list.volattr & V::ATTR_VOL_INFO.bits() != 0 && wanted.finder_info.is_some() {
        return Err(Errno::EINVAL);
    }
    apply(kernel, object, &wanted, options)
}

/// Attributes that can be set, and in this company.
fn check(list: &AttrList) -> SysResult<()> {
    let fits = if list.volattr != 0 {
        list.volattr & !ATTR_VOL_SETMASK == 0
            && list.commonattr & !ATTR_CMN_VOLSETMASK == 0
            && list.fileattr == 0
            && list.forkattr == 0
    } else {
        list.commonattr & !ATTR_CMN_SETMASK == 0
            && list.fileattr & !ATTR_FILE_SETMASK == 0
            && list.dirattr == 0
            && list.forkattr == 0
    };
    if fits && u32::from(list.bitmapcount) == ATTR_BIT_MAP_COUNT { Ok(()) } else { Err(Errno::EINVAL) }
}

/// The guest's buffer, read from its beginning on.
struct Values<'k, K> {
    kernel: &'k K,
    buffer: UserAddr,
    size: usize,
    at: usize,
}

impl<K: Kernel> Values<'_, K> {
    /// The whole buffer must be readable, whatever is in it.
    fn check_readable(&self) -> SysResult<()> {
        let mut piece = [0; 128];
        let mut done: usize = 0;
        while done < self.size {
            let count = self.size.wrapping_sub(done).min(piece.len());
            let bytes = piece.get_mut(..count).unwrap_or_default();
            self.kernel.copy_in(self.buffer.checked_add(done as u64)?, bytes)?;
            done = done.wrapping_add(count);
        }
        Ok(())
    }

    /// The next value; `EINVAL` where the buffer ends before it does.
    fn next<T: FromBytes + IntoBytes + Immutable>(&mut self) -> SysResult<T> {
        let end = self.at.wrapping_add(size_of::<T>());
        if end > self.size {
            return Err(Errno::EINVAL);
        }
        let value = UserPtr::<T>::new(self.buffer.checked_add(self.at as u64)?).read(self.kernel)?;
        self.at = end;
        Ok(value)
    }

    fn time(&mut self) -> SysResult<Timespec> {
        let time = self.next::<DarwinTimespec>()?;
        Ok(normal(time.tv_sec, time.tv_nsec))
    }

    /// Reads the values in the order of the table.
    fn unpack(&mut self, list: &AttrList) -> SysResult<Wanted> {
        let mut wanted = Wanted::default();
        let has = |attribute: C| list.commonattr & attribute.bits() != 0;
        if has(C::ATTR_CMN_SCRIPT) {
            self.next::<u32>()?;
        }
        if has(C::ATTR_CMN_CRTIME) {
            self.time()?;
        }
        if has(C::ATTR_CMN_MODTIME) {
            wanted.modification = Some(self.time()?);
        }
        if has(C::ATTR_CMN_CHGTIME) {
            self.time()?;
        }
        if has(C::ATTR_CMN_ACCTIME) {
            wanted.access = Some(self.time()?);
        }
        if has(C::ATTR_CMN_BKUPTIME) {
            self.time()?;
        }
        if has(C::ATTR_CMN_FNDRINFO) {
            wanted.finder_info = Some(self.next()?);
        }
        if has(C::ATTR_CMN_OWNERID) {
            wanted.uid = Some(self.next()?);
        }
        if has(C::ATTR_CMN_GRPID) {
            wanted.gid = Some(self.next()?);
        }
        if has(C::ATTR_CMN_ACCESSMASK) {
            wanted.mode = Some(self.next::<u32>()? as u16);
        }
        if has(C::ATTR_CMN_FLAGS) {
            wanted.flags = Some(self.next()?);
        }
        if has(C::ATTR_CMN_EXTENDED_SECURITY) {
            self.check_list()?;
            wanted.security = true;
        }
        for identity in [C::ATTR_CMN_UUID, C::ATTR_CMN_GRPUUID] {
            if has(identity) {
                self.next::<[u8; 16]>()?;
                wanted.security = true;
            }
        }
        if has(C::ATTR_CMN_ADDEDTIME) {
            self.time()?;
        }
        if has(C::ATTR_CMN_DATA_PROTECT_FLAGS) {
            self.next::<u32>()?;
        }
        let name = V::ATTR_VOL_INFO | V::ATTR_VOL_NAME;
        if list.volattr & name.bits() == name.bits() {
            self.check_name()?;
            wanted.volume_name = true;
        }
        Ok(wanted)
    }

    /// An access control list must be whole.
    fn check_list(&mut self) -> SysResult<()> {
        const HEADER: u64 = 44;
        const ENTRY: u64 = 24;
        const MAGIC: u32 = 0x012c_c16d;
        const COUNT: u64 = 36;
        let start = self.at as u64;
        let reference = self.next::<AttrReference>()?;
        let offset = u64::try_from(reference.attr_dataoffset).map_err(|_| Errno::EINVAL)?;
        let at = start.wrapping_add(offset);
        let end = self.size as u64;
        if at.wrapping_add(HEADER) > end {
            return Err(Errno::EINVAL);
        }
        let word = |at: u64| UserPtr::<u32>::new(self.buffer.checked_add(at)?).read(self.kernel);
        let count = match word(at.wrapping_add(COUNT))? {
            u32::MAX => 0,
            count => u64::from(count),
        };
        let length = HEADER.wrapping_add(count.wrapping_mul(ENTRY));
        let wrong = word(at)? != MAGIC
            || length != u64::from(reference.attr_length)
            || at.wrapping_add(length) > end
            || count > 128;
        if wrong { Err(Errno::EINVAL) } else { Ok(()) }
    }

    fn check_name(&mut self) -> SysResult<()> {
        let start = self.at as u64;
        let reference = self.next::<AttrReference>()?;
        let offset = u64::try_from(reference.attr_dataoffset).map_err(|_| Errno::EINVAL)?;
        let length = u64::from(reference.attr_length);
        let end = start.wrapping_add(offset).wrapping_add(length);
        if length == 0 || end > self.size as u64 { Err(Errno::EINVAL) } else { Ok(()) }
    }
}

fn apply<K: Kernel>(
    kernel: &K,
    object: &Object<'_>,
    wanted: &Wanted,
    options: AttributeOptions,
) -> SysResult<()> {
    if wanted.volume_name {
        // A volume's name is the host's.
        return Err(Errno::EINVAL);
    }
    let stat = object.statx(kernel).to_bsd()?;
    let user = effective_user(kernel)?;
    let owns = user == 0 || user == stat.stx_uid;
    // What only the owner may do is forbidden here with another error than chmod and utimes have.
    let owners = |answer: SysResult<()>| match answer {
        Err(Errno::EPERM) if !owns => Err(Errno::EACCES),
        other => other,
    };
    if wanted.security {
        return Err(if owns { Errno::ENOTSUP } else { Errno::EACCES });
    }
    let finder = |info: &Option<[u8; FINDER_INFO]>| match info {
        Some(info) => store_finder_info(kernel, object, info, XattrOptions::empty()),
        None => Ok(()),
    };
    // Before the right to write goes, or after it came.
    let finder_first = wanted.mode.is_some_and(|mode| mode & S_IWUSR == 0);
    if finder_first {
        finder(&wanted.finder_info)?;
    }
    if wanted.uid.is_some() || wanted.gid.is_some() {
        let (uid, gid) = (wanted.uid.unwrap_or(owner::KEEP), wanted.gid.unwrap_or(owner::KEEP));
        owner::set(kernel, object, uid, gid)?;
    }
    if let Some(mode) = wanted.mode {
        owners(mode::set(kernel, object, mode))?;
    }
    if wanted.modification.is_some() || wanted.access.is_some() {
        owners(set_times(kernel, object, wanted, options))?;
    }
    if !finder_first {
        finder(&wanted.finder_info)?;
    }
    // Last, as they may forbid everything else.
    match wanted.flags {
        Some(flags) => owners(flags::set(kernel, object, flags)),
        None => Ok(()),
    }
}

const S_IWUSR: u16 = Mode::S_IRWXU.bits() & 0o222;

/// Sets the times that are given; `FSOPT_UTIMES_NULL` says that they are now.
fn set_times<K: Kernel>(
    kernel: &K,
    object: &Object<'_>,
    wanted: &Wanted,
    options: AttributeOptions,
) -> SysResult<()> {
    const OMIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 0x3fff_fffe };
    let both = wanted.access.is_some() && wanted.modification.is_some();
    if both && options.contains(AttributeOptions::FSOPT_UTIMES_NULL) {
        return times::set(kernel, object, None);
    }
    times::set(kernel, object, Some(&[wanted.access.unwrap_or(OMIT), wanted.modification.unwrap_or(OMIT)]))
}
