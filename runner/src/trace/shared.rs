//! The shared memory between the guest's processes and the tracer: a ring of bytes, and counters.
//!
//! Producers put in whole records under a lock; a record counts from the moment that `head` passes it, so one whose
//! producer is killed half-way is never seen. The lock is a priority-inheriting futex, not for its priorities but because
//! Linux itself knows when the owner is dead, even while it is a zombie: the next producer then takes the lock over. The
//! tracer takes no lock. It trusts nothing here but to be mapped: the guest can write to all of it.
//!
//! # Safety
//! The mapping is made once, zeroed, page-aligned and never unmapped, and every field is valid for any bits, so a
//! `&'static Shared` to it is good in this process and its forked children. All fields are atomics but `bytes`, which is
//! only touched through raw pointers, at offsets reduced modulo the ring's size: producers write between `head` and
//! `tail + capacity` while they hold the lock, the tracer reads between `tail` and `head`. A guest that scribbles here
//! garbles the trace and nothing else. The futex calls name fields of the mapping or a borrowed timeout.
#![allow(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::counters::Counters;
use std::cell::UnsafeCell;
use std::io;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use xnu_abi::linux::{Errno, Sysno};
use xnu_backend_linux::Linux;
use xnu_core::linux::process::{getpid, gettid};
use xnu_core::{Arg, Kernel, UserAddr};

/// Bytes of the ring. A power of two, so that positions may wrap around.
const RING_BYTES: usize = 1 << 20;

/// Linux, for what the mechanism itself needs; the calls are made from the program's own text.
static LINUX: Linux = Linux::new();

#[repr(C)]
struct Shared {
    /// Thread id of the producer that holds the lock, and the bits that Linux keeps there.
    lock: AtomicU32,
    /// Process id of the tracer, as if it held a lock: so Linux tells whether it still lives.
    tracer: AtomicU32,
    /// Position after the last whole record.
    head: AtomicU32,
    /// Position up to which the tracer has read. Producers sleep on it while the ring is full.
    tail: AtomicU32,
    /// Changes when the tracer is to look; it sleeps on it.
    bell: AtomicU32,
    /// Whether the tracer wants the bell for the next record.
    asleep: AtomicU32,
    /// Whether nobody reads any more.
    closed: AtomicU32,
    /// Records that could not be put in.
    lost: AtomicU64,
    counters: Counters,
    bytes: UnsafeCell<[u8; RING_BYTES]>,
}

// SAFETY: `bytes` is only reached by the rules in the module's documentation.
unsafe impl Sync for Shared {}

/// One end of the shared memory.
#[derive(Clone, Copy)]
pub(super) struct Channel {
    shared: &'static Shared,
    /// How much of `bytes` is used: kept here, out of the guest's reach.
    capacity: u32,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Channel({:#x?})", self.memory())
    }
}

/// Linux's futex operations, on memory that processes share.
#[derive(Clone, Copy)]
#[repr(usize)]
enum Futex {
    Wait = 0,
    Wake = 1,
    LockPi = 6,
    UnlockPi = 7,
    TrylockPi = 8,
}

fn futex(word: &AtomicU32, operation: Futex, value: u32, timeout: Option<Duration>) -> Result<usize, Errno> {
    let timeout = timeout.map(timespec);
    let mut args = [
        Arg::User(UserAddr::new(ptr::from_ref(word) as u64)),
        Arg::Val(operation as usize),
        Arg::Val(value as usize),
        timeout.as_ref().map_or(Arg::Val(0), |time| Arg::In(time)),
    ];
    // SAFETY: an aligned word, an operation, a value and a timeout or null, as in `man 2 futex`.
    unsafe { LINUX.syscall(Sysno::Futex, &mut args) }
}

/// `struct timespec` of a 64-bit process.
fn timespec(time: Duration) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (seconds, nanoseconds) = bytes.split_at_mut(8);
    seconds.copy_from_slice(&time.as_secs().to_ne_bytes());
    nanoseconds.copy_from_slice(&u64::from(time.subsec_nanos()).to_ne_bytes());
    bytes
}

fn own_tid() -> u32 {
    gettid(&LINUX).map_or(0, i32::cast_unsigned)
}

/// As often as a producer tries again for the lock before it gives the record up. Only a guest that scribbles in
/// the shared memory makes it fail more than a few times.
const LOCK_ATTEMPTS: u32 = 1000;

/// How long a producer waits for room before it looks whether there still is a tracer.
const FULL_WAIT: Duration = Duration::from_millis(100);

impl Channel {
    /// Maps the memory. The calling process is the tracer.
    pub(super) fn map() -> io::Result<Channel> {
        Channel::with_capacity(RING_BYTES)
    }

