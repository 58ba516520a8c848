//! The subsystem `mach_port`, where rights travel, and guards (`osfmk/ipc/mach_port.c`).

use super::layout::Value;
use super::{Call, Outcome};
use crate::host::Host;
use crate::kmsg::Descriptor;
use crate::mach_port::is_valid;
use crate::port::PortRef;
use crate::slab::Id;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach_message::MsgType;
use xnu_abi::darwin::mach_port::{MachPortOptions, NotifyId, PortGuardFlags, PortOptions};

/// Bytes of `mach_port_options_t`.
const OPTIONS_SIZE: usize = 24;

pub(super) fn request_notification<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (space, name, sync) = (call.space()?, call.word(0), call.word(2));
    let id = NotifyId::new(call.word(1) as i32);
    let (right, kind) = call.take_port(3);
    match call.enter(|state| state.request_notification(space, name, id, sync, right)) {
        Ok(previous) => {
            let right = if previous.is_none() { PortRef::Null } else { PortRef::Port(previous) };
            call.give(Value::Port(right, kind))
        }
        Err(error) => {
            put_back(call, 3, right);
            Err(error)
        }
    }
}

/// A right that was refused is still the message's, and dies with it.
fn put_back<H: Host>(call: &mut Call<'_, H>, at: usize, back: PortRef) {
    if let Some(Descriptor::Port { right, .. }) = call.args.descriptor_mut(at) {
        *right = back;
    }
}

pub(super) fn insert_right<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (space, name) = (call.space()?, call.word(0));
    let (right, kind) = call.take_port(1);
    let result = call.enter(|state| state.insert_right(space, name, right, kind));
    if result.is_err() {
        put_back(call, 1, right);
    }
    result
}

pub(super) fn extract_right<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (space, name, disposition) = (call.space()?, call.word(0), MsgType::new(call.word(1)));
    if !crate::copy::is_disposition(disposition) {
        return Err(KernReturn::KERN_INVALID_VALUE);
    }
    if !is_valid(name) {
        return Err(KernReturn::KERN_INVALID_RIGHT);
    }
    let right = call.enter(|state| state.copy_in(space, name, disposition, None))?;
    call.give(Value::Port(right, crate::copy::kind_of(disposition)))
}

pub(super) fn construct<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (space, context) = (call.space()?, call.long(1));
    let region = match call.args.descriptor_mut(0) {
        Some(Descriptor::Memory { region, .. }) => Id::from_bits(*region),
        _ => Id::NONE,
    };
    let region = call.enter(|state| state.regions.get_mut(region).and_then(Option::take));
    let mut bytes = [0; OPTIONS_SIZE];
    let read = region.is_some_and(|region| call.engine.host.read_region(&region, &mut bytes).is_ok());
    if !read {
        return Err(KernReturn::KERN_INVALID_ARGUMENT);
    }
    let mut words = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
    let flags = PortOptions::from_bits_retain(words.next().unwrap_or(0));
    let options = MachPortOptions { flags, mpl: words.next().unwrap_or(0) };
    let service = words.next().unwrap_or(0);
    let name = call.engine.mach_port_construct(call.caller, space, options, service, context)?;
    call.give_word(name)
}

pub(super) fn destruct<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (space, name, srdelta, guard) = (call.space()?, call.word(0), call.word(1) as i32, call.long(2));
    call.engine.mach_port_destruct(call.caller, space, name, srdelta, guard)
}

pub(super) fn guard<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let mut flags = PortGuardFlags::empty();
    flags.set(PortGuardFlags::MPG_STRICT, call.word(2) != 0);
    call.engine.mach_port_guard(call.caller, call.space()?, call.word(0), call.long(1), flags)
}

pub(super) fn guard_with_flags<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let flags = PortGuardFlags::from_bits_retain(call.long(2));
    call.engine.mach_port_guard(call.caller, call.space()?, call.word(0), call.long(1), flags)
}

pub(super) fn unguard<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    call.engine.mach_port_unguard(call.caller, call.space()?, call.word(0), call.long(1))
}

pub(super) fn swap_guard<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    call.engine.mach_port_swap_guard(call.caller, call.space()?, call.word(0), call.long(1), call.long(2))
}
