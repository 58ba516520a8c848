//! Of the subsystems `task` and `thread_act`: exception ports and registers (`osfmk/kern/ipc_tt.c`,
//! `osfmk/kern/thread_act.c`).
//!
//! Differs from XNU: no task is protected from who has its control port, so handlers may be of any kind for all. Who asks to
//! be told of corpses never is: none is made. No thread has watchpoints.

use super::layout::Value;
use super::{Call, Outcome};
use crate::exception::{Action, EXCEPTIONS};
use crate::host::Host;
use crate::port::{PortId, PortRef, Receiver};
use crate::slab::Id;
use crate::state::State;
use crate::task::{self, TaskId, ThreadId};
use crate::thread_state::{ThreadState, is_flavor};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use xnu_abi::darwin::exception::{
    EXC_MASK_ALL, EXC_MASK_CORPSE_NOTIFY, EXC_MASK_CRASH, ExceptionBehavior,
    MACH_EXCEPTION_BACKTRACE_PREFERRED, MACH_EXCEPTION_CODES, MACH_EXCEPTION_MASK,
};
use xnu_abi::darwin::kern_return::KernReturn;

const INVALID: KernReturn = KernReturn::KERN_INVALID_ARGUMENT;
const SHORTAGE: KernReturn = KernReturn::KERN_RESOURCE_SHORTAGE;

const MASK_VALID: u32 = EXC_MASK_ALL | EXC_MASK_CRASH | EXC_MASK_CORPSE_NOTIFY;

/// Whose handlers are meant.
#[derive(Clone, Copy)]
enum Whose {
    Task(TaskId),
    Thread(ThreadId),
}

/// What a set of handlers is told as: masks, ports, behaviours and flavours.
#[derive(Default)]
struct Told {
    masks: Vec<u32>,
    ports: Vec<PortRef>,
    behaviors: Vec<u32>,
    flavors: Vec<u32>,
}

/// The kinds of exceptions in a mask.
fn kinds(mask: u32) -> impl Iterator<Item = usize> {
    (1..EXCEPTIONS).filter(move |kind| mask & 1 << kind != 0)
}

impl<R> State<R> {
    fn actions(&mut self, whose: Whose) -> Option<&mut [Action; EXCEPTIONS]> {
        match whose {
            Whose::Task(task) => Some(&mut self.tasks.get_mut(task)?.exceptions),
            Whose::Thread(thread) => self.threads.get_mut(thread)?.exceptions.as_mut(),
        }
    }

    /// The handlers of these kinds; those that are alike are told once.
    fn actions_tell(&mut self, whose: Whose, mask: u32) -> Result<Told, KernReturn> {
        let mut told = Told::default();
        let Some(actions) = self.actions(whose).copied() else { return Ok(told) };
        for list in [&mut told.masks, &mut told.behaviors, &mut told.flavors] {
            list.try_reserve_exact(EXCEPTIONS).map_err(|_| SHORTAGE)?;
        }
        told.ports.try_reserve_exact(EXCEPTIONS).map_err(|_| SHORTAGE)?;
        let mut different: [Action; EXCEPTIONS] = [Action::NONE; EXCEPTIONS];
        for kind in kinds(mask) {
            let Some(action) = actions.get(kind).copied() else { continue };
            let known = different.iter().take(told.masks.len()).position(|other| *other == action);
            if let Some(mask) = known.and_then(|at| told.masks.get_mut(at)) {
                *mask |= 1 << kind;
                continue;
            }
            if let Some(place) = different.get_mut(told.masks.len()) {
                *place = action;
            }
            told.masks.push(1 << kind);
            told.ports.push(self.copy_kept(action.port));
            told.behaviors.push(action.behavior);
            told.flavors.push(action.flavor);
        }
        Ok(told)
    }

