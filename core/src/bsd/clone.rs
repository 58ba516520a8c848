//! Copies and exchanges of whole files (`bsd/vfs/vfs_syscalls.c`).

use super::fcntl::file::{self, Kind};
use super::link::open_named;
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::vchroot::{Entry, Links, Parent};
use xnu_abi::darwin::Errno;
use xnu_abi::linux::{Statx, flags};

const CLONE_NOFOLLOW: u32 = 1;
const CLONE_NOOWNERCOPY: u32 = 2;
const CLONE_ACL: u32 = 4;
const CLONE_NOFOLLOW_ANY: u32 = 8;
const CLONE_FLAGS: u32 = CLONE_NOFOLLOW | CLONE_NOOWNERCOPY | CLONE_ACL | CLONE_NOFOLLOW_ANY;

const R_OK: i32 = 4;
const W_OK: i32 = 2;

/// `man 2 clonefileat`.
pub fn clonefileat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    to_directory: DirFd,
    to: UserPath,
    how: u32,
) -> SysResult<()> {
    if how & !CLONE_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let links = match (how & CLONE_NOFOLLOW_ANY, how & CLONE_NOFOLLOW) {
        (0, 0) => Links::Follow,
        (0, _) => Links::Stay,
        _ => Links::Refuse,
    };
    let kernel = cx.kernel();
    let source = open_named(cx, directory, path, links)?;
    let answer = clone_named(cx, source, to_directory, to, how);
    // Ours alone, and only a name: closing it cannot fail in a way that matters.
    let _ = linux::descriptor::close(kernel, source);
    answer
}

/// `man 2 fclonefileat`: of a file that is open for reading.
pub fn fclonefileat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    to_directory: DirFd,
    to: UserPath,
    how: u32,
) -> SysResult<()> {
    if how & !CLONE_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let (kernel, source) = (cx.kernel(), fd.to_linux()?);
    let kind = kind_to_read(kernel, source)?;
    let parent = parent(cx, kind, to_directory, to, how)?;
    clone_to(kernel, source, kind, &parent, how)
}

/// The type of a file that is open for reading.
#[inline(never)]
fn kind_to_read<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<u32> {
    let (Kind::Vnode(_), stat) = file::kind(kernel, file)? else { return Err(Errno::ENOTSUP) };
    match file::access(kernel, file)?.reads {
        true => Ok(u32::from(stat.stx_mode) & flags::S_IFMT),
        false => Err(Errno::EBADF),
    }
}

/// The type of an open file.
#[inline(never)]
fn kind<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<u32> {
    let stat = linux::metadata::fstatx(kernel, file).to_bsd()?;
    Ok(u32::from(stat.stx_mode) & flags::S_IFMT)
}

/// The directory for a clone of a file, a link or a directory.
fn parent<'a, K: Kernel, L>(
    cx: &Context<'a, K, L>,
    kind: u32,
    directory: DirFd,
    path: UserPath,
    how: u32,
) -> SysResult<Parent<'a, K>> {
    match kind {
        flags::S_IFREG | flags::S_IFLNK | flags::S_IFDIR => {}
        _ => return Err(Errno::EINVAL),
    }
    Parent::open(cx.process, directory, path, how & CLONE_NOFOLLOW_ANY != 0)
}

