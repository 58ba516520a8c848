//! `fcntl` (`bsd/kern/kern_descrip.c`, `sys_fcntl_nocancel`): which command is whose, and those that need no more than
//! a look at the descriptor.
//!
//! The file system that XNU hands many commands on to is here Linux's, with its equals where it has them; for the rest
//! it answers what Apple's HFS does for a command that it does not know (`ENOTTY`).
//!
//! Differs from XNU:
//! * `F_SETFL` leaves `O_SYNC` and `O_DSYNC` as they were opened, and `F_GETFL` does not tell bits that XNU's kernel
//!   keeps for itself (that a descriptor was written to, `O_EVTONLY`, and what `F_NOCACHE` and the like set).
//! * What `F_GLOBAL_NOCACHE` and `F_CHECK_OPENEVT` set for all descriptors of a file is told as not set.

pub(super) mod file;
mod hash;
mod lock;
pub(super) mod owner;
mod path;
mod signature;
mod space;

use super::guarded;
use crate::convert::errno::ToBsd;
use crate::convert::fcntl::{status_flags_to_darwin, status_flags_to_linux};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{FcntlArgument, Fd, SysResult};
use crate::user::UserAddr;
use core::sync::atomic::Ordering;
use file::{Kind, kind, vnode_type};
use lock::{Owner, Wait};
use signature::Command;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::{FcntlCommand, OpenFlags};
use xnu_abi::darwin::guarded::GuardFlags;
use xnu_abi::darwin::stat::FileType;
use xnu_abi::linux::flags;

/// `FD_CLOEXEC`, the same on both systems. `FD_CLOFORK` can neither be set nor seen by `fcntl`.
const FD_CLOEXEC: i32 = 1;

