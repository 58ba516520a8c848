//! Virtual memory (`bsd/kern/kern_mman.c`).

use super::transfer::is_writable;
use crate::convert::errno::{ToBsd, errno};
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
use xnu_abi::linux::{self as abi, flags};

/// XNU's page on x86-64, and Linux's.
pub(super) const PAGE: u64 = 4096;

/// The bits of `fd` that an anonymous mapping may carry: a tag for accounting, a superpage size, purgeability and
/// 4 GiB chunks (`osfmk/mach/vm_statistics.h`).
const ANONYMOUS_FD: i32 = 0xff00_0000u32 as i32 | 0x0007_0000 | 2 | 4;

/// The pages that `length` bytes from `address` touch. XNU rounds the start down and the end up; a range that wraps
/// is no range.
pub(super) fn pages(address: UserAddr, length: usize) -> Option<Range<u64>> {
    let start = address.get() & !PAGE.wrapping_sub(1);
    let end = address.get().checked_add(length as u64)?.checked_next_multiple_of(PAGE)?;
    Some(start..end)
}

/// `man 2 mmap`.
///
/// An offset inside a page maps that page and answers the address of the byte asked for; a length of 0 maps nothing
/// and answers 0. With `MAP_UNIX03`, which the C library always sets, both are `EINVAL`. Where the guest may not
/// map (the runner's memory, the commpage), `MAP_FIXED` fails with `ENOMEM`, as an address outside the task's map does.
///
/// An anonymous mapping's `fd` may ask for superpages, which become a range that Linux may give huge pages to, and for
/// purgeable memory, which is memory as any other until somebody makes it volatile.
///
/// Differs from XNU: where the address is a hint that is taken, Linux chooses any other; `MAP_32BIT` stays below 2 GiB,
/// not 4; `MAP_RESILIENT_MEDIA` hides that a file ends, but not that its disk cannot be read.
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
    if length != 0 && pages(UserAddr::new(offset as u64), length).is_none() {
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
    let tag = file.0;
    let mut superpages = false;
    let (file, size) = if anonymous {
        if file.0 != -1 && file.0 & !ANONYMOUS_FD != 0 {
            return Err(Errno::EINVAL);
        }
        superpages = file.0 != -1 && file.0 & SUPERPAGES != 0;
        (LinuxFd(-1), u64::MAX)
    } else {
        check_mappable(cx, file)?
    };
    if length == 0 {
        return Ok(UserAddr::NULL);
    }
    let length = length.checked_add(into_page as usize).ok_or(Errno::EINVAL)?;
    let request = Request {
        address,
        length,
        protection: protection_to_linux(protection),
        flags: map_flags_to_linux(flags),
        file,
        offset,
    };
    if superpages {
        return map_superpages(cx, request, fixed, tag);
    }
    let mapped = request.map(cx.kernel()).map_err(|error| map_error(error, fixed, address))?;
    if flags.contains(MapFlags::MAP_RESILIENT_MEDIA) && !flags.contains(MapFlags::MAP_SHARED) {
        zeros_behind(cx.kernel(), &request, mapped, size)?;
    }
    Ok(mapped.checked_add(into_page)?)
}

/// What Linux is asked for.
#[derive(Clone, Copy)]
struct Request {
    address: UserAddr,
    length: usize,
    protection: u32,
    flags: u32,
    file: LinuxFd,
    offset: i64,
}

impl Request {
    fn map<K: Kernel>(&self, kernel: &K) -> linux::LinuxResult<UserAddr> {
        linux::memory::mmap(
            kernel,
            self.address,
            self.length,
            self.protection,
            self.flags,
            self.file,
            self.offset,
        )
    }
}

/// Linux keeps the lowest pages from everyone with `EPERM`; to XNU they are outside the task's map.
fn map_error(error: abi::Errno, fixed: bool, address: UserAddr) -> Errno {
    const LOWEST: u64 = 0x1_0000;
    if error == abi::Errno::EPERM && fixed && address.get() < LOWEST { Errno::ENOMEM } else { errno(error) }
}

/// `MAP_RESILIENT_MEDIA`: what lies behind the file's end reads as zeros, where Linux would end the program.
fn zeros_behind<K: Kernel>(kernel: &K, request: &Request, mapped: UserAddr, size: u64) -> SysResult<()> {
    let end = size.next_multiple_of(PAGE).saturating_sub(request.offset as u64);
    let length = (request.length as u64).next_multiple_of(PAGE);
    if end >= length {
        return Ok(());
    }
    let behind = Request {
        address: mapped.checked_add(end)?,
        length: length.saturating_sub(end) as usize,
        flags: flags::MAP_PRIVATE | flags::MAP_ANONYMOUS | flags::MAP_FIXED,
        file: LinuxFd(-1),
        offset: 0,
        ..*request
    };
    behind.map(kernel).to_bsd()?;
    Ok(())
}

/// The part of an anonymous mapping's `fd` that says how large its pages shall be.
const SUPERPAGES: i32 = 0x0007_0000;
const SUPERPAGE: u64 = 2 * 1024 * 1024;

