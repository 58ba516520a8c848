//! Control messages of `sendmsg` and `recvmsg` (`sockargs`, `copyout_control`; `bsd/kern/uipc_usrreq.c`,
//! `unp_internalize`, `unp_externalize`).

use super::address::Address;
use super::answer::errno;
use super::message;
use crate::bsd::guarded;
use crate::convert::socket::{control_to_darwin, control_to_linux, message_flags_to_linux};
use crate::kernel::Kernel;
use crate::linux::socket::{Pieces, Received};
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::process::Context;
use crate::table::{Fd, SysResult};
use crate::user::UserAddr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::guarded::GuardFlags;
use xnu_abi::darwin::socket::{MessageFlags, Msghdr, SCM_RIGHTS, SocketOption};
use xnu_abi::linux as abi;
use xnu_abi::linux::socket as l;

/// Bytes of Darwin's header.
const HEADER: usize = 12;

/// More than this has no room in XNU's buffer, in which descriptors take twice as much.
const SENT_MAX: usize = HEADER + (2048 - HEADER) / 2;

/// Room for as many descriptors as Linux passes at once, and for everything else.
const ROOM: usize = 1280;

/// Sends a message with control messages.
#[inline(never)]
pub(super) fn send<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    file: LinuxFd,
    (pieces, size): (Pieces, u64),
    address: Option<&Address<'_, '_, K>>,
    control: (UserAddr, u32),
    flags: MessageFlags,
) -> SysResult<LinuxResult<usize>> {
    let kernel = cx.kernel();
    let mut linux_control = [0; ROOM];
    let length = convert(cx, file, control, &mut linux_control)?;
    message::check_sending(kernel, file, size, flags)?;
    let to = match address {
        Some(address) => message::destination(kernel, file, address)?,
        None => &[],
    };
    let flags = message_flags_to_linux(flags) | l::MSG_NOSIGNAL;
    let linux_control = linux_control.get(..length).unwrap_or_default();
    Ok(linux::socket::sendmsg(kernel, file, pieces, to, linux_control, flags))
}

/// Reads control messages into Linux's form.
#[inline(never)]
fn convert<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    file: LinuxFd,
    (control, length): (UserAddr, u32),
    to: &mut [u8; ROOM],
) -> SysResult<usize> {
    let (kernel, length) = (cx.kernel(), length as usize);
    let domain = super::domain(kernel, file)?;
    if !(HEADER..=SENT_MAX).contains(&length) {
        return Err(Errno::EINVAL);
    }
    let mut from = [0; SENT_MAX];
    let from = from.get_mut(..length).unwrap_or_default();
    kernel.copy_in(control, from)?;
    if domain == l::AF_UNIX {
        check_rights(cx, from)?;
    } else if super::kind(kernel, file)? == l::SOCK_STREAM {
        // What they say is dropped (`tcp_usr_send`).
        return Ok(0);
    }
    control_to_linux(from, domain == l::AF_INET6, to)
}

/// One list of descriptors and nothing else; descriptors that are the emulation's own are not open.
fn check_rights<K: Kernel, L>(cx: &Context<'_, K, L>, list: &[u8]) -> SysResult<()> {
    let mut words =
        list.chunks_exact(4).filter_map(|word| word.first_chunk().map(|word| i32::from_ne_bytes(*word)));
    let header = (words.next(), words.next(), words.next());
    let rights = (Some(list.len() as i32), Some(SocketOption::SOL_SOCKET.number()), Some(SCM_RIGHTS));
    if header != rights {
        return Err(Errno::EINVAL);
    }
    for descriptor in words {
        if cx.process.vchroot.keeps(descriptor) {
            return Err(Errno::EBADF);
        }
        if cx.process.descriptors.confined.contains(descriptor) {
            return Err(Errno::EINVAL);
        }
        guarded::allow(cx, Fd(descriptor), GuardFlags::GUARD_SOCKET_IPC)?;
    }
    Ok(())
}

/// Receives a message and its control messages, which it writes to the guest. Descriptors have no place in the tables of
/// this process: they are new.
///
/// Differs from XNU: descriptors that have no room are closed, where XNU leaves them open without telling their numbers.
#[inline(never)]
pub(super) fn receive<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    file: LinuxFd,
    pieces: Pieces,
    from: &mut [u8],
    (header, told): (&mut Msghdr, &mut MessageFlags),
    flags: i32,
) -> SysResult<LinuxResult<Received>> {
    let kernel = cx.kernel();
    let mut control = [0u8; ROOM];
    let room = header.msg_controllen as usize;
    let asked = if room < HEADER { &mut [][..] } else { &mut control[..] };
    let answer = match linux::socket::recvmsg(kernel, file, pieces, from, asked, flags) {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(error)),
    };
    let known = control.get(..answer.control).unwrap_or_default();
    let to = UserAddr::new(header.msg_control);
    let (mut at, mut failed) = (0usize, false);
    control_to_darwin(known, |level, kind, data| {
        let is_rights = level == SocketOption::SOL_SOCKET.number() && kind == SCM_RIGHTS;
        let start = at;
        let words = [HEADER.wrapping_add(data.len()) as u32, level as u32, kind as u32];
        let mut left = room.saturating_sub(start);
        let header = words.iter().flat_map(|word| word.to_ne_bytes());
        for byte in header.chain(data.iter().copied()).chain(core::iter::repeat_n(0, padding(data.len()))) {
            if left == 0 {
                told.insert(MessageFlags::MSG_CTRUNC);
                break;
            }
            failed |= to.checked_add(at as u64).and_then(|to| kernel.copy_out(to, &[byte])).is_err();
            (at, left) = (at.wrapping_add(1), left.wrapping_sub(1));
        }
        if is_rights {
            let whole = at.wrapping_sub(start).saturating_sub(HEADER) / 4;
            close_from(cx, data, if failed { 0 } else { whole });
        }
    });
    header.msg_controllen = at.min(room) as u32;
    if failed {
        return Err(errno(abi::Errno::EFAULT));
    }
    Ok(Ok(answer))
}

/// Bytes up to a multiple of 4.
fn padding(length: usize) -> usize {
    length.wrapping_neg() % 4
}

/// Closes the descriptors whose numbers the guest does not get.
fn close_from<K: Kernel, L>(cx: &Context<'_, K, L>, descriptors: &[u8], told: usize) {
    for descriptor in descriptors.chunks_exact(4).skip(told) {
        let Some(descriptor) = descriptor.first_chunk() else { continue };
        // Nobody knows it: closing cannot fail in a way that matters.
        let _ = linux::descriptor::close(cx.kernel(), LinuxFd(i32::from_ne_bytes(*descriptor)));
    }
}
