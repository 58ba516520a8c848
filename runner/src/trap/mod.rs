//! Catching the guest's `syscall` instructions and signals.
//!
//! Syscall User Dispatch lets system calls through that are made from the runner's own text and turns all others into
//! `SIGSYS`. The handler copies the guest's registers into its [`GuestThread`] and leaves for the runner's own stack for
//! good, outside of signal context: there the call is served (`serve`), then ready signals are delivered, then the
//! guest's registers are loaded again (`entry`). Nothing touches the guest's stack but the frames of its signals.
//!
//! A signal that finds the guest running takes the same road, without a call. One that finds the core running is
//! put into the thread's inbox, which is looked at on the way out; one that finds the way out itself sends it back
//! to its beginning. That is safe because the way out only reads the thread's registers.

mod area;
mod entry;
mod handler;
mod kernel;
mod serve;
mod siginfo;
mod threads;

use crate::cli::LkmChoice;
use crate::heap;
use crate::ports::Ports;
use crate::trace::Recorder;
use std::io;
use std::ops::Range;
use threads::Threads;
use xnu_backend_linux::DeviceError;
use xnu_core::Process;
use xnu_core::registers::Registers;
use xnu_core::reserved::CapacityError;

pub use area::{GuestThread, current_thread};
pub use handler::INTERRUPTION;
pub use kernel::Trapped;
pub use threads::begin_bare as begin_bare_thread;

/// The guest's process, as the runner has it.
pub type GuestProcess = Process<Trapped, Ports>;

/// The one process. Not built where it is used: its pages are touched when they are needed.
static PROCESS: GuestProcess = Process::new(Trapped::new(), Ports::new());

/// Says what serves the guest's Mach ports. Before [`Guest::attach`].
///
/// # Errors
/// The device that was named cannot be opened, or is none of Darling's.
pub fn choose_ports(choice: &LkmChoice) -> Result<(), DeviceError> {
    PROCESS.lkm.choose(choice)
}

/// What the whole process shares. Lives as long as the guest does.
pub struct Guest {
    /// The core's state.
    pub process: &'static GuestProcess,
    /// Where calls are traced to, if anywhere.
    pub recorder: Option<Recorder>,
    /// The runner's text: what may make Linux calls.
    text: Range<u64>,
    /// Its threads.
    threads: Threads,
}

impl Guest {
    /// Makes the calling thread a guest's first: its memory, its stacks and the runner's signal handlers.
    ///
    /// From the start on the runner needs nothing but its image, the thread's area and the recorder's memory; these are
    /// kept from the guest, as is the range that the engine of Mach ports takes memory from. The stack and the heap that the runner started with are of no use to it any more.
    ///
    /// `signals` are the mask and the ignored signals, where a guest says so that executed this one.
    ///
    /// # Errors
    /// There is no memory, or the processor cannot save its vector registers.
    pub fn attach(
        recorder: Option<Recorder>,
        signals: Option<(u32, u32)>,
    ) -> io::Result<&'static mut GuestThread> {
        let memory = if PROCESS.lkm.is_embedded() { Some(heap::reserve()?) } else { None };
        let traced = recorder.as_ref().map(Recorder::memory);
        let thread = GuestThread::new(Guest {
            process: &PROCESS,
            recorder,
            text: entry::text(),
            threads: Threads::new(),
        })?;
        thread
            .use_signal_stack(&PROCESS.kernel)
            .map_err(|error| io::Error::from_raw_os_error(i32::from(error.number())))?;
        for range in [Some(entry::image()), Some(thread.area()), traced, memory].into_iter().flatten() {
            thread.keep(range).map_err(|_| io::Error::other("too many mappings to protect"))?;
        }
        handler::inherit(thread, signals)?;
        handler::install(thread.guest.process)?;
        thread.guest.process.kernel.handle_faults();
        thread.guest.process.lkm.handle_faults();
        Ok(thread)
    }
}

/// Why the guest's calls cannot be caught.
#[derive(Debug)]
pub struct Refused(io::Error);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reason = match self.0.raw_os_error() {
            Some(libc::EINVAL | libc::ENOSYS) => {
                "this kernel has no Syscall User Dispatch: Linux 5.11 or later for x86-64 is needed"
            }
            _ => "Syscall User Dispatch is forbidden here: allow prctl 59 in the container's seccomp profile",
        };
        write!(f, "cannot catch system calls ({}): {reason}", self.0)
    }
}

impl std::error::Error for Refused {}

impl GuestThread {
    /// Keeps addresses from the guest.
    ///
    /// # Errors
    /// All places are taken.
    pub fn keep(&self, range: Range<u64>) -> Result<(), CapacityError> {
        self.guest.process.reserved.add(range)
    }

    /// Starts the guest with these registers. From here on the thread is the guest's.
    ///
    /// # Errors
    /// Linux refuses Syscall User Dispatch.
    pub fn start(&mut self, registers: Registers) -> Result<std::convert::Infallible, Refused> {
        self.thread.registers = registers;
        entry::arm(&self.guest.text).map_err(Refused)?;
        if entry::end_rseq() {
            heap::leave_behind();
        }
        heap::take_over();
        entry::enter(self)
    }
}
