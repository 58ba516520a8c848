//! Renaming (`bsd/vfs/vfs_syscalls.c`, `renameat_internal`; `bsd/vfs/vfs_subr.c`, `vn_authorize_renamex_with_paths`).

use crate::convert::errno::{self, ToBsd};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxResult};
use crate::process::Context;
use crate::table::{DirFd, SysResult, UserPath};
use crate::vchroot::{Entry, GuestPath, Resolved, Special, Target, Use};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::unistd::RenameFlags;
use xnu_abi::linux::flags as linux_flags;

/// `man 2 rename`.
pub fn rename<K: Kernel, L>(cx: &mut Context<'_, K, L>, from: UserPath, to: UserPath) -> SysResult<()> {
    renameatx_np(cx, DirFd::CWD, from, DirFd::CWD, to, RenameFlags::empty())
}

/// `man 2 renameat`.
pub fn renameat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    from_directory: DirFd,
    from: UserPath,
    to_directory: DirFd,
    to: UserPath,
) -> SysResult<()> {
    renameatx_np(cx, from_directory, from, to_directory, to, RenameFlags::empty())
}

/// `man 2 renameatx_np`. Where the prefix says that spellings are the same, a file takes the new spelling of its name.
/// `RENAME_SECLUDE` is for the file system to know, and Linux's know nothing of it: `ENOTSUP`.
///
/// Differs from XNU: a link with a slash after its name is not followed but `ENOTDIR`.
pub fn renameatx_np<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    from_directory: DirFd,
    from: UserPath,
    to_directory: DirFd,
    to: UserPath,
    flags: RenameFlags,
) -> SysResult<()> {
    let both = RenameFlags::RENAME_EXCL | RenameFlags::RENAME_SWAP;
    let known = both | RenameFlags::RENAME_SECLUDE | RenameFlags::RENAME_NOFOLLOW_ANY;
    if !known.contains(flags) || flags.contains(both) {
        return Err(Errno::EINVAL);
    }
    let refuses_links = flags.contains(RenameFlags::RENAME_NOFOLLOW_ANY);
    let path = from;
    let mut from = Entry::new(cx.process);
    from.read(cx.process, from_directory, path, refuses_links)?;
    if from.name() == b"/" {
        return Err(Errno::EISDIR);
    }
    if from.has_slash() && !is_directory(from.mode().to_bsd()?) {
        return Err(Errno::ENOTDIR);
    }
    rename_entry(cx, &from, to_directory, to, flags)
}

/// Renames what was found. What is missing is so before the other path is looked at.
#[inline(never)]
fn rename_entry<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    from: &Entry<'_, K>,
    directory: DirFd,
    path: UserPath,
    flags: RenameFlags,
) -> SysResult<()> {
    let mut room = GuestPath::new();
    let mut target = match Target::read(cx.process, directory, path, &mut room) {
        Ok(target) => target,
        Err(error) => return Err(missing(from).unwrap_or(error)),
    };
    let refuses_links = flags.contains(RenameFlags::RENAME_NOFOLLOW_ANY);
    let mut to = match target.name(Use::Existing, refuses_links) {
        Ok(to) => to,
        Err(error) => return Err(missing(from).unwrap_or(errno::errno(error))),
    };
    let answer = match to.respell_unless(from) {
        Ok(()) if flags.contains(RenameFlags::RENAME_SECLUDE) => Err(xnu_abi::linux::Errno::EOPNOTSUPP),
        Ok(()) => make(cx.kernel(), from, &to, flags),
        Err(error) => Err(error),
    };
    match answer {
        Ok(()) => Ok(()),
        Err(error) => Err(explain(cx.kernel(), error, from, &to, flags)),
    }
}

fn make<K: Kernel>(
    kernel: &K,
    from: &Entry<'_, K>,
    to: &Resolved<'_, '_, K>,
    flags: RenameFlags,
) -> LinuxResult<()> {
    let mut how = 0;
    if flags.contains(RenameFlags::RENAME_EXCL) {
        how |= linux_flags::RENAME_NOREPLACE;
    }
    if flags.contains(RenameFlags::RENAME_SWAP) {
        how |= linux_flags::RENAME_EXCHANGE;
    }
    linux::name::renameat(kernel, (from.directory(), from.path()), (to.directory(), to.path()), how)
}

/// The error of looking a name up, if there is one.
fn missing<K: Kernel>(from: &Entry<'_, K>) -> Option<Errno> {
    from.mode().err().map(errno::errno)
}

fn is_directory(mode: u32) -> bool {
    mode & linux_flags::S_IFMT == linux_flags::S_IFDIR
}

/// XNU's error where Linux says another, or says it earlier.
#[inline(never)]
fn explain<K: Kernel>(
    kernel: &K,
    error: xnu_abi::linux::Errno,
    from: &Entry<'_, K>,
    to: &Resolved<'_, '_, K>,
    flags: RenameFlags,
) -> Errno {
    let error = errno::errno(error);
    let exclusive = flags.contains(RenameFlags::RENAME_EXCL);
    let swaps = flags.contains(RenameFlags::RENAME_SWAP);
    let moves_directory = match from.mode() {
        Ok(mode) => is_directory(mode),
        Err(error) => return errno::errno(error),
    };
    let there = || {
        let nofollow = linux_flags::AT_SYMLINK_NOFOLLOW;
        linux::metadata::statx(kernel, to.directory(), to.path(), nofollow)
    };
    match (error, to.special()) {
        (Errno::EBUSY | Errno::EEXIST, Some(Special::Root | Special::Dot)) if !moves_directory => {
            Errno::EISDIR
        }
        (Errno::EBUSY | Errno::EEXIST, Some(Special::Root | Special::Dot)) => Errno::EINVAL,
        (Errno::EBUSY, _) if Special::of(from.name()).is_some() => Errno::EINVAL,
        (Errno::EBUSY, Some(Special::DotDot)) if moves_directory || swaps => Errno::EINVAL,
        (Errno::EBUSY, Some(Special::DotDot)) => Errno::EISDIR,
        // Before it is asked what is in the directory.
        (Errno::ENOTEMPTY | Errno::EEXIST, _) if !exclusive && !swaps && !moves_directory => Errno::EISDIR,
        (Errno::EEXIST, _) if !exclusive => Errno::ENOTEMPTY,
        (Errno::ENOTDIR, None) if !moves_directory && to.has_slash() => match there() {
            Err(xnu_abi::linux::Errno::ENOENT) => Errno::ENOENT,
            _ => Errno::ENOTDIR,
        },
        // Between files there is no loop that could be the reason: the file system cannot.
        (Errno::EINVAL, None)
            if (swaps || exclusive)
                && !moves_directory
                && !there().is_ok_and(|stat| is_directory(stat.stx_mode.into())) =>
        {
            Errno::ENOTSUP
        }
        _ => error,
    }
}
