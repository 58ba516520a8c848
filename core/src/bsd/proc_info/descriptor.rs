//! Descriptors of a process. Of its own ones the caller is told what the core keeps of them as well.

use super::subject::told;
use super::vnode::{self, Opened};
use super::{Request, Subject, socket};
use crate::bsd::fcntl::file::{Kind, kind};
use crate::convert::errno::ToBsd;
use crate::convert::fcntl::status_flags_to_darwin;
use crate::convert::stat::pipe_to_stat64;
use crate::convert::vnode::vinfo_stat;
use crate::kernel::Kernel;
use crate::linux::proc::{Name, Numbers, decimal};
use crate::linux::{self, LinuxFd};
use crate::process::Process;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::guarded::GuardFlags;
use xnu_abi::darwin::proc_info::{
    self as abi, FdInfo, FdType, FilePortInfo, FpFlags, ProcFdinfo, ProcFileinfo,
};
use xnu_abi::linux::{Errno as LinuxErrno, flags};
use zerocopy::{FromZeros, IntoBytes};

/// Bytes of `struct proc_fileinfo`.
const FILE: u64 = size_of::<ProcFileinfo>() as u64;

/// `PROC_PIDLISTFDS` (`proc_pidfdlist`).
#[inline(never)]
pub(super) fn list<K: Kernel, L>(
    process: &Process<K, L>,
    subject: &Subject<'_, K>,
    request: &Request,
) -> SysResult<i32> {
    const SLOP: u32 = 20;
    let entry_size = abi::PROC_PIDLISTFD_SIZE;
    let files = subject.status.fd_size;
    if request.buffer.is_null() {
        return Ok(files.wrapping_add(SLOP).wrapping_mul(entry_size) as i32);
    }
    let room = files.min(request.size.checked_div(entry_size).unwrap_or(0));
    let entry = subject.entry()?;
    let mut numbers = told(Numbers::of(entry, b"fd\0"))?;
    let ours = [entry.own_descriptor(), numbers.own_descriptor()];
    let mut count: u32 = 0;
    while count < room
        && let Some(number) = told(numbers.next())?
    {
        let number = number as i32;
        if subject.is_self && (ours.contains(&LinuxFd(number)) || process.vchroot.keeps(number)) {
            continue;
        }
        let kind = match type_of(subject, number) {
            // It was closed meanwhile.
            Err(Errno::EBADF) => continue,
            other => other?,
        };
        let info = ProcFdinfo { proc_fd: number, proc_fdtype: kind.number() };
        UserPtr::new(request.buffer).element(count.into())?.write(subject.kernel, &info)?;
        count = count.wrapping_add(1);
    }
    Ok(count.wrapping_mul(entry_size) as i32)
}

#[inline(never)]
fn type_of<K: Kernel>(subject: &Subject<'_, K>, number: i32) -> SysResult<FdType> {
    let opened = open(subject, number)?;
    Ok(to_type(kind(subject.kernel, opened.file())?.0))
}

/// What Linux has no file for is a queue of events: nothing else of the kind is a guest's.
fn to_type(kind: Kind) -> FdType {
    match kind {
        Kind::Vnode(_) => FdType::PROX_FDTYPE_VNODE,
        Kind::Pipe => FdType::PROX_FDTYPE_PIPE,
        Kind::Socket => FdType::PROX_FDTYPE_SOCKET,
        Kind::Other => FdType::PROX_FDTYPE_KQUEUE,
    }
}

/// A descriptor of a process: `EBADF` where it is not open.
fn open<'a, K: Kernel>(subject: &Subject<'a, K>, number: i32) -> SysResult<Opened<'a, K>> {
    if number < 0 {
        return Err(Errno::EBADF);
    }
    if subject.is_self {
        return Ok(Opened::own(subject.kernel, LinuxFd(number)));
    }
    let name = Name::new(b"fd/").decimal(number as u32);
    match Opened::link(subject.kernel, subject.entry()?, name.path()) {
        Err(LinuxErrno::ENOENT) => Err(Errno::EBADF),
        other => told(other),
    }
}

