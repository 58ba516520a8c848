//! A guest thread's own memory: its state, the stack that calls are served on, and the stack of signal handlers.
//!
//! # Safety
//! One mapping, aligned to its size, holds all three, so that a handler finds the state from its stack pointer. The
//! state at its start is initialised before anything can look for it and is never unmapped while the thread lives.
#![allow(unsafe_code)]

use super::Guest;
use std::arch::{asm, is_x86_feature_detected};
use std::io;
use std::mem::offset_of;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use xnu_abi::darwin::signal::Signal;
use xnu_abi::linux::{Errno, SignalStack};
use xnu_backend_linux::{Linux, ThreadSlot};
use xnu_core::linux::memory;
use xnu_core::linux::signal::sigaltstack;
use xnu_core::registers::{Registers, VectorState};
use xnu_core::signal::{Info, ThreadSignals};
use xnu_core::threads::NewThread;
use xnu_core::{Kernel, Thread, UserAddr};

/// Size and alignment of an area.
pub(super) const AREA: usize = 0x4_0000;
/// From the start: the thread, the guest, then a page that faults.
const GUEST: usize = 0x2000;
const STATE_END: usize = 0x6000;
/// The stack of signal handlers: the kernel's frame with all vector registers is below 12 KiB.
const SIGNAL_STACK: (usize, usize) = (0x7000, 0x1_7000);
/// The stack that calls are served on, after another page that faults.
const CALL_STACK: (usize, usize) = (0x1_8000, AREA);
/// The pages that fault.
const GAPS: [usize; 2] = [STATE_END, SIGNAL_STACK.1];
const PAGE: usize = 0x1000;

/// A thread of the guest. A call touches one page of it: what is large and rarely needed comes last.
#[repr(C)]
pub struct GuestThread {
    /// What it belongs to; in the first thread's area.
    pub guest: &'static Guest,
    /// The rip, cs, rflags, rsp and ss that `iretq` takes.
    pub(super) return_frame: [u64; 5],
    /// Registers at a call that was interrupted, and whether a signal's handler may ask for it to be made anew.
    pub(super) interrupted: Option<(Registers, bool)>,
    /// A fault that the guest's own instruction caused and that must be dealt with before it goes on.
    pub(super) fault: Option<Info>,
    /// The components of the vector state to save and load.
    pub(super) components: u32,
    /// Whether `xsavec` is there.
    pub(super) compact: u8,
    /// Whether all registers are to be loaded; else rcx and r11 are left as `syscall` leaves them.
    pub(super) all_registers: u8,
    /// Signals that came while the core ran, by bit.
    pub(super) inbox: AtomicU32,
    /// Whether a signal has made the thread watched (see the handler).
    pub(super) watched: AtomicBool,
    /// Who it is to the engine of Mach ports.
    pub ports: ThreadSlot,
    /// What the core knows of it.
    pub thread: Thread,
    letters: [Info; 32],
}

