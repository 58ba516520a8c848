//! Directories as lists (`bsd/vfs/vfs_syscalls.c`, `getdirentries_common`).
//!
//! Linux fills the end of the guest's own buffer, and from there entries are moved to its start in XNU's layout, a few
//! hundred bytes at a time: so a long list takes few calls and little stack. Buffers that are too short for that are
//! filled from our own memory.

use super::fcntl::file::{self, Kind};
use crate::convert::dirent::{ENTRY_MAX, Entry, Form};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{Fd, SysResult};
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::dirent::{GETDIRENTRIES64_EXTENDED_BUFSIZE, Getdirentries64Flags};
use xnu_abi::darwin::stat::FileType;

/// `GETDIRENTRIES_MAXBUFSIZE`.
const BUFFER_MAX: usize = 128 << 20;

/// Bytes that are converted at once: room for any entry.
const PIECE: usize = 512;

const SEEK_SET: i32 = 0;
const SEEK_CUR: i32 = 1;

/// The old `getdirentries`, with inode numbers of 32 bits.
pub fn getdirentries<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    buf: UserAddr,
    count: u32,
    basep: UserPtr<i64>,
) -> SysResult<i32> {
    let (kernel, directory) = (cx.kernel(), fd.to_linux()?);
    let room = (count as usize).min(BUFFER_MAX);
    let start = position(kernel, directory)?;
    let length = list(kernel, directory, start, Buffer { to: buf, room, form: Form::Short })?.length;
    basep.write(kernel, &start)?;
    Ok(length as i32)
}

/// `getdirentries64` (`man 2 getdirentries`): the position before the call goes to `position`, each entry has in
/// `d_seekoff` the one behind it, which `lseek` takes. The last four bytes of a buffer of 1024 and more tell whether
/// this was the end.
pub fn getdirentries64<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    buf: UserAddr,
    bufsize: usize,
    basep: UserPtr<i64>,
) -> SysResult<usize> {
    const FLAGS: usize = size_of::<u32>();
    let (kernel, directory) = (cx.kernel(), fd.to_linux()?);
    let flags_at = match bufsize >= GETDIRENTRIES64_EXTENDED_BUFSIZE {
        true => Some(bufsize.saturating_sub(FLAGS)),
        false => None,
    };
    let room = flags_at.unwrap_or(bufsize).min(BUFFER_MAX);
    let start = position(kernel, directory)?;
    let listed = list(kernel, directory, start, Buffer { to: buf, room, form: Form::Long })?;
    basep.write(kernel, &start)?;
    if let Some(at) = flags_at {
        let mut flags = Getdirentries64Flags::empty();
        if listed.is_end || listed.may_be_end && is_at_end(kernel, directory) {
            flags |= Getdirentries64Flags::GETDIRENTRIES64_EOF;
        }
        UserPtr::new(buf.checked_add(at as u64)?).write(kernel, &flags.bits())?;
    }
    Ok(listed.length)
}

/// Where the list goes on.
fn position<K: Kernel>(kernel: &K, directory: LinuxFd) -> SysResult<i64> {
    let position = linux::descriptor::lseek(kernel, directory, 0, SEEK_CUR).to_bsd();
    position.map_err(|error| refusal(kernel, directory, error))
}

/// XNU's error for a descriptor that is no directory's.
#[inline(never)]
fn refusal<K: Kernel>(kernel: &K, descriptor: LinuxFd, error: Errno) -> Errno {
    if !matches!(error, Errno::ENOTDIR | Errno::ESPIPE) {
        return error;
    }
    match (file::kind(kernel, descriptor), file::access(kernel, descriptor)) {
        (Err(error), _) | (_, Err(error)) => error,
        (Ok((Kind::Vnode(_), _)), Ok(access)) if access.reads => Errno::EINVAL,
        (Ok((Kind::Vnode(_), _)), Ok(_)) => Errno::EBADF,
        (Ok(_), Ok(_)) => Errno::ENOTSUP,
    }
}

/// Where entries go.
#[derive(Clone, Copy)]
struct Buffer {
    to: UserAddr,
    room: usize,
    form: Form,
}

/// What was listed.
#[derive(Clone, Copy)]
struct Listed {
    length: usize,
    /// There was nothing left.
    is_end: bool,
    /// Another entry would have found room.
    may_be_end: bool,
}

/// Lists as much as fits. What could not be told is listed again the next time.
fn list<K: Kernel>(kernel: &K, directory: LinuxFd, start: i64, buffer: Buffer) -> SysResult<Listed> {
    let answer = match buffer.room < GETDIRENTRIES64_EXTENDED_BUFSIZE.saturating_sub(4) {
        true => list_little(kernel, directory, buffer),
        false => list_much(kernel, directory, buffer),
    };
    if answer.is_err() {
        // The error is told as it is, and a descriptor that cannot be listed has no place to go back to.
        let _ = linux::descriptor::lseek(kernel, directory, start, SEEK_SET);
    }
    answer
}

