//! The process that a call is about.

use super::Exactly;
use crate::bsd::object::effective_user;
use crate::convert::errno::ToBsd;
use crate::convert::process::{id_version, kernel_task, unique_id};
use crate::kernel::Kernel;
use crate::linux::proc::{Entry, Stat, Status};
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::table::SysResult;
use crate::user::UserAddr;
use xnu_abi::darwin::Errno;
use xnu_abi::linux::Errno as LinuxErrno;

/// A process, and what Linux says of it.
pub(in crate::bsd) struct Subject<'a, K: Kernel> {
    pub(in crate::bsd) kernel: &'a K,
    /// Where it is in `/proc`; the kernel itself is not there.
    entry: Option<Entry<'a, K>>,
    pub(in crate::bsd) stat: Stat,
    pub(in crate::bsd) status: Status,
    /// Whether it is the caller.
    pub(in crate::bsd) is_self: bool,
}

/// What Linux answers of a process that is gone, or that the caller may not look into.
pub(super) fn told<T>(result: LinuxResult<T>) -> SysResult<T> {
    match result {
        Err(LinuxErrno::ENOENT | LinuxErrno::ESRCH) => Err(Errno::ESRCH),
        Err(LinuxErrno::EACCES) => Err(Errno::EPERM),
        other => other.to_bsd(),
    }
}

impl<'a, K: Kernel> Subject<'a, K> {
    /// Nobody yet. In two steps, since much is known of a process and it would be copied from one place to another.
    #[inline(always)]
    pub(in crate::bsd) fn new(kernel: &'a K) -> Subject<'a, K> {
        Subject { kernel, entry: None, stat: Stat::default(), status: Status::default(), is_self: false }
    }

    /// Finds a process; one that ended only where those are wanted.
    ///
    /// `ESRCH`; `ENOTSUP` where there is one but Linux does not tell, since there is no `/proc`.
    #[inline(never)]
    pub(in crate::bsd) fn find(&mut self, process: i32, takes_zombies: bool) -> SysResult<()> {
        let kernel = self.kernel;
        if process == 0 {
            (self.stat, self.status) = kernel_task();
            return Ok(());
        }
        if process < 0 {
            return Err(Errno::ESRCH);
        }
        self.is_self = linux::process::getpid(kernel).to_bsd()? == process;
        let entry = match Entry::of_process(kernel, process) {
            Err(LinuxErrno::ENOENT) => {
                linux::signal::kill(kernel, process, 0).map_err(|_| Errno::ESRCH)?;
                return Err(Errno::ENOTSUP);
            }
            other => told(other)?,
        };
        let entry = self.entry.insert(entry);
        told(entry.read_stat(&mut self.stat))?;
        told(entry.read_status(&mut self.status))?;
        // Threads are there too, but are no processes.
        if self.status.tgid != process || self.stat.is_zombie() && !takes_zombies {
            return Err(Errno::ESRCH);
        }
        Ok(())
    }

    /// Opens a file of Linux's about it; `None` where the caller may not. `name` ends with a NUL.
    pub(in crate::bsd) fn file(&self, name: &[u8]) -> SysResult<Option<LinuxFd>> {
        match told(self.entry()?.open(name)) {
            Err(Errno::EPERM | Errno::ESRCH) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Where it is in `/proc`.
    pub(super) fn entry(&self) -> SysResult<&Entry<'a, K>> {
        self.entry.as_ref().ok_or(Errno::ESRCH)
    }

    /// `proc_security_policy`: of others' processes much is told to the superuser alone.
    pub(in crate::bsd) fn check_same_user(&self) -> SysResult<()> {
        let user = effective_user(self.kernel)?;
        let [_, of_process, ..] = self.status.uid;
        if user == of_process || user == 0 { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// Whether it is the very process that is meant, and not a later one with its number.
    pub(super) fn is_exactly(&self, exactly: Exactly) -> SysResult<()> {
        let is_it = match exactly {
            Exactly::Anyone => true,
            Exactly::Version(version) => version == id_version(&self.stat) as u64,
            Exactly::Unique(number) => number == unique_id(&self.stat),
        };
        if is_it { Ok(()) } else { Err(Errno::ESRCH) }
    }
}

/// Writes zeros.
pub(in crate::bsd) fn zero<K: Kernel>(kernel: &K, to: UserAddr, length: u64) -> SysResult<()> {
    let zeros = [0; 128];
    let mut done: u64 = 0;
    while done < length {
        let count = length.wrapping_sub(done).min(zeros.len() as u64);
        kernel.copy_out(to.checked_add(done)?, zeros.get(..count as usize).unwrap_or_default())?;
        done = done.wrapping_add(count);
    }
    Ok(())
}
