//! The subsystem `mach_voucher` (`osfmk/mach/mach_voucher.defs`): what a voucher holds.

use super::layout::Value;
use super::{Call, Outcome};
use crate::host::Host;
use crate::port::Object;
use crate::voucher::{CONTENT_MAX, RECIPES_MAX, VoucherId};
use xnu_abi::darwin::kern_return::KernReturn;

const INVALID: KernReturn = KernReturn::KERN_INVALID_ARGUMENT;

impl<H: Host> Call<'_, H> {
    fn voucher(&self) -> Result<VoucherId, KernReturn> {
        let Object::Voucher(voucher) = self.object else { return Err(INVALID) };
        let lives = self.enter(|state| state.vouchers.get(voucher).is_some());
        if lives { Ok(voucher) } else { Err(INVALID) }
    }
}

pub(super) fn extract_attr_content<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (voucher, key, room) = (call.voucher()?, call.word(0), call.word(1).min(CONTENT_MAX));
    let content = call.enter(|state| state.voucher_content(voucher, key, room))?;
    call.give(Value::Bytes(content))
}

pub(super) fn extract_attr_recipe<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (voucher, key, room) = (call.voucher()?, call.word(0), call.word(1).min(CONTENT_MAX));
    let recipe = call.enter(|state| state.voucher_recipes(voucher, Some(key), room))?;
    call.give(Value::Bytes(recipe))
}

pub(super) fn extract_all_attr_recipes<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (voucher, room) = (call.voucher()?, call.word(0).min(RECIPES_MAX));
    let recipes = call.enter(|state| state.voucher_recipes(voucher, None, room))?;
    call.give(Value::Bytes(recipes))
}
