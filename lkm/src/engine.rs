//! The engine: its lock, its waits, and the calls on ports as the host makes them.

use crate::attributes::Peeked;
use crate::guard::GuardException;
use crate::host::{Caller, Host, Lock, Wake};
use crate::slab::Id;
use crate::state::{State, Usage};
use crate::task::{Outcome, TaskId, ThreadId};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach_message::MsgType;
use xnu_abi::darwin::mach_port::{
    MachPortOptions, NotifyId, PortFlavor, PortGuardFlags, PortRight, PortType,
};

/// Threads that are woken without taking the lock again.
const WAKES_AT_ONCE: usize = 8;

/// What stands behind `/dev/mach`.
///
/// Calls name the thread that makes them ([`Caller`], of [`Engine::caller`]) and, where they are about names, the task
/// whose names are meant. After each call the host asks for a guard exception ([`Engine::take_guard_exception`]).
pub struct Engine<H: Host> {
    pub(crate) host: H,
    state: H::Lock<State<H::Region>>,
    /// Somebody wanted to be asked about exceptions.
    pub(crate) exceptions: AtomicBool,
    /// Guard exceptions that threads have earned and nobody took.
    guards: AtomicU32,
    /// Some thread is to look in before its program goes on.
    suspended: AtomicBool,
    /// Some task was replaced or ended: until then every caller's task is good.
    stale: AtomicBool,
}

impl<H: Host> Engine<H> {
    /// An engine without tasks.
    pub fn new(host: H) -> Engine<H> {
        Engine {
            host,
            state: H::Lock::new(State::new()),
            exceptions: AtomicBool::new(false),
            guards: AtomicU32::new(0),
            suspended: AtomicBool::new(false),
            stale: AtomicBool::new(false),
        }
    }

    /// The host.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// Before the process forks that the engine is in: nobody changes anything until [`Engine::thaw`].
    pub fn freeze(&self) {
        self.state.freeze();
    }

    /// After the fork, on both sides.
    pub fn thaw(&self) {
        self.state.thaw();
    }

    /// How much the engine holds.
    pub fn usage(&self) -> Usage {
        self.enter(Caller::ENGINE, |state| state.usage())
    }

    /// Whether any thread has earned a guard exception that nobody took yet.
    #[inline]
    pub fn has_guard_exceptions(&self) -> bool {
        self.guards.load(Ordering::Relaxed) != 0
    }

    /// Whether any thread is suspended or wanted for another reason: then each calls [`Engine::look`] before it runs its
    /// program again. Who is wanted is interrupted after this is so.
    #[inline]
    pub fn has_suspended(&self) -> bool {
        self.suspended.load(Ordering::Acquire)
    }

    /// Takes the guard exception that a thread earned by its last calls.
    pub fn take_guard_exception(&self, caller: Caller) -> Option<GuardException> {
        let taken = self.enter(caller, |state| state.threads.get_mut(caller.thread)?.guard.take());
        if taken.is_some() {
            self.guards.fetch_sub(1, Ordering::Relaxed);
        }
        taken
    }

    /// Does something with the state, and wakes those whose waits it ended.
    pub(crate) fn enter<T>(&self, caller: Caller, work: impl FnOnce(&mut State<H::Region>) -> T) -> T {
        let mut wakes = [Id::NONE; WAKES_AT_ONCE];
        let (result, guards) = self.state.with(|state| {
            state.caller = caller;
            let result = work(state);
            take_wakes(state, &mut wakes);
            if state.stale {
                self.stale.store(true, Ordering::Release);
            }
            let suspended = state.summoned != 0;
            if suspended != self.suspended.load(Ordering::Relaxed) {
                self.suspended.store(suspended, Ordering::Release);
            }
            (result, core::mem::take(&mut state.guards_noted))
        });
        if guards != 0 {
            self.guards.fetch_add(guards, Ordering::Relaxed);
        }
        while !self.wake(&wakes) {
            wakes = [Id::NONE; WAKES_AT_ONCE];
            self.state.with(|state| take_wakes(state, &mut wakes));
        }
        result
    }

    /// Wakes threads; whether there may be no more.
    fn wake(&self, wakes: &[ThreadId]) -> bool {
        for thread in wakes {
            if thread.is_none() {
                return true;
            }
            self.host.wake(*thread);
        }
        false
    }

    /// Whether the caller's task is gone, or its process has a newer one.
    pub(crate) fn is_replaced(&self, caller: Caller) -> bool {
        self.stale.load(Ordering::Acquire)
            && self.enter(caller, |state| state.tasks.get(caller.task).is_none_or(|task| task.replaced))
    }

