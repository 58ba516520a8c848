//! `getattrlistbulk`: the entries of a directory with their attributes (`bsd/vfs/vfs_attrlist.c`, `getattrlistbulk`,
//! `readdirattr`).

use super::file;
use super::pack::{Memory, Packer};
use super::request::Request;
use crate::bsd::fcntl::file::{Kind, access, kind};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::directory::Entry;
use crate::linux::path::getdents64;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{Fd, SysResult};
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::attr::{ATTR_BULK_REQUIRED, AttrList, AttributeOptions, CommonAttributes};
use xnu_abi::darwin::stat::FileType;
use xnu_abi::linux::flags;

/// A buffer no longer than this is not looked at: `MIN_BUF_SIZE_REQUIRED`.
const LEAST: usize = 32;

/// What the right to list a directory is enough for: `LIST_DIR_ATTRS`.
const LISTED: u32 = CommonAttributes::ATTR_CMN_NAME.bits()
    | CommonAttributes::ATTR_CMN_OBJTYPE.bits()
    | CommonAttributes::ATTR_CMN_FILEID.bits()
    | CommonAttributes::ATTR_CMN_RETURNED_ATTRS.bits()
    | CommonAttributes::ATTR_CMN_ERROR.bits();

/// Bytes of entries that Linux is asked for at once; the longest takes 280.
const BUFFERED: usize = 384;

const SEEK_SET: i32 = 0;
const SEEK_CUR: i32 = 1;

/// `man 2 getattrlistbulk`: the number of entries; 0 at the end of the directory. An entry that cannot be told of has a
/// name and an error.
pub fn getattrlistbulk<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    list: UserPtr<AttrList>,
    buffer: UserAddr,
    size: usize,
    options: AttributeOptions,
) -> SysResult<i32> {
    let kernel = cx.kernel();
    let directory = fd.to_linux()?;
    let parent = check(kernel, directory, options)?;
    let request = Request::read(kernel, list, options | AttributeOptions::FSOPT_ATTR_CMN_EXTENDED)?;
    let asked = &request.list;
    if asked.volattr != 0 || asked.commonattr & ATTR_BULK_REQUIRED != ATTR_BULK_REQUIRED {
        return Err(Errno::EINVAL);
    }
    if asked.commonattr & !LISTED != 0 || asked.fileattr != 0 || asked.dirattr != 0 {
        const X_OK: i32 = 1;
        let at = flags::AT_EMPTY_PATH | flags::AT_EACCESS;
        linux::name::faccessat(kernel, directory, b"\0", X_OK, at).to_bsd()?;
    }
    let memory = Memory::new(cx.process)?;
    let mut entries = Entries { memory: &memory, directory, parent, request: &request };
    entries.tell(buffer, size)
}

/// Whether this is a directory to be listed: its inode number. Apart, since much is told and little kept.
#[inline(never)]
fn check<K: Kernel>(kernel: &K, directory: LinuxFd, options: AttributeOptions) -> SysResult<u64> {
    let (Kind::Vnode(kind), stat) = kind(kernel, directory)? else { return Err(Errno::ENOTSUP) };
    if !access(kernel, directory)?.reads {
        return Err(Errno::EBADF);
    }
    if options.contains(AttributeOptions::FSOPT_LIST_SNAPSHOT) {
        let is_root = stat.stx_attributes & u64::from(flags::STATX_ATTR_MOUNT_ROOT) != 0;
        return Err(if is_root { Errno::ENOTSUP } else { Errno::EINVAL });
    }
    if kind != FileType::S_IFDIR {
        return Err(Errno::ENOTDIR);
    }
    Ok(stat.stx_ino)
}

struct Entries<'m, 'k, K: Kernel> {
    memory: &'m Memory<'k, K>,
    directory: LinuxFd,
    parent: u64,
    request: &'m Request,
}

/// What became of an entry.
enum Told {
    /// It took this many bytes.
    Bytes(usize),
    /// There was no room for it.
    Full,
    /// It is gone.
    Nothing,
}