    /// The same with a ring of another size: a power of two, at most [`RING_BYTES`].
    pub(super) fn with_capacity(capacity: usize) -> io::Result<Channel> {
        let capacity = u32::try_from(capacity.min(RING_BYTES)).unwrap_or(0);
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at a place of Linux's choice.
        let memory = unsafe { libc::mmap(ptr::null_mut(), size_of::<Shared>(), protection, flags, -1, 0) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: of this size, page-aligned, zeroed and never unmapped.
        let shared = unsafe { &*memory.cast::<Shared>() };
        let channel = Channel { shared, capacity };
        channel.check_lock()?;
        shared.tracer.store(getpid(&LINUX).map_or(0, i32::cast_unsigned), Ordering::Relaxed);
        Ok(channel)
    }

    /// Whether this Linux has locks that know a dead owner; some sandboxes lack them.
    fn check_lock(self) -> io::Result<()> {
        let lock = &self.shared.lock;
        futex(lock, Futex::LockPi, 0, None)
            .and_then(|_| futex(lock, Futex::UnlockPi, 0, None))
            .map(|_| ())
            .map_err(|error| io::Error::from_raw_os_error(i32::from(error.number())))
    }

    /// Where the memory is.
    pub(super) fn memory(self) -> Range<u64> {
        let start = ptr::from_ref(self.shared) as u64;
        start..start.saturating_add(size_of::<Shared>() as u64)
    }

    /// The counters.
    pub(super) fn counters(self) -> &'static Counters {
        &self.shared.counters
    }

    /// Records that could not be put in so far.
    pub(super) fn lost(self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Says that nobody reads any more: producers stop to wait and to write.
    pub(super) fn close(self) {
        self.shared.closed.store(1, Ordering::SeqCst);
        let _ = futex(&self.shared.tail, Futex::Wake, i32::MAX.cast_unsigned(), None);
    }

    /// Makes the tracer look at once.
    pub(super) fn ring_bell(self) {
        self.shared.bell.fetch_add(1, Ordering::SeqCst);
        let _ = futex(&self.shared.bell, Futex::Wake, 1, None);
    }

    /// Puts one record in, whole; waits while there is no room. Nothing is put in once nobody reads.
    ///
    /// Safe in the guest's process: no allocation, no panic.
    pub(super) fn push(self, record: &[u8]) {
        let shared = self.shared;
        let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        while shared.closed.load(Ordering::Relaxed) == 0 {
            if length > self.capacity || !self.lock() {
                return self.lose();
            }
            let head = shared.head.load(Ordering::Relaxed);
            let tail = shared.tail.load(Ordering::Acquire);
            let used = head.wrapping_sub(tail);
            let Some(free) = self.capacity.checked_sub(used) else {
                self.unlock();
                return self.lose();
            };
            if length <= free {
                self.write(head, record);
                shared.head.store(head.wrapping_add(length), Ordering::SeqCst);
                self.unlock();
                let half = self.capacity / 2;
                let fills = used <= half && used.saturating_add(length) > half;
                if shared.asleep.swap(0, Ordering::SeqCst) != 0 || fills {
                    self.ring_bell();
                }
                return;
            }
            self.unlock();
            self.ring_bell();
            if futex(&shared.tail, Futex::Wait, tail, Some(FULL_WAIT)) == Err(Errno::ETIMEDOUT)
                && self.tracer_is_gone()
            {
                shared.closed.store(1, Ordering::SeqCst);
            }
        }
    }

    fn lose(self) {
        self.shared.lost.fetch_add(1, Ordering::Relaxed);
    }

    fn tracer_is_gone(self) -> bool {
        futex(&self.shared.tracer, Futex::TrylockPi, 0, None) == Err(Errno::ESRCH)
    }

    /// Takes the lock. False where that cannot be: the caller holds it already, or it was scribbled over.
    fn lock(self) -> bool {
        let (lock, tid) = (&self.shared.lock, own_tid());
        for _ in 0..LOCK_ATTEMPTS {
            let Err(seen) = lock.compare_exchange(0, tid, Ordering::Acquire, Ordering::Relaxed) else {
                return true;
            };
            match futex(lock, Futex::LockPi, 0, None) {
                Ok(_) => return true,
                // EINVAL: the owner has just died and Linux is about to name the next.
                Err(Errno::EAGAIN | Errno::EINTR | Errno::EINVAL) => {}
                // The owner is dead. Whoever else found out may have been quicker.
                Err(Errno::ESRCH) => {
                    let mine = tid | seen & libc::FUTEX_WAITERS;
                    if lock.compare_exchange(seen, mine, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                        return true;
                    }
                }
                Err(_) => return false,
            }
        }
        false
    }

    fn unlock(self) {
        let lock = &self.shared.lock;
        if lock.compare_exchange(own_tid(), 0, Ordering::Release, Ordering::Relaxed).is_ok() {
            return;
        }
        // EAGAIN: a waiter came or went just then.
        for _ in 0..LOCK_ATTEMPTS {
            if futex(lock, Futex::UnlockPi, 0, None) != Err(Errno::EAGAIN) {
                break;
            }
        }
    }

    /// Where in `bytes` a position is, and how many bytes follow before the ring's end.
    fn place(self, position: u32) -> (*mut u8, usize) {
        let offset = (position & self.capacity.wrapping_sub(1)) as usize;
        let start = self.shared.bytes.get().cast::<u8>();
        (start.wrapping_add(offset), (self.capacity as usize).saturating_sub(offset))
    }

    fn write(self, position: u32, record: &[u8]) {
        let (to, room) = self.place(position);
        let (first, second) = record.split_at_checked(room).unwrap_or((record, &[]));
        // SAFETY: the caller holds the lock and has seen that the record fits; both parts end within `bytes`.
        unsafe {
            ptr::copy_nonoverlapping(first.as_ptr(), to, first.len());
            ptr::copy_nonoverlapping(second.as_ptr(), self.place(0).0, second.len());
        }
    }

    /// Dies in the middle of [`Channel::push`], once there is room.
    #[cfg(test)]
    pub(super) fn push_and_die(self, record: &[u8]) -> ! {
        loop {
            assert!(self.lock());
            let (head, tail) =
                (self.shared.head.load(Ordering::Relaxed), self.shared.tail.load(Ordering::Acquire));
            if record.len() <= self.capacity.wrapping_sub(head.wrapping_sub(tail)) as usize {
                self.write(head, record);
                // SAFETY: the calling process is to die.
                unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
            }
            self.unlock();
            std::thread::yield_now();
        }
    }

    /// Writes into the shared memory as a hostile guest might.
    #[cfg(test)]
    pub(super) fn scribble(self, lock: u32, head: u32) {
        self.shared.lock.store(lock, Ordering::SeqCst);
        self.shared.head.store(head, Ordering::SeqCst);
    }

    /// A reader that, like the producers, begins at this position.
    #[cfg(test)]
    pub(super) fn reader_at(self, position: u32) -> Reader {
        self.shared.head.store(position, Ordering::SeqCst);
        self.shared.tail.store(position, Ordering::SeqCst);
        Reader { tail: position, ..Reader::new(self) }
    }

    /// Whether the tracer was found to be gone, or has closed.
    #[cfg(test)]
    pub(super) fn is_closed(self) -> bool {
        self.shared.closed.load(Ordering::SeqCst) != 0
    }
}

/// The tracer's end: where it has read up to, which the guest cannot change.
#[derive(Debug)]
pub(super) struct Reader {
    channel: Channel,
    tail: u32,
    buffer: Vec<u8>,
}

/// What [`Reader::take`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken<'a> {
    /// No record since the last time.
    Nothing,
    /// Whole records.
    Records(&'a [u8]),
    /// The guest wrote into the shared memory: what was in the ring is lost.
    Damage,
}

impl Reader {
    /// The reader of a channel that nobody has read from.
    pub(super) fn new(channel: Channel) -> Reader {
        Reader { channel, tail: 0, buffer: vec![0; channel.capacity as usize] }
    }

