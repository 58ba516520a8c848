//! The traps of `/dev/mach`, one row each: who serves it, or why nobody does (`darling/traps.c` of Darling's module).
//!
//! An answer is a value, which for most traps is a `kern_return_t`, or a Linux error of the `ioctl` itself.

mod memory;
mod message;
mod port;
mod task;

use crate::engine::Engine;
use crate::host::{Caller, Host};
use core::marker::PhantomData;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::linux::Errno;
use xnu_abi::lkm::{ArgKind, Trap};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

/// What a trap answers.
type Answer = Result<isize, Errno>;

/// Bytes of an argument that are looked at in one step.
const PIECE: usize = 256;

/// Who serves a trap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrapGrade {
    /// The engine.
    Served,
    /// The host ([`Host::own_trap`]), for this reason.
    Host(&'static str),
    /// Nobody, for this reason: `ENOSYS`, once the argument proved readable.
    Refused(&'static str),
    /// Nobody: the number is reserved, and its argument is not even read.
    Reserved,
}

/// The argument of a trap, as its caller has it.
#[derive(Debug)]
pub enum TrapArgument<'a> {
    /// A number, or the address of the trap's structure in the memory of the caller's task.
    Word(u64),
    /// The trap's structure in memory of the host's own, for callers that make it for the call.
    Struct(&'a mut [u8]),
}

impl TrapArgument<'_> {
    fn word(&self) -> u64 {
        match self {
            TrapArgument::Word(word) => *word,
            TrapArgument::Struct(_) => 0,
        }
    }

    /// Reads a structure.
    fn get<T: FromBytes + FromZeros + IntoBytes, H: Host>(
        &self,
        engine: &Engine<H>,
        caller: Caller,
    ) -> Result<T, Errno> {
        match self {
            TrapArgument::Struct(bytes) => {
                T::read_from_prefix(bytes).map(|(args, _)| args).map_err(|_| Errno::EFAULT)
            }
            TrapArgument::Word(address) => {
                let mut args = T::new_zeroed();
                engine.host.copy_in(caller.task, *address, args.as_mut_bytes()).map_err(|_| Errno::EFAULT)?;
                Ok(args)
            }
        }
    }

    /// Writes part of the structure, from an offset on.
    fn put<T: IntoBytes + Immutable, H: Host>(
        &mut self,
        engine: &Engine<H>,
        caller: Caller,
        offset: usize,
        value: &T,
    ) -> Result<(), Errno> {
        match self {
            TrapArgument::Struct(bytes) => {
                let room = bytes.get_mut(offset..).ok_or(Errno::EFAULT)?;
                value.write_to_prefix(room).map_err(|_| Errno::EFAULT)
            }
            TrapArgument::Word(address) => engine.give(caller, address.wrapping_add(offset as u64), value),
        }
    }
}

/// What a handler takes, made of the trap's argument.
trait Argument<'a>: Sized {
    fn read<H: Host>(engine: &Engine<H>, caller: Caller, argument: TrapArgument<'a>) -> Result<Self, Errno>;
}

impl Argument<'_> for () {
    fn read<H: Host>(_: &Engine<H>, _: Caller, _: TrapArgument<'_>) -> Result<(), Errno> {
        Ok(())
    }
}

impl Argument<'_> for i32 {
    fn read<H: Host>(_: &Engine<H>, _: Caller, argument: TrapArgument<'_>) -> Result<i32, Errno> {
        Ok(argument.word() as i32)
    }
}

/// A structure that was read.
struct In<T>(T);

impl<T: FromBytes + FromZeros + IntoBytes> Argument<'_> for In<T> {
    fn read<H: Host>(engine: &Engine<H>, caller: Caller, argument: TrapArgument<'_>) -> Result<In<T>, Errno> {
        argument.get(engine, caller).map(In)
    }
}

/// Where a structure is to be written.
struct Out<'a, T>(TrapArgument<'a>, PhantomData<T>);

