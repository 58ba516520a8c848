//! Users, groups and names: who the process is; and randomness.

use super::credentials::superuser;
use super::session::exists;
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::standing::LOGIN_BYTES;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use core::sync::atomic::Ordering::Relaxed;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::time::Timespec;
use zerocopy::IntoBytes;

/// `man 2 getuid`.
pub fn getuid<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    Ok(linux::process::getuid(cx.kernel()).to_bsd()? as u32)
}

/// `man 2 geteuid`.
pub fn geteuid<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    Ok(linux::process::geteuid(cx.kernel()).to_bsd()? as u32)
}

/// `man 2 getgid`.
pub fn getgid<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    Ok(linux::process::getgid(cx.kernel()).to_bsd()? as u32)
}

/// `man 2 getegid`.
pub fn getegid<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    Ok(linux::process::getegid(cx.kernel()).to_bsd()? as u32)
}

/// `man 2 issetugid`: whether the process got other rights from its executable file, or changed them since. A Mach-O
/// file cannot get any here, so what matters is what the runner itself was started with.
pub fn issetugid<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<i32> {
    if cx.process.standing.changed_ids.load(Relaxed) {
        return Ok(1);
    }
    let user = getuid(cx)? != geteuid(cx)?;
    let group = getgid(cx)? != getegid(cx)?;
    Ok(i32::from(user || group))
}

/// As many bytes as one call gives (`bsd/dev/random/randomdev.c`, `getentropy`).
const ENTROPY_MAX: usize = 256;

/// `man 2 getentropy`.
pub fn getentropy<K: Kernel, L>(cx: &mut Context<'_, K, L>, buf: UserAddr, length: usize) -> SysResult<()> {
    if length > ENTROPY_MAX {
        return Err(Errno::EINVAL);
    }
    let mut filled = 0;
    while filled < length {
        let rest = length.wrapping_sub(filled);
        match linux::process::getrandom(cx.kernel(), buf.checked_add(filled as u64)?, rest).to_bsd() {
            Ok(count) => filled = filled.wrapping_add(count),
            Err(Errno::EINTR) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// `getlogin` (`bsd/kern/kern_prot.c`): as many bytes as are asked for of the name with its NULs; none is an empty name.
pub fn getlogin<K: Kernel, L>(cx: &mut Context<'_, K, L>, name: UserAddr, length: u32) -> SysResult<()> {
    let mut bytes = [0u8; LOGIN_BYTES];
    for (to, from) in bytes.iter_mut().zip(&cx.process.standing.login) {
        *to = from.load(Relaxed);
    }
    let wanted = (length as usize).min(LOGIN_BYTES);
    cx.kernel().copy_out(name, bytes.get(..wanted).unwrap_or(&bytes))?;
    Ok(())
}

/// `setlogin` (`bsd/kern/kern_prot.c`): for the superuser. A name that is too long is `EINVAL`, and kept cut off.
pub fn setlogin<K: Kernel, L>(cx: &mut Context<'_, K, L>, name: UserAddr) -> SysResult<()> {
    /// The longest that is read, with its NUL.
    const READ_BYTES: usize = LOGIN_BYTES - 1;
    superuser(cx.kernel())?;
    let mut bytes = [0u8; LOGIN_BYTES];
    let mut told = Err(Errno::EINVAL);
    for (index, to) in bytes.iter_mut().take(READ_BYTES).enumerate() {
        let copied = name.checked_add(index as u64).and_then(|at| {
            let mut byte = [0];
            cx.kernel().copy_in(at, &mut byte).map(|()| byte)
        });
        match copied {
            Ok([0]) => told = Ok(()),
            Ok([byte]) => {
                *to = byte;
                continue;
            }
            Err(_) => told = Err(Errno::EFAULT),
        }
        break;
    }
    for (to, from) in cx.process.standing.login.iter().zip(bytes) {
        to.store(from, Relaxed);
    }
    told
}

/// `settid`: another identity for the calling thread (`bsd/kern/kern_prot.c`, `kern_settid`). Nobody gets one here.
pub fn settid<K: Kernel, L>(_cx: &mut Context<'_, K, L>, _user: u32, _group: u32) -> SysResult<()> {
    Err(Errno::EPERM)
}

/// `settid_with_pid`: the identity of another process (`bsd/kern/kern_prot.c`). Nobody gets one here.
pub fn settid_with_pid<K: Kernel, L>(cx: &mut Context<'_, K, L>, process: i32, assume: i32) -> SysResult<()> {
    if assume != 0 {
        if process == 0 {
            return Err(Errno::ESRCH);
        }
        exists(cx.kernel(), process)?;
    }
    Err(Errno::EPERM)
}

/// `gethostuuid` (`bsd/kern/sys_generic.c`): what names the machine, which is in `/etc/machine-id` on Linux. How long to
/// wait for it does not matter then; a machine without one is `EWOULDBLOCK`.
pub fn gethostuuid<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    uuid: UserAddr,
    timeout: UserPtr<Timespec>,
) -> SysResult<()> {
    timeout.read(cx.kernel())?;
    let mut digits = [0; 32];
    let length = linux::files::read_start(cx.kernel(), b"/etc/machine-id\0", &mut digits).unwrap_or(0);
    let found = uuid_of(&digits).filter(|_| length == digits.len()).ok_or(Errno::EAGAIN)?;
    cx.kernel().copy_out(uuid, found.as_bytes())?;
    Ok(())
}

/// The 16 bytes that 32 hexadecimal digits stand for.
fn uuid_of(digits: &[u8; 32]) -> Option<[u8; 16]> {
    let mut uuid = [0; 16];
    let (pairs, _) = digits.as_chunks::<2>();
    for (byte, pair) in uuid.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = (high?.wrapping_mul(16).wrapping_add(low?)) as u8;
    }
    Some(uuid)
}

#[cfg(test)]
mod tests {
    use super::uuid_of;

    #[test]
    fn a_machine_id_is_a_uuid() {
        let expected = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xff, 0, 1, 2, 3, 4, 5, 6];
        assert_eq!(uuid_of(b"0123456789abcDEFff00010203040506"), Some(expected));
        assert_eq!(uuid_of(b"0123456789abcdefff0001020304050g"), None);
        assert_eq!(uuid_of(&[0; 32]), None);
    }
}
