//! The subsystems `task` and `thread_act` (`osfmk/kern/task.c`, `osfmk/kern/ipc_tt.c`, `osfmk/kern/thread.c`).

use super::layout::Value;
use super::{Call, Outcome};
use crate::host::{Host, Times};
use crate::port::{Object, PortId, PortRef};
use crate::slab::Id;
use crate::state::State;
use crate::task::{TaskId, Waiting};
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::KernReturn;

const TASK_THREAD_TIMES_INFO: u32 = 3;
const TASK_BASIC_INFO_32: u32 = 4;
const TASK_BASIC_INFO_64: u32 = 5;
const TASK_BASIC2_INFO_32: u32 = 6;
const TASK_SECURITY_TOKEN: u32 = 13;
const TASK_AUDIT_TOKEN: u32 = 15;
const TASK_DYLD_INFO: u32 = 17;
const MACH_TASK_BASIC_INFO: u32 = 20;
/// Flavours that XNU has, of which 8, 9 and 18 are none on x86-64.
const TASK_FLAVOR_LAST: u32 = 31;

const TASK_KERNEL_PORT: u32 = 1;
const TASK_HOST_PORT: u32 = 2;
const TASK_NAME_PORT: u32 = 3;
const TASK_BOOTSTRAP_PORT: u32 = 4;
const TASK_INSPECT_PORT: u32 = 5;
const TASK_READ_PORT: u32 = 6;
const TASK_ACCESS_PORT: u32 = 9;
const TASK_RESOURCE_NOTIFY_PORT: u32 = 11;

const THREAD_BASIC_INFO: u32 = 3;
const THREAD_IDENTIFIER_INFO: u32 = 4;
/// Further flavours that XNU has.
const THREAD_OTHERS: [u32; 4] = [5, 10, 11, 12];
/// Words of any flavour at most.
const THREAD_INFO_MAX: u32 = 32;

const TH_STATE_RUNNING: u32 = 1;
const TH_STATE_STOPPED: u32 = 2;
const TH_STATE_WAITING: u32 = 3;

/// The only policy that threads have here (`POLICY_TIMESHARE`).
const TIMESHARE: u32 = 1;

/// `TASK_DYLD_ALL_IMAGE_INFO_64`.
const DYLD_INFO_64: u32 = 1;

const INVALID: KernReturn = KernReturn::KERN_INVALID_ARGUMENT;

impl<R> State<R> {
    /// One more send right of a kind that is kept, or none (`ipc_port_copy_send_any`).
    pub(crate) fn copy_kept(&mut self, port: PortId) -> PortRef {
        if port.is_none() {
            return PortRef::Null;
        }
        if !self.ports.at(port).active {
            return PortRef::Dead;
        }
        self.copy_send(port);
        PortRef::Port(port)
    }

    /// Keeps a send right in place of another one, which is released.
    fn keep(&mut self, place: impl FnOnce(&mut State<R>) -> Option<&mut PortId>, right: PortRef) {
        let Some(place) = place(self) else { return };
        let old = core::mem::replace(place, right.port().unwrap_or(Id::NONE));
        if !old.is_none() {
            self.release_send(old);
        }
    }

    pub(super) fn made_send(&mut self, port: PortId) -> PortRef {
        if port.is_none() {
            return PortRef::Null;
        }
        self.make_send(port);
        PortRef::Port(port)
    }
}

/// `time_value_t` twice: of user mode and of the system.
fn times(times: Times) -> [u32; 4] {
    let seconds = |ns: u64| (ns / 1_000_000_000) as u32;
    let microseconds = |ns: u64| (ns % 1_000_000_000 / 1000) as u32;
    let (user, system) = (times.user_ns, times.system_ns);
    [seconds(user), microseconds(user), seconds(system), microseconds(system)]
}

fn halves(wide: u64) -> [u32; 2] {
    [wide as u32, (wide >> 32) as u32]
}

fn narrow(wide: u64) -> u32 {
    u32::try_from(wide).unwrap_or(u32::MAX)
}

