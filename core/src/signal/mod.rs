//! Signals of the guest: what is remembered of them, and how one is delivered.
//!
//! Linux's mask of a thread follows the guest's, but for `SIGSEGV`, `SIGBUS` and `SIGSYS`: the emulation itself
//! needs those, so they are never blocked in Linux and the guest's mask of them is kept here. A signal that arrives
//! while the core runs is noted in [`ThreadSignals`] and delivered on the way back to the guest.

mod exception;
mod frame;

use crate::convert::signal::{bit, to_linux};
use crate::kernel::{Fault, Kernel};
use crate::linux::signal::rt_sigaction;
use crate::process::{Process, Thread};
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use xnu_abi::darwin::signal::{SigactionFlags, Sigaltstack, Signal};

use xnu_abi::linux::{KernelSigaction, flags};

pub use exception::exception;
pub use frame::{deliver, sigreturn, vectors_from_state, vectors_to_state};

/// `SIG_DFL`.
pub const SIG_DFL: u64 = 0;
/// `SIG_IGN`.
pub const SIG_IGN: u64 = 1;

/// `SIGKILL` and `SIGSTOP`: neither caught nor blocked (`bsd/sys/signalvar.h`, `sigcantmask`).
pub const CANNOT_MASK: u32 = 1 << 8 | 1 << 16;

/// What the guest asked for when a signal comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Action {
    /// [`SIG_DFL`], [`SIG_IGN`] or the address of the handler.
    pub handler: u64,
    /// Where the guest is entered: it calls the handler, then `sigreturn`.
    pub trampoline: u64,
    /// Signals blocked while the handler runs.
    pub mask: u32,
    /// `SA_…`.
    pub flags: u32,
}

impl Action {
    /// Whether a flag is set.
    pub fn has(&self, flag: SigactionFlags) -> bool {
        SigactionFlags::from_bits_retain(self.flags).contains(flag)
    }

    /// Whether there is a handler to enter.
    pub fn is_caught(&self) -> bool {
        self.handler != SIG_DFL && self.handler != SIG_IGN
    }

    /// Whether a signal with this action is forgotten as it comes, blocked or not (`bsd/kern/kern_sig.c`, `p_sigignore`).
    /// `SIGCONT` never is.
    pub fn forgets(&self, signal: Signal) -> bool {
        let ignored = match self.handler {
            SIG_IGN => true,
            SIG_DFL => bit(signal) & IGNORED_BY_DEFAULT != 0,
            _ => false,
        };
        ignored && signal != Signal::SIGCONT
    }
}

/// One action, readable while another thread writes it: the sequence is odd during a write, and a reader that saw
/// it odd or changed reads again.
#[derive(Debug)]
struct Slot {
    sequence: AtomicU32,
    flags: AtomicU32,
    mask: AtomicU32,
    handler: AtomicU64,
    trampoline: AtomicU64,
}

impl Slot {
    const fn new() -> Slot {
        Slot {
            sequence: AtomicU32::new(0),
            // Until `sigaction` says otherwise calls restart, which it tells (`ps_sigintr` starts empty).
            flags: AtomicU32::new(SigactionFlags::SA_RESTART.bits()),
            mask: AtomicU32::new(0),
            handler: AtomicU64::new(SIG_DFL),
            trampoline: AtomicU64::new(0),
        }
    }

    fn load(&self) -> Action {
        loop {
            let before = self.sequence.load(Ordering::Acquire);
            let action = Action {
                handler: self.handler.load(Ordering::Acquire),
                trampoline: self.trampoline.load(Ordering::Acquire),
                mask: self.mask.load(Ordering::Acquire),
                flags: self.flags.load(Ordering::Acquire),
            };
            if before.is_multiple_of(2) && self.sequence.load(Ordering::Acquire) == before {
                return action;
            }
            core::hint::spin_loop();
        }
    }

