//! Of the subsystems `task` and `thread_act`: threads that others begin, stop, interrupt and end (`osfmk/kern/thread.c`,
//! `osfmk/kern/thread_act.c`).

use super::{Call, Outcome};
use crate::host::Host;
use crate::task::ThreadId;
use crate::thread_state::ThreadState;
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::KernReturn;

/// Begins a thread of the caller's task, suspended; another task's has no host that could begin it.
fn begin<H: Host>(call: &Call<'_, H>) -> Result<ThreadId, KernReturn> {
    if call.task()? != call.caller.task {
        return Err(KernReturn::KERN_NOT_SUPPORTED);
    }
    call.engine.host.begin_thread(call.caller)
}

fn give<H: Host>(call: &mut Call<'_, H>, thread: ThreadId) -> Outcome {
    let right = call.enter(|state| {
        let port = state.threads.get(thread).ok_or(KernReturn::KERN_TERMINATED)?.self_port;
        Ok(state.made_send(port))
    })?;
    call.give_send(right)
}

pub(super) fn create<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let thread = begin(call)?;
    give(call, thread)
}

pub(super) fn create_running<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let flavor = call.word(0) as i32;
    let mut words = Vec::new();
    let room = words.try_reserve_exact(crate::thread_state::WORDS_MAX);
    room.map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
    words.extend(call.args.counted());
    // Nothing is begun that could not go on.
    ThreadState::default().set(flavor, &words)?;
    let thread = begin(call)?;
    let set = |of: &mut crate::task::Thread| Some(of.exchange.registers_mut()?.set(flavor, &words));
    let result = call.engine.with_stopped(call.caller, thread, set).and_then(|set| set);
    if let Err(error) = result {
        // Whatever becomes of it: nobody knows of it.
        let _ = call.engine.terminate(call.caller, thread);
        return Err(error);
    }
    give(call, thread)?;
    call.engine.resume(call.caller, thread)
}

/// Ends a thread that no C library made: that one ends its own (`thread_terminate_from_user`).
pub(super) fn terminate<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let thread = call.thread()?;
    if call.enter(|state| state.threads.get(thread).is_some_and(|of| of.is_pthread)) {
        return Err(KernReturn::KERN_DENIED);
    }
    call.engine.terminate(call.caller, thread)
}

pub(super) fn suspend<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let thread = call.thread()?;
    call.engine.suspend_and_wait(call.caller, thread)
}

pub(super) fn resume<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let thread = call.thread()?;
    call.engine.resume(call.caller, thread)
}

pub(super) fn abort<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let thread = call.thread()?;
    call.engine.abort(call.caller, thread, true)
}

/// The same for what can be begun anew; the wait for who handles an exception cannot.
pub(super) fn abort_safely<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let thread = call.thread()?;
    call.engine.abort(call.caller, thread, false)
}
