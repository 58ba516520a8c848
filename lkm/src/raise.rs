//! Exceptions: a thread that faulted asks its handlers, the task's after its own, what to do (`osfmk/kern/exception.c`).
//!
//! The thread waits for the answer, however long that takes: signals that its program catches wait with it, as in XNU.
//! Meanwhile the engine keeps its registers, and who has its port may look at them and change them. The answer goes to a
//! port of the engine's own.

use crate::engine::Engine;
use crate::exception::{Action, EXCEPTIONS};
use crate::host::{Caller, Host};
use crate::kmsg::{Descriptor, Kmsg};
use crate::notification::NDR;
use crate::port::{Object, PortId, PortRef, Receiver};
use crate::slab::Id;
use crate::state::State;
use crate::task::{Outcome, ThreadId, Waiting};
use crate::thread_state::ThreadState;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use xnu_abi::darwin::exception::{
    ExceptionBehavior, ExceptionType, MACH_EXCEPTION_CODES, MACH_EXCEPTION_MASK,
};
use xnu_abi::darwin::kern_return::{KernReturn, MachMsgReturn, MigReturn};
use xnu_abi::darwin::mach_message::MsgType;
use xnu_abi::darwin::mach_port::NotifyId;

/// The first request with codes of 32 bits (`osfmk/mach/exc.defs`), and with 64 bits (`osfmk/mach/mach_exc.defs`).
const EXC: i32 = 2401;
const MACH_EXC: i32 = 2405;
const IDENTITY_PROTECTED: i32 = 2408;
const STATE_IDENTITY_PROTECTED: i32 = 2410;

/// A reply's number is its request's and so many.
const REPLY_ID: i32 = 100;

/// What a handler answered.
struct Answer {
    result: i32,
    with_state: bool,
    flavor: i32,
    state: Vec<u32>,
}

impl Answer {
    fn only(result: i32) -> Answer {
        Answer { result, with_state: false, flavor: 0, state: Vec::new() }
    }
}

/// A question that a thread waits to be answered.
pub(crate) struct Exchange {
    /// Where the answer comes to.
    port: PortId,
    /// The number of the question, and whether registers are part of the answer.
    id: i32,
    with_state: bool,
    answer: Option<Answer>,
    /// The thread's registers, and whether somebody changed them.
    stopped: Option<(Vec<ThreadState>, bool)>,
}

impl Exchange {
    pub(crate) const NONE: Exchange =
        Exchange { port: Id::NONE, id: 0, with_state: false, answer: None, stopped: None };

    /// The registers of a thread that waits for an answer.
    pub(crate) fn registers(&self) -> Option<&ThreadState> {
        self.stopped.as_ref()?.0.first()
    }

    /// The same, to change them.
    pub(crate) fn registers_mut(&mut self) -> Option<&mut ThreadState> {
        let (registers, changed) = self.stopped.as_mut()?;
        *changed = true;
        registers.first_mut()
    }

    /// Keeps the registers of a thread that is stopped; whether none were kept before.
    pub(crate) fn keep(&mut self, registers: Vec<ThreadState>) -> bool {
        let is_new = self.stopped.is_none();
        if is_new {
            self.stopped = Some((registers, false));
        }
        is_new
    }

    /// What was kept, and whether it was changed.
    pub(crate) fn take_back(&mut self) -> Option<(Vec<ThreadState>, bool)> {
        self.stopped.take()
    }
}

/// Whose handlers are asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Thread,
    Task,
}

/// An exception.
struct Exception<'a> {
    kind: ExceptionType,
    code: [u64; 2],
    state: &'a ThreadState,
}

/// What there is to do for a thread that asked.
enum Next {
    Answered(Answer),
    Wait,
    Gone,
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn shortage<T>(_: T) -> KernReturn {
    KernReturn::KERN_RESOURCE_SHORTAGE
}

/// Reads an answer as MIG does.
fn read(id: i32, asked: i32, with_state: bool, complex: bool, data: &[u8]) -> Result<Answer, MigReturn> {
    if id == NotifyId::MACH_NOTIFY_SEND_ONCE.number() {
        return Err(MigReturn::MIG_SERVER_DIED);
    }
    if id != asked.wrapping_add(REPLY_ID) {
        return Err(MigReturn::MIG_REPLY_MISMATCH);
    }
    const RESULT: usize = 8;
    let bad = MigReturn::MIG_TYPE_ERROR;
    let result = word(data, RESULT).ok_or(bad)? as i32;
    if complex || result != 0 && data.len() != RESULT + 4 {
        return Err(bad);
    }
    let mut answer = Answer::only(result);
    if result == 0 && with_state {
        answer.with_state = true;
        answer.flavor = word(data, RESULT + 4).ok_or(bad)? as i32;
        let count = word(data, RESULT + 8).ok_or(bad)? as usize;
        let words = data.get(RESULT + 12..).unwrap_or_default();
        if count > crate::thread_state::WORDS_MAX || words.len() != count * 4 {
            return Err(bad);
        }
        answer.state.try_reserve_exact(count).map_err(|_| bad)?;
        answer.state.extend(words.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)));
    } else if data.len() != RESULT + 4 {
        return Err(bad);
    }
    Ok(answer)
}

