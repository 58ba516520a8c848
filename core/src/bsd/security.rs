//! Code signing, mandatory access control and system integrity, as an unsigned program on an untouched Mac meets them.

use super::object::effective_user;
use super::session::exists;
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::{Fd, SysResult, UserPath};
use crate::user::{UserAddr, UserPtr};
use core::sync::atomic::Ordering::Relaxed;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::security::{AuditToken, CS_HARD, CS_KILL, CS_RESTRICT, CsOps, Mac};

/// `csops` (`bsd/kern/kern_proc.c`, `csops_internal`) for programs without a signature.
pub fn csops<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    process: i32,
    operation: CsOps,
    buffer: UserAddr,
    size: usize,
) -> SysResult<()> {
    signature(cx, process, operation, buffer, size, None)
}

/// `csops_audittoken`: the same of a process that is named by its token as well. Only the process's number in it is
/// looked at.
pub fn csops_audittoken<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    process: i32,
    operation: CsOps,
    buffer: UserAddr,
    size: usize,
    token: UserPtr<AuditToken>,
) -> SysResult<()> {
    if token.is_null() {
        return Err(Errno::EINVAL);
    }
    signature(cx, process, operation, buffer, size, Some(token))
}

fn signature<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    process: i32,
    operation: CsOps,
    buffer: UserAddr,
    size: usize,
    token: Option<UserPtr<AuditToken>>,
) -> SysResult<()> {
    const CDHASH_BYTES: usize = 20;
    const HEADER_BYTES: usize = 8;
    type Ops = CsOps;
    let (kernel, flags) = (cx.kernel(), &cx.process.standing.code_signature);
    let own = linux::process::getpid(kernel).to_bsd()?;
    let process = if process == 0 { own } else { process };
    let is_for_all = matches!(
        operation,
        Ops::CS_OPS_STATUS
            | Ops::CS_OPS_CDHASH
            | Ops::CS_OPS_PIDOFFSET
            | Ops::CS_OPS_ENTITLEMENTS_BLOB
            | Ops::CS_OPS_DER_ENTITLEMENTS_BLOB
            | Ops::CS_OPS_IDENTITY
            | Ops::CS_OPS_BLOB
            | Ops::CS_OPS_TEAMID
            | Ops::CS_OPS_CLEAR_LV
            | Ops::CS_OPS_VALIDATION_CATEGORY
    );
    let is_own = process == own;
    if !is_own {
        if !is_for_all && effective_user(kernel)? != 0 {
            return Err(Errno::EPERM);
        }
        exists(kernel, process)?;
    }
    if let Some(token) = token {
        let [_, _, _, _, _, named, ..] = token.read(kernel)?.val;
        if named != process as u32 {
            return Err(Errno::ESRCH);
        }
    }
    match operation {
        Ops::CS_OPS_STATUS if buffer.is_null() => Ok(()),
        Ops::CS_OPS_STATUS => {
            let shown = if is_own { flags.load(Relaxed) } else { 0 };
            Ok(UserPtr::new(buffer).write(kernel, &shown)?)
        }
        // What was not valid does not become invalid.
        Ops::CS_OPS_MARKINVALID | Ops::CS_OPS_CLEARINSTALLER => Ok(()),
        Ops::CS_OPS_CLEARPLATFORM => Err(Errno::ENOTSUP),
        // Of others the flags are not ours to set.
        Ops::CS_OPS_MARKHARD | Ops::CS_OPS_MARKKILL | Ops::CS_OPS_MARKRESTRICT if !is_own => {
            Err(Errno::EPERM)
        }
        Ops::CS_OPS_MARKHARD => {
            flags.fetch_or(CS_HARD, Relaxed);
            Err(Errno::EINVAL)
        }
        Ops::CS_OPS_MARKKILL => {
            const SIGKILL: i32 = 9;
            flags.fetch_or(CS_KILL, Relaxed);
            linux::signal::kill(kernel, own, SIGKILL).to_bsd()
        }
        Ops::CS_OPS_MARKRESTRICT => {
            flags.fetch_or(CS_RESTRICT, Relaxed);
            Ok(())
        }
        Ops::CS_OPS_PIDOFFSET => Ok(UserPtr::new(buffer).write(kernel, &0u64)?),
        Ops::CS_OPS_CDHASH if size != CDHASH_BYTES => Err(Errno::EINVAL),
        Ops::CS_OPS_CDHASH => Err(Errno::EBADEXEC),
        Ops::CS_OPS_IDENTITY | Ops::CS_OPS_TEAMID if size < HEADER_BYTES => Err(Errno::ERANGE),
        Ops::CS_OPS_SET_STATUS if size < size_of::<u32>() => Err(Errno::ERANGE),
        Ops::CS_OPS_SET_STATUS => {
            UserPtr::<u32>::new(buffer).read(kernel)?;
            Err(Errno::EINVAL)
        }
        Ops::CS_OPS_CLEAR_LV => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}

/// `csrctl`: system integrity protection (`bsd/kern/kern_csr.c`), of which nothing is switched off.
pub fn csrctl<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    operation: u32,
    config: UserPtr<u32>,
    size: usize,
) -> SysResult<()> {
    const CHECK: u32 = 0;
    const GET_ACTIVE_CONFIG: u32 = 1;
    match operation {
        CHECK | GET_ACTIVE_CONFIG if config.is_null() || size != size_of::<u32>() => Err(Errno::EINVAL),
        CHECK if config.read(cx.kernel())? == 0 => Ok(()),
        CHECK => Err(Errno::EPERM),
        GET_ACTIVE_CONFIG => Ok(config.write(cx.kernel(), &0)?),
        _ => Err(Errno::ENOSYS),
    }
}

