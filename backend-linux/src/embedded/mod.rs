//! The engine behind `/dev/mach` inside the process itself: what there is where no module is loaded.
//!
//! It is made at the first call that needs it. Threads that wait do so at a futex; a signal ends the wait. A forked child
//! leaves its parent's engine behind and makes one of its own at its first call: names of ports are not inherited, and a port
//! of another process cannot be reached from here. What it does inherit ([`Legacy`]) it reads from the parent's engine,
//! which nobody changes while the process forks; where a child comes about without that, there is none.
//!
//! # Safety
//! The engine is made once, behind a pointer that is set when it is whole, and never freed, so a reference to it is good
//! for ever. In a child the old one is left where it is.
#![allow(unsafe_code)]

mod host;
mod lock;
mod usage;

pub use host::ThreadSlot;
pub use lock::RawLock;

use crate::Linux;
use alloc::vec::Vec;
use core::fmt;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use host::{LinuxHost, read_registers, write_registers};
use lock::FutexLock;
use xnu_abi::darwin::exception::ExceptionType;
use xnu_abi::darwin::thread_state::X86ExceptionState64;
use xnu_abi::linux::Errno;
use xnu_abi::lkm::Trap;
use xnu_core::linux::credentials::Kind;
use xnu_core::registers::Registers;
use xnu_core::reserved::Reserved;
use xnu_core::signal::{Info, exception};
use xnu_core::threads::NewThread;
use xnu_core::{Lkm, Thread, TrapArg, linux};
use xnu_lkm::{
    Caller, Engine, Host, Identity, Legacy, Lock, OpenId, Process, TaskId, ThreadId, ThreadState,
    TrapArgument, Usage,
};

/// What the engine needs of whoever has it in the process.
pub trait Surroundings: Copy + 'static {
    /// What is kept for the calling thread; `None` where nothing is, so that Linux is asked for its number each time.
    fn slot(&self) -> Option<&ThreadSlot> {
        None
    }

    /// Memory that calls neither take away nor map over.
    fn reserved(&self) -> Option<&Reserved> {
        None
    }

    /// The child of a fork leaves everything behind that the engine ever allocated.
    fn forget_memory(&self) {}

    /// Changes with each change of the process's users and groups: who it is is asked for anew then.
    fn id_changes(&self) -> u32 {
        0
    }

    /// A signal that ends the wait of a thread in a call of Linux's, and does nothing else; `None` where no handler is
    /// there for one.
    fn interruption(&self) -> Option<i32> {
        None
    }

    /// Whether a signal of the program's came for the calling thread, so that its wait ends: not where an interruption
    /// came alone, of which the engine knows more.
    fn is_signalled(&self) -> bool {
        true
    }

    /// Begins a thread of the program's, which calls [`Embedded::introduce`] and suspends itself before its first
    /// instruction; what it was answered there.
    ///
    /// # Errors
    /// `ENOSYS` where nobody can; as `bsdthread_create`.
    fn begin_thread(&self, _: &NewThread) -> Result<u64, Errno> {
        Err(Errno::ENOSYS)
    }

    /// Somebody wants to be asked about exceptions from here on.
    fn asks_about_exceptions(&self) {}

    /// A line for the log.
    fn log(&self, _: &str) {}
}

/// How a thread goes on that was about to run its program ([`Embedded::stop`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Course {
    /// As it was about to.
    On,
    /// With the registers that it has now.
    Changed,
    /// With the call that it was in, anew: its registers are those behind it.
    Again,
    /// Not at all: it ends.
    Ends,
}

/// An engine and its one task.
struct Inner<S: Surroundings> {
    engine: Engine<LinuxHost<S>>,
    open: OpenId,
    task: TaskId,
}

/// The engine in this process, or the place for it.
pub struct Embedded<S: Surroundings> {
    linux: Linux,
    surroundings: S,
    inner: AtomicPtr<Inner<S>>,
    making: RawLock,
    /// Nobody changes the engine, but who forks goes on.
    frozen: AtomicBool,
    /// Of the parent, until the engine is made.
    legacy: FutexLock<Option<Legacy>>,
    /// The change of users and groups that the engine knows of.
    id_changes: AtomicU32,
    /// Whoever is around knows that somebody is asked about exceptions.
    asks: AtomicBool,
}

