//! Open files: closing, seeking, copying descriptors, flushing (`bsd/kern/kern_descrip.c`, `bsd/vfs/vfs_syscalls.c`).

use super::fcntl::file::{Kind, kind};
use super::guarded;
use super::open::check_lockable;
use crate::convert::errno::{ToBsd, errno};
use crate::convert::fcntl::whence_to_linux;
use crate::descriptors::{FarPositions, OPEN_MAX};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{Fd, SysResult};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::FlockOperation;
use xnu_abi::darwin::guarded::GuardFlags;
use xnu_abi::darwin::unistd::Whence;
use xnu_abi::linux::{self as abi, flags};

/// Linux's `SEEK_SET` and `SEEK_CUR`.
const SEEK_SET: i32 = 0;
const SEEK_CUR: i32 = 1;

/// `man 2 close`.
pub fn close<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd) -> SysResult<()> {
    guarded::allow(cx, fd, GuardFlags::GUARD_CLOSE)?;
    close_anyway(cx, fd)
}

/// Closes whatever a guard says.
pub(super) fn close_anyway<K: Kernel, L>(cx: &Context<'_, K, L>, fd: Fd) -> SysResult<()> {
    cx.process.descriptors.forget(fd.0);
    linux::descriptor::close(cx.kernel(), fd.to_linux()?).to_bsd()
}

/// `man 2 lseek` (`bsd/vfs/vfs_syscalls.c`, `lseek`). A position may be anything that is not negative.
///
/// Differs from XNU: a position beyond what Linux's file system can hold is remembered for the descriptor, and for
/// later copies of it, where XNU keeps it with the open file; devices that ignore positions stay at 0.
pub fn lseek<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    offset: i64,
    whence: Whence,
) -> SysResult<i64> {
    let (kernel, far) = (cx.kernel(), &cx.process.descriptors.far);
    let file = fd.to_linux()?;
    let Some(linux_whence) = whence_to_linux(whence) else {
        // The descriptor is looked up before the origin.
        linux::descriptor::lseek(kernel, file, 0, SEEK_CUR).to_bsd()?;
        return Err(Errno::EINVAL);
    };
    if whence == Whence::SEEK_CUR
        && let Some(base) = far_position(kernel, far, file)
    {
        return seek_by_hand(kernel, far, file, base, offset);
    }
    match linux::descriptor::lseek(kernel, file, offset, linux_whence) {
        Ok(position) => {
            far.remove(file.0);
            Ok(position)
        }
        Err(abi::Errno::EINVAL | abi::Errno::EOVERFLOW) => {
            let base = match whence {
                Whence::SEEK_SET => 0,
                Whence::SEEK_CUR => linux::descriptor::lseek(kernel, file, 0, SEEK_CUR).to_bsd()?,
                Whence::SEEK_END => linux::metadata::fstatx(kernel, file).to_bsd()?.stx_size as i64,
                _ => return Err(Errno::EINVAL),
            };
            seek_by_hand(kernel, far, file, base, offset)
        }
        Err(error) => Err(errno(error)),
    }
}

/// A position that is remembered, as long as Linux's is where it was put.
fn far_position<K: Kernel>(kernel: &K, far: &FarPositions, file: LinuxFd) -> Option<i64> {
    let position = far.get(file.0)?;
    let real = linux::descriptor::lseek(kernel, file, 0, SEEK_CUR).ok()?;
    if real.checked_add(1).is_some_and(|next| linux::descriptor::lseek(kernel, file, next, SEEK_SET).is_err())
    {
        return Some(position);
    }
    // Another descriptor of the same open file has moved it.
    let _ = linux::descriptor::lseek(kernel, file, real, SEEK_SET);
    far.remove(file.0);
    None
}

/// Goes where Linux would not, or where it starts from such a place.
#[cold]
fn seek_by_hand<K: Kernel>(
    kernel: &K,
    far: &FarPositions,
    file: LinuxFd,
    base: i64,
    offset: i64,
) -> SysResult<i64> {
    let target = match base.checked_add(offset) {
        Some(target) => target,
        None if offset > 0 => return Err(Errno::EOVERFLOW),
        None => return Err(Errno::EINVAL),
    };
    if target < 0 {
        return Err(Errno::EINVAL);
    }
    if linux::descriptor::lseek(kernel, file, target, SEEK_SET).is_ok() {
        far.remove(file.0);
        return Ok(target);
    }
    // At the last place that Linux has, there is nothing to read and no room to write, as at every one behind it.
    let (mut good, mut bad) = (0i64, target);
    while bad.wrapping_sub(good) > 1 {
        let middle = good.wrapping_add(bad.wrapping_sub(good) / 2);
        match linux::descriptor::lseek(kernel, file, middle, SEEK_SET) {
            Ok(_) => good = middle,
            Err(abi::Errno::EINVAL | abi::Errno::EOVERFLOW) => bad = middle,
            Err(error) => return Err(errno(error)),
        }
    }
    linux::descriptor::lseek(kernel, file, good, SEEK_SET).to_bsd()?;
    if far.set(file.0, target) { Ok(target) } else { Err(Errno::EINVAL) }
}

