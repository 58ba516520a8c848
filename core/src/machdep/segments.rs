//! The local descriptor table of the processor (`man 2 i386_get_ldt`; `osfmk/i386/user_ldt.c`).
//!
//! Linux has such a table too, and a descriptor has the same place in both, so that selectors mean the same.
//!
//! Differs from XNU: the three descriptors below the first that a program may set read as zeros; one that was set reads as
//! accessed; a conforming code segment is `EINVAL`, and so is any of 16 bits where Linux was built without them.

use super::BsdStyle;
use crate::bsd::scratch::Scratch;
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::segments as table;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserPtr;
use core::sync::atomic::{AtomicU32, Ordering};
use xnu_abi::darwin::Errno;

/// Descriptors of the table (`LDTSZ`).
const SIZE: u64 = 8192;
/// The first that a program may set (`LDTSZ_MIN`).
const FIRST: u64 = 3;
/// In place of a first descriptor: wherever there is room (`LDT_AUTO_ALLOC`).
const ANYWHERE: u64 = 0xffff_ffff;

/// Where the program's descriptors are, which Linux does not tell: the first, and the one behind the last.
#[derive(Debug, Default)]
pub struct Segments {
    start: AtomicU32,
    end: AtomicU32,
}

impl Segments {
    /// None were set.
    pub(crate) const fn new() -> Segments {
        Segments { start: AtomicU32::new(0), end: AtomicU32::new(0) }
    }

    fn get(&self) -> Option<(u64, u64)> {
        match self.end.load(Ordering::Acquire) {
            0 => None,
            end => Some((self.start.load(Ordering::Acquire).into(), end.into())),
        }
    }

    fn set(&self, start: u64, end: u64) {
        self.start.store(start as u32, Ordering::Release);
        self.end.store(end as u32, Ordering::Release);
    }
}

/// A descriptor as the processor has it (`osfmk/i386/seg.h`, `struct real_descriptor`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Descriptor(u64);

/// Access bits: accessed, of the user's, present.
const ACC_A: u64 = 0x01;
const ACC_PL_U: u64 = 0x60;
const ACC_P: u64 = 0x80;
/// A segment of code or data; code; code that is conforming or data that expands down; readable code or writable data.
const ACC_TYPE_USER: u64 = 0x10;
const ACC_CODE: u64 = 0x08;
const ACC_C: u64 = 0x04;
const ACC_W: u64 = 0x02;
/// Granularity bits.
const SZ_64: u64 = 2;
const SZ_32: u64 = 4;
const SZ_G: u64 = 8;

impl Descriptor {
    fn access(self) -> u64 {
        self.0 >> 40 & 0xff
    }

    fn granularity(self) -> u64 {
        self.0 >> 52 & 0xf
    }

    /// Nothing is there: not even the type of a segment.
    fn is_empty(self) -> bool {
        matches!(self.access() & !ACC_A, 0 | ACC_P)
    }

    /// Empty, or code or data of the user's, and none of 64 bits.
    fn is_allowed(self) -> bool {
        const KIND: u64 = ACC_CODE | ACC_C | ACC_W;
        let is_users = self.access() & !(ACC_A | KIND) == ACC_P | ACC_PL_U | ACC_TYPE_USER;
        (self.is_empty() || is_users) && self.granularity() & SZ_64 == 0
    }

    /// As Linux takes it (`struct user_desc`).
    fn to_linux(self, index: u64) -> table::UserDescriptor {
        use table::flag;
        if self.is_empty() {
            return table::UserDescriptor { index: index as u32, ..table::UserDescriptor::EMPTY };
        }
        let (access, granularity) = (self.access(), self.granularity());
        let mut flags = (access & (ACC_CODE | ACC_C)) >> 2 << flag::CONTENTS;
        flags |= u64::from(granularity & SZ_32 != 0) << flag::SEG_32BIT;
        flags |= u64::from(access & ACC_W == 0) << flag::READ_EXEC_ONLY;
        flags |= u64::from(granularity & SZ_G != 0) << flag::LIMIT_IN_PAGES;
        flags |= (granularity & 1) << flag::USEABLE;
        table::UserDescriptor {
            index: index as u32,
            base: (self.0 >> 16 & 0xff_ffff | self.0 >> 56 << 24) as u32,
            limit: (self.0 & 0xffff | self.0 >> 48 << 16 & 0xf_0000) as u32,
            flags: flags as u32,
        }
    }
}

