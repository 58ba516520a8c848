//! Writing what was received to where a program wants it (`ipc_kmsg_put_to_user` of `osfmk/ipc/ipc_kmsg.c`).

use crate::engine::Engine;
use crate::host::{Caller, Host};
use crate::kmsg::Kmsg;
use crate::message::Incoming;
use crate::queue::Reception;
use crate::trailer;
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::MachMsgReturn;
use xnu_abi::darwin::mach_message::{MachMsgHeader, MachMsgMaxTrailer, MsgOption};
use zerocopy::IntoBytes;

/// A message with names, ready to be written.
pub(crate) struct Arrived {
    pub(crate) bytes: Vec<u8>,
    /// Arrays of names and where they go.
    pub(crate) arrays: Vec<(u64, Vec<u8>)>,
    pub(crate) aux: Option<Vec<u8>>,
    /// All that can be told where there was no memory for the bytes.
    pub(crate) bare: Option<MachMsgHeader>,
    pub(crate) errors: i32,
}

/// The trailer that a receiver wants, and how many bytes of it.
fn trailer_of(incoming: &Incoming, (kmsg, seqno, context): (&Kmsg, u32, u64)) -> (MachMsgMaxTrailer, usize) {
    let size = trailer::size(incoming.options);
    (trailer::of(kmsg, size, seqno, context), size as usize)
}

impl<H: Host> Engine<H> {
    /// Writes what a receiver with too little room gets to know of a message that stays where it is
    /// (`mach_msg_receive_too_large`).
    pub(crate) fn tell_too_large(
        &self,
        caller: Caller,
        incoming: &Incoming,
        got: &Reception,
    ) -> MachMsgReturn {
        let put = |at: u64, word: u32| {
            let at = incoming.address.wrapping_add(at);
            self.host.copy_out(caller.task, at, &word.to_le_bytes()).is_ok()
        };
        let mut written = true;
        if incoming.options.contains(MsgOption::MACH64_RCV_LARGE_IDENTITY) && incoming.size >= 16 {
            written &= put(12, got.name);
        }
        if incoming.size >= 8 {
            written &= put(4, got.wanted);
        }
        if incoming.aux_address != 0 {
            let size = got.wanted_aux.to_le_bytes();
            written &= self.host.copy_out(caller.task, incoming.aux_address, &size).is_ok();
        }
        if written { MachMsgReturn::MACH_RCV_TOO_LARGE } else { MachMsgReturn::MACH_RCV_INVALID_DATA }
    }

    /// Writes a message and its trailer to where the receiver wants them (`ipc_kmsg_put_to_user`).
    pub(crate) fn write_arrived(
        &self,
        caller: Caller,
        incoming: &Incoming,
        arrived: Arrived,
        trailer: Option<(&Kmsg, u32, u64)>,
    ) -> Result<(), MachMsgReturn> {
        let Arrived { mut bytes, aux, bare, .. } = arrived;
        let aux = aux.as_deref();
        if let Some(header) = bare {
            return self.write_bare(caller, incoming, &header, aux, trailer);
        }
        let bad = MachMsgReturn::MACH_RCV_INVALID_DATA;
        if bytes.len() > incoming.size as usize {
            return Err(bad);
        }
        if let Some(trailer) = trailer {
            let (trailer, size) = trailer_of(incoming, trailer);
            let part = trailer.as_bytes().get(..size).unwrap_or(&[]);
            bytes.try_reserve_exact(part.len()).map_err(|_| bad)?;
            bytes.extend_from_slice(part);
        }
        self.write(caller, incoming, &bytes, aux)
    }

    /// The same for a header alone, which needs no memory.
    pub(crate) fn write_bare(
        &self,
        caller: Caller,
        incoming: &Incoming,
        header: &MachMsgHeader,
        aux: Option<&[u8]>,
        trailer: Option<(&Kmsg, u32, u64)>,
    ) -> Result<(), MachMsgReturn> {
        let mut bytes = [0; size_of::<MachMsgHeader>() + size_of::<MachMsgMaxTrailer>()];
        let mut used = size_of::<MachMsgHeader>();
        if used > incoming.size as usize {
            return Err(MachMsgReturn::MACH_RCV_INVALID_DATA);
        }
        let trailer = trailer.map(|trailer| trailer_of(incoming, trailer));
        let (trailer, size) =
            trailer.as_ref().map_or((&[][..], 0), |(trailer, size)| (trailer.as_bytes(), *size));
        let from = header.as_bytes().iter().chain(trailer.iter().take(size));
        bytes.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        used += size;
        self.write(caller, incoming, bytes.get(..used).unwrap_or(&bytes), aux)
    }

    /// Writes as much of a message as there is room for, and the second vector.
    fn write(
        &self,
        caller: Caller,
        incoming: &Incoming,
        bytes: &[u8],
        aux: Option<&[u8]>,
    ) -> Result<(), MachMsgReturn> {
        let put = |at, bytes: &[u8]| {
            let written = self.host.copy_out(caller.task, at, bytes);
            written.map_err(|_| MachMsgReturn::MACH_RCV_INVALID_DATA)
        };
        put(incoming.address, bytes.get(..incoming.size as usize).unwrap_or(bytes))?;
        if incoming.aux_address == 0 {
            return Ok(());
        }
        // Without a second vector there is an end of one.
        let size = aux.map_or(0, |body| 8 + body.len() as u32);
        if size > incoming.aux_size {
            return Ok(());
        }
        put(incoming.aux_address, &u64::from(size).to_le_bytes())?;
        match aux {
            Some(body) if !body.is_empty() => put(incoming.aux_address.wrapping_add(8), body),
            _ => Ok(()),
        }
    }
}