impl<'a, T> Argument<'a> for Out<'a, T> {
    fn read<H: Host>(_: &Engine<H>, _: Caller, argument: TrapArgument<'a>) -> Result<Out<'a, T>, Errno> {
        Ok(Out(argument, PhantomData))
    }
}

impl<T: IntoBytes + Immutable> Out<'_, T> {
    fn write<H: Host>(&mut self, engine: &Engine<H>, caller: Caller, value: &T) -> Answer {
        self.0.put(engine, caller, 0, value)?;
        Ok(0)
    }
}

/// A structure that was read, and where it is to be written back.
struct InOut<'a, T>(TrapArgument<'a>, T);

impl<'a, T: FromBytes + FromZeros + IntoBytes> Argument<'a> for InOut<'a, T> {
    fn read<H: Host>(
        engine: &Engine<H>,
        caller: Caller,
        argument: TrapArgument<'a>,
    ) -> Result<InOut<'a, T>, Errno> {
        let args = argument.get(engine, caller)?;
        Ok(InOut(argument, args))
    }
}

/// A result as a trap's value.
fn code(result: Result<(), KernReturn>) -> isize {
    result.err().map_or(0, |error| error.number() as isize)
}

fn run<'a, H: Host, A: Argument<'a>>(
    engine: &Engine<H>,
    caller: Caller,
    argument: TrapArgument<'a>,
    handler: impl FnOnce(&Engine<H>, Caller, A) -> Answer,
) -> Answer {
    handler(engine, caller, A::read(engine, caller, argument)?)
}

fn name<H: Host>(engine: &Engine<H>, caller: Caller, make: impl FnOnce(&Engine<H>, Caller) -> u32) -> Answer {
    Ok(make(engine, caller) as isize)
}

/// One row a trap: `serve` by a handler, `name` by a call that answers a port's name, `host`, `refuse` or `reserved`.
macro_rules! rows {
    ($($kind:ident $trap:ident $(=> $handler:path)? $(: $reason:literal)?,)*) => {
        /// Who serves a trap.
        pub fn trap_grade(trap: Trap) -> TrapGrade {
            match trap {
                $(Trap::$trap => rows!(@grade $kind $($reason)?),)*
            }
        }

        impl<H: Host> Engine<H> {
            fn serve(&self, caller: Caller, trap: Trap, argument: TrapArgument<'_>) -> Answer {
                match trap {
                    $(Trap::$trap => rows!(@run $kind self caller trap argument $($handler)?),)*
                }
            }
        }
    };
    (@grade serve) => { TrapGrade::Served };
    (@grade name) => { TrapGrade::Served };
    (@grade host $reason:literal) => { TrapGrade::Host($reason) };
    (@grade refuse $reason:literal) => { TrapGrade::Refused($reason) };
    (@grade reserved) => { TrapGrade::Reserved };
    (@run serve $self:ident $caller:ident $trap:ident $argument:ident $handler:path) => {
        run($self, $caller, $argument, $handler)
    };
    (@run name $self:ident $caller:ident $trap:ident $argument:ident $handler:path) => {
        name($self, $caller, $handler)
    };
    (@run host $self:ident $caller:ident $trap:ident $argument:ident) => {{
        $self.check_argument($caller, $trap, &$argument)?;
        $self.host.own_trap($caller, $trap, $argument)
    }};
    (@run refuse $self:ident $caller:ident $trap:ident $argument:ident) => {{
        $self.check_argument($caller, $trap, &$argument)?;
        Err(Errno::ENOSYS)
    }};
    (@run reserved $self:ident $caller:ident $trap:ident $argument:ident) => { Err(Errno::ENOSYS) };
}

