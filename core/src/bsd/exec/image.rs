//! What kind of program a file is, by its first bytes.

use crate::bsd::scratch::Scratch;
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::table::SysResult;
use crate::user::UserAddr;
use xnu_abi::darwin::Errno;

/// As much as is looked at: `IMG_SHSIZE` (`bsd/sys/imgact.h`), the longest first line of a script, which is more than a
/// universal file needs for all processors that there are.
const HEADER: usize = 512;

/// A kind of program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Image {
    /// XNU's, for this processor.
    MachO,
    /// Linux's.
    Elf,
    /// Some other program's.
    Script,
}

/// Looks at the beginning of a file.
///
/// # Errors
/// `ENOEXEC` for what is no program, `EBADARCH` for another processor's.
#[inline(never)]
pub(super) fn identify<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<Image> {
    let mut header = [0; HEADER];
    linux::descriptor::pread_own(kernel, file, &mut header, 0).to_bsd()?;
    kind(&header)
}

const CPU_TYPE: u32 = if cfg!(target_arch = "x86_64") { 0x0100_0007 } else { 0x0100_000c };

fn kind(header: &[u8; HEADER]) -> SysResult<Image> {
    const MH_MAGIC: u32 = 0xfeed_face;
    const MH_MAGIC_64: u32 = 0xfeed_facf;
    const MH_EXECUTE: u32 = 2;
    const ELF: u32 = u32::from_le_bytes(*b"\x7fELF");
    // Big-endian in the file.
    const FAT_MAGIC: u32 = 0xcafe_babe_u32.swap_bytes();
    let bytes = |at: usize| -> [u8; 4] {
        let end = at.saturating_add(4);
        header.get(at..end).and_then(|word| word.try_into().ok()).unwrap_or_default()
    };
    let little = |at: usize| u32::from_le_bytes(bytes(at));
    let big = |at: usize| u32::from_be_bytes(bytes(at));
    match little(0) {
        MH_MAGIC_64 if little(4) != CPU_TYPE => Err(Errno::EBADARCH),
        MH_MAGIC_64 if little(12) != MH_EXECUTE => Err(Errno::ENOEXEC),
        MH_MAGIC_64 => Ok(Image::MachO),
        MH_MAGIC => Err(Errno::EBADARCH),
        ELF => Ok(Image::Elf),
        FAT_MAGIC => {
            const FIRST: usize = 8;
            const ENTRY: usize = 20;
            let count = big(4) as usize;
            let mut entries = (FIRST..HEADER).step_by(ENTRY).take(count);
            let found = entries.any(|at| big(at) == CPU_TYPE);
            if found { Ok(Image::MachO) } else { Err(Errno::EBADARCH) }
        }
        _ if header.starts_with(b"#!") => Ok(Image::Script),
        _ => Err(Errno::ENOEXEC),
    }
}

/// The words of a script's first line, each with its terminator, in memory of their own.
pub(super) struct Line<'a, K: Kernel> {
    memory: Scratch<'a, K>,
    words: [u16; WORDS],
    count: usize,
}

/// More words than a line has room for.
const WORDS: usize = HEADER / 2;

impl<K: Kernel> Line<'_, K> {
    /// The interpreter's path.
    pub(super) fn first(&self) -> SysResult<UserAddr> {
        self.memory.at(0)
    }

    /// Where each word begins.
    pub(super) fn words(&self) -> impl Iterator<Item = SysResult<UserAddr>> + '_ {
        self.words.iter().take(self.count).map(|at| self.memory.at(usize::from(*at)))
    }
}

/// Reads the first line of a script.
///
/// # Errors
/// `ENOEXEC` where it names nothing, or does not end.
#[inline(never)]
pub(super) fn interpreter<K: Kernel>(kernel: &K, script: LinuxFd) -> SysResult<Line<'_, K>> {
    let mut header = [0; HEADER];
    linux::descriptor::pread_own(kernel, script, &mut header, 0).to_bsd()?;
    let words = line(&header).ok_or(Errno::ENOEXEC)?;
    let memory = Scratch::new(kernel, HEADER)?;
    let mut line = Line { memory, words: [0; WORDS], count: 0 };
    let mut at = 0u16;
    for (word, place) in words.split(is_blank).filter(|word| !word.is_empty()).zip(&mut line.words) {
        kernel.copy_out(line.memory.at(usize::from(at))?, word)?;
        *place = at;
        // Fresh memory is zero: there is the terminator already.
        at = at.wrapping_add(word.len() as u16).wrapping_add(1);
        line.count = line.count.wrapping_add(1);
    }
    Ok(line)
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// What stands between `#!` and the end of the line, which a `#` is as well, without blanks around it.
fn line(header: &[u8; HEADER]) -> Option<&[u8]> {
    let rest = header.get(2..)?;
    let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'#'))?;
    let line = rest.get(..end)?;
    let first = line.iter().position(|byte| !is_blank(byte))?;
    let last = line.iter().rposition(|byte| !is_blank(byte))?;
    line.get(first..=last)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::{format, vec, vec::Vec};

    fn header(bytes: &[u8]) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        header
    }

    #[test]
    fn programs_are_told_by_their_first_bytes() {
        let macho = |cpu: u32, kind: u32| {
            let words = [0xfeed_facf_u32, cpu, 3, kind];
            header(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())
        };
        assert_eq!(kind(&macho(CPU_TYPE, 2)), Ok(Image::MachO));
        assert_eq!(kind(&macho(CPU_TYPE, 6)), Err(Errno::ENOEXEC));
        assert_eq!(kind(&macho(7, 2)), Err(Errno::EBADARCH));
        assert_eq!(kind(&header(b"\x7fELF\x02")), Ok(Image::Elf));
        assert_eq!(kind(&header(b"#!/bin/sh\n")), Ok(Image::Script));
        assert_eq!(kind(&header(b"#")), Err(Errno::ENOEXEC));
        assert_eq!(kind(&header(b"echo hello\n")), Err(Errno::ENOEXEC));
    }

    #[test]
    fn a_universal_file_is_searched_for_this_processor() {
        let universal = |cpus: &[u32], count: u32| {
            let mut bytes = [0xcafe_babe_u32.to_be_bytes(), count.to_be_bytes()].concat();
            for cpu in cpus {
                bytes.extend([cpu.to_be_bytes(), [0; 4], [0; 4], [0; 4], [0; 4]].concat());
            }
            header(&bytes)
        };
        assert_eq!(kind(&universal(&[7, CPU_TYPE], 2)), Ok(Image::MachO));
        assert_eq!(kind(&universal(&[7, CPU_TYPE], 1)), Err(Errno::EBADARCH));
        assert_eq!(kind(&universal(&[7], u32::MAX)), Err(Errno::EBADARCH));
    }

    #[test]
    fn the_first_line_is_read_as_xnu_does() {
        let read = |text: &str| line(&header(text.as_bytes())).map(<[u8]>::to_vec);
        assert_eq!(read("#!/bin/sh\nx"), Some(b"/bin/sh".to_vec()));
        assert_eq!(read("#! \t/bin/sh  -e\t x \n"), Some(b"/bin/sh  -e\t x".to_vec()));
        assert_eq!(read("#!/bin/sh # -e\n"), Some(b"/bin/sh".to_vec()));
        assert_eq!(read("#!\n"), None);
        assert_eq!(read("#!   #/bin/sh\n"), None);
        assert_eq!(read("#!/bin/sh"), None);
        assert_eq!(read(&format!("#!{}\n", "x".repeat(509))), Some(vec![b'x'; 509]));
        assert_eq!(line(&[b'x'; HEADER]), None);
    }
}
