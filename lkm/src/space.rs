//! The names of a task's rights (`osfmk/ipc/ipc_entry.c`, `osfmk/ipc/ipc_space.c`, `osfmk/ipc/ipc_hash.c`).
//!
//! A name is the index of an entry and, in its low byte, the entry's generation, which changes each time the entry is
//! used anew: a name kept too long names nothing. Generations have their two lowest bits set, so no name is 0, and the
//! table is never long enough for 0xffffffff.
//!
//! Differs from XNU: free entries of a fresh table come in order, where XNU shuffles all but the first eight.

use crate::port::{Port, PortId};
use crate::port_set::{PortSet, SetId};
use crate::slab::Id;
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach_port::PortType;

/// User references of a right at most; a right that has so many keeps them (`osfmk/ipc/port.h`).
pub const UREFS_MAX: u32 = 0xffff;

/// Entries of a table at most (`CONFIG_IPC_TABLE_ENTRIES_SIZE_MAX` of a machine with memory).
pub const ENTRIES_MAX: u32 = 305_834;

const ENTRIES_MIN: u32 = 32;

const GENERATION_MASK: u32 = 0xff00_0000;
const GENERATION_ONE: u32 = 0x0400_0000;
/// Two bits that say at which generation the entry starts again, so that names do not repeat in step.
const ROLL_SHIFT: u32 = 22;
const ROLL_MASK: u32 = 3 << ROLL_SHIFT;
const TYPE_MASK: u32 = 0x001f_0000;
const UREFS_MASK: u32 = 0xffff;

/// The name had the receive right until the task gave it away: some mistakes with it are no guard violations.
const EX_RECEIVE: u32 = PortType::MACH_PORT_TYPE_LABELH.bits();

/// Marks the place of nothing in the hash table.
const EMPTY: u32 = u32::MAX;

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Generation, roll point, kinds of rights and user references.
    bits: u32,
    /// The next free entry, or the request on the port that this name made, counted from 1.
    link: u32,
    /// The port or the set, as a word.
    object: u64,
}

impl Entry {
    const FREE: Entry = Entry { bits: GENERATION_MASK, link: 0, object: 0 };

    /// The rights.
    pub(crate) fn kinds(&self) -> PortType {
        PortType::from_bits_retain(self.bits & TYPE_MASK)
    }

    /// Whether it has one of these rights.
    pub(crate) fn has(&self, kinds: PortType) -> bool {
        self.bits & kinds.bits() & TYPE_MASK != 0
    }

    pub(crate) fn set_kinds(&mut self, kinds: PortType) {
        self.bits = (self.bits & !(TYPE_MASK | EX_RECEIVE)) | kinds.bits();
    }

    pub(crate) fn add(&mut self, kinds: PortType) {
        self.bits |= kinds.bits();
    }

    pub(crate) fn drop_kinds(&mut self, kinds: PortType) {
        self.bits &= !kinds.bits();
    }

    /// Whether the receive right was here and went away.
    pub(crate) fn had_receive(&self) -> bool {
        self.bits & EX_RECEIVE != 0
    }

    pub(crate) fn urefs(&self) -> u32 {
        self.bits & UREFS_MASK
    }

    pub(crate) fn set_urefs(&mut self, urefs: u32) {
        self.bits = (self.bits & !UREFS_MASK) | urefs.min(UREFS_MAX);
    }

    /// One more reference, unless there are as many as can be counted.
    pub(crate) fn reference(&mut self) {
        self.set_urefs(self.urefs() + 1);
    }

    /// `count` fewer; a right with as many as can be counted keeps them.
    pub(crate) fn release(&mut self, count: u32) {
        if self.urefs() < UREFS_MAX {
            self.set_urefs(self.urefs().saturating_sub(count));
        }
    }

    /// The request that this name made at the port, counted from 1; 0 for none.
    pub(crate) fn request(&self) -> u32 {
        self.link
    }

    pub(crate) fn set_request(&mut self, request: u32) {
        self.link = request;
    }

