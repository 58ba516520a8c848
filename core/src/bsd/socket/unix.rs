//! Names of local sockets (`bsd/kern/uipc_usrreq.c`, `unp_bind`, `unp_connect`), in and out of the prefix.
//!
//! Linux keeps the text by which a socket was bound, and tells it. So a socket of a prefix is bound by a host path, from
//! which the guest's name is made again, in whatever process: the prefix's path and the guest's, where that leads Linux
//! to the same directory, which it does by any but absolute links; otherwise the path of the directory. That needs a host
//! path of at most 108 bytes: a longer one is bound through its directory, and the name is not known afterwards.
//!
//! Linux then looks the host path up itself. Binding through the open directory would spare that, and nobody could be
//! told the name.
//!
//! XNU tells the length that the guest gave, with or without a terminator, and programs rely on either. The number of
//! slashes that a host path starts with keeps it: one for a name with its terminator, as Linux's own programs have it,
//! two for a name without, three for one that fills `sun_path` with zeros.

use super::address::Purpose;
use super::answer::ToBsd;
use crate::kernel::Kernel;
use crate::linux::name::{PROC_PATH, proc_path};
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserAddr;
use crate::vchroot::{GuestPath, Links, Lookup, Opening, Target, Use};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::socket::SocketDomain;
use xnu_abi::darwin::stat::{FileType, Mode};
use xnu_abi::linux::flags;
use xnu_abi::linux::socket::{ADDRESS_MAX, AF_UNIX, UNIX_PATH_MAX};

/// Bytes before `sun_path`, on both systems.
const PATH: usize = 2;

/// Bytes of `sun_path`.
const SUN_PATH: usize = 104;

/// Room for a path of `SOCK_MAXADDRLEN`, or for one name that takes its place, a slash and a terminator.
const LONGEST_NAME: usize = 264;

/// `sun_noname`: what stands for a name that is not there.
const NO_NAME: u32 = 16;

/// Through which a socket is bound whose host path is too long.
const THROUGH: &[u8] = b"/proc/self/fd/";

/// Reads a name: the length of Linux's address, and what was opened for it.
#[inline(never)]
pub(super) fn read<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    file: LinuxFd,
    name: UserAddr,
    length: u32,
    purpose: Purpose,
    to: &mut [u8; ADDRESS_MAX],
) -> SysResult<(usize, Option<LinuxFd>)> {
    let kernel = cx.kernel();
    let length = length as usize;
    let room = length.saturating_sub(PATH);
    if room == 0 {
        return Err(Errno::EINVAL);
    }
    let mut path = GuestPath::<LONGEST_NAME>::with_room();
    path.read_name(kernel, name.checked_add(PATH as u64)?, room)?;
    if path.length() == 0 {
        return Err(Errno::ENOENT);
    }
    let mut text = Text::new(to);
    if purpose == Purpose::Bind {
        let opened = bind(cx, &mut path, room, &mut text);
        return Ok((text.end(), opened.map_err(|error| not_bound(kernel, file, error))?));
    }
    let object = Target::new(cx.process, &mut path).open(&Opening::path(Links::Follow)).to_bsd()?;
    text.put(trimmed(&proc_path(object)));
    Ok((text.end(), Some(object)))
}

/// The error of a socket that could not be given a name: that it has one already comes before whatever is wrong with
/// another (`unp_bind`).
#[cold]
#[inline(never)]
pub(super) fn not_bound<K: Kernel>(kernel: &K, file: LinuxFd, error: Errno) -> Errno {
    match linux::socket::getsockname(kernel, file, &mut [0; ADDRESS_MAX]) {
        Ok(length) if length > PATH => Errno::EINVAL,
        _ => error,
    }
}

/// Linux's address, being written.
struct Text<'a> {
    bytes: &'a mut [u8; ADDRESS_MAX],
    length: usize,
    fits: bool,
}

