//! Paths: of an open file, checked for packages, and relative to an open directory.

use super::file::{access, vnode_type};
use crate::bsd::{name, open};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::LinuxFd;
use crate::process::{Context, Process};
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::user::{UserAddr, UserPtr};
use crate::vchroot::GuestPath;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::exec::PATH_MAX;
use xnu_abi::darwin::fcntl::{AtFlags, OpenFlags};
use xnu_abi::darwin::stat::{FileType, Mode};

/// `F_GETPATH` and its kin: the path of an open file, into a buffer of `MAXPATHLEN` bytes.
///
/// A file that is gone, or never had a path, is `ENOENT`, as a vnode without a name is; so is one outside of a prefix
/// that has no way out. A path that is longer than the buffer is `ENOSPC`.
#[inline(never)]
pub(super) fn get<K: Kernel, L>(process: &Process<K, L>, file: LinuxFd, buf: UserAddr) -> SysResult<i32> {
    let kernel = &process.kernel;
    vnode_type(kernel, file)?;
    let mut path = [0; PATH_MAX];
    let length = match process.vchroot_fdpath(file.0, &mut path).to_bsd() {
        Err(Errno::ENAMETOOLONG) => return Err(Errno::ENOSPC),
        other => other?,
    };
    kernel.copy_out(buf, path.get(..=length).unwrap_or_default())?;
    Ok(0)
}

/// `F_PATHPKG_CHECK`: which component of an absolute path is a package, -1 for none (`bsd/vfs/vfs_subr.c`,
/// `vn_path_package_check`). What is a package is told to the kernel by the superuser; nobody has.
pub(super) fn package<K: Kernel>(kernel: &K, file: LinuxFd, path: UserAddr) -> SysResult<i32> {
    vnode_type(kernel, file)?;
    GuestPath::new().read(kernel, UserPath(path))?;
    if UserPtr::<u8>::new(path).read(kernel)? == b'/' { Ok(-1) } else { Err(Errno::EINVAL) }
}

/// `struct fopenfrom`, of `F_OPENFROM`.
#[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
#[repr(C)]
struct Fopenfrom {
    o_flags: u32,
    o_mode: u16,
    _pad: u16,
    o_pathname: u64,
}

/// The directory that `F_OPENFROM` and `F_UNLINKFROM` start from: it must have been opened for reading.
fn directory<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<DirFd> {
    let kind = vnode_type(kernel, file)?;
    if !access(kernel, file)?.reads {
        return Err(Errno::EBADF);
    }
    if kind == FileType::S_IFDIR { Ok(DirFd(file.0)) } else { Err(Errno::ENOTDIR) }
}

/// `F_OPENFROM`: `openat`.
pub(super) fn open_from<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    file: LinuxFd,
    address: UserAddr,
) -> SysResult<i32> {
    let directory = directory(cx.kernel(), file)?;
    let request = UserPtr::<Fopenfrom>::new(address).read(cx.kernel())?;
    let path = UserPath(UserAddr::new(request.o_pathname));
    let flags = OpenFlags::from_bits_retain(request.o_flags);
    let Fd(opened) = open::openat(cx, directory, path, flags, Mode::from_bits_retain(request.o_mode))?;
    Ok(opened)
}

/// `F_UNLINKFROM`: `unlinkat`.
pub(super) fn unlink_from<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    file: LinuxFd,
    path: UserAddr,
) -> SysResult<i32> {
    let directory = directory(cx.kernel(), file)?;
    name::unlinkat(cx, directory, UserPath(path), AtFlags::empty())?;
    Ok(0)
}
