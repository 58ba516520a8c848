//! What XNU keeps of a descriptor and Linux does not.

use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU32, AtomicU64, Ordering};
use xnu_abi::darwin::guarded::GuardFlags;

/// The highest number of descriptors that a process may have: `OPEN_MAX` (`bsd/sys/syslimits.h`).
pub const OPEN_MAX: usize = 10_240;

const WORD_BITS: usize = u64::BITS as usize;

/// A set of descriptors. Numbers from [`OPEN_MAX`] on are never in it.
#[derive(Debug)]
pub struct DescriptorSet {
    words: [AtomicU64; OPEN_MAX / WORD_BITS],
    /// Whether anything was ever put in: programs that never do pay for one look at this.
    used: AtomicBool,
}

impl DescriptorSet {
    const fn new() -> DescriptorSet {
        DescriptorSet {
            words: [const { AtomicU64::new(0) }; OPEN_MAX / WORD_BITS],
            used: AtomicBool::new(false),
        }
    }

    fn place(&self, descriptor: i32) -> Option<(&AtomicU64, u64)> {
        let descriptor = usize::try_from(descriptor).ok()?;
        let word = self.words.get(descriptor / WORD_BITS)?;
        Some((word, 1u64.wrapping_shl((descriptor % WORD_BITS) as u32)))
    }

    /// Whether the descriptor is in the set.
    pub fn contains(&self, descriptor: i32) -> bool {
        self.used.load(Ordering::Relaxed)
            && self.place(descriptor).is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// Puts a descriptor in; `false` for a number that is too high to keep.
    pub fn insert(&self, descriptor: i32) -> bool {
        let Some((word, bit)) = self.place(descriptor) else { return false };
        self.used.store(true, Ordering::Relaxed);
        word.fetch_or(bit, Ordering::Relaxed);
        true
    }

    /// Takes a descriptor out.
    pub fn remove(&self, descriptor: i32) {
        if self.used.load(Ordering::Relaxed)
            && let Some((word, bit)) = self.place(descriptor)
        {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// The descriptors in the set, ascending: what the child of a fork closes.
    pub fn iter(&self) -> impl Iterator<Item = i32> + '_ {
        let end = if self.used.load(Ordering::Relaxed) { OPEN_MAX as i32 } else { 0 };
        (0..end).filter(|descriptor| self.contains(*descriptor))
    }
}

/// Positions that Linux's file system cannot hold: XNU lets a position be anything. There is room for a few; they are
/// rare enough.
#[derive(Debug)]
pub struct FarPositions {
    slots: [(AtomicI32, AtomicI64); 8],
    used: AtomicBool,
}

/// No descriptor.
const NOBODY: i32 = -1;

impl FarPositions {
    const fn new() -> FarPositions {
        FarPositions {
            slots: [const { (AtomicI32::new(NOBODY), AtomicI64::new(0)) }; 8],
            used: AtomicBool::new(false),
        }
    }

    /// The position of a descriptor, if it is far.
    #[inline]
    pub fn get(&self, descriptor: i32) -> Option<i64> {
        if !self.used.load(Ordering::Relaxed) || descriptor < 0 {
            return None;
        }
        let (_, position) = self.slots.iter().find(|slot| slot.0.load(Ordering::Acquire) == descriptor)?;
        Some(position.load(Ordering::Acquire))
    }

    /// Notes a far position; `false` where there is no room.
    pub fn set(&self, descriptor: i32, to: i64) -> bool {
        self.used.store(true, Ordering::Relaxed);
        for (owner, position) in &self.slots {
            let before = owner.compare_exchange(NOBODY, descriptor, Ordering::AcqRel, Ordering::Acquire);
            if before.is_ok() || before == Err(descriptor) {
                position.store(to, Ordering::Release);
                return true;
            }
        }
        false
    }

    /// The descriptor's position is Linux's.
    #[inline]
    pub fn remove(&self, descriptor: i32) {
        if self.used.load(Ordering::Relaxed) {
            for (owner, _) in &self.slots {
                let _ = owner.compare_exchange(descriptor, NOBODY, Ordering::AcqRel, Ordering::Acquire);
            }
        }
    }
}

/// What keeps a descriptor from being closed, copied or written by those who do not name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guard {
    /// Its name, which is not 0.
    pub id: u64,
    /// What it forbids.
    pub flags: GuardFlags,
}

/// Guards by descriptor. There is room for a few hundred: databases use them, and few else.
#[derive(Debug)]
pub struct Guards {
    slots: [(AtomicI32, AtomicU32, AtomicU64); 256],
    used: AtomicBool,
}

/// A slot that is being filled in.
const CLAIMED: i32 = -2;

impl Guards {
    const fn new() -> Guards {
        Guards {
            slots: [const { (AtomicI32::new(NOBODY), AtomicU32::new(0), AtomicU64::new(0)) }; 256],
            used: AtomicBool::new(false),
        }
    }

    /// The guard of a descriptor.
    #[inline(always)]
    pub fn get(&self, descriptor: i32) -> Option<Guard> {
        if self.used.load(Ordering::Relaxed) { self.find(descriptor) } else { None }
    }

    #[cold]
    fn find(&self, descriptor: i32) -> Option<Guard> {
        let (_, flags, id) = self.slot(descriptor)?;
        let flags = GuardFlags::from_bits_retain(flags.load(Ordering::Acquire));
        Some(Guard { id: id.load(Ordering::Acquire), flags })
    }

