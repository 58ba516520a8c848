//! `cargo xtask coverage`: how much of XNU is served, counted from the tables themselves.
//!
//! A `_nocancel` twin counts as a call of its own: programs make it by its own number.

use crate::{Result, workspace};
use clap::Args;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use xnu_core::table::{Family, Grade, Row};
use xnu_core::{bsd, mach, machdep};

/// Options of `cargo xtask coverage`.
#[derive(Args)]
pub(crate) struct Options {
    /// Fail if a call of this family has no handler yet. Some stand for several: files, processes, signals, sysctl,
    /// machdep, mach, and ALL
    #[arg(long, value_name = "FAMILY")]
    check: Vec<String>,
    /// Write docs/coverage.md
    #[arg(long)]
    write: bool,
    /// Fail if docs/coverage.md is not what --write would write
    #[arg(long, conflicts_with_all = ["write", "check"])]
    check_page: bool,
}

/// The command that renders the page, for messages and for the page itself.
const WRITE_COMMAND: &str = "cargo xtask coverage --write";

const PAGE: &str = "docs/coverage.md";

/// What people call several families, or one by another name.
const GROUPS: &[(&str, &[Family])] = &[
    ("files", &[Family::descriptor, Family::name, Family::metadata, Family::mount]),
    ("processes", &[Family::process]),
    ("signals", &[Family::signal]),
    ("sysctl", &[Family::system]),
    ("machdep", &[Family::processor]),
    (
        "mach",
        &[
            Family::port,
            Family::message,
            Family::semaphore,
            Family::vm,
            Family::task,
            Family::host,
            Family::voucher,
            Family::timer,
            Family::device,
        ],
    ),
    ("ALL", Family::ALL),
];

/// One number that a program can ask for.
struct Call {
    /// The table, with the processor where each has its own.
    table: &'static str,
    number: u32,
    name: String,
    row: Row,
}

/// The calls of a family, by how far they are served.
#[derive(Clone, Copy, Default)]
struct Count {
    rows: usize,
    faithful: usize,
    partial: usize,
    fake: usize,
    /// Refused, as XNU does or by our choice: `enosys`, `nosys`, `invalid`.
    refused: usize,
    todo: usize,
}

impl Count {
    fn of<'a>(calls: impl IntoIterator<Item = &'a Call>) -> Count {
        let mut count = Count::default();
        for call in calls {
            count.rows += 1;
            let grade = match call.row.grade {
                Grade::Faithful | Grade::Refused(_) => &mut count.faithful,
                Grade::Partial(_) => &mut count.partial,
                Grade::Fake(_) => &mut count.fake,
                Grade::Enosys(_) | Grade::Nosys(_) | Grade::Invalid => &mut count.refused,
                Grade::Todo => &mut count.todo,
            };
            *grade += 1;
        }
        count
    }

    fn cells(self) -> [usize; 7] {
        let handled = self.faithful + self.partial;
        [self.rows, handled, self.faithful, self.partial, self.fake, self.refused, self.todo]
    }
}

const COLUMNS: [&str; 7] = ["calls", "handled", "faithful", "partial", "fake", "refused", "todo"];

/// Prints the counts, writes the page if told to, and checks families.
///
/// # Errors
/// A name that is no family, a checked family with a `todo`, or a page that cannot be written.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.check_page {
        return check_page();
    }
    let checked = checked_families(&options.check)?;
    let families = families();
    // Who reads it may have seen enough.
    let _ = std::io::stdout().write_all(report(&families).as_bytes());
    if options.write {
        let page = page_path();
        fs::create_dir_all(page.parent().ok_or("the page has no directory")?)?;
        fs::write(&page, page_text(&families))?;
        println!("\nwrote {PAGE}");
    }
    let todo: Vec<String> =
        checked.iter().filter_map(|family| todo_line(*family, families.get(family)?)).collect();
    if todo.is_empty() { Ok(()) } else { Err(format!("calls without a handler\n{}", todo.join("\n")).into()) }
}

/// Whether the committed page is what the tables say.
///
/// # Errors
/// It is not, or cannot be read; the message names the command that writes it.
fn check_page() -> Result<()> {
    let page = fs::read_to_string(page_path())
        .map_err(|error| format!("{PAGE} cannot be read ({error}); write it: {WRITE_COMMAND}"))?;
    if page == page_text(&families()) {
        Ok(())
    } else {
        Err(format!("{PAGE} is not what the tables say; write it anew: {WRITE_COMMAND}").into())
    }
}

fn page_path() -> PathBuf {
    workspace::root().join(PAGE)
}

