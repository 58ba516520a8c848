//! Names of attributes, the guest's and Linux's.

use super::place::{is_regular, kind};
use crate::bsd::object::Object;
use crate::kernel::Kernel;
use crate::table::SysResult;
use crate::user::UserAddr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::xattr::{XATTR_FINDERINFO_NAME, XATTR_MAXNAMELEN, XATTR_RESOURCEFORK_NAME};

/// The namespace that every user can write to.
pub(super) const PREFIX: &[u8] = b"user.";

/// Linux's name of the Finder information.
pub(super) const FINDER_INFO: &[u8] = b"user.com.apple.FinderInfo\0";

/// Linux's name of the resource fork.
pub(super) const RESOURCE_FORK: &[u8] = b"user.com.apple.ResourceFork\0";

/// Attributes of ours, which the guest does not see.
const OURS: &[u8] = b"xnu.";

/// Attributes of the system's, which no program may touch (`bsd/vfs/vfs_xattr.c`, `xattr_protected`).
const PROTECTED: &[u8] = b"com.apple.system.";

const PAGE: u64 = 4096;
const CAPACITY: usize = PREFIX.len().wrapping_add(XATTR_MAXNAMELEN).wrapping_add(1);

/// A name as the guest gave it, with Linux's prefix in front and a NUL behind.
pub(super) struct Name {
    bytes: [u8; CAPACITY],
    /// Without the NUL.
    length: usize,
}

/// Attributes with rules of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Special {
    No,
    FinderInfo,
    ResourceFork,
    Ours,
}

impl Name {
    /// Copies a name in: `EFAULT`, `ENAMETOOLONG`; `EPERM` for one that is protected.
    pub(super) fn read<K: Kernel>(kernel: &K, from: UserAddr) -> SysResult<Name> {
        let mut name = Name { bytes: [0; CAPACITY], length: PREFIX.len() };
        let (prefix, rest) = name.bytes.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX);
        let mut done: usize = 0;
        while done < rest.len() {
            let at = from.checked_add(done as u64)?;
            let to_page_end = PAGE.wrapping_sub(at.get() % PAGE) as usize;
            let (_, free) = rest.split_at_mut(done);
            let length = free.len().min(to_page_end);
            let piece = free.get_mut(..length).unwrap_or_default();
            kernel.copy_in(at, piece)?;
            if let Some(end) = piece.iter().position(|byte| *byte == 0) {
                name.length = PREFIX.len().wrapping_add(done).wrapping_add(end);
                return if name.is_protected() { Err(Errno::EPERM) } else { Ok(name) };
            }
            done = done.wrapping_add(length);
        }
        Err(Errno::ENAMETOOLONG)
    }

    /// The guest's name.
    fn bare(&self) -> &[u8] {
        self.bytes.get(PREFIX.len()..self.length).unwrap_or_default()
    }

    /// Linux's name.
    pub(super) fn with_nul(&self) -> &[u8] {
        self.bytes.get(..=self.length).unwrap_or(b"\0")
    }

    pub(super) fn is_protected(&self) -> bool {
        self.bare().starts_with(PROTECTED)
    }

    /// Whether the object can have an attribute of this name: a device has none (`EPERM`), an empty name and one that is
    /// not UTF-8 are no names (`EINVAL`), and only files have a resource fork (`EPERM`).
    pub(super) fn check<K: Kernel>(&self, kernel: &K, object: &Object<'_>) -> SysResult<Special> {
        let bare = self.bare();
        if bare.is_empty() || core::str::from_utf8(bare).is_err() {
            return Err(if super::is_device(kernel, object)? { Errno::EPERM } else { Errno::EINVAL });
        }
        let special = special(bare);
        if special == Special::ResourceFork && !is_regular(kind(kernel, object)?) {
            return Err(Errno::EPERM);
        }
        Ok(special)
    }
}

fn special(bare: &[u8]) -> Special {
    match bare {
        XATTR_FINDERINFO_NAME => Special::FinderInfo,
        XATTR_RESOURCEFORK_NAME => Special::ResourceFork,
        ours if ours.starts_with(OURS) => Special::Ours,
        _ => Special::No,
    }
}

/// The guest's name of one of Linux's attributes, if it has one.
pub(super) fn shown(linux: &[u8]) -> Option<&[u8]> {
    let bare = linux.strip_prefix(PREFIX)?;
    let fits = !bare.is_empty() && bare.len() <= XATTR_MAXNAMELEN && core::str::from_utf8(bare).is_ok();
    (fits && !bare.starts_with(PROTECTED) && special(bare) != Special::Ours).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_user_attributes_with_a_macs_name_are_shown() {
        assert_eq!(shown(b"user.name"), Some(&b"name"[..]));
        assert_eq!(shown(b"user.com.apple.FinderInfo"), Some(XATTR_FINDERINFO_NAME));
        for hidden in [
            &b"security.selinux"[..],
            b"system.posix_acl_access",
            b"trusted.x",
            b"user.",
            b"user.xnu.flags",
            b"user.com.apple.system.Security",
            b"user.\xff",
        ] {
            assert_eq!(shown(hidden), None, "{}", hidden.escape_ascii());
        }
        let mut long = *b"user.name0123456789012345678901234567890123456789012345678901234567890123456789\
            01234567890123456789012345678901234567890123456789012";
        assert_eq!(long.len(), 132);
        assert!(shown(&long[..132]).is_some());
        long[4] = b'x';
        assert_eq!(shown(&long), None);
    }
}