    /// Blocks the caller, whose wait is registered, until the wait ends, the time is up or it is interrupted.
    pub(crate) fn block(&self, caller: Caller, deadline: Option<u64>) -> Outcome {
        self.block_then(caller, deadline, None, |_, outcome| outcome)
    }

    /// The same, and does something in the step in which it ended. `until` is what [`State::sleeps_until`] said when the
    /// wait was registered, if it was asked then.
    pub(crate) fn block_then<T>(
        &self,
        caller: Caller,
        deadline: Option<u64>,
        mut until: Option<Option<u64>>,
        then: impl Fn(&mut State<H::Region>, Outcome) -> T,
    ) -> T {
        let (mut woken, mut kept) = (Wake::Woken, false);
        loop {
            if let Some(timer) = until {
                if self.has_suspended() && !kept {
                    kept = self.keep_if_suspended(caller);
                }
                woken = self.host.block(caller.thread, [deadline, timer].into_iter().flatten().min());
            }
            let ended = self.enter(caller, |state| {
                state.timers_run(|| self.host.now());
                let is_late = || deadline.is_some_and(|deadline| deadline <= self.host.now());
                match state.wait_end(woken, is_late) {
                    Some(outcome) => Ok(then(state, outcome)),
                    None => Err(state.timers_next()),
                }
            });
            match ended {
                Ok(result) => {
                    if kept {
                        self.take_back(caller);
                    }
                    return result;
                }
                Err(timer) => until = Some(timer),
            }
        }
    }

