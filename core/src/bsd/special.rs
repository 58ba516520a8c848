//! Making fifos and devices (`bsd/vfs/vfs_syscalls.c`).

use super::filesec::{self, Wanted};
use super::link::{refusal, taken};
use crate::convert::errno::ToBsd;
use crate::convert::stat::device_to_linux;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::{DirFd, SysResult, UserPath};
use crate::user::UserAddr;
use crate::vchroot::{Entry, Parent};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::stat::{FileType, Mode};
use xnu_abi::linux::flags;

/// `man 2 mkfifo`.
pub fn mkfifo<K: Kernel, L>(cx: &mut Context<'_, K, L>, path: UserPath, mode: Mode) -> SysResult<()> {
    mkfifoat(cx, DirFd::CWD, path, mode)
}

/// `man 2 mkfifoat`.
pub fn mkfifoat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    mode: Mode,
) -> SysResult<()> {
    make(cx, directory, path, &Node::fifo(mode))
}

/// `mkfifo` with an owner, a group and an access control list (`mkfifo_extended`): `EPERM` for an owner and a group that
/// the caller may not give.
pub fn mkfifo_extended<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    uid: u32,
    gid: u32,
    mode: Mode,
    xsecurity: UserAddr,
) -> SysResult<()> {
    if filesec::read(cx.kernel(), xsecurity)? == Wanted::Change {
        return Err(refusal(cx, DirFd::CWD, path, false, Errno::ENOTSUP));
    }
    let owner = Owner { uid: (uid != ID_NONE).then_some(uid), gid: (gid != ID_NONE).then_some(gid) };
    make(cx, DirFd::CWD, path, &Node { owner, ..Node::fifo(mode) })
}

/// `KAUTH_UID_NONE` and `KAUTH_GID_NONE`: what is not given.
const ID_NONE: u32 = -101i32 as u32;

/// `man 2 mknod`.
pub fn mknod<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    mode: Mode,
    dev: i32,
) -> SysResult<()> {
    mknodat(cx, DirFd::CWD, path, mode, dev)
}

/// `man 2 mknodat` (`mknodat_internal`): anybody makes fifos, the superuser devices, and nobody anything else.
pub fn mknodat<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    mode: Mode,
    dev: i32,
) -> SysResult<()> {
    let kind = match mode.file_type() {
        FileType::S_IFIFO => return mkfifoat(cx, directory, path, mode),
        FileType::S_IFCHR => Some(flags::S_IFCHR),
        FileType::S_IFBLK => Some(flags::S_IFBLK),
        _ => None,
    };
    if linux::process::geteuid(cx.kernel()).to_bsd()? != 0 {
        return Err(Errno::EPERM);
    }
    match kind {
        Some(kind) => {
            make(cx, directory, path, &Node { kind, device: device_to_linux(dev), ..Node::fifo(mode) })
        }
        // Found out where it could be made.
        None => Err(refusal(cx, directory, path, false, Errno::EINVAL)),
    }
}

/// What to make.
#[derive(Clone, Copy)]
struct Node {
    /// `S_IF…`
    kind: u32,
    permissions: u32,
    device: u32,
    owner: Owner,
}

/// Who is to have it, if that is said.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Owner {
    uid: Option<u32>,
    gid: Option<u32>,
}

impl Node {
    fn fifo(mode: Mode) -> Node {
        Node {
            kind: flags::S_IFIFO,
            permissions: u32::from(mode.bits() & 0o7777),
            device: 0,
            owner: Owner { uid: None, gid: None },
        }
    }
}

#[inline(never)]
fn make<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    directory: DirFd,
    path: UserPath,
    node: &Node,
) -> SysResult<()> {
    let parent = Parent::open(cx.process, directory, path, false)?;
    match make_in(cx.kernel(), &parent, node) {
        Err(Errno::EEXIST) => Err(taken(cx, directory, path)),
        other => other,
    }
}

#[inline(never)]
fn make_in<K: Kernel>(kernel: &K, parent: &Parent<'_, K>, node: &Node) -> SysResult<()> {
    let mut entry = Entry::new(parent);
    entry.read()?;
    entry.respell().to_bsd()?;
    if entry.has_slash() {
        // What is there is looked at where it is taken.
        return Err(entry.mode().to_bsd().err().unwrap_or(Errno::EEXIST));
    }
    let (at, name, mode) = (entry.directory(), entry.path(), node.kind | node.permissions);
    linux::name::mknodat(kernel, at, name, mode, node.device).to_bsd()?;
    let Owner { uid, gid } = node.owner;
    if uid.is_none() && gid.is_none() {
        return Ok(());
    }
    let (uid, gid) = (uid.unwrap_or(u32::MAX), gid.unwrap_or(u32::MAX));
    let given = linux::metadata::fchownat(kernel, at, name, uid, gid, flags::AT_SYMLINK_NOFOLLOW).to_bsd();
    if given.is_err() {
        // Nobody was told of it yet: what cannot be removed either is left.
        let _ = linux::name::unlinkat(kernel, at, name, 0);
    }
    given
}
