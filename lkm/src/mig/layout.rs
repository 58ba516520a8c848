//! How requests and replies are laid out: what MIG generates of the kinds of a routine's arguments.
//!
//! Fields follow one another at multiples of 4 bytes behind the data representation; ports and memory are descriptors
//! before that. A reply without descriptors has its result first, one with descriptors has none.

use crate::kmsg::{Descriptor, Kmsg};
use crate::notification::NDR;
use crate::port::PortRef;
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::MigReturn;
use xnu_abi::darwin::mach_message::MsgType;

/// Rights of exception handlers in a reply.
const HANDLERS: usize = 32;

/// Fields of a request or a reply at most.
const FIELDS_MAX: usize = 4;

/// One argument of a routine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MigField {
    /// 32 bits.
    Word,
    /// 64 bits.
    Long,
    /// So many words.
    Words(u8),
    /// A count, and as many words, so many at most.
    Counted(u16),
    /// As many words as the field with a count before it.
    SameCount,
    /// Send rights of exception handlers, 32 in the message itself.
    Handlers,
    /// A count, and as many bytes, so many at most.
    Bytes(u16),
    /// An offset that is 0, a count, and as many bytes of a string with its end, so many at most.
    Text(u16),
    /// A right of this kind (`MACH_MSG_TYPE_PORT_SEND`, …).
    Port(u8),
    /// A right of any kind.
    AnyPort,
    /// So many bytes of memory.
    Memory(u8),
    /// Words in memory; their count is a field.
    MemoryWords,
    /// Send rights in memory; their count is a field.
    Ports,
}

impl MigField {
    fn is_descriptor(self) -> bool {
        use MigField::{AnyPort, Handlers, Memory, MemoryWords, Port, Ports};
        matches!(self, Port(_) | AnyPort | Memory(_) | MemoryWords | Ports | Handlers)
    }
}

/// The arguments of a request.
pub(super) struct Arguments {
    data: Vec<u8>,
    descriptors: Vec<Descriptor>,
    /// Of each field its value, the index of its descriptor, or the place and count of its words.
    values: [u64; FIELDS_MAX],
    counted: (usize, usize),
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

impl Arguments {
    pub(super) fn new(data: Vec<u8>, descriptors: Vec<Descriptor>) -> Arguments {
        Arguments { data, descriptors, values: [0; FIELDS_MAX], counted: (0, 0) }
    }

    pub(super) fn into_descriptors(self) -> Vec<Descriptor> {
        self.descriptors
    }

    pub(super) fn long(&self, at: usize) -> u64 {
        self.values.get(at).copied().unwrap_or(0)
    }

    /// The words of the field that has a count.
    pub(super) fn counted(&self) -> impl Iterator<Item = u32> {
        let (at, count) = self.counted;
        (0..count).filter_map(move |index| word(&self.data, at + index * 4))
    }

    pub(super) fn descriptor_mut(&mut self, at: usize) -> Option<&mut Descriptor> {
        let index = self.long(at) as usize;
        self.descriptors.get_mut(index)
    }

    /// Checks a request against its layout and finds the fields.
    ///
    /// # Errors
    /// `MIG_BAD_ARGUMENTS` for a wrong size or count of descriptors, `MIG_TYPE_ERROR` for a wrong kind of descriptor.
    pub(super) fn check(&mut self, complex: bool, fields: &[MigField]) -> Result<(), MigReturn> {
        let bad = MigReturn::MIG_BAD_ARGUMENTS;
        let wanted = fields.iter().filter(|field| field.is_descriptor()).count();
        if complex != (wanted > 0) || self.descriptors.len() != wanted {
            return Err(bad);
        }
        let mut at = if wanted < fields.len() { NDR.len() } else { 0 };
        let mut descriptor = 0;
        for (field, value) in fields.iter().zip(&mut self.values) {
            match *field {
                MigField::Word => {
                    *value = u64::from(word(&self.data, at).ok_or(bad)?);
                    at += 4;
                }
                MigField::Long => {
                    let low = word(&self.data, at).ok_or(bad)?;
                    let high = word(&self.data, at + 4).ok_or(bad)?;
                    *value = u64::from(low) | u64::from(high) << 32;
                    at += 8;
                }
                MigField::Counted(most) => {
                    let count = word(&self.data, at).ok_or(bad)?;
                    if count > u32::from(most) {
                        return Err(bad);
                    }
                    self.counted = (at + 4, count as usize);
                    at += 4 + count as usize * 4;
                }
                // No request that is served has others inline.
                MigField::Words(_) | MigField::Bytes(_) | MigField::Text(_) | MigField::SameCount => {
                    return Err(bad);
                }
                _ => {
                    *value = descriptor as u64;
                    descriptor += 1;
                }
            }
        }
        if self.data.len() != at {
            return Err(bad);
        }
        let wanted = fields.iter().filter(|field| field.is_descriptor());
        for (field, descriptor) in wanted.zip(&self.descriptors) {
            let fits = match (*field, descriptor) {
                (MigField::Port(kind), Descriptor::Port { kind: given, .. }) => {
                    given.number() == u32::from(kind)
                }
                (MigField::AnyPort, Descriptor::Port { .. }) => true,
                (MigField::Memory(size), Descriptor::Memory { size: given, .. }) => *given == u32::from(size),
                _ => false,
            };
            if !fits {
                return Err(MigReturn::MIG_TYPE_ERROR);
            }
        }
        Ok(())
    }
}

/// What a handler answers for one field.
pub(super) enum Value {
    Nothing,
    Word(u32),
    Long(u64),
    /// Words of a fixed number or with a count.
    Words(Vec<u32>),
    /// Bytes, with the end of a string where the field is one.
    Bytes(Vec<u8>),
    Port(PortRef, MsgType),
    /// The number of a region, 0 for none, and how many words it has.
    Memory(u64, u32),
    Ports(Vec<PortRef>),
    /// As many rights as there are; the rest of the 32 is none.
    Handlers(Vec<PortRef>),
}

/// The values of a reply, in order.
pub(super) struct Reply {
    values: [Value; FIELDS_MAX],
    used: usize,
}

impl Reply {
    pub(super) fn new() -> Reply {
        Reply { values: [const { Value::Nothing }; FIELDS_MAX], used: 0 }
    }

