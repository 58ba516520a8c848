//! Access control lists as the `_extended` calls carry them (`bsd/sys/kauth.h`, `struct kauth_filesec`).
//!
//! No file system here has "extended security", so none is ever told, and none can be set or removed.

use crate::kernel::Kernel;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;

/// `struct kauth_filesec` up to the first entry of its list.
#[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
#[repr(C)]
struct Header {
    fsec_magic: u32,
    fsec_owner: [u8; 16],
    fsec_group: [u8; 16],
    acl_entrycount: u32,
    acl_flags: u32,
}

/// `KAUTH_FILESEC_MAGIC`.
const MAGIC: u32 = 0x012c_c16d;
/// `KAUTH_FILESEC_NOACL`, in place of a count.
const NO_ACL: u32 = u32::MAX;
/// `KAUTH_ACL_MAX_ENTRIES`.
const MAX_ENTRIES: u32 = 128;
/// `sizeof(struct kauth_ace)`.
const ENTRY: u64 = 24;
/// `_FILESEC_REMOVE_ACL`, in place of an address.
const REMOVE: u64 = 1;

/// What a call is asked to set: nothing, or something that cannot be set here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    /// The list stays as it is.
    Nothing,
    /// A list is to be set or removed.
    Change,
}

/// Reads a list for as far as it must be right (`bsd/kern/kern_authorization.c`, `kauth_copyinfilesec`): `EFAULT`,
/// `EINVAL`.
pub(super) fn read<K: Kernel>(kernel: &K, address: UserAddr) -> SysResult<Wanted> {
    match address.get() {
        0 => return Ok(Wanted::Nothing),
        REMOVE => return Ok(Wanted::Change),
        _ => {}
    }
    let header = UserPtr::<Header>::new(address).read(kernel)?;
    if header.fsec_magic != MAGIC {
        return Err(Errno::EINVAL);
    }
    let count = if header.acl_entrycount == NO_ACL { 0 } else { header.acl_entrycount };
    if count > MAX_ENTRIES {
        return Err(Errno::EINVAL);
    }
    let mut at = address.checked_add(size_of::<Header>() as u64)?;
    let mut entry = [0; ENTRY as usize];
    for _ in 0..count {
        kernel.copy_in(at, &mut entry)?;
        at = at.checked_add(ENTRY)?;
    }
    Ok(Wanted::Change)
}

/// Tells that there is no list, to those that ask for one: 0 bytes.
pub(super) fn tell_none<K: Kernel>(kernel: &K, xsecurity: UserAddr, size: UserPtr<u64>) -> SysResult<()> {
    if !xsecurity.is_null() {
        size.write(kernel, &0)?;
    }
    Ok(())
}
