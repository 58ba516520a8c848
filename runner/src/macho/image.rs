//! One x86-64 image: its header and load commands (`bsd/kern/mach_loader.c`, `parse_machfile`).

use super::error::Kind;
use super::identify::Architecture;
use super::segment::{self, Request, Segment};
use super::universal::grade;
use super::{ADDRESS_LIMIT, Build, Cpu, Entry, Error, PAGE_SIZE, Program, Registers, Version, thread};
use object::macho::{self, LoadCommand, LoadCommandType, MachHeader64};
use object::{LittleEndian as LE, pod};
use std::fmt;
use std::ops::Range;

/// One load command, with the space that its `cmdsize` gives it.
pub(super) struct Command<'a> {
    index: u32,
    kind: LoadCommandType,
    pub(super) bytes: &'a [u8],
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "load command {} ({}", self.index, command_name(self.kind))?;
        match pod::from_bytes::<macho::SegmentCommand64<LE>>(self.bytes) {
            Ok((raw, _)) if self.kind == macho::LC_SEGMENT_64 => {
                write!(f, " {})", segment::segment_name(&raw.segname))
            }
            _ => f.write_str(")"),
        }
    }
}

impl Command<'_> {
    /// The structure at its start.
    pub(super) fn read<T: pod::Pod>(&self) -> Result<&T, Error> {
        match pod::from_bytes::<T>(self.bytes) {
            Ok((raw, _)) => Ok(raw),
            Err(()) => Err(self.malformed(format_args!(
                "cmdsize {:#x} is too small: this command has {:#x} bytes",
                self.bytes.len(),
                size_of::<T>()
            ))),
        }
    }

    pub(super) fn malformed(&self, problem: impl fmt::Display) -> Error {
        Error::malformed(format_args!("{self}: {problem}: the file is damaged or was built wrongly"))
    }

    /// Refuses a range, counted from the start of the slice, that the slice does not have.
    pub(super) fn inside_slice(&self, range: Range<u64>, slice: &Range<u64>) -> Result<(), Error> {
        let size = slice.end - slice.start;
        if range.end <= size {
            return Ok(());
        }
        let whole = if slice.start == 0 { "file" } else { "slice" };
        Err(Error::truncated(format_args!(
            "{self}: file range {:#x}..{:#x} runs past the end of the {whole} ({size:#x} bytes)",
            range.start, range.end
        )))
    }
}

/// The name of a command that this reader looks at.
fn command_name(kind: LoadCommandType) -> String {
    String::from(match kind {
        macho::LC_SEGMENT => "LC_SEGMENT",
        macho::LC_SEGMENT_64 => "LC_SEGMENT_64",
        macho::LC_UNIXTHREAD => "LC_UNIXTHREAD",
        macho::LC_MAIN => "LC_MAIN",
        macho::LC_LOAD_DYLINKER => "LC_LOAD_DYLINKER",
        macho::LC_UUID => "LC_UUID",
        macho::LC_CODE_SIGNATURE => "LC_CODE_SIGNATURE",
        macho::LC_ENCRYPTION_INFO => "LC_ENCRYPTION_INFO",
        macho::LC_ENCRYPTION_INFO_64 => "LC_ENCRYPTION_INFO_64",
        macho::LC_VERSION_MIN_MACOSX => "LC_VERSION_MIN_MACOSX",
        macho::LC_VERSION_MIN_IPHONEOS => "LC_VERSION_MIN_IPHONEOS",
        macho::LC_VERSION_MIN_TVOS => "LC_VERSION_MIN_TVOS",
        macho::LC_VERSION_MIN_WATCHOS => "LC_VERSION_MIN_WATCHOS",
        macho::LC_BUILD_VERSION => "LC_BUILD_VERSION",
        LoadCommandType(other) => return format!("{other:#x}"),
    })
}

/// The load commands of one image, in the order of the file.
struct Commands<'a> {
    /// What is left of `sizeofcmds`.
    rest: &'a [u8],
    index: u32,
    count: u32,
}

impl<'a> Iterator for Commands<'a> {
    type Item = Result<Command<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index == self.count {
            return None;
        }
        let next = self.take_one();
        self.index += 1;
        // After an error the position is lost.
        if next.is_err() {
            self.count = self.index;
        }
        Some(next)
    }
}