    pub(crate) fn port(&self) -> PortId {
        Id::<Port>::from_bits(self.object)
    }

    pub(crate) fn set(&self) -> SetId {
        Id::<PortSet>::from_bits(self.object)
    }

    pub(crate) fn has_object(&self) -> bool {
        self.object != 0
    }

    pub(crate) fn set_port(&mut self, port: PortId) {
        self.object = if port.is_none() { 0 } else { port.to_bits() };
    }
}

/// The table of a task.
pub(crate) struct Space {
    /// The first is the head of the list of free ones and has no name.
    entries: Vec<Entry>,
    /// Entries by port, for rights of which a port has one name: places of entries, at least two for each entry.
    hash: Vec<u32>,
    used: u32,
    limit: u32,
    rolls: u64,
    active: bool,
}

impl Space {
    /// A table with room for a few names.
    pub(crate) fn new(limit: u32, random: u64) -> Result<Space, KernReturn> {
        let limit = limit.clamp(ENTRIES_MIN, ENTRIES_MAX);
        let mut space =
            Space { entries: Vec::new(), hash: Vec::new(), used: 0, limit, rolls: random | 1, active: true };
        space.grow(ENTRIES_MIN)?;
        Ok(space)
    }

    /// The table of no task.
    pub(crate) const fn dead() -> Space {
        Space { entries: Vec::new(), hash: Vec::new(), used: 0, limit: 0, rolls: 1, active: false }
    }

    pub(crate) fn is_active(&self) -> bool {
        self.active
    }

    /// Takes the table out, so that nothing finds names any more.
    pub(crate) fn close(&mut self) -> Space {
        core::mem::replace(self, Space::dead())
    }

