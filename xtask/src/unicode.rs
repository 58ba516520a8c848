//! `cargo xtask unicode`: the tables by which a case-insensitive prefix compares names.
//!
//! Written by a program and kept in the tree, so that the core needs no crate for them. Decompositions and combining
//! classes come from `unicode-normalization`, case from the standard library, which know the same Unicode.

use crate::{Result, workspace};
use clap::Args;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use unicode_normalization::char::{canonical_combining_class, decompose_canonical};

/// Options of `cargo xtask unicode`.
#[derive(Args)]
pub(crate) struct Options {
    /// Write the tables into the core instead of comparing them with what is there
    #[arg(long)]
    write: bool,
}

/// Compares the tables, or writes them.
///
/// # Errors
/// They are not what this command would write, or cannot be written.
pub(crate) fn run(options: &Options) -> Result<()> {
    let file = file();
    let tables = tables();
    if options.write {
        fs::write(&file, tables)?;
    } else if fs::read_to_string(&file)? != tables {
        return Err(format!("{} is out of date: cargo xtask unicode --write", file.display()).into());
    }
    Ok(())
}

fn file() -> PathBuf {
    workspace::root().join("core/src/vchroot/unicode.rs")
}

fn all() -> impl Iterator<Item = char> {
    ('\0'..=char::MAX).filter(|character| !is_hangul(*character))
}

/// Syllables are decomposed by arithmetic.
fn is_hangul(character: char) -> bool {
    ('\u{ac00}'..='\u{d7a3}').contains(&character)
}

/// The simple case folding: one character becomes one.
///
/// The lower case of the upper case is the folding of everything that has both, but for the dotless i, which Unicode
/// folds to itself and whose upper case is that of the dotted one.
fn fold(character: char) -> char {
    fn single(mut mapped: impl Iterator<Item = char>, otherwise: char) -> char {
        match (mapped.next(), mapped.next()) {
            (Some(only), None) => only,
            _ => otherwise,
        }
    }
    if character == '\u{131}' {
        return character;
    }
    let upper = single(character.to_uppercase(), character);
    single(upper.to_lowercase(), upper)
}

fn decomposition(character: char) -> Vec<char> {
    let mut parts = Vec::new();
    decompose_canonical(character, |part| parts.push(part));
    parts
}

/// What each character is made of, one step at a time: two characters, or one and 0.
fn pairs() -> BTreeMap<u32, (u32, u32)> {
    let whole: Vec<(char, Vec<char>)> = all()
        .map(|character| (character, decomposition(character)))
        .filter(|(character, parts)| *parts != [*character])
        .collect();
    let composed: BTreeMap<&[char], char> =
        whole.iter().rev().map(|(character, parts)| (parts.as_slice(), *character)).collect();
    let pair = |parts: &[char]| match parts {
        [only] => (u32::from(*only), 0),
        [first, second] => (u32::from(*first), u32::from(*second)),
        // More than two: the first of the pair is itself composed.
        [front @ .., last] => (u32::from(composed[front]), u32::from(*last)),
        [] => unreachable!("every character is made of something"),
    };
    whole.iter().map(|(character, parts)| (u32::from(*character), pair(parts))).collect()
}

/// Ranges of characters whose foldings are the same distance away, each `step`-th of them.
fn folds() -> Vec<(u32, u32, u32, i64)> {
    let mut ranges: Vec<(u32, u32, u32, i64)> = Vec::new();
    for character in all() {
        let (from, to) = (u32::from(character), u32::from(fold(character)));
        if from == to {
            continue;
        }
        let distance = i64::from(to) - i64::from(from);
        match ranges.last_mut() {
            Some((first, last, step, same)) if *same == distance && from - *last <= 2 => {
                let gap = from - *last;
                if first == last {
                    (*last, *step) = (from, gap);
                } else if *step == gap {
                    *last = from;
                } else {
                    ranges.push((from, from, 1, distance));
                }
            }
            _ => ranges.push((from, from, 1, distance)),
        }
    }
    ranges
}

fn marks() -> Vec<(u32, u32, u8)> {
    let mut ranges: Vec<(u32, u32, u8)> = Vec::new();
    for character in all() {
        let class = canonical_combining_class(character);
        if class == 0 {
            continue;
        }
        let number = u32::from(character);
        match ranges.last_mut() {
            Some((_, last, same)) if *same == class && *last + 1 == number => *last = number,
            _ => ranges.push((number, number, class)),
        }
    }
    ranges
}

fn tables() -> String {
    let (major, minor, _) = std::char::UNICODE_VERSION;
    assert_eq!(
        (u64::from(major), u64::from(minor)),
        (unicode_normalization::UNICODE_VERSION.0.into(), unicode_normalization::UNICODE_VERSION.1.into()),
        "both sources know the same Unicode"
    );
    let (narrow, wide): (Vec<_>, Vec<_>) = pairs()
        .into_iter()
        .map(|(from, (first, second))| (from, first, second))
        .partition(|(from, first, second)| [from, first, second].iter().all(|number| **number <= 0xffff));

    let mut out = format!(
        "//! How Unicode {major}.{minor} folds case and decomposes characters. Written by `cargo xtask unicode --write`.\n\n"
    );
    let mut table = |doc: &str, name: &str, kind: &str, rows: Vec<String>| {
        let _ = writeln!(out, "/// {doc}\n#[rustfmt::skip]\npub(super) static {name}: &[{kind}] = &[");
        let mut line = String::from("   ");
        for row in rows {
            if line.len() + row.len() + 2 > 110 {
                let _ = writeln!(out, "{line}");
                line = String::from("   ");
            }
            let _ = write!(line, " {row},");
        }
        let _ = writeln!(out, "{line}\n];\n");
    };
    table(
        "Case: first and last character of a range, its step, and the distance to the folded character.",
        "FOLDS",
        "(u32, u32, u8, i32)",
        folds()
            .iter()
            .map(|(first, last, step, far)| format!("({first:#x}, {last:#x}, {step}, {far})"))
            .collect(),
    );
    table(
        "Characters below 0x10000 and what they are made of, one step at a time; 0 where that is one character.",
        "PAIRS",
        "(u16, u16, u16)",
        narrow.iter().map(|(from, a, b)| format!("({from:#x}, {a:#x}, {b:#x})")).collect(),
    );
    table(
        "The same, where one of the three is above that.",
        "WIDE_PAIRS",
        "(u32, u32, u32)",
        wide.iter().map(|(from, a, b)| format!("({from:#x}, {a:#x}, {b:#x})")).collect(),
    );
    table(
        "Combining marks: first and last of a range, and their class.",
        "MARKS",
        "(u32, u32, u8)",
        marks().iter().map(|(first, last, class)| format!("({first:#x}, {last:#x}, {class})")).collect(),
    );
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_in_the_core_are_up_to_date() {
        run(&Options { write: false }).unwrap();
    }

    #[test]
    fn folding_is_the_simple_one() {
        for (from, to) in [('A', 'a'), ('É', 'é'), ('ſ', 's'), ('ς', 'σ'), ('µ', 'μ'), ('ẞ', 'ß'), ('ı', 'ı')]
        {
            assert_eq!(fold(from), to, "{from}");
        }
    }
}
