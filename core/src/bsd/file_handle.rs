//! File handles of NFS servers (`bsd/nfs/nfs_syscalls.c`). No server runs here, and none could be started.

use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::{SysResult, UserPath};
use crate::user::{UserAddr, UserPtr};
use crate::vchroot::GuestPath;
use xnu_abi::darwin::Errno;

/// For the superuser alone.
pub(super) fn check_superuser<K: Kernel>(kernel: &K) -> SysResult<()> {
    if linux::process::geteuid(kernel).to_bsd()? == 0 { Ok(()) } else { Err(Errno::EPERM) }
}

/// `man 2 getfh`: `EPERM`, and for the superuser `EINVAL` where no server runs.
pub fn getfh<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    handle: UserPtr<i32>,
) -> SysResult<i32> {
    check_superuser(cx.kernel())?;
    GuestPath::new().read(cx.kernel(), path)?;
    handle.read(cx.kernel())?;
    Err(Errno::EINVAL)
}

/// `man 2 fhopen`: `EPERM`, and for the superuser `EINVAL` where no server runs.
pub fn fhopen<K: Kernel, L>(cx: &mut Context<'_, K, L>, _handle: UserAddr, _flags: i32) -> SysResult<i32> {
    check_superuser(cx.kernel())?;
    Err(Errno::EINVAL)
}