impl GuestThread {
    /// Maps an area and fills in the first thread of a guest, and the guest behind it. The thread has no registers yet.
    pub(super) fn new(guest: Guest) -> io::Result<&'static mut GuestThread> {
        let components = components()
            .ok_or_else(|| io::Error::other("the processor has no XSAVE, which this program needs"))?;
        let area = map_aligned()?;
        const { assert!(size_of::<GuestThread>() <= GUEST && GUEST + size_of::<Guest>() <= STATE_END) };
        const { assert!(GUEST.is_multiple_of(align_of::<Guest>())) };
        // SAFETY: the mapping is ours, writable, aligned, and large enough; it is leaked on purpose.
        let guest = unsafe {
            let at = area.add(GUEST).cast::<Guest>();
            at.write(guest);
            &*at
        };
        let compact = u8::from(is_x86_feature_detected!("xsavec"));
        let state = GuestThread::fresh(guest, components, compact);
        let at = area.cast::<GuestThread>();
        // SAFETY: as above.
        unsafe {
            at.write(state);
            Ok(&mut *at)
        }
    }

    /// A thread that has not done anything yet.
    fn fresh(guest: &'static Guest, components: u32, compact: u8) -> GuestThread {
        let mut thread = Thread::default();
        // mxcsr is loaded even where the rest of SSE is in its initial state.
        thread.vectors.0[MXCSR..MXCSR + 4].copy_from_slice(&MXCSR_INITIAL.to_le_bytes());
        GuestThread {
            thread,
            ports: ThreadSlot::new(),
            guest,
            return_frame: [0; 5],
            interrupted: None,
            fault: None,
            components,
            compact,
            all_registers: 1,
            inbox: AtomicU32::new(0),
            watched: AtomicBool::new(false),
            letters: [Info::bare(Signal::new(0)); 32],
        }
    }

    /// Another thread of the same guest, with these registers and this mask.
    pub(super) fn like(&self, new: &NewThread) -> GuestThread {
        let mut other = GuestThread::fresh(self.guest, self.components, self.compact);
        other.thread.registers = new.registers;
        other.thread.signals.mask = new.mask;
        other
    }

    /// How much of the vector state there is in the standard format, with the processor's components: a frame of Linux's
    /// has no more, and may end where the signal stack does.
    pub(super) fn vector_length(&self) -> usize {
        const AVX: u32 = 0b100;
        const AVX_512: u32 = 0b1110_0000;
        match self.components {
            wide if wide & AVX_512 != 0 => STANDARD_AVX_512_END,
            avx if avx & AVX != 0 => VectorState::AVX + VectorState::AVX_LENGTH,
            _ => VectorState::AVX,
        }
    }

    /// Whether signals wait to be looked at.
    pub(crate) fn is_signalled(&self) -> bool {
        self.inbox.load(Ordering::Acquire) != 0
    }

    /// Where the area begins.
    fn base(&self) -> usize {
        ptr::from_ref(self) as usize
    }

    /// The addresses of the area.
    pub(super) fn area(&self) -> Range<u64> {
        self.base() as u64..(self.base() + AREA) as u64
    }

    /// The stack that calls are served on.
    pub(super) fn call_stack(&self) -> Range<u64> {
        (self.base() + CALL_STACK.0) as u64..self.call_stack_top()
    }

    /// The top of the stack that calls are served on.
    pub(super) fn call_stack_top(&self) -> u64 {
        (self.base() + CALL_STACK.1) as u64
    }

    /// Registers the area's signal stack with Linux for the calling thread.
    pub(super) fn use_signal_stack<K: Kernel>(&self, kernel: &K) -> Result<(), Errno> {
        let stack = SignalStack {
            ss_sp: (self.base() + SIGNAL_STACK.0) as u64,
            ss_flags: 0,
            padding: 0,
            ss_size: (SIGNAL_STACK.1 - SIGNAL_STACK.0) as u64,
        };
        sigaltstack(kernel, Some(&stack)).map(|_| ())
    }

    /// Puts a signal into the inbox. A signal that is there already keeps its first cause.
    ///
    /// Only handlers of the thread call this, and they block each other.
    pub(super) fn post(&mut self, info: Info) {
        let index = info.signal.number().wrapping_sub(1) as usize;
        let Some(letter) = self.letters.get_mut(index) else { return };
        if self.inbox.load(Ordering::Acquire) & 1 << index == 0 {
            *letter = info;
            self.inbox.fetch_or(1 << index, Ordering::AcqRel);
        }
    }

    /// Moves the inbox to the core. A letter is copied before its bit is cleared, so a handler never writes what is
    /// being read.
    pub(super) fn collect(&mut self) {
        loop {
            let waiting = self.inbox.load(Ordering::Acquire);
            if waiting == 0 {
                return;
            }
            let index = waiting.trailing_zeros();
            if let Some(letter) = self.letters.get(index as usize) {
                self.thread.signals.note(*letter);
            }
            self.inbox.fetch_and(!(1 << index), Ordering::AcqRel);
        }
    }
}

/// The thread whose area `stack_pointer` is in.
///
/// # Safety
/// The pointer must be in the signal stack or the call stack of an area, as it is in every handler of a guest thread.
pub(super) unsafe fn thread_at(stack_pointer: usize) -> *mut GuestThread {
    (stack_pointer & !(AREA - 1)) as *mut GuestThread
}

/// The thread that runs, where that is on its call stack, as it is in every call of the guest's.
#[inline]
pub fn current_thread<'t>() -> Option<&'t GuestThread> {
    let here = 0u8;
    // SAFETY: calls are served on call stacks; only what is atomic in the thread is used besides what the call has.
    Some(unsafe { &*thread_at(&raw const here as usize) })
}