    /// Takes out everything that is there.
    pub(super) fn take(&mut self) -> Taken<'_> {
        let shared = self.channel.shared;
        let head = shared.head.load(Ordering::Acquire);
        let used = head.wrapping_sub(self.tail) as usize;
        if used == 0 {
            return Taken::Nothing;
        }
        let (from, room) = self.channel.place(self.tail);
        self.tail = head;
        let Some(out) = self.buffer.get_mut(..used) else {
            self.pass(head);
            return Taken::Damage;
        };
        let (first, second) = out.split_at_mut(used.min(room));
        // SAFETY: `used` is at most the ring's size, so both parts lie within `bytes`; producers do not write there
        // before `tail` has passed.
        unsafe {
            ptr::copy_nonoverlapping(from, first.as_mut_ptr(), first.len());
            ptr::copy_nonoverlapping(self.channel.place(0).0, second.as_mut_ptr(), second.len());
        }
        self.pass(head);
        self.buffer.get(..used).map_or(Taken::Damage, Taken::Records)
    }

    /// Gives the room up to `position` back.
    fn pass(&self, position: u32) {
        let tail = &self.channel.shared.tail;
        tail.store(position, Ordering::SeqCst);
        let _ = futex(tail, Futex::Wake, i32::MAX.cast_unsigned(), None);
    }

    /// The bell as it is now: take it before looking at anything that the bell announces.
    pub(super) fn bell(&self) -> u32 {
        self.channel.shared.bell.load(Ordering::SeqCst)
    }

    /// Sleeps until there is a record, or until the bell was rung since `bell` was taken.
    pub(super) fn sleep(&self, bell: u32) {
        let shared = self.channel.shared;
        shared.asleep.store(1, Ordering::SeqCst);
        if shared.head.load(Ordering::SeqCst) == self.tail {
            let _ = futex(&shared.bell, Futex::Wait, bell, None);
        }
        shared.asleep.store(0, Ordering::SeqCst);
    }

    /// Lets records gather, unless the bell was rung since `bell` was taken: a busy guest then need not wake the
    /// tracer for each of them.
    pub(super) fn linger(&self, bell: u32, time: Duration) {
        let _ = futex(&self.channel.shared.bell, Futex::Wait, bell, Some(time));
    }
}
