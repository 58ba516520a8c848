//! Equipment for tests and fuzzers: a builder of Mach-O files, good or bad, and the invariants of a plan.

use super::{ADDRESS_LIMIT, Entry, Kind, PAGE_SIZE, Program};
use object::macho::{self, FileFlags, FileType, LoadCommandType, VmProt};

/// Read and execute.
pub const RX: u32 = 5;
/// Read and write.
pub const RW: u32 = 3;

/// The fields of an `LC_SEGMENT_64`, as they go into the file.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct RawSegment {
    pub name: &'static str,
    pub address: u64,
    pub memory_size: u64,
    pub offset: u64,
    pub file_size: u64,
    pub maximum: u32,
    pub initial: u32,
    pub sections: u32,
    pub flags: u32,
}

impl RawSegment {
    /// Zero-fill memory with these rights.
    pub fn zeros(name: &'static str, address: u64, memory_size: u64, protection: u32) -> RawSegment {
        let (maximum, initial) = (protection, protection);
        RawSegment {
            name,
            address,
            memory_size,
            offset: 0,
            file_size: 0,
            maximum,
            initial,
            sections: 0,
            flags: 0,
        }
    }

    /// The same with bytes of the file at its start.
    pub fn file(self, offset: u64, file_size: u64) -> RawSegment {
        RawSegment { offset, file_size, ..self }
    }
}

/// Builds a thin Mach-O file, and checks nothing.
#[derive(Clone, Debug)]
pub struct Builder {
    /// `cputype`.
    pub cpu_type: u32,
    /// `cpusubtype`.
    pub cpu_subtype: u32,
    /// `filetype`.
    pub file_type: FileType,
    /// `flags`.
    pub flags: FileFlags,
    /// Added to `ncmds`.
    pub extra_count: u32,
    /// Added to `sizeofcmds`.
    pub extra_size: u32,
    /// The file is filled with zeros up to this size.
    pub size: usize,
    commands: Vec<Vec<u8>>,
}

impl Builder {
    /// A file of [`FILE_SIZE`] bytes with a header and no load commands.
    pub fn new(file_type: FileType) -> Builder {
        Builder {
            cpu_type: macho::CPU_TYPE_X86_64.0,
            cpu_subtype: macho::CPU_SUBTYPE_X86_64_ALL.0,
            file_type,
            flags: FileFlags(macho::MH_NOUNDEFS.0),
            extra_count: 0,
            extra_size: 0,
            size: FILE_SIZE as usize,
            commands: Vec::new(),
        }
    }

    /// A program with `__PAGEZERO` below 4 GiB and a `__TEXT` of one page at 4 GiB, without an entry point.
    pub fn program() -> Builder {
        Builder::new(macho::MH_EXECUTE)
            .segment(RawSegment::zeros("__PAGEZERO", 0, TEXT, 0))
            .segment(RawSegment::zeros("__TEXT", TEXT, PAGE_SIZE, RX).file(0, FILE_SIZE))
    }

    /// A program that can be run.
    pub fn static_program() -> Builder {
        Builder::program()
            .segment(RawSegment::zeros("__DATA", DATA, 0x2000, RW))
            .thread(&registers(TEXT + 0x200, 0))
    }

    /// A program that dyld starts.
    pub fn dynamic_program() -> Builder {
        let mut builder = Builder::program().dylinker(b"/usr/lib/dyld\0").main(0x300, 0);
        builder.flags = FileFlags(builder.flags.0 | macho::MH_DYLDLINK.0 | macho::MH_PIE.0);
        builder
            .command(macho::LC_LOAD_DYLIB, &[0; 16])
            .command(macho::LC_UUID, &[7; 16])
            .command(macho::LC_BUILD_VERSION, &words(&[macho::PLATFORM_MACOS.0, 0x000b_0000, 0x000c_0304, 0]))
    }

    /// A dynamic linker at address 0.
    pub fn dylinker_image() -> Builder {
        let section = [b"__all_image_info".as_slice(), b"__DATA\0\0\0\0\0\0\0\0\0\0"].concat();
        let place = [0x1800u64, 0x170].iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
        let section = [section, place, vec![0; 32]].concat();
        let mut data = RawSegment::zeros("__DATA", 0x1000, 0x3000, RW);
        data.sections = 1;
        Builder::new(macho::MH_DYLINKER)
            .segment(RawSegment::zeros("__TEXT", 0, PAGE_SIZE, RX).file(0, FILE_SIZE))
            .segment_with(data, &section)
            .thread(&registers(0x400, 0))
    }

    /// Adds any load command; `cmdsize` follows from the body.
    pub fn command(self, kind: LoadCommandType, body: &[u8]) -> Builder {
        self.command_of_size(kind, body.len() as u32 + 8, body)
    }

    /// Adds a load command with the `cmdsize` given.
    pub fn command_of_size(mut self, kind: LoadCommandType, size: u32, body: &[u8]) -> Builder {
        self.commands.push([words(&[kind.0, size]), body.to_vec()].concat());
        self
    }