impl<R> State<R> {
    fn action(&self, thread: ThreadId, level: Level, kind: ExceptionType) -> Option<Action> {
        let of = self.threads.get(thread)?;
        let actions = match level {
            Level::Thread => of.exceptions.as_ref()?,
            Level::Task => &self.tasks.get(of.task)?.exceptions,
        };
        let action = *actions.get(kind.number() as usize)?;
        let port = self.ports.get(action.port).filter(|port| port.active)?;
        // A task that is about to end is not asked by itself (`check_exc_receiver_dependency`).
        let own = matches!(port.receiver, Receiver::Task(task, _) if task == of.task);
        (!own || kind != ExceptionType::EXC_CRASH).then_some(action)
    }

    /// Asks a handler; whether there is one.
    fn exception_ask(&mut self, level: Level, exception: &Exception<'_>) -> Result<bool, KernReturn> {
        let thread = self.caller.thread;
        let Some(action) = self.action(thread, level, exception.kind) else { return Ok(false) };
        let mut stopped = Vec::new();
        stopped.try_reserve_exact(1).map_err(shortage)?;
        stopped.push(exception.state.clone());
        let mut kmsg = self.exception_message(&action, exception)?;
        let (id, with_state) = (kmsg.id, has_state(&action));
        let port = self.object_port(Object::Handler(thread));
        let port = match port {
            Ok(port) => port,
            Err(error) => {
                self.descriptors_destroy(core::mem::take(&mut kmsg.descriptors));
                return Err(error);
            }
        };
        self.make_send_once(port);
        (kmsg.reply, kmsg.reply_kind) = (PortRef::Port(port), MsgType::MACH_MSG_TYPE_PORT_SEND_ONCE);
        let descriptors = core::mem::take(&mut kmsg.descriptors);
        let kmsg = match self.kmsgs.insert(kmsg) {
            Ok(kmsg) => kmsg,
            Err(error) => {
                self.descriptors_destroy(descriptors);
                self.release_send_once(port);
                self.port_destroy(port);
                return Err(shortage(error));
            }
        };
        self.kmsgs.at_mut(kmsg).descriptors = descriptors;
        self.copy_send(action.port);
        self.threads.at_mut(thread).exchange =
            Exchange { port, id, with_state, answer: None, stopped: Some((stopped, false)) };
        self.send_from_engine(kmsg);
        Ok(true)
    }