/// `crossarch_trap`: no other architecture's programs are run (`bsd/kern/kern_crossarch.c`).
pub fn crossarch_trap<K: Kernel, L>(_cx: &mut Context<'_, K, L>, name: u32) -> SysResult<()> {
    const ROSETTA: u32 = 0;
    Err(if name > ROSETTA { Errno::EINVAL } else { Errno::ENOTSUP })
}

/// The longest label as text (`MAC_MAX_LABEL_BUF_LEN`).
const LABEL_BYTES: u64 = 8192;
/// Bytes that are copied at once.
const PIECE: usize = 64;

/// Room for a label, and which elements of it are wanted or set (`security/mac_base.c`, `mac_do_get`, `mac_do_set`):
/// `EFAULT`, `EINVAL` for no room or too much, `ENAMETOOLONG` for text that does not end in it. Calls `each` for every
/// byte of the text before its end.
fn label_text<K: Kernel>(kernel: &K, mac: UserPtr<Mac>, mut each: impl FnMut(u8)) -> SysResult<Mac> {
    let mac = mac.read(kernel)?;
    if mac.m_buflen == 0 || mac.m_buflen > LABEL_BYTES {
        return Err(Errno::EINVAL);
    }
    c_string(kernel, UserAddr::new(mac.m_string), mac.m_buflen, &mut each)?;
    Ok(mac)
}

/// Reads a C string of at most `room` bytes with its end: `EFAULT`, `ENAMETOOLONG`.
fn c_string<K: Kernel>(kernel: &K, text: UserAddr, room: u64, each: &mut impl FnMut(u8)) -> SysResult<()> {
    let mut seen: u64 = 0;
    while seen < room {
        let at = text.checked_add(seen)?;
        // No piece crosses a boundary of its own size, so none reaches into a page that the string does not.
        let into = at.get() as usize % PIECE;
        let wanted = PIECE.wrapping_sub(into).min(room.wrapping_sub(seen) as usize);
        let mut piece = [0; PIECE];
        let piece = piece.get_mut(..wanted).unwrap_or_default();
        kernel.copy_in(at, piece)?;
        for byte in piece.iter() {
            if *byte == 0 {
                return Ok(());
            }
            each(*byte);
        }
        seen = seen.wrapping_add(wanted as u64);
    }
    Err(Errno::ENAMETOOLONG)
}

/// Tells the elements of a label that are asked for, of which no policy has any (`mac_externalize`): those with a
/// question mark may be missing, and so may all of them; any other is `ENOENT`.
fn no_label<K: Kernel>(kernel: &K, mac: UserPtr<Mac>) -> SysResult<()> {
    let (mut may_be_missing, mut length, mut first, mut is_missing) = (true, 0u32, 0u8, false);
    let mut ends = |length: u32, first: u8| {
        may_be_missing = first == b'?' || (first == b'*' && length == 1);
        is_missing |= !may_be_missing;
    };
    let text = label_text(kernel, mac, |byte| {
        if byte == b',' {
            ends(length, first);
            (length, first) = (0, 0);
        } else {
            if length == 0 {
                first = byte;
            }
            length = length.wrapping_add(1);
        }
    })?;
    ends(length, first);
    if is_missing {
        return Err(Errno::ENOENT);
    }
    Ok(kernel.copy_out(UserAddr::new(text.m_string), &[0])?)
}