/// `man 2 fcntl`.
pub fn fcntl<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    command: FcntlCommand,
    FcntlArgument(argument): FcntlArgument,
) -> SysResult<i32> {
    use FcntlCommand as C;
    let kernel = cx.kernel();
    let file = fd.to_linux()?;
    let address = UserAddr::new(argument as u64);
    let number = argument as i32;
    let on = argument != 0;
    let plain = |command, argument: i32| {
        linux::descriptor::fcntl(kernel, file, command, i64::from(argument)).to_bsd()
    };
    match command {
        C::F_DUPFD => copy(cx, file, flags::F_DUPFD, number),
        C::F_DUPFD_CLOEXEC => copy(cx, file, flags::F_DUPFD_CLOEXEC, number),
        C::F_GETFD => Ok(plain(flags::F_GETFD, 0)? & FD_CLOEXEC),
        C::F_SETFD => {
            if number & FD_CLOEXEC == 0 {
                guarded::allow_inheriting(cx, file)?;
            }
            plain(flags::F_SETFD, number & FD_CLOEXEC)
        }
        C::F_GETFL => get_status(kernel, file),
        C::F_SETFL => set_status(kernel, file, OpenFlags::from_bits_retain(number as u32)),
        C::F_GETOWN => owner::get(kernel, file),
        C::F_SETOWN => owner::set(kernel, file, number),
        C::F_GETLK => lock::get(kernel, file, Owner::Process, false, address),
        C::F_GETLKPID => lock::get(kernel, file, Owner::Process, true, address),
        C::F_OFD_GETLK => lock::get(kernel, file, Owner::OpenFile, false, address),
        C::F_OFD_GETLKPID => lock::get(kernel, file, Owner::OpenFile, true, address),
        C::F_SETLK => lock::set(kernel, file, Owner::Process, Wait::No, address),
        C::F_SETLKW => lock::set(kernel, file, Owner::Process, Wait::Forever, address),
        C::F_SETLKWTIMEOUT => lock::set(kernel, file, Owner::Process, Wait::Timeout, address),
        C::F_OFD_SETLK => lock::set(kernel, file, Owner::OpenFile, Wait::No, address),
        C::F_OFD_SETLKW => lock::set(kernel, file, Owner::OpenFile, Wait::Forever, address),
        C::F_OFD_SETLKWTIMEOUT => lock::set(kernel, file, Owner::OpenFile, Wait::Timeout, address),
        C::F_SETNOSIGPIPE => set_no_sigpipe(cx, file, number != 0),
        C::F_GETNOSIGPIPE => Ok(i32::from(has_no_sigpipe(kernel, file)?)),
        C::F_SETCONFINED => set_confined(cx, file, number != 0),
        C::F_GETCONFINED => {
            plain(flags::F_GETFD, 0)?;
            Ok(i32::from(cx.process.descriptors.confined.contains(file.0)))
        }
        C::F_PREALLOCATE => space::preallocate(kernel, file, address),
        C::F_PUNCHHOLE => space::punch_hole(kernel, file, address),
        C::F_TRIM_ACTIVE_FILE => space::trim(kernel, file, address),
        C::F_SETSIZE => space::set_size(kernel, file, address),
        C::F_RDADVISE => space::read_ahead(kernel, file, address),
        C::F_SPECULATIVE_READ => space::speculative_read(kernel, file, address),
        C::F_FLUSH_DATA => space::flush(kernel, file),
        C::F_LOG2PHYS => space::place(kernel, file, false, address),
        C::F_LOG2PHYS_EXT => space::place(kernel, file, true, address),
        C::F_RDAHEAD => {
            vnode_type(kernel, file)?;
            let advice = if on { flags::POSIX_FADV_NORMAL } else { flags::POSIX_FADV_RANDOM };
            space::advise(kernel, file, 0, 0, advice);
            Ok(0)
        }
        // How data is cached and written; nothing that a program could see but by a clock.
        C::F_NOCACHE | C::F_NODIRECT | C::F_SINGLE_WRITER | C::F_GLOBAL_NOCACHE | C::F_CHECK_OPENEVT => {
            vnode_type(kernel, file).map(|_| 0)
        }
        C::F_NOCACHE_EXT => match vnode_type(kernel, file)? {
            FileType::S_IFREG => Ok(0),
            _ => Err(Errno::EBADF),
        },
        C::F_FULLFSYNC | C::F_BARRIERFSYNC => sync(kernel, file),
        C::F_CHKCLEAN => match vnode_type(kernel, file)? {
            FileType::S_IFDIR => Err(Errno::EINVAL),
            _ => Err(Errno::ENOTTY),
        },
        C::F_FREEZE_FS | C::F_THAW_FS => freeze(kernel, file),
        C::F_GETPATH | C::F_GETPATH_NOFIRMLINK | C::F_GETPATH_MTMINFO => path::get(cx.process, file, address),
        C::F_PATHPKG_CHECK => path::package(kernel, file, address),
        C::F_OPENFROM => path::open_from(cx, file, address),
        C::F_UNLINKFROM => path::unlink_from(cx, file, address),
        C::F_ADDSIGS => signature::add(kernel, file, Command::FromMemory, address),
        C::F_ADDFILESIGS => signature::add(kernel, file, Command::FromFile, address),
        C::F_ADDFILESIGS_RETURN | C::F_ADDFILESIGS_FOR_DYLD_SIM => {
            signature::add(kernel, file, Command::TellingEnd, address)
        }
        C::F_ADDFILESIGS_INFO => signature::add(kernel, file, Command::TellingHash, address),
        C::F_CHECK_LV => signature::check_library(kernel, file, address),
        C::F_GETSIGSINFO => signature::information(kernel, file, address),
        other => refused(kernel, file, other, argument),
    }
}

/// `F_DUPFD` and `F_DUPFD_CLOEXEC`.
fn copy<K: Kernel, L>(cx: &Context<'_, K, L>, file: LinuxFd, command: u32, least: i32) -> SysResult<i32> {
    guarded::allow(cx, Fd(file.0), GuardFlags::GUARD_DUP)?;
    let copy = linux::descriptor::fcntl(cx.kernel(), file, command, i64::from(least)).to_bsd()?;
    cx.process.descriptors.copied(file.0, copy);
    Ok(copy)
}

/// What was opened only to name a file is a link (`O_SYMLINK`), which counts as read, or was opened to be executed.
fn get_status<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<i32> {
    let status = linux::descriptor::fcntl(kernel, file, flags::F_GETFL, 0).to_bsd()? as u32;
    let mut shown = status_flags_to_darwin(status);
    if status & flags::O_PATH != 0 && vnode_type(kernel, file)? != FileType::S_IFLNK {
        shown = OpenFlags::O_EXEC;
    }
    Ok(shown.bits() as i32)
}

