//! Universal files: the choice of a slice (`bsd/kern/mach_fat.c`).

use super::identify::{self, Architecture, Container};
use super::{Cpu, Error, PAGE_SIZE};
use object::macho::{self, FatArch32, FatArch64, FatHeader};
use object::{BigEndian, pod};
use std::ops::Range;

/// One entry of a universal header.
struct Slice {
    architecture: Architecture,
    start: u64,
    end: u64,
}

/// How well a processor runs an architecture; 0 is not at all (`bsd/dev/i386/kern_machdep.c`, `grade_binary`).
pub(super) fn grade(architecture: Architecture, cpu: Cpu) -> u32 {
    match (macho::CpuType(architecture.cpu_type), macho::CpuSubtypeId(architecture.variant()), cpu) {
        (macho::CPU_TYPE_X86_64, macho::CPU_SUBTYPE_X86_64_H, Cpu::Haswell) => 2,
        (macho::CPU_TYPE_X86_64, macho::CPU_SUBTYPE_X86_64_ALL, _) => 1,
        _ => 0,
    }
}

/// Where the x86-64 image lies in the file.
pub(super) fn select(file: &[u8], cpu: Cpu) -> Result<Range<u64>, Error> {
    let slices = match identify::container(file)? {
        Container::Thin => return Ok(0..file.len() as u64),
        Container::Universal32 => entries::<FatArch32>(file, |entry| {
            let (cpu_type, cpu_subtype) = (entry.cputype.get(BigEndian), entry.cpusubtype.get(BigEndian));
            let (start, size) = (entry.offset.get(BigEndian).into(), entry.size.get(BigEndian).into());
            (Architecture { cpu_type: cpu_type.0, cpu_subtype: cpu_subtype.0 }, start, size)
        })?,
        // Differs from XNU: exec does not know this form, but lipo writes it when offsets need more than 32 bits.
        Container::Universal64 => entries::<FatArch64>(file, |entry| {
            let (cpu_type, cpu_subtype) = (entry.cputype.get(BigEndian), entry.cpusubtype.get(BigEndian));
            let (start, size) = (entry.offset.get(BigEndian), entry.size.get(BigEndian));
            (Architecture { cpu_type: cpu_type.0, cpu_subtype: cpu_subtype.0 }, start, size)
        })?,
    };
    no_two_alike(&slices)?;
    // The first of the best, as in XNU; `max_by_key` would take the last.
    let best = slices.iter().rev().max_by_key(|slice| grade(slice.architecture, cpu));
    match best {
        Some(best) if grade(best.architecture, cpu) > 0 => {
            if !best.start.is_multiple_of(PAGE_SIZE) {
                return Err(Error::malformed(format_args!(
                    "the {} slice begins at {:#x}, which is not a multiple of the page size ({PAGE_SIZE:#x}): \
                     build the universal file again with lipo",
                    best.architecture, best.start
                )));
            }
            Ok(best.start..best.end)
        }
        _ => Err(Error::NoSlice { found: slices.iter().map(|slice| slice.architecture).collect() }),
    }
}

/// Reads the entries and checks each slice against the file, the unwanted ones too, as XNU does.
fn entries<T: pod::Pod>(file: &[u8], read: fn(&T) -> (Architecture, u64, u64)) -> Result<Vec<Slice>, Error> {
    let cut = || Error::truncated("the universal header does not fit in the file");
    let (header, rest) = pod::from_bytes::<FatHeader>(file).map_err(|()| cut())?;
    let count = header.nfat_arch.get(BigEndian);
    // XNU reads one page and looks no further. The limit keeps `no_two_alike` short.
    let room = (PAGE_SIZE as usize - size_of::<FatHeader>()) / size_of::<T>();
    if count as usize > room {
        return Err(Error::malformed(format_args!(
            "the universal header announces {count} architectures, but only {room} fit in its page: \
             the file is damaged, copy or build it again"
        )));
    }
    let (entries, _) = pod::slice_from_bytes::<T>(rest, count as usize).map_err(|()| cut())?;
    let header_end = (size_of::<FatHeader>() + size_of_val(entries)) as u64;
    entries
        .iter()
        .map(|entry| {
            let (architecture, start, size) = read(entry);
            if start < header_end {
                return Err(Error::malformed(format_args!(
                    "the {architecture} slice begins at {start:#x}, inside the universal header \
                     ({header_end:#x} bytes): the file is damaged, copy or build it again"
                )));
            }
            match start.checked_add(size) {
                Some(end) if end <= file.len() as u64 => Ok(Slice { architecture, start, end }),
                _ => Err(Error::truncated(format_args!(
                    "the {architecture} slice ({size:#x} bytes at {start:#x}) runs past the end of the file \
                     ({:#x} bytes)",
                    file.len()
                ))),
            }
        })
        .collect()
}

/// No two slices for the same processor or over the same bytes (`fatfile_validate_fatarches`).
fn no_two_alike(slices: &[Slice]) -> Result<(), Error> {
    for (index, a) in slices.iter().enumerate() {
        for b in slices.iter().skip(index + 1) {
            if a.architecture == b.architecture {
                return Err(Error::malformed(format_args!(
                    "the universal file has two slices for {}: keep one with lipo",
                    a.architecture
                )));
            }
            if a.start < b.end && b.start < a.end {
                return Err(Error::malformed(format_args!(
                    "the {} and {} slices overlap in the file: the file is damaged, copy or build it again",
                    a.architecture, b.architecture
                )));
            }
        }
    }
    Ok(())
}
