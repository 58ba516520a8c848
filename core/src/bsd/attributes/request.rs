//! What is asked for, and whether that can be asked for (`bsd/vfs/vfs_attrlist.c`, `getattrlist_internal`,
//! `getattrlist_parsetab`, `getvolattrlist_parsetab`).

use crate::kernel::Kernel;
use crate::table::SysResult;
use crate::user::UserPtr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::attr::{
    ATTR_BIT_MAP_COUNT, ATTR_CMNEXT_VALIDMASK, ATTR_FORK_VALIDMASK, AttrList, AttributeOptions,
    CommonAttributes as C, DirectoryAttributes as D, ExtendedAttributes as X, FileAttributes as F,
    VolumeAttributes as V,
};

/// The sets of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Group {
    Common,
    Volume,
    Directory,
    File,
    Extended,
}

/// A list with its options.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) list: AttrList,
    options: AttributeOptions,
}

/// Attributes with the size of their values. In these tables are all that a set may have.
type Sizes = &'static [(u32, usize)];

const TIME: usize = 16;

/// `getattrlist_common_tab`.
const COMMON: Sizes = &[
    (C::ATTR_CMN_RETURNED_ATTRS.bits(), 20),
    (C::ATTR_CMN_ERROR.bits(), 4),
    (C::ATTR_CMN_NAME.bits(), 8),
    (C::ATTR_CMN_DEVID.bits(), 4),
    (C::ATTR_CMN_FSID.bits(), 8),
    (C::ATTR_CMN_OBJTYPE.bits(), 4),
    (C::ATTR_CMN_OBJTAG.bits(), 4),
    (C::ATTR_CMN_OBJID.bits(), 8),
    (C::ATTR_CMN_OBJPERMANENTID.bits(), 8),
    (C::ATTR_CMN_PAROBJID.bits(), 8),
    (C::ATTR_CMN_SCRIPT.bits(), 4),
    (C::ATTR_CMN_CRTIME.bits(), TIME),
    (C::ATTR_CMN_MODTIME.bits(), TIME),
    (C::ATTR_CMN_CHGTIME.bits(), TIME),
    (C::ATTR_CMN_ACCTIME.bits(), TIME),
    (C::ATTR_CMN_BKUPTIME.bits(), TIME),
    (C::ATTR_CMN_FNDRINFO.bits(), 32),
    (C::ATTR_CMN_OWNERID.bits(), 4),
    (C::ATTR_CMN_GRPID.bits(), 4),
    (C::ATTR_CMN_ACCESSMASK.bits(), 4),
    (C::ATTR_CMN_FLAGS.bits(), 4),
    (C::ATTR_CMN_USERACCESS.bits(), 4),
    (C::ATTR_CMN_EXTENDED_SECURITY.bits(), 8),
    (C::ATTR_CMN_UUID.bits(), 16),
    (C::ATTR_CMN_GRPUUID.bits(), 16),
    (C::ATTR_CMN_FILEID.bits(), 8),
    (C::ATTR_CMN_PARENTID.bits(), 8),
];

/// What of it volumes do not have.
const COMMON_OF_FILES: Sizes = &[
    (C::ATTR_CMN_GEN_COUNT.bits(), 4),
    (C::ATTR_CMN_DOCUMENT_ID.bits(), 4),
    (C::ATTR_CMN_FULLPATH.bits(), 8),
    (C::ATTR_CMN_ADDEDTIME.bits(), TIME),
    (C::ATTR_CMN_DATA_PROTECT_FLAGS.bits(), 4),
];

/// `getattrlist_dir_tab`.
const DIRECTORY: Sizes = &[
    (D::ATTR_DIR_LINKCOUNT.bits(), 4),
    (D::ATTR_DIR_ENTRYCOUNT.bits(), 4),
    (D::ATTR_DIR_MOUNTSTATUS.bits(), 4),
    (D::ATTR_DIR_ALLOCSIZE.bits(), 8),
    (D::ATTR_DIR_IOBLOCKSIZE.bits(), 4),
    (D::ATTR_DIR_DATALENGTH.bits(), 8),
];

/// `getattrlist_file_tab`.
const FILE: Sizes = &[
    (F::ATTR_FILE_LINKCOUNT.bits(), 4),
    (F::ATTR_FILE_TOTALSIZE.bits(), 8),
    (F::ATTR_FILE_ALLOCSIZE.bits(), 8),
    (F::ATTR_FILE_IOBLOCKSIZE.bits(), 4),
    (F::ATTR_FILE_CLUMPSIZE.bits(), 4),
    (F::ATTR_FILE_DEVTYPE.bits(), 4),
    (F::ATTR_FILE_DATALENGTH.bits(), 8),
    (F::ATTR_FILE_DATAALLOCSIZE.bits(), 8),
    (F::ATTR_FILE_RSRCLENGTH.bits(), 8),
    (F::ATTR_FILE_RSRCALLOCSIZE.bits(), 8),
];