impl<'a> Commands<'a> {
    fn take_one(&mut self) -> Result<Command<'a>, Error> {
        let index = self.index;
        let Ok((raw, _)) = pod::from_bytes::<LoadCommand<LE>>(self.rest) else {
            return Err(Error::malformed(format_args!(
                "ncmds is {}, but sizeofcmds ends after load command {index}: the file is damaged",
                self.count
            )));
        };
        let (kind, size) = (raw.cmd.get(LE), raw.cmdsize.get(LE) as usize);
        let here = Command { index, kind, bytes: &[] };
        // Differs from XNU: it takes any size, but every tool makes multiples of 8, or of 4 long ago.
        if size < size_of::<LoadCommand<LE>>() || !size.is_multiple_of(4) {
            return Err(here.malformed(format_args!("cmdsize {size:#x} is not a multiple of 4 from 8 on")));
        }
        let Some((bytes, rest)) = self.rest.split_at_checked(size) else {
            return Err(here.malformed(format_args!(
                "cmdsize {size:#x} runs past the end of sizeofcmds ({:#x} bytes left)",
                self.rest.len()
            )));
        };
        self.rest = rest;
        Ok(Command { index, kind, bytes })
    }
}

/// What the load commands have said so far.
#[derive(Default)]
struct Found {
    segments: Vec<Segment>,
    page_zero: u64,
    header_address: Option<u64>,
    start: Option<Start>,
    stack_size: Option<u64>,
    dylinker: Option<Vec<u8>>,
    uuid: Option<[u8; 16]>,
    build: Option<Build>,
    needs_libraries: bool,
    linked: bool,
    all_image_info: Option<Range<u64>>,
}

/// An entry point before the segments are known.
enum Start {
    Thread(Registers),
    Main { offset: u64 },
}

/// Reads the image in `slice`, which lies in the file and is page-aligned there.
pub(super) fn parse(file: &[u8], slice: &Range<u64>, kind: Kind, cpu: Cpu) -> Result<Program, Error> {
    // `slice` lies in the file, so its ends fit in `usize`.
    let image = file.get(slice.start as usize..slice.end as usize).unwrap_or_default();
    let Ok((header, rest)) = pod::from_bytes::<MachHeader64<LE>>(image) else {
        return Err(Error::truncated("the Mach-O header does not fit in the file"));
    };
    check_header(header, kind, cpu)?;
    let flags = header.flags.get(LE).0;
    let (count, size) = (header.ncmds.get(LE), header.sizeofcmds.get(LE));
    let Some(commands) = rest.get(..size as usize) else {
        return Err(Error::truncated(format_args!(
            "the load commands (sizeofcmds {size:#x}) run past the end of the file ({:#x} bytes)",
            file.len()
        )));
    };

    let mut found = Found::default();
    for command in (Commands { rest: commands, index: 0, count }) {
        found.add(&command?, slice, kind)?;
    }
    found.check_layout(kind)?;
    let has = |flag: macho::FileFlags| flags & flag.0 != 0;
    let is_main = matches!(found.start, Some(Start::Main { .. }));
    if kind == Kind::Program && found.dylinker.is_none() && (is_main || has(macho::MH_DYLDLINK)) {
        return Err(Error::malformed(
            "the program needs a dynamic linker (MH_DYLDLINK or LC_MAIN), but no LC_LOAD_DYLINKER names one: \
             the file was built wrongly",
        ));
    }
    // Differs from XNU: it wants the header in exactly one segment, readable and executable. Older systems ran
    // programs without, and packed ones that map it twice; only dyld needs it.
    if found.header_address.is_none() && (kind == Kind::Dylinker || found.dylinker.is_some()) {
        return Err(Error::malformed(
            "no segment maps the Mach-O header (fileoff 0), which dyld reads: the file was built wrongly",
        ));
    }
    found.into_program(slice.clone(), kind, has)
}

fn check_header(header: &MachHeader64<LE>, kind: Kind, cpu: Cpu) -> Result<(), Error> {
    if header.magic.get(object::BigEndian) != macho::MH_CIGAM_64 {
        return Err(Error::malformed(
            "the x86_64 slice is not a 64-bit little-endian Mach-O image: the file is damaged, copy or build it again",
        ));
    }
    let (cpu_type, cpu_subtype) = (header.cputype.get(LE).0, header.cpusubtype.get(LE).0);
    let found = Architecture { cpu_type, cpu_subtype };
    if grade(found, cpu) == 0 {
        return Err(Error::Architecture { found });
    }
    let wanted = match kind {
        Kind::Program => macho::MH_EXECUTE,
        Kind::Dylinker => macho::MH_DYLINKER,
    };
    match header.filetype.get(LE) {
        found if found == wanted => Ok(()),
        macho::FileType(found) => Err(Error::FileType { found, wanted: kind }),
    }
}