impl<S: Surroundings> fmt::Debug for Embedded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S: Surroundings> Embedded<S> {
    /// A place for an engine.
    pub const fn new(surroundings: S) -> Embedded<S> {
        Embedded {
            linux: Linux::new(),
            surroundings,
            inner: AtomicPtr::new(ptr::null_mut()),
            making: RawLock::new(),
            frozen: AtomicBool::new(false),
            legacy: FutexLock::free(None),
            id_changes: AtomicU32::new(0),
            asks: AtomicBool::new(false),
        }
    }

    /// As [`Linux::handle_faults`], before the first call.
    pub fn handle_faults(&self) {
        self.linux.handle_faults();
    }

    /// How much the engine holds; nothing before the first call.
    pub fn usage(&self) -> Option<Usage> {
        self.made().map(|inner| inner.engine.usage())
    }

    fn made(&self) -> Option<&Inner<S>> {
        // SAFETY: null, or an engine that is whole and stays (see the module).
        unsafe { self.inner.load(Ordering::Acquire).as_ref() }
    }

    fn inner(&self) -> Result<&Inner<S>, Errno> {
        match self.made() {
            Some(inner) => Ok(inner),
            None => self.make(),
        }
    }

    #[cold]
    #[inline(never)]
    fn make(&self) -> Result<&Inner<S>, Errno> {
        self.making.with(|| {
            if let Some(inner) = self.made() {
                return Ok(inner);
            }
            let changes = self.surroundings.id_changes();
            let (process, identity) = (self.process()?, self.identity()?);
            let process = Process { uid: identity.uid, gid: identity.gid, ..process };
            let host = LinuxHost::new(self.linux.like(), self.surroundings).ok_or(Errno::ENOMEM)?;
            let engine = Engine::new(host);
            let open = engine.open(process).map_err(|_| Errno::ENOMEM)?;
            let task = engine.task_of_pid(process.pid).ok_or(Errno::ENOMEM)?;
            engine.set_identity(task, identity);
            self.id_changes.store(changes, Ordering::Relaxed);
            if let Some(legacy) = self.legacy.with(Option::take) {
                engine.inherit(open, &legacy);
            }
            let mut room = Vec::new();
            room.try_reserve_exact(1).map_err(|_| Errno::ENOMEM)?;
            room.push(Inner { engine, open, task });
            let [inner] = room.leak() else { return Err(Errno::ENOMEM) };
            self.inner.store(inner, Ordering::Release);
            Ok(&*inner)
        })
    }

    fn process(&self) -> Result<Process, Errno> {
        let kernel = &self.linux;
        Ok(Process {
            pid: linux::process::getpid(kernel)?,
            parent: linux::process::getppid(kernel)?,
            ..Process::default()
        })
    }

    /// Who the calling thread is, in the session that every process is in.
    fn identity(&self) -> Result<Identity, Errno> {
        let user = linux::credentials::get(&self.linux, Kind::User)?;
        let group = linux::credentials::get(&self.linux, Kind::Group)?;
        Ok(Identity {
            real_uid: user.real,
            real_gid: group.real,
            ..Identity::plain(user.effective, group.effective)
        })
    }

    /// Tells the engine who the process is now.
    #[cold]
    #[inline(never)]
    fn identify(&self, inner: &Inner<S>, changes: u32) -> Result<(), Errno> {
        inner.engine.set_identity(inner.task, self.identity()?);
        self.id_changes.store(changes, Ordering::Relaxed);
        Ok(())
    }

    fn caller(&self, inner: &Inner<S>) -> Result<Caller, Errno> {
        let slot = self.surroundings.slot();
        if let Some(caller) = slot.and_then(ThreadSlot::caller) {
            return Ok(caller);
        }
        let tid = linux::process::gettid(&self.linux)?;
        let caller = inner.engine.thread(inner.task, tid as u64).map_err(|_| Errno::ENOMEM)?;
        inner.engine.host().note(caller.thread, tid);
        if let Some(slot) = slot {
            slot.set(caller);
        }
        Ok(caller)
    }
}