    /// Sets the handler of these kinds, and uses up the right.
    fn actions_set(&mut self, whose: Whose, mask: u32, right: PortRef, behavior: u32, flavor: u32) {
        let port = right.port().unwrap_or(Id::NONE);
        if let Whose::Thread(thread) = whose
            && let Some(of) = self.threads.get_mut(thread)
        {
            of.exceptions.get_or_insert([Action::NONE; EXCEPTIONS]);
        }
        for kind in kinds(mask) {
            let new = Action { port, behavior, flavor };
            let Some(place) = self.actions(whose).and_then(|actions| actions.get_mut(kind)) else { break };
            let old = core::mem::replace(place, new);
            if !port.is_none() {
                self.copy_send(port);
            }
            if !old.port.is_none() {
                self.release_send(old.port);
            }
        }
        if !port.is_none() {
            self.release_send(port);
        }
    }

    /// Whether a right may be a handler's: one whose receiver may change.
    fn may_handle(&self, port: PortId) -> bool {
        let of = self.ports.at(port);
        !of.active || of.receiver == Receiver::Engine || !of.immovable_receive && !of.special_reply
    }
}

fn whose_task<H: Host>(call: &Call<'_, H>) -> Result<Whose, KernReturn> {
    call.task().map(Whose::Task)
}

fn whose_thread<H: Host>(call: &Call<'_, H>) -> Result<Whose, KernReturn> {
    call.thread().map(Whose::Thread)
}

/// Sets handlers (`set_exception_ports_validation`); answers those of before where that is wanted.
fn set<H: Host>(call: &mut Call<'_, H>, whose: Whose, swaps: bool) -> Outcome {
    let (mask, behavior, flavor) = (call.word(0), call.word(2), call.word(3));
    if mask & !MASK_VALID != 0 {
        return Err(INVALID);
    }
    let right = match call.args.descriptor_mut(1) {
        Some(crate::kmsg::Descriptor::Port { right, .. }) => *right,
        _ => PortRef::Null,
    };
    let base = ExceptionBehavior::new(behavior & !MACH_EXCEPTION_MASK);
    if let PortRef::Port(port) = right {
        let first = ExceptionBehavior::EXCEPTION_DEFAULT.number();
        let last = ExceptionBehavior::EXCEPTION_STATE_IDENTITY_PROTECTED.number();
        if !(first..=last).contains(&base.number()) {
            return Err(INVALID);
        }
        if !call.enter(|state| state.may_handle(port)) {
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
    }
    let protected = base == ExceptionBehavior::EXCEPTION_IDENTITY_PROTECTED;
    if flavor != 0 && !is_flavor(flavor as i32)
        || (protected || behavior & MACH_EXCEPTION_BACKTRACE_PREFERRED != 0)
            && behavior & MACH_EXCEPTION_CODES == 0
    {
        return Err(INVALID);
    }
    if right.port().is_some() {
        call.engine.exceptions.store(true, Ordering::Relaxed);
    }
    if swaps {
        let before = call.enter(|state| {
            if let Whose::Thread(thread) = whose
                && let Some(of) = state.threads.get_mut(thread)
            {
                of.exceptions.get_or_insert([Action::NONE; EXCEPTIONS]);
            }
            state.actions_tell(whose, mask)
        })?;
        tell(call, before)?;
    }
    let (right, _) = call.take_port(1);
    call.enter(|state| state.actions_set(whose, mask, right, behavior, flavor));
    Ok(())
}

fn tell<H: Host>(call: &mut Call<'_, H>, told: Told) -> Outcome {
    call.give(Value::Words(told.masks))?;
    call.give(Value::Handlers(told.ports))?;
    call.give(Value::Words(told.behaviors))?;
    call.give(Value::Words(told.flavors))
}

fn get<H: Host>(call: &mut Call<'_, H>, whose: Whose) -> Outcome {
    let mask = call.word(0);
    if mask & !MASK_VALID != 0 {
        return Err(INVALID);
    }
    let told = call.enter(|state| state.actions_tell(whose, mask))?;
    tell(call, told)
}

/// What a port is called where it has no name: the same for the same port and nothing else.
fn object_number<T>(object: Id<T>) -> u32 {
    (object.to_bits() as u32).wrapping_add(1).wrapping_mul(0x9e37_79b1) ^ (object.to_bits() >> 32) as u32
}

/// The handlers, without rights: of each port its object's number and its receiver's, hashed addresses in XNU
/// (`exception_handler_info_array_t`).
fn get_info<H: Host>(call: &mut Call<'_, H>, whose: Whose) -> Outcome {
    let mask = call.word(0);
    if mask & !MASK_VALID != 0 {
        return Err(INVALID);
    }
    let (told, info) = call.enter(|state| {
        let mut told = state.actions_tell(whose, mask)?;
        let mut info = Vec::new();
        let room = info.try_reserve_exact(told.ports.len() * 2);
        for right in core::mem::take(&mut told.ports) {
            let PortRef::Port(port) = right else {
                if room.is_ok() {
                    info.extend([0; 2]);
                }
                continue;
            };
            let receiver = match state.ports.at(port).receiver {
                Receiver::Task(task, _) => object_number(task),
                _ => 0,
            };
            if room.is_ok() {
                info.extend([object_number(port), receiver]);
            }
            state.release_send(port);
        }
        room.map_err(|_| SHORTAGE)?;
        Ok((told, info))
    })?;
    call.give(Value::Words(told.masks))?;
    call.give(Value::Words(info))?;
    call.give(Value::Words(told.behaviors))?;
    call.give(Value::Words(told.flavors))
}

pub(super) fn task_get_info<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let whose = whose_task(call)?;
    get_info(call, whose)
}

