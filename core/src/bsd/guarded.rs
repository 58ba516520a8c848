//! Guarded descriptors (`bsd/kern/kern_guarded.c`): who does not name the guard may not close, copy or write.
//!
//! What is forbidden is `EPERM`, and an `EXC_GUARD` on the way back from the call. That ends the process with `SIGKILL`,
//! any process: `fd_guard_ast` is fatal whatever `task_exc_guard` behaviour the task has, and an exception handler that
//! is told first cannot change it. Here the signal is sent at once.
//!
//! Differs from XNU: there is room for 256 guards, then `ENOMEM`.

use super::fcntl::file::{Kind, access, kind};
use super::open::{self, extended};
use super::{descriptor, transfer};
use crate::convert::errno::ToBsd;
use crate::descriptors::Guard;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{DirFd, Fd, SysResult, UserBuf, UserPath};
use crate::user::UserPtr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::{OpenFlags, ProtectedOpenFlags};
use xnu_abi::darwin::guarded::GuardFlags;
use xnu_abi::darwin::stat::Mode;
use xnu_abi::darwin::uio::Iovec;
use xnu_abi::linux::flags;

const SIGKILL: i32 = 9;
const FD_CLOEXEC: i32 = 1;
const FD_CLOFORK: i32 = 2;

/// Lets a call go on, unless the descriptor is guarded against it.
#[inline(always)]
pub(super) fn allow<K: Kernel, L>(cx: &Context<'_, K, L>, fd: Fd, what: GuardFlags) -> SysResult<()> {
    match cx.process.descriptors.guards.get(fd.0) {
        Some(guard) if guard.flags.contains(what) => violated(cx.kernel()),
        _ => Ok(()),
    }
}

/// The same for writing: a descriptor that is not open for that is `EBADF` first (`fp_lookup`).
#[inline(always)]
pub(super) fn allow_writing<K: Kernel, L>(cx: &Context<'_, K, L>, fd: Fd) -> SysResult<()> {
    match cx.process.descriptors.guards.get(fd.0) {
        Some(guard) if guard.flags.contains(GuardFlags::GUARD_WRITE) => {
            check_writable(cx.kernel(), fd)?;
            violated(cx.kernel())
        }
        _ => Ok(()),
    }
}

/// The same for `F_SETFD`: what is guarded stays close-on-exec.
pub(super) fn allow_inheriting<K: Kernel, L>(cx: &Context<'_, K, L>, fd: LinuxFd) -> SysResult<()> {
    match cx.process.descriptors.guards.get(fd.0) {
        Some(_) => violated(cx.kernel()),
        None => Ok(()),
    }
}

/// `fp_guard_exception`, `fd_guard_ast`.
#[cold]
fn violated<K: Kernel>(kernel: &K) -> SysResult<()> {
    let own = linux::process::getpid(kernel).to_bsd()?;
    linux::signal::kill(kernel, own, SIGKILL).to_bsd()?;
    Err(Errno::EPERM)
}

fn check_writable<K: Kernel>(kernel: &K, fd: Fd) -> SysResult<()> {
    if access(kernel, fd.to_linux()?)?.writes { Ok(()) } else { Err(Errno::EBADF) }
}

/// All that a guard may forbid (`GUARD_ALL`).
const ALL: GuardFlags = GuardFlags::GUARD_CLOSE
    .union(GuardFlags::GUARD_DUP)
    .union(GuardFlags::GUARD_SOCKET_IPC)
    .union(GuardFlags::GUARD_FILEPORT)
    .union(GuardFlags::GUARD_WRITE);

/// What a guard is to forbid; copying is among it (`GUARD_REQUIRED`).
fn checked(bits: u32) -> SysResult<GuardFlags> {
    let flags = GuardFlags::from_bits_retain(bits);
    let known = bits & !ALL.bits() == 0;
    if known && flags.contains(GuardFlags::GUARD_DUP) { Ok(flags) } else { Err(Errno::EINVAL) }
}

