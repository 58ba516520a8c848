//! What a process used.

use super::subject::told;
use super::{Request, Subject};
use crate::convert::process::{rusage_info, taskinfo};
use crate::kernel::Kernel;
use crate::linux::proc::decimal;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::proc_info as abi;
use xnu_abi::darwin::resource::RusageInfo;
use zerocopy::IntoBytes;

/// `PROC_PIDTASKINFO`.
#[inline(never)]
pub(super) fn info<K: Kernel>(subject: &Subject<'_, K>, buffer: UserAddr) -> SysResult<i32> {
    UserPtr::new(buffer).write(subject.kernel, &taskinfo(&subject.stat, &subject.status))?;
    Ok(abi::PROC_PIDTASKINFO_SIZE as i32)
}

/// `proc_pid_rusage`: the flavor says how much of it the caller knows.
#[inline(never)]
pub(super) fn rusage<K: Kernel>(kernel: &K, request: &Request) -> SysResult<i32> {
    let mut subject = Subject::new(kernel);
    subject.find(request.process, true)?;
    subject.check_same_user()?;
    let size = match RusageInfo::new(request.flavor as i32) {
        RusageInfo::RUSAGE_INFO_V0 => 96,
        RusageInfo::RUSAGE_INFO_V1 => 144,
        RusageInfo::RUSAGE_INFO_V2 => 160,
        RusageInfo::RUSAGE_INFO_V3 => 232,
        RusageInfo::RUSAGE_INFO_V4 => 296,
        RusageInfo::RUSAGE_INFO_V5 => 304,
        RusageInfo::RUSAGE_INFO_V6 => 464,
        _ => return Err(Errno::EINVAL),
    };
    write(&subject, request.buffer, size)
}

#[inline(never)]
fn write<K: Kernel>(subject: &Subject<'_, K>, buffer: UserAddr, size: usize) -> SysResult<i32> {
    let info = rusage_info(&subject.stat, &subject.status, transferred(subject)?);
    subject.kernel.copy_out(buffer, info.as_bytes().get(..size).unwrap_or_default())?;
    Ok(0)
}

/// Bytes that were read from disks and written to them; nothing where Linux does not tell.
fn transferred<K: Kernel>(subject: &Subject<'_, K>) -> SysResult<(u64, u64)> {
    let Ok(entry) = subject.entry() else { return Ok((0, 0)) };
    let mut lines = match told(entry.lines(b"io\0")) {
        Err(Errno::EPERM | Errno::ESRCH) => return Ok((0, 0)),
        other => other?,
    };
    let (mut read, mut written) = (0, 0);
    loop {
        let line = match told(lines.next()) {
            Err(Errno::EPERM | Errno::ESRCH) | Ok(None) => return Ok((read, written)),
            other => other?.unwrap_or_default(),
        };
        let number = |key: &[u8]| line.strip_prefix(key).and_then(decimal);
        if let Some(bytes) = number(b"read_bytes: ") {
            read = bytes;
        } else if let Some(bytes) = number(b"write_bytes: ") {
            written = bytes;
        }
    }
}
