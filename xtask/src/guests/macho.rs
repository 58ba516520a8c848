//! A static ELF file as a Mach-O file: headers of our own around the same bytes at the same addresses.
//!
//! Layout: one page of header and load commands, which `__TEXT` begins with, then each segment's file content at
//! the next page. Facts from mach-o/loader.h and osfmk/mach/i386/thread_status.h.
use crate::Result;
use object::endian::LittleEndian;
use object::macho::{
    CPU_SUBTYPE_ARM64_ALL, CPU_SUBTYPE_X86_64_ALL, CPU_TYPE_ARM64, CPU_TYPE_X86_64, FAT_MAGIC,
    LC_ID_DYLINKER, LC_LOAD_DYLINKER, LC_MAIN, LC_SEGMENT_64, LC_UNIXTHREAD, LC_UUID, LoadCommandType,
    MH_DYLDLINK, MH_DYLINKER, MH_EXECUTE, MH_MAGIC_64, MH_NOUNDEFS, MH_PIE, MH_TWOLEVEL, VM_PROT_EXECUTE,
    VM_PROT_READ, VM_PROT_WRITE,
};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{elf, macho};

const PAGE: u64 = 0x1000;
const DYLINKER_PATH: &str = "/usr/lib/dyld";
/// `x86_THREAD_STATE64` and its length in 32-bit words; rip is the 17th of its registers.
const THREAD_STATE: u32 = 4;
const THREAD_STATE_WORDS: u32 = 42;
const RIP: usize = 16;

/// How the kernel finds the first instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A static program: LC_UNIXTHREAD.
    UnixThread,
    /// A dynamic program: LC_MAIN, started through the dynamic linker.
    Main,
    /// The dynamic linker itself: MH_DYLINKER with LC_UNIXTHREAD.
    Dylinker,
}

/// What the ELF file does not say.
pub(super) struct Format {
    /// Address of the header: one page below the first ELF segment.
    pub(super) base: u64,
    pub(super) pie: bool,
    pub(super) entry: Entry,
}

struct Segment<'a> {
    name: &'static str,
    addr: u64,
    memory: u64,
    file_offset: u64,
    /// Content in front of which, in `__TEXT`, the header page lies.
    content: &'a [u8],
    header: u64,
    protection: u32,
}

impl Segment<'_> {
    fn file_size(&self) -> u64 {
        self.header + self.content.len() as u64
    }
}

/// Load commands as they are written: little endian words.
#[derive(Default)]
struct Commands {
    bytes: Vec<u8>,
    count: u32,
}