impl<'a> Text<'a> {
    fn new(bytes: &'a mut [u8; ADDRESS_MAX]) -> Text<'a> {
        *bytes = [0; ADDRESS_MAX];
        bytes.iter_mut().zip((AF_UNIX as u16).to_ne_bytes()).for_each(|(to, from)| *to = from);
        Text { bytes, length: 0, fits: true }
    }

    /// Writes more of the path.
    fn put(&mut self, piece: &[u8]) {
        let end = self.length.saturating_add(piece.len());
        let room = self.bytes.get_mut(PATH.wrapping_add(self.length)..PATH.wrapping_add(UNIX_PATH_MAX));
        let room = room.unwrap_or_default();
        self.fits &= piece.len() <= room.len();
        room.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
        self.length = end.min(UNIX_PATH_MAX);
    }

    /// Whether this leads Linux to a name in an open directory.
    fn names<K: Kernel>(
        &mut self,
        lookup: &Lookup<'_, K>,
        directory: LinuxFd,
        name: &[u8],
    ) -> LinuxResult<bool> {
        let Some(slash) = self.length.checked_sub(name.len().wrapping_add(1)) else { return Ok(false) };
        let path = self.bytes.get_mut(PATH..).unwrap_or_default();
        let is_name = !name.is_empty() && !name.contains(&b'/');
        let is_last = path.get(slash..self.length).and_then(|end| end.strip_prefix(b"/")) == Some(name);
        if !self.fits || !is_name || !is_last {
            return Ok(false);
        }
        if let Some(end) = path.get_mut(slash) {
            *end = 0;
        }
        let leads = lookup.leads_to(path.get(..=slash).unwrap_or(b"\0"), directory);
        if let Some(end) = path.get_mut(slash) {
            *end = b'/';
        }
        leads
    }

    fn clear(&mut self) {
        self.length = 0;
        self.fits = true;
        self.bytes.iter_mut().skip(PATH).for_each(|byte| *byte = 0);
    }

    /// Where the address ends: without a terminator where it fills its room.
    fn end(&self) -> usize {
        PATH.wrapping_add(self.length).wrapping_add(1).min(PATH + UNIX_PATH_MAX)
    }
}

/// Without the terminators.
fn trimmed(path: &[u8]) -> &[u8] {
    let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
    path.get(..end).unwrap_or_default()
}

/// Writes by which text Linux is to bind: what must stay open meanwhile.
fn bind<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    path: &mut GuestPath<LONGEST_NAME>,
    room: usize,
    text: &mut Text<'_>,
) -> SysResult<Option<LinuxFd>> {
    let kernel = cx.kernel();
    let length = path.length();
    // As many slashes as tell the length that the guest gave.
    let mark: &[u8] = match room.wrapping_sub(length) {
        0 => b"/",
        1 => b"",
        _ if length < SUN_PATH => b"//",
        _ => b"",
    };
    let is_one_name = path.is_one_name();
    let lookup = cx.process.lookup();
    if let Some(lookup) = lookup {
        put_given(&lookup, path.bytes(), mark, text);
    }
    let mut target = Target::new(cx.process, path);
    let resolved = target.name(Use::New, false).to_bsd()?;
    let directory = resolved.directory();
    let name = trimmed(resolved.path());
    if let Some(lookup) = lookup
        && text.names(&lookup, directory, name).to_bsd()?
    {
        return Ok(None);
    }
    text.clear();
    if directory == LinuxFd::CWD || is_one_name {
        if name.starts_with(b"/") {
            text.put(mark);
        }
        text.put(name);
        if text.fits {
            return Ok(None);
        }
        return through(kernel, LinuxFd::CWD, name, text);
    }
    by_directory(kernel, directory, name, mark, text)
}

/// Names a socket by the path of its directory.
#[inline(never)]
fn by_directory<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    name: &[u8],
    mark: &[u8],
    text: &mut Text<'_>,
) -> SysResult<Option<LinuxFd>> {
    let mut host = [0; UNIX_PATH_MAX];
    let known =
        linux::name::readlinkat_own(kernel, LinuxFd::CWD, &proc_path(directory), &mut host).to_bsd()?;
    let host = host.get(..known).unwrap_or_default();
    if known < UNIX_PATH_MAX && host.starts_with(b"/") {
        text.put(mark);
        text.put(if known == 1 { b"" } else { host });
        text.put(b"/");
        text.put(name);
        if text.fits {
            return Ok(None);
        }
    }
    through(kernel, directory, name, text)
}

