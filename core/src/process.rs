//! What the emulation remembers of a process.

use crate::bsd::ulock::Waiters;
use crate::descriptors::Descriptors;
use crate::kernel::Kernel;
use crate::linux::{LinuxFd, LinuxResult};
use crate::lkm::Lkm;
use crate::loader::Loader;
use crate::machdep::segments::Segments;
use crate::program::Program;
use crate::registers::{Registers, VectorState};
use crate::reserved::Reserved;
use crate::signal::{Actions, ThreadSignals};
use crate::standing::Standing;
use crate::threads::Registration;
use crate::vchroot::{self, Lookup, Vchroot};
use crate::version::ChosenVersion;
use xnu_abi::vchroot::{PATH_BYTES, VchrootExpandArgs, VchrootUnexpandArgs};

/// A process: the backends and the state that outlives a call.
///
/// `const`-constructible, so that it can live in a `static`; shared by all threads, so everything in it is atomic.
pub struct Process<K, L> {
    /// Linux.
    pub kernel: K,
    /// What stands behind `/dev/mach`.
    pub lkm: L,
    /// Signal actions.
    pub actions: Actions,
    /// Memory in the process that is not the guest's.
    pub reserved: Reserved,
    /// What Linux does not keep of descriptors.
    pub descriptors: Descriptors,
    /// The directory that is the process's root.
    pub vchroot: Vchroot,
    /// What Linux does not keep of its standing.
    pub standing: Standing,
    /// Its segments, where the processor has any.
    pub segments: Segments,
    /// The system that it is told of.
    pub version: ChosenVersion,
    /// Who starts Mach-O programs.
    pub loader: Loader,
    /// Where its program is in memory.
    pub program: Program,
    /// How its threads begin.
    pub registration: Registration,
    /// Who waits at words of its own.
    pub waiters: Waiters,
}

impl<K: Kernel, L: Lkm> Process<K, L> {
    /// A process that has done nothing yet.
    pub const fn new(kernel: K, lkm: L) -> Process<K, L> {
        Process {
            kernel,
            lkm,
            actions: Actions::new(),
            reserved: Reserved::new(),
            descriptors: Descriptors::new(),
            vchroot: Vchroot::new(),
            standing: Standing::new(),
            segments: Segments::new(),
            version: ChosenVersion::new(),
            loader: Loader::new(),
            program: Program::new(),
            registration: Registration::new(),
            waiters: Waiters::new(),
        }
    }
}

impl<K: Kernel, L> Process<K, L> {
    /// Makes a directory the process's root. Before the process has threads. The descriptor stays the caller's; that of
    /// Linux's own root means no prefix.
    ///
    /// # Errors
    /// `ENOTDIR`, `EBADF`, `EMFILE`.
    pub fn set_prefix(&self, directory: LinuxFd, options: vchroot::Options) -> LinuxResult<()> {
        self.vchroot.set(&self.kernel, directory, options)
    }

    /// Makes Linux's root the process's again. Before the process has threads.
    pub fn clear_prefix(&self) {
        self.vchroot.clear(&self.kernel);
    }

    /// For paths of the process; `None` where its root is Linux's.
    pub fn lookup(&self) -> Option<Lookup<'_, K>> {
        Lookup::new(&self.kernel, &self.vchroot)
    }

    /// [`vchroot::expand`] for this process.
    ///
    /// # Errors
    /// As there.
    pub fn vchroot_expand(&self, args: &mut VchrootExpandArgs) -> LinuxResult<()> {
        vchroot::expand(self.lookup(), &mut args.path, args.flags, args.dfd)
    }

    /// [`vchroot::expand`] of a path that is in no structure.
    ///
    /// # Errors
    /// As there.
    pub fn vchroot_expand_path(&self, path: &mut [u8; PATH_BYTES], flags: u32, dfd: i32) -> LinuxResult<()> {
        vchroot::expand(self.lookup(), path, flags, dfd)
    }

    /// [`vchroot::unexpand`] for this process.
    ///
    /// # Errors
    /// As there.
    pub fn vchroot_unexpand(&self, args: &mut VchrootUnexpandArgs) -> LinuxResult<()> {
        vchroot::unexpand(self.lookup(), args)
    }

    /// [`vchroot::fdpath`] for this process.
    ///
    /// # Errors
    /// As there.
    pub fn vchroot_fdpath(&self, file: i32, out: &mut [u8]) -> LinuxResult<usize> {
        vchroot::fdpath(&self.kernel, self.lookup(), file, out)
    }
}

/// A thread of the guest: what the entry keeps between its calls. What each call touches is together.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct Thread {
    /// The vector and floating-point registers at the call being served.
    pub vectors: VectorState,
    /// The other registers at that call. Handlers that set registers themselves (`sigreturn`) write here and answer
    /// [`crate::table::Unchanged`].
    pub registers: Registers,
    /// Masks, pending signals and the alternate stack.
    pub signals: ThreadSignals,
}

/// What a handler works with: the process and the calling thread.
pub struct Context<'a, K, L> {
    /// The process.
    pub process: &'a Process<K, L>,
    /// The calling thread; `None` where the core is linked in. What is kept in [`Thread::signals`] is Linux's to keep
    /// then, as the thread's mask and alternate stack are Linux's own.
    pub thread: Option<&'a mut Thread>,
}

impl<'a, K, L> Context<'a, K, L> {
    /// Linux.
    #[inline(always)]
    pub fn kernel(&self) -> &'a K {
        &self.process.kernel
    }

    /// What stands behind `/dev/mach`.
    #[inline(always)]
    pub fn lkm(&self) -> &'a L {
        &self.process.lkm
    }
}
