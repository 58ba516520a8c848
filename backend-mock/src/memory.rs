//! Calls on the memory map. File mappings are copies of what the file held when it was mapped, shared ones too.

use crate::address_space::{PAGE, PROT_EXEC, PROT_READ, PROT_WRITE, TASK_SIZE, page_up};
use crate::args::Args;
use crate::fs::inode::Body;
use crate::state::{Answer, State};
use linux_raw_sys::general::{
    MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE, MAP_TYPE,
    MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE, MS_ASYNC, MS_INVALIDATE, MS_SYNC,
};
use xnu_abi::linux::Errno;

/// `vm.mmap_min_addr`
const MIN_ADDRESS: u64 = 0x1_0000;
const MADV_DONTNEED: i32 = 4;
const MADV_FREE: i32 = 8;
const MADV_REMOVE: i32 = 9;
const MADV_POPULATE_WRITE: i32 = 23;

/// A page-aligned address and a length that is not 0, rounded up.
fn pages(address: u64, len: u64) -> Result<(u64, u64), Errno> {
    let len = page_up(len).ok_or(Errno::EINVAL)?;
    let fits = address.checked_add(len).is_some_and(|end| end <= TASK_SIZE);
    if address.is_multiple_of(PAGE) && len > 0 && fits { Ok((address, len)) } else { Err(Errno::EINVAL) }
}

impl State {
    pub(crate) fn mmap(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (hint, prot, flags, offset) = (a.num(0), a.uint(2), a.uint(3), a.num(5));
        if !offset.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let contents = if flags & MAP_ANONYMOUS == 0 { Some(self.mappable(a.int(4))?) } else { None };
        if a.num(1) == 0 {
            return Err(Errno::EINVAL);
        }
        let len = page_up(a.num(1)).filter(|&len| len <= TASK_SIZE).ok_or(Errno::ENOMEM)?;
        if offset.checked_add(len).is_none() {
            return Err(Errno::EOVERFLOW);
        }
        let kind = flags & MAP_TYPE;
        match kind {
            MAP_SHARED | MAP_PRIVATE => {}
            MAP_SHARED_VALIDATE if contents.is_some() => {}
            _ => return Err(Errno::EINVAL),
        }
        let start = self.place_mapping(hint, len, flags)?;
        if let Some((ino, readable, writable)) = contents {
            if !readable || kind != MAP_PRIVATE && prot & PROT_WRITE != 0 && !writable {
                return Err(Errno::EACCES);
            }
            match &self.inodes.get(ino).body {
                Body::File(content) => {
                    let bytes = content.read(offset, len as usize);
                    self.memory.map(start, len, prot);
                    self.memory.store(start, &bytes);
                    self.memory.limit(start, start + page_up(bytes.len() as u64).unwrap_or(0));
                }
                // Mapping /dev/zero is the old way to get zeroed memory.
                Body::Device(crate::fs::inode::Device::Zero) => self.memory.map(start, len, prot),
                _ => return Err(Errno::ENODEV),
            }
        } else {
            self.memory.map(start, len, prot);
        }
        Ok(start as usize)
    }

    fn mappable(&self, fd: i32) -> Result<(u64, bool, bool), Errno> {
        let file = self.descriptors.file(fd)?;
        Ok((file.ino, file.readable, file.writable))
    }

