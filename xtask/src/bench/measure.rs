//! Two sides in turns.

use super::clock;
use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long one side runs in one round.
const TURN: Duration = Duration::from_millis(3);
/// How long all rounds of a row should take, as far as the numbers of rounds allow.
const ROW_TIME: Duration = Duration::from_millis(600);
/// Rounds of a row. Odd, so that one of them is the median.
const MIN_ROUNDS: usize = 31;
const MAX_ROUNDS: usize = 101;

/// One measurement that the design promises.
pub(crate) struct Row {
    /// What selects the row on the command line.
    pub(crate) name: &'static str,
    /// What is measured.
    pub(crate) what: &'static str,
    /// What it is measured against.
    pub(crate) against: &'static str,
    /// The largest ratio that keeps the promise.
    pub(crate) goal: f64,
    /// Prepares both sides, ours first; an error says why this machine cannot run them.
    pub(crate) sides: fn() -> Result<(Side, Side), String>,
}

type Turn = dyn FnMut(u64) -> Result<Duration, String>;

/// Something that can be done many times over.
pub(crate) struct Side {
    turn: Box<Turn>,
    calls: Option<u64>,
}

impl Side {
    /// A call in this thread. Its arguments should come through [`black_box`]; its result goes there by itself.
    ///
    /// Counts the time that the processor spends on this thread, in Linux too. A call that waits for others needs
    /// [`Side::timed`].
    pub(crate) fn call<T>(mut call: impl FnMut() -> T + 'static) -> Side {
        Side::timed(move |count| {
            let start = clock::thread_time()?;
            for _ in 0..count {
                black_box(call());
            }
            Ok(clock::thread_time()?.saturating_sub(start))
        })
    }

    /// A whole process, from its start to its successful end, without input or output.
    pub(crate) fn command(mut command: Command) -> Side {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Side::timed(move |count| {
            let start = Instant::now();
            for _ in 0..count {
                let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
                if !status.success() {
                    return Err(format!("{command:?}: {status}"));
                }
            }
            Ok(start.elapsed())
        })
    }

    /// Anything that does its work so many times and says how long that took: a guest that measures itself, say.
    pub(crate) fn timed(turn: impl FnMut(u64) -> Result<Duration, String> + 'static) -> Side {
        Side { turn: Box::new(turn), calls: None }
    }

    /// Says how many Linux calls it makes each time.
    pub(crate) fn with_calls(self, calls: u64) -> Side {
        Side { calls: Some(calls), ..self }
    }

    /// How many Linux calls it makes each time, if that was counted.
    pub(crate) fn calls(&self) -> Option<u64> {
        self.calls
    }
}

/// The ratios of all rounds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Measurement {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) rounds: usize,
}

impl Measurement {
    fn of(mut ratios: Vec<f64>) -> Option<Measurement> {
        ratios.sort_by(f64::total_cmp);
        let median = *ratios.get(ratios.len() / 2)?;
        Some(Measurement { median, min: *ratios.first()?, max: *ratios.last()?, rounds: ratios.len() })
    }
}

/// Measures how much dearer our side is than theirs.
pub(crate) fn measure((mut ours, mut theirs): (Side, Side)) -> Result<Measurement, String> {
    let (our_count, our_turn) = calibrate(&mut ours)?;
    let (their_count, their_turn) = calibrate(&mut theirs)?;
    let round = (our_turn + their_turn).as_secs_f64().max(1e-9);
    let rounds = ((ROW_TIME.as_secs_f64() / round) as usize).clamp(MIN_ROUNDS, MAX_ROUNDS) | 1;
    let mut ratios = Vec::with_capacity(rounds);
    for number in 0..rounds {
        // The first of two may find a colder cache or a slower clock: take turns at being it.
        let (our_time, their_time) = if number % 2 == 0 {
            let our_time = (ours.turn)(our_count)?;
            (our_time, (theirs.turn)(their_count)?)
        } else {
            let their_time = (theirs.turn)(their_count)?;
            ((ours.turn)(our_count)?, their_time)
        };
        let each = |time: Duration, count: u64| time.as_secs_f64() / count as f64;
        let ratio = each(our_time, our_count) / each(their_time, their_count);
        if !ratio.is_finite() {
            return Err("a side took no time at all".to_owned());
        }
        ratios.push(ratio);
    }
    Measurement::of(ratios).ok_or_else(|| "no round was run".to_owned())
}

/// Finds how often a side fits into a turn, and how long that then takes. Warms it up on the way.
fn calibrate(side: &mut Side) -> Result<(u64, Duration), String> {
    let mut count = 1_u64;
    loop {
        let time = (side.turn)(count)?;
        if time >= TURN / 2 {
            let fitting = count as f64 * (TURN.as_secs_f64() / time.as_secs_f64());
            let fitting = (fitting as u64).max(1);
            return Ok((fitting, time.mul_f64(fitting as f64 / count as f64)));
        }
        if count > 1 << 40 {
            return Err("a side took no time at all".to_owned());
        }
        count *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(each: Duration) -> Side {
        Side::timed(move |count| Ok(each.mul_f64(count as f64)))
    }

    #[test]
    fn ratio_is_ours_over_theirs_for_each_time() {
        let result = measure((takes(Duration::from_nanos(300)), takes(Duration::from_micros(1)))).unwrap();
        assert!((result.median - 0.3).abs() < 0.01, "{result:?}");
        assert!(result.rounds >= MIN_ROUNDS && result.rounds % 2 == 1);
    }

    #[test]
    fn slow_sides_still_get_enough_rounds() {
        let result = measure((takes(Duration::from_millis(80)), takes(Duration::from_millis(40)))).unwrap();
        assert_eq!((result.median, result.rounds), (2.0, MIN_ROUNDS));
    }

    #[test]
    fn median_is_not_moved_by_one_disturbed_round() {
        let result = Measurement::of(vec![1.0, 0.9, 50.0]).unwrap();
        assert_eq!(result, Measurement { median: 1.0, min: 0.9, max: 50.0, rounds: 3 });
    }

    #[test]
    fn failing_command_is_an_error_and_not_a_time() {
        let failing = || Side::command(Command::new("false"));
        let error = measure((failing(), failing())).unwrap_err();
        assert!(error.contains("false"), "{error}");
    }

    #[test]
    fn side_that_does_nothing_is_an_error_and_not_a_ratio() {
        let nothing = || Side::timed(|_| Ok(Duration::ZERO));
        assert!(measure((nothing(), nothing())).is_err());
    }
}