    fn slot(&self, descriptor: i32) -> Option<&(AtomicI32, AtomicU32, AtomicU64)> {
        if descriptor < 0 {
            return None;
        }
        self.slots.iter().find(|slot| slot.0.load(Ordering::Acquire) == descriptor)
    }

    /// Sets or changes the guard of a descriptor; `false` where there is no room.
    pub fn set(&self, descriptor: i32, guard: Guard) -> bool {
        self.used.store(true, Ordering::Relaxed);
        let claim = |slot: &&(AtomicI32, AtomicU32, AtomicU64)| {
            slot.0.compare_exchange(NOBODY, CLAIMED, Ordering::AcqRel, Ordering::Acquire).is_ok()
        };
        let Some((owner, flags, id)) = self.slot(descriptor).or_else(|| self.slots.iter().find(claim)) else {
            return false;
        };
        id.store(guard.id, Ordering::Release);
        flags.store(guard.flags.bits(), Ordering::Release);
        owner.store(descriptor, Ordering::Release);
        true
    }

    /// Takes a guard away.
    #[inline]
    pub fn remove(&self, descriptor: i32) {
        if self.used.load(Ordering::Relaxed)
            && let Some((owner, ..)) = self.slot(descriptor)
        {
            owner.store(NOBODY, Ordering::Release);
        }
    }
}

/// What the process's descriptors have beyond Linux's flags. Empty in a process that was executed anew: XNU would
/// keep it then.
#[derive(Debug)]
pub struct Descriptors {
    /// `FD_CLOFORK`, which only `O_CLOFORK` sets: closed in the child of a fork.
    pub close_on_fork: DescriptorSet,
    /// `F_SETCONFINED`: the open file never leaves this process. A copy is confined, and closed on fork, as well.
    pub confined: DescriptorSet,
    /// Whether any open file was ever told by `F_SETNOSIGPIPE` not to raise `SIGPIPE`.
    pub any_without_sigpipe: AtomicBool,
    /// Positions beyond what the file system can hold.
    pub far: FarPositions,
    /// Guards, which copies do not get and the child of a fork does.
    pub guards: Guards,
}

impl Descriptors {
    pub(crate) const fn new() -> Descriptors {
        Descriptors {
            close_on_fork: DescriptorSet::new(),
            confined: DescriptorSet::new(),
            any_without_sigpipe: AtomicBool::new(false),
            far: FarPositions::new(),
            guards: Guards::new(),
        }
    }

    /// The number is about to be closed. Before, and not after, so that nothing is taken from the next open file
    /// that gets the number.
    #[inline]
    pub fn forget(&self, descriptor: i32) {
        self.close_on_fork.remove(descriptor);
        self.confined.remove(descriptor);
        self.far.remove(descriptor);
        self.guards.remove(descriptor);
    }

    /// Whether there may be any that a child of a fork does not get. To be asked before the fork: then no page is fetched for
    /// it in the child.
    #[inline]
    pub(crate) fn any_confined(&self) -> bool {
        self.close_on_fork.used.load(Ordering::Relaxed)
    }

    /// In the child of a fork: closes what does not go along.
    pub(crate) fn forked<K: Kernel>(&self, kernel: &K) {
        for descriptor in self.close_on_fork.iter() {
            self.forget(descriptor);
            // Not one of them is written back later: nothing that matters can fail.
            let _ = linux::descriptor::close(kernel, LinuxFd(descriptor));
        }
    }

    /// The number `to` is now a copy of `from`.
    #[inline]
    pub fn copied(&self, from: i32, to: i32) {
        if self.confined.contains(from) {
            self.confined.insert(to);
            self.close_on_fork.insert(to);
        }
        if let Some(position) = self.far.get(from) {
            self.far.set(to, position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_confined_descriptor_is_confined() {
        let descriptors = Descriptors::new();
        assert!(descriptors.close_on_fork.insert(63) && descriptors.confined.insert(63));
        descriptors.copied(63, 64);
        descriptors.copied(5, 6);
        assert!(descriptors.close_on_fork.iter().eq([63, 64]));
        descriptors.forget(63);
        assert!(!descriptors.confined.contains(63) && descriptors.confined.contains(64));
    }

    #[test]
    fn guards_are_kept_by_descriptor_while_there_is_room() {
        let descriptors = Descriptors::new();
        let guard = |id| Guard { id, flags: GuardFlags::GUARD_DUP };
        for fd in 0..256 {
            assert_eq!(descriptors.guards.get(fd), None);
            assert!(descriptors.guards.set(fd, guard(fd as u64 + 1)));
        }
        assert!(!descriptors.guards.set(256, guard(1)) && descriptors.guards.set(255, guard(9)));
        descriptors.copied(3, 300);
        assert_eq!(descriptors.guards.get(300), None);
        descriptors.forget(3);
        assert_eq!((descriptors.guards.get(3), descriptors.guards.get(4)), (None, Some(guard(5))));
        assert!(descriptors.guards.set(256, guard(1)));
        assert_eq!((descriptors.guards.get(255), descriptors.guards.get(-1)), (Some(guard(9)), None));
    }

    #[test]
    fn numbers_that_cannot_be_kept_are_refused() {
        let set = DescriptorSet::new();
        for number in [-1, i32::MIN, OPEN_MAX as i32, i32::MAX] {
            assert!(!set.insert(number) && !set.contains(number));
            set.remove(number);
        }
        assert!(set.insert(OPEN_MAX as i32 - 1) && set.contains(OPEN_MAX as i32 - 1));
    }
}
