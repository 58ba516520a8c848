//! Priorities: `getpriority`, `setpriority` with Darwin's own kinds, `iopolicysys`, `proc_rlimit_control`.

use super::object::effective_user;
use super::session::{is_alive, is_self, within_reach};
use crate::convert::errno::ToBsd;
use crate::convert::resource::{nice_to_darwin, nice_to_linux};
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::standing::Standing;
use crate::table::SysResult;
use crate::user::UserPtr;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::resource::{
    IoPolicy, IoPolicyCommand, IoPolicyScope, IoPolicyType, PRIO_DARWIN_BG, PRIO_DARWIN_NONUI, PriorityWhich,
    RlimitControl,
};

/// Kinds that `bsd/sys/resource_private.h` has: whether a game or a car is what the machine works for.
const PRIO_DARWIN_GAME_MODE: PriorityWhich = PriorityWhich::new(7);
const PRIO_DARWIN_CARPLAY_MODE: PriorityWhich = PriorityWhich::new(8);

/// Whom a call names: XNU's type has no sign, but the highest half is refused.
fn named(who: u32) -> SysResult<i32> {
    i32::try_from(who).map_err(|_| Errno::EINVAL)
}

/// Checks what [`within_reach`] does for another process than the caller.
fn reach<K: Kernel>(kernel: &K, who: i32) -> SysResult<()> {
    if who == 0 { Ok(()) } else { within_reach(kernel, who) }
}

/// Users are named by their effective number; Linux takes 0 for the real user of the caller, and finds a process that has
/// ended.
fn named_for_linux<K: Kernel>(kernel: &K, which: PriorityWhich, who: i32) -> SysResult<i32> {
    match which {
        PriorityWhich::PRIO_PROCESS => is_alive(kernel, who).map(|()| who),
        PriorityWhich::PRIO_USER if who == 0 => Ok(effective_user(kernel)? as i32),
        _ => Ok(who),
    }
}

/// `man 2 getpriority` (`bsd/kern/kern_resource.c`).
pub fn getpriority<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    which: PriorityWhich,
    who: u32,
) -> SysResult<i32> {
    let who = named(who)?;
    let (kernel, standing) = (cx.kernel(), &cx.process.standing);
    match which {
        PriorityWhich::PRIO_PROCESS | PriorityWhich::PRIO_PGRP | PriorityWhich::PRIO_USER => {
            let who = named_for_linux(kernel, which, who)?;
            linux::process::getpriority(kernel, which.number(), who).to_bsd().map(nice_to_darwin)
        }
        PriorityWhich::PRIO_DARWIN_THREAD if who != 0 => Err(Errno::EINVAL),
        PriorityWhich::PRIO_DARWIN_THREAD => Ok(i32::from(standing.background_thread.load(Relaxed))),
        PriorityWhich::PRIO_DARWIN_PROCESS => {
            reach(kernel, who)?;
            // Of another process XNU tells what others asked of the caller, and nobody did.
            let own = who == 0 || is_self(kernel, who)?;
            Ok(i32::from(own && standing.background_process.load(Relaxed)))
        }
        PriorityWhich::PRIO_DARWIN_ROLE => reach(kernel, who).map(|()| 0),
        PRIO_DARWIN_GAME_MODE | PRIO_DARWIN_CARPLAY_MODE => {
            match reach(kernel, who) {
                Ok(()) if effective_user(kernel)? == 0 => Ok(0),
                Err(Errno::ESRCH) => Err(Errno::ESRCH),
                // Others need an entitlement.
                _ => Err(Errno::EPERM),
            }
        }
        _ => Err(Errno::EINVAL),
    }
}

/// `man 2 setpriority` (`bsd/kern/kern_resource.c`). Being in the background is remembered, nothing more.
pub fn setpriority<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    which: PriorityWhich,
    who: u32,
    priority: i32,
) -> SysResult<()> {
    let who = named(who)?;
    let (kernel, standing) = (cx.kernel(), &cx.process.standing);
    match which {
        PriorityWhich::PRIO_PROCESS | PriorityWhich::PRIO_PGRP | PriorityWhich::PRIO_USER => {
            let who = named_for_linux(kernel, which, who)?;
            linux::process::setpriority(kernel, which.number(), who, nice_to_linux(priority)).to_bsd()
        }
        PriorityWhich::PRIO_DARWIN_THREAD if who != 0 => Err(Errno::EINVAL),
        PriorityWhich::PRIO_DARWIN_THREAD => {
            standing.background_thread.store(priority == PRIO_DARWIN_BG, Relaxed);
            Ok(())
        }
        PriorityWhich::PRIO_DARWIN_PROCESS => {
            reach(kernel, who)?;
            if who != 0 && !is_self(kernel, who)? {
                return Err(Errno::EPERM);
            }
            if priority != PRIO_DARWIN_NONUI {
                standing.background_process.store(priority == PRIO_DARWIN_BG, Relaxed);
            }
            Ok(())
        }
        PriorityWhich::PRIO_DARWIN_GPU if who == 0 => Err(Errno::EINVAL),
        PriorityWhich::PRIO_DARWIN_GPU => {
            reach(kernel, who)?;
            Err(Errno::EPERM)
        }
        // Only an application has a role.
        PriorityWhich::PRIO_DARWIN_ROLE => reach(kernel, who).and(Err(Errno::ENOTSUP)),
        PRIO_DARWIN_GAME_MODE | PRIO_DARWIN_CARPLAY_MODE => match reach(kernel, who) {
            Err(Errno::ESRCH) => Err(Errno::ESRCH),
            _ => Err(Errno::EPERM),
        },
        _ => Err(Errno::EINVAL),
    }
}