impl<S: Surroundings> Embedded<S> {
    /// Whether anybody ever wanted to be asked about exceptions.
    #[inline]
    pub fn has_exception_ports(&self) -> bool {
        self.made().is_some_and(|inner| inner.engine.has_exception_ports())
    }

    /// Raises the exception of a fault of the calling thread's, whose registers these are, and waits for who handles it;
    /// whether anybody has. Otherwise it is the signal's turn.
    #[cold]
    #[inline(never)]
    pub fn raise(&self, thread: &mut Thread, info: &Info) -> bool {
        let Some(inner) = self.made() else { return false };
        let Some((kind, code)) = exception(info, &thread.vectors) else { return false };
        let Ok(caller) = self.caller(inner) else { return false };
        let (trapno, err, faultvaddr) = info.fault;
        let mut state = ThreadState {
            exception: X86ExceptionState64 { trapno, cpu: 0, err, faultvaddr },
            ..ThreadState::default()
        };
        read_registers(thread, &mut state);
        let handled = inner.engine.raise_exception(caller, kind, code, &mut state);
        write_registers(thread, &state);
        handled
    }

    /// Acts on the guard exception of the calling thread, if it has earned one (`mach_port_guard_ast`): programs that are
    /// not Apple's are not told of those that can be survived (`task_exc_guard_default`).
    #[cold]
    #[inline(never)]
    fn guard(&self, inner: &Inner<S>, caller: Caller) {
        const SIGKILL: i32 = 9;
        let Some(broken) = inner.engine.take_guard_exception(caller).filter(|broken| broken.fatal) else {
            return;
        };
        let mut state = ThreadState::default();
        inner.engine.host().registers(caller.thread, &mut state);
        let code = [broken.code, broken.subcode];
        inner.engine.raise_exception(caller, ExceptionType::EXC_GUARD, code, &mut state);
        let kernel = &self.linux;
        if let (Ok(process), Ok(thread)) = (linux::process::getpid(kernel), linux::process::gettid(kernel)) {
            // To itself: nothing can fail.
            let _ = linux::signal::tgkill(kernel, process, thread, SIGKILL);
        }
    }

    /// Suspends the calling thread, which [`Embedded::stop`] obeys.
    #[cold]
    pub fn suspend_caller(&self) {
        if let Some(inner) = self.made()
            && let Ok(caller) = self.caller(inner)
        {
            inner.engine.suspend_caller(caller);
        }
    }

    /// Tells the engine of the calling thread; who it is there.
    ///
    /// # Errors
    /// There is no memory.
    pub fn introduce(&self) -> Result<u64, Errno> {
        self.caller(self.inner()?).map(|caller| caller.thread.to_bits())
    }

    /// The calling thread is a C library's, which alone ends it.
    pub fn mark_pthread(&self) {
        if let Some(inner) = self.made()
            && let Ok(caller) = self.caller(inner)
        {
            inner.engine.mark_pthread(caller);
        }
    }

    /// Whether anything is wanted of any thread: then each calls [`Embedded::stop`] before its program goes on.
    #[inline]
    pub fn has_suspended(&self) -> bool {
        self.made().is_some_and(|inner| inner.engine.has_suspended())
    }

    /// Blocks the calling thread while it is suspended, before its program goes on with these registers. Where it was in a
    /// call that ended early, those at the call are given too: where a suspension alone ended it, it shows these, and the
    /// call is made anew, unless somebody has the thread go on elsewhere or aborts it.
    #[cold]
    #[inline(never)]
    pub fn stop(&self, thread: &mut Thread, at_call: Option<Registers>) -> Course {
        let Some(inner) = self.made() else { return Course::On };
        let Ok(caller) = self.caller(inner) else { return Course::On };
        let mut stop = inner.engine.look(caller);
        let answered = thread.registers;
        let mut again = at_call.filter(|_| stop.goes_unnoticed);
        let mut course = Course::On;
        while stop.is_suspended && !stop.ends {
            course = Course::Changed;
            if let Some(at_call) = again {
                thread.registers = at_call;
            }
            let parked = match self.surroundings.slot() {
                Some(slot) => slot.lend(thread, || inner.engine.park(caller)),
                None => inner.engine.park(caller),
            };
            if parked.changed {
                let there = thread.registers;
                again = again
                    .filter(|at_call| at_call.rip == there.rip)
                    .map(|at_call| Registers { rax: at_call.rax, ..there });
            } else if parked.aborted && again.take().is_some() {
                thread.registers = answered;
            }
            stop = inner.engine.look(caller);
        }
        match again {
            _ if stop.ends => Course::Ends,
            Some(at_call) => {
                thread.registers = at_call;
                Course::Again
            }
            None => course,
        }
    }
}

