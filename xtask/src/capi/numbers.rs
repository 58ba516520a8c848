//! Which Linux calls the code makes: an object file runs on Linux whatever its format, so Mach-O's must make the same calls
//! as ELF's of that processor.

use super::archive::Archive;
use super::code::{Effect, Flow, Instruction, decode, number_register, reaching};
use crate::Result;
use object::{File, Object, ObjectSection, SectionKind};
use std::collections::BTreeSet;
use std::ops::Range;

/// The calls of a library.
#[derive(Default, PartialEq, Eq, Debug)]
pub(crate) struct Numbers {
    pub(crate) known: BTreeSet<u64>,
    /// Instructions that enter Linux.
    pub(crate) sites: usize,
    /// Of these, those whose number is computed or comes from elsewhere.
    pub(crate) unknown: usize,
}

impl Numbers {
    /// What is wrong with these, which are to be the same as ELF's.
    pub(crate) fn problems(&self, elf: &Numbers) -> Vec<String> {
        let mut problems = Vec::new();
        if self.known != elf.known {
            let only = |ours: &Numbers, theirs: &Numbers| {
                ours.known.difference(&theirs.known).copied().collect::<Vec<_>>()
            };
            problems.push(format!(
                "makes the Linux calls {:?}, which ELF's does not, and not {:?}, which ELF's does",
                only(self, elf),
                only(elf, self)
            ));
        }
        // Otherwise the comparison would not see them.
        if self.sites == 0 || self.unknown > 0 || elf.unknown > 0 {
            let unknown = self.unknown.max(elf.unknown);
            problems.push(format!(
                "makes Linux calls in {} places, {unknown} of them of no known number",
                self.sites
            ));
        }
        problems
    }
}

/// Finds the calls of a library.
///
/// # Errors
/// An object cannot be read.
pub(crate) fn numbers(archive: &Archive) -> Result<Numbers> {
    let mut all = Numbers::default();
    for object in archive.objects() {
        let object = object?;
        let data = data_in_code(&object);
        for section in object.sections().filter(|section| section.kind() == SectionKind::Text) {
            let bytes = section.data()?;
            let relocated: BTreeSet<u64> =
                section.relocations().map(|(offset, _)| section.address() + offset).collect();
            let pieces = pieces(section.address()..section.address() + bytes.len() as u64, &data);
            let code: Vec<Instruction> = pieces
                .into_iter()
                .filter_map(|piece| {
                    let start = (piece.start - section.address()) as usize;
                    let code = bytes.get(start..(piece.end - section.address()) as usize)?;
                    Some(decode(object.architecture(), code, piece.start))
                })
                .flatten()
                .collect();
            let register = 1 << number_register(object.architecture());
            let values = reaching(&code, &relocated, false, |instruction| match instruction.number {
                Some(number) => Effect::Set(number),
                None if instruction.written & register != 0 => Effect::Lost,
                None => Effect::Kept,
            });
            for (_, values) in code.iter().zip(values).filter(|(code, _)| code.flow == Flow::Enter) {
                all.sites += 1;
                all.unknown += usize::from(values.other || values.known.is_empty());
                all.known.extend(values.known);
            }
        }
    }
    Ok(all)
}

/// What of a range is code, given what of the file is not.
fn pieces(mut code: Range<u64>, data: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut pieces = Vec::new();
    for data in data {
        if data.start >= code.start && data.end <= code.end {
            pieces.push(code.start..data.start);
            code.start = data.end;
        }
    }
    pieces.push(code);
    pieces
}

/// Where a Mach-O object has tables between its instructions, in order.
fn data_in_code(object: &File<'_>) -> Vec<Range<u64>> {
    let File::MachO64(file) = object else { return Vec::new() };
    let mut ranges = Vec::new();
    let Ok(mut commands) = file.macho_load_commands() else { return ranges };
    while let Ok(Some(command)) = commands.next() {
        if command.cmd() != object::macho::LC_DATA_IN_CODE {
            continue;
        }
        let Ok(table) = command.data::<object::macho::LinkeditDataCommand<object::Endianness>>() else {
            continue;
        };
        let endian = file.endian();
        let (start, size) = (table.dataoff.get(endian) as usize, table.datasize.get(endian) as usize);
        let entries = file.data().get(start..start.saturating_add(size)).unwrap_or_default();
        ranges.extend(entries.chunks_exact(8).map(|entry| {
            let offset = u64::from(u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]));
            offset..offset + u64::from(u16::from_le_bytes([entry[4], entry[5]]))
        }));
    }
    ranges.sort_by_key(|range| range.start);
    ranges
}
