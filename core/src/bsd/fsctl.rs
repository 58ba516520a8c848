//! Requests of a file system (`bsd/vfs/vfs_syscalls.c`, `fsctl_internal`).
//!
//! Differs from XNU: nobody knows whether a descriptor is the only one of its file (`FSIOC_FD_ONLY_OPEN_ONCE`), and what
//! Apple's file systems serve beyond the kernel's own requests is `ENOTTY`, as for one that knows none of it.

use super::fcntl::file::{Kind, kind};
use super::file_handle;
use crate::convert::errno::ToBsd;
use crate::convert::ioctl;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::user::UserAddr;
use crate::vchroot::{GuestPath, Links, Target};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::stat::{FileType, Mode};

/// `FSOPT_NOFOLLOW` of the options.
const FSOPT_NOFOLLOW: u32 = 1;

/// Requests by their full numbers (`bsd/sys/fsctl.h`).
mod request {
    pub(super) const SYNC_VOLUME: u32 = 0x8004_4101;
    pub(super) const SET_PACKAGE_EXTS: u32 = 0x8010_4102;
    pub(super) const SET_FSTYPENAME_OVERRIDE: u32 = 0x8010_410a;
    pub(super) const ROUTEFS_SETROUTEID: u32 = 0x2000_410f;
    pub(super) const FIOSEEKHOLE: u32 = 0xc008_4110;
    pub(super) const FIOSEEKDATA: u32 = 0xc008_4111;
    pub(super) const FD_ONLY_OPEN_ONCE: u32 = 0xc004_4115;
    pub(super) const DISK_CONDITIONER_GET: u32 = 0x4038_4112;
    pub(super) const DISK_CONDITIONER_SET: u32 = 0x8038_4113;
    pub(super) const KERNEL_ROOTAUTH: u32 = 0x8004_6833;
    /// Without direction and length, as old programs give them.
    pub(super) const SHORT: &[u32] = &[
        SYNC_VOLUME,
        SET_PACKAGE_EXTS,
        SET_FSTYPENAME_OVERRIDE,
        ROUTEFS_SETROUTEID,
        FIOSEEKHOLE,
        FIOSEEKDATA,
        DISK_CONDITIONER_GET,
        DISK_CONDITIONER_SET,
    ];
    /// Commands of `fcntl` that a file system gets as requests, and that nobody else may make: `F_CHKCLEAN`,
    /// `F_FULLFSYNC`, `F_PUNCHHOLE` and the like.
    pub(super) const OF_FCNTL: &[u32] =
        &[41, 44, 51, 53, 54, 68, 70, 71, 75, 77, 79, 80, 81, 82, 85, 99, 100, 101, 108, 109, 110, 111];
}

/// `man 2 fsctl`.
pub fn fsctl<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    number: u64,
    data: UserAddr,
    options: u32,
) -> SysResult<i32> {
    let kernel = cx.kernel();
    // Who has it open already would take it for the only one.
    if number == u64::from(request::FD_ONLY_OPEN_ONCE) {
        return Err(Errno::EINVAL);
    }
    let links = if options & FSOPT_NOFOLLOW != 0 { Links::Stay } else { Links::Follow };
    let mut room = GuestPath::new();
    let mut at = Target::read(cx.process, DirFd::CWD, path, &mut room)?;
    let kind = {
        let object = at.object(links).to_bsd()?;
        kind_at(kernel, object.directory(), object.path(), object.flags())?
    };
    serve(kernel, kind, number as u32, data)
}

/// Apart, since much is told and little kept.
#[inline(never)]
fn kind_at<K: Kernel>(kernel: &K, directory: LinuxFd, path: &[u8], flags: u32) -> SysResult<FileType> {
    let stat = linux::metadata::statx(kernel, directory, path, flags).to_bsd()?;
    Ok(Mode::from_bits_retain(stat.stx_mode).file_type())
}

/// `man 2 ffsctl`.
pub fn ffsctl<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    number: u64,
    data: UserAddr,
    _options: u32,
) -> SysResult<i32> {
    match kind(cx.kernel(), fd.to_linux()?)?.0 {
        Kind::Vnode(kind) => serve(cx.kernel(), kind, number as u32, data),
        _ => Err(Errno::EINVAL),
    }
}

fn serve<K: Kernel>(kernel: &K, kind: FileType, number: u32, data: UserAddr) -> SysResult<i32> {
    if matches!(kind, FileType::S_IFCHR | FileType::S_IFBLK) {
        return Err(Errno::ENOTTY);
    }
    let full = request::SHORT.iter().find(|full| **full & 0xffff == number);
    let number = full.copied().unwrap_or(number);
    if ioctl::size(number) > ioctl::SIZE_MAX {
        return Err(Errno::EINVAL);
    }
    super::fcntl::check_parameter(kernel, number as i32, data.get() as i64)?;
    match number {
        request::SYNC_VOLUME => {
            // Of all volumes, this one among them.
            linux::descriptor::sync(kernel).to_bsd()?;
            Ok(0)
        }
        request::ROUTEFS_SETROUTEID => Ok(0),
        // For processes with an entitlement.
        request::SET_PACKAGE_EXTS | request::DISK_CONDITIONER_SET => Err(Errno::EPERM),
        request::SET_FSTYPENAME_OVERRIDE => {
            file_handle::check_superuser(kernel)?;
            Err(Errno::ENOTSUP)
        }
        // No volume is slowed down.
        request::DISK_CONDITIONER_GET => {
            kernel.copy_out(data, &[0; 56])?;
            Ok(0)
        }
        request::KERNEL_ROOTAUTH | request::FIOSEEKHOLE | request::FIOSEEKDATA => Err(Errno::EINVAL),
        number if request::OF_FCNTL.contains(&number) => Err(Errno::EINVAL),
        _ => Err(Errno::ENOTTY),
    }
}