    /// Names in use.
    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    pub(crate) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.hash.capacity() * size_of::<u32>()
    }

    /// Entries of the table, with the one that has no name.
    pub(crate) fn size(&self) -> u32 {
        self.entries.len() as u32
    }

    /// The entry of a name in use.
    pub(crate) fn entry(&self, name: u32) -> Option<Entry> {
        let entry = self.entries.get(index_of(name)?)?;
        let fits = entry.bits & TYPE_MASK != 0 && entry.bits & GENERATION_MASK == name << 24;
        fits.then_some(*entry)
    }

    /// As [`Space::entry`], to change it.
    pub(crate) fn entry_mut(&mut self, name: u32) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(index_of(name)?)?;
        let fits = entry.bits & TYPE_MASK != 0 && entry.bits & GENERATION_MASK == name << 24;
        fits.then_some(entry)
    }

    /// Changes the entry of a name in use.
    pub(crate) fn change(&mut self, name: u32, change: impl FnOnce(&mut Entry)) {
        match self.entry_mut(name) {
            Some(entry) => change(entry),
            None => debug_assert!(false, "{name:#x} was to be in use"),
        }
    }

    /// Makes sure that the next [`Space::claim`] finds a free entry.
    ///
    /// # Errors
    /// `KERN_INVALID_TASK` for a dead table, `KERN_NO_SPACE` when it is full, `KERN_RESOURCE_SHORTAGE`.
    pub(crate) fn hold(&mut self) -> Result<(), KernReturn> {
        if !self.active {
            return Err(KernReturn::KERN_INVALID_TASK);
        }
        if self.entries.first().is_some_and(|head| head.link != 0) {
            return Ok(());
        }
        self.grow(self.size() + 1)
    }

    /// The same for two claims (`ipc_entries_hold`).
    ///
    /// # Errors
    /// As [`Space::hold`].
    pub(crate) fn hold_two(&mut self) -> Result<(), KernReturn> {
        self.hold()?;
        let first = self.entries.first().map_or(0, |head| head.link);
        match self.entries.get(first as usize) {
            Some(entry) if entry.link != 0 => Ok(()),
            _ => self.grow(self.size() + 1),
        }
    }

    /// Takes a free entry, which [`Space::hold`] made sure of, for these rights and references.
    pub(crate) fn claim(&mut self, kinds: PortType, urefs: u32, object: u64) -> Result<u32, KernReturn> {
        let index = self.entries.first().ok_or(KernReturn::KERN_INVALID_TASK)?.link;
        let roll = self.next_roll();
        let entry = self.entries.get_mut(index as usize).ok_or(KernReturn::KERN_NO_SPACE)?;
        if index == 0 {
            return Err(KernReturn::KERN_NO_SPACE);
        }
        let next_free = entry.link;
        let sum = entry.bits.wrapping_add(GENERATION_ONE) & GENERATION_MASK;
        let until = ((entry.bits & ROLL_MASK) << 8) ^ GENERATION_MASK;
        let mut generation = (sum % until) | (entry.bits & ROLL_MASK);
        if entry.bits & GENERATION_MASK > generation & GENERATION_MASK {
            generation = GENERATION_MASK.wrapping_add(GENERATION_ONE) | roll;
        }
        *entry = Entry { bits: generation | kinds.bits() | urefs, link: 0, object };
        if let Some(head) = self.entries.first_mut() {
            head.link = next_free;
        }
        self.used += 1;
        self.hash_insert(index, object, kinds);
        Ok(index << 8 | generation >> 24)
    }

    /// The entry of a name that the caller chose: taken if it is free.
    ///
    /// # Errors
    /// `KERN_NO_SPACE` beyond the table's limit, `KERN_INVALID_VALUE` for a generation that no name has, `KERN_FAILURE`
    /// where the entry is in use under another generation, `KERN_NAME_EXISTS` where this very name is.
    pub(crate) fn claim_name(
        &mut self,
        name: u32,
        kinds: PortType,
        urefs: u32,
        object: u64,
    ) -> Result<(), KernReturn> {
        self.check_name(name)?;
        let index = name >> 8;
        let entry = self.entries.get(index as usize).ok_or(KernReturn::KERN_NO_SPACE)?;
        if entry.bits & TYPE_MASK != 0 {
            let same = entry.bits & GENERATION_MASK == name << 24;
            return Err(if same { KernReturn::KERN_NAME_EXISTS } else { KernReturn::KERN_FAILURE });
        }
        let next_free = entry.link;
        let mut before = 0;
        while let Some(at) = self.entries.get(before as usize) {
            if at.link == index {
                break;
            }
            before = at.link;
        }
        if let Some(at) = self.entries.get_mut(before as usize) {
            at.link = next_free;
        }
        if let Some(entry) = self.entries.get_mut(index as usize) {
            *entry = Entry { bits: name << 24 | kinds.bits() | urefs, link: 0, object };
        }
        self.used += 1;
        self.hash_insert(index, object, kinds);
        Ok(())
    }

    /// Whether a name could be chosen; grows the table until it has the entry (`ipc_entry_alloc_name`).
    pub(crate) fn check_name(&mut self, name: u32) -> Result<(), KernReturn> {
        let index = name >> 8;
        if index > ENTRIES_MAX {
            return Err(KernReturn::KERN_NO_SPACE);
        }
        if name & 3 != 3 {
            return Err(KernReturn::KERN_INVALID_VALUE);
        }
        if index == 0 {
            return Err(KernReturn::KERN_FAILURE);
        }
        if !self.active {
            return Err(KernReturn::KERN_INVALID_TASK);
        }
        if index >= self.size() { self.grow(index + 1) } else { Ok(()) }
    }

    /// Frees the entry of a name in use.
    pub(crate) fn release(&mut self, name: u32) {
        let (Some(entry), Some(index)) = (self.entry(name), index_of(name)) else {
            debug_assert!(false, "{name:#x} was to be in use");
            return;
        };
        self.unhash(name);
        let next_free = self.entries.first().map_or(0, |head| head.link);
        if let Some(place) = self.entries.get_mut(index) {
            *place = Entry { bits: entry.bits & (GENERATION_MASK | ROLL_MASK), link: next_free, object: 0 };
        }
        if let Some(head) = self.entries.first_mut() {
            head.link = index as u32;
        }
        self.used -= 1;
    }

    /// The name of the send and receive rights for a port.
    pub(crate) fn name_of(&self, port: PortId) -> Option<u32> {
        let object = port.to_bits();
        let mut place = self.home(object);
        loop {
            let index = *self.hash.get(place)?;
            if index == EMPTY {
                return None;
            }
            let entry = self.entries.get(index as usize)?;
            if entry.object == object {
                return Some(index << 8 | entry.bits >> 24);
            }
            place = self.after(place);
        }
    }

    /// The name at or after an index, and the index to go on from.
    pub(crate) fn next_name(&self, from: u32) -> Option<(u32, u32)> {
        let start = from.max(1);
        let rest = self.entries.get(start as usize..)?;
        let step = rest.iter().position(|entry| entry.bits & TYPE_MASK != 0)? as u32;
        let entry = rest.get(step as usize)?;
        let index = start + step;
        Some((index << 8 | entry.bits >> 24, index + 1))
    }

    /// Takes a name that becomes a dead one out of the hash table, while it still has its port.
    pub(crate) fn unhash(&mut self, name: u32) {
        let Some(entry) = self.entry(name) else { return };
        if !hashed(entry.kinds()) || !entry.has_object() {
            return;
        }
        let mut place = self.home(entry.object);
        while let Some(index) = self.hash.get(place).copied() {
            if index == EMPTY {
                return;
            }
            if index == name >> 8 {
                break;
            }
            place = self.after(place);
        }
        // What follows moves up, so that no search stops early.
        let mut hole = place;
        let mut next = self.after(place);
        while let Some(index) = self.hash.get(next).copied() {
            if index == EMPTY {
                break;
            }
            let home = self.home(self.entries.get(index as usize).map_or(0, |entry| entry.object));
            let mask = self.hash.len() - 1;
            if next.wrapping_sub(home) & mask >= next.wrapping_sub(hole) & mask {
                self.hash_set(hole, index);
                hole = next;
            }
            next = self.after(next);
        }
        self.hash_set(hole, EMPTY);
    }

    fn hash_insert(&mut self, index: u32, object: u64, kinds: PortType) {
        if !hashed(kinds) {
            return;
        }
        let mut place = self.home(object);
        while self.hash.get(place).is_some_and(|at| *at != EMPTY) {
            place = self.after(place);
        }
        self.hash_set(place, index);
    }

    fn hash_set(&mut self, place: usize, index: u32) {
        if let Some(at) = self.hash.get_mut(place) {
            *at = index;
        }
    }

    fn home(&self, object: u64) -> usize {
        let mixed = object.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as usize & self.hash.len().wrapping_sub(1)
    }

    fn after(&self, place: usize) -> usize {
        (place + 1) & self.hash.len().wrapping_sub(1)
    }

    fn next_roll(&mut self) -> u32 {
        self.rolls =
            self.rolls.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.rolls >> 33) as u32 & ROLL_MASK
    }

    /// Makes the table hold `least` entries or more, in steps that double.
    fn grow(&mut self, least: u32) -> Result<(), KernReturn> {
        let old = self.size();
        if least > self.limit {
            return Err(KernReturn::KERN_NO_SPACE);
        }
        let mut size = old.max(ENTRIES_MIN);
        while size < least {
            size = size.saturating_mul(2);
        }
        let size = size.min(self.limit);
        let places = (size as usize * 2).next_power_of_two();
        let mut hash = Vec::new();
        hash.try_reserve_exact(places).map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
        self.entries
            .try_reserve_exact((size - old) as usize)
            .map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
        hash.resize(places, EMPTY);
        self.hash = hash;
        for index in 1..old {
            if let Some(entry) = self.entries.get(index as usize).copied()
                && entry.has_object()
            {
                self.hash_insert(index, entry.object, entry.kinds());
            }
        }
        // The new entries follow the free ones that there are.
        let mut last = 0;
        while let Some(next) = self.entries.get(last as usize).map(|entry| entry.link) {
            if next == 0 {
                break;
            }
            last = next;
        }
        let first_new = old.max(1);
        for index in old..size {
            let link = if index + 1 < size { index + 1 } else { 0 };
            self.entries.push(Entry { link, ..Entry::FREE });
        }
        if old > 0
            && let Some(entry) = self.entries.get_mut(last as usize)
        {
            entry.link = first_new;
        }
        Ok(())
    }
}

