//! `LC_UNIXTHREAD`: the registers a program starts with (`bsd/kern/mach_loader.c`, `load_unixthread`).

use super::Error;
use super::image::Command;
use object::macho::ThreadCommand;
use object::{LittleEndian as LE, U64};
use object::{U32, pod};

/// The registers of `x86_thread_state64_t`, in its order.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[allow(missing_docs)]
pub struct Registers {
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rbp: u64,
    /// Not 0 asks for this stack instead of the usual one.
    pub rsp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rip: u64,
    /// As the file has it: the loader decides which bits a program may set.
    pub rflags: u64,
    /// As the file has it: not to be loaded. The same goes for `fs` and `gs`.
    pub cs: u64,
    pub fs: u64,
    pub gs: u64,
}

/// `x86_THREAD_STATE64` of `<mach/i386/thread_status.h>`.
pub(super) const X86_THREAD_STATE64: u32 = 4;

/// The registers of `x86_THREAD_STATE64`.
const REGISTERS: usize = 21;

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
        if state.len() != REGISTERS * 2 {
            return Err(command.malformed(format_args!(
                "the thread state's count is {count} words, but x86_THREAD_STATE64 has {}",
                REGISTERS * 2
            )));
        }
        let registers = pod::from_bytes::<[U64<LE>; REGISTERS]>(pod::bytes_of_slice(state));
        found = registers.ok().map(|(registers, _)| from_raw(*registers));
        rest = after;
    }
    found.ok_or_else(|| command.malformed("it has no thread state, so no entry point"))
}

fn from_raw(raw: [U64<LE>; REGISTERS]) -> Registers {
    let [
        rax,
        rbx,
        rcx,
        rdx,
        rdi,
        rsi,
        rbp,
        rsp,
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rip,
        rflags,
        cs,
        fs,
        gs,
    ] = raw.map(|register| register.get(LE));
    Registers {
        rax,
        rbx,
        rcx,
        rdx,
        rdi,
        rsi,
        rbp,
        rsp,
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rip,
        rflags,
        cs,
        fs,
        gs,
    }
}
