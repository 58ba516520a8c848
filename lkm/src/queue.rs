//! Messages between senders and receivers: queues, limits, and who waits (`osfmk/ipc/ipc_mqueue.c`).
//!
//! A waiting receiver gets its message from the sender, who also sees whether it fits. A sender for whom there was no
//! room is woken with a place promised, which counts as a message.

use crate::kmsg::{Kmsg, KmsgId};
use crate::port::{PortId, Receiver};
use crate::port_set::SetId;
use crate::slab::Id;
use crate::state::State;
use crate::task::{Outcome, ThreadId, Waiting};
use crate::trailer;
use xnu_abi::darwin::kern_return::{KernReturn, MachMsgReturn};
use xnu_abi::darwin::mach_message::{MsgOption, MsgType};

/// What a receiver waits for, and what it got.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reception {
    pub(crate) options: MsgOption,
    pub(crate) size: u32,
    pub(crate) aux_size: u32,
    /// The message, unless it was too large and stays in its queue.
    pub(crate) kmsg: KmsgId,
    pub(crate) seqno: u32,
    pub(crate) too_large: bool,
    /// What it would have taken: the message, the second vector and the port's name.
    pub(crate) wanted: u32,
    pub(crate) wanted_aux: u32,
    pub(crate) name: u32,
}

impl Reception {
    pub(crate) const NONE: Reception = Reception {
        options: MsgOption::empty(),
        size: 0,
        aux_size: 0,
        kmsg: Id::NONE,
        seqno: 0,
        too_large: false,
        wanted: 0,
        wanted_aux: 0,
        name: 0,
    };
}

/// How a send goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sending {
    /// It is done; the message is the engine's.
    Done,
    /// The message is still the sender's.
    Refused(MachMsgReturn),
    /// The sender waits for room.
    Wait,
    /// It is for an object of the engine's, which is to serve it (`Engine::serve_message`).
    Object,
}

/// How a receive goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Receiving {
    /// [`Reception`] says what came.
    Done,
    /// The thread waits.
    Wait,
}

/// Where a message is received from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    Port(PortId),
    Set(SetId),
}

impl<R> State<R> {
    /// Whether a message fits where a receiver wants it (`ipc_mqueue_msg_too_large`).
    fn fits(&self, kmsg: &Kmsg, reception: &Reception) -> bool {
        let needed = kmsg.size().saturating_add(trailer::size(reception.options));
        needed <= reception.size
            && (!reception.options.contains(MsgOption::MACH64_MSG_VECTOR)
                || kmsg.aux_size() <= reception.aux_size)
    }

    /// Offers a message to a receiver that no longer waits; whether it took it. One that can try again with more room
    /// does not.
    fn offer(&mut self, thread: ThreadId, port: PortId, kmsg: KmsgId) -> bool {
        let of = self.kmsgs.at(kmsg);
        let mut reception = self.threads.at(thread).reception;
        reception.too_large = !self.fits(of, &reception);
        reception.wanted = of.size();
        reception.wanted_aux = of.aux_size();
        let queue = self.ports.at_mut(port);
        if let Receiver::Task(_, name) = queue.receiver {
            reception.name = name;
        }
        let takes = !reception.too_large || !reception.options.contains(MsgOption::MACH64_RCV_LARGE);
        if takes {
            reception.kmsg = kmsg;
            reception.seqno = queue.seqno;
            queue.seqno = queue.seqno.wrapping_add(1);
        } else {
            reception.kmsg = Id::NONE;
            reception.seqno = 0;
        }
        self.threads.at_mut(thread).reception = reception;
        takes
    }

    /// The receiver that waits for this port longest, at the port itself or at one of its sets.
    fn next_receiver(&mut self, port: PortId) -> Option<ThreadId> {
        if let Some(thread) = self.ports.at_mut(port).receivers.pop_front(&mut self.threads) {
            return Some(thread);
        }
        let mut at = self.ports.at(port).sets.first();
        while !at.is_none() {
            let link = self.links.at(at);
            let (set, next) = (link.set, link.next_of_port());
            if let Some(thread) = self.sets.at_mut(set).receivers.pop_front(&mut self.threads) {
                return Some(thread);
            }
            at = next;
        }
        None
    }

