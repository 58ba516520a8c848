//! `open` and its kin (`bsd/vfs/vfs_syscalls.c`, `open1`; `bsd/vfs/vfs_vnops.c`, `vn_open_auth`).

pub mod extended;

use crate::convert::errno::ToBsd;
use crate::convert::fcntl::open_flags_to_linux;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::vchroot::{GuestPath, Links, Opening, Target};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::{AccessMode, OpenFlags};
use xnu_abi::darwin::stat::{FileType, Mode};
use xnu_abi::linux::flags;

/// `man 2 open`.
pub fn open<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    flags: OpenFlags,
    mode: Mode,
) -> SysResult<Fd> {
    openat(cx, DirFd::CWD, path, flags, mode)
}

/// `man 2 openat`.
pub fn openat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    flags: OpenFlags,
    mode: Mode,
) -> SysResult<Fd> {
    check(flags)?;
    let kernel = cx.kernel();
    let mut room = GuestPath::new();
    let mut at = Target::read(cx.process, directory, path, &mut room)?;
    // Only the access permissions are taken; set-id and sticky bits are not (`openat_internal`).
    let mode = u32::from(mode.bits() & 0o777);
    let fd = open_target(&mut at, kernel, flags, mode)?;
    let finished = after_open(kernel, fd, flags);
    let kept = flags.bits() & O_CLOFORK == 0 || cx.process.descriptors.close_on_fork.insert(fd.0);
    match finished {
        Ok(()) if kept => Ok(Fd(fd.0)),
        failed => {
            cx.process.descriptors.forget(fd.0);
            // Closing what was just opened cannot fail in a way that matters: the caller gets the first error.
            let _ = linux::descriptor::close(kernel, fd);
            failed.and(Err(Errno::EMFILE))
        }
    }
}

/// Closed in the child of a fork; in the header for the kernel alone.
pub(super) const O_CLOFORK: u32 = 0x0800_0000;

