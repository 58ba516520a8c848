//! The rights of `accessx_np`, which `access` takes as well: beyond reading, writing and executing
//! (`bsd/sys/unistd.h`; `bsd/vfs/vfs_syscalls.c`, `access1`; `bsd/vfs/vfs_subr.c`, `vnode_authorize_simple`,
//! `vnode_authorize_delete`, `vnode_authorize_checkimmutable`), as of a file without an access control list.

use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::table::SysResult;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::exec::PATH_MAX;
use xnu_abi::darwin::stat::{FileType, Mode};
use xnu_abi::darwin::unistd::AccessFlags;
use xnu_abi::linux::{Statx, flags};

/// `_READ_OK` to `_CHOWN_OK`.
pub(super) const EXTENDED: AccessFlags = AccessFlags::from_bits_retain(0x003f_fe00);

/// Rights that change something, so that a file that cannot be changed has none of them.
const CHANGES: AccessFlags = AccessFlags::_WRITE_OK
    .union(AccessFlags::_DELETE_OK)
    .union(AccessFlags::_APPEND_OK)
    .union(AccessFlags::_RMFILE_OK)
    .union(AccessFlags::_WATTR_OK)
    .union(AccessFlags::_WEXT_OK)
    .union(AccessFlags::_WPERM_OK)
    .union(AccessFlags::_CHOWN_OK);

const R_OK: i32 = 4;
const W_OK: i32 = 2;
const X_OK: i32 = 1;

/// Who asks.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    /// The user.
    pub(super) uid: u32,
    /// Linux's flag for asking as that user.
    pub(super) flags: u32,
}

/// Checks extended rights to an open file; the three basic ones are not looked at beside them. Apart, so that the
/// common rights do not pay for its stack.
#[inline(never)]
pub(super) fn check<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    rights: AccessFlags,
    asker: Asker,
) -> SysResult<()> {
    let rights = rights & EXTENDED;
    let stat = linux::metadata::fstatx(kernel, file).to_bsd()?;
    check_changeable(&stat, rights)?;
    let mut path = [0; PATH_MAX];
    let directory = match rights.contains(AccessFlags::_DELETE_OK) {
        true => Some(parent(kernel, file, &mut path)?),
        false => None,
    };
    if let Some(stat) = &directory {
        check_changeable(stat, AccessFlags::_RMFILE_OK)?;
    }
    if asker.uid == 0 {
        return check_superuser(&stat, rights);
    }
    if let Some(parent) = &directory {
        linux::name::faccessat(kernel, LinuxFd::CWD, &path, W_OK, asker.flags).to_bsd()?;
        let sticky = u32::from(parent.stx_mode) & S_ISTXT != 0;
        if sticky && ![stat.stx_uid, parent.stx_uid].contains(&asker.uid) {
            return Err(Errno::EACCES);
        }
    }
    let is_owner = stat.stx_uid == asker.uid;
    // Only the owner changes permissions, and only the superuser gives a file away.
    if rights.contains(AccessFlags::_CHOWN_OK) || rights.contains(AccessFlags::_WPERM_OK) && !is_owner {
        return Err(Errno::EACCES);
    }
    let wanted = basic(rights, is_owner);
    if wanted == 0 {
        return Ok(());
    }
    linux::name::faccessat(kernel, file, b"\0", wanted, asker.flags | flags::AT_EMPTY_PATH).to_bsd()
}

const S_ISTXT: u32 = 0o1000;

/// The permissions that stand for the rights; reading attributes and permissions takes none.
fn basic(rights: AccessFlags, is_owner: bool) -> i32 {
    let mut wanted = 0;
    if rights.intersects(AccessFlags::_READ_OK | AccessFlags::_REXT_OK) {
        wanted |= R_OK;
    }
    let mut writes =
        AccessFlags::_WRITE_OK | AccessFlags::_APPEND_OK | AccessFlags::_RMFILE_OK | AccessFlags::_WEXT_OK;
    if !is_owner {
        writes |= AccessFlags::_WATTR_OK;
    }
    if rights.intersects(writes) {
        wanted |= W_OK;
    }
    if rights.contains(AccessFlags::_EXECUTE_OK) {
        wanted |= X_OK;
    }
    wanted
}

/// What is immutable cannot be changed, what is append-only can be appended to. To write to a device changes no file.
fn check_changeable(stat: &Statx, rights: AccessFlags) -> SysResult<()> {
    let kind = Mode::from_bits_retain(stat.stx_mode).file_type();
    let mut changes = rights & CHANGES;
    let mut appends = AccessFlags::_APPEND_OK | AccessFlags::_WEXT_OK;
    match kind {
        FileType::S_IFREG | FileType::S_IFLNK => {}
        // To a directory, writing and appending are adding files and directories.
        FileType::S_IFDIR => appends |= AccessFlags::_WRITE_OK,
        _ => changes = changes.difference(AccessFlags::_WRITE_OK),
    }
    let has = |attribute: u32| stat.stx_attributes & u64::from(attribute) != 0;
    let refused = !changes.is_empty() && has(flags::STATX_ATTR_IMMUTABLE)
        || !appends.contains(changes) && has(flags::STATX_ATTR_APPEND);
    if refused { Err(Errno::EPERM) } else { Ok(()) }
}

/// The superuser may do anything but execute what nobody may.
fn check_superuser(stat: &Statx, rights: AccessFlags) -> SysResult<()> {
    let mode = Mode::from_bits_retain(stat.stx_mode);
    let executable = mode.file_type() != FileType::S_IFREG || mode.bits() & 0o111 != 0;
    if executable || !rights.contains(AccessFlags::_EXECUTE_OK) { Ok(()) } else { Err(Errno::EPERM) }
}

/// The directory that an open file is in: its path is written to `path`, and what is known of it is answered.
fn parent<K: Kernel>(kernel: &K, file: LinuxFd, path: &mut [u8; PATH_MAX]) -> SysResult<Statx> {
    let link = linux::name::proc_path(file);
    let length = linux::name::readlinkat_own(kernel, LinuxFd::CWD, &link, path).to_bsd()?;
    let name = path.get(..length).and_then(|path| path.iter().rposition(|byte| *byte == b'/'));
    // The root directory is its own parent.
    let end = name.ok_or(Errno::ENOENT)?.max(1);
    path.get_mut(end..).ok_or(Errno::ENAMETOOLONG)?.fill(0);
    linux::metadata::statx(kernel, LinuxFd::CWD, path, 0).to_bsd()
}
