//! Mounts, quotas, snapshots (`bsd/vfs/vfs_syscalls.c`): what XNU answers a program that has no privilege and no
//! entitlement. Nothing is ever mounted, so the superuser gets no further, and where XNU would go on for him, `EPERM` is
//! what System Integrity Protection says.

use super::fcntl::file::{Kind, kind};
use super::link::open_named;
use super::search::check_readable;
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::user::{UserAddr, UserPtr};
use crate::vchroot::Links;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::mount::Statfs;
use xnu_abi::linux::{Statx, flags as linux_flags};

const MNT_UNION: u32 = 0x20;
const MNT_ROOTFS: u32 = 0x4000;
const MNT_UPDATE: u32 = 0x1_0000;
const MNT_NOFOLLOW: u32 = 0x0800_0000;
const MNT_IMGSRC_BY_INDEX: u32 = 0x2000_0000;

/// Bytes of a file system's name with its NUL (`MFSNAMELEN`).
const NAME: usize = 15;

/// The file systems that XNU has without loading anything.
const KINDS: [&[u8]; 9] =
    [b"apfs", b"hfs", b"nfs", b"devfs", b"autofs", b"bindfs", b"nullfs", b"routefs", b"fdesc"];

/// `man 2 mount`.
pub fn mount<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    kind: UserAddr,
    path: UserPath,
    how: u32,
    data: UserAddr,
) -> SysResult<()> {
    mac_mount(cx, kind, path, how, data, UserPtr::new(UserAddr::NULL))
}

/// `mount` with a label (`__mac_mount`).
pub fn mac_mount<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    kind: UserAddr,
    path: UserPath,
    how: u32,
    _data: UserAddr,
    mac: UserPtr<[u64; 2]>,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let name = read_name(kernel, kind)?;
    let place = find(cx, path, how)?;
    if how == MNT_IMGSRC_BY_INDEX {
        // Not started from an image.
        return Err(Errno::EINVAL);
    }
    if !mac.is_null() {
        read_label(kernel, mac)?;
    }
    if how & MNT_UNION != 0 {
        return Err(Errno::EPERM);
    }
    // The root is always there already.
    Err(refusal(kernel, &name, &place, how & MNT_UPDATE != 0 || place.is_root)?)
}

/// `mount` on an open directory (`fmount`).
pub fn fmount<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    name: UserAddr,
    fd: Fd,
    how: u32,
    _data: UserAddr,
) -> SysResult<()> {
    if how & (MNT_IMGSRC_BY_INDEX | MNT_ROOTFS) != 0 {
        return Err(Errno::ENOTSUP);
    }
    if how & MNT_UNION != 0 {
        return Err(Errno::EPERM);
    }
    let kernel = cx.kernel();
    let name = read_name(kernel, name)?;
    let file = fd.to_linux()?;
    if !matches!(kind(kernel, file)?, (Kind::Vnode(_), _)) {
        return Err(Errno::EINVAL);
    }
    let place = look(cx, file)?;
    if place.is_root {
        return Err(Errno::EBUSY);
    }
    Err(refusal(kernel, &name, &place, how & MNT_UPDATE != 0)?)
}

/// What `mount_common` says.
fn refusal<K: Kernel>(kernel: &K, name: &[u8; NAME], place: &Place, updates: bool) -> SysResult<Errno> {
    if updates {
        return Ok(if place.is_volume { Errno::EPERM } else { Errno::EINVAL });
    }
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(NAME);
    if !KINDS.contains(&name.get(..end).unwrap_or_default()) {
        return Ok(Errno::ENODEV);
    }
    let user = linux::process::geteuid(kernel).to_bsd()? as u32;
    match user == place.owner || user == 0 {
        true if !place.is_directory => Ok(Errno::ENOTDIR),
        _ => Ok(Errno::EPERM),
    }
}

/// `man 2 unmount`: of the root of a volume, that of the one who mounted it; and the first volume is always busy.
pub fn unmount<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath, how: u32) -> SysResult<()> {
    if !find(cx, path, how)?.is_volume {
        return Err(Errno::EINVAL);
    }
    match linux::process::geteuid(cx.kernel()).to_bsd()? {
        0 => Err(Errno::EBUSY),
        _ => Err(Errno::EPERM),
    }
}

