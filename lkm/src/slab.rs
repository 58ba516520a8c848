//! Objects by number: a store that says no instead of aborting when memory is short, and gives memory back.
//!
//! A number carries a generation, so a number kept too long finds nothing. Objects stand in chunks; a chunk without
//! objects is given back, except one kept for the next.

use alloc::vec::Vec;
use core::marker::PhantomData;

/// No memory for one more object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoMemory;

/// Objects of a chunk: bits of [`Chunk::used`].
const CHUNK: u32 = u64::BITS;

/// No slot.
const NIL: u32 = u32::MAX;

/// The number of an object of one kind.
pub struct Id<T> {
    index: u32,
    generation: u32,
    kind: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// The number of no object.
    pub const NONE: Id<T> = Id { index: NIL, generation: 0, kind: PhantomData };

    /// Whether this is [`Id::NONE`].
    pub const fn is_none(self) -> bool {
        self.generation == 0
    }

    /// The number as a word, for whoever keeps it outside.
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The number that [`Id::to_bits`] made a word of. Any word will do: one of no object finds none.
    pub const fn from_bits(bits: u64) -> Id<T> {
        Id { index: bits as u32, generation: (bits >> 32) as u32, kind: PhantomData }
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Id<T> {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Id<T>) -> bool {
        self.to_bits() == other.to_bits()
    }
}

impl<T> Eq for Id<T> {}

impl<T> core::hash::Hash for Id<T> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.to_bits().hash(state);
    }
}

impl<T> core::fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.is_none() { f.write_str("none") } else { write!(f, "{}.{}", self.index, self.generation) }
    }
}

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

struct Chunk<T> {
    /// [`CHUNK`] of them, or none.
    slots: Vec<Slot<T>>,
    /// A bit for each slot with an object.
    used: u64,
}

impl<T> Chunk<T> {
    const EMPTY: Chunk<T> = Chunk { slots: Vec::new(), used: 0 };
}

/// The store of one kind of objects.
pub(crate) struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    /// Chunks with room, the one to use next last.
    open: Vec<u32>,
    /// The chunk without objects that is kept.
    spare: u32,
    generation: u32,
    len: usize,
    /// What a number of no object stands for where one must answer: nobody's object, without effect.
    nobody: T,
}

impl<T> Slab<T> {
    pub(crate) const fn new(nobody: T) -> Slab<T> {
        Slab { chunks: Vec::new(), open: Vec::new(), spare: NIL, generation: 0, len: 0, nobody }
    }

    /// Objects now.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes that the store has taken for objects.
    pub(crate) fn bytes(&self) -> usize {
        let slots: usize = self.chunks.iter().map(|chunk| chunk.slots.capacity()).sum();
        slots * size_of::<Slot<T>>()
    }

    pub(crate) fn insert(&mut self, value: T) -> Result<Id<T>, NoMemory> {
        if self.open.is_empty() {
            self.chunks.try_reserve(1).map_err(|_| NoMemory)?;
            // Every chunk may be open at once, and opening one again must not fail.
            let all = self.chunks.len() + 1;
            self.open.try_reserve(all).map_err(|_| NoMemory)?;
            self.open.push(self.chunks.len() as u32);
            self.chunks.push(Chunk::EMPTY);
        }
        let number = self.open.last().copied().ok_or(NoMemory)?;
        if self.spare == number {
            self.spare = NIL;
        }
        let chunk = self.chunks.get_mut(number as usize).ok_or(NoMemory)?;
        if chunk.slots.is_empty() {
            chunk.slots.try_reserve_exact(CHUNK as usize).map_err(|_| NoMemory)?;
            chunk.slots.resize_with(CHUNK as usize, || Slot { generation: 0, value: None });
        }
        let place = chunk.used.trailing_ones();
        let slot = chunk.slots.get_mut(place as usize).ok_or(NoMemory)?;
        self.generation = self.generation.wrapping_add(1).max(1);
        slot.generation = self.generation;
        slot.value = Some(value);
        chunk.used |= 1 << place;
        if chunk.used == u64::MAX {
            self.open.pop();
        }
        self.len += 1;
        Ok(Id { index: number * CHUNK + place, generation: self.generation, kind: PhantomData })
    }

