//! Who is told when input or urgent data comes: `F_GETOWN` and `F_SETOWN`, which mean something else for each kind of
//! open file (`bsd/kern/kern_descrip.c`, `sys_fcntl_nocancel`; `bsd/kern/sys_pipe.c`, `pipe_ioctl`; `bsd/kern/tty.c`,
//! `ttioctl_locked`).
//!
//! * A socket keeps the number as it is: a process, or with a minus sign a group.
//! * A pipe keeps it as well, and tells it with the sign turned around.
//! * For anything else it is the foreground group of a terminal, told with a minus sign.
//!
//! Differs from XNU: an owner of a pipe or a socket that does not exist is nobody, and told as 0.

use super::file::{Kind, kind};
use crate::convert::errno::{ToBsd, errno};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::table::SysResult;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::stat::FileType;
use xnu_abi::linux::flags;
use zerocopy::IntoBytes;

const TIOCGPGRP: u32 = 0x540f;
const TIOCSPGRP: u32 = 0x5410;

/// `F_GETOWN`.
pub(in crate::bsd) fn get<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<i32> {
    match kind(kernel, file)?.0 {
        Kind::Socket => owner(kernel, file),
        Kind::Pipe => Ok(owner(kernel, file)?.wrapping_neg()),
        other => {
            check_terminal(other)?;
            let mut group = 0i32;
            linux::descriptor::ioctl(kernel, file, TIOCGPGRP, group.as_mut_bytes()).to_bsd()?;
            Ok(group.wrapping_neg())
        }
    }
}

/// `F_SETOWN`. Where a terminal is meant, a process stands for its group; one that does not exist is `ESRCH`.
pub(in crate::bsd) fn set<K: Kernel>(kernel: &K, file: LinuxFd, wanted: i32) -> SysResult<i32> {
    let kind = kind(kernel, file)?.0;
    if matches!(kind, Kind::Socket | Kind::Pipe) {
        return match set_owner(kernel, file, wanted) {
            Err(Errno::ESRCH | Errno::EINVAL) => set_owner(kernel, file, 0),
            other => other,
        };
    }
    let mut group = match wanted {
        ..=0 => wanted.wrapping_neg(),
        process => linux::process::getpgid(kernel, process).to_bsd()?,
    };
    check_terminal(kind)?;
    match linux::descriptor::ioctl(kernel, file, TIOCSPGRP, group.as_mut_bytes()) {
        // No such group.
        Err(xnu_abi::linux::Errno::ESRCH) => Err(Errno::EINVAL),
        Err(error) => Err(errno(error)),
        Ok(_) => Ok(0),
    }
}

/// What has no group at all.
fn check_terminal(kind: Kind) -> SysResult<()> {
    match kind {
        Kind::Vnode(FileType::S_IFCHR) => Ok(()),
        // A fifo's two sockets are asked, which know no such request.
        Kind::Vnode(FileType::S_IFIFO) => Err(Errno::EOPNOTSUPP),
        _ => Err(Errno::ENOTTY),
    }
}

/// `struct f_owner_ex`: unlike plain `F_GETOWN`'s answer, the number of a group is no error.
#[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
#[repr(C)]
struct OwnerEx {
    kind: u32,
    id: i32,
}

fn owner<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<i32> {
    let mut owner = OwnerEx { kind: 0, id: 0 };
    linux::descriptor::fcntl_struct(kernel, file, flags::F_GETOWN_EX, owner.as_mut_bytes()).to_bsd()?;
    Ok(if owner.kind == flags::F_OWNER_PGRP { owner.id.wrapping_neg() } else { owner.id })
}

fn set_owner<K: Kernel>(kernel: &K, file: LinuxFd, wanted: i32) -> SysResult<i32> {
    let kind = if wanted < 0 { flags::F_OWNER_PGRP } else { flags::F_OWNER_PID };
    let mut owner = OwnerEx { kind, id: wanted.checked_abs().ok_or(Errno::EINVAL)? };
    linux::descriptor::fcntl_struct(kernel, file, flags::F_SETOWN_EX, owner.as_mut_bytes()).to_bsd()
}
