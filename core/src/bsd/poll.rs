//! `poll` (`bsd/kern/sys_generic.c`, `poll_nocancel`, `poll_callback`), which XNU builds on kqueues. So it differs from
//! Linux's in what it tells:
//! * Who asks for nothing is told nothing, not even that the descriptor is not open.
//! * The end of input or of the reader is `POLLHUP`, together with what was asked of input and without what was asked of
//!   output; nothing is ever `POLLERR`.
//! * What cannot be watched, directories and disks among it, is `POLLNVAL`.
//!
//! Differs from XNU: changes of a file (`POLLEXTEND`, `POLLATTRIB`, `POLLNLINK`, `POLLWRITE`) never come, and urgent data
//! are told where there are any, where XNU tells them for files and pipes whenever it tells input.

use super::fcntl::file::{Kind, kind};
use super::scratch::Scratch;
use crate::convert::errno::ToBsd;
use crate::convert::poll::{self, Asked};
use crate::descriptors::OPEN_MAX;
use crate::kernel::{Arg, Fault, Kernel};
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserPtr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::poll::{FD_SETSIZE, PollEvents, Pollfd};
use xnu_abi::darwin::stat::{FileType, Mode};
use xnu_abi::linux::{self as abi, flags};
use zerocopy::{FromZeros, IntoBytes};

/// As many entries as stand on the stack.
const FEW: usize = 32;

/// In place of a descriptor, for Linux to leave out: one that is not asked about, and one that cannot be watched.
const NOT_ASKED: i32 = -1;
const NOT_WATCHED: i32 = -2;

/// `man 2 poll`. The time is in milliseconds; -1 is for ever, and any other negative number is 2³² more.
pub fn poll<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    entries: UserPtr<Pollfd>,
    count: u32,
    timeout: i32,
) -> SysResult<i32> {
    const MILLISECONDS: u32 = 1000;
    const NANOSECONDS: i64 = 1_000_000;
    check_count(cx.kernel(), count)?;
    let milliseconds = timeout as u32;
    let time = (timeout != -1).then(|| abi::Timespec {
        tv_sec: i64::from(milliseconds / MILLISECONDS),
        tv_nsec: i64::from(milliseconds % MILLISECONDS).wrapping_mul(NANOSECONDS),
    });
    if count as usize <= FEW {
        return poll_few(cx, entries, count, time);
    }
    let pages = Scratch::new(cx.kernel(), (count as usize).saturating_mul(size_of::<Pollfd>()))?;
    let copies = UserPtr::<Pollfd>::new(pages.at(0)?);
    let mut refused = false;
    for index in 0..u64::from(count) {
        let entry = convert(cx, &entries.element(index)?.read(cx.kernel())?)?;
        refused |= entry.fd == NOT_WATCHED;
        copies.element(index)?.write(cx.kernel(), &entry)?;
    }
    wait(cx.kernel(), Arg::User(copies.address()), count, time, refused)?;
    let mut ready = 0i32;
    for index in 0..u64::from(count) {
        let seen = copies.element(index)?.read(cx.kernel())?;
        ready = ready.wrapping_add(tell(cx.kernel(), entries.element(index)?, &seen)?);
    }
    Ok(ready)
}

/// More entries than descriptors are allowed up to what a set of `select` holds, and to the superuser not even those.
fn check_count<K: Kernel>(kernel: &K, count: u32) -> SysResult<()> {
    if count as usize > OPEN_MAX {
        return Err(Errno::EINVAL);
    }
    let limit = linux::process::prlimit(kernel, flags::RLIMIT_NOFILE, None).to_bsd()?.current;
    if u64::from(count) <= limit {
        return Ok(());
    }
    let is_superuser = linux::process::geteuid(kernel).to_bsd()? == 0;
    if !is_superuser || count as usize > FD_SETSIZE { Err(Errno::EINVAL) } else { Ok(()) }
}