impl<K: Kernel> Entries<'_, '_, K> {
    /// Fills the buffer. The directory's position is afterwards that of the first entry that did not fit.
    fn tell(&mut self, buffer: UserAddr, size: usize) -> SysResult<i32> {
        let kernel = self.memory.kernel;
        let mut at = linux::descriptor::lseek(kernel, self.directory, 0, SEEK_CUR).to_bsd()?;
        let (mut count, mut filled) = (0i32, 0usize);
        let mut buffered = [0; BUFFERED];
        let outcome = 'listing: loop {
            if size.saturating_sub(filled) <= LEAST {
                break Err(Errno::ERANGE);
            }
            let length = match getdents64(kernel, self.directory, &mut buffered).to_bsd() {
                Ok(0) => break Ok(0),
                Ok(length) => length,
                Err(error) => break Err(error),
            };
            let mut rest = buffered.get(..length).unwrap_or_default();
            while let Some(entry) = Entry::first(rest) {
                let left = size.saturating_sub(filled);
                let told = match buffer.checked_add(filled as u64) {
                    _ if entry.is_dots() => Ok(Told::Nothing),
                    _ if left <= LEAST => Ok(Told::Full),
                    Ok(to) => self.entry(&entry, to, left),
                    Err(fault) => Err(fault.into()),
                };
                match told {
                    Ok(Told::Bytes(bytes)) => {
                        filled = filled.wrapping_add(bytes);
                        count = count.wrapping_add(1);
                    }
                    Ok(Told::Nothing) => {}
                    Ok(Told::Full) => break 'listing Err(Errno::ERANGE),
                    Err(error) => break 'listing Err(error),
                }
                at = entry.next;
                rest = rest.get(entry.length..).unwrap_or_default();
            }
        };
        if outcome.is_err() {
            linux::descriptor::lseek(kernel, self.directory, at, SEEK_SET).to_bsd()?;
        }
        if count > 0 { Ok(count) } else { outcome }
    }

    fn entry(&self, listed: &Entry<'_>, to: UserAddr, left: usize) -> SysResult<Told> {
        let kernel = self.memory.kernel;
        let how = flags::O_PATH | flags::O_NOFOLLOW | flags::O_CLOEXEC;
        let name = listed.name;
        let file = match linux::descriptor::openat(kernel, self.directory, listed.path, how, 0) {
            Ok(file) => file,
            // It is gone, or it cannot be reached.
            Err(xnu_abi::linux::Errno::ENOENT | xnu_abi::linux::Errno::EACCES) => return Ok(Told::Nothing),
            Err(error) => return Err(error).to_bsd(),
        };
        let entry = Some((name, self.parent));
        let packed = self.request.check().and_then(|()| file::pack(self.memory, file, self.request, entry));
        let told = match packed {
            Ok(packer) => finish(self.memory, packer, to, left),
            Err(error) => file::pack_failure(self.memory, self.request, name, error)
                .and_then(|packer| finish(self.memory, packer, to, left)),
        };
        // Ours alone, and only a name.
        let _ = linux::descriptor::close(kernel, file);
        told
    }
}

/// Writes an entry if it fits: padded to a multiple of 8 where that fits as well.
fn finish<K: Kernel>(
    memory: &Memory<'_, K>,
    packer: Packer<'_, '_, K>,
    to: UserAddr,
    left: usize,
) -> SysResult<Told> {
    let needed = packer.needed();
    if needed > left {
        return Ok(Told::Full);
    }
    let padded = needed.wrapping_add(7) & !7;
    let total = if padded <= left { padded } else { needed };
    packer.finish(total, to, left)?;
    let zeros = [0; 8];
    let padding = zeros.get(..total.saturating_sub(needed)).unwrap_or_default();
    memory.kernel.copy_out(to.checked_add(needed as u64)?, padding)?;
    Ok(Told::Bytes(total))
}
