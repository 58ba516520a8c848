//! Memory of the caller's own task (`osfmk/vm/vm_user.c`, `osfmk/vm/vm_map.c`, by way of
//! `osfmk/ipc/mach_kernelrpc.c`): Linux's, and never what the runner has in the process.
//!
//! New memory is not charged in advance, as on XNU.

use super::{ELSEWHERE, is_own, result};
use crate::convert::memory::protection_to_linux;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::lkm::Lkm;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use core::ops::Range;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach::{VM_FLAGS_USER_ALLOCATE, VM_FLAGS_USER_MAP, VmFlags, VmProt};
use xnu_abi::darwin::mman::Prot;
use xnu_abi::linux::{Errno, flags};

const PAGE: u64 = 4096;

/// Where a 64-bit task's memory ends (`MACH_VM_MAX_ADDRESS`), which is where Linux's does.
const END: u64 = 0x7fff_ffff_f000;

/// Protections of which a page can have any (`VM_SANITIZE_PROT_ALLOWED`).
const PROTECTIONS: VmProt = VmProt::VM_PROT_READ.union(VmProt::VM_PROT_WRITE).union(VmProt::VM_PROT_EXECUTE);

/// The whole pages of a range; `None` where it runs over the end of addresses.
fn pages(address: u64, size: u64) -> Option<Range<u64>> {
    let end = address.checked_add(size)?.checked_next_multiple_of(PAGE)?;
    Some((address & !PAGE.wrapping_sub(1))..end)
}

fn length(pages: &Range<u64>) -> usize {
    pages.end.saturating_sub(pages.start) as usize
}

fn to_linux(protection: VmProt) -> u32 {
    protection_to_linux(Prot::from_bits_retain(protection.bits()))
}

/// What is wanted of new memory.
struct Wanted {
    /// Where, or from where on to look.
    address: u64,
    size: u64,
    /// Bits that are 0 in the address; what is left over of them below a page is too.
    mask: u64,
    flags: VmFlags,
    protection: VmProt,
}

impl Wanted {
    /// Maps zeroed memory (`vm_map_enter`).
    fn map<K: Kernel, L>(&self, cx: &Context<'_, K, L>) -> Result<u64, KernReturn> {
        if self.flags.contains(VmFlags::VM_FLAGS_ANYWHERE) {
            return self.map_anywhere(cx);
        }
        let pages = pages(self.address, self.size).ok_or(KernReturn::KERN_INVALID_ARGUMENT)?;
        if pages.end > END || pages.start == 0 {
            return Err(KernReturn::KERN_INVALID_ADDRESS);
        }
        if pages.start & self.mask != 0 || cx.process.reserved.overlaps(&pages) {
            return Err(KernReturn::KERN_NO_SPACE);
        }
        let overwrites = self.flags.contains(VmFlags::VM_FLAGS_OVERWRITE);
        let fixed = if overwrites { flags::MAP_FIXED } else { flags::MAP_FIXED_NOREPLACE };
        match self.mmap(cx.kernel(), pages.start, length(&pages), fixed) {
            Ok(address) if address == pages.start => Ok(address),
            // A kernel that takes the address for a wish.
            Ok(elsewhere) => {
                let _ = linux::memory::munmap(cx.kernel(), UserAddr::new(elsewhere), length(&pages));
                Err(KernReturn::KERN_NO_SPACE)
            }
            Err(Errno::EPERM) => Err(KernReturn::KERN_INVALID_ADDRESS),
            Err(_) => Err(KernReturn::KERN_NO_SPACE),
        }
    }

