//! Attribute lists (`bsd/sys/attr.h`, `man 2 getattrlist`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// Attributes of files and volumes alike.
    flags CommonAttributes: u32 = "getattrlist" {
        ATTR_CMN_NAME = 1,
        ATTR_CMN_DEVID = 2,
        ATTR_CMN_FSID = 4,
        ATTR_CMN_OBJTYPE = 8,
        ATTR_CMN_OBJTAG = 0x10,
        ATTR_CMN_OBJID = 0x20,
        ATTR_CMN_OBJPERMANENTID = 0x40,
        ATTR_CMN_PAROBJID = 0x80,
        ATTR_CMN_SCRIPT = 0x100,
        ATTR_CMN_CRTIME = 0x200,
        ATTR_CMN_MODTIME = 0x400,
        ATTR_CMN_CHGTIME = 0x800,
        ATTR_CMN_ACCTIME = 0x1000,
        ATTR_CMN_BKUPTIME = 0x2000,
        ATTR_CMN_FNDRINFO = 0x4000,
        ATTR_CMN_OWNERID = 0x8000,
        ATTR_CMN_GRPID = 0x0001_0000,
        ATTR_CMN_ACCESSMASK = 0x0002_0000,
        ATTR_CMN_FLAGS = 0x0004_0000,
        ATTR_CMN_GEN_COUNT = 0x0008_0000,
        ATTR_CMN_DOCUMENT_ID = 0x0010_0000,
        ATTR_CMN_USERACCESS = 0x0020_0000,
        ATTR_CMN_EXTENDED_SECURITY = 0x0040_0000,
        ATTR_CMN_UUID = 0x0080_0000,
        ATTR_CMN_GRPUUID = 0x0100_0000,
        ATTR_CMN_FILEID = 0x0200_0000,
        ATTR_CMN_PARENTID = 0x0400_0000,
        ATTR_CMN_FULLPATH = 0x0800_0000,
        ATTR_CMN_ADDEDTIME = 0x1000_0000,
        ATTR_CMN_ERROR = 0x2000_0000,
        ATTR_CMN_DATA_PROTECT_FLAGS = 0x4000_0000,
        ATTR_CMN_RETURNED_ATTRS = 0x8000_0000,
        ATTR_CMN_NAMEDATTRCOUNT = 0x0008_0000,
        ATTR_CMN_NAMEDATTRLIST = 0x0010_0000,
    }

    /// Attributes of volumes.
    flags VolumeAttributes: u32 = "getattrlist" {
        ATTR_VOL_FSTYPE = 1,
        ATTR_VOL_SIGNATURE = 2,
        ATTR_VOL_SIZE = 4,
        ATTR_VOL_SPACEFREE = 8,
        ATTR_VOL_SPACEAVAIL = 0x10,
        ATTR_VOL_MINALLOCATION = 0x20,
        ATTR_VOL_ALLOCATIONCLUMP = 0x40,
        ATTR_VOL_IOBLOCKSIZE = 0x80,
        ATTR_VOL_OBJCOUNT = 0x100,
        ATTR_VOL_FILECOUNT = 0x200,
        ATTR_VOL_DIRCOUNT = 0x400,
        ATTR_VOL_MAXOBJCOUNT = 0x800,
        ATTR_VOL_MOUNTPOINT = 0x1000,
        ATTR_VOL_NAME = 0x2000,
        ATTR_VOL_MOUNTFLAGS = 0x4000,
        ATTR_VOL_MOUNTEDDEVICE = 0x8000,
        ATTR_VOL_ENCODINGSUSED = 0x0001_0000,
        ATTR_VOL_CAPABILITIES = 0x0002_0000,
        ATTR_VOL_UUID = 0x0004_0000,
        ATTR_VOL_MOUNTEXTFLAGS = 0x0008_0000,
        ATTR_VOL_FSTYPENAME = 0x0010_0000,
        ATTR_VOL_FSSUBTYPE = 0x0020_0000,
        ATTR_VOL_OWNER = 0x0040_0000,
        ATTR_VOL_SPACEUSED = 0x0080_0000,
        ATTR_VOL_QUOTA_SIZE = 0x1000_0000,
        ATTR_VOL_RESERVED_SIZE = 0x2000_0000,
        ATTR_VOL_ATTRIBUTES = 0x4000_0000,
        ATTR_VOL_INFO = 0x8000_0000,
    }

    /// Attributes of directories.
    flags DirectoryAttributes: u32 = "getattrlist" {
        ATTR_DIR_LINKCOUNT = 1,
        ATTR_DIR_ENTRYCOUNT = 2,
        ATTR_DIR_MOUNTSTATUS = 4,
        ATTR_DIR_ALLOCSIZE = 8,
        ATTR_DIR_IOBLOCKSIZE = 0x10,
        ATTR_DIR_DATALENGTH = 0x20,
    }

    /// Attributes of what is no directory.
    flags FileAttributes: u32 = "getattrlist" {
        ATTR_FILE_LINKCOUNT = 1,
        ATTR_FILE_TOTALSIZE = 2,
        ATTR_FILE_ALLOCSIZE = 4,
        ATTR_FILE_IOBLOCKSIZE = 8,
        ATTR_FILE_DEVTYPE = 0x20,
        ATTR_FILE_FORKCOUNT = 0x80,
        ATTR_FILE_FORKLIST = 0x100,
        ATTR_FILE_DATALENGTH = 0x200,
        ATTR_FILE_DATAALLOCSIZE = 0x400,
        ATTR_FILE_RSRCLENGTH = 0x1000,
        ATTR_FILE_RSRCALLOCSIZE = 0x2000,
        ATTR_FILE_CLUMPSIZE = 0x10,
        ATTR_FILE_FILETYPE = 0x40,
        ATTR_FILE_DATAEXTENTS = 0x800,
        ATTR_FILE_RSRCEXTENTS = 0x4000,
    }

    /// More attributes of files, in place of those of forks.
    flags ExtendedAttributes: u32 = "getattrlist" {
        ATTR_CMNEXT_RELPATH = 4,
        ATTR_CMNEXT_PRIVATESIZE = 8,
        ATTR_CMNEXT_LINKID = 0x10,
        ATTR_CMNEXT_NOFIRMLINKPATH = 0x20,
        ATTR_CMNEXT_REALDEVID = 0x40,
        ATTR_CMNEXT_REALFSID = 0x80,
        ATTR_CMNEXT_CLONEID = 0x100,
        ATTR_CMNEXT_EXT_FLAGS = 0x200,
        ATTR_CMNEXT_RECURSIVE_GENCOUNT = 0x400,
        ATTR_CMNEXT_ATTRIBUTION_TAG = 0x800,
        ATTR_CMNEXT_CLONE_REFCNT = 0x1000,
    }

    /// Attributes of forks, which no call serves any more.
    flags ForkAttributes: u32 = "getattrlist" {
        ATTR_FORK_TOTALSIZE = 1,
        ATTR_FORK_ALLOCSIZE = 2,
    }

    /// Options of the calls.
    flags AttributeOptions: u32 = "getattrlist" {
        FSOPT_NOFOLLOW = 1,
        FSOPT_NOINMEMUPDATE = 2,
        FSOPT_REPORT_FULLSIZE = 4,
        FSOPT_PACK_INVAL_ATTRS = 8,
        FSOPT_ATTR_CMN_EXTENDED = 0x20,
        FSOPT_RETURN_REALDEV = 0x200,
        FSOPT_NOFOLLOW_ANY = 0x800,
        FSOPT_EXCHANGE_DATA_ONLY = 0x10,
        FSOPT_LIST_SNAPSHOT = 0x40,
        FSOPT_NOFIRMLINKPATH = 0x80,
        FSOPT_FOLLOW_FIRMLINK = 0x100,
        FSOPT_ISREALFSID = 0x200,
        FSOPT_UTIMES_NULL = 0x400,
    }

    /// Masks over the sets, and limits.
    constants ATTRIBUTE_LIMITS: u32 = "getattrlist" {
        ATTR_BIT_MAP_COUNT = 5,
        ATTR_MAX_BUFFER = 0x2000,
        ATTR_CMN_VALIDMASK = 0xffff_ffff,
        ATTR_CMN_SETMASK = 0x51c7_ff00,
        ATTR_CMN_VOLSETMASK = 0x6700,
        ATTR_VOL_VALIDMASK = 0xf0ff_ffff,
        ATTR_VOL_SETMASK = 0x8000_2000,
        ATTR_DIR_VALIDMASK = 0x3f,
        ATTR_DIR_SETMASK = 0,
        ATTR_FILE_VALIDMASK = 0x37ff,
        ATTR_FILE_SETMASK = 0x20,
        ATTR_CMNEXT_VALIDMASK = 0x1ffc,
        ATTR_CMNEXT_SETMASK = 0,
        ATTR_FORK_RESERVED = 0xffff_ffff,
        ATTR_FORK_VALIDMASK = 3,
        ATTR_FORK_SETMASK = 0,
        ATTR_BULK_REQUIRED = 0x8000_0001,
    }

    /// What volumes can do, in four words of bits.
    constants VOLUME_CAPABILITIES: u32 = "vol-capability" {
        VOL_CAP_FMT_PERSISTENTOBJECTIDS = 1,
        VOL_CAP_FMT_SYMBOLICLINKS = 2,
        VOL_CAP_FMT_HARDLINKS = 4,
        VOL_CAP_FMT_JOURNAL = 8,
        VOL_CAP_FMT_JOURNAL_ACTIVE = 0x10,
        VOL_CAP_FMT_NO_ROOT_TIMES = 0x20,
        VOL_CAP_FMT_SPARSE_FILES = 0x40,
        VOL_CAP_FMT_ZERO_RUNS = 0x80,
        VOL_CAP_FMT_CASE_SENSITIVE = 0x100,
        VOL_CAP_FMT_CASE_PRESERVING = 0x200,
        VOL_CAP_FMT_FAST_STATFS = 0x400,
        VOL_CAP_FMT_2TB_FILESIZE = 0x800,
        VOL_CAP_FMT_OPENDENYMODES = 0x1000,
        VOL_CAP_FMT_HIDDEN_FILES = 0x2000,
        VOL_CAP_FMT_PATH_FROM_ID = 0x4000,
        VOL_CAP_FMT_NO_VOLUME_SIZES = 0x8000,
        VOL_CAP_FMT_DECMPFS_COMPRESSION = 0x0001_0000,
        VOL_CAP_FMT_64BIT_OBJECT_IDS = 0x0002_0000,
        VOL_CAP_FMT_DIR_HARDLINKS = 0x0004_0000,
        VOL_CAP_FMT_DOCUMENT_ID = 0x0008_0000,
        VOL_CAP_FMT_WRITE_GENERATION_COUNT = 0x0010_0000,
        VOL_CAP_FMT_NO_IMMUTABLE_FILES = 0x0020_0000,
        VOL_CAP_FMT_NO_PERMISSIONS = 0x0040_0000,
        VOL_CAP_FMT_SHARED_SPACE = 0x0080_0000,
        VOL_CAP_FMT_VOL_GROUPS = 0x0100_0000,
        VOL_CAP_FMT_SEALED = 0x0200_0000,
        VOL_CAP_FMT_CLONE_MAPPING = 0x0400_0000,
        VOL_CAP_INT_SEARCHFS = 1,
        VOL_CAP_INT_ATTRLIST = 2,
        VOL_CAP_INT_NFSEXPORT = 4,
        VOL_CAP_INT_READDIRATTR = 8,
        VOL_CAP_INT_EXCHANGEDATA = 0x10,
        VOL_CAP_INT_COPYFILE = 0x20,
        VOL_CAP_INT_ALLOCATE = 0x40,
        VOL_CAP_INT_VOL_RENAME = 0x80,
        VOL_CAP_INT_ADVLOCK = 0x100,
        VOL_CAP_INT_FLOCK = 0x200,
        VOL_CAP_INT_EXTENDED_SECURITY = 0x400,
        VOL_CAP_INT_USERACCESS = 0x800,
        VOL_CAP_INT_MANLOCK = 0x1000,
        VOL_CAP_INT_NAMEDSTREAMS = 0x2000,
        VOL_CAP_INT_EXTENDED_ATTR = 0x4000,
        VOL_CAP_INT_CLONE = 0x0001_0000,
        VOL_CAP_INT_SNAPSHOT = 0x0002_0000,
        VOL_CAP_INT_RENAME_SWAP = 0x0004_0000,
        VOL_CAP_INT_RENAME_EXCL = 0x0008_0000,
        VOL_CAP_INT_RENAME_OPENFAIL = 0x0010_0000,
        VOL_CAP_INT_RENAME_SECLUDE = 0x0020_0000,
        VOL_CAP_INT_ATTRIBUTION_TAG = 0x0040_0000,
        VOL_CAP_INT_PUNCHHOLE = 0x0080_0000,
    }
}

