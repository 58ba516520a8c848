//! Bodies of messages on their way in: from descriptors to rights and memory (`osfmk/ipc/ipc_kmsg.c`,
//! `ipc_kmsg_copyin_body` and what it calls).

use crate::copy::{MessageGuard, kind_of};
use crate::descriptor::UserDescriptor;
use crate::engine::Engine;
use crate::guard::GuardReason;
use crate::host::{Caller, Host};
use crate::kmsg::{Descriptor, KmsgId};
use crate::mach_port::is_valid;
use crate::port::PortRef;
use crate::state::State;
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::{KernReturn, MachMsgReturn};
use xnu_abi::darwin::mach_message::MsgType;

/// What a descriptor points to, read from the program's memory.
pub(crate) enum Captured<R> {
    Nothing,
    Memory(R),
    /// The names of an array, and room for their rights.
    Names(Vec<u32>, Vec<PortRef>),
    Refused(MachMsgReturn),
}

/// What is still to be done for a descriptor.
pub(crate) enum Body {
    /// It has all that it needs.
    Done,
    Names(Vec<u32>),
    Refused(MachMsgReturn),
}

const NO_BUFFER: MachMsgReturn = MachMsgReturn::MACH_SEND_NO_BUFFER;

impl<R> State<R> {
    /// Gives a message its descriptors, still without rights.
    ///
    /// # Errors
    /// `MACH_SEND_NO_BUFFER`.
    pub(crate) fn body_prepare(
        &mut self,
        kmsg: KmsgId,
        descriptors: &[UserDescriptor],
        captured: Vec<Captured<R>>,
    ) -> Result<Vec<Body>, MachMsgReturn> {
        let mut bodies = Vec::new();
        bodies.try_reserve_exact(descriptors.len()).map_err(|_| NO_BUFFER)?;
        let of = self.kmsgs.at_mut(kmsg);
        of.descriptors.try_reserve_exact(descriptors.len()).map_err(|_| NO_BUFFER)?;
        for (descriptor, captured) in descriptors.iter().zip(captured) {
            let mut region = 0;
            let mut rights = Vec::new();
            bodies.push(match captured {
                Captured::Nothing => Body::Done,
                Captured::Memory(memory) => {
                    region = self.regions.insert(Some(memory)).map_err(|_| NO_BUFFER)?.to_bits();
                    Body::Done
                }
                Captured::Names(names, room) => {
                    rights = room;
                    Body::Names(names)
                }
                Captured::Refused(NO_BUFFER) => return Err(NO_BUFFER),
                Captured::Refused(error) => Body::Refused(error),
            });
            let right = PortRef::Null;
            self.kmsgs.at_mut(kmsg).descriptors.push(match *descriptor {
                UserDescriptor::Port { disposition, .. } => {
                    Descriptor::Port { right, kind: kind_of(disposition) }
                }
                UserDescriptor::Guarded { disposition, guard, .. } => {
                    Descriptor::Guarded { right, kind: kind_of(disposition), guard }
                }
                UserDescriptor::Memory { size, copy, volatile, .. } => {
                    Descriptor::Memory { region, size, copy, volatile }
                }
                UserDescriptor::Ports { disposition, .. } => {
                    Descriptor::Ports { rights, kind: kind_of(disposition) }
                }
            });
        }
        Ok(bodies)
    }

    /// Takes the rights of a message's descriptors, up to the first that cannot be had; says of how many descriptors the
    /// sender's memory was taken.
    pub(crate) fn body_copy_in(
        &mut self,
        kmsg: KmsgId,
        descriptors: &[UserDescriptor],
        bodies: Vec<Body>,
    ) -> (Result<(), MachMsgReturn>, usize) {
        for (index, (descriptor, body)) in descriptors.iter().zip(bodies).enumerate() {
            if let Err(error) = self.descriptor_copy_in(kmsg, index, *descriptor, body) {
                // An array goes once it is read, whatever its names are.
                let read = error == MachMsgReturn::MACH_SEND_INVALID_RIGHT;
                return (Err(error), index + usize::from(read));
            }
        }
        (Ok(()), descriptors.len())
    }