/// Whether the place for a clone is free.
fn check_place<K: Kernel>(entry: &mut Entry<'_, '_, K>) -> SysResult<()> {
    entry.read()?;
    entry.respell().to_bsd()?;
    match entry.mode().to_bsd() {
        Ok(_) => Err(Errno::EEXIST),
        Err(Errno::ENOENT) if entry.has_slash() || entry.name().is_empty() => Err(Errno::ENOENT),
        Err(Errno::ENOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

fn clone_named<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    source: LinuxFd,
    directory: DirFd,
    path: UserPath,
    how: u32,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let kind = kind(kernel, source)?;
    let parent = parent(cx, kind, directory, path, how)?;
    clone_in(kernel, source, kind, &parent, how)
}

/// Makes the clone of what is open for its name alone.
#[inline(never)]
fn clone_in<K: Kernel>(
    kernel: &K,
    source: LinuxFd,
    kind: u32,
    parent: &Parent<'_, K>,
    how: u32,
) -> SysResult<()> {
    let mut entry = Entry::new(parent);
    check_place(&mut entry)?;
    match kind {
        flags::S_IFLNK => clone_link(kernel, source, &entry),
        flags::S_IFREG => {
            let link = linux::name::proc_path(source);
            let wanted = flags::O_CLOEXEC | flags::O_NONBLOCK;
            let file = linux::descriptor::openat(kernel, LinuxFd::CWD, &link, wanted, 0).to_bsd()?;
            let answer = clone_file(kernel, file, &entry, how);
            // Only read from.
            let _ = linux::descriptor::close(kernel, file);
            answer
        }
        // Linux clones no hierarchies.
        _ => Err(Errno::ENOTSUP),
    }
}

/// Makes the clone of what is open for reading.
#[inline(never)]
fn clone_to<K: Kernel>(
    kernel: &K,
    source: LinuxFd,
    kind: u32,
    parent: &Parent<'_, K>,
    how: u32,
) -> SysResult<()> {
    let mut entry = Entry::new(parent);
    check_place(&mut entry)?;
    match kind {
        flags::S_IFREG => clone_file(kernel, source, &entry, how),
        _ => Err(Errno::ENOTSUP),
    }
}

/// A link has nothing to share: another with the same target.
#[inline(never)]
fn clone_link<K: Kernel>(kernel: &K, source: LinuxFd, entry: &Entry<'_, '_, K>) -> SysResult<()> {
    let mut target = [0; xnu_abi::darwin::exec::PATH_MAX];
    let room = target.get_mut(..xnu_abi::darwin::exec::PATH_MAX.saturating_sub(1)).unwrap_or_default();
    linux::name::readlinkat_own(kernel, source, b"\0", room).to_bsd()?;
    linux::name::symlinkat_own(kernel, &target, entry.directory(), entry.path()).to_bsd()
}

/// Makes a file without a name that shares the blocks, and names it when it is done: nobody sees it before.
#[inline(never)]
fn clone_file<K: Kernel>(kernel: &K, source: LinuxFd, entry: &Entry<'_, '_, K>, how: u32) -> SysResult<()> {
    use xnu_abi::linux::Errno as Linux;
    let stat = linux::metadata::fstatx(kernel, source).to_bsd()?;
    let wanted = flags::O_TMPFILE | flags::O_WRONLY | flags::O_CLOEXEC;
    let made = match linux::descriptor::openat(kernel, entry.directory(), b".\0", wanted, 0o600) {
        // What kernels and file systems without such files say.
        Err(Linux::EOPNOTSUPP | Linux::EISDIR | Linux::EINVAL) => return Err(Errno::ENOTSUP),
        other => other.to_bsd()?,
    };
    let answer = fill_and_name(kernel, source, &stat, made, entry, how);
    // Without a name it is gone; with one, nothing is left to be written.
    let _ = linux::descriptor::close(kernel, made);
    answer
}

fn fill_and_name<K: Kernel>(
    kernel: &K,
    source: LinuxFd,
    stat: &Statx,
    made: LinuxFd,
    entry: &Entry<'_, '_, K>,
    how: u32,
) -> SysResult<()> {
    use xnu_abi::linux::Errno as Linux;
    match linux::descriptor::clone_from(kernel, made, source) {
        Ok(()) => {}
        Err(Linux::EXDEV) => {
            let there = linux::metadata::fstatx(kernel, made).to_bsd()?;
            let device = |stat: &Statx| (stat.stx_dev_major, stat.stx_dev_minor);
            return Err(if device(&there) == device(stat) { Errno::ENOTSUP } else { Errno::EXDEV });
        }
        // What file systems say that share no blocks, or not these.
        Err(Linux::EOPNOTSUPP | Linux::EINVAL | Linux::ENOTTY) => return Err(Errno::ENOTSUP),
        Err(error) => return Err(error).to_bsd(),
    }
    if how & CLONE_NOOWNERCOPY == 0 && linux::process::geteuid(kernel).to_bsd()? == 0 {
        linux::metadata::fchownat(kernel, made, b"\0", stat.stx_uid, stat.stx_gid, flags::AT_EMPTY_PATH)
            .to_bsd()?;
    }
    linux::descriptor::fchmod(kernel, made, u32::from(stat.stx_mode) & 0o7777).to_bsd()?;
    let times = [&stat.stx_atime, &stat.stx_mtime].map(|time| [time.tv_sec, i64::from(time.tv_nsec)]);
    linux::descriptor::futimens(kernel, made, &times).to_bsd()?;
    let link = linux::name::proc_path(made);
    let to = (entry.directory(), entry.path());
    linux::name::linkat(kernel, (LinuxFd::CWD, &link), to, flags::AT_SYMLINK_FOLLOW).to_bsd()
}

/// `copyfile`, the system call (`VNOP_COPYFILE`): no volume of today's has it. What it asks for is looked at; then it is
/// `ENOTSUP`.
pub fn copyfile<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    from: UserPath,
    to: UserPath,
    _mode: i32,
    how: u32,
) -> SysResult<()> {
    /// `CPF_OVERWRITE` and `CPF_IGNORE_MODE`.
    const KNOWN: u32 = 3;
    if how & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    let kernel = cx.kernel();
    let source = open_named(cx, DirFd::CWD, from, Links::Stay)?;
    let answer = refuse_copy(cx, source, to, how);
    let _ = linux::descriptor::close(kernel, source);
    answer
}

fn refuse_copy<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    source: LinuxFd,
    to: UserPath,
    how: u32,
) -> SysResult<()> {
    const CPF_OVERWRITE: u32 = 1;
    let parent = Parent::open(cx.process, DirFd::CWD, to, false)?;
    refuse_copy_to(cx.kernel(), source, &parent, how & CPF_OVERWRITE != 0)
}

