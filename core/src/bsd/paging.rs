//! Pages of the guest's memory: written back, looked for, kept in memory, inherited (`bsd/kern/kern_mman.c`).

use super::memory::{PAGE, pages};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserAddr;
use core::ops::Range;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::mman::{Inherit, Mincore, MsyncFlags};
use xnu_abi::linux as abi;

/// The length of a range in bytes.
fn length(pages: &Range<u64>) -> usize {
    pages.end.saturating_sub(pages.start) as usize
}

/// `man 2 msync`. What lies in a hole is `ENOMEM`; a length of 0 and an address inside a page are `EINVAL`.
/// `MS_KILLPAGES` and `MS_DEACTIVATE` tell which pages are of no use any more: no page has to go for that.
pub fn msync<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    address: UserAddr,
    size: usize,
    flags: MsyncFlags,
) -> SysResult<()> {
    const LINUX_MS_ASYNC: u32 = 1;
    const LINUX_MS_SYNC: u32 = 4;
    if !address.get().is_multiple_of(PAGE) || size == 0 {
        return Err(Errno::EINVAL);
    }
    let pages = pages(address, size).ok_or(Errno::EINVAL)?;
    if flags.contains(MsyncFlags::MS_SYNC | MsyncFlags::MS_ASYNC) {
        return Err(Errno::EINVAL);
    }
    if cx.process.reserved.overlaps(&pages) {
        return Err(Errno::ENOMEM);
    }
    let no_wait = MsyncFlags::MS_ASYNC | MsyncFlags::MS_KILLPAGES | MsyncFlags::MS_DEACTIVATE;
    // Linux has one copy of a page: there is nothing to make invalid.
    let how = if flags.intersects(no_wait) { LINUX_MS_ASYNC } else { LINUX_MS_SYNC };
    linux::memory::msync(cx.kernel(), address, length(&pages), how).to_bsd()
}

/// `man 2 mincore`. A hole is no error: nothing is there, and it is nobody's file.
///
/// Differs from XNU: whether a page was referenced, modified or copied is not told, nor which are anonymous.
pub fn mincore<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    address: UserAddr,
    size: usize,
    vector: UserAddr,
) -> SysResult<()> {
    /// Pages that are looked at together.
    const PIECE: u64 = 256;
    let pages = pages(address, size).ok_or(Errno::EINVAL)?;
    if size == 0 {
        return Ok(());
    }
    let kernel = cx.kernel();
    let mut at = pages.start;
    let mut to = vector;
    while at < pages.end {
        let end = at.saturating_add(PIECE.saturating_mul(PAGE)).min(pages.end);
        let mut told = [0u8; PIECE as usize];
        let count = end.saturating_sub(at).checked_div(PAGE).unwrap_or(0) as usize;
        let told = told.get_mut(..count).unwrap_or_default();
        resident(cx, &(at..end), told)?;
        kernel.copy_out(to, told)?;
        to = to.checked_add(count as u64)?;
        at = end;
    }
    Ok(())
}

/// Which of these pages are in memory.
fn resident<K: Kernel, L>(cx: &Context<'_, K, L>, pages: &Range<u64>, told: &mut [u8]) -> SysResult<()> {
    let kernel = cx.kernel();
    let free = !cx.process.reserved.overlaps(pages);
    match linux::memory::mincore(kernel, UserAddr::new(pages.start), length(pages), told) {
        Ok(()) if free => {
            for page in told {
                *page = (Mincore::from_bits_retain(*page) & Mincore::MINCORE_INCORE).bits();
            }
        }
        Ok(()) | Err(abi::Errno::ENOMEM) => {
            // A hole somewhere: one by one.
            let mut at = pages.start;
            for page in told {
                *page = one(cx, at)?;
                at = at.saturating_add(PAGE);
            }
        }
        Err(error) => return Err(error).to_bsd(),
    }
    Ok(())
}

