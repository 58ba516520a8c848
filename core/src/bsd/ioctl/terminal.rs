//! Requests of terminals and pseudo-terminals (`man 4 tty`; `bsd/kern/tty.c`, `ttioctl_locked`; `bsd/kern/tty_dev.c`,
//! `ptyioctl`; `bsd/kern/tty_tty.c`, `cttyioctl`).
//!
//! Differs from XNU: a status line (`TIOCSTAT`), user control (`TIOCUCNTL`), 32-bit settings and those of 4.3BSD are
//! `ENOTTY`; `TIOCSTI` is `EIO` where Linux was told so; `TIOCSIG` sends `SIGINT`, `SIGQUIT` and `SIGTSTP` alone.

use super::Asked;
use crate::convert::errno::{ToBsd, errno};
use crate::convert::signal::to_linux;
use crate::convert::termios::{LINUX_EXTPROC, to_darwin, to_linux as settings_to_linux};
use crate::kernel::Kernel;
use crate::linux;
use crate::table::SysResult;
use crate::user::UserPtr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::ioctl::{IoctlRequest as R, ModemLines};
use xnu_abi::darwin::signal::Signal;
use xnu_abi::darwin::termios::Termios;
use xnu_abi::linux::{self as abi, Termios2};
use zerocopy::{FromZeros, IntoBytes};

/// Linux's numbers, under Linux's names.
mod number {
    pub(super) const TCGETS2: u32 = 0x802c_542a;
    pub(super) const TCSETS2: u32 = 0x402c_542b;
    pub(super) const TCSETSW2: u32 = 0x402c_542c;
    pub(super) const TCSETSF2: u32 = 0x402c_542d;
    pub(super) const TCSBRK: u32 = 0x5409;
    pub(super) const TCXONC: u32 = 0x540a;
    pub(super) const TCFLSH: u32 = 0x540b;
    pub(super) const TIOCEXCL: u32 = 0x540c;
    pub(super) const TIOCNXCL: u32 = 0x540d;
    pub(super) const TIOCSCTTY: u32 = 0x540e;
    pub(super) const TIOCGPGRP: u32 = 0x540f;
    pub(super) const TIOCSPGRP: u32 = 0x5410;
    pub(super) const TIOCOUTQ: u32 = 0x5411;
    pub(super) const TIOCSTI: u32 = 0x5412;
    pub(super) const TIOCGWINSZ: u32 = 0x5413;
    pub(super) const TIOCSWINSZ: u32 = 0x5414;
    pub(super) const TIOCMGET: u32 = 0x5415;
    pub(super) const TIOCMBIS: u32 = 0x5416;
    pub(super) const TIOCMBIC: u32 = 0x5417;
    pub(super) const TIOCMSET: u32 = 0x5418;
    pub(super) const FIONREAD: u32 = 0x541b;
    pub(super) const TIOCPKT: u32 = 0x5420;
    pub(super) const TIOCNOTTY: u32 = 0x5422;
    pub(super) const TIOCGETD: u32 = 0x5424;
    pub(super) const TIOCSBRK: u32 = 0x5427;
    pub(super) const TIOCCBRK: u32 = 0x5428;
    pub(super) const TIOCGPTN: u32 = 0x8004_5430;
    pub(super) const TIOCSPTLCK: u32 = 0x4004_5431;
    pub(super) const TIOCSIG: u32 = 0x4004_5436;
}

/// Numbers of devices, major and minor.
type Device = (u32, u32);

/// `/dev/tty`: the process's own terminal, whichever it is.
const OWN: Device = (5, 0);
/// The master of a pseudo-terminal.
const MASTER: Device = (5, 2);
/// Major numbers of the other sides.
const SLAVES: core::ops::RangeInclusive<u32> = 136..=143;

/// Lines of a modem that Darwin has.
const LINES: i32 = 0x1ff;