/// Where the last part of AVX-512 ends in the standard format.
const STANDARD_AVX_512_END: usize = 2688;
const _: () = assert!(STANDARD_AVX_512_END <= VectorState::LENGTH);

const MXCSR: usize = 24;
const MXCSR_INITIAL: u32 = 0x1f80;

/// Maps an area at a multiple of its size, with the pages between its parts made to fault.
///
/// Behind the image if there is room, whose tables of pages it then shares.
fn map_aligned() -> io::Result<*mut u8> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping twice as large; its ends outside the aligned part are unmapped, its gaps protected.
    unsafe {
        let behind = super::entry::image().end as *mut libc::c_void;
        let wide = libc::mmap(behind, AREA * 2, protection, flags, -1, 0);
        if wide == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = wide as usize;
        let aligned = start.next_multiple_of(AREA);
        if aligned > start {
            libc::munmap(wide, aligned - start);
        }
        let end = start + AREA * 2;
        if end > aligned + AREA {
            libc::munmap((aligned + AREA) as *mut libc::c_void, end - aligned - AREA);
        }
        protect_gaps(aligned).map_err(|error| io::Error::from_raw_os_error(i32::from(error.number())))?;
        Ok(aligned as *mut u8)
    }
}

/// Makes the pages between the parts of an area fault.
///
/// Where Linux marks pages so (6.13), the area stays one mapping, of which a fork makes one. Elsewhere the parts become
/// mappings, and a forked child gets the stack of signal handlers empty, so that neither side has to copy it.
///
/// # Errors
/// There are too many mappings.
pub(super) fn protect_gaps(area: usize) -> Result<(), Errno> {
    const PROT_NONE: u32 = 0;
    /// `include/uapi/asm-generic/mman-common.h`
    const MADV_GUARD_INSTALL: i32 = 102;
    let kernel = Linux::new();
    let gaps = GAPS.map(|gap| UserAddr::new((area + gap) as u64));
    if gaps.iter().all(|gap| memory::madvise(&kernel, *gap, PAGE, MADV_GUARD_INSTALL).is_ok()) {
        return Ok(());
    }
    for gap in gaps {
        memory::mprotect(&kernel, gap, PAGE, PROT_NONE)?;
    }
    let stack = UserAddr::new((area + SIGNAL_STACK.0) as u64);
    // Where Linux cannot, it copies.
    let _ = memory::madvise(&kernel, stack, SIGNAL_STACK.1 - SIGNAL_STACK.0, libc::MADV_WIPEONFORK);
    Ok(())
}

/// The components that the processor and Linux have, of those that are kept; `None` without `xsave`, or where Linux
/// saves no more than `fxsave` does.
fn components() -> Option<u32> {
    if !is_x86_feature_detected!("xsave") {
        return None;
    }
    let enabled: u32;
    // SAFETY: there where Linux saves by XSAVE; reads a register that all may read.
    unsafe { asm!("xgetbv", in("ecx") 0, out("eax") enabled, out("edx") _, options(nomem, nostack)) };
    Some(enabled & VectorState::COMPONENTS as u32)
}

const _: () = assert!(
    offset_of!(GuestThread, thread) + offset_of!(Thread, signals) + ThreadSignals::HOT <= 0x1000,
    "a call touches one page of the thread"
);

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether Linux can read a byte there.
    fn is_readable(address: usize) -> bool {
        let mut pipe = [0; 2];
        // SAFETY: Linux looks at the address, nobody else; the pipe is closed again.
        unsafe {
            assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
            let written = libc::write(pipe[1], address as *const libc::c_void, 1);
            libc::close(pipe[0]);
            libc::close(pipe[1]);
            written == 1
        }
    }

    #[test]
    fn pages_between_the_parts_of_an_area_fault() {
        let area = map_aligned().expect("memory") as usize;
        let faults: Vec<usize> = (0..AREA).step_by(PAGE).filter(|at| !is_readable(area + at)).collect();
        assert_eq!(faults, GAPS);
        // SAFETY: mapped above, and nobody's.
        unsafe { libc::munmap(area as *mut libc::c_void, AREA) };
    }
}
