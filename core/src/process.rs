//! What the emulation remembers of a process.

use crate::kernel::Kernel;
use crate::lkm::Lkm;
use crate::registers::{Registers, VectorState};
use crate::reserved::Reserved;
use crate::signal::{Actions, ThreadSignals};
use crate::table::{Class, INDEX_LENGTH, Row};
use core::sync::atomic::{AtomicU64, Ordering};

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
    unserved: [AtomicU64; UNSERVED_WORDS],
}

/// A bit for each number of the three tables.
const UNSERVED_WORDS: usize = INDEX_LENGTH.div_ceil(64) * 3;

impl<K: Kernel, L: Lkm> Process<K, L> {
    /// A process that has done nothing yet.
    pub const fn new(kernel: K, lkm: L) -> Process<K, L> {
        Process {
            kernel,
            lkm,
            actions: Actions::new(),
            reserved: Reserved::new(),
            unserved: [const { AtomicU64::new(0) }; UNSERVED_WORDS],
        }
    }

    /// Notes that an unserved call was made; true the first time for each row.
    pub fn note_unserved(&self, row: &Row) -> bool {
        let table = match row.class {
            Class::Bsd => 0,
            Class::Mach => 1,
            Class::Machdep => 2,
        };
        let bit = (row.number as usize).wrapping_add(INDEX_LENGTH.wrapping_mul(table));
        let mask = 1u64 << (bit % 64);
        match self.unserved.get(bit / 64) {
            Some(word) => word.fetch_or(mask, Ordering::Relaxed) & mask == 0,
            None => false,
        }
    }
}

/// A thread of the guest: what the entry keeps between its calls.
#[derive(Clone, Debug, Default)]
pub struct Thread {
    /// The registers at the call being served. Handlers that set registers themselves (`sigreturn`) write here and
    /// answer [`crate::table::Unchanged`]. All zero where the core is linked in.
    pub registers: Registers,
    /// The vector and floating-point registers at that call.
    pub vectors: VectorState,
    /// Masks, pending signals and the alternate stack.
    pub signals: ThreadSignals,
}

/// What a handler works with: the process and the calling thread.
pub struct Context<'a, K, L> {
    /// The process.
    pub process: &'a Process<K, L>,
    /// The calling thread.
    pub thread: &'a mut Thread,
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