pub(super) fn task_threads<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let task = call.task()?;
    let rights = call.enter(|state| {
        let of = state.tasks.get(task).ok_or(KernReturn::KERN_FAILURE)?;
        let mut at = of.threads.first();
        let mut rights = Vec::new();
        let count = of.threads.len() as usize;
        rights.try_reserve_exact(count).map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
        while !at.is_none() {
            let thread = state.threads.at(at);
            let (port, next) = (thread.self_port, thread.next_of_task());
            rights.push(state.made_send(port));
            at = next;
        }
        Ok(rights)
    })?;
    call.give(Value::Ports(rights))
}

pub(super) fn ports_register<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let task = call.task()?;
    for at in 0..3 {
        let (right, _) = call.take_port(at);
        call.enter(|state| {
            state.keep(|state| state.tasks.get_mut(task)?.registered.get_mut(at), right);
        });
    }
    Ok(())
}

pub(super) fn ports_lookup<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let task = call.task()?;
    for at in 0..3 {
        let right = call.enter(|state| {
            let port = state.tasks.get(task).and_then(|task| task.registered.get(at).copied());
            state.copy_kept(port.unwrap_or(Id::NONE))
        });
        call.give_send(right)?;
    }
    Ok(())
}

pub(super) fn task_info<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let task = call.named_task()?;
    let (flavor, room) = (call.word(0), call.word(1));
    let least = |count: u32| if room < count { Err(INVALID) } else { Ok(()) };
    let usage = call.engine.host.task_usage(task);
    let [user, user_us, system, system_us] = times(usage.times);
    match flavor {
        TASK_BASIC_INFO_32 | TASK_BASIC2_INFO_32 => {
            least(8)?;
            let most = flavor == TASK_BASIC2_INFO_32;
            let resident = if most { usage.resident_max } else { usage.resident };
            // The size wraps, the resident part does not.
            let size = usage.size as u32;
            call.give_words(&[0, size, narrow(resident), user, user_us, system, system_us, TIMESHARE])
        }
        TASK_BASIC_INFO_64 => {
            least(10)?;
            let ([size, size_high], [resident, resident_high]) = (halves(usage.size), halves(usage.resident));
            call.give_words(&[
                0,
                size,
                size_high,
                resident,
                resident_high,
                user,
                user_us,
                system,
                system_us,
                TIMESHARE,
            ])
        }
        MACH_TASK_BASIC_INFO => {
            least(12)?;
            let ([size, size_high], [resident, resident_high]) = (halves(usage.size), halves(usage.resident));
            let [most, most_high] = halves(usage.resident_max);
            call.give_words(&[
                size,
                size_high,
                resident,
                resident_high,
                most,
                most_high,
                user,
                user_us,
                system,
                system_us,
                TIMESHARE,
                0,
            ])
        }
        TASK_THREAD_TIMES_INFO => {
            least(4)?;
            let live = times(call.engine.host.task_usage(task).live_times);
            call.give_words(&live)
        }
        TASK_SECURITY_TOKEN => {
            least(2)?;
            let token = call.enter(|state| state.tasks.get(task).map(|task| task.security_token()));
            call.give_words(&token.ok_or(INVALID)?)
        }
        TASK_AUDIT_TOKEN => {
            least(8)?;
            let token = call.enter(|state| state.tasks.get(task).map(|task| task.audit_token()));
            call.give_words(&token.ok_or(INVALID)?)
        }
        TASK_DYLD_INFO => {
            least(5)?;
            let info = call.enter(|state| state.tasks.get(task).map(|task| task.dyld_info));
            let (address, size) = info.ok_or(INVALID)?;
            let [address, address_high] = halves(address);
            call.give_words(&[address, address_high, size, 0, DYLD_INFO_64])
        }
        8 | 9 | 18 => Err(INVALID),
        1..=TASK_FLAVOR_LAST => Err(KernReturn::KERN_NOT_SUPPORTED),
        _ => Err(INVALID),
    }
}