    fn store(&self, action: Action) {
        while self
            .sequence
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |sequence| {
                sequence.is_multiple_of(2).then_some(sequence | 1)
            })
            .is_err()
        {
            core::hint::spin_loop();
        }
        self.handler.store(action.handler, Ordering::Release);
        self.trampoline.store(action.trampoline, Ordering::Release);
        self.mask.store(action.mask, Ordering::Release);
        self.flags.store(action.flags, Ordering::Release);
        self.sequence.fetch_add(1, Ordering::AcqRel);
    }
}

/// The actions of a process, and the runner's own handler that Linux calls.
#[derive(Debug)]
pub struct Actions {
    slots: [Slot; 32],
    host_handler: AtomicU64,
    host_restorer: AtomicU64,
    /// Whether `sigreturn` checks its token: not chosen yet (it does), yes, no.
    validation: AtomicU8,
    /// Somebody is asked about faults before they are signals.
    asks: AtomicBool,
}

const NOT_CHOSEN: u8 = 0;
const VALIDATES: u8 = 1;
const TRUSTS: u8 = 2;

impl Actions {
    /// All signals at their defaults.
    pub(crate) const fn new() -> Actions {
        Actions {
            slots: [const { Slot::new() }; 32],
            host_handler: AtomicU64::new(0),
            host_restorer: AtomicU64::new(0),
            validation: AtomicU8::new(NOT_CHOSEN),
            asks: AtomicBool::new(false),
        }
    }

    /// The first `sigaction` of a process decides whether `sigreturn` checks its token.
    pub fn choose_validation(&self, validates: bool) {
        let choice = if validates { VALIDATES } else { TRUSTS };
        let _ = self.validation.compare_exchange(NOT_CHOSEN, choice, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Whether `sigreturn` checks its token.
    pub fn validates_returns(&self) -> bool {
        self.validation.load(Ordering::Acquire) != TRUSTS
    }

    /// Says what Linux shall call for signals that the guest catches, and what that returns through.
    pub fn set_host(&self, handler: u64, restorer: u64) {
        self.host_handler.store(handler, Ordering::Release);
        self.host_restorer.store(restorer, Ordering::Release);
    }

    /// The handler and the restorer that [`Actions::set_host`] was told.
    pub fn host(&self) -> (u64, u64) {
        (self.host_handler.load(Ordering::Acquire), self.host_restorer.load(Ordering::Acquire))
    }

    /// From here on faults come to the runner's own handler first, whatever the guest's actions are.
    pub fn ask<K: Kernel>(&self, kernel: &K) {
        if !self.asks.swap(true, Ordering::AcqRel) {
            for signal in FAULTS {
                install(kernel, self, signal);
            }
        }
    }

    /// The action of a signal; the default for what is no signal.
    pub fn get(&self, signal: Signal) -> Action {
        usize::try_from(signal.number())
            .ok()
            .and_then(|number| self.slots.get(number))
            .map_or(Action::default(), Slot::load)
    }

    /// Sets the action of a signal.
    pub fn set(&self, signal: Signal, action: Action) {
        if let Some(slot) = usize::try_from(signal.number()).ok().and_then(|number| self.slots.get(number)) {
            slot.store(action);
        }
    }
}

/// What is known of a signal that came: the fields of `siginfo_t` that depend on its cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// The signal.
    pub signal: Signal,
    /// `si_code`, Darwin's.
    pub code: i32,
    /// The sender, or the child.
    pub pid: i32,
    /// The sender's user, or the child's.
    pub uid: u32,
    /// The child's exit status or signal.
    pub status: i32,
    /// The address of a fault.
    pub address: u64,
    /// The value that came with `sigqueue`.
    pub value: u64,
    /// Trap number, error code and address as the processor told them, for the exception state.
    pub fault: (u16, u32, u64),
}

impl Info {
    /// A signal of which nothing more is known.
    pub const fn bare(signal: Signal) -> Info {
        Info { signal, code: 0, pid: 0, uid: 0, status: 0, address: 0, value: 0, fault: (0, 0, 0) }
    }
}

/// The signals of one thread. What is looked at in each call comes first.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct ThreadSignals {
    /// The guest's mask.
    pub mask: u32,
    /// The alternate stack as `sigaltstack` set it; `SS_DISABLE` where there is none.
    pub stack: Sigaltstack,
    /// Whether a handler runs on the alternate stack.
    pub on_stack: bool,
    /// Mixed into the token that a frame carries and `sigreturn` gives back: random, and another where no frame is left.
    pub token: u64,
    /// The mask to come back to once a signal was delivered under [`ThreadSignals::mask`], or none came: that of a thread
    /// that waits with another one (`pselect`).
    pub put_away: Option<u32>,
    /// Frames that were pushed and not taken back.
    frames: u32,
    /// Whether a frame ever had AVX-512's registers: only then one can be taken back with them.
    wide: bool,
    pending: u32,
    infos: [Info; 32],
}

