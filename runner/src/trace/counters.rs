//! Counts and times of calls, for the summary. Lives in the shared memory, so forked children count too.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use xnu_core::table::Class;

/// Numbers from here up share the last place of their class.
pub(super) const NUMBERS: usize = 640;

const PLACES: usize = NUMBERS + 1;

/// All classes, in the order of their counters.
const CLASSES: [Class; 3] = [Class::Bsd, Class::Mach, Class::Machdep];

/// What was counted for one number. Times are wall-clock.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Counter {
    calls: AtomicU64,
    errors: AtomicU64,
    total_ns: AtomicU64,
    noted: AtomicU32,
}

impl Counter {
    /// Counts one call.
    pub(super) fn add(&self, is_error: bool, duration_ns: u64) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.add_outcome(is_error, duration_ns);
    }

    /// Adds the outcome of a call that is counted already.
    pub(super) fn add_outcome(&self, is_error: bool, duration_ns: u64) {
        self.errors.fetch_add(u64::from(is_error), Ordering::Relaxed);
        self.total_ns.fetch_add(duration_ns, Ordering::Relaxed);
    }

    /// True the first time.
    pub(super) fn note(&self) -> bool {
        self.noted.load(Ordering::Relaxed) == 0 && self.noted.swap(1, Ordering::Relaxed) == 0
    }
}

/// A counter as it stands at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Count {
    /// The class; none for calls whose class bits name no table.
    pub(super) class: Option<Class>,
    /// The number; [`NUMBERS`] stands for itself and all above.
    pub(super) number: u32,
    /// Calls made.
    pub(super) calls: u64,
    /// Those that failed.
    pub(super) errors: u64,
    /// Time spent.
    pub(super) total_ns: u64,
}

/// A counter for every class and number.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Counters {
    by_class: [[Counter; PLACES]; CLASSES.len()],
    without_class: Counter,
}

impl Counters {
    /// The counter of a call.
    pub(super) fn of(&self, class: Option<Class>, number: u32) -> &Counter {
        let table = match class {
            Some(Class::Bsd) => self.by_class.first(),
            Some(Class::Mach) => self.by_class.get(1),
            Some(Class::Machdep) => self.by_class.get(2),
            None => None,
        };
        table.and_then(|table| table.get((number as usize).min(NUMBERS))).unwrap_or(&self.without_class)
    }

    /// Every call that was made at least once.
    pub(super) fn collect(&self) -> Vec<Count> {
        let numbers = 0..u32::try_from(PLACES).unwrap_or(0);
        CLASSES
            .into_iter()
            .flat_map(|class| numbers.clone().map(move |number| (Some(class), number)))
            .chain([(None, 0)])
            .map(|(class, number)| {
                let counter = self.of(class, number);
                Count {
                    class,
                    number,
                    calls: counter.calls.load(Ordering::Relaxed),
                    errors: counter.errors.load(Ordering::Relaxed),
                    total_ns: counter.total_ns.load(Ordering::Relaxed),
                }
            })
            .filter(|count| count.calls > 0)
            .collect()
    }
}
