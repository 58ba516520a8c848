//! Times of access and of modification: `utimes` and `futimes`.

use super::object::{Object, at_path};
use crate::convert::errno::ToBsd;
use crate::convert::time::timeval_to_timespec;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::user::UserPtr;
use crate::vchroot::Links;
use xnu_abi::darwin::time::Timeval;
use xnu_abi::linux::Timespec;

/// `man 2 utimes`: null sets both times to now, which takes no more than the right to write
/// (`bsd/vfs/vfs_syscalls.c`, `utimes`, `setutimes`).
pub fn utimes<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    times: UserPtr<[Timeval; 2]>,
) -> SysResult<()> {
    at_path(cx, DirFd::CWD, path, Links::Follow, |kernel, object| read_and_set(kernel, object, times))
}

#[inline(never)]
fn read_and_set<K: Kernel>(kernel: &K, object: &Object<'_>, times: UserPtr<[Timeval; 2]>) -> SysResult<()> {
    let times = read(kernel, times).or_else(|fault| {
        // The path is looked up before the times are read.
        object.statx(kernel).to_bsd()?;
        Err(fault)
    })?;
    set(kernel, object, times.as_ref())
}

/// `man 2 futimes`.
pub fn futimes<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    times: UserPtr<[Timeval; 2]>,
) -> SysResult<()> {
    let times = read(cx.kernel(), times)?;
    let object = Object::vnode(cx.kernel(), fd)?;
    set(cx.kernel(), &object, times.as_ref())
}

fn read<K: Kernel>(kernel: &K, times: UserPtr<[Timeval; 2]>) -> SysResult<Option<[Timespec; 2]>> {
    if times.is_null() {
        return Ok(None);
    }
    Ok(Some(times.read(kernel)?.map(|time| timeval_to_timespec(&time))))
}

/// Sets access and modification time; `None` is now.
#[inline(never)]
pub(super) fn set<K: Kernel>(
    kernel: &K,
    object: &Object<'_>,
    times: Option<&[Timespec; 2]>,
) -> SysResult<()> {
    linux::metadata::utimensat(kernel, object.directory, object.path, times, object.flags).to_bsd()
}
