//! Messages inside the engine: rights in place of names, memory taken (`osfmk/ipc/ipc_kmsg.c`).

use crate::copy::MessageGuard;
use crate::port::{PortId, PortRef};
use crate::slab::{Id, Links, Node};
use crate::state::State;
use alloc::vec::Vec;
use xnu_abi::darwin::mach_message::{MACH_MSG_OOL_VOLATILE_DESCRIPTOR, MsgType};

/// The number of a message.
pub(crate) type KmsgId = Id<Kmsg>;

/// Bytes of a message's header, and of the count of descriptors behind it.
pub(crate) const HEADER_SIZE: u32 = 24;
pub(crate) const BODY_SIZE: u32 = 4;

/// What a message carries beside its bytes.
pub(crate) enum Descriptor {
    Port { right: PortRef, kind: MsgType },
    Memory { region: u64, size: u32, copy: u8, volatile: bool },
    Ports { rights: Vec<PortRef>, kind: MsgType },
    Guarded { right: PortRef, kind: MsgType, guard: MessageGuard },
}

impl Descriptor {
    /// Bytes in a 64-bit program's message.
    pub(crate) fn size(&self) -> u32 {
        if matches!(self, Descriptor::Port { .. }) { 12 } else { 16 }
    }

    /// The number of its kind for memory, which has two.
    pub(crate) fn memory_kind(volatile: bool) -> u8 {
        if volatile { MACH_MSG_OOL_VOLATILE_DESCRIPTOR as u8 } else { 1 }
    }
}

/// A message in a queue or on its way.
pub(crate) struct Kmsg {
    links: Links<Kmsg>,
    pub(crate) id: i32,
    pub(crate) dest: PortId,
    pub(crate) dest_kind: MsgType,
    pub(crate) reply: PortRef,
    pub(crate) reply_kind: MsgType,
    /// The port of a voucher, of which it has a send right.
    pub(crate) voucher: PortId,
    /// The disposition of the voucher, which may be none.
    pub(crate) voucher_kind: MsgType,
    /// The field of the voucher, where no disposition says that it is one.
    pub(crate) voucher_name: u32,
    /// It carries descriptors, perhaps none.
    pub(crate) complex: bool,
    /// It would be reachable only through itself.
    pub(crate) circular: bool,
    pub(crate) descriptors: Vec<Descriptor>,
    /// What follows the header or the descriptors.
    pub(crate) data: Vec<u8>,
    /// The second vector, its header of 8 bytes left out; none if nothing was sent.
    pub(crate) aux: Option<Vec<u8>>,
    pub(crate) sender: [u32; 2],
    pub(crate) audit: [u32; 8],
}

impl Kmsg {
    /// A message from the engine, to a port that the right of this kind is for. Its sender is the kernel, pid 0.
    pub(crate) const fn from_engine(id: i32, dest: PortId, dest_kind: MsgType) -> Kmsg {
        Kmsg {
            links: Links::new(),
            id,
            dest,
            dest_kind,
            reply: PortRef::Null,
            reply_kind: MsgType::MACH_MSG_TYPE_PORT_NONE,
            voucher: Id::NONE,
            voucher_kind: MsgType::MACH_MSG_TYPE_PORT_NONE,
            voucher_name: 0,
            complex: false,
            circular: false,
            descriptors: Vec::new(),
            data: Vec::new(),
            aux: None,
            sender: [0, 1],
            audit: [0; 8],
        }
    }

    pub(crate) const fn nobody() -> Kmsg {
        Kmsg::from_engine(0, Id::NONE, MsgType::MACH_MSG_TYPE_PORT_NONE)
    }

    /// Bytes that a receiver gets before the trailer (`ipc_kmsg_copyout_size`).
    pub(crate) fn size(&self) -> u32 {
        let descriptors: u32 = self.descriptors.iter().map(Descriptor::size).sum();
        HEADER_SIZE + if self.complex { BODY_SIZE } else { 0 } + descriptors + self.data.len() as u32
    }

    /// The next message of the queue.
    pub(crate) fn next(&self) -> KmsgId {
        self.links.next()
    }

    /// Bytes of the second vector with its header.
    pub(crate) fn aux_size(&self) -> u32 {
        self.aux.as_ref().map_or(0, |aux| 8 + aux.len() as u32)
    }
}

impl Node<0> for Kmsg {
    fn links(&mut self) -> &mut Links<Kmsg> {
        &mut self.links
    }
}

impl<R> State<R> {
    /// Destroys a message and every right in it (`ipc_kmsg_destroy`).
    pub(crate) fn kmsg_destroy(&mut self, kmsg: KmsgId) {
        let first = self.reap.is_empty();
        self.reap.push_back(&mut self.kmsgs, kmsg);
        if first {
            self.reap_messages();
        }
    }

    /// Destroys the messages that wait for it, those too which that adds. One stays in the row until it is done, so
    /// that nobody starts a second time.
    pub(crate) fn reap_messages(&mut self) {
        loop {
            let kmsg = self.reap.first();
            let Some(of) = self.kmsgs.get_mut(kmsg) else { return };
            let dest = core::mem::replace(&mut of.dest, Id::NONE);
            let dest_kind = of.dest_kind;
            let reply = core::mem::replace(&mut of.reply, PortRef::Null);
            let reply_kind = of.reply_kind;
            let voucher = core::mem::replace(&mut of.voucher, Id::NONE);
            let descriptors = core::mem::take(&mut of.descriptors);
            if !voucher.is_none() {
                self.release_send(voucher);
            }
            if !dest.is_none() {
                self.right_destroy(dest, dest_kind);
            }
            if let PortRef::Port(port) = reply {
                self.right_destroy(port, reply_kind);
            }
            self.descriptors_destroy(descriptors);
            self.reap.remove(&mut self.kmsgs, kmsg);
            self.kmsgs.remove(kmsg);
        }
    }

    /// Destroys what descriptors carry (`ipc_kmsg_clean_descriptors`).
    pub(crate) fn descriptors_destroy(&mut self, descriptors: Vec<Descriptor>) {
        for descriptor in descriptors {
            match descriptor {
                Descriptor::Port { right: PortRef::Port(port), kind }
                | Descriptor::Guarded { right: PortRef::Port(port), kind, .. } => {
                    self.right_destroy(port, kind)
                }
                Descriptor::Port { .. } | Descriptor::Guarded { .. } => {}
                Descriptor::Memory { region, .. } => {
                    self.regions.remove(Id::from_bits(region));
                }
                Descriptor::Ports { rights, kind, .. } => {
                    for port in rights.into_iter().filter_map(PortRef::port) {
                        self.right_destroy(port, kind);
                    }
                }
            }
        }
    }
}
