//! Registers of a thread, in the flavours of x86-64 (`osfmk/i386/pcb.c`, `machine_thread_get_state` and
//! `machine_thread_set_state`).

use alloc::vec::Vec;
use core::mem::offset_of;
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::thread_state::{
    X86Avx512State64, X86AvxState64, X86DebugState64, X86ExceptionState64, X86Flavor, X86FloatState64,
    X86ThreadState64,
};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// Words of a state at most (`THREAD_STATE_MAX`).
pub(crate) const WORDS_MAX: usize = 1296;

const INVALID: KernReturn = KernReturn::KERN_INVALID_ARGUMENT;

/// Where addresses of programs end (`VM_MAX_USER_PAGE_ADDRESS`).
const ADDRESSES_END: u64 = 0x7fff_ffe0_0000;

/// The code segment of 64-bit programs.
const USER64_CS: u64 = 0x2b;

/// Flags that nobody sets from outside (`EFL_USER_CLEAR`), and the one that is always set.
const FLAGS_CLEAR: u64 = 0x3000 | 0x4000 | 0x1_0000;
const FLAGS_SET: u64 = 0x200;

/// Lists of the flavours that there are; further flavours were appended over the years.
const LISTS: [(i32, usize); 5] = [(0, 3), (128, 4), (129, 5), (130, 6), (131, 7)];
const LISTED: [X86Flavor; 7] = [
    X86Flavor::x86_THREAD_STATE,
    X86Flavor::x86_FLOAT_STATE,
    X86Flavor::x86_EXCEPTION_STATE,
    X86Flavor::x86_DEBUG_STATE,
    X86Flavor::x86_AVX_STATE,
    X86Flavor::x86_AVX512_STATE,
    X86Flavor::x86_PAGEIN_STATE,
];

/// Bytes of a header that says which of two states follows: its flavour, and its words.
const HEADER: usize = 8;

/// The registers of a thread.
#[derive(Clone, Debug)]
pub struct ThreadState {
    /// The general ones.
    pub general: X86ThreadState64,
    /// What the processor said of the fault that stopped it.
    pub exception: X86ExceptionState64,
    /// Floating-point and vector registers: all of them, as the longest flavour has them.
    pub vectors: X86Avx512State64,
    /// Whether the processor has AVX-512.
    pub wide: bool,
}

impl Default for ThreadState {
    fn default() -> ThreadState {
        ThreadState {
            general: X86ThreadState64::default(),
            exception: X86ExceptionState64::default(),
            vectors: X86Avx512State64::new_zeroed(),
            wide: false,
        }
    }
}

/// A flavour that chooses between 32 and 64 bits, as the one of 64 bits that it is here.
fn unified(flavor: X86Flavor) -> Option<X86Flavor> {
    Some(match flavor {
        X86Flavor::x86_THREAD_STATE => X86Flavor::x86_THREAD_STATE64,
        X86Flavor::x86_FLOAT_STATE => X86Flavor::x86_FLOAT_STATE64,
        X86Flavor::x86_EXCEPTION_STATE => X86Flavor::x86_EXCEPTION_STATE64,
        X86Flavor::x86_DEBUG_STATE => X86Flavor::x86_DEBUG_STATE64,
        X86Flavor::x86_AVX_STATE => X86Flavor::x86_AVX_STATE64,
        X86Flavor::x86_AVX512_STATE => X86Flavor::x86_AVX512_STATE64,
        _ => return None,
    })
}

/// Bytes of a state of 64-bit threads.
fn size(flavor: X86Flavor) -> Option<usize> {
    Some(match flavor {
        X86Flavor::x86_THREAD_STATE64 => size_of::<X86ThreadState64>(),
        X86Flavor::x86_FLOAT_STATE64 => size_of::<X86FloatState64>(),
        X86Flavor::x86_EXCEPTION_STATE64 => size_of::<X86ExceptionState64>(),
        X86Flavor::x86_DEBUG_STATE64 => size_of::<X86DebugState64>(),
        X86Flavor::x86_AVX_STATE64 => size_of::<X86AvxState64>(),
        X86Flavor::x86_AVX512_STATE64 => size_of::<X86Avx512State64>(),
        X86Flavor::x86_PAGEIN_STATE => 4,
        flavor => HEADER + size(unified(flavor)?)?,
    })
}

/// Whether a flavour may be asked for at exceptions (`VALID_THREAD_STATE_FLAVOR`).
pub(crate) fn is_flavor(flavor: i32) -> bool {
    matches!(flavor, 1..=13 | 16..=25)
}