rows! {
    serve GetApiVersion => task::get_api_version,
    name MachReplyPort => Engine::mach_reply_port,
    serve KernelrpcMachPortModRefs => port::mod_refs,
    name TaskSelfTrap => Engine::task_self,
    name HostSelfTrap => Engine::host_self,
    serve KernelrpcMachPortAllocate => port::allocate,
    serve MachMsgOverwriteTrap => message::mach_msg_overwrite,
    serve KernelrpcMachPortDeallocate => port::deallocate,
    serve KernelrpcMachPortDestroy => port::destroy,
    serve SemaphoreSignalTrap => message::semaphore_signal,
    serve SemaphoreSignalAllTrap => message::semaphore_signal_all,
    serve SemaphoreWaitTrap => message::semaphore_wait,
    serve SemaphoreWaitSignalTrap => message::semaphore_wait_signal,
    serve SemaphoreTimedwaitSignalTrap => message::semaphore_timedwait_signal,
    serve SemaphoreTimedwaitTrap => message::semaphore_timedwait,
    reserved BsdIoctlTrap,
    name ThreadSelfTrap => Engine::thread_self,
    reserved BsdthreadTerminateTrap,
    refuse PsynchMutexwaitTrap: "the engine has no psynch yet",
    refuse PsynchMutexdropTrap: "the engine has no psynch yet",
    serve PthreadKillTrap => task::pthread_kill,
    refuse PsynchCvwaitTrap: "the engine has no psynch yet",
    refuse PsynchCvsignalTrap: "the engine has no psynch yet",
    refuse PsynchCvbroadTrap: "the engine has no psynch yet",
    name MkTimerCreateTrap => Engine::mk_timer_create,
    serve MkTimerArmTrap => message::mk_timer_arm,
    serve MkTimerCancelTrap => message::mk_timer_cancel,
    serve MkTimerDestroyTrap => message::mk_timer_destroy,
    serve KernelrpcMachPortMoveMemberTrap => port::move_member,
    serve KernelrpcMachPortInsertMemberTrap => port::insert_member,
    serve KernelrpcMachPortExtractMemberTrap => port::extract_member,
    serve ThreadDeathAnnounce => task::thread_death_announce,
    serve KernelrpcMachPortInsertRightTrap => port::insert_right,
    serve ForkWaitForChild => task::fork_wait_for_child,
    serve TaskForPidTrap => task::task_for_pid,
    serve PidForTaskTrap => task::pid_for_task,
    serve SetDyldInfo => task::set_dyld_info,
    serve StopAfterExec => task::stop_after_exec,
    serve KernelPrintk => task::kernel_printk,
    host PathAt: "paths are the host's",
    refuse PsynchRwRdlock: "the engine has no psynch yet",
    refuse PsynchRwWrlock: "the engine has no psynch yet",
    refuse PsynchRwUnlock: "the engine has no psynch yet",
    refuse PsynchCvclrprepost: "the engine has no psynch yet",
    serve GetTracer => task::get_tracer,
    serve TidForThread => task::tid_for_thread,
    serve Getuidgid => task::getuidgid,
    serve Setuidgid => task::setuidgid,
    serve TaskNameForPidTrap => task::task_name_for_pid,
    serve SetTracer => task::set_tracer,
    serve PthreadMarkcancel => task::pthread_markcancel,
    serve PthreadCanceled => task::pthread_canceled,
    host PidGetState: "whether a process runs is the host's to know",
    serve StartedSuspended => task::started_suspended,
    serve Task64bit => task::task_64bit,
    serve KernelrpcMachVmAllocateTrap => memory::allocate,
    serve KernelrpcMachVmDeallocateTrap => memory::deallocate,
    host LastTriggeredWatchpoint: "watchpoints are the host's",
    host Vchroot: "paths are the host's",
    host VchrootExpand: "paths are the host's",
    host VchrootFdpath: "paths are the host's",
    host HandleToPath: "paths are the host's",
    refuse FileportMakeport: "descriptors do not pass through the engine yet",
    refuse FileportMakefd: "descriptors do not pass through the engine yet",
    refuse Sigprocess: "the engine has no exception ports yet",
    refuse PtraceThupdate: "the engine has no exception ports yet",
    refuse PtraceSigexc: "the engine has no exception ports yet",
    refuse ThreadSuspended: "the engine suspends no threads yet",
    serve SetThreadHandles => task::set_thread_handles,
    name ThreadGetSpecialReplyPort => Engine::thread_get_special_reply_port,
    serve KernelrpcMachPortRequestNotificationTrap => port::request_notification,
    serve KernelrpcMachPortTypeTrap => port::kinds,
    serve KernelrpcMachPortGetAttributesTrap => port::get_attributes,
    serve KernelrpcMachPortConstructTrap => port::construct,
    serve KernelrpcMachPortDestructTrap => port::destruct,
    serve KernelrpcMachPortGuardTrap => port::guard,
    serve KernelrpcMachPortUnguardTrap => port::unguard,
    host KqueueCreate: "kqueues are descriptors, and those the host's",
    host Kevent: "kqueues are descriptors, and those the host's",
    host Kevent64: "kqueues are descriptors, and those the host's",
    host KeventQos: "kqueues are descriptors, and those the host's",
    host ClosingDescriptor: "kqueues are descriptors, and those the host's",
    serve MachMsg2Trap => message::mach_msg2,
    serve SemaphoreSignalThreadTrap => message::semaphore_signal_thread,
    serve ClockSleepTrap => message::clock_sleep,
    serve HostCreateMachVoucherTrap => message::host_create_mach_voucher,
    serve DebugControlPortForPidTrap => task::debug_control_port_for_pid,
    serve MachVoucherExtractAttrRecipeTrap => message::mach_voucher_extract_attr_recipe,
}

