//! Many questions of access at once (`bsd/vfs/vfs_syscalls.c`, `access_extended`).

use super::link::open_named;
use super::name::check_open;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::{DirFd, SysResult, UserPath};
use crate::user::{UserAddr, UserPtr};
use crate::vchroot::Links;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::AtFlags;
use xnu_abi::darwin::unistd::AccessFlags;

/// `ACCESSX_MAX_TABLESIZE`, `ACCESSX_MAX_DESCRIPTORS`.
const TABLE_MAX: usize = 16 * 1024;
const DESCRIPTORS_MAX: usize = 100;

/// `struct accessx_descriptor`: where the name is, the rights, and two words for later.
type Descriptor = [u32; 4];
const DESCRIPTOR: usize = size_of::<Descriptor>();

/// `accessx_np`: an array of questions, strings behind it, an answer for each to `results`, all or none. The user is not
/// looked at: it is always the real one.
///
/// Differs from XNU: a string without an end in the table is `EINVAL`, where XNU puts one at the table's last byte.
pub fn access_extended<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    entries: UserAddr,
    size: usize,
    results: UserPtr<u32>,
    _uid: u32,
) -> SysResult<()> {
    if size > TABLE_MAX {
        return Err(Errno::ENOMEM);
    }
    if size < DESCRIPTOR.saturating_add(2) {
        return Err(Errno::EINVAL);
    }
    let kernel = cx.kernel();
    super::search::check_readable(kernel, entries, size as u64)?;
    let table = UserPtr::<Descriptor>::new(entries);
    let count = count(kernel, table, size)?;
    let mut answers = [0u8; DESCRIPTORS_MAX];
    let mut last = 0;
    for (index, answer) in (0..count).zip(&mut answers) {
        let [offset, rights, ..] = table.element(index as u64)?.read(kernel)?;
        if offset != 0 {
            check_string(kernel, entries, offset as usize, size)?;
            last = offset;
        }
        *answer = ask(cx, UserPath(entries.checked_add(u64::from(last))?), rights)?;
    }
    for (index, answer) in (0u64..count as u64).zip(&answers) {
        results.element(index)?.write(kernel, &u32::from(*answer))?;
    }
    Ok(())
}

/// The answer to a question: 0 or the number of an error.
///
/// Differs from XNU: the path is looked up as the effective user, who may be another than the one who is asked about.
#[inline(never)]
fn ask<K: Kernel, L>(cx: &Context<'_, K, L>, path: UserPath, rights: u32) -> SysResult<u8> {
    let kernel = cx.kernel();
    let answer = match open_named(cx, DirFd::CWD, path, Links::Follow) {
        Ok(file) => {
            let answer = check_open(kernel, file, AccessFlags::from_bits_retain(rights), AtFlags::empty());
            // Ours alone, and only a name: closing it cannot fail in a way that matters.
            let _ = linux::descriptor::close(kernel, file);
            answer
        }
        Err(error) => Err(error),
    };
    match answer {
        Ok(()) => Ok(0),
        Err(error @ (Errno::ENOENT | Errno::EACCES | Errno::EPERM | Errno::ENOTDIR)) => {
            Ok(error.number() as u8)
        }
        // Looking up went wrong in another way: no answer at all.
        Err(error) => Err(error),
    }
}

/// How many questions there are: the first string is behind the last of them.
#[inline(never)]
fn count<K: Kernel>(kernel: &K, table: UserPtr<Descriptor>, size: usize) -> SysResult<usize> {
    let most = size.saturating_sub(2) / DESCRIPTOR;
    let mut count = most;
    let mut index = 0;
    while index < count {
        let [offset, ..] = table.element(index as u64)?.read(kernel)?;
        let offset = offset as usize;
        let at = offset / DESCRIPTOR;
        if at > most || at != 0 && at <= index || offset >= size || at == 0 && index == 0 {
            return Err(Errno::EINVAL);
        }
        if at != 0 {
            count = count.min(at);
        }
        index = index.saturating_add(1);
    }
    if count > DESCRIPTORS_MAX { Err(Errno::ENOMEM) } else { Ok(count) }
}

/// Whether a string ends in the table.
#[inline(never)]
fn check_string<K: Kernel>(kernel: &K, entries: UserAddr, offset: usize, size: usize) -> SysResult<()> {
    let mut piece = [0; 64];
    let mut at = offset;
    while at < size {
        let length = size.saturating_sub(at).min(piece.len());
        let bytes = piece.get_mut(..length).unwrap_or_default();
        kernel.copy_in(entries.checked_add(at as u64)?, bytes)?;
        if bytes.contains(&0) {
            return Ok(());
        }
        at = at.saturating_add(length);
    }
    Err(Errno::EINVAL)
}
