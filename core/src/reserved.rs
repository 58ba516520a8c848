//! Address ranges that are not the guest's, though they are in its process.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The number of ranges that can be kept.
const CAPACITY: usize = 32;

/// The runner's own memory: the guest can neither map over it, nor unmap, protect or discard it.
///
/// To the guest these addresses look like what they are on macOS: not its own. Filled before the guest starts,
/// read-only afterwards.
#[derive(Debug)]
pub struct Reserved {
    ranges: [(AtomicU64, AtomicU64); CAPACITY],
    count: AtomicUsize,
}

/// All places are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CapacityError;

impl Reserved {
    /// No range.
    pub(crate) const fn new() -> Reserved {
        Reserved {
            ranges: [const { (AtomicU64::new(0), AtomicU64::new(0)) }; CAPACITY],
            count: AtomicUsize::new(0),
        }
    }

    /// Keeps a range, which must not overlap another. Before there is a second thread, so nobody looks meanwhile.
    ///
    /// # Errors
    /// All places are taken.
    pub fn add(&self, range: Range<u64>) -> Result<(), CapacityError> {
        let count = self.count.load(Ordering::Acquire);
        self.ranges.get(count).ok_or(CapacityError)?;
        // The list stays in ascending order: what is higher moves up.
        let mut rest = range;
        for (start, end) in self.ranges.iter().take(count) {
            if start.load(Ordering::Acquire) > rest.start {
                rest = start.swap(rest.start, Ordering::AcqRel)..end.swap(rest.end, Ordering::AcqRel);
            }
        }
        if let Some((start, end)) = self.ranges.get(count) {
            start.store(rest.start, Ordering::Release);
            end.store(rest.end, Ordering::Release);
        }
        self.count.store(count.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ranges
            .iter()
            .take(self.count.load(Ordering::Acquire))
            .map(|(start, end)| start.load(Ordering::Acquire)..end.load(Ordering::Acquire))
    }

    /// Whether any byte of `range` is kept.
    pub fn overlaps(&self, range: &Range<u64>) -> bool {
        self.iter().any(|kept| kept.start < range.end && range.start < kept.end)
    }

    /// The parts of `range` that are the guest's.
    pub fn outside(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut from = range.start;
        let end = range.end;
        self.iter().chain(core::iter::once(u64::MAX..u64::MAX)).filter_map(move |kept| {
            let piece = from..kept.start.min(end);
            if kept.end > from {
                from = kept.end.max(from);
            }
            (piece.start < piece.end).then_some(piece)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserved() -> Reserved {
        let reserved = Reserved::new();
        assert_eq!(reserved.add(30..40), Ok(()));
        assert_eq!(reserved.add(10..20), Ok(()));
        reserved
    }

    fn pieces(range: Range<u64>) -> [Option<Range<u64>>; 4] {
        let reserved = reserved();
        let mut pieces = reserved.outside(range);
        core::array::from_fn(|_| pieces.next())
    }

    #[test]
    fn touching_is_not_overlapping() {
        assert!(!reserved().overlaps(&(0..10)));
        assert!(!reserved().overlaps(&(20..30)));
        assert!(reserved().overlaps(&(19..20)));
        assert!(reserved().overlaps(&(0..100)));
    }

    #[test]
    fn kept_ranges_are_cut_out() {
        assert_eq!(pieces(0..50), [Some(0..10), Some(20..30), Some(40..50), None]);
        assert_eq!(pieces(12..18), [None, None, None, None]);
        assert_eq!(pieces(15..35), [Some(20..30), None, None, None]);
        assert_eq!(pieces(50..60), [Some(50..60), None, None, None]);
        assert_eq!(pieces(0..5), [Some(0..5), None, None, None]);
    }

    #[test]
    fn a_full_list_says_so() {
        let reserved = Reserved::new();
        for at in 0..CAPACITY as u64 {
            assert_eq!(reserved.add(at * 2..at * 2 + 1), Ok(()));
        }
        assert_eq!(reserved.add(1000..1001), Err(CapacityError));
    }
}