/// `man 2 quotactl`: what it asks for is read, and then it is `ENOTSUP`, as on every volume but one of HFS.
pub fn quotactl<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    cmd: i32,
    _uid: i32,
    arg: UserAddr,
) -> SysResult<()> {
    const SUBCMDSHIFT: u32 = 8;
    const Q_QUOTAON: i32 = 0x100;
    const Q_SETQUOTA: i32 = 0x400;
    const Q_SETUSE: i32 = 0x500;
    /// `sizeof(struct dqblk)`.
    const LIMITS: u64 = 64;
    find(cx, path, 0)?;
    match cmd >> SUBCMDSHIFT {
        Q_QUOTAON => read_string(cx.kernel(), UserPath(arg))?,
        Q_SETQUOTA | Q_SETUSE => check_readable(cx.kernel(), arg, LIMITS)?,
        _ => {}
    }
    Err(Errno::ENOTSUP)
}

/// `man 2 fs_snapshot_create` and its kin: for programs with an entitlement (`vfs_context_can_snapshot`).
pub fn fs_snapshot<K: Kernel, L>(
    _: &mut Context<'_, K, L>,
    _op: u32,
    _directory: DirFd,
    _name1: UserAddr,
    _name2: UserAddr,
    _data: UserAddr,
    _flags: u32,
) -> SysResult<()> {
    Err(Errno::EPERM)
}

/// `graftdmg`: for programs with an entitlement.
pub fn graftdmg<K: Kernel, L>(
    _: &mut Context<'_, K, L>,
    _image: i32,
    _directory: UserAddr,
    _kind: u32,
    _arguments: UserAddr,
) -> SysResult<()> {
    Err(Errno::EPERM)
}

/// `ungraftdmg`: for programs with an entitlement.
pub fn ungraftdmg<K: Kernel, L>(
    _: &mut Context<'_, K, L>,
    _directory: UserAddr,
    _flags: u64,
) -> SysResult<()> {
    Err(Errno::EPERM)
}

/// `pivot_root`: for the first process.
pub fn pivot_root<K: Kernel, L>(
    _: &mut Context<'_, K, L>,
    _new_root: UserPath,
    _old_root: UserPath,
) -> SysResult<()> {
    Err(Errno::EPERM)
}

/// `undelete` (`bsd/vfs/vfs_syscalls.c`): no longer supported.
pub fn undelete<K: Kernel, L>(_: &mut Context<'_, K, L>, _path: UserPath) -> SysResult<()> {
    Err(Errno::ENOTSUP)
}

/// `swapon` (`bsd/vm/vm_unix.c`): never supported.
pub fn swapon<K: Kernel, L>(_: &mut Context<'_, K, L>) -> SysResult<()> {
    Err(Errno::ENOTSUP)
}

/// `man 2 acct`: for the superuser (`bsd/kern/kern_acct.c`).
pub fn acct<K: Kernel, L>(_: &mut Context<'_, K, L>, _path: UserPath) -> SysResult<()> {
    Err(Errno::EPERM)
}

/// `man 2 nfssvc` (`bsd/nfs/nfs_syscalls.c`): for the superuser, but for what it does not know.
pub fn nfssvc<K: Kernel, L>(_: &mut Context<'_, K, L>, flag: u32, _argp: UserAddr) -> SysResult<()> {
    /// `NFSSVC_NFSD` to `NFSSVC_EXPORT`.
    const KNOWN: u32 = 0x3fc;
    if flag & KNOWN == 0 { Err(Errno::EINVAL) } else { Err(Errno::EPERM) }
}

/// `__mac_get_mount` (`security/mac_base.c`): no policy keeps labels, so each that is asked for is one that is not known.
pub fn mac_get_mount<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    mac: UserPtr<[u64; 2]>,
) -> SysResult<()> {
    find(cx, path, 0)?;
    read_label(cx.kernel(), mac)?;
    Err(Errno::ENOTSUP)
}

