//! What became of a child.

use super::signal::to_darwin;
use crate::linux::child::Change;
use xnu_abi::darwin::signal::{CldCode, Siginfo, Signal};
use xnu_abi::darwin::wait::{_WSTOPPED, WCOREFLAG, WaitOptions};
use xnu_abi::linux::flags;
use zerocopy::FromZeros;

/// Options of Linux's `waitid` for those of Darwin's. `WUNTRACED`, which is `wait4`'s, is left out.
pub fn options_to_linux(options: WaitOptions) -> u32 {
    let mut linux = 0;
    for (darwin, bit) in [
        (WaitOptions::WNOHANG, flags::WNOHANG),
        (WaitOptions::WEXITED, flags::WEXITED),
        (WaitOptions::WSTOPPED, flags::WSTOPPED),
        (WaitOptions::WCONTINUED, flags::WCONTINUED),
        (WaitOptions::WNOWAIT, flags::WNOWAIT),
    ] {
        if options.contains(darwin) {
            linux |= bit;
        }
    }
    linux
}

/// Whether the child is no more.
pub fn is_end(change: &Change) -> bool {
    matches!(CldCode::new(change.code), CldCode::CLD_EXITED | CldCode::CLD_KILLED | CldCode::CLD_DUMPED)
}

/// Darwin's number of the signal that ended, stopped or continued a child. Linux's real-time signals, which only a
/// program of Linux's sends, look like the nearest that cannot be caught either.
fn signal(change: &Change) -> i32 {
    to_darwin(change.status).unwrap_or(Signal::SIGKILL).number()
}

/// The status that `wait4` tells (`bsd/sys/wait.h`): one that went on looks stopped by `SIGCONT`.
pub fn status(change: &Change) -> i32 {
    const EXIT_SHIFT: u32 = 8;
    let stopped = |signal: i32| signal.wrapping_shl(EXIT_SHIFT) | _WSTOPPED as i32;
    match CldCode::new(change.code) {
        CldCode::CLD_EXITED => (change.status & 0xff).wrapping_shl(EXIT_SHIFT),
        CldCode::CLD_DUMPED => signal(change) | WCOREFLAG as i32,
        CldCode::CLD_STOPPED | CldCode::CLD_TRAPPED => stopped(signal(change)),
        CldCode::CLD_CONTINUED => stopped(Signal::SIGCONT.number()),
        _ => signal(change),
    }
}

/// What `waitid` tells: signal, code, child and status, all else zero.
pub fn siginfo(change: &Change) -> Siginfo {
    let mut info = Siginfo::new_zeroed();
    info.si_signo = Signal::SIGCHLD.number();
    info.si_code = change.code;
    info.si_pid = change.pid;
    info.si_status = match CldCode::new(change.code) {
        CldCode::CLD_EXITED => change.status,
        _ => signal(change),
    };
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(code: CldCode, status: i32) -> Change {
        Change { code: code.number(), pid: 7, status }
    }

    #[test]
    fn signals_in_a_status_are_darwins() {
        const SIGBUS: i32 = 7;
        const SIGSTOP: i32 = 19;
        const SIGCONT: i32 = 18;
        assert_eq!(status(&change(CldCode::CLD_EXITED, 3)), 0x300);
        assert_eq!(status(&change(CldCode::CLD_EXITED, 255)), 0xff00);
        assert_eq!(status(&change(CldCode::CLD_KILLED, SIGBUS)), 10);
        assert_eq!(status(&change(CldCode::CLD_DUMPED, SIGBUS)), 10 | 0x80);
        assert_eq!(status(&change(CldCode::CLD_STOPPED, SIGSTOP)), 0x117f);
        assert_eq!(status(&change(CldCode::CLD_CONTINUED, SIGCONT)), 0x137f);
        assert_eq!(siginfo(&change(CldCode::CLD_KILLED, SIGBUS)).si_status, 10);
        assert_eq!(siginfo(&change(CldCode::CLD_EXITED, SIGBUS)).si_status, SIGBUS);
    }

    #[test]
    fn a_real_time_signal_is_no_exit() {
        assert_eq!(status(&change(CldCode::CLD_KILLED, 40)), 9);
    }

    #[test]
    fn options_are_linuxs() {
        assert_eq!(options_to_linux(WaitOptions::WNOHANG | WaitOptions::WCONTINUED), 1 | 8);
        assert_eq!(options_to_linux(WaitOptions::WSTOPPED | WaitOptions::WEXITED), 2 | 4);
        assert_eq!(options_to_linux(WaitOptions::WNOWAIT | WaitOptions::WUNTRACED), 0x0100_0000);
    }
}
