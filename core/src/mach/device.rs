//! IOKit and exclaves (`iokit/Kernel/IOUserClient.cpp`, `osfmk/kern/exclaves.c`).

use super::kern;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserAddr;
use xnu_abi::darwin::kern_return::KernReturn;

/// `kIOReturnBadArgument` (`iokit/IOKit/IOReturn.h`).
const BAD_ARGUMENT: i32 = 0xe000_02c2_u32 as i32;

/// `iokit_user_client_trap`: what XNU answers to a name of no connection, and there is none.
#[allow(clippy::too_many_arguments)]
pub fn iokit_user_client<K, L>(
    _: &mut Context<'_, K, L>,
    _: UserAddr,
    _: u32,
    _: UserAddr,
    _: UserAddr,
    _: UserAddr,
    _: UserAddr,
    _: UserAddr,
    _: UserAddr,
) -> SysResult<i32> {
    Ok(BAD_ARGUMENT)
}

/// `_exclaves_ctl_trap`: no Intel Mac has exclaves.
#[allow(clippy::too_many_arguments)]
pub fn exclaves_ctl<K, L>(
    _: &mut Context<'_, K, L>,
    _: u32,
    _: u32,
    _: u64,
    _: u64,
    _: u64,
    _: u64,
    _: u64,
    _: u64,
) -> SysResult<i32> {
    kern(KernReturn::KERN_NOT_SUPPORTED)
}
