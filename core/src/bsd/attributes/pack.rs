//! The buffer of a reply: a length, values of fixed size in the order of the tables, then what they refer to
//! (`bsd/vfs/vfs_attrlist.c`, `attrlist_pack_fixed`, `attrlist_pack_string`). It is put together in mapped memory.

use super::request::{Group, Request};
use crate::bsd::scratch::{Scratch, copy};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::table::SysResult;
use crate::user::UserAddr;
use crate::vchroot::Lookup;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::attr::{ATTR_MAX_BUFFER, AttrReference, AttributeSet, CommonAttributes};
use xnu_abi::darwin::exec::PATH_MAX;
use zerocopy::IntoBytes;

/// Bytes of the longest reply.
pub(super) const MAX: usize = ATTR_MAX_BUFFER as usize;

/// Room for a path of the host's, with its terminator.
pub(super) const HOST_PATH: usize = 4096;

/// Room for a name.
const NAME: usize = 256;

/// Bytes of the length that a reply begins with.
const LENGTH: usize = 4;

/// A string in mapped memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    pub(super) at: UserAddr,
    pub(super) length: usize,
}

/// Memory for a reply, for paths of the host's and of the guest's, and for a name.
pub(super) struct Memory<'k, K: Kernel> {
    pub(super) kernel: &'k K,
    pub(super) lookup: Option<Lookup<'k, K>>,
    scratch: Scratch<'k, K>,
}

impl<'k, K: Kernel> Memory<'k, K> {
    pub(super) fn new<L>(process: &'k Process<K, L>) -> SysResult<Memory<'k, K>> {
        let kernel = &process.kernel;
        let scratch = Scratch::new(kernel, MAX + HOST_PATH + PATH_MAX + NAME)?;
        Ok(Memory { kernel, lookup: process.lookup(), scratch })
    }

    /// Where a path of the host's goes.
    pub(super) fn host_path(&self) -> SysResult<UserAddr> {
        self.scratch.at(MAX)
    }

    /// Where a path goes as the guest calls it.
    pub(super) fn guest_path(&self) -> SysResult<UserAddr> {
        self.scratch.at(MAX + HOST_PATH)
    }

    /// Keeps a name that is not the end of the path.
    pub(super) fn keep_name(&self, name: &[u8]) -> SysResult<Text> {
        let at = self.scratch.at(MAX + HOST_PATH + PATH_MAX)?;
        self.kernel.copy_out(at, name)?;
        Ok(Text { at, length: name.len() })
    }

    fn at(&self, offset: usize) -> SysResult<UserAddr> {
        self.scratch.at(offset)
    }
}

/// A reply in the making.
pub(super) struct Packer<'m, 'k, K: Kernel> {
    memory: &'m Memory<'k, K>,
    request: Request,
    fixed: usize,
    variable: usize,
    /// Bytes in all.
    needed: usize,
    /// What was told.
    told: AttributeSet,
}

/// Rounded up to what a value's size is a multiple of.
fn padded(size: usize) -> usize {
    size.wrapping_add(3) & !3
}

impl<'m, 'k, K: Kernel> Packer<'m, 'k, K> {
    /// Begins a reply whose strings are of these lengths. `ENOMEM` where it gets too long.
    pub(super) fn new(
        memory: &'m Memory<'k, K>,
        request: &Request,
        fixed: usize,
        texts: &[Option<Text>],
    ) -> SysResult<Packer<'m, 'k, K>> {
        let texts = texts.iter().flatten().map(|text| padded(text.length.wrapping_add(1)));
        let needed = texts.fold(fixed, usize::saturating_add);
        if needed > MAX {
            return Err(Errno::ENOMEM);
        }
        let zeros = [0; 64];
        let mut done = 0;
        while done < needed {
            memory.kernel.copy_out(memory.at(done)?, &zeros)?;
            done = done.wrapping_add(zeros.len());
        }
        let begins =
            if request.returns_set() { LENGTH.wrapping_add(size_of::<AttributeSet>()) } else { LENGTH };
        let told = AttributeSet::default();
        Ok(Packer { memory, request: *request, fixed: begins, variable: fixed, needed, told })
    }

    fn tell(&mut self, group: Group, attribute: u32) {
        let set = match group {
            Group::Common => &mut self.told.commonattr,
            Group::Volume => &mut self.told.volattr,
            Group::Directory => &mut self.told.dirattr,
            Group::File => &mut self.told.fileattr,
            Group::Extended => &mut self.told.forkattr,
        };
        *set |= attribute;
    }

    /// A value, if it is wanted.
    pub(super) fn put(&mut self, group: Group, attribute: u32, value: &[u8]) -> SysResult<()> {
        if self.request.wants(group, attribute) {
            self.write(value)?;
            self.tell(group, attribute);
        }
        Ok(())
    }

    /// A value that is not known: as zeros where its place must be taken, and else not at all.
    pub(super) fn put_unknown(&mut self, group: Group, attribute: u32, value: &[u8]) -> SysResult<()> {
        if self.request.wants(group, attribute) && self.request.packs_invalid() {
            self.write(value)?;
        }
        Ok(())
    }

    /// A string, if it is wanted: a reference to it, and the string with a NUL behind everything else.
    pub(super) fn put_text(&mut self, group: Group, attribute: u32, text: Option<Text>) -> SysResult<()> {
        let Some(text) = text else { return Ok(()) };
        if !self.request.wants(group, attribute) {
            return Ok(());
        }
        let length = text.length.wrapping_add(1);
        self.write_reference(length)?;
        copy(self.memory.kernel, text.at, self.memory.at(self.variable)?, text.length)?;
        self.variable = self.variable.wrapping_add(padded(length));
        self.tell(group, attribute);
        Ok(())
    }

    /// A reference to what is behind everything that was written so far.
    pub(super) fn write_reference(&mut self, length: usize) -> SysResult<()> {
        let attr_dataoffset = (self.variable as i32).wrapping_sub(self.fixed as i32);
        self.write(AttrReference { attr_dataoffset, attr_length: length as u32 }.as_bytes())
    }

    fn write(&mut self, value: &[u8]) -> SysResult<()> {
        self.memory.kernel.copy_out(self.memory.at(self.fixed)?, value)?;
        self.fixed = self.fixed.wrapping_add(padded(value.len()));
        Ok(())
    }

    /// Bytes of the whole reply.
    pub(super) fn needed(&self) -> usize {
        self.needed
    }

    /// Writes what stands at the beginning, and copies as much of the reply out as there is room for.
    pub(super) fn finish(mut self, told_length: usize, to: UserAddr, room: usize) -> SysResult<()> {
        let kernel = self.memory.kernel;
        kernel.copy_out(self.memory.at(0)?, &(told_length as u32).to_ne_bytes())?;
        if self.request.returns_set() {
            self.told.commonattr |= CommonAttributes::ATTR_CMN_RETURNED_ATTRS.bits();
            kernel.copy_out(self.memory.at(LENGTH)?, self.told.as_bytes())?;
        }
        copy(kernel, self.memory.at(0)?, to, self.needed.min(room))
    }
}
