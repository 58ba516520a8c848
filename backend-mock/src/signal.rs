//! Signals: actions, masks, the alternate stack, and a record of what was sent. No handler is ever run: a test
//! looks at [`Mock::signals`](crate::Mock::signals) instead.

use crate::args::Args;
use crate::layout::{field, layout};
use crate::state::{Answer, State};
use linux_raw_sys::general::{
    MINSIGSTKSZ, SIGCHLD, SIGCONT, SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH, SS_DISABLE,
    sigaltstack,
};
use std::collections::BTreeMap;
use xnu_abi::linux::{Errno, Sysno};

/// Highest signal number.
const SIGRTMAX: u32 = 64;
const SIG_DFL: u64 = 0;
const SIG_IGN: u64 = 1;
const SIG_BLOCK: u32 = 0;
const SIG_UNBLOCK: u32 = 1;
const SIG_SETMASK: u32 = 2;
/// `SS_AUTODISARM`
const AUTODISARM: u32 = 1 << 31;

/// What became of a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// For another process.
    Elsewhere,
    /// Blocked: pending.
    Pending,
    /// Ignored, by action or by default.
    Ignored,
    /// A handler would run.
    Handled,
    /// The process would end.
    Fatal,
    /// The process would stop.
    Stopped,
}

/// A signal that was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signal {
    /// The number; never 0.
    pub number: i32,
    /// The first argument of `kill`, or the process of the thread.
    pub pid: i32,
    /// The thread, if it was sent to one.
    pub tid: Option<i32>,
    /// What became of it.
    pub disposition: Disposition,
}

/// Signal state of the only thread.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    /// `struct kernel_sigaction`, as given.
    actions: BTreeMap<u32, Vec<u8>>,
    mask: u64,
    pending: u64,
    stack: (u64, u32, u64),
    pub(crate) sent: Vec<Signal>,
}

impl Default for Signals {
    fn default() -> Signals {
        let stack = (0, SS_DISABLE, 0);
        Signals { actions: BTreeMap::new(), mask: 0, pending: 0, stack, sent: Vec::new() }
    }
}

fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}

impl Signals {
    pub(crate) fn mask(&self) -> u64 {
        self.mask
    }

    fn handler(&self, signal: u32) -> u64 {
        self.actions.get(&signal).map_or(SIG_DFL, |action| crate::layout::get(action, 0, 8))
    }

    fn disposition(&self, signal: u32) -> Disposition {
        if self.mask & bit(signal) != 0 {
            return Disposition::Pending;
        }
        match (self.handler(signal), signal) {
            (SIG_IGN, _) => Disposition::Ignored,
            (SIG_DFL, SIGCHLD | SIGCONT | SIGURG | SIGWINCH) => Disposition::Ignored,
            (SIG_DFL, SIGSTOP | SIGTSTP | SIGTTIN | SIGTTOU) => Disposition::Stopped,
            (SIG_DFL, _) => Disposition::Fatal,
            _ => Disposition::Handled,
        }
    }
}

impl State {
    /// Sends a signal to the process itself.
    pub(crate) fn raise(&mut self, signal: u32) {
        let (pid, tid) = (self.process.pid, self.process.pid);
        self.deliver(signal, pid, Some(tid));
    }

    fn deliver(&mut self, signal: u32, pid: i32, tid: Option<i32>) {
        let disposition = self.signals.disposition(signal);
        match disposition {
            Disposition::Pending => self.signals.pending |= bit(signal),
            Disposition::Fatal => self.process.killed = self.process.killed.or(Some(signal as i32)),
            _ => {}
        }
        self.signals.sent.push(Signal { number: signal as i32, pid, tid, disposition });
    }

    pub(crate) fn rt_sigaction(&mut self, a: &mut Args<'_, '_>) -> Answer {
        if a.num(3) != 8 {
            return Err(Errno::EINVAL);
        }
        let signal = a.uint(0);
        let new = if a.is_null(1) { None } else { Some(a.read(&self.memory, 1, 32)?) };
        if !(1..=SIGRTMAX).contains(&signal) || new.is_some() && matches!(signal, SIGKILL | SIGSTOP) {
            return Err(Errno::EINVAL);
        }
        let old = self.signals.actions.get(&signal).cloned().unwrap_or_else(|| vec![0; 32]);
        if let Some(mut action) = new {
            // SIGKILL and SIGSTOP cannot be blocked; the mask is the last word.
            let mask = crate::layout::get(&action, 24, 8) & !(bit(SIGKILL) | bit(SIGSTOP));
            crate::layout::put(&mut action, 24, 8, mask);
            self.signals.actions.insert(signal, action);
            // Ignoring a signal forgets a pending one.
            let ignored = self.signals.handler(signal) == SIG_IGN
                || self.signals.handler(signal) == SIG_DFL
                    && matches!(signal, SIGCHLD | SIGCONT | SIGURG | SIGWINCH);
            if ignored {
                self.signals.pending &= !bit(signal);
            }
        }
        a.write_unless_null(&mut self.memory, 2, &old)?;
        Ok(0)
    }

