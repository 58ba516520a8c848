//! Virtual memory (`bsd/kern/kern_mman.c`).

use crate::convert::errno::ToBsd;
use crate::convert::memory::{
    KNOWN_MAP_FLAGS, LinuxAdvice, advice_to_linux, map_flags_to_linux, protection_to_linux,
};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{Fd, SysResult};
use crate::user::UserAddr;
use core::ops::Range;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::mman::{Advice, MapFlags, Prot};
use xnu_abi::darwin::stat::{FileType, Mode};

/// XNU's page on x86-64, and Linux's.
const PAGE: u64 = 4096;

/// The bits of `fd` that an anonymous mapping may carry: a tag for accounting, a superpage size, purgeability and
/// 4 GiB chunks (`osfmk/mach/vm_statistics.h`).
const ANONYMOUS_FD: i32 = 0xff00_0000u32 as i32 | 0x0007_0000 | 2 | 4;

/// The pages that `length` bytes from `address` touch. XNU rounds the start down and the end up; a range that wraps
/// is no range.
fn pages(address: UserAddr, length: usize) -> Option<Range<u64>> {
    let start = address.get() & !PAGE.wrapping_sub(1);
    let end = address.get().checked_add(length as u64)?.checked_next_multiple_of(PAGE)?;
    Some(start..end)
}

/// `man 2 mmap`.
///
/// An offset inside a page maps that page and answers the address of the byte asked for; a length of 0 maps nothing
/// and answers 0. With `MAP_UNIX03`, which the C library always sets, both are `EINVAL`. Where the guest may not
/// map (the runner's memory, the commpage), `MAP_FIXED` fails with `ENOMEM`, as an address outside the task's map does.
#[allow(clippy::too_many_arguments)]
pub fn mmap<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    address: UserAddr,
    length: usize,
    protection: Prot,
    flags: MapFlags,
    file: Fd,
    offset: i64,
) -> SysResult<UserAddr> {
    if flags.bits() & !KNOWN_MAP_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let strict = flags.contains(MapFlags::MAP_UNIX03);
    if strict && (length == 0 || !(offset as u64).is_multiple_of(PAGE)) {
        return Err(Errno::EINVAL);
    }
    let anonymous = flags.contains(MapFlags::MAP_ANON);
    let fixed = flags.contains(MapFlags::MAP_FIXED);
    check_flags(protection, flags)?;
    let offset = if anonymous { 0 } else { offset };
    let into_page = offset as u64 % PAGE;
    let offset = offset.wrapping_sub(into_page as i64);
    let mut address = address;
    if fixed {
        address = UserAddr::new(address.get().checked_sub(into_page).ok_or(Errno::EINVAL)?);
        let reach = length.checked_add(into_page as usize).ok_or(Errno::EINVAL)?;
        let pages = pages(address, reach).ok_or(Errno::EINVAL)?;
        if pages.start != address.get() {
            return Err(Errno::EINVAL);
        }
        if cx.process.reserved.overlaps(&pages) {
            return Err(Errno::ENOMEM);
        }
    }
    let file = if anonymous {
        if file.0 != -1 && file.0 & !ANONYMOUS_FD != 0 {
            return Err(Errno::EINVAL);
        }
        LinuxFd(-1)
    } else {
        check_mappable(cx, file)?
    };
    if length == 0 {
        return Ok(UserAddr::NULL);
    }
    let length = length.checked_add(into_page as usize).ok_or(Errno::EINVAL)?;
    let protection = protection_to_linux(protection);
    let mapped = linux::memory::mmap(
        cx.kernel(),
        address,
        length,
        protection,
        map_flags_to_linux(flags),
        file,
        offset,
    )
    .to_bsd()?;
    Ok(mapped.checked_add(into_page)?)
}

