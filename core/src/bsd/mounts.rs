//! The mounts of the process's name space, from `/proc/self/mountinfo` (`man 5 proc_pid_mountinfo`).

use super::scratch::{Scratch, copy};
use crate::convert::errno::ToBsd;
use crate::convert::stat::device;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::table::SysResult;
use crate::user::UserAddr;
use crate::vchroot::Lookup;
use xnu_abi::linux::{Errno as LinuxErrno, flags};

/// Bytes that are kept of a path, with its terminator: `MAXPATHLEN`.
pub(super) const PATH: usize = 1024;
/// Bytes that are kept of a type: `MFSTYPENAMELEN`.
pub(super) const TYPE: usize = 16;

/// The length of a path that may go on.
const CUT_OFF: usize = PATH - 1;

/// Which of a mount's names.
#[derive(Clone, Copy)]
pub(super) enum Name {
    /// Where it is mounted.
    Point,
    /// What is mounted.
    Source,
    /// The type of the file system.
    Type,
}

impl Name {
    /// Where it is in the memory of [`Mounts`], and how long it may be.
    fn place(self) -> (usize, usize) {
        match self {
            Name::Point => (0, PATH),
            Name::Source => (PATH, PATH),
            Name::Type => (2 * PATH, TYPE),
        }
    }
}

/// A mount.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mount {
    /// Linux's number for it.
    pub(super) id: u64,
    /// The device of its files.
    pub(super) device: i32,
    /// Whether the guest's root is on it.
    pub(super) is_root: bool,
    /// Whether the guest has no name for where it is.
    pub(super) is_hidden: bool,
}

/// The prefix, and the number of the mount that it is on.
struct Prefix<'k, K: Kernel> {
    lookup: Lookup<'k, K>,
    mount: u64,
}

/// Where the mount point is as Linux has it; what is at [`Name::Point`] is the guest's.
const HOST_POINT: usize = 2 * PATH + TYPE;

/// Where the list is read to, behind the names, and how much of it at once.
const READ: usize = HOST_POINT + PATH;
const READ_BYTES: usize = 4096;

/// Bytes of it that are looked at at once.
const PIECE: usize = 64;

/// Linux's number for the mount that an open file is on, and the device of the files there. Apart, since much is told and
/// little kept.
#[inline(never)]
pub(super) fn mount_and_device<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<(u64, i32)> {
    let stat = linux::metadata::fstatx_mount(kernel, file).to_bsd()?;
    Ok((stat.stx_mnt_id, device(stat.stx_dev_major, stat.stx_dev_minor)))
}

/// The list, read mount by mount. The names of the last one that was read are in mapped memory.
pub(super) struct Mounts<'k, K: Kernel> {
    kernel: &'k K,
    prefix: Option<Prefix<'k, K>>,
    names: Scratch<'k, K>,
    file: LinuxFd,
    /// A piece of what was read, and how much of that is behind it.
    piece: [u8; PIECE],
    at: usize,
    filled: usize,
    offset: usize,
    left: usize,
}

impl<K: Kernel> Drop for Mounts<'_, K> {
    fn drop(&mut self) {
        // Ours alone, and only read.
        let _ = linux::descriptor::close(self.kernel, self.file);
    }
}