/// `SS_DISABLE` of `sigaltstack`.
pub const SS_DISABLE: i32 = 4;

impl Default for ThreadSignals {
    fn default() -> ThreadSignals {
        ThreadSignals {
            mask: 0,
            stack: Sigaltstack { ss_sp: 0, ss_size: 0, ss_flags: SS_DISABLE, _pad: 0 },
            on_stack: false,
            token: 0,
            put_away: None,
            frames: 0,
            wide: false,
            pending: 0,
            infos: [Info::bare(Signal::new(0)); 32],
        }
    }
}

impl ThreadSignals {
    /// As much of it as calls look at that no signal interrupts.
    pub const HOT: usize = core::mem::offset_of!(ThreadSignals, infos);

    /// Notes a signal for delivery. One that is already noted keeps its first cause, as XNU's signal list does.
    pub fn note(&mut self, info: Info) {
        let bit = bit(info.signal);
        if bit == 0 || self.pending & bit != 0 {
            return;
        }
        if let Some(slot) = self.infos.get_mut(bit.trailing_zeros() as usize) {
            *slot = info;
            self.pending |= bit;
        }
    }

    /// Drops what is noted: a forked child starts without its parent's signals.
    pub fn forget(&mut self) {
        self.pending = 0;
    }

    /// Comes back to the mask that was put away, if one was.
    pub fn restore_mask(&mut self) -> bool {
        match self.put_away.take() {
            Some(mask) => {
                self.mask = mask;
                true
            }
            None => false,
        }
    }

    /// Drops these signals, if they are noted.
    pub fn forget_some(&mut self, signals: u32) {
        self.pending &= !signals;
    }

    /// Signals noted here, masked or not.
    pub fn pending(&self) -> u32 {
        self.pending
    }

    /// Whether a signal is to be delivered before the guest goes on.
    #[inline(always)]
    pub fn is_deliverable(&self) -> bool {
        self.pending & !self.mask != 0
    }

    /// What [`ThreadSignals::take`] would take.
    pub fn next_ready(&self) -> Option<Info> {
        let ready = self.pending & !self.mask;
        if ready == 0 {
            return None;
        }
        self.infos.get(ready.trailing_zeros() as usize).copied()
    }

    /// Takes the lowest of these signals, masked or not.
    pub fn take_one_of(&mut self, signals: u32) -> Option<Info> {
        let noted = self.pending & signals;
        let lowest = noted & noted.wrapping_neg();
        self.pending &= !lowest;
        self.infos.get(lowest.checked_ilog2()? as usize).copied()
    }

    /// Takes the lowest signal that the mask lets through.
    pub fn take(&mut self) -> Option<Info> {
        let ready = self.pending & !self.mask;
        let lowest = ready & ready.wrapping_neg();
        self.pending &= !lowest;
        self.infos.get(lowest.checked_ilog2()? as usize).copied()
    }
}

/// What a thread is to do before it goes back to the guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Go on: nothing is ready.
    Go,
    /// A frame was pushed, the registers and the mask have changed; there may be more.
    Entered,
    /// Do what the signal does by default, which ends or stops the process.
    Default(Signal),
}

