//! From an object to the call of Linux's that reaches its attributes.

use crate::bsd::object::Object;
use crate::convert::errno::{ToBsd, errno};
use crate::kernel::Kernel;
use crate::linux::LinuxResult;
use crate::linux::name::proc_path;
use crate::linux::xattr::Place;
use crate::table::SysResult;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::stat::{FileType, Mode};
use xnu_abi::linux::{Errno as LinuxErrno, flags};

/// Runs a call on the attributes of an object. What is open for no more than its name is reached through `/proc`.
pub(super) fn at<K: Kernel, T>(
    kernel: &K,
    object: &Object<'_>,
    mut call: impl FnMut(Place<'_>) -> LinuxResult<T>,
) -> LinuxResult<T> {
    if object.flags & flags::AT_EMPTY_PATH != 0 {
        return match call(Place::File(object.directory)) {
            Err(LinuxErrno::EBADF) => call(Place::Path(&proc_path(object.directory))),
            other => other,
        };
    }
    object
        .with_path(kernel, |path, follows| call(if follows { Place::Path(path) } else { Place::Link(path) }))
}

/// What kind of file it is. Apart, since much is told and little kept.
#[inline(never)]
pub(super) fn kind<K: Kernel>(kernel: &K, object: &Object<'_>) -> SysResult<FileType> {
    Ok(Mode::from_bits_retain(object.statx(kernel).to_bsd()?.stx_mode).file_type())
}

pub(super) fn is_regular(kind: FileType) -> bool {
    kind == FileType::S_IFREG
}

pub(super) fn is_link<K: Kernel>(kernel: &K, object: &Object<'_>) -> SysResult<bool> {
    Ok(kind(kernel, object)? == FileType::S_IFLNK)
}

/// Devices have no attributes (`bsd/sys/xattr.h`, `XATTR_VNODE_SUPPORTED`).
pub(super) fn is_device<K: Kernel>(kernel: &K, object: &Object<'_>) -> SysResult<bool> {
    Ok(matches!(kind(kernel, object)?, FileType::S_IFCHR | FileType::S_IFBLK))
}

/// Why an attribute could not be changed: where Linux has none on this kind of file, that is not for want of a right.
pub(super) fn refused<K: Kernel>(kernel: &K, object: &Object<'_>, error: LinuxErrno) -> SysResult<Errno> {
    Ok(match error {
        LinuxErrno::EPERM => match kind(kernel, object)? {
            FileType::S_IFLNK | FileType::S_IFSOCK | FileType::S_IFIFO => Errno::ENOTSUP,
            _ => Errno::EPERM,
        },
        LinuxErrno::ENODATA => Errno::ENOATTR,
        other => errno(other),
    })
}
