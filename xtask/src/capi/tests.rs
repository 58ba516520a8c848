//! Each check refuses what it is for: libraries made by hand that have it.

use super::archive::Archive;
use super::numbers::numbers;
use super::stack::Graph;
use super::symbols::List;
use object::write::{Object, Relocation, SectionId, Symbol, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope,
};

const LIST: &str = "kind\tname
function\tf
entry\t__entry
variable\tv
import\tmemcpy
";

/// An object file in the making.
struct Maker(Object<'static>);

impl Maker {
    fn new(format: BinaryFormat, processor: Architecture) -> Maker {
        let mut object = Object::new(format, processor, Endianness::Little);
        // Names are given as they are spelled.
        object.set_mangling(object::write::Mangling::None);
        Maker(object)
    }

    fn elf() -> Maker {
        Maker::new(BinaryFormat::Elf, Architecture::X86_64)
    }

    fn symbol(
        &mut self,
        name: &str,
        scope: SymbolScope,
        section: Option<SectionId>,
        kind: SymbolKind,
    ) -> SymbolId {
        let section = section.map_or(SymbolSection::Undefined, SymbolSection::Section);
        let flags = SymbolFlags::None;
        let name = name.into();
        self.0.add_symbol(Symbol { name, value: 0, size: 1, kind, scope, weak: false, section, flags })
    }

    /// A function in a section of its own.
    fn function(&mut self, name: &str, scope: SymbolScope, code: &[u8]) -> (SymbolId, SectionId) {
        let section_name = format!(".text.{name}").into_bytes();
        let section = self.0.add_section(b"__TEXT".to_vec(), section_name, SectionKind::Text);
        self.0.append_section_data(section, code, 16);
        let symbol = self.symbol(name, scope, Some(section), SymbolKind::Text);
        self.0.symbol_mut(symbol).size = code.len() as u64;
        (symbol, section)
    }

    fn relocate(&mut self, section: SectionId, offset: u64, symbol: SymbolId, r_type: u32) {
        let flags = RelocationFlags::Elf { r_type: object::elf::RelocationType(r_type) };
        let addend = if r_type == 1 { 0 } else { -4 };
        self.0.add_relocation(section, Relocation { offset, symbol, addend, flags }).unwrap();
    }

    /// Notes how much stack a function takes.
    fn frame(&mut self, function: SymbolId, bytes: u8) {
        let section = self.0.add_section(Vec::new(), b".stack_sizes".to_vec(), SectionKind::Other);
        self.0.append_section_data(section, &[0, 0, 0, 0, 0, 0, 0, 0, bytes | 0x80, 0x10], 1);
        self.relocate(section, 0, function, 1);
    }

    /// A library of this object alone.
    fn archive(&self) -> Archive {
        let object = self.0.write().unwrap();
        let mut library = b"!<arch>\n".to_vec();
        let size = object.len();
        library.extend(format!("{:16}{:12}{:6}{:6}{:8}{size:<10}`\n", "own.o/", 0, 0, 0, 644).bytes());
        library.extend(object);
        Archive::parse(&library, "own").unwrap()
    }
}

const CALL: [u8; 6] = [0xe8, 0, 0, 0, 0, 0xc3];
const RETURN: [u8; 1] = [0xc3];
const PLT32: u32 = 4;
const GOTPCRELX: u32 = 41;

/// A library that is as the list says.
fn as_listed(underscore: &str, mut maker: Maker) -> Maker {
    maker.function(&format!("{underscore}f"), SymbolScope::Dynamic, &RETURN);
    maker.function("__entry", SymbolScope::Dynamic, &RETURN);
    maker.function("hidden", SymbolScope::Linkage, &RETURN);
    let data = maker.0.add_section(b"__DATA".to_vec(), b"__data".to_vec(), SectionKind::Data);
    maker.0.append_section_data(data, &[0; 8], 8);
    maker.symbol(&format!("{underscore}v"), SymbolScope::Dynamic, Some(data), SymbolKind::Data);
    maker.symbol(&format!("{underscore}memcpy"), SymbolScope::Unknown, None, SymbolKind::Text);
    maker
}

fn problems(maker: &Maker, is_elf: bool) -> Vec<String> {
    List::parse(LIST).unwrap().problems(&maker.archive().symbols, is_elf)
}

#[test]
fn listed_symbols_are_no_problem() {
    assert_eq!(problems(&as_listed("", Maker::elf()), true), [""; 0]);
    let macho = Maker::new(BinaryFormat::MachO, Architecture::Aarch64);
    assert_eq!(problems(&as_listed("_", macho), false), [""; 0]);
}

#[test]
fn every_symbol_that_is_not_listed_is_named() {
    let mut maker = as_listed("", Maker::elf());
    maker.function("g", SymbolScope::Dynamic, &RETURN);
    maker.symbol("malloc", SymbolScope::Unknown, None, SymbolKind::Text);
    let found = problems(&maker, true);
    assert_eq!(found, ["exported, but not listed: g", "undefined, and not listed as an import: malloc"]);
    // Without C's underscore it is another symbol to Mach-O.
    let macho = Maker::new(BinaryFormat::MachO, Architecture::X86_64);
    assert_eq!(problems(&as_listed("", macho), false).len(), 5);
}

#[test]
fn missing_symbol_is_named() {
    let mut maker = Maker::elf();
    maker.function("f", SymbolScope::Dynamic, &RETURN);
    maker.function("v", SymbolScope::Dynamic, &RETURN);
    let found = problems(&maker, true);
    assert_eq!(
        found,
        ["listed, but not exported: __entry", "a function that is listed as a variable, or the reverse: v"]
    );
}

#[test]
fn panics_and_unwinding_are_found_by_name() {
    for name in ["_RNvNtCs1_4core9panicking5panic", "_ZN4core9panicking5panic17h0E", "rust_eh_personality"] {
        let mut maker = as_listed("", Maker::elf());
        maker.function(name, SymbolScope::Compilation, &RETURN);
        assert_eq!(problems(&maker, true), [format!("leads to a panic or unwinds: {name}")]);
    }
}

/// The calls of some code.
fn calls(format: BinaryFormat, processor: Architecture, code: &[u8]) -> super::numbers::Numbers {
    let mut maker = Maker::new(format, processor);
    maker.function("f", SymbolScope::Dynamic, code);
    numbers(&maker.archive()).unwrap()
}

#[test]
fn linux_calls_are_found_through_jumps() {
    // mov eax, 39; test edi, edi; je over the next; mov eax, 0x2000014; xor edx, edx; syscall; ret
    let code = [0xb8, 39, 0, 0, 0, 0x85, 0xff, 0x74, 5, 0xb8, 0x14, 0, 0, 2, 0x31, 0xd2, 0x0f, 0x05, 0xc3];
    let found = calls(BinaryFormat::MachO, Architecture::X86_64, &code);
    assert_eq!((found.sites, found.unknown), (1, 0));
    assert_eq!(found.known.into_iter().collect::<Vec<_>>(), [39, 0x200_0014]);

    // mov w8, #172; svc #0; ret
    let code: Vec<u8> =
        [0x5280_1588_u32, 0xd400_0001, 0xd65f_03c0].iter().flat_map(|word| word.to_le_bytes()).collect();
    let found = calls(BinaryFormat::MachO, Architecture::Aarch64, &code);
    assert_eq!((found.sites, found.unknown, found.known.contains(&172)), (1, 0, true));
}

#[test]
fn another_number_in_macho_is_a_problem() {
    // mov eax, 39 or 20; syscall; ret
    let of = |format, number| calls(format, Architecture::X86_64, &[0xb8, number, 0, 0, 0, 0x0f, 0x05, 0xc3]);
    let elf = of(BinaryFormat::Elf, 39);
    assert_eq!(of(BinaryFormat::MachO, 39).problems(&elf), [""; 0]);
    assert_eq!(of(BinaryFormat::MachO, 20).problems(&elf).len(), 1);
    // mov eax, edi; syscall; ret
    let computed = calls(BinaryFormat::MachO, Architecture::X86_64, &[0x89, 0xf8, 0x0f, 0x05, 0xc3]);
    assert_eq!(computed.unknown, 1);
    assert!(computed.problems(&computed).iter().any(|problem| problem.contains("no known number")));
}

/// Calls below a function `f`, as frames of 2 KiB and this many bytes, one calling the next.
fn chain(frames: &[u8]) -> Maker {
    let mut maker = Maker::elf();
    let names = ["f", "g", "h"];
    let mut above: Option<SectionId> = None;
    for (frame, name) in frames.iter().zip(names) {
        let scope = if name == "f" { SymbolScope::Dynamic } else { SymbolScope::Compilation };
        let (symbol, section) = maker.function(name, scope, &CALL);
        maker.frame(symbol, *frame);
        if let Some(above) = above {
            maker.relocate(above, 1, symbol, PLT32);
        }
        above = Some(section);
    }
    let memcpy = maker.symbol("memcpy", SymbolScope::Unknown, None, SymbolKind::Text);
    maker.relocate(above.unwrap(), 1, memcpy, PLT32);
    maker
}

fn deepest(maker: &Maker) -> crate::Result<(Vec<super::stack::Path>, Vec<String>)> {
    let list = List::parse("kind\tname\nfunction\tf\n")?;
    Graph::read(&maker.archive(), &list)?.deepest(&list)
}

#[test]
fn stack_of_a_path_is_the_sum_of_its_frames() {
    let (paths, problems) = deepest(&chain(&[1])).unwrap();
    assert_eq!((paths[0].bytes, problems.len()), (8 + 2049 + 8, 0));
    let (paths, problems) = deepest(&chain(&[1, 2])).unwrap();
    assert_eq!(paths[0].bytes, 8 + 2049 + 8 + 2050 + 8);
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn recursion_has_no_bound() {
    let mut maker = Maker::elf();
    let (symbol, section) = maker.function("f", SymbolScope::Dynamic, &CALL);
    maker.frame(symbol, 1);
    maker.relocate(section, 1, symbol, PLT32);
    assert!(deepest(&maker).unwrap_err().to_string().contains("calls itself"));
}

#[test]
fn function_without_a_frame_is_refused() {
    let mut maker = Maker::elf();
    maker.function("f", SymbolScope::Dynamic, &RETURN);
    assert!(deepest(&maker).unwrap_err().to_string().contains("nothing says"));
}

#[test]
fn call_through_a_pointer_leads_wherever_an_address_is_taken() {
    let mut maker = Maker::elf();
    // call rax; ret
    let (f, _) = maker.function("f", SymbolScope::Dynamic, &[0xff, 0xd0, 0xc3]);
    let (g, _) = maker.function("g", SymbolScope::Compilation, &RETURN);
    maker.frame(f, 1);
    maker.frame(g, 2);
    let deepest_of = |maker: &Maker| deepest(maker).unwrap().0[0].bytes;
    assert_eq!(deepest_of(&maker), 8 + 2049 + 8);
    let data = maker.0.add_section(Vec::new(), b".data".to_vec(), SectionKind::Data);
    maker.0.append_section_data(data, &[0; 8], 8);
    maker.relocate(data, 0, g, 1);
    assert_eq!(deepest_of(&maker), 8 + 2049 + 8 + 2050);
}

#[test]
fn call_through_the_global_offset_table_is_known() {
    let mut maker = Maker::elf();
    // mov rbx, [rip + g]; call rbx; ret
    let (f, section) =
        maker.function("f", SymbolScope::Dynamic, &[0x48, 0x8b, 0x1d, 0, 0, 0, 0, 0xff, 0xd3, 0xc3]);
    let (g, _) = maker.function("g", SymbolScope::Compilation, &RETURN);
    maker.frame(f, 1);
    maker.frame(g, 2);
    maker.relocate(section, 3, g, GOTPCRELX);
    let list = List::parse("kind\tname\nfunction\tf\n").unwrap();
    let graph = Graph::read(&maker.archive(), &list).unwrap();
    assert_eq!(graph.pointers(), (Vec::new(), Vec::new()));
    assert_eq!(graph.deepest(&list).unwrap().0[0].bytes, 8 + 2049 + 8 + 2050);
}