fn one<K: Kernel, L>(cx: &Context<'_, K, L>, at: u64) -> SysResult<u8> {
    const HOLE: u8 = Mincore::MINCORE_ANONYMOUS.bits();
    if cx.process.reserved.overlaps(&(at..at.saturating_add(PAGE))) {
        return Ok(HOLE);
    }
    let mut told = [0];
    match linux::memory::mincore(cx.kernel(), UserAddr::new(at), PAGE as usize, &mut told) {
        Ok(()) => Ok((Mincore::from_bits_retain(told[0]) & Mincore::MINCORE_INCORE).bits()),
        Err(abi::Errno::ENOMEM) => Ok(HOLE),
        Err(error) => Err(error).to_bsd(),
    }
}

/// `man 2 mlock`. More than the limit is `EAGAIN`, a hole `ENOMEM`.
///
/// Differs from XNU: memory without any access is `EAGAIN`, not `EPERM`.
pub fn mlock<K: Kernel, L>(cx: &mut Context<'_, K, L>, address: UserAddr, size: usize) -> SysResult<()> {
    let pages = pages(address, size).ok_or(Errno::EINVAL)?;
    if size == 0 {
        return Ok(());
    }
    if cx.process.reserved.overlaps(&pages) {
        return Err(Errno::ENOMEM);
    }
    let (kernel, start) = (cx.kernel(), UserAddr::new(pages.start));
    match linux::memory::mlock(kernel, start, length(&pages)) {
        Err(abi::Errno::ENOMEM | abi::Errno::EPERM | abi::Errno::EAGAIN) => {
            linux::memory::check_mapped(kernel, start, length(&pages)).to_bsd()?;
            Err(Errno::EAGAIN)
        }
        other => other.to_bsd(),
    }
}

/// `man 2 munlock`: what was never locked is no error.
pub fn munlock<K: Kernel, L>(cx: &mut Context<'_, K, L>, address: UserAddr, size: usize) -> SysResult<()> {
    let pages = pages(address, size).ok_or(Errno::EINVAL)?;
    if size == 0 {
        return Ok(());
    }
    if cx.process.reserved.overlaps(&pages) {
        return Err(Errno::ENOMEM);
    }
    linux::memory::munlock(cx.kernel(), UserAddr::new(pages.start), length(&pages)).to_bsd()
}

/// `man 2 minherit`: whether a child of a fork gets the memory. Holes are passed over.
///
/// Differs from XNU: memory that is the process's own cannot come to be shared with its children (`EINVAL`), and what is
/// shared stays so.
pub fn minherit<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    address: UserAddr,
    size: usize,
    inherit: Inherit,
) -> SysResult<()> {
    const MADV_DONTFORK: i32 = 10;
    const MADV_DOFORK: i32 = 11;
    let pages = pages(address, size).ok_or(Errno::EINVAL)?;
    let advice = match inherit {
        Inherit::VM_INHERIT_COPY => MADV_DOFORK,
        Inherit::VM_INHERIT_NONE => MADV_DONTFORK,
        _ => return Err(Errno::EINVAL),
    };
    if size == 0 {
        return Ok(());
    }
    for piece in cx.process.reserved.outside(pages) {
        let start = UserAddr::new(piece.start);
        match linux::memory::madvise(cx.kernel(), start, length(&piece), advice) {
            Ok(()) | Err(abi::Errno::ENOMEM) => {}
            Err(error) => return Err(error).to_bsd(),
        }
    }
    Ok(())
}

/// `vm_pressure_monitor` (`bsd/vm/vm_unix.c`; `osfmk/vm/vm_pageout.c`, `mach_vm_pressure_monitor`): how many pages the
/// system wants back, which is none. Who waits for pressure waits until a signal comes.
pub fn vm_pressure_monitor<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    wait_for_pressure: i32,
    _nsecs_monitored: i32,
    pages_reclaimed: UserAddr,
) -> SysResult<i32> {
    let kernel = cx.kernel();
    if wait_for_pressure != 0 {
        linux::signal::pause(kernel).to_bsd()?;
    }
    if !pages_reclaimed.is_null() {
        kernel.copy_out(pages_reclaimed, &0u32.to_ne_bytes())?;
    }
    Ok(0)
}
