//! The program of a process.
//!
//! Linux knows the file that it started. Of a Mach-O program that is the loader, whose own file the caller runs in as
//! well; the program itself is among the mappings then: where the loader put it, which is known of the caller; else by
//! its name, which is that of the process.

use super::subject::told;
use super::vnode::Opened;
use super::{Request, Subject, zero};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::proc::{Entry, Mapping, Name};
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::process::Process;
use crate::table::SysResult;
use crate::user::UserAddr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::exec::PATH_MAX;
use xnu_abi::linux::{Errno as LinuxErrno, Statx};

/// `PROC_PIDPATHINFO`: the path, and zeros up to the end of the buffer. What was written is not told.
#[inline(never)]
pub(super) fn path<K: Kernel, L>(
    process: &Process<K, L>,
    subject: &Subject<'_, K>,
    request: &Request,
) -> SysResult<i32> {
    let length = path_to(process, subject, request.buffer)?;
    let rest = request.buffer.checked_add(length)?;
    zero(subject.kernel, rest, u64::from(request.size).saturating_sub(length))?;
    Ok(0)
}

/// The path of the program without a NUL, to a place with room for `MAXPATHLEN` bytes: its length.
pub(in crate::bsd) fn path_to<K: Kernel, L>(
    process: &Process<K, L>,
    subject: &Subject<'_, K>,
    to: UserAddr,
) -> SysResult<u64> {
    let program = of(process, subject)?;
    write(process, program.file(), to)
}

#[inline(never)]
fn write<K: Kernel, L>(process: &Process<K, L>, file: LinuxFd, to: UserAddr) -> SysResult<u64> {
    let mut path = [0; PATH_MAX];
    let length = match process.vchroot_fdpath(file.0, &mut path).to_bsd() {
        Err(Errno::ENAMETOOLONG) => return Err(Errno::ENOSPC),
        other => other?,
    };
    process.kernel.copy_out(to, path.get(..length).unwrap_or_default())?;
    Ok(length as u64)
}

/// The program's file, opened for its name alone. `ESRCH` for the kernel and its threads, which have none.
fn of<'a, K: Kernel, L>(process: &'a Process<K, L>, subject: &Subject<'_, K>) -> SysResult<Opened<'a, K>> {
    let kernel = &process.kernel;
    let started = told(Opened::link(kernel, subject.entry()?, b"exe\0"))?;
    if !subject.is_self && !is_loader(kernel, started.file())? {
        return Ok(started);
    }
    let known = if subject.is_self { process.program.image() } else { None };
    match mapped(kernel, subject, known)? {
        Some(program) => Ok(program),
        // Not yet loaded, or loaded in a way of its own.
        None => Ok(started),
    }
}

/// Whether a file is the one that the caller itself was started from.
#[inline(never)]
fn is_loader<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<bool> {
    const OWN: &[u8] = b"/proc/self/exe\0";
    let identity = |stat: Statx| (stat.stx_ino, stat.stx_dev_major, stat.stx_dev_minor);
    let own = told(linux::metadata::statx(kernel, LinuxFd::CWD, OWN, 0).map(identity))?;
    Ok(own == linux::metadata::fstatx(kernel, file).map(identity).to_bsd()?)
}

/// The file of the program's mapping.
fn mapped<'a, K: Kernel>(
    kernel: &'a K,
    subject: &Subject<'_, K>,
    known: Option<u64>,
) -> SysResult<Option<Opened<'a, K>>> {
    match mapping(subject, known)? {
        Some(mapping) => open(kernel, subject.entry()?, &mapping),
        None => Ok(None),
    }
}

/// The mapping of a file that a known address is in, else the first that has the name of the process.
#[inline(never)]
fn mapping<K: Kernel>(subject: &Subject<'_, K>, known: Option<u64>) -> SysResult<Option<Mapping>> {
    let mut lines = told(subject.entry()?.lines(b"maps\0"))?;
    while let Some(line) = told(lines.next())? {
        let Some((mapping, path)) = Mapping::parse(line) else { continue };
        let is_it = match known {
            Some(address) => (mapping.start..mapping.end).contains(&address),
            None => is_named(path, subject.stat.name()),
        };
        if is_it && mapping.inode != 0 {
            return Ok(Some(mapping));
        }
    }
    Ok(None)
}

/// Whether a path ends in the name of a process, of which Linux keeps 15 bytes.
fn is_named(path: &[u8], name: &[u8]) -> bool {
    const KEPT: usize = 15;
    let base = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    !name.is_empty() && base.get(..base.len().min(KEPT)) == Some(name)
}

/// The file of a mapping, if it is still where it was.
#[inline(never)]
pub(super) fn open<'a, K: Kernel>(
    kernel: &'a K,
    entry: &Entry<'_, K>,
    mapping: &Mapping,
) -> SysResult<Option<Opened<'a, K>>> {
    match told(find(kernel, entry, mapping)) {
        Err(Errno::ESRCH | Errno::EPERM | Errno::ENOTDIR | Errno::ENAMETOOLONG | Errno::ELOOP) => Ok(None),
        other => other,
    }
}

fn find<'a, K: Kernel>(
    kernel: &'a K,
    entry: &Entry<'_, K>,
    mapping: &Mapping,
) -> LinuxResult<Option<Opened<'a, K>>> {
    let opened = by_link(kernel, entry, mapping)?;
    let stat = linux::metadata::fstatx(kernel, opened.file())?;
    Ok((stat.stx_ino == mapping.inode).then_some(opened))
}

#[inline(never)]
fn by_link<'a, K: Kernel>(
    kernel: &'a K,
    entry: &Entry<'_, K>,
    mapping: &Mapping,
) -> LinuxResult<Opened<'a, K>> {
    // Its target can be read; to follow it needs a privilege.
    let name = Name::new(b"map_files/").hexadecimal(mapping.start).text(b"-").hexadecimal(mapping.end);
    let mut path = [0; PATH_MAX];
    let length = entry.link(name.path(), &mut path)?;
    *path.get_mut(length).ok_or(LinuxErrno::ENAMETOOLONG)? = 0;
    Opened::path(kernel, path.get(..=length).unwrap_or(b"\0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_the_name_of_its_process() {
        assert!(is_named(b"/bin/sh", b"sh"));
        assert!(is_named(b"/opt/a-name-that-is-long", b"a-name-that-is-"));
        assert!(!is_named(b"/bin/bash", b"sh") && !is_named(b"/bin/sh", b"shell"));
        assert!(!is_named(b"", b"") && !is_named(b"[heap]", b"heap"));
    }
}