    fn descriptor_copy_in(
        &mut self,
        kmsg: KmsgId,
        index: usize,
        descriptor: UserDescriptor,
        body: Body,
    ) -> Result<(), MachMsgReturn> {
        match (descriptor, body) {
            (_, Body::Refused(error)) => return Err(error),
            (UserDescriptor::Port { name, disposition }, _) => {
                let taken = self.body_right(kmsg, name, disposition, None)?;
                if let Some(Descriptor::Port { right, .. }) = self.descriptor_mut(kmsg, index) {
                    *right = taken;
                }
            }
            (UserDescriptor::Guarded { name, disposition, guard: mut told }, _) => {
                let taken = self.body_right(kmsg, name, disposition, Some(&mut told))?;
                if let Some(Descriptor::Guarded { right, guard, .. }) = self.descriptor_mut(kmsg, index) {
                    (*right, *guard) = (taken, told);
                }
            }
            (UserDescriptor::Ports { disposition, .. }, Body::Names(names)) => {
                let mut taken = match self.descriptor_mut(kmsg, index) {
                    Some(Descriptor::Ports { rights, .. }) => core::mem::take(rights),
                    _ => return Ok(()),
                };
                for name in names {
                    match self.body_right(kmsg, name, disposition, None) {
                        Ok(right) => taken.push(right),
                        Err(error) => {
                            // They go before the rest of the message.
                            for port in taken.into_iter().filter_map(PortRef::port) {
                                self.right_destroy(port, kind_of(disposition));
                            }
                            return Err(error);
                        }
                    }
                }
                if let Some(Descriptor::Ports { rights, .. }) = self.descriptor_mut(kmsg, index) {
                    *rights = taken;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn descriptor_mut(&mut self, kmsg: KmsgId, index: usize) -> Option<&mut Descriptor> {
        self.kmsgs.get_mut(kmsg)?.descriptors.get_mut(index)
    }

    /// Takes one right of the body; a receive right is on its way to the message's destination then.
    fn body_right(
        &mut self,
        kmsg: KmsgId,
        name: u32,
        disposition: MsgType,
        guard: Option<&mut MessageGuard>,
    ) -> Result<PortRef, MachMsgReturn> {
        if !is_valid(name) {
            return Ok(PortRef::of_no_port(name));
        }
        let right = match self.copy_in(self.caller.task, name, disposition, guard) {
            Ok(right) => right,
            Err(error) => {
                if error == KernReturn::KERN_INVALID_RIGHT {
                    self.guard_exception(name, 0, GuardReason::SendInvalidRight);
                }
                return Err(MachMsgReturn::MACH_SEND_INVALID_RIGHT);
            }
        };
        if let (PortRef::Port(port), MsgType::MACH_MSG_TYPE_PORT_RECEIVE) = (right, kind_of(disposition)) {
            let dest = self.kmsgs.at(kmsg).dest;
            let circular = self.port_in_transit(port, dest);
            self.kmsgs.at_mut(kmsg).circular |= circular;
        }
        Ok(right)
    }
}

impl<H: Host> Engine<H> {
    /// Reads what a descriptor points to.
    pub(crate) fn capture(&self, caller: Caller, descriptor: &UserDescriptor) -> Captured<H::Region> {
        let bad = MachMsgReturn::MACH_SEND_INVALID_MEMORY;
        match *descriptor {
            UserDescriptor::Memory { address, size, .. } if size > 0 => {
                match self.host.capture(caller.task, address, u64::from(size)) {
                    Ok(region) => Captured::Memory(region),
                    Err(_) => Captured::Refused(bad),
                }
            }
            UserDescriptor::Ports { address, count, .. } if count > 0 => {
                match self.read(caller, address, count as usize * 4, bad) {
                    Ok(bytes) => {
                        let (words, _) = bytes.as_chunks::<4>();
                        let (mut names, mut rights) = (Vec::new(), Vec::new());
                        let short = names.try_reserve_exact(words.len()).is_err()
                            || rights.try_reserve_exact(words.len()).is_err();
                        if short {
                            return Captured::Refused(NO_BUFFER);
                        }
                        names.extend(words.iter().map(|word| u32::from_le_bytes(*word)));
                        Captured::Names(names, rights)
                    }
                    Err(error) => Captured::Refused(error),
                }
            }
            _ => Captured::Nothing,
        }
    }
}

/// The memory that a sender gives away with a descriptor.
pub(crate) fn given(descriptor: &UserDescriptor) -> Option<(u64, u64)> {
    match *descriptor {
        UserDescriptor::Memory { address, size, deallocate: true, .. } if size > 0 => {
            Some((address, u64::from(size)))
        }
        UserDescriptor::Ports { address, count, deallocate: true, .. } if count > 0 => {
            Some((address, u64::from(count) * 4))
        }
        _ => None,
    }
}