layouts! {
    /// Which attributes are wanted.
    #[repr(C)]
    #[derive(Default)]
    struct AttrList = "attrlist", 24 bytes, align 4 {
         0 bitmapcount: u16,
         2 reserved: u16,
         4 commonattr: u32,
         8 volattr: u32,
        12 dirattr: u32,
        16 fileattr: u32,
        20 forkattr: u32,
    }

    /// Which attributes there are.
    #[repr(C)]
    #[derive(Default)]
    struct AttributeSet = "attribute_set", 20 bytes, align 4 {
         0 commonattr: u32,
         4 volattr: u32,
         8 dirattr: u32,
        12 fileattr: u32,
        16 forkattr: u32,
    }

    /// Where an attribute of no fixed length is, from here on.
    #[repr(C)]
    #[derive(Default)]
    struct AttrReference = "attrreference", 8 bytes, align 4 {
        0 attr_dataoffset: i32,
        4 attr_length: u32,
    }

    /// What a volume can do, and of which of that it is known.
    #[repr(C)]
    #[derive(Default)]
    struct VolCapabilities = "vol_capabilities_attr", 32 bytes, align 4 {
         0 capabilities: [u32; 4],
        16 valid: [u32; 4],
    }

    /// Which attributes a volume knows, and which of them it keeps itself.
    #[repr(C)]
    #[derive(Default)]
    struct VolAttributes = "vol_attributes_attr", 40 bytes, align 4 {
         0 validattr: AttributeSet,
        20 nativeattr: AttributeSet,
    }
}