pub(super) fn serve<K: Kernel>(kernel: &K, asked: &Asked, device: Device) -> SysResult<()> {
    if !super::is_of_terminals(asked.request) && asked.request != R::FIONREAD {
        return Err(Errno::ENOTTY);
    }
    let none = |request| asked.plain(kernel, request, 0);
    match asked.request {
        R::TIOCGETA => settings(kernel, asked),
        R::TIOCSETA => set(kernel, asked, number::TCSETS2),
        R::TIOCSETAW => set(kernel, asked, number::TCSETSW2),
        R::TIOCSETAF => set(kernel, asked, number::TCSETSF2),
        R::TIOCGWINSZ => tell_window(kernel, asked),
        R::TIOCSWINSZ => set_window(kernel, asked),
        R::FIONREAD => tell_number(kernel, asked, number::FIONREAD),
        R::TIOCOUTQ => tell_number(kernel, asked, number::TIOCOUTQ),
        R::TIOCGPGRP => tell_number(kernel, asked, number::TIOCGPGRP),
        R::TIOCSPGRP => set_group(kernel, asked),
        R::TIOCSCTTY if device == OWN => Err(Errno::EINVAL),
        R::TIOCSCTTY => none(number::TIOCSCTTY),
        R::TIOCNOTTY => give_up(kernel, asked, device),
        R::TIOCEXCL => none(number::TIOCEXCL),
        R::TIOCNXCL => none(number::TIOCNXCL),
        R::TIOCSTOP => asked.plain(kernel, number::TCXONC, 0),
        R::TIOCSTART => asked.plain(kernel, number::TCXONC, 1),
        R::TIOCIXOFF => asked.plain(kernel, number::TCXONC, 2),
        R::TIOCIXON => asked.plain(kernel, number::TCXONC, 3),
        R::TIOCFLUSH => flush(kernel, asked),
        // Any argument but 0 is to wait for the output alone.
        R::TIOCDRAIN => asked.plain(kernel, number::TCSBRK, 1),
        R::TIOCSBRK => send_break(kernel, asked, number::TIOCSBRK, device),
        R::TIOCCBRK => send_break(kernel, asked, number::TIOCCBRK, device),
        R::TIOCSTI => type_in(kernel, asked),
        R::TIOCGETD | R::TIOCGDRAINWAIT => {
            check_terminal(kernel, asked)?;
            asked.tell(kernel, 0)
        }
        R::TIOCSETD => set_discipline(kernel, asked),
        R::TIOCSDRAINWAIT => {
            check_terminal(kernel, asked)?;
            crate::bsd::file_handle::check_superuser(kernel)?;
            Err(Errno::ENOTTY)
        }
        R::TIOCCONS | R::TIOCSCONS => become_console(kernel, asked),
        R::TIOCMGET => {
            let lines = asked.linux(kernel, number::TIOCMGET, 0)?;
            asked.tell(kernel, lines & LINES)
        }
        R::TIOCMSET => set_lines(kernel, asked, number::TIOCMSET),
        R::TIOCMBIS => set_lines(kernel, asked, number::TIOCMBIS),
        R::TIOCMBIC => set_lines(kernel, asked, number::TIOCMBIC),
        R::TIOCSDTR => asked.linux(kernel, number::TIOCMBIS, DTR).map(|_| ()),
        R::TIOCCDTR => asked.linux(kernel, number::TIOCMBIC, DTR).map(|_| ()),
        R::TIOCEXT => set_external(kernel, asked),
        _ if device == MASTER => master(kernel, asked),
        _ => Err(Errno::ENOTTY),
    }
}

const DTR: i32 = ModemLines::TIOCM_DTR.bits() as i32;

/// What only the master of a pseudo-terminal knows.
fn master<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    match asked.request {
        R::TIOCPKT => {
            let on = asked.int(kernel)?;
            asked.linux(kernel, number::TIOCPKT, on).map(|_| ())
        }
        R::TIOCPTYGNAME => tell_name(kernel, asked),
        // Linux makes the other side its opener's, with the mode that it is to have.
        R::TIOCPTYGRANT => asked.linux(kernel, number::TIOCGPTN, 0).map(|_| ()),
        R::TIOCPTYUNLK => asked.linux(kernel, number::TIOCSPTLCK, 0).map(|_| ()),
        R::TIOCSIG => {
            // The number stands where other requests have an address.
            let signal = to_linux(Signal::new(asked.data.get() as i32)).ok_or(Errno::EINVAL)?;
            asked.plain(kernel, number::TIOCSIG, signal as usize)
        }
        _ => Err(Errno::ENOTTY),
    }
}

fn current<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<Termios2> {
    let mut settings = Termios2::new_zeroed();
    linux::descriptor::ioctl(kernel, asked.file, number::TCGETS2, settings.as_mut_bytes()).to_bsd()?;
    Ok(settings)
}

/// Whether it is a terminal at all: `ENOTTY` where not.
fn check_terminal<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    asked.linux(kernel, number::TIOCGETD, 0).map(|_| ())
}

fn settings<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    let settings = to_darwin(&current(kernel, asked)?);
    Ok(UserPtr::new(asked.data).write(kernel, &settings)?)
}

fn set<K: Kernel>(kernel: &K, asked: &Asked, request: u32) -> SysResult<()> {
    let wanted = UserPtr::<Termios>::new(asked.data).read(kernel)?;
    let mut settings = settings_to_linux(&wanted, &current(kernel, asked)?);
    linux::descriptor::ioctl(kernel, asked.file, request, settings.as_mut_bytes()).to_bsd().map(|_| ())
}

