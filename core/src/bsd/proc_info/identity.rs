//! Who a process is, and how it ended.

use super::subject::told;
use super::{Request, Subject};
use crate::bsd::sysctl::boot_time;
use crate::convert::errno::ToBsd;
use crate::convert::process::{bsdinfo as to_bsdinfo, exit_status, short_bsdinfo, unique_identifier};
use crate::kernel::Kernel;
use crate::linux;
use crate::linux::proc::{Entry, Stat};
use crate::process::Process;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use core::sync::atomic::Ordering::Relaxed;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::proc_info::{self as abi, PidInfo, ProcArchinfo, ProcFlags};
use zerocopy::IntoBytes;

/// What the core keeps of the caller: Linux does not know it.
fn own_flags<K: Kernel, L>(process: &Process<K, L>, is_self: bool) -> ProcFlags {
    let mut flags = ProcFlags::empty();
    if is_self {
        let standing = &process.standing;
        flags.set(ProcFlags::PROC_FLAG_PSUGID, standing.changed_ids.load(Relaxed));
        flags.set(ProcFlags::PROC_FLAG_DARWINBG, standing.background_process.load(Relaxed));
        const SHIFT: u32 = 9;
        let starved = standing.starvation_control.load(Relaxed).wrapping_shl(SHIFT);
        flags |= ProcFlags::from_bits_retain(starved) & ProcFlags::PROC_FLAG_PC_MASK;
    }
    flags
}

/// `PROC_PIDTBSDINFO`, `PROC_PIDT_SHORTBSDINFO` and `PROC_PIDT_BSDINFOWITHUNIQID`.
#[inline(never)]
pub(super) fn bsdinfo<K: Kernel, L>(
    process: &Process<K, L>,
    subject: &Subject<'_, K>,
    flavor: PidInfo,
    buffer: UserAddr,
) -> SysResult<i32> {
    let more = own_flags(process, subject.is_self);
    let (kernel, stat, status) = (subject.kernel, &subject.stat, &subject.status);
    if flavor == PidInfo::PROC_PIDT_SHORTBSDINFO {
        UserPtr::new(buffer).write(kernel, &short_bsdinfo(stat, status, more))?;
        return Ok(abi::PROC_PIDT_SHORTBSDINFO_SIZE as i32);
    }
    let boot = boot_time(kernel)?;
    UserPtr::new(buffer).write(kernel, &to_bsdinfo(stat, status, &boot, more))?;
    if flavor == PidInfo::PROC_PIDTBSDINFO {
        return Ok(abi::PROC_PIDTBSDINFO_SIZE as i32);
    }
    unique(subject, buffer.checked_add(abi::PROC_PIDTBSDINFO_SIZE.into())?)?;
    Ok(abi::PROC_PIDT_BSDINFOWITHUNIQID_SIZE as i32)
}

/// `PROC_PIDUNIQIDENTIFIERINFO`. A parent that is out of sight has no number.
#[inline(never)]
pub(super) fn unique<K: Kernel>(subject: &Subject<'_, K>, buffer: UserAddr) -> SysResult<i32> {
    let parent = parent(subject)?;
    UserPtr::new(buffer).write(subject.kernel, &unique_identifier(&subject.stat, parent.as_ref()))?;
    Ok(abi::PROC_PIDUNIQIDENTIFIERINFO_SIZE as i32)
}

fn parent<K: Kernel>(subject: &Subject<'_, K>) -> SysResult<Option<Stat>> {
    if subject.stat.ppid <= 0 {
        return Ok(None);
    }
    let entry = Entry::of_process(subject.kernel, subject.stat.ppid);
    match told(entry.and_then(|entry| entry.stat())) {
        Err(Errno::ESRCH | Errno::EPERM) => Ok(None),
        other => other.map(Some),
    }
}

/// Bytes of `struct proc_exitreasonbasicinfo`, and of `struct proc_exitreasoninfo`, both packed.
pub(super) const EXIT_REASON_BYTES: u32 = 24;
const LONG_EXIT_REASON_BYTES: usize = 32;