/// `getattrlist_common_extended_tab`.
const EXTENDED: Sizes = &[
    (X::ATTR_CMNEXT_RELPATH.bits(), 8),
    (X::ATTR_CMNEXT_PRIVATESIZE.bits(), 8),
    (X::ATTR_CMNEXT_LINKID.bits(), 8),
    (X::ATTR_CMNEXT_NOFIRMLINKPATH.bits(), 8),
    (X::ATTR_CMNEXT_REALDEVID.bits(), 4),
    (X::ATTR_CMNEXT_REALFSID.bits(), 8),
    (X::ATTR_CMNEXT_CLONEID.bits(), 8),
    (X::ATTR_CMNEXT_EXT_FLAGS.bits(), 8),
    (X::ATTR_CMNEXT_RECURSIVE_GENCOUNT.bits(), 8),
    (X::ATTR_CMNEXT_ATTRIBUTION_TAG.bits(), 8),
    (X::ATTR_CMNEXT_CLONE_REFCNT.bits(), 4),
];

/// `getvolattrlist_vol_tab`.
const VOLUME: Sizes = &[
    (V::ATTR_VOL_FSTYPE.bits(), 4),
    (V::ATTR_VOL_FSTYPENAME.bits(), 8),
    (V::ATTR_VOL_FSSUBTYPE.bits(), 4),
    (V::ATTR_VOL_OWNER.bits(), 4),
    (V::ATTR_VOL_SIGNATURE.bits(), 4),
    (V::ATTR_VOL_SIZE.bits(), 8),
    (V::ATTR_VOL_SPACEFREE.bits(), 8),
    (V::ATTR_VOL_SPACEAVAIL.bits(), 8),
    (V::ATTR_VOL_MINALLOCATION.bits(), 8),
    (V::ATTR_VOL_ALLOCATIONCLUMP.bits(), 8),
    (V::ATTR_VOL_IOBLOCKSIZE.bits(), 4),
    (V::ATTR_VOL_OBJCOUNT.bits(), 4),
    (V::ATTR_VOL_FILECOUNT.bits(), 4),
    (V::ATTR_VOL_DIRCOUNT.bits(), 4),
    (V::ATTR_VOL_MAXOBJCOUNT.bits(), 4),
    (V::ATTR_VOL_MOUNTPOINT.bits(), 8),
    (V::ATTR_VOL_NAME.bits(), 8),
    (V::ATTR_VOL_MOUNTFLAGS.bits(), 4),
    (V::ATTR_VOL_MOUNTEDDEVICE.bits(), 8),
    (V::ATTR_VOL_ENCODINGSUSED.bits(), 8),
    (V::ATTR_VOL_CAPABILITIES.bits(), 32),
    (V::ATTR_VOL_UUID.bits(), 16),
    (V::ATTR_VOL_MOUNTEXTFLAGS.bits(), 4),
    (V::ATTR_VOL_SPACEUSED.bits(), 8),
    (V::ATTR_VOL_QUOTA_SIZE.bits(), 8),
    (V::ATTR_VOL_RESERVED_SIZE.bits(), 8),
    (V::ATTR_VOL_ATTRIBUTES.bits(), 40),
    (V::ATTR_VOL_INFO.bits(), 0),
];

/// What no file here has: `EINVAL` for who does not ask to be told what there is.
const UNKNOWN_COMMON: u32 = C::ATTR_CMN_GEN_COUNT.bits()
    | C::ATTR_CMN_DOCUMENT_ID.bits()
    | C::ATTR_CMN_ADDEDTIME.bits()
    | C::ATTR_CMN_DATA_PROTECT_FLAGS.bits();
const UNKNOWN_EXTENDED: u32 = X::ATTR_CMNEXT_PRIVATESIZE.bits()
    | X::ATTR_CMNEXT_CLONEID.bits()
    | X::ATTR_CMNEXT_EXT_FLAGS.bits()
    | X::ATTR_CMNEXT_RECURSIVE_GENCOUNT.bits()
    | X::ATTR_CMNEXT_ATTRIBUTION_TAG.bits()
    | X::ATTR_CMNEXT_CLONE_REFCNT.bits();
/// And what no volume has.
const UNKNOWN_VOLUME: u32 = V::ATTR_VOL_FILECOUNT.bits()
    | V::ATTR_VOL_DIRCOUNT.bits()
    | V::ATTR_VOL_UUID.bits()
    | V::ATTR_VOL_QUOTA_SIZE.bits()
    | V::ATTR_VOL_RESERVED_SIZE.bits();
/// `ATTR_CMN_VOL_INVALID`.
const NOT_OF_VOLUMES: u32 = C::ATTR_CMN_EXTENDED_SECURITY.bits()
    | C::ATTR_CMN_UUID.bits()
    | C::ATTR_CMN_GRPUUID.bits()
    | C::ATTR_CMN_FILEID.bits()
    | C::ATTR_CMN_PARENTID.bits();

impl Request {
    /// Copies a list in.
    pub(super) fn read<K: Kernel>(
        kernel: &K,
        list: UserPtr<AttrList>,
        options: AttributeOptions,
    ) -> SysResult<Request> {
        Ok(Request { list: list.read(kernel)?, options })
    }