pub(super) fn thread_get_info<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let whose = whose_thread(call)?;
    get_info(call, whose)
}

pub(super) fn task_set<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let whose = whose_task(call)?;
    set(call, whose, false)
}

pub(super) fn task_get<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let whose = whose_task(call)?;
    get(call, whose)
}

pub(super) fn task_swap<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let whose = whose_task(call)?;
    set(call, whose, true)
}

pub(super) fn thread_set<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let whose = whose_thread(call)?;
    set(call, whose, false)
}

pub(super) fn thread_get<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let whose = whose_thread(call)?;
    get(call, whose)
}

pub(super) fn thread_swap<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let whose = whose_thread(call)?;
    set(call, whose, true)
}

/// No task's handlers are frozen, without which no thread of it adopts the hardened one.
pub(super) fn thread_adopt<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    call.thread()?;
    Err(KernReturn::KERN_DENIED)
}

/// The registers of a thread: the caller's own, or those that the engine keeps, for which the thread may have to stop.
fn registers<H: Host>(call: &Call<'_, H>, thread: ThreadId) -> Result<ThreadState, KernReturn> {
    let mut own = ThreadState::default();
    if thread == call.caller.thread && call.engine.host.registers(thread, &mut own) {
        return Ok(own);
    }
    call.engine.with_stopped(call.caller, thread, |of| of.exchange.registers().cloned())
}

pub(super) fn get_state<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let thread = call.thread()?;
    let (flavor, room) = (call.word(0) as i32, call.word(1));
    let words = registers(call, thread)?.get(flavor, room)?;
    call.give(Value::Words(words))
}

/// The same for threads other than the caller.
pub(super) fn get_others<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    if call.thread()? == call.caller.thread { Err(INVALID) } else { get_state(call) }
}

pub(super) fn set_others<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    if call.thread()? == call.caller.thread { Err(INVALID) } else { set_state(call) }
}

pub(super) fn set_state<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let thread = call.thread()?;
    let flavor = call.word(0) as i32;
    let mut words = Vec::new();
    words.try_reserve_exact(crate::thread_state::WORDS_MAX).map_err(|_| SHORTAGE)?;
    words.extend(call.args.counted());
    let mut own = ThreadState::default();
    if thread == call.caller.thread && call.engine.host.registers(thread, &mut own) {
        own.set(flavor, &words)?;
        let done = call.engine.host.set_registers(thread, &own);
        return if done { Ok(()) } else { Err(KernReturn::KERN_FAILURE) };
    }
    let set = |of: &mut task::Thread| Some(of.exchange.registers_mut()?.set(flavor, &words));
    call.engine.with_stopped(call.caller, thread, set)?
}
