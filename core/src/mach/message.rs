//! Messages (`osfmk/ipc/mach_msg.c`).

use crate::kernel::Kernel;
use crate::lkm::Lkm;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserAddr;
use xnu_abi::darwin::kern_return::MachMsgReturn;
use xnu_abi::darwin::mach_message::MsgOption;
use xnu_abi::linux::Errno;
use xnu_abi::lkm::Trap;
use xnu_abi::lkm::args::MachMsgOverwriteArgs;
use xnu_abi::lkm::own_args::MachMsg2Args;
use zerocopy::{FromBytes, IntoBytes};

/// `mach_msg`: sends, receives, or both, in one place of memory.
#[allow(clippy::too_many_arguments)]
pub fn mach_msg<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    message: UserAddr,
    options: i32,
    send_size: u32,
    receive_size: u32,
    receive_name: u32,
    timeout_ms: u32,
    notify: u32,
) -> SysResult<i32> {
    let here = UserAddr::NULL;
    overwrite(cx, message, options, send_size, receive_size, receive_name, timeout_ms, notify, here, 0)
}

/// `mach_msg_overwrite`: the same; what is received goes to a place of its own unless that is null. The last word is
/// not looked at, by XNU neither.
#[allow(clippy::too_many_arguments)]
pub fn overwrite<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    message: UserAddr,
    options: i32,
    send_size: u32,
    receive_size: u32,
    receive_name: u32,
    timeout_ms: u32,
    priority: u32,
    receive: UserAddr,
    _: u32,
) -> SysResult<i32> {
    let mut args = MachMsgOverwriteArgs {
        msg: message.get(),
        option: options as u32,
        send_size,
        recv_size: receive_size,
        rcv_name: receive_name,
        timeout: timeout_ms,
        notify: priority,
        rcv_msg: receive.get(),
        rcv_limit: 0,
    };
    let answer = make(cx, Trap::MachMsgOverwriteTrap, &mut args);
    Ok(answer.unwrap_or_else(|error| not_served(error, u64::from(options as u32))).number())
}

/// `mach_msg2`: the header comes in registers, and the message may be in two pieces.
#[allow(clippy::too_many_arguments)]
pub fn mach_msg2<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    data: UserAddr,
    options: u64,
    bits_and_send_size: u64,
    remote_and_local_port: u64,
    voucher_and_id: u64,
    desc_count_and_rcv_name: u64,
    rcv_size_and_priority: u64,
    timeout: u64,
) -> SysResult<i32> {
    let mut args = MachMsg2Args {
        data: data.get(),
        options,
        bits_and_send_size,
        remote_and_local_port,
        voucher_and_id,
        desc_count_and_rcv_name,
        rcv_size_and_priority,
        timeout,
    };
    let answer = make(cx, Trap::MachMsg2Trap, &mut args);
    Ok(answer.unwrap_or_else(|error| not_served(error, options)).number())
}

/// Makes the trap. A message may be about the registers of the thread that sends it.
fn make<K, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    trap: Trap,
    args: &mut (impl FromBytes + IntoBytes),
) -> Result<MachMsgReturn, Errno> {
    super::make_lending(cx, trap, args).map(MachMsgReturn::new)
}

/// What a call answers that did not get as far as a message: there are no ports, or the call was interrupted.
fn not_served(error: Errno, options: u64) -> MachMsgReturn {
    let sends = MsgOption::from_bits_retain(options).contains(MsgOption::MACH64_SEND_MSG);
    match (error, sends) {
        (Errno::EINTR, true) => MachMsgReturn::MACH_SEND_INTERRUPTED,
        (Errno::EINTR, false) => MachMsgReturn::MACH_RCV_INTERRUPTED,
        (Errno::EFAULT, true) => MachMsgReturn::MACH_SEND_INVALID_DATA,
        (Errno::EFAULT, false) => MachMsgReturn::MACH_RCV_INVALID_DATA,
        (_, true) => MachMsgReturn::MACH_SEND_INVALID_DEST,
        (_, false) => MachMsgReturn::MACH_RCV_INVALID_NAME,
    }
}
