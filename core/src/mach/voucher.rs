//! Vouchers (`osfmk/ipc/mach_kernelrpc.c`), which are ports: the server of ports has them.

use super::serve;
use crate::lkm::Lkm;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::lkm::Trap;
use xnu_abi::lkm::own_args::{HostCreateMachVoucherArgs, MachVoucherExtractAttrRecipeArgs};

/// `host_create_mach_voucher_trap`: a voucher made by recipes, none by no recipes.
pub fn create<K, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    host: u32,
    recipes: UserAddr,
    recipes_size: i32,
    voucher: UserAddr,
) -> SysResult<i32> {
    let (recipes, voucher) = (recipes.get(), voucher.get());
    let args = HostCreateMachVoucherArgs { host, recipes, recipes_size, voucher };
    serve(cx.lkm(), Trap::HostCreateMachVoucherTrap, args)
}

/// `mach_voucher_extract_attr_recipe_trap`: the recipe that makes a voucher's value of a key.
pub fn extract<K, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    voucher_name: u32,
    key: u32,
    recipe: UserAddr,
    recipe_size: UserPtr<u32>,
) -> SysResult<i32> {
    let (recipe, recipe_size) = (recipe.get(), recipe_size.address().get());
    let args = MachVoucherExtractAttrRecipeArgs { voucher_name, key, recipe, recipe_size };
    serve(cx.lkm(), Trap::MachVoucherExtractAttrRecipeTrap, args)
}