/// `TIOCEXT`: whether the other end edits the lines.
fn set_external<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    let on = asked.int(kernel)? != 0;
    let mut settings = current(kernel, asked)?;
    settings.c_lflag &= !LINUX_EXTPROC;
    if on {
        settings.c_lflag |= LINUX_EXTPROC;
    }
    let request = number::TCSETS2;
    linux::descriptor::ioctl(kernel, asked.file, request, settings.as_mut_bytes()).to_bsd().map(|_| ())
}

/// `struct winsize` is the same on both systems.
fn tell_window<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    let mut window = [0; 8];
    linux::descriptor::ioctl(kernel, asked.file, number::TIOCGWINSZ, &mut window).to_bsd()?;
    Ok(kernel.copy_out(asked.data, &window)?)
}

fn set_window<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    let mut window = [0; 8];
    kernel.copy_in(asked.data, &mut window)?;
    linux::descriptor::ioctl(kernel, asked.file, number::TIOCSWINSZ, &mut window).to_bsd().map(|_| ())
}

fn tell_number<K: Kernel>(kernel: &K, asked: &Asked, request: u32) -> SysResult<()> {
    let number = asked.linux(kernel, request, 0)?;
    asked.tell(kernel, number)
}

fn set_lines<K: Kernel>(kernel: &K, asked: &Asked, request: u32) -> SysResult<()> {
    let lines = asked.int(kernel)? & LINES;
    asked.linux(kernel, request, lines).map(|_| ())
}

fn set_group<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    let mut group = asked.int(kernel)?;
    match linux::descriptor::ioctl(kernel, asked.file, number::TIOCSPGRP, group.as_mut_bytes()) {
        Err(abi::Errno::ESRCH) => Err(Errno::EINVAL),
        other => other.to_bsd().map(|_| ()),
    }
}

/// `TIOCNOTTY`: of `/dev/tty` alone, and not by the leader of the session.
fn give_up<K: Kernel>(kernel: &K, asked: &Asked, device: Device) -> SysResult<()> {
    if device != OWN {
        return Err(Errno::ENOTTY);
    }
    let own = linux::process::getpid(kernel).to_bsd()?;
    if linux::process::getsid(kernel, own).to_bsd()? == own {
        return Err(Errno::EINVAL);
    }
    asked.plain(kernel, number::TIOCNOTTY, 0)
}

/// `TIOCFLUSH`: `FREAD`, `FWRITE`, both, or 0 for both.
fn flush<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    const BOTH: i32 = 3;
    let queues = match asked.int(kernel)? {
        0 => BOTH,
        wanted => wanted & BOTH,
    };
    match queues {
        0 => check_terminal(kernel, asked),
        queues => asked.plain(kernel, number::TCFLSH, (queues as usize).wrapping_sub(1)),
    }
}

/// Pseudo-terminals have no line to break, and say that they did.
fn send_break<K: Kernel>(kernel: &K, asked: &Asked, request: u32, device: Device) -> SysResult<()> {
    match asked.plain(kernel, request, 0) {
        Err(Errno::ENOTTY) if device == MASTER || device == OWN || SLAVES.contains(&device.0) => Ok(()),
        other => other,
    }
}

/// `TIOCSTI`: as if a byte were typed. A terminal that is not the process's own is `EACCES`.
fn type_in<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    let mut byte = [0];
    kernel.copy_in(asked.data, &mut byte)?;
    match linux::descriptor::ioctl(kernel, asked.file, number::TIOCSTI, &mut byte) {
        Err(abi::Errno::EPERM) => Err(Errno::EACCES),
        other => other.map(|_| ()).map_err(errno),
    }
}

/// `TIOCSETD`: there is one discipline, of eight numbers.
fn set_discipline<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    let wanted = asked.int(kernel)?;
    check_terminal(kernel, asked)?;
    match wanted {
        0 => Ok(()),
        1..8 => Err(Errno::ENODEV),
        _ => Err(Errno::ENXIO),
    }
}

/// `TIOCCONS`: the console is the host's.
fn become_console<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    let wanted = if asked.request == R::TIOCCONS { asked.int(kernel)? } else { 1 };
    check_terminal(kernel, asked)?;
    if wanted == 0 { Ok(()) } else { Err(Errno::EPERM) }
}

/// `TIOCPTYGNAME`: the path of the other side, in 128 bytes.
fn tell_name<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    const BYTES: usize = 128;
    const PREFIX: &[u8] = b"/dev/pts/";
    let mut rest = asked.linux(kernel, number::TIOCGPTN, 0)?;
    let mut name = [0; BYTES];
    let (path, digits) = name.split_at_mut(PREFIX.len());
    path.copy_from_slice(PREFIX);
    let length = rest.checked_ilog10().unwrap_or(0) as usize;
    for digit in digits.iter_mut().take(length.wrapping_add(1)).rev() {
        *digit = b'0'.wrapping_add((rest % 10) as u8);
        rest /= 10;
    }
    Ok(kernel.copy_out(asked.data, &name)?)
}