/// Signals whose default is to be ignored (`bsd/sys/signalvar.h`, `sigprop`).
const IGNORED_BY_DEFAULT: u32 = 1 << 15 | 1 << 18 | 1 << 19 | 1 << 22 | 1 << 27 | 1 << 28;

/// Delivers the next signal that is ready (`bsd/kern/kern_sig.c`, `postsig_locked`).
pub fn deliver_next<K: Kernel, L>(process: &Process<K, L>, thread: &mut Thread) -> Next {
    while let Some(info) = thread.signals.take() {
        let action = process.actions.get(info.signal);
        if action.is_caught() {
            let resets = info.signal != Signal::SIGILL && info.signal != Signal::SIGTRAP;
            if resets && action.has(SigactionFlags::SA_RESETHAND) {
                let forgotten = SigactionFlags::SA_SIGINFO | SigactionFlags::SA_NODEFER;
                let flags = action.flags & !forgotten.bits();
                let reset = Action { handler: SIG_DFL, flags, ..action };
                process.actions.set(info.signal, reset);
                install(&process.kernel, &process.actions, info.signal);
            }
            return match deliver(&process.kernel, thread, &action, &info) {
                Ok(()) => Next::Entered,
                Err(Fault) => Next::Default(Signal::SIGILL),
            };
        }
        if action.handler == SIG_DFL && bit(info.signal) & IGNORED_BY_DEFAULT == 0 {
            return Next::Default(info.signal);
        }
    }
    Next::Go
}

/// A fault or trap that the guest itself caused is delivered even where the guest ignores or blocks the signal: there
/// it ends the process, since the instruction would only fault again.
pub fn force(thread: &mut Thread, actions: &Actions, info: Info) -> Next {
    let caught = actions.get(info.signal).is_caught();
    if !caught || thread.signals.mask & bit(info.signal) != 0 {
        return Next::Default(info.signal);
    }
    thread.signals.note(info);
    Next::Entered
}

/// Signals that the runner must always get from Linux: faults of user copies, faults of the guest, trapped calls.
pub const KEPT: u32 = 1 << 9 | 1 << 10 | 1 << 11;

/// Signals that Darwin ignores by default, and that end the process by Linux's default for their numbers.
pub const DEFAULTS_DIFFER: [Signal; 2] = [Signal::SIGIO, Signal::SIGINFO];

/// Other signals of the guest's own faults.
const FAULTS: [Signal; 3] = [Signal::SIGILL, Signal::SIGTRAP, Signal::SIGFPE];

/// Tells Linux about the action of a signal: the runner's handler where the guest catches it, else the default or
/// nothing. Linux is not told about the kept signals: those are the runner's, whatever the guest wants.
pub fn install<K: Kernel>(kernel: &K, actions: &Actions, signal: Signal) {
    let Some(number) = to_linux(signal) else { return };
    if bit(signal) & KEPT != 0 {
        return;
    }
    let action = actions.get(signal);
    let (handler, restorer) = actions.host();
    let mut linux_flags = flags::SA_SIGINFO | flags::SA_ONSTACK | flags::SA_RESTORER;
    if action.has(SigactionFlags::SA_NOCLDSTOP) {
        linux_flags |= flags::SA_NOCLDSTOP;
    }
    if action.has(SigactionFlags::SA_NOCLDWAIT) {
        linux_flags |= flags::SA_NOCLDWAIT;
    }
    let handler = match action.handler {
        _ if actions.asks.load(Ordering::Acquire) && FAULTS.contains(&signal) => handler,
        SIG_DFL if DEFAULTS_DIFFER.contains(&signal) => SIG_IGN,
        SIG_DFL | SIG_IGN => action.handler,
        _ => handler,
    };
    let action = KernelSigaction { handler, flags: u64::from(linux_flags), restorer, mask: u64::MAX };
    // Linux refuses SIGKILL and SIGSTOP alone, and the caller has refused those.
    let _ = rt_sigaction(kernel, number, &action);
}
