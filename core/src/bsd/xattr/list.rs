//! The names of an object's attributes.

use super::name;
use super::place::{at, is_device};
use super::{check_descriptor_options, check_last_link, finder_info, links};
use crate::bsd::object::{Object, at_path};
use crate::bsd::scratch::Scratch;
use crate::convert::errno::{ToBsd, errno};
use crate::kernel::{Arg, Kernel};
use crate::linux::{self, xattr};
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::user::UserAddr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::xattr::{XATTR_FINDERINFO_NAME, XATTR_MAXNAMELEN, XattrOptions};
use xnu_abi::linux::{Errno as LinuxErrno, flags};

/// `XATTR_LIST_MAX` (`include/uapi/linux/limits.h`).
const LIST_MAX: usize = 65_536;

/// Most lists are shorter than this.
const SHORT: usize = 256;

/// `man 2 listxattr`.
pub fn listxattr<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    names: UserAddr,
    size: usize,
    options: XattrOptions,
) -> SysResult<usize> {
    let links = links(options)?;
    at_path(cx, DirFd::CWD, path, links, |kernel, object| {
        check_last_link(kernel, object, options)?;
        list(kernel, object, names, size)
    })
}

/// `man 2 flistxattr`.
pub fn flistxattr<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    names: UserAddr,
    size: usize,
    options: XattrOptions,
) -> SysResult<usize> {
    check_descriptor_options(options)?;
    let object = Object::vnode(cx.kernel(), fd)?;
    list(cx.kernel(), &object, names, size)
}

/// Where names go: nowhere, where only their length is asked for.
struct Names<'k, K> {
    kernel: &'k K,
    to: Option<UserAddr>,
    room: usize,
    length: usize,
}

impl<K: Kernel> Names<'_, K> {
    /// Writes a name and a NUL.
    fn push(&mut self, name: &[u8]) -> SysResult<()> {
        let mut bytes = [0; XATTR_MAXNAMELEN + 1];
        if let Some(to) = bytes.get_mut(..name.len()) {
            to.copy_from_slice(name);
        }
        let length = name.len().wrapping_add(1);
        let end = self.length.wrapping_add(length);
        if let Some(to) = self.to {
            if end > self.room {
                return Err(Errno::ERANGE);
            }
            let to = to.checked_add(self.length as u64)?;
            self.kernel.copy_out(to, bytes.get(..length).unwrap_or_default())?;
        }
        self.length = end;
        Ok(())
    }
}

/// `bsd/vfs/vfs_xattr.c`, `vn_listxattr`: for those who may read the file. Linux shows the names to anyone.
#[inline(never)]
fn list<K: Kernel>(kernel: &K, object: &Object<'_>, names: UserAddr, size: usize) -> SysResult<usize> {
    const R_OK: i32 = 4;
    let Object { directory, path, flags } = *object;
    if is_device(kernel, object)? {
        return Err(Errno::EPERM);
    }
    linux::name::faccessat(kernel, directory, path, R_OK, flags | flags::AT_EACCESS).to_bsd()?;
    let to = (!names.is_null() && size > 0).then_some(names);
    let mut names = Names { kernel, to, room: size, length: 0 };
    let mut short = [0; SHORT];
    match at(kernel, object, |place| xattr::list(kernel, place, Arg::Out(&mut short), SHORT)) {
        Ok(length) => {
            let mut rest = short.get(..length).unwrap_or_default();
            while let Some(end) = rest.iter().position(|byte| *byte == 0) {
                push(kernel, object, &mut names, rest.get(..end).unwrap_or_default())?;
                rest = rest.get(end.wrapping_add(1)..).unwrap_or_default();
            }
        }
        Err(LinuxErrno::ERANGE) => list_long(kernel, object, &mut names)?,
        Err(LinuxErrno::EOPNOTSUPP) => {}
        Err(error) => return Err(errno(error)),
    }
    Ok(names.length)
}

/// A list that is too long for the stack, looked at name by name.
#[inline(never)]
fn list_long<K: Kernel>(kernel: &K, object: &Object<'_>, names: &mut Names<'_, K>) -> SysResult<()> {
    let scratch = Scratch::new(kernel, LIST_MAX)?;
    let start = scratch.at(0)?;
    let length =
        at(kernel, object, |place| xattr::list(kernel, place, Arg::User(start), LIST_MAX)).to_bsd()?;
    // `XATTR_NAME_MAX` and a terminator.
    let mut name = [0; 256];
    let mut at = 0;
    while at < length {
        let count = length.wrapping_sub(at).min(name.len());
        let piece = name.get_mut(..count).unwrap_or_default();
        kernel.copy_in(scratch.at(at)?, piece)?;
        let end = piece.iter().position(|byte| *byte == 0).unwrap_or(count);
        push(kernel, object, names, piece.get(..end).unwrap_or_default())?;
        at = at.wrapping_add(end).wrapping_add(1);
    }
    Ok(())
}

/// Writes one of Linux's names, if the guest sees it.
fn push<K: Kernel>(kernel: &K, object: &Object<'_>, names: &mut Names<'_, K>, linux: &[u8]) -> SysResult<()> {
    match name::shown(linux) {
        Some(XATTR_FINDERINFO_NAME) if finder_info(kernel, object).to_bsd()?.is_none() => Ok(()),
        Some(name) => names.push(name),
        None => Ok(()),
    }
}