/// `guarded_open_np`. What is guarded is close-on-exec, which the caller must ask for, and close-on-fork.
pub fn guarded_open_np<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    guard: UserPtr<u64>,
    guard_flags: u32,
    flags: OpenFlags,
    mode: Mode,
) -> SysResult<Fd> {
    let guard = new_guard(cx.kernel(), flags, guard, guard_flags)?;
    open_guarded(cx, path, guard, flags, mode)
}

/// `guarded_open_dprotected_np`. As for `open_dprotected_np`, no file system here protects data.
#[expect(clippy::too_many_arguments, reason = "the call's own")]
pub fn guarded_open_dprotected_np<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    guard: UserPtr<u64>,
    guard_flags: u32,
    flags: OpenFlags,
    _class: i32,
    protection: u32,
    mode: Mode,
) -> SysResult<Fd> {
    let guard = new_guard(cx.kernel(), flags, guard, guard_flags)?;
    extended::check_raw(flags, ProtectedOpenFlags::from_bits_retain(protection), extended::READS)?;
    open_guarded(cx, path, guard, flags, mode)
}

fn new_guard<K: Kernel>(
    kernel: &K,
    flags: OpenFlags,
    guard: UserPtr<u64>,
    guard_flags: u32,
) -> SysResult<Guard> {
    if !flags.contains(OpenFlags::O_CLOEXEC) {
        return Err(Errno::EINVAL);
    }
    let flags = checked(guard_flags)?;
    match guard.read(kernel)? {
        0 => Err(Errno::EINVAL),
        id => Ok(Guard { id, flags }),
    }
}

fn open_guarded<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    guard: Guard,
    flags: OpenFlags,
    mode: Mode,
) -> SysResult<Fd> {
    let flags = OpenFlags::from_bits_retain(flags.bits() | open::O_CLOFORK);
    let fd = open::openat(cx, DirFd::CWD, path, flags, mode)?;
    if cx.process.descriptors.guards.set(fd.0, guard) {
        return Ok(fd);
    }
    // Nothing was written that closing could lose.
    let _ = descriptor::close_anyway(cx, fd);
    Err(Errno::ENOMEM)
}

/// `fp_lookup_guarded`: a descriptor that is not open, that has no guard, that has another one.
fn named<K: Kernel, L>(cx: &Context<'_, K, L>, fd: Fd, id: u64) -> SysResult<Guard> {
    linux::descriptor::fcntl(cx.kernel(), fd.to_linux()?, flags::F_GETFD, 0).to_bsd()?;
    match cx.process.descriptors.guards.get(fd.0) {
        None => Err(Errno::EINVAL),
        Some(guard) if guard.id != id => Err(Errno::EPERM),
        Some(guard) => Ok(guard),
    }
}

/// `guarded_close_np`.
pub fn guarded_close_np<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    guard: UserPtr<u64>,
) -> SysResult<()> {
    let id = guard.read(cx.kernel())?;
    named(cx, fd, id)?;
    descriptor::close_anyway(cx, fd)
}