/// `proc_pidfdinfo`. The argument is the descriptor.
#[inline(never)]
pub(super) fn info<K: Kernel, L>(process: &Process<K, L>, request: &Request) -> SysResult<i32> {
    type Info = FdInfo;
    let flavor = FdInfo::new(request.flavor);
    let size = match flavor {
        Info::PROC_PIDFDVNODEINFO => abi::PROC_PIDFDVNODEINFO_SIZE,
        Info::PROC_PIDFDVNODEPATHINFO => abi::PROC_PIDFDVNODEPATHINFO_SIZE,
        Info::PROC_PIDFDSOCKETINFO => abi::PROC_PIDFDSOCKETINFO_SIZE,
        Info::PROC_PIDFDPSEMINFO => abi::PROC_PIDFDPSEMINFO_SIZE,
        Info::PROC_PIDFDPSHMINFO => abi::PROC_PIDFDPSHMINFO_SIZE,
        Info::PROC_PIDFDPIPEINFO => abi::PROC_PIDFDPIPEINFO_SIZE,
        Info::PROC_PIDFDKQUEUEINFO => abi::PROC_PIDFDKQUEUEINFO_SIZE,
        Info::PROC_PIDFDKQUEUE_EXTINFO if request.buffer.is_null() => 0,
        Info::PROC_PIDFDKQUEUE_EXTINFO => abi::PROC_PIDFDKQUEUE_EXTINFO_SIZE,
        Info::PROC_PIDFDATALKINFO => abi::PROC_PIDFDATALKINFO_SIZE,
        Info::PROC_PIDFDCHANNELINFO => abi::PROC_PIDFDCHANNELINFO_SIZE,
        _ => return Err(Errno::EINVAL),
    };
    if request.size < size {
        return Err(Errno::ENOMEM);
    }
    let mut subject = Subject::new(&process.kernel);
    subject.find(request.process, false)?;
    subject.check_same_user()?;
    let number = request.argument as i32;
    let wanted = match flavor {
        Info::PROC_PIDFDVNODEINFO | Info::PROC_PIDFDVNODEPATHINFO => FdType::PROX_FDTYPE_VNODE,
        Info::PROC_PIDFDSOCKETINFO => FdType::PROX_FDTYPE_SOCKET,
        Info::PROC_PIDFDPSEMINFO => FdType::PROX_FDTYPE_PSEM,
        Info::PROC_PIDFDPSHMINFO => FdType::PROX_FDTYPE_PSHM,
        Info::PROC_PIDFDPIPEINFO => FdType::PROX_FDTYPE_PIPE,
        // The queue of worker threads is made when there are some.
        Info::PROC_PIDFDKQUEUEINFO | Info::PROC_PIDFDKQUEUE_EXTINFO if number == -1 => return Ok(0),
        Info::PROC_PIDFDKQUEUEINFO | Info::PROC_PIDFDKQUEUE_EXTINFO => FdType::PROX_FDTYPE_KQUEUE,
        Info::PROC_PIDFDCHANNELINFO => FdType::PROX_FDTYPE_CHANNEL,
        _ => return Err(Errno::EINVAL),
    };
    if subject.is_self && process.vchroot.keeps(number) {
        return Err(Errno::EBADF);
    }
    let opened = open(&subject, number)?;
    let kind = kind_of(&subject, &opened)?;
    if kind != wanted {
        let is_socket = flavor == Info::PROC_PIDFDSOCKETINFO;
        return Err(if is_socket { Errno::ENOTSOCK } else { Errno::EBADF });
    }
    // There are no knotes that could be told.
    if flavor == Info::PROC_PIDFDKQUEUE_EXTINFO {
        return Ok(0);
    }
    write_file(process, &subject, number, kind, request.buffer)?;
    let rest = request.buffer.checked_add(FILE)?;
    match flavor {
        Info::PROC_PIDFDVNODEINFO => vnode::write(subject.kernel, opened.file(), rest)?,
        Info::PROC_PIDFDVNODEPATHINFO => vnode::write_with_path(process, opened.file(), rest)?,
        Info::PROC_PIDFDSOCKETINFO => socket::write(process, &subject, opened.file(), rest)?,
        Info::PROC_PIDFDPIPEINFO => write_pipe(&subject, opened.file(), number, rest)?,
        _ => write_queue(subject.kernel, rest)?,
    }
    Ok(size as i32)
}

