//! How deep the stack gets below each function that the library exports: it runs on its caller's.
//!
//! The compiler notes each function's frame (`.stack_sizes`), and every call from one function to another is a
//! relocation, since each function is a section of its own. What remains is assembly, whose frames are listed here, and calls
//! through pointers, which may lead to any function whose address is taken.

use super::archive::Archive;
use super::code::{Effect, Flow, Instruction, decode, reaching};
use super::symbols::{Kind, List};
use crate::Result;
use object::elf::{
    R_AARCH64_ABS64, R_X86_64_64, R_X86_64_GOTPCREL, R_X86_64_GOTPCRELX, R_X86_64_REX_GOTPCRELX,
};
use object::{
    Architecture, File, Object, ObjectSection, ObjectSymbol, Relocation, RelocationFlags, RelocationTarget,
    Section, SectionIndex, SectionKind, SymbolKind,
};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

/// The most stack that a call may take, which is what small stacks of threads have to spare.
const MAX_BYTES: u64 = 4096;

/// What starts programs, which is looked at apart: it resolves the path of a script and then that of its interpreter, and a
/// thread that does that has an ordinary stack.
const STARTS_PROGRAMS: [&str; 2] = ["xnu_core::bsd::exec::execute", "xnu_core::bsd::spawn::become_it"];

/// The most stack that it may take by itself.
const MAX_TO_START: u64 = 5120;

/// Functions of assembly, by the start of their names, with what they take on x86-64 and on arm64.
///
/// The entries: the red zone, saved registers, the words of the call, alignment (`capi/src/entry`). The variadic ones: the
/// saved registers and the list (`capi/src/variadic.rs`). A copy takes nothing (`backend-linux/src/user.rs`), and nor do atomic
/// operations of the compiler's library.
const ASSEMBLY: &[(&str, u64, u64)] = &[
    ("__darling_", 120 + 8 + 8 + 64, 208),
    ("__simple_", 88, 112),
    ("xnu_user_copy", 0, 0),
    ("__aarch64_", 0, 0),
];

/// Object, section, offset.
type Place = (usize, usize, u64);

#[derive(Default)]
struct Function {
    name: String,
    /// The most bytes that it has on the stack.
    frame: Option<u64>,
    /// What runs while it is there.
    calls: BTreeSet<Callee>,
    /// What runs in its place.
    tails: BTreeSet<Callee>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Callee {
    Here(Place),
    /// Of another object, or of none of the library's.
    Named(String),
    /// Whatever the address of is taken, and what the loader gave.
    Pointer,
}

/// The functions of a library.
#[derive(Default)]
pub(crate) struct Graph {
    functions: BTreeMap<Place, Function>,
    named: BTreeMap<String, Place>,
    address_taken: BTreeSet<Place>,
    /// What a call puts on the stack.
    return_bytes: u64,
}

/// The deepest path below a function: its bytes, and its functions with their frames.
#[derive(Clone, Default, Debug)]
pub(crate) struct Path {
    pub(crate) bytes: u64,
    functions: Vec<(String, u64)>,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:5}", self.bytes)?;
        self.functions.iter().try_for_each(|(name, frame)| write!(f, " {name} {frame}"))
    }
}

impl Graph {
    /// Reads the functions of an ELF library.
    ///
    /// # Errors
    /// An object cannot be read.
    pub(crate) fn read(archive: &Archive, list: &List) -> Result<Graph> {
        let mut graph = Graph::default();
        for (number, object) in archive.objects().enumerate() {
            graph.add(number, &object?, list)?;
        }
        Ok(graph)
    }