    /// `mach_port_allocate`, `mach_port_allocate_name`: a new right, under a name of its own or the one given.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_allocate(
        &self,
        caller: Caller,
        task: TaskId,
        right: PortRight,
        name: Option<u32>,
    ) -> Result<u32, KernReturn> {
        self.enter(caller, |state| state.mach_port_allocate(task, right, name))
    }

    /// `mach_port_construct`. `service` is the last field of the options: the name of a service's port.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_construct(
        &self,
        caller: Caller,
        task: TaskId,
        options: MachPortOptions,
        service: u32,
        context: u64,
    ) -> Result<u32, KernReturn> {
        self.enter(caller, |state| state.mach_port_construct(task, options, service, context))
    }

    /// `mach_port_destroy`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_destroy(&self, caller: Caller, task: TaskId, name: u32) -> Result<(), KernReturn> {
        self.enter(caller, |state| state.mach_port_destroy(task, name))
    }

    /// `mach_port_destruct`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_destruct(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        srdelta: i32,
        guard: u64,
    ) -> Result<(), KernReturn> {
        self.enter(caller, |state| state.mach_port_destruct(task, name, srdelta, guard))
    }

    /// `mach_port_deallocate`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_deallocate(&self, caller: Caller, task: TaskId, name: u32) -> Result<(), KernReturn> {
        self.enter(caller, |state| state.mach_port_deallocate(task, name))
    }

    /// `mach_port_get_refs`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_get_refs(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        right: PortRight,
    ) -> Result<u32, KernReturn> {
        self.enter(caller, |state| state.mach_port_get_refs(task, name, right))
    }

    /// `mach_port_mod_refs`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_mod_refs(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        right: PortRight,
        delta: i32,
    ) -> Result<(), KernReturn> {
        self.enter(caller, |state| state.mach_port_mod_refs(task, name, right, delta))
    }

    /// `mach_port_type`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_type(&self, caller: Caller, task: TaskId, name: u32) -> Result<PortType, KernReturn> {
        self.enter(caller, |state| state.mach_port_type(task, name))
    }

    /// `mach_port_names`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_names(&self, caller: Caller, task: TaskId) -> Result<Vec<(u32, PortType)>, KernReturn> {
        self.enter(caller, |state| state.mach_port_names(task))
    }

    /// `mach_port_insert_right`, with the name of the right to insert.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_insert_right(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        poly: u32,
        disposition: MsgType,
    ) -> Result<(), KernReturn> {
        self.enter(caller, |state| state.mach_port_insert_right(task, name, poly, disposition))
    }

    /// `mach_port_extract_right`: the caller gets the right.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_extract_right(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        disposition: MsgType,
    ) -> Result<(u32, MsgType), KernReturn> {
        self.enter(caller, |state| state.mach_port_extract_right(task, name, disposition, caller.task))
    }

    /// `mach_port_insert_member`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_insert_member(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        set: u32,
    ) -> Result<(), KernReturn> {
        self.enter(caller, |state| state.mach_port_insert_member(task, name, set))
    }

    /// `mach_port_extract_member`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_extract_member(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        set: u32,
    ) -> Result<(), KernReturn> {
        self.enter(caller, |state| state.mach_port_extract_member(task, name, set))
    }

    /// `mach_port_move_member`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_move_member(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        after: u32,
    ) -> Result<(), KernReturn> {
        self.enter(caller, |state| state.mach_port_move_member(task, name, after))
    }

    /// `mach_port_get_set_status`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_get_set_status(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
    ) -> Result<Vec<u32>, KernReturn> {
        self.enter(caller, |state| state.mach_port_get_set_status(task, name))
    }

    /// `mach_port_get_attributes`: the words of a flavour, for which there is room for `count`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_get_attributes(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        flavor: PortFlavor,
        count: u32,
    ) -> Result<Vec<u32>, KernReturn> {
        self.enter(caller, |state| state.mach_port_get_attributes(task, name, flavor, count))
    }

    /// `mach_port_set_attributes`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_set_attributes(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        flavor: PortFlavor,
        info: &[u32],
    ) -> Result<(), KernReturn> {
        self.enter(caller, |state| state.mach_port_set_attributes(task, name, flavor, info))
    }

    /// `mach_port_assert_attributes`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_assert_attributes(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        flavor: PortFlavor,
        info: &[u32],
    ) -> Result<(), KernReturn> {
        self.enter(caller, |state| state.mach_port_assert_attributes(task, name, flavor, info))
    }

    /// `mach_port_request_notification`: answers the name of the right that was asked with before, or 0.
    ///
    /// # Errors
    /// As XNU's call.
    #[allow(clippy::too_many_arguments)]
    pub fn mach_port_request_notification(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        id: NotifyId,
        sync: u32,
        notify: u32,
        disposition: MsgType,
    ) -> Result<u32, KernReturn> {
        self.enter(caller, |state| {
            state.mach_port_request_notification(task, name, id, sync, notify, disposition)
        })
    }

    /// `mach_port_guard_with_flags`; `mach_port_guard` is the same with one flag or none.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_guard(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        guard: u64,
        flags: PortGuardFlags,
    ) -> Result<(), KernReturn> {
        self.enter(caller, |state| state.mach_port_guard(task, name, guard, flags))
    }

    /// `mach_port_unguard`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_unguard(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        guard: u64,
    ) -> Result<(), KernReturn> {
        self.enter(caller, |state| state.mach_port_unguard(task, name, guard))
    }

    /// `mach_port_swap_guard`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_swap_guard(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        old: u64,
        new: u64,
    ) -> Result<(), KernReturn> {
        self.enter(caller, |state| state.mach_port_swap_guard(task, name, old, new))
    }

    /// `mach_port_get_context`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_get_context(&self, caller: Caller, task: TaskId, name: u32) -> Result<u64, KernReturn> {
        self.enter(caller, |state| state.mach_port_get_context(task, name))
    }

    /// `mach_port_set_context`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_set_context(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        context: u64,
    ) -> Result<(), KernReturn> {
        self.enter(caller, |state| state.mach_port_set_context(task, name, context))
    }

    /// `mach_port_set_mscount`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_set_mscount(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        mscount: u32,
    ) -> Result<(), KernReturn> {
        self.enter(caller, |state| state.mach_port_set_mscount(task, name, mscount))
    }

    /// `mach_port_set_seqno`.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_set_seqno(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        seqno: u32,
    ) -> Result<(), KernReturn> {
        self.enter(caller, |state| state.mach_port_set_seqno(task, name, seqno))
    }

    /// `mach_port_peek`: the message of this number, or the first for 0; there is room for so many bytes of trailer.
    ///
    /// # Errors
    /// As XNU's call.
    pub fn mach_port_peek(
        &self,
        caller: Caller,
        task: TaskId,
        name: u32,
        trailer_type: u32,
        seqno: u32,
        trailer_room: u32,
    ) -> Result<Peeked, KernReturn> {
        self.enter(caller, |state| state.mach_port_peek(task, name, trailer_type, seqno, trailer_room))
    }
}

fn take_wakes<R>(state: &mut State<R>, wakes: &mut [ThreadId]) {
    for wake in wakes {
        match state.take_wake() {
            Some(thread) => *wake = thread,
            None => return,
        }
    }
}
