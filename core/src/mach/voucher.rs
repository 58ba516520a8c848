//! Vouchers (`osfmk/ipc/mach_kernelrpc.c`): there are none, so what is asked of one is asked of no voucher.

use super::{ELSEWHERE, kern, result};
use crate::kernel::Kernel;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::kern_return::{KernReturn, MigReturn};

/// Bytes of recipes at most.
const RECIPES_MAX: u32 = 5120;

const TOO_LARGE: KernReturn = KernReturn::new(MigReturn::MIG_ARRAY_TOO_LARGE.number());

/// `host_create_mach_voucher_trap`.
pub fn create<K, L>(
    _: &mut Context<'_, K, L>,
    _: u32,
    _: UserAddr,
    size: i32,
    _: UserAddr,
) -> SysResult<i32> {
    kern(match u32::try_from(size) {
        Err(_) => KernReturn::KERN_INVALID_ARGUMENT,
        Ok(size) if size > RECIPES_MAX => TOO_LARGE,
        Ok(_) => KernReturn::KERN_NOT_SUPPORTED,
    })
}

/// `mach_voucher_extract_attr_recipe_trap`.
pub fn extract<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    _: u32,
    _: u32,
    _: UserAddr,
    size: UserPtr<u32>,
) -> SysResult<i32> {
    result(match size.read(cx.kernel()) {
        Err(_) => Err(KernReturn::KERN_MEMORY_ERROR),
        Ok(size) if size > RECIPES_MAX => Err(TOO_LARGE),
        Ok(_) => Err(ELSEWHERE),
    })
}
