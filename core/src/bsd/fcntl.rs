//! `fcntl` (`bsd/kern/kern_descrip.c`, `sys_fcntl_nocancel`).

use crate::convert::errno::ToBsd;
use crate::convert::fcntl::{flock_to_darwin, flock_to_linux, status_flags_to_darwin, status_flags_to_linux};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{FcntlArgument, Fd, SysResult};
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::exec::PATH_MAX;
use xnu_abi::darwin::fcntl::{FcntlCommand, Flock, LockType, OpenFlags};
use xnu_abi::linux::flags;
use zerocopy::IntoBytes;

/// `FD_CLOEXEC`, the same on both systems. Darwin's other descriptor flags have no equal.
const FD_CLOEXEC: i32 = 1;

/// `man 2 fcntl`.
pub fn fcntl<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    command: FcntlCommand,
    FcntlArgument(argument): FcntlArgument,
) -> SysResult<i32> {
    let kernel = cx.kernel();
    let file = fd.to_linux()?;
    let address = UserAddr::new(argument as u64);
    let number = i64::from(argument as i32);
    let plain = |command, argument| linux::descriptor::fcntl(kernel, file, command, argument).to_bsd();
    match command {
        FcntlCommand::F_DUPFD => plain(flags::F_DUPFD, number),
        FcntlCommand::F_DUPFD_CLOEXEC => plain(flags::F_DUPFD_CLOEXEC, number),
        FcntlCommand::F_GETFD => Ok(plain(flags::F_GETFD, 0)? & FD_CLOEXEC),
        FcntlCommand::F_SETFD => plain(flags::F_SETFD, number & i64::from(FD_CLOEXEC)),
        FcntlCommand::F_GETFL => Ok(status_flags_to_darwin(plain(flags::F_GETFL, 0)? as u32).bits() as i32),
        FcntlCommand::F_SETFL => set_status(kernel, file, OpenFlags::from_bits_retain(argument as u32)),
        FcntlCommand::F_GETOWN => plain(flags::F_GETOWN, 0),
        FcntlCommand::F_SETOWN => plain(flags::F_SETOWN, number),
        FcntlCommand::F_GETLK => get_lock(kernel, file, flags::F_GETLK, UserPtr::new(address)),
        FcntlCommand::F_SETLK => set_lock(kernel, file, flags::F_SETLK, UserPtr::new(address)),
        FcntlCommand::F_SETLKW => set_lock(kernel, file, flags::F_SETLKW, UserPtr::new(address)),
        FcntlCommand::F_OFD_GETLK => get_lock(kernel, file, flags::F_OFD_GETLK, UserPtr::new(address)),
        FcntlCommand::F_OFD_SETLK => set_lock(kernel, file, flags::F_OFD_SETLK, UserPtr::new(address)),
        FcntlCommand::F_OFD_SETLKW => set_lock(kernel, file, flags::F_OFD_SETLKW, UserPtr::new(address)),
        FcntlCommand::F_FULLFSYNC | FcntlCommand::F_BARRIERFSYNC => {
            super::descriptor::fsync(cx, fd).map(|()| 0)
        }
        FcntlCommand::F_GETPATH | FcntlCommand::F_GETPATH_NOFIRMLINK => get_path(kernel, file, address),
        other => {
            plain(flags::F_GETFD, 0)?;
            // A command that XNU has and we do not serve is refused as a file system does that lacks it.
            Err(if other.name().is_some() { Errno::ENOTSUP } else { Errno::EINVAL })
        }
    }
}

/// Only status flags change; the access mode and the flags of creation are ignored, on both systems.
fn set_status<K: Kernel>(kernel: &K, file: LinuxFd, wanted: OpenFlags) -> SysResult<i32> {
    let wanted = i64::from(status_flags_to_linux(wanted));
    linux::descriptor::fcntl(kernel, file, flags::F_SETFL, wanted).to_bsd()
}

/// The lock as the guest wrote it and as Linux reads it. The descriptor's error comes first.
fn read_lock<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    lock: UserPtr<Flock>,
) -> SysResult<(Flock, xnu_abi::linux::Flock)> {
    let error = match lock.read(kernel) {
        Ok(asked) => match flock_to_linux(&asked) {
            Some(lock) => return Ok((asked, lock)),
            None => Errno::EINVAL,
        },
        Err(fault) => fault.into(),
    };
    linux::descriptor::fcntl(kernel, file, flags::F_GETFD, 0).to_bsd()?;
    Err(error)
}

fn get_lock<K: Kernel>(kernel: &K, file: LinuxFd, command: u32, lock: UserPtr<Flock>) -> SysResult<i32> {
    let (asked, mut found) = read_lock(kernel, file, lock)?;
    linux::descriptor::fcntl_struct(kernel, file, command, found.as_mut_bytes()).to_bsd()?;
    let mut answer = flock_to_darwin(&found);
    if LockType::new(answer.l_type) == LockType::F_UNLCK {
        // Nobody is in the way: everything but the type stays as it was asked.
        answer = Flock { l_type: answer.l_type, ..asked };
    }
    lock.write(kernel, &answer)?;
    Ok(0)
}

fn set_lock<K: Kernel>(kernel: &K, file: LinuxFd, command: u32, lock: UserPtr<Flock>) -> SysResult<i32> {
    let (_, mut wanted) = read_lock(kernel, file, lock)?;
    linux::descriptor::fcntl_struct(kernel, file, command, wanted.as_mut_bytes()).to_bsd()
}

/// Writes the path of an open file into a buffer of `MAXPATHLEN` bytes.
///
/// Linux knows it as the target of a link in `/proc`. A file that is gone, or never had a path, is `ENOENT`, as a
/// vnode without a name is.
fn get_path<K: Kernel>(kernel: &K, file: LinuxFd, buf: UserAddr) -> SysResult<i32> {
    linux::descriptor::fcntl(kernel, file, flags::F_GETFD, 0).to_bsd()?;
    let mut link = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0";
    let (_, digits) = link.split_at_mut(b"/proc/self/fd/".len());
    write_decimal(file.0, digits);
    let mut path = [0; PATH_MAX];
    let length = linux::name::readlinkat_own(kernel, LinuxFd::CWD, &link, &mut path).to_bsd()?;
    // A target as long as the buffer may have been cut off.
    if length >= path.len() {
        return Err(Errno::ENAMETOOLONG);
    }
    let found = path.get(..length).unwrap_or_default();
    if !found.starts_with(b"/") || found.ends_with(b" (deleted)") {
        return Err(Errno::ENOENT);
    }
    let with_nul = path.get(..=length).unwrap_or_default();
    kernel.copy_out(buf, with_nul)?;
    Ok(0)
}

/// Writes a number that is not negative; `out` has room for the ten digits of an `i32`.
fn write_decimal(number: i32, out: &mut [u8]) {
    let mut rest = number;
    let length = rest.checked_ilog10().unwrap_or(0) as usize;
    for digit in out.iter_mut().take(length.wrapping_add(1)).rev() {
        *digit = b'0'.wrapping_add((rest % 10) as u8);
        rest /= 10;
    }
}