    pub(crate) fn remove(&mut self, id: Id<T>) -> Option<T> {
        let number = id.index / CHUNK;
        let place = id.index % CHUNK;
        let chunk = self.chunks.get_mut(number as usize)?;
        let slot = chunk.slots.get_mut(place as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = 0;
        if chunk.used == u64::MAX {
            self.open.push(number);
        }
        chunk.used &= !(1 << place);
        self.len -= 1;
        if chunk.used == 0 && self.spare == NIL {
            self.spare = number;
        } else if chunk.used == 0 {
            *chunk = Chunk::EMPTY;
        }
        if self.len == 0 && self.chunks.len() > 1 {
            self.chunks = Vec::new();
            self.open = Vec::new();
            self.spare = NIL;
        }
        Some(value)
    }

    pub(crate) fn get(&self, id: Id<T>) -> Option<&T> {
        let slot = self.chunks.get((id.index / CHUNK) as usize)?.slots.get((id.index % CHUNK) as usize)?;
        if slot.generation == id.generation { slot.value.as_ref() } else { None }
    }

    pub(crate) fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        let chunk = self.chunks.get_mut((id.index / CHUNK) as usize)?;
        let slot = chunk.slots.get_mut((id.index % CHUNK) as usize)?;
        if slot.generation == id.generation { slot.value.as_mut() } else { None }
    }

    /// The object, which whoever holds the number keeps alive; tests stop where that is not so.
    pub(crate) fn at(&self, id: Id<T>) -> &T {
        let found = self.get(id);
        debug_assert!(found.is_some(), "{id:?} is kept but gone");
        found.unwrap_or(&self.nobody)
    }

    /// As [`Slab::at`], to change it.
    pub(crate) fn at_mut(&mut self, id: Id<T>) -> &mut T {
        if self.get(id).is_none() {
            debug_assert!(false, "{id:?} is kept but gone");
            return &mut self.nobody;
        }
        let number = (id.index / CHUNK) as usize;
        let place = (id.index % CHUNK) as usize;
        let slot = self.chunks.get_mut(number).and_then(|chunk| chunk.slots.get_mut(place));
        slot.and_then(|slot| slot.value.as_mut()).unwrap_or(&mut self.nobody)
    }

    /// The numbers of all objects, from `after` on ([`Id::NONE`]: from the first), one at a time.
    pub(crate) fn next_after(&self, after: Id<T>) -> Option<Id<T>> {
        let from = if after.is_none() { 0 } else { after.index.checked_add(1)? };
        let mut past = (1 << (from % CHUNK)) - 1;
        for (number, chunk) in (from / CHUNK..).zip(self.chunks.get((from / CHUNK) as usize..)?) {
            let place = (chunk.used & !core::mem::take(&mut past)).trailing_zeros();
            if let Some(slot) = chunk.slots.get(place as usize) {
                return Some(Id {
                    index: number * CHUNK + place,
                    generation: slot.generation,
                    kind: PhantomData,
                });
            }
        }
        None
    }
}

/// The neighbours of an object in a [`List`].
pub(crate) struct Links<T> {
    prev: Id<T>,
    next: Id<T>,
}

impl<T> Links<T> {
    pub(crate) const fn new() -> Links<T> {
        Links { prev: Id::NONE, next: Id::NONE }
    }

    pub(crate) fn next(&self) -> Id<T> {
        self.next
    }
}

/// An object that can stand in a list; `WHICH` tells its lists apart where it stands in several.
pub(crate) trait Node<const WHICH: usize>: Sized {
    fn links(&mut self) -> &mut Links<Self>;
}

/// Objects of one store in a row. Adding and removing cannot fail and take no memory.
pub(crate) struct List<T, const WHICH: usize = 0> {
    head: Id<T>,
    tail: Id<T>,
    len: u32,
}