/// `__mac_get_proc`.
pub fn mac_get_proc<K: Kernel, L>(cx: &mut Context<'_, K, L>, mac: UserPtr<Mac>) -> SysResult<()> {
    no_label(cx.kernel(), mac)
}

/// `__mac_get_pid`.
pub fn mac_get_pid<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    process: i32,
    mac: UserPtr<Mac>,
) -> SysResult<()> {
    label_text(cx.kernel(), mac, |_| {})?;
    if process != 0 {
        exists(cx.kernel(), process)?;
    }
    no_label(cx.kernel(), mac)
}

/// `__mac_set_proc` (`mac_internalize`): an element without a value is `EINVAL`, one with a value is of no policy.
pub fn mac_set_proc<K: Kernel, L>(cx: &mut Context<'_, K, L>, mac: UserPtr<Mac>) -> SysResult<()> {
    let (mut has_value, mut ended) = (false, false);
    label_text(cx.kernel(), mac, |byte| {
        has_value |= !ended && byte == b'/';
        ended |= byte == b',';
    })?;
    Err(if has_value { Errno::ENOPOLICY } else { Errno::EINVAL })
}

/// `__mac_get_fd`: only files have labels.
pub fn mac_get_fd<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd, mac: UserPtr<Mac>) -> SysResult<()> {
    label_text(cx.kernel(), mac, |_| {})?;
    labelled(cx.kernel(), fd)?;
    no_label(cx.kernel(), mac)
}

/// `__mac_set_fd`: files have no labels where no policy wants them to.
pub fn mac_set_fd<K: Kernel, L>(cx: &mut Context<'_, K, L>, fd: Fd, mac: UserPtr<Mac>) -> SysResult<()> {
    label_text(cx.kernel(), mac, |_| {})?;
    linux::metadata::fstatx(cx.kernel(), linux::LinuxFd(fd.0)).to_bsd()?;
    Err(Errno::ENOSYS)
}

/// `EBADF` for what is not open, `ENOSYS` for what is no file.
fn labelled<K: Kernel>(kernel: &K, fd: Fd) -> SysResult<()> {
    const FIFO: u16 = 1;
    const SOCKET: u16 = 12;
    let found = linux::metadata::fstatx(kernel, linux::LinuxFd(fd.0)).to_bsd()?;
    match found.stx_mode.wrapping_shr(12) {
        0 | FIFO | SOCKET => Err(Errno::ENOSYS),
        _ => Ok(()),
    }
}

/// `__mac_set_file`, `__mac_set_link`: files have no labels where no policy wants them to.
pub fn mac_set_file<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    _path: UserPath,
    mac: UserPtr<Mac>,
) -> SysResult<()> {
    label_text(cx.kernel(), mac, |_| {})?;
    Err(Errno::ENOSYS)
}

/// `__mac_get_file`.
pub fn mac_get_file<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    mac: UserPtr<Mac>,
) -> SysResult<()> {
    of_path(cx, path, mac, crate::vchroot::Links::Follow)
}

/// `__mac_get_link`.
pub fn mac_get_link<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    mac: UserPtr<Mac>,
) -> SysResult<()> {
    of_path(cx, path, mac, crate::vchroot::Links::Stay)
}

fn of_path<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    mac: UserPtr<Mac>,
    links: crate::vchroot::Links,
) -> SysResult<()> {
    label_text(cx.kernel(), mac, |_| {})?;
    super::object::at_opened(cx, crate::table::DirFd::CWD, path, links, |kernel, _| no_label(kernel, mac))
}

/// `__mac_syscall` (`security/mac_base.c`): a call of a policy, none of which is there.
pub fn mac_syscall<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    policy: UserAddr,
    _call: i32,
    _argument: UserAddr,
) -> SysResult<()> {
    /// `MAC_MAX_POLICY_NAME`.
    const NAME_BYTES: u64 = 32;
    c_string(cx.kernel(), policy, NAME_BYTES, &mut |_| {})?;
    Err(Errno::ENOPOLICY)
}