    fn add(&mut self, object: usize, file: &File<'_>, list: &List) -> Result<()> {
        let is_x86_64 = file.architecture() == Architecture::X86_64;
        self.return_bytes = if is_x86_64 { 8 } else { 0 };
        let frames = frames(file)?;
        let mut starts = BTreeMap::new();
        for symbol in file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text || symbol.is_global())
        {
            let (Some(section), name) = (symbol.section_index(), symbol.name()?) else { continue };
            // Assembly may not say that it is a function.
            if file.section_by_index(section)?.kind() != SectionKind::Text {
                continue;
            }
            let place = (object, section.0, symbol.address());
            let listed = ASSEMBLY.iter().find(|(start, ..)| name.starts_with(start));
            let listed = listed.map(|(_, x86_64, arm64)| if is_x86_64 { *x86_64 } else { *arm64 });
            let frame = frames.get(&(section.0, symbol.address())).copied().or(listed);
            self.functions.insert(place, Function { name: plain(name), frame, ..Function::default() });
            starts.insert((section.0, symbol.address()), symbol.size());
            if symbol.is_global() {
                self.named.insert(name.to_owned(), place);
            }
        }
        // What a tracer reads is no way to call a function.
        let is_slot = |name: &str| list.exports().any(|slot| slot == (name, Kind::Slot));
        let slots: HashSet<(Option<SectionIndex>, u64)> = file
            .symbols()
            .filter(|symbol| symbol.name().is_ok_and(is_slot))
            .map(|symbol| (symbol.section_index(), symbol.address()))
            .collect();
        for section in file.sections() {
            match section.kind() {
                SectionKind::Text => {
                    let bounds = starts.range((section.index().0, 0)..(section.index().0 + 1, 0));
                    let bounds: Vec<(u64, u64)> = bounds.map(|((_, start), size)| (*start, *size)).collect();
                    for (index, (start, size)) in bounds.iter().enumerate() {
                        // Assembly may not say where it ends.
                        let next = bounds.get(index + 1).map_or(section.size(), |(next, _)| *next);
                        let end = if *size == 0 { next } else { start + size };
                        self.add_function(file, &section, (object, section.index().0, *start), end)?;
                    }
                }
                SectionKind::Data | SectionKind::ReadOnlyData | SectionKind::ReadOnlyDataWithRel => {
                    for (offset, relocation) in section.relocations() {
                        if is_address(&relocation) && !slots.contains(&(Some(section.index()), offset)) {
                            self.take_address(resolve(file, object, &relocation, 0));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn take_address(&mut self, callee: Option<Callee>) {
        if let Some(Callee::Here(place)) = callee
            && self.functions.contains_key(&place)
        {
            self.address_taken.insert(place);
        }
    }

    fn add_function(
        &mut self,
        file: &File<'_>,
        section: &Section<'_, '_>,
        place: Place,
        end: u64,
    ) -> Result<()> {
        let (object, _, start) = place;
        let bytes =
            section.data()?.get(start as usize..end as usize).ok_or("a function ends outside its section")?;
        let code = decode(file.architecture(), bytes, start);
        let relocations: BTreeMap<u64, Relocation> =
            section.relocations().filter(|(offset, _)| (start..end).contains(offset)).collect();
        let relocated = relocations.keys().copied().collect();
        // Functions whose addresses the global offset table has, by the place of the load.
        let mut loads: BTreeMap<u64, Callee> = BTreeMap::new();
        let (mut calls, mut tails) = (BTreeSet::new(), BTreeSet::new());
        let mut indirect = Vec::new();
        for (index, instruction) in code.iter().enumerate() {
            let relocation = relocations.range(instruction.at..instruction.end()).next();
            let callee = relocation.and_then(|(offset, relocation)| {
                let adjust = if self.return_bytes == 0 { 0 } else { instruction.end() - offset };
                resolve(file, object, relocation, adjust)
            });
            let is_got = relocation.is_some_and(|(_, relocation)| is_got(relocation));
            let inside = |to: u64| (start..end).contains(&to);
            let here = |to: u64| Callee::Here((object, place.1, to));
            let is_table = || {
                let steps = &code[index.saturating_sub(TABLE_STEPS)..index];
                steps.iter().any(|step| step.is_table_step)
            };
            match instruction.flow {
                Flow::Call(to) => _ = calls.insert(callee.unwrap_or_else(|| here(to))),
                Flow::Jump { to, .. } => {
                    if let Some(callee) = callee {
                        tails.insert(callee);
                    } else if !inside(to) {
                        tails.insert(here(to));
                    }
                }
                Flow::CallIndirect | Flow::JumpIndirect => match callee {
                    Some(callee) if is_got && instruction.flow == Flow::CallIndirect => {
                        _ = calls.insert(callee)
                    }
                    Some(callee) if is_got => _ = tails.insert(callee),
                    _ if instruction.flow == Flow::JumpIndirect && is_table() => {}
                    _ => indirect.push(index),
                },
                _ if is_got && instruction.loaded.is_some() => {
                    loads.extend(callee.map(|callee| (instruction.at, callee)));
                }
                _ => self.take_address(callee),
            }
        }
        for index in indirect {
            let instruction = &code[index];
            let callees = match instruction.via {
                Some(register) => loaded(&code, &relocated, register, index, &loads),
                None => BTreeSet::from([Callee::Pointer]),
            };
            if instruction.flow == Flow::CallIndirect { &mut calls } else { &mut tails }.extend(callees);
        }
        let function = self.functions.entry(place).or_default();
        (function.calls, function.tails) = (calls, tails);
        Ok(())
    }

    /// The deepest path below each function that the library exports, deepest first, and what is wrong with them.
    ///
    /// # Errors
    /// A function calls itself, has no known frame, or is missing.
    pub(crate) fn deepest(&self, list: &List) -> Result<(Vec<Path>, Vec<String>)> {
        let (mut known, mut paths, mut problems) = (BTreeMap::new(), Vec::new(), Vec::new());
        let starts = |name: &str| STARTS_PROGRAMS.iter().any(|start| name.contains(start));
        for (place, function) in self.functions.iter().filter(|(_, of)| starts(&of.name)) {
            let path = self.deepest_below(*place, &mut BTreeMap::new(), &mut Vec::new())?;
            if path.bytes > MAX_TO_START {
                problems
                    .push(format!("{} takes more than {MAX_TO_START} bytes of stack: {path}", function.name));
            }
            paths.push(path);
            known.insert(*place, Path::default());
        }
        for (name, _) in list.exports().filter(|(_, kind)| kind.is_code()) {
            let place = self.named.get(name).ok_or_else(|| format!("{name} is not in the library"))?;
            let mut path = self.deepest_below(*place, &mut known, &mut Vec::new())?;
            path.bytes += self.return_bytes;
            if path.bytes > MAX_BYTES {
                problems.push(format!("{name} takes more than {MAX_BYTES} bytes of stack: {path}"));
            }
            paths.push(path);
        }
        paths.sort_by_key(|path| std::cmp::Reverse(path.bytes));
        Ok((paths, problems))
    }

    fn deepest_below(
        &self,
        place: Place,
        known: &mut BTreeMap<Place, Path>,
        above: &mut Vec<Place>,
    ) -> Result<Path> {
        if let Some(path) = known.get(&place) {
            return Ok(path.clone());
        }
        let function =
            self.functions.get(&place).ok_or_else(|| format!("a call leads to no function: {place:?}"))?;
        if above.contains(&place) {
            return Err(format!("{} calls itself: its stack has no bound", function.name).into());
        }
        above.push(place);
        let frame =
            function.frame.ok_or_else(|| format!("nothing says what stack {} takes", function.name))?;
        let mut deepest = Path { bytes: frame, functions: Vec::new() };
        let calls = function.calls.iter().map(|callee| (callee, frame + self.return_bytes));
        for (callee, kept) in calls.chain(function.tails.iter().map(|callee| (callee, 0))) {
            // What is not in the library is not counted, but for the way back from it.
            if kept > deepest.bytes {
                deepest = Path { bytes: kept, functions: Vec::new() };
            }
            for place in self.places(callee) {
                let below = self.deepest_below(place, known, above)?;
                if kept + below.bytes > deepest.bytes {
                    deepest = Path { bytes: kept + below.bytes, ..below };
                }
            }
        }
        above.pop();
        deepest.functions.insert(0, (function.name.clone(), frame));
        known.insert(place, deepest.clone());
        Ok(deepest)
    }

    /// Where a call may lead to in the library.
    fn places(&self, callee: &Callee) -> Vec<Place> {
        match callee {
            Callee::Here(place) => vec![*place],
            Callee::Named(name) => self.named.get(name).copied().into_iter().collect(),
            Callee::Pointer => self.address_taken.iter().copied().collect(),
        }
    }

    /// The functions that call through pointers, and those that such a call may lead to.
    pub(crate) fn pointers(&self) -> (Vec<&str>, Vec<&str>) {
        let uses = |function: &&Function| {
            function.calls.union(&function.tails).any(|callee| *callee == Callee::Pointer)
        };
        let callers = self.functions.values().filter(uses).map(|function| function.name.as_str()).collect();
        let name = |place| self.functions.get(place).map(|function: &Function| function.name.as_str());
        (callers, self.address_taken.iter().filter_map(name).collect())
    }
}

/// How many instructions before its jump the address of a case is computed.
const TABLE_STEPS: usize = 6;

/// What a register may hold at a call through it: functions of the global offset table, or any pointer.
fn loaded(
    code: &[Instruction],
    relocated: &BTreeSet<u64>,
    register: u32,
    index: usize,
    loads: &BTreeMap<u64, Callee>,
) -> BTreeSet<Callee> {
    let values = reaching(code, relocated, true, |instruction| {
        if instruction.loaded == Some(register) && loads.contains_key(&instruction.at) {
            Effect::Set(instruction.at)
        } else if instruction.written & 1 << register != 0 {
            Effect::Lost
        } else {
            Effect::Kept
        }
    });
    let Some(values) = values.get(index) else { return BTreeSet::from([Callee::Pointer]) };
    let mut callees: BTreeSet<Callee> = values.known.iter().filter_map(|at| loads.get(at)).cloned().collect();
    if values.other || callees.is_empty() {
        callees.insert(Callee::Pointer);
    }
    callees
}

/// What a relocation of an instruction names: `adjust` is how far the instruction goes on behind it, where that counts.
fn resolve(file: &File<'_>, object: usize, relocation: &Relocation, adjust: u64) -> Option<Callee> {
    let RelocationTarget::Symbol(index) = relocation.target() else { return None };
    let symbol = file.symbol_by_index(index).ok()?;
    match symbol.section_index() {
        Some(section) => {
            let offset = symbol.address().wrapping_add_signed(relocation.addend()).wrapping_add(adjust);
            Some(Callee::Here((object, section.0, offset)))
        }
        None => Some(Callee::Named(symbol.name().ok()?.to_owned())),
    }
}

fn is_got(relocation: &Relocation) -> bool {
    let RelocationFlags::Elf { r_type } = relocation.flags() else { return false };
    [R_X86_64_GOTPCREL, R_X86_64_GOTPCRELX, R_X86_64_REX_GOTPCRELX].contains(&r_type)
}

/// Whether it is a whole address in memory.
fn is_address(relocation: &Relocation) -> bool {
    let RelocationFlags::Elf { r_type } = relocation.flags() else { return false };
    [R_X86_64_64, R_AARCH64_ABS64].contains(&r_type)
}

/// The frames that the compiler noted, by section and offset.
fn frames(file: &File<'_>) -> Result<BTreeMap<(usize, u64), u64>> {
    let mut frames = BTreeMap::new();
    for section in file.sections().filter(|section| section.name() == Ok(".stack_sizes")) {
        let data = section.data()?;
        for (offset, relocation) in section.relocations() {
            let Some(Callee::Here((_, function, start))) = resolve(file, 0, &relocation, 0) else { continue };
            let size = data.get(offset as usize + 8..).and_then(leb128).ok_or("a frame without a size")?;
            frames.insert((function, start), size);
        }
    }
    Ok(frames)
}

fn leb128(bytes: &[u8]) -> Option<u64> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A function's name without crates' hashes and the types that it is made for.
fn plain(name: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(name));
    let mut plain = String::new();
    let mut depth = 0_u32;
    for letter in name.chars() {
        // An argument list follows a name or its `::`; elsewhere, the bracket is of a type and its trait.
        let follows_name = plain.ends_with(|last: char| last.is_alphanumeric() || last == ':' || last == '_');
        match letter {
            '<' if depth > 0 || follows_name => depth += 1,
            '>' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            _ => plain.push(letter),
        }
    }
    plain.replace("::::", "::").trim_end_matches("::").to_owned()
}
