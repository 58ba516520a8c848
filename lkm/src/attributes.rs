//! What is known of a port and can be set (`mach_port_get_attributes` and its like of `osfmk/ipc/mach_port.c`).

use crate::mach_port::is_valid;
use crate::port::{Port, PortId};
use crate::state::State;
use crate::task::TaskId;
use crate::trailer;
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach_message::{MACH_RCV_TRAILER_AUDIT, MachMsgMaxTrailer, MsgOption};
use xnu_abi::darwin::mach_port::{
    MACH_PORT_DNREQUESTS_SIZE_COUNT, MACH_PORT_GUARD_INFO_COUNT, MACH_PORT_INFO_EXT_COUNT,
    MACH_PORT_LIMITS_INFO_COUNT, MACH_PORT_QLIMIT_MAX, MACH_PORT_RECEIVE_STATUS_COUNT, MachPortInfoExt,
    MachPortStatus, PortFlavor, PortStatusFlags,
};
use zerocopy::{FromBytes, IntoBytes};

/// What a look at a queued message found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peeked {
    /// The message's number in the queue.
    pub seqno: u32,
    /// Its bytes without the trailer, as the sender counted them.
    pub size: u32,
    /// Its id.
    pub id: i32,
    /// Its trailer; of it, those bytes count that were asked for.
    pub trailer: MachMsgMaxTrailer,
    /// The bytes of the trailer that were asked for.
    pub trailer_size: u32,
}

