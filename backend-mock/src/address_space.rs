//! The guest's memory: mapped ranges with protections, and the pages that were touched.

use std::collections::BTreeMap;

/// Bytes in a page.
pub(crate) const PAGE: u64 = 4096;
/// End of user memory (`TASK_SIZE` of x86-64 with four levels).
pub(crate) const TASK_SIZE: u64 = 0x7fff_ffff_f000;
/// Where `mmap` without an address starts, going down.
const MMAP_BASE: u64 = 0x7f00_0000_0000;
/// Where the test's own allocations start, going up.
const ALLOC_BASE: u64 = 0x6000_0000_0000;

pub(crate) const PROT_READ: u32 = 1;
pub(crate) const PROT_WRITE: u32 = 2;
pub(crate) const PROT_EXEC: u32 = 4;

/// One mapped range.
#[derive(Clone, Debug)]
struct Region {
    end: u64,
    prot: u32,
    /// Pages from here on lie behind the end of the mapped file: touching them would be SIGBUS.
    valid_end: u64,
}

/// Guest memory.
#[derive(Clone, Debug)]
pub(crate) struct AddressSpace {
    regions: BTreeMap<u64, Region>,
    pages: BTreeMap<u64, Box<[u8]>>,
    next_alloc: u64,
}

/// Rounds up to whole pages.
pub(crate) fn page_up(len: u64) -> Option<u64> {
    len.checked_add(PAGE - 1).map(|sum| sum & !(PAGE - 1))
}

impl AddressSpace {
    pub(crate) fn new() -> AddressSpace {
        AddressSpace { regions: BTreeMap::new(), pages: BTreeMap::new(), next_alloc: ALLOC_BASE }
    }

    /// Whether the range lies below the end of user memory.
    pub(crate) fn in_range(address: u64, len: u64) -> bool {
        address.checked_add(len).is_some_and(|end| end <= TASK_SIZE)
    }

    /// Maps `len` bytes for a test, with an unmapped page on both sides; `at_end` puts the last byte directly
    /// before the second.
    pub(crate) fn alloc(&mut self, len: u64, at_end: bool) -> u64 {
        let span = page_up(len.max(1)).expect("a length below the end of memory");
        let start = self.next_alloc + PAGE;
        self.next_alloc = start + span;
        self.map(start, span, PROT_READ | PROT_WRITE);
        if at_end { start + span - len } else { start }
    }

    /// Maps zeroed pages in place of whatever was there.
    pub(crate) fn map(&mut self, start: u64, len: u64, prot: u32) {
        self.unmap(start, len);
        self.regions.insert(start, Region { end: start + len, prot, valid_end: start + len });
    }

    /// Marks the pages of the region at `start` that lie behind `valid_end` as beyond the end of their file.
    pub(crate) fn limit(&mut self, start: u64, valid_end: u64) {
        if let Some(region) = self.regions.get_mut(&start) {
            region.valid_end = valid_end.min(region.end);
        }
    }

    /// Unmaps a range; parts that are not mapped do not matter.
    pub(crate) fn unmap(&mut self, start: u64, len: u64) {
        let end = start + len;
        self.split(start);
        self.split(end);
        let gone: Vec<u64> = self.regions.range(start..end).map(|(&at, _)| at).collect();
        for at in gone {
            self.regions.remove(&at);
        }
        self.discard(start, len);
    }

    /// Forgets the contents of whole pages: they read as zeros again.
    pub(crate) fn discard(&mut self, start: u64, len: u64) {
        let gone: Vec<u64> = self.pages.range(start..start + len).map(|(&at, _)| at).collect();
        for at in gone {
            self.pages.remove(&at);
        }
    }

    /// Sets the protection of a range; false when a part of it was not mapped (the part before is changed).
    pub(crate) fn protect(&mut self, start: u64, len: u64, prot: u32) -> bool {
        let end = start + len;
        self.split(start);
        self.split(end);
        let mut at = start;
        while at < end {
            let Some(region) = self.regions.get_mut(&at) else { return false };
            region.prot = prot;
            at = region.end;
        }
        true
    }

    /// Whether all of a range is mapped.
    pub(crate) fn is_mapped(&self, start: u64, len: u64) -> bool {
        let mut at = start;
        while at < start + len {
            match self.region(at) {
                Some((_, region)) => at = region.end,
                None => return false,
            }
        }
        true
    }

    /// Whether any part of a range is mapped.
    pub(crate) fn overlaps(&self, start: u64, len: u64) -> bool {
        self.regions.range(..start + len).next_back().is_some_and(|(_, region)| region.end > start)
    }

    /// The highest free range of `len` bytes below the base of mappings.
    pub(crate) fn find_gap(&self, len: u64) -> Option<u64> {
        let mut top = MMAP_BASE;
        for (&start, region) in self.regions.range(..MMAP_BASE).rev() {
            if region.end <= top && top - region.end >= len {
                break;
            }
            top = top.min(start);
        }
        top.checked_sub(len).filter(|&start| start >= 0x1_0000 && !self.overlaps(start, len))
    }

    /// Moves `len` bytes of pages, for `mremap`.
    pub(crate) fn move_pages(&mut self, from: u64, to: u64, len: u64) {
        let moved: Vec<u64> = self.pages.range(from..from + len).map(|(&at, _)| at).collect();
        for at in moved {
            if let Some(page) = self.pages.remove(&at) {
                self.pages.insert(at - from + to, page);
            }
        }
    }

    /// Whether a mapped address has something behind it: a file's mapping ends with the file.
    pub(crate) fn write_reaches(&self, address: u64) -> bool {
        self.region(address).is_some_and(|(_, region)| address < region.valid_end)
    }

