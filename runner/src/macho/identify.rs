//! What kind of file this is, by its first bytes, and the names of architectures and file types.

use super::Error;
use object::macho;
use std::fmt;

/// A Mach-O container that can hold x86-64 code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Container {
    Thin,
    Universal32,
    Universal64,
}

/// A processor as Mach-O names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Architecture {
    /// `CPU_TYPE_*` of `<mach/machine.h>`.
    pub cpu_type: u32,
    /// `CPU_SUBTYPE_*`, with the capability bits in the top byte.
    pub cpu_subtype: u32,
}

impl Architecture {
    /// The subtype without capability bits.
    pub(super) fn variant(self) -> u32 {
        self.cpu_subtype & !macho::CPU_SUBTYPE_MASK
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (macho::CpuType(self.cpu_type), self.variant()) {
            (macho::CPU_TYPE_X86_64, 8) => "x86_64h",
            (macho::CPU_TYPE_X86_64, 3) => "x86_64",
            (macho::CPU_TYPE_X86_64, other) => return write!(f, "x86_64 (subtype {other})"),
            (macho::CPU_TYPE_X86, _) => "i386 (32-bit)",
            (macho::CPU_TYPE_ARM64, 2) => "arm64e",
            (macho::CPU_TYPE_ARM64, _) => "arm64",
            (macho::CPU_TYPE_ARM64_32, _) => "arm64_32",
            (macho::CPU_TYPE_ARM, _) => "arm (32-bit)",
            (macho::CPU_TYPE_POWERPC, _) => "PowerPC (ppc)",
            (macho::CPU_TYPE_POWERPC64, _) => "PowerPC (ppc64)",
            (macho::CpuType(other), _) => return write!(f, "CPU type {other:#x}"),
        })
    }
}

/// A file type with its article.
pub(super) fn file_type_name(file_type: u32) -> String {
    String::from(match macho::FileType(file_type) {
        macho::MH_OBJECT => "an object file (MH_OBJECT)",
        macho::MH_EXECUTE => "a program (MH_EXECUTE)",
        macho::MH_FVMLIB => "a fixed-address library (MH_FVMLIB)",
        macho::MH_CORE => "a core file (MH_CORE)",
        macho::MH_PRELOAD => "a preloaded image (MH_PRELOAD)",
        macho::MH_DYLIB => "a dynamic library (MH_DYLIB)",
        macho::MH_DYLINKER => "a dynamic linker (MH_DYLINKER)",
        macho::MH_BUNDLE => "a plug-in (MH_BUNDLE)",
        macho::MH_DYLIB_STUB => "a library stub (MH_DYLIB_STUB)",
        macho::MH_DSYM => "a file of debug symbols (MH_DSYM)",
        macho::MH_KEXT_BUNDLE => "a kernel extension (MH_KEXT_BUNDLE)",
        macho::MH_FILESET => "a kernel collection (MH_FILESET)",
        macho::FileType(other) => return format!("a Mach-O file of unknown type {other}"),
    })
}

/// How much of a file is looked at to tell text from data, and how much of a `#!` line is shown, in bytes.
const TEXT_SAMPLE: usize = 512;

/// Tells Mach-O from everything else.
pub(super) fn container(file: &[u8]) -> Result<Container, Error> {
    if file.is_empty() {
        return Err(Error::Empty);
    }
    let word =
        |at: usize| file.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    match word(0) {
        Some(macho::MH_CIGAM_64) => return Ok(Container::Thin),
        // The low half of a class file's second word is its major version, 45 or more; there it would be a count of
        // architectures, and no file has dozens.
        Some(macho::FAT_MAGIC) if word(4).is_some_and(|count| (45..0x100).contains(&(count & 0xffff))) => {
            return Err(Error::JavaClass);
        }
        Some(macho::FAT_MAGIC) => return Ok(Container::Universal32),
        Some(macho::FAT_MAGIC_64) => return Ok(Container::Universal64),
        Some(macho::FAT_CIGAM | macho::FAT_CIGAM_64) => {
            return Err(Error::malformed(
                "the universal header is little-endian, but every system writes it big-endian: build it again with lipo",
            ));
        }
        Some(magic @ (macho::MH_CIGAM | macho::MH_MAGIC | macho::MH_MAGIC_64)) => {
            return Err(foreign(file, magic == macho::MH_CIGAM));
        }
        _ => {}
    }
    Err(other_format(file))
}

/// A thin file with 32-bit or big-endian structures: never x86-64.
fn foreign(file: &[u8], little_endian: bool) -> Error {
    let word = |at: usize| {
        let bytes: [u8; 4] = file.get(at..at + 4)?.try_into().ok()?;
        Some(if little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let (Some(cpu_type), Some(cpu_subtype)) = (word(4), word(8)) else {
        return Error::truncated("the Mach-O header does not fit in the file");
    };
    if cpu_type == macho::CPU_TYPE_X86_64.0 {
        return Error::malformed(
            "the Mach-O header says x86_64 but its magic number is for another word size or byte order: \
             the file is damaged, copy or build it again",
        );
    }
    Error::Architecture { found: Architecture { cpu_type, cpu_subtype } }
}

fn other_format(file: &[u8]) -> Error {
    if let Some(line) = file.strip_prefix(b"#!") {
        let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let line = line.get(..TEXT_SAMPLE).unwrap_or(line).trim_ascii();
        return Error::Script { interpreter: line.escape_ascii().to_string() };
    }
    if file.starts_with(b"\x7fELF") {
        return Error::Elf;
    }
    if file.starts_with(b"MZqFpD='") || file.starts_with(b"jartsr='") {
        return Error::ActuallyPortable;
    }
    if file.starts_with(b"MZ") {
        return Error::Windows;
    }
    let sample = file.get(..TEXT_SAMPLE).unwrap_or(file);
    let is_text = |byte: u8| byte >= 0x20 && byte != 0x7f || (0x07..=0x0d).contains(&byte) || byte == 0x1b;
    // A multi-byte character may be cut off at the end of the sample.
    let encoded = std::str::from_utf8(sample).map_or_else(|error| error.error_len().is_none(), |_| true);
    if encoded && sample.iter().copied().all(is_text) {
        return Error::Text;
    }
    Error::Unrecognised { start: file.iter().copied().take(8).collect() }
}
