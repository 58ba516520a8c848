//! Attribute lists: `getattrlist`, `getattrlistbulk`, `setattrlist` and their kin (`bsd/vfs/vfs_attrlist.c`,
//! `man 2 getattrlist`).
//!
//! The name, the path and the parent of an object are those that Linux knows of the open file, the path as the guest calls
//! it; what is outside of a sealed prefix has none. Differs from XNU: `ATTR_CMNEXT_RELPATH` is the whole path, and a reply tells fewer attributes than one
//! about a file on APFS, as no file here has them: generation counts, document and clone identifiers, added times, data
//! protection; of volumes, numbers of files and directories, UUID, quota and reserve.

mod bulk;
mod file;
mod pack;
mod request;
mod set;
mod volume;

pub use bulk::getattrlistbulk;
pub use set::{fsetattrlist, setattrlist, setattrlistat};

use super::object::{Object, at_opened};
use crate::kernel::Kernel;
use crate::linux::LinuxFd;
use crate::process::{Context, Process};
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::user::{UserAddr, UserPtr};
use crate::vchroot::Links;
use pack::Memory;
use request::Request;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::attr::{AttrList, AttributeOptions};

/// `FSOPT_NOFOLLOW` and `FSOPT_NOFOLLOW_ANY`.
fn links(options: AttributeOptions) -> Links {
    if options.contains(AttributeOptions::FSOPT_NOFOLLOW_ANY) {
        Links::Refuse
    } else if options.contains(AttributeOptions::FSOPT_NOFOLLOW) {
        Links::Stay
    } else {
        Links::Follow
    }
}

/// `man 2 getattrlist`.
pub fn getattrlist<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    list: UserPtr<AttrList>,
    buffer: UserAddr,
    size: usize,
    options: AttributeOptions,
) -> SysResult<()> {
    getattrlistat(cx, DirFd::CWD, path, list, buffer, size, options)
}

/// `man 2 getattrlistat`.
pub fn getattrlistat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    list: UserPtr<AttrList>,
    buffer: UserAddr,
    size: usize,
    options: AttributeOptions,
) -> SysResult<()> {
    let request = Request::read(cx.kernel(), list, options)?;
    at_opened(cx, directory, path, links(options), |_, file| tell(cx.process, file, &request, buffer, size))
}

/// `man 2 fgetattrlist`.
pub fn fgetattrlist<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    list: UserPtr<AttrList>,
    buffer: UserAddr,
    size: usize,
    options: AttributeOptions,
) -> SysResult<()> {
    let object = Object::vnode(cx.kernel(), fd)?;
    let request = Request::read(cx.kernel(), list, options)?;
    tell(cx.process, object.directory, &request, buffer, size)
}

/// `getattrlist_internal`.
#[inline(never)]
fn tell<K: Kernel, L>(
    process: &Process<K, L>,
    file: LinuxFd,
    request: &Request,
    buffer: UserAddr,
    size: usize,
) -> SysResult<()> {
    if size < size_of::<u32>() {
        return Err(Errno::ERANGE);
    }
    request.check()?;
    let memory = Memory::new(process)?;
    if request.is_of_volume() {
        return volume::tell(&memory, file, request, buffer, size);
    }
    let packer = file::pack(&memory, file, request, None)?;
    let needed = packer.needed();
    packer.finish(needed, buffer, size)
}