#[inline(never)]
fn kind_of<K: Kernel>(subject: &Subject<'_, K>, opened: &Opened<'_, K>) -> SysResult<FdType> {
    Ok(to_type(kind(subject.kernel, opened.file())?.0))
}

/// What Linux says of how a file is open: its flags and its position.
#[inline(never)]
fn how_open<K: Kernel>(subject: &Subject<'_, K>, number: i32) -> SysResult<(u32, i64)> {
    let kernel = subject.kernel;
    if subject.is_self {
        const SEEK_CUR: i32 = 1;
        let file = LinuxFd(number);
        let mut status = linux::descriptor::fcntl(kernel, file, flags::F_GETFL, 0).to_bsd()? as u32;
        if linux::descriptor::fcntl(kernel, file, flags::F_GETFD, 0).to_bsd()? & 1 != 0 {
            status |= flags::O_CLOEXEC;
        }
        let position = match linux::descriptor::lseek(kernel, file, 0, SEEK_CUR) {
            // What cannot be sought is at its beginning, and so is what is open for its name alone.
            Err(LinuxErrno::ESPIPE | LinuxErrno::EBADF) => 0,
            other => other.to_bsd()?,
        };
        return Ok((status, position));
    }
    let name = Name::new(b"fdinfo/").decimal(number as u32);
    let mut lines = match told(subject.entry()?.lines(name.path())) {
        Err(Errno::ESRCH) => return Err(Errno::EBADF),
        other => other?,
    };
    let (mut status, mut position) = (0, 0);
    while let Some(line) = told(lines.next())? {
        if let Some(octal) = line.strip_prefix(b"flags:\t") {
            status = octal.iter().fold(0u32, |value, digit| {
                value.wrapping_mul(8).wrapping_add(digit.wrapping_sub(b'0').into())
            });
        } else if let Some(number) = line.strip_prefix(b"pos:\t").and_then(decimal) {
            position = number as i64;
        }
    }
    Ok((status, position))
}

/// `fill_fileinfo`. Whether others share the open file is not known.
#[inline(never)]
fn write_file<K: Kernel, L>(
    process: &Process<K, L>,
    subject: &Subject<'_, K>,
    number: i32,
    kind: FdType,
    to: UserAddr,
) -> SysResult<()> {
    const GUARDS: [(GuardFlags, u32); 4] = [
        (GuardFlags::GUARD_CLOSE, 1),
        (GuardFlags::GUARD_DUP, 2),
        (GuardFlags::GUARD_SOCKET_IPC, 4),
        (GuardFlags::GUARD_FILEPORT, 8),
    ];
    let (how, position) = how_open(subject, number)?;
    let mut info = ProcFileinfo::new_zeroed();
    // FREAD and FWRITE are one more than O_RDONLY and so on.
    let status = status_flags_to_darwin(how).bits();
    info.fi_openflags = if how & flags::O_PATH != 0 { status } else { status.wrapping_add(1) };
    info.fi_offset = position;
    info.fi_type = kind.number() as i32;
    let mut shown = FpFlags::empty();
    shown.set(FpFlags::PROC_FP_CLEXEC, how & flags::O_CLOEXEC != 0);
    if subject.is_self {
        let kept = &process.descriptors;
        info.fi_offset = kept.far.get(number).unwrap_or(position);
        shown.set(FpFlags::PROC_FP_CLFORK, kept.close_on_fork.contains(number));
        if let Some(guard) = kept.guards.get(number) {
            shown |= FpFlags::PROC_FP_GUARDED;
            for (flag, bit) in GUARDS {
                info.fi_guardflags |= if guard.flags.contains(flag) { bit } else { 0 };
            }
        }
    }
    info.fi_status = shown.bits();
    Ok(UserPtr::new(to).write(subject.kernel, &info)?)
}