    pub(super) fn has(&self, option: AttributeOptions) -> bool {
        self.options.contains(option)
    }

    /// `ATTR_CMN_RETURNED_ATTRS`: the reply says what it tells.
    pub(super) fn returns_set(&self) -> bool {
        self.list.commonattr & C::ATTR_CMN_RETURNED_ATTRS.bits() != 0
    }

    /// Whether the place of what is not known must be taken.
    pub(super) fn packs_invalid(&self) -> bool {
        !self.returns_set() || self.has(AttributeOptions::FSOPT_PACK_INVAL_ATTRS)
    }

    fn set(&self, group: Group) -> u32 {
        match group {
            Group::Common => self.list.commonattr,
            Group::Volume => self.list.volattr,
            Group::Directory => self.list.dirattr,
            Group::File => self.list.fileattr,
            Group::Extended => self.list.forkattr,
        }
    }

    /// Whether an attribute, or one of several, is asked for.
    pub(super) fn wants(&self, group: Group, attributes: u32) -> bool {
        self.set(group) & attributes != 0
    }

    pub(super) fn is_of_volume(&self) -> bool {
        self.list.volattr != 0
    }

    /// Combinations that no object has.
    pub(super) fn check(&self) -> SysResult<()> {
        let list = &self.list;
        let extended = self.has(AttributeOptions::FSOPT_ATTR_CMN_EXTENDED);
        let counts = C::ATTR_CMN_GEN_COUNT | C::ATTR_CMN_DOCUMENT_ID;
        let wrong = if u32::from(list.bitmapcount) != ATTR_BIT_MAP_COUNT {
            true
        } else if self.is_of_volume() {
            list.fileattr != 0 || list.dirattr != 0 || list.forkattr != 0 && !extended
        } else if extended {
            list.forkattr & ATTR_FORK_VALIDMASK != 0
        } else {
            list.commonattr & counts.bits() != 0 || list.forkattr & ATTR_CMNEXT_VALIDMASK != 0
        };
        let packs = self.has(AttributeOptions::FSOPT_PACK_INVAL_ATTRS);
        let fork_packed = list.forkattr != 0 && !extended && !self.is_of_volume();
        if wrong || packs && (!self.returns_set() || fork_packed) {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// Bytes of the values of fixed size, of a directory or of something else; `EINVAL` for attributes that do not exist,
    /// and for those that no file has.
    pub(super) fn size_for_object(&self, is_directory: bool) -> SysResult<usize> {
        let list = &self.list;
        let mut size = 4usize.wrapping_add(sum(list.commonattr, &[COMMON, COMMON_OF_FILES])?);
        if is_directory {
            size = size.wrapping_add(sum(list.dirattr, &[DIRECTORY])?);
        } else {
            size = size.wrapping_add(sum(list.fileattr, &[FILE])?);
        }
        if self.has(AttributeOptions::FSOPT_ATTR_CMN_EXTENDED) {
            size = size.wrapping_add(sum(list.forkattr, &[EXTENDED])?);
        }
        let unknown = list.commonattr & UNKNOWN_COMMON != 0
            || self.has(AttributeOptions::FSOPT_ATTR_CMN_EXTENDED) && list.forkattr & UNKNOWN_EXTENDED != 0;
        if unknown && !self.returns_set() { Err(Errno::EINVAL) } else { Ok(size) }
    }

    /// The same, of a volume.
    pub(super) fn size_for_volume(&self) -> SysResult<usize> {
        let list = &self.list;
        let impossible = list.commonattr & NOT_OF_VOLUMES != 0 || list.volattr & UNKNOWN_VOLUME != 0;
        if impossible && !self.returns_set() {
            return Err(Errno::EINVAL);
        }
        Ok(4usize.wrapping_add(sum(list.commonattr, &[COMMON])?).wrapping_add(sum(list.volattr, &[VOLUME])?))
    }

    /// The list without what an entry that cannot be told of lacks: everything but name and error.
    pub(super) fn of_failed_entry(&self) -> Request {
        let mut request = *self;
        let kept = C::ATTR_CMN_RETURNED_ATTRS | C::ATTR_CMN_NAME | C::ATTR_CMN_ERROR;
        if !self.has(AttributeOptions::FSOPT_PACK_INVAL_ATTRS) {
            request.list.commonattr &= kept.bits();
            (request.list.dirattr, request.list.fileattr, request.list.forkattr) = (0, 0, 0);
        }
        request
    }
}

/// The size of what a set has; `EINVAL` for what is in no table.
fn sum(set: u32, tables: &[Sizes]) -> SysResult<usize> {
    let (mut left, mut size) = (set, 0usize);
    for (attribute, bytes) in tables.iter().flat_map(|table| table.iter()) {
        if left & attribute != 0 {
            left &= !attribute;
            size = size.wrapping_add(*bytes);
        }
    }
    if left == 0 { Ok(size) } else { Err(Errno::EINVAL) }
}
