//! Children that a test declares, and waiting for them. It never blocks: what would wait is interrupted.

use crate::args::Args;
use crate::layout::layout;
use crate::mock::Mock;
use crate::state::{Answer, State};
use linux_raw_sys::general::rusage;
use std::collections::BTreeMap;
use xnu_abi::linux::{Errno, flags};

/// What a child did last, if nobody has waited for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChildChange {
    /// It ended with a status.
    Exited(i32),
    /// A signal of Linux's number ended it.
    Killed(i32),
    /// The same, and a core was written.
    Dumped(i32),
    /// A signal of Linux's number stopped it.
    Stopped(i32),
    /// It is traced, and stopped with this status.
    Trapped(i32),
    /// It went on.
    Continued,
}

impl ChildChange {
    /// `CLD_…`, the status, and the option that waits for it.
    fn told(self) -> (u32, i32, u32) {
        match self {
            ChildChange::Exited(status) => (1, status & 0xff, flags::WEXITED),
            ChildChange::Killed(signal) => (2, signal, flags::WEXITED),
            ChildChange::Dumped(signal) => (3, signal, flags::WEXITED),
            ChildChange::Stopped(signal) => (5, signal, flags::WSTOPPED),
            ChildChange::Trapped(status) => (4, status, flags::WSTOPPED),
            ChildChange::Continued => (6, 18, flags::WCONTINUED),
        }
    }
}

/// The children of the process: group and change of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Children(BTreeMap<i32, (i32, Option<ChildChange>)>);

impl Mock {
    /// Gives the process a child in a group, or a child that it has a new change.
    pub fn set_child(&self, pid: i32, group: i32, change: Option<ChildChange>) {
        self.state().children.0.insert(pid, (group, change));
    }

    /// The numbers of children that nobody has reaped.
    pub fn children(&self) -> Vec<i32> {
        self.state().children.0.keys().copied().collect()
    }
}

impl Children {
    pub(crate) fn has(&self, pid: i32) -> bool {
        self.0.contains_key(&pid)
    }
}

impl State {
    /// A traced child that goes on executes its program at once. One that is let go was sent a `SIGSTOP` before, and stops.
    pub(crate) fn ptrace(&mut self, a: &mut Args<'_, '_>) -> Answer {
        const TRACEME: i32 = 0;
        const CONT: i32 = 7;
        const DETACH: i32 = 17;
        const SETOPTIONS: i32 = 0x4200;
        const SIGSTOP: i32 = 19;
        const EXECUTED: i32 = 5 | 4 << 8;
        let (request, pid) = (a.int(0), a.int(1));
        if request == TRACEME {
            return Ok(0);
        }
        let (_, change) = self.children.0.get_mut(&pid).ok_or(Errno::ESRCH)?;
        match request {
            SETOPTIONS => {}
            CONT => *change = Some(ChildChange::Trapped(EXECUTED)),
            DETACH => *change = Some(ChildChange::Stopped(SIGSTOP)),
            _ => return Err(Errno::EINVAL),
        }
        Ok(0)
    }

    pub(crate) fn waitid(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (kind, id, options) = (a.int(0), a.int(1), a.uint(3));
        let changes = flags::WEXITED | flags::WSTOPPED | flags::WCONTINUED;
        if options & !(changes | flags::WNOHANG | flags::WNOWAIT) != 0 || options & changes == 0 {
            return Err(Errno::EINVAL);
        }
        let own = self.process.pgid;
        let meant = |pid: i32, group: i32| match kind {
            0 => Ok(true),
            1 if id > 0 => Ok(pid == id),
            2 if id >= 0 => Ok(group == if id == 0 { own } else { id }),
            _ => Err(Errno::EINVAL),
        };
        meant(0, 0)?;
        let children = &self.children.0;
        let mut meant =
            children.iter().filter(|(pid, (group, _))| meant(**pid, *group) == Ok(true)).peekable();
        if meant.peek().is_none() {
            return Err(Errno::ECHILD);
        }
        let changed = meant.find_map(|(pid, (_, change))| {
            let (code, status, option) = change.as_ref()?.told();
            (options & option != 0).then_some((*pid, code, status))
        });
        let Some((pid, code, status)) = changed else {
            if options & flags::WNOHANG == 0 {
                return Err(Errno::EINTR);
            }
            a.write_unless_null(&mut self.memory, 2, &[0; 28])?;
            return Ok(0);
        };
        if options & flags::WNOWAIT == 0 {
            match self.children.0.get_mut(&pid) {
                Some((_, change)) if options & flags::WEXITED == 0 || code > 3 => *change = None,
                _ => drop(self.children.0.remove(&pid)),
            }
        }
        let mut info = [0; 28];
        for (at, word) in
            [(0, 17), (8, code), (16, pid as u32), (20, self.process.credentials.uid), (24, status as u32)]
        {
            info[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        a.write_unless_null(&mut self.memory, 2, &info)?;
        let used = layout!(rusage { ru_utime.tv_sec = 1u32, ru_maxrss = 4096u32, ru_nvcsw = pid });
        a.write_unless_null(&mut self.memory, 4, &used)?;
        Ok(0)
    }
}