/// `getfsstat` with labels (`bsd/vfs/vfs_syscalls.c`, `__mac_getfsstat`), of which there are none.
pub fn mac_getfsstat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    buf: UserPtr<Statfs>,
    bufsize: i32,
    mac: UserAddr,
    macsize: i32,
    flags: i32,
) -> SysResult<i32> {
    const ADDRESS: usize = size_of::<u64>();
    let (Ok(room), Ok(macsize)) = (usize::try_from(bufsize), usize::try_from(macsize)) else {
        return Err(Errno::EINVAL);
    };
    if mac.is_null() {
        return super::statfs::getfsstat(cx, buf, bufsize, flags);
    }
    if macsize.checked_div(ADDRESS) != room.checked_div(size_of::<Statfs>()) {
        return Err(Errno::EINVAL);
    }
    check_readable(cx.kernel(), mac, macsize as u64)?;
    Err(Errno::ENOTSUP)
}

/// The name of a file system: `EFAULT`, `ENAMETOOLONG`.
fn read_name<K: Kernel>(kernel: &K, at: UserAddr) -> SysResult<[u8; NAME]> {
    let mut name = [0; NAME];
    for (offset, byte) in (0u64..).zip(&mut name) {
        kernel.copy_in(at.checked_add(offset)?, core::slice::from_mut(byte))?;
        if *byte == 0 {
            return Ok(name);
        }
    }
    Err(Errno::ENAMETOOLONG)
}

/// `struct user64_mac` and its string: `EFAULT`, `EINVAL`, `ENAMETOOLONG`.
fn read_label<K: Kernel>(kernel: &K, mac: UserPtr<[u64; 2]>) -> SysResult<()> {
    const MAC_MAX_LABEL_BUF_LEN: u64 = 8192;
    let [length, string] = mac.read(kernel)?;
    if !(2..=MAC_MAX_LABEL_BUF_LEN).contains(&length) {
        return Err(Errno::EINVAL);
    }
    for offset in 0..length {
        let mut byte = [0];
        kernel.copy_in(UserAddr::new(string).checked_add(offset)?, &mut byte)?;
        if byte == [0] {
            return Ok(());
        }
    }
    Err(Errno::ENAMETOOLONG)
}

#[inline(never)]
fn read_string<K: Kernel>(kernel: &K, string: UserPath) -> SysResult<()> {
    crate::vchroot::GuestPath::new().read(kernel, string)
}

/// What is known of where something is to be mounted.
#[derive(Clone, Copy)]
struct Place {
    owner: u32,
    is_directory: bool,
    /// The guest's root.
    is_root: bool,
    /// The root of a volume, as the guest's root is.
    is_volume: bool,
}

#[inline(never)]
fn find<K: Kernel, L>(cx: &Context<'_, K, L>, path: UserPath, how: u32) -> SysResult<Place> {
    let links = if how & MNT_NOFOLLOW == 0 { Links::Follow } else { Links::Refuse };
    let found = open_named(cx, DirFd::CWD, path, links)?;
    let place = look(cx, found);
    // Ours alone, and only a name: closing it cannot fail in a way that matters.
    let _ = linux::descriptor::close(cx.kernel(), found);
    place
}

#[inline(never)]
fn look<K: Kernel, L>(cx: &Context<'_, K, L>, file: LinuxFd) -> SysResult<Place> {
    const STATX_ATTR_MOUNT_ROOT: u64 = 0x2000;
    let kernel = cx.kernel();
    let stat = linux::metadata::fstatx(kernel, file).to_bsd()?;
    let root = match cx.process.lookup() {
        Some(lookup) => linux::metadata::fstatx(kernel, lookup.root).to_bsd()?,
        None => linux::metadata::statx(kernel, LinuxFd::CWD, b"/\0", 0).to_bsd()?,
    };
    let identity = |stat: &Statx| (stat.stx_ino, stat.stx_dev_major, stat.stx_dev_minor);
    let is_root = identity(&root) == identity(&stat);
    Ok(Place {
        owner: stat.stx_uid,
        is_directory: u32::from(stat.stx_mode) & linux_flags::S_IFMT == linux_flags::S_IFDIR,
        is_root,
        is_volume: is_root || stat.stx_attributes & STATX_ATTR_MOUNT_ROOT != 0,
    })
}
