//! Record locks: of the process, and of the open file (`bsd/kern/kern_lockf.c`).
//!
//! Differs from XNU: there, `flock` and record locks are in each other's way; on Linux they are not. `F_GETLKPID` looks
//! along the range, and so sees one lock of several that lie on the same bytes.

use super::file::{access, vnode};
use crate::convert::errno::ToBsd;
use crate::convert::fcntl::{flock_to_darwin, flock_to_linux};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::{Flock, LockType};
use xnu_abi::darwin::stat::FileType;
use xnu_abi::darwin::time::Timespec;
use xnu_abi::darwin::unistd::Whence;
use xnu_abi::linux::{self as abi, flags};
use zerocopy::IntoBytes;

/// Linux's `SEEK_CUR`.
const SEEK_CUR: i32 = 1;

/// Whose locks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// The process's (`F_SETLK`).
    Process,
    /// The open file's (`F_OFD_SETLK`).
    OpenFile,
}

/// How long to wait for a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wait {
    /// Not at all.
    No,
    /// Until it is there.
    Forever,
    /// As the structure says that follows the lock (`struct flocktimeout`).
    Timeout,
}

/// A lock as asked for, its start counted from the start of the file where it can be.
struct Asked {
    lock: Flock,
    timeout: Timespec,
    kind: FileType,
}

/// Checks what comes before the lock is looked at: the file, the structure and its range.
fn asked<K: Kernel>(kernel: &K, file: LinuxFd, address: UserAddr, wait: Wait) -> SysResult<Asked> {
    let (kind, _) = vnode(kernel, file)?;
    let mut lock = UserPtr::<Flock>::new(address).read(kernel)?;
    let mut timeout = Timespec { tv_sec: 0, tv_nsec: 0 };
    if wait == Wait::Timeout {
        timeout = UserPtr::<Timespec>::new(address.checked_add(size_of::<Flock>() as u64)?).read(kernel)?;
    }
    let base = match Whence::new(i32::from(lock.l_whence)) {
        Whence::SEEK_SET => 0,
        // What has no position counts as at the start.
        Whence::SEEK_CUR => linux::descriptor::lseek(kernel, file, 0, SEEK_CUR).unwrap_or(0),
        _ => return Ok(Asked { lock, timeout, kind }),
    };
    lock.l_start = checked_start(&lock, base)?;
    Ok(Asked { lock, timeout, kind })
}

/// The start of a range counted from `base`: what begins before the file is `EINVAL`, what reaches beyond the largest
/// offset `EOVERFLOW` (`check_file_seek_range`).
fn checked_start(lock: &Flock, base: i64) -> SysResult<i64> {
    let overflow = if lock.l_start < 0 { Errno::EINVAL } else { Errno::EOVERFLOW };
    let start = base.checked_add(lock.l_start).ok_or(overflow)?;
    if start < 0 {
        return Err(Errno::EINVAL);
    }
    let last = lock.l_len.saturating_sub(i64::from(lock.l_len > 0));
    match start.checked_add(last) {
        None => Err(Errno::EOVERFLOW),
        Some(last) if last < 0 => Err(Errno::EINVAL),
        Some(_) => Ok(start),
    }
}

/// `VNOP_ADVLOCK`: only files and directories can be locked.
fn check_lockable(kind: FileType) -> SysResult<()> {
    match kind {
        FileType::S_IFREG | FileType::S_IFDIR | FileType::S_IFLNK => Ok(()),
        _ => Err(Errno::ENOTSUP),
    }
}

/// For Linux; the origin of what was counted from the position is the start now.
fn to_linux(lock: &Flock) -> SysResult<abi::Flock> {
    let mut to = flock_to_linux(lock).ok_or(Errno::EINVAL)?;
    if Whence::new(i32::from(lock.l_whence)) == Whence::SEEK_CUR {
        to.l_whence = Whence::SEEK_SET.number() as i16;
    }
    Ok(to)
}

/// `F_SETLK` and its kin. A conflict is `EAGAIN`, one that outlasts the timeout `ETIMEDOUT`.
pub(super) fn set<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    owner: Owner,
    wait: Wait,
    address: UserAddr,
) -> SysResult<i32> {
    let Asked { lock, timeout, kind } = asked(kernel, file, address, wait)?;
    let access = access(kernel, file)?;
    let allowed = match LockType::new(lock.l_type) {
        LockType::F_RDLCK => access.reads,
        LockType::F_WRLCK => access.writes,
        LockType::F_UNLCK => true,
        _ => return Err(Errno::EINVAL),
    };
    if !allowed {
        return Err(Errno::EBADF);
    }
    check_lockable(kind)?;
    let lock = to_linux(&lock)?;
    let (at_once, waiting) = match owner {
        Owner::Process => (flags::F_SETLK, flags::F_SETLKW),
        Owner::OpenFile => (flags::F_OFD_SETLK, flags::F_OFD_SETLKW),
    };
    match wait {
        Wait::No => set_once(kernel, file, at_once, lock),
        // A timeout of nothing at all is none (`msleep`).
        Wait::Timeout if (timeout.tv_sec, timeout.tv_nsec) != (0, 0) => {
            set_within(kernel, file, at_once, lock, duration_ns(&timeout))
        }
        _ => set_once(kernel, file, waiting, lock),
    }
}

