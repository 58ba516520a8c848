//! Messages by which the engine tells of deaths (`osfmk/ipc/ipc_notify.c`, `osfmk/mach/notify.defs`).

use crate::kmsg::{Descriptor, Kmsg};
use crate::port::{PortId, PortRef};
use crate::state::State;
use alloc::vec::Vec;
use xnu_abi::darwin::mach_message::MsgType;
use xnu_abi::darwin::mach_port::NotifyId;

/// The data representation of a little-endian machine (`NDR_record_t`).
pub(crate) const NDR: [u8; 8] = [0, 0, 0, 0, 1, 0, 0, 0];

/// What is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Notice {
    /// The name is gone, and with it what was asked of it.
    PortDeleted(u32),
    /// The name can be sent to again.
    SendPossible(u32),
    /// The receive right of a port, which its task gave up.
    PortDestroyed(PortId),
    /// No send right is left; so many were made.
    NoSenders(u32),
    /// The send-once right was not used.
    SendOnce,
    /// The name's port died.
    DeadName(u32),
}

impl<R> State<R> {
    /// Sends a notification with a send-once right, which it uses up. Where memory is short it is lost, and so is the
    /// right.
    pub(crate) fn notify(&mut self, right: PortId, notice: Notice) {
        let (id, word) = match notice {
            Notice::PortDeleted(name) => (NotifyId::MACH_NOTIFY_PORT_DELETED, Some(name)),
            Notice::SendPossible(name) => (NotifyId::MACH_NOTIFY_SEND_POSSIBLE, Some(name)),
            Notice::PortDestroyed(_) => (NotifyId::MACH_NOTIFY_PORT_DESTROYED, None),
            Notice::NoSenders(count) => (NotifyId::MACH_NOTIFY_NO_SENDERS, Some(count)),
            Notice::SendOnce => (NotifyId::MACH_NOTIFY_SEND_ONCE, None),
            Notice::DeadName(name) => (NotifyId::MACH_NOTIFY_DEAD_NAME, Some(name)),
        };
        let mut kmsg = Kmsg::from_engine(id.number(), right, MsgType::MACH_MSG_TYPE_PORT_SEND_ONCE);
        if let Some(word) = word {
            if kmsg.data.try_reserve_exact(12).is_err() {
                self.notice_lost(right, notice);
                return;
            }
            kmsg.data.extend_from_slice(&NDR);
            kmsg.data.extend_from_slice(&word.to_le_bytes());
        }
        if let Notice::PortDestroyed(port) = notice {
            let mut descriptors = Vec::new();
            if descriptors.try_reserve_exact(1).is_err() {
                self.notice_lost(right, notice);
                return;
            }
            kmsg.circular = self.port_in_transit(port, right);
            let kind = MsgType::MACH_MSG_TYPE_PORT_RECEIVE;
            descriptors.push(Descriptor::Port { right: PortRef::Port(port), kind });
            kmsg.descriptors = descriptors;
            kmsg.complex = true;
        }
        match self.kmsgs.insert(kmsg) {
            Ok(kmsg) => self.send_from_engine(kmsg),
            Err(_) => self.notice_lost(right, notice),
        }
    }

    fn notice_lost(&mut self, right: PortId, notice: Notice) {
        self.release_send_once(right);
        if let Notice::PortDestroyed(port) = notice {
            self.port_destroy(port);
        }
    }
}
