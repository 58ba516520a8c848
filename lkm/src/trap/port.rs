//! Traps on names of rights (`osfmk/ipc/mach_kernelrpc.c`).
//!
//! They serve the caller's own names. Of another task, and where the traps do not serve the call at all, they answer
//! `MACH_SEND_INVALID_DEST`, after which a program sends a message to the task.

use super::{Answer, In, code};
use crate::engine::Engine;
use crate::host::{Caller, Host};
use crate::mach_port::is_valid;
use crate::port::{Object, Port};
use crate::right::SEND;
use xnu_abi::darwin::kern_return::{KernReturn, MachMsgReturn};
use xnu_abi::darwin::mach_message::MsgType;
use xnu_abi::darwin::mach_port::{
    MachPortOptions, NotifyId, PortFlavor, PortGuardFlags, PortOptions, PortRight,
};
use xnu_abi::linux::Errno;
use xnu_abi::lkm::args::{
    MachPortAllocateArgs, MachPortConstructArgs, MachPortDeallocateArgs, MachPortDestroyArgs,
    MachPortDestructArgs, MachPortExtractMemberArgs, MachPortGetAttributesArgs, MachPortGuardArgs,
    MachPortInsertMemberArgs, MachPortInsertRightArgs, MachPortModRefsArgs, MachPortMoveMemberArgs,
    MachPortRequestNotificationArgs, MachPortTypeArgs, MachPortUnguardArgs,
};

const ELSEWHERE: Answer = Ok(MachMsgReturn::MACH_SEND_INVALID_DEST.number() as isize);

/// Words of any flavour at most.
const ATTRIBUTES_MAX: u32 = 17;

impl<H: Host> Engine<H> {
    /// Whether a name is that of the caller's own task (`port_name_to_current_task_noref`).
    pub(super) fn is_own(&self, caller: Caller, name: u32) -> bool {
        self.enter(caller, |state| {
            let port = state.port_right(caller.task, name, SEND);
            matches!(
                port.map(|port| state.ports.at(port)),
                Ok(Port { active: true, object: Object::Task(task), .. }) if *task == caller.task
            )
        })
    }

    /// Does something with the caller's names; what it made goes to an address.
    fn on_own<T: zerocopy::IntoBytes + zerocopy::Immutable>(
        &self,
        caller: Caller,
        target: u32,
        to: u64,
        work: impl FnOnce() -> Result<T, KernReturn>,
    ) -> Answer {
        if !self.is_own(caller, target) {
            return ELSEWHERE;
        }
        match work() {
            Ok(value) => {
                self.give(caller, to, &value)?;
                Ok(0)
            }
            Err(error) => Ok(code(Err(error))),
        }
    }

    fn on_own_only(
        &self,
        caller: Caller,
        target: u32,
        work: impl FnOnce() -> Result<(), KernReturn>,
    ) -> Answer {
        if self.is_own(caller, target) { Ok(code(work())) } else { ELSEWHERE }
    }
}

pub(super) fn mod_refs<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MachPortModRefsArgs>,
) -> Answer {
    engine.on_own_only(caller, args.task_right_name, || {
        let right = PortRight::new(args.right_type as u32);
        engine.mach_port_mod_refs(caller, caller.task, args.port_right_name, right, args.delta)
    })
}

pub(super) fn allocate<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MachPortAllocateArgs>,
) -> Answer {
    engine.on_own(caller, args.task_right_name, args.out_right_name, || {
        engine.mach_port_allocate(caller, caller.task, PortRight::new(args.right_type as u32), None)
    })
}

pub(super) fn deallocate<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MachPortDeallocateArgs>,
) -> Answer {
    engine.on_own_only(caller, args.task_right_name, || {
        engine.mach_port_deallocate(caller, caller.task, args.port_right_name)
    })
}

pub(super) fn destroy<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MachPortDestroyArgs>,
) -> Answer {
    engine.on_own_only(caller, args.task_right_name, || {
        engine.mach_port_destroy(caller, caller.task, args.port_right_name)
    })
}

pub(super) fn move_member<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MachPortMoveMemberArgs>,
) -> Answer {
    engine.on_own_only(caller, args.task_right_name, || {
        engine.mach_port_move_member(caller, caller.task, args.port_right_name, args.pset_right_name)
    })
}