    /// Gives a message, whose place is counted, to a receiver or to the queue (`ipc_mqueue_post`).
    pub(crate) fn post(&mut self, kmsg: KmsgId) {
        let port = self.kmsgs.at(kmsg).dest;
        if !self.ports.at(port).active {
            self.kmsg_destroy(kmsg);
            return;
        }
        while let Some(thread) = self.next_receiver(port) {
            let taken = self.offer(thread, port, kmsg);
            self.wake(thread, Outcome::Awakened);
            if taken {
                self.slot_release(port);
                return;
            }
        }
        self.ports.at_mut(port).messages.push_back(&mut self.kmsgs, kmsg);
        self.sets_ready(port, true);
    }

    /// Gives what a port has to those who wait at its sets (`ipc_mqueue_add_locked`).
    pub(crate) fn hand_out(&mut self, port: PortId) {
        loop {
            let kmsg = self.ports.at(port).messages.first();
            if kmsg.is_none() {
                return;
            }
            let Some(thread) = self.next_receiver(port) else { break };
            if self.offer(thread, port, kmsg) {
                self.ports.at_mut(port).messages.remove(&mut self.kmsgs, kmsg);
                self.slot_release(port);
            }
            self.wake(thread, Outcome::Awakened);
        }
        self.sets_ready(port, true);
    }

    /// A place in a queue is free: it goes to the sender who waits longest (`ipc_mqueue_release_msgcount`).
    pub(crate) fn slot_release(&mut self, port: PortId) {
        let Some(of) = self.ports.get_mut(port) else { return };
        of.msgcount = of.msgcount.saturating_sub(1);
        let empty = of.messages.is_empty();
        if !of.is_full() {
            self.promise_slot(port);
        }
        if empty {
            self.sets_ready(port, false);
        }
    }

    /// Promises a place to the sender who waits longest; whether one waited.
    fn promise_slot(&mut self, port: PortId) -> bool {
        let of = self.ports.at_mut(port);
        let Some(thread) = of.senders.pop_front(&mut self.threads) else { return false };
        of.msgcount += 1;
        self.threads.at_mut(thread).slot = port;
        self.wake(thread, Outcome::Awakened);
        true
    }

    /// Changes a queue's limit; a longer one lets senders go on (`ipc_mqueue_set_qlimit_locked`).
    pub(crate) fn set_qlimit(&mut self, port: PortId, qlimit: u32) {
        let of = self.ports.at_mut(port);
        let more = qlimit.saturating_sub(of.qlimit);
        of.qlimit = qlimit;
        for _ in 0..more {
            if !self.promise_slot(port) {
                break;
            }
        }
    }

    /// Sends a message of a task's, or notes that its thread waits for room (`ipc_kmsg_send`).
    pub(crate) fn send(
        &mut self,
        kmsg: KmsgId,
        options: MsgOption,
        always: bool,
        timeout_ms: u32,
    ) -> Sending {
        let of = self.kmsgs.at(kmsg);
        let (port, once) = (of.dest, of.dest_kind == MsgType::MACH_MSG_TYPE_PORT_SEND_ONCE);
        let queue = self.ports.at_mut(port);
        if of.circular || !queue.active {
            self.kmsg_destroy(kmsg);
            return Sending::Done;
        }
        if queue.receiver == Receiver::Engine {
            queue.seqno = queue.seqno.wrapping_add(1);
            return Sending::Object;
        }
        if !queue.is_full() || !queue.is_full_for_all() && (always || once) {
            queue.msgcount += 1;
            self.post(kmsg);
            return Sending::Done;
        }
        if options.contains(MsgOption::MACH64_SEND_TIMEOUT) && timeout_ms == 0 {
            return Sending::Refused(MachMsgReturn::MACH_SEND_TIMED_OUT);
        }
        if queue.is_full_for_all() {
            return Sending::Refused(MachMsgReturn::MACH_SEND_NO_BUFFER);
        }
        let thread = self.caller.thread;
        if self.threads.get(thread).is_none() {
            return Sending::Refused(MachMsgReturn::MACH_SEND_INTERRUPTED);
        }
        self.threads.at_mut(thread).waiting = Waiting::Send(port);
        self.ports.at_mut(port).senders.push_back(&mut self.threads, thread);
        Sending::Wait
    }

    /// Goes on with a send whose thread waited.
    pub(crate) fn send_waited(&mut self, kmsg: KmsgId, outcome: Outcome) -> Sending {
        if let Some(thread) = self.threads.get_mut(self.caller.thread) {
            thread.slot = Id::NONE;
        }
        match outcome {
            Outcome::Awakened => self.post(kmsg),
            Outcome::Restart => self.kmsg_destroy(kmsg),
            Outcome::TimedOut => return Sending::Refused(MachMsgReturn::MACH_SEND_TIMED_OUT),
            Outcome::Interrupted => return Sending::Refused(MachMsgReturn::MACH_SEND_INTERRUPTED),
        }
        Sending::Done
    }