fn set_once<K: Kernel>(kernel: &K, file: LinuxFd, command: u32, mut lock: abi::Flock) -> SysResult<i32> {
    linux::descriptor::fcntl_struct(kernel, file, command, lock.as_mut_bytes()).to_bsd()
}

const NS_PER_SEC: u64 = 1_000_000_000;

/// A negative timeout is a very long one: XNU takes the numbers as unsigned.
fn duration_ns(timeout: &Timespec) -> u64 {
    (timeout.tv_sec as u64).saturating_mul(NS_PER_SEC).saturating_add(timeout.tv_nsec as u64)
}

/// Linux has no lock with a timeout, so it is tried again and again, at first after 1 ms and at last every 16 ms.
///
/// Differs from XNU: the lock may go to others in between, and a deadlock ends with the timeout, not with `EDEADLK`.
fn set_within<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    command: u32,
    lock: abi::Flock,
    timeout_ns: u64,
) -> SysResult<i32> {
    let mut left_ns = timeout_ns;
    let mut pause_ns = 1_000_000;
    loop {
        match set_once(kernel, file, command, lock) {
            Err(Errno::EAGAIN) => {}
            other => return other,
        }
        if left_ns == 0 {
            return Err(Errno::ETIMEDOUT);
        }
        let nap_ns = left_ns.min(pause_ns);
        let nap = abi::Timespec { tv_sec: 0, tv_nsec: nap_ns as i64 };
        linux::time::nanosleep(kernel, &nap).to_bsd()?;
        left_ns = left_ns.saturating_sub(nap_ns);
        pause_ns = pause_ns.saturating_mul(2).min(16_000_000);
    }
}

/// `F_GETLK` and its kin: the first lock in the way; with `of_process`, the first of that process.
pub(super) fn get<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    owner: Owner,
    of_process: bool,
    address: UserAddr,
) -> SysResult<i32> {
    let Asked { lock: mut answer, kind, .. } = asked(kernel, file, address, Wait::No)?;
    let mut lock = to_linux(&answer)?;
    if !matches!(Whence::new(i32::from(lock.l_whence)), Whence::SEEK_SET | Whence::SEEK_END) {
        return Err(Errno::EINVAL);
    }
    check_lockable(kind)?;
    // To ask what is in the way of nothing means to ask for writers; Linux takes it for another question.
    if LockType::new(answer.l_type) == LockType::F_UNLCK {
        lock.l_type = 0;
    }
    let command = match owner {
        Owner::Process => flags::F_GETLK,
        Owner::OpenFile => flags::F_OFD_GETLK,
    };
    let process = Some(answer.l_pid).filter(|pid| of_process && *pid != -1);
    match find(kernel, file, command, lock, process)? {
        Some(found) => answer = flock_to_darwin(&found),
        // Nobody is in the way: everything but the type stays as it was asked.
        None => answer.l_type = LockType::F_UNLCK.number(),
    }
    UserPtr::new(address).write(kernel, &answer)?;
    Ok(0)
}

/// How many locks of others `F_GETLKPID` passes before it gives up.
const LOOKS: usize = 256;

/// The first lock in the way, or the first of this process: then what lies behind each other's lock is searched.
fn find<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    command: u32,
    wanted: abi::Flock,
    process: Option<i32>,
) -> SysResult<Option<abi::Flock>> {
    const NONE: i16 = 2;
    let mut range = wanted;
    for _ in 0..LOOKS {
        let mut found = range;
        linux::descriptor::fcntl_struct(kernel, file, command, found.as_mut_bytes()).to_bsd()?;
        if found.l_type == NONE {
            return Ok(None);
        }
        // Locks without one owner (of open files) are told to everyone.
        if process.is_none_or(|process| found.l_pid == process || found.l_pid == -1) {
            return Ok(Some(found));
        }
        let (Some(next), true) = (found.l_start.checked_add(found.l_len), found.l_len != 0) else {
            return Ok(None);
        };
        let end = range.l_start.saturating_add(range.l_len);
        if range.l_len != 0 && next >= end || range.l_whence != 0 {
            return Ok(None);
        }
        if range.l_len != 0 {
            range.l_len = end.saturating_sub(next);
        }
        range.l_start = next;
    }
    Ok(None)
}
