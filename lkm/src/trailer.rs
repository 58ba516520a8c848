//! What the engine says of a message behind its end (`osfmk/mach/message.h`, `ipc_kmsg_deflate_trailer`).

use crate::kmsg::Kmsg;
use xnu_abi::darwin::mach_message::{
    AuditToken, MACH_MSG_TRAILER_FORMAT_0, MACH_RCV_TRAILER_AUDIT, MACH_RCV_TRAILER_AV, MACH_RCV_TRAILER_CTX,
    MACH_RCV_TRAILER_NULL, MACH_RCV_TRAILER_SENDER, MACH_RCV_TRAILER_SEQNO, MachMsgMaxTrailer, MsgOption,
};

/// Where the options say which trailer is wanted.
const ELEMENTS_SHIFT: u32 = 24;

/// The elements that options ask for.
pub(crate) fn elements(options: MsgOption) -> u32 {
    (options.bits() as u32 >> ELEMENTS_SHIFT) & 0xf
}

/// Bytes of the trailer that a receiver asked for (`REQUESTED_TRAILER_SIZE`).
pub(crate) fn size(options: MsgOption) -> u32 {
    match elements(options) {
        MACH_RCV_TRAILER_NULL => 8,
        MACH_RCV_TRAILER_SEQNO => 12,
        MACH_RCV_TRAILER_SENDER => 20,
        MACH_RCV_TRAILER_AUDIT => 52,
        MACH_RCV_TRAILER_CTX => 60,
        MACH_RCV_TRAILER_AV => 68,
        _ => size_of::<MachMsgMaxTrailer>() as u32,
    }
}

/// The trailer of a message: of what is made, the receiver gets [`size`] bytes.
pub(crate) fn of(kmsg: &Kmsg, size: u32, seqno: u32, context: u64) -> MachMsgMaxTrailer {
    MachMsgMaxTrailer {
        msgh_trailer_type: MACH_MSG_TRAILER_FORMAT_0,
        msgh_trailer_size: size,
        msgh_seqno: seqno,
        msgh_sender: kmsg.sender,
        msgh_audit: AuditToken { val: kmsg.audit },
        msgh_context: [context as u32, (context >> 32) as u32],
        msgh_ad: 0,
        msgh_labels: 0,
    }
}
