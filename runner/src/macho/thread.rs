//! `LC_UNIXTHREAD`: the registers a program starts with (`bsd/kern/mach_loader.c`, `load_unixthread`).

use super::Error;
use super::image::Command;
use object::LittleEndian as LE;
use object::macho::ThreadCommand;
use object::{U32, pod};
use xnu_abi::darwin::thread_state::{X86Flavor, x86_THREAD_STATE64_COUNT};
use zerocopy::FromBytes;

pub use xnu_abi::darwin::thread_state::X86ThreadState64 as Registers;

/// The flavor of [`Registers`].
pub(super) const X86_THREAD_STATE64: u32 = X86Flavor::x86_THREAD_STATE64.number() as u32;

/// The words of 32 bits of `x86_THREAD_STATE64`.
const WORDS: usize = x86_THREAD_STATE64_COUNT as usize;

/// Reads the states in the command. Of several, the last one counts, as in XNU.
pub(super) fn read(command: &Command<'_>) -> Result<Registers, Error> {
    let mut rest = command.bytes.get(size_of::<ThreadCommand<LE>>()..).unwrap_or_default();
    let mut found = None;
    while !rest.is_empty() {
        let Ok((header, after)) = pod::from_bytes::<[U32<LE>; 2]>(rest) else {
            return Err(command.malformed("the thread state's flavor and count do not fit in cmdsize"));
        };
        let [flavor, count] = header.map(|word| word.get(LE));
        let Ok((state, after)) = pod::slice_from_bytes::<U32<LE>>(after, count as usize) else {
            return Err(command.malformed(format_args!(
                "the thread state's count is {count} words, but only {} are left in cmdsize",
                after.len() / size_of::<u32>()
            )));
        };
        if flavor != X86_THREAD_STATE64 {
            return Err(command.malformed(format_args!(
                "thread state flavor {flavor} is not x86_THREAD_STATE64 ({X86_THREAD_STATE64})"
            )));
        }
        if state.len() != WORDS {
            return Err(command.malformed(format_args!(
                "the thread state's count is {count} words, but x86_THREAD_STATE64 has {WORDS}"
            )));
        }
        found = Registers::read_from_bytes(pod::bytes_of_slice(state)).ok();
        rest = after;
    }
    found.ok_or_else(|| command.malformed("it has no thread state, so no entry point"))
}
