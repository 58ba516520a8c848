//! What stands behind `/dev/mach` for a guest: the device, or the engine in the process.

use crate::cli::LkmChoice;
use crate::heap;
use crate::trap::{GuestThread, INTERRUPTION, begin_bare_thread, current_thread};
use std::sync::atomic::{AtomicI32, Ordering};
use xnu_abi::linux::Errno;
use xnu_abi::lkm::Trap;
use xnu_backend_linux::{
    Course, Device, DeviceError, Embedded, Linux, Surroundings, ThreadSlot, device_call,
};
use xnu_core::registers::Registers;
use xnu_core::reserved::Reserved;
use xnu_core::signal::Info;
use xnu_core::threads::NewThread;
use xnu_core::{Lkm, Thread, TrapArg};

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

    #[inline]
    fn id_changes(&self) -> u32 {
        self.thread().map_or(0, |thread| thread.guest.process.standing.id_changes.load(Ordering::Relaxed))
    }

    fn interruption(&self) -> Option<i32> {
        Some(INTERRUPTION)
    }

    fn is_signalled(&self) -> bool {
        self.thread().is_none_or(GuestThread::is_signalled)
    }

    fn asks_about_exceptions(&self) {
        if let Some(thread) = self.thread() {
            let process = thread.guest.process;
            process.actions.ask(&process.kernel);
        }
    }

    fn begin_thread(&self, new: &NewThread) -> Result<u64, Errno> {
        begin_bare_thread(new)
    }

    /// The log is the trace's, if there is one.
    fn log(&self, line: &str) {
        let Some(guest) = self.thread().map(|thread| thread.guest) else { return };
        if let Some(recorder) = &guest.recorder {
            recorder.log(&guest.process.kernel, line);
        }
    }
}

/// What serves the guest's Mach ports: the engine in the process unless a device was chosen.
#[derive(Debug)]
pub struct Ports {
    engine: Embedded<Guests>,
    linux: Linux,
    /// The descriptor of the device.
    device: AtomicI32,
}

const NO_DEVICE: i32 = -1;

impl Default for Ports {
    fn default() -> Ports {
        Ports::new()
    }
}

impl Ports {
    /// The engine, not made yet.
    pub const fn new() -> Ports {
        Ports { engine: Embedded::new(Guests), linux: Linux::new(), device: AtomicI32::new(NO_DEVICE) }
    }

    /// Does as the command line asks. The device that nobody named need not be there, nor be one.
    ///
    /// # Errors
    /// The named device cannot be opened, or is none of Darling's.
    pub fn choose(&self, choice: &LkmChoice) -> Result<(), DeviceError> {
        let device = match choice {
            LkmChoice::Embedded => None,
            LkmChoice::Auto => Device::open().ok(),
            LkmChoice::Device(path) => Some(Device::open_at(path)?),
        };
        self.device.store(device.map_or(NO_DEVICE, Device::into_fd), Ordering::Release);
        Ok(())
    }

    /// Whether it is the engine in the process.
    pub fn is_embedded(&self) -> bool {
        self.device.load(Ordering::Relaxed) == NO_DEVICE
    }

    /// Raises the exception of a fault of the calling thread's, if anybody wants to be asked; whether it was handled.
    #[inline]
    pub fn handles(&self, thread: &mut Thread, info: &Info) -> bool {
        self.engine.has_exception_ports() && self.engine.raise(thread, info)
    }

    /// As [`Embedded::has_suspended`].
    #[inline]
    pub fn has_suspended(&self) -> bool {
        self.engine.has_suspended()
    }

    /// As [`Embedded::stop`].
    pub fn stop(&self, thread: &mut Thread, at_call: Option<Registers>) -> Course {
        self.engine.stop(thread, at_call)
    }

    /// As [`Embedded::introduce`].
    ///
    /// # Errors
    /// As there.
    pub fn introduce(&self) -> Result<u64, Errno> {
        self.engine.introduce()
    }

    /// As [`Embedded::mark_pthread`].
    pub fn mark_pthread(&self) {
        self.engine.mark_pthread();
    }

    /// Suspends the calling thread: it stops before its program goes on, until somebody resumes it.
    pub fn suspend_caller(&self) {
        self.engine.suspend_caller();
    }

    /// As [`Linux::handle_faults`].
    pub fn handle_faults(&self) {
        self.engine.handle_faults();
    }
}

impl Lkm for Ports {
    fn call_raw(&self, trap: Trap, arg: TrapArg<'_>) -> Result<isize, Errno> {
        match self.device.load(Ordering::Relaxed) {
            NO_DEVICE => self.engine.call_raw(trap, arg),
            device => device_call(&self.linux, device, trap, arg),
        }
    }

    fn call_lending(
        &self,
        trap: Trap,
        arg: TrapArg<'_>,
        thread: Option<&mut Thread>,
    ) -> Result<isize, Errno> {
        match self.device.load(Ordering::Relaxed) {
            NO_DEVICE => self.engine.call_lending(trap, arg, thread),
            device => device_call(&self.linux, device, trap, arg),
        }
    }

    fn before_fork(&self) {
        if self.is_embedded() {
            self.engine.before_fork();
        }
    }

    fn after_fork(&self) {
        if self.is_embedded() {
            self.engine.after_fork();
        }
    }

    #[inline(always)]
    fn forked(&self) {
        if self.is_embedded() {
            self.engine.forked();
        } else {
            // The module gives the child a task of its own at its first call.
            let _ = self.call_raw(Trap::GetApiVersion, TrapArg::None);
        }
    }
}