/// Whether debug registers can be set: only to what they are, as no host has watchpoints.
fn debug_state(new: &X86DebugState64) -> Result<(), KernReturn> {
    let [addresses @ .., _, _, _, control] = &new.dr;
    let is_on = |index: usize| control & 1 << (2 * index) != 0;
    if addresses.iter().enumerate().any(|(index, address)| is_on(index) && *address >= ADDRESSES_END) {
        return Err(INVALID);
    }
    if new.dr.iter().all(|word| *word == 0) { Ok(()) } else { Err(KernReturn::KERN_NOT_SUPPORTED) }
}

fn shortage<T>(_: T) -> KernReturn {
    KernReturn::KERN_RESOURCE_SHORTAGE
}

impl ThreadState {
    /// A state in words, for which there is room for so many.
    ///
    /// # Errors
    /// `KERN_INVALID_ARGUMENT` for a flavour that is none, is for 32 bits or has no room; `KERN_RESOURCE_SHORTAGE`.
    pub(crate) fn get(&self, flavor: i32, room: u32) -> Result<Vec<u32>, KernReturn> {
        let mut words = Vec::new();
        if let Some((_, count)) = LISTS.iter().find(|(list, _)| *list == flavor) {
            if (room as usize) < *count {
                return Err(INVALID);
            }
            words.try_reserve_exact(*count).map_err(shortage)?;
            words.extend(LISTED.iter().take(*count).map(|flavor| flavor.number() as u32));
            return Ok(words);
        }
        let flavor = X86Flavor::new(flavor);
        let count = size(flavor).ok_or(INVALID)? / 4;
        if (room as usize) < count || self.is_missing(flavor) {
            return Err(INVALID);
        }
        words.try_reserve_exact(count).map_err(shortage)?;
        let exact = unified(flavor).unwrap_or(flavor);
        if exact != flavor {
            words.extend([exact.number() as u32, (count - HEADER / 4) as u32]);
        }
        let bytes = match exact {
            X86Flavor::x86_THREAD_STATE64 => self.general.as_bytes(),
            X86Flavor::x86_EXCEPTION_STATE64 => self.exception.as_bytes(),
            // None is ever set.
            X86Flavor::x86_DEBUG_STATE64 | X86Flavor::x86_PAGEIN_STATE => &[],
            _ => self.vectors.as_bytes(),
        };
        let room = count - words.len();
        words.extend(bytes.as_chunks::<4>().0.iter().take(room).map(|word| u32::from_le_bytes(*word)));
        if exact == X86Flavor::x86_THREAD_STATE64 {
            // Where the code segment lies in the state.
            const CS: usize = offset_of!(X86ThreadState64, cs) / 4;
            let at = words.len() + CS - size_of::<X86ThreadState64>() / 4;
            if let Some(word) = words.get_mut(at) {
                *word = USER64_CS as u32;
            }
        }
        words.resize(count, 0);
        Ok(words)
    }

    /// Changes registers to those of a state.
    ///
    /// # Errors
    /// `KERN_INVALID_ARGUMENT` for what cannot be set, or is of a wrong size; `KERN_NOT_SUPPORTED` for watchpoints.
    pub(crate) fn set(&mut self, flavor: i32, words: &[u32]) -> Result<(), KernReturn> {
        let flavor = X86Flavor::new(flavor);
        if size(flavor) != Some(words.len() * 4) || self.is_missing(flavor) {
            return Err(INVALID);
        }
        let (exact, words) = match unified(flavor) {
            None => (flavor, words),
            Some(exact) => match words {
                [kind, count, state @ ..]
                    if *kind == exact.number() as u32 && *count as usize == state.len() =>
                {
                    (exact, state)
                }
                _ => return Err(INVALID),
            },
        };
        let bytes = words.as_bytes();
        match exact {
            X86Flavor::x86_THREAD_STATE64 => {
                let new = X86ThreadState64::read_from_bytes(bytes).map_err(|_| INVALID)?;
                if new.rip >= ADDRESSES_END || new.rsp >= ADDRESSES_END {
                    return Err(INVALID);
                }
                let rflags = new.rflags & !FLAGS_CLEAR | FLAGS_SET;
                self.general = X86ThreadState64 { rflags, cs: USER64_CS, ..new };
                Ok(())
            }
            X86Flavor::x86_FLOAT_STATE64 | X86Flavor::x86_AVX_STATE64 | X86Flavor::x86_AVX512_STATE64 => {
                let into = self.vectors.as_mut_bytes();
                into.get_mut(..bytes.len()).ok_or(INVALID)?.copy_from_slice(bytes);
                Ok(())
            }
            X86Flavor::x86_DEBUG_STATE64 => {
                let new = X86DebugState64::read_from_bytes(bytes).map_err(|_| INVALID)?;
                debug_state(&new)
            }
            _ => Err(INVALID),
        }
    }

    fn is_missing(&self, flavor: X86Flavor) -> bool {
        !self.wide && matches!(flavor, X86Flavor::x86_AVX512_STATE | X86Flavor::x86_AVX512_STATE64)
    }
}
