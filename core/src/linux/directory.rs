//! Directories as lists.

use super::{LinuxFd, LinuxResult, call};
use crate::kernel::{Arg, Kernel};
use crate::user::UserAddr;
use xnu_abi::linux::Sysno;

/// One entry of what [`getdents64`](super::path::getdents64) reads.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Where the next entry is, for `lseek`.
    pub next: i64,
    /// Bytes of this one.
    pub length: usize,
    /// Its name.
    pub name: &'a [u8],
    /// The same with a NUL at its end.
    pub path: &'a [u8],
}

impl<'a> Entry<'a> {
    /// The first entry of a buffer; `None` where there is no whole one.
    pub fn first(entries: &'a [u8]) -> Option<Entry<'a>> {
        /// Inode number, offset, length and type stand before the name.
        const NAME: usize = 19;
        let next = i64::from_ne_bytes(entries.get(8..16)?.try_into().ok()?);
        let length = usize::from(u16::from_ne_bytes(entries.get(16..18)?.try_into().ok()?));
        let name = entries.get(NAME..length)?;
        let end = name.iter().position(|byte| *byte == 0)?;
        Some(Entry { next, length, name: name.get(..end)?, path: name.get(..=end)? })
    }

    /// Whether this is the directory itself or its parent.
    pub fn is_dots(&self) -> bool {
        matches!(self.name, b"." | b"..")
    }
}

/// `man 2 getdents64`, into guest memory: bytes of whole entries, 0 at the end.
pub fn getdents64<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    buf: UserAddr,
    length: usize,
) -> LinuxResult<usize> {
    call!(kernel, Getdents64, directory.arg(), Arg::User(buf), Arg::Val(length))
}