/// Writes the prefix's path and the guest's, or a relative one as it is.
#[inline(never)]
fn put_given<K: Kernel>(lookup: &Lookup<'_, K>, path: &[u8], mark: &[u8], text: &mut Text<'_>) {
    if path.starts_with(b"/") {
        let mut own = [0; UNIX_PATH_MAX];
        let known = lookup.own_path(&mut own).unwrap_or(UNIX_PATH_MAX);
        text.fits = known < UNIX_PATH_MAX;
        text.put(mark);
        text.put(own.get(..known).unwrap_or_default());
    }
    text.put(path);
}

/// Names a socket through its directory, since the text has no room for the path.
#[cold]
#[inline(never)]
fn through<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    name: &[u8],
    text: &mut Text<'_>,
) -> SysResult<Option<LinuxFd>> {
    let leaf = name.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash.wrapping_add(1));
    let mut parent = [0; 256];
    let before = name.get(..leaf).unwrap_or_default();
    let before: &[u8] = if before.is_empty() { b"." } else { before };
    parent.iter_mut().zip(before).for_each(|(to, from)| *to = *from);
    let how = flags::O_PATH | flags::O_DIRECTORY | flags::O_CLOEXEC;
    let opened = linux::descriptor::openat(kernel, directory, &parent, how, 0).to_bsd()?;
    let link: [u8; PROC_PATH] = proc_path(opened);
    text.clear();
    text.put(trimmed(&link));
    text.put(b"/");
    text.put(name.get(leaf..).unwrap_or_default());
    if text.fits {
        return Ok(Some(opened));
    }
    // Ours alone, and only a name: closing it cannot fail in a way that matters.
    let _ = linux::descriptor::close(kernel, opened);
    Err(Errno::ENAMETOOLONG)
}

/// Whether an open object is a socket.
#[inline(never)]
pub(super) fn is_socket<K: Kernel>(kernel: &K, file: LinuxFd) -> bool {
    let Ok(stat) = linux::metadata::fstatx(kernel, file) else { return true };
    Mode::from_bits_retain(stat.stx_mode).file_type() == FileType::S_IFSOCK
}

/// Writes a name that Linux told, as far as there is room: its whole length.
#[inline(never)]
pub(super) fn tell<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    address: &[u8],
    to: UserAddr,
    room: u32,
) -> SysResult<u32> {
    let mut name = [0; 256];
    let length = guest_name(cx.process.lookup(), address, &mut name).unwrap_or(NO_NAME);
    for (to, from) in name.iter_mut().zip([length as u8, SocketDomain::AF_UNIX.number() as u8]) {
        *to = from;
    }
    let shown = name.get(..length.min(room) as usize).unwrap_or_default();
    cx.kernel().copy_out(to, shown)?;
    Ok(length)
}

/// Makes the guest's name, behind the place of length and family: the length of all. Without a name, or with one that
/// the guest cannot know, that is an empty one.
fn guest_name<K: Kernel>(
    lookup: Option<Lookup<'_, K>>,
    address: &[u8],
    name: &mut [u8; 256],
) -> LinuxResult<u32> {
    let text = trimmed(address.get(PATH..).unwrap_or_default());
    if text.is_empty() || text.starts_with(THROUGH) {
        return Ok(NO_NAME);
    }
    let slashes = text.iter().take_while(|byte| **byte == b'/').count();
    let text = text.get(slashes.saturating_sub(1)..).unwrap_or_default();
    let path = name.get_mut(PATH..).unwrap_or_default();
    path.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    let known = match lookup {
        Some(lookup) if slashes > 0 => match lookup.to_guest(path, text.len()) {
            Ok(known) => known,
            Err(error) => {
                name.fill(0);
                return Err(error);
            }
        },
        _ => text.len(),
    };
    // The name may have become shorter.
    name.iter_mut().skip(PATH.wrapping_add(known)).for_each(|byte| *byte = 0);
    let shown = match slashes {
        2 => known,
        3 if known <= SUN_PATH => SUN_PATH,
        _ => known.wrapping_add(1),
    };
    Ok(PATH.wrapping_add(shown).min(u8::MAX.into()) as u32)
}