/// Maps superpages (`vm_map_enter`): whole ones of 2 MiB, at a multiple of that. A child of a fork does not get them.
fn map_superpages<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    request: Request,
    fixed: bool,
    tag: i32,
) -> SysResult<UserAddr> {
    const ANY_SIZE: i32 = 0x0001_0000;
    const SIZE_2MB: i32 = 0x0002_0000;
    const MADV_DONTFORK: i32 = 10;
    const MADV_HUGEPAGE: i32 = 14;
    let length = match tag & SUPERPAGES {
        ANY_SIZE => (request.length as u64).checked_next_multiple_of(SUPERPAGE).ok_or(Errno::EINVAL)?,
        SIZE_2MB if (request.length as u64).is_multiple_of(SUPERPAGE) => request.length as u64,
        _ => return Err(Errno::EINVAL),
    };
    let kernel = cx.kernel();
    let start = if fixed {
        if !request.address.get().is_multiple_of(SUPERPAGE) {
            return Err(Errno::ENOMEM);
        }
        let end = request.address.get().checked_add(length).ok_or(Errno::ENOMEM)?;
        if cx.process.reserved.overlaps(&(request.address.get()..end)) {
            return Err(Errno::ENOMEM);
        }
        let whole = Request { length: length as usize, ..request };
        whole.map(kernel).map_err(|error| map_error(error, fixed, request.address))?
    } else {
        // One more than needed, of which what lies before and behind the aligned part is given back.
        let room = length.checked_add(SUPERPAGE).ok_or(Errno::ENOMEM)?;
        let wide = Request { length: room as usize, ..request };
        let found = wide.map(kernel).to_bsd()?.get();
        let start = found.checked_next_multiple_of(SUPERPAGE).ok_or(Errno::ENOMEM)?;
        let (end, found_end) = (start.saturating_add(length), found.saturating_add(room));
        for (from, to) in [(found, start), (end, found_end)] {
            if from < to {
                linux::memory::munmap(kernel, UserAddr::new(from), to.saturating_sub(from) as usize)
                    .to_bsd()?;
            }
        }
        UserAddr::new(start)
    };
    // Without huge pages the memory is the same, only slower.
    let _ = linux::memory::madvise(kernel, start, length as usize, MADV_HUGEPAGE);
    linux::memory::madvise(kernel, start, length as usize, MADV_DONTFORK).to_bsd()?;
    Ok(start)
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

/// Regular files can be mapped, and have a length; devices answer `ENODEV`, everything else `EINVAL`.
fn check_mappable<K: Kernel, L>(cx: &Context<'_, K, L>, file: Fd) -> SysResult<(LinuxFd, u64)> {
    let stat = linux::metadata::fstatx(cx.kernel(), file.to_linux()?).to_bsd()?;
    match Mode::from_bits_retain(stat.stx_mode).file_type() {
        FileType::S_IFREG => Ok((file.to_linux()?, stat.stx_size)),
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

/// `man 2 madvise` (`osfmk/vm/vm_map.c`, `vm_map_behavior_set`). Advice that Linux has no equal for is taken and has no
/// effect, which is all that advice promises. A range that is not all mapped is `EINVAL`.
///
/// Differs from XNU: memory that a fork shares, or that can be executed, is zeroed by `MADV_ZERO` as well.
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
    if length == 0 {
        return Ok(());
    }
    let kernel = cx.kernel();
    let start = UserAddr::new(pages.start);
    let length = pages.end.wrapping_sub(pages.start) as usize;
    match linux_advice {
        LinuxAdvice::Advice(number) => match linux::memory::madvise(kernel, start, length, number) {
            // Memory that the advice is not for (locked, or without swap): it stays as it is.
            Err(abi::Errno::EINVAL | abi::Errno::EBADF) => check_mapped(kernel, start, length),
            other => hole(other),
        },
        LinuxAdvice::Discard(number) => discard(kernel, start, length, number, advice),
        LinuxAdvice::Nothing => {
            check_mapped(kernel, start, length)?;
            let zeroes = advice == Advice::MADV_ZERO_WIRED_PAGES;
            if zeroes && !is_writable(kernel, start) { Err(Errno::EPERM) } else { Ok(()) }
        }
        LinuxAdvice::Zero => {
            check_mapped(kernel, start, length)?;
            zero(kernel, &pages)
        }
    }
}

/// A hole in the range: `mach_vm_behavior_set` says `KERN_INVALID_ADDRESS`, which `madvise` turns into `EINVAL`.
fn hole(answer: linux::LinuxResult<()>) -> SysResult<()> {
    match answer {
        Err(abi::Errno::ENOMEM) => Err(Errno::EINVAL),
        other => other.to_bsd(),
    }
}

fn check_mapped<K: Kernel>(kernel: &K, start: UserAddr, length: usize) -> SysResult<()> {
    hole(linux::memory::check_mapped(kernel, start, length))
}

/// Lets contents go: those of a file stay, and of memory that cannot be written; only `MADV_FREE_REUSABLE` tells the
/// latter. It is told by the first page.
fn discard<K: Kernel>(
    kernel: &K,
    start: UserAddr,
    length: usize,
    number: i32,
    advice: Advice,
) -> SysResult<()> {
    if !is_writable(kernel, start) {
        check_mapped(kernel, start, length)?;
        return if advice == Advice::MADV_FREE_REUSABLE { Err(Errno::EPERM) } else { Ok(()) };
    }
    match linux::memory::madvise(kernel, start, length, number) {
        Err(abi::Errno::EINVAL) => check_mapped(kernel, start, length),
        other => hole(other),
    }
}

/// Writes zeros over whole pages; what cannot be written is `EPERM`.
fn zero<K: Kernel>(kernel: &K, pages: &Range<u64>) -> SysResult<()> {
    static ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];
    let mut at = pages.start;
    while at < pages.end {
        kernel.copy_out(UserAddr::new(at), &ZEROS).map_err(|_| Errno::EPERM)?;
        at = at.saturating_add(PAGE);
    }
    Ok(())
}