    /// Adds an `LC_SEGMENT_64`.
    pub fn segment(self, segment: RawSegment) -> Builder {
        self.segment_with(segment, &[])
    }

    /// Adds an `LC_SEGMENT_64` with bytes after it.
    pub fn segment_with(self, segment: RawSegment, sections: &[u8]) -> Builder {
        let mut name = [0; 16];
        name.iter_mut().zip(segment.name.bytes()).for_each(|(to, from)| *to = from);
        let ranges = [segment.address, segment.memory_size, segment.offset, segment.file_size];
        let ranges = ranges.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
        let (maximum, initial) = (VmProt(segment.maximum), VmProt(segment.initial));
        let rest = words(&[maximum.0, initial.0, segment.sections, segment.flags]);
        self.command(macho::LC_SEGMENT_64, &[&name, ranges.as_slice(), &rest, sections].concat())
    }

    /// Adds an `LC_UNIXTHREAD` with an `x86_THREAD_STATE64`.
    pub fn thread(self, registers: &[u64; 21]) -> Builder {
        self.command(macho::LC_UNIXTHREAD, &thread_state(registers))
    }

    /// Adds an `LC_MAIN`.
    pub fn main(self, offset: u64, stack_size: u64) -> Builder {
        self.command(macho::LC_MAIN, &[offset.to_le_bytes(), stack_size.to_le_bytes()].concat())
    }

    /// Adds an `LC_LOAD_DYLINKER` with this text, filled up to a multiple of 8.
    pub fn dylinker(self, name: &[u8]) -> Builder {
        let mut body = words(&[12]);
        body.extend_from_slice(name);
        body.resize(body.len().next_multiple_of(8), name.last().copied().unwrap_or(0));
        self.command(macho::LC_LOAD_DYLINKER, &body)
    }

    /// The bytes.
    pub fn build(&self) -> Vec<u8> {
        let commands = self.commands.concat();
        let mut file = words(&[
            macho::MH_MAGIC_64,
            self.cpu_type,
            self.cpu_subtype,
            self.file_type.0,
            (self.commands.len() as u32).wrapping_add(self.extra_count),
            (commands.len() as u32).wrapping_add(self.extra_size),
            self.flags.0,
            0,
        ]);
        file.extend(commands);
        file.resize(file.len().max(self.size), 0);
        file
    }
}

/// The size of files that [`Builder`] makes, unless told otherwise or full of load commands, in bytes.
pub const FILE_SIZE: u64 = 1000;
/// Where [`Builder::program`] has its `__TEXT`.
pub const TEXT: u64 = 0x1_0000_0000;
/// Where [`Builder::static_program`] has its `__DATA`.
pub const DATA: u64 = TEXT + PAGE_SIZE;

/// Registers that are all 0 but for these two, in the order of `x86_thread_state64_t`.
pub fn registers(rip: u64, rsp: u64) -> [u64; 21] {
    let mut registers = [0; 21];
    registers[16] = rip;
    registers[7] = rsp;
    registers
}

/// The body of an `LC_UNIXTHREAD`: flavor, count, state.
pub fn thread_state(registers: &[u64; 21]) -> Vec<u8> {
    let mut body = words(&[super::thread::X86_THREAD_STATE64, 42]);
    body.extend(registers.iter().flat_map(|register| register.to_le_bytes()));
    body
}

