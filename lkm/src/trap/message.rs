//! Traps that send, receive and wait: messages, vouchers, semaphores and timers.

use super::{Answer, In, InOut, code};
use crate::engine::Engine;
use crate::host::{Caller, Host};
use crate::message::{MachMsg, MachMsg2};
use xnu_abi::lkm::args::{
    MachMsgOverwriteArgs, MkTimerArmArgs, MkTimerCancelArgs, MkTimerDestroyArgs, SemaphoreSignalAllArgs,
    SemaphoreSignalArgs, SemaphoreTimedwaitArgs, SemaphoreTimedwaitSignalArgs, SemaphoreWaitArgs,
    SemaphoreWaitSignalArgs,
};
use xnu_abi::lkm::own_args::{
    ClockSleepArgs, HostCreateMachVoucherArgs, MachMsg2Args, MachVoucherExtractAttrRecipeArgs,
    SemaphoreSignalThreadArgs,
};

pub(super) fn mach_msg_overwrite<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MachMsgOverwriteArgs>,
) -> Answer {
    let call = MachMsg {
        address: args.msg,
        options: args.option,
        send_size: args.send_size,
        receive_size: args.recv_size,
        receive_name: args.rcv_name,
        timeout_ms: args.timeout,
        priority: args.notify,
        receive_address: args.rcv_msg,
    };
    Ok(engine.mach_msg(caller, &call).number() as isize)
}

pub(super) fn mach_msg2<H: Host>(engine: &Engine<H>, caller: Caller, In(args): In<MachMsg2Args>) -> Answer {
    let call = MachMsg2 {
        address: args.data,
        options: args.options,
        bits_and_send_size: args.bits_and_send_size,
        remote_and_local: args.remote_and_local_port,
        voucher_and_id: args.voucher_and_id,
        descriptors_and_receive_name: args.desc_count_and_rcv_name,
        receive_size_and_priority: args.rcv_size_and_priority,
        timeout_ms: args.timeout as u32,
    };
    Ok(engine.mach_msg2(caller, &call).number() as isize)
}

pub(super) fn semaphore_signal_thread<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<SemaphoreSignalThreadArgs>,
) -> Answer {
    Ok(code(engine.semaphore_signal_thread(caller, args.signal, args.thread)))
}

pub(super) fn semaphore_signal<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<SemaphoreSignalArgs>,
) -> Answer {
    Ok(code(engine.semaphore_signal(caller, args.signal)))
}

pub(super) fn semaphore_signal_all<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<SemaphoreSignalAllArgs>,
) -> Answer {
    Ok(code(engine.semaphore_signal_all(caller, args.signal)))
}

pub(super) fn semaphore_wait<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<SemaphoreWaitArgs>,
) -> Answer {
    // The module names the field so, though it is the semaphore to wait at.
    Ok(code(engine.semaphore_wait(caller, args.signal, None, None)))
}

pub(super) fn semaphore_wait_signal<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<SemaphoreWaitSignalArgs>,
) -> Answer {
    Ok(code(engine.semaphore_wait(caller, args.wait, Some(args.signal), None)))
}

pub(super) fn semaphore_timedwait_signal<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<SemaphoreTimedwaitSignalArgs>,
) -> Answer {
    let time = (args.sec, args.nsec as i32);
    Ok(code(engine.semaphore_wait(caller, args.wait, Some(args.signal), Some(time))))
}

pub(super) fn semaphore_timedwait<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<SemaphoreTimedwaitArgs>,
) -> Answer {
    let time = (args.sec, args.nsec as i32);
    Ok(code(engine.semaphore_wait(caller, args.wait, None, Some(time))))
}

pub(super) fn mk_timer_arm<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MkTimerArmArgs>,
) -> Answer {
    Ok(code(engine.mk_timer_arm(caller, args.timer_port, args.expire_time)))
}

pub(super) fn mk_timer_cancel<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MkTimerCancelArgs>,
) -> Answer {
    Ok(code(engine.mk_timer_cancel(caller, args.timer_port, args.result_time).map(|_| ())))
}

pub(super) fn mk_timer_destroy<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MkTimerDestroyArgs>,
) -> Answer {
    Ok(code(engine.mk_timer_destroy(caller, args.timer_port)))
}

pub(super) fn clock_sleep<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    InOut(mut at, args): InOut<'_, ClockSleepArgs>,
) -> Answer {
    let (result, wakes) = engine.clock_sleep(caller, args.clock, args.kind, (args.sec, args.nsec));
    if let Some((sec, nsec)) = wakes {
        at.put(engine, caller, 0, &ClockSleepArgs { sec: sec as i32, nsec, ..args })?;
    }
    Ok(code(result))
}

pub(super) fn host_create_mach_voucher<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<HostCreateMachVoucherArgs>,
) -> Answer {
    let recipes = (args.recipes, args.recipes_size);
    Ok(code(engine.host_create_mach_voucher(caller, args.host, recipes, args.voucher)))
}

pub(super) fn mach_voucher_extract_attr_recipe<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MachVoucherExtractAttrRecipeArgs>,
) -> Answer {
    let recipe = (args.recipe, args.recipe_size);
    Ok(code(engine.mach_voucher_extract_attr_recipe(caller, args.voucher_name, args.key, recipe)))
}
