//! What the engine needs of the world it runs in.

use crate::task::{Task, TaskId, Thread, ThreadId};
use crate::thread_state::ThreadState;
use crate::trap::TrapArgument;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::linux::Errno;
use xnu_abi::lkm::Trap;

/// The memory of a task refused: a bad address, or no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault;

/// Why a blocked thread runs again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// Somebody called [`Host::wake`], or nobody did: the engine looks for itself.
    Woken,
    /// The deadline is reached.
    TimedOut,
    /// A signal or an abort of the thread.
    Interrupted,
}

/// A lock around the engine's state: short, and never held while anything blocks.
pub trait Lock<T> {
    /// A free lock.
    fn new(value: T) -> Self;

    /// Runs `work` with the lock held. It is not asked for twice by one thread.
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R;

    /// Takes the lock and keeps it until [`Lock::thaw`], so that nothing is half done in the child of a fork. A host
    /// whose processes do not fork with the engine in them need not.
    fn freeze(&self) {}

    /// Lets go of what [`Lock::freeze`] took, in the parent or in the child.
    fn thaw(&self) {}
}

/// What there is of a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Machine {
    /// Processors, as many as threads can run at once.
    pub logical_cpus: u32,
    /// Cores.
    pub physical_cpus: u32,
    /// Bytes of memory.
    pub memory: u64,
    /// `CPU_TYPE_…`.
    pub cpu_type: u32,
    /// `CPU_SUBTYPE_…`.
    pub cpu_subtype: u32,
    /// `CPU_THREADTYPE_…`: whether a core runs several threads.
    pub cpu_thread_type: u32,
    /// What `uname -v` says, of 511 bytes at most.
    pub kernel_version: &'static str,
}

/// Time that was spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// In the program, in nanoseconds.
    pub user_ns: u64,
    /// For it in the system, in nanoseconds.
    pub system_ns: u64,
}

/// What a task takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TaskUsage {
    /// Bytes of addresses.
    pub size: u64,
    /// Bytes of memory.
    pub resident: u64,
    /// Bytes of memory at most so far.
    pub resident_max: u64,
    /// The time of threads that ended.
    pub times: Times,
    /// The time of threads that live.
    pub live_times: Times,
}

/// The world around an engine: clock, threads and the memory of tasks.
///
/// # For host authors
/// No function is called with the lock held, except [`Host::now`], [`Host::random`] and [`Drop`] of
/// [`Host::Region`]. Times are nanoseconds of `mach_absolute_time`. A thread that is woken before it blocks must not
/// block: the engine calls [`Host::wake`] for each thread whose wait ended, perhaps before that thread has reached
/// [`Host::block`].
pub trait Host: Sized {
    /// The lock around the engine.
    type Lock<T>: Lock<T>;

    /// Memory on its way from one task to another, held by nobody's address space.
    type Region;

    /// The time.
    fn now(&self) -> u64;

    /// A random number; it decides the generations of port names.
    fn random(&self) -> u64;

    /// Blocks the calling thread until [`Host::wake`], the deadline (if any), or an interruption.
    fn block(&self, thread: ThreadId, deadline: Option<u64>) -> Wake;

    /// Ends a block of the thread, or the next one.
    fn wake(&self, thread: ThreadId);

    /// Lets other threads run.
    fn give_way(&self, thread: ThreadId);

    /// Reads a task's memory.
    ///
    /// # Errors
    /// Part of it cannot be read.
    fn copy_in(&self, task: TaskId, from: u64, to: &mut [u8]) -> Result<(), Fault>;

    /// Writes a task's memory.
    ///
    /// # Errors
    /// Part of it cannot be written.
    fn copy_out(&self, task: TaskId, to: u64, from: &[u8]) -> Result<(), Fault>;

    /// Takes a copy of a task's memory, as it is now. The size is not 0.
    ///
    /// # Errors
    /// Part of it cannot be read, or there is no memory for it.
    fn capture(&self, task: TaskId, address: u64, size: u64) -> Result<Self::Region, Fault>;

