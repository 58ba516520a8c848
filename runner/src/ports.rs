//! What stands behind `/dev/mach` for a guest: the device, or the engine in the process.

use crate::cli::LkmChoice;
use crate::heap;
use crate::trap::{GuestThread, current_thread};
use xnu_abi::linux::Errno;
use xnu_abi::lkm::Trap;
use xnu_backend_linux::{Device, DeviceError, Embedded, Surroundings, ThreadSlot};
use xnu_core::reserved::Reserved;
use xnu_core::{Lkm, TrapArg};

/// The process around the engine: threads on their call stacks.
#[derive(Clone, Copy, Debug)]
pub struct Guests;

impl Guests {
    fn thread(&self) -> Option<&GuestThread> {
        current_thread()
    }
}

impl Surroundings for Guests {
    #[inline]
    fn slot(&self) -> Option<&ThreadSlot> {
        self.thread().map(|thread| &thread.ports)
    }

    fn reserved(&self) -> Option<&Reserved> {
        self.thread().map(|thread| &thread.guest.process.reserved)
    }

    fn forget_memory(&self) {
        heap::forget();
    }
}

/// What serves the guest's Mach ports.
#[derive(Debug)]
pub enum Ports {
    /// The engine in the process.
    Embedded(Embedded<Guests>),
    /// The device.
    Device(Device),
}

impl Ports {
    /// The engine, not made yet.
    pub const fn embedded() -> Ports {
        Ports::Embedded(Embedded::new(Guests))
    }

    /// What the command line asks for. The device that nobody named need not be there, nor be one.
    ///
    /// # Errors
    /// The named device cannot be opened, or is none of Darling's.
    pub fn open(choice: &LkmChoice) -> Result<Ports, DeviceError> {
        match choice {
            LkmChoice::Embedded => Ok(Ports::embedded()),
            LkmChoice::Auto => Ok(Device::open().map_or(Ports::embedded(), Ports::Device)),
            LkmChoice::Device(path) => Device::open_at(path).map(Ports::Device),
        }
    }

    /// As [`xnu_backend_linux::Linux::handle_faults`].
    pub fn handle_faults(&self) {
        if let Ports::Embedded(engine) = self {
            engine.handle_faults();
        }
    }
}

impl Lkm for Ports {
    fn call_raw(&self, trap: Trap, arg: TrapArg<'_>) -> Result<isize, Errno> {
        match self {
            Ports::Embedded(engine) => engine.call_raw(trap, arg),
            Ports::Device(device) => device.call_raw(trap, arg),
        }
    }

    fn forked(&self) {
        match self {
            Ports::Embedded(engine) => engine.forked(),
            Ports::Device(device) => device.forked(),
        }
    }
}
