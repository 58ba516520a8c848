//! The table that `bench` prints.

use super::Outcome;
use super::measure::Row;
use std::fmt::Write;

/// What a run came to.
fn verdict(outcome: &Outcome) -> String {
    match (outcome.met(), &outcome.error, outcome.runs.len()) {
        (_, Some(_), _) => "not measured".to_owned(),
        (true, None, 1) => "met".to_owned(),
        (true, None, runs) => format!("met in run {runs}"),
        (false, None, runs) => format!("MISSED {runs} times"),
    }
}

/// Linux calls each time: ours, and theirs.
fn calls(calls: [Option<u64>; 2]) -> String {
    match calls {
        [None, None] => String::new(),
        sides => sides.map(|calls| calls.map_or("-".to_owned(), |calls| calls.to_string())).join(" / "),
    }
}

/// The rows without figures.
pub(crate) fn list(rows: &[&'static Row]) -> String {
    let mut lines = vec![["row", "what", "against", "goal"].map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        [row.name.to_owned(), row.what.to_owned(), row.against.to_owned(), format!("<= {:.2}", row.goal)]
    }));
    aligned(&lines, &[false, false, false, true])
}

/// All rows with their ratios, and below them what a reader of the verdicts must know.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let header = ["row", "what", "against", "median", "min", "max", "goal", "calls", "verdict"];
    let mut lines = vec![header.map(str::to_owned)];
    for outcome in outcomes {
        let row = outcome.row;
        let last = outcome.runs.last();
        let ratio = |pick: fn(&super::Measurement) -> f64| match last {
            Some(run) => format!("{:.3}", pick(run)),
            None => "-".to_owned(),
        };
        lines.push([
            row.name.to_owned(),
            row.what.to_owned(),
            row.against.to_owned(),
            ratio(|run| run.median),
            ratio(|run| run.min),
            ratio(|run| run.max),
            format!("{:.2}", row.goal),
            calls(outcome.calls),
            verdict(outcome),
        ]);
    }
    let mut text = aligned(&lines, &[false, false, false, true, true, true, true, true, false]);
    let rounds: Vec<usize> =
        outcomes.iter().flat_map(|outcome| &outcome.runs).map(|run| run.rounds).collect();
    if let (Some(min), Some(max)) = (rounds.iter().min(), rounds.iter().max()) {
        let rounds = if min == max { min.to_string() } else { format!("{min} to {max}") };
        let _ = writeln!(text, "\nRatios of time, {rounds} interleaved rounds a run; below 1 is faster.");
        if outcomes.iter().any(|outcome| outcome.calls != [None; 2]) {
            let _ = writeln!(text, "Calls are Linux calls each time, ours / theirs.");
        }
    }
    for outcome in outcomes {
        let name = outcome.row.name;
        if outcome.runs.len() > 1 {
            let medians: Vec<String> = outcome.runs.iter().map(|run| format!("{:.3}", run.median)).collect();
            let _ = writeln!(
                text,
                "{name}: measured again after a miss; the medians of all runs: {}.",
                medians.join(", ")
            );
        }
        if let Some(error) = &outcome.error {
            let _ = writeln!(text, "{name}: not measured: {error}.");
        }
    }
    text
}

/// Lines of cells as columns; `right` says which are figures.
fn aligned<const N: usize>(lines: &[[String; N]], right: &[bool; N]) -> String {
    let width = |column: usize| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for (number, cells) in lines.iter().enumerate() {
        let padded: Vec<String> = (0..N)
            .map(|column| {
                let (cell, width) = (&cells[column], widths[column]);
                if right[column] { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            })
            .collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
        if number == 0 {
            text.push_str(&widths.map(|width| "-".repeat(width)).join("  "));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Measurement, measure::Side};
    use std::time::Duration;

    static ROW: Row = Row {
        name: "a-row",
        what: "ours",
        against: "theirs",
        goal: 0.5,
        sides: || {
            let side = || Side::timed(|_| Ok(Duration::from_millis(5)));
            Ok((side(), side()))
        },
    };

    fn outcome(medians: &[f64]) -> Outcome {
        let run = |&median: &f64| Measurement { median, min: 0.1, max: 2.0, rounds: 31 };
        Outcome { row: &ROW, runs: medians.iter().map(run).collect(), calls: [Some(3), None], error: None }
    }

    #[test]
    fn every_run_of_a_repeated_row_is_shown() {
        let text = table(&[outcome(&[0.61, 0.52, 0.44])]);
        assert!(text.contains("met in run 3"), "{text}");
        assert!(text.contains("0.610, 0.520, 0.440"), "{text}");
        assert!(text.contains("  3 / -  "), "{text}");
    }

    #[test]
    fn missed_goal_is_called_missed() {
        let missed = outcome(&[0.51, 0.52, 0.53, 0.54]);
        assert!(!missed.met());
        assert!(table(&[missed]).contains("MISSED 4 times"));
    }

    #[test]
    fn row_that_could_not_run_is_not_met() {
        let mut broken = outcome(&[0.1]);
        broken.error = Some("no such program".to_owned());
        assert!(!broken.met());
        assert!(table(&[broken]).contains("no such program"));
    }

    #[test]
    fn missing_row_is_measured_again_as_often_as_said() {
        let missed = crate::bench::measure_row(&ROW);
        assert_eq!(missed.runs.len(), 1 + crate::bench::RERUNS);
    }

    #[test]
    fn columns_line_up() {
        let text =
            aligned(&[["a", "b"], ["long", "1"], ["x", "234"]].map(|l| l.map(str::to_owned)), &[false, true]);
        assert_eq!(text, "a       b\n----  ---\nlong    1\nx     234\n");
    }
}
