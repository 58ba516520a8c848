//! The subsystem `mach_port`, where names and numbers are enough (`osfmk/ipc/mach_port.c`).

use super::layout::Value;
use super::{Call, Outcome};
use crate::host::Host;
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach_port::{PortFlavor, PortRight};
use zerocopy::IntoBytes;

/// Words of any flavour at most, and bytes of a trailer.
const ATTRIBUTES_MAX: u32 = 17;
const TRAILER_MAX: u32 = 68;

const SHORTAGE: KernReturn = KernReturn::KERN_RESOURCE_SHORTAGE;

impl<H: Host> Call<'_, H> {
    fn right(&self, at: usize) -> PortRight {
        PortRight::new(self.word(at))
    }

    fn words(&self) -> Result<Vec<u32>, KernReturn> {
        let mut words = Vec::new();
        words.try_reserve_exact(ATTRIBUTES_MAX as usize).map_err(|_| SHORTAGE)?;
        words.extend(self.args.counted());
        Ok(words)
    }
}

pub(super) fn names<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let space = call.space()?;
    let all = call.engine.mach_port_names(call.caller, space)?;
    let (mut names, mut kinds) = (Vec::new(), Vec::new());
    names.try_reserve_exact(all.len()).map_err(|_| SHORTAGE)?;
    kinds.try_reserve_exact(all.len()).map_err(|_| SHORTAGE)?;
    for (name, kind) in all {
        names.push(name);
        kinds.push(kind.bits());
    }
    call.give_memory(&names)?;
    call.give_memory(&kinds)
}

pub(super) fn kinds<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let kinds = call.engine.mach_port_type(call.caller, call.space()?, call.word(0))?;
    call.give_word(kinds.bits())
}

pub(super) fn allocate_name<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (space, right, name) = (call.space()?, call.right(0), call.word(1));
    call.engine.mach_port_allocate(call.caller, space, right, Some(name)).map(|_| ())
}

pub(super) fn allocate<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let name = call.engine.mach_port_allocate(call.caller, call.space()?, call.right(0), None)?;
    call.give_word(name)
}

pub(super) fn destroy<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    call.engine.mach_port_destroy(call.caller, call.space()?, call.word(0))
}

pub(super) fn deallocate<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    call.engine.mach_port_deallocate(call.caller, call.space()?, call.word(0))
}

pub(super) fn get_refs<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let refs = call.engine.mach_port_get_refs(call.caller, call.space()?, call.word(0), call.right(1))?;
    call.give_word(refs)
}

pub(super) fn mod_refs<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (space, name, right, delta) = (call.space()?, call.word(0), call.right(1), call.word(2) as i32);
    call.engine.mach_port_mod_refs(call.caller, space, name, right, delta)
}

pub(super) fn peek<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let room = call.word(3).min(TRAILER_MAX);
    let (space, name, kind, seqno) = (call.space()?, call.word(0), call.word(1), call.word(2));
    let peeked = call.engine.mach_port_peek(call.caller, space, name, kind, seqno, room)?;
    let mut trailer = Vec::new();
    trailer.try_reserve_exact(TRAILER_MAX as usize).map_err(|_| SHORTAGE)?;
    let size = peeked.trailer_size as usize;
    trailer.extend_from_slice(peeked.trailer.as_bytes().get(..size).unwrap_or_default());
    call.give_word(peeked.seqno)?;
    call.give_word(peeked.size)?;
    call.give_word(peeked.id as u32)?;
    call.give(Value::Bytes(trailer))
}

pub(super) fn set_mscount<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    call.engine.mach_port_set_mscount(call.caller, call.space()?, call.word(0), call.word(1))
}

pub(super) fn set_seqno<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    call.engine.mach_port_set_seqno(call.caller, call.space()?, call.word(0), call.word(1))
}

pub(super) fn get_set_status<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let names = call.engine.mach_port_get_set_status(call.caller, call.space()?, call.word(0))?;
    call.give_memory(&names)
}

pub(super) fn move_member<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    call.engine.mach_port_move_member(call.caller, call.space()?, call.word(0), call.word(1))
}

pub(super) fn insert_member<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    call.engine.mach_port_insert_member(call.caller, call.space()?, call.word(0), call.word(1))
}

pub(super) fn extract_member<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    call.engine.mach_port_extract_member(call.caller, call.space()?, call.word(0), call.word(1))
}

pub(super) fn get_attributes<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (space, name, flavor) = (call.space()?, call.word(0), PortFlavor::new(call.word(1) as i32));
    let room = call.word(2).min(ATTRIBUTES_MAX);
    let words = call.engine.mach_port_get_attributes(call.caller, space, name, flavor, room)?;
    call.give(Value::Words(words))
}

pub(super) fn set_attributes<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (space, name, flavor) = (call.space()?, call.word(0), PortFlavor::new(call.word(1) as i32));
    let words = call.words()?;
    call.engine.mach_port_set_attributes(call.caller, space, name, flavor, &words)
}

pub(super) fn assert_attributes<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (space, name, flavor) = (call.space()?, call.word(0), PortFlavor::new(call.word(1) as i32));
    let words = call.words()?;
    call.engine.mach_port_assert_attributes(call.caller, space, name, flavor, &words)
}

pub(super) fn get_srights<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (space, name) = (call.space()?, call.word(0));
    let srights = call.enter(|state| {
        if !crate::mach_port::is_valid(name) {
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        let port = state.receive_right(space, name)?;
        Ok(state.ports.at(port).srights)
    })?;
    call.give_word(srights)
}

pub(super) fn get_context<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let context = call.engine.mach_port_get_context(call.caller, call.space()?, call.word(0))?;
    call.give(Value::Long(context))
}

pub(super) fn set_context<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    call.engine.mach_port_set_context(call.caller, call.space()?, call.word(0), call.long(1))
}
