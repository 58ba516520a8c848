//! A dylib as a dynamic linker: another file type, `LC_ID_DYLINKER` for `LC_ID_DYLIB`, and `LC_UNIXTHREAD` in the free
//! space behind the load commands. LLVM's linker makes dylibs and leaves that space when asked, but knows no dynamic
//! linkers. Facts from mach-o/loader.h and osfmk/mach/{i386,arm}/thread_status.h.

use crate::Result;
use object::LittleEndian as LE;
use object::macho::{
    self, CPU_TYPE_ARM64, CPU_TYPE_X86_64, LC_ID_DYLIB, LC_ID_DYLINKER, LC_UNIXTHREAD, MH_DYLINKER,
};
use object::read::macho::{MachHeader, MachOFile64};
use object::{Object, ObjectSection, ObjectSymbol};

/// Where the path is in an `LC_ID_DYLINKER`.
const NAME_OFFSET: u32 = 12;
const NAME: &[u8] = b"/usr/lib/dyld\0";

/// Flavor, count of 32-bit words, and which 64-bit register is the program counter.
const X86_THREAD: (u32, u32, usize) = (4, 42, 16);
const ARM_THREAD: (u32, u32, usize) = (6, 68, 32);

/// Makes a dynamic linker of `dylib`, which begins at its symbol `start`.
///
/// # Errors
/// It is no Mach-O dylib, has no such symbol, or no space behind its load commands.
pub(super) fn from_dylib(dylib: &[u8], start: &str) -> Result<Vec<u8>> {
    let file = MachOFile64::<LE>::parse(dylib)?;
    let entry = file.symbols().find(|symbol| symbol.name() == Ok(start)).map(|symbol| symbol.address());
    let entry = entry.ok_or_else(|| format!("the image has no symbol {start}"))?;
    let free_until = file.sections().filter_map(|section| section.file_range()).map(|range| range.0).min();
    let header = file.macho_header();
    let (flavor, words, pc) = match header.cputype(LE) {
        CPU_TYPE_X86_64 => X86_THREAD,
        CPU_TYPE_ARM64 => ARM_THREAD,
        other => return Err(format!("no thread state is known for processor {:#x}", other.0).into()),
    };

    let header_size = size_of::<macho::MachHeader64<LE>>();
    let end = header_size + header.sizeofcmds(LE) as usize;
    let mut commands = Vec::new();
    let mut rest = dylib.get(header_size..end).ok_or("the load commands are cut off")?;
    while let Some((kind, size)) = command(rest) {
        let (bytes, tail) = rest.split_at_checked(size).ok_or("a load command is cut off")?;
        commands.extend(if kind == LC_ID_DYLIB.0 { id_dylinker() } else { bytes.to_vec() });
        rest = tail;
    }
    let mut thread = vec![0u32; 4 + words as usize];
    thread[..4].copy_from_slice(&[LC_UNIXTHREAD.0, 16 + words * 4, flavor, words]);
    thread[4 + pc * 2] = entry as u32;
    thread[5 + pc * 2] = (entry >> 32) as u32;
    commands.extend(thread.iter().flat_map(|word| word.to_le_bytes()));

    let new_end = header_size + commands.len();
    if free_until.is_none_or(|until| new_end as u64 > until) {
        return Err("there is no space behind the load commands: link with -headerpad".into());
    }
    let mut image = dylib.to_vec();
    let mut set = |at: usize, value: u32| image[at..at + 4].copy_from_slice(&value.to_le_bytes());
    set(12, MH_DYLINKER.0);
    set(16, header.ncmds(LE) + 1);
    set(20, commands.len() as u32);
    image[header_size..new_end].copy_from_slice(&commands);
    Ok(image)
}

/// Kind and size of the first command.
fn command(bytes: &[u8]) -> Option<(u32, usize)> {
    let (words, _) = bytes.as_chunks::<4>();
    match words {
        [kind, size, ..] => Some((u32::from_le_bytes(*kind), u32::from_le_bytes(*size) as usize)),
        _ => None,
    }
}

fn id_dylinker() -> Vec<u8> {
    let size = (NAME_OFFSET as usize + NAME.len()).next_multiple_of(8);
    let mut bytes: Vec<u8> =
        [LC_ID_DYLINKER.0, size as u32, NAME_OFFSET].iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend(NAME);
    bytes.resize(size, 0);
    bytes
}