    pub(super) fn push(&mut self, value: Value) {
        if let Some(place) = self.values.get_mut(self.used) {
            *place = value;
            self.used += 1;
        }
    }

    /// Writes the values as the layout says; whether there was memory for it. What is not written stays here.
    pub(super) fn lay_out(&mut self, fields: &[MigField], answer: &mut Kmsg) -> bool {
        let each = |field: &MigField| match field {
            MigField::Handlers => HANDLERS,
            field => usize::from(field.is_descriptor()),
        };
        let descriptors: usize = fields.iter().map(each).sum();
        let mut size = NDR.len() + 4;
        for (field, value) in fields.iter().zip(&self.values) {
            size += 4 + value.inline_size() + if matches!(field, MigField::Text(_)) { 4 } else { 0 };
        }
        if answer.data.try_reserve_exact(size).is_err()
            || answer.descriptors.try_reserve_exact(descriptors).is_err()
        {
            return false;
        }
        answer.complex = descriptors > 0;
        let counts = |field: &MigField| matches!(field, MigField::MemoryWords | MigField::Ports);
        let inline = fields.iter().any(|field| !field.is_descriptor() || counts(field));
        if !answer.complex || inline {
            answer.data.extend_from_slice(&NDR);
        }
        if !answer.complex {
            answer.data.extend_from_slice(&0_u32.to_le_bytes());
        }
        for (field, value) in fields.iter().zip(&mut self.values) {
            core::mem::replace(value, Value::Nothing).write(*field, answer);
        }
        true
    }

    /// The values that were not written.
    pub(super) fn into_values(self) -> [Value; FIELDS_MAX] {
        self.values
    }
}

impl Value {
    fn inline_size(&self) -> usize {
        match self {
            Value::Nothing | Value::Port(..) | Value::Handlers(_) => 0,
            Value::Word(_) | Value::Memory(..) | Value::Ports(_) => 4,
            Value::Long(_) => 8,
            Value::Words(words) => words.len() * 4,
            Value::Bytes(bytes) => bytes.len().next_multiple_of(4),
        }
    }

    fn into_descriptor(self) -> Option<Descriptor> {
        match self {
            Value::Port(right, kind) => Some(Descriptor::Port { right, kind }),
            Value::Memory(region, words) => {
                Some(Descriptor::Memory { region, size: words * 4, copy: 1, volatile: false })
            }
            Value::Ports(rights) => {
                Some(Descriptor::Ports { rights, kind: MsgType::MACH_MSG_TYPE_PORT_SEND })
            }
            _ => None,
        }
    }

    /// Writes a value; there is room for it.
    fn write(self, field: MigField, answer: &mut Kmsg) {
        let data = &mut answer.data;
        match self {
            Value::Nothing => {}
            Value::Word(word) => data.extend_from_slice(&word.to_le_bytes()),
            Value::Long(long) => data.extend_from_slice(&long.to_le_bytes()),
            Value::Words(words) => {
                if matches!(field, MigField::Counted(_)) {
                    data.extend_from_slice(&(words.len() as u32).to_le_bytes());
                }
                for word in words {
                    data.extend_from_slice(&word.to_le_bytes());
                }
            }
            Value::Bytes(bytes) => {
                if matches!(field, MigField::Text(_)) {
                    data.extend_from_slice(&0_u32.to_le_bytes());
                }
                data.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                data.extend_from_slice(&bytes);
                data.resize(data.len().next_multiple_of(4), 0);
            }
            Value::Memory(_, count) => {
                data.extend_from_slice(&count.to_le_bytes());
                answer.descriptors.extend(self.into_descriptor());
            }
            Value::Ports(ref rights) => {
                data.extend_from_slice(&(rights.len() as u32).to_le_bytes());
                answer.descriptors.extend(self.into_descriptor());
            }
            Value::Port(..) => answer.descriptors.extend(self.into_descriptor()),
            Value::Handlers(rights) => {
                let none = core::iter::repeat(PortRef::Null);
                let kind = MsgType::MACH_MSG_TYPE_PORT_SEND;
                let all = rights.into_iter().chain(none).take(HANDLERS);
                answer.descriptors.extend(all.map(|right| Descriptor::Port { right, kind }));
            }
        }
    }
}