impl Found {
    fn add(&mut self, command: &Command<'_>, slice: &Range<u64>, kind: Kind) -> Result<(), Error> {
        match command.kind {
            macho::LC_SEGMENT_64 => self.add_segment(command, slice)?,
            macho::LC_SEGMENT => return Err(command.malformed("a 32-bit segment in a 64-bit file")),
            macho::LC_UNIXTHREAD => self.set_start(command, Start::Thread(thread::read(command)?))?,
            // XNU skips it in the dynamic linker, which needs an LC_UNIXTHREAD.
            macho::LC_MAIN if kind == Kind::Program => self.add_main(command)?,
            macho::LC_LOAD_DYLINKER => self.add_dylinker(command, kind)?,
            macho::LC_UUID => self.uuid = Some(command.read::<macho::UuidCommand<LE>>()?.uuid),
            macho::LC_CODE_SIGNATURE => {
                let raw = command.read::<macho::LinkeditDataCommand<LE>>()?;
                let (start, size) = (u64::from(raw.dataoff.get(LE)), u64::from(raw.datasize.get(LE)));
                command.inside_slice(start..start + size, slice)?;
            }
            macho::LC_ENCRYPTION_INFO | macho::LC_ENCRYPTION_INFO_64 => {
                let raw = command.read::<macho::EncryptionInfoCommand32<LE>>()?;
                if raw.cryptid.get(LE) != 0 {
                    return Err(Error::Encrypted { place: command.to_string() });
                }
            }
            macho::LC_BUILD_VERSION
            | macho::LC_VERSION_MIN_MACOSX
            | macho::LC_VERSION_MIN_IPHONEOS
            | macho::LC_VERSION_MIN_TVOS
            | macho::LC_VERSION_MIN_WATCHOS => self.add_build(command)?,
            macho::LC_LOAD_DYLIB
            | macho::LC_LOAD_WEAK_DYLIB
            | macho::LC_REEXPORT_DYLIB
            | macho::LC_LAZY_LOAD_DYLIB
            | macho::LC_LOAD_UPWARD_DYLIB => self.needs_libraries = true,
            _ => {}
        }
        Ok(())
    }

    fn add_segment(&mut self, command: &Command<'_>, slice: &Range<u64>) -> Result<(), Error> {
        match segment::read(command, slice)? {
            Request::Nothing => {}
            Request::PageZero(end) => self.page_zero = self.page_zero.max(end),
            Request::Map { segment, header, linked, all_image_info } => {
                self.linked |= linked;
                if header && self.header_address.is_none() {
                    self.header_address = Some(segment.address);
                }
                self.all_image_info = self.all_image_info.take().or(all_image_info);
                self.segments.push(segment);
            }
        }
        Ok(())
    }

    fn set_start(&mut self, command: &Command<'_>, start: Start) -> Result<(), Error> {
        if self.start.is_some() {
            return Err(command.malformed("a second entry point: one LC_MAIN or LC_UNIXTHREAD is allowed"));
        }
        self.start = Some(start);
        Ok(())
    }

    fn add_main(&mut self, command: &Command<'_>) -> Result<(), Error> {
        let raw = command.read::<macho::EntryPointCommand<LE>>()?;
        let stack_size = raw.stacksize.get(LE);
        if stack_size >= ADDRESS_LIMIT {
            return Err(command.malformed(format_args!(
                "stacksize {stack_size:#x} is larger than the address space ({ADDRESS_LIMIT:#x})"
            )));
        }
        self.stack_size = Some(stack_size).filter(|&size| size != 0);
        self.set_start(command, Start::Main { offset: raw.entryoff.get(LE) })
    }

    fn add_dylinker(&mut self, command: &Command<'_>, kind: Kind) -> Result<(), Error> {
        if kind == Kind::Dylinker {
            return Err(command.malformed("a dynamic linker that needs a dynamic linker"));
        }
        if self.dylinker.is_some() {
            return Err(command.malformed("a second dynamic linker"));
        }
        let raw = command.read::<macho::DylinkerCommand<LE>>()?;
        let offset = raw.name.offset.get(LE) as usize;
        let text = command.bytes.get(offset..).filter(|text| offset >= size_of_val(raw) && !text.is_empty());
        let Some(text) = text else {
            return Err(command.malformed(format_args!(
                "the name's offset {offset:#x} is outside the command ({:#x}..{:#x})",
                size_of_val(raw),
                command.bytes.len()
            )));
        };
        match text.iter().position(|&byte| byte == 0) {
            None => Err(command.malformed("the name has no NUL at its end")),
            Some(0) => Err(command.malformed("the name is empty")),
            Some(length) => {
                self.dylinker = text.get(..length).map(<[u8]>::to_vec);
                Ok(())
            }
        }
    }