/// Combinations that `mmap` refuses.
fn check_flags(protection: Prot, flags: MapFlags) -> SysResult<()> {
    let resilient = MapFlags::MAP_RESILIENT_CODESIGN | MapFlags::MAP_RESILIENT_MEDIA;
    let either = MapFlags::MAP_PRIVATE | MapFlags::MAP_SHARED;
    if flags.contains(MapFlags::MAP_UNIX03) && !flags.intersects(either) {
        return Err(Errno::EINVAL);
    }
    if flags.contains(MapFlags::MAP_JIT) {
        let excluded = MapFlags::MAP_FIXED | MapFlags::MAP_SHARED | MapFlags::MAP_TPRO | resilient;
        if flags.intersects(excluded) || !flags.contains(MapFlags::MAP_ANON) {
            return Err(Errno::EINVAL);
        }
    }
    if flags.intersects(resilient) && flags.intersects(MapFlags::MAP_ANON | MapFlags::MAP_TPRO) {
        return Err(Errno::EINVAL);
    }
    if flags.contains(MapFlags::MAP_RESILIENT_CODESIGN) {
        let private = flags.contains(MapFlags::MAP_PRIVATE);
        let refused = if private { Prot::PROT_EXEC } else { Prot::PROT_EXEC | Prot::PROT_WRITE };
        if protection.intersects(refused) {
            return Err(Errno::EPERM);
        }
    }
    let writes_only = protection.contains(Prot::PROT_WRITE) && !protection.contains(Prot::PROT_EXEC);
    if flags.contains(MapFlags::MAP_TPRO) && !writes_only {
        return Err(Errno::EPERM);
    }
    Ok(())
}

/// Regular files can be mapped; devices answer `ENODEV`, everything else `EINVAL`.
fn check_mappable<K: Kernel, L>(cx: &Context<'_, K, L>, file: Fd) -> SysResult<LinuxFd> {
    let stat = linux::metadata::fstatx(cx.kernel(), file.to_linux()?).to_bsd()?;
    match Mode::from_bits_retain(stat.stx_mode).file_type() {
        FileType::S_IFREG => file.to_linux(),
        FileType::S_IFCHR => Err(Errno::ENODEV),
        _ => Err(Errno::EINVAL),
    }
}

/// `man 2 munmap`. Unmapping what is not mapped succeeds; the runner's memory is not mapped, as far as the guest can
/// tell.
pub fn munmap<K: Kernel, L>(cx: &mut Context<'_, K, L>, address: UserAddr, length: usize) -> SysResult<()> {
    if length == 0 || !address.get().is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    let pages = pages(address, length).ok_or(Errno::EINVAL)?;
    for piece in cx.process.reserved.outside(pages) {
        let length = piece.end.wrapping_sub(piece.start) as usize;
        linux::memory::munmap(cx.kernel(), UserAddr::new(piece.start), length).to_bsd()?;
    }
    Ok(())
}

/// `man 2 mprotect`. A range that is not all mapped is `ENOMEM`; a length of 0 succeeds.
pub fn mprotect<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    address: UserAddr,
    length: usize,
    protection: Prot,
) -> SysResult<()> {
    if !address.get().is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    let pages = pages(address, length).ok_or(Errno::ENOMEM)?;
    if cx.process.reserved.overlaps(&pages) {
        return Err(Errno::ENOMEM);
    }
    linux::memory::mprotect(cx.kernel(), address, length, protection_to_linux(protection)).to_bsd()
}

/// `man 2 madvise`. Advice that Linux has no equal for is taken and has no effect, which is all that advice promises.
pub fn madvise<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    address: UserAddr,
    length: usize,
    advice: Advice,
) -> SysResult<()> {
    let linux_advice = match advice_to_linux(advice) {
        Some(found) => found,
        None if advice == Advice::MADV_PAGEOUT => return Err(Errno::ENOTSUP),
        None => return Err(Errno::EINVAL),
    };
    let pages = pages(address, length).ok_or(Errno::EINVAL)?;
    if cx.process.reserved.overlaps(&pages) {
        return Err(Errno::EINVAL);
    }
    let LinuxAdvice::Advice(number) = linux_advice else { return Ok(()) };
    let length = pages.end.wrapping_sub(pages.start) as usize;
    match linux::memory::madvise(cx.kernel(), UserAddr::new(pages.start), length, number).to_bsd() {
        // A hole in the range: mach_vm_behavior_set says KERN_INVALID_ADDRESS, which madvise turns into EINVAL.
        Err(Errno::ENOMEM) => Err(Errno::EINVAL),
        other => other,
    }
}