    /// Sends a message of the engine's own, which no limit but the largest holds up.
    pub(crate) fn send_from_engine(&mut self, kmsg: KmsgId) {
        let of = self.kmsgs.at(kmsg);
        let queue = self.ports.at_mut(of.dest);
        let refused = of.circular || !queue.active || queue.receiver == Receiver::Engine;
        if refused || queue.is_full_for_all() {
            self.kmsg_destroy(kmsg);
            return;
        }
        queue.msgcount += 1;
        self.post(kmsg);
    }

    /// What a name is received from (`ipc_mqueue_copyin`).
    pub(crate) fn source(&mut self, name: u32) -> Result<Source, MachMsgReturn> {
        use crate::right::{PORT_SET, RECEIVE};
        let task = self.caller.task;
        let entry = self.lookup(task, name).map_err(|_| MachMsgReturn::MACH_RCV_INVALID_NAME)?;
        if entry.has(RECEIVE) {
            return Ok(Source::Port(entry.port()));
        }
        if entry.has(PORT_SET) {
            return Ok(Source::Set(entry.set()));
        }
        // A dead name has no object, and is not even looked at.
        if !entry.had_receive() && entry.has_object() {
            self.guard_exception(name, 0, crate::guard::GuardReason::ReceiveInvalidName);
        }
        Err(MachMsgReturn::MACH_RCV_INVALID_NAME)
    }

    /// Takes the next message, or notes that the caller waits for one (`ipc_mqueue_receive_on_thread_and_unlock`).
    ///
    /// # Errors
    /// `MACH_RCV_TIMED_OUT` for a caller that does not wait; `MACH_RCV_INTERRUPTED` for a thread that is gone.
    pub(crate) fn receive(
        &mut self,
        source: Source,
        reception: Reception,
        timeout_ms: u32,
    ) -> Result<Receiving, MachMsgReturn> {
        let thread = self.caller.thread;
        let options = reception.options;
        self.threads.get_mut(thread).ok_or(MachMsgReturn::MACH_RCV_INTERRUPTED)?.reception = reception;
        let port = match source {
            Source::Port(port) => Some(port),
            Source::Set(set) => self.set_turn(set),
        };
        if let Some(port) = port {
            let kmsg = self.ports.at(port).messages.first();
            if !kmsg.is_none() {
                if self.offer(thread, port, kmsg) {
                    self.ports.at_mut(port).messages.remove(&mut self.kmsgs, kmsg);
                    self.slot_release(port);
                }
                return Ok(Receiving::Done);
            }
        }
        if options.contains(MsgOption::MACH64_RCV_TIMEOUT) && timeout_ms == 0 {
            return Err(MachMsgReturn::MACH_RCV_TIMED_OUT);
        }
        match source {
            Source::Port(port) => {
                self.threads.at_mut(thread).waiting = Waiting::Receive(port);
                self.ports.at_mut(port).receivers.push_back(&mut self.threads, thread);
            }
            Source::Set(set) => {
                self.threads.at_mut(thread).waiting = Waiting::ReceiveSet(set);
                self.sets.at_mut(set).receivers.push_back(&mut self.threads, thread);
            }
        }
        Ok(Receiving::Wait)
    }

    /// Has those who wait at a set look at the clock again: a timer may be among its members now.
    pub(crate) fn poke_receivers(&mut self, set: SetId) {
        if self.first_timer.is_none() {
            return;
        }
        let thread = self.sets.at(set).receivers.first();
        if !thread.is_none() {
            self.poke(thread);
        }
    }

    /// A look at a queued message: its number, size, id and sender (`mach_port_peek`).
    ///
    /// # Errors
    /// `KERN_FAILURE` where there is none.
    pub(crate) fn peek(&self, port: PortId, seqno: u32) -> Result<(u32, KmsgId), KernReturn> {
        let of = self.ports.at(port);
        let skip = match seqno {
            0 => 0,
            _ if seqno >= of.seqno && seqno - of.seqno < of.msgcount => seqno - of.seqno,
            _ => return Err(KernReturn::KERN_FAILURE),
        };
        let mut at = of.messages.first();
        for _ in 0..skip {
            at = self.kmsgs.get(at).map_or(Id::NONE, Kmsg::next);
        }
        if at.is_none() {
            return Err(KernReturn::KERN_FAILURE);
        }
        Ok((of.seqno.wrapping_add(skip), at))
    }
}