pub(super) fn insert_member<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MachPortInsertMemberArgs>,
) -> Answer {
    engine.on_own_only(caller, args.task_right_name, || {
        engine.mach_port_insert_member(caller, caller.task, args.port_right_name, args.pset_right_name)
    })
}

pub(super) fn extract_member<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MachPortExtractMemberArgs>,
) -> Answer {
    engine.on_own_only(caller, args.task_right_name, || {
        engine.mach_port_extract_member(caller, caller.task, args.port_right_name, args.pset_right_name)
    })
}

pub(super) fn insert_right<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MachPortInsertRightArgs>,
) -> Answer {
    engine.on_own_only(caller, args.task_right_name, || {
        let disposition = MsgType::new(args.right_type as u32);
        engine.mach_port_insert_right(caller, caller.task, args.port_name, args.right_name, disposition)
    })
}

pub(super) fn request_notification<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MachPortRequestNotificationArgs>,
) -> Answer {
    let disposition = MsgType::new(args.message_type);
    let once = crate::copy::kind_of(disposition) == MsgType::MACH_MSG_TYPE_PORT_SEND_ONCE;
    let notify = args.notification_destination_port_name;
    // Taking a request back is for the message alone.
    if !once || !is_valid(notify) {
        return ELSEWHERE;
    }
    engine.on_own(caller, args.task_right_name, args.previous_destination_port_name_out, || {
        let (name, sync) = (args.port_right_name, args.make_send_count);
        let id = NotifyId::new(args.message_id);
        engine.mach_port_request_notification(caller, caller.task, name, id, sync, notify, disposition)
    })
}

pub(super) fn kinds<H: Host>(engine: &Engine<H>, caller: Caller, In(args): In<MachPortTypeArgs>) -> Answer {
    engine.on_own(caller, args.task_right_name, args.port_type_out, || {
        engine.mach_port_type(caller, caller.task, args.port_right_name)
    })
}

pub(super) fn get_attributes<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MachPortGetAttributesArgs>,
) -> Answer {
    if !engine.is_own(caller, args.task_right_name) {
        return ELSEWHERE;
    }
    let mut count = [0; 4];
    engine.host.copy_in(caller.task, args.count_out, &mut count).map_err(|_| Errno::EFAULT)?;
    let count = u32::from_le_bytes(count).min(ATTRIBUTES_MAX);
    let flavor = PortFlavor::new(args.flavor);
    match engine.mach_port_get_attributes(caller, caller.task, args.port_right_name, flavor, count) {
        Ok(words) => {
            engine.give(caller, args.count_out, &(words.len() as u32))?;
            engine.give(caller, args.info_out, words.as_slice())?;
            Ok(0)
        }
        Err(error) => Ok(code(Err(error))),
    }
}

pub(super) fn construct<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MachPortConstructArgs>,
) -> Answer {
    if !engine.is_own(caller, args.task_right_name) {
        return ELSEWHERE;
    }
    let mut words = [[0; 4]; 6];
    engine.host.copy_in(caller.task, args.options, words.as_flattened_mut()).map_err(|_| Errno::EFAULT)?;
    let [flags, mpl, service, ..] = words.map(u32::from_le_bytes);
    let options = MachPortOptions { flags: PortOptions::from_bits_retain(flags), mpl };
    engine.on_own(caller, args.task_right_name, args.port_right_name_out, || {
        engine.mach_port_construct(caller, caller.task, options, service, args.context)
    })
}

pub(super) fn destruct<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MachPortDestructArgs>,
) -> Answer {
    engine.on_own_only(caller, args.task_right_name, || {
        // The delta is an int in a wide field.
        let srdelta = args.srdelta as i32;
        engine.mach_port_destruct(caller, caller.task, args.port_right_name, srdelta, args.guard)
    })
}

pub(super) fn guard<H: Host>(engine: &Engine<H>, caller: Caller, In(args): In<MachPortGuardArgs>) -> Answer {
    engine.on_own_only(caller, args.task_right_name, || {
        let mut flags = PortGuardFlags::empty();
        flags.set(PortGuardFlags::MPG_STRICT, args.strict != 0);
        engine.mach_port_guard(caller, caller.task, args.port_right_name, args.guard, flags)
    })
}

pub(super) fn unguard<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MachPortUnguardArgs>,
) -> Answer {
    engine.on_own_only(caller, args.task_right_name, || {
        engine.mach_port_unguard(caller, caller.task, args.port_right_name, args.guard)
    })
}