impl<H: Host> Engine<H> {
    /// A trap: a request of `ioctl`, with the address of its structure or the value that it takes.
    ///
    /// Most values are a `kern_return_t` or a port's name. They are 32 bits, and those of an `int` are sign-extended.
    ///
    /// # Errors
    /// `ENXIO` for a task that an exec or another open of the device replaced; `ENOSYS` for a number that is no trap's
    /// or a trap that nobody serves ([`trap_grade`]); `EFAULT` for an argument that cannot be read or written; and those
    /// of the trap.
    pub fn trap(&self, caller: Caller, number: u32, argument: u64) -> Result<isize, Errno> {
        self.trap_with(caller, Trap::new(number), TrapArgument::Word(argument))
    }

    /// The same for a trap that is known already, if it is one, wherever its structure is.
    ///
    /// # Errors
    /// As [`Engine::trap`]; `EFAULT` for a structure that is too short.
    pub fn trap_with(
        &self,
        caller: Caller,
        trap: Option<Trap>,
        argument: TrapArgument<'_>,
    ) -> Result<isize, Errno> {
        if self.is_replaced(caller) {
            return Err(Errno::ENXIO);
        }
        let answer = self.serve(caller, trap.ok_or(Errno::ENOSYS)?, argument);
        if self.has_suspended() {
            self.park(caller);
        }
        answer
    }

    /// Whether the whole structure of a trap can be read.
    fn check_argument(&self, caller: Caller, trap: Trap, argument: &TrapArgument<'_>) -> Result<(), Errno> {
        let ArgKind::Struct(layout) = trap.argument() else { return Ok(()) };
        let mut at = match argument {
            TrapArgument::Word(address) => *address,
            TrapArgument::Struct(bytes) if bytes.len() < layout.size => return Err(Errno::EFAULT),
            TrapArgument::Struct(_) => return Ok(()),
        };
        let mut piece = [0; PIECE];
        let mut left = layout.size;
        while left > 0 {
            let size = left.min(PIECE);
            let part = piece.get_mut(..size).ok_or(Errno::EFAULT)?;
            self.host.copy_in(caller.task, at, part).map_err(|_| Errno::EFAULT)?;
            at = at.wrapping_add(size as u64);
            left -= size;
        }
        Ok(())
    }

    /// Writes a value to the caller.
    fn give<T: IntoBytes + Immutable + ?Sized>(
        &self,
        caller: Caller,
        to: u64,
        value: &T,
    ) -> Result<(), Errno> {
        self.host.copy_out(caller.task, to, value.as_bytes()).map_err(|_| Errno::EFAULT)
    }
}
