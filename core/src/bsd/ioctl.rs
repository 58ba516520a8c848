//! `ioctl` (`bsd/kern/sys_generic.c`, `ioctl`; `bsd/vfs/vfs_vnops.c`, `vn_ioctl`): the argument is copied in before
//! anything else is looked at, and copied out by what serves the request.
//!
//! Requests of network interfaces and routes are not served yet: `EOPNOTSUPP`, as for a socket that knows none.

mod disk;
mod file;
mod terminal;

use super::fcntl::file::{Kind, access, kind};
use super::fcntl::{check_parameter, owner};
use crate::convert::errno::ToBsd;
use crate::convert::ioctl;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{Fd, IoctlNumber, SysResult};
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::ioctl::IoctlRequest as R;
use xnu_abi::darwin::stat::FileType;
use xnu_abi::linux::{Statx, flags};
use zerocopy::IntoBytes;

/// Linux's numbers.
mod number {
    pub(super) const FIONREAD: u32 = 0x541b;
    pub(super) const FIONBIO: u32 = 0x5421;
    pub(super) const FIOASYNC: u32 = 0x5452;
}

/// A request on its way: whose, and where its argument is.
#[derive(Clone, Copy)]
struct Asked {
    file: LinuxFd,
    request: R,
    data: UserAddr,
}

impl Asked {
    /// The argument as a number.
    fn int<K: Kernel>(&self, kernel: &K) -> SysResult<i32> {
        Ok(UserPtr::new(self.data).read(kernel)?)
    }

    /// Writes a number as the argument.
    fn tell<K: Kernel>(&self, kernel: &K, number: i32) -> SysResult<()> {
        Ok(UserPtr::new(self.data).write(kernel, &number)?)
    }

    /// Makes a request of Linux whose argument is an `int` that it reads or writes.
    fn linux<K: Kernel>(&self, kernel: &K, request: u32, mut number: i32) -> SysResult<i32> {
        linux::descriptor::ioctl(kernel, self.file, request, number.as_mut_bytes()).to_bsd()?;
        Ok(number)
    }

    /// Makes a request of Linux whose argument is a plain value, or none.
    fn plain<K: Kernel>(&self, kernel: &K, request: u32, value: usize) -> SysResult<()> {
        linux::descriptor::ioctl_value(kernel, self.file, request, value).to_bsd()
    }
}

/// `man 2 ioctl`.
pub fn ioctl<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    fd: Fd,
    IoctlNumber(number): IoctlNumber,
    data: UserAddr,
) -> SysResult<i32> {
    let kernel = cx.kernel();
    check_parameter(kernel, number as i32, data.get() as i64)?;
    let file = fd.to_linux()?;
    let access = access(kernel, file)?;
    if !access.reads && !access.writes {
        return Err(Errno::EBADF);
    }
    // The whole register counts, and no request has anything in its upper half.
    let request = R::new(u32::try_from(number).unwrap_or(0));
    let asked = Asked { file, request, data };
    match request {
        R::FIOCLEX => set_close_on_exec(kernel, file, 1)?,
        R::FIONCLEX => set_close_on_exec(kernel, file, 0)?,
        R::FIONBIO => {
            let on = asked.int(kernel)?;
            asked.linux(kernel, number::FIONBIO, on)?;
        }
        R::FIOASYNC => set_async(kernel, &asked)?,
        R::FIOSETOWN => {
            let wanted = asked.int(kernel)?;
            owner::set(kernel, file, wanted)?;
        }
        // What it would tell is not copied out.
        R::FIOGETOWN => {
            owner::get(kernel, file)?;
        }
        _ => serve(kernel, &asked, access.writes)?,
    }
    Ok(0)
}

fn set_close_on_exec<K: Kernel>(kernel: &K, file: LinuxFd, on: i64) -> SysResult<()> {
    linux::descriptor::fcntl(kernel, file, flags::F_SETFD, on).to_bsd().map(|_| ())
}

/// Files take it and do nothing.
fn set_async<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    let on = asked.int(kernel)?;
    match asked.linux(kernel, number::FIOASYNC, on) {
        Err(Errno::ENOTTY) => match kind(kernel, asked.file)?.0 {
            Kind::Vnode(FileType::S_IFREG | FileType::S_IFDIR) => Ok(()),
            Kind::Vnode(FileType::S_IFCHR) => Ok(()),
            _ => Err(Errno::ENOTTY),
        },
        other => other.map(|_| ()),
    }
}

fn serve<K: Kernel>(kernel: &K, asked: &Asked, writes: bool) -> SysResult<()> {
    let (kind, stat) = kind(kernel, asked.file)?;
    match kind {
        Kind::Vnode(FileType::S_IFREG | FileType::S_IFDIR) => file::regular(kernel, asked, &stat),
        Kind::Vnode(FileType::S_IFIFO) => match asked.request {
            R::FIODTYPE => Err(Errno::ENOTTY),
            request if request.number() == disk::SETBLOCKSIZE => Err(Errno::EPERM),
            _ => file::fifo(kernel, asked, writes),
        },
        Kind::Vnode(FileType::S_IFCHR | FileType::S_IFBLK) => device(kernel, asked, &stat),
        Kind::Vnode(_) | Kind::Other => Err(Errno::ENOTTY),
        Kind::Pipe => file::pipe(kernel, asked),
        Kind::Socket => file::socket(kernel, asked),
    }
}

/// Character devices and disks.
fn device<K: Kernel>(kernel: &K, asked: &Asked, stat: &Statx) -> SysResult<()> {
    /// `D_DISK`, `D_TTY`: what kind of driver serves it. Memory counts as a disk.
    const D_DISK: i32 = 2;
    const D_TTY: i32 = 3;
    const MEMORY: u32 = 1;
    let is_disk = u32::from(stat.stx_mode) & flags::S_IFMT == S_IFBLK;
    if asked.request.number() == disk::SETBLOCKSIZE {
        return Err(Errno::EPERM);
    }
    match asked.request {
        R::FIODTYPE if is_disk || stat.stx_rdev_major == MEMORY => asked.tell(kernel, D_DISK),
        R::FIODTYPE => asked.tell(kernel, D_TTY),
        _ if is_disk => disk::serve(kernel, asked),
        _ => match terminal::serve(kernel, asked, (stat.stx_rdev_major, stat.stx_rdev_minor)) {
            // `/dev/null` and its kin know no request at all.
            Err(Errno::ENOTTY) if stat.stx_rdev_major == MEMORY => Err(Errno::ENODEV),
            other => other,
        },
    }
}

const S_IFBLK: u32 = 0o060000;

/// The letter of requests of terminals.
fn is_of_terminals(request: R) -> bool {
    ioctl::group(request.number()) == b't'
}