#[inline(never)]
fn poll_few<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    entries: UserPtr<Pollfd>,
    count: u32,
    time: Option<abi::Timespec>,
) -> SysResult<i32> {
    let kernel = cx.kernel();
    let mut copies = [Pollfd::new_zeroed(); FEW];
    let copies = copies.get_mut(..count as usize).unwrap_or_default();
    let mut refused = false;
    for (copy, index) in copies.iter_mut().zip(0..) {
        *copy = convert(cx, &entries.element(index)?.read(kernel)?)?;
        refused |= copy.fd == NOT_WATCHED;
    }
    wait(kernel, Arg::Out(copies.as_mut_bytes()), count, time, refused)?;
    let mut ready = 0i32;
    for (seen, index) in copies.iter().zip(0..) {
        ready = ready.wrapping_add(tell(kernel, entries.element(index)?, seen)?);
    }
    Ok(ready)
}

/// What Linux is asked for an entry.
fn convert<K: Kernel, L>(cx: &Context<'_, K, L>, entry: &Pollfd) -> SysResult<Pollfd> {
    let events = PollEvents::from_bits_retain(entry.events as u16);
    let none = |fd| Pollfd { fd, events: 0, revents: 0 };
    if entry.fd < 0 {
        return Ok(none(NOT_ASKED));
    }
    let asked = poll::asked(events);
    if asked != Asked::NOTHING && cx.process.vchroot.keeps(entry.fd) {
        return Ok(none(NOT_WATCHED));
    }
    // Only what is in a file system changes.
    if asked.changes {
        match kind(cx.kernel(), LinuxFd(entry.fd)) {
            Ok((Kind::Vnode(_), _)) => {}
            Ok(_) | Err(Errno::EBADF) => return Ok(none(NOT_WATCHED)),
            Err(error) => return Err(error),
        }
    }
    if asked.events == 0 {
        return Ok(none(NOT_ASKED));
    }
    Ok(Pollfd { fd: entry.fd, events: asked.events as i16, revents: 0 })
}

/// Where something cannot be watched, nothing is waited for.
fn wait<K: Kernel>(
    kernel: &K,
    copies: Arg<'_>,
    count: u32,
    mut time: Option<abi::Timespec>,
    refused: bool,
) -> SysResult<()> {
    if refused {
        time = Some(abi::Timespec::new_zeroed());
    }
    linux::wait::ppoll(kernel, copies, count as usize, time.as_mut()).to_bsd()?;
    Ok(())
}

/// Writes what happened to an entry; 1 where that is anything.
fn tell<K: Kernel>(kernel: &K, entry: UserPtr<Pollfd>, seen: &Pollfd) -> SysResult<i32> {
    /// Where an entry's answer is.
    const REVENTS: u64 = 6;
    let shown = match seen.fd {
        NOT_WATCHED => PollEvents::POLLNVAL,
        fd if fd < 0 || seen.revents == 0 => PollEvents::empty(),
        fd => match poll::shown(seen.events as u16, seen.revents as u16) {
            ready if ready.intersects(PollEvents::POLLNVAL | PollEvents::POLLHUP) => ready,
            _ if cannot_be_watched(kernel, LinuxFd(fd))? => PollEvents::POLLNVAL,
            ready => ready,
        },
    };
    let at: Result<_, Fault> = entry.address().checked_add(REVENTS);
    kernel.copy_out(at?, &shown.bits().to_ne_bytes())?;
    Ok(i32::from(!shown.is_empty()))
}

/// `vn_kqfilter`: of what is in a file system, regular files, fifos and character devices can be watched.
fn cannot_be_watched<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<bool> {
    let stat = match linux::metadata::fstatx(kernel, file) {
        // Closed by another thread meanwhile.
        Err(abi::Errno::EBADF) => return Ok(true),
        other => other.to_bsd()?,
    };
    let kind = Mode::from_bits_retain(stat.stx_mode).file_type();
    Ok(matches!(kind, FileType::S_IFDIR | FileType::S_IFBLK | FileType::S_IFLNK))
}