/// Little-endian words.
pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// One slice of a universal file, for [`universal`].
#[derive(Clone, Debug)]
pub struct Slice {
    /// `cputype`.
    pub cpu_type: u32,
    /// `cpusubtype`.
    pub cpu_subtype: u32,
    /// Where it goes.
    pub offset: u32,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A universal file of these slices, with 32-bit or 64-bit entries.
pub fn universal(slices: &[Slice], wide: bool) -> Vec<u8> {
    let be = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
    let mut file = be(&[if wide { macho::FAT_MAGIC_64 } else { macho::FAT_MAGIC }, slices.len() as u32]);
    for slice in slices {
        let (cpu, size) = ([slice.cpu_type, slice.cpu_subtype], slice.bytes.len() as u32);
        file.extend(be(&cpu));
        file.extend(match wide {
            true => be(&[0, slice.offset, 0, size, 12, 0]),
            false => be(&[slice.offset, size, 12]),
        });
    }
    for slice in slices {
        let (start, end) = (slice.offset as usize, slice.offset as usize + slice.bytes.len());
        file.resize(file.len().max(end), 0);
        file[start..end].copy_from_slice(&slice.bytes);
    }
    file
}

/// The starting points of fuzzers, by file name, with what each of them is.
pub fn seeds() -> Vec<(&'static str, Kind, Vec<u8>)> {
    let program = Builder::static_program().build();
    let x86_64 = (macho::CPU_TYPE_X86_64.0, macho::CPU_SUBTYPE_X86_64_ALL.0);
    let slice = Slice { cpu_type: x86_64.0, cpu_subtype: x86_64.1, offset: 0x1000, bytes: program.clone() };
    let foreign =
        Slice { cpu_type: macho::CPU_TYPE_ARM64.0, cpu_subtype: 0, offset: 0x80, bytes: vec![1; 64] };
    let mut low = Builder::new(macho::MH_EXECUTE)
        .segment(RawSegment::zeros("__PAGEZERO", 0, 0x20_0000, 0))
        .segment(RawSegment::zeros("__APE1", 0x3f_0000, 0x1000, RX).file(0, 512))
        .segment(RawSegment::zeros("__APE2", 0x40_0000, 0x900, 1).file(0, 0x123))
        .segment(RawSegment::zeros("__BSS", 0x7f00_0000, 0x1000_0000, RW))
        .segment(RawSegment::zeros("__DWARF", 0, 0, 0).file(0x10, 0x20))
        .thread(&registers(0x3f_0123, 0x7f00_4000));
    low.size = 700;
    let mut extras = Builder::dynamic_program()
        .command(macho::LC_CODE_SIGNATURE, &words(&[0x200, 0x40]))
        .command(macho::LC_ENCRYPTION_INFO_64, &words(&[0, 0, 0, 0]))
        .command(macho::LC_SYMTAB, &[0; 16]);
    extras.cpu_subtype |= macho::CPU_SUBTYPE_LIB64.0;
    vec![
        ("dylinker", Kind::Dylinker, Builder::dylinker_image().build()),
        ("dynamic", Kind::Program, extras.build()),
        ("low", Kind::Program, low.build()),
        ("static", Kind::Program, program),
        ("universal", Kind::Program, universal(&[foreign.clone(), slice.clone()], false)),
        ("universal64", Kind::Program, universal(&[foreign, slice], true)),
    ]
}

/// Checks everything that the loader relies on.
///
/// # Panics
/// When the plan breaks a promise of [`Program`]'s documentation.
pub fn assert_invariants(program: &Program, file_size: u64, kind: Kind) {
    let slice = &program.slice;
    assert!(slice.start <= slice.end && slice.end <= file_size, "slice {slice:?} of {file_size:#x} bytes");
    assert_eq!(slice.start % PAGE_SIZE, 0, "slice alignment");
    let mut free = program.page_zero;
    assert!(free.is_multiple_of(PAGE_SIZE) && (kind == Kind::Dylinker || free >= PAGE_SIZE), "page zero");
    for segment in &program.segments {
        assert!(segment.memory_size > 0, "empty segment");
        assert!(segment.address >= free, "{segment} begins before {free:#x}");
        assert_eq!(segment.address % PAGE_SIZE, 0, "{segment}");
        free = segment.address.checked_add(segment.memory_size).and_then(super::page_up).expect("wraps");
        assert!(free <= ADDRESS_LIMIT, "{segment}");
        assert_eq!(segment.pages(), segment.address..free);
        assert_eq!(segment.file_pages().end, segment.zero_pages().start);
        assert!(segment.zero_pages().start <= segment.zero_pages().end, "{segment}");
        assert!(segment.maximum.contains(segment.initial));
        if let Some(file) = segment.file {
            assert!(file.size > 0 && file.offset.is_multiple_of(PAGE_SIZE) && file.offset >= slice.start);
            assert!(file.offset.checked_add(file.size).expect("wraps") <= slice.end, "{file:?} in {slice:?}");
        }
    }
    let within = |address: u64| {
        program.segments.iter().find(|s| s.address <= address && address - s.address < s.memory_size)
    };
    let entry = within(program.entry.address()).expect("entry point outside");
    assert!(entry.initial.execute() && entry.initial.read(), "entry point not executable");
    assert_eq!(program.segment_at(program.entry.address()), Some(entry));
    assert!(program.span().contains(&program.entry.address()) && program.span().end == free);
    if let Some(stack) = program.custom_stack() {
        let below = (stack & !(PAGE_SIZE - 1)).checked_sub(1).expect("stack at 0");
        assert!(program.segments.iter().any(|s| s.pages().contains(&below) && s.initial.write()), "stack");
    }
    if let Some(header) = program.header_address {
        assert!(within(header).is_some_and(|s| s.file.is_some_and(|f| f.offset == slice.start)), "header");
    }
    if let Some(dylinker) = &program.dylinker {
        assert!(!dylinker.is_empty() && !dylinker.contains(&0) && kind == Kind::Program);
        assert!(program.header_address.is_some());
    }
    match program.entry {
        Entry::Main { offset, address } => {
            assert!(program.dylinker.is_some());
            assert_eq!(program.header_address.and_then(|header| header.checked_add(offset)), Some(address));
        }
        Entry::Thread(_) => assert!(program.stack_size.is_none()),
    }
    assert!(program.stack_size.is_none_or(|size| size > 0 && size < ADDRESS_LIMIT));
    assert!(kind == Kind::Program || (program.pie && program.header_address.is_some()));
}