/// How a child ended, for its parent (`proc_pidnoteexit`, `proc_pidexitreasoninfo`). Who was ended by a signal has that
/// for its reason; who exited has none.
#[inline(never)]
pub(super) fn end<K: Kernel>(subject: &Subject<'_, K>, flavor: PidInfo, request: &Request) -> SysResult<i32> {
    const NOTE_EXITSTATUS: u64 = 0x0400_0000;
    /// `NOTE_PDATAMASK`.
    const DATA: u32 = 0x000f_ffff;
    /// `OS_REASON_SIGNAL`.
    const SIGNAL: u32 = 2;
    let kernel = subject.kernel;
    let mut given = [0u8; LONG_EXIT_REASON_BYTES];
    if flavor == PidInfo::PROC_PIDEXITREASONINFO {
        kernel.copy_in(request.buffer, &mut given)?;
    }
    if subject.stat.ppid != linux::process::getpid(kernel).to_bsd()? {
        return Err(Errno::EACCES);
    }
    let status = exit_status(&subject.stat);
    if flavor == PidInfo::PROC_PIDNOTEEXIT {
        let told = if request.argument & NOTE_EXITSTATUS != 0 { status as u32 & DATA } else { 0 };
        UserPtr::new(request.buffer).write(kernel, &told)?;
        return Ok(abi::PROC_PIDNOTEEXIT_SIZE as i32);
    }
    let signal = (status & 0x7f) as u64;
    if !subject.stat.is_zombie() || signal == 0 {
        return Err(Errno::ENOENT);
    }
    // Namespace, code and flags; there is nothing more to tell, so the size of that is 0.
    let [_, _, rest] = [4, 12, 20].map(|at| given.get(at..).unwrap_or_default());
    let address = rest.get(4..12).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    if flavor == PidInfo::PROC_PIDEXITREASONINFO && address == 0 {
        return Err(Errno::ENOMEM);
    }
    let reason = [SIGNAL.to_le(), signal as u32, 0, 0, 0, 0];
    kernel.copy_out(request.buffer, reason.as_bytes())?;
    let size = if flavor == PidInfo::PROC_PIDEXITREASONINFO {
        LONG_EXIT_REASON_BYTES as i32
    } else {
        EXIT_REASON_BYTES as i32
    };
    Ok(size)
}

/// What is the same for all processes.
#[inline(never)]
pub(super) fn constant<K: Kernel>(
    subject: &Subject<'_, K>,
    flavor: PidInfo,
    buffer: UserAddr,
) -> SysResult<i32> {
    /// `PLATFORM_MACOS` (`EXTERNAL_HEADERS/mach-o/loader.h`).
    const MACOS: u32 = 1;
    /// Entries of a new table of ports, and how many of them are free.
    const PORTS: [u32; 2] = [64, 32];
    let kernel = subject.kernel;
    match flavor {
        PidInfo::PROC_PIDARCHINFO => {
            UserPtr::new(buffer).write(kernel, &ARCHITECTURE)?;
            Ok(abi::PROC_PIDARCHINFO_SIZE as i32)
        }
        // No coalition has a number here.
        PidInfo::PROC_PIDCOALITIONINFO => {
            super::zero(kernel, buffer, abi::PROC_PIDCOALITIONINFO_SIZE.into())?;
            Ok(abi::PROC_PIDCOALITIONINFO_SIZE as i32)
        }
        PidInfo::PROC_PIDPLATFORMINFO => {
            UserPtr::new(buffer).write(kernel, &MACOS)?;
            Ok(abi::PROC_PIDPLATFORMINFO_SIZE as i32)
        }
        PidInfo::PROC_PIDIPCTABLEINFO => {
            UserPtr::new(buffer).write(kernel, &PORTS)?;
            Ok(abi::PROC_PIDIPCTABLEINFO_SIZE as i32)
        }
        _ => Err(Errno::ENOTSUP),
    }
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: ProcArchinfo = ProcArchinfo { p_cputype: 0x0100_0007, p_cpusubtype: 3 };
#[cfg(not(target_arch = "x86_64"))]
const ARCHITECTURE: ProcArchinfo = ProcArchinfo { p_cputype: 0x0100_000c, p_cpusubtype: 0 };