/// Only status flags change; the access mode and the flags of creation are ignored, on both systems.
fn set_status<K: Kernel>(kernel: &K, file: LinuxFd, wanted: OpenFlags) -> SysResult<i32> {
    let wanted = i64::from(status_flags_to_linux(wanted));
    linux::descriptor::fcntl(kernel, file, flags::F_SETFL, wanted).to_bsd()
}

/// Linux keeps with each open file which signal tells of input; 0 and `SIGIO` are the same one. So that number, which
/// copies and children share as XNU's flag, says whether a broken pipe raises a signal.
const QUIET: i32 = 29;

/// `F_SETNOSIGPIPE`.
pub(super) fn set_no_sigpipe<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    file: LinuxFd,
    quiet: bool,
) -> SysResult<i32> {
    if quiet {
        cx.process.descriptors.any_without_sigpipe.store(true, Ordering::Relaxed);
    }
    let signal = if quiet { QUIET } else { 0 };
    linux::descriptor::fcntl(cx.kernel(), file, flags::F_SETSIG, i64::from(signal)).to_bsd()
}

/// `F_GETNOSIGPIPE`: whether a broken pipe raises no `SIGPIPE` on this open file.
pub(super) fn has_no_sigpipe<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<bool> {
    Ok(linux::descriptor::fcntl(kernel, file, flags::F_GETSIG, 0).to_bsd()? == QUIET)
}

/// `F_SETCONFINED`: for what was opened with `O_CLOFORK`, and for ever.
///
/// Differs from XNU: that there are copies already (`EAGAIN`) is not seen.
fn set_confined<K: Kernel, L>(cx: &Context<'_, K, L>, file: LinuxFd, on: bool) -> SysResult<i32> {
    linux::descriptor::fcntl(cx.kernel(), file, flags::F_GETFD, 0).to_bsd()?;
    let descriptors = &cx.process.descriptors;
    if !on {
        return Err(Errno::EPERM);
    }
    if !descriptors.close_on_fork.contains(file.0) {
        return Err(Errno::EBADF);
    }
    descriptors.confined.insert(file.0);
    Ok(0)
}

/// `F_FULLFSYNC` and `F_BARRIERFSYNC`: Linux's `fsync` flushes the drive as well. Devices and fifos know no such thing.
fn sync<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<i32> {
    match vnode_type(kernel, file)? {
        FileType::S_IFREG | FileType::S_IFDIR => linux::descriptor::fsync(kernel, file).to_bsd().map(|()| 0),
        _ => Err(Errno::ENOTTY),
    }
}

/// `F_FREEZE_FS` and `F_THAW_FS`: for the superuser; a volume of the host's is not the guest's to stop, and answers as
/// one without a journal does.
fn freeze<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<i32> {
    vnode_type(kernel, file)?;
    match linux::process::geteuid(kernel).to_bsd()? {
        0 => Err(Errno::ENOTSUP),
        _ => Err(Errno::EACCES),
    }
}

