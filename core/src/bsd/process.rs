//! Processes: who they are, their limits, their end.

use crate::convert::errno::ToBsd;
use crate::convert::resource::{limit_to_darwin, limit_to_linux, resource_to_linux};
use crate::kernel::Kernel;
use crate::linux;
use crate::lkm::{Lkm, TrapArg};
use crate::process::Context;
use crate::table::{SysResult, Unchanged};
use crate::user::UserPtr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::resource::{_RLIMIT_POSIX_FLAG, Rlimit, RlimitResource};
use xnu_abi::lkm::Trap;

/// `man 2 _exit`. The status of the whole process; Linux passes its lowest eight bits to the parent.
pub fn exit<K: Kernel, L>(cx: &mut Context<'_, K, L>, status: i32) -> SysResult<Unchanged> {
    linux::process::exit_group(cx.kernel(), status);
    Ok(Unchanged)
}

/// `man 2 fork`. The second word is 1 in the child, where the first is the child's own number
/// (`osfmk/i386/bsd_i386.c`, `thread_set_child`).
///
/// Differs from XNU where the core is linked in: the first word is 0 in the child, so that a caller may look at
/// either. With a server of tasks the child is a task of its own before either side goes on.
pub fn fork<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>) -> SysResult<(i32, i32)> {
    let confined = cx.process.descriptors.any_confined();
    cx.lkm().before_fork();
    let child = linux::process::fork(cx.kernel());
    if child != Ok(0) {
        cx.lkm().after_fork();
    }
    let child = child.to_bsd()?;
    if child != 0 {
        // Where nobody keeps tasks there is nothing to wait for.
        let _ = cx.lkm().call_raw(Trap::ForkWaitForChild, TrapArg::None);
        return Ok((child, 0));
    }
    cx.lkm().forked();
    if confined {
        cx.process.descriptors.forked(cx.kernel());
    }
    match cx.thread {
        Some(_) => Ok((linux::process::getpid(cx.kernel()).to_bsd()?, 1)),
        None => Ok((0, 1)),
    }
}

/// `man 2 getpid`.
#[inline(always)]
pub fn getpid<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<i32> {
    linux::process::getpid(cx.kernel()).to_bsd()
}

/// `man 2 getppid`.
#[inline(always)]
pub fn getppid<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<i32> {
    linux::process::getppid(cx.kernel()).to_bsd()
}

/// `man 2 getrlimit`; `bsd/kern/kern_resource.c`.
pub fn getrlimit<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    resource: RlimitResource,
    limits: UserPtr<Rlimit>,
) -> SysResult<()> {
    let resource = known(resource)?;
    let found = linux::process::prlimit(cx.kernel(), resource, None).to_bsd()?;
    let answer =
        Rlimit { rlim_cur: limit_to_darwin(found.current), rlim_max: limit_to_darwin(found.maximum) };
    limits.write(cx.kernel(), &answer)?;
    Ok(())
}

/// `man 2 setrlimit`; `bsd/kern/kern_resource.c`, `dosetrlimit`.
pub fn setrlimit<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    resource: RlimitResource,
    limits: UserPtr<Rlimit>,
) -> SysResult<()> {
    let wanted = limits.read(cx.kernel())?;
    let resource = known(resource)?;
    if wanted.rlim_cur > wanted.rlim_max {
        return Err(Errno::EINVAL);
    }
    let wanted = xnu_abi::linux::Rlimit {
        current: limit_to_linux(wanted.rlim_cur),
        maximum: limit_to_linux(wanted.rlim_max),
    };
    linux::process::prlimit(cx.kernel(), resource, Some(&wanted)).to_bsd()?;
    Ok(())
}

/// Linux's number of a resource, without the bit that the C library adds for POSIX's meaning.
fn known(resource: RlimitResource) -> SysResult<u32> {
    resource_to_linux(RlimitResource::new(resource.number() & !_RLIMIT_POSIX_FLAG)).ok_or(Errno::EINVAL)
}
