//! Traps on the caller's memory (`osfmk/ipc/mach_kernelrpc.c`, `osfmk/vm/vm_user.c`).
//!
//! Differs from Darling's module: another task's memory is not served (`MACH_SEND_INVALID_DEST`, as XNU's traps).

use super::{Answer, In, InOut, code};
use crate::engine::Engine;
use crate::host::{Caller, Host};
use xnu_abi::darwin::kern_return::{KernReturn, MachMsgReturn};
use xnu_abi::darwin::mach::{VM_FLAGS_USER_ALLOCATE, VmFlags};
use xnu_abi::lkm::args::{MachVmAllocateArgs, MachVmDeallocateArgs};

const PAGE: u64 = 4096;
const ELSEWHERE: Answer = Ok(MachMsgReturn::MACH_SEND_INVALID_DEST.number() as isize);

impl<H: Host> Engine<H> {
    /// `mach_vm_allocate`: zeroed memory, where it is wanted or anywhere. Answers the address, 0 for no bytes.
    ///
    /// # Errors
    /// `KERN_INVALID_ARGUMENT` for flags that are none and sizes that no task has, `KERN_NO_SPACE`.
    pub fn mach_vm_allocate(
        &self,
        caller: Caller,
        address: u64,
        size: u64,
        flags: u32,
    ) -> Result<u64, KernReturn> {
        if flags & !VM_FLAGS_USER_ALLOCATE != 0 {
            return Err(KernReturn::KERN_INVALID_ARGUMENT);
        }
        if size == 0 {
            return Ok(0);
        }
        let flags = VmFlags::from_bits_retain(flags);
        let size = size.checked_next_multiple_of(PAGE).ok_or(KernReturn::KERN_INVALID_ARGUMENT)?;
        if flags.contains(VmFlags::VM_FLAGS_ANYWHERE) {
            return self.host.allocate(caller.task, size).map_err(|_| KernReturn::KERN_NO_SPACE);
        }
        let address = address - address % PAGE;
        address.checked_add(size).ok_or(KernReturn::KERN_INVALID_ARGUMENT)?;
        let overwrite = flags.contains(VmFlags::VM_FLAGS_OVERWRITE);
        match self.host.allocate_at(caller.task, address, size, overwrite) {
            Ok(()) => Ok(address),
            Err(_) => Err(KernReturn::KERN_NO_SPACE),
        }
    }

    /// `mach_vm_deallocate`.
    ///
    /// # Errors
    /// `KERN_INVALID_ARGUMENT` for a range that runs over the end of addresses.
    pub fn mach_vm_deallocate(&self, caller: Caller, address: u64, size: u64) -> Result<(), KernReturn> {
        if size == 0 {
            return Ok(());
        }
        let start = address - address % PAGE;
        let end = address.checked_add(size).and_then(|end| end.checked_next_multiple_of(PAGE));
        let end = end.ok_or(KernReturn::KERN_INVALID_ARGUMENT)?;
        self.host.deallocate(caller.task, start, end - start);
        Ok(())
    }
}

pub(super) fn allocate<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    InOut(mut at, args): InOut<'_, MachVmAllocateArgs>,
) -> Answer {
    if !engine.is_own(caller, args.target) {
        return ELSEWHERE;
    }
    match engine.mach_vm_allocate(caller, args.address, args.size, args.flags) {
        Ok(address) => {
            at.put(engine, caller, 0, &MachVmAllocateArgs { address, ..args })?;
            Ok(0)
        }
        Err(error) => Ok(code(Err(error))),
    }
}

pub(super) fn deallocate<H: Host>(
    engine: &Engine<H>,
    caller: Caller,
    In(args): In<MachVmDeallocateArgs>,
) -> Answer {
    if !engine.is_own(caller, args.target) {
        return ELSEWHERE;
    }
    Ok(code(engine.mach_vm_deallocate(caller, args.address, args.size)))
}
