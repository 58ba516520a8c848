//! Mach traps.
//!
//! What is about ports goes to what stands behind `/dev/mach` ([`Lkm`]) in Darling's packed structures. Memory of the
//! caller's own task, clocks and the scheduler are Linux's.

pub mod device;
pub mod host;
pub mod message;
pub mod port;
pub mod semaphore;
mod table;
pub mod task;
pub mod thread;
pub mod timer;
pub mod vm;
pub mod voucher;

use crate::lkm::{Lkm, TrapArg};
use crate::process::Context;
use crate::table::SysResult;
use xnu_abi::darwin::kern_return::{KernReturn, MachMsgReturn};
use xnu_abi::linux::Errno;
use xnu_abi::lkm::Trap;
use xnu_abi::lkm::args::MachPortDeallocateArgs;
use zerocopy::{FromBytes, IntoBytes};

#[cfg(not(target_arch = "aarch64"))]
pub use table::dispatch;
pub use table::{parameter_count, row, rows};

/// Decodes the arguments of trap `number`, runs its handler and encodes the answer. Two clocks come before the table.
#[cfg(target_arch = "aarch64")]
#[inline]
pub fn dispatch<K: crate::Kernel, L: Lkm>(
    cx: &mut crate::Context<'_, K, L>,
    number: u32,
    words: &[u64; 8],
) -> crate::Reply {
    use crate::machdep::arm64::clock;
    match clock::dispatch(cx, number, words) {
        crate::Reply::Invalid => table::dispatch(cx, number, words),
        time => time,
    }
}

/// `MACH_PORT_NULL`: no port.
const MACH_PORT_NULL: u32 = 0;

/// The answer to a trap on a task that is not the caller's, after which a program sends that task a message.
const ELSEWHERE: KernReturn = KernReturn::new(MachMsgReturn::MACH_SEND_INVALID_DEST.number());

/// A `kern_return_t` as the answer.
fn kern(result: KernReturn) -> SysResult<i32> {
    Ok(result.number())
}

/// The answer of work that ends early with an error.
fn result(result: Result<(), KernReturn>) -> SysResult<i32> {
    kern(result.err().unwrap_or(KernReturn::KERN_SUCCESS))
}

/// Makes a trap with its structure, which may come back changed.
fn make<L: Lkm>(lkm: &L, trap: Trap, args: &mut (impl FromBytes + IntoBytes)) -> Result<i32, Errno> {
    lkm.call_raw(trap, TrapArg::Struct(args.as_mut_bytes())).map(|value| value as i32)
}

/// The same for a trap that waits: meanwhile others may look at the registers of the calling thread, or change them.
fn make_lending<K, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    trap: Trap,
    args: &mut (impl FromBytes + IntoBytes),
) -> Result<i32, Errno> {
    let argument = TrapArg::Struct(args.as_mut_bytes());
    cx.process.lkm.call_lending(trap, argument, cx.thread.as_deref_mut()).map(|value| value as i32)
}

/// As [`serve`], for a trap that waits.
fn wait_at<K, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    trap: Trap,
    mut args: impl FromBytes + IntoBytes,
) -> SysResult<i32> {
    served(make_lending(cx, trap, &mut args))
}

/// The same for a trap that answers a `kern_return_t`. Memory that cannot be reached is `KERN_MEMORY_ERROR`
/// (`bsd/libkern/copyio.h`, `mach_copyin`); what nobody serves is not supported.
fn serve<L: Lkm>(lkm: &L, trap: Trap, mut args: impl FromBytes + IntoBytes) -> SysResult<i32> {
    served(make(lkm, trap, &mut args))
}

fn served(answer: Result<i32, Errno>) -> SysResult<i32> {
    Ok(match answer {
        Ok(value) => value,
        Err(Errno::EFAULT) => KernReturn::KERN_MEMORY_ERROR.number(),
        Err(Errno::ENOSYS) => KernReturn::KERN_NOT_SUPPORTED.number(),
        Err(Errno::EINTR) => KernReturn::KERN_ABORTED.number(),
        Err(_) => KernReturn::KERN_FAILURE.number(),
    })
}

/// A trap without an argument that answers a port's name: `MACH_PORT_NULL` where there is none.
fn name<L: Lkm>(lkm: &L, trap: Trap) -> u32 {
    lkm.call_raw(trap, TrapArg::None).map_or(MACH_PORT_NULL, |name| name as u32)
}

/// Gives a right of the caller's back, whatever comes of it.
pub(crate) fn give_up<L: Lkm>(lkm: &L, right: u32) {
    let task = name(lkm, Trap::TaskSelfTrap);
    for right in [right, task] {
        let mut args = MachPortDeallocateArgs { task_right_name: task, port_right_name: right };
        let _ = make(lkm, Trap::KernelrpcMachPortDeallocate, &mut args);
    }
}

/// Whether a name is that of the caller's own task (`port_name_to_current_task_noref`). A task has one name for all
/// its send rights of a port, so this is the name that asking for the task gives.
fn is_own<L: Lkm>(lkm: &L, task: u32) -> bool {
    let own = name(lkm, Trap::TaskSelfTrap);
    if own == MACH_PORT_NULL {
        return false;
    }
    // The question was answered with a reference. Nobody but ports' servers counts them.
    let mut back = MachPortDeallocateArgs { task_right_name: own, port_right_name: own };
    let _ = make(lkm, Trap::KernelrpcMachPortDeallocate, &mut back);
    own == task
}
