//! Timers that send messages (`osfmk/kern/mk_timer.c`).
//!
//! A timer has one message: while that is in the queue, the timer may expire again without a second one. Timers fire
//! when a thread is in the engine or blocked by it, which is when anybody can see that they did.

use crate::engine::Engine;
use crate::host::{Caller, Host};
use crate::kmsg::{Kmsg, KmsgId};
use crate::port::{Object, PortId};
use crate::slab::Id;
use crate::state::State;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach_message::MsgType;

/// The number of a timer.
pub(crate) type TimerId = Id<Timer>;

/// Bytes of the message behind its header, all 0 (`mk_timer_expire_msg_t`).
const MESSAGE: usize = 24;

/// A timer.
pub(crate) struct Timer {
    /// It has a send right for this port.
    port: PortId,
    deadline: Option<u64>,
    /// Its message, if that was not received yet.
    message: KmsgId,
}

impl Timer {
    pub(crate) const fn nobody() -> Timer {
        Timer { port: Id::NONE, deadline: None, message: Id::NONE }
    }
}

impl<R> State<R> {
    fn timer_of(&mut self, name: u32) -> Result<TimerId, KernReturn> {
        let port = self.receive_right(self.caller.task, name)?;
        match self.ports.at(port).object {
            Object::Timer(timer) => Ok(timer),
            _ => Err(KernReturn::KERN_INVALID_ARGUMENT),
        }
    }

    fn timer_create(&mut self) -> Result<u32, KernReturn> {
        let timer = self.timers.insert(Timer::nobody()).map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
        let (port, name) = match self.port_new(self.caller.task, false) {
            Ok(new) => new,
            Err(error) => {
                self.timers.remove(timer);
                return Err(error);
            }
        };
        self.make_send(port);
        let of = self.ports.at_mut(port);
        of.object = Object::Timer(timer);
        of.immovable_receive = true;
        self.timers.at_mut(timer).port = port;
        Ok(name)
    }

    /// The port of a timer died.
    pub(crate) fn timer_drop(&mut self, timer: TimerId) {
        let Some(of) = self.timers.remove(timer) else { return };
        if self.first_timer == timer {
            self.timers_sort();
        }
        self.release_send(of.port);
    }

    fn timer_set(&mut self, timer: TimerId, deadline: Option<u64>) {
        self.timers.at_mut(timer).deadline = deadline;
        self.timers_sort();
    }

    /// Finds the timer that is due first.
    fn timers_sort(&mut self) {
        let mut first: Option<(u64, TimerId)> = None;
        let mut at = Id::NONE;
        while let Some(id) = self.timers.next_after(at) {
            if let Some(deadline) = self.timers.at(id).deadline
                && first.is_none_or(|(earliest, _)| deadline < earliest)
            {
                first = Some((deadline, id));
            }
            at = id;
        }
        self.first_timer = first.map_or(Id::NONE, |(_, id)| id);
    }

    /// When the first timer is due.
    pub(crate) fn timers_next(&self) -> Option<u64> {
        self.timers.get(self.first_timer)?.deadline
    }

    /// Fires the timers that are due.
    pub(crate) fn timers_run(&mut self, now: impl FnOnce() -> u64) {
        // A look at the clock may be dear.
        if self.first_timer.is_none() {
            return;
        }
        let now = now();
        while self.timers_next().is_some_and(|deadline| deadline <= now) {
            let timer = self.first_timer;
            self.timer_set(timer, None);
            self.timer_fire(timer);
        }
    }

    fn timer_fire(&mut self, timer: TimerId) {
        let Timer { port, message, .. } = *self.timers.at(timer);
        if self.kmsgs.get(message).is_some() {
            return;
        }
        let mut kmsg = Kmsg::from_engine(0, port, MsgType::MACH_MSG_TYPE_PORT_SEND);
        if kmsg.data.try_reserve_exact(MESSAGE).is_err() {
            return;
        }
        kmsg.data.resize(MESSAGE, 0);
        if let Ok(kmsg) = self.kmsgs.insert(kmsg) {
            self.copy_send(port);
            self.timers.at_mut(timer).message = kmsg;
            self.send_from_engine(kmsg);
        }
    }

    /// Has those who wait for a port look at the clock again.
    fn poke_port(&mut self, port: PortId) {
        let thread = self.ports.at(port).receivers.first();
        if !thread.is_none() {
            self.poke(thread);
        }
        let mut at = self.ports.at(port).sets.first();
        while !at.is_none() {
            let link = self.links.at(at);
            let (set, next) = (link.set, link.next_of_port());
            self.poke_receivers(set);
            at = next;
        }
    }
}

impl<H: Host> Engine<H> {
    /// `mk_timer_create`: the receive right of a new timer; 0 where there is no room for it.
    pub fn mk_timer_create(&self, caller: Caller) -> u32 {
        self.enter(caller, |state| state.timer_create().unwrap_or(0))
    }

    /// `mk_timer_destroy`.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`, `KERN_INVALID_ARGUMENT` for what is no timer.
    pub fn mk_timer_destroy(&self, caller: Caller, name: u32) -> Result<(), KernReturn> {
        self.enter(caller, |state| {
            let entry = state.lookup(caller.task, name)?;
            if !entry.has(crate::right::RECEIVE) {
                return Err(KernReturn::KERN_INVALID_RIGHT);
            }
            state.timer_of(name)?;
            state.right_destroy_name(caller.task, name, Some(0))
        })
    }

    /// `mk_timer_arm`, `mk_timer_arm_leeway`: the timer expires at this time, at once if that is past. It is never later
    /// than it must be, so a leeway changes nothing.
    ///
    /// # Errors
    /// As [`Engine::mk_timer_destroy`].
    pub fn mk_timer_arm(&self, caller: Caller, name: u32, time: u64) -> Result<(), KernReturn> {
        let now = self.host.now();
        self.enter(caller, |state| {
            let timer = state.timer_of(name)?;
            state.timer_set(timer, Some(time));
            state.timers_run(|| now);
            let port = state.timers.at(timer).port;
            state.poke_port(port);
            Ok(())
        })
    }

    /// `mk_timer_cancel`: answers when the timer would have expired, or 0, and writes that to `result` unless that is 0.
    ///
    /// # Errors
    /// As [`Engine::mk_timer_destroy`]; `KERN_FAILURE` where the answer cannot be written.
    pub fn mk_timer_cancel(&self, caller: Caller, name: u32, result: u64) -> Result<u64, KernReturn> {
        let now = self.host.now();
        let armed = self.enter(caller, |state| {
            state.timers_run(|| now);
            let timer = state.timer_of(name)?;
            let armed = state.timers.at(timer).deadline;
            state.timer_set(timer, None);
            Ok(armed.unwrap_or(0))
        })?;
        if result != 0 && self.host.copy_out(caller.task, result, &armed.to_le_bytes()).is_err() {
            return Err(KernReturn::KERN_FAILURE);
        }
        Ok(armed)
    }
}