/// Bytes that wait to be read. Of others' files that is not told.
pub(super) fn waiting<K: Kernel>(subject: &Subject<'_, K>, file: LinuxFd) -> SysResult<i32> {
    const FIONREAD: u32 = 0x541b;
    let mut bytes = 0i32;
    if !subject.is_self {
        return Ok(0);
    }
    match linux::descriptor::ioctl(subject.kernel, file, FIONREAD, bytes.as_mut_bytes()) {
        Ok(_) => Ok(bytes),
        // A socket that listens has no bytes.
        Err(LinuxErrno::EINVAL | LinuxErrno::ENOTTY) => Ok(0),
        Err(error) => Err(error).to_bsd(),
    }
}

/// `fill_pipeinfo`. Both ends of a pipe are one file of Linux's; the end that is read has an even handle, the other the
/// next one.
#[inline(never)]
fn write_pipe<K: Kernel>(
    subject: &Subject<'_, K>,
    file: LinuxFd,
    number: i32,
    to: UserAddr,
) -> SysResult<()> {
    let kernel = subject.kernel;
    let stat = linux::metadata::fstatx(kernel, file).to_bsd()?;
    let mut shown = pipe_to_stat64(&stat, waiting(subject, file)?);
    (shown.st_nlink, shown.st_ino) = (1, 0);
    let writes = how_open(subject, number)?.0 & flags::O_ACCMODE == flags::O_WRONLY;
    let handle = stat.stx_ino.wrapping_mul(2).wrapping_add(u64::from(writes));
    let after = to.checked_add(size_of::<abi::VinfoStat>() as u64)?;
    UserPtr::new(to).write(kernel, &vinfo_stat(&shown))?;
    Ok(UserPtr::new(after).write(kernel, &[handle, handle ^ 1, 0])?)
}

/// `fill_kqueueinfo`.
#[inline(never)]
fn write_queue<K: Kernel>(kernel: &K, to: UserAddr) -> SysResult<()> {
    const S_IFIFO: u16 = 0o010000;
    const PROC_KQUEUE_64: u32 = 0x10;
    let mut stat = abi::VinfoStat::new_zeroed();
    stat.vst_mode = S_IFIFO;
    UserPtr::new(to).write(kernel, &stat)?;
    let after = to.checked_add(size_of::<abi::VinfoStat>() as u64)?;
    Ok(UserPtr::new(after).write(kernel, &[PROC_KQUEUE_64, 0])?)
}

/// `proc_pidfileportinfo`: no port is that of a file.
#[inline(never)]
pub(super) fn file_port<K: Kernel>(kernel: &K, request: &Request) -> SysResult<i32> {
    let size = match FilePortInfo::new(request.flavor) {
        FilePortInfo::PROC_PIDFILEPORTVNODEPATHINFO => abi::PROC_PIDFILEPORTVNODEPATHINFO_SIZE,
        FilePortInfo::PROC_PIDFILEPORTSOCKETINFO => abi::PROC_PIDFILEPORTSOCKETINFO_SIZE,
        FilePortInfo::PROC_PIDFILEPORTPSHMINFO => abi::PROC_PIDFILEPORTPSHMINFO_SIZE,
        FilePortInfo::PROC_PIDFILEPORTPIPEINFO => abi::PROC_PIDFILEPORTPIPEINFO_SIZE,
        _ => return Err(Errno::EINVAL),
    };
    if request.size < size {
        return Err(Errno::ENOMEM);
    }
    let mut subject = Subject::new(kernel);
    subject.find(request.process, false)?;
    subject.check_same_user()?;
    Err(Errno::EINVAL)
}
