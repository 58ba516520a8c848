//! What Linux says of a signal, in Darwin's words (`bsd/dev/i386/unix_signal.c`, `bsd/uxkern/ux_exception.c`).

use xnu_abi::darwin::signal::{BusCode, FpeCode, IllCode, SegvCode, SiCode, Signal, TrapCode};
use xnu_core::convert::signal::to_darwin;
use xnu_core::signal::Info;

/// The fields of Linux's `siginfo_t` and `ucontext_t` that matter here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Cause {
    pub(super) signal: i32,
    pub(super) code: i32,
    pub(super) pid: i32,
    pub(super) uid: u32,
    pub(super) status: i32,
    pub(super) value: u64,
    pub(super) address: u64,
    pub(super) trap: u16,
    pub(super) error: u32,
    pub(super) fault_address: u64,
}

/// `SI_KERNEL`: a fault without an address, as of a general protection.
const SI_KERNEL: i32 = 0x80;

impl Cause {
    /// Whether the thread's own instruction caused it.
    pub(super) fn is_fault(&self) -> bool {
        let kind =
            matches!(self.signal, libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE | libc::SIGTRAP);
        kind && self.code > 0
    }

    /// The signal that XNU would send.
    pub(super) fn info(&self) -> Option<Info> {
        if self.is_fault() { Some(self.fault()) } else { self.sent() }
    }

    /// A page that is there but forbids the access is `SIGBUS` on XNU, one that is not there is `SIGSEGV`.
    fn fault(&self) -> Info {
        const SEGV_MAPERR: i32 = 1;
        let (signal, code, address) = match (self.signal, self.code) {
            (libc::SIGSEGV, SI_KERNEL) => (Signal::SIGSEGV, 0, 0),
            (libc::SIGSEGV, SEGV_MAPERR) => (Signal::SIGSEGV, SegvCode::SEGV_MAPERR.number(), self.address),
            (libc::SIGSEGV | libc::SIGBUS, _) => (Signal::SIGBUS, BusCode::BUS_ADRERR.number(), self.address),
            (libc::SIGILL, _) => (Signal::SIGILL, IllCode::ILL_ILLOPC.number(), self.address),
            (libc::SIGFPE, code) => (Signal::SIGFPE, float_code(code), self.address),
            (_, _) => (Signal::SIGTRAP, TrapCode::TRAP_BRKPT.number(), 0),
        };
        Info { code, address, fault: (self.trap, self.error, self.fault_address), ..Info::bare(signal) }
    }

    fn sent(&self) -> Option<Info> {
        let signal = to_darwin(self.signal)?;
        if signal == Signal::SIGCHLD && self.code > 0 {
            // The codes of children are the same; a status that is a signal is Darwin's.
            const CLD_EXITED: i32 = 1;
            let status = match self.code {
                CLD_EXITED => self.status,
                _ => to_darwin(self.status).map_or(self.status, Signal::number),
            };
            return Some(Info {
                code: self.code,
                pid: self.pid,
                uid: self.uid,
                status,
                ..Info::bare(signal)
            });
        }
        let code = match self.code {
            libc::SI_QUEUE => SiCode::SI_QUEUE,
            libc::SI_TIMER => SiCode::SI_TIMER,
            libc::SI_MESGQ => SiCode::SI_MESGQ,
            libc::SI_ASYNCIO => SiCode::SI_ASYNCIO,
            _ => SiCode::SI_USER,
        };
        Some(Info {
            code: code.number(),
            pid: self.pid,
            uid: self.uid,
            value: if code == SiCode::SI_QUEUE { self.value } else { 0 },
            ..Info::bare(signal)
        })
    }
}

/// Linux counts the integer faults first, Darwin last.
fn float_code(linux: i32) -> i32 {
    let code = match linux {
        1 => FpeCode::FPE_INTDIV,
        2 => FpeCode::FPE_INTOVF,
        3 => FpeCode::FPE_FLTDIV,
        4 => FpeCode::FPE_FLTOVF,
        5 => FpeCode::FPE_FLTUND,
        6 => FpeCode::FPE_FLTRES,
        7 => FpeCode::FPE_FLTINV,
        8 => FpeCode::FPE_FLTSUB,
        _ => return 0,
    };
    code.number()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_sigsegv_and_a_forbidden_page_is_sigbus() {
        let hole = Cause { signal: libc::SIGSEGV, code: 1, address: 0x10, trap: 14, ..Cause::default() };
        let forbidden = Cause { code: 2, ..hole };
        assert_eq!(hole.info().map(|info| (info.signal, info.address)), Some((Signal::SIGSEGV, 0x10)));
        assert_eq!(forbidden.info().map(|info| info.signal), Some(Signal::SIGBUS));
    }

    #[test]
    fn a_sent_sigsegv_is_no_fault() {
        let sent = Cause { signal: libc::SIGSEGV, code: 0, pid: 7, ..Cause::default() };
        assert!(!sent.is_fault());
        let info = sent.info().expect("a Darwin signal");
        assert_eq!((info.signal, info.code, info.pid), (Signal::SIGSEGV, 0x10001, 7));
    }

    #[test]
    fn a_killed_childs_status_is_darwins_signal() {
        let killed = Cause { signal: libc::SIGCHLD, code: 2, status: libc::SIGBUS, ..Cause::default() };
        assert_eq!(killed.info().map(|info| info.status), Some(10));
    }

    #[test]
    fn real_time_signals_are_not_darwins() {
        assert_eq!(Cause { signal: 40, ..Cause::default() }.info(), None);
    }
}
