//! The three call tables against the reference tables: numbers, names, argument counts and grades.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use xnu_core::table::{Class, Family, Grade, Row};
use xnu_core::{dispatch, machdep};

const BSD_SYSCALLS: &str = include_str!("../data/bsd_syscalls.tsv");
const MACH_TRAPS: &str = include_str!("../data/mach_traps.tsv");
const MACHDEP_CALLS: &str = include_str!("../data/machdep_calls.tsv");

const CLASSES: [Class; 3] = [Class::Bsd, Class::Mach, Class::Machdep];

/// The indirect call: an empty row in XNU too, but its entry takes the real number from the first argument, so it is
/// no removed call.
const INDIRECT: (Class, u32) = (Class::Bsd, 0);

/// Rows whose argument count is not the reference's: number, ours, theirs, and why.
const ARGUMENTS_OF_OUR_OWN: &[(Class, u32, usize, usize, &str)] = &[
    (Class::Mach, 32, 9, 8, "the prototype for programs has a ninth, which no register carries"),
    (Class::Mach, 59, 1, 0, "programs pass a priority, which XNU ignores"),
];

/// A call of the reference.
struct Call {
    name: String,
    arguments: usize,
}

fn cells(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

fn bsd_reference() -> BTreeMap<u32, Call> {
    cells(BSD_SYSCALLS)
        .map(|row| {
            let call = Call { name: row[1].to_string(), arguments: row[3].parse().expect("a count") };
            (row[0].parse().expect("a number"), call)
        })
        .collect()
}

fn mach_reference() -> BTreeMap<u32, Call> {
    cells(MACH_TRAPS)
        .map(|row| {
            let call = Call { name: row[1].to_string(), arguments: row[4].parse().expect("a count") };
            (row[0].parse().expect("a number"), call)
        })
        .collect()
}

fn machdep_reference() -> BTreeMap<u32, Call> {
    processor_reference("x86_64", |cell| cell.parse().ok())
}

/// The machine-dependent calls of a processor whose cell for the number is understood by `number`.
fn processor_reference(processor: &str, number: impl Fn(&str) -> Option<u32>) -> BTreeMap<u32, Call> {
    cells(MACHDEP_CALLS)
        .filter(|row| row[0] == processor)
        .filter_map(|row| {
            let arguments = if row[3] == "-" { 0 } else { row[3].split(';').count() };
            let name = row[2].strip_suffix(" trap").unwrap_or(row[2]).replace(' ', "_");
            Some((number(row[1])?, Call { name, arguments }))
        })
        .collect()
}

/// The rows of one table.
fn rows(class: Class) -> impl Iterator<Item = Row> {
    dispatch::rows().filter(move |row| row.class == class)
}

/// Every number of a table with its name there, twins included.
fn numbers(class: Class) -> impl Iterator<Item = (u32, String, Row)> {
    rows(class).flat_map(|row| {
        let twin = row.twin.map(|twin| (twin, format!("{}_nocancel", row.name), row));
        [(row.number, row.name.to_string(), row)].into_iter().chain(twin)
    })
}

#[track_caller]
fn no_complaints(complaints: &[String]) {
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Numbers, names and argument counts of one table.
#[track_caller]
fn is_the_reference(class: Class, reference: &BTreeMap<u32, Call>, range: Range<u32>) {
    is_that_reference(numbers(class), reference, range);
}

#[track_caller]
fn is_that_reference(
    numbers: impl Iterator<Item = (u32, String, Row)>,
    reference: &BTreeMap<u32, Call>,
    range: Range<u32>,
) {
    let mut complaints = Vec::new();
    let mut seen = BTreeMap::new();
    for (number, name, row) in numbers {
        if let Some(other) = seen.insert(number, name.clone()) {
            complaints.push(format!("{number} is {other} and {name}"));
        }
        let Some(call) = reference.get(&number) else {
            complaints.push(format!("{number} {name}: XNU has no such number"));
            continue;
        };
        if name != call.name {
            complaints.push(format!("{number} {name}: XNU calls it {}", call.name));
        }
        let (ours, theirs) = (row.parameters.len(), call.arguments);
        let excused = ARGUMENTS_OF_OUR_OWN.iter().any(|(class, of, our_count, their_count, _)| {
            (*class, *of, *our_count, *their_count) == (row.class, number, ours, theirs)
        });
        if ours != theirs && !excused {
            complaints.push(format!("{number} {name}: takes {ours} arguments, XNU's takes {theirs}"));
        }
    }
    for number in range.clone() {
        if !seen.contains_key(&number) {
            complaints.push(format!("{number} has no row"));
        }
    }
    no_complaints(&complaints);
    assert_eq!(reference.keys().copied().collect::<Vec<_>>(), range.collect::<Vec<_>>(), "the reference");
}

#[test]
fn bsd_table_has_the_numbers_names_and_arguments_of_xnu() {
    is_the_reference(Class::Bsd, &bsd_reference(), 0..558);
}

#[test]
fn mach_table_has_the_numbers_names_and_arguments_of_xnu() {
    is_the_reference(Class::Mach, &mach_reference(), 0..128);
}

#[test]
fn machdep_table_has_the_numbers_names_and_arguments_of_xnu() {
    is_the_reference(Class::Machdep, &machdep_reference(), 0..7);
}

#[test]
fn machdep_tables_of_other_processors_are_those_of_xnu() {
    let named = |row: Row| (row.number, row.name.to_string(), row);
    let i386 = processor_reference("i386", |cell| cell.parse().ok());
    is_that_reference(machdep::i386::rows().map(named), &i386, 0..7);
    let in_w3 = |cell: &str| cell.strip_prefix("x16=0x80000000 (w3=")?.strip_suffix(')')?.parse().ok();
    is_that_reference(machdep::arm64::rows().map(named), &processor_reference("arm64", in_w3), 0..4);
    let clocks = |cell: &str| cell.strip_prefix("w16=-")?.split(' ').next()?.parse().ok();
    is_that_reference(machdep::arm64::clock::rows().map(named), &processor_reference("arm64", clocks), 3..5);
}

#[test]
fn exceptions_are_needed() {
    let references = [
        (Class::Bsd, bsd_reference()),
        (Class::Mach, mach_reference()),
        (Class::Machdep, machdep_reference()),
    ];
    let of = |class: Class| &references.iter().find(|(of, _)| *of == class).expect("a reference").1;
    let (class, number) = INDIRECT;
    assert_eq!(of(class)[&number].name, "nosys");
    for (class, number, ours, theirs, _) in ARGUMENTS_OF_OUR_OWN {
        let row = dispatch::row(*class, *number).expect("a row");
        assert_eq!((row.parameters.len(), of(*class)[number].arguments), (*ours, *theirs), "{}", row.name);
        assert_ne!(ours, theirs, "{}", row.name);
    }
}

#[test]
fn empty_rows_are_empty_in_xnu_too() {
    let mut complaints = Vec::new();
    for row in rows(Class::Bsd) {
        let theirs = bsd_reference().remove(&row.number).map(|call| call.name).unwrap_or_default();
        let fits = match row.grade {
            Grade::Nosys(_) => theirs == "nosys",
            // A call that XNU serves may be refused by our choice; its row keeps its name and family.
            Grade::Enosys(_) => (theirs == "enosys") == (row.family == Family::removed) && theirs != "nosys",
            Grade::Invalid => false,
            _ => theirs != "nosys" && theirs != "enosys",
        };
        if !fits {
            complaints.push(format!("{} {}: {:?}, XNU has {theirs}", row.number, row.name, row.grade));
        }
    }
    for (class, reference) in [(Class::Mach, mach_reference()), (Class::Machdep, machdep_reference())] {
        for row in rows(class) {
            let empty = reference.get(&row.number).is_some_and(|call| call.name == "kern_invalid");
            if empty != (row.grade == Grade::Invalid) || matches!(row.grade, Grade::Nosys(_)) {
                let class = row.class.name();
                complaints.push(format!("{class} {} {}: {:?}", row.number, row.name, row.grade));
            }
        }
    }
    no_complaints(&complaints);
}

#[test]
fn removed_is_the_family_of_empty_rows_alone() {
    let empty = |row: &Row| {
        matches!(row.name, "enosys" | "nosys" | "kern_invalid") && (row.class, row.number) != INDIRECT
    };
    let mut complaints = Vec::new();
    for row in dispatch::rows() {
        if empty(&row) != (row.family == Family::removed) {
            complaints.push(format!("{} {} {}", row.class.name(), row.number, row.name));
        }
    }
    no_complaints(&complaints);
}

#[test]
fn every_reservation_is_explained() {
    let mut complaints = Vec::new();
    for row in dispatch::rows() {
        let needs_note = !matches!(row.grade, Grade::Faithful | Grade::Invalid | Grade::Todo);
        if needs_note && row.grade.note().trim().is_empty() {
            complaints.push(format!("{} {} {}", row.class.name(), row.number, row.name));
        }
    }
    no_complaints(&complaints);
}

#[test]
fn rows_say_as_many_parameters_as_they_have() {
    for row in dispatch::rows() {
        assert!(row.twin.is_none_or(|twin| twin > row.number), "the twin of {}", row.name);
        assert_eq!(row.parameters.iter().count(), row.parameters.len(), "{}", row.name);
        assert!(row.parameters.get(row.parameters.len()).is_none(), "{}", row.name);
    }
}

#[test]
fn lookup_finds_every_number_and_nothing_else() {
    for class in CLASSES {
        let expected: BTreeMap<u32, Row> = numbers(class).map(|(number, _, row)| (number, row)).collect();
        for number in (0..1000).chain([u32::MAX, u32::MAX / 2, 1 << 16, 0x00ff_ffff]) {
            let found = dispatch::row(class, number).map(|row| row.number);
            let row = expected.get(&number).map(|row| row.number);
            assert_eq!(found, row, "{} {number}", class.name());
        }
    }
}

#[test]
fn nocancel_calls_share_the_row_of_their_plain_call() {
    let is_nocancel = |name: &str| name.ends_with("_nocancel");
    let theirs: BTreeSet<u32> = bsd_reference()
        .into_iter()
        .filter(|(_, call)| is_nocancel(&call.name))
        .map(|(number, _)| number)
        .collect();
    let ours: BTreeSet<u32> = rows(Class::Bsd).filter_map(|row| row.twin).collect();
    let alone: Vec<u32> =
        rows(Class::Bsd).filter(|row| is_nocancel(row.name)).map(|row| row.number).collect();
    assert_eq!(alone, [0; 0], "rows of their own");
    assert_eq!(ours, theirs);
}