    fn map_anywhere<K: Kernel, L>(&self, cx: &Context<'_, K, L>) -> Result<u64, KernReturn> {
        let kernel = cx.kernel();
        let no_space = KernReturn::KERN_NO_SPACE;
        let size = self.size.checked_next_multiple_of(PAGE).filter(|size| *size < END).ok_or(no_space)?;
        let mask = self.mask | PAGE.wrapping_sub(1);
        if mask < PAGE {
            let from = self.address & !mask;
            return self.mmap(kernel, from, size as usize, 0).map_err(|_| no_space);
        }
        // As much more as the mask may skip, of which what lies before and behind is given back.
        let room = size.checked_add(mask).filter(|room| *room < END).ok_or(no_space)? & !PAGE.wrapping_sub(1);
        let found = self.mmap(kernel, 0, room as usize, 0).map_err(|_| no_space)?;
        let found_end = found.saturating_add(room);
        let start = found.saturating_add(mask) & !mask;
        let end = start.saturating_add(size);
        let mut fits = end <= found_end && start & self.mask == 0;
        let keep = if fits { start..end } else { found_end..found_end };
        for piece in [found..keep.start, keep.end..found_end] {
            if piece.start < piece.end {
                let gone = linux::memory::munmap(kernel, UserAddr::new(piece.start), length(&piece));
                fits &= gone.is_ok();
            }
        }
        if fits { Ok(start) } else { Err(no_space) }
    }

    fn mmap<K: Kernel>(&self, kernel: &K, at: u64, size: usize, how: u32) -> Result<u64, Errno> {
        let how = how | flags::MAP_PRIVATE | flags::MAP_ANONYMOUS | flags::MAP_NORESERVE;
        let (at, none) = (UserAddr::new(at), LinuxFd(-1));
        linux::memory::mmap(kernel, at, size, to_linux(self.protection), how, none, 0).map(UserAddr::get)
    }
}

/// Reads where memory is wanted, maps it, and writes where it is.
fn map_at<K: Kernel, L: Lkm>(
    cx: &Context<'_, K, L>,
    target: u32,
    address: UserPtr<u64>,
    work: impl FnOnce(u64) -> Result<u64, KernReturn>,
) -> Result<(), KernReturn> {
    if !is_own(cx.lkm(), target) {
        return Err(ELSEWHERE);
    }
    let memory_error = |_| KernReturn::KERN_MEMORY_ERROR;
    let wanted = address.read(cx.kernel()).map_err(memory_error)?;
    let mapped = work(wanted)?;
    address.write(cx.kernel(), &mapped).map_err(memory_error)
}

/// `mach_vm_allocate`: zeroed memory. No bytes are at address 0.
pub fn allocate<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    address: UserPtr<u64>,
    size: u64,
    flags: i32,
) -> SysResult<i32> {
    result(map_at(cx, target, address, |at| {
        if flags as u32 & !VM_FLAGS_USER_ALLOCATE != 0 {
            return Err(KernReturn::KERN_INVALID_ARGUMENT);
        }
        if size == 0 {
            return Ok(0);
        }
        size.checked_next_multiple_of(PAGE).ok_or(KernReturn::KERN_INVALID_ARGUMENT)?;
        let flags = VmFlags::from_bits_retain(flags as u32);
        // Where it can be anywhere the address is not looked at.
        let address = if flags.contains(VmFlags::VM_FLAGS_ANYWHERE) { 0 } else { at };
        let protection = VmProt::VM_PROT_READ | VmProt::VM_PROT_WRITE;
        Wanted { address, size, mask: 0, flags, protection }.map(cx)
    }))
}

/// `mach_vm_map` of memory without an object: zeroed, aligned, protected as it is to be.
pub fn map<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    address: UserPtr<u64>,
    size: u64,
    mask: u64,
    flags: i32,
    protection: i32,
) -> SysResult<i32> {
    result(map_at(cx, target, address, |at| {
        let protection = VmProt::from_bits_retain(protection as u32);
        let known = PROTECTIONS | VmProt::VM_PROT_IS_MASK;
        let bad = flags as u32 & !VM_FLAGS_USER_MAP != 0 || !known.contains(protection);
        if bad || size == 0 || size.checked_next_multiple_of(PAGE).is_none() {
            return Err(KernReturn::KERN_INVALID_ARGUMENT);
        }
        let flags = VmFlags::from_bits_retain(flags as u32);
        Wanted { address: at, size, mask, flags, protection: protection & PROTECTIONS }.map(cx)
    }))
}