#[inline(never)]
fn refuse_copy_to<K: Kernel>(
    kernel: &K,
    source: LinuxFd,
    parent: &Parent<'_, K>,
    overwrites: bool,
) -> SysResult<()> {
    let mut entry = Entry::new(parent);
    entry.read()?;
    entry.respell().to_bsd()?;
    let from = linux::metadata::fstatx(kernel, source).to_bsd()?;
    let there = match entry.statx().to_bsd() {
        Ok(_) if !overwrites => return Err(Errno::EEXIST),
        Ok(there) => Some(there),
        Err(Errno::ENOENT) if !entry.has_slash() && !entry.name().is_empty() => None,
        Err(error) => return Err(error),
    };
    let kind = |stat: &Statx| u32::from(stat.stx_mode) & flags::S_IFMT;
    if [Some(from), there].iter().flatten().any(|stat| kind(stat) == flags::S_IFDIR) {
        return Err(Errno::EISDIR);
    }
    if kind(&from) == flags::S_IFSOCK {
        return Err(Errno::EOPNOTSUPP);
    }
    check_access(kernel, source, R_OK)?;
    match there {
        // Nothing to do.
        Some(there) if is_same(&from, &there) => Ok(()),
        _ => Err(Errno::ENOTSUP),
    }
}

/// `man 2 exchangedata`: the files are looked at; then it is `ENOTSUP`, as on every volume but one of HFS.
pub fn exchangedata<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    one: UserPath,
    other: UserPath,
    options: u64,
) -> SysResult<()> {
    const FSOPT_NOFOLLOW: u64 = 1;
    let kernel = cx.kernel();
    let links = if options & FSOPT_NOFOLLOW == 0 { Links::Follow } else { Links::Stay };
    let one = open_named(cx, DirFd::CWD, one, links)?;
    let answer = match open_named(cx, DirFd::CWD, other, links) {
        Ok(other) => {
            let answer = refuse_exchange(kernel, one, other);
            let _ = linux::descriptor::close(kernel, other);
            answer
        }
        Err(error) => Err(error),
    };
    let _ = linux::descriptor::close(kernel, one);
    answer
}

fn refuse_exchange<K: Kernel>(kernel: &K, one: LinuxFd, other: LinuxFd) -> SysResult<()> {
    let first = linux::metadata::fstatx(kernel, one).to_bsd()?;
    let second = linux::metadata::fstatx(kernel, other).to_bsd()?;
    if is_same(&first, &second) {
        return Err(Errno::EINVAL);
    }
    if (first.stx_dev_major, first.stx_dev_minor) != (second.stx_dev_major, second.stx_dev_minor) {
        return Err(Errno::EXDEV);
    }
    let is_regular = |stat: &Statx| u32::from(stat.stx_mode) & flags::S_IFMT == flags::S_IFREG;
    if !is_regular(&first) || !is_regular(&second) {
        return Err(Errno::EINVAL);
    }
    check_access(kernel, one, R_OK | W_OK)?;
    check_access(kernel, other, R_OK | W_OK)?;
    Err(Errno::ENOTSUP)
}

fn is_same(one: &Statx, other: &Statx) -> bool {
    (one.stx_ino, one.stx_dev_major, one.stx_dev_minor)
        == (other.stx_ino, other.stx_dev_major, other.stx_dev_minor)
}

fn check_access<K: Kernel>(kernel: &K, file: LinuxFd, mode: i32) -> SysResult<()> {
    let effective = flags::AT_EMPTY_PATH | flags::AT_EACCESS;
    linux::name::faccessat(kernel, file, b"\0", mode, effective).to_bsd()
}
