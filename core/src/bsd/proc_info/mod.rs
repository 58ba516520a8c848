//! `proc_info`: what is known of processes, and what they set of themselves (`bsd/kern/proc_info.c`; `man 3 libproc`
//! has the library's side of it).
//!
//! Linux tells it in `/proc`. What Linux does not count is 0; a program's own identifier (`LC_UUID`) is not known. Paths
//! are the guest's: what is outside of a sealed prefix has none. Programs that an `xnurun` started are told apart from
//! Linux's by their file: `executable` finds it among their mappings.

pub mod control;
mod descriptor;
mod executable;
mod identity;
pub mod list;
mod region;
mod socket;
mod subject;
mod task;
mod thread;
mod vnode;

pub(super) use executable::path_to as executable_path;
pub(super) use list::{Listed, Pids};
pub(super) use subject::{Subject, zero};

use crate::kernel::Kernel;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserAddr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::proc_info::{self as abi, PidInfo, ProcInfoCall};

/// The arguments of a call, but for the question itself.
#[derive(Clone, Copy, Debug)]
struct Request {
    process: i32,
    flavor: u32,
    argument: u64,
    buffer: UserAddr,
    size: u32,
    /// Which process it must be, besides its number.
    exactly: Exactly,
}

/// A process is told from others that had its number before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Exactly {
    /// Whoever has the number now.
    Anyone,
    Version(u64),
    Unique(u64),
}

/// `proc_info`.
pub fn proc_info<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    call: ProcInfoCall,
    process: i32,
    flavor: u32,
    argument: u64,
    buffer: UserAddr,
    size: i32,
) -> SysResult<i32> {
    let exactly = Exactly::Anyone;
    serve(cx, call, &Request { process, flavor, argument, buffer, size: size as u32, exactly })
}

/// `proc_info_extended_id`: the same of a process that must have some version or unique number.
#[allow(clippy::too_many_arguments, reason = "they are XNU's")]
pub fn proc_info_extended_id<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    call: ProcInfoCall,
    process: i32,
    flavor: u32,
    flags: u32,
    id: u64,
    argument: u64,
    buffer: UserAddr,
    size: i32,
) -> SysResult<i32> {
    const COMPARE_IDVERSION: u32 = 1;
    const COMPARE_UNIQUEID: u32 = 2;
    let exactly = match flags & (COMPARE_IDVERSION | COMPARE_UNIQUEID) {
        0 => Exactly::Anyone,
        COMPARE_IDVERSION => Exactly::Version(id),
        COMPARE_UNIQUEID => Exactly::Unique(id),
        _ => return Err(Errno::EINVAL),
    };
    serve(cx, call, &Request { process, flavor, argument, buffer, size: size as u32, exactly })
}