    fn place_mapping(&self, hint: u64, len: u64, flags: u32) -> Result<u64, Errno> {
        if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) == 0 {
            let hint = hint & !(PAGE - 1);
            let end = hint.checked_add(len).filter(|&end| end <= TASK_SIZE);
            let free = hint >= MIN_ADDRESS && end.is_some() && !self.memory.overlaps(hint, len);
            return if free { Ok(hint) } else { self.memory.find_gap(len).ok_or(Errno::ENOMEM) };
        }
        if hint > TASK_SIZE - len {
            return Err(Errno::ENOMEM);
        }
        if !hint.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        if hint < MIN_ADDRESS && !self.capable() {
            return Err(Errno::EPERM);
        }
        if flags & MAP_FIXED_NOREPLACE != 0 && self.memory.overlaps(hint, len) {
            return Err(Errno::EEXIST);
        }
        Ok(hint)
    }

    pub(crate) fn munmap(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (start, len) = pages(a.num(0), a.num(1))?;
        self.memory.unmap(start, len);
        Ok(0)
    }

    pub(crate) fn mprotect(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (start, prot) = (a.num(0), a.uint(2));
        if !start.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        if a.num(1) == 0 {
            return Ok(0);
        }
        let (start, len) = pages(start, a.num(1)).map_err(|_| Errno::ENOMEM)?;
        if prot & !(PROT_READ | PROT_WRITE | PROT_EXEC) != 0 {
            return Err(Errno::EINVAL);
        }
        if self.memory.protect(start, len, prot) { Ok(0) } else { Err(Errno::ENOMEM) }
    }

    pub(crate) fn mremap(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (old, flags) = (a.num(0), a.uint(3));
        let known = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
        let old_len = page_up(a.num(1)).ok_or(Errno::EINVAL)?;
        let new_len = page_up(a.num(2)).filter(|&len| len > 0 && len <= TASK_SIZE).ok_or(Errno::EINVAL)?;
        let moves = flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) != 0;
        if flags & !known != 0
            || moves && flags & MREMAP_MAYMOVE == 0
            || flags & MREMAP_DONTUNMAP != 0 && old_len != new_len
            || !old.is_multiple_of(PAGE)
            || old_len == 0
        {
            return Err(Errno::EINVAL);
        }
        if !self.memory.is_mapped(old, old_len) {
            return Err(Errno::EFAULT);
        }
        let prot = self.memory.prot(old).ok_or(Errno::EFAULT)?;
        if !moves {
            if new_len <= old_len {
                if new_len < old_len {
                    self.memory.unmap(old + new_len, old_len - new_len);
                }
                return Ok(old as usize);
            }
            let (tail, more) = (old + old_len, new_len - old_len);
            if tail + more <= TASK_SIZE && !self.memory.overlaps(tail, more) {
                self.memory.map(tail, more, prot);
                return Ok(old as usize);
            }
            if flags & MREMAP_MAYMOVE == 0 {
                return Err(Errno::ENOMEM);
            }
        }
        let new = if flags & MREMAP_FIXED != 0 {
            let (new, _) = pages(a.num(4), new_len)?;
            if new < old + old_len && old < new + new_len {
                return Err(Errno::EINVAL);
            }
            new
        } else {
            self.memory.find_gap(new_len).ok_or(Errno::ENOMEM)?
        };
        self.memory.map(new, new_len, prot);
        self.memory.move_pages(old, new, old_len.min(new_len));
        if flags & MREMAP_DONTUNMAP == 0 {
            self.memory.unmap(old, old_len);
        }
        Ok(new as usize)
    }

    pub(crate) fn madvise(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let advice = a.int(2);
        let known = matches!(advice, 0..=4 | 8..=23 | 25);
        if !a.num(0).is_multiple_of(PAGE) || !known {
            return Err(Errno::EINVAL);
        }
        if a.num(1) == 0 {
            return Ok(0);
        }
        let (start, len) = pages(a.num(0), a.num(1))?;
        let mapped = self.memory.is_mapped(start, len);
        if advice == MADV_POPULATE_WRITE {
            return match (start..start + len)
                .step_by(PAGE as usize)
                .find_map(|page| self.populate_error(page))
            {
                Some(error) => Err(error),
                None => Ok(0),
            };
        }
        if matches!(advice, MADV_DONTNEED | MADV_FREE | MADV_REMOVE) {
            // Differs from Linux: pages of a file mapping come back as zeros, not from the file.
            self.memory.discard(start, len);
        }
        if mapped { Ok(0) } else { Err(Errno::ENOMEM) }
    }

    /// Why a page cannot be made writable at once.
    fn populate_error(&self, page: u64) -> Option<Errno> {
        match self.memory.prot(page) {
            None => Some(Errno::ENOMEM),
            Some(prot) if prot & PROT_WRITE == 0 => Some(Errno::EINVAL),
            Some(_) if self.memory.write_reaches(page) => None,
            Some(_) => Some(Errno::EFAULT),
        }
    }

    pub(crate) fn msync(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let flags = a.uint(2);
        let both = MS_ASYNC | MS_SYNC;
        if flags & !(both | MS_INVALIDATE) != 0 || flags & both == both || !a.num(0).is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        if a.num(1) == 0 {
            return Ok(0);
        }
        let (start, len) = pages(a.num(0), a.num(1)).map_err(|_| Errno::ENOMEM)?;
        if self.memory.is_mapped(start, len) { Ok(0) } else { Err(Errno::ENOMEM) }
    }

    /// `mlock` and `munlock`: whole pages, all of them mapped. There is no limit, and nothing is ever paged out.
    pub(crate) fn mlock(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let start = a.num(0) & !(PAGE - 1);
        let len = a.num(1).checked_add(a.num(0) - start).and_then(page_up).ok_or(Errno::EINVAL)?;
        if start.checked_add(len).is_none() {
            return Err(Errno::EINVAL);
        }
        if len == 0 || self.memory.is_mapped(start, len) { Ok(0) } else { Err(Errno::ENOMEM) }
    }

    pub(crate) fn mincore(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (start, len) = (a.num(0), a.num(1));
        if !start.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let len = page_up(len).filter(|&len| start.checked_add(len).is_some_and(|end| end <= TASK_SIZE));
        let len = len.ok_or(Errno::ENOMEM)?;
        if !self.memory.is_mapped(start, len) {
            return Err(Errno::ENOMEM);
        }
        let resident: Vec<u8> =
            (0..len / PAGE).map(|page| u8::from(self.memory.is_resident(start + page * PAGE))).collect();
        a.write(&mut self.memory, 2, &resident)?;
        Ok(0)
    }
}
