//! The C calls: a path inside the prefix to the host path of the same object, and back.
//!
//! Whoever uses a host path looks it up again, and may find something else by then: handlers use [`super::Target`].

use super::handle::Handle;
use super::host_path;
use super::prefix::Lookup;
use super::roads::{Opening, plain_leaf};
use super::source::Name;
use super::walk::{Last, Links, Walk};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd, LinuxResult};
use xnu_abi::linux::{Errno, flags};
use xnu_abi::vchroot::{PATH_BYTES, VCHROOT_FOLLOW, VchrootUnexpandArgs};

/// The path's length, and its terminator put at the end of the slice.
fn text(path: &mut [u8]) -> LinuxResult<&mut [u8]> {
    let length = path.iter().position(|byte| *byte == 0).ok_or(Errno::ENAMETOOLONG)?;
    path.get_mut(..=length).ok_or(Errno::ENAMETOOLONG)
}

/// `vchroot_expand`: replaces a path by the host path of what it leads to in the prefix. A last component that is
/// missing stays, in the host path of its directory. Without a prefix the path is left as it is.
///
/// # Errors
/// Linux's for the same path in a process whose root is the prefix; `ENAMETOOLONG` where the host path has no room. The
/// path is undefined after an error.
pub fn expand<K: Kernel>(
    lookup: Option<Lookup<'_, K>>,
    path: &mut [u8; PATH_BYTES],
    flags: u32,
    dfd: i32,
) -> LinuxResult<()> {
    let whole = path;
    let path = text(whole)?;
    if path.len() <= 1 {
        return Err(Errno::ENOENT);
    }
    let Some(lookup) = lookup else { return Ok(()) };
    let links = if flags & VCHROOT_FOLLOW != 0 { Links::Follow } else { Links::Stay };
    let directory = LinuxFd(dfd);
    if lookup.may_use_openat2()
        && let Some(answer) = by_object(lookup, directory, whole, links)
    {
        return answer;
    }
    by_walk(lookup, directory, whole, links)
}

/// By what Linux says of the object. `None` where that is missing.
#[inline(always)]
fn by_object<K: Kernel>(
    lookup: Lookup<'_, K>,
    directory: LinuxFd,
    whole: &mut [u8; PATH_BYTES],
    links: Links,
) -> Option<LinuxResult<()>> {
    let path = text(whole).ok()?;
    let one_name = path.strip_prefix(b"/").unwrap_or(path);
    let opening = Opening::path(links);
    // One name is sooner looked at than opened.
    if one_name.contains(&b'/') {
        match lookup.open_at_once(directory, path, &opening) {
            None | Some(Err(Errno::ENOENT)) => {}
            Some(answer) => return Some(answer.and_then(|found| take_path(lookup.kernel, found, whole))),
        }
    }
    by_parent(lookup, directory, whole, links).or_else(|| {
        match lookup.open(directory, text(whole).ok()?, &opening) {
            Err(Errno::ENOENT) => None,
            answer => Some(answer.and_then(|found| take_path(lookup.kernel, found, whole))),
        }
    })
}

/// Closes an object, having read its path.
fn take_path<K: Kernel>(kernel: &K, found: LinuxFd, whole: &mut [u8; PATH_BYTES]) -> LinuxResult<()> {
    let found = Handle::owned(kernel, found);
    host_path::read_whole(kernel, found.file(), whole).map(|_| ())
}

/// By what Linux says of the directory that the last name is in, if the name itself leads no further.
#[inline(never)]
fn by_parent<K: Kernel>(
    lookup: Lookup<'_, K>,
    directory: LinuxFd,
    whole: &mut [u8; PATH_BYTES],
    links: Links,
) -> Option<LinuxResult<()>> {
    let kernel = lookup.kernel;
    let path = text(whole).ok()?;
    let leaf = plain_leaf(path)?;
    if lookup.mentions_exit(path) {
        return None;
    }
    let parent = lookup.find_parent(directory, path, leaf, &Opening::path(links)).ok()?;
    let leaf = path.get_mut(leaf..)?;
    match linux::name::readlinkat_own(kernel, parent.file(), leaf, &mut [0]) {
        Ok(_) if links != Links::Follow => {}
        Err(Errno::EINVAL) => {}
        Err(Errno::ENOENT) if !lookup.is_case_insensitive() => {}
        Err(Errno::ENOENT) if lookup.respell_leaf(&parent, leaf) == Ok(false) => {}
        _ => return None,
    }
    let mut name = Name::new();
    name.set(leaf.strip_suffix(b"\0")?);
    Some(path_in(kernel, parent.file(), &name, false, whole))
}