/// `change_fdguard_np`: sets, changes or removes a guard. What must be given matches what is there, a null pointer and no
/// flags for none. The flags of the descriptor are told before anything is changed, and which of them it is to have
/// without a guard, or beyond what the new one brings with it, is taken from there.
pub fn change_fdguard_np<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    guard: UserPtr<u64>,
    guard_flags: u32,
    new: UserPtr<u64>,
    new_flags: u32,
    fd_flags: UserPtr<i32>,
) -> SysResult<i32> {
    let kernel = cx.kernel();
    let descriptors = &cx.process.descriptors;
    let id = if guard.is_null() { 0 } else { guard.read(kernel)? };
    let new_id = if new.is_null() { 0 } else { new.read(kernel)? };
    let wanted = if fd_flags.is_null() { 0 } else { fd_flags.read(kernel)? };
    let file = fd.to_linux()?;
    let before = linux::descriptor::fcntl(kernel, file, flags::F_GETFD, 0).to_bsd()? & FD_CLOEXEC;
    if !fd_flags.is_null() {
        let on_fork = if descriptors.close_on_fork.contains(fd.0) { FD_CLOFORK } else { 0 };
        fd_flags.write(kernel, &(before | on_fork))?;
    }
    let held = descriptors.guards.get(fd.0);
    match held {
        Some(_) if guard.is_null() || guard_flags == 0 => return Err(Errno::EINVAL),
        Some(_) if id == 0 => return Err(Errno::EPERM),
        None if !guard.is_null() || guard_flags != 0 => return Err(Errno::EINVAL),
        _ => {}
    }
    let matches = |held: Guard| held.id == id && held.flags.bits() == guard_flags;
    if new.is_null() {
        let held = held.ok_or(Errno::EINVAL)?;
        if new_flags != 0 {
            return Err(Errno::EINVAL);
        }
        if !matches(held) {
            return Err(Errno::EPERM);
        }
        let on_exec = i64::from(wanted & FD_CLOEXEC);
        linux::descriptor::fcntl(kernel, file, flags::F_SETFD, on_exec).to_bsd()?;
        descriptors.guards.remove(fd.0);
        set_close_on_fork(cx, fd, wanted & FD_CLOFORK != 0);
        return Ok(0);
    }
    let flags = if new_id == 0 { Err(Errno::EINVAL) } else { checked(new_flags) }?;
    let closes = flags.contains(GuardFlags::GUARD_CLOSE);
    match held {
        Some(held) if !matches(held) => return Err(Errno::EPERM),
        Some(held) => {
            let stays =
                !held.flags.contains(GuardFlags::GUARD_CLOSE) && descriptors.close_on_fork.contains(fd.0);
            set_close_on_fork(cx, fd, closes || stays || wanted & FD_CLOFORK != 0);
        }
        None => {
            if kind(kernel, file)?.0 == Kind::Other {
                return Err(Errno::ENOTSUP);
            }
            let on_exec = i64::from(FD_CLOEXEC);
            linux::descriptor::fcntl(kernel, file, flags::F_SETFD, on_exec).to_bsd()?;
            if closes {
                set_close_on_fork(cx, fd, true);
            }
        }
    }
    if descriptors.guards.set(fd.0, Guard { id: new_id, flags }) { Ok(0) } else { Err(Errno::ENOMEM) }
}

/// What is confined is closed on fork whatever is set.
fn set_close_on_fork<K, L>(cx: &Context<'_, K, L>, fd: Fd, on: bool) {
    let descriptors = &cx.process.descriptors;
    if on || descriptors.confined.contains(fd.0) {
        descriptors.close_on_fork.insert(fd.0);
    } else {
        descriptors.close_on_fork.remove(fd.0);
    }
}

/// `guarded_write_np`.
pub fn guarded_write_np<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    guard: UserPtr<u64>,
    buf: UserBuf,
    length: usize,
) -> SysResult<usize> {
    let id = guard.read(cx.kernel())?;
    transfer::check_length(length)?;
    named(cx, fd, id)?;
    transfer::write_anyway(cx, fd, buf, length)
}

/// `guarded_pwrite_np`.
pub fn guarded_pwrite_np<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    guard: UserPtr<u64>,
    buf: UserBuf,
    length: usize,
    offset: i64,
) -> SysResult<usize> {
    let id = guard.read(cx.kernel())?;
    transfer::check_length(length)?;
    named(cx, fd, id)?;
    transfer::pwrite_anyway(cx, fd, buf, length, offset)
}

/// `guarded_writev_np`.
pub fn guarded_writev_np<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    guard: UserPtr<u64>,
    vector: UserPtr<Iovec>,
    count: i32,
) -> SysResult<usize> {
    let id = guard.read(cx.kernel())?;
    transfer::writev_if(cx, fd, vector, count as u32, |cx| named(cx, fd, id).map(|_| ()))
}