/// `mach_vm_deallocate`. Memory that is not there is gone already; the runner's is not there, as far as the guest can
/// tell.
pub fn deallocate<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    address: u64,
    size: u64,
) -> SysResult<i32> {
    result((|| {
        if !is_own(cx.lkm(), target) {
            return Err(ELSEWHERE);
        }
        if size == 0 {
            return Ok(());
        }
        let pages = pages(address, size).ok_or(KernReturn::KERN_INVALID_ARGUMENT)?;
        let pages = pages.start..pages.end.min(END);
        for piece in cx.process.reserved.outside(pages) {
            linux::memory::munmap(cx.kernel(), UserAddr::new(piece.start), length(&piece))
                .map_err(|_| KernReturn::KERN_FAILURE)?;
        }
        Ok(())
    })())
}

/// `mach_vm_protect`. What a page may have at most is Linux's to know: setting that changes nothing.
pub fn protect<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    address: u64,
    size: u64,
    maximum: i32,
    protection: i32,
) -> SysResult<i32> {
    result((|| {
        if !is_own(cx.lkm(), target) {
            return Err(ELSEWHERE);
        }
        if size == 0 {
            return Ok(());
        }
        let protection = VmProt::from_bits_retain(protection as u32);
        if !(PROTECTIONS | VmProt::VM_PROT_COPY).contains(protection) {
            return Err(KernReturn::KERN_INVALID_ARGUMENT);
        }
        let pages = pages(address, size).ok_or(KernReturn::KERN_INVALID_ARGUMENT)?;
        let not_there = KernReturn::KERN_INVALID_ADDRESS;
        if pages.end > END || cx.process.reserved.overlaps(&pages) {
            return Err(not_there);
        }
        let (start, length) = (UserAddr::new(pages.start), length(&pages));
        if maximum != 0 {
            return linux::memory::check_mapped(cx.kernel(), start, length).map_err(|_| not_there);
        }
        match linux::memory::mprotect(cx.kernel(), start, length, to_linux(protection & PROTECTIONS)) {
            Ok(()) => Ok(()),
            Err(Errno::ENOMEM) => Err(not_there),
            Err(_) => Err(KernReturn::KERN_PROTECTION_FAILURE),
        }
    })())
}

const VM_PURGABLE_SET_STATE: i32 = 0;
const VM_PURGABLE_GET_STATE: i32 = 1;
const VM_PURGABLE_PURGE_ALL: i32 = 2;
/// Every bit that a state may have (`VM_PURGABLE_ALL_MASKS`).
const VM_PURGABLE_BITS: i32 = 0x3 | 0x10 | 0x20 | 0x40 | 0x700 | 0x3000 | 0x1_0000;
const VM_PURGABLE_NONVOLATILE: i32 = 0;

/// `mach_vm_purgable_control`. Nothing is ever taken away from memory that a program calls volatile, so its state is
/// always the one in which nothing is.
pub fn purgable_control<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    address: u64,
    control: i32,
    state: UserPtr<i32>,
) -> SysResult<i32> {
    result((|| {
        if !is_own(cx.lkm(), target) {
            return Err(ELSEWHERE);
        }
        let memory_error = |_| KernReturn::KERN_MEMORY_ERROR;
        let wanted = state.read(cx.kernel()).map_err(memory_error)?;
        let page = pages(address, 1).ok_or(KernReturn::KERN_INVALID_ADDRESS)?;
        let now = match control {
            VM_PURGABLE_PURGE_ALL => wanted,
            VM_PURGABLE_SET_STATE if wanted & !VM_PURGABLE_BITS != 0 => {
                return Err(KernReturn::KERN_INVALID_ARGUMENT);
            }
            VM_PURGABLE_SET_STATE | VM_PURGABLE_GET_STATE => {
                let not_there = KernReturn::KERN_INVALID_ADDRESS;
                if cx.process.reserved.overlaps(&page) {
                    return Err(not_there);
                }
                let start = UserAddr::new(page.start);
                linux::memory::check_mapped(cx.kernel(), start, length(&page)).map_err(|_| not_there)?;
                VM_PURGABLE_NONVOLATILE
            }
            _ => return Err(KernReturn::KERN_INVALID_ARGUMENT),
        };
        state.write(cx.kernel(), &now).map_err(memory_error)
    })())
}
