//! The subsystem `mach_host`, and of `host_priv` what is refused (`osfmk/kern/host.c`).

use super::clock::CLOCKS;
use super::layout::Value;
use super::{Call, Outcome};
use crate::host::Host;
use crate::port::PortRef;
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::KernReturn;

const HOST_BASIC_INFO: u32 = 1;
const HOST_SCHED_INFO: u32 = 3;
const HOST_RESOURCE_SIZES: u32 = 4;
const HOST_PRIORITY_INFO: u32 = 5;
const HOST_SEMAPHORE_TRAPS: u32 = 7;
const HOST_MACH_MSG_TRAP: u32 = 8;
const HOST_VM_PURGABLE: u32 = 9;
const HOST_DEBUG_INFO_INTERNAL: u32 = 10;
const HOST_CAN_HAS_DEBUGGER: u32 = 11;
const HOST_PREFERRED_USER_ARCH: u32 = 12;

/// Words of `host_basic_info_t`, and of what it was once.
const BASIC_COUNT: u32 = 12;
const BASIC_OLD_COUNT: u32 = 5;

/// Memory that the first fields of `host_basic_info_t` can tell of at most.
const MEMORY_SIZE_MAX: u64 = 0x8000_0000;

/// Milliseconds of a thread's turn.
const QUANTUM_MS: u32 = 10;

/// Priorities of the kernel, of the system, of servers, of users, of threads that gave way and of nobody; the least and
/// the greatest (`osfmk/kern/sched.h`).
const PRIORITIES: [u32; 8] = [80, 80, 64, 31, 0, 0, 0, 79];

pub(super) fn host_info<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    call.host()?;
    let (flavor, room) = (call.word(0), call.word(1));
    let least = |count: u32| if room < count { Err(KernReturn::KERN_FAILURE) } else { Ok(()) };
    let machine = call.engine.host.machine();
    let (kind, subtype) = (machine.cpu_type, machine.cpu_subtype);
    match flavor {
        HOST_BASIC_INFO => {
            least(BASIC_OLD_COUNT)?;
            let memory = machine.memory;
            let words = [
                machine.logical_cpus,
                machine.logical_cpus,
                memory.min(MEMORY_SIZE_MAX) as u32,
                kind,
                subtype,
                machine.cpu_thread_type,
                machine.physical_cpus,
                machine.physical_cpus,
                machine.logical_cpus,
                machine.logical_cpus,
                memory as u32,
                (memory >> 32) as u32,
            ];
            let count = if room < BASIC_COUNT { BASIC_OLD_COUNT } else { BASIC_COUNT };
            call.give_words(words.get(..count as usize).unwrap_or_default())
        }
        HOST_SCHED_INFO => {
            least(2)?;
            call.give_words(&[QUANTUM_MS; 2])
        }
        HOST_RESOURCE_SIZES => {
            least(5)?;
            Err(KernReturn::KERN_INVALID_ARGUMENT)
        }
        HOST_PRIORITY_INFO => {
            least(8)?;
            call.give_words(&PRIORITIES)
        }
        HOST_SEMAPHORE_TRAPS | HOST_MACH_MSG_TRAP => call.give_words(&[]),
        HOST_CAN_HAS_DEBUGGER => {
            least(1)?;
            call.give_words(&[0])
        }
        HOST_PREFERRED_USER_ARCH => {
            least(2)?;
            call.give_words(&[kind, subtype])
        }
        HOST_VM_PURGABLE | HOST_DEBUG_INFO_INTERNAL => Err(KernReturn::KERN_NOT_SUPPORTED),
        _ => Err(KernReturn::KERN_INVALID_ARGUMENT),
    }
}

pub(super) fn host_kernel_version<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    call.host()?;
    let version = call.engine.host.machine().kernel_version.as_bytes();
    // The string's end has room too.
    let version = version.get(..version.len().min(511)).unwrap_or_default();
    let mut text = Vec::new();
    text.try_reserve_exact(version.len() + 1).map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
    text.extend_from_slice(version);
    text.push(0);
    call.give(Value::Bytes(text))
}

pub(super) fn host_page_size<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    call.host()?;
    call.give(Value::Long(4096))
}

pub(super) fn host_get_clock_service<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    call.host()?;
    let clock = call.word(0);
    if clock >= CLOCKS {
        return Err(KernReturn::KERN_INVALID_ARGUMENT);
    }
    let port = call.enter(|state| {
        let port = state.clock_port(clock)?;
        state.make_send(port);
        Ok(port)
    })?;
    call.give_send(PortRef::Port(port))
}

/// The host's special ports are for those who have its control port, which nobody has.
pub(super) fn host_get_special_port<H: Host>(_: &mut Call<'_, H>) -> Outcome {
    Err(KernReturn::KERN_INVALID_ARGUMENT)
}