    /// Puts a region into a task at an address that the host chooses.
    ///
    /// # Errors
    /// The task has no room.
    fn place(&self, task: TaskId, region: Self::Region) -> Result<u64, Fault>;

    /// A region with these bytes, which are some.
    ///
    /// # Errors
    /// There is no memory for it.
    fn region(&self, bytes: &[u8]) -> Result<Self::Region, Fault>;

    /// Reads a region from its start.
    ///
    /// # Errors
    /// It is shorter.
    fn read_region(&self, region: &Self::Region, to: &mut [u8]) -> Result<(), Fault>;

    /// The time of day: nanoseconds since 1970.
    fn calendar(&self) -> u64;

    /// The machine.
    fn machine(&self) -> Machine;

    /// What a task takes.
    fn task_usage(&self, task: TaskId) -> TaskUsage;

    /// The time of a thread.
    fn thread_times(&self, thread: ThreadId) -> Times;

    /// Gives a task zeroed memory at an address that the host chooses.
    ///
    /// # Errors
    /// The task has no room.
    fn allocate(&self, task: TaskId, size: u64) -> Result<u64, Fault>;

    /// Takes memory away from a task, whole pages from the one of `address` on; nothing happens where there is none.
    fn deallocate(&self, task: TaskId, address: u64, size: u64);

    /// Gives a task zeroed memory at this address, of whole pages; what is there already goes if it is to be overwritten.
    ///
    /// # Errors
    /// The task has something there, or cannot have.
    fn allocate_at(&self, task: TaskId, address: u64, size: u64, overwrite: bool) -> Result<(), Fault>;

    /// Whether a thread that is interrupted calls [`Engine::look`](crate::Engine::look) soon, and
    /// [`Engine::park`](crate::Engine::park) with registers that [`Host::registers`] can read.
    fn stops(&self, thread: ThreadId) -> bool {
        let _ = thread;
        false
    }

    /// Begins a thread of the caller's task, which is suspended once before its first instruction; its registers are 0.
    ///
    /// # Errors
    /// `KERN_RESOURCE_SHORTAGE`; `KERN_NOT_SUPPORTED` where programs alone begin threads.
    fn begin_thread(&self, caller: Caller) -> Result<ThreadId, KernReturn> {
        let _ = caller;
        Err(KernReturn::KERN_NOT_SUPPORTED)
    }

    /// Reads the registers of a thread that is the caller; whether that can be done.
    fn registers(&self, thread: ThreadId, into: &mut ThreadState) -> bool {
        let _ = (thread, into);
        false
    }

    /// Changes them; whether that can be done.
    fn set_registers(&self, thread: ThreadId, to: &ThreadState) -> bool {
        let _ = (thread, to);
        false
    }

    /// Sends a thread a Linux signal.
    ///
    /// # Errors
    /// As `man 2 tgkill`.
    fn signal(&self, thread: ThreadId, signal: i32) -> Result<(), Errno>;

    /// Ends a wait of a thread outside the engine, if it is in one, as a signal would.
    fn interrupt(&self, thread: ThreadId);

    /// A trap that is about what the host alone has: paths, descriptors, processes. Its argument can be read.
    ///
    /// # Errors
    /// Those of the trap; `ENOSYS` where the host does not serve it.
    fn own_trap(&self, caller: Caller, trap: Trap, argument: TrapArgument<'_>) -> Result<isize, Errno> {
        let _ = (caller, trap, argument);
        Err(Errno::ENOSYS)
    }

    /// A line for the log.
    fn log(&self, line: &str);
}

/// Who calls: the thread, and the task it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The task.
    pub task: TaskId,
    /// The thread.
    pub thread: ThreadId,
}

impl Caller {
    /// The engine itself.
    pub const ENGINE: Caller = Caller { task: crate::Id::<Task>::NONE, thread: crate::Id::<Thread>::NONE };
}
