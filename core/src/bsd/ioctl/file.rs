//! Requests of files, pipes and sockets (`bsd/vfs/vfs_vnops.c`, `vn_ioctl`; `bsd/kern/sys_pipe.c`, `pipe_ioctl`;
//! `bsd/kern/sys_socket.c`, `soioctl`; `bsd/miscfs/fifofs/fifo_vnops.c`, `fifo_ioctl`).

use super::{Asked, number};
use crate::bsd::fcntl::owner;
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::table::SysResult;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::ioctl::IoctlRequest as R;
use xnu_abi::linux::Statx;

/// Files and directories: how far it is to the end.
pub(super) fn regular<K: Kernel>(kernel: &K, asked: &Asked, stat: &Statx) -> SysResult<()> {
    const SEEK_CUR: i32 = 1;
    if asked.request != R::FIONREAD {
        return Err(Errno::ENOTTY);
    }
    let position = linux::descriptor::lseek(kernel, asked.file, 0, SEEK_CUR).to_bsd()?;
    let left = (stat.stx_size as i64).saturating_sub(position);
    asked.tell(kernel, left.clamp(0, i64::from(i32::MAX)) as i32)
}

/// A fifo is two sockets: the one for reading is asked first, and the one for writing, which has nothing to read, has
/// the last word.
pub(super) fn fifo<K: Kernel>(kernel: &K, asked: &Asked, writes: bool) -> SysResult<()> {
    match asked.request {
        R::FIONREAD if writes => asked.tell(kernel, 0),
        R::FIONREAD => {
            let waiting = asked.linux(kernel, number::FIONREAD, 0)?;
            asked.tell(kernel, waiting)
        }
        _ => Err(Errno::EOPNOTSUPP),
    }
}

/// A pipe.
pub(super) fn pipe<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    match asked.request {
        R::FIONREAD => {
            let waiting = asked.linux(kernel, number::FIONREAD, 0)?;
            asked.tell(kernel, waiting)
        }
        R::TIOCSPGRP => {
            let wanted = asked.int(kernel)?;
            owner::set(kernel, asked.file, wanted).map(|_| ())
        }
        // Kept as it was given: `F_GETOWN` turns the sign around.
        R::TIOCGPGRP => {
            let told = owner::get(kernel, asked.file)?.wrapping_neg();
            asked.tell(kernel, told)
        }
        _ => Err(Errno::ENOTTY),
    }
}

/// A socket.
pub(super) fn socket<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    const LINUX_SIOCATMARK: u32 = 0x8905;
    match asked.request {
        R::FIONREAD => {
            let waiting = asked.linux(kernel, number::FIONREAD, 0)?;
            asked.tell(kernel, waiting)
        }
        R::SIOCSPGRP => {
            let wanted = asked.int(kernel)?;
            owner::set(kernel, asked.file, wanted).map(|_| ())
        }
        R::SIOCGPGRP => {
            let told = owner::get(kernel, asked.file)?;
            asked.tell(kernel, told)
        }
        R::SIOCATMARK => {
            let at_mark = match asked.linux(kernel, LINUX_SIOCATMARK, 0) {
                // A kind of socket without urgent data.
                Err(Errno::ENOTTY | Errno::EINVAL | Errno::EOPNOTSUPP) => 0,
                other => other?,
            };
            asked.tell(kernel, at_mark)
        }
        _ => Err(Errno::EOPNOTSUPP),
    }
}
