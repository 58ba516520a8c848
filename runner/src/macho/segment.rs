//! `LC_SEGMENT_64`: what to map (`bsd/kern/mach_loader.c`, `load_segment`).

use super::image::Command;
use super::{ADDRESS_LIMIT, Error, PAGE_SIZE, page_up};
use object::macho::{self, Section64, SegmentCommand64};
use object::{LittleEndian as LE, pod};
use std::fmt;
use std::ops::Range;
use xnu_abi::lkm::LINKED_SECTION;

/// A part of the image to map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Its name, escaped for display. Names mean nothing to the loader and need not differ.
    pub name: String,
    /// Where it begins; page-aligned.
    pub address: u64,
    /// Its size in bytes, not 0, as the file says. Whole pages are mapped.
    pub memory_size: u64,
    /// The bytes of the file that it begins with. The rest of their last page is what the file has there, as in
    /// XNU, or zeros after its end; pages after that are zeros.
    pub file: Option<FileRange>,
    /// The protection to map it with; a subset of `maximum`.
    pub initial: Protection,
    /// What `mprotect` may later give.
    pub maximum: Protection,
}

/// Bytes of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileRange {
    /// From the start of the file (not of the slice); page-aligned.
    pub offset: u64,
    /// Not 0; all of it is in the file and in the slice.
    pub size: u64,
}

impl Segment {
    /// The pages it takes.
    pub fn pages(&self) -> Range<u64> {
        // Checked in `read`: it ends below the address limit.
        self.address..self.address + self.memory_size.next_multiple_of(PAGE_SIZE)
    }

    /// The pages of it that the file fills, at least in part.
    pub fn file_pages(&self) -> Range<u64> {
        let size = self.file.map_or(0, |file| file.size);
        self.address..self.address + size.next_multiple_of(PAGE_SIZE)
    }

    /// The pages of it that begin as zeros.
    pub fn zero_pages(&self) -> Range<u64> {
        self.file_pages().end..self.pages().end
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:#x}..{:#x})", self.name, self.pages().start, self.pages().end)
    }
}

/// A combination of read, write and execute (`VM_PROT_*`).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Protection(u8);

impl Protection {
    /// No access.
    pub const NONE: Protection = Protection(0);
    const READ: u8 = 1;
    const WRITE: u8 = 2;
    const EXECUTE: u8 = 4;

    /// The bits of a load command; those that are no access right are ignored, as in XNU.
    pub const fn new(bits: u32) -> Protection {
        Protection(bits as u8 & (Protection::READ | Protection::WRITE | Protection::EXECUTE))
    }

    /// `VM_PROT_*`, which are also Linux's `PROT_*`.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// May be read.
    pub const fn read(self) -> bool {
        self.0 & Protection::READ != 0
    }

    /// May be written.
    pub const fn write(self) -> bool {
        self.0 & Protection::WRITE != 0
    }

    /// May be executed.
    pub const fn execute(self) -> bool {
        self.0 & Protection::EXECUTE != 0
    }

    /// Whether every right of `other` is in `self`.
    pub const fn contains(self, other: Protection) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |has, letter| if has { letter } else { '-' };
        let letters = [letter(self.read(), 'r'), letter(self.write(), 'w'), letter(self.execute(), 'x')];
        letters.iter().try_for_each(|letter| write!(f, "{letter}"))
    }
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What one `LC_SEGMENT_64` asks for.
pub(super) enum Request {
    /// A size of 0: nothing to do, whatever else it says.
    Nothing,
    /// `__PAGEZERO`: keep everything below this address unmapped.
    PageZero(u64),
    /// Map this. `header` tells whether it begins with the Mach-O header, `linked` whether it has the section of an image
    /// that makes Linux calls, `all_image_info` is the section of that name.
    Map { segment: Segment, header: bool, linked: bool, all_image_info: Option<Range<u64>> },
}

/// The start of each slice that `SG_PROTECTED_VERSION_1` leaves in the clear, in bytes.
const UNPROTECTED_SIZE: u64 = 3 * PAGE_SIZE;

