//! Extended attributes.
//!
//! An attribute `name` of the guest's is Linux's `user.name`, so what the host keeps in `user.` shows under its own
//! name; attributes in Linux's other namespaces (`system.`, `security.`, `trusted.`) do not exist for the guest. Nor do
//! names that begin with `xnu.`, which are ours (`user.xnu.flags`), and names that a Mac refuses: longer than 127 bytes or
//! not UTF-8. `com.apple.system.…` is protected, as on a Mac.
//!
//! Linux has such attributes on files and directories alone, and a value is not longer than 64 KiB, less on some file
//! systems (`E2BIG`, `ENOSPC`); so is a resource fork.

mod name;
mod place;
mod resource_fork;

use self::name::{Name, Special};
use self::place::{at, is_device, refused};
use super::object::{Object, at_path};
use crate::convert::errno::ToBsd;
use crate::kernel::{Arg, Kernel};
use crate::linux::xattr;
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::user::UserAddr;
use crate::vchroot::Links;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::xattr::XattrOptions;
use xnu_abi::linux::Errno as LinuxErrno;

pub(super) mod list;

pub use list::{flistxattr, listxattr};

/// Bytes of `com.apple.FinderInfo`.
pub(super) const FINDER_INFO: usize = 32;

/// Linux's flags of `setxattr`, which are not Darwin's.
const XATTR_CREATE: u32 = 1;
const XATTR_REPLACE: u32 = 2;

/// What a call by path refuses; one by descriptor refuses the options about links as well.
const KERNEL_ONLY: XattrOptions = XattrOptions::XATTR_NOSECURITY.union(XattrOptions::XATTR_NODEFAULT);
const NOT_BY_DESCRIPTOR: XattrOptions =
    KERNEL_ONLY.union(XattrOptions::XATTR_NOFOLLOW).union(XattrOptions::XATTR_NOFOLLOW_ANY);

fn links(options: XattrOptions) -> SysResult<Links> {
    if options.intersects(KERNEL_ONLY) {
        return Err(Errno::EINVAL);
    }
    Ok(if options.contains(XattrOptions::XATTR_NOFOLLOW_ANY) {
        Links::Refuse
    } else if options.contains(XattrOptions::XATTR_NOFOLLOW) {
        Links::Stay
    } else {
        Links::Follow
    })
}

fn check_descriptor_options(options: XattrOptions) -> SysResult<()> {
    if options.intersects(NOT_BY_DESCRIPTOR) { Err(Errno::EINVAL) } else { Ok(()) }
}

/// With `XATTR_NOFOLLOW_ANY` alone, a link at the end is one too many.
fn check_last_link<K: Kernel>(kernel: &K, object: &Object<'_>, options: XattrOptions) -> SysResult<()> {
    let alone = XattrOptions::XATTR_NOFOLLOW_ANY | XattrOptions::XATTR_NOFOLLOW;
    if options & alone == XattrOptions::XATTR_NOFOLLOW_ANY && place::is_link(kernel, object)? {
        return Err(Errno::ELOOP);
    }
    Ok(())
}

/// Memory for a value, and from where in the attribute on.
#[derive(Clone, Copy)]
struct Window {
    /// Null asks for the length alone.
    value: UserAddr,
    size: usize,
    position: u32,
}

/// `man 2 getxattr` (`bsd/vfs/vfs_syscalls.c`, `getxattr`). A size of -1, in 32 bits or in 64, asks for the length.
pub fn getxattr<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    name: UserAddr,
    value: UserAddr,
    size: usize,
    position: u32,
    options: XattrOptions,
) -> SysResult<usize> {
    let links = links(options)?;
    let asks_length = size == usize::MAX || size == 0xffff_ffff;
    let value = if asks_length { UserAddr::NULL } else { value };
    let window = Window { value, size, position };
    at_path(cx, DirFd::CWD, path, links, |kernel, object| {
        check_last_link(kernel, object, options)?;
        read_name_and_get(kernel, object, name, window)
    })
}

#[inline(never)]
fn read_name_and_get<K: Kernel>(
    kernel: &K,
    object: &Object<'_>,
    name: UserAddr,
    window: Window,
) -> SysResult<usize> {
    let name = Name::read(kernel, name).or_else(|error| {
        // The path is looked up before the name is read.
        object.statx(kernel).to_bsd()?;
        Err(error)
    })?;
    get(kernel, object, &name, window)
}

