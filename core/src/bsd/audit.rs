//! Audit. Every process is in the default session, which has no user: where `launchd` itself is on a Mac
//! (`bsd/security/audit`).

use super::credentials::{is_superuser, superuser};
use crate::kernel::Kernel;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::security::{AuTidAddr, AuditToken, AuditinfoAddr};
use zerocopy::{FromZeros, IntoBytes};

/// `AU_DEFAUDITID`: nobody.
const NOBODY: u32 = u32::MAX;
/// `AU_DEFAUDITSID`: the default session.
const DEFAULT_SESSION: i32 = 0;
/// `AU_ASSIGN_ASID`: the caller's session, or a new one.
const ASSIGN_SESSION: i32 = -1;
/// `AU_IPv4`, `AU_IPv6`: the kinds of terminals.
const TERMINALS: [u32; 2] = [4, 16];

/// What the default session is.
fn default_session() -> AuditinfoAddr {
    let [ipv4, _] = TERMINALS;
    AuditinfoAddr {
        ai_auid: NOBODY,
        // Only the superuser sees what is recorded, which is nothing.
        ai_mask: [u32::MAX; 2],
        ai_termid: AuTidAddr { at_port: 0, at_type: ipv4, at_addr: [0; 4] },
        ai_asid: DEFAULT_SESSION,
        ai_flags: 0,
    }
}

/// The token of a process in the default session (`set_security_token_task_internal`). Which use of its number it is
/// counts from 0, as Linux does not tell.
pub(super) fn token(process: i32, user: u32, group: u32) -> AuditToken {
    AuditToken { val: [NOBODY, user, group, user, group, process as u32, DEFAULT_SESSION as u32, 0] }
}

/// `man 2 getauid`.
pub fn getauid<K: Kernel, L>(cx: &mut Context<'_, K, L>, user: UserPtr<u32>) -> SysResult<()> {
    user.write(cx.kernel(), &NOBODY)?;
    Ok(())
}

/// `man 2 setauid`: for the superuser, to whom it is refused too.
pub fn setauid<K: Kernel, L>(cx: &mut Context<'_, K, L>, user: UserPtr<u32>) -> SysResult<()> {
    user.read(cx.kernel())?;
    Err(Errno::EPERM)
}

/// `man 2 getaudit_addr` (`getaudit_addr_internal`): as much of the structure as there is room for.
pub fn getaudit_addr<K: Kernel, L>(cx: &mut Context<'_, K, L>, info: UserAddr, length: i32) -> SysResult<()> {
    let mut session = default_session();
    if is_superuser(cx.kernel())? {
        session.ai_mask = [0; 2];
    }
    let bytes = session.as_bytes();
    let wanted = usize::try_from(length).unwrap_or(bytes.len()).min(bytes.len());
    cx.kernel().copy_out(info, bytes.get(..wanted).unwrap_or(bytes))?;
    Ok(())
}

/// `man 2 setaudit_addr`: for the superuser, to whom it is refused too.
pub fn setaudit_addr<K: Kernel, L>(cx: &mut Context<'_, K, L>, info: UserAddr, length: i32) -> SysResult<()> {
    let mut wanted = AuditinfoAddr::new_zeroed();
    let bytes = wanted.as_mut_bytes();
    let length = usize::try_from(length).unwrap_or(bytes.len()).min(bytes.len());
    if let Some(bytes) = bytes.get_mut(..length) {
        cx.kernel().copy_in(info, bytes)?;
    }
    if !TERMINALS.contains(&wanted.ai_termid.at_type) {
        return Err(Errno::EINVAL);
    }
    Err(Errno::EPERM)
}

/// Commands of `auditon` (`bsd/bsm/audit.h`).
mod command {
    pub(super) const GETSINFO_ADDR: i32 = 32;
    pub(super) const GETSFLAGS: i32 = 39;
    pub(super) const SETSFLAGS: i32 = 40;
    /// Those that read their argument before anything else.
    pub(super) const READS: &[i32] = &[
        3,
        5,
        7,
        13,
        14,
        15,
        21,
        22,
        23,
        24,
        25,
        26,
        28,
        30,
        31,
        GETSINFO_ADDR,
        34,
        36,
        38,
        GETSFLAGS,
        SETSFLAGS,
        42,
        44,
    ];
}

/// The largest argument of a command (`union auditon_udata`).
const AUDITON_BYTES: usize = 56;

/// `man 2 auditon`: the flags of one's own session may be read; all else is the superuser's, to whom it is refused too.
pub fn auditon<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    number: i32,
    data: UserAddr,
    length: i32,
) -> SysResult<()> {
    let mut argument = [0u8; AUDITON_BYTES];
    let argument = usize::try_from(length).ok().and_then(|length| argument.get_mut(..length));
    let argument = argument.filter(|argument| !argument.is_empty()).ok_or(Errno::EINVAL)?;
    if command::READS.contains(&number) {
        cx.kernel().copy_in(data, argument)?;
    }
    match number {
        // No session but the default one exists, and that is not among those that can be looked up.
        command::GETSINFO_ADDR => Err(Errno::EINVAL),
        command::GETSFLAGS if argument.len() != size_of::<u64>() => Err(Errno::EINVAL),
        command::GETSFLAGS => {
            // Not EFAULT.
            cx.kernel().copy_out(data, &[0; size_of::<u64>()]).map_err(|_| Errno::ENOSYS)
        }
        command::SETSFLAGS if argument.len() != size_of::<u64>() => Err(Errno::EINVAL),
        _ => Err(Errno::EPERM),
    }
}

/// `audit_session_port`: there is none for the default session, and others are the superuser's.
pub fn audit_session_port<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    session: i32,
    _name: UserAddr,
) -> SysResult<()> {
    if session != ASSIGN_SESSION && session != DEFAULT_SESSION {
        superuser(cx.kernel())?;
    }
    Err(Errno::EINVAL)
}
