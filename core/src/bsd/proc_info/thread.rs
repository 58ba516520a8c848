//! Threads of a process. A thread's handle is its number here, so that both lists are one.

use super::subject::told;
use super::vnode;
use super::{Request, Subject};
use crate::convert::errno::ToBsd;
use crate::convert::process::threadinfo;
use crate::kernel::Kernel;
use crate::linux;
use crate::linux::proc::{Entry, Numbers};
use crate::process::Process;
use crate::table::SysResult;
use crate::user::UserPtr;
use core::sync::atomic::Ordering::Relaxed;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::proc_info::{self as abi, PidInfo, ProcThreadinfo};

/// `PROC_PIDLISTTHREADS` and `PROC_PIDLISTTHREADIDS`.
#[inline(never)]
pub(super) fn list<K: Kernel>(subject: &Subject<'_, K>, request: &Request) -> SysResult<i32> {
    const WORD: u64 = 8;
    let room = u64::from(request.size) / WORD;
    let mut numbers = told(Numbers::of(subject.entry()?, b"task\0"))?;
    let mut count: u64 = 0;
    while count < room
        && let Some(number) = told(numbers.next())?
    {
        let place = UserPtr::<u64>::new(request.buffer).element(count)?;
        place.write(subject.kernel, &u64::from(number))?;
        count = count.wrapping_add(1);
    }
    Ok(count.wrapping_mul(WORD) as i32)
}

/// What is told of one thread; `ESRCH` where there is none with the number.
#[inline(never)]
pub(super) fn info<K: Kernel, L>(
    process: &Process<K, L>,
    subject: &Subject<'_, K>,
    flavor: PidInfo,
    request: &Request,
) -> SysResult<i32> {
    let kernel = subject.kernel;
    if flavor == PidInfo::PROC_PIDTHREADSCHEDINFO {
        let own = linux::process::gettid(kernel).to_bsd()?;
        if !subject.is_self || request.argument != own as u64 {
            return Err(Errno::EINVAL);
        }
        UserPtr::new(request.buffer).write(kernel, &0u64)?;
        return Ok(abi::PROC_PIDTHREADSCHEDINFO_SIZE as i32);
    }
    let number = u32::try_from(request.argument).map_err(|_| Errno::ESRCH)?;
    let thread = told(subject.entry()?.thread(number))?;
    let info = about(process, subject, &thread, number)?;
    match flavor {
        PidInfo::PROC_PIDTHREADCOUNTS => counts(kernel, &info, request),
        PidInfo::PROC_PIDTHREADPATHINFO => {
            let buffer = UserPtr::new(request.buffer);
            buffer.write(kernel, &info)?;
            let rest = request.buffer.checked_add(abi::PROC_PIDTHREADINFO_SIZE.into())?;
            super::zero(kernel, rest, vnode::WITH_PATH)?;
            if has_own_directory(kernel, subject.stat.pid, number) {
                let directory = told(vnode::Opened::link(kernel, &thread, b"cwd\0"))?;
                vnode::write_with_path(process, directory.file(), rest)?;
            }
            Ok(abi::PROC_PIDTHREADPATHINFO_SIZE as i32)
        }
        _ => {
            UserPtr::new(request.buffer).write(kernel, &info)?;
            Ok(abi::PROC_PIDTHREADINFO_SIZE as i32)
        }
    }
}

#[inline(never)]
fn about<K: Kernel, L>(
    process: &Process<K, L>,
    subject: &Subject<'_, K>,
    thread: &Entry<'_, K>,
    number: u32,
) -> SysResult<ProcThreadinfo> {
    let stat = told(thread.stat())?;
    let mut info = threadinfo(&stat);
    if subject.is_self && number as i32 == subject.stat.pid {
        // Linux's name of the first thread is that of the process.
        for (to, from) in info.pth_name.iter_mut().zip(&process.standing.thread_name) {
            *to = from.load(Relaxed);
        }
    } else if stat.comm != subject.stat.comm {
        for (to, from) in info.pth_name.iter_mut().zip(stat.name()) {
            *to = *from;
        }
    }
    Ok(info)
}

/// `struct proc_threadcounts` for the one kind of processors: what was executed is not counted, time is.
fn counts<K: Kernel>(kernel: &K, info: &ProcThreadinfo, request: &Request) -> SysResult<i32> {
    let counts = [1u64, 0, 0, info.pth_user_time, info.pth_system_time, 0];
    let size = size_of_val(&counts).min(request.size as usize);
    kernel
        .copy_out(request.buffer, zerocopy::IntoBytes::as_bytes(&counts).get(..size).unwrap_or_default())?;
    Ok(size as i32)
}

/// Whether a thread has left the working directory of its process. Where Linux does not tell, it has not.
fn has_own_directory<K: Kernel>(kernel: &K, process: i32, thread: u32) -> bool {
    const KCMP_FS: i32 = 3;
    let compared = linux::process::kcmp(kernel, process, thread as i32, KCMP_FS);
    process != thread as i32 && compared.is_ok_and(|difference| difference != 0)
}

/// Names the calling thread, as much of the name as Linux keeps. That of the first thread is kept here.
pub(super) fn name<K: Kernel, L>(process: &Process<K, L>, name: &[u8]) -> SysResult<()> {
    let kernel = &process.kernel;
    if linux::process::gettid(kernel).to_bsd()? != linux::process::getpid(kernel).to_bsd()? {
        return linux::process::set_thread_name(kernel, name).to_bsd();
    }
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    for (to, from) in process.standing.thread_name.iter().zip(name.iter().chain(core::iter::repeat(&0))) {
        to.store(*from, Relaxed);
    }
    Ok(())
}