/// `man 2 fgetxattr`. A size of 0 asks for the length.
pub fn fgetxattr<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    name: UserAddr,
    value: UserAddr,
    size: usize,
    position: u32,
    options: XattrOptions,
) -> SysResult<usize> {
    check_descriptor_options(options)?;
    let kernel = cx.kernel();
    let object = Object::vnode(kernel, fd)?;
    let name = Name::read(kernel, name)?;
    let value = if size == 0 { UserAddr::NULL } else { value };
    get(kernel, &object, &name, Window { value, size, position })
}

/// `man 2 setxattr`. The path is looked up last.
pub fn setxattr<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    name: UserAddr,
    value: UserAddr,
    size: usize,
    position: u32,
    options: XattrOptions,
) -> SysResult<()> {
    let links = links(options)?;
    let window = Window { value, size, position };
    check(cx.kernel(), name, window)?;
    at_path(cx, DirFd::CWD, path, links, |kernel, object| {
        check_last_link(kernel, object, options)?;
        read_name_and_set(kernel, object, name, window, options)
    })
}

/// A name is looked at before the path is, and read again: it is too large to be kept meanwhile.
#[inline(never)]
fn read_name_and_set<K: Kernel>(
    kernel: &K,
    object: &Object<'_>,
    name: UserAddr,
    window: Window,
    options: XattrOptions,
) -> SysResult<()> {
    let name = Name::read(kernel, name)?;
    set(kernel, object, &name, window, options)
}

/// `man 2 fsetxattr`.
pub fn fsetxattr<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    name: UserAddr,
    value: UserAddr,
    size: usize,
    position: u32,
    options: XattrOptions,
) -> SysResult<()> {
    check_descriptor_options(options)?;
    let kernel = cx.kernel();
    let window = Window { value, size, position };
    let name = checked(kernel, name, window)?;
    let object = Object::vnode(kernel, fd)?;
    set(kernel, &object, &name, window, options)
}

#[inline(never)]
fn check<K: Kernel>(kernel: &K, name: UserAddr, window: Window) -> SysResult<()> {
    checked(kernel, name, window).map(|_| ())
}

/// What is looked at before the file is.
fn checked<K: Kernel>(kernel: &K, name: UserAddr, window: Window) -> SysResult<Name> {
    let name = Name::read(kernel, name)?;
    if window.size != 0 && window.value.is_null() {
        return Err(Errno::EINVAL);
    }
    if window.size > i32::MAX as usize {
        return Err(Errno::E2BIG);
    }
    Ok(name)
}

/// `man 2 removexattr`.
pub fn removexattr<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    name: UserAddr,
    options: XattrOptions,
) -> SysResult<()> {
    let links = links(options)?;
    let nothing = Window { value: UserAddr::NULL, size: 0, position: 0 };
    check(cx.kernel(), name, nothing)?;
    at_path(cx, DirFd::CWD, path, links, |kernel, object| {
        check_last_link(kernel, object, options)?;
        read_name_and_remove(kernel, object, name)
    })
}

#[inline(never)]
fn read_name_and_remove<K: Kernel>(kernel: &K, object: &Object<'_>, name: UserAddr) -> SysResult<()> {
    let name = Name::read(kernel, name)?;
    remove(kernel, object, &name)
}

/// `man 2 fremovexattr`.
pub fn fremovexattr<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    name: UserAddr,
    options: XattrOptions,
) -> SysResult<()> {
    check_descriptor_options(options)?;
    let name = Name::read(cx.kernel(), name)?;
    let object = Object::vnode(cx.kernel(), fd)?;
    remove(cx.kernel(), &object, &name)
}

/// `bsd/vfs/vfs_xattr.c`, `vn_getxattr`.
#[inline(never)]
fn get<K: Kernel>(kernel: &K, object: &Object<'_>, name: &Name, window: Window) -> SysResult<usize> {
    let special = name.check(kernel, object)?;
    let has_position = window.position != 0 && !window.value.is_null();
    if has_position && special != Special::ResourceFork {
        object.statx(kernel).to_bsd()?;
        return Err(Errno::EINVAL);
    }
    match special {
        Special::Ours => {
            object.statx(kernel).to_bsd()?;
            Err(Errno::ENOATTR)
        }
        Special::FinderInfo => get_finder_info(kernel, object, window),
        Special::ResourceFork => resource_fork::get(kernel, object, name, window),
        Special::No => get_plain(kernel, object, name, window),
    }
}