/// `struct _iopol_param_t`: scope, type and policy.
pub type IoPolicyParameter = [i32; 3];

/// Who may set a policy of some type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Setter {
    Anyone,
    /// Others than the superuser need an entitlement.
    Superuser,
    /// The superuser too needs an entitlement.
    Nobody,
}

/// What `bsd/kern/kern_resource.c` has a function for, per type.
struct Rule {
    /// Whether a thread can have the policy.
    threads: bool,
    /// The highest policy that can be set; from 0 on all can, or only the highest where it stays once set.
    highest: i32,
    only_highest: bool,
    setter: Setter,
    /// Whether who may not is told so before the policy is looked at.
    refused_first: bool,
}

const fn rule(threads: bool, highest: i32, setter: Setter) -> Rule {
    Rule { threads, highest, only_highest: false, setter, refused_first: false }
}

fn rule_of(kind: IoPolicyType) -> Option<Rule> {
    type Type = IoPolicyType;
    Some(match kind {
        Type::IOPOL_TYPE_VFS_HFS_CASE_SENSITIVITY
        | Type::IOPOL_TYPE_VFS_STATFS_NO_DATA_VOLUME
        | Type::IOPOL_TYPE_VFS_IGNORE_CONTENT_PROTECTION => rule(false, 1, Setter::Superuser),
        Type::IOPOL_TYPE_VFS_ATIME_UPDATES => rule(true, 1, Setter::Anyone),
        Type::IOPOL_TYPE_VFS_MATERIALIZE_DATALESS_FILES => rule(true, 2, Setter::Anyone),
        Type::IOPOL_TYPE_VFS_TRIGGER_RESOLVE => rule(false, 1, Setter::Anyone),
        Type::IOPOL_TYPE_VFS_IGNORE_PERMISSIONS
        | Type::IOPOL_TYPE_VFS_ALLOW_LOW_SPACE_WRITES
        | Type::IOPOL_TYPE_VFS_DISALLOW_RW_FOR_O_EVTONLY => {
            Rule { refused_first: true, ..rule(false, 1, Setter::Nobody) }
        }
        Type::IOPOL_TYPE_VFS_SKIP_MTIME_UPDATE => rule(true, 2, Setter::Nobody),
        Type::IOPOL_TYPE_VFS_ALTLINK => Rule { only_highest: true, ..rule(false, 1, Setter::Anyone) },
        Type::IOPOL_TYPE_VFS_NOCACHE_WRITE_FS_BLKSIZE => {
            Rule { only_highest: true, ..rule(true, 1, Setter::Anyone) }
        }
        Type::IOPOL_TYPE_VFS_SUPPORT_LONG_PATHS => rule(true, 1, Setter::Nobody),
        _ => return None,
    })
}

/// `man 3 getiopolicy_np`, `iopolicysys` (`bsd/kern/kern_resource.c`). Policies are kept and told; none is acted on.
pub fn iopolicysys<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    command: IoPolicyCommand,
    argument: UserPtr<IoPolicyParameter>,
) -> SysResult<()> {
    let (kernel, standing) = (cx.kernel(), &cx.process.standing);
    let [scope, kind, policy] = argument.read(kernel)?;
    let (scope, kind) = (IoPolicyScope::new(scope), IoPolicyType::new(kind));
    let found = if kind == IoPolicyType::IOPOL_TYPE_DISK {
        disk_policy(standing, command, scope, IoPolicy::new(policy))?
    } else {
        let rule = rule_of(kind).ok_or(Errno::EINVAL)?;
        let kept = place(standing, scope, kind)
            .filter(|_| rule.threads || scope == IoPolicyScope::IOPOL_SCOPE_PROCESS);
        let kept = kept.ok_or(Errno::EINVAL)?;
        match command {
            IoPolicyCommand::IOPOL_CMD_GET => {}
            IoPolicyCommand::IOPOL_CMD_SET => {
                may_set(kernel, &rule, policy)?;
                kept.store(policy, Relaxed);
            }
            _ => return Err(Errno::EINVAL),
        }
        kept.load(Relaxed)
    };
    if command == IoPolicyCommand::IOPOL_CMD_GET {
        argument.write(kernel, &[scope.number(), kind.number(), found])?;
    }
    Ok(())
}