impl<R> State<R> {
    /// The port of a name that must be a receive right.
    fn receiver(&mut self, task: TaskId, name: u32) -> Result<PortId, KernReturn> {
        if !is_valid(name) {
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        self.receive_right(task, name)
    }

    fn status(&self, port: PortId) -> MachPortStatus {
        let of = self.ports.at(port);
        let mut mps_flags = PortStatusFlags::empty();
        mps_flags.set(PortStatusFlags::MACH_PORT_STATUS_FLAG_IMP_DONATION, of.importance);
        let temporary = of.importance && of.temporary_owner;
        mps_flags.set(PortStatusFlags::MACH_PORT_STATUS_FLAG_TEMPOWNER, temporary);
        mps_flags.set(PortStatusFlags::MACH_PORT_STATUS_FLAG_GUARDED, of.guarded);
        let strict = of.guarded && of.strict_guard;
        mps_flags.set(PortStatusFlags::MACH_PORT_STATUS_FLAG_STRICT_GUARD, strict);
        let immovable = of.guarded && of.immovable_receive;
        mps_flags.set(PortStatusFlags::MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE, immovable);
        MachPortStatus {
            mps_pset: u32::from(!of.sets.is_empty()),
            mps_seqno: of.seqno,
            mps_mscount: of.mscount,
            mps_qlimit: of.qlimit,
            mps_msgcount: of.msgcount,
            mps_sorights: of.sorights,
            mps_srights: i32::from(of.srights > 0),
            mps_pdrequest: i32::from(!of.port_destroyed.is_none()),
            mps_nsrequest: i32::from(!of.no_senders.is_none()),
            mps_flags,
        }
    }

    /// The words of a flavour, of which `count` are wanted.
    pub(crate) fn mach_port_get_attributes(
        &mut self,
        task: TaskId,
        name: u32,
        flavor: PortFlavor,
        count: u32,
    ) -> Result<Vec<u32>, KernReturn> {
        if !self.space(task).is_active() {
            return Err(KernReturn::KERN_INVALID_TASK);
        }
        let least = |needed| if count < needed { Err(KernReturn::KERN_FAILURE) } else { Ok(()) };
        match flavor {
            PortFlavor::MACH_PORT_LIMITS_INFO => {
                least(MACH_PORT_LIMITS_INFO_COUNT)?;
                if !is_valid(name) {
                    return Ok(Vec::new());
                }
                let port = self.receive_right(task, name)?;
                words(&self.ports.at(port).qlimit.to_le_bytes())
            }
            PortFlavor::MACH_PORT_RECEIVE_STATUS => {
                least(MACH_PORT_RECEIVE_STATUS_COUNT)?;
                let port = self.receiver(task, name)?;
                words(self.status(port).as_bytes())
            }
            PortFlavor::MACH_PORT_DNREQUESTS_SIZE => {
                least(MACH_PORT_DNREQUESTS_SIZE_COUNT)?;
                if !is_valid(name) {
                    return words(&[0; 4]);
                }
                let port = self.receive_right(task, name)?;
                words(&requests_size(self.ports.at(port)).to_le_bytes())
            }
            PortFlavor::MACH_PORT_INFO_EXT => {
                least(MACH_PORT_INFO_EXT_COUNT)?;
                let port = self.receiver(task, name)?;
                let mpie_status = self.status(port);
                words(MachPortInfoExt { mpie_status, mpie_boost_cnt: 0, reserved: [0; 6] }.as_bytes())
            }
            PortFlavor::MACH_PORT_SERVICE_THROTTLED => {
                self.receiver(task, name)?;
                // No port is a service's.
                Err(KernReturn::KERN_INVALID_CAPABILITY)
            }
            _ => Err(KernReturn::KERN_INVALID_ARGUMENT),
        }
    }

    pub(crate) fn mach_port_set_attributes(
        &mut self,
        task: TaskId,
        name: u32,
        flavor: PortFlavor,
        info: &[u32],
    ) -> Result<(), KernReturn> {
        if !self.space(task).is_active() {
            return Err(KernReturn::KERN_INVALID_TASK);
        }
        match flavor {
            PortFlavor::MACH_PORT_LIMITS_INFO => {
                let qlimit = *info.first().ok_or(KernReturn::KERN_FAILURE)?;
                if qlimit > MACH_PORT_QLIMIT_MAX {
                    return Err(KernReturn::KERN_INVALID_VALUE);
                }
                let port = self.receiver(task, name)?;
                self.set_qlimit(port, qlimit);
                Ok(())
            }
            PortFlavor::MACH_PORT_DNREQUESTS_SIZE => {
                info.first().ok_or(KernReturn::KERN_FAILURE)?;
                self.receiver(task, name).map(|_| ())
            }
            PortFlavor::MACH_PORT_TEMPOWNER
            | PortFlavor::MACH_PORT_DENAP_RECEIVER
            | PortFlavor::MACH_PORT_IMPORTANCE_RECEIVER => {
                let port = self.receiver(task, name)?;
                let of = self.ports.at_mut(port);
                if of.is_object() || of.special_reply {
                    return Err(KernReturn::KERN_INVALID_ARGUMENT);
                }
                of.importance = true;
                of.temporary_owner |= flavor == PortFlavor::MACH_PORT_TEMPOWNER;
                Ok(())
            }
            PortFlavor::MACH_PORT_SERVICE_THROTTLED => {
                self.receiver(task, name)?;
                Err(KernReturn::KERN_INVALID_CAPABILITY)
            }
            _ => Err(KernReturn::KERN_INVALID_ARGUMENT),
        }
    }

    pub(crate) fn mach_port_assert_attributes(
        &mut self,
        task: TaskId,
        name: u32,
        flavor: PortFlavor,
        info: &[u32],
    ) -> Result<(), KernReturn> {
        if flavor != PortFlavor::MACH_PORT_GUARD_INFO {
            return Err(KernReturn::KERN_INVALID_ARGUMENT);
        }
        let needed = info.get(..MACH_PORT_GUARD_INFO_COUNT as usize).ok_or(KernReturn::KERN_FAILURE)?;
        let guard = u64::read_from_bytes(needed.as_bytes()).map_err(|_| KernReturn::KERN_FAILURE)?;
        self.assert_guard(task, name, guard)
    }

    pub(crate) fn mach_port_get_context(&mut self, task: TaskId, name: u32) -> Result<u64, KernReturn> {
        let port = self.receiver(task, name)?;
        let of = self.ports.at(port);
        Ok(if of.strict_guard { 0 } else { of.context })
    }

    pub(crate) fn mach_port_set_context(
        &mut self,
        task: TaskId,
        name: u32,
        context: u64,
    ) -> Result<(), KernReturn> {
        let port = self.receiver(task, name)?;
        let of = self.ports.at_mut(port);
        if of.strict_guard {
            let guard = of.context;
            self.guard_exception(name, guard, crate::guard::GuardReason::SetContext);
            return Err(KernReturn::KERN_INVALID_ARGUMENT);
        }
        of.context = context;
        Ok(())
    }

    pub(crate) fn mach_port_set_mscount(
        &mut self,
        task: TaskId,
        name: u32,
        mscount: u32,
    ) -> Result<(), KernReturn> {
        let port = self.receiver(task, name)?;
        self.ports.at_mut(port).mscount = mscount;
        Ok(())
    }

    pub(crate) fn mach_port_set_seqno(
        &mut self,
        task: TaskId,
        name: u32,
        seqno: u32,
    ) -> Result<(), KernReturn> {
        let port = self.receiver(task, name)?;
        self.ports.at_mut(port).seqno = seqno;
        Ok(())
    }

    /// A look at a message: the first one for 0, or the one of this number.
    pub(crate) fn mach_port_peek(
        &mut self,
        task: TaskId,
        name: u32,
        trailer_type: u32,
        seqno: u32,
        trailer_room: u32,
    ) -> Result<Peeked, KernReturn> {
        use crate::guard::GuardReason;
        if !is_valid(name) {
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        let options = MsgOption::from_bits_retain(u64::from(trailer_type));
        let trailer_size = trailer::size(options);
        if trailer::elements(options) > MACH_RCV_TRAILER_AUDIT || trailer_size > trailer_room {
            self.guard_exception(name, 0, GuardReason::InvalidValue);
            return Err(KernReturn::KERN_INVALID_VALUE);
        }
        let found = self.receive_right(task, name);
        let port = match found {
            Ok(port) => port,
            Err(error) => {
                let unknown = error == KernReturn::KERN_INVALID_NAME;
                let reason = if unknown { GuardReason::InvalidName } else { GuardReason::InvalidRight };
                self.guard_exception(name, 0, reason);
                return Err(error);
            }
        };
        let (seqno, kmsg) = self.peek(port, seqno)?;
        let kmsg = self.kmsgs.at(kmsg);
        // In a queue a trailer is the shortest one, whatever will be asked for.
        let trailer = trailer::of(kmsg, 8, seqno, 0);
        Ok(Peeked { seqno, size: kmsg.size(), id: kmsg.id, trailer, trailer_size })
    }
}

/// Places of a port's table of requests, which grows by doubling and then by sixteens.
fn requests_size(port: &Port) -> u32 {
    match port.requests.len() as u32 {
        0 => 0,
        // The first place is the table's own.
        used @ 1..=15 => (used + 1).next_power_of_two(),
        used => (used + 1).next_multiple_of(16),
    }
}

fn words(bytes: &[u8]) -> Result<Vec<u32>, KernReturn> {
    let mut words = Vec::new();
    words.try_reserve_exact(bytes.len() / 4).map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
    let (chunks, _) = bytes.as_chunks::<4>();
    words.extend(chunks.iter().map(|chunk| u32::from_le_bytes(*chunk)));
    Ok(words)
}