#[inline(never)]
fn list_much<K: Kernel>(kernel: &K, directory: LinuxFd, buffer: Buffer) -> SysResult<Listed> {
    // An entry of ours is never longer than 4/3 of Linux's, so what is written never gets ahead of what was read.
    let given = match buffer.form {
        Form::Long => buffer.room.checked_div(4).unwrap_or(0).wrapping_mul(3) & !7,
        Form::Short => buffer.room & !7,
    };
    let mut from = buffer.to.checked_add(buffer.room.wrapping_sub(given) as u64)?;
    let read = linux::directory::getdents64(kernel, directory, from, given).to_bsd();
    let read = read.map_err(|error| refusal(kernel, directory, error))?;
    let mut out = Out::new(kernel, buffer);
    let mut left = read;
    let mut piece = [0; PIECE];
    while left > 0 {
        let length = left.min(PIECE);
        let bytes = piece.get_mut(..length).unwrap_or_default();
        kernel.copy_in(from, bytes)?;
        let mut used = 0usize;
        while let Some(entry) = Entry::first(bytes.get(used..).unwrap_or_default()) {
            out.put(&entry)?;
            used = used.wrapping_add(entry.length);
        }
        // Another thread of the guest's writes where Linux has written: its list is its own.
        if used == 0 {
            break;
        }
        from = from.checked_add(used as u64)?;
        left = left.saturating_sub(used);
    }
    let length = out.flush()?;
    let may_be_end = given.saturating_sub(read) >= ENTRY_MAX;
    Ok(Listed { length, is_end: read == 0, may_be_end })
}

#[inline(never)]
fn list_little<K: Kernel>(kernel: &K, directory: LinuxFd, buffer: Buffer) -> SysResult<Listed> {
    let mut piece = [0; PIECE];
    let read = linux::path::getdents64(kernel, directory, &mut piece).to_bsd();
    let read = read.map_err(|error| refusal(kernel, directory, error))?;
    let mut out = Out::new(kernel, buffer);
    let mut left = piece.get(..read).unwrap_or_default();
    let mut next = None;
    while let Some(entry) = Entry::first(left) {
        if !out.has_room(&entry) {
            let Some(next) = next else { return Err(Errno::EINVAL) };
            linux::descriptor::lseek(kernel, directory, next, SEEK_SET).to_bsd()?;
            break;
        }
        out.put(&entry)?;
        next = Some(entry.next);
        left = left.get(entry.length..).unwrap_or_default();
    }
    Ok(Listed { length: out.flush()?, is_end: read == 0, may_be_end: false })
}

/// Entries on their way to the guest.
struct Out<'a, K: Kernel> {
    kernel: &'a K,
    buffer: Buffer,
    bytes: [u8; PIECE],
    /// Bytes that wait here, and that are there already.
    filled: usize,
    written: usize,
}

impl<'a, K: Kernel> Out<'a, K> {
    fn new(kernel: &'a K, buffer: Buffer) -> Out<'a, K> {
        Out { kernel, buffer, bytes: [0; PIECE], filled: 0, written: 0 }
    }

    fn has_room(&self, entry: &Entry<'_>) -> bool {
        let total = self.written.wrapping_add(self.filled).wrapping_add(self.buffer.form.length(entry));
        total <= self.buffer.room
    }

    fn put(&mut self, entry: &Entry<'_>) -> SysResult<()> {
        if !self.has_room(entry) {
            return Ok(());
        }
        let form = self.buffer.form;
        let mut length = form.put(entry, self.bytes.get_mut(self.filled..).unwrap_or_default());
        if length.is_none() {
            self.flush()?;
            length = form.put(entry, &mut self.bytes);
        }
        self.filled = self.filled.wrapping_add(length.unwrap_or(0));
        Ok(())
    }

    /// Copies out what waits: the bytes that are there then.
    fn flush(&mut self) -> SysResult<usize> {
        if self.filled > 0 {
            let at = self.buffer.to.checked_add(self.written as u64)?;
            self.kernel.copy_out(at, self.bytes.get(..self.filled).unwrap_or_default())?;
        }
        self.written = self.written.wrapping_add(self.filled);
        self.filled = 0;
        Ok(self.written)
    }
}

/// Whether nothing is left to list. The position stays.
#[inline(never)]
fn is_at_end<K: Kernel>(kernel: &K, directory: LinuxFd) -> bool {
    let Ok(here) = linux::descriptor::lseek(kernel, directory, 0, SEEK_CUR) else { return false };
    let mut piece = [0; ENTRY_MAX];
    let read = linux::path::getdents64(kernel, directory, &mut piece);
    if read != Ok(0) {
        let _ = linux::descriptor::lseek(kernel, directory, here, SEEK_SET);
    }
    read == Ok(0)
}

/// `getdirentriesattr` (`bsd/vfs/vfs_syscalls.c`): what it asks for is read and the directory looked at; then it is
/// `ENOTSUP`, as on every volume but one of HFS.
#[allow(clippy::too_many_arguments, reason = "as many as the call has")]
pub fn getdirentriesattr<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    alist: UserPtr<[u64; 3]>,
    _buffer: UserAddr,
    _buffersize: usize,
    count: UserPtr<u32>,
    _basep: UserAddr,
    _newstate: UserAddr,
    _options: u64,
) -> SysResult<i32> {
    let kernel = cx.kernel();
    alist.read(kernel)?;
    count.read(kernel)?;
    let descriptor = fd.to_linux()?;
    match file::kind(kernel, descriptor)? {
        (Kind::Vnode(kind), _) => match (file::access(kernel, descriptor)?.reads, kind) {
            (false, _) => Err(Errno::EBADF),
            (true, FileType::S_IFDIR) => Err(Errno::ENOTSUP),
            (true, _) => Err(Errno::EINVAL),
        },
        _ => Err(Errno::ENOTSUP),
    }
}