impl<'k, K: Kernel> Mounts<'k, K> {
    /// Opens the list.
    pub(super) fn open(kernel: &'k K, lookup: Option<Lookup<'k, K>>) -> SysResult<Mounts<'k, K>> {
        let prefix = match lookup {
            None => None,
            Some(lookup) => {
                let (mount, _) = mount_and_device(kernel, lookup.root)?;
                Some(Prefix { lookup, mount })
            }
        };
        let names = Scratch::new(kernel, READ + READ_BYTES)?;
        let path = b"/proc/self/mountinfo\0";
        let file = linux::descriptor::openat(kernel, LinuxFd::CWD, path, flags::O_CLOEXEC, 0).to_bsd()?;
        Ok(Mounts { kernel, prefix, names, file, piece: [0; PIECE], at: 0, filled: 0, offset: 0, left: 0 })
    }

    /// The mount with this number.
    pub(super) fn find(&mut self, id: u64) -> SysResult<Option<Mount>> {
        while let Some(mount) = self.read(Some(id))? {
            if mount.id == id {
                return Ok(Some(mount));
            }
        }
        Ok(None)
    }

    /// The next mount.
    pub(super) fn next(&mut self) -> SysResult<Option<Mount>> {
        self.read(None)
    }

    /// Where a name of the last mount is, with a NUL at its end.
    pub(super) fn name(&self, name: Name) -> SysResult<UserAddr> {
        self.names.at(name.place().0)
    }

    /// Where the mount point is in Linux's terms, with a NUL at its end.
    pub(super) fn host_point(&self) -> SysResult<UserAddr> {
        self.names.at(if self.prefix.is_some() { HOST_POINT } else { 0 })
    }

    /// Reads a line; its names only if it is the one that is wanted.
    fn read(&mut self, wanted: Option<u64>) -> SysResult<Option<Mount>> {
        let Some(id) = self.number(b' ')? else { return Ok(None) };
        if wanted.is_some_and(|wanted| wanted != id) {
            while self.byte()?.is_some_and(|byte| byte != b'\n') {}
            return Ok(Some(Mount { id, device: 0, is_root: false, is_hidden: false }));
        }
        self.number(b' ')?;
        let major = self.number(b':')?.unwrap_or(0);
        let minor = self.number(b' ')?.unwrap_or(0);
        self.skip()?;
        let length = self.keep(Name::Point)?;
        let (is_root, is_hidden) = match &self.prefix {
            None => (length == 1, false),
            Some(prefix) if prefix.mount == id => {
                self.rename(Name::Point, Some(b"/\0"))?;
                (true, false)
            }
            Some(_) => (false, !self.rename(Name::Point, None)?),
        };
        // Options, and optional fields up to a dash.
        while self.skip()? != Some((1, b'-')) {
            if self.at_end()? {
                return Ok(None);
            }
        }
        self.keep(Name::Type)?;
        self.keep(Name::Source)?;
        if self.prefix.is_some() && !self.rename(Name::Source, None)? {
            // What has no name is called by its type, as what is no device is.
            copy(self.kernel, self.name(Name::Type)?, self.name(Name::Source)?, TYPE)?;
        }
        while self.byte()?.is_some_and(|byte| byte != b'\n') {}
        Ok(Some(Mount { id, device: device(major as u32, minor as u32), is_root, is_hidden }))
    }

    /// Puts a name of the guest's in place of a path of the host's, which is kept where it is that of the mount point:
    /// this one, or what the guest calls it. Whether it has a name.
    #[inline(never)]
    fn rename(&self, name: Name, by: Option<&[u8]>) -> SysResult<bool> {
        let Some(prefix) = &self.prefix else { return Ok(true) };
        let at = self.name(name)?;
        let mut path = [0; PATH];
        self.kernel.copy_in(at, &mut path)?;
        if matches!(name, Name::Point) {
            self.kernel.copy_out(self.names.at(HOST_POINT)?, &path)?;
        }
        if let Some(by) = by {
            self.kernel.copy_out(at, by)?;
            return Ok(true);
        }
        let length = path.iter().position(|byte| *byte == 0).unwrap_or(0);
        if !path.starts_with(b"/") {
            return Ok(true);
        }
        // One that was cut off has no name either.
        let named = match length {
            CUT_OFF => Err(LinuxErrno::ENAMETOOLONG),
            _ => prefix.lookup.to_guest(&mut path, length),
        };
        let length = match named {
            Ok(length) => length,
            Err(LinuxErrno::ENOENT | LinuxErrno::ENAMETOOLONG) => 0,
            Err(error) => return Err(error).to_bsd(),
        };
        let path = path.get(..length).unwrap_or_default();
        self.kernel.copy_out(at, path)?;
        self.kernel.copy_out(at.checked_add(length as u64)?, &[0])?;
        Ok(length > 0)
    }

    fn at_end(&mut self) -> SysResult<bool> {
        if self.at == self.filled {
            if self.left == 0 {
                let to = self.names.at(READ)?;
                self.left = linux::descriptor::read(self.kernel, self.file, to, READ_BYTES).to_bsd()?;
                self.offset = READ;
            }
            self.filled = self.left.min(PIECE);
            let piece = self.piece.get_mut(..self.filled).unwrap_or_default();
            self.kernel.copy_in(self.names.at(self.offset)?, piece)?;
            self.offset = self.offset.wrapping_add(self.filled);
            self.left = self.left.wrapping_sub(self.filled);
            self.at = 0;
        }
        Ok(self.filled == 0)
    }

    fn byte(&mut self) -> SysResult<Option<u8>> {
        if self.at_end()? {
            return Ok(None);
        }
        let byte = self.piece.get(self.at).copied();
        self.at = self.at.wrapping_add(1);
        Ok(byte)
    }

    /// A decimal number and the byte behind it; `None` at the end of the list.
    fn number(&mut self, end: u8) -> SysResult<Option<u64>> {
        let mut number: Option<u64> = None;
        while let Some(byte) = self.byte()? {
            if byte == end {
                break;
            }
            let digit = u64::from(byte.wrapping_sub(b'0'));
            number = Some(number.unwrap_or(0).wrapping_mul(10).wrapping_add(digit));
        }
        Ok(number)
    }

    /// Passes over a field: its length and its first byte.
    fn skip(&mut self) -> SysResult<Option<(usize, u8)>> {
        let mut field: Option<(usize, u8)> = None;
        while let Some(byte) = self.byte()? {
            if byte == b' ' {
                break;
            }
            let (length, first) = field.unwrap_or((0, byte));
            field = Some((length.wrapping_add(1), first));
        }
        Ok(field)
    }

    /// Writes a field to the memory of the names, without its escapes and cut off where that ends.
    fn keep(&mut self, name: Name) -> SysResult<usize> {
        let (start, capacity) = name.place();
        let mut length: usize = 0;
        let mut piece = [0; 64];
        let mut pending: usize = 0;
        loop {
            let byte = match self.byte()? {
                None | Some(b' ') => break,
                // Three octal digits of a byte that a field cannot have.
                Some(b'\\') => {
                    let mut value: u8 = 0;
                    for _ in 0..3 {
                        let digit = self.byte()?.unwrap_or(b'0').wrapping_sub(b'0');
                        value = value.wrapping_mul(8).wrapping_add(digit);
                    }
                    value
                }
                Some(byte) => byte,
            };
            if length.wrapping_add(pending).wrapping_add(1) >= capacity {
                continue;
            }
            if let Some(place) = piece.get_mut(pending) {
                *place = byte;
                pending = pending.wrapping_add(1);
            }
            if pending == piece.len() {
                self.kernel.copy_out(self.names.at(start.wrapping_add(length))?, &piece)?;
                length = length.wrapping_add(pending);
                pending = 0;
            }
        }
        let rest = piece.get(..pending).unwrap_or_default();
        self.kernel.copy_out(self.names.at(start.wrapping_add(length))?, rest)?;
        length = length.wrapping_add(pending);
        self.kernel.copy_out(self.names.at(start.wrapping_add(length))?, &[0])?;
        Ok(length)
    }
}