/// Commands that no process here may make, that Linux's file systems have no equal for, or that nobody knows: each with
/// the error that a Mac answers.
fn refused<K: Kernel>(kernel: &K, file: LinuxFd, command: FcntlCommand, argument: i64) -> SysResult<i32> {
    use FcntlCommand as C;
    let (kind, _) = kind(kernel, file)?;
    // Refused before anyone asks what kind of file it is.
    match command {
        // Of no use any more.
        C::F_FINDSIGS | C::F_GETCODEDIR => return Err(Errno::ENOTSUP),
        // For processes with an entitlement, for code of the system, and for the superuser.
        C::F_RECYCLE | C::F_ASSERT_BG_ACCESS | C::F_RELEASE_BG_ACCESS => return Err(Errno::EPERM),
        C::F_MOVEDATAEXTENTS if linux::process::geteuid(kernel).to_bsd()? != 0 => return Err(Errno::EPERM),
        C::F_TRANSFEREXTENTS if (argument as i32) < 0 => return Err(Errno::EINVAL),
        C::F_SETIOTYPE if argument as u32 != F_IOTYPE_ISOCHRONOUS => return Err(Errno::EINVAL),
        C::F_MARKDEPENDENCY => return Err(Errno::EINVAL),
        other if names_no_command(other.number()) => return Err(Errno::EINVAL),
        _ => {}
    }
    let Kind::Vnode(kind) = kind else { return Err(Errno::EBADF) };
    match command {
        // Only between files of HFS and APFS, or of APFS.
        C::F_MOVEDATAEXTENTS | C::F_TRANSFEREXTENTS => Err(Errno::ENOTSUP),
        // Only on HFS.
        C::F_SETBACKINGSTORE => Err(Errno::EINVAL),
        // Data protection.
        C::F_GETPROTECTIONCLASS => Err(Errno::ENOTSUP),
        C::F_SETPROTECTIONCLASS => check_writable(kernel, file).and(Err(Errno::ENOTSUP)),
        C::F_MAKECOMPRESSED => {
            if !matches!(kind, FileType::S_IFREG | FileType::S_IFLNK) {
                return Err(Errno::EBADF);
            }
            check_writable(kernel, file).and(Err(Errno::ENOTTY))
        }
        // Hints for the drive about data to come.
        C::F_SETSTATICCONTENT | C::F_SET_GREEDY_MODE | C::F_SETIOTYPE => {
            check_writable(kernel, file).map(|()| 0)
        }
        C::F_SETLEASE => set_lease(kind, argument as i32),
        C::F_GETLEASE => match kind {
            // Nobody has one: `F_UNLCK`.
            FileType::S_IFREG | FileType::S_IFDIR => Ok(2),
            _ => Err(Errno::EBADF),
        },
        C::F_ATTRIBUTION_TAG => {
            check_structure(kernel, argument, ATTRIBUTION_TAG_SIZE).and(Err(Errno::ENOTTY))
        }
        other => check_parameter(kernel, other.number(), argument).and(Err(Errno::ENOTTY)),
    }
}

/// `F_IOTYPE_ISOCHRONOUS`, the only argument of `F_SETIOTYPE`.
const F_IOTYPE_ISOCHRONOUS: u32 = 1;

/// `sizeof(struct fattributiontag)`.
const ATTRIBUTION_TAG_SIZE: u32 = 272;

/// `vnode_authorize` for writing, by the file's permissions and not by how it was opened.
fn check_writable<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<()> {
    const W_OK: i32 = 2;
    let at = flags::AT_EMPTY_PATH | flags::AT_EACCESS;
    linux::name::faccessat(kernel, file, b"\0", W_OK, at).map_err(|_| Errno::EBADF)
}

/// `F_SETLEASE`: only processes with an entitlement get one (`vnode_setlease`).
fn set_lease(kind: FileType, argument: i32) -> SysResult<i32> {
    const F_WRLCK: i32 = 3;
    match (kind, argument & 3) {
        (FileType::S_IFDIR, F_WRLCK) => Err(Errno::ENOTSUP),
        (FileType::S_IFREG | FileType::S_IFDIR, 0) => Err(Errno::EINVAL),
        (FileType::S_IFREG | FileType::S_IFDIR, _) => Err(Errno::EPERM),
        _ => Err(Errno::EBADF),
    }
}

/// Directions in the number of an `ioctl` (`bsd/sys/ioccom.h`).
const IOC_VOID: u32 = 0x2000_0000;
const IOC_OUT: u32 = 0x4000_0000;
const IOC_IN: u32 = 0x8000_0000;

/// A number that says at once that it has a parameter and that it has none.
fn names_no_command(number: i32) -> bool {
    let number = number as u32;
    number & IOC_VOID != 0 && number & (IOC_IN | IOC_OUT) != 0
}

/// Anything that is not known goes to the file system as an `ioctl`, with the structure that its number speaks of copied
/// in.
pub(super) fn check_parameter<K: Kernel>(kernel: &K, number: i32, argument: i64) -> SysResult<()> {
    let number = number as u32;
    let size = number >> 16 & 0x1fff;
    if number & IOC_IN != 0 { check_structure(kernel, argument, size) } else { Ok(()) }
}

/// Whether a structure can be read.
fn check_structure<K: Kernel>(kernel: &K, argument: i64, size: u32) -> SysResult<()> {
    let mut address = UserAddr::new(argument as u64);
    let mut left = size as usize;
    let mut piece = [0; 64];
    while left > 0 {
        let length = left.min(piece.len());
        kernel.copy_in(address, piece.get_mut(..length).unwrap_or_default())?;
        address = address.checked_add(length as u64)?;
        left = left.saturating_sub(length);
    }
    Ok(())
}