fn get_plain<K: Kernel>(kernel: &K, object: &Object<'_>, name: &Name, window: Window) -> SysResult<usize> {
    let asks_length = window.value.is_null();
    let size = if asks_length { 0 } else { window.size.min(i32::MAX as usize) };
    let answer =
        at(kernel, object, |place| xattr::get(kernel, place, name.with_nul(), Arg::User(window.value), size));
    match answer {
        // Without room nothing fits but nothing; to Linux no room is the question for the length.
        Ok(length) if !asks_length && size == 0 && length > 0 => Err(Errno::ERANGE),
        Ok(length) => Ok(length),
        Err(error) => Err(missing(kernel, object, error)?),
    }
}

/// What stands for "there is no such attribute": also that there cannot be one. A device is told apart (`EPERM`).
fn missing<K: Kernel>(kernel: &K, object: &Object<'_>, error: LinuxErrno) -> SysResult<Errno> {
    match error {
        LinuxErrno::ENODATA | LinuxErrno::EOPNOTSUPP => {
            Ok(if is_device(kernel, object)? { Errno::EPERM } else { Errno::ENOATTR })
        }
        other => Ok(crate::convert::errno::errno(other)),
    }
}

/// The Finder information of an object; all zero is none.
pub(super) fn finder_info<K: Kernel>(
    kernel: &K,
    object: &Object<'_>,
) -> Result<Option<[u8; FINDER_INFO]>, LinuxErrno> {
    let mut info = [0; FINDER_INFO];
    let name = name::FINDER_INFO;
    let answer =
        at(kernel, object, |place| xattr::get(kernel, place, name, Arg::Out(&mut info), FINDER_INFO));
    match answer {
        Ok(FINDER_INFO) if info.iter().any(|byte| *byte != 0) => Ok(Some(info)),
        // Not what a Mac would have written.
        Ok(_) | Err(LinuxErrno::ERANGE | LinuxErrno::ENODATA | LinuxErrno::EOPNOTSUPP) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Linux's attribute that keeps file flags.
const FLAGS: &[u8] = b"user.xnu.flags\0";

/// The file flags that are kept in an attribute, if there are any.
pub(super) fn kept_flags<K: Kernel>(kernel: &K, object: &Object<'_>) -> Option<u32> {
    let mut flags = [0; 4];
    let read = at(kernel, object, |place| xattr::get(kernel, place, FLAGS, Arg::Out(&mut flags), 4));
    (read == Ok(flags.len())).then(|| u32::from_le_bytes(flags))
}

/// Keeps file flags in an attribute, or no longer.
pub(super) fn keep_flags<K: Kernel>(
    kernel: &K,
    object: &Object<'_>,
    flags: Option<u32>,
) -> Result<(), LinuxErrno> {
    match flags {
        Some(flags) => {
            let bytes = flags.to_le_bytes();
            at(kernel, object, |place| xattr::set(kernel, place, FLAGS, Arg::In(&bytes), bytes.len(), 0))
        }
        None => match at(kernel, object, |place| xattr::remove(kernel, place, FLAGS)) {
            Err(LinuxErrno::ENODATA | LinuxErrno::EOPNOTSUPP) => Ok(()),
            other => other,
        },
    }
}

/// Bytes of the resource fork of a file; none is 0.
pub(super) fn resource_fork_length<K: Kernel>(kernel: &K, object: &Object<'_>) -> Result<usize, LinuxErrno> {
    let name = name::RESOURCE_FORK;
    match at(kernel, object, |place| xattr::get(kernel, place, name, Arg::Val(0), 0)) {
        // Who may not read it is told of none.
        Err(LinuxErrno::ENODATA | LinuxErrno::EOPNOTSUPP | LinuxErrno::EACCES) => Ok(0),
        other => other,
    }
}

fn get_finder_info<K: Kernel>(kernel: &K, object: &Object<'_>, window: Window) -> SysResult<usize> {
    match finder_info(kernel, object).to_bsd()? {
        None => Err(missing(kernel, object, LinuxErrno::ENODATA)?),
        Some(_) if window.value.is_null() => Ok(FINDER_INFO),
        Some(_) if window.size < FINDER_INFO => Err(Errno::ERANGE),
        Some(info) => {
            kernel.copy_out(window.value, &info)?;
            Ok(FINDER_INFO)
        }
    }
}

fn linux_flags(options: XattrOptions) -> u32 {
    if options.contains(XattrOptions::XATTR_CREATE) {
        XATTR_CREATE
    } else if options.contains(XattrOptions::XATTR_REPLACE) {
        XATTR_REPLACE
    } else {
        0
    }
}

/// `bsd/vfs/vfs_xattr.c`, `vn_setxattr`.
#[inline(never)]
fn set<K: Kernel>(
    kernel: &K,
    object: &Object<'_>,
    name: &Name,
    window: Window,
    options: XattrOptions,
) -> SysResult<()> {
    let both = XattrOptions::XATTR_CREATE | XattrOptions::XATTR_REPLACE;
    let special = name.check(kernel, object)?;
    let wrong_position = window.position != 0 && special != Special::ResourceFork;
    if options.contains(both) || wrong_position {
        object.statx(kernel).to_bsd()?;
        return Err(Errno::EINVAL);
    }
    match special {
        Special::Ours => {
            object.statx(kernel).to_bsd()?;
            Err(Errno::EPERM)
        }
        Special::FinderInfo => set_finder_info(kernel, object, window, options),
        Special::ResourceFork => resource_fork::set(kernel, object, name, window, options),
        Special::No => {
            let (value, flags) = (window.value, linux_flags(options));
            let answer = at(kernel, object, |place| {
                xattr::set(kernel, place, name.with_nul(), Arg::User(value), window.size, flags)
            });
            answer.or_else(|error| Err(refused(kernel, object, error)?))
        }
    }
}

/// 32 bytes, or none at all where they are 0 (`bsd/vfs/vfs_xattr.c`, `default_setxattr_vfs`).
fn set_finder_info<K: Kernel>(
    kernel: &K,
    object: &Object<'_>,
    window: Window,
    options: XattrOptions,
) -> SysResult<()> {
    if window.size != FINDER_INFO {
        object.statx(kernel).to_bsd()?;
        return Err(Errno::ERANGE);
    }
    let mut info = [0; FINDER_INFO];
    kernel.copy_in(window.value, &mut info)?;
    store_finder_info(kernel, object, &info, options)
}

/// Sets Finder information that was copied in.
pub(super) fn store_finder_info<K: Kernel>(
    kernel: &K,
    object: &Object<'_>,
    info: &[u8; FINDER_INFO],
    options: XattrOptions,
) -> SysResult<()> {
    if options.intersects(XattrOptions::XATTR_CREATE | XattrOptions::XATTR_REPLACE) {
        match finder_info(kernel, object).to_bsd()? {
            Some(_) if options.contains(XattrOptions::XATTR_CREATE) => return Err(Errno::EEXIST),
            None if options.contains(XattrOptions::XATTR_REPLACE) => return Err(Errno::ENOATTR),
            _ => {}
        }
    }
    let name = name::FINDER_INFO;
    let answer = if info.iter().all(|byte| *byte == 0) {
        match at(kernel, object, |place| xattr::remove(kernel, place, name)) {
            Err(LinuxErrno::ENODATA) => Ok(()),
            other => other,
        }
    } else {
        at(kernel, object, |place| xattr::set(kernel, place, name, Arg::In(info), info.len(), 0))
    };
    answer.or_else(|error| Err(refused(kernel, object, error)?))
}

/// `bsd/vfs/vfs_xattr.c`, `vn_removexattr`.
#[inline(never)]
fn remove<K: Kernel>(kernel: &K, object: &Object<'_>, name: &Name) -> SysResult<()> {
    if name.is_protected() {
        return Err(Errno::EPERM);
    }
    let special = name.check(kernel, object)?;
    if special == Special::Ours {
        object.statx(kernel).to_bsd()?;
        return Err(Errno::ENOATTR);
    }
    match at(kernel, object, |place| xattr::remove(kernel, place, name.with_nul())) {
        Ok(()) => Ok(()),
        Err(error @ (LinuxErrno::ENODATA | LinuxErrno::EOPNOTSUPP)) => Err(missing(kernel, object, error)?),
        Err(error) => Err(refused(kernel, object, error)?),
    }
}
