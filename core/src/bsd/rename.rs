//! Renaming (`bsd/vfs/vfs_syscalls.c`, `renameat_internal`; `bsd/vfs/vfs_subr.c`, `vn_authorize_renamex_with_paths`).

use crate::convert::errno::{self, ToBsd};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxResult};
use crate::process::Context;
use crate::table::{DirFd, SysResult, UserPath};
use crate::vchroot::{Entry, Parent, Special};
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
    let from = Parent::open(cx.process, from_directory, from, refuses_links)?;
    match Parent::open(cx.process, to_directory, to, refuses_links) {
        Ok(to) => rename_entry(cx.kernel(), &from, &to, flags),
        // What is missing is so before the other path is looked at.
        Err(error) => Err(find(&from).err().unwrap_or(error)),
    }
}

/// Whether a name is a directory's; its errors.
#[inline(never)]
fn find<K: Kernel>(parent: &Parent<'_, K>) -> SysResult<bool> {
    let mut entry = Entry::new(parent);
    entry.read()?;
    entry.respell().to_bsd()?;
    check(&entry)
}

/// Whether a name that is to be renamed is a directory's.
fn check<K: Kernel>(from: &Entry<'_, '_, K>) -> SysResult<bool> {
    // A path that names nothing (`bsd/vfs/vfs_lookup.c`, `lookup_handle_emptyname`).
    if from.name() == b"/" {
        return Err(Errno::EISDIR);
    }
    let is_directory = is_directory(from.mode().to_bsd()?);
    if from.has_slash() && !is_directory { Err(Errno::ENOTDIR) } else { Ok(is_directory) }
}

/// Renames what was found.
#[inline(never)]
fn rename_entry<K: Kernel>(
    kernel: &K,
    from: &Parent<'_, K>,
    to: &Parent<'_, K>,
    flags: RenameFlags,
) -> SysResult<()> {
    let (mut from, mut to) = (Entry::new(from), Entry::new(to));
    from.read()?;
    from.respell().to_bsd()?;
    if from.has_slash() || from.name() == b"/" {
        check(&from)?;
    }
    if let Err(error) = to.read() {
        return Err(check(&from).err().unwrap_or(error));
    }
    to.respell_unless(&from).to_bsd()?;
    if to.has_slash() {
        let moves_directory = check(&from)?;
        match to.mode() {
            Ok(mode) if !is_directory(mode) => return Err(Errno::ENOTDIR),
            Err(xnu_abi::linux::Errno::ENOENT) if !moves_directory => return Err(Errno::ENOENT),
            _ => {}
        }
    }
    let answer = match flags.contains(RenameFlags::RENAME_SECLUDE) {
        true => Err(xnu_abi::linux::Errno::EOPNOTSUPP),
        false => make(kernel, &from, &to, flags),
    };
    match answer {
        Ok(()) => Ok(()),
        Err(error) => Err(explain(errno::errno(error), &from, &to, flags)),
    }
}

fn make<K: Kernel>(
    kernel: &K,
    from: &Entry<'_, '_, K>,
    to: &Entry<'_, '_, K>,
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

fn is_directory(mode: u32) -> bool {
    mode & linux_flags::S_IFMT == linux_flags::S_IFDIR
}

/// XNU's error where Linux says another, or says it earlier.
#[inline(never)]
fn explain<K: Kernel>(
    error: Errno,
    from: &Entry<'_, '_, K>,
    to: &Entry<'_, '_, K>,
    flags: RenameFlags,
) -> Errno {
    let exclusive = flags.contains(RenameFlags::RENAME_EXCL);
    let swaps = flags.contains(RenameFlags::RENAME_SWAP);
    let moves_directory = match check(from) {
        Ok(is_directory) => is_directory,
        Err(error) => return error,
    };
    match (error, Special::of(to.name())) {
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
        // Between files there is no loop that could be the reason: the file system cannot.
        (Errno::EINVAL, None)
            if (swaps || exclusive) && !moves_directory && !to.mode().is_ok_and(is_directory) =>
        {
            Errno::ENOTSUP
        }
        _ => error,
    }
}
