//! What the library may define for others and want of others: `capi/symbols.tsv`.
//!
//! The table has C's names. A Mach-O object spells them with an underscore in front, but for those of the assembler's.

use super::archive::Symbols;
use crate::{Result, workspace};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// What a symbol is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A C function.
    Function,
    /// A C variable.
    Variable,
    /// A function that only assembly calls.
    Entry,
    /// The address of an entry's place for a tracer; assembly's as well.
    Slot,
    /// What whoever links the library brings: C functions.
    Import,
}

impl Kind {
    fn parse(word: &str) -> Option<Kind> {
        Some(match word {
            "function" => Kind::Function,
            "variable" => Kind::Variable,
            "entry" => Kind::Entry,
            "slot" => Kind::Slot,
            "import" => Kind::Import,
            _ => return None,
        })
    }

    /// Whether C knows it, and so the header.
    pub(crate) fn is_c(self) -> bool {
        !matches!(self, Kind::Entry | Kind::Slot)
    }

    pub(crate) fn is_code(self) -> bool {
        matches!(self, Kind::Function | Kind::Entry)
    }
}

/// The table.
pub(crate) struct List(BTreeMap<String, Kind>);

impl List {
    /// Reads the table of the project.
    ///
    /// # Errors
    /// It is not there, or is no such table.
    pub(crate) fn read() -> Result<List> {
        let path = workspace::root().join("capi/symbols.tsv");
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        List::parse(&text).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    pub(crate) fn parse(text: &str) -> std::result::Result<List, String> {
        let mut list = BTreeMap::new();
        for line in text.lines().skip(1) {
            let row = line.split_once('\t').and_then(|(kind, name)| Some((name, Kind::parse(kind)?)));
            let (name, kind) = row.ok_or_else(|| format!("no row: {line}"))?;
            if list.insert(name.to_owned(), kind).is_some() {
                return Err(format!("twice: {name}"));
            }
        }
        Ok(List(list))
    }

    /// What the library defines for others, by C's names.
    pub(crate) fn exports(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.0.iter().filter(|(_, kind)| **kind != Kind::Import).map(|(name, kind)| (name.as_str(), *kind))
    }

    /// The names of these kinds as an object file spells them.
    fn spelled(&self, is_elf: bool, wanted: impl Fn(Kind) -> bool) -> BTreeSet<String> {
        let rows = self.0.iter().filter(|(_, kind)| wanted(**kind));
        rows.map(|(name, kind)| if is_elf || !kind.is_c() { name.clone() } else { format!("_{name}") })
            .collect()
    }

    /// What is wrong with the symbols of a library, or of what is linked of it.
    pub(crate) fn problems(&self, symbols: &Symbols, is_elf: bool) -> Vec<String> {
        let exports = self.spelled(is_elf, |kind| kind != Kind::Import);
        let code = self.spelled(is_elf, Kind::is_code);
        let imports = self.spelled(is_elf, |kind| kind == Kind::Import);
        let exported: BTreeSet<String> = symbols.exported.keys().cloned().collect();
        let mut problems = Vec::new();
        let mut add = |what: &str, names: Vec<&String>| {
            problems.extend(names.into_iter().map(|name| format!("{what}: {name}")));
        };
        add("exported, but not listed", exported.difference(&exports).collect());
        add("listed, but not exported", exports.difference(&exported).collect());
        add("undefined, and not listed as an import", symbols.undefined.difference(&imports).collect());
        let is_wrong =
            |(name, is_code): &(&String, &bool)| exports.contains(*name) && **is_code != code.contains(*name);
        add("a function that is listed as a variable, or the reverse", {
            symbols.exported.iter().filter(is_wrong).map(|(name, _)| name).collect()
        });
        add("leads to a panic or unwinds", symbols.all.iter().filter(|name| is_panic(name)).collect());
        problems
    }
}

/// Whether a function of this name is there only where something can panic.
fn is_panic(name: &str) -> bool {
    ["panicking", "panic_impl", "rust_begin_unwind", "rust_eh_personality", "rust_panic", "_Unwind_"]
        .iter()
        .any(|part| name.contains(part))
}