    /// The protection at an address.
    pub(crate) fn prot(&self, address: u64) -> Option<u32> {
        self.region(address).map(|(_, region)| region.prot)
    }

    /// Whether a page has contents of its own.
    pub(crate) fn is_resident(&self, page: u64) -> bool {
        self.pages.contains_key(&page)
    }

    /// Reads until `len` bytes or a fault.
    pub(crate) fn read_some(&self, address: u64, len: usize) -> Vec<u8> {
        let len = self.reach(address, len, PROT_READ | PROT_WRITE | PROT_EXEC);
        self.load(address, len)
    }

    /// Writes until the end of `bytes` or a fault; answers how many.
    pub(crate) fn write_some(&mut self, address: u64, bytes: &[u8]) -> usize {
        let len = self.reach(address, bytes.len(), PROT_WRITE);
        self.store(address, &bytes[..len]);
        len
    }

    /// Reads whatever the protection; unmapped bytes are 0.
    pub(crate) fn load(&self, address: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let mut done = 0;
        while done < len {
            let at = address + done as u64;
            let offset = (at % PAGE) as usize;
            let n = (PAGE as usize - offset).min(len - done);
            if let Some(page) = self.pages.get(&(at - at % PAGE)) {
                bytes[done..done + n].copy_from_slice(&page[offset..offset + n]);
            }
            done += n;
        }
        bytes
    }

    /// Writes whatever the protection.
    pub(crate) fn store(&mut self, address: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let at = address + done as u64;
            let offset = (at % PAGE) as usize;
            let n = (PAGE as usize - offset).min(bytes.len() - done);
            let page = self.pages.entry(at - at % PAGE).or_insert_with(|| vec![0; PAGE as usize].into());
            page[offset..offset + n].copy_from_slice(&bytes[done..done + n]);
            done += n;
        }
    }

    /// How many of `len` bytes can be accessed in one of the ways of `any`.
    fn reach(&self, address: u64, len: usize, any: u32) -> usize {
        let mut at = address;
        let end = address.saturating_add(len as u64).min(TASK_SIZE);
        while at < end {
            match self.region(at) {
                Some((_, region)) if region.prot & any != 0 && at < region.valid_end => at = region.valid_end,
                _ => break,
            }
            // The part behind the end of the file is a fault of its own.
            if self.region(at.wrapping_sub(1)).is_some_and(|(_, region)| region.end != at) {
                break;
            }
        }
        (at.min(end).saturating_sub(address)) as usize
    }

    fn region(&self, address: u64) -> Option<(u64, &Region)> {
        self.regions
            .range(..=address)
            .next_back()
            .map(|(&start, region)| (start, region))
            .filter(|(_, region)| address < region.end)
    }

    /// Cuts the region that contains `at` in two there.
    fn split(&mut self, at: u64) {
        let Some((start, region)) = self.region(at) else { return };
        if start == at {
            return;
        }
        let upper = region.clone();
        if let Some(lower) = self.regions.get_mut(&start) {
            lower.end = at;
            lower.valid_end = lower.valid_end.min(at);
        }
        self.regions.insert(at, Region { valid_end: upper.valid_end.max(at), ..upper });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guarded_allocation_faults_one_byte_behind_its_end() {
        let mut memory = AddressSpace::new();
        let at = memory.alloc(10, true);
        assert_eq!(memory.write_some(at, &[7; 11]), 10);
        assert_eq!(memory.read_some(at, 20), [7; 10]);
        assert_eq!(memory.read_some(at + 10, 1), []);
    }

    #[test]
    fn unmapping_the_middle_leaves_both_ends() {
        let mut memory = AddressSpace::new();
        let at = memory.alloc(3 * PAGE, false);
        memory.store(at, &[1; 3 * PAGE as usize]);
        memory.unmap(at + PAGE, PAGE);
        assert_eq!(memory.read_some(at, 3 * PAGE as usize).len(), PAGE as usize);
        assert_eq!(memory.read_some(at + 2 * PAGE, 4), [1; 4]);
        assert!(!memory.is_mapped(at, 3 * PAGE));
        assert!(memory.overlaps(at, 3 * PAGE));
    }

    #[test]
    fn protection_decides_who_faults() {
        let mut memory = AddressSpace::new();
        let at = memory.alloc(2 * PAGE, false);
        assert!(memory.protect(at + PAGE, PAGE, PROT_READ));
        assert_eq!(memory.write_some(at + PAGE - 2, &[9; 4]), 2);
        assert_eq!(memory.read_some(at + PAGE - 2, 4), [9, 9, 0, 0]);
        assert!(memory.protect(at, PAGE, 0));
        assert_eq!(memory.read_some(at, 1), []);
    }

    #[test]
    fn bytes_behind_the_end_of_a_mapped_file_fault() {
        let mut memory = AddressSpace::new();
        memory.map(0x10000, 3 * PAGE, PROT_READ);
        memory.limit(0x10000, 0x10000 + PAGE);
        assert_eq!(memory.read_some(0x10000, 3 * PAGE as usize).len(), PAGE as usize);
        assert_eq!(memory.read_some(0x10000 + PAGE, 1), []);
    }

    #[test]
    fn gaps_are_found_from_the_top() {
        let mut memory = AddressSpace::new();
        let first = memory.find_gap(PAGE).unwrap();
        memory.map(first, PAGE, PROT_READ);
        let second = memory.find_gap(2 * PAGE).unwrap();
        assert_eq!(second, first - 2 * PAGE);
        memory.map(second, 2 * PAGE, PROT_READ);
        memory.unmap(first, PAGE);
        assert_eq!(memory.find_gap(PAGE), Some(first));
    }
}
