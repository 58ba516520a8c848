//! Hard and symbolic links (`bsd/vfs/vfs_syscalls.c`).

use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{DirFd, SysResult, UserPath};
use crate::vchroot::{Entry, GuestPath, Links, Opening, Parent, Target, Use};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::AtFlags;
use xnu_abi::darwin::stat::{FileType, Mode};
use xnu_abi::linux::flags;

/// `man 2 link`. A symbolic link is followed, where Linux links to the link.
pub fn link<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath, link: UserPath) -> SysResult<()> {
    linkat(cx, DirFd::CWD, path, DirFd::CWD, link, AtFlags::AT_SYMLINK_FOLLOW)
}

/// `man 2 linkat` (`linkat_internal`). The file is found before the place is looked for, and a directory refused.
///
/// Differs from XNU: where Linux protects hard links (`fs.protected_hardlinks`), one to a file that is not the
/// caller's and that it could not write is `EPERM`.
pub fn linkat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    link_directory: DirFd,
    link: UserPath,
    flag: AtFlags,
) -> SysResult<()> {
    if !AtFlags::AT_SYMLINK_FOLLOW.contains(flag) {
        return Err(Errno::EINVAL);
    }
    let links = if flag.contains(AtFlags::AT_SYMLINK_FOLLOW) { Links::Follow } else { Links::Stay };
    let kernel = cx.kernel();
    let file = open_named(cx, directory, path, links)?;
    let answer = match link_to(cx, file, link_directory, link) {
        Err(_) if is_directory(kernel, file) => Err(Errno::EPERM),
        Err(Errno::EEXIST) => Err(taken(cx, link_directory, link)),
        other => other,
    };
    // Ours alone, and only a name: closing it cannot fail in a way that matters.
    let _ = linux::descriptor::close(kernel, file);
    answer
}

#[inline(never)]
fn is_directory<K: Kernel>(kernel: &K, file: LinuxFd) -> bool {
    let stat = linux::metadata::fstatx(kernel, file);
    stat.is_ok_and(|stat| Mode::from_bits_retain(stat.stx_mode).file_type() == FileType::S_IFDIR)
}

/// Opens what a path leads to, for its name alone. A function of its own, so that a second path finds room.
#[inline(never)]
pub(super) fn open_named<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    links: Links,
) -> SysResult<LinuxFd> {
    let mut room = GuestPath::new();
    Target::read(cx.process, directory, path, &mut room)?.open(&Opening::path(links)).to_bsd()
}

/// Gives an open file another name.
#[inline(never)]
fn link_to<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    file: LinuxFd,
    directory: DirFd,
    path: UserPath,
) -> SysResult<()> {
    link_in(cx.kernel(), file, &Parent::open(cx.process, directory, path, false)?)
}

/// The link in `/proc` leads to the file without the privilege that `AT_EMPTY_PATH` needs.
#[inline(never)]
fn link_in<K: Kernel>(kernel: &K, file: LinuxFd, parent: &Parent<'_, K>) -> SysResult<()> {
    let mut entry = Entry::new(parent);
    entry.read()?;
    entry.respell().to_bsd()?;
    if entry.has_slash() {
        // What is there is looked at where it is taken.
        return Err(entry.mode().to_bsd().err().unwrap_or(Errno::EEXIST));
    }
    let from = linux::name::proc_path(file);
    let to = (entry.directory(), entry.path());
    linux::name::linkat(kernel, (LinuxFd::CWD, &from), to, flags::AT_SYMLINK_FOLLOW).to_bsd()
}

/// The error of a place that is taken: `EEXIST`, but where a slash after its name asks for a directory, it is looked at
/// what is there (`bsd/vfs/vfs_lookup.c`, `lookup_handle_found_vnode`).
///
/// Differs from XNU: a directory is not made where a link with a slash leads to nothing.
#[inline(never)]
pub(super) fn taken<K: Kernel, L>(cx: &Context<'_, K, L>, directory: DirFd, path: UserPath) -> Errno {
    let mut room = GuestPath::new();
    let mut target = match Target::read(cx.process, directory, path, &mut room) {
        Ok(target) if target.has_slash() => target,
        Ok(_) => return Errno::EEXIST,
        Err(error) => return error,
    };
    match target.open(&Opening::path(Links::Follow)).to_bsd() {
        Ok(found) => {
            // Ours alone, and only a name: closing it cannot fail in a way that matters.
            let _ = linux::descriptor::close(cx.kernel(), found);
            Errno::EEXIST
        }
        Err(error) => error,
    }
}

/// `man 2 symlink`.
pub fn symlink<K: Kernel, L>(cx: &mut Context<'_, K, L>, target: UserPath, link: UserPath) -> SysResult<()> {
    symlinkat(cx, target, DirFd::CWD, link)
}

/// `man 2 symlinkat` (`symlinkat_internal`). What is in the link is the guest's own business, and is not looked up. That
/// there is nothing in it is `EINVAL`, as file systems on a Mac say, and only where it could be made.
pub fn symlinkat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    contents: UserPath,
    directory: DirFd,
    path: UserPath,
) -> SysResult<()> {
    let kernel = cx.kernel();
    if check_contents(kernel, contents)? {
        return Err(refusal(cx, directory, path, false, Errno::EINVAL));
    }
    match make_symlink(cx, contents, directory, path) {
        Err(Errno::EEXIST) => Err(taken(cx, directory, path)),
        other => other,
    }
}

#[inline(never)]
fn make_symlink<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    contents: UserPath,
    directory: DirFd,
    path: UserPath,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let mut room = GuestPath::new();
    let mut target = Target::read(cx.process, directory, path, &mut room)?;
    let mut at = target.name(Use::New, false).to_bsd()?;
    at.act(|directory, name| linux::name::symlinkat(kernel, contents.0, directory, name)).to_bsd()
}

/// Whether a string is empty: `EFAULT`, `ENAMETOOLONG`. Linux then reads it from where it is.
#[inline(never)]
fn check_contents<K: Kernel>(kernel: &K, contents: UserPath) -> SysResult<bool> {
    let mut room = GuestPath::new();
    room.read(kernel, contents)?;
    Ok(room.is_empty())
}

/// The error of something that cannot be made: `why`, but where it could not have been made anyway.
#[inline(never)]
pub(super) fn refusal<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    makes_directory: bool,
    why: Errno,
) -> Errno {
    let parent = match Parent::open(cx.process, directory, path, false) {
        Ok(parent) => parent,
        Err(error) => return error,
    };
    refusal_in(&parent, makes_directory, why)
}

#[inline(never)]
fn refusal_in<K: Kernel>(parent: &Parent<'_, K>, makes_directory: bool, why: Errno) -> Errno {
    let mut entry = Entry::new(parent);
    if let Err(error) = entry.read().and_then(|()| entry.respell().to_bsd()) {
        return error;
    }
    match entry.mode().to_bsd() {
        Ok(_) => Errno::EEXIST,
        // An empty path, or one for a directory.
        Err(Errno::ENOENT) if entry.name().is_empty() || entry.has_slash() && !makes_directory => {
            Errno::ENOENT
        }
        Err(Errno::ENOENT) => why,
        Err(error) => error,
    }
}
