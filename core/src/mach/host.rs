//! The host, and what its paging files once were (`osfmk/kern/ipc_host.c`, `bsd/vm/dp_backing_file.c`).

use super::name;
use crate::bsd::credentials;
use crate::kernel::Kernel;
use crate::lkm::Lkm;
use crate::process::Context;
use crate::table::SysResult;
use xnu_abi::darwin::Errno;
use xnu_abi::lkm::Trap;

/// `host_self_trap`: a send right to the host.
pub fn host_self<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    Ok(name(cx.lkm(), Trap::HostSelfTrap))
}

/// A BSD error in place of a `kern_return_t`.
fn errno(errno: Errno) -> SysResult<i32> {
    Ok(i32::from(errno.number()))
}

/// `macx_swapon`: paging files are the kernel's own.
pub fn swap_on<K, L>(_: &mut Context<'_, K, L>, _: u64, _: i32, _: i32, _: i32) -> SysResult<i32> {
    errno(Errno::ENOTSUP)
}

/// `macx_swapoff`.
pub fn swap_off<K, L>(_: &mut Context<'_, K, L>, _: u64, _: i32) -> SysResult<i32> {
    errno(Errno::ENOTSUP)
}

/// `macx_backing_store_suspend`, `macx_backing_store_recovery`.
pub fn backing_store<K, L>(_: &mut Context<'_, K, L>, _: i32) -> SysResult<i32> {
    errno(Errno::ENOTSUP)
}

/// `macx_triggers`: the superuser may switch the compaction of swap space, which Linux does not have.
pub fn triggers<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    _: i32,
    _: i32,
    flags: i32,
    _: u32,
) -> SysResult<i32> {
    const SWAP_COMPACT: i32 = 0x10 | 0x20;
    if flags & SWAP_COMPACT == 0 {
        return errno(Errno::ENOTSUP);
    }
    credentials::superuser(cx.kernel()).map_or_else(errno, |()| Ok(0))
}