impl<T: Node<WHICH>, const WHICH: usize> List<T, WHICH> {
    pub(crate) const fn new() -> List<T, WHICH> {
        List { head: Id::NONE, tail: Id::NONE, len: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn first(&self) -> Id<T> {
        self.head
    }

    pub(crate) fn last(&self) -> Id<T> {
        self.tail
    }

    pub(crate) fn push_back(&mut self, slab: &mut Slab<T>, id: Id<T>) {
        *slab.at_mut(id).links() = Links { prev: self.tail, next: Id::NONE };
        if self.tail.is_none() {
            self.head = id;
        } else {
            slab.at_mut(self.tail).links().next = id;
        }
        self.tail = id;
        self.len += 1;
    }

    /// Takes out `id`, which must be in this list.
    pub(crate) fn remove(&mut self, slab: &mut Slab<T>, id: Id<T>) {
        let Links { prev, next } = core::mem::replace(slab.at_mut(id).links(), Links::new());
        if prev.is_none() {
            self.head = next;
        } else {
            slab.at_mut(prev).links().next = next;
        }
        if next.is_none() {
            self.tail = prev;
        } else {
            slab.at_mut(next).links().prev = prev;
        }
        self.len = self.len.saturating_sub(1);
    }

    pub(crate) fn pop_front(&mut self, slab: &mut Slab<T>) -> Option<Id<T>> {
        let id = self.head;
        if id.is_none() {
            return None;
        }
        self.remove(slab, id);
        Some(id)
    }

    /// Puts everything of `other` behind what is here.
    pub(crate) fn append(&mut self, slab: &mut Slab<T>, other: &mut List<T, WHICH>) {
        if other.is_empty() {
            return;
        }
        if self.tail.is_none() {
            self.head = other.head;
        } else {
            slab.at_mut(self.tail).links().next = other.head;
            slab.at_mut(other.head).links().prev = self.tail;
        }
        self.tail = other.tail;
        self.len += other.len;
        *other = List::new();
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    struct Item {
        links: Links<Item>,
        value: u32,
    }

    impl Node<0> for Item {
        fn links(&mut self) -> &mut Links<Item> {
            &mut self.links
        }
    }

    fn item(value: u32) -> Item {
        Item { links: Links::new(), value }
    }

    #[test]
    fn a_number_kept_too_long_finds_nothing() {
        let mut slab = Slab::new(0_u32);
        let first = slab.insert(1).unwrap();
        assert_eq!(slab.remove(first), Some(1));
        let second = slab.insert(2).unwrap();
        assert_ne!(first, second);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.get(second), Some(&2));
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(Id::NONE), None);
    }

    #[test]
    fn memory_goes_back_when_objects_go() {
        let mut slab = Slab::new(0_u32);
        let one = slab.insert(0).unwrap();
        let start = slab.bytes();
        let ids: Vec<_> = (0..10_000).map(|n| slab.insert(n).unwrap()).collect();
        assert!(slab.bytes() > 100 * start);
        for id in ids {
            slab.remove(id);
        }
        assert_eq!(slab.len(), 1);
        assert!(slab.bytes() <= 2 * start, "{} bytes of {start}", slab.bytes());
        slab.remove(one);
        assert!(slab.bytes() <= start);
        assert_eq!(slab.next_after(Id::NONE), None);
    }

    #[test]
    fn objects_are_walked_once_each() {
        let mut slab = Slab::new(0_u32);
        let ids: Vec<_> = (0..200).map(|n| slab.insert(n).unwrap()).collect();
        for id in ids.iter().step_by(3) {
            slab.remove(*id);
        }
        let mut at = Id::NONE;
        let mut seen = 0;
        while let Some(id) = slab.next_after(at) {
            assert_ne!(slab.get(id).unwrap() % 3, 0);
            at = id;
            seen += 1;
        }
        assert_eq!(seen, slab.len());
    }

    #[test]
    fn lists_keep_their_order_through_removals() {
        let mut slab = Slab::new(item(0));
        let mut list = List::<Item>::new();
        let mut other = List::<Item>::new();
        let ids: Vec<_> = (0..6).map(|n| slab.insert(item(n)).unwrap()).collect();
        ids[..4].iter().for_each(|id| list.push_back(&mut slab, *id));
        ids[4..].iter().for_each(|id| other.push_back(&mut slab, *id));
        list.remove(&mut slab, ids[1]);
        list.remove(&mut slab, ids[3]);
        list.append(&mut slab, &mut other);
        assert_eq!((list.len(), other.is_empty()), (4, true));
        let mut order = Vec::new();
        while let Some(id) = list.pop_front(&mut slab) {
            order.push(slab.at(id).value);
        }
        assert_eq!(order, [0, 2, 4, 5]);
    }
}