pub(super) fn get_special_port<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (task, which) = (call.task()?, call.word(0));
    let right = call.enter(|state| {
        let of = state.tasks.get(task).ok_or(KernReturn::KERN_FAILURE)?;
        let (own, name) = (of.self_port, of.name_port);
        match which {
            TASK_KERNEL_PORT => Ok(state.made_send(own)),
            TASK_NAME_PORT => Ok(state.made_send(name)),
            TASK_HOST_PORT => {
                let host = state.host_port();
                Ok(state.made_send(host))
            }
            TASK_BOOTSTRAP_PORT | TASK_ACCESS_PORT..=TASK_RESOURCE_NOTIFY_PORT => {
                let kept = of.special.get(which as usize - 1).copied();
                Ok(state.copy_kept(kept.unwrap_or(Id::NONE)))
            }
            TASK_INSPECT_PORT | TASK_READ_PORT => Err(KernReturn::KERN_NOT_SUPPORTED),
            _ => Err(INVALID),
        }
    })?;
    call.give_send(right)
}

pub(super) fn set_special_port<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (task, which) = (call.task()?, call.word(0));
    let place = which.wrapping_sub(1) as usize;
    match which {
        TASK_KERNEL_PORT | TASK_HOST_PORT => return Err(KernReturn::KERN_NO_ACCESS),
        TASK_BOOTSTRAP_PORT | TASK_ACCESS_PORT..=TASK_RESOURCE_NOTIFY_PORT => {}
        _ => return Err(INVALID),
    }
    let is_set = |state: &mut State<H::Region>| {
        let kept = state.tasks.get(task).and_then(|task| task.special.get(place).copied());
        kept.is_some_and(|port| !port.is_none())
    };
    if which == TASK_ACCESS_PORT && call.enter(is_set) {
        return Err(KernReturn::KERN_NO_ACCESS);
    }
    let (right, _) = call.take_port(1);
    call.enter(|state| state.keep(|state| state.tasks.get_mut(task)?.special.get_mut(place), right));
    Ok(())
}

pub(super) fn semaphore_create<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let (task, policy, value) = (call.task()?, call.word(0) as i32, call.word(1) as i32);
    let port = call.enter(|state| state.semaphore_new(task, policy, value))?;
    call.give_send(PortRef::Port(port))
}

pub(super) fn semaphore_destroy<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let task = call.task()?;
    let (right, kind) = call.take_port(0);
    call.enter(|state| {
        let port = right.port().ok_or(INVALID)?;
        let result = match state.ports.at(port).object {
            Object::Semaphore(semaphore) => {
                state.semaphore_destroy(task, semaphore);
                Ok(())
            }
            _ => Err(INVALID),
        };
        state.right_destroy(port, kind);
        result
    })
}

pub(super) fn is_self<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let task: TaskId = call.named_task()?;
    call.give_word(u32::from(task == call.caller.task))
}

pub(super) fn thread_info<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let thread = call.thread()?;
    let (flavor, room) = (call.word(0), call.word(1).min(THREAD_INFO_MAX));
    let least = |count: u32| if room < count { Err(INVALID) } else { Ok(()) };
    let of = call.enter(|state| {
        let of = state.threads.get(thread)?;
        let run = match of.waiting {
            Waiting::No | Waiting::Done(_) => TH_STATE_RUNNING,
            Waiting::Suspended => TH_STATE_STOPPED,
            _ => TH_STATE_WAITING,
        };
        Some((of.tid, of.handles, run, of.suspends))
    });
    let (tid, (handle, queue), run, suspends) = of.ok_or(INVALID)?;
    match flavor {
        THREAD_BASIC_INFO => {
            least(10)?;
            let [user, user_us, system, system_us] = times(call.engine.host.thread_times(thread));
            call.give_words(&[user, user_us, system, system_us, 0, TIMESHARE, run, 0, suspends, 0])
        }
        THREAD_IDENTIFIER_INFO => {
            least(6)?;
            let mut words = [0; THREAD_INFO_MAX as usize];
            for (pair, wide) in words.as_chunks_mut::<2>().0.iter_mut().zip([tid, handle, queue]) {
                *pair = halves(wide);
            }
            // XNU leaves the count as it was asked for.
            call.give_words(words.get(..room as usize).unwrap_or_default())
        }
        _ if THREAD_OTHERS.contains(&flavor) => Err(KernReturn::KERN_NOT_SUPPORTED),
        _ => Err(INVALID),
    }
}
