//! The table of counts and times at the end, as `strace -c` prints it. Times are wall-clock.

use super::Format;
use super::counters::{Count, NUMBERS};
use super::record::write_name;
use std::fmt::Write;
use xnu_core::dispatch::row;
use xnu_core::table::Grade;

/// The name of what was counted.
fn name(count: &Count) -> String {
    let mut name = String::new();
    match count.class {
        // The last counter of a class is shared.
        Some(class) if count.number as usize >= NUMBERS => {
            let _ = write!(name, "{}#{NUMBERS}+", class.name());
        }
        Some(class) => {
            let _ = write_name(class, count.number, row(class, count.number), &mut name);
        }
        None => name.push_str("unknown class"),
    }
    name
}

/// The grade of the row that serves it.
fn grade(count: &Count) -> Option<Grade> {
    count.class.and_then(|class| row(class, count.number)).map(|row| row.grade)
}

/// The summary: a table, or JSON objects for a trace in JSON.
pub(super) fn render(format: Format, counts: &[Count]) -> String {
    let mut counts = counts.to_vec();
    counts.sort_by(|a, b| {
        (b.total_ns, b.calls).cmp(&(a.total_ns, a.calls)).then_with(|| name(a).cmp(&name(b)))
    });
    match format {
        Format::Json => json(&counts),
        Format::Text | Format::None => table(&counts),
    }
}

const RULE: &str = "------ ----------- ----------- --------- --------- ----------------\n";

fn line(out: &mut String, share: f64, total_ns: u64, calls: u64, errors: u64, name: &str) {
    let errors = if errors == 0 { String::new() } else { errors.to_string() };
    let each_us = total_ns.checked_div(calls).unwrap_or(0) / 1000;
    let _ = writeln!(
        out,
        "{share:6.2} {:>4}.{:06} {each_us:>11} {calls:>9} {errors:>9} {name}",
        total_ns / 1_000_000_000,
        total_ns / 1000 % 1_000_000,
    );
}

fn table(counts: &[Count]) -> String {
    let sum = |of: fn(&Count) -> u64| counts.iter().map(of).fold(0u64, u64::saturating_add);
    let total_ns = sum(|count| count.total_ns);
    let mut out = String::from("% time     seconds  usecs/call     calls    errors call\n");
    out.push_str(RULE);
    for count in counts {
        let share = if total_ns == 0 { 0.0 } else { 100.0 * count.total_ns as f64 / total_ns as f64 };
        line(&mut out, share, count.total_ns, count.calls, count.errors, &name(count));
    }
    out.push_str(RULE);
    let whole = if total_ns == 0 { 0.0 } else { 100.0 };
    line(&mut out, whole, total_ns, sum(|count| count.calls), sum(|count| count.errors), "total");
    let mut unserved: Vec<&Count> =
        counts.iter().filter(|count| matches!(grade(count), Some(Grade::Todo))).collect();
    if !unserved.is_empty() {
        unserved.sort_by_key(|count| std::cmp::Reverse(count.calls));
        let list: Vec<String> =
            unserved.iter().map(|count| format!("{} ({})", name(count), count.calls)).collect();
        let _ = writeln!(out, "not served: {}", list.join(", "));
    }
    out
}

fn json(counts: &[Count]) -> String {
    let mut out = String::new();
    for count in counts {
        let _ = writeln!(
            out,
            "{{\"event\":\"summary\",\"class\":{},\"number\":{},\"name\":\"{}\",\"calls\":{},\"errors\":{},\
             \"total_ns\":{},\"grade\":\"{}\"}}",
            count.class.map_or("null".to_owned(), |class| format!("\"{}\"", class.name())),
            count.number,
            name(count),
            count.calls,
            count.errors,
            count.total_ns,
            grade(count).map_or("unknown", Grade::name),
        );
    }
    out
}
