//! Where a Mac differs from Linux by design.

/// A difference that is meant.
#[derive(Debug)]
pub(crate) struct Deviation {
    pub(crate) family: &'static str,
    /// Words that are all in the scenario's name; of several with `|` between, one.
    pub(crate) scenarios: &'static [&'static str],
    /// The lines in which the two differ, with `; ` between: on Linux, in the guest. `*` for anything.
    pub(crate) native: &'static str,
    pub(crate) guest: &'static str,
    pub(crate) why: &'static str,
}

impl Deviation {
    pub(crate) fn excuses(&self, scenario: &str, native: &str, guest: &str) -> bool {
        let named = |words: &&str| words.split('|').any(|word| scenario.split(' ').any(|part| part == word));
        let fits = |wanted: &str, told: &str| wanted == "*" || wanted == told;
        self.scenarios.iter().all(named) && fits(self.native, native) && fits(self.guest, guest)
    }
}

pub(crate) const DEVIATIONS: &[Deviation] = &[];