fn serve<K: Kernel, L>(cx: &mut Context<'_, K, L>, call: ProcInfoCall, request: &Request) -> SysResult<i32> {
    type Call = ProcInfoCall;
    let process = cx.process;
    match call {
        Call::PROC_INFO_CALL_LISTPIDS => list::pids(&process.kernel, request),
        Call::PROC_INFO_CALL_PIDINFO => of_process(cx, request),
        Call::PROC_INFO_CALL_PIDFDINFO => descriptor::info(process, request),
        Call::PROC_INFO_CALL_KERNMSGBUF => control::messages(&process.kernel),
        Call::PROC_INFO_CALL_SETCONTROL => control::set(process, request),
        Call::PROC_INFO_CALL_PIDFILEPORTINFO => descriptor::file_port(&process.kernel, request),
        Call::PROC_INFO_CALL_TERMINATE => control::terminate(&process.kernel, request.process),
        Call::PROC_INFO_CALL_DIRTYCONTROL => control::dirty(process, request),
        Call::PROC_INFO_CALL_PIDRUSAGE => task::rusage(&process.kernel, request),
        Call::PROC_INFO_CALL_PIDORIGINATORINFO => control::originator(&process.kernel, request),
        Call::PROC_INFO_CALL_LISTCOALITIONS => control::coalitions(request),
        Call::PROC_INFO_CALL_CANUSEFGHW => control::foreground_hardware(&process.kernel, request),
        Call::PROC_INFO_CALL_PIDDYNKQUEUEINFO => control::dynamic_kqueue(&process.kernel, request),
        Call::PROC_INFO_CALL_UDATA_INFO => control::user_word(process, request),
        Call::PROC_INFO_CALL_SET_DYLD_IMAGES => control::dyld_images(&process.kernel, request),
        Call::PROC_INFO_CALL_TERMINATE_RSR => control::terminate_all(request),
        Call::PROC_INFO_CALL_SIGNAL_AUDITTOKEN => control::signal_by_token(&process.kernel, request),
        Call::PROC_INFO_CALL_TERMINATE_AUDITTOKEN => control::terminate_by_token(&process.kernel, request),
        // For who has the entitlement.
        Call::PROC_INFO_CALL_DELEGATE_SIGNAL | Call::PROC_INFO_CALL_DELEGATE_TERMINATE => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}

/// Bytes that there must be room for; `None` for what is not known (`proc_pidinfo`).
fn size_of_flavor(flavor: PidInfo, has_buffer: bool) -> Option<u32> {
    type Info = PidInfo;
    let list = |size: u32| if has_buffer { size } else { 0 };
    Some(match flavor {
        Info::PROC_PIDLISTFDS => list(abi::PROC_PIDLISTFD_SIZE),
        Info::PROC_PIDTASKALLINFO => abi::PROC_PIDTASKALLINFO_SIZE,
        Info::PROC_PIDTBSDINFO => abi::PROC_PIDTBSDINFO_SIZE,
        Info::PROC_PIDTASKINFO => abi::PROC_PIDTASKINFO_SIZE,
        Info::PROC_PIDTHREADINFO | Info::PROC_PIDTHREADID64INFO => abi::PROC_PIDTHREADINFO_SIZE,
        Info::PROC_PIDLISTTHREADS | Info::PROC_PIDLISTTHREADIDS => abi::PROC_PIDLISTTHREADS_SIZE,
        Info::PROC_PIDREGIONINFO => abi::PROC_PIDREGIONINFO_SIZE,
        Info::PROC_PIDREGIONPATHINFO | Info::PROC_PIDREGIONPATHINFO2 | Info::PROC_PIDREGIONPATHINFO3 => {
            abi::PROC_PIDREGIONPATHINFO_SIZE
        }
        Info::PROC_PIDREGIONPATH => abi::PROC_PIDREGIONPATH_SIZE,
        Info::PROC_PIDVNODEPATHINFO => abi::PROC_PIDVNODEPATHINFO_SIZE,
        Info::PROC_PIDTHREADPATHINFO => abi::PROC_PIDTHREADPATHINFO_SIZE,
        Info::PROC_PIDPATHINFO => abi::PROC_PIDPATHINFO_SIZE,
        Info::PROC_PIDWORKQUEUEINFO => abi::PROC_PIDWORKQUEUEINFO_SIZE,
        Info::PROC_PIDT_SHORTBSDINFO => abi::PROC_PIDT_SHORTBSDINFO_SIZE,
        Info::PROC_PIDLISTFILEPORTS => list(abi::PROC_PIDLISTFILEPORTS_SIZE),
        Info::PROC_PIDUNIQIDENTIFIERINFO => abi::PROC_PIDUNIQIDENTIFIERINFO_SIZE,
        Info::PROC_PIDT_BSDINFOWITHUNIQID => abi::PROC_PIDT_BSDINFOWITHUNIQID_SIZE,
        Info::PROC_PIDARCHINFO => abi::PROC_PIDARCHINFO_SIZE,
        Info::PROC_PIDCOALITIONINFO => abi::PROC_PIDCOALITIONINFO_SIZE,
        Info::PROC_PIDNOTEEXIT => abi::PROC_PIDNOTEEXIT_SIZE,
        Info::PROC_PIDEXITREASONINFO => abi::PROC_PIDEXITREASONINFO_SIZE,
        Info::PROC_PIDEXITREASONBASICINFO => identity::EXIT_REASON_BYTES,
        Info::PROC_PIDLISTUPTRS => list(abi::PROC_PIDLISTUPTRS_SIZE),
        Info::PROC_PIDLISTDYNKQUEUES => list(abi::PROC_PIDLISTDYNKQUEUES_SIZE),
        Info::PROC_PIDVMRTFAULTINFO => list(abi::PROC_PIDVMRTFAULTINFO_SIZE),
        Info::PROC_PIDPLATFORMINFO => abi::PROC_PIDPLATFORMINFO_SIZE,
        Info::PROC_PIDIPCTABLEINFO => abi::PROC_PIDIPCTABLEINFO_SIZE,
        Info::PROC_PIDTHREADSCHEDINFO => abi::PROC_PIDTHREADSCHEDINFO_SIZE,
        Info::PROC_PIDTHREADCOUNTS => abi::PROC_PIDTHREADCOUNTS_SIZE,
        _ => return None,
    })
}

/// `proc_pidinfo`.
#[inline(never)]
fn of_process<K: Kernel, L>(cx: &mut Context<'_, K, L>, request: &Request) -> SysResult<i32> {
    type Info = PidInfo;
    let flavor = PidInfo::new(request.flavor);
    let process = cx.process;
    if request.process == 0 {
        match flavor {
            Info::PROC_PIDWORKQUEUEINFO => return Err(Errno::EINVAL),
            Info::PROC_PIDREGIONPATH
            | Info::PROC_PIDREGIONINFO
            | Info::PROC_PIDREGIONPATHINFO
            | Info::PROC_PIDREGIONPATHINFO2
            | Info::PROC_PIDREGIONPATHINFO3 => return Err(Errno::EPERM),
            _ => {}
        }
    }
    let needed = size_of_flavor(flavor, !request.buffer.is_null()).ok_or(Errno::EINVAL)?;
    if request.size < needed {
        return Err(Errno::ENOMEM);
    }
    if flavor == Info::PROC_PIDPATHINFO && request.size > abi::PROC_PIDPATHINFO_MAXSIZE {
        return Err(Errno::EOVERFLOW);
    }
    let takes_zombies = match flavor {
        Info::PROC_PIDTBSDINFO
        | Info::PROC_PIDT_SHORTBSDINFO
        | Info::PROC_PIDT_BSDINFOWITHUNIQID
        | Info::PROC_PIDUNIQIDENTIFIERINFO => request.argument != 0,
        Info::PROC_PIDNOTEEXIT
        | Info::PROC_PIDEXITREASONINFO
        | Info::PROC_PIDEXITREASONBASICINFO
        | Info::PROC_PIDPLATFORMINFO => true,
        _ => false,
    };
    let mut subject = Subject::new(&process.kernel);
    subject.find(request.process, takes_zombies)?;
    subject.is_exactly(request.exactly)?;
    if !matches!(
        flavor,
        Info::PROC_PIDT_SHORTBSDINFO
            | Info::PROC_PIDUNIQIDENTIFIERINFO
            | Info::PROC_PIDPATHINFO
            | Info::PROC_PIDCOALITIONINFO
            | Info::PROC_PIDPLATFORMINFO
    ) {
        subject.check_same_user()?;
    }
    match flavor {
        Info::PROC_PIDLISTFDS => descriptor::list(process, &subject, request),
        Info::PROC_PIDTBSDINFO | Info::PROC_PIDT_BSDINFOWITHUNIQID | Info::PROC_PIDT_SHORTBSDINFO => {
            identity::bsdinfo(process, &subject, flavor, request.buffer)
        }
        Info::PROC_PIDTASKINFO => task::info(&subject, request.buffer),
        Info::PROC_PIDTASKALLINFO => {
            identity::bsdinfo(process, &subject, Info::PROC_PIDTBSDINFO, request.buffer)?;
            task::info(&subject, request.buffer.checked_add(abi::PROC_PIDTBSDINFO_SIZE.into())?)?;
            Ok(abi::PROC_PIDTASKALLINFO_SIZE as i32)
        }
        Info::PROC_PIDUNIQIDENTIFIERINFO => identity::unique(&subject, request.buffer),
        Info::PROC_PIDTHREADINFO
        | Info::PROC_PIDTHREADID64INFO
        | Info::PROC_PIDTHREADPATHINFO
        | Info::PROC_PIDTHREADCOUNTS
        | Info::PROC_PIDTHREADSCHEDINFO => thread::info(process, &subject, flavor, request),
        Info::PROC_PIDLISTTHREADS | Info::PROC_PIDLISTTHREADIDS => thread::list(&subject, request),
        Info::PROC_PIDREGIONINFO
        | Info::PROC_PIDREGIONPATHINFO
        | Info::PROC_PIDREGIONPATHINFO2
        | Info::PROC_PIDREGIONPATHINFO3
        | Info::PROC_PIDREGIONPATH => region::info(process, &subject, flavor, request),
        Info::PROC_PIDVNODEPATHINFO => vnode::directories(process, &subject, request.buffer),
        Info::PROC_PIDPATHINFO => executable::path(process, &subject, request),
        Info::PROC_PIDNOTEEXIT | Info::PROC_PIDEXITREASONINFO | Info::PROC_PIDEXITREASONBASICINFO => {
            identity::end(&subject, flavor, request)
        }
        // Nobody has asked for worker threads.
        Info::PROC_PIDWORKQUEUEINFO => Err(Errno::ESRCH),
        Info::PROC_PIDVMRTFAULTINFO if !subject.is_self => Err(Errno::EINVAL),
        // None of them is there: ports of files, pointers and queues of kevent, noted faults.
        Info::PROC_PIDLISTFILEPORTS | Info::PROC_PIDLISTUPTRS | Info::PROC_PIDVMRTFAULTINFO => Ok(0),
        Info::PROC_PIDLISTDYNKQUEUES if request.buffer.is_null() && request.size != 0 => Err(Errno::EINVAL),
        Info::PROC_PIDLISTDYNKQUEUES => Ok(0),
        _ => identity::constant(&subject, flavor, request.buffer),
    }
}
