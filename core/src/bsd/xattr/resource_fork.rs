//! `com.apple.ResourceFork`: read and written from a position on, like a file (`bsd/vfs/vfs_xattr.c`,
//! `default_getxattr_vfs`, `default_setxattr_vfs`). Linux gives and takes a value as a whole, so it is put together in
//! mapped memory where that is not what the guest wants.

use super::name::Name;
use super::place::{at, refused};
use super::{Window, linux_flags, missing};
use crate::bsd::object::Object;
use crate::bsd::scratch::{Scratch, copy};
use crate::kernel::{Arg, Kernel};
use crate::linux::xattr;
use crate::table::SysResult;
use crate::user::UserAddr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::xattr::XattrOptions;
use xnu_abi::linux::Errno as LinuxErrno;

/// `XATTR_SIZE_MAX` (`include/uapi/linux/limits.h`).
const SIZE_MAX: usize = 65_536;

/// Reads as much as there is from the position on, and as there is room for.
pub(super) fn get<K: Kernel>(
    kernel: &K,
    object: &Object<'_>,
    name: &Name,
    window: Window,
) -> SysResult<usize> {
    let whole = |to: UserAddr, size: usize| {
        at(kernel, object, |place| xattr::get(kernel, place, name.with_nul(), Arg::User(to), size))
    };
    let asks_length = window.value.is_null();
    if asks_length || window.position == 0 && window.size != 0 {
        match whole(window.value, if asks_length { 0 } else { window.size }) {
            Ok(length) => return Ok(length),
            Err(LinuxErrno::ERANGE) => {}
            Err(error) => return Err(missing(kernel, object, error)?),
        }
    }
    let scratch = Scratch::new(kernel, SIZE_MAX)?;
    let length = match whole(scratch.at(0)?, SIZE_MAX) {
        Ok(length) => length,
        Err(error) => return Err(missing(kernel, object, error)?),
    };
    let position = window.position as usize;
    let count = length.saturating_sub(position).min(window.size);
    copy(kernel, scratch.at(position)?, window.value, count)?;
    Ok(count)
}

/// Writes at the position; what was there before and beyond stays. An empty fork is none.
pub(super) fn set<K: Kernel>(
    kernel: &K,
    object: &Object<'_>,
    name: &Name,
    window: Window,
    options: XattrOptions,
) -> SysResult<()> {
    let position = window.position as usize;
    let end = position.saturating_add(window.size);
    let length = at(kernel, object, |place| xattr::get(kernel, place, name.with_nul(), Arg::Val(0), 0));
    let before = match length {
        Ok(length) => length,
        Err(LinuxErrno::ENODATA) => 0,
        Err(error) => return Err(refused(kernel, object, error)?),
    };
    if before > 0 && options.contains(XattrOptions::XATTR_CREATE) {
        return Err(Errno::EEXIST);
    }
    if before == 0 && options.contains(XattrOptions::XATTR_REPLACE) {
        return Err(Errno::ENOATTR);
    }
    if end > u32::MAX as usize {
        return Err(Errno::EINVAL);
    }
    if end > SIZE_MAX {
        return Err(Errno::E2BIG);
    }
    let store = |from: UserAddr, size: usize, flags: u32| {
        let answer = at(kernel, object, |place| {
            xattr::set(kernel, place, name.with_nul(), Arg::User(from), size, flags)
        });
        answer.or_else(|error| Err(refused(kernel, object, error)?))
    };
    if position == 0 && before <= end {
        let flags = if before == 0 { 0 } else { linux_flags(options) };
        return store(window.value, window.size, flags);
    }
    let scratch = Scratch::new(kernel, SIZE_MAX)?;
    if before > 0 {
        let whole = Arg::User(scratch.at(0)?);
        let mut whole = Some(whole);
        let read = at(kernel, object, |place| {
            let to = whole.take().unwrap_or(Arg::Val(0));
            xattr::get(kernel, place, name.with_nul(), to, SIZE_MAX)
        });
        read.map_err(crate::convert::errno::errno)?;
    }
    copy(kernel, window.value, scratch.at(position)?, window.size)?;
    store(scratch.at(0)?, before.max(end), 0)
}
