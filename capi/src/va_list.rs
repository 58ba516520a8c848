//! The arguments of a C variadic function.
//!
//! # Safety
//! A `va_list` is what the caller's compiler or [`crate::variadic`] made, by the convention of the architecture; the
//! format fits the arguments, as C asks. So every slot that is taken is there, and a slot that a format takes for
//! a string is null or a C string, up to the precision.

use core::ptr;
use xnu_core::simple::Args;
use xnu_core::simple::cstr::strnlen;

/// C's `va_list` as a parameter. On all of the four conventions it is one pointer: to the four or five members that
/// System V's ABI and arm64's have, or, on Apple's arm64, to the next argument.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct CVaList(*mut Layout);

/// System V on x86-64: offsets into the saved registers, of which the first six may hold integers and eight more
/// floating-point numbers, then the rest on the stack.
#[cfg(target_arch = "x86_64")]
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Layout {
    pub(crate) gp_offset: u32,
    pub(crate) fp_offset: u32,
    pub(crate) overflow_arg_area: *mut u64,
    pub(crate) reg_save_area: *mut u8,
}

/// Procedure call standard of arm64: saved registers end at `gr_top` and `vr_top`, the offsets are negative.
#[cfg(all(target_arch = "aarch64", not(target_vendor = "apple")))]
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Layout {
    pub(crate) stack: *mut u64,
    pub(crate) gr_top: *mut u8,
    pub(crate) vr_top: *mut u8,
    pub(crate) gr_offs: i32,
    pub(crate) vr_offs: i32,
}

/// Apple's arm64: variable arguments are on the stack alone.
#[cfg(all(target_arch = "aarch64", target_vendor = "apple"))]
type Layout = u64;

/// A source of arguments for the formatter, over a `va_list` that nobody else uses meanwhile.
#[derive(Debug)]
pub(crate) struct Variable {
    #[cfg(not(all(target_arch = "aarch64", target_vendor = "apple")))]
    list: *mut Layout,
    #[cfg(all(target_arch = "aarch64", target_vendor = "apple"))]
    next: *mut u64,
}

impl Variable {
    /// # Safety
    /// See the module.
    pub(crate) unsafe fn new(list: CVaList) -> Variable {
        #[cfg(not(all(target_arch = "aarch64", target_vendor = "apple")))]
        return Variable { list: list.0 };
        #[cfg(all(target_arch = "aarch64", target_vendor = "apple"))]
        return Variable { next: list.0 };
    }

    /// Takes a slot on the stack and moves `next` behind it.
    ///
    /// # Safety
    /// The slot is there.
    #[inline(always)]
    unsafe fn pop(next: &mut *mut u64) -> u64 {
        // SAFETY: promised.
        unsafe {
            let word = next.read();
            *next = next.add(1);
            word
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn take(&mut self) -> u64 {
        const GENERAL_END: u32 = 6 * 8;
        // SAFETY: see the module.
        unsafe {
            let list = &mut *self.list;
            if list.gp_offset >= GENERAL_END {
                return Variable::pop(&mut list.overflow_arg_area);
            }
            let at = list.reg_save_area.add(list.gp_offset as usize).cast::<u64>();
            list.gp_offset = list.gp_offset.wrapping_add(8);
            at.read()
        }
    }

    #[cfg(all(target_arch = "aarch64", not(target_vendor = "apple")))]
    #[inline(always)]
    fn take(&mut self) -> u64 {
        // SAFETY: see the module.
        unsafe {
            let list = &mut *self.list;
            if list.gr_offs >= 0 {
                return Variable::pop(&mut list.stack);
            }
            let at = list.gr_top.offset(list.gr_offs as isize).cast::<u64>();
            list.gr_offs = list.gr_offs.wrapping_add(8);
            at.read()
        }
    }

    #[cfg(all(target_arch = "aarch64", target_vendor = "apple"))]
    #[inline(always)]
    fn take(&mut self) -> u64 {
        // SAFETY: see the module.
        unsafe { Variable::pop(&mut self.next) }
    }
}

impl Args for Variable {
    #[inline(always)]
    fn word(&mut self) -> u64 {
        self.take()
    }

    #[inline(always)]
    fn text(&mut self, limit: usize) -> Option<&[u8]> {
        let string = ptr::with_exposed_provenance::<u8>(self.take() as usize);
        if string.is_null() {
            return None;
        }
        // SAFETY: see the module.
        unsafe { Some(core::slice::from_raw_parts(string, strnlen(string, limit))) }
    }

    /// A `double` is in a vector register or a slot of the stack; a `long double` is on the stack, aligned to 16.
    #[cfg(target_arch = "x86_64")]
    fn skip_float(&mut self, long: bool) {
        const VECTORS_END: u32 = 6 * 8 + 8 * 16;
        // SAFETY: see the module.
        unsafe {
            let list = &mut *self.list;
            if long {
                list.overflow_arg_area = align_to_16(list.overflow_arg_area).add(2);
            } else if list.fp_offset < VECTORS_END {
                list.fp_offset = list.fp_offset.wrapping_add(16);
            } else {
                list.overflow_arg_area = list.overflow_arg_area.add(1);
            }
        }
    }

    /// Either is in a vector register; on the stack a `double` has one slot, a `long double` two, aligned to 16.
    #[cfg(all(target_arch = "aarch64", not(target_vendor = "apple")))]
    fn skip_float(&mut self, long: bool) {
        // SAFETY: see the module.
        unsafe {
            let list = &mut *self.list;
            if list.vr_offs < 0 {
                list.vr_offs = list.vr_offs.wrapping_add(16);
            } else if long {
                list.stack = align_to_16(list.stack).add(2);
            } else {
                list.stack = list.stack.add(1);
            }
        }
    }

    /// `long double` is `double`.
    #[cfg(all(target_arch = "aarch64", target_vendor = "apple"))]
    fn skip_float(&mut self, _long: bool) {
        self.take();
    }
}

#[cfg(not(all(target_arch = "aarch64", target_vendor = "apple")))]
fn align_to_16(at: *mut u64) -> *mut u64 {
    at.map_addr(|address| address.wrapping_add(15) & !15)
}