/// `i386_set_ldt`: sets `count` descriptors from `first` on, or empties them where there is no address, and answers the
/// first. Both 0: all are emptied.
pub fn set<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    first: impl Into<u64>,
    descriptors: UserPtr<u64>,
    count: impl Into<u64>,
) -> SysResult<BsdStyle> {
    let (first, count) = (first.into(), count.into());
    let kernel = cx.kernel();
    let segments = &cx.process.segments;
    let used = segments.get();
    let first = match (first, count) {
        (ANYWHERE, _) => room(kernel, used, count)?,
        (0, 0) => {
            for index in used.map_or(0..0, |(start, end)| start..end) {
                table::write(kernel, &Descriptor(0).to_linux(index)).to_bsd()?;
            }
            segments.set(0, 0);
            return Ok(BsdStyle(0));
        }
        (FIRST..SIZE, 0..=SIZE) if first.wrapping_add(count) <= SIZE => first,
        _ => return Err(Errno::EINVAL),
    };
    let descriptor = |index: u64| -> SysResult<Descriptor> {
        if descriptors.is_null() {
            return Ok(Descriptor(0));
        }
        Ok(Descriptor(descriptors.element(index)?.read(kernel)?))
    };
    // All are looked at before one is set.
    let mut allowed = true;
    for index in 0..count {
        allowed &= descriptor(index)?.is_allowed();
    }
    if !allowed {
        return Err(Errno::EACCES);
    }
    for index in 0..count {
        let descriptor = descriptor(index)?;
        if !descriptor.is_allowed() {
            return Err(Errno::EACCES);
        }
        table::write(kernel, &descriptor.to_linux(first.wrapping_add(index))).to_bsd()?;
    }
    let end = first.wrapping_add(count);
    let (start, end) = used.map_or((first, end), |(start, last)| (first.min(start), end.max(last)));
    segments.set(start, end);
    Ok(BsdStyle(first as u32))
}

/// The first of so many empty descriptors among those that were set, or else behind them.
#[inline(never)]
fn room<K: Kernel>(kernel: &K, used: Option<(u64, u64)>, count: u64) -> SysResult<u64> {
    let first = match used {
        None => FIRST,
        Some((start, end)) => {
            let all = read(kernel, end)?;
            let (mut empty, mut index) = (0u64, start);
            while index < end {
                let at = all.at((index as usize).wrapping_mul(size_of::<u64>()))?;
                index = index.wrapping_add(1);
                if UserPtr::<u64>::new(at).read(kernel)? != 0 {
                    empty = 0;
                    continue;
                }
                empty = empty.wrapping_add(1);
                if empty == count {
                    break;
                }
            }
            index.wrapping_sub(empty)
        }
    };
    match first.checked_add(count) {
        Some(end) if end <= SIZE => Ok(first),
        _ => Err(Errno::ENOMEM),
    }
}

/// The descriptors up to `end`.
fn read<K: Kernel>(kernel: &K, end: u64) -> SysResult<Scratch<'_, K>> {
    let length = (end as usize).wrapping_mul(size_of::<u64>());
    let all = Scratch::new(kernel, length)?;
    table::read(kernel, all.at(0)?, length).to_bsd()?;
    Ok(all)
}

/// `i386_get_ldt`: copies out up to `count` descriptors from `first` on, and answers how many there are in all.
pub fn get<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    first: impl Into<u64>,
    descriptors: UserPtr<u64>,
    count: impl Into<u64>,
) -> SysResult<BsdStyle> {
    let (first, count) = (first.into(), count.into());
    let kernel = cx.kernel();
    let is_inside = first < SIZE && count <= SIZE && first.wrapping_add(count) <= SIZE;
    if !is_inside || descriptors.is_null() {
        return Err(Errno::EINVAL);
    }
    let end = cx.process.segments.get().map_or(FIRST, |(_, end)| end);
    if let Some(left) = end.checked_sub(first) {
        let all = read(kernel, end)?;
        let bytes = |descriptors: u64| (descriptors as usize).wrapping_mul(size_of::<u64>());
        let from = all.at(bytes(first))?;
        crate::bsd::scratch::copy(kernel, from, descriptors.address(), bytes(count.min(left)))?;
    }
    Ok(BsdStyle(end as u32))
}
