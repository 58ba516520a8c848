//! A static library as a linker sees it.

use crate::Result;
use object::read::archive::ArchiveFile;
use object::{File, Object, ObjectSection, ObjectSymbol, SectionKind, SymbolScope};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The objects of a library that a program gets which needs all that the library is for.
pub(crate) struct Archive {
    members: Vec<Vec<u8>>,
    pub(crate) symbols: Symbols,
}

/// Symbols of an object, or of several together, as they are spelled there.
#[derive(Default)]
pub(crate) struct Symbols {
    /// What they define and use, local names too.
    pub(crate) all: BTreeSet<String>,
    /// What they define for others, hidden or not.
    pub(crate) defined: BTreeSet<String>,
    /// Of these, what stays visible in what is linked, and whether it is code.
    pub(crate) exported: BTreeMap<String, bool>,
    /// What they use and do not define.
    pub(crate) undefined: BTreeSet<String>,
}

impl Archive {
    /// Reads a library whose own objects are named after `package`. Of the others (the compiler's support library) only
    /// those count that a linker would take.
    ///
    /// # Errors
    /// It is no library, or has no such object.
    pub(crate) fn read(path: &Path, package: &str) -> Result<Archive> {
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Archive::parse(&bytes, package).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    pub(crate) fn parse(bytes: &[u8], package: &str) -> Result<Archive> {
        let archive = ArchiveFile::parse(bytes)?;
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for member in archive.members() {
            let member = member?;
            let object = member.data(bytes)?.to_vec();
            let symbols = symbols(&object)
                .map_err(|error| format!("{}: {error}", String::from_utf8_lossy(member.name())))?;
            let is_own = member.name().starts_with(package.as_bytes());
            if is_own { &mut own } else { &mut others }.push((object, symbols));
        }
        if own.is_empty() {
            return Err(format!("no object of {package} is there").into());
        }

        let mut taken = Archive { members: Vec::new(), symbols: Symbols::default() };
        own.into_iter().for_each(|(object, symbols)| taken.take(object, symbols));
        while let Some(next) =
            others.iter().position(|(_, symbols)| !symbols.defined.is_disjoint(&taken.symbols.undefined))
        {
            let (object, symbols) = others.swap_remove(next);
            taken.take(object, symbols);
        }
        // Whoever links the library sees these too, if it looks for them.
        taken.symbols.exported.extend(others.into_iter().flat_map(|(_, symbols)| symbols.exported));
        Ok(taken)
    }

    fn take(&mut self, object: Vec<u8>, symbols: Symbols) {
        self.members.push(object);
        let taken = &mut self.symbols;
        taken.all.extend(symbols.all);
        taken.defined.extend(symbols.defined);
        taken.exported.extend(symbols.exported);
        taken.undefined.extend(symbols.undefined);
        taken.undefined.retain(|name| !taken.defined.contains(name));
    }

    /// The objects, parsed.
    pub(crate) fn objects(&self) -> impl Iterator<Item = Result<File<'_>>> {
        self.members.iter().map(|bytes| Ok(File::parse(bytes.as_slice())?))
    }

    /// How much code a linker takes at most.
    ///
    /// # Errors
    /// An object cannot be read.
    pub(crate) fn text_bytes(&self) -> Result<u64> {
        let mut size = 0;
        for object in self.objects() {
            let object = object?;
            let text = object.sections().filter(|section| section.kind() == SectionKind::Text);
            size += text.map(|section| section.size()).sum::<u64>();
        }
        Ok(size)
    }
}

/// The symbols of an object file or of something linked.
///
/// # Errors
/// It is none.
pub(crate) fn symbols(object: &[u8]) -> Result<Symbols> {
    let file = File::parse(object)?;
    let is_code =
        |section| file.section_by_index(section).is_ok_and(|section| section.kind() == SectionKind::Text);
    let mut symbols = Symbols::default();
    for symbol in file.symbols() {
        let name = symbol.name()?.to_owned();
        symbols.all.insert(name.clone());
        if !symbol.is_global() {
            continue;
        }
        if symbol.is_undefined() {
            // ELF's table begins with a symbol of no name.
            if !name.is_empty() {
                symbols.undefined.insert(name);
            }
            continue;
        }
        if symbol.scope() == SymbolScope::Dynamic {
            symbols.exported.insert(name.clone(), symbol.section_index().is_some_and(is_code));
        }
        symbols.defined.insert(name);
    }
    Ok(symbols)
}
