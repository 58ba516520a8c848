//! The subsystem `clock` (`osfmk/kern/clock_oldops.c`).

use super::layout::Value;
use super::{Call, Outcome};
use crate::host::Host;
use crate::port::Object;
use alloc::vec::Vec;
use xnu_abi::darwin::kern_return::KernReturn;

const NANOSECONDS: u64 = 1_000_000_000;

/// The clock of the machine and that of the calendar, by their numbers.
pub(super) const CLOCKS: u32 = 2;
const CALENDAR_CLOCK: u32 = 1;

/// What clocks tell of themselves (`osfmk/mach/clock_types.h`), and the resolution that all of XNU's have.
const CLOCK_GET_TIME_RES: u32 = 1;
const CLOCK_ALARM_CURRES: u32 = 3;
const CLOCK_ALARM_MAXRES: u32 = 5;
const RESOLUTION_NS: u32 = 10_000_000;

impl<H: Host> Call<'_, H> {
    fn clock(&self) -> Result<u32, KernReturn> {
        if let Object::Clock(clock) = self.object {
            Ok(clock)
        } else {
            Err(KernReturn::KERN_INVALID_ARGUMENT)
        }
    }

    /// A few words, with or without a count.
    pub(super) fn give_words(&mut self, words: &[u32]) -> Outcome {
        let mut given = Vec::new();
        given.try_reserve_exact(words.len()).map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
        given.extend_from_slice(words);
        self.give(Value::Words(given))
    }
}

pub(super) fn clock_get_time<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let time = match call.clock()? {
        CALENDAR_CLOCK => call.engine.host.calendar(),
        _ => call.engine.host.now(),
    };
    call.give_words(&[(time / NANOSECONDS) as u32, (time % NANOSECONDS) as u32])
}

pub(super) fn clock_get_attributes<H: Host>(call: &mut Call<'_, H>) -> Outcome {
    let clock = call.clock()?;
    if call.word(1) == 0 {
        return Err(KernReturn::KERN_FAILURE);
    }
    let resolution = match (call.word(0), clock) {
        (CLOCK_GET_TIME_RES, _) => RESOLUTION_NS,
        // Nothing can be set for the calendar's.
        (CLOCK_ALARM_CURRES..=CLOCK_ALARM_MAXRES, CALENDAR_CLOCK) => 0,
        (CLOCK_ALARM_CURRES..=CLOCK_ALARM_MAXRES, _) => RESOLUTION_NS,
        _ => return Err(KernReturn::KERN_INVALID_VALUE),
    };
    call.give_words(&[resolution])
}
