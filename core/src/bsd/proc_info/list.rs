//! Lists of processes.

use super::Request;
use super::subject::told;
use crate::bsd::scratch::Scratch;
use crate::convert::process::terminal;
use crate::kernel::Kernel;
use crate::linux::proc::{Entry, Numbers};
use crate::table::SysResult;
use crate::user::UserPtr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::proc_info::ProcList;

/// Which processes are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::bsd) enum Listed {
    All,
    None,
    Pid(i32),
    Group(i32),
    Parent(i32),
    Terminal(u32),
    User(u32),
    RealUser(u32),
}

impl Listed {
    fn has<K: Kernel>(self, kernel: &K, pid: i32) -> SysResult<bool> {
        match self {
            Listed::All => return Ok(true),
            Listed::None => return Ok(false),
            Listed::Pid(wanted) => return Ok(wanted == pid),
            _ => {}
        }
        match told(self.looks_at(kernel, pid)) {
            // It went, or is hidden.
            Err(Errno::ESRCH | Errno::EPERM) => Ok(false),
            other => other,
        }
    }

    /// Apart, since much is told and little kept.
    #[inline(never)]
    fn looks_at<K: Kernel>(self, kernel: &K, pid: i32) -> crate::linux::LinuxResult<bool> {
        let entry = Entry::of_process(kernel, pid)?;
        Ok(match self {
            Listed::Group(group) => entry.stat()?.pgrp == group,
            Listed::Parent(parent) => entry.stat()?.ppid == parent,
            Listed::Terminal(device) => {
                let stat = entry.stat()?;
                stat.tty != 0 && terminal(&stat) == device
            }
            Listed::User(user) => entry.status()?.uid.get(1) == Some(&user),
            Listed::RealUser(user) => entry.status()?.uid.first() == Some(&user),
            _ => false,
        })
    }

    /// Whether the kernel's own process is meant, which Linux does not list.
    fn has_kernel(self) -> bool {
        match self {
            Listed::All => true,
            Listed::Pid(number) | Listed::Group(number) | Listed::Parent(number) => number == 0,
            Listed::User(user) | Listed::RealUser(user) => user == 0,
            Listed::None | Listed::Terminal(_) => false,
        }
    }
}

/// More numbers than Linux gives (`PID_MAX_LIMIT`).
const CAPACITY: usize = 1 << 22;
const WORD: usize = size_of::<i32>();

/// The numbers of the processes that are meant, the youngest first as in XNU's list, with the kernel at the end.
pub(in crate::bsd) struct Pids<'a, K: Kernel> {
    kernel: &'a K,
    numbers: Scratch<'a, K>,
    count: usize,
    has_kernel: bool,
}

impl<'a, K: Kernel> Pids<'a, K> {
    pub(in crate::bsd) fn collect(kernel: &'a K, listed: Listed) -> SysResult<Pids<'a, K>> {
        let mut pids = Pids {
            kernel,
            numbers: Scratch::new(kernel, CAPACITY * WORD)?,
            count: 0,
            has_kernel: listed.has_kernel(),
        };
        pids.fill(listed)?;
        Ok(pids)
    }

    #[inline(never)]
    fn fill(&mut self, listed: Listed) -> SysResult<()> {
        let mut numbers = match Numbers::of_processes(self.kernel) {
            Err(xnu_abi::linux::Errno::ENOENT) => return Err(Errno::ENOTSUP),
            other => told(other)?,
        };
        while let Some(number) = told(numbers.next())? {
            if self.count < CAPACITY && listed.has(self.kernel, number as i32)? {
                let place = self.numbers.at(self.count.wrapping_mul(WORD))?;
                UserPtr::new(place).write(self.kernel, &number)?;
                self.count = self.count.wrapping_add(1);
            }
        }
        Ok(())
    }

    /// How many there are.
    pub(in crate::bsd) fn len(&self) -> usize {
        self.count.wrapping_add(usize::from(self.has_kernel))
    }

    /// The one at a place of the list.
    pub(in crate::bsd) fn get(&self, at: usize) -> SysResult<i32> {
        let Some(place) = self.count.checked_sub(at.wrapping_add(1)) else { return Ok(0) };
        Ok(UserPtr::<i32>::new(self.numbers.at(place.wrapping_mul(WORD))?).read(self.kernel)?)
    }
}

/// `proc_listpids`: numbers that fit, as bytes; without a buffer, how many bytes would do.
#[inline(never)]
pub(super) fn pids<K: Kernel>(kernel: &K, request: &Request) -> SysResult<i32> {
    const SLOP: usize = 20;
    // The process is the type here, and the flavor what it is about.
    let about = request.flavor;
    let listed = match ProcList::new(request.process as u32) {
        _ if request.buffer.is_null() => Listed::All,
        ProcList::PROC_ALL_PIDS => Listed::All,
        ProcList::PROC_PGRP_ONLY => Listed::Group(about as i32),
        ProcList::PROC_TTY_ONLY => Listed::Terminal(about),
        ProcList::PROC_UID_ONLY => Listed::User(about),
        ProcList::PROC_RUID_ONLY => Listed::RealUser(about),
        ProcList::PROC_PPID_ONLY => Listed::Parent(about as i32),
        // Nobody is traced by kdebug.
        _ => Listed::None,
    };
    if !request.buffer.is_null() && (request.size as usize) < WORD {
        return Err(Errno::ENOMEM);
    }
    let pids = Pids::collect(kernel, listed)?;
    if request.buffer.is_null() {
        // The kernel itself is not counted.
        let count = pids.len().wrapping_sub(1).wrapping_add(SLOP);
        return Ok(count.wrapping_mul(WORD) as i32);
    }
    let count = pids.len().min(request.size as usize / WORD);
    for at in 0..count {
        UserPtr::new(request.buffer).element(at as u64)?.write(kernel, &pids.get(at)?)?;
    }
    Ok(count.wrapping_mul(WORD) as i32)
}