impl<S: Surroundings> Lkm for Embedded<S> {
    #[inline]
    fn call_lending(
        &self,
        trap: Trap,
        arg: TrapArg<'_>,
        thread: Option<&mut Thread>,
    ) -> Result<isize, Errno> {
        match (self.surroundings.slot(), thread) {
            (Some(slot), Some(thread)) => slot.lend(thread, || self.call_raw(trap, arg)),
            _ => self.call_raw(trap, arg),
        }
    }

    fn call_raw(&self, trap: Trap, arg: TrapArg<'_>) -> Result<isize, Errno> {
        // The child's engine is another one, and there before anybody can ask.
        if trap == Trap::ForkWaitForChild {
            return Ok(0);
        }
        let inner = self.inner()?;
        let caller = self.caller(inner)?;
        let changes = self.surroundings.id_changes();
        if changes != self.id_changes.load(Ordering::Relaxed) {
            self.identify(inner, changes)?;
        }
        let argument = match arg {
            TrapArg::None => TrapArgument::Word(0),
            TrapArg::Value(value) => TrapArgument::Word(value as u64),
            TrapArg::Struct(bytes) => TrapArgument::Struct(bytes),
            TrapArg::User(address) => TrapArgument::Word(address.get()),
        };
        let result = inner.engine.trap_with(caller, Some(trap), argument);
        if inner.engine.has_guard_exceptions() {
            self.guard(inner, caller);
        }
        if inner.engine.has_exception_ports() && !self.asks.load(Ordering::Relaxed) {
            self.asks.store(true, Ordering::Relaxed);
            self.surroundings.asks_about_exceptions();
        }
        if trap == Trap::ThreadDeathAnnounce
            && let Some(slot) = self.surroundings.slot()
        {
            slot.clear();
        }
        result
    }

    fn before_fork(&self) {
        if let Some(inner) = self.made() {
            inner.engine.freeze();
            self.frozen.store(true, Ordering::Release);
        }
    }

    fn after_fork(&self) {
        // An engine that another thread made meanwhile was not frozen.
        if self.frozen.load(Ordering::Acquire) {
            self.frozen.store(false, Ordering::Release);
            if let Some(inner) = self.made() {
                inner.engine.thaw();
            }
        }
    }

    /// What need not change is not written to: a page that a child writes to is copied for it. And in the caller's text:
    /// a child fetches pages of text anew.
    #[inline(always)]
    fn forked(&self) {
        let slot = self.surroundings.slot();
        let mut legacy = None;
        if self.frozen.load(Ordering::Acquire) {
            self.frozen.store(false, Ordering::Release);
            if let Some(inner) = self.made() {
                inner.engine.thaw();
                let thread = slot.and_then(ThreadSlot::caller).map_or(ThreadId::NONE, |caller| caller.thread);
                legacy = inner.engine.legacy(inner.open, thread);
            }
        }
        if !self.making.is_free() {
            self.making.forget();
        }
        if self.made().is_some() {
            self.inner.store(ptr::null_mut(), Ordering::Release);
        }
        // Also where there was no engine yet: another thread may have been about to make it.
        self.surroundings.forget_memory();
        self.legacy.forget();
        if legacy.is_some() {
            self.legacy.with(|kept| *kept = legacy);
        }
        if let Some(slot) = slot.filter(|slot| slot.caller().is_some()) {
            slot.clear();
        }
    }
}

#[cfg(test)]
mod tests;