    pub(crate) fn rt_sigprocmask(&mut self, a: &mut Args<'_, '_>) -> Answer {
        if a.num(3) != 8 {
            return Err(Errno::EINVAL);
        }
        let before = self.signals.mask;
        if !a.is_null(1) {
            let set = crate::layout::get(&a.read(&self.memory, 1, 8)?, 0, 8) & !(bit(SIGKILL) | bit(SIGSTOP));
            self.signals.mask = match a.uint(0) {
                SIG_BLOCK => before | set,
                SIG_UNBLOCK => before & !set,
                SIG_SETMASK => set,
                _ => return Err(Errno::EINVAL),
            };
            self.deliver_unblocked();
        }
        a.write_unless_null(&mut self.memory, 2, &before.to_le_bytes())?;
        Ok(0)
    }

    fn deliver_unblocked(&mut self) {
        let ready = self.signals.pending & !self.signals.mask;
        self.signals.pending &= self.signals.mask;
        for signal in (1..=SIGRTMAX).filter(|&signal| ready & bit(signal) != 0) {
            self.raise(signal);
        }
    }

    pub(crate) fn rt_sigpending(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let size = a.num(1) as usize;
        if size > 8 {
            return Err(Errno::EINVAL);
        }
        let set = (self.signals.pending & self.signals.mask).to_le_bytes();
        a.write(&mut self.memory, 0, &set[..size])?;
        Ok(0)
    }

    /// `rt_sigtimedwait`: what does not wait already does not come.
    pub(crate) fn rt_sigtimedwait(&mut self, a: &mut Args<'_, '_>) -> Answer {
        if a.num(3) != 8 {
            return Err(Errno::EINVAL);
        }
        let wanted = crate::layout::get(&a.read(&self.memory, 0, 8)?, 0, 8) & self.signals.pending;
        self.timeout_ns(a, 2)?;
        if wanted == 0 {
            return Err(Errno::EAGAIN);
        }
        let signal = wanted.trailing_zeros() + 1;
        self.signals.pending &= !bit(signal);
        Ok(signal as usize)
    }

    /// `rt_sigsuspend`: what waits and is let through is delivered; nothing else comes, so the wait is over anyhow.
    pub(crate) fn rt_sigsuspend(&mut self, a: &mut Args<'_, '_>) -> Answer {
        if a.num(1) != 8 {
            return Err(Errno::EINVAL);
        }
        let mask = crate::layout::get(&a.read(&self.memory, 0, 8)?, 0, 8);
        let before = std::mem::replace(&mut self.signals.mask, mask & !(bit(SIGKILL) | bit(SIGSTOP)));
        self.deliver_unblocked();
        self.signals.mask = before;
        Err(Errno::EINTR)
    }

    pub(crate) fn sigaltstack(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (sp, flags, size) = self.signals.stack;
        if !a.is_null(0) {
            let bytes = a.read(&self.memory, 0, size_of::<sigaltstack>())?;
            let new_flags = field!(bytes, sigaltstack, ss_flags) as u32;
            let new = (field!(bytes, sigaltstack, ss_sp), new_flags, field!(bytes, sigaltstack, ss_size));
            self.signals.stack = match new_flags & !AUTODISARM {
                SS_DISABLE => (0, new_flags, 0),
                // SS_ONSTACK is accepted and means nothing.
                0 | 1 if new.2 < u64::from(MINSIGSTKSZ) => return Err(Errno::ENOMEM),
                0 | 1 => (new.0, new_flags & AUTODISARM, new.2),
                _ => return Err(Errno::EINVAL),
            };
        }
        let old = layout!(sigaltstack { ss_sp = sp, ss_flags = flags, ss_size = size });
        a.write_unless_null(&mut self.memory, 1, &old)?;
        Ok(0)
    }

    /// `kill`, `tkill` and `tgkill`. Only this process and pid 1 exist.
    pub(crate) fn kill(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let own = self.process.pid;
        let (pid, tid, signal) = match a.nr() {
            Sysno::Tgkill => (a.int(0), Some(a.int(1)), a.uint(2)),
            Sysno::Tkill => (a.int(0), Some(a.int(0)), a.uint(1)),
            _ => (a.int(0), None, a.uint(1)),
        };
        if tid.is_some_and(|tid| tid <= 0 || pid <= 0) || signal > SIGRTMAX {
            return Err(Errno::EINVAL);
        }
        // Everyone (-1) is everyone but the caller and process 1.
        let here = pid == own || tid.is_none() && (pid == 0 || pid == -self.process.pgid);
        let is_child = tid.is_none() && self.children.has(pid);
        if tid.is_some_and(|tid| tid != own && tid != 1) || !here && !is_child && pid != 1 {
            return Err(Errno::ESRCH);
        }
        if !here && !is_child && !self.capable() {
            return Err(Errno::EPERM);
        }
        if signal == 0 {
            return Ok(0);
        }
        if here {
            self.deliver(signal, pid, tid);
        } else {
            let disposition = Disposition::Elsewhere;
            self.signals.sent.push(Signal { number: signal as i32, pid, tid, disposition });
        }
        Ok(0)
    }
}