    /// The question, whose destination and reply are not counted yet.
    fn exception_message(&mut self, action: &Action, exception: &Exception<'_>) -> Result<Kmsg, KernReturn> {
        let (thread, wide) = (self.caller.thread, action.behavior & MACH_EXCEPTION_CODES != 0);
        let (task, tid) = self.threads.get(thread).map_or((Id::NONE, 0), |of| (of.task, of.tid));
        let base = if wide { MACH_EXC } else { EXC };
        let behavior = ExceptionBehavior::new(action.behavior & !MACH_EXCEPTION_MASK);
        let (id, ports, token) = match behavior {
            ExceptionBehavior::EXCEPTION_DEFAULT => (base, true, false),
            ExceptionBehavior::EXCEPTION_STATE => (base + 1, false, false),
            ExceptionBehavior::EXCEPTION_STATE_IDENTITY => (base + 2, true, false),
            ExceptionBehavior::EXCEPTION_IDENTITY_PROTECTED => (IDENTITY_PROTECTED, false, true),
            ExceptionBehavior::EXCEPTION_STATE_IDENTITY_PROTECTED => (STATE_IDENTITY_PROTECTED, false, true),
            _ => return Err(KernReturn::KERN_FAILURE),
        };
        let mut kmsg = Kmsg::from_engine(id, action.port, MsgType::MACH_MSG_TYPE_PORT_SEND);
        let words = if has_state(action) {
            let most = crate::thread_state::WORDS_MAX as u32;
            Some(exception.state.get(action.flavor as i32, most)?)
        } else {
            None
        };
        let size = 48 + words.as_ref().map_or(0, |words| 8 + words.len() * 4);
        kmsg.data.try_reserve_exact(size).map_err(shortage)?;
        kmsg.descriptors.try_reserve_exact(2).map_err(shortage)?;
        let token_port = if token { self.token_port(task)? } else { Id::NONE };
        let data = &mut kmsg.data;
        data.extend_from_slice(&NDR);
        if token {
            data.extend_from_slice(&tid.to_le_bytes());
        }
        data.extend_from_slice(&exception.kind.number().to_le_bytes());
        data.extend_from_slice(&2_u32.to_le_bytes());
        for code in exception.code {
            if wide || token {
                data.extend_from_slice(&code.to_le_bytes());
            } else {
                data.extend_from_slice(&(code as u32).to_le_bytes());
            }
        }
        if let Some(words) = words {
            data.extend_from_slice(&action.flavor.to_le_bytes());
            data.extend_from_slice(&(words.len() as u32).to_le_bytes());
            words.iter().for_each(|word| data.extend_from_slice(&word.to_le_bytes()));
        }
        let own = |state: &State<R>| {
            let thread = state.threads.get(thread).map_or(Id::NONE, |of| of.self_port);
            [thread, state.tasks.get(task).map_or(Id::NONE, |of| of.self_port)]
        };
        let carried = if ports { own(self) } else { [token_port, Id::NONE] };
        for port in carried.into_iter().filter(|port| !port.is_none()) {
            self.make_send(port);
            let kind = MsgType::MACH_MSG_TYPE_PORT_SEND;
            kmsg.descriptors.push(Descriptor::Port { right: PortRef::Port(port), kind });
        }
        kmsg.complex = ports || token;
        Ok(kmsg)
    }

    /// The port that stands for who a task is, and gives no power over it.
    fn token_port(&mut self, task: crate::task::TaskId) -> Result<PortId, KernReturn> {
        let known = self.tasks.get(task).map_or(Id::NONE, |of| of.token_port);
        if !known.is_none() {
            return Ok(known);
        }
        let port = self.object_port(Object::TaskToken(task))?;
        self.tasks.at_mut(task).token_port = port;
        Ok(port)
    }

    /// A message came to where a thread waits for an answer.
    pub(crate) fn handler_answered(&mut self, thread: ThreadId, id: i32, complex: bool, data: &[u8]) {
        let Some(of) = self.threads.get(thread) else { return };
        let answer = read(id, of.exchange.id, of.exchange.with_state, complex, data);
        self.answer_with(thread, answer.unwrap_or_else(|error| Answer::only(error.number())));
    }

    /// The right to answer died unused.
    pub(crate) fn handler_died(&mut self, thread: ThreadId, port: PortId) {
        if self.threads.get(thread).is_some_and(|of| of.exchange.port == port) {
            self.answer_with(thread, Answer::only(MigReturn::MIG_SERVER_DIED.number()));
        }
    }

    /// Whoever asked is to wait no longer (`thread_abort`); whether the thread had asked.
    pub(crate) fn exception_abort(&mut self, thread: ThreadId) -> bool {
        let asks = self.threads.get(thread).is_some_and(|of| !of.exchange.port.is_none());
        if asks {
            self.answer_with(thread, Answer::only(MachMsgReturn::MACH_RCV_INTERRUPTED.number()));
        }
        asks
    }

    fn answer_with(&mut self, thread: ThreadId, answer: Answer) {
        let of = self.threads.at_mut(thread);
        of.exchange.answer.get_or_insert(answer);
        if of.waiting == Waiting::Handler {
            self.wake(thread, Outcome::Awakened);
        }
    }

    fn exception_next(&mut self) -> Next {
        let Some(of) = self.threads.get_mut(self.caller.thread) else { return Next::Gone };
        if of.summons.end {
            return Next::Gone;
        }
        match of.exchange.answer.take() {
            Some(answer) => Next::Answered(answer),
            None => {
                of.waiting = Waiting::Handler;
                Next::Wait
            }
        }
    }