impl Commands {
    fn push(&mut self, command: LoadCommandType, body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend(command.0.to_le_bytes());
        self.bytes.extend([0; 4]);
        body(&mut self.bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let size = (self.bytes.len() - start) as u32;
        self.bytes[start + 4..start + 8].copy_from_slice(&size.to_le_bytes());
        self.count += 1;
    }

    fn segment(&mut self, segment: &Segment<'_>) {
        self.push(LC_SEGMENT_64, |out| {
            let mut name = [0; 16];
            name[..segment.name.len()].copy_from_slice(segment.name.as_bytes());
            out.extend(name);
            for word in [segment.addr, segment.memory, segment.file_offset, segment.file_size()] {
                out.extend(word.to_le_bytes());
            }
            // Maximum and initial protection, no sections, no flags.
            for word in [segment.protection, segment.protection, 0, 0] {
                out.extend(word.to_le_bytes());
            }
        });
    }

    fn dylinker(&mut self, command: LoadCommandType) {
        self.push(command, |out| {
            // The name begins after these three words.
            out.extend(12u32.to_le_bytes());
            out.extend(DYLINKER_PATH.as_bytes());
            out.push(0);
        });
    }

    fn unix_thread(&mut self, entry: u64) {
        self.push(LC_UNIXTHREAD, |out| {
            out.extend(THREAD_STATE.to_le_bytes());
            out.extend(THREAD_STATE_WORDS.to_le_bytes());
            let mut registers = [0u64; THREAD_STATE_WORDS as usize / 2];
            registers[RIP] = entry;
            out.extend(registers.iter().flat_map(|register| register.to_le_bytes()));
        });
    }

    fn main(&mut self, entry_offset: u64) {
        self.push(LC_MAIN, |out| {
            out.extend(entry_offset.to_le_bytes());
            // The default stack size.
            out.extend(0u64.to_le_bytes());
        });
    }
}

/// The Mach-O file for a linked ELF file.
///
/// # Errors
/// The file is not a 64-bit little-endian ELF file, or its segments do not lie as the link script puts them.
pub(super) fn from_elf(data: &[u8], format: &Format) -> Result<Vec<u8>> {
    let header = elf::FileHeader64::<LittleEndian>::parse(data)?;
    let endian = header.endian()?;
    let entry = header.e_entry(endian);
    let mut segments = Vec::new();
    let mut end = format.base;
    let mut file_offset = 0;
    for program in header.program_headers(endian, data)? {
        if program.p_type(endian) != elf::PT_LOAD || program.p_memsz(endian) == 0 {
            continue;
        }
        let content = program.data(endian, data).map_err(|()| "a segment lies outside of the file")?;
        // The first segment grows downwards by the header page.
        let header = if segments.is_empty() { PAGE } else { 0 };
        let addr = program.p_vaddr(endian).checked_sub(header).ok_or("no room for the header")?;
        if addr % PAGE != 0 || addr < end || (segments.is_empty() && addr != format.base) {
            return Err(format!("segment at {addr:#x}, expected page-aligned and from {end:#x} on").into());
        }
        let (name, protection) = name_and_protection(program.p_flags(endian));
        let memory = (program.p_memsz(endian) + header).next_multiple_of(PAGE);
        let segment = Segment { name, addr, memory, file_offset, content, header, protection };
        // A segment without content has no place in the file.
        if segment.file_size() == 0 {
            segments.push(Segment { file_offset: 0, ..segment });
        } else {
            file_offset = (file_offset + segment.file_size()).next_multiple_of(PAGE);
            segments.push(segment);
        }
        end = addr + memory;
    }
    let Some(text) = segments.first().filter(|text| text.name == "__TEXT") else {
        return Err("the first segment is not text".into());
    };
    if !(text.addr + PAGE..text.addr + text.file_size()).contains(&entry) {
        return Err(format!("entry {entry:#x} is not in the text").into());
    }

    let commands = commands(&segments, entry, format);
    let mut out = mach_header(&commands, format);
    out.extend(commands.bytes);
    if out.len() as u64 > PAGE {
        return Err("the load commands do not fit in the header page".into());
    }
    for segment in segments.iter().filter(|segment| segment.file_size() != 0) {
        out.resize((segment.file_offset + segment.header) as usize, 0);
        out.extend(segment.content);
    }
    Ok(out)
}

fn commands(segments: &[Segment<'_>], entry: u64, format: &Format) -> Commands {
    let mut commands = Commands::default();
    if format.entry != Entry::Dylinker {
        commands.segment(&Segment {
            name: macho::SEG_PAGEZERO,
            addr: 0,
            memory: format.base,
            file_offset: 0,
            content: &[],
            header: 0,
            protection: 0,
        });
    }
    segments.iter().for_each(|segment| commands.segment(segment));
    commands.push(LC_UUID, |out| out.extend(uuid(segments)));
    match format.entry {
        Entry::UnixThread => commands.unix_thread(entry),
        Entry::Main => {
            commands.dylinker(LC_LOAD_DYLINKER);
            commands.main(entry - format.base);
        }
        Entry::Dylinker => {
            commands.dylinker(LC_ID_DYLINKER);
            commands.unix_thread(entry);
        }
    }
    commands
}

fn mach_header(commands: &Commands, format: &Format) -> Vec<u8> {
    let file_type = if format.entry == Entry::Dylinker { MH_DYLINKER } else { MH_EXECUTE };
    let mut flags = MH_NOUNDEFS;
    if format.pie && format.entry != Entry::Dylinker {
        flags |= MH_PIE;
    }
    if format.entry == Entry::Main {
        flags |= MH_DYLDLINK | MH_TWOLEVEL;
    }
    let size = commands.bytes.len() as u32;
    let words = [
        MH_MAGIC_64,
        CPU_TYPE_X86_64.0,
        CPU_SUBTYPE_X86_64_ALL.0,
        file_type.0,
        commands.count,
        size,
        flags.0,
        0,
    ];
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn name_and_protection(flags: elf::ProgramFlags) -> (&'static str, u32) {
    let bits = [(elf::PF_R, VM_PROT_READ), (elf::PF_W, VM_PROT_WRITE), (elf::PF_X, VM_PROT_EXECUTE)];
    let has = |flag: elf::ProgramFlags| flags.0 & flag.0 != 0;
    let protection = bits.iter().filter(|(flag, _)| has(*flag)).map(|(_, bit)| bit.0).sum();
    let name = match (has(elf::PF_X), has(elf::PF_W)) {
        (true, _) => macho::SEG_TEXT,
        (_, true) => macho::SEG_DATA,
        _ => "__CONST",
    };
    (name, protection)
}

/// The same bytes for the same content: FNV-1a of 128 bits.
fn uuid(segments: &[Segment<'_>]) -> [u8; 16] {
    let bytes = segments.iter().flat_map(|segment| segment.content);
    let hash = bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b)
    });
    hash.to_be_bytes()
}

/// A universal file whose first slice, for arm64, is a bare header, and whose second is `image`.
pub(super) fn universal(image: &[u8]) -> Vec<u8> {
    let foreign: Vec<u8> = [MH_MAGIC_64, CPU_TYPE_ARM64.0, CPU_SUBTYPE_ARM64_ALL.0, MH_EXECUTE.0, 0, 0, 0, 0]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let slices = [
        (CPU_TYPE_ARM64, CPU_SUBTYPE_ARM64_ALL, 14, &foreign[..]),
        (CPU_TYPE_X86_64, CPU_SUBTYPE_X86_64_ALL, 12, image),
    ];
    let mut out = Vec::new();
    out.extend(FAT_MAGIC.to_be_bytes());
    out.extend((slices.len() as u32).to_be_bytes());
    let mut body = Vec::new();
    let mut offset = 0usize;
    for (cpu, subtype, align, content) in slices {
        // The table of slices fits in front of the first multiple of its alignment.
        offset = (offset + 1).next_multiple_of(1 << align);
        for word in [cpu.0, subtype.0, offset as u32, content.len() as u32, align] {
            out.extend(word.to_be_bytes());
        }
        body.push((offset, content));
        offset += content.len();
    }
    for (offset, content) in body {
        out.resize(offset, 0);
        out.extend(content);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::macho::MachHeader64;
    use object::read::macho::{FatArch, LoadCommandVariant, MachHeader, MachOFatFile32, Segment};

    const BASE: u64 = 0x100_0000;
    const TEXT: [u8; 3] = [0x0f, 0x05, 0xc3];
    const DATA: [u8; 4] = *b"data";

    /// An ELF file as the link script lays it out: text at +0x1000, data with zero-fill at +0x2000.
    fn linked(entry: u64) -> Vec<u8> {
        let words = |out: &mut Vec<u8>, words: &[u64]| words.iter().for_each(|w| out.extend(w.to_le_bytes()));
        let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        // Type EXEC, machine x86-64, version 1.
        out.extend([2, 0, 62, 0, 1, 0, 0, 0]);
        words(&mut out, &[entry, 64, 0]);
        // Flags; sizes of this header and of a program header; two of them; no sections.
        out.extend([0, 0, 0, 0, 64, 0, 56, 0, 2, 0, 64, 0, 0, 0, 0, 0]);
        let (text, data) = (BASE + 0x1000, BASE + 0x2000);
        words(&mut out, &[1 | 5 << 32, 0x1000, text, text, 3, 3, 0x1000]);
        words(&mut out, &[1 | 6 << 32, 0x2000, data, data, 4, 0x1_0004, 0x1000]);
        out.resize(0x1000, 0);
        out.extend(TEXT);
        out.resize(0x2000, 0);
        out.extend(DATA);
        out
    }

    fn converted(entry: Entry, pie: bool) -> Vec<u8> {
        from_elf(&linked(BASE + 0x1002), &Format { base: BASE, pie, entry }).expect("a well-formed ELF file")
    }

    /// Name, address, memory size, file offset, file size and protection of each segment.
    type Row = (String, u64, u64, u64, u64, u32);

    fn segments(image: &[u8]) -> Vec<Row> {
        let header = MachHeader64::<LittleEndian>::parse(image, 0).expect("a Mach-O header");
        let mut commands = header.load_commands(LittleEndian, image, 0).expect("load commands");
        let mut rows = Vec::new();
        while let Some(command) = commands.next().expect("a whole load command") {
            if let Some((segment, _)) = command.segment_64().expect("a whole segment command") {
                let e = LittleEndian;
                let name = String::from_utf8_lossy(segment.name()).into_owned();
                let (offset, size) = segment.file_range(e);
                let protection = segment.initprot.get(e).0;
                rows.push((name, segment.vmaddr.get(e), segment.vmsize.get(e), offset, size, protection));
            }
        }
        rows
    }

    fn command_numbers(image: &[u8]) -> Vec<u32> {
        let header = MachHeader64::<LittleEndian>::parse(image, 0).expect("a Mach-O header");
        let mut commands = header.load_commands(LittleEndian, image, 0).expect("load commands");
        let mut numbers = Vec::new();
        while let Some(command) = commands.next().expect("a whole load command") {
            numbers.push(command.cmd().0);
        }
        numbers
    }

    #[test]
    fn segments_keep_addresses_and_content() {
        let image = converted(Entry::UnixThread, false);
        let row = |name: &str, addr, memory, offset, size, protection| {
            (name.to_string(), addr, memory, offset, size, protection)
        };
        let expected = [
            row("__PAGEZERO", 0, BASE, 0, 0, 0),
            row("__TEXT", BASE, 0x2000, 0, 0x1003, 5),
            row("__DATA", BASE + 0x2000, 0x1_1000, 0x2000, 4, 3),
        ];
        assert_eq!(segments(&image), expected);
        assert_eq!(image[0x1000..0x1003], TEXT);
        assert_eq!(image[0x2000..], DATA);
    }

    #[test]
    fn unix_thread_holds_the_entry_and_zeros() {
        let image = converted(Entry::UnixThread, false);
        assert_eq!(
            command_numbers(&image),
            [LC_SEGMENT_64.0, LC_SEGMENT_64.0, LC_SEGMENT_64.0, LC_UUID.0, LC_UNIXTHREAD.0]
        );
        // The last command: number, size, flavor, count, 21 registers.
        let size = 16 + 21 * 8;
        let end = 32 + u32::from_le_bytes(image[20..24].try_into().expect("four bytes")) as usize;
        let thread = &image[end - size..end];
        let mut expected: Vec<u8> =
            [5, size as u32, 4, 42].iter().flat_map(|w: &u32| w.to_le_bytes()).collect();
        expected.extend((0..21u64).flat_map(|i| if i == 16 { BASE + 0x1002 } else { 0 }.to_le_bytes()));
        assert_eq!(thread, expected);
    }

    #[test]
    fn flags_follow_the_kind_of_file() {
        for (entry, pie, file_type, flags) in [
            (Entry::UnixThread, false, MH_EXECUTE, 0x1),
            (Entry::UnixThread, true, MH_EXECUTE, 0x20_0001),
            (Entry::Main, true, MH_EXECUTE, 0x20_0085),
            (Entry::Dylinker, true, MH_DYLINKER, 0x1),
        ] {
            let image = converted(entry, pie);
            let header = MachHeader64::<LittleEndian>::parse(&image[..], 0).expect("a Mach-O header");
            assert_eq!(header.filetype(LittleEndian), file_type, "{entry:?}");
            assert_eq!(header.flags(LittleEndian).0, flags, "{entry:?}");
        }
    }

    #[test]
    fn lc_main_is_an_offset_and_names_the_dynamic_linker() {
        let image = converted(Entry::Main, false);
        let header = MachHeader64::<LittleEndian>::parse(&image[..], 0).expect("a Mach-O header");
        let mut commands = header.load_commands(LittleEndian, &image[..], 0).expect("load commands");
        let (mut offset, mut path) = (None, None);
        while let Some(command) = commands.next().expect("a whole load command") {
            match command.variant().expect("a known command") {
                LoadCommandVariant::EntryPoint(main) => offset = Some(main.entryoff.get(LittleEndian)),
                LoadCommandVariant::LoadDylinker(linker) => {
                    let name = command.string(LittleEndian, linker.name).expect("a string");
                    path = Some(name.to_vec());
                }
                _ => {}
            }
        }
        assert_eq!(offset, Some(0x1002));
        assert_eq!(path.as_deref(), Some(&b"/usr/lib/dyld"[..]));
    }

    #[test]
    fn dylinker_has_no_page_zero_and_its_own_name() {
        let image = converted(Entry::Dylinker, true);
        assert_eq!(segments(&image)[0].0, "__TEXT");
        assert!(command_numbers(&image).contains(&LC_ID_DYLINKER.0));
    }

    #[test]
    fn same_input_gives_same_bytes() {
        assert_eq!(converted(Entry::UnixThread, false), converted(Entry::UnixThread, false));
    }

    #[test]
    fn universal_file_has_the_foreign_slice_first() {
        let image = converted(Entry::UnixThread, false);
        let file = universal(&image);
        let fat = MachOFatFile32::parse(&file[..]).expect("a universal header");
        let cpus: Vec<_> = fat.arches().iter().map(|arch| arch.cputype()).collect();
        assert_eq!(cpus, [CPU_TYPE_ARM64, CPU_TYPE_X86_64]);
        assert_eq!(fat.arches()[1].data(&file[..]).expect("a slice inside the file"), image);
        for arch in fat.arches() {
            assert_eq!(arch.offset() % (1 << arch.align()), 0);
        }
    }

    #[test]
    fn misplaced_segments_and_entries_are_errors() {
        let format = |base| Format { base, pie: false, entry: Entry::UnixThread };
        assert!(from_elf(&linked(BASE + 0x1002), &format(BASE + 0x1000)).is_err());
        assert!(from_elf(&linked(BASE + 0x1002), &format(BASE - 0x1000)).is_err());
        assert!(from_elf(&linked(BASE), &format(BASE)).is_err());
        assert!(from_elf(&linked(BASE + 0x1003), &format(BASE)).is_err());
        assert!(from_elf(&linked(BASE)[..100], &format(BASE)).is_err());
        assert!(from_elf(b"#!/bin/sh", &format(BASE)).is_err());
    }
}
