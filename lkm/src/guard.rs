//! Guards of ports, and the exception that breaking one raises (`osfmk/ipc/ipc_policy.c`, `osfmk/kern/exc_guard.h`).
//!
//! The engine notes the exception at the thread; the host asks for it after each call
//! ([`crate::Engine::take_guard_exception`]) and raises it, or does not, as the task's policy says.

use crate::port::PortId;
use crate::state::State;
use crate::task::TaskId;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach_port::PortGuardFlags;

/// What was done (`kGUARD_EXC_…` of `osfmk/mach/port.h`), by its number there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum GuardReason {
    /// Destroying a guarded port.
    Destroy = 1,
    /// Sending with options that are not allowed.
    InvalidOptions = 3,
    /// Changing the context of a strictly guarded port.
    SetContext = 4,
    /// Unguarding a port without a guard.
    Unguarded = 8,
    /// The wrong guard.
    IncorrectGuard = 16,
    /// Moving a right that must stay.
    Immovable = 32,
    /// The name has not such a right.
    InvalidRight = 256,
    /// The name names nothing.
    InvalidName = 512,
    /// A number out of range.
    InvalidValue = 1 << 10,
    /// An argument that does not fit.
    InvalidArgument = 1 << 11,
    /// Something is in the way.
    Failure = 1 << 14,
    /// A message with a bad reply port.
    SendInvalidReply = 1 << 16,
    /// A message with a bad voucher.
    SendInvalidVoucher = 1 << 17,
    /// A message with a right that the sender does not have.
    SendInvalidRight = 1 << 18,
    /// Receiving from what is no receive right.
    ReceiveInvalidName = 1 << 19,
}

/// Reasons up to this one kill the task (`MAX_FATAL_kGUARD_EXC_CODE`).
const LAST_FATAL: u32 = 128;

const GUARD_TYPE_MACH_PORT: u64 = 1;

/// An `EXC_GUARD` that the calling thread has earned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GuardException {
    /// The exception's code: type, reason and name of the port.
    pub code: u64,
    /// The exception's subcode: the guard of the port, or what else belongs to the reason.
    pub subcode: u64,
    /// The task cannot go on, whatever its policy for the others is.
    pub fatal: bool,
}

impl GuardException {
    pub(crate) fn new(name: u32, subcode: u64, reason: GuardReason) -> GuardException {
        let code = GUARD_TYPE_MACH_PORT << 61 | u64::from(reason as u32) << 32 | u64::from(name);
        GuardException { code, subcode, fatal: reason as u32 <= LAST_FATAL }
    }

    /// The reason.
    pub fn reason(&self) -> u32 {
        (self.code >> 32) as u32 & 0x1fff_ffff
    }

    /// The name of the port.
    pub fn name(&self) -> u32 {
        self.code as u32
    }
}

impl<R> State<R> {
    /// The port of a name whose receive right is here; mistakes raise a guard exception (`mach_port_guard` and its like).
    fn receive_or_guard(&mut self, task: TaskId, name: u32) -> Result<PortId, KernReturn> {
        if name == 0 || name == u32::MAX {
            return Err(KernReturn::KERN_INVALID_NAME);
        }
        let found = self.receive_right(task, name);
        match found {
            Ok(_) => {}
            Err(KernReturn::KERN_INVALID_NAME) => self.guard_exception(name, 0, GuardReason::InvalidName),
            Err(_) => self.guard_exception(name, 0, GuardReason::InvalidRight),
        }
        found
    }

    /// Guards a port, whose context becomes the guard (`mach_port_guard_locked`).
    pub(crate) fn guard_port(
        &mut self,
        name: u32,
        port: PortId,
        guard: u64,
        flags: PortGuardFlags,
    ) -> Result<(), KernReturn> {
        let of = self.ports.at_mut(port);
        if of.context != 0 {
            let context = of.context;
            self.guard_exception(name, context, GuardReason::InvalidArgument);
            return Err(KernReturn::KERN_INVALID_ARGUMENT);
        }
        of.context = guard;
        of.guarded = true;
        of.strict_guard = flags.contains(PortGuardFlags::MPG_STRICT);
        of.immovable_receive |= flags.contains(PortGuardFlags::MPG_IMMOVABLE_RECEIVE);
        Ok(())
    }

    pub(crate) fn mach_port_guard(
        &mut self,
        task: TaskId,
        name: u32,
        guard: u64,
        flags: PortGuardFlags,
    ) -> Result<(), KernReturn> {
        let port = self.receive_or_guard(task, name)?;
        self.guard_port(name, port, guard, flags)
    }

    pub(crate) fn mach_port_unguard(
        &mut self,
        task: TaskId,
        name: u32,
        guard: u64,
    ) -> Result<(), KernReturn> {
        let port = self.receive_or_guard(task, name)?;
        let of = self.ports.at_mut(port);
        let (guarded, context) = (of.guarded, of.context);
        if !guarded {
            self.guard_exception(name, 0, GuardReason::Unguarded);
            return Err(KernReturn::KERN_INVALID_ARGUMENT);
        }
        if context != guard {
            self.guard_exception(name, context, GuardReason::IncorrectGuard);
            return Err(KernReturn::KERN_INVALID_ARGUMENT);
        }
        of.context = 0;
        of.guarded = false;
        of.strict_guard = false;
        Ok(())
    }

    pub(crate) fn mach_port_swap_guard(
        &mut self,
        task: TaskId,
        name: u32,
        old: u64,
        new: u64,
    ) -> Result<(), KernReturn> {
        let port = self.receive_or_guard(task, name)?;
        let of = self.ports.at_mut(port);
        let broken = match (of.guarded, of.strict_guard, of.context) {
            (false, _, _) => Some((0, GuardReason::Unguarded)),
            (true, true, context) => Some((context, GuardReason::SetContext)),
            (true, false, context) if context != old => Some((context, GuardReason::IncorrectGuard)),
            _ => None,
        };
        if let Some((context, reason)) = broken {
            self.guard_exception(name, context, reason);
            return Err(KernReturn::KERN_INVALID_ARGUMENT);
        }
        of.context = new;
        Ok(())
    }

    /// Whether a port has this strict guard (`mach_port_assert_attributes`).
    pub(crate) fn assert_guard(&mut self, task: TaskId, name: u32, guard: u64) -> Result<(), KernReturn> {
        if name == 0 || name == u32::MAX {
            return Err(KernReturn::KERN_INVALID_RIGHT);
        }
        let port = self.receive_right(task, name)?;
        let of = self.ports.at(port);
        let (guarded, strict, context) = (of.guarded, of.strict_guard, of.context);
        if guarded && strict && context == guard {
            return Ok(());
        }
        let reason = if guarded { GuardReason::IncorrectGuard } else { GuardReason::Unguarded };
        self.guard_exception(name, if guarded { context } else { 0 }, reason);
        Err(KernReturn::KERN_INVALID_ARGUMENT)
    }
}