/// Combinations that are refused before the path is looked at.
fn check(flags: OpenFlags) -> SysResult<()> {
    let mode = flags.access_mode();
    let reads_only = mode == AccessMode::O_RDONLY;
    if mode.name().is_none() || !reads_only && flags.contains(OpenFlags::O_EXEC) {
        return Err(Errno::EINVAL);
    }
    let creates_directory = OpenFlags::O_CREAT | OpenFlags::O_DIRECTORY;
    let both_nofollow = OpenFlags::O_NOFOLLOW | OpenFlags::O_NOFOLLOW_ANY;
    if flags.contains(creates_directory) || flags.contains(both_nofollow) {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

#[inline(always)]
fn open_target<K: Kernel>(
    at: &mut Target<'_, K>,
    kernel: &K,
    wanted: OpenFlags,
    mode: u32,
) -> SysResult<LinuxFd> {
    if wanted.contains(OpenFlags::O_EXEC) {
        return open_to_execute(at, kernel, wanted, mode);
    }
    let mut linux_flags = open_flags_to_linux(wanted);
    if wants_link(wanted) {
        linux_flags |= flags::O_NOFOLLOW;
    }
    match open_at(at, wanted, linux_flags, mode) {
        Err(error) => open_after(error, at, kernel, wanted, linux_flags),
        opened => opened,
    }
}

/// What Linux refuses and XNU does, or refuses in other words.
#[inline(never)]
fn open_after<K: Kernel>(
    error: Errno,
    at: &mut Target<'_, K>,
    kernel: &K,
    wanted: OpenFlags,
    linux_flags: u32,
) -> SysResult<LinuxFd> {
    match error {
        // O_SYMLINK opens the link itself, which Linux does only with O_PATH.
        Errno::ELOOP if wants_link(wanted) => {
            let keep = flags::O_CLOEXEC | flags::O_NOFOLLOW;
            open_again(at, wanted, linux_flags & keep | flags::O_PATH, 0)
        }
        Errno::EISDIR if wanted.contains(OpenFlags::O_CREAT) => {
            open_directory_by_creating(at, kernel, wanted, linux_flags)
        }
        Errno::ENXIO if is_socket(at, kernel) => Err(Errno::EOPNOTSUPP),
        other => Err(other),
    }
}

/// What creates follows links all the same.
fn wants_link(wanted: OpenFlags) -> bool {
    wanted.contains(OpenFlags::O_SYMLINK) && !wanted.intersects(OpenFlags::O_CREAT | OpenFlags::O_NOFOLLOW)
}

/// With `O_CREAT`, a directory that exists can be opened for reading all the same; and a path that ends with a slash is
/// that of a directory, or of nothing, or of a file that is none. Linux calls all of that a directory.
#[inline(never)]
fn open_directory_by_creating<K: Kernel>(
    at: &mut Target<'_, K>,
    kernel: &K,
    wanted: OpenFlags,
    linux_flags: u32,
) -> SysResult<LinuxFd> {
    if wanted.contains(OpenFlags::O_EXCL) {
        let found = at.open_again(&Opening::path(Links::Stay)).to_bsd()?;
        let _ = linux::descriptor::close(kernel, found);
        return Err(Errno::EEXIST);
    }
    open_again(at, wanted, linux_flags & !flags::O_CREAT, 0)
}

/// `O_EXEC`: neither readable nor writable; Linux's nearest is a descriptor that only names the file. Linux neither
/// checks the permission then, nor creates nor empties the file.
#[inline(never)]
fn open_to_execute<K: Kernel>(
    at: &mut Target<'_, K>,
    kernel: &K,
    wanted: OpenFlags,
    mode: u32,
) -> SysResult<LinuxFd> {
    let keep = flags::O_CLOEXEC | flags::O_NOFOLLOW | flags::O_DIRECTORY;
    let mut linux_flags = open_flags_to_linux(wanted) & keep;
    if wanted.contains(OpenFlags::O_SYMLINK) && !wanted.contains(OpenFlags::O_CREAT) {
        linux_flags |= flags::O_NOFOLLOW;
    }
    let mut created = false;
    if wanted.contains(OpenFlags::O_CREAT) {
        match open_again(at, wanted, flags::O_CREAT | flags::O_EXCL | flags::O_CLOEXEC, mode) {
            Ok(new) => {
                // Only a name is wanted; nothing was written that closing could lose.
                let _ = linux::descriptor::close(kernel, new);
                created = true;
            }
            Err(Errno::EEXIST) if !wanted.contains(OpenFlags::O_EXCL) => {}
            Err(error) => return Err(error),
        }
    }
    let file = open_again(at, wanted, linux_flags | flags::O_PATH, 0)?;
    let checked = match created {
        true => Ok(()),
        false => check_executable(kernel, file, wanted),
    };
    match checked.and_then(|()| if created { Ok(()) } else { empty(kernel, file, wanted) }) {
        Ok(()) => Ok(file),
        Err(error) => {
            let _ = linux::descriptor::close(kernel, file);
            Err(error)
        }
    }
}

/// `vn_authorize_open_existing` for `O_EXEC`: regular files that may be executed, and directories that may be searched
/// (`O_SEARCH`).
fn check_executable<K: Kernel>(kernel: &K, file: LinuxFd, wanted: OpenFlags) -> SysResult<()> {
    const X_OK: i32 = 1;
    match file_type(kernel, file)? {
        FileType::S_IFREG => {}
        FileType::S_IFDIR
            if wanted.contains(OpenFlags::O_DIRECTORY) && !wanted.contains(OpenFlags::O_TRUNC) => {}
        FileType::S_IFDIR => return Err(Errno::EISDIR),
        FileType::S_IFSOCK => return Err(Errno::EOPNOTSUPP),
        FileType::S_IFLNK if wanted.contains(OpenFlags::O_NOFOLLOW) => return Err(Errno::ELOOP),
        _ => return Err(Errno::EACCES),
    }
    let effective = flags::AT_EMPTY_PATH | flags::AT_EACCESS;
    match linux::name::faccessat(kernel, file, b"\0", X_OK, effective).to_bsd() {
        // The superuser lacks nothing but a file that somebody may execute.
        Err(Errno::EACCES) if linux::process::geteuid(kernel).to_bsd()? == 0 => Err(Errno::EPERM),
        other => other,
    }
}

/// `O_TRUNC` on a file that is only named: it is opened once more, which asks for the permission to write.
fn empty<K: Kernel>(kernel: &K, file: LinuxFd, wanted: OpenFlags) -> SysResult<()> {
    if !wanted.contains(OpenFlags::O_TRUNC) {
        return Ok(());
    }
    let mode = flags::O_WRONLY | flags::O_TRUNC | flags::O_CLOEXEC;
    let path = linux::name::proc_path(file);
    let again = linux::descriptor::openat(kernel, LinuxFd::CWD, &path, mode, 0).to_bsd()?;
    linux::descriptor::close(kernel, again).to_bsd()
}

#[inline(always)]
fn open_at<K: Kernel>(
    at: &mut Target<'_, K>,
    wanted: OpenFlags,
    linux_flags: u32,
    mode: u32,
) -> SysResult<LinuxFd> {
    opened(at.open(&opening(wanted, linux_flags, mode)))
}

/// The same, for those who open once more.
#[inline(never)]
fn open_again<K: Kernel>(
    at: &mut Target<'_, K>,
    wanted: OpenFlags,
    linux_flags: u32,
    mode: u32,
) -> SysResult<LinuxFd> {
    opened(at.open_again(&opening(wanted, linux_flags, mode)))
}

fn opening(wanted: OpenFlags, flags: u32, mode: u32) -> Opening {
    Opening {
        flags,
        mode,
        refuses_links: wanted.contains(OpenFlags::O_NOFOLLOW_ANY),
        stays_beneath: wanted.contains(OpenFlags::O_RESOLVE_BENEATH),
    }
}

fn opened(result: LinuxResult<LinuxFd>) -> SysResult<LinuxFd> {
    match result {
        Err(xnu_abi::linux::Errno::EXDEV) => Err(Errno::EACCES),
        other => other.to_bsd(),
    }
}

#[inline(never)]
fn is_socket<K: Kernel>(at: &mut Target<'_, K>, kernel: &K) -> bool {
    let Ok(found) = at.open_again(&Opening::path(Links::Follow)) else { return false };
    let kind = file_type(kernel, found);
    // Ours alone, and only a name: closing it cannot fail in a way that matters.
    let _ = linux::descriptor::close(kernel, found);
    kind == Ok(FileType::S_IFSOCK)
}

/// Apart, since much is told and little kept.
#[inline(never)]
fn file_type<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<FileType> {
    let stat = linux::metadata::fstatx(kernel, file).to_bsd()?;
    Ok(Mode::from_bits_retain(stat.stx_mode).file_type())
}

/// What XNU's `open` does and Linux's leaves to further calls: locks, and signals for input.
fn after_open<K: Kernel>(kernel: &K, fd: LinuxFd, wanted: OpenFlags) -> SysResult<()> {
    if wanted.intersects(OpenFlags::O_SHLOCK | OpenFlags::O_EXLOCK) {
        check_lockable(kernel, fd)?;
        let exclusive = wanted.contains(OpenFlags::O_EXLOCK);
        let mut operation = if exclusive { flags::LOCK_EX } else { flags::LOCK_SH };
        if wanted.contains(OpenFlags::O_NONBLOCK) {
            operation |= flags::LOCK_NB;
        }
        linux::descriptor::flock(kernel, fd, operation).to_bsd()?;
    }
    if wanted.contains(OpenFlags::O_ASYNC) {
        let status = linux::descriptor::fcntl(kernel, fd, flags::F_GETFL, 0).to_bsd()?;
        let status = i64::from(status) | i64::from(flags::FASYNC);
        linux::descriptor::fcntl(kernel, fd, flags::F_SETFL, status).to_bsd()?;
    }
    Ok(())
}

/// Fifos and devices have no locks (`VNOP_ADVLOCK`).
pub(super) fn check_lockable<K: Kernel>(kernel: &K, fd: LinuxFd) -> SysResult<()> {
    match file_type(kernel, fd)? {
        FileType::S_IFREG | FileType::S_IFDIR | FileType::S_IFLNK => Ok(()),
        _ => Err(Errno::ENOTSUP),
    }
}