/// Every call by family, in the order of the tables.
fn families() -> BTreeMap<Family, Vec<Call>> {
    let mut families: BTreeMap<Family, Vec<Call>> = BTreeMap::new();
    let tables: [(&'static str, Vec<Row>); 6] = [
        ("bsd", bsd::rows().collect()),
        ("mach", mach::rows().collect()),
        ("machdep x86-64", machdep::x86_64::rows().collect()),
        ("machdep i386", machdep::i386::rows().collect()),
        ("machdep arm64", machdep::arm64::rows().collect()),
        ("mach arm64", machdep::arm64::clock::rows().collect()),
    ];
    for (table, rows) in tables {
        let call = |number, name, row| Call { table, number, name, row };
        let mut calls: Vec<Call> = rows
            .into_iter()
            .flat_map(|row| {
                let twin = row.twin.map(|number| call(number, format!("{}_nocancel", row.name), row));
                [call(row.number, row.name.to_string(), row)].into_iter().chain(twin)
            })
            .collect();
        calls.sort_by_key(|call| call.number);
        for call in calls {
            families.entry(call.row.family).or_default().push(call);
        }
    }
    families
}

fn checked_families(names: &[String]) -> Result<Vec<Family>> {
    let mut checked = Vec::new();
    for name in names {
        let group = GROUPS.iter().find(|(group, _)| group == name).map(|(_, families)| families.to_vec());
        let family = || Family::ALL.iter().find(|family| family.name() == name).map(|family| vec![*family]);
        checked.extend(group.or_else(family).ok_or_else(|| {
            let families = Family::ALL.iter().map(|family| family.name());
            let all: Vec<_> = families.chain(GROUPS.iter().map(|(group, _)| *group)).collect();
            format!("there is no family {name:?}; there are {}", all.join(", "))
        })?);
    }
    Ok(checked)
}

/// The calls of a family that are still to do, on one line.
fn todo_line(family: Family, calls: &[Call]) -> Option<String> {
    let todo: Vec<String> = calls
        .iter()
        .filter(|call| call.row.grade == Grade::Todo)
        .map(|call| format!("{} ({} {})", call.name, call.table, call.number))
        .collect();
    (!todo.is_empty()).then(|| format!("{}: {}", family.name(), todo.join(", ")))
}

/// The lines of the summary: name and counts, the sum at the end.
fn summary(families: &BTreeMap<Family, Vec<Call>>) -> Vec<(&'static str, Count)> {
    let mut lines: Vec<_> =
        families.iter().map(|(family, calls)| (family.name(), Count::of(calls))).collect();
    lines.push(("all", Count::of(families.values().flatten())));
    lines
}

/// The summary for a terminal.
fn report(families: &BTreeMap<Family, Vec<Call>>) -> String {
    let mut out = format!("{:<12}", "family");
    for column in COLUMNS {
        let _ = write!(out, "{column:>9}");
    }
    out.push('\n');
    for (name, count) in summary(families) {
        let _ = write!(out, "{name:<12}");
        for cell in count.cells() {
            let _ = write!(out, "{cell:>9}");
        }
        out.push('\n');
    }
    out
}

/// The page for readers.
fn page_text(families: &BTreeMap<Family, Vec<Call>>) -> String {
    let mut out = format!(
        "# Coverage\n\n\
         This page is generated from the tables in `core/src/{{bsd,mach}}/table.rs` and `core/src/machdep` by `{WRITE_COMMAND}`.\n\
         Change the tables, not the page; `cargo xtask test` compares them.\n\n\
         * **faithful**: as the manual page and XNU's source say.\n\
         * **partial**: served, but for what the note says.\n\
         * **fake**: answers success and does nothing; the note says why that is safe.\n\
         * **enosys**: answers `ENOSYS`: in the family `removed` as XNU does, elsewhere by our choice.\n\
         * **nosys**, **invalid**: an empty row of XNU's too, and answered as XNU does.\n\
         * **todo**: XNU serves it, we do not yet. Answers as if the call did not exist.\n\n\
         Enosys, nosys and invalid are counted as refused. A `_nocancel` twin counts as a call of its own.\n\n"
    );
    let _ = writeln!(out, "| family | {} |", COLUMNS.join(" | "));
    let _ = writeln!(out, "| --- |{}", " ---: |".repeat(COLUMNS.len()));
    for (name, count) in summary(families) {
        let name = if name == "all" { "**all**".to_string() } else { format!("[{name}](#{name})") };
        let cells: Vec<String> = count.cells().iter().map(usize::to_string).collect();
        let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
    }
    for (family, calls) in families {
        let _ = write!(out, "\n## {}\n\n| table | number | name | grade | note |\n", family.name());
        out.push_str("| --- | ---: | --- | --- | --- |\n");
        for call in calls {
            let grade = call.row.grade;
            let note = grade.note().replace('|', "\\|");
            let (table, number, name, grade) = (call.table, call.number, &call.name, grade.name());
            let _ = writeln!(out, "| {table} | {number} | `{name}` | {grade} | {note} |");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_counted_once() {
        let all = Count::of(families().values().flatten());
        assert_eq!(all.rows, 558 + 128 + 7 + 7 + 4 + 2);
        let [rows, handled, faithful, partial, fake, refused, todo] = all.cells();
        assert_eq!(handled, faithful + partial);
        assert_eq!(rows, handled + fake + refused + todo);
    }

    #[test]
    fn unknown_family_is_an_error_that_lists_them() {
        assert_eq!(checked_families(&["files".into()]).unwrap().len(), 4);
        let error = checked_families(&["descriptors".into()]).unwrap_err().to_string();
        assert!(error.contains("\"descriptors\"") && error.contains("descriptor, name"), "{error}");
        assert_eq!(checked_families(&["ALL".into()]).unwrap(), Family::ALL);
        assert_eq!(checked_families(&["signal".into()]).unwrap(), [Family::signal]);
    }

    #[test]
    fn check_names_the_calls_that_are_missing() {
        let row = bsd::row(1).expect("exit");
        let done = || Call { table: "bsd", number: 1, name: "exit".into(), row };
        let todo =
            Call { table: "bsd", number: 7, name: "missing".into(), row: Row { grade: Grade::Todo, ..row } };
        assert_eq!(todo_line(Family::process, &[done()]), None);
        assert_eq!(todo_line(Family::process, &[done(), todo]).as_deref(), Some("process: missing (bsd 7)"));
    }

    #[test]
    fn page_has_every_call() {
        let page = page_text(&families());
        let lines = page.lines().filter(|line| line.starts_with("| bsd |") || line.starts_with("| mach"));
        assert_eq!(lines.count(), 558 + 128 + 7 + 7 + 4 + 2);
        assert!(page.contains("| bsd | 399 | `close_nocancel` | faithful |"), "{page}");
    }
}