/// Whether a port has no more than one such name in a space.
fn hashed(kinds: PortType) -> bool {
    kinds.intersects(PortType::MACH_PORT_TYPE_SEND.union(PortType::MACH_PORT_TYPE_RECEIVE))
}

fn index_of(name: u32) -> Option<usize> {
    let index = name >> 8;
    (index != 0).then_some(index as usize)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::collections::BTreeMap;

    const SEND: PortType = PortType::MACH_PORT_TYPE_SEND;

    fn port(number: u32) -> PortId {
        Id::from_bits(1 << 32 | u64::from(number))
    }

    #[test]
    fn the_first_names_are_those_of_a_mac() {
        let mut space = Space::new(1000, 1).unwrap();
        let names: Vec<u32> = (1..4).map(|n| space.claim(SEND, 1, port(n).to_bits()).unwrap()).collect();
        assert_eq!(names, [0x103, 0x203, 0x303]);
    }

    #[test]
    fn a_name_used_again_has_another_generation() {
        let mut space = Space::new(1000, 1).unwrap();
        let mut seen = std::vec![];
        for _ in 0..63 {
            let name = space.claim(SEND, 1, port(1).to_bits()).unwrap();
            assert_eq!((name >> 8, name & 3), (1, 3));
            seen.push(name);
            space.release(name);
            assert!(space.entry(name).is_none());
        }
        assert!(seen.windows(2).all(|pair| pair[0] != pair[1]));
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 40, "only {} generations", seen.len());
    }

    #[test]
    fn a_full_table_says_so() {
        let mut space = Space::new(100, 1).unwrap();
        for n in 1..100 {
            space.hold().unwrap();
            space.claim(SEND, 1, port(n).to_bits()).unwrap();
        }
        assert_eq!(space.hold(), Err(KernReturn::KERN_NO_SPACE));
        assert_eq!(space.used(), 99);
    }

    #[test]
    fn chosen_names_are_checked() {
        let mut space = Space::new(5000, 1).unwrap();
        let mut choose = |name| space.claim_name(name, SEND, 1, port(name).to_bits());
        assert_eq!(choose(0x1234_5603), Err(KernReturn::KERN_NO_SPACE));
        assert_eq!(choose(0x102), Err(KernReturn::KERN_INVALID_VALUE));
        assert_eq!(choose(0x03), Err(KernReturn::KERN_FAILURE));
        assert_eq!(choose(0x12303), Ok(()));
        assert_eq!(choose(0x12303), Err(KernReturn::KERN_NAME_EXISTS));
        assert_eq!(choose(0x12307), Err(KernReturn::KERN_FAILURE));
        assert_eq!(space.name_of(port(0x12303)), Some(0x12303));
    }

    #[test]
    fn ports_are_found_by_name_and_names_by_port() {
        let mut space = Space::new(100_000, 7).unwrap();
        let mut names = BTreeMap::new();
        let mut random = 1_u64;
        for _ in 0..20_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = (random >> 40) as u32 % 3000;
            if let Some(name) = names.remove(&number) {
                space.release(name);
                assert!(space.entry(name).is_none());
                assert_eq!(space.name_of(port(number)), None);
            } else {
                space.hold().unwrap();
                names.insert(number, space.claim(SEND, 1, port(number).to_bits()).unwrap());
            }
        }
        assert_eq!(space.used() as usize, names.len());
        for (number, name) in names {
            assert_eq!(space.entry(name).unwrap().port(), port(number));
            assert_eq!(space.name_of(port(number)), Some(name));
        }
    }
}
