//! Users and groups, and randomness.

use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserAddr;
use xnu_abi::darwin::Errno;

/// `man 2 getuid`.
pub fn getuid<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    Ok(linux::process::getuid(cx.kernel()).to_bsd()? as u32)
}

/// `man 2 geteuid`.
pub fn geteuid<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    Ok(linux::process::geteuid(cx.kernel()).to_bsd()? as u32)
}

/// `man 2 getgid`.
pub fn getgid<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    Ok(linux::process::getgid(cx.kernel()).to_bsd()? as u32)
}

/// `man 2 getegid`.
pub fn getegid<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    Ok(linux::process::getegid(cx.kernel()).to_bsd()? as u32)
}

/// `man 2 issetugid`: whether the process got other rights from its executable file. A Mach-O file cannot get any
/// here, so what matters is what the runner itself was started with.
pub fn issetugid<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<i32> {
    let user = getuid(cx)? != geteuid(cx)?;
    let group = getgid(cx)? != getegid(cx)?;
    Ok(i32::from(user || group))
}

/// As many bytes as one call gives (`bsd/dev/random/randomdev.c`, `getentropy`).
const ENTROPY_MAX: usize = 256;

/// `man 2 getentropy`.
pub fn getentropy<K: Kernel, L>(cx: &mut Context<'_, K, L>, buf: UserAddr, length: usize) -> SysResult<()> {
    if length > ENTROPY_MAX {
        return Err(Errno::EINVAL);
    }
    let mut filled = 0;
    while filled < length {
        let rest = length.wrapping_sub(filled);
        match linux::process::getrandom(cx.kernel(), buf.checked_add(filled as u64)?, rest).to_bsd() {
            Ok(count) => filled = filled.wrapping_add(count),
            Err(Errno::EINTR) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(())
}