/// `man 2 dup`.
pub fn dup<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd) -> SysResult<Fd> {
    guarded::allow(cx, fd, GuardFlags::GUARD_DUP)?;
    let copy = linux::descriptor::dup(cx.kernel(), fd.to_linux()?).to_bsd()?;
    cx.process.descriptors.copied(fd.0, copy.0);
    Ok(Fd(copy.0))
}

/// `man 2 dup2`. Onto itself, an open descriptor is left as it is, with its close-on-exec flag.
pub fn dup2<K: Kernel, L>(cx: &mut Context<'_, K, L>, from: Fd, to: Fd) -> SysResult<Fd> {
    guarded::allow(cx, from, GuardFlags::GUARD_DUP)?;
    let (source, target) = (from.to_linux()?, to.to_linux()?);
    if source == target {
        linux::descriptor::fcntl(cx.kernel(), source, flags::F_GETFD, 0).to_bsd()?;
    } else {
        if cx.process.descriptors.guards.get(to.0).is_some() {
            // What is not open closes nothing.
            linux::descriptor::fcntl(cx.kernel(), source, flags::F_GETFD, 0).to_bsd()?;
            guarded::allow(cx, to, GuardFlags::GUARD_CLOSE)?;
        }
        linux::descriptor::dup3(cx.kernel(), source, target, 0).to_bsd()?;
        cx.process.descriptors.forget(to.0);
        cx.process.descriptors.copied(from.0, to.0);
    }
    Ok(to)
}

/// `man 2 pipe`. The two ends come back in the two return words.
pub fn pipe<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<(i32, i32)> {
    let (LinuxFd(read), LinuxFd(write)) = linux::descriptor::pipe2(cx.kernel(), 0).to_bsd()?;
    Ok((read, write))
}

/// `man 2 fsync`. XNU refuses what has no storage with `ENOTSUP`, Linux with `EINVAL`.
pub fn fsync<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd) -> SysResult<()> {
    no_storage(linux::descriptor::fsync(cx.kernel(), fd.to_linux()?).to_bsd())
}

/// `man 2 fdatasync`.
pub fn fdatasync<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd) -> SysResult<()> {
    no_storage(linux::descriptor::fdatasync(cx.kernel(), fd.to_linux()?).to_bsd())
}

fn no_storage(result: SysResult<()>) -> SysResult<()> {
    match result {
        Err(Errno::EINVAL) => Err(Errno::ENOTSUP),
        other => other,
    }
}

/// `man 2 sync`.
pub fn sync<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<i32> {
    linux::descriptor::sync(cx.kernel()).to_bsd().map(|()| 0)
}

/// `man 2 getdtablesize`: the limit of descriptors, and never more than the kernel has for a process.
pub fn getdtablesize<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<i32> {
    let limit = linux::process::prlimit(cx.kernel(), flags::RLIMIT_NOFILE, None).to_bsd()?.current;
    Ok(limit.min(OPEN_MAX as u64) as i32)
}

/// `man 2 flock`. Of several operations the first of unlocking, locking alone and sharing counts; none is `EBADF`.
pub fn flock<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd, how: FlockOperation) -> SysResult<i32> {
    const LOCK_UN: u32 = 8;
    let kernel = cx.kernel();
    let file = fd.to_linux()?;
    match kind(kernel, file)?.0 {
        Kind::Vnode(_) => {}
        _ => return Err(Errno::ENOTSUP),
    }
    let mut operation = if how.contains(FlockOperation::LOCK_UN) {
        LOCK_UN
    } else if how.contains(FlockOperation::LOCK_EX) {
        flags::LOCK_EX
    } else if how.contains(FlockOperation::LOCK_SH) {
        flags::LOCK_SH
    } else {
        return Err(Errno::EBADF);
    };
    check_lockable(kernel, file)?;
    if how.contains(FlockOperation::LOCK_NB) && operation != LOCK_UN {
        operation |= flags::LOCK_NB;
    }
    linux::descriptor::flock(kernel, file, operation).to_bsd().map(|()| 0)
}
