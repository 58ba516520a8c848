//! The C library's way to sleep: at a Mach semaphore, with a time (`bsd/kern/kern_sig.c`).

use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::lkm::Lkm;
use crate::mach::semaphore;
use crate::process::Context;
use crate::table::SysResult;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::kern_return::KernReturn;

const SECOND_NS: i64 = 1_000_000_000;

/// `__semwait_signal`: waits at a semaphore and signals another, if there is one. The time is how long, or, where
/// `relative` is 0, until when by the time of day. What is longer than Mach can say ends with `EINTR`, signalled or not.
pub fn semwait_signal<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    cond_sem: u32,
    mutex_sem: u32,
    timeout: i32,
    relative: i32,
    seconds: i64,
    nanoseconds: i32,
) -> SysResult<()> {
    let is_too_long = timeout != 0 && u32::try_from(seconds).is_err();
    let (seconds, nanoseconds) = if is_too_long { (i64::from(u32::MAX), 0) } else { (seconds, nanoseconds) };
    let answer = if timeout == 0 {
        match mutex_sem {
            0 => semaphore::wait(cx, cond_sem)?,
            mutex => semaphore::wait_signal(cx, cond_sem, mutex)?,
        }
    } else {
        let (seconds, nanoseconds) = match relative {
            0 => left(cx.kernel(), seconds, nanoseconds)?,
            _ => (seconds as u32, nanoseconds),
        };
        match mutex_sem {
            0 => semaphore::timed_wait(cx, cond_sem, seconds, nanoseconds)?,
            mutex => semaphore::timed_wait_signal(cx, cond_sem, mutex, seconds, nanoseconds)?,
        }
    };
    match KernReturn::new(answer) {
        KernReturn::KERN_SUCCESS if is_too_long => Err(Errno::EINTR),
        KernReturn::KERN_SUCCESS => Ok(()),
        KernReturn::KERN_ABORTED => Err(Errno::EINTR),
        KernReturn::KERN_OPERATION_TIMED_OUT => Err(Errno::ETIMEDOUT),
        _ => Err(Errno::EINVAL),
    }
}

/// How long it is until a time of day; nothing if that is over.
fn left<K: Kernel>(kernel: &K, seconds: i64, nanoseconds: i32) -> SysResult<(u32, i32)> {
    let now = linux::time::clock_gettime(kernel, linux::time::CLOCK_REALTIME).to_bsd()?;
    let nanoseconds = i64::from(nanoseconds);
    if (now.tv_sec, now.tv_nsec) > (seconds, nanoseconds) {
        return Ok((0, 0));
    }
    let (mut seconds, mut nanoseconds) =
        (seconds.wrapping_sub(now.tv_sec), nanoseconds.wrapping_sub(now.tv_nsec));
    if nanoseconds < 0 {
        nanoseconds = nanoseconds.wrapping_add(SECOND_NS);
        seconds = seconds.wrapping_sub(1);
    }
    Ok((seconds as u32, nanoseconds as i32))
}
