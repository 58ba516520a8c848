//! The arguments of one call, read and written as Linux does.

use crate::address_space::AddressSpace;
use xnu_abi::linux::{Errno, Sysno};
use xnu_core::{Arg, UserAddr};

/// `PATH_MAX`: the terminating NUL counts.
const PATH_MAX: usize = 4096;

/// The arguments of one call.
pub(crate) struct Args<'a, 'b> {
    nr: Sysno,
    list: &'a mut [Arg<'b>],
}

impl<'a, 'b> Args<'a, 'b> {
    pub(crate) fn new(nr: Sysno, list: &'a mut [Arg<'b>]) -> Args<'a, 'b> {
        Args { nr, list }
    }

    /// Which call this is, for handlers that serve several.
    pub(crate) fn nr(&self) -> Sysno {
        self.nr
    }

    /// A number; arguments left out are 0. Addresses that Linux does not follow may come as `User`.
    pub(crate) fn num(&self, i: usize) -> u64 {
        match self.list.get(i) {
            None => 0,
            Some(Arg::Val(value)) => *value as u64,
            Some(Arg::User(address)) => address.get(),
            Some(_) => panic!("{}: argument {i} must be a number here", self.nr.name()),
        }
    }

    /// An `int`: Linux looks at the low half of the register.
    pub(crate) fn int(&self, i: usize) -> i32 {
        self.num(i) as i32
    }

    /// An `unsigned int`.
    pub(crate) fn uint(&self, i: usize) -> u32 {
        self.num(i) as u32
    }

    /// A `loff_t`.
    pub(crate) fn offset(&self, i: usize) -> i64 {
        self.num(i) as i64
    }

    pub(crate) fn is_null(&self, i: usize) -> bool {
        match self.list.get(i) {
            None => true,
            Some(Arg::Val(value)) => *value == 0,
            Some(Arg::User(address)) => address.is_null(),
            Some(_) => false,
        }
    }

    /// Whether all `len` bytes lie below the end of user memory, as `access_ok` asks.
    pub(crate) fn in_user_range(&self, i: usize, len: u64) -> bool {
        match self.list.get(i) {
            Some(Arg::User(address)) => AddressSpace::in_range(address.get(), len),
            _ => true,
        }
    }

    /// Reads up to `len` bytes; shorter only at a fault in guest memory.
    pub(crate) fn read_some(&self, memory: &AddressSpace, i: usize, len: usize) -> Vec<u8> {
        match self.list.get(i) {
            Some(Arg::In(bytes)) => self.lent(i, bytes, len).to_vec(),
            Some(Arg::Out(bytes)) => self.lent(i, bytes, len).to_vec(),
            Some(Arg::User(address)) => memory.read_some(address.get(), len),
            None | Some(Arg::Val(0)) => Vec::new(),
            Some(Arg::Val(value)) => self.plain(i, *value),
        }
    }

    /// Reads exactly `len` bytes.
    pub(crate) fn read(&self, memory: &AddressSpace, i: usize, len: usize) -> Result<Vec<u8>, Errno> {
        let bytes = self.read_some(memory, i, len);
        if bytes.len() == len { Ok(bytes) } else { Err(Errno::EFAULT) }
    }

    /// Writes `bytes` at `at` bytes into the argument; answers how many went before a fault.
    pub(crate) fn write_some(
        &mut self,
        memory: &mut AddressSpace,
        i: usize,
        at: usize,
        bytes: &[u8],
    ) -> usize {
        let nr = self.nr;
        match self.list.get_mut(i) {
            Some(Arg::Out(slice)) => match slice.get_mut(at..at + bytes.len()) {
                Some(target) => {
                    target.copy_from_slice(bytes);
                    bytes.len()
                }
                None => panic!("{}: argument {i} is too short for what Linux writes", nr.name()),
            },
            Some(Arg::User(address)) => match address.checked_add(at as u64) {
                Ok(address) => memory.write_some(address.get(), bytes),
                Err(_) => 0,
            },
            Some(Arg::In(_)) => {
                panic!("{}: argument {i} is written by Linux, but lent for reading", nr.name())
            }
            None | Some(Arg::Val(0)) => 0,
            Some(Arg::Val(value)) => {
                let value = *value;
                self.plain(i, value)
            }
        }
    }

    /// Writes all of `bytes`.
    pub(crate) fn write(&mut self, memory: &mut AddressSpace, i: usize, bytes: &[u8]) -> Result<(), Errno> {
        if self.write_some(memory, i, 0, bytes) == bytes.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// Writes unless the pointer is null, which these calls take for "not wanted".
    pub(crate) fn write_unless_null(
        &mut self,
        memory: &mut AddressSpace,
        i: usize,
        bytes: &[u8],
    ) -> Result<(), Errno> {
        if self.is_null(i) { Ok(()) } else { self.write(memory, i, bytes) }
    }

    /// A path, without its NUL. An empty one is the caller's to refuse.
    pub(crate) fn path(&self, memory: &AddressSpace, i: usize) -> Result<Vec<u8>, Errno> {
        self.string(memory, i, PATH_MAX)?.ok_or(Errno::ENAMETOOLONG)
    }

    /// A C string of less than `max` bytes; `None` when there is no NUL among the first `max`.
    pub(crate) fn string(
        &self,
        memory: &AddressSpace,
        i: usize,
        max: usize,
    ) -> Result<Option<Vec<u8>>, Errno> {
        let (mut bytes, whole) = match self.list.get(i) {
            Some(Arg::In(bytes)) => (bytes[..bytes.len().min(max)].to_vec(), true),
            Some(Arg::User(address)) => {
                let bytes = memory.read_some(address.get(), max);
                let whole = bytes.len() == max;
                (bytes, whole)
            }
            None | Some(Arg::Val(0)) => return Err(Errno::EFAULT),
            Some(Arg::Val(value)) => self.plain(i, *value),
            Some(Arg::Out(_)) => panic!("{}: argument {i} is a C string that Linux reads", self.nr.name()),
        };
        match bytes.iter().position(|&byte| byte == 0) {
            Some(end) => {
                bytes.truncate(end);
                Ok(Some(bytes))
            }
            None if whole => Ok(None),
            None => Err(Errno::EFAULT),
        }
    }

    /// The guest address of the argument, if it is one.
    pub(crate) fn user(&self, i: usize) -> Option<UserAddr> {
        match self.list.get(i) {
            Some(Arg::User(address)) => Some(*address),
            _ => None,
        }
    }

    fn lent<'s>(&self, i: usize, bytes: &'s [u8], len: usize) -> &'s [u8] {
        match bytes.get(..len) {
            Some(bytes) => bytes,
            None => panic!(
                "{}: argument {i} is {len} bytes long, the slice lent has {}",
                self.nr.name(),
                bytes.len()
            ),
        }
    }

    fn plain(&self, i: usize, value: usize) -> ! {
        panic!(
            "{}: argument {i} is memory that Linux follows, given the plain value {value:#x}",
            self.nr.name()
        )
    }
}