    /// Ends an exchange: the registers, where somebody changed them.
    pub(crate) fn exchange_end(&mut self, thread: ThreadId) -> Option<ThreadState> {
        let of = self.threads.get_mut(thread)?;
        let Exchange { port, stopped, .. } = core::mem::replace(&mut of.exchange, Exchange::NONE);
        if !port.is_none() {
            self.port_destroy(port);
        }
        let (mut registers, changed) = stopped?;
        registers.pop().filter(|_| changed)
    }
}

fn has_state(action: &Action) -> bool {
    matches!(
        ExceptionBehavior::new(action.behavior & !MACH_EXCEPTION_MASK),
        ExceptionBehavior::EXCEPTION_STATE
            | ExceptionBehavior::EXCEPTION_STATE_IDENTITY
            | ExceptionBehavior::EXCEPTION_STATE_IDENTITY_PROTECTED
    )
}

impl<H: Host> Engine<H> {
    /// Whether anybody ever wanted to be asked about exceptions. Until then there is no need to raise any.
    #[inline]
    pub fn has_exception_ports(&self) -> bool {
        self.exceptions.load(Ordering::Relaxed)
    }

    /// Raises an exception of the calling thread's, whose registers these are, and waits until somebody has handled it;
    /// whether anybody has (`exception_triage_thread`). The registers are those to go on with then, and also where
    /// nobody has handled it, but somebody changed them.
    pub fn raise_exception(
        &self,
        caller: Caller,
        kind: ExceptionType,
        code: [u64; 2],
        state: &mut ThreadState,
    ) -> bool {
        if !self.has_exception_ports() || kind.number() as usize >= EXCEPTIONS {
            return false;
        }
        [Level::Thread, Level::Task]
            .into_iter()
            .any(|level| self.ends(caller) || self.deliver(caller, level, kind, code, state))
            || self.ends(caller)
    }

    /// A signal ends the caller's task: who is asked about crashes hears which, and of the fault behind it, if there was one
    /// (`bsd/kern/kern_exit.c`, `proc_prepareexit`). Whether anybody took it; the task ends in any case.
    ///
    /// A task that is about to end is not asked itself, and no corpse of it is made: nobody is told of one.
    pub fn raise_crash(
        &self,
        caller: Caller,
        signal: i32,
        fault: Option<(ExceptionType, [u64; 2])>,
        state: &mut ThreadState,
    ) -> bool {
        const SIGNAL_AT: u32 = 24;
        const KIND_AT: u32 = 20;
        let (kind, [code, subcode]) =
            fault.map_or((0, [0, 0]), |(kind, codes)| (kind.number() as u64, codes));
        let packed = (signal as u64 & 0xff) << SIGNAL_AT | (kind & 0xf) << KIND_AT | code & 0xf_ffff;
        self.raise_exception(caller, ExceptionType::EXC_CRASH, [packed, subcode], state)
    }

    /// Stops the other threads of a task that is about to end (`sig_lock_to_exit`).
    fn stop_others(&self, caller: Caller) {
        let mut at = Id::NONE;
        while let Some(thread) = self.enter(caller, |state| {
            let next = match at.is_none() {
                true => state.tasks.get(caller.task)?.threads.first(),
                false => state.threads.get(at)?.next_of_task(),
            };
            (!next.is_none()).then_some(next)
        }) {
            if thread != caller.thread {
                // It may be gone by now.
                let _ = self.suspend(caller, thread);
            }
            at = thread;
        }
    }

    fn deliver(
        &self,
        caller: Caller,
        level: Level,
        kind: ExceptionType,
        code: [u64; 2],
        state: &mut ThreadState,
    ) -> bool {
        let asked = self
            .enter(caller, |engine| engine.exception_ask(level, &Exception { kind, code, state: &*state }));
        if asked != Ok(true) {
            return false;
        }
        if kind == ExceptionType::EXC_CRASH {
            self.stop_others(caller);
        }
        let answer = loop {
            match self.enter(caller, |state| state.exception_next()) {
                Next::Answered(answer) => break answer,
                // It was ended, and nothing is left to be done for it.
                Next::Gone => return true,
                Next::Wait => self.block(caller, None),
            };
        };
        if let Some(changed) = self.enter(caller, |state| state.exchange_end(caller.thread)) {
            *state = changed;
        }
        let Answer { result, with_state, flavor, state: words } = answer;
        result == 0 && (!with_state || state.set(flavor, &words).is_ok())
    }
}