/// Where a policy is kept; none where the scope is not one of a process or a thread.
fn place(standing: &Standing, scope: IoPolicyScope, kind: IoPolicyType) -> Option<&AtomicI32> {
    let all = match scope {
        IoPolicyScope::IOPOL_SCOPE_PROCESS => &standing.io_process,
        IoPolicyScope::IOPOL_SCOPE_THREAD => &standing.io_thread,
        _ => return None,
    };
    all.get(usize::try_from(kind.number()).ok()?)
}

fn may_set<K: Kernel>(kernel: &K, rule: &Rule, policy: i32) -> SysResult<()> {
    let lowest = if rule.only_highest { rule.highest } else { 0 };
    if !rule.refused_first && !(lowest..=rule.highest).contains(&policy) {
        return Err(Errno::EINVAL);
    }
    match rule.setter {
        Setter::Anyone => Ok(()),
        Setter::Superuser if effective_user(kernel)? == 0 => Ok(()),
        Setter::Superuser | Setter::Nobody => Err(Errno::EPERM),
    }
}

/// The policy of disks (`iopolicysys_disk`): what is set is told in the words of the tiers that it stands for
/// (`osfmk/kern/task_policy.c`, `proc_tier_to_iopol`).
fn disk_policy(
    standing: &Standing,
    command: IoPolicyCommand,
    scope: IoPolicyScope,
    policy: IoPolicy,
) -> SysResult<i32> {
    let in_background = scope == IoPolicyScope::IOPOL_SCOPE_DARWIN_BG;
    let kept = match scope {
        IoPolicyScope::IOPOL_SCOPE_DARWIN_BG => &standing.io_background,
        _ => place(standing, scope, IoPolicyType::IOPOL_TYPE_DISK).ok_or(Errno::EINVAL)?,
    };
    match command {
        IoPolicyCommand::IOPOL_CMD_SET => {
            let told = match policy {
                IoPolicy::IOPOL_DEFAULT if in_background => IoPolicy::IOPOL_UTILITY,
                IoPolicy::IOPOL_UTILITY | IoPolicy::IOPOL_THROTTLE => policy,
                _ if in_background => return Err(Errno::EINVAL),
                IoPolicy::IOPOL_DEFAULT | IoPolicy::IOPOL_IMPORTANT => IoPolicy::IOPOL_DEFAULT,
                IoPolicy::IOPOL_STANDARD | IoPolicy::IOPOL_PASSIVE => policy,
                _ => return Err(Errno::EINVAL),
            };
            kept.store(told.number(), Relaxed);
        }
        IoPolicyCommand::IOPOL_CMD_GET => {}
        _ => return Err(Errno::EINVAL),
    }
    Ok(match kept.load(Relaxed) {
        0 if in_background => IoPolicy::IOPOL_UTILITY.number(),
        told => told,
    })
}

/// `proc_rlimit_control` (`bsd/kern/kern_resource.c`). A limit on a thread's processor time cannot be had.
pub fn proc_rlimit_control<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    process: i32,
    flavor: RlimitControl,
    argument: u64,
) -> SysResult<()> {
    const SELF: i32 = -1;
    const CPUMON_MAKE_FATAL: u32 = 0x1000;
    const FOOTPRINT_INTERVAL_RESET: u32 = 1;
    if process != SELF {
        within_reach(cx.kernel(), process).map_err(|error| match error {
            Errno::EPERM => Errno::EACCES,
            other => other,
        })?;
    }
    let flags = argument as u32;
    match flavor {
        RlimitControl::RLIMIT_WAKEUPS_MONITOR => Ok(()),
        RlimitControl::RLIMIT_CPU_USAGE_MONITOR if flags & CPUMON_MAKE_FATAL != 0 => Ok(()),
        RlimitControl::RLIMIT_FOOTPRINT_INTERVAL if flags & FOOTPRINT_INTERVAL_RESET != 0 => Ok(()),
        RlimitControl::RLIMIT_THREAD_CPULIMITS if process == SELF && (1..100).contains(&(flags & 0xff)) => {
            Err(Errno::ENOTSUP)
        }
        _ => Err(Errno::EINVAL),
    }
}