#[inline(never)]
fn by_walk<K: Kernel>(
    lookup: Lookup<'_, K>,
    directory: LinuxFd,
    whole: &mut [u8; PATH_BYTES],
    links: Links,
) -> LinuxResult<()> {
    let path = text(whole)?;
    let path = path.strip_suffix(b"\0").unwrap_or(path);
    let kernel = lookup.kernel;
    let last = Last::Object { follow: links == Links::Follow };
    let mut name = Name::new();
    let end = Walk::new(lookup, directory, path, false).run(path, last, &mut name)?;
    let directory = end.directory.file();
    if !end.has_name {
        return host_path::read_whole(kernel, directory, whole).map(|_| ());
    }
    let exists = exists(kernel, directory, name.with_nul(), end.must_be_directory)?;
    path_in(kernel, directory, &name, end.must_be_directory && !exists, whole)
}

/// The path of a name in a directory.
fn path_in<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    name: &Name,
    has_slash: bool,
    whole: &mut [u8; PATH_BYTES],
) -> LinuxResult<()> {
    let length = host_path::read_whole(kernel, directory, whole)?;
    let slash: &[u8] = if has_slash { b"/" } else { b"" };
    // Linux's root is its own slash.
    let length = if length == 1 { 0 } else { length };
    let added = [b"/", name.bytes(), slash, b"\0"];
    let rest = whole.get_mut(length..).unwrap_or_default();
    if added.iter().map(|part| part.len()).sum::<usize>() > rest.len() {
        return Err(Errno::ENAMETOOLONG);
    }
    for (to, from) in rest.iter_mut().zip(added.iter().copied().flatten()) {
        *to = *from;
    }
    Ok(())
}

/// Whether a name is there; `ENOTDIR` for one that is there and no directory but must be one.
fn exists<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    name: &[u8],
    must_be_directory: bool,
) -> LinuxResult<bool> {
    let nofollow = flags::AT_SYMLINK_NOFOLLOW;
    match linux::path::statx_some(kernel, directory, name, nofollow, flags::STATX_TYPE) {
        Ok(stat) if must_be_directory && u32::from(stat.stx_mode) & flags::S_IFMT != flags::S_IFDIR => {
            Err(Errno::ENOTDIR)
        }
        Ok(_) => Ok(true),
        Err(Errno::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// `vchroot_unexpand`: replaces a host path by what a guest calls it. Text only: what is outside of the prefix gets the
/// exit in front, and no link is looked at.
///
/// # Errors
/// `ENAMETOOLONG`; `EINVAL` for a relative path; `ENOENT` for what is outside of a sealed prefix.
pub fn unexpand<K: Kernel>(lookup: Option<Lookup<'_, K>>, args: &mut VchrootUnexpandArgs) -> LinuxResult<()> {
    let length = text(&mut args.path)?.len().wrapping_sub(1);
    if !args.path.starts_with(b"/") {
        return Err(if length == 0 { Errno::ENOENT } else { Errno::EINVAL });
    }
    let Some(lookup) = lookup else { return Ok(()) };
    let path = args.path.get(..length).unwrap_or_default();
    if path.split(|byte| *byte == b'/').any(|component| component == b"..") {
        return unexpand_object(lookup, args);
    }
    lookup.to_guest(&mut args.path, length).map(|_| ())
}

/// With `..` in it, a path may begin with the prefix and lead elsewhere.
fn unexpand_object<K: Kernel>(lookup: Lookup<'_, K>, args: &mut VchrootUnexpandArgs) -> LinuxResult<()> {
    let kernel = lookup.kernel;
    let named = flags::O_PATH | flags::O_NOFOLLOW | flags::O_CLOEXEC;
    let found = linux::descriptor::openat(kernel, LinuxFd::CWD, &args.path, named, 0)?;
    let found = Handle::owned(kernel, found);
    lookup.path_of(found.file(), &mut args.path).map(|_| ())
}

/// `vchroot_fdpath`: the path of an open file as the guest knows it, with its terminator: its length.
///
/// # Errors
/// `EBADF`; `ENAMETOOLONG` where `out` has no room; `ENOENT` for what has no path, or none in a sealed prefix.
pub fn fdpath<K: Kernel>(
    kernel: &K,
    lookup: Option<Lookup<'_, K>>,
    file: i32,
    out: &mut [u8],
) -> LinuxResult<usize> {
    if file < 0 {
        return Err(Errno::EBADF);
    }
    let file = LinuxFd(file);
    match lookup {
        Some(lookup) => lookup.path_of(file, out),
        None if out.is_empty() => {
            Err(super::prefix::Identity::of(kernel, file).err().unwrap_or(Errno::ENAMETOOLONG))
        }
        None => host_path::read_whole(kernel, file, out),
    }
}