/// Checks one segment by itself.
pub(super) fn read(command: &Command<'_>, slice: &Range<u64>) -> Result<Request, Error> {
    let raw = command.read::<SegmentCommand64<LE>>()?;
    let sections = command.bytes.get(size_of::<SegmentCommand64<LE>>()..).unwrap_or_default();
    let section_count = raw.nsects.get(LE) as usize;
    let Ok((sections, _)) = pod::slice_from_bytes::<Section64<LE>>(sections, section_count) else {
        return Err(command.malformed(format_args!(
            "nsects is {section_count}, but cmdsize {:#x} has no room for so many sections",
            command.bytes.len()
        )));
    };
    let (address, memory_size) = (raw.vmaddr.get(LE), raw.vmsize.get(LE));
    let file = read_file_range(command, raw, slice)?;
    let initial = Protection::new(raw.initprot.get(LE).0);
    let maximum = Protection::new(raw.maxprot.get(LE).0);

    if memory_size == 0 {
        return Ok(Request::Nothing);
    }
    let end =
        page_up(memory_size).and_then(|size| address.checked_add(size)).filter(|&end| end <= ADDRESS_LIMIT);
    let Some(end) = end else {
        return Err(command.malformed(format_args!(
            "vmaddr {address:#x} + vmsize {memory_size:#x} runs past the end of the address space \
             ({ADDRESS_LIMIT:#x})"
        )));
    };
    if address == 0 && file.is_none() && initial == Protection::NONE && maximum == Protection::NONE {
        return Ok(Request::PageZero(end));
    }
    // Differs from XNU: it maps such a segment at the start of the page, where its contents would be displaced.
    if !address.is_multiple_of(PAGE_SIZE) {
        return Err(command.malformed(format_args!("vmaddr {address:#x} is not page-aligned")));
    }
    if !maximum.contains(initial) {
        return Err(command.malformed(format_args!("initprot {initial} allows more than maxprot {maximum}")));
    }
    if let Some(file) = file {
        // A cut file was found above: its alignment is a question for segments that are mapped.
        if !file.offset.is_multiple_of(PAGE_SIZE) {
            return Err(
                command.malformed(format_args!("fileoff {:#x} is not page-aligned", raw.fileoff.get(LE)))
            );
        }
        // Differs from XNU: it maps all of the file range even if that is more than vmsize.
        if page_up(file.size) > page_up(memory_size) {
            return Err(command.malformed(format_args!(
                "filesize {:#x} is larger than vmsize {memory_size:#x}",
                file.size
            )));
        }
        let protected = raw.flags.get(LE) & macho::SG_PROTECTED_VERSION_1 != macho::SegmentFlags(0);
        if protected && file.offset - slice.start + file.size > UNPROTECTED_SIZE {
            return Err(Error::Encrypted { place: command.to_string() });
        }
    }
    let all_image_info = sections.iter().find_map(|section| image_info(raw, section));
    let segment = Segment { name: segment_name(&raw.segname), address, memory_size, file, initial, maximum };
    let header = segment.file.is_some_and(|file| file.offset == slice.start);
    let (segment_wanted, section_wanted) = LINKED_SECTION;
    let is_linked = |section: &Section64<LE>| segment_name(&section.sectname) == section_wanted;
    let linked = segment.name == segment_wanted && sections.iter().any(is_linked);
    Ok(Request::Map { segment, header, linked, all_image_info })
}

/// The file range, checked against the slice; `None` when there is none.
fn read_file_range(
    command: &Command<'_>,
    raw: &SegmentCommand64<LE>,
    slice: &Range<u64>,
) -> Result<Option<FileRange>, Error> {
    let (start, size) = (raw.fileoff.get(LE), raw.filesize.get(LE));
    // Differs from XNU: it refuses an offset outside the slice even when no byte is wanted from there.
    if size == 0 {
        return Ok(None);
    }
    let Some(end) = start.checked_add(size) else {
        return Err(command.malformed(format_args!("fileoff {start:#x} + filesize {size:#x} overflows")));
    };
    command.inside_slice(start..end, slice)?;
    Ok(Some(FileRange { offset: slice.start + start, size }))
}

/// The section in which dyld keeps its list of images (`note_all_image_info_section`).
fn image_info(segment: &SegmentCommand64<LE>, section: &Section64<LE>) -> Option<Range<u64>> {
    let data = matches!(&segment.segname, b"__DATA\0\0\0\0\0\0\0\0\0\0" | b"__DATA_DIRTY\0\0\0\0");
    if !data || &section.sectname != b"__all_image_info" {
        return None;
    }
    let start = section.addr.get(LE);
    Some(start..start.checked_add(section.size.get(LE))?)
}

/// A segment's name up to its NUL, escaped for display.
pub(super) fn segment_name(raw: &[u8; 16]) -> String {
    raw.split(|&byte| byte == 0).next().unwrap_or_default().escape_ascii().to_string()
}