    /// The first one counts. Differs from XNU: it refuses a second one, but nothing depends on it here.
    fn add_build(&mut self, command: &Command<'_>) -> Result<(), Error> {
        let (platform, minimum, sdk) = if command.kind == macho::LC_BUILD_VERSION {
            let raw = command.read::<macho::BuildVersionCommand<LE>>()?;
            (raw.platform.get(LE), raw.minos.get(LE), raw.sdk.get(LE))
        } else {
            let raw = command.read::<macho::VersionMinCommand<LE>>()?;
            // On x86-64 these platforms are simulators (`load_version`).
            let platform = match command.kind {
                macho::LC_VERSION_MIN_IPHONEOS => macho::PLATFORM_IOSSIMULATOR,
                macho::LC_VERSION_MIN_TVOS => macho::PLATFORM_TVOSSIMULATOR,
                macho::LC_VERSION_MIN_WATCHOS => macho::PLATFORM_WATCHOSSIMULATOR,
                _ => macho::PLATFORM_MACOS,
            };
            (platform, raw.version.get(LE), raw.sdk.get(LE))
        };
        let build = Build { platform: platform.0, minimum: Version(minimum.0), sdk: Version(sdk.0) };
        self.build.get_or_insert(build);
        Ok(())
    }

    /// Puts the segments in order and checks them against each other.
    fn check_layout(&mut self, kind: Kind) -> Result<(), Error> {
        if kind == Kind::Program && self.page_zero < PAGE_SIZE {
            return Err(Error::malformed(
                "no __PAGEZERO segment protects address 0, which macOS requires: link with -pagezero_size 0x1000 or more",
            ));
        }
        self.segments.sort_by_key(|segment| segment.address);
        if let Some(first) = self.segments.first().filter(|first| first.address < self.page_zero) {
            return Err(Error::malformed(format_args!(
                "segment {first} overlaps __PAGEZERO (0x0..{:#x}): the file is damaged or was built wrongly",
                self.page_zero
            )));
        }
        for pair in self.segments.windows(2) {
            if let [a, b] = pair
                && a.pages().end > b.address
            {
                return Err(Error::malformed(format_args!(
                    "segments {a} and {b} overlap in memory: the file is damaged or was built wrongly"
                )));
            }
        }
        Ok(())
    }

    fn into_program(
        self,
        slice: Range<u64>,
        kind: Kind,
        has: impl Fn(macho::FileFlags) -> bool,
    ) -> Result<Program, Error> {
        let entry = match self.start {
            Some(Start::Thread(registers)) => Entry::Thread(registers),
            Some(Start::Main { offset }) => {
                let address = self.header_address.and_then(|header| header.checked_add(offset));
                let Some(address) = address else {
                    return Err(Error::malformed(format_args!(
                        "LC_MAIN's entryoff {offset:#x} is outside the address space: the file is damaged"
                    )));
                };
                Entry::Main { offset, address }
            }
            None => {
                return Err(Error::malformed(
                    "there is no entry point (LC_UNIXTHREAD, or LC_MAIN in a program): the file was built wrongly",
                ));
            }
        };
        let program = Program {
            slice,
            segments: self.segments,
            page_zero: self.page_zero,
            header_address: self.header_address,
            entry,
            dylinker: self.dylinker,
            pie: kind == Kind::Dylinker || has(macho::MH_PIE),
            stack_size: self.stack_size,
            allow_stack_execution: has(macho::MH_ALLOW_STACK_EXECUTION),
            no_heap_execution: has(macho::MH_NO_HEAP_EXECUTION),
            uuid: self.uuid,
            build: self.build,
            needs_libraries: self.needs_libraries,
            linked: self.linked,
            all_image_info: self.all_image_info.filter(|_| kind == Kind::Dylinker),
        };
        check_start(&program)?;
        Ok(program)
    }
}

/// The entry point and a stack of the program's own must be in segments that allow their use.
fn check_start(program: &Program) -> Result<(), Error> {
    let address = program.entry.address();
    match program.segment_at(address) {
        None => {
            return Err(Error::malformed(format_args!(
                "the entry point {address:#x} is outside any segment: the file is damaged or was built wrongly"
            )));
        }
        // XNU wants both rights.
        Some(segment) if !(segment.initial.read() && segment.initial.execute()) => {
            return Err(Error::malformed(format_args!(
                "the entry point {address:#x} is in segment {segment}, which is not executable ({}): \
                 the file is damaged or was built wrongly",
                segment.initial
            )));
        }
        Some(_) => {}
    }
    // The arguments go below the page that the pointer is in. XNU finds out when it writes them there.
    if let Some(stack) = program.custom_stack() {
        let top = stack - stack % PAGE_SIZE;
        let below = top
            .checked_sub(1)
            .and_then(|address| program.segments.iter().find(|s| s.pages().contains(&address)));
        if !below.is_some_and(|segment| segment.initial.write()) {
            return Err(Error::malformed(format_args!(
                "the stack pointer {stack:#x} of LC_UNIXTHREAD has no writable segment below it: \
                 the file is damaged or was built wrongly"
            )));
        }
    }
    Ok(())
}
